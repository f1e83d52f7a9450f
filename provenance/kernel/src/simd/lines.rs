//! Lines of a filter: where they are, testing and setting their bits.
//!
//! A line is 64 bytes, eight words of which each key has one bit. Testing a key waits for memory, so the lines of
//! a block of keys are asked for ahead of their use.

use crate::filter::{HALF_CONSTANTS, mix, multiply_high};
use crate::isa::{Isa, isa};
use crate::word;

/// Most keys of one round.
pub const BLOCK: usize = 1024;
/// How many lines are under way at once: more than one core can wait for, few enough for the first-level cache.
const AHEAD: usize = 64;

/// Scratch space of a round: byte offset of each key's line in the half, and the mixed key that names the bits.
pub struct Probe {
    lines: [u64; BLOCK + AHEAD],
    mixed: [u64; BLOCK],
}

impl Default for Probe {
    fn default() -> Self {
        Probe { lines: [0; BLOCK + AHEAD], mixed: [0; BLOCK] }
    }
}

impl Probe {
    /// Returns a bit a key: set where all its bits are set in `half`, which has `regions` regions.
    pub fn test(&mut self, half: &[u8], regions: u64, constant: u64, keys: &[u64]) -> [u64; BLOCK / 64] {
        assert_eq!(half.len() as u128, u128::from(regions) * 4096);
        self.locate(regions, 0, constant, keys);
        let mut found = [0; BLOCK / 64];
        let (lines, mixed) = (&self.lines[..keys.len() + AHEAD], &self.mixed[..keys.len()]);
        match isa() {
            // SAFETY: `isa` names only what the machine has; `locate` gives lines inside of the half, since the
            // upper half of key * regions is below regions.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => unsafe { x86::test_avx512(half, lines, mixed, &mut found) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => unsafe { x86::test_avx2(half, lines, mixed, &mut found) },
            _ => test_portable(half, lines, mixed, &mut found),
        }
        found
    }

    /// Sets the bits of each key in `half`, which holds the regions from `first` on; all keys belong to these.
    pub fn set(&mut self, half: &mut [u8], regions: u64, first: u64, constant: u64, keys: &[u64]) {
        self.locate(regions, first, constant, keys);
        let (lines, mixed) = (&self.lines[..keys.len() + AHEAD], &self.mixed[..keys.len()]);
        assert!(lines[..keys.len()].iter().max().is_none_or(|&last| last + 64 <= half.len() as u64));
        lines[..AHEAD].iter().for_each(|&line| prefetch_to_write(half, line));
        match isa() {
            // SAFETY: `isa` names only what the machine has; all lines are inside of the half, as just asserted.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => unsafe { x86::set_avx512(half, lines, mixed) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => unsafe { x86::set_avx2(half, lines, mixed) },
            _ => set_portable(half, lines, mixed),
        }
    }

    fn locate(&mut self, regions: u64, first: u64, constant: u64, keys: &[u64]) {
        let mut done = 0;
        if isa() == Isa::Avx512 && regions < 1 << 32 {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `isa` names only what the machine has.
            unsafe {
                done = x86::locate_avx512(regions, first, constant, keys, &mut self.lines, &mut self.mixed);
            }
        }
        for (index, &key) in keys.iter().enumerate().skip(done) {
            let mixed = mix(key ^ constant);
            self.mixed[index] = mixed;
            self.lines[index] = (multiply_high(key, regions) - first) << 12 | mixed >> 58 << 6;
        }
        self.lines[keys.len()..keys.len() + AHEAD].fill(0);
    }
}

/// Asks for a line; a line that does not exist is no harm.
#[inline(always)]
pub fn prefetch(half: &[u8], line: u64) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch reads nothing, whatever the address; SSE is part of x86-64.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(half.as_ptr().wrapping_add(line as usize).cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (half, line);
}

/// Runs `test` over all keys with their lines under way; `lines` has `AHEAD` more entries than there are keys.
#[inline(always)]
fn pipelined(half: &[u8], lines: &[u64], keys: usize, found: &mut [u64; BLOCK / 64], test: impl Fn(usize) -> bool) {
    lines[..AHEAD.min(keys)].iter().for_each(|&line| prefetch(half, line));
    for (number, word) in found.iter_mut().take(keys.div_ceil(64)).enumerate() {
        let from = number * 64;
        let mut bits = 0;
        for index in from..keys.min(from + 64) {
            prefetch(half, lines[index + AHEAD]);
            bits |= u64::from(test(index)) << (index - from);
        }
        *word = bits;
    }
}

fn test_portable(half: &[u8], lines: &[u64], mixed: &[u64], found: &mut [u64; BLOCK / 64]) {
    pipelined(half, lines, mixed.len(), found, |index| holds(half, lines[index], mixed[index]));
}

/// Tells whether a line has all bits of a mixed key.
#[inline(always)]
pub fn holds(half: &[u8], line: u64, mixed: u64) -> bool {
    let line = &half[line as usize..][..64];
    (0..8).fold(1, |all, w| all & word(line, 8 * w) >> (mixed >> (6 * w) & 63)) == 1
}

/// Asks for a line that is about to be written.
#[inline(always)]
fn prefetch_to_write(half: &[u8], line: u64) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch changes nothing, whatever the address; SSE is part of x86-64.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_ET0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_ET0>(half.as_ptr().wrapping_add(line as usize).cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (half, line);
}

/// Lines of the keys of a round, each with that of the key `AHEAD` behind it, and mixed keys.
#[inline(always)]
fn with_ahead<'a>(lines: &'a [u64], mixed: &'a [u64]) -> impl Iterator<Item = (u64, u64, u64)> + 'a {
    lines.iter().zip(&lines[AHEAD..]).zip(mixed).map(|((&line, &ahead), &mixed)| (line, ahead, mixed))
}

fn set_portable(half: &mut [u8], lines: &[u64], mixed: &[u64]) {
    for (line, ahead, mixed) in with_ahead(lines, mixed) {
        prefetch_to_write(half, ahead);
        for (w, eight) in half[line as usize..][..64].as_chunks_mut::<8>().0.iter_mut().enumerate() {
            *eight = (u64::from_le_bytes(*eight) | 1 << (mixed >> (6 * w) & 63)).to_le_bytes();
        }
    }
}

/// Returns the sum of the first words of `count` pseudo-random lines; `body` is a positive multiple of 64 bytes.
/// With `prefetched`, `AHEAD` lines are under way all the time; else the processor looks ahead by itself.
pub fn sum_of_random_lines(body: &[u8], count: u64, seed: u64, prefetched: bool) -> u64 {
    let all = body.len() as u64 / 64;
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(HALF_CONSTANTS[0]);
        let product = u128::from(state) * u128::from(state ^ HALF_CONSTANTS[1]);
        multiply_high(product as u64 ^ (product >> 64) as u64, all) << 6
    };
    if !prefetched {
        return (0..count).fold(0, |sum, _| sum.wrapping_add(word(body, next() as usize)));
    }
    let mut asked = || {
        let line = next();
        prefetch(body, line);
        line
    };
    let mut ring = [0; AHEAD];
    let first = count.min(AHEAD as u64) as usize;
    ring[..first].fill_with(&mut asked);
    let mut sum = 0u64;
    for at in 0..count as usize {
        let line = &mut ring[at % AHEAD];
        sum = sum.wrapping_add(word(body, *line as usize));
        // The last ones asked for are not read.
        *line = asked();
    }
    sum
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{AHEAD, BLOCK, pipelined, prefetch_to_write, with_ahead};
    use std::arch::x86_64::*;

    /// Locates eight keys at a time; returns how many were located. `regions` is below 2^32.
    #[target_feature(enable = "avx512f,avx512dq")]
    pub fn locate_avx512(
        regions: u64,
        first: u64,
        constant: u64,
        keys: &[u64],
        lines: &mut [u64; BLOCK + AHEAD],
        mixed: &mut [u64; BLOCK],
    ) -> usize {
        let regions = _mm512_set1_epi64(regions as i64);
        let rounds = keys.len() / 8;
        assert!(rounds * 8 <= BLOCK);
        for round in 0..rounds {
            // SAFETY: eight keys stand at round * 8.
            let key = unsafe { _mm512_loadu_si512(keys.as_ptr().add(round * 8).cast()) };
            // Upper half of a product with less than 32 bits: two partial products suffice.
            let low = _mm512_srli_epi64::<32>(_mm512_mul_epu32(key, regions));
            let high = _mm512_mul_epu32(_mm512_srli_epi64::<32>(key), regions);
            let region = _mm512_srli_epi64::<32>(_mm512_add_epi64(high, low));
            let region = _mm512_sub_epi64(region, _mm512_set1_epi64(first as i64));
            let mut x = _mm512_xor_si512(key, _mm512_set1_epi64(constant as i64));
            x = _mm512_xor_si512(x, _mm512_srli_epi64::<33>(x));
            x = _mm512_mullo_epi64(x, _mm512_set1_epi64(0xFF51AFD7ED558CCDu64 as i64));
            x = _mm512_xor_si512(x, _mm512_srli_epi64::<33>(x));
            x = _mm512_mullo_epi64(x, _mm512_set1_epi64(0xC4CEB9FE1A85EC53u64 as i64));
            x = _mm512_xor_si512(x, _mm512_srli_epi64::<33>(x));
            let line = _mm512_slli_epi64::<6>(_mm512_srli_epi64::<58>(x));
            let line = _mm512_or_si512(line, _mm512_slli_epi64::<12>(region));
            // SAFETY: both arrays have room for BLOCK words, and round * 8 + 8 <= BLOCK.
            unsafe {
                _mm512_storeu_si512(lines.as_mut_ptr().add(round * 8).cast(), line);
                _mm512_storeu_si512(mixed.as_mut_ptr().add(round * 8).cast(), x);
            }
        }
        rounds * 8
    }

    /// Returns the eight bits of a key, one in each word.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn bits_avx512(mixed: u64) -> __m512i {
        let shifts = _mm512_set_epi64(42, 36, 30, 24, 18, 12, 6, 0);
        // A rotation takes its count modulo 64.
        _mm512_rolv_epi64(_mm512_set1_epi64(1), _mm512_srlv_epi64(_mm512_set1_epi64(mixed as i64), shifts))
    }

    /// # Safety
    /// The first `mixed.len()` lines lie in `half`.
    #[target_feature(enable = "avx512f")]
    pub unsafe fn test_avx512(half: &[u8], lines: &[u64], mixed: &[u64], found: &mut [u64; BLOCK / 64]) {
        pipelined(half, lines, mixed.len(), found, |index| {
            // SAFETY: the caller's promise.
            let line = unsafe { _mm512_loadu_si512(half.as_ptr().add(lines[index] as usize).cast()) };
            _mm512_test_epi64_mask(line, bits_avx512(mixed[index])) == 0xFF
        });
    }

    /// # Safety
    /// The first `mixed.len()` lines lie in `half`.
    #[target_feature(enable = "avx512f")]
    pub unsafe fn set_avx512(half: &mut [u8], lines: &[u64], mixed: &[u64]) {
        for (line, ahead, mixed) in with_ahead(lines, mixed) {
            prefetch_to_write(half, ahead);
            // SAFETY: the caller's promise.
            unsafe {
                let at = half.as_mut_ptr().add(line as usize);
                let words = _mm512_loadu_si512(at.cast());
                _mm512_storeu_si512(at.cast(), _mm512_or_si512(words, bits_avx512(mixed)));
            }
        }
    }

    /// Returns the eight bits of a key, one in each word.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn bits_avx2(mixed: u64) -> (__m256i, __m256i) {
        let mixed = _mm256_set1_epi64x(mixed as i64);
        let (six, one) = (_mm256_set1_epi64x(63), _mm256_set1_epi64x(1));
        let bits = |shifts| _mm256_sllv_epi64(one, _mm256_and_si256(_mm256_srlv_epi64(mixed, shifts), six));
        (bits(_mm256_set_epi64x(18, 12, 6, 0)), bits(_mm256_set_epi64x(42, 36, 30, 24)))
    }

    /// # Safety
    /// The first `mixed.len()` lines lie in `half`.
    #[target_feature(enable = "avx2")]
    pub unsafe fn test_avx2(half: &[u8], lines: &[u64], mixed: &[u64], found: &mut [u64; BLOCK / 64]) {
        pipelined(half, lines, mixed.len(), found, |index| {
            // SAFETY: the caller's promise.
            let (low, high) = unsafe {
                let at = half.as_ptr().add(lines[index] as usize);
                (_mm256_loadu_si256(at.cast()), _mm256_loadu_si256(at.add(32).cast()))
            };
            let (low_bits, high_bits) = bits_avx2(mixed[index]);
            let missing = _mm256_or_si256(_mm256_andnot_si256(low, low_bits), _mm256_andnot_si256(high, high_bits));
            _mm256_testz_si256(missing, missing) == 1
        });
    }

    /// # Safety
    /// The first `mixed.len()` lines lie in `half`.
    #[target_feature(enable = "avx2")]
    pub unsafe fn set_avx2(half: &mut [u8], lines: &[u64], mixed: &[u64]) {
        for (line, ahead, mixed) in with_ahead(lines, mixed) {
            prefetch_to_write(half, ahead);
            let (low_bits, high_bits) = bits_avx2(mixed);
            // SAFETY: the caller's promise.
            unsafe {
                let at: *mut __m256i = half.as_mut_ptr().add(line as usize).cast();
                _mm256_storeu_si256(at, _mm256_or_si256(_mm256_loadu_si256(at), low_bits));
                let at = at.add(1);
                _mm256_storeu_si256(at, _mm256_or_si256(_mm256_loadu_si256(at), high_bits));
            }
        }
    }
}
