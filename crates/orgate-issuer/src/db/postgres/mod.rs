//! PostgreSQL behind the words of this folder.
//!
//! Several writers at once, each in a transaction of its own at READ COMMITTED: whatever must hold is a constraint or a
//! compare-and-set, never something that was read a moment ago. [`write`] runs an operation again that met another.

mod others;
mod write;

use std::{borrow::Cow, sync::Arc, time::Duration};

use sqlx::{
    AssertSqlSafe, Connection as _, PgPool, Row as _, TypeInfo as _, ValueRef as _,
    pool::PoolConnection,
    postgres::{PgConnectOptions, PgConnection, PgPoolOptions, PgRow},
};

use tokio::sync::RwLock;

pub(super) use self::{others::tell as tell_others, write::run as write};
use super::{
    Conn, Constraint, DbError,
    migrate::MigrateError,
    statement::{Arg, Sql, sql, storable},
    url::PostgresUrl,
};

const READERS: u32 = 8;
const WRITERS: u32 = 8;
/// How long anybody waits for a connection, and a statement for a lock: as long as SQLite waits for its file.
const PATIENCE: Duration = Duration::from_secs(5);

/// What an issuer is called among the sessions of the server.
const ISSUER: &str = "orgate issuer";
const SETTINGS: [(&str, &str); 2] = [("client_min_messages", "warning"), ("lock_timeout", "5000")];

/// A connection of our own, or one that goes back to its pool.
pub(super) enum Handle {
    Own(Box<PgConnection>),
    Pooled(Pooled),
}

pub(super) struct Pooled {
    connection: PoolConnection<sqlx::Postgres>,
    /// A transaction is open: dropped like this, the connection is not given to anybody else.
    in_transaction: bool,
}

/// The connections to one database.
#[derive(Clone)]
pub(super) struct Pools {
    readers: PgPool,
    writers: PgPool,
    /// One connection, for what other issuers tell.
    ears: PgPool,
    /// Held by each operation under way; who closes waits for all of them and lets none begin.
    open: Arc<RwLock<()>>,
}

pub(super) struct Row(PgRow);

/// Connects for the schema, and makes ready for the rest.
pub(super) async fn open(url: &PostgresUrl) -> Result<(Pools, Conn), MigrateError> {
    let options = url.options().map_err(MigrateError::Open)?.options(SETTINGS).application_name(ISSUER);
    let mut conn = connect(url, &options).await?;
    let encoding = sqlx::query("SELECT current_setting('server_encoding') AS encoding")
        .fetch_one(&mut conn)
        .await
        .and_then(|row| row.try_get::<String, _>("encoding"))
        .map_err(|error| MigrateError::Open(format!("{}: {error}", url.shown())))?;
    if encoding != "UTF8" {
        return Err(MigrateError::Open(format!(
            "{}: its encoding is {encoding}\nhelp: make it with `createdb --encoding=UTF8`",
            url.shown()
        )));
    }
    let pools = Pools {
        readers: pool(READERS, options.clone().options([("default_transaction_read_only", "on")])),
        ears: pool(1, options.clone()),
        writers: pool(WRITERS, options),
        open: Arc::default(),
    };
    Ok((pools, Conn::postgres(Handle::Own(Box::new(conn)))))
}

/// A connection of its own.
pub(super) async fn alone(url: &PostgresUrl) -> Result<Conn, String> {
    let options = url.options()?.options(SETTINGS).application_name("orgate maintenance");
    let conn = connect(url, &options).await.map_err(|error| error.to_string())?;
    Ok(Conn::postgres(Handle::Own(Box::new(conn))))
}

/// Whether issuers are connected. One that has been idle for long may have no connection.
pub(super) async fn in_use(conn: &mut Conn) -> Result<bool, DbError> {
    let statement = sql("SELECT 1 AS one FROM pg_stat_activity
                         WHERE datname = current_database() AND application_name = $1 LIMIT 1");
    Ok(conn.first(statement.bind(ISSUER)).await?.is_some())
}

async fn connect(url: &PostgresUrl, options: &PgConnectOptions) -> Result<PgConnection, MigrateError> {
    let failed = |why: String| MigrateError::Open(format!("{}: {why}", url.shown()));
    match tokio::time::timeout(PATIENCE, PgConnection::connect_with(options)).await {
        Ok(Ok(conn)) => Ok(conn),
        Ok(Err(error)) => Err(failed(error.to_string())),
        Err(_) => Err(failed("no answer within five seconds".to_owned())),
    }
}

fn pool(size: u32, options: PgConnectOptions) -> PgPool {
    PgPoolOptions::new().max_connections(size).acquire_timeout(PATIENCE).connect_lazy_with(options)
}

impl Pools {
    pub(super) async fn reader(&self) -> Result<Handle, DbError> {
        acquire(&self.readers).await
    }

    /// Waits for what is being written, and closes.
    pub(super) async fn close(&self) {
        let _nothing_begins = self.open.write().await;
        self.ears.close().await;
        self.writers.close().await;
        self.readers.close().await;
    }
}

async fn acquire(pool: &PgPool) -> Result<Handle, DbError> {
    let connection = pool.acquire().await.map_err(error)?;
    Ok(Handle::Pooled(Pooled { connection, in_transaction: false }))
}

impl Handle {
    fn connection(&mut self) -> &mut PgConnection {
        match self {
            Self::Own(connection) => connection,
            Self::Pooled(pooled) => &mut pooled.connection,
        }
    }

    pub(super) async fn run(&mut self, statement: Sql<'_>) -> Result<u64, DbError> {
        let done = query(&statement).execute(self.connection()).await.map_err(error)?;
        Ok(done.rows_affected())
    }

    pub(super) async fn first(&mut self, statement: Sql<'_>) -> Result<Option<super::Row>, DbError> {
        let row = query(&statement).fetch_optional(self.connection()).await.map_err(error)?;
        Ok(row.map(|row| super::Row::postgres(Row(row))))
    }

    pub(super) async fn all(&mut self, statement: Sql<'_>) -> Result<Vec<super::Row>, DbError> {
        let rows = query(&statement).fetch_all(self.connection()).await.map_err(error)?;
        Ok(rows.into_iter().map(|row| super::Row::postgres(Row(row))).collect())
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

    fn transaction(&mut self, open: bool) {
        if let Self::Pooled(pooled) = self {
            pooled.in_transaction = open;
        }
    }
}

impl Drop for Pooled {
    fn drop(&mut self) {
        if self.in_transaction {
            self.connection.close_on_drop();
        }
    }
}

fn query<'q>(statement: &Sql<'q>) -> sqlx::query::Query<'q, sqlx::Postgres, sqlx::postgres::PgArguments> {
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
        self.0.try_get(column).map_err(unreadable)
    }

    /// A number of any width: truth values are INTEGER, sums and counts are BIGINT.
    pub(super) fn int(&self, column: &str) -> Result<Option<i64>, DbError> {
        let raw = self.0.try_get_raw(column).map_err(unreadable)?;
        if raw.type_info().name() == "INT4" {
            let value: Option<i32> = self.0.try_get(column).map_err(unreadable)?;
            return Ok(value.map(i64::from));
        }
        self.0.try_get(column).map_err(unreadable)
    }
}

fn unreadable(error: sqlx::Error) -> DbError {
    DbError::Inconsistent(error.to_string())
}

fn error(error: sqlx::Error) -> DbError {
    use sqlx::error::ErrorKind;
    let sqlx::Error::Database(database) = &error else {
        return match error {
            sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::Tls(_) => {
                DbError::Lost(error.to_string())
            }
            _ => DbError::Unavailable(error.to_string()),
        };
    };
    match (database.kind(), database.code().as_deref()) {
        (ErrorKind::UniqueViolation, _) => DbError::Conflict(Constraint::Unique),
        (ErrorKind::ForeignKeyViolation, _) => DbError::Conflict(Constraint::ForeignKey),
        (ErrorKind::CheckViolation, _) => DbError::Conflict(Constraint::Check),
        (ErrorKind::NotNullViolation, _) => DbError::Conflict(Constraint::NotNull),
        // serialization_failure, deadlock_detected
        (_, Some("40001" | "40P01")) => DbError::Contended,
        // admin_shutdown, crash_shutdown, cannot_connect_now, idle_session_timeout
        (_, Some("57P01" | "57P02" | "57P03" | "57P05")) => DbError::Lost(database.message().to_owned()),
        _ => DbError::Unavailable(database.message().to_owned()),
    }
}

#[cfg(test)]
mod tests;
