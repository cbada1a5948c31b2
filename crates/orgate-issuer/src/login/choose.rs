//! `GET` and `POST /p/{project}/organizations/choose`: for which organization the person signs in.
//!
//! The page appears whenever there are several and none was named; with none or one there is nothing to choose. What
//! was chosen is bound to the code, and the membership is looked up again when the code is exchanged.
//!
//! An application that is for members of organizations only gets nobody who belongs to none: they are shown how to come by one
//! (`found`).

use axum::{
    extract::{Path, RawQuery, State},
    response::Response,
};
use http::{HeaderMap, StatusCode};
use minijinja::{Value, context};
use url::form_urlencoded;

use super::{
    authorize::{Stop, page_url, render},
    consent, device, found,
    page::load,
    queries,
    request::{self, NewCode, Params, Request},
    session::{self, Session},
};
use crate::{
    app::{App, Shared},
    clients::{self, redirect_uri::form_target},
    consents,
    db::{Conn, DbError},
    http::{body::Form, posted::Posted, redirect::see_other},
    members::{self, Choices, Membership},
    openapi::{Routes, get, object, page, text},
    organizations,
    projects::Project,
    secret::{fingerprint, random_token},
    users,
};

pub(super) fn router() -> Routes {
    let lost = ["request_expired", "csrf", "sign_in_required"];
    let form = page("showOrganizations", "The page to choose an organization")
        .query("request", text())
        .query("q", text())
        .query("after", text())
        .shows(&[200])
        .stops(&lost);
    let sent = page("submitOrganization", "Choose an organization, and go back to the application")
        .takes_form(object().with("request", text()).with("org_id", text()))
        .shows(&[200])
        .sends_on()
        .stops(&lost)
        .stops(&["unknown_organization"]);
    Routes::new().at("/p/{project}/organizations/choose", get(show, form).post(submit, sent))
}

/// How many organizations the page shows at once.
const SHOWN: i64 = 50;
const MOST_SHOWN: usize = 50;

/// What follows a sign-in.
pub(super) enum Next {
    /// The person must choose.
    Ask,
    /// Back to the application, for this organization or for none.
    Go(Option<Membership>),
}

/// Whether there is something to choose.
pub(super) async fn decide(
    app: &App,
    project: &Project,
    session: &Session,
    client_id: &str,
    params: &Params,
) -> Result<Next, Stop> {
    let mut conn = app.db.read().await?;
    let named = params.org_id.as_deref().filter(|org| project.org_enabled && !org.is_empty());
    if let Some(org) = named {
        return match members::find(&mut conn, &project.id, &session.user_id, org).await? {
            Some(member) => Ok(Next::Go(Some(member))),
            None => Err(Stop::Back(
                Box::new(params.clone()),
                "invalid_target",
                "the organization cannot be used by this user",
            )),
        };
    }
    let mut all = some_of(&mut conn, project, session, Choices::default(), 2).await?;
    if all.is_empty() && needs_one(&mut conn, Some(client_id)).await? {
        return Ok(Next::Ask);
    }
    // Expressly none: the application names it when it exchanges the code.
    if params.org_id.is_some() {
        return Ok(Next::Go(None));
    }
    Ok(if all.len() > 1 { Next::Ask } else { Next::Go(all.pop()) })
}

/// At most so many of the organizations that the person can choose among.
pub(super) async fn some_of(
    conn: &mut Conn,
    project: &Project,
    session: &Session,
    choices: Choices<'_>,
    most: i64,
) -> Result<Vec<Membership>, DbError> {
    match project.org_enabled {
        true => members::choices(conn, (&project.id, &session.user_id), choices, most).await,
        false => Ok(Vec::new()),
    }
}

/// Whether the application is for members of organizations only.
async fn needs_one(conn: &mut Conn, client_id: Option<&str>) -> Result<bool, DbError> {
    match client_id {
        Some(id) => Ok(clients::find(conn, id).await?.is_some_and(|client| client.require_org)),
        None => Ok(false),
    }
}

/// What follows the choice: the page that asks whether the application may, where that is due, or the way back to it.
pub(super) async fn finish(
    app: &App,
    handle: &str,
    session: &Session,
    member: Option<Membership>,
) -> Result<Response, Stop> {
    match consent::ask(app, handle, session, member.as_ref()).await? {
        Some(page) => Ok(page),
        None => issue(app, handle, session, member, false).await,
    }
}

/// Uses the request up and sends the browser back with a code. `allowed`: the person has just said that the application may.
pub(super) async fn issue(
    app: &App,
    handle: &str,
    session: &Session,
    member: Option<Membership>,
    allowed: bool,
) -> Result<Response, Stop> {
    let code = random_token().map_err(|_| Stop::Page("internal"))?;
    let (handle, code_hash, session, now) =
        (fingerprint(handle), fingerprint(&code), session.clone(), app.now_ms());
    let request = app
        .db
        .write::<_, DbError>(move |tx| {
            Box::pin(async move {
                let Some(request) = queries::take_request(tx, &handle, now).await? else { return Ok(None) };
                let new = NewCode {
                    hash: &code_hash,
                    request: &request,
                    session: &session,
                    member_id: member.as_ref().map(|member| member.id.as_str()),
                    org_id: member.as_ref().map(|member| member.org_id.as_str()),
                    now_ms: now,
                };
                match &request.params.device {
                    None => queries::insert_code(tx, &new).await?,
                    // A code that has ended meanwhile is approved for nobody.
                    Some(device) if !device::queries::approve_device(tx, device, &new).await? => {
                        return Ok(None);
                    }
                    Some(_) => {}
                }
                if let (true, Some(client_id)) = (allowed, &request.client_id) {
                    let of = consent::of(&session, client_id, new.org_id);
                    consents::grant(tx, of, &request.params.scope, now).await?;
                }
                let member_id = member.as_ref().map(|member| member.id.clone());
                if session.active_member_id != member_id {
                    let member = member.as_ref().map(|member| (member.id.as_str(), member.org_id.as_str()));
                    session::switch(tx, &session, member, None, now).await?;
                }
                Ok(Some(request))
            })
        })
        .await?
        .ok_or(Stop::Page("request_expired"))?;
    if request.params.device.is_some() {
        return Ok(device::done(app, "", true));
    }
    Ok(see_other(&request::success(app, &request, &code)))
}

async fn show(
    State(app): State<Shared>,
    Path(project_id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let query = Form::parse(query.unwrap_or_default().as_bytes());
    let shown = async {
        let query = query.as_ref().ok_or(Stop::Page("invalid_request"))?;
        let handle = query.get("request").ok_or(Stop::Page("request_expired"))?;
        let (project, request, session) = enter(&app, &project_id, &headers, handle).await?;
        picker(&app, &project, &request, &session, (handle, asked(query))).await
    };
    shown.await.unwrap_or_else(|stop| render(&app, &project_id, stop))
}

/// Which of the organizations the page is to show.
pub(super) fn asked(query: &Form) -> Choices<'_> {
    Choices { search: query.get("q").unwrap_or_default(), after: query.get("after").unwrap_or_default() }
}

async fn submit(
    State(app): State<Shared>,
    Path(project_id): Path<String>,
    headers: HeaderMap,
    Posted(fields): Posted,
) -> Response {
    let chosen = async {
        let handle = fields.get("request").ok_or(Stop::Page("request_expired"))?;
        let (project, request, session) = enter(&app, &project_id, &headers, handle).await?;
        let org = fields.get("org_id").ok_or(Stop::Page("invalid_request"))?;
        let mut conn = app.db.read().await?;
        let member = if !org.is_empty() {
            let found = members::find(&mut conn, &project.id, &session.user_id, org).await?;
            Some(found.filter(|_| project.org_enabled).ok_or(Stop::Page("unknown_organization"))?)
        } else if needs_one(&mut conn, request.client_id.as_deref()).await? {
            return Err(Stop::Page("unknown_organization"));
        } else {
            None
        };
        drop(conn);
        finish(&app, handle, &session, member).await
    };
    chosen.await.unwrap_or_else(|stop| render(&app, &project_id, stop))
}

/// The request and the session that it is bound to.
pub(super) async fn enter(
    app: &App,
    project_id: &str,
    headers: &HeaderMap,
    handle: &str,
) -> Result<(Project, Request, Session), Stop> {
    let (project, request) = load(app, project_id, headers, handle).await?;
    let session = session::of_project(app, headers, project_id)
        .await?
        .filter(|session| request.client_id.is_some() && request.session_id.as_deref() == Some(&session.id))
        .ok_or(Stop::Page("sign_in_required"))?;
    Ok((project, request, session))
}

/// The page, for an application that asked or for one behind a gate (`enter`).
pub(super) async fn picker(
    app: &App,
    project: &Project,
    request: &Request,
    session: &Session,
    (handle, choices): (&str, Choices<'_>),
) -> Result<Response, Stop> {
    let mut conn = app.db.read().await?;
    let is_first = choices.search.trim().is_empty() && choices.after.is_empty();
    let mut all = some_of(&mut conn, project, session, choices, SHOWN + 1).await?;
    let more =
        if all.len() > MOST_SHOWN { all.pop() } else { None }.and(all.last()).map(|last| last.org_id.clone());
    all.sort_by(|one, other| (&one.org_name, &one.org_id).cmp(&(&other.org_name, &other.org_id)));
    // The one that is worked in is offered first, wherever in the list it is.
    if let (true, Some(active)) = (is_first && more.is_some(), &session.active_member_id)
        && !all.iter().any(|member| member.id == *active)
    {
        let active = members::find_by_id(&mut conn, active).await?;
        all.splice(0..0, active.filter(|member| member.user_id == session.user_id));
    }
    let needs_one = needs_one(&mut conn, request.client_id.as_deref()).await?;
    let user = users::find(&mut conn, &project.id, &session.user_id).await?;
    drop(conn);
    if all.is_empty() && is_first && needs_one {
        let user = user.ok_or(Stop::Page("sign_in_required"))?;
        return Ok(found::page(app, project, request, &user, handle, None));
    }
    let may_create = request.client_id.is_some()
        && user.as_ref().is_some_and(|user| organizations::may_create(project, user).is_ok());
    let organizations: Vec<Value> = all
        .iter()
        .map(|member| {
            context! {
                id => member.org_id.as_str(),
                name => member.org_name.as_str(),
                slug => member.org_slug.as_str(),
                role => member.role.key.as_str(),
                chosen => session.active_member_id.as_deref() == Some(&member.id),
            }
        })
        .collect();
    let page = if request.client_id.is_some() { "organizations/choose" } else { "enter" };
    let values = context! {
        project => project.name.as_str(),
        action => format!("{}/{page}", app.public.issuer(&project.id)),
        request => handle,
        create => may_create.then(|| format!("{}/organizations/create", app.public.issuer(&project.id))),
        email => user.map(|user| user.email).unwrap_or_default(),
        organizations => organizations,
        search => choices.search,
        searches => !is_first || more.is_some(),
        more => more.map(|after| more_url(app, project, (page, handle), choices.search, &after)),
        needs_one => needs_one,
    };
    Ok(app.pages.show(
        StatusCode::OK,
        "picker.html",
        values,
        form_target(&request.params.redirect_uri).as_deref(),
    ))
}

/// Where the page goes on behind the organization `after`.
fn more_url(app: &App, project: &Project, (page, handle): (&str, &str), search: &str, after: &str) -> String {
    let pairs = [("q", search), ("after", after)];
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    format!("{}&{query}", page_url(app, &project.id, page, handle))
}
