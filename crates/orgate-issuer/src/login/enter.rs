//! `GET` and `POST /p/{project}/enter`: into an application that does not sign anybody in itself and reads the session's cookie
//! through a gate (the policy's `token.exchange`). Whoever is signed out signs in; whoever has several organizations chooses one;
//! then the browser goes to `return_to`. With `choose` the choice is offered in any case, which is how one switches.
//!
//! SECURITY: `return_to` leads to pages of the issuer's own origin (an application may share it) and of the project's trusted
//! origins, and nowhere else, so the sign-in cannot be borrowed for a way to a foreign page.

use axum::{
    extract::{Path, State},
    response::Response,
};
use http::HeaderMap;
use url::Url;

use super::{
    authorize::{Stop, page_url, render, with_cookie},
    choose,
    page::load,
    queries,
    request::{self, Params, Request},
    session::{self, Session},
};
use crate::{
    app::{App, Shared},
    config::PublicUrl,
    db::DbError,
    encoding::with_query,
    http::{Problem, body::Query, posted::Posted, redirect::see_other},
    members::{self, Choices, Membership},
    openapi::{Routes, get, object, page as a_page, text},
    projects::{self, Project},
    secret::fingerprint,
};

/// The longest `return_to`, in bytes: anybody can have one stored.
const MAX_RETURN_TO: usize = 2048;

pub(super) fn router() -> Routes {
    let form = a_page("enter", "Sign in to an application behind a gate, or switch the organization there")
        .query("return_to", text())
        .query("choose", text())
        .query("request", text())
        .query("q", text())
        .query("after", text())
        .shows(&[200])
        .sends_on()
        .stops(&["invalid_request", "invalid_redirect_uri", "request_expired", "csrf", "sign_in_required"]);
    let sent =
        a_page("submitEnter", "Choose an organization, and go back to the application behind the gate")
            .takes_form(object().with("request", text()).with("org_id", text()))
            .sends_on()
            .stops(&["request_expired", "csrf", "sign_in_required", "unknown_organization"]);
    Routes::new().at("/p/{project}/enter", get(show, form).post(submit, sent))
}

async fn show(
    State(app): State<Shared>,
    Path(project_id): Path<String>,
    query: Result<Query, Problem>,
    headers: HeaderMap,
) -> Response {
    let shown = async {
        let Query(query) = query.map_err(|_| Stop::Page("invalid_request"))?;
        if let Some(handle) = query.get("request") {
            let (project, request, session) = find(&app, &project_id, &headers, handle).await?;
            return choose::picker(&app, &project, &request, &session, (handle, choose::asked(&query))).await;
        }
        let project = projects::find(&mut *app.db.read().await?, &project_id).await?;
        let project = project.ok_or(Stop::Page("not_found"))?;
        let return_to = query.get("return_to").unwrap_or("/");
        let target = target(return_to, &app.public, &project.trusted_origins);
        let target = target.ok_or(Stop::Page("invalid_redirect_uri"))?;
        begin(&app, &project, &headers, target, query.get("choose").is_some()).await
    };
    shown.await.unwrap_or_else(|stop| render(&app, &project_id, stop))
}

async fn begin(
    app: &App,
    project: &Project,
    headers: &HeaderMap,
    target: String,
    choose: bool,
) -> Result<Response, Stop> {
    let session = session::of_project(app, headers, &project.id).await?;
    let params = Params { redirect_uri: target.clone(), ..Params::default() };
    let Some(session) = session else {
        let opened = request::open(app, headers, &project.id, None, params, None).await?;
        return Ok(with_cookie(
            see_other(&page_url(app, &project.id, "login", &opened.handle)),
            opened.cookie,
        ));
    };
    if !choose {
        if session.active_member_id.is_some() {
            return Ok(see_other(&target));
        }
        let mut conn = app.db.read().await?;
        let mut all = choose::some_of(&mut conn, project, &session, Choices::default(), 2).await?;
        drop(conn);
        if all.len() < 2 {
            if let Some(only) = all.pop() {
                switch(app, &session, Some(only)).await?;
            }
            return Ok(see_other(&target));
        }
    }
    let opened = request::open(app, headers, &project.id, None, params, Some(&session)).await?;
    let page = see_other(&page_url(app, &project.id, "enter", &opened.handle));
    Ok(with_cookie(page, opened.cookie))
}

/// The request behind `handle`, and the session that it is bound to.
async fn find(
    app: &App,
    project_id: &str,
    headers: &HeaderMap,
    handle: &str,
) -> Result<(Project, Request, Session), Stop> {
    let (project, request) = load(app, project_id, headers, handle).await?;
    let session = session::of_project(app, headers, project_id)
        .await?
        .filter(|session| is_own(&request) && request.session_id.as_deref() == Some(&session.id))
        .ok_or(Stop::Page("sign_in_required"))?;
    Ok((project, request, session))
}

async fn submit(
    State(app): State<Shared>,
    Path(project_id): Path<String>,
    headers: HeaderMap,
    Posted(fields): Posted,
) -> Response {
    let done = async {
        let handle = fields.get("request").ok_or(Stop::Page("request_expired"))?;
        let (project, request, session) = find(&app, &project_id, &headers, handle).await?;
        let org = fields.get("org_id").ok_or(Stop::Page("invalid_request"))?;
        let member = if org.is_empty() {
            None
        } else {
            let mut conn = app.db.read().await?;
            let found = members::find(&mut conn, &project.id, &session.user_id, org).await?;
            Some(found.filter(|_| project.org_enabled).ok_or(Stop::Page("unknown_organization"))?)
        };
        switch(&app, &session, member).await?;
        let hash = fingerprint(handle);
        app.db
            .write::<_, DbError>(move |tx| Box::pin(async move { queries::drop_request(tx, &hash).await }))
            .await?;
        Ok(see_other(&request.params.redirect_uri))
    };
    done.await.unwrap_or_else(|stop| render(&app, &project_id, stop))
}

/// Whether a request leads to an application behind a gate.
fn is_own(request: &Request) -> bool {
    request.client_id.is_none() && !request.params.redirect_uri.is_empty()
}

/// Where the browser comes back to after it was signed in on its way to `target`.
pub(super) fn after_sign_in(app: &App, project_id: &str, target: &str) -> String {
    with_query(&format!("{}/enter", app.public.issuer(project_id)), &[("return_to", target)])
}

async fn switch(app: &App, session: &Session, member: Option<Membership>) -> Result<(), Stop> {
    if session.active_member_id.as_deref() == member.as_ref().map(|member| member.id.as_str()) {
        return Ok(());
    }
    let (session, now) = (session.clone(), app.now_ms());
    app.db
        .write::<_, DbError>(move |tx| {
            Box::pin(async move {
                let member = member.as_ref().map(|member| (member.id.as_str(), member.org_id.as_str()));
                session::switch(tx, &session, member, None, now).await.map(|_| ())
            })
        })
        .await?;
    Ok(())
}

/// The page that `return_to` leads to, if people may be sent there. It is read as browsers read it.
fn target(return_to: &str, public: &PublicUrl, trusted: &[String]) -> Option<String> {
    if return_to.len() > MAX_RETURN_TO {
        return None;
    }
    let url = Url::parse(public.origin()).ok()?.join(return_to).ok()?;
    let origin = url.origin().ascii_serialization();
    let known = origin == public.origin() || trusted.contains(&origin);
    let is_page =
        matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none();
    (known && is_page).then(|| url.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_sent_to_pages_of_known_origins_only() {
        let public = PublicUrl::parse("https://example.com/auth").unwrap();
        let trusted = ["https://app.example.com", "chrome-extension://aaaabbbbccccddddeeeeffffgggghhhh"];
        let trusted = trusted.map(str::to_owned);
        let target = |text: &str| super::target(text, &public, &trusted);
        for (good, is) in [
            ("/", "https://example.com/"),
            ("/acme/notes?page=2", "https://example.com/acme/notes?page=2"),
            ("notes", "https://example.com/notes"),
            ("https://app.example.com/x", "https://app.example.com/x"),
        ] {
            assert_eq!(target(good).as_deref(), Some(is), "{good}");
        }
        for bad in [
            "//evil.test",
            "/\\evil.test",
            "\\\\evil.test",
            "/\t/evil.test",
            "https://evil.test",
            "https://app.example.com.evil.test",
            "https://app.example.com:8443/",
            "http://app.example.com/",
            "https://example.com@evil.test",
            "https://somebody@app.example.com/",
            "javascript:alert(1)",
            "data:text/html,x",
            "chrome-extension://aaaabbbbccccddddeeeeffffgggghhhh/popup.html",
        ] {
            assert_eq!(target(bad), None, "{bad}");
        }
        assert_eq!(target(&format!("/{}", "a".repeat(MAX_RETURN_TO))), None);
    }
}
