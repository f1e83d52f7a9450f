//! The lexer: one scanner for all languages, driven by the tables of `provenance.lexing.languages`.
//!
//! Rules and their reasons: `provenance/lexing/lexer.py`, the reference with identical results.

use crate::{Bad, Checked};
use hashbrown::HashSet;

/// A comment.
pub const COMMENT: u8 = 0;
/// A string, character or regular expression.
pub const STRING: u8 = 1;
/// A number.
pub const NUMBER: u8 = 2;
/// A word that is no keyword.
pub const IDENTIFIER: u8 = 3;
/// A keyword of the family.
pub const KEYWORD: u8 = 4;
/// An operator or any other byte.
pub const PUNCTUATION: u8 = 5;

const IS_BLANK: u8 = 1;
const IS_DIGIT: u8 = 2;
const IS_WORD_START: u8 = 4;
const IS_ALPHANUMERIC: u8 = 8;
/// A line comment, a block or a prefix may start with this byte.
const IS_SPECIAL: u8 = 16;
const IS_PREFIX: u8 = 32;

const CHARACTER_ESCAPE_BYTES: usize = 12;

/// A comment to the end of the line; fields as in `languages.LineComment`.
#[allow(missing_docs)]
pub struct LineComment {
    pub opener: Vec<u8>,
    pub blank_before: bool,
    pub blank_after: bool,
    pub not_after: Vec<u8>,
}

/// A comment or string between markers; fields as in `languages.Block`.
struct Block {
    opener: Vec<u8>,
    closer: Vec<u8>,
    fence: u8,
    comment: bool,
    escape: bool,
    doubled: bool,
    lines: bool,
    nested: bool,
    to_end: bool,
    one: bool,
    /// Bytes at which the search for the closer has to look up.
    stops: [bool; 256],
}

enum Close {
    At(usize),
    Nowhere(usize),
    NoBlock,
}

/// Words by length and first byte, for a test that mostly ends after one look.
pub struct WordSet {
    longest: usize,
    starts: [u32; 256],
    words: HashSet<Vec<u8>, xxhash_rust::xxh3::Xxh3DefaultBuilder>,
}

impl WordSet {
    /// Returns the set of these words.
    pub fn new(words: Vec<Vec<u8>>) -> Self {
        let mut starts = [0u32; 256];
        let mut longest = 0;
        for word in words.iter().filter(|word| !word.is_empty()) {
            starts[word[0] as usize] |= 1 << word.len().min(31);
            longest = longest.max(word.len());
        }
        WordSet { longest, starts, words: words.into_iter().collect() }
    }

    /// Tells whether a word, which is not empty, is in the set.
    #[inline]
    pub fn contains(&self, word: &[u8]) -> bool {
        word.len() <= self.longest
            && self.starts[word[0] as usize] >> word.len().min(31) & 1 != 0
            && self.words.contains(word)
    }
}

/// (opener, closer, fence, [comment, escape, doubled, lines, nested, to end, one])
pub type BlockTable = (Vec<u8>, Vec<u8>, Vec<u8>, [bool; 7]);

/// What `provenance.lexing.languages` says of a family; no opener, closer, word or operator is empty.
#[allow(missing_docs)]
pub struct Tables {
    pub lines: Vec<LineComment>,
    pub blocks: Vec<BlockTable>,
    pub prefixes: Vec<u8>,
    /// Regular expressions, docstrings, separator.
    pub flags: [bool; 3],
    pub keywords: Vec<Vec<u8>>,
    pub regex_after: Vec<Vec<u8>>,
    pub operators: Vec<Vec<u8>>,
}

/// The rules of one family.
pub struct Rules {
    lines: Vec<LineComment>,
    blocks: Vec<Block>,
    regexes: bool,
    docstrings: bool,
    separator: bool,
    keywords: WordSet,
    regex_after: WordSet,
    operators: Vec<Vec<u8>>,
    /// Range in `operators` by first byte; they are sorted by first byte, longest first.
    operators_by_first: [(u16, u16); 256],
    classes: [u8; 256],
}

/// The tokens of one text.
#[derive(Default)]
pub struct Tokens {
    /// One of the kinds above a token.
    pub kinds: Vec<u8>,
    /// Half-open byte ranges.
    pub bounds: Vec<(u32, u32)>,
    /// Index of the last token that is no comment.
    previous: Option<usize>,
}

impl Rules {
    fn line_comment(&self, text: &[u8], position: usize) -> Option<usize> {
        for rule in &self.lines {
            if !text[position..].starts_with(&rule.opener) {
                continue;
            }
            if position > 0 {
                let before = text[position - 1];
                if rule.blank_before && self.classes[before as usize] & IS_BLANK == 0
                    || rule.not_after.contains(&before)
                {
                    continue;
                }
            }
            let after = position + rule.opener.len();
            if rule.blank_after && after < text.len() && self.classes[text[after] as usize] & IS_BLANK == 0 {
                continue;
            }
            return Some(line_end(text, after));
        }
        None
    }

    fn block(
        &self,
        text: &[u8],
        position: usize,
        open_until: &mut [usize],
        strings_only: bool,
    ) -> Option<(bool, usize)> {
        for (index, rule) in self.blocks.iter().enumerate() {
            if !text[position..].starts_with(&rule.opener)
                || strings_only && rule.comment
                || position < open_until[index]
            {
                continue;
            }
            match rule.end(text, position) {
                Close::At(end) => return Some((rule.comment, end)),
                Close::Nowhere(_) if rule.to_end => return Some((rule.comment, text.len())),
                Close::Nowhere(limit) => open_until[index] = limit,
                Close::NoBlock => {}
            }
        }
        None
    }

    fn prefixed(&self, text: &[u8], position: usize, open_until: &mut [usize]) -> Option<usize> {
        let mut quote = position + 1;
        while quote < text.len() && quote - position < 3 && self.classes[text[quote] as usize] & IS_PREFIX != 0 {
            quote += 1;
        }
        if quote >= text.len() || text[quote] != b'"' && text[quote] != b'\'' {
            return None;
        }
        self.block(text, quote, open_until, true).map(|(_, end)| end)
    }

    fn number(&self, text: &[u8], position: usize) -> usize {
        let hexadecimal = text[position] == b'0' && matches!(text.get(position + 1), Some(b'x' | b'X'));
        let mut end = position + 1;
        while end < text.len() {
            let byte = text[end];
            let following = self.classes[text.get(end + 1).copied().unwrap_or(0) as usize];
            let goes_on = if self.classes[byte as usize] & IS_ALPHANUMERIC != 0 {
                true
            } else {
                match byte {
                    b'.' => following & IS_DIGIT != 0,
                    b'+' | b'-' => {
                        let exponent = text[end - 1] | 0x20;
                        following & IS_DIGIT != 0 && exponent == if hexadecimal { b'p' } else { b'e' }
                    }
                    b'\'' => self.separator && following & IS_ALPHANUMERIC != 0,
                    _ => false,
                }
            };
            if !goes_on {
                break;
            }
            end += 1;
        }
        end
    }

    fn operator(&self, text: &[u8], position: usize) -> usize {
        let (from, to) = self.operators_by_first[text[position] as usize];
        for operator in &self.operators[from as usize..to as usize] {
            if text[position..].starts_with(operator) {
                return position + operator.len();
            }
        }
        position + 1
    }

    fn operand_due(&self, text: &[u8], tokens: &Tokens) -> bool {
        let Some(previous) = tokens.previous else { return true };
        let (start, end) = tokens.bounds[previous];
        if tokens.kinds[previous] == PUNCTUATION {
            return !matches!(text[end as usize - 1], b')' | b']' | b'}');
        }
        self.regex_after.contains(&text[start as usize..end as usize])
    }

    fn is_docstring(&self, text: &[u8], start: usize, end: usize, tokens: &Tokens) -> bool {
        if let Some(&(_, before)) = tokens.bounds.last()
            && !text[before as usize..start].iter().any(|&byte| byte == b'\n' || byte == b'\r')
        {
            return false;
        }
        for &byte in &text[end..] {
            if byte == b'\n' || byte == b'\r' {
                break;
            }
            if self.classes[byte as usize] & IS_BLANK == 0 {
                return false;
            }
        }
        match tokens.previous {
            None => true,
            Some(previous) => {
                tokens.kinds[previous] != STRING
                    && !b"([{,=+-*/%\\|&<>!~^@.".contains(&text[tokens.bounds[previous].1 as usize - 1])
            }
        }
    }

    fn emit(&self, text: &[u8], kind: u8, start: usize, end: usize, tokens: &mut Tokens) -> usize {
        let kind = if kind == STRING && self.docstrings && self.is_docstring(text, start, end, tokens) {
            COMMENT
        } else {
            kind
        };
        if kind != COMMENT {
            tokens.previous = Some(tokens.kinds.len());
        }
        tokens.kinds.push(kind);
        tokens.bounds.push((start as u32, end as u32));
        end
    }

    /// Returns the rules of a family from its tables, in the order of `provenance.lexing.lexer.tables`.
    pub fn new(tables: Tables) -> Self {
        let Tables {
            lines,
            blocks,
            prefixes,
            flags: [regexes, docstrings, separator],
            keywords,
            regex_after,
            mut operators,
        } = tables;
        let mut classes = [0u8; 256];
        for (byte, class) in classes.iter_mut().enumerate() {
            let byte = byte as u8;
            if byte <= 0x20 || byte == 0x7F {
                *class |= IS_BLANK;
            }
            if byte.is_ascii_digit() {
                *class |= IS_DIGIT | IS_ALPHANUMERIC;
            }
            if byte.is_ascii_alphabetic() || byte == b'_' {
                *class |= IS_WORD_START | IS_ALPHANUMERIC;
            }
            if byte == b'$' || byte >= 0x80 {
                *class |= IS_WORD_START;
            }
        }
        let blocks: Vec<Block> = blocks.into_iter().map(Block::new).collect();
        for opener in lines.iter().map(|rule| &rule.opener).chain(blocks.iter().map(|rule| &rule.opener)) {
            classes[opener[0] as usize] |= IS_SPECIAL;
        }
        for &prefix in &prefixes {
            classes[prefix as usize] |= IS_SPECIAL | IS_PREFIX;
        }
        operators.sort_by(|a, b| a[0].cmp(&b[0]).then(b.len().cmp(&a.len())));
        let mut operators_by_first = [(0, 0); 256];
        for (index, operator) in operators.iter().enumerate() {
            let range = &mut operators_by_first[operator[0] as usize];
            if range.1 == 0 {
                range.0 = index as u16;
            }
            range.1 = index as u16 + 1;
        }
        Rules {
            lines,
            blocks,
            regexes,
            docstrings,
            separator,
            keywords: WordSet::new(keywords),
            regex_after: WordSet::new(regex_after),
            operators,
            operators_by_first,
            classes,
        }
    }

    /// Returns the tokens of a text of less than 4 GiB; `inside` >= 0 names a block that the text begins in.
    pub fn lex(&self, text: &[u8], inside: i64) -> Checked<Tokens> {
        if text.len() >= u32::MAX as usize {
            return Err(Bad(format!("text is {} bytes, at most {} can be lexed", text.len(), u32::MAX - 1)));
        }
        let block = usize::try_from(inside).ok();
        if block.is_some_and(|index| self.blocks.get(index).is_none_or(|rule| rule.fence != 0 || rule.one)) {
            return Err(Bad(format!("inside is {inside}, which is no block that a text can begin in")));
        }
        Ok(self.lex_from(text, block))
    }

    fn lex_from(&self, text: &[u8], inside: Option<usize>) -> Tokens {
        let mut tokens = Tokens::default();
        tokens.kinds.reserve(text.len() / 4);
        tokens.bounds.reserve(text.len() / 4);
        let mut open_until = vec![0; self.blocks.len()];
        let mut regex_until = 0;
        let mut position = 0;
        if let (Some(index), false) = (inside, text.is_empty()) {
            let rule = &self.blocks[index];
            let end = match rule.close(text, 0) {
                Close::At(end) => end,
                _ => text.len(),
            };
            position = self.emit(text, if rule.comment { COMMENT } else { STRING }, 0, end, &mut tokens);
        }
        while position < text.len() {
            let byte = text[position];
            let class = self.classes[byte as usize];
            if class & IS_BLANK != 0 {
                position += 1;
                continue;
            }
            if class & IS_SPECIAL != 0 {
                if let Some(end) = self.line_comment(text, position) {
                    position = self.emit(text, COMMENT, position, end, &mut tokens);
                    continue;
                }
                if let Some((comment, end)) = self.block(text, position, &mut open_until, false) {
                    position = self.emit(text, if comment { COMMENT } else { STRING }, position, end, &mut tokens);
                    continue;
                }
                if class & IS_PREFIX != 0
                    && let Some(end) = self.prefixed(text, position, &mut open_until)
                {
                    position = self.emit(text, STRING, position, end, &mut tokens);
                    continue;
                }
            }
            if byte == b'/' && self.regexes && position >= regex_until && self.operand_due(text, &tokens) {
                if let Some(end) = regular_expression(text, position) {
                    position = self.emit(text, STRING, position, end, &mut tokens);
                    continue;
                }
                regex_until = line_end(text, position);
            }
            if class & IS_DIGIT != 0 {
                let end = self.number(text, position);
                position = self.emit(text, NUMBER, position, end, &mut tokens);
            } else if class & IS_WORD_START != 0 {
                let mut end = position + 1;
                while end < text.len() && self.classes[text[end] as usize] & (IS_WORD_START | IS_DIGIT) != 0 {
                    end += 1;
                }
                let kind = if self.keywords.contains(&text[position..end]) { KEYWORD } else { IDENTIFIER };
                position = self.emit(text, kind, position, end, &mut tokens);
            } else {
                let end = self.operator(text, position);
                position = self.emit(text, PUNCTUATION, position, end, &mut tokens);
            }
        }
        tokens
    }
}

impl Block {
    fn new((opener, closer, fence, flags): BlockTable) -> Self {
        let [comment, escape, doubled, lines, nested, to_end, one] = flags;
        let mut stops = [false; 256];
        stops[closer[0] as usize] = true;
        stops[b'\\' as usize] |= escape;
        stops[opener[0] as usize] |= nested;
        stops[b'\n' as usize] |= !lines;
        stops[b'\r' as usize] |= !lines;
        let fence = fence.first().copied().unwrap_or(0);
        Block { opener, closer, fence, comment, escape, doubled, lines, nested, to_end, one, stops }
    }

    fn end(&self, text: &[u8], start: usize) -> Close {
        if self.one {
            return character(text, start).map_or(Close::NoBlock, Close::At);
        }
        let inside = start + self.opener.len();
        let (closer, from) = match self.fence {
            0 => return self.close(text, inside),
            b'#' => {
                let hashes = text[inside..].iter().take_while(|&&byte| byte == b'#').count();
                if text.get(inside + hashes) != Some(&b'"') {
                    return Close::NoBlock;
                }
                let mut closer = vec![b'"'];
                closer.extend_from_slice(&text[inside..inside + hashes]);
                (closer, inside + hashes + 1)
            }
            _ => {
                let is_fence = |&&byte: &&u8| byte > 0x20 && byte != 0x7F && !b"()\\\"".contains(&byte);
                let length = text[inside..].iter().take(17).take_while(is_fence).count();
                if length > 16 || text.get(inside + length) != Some(&b'(') {
                    return Close::NoBlock;
                }
                let mut closer = vec![b')'];
                closer.extend_from_slice(&text[inside..inside + length]);
                closer.push(b'"');
                (closer, inside + length + 1)
            }
        };
        match memchr::memmem::find(&text[from..], &closer) {
            Some(found) => Close::At(from + found + closer.len()),
            None => Close::Nowhere(text.len()),
        }
    }

    fn close(&self, text: &[u8], mut position: usize) -> Close {
        let mut depth = 1;
        while position < text.len() {
            let byte = text[position];
            if !self.stops[byte as usize] {
                position += 1;
                continue;
            }
            let rest = &text[position..];
            if self.escape && byte == b'\\' && rest.len() > 1 {
                position += if rest.starts_with(b"\\\r\n") { 3 } else { 2 };
            } else if self.doubled
                && rest.starts_with(&self.closer)
                && rest[self.closer.len()..].starts_with(&self.closer)
            {
                position += 2 * self.closer.len();
            } else if rest.starts_with(&self.closer) {
                position += self.closer.len();
                depth -= 1;
                if depth == 0 {
                    return Close::At(position);
                }
            } else if self.nested && rest.starts_with(&self.opener) {
                position += self.opener.len();
                depth += 1;
            } else if !self.lines && (byte == b'\n' || byte == b'\r') {
                return Close::Nowhere(position);
            } else {
                position += 1;
            }
        }
        Close::Nowhere(text.len())
    }
}

fn line_end(text: &[u8], position: usize) -> usize {
    memchr::memchr2(b'\n', b'\r', &text[position..]).map_or(text.len(), |found| position + found)
}

/// The end of a character literal: one escape or one character between quotes.
fn character(text: &[u8], start: usize) -> Option<usize> {
    let first = *text.get(start + 1)?;
    let quote = match first {
        b'\\' => {
            text.get(start + 2)?;
            let limit = text.len().min(start + 3 + CHARACTER_ESCAPE_BYTES - 3);
            let found =
                text[start + 3..limit.max(start + 3)].iter().position(|&byte| matches!(byte, b'\'' | b'\n' | b'\r'))?;
            start + 3 + found
        }
        b'\'' => return None,
        0x20..=0x7E => start + 2,
        0xC0..=0xFF => {
            let more = text[start + 2..].iter().take(3).take_while(|&&byte| byte & 0xC0 == 0x80).count();
            if more == 0 {
                return None;
            }
            start + 2 + more
        }
        _ => return None,
    };
    (text.get(quote) == Some(&b'\'')).then_some(quote + 1)
}

/// The end of a regular expression literal with its flags, all on one line.
fn regular_expression(text: &[u8], start: usize) -> Option<usize> {
    let mut position = start + 1;
    let mut in_class = false;
    loop {
        match *text.get(position)? {
            b'\n' | b'\r' => return None,
            b'\\' => {
                if matches!(*text.get(position + 1)?, b'\n' | b'\r') {
                    return None;
                }
                position += 1;
            }
            b'[' => in_class = true,
            b']' => in_class = false,
            b'/' if !in_class => break,
            _ => {}
        }
        position += 1;
    }
    if position == start + 1 {
        return None;
    }
    position += 1;
    Some(position + text[position..].iter().take_while(|byte| byte.is_ascii_alphabetic()).count())
}
