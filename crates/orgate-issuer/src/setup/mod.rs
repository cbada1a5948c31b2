//! The first operator, without a bootstrap file; and every project that an operator makes.
//!
//! While there is no operator, every start makes a link that lasts an hour and works once; whoever opens it becomes
//! the operator of a first project. The link is printed where only the person who starts the issuer sees it; the
//! database has its hash.

mod new_project;
mod queries;
pub(crate) mod routes;

use crate::{
    address::Address,
    clients::{self, Client, ClientKind, redirect_uri},
    config::PublicUrl,
    db::{Db, DbError, Tx},
    ids::Kind,
    operators::{self, Rank},
    projects::{self, Project},
    secret::{NoRandomness, fingerprint, random_token},
};

const LIFE_MS: i64 = 3_600_000;

/// What a person has to do at the very first start.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FirstStart {
    /// Where the first operator is made. It is a secret until it is used.
    pub url: String,
    /// When the link ends, in milliseconds since the epoch.
    pub expires_at_ms: i64,
}

/// A link for the first operator, if there is none.
pub(crate) async fn first_start(
    db: &Db,
    public: &PublicUrl,
    now_ms: i64,
) -> Result<Option<FirstStart>, DbError> {
    if operators::any(&mut *db.read().await?).await? {
        return Ok(None);
    }
    let token = random_token().map_err(|NoRandomness| DbError::Unavailable(NoRandomness.to_string()))?;
    let hash = fingerprint(&token);
    let expires_at_ms = now_ms + LIFE_MS;
    db.write::<_, DbError>(move |tx| {
        Box::pin(async move { queries::replace_setup_link(tx, &hash, now_ms, expires_at_ms).await })
    })
    .await?;
    Ok(Some(FirstStart { url: format!("{}/setup/{token}", public.base()), expires_at_ms }))
}

/// What the form of the link says, checked.
#[derive(Clone)]
struct Wishes {
    address: Address,
    password_phc: String,
    name: String,
    redirect_uri: String,
    secret_hash: String,
}

/// Makes operator, project and client; `None` if the link has ended.
async fn complete(
    tx: &mut Tx,
    token_hash: &str,
    wishes: Wishes,
    now_ms: i64,
) -> Result<Option<Project>, DbError> {
    if !queries::use_setup_link(tx, token_hash, now_ms).await? || operators::any(tx).await? {
        return Ok(None);
    }
    let id = Kind::Project.new_id(now_ms);
    let mut project = Project::new(id.clone(), wishes.name, vec![id.clone()]);
    project.org_enabled = true;
    projects::create(tx, &project, now_ms).await?;
    let client = default_client(&project, Some(wishes.secret_hash), vec![wishes.redirect_uri]);
    clients::create(tx, &client, now_ms).await?;
    let operator = operators::create(tx, &wishes.address, &wishes.password_phc, now_ms).await?;
    operators::assign(tx, &operator, &id, Rank::Owner).await?;
    Ok(Some(project))
}

/// The client that each project begins with: its id is the project's id. Astapa's documented exchange has no proof
/// key, so this client may go without one; its secret and the exact redirect URI then stand alone.
pub(crate) fn default_client(
    project: &Project,
    secret_hash: Option<String>,
    redirect_uris: Vec<String>,
) -> Client {
    let kind = ClientKind::Confidential;
    Client {
        secret_hash,
        redirect_uris,
        grants: clients::DEFAULT_GRANTS.iter().map(|grant| (*grant).to_owned()).collect(),
        require_pkce: false,
        ..Client::new(project.id.clone(), project.id.clone(), project.name.clone(), kind)
    }
}

fn fit_redirect_uri(uri: &str) -> bool {
    redirect_uri::check(uri).is_ok()
}

#[cfg(test)]
mod tests;
