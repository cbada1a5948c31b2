//! The one connection that writes, and the queue before it.
//!
//! Each operation runs in a transaction of its own and is answered after the commit. That several could share one commit
//! is why they come through a queue; nothing outside this file would notice.

use tokio::sync::{mpsc, oneshot};

use super::{BoxFuture, Conn, DbError, Listener, Tx, finish, guarded};

const QUEUE: usize = 1024;

/// What the writer is told.
pub(super) enum Message {
    Job(Box<dyn Job>),
    Stop(oneshot::Sender<()>),
}

/// An operation of any type.
pub(super) trait Job: Send {
    fn run<'t>(self: Box<Self>, tx: &'t mut Tx) -> BoxFuture<'t, Box<dyn Settle>>;
    /// Its transaction could not begin.
    fn refuse(self: Box<Self>, error: DbError);
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
            let result = operation(tx).await;
            Box::new(Ran { result, reply }) as Box<dyn Settle>
        })
    }

    fn refuse(self: Box<Self>, error: DbError) {
        let _ = self.reply.send(Err(E::from(error)));
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
        match message {
            Message::Job(job) => transact(&mut tx, &listener, job).await,
            Message::Stop(sender) => {
                // What is queued already is still done; nothing new comes in.
                queue.close();
                done = Some(sender);
            }
        }
    }
    tx.conn.close().await;
    if let Some(done) = done {
        let _ = done.send(());
    }
}

async fn transact(tx: &mut Tx, listener: &Listener, job: Box<dyn Job>) {
    tx.events.clear();
    if let Err(error) = tx.script("BEGIN IMMEDIATE").await {
        tracing::error!(%error, "a transaction could not begin");
        job.refuse(error);
        return;
    }
    tx.conn.in_transaction();
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
    ran.settle(committed);
}

async fn rollback(tx: &mut Tx) {
    tx.events.clear();
    if let Err(error) = tx.conn.undo("ROLLBACK").await {
        tracing::error!(%error, "a transaction could not be undone");
    }
}
