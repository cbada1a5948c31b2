//! TOML into the same tree as YAML and JSON (TOML 1.1.0).
//!
//! Built from the parser's events, like the YAML tree and for the same reasons: every part knows its place, and all
//! problems of the file are reported at once. Dates have no counterpart in JSON and are refused. Behind a syntax error
//! nothing means what it seems to, so reading ends there.

mod tables;
mod words;

use std::{borrow::Cow, cell::Cell};

use toml_parser::{
    ErrorSink, ParseError, Source, Span as Bytes,
    decoder::{Encoding, ScalarKind},
    parser::{EventReceiver, RecursionGuard, ValidateWhitespace, parse_document},
};

use self::tables::{Kind, ROOT, Slot, Tables, check_depth, refused};
use super::{Key, MAX_DEPTH, Node, Span, Value, limits::Most, places::Places, verbatim};
use crate::{
    codes,
    diagnostic::{Diagnostic, Diagnostics, FileId},
};

/// How many tokens a key or value may have: a quote, a sign behind it, a space, a comment, the end of its line.
const TOKENS: usize = 3;

pub(super) fn tree(file: FileId, text: &str, most: Most<'_>, diagnostics: &mut Diagnostics) -> Option<Node> {
    let source = Source::new(text);
    let most_tokens = most.values.saturating_mul(TOKENS);
    let tokens: Vec<_> = source.lex().take(most_tokens.saturating_add(1)).collect();
    let places = Places::new(file, text);
    // The parser cannot be stopped, so what would keep it busy is not given to it.
    if let Some(token) = tokens.get(most_tokens) {
        let at = places.span(token.span().start(), token.span().end());
        diagnostics.push_some(most.check(usize::MAX, 0, at).err().map(|found| *found));
        return None;
    }
    let stopped = Cell::new(false);
    let mut errors = First { error: None, stopped: &stopped };
    let mut reader = Reader {
        source,
        tables: Tables::new(places.span(0, 0)),
        places: &places,
        most,
        diagnostics,
        path: Vec::new(),
        current: ROOT,
        section: 0,
        header: None,
        open: Vec::new(),
        targets: Vec::new(),
        stopped: &stopped,
        is_empty: true,
    };
    let mut checked = ValidateWhitespace::new(&mut reader, source);
    // Our own bound is met first, so that there is one message for it.
    let most = u32::try_from(MAX_DEPTH + 8).unwrap_or(u32::MAX);
    parse_document(&tokens, &mut RecursionGuard::new(&mut checked, most), &mut errors);
    let tables = reader.tables;
    if let Some(error) = errors.error {
        diagnostics.push(words::finding(&places, text, &error));
    }
    (!stopped.get()).then(|| tables.into_node())
}

/// Keeps the first syntax error and makes the reader stop.
struct First<'s> {
    error: Option<ParseError>,
    stopped: &'s Cell<bool>,
}

impl ErrorSink for First<'_> {
    fn report_error(&mut self, error: ParseError) {
        if !self.stopped.replace(true) {
            self.error = Some(error);
        }
    }
}

/// A list or a table in braces whose end has not been seen.
enum Open {
    List { span: Span, depth: usize, items: Vec<Slot> },
    Table(usize),
}

/// Where the next value goes; `None` if its key was refused.
type Target = Option<(usize, Key)>;

struct Reader<'t, 'd> {
    source: Source<'t>,
    places: &'d Places<'t>,
    most: Most<'d>,
    diagnostics: &'d mut Diagnostics,
    tables: Tables,
    /// The keys of the path that is being read.
    path: Vec<Key>,
    /// The table of the last header.
    current: usize,
    /// How many headers there were.
    section: usize,
    /// Where a header that is being read starts, and whether it is one of `[[…]]`.
    header: Option<(usize, bool)>,
    open: Vec<Open>,
    targets: Vec<Target>,
    stopped: &'d Cell<bool>,
    is_empty: bool,
}

impl Reader<'_, '_> {
    fn span(&self, bytes: Bytes) -> Span {
        self.places.span(bytes.start(), bytes.end())
    }

    fn stop(&mut self, finding: Diagnostic) {
        self.diagnostics.push(finding);
        self.stopped.set(true);
    }

    /// Reports; what is too deep ends the reading.
    fn refuse(&mut self, finding: Diagnostic) {
        if finding.code == codes::LIMIT {
            return self.stop(finding);
        }
        self.diagnostics.push(finding);
        if self.diagnostics.is_enough() {
            self.stopped.set(true);
        }
    }

    /// Counts a key or value; what is one too many ends the reading.
    fn count(&mut self, entries: usize, at: Span) {
        if let Err(finding) = self.most.check(self.diagnostics.count_values(1), entries, at) {
            self.stop(*finding);
        }
    }

    /// The depth of a list or table that opens here.
    fn depth(&self) -> usize {
        match (self.open.last(), self.targets.last()) {
            (Some(Open::List { depth, .. }), _) => depth + 1,
            (_, Some(Some((table, _)))) => self.tables.depth(*table) + 1,
            (Some(Open::Table(table)), _) => self.tables.depth(*table) + 1,
            (None, _) => self.tables.depth(self.current) + 1,
        }
    }

    fn attach(&mut self, slot: Slot) {
        if let Some(Open::List { items, span, .. }) = self.open.last_mut() {
            items.push(slot);
            let (entries, at) = (items.len(), *span);
            self.count(entries, at);
        } else if let Some(Some((table, key))) = self.targets.pop() {
            let at = key.span;
            let entries = self.tables.insert(table, key, slot);
            self.count(entries, at);
        }
    }

    fn close_header(&mut self, bytes: Bytes) {
        if self.stopped.get() {
            return;
        }
        let Some((start, is_list)) = self.header.take() else { return };
        let path = std::mem::take(&mut self.path);
        let span = self.places.span(start, bytes.end());
        self.section += 1;
        self.count(0, span);
        self.current = match self.tables.header(&path, span, is_list) {
            Ok(table) => table,
            Err(finding) => {
                self.refuse(*finding);
                // Its entries are read all the same: they may hold further problems.
                self.tables.add(Kind::Header, span, 2)
            }
        };
    }

    /// The value of a scalar, and its text if it is one that stands there as it is.
    fn value(&mut self, bytes: Bytes, encoding: Option<Encoding>, error: &mut dyn ErrorSink) -> Node {
        let span = self.span(bytes);
        let Some(raw) = self.source.get(bytes) else { return refused(span) };
        let raw = toml_parser::Raw::new_unchecked(raw.as_str(), encoding, bytes);
        let mut text = Cow::Borrowed("");
        let value = match raw.decode_scalar(&mut text, error) {
            ScalarKind::String => {
                let verbatim = verbatim(raw.as_str(), &text, span);
                return Node { value: Value::Text(text.into_owned()), span, verbatim };
            }
            ScalarKind::Boolean(value) => Value::Bool(value),
            ScalarKind::Integer(radix) => match i64::from_str_radix(&text, radix.value()) {
                Ok(value) => Value::Integer(value),
                Err(_) => text.parse().map_or(Value::Refused, Value::Float),
            },
            ScalarKind::Float => text.parse().map_or(Value::Refused, Value::Float),
            ScalarKind::DateTime => Value::Refused,
        };
        if value == Value::Refused && !self.stopped.get() {
            let finding =
                Diagnostic::error(codes::NOT_IN_FORMAT, "dates and times are not part of the format");
            let finding = finding.at(span).help("put it in quotes to make it a text");
            self.refuse(finding);
        }
        Node { value, span, verbatim: None }
    }
}

impl EventReceiver for Reader<'_, '_> {
    fn std_table_open(&mut self, bytes: Bytes, _: &mut dyn ErrorSink) {
        (self.header, self.path) = (Some((bytes.start(), false)), Vec::new());
    }

    fn std_table_close(&mut self, bytes: Bytes, _: &mut dyn ErrorSink) {
        self.close_header(bytes);
    }

    fn array_table_open(&mut self, bytes: Bytes, _: &mut dyn ErrorSink) {
        (self.header, self.path) = (Some((bytes.start(), true)), Vec::new());
    }

    fn array_table_close(&mut self, bytes: Bytes, _: &mut dyn ErrorSink) {
        self.close_header(bytes);
    }

    fn simple_key(&mut self, bytes: Bytes, encoding: Option<Encoding>, error: &mut dyn ErrorSink) {
        let span = self.span(bytes);
        if std::mem::take(&mut self.is_empty) {
            self.tables.start_at(ROOT, span);
        }
        let Some(raw) = self.source.get(bytes).filter(|_| !self.stopped.get()) else { return };
        // A path that is longer than any tree is deep leads nowhere, and its keys need not be kept.
        if let Err(finding) = check_depth(self.path.len(), span) {
            return self.stop(*finding);
        }
        let mut text = Cow::Borrowed("");
        toml_parser::Raw::new_unchecked(raw.as_str(), encoding, bytes).decode_key(&mut text, error);
        let verbatim = verbatim(raw.as_str(), &text, span);
        self.count(0, span);
        self.path.push(Key::new(text.into_owned(), span, verbatim));
    }

    fn key_val_sep(&mut self, _: Bytes, _: &mut dyn ErrorSink) {
        let mut path = std::mem::take(&mut self.path);
        let Some(key) = path.pop().filter(|_| !self.stopped.get()) else { return };
        let base = match self.open.last() {
            Some(Open::Table(table)) => *table,
            _ => self.current,
        };
        // Tables in braces have sections of their own: nobody else can add to them.
        let found = self.tables.dotted(base, &path, self.section).and_then(|table| {
            self.tables.check_new(table, &key)?;
            Ok(table)
        });
        let target = match found {
            Ok(table) => Some((table, key)),
            Err(finding) => {
                self.refuse(*finding);
                None
            }
        };
        self.targets.push(target);
    }

    fn scalar(&mut self, bytes: Bytes, encoding: Option<Encoding>, error: &mut dyn ErrorSink) {
        if !self.stopped.get() {
            let node = self.value(bytes, encoding, error);
            self.attach(Slot::Node(node));
        }
    }

    fn array_open(&mut self, bytes: Bytes, _: &mut dyn ErrorSink) -> bool {
        if self.stopped.get() {
            return false;
        }
        let (span, depth) = (self.span(bytes), self.depth());
        if let Err(finding) = check_depth(depth, span) {
            self.stop(*finding);
            return false;
        }
        self.open.push(Open::List { span, depth, items: Vec::new() });
        true
    }

    fn array_close(&mut self, bytes: Bytes, _: &mut dyn ErrorSink) {
        if self.stopped.get() {
            return;
        }
        if let Some(Open::List { span, items, .. }) = self.open.pop() {
            let end = self.span(bytes);
            let span = Span { end_line: end.end_line, end_column: end.end_column, end: end.end, ..span };
            self.attach(Slot::List { span, items });
        }
    }

    fn inline_table_open(&mut self, bytes: Bytes, _: &mut dyn ErrorSink) -> bool {
        if self.stopped.get() {
            return false;
        }
        let (span, depth) = (self.span(bytes), self.depth());
        if let Err(finding) = check_depth(depth, span) {
            self.stop(*finding);
            return false;
        }
        let table = self.tables.add(Kind::Inline, span, depth);
        self.open.push(Open::Table(table));
        true
    }

    fn inline_table_close(&mut self, bytes: Bytes, _: &mut dyn ErrorSink) {
        if self.stopped.get() {
            return;
        }
        if let Some(Open::Table(table)) = self.open.pop() {
            let end = self.span(bytes);
            self.tables.end_at(table, end);
            self.attach(Slot::Table(table));
        }
    }
}

#[cfg(test)]
mod tests;
