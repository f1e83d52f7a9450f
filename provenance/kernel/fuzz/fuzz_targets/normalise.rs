//! Any bytes: the normal form is the definition's, is its own normal form, and the map leads back; the samples and
//! words of it come out.
#![no_main]

use libfuzzer_sys::fuzz_target;
use provenance_kernel::collect::Collector;
use provenance_kernel::normalise::{is_space, normalise, normalise_map};

fuzz_target!(|text: &[u8]| {
    let mut expected = Vec::new();
    for run in text.chunk_by(|a, b| is_space(*a) == is_space(*b)) {
        if !is_space(run[0]) {
            expected.extend_from_slice(run);
        } else if !expected.is_empty() {
            expected.push(if run.iter().any(|byte| matches!(byte, b'\r' | b'\n')) { b'\n' } else { b' ' });
        }
    }
    if expected.last().is_some_and(|&byte| is_space(byte)) {
        expected.pop();
    }
    let (normalised, at, source) = normalise_map(text);
    assert_eq!(normalised, expected);
    let mut again = Vec::new();
    normalise(&normalised, &mut again);
    assert_eq!(again, normalised);

    assert_eq!(at.is_empty(), normalised.is_empty());
    for (index, (&from, &place)) in at.iter().zip(&source).enumerate() {
        let until = at.get(index + 1).map_or(normalised.len(), |&next| next as usize);
        for (offset, &byte) in normalised[from as usize..until].iter().enumerate() {
            let origin = text[place as usize + offset];
            assert!(origin == byte || is_space(origin) && is_space(byte));
        }
    }

    let (width, group) = (1 + text.len() % 40, text.first().map_or(0, |&byte| i64::from(byte)));
    let mut collector = Collector::new(width as i64, 7, 1, group, true, false).expect("in range");
    collector.add(text, 1);
    assert!(collector.tiles().is_sorted());
    assert!(collector.samples().0.is_sorted());
    assert!(collector.words().split(|&byte| byte == b'\n').is_sorted());
});
