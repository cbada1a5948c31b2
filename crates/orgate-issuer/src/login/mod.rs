//! Signing in: sessions, the authorization endpoint, the sign-in page and the choice of an organization.
//!
//! The way of a browser: `/authorize` → `/login` → `/organizations/choose` → `/consent`, where somebody else's application asks →
//! back to the application with a code. The
//! request travels in the database, not in the browser; a page carries only a handle that works together with a
//! cookie of the same browser, so that nobody can be signed in by a foreign page. Codes are made here and redeemed in
//! `tokens`.

pub(crate) mod account;
pub(crate) mod authorize;
mod bearer;
mod choose;
pub(crate) mod consent;
mod device;
mod enter;
mod found;
pub(crate) mod own_pages;
pub(crate) mod page;
mod par;
mod passkey;
mod queries;
mod request;
pub(crate) mod scope;
pub(crate) mod second;
pub(crate) mod session;
mod sessions;

use http::{HeaderMap, header};

pub(crate) use self::request::Request;
use self::session::{ABS_MS, Session};
use crate::{
    activity::Count,
    address::Address,
    app::App,
    db::{Conn, DbError, Tx},
    domains,
    events::{Actor, EventType},
    factors,
    hooks::{self, SignIn},
    http::{Problem, cookies, problem::Code},
    ids::Kind,
    openapi::Routes,
    password::{Checked, For, PasswordError},
    projects::Project,
    secret::{fingerprint, random_token},
    throttle::{self, Admission, Device, Owner, PLACE_MEMORY_MS, Pass, Visitor},
    users::{self, User},
};

/// How long a session or family that has ended is kept.
const ENDED_MEMORY_MS: i64 = 7 * 24 * 3_600_000;

/// The pages of each project and the end users' API under `prefix`.
pub(crate) fn router(prefix: &str) -> Routes {
    Routes::new()
        .merge(authorize::router())
        .merge(page::router())
        .merge(par::router())
        .merge(choose::router())
        .merge(consent::router())
        .merge(enter::router())
        .merge(found::router())
        .merge(passkey::pages())
        .merge(second::pages())
        .merge(device::router())
        .under(prefix, passkey::router)
        .under(prefix, second::router)
        .under(prefix, account::router)
        .under(prefix, sessions::router)
        .under(prefix, consent::api::router)
}

/// A fresh sign-in: the session and the values of its cookies.
pub(crate) struct SignedIn {
    pub(crate) session: Session,
    pub(crate) token: String,
    /// The cookie by which the browser is known from now on, if it was not.
    pub(crate) device: Option<String>,
    pub(crate) user: User,
}

impl SignedIn {
    /// The same, when the person has become a member of the organization of their mail domain, if that wants it so.
    pub(crate) async fn welcomed(self, app: &App, project: &Project) -> Self {
        domains::welcome(app, project, &self.user.id).await;
        self
    }

    /// The cookies that make the browser the one that is signed in.
    pub(crate) fn set_cookies(&self, app: &App, headers: &mut HeaderMap) {
        let project_id = &self.session.project_id;
        let name = cookies::session_name(&app.settings, &app.public, project_id);
        headers.append(header::SET_COOKIE, cookies::set(&app.public, &name, &self.token, "/", ABS_MS));
        if let Some(device) = &self.device {
            let name = cookies::device_name(&app.public, project_id);
            headers
                .append(header::SET_COOKIE, cookies::set(&app.public, &name, device, "/", PLACE_MEMORY_MS));
        }
    }
}

/// Why nobody was signed in.
#[derive(Debug)]
pub(crate) enum SignInError {
    /// One answer for an unknown address, a wrong password and a suspended user.
    Invalid,
    /// Too many attempts: come back after so many seconds.
    Wait(i64),
    Password(PasswordError),
    Other(Problem),
}

impl From<DbError> for SignInError {
    fn from(error: DbError) -> Self {
        Self::Other(error.into())
    }
}

impl From<SignInError> for Problem {
    fn from(error: SignInError) -> Self {
        match error {
            SignInError::Invalid => Self::new(Code::InvalidCredentials),
            SignInError::Wait(seconds) => Self::new(Code::Locked).after(seconds),
            SignInError::Password(error) => error.into(),
            SignInError::Other(problem) => problem,
        }
    }
}

/// Checks the password and starts a session, and counts if that fails. `previous` is the session the browser had: it does not survive, so that
/// a cookie planted before the sign-in opens nothing after it.
pub(crate) async fn sign_in(
    app: &App,
    project: &Project,
    visitor: &Visitor,
    email: &str,
    password: String,
    previous: Option<Session>,
) -> Result<Entry, SignInError> {
    let entered = check(app, project, visitor, email, password, previous).await;
    if let Err(SignInError::Invalid | SignInError::Wait(_)) = &entered {
        app.activity.count(&project.id, Count::FailedSignIn, app.now_ms());
    }
    entered
}

async fn check(
    app: &App,
    project: &Project,
    visitor: &Visitor,
    email: &str,
    password: String,
    previous: Option<Session>,
) -> Result<Entry, SignInError> {
    let address = Address::parse(email);
    let account = address.as_ref().map_or(email.trim(), |address| address.key());
    let user = match &address {
        Some(address) => users::find_by_address(&mut *app.db.read().await?, &project.id, address).await?,
        None => None,
    };
    let tried = throttle::Account {
        realm: project.id.clone(),
        address: account.to_owned(),
        owner: user.as_ref().map(|user| Owner::User(user.id.clone())),
    };
    let pass = match throttle::admit(app, visitor, tried).await? {
        Admission::Granted(pass) => pass,
        Admission::Wait(seconds) => return Err(SignInError::Wait(seconds)),
    };
    let who = For::Request { peer: visitor.peer.0, realm: &project.id, account };
    let stored = user.as_ref().and_then(|user| user.password_phc.clone());
    let checked = app.passwords.check(who, password, stored.clone()).await.map_err(SignInError::Password)?;
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
    let start = Start::asked(app, (&project.id, &user.id), &["pwd"], visitor, pass)
        .await
        .map_err(SignInError::Other)?;
    let now = app.now_ms();
    let started = app
        .db
        .write::<_, DbError>(move |tx| {
            Box::pin(async move {
                let user_id = &start.session.user_id;
                if !users::hold(tx, user_id, stored.as_deref()).await? {
                    return Ok(None);
                }
                if let Some(phc) = rehashed {
                    users::set_password(tx, user_id, &phc, now).await?;
                }
                start.store_or_ask(tx, previous).await.map(Some)
            })
        })
        .await?;
    // While the password was being checked it became another one, or the user was suspended.
    Ok(started.ok_or(SignInError::Invalid)?.of(user).welcomed(app, project).await)
}

/// Where the first factor leads to.
pub(crate) enum Entry {
    In(Box<SignedIn>),
    /// To the second one, with this ticket.
    Second(String),
}

impl Entry {
    /// The same, when whoever is in has become a member of the organization of their mail domain, if that wants it so.
    pub(crate) async fn welcomed(self, app: &App, project: &Project) -> Self {
        match self {
            Self::In(signed_in) => Self::In(Box::new(signed_in.welcomed(app, project).await)),
            Self::Second(_) => self,
        }
    }
}

/// The same before the person is known to the caller.
pub(crate) enum Stored {
    In(Box<Started>),
    Second(String),
}

impl Stored {
    pub(crate) fn of(self, user: User) -> Entry {
        match self {
            Self::In(started) => Entry::In(Box::new(started.of(user))),
            Self::Second(ticket) => Entry::Second(ticket),
        }
    }
}

/// A session that is about to be: everything that can fail for want of randomness is made before the transaction.
#[derive(Clone)]
pub(crate) struct Start {
    pub(crate) session: Session,
    token: String,
    ticket: String,
    device: Device,
    pass: Pass,
}

/// A session that was stored.
pub(crate) struct Started {
    session: Session,
    token: String,
    device: Option<String>,
}

impl Start {
    /// A session of somebody who has shown to be the user, if the application lets it be.
    pub(crate) async fn asked(
        app: &App,
        (project_id, user_id): (&str, &str),
        amr: &[&str],
        visitor: &Visitor,
        pass: Pass,
    ) -> Result<Self, Problem> {
        let wish = SignIn {
            project_id: project_id.to_owned(),
            user_id: user_id.to_owned(),
            methods: amr.iter().map(|method| (*method).to_owned()).collect(),
        };
        hooks::ask(app, |hooks| hooks.before_sign_in(&wish)).await?;
        Self::new(app, project_id, user_id, amr, visitor, pass)
    }

    /// A session that the application was asked about already, at the first factor or the sign-up.
    pub(crate) fn new(
        app: &App,
        project_id: &str,
        user_id: &str,
        amr: &[&str],
        visitor: &Visitor,
        pass: Pass,
    ) -> Result<Self, Problem> {
        let token = random_token()?;
        let (agent, hash) = (visitor.user_agent.clone(), fingerprint(&token));
        let session = Session::start(project_id, user_id, hash, amr, agent, app.now_ms());
        Ok(Self { session, token, ticket: random_token()?, device: Device::of(visitor, &pass)?, pass })
    }

    /// Stores the session, or that the sign-in waits for the second factor if the user has one.
    pub(crate) async fn store_or_ask(
        self,
        tx: &mut Tx,
        previous: Option<Session>,
    ) -> Result<Stored, DbError> {
        let Session { user_id, project_id, amr, auth_time, .. } = &self.session;
        if !factors::standing(tx, user_id).await?.totp {
            return Ok(Stored::In(Box::new(self.store(tx, previous).await?)));
        }
        throttle::forgive(tx, &self.pass).await?;
        let waiting = factors::Waiting { user_id: user_id.clone(), amr: amr.clone() };
        factors::wait(tx, &fingerprint(&self.ticket), project_id, &waiting, *auth_time).await?;
        Ok(Stored::Second(self.ticket))
    }

    /// Stores the session in place of the one that the browser had, and where the person is.
    pub(crate) async fn store(self, tx: &mut Tx, previous: Option<Session>) -> Result<Started, DbError> {
        let Self { session, token, device, pass, .. } = self;
        throttle::forgive(tx, &pass).await?;
        let owner = Owner::User(session.user_id.clone());
        throttle::remember(tx, &owner, &device, session.auth_time).await?;
        let session = session::replace(tx, previous, session).await?;
        Ok(Started { session, token, device: device.cookie })
    }
}

impl Started {
    pub(crate) fn of(self, user: User) -> SignedIn {
        let Self { session, token, device } = self;
        tracing::info!(project.id = %session.project_id, user.id = %user.id, session.id = %session.id, "signed in");
        SignedIn { session, token, device, user }
    }
}

/// Forgets sessions and families that ended a week ago, a bounded number at a time.
pub(crate) async fn purge(conn: &mut Conn, now_ms: i64) -> Result<u64, DbError> {
    queries::purge_sessions(conn, now_ms - ENDED_MEMORY_MS).await
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
