//! What people allow the applications of others (OpenID Connect Core §3.1.2.4).
//!
//! A client that is not `first_party` gets a token for a person only as far as that person allows it: for this organization, or
//! for none, and these scopes. What is allowed stands until it is withdrawn; more scopes are added to it. The pages are in
//! `login`, and `tokens` asks again for each token, so that no way to one leads around it.

mod queries;

use serde_json::json;

use crate::{
    db::{Conn, DbError, Tx},
    events::{Actor, Event, EventType},
    ids::Kind,
};

/// Whose consent, to whom, and for which organization; `None` is for none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Of<'a> {
    pub(crate) project_id: &'a str,
    pub(crate) user_id: &'a str,
    pub(crate) client_id: &'a str,
    pub(crate) org_id: Option<&'a str>,
}

/// What somebody allows an application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Consent {
    pub(crate) id: String,
    pub(crate) client_id: String,
    pub(crate) client_name: String,
    /// Id and name.
    pub(crate) organization: Option<(String, String)>,
    /// Words with spaces between them, as in RFC 6749 §3.3.
    pub(crate) scope: String,
    pub(crate) created_at: i64,
    /// When more was allowed, or the same again.
    pub(crate) updated_at: i64,
}

/// Whether everything in `scope` is in `allowed`, where something is.
pub(crate) fn covers(allowed: Option<&str>, scope: &str) -> bool {
    allowed.is_some_and(|allowed| words(scope).all(|wanted| words(allowed).any(|one| one == wanted)))
}

/// The scope that is allowed; empty is allowed as well, and is not the same as nothing.
pub(crate) async fn allowed(conn: &mut Conn, of: Of<'_>) -> Result<Option<String>, DbError> {
    queries::scope(conn, of).await
}

/// The same, and until the commit nobody withdraws it.
pub(crate) async fn hold(tx: &mut Tx, of: Of<'_>) -> Result<Option<String>, DbError> {
    queries::hold(tx, of).await
}

/// Allows `scope` beside what is allowed already.
pub(crate) async fn grant(tx: &mut Tx, of: Of<'_>, scope: &str, now_ms: i64) -> Result<(), DbError> {
    let id = match queries::find(tx, of).await? {
        Some((id, before)) => {
            let more = words(scope).filter(|wanted| !covers(Some(&before), wanted));
            let whole: Vec<&str> = words(&before).chain(more).collect();
            queries::widen(tx, &id, &whole.join(" "), now_ms).await?;
            id
        }
        None => {
            let id = Kind::Consent.new_id(now_ms);
            queries::insert(tx, &id, of, scope, now_ms).await?;
            id
        }
    };
    let data = json!({ "user_id": of.user_id, "client_id": of.client_id, "scope": scope });
    tx.record(event(of, EventType::ConsentGranted, &id, data, now_ms));
    Ok(())
}

/// Forgets a consent of this user; gives what it was, if it was one. What was issued with it ends elsewhere (`login`).
pub(crate) async fn remove(
    tx: &mut Tx,
    (project_id, user_id): (&str, &str),
    id: &str,
    now_ms: i64,
) -> Result<Option<String>, DbError> {
    let Some((client_id, org_id)) = queries::remove(tx, user_id, id).await? else { return Ok(None) };
    let of = Of { project_id, user_id, client_id: &client_id, org_id: org_id.as_deref() };
    let data = json!({ "user_id": user_id, "client_id": client_id });
    tx.record(event(of, EventType::ConsentWithdrawn, id, data, now_ms));
    Ok(Some(client_id))
}

/// Everything that a user allows, by the names of the applications.
pub(crate) async fn of_user(conn: &mut Conn, user_id: &str) -> Result<Vec<Consent>, DbError> {
    queries::of_user(conn, user_id).await
}

fn words(scope: &str) -> impl Iterator<Item = &str> {
    scope.split(' ').filter(|word| !word.is_empty())
}

fn event(of: Of<'_>, kind: EventType, id: &str, data: serde_json::Value, at: i64) -> Event {
    Event {
        project_id: of.project_id.to_owned(),
        kind,
        actor: Actor::User(of.user_id.to_owned()),
        org_id: of.org_id.map(str::to_owned),
        target_id: id.to_owned(),
        data,
        at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_allowed_covers_the_same_and_less() {
        for less in ["", "openid", "email openid", "openid  email"] {
            assert!(covers(Some("openid email"), less), "{less}");
            assert!(!covers(None, less), "nothing was allowed: {less}");
        }
        for more in ["profile", "openid profile", "open", "emails"] {
            assert!(!covers(Some("openid email"), more), "{more}");
        }
        assert!(covers(Some(""), "") && !covers(Some(""), "openid"));
    }
}
