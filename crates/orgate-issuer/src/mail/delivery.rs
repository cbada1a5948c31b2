//! Handing letters over: one at a time, each taken in the database before, so that two processes do not both send it.

use super::{Letter, open, queries};
use crate::{app::App, db::DbError};

/// For how long a letter that was taken belongs to whoever took it.
const TAKEN_MS: i64 = 2 * 60_000;
/// How long a letter waits after its first failure, its second, and so on; the last one repeats.
const WAITS_MS: [i64; 6] = [5_000, 30_000, 2 * 60_000, 10 * 60_000, 30 * 60_000, 3_600_000];
/// How often what looks hopeless is tried: a server that refuses us for a wrong password refuses every letter so.
const HOPELESS: i64 = 3;
/// The most letters of one round.
const ROUND: usize = 50;

/// Why a letter was not handed over. Says nothing about whom it was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It may work later.
    ForNow,
    /// It will not work later either.
    ForGood,
}

/// What carries letters away.
pub(crate) trait Carry: Send + Sync {
    /// Hands `letter` over. `id` is the same each time the same letter is tried.
    fn carry(&self, id: &str, letter: &Letter) -> impl Future<Output = Result<(), Refused>> + Send;
}

/// Sends what is due, and says how many were handed over.
pub(crate) async fn deliver(app: &App, carrier: &impl Carry) -> Result<usize, DbError> {
    let mut sent = 0;
    for _ in 0..ROUND {
        let now = app.now_ms();
        let Some(id) = queries::due(&mut *app.db.read().await?, now).await? else { break };
        let taken = app
            .db
            .write::<_, DbError>(move |tx| {
                Box::pin(async move { queries::take(tx, &id, now, now + TAKEN_MS).await })
            })
            .await?;
        let Some(taken) = taken else { continue };
        let outcome = match open(&app.secrets, &taken.id, &taken.sealed) {
            Some(_) if taken.expires_at <= now => Err(Refused::ForGood),
            Some(letter) => carrier.carry(&taken.id, &letter).await,
            None => Err(Refused::ForGood),
        };
        sent += usize::from(outcome.is_ok());
        settle(app, taken, outcome).await?;
    }
    Ok(sent)
}

async fn settle(app: &App, taken: queries::Taken, outcome: Result<(), Refused>) -> Result<(), DbError> {
    let next_at = app.now_ms() + wait(taken.attempts);
    let hopeful = match outcome {
        Ok(()) => false,
        Err(Refused::ForNow) => true,
        Err(Refused::ForGood) => taken.attempts < HOPELESS,
    };
    let again = hopeful && next_at < taken.expires_at;
    match outcome {
        Ok(()) => tracing::info!(mail.id = %taken.id, "a mail was sent"),
        Err(_) if again => {
            tracing::warn!(mail.id = %taken.id, attempts = taken.attempts, "a mail could not be sent yet");
        }
        Err(_) => {
            tracing::error!(mail.id = %taken.id, attempts = taken.attempts, "a mail was given up");
        }
    }
    app.db
        .write::<_, DbError>(move |tx| {
            Box::pin(async move {
                if again {
                    queries::postpone(tx, &taken.id, next_at).await
                } else {
                    queries::remove(tx, &taken.id).await
                }
            })
        })
        .await
}

fn wait(attempts: i64) -> i64 {
    let at = usize::try_from(attempts.saturating_sub(1)).unwrap_or(0).min(WAITS_MS.len() - 1);
    WAITS_MS.get(at).copied().unwrap_or(3_600_000)
}
