//! One token for another (RFC 8693).
//!
//! The client that a token was issued to exchanges it to switch the organization, or to know less: that is its own token
//! in other words. Another client, which keeps a secret and which the token is meant for, exchanges it to call on behalf
//! of the user: then the token names it as the actor, and the organization stays. Either way the result has no scope that
//! the first token lacks, ends no later, and dies with its family; there is no refresh token.

use serde_json::{Value, json};

use super::{
    super::{
        access::{self, AccessToken, Standing},
        mint::{self, ACCESS_TOKEN_TYPE, Issue, Seat, Signers, Subject},
    },
    Common, narrowed, organization,
};
use crate::{
    app::App,
    clients::ClientKind,
    oauth::{Parameters, TokenError},
    projects::Project,
};

/// How many actors a token may name, one behind the other.
const MOST_ACTORS: usize = 4;

/// The subject token of a request, as far as this exchange is one that is done here (RFC 8693 §2.1).
pub(in crate::tokens) fn subject_token(parameters: &Parameters) -> Result<String, TokenError> {
    let token = parameters.required("subject_token", "`subject_token` is missing")?;
    let kind = parameters.required("subject_token_type", "`subject_token_type` is missing")?;
    let known = [ACCESS_TOKEN_TYPE, "urn:ietf:params:oauth:token-type:jwt"];
    if !known.contains(&kind.as_str()) {
        return Err(TokenError::InvalidRequest("the subject token must be an access token"));
    }
    if parameters.take("requested_token_type").is_some_and(|wanted| !known.contains(&wanted.as_str())) {
        return Err(TokenError::InvalidRequest("only access tokens are issued"));
    }
    // The actor is the client that asks, and has proven itself.
    if parameters.take("actor_token").is_some() || parameters.take("actor_token_type").is_some() {
        return Err(TokenError::InvalidRequest("`actor_token` is not supported"));
    }
    Ok(token)
}

/// Exchanges a token.
pub(in crate::tokens) async fn grant(
    app: &App,
    project: &Project,
    common: Common,
    subject_token: &str,
) -> Result<Value, TokenError> {
    const UNFIT: TokenError =
        TokenError::InvalidRequest("the subject token cannot be exchanged by this client");
    let token = access::read(app, project, subject_token).await?.ok_or(UNFIT)?;
    let mut conn = app.db.read().await?;
    let Standing { user, seat } = access::standing(&mut conn, project, &token).await?.ok_or(UNFIT)?;
    let user = user.ok_or(UNFIT)?;
    let is_own = token.text("client_id") == common.client.id;
    let act = if is_own {
        common.check_key(token.jkt())?;
        token.claims.get("act").cloned()
    } else {
        check_actor(project, &common, &token).then_some(()).ok_or(UNFIT)?;
        Some(actor(&common.client.id, &token)?)
    };
    let bound = seat.as_ref().map(|seat| seat.org_id.as_str());
    let member = organization(&mut conn, project, &user.id, &common.wanted, bound).await?;
    let scope = narrowed(token.text("scope"), common.scope.as_deref())?;
    if is_own {
        common.check_consent(&mut conn, &user.id, member.as_ref(), &scope).await?;
    }
    drop(conn);
    // Who acts for somebody stays where they were asked to act, however often the token is exchanged.
    if act.is_some() && member.as_ref().is_some_and(|member| Some(member.org_id.as_str()) != bound) {
        return Err(TokenError::InvalidTarget);
    }
    common.check_organization(member.is_some())?;
    let signers = Signers::of(app, project, false).await?;
    let issue = Issue {
        scope,
        audience: common.audience(project, &[])?,
        client_id: common.client.id,
        subject: Subject::User(Box::new(user)),
        session_id: Some(token.text("sid").to_owned()).filter(|sid| !sid.is_empty()),
        nonce: None,
        auth_time: token.claims.get("auth_time").and_then(Value::as_i64).map(|seconds| seconds * 1000),
        amr: token.list("amr"),
        seat: member.map(Seat::from),
        family_id: token.family_id(),
        counter: None,
        jkt: common.jkt,
        act,
        ends_by: Some(token.ends_at()),
        exchanged: true,
    };
    mint::answer(app, project, signers, &issue).await
}

/// Whether the client may act for the user: it keeps a secret, and the token is meant for it.
fn check_actor(project: &Project, common: &Common, token: &AccessToken) -> bool {
    let own = common.client.audiences(&project.audience);
    common.client.kind != ClientKind::Public && token.audience().iter().any(|one| own.contains(one))
}

/// Who acts, and for whom that one acts (RFC 8693 §4.1).
fn actor(client_id: &str, token: &AccessToken) -> Result<Value, TokenError> {
    let before = token.claims.get("act");
    let mut depth = 1;
    let mut next = before;
    while let Some(actor) = next {
        depth += 1;
        next = actor.get("act");
    }
    if depth > MOST_ACTORS {
        return Err(TokenError::InvalidRequest("too many have acted for this user already"));
    }
    // A token that was issued to another client says who that is by its `client_id`, and that changes now.
    let mut actor = json!({ "sub": client_id });
    if let (Some(object), Some(before)) = (actor.as_object_mut(), before) {
        object.insert("act".to_owned(), before.clone());
    }
    Ok(actor)
}
