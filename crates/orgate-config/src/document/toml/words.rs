//! What the TOML parser could not read, in words.

use toml_parser::{Expected, ParseError};

use super::super::places::Places;
use crate::{codes, diagnostic::Diagnostic};

pub(super) fn finding(places: &Places<'_>, text: &str, error: &ParseError) -> Diagnostic {
    let bytes = error.unexpected().or_else(|| error.context());
    let (start, end) = bytes.map_or((0, 0), |bytes| (bytes.start(), bytes.end()));
    let mut finding = Diagnostic::error(codes::SYNTAX, message(error)).at(places.span(start, end));
    finding.help = help(error.description(), line_at(text, start)).map(str::to_owned);
    finding
}

fn message(error: &ParseError) -> String {
    let is_empty = error.unexpected().is_some_and(|bytes| bytes.is_empty());
    match error.description() {
        "string values must be quoted" if is_empty => return "expected a value".to_owned(),
        "string values must be quoted" => return "expected a value; texts stand in quotes".to_owned(),
        "missing escaped value" => return "an escape that does not exist".to_owned(),
        "carriage return must be followed by newline" => {
            return "a carriage return without a newline before this".to_owned();
        }
        description if description.starts_with("invalid") && description.ends_with("string") => {
            return "a quote is opened and not closed".to_owned();
        }
        _ => {}
    }
    let mut message = error.description().to_owned();
    let expected = error.expected().unwrap_or_default().iter().map(|expected| match expected {
        Expected::Literal(text) => format!("`{text}`"),
        Expected::Description(text) => (*text).to_owned(),
        _ => "something else".to_owned(),
    });
    let expected: Vec<String> = expected.collect();
    if !expected.is_empty() {
        message.push_str(", expected ");
        message.push_str(&expected.join(" or "));
    }
    message
}

fn line_at(text: &str, byte: usize) -> &str {
    let before = text.get(..byte).unwrap_or_default();
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default()
}

fn help(description: &str, line: &str) -> Option<&'static str> {
    let line = line.trim_start();
    match description {
        "key with no value" | "unexpected content" | "invalid unquoted key" | "missing value for key"
            if line.contains('/') || line.contains(' ') && !line.starts_with('"') =>
        {
            Some("put a key with spaces, `/` or `:` in quotes: `\"GET /projects/**\" = \"read\"`")
        }
        "string values must be quoted" | "invalid value" => Some("put the text in quotes"),
        "missing escaped value" => Some("write `\\\\` for a backslash, or use single quotes"),
        description if description.starts_with("invalid") && description.ends_with("string") => {
            Some("add the closing quote")
        }
        "unclosed array" | "unclosed inline table" | "unclosed table" | "unclosed array table" => {
            Some("add the closing bracket")
        }
        _ => None,
    }
}
