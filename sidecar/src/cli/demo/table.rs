//! The demo's table: who may do what, as it was answered.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use super::ask::{Cell, Row};

pub(super) const BOLD: Style = Style::new().bold();
pub(super) const DIM: Style = Style::new().dimmed();
pub(super) const GREEN: Style = AnsiColor::Green.on_default();
pub(super) const RED: Style = AnsiColor::Red.on_default();

/// Room for a status, or for two that differ.
const CELL_WIDTH: usize = 9;

/// Writes the rows under `columns`, aligned.
pub(super) fn write(out: &mut dyn Write, columns: &[&str], rows: &[Row]) -> io::Result<()> {
    let request_width = rows.iter().map(|row| row.request().len()).max().unwrap_or(0) + 2;
    let requires_width = rows.iter().map(|row| row.requirement.len()).max().unwrap_or(0) + 2;
    write!(out, "  {BOLD}{:request_width$}{:requires_width$}", "request", "requires")?;
    for column in columns {
        write!(out, "{column:CELL_WIDTH$}")?;
    }
    writeln!(out, "refused as{BOLD:#}")?;
    for row in rows {
        write!(out, "  {:request_width$}{DIM}{:requires_width$}{DIM:#}", row.request(), row.requirement)?;
        for cell in &row.cells {
            let style = if !cell.is_as_expected() {
                RED.invert()
            } else if cell.sidecar.status.is_success() {
                GREEN
            } else {
                RED
            };
            let text = text(cell);
            write!(out, "{style}{text}{style:#}{:1$}", "", CELL_WIDTH.saturating_sub(text.chars().count()))?;
        }
        writeln!(out, "{DIM}{}{DIM:#}", reasons(row))?;
    }
    Ok(())
}

/// The reason codes of the row, each once, as the sidecar gave them.
fn reasons(row: &Row) -> String {
    let mut codes: Vec<&str> = row.cells.iter().filter_map(|cell| cell.sidecar.code.as_deref()).collect();
    codes.dedup();
    codes.join(", ")
}

/// One status where the doors agree, both where they do not.
fn text(cell: &Cell) -> String {
    let (sidecar, layer) = (cell.sidecar.status.as_u16(), cell.layer.status.as_u16());
    if sidecar == layer { sidecar.to_string() } else { format!("{sidecar}≠{layer}") }
}
