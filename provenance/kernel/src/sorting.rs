//! Sorting of hashes, and of what begins with one.

/// Fewer values are sorted directly.
const MANY: usize = 1 << 16;
const BUCKET_BITS: u32 = 10;

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

/// Sorts values by first dealing them to buckets by the upper bits of their hash; a bucket then fits in cache.
/// Right for any values, and fast as long as the hashes are spread.
pub fn sort<T: Hashed>(values: &mut [T]) {
    if values.len() < MANY {
        return values.sort_unstable();
    }
    let bucket = |value: &T| (value.hash() >> (64 - BUCKET_BITS)) as usize;
    let mut ends = vec![0usize; 1 << BUCKET_BITS];
    values.iter().for_each(|value| ends[bucket(value)] += 1);
    let mut places = Vec::with_capacity(ends.len());
    let mut total = 0;
    for end in &mut ends {
        places.push(total);
        total += *end;
        *end = total;
    }
    let before = values.to_vec();
    for value in &before {
        let place = &mut places[bucket(value)];
        values[*place] = *value;
        *place += 1;
    }
    let mut start = 0;
    for end in ends {
        values[start..end].sort_unstable();
        start = end;
    }
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
