//! Lexer, fingerprints and alignment, as Python sees them.

use super::{View, bytes_of};
use crate::abstraction::{self, Symbol};
use crate::lex::{BlockTable, LineComment, Rules, Tables, Tokens, WordSet};
use crate::{Bad, Checked, align, at_least};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// Bytes of one symbol: class, value, start, end.
const RECORD: usize = 24;

#[pyclass(frozen)]
pub struct Lexer {
    rules: Rules,
    core: WordSet,
}

#[pymethods]
impl Lexer {
    #[new]
    #[allow(clippy::too_many_arguments)]
    fn new(
        lines: Vec<(Vec<u8>, bool, bool, Vec<u8>)>,
        blocks: Vec<BlockTable>,
        prefixes: Vec<u8>,
        flags: [bool; 3],
        keywords: Vec<Vec<u8>>,
        regex_after: Vec<Vec<u8>>,
        operators: Vec<Vec<u8>>,
        core: Vec<Vec<u8>>,
    ) -> Self {
        let lines = lines
            .into_iter()
            .map(|(opener, blank_before, blank_after, not_after)| LineComment {
                opener,
                blank_before,
                blank_after,
                not_after,
            })
            .collect();
        let tables = Tables { lines, blocks, prefixes, flags, keywords, regex_after, operators };
        Lexer { rules: Rules::new(tables), core: WordSet::new(core) }
    }

    #[pyo3(signature = (text, inside = -1))]
    fn lex<'py>(
        &self,
        py: Python<'py>,
        text: View,
        inside: i64,
    ) -> PyResult<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)> {
        let tokens = py.detach(|| self.rules.lex(text.bytes(), inside))?;
        let bounds: Vec<u64> = tokens.bounds.iter().map(|&(start, end)| pair(start, end)).collect();
        Ok((PyBytes::new(py, &tokens.kinds), bytes_of(py, &bounds)?))
    }

    #[pyo3(signature = (text, inside = -1))]
    fn symbols<'py>(&self, py: Python<'py>, text: View, inside: i64) -> PyResult<Bound<'py, PyBytes>> {
        let symbols = py.detach(|| self.symbols_of(text.bytes(), inside))?;
        PyBytes::new_with(py, symbols.len() * RECORD, |out| {
            for (record, symbol) in out.as_chunks_mut::<RECORD>().0.iter_mut().zip(&symbols) {
                record[..8].copy_from_slice(&symbol.class.to_le_bytes());
                record[8..16].copy_from_slice(&symbol.value.to_le_bytes());
                record[16..].copy_from_slice(&pair(symbol.start, symbol.end).to_le_bytes());
            }
            Ok(())
        })
    }

    fn fingerprint_text<'py>(
        &self,
        py: Python<'py>,
        text: View,
        length: i64,
        part: i64,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let words = py.detach(|| -> Checked<Vec<u8>> {
            let (length, part) = lengths(length, part)?;
            let found = abstraction::fingerprints(&self.symbols_of(text.bytes(), -1)?, length, part);
            Ok(abstraction::words(found.into_iter().map(|(hash, _)| hash).collect()))
        })?;
        Ok(PyBytes::new(py, &words))
    }
}

impl Lexer {
    fn symbols_of(&self, text: &[u8], inside: i64) -> Checked<Vec<Symbol>> {
        let tokens: Tokens = self.rules.lex(text, inside)?;
        Ok(abstraction::symbols(text, &tokens, &self.core))
    }
}

#[pyfunction]
pub fn fingerprints<'py>(
    py: Python<'py>,
    symbols: View,
    length: i64,
    part: i64,
) -> PyResult<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)> {
    let found = py.detach(|| -> Checked<_> {
        let (length, part) = lengths(length, part)?;
        Ok(abstraction::fingerprints(&symbols_of(&symbols)?, length, part))
    })?;
    let (hashes, positions): (Vec<u64>, Vec<u64>) = found.into_iter().map(|(hash, at)| (hash, at as u64)).unzip();
    Ok((bytes_of(py, &hashes)?, bytes_of(py, &positions)?))
}

#[pyfunction]
pub fn align_symbols<'py>(py: Python<'py>, query: View, document: View) -> PyResult<Bound<'py, PyBytes>> {
    let pairs = py.detach(|| -> Checked<Vec<u64>> {
        let pairs = align::align(&symbols_of(&query)?, &symbols_of(&document)?);
        Ok(pairs.into_iter().map(|(i, j)| pair(i, j)).collect())
    })?;
    bytes_of(py, &pairs)
}

fn pair(first: u32, second: u32) -> u64 {
    u64::from(first) | u64::from(second) << 32
}

fn lengths(length: i64, part: i64) -> Checked<(usize, usize)> {
    let (length, part) = (at_least(1, "length", length)?, at_least(1, "part", part)?);
    if part > length {
        return Err(Bad(format!("part is {part}, must be at most the length, {length}")));
    }
    Ok((length, part))
}

fn symbols_of(view: &View) -> Checked<Vec<Symbol>> {
    let (records, rest) = view.bytes().as_chunks::<RECORD>();
    if !rest.is_empty() {
        return Err(Bad(format!(
            "a buffer of symbols has {} bytes, which is no multiple of {RECORD}",
            view.bytes().len()
        )));
    }
    let word = |record: &[u8; RECORD], at| crate::word(record, at);
    Ok(records
        .iter()
        .map(|record| {
            let range = word(record, 16);
            Symbol { class: word(record, 0), value: word(record, 8), start: range as u32, end: (range >> 32) as u32 }
        })
        .collect())
}
