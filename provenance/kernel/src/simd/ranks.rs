//! Ranks of windows, and the smallest among neighbours.
//!
//! A ranked window is one word: rank above, position below, so that the smallest of several words is the
//! leftmost window of the smallest rank. The loops are plain Rust; the vector forms are the compiler's.

use crate::isa::{Isa, isa};
use crate::word;

const MULTIPLIER: u64 = 0x9E3779B97F4A7C15;
const RANK: u64 = 0xFFFF_FFFF_0000_0000;

/// Fills in the ranked windows at `from`, `from + 1`, …; positions count from `from`. All windows fit.
pub fn rank_from(text: &[u8], from: usize, width: usize, out: &mut [u64]) {
    let kept = if width < 8 { (1 << (8 * width)) - 1 } else { u64::MAX };
    let text = &text[from..];
    let whole = out.len().min((text.len() + 1).saturating_sub(8));
    let (inner, tail) = out.split_at_mut(whole);
    for (at, (slot, eight)) in inner.iter_mut().zip(text.windows(8)).enumerate() {
        *slot = ranked(word(eight, 0) & kept, at);
    }
    for (at, slot) in tail.iter_mut().enumerate() {
        let mut eight = [0; 8];
        let rest = &text[whole + at..];
        eight[..rest.len().min(8)].copy_from_slice(&rest[..rest.len().min(8)]);
        *slot = ranked(u64::from_le_bytes(eight) & kept, whole + at);
    }
}

#[inline(always)]
fn ranked(first: u64, at: usize) -> u64 {
    first.wrapping_mul(MULTIPLIER) & RANK | at as u64
}

/// Replaces each word by the smallest of the `group` words that begin with it, where there are as many.
pub fn smallest_of_groups(words: &mut [u64], group: usize) {
    match isa() {
        // SAFETY: `isa` names only what the machine has.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => unsafe { smallest_avx512(words, group) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => unsafe { smallest_avx2(words, group) },
        _ => smallest(words, group),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn smallest_avx512(words: &mut [u64], group: usize) {
    smallest(words, group);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn smallest_avx2(words: &mut [u64], group: usize) {
    smallest(words, group);
}

#[inline(always)]
fn smallest(words: &mut [u64], group: usize) {
    let mut reach = 1;
    while reach * 2 <= group {
        with_neighbour(words, reach);
        reach *= 2;
    }
    // The last step overlaps: two reaches that together are the group.
    if reach < group {
        with_neighbour(words, group - reach);
    }
}

/// Replaces each word by the smaller of itself and the one at a distance.
#[inline(always)]
fn with_neighbour(words: &mut [u64], distance: usize) {
    const STEP: usize = 32;
    let pairs = words.len().saturating_sub(distance);
    let mut at = 0;
    // Read apart before anything is written, so that the compiler may use vectors though the two overlap.
    while at + STEP <= pairs {
        let mut first: [u64; STEP] = words[at..at + STEP].try_into().expect("as many");
        let second: [u64; STEP] = words[at + distance..at + distance + STEP].try_into().expect("as many");
        first.iter_mut().zip(second).for_each(|(word, other)| *word = other.min(*word));
        words[at..at + STEP].copy_from_slice(&first);
        at += STEP;
    }
    for at in at..pairs {
        words[at] = words[at].min(words[at + distance]);
    }
}
