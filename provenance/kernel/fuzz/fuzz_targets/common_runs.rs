//! Any two texts: every run stands in both, cannot be extended, holds no other, and both ways find the same.
#![no_main]

use libfuzzer_sys::{arbitrary, fuzz_target};
use provenance_kernel::automaton::longest_matches;
use provenance_kernel::find::find_all;
use provenance_kernel::runs::common_runs;

#[derive(Debug, libfuzzer_sys::arbitrary::Arbitrary)]
struct Input<'a> {
    query: &'a [u8],
    document: &'a [u8],
    repeat: u8,
    minimum: u8,
}

fuzz_target!(|input: Input| {
    let query = input.query.repeat(1 + usize::from(input.repeat % 16));
    let document = input.document.repeat(1 + usize::from(input.repeat / 16));
    let minimum = 1 + usize::from(input.minimum % 64);
    let runs = common_runs(&query, &document, minimum as i64).expect("in range");
    if query.len() >= minimum && document.len() >= minimum {
        assert_eq!(runs, longest_matches(&query, &document, minimum));
    }
    let mut last = (0, 0);
    for &(start, place, length) in &runs {
        let range = &query[start..start + length];
        assert!(length >= minimum);
        assert_eq!(range, &document[place..place + length]);
        assert!(start >= last.0 && start + length > last.1);
        last = (start + 1, start + length);
        assert_eq!(find_all(&document, range, false, 1).expect("in range"), [place as u64]);
        assert!(start == 0 || place == 0 || query[start - 1] != document[place - 1]);
        let (end, place_end) = (start + length, place + length);
        assert!(end == query.len() || place_end == document.len() || query[end] != document[place_end]);
    }
});
