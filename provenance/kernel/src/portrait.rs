//! The filter of a published portrait (RedisBloom), answered exactly as the server does, many windows at a time.
//!
//! A window's bytes are hashed twice by MurmurHash64A, the second time with the first hash as seed; probe `i` is bit
//! `(a + i * b) mod 2^64 mod bits`, bit `i` being bit `i % 8` of byte `i / 8` (deps/bloom/bloom.c of RedisBloom 2.4.3).
//! A scaling filter is several links; what any link holds is in the filter.
//!
//! The blocks of a window are scrambled without the seed, so neighbouring windows share that work, and both hashes do.

use crate::isa::{Isa, isa};
use crate::simd::lines::prefetch;
use crate::windows::Windows;
use crate::{Bad, Checked, at_least, word};

const MULTIPLIER: u64 = 0xC6A4A7935BD1E995;
const FIRST_SEED: u64 = MULTIPLIER;
/// Windows of one round: their bytes of the filter are asked for together.
const ROUND: usize = 256;

/// One link of a filter, its bits in one or several pieces of memory.
pub struct Link<'a> {
    parts: Vec<&'a [u8]>,
    ends: Vec<u64>,
    modulus: Modulus,
    hashes: u64,
}

impl<'a> Link<'a> {
    /// Looks at a link; refuses one whose pieces are shorter than `bit_count` says.
    pub fn new(parts: Vec<&'a [u8]>, bit_count: i64, hashes: i64) -> Checked<Self> {
        let bits = at_least(1, "bit_count", bit_count)? as u64;
        let hashes = at_least(1, "hashes", hashes)? as u64;
        let mut total = 0;
        let ends = parts
            .iter()
            .map(|part| {
                total += part.len() as u64;
                total
            })
            .collect();
        if total < bits.div_ceil(8) {
            return Err(Bad(format!("{total} bytes hold fewer than {bits} bits")));
        }
        Ok(Link { parts, ends, modulus: Modulus::new(bits), hashes })
    }

    fn place(&self, byte: u64) -> (&'a [u8], usize) {
        let part = self.ends.partition_point(|&end| end <= byte);
        let before = if part == 0 { 0 } else { self.ends[part - 1] };
        (self.parts[part], (byte - before) as usize)
    }

    /// Sets bit `i` of `found` for each of the first `count` windows that the link holds.
    fn test(&self, count: usize, hashes: &[[u64; ROUND]; 2], found: &mut [u64; ROUND / 64]) {
        match self.parts[..] {
            [whole] => self.probe(count, hashes, found, |byte| (whole, byte as usize)),
            _ => self.probe(count, hashes, found, |byte| self.place(byte)),
        }
    }

    #[inline(always)]
    fn probe(
        &self,
        count: usize,
        [a, b]: &[[u64; ROUND]; 2],
        found: &mut [u64; ROUND / 64],
        place: impl Fn(u64) -> (&'a [u8], usize),
    ) {
        let modulus = self.modulus;
        let mut left: [u8; ROUND] = std::array::from_fn(|index| index as u8);
        let mut count = if found.iter().all(|&word| word == 0) {
            count
        } else {
            keep(&mut left, count, |index| found[index / 64] >> (index % 64) & 1 == 0)
        };
        let mut positions = [0u64; ROUND];
        for probe in 0..self.hashes {
            for (slot, &index) in positions.iter_mut().zip(&left[..count]) {
                let index = usize::from(index);
                *slot = modulus.of(a[index].wrapping_add(probe.wrapping_mul(b[index])));
                let (part, at) = place(*slot / 8);
                prefetch(part, at as u64);
            }
            let mut kept = 0;
            for (&position, next) in positions[..count].iter().zip(0..) {
                let (part, at) = place(position / 8);
                left[kept] = left[next];
                kept += usize::from(part[at] >> (position % 8) & 1);
            }
            count = kept;
            if count == 0 {
                return;
            }
        }
        for &index in &left[..count] {
            found[usize::from(index) / 64] |= 1 << (index % 64);
        }
    }
}

/// Keeps those of the first `count` entries that `wanted` says, in order; returns how many.
fn keep(left: &mut [u8; ROUND], count: usize, wanted: impl Fn(usize) -> bool) -> usize {
    let mut kept = 0;
    for next in 0..count {
        let index = left[next];
        left[kept] = index;
        kept += usize::from(wanted(usize::from(index)));
    }
    kept
}

/// Division by one number, by multiplication.
#[derive(Clone, Copy)]
struct Modulus {
    divisor: u64,
    reciprocal: u64,
}

impl Modulus {
    fn new(divisor: u64) -> Self {
        Modulus { divisor, reciprocal: u64::MAX / divisor }
    }

    /// Returns `value` modulo the divisor, which is below 2^63.
    #[inline(always)]
    fn of(self, value: u64) -> u64 {
        // The estimate of the quotient is exact or one too small.
        let quotient = ((u128::from(value) * u128::from(self.reciprocal)) >> 64) as u64;
        let rest = value - quotient * self.divisor;
        if rest >= self.divisor { rest - self.divisor } else { rest }
    }
}

#[inline(always)]
fn scramble(block: u64) -> u64 {
    let block = block.wrapping_mul(MULTIPLIER);
    (block ^ (block >> 47)).wrapping_mul(MULTIPLIER)
}

#[inline(always)]
fn finish(mut hash: u64) -> u64 {
    hash ^= hash >> 47;
    hash = hash.wrapping_mul(MULTIPLIER);
    hash ^ (hash >> 47)
}

fn hash(data: &[u8], seed: u64) -> u64 {
    let mut hash = seed ^ (data.len() as u64).wrapping_mul(MULTIPLIER);
    let (blocks, rest) = data.as_chunks::<8>();
    for block in blocks {
        hash = (hash ^ scramble(word(block, 0))).wrapping_mul(MULTIPLIER);
    }
    if !rest.is_empty() {
        let mut tail = [0; 8];
        tail[..rest.len()].copy_from_slice(rest);
        hash = (hash ^ word(&tail, 0)).wrapping_mul(MULTIPLIER);
    }
    finish(hash)
}

/// Both hashes of consecutive windows of bytes: the working memory of one text.
struct Dense {
    words: Vec<u64>,
    scrambled: Vec<u64>,
}

impl Dense {
    fn new(width: usize) -> Self {
        Dense { words: vec![0; ROUND + width], scrambled: vec![0; ROUND + width] }
    }

    /// Hashes the windows of `width` bytes at the first `count` offsets of `text`, all of which fit.
    fn hash(&mut self, text: &[u8], width: usize, count: usize, out: &mut [[u64; ROUND]; 2]) {
        let offsets = count + width - 1;
        let whole = (offsets + 1).saturating_sub(8).min(offsets);
        for (at, slot) in self.words[..whole].iter_mut().enumerate() {
            *slot = word(text, at);
        }
        for at in whole..offsets {
            // Of the last seven words only the first bytes are in the text; only they will be looked at.
            let mut last = [0; 8];
            last[..offsets - at].copy_from_slice(&text[at..offsets]);
            self.words[at] = word(&last, 0);
        }
        match isa() {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `isa` names only what the machine has.
            Isa::Avx512 => unsafe { self.rounds_avx512(width, count, out) },
            _ => self.rounds(width, count, out),
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
    fn rounds_avx512(&mut self, width: usize, count: usize, out: &mut [[u64; ROUND]; 2]) {
        self.rounds(width, count, out);
    }

    #[inline(always)]
    fn rounds(&mut self, width: usize, count: usize, out: &mut [[u64; ROUND]; 2]) {
        let (blocks, rest) = (width / 8, width % 8);
        let offsets = count + width - 1;
        for (slot, &word) in self.scrambled[..offsets].iter_mut().zip(&self.words[..offsets]) {
            *slot = scramble(word);
        }
        let tail = (1u64 << (8 * rest)) - 1;
        let [first, second] = out;
        for turn in 0..2 {
            if turn == 0 {
                first[..count].fill(FIRST_SEED);
            } else {
                second[..count].copy_from_slice(&first[..count]);
            }
            let state = if turn == 0 { &mut first[..count] } else { &mut second[..count] };
            for hash in state.iter_mut() {
                *hash ^= (width as u64).wrapping_mul(MULTIPLIER);
            }
            for block in 0..blocks {
                for (hash, &scrambled) in state.iter_mut().zip(&self.scrambled[8 * block..]) {
                    *hash = (*hash ^ scrambled).wrapping_mul(MULTIPLIER);
                }
            }
            if rest > 0 {
                for (hash, &word) in state.iter_mut().zip(&self.words[8 * blocks..]) {
                    *hash = (*hash ^ (word & tail)).wrapping_mul(MULTIPLIER);
                }
            }
            for hash in state.iter_mut() {
                *hash = finish(*hash);
            }
        }
    }
}

/// Returns one bit a window, in words: set where any of the links holds it.
pub fn hits(links: &[Link], windows: &Windows) -> Vec<u64> {
    let count = windows.count();
    let mut out = vec![0u64; count.div_ceil(64)];
    let mut hashes = [[0; ROUND]; 2];
    let mut dense = Dense::new(windows.width());
    for from in (0..count).step_by(ROUND) {
        let here = ROUND.min(count - from);
        match windows {
            Windows::Bytes { text, width } => dense.hash(&text[from..], *width, here, &mut hashes),
            Windows::CodePoints { .. } => {
                for index in 0..here {
                    let data = windows.bytes(from + index);
                    hashes[0][index] = hash(data, FIRST_SEED);
                    hashes[1][index] = hash(data, hashes[0][index]);
                }
            }
        }
        let mut found = [0; ROUND / 64];
        for link in links {
            link.test(here, &hashes, &mut found);
        }
        let words = here.div_ceil(64);
        out[from / 64..][..words].copy_from_slice(&found[..words]);
    }
    out
}

/// Sets the bits of the windows whose numbers are multiples of `stride`; returns how many were not in the link.
pub fn insert(bits: &mut [u8], bit_count: i64, hashes: i64, windows: &Windows, stride: usize) -> Checked<u64> {
    let link = Link::new(vec![&*bits], bit_count, hashes)?;
    let (modulus, hashes) = (link.modulus, link.hashes);
    let mut added = 0;
    for number in (0..windows.count()).step_by(stride) {
        let a = hash(windows.bytes(number), FIRST_SEED);
        let b = hash(windows.bytes(number), a);
        let mut changed = false;
        for probe in 0..hashes {
            let position = modulus.of(a.wrapping_add(probe.wrapping_mul(b)));
            let byte = &mut bits[(position / 8) as usize];
            changed |= *byte >> (position % 8) & 1 == 0;
            *byte |= 1 << (position % 8);
        }
        added += u64::from(changed);
    }
    Ok(added)
}

/// Returns the number of set bits.
pub fn ones(bits: &[u8]) -> u64 {
    let (words, rest) = bits.as_chunks::<8>();
    words.iter().map(|&word| u64::from(u64::from_le_bytes(word).count_ones())).sum::<u64>()
        + rest.iter().map(|byte| u64::from(byte.count_ones())).sum::<u64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::each_bit;

    #[test]
    fn dense_hashes_are_those_of_single_windows() {
        let text: Vec<u8> = (0..700u32).map(|at| (at.wrapping_mul(2654435761) >> 24) as u8).collect();
        for width in [1, 7, 8, 9, 25, 50, 64, 300] {
            let mut dense = Dense::new(width);
            let mut out = [[0; ROUND]; 2];
            for from in [0, 3, text.len() - width - 5] {
                let count = ROUND.min(text.len() + 1 - width - from);
                dense.hash(&text[from..], width, count, &mut out);
                for index in 0..count {
                    let data = &text[from + index..][..width];
                    assert_eq!(out[0][index], hash(data, FIRST_SEED), "width {width} at {from} + {index}");
                    assert_eq!(out[1][index], hash(data, out[0][index]), "width {width} at {from} + {index}");
                }
            }
        }
    }

    #[test]
    fn a_remainder_by_multiplication_is_exact() {
        for divisor in [1, 2, 3, 64, 575104, (1 << 32) - 1, 1 << 62, (1 << 63) - 1] {
            let modulus = Modulus::new(divisor);
            for value in [0, 1, divisor - 1, divisor, divisor + 1, 2 * divisor - 1, u64::MAX - 1, u64::MAX] {
                assert_eq!(modulus.of(value), value % divisor, "{value} mod {divisor}");
            }
        }
    }

    #[test]
    fn what_was_inserted_is_found_wherever_the_pieces_are_cut() {
        let text = b"one text of which every tenth window is put into a small filter";
        let windows = Windows::new(text, 16, true);
        let mut bits = vec![0; 64];
        assert_eq!(insert(&mut bits, 512, 5, &windows, 10).unwrap_or(0), 5);
        for cut in [0, 1, 31, 63] {
            let (left, right) = bits.split_at(cut);
            let link = Link::new(vec![left, right], 512, 5).unwrap_or_else(|bad| panic!("{}", bad.0));
            let mut found = Vec::new();
            each_bit(&hits(&[link], &windows), |at| found.push(at));
            assert!([0, 10, 20, 30, 40].iter().all(|at| found.contains(at)), "cut at {cut}: {found:?}");
        }
    }
}
