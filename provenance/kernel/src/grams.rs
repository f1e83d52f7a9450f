//! Which texts may hold a string: every three bytes of normalised text, by cells of 4 KiB (ARCHITECTURE.md, Gram file).

use crate::normalise::{is_space, normalise_runs};
use crate::{Bad, Checked, at_least};
use xxhash_rust::xxh3::xxh3_64;

/// Grams that begin in so many bytes of a text share a cell.
pub(crate) const CELL: usize = 4096;
/// A string of so many bytes that begins in a cell is covered by the cell as a whole.
pub(crate) const REACH: usize = 256;
pub(crate) const HEADER: usize = 64;
pub(crate) const MAGIC: &[u8; 8] = b"PROVGRM\x01";
/// Of a long string the part around its rarest gram is looked for, among the first so many bytes.
pub(crate) const EXAMINED: usize = 1024;
/// White space that normalising changes has a gram of its own, a hash with this bit set.
pub(crate) const LAYOUT: u32 = 1 << 24;

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

/// What normalising a source text loses.
#[derive(Default)]
pub(crate) struct Layout {
    /// Layout grams, each with where its three bytes begin in the normalised text.
    pub(crate) grams: Vec<(usize, u32)>,
    /// Where in the source the normalised bytes at multiples of `CELL` come from; of white space, where it begins.
    pub(crate) cells: Vec<u32>,
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

/// Where the lists of grams lie of which a cell has one.
type Item = Vec<(u32, u32)>;

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

    /// Returns where in the lists that of a gram lies; an empty range where no text holds it.
    fn range(&self, gram: u32) -> Checked<(u32, u32)> {
        let Ok(at) = self.grams.binary_search_by_key(&gram, |&four| u32::from_le_bytes(four)) else {
            return Ok((0, 0));
        };
        let (start, end) = (u32::from_le_bytes(self.offsets[at]), u32::from_le_bytes(self.offsets[at + 1]));
        if start > end {
            return Err(out_of_order());
        }
        Ok((start, end))
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

    /// Returns the lists to intersect: of each item one gram at least is in every cell in which `part` may begin.
    ///
    /// The `most` shortest items, the shortest first. None at all: any cell may be it; `None`: no text holds `part`.
    fn wanted(&self, part: &[u8], layout: &Layout, fold_case: bool, most: usize) -> Checked<Option<Vec<Item>>> {
        let mut wanted: Vec<Item> = Vec::new();
        for three in part[..part.len().min(EXAMINED)].windows(3) {
            let grams = variants(three, fold_case);
            let mut lists = grams.iter().map(|&gram| self.range(gram)).collect::<Checked<Item>>()?;
            if !grams.is_empty() && size_of(&lists) == 0 {
                return Ok(None);
            }
            lists.retain(|(start, end)| start < end);
            lists.sort_unstable(); // the same grams are the same item, whichever case stands in the string
            wanted.push(lists);
        }
        let mut layouts: Vec<Item> = vec![Vec::new(); wanted.len()];
        for &(place, gram) in &layout.grams {
            // Grams that case folding leaves out tell which white space stands beside what is not ASCII.
            if place >= wanted.len() || wanted[place].is_empty() {
                continue;
            }
            let list = self.range(gram)?;
            if list.0 == list.1 {
                return Ok(None);
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
        wanted.sort_unstable_by(|one, other| size_of(one).cmp(&size_of(other)).then_with(|| one.cmp(other)));
        wanted.dedup();
        wanted.truncate(most);
        Ok(Some(wanted))
    }

    /// Returns the cells in which every item has a gram; `lists` yields the lists of all items one after another.
    fn common_cells<'l>(
        &self,
        wanted: &[Item],
        mut lists: impl FnMut((u32, u32)) -> Checked<&'l [u8]>,
    ) -> Checked<Vec<usize>> {
        let mut map = vec![0u8; self.cells.div_ceil(8)];
        let mut left: Option<Vec<usize>> = None;
        for ranges in wanted {
            map.fill(0);
            for &range in ranges {
                self.mark(lists(range)?, &mut map);
            }
            let holds = |cell: &usize| map[cell / 8] >> (cell & 7) & 1 == 1;
            left = Some(match left {
                None => (0..self.cells).filter(holds).collect(),
                Some(cells) => cells.into_iter().filter(holds).collect(),
            });
            if left.as_ref().is_some_and(Vec::is_empty) {
                break;
            }
        }
        Ok(left.unwrap_or_default())
    }
}

fn out_of_order() -> Bad {
    Bad("a file of grams whose offsets are out of order".into())
}

fn size_of(lists: &[(u32, u32)]) -> u64 {
    lists.iter().map(|&(start, end)| u64::from(end - start)).sum()
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

/// A string that is looked for.
pub struct Sought<'a> {
    /// Its bytes.
    pub part: &'a [u8],
    /// Whether ASCII letters match in either case, and anything else matches anything.
    pub fold_case: bool,
    /// Whether it is a range of source text, not of normalised text.
    pub verbatim: bool,
    /// How many items are intersected at most.
    pub most: i64,
}

impl Sought<'_> {
    fn lists(&self, file: &File) -> Checked<Option<Vec<Item>>> {
        let most = at_least(1, "most", self.most)?;
        let mut normalised = Vec::new();
        let mut layout = Layout::default();
        let part = if self.verbatim {
            layout.read(self.part, &mut normalised);
            &normalised
        } else {
            self.part
        };
        file.wanted(part, &layout, self.fold_case, most)
    }
}

/// Returns the ranges of the lists that `holding` reads, one after another: pairs.
pub fn wanted_lists(file: &[u8], sought: &Sought) -> Checked<Vec<u32>> {
    let wanted = sought.lists(&File::new(file)?)?.unwrap_or_default();
    Ok(wanted.into_iter().flatten().flat_map(|(start, end)| [start, end]).collect())
}

/// Returns where a string may begin in contents behind `after`, ascending, in at most `limit` of these, and whether
/// there are no more: triples of a content and a range of its source text.
///
/// `lists` are those that `wanted_lists` names, where they are not in `file`.
pub fn holding(
    file: &[u8],
    lists: Option<&[u8]>,
    sought: &Sought,
    after: i64,
    limit: i64,
) -> Checked<(Vec<u32>, bool)> {
    let limit = at_least(0, "limit", limit)?;
    let file = File::new(file)?;
    let contents = file.starts.len() - 1;
    let first =
        usize::try_from(after.saturating_add(1)).map_err(|_| Bad(format!("after is {after}, must be at least -1")))?;
    let Some(wanted) = sought.lists(&file)? else {
        return Ok((Vec::new(), true));
    };
    let mut found: Vec<u32> = Vec::new();
    if wanted.is_empty() {
        let end = contents.min(first.saturating_add(limit));
        found.extend((first.min(end)..end).flat_map(|content| [content as u32, 0, u32::MAX]));
        return Ok((found, end == contents || first >= contents));
    }
    let cells = match lists {
        None => file.common_cells(&wanted, |(start, end)| {
            file.lists.get(start as usize..end as usize).ok_or_else(out_of_order)
        })?,
        Some(mut rest) => {
            if rest.len() as u64 != wanted.iter().map(|ranges| size_of(ranges)).sum::<u64>() {
                return Err(Bad("lists of other grams than those that are wanted".into()));
            }
            file.common_cells(&wanted, |(start, end)| {
                let (list, behind) = rest.split_at((end - start) as usize);
                rest = behind;
                Ok(list)
            })?
        }
    };
    let (mut next, mut left) = (first, limit);
    for cell in cells {
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
