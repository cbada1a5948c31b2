//! Writing tokens: claims in, signed JWTs out.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use orgate_claims::wire::{ACCESS_TOKEN_TYP, AccessTokenClaims, OrganizationClaims};
use serde_json::{Map, Value, json};

use super::refresh_token;
use crate::{
    app::App,
    clock::seconds,
    encoding::base64url,
    factors,
    ids::Kind,
    keys::{KeyError, SigningKey},
    login::scope,
    members::Membership,
    oauth::TokenError,
    organizations::Organization,
    projects::Project,
    roles::{self, Role},
    users::User,
};

/// Whom a token speaks of.
#[derive(Clone, Debug)]
pub(super) enum Subject {
    User(Box<User>),
    /// The client itself (RFC 9068 §2.2).
    Client,
}

/// The part of a token that speaks of an organization, read in one statement.
#[derive(Clone, Debug)]
pub(super) struct Seat {
    pub(super) org_id: String,
    org_slug: String,
    pub(super) role: Role,
    org_ver: u64,
}

impl From<Membership> for Seat {
    fn from(member: Membership) -> Self {
        Self { org_id: member.org_id, org_slug: member.org_slug, role: member.role, org_ver: member.org_ver }
    }
}

impl Seat {
    /// The seat of a machine.
    pub(super) fn of_machine(organization: Organization, role: Role) -> Self {
        Self { org_id: organization.id, org_slug: organization.slug, role, org_ver: organization.ver }
    }
}

/// Everything a token says, read in the transaction of its grant.
#[derive(Clone, Debug)]
pub(super) struct Issue {
    pub(super) client_id: String,
    pub(super) subject: Subject,
    pub(super) session_id: Option<String>,
    pub(super) scope: String,
    pub(super) nonce: Option<String>,
    pub(super) auth_time: Option<i64>,
    pub(super) amr: Vec<String>,
    pub(super) seat: Option<Seat>,
    pub(super) audience: Vec<String>,
    /// The family that it lives and dies with.
    pub(super) family_id: Option<String>,
    /// The number of the refresh token that goes with it.
    pub(super) counter: Option<i64>,
    /// The key it is bound to (RFC 9449 §6).
    pub(super) jkt: Option<String>,
    /// Who acts for the subject (RFC 8693 §4.1).
    pub(super) act: Option<Value>,
    /// When it must be over at the latest, in milliseconds.
    pub(super) ends_by: Option<i64>,
    /// Whether it came of an exchange (RFC 8693 §2.2.1).
    pub(super) exchanged: bool,
}

impl Issue {
    /// When a token of now ends, in seconds.
    fn expiry(&self, project: &Project, now_ms: i64) -> i64 {
        let usual = seconds(now_ms) + seconds(project.access_ttl_ms);
        self.ends_by.map_or(usual, |end| usual.min(seconds(end)))
    }

    fn user(&self) -> Option<&User> {
        match &self.subject {
            Subject::User(user) => Some(user),
            Subject::Client => None,
        }
    }
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
    let rights = issue.seat.as_ref().map(|seat| permissions(project, &seat.role)).unwrap_or_default();
    if !roles::fit_into_a_token(&rights) {
        tracing::error!(project.id = %project.id, "a role has too many permissions for a token");
        return Err(TokenError::Unavailable);
    }
    let access_token =
        signers.access.sign(ACCESS_TOKEN_TYP, &claims(&issuer, project, issue, &rights, now))?;
    let mut body = Map::new();
    if let Some(user) = issue.user().filter(|_| !issue.exchanged && scope::has(&issue.scope, "openid")) {
        let key = match signers.id {
            Some(key) => key,
            None => app.keys.active(&project.id, project.id_algorithm, now).await?,
        };
        let id_token = key.sign("JWT", &id_claims(&issuer, project, issue, user, &access_token, now))?;
        body.insert("id_token".to_owned(), id_token.into());
    }
    if let (Some(family_id), Some(counter)) = (&issue.family_id, issue.counter) {
        let refresh_token =
            refresh_token::derive(&app.secrets, family_id, counter).ok_or(TokenError::Unavailable)?;
        body.insert("refresh_token".to_owned(), refresh_token.into());
    }
    let expires_in = issue.expiry(project, now) - seconds(now);
    body.insert("access_token".to_owned(), access_token.into());
    body.insert("token_type".to_owned(), if issue.jkt.is_some() { "DPoP" } else { "Bearer" }.into());
    body.insert("expires_in".to_owned(), expires_in.into());
    if issue.exchanged {
        body.insert("issued_token_type".to_owned(), ACCESS_TOKEN_TYPE.into());
    }
    if !issue.scope.is_empty() {
        body.insert("scope".to_owned(), issue.scope.as_str().into());
    }
    let org_id = issue.seat.as_ref().map(|seat| seat.org_id.as_str());
    body.insert("org_id".to_owned(), json!(org_id));
    Ok(Value::Object(body))
}

/// What an access token is called in an exchange (RFC 8693 §3).
pub(super) const ACCESS_TOKEN_TYPE: &str = "urn:ietf:params:oauth:token-type:access_token";

/// What a role may do, in the words of the project.
pub(super) fn permissions(project: &Project, role: &Role) -> Vec<String> {
    project.claims_profile.permissions(role.permissions.clone())
}

fn claims(issuer: &str, project: &Project, issue: &Issue, rights: &[String], now_ms: i64) -> Value {
    // An access token ends with its family, and it says which that is, so that an introspection needs no list.
    let family = issue.family_id.as_deref().and_then(|id| id.strip_prefix("fam_"));
    let jti = match family {
        Some(family) => format!("{}.{family}", Kind::Token.new_id(now_ms)),
        None => Kind::Token.new_id(now_ms),
    };
    let organization = issue.seat.as_ref().map(|seat| OrganizationClaims {
        org_id: &seat.org_id,
        org_slug: &seat.org_slug,
        org_role: &seat.role.key,
        org_permissions: rights,
        org_ver: seat.org_ver,
    });
    let claims = AccessTokenClaims {
        iss: issuer,
        sub: issue.user().map_or(issue.client_id.as_str(), |user| user.id.as_str()),
        aud: &issue.audience,
        client_id: &issue.client_id,
        exp: issue.expiry(project, now_ms),
        iat: seconds(now_ms),
        jti: &jti,
        scope: Some(issue.scope.as_str()).filter(|scope| !scope.is_empty()),
        // What is for use without the session is not of it: it does not end when the person signs out.
        sid: issue.session_id.as_deref().filter(|_| !scope::has(&issue.scope, scope::OFFLINE)),
        auth_time: issue.auth_time.map(seconds),
        acr: issue.auth_time.map(|_| factors::acr(&issue.amr)),
        amr: &issue.amr,
        organization,
    };
    let mut claims = serde_json::to_value(claims).unwrap_or_default();
    if let Some(object) = claims.as_object_mut() {
        let organization = issue.seat.as_ref().map(|seat| (seat.role.key.as_str(), rights));
        project.claims_profile.add(object, organization);
        if let Some(jkt) = &issue.jkt {
            object.insert("cnf".to_owned(), json!({ "jkt": jkt }));
        }
        if let Some(act) = &issue.act {
            object.insert("act".to_owned(), act.clone());
        }
    }
    claims
}

/// OpenID Connect Core §2. An ID token tells the application who signed in; it never carries rights.
fn id_claims(
    issuer: &str,
    project: &Project,
    issue: &Issue,
    user: &User,
    access_token: &str,
    now_ms: i64,
) -> Value {
    let hash = digest(&SHA256, access_token.as_bytes());
    let mut claims = json!({
        "iss": issuer,
        "sub": user.id,
        "aud": issue.client_id,
        "exp": seconds(now_ms) + seconds(project.access_ttl_ms),
        "iat": seconds(now_ms),
        "amr": issue.amr,
        // The left half of the hash (OpenID Connect Core §3.1.3.6).
        "at_hash": base64url(hash.as_ref().get(..16).unwrap_or_default()),
    });
    if let Some(object) = claims.as_object_mut() {
        let mut add = |name: &str, value: Value| object.insert(name.to_owned(), value);
        if let Some(auth_time) = issue.auth_time {
            add("auth_time", seconds(auth_time).into());
            add("acr", factors::acr(&issue.amr).into());
        }
        if let Some(nonce) = &issue.nonce {
            add("nonce", nonce.as_str().into());
        }
        if let Some(session_id) = &issue.session_id {
            add("sid", session_id.as_str().into());
        }
        object.extend(about(user, &issue.scope));
    }
    claims
}

/// What the scopes let an application know of a person (OpenID Connect Core §5.4).
pub(super) fn about(user: &User, scopes: &str) -> Map<String, Value> {
    let mut claims = Map::new();
    if scope::has(scopes, "email") {
        claims.insert("email".to_owned(), user.email.as_str().into());
        claims.insert("email_verified".to_owned(), user.email_verified.into());
    }
    if let Some(name) = user.name.as_ref().filter(|_| scope::has(scopes, "profile")) {
        claims.insert("name".to_owned(), name.as_str().into());
    }
    claims
}
