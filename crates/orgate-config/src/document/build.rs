//! From the parser's events to the tree.
//!
//! What the language leaves out is reported where it stands and replaced by [`Value::Refused`]; reading goes on. Only a
//! syntax error and a second document end it: behind them no event means what it seems to.

use std::collections::HashMap;

use granit_parser::{Event, Marker, Parser, ScalarStyle, StructureStyle};

use super::{
    Key, MAX_DEPTH, Node, Span, Value,
    limits::Most,
    quick::{self, Read},
    scalar, syntax,
};
use crate::{
    codes,
    diagnostic::{Diagnostic, Diagnostics, FileId},
};

pub(super) fn tree(file: FileId, text: &str, most: Most<'_>, diagnostics: &mut Diagnostics) -> Option<Node> {
    let before = diagnostics.mark();
    let mut builder = Builder::new(file, text, diagnostics);
    match quick::read(file, text, most, &mut builder) {
        Some(Read::Whole) => return builder.root,
        Some(Read::Stopped) => return None,
        None => diagnostics.back_to(before),
    }
    parsed(file, text, most, diagnostics)
}

/// The same by the parser alone.
pub(super) fn parsed(
    file: FileId,
    text: &str,
    most: Most<'_>,
    diagnostics: &mut Diagnostics,
) -> Option<Node> {
    // Our own bound on depth must be met first, so that there is one message for it.
    let mut options = granit_parser::options! {
        disallow_directives: true,
        emit_unresolved_aliases: true,
        emit_anchor_events: true,
        flow_nesting_limit: MAX_DEPTH + 8,
        block_nesting_limit: MAX_DEPTH + 8,
    };
    options.set_emit_comments(false);
    let mut builder = Builder::new(file, text, diagnostics);
    for next in Parser::new_from_str_with_options(text, options) {
        match next {
            Ok((event, span)) => {
                let at = builder.place(&span);
                builder.read_to = span.end.byte_offset().unwrap_or_default();
                let is_end = matches!(event, Event::SequenceEnd | Event::MappingEnd);
                if builder.event(event, &span, at).is_err()
                    || builder.diagnostics.is_enough()
                    || builder.is_too_much(most, usize::from(!is_end), at)
                {
                    return None;
                }
            }
            Err(error) => {
                let finding = syntax::finding(file, text, builder.read_to, &error);
                builder.diagnostics.push(finding);
                return None;
            }
        }
    }
    let nothing = Node { value: Value::Null, span: Span::point(file, 1, 1), verbatim: None };
    Some(builder.root.unwrap_or(nothing))
}

/// Reading cannot go on; the reason was reported.
pub(super) struct Stop;

/// A list or map whose end has not been seen.
pub(super) enum Open {
    List { span: Span, block: bool, items: Vec<Node> },
    Map { span: Span, block: bool, entries: Vec<(Key, Node)>, seen: HashMap<String, Span>, next: Next },
}

/// What the next node of a map is.
pub(super) enum Next {
    Key,
    ValueOf(Key),
    /// The value of a key that was refused.
    Nothing,
}

pub(super) struct Builder<'d> {
    file: FileId,
    text: &'d str,
    diagnostics: &'d mut Diagnostics,
    open: Vec<Open>,
    root: Option<Node>,
    documents: usize,
    /// Everything before this byte was understood.
    read_to: usize,
}

impl<'d> Builder<'d> {
    pub(super) fn new(file: FileId, text: &'d str, diagnostics: &'d mut Diagnostics) -> Self {
        Self { file, text, diagnostics, open: Vec::new(), root: None, documents: 0, read_to: 0 }
    }
}

impl Builder<'_> {
    /// Counts what stands in no value.
    pub(super) fn count(&mut self, values: usize) {
        self.diagnostics.count_values(values);
    }

    /// Whether nothing further may be opened.
    pub(super) fn is_deep(&self) -> bool {
        self.open.len() >= MAX_DEPTH
    }

    /// What was read.
    #[cfg(test)]
    pub(super) fn into_root(self) -> Option<Node> {
        self.root
    }

    /// Whether enough was found.
    pub(super) fn is_enough(&mut self) -> bool {
        self.diagnostics.is_enough()
    }

    /// Counts what an event brought, and reports what is too much.
    pub(super) fn is_too_much(&mut self, most: Most<'_>, values: usize, at: Span) -> bool {
        let entries = match self.open.last() {
            Some(Open::List { items, .. }) => items.len(),
            Some(Open::Map { entries, .. }) => entries.len(),
            None => 0,
        };
        let found = most
            .check(self.diagnostics.count_values(values), entries, at)
            .and_then(|()| self.check_section(most, entries, at))
            .err();
        let is_too_much = found.is_some();
        self.diagnostics.push_some(found.map(|found| *found));
        is_too_much
    }

    /// Whether the section that is being read has no more entries than are counted.
    fn check_section(&self, most: Most<'_>, entries: usize, at: Span) -> Result<(), Box<Diagnostic>> {
        let [Open::Map { next: Next::ValueOf(key), .. }, open] = self.open.as_slice() else { return Ok(()) };
        let last = match open {
            Open::List { items, .. } => items.last().map(|item| item.span),
            Open::Map { entries, .. } => entries.last().map(|(key, _)| key.span),
        };
        most.check_section(&key.text, entries, last.unwrap_or(at))
    }

    fn event(&mut self, event: Event<'_>, raw: &granit_parser::Span, at: Span) -> Result<(), Stop> {
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    self.refuse(at, "a second document starts here", "keep one document in a file");
                    return Err(Stop);
                }
            }
            Event::Anchor(..) => {
                self.refuse(at, "anchors are not part of the format", "write the value out where it is used");
            }
            Event::Alias(..) | Event::UnresolvedAlias(..) => {
                self.refuse(at, "aliases are not part of the format", "write the value out here");
                self.attach(Node { value: Value::Refused, span: at, verbatim: None }, "");
            }
            Event::Scalar(text, style, _, _) => {
                self.refuse_tag(raw);
                self.scalar(&text, style, at);
            }
            Event::SequenceStart(style, ..) => {
                self.refuse_tag(raw);
                let block = style == StructureStyle::Block;
                self.enter(Open::List { span: at, block, items: Vec::new() }, at)?;
            }
            Event::MappingStart(style, ..) => {
                self.refuse_tag(raw);
                let block = style == StructureStyle::Block;
                let (entries, seen, next) = (Vec::new(), HashMap::new(), Next::Key);
                self.enter(Open::Map { span: at, block, entries, seen, next }, at)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.leave(at),
            _ => {}
        }
        Ok(())
    }

    pub(super) fn scalar(&mut self, text: &str, style: ScalarStyle, at: Span) {
        let value = match style {
            ScalarStyle::Plain => scalar::resolve(text),
            _ => Value::Text(text.to_owned()),
        };
        let verbatim = self.verbatim(text, at);
        self.attach(Node { value, span: at, verbatim }, text);
    }

    /// How many bytes lie between the start of a scalar and its characters, if these stand there one for one.
    fn verbatim(&self, text: &str, at: Span) -> Option<u32> {
        let (start, end) = (usize::try_from(at.start).ok()?, usize::try_from(at.end).ok()?);
        super::verbatim(self.text.get(start..end)?, text, at)
    }

    pub(super) fn enter(&mut self, open: Open, at: Span) -> Result<(), Stop> {
        if self.is_deep() {
            self.diagnostics.push(
                Diagnostic::error(
                    codes::LIMIT,
                    format!("lists and maps are nested deeper than {MAX_DEPTH} levels"),
                )
                .at(at),
            );
            return Err(Stop);
        }
        self.open.push(open);
        Ok(())
    }

    pub(super) fn leave(&mut self, end: Span) {
        let (value, mut span, block) = match self.open.pop() {
            Some(Open::List { span, block, items }) => (Value::List(items), span, block),
            Some(Open::Map { span, block, entries, .. }) => (Value::Map(entries), span, block),
            None => return,
        };
        if block {
            // A block has no closing sign; the parser sees its end only at the next line.
            span.end_line = end.line.max(span.line);
            span.end_column = end.column;
            span.end = end.start.max(span.start);
        } else {
            (span.end_line, span.end_column, span.end) = (end.end_line, end.end_column, end.end);
        }
        self.attach(Node { value, span, verbatim: None }, "");
    }

    /// Puts a finished node where it belongs; `written` is the text of a scalar.
    fn attach(&mut self, node: Node, written: &str) {
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return;
        };
        let (entries, seen, next) = match open {
            Open::List { items, .. } => {
                items.push(node);
                return;
            }
            Open::Map { entries, seen, next, .. } => (entries, seen, next),
        };
        match std::mem::replace(next, Next::Key) {
            Next::ValueOf(key) => entries.push((key, node)),
            Next::Nothing => {}
            Next::Key => {
                let checked = key(node, written, seen);
                let finding = match checked {
                    Ok(key) => {
                        seen.insert(key.text.clone(), key.span);
                        *next = Next::ValueOf(key);
                        return;
                    }
                    Err(finding) => finding,
                };
                *next = Next::Nothing;
                self.diagnostics.push_some(finding.map(|finding| *finding));
            }
        }
    }

    fn refuse(&mut self, at: Span, message: &str, help: &str) {
        self.diagnostics.push(Diagnostic::error(codes::NOT_IN_FORMAT, message).at(at).help(help));
    }

    fn refuse_tag(&mut self, raw: &granit_parser::Span) {
        if let Some(span) = raw.tag_span() {
            let at = self.place(&span);
            self.refuse(at, "tags are not part of the format", "remove it; quotes make a value a text");
        } else if let Some(start) = raw.tag_start() {
            let at = point(self.file, &start);
            self.refuse(at, "tags are not part of the format", "remove it; quotes make a value a text");
        }
    }

    fn place(&self, span: &granit_parser::Span) -> Span {
        let start = point(self.file, &span.start);
        let end = point(self.file, &span.end);
        Span { end_line: end.line, end_column: end.column, end: end.start, ..start }
    }
}

/// Checks what stands in the place of a key. `Err(None)`: it is refused and was reported already.
fn key(node: Node, written: &str, seen: &HashMap<String, Span>) -> Result<Key, Option<Box<Diagnostic>>> {
    match node.value {
        Value::Refused => return Err(None),
        Value::List(_) | Value::Map(_) => {
            let message = format!("expected a text as key, found {}", node.value.kind());
            return Err(Some(Box::new(Diagnostic::error(codes::NOT_IN_FORMAT, message).at(node.span))));
        }
        Value::Null if written.is_empty() => {
            let message = "expected a text as key, found nothing";
            return Err(Some(Box::new(Diagnostic::error(codes::NOT_IN_FORMAT, message).at(node.span))));
        }
        _ => {}
    }
    // A quoted "<<" is an ordinary text, but nobody writes one.
    if written == "<<" {
        let finding = Diagnostic::error(codes::NOT_IN_FORMAT, "merge keys are not part of the format");
        return Err(Some(Box::new(finding.at(node.span).help("write the entries out here"))));
    }
    if let Some(first) = seen.get(written) {
        let finding = Diagnostic::error(codes::DUPLICATE, format!("the key `{written}` is written twice"));
        let finding = finding.at(node.span).related(*first, "first written here").help("keep one of them");
        return Err(Some(Box::new(finding)));
    }
    let text = match node.value {
        Value::Text(text) => text,
        _ => written.to_owned(),
    };
    Ok(Key::new(text, node.span, node.verbatim))
}

fn point(file: FileId, marker: &Marker) -> Span {
    let small = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let start = small(marker.byte_offset().unwrap_or_default());
    let (line, column) = (small(marker.line()).max(1), small(marker.col()).saturating_add(1));
    Span { file, line, column, end_line: line, end_column: column, start, end: start }
}
