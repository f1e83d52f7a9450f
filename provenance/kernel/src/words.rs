//! Words: maximal runs of letters and digits, as `char::is_alphanumeric` and tantivy's simple tokenizer see them.
//!
//! Which code points count is pinned by `alphanumeric.txt`, which the reference reads too, so that an index does not
//! depend on the toolchain that built the kernel.

use crate::simd::scan::scan_words;
use hashbrown::HashTable;
use std::cell::RefCell;
use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Longer words are not indexed (both search engines).
const LONGEST: usize = 255;
/// Words up to this length are stored in the table itself.
const SHORT: usize = 15;
const CHUNK_BLOCKS: usize = 64;

/// Distinct words, each stored once.
pub struct WordSet {
    /// Short words as `short` has them.
    short: HashTable<u128>,
    /// Long words, by where they stand in `text`.
    long: HashTable<Long>,
    text: Vec<u8>,
    /// Differs from set to set, so that nobody can choose words that collide.
    seed: u64,
}

struct Long {
    at: usize,
    length: u8,
    hash: u64,
}

impl Default for WordSet {
    fn default() -> Self {
        let seed = RandomState::new().hash_one(0);
        WordSet { short: HashTable::new(), long: HashTable::new(), text: Vec::new(), seed }
    }
}

impl WordSet {
    /// Adds the words of a text. Bytes that are not UTF-8 separate words.
    pub fn add(&mut self, text: &[u8]) {
        each_word(text, |start, end| self.insert(text, start, end));
    }

    /// Adds the word `text[start..end]`, if it is one that is indexed.
    #[inline(always)]
    fn insert(&mut self, text: &[u8], start: usize, end: usize) {
        let length = end - start;
        if length == 0 {
            return;
        }
        if length > SHORT {
            return self.insert_long(&text[start..end]);
        }
        let word = short(text, start, length);
        let seed = self.seed;
        let hash = hash_short(word, seed);
        if self.short.find(hash, |&other| other == word).is_none() {
            self.short.insert_unique(hash, word, |&other| hash_short(other, seed));
        }
    }

    fn insert_long(&mut self, word: &[u8]) {
        if word.len() > LONGEST {
            return;
        }
        let hash = xxh3_64_with_seed(word, self.seed);
        let text = &self.text;
        let same = |entry: &Long| entry.hash == hash && &text[entry.at..entry.at + usize::from(entry.length)] == word;
        if self.long.find(hash, same).is_none() {
            let entry = Long { at: text.len(), length: word.len() as u8, hash };
            self.long.insert_unique(hash, entry, |entry| entry.hash);
            self.text.extend_from_slice(word);
        }
    }

    /// Returns the words, sorted bytewise and joined by newlines.
    pub fn joined(&self) -> Vec<u8> {
        let short: Vec<[u8; SHORT + 1]> = self.short.iter().map(|word| word.to_le_bytes()).collect();
        let short = short.iter().map(|bytes| &bytes[..usize::from(bytes[SHORT])]);
        let long = self.long.iter().map(|entry| &self.text[entry.at..entry.at + usize::from(entry.length)]);
        let mut words: Vec<&[u8]> = short.chain(long).collect();
        words.sort_unstable();
        words.join(&b'\n')
    }
}

/// Calls `visit` with the bounds of every word of a text, in order. Bytes that are not UTF-8 separate words.
#[inline(always)]
fn each_word(text: &[u8], mut visit: impl FnMut(usize, usize)) {
    let ascii = text.is_ascii();
    let mut masks = [0; CHUNK_BLOCKS];
    let mut start = 0;
    let mut inside = 0; // 1 while a run of letters, digits and other than ASCII goes on
    for (number, chunk) in text.chunks(CHUNK_BLOCKS * 64).enumerate() {
        let blocks = scan_words(chunk, &mut masks);
        for (index, mask) in masks[..blocks].iter().enumerate() {
            let base = (number * CHUNK_BLOCKS + index) * 64;
            let mut turns = mask ^ (mask << 1 | inside);
            while turns != 0 {
                let at = base + turns.trailing_zeros() as usize;
                turns &= turns - 1;
                if inside == 0 {
                    start = at;
                } else {
                    each_of_run(text, start, at, ascii, &mut visit);
                }
                inside ^= 1;
            }
        }
    }
    if inside == 1 {
        each_of_run(text, start, text.len(), ascii, &mut visit);
    }
}

#[inline(always)]
fn each_of_run(text: &[u8], start: usize, end: usize, ascii: bool, visit: &mut impl FnMut(usize, usize)) {
    if ascii || text[start..end].is_ascii() {
        visit(start, end);
        return;
    }
    // ASCII on both sides, so what is UTF-8 in here is so in the whole text too.
    let mut from = start;
    for chunk in text[start..end].utf8_chunks() {
        let mut first = from;
        for (at, letter) in chunk.valid().char_indices() {
            if !letter.is_ascii() && !is_alphanumeric(letter) {
                visit(first, from + at);
                first = from + at + letter.len_utf8();
            }
        }
        from += chunk.valid().len();
        visit(first, from);
        from += chunk.invalid().len();
    }
}

/// A word met in the text that is being weighed.
struct Met {
    /// As `short` has it; of a longer word its hash, and a length that no short one has.
    key: u128,
    start: usize,
    end: usize,
    count: u32,
}

/// Counts the words of one text after another. What it takes of memory stays for the next text.
struct Weigher {
    met: Vec<Met>,
    /// Places in `met`.
    table: HashTable<u32>,
    seed: u64,
}

impl Weigher {
    /// A table for so many words is kept: emptying a larger one would take longer than a small text.
    const KEPT: usize = 1 << 14;

    fn new() -> Self {
        Weigher { met: Vec::new(), table: HashTable::new(), seed: RandomState::new().hash_one(0) }
    }

    fn clear(&mut self) {
        self.met.clear();
        self.table.clear();
        if self.table.capacity() > 2 * Self::KEPT {
            self.table.shrink_to(Self::KEPT, |_| 0);
            self.met.shrink_to(Self::KEPT);
        }
    }

    #[inline(always)]
    fn count(&mut self, text: &[u8], start: usize, end: usize) {
        let length = end - start;
        if length == 0 || length > LONGEST {
            return;
        }
        let long = length > SHORT;
        let key = match long {
            true => u128::from(xxh3_64_with_seed(&text[start..end], self.seed)) | u128::MAX << 64,
            false => short(text, start, length),
        };
        let (met, seed) = (&mut self.met, self.seed);
        let hash = hash_short(key, seed);
        let same = |&at: &u32| {
            let other = &met[at as usize];
            other.key == key && (!long || text[other.start..other.end] == text[start..end])
        };
        match self.table.find(hash, same) {
            Some(&at) => met[at as usize].count += 1,
            None => {
                let at = met.len() as u32;
                met.push(Met { key, start, end, count: 1 });
                self.table.insert_unique(hash, at, |&at| hash_short(met[at as usize].key, seed));
            }
        }
    }
}

thread_local! {
    static WEIGHER: RefCell<Weigher> = RefCell::new(Weigher::new());
}

/// Returns the distinct words of a text by first place, each as often as its count has binary digits, with blanks
/// between: what a count weighs grows like that, and an engine has a quarter to index.
pub fn weighed_words(text: &[u8]) -> Vec<u8> {
    WEIGHER.with_borrow_mut(|weigher| {
        weigher.clear();
        each_word(text, |start, end| weigher.count(text, start, end));
        let mut words = Vec::with_capacity(weigher.met.iter().map(|word| 2 * (word.end - word.start + 1)).sum());
        for word in &weigher.met {
            for _ in 0..u32::BITS - word.count.leading_zeros() {
                words.extend_from_slice(&text[word.start..word.end]);
                words.push(b' ');
            }
        }
        words.pop();
        words
    })
}

/// Returns a word of `SHORT` bytes at most as a number: the bytes, lowest first, and in the highest the length.
#[inline(always)]
fn short(text: &[u8], start: usize, length: usize) -> u128 {
    let ahead = match text.get(start..start + SHORT + 1) {
        Some(ahead) => u128::from_le_bytes(ahead.try_into().expect("sixteen bytes")),
        None => text[start..start + length].iter().rev().fold(0, |word, &byte| word << 8 | u128::from(byte)),
    };
    ahead & ((1 << (8 * length)) - 1) | (length as u128) << (8 * SHORT)
}

#[inline(always)]
fn hash_short(word: u128, seed: u64) -> u64 {
    let (low, high) = (word as u64, (word >> 64) as u64);
    let product = u128::from(low ^ seed) * u128::from(high ^ seed.rotate_left(32) ^ MULTIPLIER);
    (product as u64 ^ (product >> 64) as u64).wrapping_mul(MULTIPLIER)
}

const MULTIPLIER: u64 = 0x9E3779B97F4A7C15;

/// Returns whether a code point above 7F is a letter or digit.
fn is_alphanumeric(letter: char) -> bool {
    static TABLE: OnceLock<Vec<u64>> = OnceLock::new();
    let table = TABLE.get_or_init(|| {
        let mut table = vec![0u64; 0x110000 / 64];
        for line in include_str!("../alphanumeric.txt").lines().filter(|line| !line.starts_with('#')) {
            let (low, high) = line.split_once('-').unwrap_or((line, line));
            let point = |digits| usize::from_str_radix(digits, 16).expect("the table holds hexadecimal numbers");
            for code in point(low)..=point(high) {
                table[code / 64] |= 1 << (code % 64);
            }
        }
        table
    });
    let code = letter as usize;
    table[code / 64] >> (code % 64) & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_what_unicode_17_says() {
        // A toolchain with another version of Unicode differs in what was assigned since.
        if char::UNICODE_VERSION.0 == 17 {
            for letter in ('\u{80}'..=char::MAX).filter(|c| *c as u32 >= 0x80) {
                assert_eq!(is_alphanumeric(letter), letter.is_alphanumeric(), "{:x}", letter as u32);
            }
        }
    }

    #[test]
    fn words_weigh_as_much_as_their_counts_have_digits() {
        let text = format!("{}b größe b größe größe größe {}", "a-".repeat(9), "x".repeat(256));
        assert_eq!(String::from_utf8(weighed_words(text.as_bytes())).unwrap(), "a a a a b b größe größe größe");
        assert_eq!(weighed_words(b""), b"");
    }

    #[test]
    fn words_are_runs_of_letters_and_digits() {
        let mut set = WordSet::default();
        set.add("let größe_2 = f(größe,\u{FFFD}x1) 漢字".as_bytes());
        set.add(b"bad\xFFbytes \xE2\x82");
        assert_eq!(set.joined(), "2\nbad\nbytes\nf\ngröße\nlet\nx1\n漢字".as_bytes());
    }
}
