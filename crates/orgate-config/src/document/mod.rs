//! Configuration files as a tree in which every part knows its place.
//!
//! The accepted language is the part of YAML 1.2 that means the same in JSON and TOML and that a reviewer can read line
//! by line: maps with text keys, lists, and scalars of the core schema (`yes` and `off` are texts). Anchors, aliases,
//! merge keys, tags, directives, several documents in a file and repeated keys are errors, because each of them hides
//! an effect from whoever reads a change. JSON is a subset and goes through the same reader; TOML has one of its own and
//! gives the same tree. A file is UTF-8, at most 1 MiB and 32 levels deep.
//!
//! The tree is built from the parser's events and not through `serde`: a derived reader stops at its first problem and
//! has already resolved aliases and tags; here every problem of a file is reported at once, each with its place.
//!
//! Nothing here knows what the files are about; [`MapReader`] is how a section reads its keys.
//!
//! ```
//! use orgate_config::document::{self, MapReader};
//!
//! let document = document::parse("app.yaml", "port: 8080\nhots: [a, b]\ntimeout: 5m\n")?;
//! let (root, mut diagnostics) = document.into_parts();
//! if let Some(mut map) = MapReader::new(&root, "", &mut diagnostics) {
//!     let port = map.required("port").integer(1..=65_535);
//!     let hosts = map.optional("hosts").list();
//!     let timeout = map.optional("timeout").duration(1..=600);
//!     assert_eq!(port.map(|port| port.value), Some(8080));
//!     assert_eq!(timeout.map(|timeout| timeout.value.as_secs()), Some(300));
//!     assert!(hosts.is_none());
//!     map.finish();
//! }
//! assert_eq!(diagnostics.render(false), "\
//! error[E010]: unknown key `hots`
//!  --> app.yaml:2:1
//! 2 | hots: [a, b]
//!   | ^^^^
//!   = help: did you mean `hosts`?
//! ");
//! # Ok::<(), orgate_config::diagnostic::Diagnostics>(())
//! ```

mod build;
mod characters;
mod limits;
mod places;
mod quick;
mod reader;
mod scalar;
mod syntax;
mod toml;

pub use self::limits::{MAX_BYTES, MAX_DEPTH, MAX_ENTRIES, MAX_VALUES};
pub use self::reader::{Field, MapReader, Spanned, wrong_kind};
pub use crate::diagnostic::Span;
pub use orgate_policy::closest;

pub(crate) use self::limits::Section;
use self::{
    characters::{end_of, refuse_hidden_characters, refuse_tabs},
    limits::Most,
};
use crate::{
    codes,
    diagnostic::{Diagnostic, Diagnostics},
};

/// A value and its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What is there.
    pub value: Value,
    /// Where it is; quotes belong to it.
    pub span: Span,
    /// Where the characters of a text begin in the file, if they stand there one for one.
    verbatim: Option<u32>,
}

/// What stands at a place.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// Nothing, `~` or `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number that fits.
    Integer(i64),
    /// Any other number.
    Float(f64),
    /// A text, with or without quotes.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A map in the order of the file; keys are unique.
    Map(Vec<(Key, Node)>),
    /// Something that is not accepted and was reported already; readers pass over it in silence.
    Refused,
}

impl Value {
    /// The kind of value in words: `a text`, `a list` …
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "a boolean",
            Self::Integer(_) => "an integer",
            Self::Float(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
            Self::Refused => "something that is not accepted",
        }
    }
}

/// The key of a map entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The key; `1` and `true` are the texts they look like.
    pub text: String,
    /// Where it is.
    pub span: Span,
    verbatim: Option<u32>,
    /// Which bytes of the text do not stand in the file: where they start, how many there are, and how many of the
    /// file's they replace.
    inserted: Option<(usize, usize, usize)>,
}

impl Key {
    pub(crate) fn new(text: String, span: Span, verbatim: Option<u32>) -> Self {
        Self { text, span, verbatim, inserted: None }
    }

    /// The place of `len` bytes from byte `at` of the key; the whole key where it is escaped or folded.
    #[must_use]
    pub fn span_within(&self, at: usize, len: usize) -> Span {
        let Some((start, count, replaced)) = self.inserted else {
            return within(self.span, self.verbatim, &self.text, at, len);
        };
        let behind = start.saturating_add(count);
        let at = match at {
            at if at.saturating_add(len) <= start => at,
            at if at >= behind => at - count + replaced,
            _ => return self.span,
        };
        let (before, after) = (self.text.get(..start), self.text.get(behind..));
        let written =
            format!("{}{}{}", before.unwrap_or_default(), "/".repeat(replaced), after.unwrap_or_default());
        within(self.span, self.verbatim, &written, at, len)
    }

    /// The same key of the file with `text` in the place of `replaced` bytes from `at`.
    pub(crate) fn with_inserted(&self, at: usize, text: &str, replaced: usize) -> Self {
        let mut key = self.clone();
        let end = at.saturating_add(replaced);
        if key.text.is_char_boundary(at) && key.text.is_char_boundary(end) && end <= key.text.len() {
            key.text.replace_range(at..end, text);
            key.inserted = Some((at, text.len(), replaced));
        }
        key
    }
}

impl Node {
    /// A value that stands somewhere, if not character by character.
    pub(crate) fn new(value: Value, span: Span) -> Self {
        Self { value, span, verbatim: None }
    }

    /// The text as a key, if this is one.
    pub(crate) fn as_key(&self) -> Option<Key> {
        self.text().map(|text| Key::new(text.to_owned(), self.span, self.verbatim))
    }

    /// The entry of a map, if this is a map that has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries()?.iter().find(|(name, _)| name.text == key).map(|(_, node)| node)
    }

    /// The entries, if this is a map.
    #[must_use]
    pub fn entries(&self) -> Option<&[(Key, Node)]> {
        match &self.value {
            Value::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// The text, if this is one.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The place of `len` bytes from byte `at` of a text; the whole node where it is escaped, folded or no text.
    #[must_use]
    pub fn span_within(&self, at: usize, len: usize) -> Span {
        match &self.value {
            Value::Text(text) => within(self.span, self.verbatim, text, at, len),
            _ => self.span,
        }
    }
}

fn within(whole: Span, verbatim: Option<u32>, text: &str, at: usize, len: usize) -> Span {
    let Some(offset) = verbatim else { return whole };
    let end = at.saturating_add(len).min(text.len());
    let (Some(before), Some(inside)) = (text.get(..at), text.get(at..end)) else { return whole };
    let count = |text: &str| u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
    let bytes = |text: &str| u32::try_from(text.len()).unwrap_or(u32::MAX);
    let column = whole.column.saturating_add(offset).saturating_add(count(before));
    let start = whole.start.saturating_add(offset).saturating_add(bytes(before));
    Span {
        column,
        end_line: whole.line,
        end_column: column.saturating_add(count(inside)),
        start,
        end: start.saturating_add(bytes(inside)),
        ..whole
    }
}

/// The ways in which a file may be written; all of them give the same tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// YAML, and whatever has no ending that says otherwise.
    Yaml,
    /// JSON.
    Json,
    /// TOML.
    Toml,
}

impl Format {
    /// The format of a file, by the end of its name.
    #[must_use]
    pub fn of(name: &str) -> Self {
        let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
        match ending.as_deref() {
            Some("json") => Self::Json,
            Some("toml") => Self::Toml,
            _ => Self::Yaml,
        }
    }
}

/// How many bytes lie between the start of a scalar and its characters, if these stand there one for one; `written` is
/// what stands at `span`.
fn verbatim(written: &str, text: &str, span: Span) -> Option<u32> {
    if span.line != span.end_line {
        return None;
    }
    if written == text {
        return Some(0);
    }
    let quoted = ['"', '\''].iter().find_map(|quote| written.strip_prefix(*quote)?.strip_suffix(*quote));
    (quoted == Some(text)).then_some(1)
}

/// A file that was read without a problem.
#[derive(Clone, Debug)]
pub struct Document {
    root: Node,
    diagnostics: Diagnostics,
}

impl Document {
    /// The whole file.
    #[must_use]
    pub fn root(&self) -> &Node {
        &self.root
    }

    /// The tree, and the (empty) findings that know the file's text, for whoever reads on.
    #[must_use]
    pub fn into_parts(self) -> (Node, Diagnostics) {
        (self.root, self.diagnostics)
    }
}

/// Reads one file that is given as text; `name` is what findings call it.
///
/// # Errors
/// Every problem of the file.
pub fn parse(name: &str, text: &str) -> Result<Document, Diagnostics> {
    let mut diagnostics = Diagnostics::new();
    match read(name, text.as_bytes(), &mut diagnostics) {
        Some(root) if !diagnostics.has_errors() => Ok(Document { root, diagnostics }),
        _ => Err(diagnostics),
    }
}

/// Reads one file and adds its problems to `diagnostics`.
///
/// The answer is `None` if there is no tree at all. A tree with problems has [`Value::Refused`] in their places, so that
/// whoever reads on reports further ones; whether the file may be *used* is `diagnostics.has_errors()`.
pub fn read(name: &str, bytes: &[u8], diagnostics: &mut Diagnostics) -> Option<Node> {
    read_within(MAX_BYTES, name, bytes, diagnostics)
}

/// The same with another limit on the size, for files of other formats.
pub fn read_within(most: usize, name: &str, bytes: &[u8], diagnostics: &mut Diagnostics) -> Option<Node> {
    read_sections(most, &[], name, bytes, diagnostics)
}

/// The same for a file in which some sections have limits of their own; a section that has too many entries is not read to
/// its end.
pub(crate) fn read_sections(
    most: usize,
    sections: &[Section],
    name: &str,
    bytes: &[u8],
    diagnostics: &mut Diagnostics,
) -> Option<Node> {
    if bytes.len() > most {
        let file = diagnostics.add_source(name, "");
        let message = format!("the file is larger than {} MiB", most / (1024 * 1024));
        diagnostics.push(Diagnostic::error(codes::LIMIT, message).at(Span::point(file, 1, 1)));
        return None;
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let file = diagnostics.add_source(name, String::from_utf8_lossy(bytes));
            let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let span = end_of(file, &String::from_utf8_lossy(valid));
            diagnostics.push(
                Diagnostic::error(codes::ENCODING, "the file is not UTF-8")
                    .at(span)
                    .help("save it as UTF-8; here is the first byte that is something else"),
            );
            return None;
        }
    };
    let file = diagnostics.add_source(name, text);
    refuse_hidden_characters(file, text, diagnostics).ok()?;
    let most = Most::of(most, sections);
    match Format::of(name) {
        Format::Toml => toml::tree(file, text, most, diagnostics),
        // JSON may be indented by tabs, YAML may not; within a JSON string a raw tab is an error anyway.
        Format::Json => build::tree(file, &text.replace('\t', " "), most, diagnostics),
        Format::Yaml => {
            refuse_tabs(file, text, diagnostics).ok()?;
            build::tree(file, text, most, diagnostics)
        }
    }
}

#[cfg(test)]
mod tests;
