//! The sign-in that a page of the issuer's own asks for: a request that no application made. It leads back to the page, and to
//! no code.

use axum::response::Response;
use http::HeaderMap;

use super::{
    SignedIn,
    authorize::{Stop, page_url, with_cookie},
    enter, queries,
    request::{self, Params, Request},
};
use crate::{app::App, db::DbError, http::redirect::see_other, projects::Project, secret::fingerprint};

/// The page about one's own account.
pub(crate) fn account_url(app: &App, project_id: &str) -> String {
    format!("{}/account/security", app.public.issuer(project_id))
}

/// The pages about one's own organizations.
pub(crate) fn organizations_url(app: &App, project_id: &str) -> String {
    format!("{}/account/organizations", app.public.issuer(project_id))
}

/// Sends the browser to the sign-in page, whoever is signed in; `email` is whom the page is about.
pub(crate) async fn ask(
    app: &App,
    headers: &HeaderMap,
    project: &Project,
    email: Option<String>,
) -> Result<Response, Stop> {
    ask_for(app, headers, project, email, None).await
}

/// The same, and back to the page at `back`, which is one of our own; without it, to that about one's account.
pub(crate) async fn ask_for(
    app: &App,
    headers: &HeaderMap,
    project: &Project,
    email: Option<String>,
    back: Option<String>,
) -> Result<Response, Stop> {
    // Nothing comes from outside: the page says where it is, and the row keeps it.
    let params = Params { login_hint: email, back, ..Params::default() };
    let opened = request::open(app, headers, &project.id, None, params, None).await?;
    Ok(with_cookie(see_other(&page_url(app, &project.id, "login", &opened.handle)), opened.cookie))
}

/// Sends the browser back, with its new session: to the page about the account, or on its way to an application behind a gate.
pub(super) async fn come_back(
    app: &App,
    request: &Request,
    handle: &str,
    signed_in: &SignedIn,
) -> Result<Response, Stop> {
    let hash = fingerprint(handle);
    app.db
        .write::<_, DbError>(move |tx| Box::pin(async move { queries::drop_request(tx, &hash).await }))
        .await?;
    let project_id = &signed_in.session.project_id;
    let params = &request.params;
    let mut response = see_other(&match params.redirect_uri.as_str() {
        "" => {
            let back = params.back.clone().unwrap_or_else(|| account_url(app, project_id));
            format!("{back}?done=signed_in")
        }
        target => enter::after_sign_in(app, project_id, target),
    });
    signed_in.set_cookies(app, response.headers_mut());
    Ok(response)
}
