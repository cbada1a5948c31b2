//! Every page in the language of who sees it, and in the look of the project that it is of.

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use http::{Method, header};

use super::{find, logo};
use crate::{
    app::{App, Shared},
    http::{
        body::Form,
        brand::Brand,
        language::Language,
        page::{Pages, Viewer},
    },
};

/// Fills in the page that the handler has chosen, if it has chosen one.
pub(crate) async fn page(State(app): State<Shared>, request: Request, next: Next) -> Response {
    let query = request.uri().query().unwrap_or_default().to_owned();
    let path = request.uri().path().to_owned();
    let can_be_asked_again = *request.method() == Method::GET;
    let known = Language::of_browser(request.headers(), &app.public);
    let mut response = next.run(request).await;
    let is_page = Pages::is_blank(&response);
    // Who is led to the sign-in first is asked there in the same language.
    if !is_page && (!can_be_asked_again || !response.status().is_redirection()) {
        return response;
    }
    let asked = Form::parse(query.as_bytes());
    let asked = asked.as_ref().and_then(|query| query.get("ui_locales")).and_then(Language::first_of);
    if let Some(cookie) = asked.map(|language| language.cookie(&app.public))
        && !response.headers().get_all(header::SET_COOKIE).iter().any(|known| *known == cookie)
    {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    if !is_page {
        return response;
    }
    let viewer = Viewer {
        language: asked.unwrap_or(known),
        brand: brand(&app, &path).await,
        query: can_be_asked_again.then_some(query),
    };
    app.pages.fill(response, &viewer)
}

/// The look of the project that `path` is of. A page that says that the database is gone has none.
async fn brand(app: &App, path: &str) -> Brand {
    let id = path.split_once("/p/").and_then(|(_, rest)| rest.split('/').next());
    let Some(id) = id.filter(|id| id.len() <= 64) else { return Brand::default() };
    let found = async { find(&mut *app.db.read().await?, id).await };
    let Ok::<_, crate::db::DbError>(Some(project)) = found.await else { return Brand::default() };
    let logo = project.logo_tag.as_deref();
    Brand {
        logo: logo.map(|tag| format!("{}{}", app.public.path(), logo::path(&project.id, tag))),
        colour: project.brand_color,
        name: project.name,
    }
}
