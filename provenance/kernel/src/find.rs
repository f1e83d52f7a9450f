//! All occurrences of a literal.

use crate::{Bad, Checked, at_least};
use memchr::memmem::Finder;

/// Returns the offsets of the non-overlapping occurrences, ascending; at most `limit` (0: all).
pub fn find_all(haystack: &[u8], needle: &[u8], fold_case: bool, limit: i64) -> Checked<Vec<u64>> {
    let limit = at_least(0, "limit", limit)?;
    if needle.is_empty() {
        return Err(Bad("the needle is empty".into()));
    }
    let most = if limit == 0 { usize::MAX } else { limit };
    let all = |haystack: &[u8], needle: &[u8]| {
        Finder::new(needle).find_iter(haystack).take(most).map(|at| at as u64).collect()
    };
    // Folding a copy first keeps the search linear and vectorised whatever the needle.
    Ok(if fold_case {
        all(&haystack.to_ascii_lowercase(), &needle.to_ascii_lowercase())
    } else {
        all(haystack, needle)
    })
}
