//! Words, strings, commas and parentheses.

use crate::SyntaxError;

/// A piece of a requirement.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Token<'t> {
    /// The piece; of a string what stands between the quotes.
    pub(super) text: &'t str,
    /// Where it starts in the requirement, the quote of a string included.
    pub(super) at: usize,
    /// Whether it was written in quotes, so that it is a value whatever it says.
    pub(super) quoted: bool,
}

impl<'t> Token<'t> {
    /// The piece as a word of the language; a string is none.
    pub(super) fn word(self) -> &'t str {
        if self.quoted { "\"" } else { self.text }
    }

    /// How long it is as written.
    pub(super) fn len(self) -> usize {
        self.text.len() + if self.quoted { 2 } else { 0 }
    }

    pub(super) fn error(self, message: impl Into<String>) -> SyntaxError {
        SyntaxError::new(self.at, self.len(), message)
    }
}

/// Splits a requirement. A string has no escapes; a quote ends it.
pub(super) fn tokens(text: &str) -> Result<Vec<Token<'_>>, SyntaxError> {
    let mut tokens = Vec::new();
    let word = |start: usize, end: usize| {
        let text = text.get(start..end).filter(|word| !word.is_empty());
        text.map(|text| Token { text, at: start, quoted: false })
    };
    let mut start = 0;
    let mut opened: Option<usize> = None;
    for (at, c) in text.char_indices() {
        let end = at + c.len_utf8();
        match (opened, c) {
            (Some(quote), '"') => {
                tokens.extend(text.get(quote + 1..at).map(|text| Token { text, at: quote, quoted: true }));
                (opened, start) = (None, end);
            }
            (Some(_), _) => {}
            (None, '"') => {
                tokens.extend(word(start, at));
                opened = Some(at);
            }
            (None, '(' | ')' | ',') => {
                tokens.extend(word(start, at));
                tokens.extend(word(at, end));
                start = end;
            }
            (None, c) if c.is_whitespace() => {
                tokens.extend(word(start, at));
                start = end;
            }
            (None, _) => {}
        }
    }
    if let Some(quote) = opened {
        return Err(SyntaxError::new(quote, 1, "this quote is not closed"));
    }
    tokens.extend(word(start, text.len()));
    Ok(tokens)
}
