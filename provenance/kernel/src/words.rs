//! Words: maximal runs of letters and digits, as `char::is_alphanumeric` and tantivy's simple tokenizer see them.
//!
//! Which code points count is pinned by `alphanumeric.txt`, which the reference reads too, so that an index does not
//! depend on the toolchain that built the kernel.

use crate::simd::scan::scan_words;
use crate::word;
use hashbrown::HashTable;
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
    /// Short words: the bytes, zeros, and at last the length.
    short: HashTable<[u8; SHORT + 1]>,
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
        let mut bytes = match text.get(start..start + SHORT + 1) {
            Some(ahead) => {
                let ahead = u128::from_le_bytes(ahead.try_into().expect("sixteen bytes"));
                (ahead & ((1u128 << (8 * length)) - 1)).to_le_bytes()
            }
            None => {
                let mut bytes = [0; SHORT + 1];
                bytes[..length].copy_from_slice(&text[start..end]);
                bytes
            }
        };
        bytes[SHORT] = length as u8;
        let seed = self.seed;
        let hash = hash_short(&bytes, seed);
        if self.short.find(hash, |other| *other == bytes).is_none() {
            self.short.insert_unique(hash, bytes, |other| hash_short(other, seed));
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
        let short = self.short.iter().map(|bytes| &bytes[..usize::from(bytes[SHORT])]);
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

/// Returns the distinct words of a text by first place, each as often as its count has binary digits, with blanks
/// between: what a count weighs grows like that, and an engine has a quarter to index.
pub fn weighed_words(text: &[u8]) -> Vec<u8> {
    let mut places: Vec<(usize, usize, u32)> = Vec::new();
    let mut table: HashTable<(u64, u32)> = HashTable::new();
    let seed = RandomState::new().hash_one(0);
    each_word(text, |start, end| {
        if start == end || end - start > LONGEST {
            return;
        }
        let word = &text[start..end];
        let hash = xxh3_64_with_seed(word, seed);
        let same = |&(other, number): &(u64, u32)| {
            let (from, to, _) = places[number as usize];
            other == hash && &text[from..to] == word
        };
        match table.find(hash, same) {
            Some(&(_, number)) => places[number as usize].2 += 1,
            None => {
                table.insert_unique(hash, (hash, places.len() as u32), |&(hash, _)| hash);
                places.push((start, end, 1));
            }
        }
    });
    let mut words = Vec::with_capacity(places.iter().map(|&(start, end, _)| 2 * (end - start + 1)).sum());
    for (start, end, count) in places {
        for _ in 0..u32::BITS - count.leading_zeros() {
            if !words.is_empty() {
                words.push(b' ');
            }
            words.extend_from_slice(&text[start..end]);
        }
    }
    words
}

#[inline(always)]
fn hash_short(bytes: &[u8; SHORT + 1], seed: u64) -> u64 {
    let product = u128::from(word(bytes, 0) ^ seed) * u128::from(word(bytes, 8) ^ seed.rotate_left(32) ^ MULTIPLIER);
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
