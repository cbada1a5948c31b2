//! The one connection that writes, and the queue before it.
//!
//! A commit is waited for until it is on the disk, and that takes longer than most operations. So those that wait while
//! one is written run together after it: each between a savepoint and its release, as if it were alone, and one commit
//! for all of them. Each is answered after that commit. If it does not come about (a constraint that is looked at only
//! then, a full disk), everything is undone and each is run again from its beginning, alone: what one of them does
//! wrong is nobody else's failure. Nothing outside this file notices.

use tokio::sync::{mpsc, oneshot};

use super::{BoxFuture, Conn, DbError, Listener, Tx, finish, guarded};

const QUEUE: usize = 1024;

/// How many share a commit at most: the first of them waits for the last.
const TOGETHER: usize = 64;

/// What the writer is told.
pub(super) enum Message {
    Job(Box<dyn Job>),
    Stop(oneshot::Sender<()>),
}

/// An operation of any type, with whoever waits for it.
pub(super) trait Job: Send {
    /// Runs it, and says whether it has changed something that is wanted. Each run forgets the one before.
    fn run<'t>(&'t mut self, tx: &'t mut Tx) -> BoxFuture<'t, bool>;
    /// Answers with what the last run gave, if its change is committed.
    fn answer(self: Box<Self>, commit: Result<(), DbError>);
}

pub(super) struct Operation<F, T, E> {
    operation: F,
    result: Option<Result<T, E>>,
    reply: oneshot::Sender<Result<T, E>>,
}

impl<F, T, E> Operation<F, T, E> {
    pub(super) fn new(operation: F, reply: oneshot::Sender<Result<T, E>>) -> Self {
        Self { operation, result: None, reply }
    }
}

impl<F, T, E> Job for Operation<F, T, E>
where
    F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Clone + Send + 'static,
    T: Send + 'static,
    E: From<DbError> + Send + 'static,
{
    fn run<'t>(&'t mut self, tx: &'t mut Tx) -> BoxFuture<'t, bool> {
        self.result = None;
        let operation = self.operation.clone();
        Box::pin(async move {
            let result = operation(tx).await;
            let is_wanted = result.is_ok();
            self.result = Some(result);
            is_wanted
        })
    }

    fn answer(self: Box<Self>, commit: Result<(), DbError>) {
        let Self { result, reply, .. } = *self;
        let answer = match (result, commit) {
            (Some(Ok(value)), Ok(())) => Ok(value),
            (Some(Ok(_)) | None, Err(error)) => Err(E::from(error)),
            (Some(Err(error)), _) => Err(error),
            // It panicked. Without an answer the other side finds the channel closed.
            (None, Ok(())) => return,
        };
        // Whoever asked may have gone away; the change stands.
        let _ = reply.send(answer);
    }
}

/// Starts the writer on `conn`; it ends when the last sender is gone or [`Message::Stop`] comes.
pub(super) fn start(conn: Conn, listener: Listener) -> mpsc::Sender<Message> {
    let (sender, receiver) = mpsc::channel(QUEUE);
    tokio::spawn(serve(conn, listener, receiver));
    sender
}

async fn serve(conn: Conn, listener: Listener, mut queue: mpsc::Receiver<Message>) {
    let mut tx = Tx::new(conn);
    let mut done = None;
    while let Some(message) = queue.recv().await {
        let mut jobs = Vec::new();
        let mut next = Some(message);
        while let Some(message) = next {
            match message {
                Message::Job(job) => jobs.push(job),
                Message::Stop(sender) => {
                    // What is queued already is still done; nothing new comes in.
                    queue.close();
                    done = Some(sender);
                }
            }
            next = if jobs.len() < TOGETHER { queue.try_recv().ok() } else { None };
        }
        if jobs.len() > 1 {
            jobs = together(&mut tx, &listener, jobs).await;
        }
        for job in jobs {
            alone(&mut tx, &listener, job).await;
        }
    }
    tx.conn.close().await;
    if let Some(done) = done {
        let _ = done.send(());
    }
}

/// Runs `jobs` in one transaction. Gives back those that have to be run alone: none, or all.
async fn together(tx: &mut Tx, listener: &Listener, mut jobs: Vec<Box<dyn Job>>) -> Vec<Box<dyn Job>> {
    tx.events.clear();
    if tx.script("BEGIN IMMEDIATE").await.is_err() {
        return jobs;
    }
    let mut events = Vec::new();
    let mut stands = true;
    for job in &mut jobs {
        stands = savepoint(tx, job.as_mut()).await.is_ok();
        if !stands {
            break;
        }
        events.append(&mut tx.events);
    }
    if !stands || tx.script("COMMIT").await.is_err() {
        rollback(tx).await;
        return jobs;
    }
    tx.events = events;
    listener.committed(tx);
    for job in jobs {
        job.answer(Ok(()));
    }
    Vec::new()
}

/// Runs `job` as a part of a transaction. What it changed is there and its events are in `tx`, or nothing of it is.
///
/// # Errors
/// The transaction as a whole cannot be gone on with, or `job` is one that has to be told why it cannot be committed.
async fn savepoint(tx: &mut Tx, job: &mut dyn Job) -> Result<(), DbError> {
    tx.script("SAVEPOINT operation").await?;
    tx.conn.in_transaction();
    match guarded(job.run(tx)).await {
        Some(true) => finish(tx).await?,
        Some(false) => {
            tx.events.clear();
            tx.conn.undo("ROLLBACK TO operation").await?;
        }
        None => return Err(DbError::Inconsistent("an operation panicked".to_owned())),
    }
    tx.conn.settled();
    tx.script("RELEASE operation").await
}

async fn alone(tx: &mut Tx, listener: &Listener, mut job: Box<dyn Job>) {
    tx.events.clear();
    if let Err(error) = tx.script("BEGIN IMMEDIATE").await {
        tracing::error!(%error, "a transaction could not begin");
        job.answer(Err(error));
        return;
    }
    tx.conn.in_transaction();
    match guarded(job.run(tx)).await {
        Some(true) => {}
        Some(false) => {
            rollback(tx).await;
            job.answer(Ok(()));
            return;
        }
        None => {
            tracing::error!("an operation panicked; its transaction is undone");
            rollback(tx).await;
            return;
        }
    }
    let mut committed = finish(tx).await;
    if committed.is_ok() {
        committed = tx.script("COMMIT").await;
    }
    match committed {
        Ok(()) => {
            tx.conn.settled();
            listener.committed(tx);
        }
        Err(_) => rollback(tx).await,
    }
    job.answer(committed);
}

async fn rollback(tx: &mut Tx) {
    tx.events.clear();
    if let Err(error) = tx.conn.undo("ROLLBACK").await {
        tracing::error!(%error, "a transaction could not be undone");
    }
}
