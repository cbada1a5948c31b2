//! The matrix as text, Markdown and CSV.

use orgate_config::PolicyFile;
use orgate_policy::{Cell, Matrix, MatrixRow};

use super::shown;

/// Aligned columns; the last one says where the rule stands.
pub(super) fn text(file: &PolicyFile, matrix: &Matrix<'_>) -> String {
    let header = ["route", "requires"].into_iter().chain(matrix.roles.iter().copied()).chain(["rule"]);
    let mut rows: Vec<Vec<String>> = vec![header.map(str::to_owned).collect()];
    for row in &matrix.rows {
        let cells = row.cells.iter().map(|cell| shown(*cell).to_owned());
        let start = [row.rule.to_owned(), row.requirement.to_owned()];
        rows.push(start.into_iter().chain(cells).chain([file.position(row.place)]).collect());
    }
    let columns = rows.first().map_or(0, Vec::len);
    let widths: Vec<usize> = (0..columns)
        .map(|at| {
            rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for row in &rows {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    if has_own(matrix) {
        text.push_str("own: only in the caller's own organization\n");
    }
    text
}

/// A table as GitHub and others render it. Without line numbers: it is committed, and must not go stale by a comment.
pub(super) fn markdown(_: &PolicyFile, matrix: &Matrix<'_>) -> String {
    let escape = |text: &str| text.replace('|', "\\|");
    let mut text = String::from("| Route | Requires |");
    matrix.roles.iter().for_each(|role| text.push_str(&format!(" {} |", escape(role))));
    text.push_str("\n|---|---|");
    matrix.roles.iter().for_each(|_| text.push_str(":-:|"));
    text.push('\n');
    for row in &matrix.rows {
        text.push_str(&format!("| `{}` | `{}` |", escape(row.rule), escape(row.requirement)));
        row.cells.iter().for_each(|cell| text.push_str(&format!(" {} |", shown(*cell))));
        text.push('\n');
    }
    if has_own(matrix) {
        text.push_str("\n`own`: only in the caller's own organization.\n");
    }
    text
}

/// RFC 4180, with the words of the JSON form.
pub(super) fn csv(file: &PolicyFile, matrix: &Matrix<'_>) -> String {
    let header = ["rule", "requirement", "file", "line"].into_iter().chain(matrix.roles.iter().copied());
    let mut text = record(header);
    for row in &matrix.rows {
        text.push_str(&record_of(file, row));
    }
    text
}

fn record_of(file: &PolicyFile, row: &MatrixRow<'_>) -> String {
    let line = row.place.line.to_string();
    let start = [row.rule, row.requirement, file.file_name(row.place), line.as_str()];
    record(start.into_iter().chain(row.cells.iter().map(|cell| cell.as_str())))
}

fn record<'f>(fields: impl Iterator<Item = &'f str>) -> String {
    let fields: Vec<String> = fields.map(field).collect();
    fields.join(",") + "\r\n"
}

/// A field; one that a spreadsheet would take for a formula is made a text.
fn field(text: &str) -> String {
    let text = match text.starts_with(['=', '+', '-', '@']) {
        true => format!("'{text}"),
        false => text.to_owned(),
    };
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

fn has_own(matrix: &Matrix<'_>) -> bool {
    matrix.rows.iter().any(|row| row.cells.contains(&Cell::Own))
}
