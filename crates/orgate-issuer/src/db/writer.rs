//! The one connection that writes, and the queue before it.
//!
//! Each operation runs in a savepoint and is answered after the commit. That several operations could share one
//! commit is why the savepoint is there; nothing outside this file would notice.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    task::Poll,
};

use tokio::sync::{mpsc, oneshot};

use super::{BoxFuture, Conn, DbError, Tx};
use crate::events;

const QUEUE: usize = 1024;

/// What the writer is told.
pub(super) enum Message {
    Job(Box<dyn Job>),
    Stop(oneshot::Sender<()>),
}

/// An operation of any type.
pub(super) trait Job: Send {
    fn run<'t>(self: Box<Self>, tx: &'t mut Tx) -> BoxFuture<'t, Box<dyn Settle>>;
}

/// An operation that has run and waits for the fate of its transaction.
pub(super) trait Settle: Send {
    /// Whether there is something to commit.
    fn changed(&self) -> bool;
    fn settle(self: Box<Self>, commit: Result<(), DbError>);
}

pub(super) struct Operation<F, T, E> {
    pub(super) operation: F,
    pub(super) reply: oneshot::Sender<Result<T, E>>,
}

struct Ran<T, E> {
    result: Result<T, E>,
    reply: oneshot::Sender<Result<T, E>>,
}

impl<F, T, E> Job for Operation<F, T, E>
where
    F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send + 'static,
    T: Send + 'static,
    E: From<DbError> + Send + 'static,
{
    fn run<'t>(self: Box<Self>, tx: &'t mut Tx) -> BoxFuture<'t, Box<dyn Settle>> {
        let Self { operation, reply } = *self;
        Box::pin(async move {
            let result = in_savepoint(tx, operation).await;
            Box::new(Ran { result, reply }) as Box<dyn Settle>
        })
    }
}

impl<T: Send, E: From<DbError> + Send> Settle for Ran<T, E> {
    fn changed(&self) -> bool {
        self.result.is_ok()
    }

    fn settle(self: Box<Self>, commit: Result<(), DbError>) {
        let Self { result, reply } = *self;
        let answer = result.and_then(|value| commit.map(|()| value).map_err(E::from));
        // Whoever asked may have gone away; the change stands.
        let _ = reply.send(answer);
    }
}

async fn in_savepoint<F, T, E>(tx: &mut Tx, operation: F) -> Result<T, E>
where
    F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>>,
    E: From<DbError>,
{
    let before = tx.events.len();
    tx.script("SAVEPOINT op").await?;
    let result = operation(tx).await;
    match &result {
        Ok(_) => tx.script("RELEASE op").await?,
        Err(_) => {
            tx.events.truncate(before);
            tx.script("ROLLBACK TO op; RELEASE op").await?;
        }
    }
    result
}

/// Starts the writer on `conn`; it ends when the last sender is gone or [`Message::Stop`] comes.
pub(super) fn start(conn: Conn) -> mpsc::Sender<Message> {
    let (sender, receiver) = mpsc::channel(QUEUE);
    tokio::spawn(serve(conn, receiver));
    sender
}

async fn serve(conn: Conn, mut queue: mpsc::Receiver<Message>) {
    let mut tx = Tx { conn, events: Vec::new() };
    let mut done = None;
    while let Some(message) = queue.recv().await {
        match message {
            Message::Job(job) => transact(&mut tx, job).await,
            Message::Stop(sender) => {
                // What is queued already is still done; nothing new comes in.
                queue.close();
                done = Some(sender);
            }
        }
    }
    tx.conn.0.close().await;
    if let Some(done) = done {
        let _ = done.send(());
    }
}

async fn transact(tx: &mut Tx, job: Box<dyn Job>) {
    tx.events.clear();
    if let Err(error) = tx.script("BEGIN IMMEDIATE").await {
        tracing::error!(%error, "a transaction could not begin");
        // The job is dropped, which its caller sees as a database that is not available.
        return;
    }
    let Some(ran) = guarded(job.run(tx)).await else {
        tracing::error!("an operation panicked; its transaction is undone");
        rollback(tx).await;
        return;
    };
    if !ran.changed() {
        rollback(tx).await;
        ran.settle(Ok(()));
        return;
    }
    let events = std::mem::take(&mut tx.events);
    let mut committed = events::write(tx, &events).await;
    if committed.is_ok() {
        committed = tx.script("COMMIT").await;
    }
    if committed.is_err() {
        rollback(tx).await;
    }
    ran.settle(committed);
}

async fn rollback(tx: &mut Tx) {
    tx.events.clear();
    if let Err(error) = tx.script("ROLLBACK").await {
        tracing::error!(%error, "a transaction could not be undone");
    }
}

/// Runs `future` to its end; `None` if it panicked.
async fn guarded<T>(mut future: BoxFuture<'_, T>) -> Option<T> {
    std::future::poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
        Ok(Poll::Ready(value)) => Poll::Ready(Some(value)),
        Ok(Poll::Pending) => Poll::Pending,
        Err(_) => Poll::Ready(None),
    })
    .await
}
