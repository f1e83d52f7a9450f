//! Grams as words, for an engine that indexes words: four base-64 digits, those of layout after a tilde.

use crate::grams::{EXAMINED, LAYOUT, Layout, variants};

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Returns the distinct grams of a source text as words, ascending, joined by blanks.
pub fn gram_words(text: &[u8]) -> Vec<u8> {
    let (mut normalised, mut layout) = (Vec::new(), Layout::default());
    layout.read(text, &mut normalised);
    let mut grams: Vec<u32> = Vec::with_capacity(normalised.len() + layout.grams.len());
    let mut gram = 0;
    for (at, &byte) in normalised.iter().enumerate() {
        gram = gram << 8 & (LAYOUT - 1) | u32::from(byte);
        if at > 1 {
            grams.push(gram);
        }
    }
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
