//! Work on a whole database: looking at its schema, copying it, writing it out.
//!
//! Which tables and columns there are is asked of the database itself, so that a table of a later step cannot be
//! forgotten. The one thing left out is the book of the steps, which each database keeps about itself.

pub(crate) mod copy;
pub(crate) mod export;
mod tables;

#[cfg(test)]
mod tests;

pub(crate) use self::tables::Sum;
use self::tables::Table;
pub(in crate::db) use self::tables::exists;
use super::{Conn, DatabaseUrl, DbError, Handle, migrate, postgres, sqlite};

/// What a session wants of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// To read it, also while an issuer runs.
    Read,
    /// To have it alone. A file of SQLite that is not there is made if `make` says so.
    Alone { make: bool },
}

/// A connection of our own to the database at `url`.
pub(crate) async fn connect(url: &DatabaseUrl, access: Access) -> Result<Conn, String> {
    let mut conn = match url {
        DatabaseUrl::SqliteMemory => {
            return Err(
                "a database in memory is gone with its process\nhelp: name a file or a server".to_owned()
            );
        }
        DatabaseUrl::SqliteFile(file) => sqlite::alone(file, access).await?,
        DatabaseUrl::Postgres(url) => postgres::alone(url).await?,
    };
    if matches!(access, Access::Alone { .. }) && in_use(&mut conn).await? {
        conn.close().await;
        return Err("an issuer uses the database\nhelp: stop it first, so that nothing is written meanwhile"
            .to_owned());
    }
    Ok(conn)
}

async fn in_use(conn: &mut Conn) -> Result<bool, String> {
    match &conn.handle {
        // Every open connection keeps others from having the file alone.
        Handle::Sqlite(_) => match conn.script("BEGIN IMMEDIATE; ROLLBACK").await {
            Ok(()) => Ok(false),
            Err(DbError::Unavailable(why)) if why.contains("locked") => Ok(true),
            Err(error) => Err(error.to_string()),
        },
        Handle::Postgres(_) => postgres::in_use(conn).await.map_err(|error| error.to_string()),
    }
}

/// The names of the steps that are missing; all of them for an empty database.
pub(crate) async fn pending(conn: &mut Conn) -> Result<Vec<String>, migrate::MigrateError> {
    migrate::pending(conn).await
}

/// Makes the target of a copy ready.
pub(crate) async fn prepare(conn: &mut Conn, now_ms: i64) -> Result<(), migrate::MigrateError> {
    migrate::run(conn, now_ms).await.map(|_| ())
}

/// Begins a transaction that sees one state of the database.
async fn snapshot(conn: &mut Conn) -> Result<(), DbError> {
    conn.script(match conn.handle {
        Handle::Sqlite(_) => "BEGIN",
        Handle::Postgres(_) => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    })
    .await
}
