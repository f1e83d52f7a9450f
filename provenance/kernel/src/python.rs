//! What Python sees. Arguments are checked by the functions called; nothing else happens here.

mod lexing;
mod portrait;
mod stream;

use crate::collect::Collector;
use crate::filter::{self, Filter};
use crate::grams::Sought;
use crate::pybloom::Pybloom;
use crate::windows::Windows;
use crate::{Bad, Checked, at_least, find, gram_collector, runs, samples, sorting};
use pyo3::buffer::PyUntypedBuffer;
use pyo3::exceptions::{PyBufferError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

impl From<Bad> for PyErr {
    fn from(bad: Bad) -> PyErr {
        PyValueError::new_err(bad.0)
    }
}

/// A contiguous buffer of a Python object, held until dropped.
struct View(PyUntypedBuffer);

impl View {
    fn new(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        let buffer = PyUntypedBuffer::get(object)?;
        if !buffer.is_c_contiguous() {
            return Err(PyBufferError::new_err("the buffer is not contiguous"));
        }
        Ok(View(buffer))
    }

    fn bytes(&self) -> &[u8] {
        if self.0.len_bytes() == 0 {
            return &[];
        }
        // SAFETY: Python keeps a contiguous buffer of this length in place until it is released, which is when
        // this view is dropped. That nobody writes to it meanwhile is a rule of the interface (`_native.pyi`).
        unsafe { std::slice::from_raw_parts(self.0.buf_ptr().cast(), self.0.len_bytes()) }
    }

    fn words(&self) -> Checked<&[[u8; 8]]> {
        let (words, rest) = self.bytes().as_chunks();
        if rest.is_empty() {
            return Ok(words);
        }
        Err(Bad(format!("a buffer of keys has {} bytes, which is no multiple of 8", self.0.len_bytes())))
    }

    fn keys(&self) -> Checked<Vec<u64>> {
        Ok(self.words()?.iter().map(|&eight| u64::from_le_bytes(eight)).collect())
    }
}

impl<'a, 'py> FromPyObject<'a, 'py> for View {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        View::new(&object)
    }
}

/// A contiguous buffer that may be written to.
struct ViewMut(View);

impl ViewMut {
    fn bytes(&mut self) -> &mut [u8] {
        let buffer = &self.0.0;
        if buffer.len_bytes() == 0 {
            return &mut [];
        }
        // SAFETY: as for `View::bytes`; the buffer is writable, which was checked when the view was made.
        unsafe { std::slice::from_raw_parts_mut(buffer.buf_ptr().cast(), buffer.len_bytes()) }
    }
}

impl<'a, 'py> FromPyObject<'a, 'py> for ViewMut {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let view = View::new(&object)?;
        if view.0.readonly() {
            return Err(PyBufferError::new_err("the buffer cannot be written to"));
        }
        Ok(ViewMut(view))
    }
}

fn bytes_of<'py>(py: Python<'py>, words: &[u64]) -> PyResult<Bound<'py, PyBytes>> {
    PyBytes::new_with(py, words.len() * 8, |out| {
        for (eight, word) in out.as_chunks_mut().0.iter_mut().zip(words) {
            *eight = word.to_le_bytes();
        }
        Ok(())
    })
}

fn bits_of<'py>(py: Python<'py>, words: &[u64], count: usize) -> PyResult<Bound<'py, PyBytes>> {
    PyBytes::new_with(py, count.div_ceil(8), |out| {
        for (bytes, word) in out.chunks_mut(8).zip(words) {
            bytes.copy_from_slice(&word.to_le_bytes()[..bytes.len()]);
        }
        Ok(())
    })
}

type FilterArgument = (View, i64, i64);

fn filters_of(arguments: &[FilterArgument]) -> Checked<Vec<Filter<'_>>> {
    arguments.iter().map(|(body, regions, halves)| Filter::new(body.bytes(), *regions, *halves)).collect()
}

#[pyclass]
struct KeyCollector(Collector);

#[pymethods]
impl KeyCollector {
    #[new]
    #[pyo3(signature = (width, stride, seed, group, *, words = true, codepoints = false))]
    fn new(width: i64, stride: i64, seed: u64, group: i64, words: bool, codepoints: bool) -> PyResult<Self> {
        Ok(KeyCollector(Collector::new(width, stride, seed, group, words, codepoints)?))
    }

    fn add(&mut self, py: Python<'_>, text: View, repository: u32) {
        py.detach(|| self.0.add(text.bytes(), repository));
    }

    fn add_samples(&mut self, py: Python<'_>, text: View, repository: u32) {
        py.detach(|| self.0.add_samples(text.bytes(), repository));
    }

    fn tiles<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let tiles = py.detach(|| self.0.tiles());
        bytes_of(py, tiles)
    }

    fn samples<'py>(&mut self, py: Python<'py>) -> PyResult<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)> {
        let (keys, repositories) = py.detach(|| self.0.samples());
        let repositories: Vec<u8> = repositories.iter().flat_map(|number| number.to_le_bytes()).collect();
        Ok((bytes_of(py, &keys)?, PyBytes::new(py, &repositories)))
    }

    fn words<'py>(&mut self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &py.detach(|| self.0.words()))
    }
}

#[pyclass]
struct GramCollector(gram_collector::Collector);

#[pymethods]
impl GramCollector {
    #[new]
    fn new() -> Self {
        GramCollector(gram_collector::Collector::default())
    }

    fn add(&mut self, py: Python<'_>, text: View) {
        py.detach(|| self.0.add(text.bytes()));
    }

    fn finish<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &py.detach(|| self.0.finish())?))
    }
}

/// The compiled kernel; see `_native.pyi`.
#[pymodule]
mod _native {
    use super::*;

    #[pymodule_export]
    use super::GramCollector;
    #[pymodule_export]
    use super::KeyCollector;
    #[pymodule_export]
    use super::lexing::{Lexer, align_symbols, fingerprints};
    #[pymodule_export]
    use super::portrait::{count_ones, portrait_chains, portrait_hits, portrait_insert, portrait_normalise_map};
    #[pymodule_export]
    use super::stream::TextStream;

    #[pyfunction]
    fn isa() -> &'static str {
        crate::isa::isa().name()
    }

    #[pyfunction]
    fn normalise<'py>(py: Python<'py>, text: View) -> Bound<'py, PyBytes> {
        let mut out = Vec::new();
        py.detach(|| crate::normalise::normalise(text.bytes(), &mut out));
        PyBytes::new(py, &out)
    }

    #[pyfunction]
    #[allow(clippy::type_complexity)]
    fn normalise_map<'py>(
        py: Python<'py>,
        text: View,
    ) -> PyResult<(Bound<'py, PyBytes>, Bound<'py, PyBytes>, Bound<'py, PyBytes>)> {
        let (out, normalised, source) = py.detach(|| crate::normalise::normalise_map(text.bytes()));
        Ok((PyBytes::new(py, &out), bytes_of(py, &normalised)?, bytes_of(py, &source)?))
    }

    #[pyfunction]
    #[pyo3(signature = (normalised, width, stride, seed, *, codepoints = false))]
    fn window_keys<'py>(
        py: Python<'py>,
        normalised: View,
        width: i64,
        stride: i64,
        seed: u64,
        codepoints: bool,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let (width, stride) = (at_least(1, "width", width)?, at_least(1, "stride", stride)?);
        let mut keys = Vec::new();
        py.detach(|| Windows::new(normalised.bytes(), width, codepoints).tile_keys(stride, seed, &mut keys));
        bytes_of(py, &keys)
    }

    #[pyfunction]
    fn sample_positions<'py>(
        py: Python<'py>,
        normalised: View,
        width: i64,
        group: i64,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let (width, group) = (at_least(1, "width", width)?, samples::check_group(1, group)?);
        let mut starts = Vec::new();
        py.detach(|| samples::sample(normalised.bytes(), width, group, |start| starts.push(start as u64)));
        bytes_of(py, &starts)
    }

    #[pyfunction]
    fn sort_unique<'py>(py: Python<'py>, keys: View) -> PyResult<Bound<'py, PyBytes>> {
        let keys = py.detach(|| {
            let mut keys = keys.keys()?;
            sorting::sort(&mut keys);
            keys.dedup();
            Ok::<_, Bad>(keys)
        })?;
        bytes_of(py, &keys)
    }

    #[pyfunction]
    fn insert_sorted(
        py: Python<'_>,
        mut body: ViewMut,
        regions: i64,
        halves: i64,
        first_region: i64,
        region_count: i64,
        keys: View,
    ) -> PyResult<()> {
        Ok(py.detach(|| filter::insert(body.bytes(), regions, halves, first_region, region_count, keys.words()?))?)
    }

    #[pyfunction]
    fn contains<'py>(
        py: Python<'py>,
        body: View,
        regions: i64,
        halves: i64,
        keys: View,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let found = py.detach(|| {
            let filter = Filter::new(body.bytes(), regions, halves)?;
            Ok::<_, Bad>(filter::contains(&filter, keys.words()?))
        })?;
        Ok(PyBytes::new(py, &found))
    }

    #[pyfunction]
    #[pyo3(signature = (filters, normalised, width, seed, *, codepoints = false))]
    fn hits<'py>(
        py: Python<'py>,
        filters: Vec<FilterArgument>,
        normalised: View,
        width: i64,
        seed: u64,
        codepoints: bool,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let (bits, count) = py.detach(|| {
            let filters = filters_of(&filters)?;
            let windows = Windows::new(normalised.bytes(), at_least(1, "width", width)?, codepoints);
            Ok::<_, Bad>((filter::hits(&filters, &windows, seed), windows.count()))
        })?;
        bits_of(py, &bits, count)
    }

    #[pyfunction]
    #[pyo3(signature = (filters, normalised, width, stride, seed, *, codepoints = false))]
    fn chains<'py>(
        py: Python<'py>,
        filters: Vec<FilterArgument>,
        normalised: View,
        width: i64,
        stride: i64,
        seed: u64,
        codepoints: bool,
    ) -> PyResult<(u64, Bound<'py, PyBytes>)> {
        let (count, ranges) = py.detach(|| {
            let (width, stride) = (at_least(1, "width", width)?, at_least(1, "stride", stride)?);
            let filters = filters_of(&filters)?;
            let windows = Windows::new(normalised.bytes(), width, codepoints);
            Ok::<_, Bad>(crate::chains::chains(&filter::hits(&filters, &windows, seed), width, stride))
        })?;
        Ok((count, bytes_of(py, &ranges)?))
    }

    #[pyfunction]
    #[pyo3(signature = (body, count, seed, *, prefetched=true))]
    fn random_read_limit(py: Python<'_>, body: View, count: i64, seed: u64, prefetched: bool) -> PyResult<u64> {
        Ok(py.detach(|| filter::random_read_limit(body.bytes(), count, seed, prefetched))?)
    }

    #[pyfunction]
    fn pybloom_contains<'py>(
        py: Python<'py>,
        bits: View,
        bit_count: i64,
        hash_seeds: Vec<u32>,
        keys: View,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let found =
            py.detach(|| Ok::<_, Bad>(Pybloom::new(bits.bytes(), bit_count, hash_seeds)?.contains(&keys.keys()?)))?;
        Ok(PyBytes::new(py, &found))
    }

    #[pyfunction]
    fn pybloom_insert(
        py: Python<'_>,
        mut bits: ViewMut,
        bit_count: i64,
        hash_seeds: Vec<u32>,
        keys: View,
    ) -> PyResult<()> {
        py.detach(|| {
            Pybloom::new(bits.bytes(), bit_count, hash_seeds)?.insert(&keys.keys()?);
            Ok::<_, Bad>(())
        })?;
        Ok(())
    }

    #[pyfunction]
    #[pyo3(signature = (bits, bit_count, hash_seeds, normalised, width, seed, *, codepoints = false))]
    #[allow(clippy::too_many_arguments)]
    fn pybloom_hits<'py>(
        py: Python<'py>,
        bits: View,
        bit_count: i64,
        hash_seeds: Vec<u32>,
        normalised: View,
        width: i64,
        seed: Option<u64>,
        codepoints: bool,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let (found, count) = py.detach(|| {
            let filter = Pybloom::new(bits.bytes(), bit_count, hash_seeds)?;
            let windows = Windows::new(normalised.bytes(), at_least(1, "width", width)?, codepoints);
            Ok::<_, Bad>((filter.hits(&windows, seed), windows.count()))
        })?;
        bits_of(py, &found, count)
    }

    #[pyfunction]
    #[pyo3(signature = (bits, bit_count, hash_seeds, normalised, width, stride, seed, *, codepoints = false))]
    #[allow(clippy::too_many_arguments)]
    fn pybloom_chains<'py>(
        py: Python<'py>,
        bits: View,
        bit_count: i64,
        hash_seeds: Vec<u32>,
        normalised: View,
        width: i64,
        stride: i64,
        seed: Option<u64>,
        codepoints: bool,
    ) -> PyResult<(u64, Bound<'py, PyBytes>)> {
        let (count, ranges) = py.detach(|| {
            let (width, stride) = (at_least(1, "width", width)?, at_least(1, "stride", stride)?);
            let filter = Pybloom::new(bits.bytes(), bit_count, hash_seeds)?;
            let windows = Windows::new(normalised.bytes(), width, codepoints);
            Ok::<_, Bad>(crate::chains::chains(&filter.hits(&windows, seed), width, stride))
        })?;
        Ok((count, bytes_of(py, &ranges)?))
    }

    #[pyfunction]
    fn common_runs(py: Python<'_>, query: View, document: View, minimum: i64) -> PyResult<Vec<(usize, usize, usize)>> {
        Ok(py.detach(|| runs::common_runs(query.bytes(), document.bytes(), minimum))?)
    }

    #[pyfunction]
    #[pyo3(signature = (haystack, needle, *, fold_case = false, limit = 0))]
    fn find_all<'py>(
        py: Python<'py>,
        haystack: View,
        needle: View,
        fold_case: bool,
        limit: i64,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let offsets = py.detach(|| find::find_all(haystack.bytes(), needle.bytes(), fold_case, limit))?;
        bytes_of(py, &offsets)
    }

    #[pyfunction]
    fn weighed_words<'py>(py: Python<'py>, text: View) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &py.detach(|| crate::words::weighed_words(text.bytes())))
    }

    #[pyfunction]
    #[pyo3(signature = (grams, part, *, fold_case = false, verbatim = false, most = 64))]
    fn wanted_lists<'py>(
        py: Python<'py>,
        grams: View,
        part: View,
        fold_case: bool,
        verbatim: bool,
        most: i64,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let sought = Sought { part: part.bytes(), fold_case, verbatim, most };
        let ranges = py.detach(|| crate::grams::wanted_lists(grams.bytes(), &sought))?;
        let ranges: Vec<u8> = ranges.iter().flat_map(|number| number.to_le_bytes()).collect();
        Ok(PyBytes::new(py, &ranges))
    }

    #[pyfunction]
    #[pyo3(signature = (grams, part, after, limit, *, fold_case = false, verbatim = false, most = 64, lists = None))]
    #[allow(clippy::too_many_arguments)]
    fn holding<'py>(
        py: Python<'py>,
        grams: View,
        part: View,
        after: i64,
        limit: i64,
        fold_case: bool,
        verbatim: bool,
        most: i64,
        lists: Option<View>,
    ) -> PyResult<(Bound<'py, PyBytes>, bool)> {
        let sought = Sought { part: part.bytes(), fold_case, verbatim, most };
        let lists = lists.as_ref().map(View::bytes);
        let (found, complete) = py.detach(|| crate::grams::holding(grams.bytes(), lists, &sought, after, limit))?;
        let found: Vec<u8> = found.iter().flat_map(|number| number.to_le_bytes()).collect();
        Ok((PyBytes::new(py, &found), complete))
    }
}
