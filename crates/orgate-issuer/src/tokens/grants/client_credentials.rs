//! A client for itself (RFC 6749 §4.4), in the organization that it was given a post in.
//!
//! The post is read anew for each token. An organization that is named must be that one, and a post whose organization
//! is gone or suspended gives no token at all: never one without.

use super::{
    super::mint::{self, Issue, Seat, Signers, Subject},
    Common, Wanted, narrowed,
};
use crate::{
    app::App,
    clients::{Client, ClientKind, Post},
    db::Conn,
    oauth::TokenError,
    organizations,
    projects::Project,
    roles,
};

/// Gives a token for the client itself.
pub(in crate::tokens) async fn grant(
    app: &App,
    project: &Project,
    common: Common,
) -> Result<serde_json::Value, TokenError> {
    let client = &common.client;
    if client.kind == ClientKind::Public {
        return Err(TokenError::UnauthorizedClient);
    }
    let scope = match common.scope.as_deref() {
        None => String::new(),
        asked => narrowed(&client.scopes.join(" "), asked)?,
    };
    let audience = common.audience(project, &[])?;
    let seat = seat(&mut *app.db.read().await?, project, client, &common.wanted).await?;
    common.check_organization(seat.is_some())?;
    let signers = Signers::of(app, project, false).await?;
    let issue = Issue {
        client_id: client.id.clone(),
        subject: Subject::Client,
        session_id: None,
        scope,
        nonce: None,
        auth_time: None,
        amr: Vec::new(),
        seat,
        audience,
        family_id: None,
        counter: None,
        jkt: common.jkt,
        act: None,
        ends_by: None,
        exchanged: false,
    };
    mint::answer(app, project, signers, &issue).await
}

/// Where the client works, now.
async fn seat(
    conn: &mut Conn,
    project: &Project,
    client: &Client,
    wanted: &Wanted,
) -> Result<Option<Seat>, TokenError> {
    let post = match (wanted, &client.post) {
        (Wanted::Without, _) | (Wanted::AsBefore, None) => return Ok(None),
        (Wanted::Named(_), _) if !project.org_enabled => return Err(TokenError::OrganizationsDisabled),
        (Wanted::Named(_), None) => return Err(TokenError::InvalidTarget),
        (_, Some(post)) => post,
    };
    if !project.org_enabled {
        return Err(TokenError::OrganizationsDisabled);
    }
    let seat = seat_of(conn, project, post).await?.ok_or(TokenError::InvalidTarget)?;
    if let Wanted::Named(org) = wanted {
        let named = organizations::find(conn, &project.id, org).await?;
        if named.is_none_or(|named| named.id != seat.org_id) {
            return Err(TokenError::InvalidTarget);
        }
    }
    Ok(Some(seat))
}

/// The seat that a post gives, while its organization may be used.
pub(in crate::tokens) async fn seat_of(
    conn: &mut Conn,
    project: &Project,
    post: &Post,
) -> Result<Option<Seat>, TokenError> {
    let organization = organizations::find(conn, &project.id, &post.org_id).await?;
    let organization = organization.filter(organizations::Organization::is_active);
    let Some(organization) = organization else { return Ok(None) };
    // A role that is gone gives nothing.
    let role = roles::find(conn, &organization.id, &post.role).await?;
    Ok(role.map(|role| Seat::of_machine(organization, role)))
}
