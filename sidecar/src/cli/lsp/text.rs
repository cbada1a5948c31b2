//! A text and its places: the protocol counts lines from 0 and UTF-16 units within them (LSP 3.17, "Position"), findings
//! count characters from 1, and everything else here counts bytes.

use orgate_config::document::Span;
use serde_json::{Value, json};

/// A text whose lines are known.
#[derive(Clone, Debug, Default)]
pub(super) struct Text {
    text: String,
    /// The byte at which each line starts.
    lines: Vec<usize>,
}

impl Text {
    pub(super) fn new(text: String) -> Self {
        let bytes = text.as_bytes();
        let ends = bytes
            .iter()
            .enumerate()
            .filter(|(at, byte)| **byte == b'\n' || (**byte == b'\r' && bytes.get(at + 1) != Some(&b'\n')));
        let lines = std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect();
        Self { text, lines }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// A line without its end.
    pub(super) fn line(&self, number: usize) -> &str {
        let start = self.lines.get(number).copied().unwrap_or(self.text.len());
        let end = self.lines.get(number + 1).copied().unwrap_or(self.text.len());
        self.text.get(start..end).unwrap_or_default().trim_end_matches(['\n', '\r'])
    }

    /// The byte of a position; one behind the end of its line is that end.
    pub(super) fn byte(&self, position: &Value) -> Option<usize> {
        let number = |key: &str| position.get(key)?.as_u64().and_then(|number| usize::try_from(number).ok());
        let (line, units) = (number("line")?, number("character")?);
        let Some(start) = self.lines.get(line) else { return Some(self.text.len()) };
        let mut seen = 0;
        for (at, c) in self.line(line).char_indices() {
            if seen >= units {
                return Some(start + at);
            }
            seen += c.len_utf16();
        }
        Some(start + self.line(line).len())
    }

    /// The number of the line that a byte is on, and the byte within it.
    pub(super) fn place(&self, byte: usize) -> (usize, usize) {
        let line = self.lines.partition_point(|start| *start <= byte).saturating_sub(1);
        (line, byte.saturating_sub(self.lines.get(line).copied().unwrap_or_default()))
    }

    pub(super) fn position(&self, byte: usize) -> Value {
        let (line, within) = self.place(byte);
        let before = self.line(line).get(..within).unwrap_or_else(|| self.line(line));
        json!({"line": line, "character": before.encode_utf16().count()})
    }

    pub(super) fn range(&self, start: usize, end: usize) -> Value {
        json!({"start": self.position(start), "end": self.position(end)})
    }

    pub(super) fn whole(&self) -> Value {
        self.range(0, self.text.len())
    }

    /// The range of a finding, of which line and column are certain and bytes are not.
    pub(super) fn range_of(&self, span: Span) -> Value {
        let position = |line: u32, column: u32| {
            let line = usize::try_from(line).unwrap_or_default().saturating_sub(1);
            let characters = usize::try_from(column).unwrap_or_default().saturating_sub(1);
            let units: usize = self.line(line).chars().take(characters).map(char::len_utf16).sum();
            json!({"line": line, "character": units})
        };
        json!({"start": position(span.line, span.column), "end": position(span.end_line, span.end_column)})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_utf_16_units() {
        let text = Text::new("a\r\nü𝄞x: y\rlast".to_owned());
        for (line, character, byte) in [
            (0, 0, 0),
            (0, 1, 1),
            (0, 9, 1),
            (1, 0, 3),
            (1, 1, 5),
            (1, 3, 9),
            (1, 4, 10),
            (2, 4, 18),
            (9, 0, 18),
        ] {
            assert_eq!(
                text.byte(&json!({"line": line, "character": character})),
                Some(byte),
                "{line}:{character}"
            );
        }
        // A position in the middle of a pair is taken for the end of it.
        assert_eq!(text.byte(&json!({"line": 1, "character": 2})), Some(9));
        assert_eq!(text.position(9), json!({"line": 1, "character": 3}));
        assert_eq!(text.position(14), json!({"line": 2, "character": 0}));
        assert_eq!(text.byte(&json!({"line": -1, "character": 0})), None);
    }

    #[test]
    fn findings_count_characters() {
        let text = Text::new("x\nü𝄞x: y".to_owned());
        let span = Span { line: 2, column: 3, end_line: 2, end_column: 4, ..Span::default() };
        let range = json!({"start": {"line": 1, "character": 3}, "end": {"line": 1, "character": 4}});
        assert_eq!(text.range_of(span), range);
    }
}
