//! Our own access tokens, when they come back: what one says, and whether it still stands.
//!
//! A token is first verified as any gate would (signature, issuer, type, times), and then everything it says is looked up
//! again: the token itself, its family, its session, its user, its client and the rights it carries. Where something is
//! not so any more, the token does not stand.

use orgate_claims::UnixTime;
use serde_json::{Map, Value};

use super::{
    grants::client_credentials::seat_of,
    mint::{self, Seat},
    queries,
};
use crate::{
    app::App,
    clients,
    clock::seconds,
    db::Conn,
    login::scope,
    members,
    oauth::TokenError,
    projects::Project,
    users::{self, User},
};

/// A token that is ours and has not ended.
#[derive(Clone, Debug)]
pub(super) struct AccessToken {
    pub(super) claims: Map<String, Value>,
}

/// Whom a token that stands speaks of.
pub(super) struct Standing {
    /// `None` for a machine's own token.
    pub(super) user: Option<User>,
    pub(super) seat: Option<Seat>,
}

impl AccessToken {
    pub(super) fn text(&self, name: &str) -> &str {
        self.claims.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// When it ends, in milliseconds.
    pub(super) fn ends_at(&self) -> i64 {
        self.claims.get("exp").and_then(Value::as_i64).unwrap_or(0).saturating_mul(1000)
    }

    pub(super) fn audience(&self) -> Vec<String> {
        self.list("aud")
    }

    /// A claim that is one text or several.
    pub(super) fn list(&self, name: &str) -> Vec<String> {
        match self.claims.get(name) {
            Some(Value::String(one)) => vec![one.clone()],
            Some(Value::Array(many)) => {
                many.iter().filter_map(|one| one.as_str().map(str::to_owned)).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The thumbprint of the key it is bound to.
    pub(super) fn jkt(&self) -> Option<&str> {
        self.claims.get("cnf")?.get("jkt")?.as_str()
    }

    /// The family it lives with.
    pub(super) fn family_id(&self) -> Option<String> {
        self.text("jti").split_once('.').map(|(_, family)| format!("fam_{family}"))
    }
}

/// Reads a token; `None` if it is not an access token of this project, or has ended.
pub(super) async fn read(
    app: &App,
    project: &Project,
    token: &str,
) -> Result<Option<AccessToken>, TokenError> {
    let now = app.now_ms();
    let ring = app.keys.ring(&project.id, now).await?;
    let issuer = app.public.issuer(&project.id);
    let verifier = ring.verifier(&issuer).ok_or(TokenError::Unavailable)?;
    if verifier.verify_at(token, UnixTime::from_seconds(seconds(now))).is_err() {
        return Ok(None);
    }
    // The verifier has read it strictly and vouches for every byte.
    let payload = token.split('.').nth(1).and_then(crate::encoding::from_base64url);
    let claims = payload.and_then(|payload| serde_json::from_slice(&payload).ok());
    Ok(claims.map(|claims| AccessToken { claims }))
}

/// Whether the token still stands; `None` if not.
pub(super) async fn standing(
    conn: &mut Conn,
    project: &Project,
    token: &AccessToken,
) -> Result<Option<Standing>, TokenError> {
    if queries::is_revoked(conn, &project.id, token.text("jti")).await? {
        return Ok(None);
    }
    let client = clients::find(conn, token.text("client_id")).await?;
    let Some(client) = client.filter(|client| client.project_id == project.id) else { return Ok(None) };
    if let Some(family_id) = token.family_id()
        && queries::family(conn, &family_id).await?.is_none_or(|family| family.revoked)
    {
        return Ok(None);
    }
    let (sid, sub) = (token.text("sid"), token.text("sub"));
    let for_later = scope::has(token.text("scope"), "offline_access");
    if !sid.is_empty() && !for_later && queries::session_ended(conn, sid).await? {
        return Ok(None);
    }
    let user = if sub == client.id {
        None
    } else {
        match users::find(conn, &project.id, sub).await?.filter(|user| user.active) {
            None => return Ok(None),
            user => user,
        }
    };
    let org = token.text("org_id");
    let seat = match (org.is_empty(), &user) {
        (true, _) => None,
        (false, _) if !project.org_enabled => return Ok(None),
        (false, Some(user)) => members::find(conn, &project.id, &user.id, org).await?.map(Seat::from),
        (false, None) => match client.post.as_ref().filter(|post| post.org_id == org) {
            Some(post) => seat_of(conn, project, post).await?,
            None => None,
        },
    };
    if !org.is_empty() && !seat.as_ref().is_some_and(|seat| still_carries(project, token, seat)) {
        return Ok(None);
    }
    Ok(Some(Standing { user, seat }))
}

/// Whether the rights in the token are those of now: whoever asks believes the token's own words.
fn still_carries(project: &Project, token: &AccessToken, seat: &Seat) -> bool {
    let carried = token.claims.get("org_permissions").and_then(Value::as_array);
    let carried = carried.map(|list| list.iter().filter_map(Value::as_str).collect::<Vec<_>>());
    let now = mint::permissions(project, &seat.role);
    seat.role.key == token.text("org_role") && carried.is_some_and(|carried| carried == now)
}
