//! SQLite behind the words of this folder.

use std::{
    borrow::Cow,
    fs, io,
    path::Path,
    str::FromStr as _,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use sqlx::{
    AssertSqlSafe, Connection as _, Row as _, SqlitePool,
    pool::PoolConnection,
    sqlite::{
        SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteLockingMode, SqlitePoolOptions,
        SqliteRow, SqliteSynchronous,
    },
};

use super::{
    Conn, Constraint, DbError,
    migrate::MigrateError,
    statement::{Arg, Sql, storable},
    whole::Access,
};

const READERS: u32 = 8;
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection of our own, or one that goes back to its pool.
pub(super) enum Handle {
    Own(Box<SqliteConnection>),
    Pooled(PoolConnection<sqlx::Sqlite>),
}

#[derive(Clone)]
pub(super) struct Readers(SqlitePool);

pub(super) struct Row(SqliteRow);

/// Opens the file (or the memory) for one writer and several readers.
pub(super) async fn open(file: Option<&Path>) -> Result<(Readers, Conn), MigrateError> {
    let options = options(file).map_err(MigrateError::Db)?;
    if let Some(file) = file {
        make_private(file).map_err(|error| MigrateError::Open(format!("`{}`: {error}", file.display())))?;
    }
    let writer = SqliteConnection::connect_with(&options).await.map_err(|error| {
        MigrateError::Open(match file {
            Some(file) => format!("`{}`: {error}", file.display()),
            None => error.to_string(),
        })
    })?;
    // Readers connect on first use: the writer makes the file and the schema before.
    let readers = SqlitePoolOptions::new()
        .max_connections(READERS)
        .acquire_timeout(BUSY_TIMEOUT)
        .connect_lazy_with(match file {
            // A second connection to a shared memory could otherwise not be told from the first.
            None => options,
            Some(_) => options.create_if_missing(false).pragma("query_only", "ON"),
        });
    Ok((Readers(readers), Conn::sqlite(Handle::Own(Box::new(writer)))))
}

/// A connection of its own. One that wants the file alone gets it only if nobody else has it open.
pub(super) async fn alone(file: &Path, access: Access) -> Result<Conn, String> {
    let failed =
        |error: &dyn std::fmt::Display| format!("cannot open the database `{}`: {error}", file.display());
    if access == (Access::Alone { make: true }) {
        make_private(file).map_err(|error| failed(&error))?;
    } else if !file.is_file() {
        return Err(failed(&"there is no such file"));
    }
    let options = options(Some(file)).map_err(|error| failed(&error))?.create_if_missing(false);
    let options = match access {
        Access::Read => options.pragma("query_only", "ON"),
        Access::Alone { .. } => {
            options.locking_mode(SqliteLockingMode::Exclusive).busy_timeout(Duration::from_millis(200))
        }
    };
    match SqliteConnection::connect_with(&options).await {
        Ok(conn) => Ok(Conn::sqlite(Handle::Own(Box::new(conn)))),
        Err(error) if error.to_string().contains("locked") => Err(failed(
            &"somebody uses it\nhelp: stop the issuer first, so that nothing is written meanwhile",
        )),
        Err(error) => Err(failed(&error)),
    }
}

/// Writes one state of the database `source` into the new file `target`, while others read and write.
pub(super) async fn backup(source: &Path, target: &Path) -> Result<(), String> {
    let failed = |error: &dyn std::fmt::Display| format!("cannot write `{}`: {error}", target.display());
    if !source.is_file() {
        return Err(format!("there is no database `{}`", source.display()));
    }
    let mut private = fs::OpenOptions::new();
    private.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut private, 0o600);
    let made = private.open(target).map_err(|error| failed(&error))?;
    let written = async {
        let options = options(Some(source)).map_err(|error| failed(&error))?.create_if_missing(false);
        let mut conn = SqliteConnection::connect_with(&options).await.map_err(|error| failed(&error))?;
        let name = target.to_str().ok_or_else(|| failed(&"its name is not UTF-8"))?;
        sqlx::query("VACUUM INTO $1").bind(name).execute(&mut conn).await.map_err(|error| failed(&error))?;
        let _ = conn.close().await;
        made.sync_all().map_err(|error| failed(&error))
    };
    let written = written.await;
    if written.is_err() {
        let _ = fs::remove_file(target);
    }
    written
}

/// Makes the file, if it is not there, for its owner only: it holds addresses and password hashes. SQLite gives the
/// files beside it the same mode.
fn make_private(file: &Path) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file).map(|_| ())
}

fn options(file: Option<&Path>) -> Result<SqliteConnectOptions, DbError> {
    let options = match file {
        Some(path) => SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal),
        None => {
            static NEXT: AtomicU64 = AtomicU64::new(0);
            let name = format!(
                "file:orgate-memory-{}?mode=memory&cache=shared",
                NEXT.fetch_add(1, Ordering::Relaxed)
            );
            SqliteConnectOptions::from_str("sqlite::memory:")
                .map_err(error)?
                .filename(name)
                .shared_cache(true)
        }
    };
    // FULL: an answered change survives a power failure, not only the end of the process.
    Ok(options.foreign_keys(true).busy_timeout(BUSY_TIMEOUT).synchronous(SqliteSynchronous::Full))
}

impl Readers {
    pub(super) async fn acquire(&self) -> Result<Handle, DbError> {
        self.0.acquire().await.map(Handle::Pooled).map_err(error)
    }

    pub(super) async fn close(&self) {
        self.0.close().await;
    }
}

impl Handle {
    fn connection(&mut self) -> &mut SqliteConnection {
        match self {
            Self::Own(connection) => connection,
            Self::Pooled(connection) => connection,
        }
    }

    pub(super) async fn run(&mut self, statement: Sql<'_>) -> Result<u64, DbError> {
        #[cfg(test)]
        plans::look(self.connection(), &statement).await;
        let done = query(&statement).execute(self.connection()).await.map_err(error)?;
        Ok(done.rows_affected())
    }

    pub(super) async fn first(&mut self, statement: Sql<'_>) -> Result<Option<super::Row>, DbError> {
        #[cfg(test)]
        plans::look(self.connection(), &statement).await;
        let row = query(&statement).fetch_optional(self.connection()).await.map_err(error)?;
        Ok(row.map(|row| super::Row::sqlite(Row(row))))
    }

    pub(super) async fn all(&mut self, statement: Sql<'_>) -> Result<Vec<super::Row>, DbError> {
        #[cfg(test)]
        plans::look(self.connection(), &statement).await;
        let rows = query(&statement).fetch_all(self.connection()).await.map_err(error)?;
        Ok(rows.into_iter().map(|row| super::Row::sqlite(Row(row))).collect())
    }

    pub(super) async fn script(&mut self, text: &'static str) -> Result<(), DbError> {
        sqlx::raw_sql(text).execute(self.connection()).await.map(|_| ()).map_err(error)
    }

    pub(super) async fn schema(&mut self, text: String) -> Result<(), DbError> {
        sqlx::raw_sql(AssertSqlSafe(text)).execute(self.connection()).await.map(|_| ()).map_err(error)
    }

    pub(super) async fn close(self) {
        if let Self::Own(connection) = self {
            let _ = connection.close().await;
        }
    }
}

fn query<'q>(statement: &Sql<'q>) -> sqlx::query::Query<'q, sqlx::Sqlite, sqlx::sqlite::SqliteArguments> {
    let begun = match &statement.text {
        Cow::Borrowed(text) => sqlx::query(*text),
        Cow::Owned(text) => sqlx::query(AssertSqlSafe(text.clone())),
    };
    statement.args.iter().fold(begun, |query, arg| match *arg {
        Arg::Text(value) => query.bind(value.map(storable)),
        Arg::Int(value) => query.bind(value),
    })
}

impl Row {
    pub(super) fn text(&self, column: &str) -> Result<Option<String>, DbError> {
        self.0.try_get(column).map_err(|error| DbError::Inconsistent(error.to_string()))
    }

    pub(super) fn int(&self, column: &str) -> Result<Option<i64>, DbError> {
        self.0.try_get(column).map_err(|error| DbError::Inconsistent(error.to_string()))
    }
}

fn error(error: sqlx::Error) -> DbError {
    use sqlx::error::ErrorKind;
    match &error {
        sqlx::Error::Database(database) => match database.kind() {
            ErrorKind::UniqueViolation => DbError::Conflict(Constraint::Unique),
            ErrorKind::ForeignKeyViolation => DbError::Conflict(Constraint::ForeignKey),
            ErrorKind::CheckViolation => DbError::Conflict(Constraint::Check),
            ErrorKind::NotNullViolation => DbError::Conflict(Constraint::NotNull),
            _ => DbError::Unavailable(error.to_string()),
        },
        _ => DbError::Unavailable(error.to_string()),
    }
}

#[cfg(test)]
mod plans;
#[cfg(test)]
mod tests;
