//! `GET` and `POST /p/{project}/authorize` (RFC 6749 §4.1.1, OpenID Connect Core §3.1.2.1).
//!
//! Who asks and where the answer goes is judged first, and a mistake there is shown to the person: nothing is ever
//! sent to an address that is not registered. Every other mistake goes back to the application.

use axum::{
    body::Bytes,
    extract::{Path, RawQuery, State, rejection::BytesRejection},
    response::Response,
};
use http::{HeaderMap, header};

use super::{
    choose::{self, Next},
    consent, par,
    request::{self, OpenError, Params},
    scope,
    session::{self, Session},
};
use crate::{
    app::{App, Shared},
    clients::{self, Client},
    db::DbError,
    factors,
    http::language::{Language, MAX_UI_LOCALES},
    http::{Problem, page::PageError, problem::Code, redirect::see_other},
    oauth::Parameters,
    openapi::{Members, Operation, Routes, get, object, page, text},
    projects::{self, Project},
};

/// The longest `state`, in bytes. A longer one is shown to the person: an answer without it helps no application.
const MAX_STATE: usize = 2048;
/// The longest redirect URI, in bytes.
const MAX_REDIRECT_URI: usize = 2048;
/// The longest of the other parameters that are read, in bytes: anybody can have a request stored.
const MAX_BYTES: [(&str, usize, &str); 12] = [
    ("ui_locales", MAX_UI_LOCALES, "`ui_locales` is too long"),
    ("acr_values", 256, "`acr_values` is too long"),
    ("nonce", 512, "`nonce` is too long"),
    ("login_hint", 320, "`login_hint` is too long"),
    ("org_id", 256, "`org_id` is too long"),
    ("scope", 512, "`scope` is too long"),
    ("prompt", 256, "`prompt` is too long"),
    ("max_age", 256, "`max_age` is too long"),
    ("response_type", 256, "`response_type` is too long"),
    ("code_challenge", 256, "`code_challenge` is too long"),
    ("resource", 512, "`resource` is too long"),
    ("code_challenge_method", 256, "`code_challenge_method` is too long"),
];

/// What `prompt` may say (OpenID Connect Core §3.1.2.1, Initiating User Registration §4).
pub(crate) const PROMPTS: [&str; 5] = ["none", "login", "consent", "select_account", "create"];

/// The parameters that are looked at.
const PARAMETERS: [&str; 19] = [
    "client_id",
    "redirect_uri",
    "response_type",
    "response_mode",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
    "prompt",
    "max_age",
    "login_hint",
    "ui_locales",
    "acr_values",
    "resource",
    "org_id",
    "organization",
    "dpop_jkt",
    "request_uri",
];

/// What [`check`] says besides `invalid_request`.
pub(super) const ERRORS: [&str; 6] = [
    "invalid_target",
    "request_not_supported",
    "request_uri_not_supported",
    "unsupported_response_type",
    "unauthorized_client",
    "organizations_disabled",
];

/// The request, as a form.
pub(super) fn fields() -> Members {
    PARAMETERS.into_iter().fold(object(), |fields, name| fields.may(name, text()))
}

pub(super) fn router() -> Routes {
    let about = |name: &'static str| -> Operation {
        page(name, "Ask for a sign-in (RFC 6749 §4.1.1)").sends_on().stops(&[
            "unknown_client",
            "invalid_redirect_uri",
            "request_expired",
        ])
    };
    let by_link = PARAMETERS.into_iter().fold(about("authorize"), |link, name| link.query(name, text()));
    let by_form = about("authorizeByForm").takes_any_form(fields());
    Routes::new().at("/p/{project}/authorize", get(authorize, by_link).post(authorize_by_form, by_form))
}

/// An end of the request other than an answer to the application.
pub(crate) enum Stop {
    Page(&'static str),
    /// A page that says to come back after so many seconds.
    Wait(&'static str, i64),
    /// A page that says why the application does not let it happen.
    Refused(String),
    /// Back to the application: error and description.
    Back(Box<Params>, &'static str, &'static str),
}

impl From<DbError> for Stop {
    fn from(error: DbError) -> Self {
        tracing::error!(%error, "a sign-in could not go on");
        Self::Page("unavailable")
    }
}

/// What a page says of a refusal that has nothing to do with what was typed.
impl From<Problem> for Stop {
    fn from(problem: Problem) -> Self {
        if let Some(why) = problem.refusal() {
            return Self::Refused(why.to_owned());
        }
        match problem.code() {
            code @ (Code::Locked | Code::RateLimited) => Self::Wait(code.as_str(), problem.retry_after()),
            code @ (Code::TooLarge
            | Code::Busy
            | Code::Unavailable
            | Code::LinkInvalid
            | Code::InvitationInvalid
            | Code::InvitationExpired
            | Code::InvitationRevoked
            | Code::InvitationUsed
            | Code::InvitationDeclined
            | Code::MemberLimit
            | Code::OrganizationSuspended
            | Code::AlreadyMember) => Self::Page(code.as_str()),
            _ => Self::Page("internal"),
        }
    }
}

impl From<OpenError> for Stop {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Db(error) => error.into(),
            OpenError::NoRandomness => Self::Page("internal"),
        }
    }
}

async fn authorize(
    State(app): State<Shared>,
    Path(project_id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    match begin(&app, &project_id, query.unwrap_or_default().as_bytes(), &headers).await {
        Ok(response) => response,
        Err(stop) => render(&app, &project_id, stop),
    }
}

/// The same by a form (OpenID Connect Core §3.1.2.1). It changes nothing that a link would not.
async fn authorize_by_form(
    State(app): State<Shared>,
    Path(project_id): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let body = match body {
        Ok(body) => body,
        Err(rejection) => return app.pages.unreadable(rejection),
    };
    match begin(&app, &project_id, &body, &headers).await {
        Ok(response) => response,
        Err(stop) => render(&app, &project_id, stop),
    }
}

/// The answer to the browser for an end of the request.
pub(crate) fn render(app: &App, project_id: &str, stop: Stop) -> Response {
    match stop {
        Stop::Page(code) => app.pages.error(&PageError::new(code)),
        Stop::Wait(code, seconds) => app.pages.error(&PageError::new(code).after(seconds)),
        Stop::Refused(why) => app.pages.refused(&why),
        Stop::Back(params, error, description) => {
            see_other(&request::failure(app, project_id, &params, error, description))
        }
    }
}

async fn begin(app: &App, project_id: &str, query: &[u8], headers: &HeaderMap) -> Result<Response, Stop> {
    let query = Parameters::of_form(query).map_err(|_| Stop::Page("invalid_request"))?;
    let mut conn = app.db.read().await?;
    let project = projects::find(&mut conn, project_id).await?.ok_or(Stop::Page("not_found"))?;
    let client_id = query.get("client_id").ok_or(Stop::Page("unknown_client"))?;
    let client = clients::find(&mut conn, client_id)
        .await?
        .filter(|client| client.project_id == project.id)
        .ok_or(Stop::Page("unknown_client"))?;
    drop(conn);
    let pushed = par::take(app, &client, &query).await?;
    let was_pushed = pushed.is_some();
    let query = pushed.unwrap_or(query);
    let params = read(&query, &client)?;
    if let Err((error, description)) = check(&query, &client, &project, &params) {
        return Err(Stop::Back(Box::new(params), error, description));
    }
    if client.require_par && !was_pushed {
        return Err(Stop::Back(Box::new(params), "invalid_request", "the request must be pushed first"));
    }

    let previous = session::of_project(app, headers, project_id).await?;
    let recent = previous.filter(|session| is_recent(&query, session, app.now_ms()));
    // RFC 9470 §5: what signing in again would not bring is said at once.
    if !params.accepts(best_acr(app, recent.as_ref()).await?) {
        return Err(unmet(&params));
    }
    let usable = recent.filter(|session| params.accepts(factors::acr(&session.amr)));
    let silent = prompts(&query).any(|word| word == "none");
    let Some(session) = usable else {
        if silent {
            return Err(Stop::Back(Box::new(params), "login_required", "nobody is signed in"));
        }
        let opened = request::open(app, headers, project_id, Some(&client.id), params, None).await?;
        let page = if prompts(&query).any(|word| word == "create") { "signup" } else { "login" };
        let response =
            with_cookie(see_other(&page_url(app, project_id, page, &opened.handle)), opened.cookie);
        return Ok(with_cookie(response, language(app, &query)));
    };
    let next = choose::decide(app, &project, &session, &client.id, &params).await?;
    if silent {
        consent::ask_nobody(app, &client, &params, &session, &next).await?;
    }
    let opened =
        request::open(app, headers, project_id, Some(&client.id), params.clone(), Some(&session)).await?;
    let response = match next {
        Next::Ask => see_other(&page_url(app, project_id, "organizations/choose", &opened.handle)),
        Next::Go(member) => choose::finish(app, &opened.handle, &session, member).await?,
    };
    let response = with_cookie(response, language(app, &query));
    Ok(with_cookie(response, opened.cookie))
}

/// Keeps the language that the application asks for, for the pages that follow.
fn language(app: &App, query: &Parameters) -> Option<http::HeaderValue> {
    query.get("ui_locales").and_then(Language::first_of).map(|language| language.cookie(&app.public))
}

/// What the request asks for; a mistake about where the answer goes is for the person to see.
pub(super) fn read(query: &Parameters, client: &Client) -> Result<Params, Stop> {
    let redirect_uri = query
        .get("redirect_uri")
        .filter(|uri| uri.len() <= MAX_REDIRECT_URI && client.has_redirect_uri(uri))
        .ok_or(Stop::Page("invalid_redirect_uri"))?;
    if query.get("state").is_some_and(|state| state.len() > MAX_STATE) {
        return Err(Stop::Page("invalid_request"));
    }
    let text = |name| query.get(name).map(str::to_owned);
    Ok(Params {
        redirect_uri: redirect_uri.to_owned(),
        state: text("state"),
        nonce: text("nonce"),
        code_challenge: text("code_challenge"),
        scope: scope::granted(query.get("scope").unwrap_or_default(), &client.scopes),
        // Two names of two organizations are told to the application by `check`.
        org_id: query.organization().unwrap_or_default(),
        login_hint: text("login_hint"),
        acr_values: words(query.get("acr_values")).map(str::to_owned).collect(),
        resource: query.resources(),
        dpop_jkt: text("dpop_jkt"),
        device: None,
        asks: prompts(query).any(|word| word == "consent"),
        chosen: None,
        back: None,
    })
}

/// Everything that is told to the application if it is wrong.
pub(super) fn check(
    query: &Parameters,
    client: &Client,
    project: &Project,
    params: &Params,
) -> Result<(), (&'static str, &'static str)> {
    if query.organization().is_err() {
        return Err(("invalid_request", "the request names two organizations"));
    }
    let audiences = client.audiences(&project.audience);
    if !params.resource.iter().all(|resource| audiences.contains(resource)) {
        return Err(("invalid_target", "no token of this client is for that resource"));
    }
    if params.dpop_jkt.as_ref().is_some_and(|jkt| !is_s256(jkt)) {
        return Err(("invalid_request", "`dpop_jkt` is not the thumbprint of a key"));
    }
    for (name, most, too_long) in MAX_BYTES {
        if query.get(name).is_some_and(|value| value.len() > most) {
            return Err(("invalid_request", too_long));
        }
    }
    if query.get("request").is_some() {
        return Err(("request_not_supported", "`request` is not supported"));
    }
    if query.get("request_uri").is_some() {
        return Err(("request_uri_not_supported", "`request_uri` is not supported"));
    }
    match query.get("response_type") {
        Some("code") => {}
        None => return Err(("invalid_request", "`response_type` is missing")),
        Some(_) => return Err(("unsupported_response_type", "only `code` is supported")),
    }
    if query.get("response_mode").is_some_and(|mode| mode != "query") {
        return Err(("invalid_request", "only the response mode `query` is supported"));
    }
    if !client.may_use("authorization_code") {
        return Err(("unauthorized_client", "the client may not use this grant"));
    }
    match (query.get("code_challenge"), query.get("code_challenge_method")) {
        (None, None) if client.require_pkce => {
            return Err(("invalid_request", "`code_challenge` is missing"));
        }
        (None, None) => {}
        // RFC 7636 §4.3: an absent method means `plain`, which proves nothing to a reader of the request.
        (Some(challenge), Some("S256")) if is_s256(challenge) => {}
        (Some(_), Some("S256")) => {
            return Err(("invalid_request", "`code_challenge` is not the hash of a verifier"));
        }
        _ => return Err(("invalid_request", "only the code challenge method `S256` is supported")),
    }
    let asked: Vec<&str> = prompts(query).collect();
    if asked.iter().any(|word| !PROMPTS.contains(word)) || (asked.contains(&"none") && asked.len() > 1) {
        return Err(("invalid_request", "this `prompt` is not supported"));
    }
    if query.get("max_age").is_some_and(|age| age.parse::<u32>().is_err()) {
        return Err(("invalid_request", "`max_age` is not a number of seconds"));
    }
    if !project.org_enabled && params.org_id.as_ref().is_some_and(|org| !org.is_empty()) {
        return Err(("organizations_disabled", "organizations are switched off for this project"));
    }
    Ok(())
}

/// The words of `prompt` (OpenID Connect Core §3.1.2.1).
fn prompts(query: &Parameters) -> impl Iterator<Item = &str> {
    words(query.get("prompt"))
}

fn words(text: Option<&str>) -> impl Iterator<Item = &str> {
    text.unwrap_or_default().split(' ').filter(|word| !word.is_empty())
}

/// 32 bytes in base64url (RFC 7636 §4.2).
fn is_s256(challenge: &str) -> bool {
    crate::encoding::from_base64url(challenge).is_some_and(|bytes| bytes.len() == 32)
}

/// Whether the session is as recent as the request wants it.
fn is_recent(query: &Parameters, session: &Session, now_ms: i64) -> bool {
    let again = prompts(query).any(|word| ["login", "select_account", "create"].contains(&word));
    let max_age = query.get("max_age").and_then(|age| age.parse::<u32>().ok());
    // An age of nothing wants another sign-in, however quick the browser is.
    let fresh =
        max_age.is_none_or(|seconds| seconds > 0 && now_ms - session.auth_time <= i64::from(seconds) * 1000);
    !again && fresh
}

/// The best class that the person can reach: of whoever has a session it is known.
async fn best_acr(app: &App, session: Option<&Session>) -> Result<&'static str, DbError> {
    let Some(session) = session else { return Ok("mfa") };
    let reached = factors::acr(&session.amr);
    let standing = factors::standing(&mut *app.db.read().await?, &session.user_id).await?;
    Ok(if standing.reaches_mfa() { "mfa" } else { reached })
}

/// The answer to an application that wants more than there is (OpenID Connect, Unmet Authentication Requirements).
pub(super) fn unmet(params: &Params) -> Stop {
    let description = "none of the classes in `acr_values` can be reached";
    Stop::Back(Box::new(params.clone()), "unmet_authentication_requirements", description)
}

/// The address of one of the project's pages, for the request behind `handle`.
pub(crate) fn page_url(app: &App, project_id: &str, page: &str, handle: &str) -> String {
    format!("{}/{page}?request={handle}", app.public.issuer(project_id))
}

pub(super) fn with_cookie(mut response: Response, cookie: Option<http::HeaderValue>) -> Response {
    if let Some(cookie) = cookie {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}
