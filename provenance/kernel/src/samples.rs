//! Windows sampled by rank, so that every occurrence of a text samples the same ones.

use crate::simd::ranks::{rank_from, smallest_of_groups};
use crate::{Bad, Checked, at_least};

/// Groups that are worked on at once; their ranks stay in the first-level cache.
const CHUNK: usize = 2048;

const LARGEST_GROUP: usize = 1 << 20;

/// Returns `group` as a size, or refuses it.
pub fn check_group(least: i64, group: i64) -> Checked<usize> {
    let group = at_least(least, "group", group)?;
    if group > LARGEST_GROUP {
        return Err(Bad(format!("group is {group}, must be at most {LARGEST_GROUP}")));
    }
    Ok(group)
}

/// Calls `take` with the distinct starts of the sampled windows, ascending.
///
/// Among any `group` consecutive windows the leftmost one of the smallest rank is sampled; a text of fewer
/// windows has one group. Time does not depend on the text.
/// `width` and `group` are at least 1, and `group` has passed `check_group`.
pub fn sample(text: &[u8], width: usize, group: usize, mut take: impl FnMut(usize)) {
    let Some(count) = (text.len() + 1).checked_sub(width).filter(|&count| count > 0) else {
        return;
    };
    let group = group.min(count);
    let groups = count - group + 1;
    let chunk = CHUNK.max(group).min(groups);
    let mut ranks = vec![0u64; chunk + group - 1];
    let mut starts = vec![0u32; chunk];
    let mut last = usize::MAX;
    let mut from = 0;
    while from < groups {
        let here = chunk.min(groups - from);
        let ranks = &mut ranks[..here + group - 1];
        rank_from(text, from, width, ranks);
        smallest_of_groups(ranks, group);
        // Each group writes its choice; the place moves on only when the choice is a new one.
        let mut previous = ranks[0] as u32;
        let mut found = 0;
        for &smallest in &ranks[..here] {
            let start = smallest as u32;
            found += usize::from(start != previous);
            starts[found] = start;
            previous = start;
        }
        for &start in &starts[..=found] {
            let start = from + start as usize;
            if start != last {
                take(start);
                last = start;
            }
        }
        from += here;
    }
}
