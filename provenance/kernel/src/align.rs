//! Local alignment of two sequences of symbols, as `provenance/lexing/alignment.py` explains it.

use crate::abstraction::{IDENTIFIER, NUMBER, Symbol, gram};
use std::collections::HashMap;

/// Symbols in a seed.
pub const SEED: usize = 5;
/// Symbols of a query that are aligned at once; what follows is not looked at.
pub const LONGEST: usize = 1024;
/// Symbols around a window that belong to it.
const MARGIN: usize = 16;

/// The same identifier, string or number.
const SAME: i16 = 4;
/// The same keyword or operator; an identifier and its usual partner.
const ALIKE: i16 = 2;
/// Two identifiers, strings or numbers that differ.
const LOOSE: i16 = 1;
/// Two identifiers whose usual partners are others.
const CONFLICT: i16 = -1;
/// Anything else.
const UNLIKE: i16 = -3;
/// The first symbol of a gap, and each further one.
const OPEN: i16 = -3;
const EXTEND: i16 = -1;
/// Less than any score can be, by more than any gap costs.
const NEVER: i16 = -16384;

/// Returns the pairs (query index, document index) of aligned symbols of one class in the best region, ascending.
pub fn align(query: &[Symbol], document: &[Symbol]) -> Vec<(u32, u32)> {
    let query = &query[..query.len().min(LONGEST)];
    let mut best = (0, Vec::new(), (0, 0));
    for window in windows(query, document) {
        let (score, pairs) = path(&Profile::by_class(query, &document[window.0..window.1]));
        if score > best.0 {
            best = (score, pairs, window);
        }
    }
    let (_, pairs, (start, end)) = best;
    if pairs.is_empty() {
        return pairs;
    }
    let (_, pairs) = path(&Profile::by_partner(query, &document[start..end], &pairs));
    pairs.into_iter().map(|(i, j)| (i, j + start as u32)).collect()
}

/// The parts of the document that share most seeds with the query, as (start, end): at most two by the classes
/// of the symbols, and one by the symbols themselves unless it lies in one of these.
fn windows(query: &[Symbol], document: &[Symbol]) -> Vec<(usize, usize)> {
    if query.len() < SEED || document.len() < SEED {
        return Vec::new();
    }
    let mut windows = windows_by(query, document, |symbol| symbol.class, 2);
    for window in windows_by(query, document, |symbol| symbol.value, 1) {
        if !windows.iter().any(|&(start, end)| start <= window.0 && window.1 <= end) {
            windows.push(window);
        }
    }
    windows
}

fn windows_by(
    query: &[Symbol],
    document: &[Symbol],
    view: impl Fn(&Symbol) -> u64,
    most: usize,
) -> Vec<(usize, usize)> {
    let hash_of = |seed: &[Symbol]| gram(seed.iter().map(&view));
    let mut seeds: Vec<u64> = query.windows(SEED).map(hash_of).collect();
    seeds.sort_unstable();
    seeds.dedup();
    // Most seeds of a document are not in the query: one bit tells so without a search.
    let mut seen = vec![0u64; 1024];
    for &seed in &seeds {
        seen[(seed >> 6 & 1023) as usize] |= 1 << (seed & 63);
    }
    let mut counts = vec![0u64; seeds.len()];
    let mut hits: Vec<(usize, usize)> = Vec::new();
    for (position, seed) in document.windows(SEED).enumerate() {
        let hash = hash_of(seed);
        if seen[(hash >> 6 & 1023) as usize] >> (hash & 63) & 1 == 0 {
            continue;
        }
        if let Ok(number) = seeds.binary_search(&hash) {
            counts[number] += 1;
            hits.push((position, number));
        }
    }
    let length = query.len() + query.len() / 2 + MARGIN;
    let mut found: Vec<(usize, usize, u64)> = Vec::new();
    for _ in 0..most {
        let (mut sum, mut first) = (0, 0);
        let mut best = (0, 0, 0);
        for &(position, number) in &hits {
            sum += 65536 / counts[number].min(65536);
            while hits[first].0 + length <= position {
                sum -= 65536 / counts[hits[first].1].min(65536);
                first += 1;
            }
            let start = hits[first].0;
            if sum > best.0 && found.iter().all(|&(from, to, _)| position < from || start >= to) {
                best = (sum, start, position + 1);
            }
        }
        let (sum, start, end) = best;
        if sum == 0 || found.first().is_some_and(|first| sum * 4 < first.2 * 3) {
            break;
        }
        found.push((start, end, sum));
    }
    // What the seeds leave out at both ends belongs to the window as well.
    let slack = |start: usize, end: usize| MARGIN + (query.len() + query.len() / 4).saturating_sub(end - start);
    found
        .into_iter()
        .map(|(start, end, _)| {
            let slack = slack(start, end);
            (start.saturating_sub(slack), (end + SEED + slack).min(document.len()))
        })
        .collect()
}

/// The scores of every pair of symbols: one row for each different symbol of the query.
struct Profile {
    rows: Vec<usize>,
    columns: usize,
    scores: Vec<i16>,
}

impl Profile {
    fn new(query: &[Symbol], columns: usize, mut score: impl FnMut(&Symbol, &mut [i16])) -> Self {
        let mut numbers = HashMap::new();
        let mut scores = Vec::new();
        let mut rows = Vec::with_capacity(query.len());
        for symbol in query {
            let number = *numbers.entry((symbol.class, symbol.value)).or_insert_with(|| {
                let number = scores.len();
                scores.resize(number + columns, UNLIKE);
                score(symbol, &mut scores[number..]);
                number
            });
            rows.push(number);
        }
        Profile { rows, columns, scores }
    }

    fn by_class(query: &[Symbol], document: &[Symbol]) -> Self {
        Profile::new(query, document.len(), |symbol, row| {
            for (score, other) in row.iter_mut().zip(document) {
                *score = likeness(symbol, other);
            }
        })
    }

    fn by_partner(query: &[Symbol], document: &[Symbol], pairs: &[(u32, u32)]) -> Self {
        let partners = partners(query, document, pairs);
        Profile::new(query, document.len(), |symbol, row| {
            let partner = partners.get(&symbol.value);
            for (score, other) in row.iter_mut().zip(document) {
                *score = if symbol.class != IDENTIFIER || other.class != IDENTIFIER {
                    likeness(symbol, other)
                } else {
                    match (partner == Some(&other.value), symbol.value == other.value) {
                        (true, true) => SAME,
                        (true, false) => ALIKE,
                        (false, true) => LOOSE,
                        (false, false) => CONFLICT,
                    }
                };
            }
        })
    }

    fn row(&self, i: usize) -> &[i16] {
        &self.scores[self.rows[i]..self.rows[i] + self.columns]
    }
}

fn likeness(one: &Symbol, other: &Symbol) -> i16 {
    if one.class != other.class {
        UNLIKE
    } else if one.class > NUMBER {
        ALIKE
    } else if one.value == other.value {
        SAME
    } else {
        LOOSE
    }
}

/// For names of the query the name of the document each is aligned with most often (the first such),
/// where that holds both ways.
fn partners(query: &[Symbol], document: &[Symbol], pairs: &[(u32, u32)]) -> HashMap<u64, u64> {
    let mut counts: HashMap<(u64, u64), (u32, u32)> = HashMap::new();
    for (order, &(i, j)) in pairs.iter().enumerate() {
        let (one, other) = (&query[i as usize], &document[j as usize]);
        if one.class == IDENTIFIER {
            counts.entry((one.value, other.value)).or_insert((0, u32::MAX - order as u32)).0 += 1;
        }
    }
    let mut forth: HashMap<u64, ((u32, u32), u64)> = HashMap::new();
    let mut back: HashMap<u64, ((u32, u32), u64)> = HashMap::new();
    for (&(one, other), &count) in &counts {
        let best = forth.entry(one).or_insert((count, other));
        *best = (*best).max((count, other));
        let best = back.entry(other).or_insert((count, one));
        *best = (*best).max((count, one));
    }
    forth.into_iter().map(|(one, (_, other))| (one, other)).filter(|(one, other)| back[other].1 == *one).collect()
}

/// Smith-Waterman with affine gaps: the best score, and the pairs on its path whose symbols have one class.
///
/// Of equal scores the first cell counts; on the way back a pair comes before a gap in the document, which comes
/// before a gap in the query, and short gaps come before long ones.
fn path(profile: &Profile) -> (i32, Vec<(u32, u32)>) {
    let (rows, columns) = (profile.rows.len(), profile.columns);
    // Row 0 and column 0 are the empty beginnings: all zero.
    let width = columns + 1;
    let mut values = vec![0i16; (rows + 1) * width];
    let mut vertical = vec![NEVER; columns];
    let mut best = (0, 0, 0);
    for i in 0..rows {
        let (before, rest) = values[i * width..(i + 2) * width].split_at_mut(width);
        let row = &mut rest[1..];
        for (((value, vertical), (&corner, &above)), &score) in
            row.iter_mut().zip(&mut vertical).zip(before[..columns].iter().zip(&before[1..])).zip(profile.row(i))
        {
            *vertical = (*vertical + EXTEND).max(above + OPEN);
            *value = (corner + score).max(*vertical).max(0);
        }
        let mut horizontal = NEVER;
        let mut most = 0;
        for value in row.iter_mut() {
            let opened = *value + OPEN;
            *value = (*value).max(horizontal);
            horizontal = (horizontal + EXTEND).max(opened);
            most = most.max(*value);
        }
        if most > best.0 {
            let j = row.iter().position(|&value| value == most).expect("the largest of the row");
            best = (most, i + 1, j + 1);
        }
    }
    let (score, mut i, mut j) = best;
    let at = |i: usize, j: usize| values[i * width + j];
    let mut pairs = Vec::new();
    while at(i, j) > 0 {
        let value = at(i, j);
        let score = profile.row(i - 1)[j - 1];
        if value == at(i - 1, j - 1) + score {
            if score > UNLIKE {
                pairs.push((i as u32 - 1, j as u32 - 1));
            }
            i -= 1;
            j -= 1;
            continue;
        }
        let gap = |length: usize| OPEN + (length as i16 - 1) * EXTEND;
        if let Some(length) = (1..=i).find(|&length| value == at(i - length, j) + gap(length)) {
            i -= length;
        } else {
            j -= (1..=j).find(|&length| value == at(i, j - length) + gap(length)).expect("a way back");
        }
    }
    pairs.reverse();
    (i32::from(score), pairs)
}
