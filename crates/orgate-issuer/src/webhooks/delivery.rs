//! From events to receivers.
//!
//! Each endpoint that has something due gets a task of its own, so that a receiver that is slow keeps nobody else waiting.
//! What did not arrive is tried again, later and later, for about three days; an endpoint where nothing arrives for so long
//! is disabled, and so is one that answers 410.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError, Weak, atomic::Ordering},
    time::Duration,
};

use serde_json::json;
use url::Url;

use super::{Endpoint, TEST, event, queries, queries::Due, signing};
use crate::{
    app::App,
    clock::{rfc3339, seconds},
    courier::{Courier, Message},
    db::DbError,
    events::{self, Actor, EventType},
    ids::Kind,
    secret::random_bytes,
};

const EVERY: Duration = Duration::from_secs(1);
/// How many endpoints are served at once.
const AT_ONCE: usize = 64;
/// How many events one step turns into deliveries.
const STEP: i64 = 200;
/// For how long a delivery that was claimed belongs to whoever claimed it.
const CLAIM_MS: i64 = 60_000;
/// How long one waits after its first failure, its second, and so on.
const WAITS_MS: [i64; 9] = [
    5_000,
    5 * 60_000,
    30 * 60_000,
    2 * 3_600_000,
    5 * 3_600_000,
    10 * 3_600_000,
    14 * 3_600_000,
    20 * 3_600_000,
    24 * 3_600_000,
];
/// After how long without any arrival an endpoint is disabled, once a delivery is given up.
const PATIENCE_MS: i64 = 72 * 3_600_000;
/// The receiver wants nothing more.
const GONE: u16 = 410;

/// Delivers until the issuer is gone.
pub(crate) async fn run(app: Weak<App>, courier: Arc<dyn Courier>) {
    let busy: Arc<Mutex<HashSet<String>>> = Arc::default();
    let lock = |busy: &Mutex<HashSet<String>>| -> usize {
        busy.lock().unwrap_or_else(PoisonError::into_inner).len()
    };
    let mut rounds = tokio::time::interval(EVERY);
    rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        rounds.tick().await;
        let Some(app) = app.upgrade().filter(|app| !app.closing.load(Ordering::Acquire)) else { return };
        let due = match look(&app).await {
            Ok(due) => due,
            Err(error) => {
                tracing::debug!(%error, "webhooks could not be looked for");
                continue;
            }
        };
        for id in due {
            if lock(&busy) >= AT_ONCE
                || !busy.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone())
            {
                continue;
            }
            let (app, courier, busy) = (Arc::clone(&app), Arc::clone(&courier), Arc::clone(&busy));
            tokio::spawn(async move {
                if let Err(error) = deliver(&app, &*courier, &id).await {
                    tracing::debug!(%error, "webhooks could not be delivered");
                }
                busy.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
            });
        }
    }
}

/// Makes deliveries of what has happened, and gives the endpoints that have something due.
pub(super) async fn look(app: &App) -> Result<Vec<String>, DbError> {
    for endpoint in queries::behind(&mut *app.db.read().await?).await? {
        advance(app, endpoint).await?;
    }
    queries::with_due(&mut *app.db.read().await?, app.now_ms()).await
}

/// Turns some events into deliveries of the endpoint.
async fn advance(app: &App, endpoint: Endpoint) -> Result<(), DbError> {
    let (from, project) = (endpoint.position, endpoint.project_id.as_str());
    let found = events::log::behind(&mut *app.db.read().await?, project, from, STEP).await?;
    let Some((last, _)) = found.last() else { return Ok(()) };
    let (last, now) = (*last, app.now_ms());
    let wanted: Vec<(i64, String)> = found.into_iter().filter(|(_, kind)| endpoint.wants(kind)).collect();
    app.db
        .write::<_, DbError>(move |tx| {
            Box::pin(async move {
                // Whoever else was here has made them.
                if queries::advance(tx, &endpoint.id, from, last).await? {
                    for (seq, kind) in &wanted {
                        queries::add(tx, &Kind::Delivery.new_id(now), &endpoint.id, Some(*seq), kind, now)
                            .await?;
                    }
                }
                Ok(())
            })
        })
        .await
}

/// Tries what is due at the endpoint, in the order of the events.
pub(super) async fn deliver(app: &App, courier: &dyn Courier, endpoint_id: &str) -> Result<(), DbError> {
    let due = queries::due(&mut *app.db.read().await?, endpoint_id, app.now_ms()).await?;
    for one in due {
        if app.closing.load(Ordering::Acquire) {
            break;
        }
        let (id, attempts, until) = (one.id.clone(), one.attempts, app.now_ms() + CLAIM_MS);
        let claimed = app
            .db
            .write::<_, DbError>(move |tx| {
                Box::pin(async move { queries::claim(tx, &id, attempts, until).await })
            })
            .await?;
        // An endpoint that was removed or disabled a moment ago is told nothing more.
        let endpoint = queries::by_id(&mut *app.db.read().await?, endpoint_id).await?;
        let Some((endpoint, sealed)) = endpoint.filter(|(endpoint, _)| claimed && endpoint.active) else {
            continue;
        };
        let began = app.now_ms();
        let outcome = send(app, courier, &endpoint, &sealed, &one).await;
        settle(app, endpoint, one, outcome, app.now_ms() - began).await?;
    }
    Ok(())
}

async fn send(
    app: &App,
    courier: &dyn Courier,
    endpoint: &Endpoint,
    sealed: &[String],
    one: &Due,
) -> Result<u16, String> {
    let reach = app.reach();
    let url = Url::parse(&endpoint.url).map_err(|_| "the address cannot be read".to_owned())?;
    reach.check(&url).map_err(|why| format!("the address {why}"))?;
    let unavailable = |_: DbError| "the event could not be read".to_owned();
    let (id, body) = match one.seq {
        None => {
            let data = json!({ "endpoint_id": endpoint.id, "delivery_id": one.id });
            (one.id.clone(), json!({ "type": TEST, "timestamp": rfc3339(one.created_at), "data": data }))
        }
        Some(seq) => {
            let mut conn = app.db.read().await.map_err(unavailable)?;
            let found = events::log::one(&mut conn, &endpoint.project_id, seq).await.map_err(unavailable)?;
            let data = found.ok_or_else(|| "the event is not there".to_owned())?;
            let id = data.get("id").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
            (id, json!({ "type": one.kind, "timestamp": data.get("at"), "data": data }))
        }
    };
    let (body, now) = (body.to_string(), app.now_ms());
    let secrets: Option<Vec<String>> =
        sealed.iter().map(|sealed| signing::open(&app.secrets, &endpoint.id, sealed)).collect();
    let current = secrets.map(|mut secrets| {
        secrets.truncate(if endpoint.previous_until.is_some_and(|until| until > now) { 2 } else { 1 });
        secrets
    });
    let timestamp = seconds(now);
    let signature = current.and_then(|secrets| signing::sign(&secrets, &id, timestamp, &body));
    let signature = signature.ok_or_else(|| "the secret cannot be read".to_owned())?;
    let message = Message::new(url.as_str(), "application/json", body, &reach)
        .with("webhook-id", id)
        .with("webhook-timestamp", timestamp.to_string())
        .with("webhook-signature", signature);
    courier.post(message).await
}

/// Notes how it went, and what follows.
async fn settle(
    app: &App,
    mut endpoint: Endpoint,
    one: Due,
    outcome: Result<u16, String>,
    ms: i64,
) -> Result<(), DbError> {
    let now = app.now_ms();
    let (code, error) = match outcome {
        Ok(code) => (Some(code), (!(200..300).contains(&code)).then(|| format!("the answer was {code}"))),
        Err(why) => (None, Some(why)),
    };
    let arrived = error.is_none();
    let wait = usize::try_from(one.attempts).ok().and_then(|attempts| WAITS_MS.get(attempts));
    let is_gone = code == Some(GONE);
    let next_at = wait.filter(|_| !arrived && !is_gone).map(|wait| now + wait + jitter(*wait));
    if !arrived {
        tracing::warn!(webhook.id = %endpoint.id, delivery.id = %one.id, attempts = one.attempts + 1, "a webhook was not delivered");
    }
    app.db
        .write::<_, DbError>(move |tx| {
            Box::pin(async move {
                let status = match (arrived, next_at) {
                    (true, _) => "delivered",
                    (false, Some(_)) => "pending",
                    (false, None) => "failed",
                };
                let result =
                    queries::Outcome { status, next_at: next_at.unwrap_or(now), code, ms, error, now };
                queries::settle(tx, &one.id, &result).await?;
                let failing_since = queries::note(tx, &endpoint.id, (!arrived).then_some(now)).await?;
                let is_hopeless =
                    next_at.is_none() && failing_since.is_some_and(|since| now - since >= PATIENCE_MS);
                if !arrived && (is_gone || is_hopeless) && queries::disable(tx, &endpoint.id, now).await? {
                    endpoint.active = false;
                    tx.record(event(EventType::WebhookDisabled, Actor::System, &endpoint, now));
                }
                Ok(())
            })
        })
        .await
}

/// Up to a tenth of `wait`: what failed together need not come back together.
fn jitter(wait: i64) -> i64 {
    let random = random_bytes::<2>().map_or(0, u16::from_be_bytes);
    wait / 10 * i64::from(random) / i64::from(u16::MAX)
}
