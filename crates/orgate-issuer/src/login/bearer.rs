//! An access token with the scope `account` (RFC 6750) in place of the session's cookie: for applications that act for the
//! person here, and that the operator let ask for that scope.
//!
//! No browser sends such a header by itself, so a request with it needs no proof of where it comes from. The token stands only
//! as long as the session it came of, and it speaks of the sign-in that it came of: what wants a fresh one goes by its
//! `auth_time`. With an organization in it, it reaches no other one. It cannot be bound to a key, and nobody acts by it for
//! somebody else.

use http::{HeaderMap, header};
use orgate_claims::UnixTime;
use serde_json::{Map, Value};

use super::{
    queries, scope,
    session::{Bearer, Session},
};
use crate::{
    app::App,
    clients,
    clock::seconds,
    encoding::from_base64url,
    http::{Problem, problem::Code},
    projects,
};

/// The session of the token of a request; `None` if there is none. `named`: the project of the path.
pub(super) async fn session(
    app: &App,
    named: Option<&str>,
    headers: &HeaderMap,
) -> Result<Option<Session>, Problem> {
    let Some(token) = presented(headers)? else { return Ok(None) };
    let refused = || Problem::new(Code::Unauthenticated).detail("the access token does not stand");
    let said = claims(token).ok_or_else(refused)?;
    // Whose it says to be; whether it is, the keys of that project tell.
    let issuer = text(&said, "iss");
    let project_id = named.unwrap_or_else(|| issuer.rsplit('/').next().unwrap_or_default());
    let mut conn = app.db.read().await?;
    let project = projects::find(&mut conn, project_id).await?.ok_or_else(refused)?;
    drop(conn);
    if app.public.issuer(&project.id) != issuer {
        return Err(refused());
    }
    let now = app.now_ms();
    let ring = app.keys.ring(&project.id, now).await.map_err(|_| Code::Unavailable)?;
    let verifier = ring.verifier(issuer).ok_or(Code::Unavailable)?;
    let is_good = verifier.verify_at(token, UnixTime::from_seconds(seconds(now))).is_ok();
    if !is_good || said.contains_key("cnf") || said.contains_key("act") {
        return Err(refused());
    }
    let mut conn = app.db.read().await?;
    let client = clients::find(&mut conn, text(&said, "client_id")).await?;
    let client = client.filter(|client| client.project_id == project.id).ok_or_else(refused)?;
    let may = client.scopes.iter().any(|one| one == scope::ACCOUNT);
    if !may || !scope::has(text(&said, "scope"), scope::ACCOUNT) {
        return Err(Problem::new(Code::Forbidden).detail("the access token lacks the scope `account`"));
    }
    let jti = text(&said, "jti");
    let family = jti.split_once('.').map(|(_, family)| format!("fam_{family}")).unwrap_or_default();
    if !queries::token_stands(&mut conn, &project.id, jti, &family).await? {
        return Err(refused());
    }
    let session = queries::session_by_id(&mut conn, text(&said, "sid"), now).await?;
    let session = session
        .filter(|session| session.project_id == project.id && session.user_id == text(&said, "sub"))
        .ok_or_else(refused)?;
    let auth_time = said.get("auth_time").and_then(Value::as_i64).ok_or_else(refused)?;
    let org_id = said.get("org_id").and_then(Value::as_str).map(str::to_owned);
    let amr = said.get("amr").and_then(Value::as_array).into_iter().flatten();
    Ok(Some(Session {
        auth_time: auth_time.saturating_mul(1000),
        amr: amr.filter_map(|one| one.as_str().map(str::to_owned)).collect(),
        bearer: Some(Bearer { org_id }),
        ..session
    }))
}

/// The token of the `Authorization` header. What is there for another purpose is none of ours.
fn presented(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return if headers.contains_key(header::AUTHORIZATION) {
            Err(Code::BadRequest.into())
        } else {
            Ok(None)
        };
    };
    let Some((scheme, token)) = value.to_str().ok().and_then(|value| value.split_once(' ')) else {
        return Ok(None);
    };
    Ok(scheme.eq_ignore_ascii_case("bearer").then(|| token.trim()))
}

/// What a token says, which nobody has vouched for yet.
fn claims(token: &str) -> Option<Map<String, Value>> {
    serde_json::from_slice(&from_base64url(token.split('.').nth(1)?)?).ok()
}

fn text<'a>(claims: &'a Map<String, Value>, name: &str) -> &'a str {
    claims.get(name).and_then(Value::as_str).unwrap_or_default()
}
