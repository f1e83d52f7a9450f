//! Local alignment of two sequences of symbols, as `provenance/lexing/alignment.py` explains it.

use crate::abstraction::{IDENTIFIER, Symbol, gram};
use std::collections::HashMap;

/// Symbols in a seed.
pub const SEED: usize = 5;
/// Symbols of a query that can be aligned at once.
pub const LONGEST: usize = 1024;
const SAME: i32 = 3;
const ALIKE: i32 = 2;
const LOOSE: i32 = 1;
const UNLIKE: i32 = -3;
const OPEN: i32 = -3;
const EXTEND: i32 = -1;
const CONFLICT: i32 = -1;

/// Returns the pairs (query index, document index) of aligned equal symbols of the best region, ascending.
pub fn align(query: &[Symbol], document: &[Symbol]) -> Vec<(u32, u32)> {
    let query = &query[..query.len().min(LONGEST)];
    let mut best = (0, Vec::new());
    for (start, end) in windows(query, document) {
        let (score, pairs) = align_window(query, &document[start..end]);
        if score > best.0 {
            best = (score, pairs.into_iter().map(|(i, j)| (i, j + start as u32)).collect());
        }
    }
    best.1
}

/// The parts of the document that share most seeds with the query, at most two, best first.
fn windows(query: &[Symbol], document: &[Symbol]) -> Vec<(usize, usize)> {
    if query.len() < SEED || document.len() < SEED {
        return Vec::new();
    }
    let seed = |symbols: &[Symbol]| gram(symbols.iter().map(|symbol| symbol.class));
    let mut counts: HashMap<u64, u32> = query.windows(SEED).map(|symbols| (seed(symbols), 0)).collect();
    let seeds: Vec<u64> = document.windows(SEED).map(seed).collect();
    for hash in &seeds {
        if let Some(count) = counts.get_mut(hash) {
            *count += 1;
        }
    }
    let weights: Vec<u64> =
        seeds.iter().map(|hash| counts.get(hash).map_or(0, |&count| u64::from(65536 / count.min(65536)))).collect();
    let length = query.len() + query.len() / 2 + 16;
    let mut found: Vec<(usize, usize, u64)> = Vec::new();
    let mut taken: Option<(usize, usize)> = None;
    for _ in 0..2 {
        let mut sum = 0;
        let mut best = (0, 0usize);
        for (position, &weight) in weights.iter().enumerate() {
            sum += weight;
            if position >= length {
                sum -= weights[position - length];
            }
            let start = (position + 1).saturating_sub(length);
            if taken.is_none_or(|(from, to)| position < from || start >= to) && sum > best.0 {
                best = (sum, position + 1);
            }
        }
        let (sum, end) = best;
        if sum == 0 || taken.is_some() && sum * 2 < found[0].2 {
            break;
        }
        let start = end.saturating_sub(length);
        taken = Some((start, end));
        found.push((start.saturating_sub(16), (end + SEED + 16).min(document.len()), sum));
    }
    found.into_iter().map(|(start, end, _)| (start, end)).collect()
}

/// Numbers for the identifiers of a sequence, `u32::MAX` for other symbols.
fn numbered(symbols: &[Symbol]) -> (Vec<u32>, Vec<u64>) {
    let mut numbers = HashMap::new();
    let mut names = Vec::new();
    let of_symbols = symbols
        .iter()
        .map(|symbol| {
            if symbol.class != IDENTIFIER {
                return u32::MAX;
            }
            *numbers.entry(symbol.value).or_insert_with(|| {
                names.push(symbol.value);
                names.len() as u32 - 1
            })
        })
        .collect();
    (of_symbols, names)
}

fn align_window(query: &[Symbol], document: &[Symbol]) -> (i32, Vec<(u32, u32)>) {
    let (query_names, names) = numbered(query);
    let (document_names, others) = numbered(document);
    let likeness = |i: usize, j: usize| {
        if query[i].class != document[j].class {
            UNLIKE
        } else if query[i].value == document[j].value {
            if query[i].class == IDENTIFIER { SAME } else { ALIKE }
        } else {
            LOOSE
        }
    };
    let (_, pairs) = path(query.len(), document.len(), likeness);
    let partner = partners(&pairs, &query_names, &document_names, names.len(), others.len());
    let consistent = |i: usize, j: usize| {
        if query_names[i] == u32::MAX || document_names[j] == u32::MAX {
            return likeness(i, j);
        }
        let same = query[i].value == document[j].value;
        if partner[query_names[i] as usize] == document_names[j] {
            SAME
        } else if same {
            LOOSE
        } else {
            CONFLICT
        }
    };
    path(query.len(), document.len(), consistent)
}

/// For each name of the query the name of the document it is aligned with most often, if that holds both ways.
fn partners(pairs: &[(u32, u32)], query: &[u32], document: &[u32], names: usize, others: usize) -> Vec<u32> {
    let mut counts: HashMap<(u32, u32), (u32, u32)> = HashMap::new();
    for (order, &(i, j)) in pairs.iter().enumerate() {
        let key = (query[i as usize], document[j as usize]);
        if key.0 != u32::MAX && key.1 != u32::MAX {
            counts.entry(key).or_insert((0, u32::MAX - order as u32)).0 += 1;
        }
    }
    let mut forth = vec![(0, 0, u32::MAX); names];
    let mut back = vec![(0, 0, u32::MAX); others];
    for (&(name, other), &(count, order)) in &counts {
        forth[name as usize] = forth[name as usize].max((count, order, other));
        back[other as usize] = back[other as usize].max((count, order, name));
    }
    (0..names as u32)
        .map(|name| {
            let other = forth[name as usize].2;
            if other != u32::MAX && back[other as usize].2 == name { other } else { u32::MAX }
        })
        .collect()
}

/// Smith-Waterman with affine gaps: the best score, and the pairs on its path that score above zero.
fn path(rows: usize, columns: usize, score: impl Fn(usize, usize) -> i32) -> (i32, Vec<(u32, u32)>) {
    const NEVER: i32 = i32::MIN / 2;
    let mut trace = vec![0u8; rows * columns];
    let mut above = vec![0; columns + 1];
    let mut vertical = vec![NEVER; columns + 1];
    let mut best = (0, 0, 0);
    for i in 0..rows {
        let mut corner = 0;
        let mut left = 0;
        let mut horizontal = NEVER;
        for j in 0..columns {
            let mut code = 0;
            let opened = above[j + 1] + OPEN;
            let extended = vertical[j + 1] + EXTEND;
            vertical[j + 1] = opened.max(extended);
            if extended > opened {
                code |= 4;
            }
            let opened = left + OPEN;
            let extended = horizontal + EXTEND;
            horizontal = opened.max(extended);
            if extended > opened {
                code |= 8;
            }
            let diagonal = corner + score(i, j);
            let value = diagonal.max(vertical[j + 1]).max(horizontal).max(0);
            if value > 0 {
                code |= if value == diagonal {
                    1
                } else if value == vertical[j + 1] {
                    2
                } else {
                    3
                };
                if value > best.0 {
                    best = (value, i, j);
                }
            }
            trace[i * columns + j] = code;
            corner = above[j + 1];
            above[j + 1] = value;
            left = value;
        }
    }
    let mut pairs = Vec::new();
    let (value, mut i, mut j) = best;
    let mut state = 1;
    if value > 0 {
        loop {
            let code = trace[i * columns + j];
            if state == 1 {
                match code & 3 {
                    0 => break,
                    1 => {
                        if score(i, j) > UNLIKE {
                            pairs.push((i as u32, j as u32));
                        }
                        if i == 0 || j == 0 {
                            break;
                        }
                        i -= 1;
                        j -= 1;
                    }
                    other => state = other,
                }
            } else if state == 2 {
                if code & 4 == 0 {
                    state = 1;
                }
                if i == 0 {
                    break;
                }
                i -= 1;
            } else {
                if code & 8 == 0 {
                    state = 1;
                }
                if j == 0 {
                    break;
                }
                j -= 1;
            }
        }
    }
    pairs.reverse();
    (value, pairs)
}
