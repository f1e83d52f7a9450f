//! Words: maximal runs of letters and digits, as `char::is_alphanumeric` and tantivy's simple tokenizer see them.
//!
//! Which code points count is pinned by `alphanumeric.txt`, which the reference reads too, so that an index does not
//! depend on the toolchain that built the kernel.

use hashbrown::HashTable;
use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Longer words are not indexed (both search engines).
pub const LONGEST: usize = 255;

/// Distinct words, each stored once.
pub struct WordSet {
    table: HashTable<Entry>,
    /// All words, one after another.
    text: Vec<u8>,
    /// Differs from set to set, so that nobody can choose words that collide.
    seed: u64,
}

struct Entry {
    at: usize,
    length: u8,
    hash: u32,
}

impl Default for WordSet {
    fn default() -> Self {
        WordSet { table: HashTable::new(), text: Vec::new(), seed: RandomState::new().hash_one(0) }
    }
}

impl WordSet {
    /// Adds the words of a text. Bytes that are not UTF-8 separate words.
    pub fn add(&mut self, text: &[u8]) {
        match std::str::from_utf8(text) {
            Ok(text) => self.add_valid(text),
            Err(_) => text.utf8_chunks().for_each(|chunk| self.add_valid(chunk.valid())),
        }
    }

    fn add_valid(&mut self, text: &str) {
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            let start = at;
            while at < bytes.len() {
                let byte = bytes[at];
                if byte < 0x80 {
                    if !ASCII[usize::from(byte)] {
                        break;
                    }
                    at += 1;
                } else {
                    let Some(letter) = text[at..].chars().next().filter(|&c| is_alphanumeric(c)) else {
                        break;
                    };
                    at += letter.len_utf8();
                }
            }
            if start < at && at - start <= LONGEST {
                self.insert(&bytes[start..at]);
            }
            // What ended the word, if anything did.
            at += text[at..].chars().next().map_or(0, char::len_utf8);
        }
    }

    fn insert(&mut self, word: &[u8]) {
        let hash = xxh3_64_with_seed(word, self.seed);
        let text = &self.text;
        let same =
            |entry: &Entry| entry.hash == hash as u32 && &text[entry.at..entry.at + usize::from(entry.length)] == word;
        if self.table.find(hash, same).is_none() {
            let entry = Entry { at: self.text.len(), length: word.len() as u8, hash: hash as u32 };
            let seed = self.seed;
            self.table.insert_unique(hash, entry, |entry| {
                xxh3_64_with_seed(&text[entry.at..entry.at + usize::from(entry.length)], seed)
            });
            self.text.extend_from_slice(word);
        }
    }

    /// Returns the words, sorted bytewise and joined by newlines.
    pub fn joined(&self) -> Vec<u8> {
        let word = |entry: &Entry| &self.text[entry.at..entry.at + usize::from(entry.length)];
        let mut words: Vec<&[u8]> = self.table.iter().map(word).collect();
        words.sort_unstable();
        words.join(&b'\n')
    }
}

const ASCII: [bool; 128] = {
    let mut table = [false; 128];
    let mut byte = 0;
    while byte < 128 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    table
};

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
    fn words_are_runs_of_letters_and_digits() {
        let mut set = WordSet::default();
        set.add("let größe_2 = f(größe,\u{FFFD}x1) 漢字".as_bytes());
        set.add(b"bad\xFFbytes \xE2\x82");
        assert_eq!(set.joined(), "2\nbad\nbytes\nf\ngröße\nlet\nx1\n漢字".as_bytes());
    }
}
