//! SQLite behind the words of this folder.

use std::{
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
        SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePoolOptions, SqliteRow,
        SqliteSynchronous,
    },
};

use super::{
    Conn, Constraint, DbError,
    migrate::MigrateError,
    statement::{Arg, Sql, storable},
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
        let done = query(&statement).execute(self.connection()).await.map_err(error)?;
        Ok(done.rows_affected())
    }

    pub(super) async fn first(&mut self, statement: Sql<'_>) -> Result<Option<super::Row>, DbError> {
        let row = query(&statement).fetch_optional(self.connection()).await.map_err(error)?;
        Ok(row.map(|row| super::Row::sqlite(Row(row))))
    }

    pub(super) async fn all(&mut self, statement: Sql<'_>) -> Result<Vec<super::Row>, DbError> {
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
    statement.args.iter().fold(sqlx::query(statement.text), |query, arg| match *arg {
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
mod tests;
