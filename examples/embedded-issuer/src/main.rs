//! A whole application in one process: people sign up and in at the issuer's pages under `/auth`, each gets an organization,
//! and the notes of an organization are read and written through the gate.

#![allow(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use std::{
    collections::HashMap,
    env,
    error::Error,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Json, Router,
    extract::{RawForm, State},
    response::{Html, Redirect},
    routing::get,
};
use orgate::{Gate, OrgContext};
use orgate_issuer::{
    Issuer, Settings, SystemClock,
    hooks::{After, Before, Hooks, OrgCreated, Refusal, SignUp},
};
use tokio::net::TcpListener;

const POLICY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/orgate.yaml");
/// Everybody who signs up gets an organization.
const PROJECT: &str = r#"
projects:
  - id: proj_notes
    name: Notes
    audience: [notes]
    org_enabled: true
    personal_orgs: true
    redirect_uris: ["URL/callback"]
    post_logout_redirect_uris: ["URL/"]
"#;

/// The notes of each organization. A real application has a table with a column `org_id`.
#[derive(Clone, Debug, Default)]
struct Notes(Arc<Mutex<HashMap<String, Vec<String>>>>);

impl Notes {
    fn add(&self, org_id: &str, text: &str) {
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        notes.entry(org_id.to_owned()).or_default().push(text.to_owned());
    }

    fn of(&self, org_id: &str) -> Vec<String> {
        let notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        notes.get(org_id).cloned().unwrap_or_default()
    }
}

/// What the application has to say about sign-ups, and does when an organization was made.
impl Hooks for Notes {
    fn before_sign_up<'a>(&'a self, it: &'a SignUp) -> Before<'a> {
        Box::pin(async move {
            match it.person.email.ends_with("@example.org") {
                true => Err(Refusal::new("Addresses of example.org cannot sign up here.")),
                false => Ok(()),
            }
        })
    }

    fn after_org_create<'a>(&'a self, it: &'a OrgCreated) -> After<'a> {
        Box::pin(async move { self.add(&it.org_id, &format!("Welcome to {}!", it.name)) })
    }
}

#[derive(Clone)]
struct App {
    issuer: Issuer,
    notes: Notes,
    url: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = env::var("PUBLIC_URL").unwrap_or_else(|_| "http://127.0.0.1:3000".to_owned());
    let notes = Notes::default();
    let mut settings = Settings::new(format!("{url}/auth"));
    settings.database = "sqlite::memory:".to_owned(); // everything goes with the process
    settings.bootstrap_text = Some(PROJECT.replace("URL", &url));
    settings.dev_outbox = true; // mail is not sent, but shown at `/outbox`
    settings.hooks = Some(Arc::new(notes.clone()));
    let issuer = Issuer::open(settings, Arc::new(SystemClock)).await?;

    let app = Router::new()
        .route("/", get(home))
        .route("/login", get(login))
        .route("/callback", get(async || Redirect::to("/notes")))
        .route("/outbox", get(outbox))
        .route("/notes", get(own_notes))
        .route("/orgs/{org_id}/notes", get(list).post(add))
        .with_state(App { issuer: issuer.clone(), notes, url: url.clone() })
        .merge(issuer.router());
    let gate = Gate::load(POLICY).await?;
    let listener = TcpListener::bind(url.trim_start_matches("http://")).await?;
    let serving = tokio::spawn(axum::serve(listener, gate.protect(app)).into_future());
    gate.ready().await; // its keys come from this very process
    println!("listening app {url}");
    Ok(serving.await??)
}

async fn home() -> Html<String> {
    page(
        "Notes",
        "<p>Notes of your organization.</p><p><a href=\"/login\">Sign in, or create an account</a></p>\
         <p><a href=\"/outbox\">Mail that would have been sent</a></p>",
    )
}

/// Off to the issuer's pages. Issuer and application share their origin and with it the session, which is all the gate needs:
/// the code that comes along to `/callback` ends unused.
async fn login(State(app): State<App>) -> Redirect {
    Redirect::to(&format!(
        "{}/authorize?client_id=proj_notes&response_type=code&redirect_uri={}/callback",
        app.issuer.issuer_url("proj_notes"),
        app.url
    ))
}

async fn outbox(State(app): State<App>) -> Html<String> {
    let letters = app.issuer.outbox().await.and_then(Result::ok).unwrap_or_default();
    let shown = letters.iter().map(|letter| {
        format!(
            "<pre>{}</pre>",
            escape(letter.get("text").and_then(|text| text.as_str()).unwrap_or_default())
        )
    });
    page("Outbox", &shown.collect::<String>())
}

async fn own_notes(org: OrgContext, State(app): State<App>) -> Html<String> {
    let notes = app.notes.of(org.id());
    let items: String = notes.iter().map(|note| format!("<li>{}</li>", escape(note))).collect();
    let (action, slug) = (format!("/orgs/{}/notes", org.id()), escape(org.slug().unwrap_or_default()));
    let out = format!("{}/logout", app.issuer.issuer_url("proj_notes"));
    page(
        &format!("Notes of {slug}"),
        &format!(
            "<ul>{items}</ul><form method=\"post\" action=\"{action}\"><label>Note <input name=\"text\" required></label> \
         <button>Add</button></form><p><a href=\"/login\">Another organization</a> · <a href=\"{out}\">Sign out</a></p>"
        ),
    )
}

async fn list(org: OrgContext, State(app): State<App>) -> Json<Vec<String>> {
    Json(app.notes.of(org.id()))
}

// The organization is the caller's: the gate lets nobody through to another one's notes.
async fn add(org: OrgContext, State(app): State<App>, RawForm(form): RawForm) -> Redirect {
    if let Some((_, text)) = form_urlencoded::parse(&form).find(|(name, _)| name == "text") {
        app.notes.add(org.id(), &text);
    }
    Redirect::to("/notes")
}

fn page(title: &str, body: &str) -> Html<String> {
    Html(format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>{title}</title><h1>{title}</h1>{body}</html>"
    ))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}
