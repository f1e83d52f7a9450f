//! The filter of pybloomfiltermmap3, answered exactly as the library does, many keys at a time.
//!
//! For each seed: the two halves of MurmurHash3_x64_128 of the key's bytes, combined by exclusive or, modulo the
//! number of bits; bit `i` is bit `i % 8` of byte `i / 8` (src/bloomfilter.c and mmapbitarray.h of its release
//! 0.6.3). An integer is first reduced as Python's `hash` does, modulo 2^61 - 1, and hashed as eight bytes.

use crate::filter::{each_bit, mix};
use crate::simd::lines::prefetch;
use crate::windows::Windows;
use crate::{Bad, Checked, at_least, word};

const HASH_MODULUS: u64 = (1 << 61) - 1;
const C1: u64 = 0x87C37B91114253D5;
const C2: u64 = 0x4CF5AD432745937F;
/// Keys of one round: their bytes of the filter are asked for together.
const ROUND: usize = 256;

/// A filter of the library.
pub struct Pybloom<B> {
    bits: B,
    count: u64,
    seeds: Vec<u32>,
}

impl<B: AsRef<[u8]>> Pybloom<B> {
    /// Looks at a filter's bit array; refuses one that is shorter than `bit_count` says.
    pub fn new(bits: B, bit_count: i64, seeds: Vec<u32>) -> Checked<Self> {
        let count = at_least(1, "bit_count", bit_count)?;
        if !(1..=256).contains(&seeds.len()) {
            return Err(Bad(format!("{} hash seeds, must be 1 to 256", seeds.len())));
        }
        if bits.as_ref().len() < count.div_ceil(8) {
            return Err(Bad(format!("{} bytes hold fewer than {count} bits", bits.as_ref().len())));
        }
        Ok(Pybloom { bits, count: count as u64, seeds })
    }

    /// Sets bit `i` of `found` for each of `count` keys of which all bits are set; `hash(i, seed)` hashes key `i`.
    fn test(&self, count: usize, found: &mut [u64; ROUND / 64], hash: impl Fn(usize, u32) -> u64) {
        let bits = self.bits.as_ref();
        let mut left: [u16; ROUND] = std::array::from_fn(|index| index as u16);
        let mut positions = [0u64; ROUND];
        let mut count = count;
        for &seed in &self.seeds {
            for (slot, &index) in positions.iter_mut().zip(&left[..count]) {
                *slot = hash(usize::from(index), seed) % self.count;
                prefetch(bits, *slot / 8);
            }
            let mut kept = 0;
            for place in 0..count {
                let position = positions[place];
                left[kept] = left[place];
                kept += usize::from(bits[(position / 8) as usize] >> (position % 8) & 1);
            }
            count = kept;
        }
        for &index in &left[..count] {
            found[usize::from(index) / 64] |= 1 << (index % 64);
        }
    }

    /// Returns one byte an integer key: 1 where the library would find it.
    pub fn contains(&self, keys: &[u64]) -> Vec<u8> {
        let mut out = vec![0; keys.len()];
        for (keys, out) in keys.chunks(ROUND).zip(out.chunks_mut(ROUND)) {
            let mut found = [0; ROUND / 64];
            self.test(keys.len(), &mut found, |index, seed| hash_integer(keys[index], seed));
            each_bit(&found, |index| out[index] = 1);
        }
        out
    }

    /// Returns one bit a window, in words. With `key_seed` its XXH3-64 key is asked for, else its bytes.
    pub fn hits(&self, windows: &Windows, key_seed: Option<u64>) -> Vec<u64> {
        let count = windows.count();
        let mut out = vec![0u64; count.div_ceil(64)];
        let mut keys = [0; ROUND];
        for from in (0..count).step_by(ROUND) {
            let here = ROUND.min(count - from);
            let mut found = [0; ROUND / 64];
            if let Some(key_seed) = key_seed {
                windows.keys(from, key_seed, &mut keys[..here]);
                self.test(here, &mut found, |index, seed| hash_integer(keys[index], seed));
            } else {
                self.test(here, &mut found, |index, seed| hash_bytes(windows.bytes(from + index), seed));
            }
            let words = here.div_ceil(64);
            out[from / 64..][..words].copy_from_slice(&found[..words]);
        }
        out
    }
}

impl<B: AsMut<[u8]> + AsRef<[u8]>> Pybloom<B> {
    /// Sets the bits of integer keys.
    pub fn insert(&mut self, keys: &[u64]) {
        for &key in keys {
            for &seed in &self.seeds {
                let position = hash_integer(key, seed) % self.count;
                self.bits.as_mut()[(position / 8) as usize] |= 1 << (position % 8);
            }
        }
    }
}

#[inline(always)]
fn hash_integer(key: u64, seed: u32) -> u64 {
    let h1 = u64::from(seed) ^ first_word(key % HASH_MODULUS);
    finish(h1, u64::from(seed), 8)
}

#[inline(always)]
fn first_word(k: u64) -> u64 {
    k.wrapping_mul(C1).rotate_left(31).wrapping_mul(C2)
}

#[inline(always)]
fn second_word(k: u64) -> u64 {
    k.wrapping_mul(C2).rotate_left(33).wrapping_mul(C1)
}

#[inline(always)]
fn finish(mut h1: u64, mut h2: u64, length: usize) -> u64 {
    h1 ^= length as u64;
    h2 ^= length as u64;
    h1 = h1.wrapping_add(h2);
    h2 = h2.wrapping_add(h1);
    h1 = mix(h1);
    h2 = mix(h2);
    h1 = h1.wrapping_add(h2);
    h2 = h2.wrapping_add(h1);
    h1 ^ h2
}

#[inline]
fn hash_bytes(data: &[u8], seed: u32) -> u64 {
    let (mut h1, mut h2) = (u64::from(seed), u64::from(seed));
    let (blocks, rest) = data.as_chunks::<16>();
    for block in blocks {
        h1 ^= first_word(word(block, 0));
        h1 = h1.rotate_left(27).wrapping_add(h2).wrapping_mul(5).wrapping_add(0x52DCE729);
        h2 ^= second_word(word(block, 8));
        h2 = h2.rotate_left(31).wrapping_add(h1).wrapping_mul(5).wrapping_add(0x38495AB5);
    }
    // The tail is hashed as if zeros followed: a word of zeros changes nothing.
    let mut tail = [0; 16];
    tail[..rest.len()].copy_from_slice(rest);
    h1 ^= first_word(word(&tail, 0));
    h2 ^= second_word(word(&tail, 8));
    finish(h1, h2, data.len())
}
