//! Reading the keys of a map: what must be there, what may, and what does not belong.
//!
//! A section names every key it knows; [`MapReader::finish`] then reports the others, with the known one that was
//! probably meant. Keys starting with `x-` belong to other tools. A value of the wrong kind is reported in one line and
//! read as absent.

use std::{fmt, ops::RangeInclusive, time::Duration};

use super::{Key, Node, Span, Value, closest};
use crate::{
    codes,
    diagnostic::{Diagnostic, Diagnostics},
};

/// A value that was read, and its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub span: Span,
}

/// Reads the keys of one map. See the [module](super) for an example.
#[derive(Debug)]
pub struct MapReader<'n, 'd> {
    entries: &'n [(Key, Node)],
    path: String,
    span: Span,
    known: Vec<&'static str>,
    diagnostics: &'d mut Diagnostics,
}

impl<'n, 'd> MapReader<'n, 'd> {
    /// Starts reading `node`; `path` is what findings call it, such as `issuers.main`, empty for the whole file.
    ///
    /// If it is not a map, that is reported and the answer is `None`.
    pub fn new(node: &'n Node, path: &str, diagnostics: &'d mut Diagnostics) -> Option<Self> {
        let Some(entries) = node.entries() else {
            wrong_kind(node, path, "a map", diagnostics);
            return None;
        };
        Some(Self { entries, path: path.to_owned(), span: node.span, known: Vec::new(), diagnostics })
    }

    /// Says where findings about missing keys point to: best the key whose value this map is.
    #[must_use]
    pub fn at(mut self, span: Span) -> Self {
        self.span = span;
        self
    }

    /// A key that must be there; its absence is reported.
    pub fn required(&mut self, key: &'static str) -> Field<'n, '_> {
        if self.find(key).is_none() {
            let message = format!("{} has no `{key}`", self.name());
            self.diagnostics.push(Diagnostic::error(codes::MISSING_KEY, message).at(self.span));
        }
        self.optional(key)
    }

    /// A key that may be there.
    pub fn optional(&mut self, key: &'static str) -> Field<'n, '_> {
        self.known.push(key);
        let entry = self.find(key);
        Field {
            key: entry.map(|(key, _)| key),
            node: entry.map(|(_, node)| node),
            path: Path::Entry(&self.path, key),
            diagnostics: &mut *self.diagnostics,
        }
    }

    /// A key that exists in the language and that this version does not understand: never passed over in silence.
    pub fn unsupported(&mut self, key: &'static str) {
        self.known.push(key);
        if let Some((found, _)) = self.find(key) {
            let message = format!("`{key}`{} is not supported by this version", self.place());
            self.diagnostics.push(Diagnostic::error(codes::UNSUPPORTED, message).at(found.span));
        }
    }

    /// A key that is refused wherever it stands, for a message of the caller's own.
    #[must_use]
    pub fn entry(&mut self, key: &'static str) -> Option<&'n (Key, Node)> {
        self.known.push(key);
        self.find(key)
    }

    /// Whether the key is there.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.find(key).is_some()
    }

    /// What findings call the value of `key`.
    #[must_use]
    pub fn path_of(&self, key: &str) -> String {
        Path::Entry(&self.path, key).to_string()
    }

    /// Where the map is, for findings of the caller.
    #[must_use]
    pub fn span(&self) -> Span {
        self.span
    }

    /// For findings of the caller.
    pub fn diagnostics(&mut self) -> &mut Diagnostics {
        self.diagnostics
    }

    /// Reports every key that nobody asked for.
    pub fn finish(self) {
        let known = self.known.iter().copied();
        for (key, _) in self.entries {
            if key.text.starts_with("x-") || self.known.contains(&key.text.as_str()) {
                continue;
            }
            let finding =
                Diagnostic::error(codes::UNKNOWN_KEY, format!("unknown key `{}`{}", key.text, self.place()));
            let finding = finding.at(key.span);
            if self.diagnostics.is_enough() {
                return;
            }
            self.diagnostics.push(match closest(&key.text, known.clone()) {
                Some(meant) => finding.help(format!("did you mean `{meant}`?")),
                None => finding.help(format!("known keys: {}", self.known.join(", "))),
            });
        }
    }

    fn find(&self, key: &str) -> Option<&'n (Key, Node)> {
        self.entries.iter().find(|(name, _)| name.text == key)
    }

    fn place(&self) -> String {
        if self.path.is_empty() { String::new() } else { format!(" in `{}`", self.path) }
    }

    fn name(&self) -> String {
        if self.path.is_empty() { "the file".to_owned() } else { format!("`{}`", self.path) }
    }
}

/// What findings call a value. Most values have none, so it is put together only for one that has.
#[derive(Clone, Copy, Debug)]
enum Path<'d> {
    Whole(&'d str),
    /// The value of a key in the map of this name.
    Entry(&'d str, &'d str),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(path) | Self::Entry("", path) => f.write_str(path),
            // Behind a name of several words a dot would look like part of it.
            Self::Entry(path, key) if path.contains(' ') => write!(f, "{path}: {key}"),
            Self::Entry(path, key) => write!(f, "{path}.{key}"),
        }
    }
}

/// A key of a map, there or not.
#[derive(Debug)]
#[must_use = "a field that is not read is accepted whatever it holds"]
pub struct Field<'n, 'd> {
    key: Option<&'n Key>,
    node: Option<&'n Node>,
    path: Path<'d>,
    diagnostics: &'d mut Diagnostics,
}

impl<'n> Field<'n, '_> {
    /// A value that is not the entry of a map, such as an item of a list.
    pub fn of<'d>(node: &'n Node, path: &'d str, diagnostics: &'d mut Diagnostics) -> Field<'n, 'd> {
        Field { key: None, node: Some(node), path: Path::Whole(path), diagnostics }
    }

    /// The key and the value as they are, for whoever reads them in another way.
    #[must_use]
    pub fn entry(self) -> Option<(&'n Key, &'n Node)> {
        self.key.zip(self.node)
    }

    /// The value as it is.
    #[must_use]
    pub fn node(self) -> Option<&'n Node> {
        self.node
    }

    /// A text.
    pub fn text(self) -> Option<Spanned<&'n str>> {
        let node = self.node?;
        match &node.value {
            Value::Text(text) => Some(Spanned { value: text.as_str(), span: node.span }),
            _ => self.expected("a text"),
        }
    }

    /// A list of texts; a single text is a list of one.
    pub fn list(self) -> Option<Vec<Spanned<&'n str>>> {
        let node = self.node?;
        let items = match &node.value {
            Value::Text(text) => return Some(vec![Spanned { value: text.as_str(), span: node.span }]),
            Value::List(items) => items,
            _ => return self.expected("a text or a list of texts"),
        };
        let mut texts = Vec::with_capacity(items.len());
        let mut complete = true;
        for item in items {
            if self.diagnostics.is_enough() {
                return None;
            }
            let field =
                Field { key: None, node: Some(item), path: self.path, diagnostics: &mut *self.diagnostics };
            match field.text() {
                Some(text) => texts.push(text),
                None => complete = false,
            }
        }
        complete.then_some(texts)
    }

    /// A list of anything.
    pub fn items(self) -> Option<&'n [Node]> {
        match &self.node?.value {
            Value::List(items) => Some(items),
            _ => self.expected("a list"),
        }
    }

    /// `true` or `false`.
    pub fn boolean(self) -> Option<Spanned<bool>> {
        let node = self.node?;
        match &node.value {
            Value::Bool(value) => Some(Spanned { value: *value, span: node.span }),
            _ => self.expected("`true` or `false`"),
        }
    }

    /// A whole number within bounds.
    pub fn integer(self, bounds: RangeInclusive<i64>) -> Option<Spanned<i64>> {
        let node = self.node?;
        let wanted = format!("a whole number from {} to {}", bounds.start(), bounds.end());
        match &node.value {
            Value::Integer(value) if bounds.contains(value) => {
                Some(Spanned { value: *value, span: node.span })
            }
            Value::Integer(value) => {
                let message = format!("`{}`: expected {wanted}, found {value}", self.path);
                self.diagnostics.push(Diagnostic::error(codes::BAD_VALUE, message).at(node.span));
                None
            }
            _ => self.expected(&wanted),
        }
    }

    /// A duration such as `30s`, `5m`, `1h` or `7d`, within bounds that are given in seconds.
    pub fn duration(self, seconds: RangeInclusive<u64>) -> Option<Spanned<Duration>> {
        let node = self.node?;
        let Value::Text(text) = &node.value else {
            return self.expected("a duration such as `30s`, `5m` or `1h`");
        };
        let Some(found) = parse_duration(text) else {
            let message =
                format!("`{}`: expected a duration such as `30s`, `5m` or `1h`, found `{text}`", self.path);
            self.diagnostics.push(Diagnostic::error(codes::BAD_VALUE, message).at(node.span));
            return None;
        };
        if !seconds.contains(&found) {
            let (least, most) = (duration_text(*seconds.start()), duration_text(*seconds.end()));
            let message =
                format!("`{}`: expected a duration from {least} to {most}, found `{text}`", self.path);
            self.diagnostics.push(Diagnostic::error(codes::BAD_VALUE, message).at(node.span));
            return None;
        }
        Some(Spanned { value: Duration::from_secs(found), span: node.span })
    }

    /// One of a few words.
    pub fn one_of<T: Copy>(self, choices: &[(&'static str, T)]) -> Option<Spanned<T>> {
        let node = self.node?;
        let all = || choices.iter().map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let Value::Text(text) = &node.value else {
            let wanted = format!("one of {}", all());
            return self.expected(&wanted);
        };
        if let Some((_, value)) = choices.iter().find(|(name, _)| name == text) {
            return Some(Spanned { value: *value, span: node.span });
        }
        let help = closest(text, choices.iter().map(|(name, _)| *name))
            .map(|meant| format!("did you mean `{meant}`?"));
        let message = format!("`{}`: expected one of {}, found `{text}`", self.path, all());
        self.diagnostics.push(Diagnostic::error(codes::BAD_VALUE, message).at(node.span).maybe_help(help));
        None
    }

    fn expected<T>(self, wanted: &str) -> Option<T> {
        if let Some(node) = self.node {
            wrong_kind(node, &self.path.to_string(), wanted, self.diagnostics);
        }
        None
    }
}

/// Reports that a value is of the wrong kind: `{path}: expected {wanted}, found …`. What was refused when the file was
/// read has been reported, and is passed over.
pub fn wrong_kind(node: &Node, path: &str, wanted: &str, diagnostics: &mut Diagnostics) {
    if node.value == Value::Refused {
        return;
    }
    let name = if path.is_empty() { String::new() } else { format!("`{path}`: ") };
    let message = format!("{name}expected {wanted}, found {}", node.value.kind());
    let help = match &node.value {
        Value::Bool(_) | Value::Integer(_) | Value::Float(_) if wanted.contains("text") => {
            Some("put it in quotes to make it a text".to_owned())
        }
        Value::Text(text) if matches!(text.as_str(), "yes" | "on" | "y") => Some("write `true`".to_owned()),
        Value::Text(text) if matches!(text.as_str(), "no" | "off" | "n") => Some("write `false`".to_owned()),
        _ => None,
    };
    diagnostics.push(Diagnostic::error(codes::WRONG_TYPE, message).at(node.span).maybe_help(help));
}

fn parse_duration(text: &str) -> Option<u64> {
    let unit = text.chars().last()?;
    let number = text.strip_suffix(unit)?;
    let seconds: u64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 60 * 60,
        'd' => 24 * 60 * 60,
        _ => return None,
    };
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    number.parse::<u64>().ok()?.checked_mul(seconds)
}

fn duration_text(seconds: u64) -> String {
    match seconds {
        0 => "0s".to_owned(),
        n if n % 86_400 == 0 => format!("{}d", n / 86_400),
        n if n % 3600 == 0 => format!("{}h", n / 3600),
        n if n % 60 == 0 => format!("{}m", n / 60),
        n => format!("{n}s"),
    }
}
