//! Maximal common runs of two texts.
//!
//! The quick way: k-grams of the document that start at multiples of a step are hashed; the step is such that every
//! run of `minimum` bytes holds a whole one. The query's k-grams are looked up at every offset, and each hit is
//! extended both ways; a diagonal (query offset minus document offset) is extended once per run. On texts that
//! repeat themselves there can be as many hits as the product of the lengths. So work is counted, and when it
//! passes a fixed multiple of the lengths the suffix automaton answers instead, in linear time.

use crate::automaton::longest_matches;
use crate::{Checked, at_least, word};
use hashbrown::HashTable;

/// A range of the query, and the earliest place in the document where it stands.
pub type Run = (usize, usize, usize);

/// Steps per byte of both texts before the automaton takes over (which costs some fifty).
const PATIENCE: usize = 8;
/// Shorter runs are too frequent for the quick way.
const SHORTEST: usize = 8;

/// Returns the maximal common runs of at least `minimum` bytes: (query start, document start, length).
///
/// A range of the query is returned when it stands in the document and no longer range around it does, with the
/// earliest place in the document where all of it stands; ascending by query start.
pub fn common_runs(query: &[u8], document: &[u8], minimum: i64) -> Checked<Vec<Run>> {
    let minimum = at_least(1, "minimum", minimum)?;
    if query.len() < minimum || document.len() < minimum {
        return Ok(Vec::new());
    }
    let quick = if minimum < SHORTEST { None } else { by_anchors(query, document, minimum) };
    Ok(quick.unwrap_or_else(|| longest_matches(query, document, minimum)))
}

/// Returns the runs, or None when the texts repeat themselves too much.
fn by_anchors(query: &[u8], document: &[u8], minimum: usize) -> Option<Vec<Run>> {
    let gram = minimum.div_ceil(2).clamp(SHORTEST, 32);
    let step = minimum - gram + 1;
    let mut work = (query.len() + document.len()) * PATIENCE;
    let anchors = Anchors::new(document, gram, step);
    // For each diagonal, where its last run ends in the query.
    let mut ends: HashTable<(usize, usize)> = HashTable::new();
    let spread = |diagonal: usize| (diagonal as u64).wrapping_mul(MULTIPLIER) >> 7;
    let mut runs = Vec::new();
    for at in 0..=query.len() - gram {
        let mut next = anchors.first(query, at);
        while let Some(number) = next {
            work = work.checked_sub(1)?;
            next = anchors.after(number);
            let place = number * step;
            if word(query, at) != word(document, place) || query[at..at + gram] != document[place..place + gram] {
                continue;
            }
            let diagonal = at + document.len() - place;
            let hash = spread(diagonal);
            let known = ends.find_mut(hash, |entry| entry.0 == diagonal);
            if known.as_ref().is_some_and(|entry| entry.1 > at) {
                continue;
            }
            let before = common_suffix(&query[..at], &document[..place]);
            let after = common_prefix(&query[at + gram..], &document[place + gram..]);
            work = work.checked_sub((before + after) / 8)?;
            let end = at + gram + after;
            match known {
                Some(entry) => entry.1 = end,
                None => {
                    ends.insert_unique(hash, (diagonal, end), |entry| spread(entry.0));
                }
            }
            if end - (at - before) >= minimum {
                runs.push((at - before, place - before, end - (at - before)));
            }
        }
    }
    Some(widest(runs))
}

/// Keeps the runs that no other one holds, each with its earliest place.
fn widest(mut runs: Vec<Run>) -> Vec<Run> {
    runs.sort_unstable_by_key(|&(start, place, length)| (start, usize::MAX - length, place));
    let mut end = 0;
    runs.retain(|&(start, _, length)| {
        let wider = start + length > end;
        end = end.max(start + length);
        wider
    });
    runs
}

const MULTIPLIER: u64 = 0x9E3779B97F4A7C15;
const NONE: u32 = u32::MAX;

/// The k-grams of a document that start at multiples of a step, by hash.
struct Anchors {
    gram: usize,
    shift: u32,
    first: Vec<u32>,
    after: Vec<u32>,
}

impl Anchors {
    fn new(document: &[u8], gram: usize, step: usize) -> Self {
        let count = (document.len() - gram) / step + 1;
        // Mostly empty, so that a stranger is seldom looked at twice.
        let bits = (count * 8).next_power_of_two().trailing_zeros();
        let mut anchors = Anchors { gram, shift: 64 - bits, first: vec![NONE; 1 << bits], after: vec![NONE; count] };
        // From the back, so that chains ascend.
        for number in (0..count).rev() {
            let slot = anchors.slot(document, number * step);
            anchors.after[number] = anchors.first[slot];
            anchors.first[slot] = number as u32;
        }
        anchors
    }

    /// The first and last eight bytes decide; what lies between is compared.
    #[inline(always)]
    fn slot(&self, text: &[u8], at: usize) -> usize {
        let mixed = word(text, at).wrapping_mul(MULTIPLIER) ^ word(text, at + self.gram - 8).rotate_left(32);
        (mixed.wrapping_mul(MULTIPLIER) >> self.shift) as usize
    }

    #[inline(always)]
    fn first(&self, query: &[u8], at: usize) -> Option<usize> {
        Some(self.first[self.slot(query, at)]).filter(|&number| number != NONE).map(|number| number as usize)
    }

    #[inline(always)]
    fn after(&self, number: usize) -> Option<usize> {
        Some(self.after[number]).filter(|&number| number != NONE).map(|number| number as usize)
    }
}

fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    let least = a.len().min(b.len());
    let mut at = 0;
    while at + 8 <= least {
        let different = word(a, at) ^ word(b, at);
        if different != 0 {
            return at + different.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    at + a[at..least].iter().zip(&b[at..least]).take_while(|(x, y)| x == y).count()
}

fn common_suffix(a: &[u8], b: &[u8]) -> usize {
    let least = a.len().min(b.len());
    let (a, b) = (&a[a.len() - least..], &b[b.len() - least..]);
    let mut left = least;
    while left >= 8 {
        let different = word(a, left - 8) ^ word(b, left - 8);
        if different != 0 {
            return least - left + different.leading_zeros() as usize / 8;
        }
        left -= 8;
    }
    least - left + a[..left].iter().rev().zip(b[..left].iter().rev()).take_while(|(x, y)| x == y).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Longest match at each offset by trying all places; the definition, word for word.
    fn by_trying(query: &[u8], document: &[u8], minimum: usize) -> Vec<Run> {
        let mut runs = Vec::new();
        let mut end = 0;
        for start in 0..query.len() {
            let places = (0..document.len()).map(|place| (common_prefix(&query[start..], &document[place..]), place));
            let (length, place) = places.max_by_key(|&(length, place)| (length, usize::MAX - place)).unwrap_or((0, 0));
            if length >= minimum && start + length > end {
                runs.push((start, place, length));
                end = start + length;
            }
        }
        runs
    }

    #[test]
    fn both_ways_find_what_trying_finds() {
        let mut state = 9u64;
        let mut random = move |below: u64| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) % below
        };
        for round in 0..3000 {
            let letters = 1 + random(3);
            let document: Vec<u8> = (0..random(120)).map(|_| b'a' + random(letters + 1) as u8).collect();
            let mut query: Vec<u8> = (0..random(40)).map(|_| b'a' + random(letters + 1) as u8).collect();
            if document.len() > 30 {
                let from = random(document.len() as u64 - 20) as usize;
                query.extend(&document[from..from + 20]);
            }
            for minimum in [1, 3, 8, 9, 15, 16, 20] {
                let expected = by_trying(&query, &document, minimum);
                assert_eq!(longest_matches(&query, &document, minimum), expected, "automaton, round {round}");
                assert_eq!(common_runs(&query, &document, minimum as i64).unwrap(), expected, "round {round}");
            }
        }
    }

    #[test]
    fn texts_that_repeat_themselves_take_linear_time() {
        let line = vec![b'='; 1 << 20];
        assert_eq!(common_runs(&line, &line[..1 << 19], 32).unwrap().len(), (1 << 19) + 1);
        let period: Vec<u8> = b"0123456789abcdef+".iter().copied().cycle().take(1 << 18).collect();
        assert_eq!(common_runs(&period, &period, 32).unwrap(), [(0, 0, 1 << 18)]);
    }
}
