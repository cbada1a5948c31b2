//! `GET` and `POST /p/{project}/consent`: whether an application of somebody else may (OpenID Connect Core §3.1.2.4).
//!
//! The page comes when it is known who it is and for which organization, and says both, with what the application may then do
//! and where the person is sent. It comes where something is asked for that was not allowed before, and with `prompt=consent`;
//! never for a client that is `first_party`. What is allowed is kept by `consents`; what ends with it ends here.
//!
//! SECURITY: only the form says yes, bound to the browser, the session and the request as every page of the way is. It carries
//! a word for all that the page has said: where any of it is another by then, nothing is allowed.

pub(super) mod api;
pub(super) mod queries;
pub(crate) mod words;

use axum::{
    extract::{Path, RawQuery, State},
    response::Response,
};
use http::{HeaderMap, StatusCode};
use minijinja::{Value, context};

use super::{
    authorize::{Stop, page_url, render},
    choose::{self, Next, enter},
    device, queries as sign_ins,
    request::{Params, Request},
    scope,
    session::{self, Session},
};
use crate::{
    app::{App, Shared},
    clients::{self, Client, redirect_uri},
    consents::{self, Of},
    db::{Conn, DbError},
    http::{Problem, body::Form, posted::Posted, problem::Code, redirect::see_other},
    members::{self, Membership},
    openapi::{Routes, get, object, page as a_page, text},
    projects::Project,
    secret::{fingerprint, same},
    users,
};

pub(super) fn router() -> Routes {
    let lost = ["request_expired", "csrf", "sign_in_required", "unknown_organization", "request_changed"];
    let form = a_page("showConsent", "The page that asks whether an application may")
        .query("request", text())
        .shows(&[200])
        .stops(&lost);
    let sent = a_page("submitConsent", "Let an application have what it asks for, or not")
        .takes_form(object().with("request", text()).with("decision", text()).with("shown", text()))
        .shows(&[200])
        .sends_on()
        .stops(&lost);
    Routes::new().at("/p/{project}/consent", get(show, form).post(submit, sent))
}

/// Whose consent it is.
pub(super) fn of<'a>(session: &'a Session, client_id: &'a str, org_id: Option<&'a str>) -> Of<'a> {
    Of { project_id: &session.project_id, user_id: &session.user_id, client_id, org_id }
}

/// Whether the person has to be asked.
pub(super) async fn is_due(
    conn: &mut Conn,
    client: &Client,
    params: &Params,
    session: &Session,
    member: Option<&Membership>,
) -> Result<bool, DbError> {
    if client.first_party {
        return Ok(false);
    }
    let of = of(session, &client.id, member.map(|member| member.org_id.as_str()));
    Ok(params.asks || !consents::covers(consents::allowed(conn, of).await?.as_deref(), &params.scope))
}

/// Refuses, for an application that wants nobody to be asked, what somebody would have to be asked for.
pub(super) async fn ask_nobody(
    app: &App,
    client: &Client,
    params: &Params,
    session: &Session,
    next: &Next,
) -> Result<(), Stop> {
    let (error, why) = match next {
        Next::Ask => ("interaction_required", "an organization must be chosen"),
        Next::Go(member) => {
            if !is_due(&mut *app.db.read().await?, client, params, session, member.as_ref()).await? {
                return Ok(());
            }
            ("consent_required", "the person has not allowed it")
        }
    };
    Err(Stop::Back(Box::new(params.clone()), error, why))
}

/// The way to the page, where the person has to be asked. From now on the request is for this organization.
pub(super) async fn ask(
    app: &App,
    handle: &str,
    session: &Session,
    member: Option<&Membership>,
) -> Result<Option<Response>, Stop> {
    let hash = fingerprint(handle);
    let mut conn = app.db.read().await?;
    let request = sign_ins::request(&mut conn, &hash, app.now_ms()).await?;
    let request = request.ok_or(Stop::Page("request_expired"))?;
    let client = client_of(&mut conn, &request).await?;
    if !is_due(&mut conn, &client, &request.params, session, member).await? {
        return Ok(None);
    }
    drop(conn);
    let chosen = member.map(|member| member.org_id.clone()).unwrap_or_default();
    let params = Params { chosen: Some(chosen), ..request.params };
    app.db
        .write::<_, DbError>(move |tx| Box::pin(async move { queries::set_params(tx, &hash, &params).await }))
        .await?;
    Ok(Some(see_other(&page_url(app, &session.project_id, "consent", handle))))
}

/// The client of a request, which may be gone by now.
async fn client_of(conn: &mut Conn, request: &Request) -> Result<Client, Stop> {
    let id = request.client_id.as_deref().ok_or(Stop::Page("request_expired"))?;
    clients::find(conn, id).await?.ok_or(Stop::Page("request_expired"))
}

/// What the person is asked.
struct Question {
    project: Project,
    client: Client,
    member: Option<Membership>,
    scope: String,
    /// What was allowed before.
    before: Option<String>,
    /// Where the person is sent; a device sends nobody anywhere.
    place: Option<String>,
}

impl Question {
    /// As it stands now; what cannot be asked any more is said instead.
    async fn of(app: &App, project: Project, request: &Request, session: &Session) -> Result<Self, Stop> {
        let params = &request.params;
        let chosen = params.chosen.as_deref().ok_or(Stop::Page("request_expired"))?;
        let mut conn = app.db.read().await?;
        let client = client_of(&mut conn, request).await?;
        let is_device = params.device.is_some();
        let may = match is_device {
            true => client.may_use(clients::DEVICE_CODE),
            false => client.may_use("authorization_code") && client.has_redirect_uri(&params.redirect_uri),
        };
        if !may || scope::granted(&params.scope, &client.scopes) != params.scope {
            return Err(Stop::Page("request_changed"));
        }
        let member = if chosen.is_empty() {
            None
        } else {
            members::find(&mut conn, &project.id, &session.user_id, chosen).await?
        };
        let is_lost = member.is_none() && (!chosen.is_empty() || client.require_org);
        if is_lost || (member.is_some() && !project.org_enabled) {
            return Err(Stop::Page("unknown_organization"));
        }
        let org_id = member.as_ref().map(|member| member.org_id.as_str());
        let before = consents::allowed(&mut conn, of(session, &client.id, org_id)).await?;
        drop(conn);
        let place = (!is_device).then(|| redirect_uri::place(&params.redirect_uri));
        Ok(Self { scope: params.scope.clone(), project, client, member, before, place })
    }

    /// A word for all that the page says.
    fn word(&self) -> String {
        let organization =
            self.member.as_ref().map(|member| (&member.org_id, &member.org_name, &member.role.key));
        let said = serde_json::json!([
            [&self.client.id, &self.client.name, &self.project.name],
            organization,
            self.place,
            self.scope,
            self.before,
            self.client.audiences(&self.project.audience),
        ]);
        fingerprint(&format!("consent {said}"))
    }

    fn page(&self, app: &App, request: &Request, handle: &str, email: &str) -> Response {
        let values = context! {
            project => self.project.name.as_str(),
            client => self.client.name.as_str(),
            email => email,
            organization => self.member.as_ref().map(|member| context! {
                name => member.org_name.as_str(),
                role => member.role.key.as_str(),
            }),
            known => self.before.is_some(),
            scopes => words::of(&self.scope, self.before.as_deref()),
            audiences => self.client.audiences(&self.project.audience).to_vec(),
            place => self.place.as_deref(),
            action => format!("{}/consent", app.public.issuer(&self.project.id)),
            request => handle,
            shown => self.word(),
        };
        let target = redirect_uri::form_target(&request.params.redirect_uri);
        app.pages.show(StatusCode::OK, "consent.html", values, target.as_deref())
    }
}

/// What the page that confirms a device says of its application: nothing of one of the project's own.
pub(super) fn of_device(client: &Client, scope: &str) -> Option<Vec<Value>> {
    (!client.first_party).then(|| words::of(scope, None))
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
        let user = users::find(&mut *app.db.read().await?, &project.id, &session.user_id).await?;
        let user = user.ok_or(Stop::Page("sign_in_required"))?;
        let question = Question::of(&app, project, &request, &session).await?;
        Ok(question.page(&app, &request, handle, &user.email))
    };
    shown.await.unwrap_or_else(|stop| render(&app, &project_id, stop))
}

async fn submit(
    State(app): State<Shared>,
    Path(project_id): Path<String>,
    headers: HeaderMap,
    Posted(fields): Posted,
) -> Response {
    let decided = async {
        let handle = fields.get("request").ok_or(Stop::Page("request_expired"))?;
        let (project, request, session) = enter(&app, &project_id, &headers, handle).await?;
        match fields.get("decision") {
            Some("deny") => deny(&app, &project, request, handle).await,
            Some("allow") => {
                let question = Question::of(&app, project, &request, &session).await?;
                if !fields.get("shown").is_some_and(|shown| same(shown, &question.word())) {
                    return Err(Stop::Page("request_changed"));
                }
                choose::issue(&app, handle, &session, question.member, true).await
            }
            _ => Err(Stop::Page("invalid_request")),
        }
    };
    decided.await.unwrap_or_else(|stop| render(&app, &project_id, stop))
}

/// The person has said no (RFC 6749 §4.1.2.1, RFC 8628 §3.5).
async fn deny(app: &App, project: &Project, request: Request, handle: &str) -> Result<Response, Stop> {
    let (hash, waiting) = (fingerprint(handle), request.params.device.clone());
    app.db
        .write::<_, DbError>(move |tx| {
            Box::pin(async move {
                sign_ins::drop_request(tx, &hash).await?;
                match waiting {
                    Some(waiting) => device::queries::deny_device(tx, &waiting).await,
                    None => Ok(()),
                }
            })
        })
        .await?;
    if request.params.device.is_some() {
        return Ok(device::done(app, &project.name, false));
    }
    Err(Stop::Back(Box::new(request.params), "access_denied", "the person has said no"))
}

/// Takes a consent back. Everything that was issued to the application for the person ends with it, in every organization: a
/// refresh token may have moved from one to another.
pub(crate) async fn withdraw(app: &App, session: &Session, id: String) -> Result<(), Problem> {
    let (session, now) = (session.clone(), app.now_ms());
    app.db
        .write::<_, Problem>(move |tx| {
            Box::pin(async move {
                let of = (session.project_id.as_str(), session.user_id.as_str());
                let client_id = consents::remove(tx, of, &id, now).await?.ok_or(Code::NotFound)?;
                Ok(session::end_application(tx, of, &client_id, now).await?)
            })
        })
        .await?;
    app.logouts.notify_one();
    Ok(())
}
