//! The tables of a TOML file while it is read, and the rules of who may add to which (TOML 1.1.0, "Table").
//!
//! A table is written once: by a header, by dotted keys of one section, or in braces. A header may open tables below one
//! that was written; nothing may add to a table in braces. TOML lets dotted keys of a later section add to a table that an
//! earlier section only passed through; that is refused here too, because it hides an entry far from its table.

use std::collections::HashMap;

use super::super::{Key, MAX_DEPTH, Node, Span, Value};
use crate::{codes, diagnostic::Diagnostic};

/// A value, or a table that may still grow.
pub(super) enum Slot {
    Node(Node),
    List {
        span: Span,
        items: Vec<Slot>,
    },
    Table(usize),
    /// `[[name]]`, once or more often.
    Tables(Vec<usize>),
}

/// How a table came to be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Only passed through by a longer header.
    Passed,
    /// Written as a header.
    Header,
    /// Made by dotted keys in the section of this number.
    Dotted(usize),
    /// Written in braces.
    Inline,
}

struct Table {
    kind: Kind,
    span: Span,
    depth: usize,
    entries: Vec<(Key, Slot)>,
    numbers: HashMap<String, usize>,
}

pub(super) struct Tables(Vec<Table>);

pub(super) const ROOT: usize = 0;

impl Tables {
    pub(super) fn new(start: Span) -> Self {
        let mut tables = Self(Vec::new());
        tables.add(Kind::Header, start, 1);
        tables
    }

    pub(super) fn add(&mut self, kind: Kind, span: Span, depth: usize) -> usize {
        self.0.push(Table { kind, span, depth, entries: Vec::new(), numbers: HashMap::new() });
        self.0.len() - 1
    }

    pub(super) fn depth(&self, table: usize) -> usize {
        self.0.get(table).map_or(0, |table| table.depth)
    }

    pub(super) fn start_at(&mut self, table: usize, span: Span) {
        if let Some(table) = self.0.get_mut(table) {
            table.span = span;
        }
    }

    pub(super) fn end_at(&mut self, table: usize, span: Span) {
        if let Some(table) = self.0.get_mut(table) {
            table.span.end_line = span.end_line;
            table.span.end_column = span.end_column;
            table.span.end = span.end;
        }
    }

    fn find(&self, table: usize, key: &str) -> Option<&(Key, Slot)> {
        let table = self.0.get(table)?;
        table.entries.get(*table.numbers.get(key)?)
    }

    /// Adds an entry, and tells how many there are now.
    pub(super) fn insert(&mut self, table: usize, key: Key, slot: Slot) -> usize {
        let Some(table) = self.0.get_mut(table) else { return 0 };
        table.numbers.insert(key.text.clone(), table.entries.len());
        table.entries.push((key, slot));
        table.entries.len()
    }

    /// Whether the key may still be written.
    pub(super) fn check_new(&self, table: usize, key: &Key) -> Result<(), Box<Diagnostic>> {
        match self.find(table, &key.text) {
            None => Ok(()),
            Some((first, _)) => Err(twice(key, first)),
        }
    }

    /// The table that dotted keys before the last one lead to.
    pub(super) fn dotted(
        &mut self,
        mut table: usize,
        path: &[Key],
        section: usize,
    ) -> Result<usize, Box<Diagnostic>> {
        for key in path {
            table = match self.find(table, &key.text) {
                None => self.open(table, key, Kind::Dotted(section))?,
                Some((_, Slot::Table(next))) if self.kind(*next) == Some(Kind::Dotted(section)) => *next,
                Some((first, _)) => return Err(complete(key, first)),
            };
        }
        Ok(table)
    }

    /// The table of the header `[path.key]`, or a new one of `[[path.key]]`.
    pub(super) fn header(
        &mut self,
        path: &[Key],
        span: Span,
        is_list: bool,
    ) -> Result<usize, Box<Diagnostic>> {
        let Some((last, path)) = path.split_last() else { return Ok(ROOT) };
        let mut table = ROOT;
        for key in path {
            table = match self.find(table, &key.text) {
                None => self.open(table, key, Kind::Passed)?,
                Some((_, Slot::Table(next))) if self.kind(*next) != Some(Kind::Inline) => *next,
                Some((first, Slot::Tables(all))) => match all.last() {
                    Some(next) => *next,
                    None => return Err(complete(key, first)),
                },
                Some((first, _)) => return Err(complete(key, first)),
            };
        }
        let found = match self.find(table, &last.text) {
            None => {
                let depth = self.depth(table) + if is_list { 2 } else { 1 };
                check_depth(depth, last.span)?;
                let new = self.add(Kind::Header, span, depth);
                let slot = if is_list { Slot::Tables(vec![new]) } else { Slot::Table(new) };
                self.insert(table, last.clone(), slot);
                return Ok(new);
            }
            Some((first, slot)) => match slot {
                Slot::Table(next) if !is_list && self.kind(*next) == Some(Kind::Passed) => *next,
                Slot::Tables(_) if is_list => {
                    let depth = self.depth(table) + 2;
                    let new = self.add(Kind::Header, span, depth);
                    self.push(table, &last.text, new);
                    return Ok(new);
                }
                _ => return Err(twice(last, first)),
            },
        };
        if let Some(table) = self.0.get_mut(found) {
            (table.kind, table.span) = (Kind::Header, span);
        }
        Ok(found)
    }

    fn push(&mut self, table: usize, key: &str, new: usize) {
        let Some(table) = self.0.get_mut(table) else { return };
        let entry = table.numbers.get(key).and_then(|number| table.entries.get_mut(*number));
        if let Some((_, Slot::Tables(all))) = entry {
            all.push(new);
        }
    }

    fn open(&mut self, table: usize, key: &Key, kind: Kind) -> Result<usize, Box<Diagnostic>> {
        let depth = self.depth(table) + 1;
        check_depth(depth, key.span)?;
        let new = self.add(kind, key.span, depth);
        self.insert(table, key.clone(), Slot::Table(new));
        Ok(new)
    }

    fn kind(&self, table: usize) -> Option<Kind> {
        self.0.get(table).map(|table| table.kind)
    }

    /// The finished tree; its depth was bounded when it grew.
    pub(super) fn into_node(mut self) -> Node {
        self.table(ROOT)
    }

    fn table(&mut self, number: usize) -> Node {
        let Some(table) = self.0.get_mut(number) else { return refused(Span::default()) };
        let (span, entries) = (table.span, std::mem::take(&mut table.entries));
        let entries = entries.into_iter().map(|(key, slot)| {
            let node = self.slot(slot, key.span);
            (key, node)
        });
        Node { value: Value::Map(entries.collect()), span, verbatim: None }
    }

    fn slot(&mut self, slot: Slot, key: Span) -> Node {
        let (span, items) = match slot {
            Slot::Node(node) => return node,
            Slot::Table(table) => return self.table(table),
            Slot::List { span, items } => {
                (span, items.into_iter().map(|item| self.slot(item, key)).collect())
            }
            Slot::Tables(all) => (key, all.into_iter().map(|table| self.table(table)).collect()),
        };
        Node { value: Value::List(items), span, verbatim: None }
    }
}

pub(super) fn refused(span: Span) -> Node {
    Node { value: Value::Refused, span, verbatim: None }
}

pub(super) fn check_depth(depth: usize, at: Span) -> Result<(), Box<Diagnostic>> {
    if depth <= MAX_DEPTH {
        return Ok(());
    }
    let message = format!("lists and maps are nested deeper than {MAX_DEPTH} levels");
    Err(Box::new(Diagnostic::error(codes::LIMIT, message).at(at)))
}

fn twice(key: &Key, first: &Key) -> Box<Diagnostic> {
    let finding = Diagnostic::error(codes::DUPLICATE, format!("the key `{}` is written twice", key.text));
    Box::new(finding.at(key.span).related(first.span, "first written here").help("keep one of them"))
}

fn complete(key: &Key, first: &Key) -> Box<Diagnostic> {
    let message = format!("`{}` is complete where it is written first; nothing can be added here", key.text);
    let finding = Diagnostic::error(codes::DUPLICATE, message).at(key.span);
    Box::new(finding.related(first.span, "first written here").help("write all of its entries in one place"))
}
