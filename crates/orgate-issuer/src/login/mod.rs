//! Signing in: sessions, the authorization endpoint, the sign-in page and the choice of an organization.
//!
//! The way of a browser: `/authorize` → `/login` → `/organizations/choose` → back to the application with a code. The
//! request travels in the database, not in the browser; a page carries only a handle that works together with a
//! cookie of the same browser, so that nobody can be signed in by a foreign page. Codes are made here and redeemed in
//! `tokens`.

mod account;
mod authorize;
mod choose;
mod device;
mod page;
mod par;
mod queries;
mod request;
pub(crate) mod scope;
pub(crate) mod session;

use axum::Router;

use self::session::Session;
use crate::{
    address::Address,
    app::{App, Shared},
    db::DbError,
    events::{Actor, EventType},
    http::{Problem, peer::Peer},
    ids::Kind,
    password::{Checked, For, PasswordError},
    projects::Project,
    secret::{fingerprint, random_token},
    users::{self, User},
};

/// The pages of each project and the end users' API under `prefix`.
pub(crate) fn router(prefix: &str) -> Router<Shared> {
    Router::new()
        .merge(authorize::router())
        .merge(page::router())
        .merge(par::router())
        .merge(choose::router())
        .merge(device::router())
        .merge(account::router(prefix))
        .merge(account::router(&format!("/p/{{project}}{prefix}")))
}

/// A fresh sign-in: the session and the value of its cookie.
pub(crate) struct SignedIn {
    pub(crate) session: Session,
    pub(crate) token: String,
    pub(crate) user: User,
}

/// Why nobody was signed in.
#[derive(Debug)]
pub(crate) enum SignInError {
    /// One answer for an unknown address, a wrong password and a suspended user.
    Invalid,
    Password(PasswordError),
    Other(Problem),
}

impl From<DbError> for SignInError {
    fn from(error: DbError) -> Self {
        Self::Other(error.into())
    }
}

/// Checks the password and starts a session. `previous` is the session the browser had: it does not survive, so that
/// a cookie planted before the sign-in opens nothing after it.
pub(crate) async fn sign_in(
    app: &App,
    project: &Project,
    peer: Peer,
    email: &str,
    password: String,
    previous: Option<Session>,
) -> Result<SignedIn, SignInError> {
    let address = Address::parse(email);
    let who = For::Request {
        peer: peer.0,
        realm: &project.id,
        account: address.as_ref().map_or(email, |address| address.key()),
    };
    let user = match &address {
        Some(address) => users::find_by_address(&mut *app.db.read().await?, &project.id, address).await?,
        None => None,
    };
    let stored = user.as_ref().and_then(|user| user.password_phc.clone());
    let checked = app.passwords.check(who, password, stored).await.map_err(SignInError::Password)?;
    let (user, rehashed) = match (user, checked) {
        (Some(user), Checked::Right { rehashed }) if user.active => (user, rehashed),
        (user, checked) => {
            let reason = match (&user, checked) {
                (None, _) => "unknown_address",
                (Some(_), Checked::Wrong) => "wrong_password",
                (Some(_), Checked::Right { .. }) => "suspended",
            };
            let user_id = user.as_ref().map(|user| user.id.as_str());
            tracing::info!(project.id = %project.id, user.id = user_id, reason, "a sign-in failed");
            return Err(SignInError::Invalid);
        }
    };
    let token = random_token().map_err(|error| SignInError::Other(error.into()))?;
    let now = app.now_ms();
    let session = Session::start(&project.id, &user.id, fingerprint(&token), now);
    let user_id = user.id.clone();
    let session = app
        .db
        .write::<_, DbError>(move |tx| {
            Box::pin(async move {
                if let Some(phc) = rehashed {
                    users::set_password(tx, &user_id, &phc, now).await?;
                }
                session::replace(tx, previous, session).await
            })
        })
        .await?;
    tracing::info!(project.id = %project.id, user.id = %user.id, session.id = %session.id, "signed in");
    Ok(SignedIn { session, token, user })
}

fn session_event(session: &Session, kind: EventType, actor: Actor, at: i64) -> crate::events::Event {
    crate::events::Event {
        project_id: session.project_id.clone(),
        kind,
        actor,
        org_id: None,
        target_id: session.id.clone(),
        data: serde_json::json!({ "user_id": session.user_id }),
        at,
    }
}

fn new_session_id(now_ms: i64) -> String {
    Kind::Session.new_id(now_ms)
}

#[cfg(test)]
mod tests;
