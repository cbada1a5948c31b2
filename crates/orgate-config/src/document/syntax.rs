//! What the parser could not read, in words.

use granit_parser::{ErrorKind, ScanError};

use crate::{
    codes,
    diagnostic::{Diagnostic, FileId, Span},
};

/// `read_to` is the byte up to which everything was understood.
pub(super) fn finding(file: FileId, text: &str, read_to: usize, error: &ScanError) -> Diagnostic {
    let small = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let marker = error.marker();
    let mut at = Span::point(file, small(marker.line()).max(1), small(marker.col()).saturating_add(1));
    let (code, mut message, mut help) = words(error.kind());
    match error.kind() {
        // The parser tells where the text was found to run on; what has to be mended is where it starts.
        ErrorKind::UnclosedQuotedScalar
        | ErrorKind::InvalidQuotedScalarIndent
        | ErrorKind::DocumentIndicatorInQuotedScalar => {
            if let Some(quote) = opening_quote(text, read_to) {
                at = super::end_of(file, text.get(..quote).unwrap_or_default());
            }
        }
        ErrorKind::MappingValueNotAllowed => {
            let line = text.lines().nth(marker.line().saturating_sub(1)).unwrap_or_default();
            let before = line.chars().take(marker.col()).collect::<String>();
            if !before.contains(": ") {
                message = "a `KEY: VALUE` does not fit here".to_owned();
                help = "check the indentation of this line and of the one before it";
            }
        }
        _ => {}
    }
    let finding = Diagnostic::error(code, message).at(at);
    if help.is_empty() { finding } else { finding.help(help) }
}

/// The byte of the first quote from `from` on that is not in a comment.
fn opening_quote(text: &str, from: usize) -> Option<usize> {
    let mut in_comment = false;
    let mut before = ' ';
    for (at, c) in text.get(from..)?.char_indices() {
        match c {
            '\n' => in_comment = false,
            '#' if before.is_whitespace() => in_comment = true,
            '"' | '\'' if !in_comment => return Some(from + at),
            _ => {}
        }
        before = c;
    }
    None
}

fn words(kind: &ErrorKind) -> (&'static str, String, &'static str) {
    let (message, help) = match kind {
        ErrorKind::RecursionLimitExceeded => {
            let message = format!("lists and maps are nested deeper than {} levels", super::MAX_DEPTH);
            return (codes::LIMIT, message, "");
        }
        ErrorKind::DirectiveDisallowed => {
            let message = "directives (`%…`) are not part of the format".to_owned();
            return (codes::NOT_IN_FORMAT, message, "remove the line");
        }
        ErrorKind::UndeclaredTagHandle | ErrorKind::MissingTagUri | ErrorKind::InvalidTagTerminator => {
            let message = "tags are not part of the format".to_owned();
            return (codes::NOT_IN_FORMAT, message, "put a text that starts with `!` in quotes");
        }
        ErrorKind::BomInsideDocument => {
            let message = "the file holds a byte order mark".to_owned();
            return (codes::ENCODING, message, "save it as UTF-8 without a byte order mark");
        }
        ErrorKind::MissingAnchorOrAliasName => {
            ("a value cannot start with `*` or `&`", "put a text that starts with one of them in quotes")
        }
        ErrorKind::UnclosedQuotedScalar
        | ErrorKind::InvalidQuotedScalarIndent
        | ErrorKind::DocumentIndicatorInQuotedScalar => {
            ("a quote is opened here and not closed", "add the closing quote")
        }
        ErrorKind::InvalidColonPlacement => {
            ("a `:` does not fit here", "check that brackets and quotes before it are closed")
        }
        ErrorKind::UnclosedFlowCollection { open } => {
            return (
                codes::SYNTAX,
                format!("`{open}` is opened and never closed"),
                "add the closing bracket",
            );
        }
        ErrorKind::MismatchedFlowCollectionEnd { open, close } => {
            return (codes::SYNTAX, format!("`{open}` is closed by `{close}`"), "");
        }
        ErrorKind::UnexpectedEofFlowSequence | ErrorKind::ExpectedFlowSequenceSeparator => {
            ("expected `,` or `]`", "")
        }
        ErrorKind::UnexpectedEofFlowMapping | ErrorKind::ExpectedFlowMappingSeparator => {
            ("expected `,` or `}`", "")
        }
        ErrorKind::MisplacedFlowCollectionEnd => ("a bracket is closed that was not opened", ""),
        ErrorKind::MappingValueNotAllowed => {
            ("a second `: ` in one line", "put the text in quotes if it holds a colon and a space")
        }
        ErrorKind::SimpleKeyExpected | ErrorKind::InvalidSimpleKey => {
            ("expected `KEY: VALUE`, found a line without a colon and a space", "")
        }
        ErrorKind::ExpectedBlockMappingKey | ErrorKind::InvalidIndentation => (
            "this line is not indented like the ones it belongs to",
            "give entries of one map the same indentation",
        ),
        ErrorKind::ExpectedBlockSequenceEntry | ErrorKind::BlockSequenceEntryNotAllowed => {
            ("a list entry does not fit here", "start each entry with `- ` at the same indentation")
        }
        ErrorKind::TabInIndentation
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabNotAllowed
        | ErrorKind::TabAtBlockScalarStart
        | ErrorKind::TabInPlainScalar => ("a tab cannot stand here", "use spaces"),
        ErrorKind::UnknownQuotedScalarEscape => {
            ("an escape that does not exist", "write `\\\\` for a backslash, or use single quotes")
        }
        ErrorKind::UnexpectedCharacter { character } => {
            let message = format!("a value cannot start with `{}`", character.escape_default());
            return (codes::SYNTAX, message, "put the text in quotes");
        }
        other => return (codes::SYNTAX, other.to_string(), ""),
    };
    (codes::SYNTAX, message.to_owned(), help)
}
