//! The hot loops of corpus-provenance: normalising, hashing windows, membership filters, common runs.
//!
//! What each does, and the formats, are written in ARCHITECTURE.md; `_native.pyi` is the interface.
//! A readable implementation with identical results is `reference.py`.
//! Unsafe code stands in `simd` (vector loads, prefetch, unchecked lines of a filter) and in `python`
//! (views of Python's buffers); each block states what makes it sound.

pub mod abstraction;
pub mod align;
pub mod automaton;
pub mod chains;
pub mod collect;
pub mod filter;
pub mod find;
pub mod gram_collector;
pub mod grams;
pub mod isa;
pub mod lex;
pub mod normalise;
pub mod portrait;
pub mod portrait_text;
pub mod pybloom;
#[cfg(feature = "python")]
mod python;
pub mod runs;
pub mod samples;
mod simd;
pub mod sorting;
pub mod stream;
pub mod windows;
pub mod words;
pub mod xxh3;

/// An argument that is out of range; the text says which, its value and the limit.
#[derive(Debug)]
pub struct Bad(pub String);

/// Result of what may refuse its arguments.
pub type Checked<T> = Result<T, Bad>;

/// Returns `value` as a size, or refuses it when it is below `least`.
pub fn at_least(least: i64, name: &str, value: i64) -> Checked<usize> {
    if value < least {
        return Err(Bad(format!("{name} is {value}, must be at least {least}")));
    }
    Ok(value as usize)
}

/// Returns the little-endian word at `at`.
#[inline(always)]
pub(crate) fn word(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}
