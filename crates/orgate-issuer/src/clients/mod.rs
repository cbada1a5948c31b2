//! OAuth clients: the applications of a project.
//!
//! A confidential client proves itself with its secret, once and in one way (RFC 6749 §2.3); a public one has none and
//! must use a proof key. Redirect URIs are compared as exact strings (RFC 9700 §2.1); only the port of a loopback
//! address is free, and only for public clients (RFC 8252 §7.3).

mod change;
pub(crate) mod draft;
mod queries;
pub(crate) mod redirect_uri;
pub(crate) mod routes;

use http::{HeaderMap, header};
use serde_json::json;

use crate::{
    app::App,
    db::{Conn, DbError, Tx},
    events::{Actor, Event, EventType},
    oauth::{Parameters, TokenError},
    projects::{self, Project},
    secret::same,
};

/// What an application is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientKind {
    /// It can keep a secret.
    Confidential,
    /// It runs in the hands of the user.
    Public,
    /// It acts for itself and nobody signs in to it.
    Machine,
}

impl ClientKind {
    const ALL: [Self; 3] = [Self::Confidential, Self::Public, Self::Machine];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Confidential => "confidential",
            Self::Public => "public",
            Self::Machine => "machine",
        }
    }
}

/// The name of the token exchange (RFC 8693 §2.1).
pub(crate) const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
/// The name of the sign-in of a device (RFC 8628 §3.4).
pub(crate) const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// The grants a client may be given (RFC 6749 §1.3).
pub(crate) const GRANTS: [&str; 5] =
    ["authorization_code", "refresh_token", "client_credentials", TOKEN_EXCHANGE, DEVICE_CODE];

/// The grants of a project's default client.
pub(crate) const DEFAULT_GRANTS: [&str; 4] =
    ["authorization_code", "refresh_token", "client_credentials", TOKEN_EXCHANGE];

/// The organization that a machine works in, and its role there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Post {
    pub(crate) org_id: String,
    pub(crate) role: String,
}

/// An OAuth client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Client {
    pub(crate) id: String,
    pub(crate) project_id: String,
    pub(crate) name: String,
    pub(crate) kind: ClientKind,
    pub(crate) secret_hash: Option<String>,
    pub(crate) redirect_uris: Vec<String>,
    pub(crate) post_logout_redirect_uris: Vec<String>,
    pub(crate) grants: Vec<String>,
    pub(crate) require_pkce: bool,
    pub(crate) post: Option<Post>,
    /// Whom its tokens may be for; empty for the project's audience.
    pub(crate) audiences: Vec<String>,
    /// Scopes it may ask for beside those that everybody may.
    pub(crate) scopes: Vec<String>,
    /// Whether it is run by those who run the project: then nobody is asked whether it may.
    pub(crate) first_party: bool,
    /// Whether people must choose an organization.
    pub(crate) require_org: bool,
    /// Whether its requests must be pushed (RFC 9126 §6).
    pub(crate) require_par: bool,
    /// Whether its tokens must be bound to a key (RFC 9449 §5.2).
    pub(crate) dpop_bound: bool,
    /// Whether proofs of its keys must carry a nonce (RFC 9449 §8).
    pub(crate) dpop_nonce: bool,
    /// Who is told that a session ended.
    pub(crate) backchannel_logout_uri: Option<String>,
}

impl Client {
    /// A client that may do nothing yet.
    pub(crate) fn new(id: String, project_id: String, name: String, kind: ClientKind) -> Self {
        Self {
            id,
            project_id,
            name,
            kind,
            secret_hash: None,
            redirect_uris: Vec::new(),
            post_logout_redirect_uris: Vec::new(),
            grants: Vec::new(),
            require_pkce: true,
            post: None,
            audiences: Vec::new(),
            scopes: Vec::new(),
            first_party: true,
            require_org: false,
            require_par: false,
            dpop_bound: false,
            dpop_nonce: false,
            backchannel_logout_uri: None,
        }
    }

    /// Whom its tokens may be for, in a project with this audience.
    pub(crate) fn audiences<'a>(&'a self, project: &'a [String]) -> &'a [String] {
        if self.audiences.is_empty() { project } else { &self.audiences }
    }

    /// Whether `uri` is registered.
    pub(crate) fn has_redirect_uri(&self, uri: &str) -> bool {
        self.redirect_uris.iter().any(|registered| {
            registered == uri
                || (self.kind == ClientKind::Public && redirect_uri::differ_in_loopback_port(registered, uri))
        })
    }

    /// What tokens may say that were issued to it as it was `before`, and may not now.
    fn lost(&self, before: &Self) -> Vec<&'static str> {
        let fewer = |before: &[String], now: &[String]| before.iter().any(|one| !now.contains(one));
        // Without audiences of its own it has those of the project, whatever they are.
        let audiences = before.audiences.is_empty() != self.audiences.is_empty()
            || fewer(&before.audiences, &self.audiences);
        [
            // Whoever had the old one may have got tokens with it.
            ("secret", before.secret_hash.is_some() && before.secret_hash != self.secret_hash),
            ("organization", before.post.is_some() && before.post != self.post),
            ("audiences", audiences),
            ("scopes", fewer(&before.scopes, &self.scopes)),
            // Nobody was asked for what it got so far.
            ("first_party", before.first_party && !self.first_party),
        ]
        .into_iter()
        .filter_map(|(name, is_lost)| is_lost.then_some(name))
        .collect()
    }

    /// What is not as it was `before`; the secret has its own way.
    fn changed(&self, before: &Self) -> Vec<&'static str> {
        [
            ("name", self.name != before.name),
            ("redirect_uris", self.redirect_uris != before.redirect_uris),
            ("post_logout_redirect_uris", self.post_logout_redirect_uris != before.post_logout_redirect_uris),
            ("grants", self.grants != before.grants),
            ("scopes", self.scopes != before.scopes),
            ("audiences", self.audiences != before.audiences),
            ("require_pkce", self.require_pkce != before.require_pkce),
            ("require_org", self.require_org != before.require_org),
            ("require_par", self.require_par != before.require_par),
            ("dpop_bound", self.dpop_bound != before.dpop_bound),
            ("dpop_nonce", self.dpop_nonce != before.dpop_nonce),
            ("backchannel_logout_uri", self.backchannel_logout_uri != before.backchannel_logout_uri),
            ("organization", self.post != before.post),
        ]
        .into_iter()
        .filter_map(|(name, is_other)| is_other.then_some(name))
        .collect()
    }

    pub(crate) fn may_use(&self, grant: &str) -> bool {
        self.grants.iter().any(|own| own == grant)
    }
}

/// The client `id`, of whichever project.
pub(crate) async fn find(conn: &mut Conn, id: &str) -> Result<Option<Client>, DbError> {
    queries::find(conn, id).await
}

/// How many clients have a secret that was hashed with another secret of the installation than the one called `name`.
pub(crate) async fn count_of_other_secrets(conn: &mut Conn, name: &str) -> Result<u64, DbError> {
    let count = queries::count_of_other_secrets(conn, &format!("h1.{name}.%")).await?;
    Ok(u64::try_from(count).unwrap_or_default())
}

/// Stores a new client.
pub(crate) async fn create(tx: &mut Tx, client: &Client, now_ms: i64) -> Result<(), DbError> {
    queries::insert(tx, client, now_ms).await
}

/// Stores a client that has changed.
pub(crate) async fn update(
    tx: &mut Tx,
    before: &Client,
    after: &Client,
    actor: Actor,
    now_ms: i64,
) -> Result<(), DbError> {
    queries::update(tx, after, now_ms).await?;
    tx.record(Event {
        project_id: after.project_id.clone(),
        kind: EventType::ClientUpdated,
        actor,
        org_id: None,
        target_id: after.id.clone(),
        data: json!({ "changed": after.changed(before), "lost": after.lost(before) }),
        at: now_ms,
    });
    Ok(())
}

/// What a request says about the client that sends it.
#[derive(Default)]
pub(crate) struct Credentials {
    id: Option<String>,
    secret: Option<String>,
    basic: bool,
}

/// Why a client is not accepted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ClientError {
    Db(DbError),
    /// The request proves itself in two ways, or in a way that cannot be read.
    Malformed(&'static str),
    /// Unknown, of another project, or not proven.
    Invalid {
        /// Whether it tried the `Authorization` header.
        basic: bool,
    },
}

impl From<DbError> for ClientError {
    fn from(error: DbError) -> Self {
        Self::Db(error)
    }
}

impl From<ClientError> for TokenError {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Db(error) => error.into(),
            ClientError::Malformed(why) => Self::InvalidRequest(why),
            ClientError::Invalid { basic } => Self::InvalidClient { basic },
        }
    }
}

/// The client that sends a request and its project; `project_id` is that of the path, if there is one.
pub(crate) async fn authenticate(
    app: &App,
    project_id: Option<&str>,
    headers: &HeaderMap,
    parameters: &Parameters,
) -> Result<(Project, Client), TokenError> {
    let credentials =
        Credentials::read(headers, parameters.get("client_id"), parameters.get("client_secret"))?;
    let mut conn = app.db.read().await?;
    let client = credentials.authenticate(app, &mut conn, project_id).await?;
    let project = projects::find(&mut conn, &client.project_id).await?;
    Ok((project.ok_or(TokenError::InvalidClient { basic: false })?, client))
}

impl Credentials {
    /// Reads the `Authorization` header and the parameters of the body.
    pub(crate) fn read(
        headers: &HeaderMap,
        body_id: Option<&str>,
        body_secret: Option<&str>,
    ) -> Result<Self, ClientError> {
        let mut headers = headers.get_all(header::AUTHORIZATION).iter();
        let Some(value) = headers.next() else {
            return Ok(Self {
                id: body_id.map(str::to_owned),
                secret: body_secret.map(str::to_owned),
                basic: false,
            });
        };
        if headers.next().is_some() || body_secret.is_some() {
            return Err(ClientError::Malformed("the client proves itself in two ways"));
        }
        let invalid = ClientError::Invalid { basic: true };
        let Some((id, secret)) = value.to_str().ok().and_then(basic) else { return Err(invalid) };
        if body_id.is_some_and(|body_id| body_id != id) {
            return Err(ClientError::Malformed("the request names two clients"));
        }
        Ok(Self { id: Some(id), secret: Some(secret), basic: true })
    }

    /// The client, if it is the one it says, in `project_id` if that is known.
    pub(crate) async fn authenticate(
        self,
        app: &App,
        conn: &mut Conn,
        project_id: Option<&str>,
    ) -> Result<Client, ClientError> {
        let invalid = ClientError::Invalid { basic: self.basic };
        let Some(id) = self.id else {
            return Err(ClientError::Malformed("`client_id` is missing"));
        };
        let Some(client) = queries::find(conn, &id).await? else { return Err(invalid) };
        if project_id.is_some_and(|project_id| !same(project_id, &client.project_id)) {
            return Err(invalid);
        }
        let proven = match (client.kind, &client.secret_hash, &self.secret) {
            (ClientKind::Public, _, None) => true,
            (ClientKind::Confidential | ClientKind::Machine, Some(stored), Some(secret)) => {
                !secret.is_empty() && app.secrets.verify_client_secret(secret, stored)
            }
            _ => false,
        };
        if proven { Ok(client) } else { Err(invalid) }
    }
}

/// Id and secret of HTTP Basic, both form-encoded (RFC 6749 §2.3.1).
fn basic(value: &str) -> Option<(String, String)> {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    Some((form_decode(id)?, form_decode(secret)?))
}

/// One form-encoded value; `None` if an escape is broken.
fn form_decode(text: &str) -> Option<String> {
    let mut rest = text.bytes();
    let mut bytes = Vec::with_capacity(text.len());
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let high = char::from(rest.next()?).to_digit(16)?;
                let low = char::from(rest.next()?).to_digit(16)?;
                u8::try_from(high * 16 + low).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests;
