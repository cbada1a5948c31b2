//! A code for tokens (RFC 6749 §4.1.3, RFC 7636 §4.6).

use aws_lc_rs::digest::{SHA256, digest};

use super::{
    super::{
        mint::{self, Issue, Signers, Subject},
        queries::{self, NewFamily, StoredCode},
    },
    Common, ENDED, Wanted, organization, parties,
};
use crate::{
    app::App,
    clients::Client,
    db::Tx,
    encoding::base64url,
    ids::Kind,
    oauth::TokenError,
    projects::Project,
    secret::{fingerprint, same},
};

/// What the request says.
#[derive(Clone)]
pub(in crate::tokens) struct Request {
    pub(in crate::tokens) code: String,
    pub(in crate::tokens) redirect_uri: String,
    pub(in crate::tokens) verifier: Option<String>,
}

enum Outcome {
    Redeemed(Box<Issue>),
    /// The code was used before; what came from it has ended.
    Reused,
}

/// Redeems a code.
pub(in crate::tokens) async fn grant(
    app: &App,
    project: &Project,
    common: Common,
    request: Request,
) -> Result<serde_json::Value, TokenError> {
    let signers = Signers::of(app, project, false).await?;
    let now = app.now_ms();
    let redeemed = app
        .db
        .write::<_, TokenError>(move |tx| Box::pin(async move { redeem(tx, &common, request, now).await }))
        .await?;
    match redeemed {
        Outcome::Redeemed(issue) => mint::answer(app, project, signers, &issue).await,
        Outcome::Reused => {
            tracing::warn!(project.id = %project.id, "an authorization code was used twice; its tokens are revoked");
            Err(TokenError::InvalidGrant("the code was used before"))
        }
    }
}

/// Each check returns by itself: no condition can hide another.
async fn redeem(tx: &mut Tx, common: &Common, request: Request, now_ms: i64) -> Result<Outcome, TokenError> {
    let client = &common.client;
    let hash = fingerprint(&request.code);
    let code = queries::code(tx, &hash).await?.ok_or(TokenError::InvalidGrant(ENDED))?;
    // "ensure that the authorization code was issued to the authenticated confidential client"
    if code.client_id != client.id {
        return Err(TokenError::InvalidGrant(ENDED));
    }
    // "The client MUST NOT use the authorization code more than once … SHOULD revoke all tokens previously issued"
    if code.consumed {
        return reused(tx, &code, now_ms).await;
    }
    if code.expires_at <= now_ms {
        return Err(TokenError::InvalidGrant(ENDED));
    }
    // "their values are identical"
    if code.redirect_uri != request.redirect_uri {
        return Err(TokenError::InvalidGrant("`redirect_uri` is not the one of the request"));
    }
    check_verifier(client, &code, request.verifier.as_deref())?;
    common.check_key(code.jkt.as_deref())?;
    if !code.session_alive || !queries::hold_session(tx, &code.session_id).await? {
        return Err(TokenError::InvalidGrant(ENDED));
    }
    let (project, user) = parties(tx, &code.project_id, &code.user_id).await?;
    let member = organization(tx, &project, &user.id, &common.wanted, code.org_id.as_deref()).await?;
    // The organization that was picked is part of what the person agreed to.
    if let (Wanted::Named(_), Some(picked), Some(member)) = (&common.wanted, &code.org_id, &member)
        && *picked != member.org_id
    {
        return Err(TokenError::InvalidGrant("the code was issued for another organization"));
    }
    common.check_organization(member.is_some())?;
    common.hold_consent(tx, &user.id, member.as_ref(), &code.scope).await?;
    let audience = common.audience(&project, &code.resource)?;
    if !queries::consume(tx, &hash, now_ms).await? {
        // Another request was faster; the family it made is known when the code is read again.
        return Err(tx.contended().into());
    }
    let family_id = Kind::Family.new_id(now_ms);
    let family = NewFamily {
        id: &family_id,
        client,
        user_id: &user.id,
        session_id: &code.session_id,
        member: member.as_ref(),
        scope: &code.scope,
        resource: &code.resource,
        jkt: common.family_key(),
        auth_time: code.auth_time,
        amr: &code.amr,
        idle_exp: now_ms + project.refresh_idle_ttl_ms,
        abs_exp: now_ms + project.refresh_abs_ttl_ms,
        now_ms,
    };
    queries::insert_family(tx, &family).await?;
    queries::set_family_of_code(tx, &hash, &family_id).await?;
    Ok(Outcome::Redeemed(Box::new(Issue {
        client_id: code.client_id,
        subject: Subject::User(Box::new(user)),
        session_id: Some(code.session_id),
        scope: code.scope,
        nonce: code.nonce,
        auth_time: Some(code.auth_time),
        amr: code.amr,
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

async fn reused(tx: &mut Tx, code: &StoredCode, now_ms: i64) -> Result<Outcome, TokenError> {
    if let Some(family_id) = &code.family_id {
        queries::revoke_family(tx, family_id, "code_reused", now_ms).await?;
        tx.record(queries::reuse_event(&code.project_id, family_id, "code", &code.user_id, now_ms));
    }
    Ok(Outcome::Reused)
}

/// RFC 7636 §4.6; a verifier without a challenge is refused too, since it shows that the challenge was cut out of the
/// request (RFC 9700 §4.8.2).
fn check_verifier(client: &Client, code: &StoredCode, verifier: Option<&str>) -> Result<(), TokenError> {
    const WRONG: TokenError = TokenError::InvalidGrant("`code_verifier` does not fit");
    match (&code.code_challenge, verifier) {
        (None, None) if client.require_pkce => Err(WRONG),
        (None, None) => Ok(()),
        (None, Some(_)) | (Some(_), None) => Err(WRONG),
        (Some(challenge), Some(verifier)) => {
            let letters = verifier.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b));
            if !letters || !(43..=128).contains(&verifier.len()) {
                return Err(WRONG);
            }
            let hash = base64url(digest(&SHA256, verifier.as_bytes()).as_ref());
            if same(&hash, challenge) { Ok(()) } else { Err(WRONG) }
        }
    }
}
