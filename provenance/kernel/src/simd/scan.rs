//! What stands in 64 bytes, as bit masks: whitespace, and what words are made of.

use crate::isa::{Isa, isa};

/// What stands in a block of 64 bytes; bit `i` answers for byte `i`. Bytes beyond the text answer no.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Masks {
    /// Whitespace.
    pub space: u64,
    /// Line feeds and carriage returns.
    pub line: u64,
    /// Whitespace other than space and line feed.
    pub odd: u64,
}

/// Fills in the masks of `text`; returns how many blocks it has. `out` has room for all of them.
pub fn scan(text: &[u8], out: &mut [Masks]) -> usize {
    let (blocks, rest) = text.as_chunks::<64>();
    let out = &mut out[..blocks.len() + usize::from(!rest.is_empty())];
    fill(blocks, out);
    if !rest.is_empty() {
        let mut padded = [[0; 64]];
        padded[0][..rest.len()].copy_from_slice(rest);
        fill(&padded, &mut out[blocks.len()..]);
    }
    out.len()
}

/// Fills in where `text` has ASCII letters, ASCII digits or bytes above 7F; as `scan` does.
pub fn scan_words(text: &[u8], out: &mut [u64]) -> usize {
    let (blocks, rest) = text.as_chunks::<64>();
    let out = &mut out[..blocks.len() + usize::from(!rest.is_empty())];
    fill_words(blocks, out);
    if !rest.is_empty() {
        let mut padded = [[0; 64]];
        padded[0][..rest.len()].copy_from_slice(rest);
        fill_words(&padded, &mut out[blocks.len()..]);
    }
    out.len()
}

fn fill_words(blocks: &[[u8; 64]], out: &mut [u64]) {
    match isa() {
        // SAFETY: `isa` names only what the machine has.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => unsafe { x86::fill_words_avx512(blocks, out) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => unsafe { x86::fill_words_avx2(blocks, out) },
        _ => fill_words_portable(blocks, out),
    }
}

fn fill_words_portable(blocks: &[[u8; 64]], out: &mut [u64]) {
    for (block, mask) in blocks.iter().zip(out) {
        *mask = block
            .iter()
            .rev()
            .fold(0, |mask, byte| mask << 1 | u64::from(!byte.is_ascii() || byte.is_ascii_alphanumeric()));
    }
}

fn fill(blocks: &[[u8; 64]], out: &mut [Masks]) {
    match isa() {
        // SAFETY: `isa` names only what the machine has.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => unsafe { x86::fill_avx512(blocks, out) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => unsafe { x86::fill_avx2(blocks, out) },
        _ => fill_portable(blocks, out),
    }
}

fn fill_portable(blocks: &[[u8; 64]], out: &mut [Masks]) {
    const LOW_SEVEN: u64 = 0x7F7F_7F7F_7F7F_7F7F;
    const EACH: u64 = 0x0101_0101_0101_0101;
    // The top bit of each byte that equals `byte`; exact, since no carry leaves a byte.
    let equal = |word: u64, byte: u8| {
        let x = word ^ (EACH * u64::from(byte));
        !((x & LOW_SEVEN).wrapping_add(LOW_SEVEN) | x | LOW_SEVEN)
    };
    // Gathers the top bits of the eight bytes into the low byte.
    let gather = |tops: u64| (tops >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56;
    for (block, masks) in blocks.iter().zip(out) {
        *masks = Masks::default();
        for (index, eight) in block.as_chunks::<8>().0.iter().enumerate() {
            let word = u64::from_le_bytes(*eight);
            let (blank, feed, carriage) = (equal(word, 0x20), equal(word, 0x0A), equal(word, 0x0D));
            let other = equal(word, 0x09) | equal(word, 0x0B) | equal(word, 0x0C) | carriage;
            masks.space |= gather(blank | feed | other) << (8 * index);
            masks.line |= gather(feed | carriage) << (8 * index);
            masks.odd |= gather(other) << (8 * index);
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Masks;
    use std::arch::x86_64::*;

    #[target_feature(enable = "avx512f,avx512bw")]
    pub fn fill_avx512(blocks: &[[u8; 64]], out: &mut [Masks]) {
        for (block, masks) in blocks.iter().zip(out) {
            // SAFETY: the block has 64 bytes.
            let bytes = unsafe { _mm512_loadu_si512(block.as_ptr().cast()) };
            let blank = _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(0x20));
            let feed = _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(0x0A));
            let carriage = _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(0x0D));
            let from_tab = _mm512_sub_epi8(bytes, _mm512_set1_epi8(0x09));
            let control = _mm512_cmple_epu8_mask(from_tab, _mm512_set1_epi8(4));
            *masks = Masks { space: blank | control, line: feed | carriage, odd: control & !feed };
        }
    }

    #[target_feature(enable = "avx512f,avx512bw")]
    pub fn fill_words_avx512(blocks: &[[u8; 64]], out: &mut [u64]) {
        for (block, mask) in blocks.iter().zip(out) {
            // SAFETY: the block has 64 bytes.
            let bytes = unsafe { _mm512_loadu_si512(block.as_ptr().cast()) };
            let lower = _mm512_or_si512(bytes, _mm512_set1_epi8(0x20));
            let letter =
                _mm512_cmple_epu8_mask(_mm512_sub_epi8(lower, _mm512_set1_epi8(b'a' as i8)), _mm512_set1_epi8(25));
            let digit =
                _mm512_cmple_epu8_mask(_mm512_sub_epi8(bytes, _mm512_set1_epi8(b'0' as i8)), _mm512_set1_epi8(9));
            *mask = letter | digit | _mm512_movepi8_mask(bytes);
        }
    }

    #[target_feature(enable = "avx2")]
    pub fn fill_words_avx2(blocks: &[[u8; 64]], out: &mut [u64]) {
        for (block, mask) in blocks.iter().zip(out) {
            *mask = 0;
            for (index, half) in block.as_chunks::<32>().0.iter().enumerate() {
                // SAFETY: the half has 32 bytes.
                let bytes = unsafe { _mm256_loadu_si256(half.as_ptr().cast()) };
                let at_most = |bytes, most| _mm256_cmpeq_epi8(_mm256_min_epu8(bytes, _mm256_set1_epi8(most)), bytes);
                let lower = _mm256_or_si256(bytes, _mm256_set1_epi8(0x20));
                let letter = at_most(_mm256_sub_epi8(lower, _mm256_set1_epi8(b'a' as i8)), 25);
                let digit = at_most(_mm256_sub_epi8(bytes, _mm256_set1_epi8(b'0' as i8)), 9);
                let any = _mm256_or_si256(_mm256_or_si256(letter, digit), bytes);
                *mask |= u64::from(_mm256_movemask_epi8(any) as u32) << (32 * index);
            }
        }
    }

    #[target_feature(enable = "avx2")]
    pub fn fill_avx2(blocks: &[[u8; 64]], out: &mut [Masks]) {
        for (block, masks) in blocks.iter().zip(out) {
            *masks = Masks::default();
            for (index, half) in block.as_chunks::<32>().0.iter().enumerate() {
                // SAFETY: the half has 32 bytes.
                let bytes = unsafe { _mm256_loadu_si256(half.as_ptr().cast()) };
                let bits = |matches| u64::from(_mm256_movemask_epi8(matches) as u32) << (32 * index);
                let blank = bits(_mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(0x20)));
                let feed = bits(_mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(0x0A)));
                let carriage = bits(_mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(0x0D)));
                let from_tab = _mm256_sub_epi8(bytes, _mm256_set1_epi8(0x09));
                let control = bits(_mm256_cmpeq_epi8(_mm256_min_epu8(from_tab, _mm256_set1_epi8(4)), from_tab));
                masks.space |= blank | control;
                masks.line |= feed | carriage;
                masks.odd |= control & !feed;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_sees_the_same_whitespace() {
        let mut blocks = [[0u8; 64]; 64];
        let mut state = 1u32;
        for (at, byte) in blocks.as_flattened_mut().iter_mut().enumerate() {
            if at < 256 {
                *byte = at as u8;
                continue;
            }
            state = state.wrapping_mul(1664525).wrapping_add(1013904223);
            *byte = if state >> 31 == 0 { (state >> 24) as u8 & 0x2F } else { (state >> 20) as u8 };
        }
        let mut expected = [Masks::default(); 64];
        for (block, masks) in blocks.iter().zip(&mut expected) {
            for (bit, &byte) in block.iter().enumerate() {
                masks.space |= u64::from(crate::normalise::is_space(byte)) << bit;
                masks.line |= u64::from(byte == 10 || byte == 13) << bit;
                masks.odd |= u64::from(crate::normalise::is_space(byte) && byte != 10 && byte != 32) << bit;
            }
        }
        let mut found = [Masks::default(); 64];
        fill_portable(&blocks, &mut found);
        assert_eq!(found, expected);
        fill(&blocks, &mut found);
        assert_eq!(found, expected);
        let is_word = |byte: u8| byte >= 0x80 || byte.is_ascii_alphanumeric();
        let mut masks = [0; 64];
        for fill in [fill_words_portable, fill_words] {
            fill(&blocks, &mut masks);
            for (at, &byte) in blocks.as_flattened().iter().enumerate() {
                assert_eq!(masks[at / 64] >> (at % 64) & 1 == 1, is_word(byte), "byte {byte:x}");
            }
        }
    }
}
