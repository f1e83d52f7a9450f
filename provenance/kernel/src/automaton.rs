//! Longest matches by the suffix automaton of the query, in linear time whatever the texts.
//!
//! The automaton's states are classes of substrings of the query that end at the same places; a state's strings are
//! suffixes of one another, longer than the longest one of its suffix link. The document is read once. At each of
//! its places the longest suffix that is in the query is known, as a state and a length. From a state the matches go
//! down the links to all shorter suffixes; and each prefix of the query looks up the longest suffix of its own that
//! was matched. (Blumer et al., The smallest automaton recognizing the subwords of a text, 1985.)

use crate::runs::Run;

const ROOT: usize = 0;
const NONE: u32 = u32::MAX;
/// States with more edges than this get a table.
const FEW: u16 = 16;

#[derive(Clone, Copy)]
struct State {
    /// Length of the longest string.
    length: u32,
    /// The state of the longest suffix that is in another class.
    link: u32,
    /// Where the first edge leads; most states have no other.
    target: u32,
    /// First of the other edges in the list; or, when `edges` is above `FEW`, number of the table of all.
    more: u32,
    edges: u16,
    /// The byte of the first edge.
    byte: u8,
}

impl State {
    fn new(length: u32, link: u32) -> Self {
        State { length, link, target: NONE, more: NONE, edges: 0, byte: 0 }
    }
}

struct Edge {
    byte: u8,
    target: u32,
    next: u32,
}

struct Automaton {
    states: Vec<State>,
    edges: Vec<Edge>,
    tables: Vec<[u32; 256]>,
    /// The state of each prefix of the query, the empty one first.
    prefixes: Vec<u32>,
}

impl Automaton {
    fn new(query: &[u8]) -> Self {
        let states = vec![State::new(0, NONE)];
        let mut automaton = Automaton { states, edges: Vec::new(), tables: Vec::new(), prefixes: vec![ROOT as u32] };
        query.iter().for_each(|&byte| automaton.extend(byte));
        automaton
    }

    fn extend(&mut self, byte: u8) {
        let last = self.prefixes[self.prefixes.len() - 1];
        let whole = self.states.len() as u32;
        self.states.push(State::new(self.states[last as usize].length + 1, ROOT as u32));
        self.prefixes.push(whole);
        let mut from = last;
        while from != NONE {
            let target = self.target(from as usize, byte);
            if target == NONE {
                self.set(from as usize, byte, whole);
                from = self.states[from as usize].link;
                continue;
            }
            let longest = self.states[from as usize].length + 1;
            if self.states[target as usize].length == longest {
                self.states[whole as usize].link = target;
            } else {
                let split = self.split(target as usize, longest);
                while from != NONE && self.target(from as usize, byte) == target {
                    self.set(from as usize, byte, split);
                    from = self.states[from as usize].link;
                }
                self.states[whole as usize].link = split;
            }
            return;
        }
    }

    /// Returns a new state for the strings of `state` up to `length`, with the same edges.
    fn split(&mut self, state: usize, length: u32) -> u32 {
        let split = self.states.len();
        let old = self.states[state];
        self.states.push(State { length, ..old });
        if old.edges > FEW {
            self.tables.push(self.tables[old.more as usize]);
            self.states[split].more = self.tables.len() as u32 - 1;
        } else {
            self.states[split].more = NONE;
            let mut more = old.more;
            while more != NONE {
                let Edge { byte, target, next } = self.edges[more as usize];
                self.edges.push(Edge { byte, target, next: self.states[split].more });
                self.states[split].more = self.edges.len() as u32 - 1;
                more = next;
            }
        }
        self.states[state].link = split as u32;
        split as u32
    }

    #[inline]
    fn target(&self, state: usize, byte: u8) -> u32 {
        let State { target, mut more, edges, byte: first, .. } = self.states[state];
        if edges > FEW {
            return self.tables[more as usize][usize::from(byte)];
        }
        if byte == first {
            return target; // NONE where there is no edge
        }
        while more != NONE {
            let edge = &self.edges[more as usize];
            if edge.byte == byte {
                return edge.target;
            }
            more = edge.next;
        }
        NONE
    }

    fn set(&mut self, state: usize, byte: u8, target: u32) {
        let here = &mut self.states[state];
        if here.edges > FEW {
            self.tables[here.more as usize][usize::from(byte)] = target;
            return;
        }
        if here.edges == 0 || byte == here.byte {
            (here.byte, here.target) = (byte, target);
            here.edges = here.edges.max(1);
            return;
        }
        let mut more = here.more;
        while more != NONE {
            let edge = &mut self.edges[more as usize];
            if edge.byte == byte {
                edge.target = target;
                return;
            }
            more = edge.next;
        }
        here.edges += 1;
        if here.edges <= FEW {
            self.edges.push(Edge { byte, target, next: here.more });
            here.more = self.edges.len() as u32 - 1;
            return;
        }
        let mut table = [NONE; 256];
        table[usize::from(here.byte)] = here.target;
        table[usize::from(byte)] = target;
        let mut more = here.more;
        while more != NONE {
            let edge = &self.edges[more as usize];
            table[usize::from(edge.byte)] = edge.target;
            more = edge.next;
        }
        here.more = self.tables.len() as u32;
        self.tables.push(table);
    }
}

/// What the document matched of a state.
#[derive(Clone, Copy)]
struct Matched {
    /// The longest of its strings that stands in the document, and where that one first ends.
    length: u32,
    end: usize,
    /// Where any of its strings, or a longer one of which they are suffixes, first ends.
    any_end: usize,
}

const UNMATCHED: Matched = Matched { length: 0, end: usize::MAX, any_end: usize::MAX };

/// Returns what `common_runs` is to return.
pub fn longest_matches(query: &[u8], document: &[u8], minimum: usize) -> Vec<Run> {
    let automaton = Automaton::new(query);
    let states = &automaton.states;
    let mut matched = vec![UNMATCHED; states.len()];
    let (mut state, mut length) = (ROOT, 0);
    for (at, &byte) in document.iter().enumerate() {
        let mut target = automaton.target(state, byte);
        while target == NONE && state != ROOT {
            state = states[state].link as usize;
            length = states[state].length;
            target = automaton.target(state, byte);
        }
        if target != NONE {
            state = target as usize;
            length += 1;
            let here = &mut matched[state];
            here.any_end = here.any_end.min(at + 1);
            if length > here.length {
                here.length = length;
                here.end = at + 1;
            }
        }
    }
    // A link is always shorter, so it comes later in this order, and earlier in the reverse one.
    let order = by_length_descending(states, query.len());
    for &state in &order {
        let Matched { any_end, .. } = matched[state as usize];
        let link = states[state as usize].link;
        if any_end == usize::MAX || link == NONE || link == ROOT as u32 {
            continue;
        }
        let full = states[link as usize].length;
        let shorter = &mut matched[link as usize];
        shorter.any_end = shorter.any_end.min(any_end);
        if shorter.length < full {
            shorter.length = full;
            shorter.end = any_end;
        } else {
            shorter.end = shorter.end.min(any_end);
        }
    }
    for &state in order.iter().rev() {
        let link = states[state as usize].link;
        if matched[state as usize].length == 0 && link != NONE {
            matched[state as usize] = matched[link as usize];
        }
    }
    let mut runs: Vec<Run> = Vec::new();
    for end in 1..=query.len() {
        let Matched { length, end: document_end, .. } = matched[automaton.prefixes[end] as usize];
        let length = length as usize;
        if length < minimum {
            continue;
        }
        let run = (end - length, document_end - length, length);
        match runs.last_mut() {
            Some(last) if last.0 == run.0 => *last = run,
            _ => runs.push(run),
        }
    }
    runs
}

/// Returns the numbers of the states, longest first.
fn by_length_descending(states: &[State], longest: usize) -> Vec<u32> {
    let mut place = vec![0u32; longest + 2];
    for state in states {
        place[longest - state.length as usize + 1] += 1;
    }
    for length in 1..place.len() {
        place[length] += place[length - 1];
    }
    let mut order = vec![0; states.len()];
    for (number, state) in states.iter().enumerate() {
        let slot = &mut place[longest - state.length as usize];
        order[*slot as usize] = number as u32;
        *slot += 1;
    }
    order
}
