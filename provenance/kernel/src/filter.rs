//! The blocked Bloom filter: format and arithmetic are those of ARCHITECTURE.md ("Filter file").

use crate::simd::lines::{self, BLOCK, Probe};
use crate::windows::Windows;
use crate::{Bad, Checked, at_least};

/// Bytes of one half of a region.
pub const REGION_BYTES: usize = 4096;
/// What each half mixes into the key.
pub const HALF_CONSTANTS: [u64; 2] = [0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F];

/// Returns the finaliser of MurmurHash3 of `x`.
#[inline(always)]
pub fn mix(mut x: u64) -> u64 {
    x ^= x >> 33;
    x = x.wrapping_mul(0xFF51AFD7ED558CCD);
    x ^= x >> 33;
    x = x.wrapping_mul(0xC4CEB9FE1A85EC53);
    x ^ x >> 33
}

/// Returns the upper half of the product.
#[inline(always)]
pub fn multiply_high(a: u64, b: u64) -> u64 {
    ((u128::from(a) * u128::from(b)) >> 64) as u64
}

fn check_size(length: usize, regions: usize, halves: i64) -> Checked<usize> {
    if halves != 1 && halves != 2 {
        return Err(Bad(format!("halves is {halves}, must be 1 or 2")));
    }
    let expected = regions as u128 * REGION_BYTES as u128 * halves as u128;
    if length as u128 != expected {
        return Err(Bad(format!("the body has {length} bytes; {halves} halves of {regions} regions have {expected}")));
    }
    Ok(halves as usize)
}

/// A filter that is read.
#[derive(Clone, Copy)]
pub struct Filter<'a> {
    halves: [&'a [u8]; 2],
    count: usize,
    regions: u64,
}

impl<'a> Filter<'a> {
    /// Looks at a filter's body; refuses one whose length is not what its regions and halves say.
    pub fn new(body: &'a [u8], regions: i64, halves: i64) -> Checked<Self> {
        let regions = at_least(1, "regions", regions)?;
        let count = check_size(body.len(), regions, halves)?;
        let (first, second) = body.split_at(regions * REGION_BYTES);
        Ok(Filter { halves: [first, second], count, regions: regions as u64 })
    }

    /// Sets bit `i` of `found` for each key `i` that the filter holds; at most `BLOCK` keys.
    pub fn probe(&self, keys: &[u64], found: &mut [u64; BLOCK / 64], probe: &mut Probe) {
        let hits = probe.test(self.halves[0], self.regions, HALF_CONSTANTS[0], keys);
        if self.count == 1 {
            found.iter_mut().zip(hits).for_each(|(all, here)| *all |= here);
            return;
        }
        // Few strangers get here: their second lines are fetched together.
        let mut left = [0u16; BLOCK];
        let mut left_keys = [0u64; BLOCK];
        let mut count = 0;
        each_bit(&hits, |index| {
            left[count] = index as u16;
            left_keys[count] = keys[index];
            count += 1;
        });
        let hits = probe.test(self.halves[1], self.regions, HALF_CONSTANTS[1], &left_keys[..count]);
        each_bit(&hits, |place| {
            let index = usize::from(left[place]);
            found[index / 64] |= 1 << (index % 64);
        });
    }

    /// Returns a bit a key: set where the filter holds it; at most 64 keys, without the scratch space of a round.
    pub fn holding(&self, keys: &[u64]) -> u64 {
        let mut left = u64::MAX >> (64 - keys.len().clamp(1, 64));
        for half in 0..self.count {
            let place = |key: u64| {
                let mixed = mix(key ^ HALF_CONSTANTS[half]);
                (multiply_high(key, self.regions) << 12 | mixed >> 58 << 6, mixed)
            };
            keys.iter().for_each(|&key| lines::prefetch(self.halves[half], place(key).0));
            for (index, &key) in keys.iter().enumerate() {
                let (line, mixed) = place(key);
                if left >> index & 1 == 1 && !lines::holds(self.halves[half], line, mixed) {
                    left &= !(1 << index);
                }
            }
        }
        if keys.is_empty() { 0 } else { left }
    }
}

/// Calls `take` with the position of each set bit, ascending.
#[inline(always)]
pub fn each_bit(words: &[u64], mut take: impl FnMut(usize)) {
    for (index, &word) in words.iter().enumerate() {
        let mut left = word;
        while left != 0 {
            take(index * 64 + left.trailing_zeros() as usize);
            left &= left - 1;
        }
    }
}

/// Returns little-endian keys as numbers, of which `room` has room for as many.
fn numbers<'a>(keys: &[[u8; 8]], room: &'a mut [u64; BLOCK]) -> &'a [u64] {
    room.iter_mut().zip(keys).for_each(|(slot, &eight)| *slot = u64::from_le_bytes(eight));
    &room[..keys.len()]
}

/// Returns one byte a key: 1 where the filter holds it. Keys are little-endian.
pub fn contains(filter: &Filter, keys: &[[u8; 8]]) -> Vec<u8> {
    let mut out = vec![0; keys.len()];
    let mut probe = Probe::default();
    for (keys, out) in keys.chunks(BLOCK).zip(out.chunks_mut(BLOCK)) {
        let mut found = [0; BLOCK / 64];
        filter.probe(numbers(keys, &mut [0; BLOCK]), &mut found, &mut probe);
        each_bit(&found, |index| out[index] = 1);
    }
    out
}

/// Returns one bit a window, in words: set where any of the filters holds its key.
pub fn hits(filters: &[Filter], windows: &Windows, seed: u64) -> Vec<u64> {
    let count = windows.count();
    let mut out = vec![0u64; count.div_ceil(64)];
    let mut probe = Probe::default();
    let mut keys = [0; BLOCK];
    for from in (0..count).step_by(BLOCK) {
        let keys = &mut keys[..BLOCK.min(count - from)];
        windows.keys(from, seed, keys);
        let mut found = [0; BLOCK / 64];
        for filter in filters {
            filter.probe(keys, &mut found, &mut probe);
        }
        let words = keys.len().div_ceil(64);
        out[from / 64..][..words].copy_from_slice(&found[..words]);
    }
    out
}

/// Sets the bits of little-endian `keys` in the regions `first`, `first + 1`, … of a filter; `body` holds these only.
pub fn insert(body: &mut [u8], regions: i64, halves: i64, first: i64, count: i64, keys: &[[u8; 8]]) -> Checked<()> {
    let regions = at_least(1, "regions", regions)?;
    let first = at_least(0, "first_region", first)?;
    let count = at_least(1, "region_count", count)?;
    check_size(body.len(), count, halves)?;
    if first.saturating_add(count) > regions {
        return Err(Bad(format!("regions up to {} asked for, the filter has {regions}", first.saturating_add(count))));
    }
    if keys.is_empty() {
        return Ok(());
    }
    let (least, most) = keys.iter().fold((u64::MAX, 0), |(least, most), &eight| {
        let key = u64::from_le_bytes(eight);
        (least.min(key), most.max(key))
    });
    let regions = regions as u64;
    if multiply_high(least, regions) < first as u64 || multiply_high(most, regions) >= (first + count) as u64 {
        return Err(Bad(format!("a key falls outside of the regions [{first}, {})", first + count)));
    }
    let mut probe = Probe::default();
    for (half, lines) in body.chunks_mut(count * REGION_BYTES).enumerate() {
        for block in keys.chunks(BLOCK) {
            probe.set(lines, regions, first as u64, HALF_CONSTANTS[half], numbers(block, &mut [0; BLOCK]));
        }
    }
    Ok(())
}

/// Returns the sum of the first words of `count` pseudo-random lines of `body`: the limit of independent reads.
pub fn random_read_limit(body: &[u8], count: i64, seed: u64, prefetched: bool) -> Checked<u64> {
    let count = at_least(0, "count", count)?;
    if body.is_empty() || !body.len().is_multiple_of(64) {
        return Err(Bad(format!("the body has {} bytes, must be a positive multiple of 64", body.len())));
    }
    Ok(lines::sum_of_random_lines(body, count as u64, seed, prefetched))
}
