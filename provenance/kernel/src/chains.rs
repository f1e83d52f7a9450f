//! Chains: maximal runs of hits one stride apart.

use crate::filter::each_bit;

/// Returns the number of set bits, and the chains as [first hit, last hit + width), ascending by (start, end).
///
/// `hits` has one bit a window. A miss ends a chain. `stride` is at least 1. Time is linear in the windows.
pub fn chains(hits: &[u64], width: usize, stride: usize) -> (u64, Vec<u64>) {
    let is_hit = |at: usize| hits.get(at / 64).is_some_and(|word| word >> (at % 64) & 1 == 1);
    let mut count = 0;
    let mut out = Vec::new();
    each_bit(hits, |at| {
        count += 1;
        if at >= stride && is_hit(at - stride) {
            return;
        }
        let mut last = at;
        while is_hit(last.saturating_add(stride)) {
            last += stride;
        }
        out.extend([at as u64, (last + width) as u64]);
    });
    (count, out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_miss_ends_a_chain() {
        assert_eq!(chains(&[0b100_0011], 4, 1), (3, vec![0, 5, 6, 10]));
        assert_eq!(chains(&[0b101_0101], 4, 2), (4, vec![0, 10]));
        assert_eq!(chains(&[0b110_0110], 4, 4), (4, vec![1, 9, 2, 10]));
    }
}
