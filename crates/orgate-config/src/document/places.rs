//! From bytes of a file to lines and columns, for a parser that speaks of bytes only.
//!
//! A file may be one line of a megabyte with a value at every second byte; so the characters are counted once, in blocks,
//! and never from the start of the line.

use super::Span;
use crate::diagnostic::FileId;

const BLOCK: usize = 128;

pub(super) struct Places<'t> {
    file: FileId,
    bytes: &'t [u8],
    /// The byte at which each line starts.
    lines: Vec<usize>,
    /// How many characters start before each block of bytes.
    blocks: Vec<usize>,
}

impl<'t> Places<'t> {
    pub(super) fn new(file: FileId, text: &'t str) -> Self {
        let bytes = text.as_bytes();
        let mut blocks = vec![0];
        let mut characters = 0;
        for block in bytes.chunks(BLOCK) {
            characters += starts(block);
            blocks.push(characters);
        }
        Self { file, bytes, lines: crate::diagnostic::line_starts(text), blocks }
    }

    /// The stretch between two bytes.
    pub(super) fn span(&self, start: usize, end: usize) -> Span {
        let (line, column) = self.position(start);
        let (end_line, end_column) = self.position(end.max(start));
        let (start, end) = (small(start), small(end.max(start)));
        Span { file: self.file, line, column, end_line, end_column, start, end }
    }

    fn position(&self, byte: usize) -> (u32, u32) {
        let line = self.lines.partition_point(|start| *start <= byte).max(1);
        let start = self.lines.get(line - 1).copied().unwrap_or_default();
        let column = self.characters_before(byte).saturating_sub(self.characters_before(start)) + 1;
        (small(line), small(column))
    }

    fn characters_before(&self, byte: usize) -> usize {
        let byte = byte.min(self.bytes.len());
        let block = byte / BLOCK;
        let rest = self.bytes.get(block * BLOCK..byte).unwrap_or_default();
        self.blocks.get(block).copied().unwrap_or_default() + starts(rest)
    }
}

/// How many characters start in a piece of UTF-8.
fn starts(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte & 0xC0 != 0x80).count()
}

fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_become_lines_and_columns() {
        let text = format!("ä€x\r\n{}ü😀y\n", "ö".repeat(300));
        let places = Places::new(FileId(0), &text);
        for (at, c) in text.char_indices() {
            let (before, _) = text.split_at(at);
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
            let span = places.span(at, at + c.len_utf8());
            assert_eq!((span.line as usize, span.column as usize), (line, column), "{at}");
        }
        let end = places.span(text.len(), text.len());
        assert_eq!((end.line, end.column), (3, 1));
    }
}
