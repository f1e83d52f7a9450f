//! Grams as words, for an engine that indexes words: four base-64 digits, those of layout after a tilde.

use crate::grams::{EXAMINED, LAYOUT, Layout, variants};
use std::cell::RefCell;

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Returns the distinct grams of a source text as words, ascending, joined by blanks.
pub fn gram_words(text: &[u8]) -> Vec<u8> {
    let (mut normalised, mut layout) = (Vec::new(), Layout::default());
    layout.read(text, &mut normalised);
    let mut grams = distinct(&normalised);
    grams.extend(layout.grams.iter().map(|&(_, gram)| gram));
    grams.sort_unstable();
    grams.dedup();
    let mut words = Vec::with_capacity(grams.len() * 5);
    for gram in grams {
        if !words.is_empty() {
            words.push(b' ');
        }
        push_word(gram, &mut words);
    }
    words
}

thread_local! {
    /// A bit a gram, all zero between two texts: sorting a whole text would take five times as long.
    static SEEN: RefCell<Vec<u64>> = RefCell::new(vec![0; LAYOUT as usize / 64]);
}

/// Returns the distinct grams of a normalised text, by first place.
fn distinct(normalised: &[u8]) -> Vec<u32> {
    SEEN.with_borrow_mut(|seen| {
        let mut grams = Vec::new();
        for three in normalised.windows(3) {
            let gram = u32::from(three[0]) << 16 | u32::from(three[1]) << 8 | u32::from(three[2]);
            let (word, bit) = (gram as usize / 64, 1 << (gram % 64));
            if seen[word] & bit == 0 {
                seen[word] |= bit;
                grams.push(gram);
            }
        }
        for &gram in &grams {
            seen[gram as usize / 64] = 0;
        }
        grams
    })
}

fn push_word(gram: u32, words: &mut Vec<u8>) {
    if gram >= LAYOUT {
        words.push(b'~');
    }
    words.extend([18, 12, 6, 0].map(|shift| DIGITS[(gram >> shift & 63) as usize]));
}

/// Returns what a text that may hold `part` has: of every item at least one of its words, which are joined by blanks.
pub fn wanted_words(part: &[u8], fold_case: bool, verbatim: bool) -> Vec<Vec<u8>> {
    let (mut normalised, mut layout) = (Vec::new(), Layout::default());
    let part = if verbatim {
        layout.read(part, &mut normalised);
        &normalised
    } else {
        part
    };
    let mut wanted: Vec<Vec<u32>> =
        part[..part.len().min(EXAMINED)].windows(3).map(|three| variants(three, fold_case)).collect();
    let known = wanted.len();
    for (place, gram) in layout.grams {
        // Grams that case folding leaves out tell which white space stands beside what is not ASCII.
        if place < known && !wanted[place].is_empty() {
            wanted.push(vec![gram]);
        }
    }
    wanted.retain(|grams| !grams.is_empty());
    wanted.iter_mut().for_each(|grams| grams.sort_unstable());
    wanted.sort_unstable();
    wanted.dedup();
    let words = |grams: Vec<u32>| {
        let mut words = Vec::new();
        for gram in grams {
            if !words.is_empty() {
                words.push(b' ');
            }
            push_word(gram, &mut words);
        }
        words
    };
    wanted.into_iter().map(words).collect()
}
