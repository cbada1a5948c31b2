//! The formatter: from the text of a policy to the same policy, easier to read.
//!
//! It touches the section `rules:` only, where each rule stands on lines of its own. Rules are sorted within paragraphs,
//! which blank lines separate; the comments directly above a rule and behind it go with it, and a comment that stands
//! alone stays where it is. The requirements of a paragraph begin in one column, and so do the comments behind them.
//!
//! What comes out is read again and compared with what went in: a text that would mean something else is never given.

use orgate_config::{
    diagnostic::Diagnostics,
    document::{self, Key, Node, Value},
};

use super::order::{Rank, rank};

/// Keys that are longer do not push the column of the others away.
const WIDEST_KEY: usize = 60;
/// Comments are not aligned behind this column.
const WIDEST_LINE: usize = 110;

/// Why a text is not formatted.
#[derive(Debug)]
pub(crate) enum Unformatted {
    /// It is not a document at all; these are the reasons.
    Findings(Diagnostics),
    /// It could be read, and is laid out in a way that is better left alone.
    Other(&'static str),
}

/// The formatted text of a file.
///
/// # Errors
/// [`Unformatted`]; the file should be left as it is.
pub(crate) fn format(name: &str, bytes: &[u8]) -> Result<String, Unformatted> {
    let before = read(name, bytes)?;
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Err(Unformatted::Other("the file is not UTF-8"));
    };
    let is_dos = text.contains("\r\n");
    let unix = text.replace("\r\n", "\n");
    if unix.contains('\r') {
        return Err(Unformatted::Other("a line ends in a lone carriage return"));
    }
    // The places in `before` are those of the text as it was.
    let root = if is_dos { read(name, unix.as_bytes())? } else { before.clone() };
    let Some(mut formatted) = rules_formatted(&root, &unix) else { return Ok(text.to_owned()) };
    if is_dos {
        formatted = formatted.replace('\n', "\r\n");
    }
    let after = read(name, formatted.as_bytes())?;
    if !same(&before.value, &after.value, true) {
        return Err(Unformatted::Other("it is laid out in a way that cannot be moved without changing it"));
    }
    Ok(formatted)
}

fn read(name: &str, bytes: &[u8]) -> Result<Node, Unformatted> {
    let mut diagnostics = Diagnostics::new();
    match document::read(name, bytes, &mut diagnostics) {
        Some(root) if !diagnostics.has_errors() => Ok(root),
        _ => Err(Unformatted::Findings(diagnostics)),
    }
}

/// Whether two values say the same; at the top, the rules may be in another order.
fn same(one: &Value, other: &Value, is_root: bool) -> bool {
    match (one, other) {
        (Value::Map(one), Value::Map(other)) => {
            let entry = |(key, node): &(Key, Node), (other_key, other): &(Key, Node)| {
                let unordered = is_root && key.text == "rules";
                let equal =
                    if unordered { same_rules(node, other) } else { same(&node.value, &other.value, false) };
                key.text == other_key.text && equal
            };
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| entry(one, other))
        }
        (Value::List(one), Value::List(other)) => {
            one.len() == other.len()
                && one.iter().zip(other).all(|(one, other)| same(&one.value, &other.value, false))
        }
        (one, other) => one == other,
    }
}

fn same_rules(one: &Node, other: &Node) -> bool {
    match (one.entries(), other.entries()) {
        (Some(one), Some(others)) => {
            let has = |(key, node): &(Key, Node)| {
                let twin = others.iter().find(|(other, _)| other.text == key.text);
                twin.is_some_and(|(_, twin)| same(&node.value, &twin.value, false))
            };
            one.len() == others.len() && one.iter().all(has)
        }
        _ => same(&one.value, &other.value, false),
    }
}

/// One rule and what belongs to it.
struct Entry<'t> {
    rank: Rank,
    /// The comments directly above it.
    above: Vec<&'t str>,
    lines: Vec<&'t str>,
    cells: Option<Cells<'t>>,
}

/// The parts of a rule that stands on one line.
struct Cells<'t> {
    key: &'t str,
    value: &'t str,
    comment: &'t str,
}

/// What the section consists of.
enum Part<'t> {
    Rules(Vec<Entry<'t>>),
    /// A comment that belongs to no rule.
    Comment(Vec<&'t str>),
}

/// The text with its section `rules:` formatted; `None` if there is nothing that could be.
fn rules_formatted(root: &Node, text: &str) -> Option<String> {
    let lines: Vec<&str> = text.split('\n').collect();
    let sections = root.entries()?;
    let at = sections.iter().position(|(key, _)| key.text == "rules")?;
    let (title, node) = sections.get(at)?;
    let rules = node.entries().filter(|rules| !rules.is_empty())?;
    let section_end = match sections.get(at + 1) {
        Some((next, _)) => line_of(next)?,
        None => lines.len(),
    };
    let title_line = line_of(title)?;
    let starts = starts(rules, &lines)?;
    let first = *starts.first()?;
    // A map in braces has them, and its commas, between the rules.
    let behind_title = slice(text, title.span.end, None)?.lines().next()?.trim_start().strip_prefix(':')?;
    let gap_is_empty = lines.get(title_line + 1..first)?.iter().all(|line| is_gap(line));
    if !is_gap(behind_title) || !gap_is_empty || title_line >= first {
        return None;
    }
    let (parts, rest) = parts(text, &lines, rules, &starts, (title_line + 1, section_end))?;
    let mut out: Vec<String> = lines.get(..=title_line)?.iter().map(|line| (*line).to_owned()).collect();
    for (number, part) in parts.into_iter().enumerate() {
        if number > 0 {
            out.push(String::new());
        }
        match part {
            Part::Comment(comment) => out.extend(comment.into_iter().map(|line| line.trim_end().to_owned())),
            Part::Rules(entries) => paragraph(entries, indentation(lines.get(first)?), &mut out),
        }
    }
    out.extend(lines.get(rest..)?.iter().map(|line| (*line).to_owned()));
    Some(out.join("\n"))
}

fn line_of(key: &Key) -> Option<usize> {
    usize::try_from(key.span.line).ok()?.checked_sub(1)
}

/// The line on which each rule starts, if each starts a line, all in one column.
fn starts(rules: &[(Key, Node)], lines: &[&str]) -> Option<Vec<usize>> {
    let column = rules.first()?.0.span.column;
    let mut starts = Vec::new();
    for (key, _) in rules {
        let line = line_of(key)?;
        let indent = u32::try_from(indentation(lines.get(line)?)).ok()?;
        if key.span.column != column
            || indent + 1 != column
            || starts.last().is_some_and(|last| *last >= line)
        {
            return None;
        }
        starts.push(line);
    }
    Some(starts)
}

fn indentation(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

/// Whether a line holds nothing, or a comment only.
fn is_gap(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#')
}

/// The lines of a rule: the first, and what is indented deeper, with the blank lines in between.
fn body(lines: &[&str], start: usize, limit: usize) -> usize {
    let column = lines.get(start).map_or(0, |line| indentation(line));
    let mut end = start + 1;
    for (number, line) in lines.iter().enumerate().take(limit).skip(start + 1) {
        if line.trim().is_empty() {
            continue;
        }
        if indentation(line) <= column {
            break;
        }
        end = number + 1;
    }
    end
}

/// The parts of the section, and the line behind the last of them.
fn parts<'t>(
    text: &'t str,
    lines: &[&'t str],
    rules: &[(Key, Node)],
    starts: &[usize],
    (mut from, section_end): (usize, usize),
) -> Option<(Vec<Part<'t>>, usize)> {
    let mut parts: Vec<Part<'t>> = Vec::new();
    for (number, ((key, node), start)) in rules.iter().zip(starts).enumerate() {
        let limit = starts.get(number + 1).copied().unwrap_or(section_end);
        let gap = lines.get(from..*start)?;
        if !gap.iter().all(|line| is_gap(line)) {
            return None;
        }
        let mut blocks: Vec<Vec<&'t str>> =
            gap.split(|line| line.trim().is_empty()).map(<[_]>::to_vec).collect();
        // The block that touches the rule is its own; it is empty if a blank line stands above the rule.
        let above = blocks.pop().unwrap_or_default();
        let is_new = !blocks.is_empty() || parts.is_empty();
        parts.extend(blocks.into_iter().filter(|block| !block.is_empty()).map(Part::Comment));
        let end = body(lines, *start, limit);
        let body = lines.get(*start..end)?.to_vec();
        let cells = if body.len() == 1 { cells(text, key, node) } else { None };
        let entry = Entry { rank: rank(&key.text), above, lines: body, cells };
        match parts.last_mut() {
            Some(Part::Rules(entries)) if !is_new => entries.push(entry),
            _ => parts.push(Part::Rules(vec![entry])),
        }
        from = end;
    }
    Some((parts, from))
}

/// The parts of a rule's only line; `None` if it is written in a way of its own.
fn cells<'t>(text: &'t str, key: &Key, node: &Node) -> Option<Cells<'t>> {
    let between = slice(text, key.span.end, Some(node.span.start))?;
    let value = slice(text, node.span.start, Some(node.span.end))?.trim_end();
    let comment = slice(text, node.span.end, None)?.split('\n').next()?.trim();
    let is_plain = between.trim() == ":" && !value.is_empty() && !value.contains('\n');
    let is_comment = comment.is_empty() || comment.starts_with('#');
    let key = slice(text, key.span.start, Some(key.span.end))?;
    (is_plain && is_comment).then_some(Cells { key, value, comment })
}

fn slice(text: &str, start: u32, end: Option<u32>) -> Option<&str> {
    let start = usize::try_from(start).ok()?;
    let end = end.map_or(Some(text.len()), |end| usize::try_from(end).ok())?;
    text.get(start..end)
}

/// The rules of one paragraph, sorted and aligned.
fn paragraph(mut entries: Vec<Entry<'_>>, indent: usize, out: &mut Vec<String>) {
    entries.sort_by(|one, other| one.rank.cmp(&other.rank));
    let width = |text: &str| text.chars().count();
    let cells = || entries.iter().filter_map(|entry| entry.cells.as_ref());
    let keys = cells().map(|cells| width(cells.key)).filter(|width| *width <= WIDEST_KEY).max().unwrap_or(0);
    let line = |cells: &Cells<'_>| {
        let padding = keys.saturating_sub(width(cells.key));
        format!("{:indent$}{}:{:padding$} {}", "", cells.key, "", cells.value)
    };
    let commented = cells().filter(|cells| !cells.comment.is_empty());
    let comments = commented.map(|cells| width(&line(cells)) + 2);
    let comments = comments.filter(|column| *column <= WIDEST_LINE).max().unwrap_or(0);
    for entry in &entries {
        out.extend(entry.above.iter().map(|line| line.trim_end().to_owned()));
        match &entry.cells {
            Some(cells) if cells.comment.is_empty() => out.push(line(cells)),
            Some(cells) => {
                let line = line(cells);
                let padding = comments.saturating_sub(width(&line)).max(2);
                out.push(format!("{line}{:padding$}{}", "", cells.comment));
            }
            None => out.extend(entry.lines.iter().map(|line| (*line).to_owned())),
        }
    }
}

#[cfg(test)]
mod tests;
