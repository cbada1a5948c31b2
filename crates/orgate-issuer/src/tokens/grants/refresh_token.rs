//! A refresh token for new tokens (RFC 6749 §6), rotated each time (RFC 9700 §4.14.2).
//!
//! The current token rotates. The one before it, for a few seconds, gives the same successor again: a lost answer or
//! two tabs do not sign anybody out. Anything older is a stolen copy, and the family ends. What fails rotates nothing.

use super::{
    super::{
        mint::{self, Issue, Signers, Subject},
        queries::{self, Family, Rotation},
        refresh_token::{self, RefreshToken},
    },
    Common, ENDED, narrowed, organization, parties,
};
use crate::{app::App, db::Tx, login::scope, oauth::TokenError, projects::Project};

enum Outcome {
    Refreshed(Box<Issue>),
    /// An old token came back; the family has ended.
    Reused,
}

/// Refreshes.
pub(in crate::tokens) async fn grant(
    app: &App,
    project: &Project,
    common: Common,
    token: &str,
) -> Result<serde_json::Value, TokenError> {
    let presented = refresh_token::parse(&app.secrets, token).ok_or(TokenError::InvalidGrant(ENDED))?;
    let signers = Signers::of(app, project, false).await?;
    let now = app.now_ms();
    let outcome = app
        .db
        .write::<_, TokenError>(move |tx| {
            Box::pin(async move { refresh(tx, &common, &presented, now).await })
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
    common: &Common,
    presented: &RefreshToken,
    now_ms: i64,
) -> Result<Outcome, TokenError> {
    let family = queries::family(tx, &presented.family_id).await?.ok_or(TokenError::InvalidGrant(ENDED))?;
    if family.client_id != common.client.id {
        return Err(TokenError::InvalidGrant(ENDED));
    }
    if family.revoked || family.idle_exp <= now_ms || family.abs_exp <= now_ms {
        return Err(TokenError::InvalidGrant(ENDED));
    }
    if presented.counter > family.counter {
        // Our code, and yet from the future: the database was put back to an earlier state.
        return Err(TokenError::InvalidGrant(ENDED));
    }
    // A stolen token shows itself before anything is known of it.
    common.check_key(family.jkt.as_deref())?;
    let (project, user) = parties(tx, &family.project_id, &family.user_id).await?;
    let is_current = presented.counter == family.counter;
    let in_grace = presented.counter + 1 == family.counter
        // Both ways: the clocks of two machines differ, and one that was put back by an hour gives no hour of grace.
        && (now_ms - family.last_refreshed_at).abs() <= project.refresh_grace_ms;
    if !is_current && !in_grace {
        return reused(tx, &family, now_ms).await;
    }
    // Signing out ends what was granted, unless the application was given access for the time after.
    if family.session_revoked && !scope::has(&family.scope, "offline_access") {
        return Err(TokenError::InvalidGrant(ENDED));
    }
    let scope = narrowed(&family.scope, common.scope.as_deref())?;
    let audience = common.audience(&project, &family.resource)?;
    let member = organization(tx, &project, &user.id, &common.wanted, family.org_id.as_deref()).await?;
    common.check_organization(member.is_some())?;
    common.check_consent(tx, &user.id, member.as_ref(), &scope).await?;
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
        subject: Subject::User(Box::new(user)),
        // One that goes on without its session is not of it any more.
        session_id: family.session_id.filter(|_| !family.session_revoked),
        scope,
        nonce: None,
        auth_time: Some(family.auth_time),
        amr: family.amr,
        seat: member.map(Into::into),
        audience,
        family_id: Some(family.id),
        counter: Some(counter),
        jkt: common.jkt.clone(),
        act: None,
        ends_by: None,
        exchanged: false,
    })))
}

async fn reused(tx: &mut Tx, family: &Family, now_ms: i64) -> Result<Outcome, TokenError> {
    queries::revoke_family(tx, &family.id, "refresh_token_reused", now_ms).await?;
    tx.record(queries::reuse_event(&family.project_id, &family.id, "refresh_token", &family.user_id, now_ms));
    Ok(Outcome::Reused)
}
