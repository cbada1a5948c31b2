//! One database into another, whatever the engines, in one transaction of the target.
//!
//! The triggers of the target rest meanwhile: what they count is copied. Before the commit everything is read back, and
//! if a sum differs nothing was done.

use super::{
    super::{Conn, DbError, Handle, sql},
    Table, snapshot, tables,
    tables::Sum,
};

/// Why nothing was copied.
#[derive(Debug)]
pub(crate) enum CopyError {
    Db(DbError),
    /// The target has rows in this table.
    NotEmpty(String),
    /// What was read back from this table is not what was written.
    Differs(String),
}

impl From<DbError> for CopyError {
    fn from(error: DbError) -> Self {
        Self::Db(error)
    }
}

/// Copies everything; gives what was copied, by table. Both have the whole schema.
pub(crate) async fn run(from: &mut Conn, to: &mut Conn) -> Result<Vec<(String, Sum)>, CopyError> {
    snapshot(from).await?;
    to.script(match to.handle {
        Handle::Sqlite(_) => "BEGIN IMMEDIATE; PRAGMA defer_foreign_keys = ON",
        Handle::Postgres(_) => "BEGIN",
    })
    .await?;
    let copied = transfer(from, to).await;
    from.script("COMMIT").await?;
    match copied {
        Ok(copied) => {
            to.script("COMMIT").await?;
            Ok(copied)
        }
        Err(error) => {
            let _ = to.script("ROLLBACK").await;
            Err(error)
        }
    }
}

async fn transfer(from: &mut Conn, to: &mut Conn) -> Result<Vec<(String, Sum)>, CopyError> {
    let all = tables::all(to).await?;
    let mut theirs = tables::all(from).await?;
    let mut ours = all.clone();
    theirs.sort_by(|a, b| a.name.cmp(&b.name));
    ours.sort_by(|a, b| a.name.cmp(&b.name));
    if ours != theirs {
        return Err(DbError::Inconsistent("the two databases do not have the same tables".to_owned()).into());
    }
    for table in &all {
        if !table.is_empty(to).await? {
            return Err(CopyError::NotEmpty(table.name.clone()));
        }
    }
    let resting = rest(to, &all).await?;
    let mut copied = Vec::new();
    for table in &all {
        let mut sum = Sum::default();
        let mut page = table.page(from, None).await?;
        while let Some(last) = page.last().cloned() {
            for row in &page {
                table.insert(to, row).await?;
                sum.add(row);
            }
            page = table.page(from, Some(&last)).await?;
        }
        copied.push((table.name.clone(), sum));
    }
    for statement in resting {
        to.schema(&statement).await?;
    }
    for (table, (name, sum)) in all.iter().zip(&copied) {
        if table.sum(to).await? != *sum {
            return Err(CopyError::Differs(name.clone()));
        }
    }
    copied.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(copied)
}

/// Puts the triggers to rest; gives the statements that wake them.
async fn rest(to: &mut Conn, tables: &[Table]) -> Result<Vec<String>, DbError> {
    let mut wake = Vec::new();
    if matches!(to.handle, Handle::Postgres(_)) {
        // What waits for the commit would keep the tables from being altered.
        wake.push("SET CONSTRAINTS ALL IMMEDIATE".to_owned());
        for table in tables {
            to.schema(&format!("ALTER TABLE \"{}\" DISABLE TRIGGER USER", table.name)).await?;
            wake.push(format!("ALTER TABLE \"{}\" ENABLE TRIGGER USER", table.name));
        }
        return Ok(wake);
    }
    for row in to.all(sql("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'")).await? {
        to.schema(&format!("DROP TRIGGER \"{}\"", row.text("name")?)).await?;
        wake.push(row.text("sql")?);
    }
    Ok(wake)
}
