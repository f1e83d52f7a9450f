//! Sorting of hashes, and of what begins with one.

/// Fewer values are sorted directly.
const MANY: usize = 1 << 12;
/// Bits by which values are dealt to buckets at first: as many streams as a processor's first caches can hold.
const DEALT_BITS: u32 = 10;
/// Values that a bucket has at last, about. More than the square of it are not left to an insertion sort.
const FEW_TOGETHER: usize = 8;

/// What is ordered by a hash first.
pub trait Hashed: Copy + Ord {
    /// Returns the hash.
    fn hash(&self) -> u64;
}

impl Hashed for u64 {
    fn hash(&self) -> u64 {
        *self
    }
}

/// Sorts values by dealing them to buckets by the upper bits of their hash, those of a bucket by the next bits, and
/// sorting the few that are together then. Right for any values, and fast as long as the hashes are spread.
pub fn sort<T: Hashed>(values: &mut [T]) {
    if values.len() < MANY {
        return values.sort_unstable();
    }
    let before = values.to_vec();
    sort_into(before.iter().copied(), values);
}

/// Writes values in order to where there is room for just as many.
fn sort_into<T: Hashed>(from: impl Iterator<Item = T> + Clone, to: &mut [T]) {
    let (any, all) = from.clone().fold((0, u64::MAX), |(any, all), value| (any | value.hash(), all & value.hash()));
    let same = (any & !all).leading_zeros();
    let mut ends = [0usize; 1 << DEALT_BITS];
    deal(from, to, same, &mut ends);
    let mut room = Vec::new();
    let mut start = 0;
    for end in ends {
        sort_bucket(&mut to[start..end], same + DEALT_BITS, &mut room);
        start = end;
    }
}

/// Sorts values whose hashes have the first `same` bits in common; `room` is of use again.
fn sort_bucket<T: Hashed>(values: &mut [T], same: u32, room: &mut Vec<T>) {
    let mut ends = [0usize; 256];
    let buckets = (values.len() / FEW_TOGETHER).next_power_of_two();
    if buckets == 1 || buckets > ends.len() {
        return values.sort_unstable();
    }
    let ends = &mut ends[..buckets];
    room.clear();
    room.extend_from_slice(values);
    deal(room.iter().copied(), values, same, ends);
    let sizes = std::iter::once(ends[0]).chain(ends.windows(2).map(|two| two[1] - two[0]));
    if sizes.max().is_some_and(|most| most > FEW_TOGETHER * FEW_TOGETHER) {
        return values.sort_unstable();
    }
    // Buckets are in order: nothing moves farther than through one of them.
    for at in 1..values.len() {
        let value = values[at];
        let mut place = at;
        while place > 0 && values[place - 1] > value {
            values[place] = values[place - 1];
            place -= 1;
        }
        values[place] = value;
    }
}

/// Deals values to buckets, in order, by the bits of their hash after the first `same`; leaves where each bucket ends.
/// There are as many buckets as `ends`, a power of two above 1.
fn deal<T: Hashed>(from: impl Iterator<Item = T> + Clone, to: &mut [T], same: u32, ends: &mut [usize]) {
    let bits = ends.len().trailing_zeros();
    let bucket = |value: &T| value.hash().checked_shl(same).unwrap_or(0) >> (u64::BITS - bits);
    from.clone().for_each(|value| ends[bucket(&value) as usize] += 1);
    let mut place = 0;
    ends.iter_mut().for_each(|count| place += std::mem::replace(count, place));
    from.for_each(|value| {
        let end = &mut ends[bucket(&value) as usize];
        to[*end] = value;
        *end += 1;
    });
}

/// Values of which only the distinct ones count; memory follows these, not how often each came.
pub struct Distinct<T> {
    values: Vec<T>,
    /// How many of the first values are sorted and distinct.
    sorted: usize,
    /// When there are so many, duplicates are dropped.
    full: usize,
}

/// Values below which nothing is dropped.
const FEW: usize = 1 << 20;

impl<T: Hashed> Default for Distinct<T> {
    fn default() -> Self {
        Distinct { values: Vec::new(), sorted: 0, full: FEW }
    }
}

impl<T: Hashed> Distinct<T> {
    /// Calls `add` with the place where values are to be appended.
    pub fn extend(&mut self, add: impl FnOnce(&mut Vec<T>)) {
        add(&mut self.values);
        if self.values.len() >= self.full {
            self.sorted();
            self.full = FEW.max(self.values.len() * 2);
        }
    }

    /// Returns the distinct values, ascending.
    pub fn sorted(&mut self) -> &[T] {
        if self.sorted < self.values.len() {
            sort(&mut self.values[self.sorted..]);
            if self.sorted > 0 {
                // Two ascending runs: the stable sort merges such.
                self.values.sort();
            }
            self.values.dedup();
            self.sorted = self.values.len();
        }
        &self.values
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::mix;

    #[test]
    fn what_is_gathered_comes_out_sorted_and_distinct() {
        for spread in [u64::MAX, 0xFFFF, u64::MAX << 54] {
            let mut gathered = Distinct::<u64>::default();
            let mut expected = Vec::new();
            for round in 0..30u64 {
                let values: Vec<u64> = (0..100_000).map(|at| mix(at * (1 + round % 3) + round * 7) & spread).collect();
                gathered.extend(|all| all.extend(&values));
                expected.extend(values);
            }
            expected.sort_unstable();
            expected.dedup();
            assert_eq!(gathered.sorted(), expected);
            assert_eq!(gathered.sorted(), expected);
        }
    }
}
