//! One operation, one transaction, as often as it takes.
//!
//! An operation that met another one (`40001`, `40P01`, a lost compare-and-set it reports itself) is run again from its
//! beginning, so is one whose connection went away before the commit was sent, and, once, one that a constraint refused:
//! its own checks then see what the other one wrote, and it says what it would have said had it come later. Once the
//! commit is on its way there is no second try: whether it was done is not known, and that is the answer.

use std::{sync::Arc, time::Duration};

use sqlx::PgPool;

use super::acquire;
use crate::db::{BoxFuture, Conn, DbError, Listener, Tx, finish, guarded};

/// How often an operation is tried that always meets another.
const ATTEMPTS: u32 = 10;
/// How often it is tried when connections go away: those that are in the pool may all be dead after a restart.
const RECONNECTS: u32 = 3;

/// Runs `operation` in a task of its own, which goes on if nobody waits for it any more.
pub(in crate::db) async fn run<F, T, E>(
    pools: &super::Pools,
    listener: Listener,
    operation: F,
) -> Result<T, E>
where
    F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Clone + Send + 'static,
    T: Send + 'static,
    E: From<DbError> + Send + 'static,
{
    let pool = pools.writers.clone();
    let Ok(open) = Arc::clone(&pools.open).try_read_owned() else {
        return Err(E::from(DbError::Unavailable("the database is closed".to_owned())));
    };
    let task = tokio::spawn(async move {
        let _open = open;
        let mut tries = Tries::default();
        loop {
            let (result, failure) = attempt(&pool, &listener, operation.clone()).await;
            match (result, failure) {
                (Err(error), Some(failure)) => {
                    if !tries.another(&failure).await {
                        return Err(error);
                    }
                }
                (result, _) => return result,
            }
        }
    });
    task.await.unwrap_or_else(|_| Err(E::from(DbError::Unavailable("the change was given up".to_owned()))))
}

#[derive(Default)]
struct Tries {
    contended: u32,
    lost: u32,
    refused: bool,
}

impl Tries {
    /// Whether to try again after `failure`; waits a moment where that helps.
    async fn another(&mut self, failure: &DbError) -> bool {
        match failure {
            DbError::Contended => {
                self.contended += 1;
                if self.contended < ATTEMPTS {
                    tokio::time::sleep(Duration::from_millis(u64::from(self.contended))).await;
                }
                self.contended < ATTEMPTS
            }
            DbError::Lost(_) => {
                self.lost += 1;
                self.lost <= RECONNECTS
            }
            DbError::Conflict(_) => !std::mem::replace(&mut self.refused, true),
            DbError::Unavailable(_) | DbError::Inconsistent(_) => false,
        }
    }
}

/// One transaction. With an error comes what failed below it, if trying again may help.
async fn attempt<F, T, E>(pool: &PgPool, listener: &Listener, operation: F) -> (Result<T, E>, Option<DbError>)
where
    F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>>,
    E: From<DbError>,
{
    let failed = |error: DbError| (Err(E::from(error.clone())), Some(error));
    let handle = match acquire(pool).await {
        Ok(handle) => handle,
        Err(error) => return failed(error),
    };
    let mut tx = Tx::new(Conn::postgres(handle));
    if let Err(error) = begin(&mut tx).await {
        return failed(error);
    }
    let Some(result) = guarded(operation(&mut tx)).await else {
        tracing::error!("an operation panicked; its transaction is undone");
        rollback(&mut tx).await;
        return (Err(E::from(DbError::Unavailable("an operation panicked".to_owned()))), None);
    };
    let value = match result {
        Ok(value) => value,
        Err(error) => {
            let failure = tx.failure();
            rollback(&mut tx).await;
            return (Err(error), failure);
        }
    };
    if let Err(error) = finish(&mut tx).await {
        rollback(&mut tx).await;
        return failed(error);
    }
    match tx.script("COMMIT").await {
        Ok(()) => {
            ended(&mut tx);
            listener.committed(&mut tx);
            (Ok(value), None)
        }
        // The server has undone it.
        Err(error @ (DbError::Contended | DbError::Conflict(_))) => {
            rollback(&mut tx).await;
            failed(error)
        }
        Err(error) => {
            tracing::error!(%error, "the connection went away at a commit; whether the change was made is not known");
            (Err(E::from(error)), None)
        }
    }
}

async fn begin(tx: &mut Tx) -> Result<(), DbError> {
    if let super::super::Handle::Postgres(handle) = &mut tx.conn.handle {
        handle.transaction(true);
    }
    tx.script("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE").await?;
    tx.conn.in_transaction();
    Ok(())
}

/// Undoes; a connection that cannot even do that is closed when it is dropped.
async fn rollback(tx: &mut Tx) {
    if tx.conn.undo("ROLLBACK").await.is_ok() {
        ended(tx);
    }
}

fn ended(tx: &mut Tx) {
    if let super::super::Handle::Postgres(handle) = &mut tx.conn.handle {
        handle.transaction(false);
    }
}
