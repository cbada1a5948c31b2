//! The code of a device for tokens (RFC 8628 §3.4), once a person has said yes at the page.

use super::{
    super::{
        mint::{self, Issue, Signers, Subject},
        queries::{self, NewFamily},
    },
    Common, ENDED, organization, parties,
};
use crate::{app::App, db::Tx, ids::Kind, oauth::TokenError, projects::Project, secret::fingerprint};

/// How much longer a device must wait that asks too often (RFC 8628 §3.5).
const SLOWER_MS: i64 = 5_000;

enum Outcome {
    Redeemed(Box<Issue>),
    /// What is noted of a device that must ask again stays.
    Refused(TokenError),
}

/// Redeems the code.
pub(in crate::tokens) async fn grant(
    app: &App,
    project: &Project,
    common: Common,
    code: &str,
) -> Result<serde_json::Value, TokenError> {
    let signers = Signers::of(app, project, false).await?;
    let (hash, now) = (fingerprint(code), app.now_ms());
    let outcome = app
        .db
        .write::<_, TokenError>(move |tx| Box::pin(async move { redeem(tx, &common, &hash, now).await }))
        .await?;
    match outcome {
        Outcome::Redeemed(issue) => mint::answer(app, project, signers, &issue).await,
        Outcome::Refused(error) => Err(error),
    }
}

async fn redeem(tx: &mut Tx, common: &Common, hash: &str, now_ms: i64) -> Result<Outcome, TokenError> {
    let device = queries::device(tx, hash).await?.ok_or(TokenError::InvalidGrant(ENDED))?;
    if device.client_id != common.client.id {
        return Err(TokenError::InvalidGrant(ENDED));
    }
    if device.expires_at <= now_ms {
        return Err(TokenError::ExpiredToken);
    }
    match device.status.as_str() {
        "approved" => {}
        "denied" => return Err(TokenError::AccessDenied),
        "pending" => {
            let too_soon = device.polled_at.is_some_and(|polled| now_ms - polled < device.wait_ms);
            let wait_ms = if too_soon { device.wait_ms + SLOWER_MS } else { device.wait_ms };
            queries::device_polled(tx, hash, wait_ms, now_ms).await?;
            let error = if too_soon { TokenError::SlowDown } else { TokenError::AuthorizationPending };
            return Ok(Outcome::Refused(error));
        }
        _ => return Err(TokenError::InvalidGrant(ENDED)),
    }
    let (Some(user_id), Some(session)) = (&device.user_id, &device.session) else {
        return Err(TokenError::InvalidGrant(ENDED));
    };
    if session.ended || !queries::hold_session(tx, &session.id).await? {
        return Err(TokenError::InvalidGrant(ENDED));
    }
    let (project, user) = parties(tx, &device.project_id, user_id).await?;
    let member = organization(tx, &project, &user.id, &common.wanted, device.org_id.as_deref()).await?;
    common.check_organization(member.is_some())?;
    common.hold_consent(tx, &user.id, member.as_ref(), &device.scope).await?;
    let audience = common.audience(&project, &device.resource)?;
    if !queries::use_device(tx, hash).await? {
        return Err(TokenError::InvalidGrant(ENDED));
    }
    let family_id = Kind::Family.new_id(now_ms);
    let family = NewFamily {
        id: &family_id,
        client: &common.client,
        user_id: &user.id,
        session_id: &session.id,
        member: member.as_ref(),
        scope: &device.scope,
        resource: &device.resource,
        jkt: common.family_key(),
        auth_time: session.auth_time,
        amr: &session.amr,
        idle_exp: now_ms + project.refresh_idle_ttl_ms,
        abs_exp: now_ms + project.refresh_abs_ttl_ms,
        now_ms,
    };
    queries::insert_family(tx, &family).await?;
    Ok(Outcome::Redeemed(Box::new(Issue {
        client_id: common.client.id.clone(),
        subject: Subject::User(Box::new(user)),
        session_id: Some(session.id.clone()),
        scope: device.scope,
        nonce: None,
        auth_time: Some(session.auth_time),
        amr: session.amr.clone(),
        seat: member.map(Into::into),
        audience,
        family_id: Some(family_id),
        counter: Some(0),
        jkt: common.jkt.clone(),
        act: None,
        ends_by: None,
        exchanged: false,
    })))
}
