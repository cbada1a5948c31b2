//! The database: one SQL text, two engines.
//!
//! Rules this module holds for the slices:
//! 1. Every change goes through [`Db::write`]: one operation, one transaction, answered only after the commit. A caller
//!    that goes away does not stop a change half-way. On SQLite operations queue up for one connection (`writer`); on
//!    PostgreSQL several run at once, and one that met another is run again from its beginning (`postgres`).
//! 2. So an operation reads and writes nothing but the database, and what it read may be old by the time it writes: what
//!    must hold is a constraint or a compare-and-set. One that lost its compare-and-set, and would have to look again to
//!    say why, gives [`DbError::Contended`].
//! 3. A statement that failed ends the transaction: nothing more is done in it, and it is not committed.
//! 4. What happened is said with [`Tx::record`]; the numbers of a project's events are drawn at the very end of the
//!    transaction, so that the order of the numbers is the order of the commits.
//! 5. SQL is a constant with `$1`, `$2`, …; types are TEXT, BIGINT and INTEGER as truth value. A statement whose
//!    placeholders and arguments differ in number is refused: SQLite would read the missing ones as NULL. A NUL, which
//!    PostgreSQL cannot hold, is kept as U+FFFD in both.
//!
//! Which engine is behind is known to this folder only.

mod instance;
mod listener;
pub(crate) mod migrate;
mod postgres;
mod sqlite;
mod statement;
mod url;
mod wakes;
pub(crate) mod whole;
mod writer;

use std::{
    fmt,
    ops::{Deref, DerefMut},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::Poll,
};

use tokio::sync::{mpsc, oneshot};

use self::listener::Listener;
pub(crate) use self::{
    statement::{Row, Sql, json_list, sql},
    url::DatabaseUrl,
};
use crate::events::{self, Event};

/// A boxed future that may move between threads.
pub(crate) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Why the database did not do what it was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DbError {
    /// A constraint refused the change.
    Conflict(Constraint),
    /// Another change was in the way. An operation that gives this is run again, where several can write at once.
    Contended,
    /// The connection went away. What was not committed is gone.
    Lost(String),
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
            Self::Contended => f.write_str("other changes were in the way"),
            Self::Lost(why) => write!(f, "the connection to the database was lost: {why}"),
            Self::Unavailable(why) => write!(f, "the database is not available: {why}"),
            Self::Inconsistent(why) => write!(f, "the database is inconsistent: {why}"),
        }
    }
}

impl std::error::Error for DbError {}

enum Handle {
    Sqlite(sqlite::Handle),
    Postgres(postgres::Handle),
}

macro_rules! on_handle {
    ($handle:expr, $name:ident => $call:expr) => {
        match $handle {
            Handle::Sqlite($name) => $call,
            Handle::Postgres($name) => $call,
        }
    };
}

/// One connection of whichever engine.
pub(crate) struct Conn {
    handle: Handle,
    /// Inside a transaction: the first statement that failed in it.
    state: State,
}

enum State {
    Single,
    Transaction,
    Failed(DbError),
}

impl Conn {
    fn sqlite(handle: sqlite::Handle) -> Self {
        Self { handle: Handle::Sqlite(handle), state: State::Single }
    }

    fn postgres(handle: postgres::Handle) -> Self {
        Self { handle: Handle::Postgres(handle), state: State::Single }
    }

    /// Runs a statement and says how many rows it changed.
    pub(crate) async fn run(&mut self, statement: Sql<'_>) -> Result<u64, DbError> {
        self.fit(&statement)?;
        let done = on_handle!(&mut self.handle, handle => handle.run(statement).await);
        self.note(done)
    }

    /// The first row, if there is one.
    pub(crate) async fn first(&mut self, statement: Sql<'_>) -> Result<Option<Row>, DbError> {
        self.fit(&statement)?;
        let row = on_handle!(&mut self.handle, handle => handle.first(statement).await);
        self.note(row)
    }

    /// All rows.
    pub(crate) async fn all(&mut self, statement: Sql<'_>) -> Result<Vec<Row>, DbError> {
        self.fit(&statement)?;
        let rows = on_handle!(&mut self.handle, handle => handle.all(statement).await);
        self.note(rows)
    }

    /// Several statements in one text, without arguments: schema and transaction control.
    pub(crate) async fn script(&mut self, text: &'static str) -> Result<(), DbError> {
        self.usable()?;
        let done = on_handle!(&mut self.handle, handle => handle.script(text).await);
        self.note(done)
    }

    /// A step of the schema, as it is for this engine.
    async fn schema(&mut self, text: &str) -> Result<(), DbError> {
        match &mut self.handle {
            Handle::Sqlite(handle) => handle.schema(migrate::text_for("sqlite", text)).await,
            Handle::Postgres(handle) => handle.schema(migrate::text_for("postgres", text)).await,
        }
    }

    fn fit(&mut self, statement: &Sql<'_>) -> Result<(), DbError> {
        self.usable()?;
        let fit = statement.check();
        self.note(fit)
    }

    /// PostgreSQL refuses everything after a statement that failed; SQLite would go on.
    fn usable(&self) -> Result<(), DbError> {
        match &self.state {
            State::Failed(error) => Err(error.clone()),
            State::Single | State::Transaction => Ok(()),
        }
    }

    fn note<T>(&mut self, outcome: Result<T, DbError>) -> Result<T, DbError> {
        if let (Err(error), State::Transaction) = (&outcome, &self.state) {
            self.state = State::Failed(error.clone());
        }
        outcome
    }

    /// From here on a failure stays.
    fn in_transaction(&mut self) {
        self.state = State::Transaction;
    }

    /// The transaction is committed.
    fn settled(&mut self) {
        self.state = State::Single;
    }

    /// Ends a transaction that failed or is not wanted.
    async fn undo(&mut self, text: &'static str) -> Result<(), DbError> {
        self.state = State::Single;
        self.script(text).await
    }

    pub(crate) async fn close(self) {
        on_handle!(self.handle, handle => handle.close().await);
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
    fn new(conn: Conn) -> Self {
        Self { conn, events: Vec::new() }
    }

    /// Notes what happened; it is written with the change or not at all.
    pub(crate) fn record(&mut self, event: Event) {
        self.events.push(event);
    }

    /// For an operation that found its compare-and-set lost: it is run again, where several can write at once.
    pub(crate) fn contended(&mut self) -> DbError {
        self.conn.state = State::Failed(DbError::Contended);
        DbError::Contended
    }

    /// What failed in the transaction, whatever the operation made of it.
    fn failure(&self) -> Option<DbError> {
        match &self.conn.state {
            State::Failed(error) => Some(error.clone()),
            State::Single | State::Transaction => None,
        }
    }
}

/// What is left to do before the commit: a statement that failed forbids it, and the events are numbered.
async fn finish(tx: &mut Tx) -> Result<(), DbError> {
    tx.conn.usable()?;
    let mut events = std::mem::take(&mut tx.events);
    events::write(tx, &mut events).await?;
    if let Handle::Postgres(_) = tx.conn.handle {
        postgres::tell_others(&mut tx.conn, &events).await?;
    }
    tx.events = events;
    Ok(())
}

/// Runs `future` to its end; `None` if it panicked.
pub(crate) async fn guarded<T>(mut future: BoxFuture<'_, T>) -> Option<T> {
    std::future::poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
        Ok(Poll::Ready(value)) => Poll::Ready(Some(value)),
        Ok(Poll::Pending) => Poll::Pending,
        Err(_) => Poll::Ready(None),
    })
    .await
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
    engine: Engine,
    listener: Listener,
}

#[derive(Clone)]
enum Engine {
    Sqlite { readers: sqlite::Readers, queue: mpsc::Sender<writer::Message> },
    Postgres(postgres::Pools),
}

impl fmt::Debug for Db {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Db")
    }
}

impl Db {
    /// Opens the database at `url`, making it if it is a file that is not there, and brings its schema up to date.
    pub(crate) async fn open(url: &DatabaseUrl, now_ms: i64) -> Result<Self, migrate::MigrateError> {
        Self::open_migrated(url, now_ms).await.map(|(db, _)| db)
    }

    /// The same, with the steps that were missing in its schema.
    pub(crate) async fn open_migrated(
        url: &DatabaseUrl,
        now_ms: i64,
    ) -> Result<(Self, Vec<String>), migrate::MigrateError> {
        let listener = Listener::default();
        let (engine, applied) = match url {
            DatabaseUrl::Postgres(url) => {
                let (pools, mut conn) = postgres::open(url).await?;
                let applied = migrate::run(&mut conn, now_ms).await?;
                conn.close().await;
                (Engine::Postgres(pools), applied)
            }
            DatabaseUrl::SqliteFile(_) | DatabaseUrl::SqliteMemory => {
                let (readers, mut conn) = sqlite::open(url.file()).await?;
                let applied = migrate::run(&mut conn, now_ms).await?;
                (Engine::Sqlite { readers, queue: writer::start(conn, listener.clone()) }, applied)
            }
        };
        Ok((Self { engine, listener }, applied))
    }

    /// Has `listener` told the events of each transaction after its commit: once, by whoever committed, which does not
    /// wait for it. One listener is all there is room for.
    pub(crate) fn listen(&self, listener: impl Fn(Vec<Event>) + Send + Sync + 'static) {
        self.listener.set(listener);
    }

    /// Has `eye` look at each event after its commit, before whoever asked is answered; so it does no more than count. One is
    /// all there is room for.
    pub(crate) fn watch(&self, eye: impl Fn(&Event) + Send + Sync + 'static) {
        self.listener.set_eye(eye);
    }

    /// A connection for reading.
    pub(crate) async fn read(&self) -> Result<Read, DbError> {
        Ok(Read(match &self.engine {
            Engine::Sqlite { readers, .. } => Conn::sqlite(readers.acquire().await?),
            Engine::Postgres(pools) => Conn::postgres(pools.reader().await?),
        }))
    }

    /// Runs `operation` in a transaction and answers after its commit. If it gives an error nothing of it remains. It
    /// may be run more than once, each time from its beginning; what came before is undone.
    pub(crate) async fn write<T, E>(
        &self,
        operation: impl for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Clone + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
    {
        let queue = match &self.engine {
            Engine::Sqlite { queue, .. } => queue,
            Engine::Postgres(pools) => {
                return postgres::write(pools, self.listener.clone(), operation).await;
            }
        };
        let (reply, answer) = oneshot::channel();
        let job = writer::Message::Job(Box::new(writer::Operation::new(operation, reply)));
        let closed = || E::from(DbError::Unavailable("the writer has stopped".to_owned()));
        queue.send(job).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }

    /// Whether the database answers.
    pub(crate) async fn ping(&self) -> Result<(), DbError> {
        self.read().await?.first(sql("SELECT 1 AS one")).await.map(|_| ())
    }

    /// Finishes what is queued and closes.
    pub(crate) async fn close(&self) {
        match &self.engine {
            Engine::Sqlite { readers, queue } => {
                let (done, finished) = oneshot::channel();
                if queue.send(writer::Message::Stop(done)).await.is_ok() {
                    let _ = finished.await;
                }
                readers.close().await;
            }
            Engine::Postgres(pools) => pools.close().await,
        }
    }
}

/// Writes one state of a file of SQLite into a new file.
pub(crate) async fn backup(source: &std::path::Path, target: &std::path::Path) -> Result<(), String> {
    sqlite::backup(source, target).await
}

#[cfg(test)]
mod tests;
