//! Gathers the grams of the texts of one segment (ARCHITECTURE.md, Gram file).
//!
//! Pairs of a gram and a cell are gathered, sorted by gram and put aside as runs, which are merged at the end: memory is
//! read and written in order throughout, where a list for every gram would be visited all over it.

use crate::grams::{CELL, HEADER, LAYOUT, Layout, MAGIC, REACH};
use crate::{Bad, Checked};
use xxhash_rust::xxh3::xxh3_64;

/// Grams and cells that are gathered before they are sorted: 8 MiB.
const PENDING: usize = 1 << 21;
/// Cells of one run: their numbers have 16 bits there.
const RUN_CELLS: u32 = 1 << 16;
/// Bits of a gram; pairs are dealt by the upper ones, and sorted by the lower 16 within what was dealt together.
const GRAM_BITS: u32 = LAYOUT.trailing_zeros() + 1;
const BUCKETS: usize = 1 << (GRAM_BITS - 16);
/// More than one cell can hold, and one for what is written and not kept.
const ONE_CELL: usize = 2 * (CELL + REACH) + 1;

/// The grams met in one cell: a bit for each there can be. Those of one text share few lines of the cache.
struct Seen(Box<[u64; Seen::WORDS]>);

impl Seen {
    const WORDS: usize = 1 << (GRAM_BITS - 6);

    fn new() -> Self {
        Seen(vec![0; Self::WORDS].into_boxed_slice().try_into().expect("that many words"))
    }

    #[inline]
    fn word(&mut self, gram: u32) -> &mut u64 {
        &mut self.0[(gram >> 6) as usize & (Self::WORDS - 1)]
    }

    /// Returns 1 if the gram is new to the cell, else 0.
    #[inline]
    fn insert(&mut self, gram: u32) -> usize {
        let word = self.word(gram);
        let new = !*word >> (gram & 63) & 1;
        *word |= 1 << (gram & 63);
        new as usize
    }

    /// Forgets the gram, and perhaps others.
    #[inline]
    fn clear(&mut self, gram: u32) {
        *self.word(gram) = 0;
    }
}

/// The cells of the grams of some texts, by gram.
#[derive(Default)]
struct Run {
    /// The number of the cell that is called 0 in here.
    base: u32,
    grams: Vec<u32>,
    /// Where the cells of each gram end in `cells`.
    ends: Vec<u32>,
    cells: Vec<u16>,
}

impl Run {
    /// Adds ascending pairs of grams, of which only the lower 16 bits are given, and cells.
    fn extend(&mut self, upper: u32, pairs: &[u32]) {
        for same in pairs.chunk_by(|one, other| one >> 16 == other >> 16) {
            self.grams.push(upper << 16 | same[0] >> 16);
            self.cells.extend(same.iter().map(|&pair| pair as u16));
            self.ends.push(self.cells.len() as u32);
        }
    }

    /// Returns the cells of the gram at a place.
    fn cells(&self, at: usize) -> &[u16] {
        let start = if at == 0 { 0 } else { self.ends[at - 1] as usize };
        &self.cells[start..self.ends[at] as usize]
    }
}

/// Gathers the grams of the texts of one segment.
pub struct Collector {
    seen: Seen,
    /// The distinct grams of one cell.
    grams: Box<[u32; ONE_CELL]>,
    /// By the upper bits of a gram: its lower 16, and the cell in its run.
    buckets: Vec<Vec<u32>>,
    pending: usize,
    /// Room for sorting a bucket.
    sorted: Vec<u32>,
    base: u32,
    runs: Vec<Run>,
    /// The first cell of every text, and the first of the next.
    starts: Vec<u32>,
    /// Where each cell begins in its source text.
    places: Vec<u32>,
    normalised: Vec<u8>,
    layout: Layout,
}

impl Default for Collector {
    fn default() -> Self {
        Collector {
            seen: Seen::new(),
            grams: Box::new([0; ONE_CELL]),
            buckets: vec![Vec::new(); BUCKETS],
            pending: 0,
            sorted: Vec::new(),
            base: 0,
            runs: Vec::new(),
            starts: vec![0],
            places: Vec::new(),
            normalised: Vec::new(),
            layout: Layout::default(),
        }
    }
}

impl Collector {
    /// Normalises the next text and gathers its grams.
    pub fn add(&mut self, text: &[u8]) {
        let mut normalised = std::mem::take(&mut self.normalised);
        let mut layout = std::mem::take(&mut self.layout);
        normalised.clear();
        layout.read(text, &mut normalised);
        let mut cell = *self.starts.last().expect("a first cell");
        let mut at = 0;
        while normalised.len() >= at + 3 && (at == 0 || normalised.len() > at + REACH) {
            if self.pending >= PENDING || cell - self.base == RUN_CELLS {
                self.settle(cell);
            }
            let end = normalised.len().min(at + CELL + REACH);
            let first = layout.grams.partition_point(|&(place, _)| place < at);
            let inside = layout.grams[first..].iter().take_while(|&&(place, _)| place + 3 <= end);
            self.gather(&normalised[at..end], inside.map(|&(_, gram)| gram), cell - self.base);
            self.places.push(layout.cells[at / CELL]);
            cell += 1;
            at += CELL;
        }
        self.starts.push(cell);
        self.normalised = normalised;
        self.layout = layout;
    }

    /// Gathers the distinct grams of one cell.
    fn gather(&mut self, text: &[u8], layouts: impl Iterator<Item = u32>, cell: u32) {
        let (grams, seen) = (&mut *self.grams, &mut self.seen);
        let mut count = 0;
        // Whether a gram is new cannot be foreseen; so each is written, and the next one over it if it was not.
        let mut meet = |gram| {
            grams[count] = gram;
            count += seen.insert(gram);
        };
        let mut gram = u32::from(text[0]) << 8 | u32::from(text[1]);
        for &byte in &text[2..] {
            gram = gram << 8 & (LAYOUT - 1) | u32::from(byte);
            meet(gram);
        }
        layouts.for_each(meet);
        for &gram in &self.grams[..count] {
            self.seen.clear(gram);
            self.buckets[(gram >> 16) as usize].push(gram << 16 | cell);
        }
        self.pending += count;
    }

    /// Puts what is pending aside as a run; the next one begins at a cell.
    fn settle(&mut self, next: u32) {
        let mut run = Run { base: self.base, ..Run::default() };
        run.cells.reserve_exact(self.pending);
        for (upper, bucket) in self.buckets.iter_mut().enumerate() {
            // Cells came in order, and equal grams stay in it.
            sort(bucket, &mut self.sorted);
            run.extend(upper as u32, bucket);
            bucket.clear();
        }
        self.runs.push(run);
        self.pending = 0;
        self.base = next;
    }

    /// Returns the file, and forgets what was gathered.
    pub fn finish(&mut self) -> Checked<Vec<u8>> {
        let cells = *self.starts.last().expect("a first cell");
        self.settle(cells);
        let (grams, offsets, lists) = merged(&std::mem::take(&mut self.runs), cells as usize)?;
        let tables = (self.starts.len() + self.places.len() + grams.len() + offsets.len()) * 4;
        let mut file = Vec::with_capacity(HEADER + tables + lists.len());
        file.extend_from_slice(MAGIC);
        for field in [1, CELL, REACH, self.starts.len() - 1, cells as usize, grams.len()] {
            file.extend_from_slice(&(field as u32).to_le_bytes());
        }
        file.extend_from_slice(&(lists.len() as u64).to_le_bytes());
        file.resize(HEADER, 0);
        for table in [&self.starts, &self.places, &grams, &offsets] {
            file.extend(table.iter().flat_map(|value| value.to_le_bytes()));
        }
        let checksum = xxh3_64(&file[HEADER..]);
        file[HEADER - 8..HEADER].copy_from_slice(&checksum.to_le_bytes());
        file.extend_from_slice(&lists);
        self.base = 0;
        self.starts = vec![0];
        self.places = Vec::new();
        Ok(file)
    }
}

/// Sorts by the upper 16 bits, stably: by the lower eight of them, then by the upper eight.
fn sort(pairs: &mut Vec<u32>, room: &mut Vec<u32>) {
    if pairs.len() < 64 {
        return pairs.sort_unstable();
    }
    let mut places = [[0u32; 256]; 2];
    for &pair in pairs.iter() {
        places[0][(pair >> 16 & 255) as usize] += 1;
        places[1][(pair >> 24) as usize] += 1;
    }
    room.resize(pairs.len(), 0);
    for (places, shift) in places.iter_mut().zip([16, 24]) {
        let mut place = 0;
        places.iter_mut().for_each(|count| place += std::mem::replace(count, place));
        for &pair in pairs.iter() {
            let place = &mut places[(pair >> shift & 255) as usize];
            room[*place as usize] = pair;
            *place += 1;
        }
        std::mem::swap(pairs, room);
    }
}

/// Returns the grams of all runs, where their lists begin and end, and the lists.
fn merged(runs: &[Run], cells: usize) -> Checked<(Vec<u32>, Vec<u32>, Vec<u8>)> {
    let map_bytes = cells.div_ceil(8);
    let (mut grams, mut offsets, mut lists) = (Vec::new(), vec![0u32], Vec::new());
    let mut heads = vec![0; runs.len()];
    let mut held: Vec<(u32, &[u16])> = Vec::new();
    while let Some(gram) = runs.iter().zip(&heads).filter_map(|(run, &head)| run.grams.get(head)).min().copied() {
        held.clear();
        for (run, head) in runs.iter().zip(&mut heads) {
            if run.grams.get(*head) == Some(&gram) {
                held.push((run.base, run.cells(*head)));
                *head += 1;
            }
        }
        let start = lists.len();
        // A cell takes half a byte at least.
        let least = held.iter().map(|(_, cells)| cells.len()).sum::<usize>().div_ceil(2);
        if least < map_bytes {
            let mut gaps = Gaps::default();
            for &(base, cells) in &held {
                cells.iter().for_each(|&cell| gaps.add(base + u32::from(cell), &mut lists));
            }
            gaps.end(&mut lists);
        }
        if least >= map_bytes || lists.len() - start >= map_bytes {
            lists.truncate(start);
            lists.resize(start + map_bytes, 0);
            for (base, cell) in held.iter().flat_map(|&(base, cells)| cells.iter().map(move |&cell| (base, cell))) {
                let cell = base + u32::from(cell);
                lists[start + cell as usize / 8] |= 1 << (cell & 7);
            }
        }
        grams.push(gram);
        let end = u32::try_from(lists.len())
            .map_err(|_| Bad("the lists of grams take more than 4 GiB; make segments smaller".into()))?;
        offsets.push(end);
    }
    Ok((grams, offsets, lists))
}

/// Writes the gaps between cells: groups of three bits, lowest first, a fourth bit where more follow.
#[derive(Default)]
struct Gaps {
    /// One more than the last cell.
    next: u32,
    /// The lower half of the next byte.
    half: Option<u8>,
}

impl Gaps {
    #[inline]
    fn add(&mut self, cell: u32, lists: &mut Vec<u8>) {
        let mut gap = cell - self.next;
        self.next = cell + 1;
        loop {
            let nibble = (gap & 7) as u8 | u8::from(gap > 7) << 3;
            match self.half.take() {
                Some(lower) => lists.push(lower | nibble << 4),
                None => self.half = Some(nibble),
            }
            if gap <= 7 {
                break;
            }
            gap >>= 3;
        }
    }

    /// Writes a half that is left over, beside a half of ones: a gap that never ends.
    fn end(self, lists: &mut Vec<u8>) {
        lists.extend(self.half.map(|lower| lower | 0xF0));
    }
}
