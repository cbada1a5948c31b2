//! The tables of a database, and their rows whatever they hold.

use std::collections::BTreeSet;

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::super::{Conn, DbError, Handle, Row, Sql, sql};

/// How many rows are held at once.
const PAGE: usize = 500;
/// The book of the steps.
const STEPS: &str = "schema_migrations";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Int,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: Kind,
    key: bool,
}

/// A table. Its columns are in the order of their names, which is the same on every engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) columns: Vec<Column>,
}

/// One cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Text(Option<String>),
    Int(Option<i64>),
}

impl Value {
    pub(super) fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Text(value) => value.as_deref().into(),
            Self::Int(value) => (*value).into(),
        }
    }
}

/// All tables with data, each after those that it refers to.
pub(super) async fn all(conn: &mut Conn) -> Result<Vec<Table>, DbError> {
    let names = conn
        .all(sql(match conn.handle {
            Handle::Sqlite(_) => {
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
            }
            Handle::Postgres(_) => {
                "SELECT c.relname::text AS name FROM pg_class c
                 WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')"
            }
        }))
        .await?;
    let mut waiting = BTreeSet::new();
    for row in &names {
        waiting.insert(row.text("name")?);
    }
    waiting.remove(STEPS);
    let mut tables = Vec::new();
    while !waiting.is_empty() {
        let mut free = None;
        for name in &waiting {
            if parents(conn, name).await?.is_disjoint(&waiting) {
                free = Some(name.clone());
                break;
            }
        }
        let name =
            free.ok_or_else(|| DbError::Inconsistent("tables refer to each other in a circle".to_owned()))?;
        waiting.remove(&name);
        tables.push(Table { columns: columns(conn, &name).await?, name });
    }
    Ok(tables)
}

/// Whether there is a table of this name.
pub(in crate::db) async fn exists(conn: &mut Conn, name: &str) -> Result<bool, DbError> {
    let statement = sql(match conn.handle {
        Handle::Sqlite(_) => "SELECT name FROM sqlite_schema WHERE type = 'table' AND name = $1",
        Handle::Postgres(_) => "SELECT 1 AS one WHERE to_regclass($1) IS NOT NULL",
    });
    Ok(conn.first(statement.bind(name)).await?.is_some())
}

/// What has to be there before a row of `table` can be. SQLite can be told to look only at the end.
async fn parents(conn: &mut Conn, table: &str) -> Result<BTreeSet<String>, DbError> {
    if matches!(conn.handle, Handle::Sqlite(_)) {
        return Ok(BTreeSet::new());
    }
    let statement =
        sql("SELECT p.relname::text AS parent FROM pg_constraint f JOIN pg_class p ON p.oid = f.confrelid
                         WHERE f.contype = 'f' AND NOT f.condeferrable AND f.conrelid = to_regclass($1)
                           AND f.confrelid <> f.conrelid");
    let rows = conn.all(statement.bind(table)).await?;
    rows.iter().map(|row| row.text("parent")).collect()
}

async fn columns(conn: &mut Conn, table: &str) -> Result<Vec<Column>, DbError> {
    let statement = sql(match conn.handle {
        Handle::Sqlite(_) => "SELECT name, type AS kind, pk AS in_key FROM pragma_table_info($1)",
        Handle::Postgres(_) => {
            "SELECT a.attname::text AS name, format_type(a.atttypid, NULL) AS kind,
                    CASE WHEN k.indrelid IS NULL THEN 0 ELSE 1 END AS in_key
             FROM pg_attribute a
             LEFT JOIN pg_index k ON k.indrelid = a.attrelid AND k.indisprimary AND a.attnum = ANY (k.indkey)
             WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped"
        }
    });
    let mut columns = Vec::new();
    for row in conn.all(statement.bind(table)).await? {
        let name = row.text("name")?;
        let kind = match row.text("kind")?.to_ascii_lowercase().as_str() {
            "text" => Kind::Text,
            "bigint" | "integer" => Kind::Int,
            other => return Err(DbError::Inconsistent(format!("`{table}.{name}` is of the type {other}"))),
        };
        columns.push(Column { name, kind, key: row.flag("in_key")? });
    }
    columns.sort_by(|a, b| a.name.cmp(&b.name));
    if columns.iter().any(|column| column.key) {
        return Ok(columns);
    }
    Err(DbError::Inconsistent(format!("table `{table}` has no primary key")))
}

impl Table {
    fn keys(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|column| column.key)
    }

    fn list<'a>(columns: impl Iterator<Item = &'a Column>) -> String {
        columns.map(|column| format!("\"{}\"", column.name)).collect::<Vec<_>>().join(", ")
    }

    fn read(&self, row: &Row) -> Result<Vec<Value>, DbError> {
        let cell = |column: &Column| match column.kind {
            Kind::Text => row.text_opt(&column.name).map(Value::Text),
            Kind::Int => row.int_opt(&column.name).map(Value::Int),
        };
        self.columns.iter().map(cell).collect()
    }

    /// The rows behind the one with the key `after`, some of them.
    pub(super) async fn page(
        &self,
        conn: &mut Conn,
        after: Option<&[Value]>,
    ) -> Result<Vec<Vec<Value>>, DbError> {
        let keys = Self::list(self.keys());
        let behind = match after {
            Some(_) => {
                let places: Vec<String> =
                    (1..=self.keys().count()).map(|number| format!("${number}")).collect();
                format!("WHERE ({keys}) > ({})", places.join(", "))
            }
            None => String::new(),
        };
        let text = format!(
            "SELECT {} FROM \"{}\" {behind} ORDER BY {keys} LIMIT {PAGE}",
            Self::list(self.columns.iter()),
            self.name
        );
        let cells = after.unwrap_or_default().iter().zip(&self.columns).filter(|(_, column)| column.key);
        let statement = cells.fold(Sql::composed(text), |statement, (cell, _)| bind(statement, cell));
        conn.all(statement).await?.iter().map(|row| self.read(row)).collect()
    }

    /// Stores a row.
    pub(super) async fn insert(&self, conn: &mut Conn, row: &[Value]) -> Result<(), DbError> {
        let places: Vec<String> = (1..=self.columns.len()).map(|number| format!("${number}")).collect();
        let text = format!(
            "INSERT INTO \"{}\" ({}) VALUES ({})",
            self.name,
            Self::list(self.columns.iter()),
            places.join(", ")
        );
        conn.run(row.iter().fold(Sql::composed(text), bind)).await.map(|_| ())
    }

    /// Whether there is a row.
    pub(super) async fn is_empty(&self, conn: &mut Conn) -> Result<bool, DbError> {
        let text = format!("SELECT 1 AS one FROM \"{}\" LIMIT 1", self.name);
        Ok(conn.first(Sql::composed(text)).await?.is_none())
    }

    /// Counts and sums up what is there.
    pub(super) async fn sum(&self, conn: &mut Conn) -> Result<Sum, DbError> {
        let mut sum = Sum::default();
        let mut page = self.page(conn, None).await?;
        while let Some(last) = page.last() {
            page.iter().for_each(|row| sum.add(row));
            page = self.page(conn, Some(&last.clone())).await?;
        }
        Ok(sum)
    }
}

fn bind<'q>(statement: Sql<'q>, cell: &'q Value) -> Sql<'q> {
    match cell {
        Value::Text(value) => statement.bind(value),
        Value::Int(value) => statement.bind(*value),
    }
}

/// How many rows there are, and what they hold: the sum of their SHA-256, which does not depend on their order, since
/// two engines need not sort alike.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) rows: u64,
    digits: [u8; 32],
}

impl Sum {
    pub(super) fn add(&mut self, row: &[Value]) {
        let text = serde_json::Value::from_iter(row.iter().map(Value::to_json)).to_string();
        let mut carry = 0_u16;
        let hash = digest(&SHA256, text.as_bytes());
        for (own, other) in self.digits.iter_mut().zip(hash.as_ref()).rev() {
            let sum = u16::from(*own) + u16::from(*other) + carry;
            let [high, low] = sum.to_be_bytes();
            carry = u16::from(high);
            *own = low;
        }
        self.rows += 1;
    }

    /// The hash as it is shown.
    pub(crate) fn hash(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.digits)
    }
}
