//! The common part of YAML, read quickly: maps of plain and quoted texts in blocks, and lists and maps in brackets.
//!
//! A policy of 20 000 rules is nearly all of this form, and the parser takes most of the time that it takes to refuse one.
//! What is read here is read exactly as the parser reads it, every place included; at anything else (lists in blocks,
//! escapes, texts over several lines, anchors, mistakes …) nothing was read at all, and the parser starts from the
//! beginning. So it decides alone what is an error, and in which words.

use std::collections::HashMap;

use granit_parser::ScalarStyle;

use super::{
    Span,
    build::{Builder, Next, Open},
    limits::Most,
};
use crate::diagnostic::FileId;

/// Longer keys are left to the parser, which has a limit of its own.
const MAX_KEY: usize = 500;

/// How reading ended.
pub(super) enum Read {
    /// The builder has the whole file.
    Whole,
    /// Something was reported, behind which nothing is read.
    Stopped,
}

/// Why it did not get to the end of the file.
enum End {
    /// Here is something that the parser must read.
    Other,
    Stopped,
}

/// Gives the file to `builder`; `None` if it must be read by the parser.
pub(super) fn read(file: FileId, text: &str, most: Most<'_>, builder: &mut Builder<'_>) -> Option<Read> {
    let plain = |byte: u8| matches!(byte, b' '..=b'~' | b'\n');
    if !text.bytes().all(plain) {
        return None;
    }
    let mut quick = Quick { file, bytes: text.as_bytes(), text, at: 0, line: 1, start: 0, most, builder };
    match quick.document() {
        Ok(()) => Some(Read::Whole),
        Err(End::Stopped) => Some(Read::Stopped),
        Err(End::Other) => None,
    }
}

struct Quick<'t, 'b, 'd> {
    file: FileId,
    text: &'t str,
    bytes: &'t [u8],
    /// The byte that is read next.
    at: usize,
    line: usize,
    /// Where the line starts.
    start: usize,
    most: Most<'b>,
    builder: &'b mut Builder<'d>,
}

impl<'t> Quick<'t, '_, '_> {
    fn document(&mut self) -> Result<(), End> {
        // The start and the end of the file and of its document count as what the parser brings.
        self.builder.count(2);
        let indent = self.content().ok_or(End::Other)?;
        match self.peek() {
            Some(b'{') => {
                self.flow(None)?;
                self.end_of_line()?;
                if self.content().is_some() {
                    return Err(End::Other);
                }
            }
            _ => {
                self.block(indent)?;
                if self.at < self.bytes.len() {
                    return Err(End::Other);
                }
            }
        }
        self.builder.count(2);
        Ok(())
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Goes to the next thing that is neither space nor comment, at the start of a line; tells how far it is indented.
    fn content(&mut self) -> Option<usize> {
        loop {
            while self.peek() == Some(b' ') {
                self.at += 1;
            }
            match self.peek()? {
                b'#' => self.at = self.line_end(),
                b'\n' => {}
                _ => return Some(self.at - self.start),
            }
            self.newline();
        }
    }

    /// Passes the end of the line, if there is one.
    fn newline(&mut self) {
        if self.peek() == Some(b'\n') {
            self.at += 1;
            self.line += 1;
            self.start = self.at;
        }
    }

    fn line_end(&self) -> usize {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        rest.iter().position(|byte| *byte == b'\n').map_or(self.bytes.len(), |end| self.at + end)
    }

    /// What is left of a line behind a value: spaces and a comment.
    fn end_of_line(&mut self) -> Result<(), End> {
        let value = self.at;
        while self.peek() == Some(b' ') {
            self.at += 1;
        }
        match self.peek() {
            None | Some(b'\n') => {}
            Some(b'#') if self.at > value => self.at = self.line_end(),
            Some(_) => return Err(End::Other),
        }
        self.newline();
        Ok(())
    }

    fn span(&self, start: usize, end: usize) -> Span {
        let small = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let line = small(self.line);
        Span {
            file: self.file,
            line,
            column: small(start - self.start + 1),
            end_line: line,
            end_column: small(end - self.start + 1),
            start: small(start),
            end: small(end),
        }
    }

    fn scalar(&mut self, start: usize, end: usize, quotes: usize) -> Result<(), End> {
        let at = self.span(start, end);
        let text = self.text.get(start + quotes..end - quotes).ok_or(End::Other)?;
        let style = if quotes == 0 { ScalarStyle::Plain } else { ScalarStyle::DoubleQuoted };
        self.builder.scalar(text, style, at);
        self.came(1, at)
    }

    /// Something came, and whatever speaks against reading on is looked at.
    fn came(&mut self, values: usize, at: Span) -> Result<(), End> {
        if self.builder.is_enough() || self.builder.is_too_much(self.most, values, at) {
            return Err(End::Stopped);
        }
        Ok(())
    }

    fn enter(&mut self, open: Open, at: Span) -> Result<(), End> {
        if self.builder.is_deep() {
            return Err(End::Other);
        }
        self.builder.enter(open, at).map_err(|_| End::Stopped)?;
        self.came(1, at)
    }

    fn leave(&mut self, at: Span) -> Result<(), End> {
        self.builder.leave(at);
        self.came(0, at)
    }

    /// The entries of a map in a block, from the first key on.
    fn block(&mut self, indent: usize) -> Result<(), End> {
        let at = self.span(self.at, self.at);
        self.enter(map(at, true), at)?;
        loop {
            self.block_key()?;
            if self.peek() == Some(b'\n') || self.peek().is_none() {
                let inner = self.content().filter(|inner| *inner > indent).ok_or(End::Other)?;
                self.block(inner)?;
            } else {
                self.block_value(indent)?;
            }
            match self.content() {
                Some(next) if next == indent => {}
                Some(next) if next > indent => return Err(End::Other),
                _ => break,
            }
        }
        let at = self.span(self.at, self.at);
        self.leave(at)
    }

    /// A key with its colon and the spaces behind it.
    fn block_key(&mut self) -> Result<(), End> {
        let start = self.at;
        match self.peek() {
            Some(quote @ (b'"' | b'\'')) => self.quoted(quote)?,
            Some(byte) if starts_plain(byte) => {
                let line = self.bytes.get(start..self.line_end()).unwrap_or_default();
                let colon =
                    |at: usize, byte: u8| byte == b':' && matches!(line.get(at + 1), None | Some(b' '));
                let end = line.iter().enumerate().position(|(at, byte)| {
                    colon(at, *byte) || *byte == b'#' && at > 0 && line.get(at - 1) == Some(&b' ')
                });
                let end = end.filter(|end| {
                    line.get(*end) == Some(&b':') && line.get(end.wrapping_sub(1)) != Some(&b' ')
                });
                self.at = start + end.ok_or(End::Other)?;
                self.key(start, 0)?;
                return self.colon();
            }
            _ => return Err(End::Other),
        }
        self.key(start, 1)?;
        self.colon()
    }

    fn key(&mut self, start: usize, quotes: usize) -> Result<(), End> {
        if self.at - start > MAX_KEY || self.peek() != Some(b':') {
            return Err(End::Other);
        }
        self.scalar(start, self.at, quotes)
    }

    /// The colon behind a key in a block, and spaces.
    fn colon(&mut self) -> Result<(), End> {
        self.at += 1;
        if !matches!(self.peek(), None | Some(b' ' | b'\n')) {
            return Err(End::Other);
        }
        while self.peek() == Some(b' ') {
            self.at += 1;
        }
        if self.peek() == Some(b'#') {
            self.at = self.line_end();
        }
        Ok(())
    }

    /// A text in quotes that holds neither an escape nor the end of the line.
    fn quoted(&mut self, quote: u8) -> Result<(), End> {
        self.at += 1;
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\\') || *byte == quote);
        let end = end.filter(|end| rest.get(*end) == Some(&quote)).ok_or(End::Other)?;
        self.at += end + 1;
        // Two quotes are one of the text.
        if self.peek() == Some(quote) { Err(End::Other) } else { Ok(()) }
    }

    /// A value on the line of its key.
    fn block_value(&mut self, indent: usize) -> Result<(), End> {
        let start = self.at;
        match self.peek() {
            Some(quote @ (b'"' | b'\'')) => {
                self.quoted(quote)?;
                self.scalar(start, self.at, 1)?;
            }
            Some(b'{' | b'[') => self.flow(Some(indent))?,
            Some(byte) if starts_plain(byte) => {
                let line = self.bytes.get(start..self.line_end()).unwrap_or_default();
                let comment = line.windows(2).position(|pair| pair == b" #");
                let value = line.get(..comment.unwrap_or(line.len())).unwrap_or_default().trim_ascii_end();
                if value.ends_with(b":") || value.windows(2).any(|pair| pair == b": ") {
                    return Err(End::Other);
                }
                self.at = start + value.len();
                self.scalar(start, self.at, 0)?;
            }
            _ => return Err(End::Other),
        }
        self.end_of_line()
    }

    /// A list or map in brackets; within a block, its lines are indented further than `indent`.
    fn flow(&mut self, indent: Option<usize>) -> Result<(), End> {
        let at = self.span(self.at, self.at + 1);
        let is_map = self.peek() == Some(b'{');
        let close = if is_map { b'}' } else { b']' };
        let open =
            if is_map { map(at, false) } else { Open::List { span: at, block: false, items: Vec::new() } };
        self.enter(open, at)?;
        self.at += 1;
        loop {
            self.space(indent)?;
            if self.peek() == Some(close) {
                break;
            }
            if is_map {
                let start = self.at;
                let quotes = self.flow_scalar()?;
                self.key(start, quotes)?;
                self.at += 1;
                if quotes == 0 && !matches!(self.peek(), Some(b' ' | b'\n')) {
                    return Err(End::Other);
                }
                self.space(indent)?;
            }
            if matches!(self.peek(), Some(b'{' | b'[')) {
                self.flow(indent)?;
            } else {
                let start = self.at;
                let quotes = self.flow_scalar()?;
                self.scalar(start, self.at, quotes)?;
            }
            self.space(indent)?;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(byte) if byte == close => break,
                _ => return Err(End::Other),
            }
        }
        let at = self.span(self.at, self.at + 1);
        self.at += 1;
        self.leave(at)
    }

    /// Spaces and ends of lines within brackets.
    fn space(&mut self, indent: Option<usize>) -> Result<(), End> {
        let line = self.line;
        loop {
            match self.peek() {
                Some(b' ') => self.at += 1,
                Some(b'\n') => self.newline(),
                _ => break,
            }
        }
        let too_near = indent.is_some_and(|indent| self.at - self.start <= indent);
        if self.line != line && too_near { Err(End::Other) } else { Ok(()) }
    }

    /// A text within brackets; tells how many quotes stand on either side.
    fn flow_scalar(&mut self) -> Result<usize, End> {
        let start = self.at;
        match self.peek() {
            Some(quote @ (b'"' | b'\'')) => {
                self.quoted(quote)?;
                return Ok(1);
            }
            Some(byte) if starts_plain(byte) => {}
            _ => return Err(End::Other),
        }
        let mut end = start;
        while let Some(byte) = self.peek() {
            let goes_on = match byte {
                b':' => self.bytes.get(self.at + 1).is_some_and(|next| starts_plain(*next)),
                b' ' => true,
                b'-' | b'.' => true,
                _ => starts_plain(byte),
            };
            if !goes_on {
                break;
            }
            self.at += 1;
            if byte != b' ' {
                end = self.at;
            }
        }
        self.at = end;
        Ok(0)
    }
}

/// Whether a plain text may start with it, and it means nothing within one.
fn starts_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'/' | b'$' | b'(' | b')')
}

fn map(span: Span, block: bool) -> Open {
    Open::Map { span, block, entries: Vec::new(), seen: HashMap::new(), next: Next::Key }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*, sample::select};

    use super::*;
    use crate::{
        diagnostic::Diagnostics,
        document::{MAX_BYTES, build, limits::Section},
    };

    /// Whether the text is read quickly; then it is read as the parser reads it.
    fn is_quick(text: &str) -> bool {
        let roles = Section { key: "roles", what: "roles", most: 2, end: 2, left: 2 };
        let sections = [roles];
        let most = Most::of(MAX_BYTES, &sections);
        let (mut quickly, mut slowly) = (Diagnostics::new(), Diagnostics::new());
        let file = quickly.add_source("a.yaml", text);
        slowly.add_source("a.yaml", text);
        let mut builder = Builder::new(file, text, &mut quickly);
        let root = match read(file, text, most, &mut builder) {
            None => return false,
            Some(Read::Stopped) => None,
            Some(Read::Whole) => builder.into_root(),
        };
        assert_eq!(root, build::parsed(file, text, most, &mut slowly), "{text:?}");
        assert_eq!(quickly.iter().collect::<Vec<_>>(), slowly.iter().collect::<Vec<_>>(), "{text:?}");
        assert_eq!(quickly.values(), slowly.values(), "{text:?}");
        true
    }

    #[test]
    fn what_is_common_is_read_quickly_and_alike() {
        for text in [
            "a: 1",
            "a: 1\n",
            "# c\n\na: b c # d\n  # e\n\nb:\n    c: 'd'\n    \"e f\": \"#: ,\"\n  # g\nh: x\n\n",
            "version: 1\nrules:\n  GET /a/{id}: read\n  POST|PUT /b/**: write and (a or b)\n",
            "rules:\n  'GET /a': {require: read, allow: [W052], note: x}\n  GET /b: {}\nlast: []",
            "a: {b: c d,\n  e: [1, true, ~x],\n\n  f: g}\n".replace("~x", "x").as_str(),
            "{\"a\":1,\"b\":{\"c\":[\"d\",\"e\"]},\n\"f\": \"g\"}\n",
            "{a: https://a.example/b, c: $D/x, }\n",
            "a: b#c\nd: e:f\ng: x, y\nx-y: z}\n",
            "a:\n b:\n  c:\n   d: e\n b2: f\ng: h\n",
            "a: 1\na: 2\n<<: 3\n".trim_end_matches("<<: 3\n"),
            "roles: {a: b, c: d, e: f, g: h}\nz: 1\n",
            "roles:\n  a: b\n  c: d\n  e: f\n  g: h\n",
        ] {
            assert!(is_quick(text), "{text:?}");
        }
    }

    #[test]
    fn what_is_not_is_left_to_the_parser() {
        for text in [
            "",
            "a",
            "- a",
            "a: - b",
            "a: &b c",
            "a: *b",
            "a: !t b",
            "a: |\n b",
            "a: b\n  c\n",
            "a: b: c",
            "a: b:",
            "a:b",
            "a : b",
            "? a",
            "---\na: b",
            "a: b\n...\n",
            "%a\n",
            "a:",
            "a:\nb: c",
            "a: 'b''c'",
            "a: \"\\n\"",
            "a: 'b",
            "a: [b",
            "a: {b}",
            "a: {b: }",
            "a: [b: c]",
            "a: [b,, c]",
            "a: [,]",
            "a: [b,\nc]",
            "a: [b\nc]",
            "a: {b:c}",
            "a: 'b'c",
            "a: [b]c",
            "a: ä",
            "a:\tb",
            "a: b\r\n",
            " a: b\nc: d",
            "a:\n  b: c\n d: e",
            "{a: b} c",
            "{a: b}\nc: d",
            "a: [b # c\n]",
            "a: {? b : c}",
            "a: @b",
            "a: `b",
            "a: %b",
            "a: -",
            "a: {-b: c}",
            "a: 'b' : c",
            "a: {'b' : c}",
            "a:\n- b",
        ] {
            assert!(!is_quick(text), "{text:?}");
        }
        assert!(!is_quick(&format!("{}: b", "a".repeat(600))));
        assert!(!is_quick(&format!("a: {}{}", "[".repeat(40), "]".repeat(40))));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]

        #[test]
        fn whatever_is_read_quickly_is_what_the_parser_reads(
            lines in vec((
                select(vec!["", "", "  ", "  ", "    ", " "]),
                select(vec!["a", "b", "c", "d e", "GET /x/{y}", "\"q\"", "'s'", "k#", "k #", "-", "?", "1", "roles", "x:y", "# c", "", "<<", "{a}"]),
                select(vec![": ", ": ", ": ", ":", ":  ", " : ", ""]),
                select(vec!["", "", "a", "1", "true", "null", "x y", "read and (b)", "\"q: #\"", "'s'", "[]", "{}", "a # c", "a #", "a#", "x:", "x: y", "- a", "*a", "|", "~"]),
                vec(select(vec!["{", "}", "[", "]", ",", ",", ":", ": ", ": ", " ", "\n", "\n  ", "\n    ", "a", "b c", "\"q\"", "'s'", "1", "/x", "${A}", "#c", " #c", "-", "?", "*a", "http://x", ".", "x.y"]), 0..8),
                any::<bool>(),
            ), 0..6),
        ) {
            let mut text = String::new();
            for (indent, key, colon, value, flow, is_flow) in lines {
                text.extend([indent, key, colon]);
                match is_flow {
                    true => text.push_str(&flow.concat()),
                    false => text.push_str(value),
                }
                text.push('\n');
            }
            is_quick(&text);
        }

        #[test]
        fn brackets_are_read_as_the_parser_reads_them(
            pieces in vec(select(vec!["{", "}", "[", "]", ",", ", ", ": ", ": ", ":", "\n ", "\n", "a", "b c", "\"q\"", "'s'", "1", "/x", "a: b", "a: [b, c]", "\"k\":\"v\"", "x: y, "]), 0..10),
            start in select(vec!["", "a: ", "a:\n  b: "]),
        ) {
            is_quick(&format!("{start}{{{}}}\n", pieces.concat()));
            is_quick(&format!("{start}[{}]\nb: c", pieces.concat()));
        }
    }
}
