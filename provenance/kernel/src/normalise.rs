//! `layout-1`: one newline for a whitespace run with a line break, one space for any other, none at the ends.
//!
//! The text is scanned 64 bytes at a time into bit masks. Only *events* are looked at one by one: runs of two
//! bytes or more, and single whitespace bytes other than space and newline. All between them is copied whole.

use crate::simd::scan::{Masks, scan};

const CHUNK_BLOCKS: usize = 64;
const BLOCK: usize = 64;

/// Returns whether `byte` is whitespace: 09 0A 0B 0C 0D 20.
#[inline(always)]
pub fn is_space(byte: u8) -> bool {
    byte == 0x20 || (0x09..=0x0D).contains(&byte)
}

#[inline(always)]
fn is_break(byte: u8) -> bool {
    byte == 0x0A || byte == 0x0D
}

/// Appends the normalised text to `out`.
pub fn normalise(text: &[u8], out: &mut Vec<u8>) {
    normalise_runs(text, out, |_, _, _| {});
}

/// Returns the normalised text and its breakpoints: normalised offsets, source offsets.
pub fn normalise_map(text: &[u8]) -> (Vec<u8>, Vec<u64>, Vec<u64>) {
    let (mut out, mut normalised, mut source) = (Vec::new(), Vec::new(), Vec::new());
    let start = normalise_runs(text, &mut out, |at, start, end| {
        if end - start > 1 {
            normalised.push(at as u64 + 1);
            source.push(end as u64);
        }
    });
    if let Some(start) = start {
        normalised.insert(0, 0);
        source.insert(0, start as u64);
    }
    (out, normalised, source)
}

/// Appends the normalised text to `out` and returns where in `text` it begins, if there is any.
///
/// Calls `changed` for every run of whitespace inside that does not stay as it is: where its byte stands in what was
/// appended, and where the run begins and ends in `text`.
pub fn normalise_runs(text: &[u8], out: &mut Vec<u8>, mut changed: impl FnMut(usize, usize, usize)) -> Option<usize> {
    let first = text.iter().position(|&byte| !is_space(byte))?;
    let last = text.iter().rposition(|&byte| !is_space(byte)).unwrap_or(first);
    let body = &text[first..=last];
    out.reserve(body.len());
    let base = out.len();

    let mut masks = [Masks::default(); CHUNK_BLOCKS];
    let mut copied = 0; // all of body before it is in out
    let mut before = 0; // 1 if the byte before the block is whitespace
    for (number, chunk) in body.chunks(CHUNK_BLOCKS * BLOCK).enumerate() {
        let blocks = scan(chunk, &mut masks);
        for (index, mask) in masks[..blocks].iter().enumerate() {
            let start = (number * CHUNK_BLOCKS + index) * BLOCK;
            let starts = mask.space & !(mask.space << 1 | before);
            before = mask.space >> 63;
            // What follows the block is not known here, so a run that starts at its last byte is an event.
            let mut events = starts & (mask.space >> 1 | 1 << 63 | mask.odd);
            while events != 0 {
                let bit = events.trailing_zeros() as usize;
                events &= events - 1;
                let at = start + bit;
                let length = (mask.space >> bit).trailing_ones() as usize;
                let mut end = at + length;
                let inside = if length == 64 { u64::MAX } else { (1 << length) - 1 };
                let mut broken = mask.line >> bit & inside != 0;
                if bit + length == BLOCK {
                    while is_space(body[end]) {
                        broken |= is_break(body[end]);
                        end += 1;
                    }
                }
                let byte = if broken { b'\n' } else { b' ' };
                if end - at == 1 && body[at] == byte {
                    continue;
                }
                out.extend_from_slice(&body[copied..at]);
                out.push(byte);
                copied = end;
                changed(out.len() - base - 1, first + at, first + end);
            }
        }
    }
    out.extend_from_slice(&body[copied..]);
    Some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_become_one_byte_and_the_map_leads_back() {
        let (text, normalised, source) = normalise_map(b" \t a  b\r\n\t c\td ");
        assert_eq!(text, b"a b\nc d");
        assert_eq!(normalised, [0, 2, 4]);
        assert_eq!(source, [3, 6, 11]);
    }

    #[test]
    fn runs_across_blocks_are_one_run() {
        for before in 55..70 {
            for length in 1..140 {
                let mut text = vec![b'x'; before];
                text.extend(std::iter::repeat_n(b'\t', length));
                text.push(b'y');
                let mut out = Vec::new();
                normalise(&text, &mut out);
                assert_eq!(out.len(), before + 2);
                assert_eq!(&out[before - 1..], b"x y");
            }
        }
    }
}
