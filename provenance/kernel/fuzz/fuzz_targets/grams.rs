//! Gram files: what a text holds is found in it, and a damaged file is refused or answered, never a crash.
#![no_main]

use libfuzzer_sys::{arbitrary, fuzz_target};
use provenance_kernel::gram_collector::Collector;
use provenance_kernel::grams::{Sought, holding, wanted_lists};

#[derive(Debug, libfuzzer_sys::arbitrary::Arbitrary)]
struct Input<'a> {
    contents: Vec<&'a [u8]>,
    long: u16,
    of: u8,
    cut: (u16, u16),
    part: &'a [u8],
    fold_case: bool,
    most: u8,
    after: i64,
    limit: i64,
    damage: Vec<(u16, u8)>,
    truncated: u16,
}

fuzz_target!(|input: Input| {
    let contents: Vec<Vec<u8>> =
        input.contents.iter().map(|each| each.repeat(1 + usize::from(input.long % 512))).collect();
    let mut collector = Collector::default();
    contents.iter().for_each(|each| collector.add(each));
    let mut file = collector.finish().expect("these are few");

    let most = 1 + i64::from(input.most % 40);
    let sought = |part, verbatim| Sought { part, fold_case: input.fold_case, verbatim, most };
    if let Some(text) = contents.get(usize::from(input.of)) {
        let start = usize::from(input.cut.0).min(text.len());
        let end = text.len().min(start + usize::from(input.cut.1));
        let (found, complete) =
            holding(&file, None, &sought(&text[start..end], true), -1, i64::MAX).expect("it is whole");
        assert!(complete && found.chunks(3).any(|place| place[0] == u32::from(input.of)));
    }

    for &(at, bits) in &input.damage {
        let at = usize::from(at) % file.len();
        file[at] ^= bits;
    }
    file.truncate(file.len().saturating_sub(usize::from(input.truncated) % 64));
    for verbatim in [false, true] {
        let sought = sought(input.part, verbatim);
        if let Ok((found, _)) = holding(&file, None, &sought, input.after, input.limit) {
            assert_eq!(found.len() % 3, 0);
        }
        if let Ok(ranges) = wanted_lists(&file, &sought) {
            let size: u64 = ranges.chunks(2).map(|range| u64::from(range[1] - range[0])).sum();
            if size < 1 << 20 {
                let _ = holding(&file, Some(&vec![0x5A; size as usize]), &sought, input.after, input.limit);
            }
        }
    }
});
