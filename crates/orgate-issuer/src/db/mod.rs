//! The database: one SQL text, one writer, many readers.
//!
//! Rules this module holds for the slices:
//! 1. Every change goes through [`Db::write`]. Operations queue up for one connection; each runs inside a transaction
//!    that was begun for writing, under a savepoint of its own, and is answered only after the commit. A caller that
//!    goes away does not stop a change half-way.
//! 2. What happened is said with [`Tx::record`]; the numbers of a project's events are drawn at the very end of the
//!    transaction, so that the order of the numbers is the order of the commits.
//! 3. SQL is a constant with `$1`, `$2`, …; types are TEXT, BIGINT and INTEGER as truth value. A statement whose
//!    placeholders and arguments differ in number is refused: SQLite would read the missing ones as NULL.
//!
//! Which engine is behind is known to this folder only.

mod instance;
pub(crate) mod migrate;
mod sqlite;
mod statement;
mod writer;

use std::{
    fmt,
    ops::{Deref, DerefMut},
    pin::Pin,
};

use tokio::sync::{mpsc, oneshot};

pub(crate) use self::statement::{Row, Sql, json_list, sql};
use crate::events::Event;

/// A boxed future that may move between threads.
pub(crate) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Why the database did not do what it was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DbError {
    /// A constraint refused the change.
    Conflict(Constraint),
    /// The database cannot be reached or used at the moment.
    Unavailable(String),
    /// The database holds, or was asked for, something that cannot be.
    Inconsistent(String),
}

/// Which kind of constraint refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Constraint {
    Unique,
    ForeignKey,
    Check,
    NotNull,
}

impl fmt::Display for DbError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conflict(constraint) => write!(f, "a constraint refused the change ({constraint:?})"),
            Self::Unavailable(why) => write!(f, "the database is not available: {why}"),
            Self::Inconsistent(why) => write!(f, "the database is inconsistent: {why}"),
        }
    }
}

impl std::error::Error for DbError {}

/// One connection of whichever engine.
pub(crate) struct Conn(sqlite::Handle);

impl Conn {
    /// Runs a statement and says how many rows it changed.
    pub(crate) async fn run(&mut self, statement: Sql<'_>) -> Result<u64, DbError> {
        statement.check()?;
        self.0.run(statement).await
    }

    /// The first row, if there is one.
    pub(crate) async fn first(&mut self, statement: Sql<'_>) -> Result<Option<Row>, DbError> {
        statement.check()?;
        self.0.first(statement).await
    }

    /// All rows.
    pub(crate) async fn all(&mut self, statement: Sql<'_>) -> Result<Vec<Row>, DbError> {
        statement.check()?;
        self.0.all(statement).await
    }

    /// Several statements in one text, without arguments: schema and transaction control.
    pub(crate) async fn script(&mut self, text: &'static str) -> Result<(), DbError> {
        self.0.script(text).await
    }
}

/// A connection that reads what is committed.
pub(crate) struct Read(Conn);

impl Deref for Read {
    type Target = Conn;
    fn deref(&self) -> &Conn {
        &self.0
    }
}

impl DerefMut for Read {
    fn deref_mut(&mut self) -> &mut Conn {
        &mut self.0
    }
}

/// A transaction that may write.
pub(crate) struct Tx {
    conn: Conn,
    events: Vec<Event>,
}

impl Tx {
    /// Notes what happened; it is written with the change or not at all.
    pub(crate) fn record(&mut self, event: Event) {
        self.events.push(event);
    }
}

impl Deref for Tx {
    type Target = Conn;
    fn deref(&self) -> &Conn {
        &self.conn
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut Conn {
        &mut self.conn
    }
}

/// The database of one installation. Cloning is cheap.
#[derive(Clone)]
pub(crate) struct Db {
    readers: sqlite::Readers,
    queue: mpsc::Sender<writer::Message>,
}

impl fmt::Debug for Db {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Db")
    }
}

impl Db {
    /// Opens the database at `url`, making it if it is not there, and brings its schema up to date.
    pub(crate) async fn open(url: &DatabaseUrl, now_ms: i64) -> Result<Self, migrate::MigrateError> {
        let (readers, mut conn) = sqlite::open(url).await?;
        migrate::run(&mut conn, now_ms).await?;
        let queue = writer::start(conn);
        Ok(Self { readers, queue })
    }

    /// A connection for reading.
    pub(crate) async fn read(&self) -> Result<Read, DbError> {
        self.readers.acquire().await.map(|handle| Read(Conn(handle)))
    }

    /// Runs `operation` in a transaction and answers after its commit. If it gives an error nothing of it remains.
    pub(crate) async fn write<T, E>(
        &self,
        operation: impl for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = writer::Message::Job(Box::new(writer::Operation { operation, reply }));
        let closed = || E::from(DbError::Unavailable("the writer has stopped".to_owned()));
        self.queue.send(job).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }

    /// Whether the database answers.
    pub(crate) async fn ping(&self) -> Result<(), DbError> {
        self.read().await?.first(sql("SELECT 1 AS one")).await.map(|_| ())
    }

    /// Finishes what is queued and closes.
    pub(crate) async fn close(&self) {
        let (done, finished) = oneshot::channel();
        if self.queue.send(writer::Message::Stop(done)).await.is_ok() {
            let _ = finished.await;
        }
        self.readers.close().await;
    }
}

/// Where the database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DatabaseUrl {
    /// A file of SQLite.
    SqliteFile(std::path::PathBuf),
    /// SQLite in memory: gone with the process.
    SqliteMemory,
}

impl DatabaseUrl {
    /// Reads `sqlite://relative.db`, `sqlite:///absolute.db` or `sqlite::memory:`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text == "sqlite::memory:" {
            return Ok(Self::SqliteMemory);
        }
        match text.strip_prefix("sqlite://") {
            Some("" | "/") => Err(format!("`{text}` names no file\nhelp: for example `sqlite://orgate.db`")),
            Some(path) if path.contains('?') => {
                Err(format!("`{text}` has options\nhelp: write only the file's name after `sqlite://`"))
            }
            // The library behind reads these two as something else than a file of that name: the file that is made for
            // its owner only would stay empty, and another would hold the data.
            Some(path) if path.starts_with("file:") || path == ":memory:" => Err(format!(
                "`{text}` names no file\nhelp: `sqlite::memory:` is a database in memory; a file is `sqlite://orgate.db`"
            )),
            Some(path) => Ok(Self::SqliteFile(path.into())),
            None => Err(format!(
                "cannot use `{text}` as a database\nhelp: `sqlite://orgate.db` is a file in the working directory, \
                 `sqlite:///var/lib/orgate.db` an absolute one"
            )),
        }
    }

    /// The file, if it is one.
    pub(crate) fn file(&self) -> Option<&std::path::Path> {
        match self {
            Self::SqliteFile(path) => Some(path),
            Self::SqliteMemory => None,
        }
    }
}

#[cfg(test)]
mod tests;
