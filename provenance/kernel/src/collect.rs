//! What a build gathers from the texts of one segment: tile keys, samples and words.

use crate::normalise::normalise;
use crate::samples::{check_group, sample};
use crate::sorting::{Distinct, Hashed};
use crate::windows::Windows;
use crate::words::WordSet;
use crate::xxh3::key;
use crate::{Checked, at_least};

/// A sampled window of one repository. Twelve bytes: a segment has one for every 17 bytes of text.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Sample {
    key_high: u32,
    key_low: u32,
    repository: u32,
}

impl Sample {
    fn key(&self) -> u64 {
        u64::from(self.key_high) << 32 | u64::from(self.key_low)
    }
}

impl Hashed for Sample {
    #[inline]
    fn hash(&self) -> u64 {
        self.key()
    }
}

impl Ord for Sample {
    #[inline]
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key()).then(self.repository.cmp(&other.repository))
    }
}

impl PartialOrd for Sample {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// Gathers the keys, samples and words of many texts.
pub struct Collector {
    width: usize,
    stride: usize,
    seed: u64,
    group: usize,
    codepoints: bool,
    tiles: Distinct<u64>,
    samples: Distinct<Sample>,
    words: Option<WordSet>,
    normalised: Vec<u8>,
}

impl Collector {
    /// Returns a collector that has seen nothing; `group` 0 gathers no samples.
    pub fn new(width: i64, stride: i64, seed: u64, group: i64, words: bool, codepoints: bool) -> Checked<Self> {
        Ok(Collector {
            width: at_least(1, "width", width)?,
            stride: at_least(1, "stride", stride)?,
            seed,
            group: check_group(0, group)?,
            codepoints,
            tiles: Distinct::default(),
            samples: Distinct::default(),
            words: words.then(WordSet::default),
            normalised: Vec::new(),
        })
    }

    /// Gathers the tile keys, samples and words of a source text.
    pub fn add(&mut self, text: &[u8], repository: u32) {
        self.add_samples(text, repository);
        let windows = Windows::new(&self.normalised, self.width, self.codepoints);
        self.tiles.extend(|tiles| windows.tile_keys(self.stride, self.seed, tiles));
        if let Some(words) = &mut self.words {
            words.add(&self.normalised);
        }
    }

    /// Gathers the samples of a source text only.
    pub fn add_samples(&mut self, text: &[u8], repository: u32) {
        self.normalised.clear();
        normalise(text, &mut self.normalised);
        if self.group > 0 {
            let (text, width, seed) = (&self.normalised[..], self.width, self.seed);
            self.samples.extend(|samples| {
                sample(text, width, self.group, |start| {
                    let key = key(&text[start..start + width], seed);
                    samples.push(Sample { key_high: (key >> 32) as u32, key_low: key as u32, repository });
                });
            });
        }
    }

    /// Returns the distinct tile keys, ascending.
    pub fn tiles(&mut self) -> &[u64] {
        self.tiles.sorted()
    }

    /// Returns the distinct pairs of key and repository, ascending.
    pub fn samples(&mut self) -> (Vec<u64>, Vec<u32>) {
        self.samples.sorted().iter().map(|sample| (sample.key(), sample.repository)).unzip()
    }

    /// Returns the distinct words, sorted bytewise and joined by newlines.
    pub fn words(&self) -> Vec<u8> {
        self.words.as_ref().map_or_else(Vec::new, WordSet::joined)
    }
}
