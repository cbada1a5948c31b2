//! An authorization request on its way through the pages (RFC 6749 §4.1.1).
//!
//! It is stored under the hash of a handle and bound to a cookie of the browser that began it. Whoever has the handle
//! but not the cookie, or the other way round, gets nothing.

use http::{HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};

use super::{queries, session::Session};
use crate::{
    app::App,
    db::{Conn, DbError},
    encoding::with_query,
    factors,
    http::cookies,
    secret::{NoRandomness, fingerprint, random_token, same},
};

/// How long a sign-in may take.
const LIFE_MS: i64 = 30 * 60_000;
/// How long the browser keeps the cookie that its sign-ins are bound to.
const COOKIE_LIFE_MS: i64 = 24 * 3_600_000;
/// How long a code may wait for its exchange.
const CODE_LIFE_MS: i64 = 60_000;

/// What the application asked for. Stored as JSON.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Params {
    pub(crate) redirect_uri: String,
    pub(super) state: Option<String>,
    pub(super) nonce: Option<String>,
    pub(super) code_challenge: Option<String>,
    pub(super) scope: String,
    /// The organization that was named; empty means expressly none.
    pub(super) org_id: Option<String>,
    pub(crate) login_hint: Option<String>,
    /// The classes of authentication of which one is wanted (OpenID Connect Core §3.1.2.1); empty means any.
    #[serde(default)]
    pub(super) acr_values: Vec<String>,
    /// Whom the tokens are to be for (RFC 8707); empty for whom they usually are.
    #[serde(default)]
    pub(super) resource: Vec<String>,
    /// The key that the code is bound to (RFC 9449 §10).
    #[serde(default)]
    pub(super) dpop_jkt: Option<String>,
    /// The device that is to be signed in, instead of an answer to an application (RFC 8628).
    #[serde(default)]
    pub(super) device: Option<String>,
    /// Whether the person is to be asked whatever they have allowed (`prompt=consent`).
    #[serde(default)]
    pub(super) asks: bool,
    /// The organization that the person is asked about, empty for none, once it is known; only we write it.
    #[serde(default)]
    pub(super) chosen: Option<String>,
    /// The page of our own that the sign-in is for; only we write it.
    #[serde(default)]
    pub(super) back: Option<String>,
}

impl Params {
    /// Whether a proof of the class `acr` is one that was asked for.
    pub(super) fn accepts(&self, acr: &str) -> bool {
        self.acr_values.is_empty() || self.acr_values.iter().any(|wanted| factors::is_at_least(acr, wanted))
    }
}

/// A request in progress.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(super) project_id: String,
    /// The application that asks; `None` where the sign-in is for a page of the issuer's own.
    pub(super) client_id: Option<String>,
    pub(crate) params: Params,
    pub(super) session_id: Option<String>,
    pub(super) browser_hash: String,
}

/// A stored request with the handle that the page carries.
pub(super) struct Opened {
    pub(super) handle: String,
    /// The cookie to set, if the browser has none yet.
    pub(super) cookie: Option<HeaderValue>,
}

/// Why no request was stored.
pub(super) enum OpenError {
    Db(DbError),
    NoRandomness,
}

impl From<DbError> for OpenError {
    fn from(error: DbError) -> Self {
        Self::Db(error)
    }
}

impl From<NoRandomness> for OpenError {
    fn from(_: NoRandomness) -> Self {
        Self::NoRandomness
    }
}

/// Stores a request. One browser may have several at once: each tab has its own handle under the same cookie.
pub(super) async fn open(
    app: &App,
    headers: &HeaderMap,
    project_id: &str,
    client_id: Option<&str>,
    params: Params,
    session: Option<&Session>,
) -> Result<Opened, OpenError> {
    let handle = random_token()?;
    let name = cookies::sign_in_name(&app.public);
    let known = cookies::read(headers, &name);
    let browser = match &known {
        Some(value) => value.clone(),
        None => random_token()?,
    };
    let cookie = known.is_none().then(|| cookies::set(&app.public, &name, &browser, "/", COOKIE_LIFE_MS));
    let (hash, now) = (fingerprint(&handle), app.now_ms());
    let request = Request {
        project_id: project_id.to_owned(),
        client_id: client_id.map(str::to_owned),
        params,
        session_id: session.map(|session| session.id.clone()),
        browser_hash: fingerprint(&browser),
    };
    app.db
        .write::<_, DbError>(move |tx| {
            Box::pin(async move {
                queries::purge(tx, now).await?;
                queries::insert_request(tx, &hash, &request, now, now + LIFE_MS).await
            })
        })
        .await?;
    Ok(Opened { handle, cookie })
}

/// Why a handle does not lead to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// Never made, used up or too old.
    Expired,
    /// It belongs to another browser.
    Foreign,
}

/// The request behind `handle`, if the browser is the one that began it.
pub(super) async fn find(
    app: &App,
    conn: &mut Conn,
    headers: &HeaderMap,
    project_id: &str,
    handle: &str,
) -> Result<Result<Request, Lost>, DbError> {
    let Some(request) = queries::request(conn, &fingerprint(handle), app.now_ms()).await? else {
        return Ok(Err(Lost::Expired));
    };
    if request.project_id != project_id {
        return Ok(Err(Lost::Expired));
    }
    let browser = cookies::read(headers, &cookies::sign_in_name(&app.public));
    let own = browser.is_some_and(|browser| same(&fingerprint(&browser), &request.browser_hash));
    Ok(if own { Ok(request) } else { Err(Lost::Foreign) })
}

/// Where the browser goes with a code.
pub(super) fn success(app: &App, request: &Request, code: &str) -> String {
    answer(app, &request.project_id, &request.params, &[("code", code)])
}

/// Where the browser goes with an error (RFC 6749 §4.1.2.1).
pub(super) fn failure(
    app: &App,
    project_id: &str,
    params: &Params,
    error: &str,
    description: &str,
) -> String {
    answer(app, project_id, params, &[("error", error), ("error_description", description)])
}

fn answer(app: &App, project_id: &str, params: &Params, first: &[(&str, &str)]) -> String {
    let issuer = app.public.issuer(project_id);
    let mut parameters = first.to_vec();
    if let Some(state) = &params.state {
        parameters.push(("state", state));
    }
    // RFC 9207: the application can tell who answered.
    parameters.push(("iss", &issuer));
    with_query(&params.redirect_uri, &parameters)
}

/// A code that is to be stored.
pub(super) struct NewCode<'a> {
    pub(super) hash: &'a str,
    pub(super) request: &'a Request,
    pub(super) session: &'a Session,
    pub(super) member_id: Option<&'a str>,
    pub(super) org_id: Option<&'a str>,
    pub(super) now_ms: i64,
}

impl NewCode<'_> {
    pub(super) fn expires_at(&self) -> i64 {
        self.now_ms + CODE_LIFE_MS
    }
}
