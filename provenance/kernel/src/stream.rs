//! A text that comes in pieces: the newest part of its normal form, the way back to the source, and its chains.
//!
//! Every window is asked once, as soon as it is complete. Kept are the last windows and the chains that the next hit
//! may still lengthen, so that memory does not depend on how much has gone before.

use crate::filter::each_bit;
use crate::normalise::is_space;
use crate::{Checked, at_least};
use std::collections::BTreeMap;

/// Normalised bytes kept besides the windows, so that ends can be moved to whole characters.
const SLACK: usize = 16;
/// Bytes of a piece that are read before windows are asked: memory does not depend on how long a piece is.
const BLOCK: usize = 1 << 14;

/// A place in the source: how much stands before it, and how many lines end before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Code points.
    pub code_point: u64,
    /// UTF-8 bytes.
    pub byte: u64,
    /// UTF-16 units.
    pub utf16: u64,
    /// Line ends: LF, CR, or both together.
    pub lines: u64,
}

impl Position {
    fn after(mut self, character_bytes: usize) -> Self {
        self.code_point += 1;
        self.byte += character_bytes as u64;
        self.utf16 += if character_bytes == 4 { 2 } else { 1 };
        self
    }
}

/// A chain with hits among the newest windows: normalised bytes [start, end), and where the source holds them,
/// without white space and broken characters at the ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Where its first window begins.
    pub start: i64,
    /// Where its last window ends.
    pub end: i64,
    /// Where it begins in the source.
    pub first: Position,
    /// Where it ends in the source.
    pub last: Position,
}

#[derive(Clone, Copy)]
struct Living {
    start: i64,
    last: i64,
    first: Position,
}

/// The chains of one geometry that the next hit may lengthen, by the remainder of their starts.
#[derive(Clone)]
struct Phases {
    width: i64,
    stride: i64,
    living: BTreeMap<i64, Living>,
}

/// The newest part of a text. Offsets count normalised bytes from `begin`; what came before is negative.
#[derive(Clone, Default)]
struct Growing {
    length: i64,
    written: Position,
    /// The normal form's newest bytes, and where in the source the character of each begins.
    tail: Vec<u8>,
    places: Vec<Position>,
    /// What the white space that waits becomes, 0 if there is none, and where it begins.
    run: u8,
    run_at: Position,
    begun: bool,
    after_return: bool,
}

/// One text.
#[derive(Clone)]
pub struct Stream {
    text: Growing,
    phases: Vec<Phases>,
    back: usize,
    bits: Vec<u64>,
}

impl Stream {
    /// Begins a text whose windows are of these geometries: (width, stride).
    pub fn new(geometries: &[(i64, i64)]) -> Checked<Self> {
        let mut phases = Vec::new();
        let mut back = 0;
        for &(width, stride) in geometries {
            back = back.max(at_least(1, "width", width)? - 1);
            at_least(1, "stride", stride)?;
            phases.push(Phases { width, stride, living: BTreeMap::new() });
        }
        Ok(Stream { text: Growing::default(), phases, back, bits: Vec::new() })
    }

    /// Reads the next piece and returns the chains that have new hits, ascending.
    ///
    /// `find(number, text, bits)` sets in `bits`, which is empty, a bit for each window of `text` that hits.
    pub fn feed(&mut self, piece: &str, mut find: impl FnMut(usize, &[u8], &mut Vec<u64>)) -> Vec<Chain> {
        let mut changed = BTreeMap::new();
        let mut rest = piece;
        while !rest.is_empty() {
            let mut end = rest.len().min(BLOCK);
            while !rest.is_char_boundary(end) {
                end -= 1;
            }
            let (part, after) = rest.split_at(end);
            let before = self.text.length;
            self.text.read(part);
            if self.text.length > before {
                self.ask(before, &mut find, &mut changed);
                self.text.forget(self.back + SLACK);
            }
            rest = after;
        }
        changed.into_values().collect()
    }

    fn ask(
        &mut self,
        before: i64,
        find: &mut impl FnMut(usize, &[u8], &mut Vec<u64>),
        changed: &mut BTreeMap<(i64, usize), Chain>,
    ) {
        let (text, bits) = (&self.text, &mut self.bits);
        for (number, phases) in self.phases.iter_mut().enumerate() {
            let (width, stride) = (phases.width, phases.stride);
            let low = text.start().max(before - width + 1);
            let windows = text.from(low);
            if windows.len() as i64 >= width {
                bits.clear();
                find(number, windows, bits);
                each_bit(bits, |at| {
                    let at = low + at as i64;
                    let chain = phases
                        .living
                        .entry(at.rem_euclid(stride))
                        .and_modify(|chain| {
                            if chain.last + stride == at {
                                chain.last = at;
                            } else {
                                *chain = Living { start: at, last: at, first: text.first(at) };
                            }
                        })
                        .or_insert_with(|| Living { start: at, last: at, first: text.first(at) });
                    let (start, end) = (chain.start, at + width);
                    changed.insert((start, number), Chain { start, end, first: chain.first, last: text.last(end) });
                });
            }
            // Where the next window of a chain has been asked, the chain was carried on or is over.
            phases.living.retain(|_, chain| chain.last + stride + width > text.length);
        }
    }

    /// Lets a text of its own begin here, into which chains and windows go on; an LF ends a line there.
    pub fn begin(&mut self) {
        let text = &mut self.text;
        let by = std::mem::take(&mut text.length);
        text.places.fill(Position::default());
        (text.written, text.run_at, text.after_return) = (Position::default(), Position::default(), false);
        for phases in &mut self.phases {
            let living = std::mem::take(&mut phases.living).into_values();
            phases.living = living
                .map(|chain| {
                    let (start, last) = (chain.start - by, chain.last - by);
                    (start.rem_euclid(phases.stride), Living { start, last, first: Position::default() })
                })
                .collect();
        }
    }

    /// Returns the length of the normal form.
    pub fn length(&self) -> i64 {
        self.text.length
    }

    /// Returns how much was read.
    pub fn written(&self) -> Position {
        self.text.written
    }

    /// Returns how far neither a living chain nor a window to come can reach: normalised bytes, and the place in
    /// the source before which all that they come from ends.
    pub fn settled(&self) -> (i64, Position) {
        let mut settled = 0.max(self.text.length - self.back as i64);
        let mut first = None;
        for chain in self.phases.iter().flat_map(|phases| phases.living.values()) {
            if chain.start < settled {
                settled = 0.max(chain.start);
                first = Some(chain.first);
            }
        }
        // Of a chain that began long ago only its first character's place is known, and enough.
        let place = match first {
            Some(first) if settled < self.text.start() + SLACK as i64 => first,
            _ => self.text.before(settled),
        };
        (settled, place)
    }

    /// Returns (start, last hit) of the chains of a geometry that the next hit may lengthen, by remainder.
    pub fn living(&self, number: usize) -> impl Iterator<Item = (i64, i64)> {
        self.phases.get(number).into_iter().flat_map(|each| each.living.values()).map(|each| (each.start, each.last))
    }
}

impl Growing {
    fn start(&self) -> i64 {
        self.length - self.tail.len() as i64
    }

    fn from(&self, offset: i64) -> &[u8] {
        &self.tail[(offset - self.start()) as usize..]
    }

    fn byte(&self, offset: i64) -> Option<u8> {
        usize::try_from(offset - self.start()).ok().and_then(|at| self.tail.get(at).copied())
    }

    fn read(&mut self, part: &str) {
        let mut eight = [0; 4];
        for character in part.chars() {
            let bytes = character.encode_utf8(&mut eight).as_bytes();
            let (byte, at) = (bytes[0], self.written);
            self.written = at.after(bytes.len());
            if is_space(byte) {
                if self.run == 0 {
                    (self.run, self.run_at) = (b' ', at);
                }
                if byte == b'\n' || byte == b'\r' {
                    self.run = b'\n';
                    self.written.lines += u64::from(byte == b'\r' || !self.after_return);
                }
                self.after_return = byte == b'\r';
                continue;
            }
            if self.run != 0 && self.begun {
                self.tail.push(self.run);
                self.places.push(self.run_at);
                self.length += 1;
            }
            (self.run, self.begun, self.after_return) = (0, true, false);
            self.tail.extend_from_slice(bytes);
            self.places.resize(self.tail.len(), at);
            self.length += bytes.len() as i64;
        }
    }

    fn forget(&mut self, kept: usize) {
        let dropped = self.tail.len().saturating_sub(kept);
        self.tail.drain(..dropped);
        self.places.drain(..dropped);
    }

    /// Returns where the first whole, not white character at or behind `offset` begins.
    fn first(&self, mut offset: i64) -> Position {
        while self.byte(offset).is_some_and(|byte| byte & 0xC0 == 0x80 || is_space(byte)) {
            offset += 1;
        }
        match self.byte(offset) {
            Some(_) => self.places[(offset - self.start()) as usize],
            None => self.written,
        }
    }

    /// Returns where the last whole, not white character before `offset` ends.
    fn last(&self, mut offset: i64) -> Position {
        while self.byte(offset).is_some_and(|byte| byte & 0xC0 == 0x80) {
            offset -= 1;
        }
        while self.byte(offset - 1).is_some_and(is_space) {
            offset -= 1;
        }
        let mut lead = offset - 1;
        while self.byte(lead).is_some_and(|byte| byte & 0xC0 == 0x80) {
            lead -= 1;
        }
        match self.byte(lead) {
            Some(_) => self.places[(lead - self.start()) as usize].after((offset - lead) as usize),
            None => Position::default(),
        }
    }

    /// Returns a place that no character at or behind `offset` begins before; white space counts.
    fn before(&self, mut offset: i64) -> Position {
        while self.byte(offset).is_some_and(|byte| byte & 0xC0 == 0x80) {
            offset -= 1;
        }
        match self.byte(offset) {
            Some(byte) if !is_space(byte) => self.places[(offset - self.start()) as usize],
            _ => self.last(offset),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Windows of four bytes hit where they begin with an `x`.
    fn find(_: usize, text: &[u8], bits: &mut Vec<u64>) {
        bits.push((0..text.len() - 3).filter(|&at| text[at] == b'x').map(|at| 1 << at).sum());
    }

    #[test]
    fn a_chain_goes_on_across_pieces_and_ends_with_a_miss() {
        let mut stream = Stream::new(&[(4, 2)]).unwrap();
        let found: Vec<_> =
            "  aé x1x2x3\r\n\n y5 \n".split_inclusive('2').map(|piece| stream.feed(piece, find)).collect();
        let first = Position { code_point: 5, byte: 6, utf16: 5, lines: 0 };
        assert_eq!((found[0][0].start, found[0][0].end, found[0][0].first), (4, 8, first));
        let last = Position { code_point: 16, byte: 17, utf16: 16, lines: 2 };
        assert_eq!(found[1], [Chain { start: 4, end: 12, first, last }]);
        assert_eq!((stream.length(), stream.written().lines), (13, 3));
        assert_eq!(stream.living(0).collect::<Vec<_>>(), [(4, 8)]);
        assert_eq!(stream.feed("zzzz", find), []);
        assert_eq!(stream.living(0).count(), 0);
    }

    #[test]
    fn what_begins_anew_counts_from_there() {
        let mut stream = Stream::new(&[(4, 3)]).unwrap();
        stream.feed("aaaaxaaa \r", find);
        stream.begin();
        let (chain, settled) = (stream.feed("\nxaaa", find)[0], stream.settled());
        assert_eq!((chain.start, chain.end, chain.first.code_point), (1, 5, 1));
        assert_eq!((chain.first.lines, stream.length(), settled.0), (1, 5, 1));
    }
}
