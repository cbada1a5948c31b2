//! Findings as text for a terminal or a log.
//!
//! One place is shown with its line and a row of carets; several places are shown as a list, one line each, because
//! what matters then is how they differ.

use std::{collections::HashMap, fmt::Write as _};

use super::{Diagnostic, Diagnostics, Severity, Span};

/// Longer lines are shown only around the marked text: a file may be one line of a megabyte.
const MOST_COLUMNS: usize = 140;
/// How many columns are shown before the marked text of such a line.
const COLUMNS_BEFORE: usize = 40;

/// Up to how many warnings that say the same are shown one by one.
const MOST_ALIKE: usize = 3;
/// How many further places of one warning are named.
const MOST_PLACES: usize = 6;

const RED: &str = "\u{1b}[1;31m";
const YELLOW: &str = "\u{1b}[1;33m";
const BLUE: &str = "\u{1b}[1;34m";
const BOLD: &str = "\u{1b}[1m";
const RESET: &str = "\u{1b}[0m";

struct Paint(bool);

impl Paint {
    fn with(&self, style: &str, text: &str) -> String {
        if self.0 { format!("{style}{text}{RESET}") } else { text.to_owned() }
    }
}

fn style(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => RED,
        Severity::Warning => YELLOW,
    }
}

pub(super) fn all(diagnostics: &Diagnostics, color: bool) -> String {
    let paint = Paint(color);
    let mut out = String::new();
    let alike = |finding: &Diagnostic| {
        let plain = finding.severity == Severity::Warning && finding.related.is_empty();
        plain.then(|| (finding.code, finding.message.clone()))
    };
    let mut counts: HashMap<(&str, String), usize> = HashMap::new();
    diagnostics.into_iter().filter_map(alike).for_each(|key| *counts.entry(key).or_default() += 1);
    counts.retain(|_, count| *count > MOST_ALIKE);
    for finding in diagnostics {
        match alike(finding).and_then(|key| counts.get_mut(&key)) {
            None => one(&mut out, diagnostics, finding, &paint),
            Some(0) => {}
            Some(count) => {
                *count = 0;
                one(&mut out, diagnostics, finding, &paint);
                also(&mut out, diagnostics, finding, &paint);
            }
        }
    }
    if diagnostics.is_cut() {
        line(&mut out, "… and more; what is wrong behind these was not looked for");
    } else if let Some(more) = numbers(diagnostics.omitted()) {
        line(&mut out, format!("… and {more} more"));
    }
    if diagnostics.is_left_off() {
        line(&mut out, "… how so many rules go together is looked at when this is mended");
    }
    out
}

/// The other places of a warning that says the same of several: their lines are enough.
fn also(out: &mut String, diagnostics: &Diagnostics, first: &Diagnostic, paint: &Paint) {
    let same = |other: &&Diagnostic| other.code == first.code && other.message == first.message;
    let others: Vec<String> = diagnostics
        .into_iter()
        .filter(same)
        .filter_map(|other| other.span)
        .skip(1)
        .map(|span| format!("{}:{}", diagnostics.file_name(span.file), span.line))
        .collect();
    if others.is_empty() {
        return;
    }
    let margin = first.span.map_or(1, |span| span.line.to_string().len());
    let shown = others.iter().take(MOST_PLACES).map(|place| printable(place)).collect::<Vec<_>>().join(", ");
    let more = match others.len().checked_sub(MOST_PLACES).filter(|more| *more > 0) {
        Some(more) => format!(" and {more} more"),
        None => String::new(),
    };
    line(out, format!("{:margin$} {} also: {shown}{more}", "", paint.with(BLUE, "=")));
}

/// `1 error, 2 warnings`, or nothing.
fn numbers((errors, warnings): (usize, usize)) -> Option<String> {
    match (errors, warnings) {
        (0, 0) => None,
        (errors, 0) => Some(counted(errors, "error")),
        (0, warnings) => Some(counted(warnings, "warning")),
        (errors, warnings) => Some(format!("{}, {}", counted(errors, "error"), counted(warnings, "warning"))),
    }
}

fn one(out: &mut String, diagnostics: &Diagnostics, finding: &Diagnostic, paint: &Paint) {
    let head =
        paint.with(style(finding.severity), &format!("{}[{}]", finding.severity.as_str(), finding.code));
    line(out, format!("{head}: {}", paint.with(BOLD, &printable(&finding.message))));
    let mut margin = 1;
    if let Some(span) = finding.span {
        if finding.related.is_empty() {
            margin = span.line.to_string().len();
            snippet(out, diagnostics, finding, span, paint);
        } else {
            places(out, diagnostics, finding, span, paint);
            margin = 2;
        }
    }
    if let Some(help) = &finding.help {
        let mut rest = help.lines();
        let sign = paint.with(BLUE, "=");
        line(out, format!("{:margin$} {sign} help: {}", "", printable(rest.next().unwrap_or_default())));
        for more in rest {
            line(out, format!("{:margin$}         {}", "", printable(more)).trim_end());
        }
    }
}

fn snippet(out: &mut String, diagnostics: &Diagnostics, finding: &Diagnostic, span: Span, paint: &Paint) {
    let number = span.line.to_string();
    let margin = number.len();
    line(out, format!("{:margin$}{} {}", "", paint.with(BLUE, "-->"), position(diagnostics, span)));
    let Some(text) = diagnostics.source(span.file).and_then(|source| source.line(span.line)) else { return };
    let shown = window(text, span);
    line(out, format!("{} {}", paint.with(BLUE, &format!("{number} |")), shown.text).trim_end());
    let carets = paint.with(style(finding.severity), &"^".repeat(shown.carets));
    let label = finding.label.as_deref().map(|label| format!(" {}", printable(label))).unwrap_or_default();
    let bar = paint.with(BLUE, "|");
    line(out, format!("{:margin$} {bar} {:before$}{carets}{label}", "", "", before = shown.before));
}

/// The rows of a finding with several places; the texts of one file's rows stand under each other.
fn places(out: &mut String, diagnostics: &Diagnostics, finding: &Diagnostic, span: Span, paint: &Paint) {
    let rows: Vec<(Span, &str)> = std::iter::once((span, finding.label.as_deref().unwrap_or_default()))
        .chain(finding.related.iter().map(|related| (related.span, related.note.as_str())))
        .collect();
    for (span, note) in &rows {
        let width = rows
            .iter()
            .filter(|(other, _)| other.file == span.file)
            .map(|(other, _)| position(diagnostics, *other).chars().count())
            .max()
            .unwrap_or_default();
        let text =
            diagnostics.source(span.file).and_then(|source| source.line(span.line)).unwrap_or_default();
        let text = window(text.trim(), Span { column: 1, end_column: 2, ..*span }).text;
        let note = if note.is_empty() { String::new() } else { format!("   ({})", printable(note)) };
        let arrow = paint.with(BLUE, "-->");
        let row = format!("  {arrow} {:width$}   {text}{note}", position(diagnostics, *span));
        line(out, row.trim_end());
    }
}

pub(super) fn summary(diagnostics: &Diagnostics, about: &str) -> String {
    let found = numbers((diagnostics.errors(), diagnostics.warnings()));
    let mut out = found.unwrap_or_else(|| "no findings".to_owned());
    if !about.is_empty() {
        let _ = write!(out, "; {about}");
    }
    let first = diagnostics.iter().min_by_key(|finding| finding.severity);
    if let Some(finding) = first {
        let _ = write!(out, "    see `orgate help {}`", finding.code);
    }
    out
}

fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

fn position(diagnostics: &Diagnostics, span: Span) -> String {
    format!("{}:{}:{}", printable(diagnostics.file_name(span.file)), span.line, span.column)
}

fn line(out: &mut String, text: impl AsRef<str>) {
    out.push_str(text.as_ref());
    out.push('\n');
}

struct Window {
    text: String,
    /// Columns before the carets.
    before: usize,
    carets: usize,
}

/// The part of `text` to show, and where the carets go in it. Of a long line no more is looked at than what stands before
/// the marked text and is shown.
fn window(text: &str, span: Span) -> Window {
    let text = text.trim_end();
    let length = text.chars().take(MOST_COLUMNS + 1).count();
    let at = |column: u32| usize::try_from(column).unwrap_or(usize::MAX).saturating_sub(1);
    let end = if span.end_line > span.line { usize::MAX } else { at(span.end_column) };
    if length <= MOST_COLUMNS {
        let column = at(span.column).min(length);
        let carets = end.min(length).saturating_sub(column).max(1);
        return Window { text: printable(text), before: column, carets };
    }
    let (start, column) = start_of(text, span);
    let skipped = column.saturating_sub(COLUMNS_BEFORE);
    let before = text.get(..start).unwrap_or_default().chars().rev().take(column - skipped);
    let start = start - before.map(char::len_utf8).sum::<usize>();
    let mut rest = text.get(start..).unwrap_or_default().chars();
    let mut shown = printable(&rest.by_ref().take(MOST_COLUMNS).collect::<String>());
    let width = shown.chars().count();
    if skipped > 0 {
        shown.insert(0, '…');
    }
    if rest.next().is_some() {
        shown.push('…');
    }
    let before = column - skipped + usize::from(skipped > 0);
    let inside = end.saturating_sub(skipped).min(width) + usize::from(skipped > 0);
    Window { text: shown, before, carets: inside.saturating_sub(before).max(1) }
}

/// The byte and the column, from 0, at which the marked text of a line starts.
fn start_of(line: &str, span: Span) -> (usize, usize) {
    let column = usize::try_from(span.column).unwrap_or(usize::MAX).saturating_sub(1);
    if line.is_ascii() {
        let column = column.min(line.len());
        return (column, column);
    }
    let mut before = 0;
    let byte = line.char_indices().inspect(|_| before += 1).nth(column).map(|(byte, _)| byte);
    byte.map_or((line.len(), before), |byte| (byte, column))
}

/// `text` without anything that acts on a terminal; one character stays one character, so that carets fit.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\t' => ' ',
            c if super::is_hidden(c) => '\u{fffd}',
            c => c,
        })
        .collect()
}
