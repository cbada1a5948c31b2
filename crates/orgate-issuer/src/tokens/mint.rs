//! Writing tokens: claims in, signed JWTs out.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use orgate_claims::wire::{ACCESS_TOKEN_TYP, AccessTokenClaims, OrganizationClaims};
use serde_json::{Map, Value, json};

use super::{error::TokenError, refresh_token};
use crate::{
    app::App,
    clock::seconds,
    encoding::base64url,
    factors,
    ids::Kind,
    keys::{KeyError, SigningKey},
    login::scope,
    members::Membership,
    projects::Project,
    roles,
    users::User,
};

/// Everything a token says, read in the transaction of its grant.
#[derive(Clone, Debug)]
pub(super) struct Issue {
    pub(super) client_id: String,
    pub(super) user: User,
    pub(super) session_id: Option<String>,
    pub(super) scope: String,
    pub(super) nonce: Option<String>,
    pub(super) auth_time: i64,
    pub(super) amr: Vec<String>,
    pub(super) member: Option<Membership>,
    pub(super) family_id: String,
    pub(super) counter: i64,
}

/// The keys a grant will sign with, fetched before it changes anything.
pub(super) struct Signers {
    access: Arc<SigningKey>,
    id: Option<Arc<SigningKey>>,
}

impl Signers {
    pub(super) async fn of(app: &App, project: &Project, with_id: bool) -> Result<Self, KeyError> {
        let now = app.now_ms();
        let access = app.keys.active(&project.id, project.access_algorithm, now).await?;
        let id = match with_id {
            true => Some(app.keys.active(&project.id, project.id_algorithm, now).await?),
            false => None,
        };
        Ok(Self { access, id })
    }
}

/// The successful answer (RFC 6749 §5.1); `org_id` says for which organization, null for none.
pub(super) async fn answer(
    app: &App,
    project: &Project,
    signers: Signers,
    issue: &Issue,
) -> Result<Value, TokenError> {
    let now = app.now_ms();
    let issuer = app.public.issuer(&project.id);
    let access_token = signers.access.sign(ACCESS_TOKEN_TYP, &claims(&issuer, project, issue, now))?;
    let mut body = Map::new();
    if scope::has(&issue.scope, "openid") {
        let key = match signers.id {
            Some(key) => key,
            None => app.keys.active(&project.id, project.id_algorithm, now).await?,
        };
        let id_token = key.sign("JWT", &id_claims(&issuer, project, issue, &access_token, now))?;
        body.insert("id_token".to_owned(), id_token.into());
    }
    let refresh_token = refresh_token::derive(&app.secrets, &issue.family_id, issue.counter)
        .ok_or(TokenError::Unavailable)?;
    body.insert("access_token".to_owned(), access_token.into());
    body.insert("token_type".to_owned(), "Bearer".into());
    body.insert("expires_in".to_owned(), seconds(project.access_ttl_ms).into());
    body.insert("refresh_token".to_owned(), refresh_token.into());
    if !issue.scope.is_empty() {
        body.insert("scope".to_owned(), issue.scope.as_str().into());
    }
    let org_id = issue.member.as_ref().map(|member| member.org_id.as_str());
    body.insert("org_id".to_owned(), json!(org_id));
    Ok(Value::Object(body))
}

fn claims(issuer: &str, project: &Project, issue: &Issue, now_ms: i64) -> Value {
    let jti = Kind::Token.new_id(now_ms);
    let permissions =
        issue.member.as_ref().map(|member| roles::permissions(&member.role)).unwrap_or_default();
    let organization = issue.member.as_ref().map(|member| OrganizationClaims {
        org_id: &member.org_id,
        org_slug: &member.org_slug,
        org_role: &member.role,
        org_permissions: &permissions,
        org_ver: member.org_ver,
    });
    let claims = AccessTokenClaims {
        iss: issuer,
        sub: &issue.user.id,
        aud: &project.audience,
        client_id: &issue.client_id,
        exp: seconds(now_ms) + seconds(project.access_ttl_ms),
        iat: seconds(now_ms),
        jti: &jti,
        scope: Some(issue.scope.as_str()).filter(|scope| !scope.is_empty()),
        sid: issue.session_id.as_deref(),
        auth_time: Some(seconds(issue.auth_time)),
        acr: Some(factors::acr(&issue.amr)),
        amr: &issue.amr,
        organization,
    };
    serde_json::to_value(claims).unwrap_or_default()
}

/// OpenID Connect Core §2. An ID token tells the application who signed in; it never carries rights.
fn id_claims(issuer: &str, project: &Project, issue: &Issue, access_token: &str, now_ms: i64) -> Value {
    let hash = digest(&SHA256, access_token.as_bytes());
    let mut claims = json!({
        "iss": issuer,
        "sub": issue.user.id,
        "aud": issue.client_id,
        "exp": seconds(now_ms) + seconds(project.access_ttl_ms),
        "iat": seconds(now_ms),
        "auth_time": seconds(issue.auth_time),
        "acr": factors::acr(&issue.amr),
        "amr": issue.amr,
        // The left half of the hash (OpenID Connect Core §3.1.3.6).
        "at_hash": base64url(hash.as_ref().get(..16).unwrap_or_default()),
    });
    if let Some(object) = claims.as_object_mut() {
        let mut add = |name: &str, value: Value| object.insert(name.to_owned(), value);
        if let Some(nonce) = &issue.nonce {
            add("nonce", nonce.as_str().into());
        }
        if let Some(session_id) = &issue.session_id {
            add("sid", session_id.as_str().into());
        }
        if scope::has(&issue.scope, "email") {
            add("email", issue.user.email.as_str().into());
            add("email_verified", issue.user.email_verified.into());
        }
        if let Some(name) = issue.user.name.as_ref().filter(|_| scope::has(&issue.scope, "profile")) {
            add("name", name.as_str().into());
        }
    }
    claims
}
