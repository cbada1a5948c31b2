//! What happens without anybody asking: mail is carried away, and what has ended is forgotten.
//!
//! Work is bounded in each round, so that nobody's sign-in waits for it. The task ends with the issuer.

use std::{
    sync::{Weak, atomic::Ordering},
    time::Duration,
};

use crate::{
    accounts, activity,
    app::App,
    db::DbError,
    factors, idempotency, invitations, login,
    mail::{self, Courier},
    one_time, organizations, passkeys, throttle, webhooks,
};

const EVERY: Duration = Duration::from_secs(1);
/// How many rounds lie between two purges.
const PURGE_EVERY: u64 = 60;

/// Goes on until the issuer is shut down or dropped.
pub(crate) async fn run(app: Weak<App>, courier: Option<Courier>) {
    let mut rounds = tokio::time::interval(EVERY);
    rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut count = 0_u64;
    loop {
        rounds.tick().await;
        let Some(app) = app.upgrade().filter(|app| !app.closing.load(Ordering::Acquire)) else { return };
        if let Some(courier) = &courier
            && let Err(error) = mail::deliver(&app, courier).await
        {
            tracing::error!(%error, "mail could not be looked for");
        }
        count += 1;
        if count.is_multiple_of(PURGE_EVERY)
            && let Err(error) = purge(&app).await
        {
            tracing::error!(%error, "what has ended could not be removed");
        }
    }
}

/// Forgets what has ended: at most some hundred rows of each kind. The answer is how many.
pub(crate) async fn purge(app: &App) -> Result<u64, DbError> {
    let now = app.now_ms();
    app.db
        .write::<_, DbError>(move |tx| {
            Box::pin(async move {
                let mut gone = mail::purge(tx, now).await?;
                gone += one_time::purge(tx, now).await?;
                gone += accounts::purge(tx, now).await?;
                gone += throttle::purge(tx, now).await?;
                gone += factors::purge(tx, now).await?;
                gone += passkeys::purge(tx, now).await?;
                gone += organizations::purge(tx, now).await?;
                gone += idempotency::purge(tx, now).await?;
                gone += invitations::purge(tx, now).await?;
                gone += login::purge(tx, now).await?;
                gone += webhooks::purge(tx, now).await?;
                gone += activity::purge(tx, now).await?;
                Ok(gone)
            })
        })
        .await
}
