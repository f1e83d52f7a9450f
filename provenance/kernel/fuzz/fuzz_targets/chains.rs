//! Hostile filters: any sizes, any bits. What is refused is refused; all else is answered as key by key.
#![no_main]

use libfuzzer_sys::{arbitrary, fuzz_target};
use provenance_kernel::chains::chains;
use provenance_kernel::filter::{Filter, contains, hits, insert};
use provenance_kernel::pybloom::Pybloom;
use provenance_kernel::windows::Windows;

#[derive(Debug, libfuzzer_sys::arbitrary::Arbitrary)]
struct Input<'a> {
    regions: i64,
    halves: i64,
    resize: u8,
    first: i64,
    pattern: u64,
    bits: &'a [u8],
    bit_count: i64,
    hash_seeds: Vec<u32>,
    text: &'a [u8],
    width: u8,
    stride: u8,
    seed: u64,
    codepoints: bool,
}

fuzz_target!(|input: Input| {
    let windows = Windows::new(input.text, 1 + usize::from(input.width), input.codepoints);
    let stride = 1 + usize::from(input.stride);
    let mut keys = vec![0; windows.count()];
    windows.keys(0, input.seed, &mut keys);

    // Sometimes as long as regions and halves say, sometimes not.
    let regions = if input.resize % 4 == 0 { input.regions } else { input.regions.rem_euclid(9) };
    let halves = if input.resize % 8 == 1 { input.halves } else { 1 + input.halves.rem_euclid(2) };
    let length = (regions as usize % 9) * 4096 * (halves as usize % 3) + usize::from(input.resize % 16 == 2);
    let mut body: Vec<u8> = (0..length).map(|at| input.pattern.rotate_left(at as u32) as u8 | 0x55).collect();
    if let Ok(filter) = Filter::new(&body, regions, halves) {
        let found = hits(&[filter, filter], &windows, input.seed);
        let one_by_one: Vec<[u8; 8]> = keys.iter().map(|key| key.to_le_bytes()).collect();
        for (index, &held) in contains(&filter, &one_by_one).iter().enumerate() {
            assert_eq!(found[index / 64] >> (index % 64) & 1, u64::from(held));
        }
        let (count, ranges) = chains(&found, windows.width(), stride);
        assert_eq!(count, found.iter().map(|word| u64::from(word.count_ones())).sum::<u64>());
        let covered: u64 = ranges
            .chunks(2)
            .map(|range| (range[1] - range[0] - windows.width() as u64) / stride as u64 + 1)
            .sum();
        assert_eq!(covered, count);
    }
    let before = body.clone();
    let all: Vec<[u8; 8]> = keys.iter().map(|key| key.to_le_bytes()).collect();
    match insert(&mut body, regions, halves, input.first, regions, &all) {
        Ok(()) => {
            let filter = Filter::new(&body, regions, halves).expect("it was accepted");
            assert!(contains(&filter, &all).iter().all(|&held| held == 1));
        }
        Err(_) => assert_eq!(body, before),
    }

    if let Ok(filter) = Pybloom::new(input.bits, input.bit_count, input.hash_seeds) {
        let found = filter.hits(&windows, Some(input.seed));
        for (index, &held) in filter.contains(&keys).iter().enumerate() {
            assert_eq!(found[index / 64] >> (index % 64) & 1, u64::from(held));
        }
        filter.hits(&windows, None);
    }
});
