//! Operators: the console's accounts. They are not users of any project.
//!
//! An operator sees only the projects that were given to them; to everybody else a project is 404. The session is the
//! cookie `session` on `/api/platform`; a request that changes something also passes the check of its origin. Attempts to sign
//! in are limited as those of end users are (`throttle`).

pub(crate) mod keys;
mod oneself;
mod queries;
pub(crate) mod routes;

use axum::{extract::FromRequestParts, http::request::Parts};
use http::{HeaderMap, Method, header};

use crate::{
    address::Address,
    app::{App, Shared},
    db::{Conn, DbError, Tx},
    http::{Problem, cookies, csrf, problem::Code},
    ids::Kind,
    password::{Checked, For},
    secret::{fingerprint, random_token},
    throttle::{self, Admission, Device, Owner, Pass, Visitor},
};

const SESSION_IDLE_MS: i64 = 7 * 24 * 3_600_000;
pub(crate) const SESSION_ABS_MS: i64 = 30 * 24 * 3_600_000;
/// Where their accounts are, among the limits.
const REALM: &str = "operators";

/// An operator who is signed in, or whose key a program shows.
#[derive(Clone, Debug)]
pub(crate) struct Operator {
    pub(crate) id: String,
    /// The one project that a key is for.
    only: Option<String>,
}

/// What an operator may do in a project.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    Viewer,
    Admin,
    Owner,
}

impl Rank {
    pub(crate) const ALL: [Self; 3] = [Self::Viewer, Self::Admin, Self::Owner];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rank| rank.as_str() == text)
    }
}

impl FromRequestParts<Shared> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, Problem> {
        if parts.headers.contains_key(header::AUTHORIZATION) {
            return Self::of_key(app, &parts.headers).await;
        }
        let token = cookies::read(&parts.headers, cookies::OPERATOR).ok_or(Code::Unauthenticated)?;
        let found = queries::session(&mut *app.db.read().await?, &fingerprint(&token), app.now_ms()).await?;
        let id = found.ok_or(Code::Unauthenticated)?;
        if !matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS) {
            csrf::check(&parts.headers, &app.public, &[])?;
        }
        Ok(Self { id, only: None })
    }
}

impl Operator {
    /// Whoever made the key of the request, as far as it is one for everything. No other page can send one, so it does not
    /// matter where the request comes from.
    async fn of_key(app: &App, headers: &HeaderMap) -> Result<Self, Problem> {
        let key = keys::presented(&mut *app.db.read().await?, headers).await?.ok_or(Code::Unauthenticated)?;
        if !key.scopes.is_empty() {
            return Err(Problem::new(Code::Forbidden).detail("the key is good for its scopes alone"));
        }
        let id = key.created_by.ok_or(Code::Unauthenticated)?;
        Ok(Self { id, only: Some(key.project_id) })
    }

    /// The one project that the request is bound to, as one with a key is.
    pub(crate) fn only(&self) -> Option<&str> {
        self.only.as_deref()
    }

    /// What the operator is in the project; `None` for an outsider.
    pub(crate) async fn rank(&self, conn: &mut Conn, project_id: &str) -> Result<Option<Rank>, DbError> {
        if self.only.as_deref().is_some_and(|only| only != project_id) {
            return Ok(None);
        }
        queries::rank(conn, project_id, &self.id).await
    }

    /// Refuses, unless the operator has at least `rank` in the project. An operator without any is an outsider.
    pub(crate) async fn require(&self, conn: &mut Conn, project_id: &str, rank: Rank) -> Result<(), Problem> {
        match self.rank(conn, project_id).await? {
            None => Err(Code::NotFound.into()),
            Some(own) if own < rank => Err(Code::Forbidden.into()),
            Some(_) => Ok(()),
        }
    }
}

/// A fresh sign-in: the values of its cookies.
pub(crate) struct SignedIn {
    pub(crate) session: String,
    /// By which the browser is known from now on, if it was not.
    pub(crate) device: Option<String>,
}

/// Starts a session for the operator with `email` and `password`.
pub(crate) async fn sign_in(
    app: &App,
    visitor: &Visitor,
    email: &str,
    password: String,
) -> Result<SignedIn, Problem> {
    let address = Address::parse(email);
    let account = address.as_ref().map_or(email.trim(), |address| address.key());
    let found = match &address {
        Some(address) => queries::credentials(&mut *app.db.read().await?, address.key()).await?,
        None => None,
    };
    let (id, stored) = found.unzip();
    let (pass, checked) = guess(app, visitor, (account, id.as_deref()), (password, stored)).await?;
    let (Some(id), Checked::Right { .. }) = (id, checked) else {
        tracing::info!(reason = "invalid_credentials", "an operator's sign-in failed");
        return Err(Code::InvalidCredentials.into());
    };
    let (token, device) = (random_token()?, Device::of(visitor, &pass)?);
    let signed_in = SignedIn { session: token, device: device.cookie.clone() };
    let (hash, now) = (fingerprint(&signed_in.session), app.now_ms());
    app.db
        .write::<_, DbError>(move |tx| {
            Box::pin(async move {
                throttle::forgive(tx, &pass).await?;
                throttle::remember(tx, &Owner::Operator(id.clone()), &device, now).await?;
                queries::insert_session(tx, &hash, &id, now, now + SESSION_IDLE_MS, now + SESSION_ABS_MS)
                    .await
            })
        })
        .await?;
    Ok(signed_in)
}

/// Compares a password with the stored one, where the limits on guessing have room for it.
async fn guess(
    app: &App,
    visitor: &Visitor,
    (account, id): (&str, Option<&str>),
    (password, stored): (String, Option<String>),
) -> Result<(Pass, Checked), Problem> {
    let tried = throttle::Account {
        realm: REALM.to_owned(),
        address: account.to_owned(),
        owner: id.map(|id| Owner::Operator(id.to_owned())),
    };
    let pass = match throttle::admit(app, visitor, tried).await? {
        Admission::Granted(pass) => pass,
        Admission::Wait(seconds) => return Err(Problem::new(Code::Locked).after(seconds)),
    };
    let who = For::Request { peer: visitor.peer.0, realm: REALM, account };
    Ok((pass, app.passwords.check(who, password, stored).await?))
}

/// Id and address of the operator whose session this is, if it has not ended.
pub(crate) async fn signed_in(
    conn: &mut Conn,
    token: &str,
    now_ms: i64,
) -> Result<Option<(String, String)>, DbError> {
    let Some(id) = queries::session(conn, &fingerprint(token), now_ms).await? else { return Ok(None) };
    Ok(queries::find(conn, &id).await?.map(|stored| (id, stored.email)))
}

/// The address of an operator.
pub(crate) async fn address_of(conn: &mut Conn, id: &str) -> Result<Option<String>, DbError> {
    Ok(queries::find(conn, id).await?.map(|stored| stored.email))
}

/// Ends the session.
pub(crate) async fn sign_out(app: &App, token: &str) -> Result<(), DbError> {
    let hash = fingerprint(token);
    app.db
        .write::<_, DbError>(move |tx| Box::pin(async move { queries::delete_session(tx, &hash).await }))
        .await
}

/// What a stored operator is compared with.
pub(crate) struct Account {
    pub(crate) id: String,
    pub(crate) password_phc: String,
}

/// The operator with this address.
pub(crate) async fn find(conn: &mut Conn, address: &Address) -> Result<Option<Account>, DbError> {
    let found = queries::credentials(conn, address.key()).await?;
    Ok(found.map(|(id, password_phc)| Account { id, password_phc }))
}

/// What the operator `id` is in the project.
pub(crate) async fn rank_of(conn: &mut Conn, project_id: &str, id: &str) -> Result<Option<Rank>, DbError> {
    queries::rank(conn, project_id, id).await
}

/// How many projects the operator owns.
pub(crate) async fn count_owned(conn: &mut Conn, id: &str) -> Result<i64, DbError> {
    queries::count_owned(conn, id).await
}

/// Whether there is any operator.
pub(crate) async fn any(conn: &mut Conn) -> Result<bool, DbError> {
    queries::any(conn).await
}

/// Stores a new operator and gives the id.
pub(crate) async fn create(
    tx: &mut Tx,
    address: &Address,
    password_phc: &str,
    now_ms: i64,
) -> Result<String, DbError> {
    let id = Kind::Operator.new_id(now_ms);
    queries::insert(tx, &id, address, password_phc, now_ms).await?;
    Ok(id)
}

/// Gives a stored operator another password.
pub(crate) async fn set_password(
    tx: &mut Tx,
    id: &str,
    password_phc: &str,
    now_ms: i64,
) -> Result<(), DbError> {
    queries::set_password(tx, id, password_phc, now_ms).await
}

/// Gives the operator `rank` in the project, unless there is one already.
pub(crate) async fn assign(tx: &mut Tx, id: &str, project_id: &str, rank: Rank) -> Result<bool, DbError> {
    queries::assign(tx, id, project_id, rank).await
}

#[cfg(test)]
mod tests;
