//! Telling applications that a session has ended (OpenID Connect Back-Channel Logout).
//!
//! What is to be told was written with the end of the session, so that nothing is lost with the process. Any process may
//! deliver it: a message is claimed by moving its next attempt into the future, and is gone when it has arrived, or after
//! [`MOST_ATTEMPTS`].

mod queries;

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use serde_json::json;
use url::Url;

use self::queries::LogoutDelivery;
use crate::{
    app::App,
    clock::seconds,
    courier::{Courier, Message},
    db::DbError,
    ids::Kind,
    oauth::TokenError,
    projects,
};

/// The media type of the message (§2.5).
const FORM: &str = "application/x-www-form-urlencoded";
/// What the token says has happened (§2.4).
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// How long the token counts, in seconds.
const LIFE: i64 = 120;
/// How often it is looked whether something is due that another process has left behind.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// The first pause after a failure; each one is three times the one before.
const FIRST_PAUSE_MS: i64 = 10_000;
/// About nine hours.
const MOST_ATTEMPTS: i64 = 8;

/// Delivers until the issuer is gone.
pub(crate) async fn run(app: Weak<App>, bell: Arc<tokio::sync::Notify>, courier: Arc<dyn Courier>) {
    loop {
        let _ = tokio::time::timeout(LOOK_EVERY, bell.notified()).await;
        let Some(app) = app.upgrade() else { return };
        match deliver(&app, &*courier).await {
            Ok(()) => {}
            // The database is closed; so is the issuer, or it says so itself.
            Err(error) => tracing::debug!(%error, "sign-outs could not be told"),
        }
    }
}

/// Tries what is due.
pub(super) async fn deliver(app: &App, courier: &dyn Courier) -> Result<(), DbError> {
    let now = app.now_ms();
    let due = queries::due_logouts(&mut *app.db.read().await?, now).await?;
    for delivery in due {
        let again = now + FIRST_PAUSE_MS.saturating_mul(3_i64.saturating_pow(attempts(&delivery)));
        let (id, attempt) = (delivery.id.clone(), delivery.attempts);
        let claimed = app
            .db
            .write::<_, DbError>(move |tx| {
                Box::pin(async move { queries::claim_logout(tx, &id, attempt, again).await })
            })
            .await?;
        if !claimed {
            continue;
        }
        let told = tell(app, courier, &delivery).await;
        if let Err(why) = &told {
            tracing::warn!(project.id = %delivery.project_id, client.id = %delivery.client_id, why, "a sign-out was not told");
        }
        if told.is_ok() || delivery.attempts + 1 >= MOST_ATTEMPTS {
            let id = delivery.id;
            app.db
                .write::<_, DbError>(move |tx| Box::pin(async move { queries::drop_logout(tx, &id).await }))
                .await?;
        }
    }
    Ok(())
}

fn attempts(delivery: &LogoutDelivery) -> u32 {
    u32::try_from(delivery.attempts).unwrap_or(0)
}

async fn tell(app: &App, courier: &dyn Courier, delivery: &LogoutDelivery) -> Result<(), String> {
    let reach = app.reach();
    let url = Url::parse(&delivery.uri).map_err(|_| "the address cannot be read".to_owned())?;
    reach.check(&url).map_err(|why| format!("the address {why}"))?;
    let token = token(app, delivery).await.map_err(|_| "the token could not be made".to_owned())?;
    let body = form_urlencoded::Serializer::new(String::new()).append_pair("logout_token", &token).finish();
    match courier.post(Message::new(url.as_str(), FORM, body, &reach)).await? {
        200..=299 => Ok(()),
        status => Err(format!("the answer was {status}")),
    }
}

/// The logout token (§2.4). It has no `nonce`, so that it is never taken for an ID token.
async fn token(app: &App, delivery: &LogoutDelivery) -> Result<String, TokenError> {
    let now = app.now_ms();
    let project = projects::find(&mut *app.db.read().await?, &delivery.project_id).await?;
    let project = project.ok_or(TokenError::Unavailable)?;
    let key = app.keys.active(&project.id, project.id_algorithm, now).await?;
    let claims = json!({
        "iss": app.public.issuer(&project.id),
        "aud": delivery.client_id,
        "iat": seconds(now),
        "exp": seconds(now) + LIFE,
        "jti": Kind::Token.new_id(now),
        "sub": delivery.user_id,
        "sid": delivery.session_id,
        "events": { EVENT: {} },
    });
    Ok(key.sign("logout+jwt", &claims)?)
}
