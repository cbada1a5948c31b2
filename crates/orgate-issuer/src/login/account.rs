//! The end users' API: `login`, `logout`, `session`, `me/organizations`, under the prefix and under each project.

use axum::{
    extract::{FromRequestParts, Path, RawPathParams, State},
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts};
use serde_json::{Value, json};

use super::{
    Entry, SignedIn, bearer,
    session::{self, Session},
    sign_in,
};
use crate::{
    app::{App, Shared},
    clock::rfc3339,
    db::DbError,
    events::Actor,
    http::{Problem, body::Json, cookies, csrf, etag, paging::Page, peer::Peer, problem::Code},
    members,
    openapi::{
        Members, Named, Operation, Routes, anyone, body, email, flag, get, object, own, post, text, texts,
        time,
    },
    projects,
    projects::Project,
    secret::fingerprint,
    throttle::Visitor,
    users,
    users::User,
};

pub(super) fn router(base: &str) -> Routes {
    let in_ = anyone("login", "Sign in with a password")
        .takes(of_project(body().with("email", email()).with("password", text())));
    let all = own("listOwnOrganizations", "The organizations that one belongs to")
        .or_by_token()
        .lists(OWN_ORGANIZATION);
    Routes::new()
        .at(&format!("{base}/login"), post(login, signs_in(in_)))
        .at(
            &format!("{base}/logout"),
            post(logout, own("logout", "End the session").or_by_token().gives_nothing()),
        )
        .at(
            &format!("{base}/session"),
            get(
                show,
                own("readSession", "The session").or_by_token().gives(200, SESSION).answers(
                    304,
                    UNCHANGED,
                    None,
                    &["ETag"],
                ),
            ),
        )
        .at(
            &format!("{base}/me/organizations"),
            get(organizations, all.refuses(&[Code::OrganizationsDisabled])),
        )
}

const UNCHANGED: &str = "It says what `If-None-Match` names.";

/// A body that may name the project, where the path does not.
pub(crate) fn of_project(members: Members) -> Members {
    members.may("project", text())
}

/// What an operation gives and refuses that ends in a session.
pub(crate) fn signs_in(operation: Operation) -> Operation {
    operation.gives(200, SESSION).refuses(&[
        Code::InvalidCredentials,
        Code::SecondFactorRequired,
        Code::RefusedByHook,
        Code::RateLimited,
        Code::Locked,
        Code::Busy,
    ])
}

/// What [`view`] shows.
pub(crate) const SESSION: Named = Named("Session", || {
    let user = object()
        .with("id", text())
        .with("email", text())
        .with("email_verified", flag())
        .with("name", text().or_null());
    let organization = object().with("id", text()).with("name", text()).with("slug", text());
    object()
        .with("id", text())
        .with("project_id", text())
        .with("user", user)
        .with("activeOrganizationId", text().or_null())
        .with("active_organization_id", text().or_null())
        .with("organization", organization.done().or_null())
        .with("role", text().or_null())
        .with("permissions", texts())
        .with("expires_at", time())
        .done()
});

const OWN_ORGANIZATION: Named = Named("OwnOrganization", || {
    object()
        .with("id", text())
        .with("slug", text())
        .with("name", text())
        .with("role", text())
        .with("member_id", text())
        .with("is_personal", flag())
        .done()
});

async fn login(
    State(app): State<Shared>,
    path: Option<Path<String>>,
    peer: Peer,
    headers: HeaderMap,
    Json(mut body): Json,
) -> Result<Response, Problem> {
    let (email, password) = (body.required_text("email")?, body.required_text("password")?);
    let named = body.text("project")?;
    body.finish()?;
    let project = project_of(&app, path, named, &headers).await?;
    csrf::check_foreign(&headers, &app.public, &project.trusted_origins)?;
    let previous = session::of_project(&app, &headers, &project.id).await?;
    let visitor = Visitor::of(&app, &project.id, peer, &headers);
    let entry = sign_in(&app, &project, &visitor, &email, password, previous).await?;
    answer_to(&app, &project, entry).await
}

/// The answer to the first factor: the session, or the ticket for the second one.
pub(crate) async fn answer_to(app: &App, project: &Project, entry: Entry) -> Result<Response, Problem> {
    match entry {
        Entry::In(signed_in) => answer(app, project, &signed_in).await,
        Entry::Second(ticket) => Err(Problem::new(Code::SecondFactorRequired).with("ticket", ticket)),
    }
}

/// Which project a request of somebody without a session is about: that of the path, the named one, that of the session
/// the browser has, or the only one.
pub(crate) async fn project_of(
    app: &App,
    path: Option<Path<String>>,
    named: Option<String>,
    headers: &HeaderMap,
) -> Result<Project, Problem> {
    let path = path.map(|Path(project)| project);
    if path.is_some() && named.is_some() && path != named {
        return Err(Problem::invalid("project", "is not the project of the path"));
    }
    match path.or(named) {
        Some(id) => find_project(app, &id).await,
        None => match session::of_any_project(app, headers).await? {
            Some(session) => find_project(app, &session.project_id).await,
            None => Ok(projects::only(&mut *app.db.read().await?).await?.ok_or(Code::ProjectRequired)?),
        },
    }
}

/// The answer to a sign-in: the session, and its cookie.
pub(crate) async fn answer(app: &App, project: &Project, signed_in: &SignedIn) -> Result<Response, Problem> {
    let mut response = private(view(app, project, &signed_in.session, &signed_in.user).await?);
    signed_in.set_cookies(app, response.headers_mut());
    Ok(response)
}

async fn logout(State(app): State<Shared>, Acting { session, project }: Acting) -> Result<Response, Problem> {
    let now = app.now_ms();
    app.db
        .write::<_, DbError>(move |tx| {
            Box::pin(
                async move { session::revoke(tx, &session, Actor::User(session.user_id.clone()), now).await },
            )
        })
        .await?;
    let name = cookies::session_name(&app.settings, &app.public, &project.id);
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookies::set(&app.public, &name, "", "/", 0))])
        .into_response())
}

async fn show(
    State(app): State<Shared>,
    path: Option<Path<String>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let session = asking(&app, path, &headers).await?;
    let project = find_project(&app, &session.project_id).await?;
    let user = users::find(&mut *app.db.read().await?, &project.id, &session.user_id).await?;
    let user = user.ok_or(Code::Unauthenticated)?;
    let view = view(&app, &project, &session, &user).await?;
    Ok(unless_known(&headers, view))
}

/// The session, unless whoever asks has what it says. Its end moves with its use and says nothing about it, so it is not
/// looked at. The answer belongs to a cookie: it may be kept by who sent that, and is asked for again before each use.
fn unless_known(headers: &HeaderMap, view: Value) -> Response {
    let mut said = view.clone();
    if let Some(object) = said.as_object_mut() {
        object.remove("expires_at");
    }
    let tag = format!("W/\"{}\"", fingerprint(&said.to_string()));
    let mut response = match etag::is_known(headers, &tag) {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => axum::Json(view).into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.append(header::VARY, HeaderValue::from_static("cookie"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}

async fn organizations(
    State(app): State<Shared>,
    path: Option<Path<String>>,
    page: Page,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let session = asking(&app, path, &headers).await?;
    let mut conn = app.db.read().await?;
    projects::require_organizations(&mut conn, &session.project_id).await?;
    let all = members::of_user(&mut conn, &session.project_id, &session.user_id, &page).await?;
    let rows = all
        .into_iter()
        .map(|(place, member)| {
            let value = json!({
                "id": member.org_id,
                "slug": member.org_slug,
                "name": member.org_name,
                "role": member.role.key,
                "member_id": member.id,
                "is_personal": member.personal,
            });
            (place, value)
        })
        .collect();
    Ok(private(page.answer(rows)))
}

pub(crate) async fn find_project(app: &App, id: &str) -> Result<Project, Problem> {
    projects::find(&mut *app.db.read().await?, id).await?.ok_or_else(|| Code::NotFound.into())
}

/// The session of the request; 401 without one.
pub(crate) async fn current(
    app: &App,
    path: Option<Path<String>>,
    headers: &HeaderMap,
) -> Result<Session, Problem> {
    let found = match path {
        Some(Path(project_id)) => session::of_project(app, headers, &project_id).await?,
        None => session::of_any_project(app, headers).await?,
    };
    found.ok_or_else(|| Code::Unauthenticated.into())
}

/// The session of the request, by its cookie or by an access token with the scope `account`; 401 without one. A token that is
/// shown is what counts, whatever cookie came with it.
pub(crate) async fn asking(
    app: &App,
    path: Option<Path<String>>,
    headers: &HeaderMap,
) -> Result<Session, Problem> {
    let named = path.as_ref().map(|Path(project)| project.as_str());
    match bearer::session(app, named, headers).await? {
        Some(session) => Ok(session),
        None => current(app, path, headers).await,
    }
}

/// Refuses a change in the name of a cookie that may come from elsewhere. A token comes from nowhere by itself.
pub(crate) fn check_place(
    app: &App,
    project: &Project,
    session: &Session,
    headers: &HeaderMap,
) -> Result<(), Problem> {
    match session.bearer {
        Some(_) => Ok(()),
        None => csrf::check(headers, &app.public, &project.trusted_origins),
    }
}

/// Who changes something of their own: 401 without a session, 403 for a request that comes from a place that may not send it.
#[derive(Clone, Debug)]
pub(crate) struct Acting {
    pub(crate) session: Session,
    pub(crate) project: Project,
}

impl FromRequestParts<Shared> for Acting {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, Problem> {
        let parameters = RawPathParams::from_request_parts(parts, app).await.map_err(|_| Code::BadRequest)?;
        let named = parameters.iter().find(|(name, _)| *name == "project");
        let session = asking(app, named.map(|(_, id)| Path(id.to_owned())), &parts.headers).await?;
        let project = find_project(app, &session.project_id).await?;
        check_place(app, &project, &session, &parts.headers)?;
        Ok(Self { session, project })
    }
}

impl Acting {
    /// The same in a project that has organizations.
    pub(crate) fn in_organizations(self) -> Result<Self, Problem> {
        match self.project.org_enabled {
            true => Ok(self),
            false => Err(Code::OrganizationsDisabled.into()),
        }
    }
}

/// A session as its owner sees it. The organization stands there twice: under the name that browser clients use and
/// under the one that the rest of the API uses.
pub(crate) async fn view(
    app: &App,
    project: &Project,
    session: &Session,
    user: &User,
) -> Result<Value, Problem> {
    let member = match &session.active_member_id {
        Some(id) if project.org_enabled => members::find_by_id(&mut *app.db.read().await?, id).await?,
        _ => None,
    };
    let org_id = member.as_ref().map(|member| member.org_id.as_str());
    Ok(json!({
        "id": session.id,
        "project_id": project.id,
        "user": {
            "id": user.id,
            "email": user.email,
            "email_verified": user.email_verified,
            "name": user.name,
        },
        "activeOrganizationId": org_id,
        "active_organization_id": org_id,
        "organization": member.as_ref().map(|member| json!({
            "id": member.org_id,
            "name": member.org_name,
            "slug": member.org_slug,
        })),
        "role": member.as_ref().map(|member| member.role.key.as_str()),
        "permissions": member.as_ref().map(|member| member.role.permissions.clone()).unwrap_or_default(),
        "expires_at": rfc3339(session.expires_at()),
    }))
}

/// An answer for one person only.
pub(crate) fn private(body: Value) -> Response {
    let no_store = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    (no_store, axum::Json(body)).into_response()
}
