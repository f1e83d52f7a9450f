//! `portrait-1`: the normal form of text in Data Portraits, with the map back to the source.
//!
//! White space is what Python's `str.isspace` says. A run of it falls into groups: line breaks (0A, 0D), and others.
//! A group of line breaks becomes one 0A; a group of others one 20, or nothing where it follows line breaks directly.
//! At both ends of the text all of it is dropped. (ARCHITECTURE.md; dataportraits/code_proc.py of the original.)

/// What stands at an offset.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Text,
    Break,
    Blank,
}

const ASCII: [Kind; 128] = {
    let mut table = [Kind::Text; 128];
    let blanks = [0x09, 0x0B, 0x0C, 0x1C, 0x1D, 0x1E, 0x1F, 0x20];
    let mut at = 0;
    while at < blanks.len() {
        table[blanks[at]] = Kind::Blank;
        at += 1;
    }
    table[0x0A] = Kind::Break;
    table[0x0D] = Kind::Break;
    table
};

/// Returns what stands at `at` and, for white space, how many bytes it has.
#[inline(always)]
fn kind(text: &[u8], at: usize) -> (Kind, usize) {
    let first = text[at];
    if first < 0x80 {
        return (ASCII[usize::from(first)], 1);
    }
    match (first, text.get(at + 1), text.get(at + 2)) {
        (0xC2, Some(0x85 | 0xA0), _) => (Kind::Blank, 2),
        (0xE1, Some(0x9A), Some(0x80))
        | (0xE2, Some(0x80), Some(0x80..=0x8A | 0xA8 | 0xA9 | 0xAF))
        | (0xE2, Some(0x81), Some(0x9F))
        | (0xE3, Some(0x80), Some(0x80)) => (Kind::Blank, 3),
        _ => (Kind::Text, 1),
    }
}

/// Appends the normal form of `text` to `out`; calls `jump` with both offsets of the first byte and of every byte
/// that does not come from the source byte behind that of the byte before it.
pub fn normalise(text: &[u8], out: &mut Vec<u8>, mut jump: impl FnMut(usize, usize)) {
    out.reserve(text.len());
    let base = out.len();
    // What the white space since the last text stands for, with its places in the source.
    let mut pending: Vec<(u8, usize)> = Vec::new();
    let mut expected = usize::MAX;
    let mut before = Kind::Text;
    let mut at = 0;
    while at < text.len() {
        let (here, length) = kind(text, at);
        if here == Kind::Text {
            if out.len() > base {
                for &(byte, source) in &pending {
                    if source != expected {
                        jump(out.len() - base, source);
                    }
                    out.push(byte);
                    expected = source + 1;
                }
            }
            pending.clear();
            if at != expected {
                jump(out.len() - base, at);
            }
            let from = at;
            at += 1;
            while at < text.len() && kind(text, at).0 == Kind::Text {
                at += 1;
            }
            out.extend_from_slice(&text[from..at]);
            expected = at;
            before = Kind::Text;
            continue;
        }
        if here != before {
            match here {
                Kind::Break => pending.push((b'\n', at)),
                _ if before != Kind::Break => pending.push((b' ', at)),
                _ => {}
            }
            before = here;
        }
        at += length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normalised(text: &str) -> String {
        let mut out = Vec::new();
        normalise(text.as_bytes(), &mut out, |_, _| {});
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn one_blank_after_a_line_break_goes_and_indented_empty_lines_stay() {
        assert_eq!(normalised(" \n a  b\r\n\t c \n\n  \n d \u{3000}"), "a b\nc \n\nd");
        assert_eq!(normalised("a\u{A0}\u{2003}b\u{85}c"), "a b c");
        assert_eq!(normalised(" \r\n"), "");
    }

    #[test]
    fn the_map_names_every_jump() {
        let mut jumps = Vec::new();
        normalise("  a \n\n  b\u{A0}c".as_bytes(), &mut Vec::new(), |to, from| jumps.push((to, from)));
        assert_eq!(jumps, [(0, 2), (3, 8), (5, 11)]);
    }
}
