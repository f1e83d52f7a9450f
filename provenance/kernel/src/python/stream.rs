//! A growing text and the filters that its windows are asked of, as Python sees them.

use super::{FilterArgument, View};
use crate::filter::{self, Filter, each_bit};
use crate::pybloom::Pybloom;
use crate::stream::{Position, Stream};
use crate::windows::Windows;
use crate::xxh3::key;
use crate::{Bad, Checked};
use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;
use std::sync::Arc;

/// Windows that are asked one by one: a token brings no more.
const FEW: usize = 16;
/// Bytes of a piece from which on other threads may run meanwhile.
const LONG: usize = 1 << 12;

type PybloomArgument = (View, i64, Vec<u32>, Option<u64>);
type Place = (u64, u64, u64, u64);

impl AsRef<[u8]> for View {
    fn as_ref(&self) -> &[u8] {
        self.bytes()
    }
}

/// The filters of one geometry.
struct Asked {
    width: usize,
    seed: u64,
    blocked: Vec<FilterArgument>,
    others: Vec<(Pybloom<View>, Option<u64>)>,
}

impl Asked {
    /// Sets a bit for each window of `text` that some filter holds.
    fn find(&self, text: &[u8], bits: &mut Vec<u64>) -> Checked<()> {
        let windows = Windows::Bytes { text, width: self.width };
        let count = windows.count();
        let filters = self.blocked.iter().map(|(body, regions, halves)| Filter::new(body.bytes(), *regions, *halves));
        if count <= FEW {
            let mut keys = [0; FEW];
            windows.keys(0, self.seed, &mut keys[..count]);
            let mut word = 0;
            for filter in filters {
                word |= filter?.holding(&keys[..count]);
            }
            bits.push(word);
        } else {
            *bits = filter::hits(&filters.collect::<Checked<Vec<_>>>()?, &windows, self.seed);
        }
        for (other, key_seed) in &self.others {
            bits.iter_mut().zip(other.hits(&windows, *key_seed)).for_each(|(all, here)| *all |= here);
        }
        Ok(())
    }
}

#[pyclass]
pub struct TextStream {
    stream: Stream,
    asked: Arc<Vec<Asked>>,
    hidden: Vec<(usize, Arc<View>)>,
}

#[pymethods]
impl TextStream {
    #[new]
    fn new(geometries: Vec<(i64, i64, u64, Vec<FilterArgument>, Vec<PybloomArgument>)>) -> PyResult<Self> {
        let shapes: Vec<_> = geometries.iter().map(|&(width, stride, ..)| (width, stride)).collect();
        let stream = Stream::new(&shapes)?;
        let asked = geometries.into_iter().map(|(width, _, seed, blocked, others)| {
            for (body, regions, halves) in &blocked {
                Filter::new(body.bytes(), *regions, *halves)?;
            }
            let others = others
                .into_iter()
                .map(|(bits, count, seeds, key_seed)| Ok((Pybloom::new(bits, count, seeds)?, key_seed)))
                .collect::<Checked<_>>()?;
            Ok(Asked { width: width as usize, seed, blocked, others })
        });
        Ok(TextStream { stream, asked: Arc::new(asked.collect::<Checked<_>>()?), hidden: Vec::new() })
    }

    fn hide(&mut self, number: usize, keys: View) -> PyResult<()> {
        keys.words()?;
        if number >= self.asked.len() {
            return Err(PyIndexError::new_err(format!("there is no geometry {number}")));
        }
        self.hidden.push((number, Arc::new(keys)));
        Ok(())
    }

    #[allow(clippy::type_complexity)]
    fn feed(&mut self, py: Python<'_>, piece: &str) -> PyResult<(Place, i64, Vec<(i64, i64, Place, Place)>)> {
        let chains = if piece.len() < LONG { self.read(piece) } else { py.detach(|| self.read(piece)) }?;
        let (settled, at) = self.stream.settled();
        Ok((place(at), settled, chains))
    }

    fn begin(&mut self) {
        self.stream.begin();
    }

    fn copy(&self) -> Self {
        TextStream { stream: self.stream.clone(), asked: Arc::clone(&self.asked), hidden: self.hidden.clone() }
    }

    fn living(&self, number: usize) -> Vec<(i64, i64)> {
        self.stream.living(number).collect()
    }

    #[getter]
    fn length(&self) -> i64 {
        self.stream.length()
    }

    #[getter]
    fn written(&self) -> Place {
        place(self.stream.written())
    }
}

impl TextStream {
    fn read(&mut self, piece: &str) -> Checked<Vec<(i64, i64, Place, Place)>> {
        let (asked, hidden) = (&self.asked, &self.hidden);
        let mut failed: Checked<()> = Ok(());
        let chains = self.stream.feed(piece, |number, text, bits| {
            let filters = &asked[number];
            if let Err(bad) = filters.find(text, bits) {
                failed = Err(bad);
                return;
            }
            if bits.iter().any(|&word| word != 0) {
                for (_, keys) in hidden.iter().filter(|(of, _)| *of == number) {
                    if let Err(bad) = hide(bits, text, filters, keys) {
                        failed = Err(bad);
                    }
                }
            }
        });
        failed?;
        Ok(chains.iter().map(|each| (each.start, each.end, place(each.first), place(each.last))).collect())
    }
}

/// Takes out the bits of windows whose keys are among `keys`, which ascend.
fn hide(bits: &mut [u64], text: &[u8], filters: &Asked, keys: &View) -> Checked<()> {
    let words = keys.words()?;
    let found = bits.to_vec();
    each_bit(&found, |at| {
        let key = key(&text[at..at + filters.width], filters.seed);
        if words.binary_search_by_key(&key, |&eight| u64::from_le_bytes(eight)).is_ok() {
            bits[at / 64] &= !(1 << (at % 64));
        }
    });
    Ok::<_, Bad>(())
}

fn place(at: Position) -> Place {
    (at.code_point, at.byte, at.utf16, at.lines)
}
