//! `/console…`: what operators see and do, as pages.
//!
//! A page asks the operators' API from inside ([`Api`]), as a program of the same operator would: whatever a page can do, a
//! program can, and both are judged at one place. What a page offers is what the operator's rank in the project allows; what
//! is done is judged again. A form says in `change` what is to be done and carries a word that only this session knows.
//! What was done is told after a redirect; what was refused is told at its field, with what was typed.
//!
//! A page is a row in [`PAGES`], a file with `page` (and `change`, if it has forms), and a template `console_….html`.

mod activity;
mod audit;
mod chart;
mod client;
mod clients;
mod nav;
mod organization;
mod organizations;
mod overview;
mod pages;
mod permissions;
mod program_keys;
mod projects;
mod roles;
mod settings;
mod sign_in;
mod signing_keys;
mod told;
mod user;
mod users;
mod view;
mod webhook;
mod webhooks;

use axum::{
    extract::{Extension, Path, RawQuery, State},
    response::Response,
};
use http::{HeaderMap, HeaderValue};
use serde_json::Value;

use self::pages::{PAGES, Section};
use crate::{
    app::{App, Shared},
    http::{
        Problem, body::Form, cookies, page::PageError, posted::Posted, problem::Code, redirect::see_other,
    },
    management::inside::{Api, Ask},
    openapi::{Operation, Routes, anything, get, object, page as a_page, text},
    operators::{self, Rank},
    projects::Project,
    secret::{fingerprint, same},
    workspace::{plain, query, told::Told},
};

/// The pages; `api` is everything else that the issuer answers.
pub(crate) fn router(api: fn(&App) -> Routes) -> Routes {
    let api = Api::new(api);
    let described = |operation: Operation| {
        let stops = ["bad_request", "operator_forbidden", "not_found", "organizations_disabled"];
        operation.shows(&[200, 400, 403, 404, 409, 410, 412, 422]).sends_on().stops(&stops)
    };
    let beside = sign_in::router().merge(activity::router(api.clone()));
    PAGES.into_iter().fold(beside, |routes, (section, path, shown, sent, title, queries)| {
        let usual = ["done", "cursor"].iter().chain(queries);
        let look = usual.fold(a_page(shown, title), |page, name| page.query(name, text()));
        let mut methods = get(show, described(look));
        if !sent.is_empty() {
            let fields = object().may("change", text()).may("word", text()).and_more();
            let form =
                described(a_page(sent, title).takes_form(fields)).stops(&["csrf", "rate_limited", "busy"]);
            // Everything there is of a user comes as a file.
            let form = match section {
                Section::User => form.gives(200, anything()),
                _ => form,
            };
            methods = methods.post(submit, form);
        }
        let path = format!("/console{path}");
        routes.merge(Routes::new().at(&path, methods).told(section).told(api.clone()))
    })
}

/// An operator who is signed in, at one of the pages.
struct Desk<'a> {
    app: &'a Shared,
    api: &'a Api,
    /// The session, as the API knows it.
    token: String,
    email: String,
    section: Section,
    /// The project of the path, and what the operator is in it.
    project: Option<(Project, Rank)>,
    parameters: &'a [(String, String)],
    query: Form,
}

/// What came of a form.
enum Outcome {
    /// It is done: what is told, and on which page behind `/console`.
    Done(&'static str, String),
    /// Something that is shown this once.
    Show(Response),
    /// The form says nothing that is known.
    Unknown,
}

async fn show(
    State(app): State<Shared>,
    Extension(section): Extension<Section>,
    Extension(api): Extension<Api>,
    Path(parameters): Path<Vec<(String, String)>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let shown = async {
        let query = Form::parse(query.unwrap_or_default().as_bytes()).ok_or(Code::BadRequest)?;
        let desk = Desk::begin((&app, &api, &headers), section, &parameters, query).await?;
        let told = desk.query.get("done").map(|code| Told::of(&told::DONE, code)).unwrap_or_default();
        desk.page(&told).await
    };
    shown.await.unwrap_or_else(|problem| halt(&app, &here(section, &parameters), &problem))
}

async fn submit(
    State(app): State<Shared>,
    Extension(section): Extension<Section>,
    Extension(api): Extension<Api>,
    Path(parameters): Path<Vec<(String, String)>>,
    headers: HeaderMap,
    Posted(fields): Posted,
) -> Response {
    let done = async {
        let change = fields.get("change").ok_or(Code::BadRequest)?;
        let nothing = Form::parse(b"").ok_or(Code::BadRequest)?;
        let desk = Desk::begin((&app, &api, &headers), section, &parameters, nothing).await?;
        if !fields.get("word").is_some_and(|said| same(said, &desk.word())) {
            return Err(Code::Csrf.into());
        }
        match desk.change(change, &fields).await {
            Ok(Outcome::Done(code, to)) => Ok(see_other(&format!("{}?done={code}", url(&app, &to)))),
            Ok(Outcome::Show(response)) => Ok(response),
            Ok(Outcome::Unknown) => Err(Code::BadRequest.into()),
            Err(problem) => desk.refused(change, &fields, problem).await,
        }
    };
    done.await.unwrap_or_else(|problem: Problem| halt(&app, &here(section, &parameters), &problem))
}

/// The address of a page; `below` begins with `/` or is empty.
fn url(app: &App, below: &str) -> String {
    format!("{}/console{below}", app.public.base())
}

/// The path of the page that was asked for, behind `/console`; of the first, if it names what cannot be.
fn here(section: Section, parameters: &[(String, String)]) -> String {
    let path = PAGES.iter().find(|(known, ..)| *known == section).map_or("", |(_, path, ..)| path);
    parameters.iter().fold(path.to_owned(), |path, (name, value)| match plain(value) {
        Ok(value) => path.replace(&format!("{{{name}}}"), value),
        Err(_) => String::new(),
    })
}

/// The page for what has nothing to do with a field. Who is signed out signs in, and comes back to the page at `path`.
fn halt(app: &App, path: &str, problem: &Problem) -> Response {
    let code = match problem.code() {
        Code::Unauthenticated => return see_other(&sign_in::url(app, path)),
        Code::NotFound => "not_found",
        Code::Forbidden => "operator_forbidden",
        Code::OrganizationsDisabled => "organizations_disabled",
        Code::Csrf => "csrf",
        Code::InvalidValue | Code::BadRequest => "bad_request",
        Code::RateLimited => "rate_limited",
        Code::Busy => "busy",
        Code::Unavailable => "unavailable",
        _ => "internal",
    };
    app.pages.error(&PageError::new(code).after(problem.retry_after()))
}

impl<'a> Desk<'a> {
    /// Who is signed in here, and what they are in the project of the path.
    async fn begin(
        (app, api, headers): (&'a Shared, &'a Api, &HeaderMap),
        section: Section,
        parameters: &'a [(String, String)],
        query: Form,
    ) -> Result<Self, Problem> {
        let token =
            cookies::read(headers, &cookies::console_name(&app.public)).ok_or(Code::Unauthenticated)?;
        let mut conn = app.db.read().await?;
        let found = operators::signed_in(&mut conn, &token, app.now_ms()).await?;
        let (id, email) = found.ok_or(Code::Unauthenticated)?;
        let project = match parameters.iter().find(|(name, _)| name == "project") {
            Some((_, project)) => {
                let rank = operators::rank_of(&mut conn, project, &id).await?.ok_or(Code::NotFound)?;
                let project = crate::projects::find(&mut conn, project).await?.ok_or(Code::NotFound)?;
                Some((project, rank))
            }
            None => None,
        };
        drop(conn);
        Ok(Self { app, api, token, email, section, project, parameters, query })
    }

    /// The project of the path.
    fn project(&self) -> Result<&Project, Problem> {
        self.project.as_ref().map(|(project, _)| project).ok_or_else(|| Code::NotFound.into())
    }

    /// Whether the operator has at least this rank in the project.
    fn may(&self, rank: Rank) -> bool {
        self.project.as_ref().is_some_and(|(_, own)| *own >= rank)
    }

    /// A parameter of the path.
    fn parameter(&self, name: &str) -> Result<&str, Problem> {
        plain(self.parameters.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value))
    }

    /// A field of the query, without what surrounds it.
    fn field(&self, name: &str) -> &str {
        self.query.get(name).unwrap_or_default().trim()
    }

    /// The word that a form of this session carries.
    fn word(&self) -> String {
        fingerprint(&format!("console {}", fingerprint(&self.token)))
    }

    /// Asks the operators' API; the path is that behind `/api/platform`.
    async fn ask(&self, ask: Ask<'_>) -> Result<Value, Problem> {
        let cookie = format!("{}={}", cookies::OPERATOR, self.token);
        let mut cookie = HeaderValue::from_str(&cookie).map_err(|_| Code::Unauthenticated)?;
        cookie.set_sensitive(true);
        self.api.ask(self.app, "/api/platform", [cookie], ask).await
    }

    /// The path in the API of something of the project; `below` begins with `/` or is empty.
    fn path(&self, below: &str) -> Result<String, Problem> {
        Ok(format!("/projects/{}{below}", self.project()?.id))
    }

    /// The path of a page of the project behind `/console`.
    fn to(&self, below: &str) -> String {
        self.project.as_ref().map_or_else(String::new, |(project, _)| format!("/{}{below}", project.id))
    }

    /// A list of the project, as far as the page's cursor says, with the cursor of what follows.
    async fn rows(
        &self,
        below: &str,
        fields: &[(&str, &str)],
    ) -> Result<(Vec<Value>, Option<String>), Problem> {
        let fields = [fields, &[("cursor", self.field("cursor"))]].concat();
        Api::rows(self.ask(Ask::get(&format!("{}?{}", self.path(below)?, query(&fields)))).await?)
    }

    /// The key under which a form is done once: what the page carried, and all that was filled in.
    fn once(&self, fields: &Form) -> String {
        let all: Vec<String> =
            fields.all().map(|(name, value)| format!("{}:{name}={value}", value.len())).collect();
        fingerprint(&format!("console {:?} {}", self.section, all.join("&")))
    }

    async fn page(&self, told: &Told) -> Result<Response, Problem> {
        match self.section {
            Section::Projects => projects::page(self, told).await,
            Section::Overview => overview::page(self, told).await,
            Section::Users => users::page(self, told).await,
            Section::User => user::page(self, told).await,
            Section::Organizations => organizations::page(self, told).await,
            Section::Organization => organization::page(self, told).await,
            Section::Roles => roles::page(self, told).await,
            Section::Permissions => permissions::page(self, told).await,
            Section::Clients => clients::page(self, told).await,
            Section::Client => client::page(self, told).await,
            Section::ProgramKeys => program_keys::page(self, told).await,
            Section::Webhooks => webhooks::page(self, told).await,
            Section::Webhook => webhook::page(self, told).await,
            Section::SigningKeys => signing_keys::page(self, told).await,
            Section::Audit => audit::page(self, told).await,
            Section::Settings => settings::page(self, told).await,
        }
    }

    async fn change(&self, change: &str, fields: &Form) -> Result<Outcome, Problem> {
        match self.section {
            Section::Projects => projects::change(self, change, fields).await,
            Section::Overview => overview::change(self, change).await,
            Section::Users => users::change(self, change, fields).await,
            Section::User => user::change(self, change, fields).await,
            Section::Organizations => organizations::change(self, change, fields).await,
            Section::Organization => organization::change(self, change, fields).await,
            Section::Roles => roles::change(self, change, fields).await,
            Section::Permissions => permissions::change(self, change, fields).await,
            Section::Clients => clients::change(self, change, fields).await,
            Section::Client => client::change(self, change, fields).await,
            Section::ProgramKeys => program_keys::change(self, change, fields).await,
            Section::Webhooks => webhooks::change(self, change, fields).await,
            Section::Webhook => webhook::change(self, change, fields).await,
            Section::SigningKeys => signing_keys::change(self, change, fields).await,
            Section::Settings => settings::change(self, change, fields).await,
            Section::Audit => Ok(Outcome::Unknown),
        }
    }

    /// The page again, with what was wrong.
    async fn refused(&self, change: &str, fields: &Form, problem: Problem) -> Result<Response, Problem> {
        let code = problem.code();
        let whole = [Code::Unauthenticated, Code::OrganizationsDisabled];
        // Who may not do it at all has no form that could say so.
        let offered = code != Code::Forbidden || problem.about().is_some();
        if !offered || !code.status().is_client_error() || code.says_when() || whole.contains(&code) {
            return Err(problem);
        }
        match self.page(&told::wrong(change, fields, &problem)).await {
            // Without the right to see the page, or the thing, there is only what was wrong.
            Err(other) if matches!(other.code(), Code::NotFound | Code::Forbidden) => Err(problem),
            shown => shown,
        }
    }
}

#[cfg(test)]
mod tests;
