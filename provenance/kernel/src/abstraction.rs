//! Tokens to symbols, and symbols to fingerprints, as `provenance/lexing/fingerprints.py` explains them.

use crate::lex::{self, Tokens, WordSet};
use crate::xxh3;

/// Class of all identifiers; keywords, operators and one-digit numbers are their own hash.
pub const IDENTIFIER: u64 = 1;
/// Class of all strings.
pub const STRING: u64 = 2;
/// Class of all numbers of two or more characters.
pub const NUMBER: u64 = 3;
/// Class of the first identifier of a gram; the next different one is one more.
const FIRST_NAME: u64 = 16;

/// One symbol: what remains of a token when names and literals are forgotten, and the hash of the token itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// What the token is.
    pub class: u64,
    /// XXH3-64 of its bytes.
    pub value: u64,
    /// Byte range in the text.
    pub start: u32,
    /// End of the range.
    pub end: u32,
}

/// Returns the symbols of a text: no comments, no semicolons, no trailing commas, strings in a row as one.
pub fn symbols(text: &[u8], tokens: &Tokens, core: &WordSet) -> Vec<Symbol> {
    let mut symbols: Vec<Symbol> = Vec::with_capacity(tokens.kinds.len());
    let mut comma = false;
    let mut previous = lex::PUNCTUATION;
    for (&kind, &(start, end)) in tokens.kinds.iter().zip(&tokens.bounds) {
        if kind == lex::COMMENT {
            continue;
        }
        let bytes = &text[start as usize..end as usize];
        let in_a_row = kind == lex::STRING && previous == lex::STRING;
        previous = kind;
        if in_a_row {
            if let Some(last) = symbols.last_mut() {
                last.end = end;
            }
            continue;
        }
        if kind == lex::PUNCTUATION && matches!(bytes, b";" | b"\\") {
            continue;
        }
        if comma && kind == lex::PUNCTUATION && matches!(bytes, b")" | b"]" | b"}") {
            symbols.pop();
        }
        comma = kind == lex::PUNCTUATION && bytes == b",";
        let value = xxh3::key(bytes, 0);
        let class = match kind {
            lex::STRING => STRING,
            lex::NUMBER if bytes.len() > 1 => NUMBER,
            lex::NUMBER | lex::PUNCTUATION => value,
            _ if core.contains(bytes) => value,
            _ => IDENTIFIER,
        };
        symbols.push(Symbol { class, value, start, end });
    }
    symbols
}

/// Returns the hash of a sequence of symbols.
#[inline]
pub fn gram(values: impl Iterator<Item = u64>) -> u64 {
    let mut state = 0x9E37_79B9_7F4A_7C15u64;
    for value in values {
        state = (state ^ value).wrapping_mul(0xFF51_AFD7_ED55_8CCD);
        state ^= state >> 32;
    }
    state
}

/// Returns (hash, first symbol) of the selected grams of `length` symbols, ascending by position.
pub fn fingerprints(symbols: &[Symbol], length: usize, part: usize) -> Vec<(u64, usize)> {
    if symbols.len() < length {
        return Vec::new();
    }
    let parts: Vec<u64> = symbols.windows(part).map(|window| gram(window.iter().map(|symbol| symbol.class))).collect();
    let (span, middle) = (length - part + 1, (length - part) / 2);
    let mut selected = Vec::new();
    for (first, window) in parts.windows(span).enumerate() {
        if window.iter().all(|&hash| hash >= window[middle]) {
            selected.push((named_gram(&symbols[first..first + length]), first));
        }
    }
    selected
}

/// The hash of a gram in which each identifier is known by the order of its first occurrence.
fn named_gram(symbols: &[Symbol]) -> u64 {
    let mut names: Vec<u64> = Vec::with_capacity(symbols.len());
    gram(symbols.iter().map(|symbol| {
        if symbol.class != IDENTIFIER {
            return symbol.class;
        }
        let order = names.iter().position(|&name| name == symbol.value).unwrap_or_else(|| {
            names.push(symbol.value);
            names.len() - 1
        });
        FIRST_NAME + order as u64
    }))
}

/// Returns the distinct hashes as words, ascending, joined by blanks: the low 40 bits, five a character.
pub fn words(mut hashes: Vec<u64>) -> Vec<u8> {
    const DIGITS: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";
    for hash in &mut hashes {
        *hash &= (1 << 40) - 1;
    }
    hashes.sort_unstable();
    hashes.dedup();
    let mut words = Vec::with_capacity(hashes.len() * 9);
    for hash in hashes {
        if !words.is_empty() {
            words.push(b' ');
        }
        words.extend((0..8).rev().map(|digit| DIGITS[(hash >> (5 * digit) & 31) as usize]));
    }
    words
}
