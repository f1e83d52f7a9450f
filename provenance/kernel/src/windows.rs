//! The windows of a text: of bytes, or of code points.

use crate::simd::windows::dense_keys;
use crate::xxh3::key;

/// All windows of `width` units of one text, numbered by the unit at which they start.
pub enum Windows<'a> {
    /// A unit is a byte.
    Bytes {
        /// The normalised text.
        text: &'a [u8],
        /// Bytes a window.
        width: usize,
    },
    /// A unit is a code point.
    CodePoints {
        /// The normalised text.
        text: &'a [u8],
        /// Code points a window.
        width: usize,
        /// Where each code point begins, and at last the text's length.
        marks: Vec<usize>,
    },
}

impl<'a> Windows<'a> {
    /// Cuts `text`; `width` is at least 1.
    pub fn new(text: &'a [u8], width: usize, codepoints: bool) -> Self {
        if !codepoints || text.is_ascii() {
            return Windows::Bytes { text, width };
        }
        let mut marks: Vec<usize> = (0..text.len()).filter(|&at| text[at] & 0xC0 != 0x80).collect();
        marks.push(text.len());
        Windows::CodePoints { text, width, marks }
    }

    /// Returns how many windows there are.
    pub fn count(&self) -> usize {
        match self {
            Windows::Bytes { text, width } => (text.len() + 1).saturating_sub(*width),
            Windows::CodePoints { width, marks, .. } => marks.len().saturating_sub(*width),
        }
    }

    /// Returns the width in units.
    pub fn width(&self) -> usize {
        match self {
            Windows::Bytes { width, .. } | Windows::CodePoints { width, .. } => *width,
        }
    }

    /// Returns the bytes of one window.
    #[inline]
    pub fn bytes(&self, number: usize) -> &'a [u8] {
        match self {
            Windows::Bytes { text, width } => &text[number..number + width],
            Windows::CodePoints { text, width, marks } => &text[marks[number]..marks[number + width]],
        }
    }

    /// Fills in the keys of the windows `from`, `from + 1`, …
    pub fn keys(&self, from: usize, seed: u64, out: &mut [u64]) {
        match self {
            Windows::Bytes { text, width } => dense_keys(text, from, *width, seed, out),
            Windows::CodePoints { .. } => {
                for (index, slot) in out.iter_mut().enumerate() {
                    *slot = key(self.bytes(from + index), seed);
                }
            }
        }
    }

    /// Appends the keys of the windows whose numbers are multiples of `stride`.
    pub fn tile_keys(&self, stride: usize, seed: u64, out: &mut Vec<u64>) {
        if stride == 1 {
            let from = out.len();
            out.resize(from + self.count(), 0);
            self.keys(0, seed, &mut out[from..]);
        } else {
            out.extend((0..self.count()).step_by(stride).map(|number| key(self.bytes(number), seed)));
        }
    }
}
