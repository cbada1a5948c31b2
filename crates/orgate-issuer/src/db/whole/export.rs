//! Everything that is in the database, one line of JSON for each row: leaving is possible.
//!
//! Without secrets, what could be used against somebody is left out: hashes of passwords, sealed keys, hashes of codes,
//! cookies and links. With them the export is the database, and is to be kept like it.

use std::io::{self, Write};

use serde_json::{Map, Value, json};

use super::{
    super::{Conn, DbError, migrate},
    snapshot, tables,
};

/// The number of the format.
const FORMAT: u32 = 1;

/// Why there is no export.
#[derive(Debug)]
pub(crate) enum ExportError {
    Db(DbError),
    Write(io::Error),
}

impl From<DbError> for ExportError {
    fn from(error: DbError) -> Self {
        Self::Db(error)
    }
}

impl From<io::Error> for ExportError {
    fn from(error: io::Error) -> Self {
        Self::Write(error)
    }
}

/// Columns whose names do not say it: letters with links in them, and hashes of where somebody was.
const SECRET: [(&str, &str); 4] =
    [("mails", "sealed"), ("known_places", "key"), ("operator_places", "key"), ("limits", "key")];

/// Whether a column holds what could be used against somebody. The names of columns keep to this; a test looks at all.
pub(super) fn is_secret(table: &str, column: &str) -> bool {
    ["_phc", "_hash", "_enc", "_secret"].iter().any(|end| column.ends_with(end))
        || SECRET.contains(&(table, column))
}

/// Writes every row to `out`; gives how many there were.
pub(crate) async fn run(
    conn: &mut Conn,
    with_secrets: bool,
    out: &mut (dyn Write + Send),
) -> Result<u64, ExportError> {
    snapshot(conn).await?;
    let head =
        json!({ "orgate": "export", "format": FORMAT, "schema": migrate::newest(), "secrets": with_secrets });
    writeln!(out, "{head}")?;
    let (mut counts, mut rows) = (Map::new(), 0);
    for table in tables::all(conn).await? {
        let mut count = 0_u64;
        let mut page = table.page(conn, None).await?;
        while let Some(last) = page.last().cloned() {
            for row in &page {
                let cells = table.columns.iter().zip(row);
                let shown = cells.filter(|(column, _)| with_secrets || !is_secret(&table.name, &column.name));
                let row: Map<String, Value> =
                    shown.map(|(column, cell)| (column.name.clone(), cell.to_json())).collect();
                writeln!(out, "{}", json!({ "table": table.name, "row": row }))?;
                count += 1;
            }
            page = table.page(conn, Some(&last)).await?;
        }
        rows += count;
        counts.insert(table.name, count.into());
    }
    conn.script("COMMIT").await?;
    // Whoever reads a file without this line knows that it is not whole.
    writeln!(out, "{}", json!({ "orgate": "end", "rows": rows, "tables": counts }))?;
    out.flush()?;
    Ok(rows)
}
