//! Keys of the windows at consecutive offsets.

use crate::isa::{Isa, isa};
use crate::xxh3::{SHORT, key};

/// Fills in the keys of the windows of `width` bytes at `from`, `from + 1`, … of `text`, all of which fit.
pub fn dense_keys(text: &[u8], from: usize, width: usize, seed: u64, out: &mut [u64]) {
    let mut done = 0;
    if SHORT.contains(&width) && isa() == Isa::Avx512 {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `isa` names only what the machine has.
        unsafe {
            done = x86::keys_avx512(&text[from..], width, seed, out);
        }
    }
    for (index, slot) in out.iter_mut().enumerate().skip(done) {
        *slot = key(&text[from + index..from + index + width], seed);
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use crate::xxh3::{AVALANCHE, PRIME64_1, SECRET};
    use std::arch::x86_64::*;

    /// Hashes eight windows at a time; returns how many were hashed, which leaves a tail.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
    pub fn keys_avx512(text: &[u8], width: usize, seed: u64, out: &mut [u64]) -> usize {
        let pairs = (width - 1) / 32 + 1;
        let start = _mm512_set1_epi64((width as u64).wrapping_mul(PRIME64_1) as i64);
        let mut done = 0;
        // The last load of a round reads 16 bytes at done + width - 8.
        while done + 8 <= out.len() && done + width + 8 <= text.len() {
            let mut sum = start;
            for pair in 0..pairs {
                for (at, secret) in [(16 * pair, 4 * pair), (width - 16 * (pair + 1), 4 * pair + 2)] {
                    // SAFETY: at <= width - 16, so both loads end at or before done + width + 8 <= text.len().
                    let (low, high) = unsafe {
                        (eight_lanes(text.as_ptr().add(done + at)), eight_lanes(text.as_ptr().add(done + at + 8)))
                    };
                    let low = _mm512_xor_si512(low, _mm512_set1_epi64(SECRET[secret].wrapping_add(seed) as i64));
                    let high = _mm512_xor_si512(high, _mm512_set1_epi64(SECRET[secret + 1].wrapping_sub(seed) as i64));
                    sum = _mm512_add_epi64(sum, fold(low, high));
                }
            }
            sum = _mm512_xor_si512(sum, _mm512_srli_epi64::<37>(sum));
            sum = _mm512_mullo_epi64(sum, _mm512_set1_epi64(AVALANCHE as i64));
            sum = _mm512_xor_si512(sum, _mm512_srli_epi64::<32>(sum));
            // SAFETY: done + 8 <= out.len().
            unsafe { _mm512_storeu_si512(out.as_mut_ptr().add(done).cast(), sum) };
            done += 8;
        }
        done
    }

    /// Returns the words at eight consecutive offsets.
    ///
    /// # Safety
    /// 16 bytes can be read at `at`.
    #[target_feature(enable = "avx512f,avx512bw")]
    unsafe fn eight_lanes(at: *const u8) -> __m512i {
        // SAFETY: the caller's promise.
        let bytes = unsafe { _mm_loadu_si128(at.cast()) };
        let spread = _mm512_set_epi64(
            0x0E0D0C0B0A090807,
            0x0D0C0B0A09080706,
            0x0C0B0A0908070605,
            0x0B0A090807060504,
            0x0A09080706050403,
            0x0908070605040302,
            0x0807060504030201,
            0x0706050403020100,
        );
        _mm512_shuffle_epi8(_mm512_broadcast_i32x4(bytes), spread)
    }

    /// Returns the exclusive or of the halves of the 128-bit products.
    #[target_feature(enable = "avx512f")]
    fn fold(a: __m512i, b: __m512i) -> __m512i {
        let (a_high, b_high) = (_mm512_srli_epi64::<32>(a), _mm512_srli_epi64::<32>(b));
        let low = _mm512_mul_epu32(a, b);
        let middle = _mm512_add_epi64(_mm512_mul_epu32(a_high, b), _mm512_srli_epi64::<32>(low));
        let lower = _mm512_and_si512(middle, _mm512_set1_epi64(0xFFFF_FFFF));
        let other = _mm512_add_epi64(_mm512_mul_epu32(a, b_high), lower);
        let high = _mm512_add_epi64(_mm512_mul_epu32(a_high, b_high), _mm512_srli_epi64::<32>(middle));
        let high = _mm512_add_epi64(high, _mm512_srli_epi64::<32>(other));
        // The low half of the product: the lower words of `other` above those of `low`.
        let product = _mm512_mask_mov_epi32(_mm512_slli_epi64::<32>(other), 0x5555, low);
        _mm512_xor_si512(product, high)
    }
}
