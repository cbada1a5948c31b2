//! Characters that are not seen, and so are not accepted.

use crate::{
    codes,
    diagnostic::{Diagnostic, Diagnostics, FileId, Span, is_hidden},
};

/// YAML allows tabs in a few places before a value; whoever looks at the file cannot tell which.
pub(super) fn refuse_tabs(file: FileId, text: &str, diagnostics: &mut Diagnostics) -> Result<(), ()> {
    if !text.as_bytes().contains(&b'\t') {
        return Ok(());
    }
    for (number, line) in
        text.split(['\n', '\r']).scan(0, |at, line| Some((post_add(at, line.len() + 1), line)))
    {
        let indentation = line.len() - line.trim_start().len();
        let tab = line.get(..indentation).and_then(|space| space.find('\t'));
        let Some(tab) = tab.filter(|_| indentation < line.len()) else { continue };
        let at = end_of(file, text.get(..number + tab).unwrap_or_default());
        let finding = Diagnostic::error(codes::SYNTAX, "a tab cannot be used as indentation").at(at);
        diagnostics.push(finding.help("use spaces"));
        return Err(());
    }
    Ok(())
}

fn post_add(value: &mut usize, by: usize) -> usize {
    std::mem::replace(value, *value + by)
}

pub(super) fn refuse_hidden_characters(
    file: FileId,
    text: &str,
    diagnostics: &mut Diagnostics,
) -> Result<(), ()> {
    if text.starts_with('\u{feff}') {
        diagnostics.push(
            Diagnostic::error(codes::ENCODING, "the file starts with a byte order mark")
                .at(Span::point(file, 1, 1))
                .help("save it as UTF-8 without a byte order mark"),
        );
        return Err(());
    }
    // What is plain ASCII has only control characters to hide.
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'~' | b'\n' | b'\r' | b'\t');
    if text.as_bytes().iter().all(is_plain) {
        return Ok(());
    }
    let hidden = text.char_indices().find(|(_, c)| is_hidden(*c) && !matches!(c, '\n' | '\r' | '\t'));
    let Some((at, c)) = hidden else { return Ok(()) };
    diagnostics.push(
        Diagnostic::error(
            codes::ENCODING,
            format!("the file holds the hidden character U+{:04X}", u32::from(c)),
        )
        .at(end_of(file, text.get(..at).unwrap_or_default()))
        .help("remove it: what is read must be what is seen"),
    );
    Err(())
}

/// The place right behind `text`.
pub(super) fn end_of(file: FileId, text: &str) -> Span {
    let mut line = 1_u32;
    let mut column = 1_u32;
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        if c == '\n' || (c == '\r' && characters.peek() != Some(&'\n')) {
            line = line.saturating_add(1);
            column = 1;
        } else {
            column = column.saturating_add(1);
        }
    }
    Span::point(file, line, column)
}
