//! The schema, brought forward one numbered step at a time.
//!
//! Steps only go forward. The checksum of each applied step is kept: a step that was changed after it ran, or a
//! database that a newer program has written, is refused rather than guessed at.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{Conn, DbError, sql};

struct Step {
    version: i64,
    name: &'static str,
    text: &'static str,
}

const SQLITE: &[Step] = &[
    Step { version: 1, name: "initial", text: include_str!("../../migrations/sqlite/0001_initial.sql") },
    Step { version: 10, name: "clients", text: include_str!("../../migrations/0010_clients.sql") },
    Step { version: 11, name: "tokens", text: include_str!("../../migrations/0011_tokens.sql") },
    Step { version: 12, name: "flows", text: include_str!("../../migrations/0012_flows.sql") },
];

/// Why the database cannot be opened.
#[derive(Debug)]
pub(crate) enum MigrateError {
    Open(String),
    Newer { found: i64, known: i64 },
    Changed { version: i64, name: String },
    Db(DbError),
}

impl From<DbError> for MigrateError {
    fn from(error: DbError) -> Self {
        Self::Db(error)
    }
}

impl fmt::Display for MigrateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(why) => write!(f, "cannot open the database {why}"),
            Self::Newer { found, known } => write!(
                f,
                "the database has schema {found}, and this program knows only up to {known}\nhelp: a newer orgate has \
                 written it; run that one, or restore the backup made before the upgrade"
            ),
            Self::Changed { version, name } => write!(
                f,
                "schema step {version} (`{name}`) of the database is not the one of this program\nhelp: the database \
                 was made by another build; do not mix them on one database"
            ),
            Self::Db(error) => error.fmt(f),
        }
    }
}

/// Applies what is missing, in one transaction.
pub(super) async fn run(conn: &mut Conn, now_ms: i64) -> Result<(), MigrateError> {
    conn.script("BEGIN IMMEDIATE").await?;
    match apply(conn, SQLITE, now_ms).await {
        Ok(()) => Ok(conn.script("COMMIT").await?),
        Err(error) => {
            let _ = conn.script("ROLLBACK").await;
            Err(error)
        }
    }
}

async fn apply(conn: &mut Conn, steps: &[Step], now_ms: i64) -> Result<(), MigrateError> {
    conn.script(
        "CREATE TABLE IF NOT EXISTS schema_migrations (
            version BIGINT PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at BIGINT NOT NULL)",
    )
    .await?;
    let applied =
        conn.all(sql("SELECT version, name, checksum FROM schema_migrations ORDER BY version")).await?;
    let known = steps.last().map_or(0, |step| step.version);
    for row in &applied {
        let version = row.int("version")?;
        let Some(step) = steps.iter().find(|step| step.version == version) else {
            return Err(MigrateError::Newer { found: version, known });
        };
        if row.text("checksum")? != checksum(step.text) {
            return Err(MigrateError::Changed { version, name: row.text("name")? });
        }
    }
    for step in steps.iter().skip(applied.len()) {
        conn.script(step.text).await?;
        conn.run(
            sql(
                "INSERT INTO schema_migrations (version, name, checksum, applied_at) VALUES ($1, $2, $3, $4)",
            )
            .bind(step.version)
            .bind(step.name)
            .bind(&checksum(step.text))
            .bind(now_ms),
        )
        .await?;
        tracing::info!(schema.version = step.version, "applied schema step `{}`", step.name);
    }
    Ok(())
}

fn checksum(text: &str) -> String {
    // A checkout may have changed the line ends.
    URL_SAFE_NO_PAD.encode(digest(&SHA256, text.replace("\r\n", "\n").as_bytes()))
}
