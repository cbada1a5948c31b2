//! `GET` and `POST /setup/{token}`.

use axum::{
    extract::{Path, State},
    response::Response,
};
use http::StatusCode;
use minijinja::context;

use super::{Wishes, complete, fit_redirect_uri, queries};
use crate::{
    address::Address,
    app::{App, Shared},
    db::DbError,
    http::{Problem, body::Form, page::PageError, peer::Peer, posted::Posted, problem::Code},
    openapi::{Routes, get, object, page, text},
    password::{For, MIN_PASSWORD},
    secret::{fingerprint, random_token},
};

pub(crate) fn router() -> Routes {
    let ended = ["setup_link_invalid"];
    let fields = ["email", "password", "name", "redirect_uri"];
    let fields = fields.into_iter().fold(object(), |fields, name| fields.with(name, text()));
    let form = page("showSetup", "The page that makes the first operator").shows(&[200]).stops(&ended);
    let made = page("submitSetup", "Make the first operator and project")
        .takes_form(fields)
        .shows(&[201, 422])
        .stops(&ended)
        .stops(&["busy", "rate_limited"]);
    Routes::new().merge(super::new_project::router()).at("/setup/{token}", get(show, form).post(submit, made))
}

async fn show(State(app): State<Shared>, Path(token): Path<String>) -> Response {
    match is_live(&app, &token).await {
        Ok(true) => form(&app, &token, &Entries::default(), None),
        Ok(false) => ended(&app),
        Err(_) => app.pages.error(&PageError::new("unavailable")),
    }
}

async fn is_live(app: &App, token: &str) -> Result<bool, DbError> {
    queries::setup_link_is_live(&mut *app.db.read().await?, &fingerprint(token), app.now_ms()).await
}

fn ended(app: &App) -> Response {
    app.pages.error(&PageError::new("setup_link_invalid"))
}

/// What was typed; shown again if something is wrong with it.
struct Entries {
    email: String,
    password: String,
    name: String,
    redirect_uri: String,
}

impl Default for Entries {
    fn default() -> Self {
        Self {
            email: String::new(),
            password: String::new(),
            name: "My project".to_owned(),
            redirect_uri: "http://127.0.0.1:3000/callback".to_owned(),
        }
    }
}

impl Entries {
    fn of(fields: &Form) -> Self {
        let field = |name: &str| fields.get(name).unwrap_or_default().to_owned();
        Self {
            email: field("email"),
            password: field("password"),
            name: field("name").trim().to_owned(),
            redirect_uri: field("redirect_uri").trim().to_owned(),
        }
    }

    fn mistake(&self) -> Option<&'static str> {
        if Address::parse(&self.email).is_none() {
            return Some("This is not an email address.");
        }
        if self.password.chars().count() < MIN_PASSWORD {
            return Some("The password is too short.");
        }
        if self.name.is_empty() || self.name.chars().count() > 100 {
            return Some("The name has 1 to 100 characters.");
        }
        if !fit_redirect_uri(&self.redirect_uri) {
            return Some("The return address must be https, or http on this machine.");
        }
        None
    }
}

async fn submit(
    State(app): State<Shared>,
    Path(token): Path<String>,
    peer: Peer,
    Posted(fields): Posted,
) -> Response {
    match enter(&app, &token, peer, &fields).await {
        Ok(response) => response,
        Err(problem) => app.pages.error(&PageError::new(match problem.code() {
            Code::TooLarge => "too_large",
            Code::Busy => "busy",
            Code::RateLimited => "rate_limited",
            Code::Unavailable => "unavailable",
            _ => "internal",
        })),
    }
}

async fn enter(app: &App, token: &str, peer: Peer, fields: &Form) -> Result<Response, Problem> {
    // Before the hashing: a stranger without the link costs nothing.
    if !is_live(app, token).await? {
        return Ok(ended(app));
    }
    let entries = Entries::of(fields);
    if let Some(mistake) = entries.mistake() {
        return Ok(form(app, token, &entries, Some(mistake)));
    }
    let address = Address::parse(&entries.email).ok_or(Code::InvalidValue)?;
    let client_secret = random_token()?;
    let who = For::Request { peer: peer.0, realm: "setup", account: address.key() };
    let wishes = Wishes {
        password_phc: app.passwords.hash(who, entries.password).await?,
        secret_hash: app.secrets.hash_client_secret(&client_secret),
        name: entries.name,
        redirect_uri: entries.redirect_uri,
        address,
    };
    let (hash, now) = (fingerprint(token), app.now_ms());
    let project = app
        .db
        .write::<_, DbError>(move |tx| Box::pin(async move { complete(tx, &hash, wishes, now).await }))
        .await?;
    let Some(project) = project else { return Ok(ended(app)) };
    tracing::info!(project.id = %project.id, "the first operator and project were made");
    let values = context! {
        issuer => app.public.issuer(&project.id),
        audience => project.id.as_str(),
        client_id => project.id.as_str(),
        client_secret => client_secret,
        email => entries.email,
        console => format!("{}/console", app.public.base()),
    };
    Ok(app.pages.show(StatusCode::CREATED, "setup_done.html", values, None))
}

fn form(app: &App, token: &str, entries: &Entries, mistake: Option<&str>) -> Response {
    let status = if mistake.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let values = context! {
        action => format!("{}/setup/{token}", app.public.base()),
        email => entries.email.as_str(),
        name => entries.name.as_str(),
        redirect_uri => entries.redirect_uri.as_str(),
        code => mistake.map(|_| "invalid_value"),
        message => mistake,
    };
    app.pages.show(status, "setup.html", values, None)
}
