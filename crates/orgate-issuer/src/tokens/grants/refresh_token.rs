//! A refresh token for new tokens (RFC 6749 §6), rotated each time (RFC 9700 §4.14.2).
//!
//! The current token rotates. The one before it, for a few seconds, gives the same successor again: a lost answer or
//! two tabs do not sign anybody out. Anything older is a stolen copy, and the family ends. What fails rotates nothing.

use super::{
    super::{
        error::TokenError,
        mint::{self, Issue, Signers},
        queries::{self, Family, Rotation},
        refresh_token::{self, RefreshToken},
    },
    ENDED, Wanted, organization, parties,
};
use crate::{app::App, clients::Client, db::Tx, login::scope, projects::Project};

/// What the request says.
#[derive(Clone)]
pub(in crate::tokens) struct Request {
    pub(in crate::tokens) token: String,
    pub(in crate::tokens) scope: Option<String>,
    pub(in crate::tokens) wanted: Wanted,
}

enum Outcome {
    Refreshed(Box<Issue>),
    /// An old token came back; the family has ended.
    Reused,
}

/// Refreshes.
pub(in crate::tokens) async fn grant(
    app: &App,
    project: &Project,
    client: Client,
    request: Request,
) -> Result<serde_json::Value, TokenError> {
    let presented =
        refresh_token::parse(&app.secrets, &request.token).ok_or(TokenError::InvalidGrant(ENDED))?;
    let signers = Signers::of(app, project, false).await?;
    let now = app.now_ms();
    let outcome = app
        .db
        .write::<_, TokenError>(move |tx| {
            Box::pin(async move { refresh(tx, &client, &presented, &request, now).await })
        })
        .await?;
    match outcome {
        Outcome::Refreshed(issue) => mint::answer(app, project, signers, &issue).await,
        Outcome::Reused => {
            tracing::warn!(project.id = %project.id, "an old refresh token came back; its family is revoked");
            Err(TokenError::InvalidGrant("the refresh token was used before"))
        }
    }
}

async fn refresh(
    tx: &mut Tx,
    client: &Client,
    presented: &RefreshToken,
    request: &Request,
    now_ms: i64,
) -> Result<Outcome, TokenError> {
    let family = queries::family(tx, &presented.family_id).await?.ok_or(TokenError::InvalidGrant(ENDED))?;
    if family.client_id != client.id {
        return Err(TokenError::InvalidGrant(ENDED));
    }
    if family.revoked || family.idle_exp <= now_ms || family.abs_exp <= now_ms {
        return Err(TokenError::InvalidGrant(ENDED));
    }
    if presented.counter > family.counter {
        // Our code, and yet from the future: the database was put back to an earlier state.
        return Err(TokenError::InvalidGrant(ENDED));
    }
    let (project, user) = parties(tx, &family.project_id, &family.user_id).await?;
    let is_current = presented.counter == family.counter;
    let in_grace = presented.counter + 1 == family.counter
        && now_ms - family.last_refreshed_at <= project.refresh_grace_ms;
    if !is_current && !in_grace {
        return reused(tx, &family, now_ms).await;
    }
    // Signing out ends what was granted, unless the application was given access for the time after.
    if family.session_revoked && !scope::has(&family.scope, "offline_access") {
        return Err(TokenError::InvalidGrant(ENDED));
    }
    let scope = narrowed(&family.scope, request.scope.as_deref())?;
    let member = organization(tx, &project, &user.id, &request.wanted, family.org_id.as_deref()).await?;
    let counter = if is_current {
        let rotation = Rotation {
            family_id: &family.id,
            counter: presented.counter,
            member: member.as_ref(),
            idle_exp: now_ms + project.refresh_idle_ttl_ms,
            now_ms,
        };
        match queries::rotate(tx, &rotation).await? {
            Some(counter) => counter,
            // Another request was faster; what it did is judged by looking again.
            None => return Err(tx.contended().into()),
        }
    } else {
        family.counter
    };
    Ok(Outcome::Refreshed(Box::new(Issue {
        client_id: family.client_id,
        user,
        session_id: family.session_id,
        scope,
        nonce: None,
        auth_time: family.auth_time,
        amr: family.amr,
        member,
        family_id: family.id,
        counter,
    })))
}

async fn reused(tx: &mut Tx, family: &Family, now_ms: i64) -> Result<Outcome, TokenError> {
    queries::revoke_family(tx, &family.id, "refresh_token_reused", now_ms).await?;
    tx.record(queries::reuse_event(&family.project_id, &family.id, "refresh_token", &family.user_id, now_ms));
    Ok(Outcome::Reused)
}

/// "The requested scope MUST NOT include any scope not originally granted" (RFC 6749 §6).
fn narrowed(granted: &str, asked: Option<&str>) -> Result<String, TokenError> {
    let Some(asked) = asked else { return Ok(granted.to_owned()) };
    let mut kept: Vec<&str> = Vec::new();
    for word in asked.split(' ').filter(|word| !word.is_empty()) {
        if !scope::has(granted, word) {
            return Err(TokenError::InvalidScope);
        }
        if !kept.contains(&word) {
            kept.push(word);
        }
    }
    Ok(kept.join(" "))
}
