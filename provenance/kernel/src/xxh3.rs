//! XXH3-64 of windows.
//!
//! Algorithm and constants are those of the xxHash specification (doc/xxhash_spec.md of Cyan4973/xxHash).
//! Inputs of 17 to 128 bytes have one short formula, which stands here because windows at consecutive offsets
//! can be hashed side by side with it; other lengths go to the xxhash-rust crate.

use crate::word;

/// Lengths with the short formula.
pub const SHORT: std::ops::RangeInclusive<usize> = 17..=128;

/// The first 128 bytes of the default secret, as little-endian words.
pub const SECRET: [u64; 16] = [
    0xBE4BA423396CFEB8,
    0x1CAD21F72C81017C,
    0xDB979083E96DD4DE,
    0x1F67B3B7A4A44072,
    0x78E5C0CC4EE679CB,
    0x2172FFCC7DD05A82,
    0x8E2443F7744608B8,
    0x4C263A81E69035E0,
    0xCB00C391BB52283C,
    0xA32E531B8B65D088,
    0x4EF90DA297486471,
    0xD8ACDEA946EF1938,
    0x3F349CE33F76FAA8,
    0x1D4F0BC7C7BBDCF9,
    0x3159B4CD4BE0518A,
    0x647378D9C97E9FC8,
];
/// The factor of the length in the sum's start.
pub const PRIME64_1: u64 = 0x9E3779B185EBCA87;
/// The factor of the final mixing.
pub const AVALANCHE: u64 = 0x165667919E3779F9;

/// Returns XXH3-64 of `window`.
#[inline]
pub fn key(window: &[u8], seed: u64) -> u64 {
    if !SHORT.contains(&window.len()) {
        return xxhash_rust::xxh3::xxh3_64_with_seed(window, seed);
    }
    let length = window.len();
    let mut sum = (length as u64).wrapping_mul(PRIME64_1);
    for pair in 0..=(length - 1) / 32 {
        sum = sum.wrapping_add(mix(window, 16 * pair, seed, 4 * pair));
        sum = sum.wrapping_add(mix(window, length - 16 * (pair + 1), seed, 4 * pair + 2));
    }
    sum ^= sum >> 37;
    sum = sum.wrapping_mul(AVALANCHE);
    sum ^ sum >> 32
}

#[inline(always)]
fn mix(window: &[u8], at: usize, seed: u64, secret: usize) -> u64 {
    let low = word(window, at) ^ SECRET[secret].wrapping_add(seed);
    let high = word(window, at + 8) ^ SECRET[secret + 1].wrapping_sub(seed);
    let product = u128::from(low) * u128::from(high);
    product as u64 ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_formula_is_xxh3() {
        let text: Vec<u8> = (0..200u32).map(|i| (i * 131 + 7) as u8).collect();
        for length in 0..200 {
            for seed in [0, 1, 0x70726F76656E616E, u64::MAX] {
                let expected = xxhash_rust::xxh3::xxh3_64_with_seed(&text[..length], seed);
                assert_eq!(key(&text[..length], seed), expected, "length {length}, seed {seed}");
            }
        }
    }
}
