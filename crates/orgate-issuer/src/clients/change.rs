//! What operators do to the clients of a project.
//!
//! A secret is made here and shown once. What a client loses ends the tokens that were issued to it, as it does when the
//! bootstrap file takes it away: the event says what was lost, and the change feed tells the gates.

use serde_json::{Value, json};

use super::{Client, ClientKind, Post, draft::Draft, queries};
use crate::{
    clock::rfc3339,
    db::{Conn, DbError, Tx},
    events::{Actor, Event, EventType},
    http::{Problem, problem::Code},
    ids::Kind,
    organizations, roles,
    secret::{Secrets, random_token},
};

/// How many clients a project has at most.
const MOST: i64 = 500;
const MAX_NAME: usize = 100;
/// The most entries of a list.
const MOST_ENTRIES: usize = 100;

/// A client as it is stored.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) client: Client,
    pub(super) created_at: i64,
    pub(super) updated_at: i64,
}

impl Stored {
    pub(super) fn to_json(&self) -> Value {
        let Client { id, project_id, name, kind, post, .. } = &self.client;
        json!({
            "id": id,
            "name": name,
            "kind": kind.as_str(),
            "is_default": id == project_id,
            "redirect_uris": self.client.redirect_uris,
            "post_logout_redirect_uris": self.client.post_logout_redirect_uris,
            "grants": self.client.grants,
            "scopes": self.client.scopes,
            "audiences": self.client.audiences,
            "require_pkce": self.client.require_pkce,
            "first_party": self.client.first_party,
            "require_org": self.client.require_org,
            "require_par": self.client.require_par,
            "dpop_bound": self.client.dpop_bound,
            "dpop_nonce": self.client.dpop_nonce,
            "backchannel_logout_uri": self.client.backchannel_logout_uri,
            "org": post.as_ref().map(|post| &post.org_id),
            "role": post.as_ref().map(|post| &post.role),
            "created_at": rfc3339(self.created_at),
            "updated_at": rfc3339(self.updated_at),
        })
    }
}

/// What is to be different, or to be; what is absent stays.
#[derive(Clone, Debug, Default)]
pub(super) struct Wish {
    pub(super) name: Option<String>,
    pub(super) redirect_uris: Option<Vec<String>>,
    pub(super) post_logout_redirect_uris: Option<Vec<String>>,
    pub(super) grants: Option<Vec<String>>,
    pub(super) scopes: Option<Vec<String>>,
    pub(super) audiences: Option<Vec<String>>,
    pub(super) require_pkce: Option<bool>,
    pub(super) first_party: Option<bool>,
    pub(super) require_org: Option<bool>,
    pub(super) require_par: Option<bool>,
    pub(super) dpop_bound: Option<bool>,
    pub(super) dpop_nonce: Option<bool>,
    /// Here and below: the inner `None` takes it away.
    pub(super) backchannel_logout_uri: Option<Option<String>>,
    pub(super) org: Option<Option<String>>,
    pub(super) role: Option<Option<String>>,
}

/// Who wishes it, and when.
pub(super) struct Desk<'a> {
    pub(super) project_id: &'a str,
    pub(super) actor: Actor,
    pub(super) now_ms: i64,
    pub(super) secrets: &'a Secrets,
}

fn texts(list: Option<&Vec<String>>) -> Vec<&str> {
    list.into_iter().flatten().map(String::as_str).collect()
}

impl Wish {
    /// Puts what is wished into `client`, checked.
    async fn apply(self, conn: &mut Conn, client: &mut Client) -> Result<(), Problem> {
        if let Some(name) = &self.name {
            let name = name.trim();
            if name.is_empty() || name.chars().count() > MAX_NAME || name.chars().any(char::is_control) {
                return Err(Problem::invalid(
                    "name",
                    format!("has 1 to {MAX_NAME} characters that can be seen"),
                ));
            }
            client.name = name.to_owned();
        }
        let post = self.post(client);
        let organization = match &post {
            Some((Some(org), _)) => organizations::find(conn, &client.project_id, org).await?,
            _ => None,
        };
        let (org, role) = post.clone().unwrap_or_default();
        let role_is_own = match (&organization, &role) {
            (Some(organization), Some(role)) => roles::find(conn, &organization.id, role).await?.is_some(),
            _ => false,
        };
        let draft = Draft {
            redirect_uris: texts(self.redirect_uris.as_ref()),
            post_logout_redirect_uris: texts(self.post_logout_redirect_uris.as_ref()),
            grants: self.grants.as_ref().map(|grants| texts(Some(grants))),
            require_pkce: self.require_pkce,
            org: org.as_deref(),
            role: role.as_deref(),
            role_is_own,
            audiences: texts(self.audiences.as_ref()),
            scopes: texts(self.scopes.as_ref()),
            backchannel_logout_uri: self.backchannel_logout_uri.iter().flatten().next().map(String::as_str),
            ..Draft::new(client.kind)
        };
        check(&draft)?;
        if self.grants.is_some() {
            client.grants = draft.grants();
        }
        if post.is_some() {
            client.post = match (org, role) {
                (Some(_), Some(role)) => {
                    let found = organization
                        .ok_or_else(|| Problem::invalid("org", "the project has no such organization"))?;
                    Some(Post { org_id: found.id, role })
                }
                _ => None,
            };
        }
        self.settle(client);
        Ok(())
    }

    /// The organization and the role that it shall have, if either is wished; without an organization there is no role.
    fn post(&self, client: &Client) -> Option<(Option<String>, Option<String>)> {
        if self.org.is_none() && self.role.is_none() {
            return None;
        }
        if matches!((&self.org, &self.role), (Some(None), None)) {
            return Some((None, None));
        }
        let stored = client.post.clone().map(|post| (post.org_id, post.role)).unzip();
        Some((self.org.clone().unwrap_or(stored.0), self.role.clone().unwrap_or(stored.1)))
    }

    /// What needs no judgement any more.
    fn settle(self, client: &mut Client) {
        let list = |own: &mut Vec<String>, wished: Option<Vec<String>>| {
            if let Some(wished) = wished {
                *own = wished;
            }
        };
        list(&mut client.redirect_uris, self.redirect_uris);
        list(&mut client.post_logout_redirect_uris, self.post_logout_redirect_uris);
        list(&mut client.scopes, self.scopes);
        list(&mut client.audiences, self.audiences);
        let flag = |own: &mut bool, wished: Option<bool>| *own = wished.unwrap_or(*own);
        flag(&mut client.require_pkce, self.require_pkce);
        flag(&mut client.first_party, self.first_party);
        flag(&mut client.require_org, self.require_org);
        flag(&mut client.require_par, self.require_par);
        flag(&mut client.dpop_bound, self.dpop_bound);
        flag(&mut client.dpop_nonce, self.dpop_nonce);
        if let Some(uri) = self.backchannel_logout_uri {
            client.backchannel_logout_uri = uri;
        }
    }
}

/// The first of what cannot be.
fn check(draft: &Draft<'_>) -> Result<(), Problem> {
    let lists = [
        ("redirect_uris", draft.redirect_uris.len()),
        ("post_logout_redirect_uris", draft.post_logout_redirect_uris.len()),
        ("grants", draft.grants.as_ref().map_or(0, Vec::len)),
        ("audiences", draft.audiences.len()),
        ("scopes", draft.scopes.len()),
    ];
    if let Some((field, _)) = lists.iter().find(|(_, length)| *length > MOST_ENTRIES) {
        return Err(Problem::invalid(field, format!("has at most {MOST_ENTRIES} entries")));
    }
    let Some(mistake) = draft.mistakes().into_iter().next() else { return Ok(()) };
    let why = match mistake.help {
        Some(help) => format!("{} ({help})", mistake.message),
        None => mistake.message,
    };
    Err(Problem::invalid(mistake.field, why))
}

/// The client of the project with this id.
pub(super) async fn find(conn: &mut Conn, project_id: &str, id: &str) -> Result<Option<Stored>, DbError> {
    queries::find_of(conn, project_id, &Kind::Client.canonical(id)).await
}

/// The same, which nobody else changes until the end of the transaction.
async fn hold(tx: &mut Tx, project_id: &str, id: &str) -> Result<Stored, Problem> {
    let found = find(tx, project_id, id).await?.ok_or(Code::NotFound)?;
    queries::hold(tx, &found.client.id).await?;
    Ok(find(tx, project_id, &found.client.id).await?.ok_or(Code::NotFound)?)
}

/// A new secret, and what is kept of it.
fn new_secret(secrets: &Secrets) -> Result<(String, String), Problem> {
    let secret = random_token()?;
    let hash = secrets.hash_client_secret(&secret);
    Ok((secret, hash))
}

/// Stores a new client; gives it with its secret, if it is one that can keep it.
pub(super) async fn create(
    tx: &mut Tx,
    desk: Desk<'_>,
    kind: ClientKind,
    wish: Wish,
) -> Result<(Stored, Option<String>), Problem> {
    if !queries::hold_project(tx, desk.project_id).await? {
        return Err(Code::NotFound.into());
    }
    if queries::count(tx, desk.project_id).await? >= MOST {
        return Err(Problem::new(Code::Conflict).detail(format!("a project has at most {MOST} clients")));
    }
    let id = Kind::Client.new_id(desk.now_ms);
    let mut client = Client::new(id, desk.project_id.to_owned(), String::new(), kind);
    client.grants = Draft::new(kind).grants();
    wish.apply(tx, &mut client).await?;
    let (secret, hash) = match kind {
        ClientKind::Public => (None, None),
        ClientKind::Confidential | ClientKind::Machine => {
            let (secret, hash) = new_secret(desk.secrets)?;
            (Some(secret), Some(hash))
        }
    };
    client.secret_hash = hash;
    super::create(tx, &client, desk.now_ms).await?;
    record(tx, &desk, EventType::ClientCreated, &client, json!({ "kind": kind.as_str() }));
    Ok((Stored { client, created_at: desk.now_ms, updated_at: desk.now_ms }, secret))
}

/// Changes a client.
pub(super) async fn update(tx: &mut Tx, desk: Desk<'_>, id: &str, wish: Wish) -> Result<Stored, Problem> {
    let mut stored = hold(tx, desk.project_id, id).await?;
    let before = stored.client.clone();
    if wish.first_party == Some(false) && stored.client.id == stored.client.project_id {
        return Err(Problem::invalid("first_party", "is always true of the project's default client"));
    }
    wish.apply(tx, &mut stored.client).await?;
    if stored.client != before {
        stored.updated_at = desk.now_ms;
        super::update(tx, &before, &stored.client, desk.actor, desk.now_ms).await?;
    }
    Ok(stored)
}

/// Gives a client another secret. The one before ends at once, and so do the tokens that it may have been used for.
pub(super) async fn rotate(tx: &mut Tx, desk: Desk<'_>, id: &str) -> Result<(Stored, String), Problem> {
    let mut stored = hold(tx, desk.project_id, id).await?;
    if stored.client.kind == ClientKind::Public {
        return Err(Problem::new(Code::Conflict).detail("a public client has no secret"));
    }
    let (secret, hash) = new_secret(desk.secrets)?;
    stored.client.secret_hash = Some(hash);
    stored.updated_at = desk.now_ms;
    queries::update(tx, &stored.client, desk.now_ms).await?;
    record(tx, &desk, EventType::ClientSecretRotated, &stored.client, json!({ "lost": ["secret"] }));
    Ok((stored, secret))
}

/// Removes a client; with it go its codes, its refresh tokens and what was on its way.
pub(super) async fn delete(tx: &mut Tx, desk: Desk<'_>, id: &str) -> Result<(), Problem> {
    let Stored { client, .. } = hold(tx, desk.project_id, id).await?;
    if client.id == client.project_id {
        let why = "the project's default client cannot be deleted: its own pages are signed in by it";
        return Err(Problem::new(Code::Conflict).detail(why));
    }
    queries::delete(tx, &client.id).await?;
    record(tx, &desk, EventType::ClientDeleted, &client, json!({ "kind": client.kind.as_str() }));
    Ok(())
}

fn record(tx: &mut Tx, desk: &Desk<'_>, kind: EventType, client: &Client, mut data: Value) {
    if let Some(members) = data.as_object_mut() {
        members.insert("name".to_owned(), client.name.as_str().into());
    }
    tx.record(Event {
        project_id: client.project_id.clone(),
        kind,
        actor: desk.actor.clone(),
        org_id: None,
        target_id: client.id.clone(),
        data,
        at: desk.now_ms,
    });
}
