//! Portraits, as Python sees them.

use super::{View, ViewMut, bits_of, bytes_of};
use crate::portrait::{self, Link};
use crate::windows::Windows;
use crate::{Bad, Checked, at_least, chains};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

type LinkArgument = (Vec<View>, i64, i64);

fn links_of(arguments: &[LinkArgument]) -> Checked<Vec<Link<'_>>> {
    arguments
        .iter()
        .map(|(parts, bits, hashes)| Link::new(parts.iter().map(View::bytes).collect(), *bits, *hashes))
        .collect()
}

#[pyfunction]
#[allow(clippy::type_complexity)]
pub fn portrait_normalise_map<'py>(
    py: Python<'py>,
    text: View,
) -> PyResult<(Bound<'py, PyBytes>, Bound<'py, PyBytes>, Bound<'py, PyBytes>)> {
    let (out, normalised, source) = py.detach(|| {
        let (mut out, mut normalised, mut source) = (Vec::new(), Vec::new(), Vec::new());
        crate::portrait_text::normalise(text.bytes(), &mut out, |to, from| {
            normalised.push(to as u64);
            source.push(from as u64);
        });
        (out, normalised, source)
    });
    Ok((PyBytes::new(py, &out), bytes_of(py, &normalised)?, bytes_of(py, &source)?))
}

#[pyfunction]
pub fn portrait_hits<'py>(
    py: Python<'py>,
    links: Vec<LinkArgument>,
    normalised: View,
    width: i64,
) -> PyResult<Bound<'py, PyBytes>> {
    let (bits, count) = py.detach(|| {
        let links = links_of(&links)?;
        let windows = Windows::new(normalised.bytes(), at_least(1, "width", width)?, true);
        Ok::<_, Bad>((portrait::hits(&links, &windows), windows.count()))
    })?;
    bits_of(py, &bits, count)
}

#[pyfunction]
pub fn portrait_chains<'py>(
    py: Python<'py>,
    links: Vec<LinkArgument>,
    normalised: View,
    width: i64,
    stride: i64,
) -> PyResult<(u64, Bound<'py, PyBytes>)> {
    let (count, ranges) = py.detach(|| {
        let (width, stride) = (at_least(1, "width", width)?, at_least(1, "stride", stride)?);
        let links = links_of(&links)?;
        let windows = Windows::new(normalised.bytes(), width, true);
        Ok::<_, Bad>(chains::chains(&portrait::hits(&links, &windows), width, stride))
    })?;
    Ok((count, bytes_of(py, &ranges)?))
}

#[pyfunction]
pub fn portrait_insert(
    py: Python<'_>,
    mut bits: ViewMut,
    bit_count: i64,
    hashes: i64,
    normalised: View,
    width: i64,
    stride: i64,
) -> PyResult<u64> {
    Ok(py.detach(|| {
        let (width, stride) = (at_least(1, "width", width)?, at_least(1, "stride", stride)?);
        let windows = Windows::new(normalised.bytes(), width, true);
        portrait::insert(bits.bytes(), bit_count, hashes, &windows, stride)
    })?)
}

#[pyfunction]
pub fn count_ones(py: Python<'_>, bits: View) -> u64 {
    py.detach(|| portrait::ones(bits.bytes()))
}
