//! `POST /p/{project}/organizations/create`: an application is for members of organizations, and the person belongs to none. The
//! page says what to do: make one, where the project lets people, or ask somebody to be invited.

use axum::{
    extract::{Path, State},
    response::Response,
};
use http::{HeaderMap, StatusCode};
use minijinja::context;

use super::{
    authorize::{Stop, page_url, render},
    choose::{self, enter, finish},
    request::{self, Request},
    session::Session,
};
use crate::{
    app::{App, Shared},
    clients::redirect_uri::form_target,
    events::Actor,
    http::{
        Problem,
        messages::{self, part, said, verbatim},
        posted::Posted,
        problem::Code,
        redirect::see_other,
    },
    members::{self, Choices, Membership},
    openapi::{Routes, object, page as a_page, post, text},
    organizations::{self, NewOrganization},
    projects::{OrganizationCreation, Project},
    users::{self, User},
};

pub(super) fn router() -> Routes {
    let sent =
        a_page("createOrganizationToSignIn", "Make an organization, and go back to the application with it")
            .takes_form(object().with("request", text()).with("name", text()).may("another", text()))
            .shows(&[401, 403, 409, 422])
            .sends_on()
            .stops(&["request_expired", "csrf", "sign_in_required"]);
    Routes::new().at("/p/{project}/organizations/create", post(submit, sent))
}

async fn submit(
    State(app): State<Shared>,
    Path(project_id): Path<String>,
    headers: HeaderMap,
    Posted(fields): Posted,
) -> Response {
    let done = async {
        let handle = fields.get("request").ok_or(Stop::Page("request_expired"))?;
        let (project, request, session) = enter(&app, &project_id, &headers, handle).await?;
        let name = fields.get("name").unwrap_or_default();
        let another = fields.get("another").is_some();
        match create(&app, &project, &session, name, another).await {
            Ok(Some(member)) => finish(&app, handle, &session, Some(member)).await,
            // They belong to one by now, and may choose it.
            Ok(None) => Ok(see_other(&page_url(&app, &project.id, "organizations/choose", handle))),
            Err(problem) if problem.code().status().is_client_error() => {
                let user = users::find(&mut *app.db.read().await?, &project.id, &session.user_id).await?;
                let user = user.ok_or(Stop::Page("sign_in_required"))?;
                Ok(page(
                    &app,
                    &project,
                    &request,
                    &user,
                    handle,
                    Some(Tried { name, problem: &problem, another }),
                ))
            }
            Err(problem) => Err(problem.into()),
        }
    };
    done.await.unwrap_or_else(|stop| render(&app, &project_id, stop))
}

/// Makes an organization of the person's; `None` if they have one and did not ask for `another`.
async fn create(
    app: &App,
    project: &Project,
    session: &Session,
    name: &str,
    another: bool,
) -> Result<Option<Membership>, Problem> {
    if !project.org_enabled {
        return Err(Code::OrganizationsDisabled.into());
    }
    let actor = Actor::User(session.user_id.clone());
    let new = NewOrganization {
        limit: project.max_orgs_per_user,
        ..NewOrganization::named(&project.id, name, &session.user_id)
    };
    organizations::ask_to_create(app, &new, actor.clone()).await?;
    let (project, session, now) = (project.clone(), session.clone(), app.now_ms());
    app.db
        .write::<_, Problem>(move |tx| {
            Box::pin(async move {
                // Until the commit nobody else does the same for this user.
                if !users::hold(tx, &session.user_id, None).await? {
                    return Err(Code::Unauthenticated.into());
                }
                let any = choose::some_of(tx, &project, &session, Choices::default(), 1).await?;
                if !another && !any.is_empty() {
                    return Ok(None);
                }
                let user = users::find(tx, &project.id, &session.user_id).await?;
                organizations::may_create(&project, &user.ok_or(Code::Unauthenticated)?)?;
                let made = organizations::create(tx, new, actor, now).await?;
                Ok(members::find(tx, &project.id, &session.user_id, &made.id).await?)
            })
        })
        .await
}

/// An attempt that came to nothing.
#[derive(Clone, Copy)]
pub(super) struct Tried<'a> {
    name: &'a str,
    problem: &'a Problem,
    /// Whether the person belongs to some organizations and wanted one more.
    another: bool,
}

/// The page that says what to do; after an attempt, with the name that was typed and why it was not taken.
pub(super) fn page(
    app: &App,
    project: &Project,
    request: &Request,
    user: &User,
    handle: &str,
    tried: Option<Tried<'_>>,
) -> Response {
    let advice = match project.org_creation {
        _ if !project.org_enabled => {
            "Organizations are switched off here. Tell the people who run the application."
        }
        OrganizationCreation::Verified => {
            "Ask somebody who belongs to one to invite you, or confirm your email address to make one yourself."
        }
        _ => "Ask somebody who belongs to one to invite you, and open the link in the mail that you get.",
    };
    let another = tried.is_some_and(|tried| tried.another);
    let message = tried.map(|Tried { problem, .. }| match problem.about() {
        Some((_, what)) => said("The name {what}.", context! { what => part(what) }),
        None => problem.refusal().map_or_else(|| messages::refused(problem.code()), verbatim),
    });
    let params = &request.params;
    let back = params.device.is_none().then(|| {
        request::failure(
            app,
            &project.id,
            params,
            "interaction_required",
            "the user belongs to no organization",
        )
    });
    let values = context! {
        project => project.name.as_str(),
        title => if another { "Create an organization" } else { "You need an organization" },
        another => another,
        code => tried.map_or("organization_required", |tried| tried.problem.code().as_str()),
        message => message,
        email => user.email.as_str(),
        may_create => project.org_enabled && organizations::may_create(project, user).is_ok(),
        action => format!("{}/organizations/create", app.public.issuer(&project.id)),
        again => page_url(app, &project.id, "organizations/choose", handle),
        request => handle,
        name => tried.map_or("", |tried| tried.name),
        advice => advice,
        back => back,
    };
    let status = tried.map_or(StatusCode::OK, |tried| tried.problem.code().status());
    app.pages.show(status, "found.html", values, form_target(&params.redirect_uri).as_deref())
}
