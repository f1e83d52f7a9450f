//! Which texts may hold a string: every three bytes of normalised text, by cells of 8 KiB (ARCHITECTURE.md, Gram file).

use crate::filter::HALF_CONSTANTS;
use crate::normalise::{is_space, normalise_runs};
use crate::{Bad, Checked, at_least};
use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64;

/// Grams that begin in so many bytes of a text share a cell.
const CELL: usize = 8192;
/// A string of so many bytes that begins in a cell is covered by the cell as a whole.
const REACH: usize = 256;
const HEADER: usize = 64;
const MAGIC: &[u8; 8] = b"PROVGRM\x01";
/// Of a long string the part around its rarest gram is looked for, among the first so many bytes.
pub(crate) const EXAMINED: usize = 1024;
/// The shortest lists of a string that are intersected: more hardly narrow anything.
const LISTS: usize = 64;
/// Grams and cells that are gathered before they go to their lists: 8 MiB.
const PENDING: usize = 1 << 20;
/// Bits by which pending cells are sorted at a time: as many streams as a processor's first cache can hold.
const DIGIT: u32 = 9;
const NONE: u32 = u32::MAX;
/// White space that normalising changes has a gram of its own, a hash with this bit set.
pub(crate) const LAYOUT: u32 = 1 << 24;

/// The cells that hold one gram: gaps in groups of three bits, lowest first, a fourth bit where more follow.
#[derive(Default)]
struct List {
    /// One more than the last cell.
    next: u32,
    /// Whether the last byte has a free half.
    half: bool,
    nibbles: Vec<u8>,
}

impl List {
    #[inline]
    fn add(&mut self, cell: u32) {
        let mut gap = cell - self.next;
        self.next = cell + 1;
        loop {
            let more = gap > 7;
            self.push((gap & 7) as u8 | u8::from(more) << 3);
            if !more {
                break;
            }
            gap >>= 3;
        }
    }

    #[inline]
    fn push(&mut self, nibble: u8) {
        if self.half {
            // A free half is all ones: a gap that never ends, should nothing follow.
            *self.nibbles.last_mut().expect("half of a byte") = self.nibbles[self.nibbles.len() - 1] & 15 | nibble << 4;
        } else {
            self.nibbles.push(nibble | 0xF0);
        }
        self.half = !self.half;
    }
}

/// Calls `found` with every cell of a list of gaps.
fn each_gap(nibbles: &[u8], mut found: impl FnMut(u64)) {
    let (mut next, mut gap, mut shift) = (0u64, 0u64, 0u32);
    for nibble in nibbles.iter().flat_map(|byte| [byte & 15, byte >> 4]) {
        gap |= u64::from(nibble & 7).checked_shl(shift).unwrap_or(0);
        if nibble & 8 != 0 {
            shift += 3;
        } else {
            next += gap;
            found(next);
            next += 1;
            (gap, shift) = (0, 0);
        }
    }
}

/// The grams met in one cell: a table that stays in the processor's first cache, and is emptied by a new stamp.
struct Seen {
    /// A gram and, below, the stamp of the cell it was met in.
    slots: Box<[u32; Seen::SLOTS]>,
    stamp: u8,
}

impl Seen {
    /// More than a cell can hold.
    const SLOTS: usize = (CELL + REACH).next_power_of_two();

    fn new() -> Self {
        Seen { slots: Box::new([0; Self::SLOTS]), stamp: 0 }
    }

    fn next_cell(&mut self) {
        self.stamp = (self.stamp + 1) % 128;
        if self.stamp == 0 {
            self.slots.fill(0);
            self.stamp = 1;
        }
    }

    /// Tells whether the gram is new to the cell.
    #[inline]
    fn insert(&mut self, gram: u32) -> bool {
        let entry = gram << 7 | u32::from(self.stamp);
        let mut slot = (gram.wrapping_mul(0x9E37_79B1) >> 16) as usize & (Self::SLOTS - 1);
        loop {
            let found = self.slots[slot];
            if found == entry {
                return false;
            }
            if found as u8 & 127 != self.stamp {
                self.slots[slot] = entry;
                return true;
            }
            slot = (slot + 1) & (Self::SLOTS - 1);
        }
    }
}

/// What normalising a source text loses.
#[derive(Default)]
pub(crate) struct Layout {
    /// Layout grams, each with where its three bytes begin in the normalised text.
    pub(crate) grams: Vec<(usize, u32)>,
    /// Where in the source the normalised bytes at multiples of `CELL` come from; of white space, where it begins.
    cells: Vec<u32>,
}

impl Layout {
    /// Appends the normalised text to `normalised`, which is empty, and notes what is lost.
    pub(crate) fn read(&mut self, text: &[u8], normalised: &mut Vec<u8>) {
        self.grams.clear();
        self.cells.clear();
        let Some(first) = text.iter().position(|&byte| !is_space(byte)) else {
            return;
        };
        // Up to a run of white space and with its first byte, source and normalised text advance together.
        let mut beyond = first;
        normalise_runs(text, normalised, |at, start, end| {
            self.grams.push((at - 1, layout_gram(&text[start - 1..=end])));
            self.pass(at + 1, beyond);
            beyond = end - (at + 1);
        });
        self.pass(normalised.len(), beyond);
    }

    /// Notes the beginnings of cells before `end`; the source is ahead by `beyond`.
    #[inline]
    fn pass(&mut self, end: usize, beyond: usize) {
        while self.cells.len() * CELL < end {
            self.cells.push(u32::try_from(self.cells.len() * CELL + beyond).unwrap_or(u32::MAX));
        }
    }
}

/// Returns the gram of a run of white space and the bytes on both sides of it.
#[inline]
fn layout_gram(run: &[u8]) -> u32 {
    let mut short = [0; 64];
    let hash = match short.get_mut(..run.len()) {
        Some(lower) => {
            lower.copy_from_slice(run);
            lower.make_ascii_lowercase();
            xxh3_64(lower)
        }
        None => xxh3_64(&run.to_ascii_lowercase()),
    };
    LAYOUT | hash as u32 & (LAYOUT - 1)
}

/// Gathers the grams of the texts of one segment.
pub struct Collector {
    seen: Seen,
    /// Numbers of lists (above) and cells of the last texts, not in the lists yet: a list is far away in memory, so it
    /// is visited for many cells at once.
    pending: Vec<u64>,
    /// Room for sorting what is pending.
    sorted: Vec<u64>,
    /// By the first two bytes of a gram, then by the third: number of its list.
    directory: Vec<Option<Box<[u32; 256]>>>,
    /// Layout grams, which are hashes and lie scattered, with the numbers of their lists.
    layouts: HashTable<(u32, u32)>,
    lists: Vec<List>,
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
            pending: Vec::with_capacity(PENDING + CELL + REACH),
            sorted: Vec::new(),
            directory: (0..1 << 16).map(|_| None).collect(),
            layouts: HashTable::new(),
            lists: Vec::new(),
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
            let end = normalised.len().min(at + CELL + REACH);
            self.seen.next_cell();
            let mut gram = u32::from(normalised[at]) << 8 | u32::from(normalised[at + 1]);
            for &byte in &normalised[at + 2..end] {
                gram = gram << 8 & (LAYOUT - 1) | u32::from(byte);
                if self.seen.insert(gram) {
                    self.pend(gram, cell);
                }
            }
            self.places.push(layout.cells[at / CELL]);
            let first = layout.grams.partition_point(|&(place, _)| place < at);
            for &(_, gram) in layout.grams[first..].iter().take_while(|&&(place, _)| place + 3 <= end) {
                if self.seen.insert(gram) {
                    self.pend(gram, cell);
                }
            }
            if self.pending.len() >= PENDING {
                self.settle();
            }
            cell += 1;
            at += CELL;
        }
        self.starts.push(cell);
        self.normalised = normalised;
        self.layout = layout;
    }

    /// Puts a cell off that has the gram.
    #[inline]
    fn pend(&mut self, gram: u32, cell: u32) {
        let next = self.lists.len() as u32;
        let number = if gram < LAYOUT {
            let page = &mut self.directory[(gram >> 8) as usize];
            let number = &mut page.get_or_insert_with(|| Box::new([NONE; 256]))[(gram & 255) as usize];
            if *number == NONE {
                *number = next;
            }
            *number
        } else {
            let spread = |gram: u32| u64::from(gram).wrapping_mul(HALF_CONSTANTS[0]);
            let entry = self.layouts.entry(spread(gram), |held| held.0 == gram, |held| spread(held.0));
            entry.or_insert((gram, next)).get().1
        };
        if number == next {
            self.lists.push(List::default());
        }
        self.pending.push(u64::from(number) << 32 | u64::from(cell));
    }

    /// Moves what is pending to the lists.
    fn settle(&mut self) {
        self.sorted.resize(self.pending.len(), 0);
        // By the numbers of lists, lowest bits first and each time stably: cells stay in order.
        let bits = usize::BITS - self.lists.len().leading_zeros();
        for shift in (0..bits).step_by(DIGIT as usize) {
            let bucket = |pair: u64| (pair >> (32 + shift)) as usize & ((1 << DIGIT) - 1);
            let mut places = [0u32; 1 << DIGIT];
            self.pending.iter().for_each(|&pair| places[bucket(pair)] += 1);
            let mut place = 0u32;
            places.iter_mut().for_each(|count| place += std::mem::replace(count, place));
            for &pair in &self.pending {
                let place = &mut places[bucket(pair)];
                self.sorted[*place as usize] = pair;
                *place += 1;
            }
            std::mem::swap(&mut self.pending, &mut self.sorted);
        }
        for run in self.pending.chunk_by(|one, other| one >> 32 == other >> 32) {
            let list = &mut self.lists[(run[0] >> 32) as usize];
            run.iter().for_each(|&pair| list.add(pair as u32));
        }
        self.pending.clear();
    }

    /// Returns the file.
    pub fn finish(&mut self) -> Checked<Vec<u8>> {
        self.settle();
        let cells = *self.starts.last().expect("a first cell") as usize;
        let map_bytes = cells.div_ceil(8);
        let (mut grams, mut offsets, mut lists) = (Vec::new(), vec![0u32], Vec::new());
        let pages = self.directory.iter().enumerate().filter_map(|(pair, page)| page.as_ref().map(|page| (pair, page)));
        let numbered =
            pages.flat_map(|(pair, page)| (0..).zip(&page[..]).map(move |(third, &n)| ((pair as u32) << 8 | third, n)));
        let mut layouts: Vec<(u32, u32)> = self.layouts.iter().copied().collect();
        layouts.sort_unstable();
        for (gram, number) in numbered.filter(|&(_, number)| number != NONE).chain(layouts) {
            grams.push(gram);
            let nibbles = &self.lists[number as usize].nibbles;
            if nibbles.len() < map_bytes {
                lists.extend_from_slice(nibbles);
            } else {
                let start = lists.len();
                lists.resize(start + map_bytes, 0);
                each_gap(nibbles, |cell| lists[start + cell as usize / 8] |= 1 << (cell & 7));
            }
            let end = u32::try_from(lists.len())
                .map_err(|_| Bad("the lists of grams take more than 4 GiB; make segments smaller".into()))?;
            offsets.push(end);
        }
        let mut file = Vec::with_capacity(HEADER + (self.starts.len() + cells + 2 * offsets.len()) * 4 + lists.len());
        file.extend_from_slice(MAGIC);
        for field in [1, CELL, REACH, self.starts.len() - 1, cells, grams.len()] {
            file.extend_from_slice(&(field as u32).to_le_bytes());
        }
        file.extend_from_slice(&(lists.len() as u64).to_le_bytes());
        file.resize(HEADER, 0);
        for value in self.starts.iter().chain(&self.places).chain(&grams).chain(&offsets) {
            file.extend_from_slice(&value.to_le_bytes());
        }
        let checksum = xxh3_64(&file[HEADER..]);
        file[HEADER - 8..HEADER].copy_from_slice(&checksum.to_le_bytes());
        file.extend_from_slice(&lists);
        Ok(file)
    }
}

/// A file of grams, as far as its header is consistent with its length.
struct File<'a> {
    starts: &'a [[u8; 4]],
    places: &'a [[u8; 4]],
    grams: &'a [[u8; 4]],
    offsets: &'a [[u8; 4]],
    lists: &'a [u8],
    cells: usize,
}

impl<'a> File<'a> {
    fn new(file: &'a [u8]) -> Checked<Self> {
        let bad = || Bad("not a file of grams, or truncated".into());
        if file.len() < HEADER || &file[..8] != MAGIC {
            return Err(bad());
        }
        let field = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().expect("four bytes")) as usize;
        if (field(8), field(12), field(16)) != (1, CELL, REACH) {
            return Err(Bad("a file of grams with other cells".into()));
        }
        let (contents, cells, grams) = (field(20), field(24), field(28));
        let tables = (contents + 1 + cells + grams + grams + 1) * 4;
        let (tables, lists) = file[HEADER..].split_at_checked(tables).ok_or_else(bad)?;
        let (starts, tables) = tables.as_chunks().0.split_at(contents + 1);
        let (places, tables) = tables.split_at(cells);
        let (grams, offsets) = tables.split_at(grams);
        Ok(File { starts, places, grams, offsets, lists, cells })
    }

    fn value(table: &[[u8; 4]], at: usize) -> usize {
        u32::from_le_bytes(table[at]) as usize
    }

    /// Returns the list of a gram, empty where no text holds it.
    fn list(&self, gram: u32) -> Checked<&'a [u8]> {
        match self.grams.binary_search_by_key(&gram, |&four| u32::from_le_bytes(four)) {
            Err(_) => Ok(&[]),
            Ok(at) => self
                .lists
                .get(Self::value(self.offsets, at)..Self::value(self.offsets, at + 1))
                .ok_or_else(|| Bad("a file of grams whose offsets are out of order".into())),
        }
    }

    /// Sets the bits of the cells of a list.
    fn mark(&self, list: &[u8], map: &mut [u8]) {
        if list.len() == map.len() {
            map.iter_mut().zip(list).for_each(|(into, from)| *into |= from);
        } else {
            each_gap(list, |cell| {
                if let Some(byte) = map.get_mut((cell / 8) as usize) {
                    *byte |= 1 << (cell & 7);
                }
            });
        }
    }

    /// Returns the cells in which every one of the alternatives has a gram.
    fn common_cells(&self, mut wanted: Vec<Vec<&[u8]>>) -> Vec<usize> {
        wanted.sort_by_key(|lists| size_of(lists));
        wanted.truncate(LISTS);
        let mut map = vec![0u8; self.cells.div_ceil(8)];
        let mut left: Option<Vec<usize>> = None;
        for lists in &wanted {
            map.fill(0);
            lists.iter().for_each(|list| self.mark(list, &mut map));
            let holds = |cell: &usize| map[cell / 8] >> (cell & 7) & 1 == 1;
            left = Some(match left {
                None => (0..self.cells).filter(holds).collect(),
                Some(cells) => cells.into_iter().filter(holds).collect(),
            });
            if left.as_ref().is_some_and(Vec::is_empty) {
                break;
            }
        }
        left.unwrap_or_default()
    }
}

fn size_of(lists: &[&[u8]]) -> usize {
    lists.iter().map(|list| list.len()).sum()
}

/// Returns the grams that a text may have in place of three bytes; none where case folds beyond ASCII.
pub(crate) fn variants(three: &[u8], fold_case: bool) -> Vec<u32> {
    if fold_case && !three.is_ascii() {
        return Vec::new();
    }
    let mut found = vec![0u32];
    for &byte in three {
        let other = if fold_case && byte.is_ascii_alphabetic() { byte ^ 0x20 } else { byte };
        let with = |byte: u8| found.iter().map(move |gram| gram << 8 | u32::from(byte));
        found = if other == byte { with(byte).collect() } else { with(byte).chain(with(other)).collect() };
    }
    found
}

/// Returns where `part` may begin in contents behind `after`, ascending, in at most `limit` of these, and whether
/// there are no more: triples of a content and a range of its source text.
pub fn holding(
    file: &[u8],
    part: &[u8],
    after: i64,
    limit: i64,
    fold_case: bool,
    verbatim: bool,
) -> Checked<(Vec<u32>, bool)> {
    let limit = at_least(0, "limit", limit)?;
    let mut normalised = Vec::new();
    let mut layout = Layout::default();
    let part = if verbatim {
        layout.read(part, &mut normalised);
        &normalised
    } else {
        part
    };
    let file = File::new(file)?;
    let contents = file.starts.len() - 1;
    let first = usize::try_from(after + 1).map_err(|_| Bad(format!("after is {after}, must be at least -1")))?;
    let mut wanted: Vec<Vec<&[u8]>> = Vec::new();
    for three in part[..part.len().min(EXAMINED)].windows(3) {
        let grams = variants(three, fold_case);
        let mut lists = Vec::with_capacity(grams.len());
        for &gram in &grams {
            lists.push(file.list(gram)?);
        }
        if !grams.is_empty() && size_of(&lists) == 0 {
            return Ok((Vec::new(), true));
        }
        wanted.push(lists);
    }
    let mut layouts: Vec<Vec<&[u8]>> = vec![Vec::new(); wanted.len()];
    for (place, gram) in layout.grams {
        // Grams that case folding leaves out tell which white space stands beside what is not ASCII.
        if place >= wanted.len() || wanted[place].is_empty() {
            continue;
        }
        let list = file.list(gram)?;
        if list.is_empty() {
            return Ok((Vec::new(), true));
        }
        layouts[place].push(list);
    }
    if wanted.len() > REACH - 2 {
        let rarest = (0..wanted.len()).filter(|&at| !wanted[at].is_empty()).min_by_key(|&at| size_of(&wanted[at]));
        let start = rarest.unwrap_or(0).saturating_sub(REACH / 2 - 1).min(wanted.len() - (REACH - 2));
        wanted = wanted.drain(start..start + REACH - 2).collect();
        layouts = layouts.drain(start..start + REACH - 2).collect();
    }
    wanted.append(&mut layouts);
    wanted.retain(|lists| !lists.is_empty());
    let mut found: Vec<u32> = Vec::new();
    if wanted.is_empty() {
        let end = contents.min(first.saturating_add(limit));
        found.extend((first.min(end)..end).flat_map(|content| [content as u32, 0, u32::MAX]));
        return Ok((found, end == contents || first >= contents));
    }
    let (mut next, mut left) = (first, limit);
    for cell in file.common_cells(wanted) {
        if next > contents || cell < File::value(file.starts, next) {
            continue;
        }
        // The last content that begins at or before the cell: those without a cell begin where the next one does.
        let content =
            next + file.starts[next..=contents].partition_point(|&four| u32::from_le_bytes(four) as usize <= cell) - 1;
        if content >= contents {
            continue;
        }
        if found.len() < 3 || found[found.len() - 3] != content as u32 {
            if left == 0 {
                return Ok((found, false));
            }
            left -= 1;
        }
        // A cell ends where the next one of its text begins, the last one with the text.
        let next_place = file.places.get(cell + 1).filter(|_| cell + 1 < File::value(file.starts, content + 1));
        let end = next_place.map_or(u32::MAX, |&four| u32::from_le_bytes(four));
        found.extend([content as u32, u32::from_le_bytes(file.places[cell]), end]);
        next = content;
    }
    Ok((found, true))
}
