//! `/p/{project}/account/organizations…`: the organizations of whoever is signed in, as pages.
//!
//! Who may do what is not known here. A page asks the organizations' API from [`inside`], as a program of the same person
//! would, and what it offers is what the policy says yes to ([`Call::may`](crate::management::Call::may)) and
//! [`authority`](crate::roles::authority) lets one give. A form says in `change` what is to be done and carries a word that
//! only this browser's session knows. What was done is told after a redirect; what was refused is told at its field, with
//! what was typed. Who signed in too long ago for something that cannot be undone signs in and comes back.

pub(crate) mod audit;
mod invitations;
mod keys;
mod list;
mod members;
mod place;
mod roles;
mod settings;
mod teams;
pub(crate) mod told;
pub(crate) mod view;

use axum::{
    extract::{Extension, Path, RawQuery, State},
    response::Response,
};
use http::{HeaderMap, header};
use serde_json::Value;

pub(crate) use self::place::mark;
use self::{place::Place, told::Told};
use crate::{
    app::Shared,
    http::{Problem, body::Form, posted::Posted, problem::Code, redirect::see_other},
    login::{
        authorize::{Stop, render},
        own_pages::{ask_for, organizations_url},
        session::{self, Session},
    },
    management::{
        self,
        inside::{Api, Ask},
    },
    openapi::{Operation, Routes, get, object, page as a_page, text},
    projects::{self, Project},
    secret::{fingerprint, same},
    users::{self, User},
};

/// What a page is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Section {
    List,
    Front,
    Members,
    Member,
    Invitations,
    Teams,
    Team,
    Roles,
    NewRole,
    Role,
    Keys,
    Audit,
    Settings,
}

/// Each page: its path behind that of the list, and what its description calls looking at it and sending its form.
const PAGES: [(Section, &str, &str, &str, &str); 13] = [
    (Section::List, "", "showOwnOrganizations", "createOrganizationOnPage", "One's own organizations"),
    (Section::Front, "/{org}", "showOrganization", "", "The first page of an organization"),
    (Section::Members, "/{org}/members", "showMembers", "", "The members of an organization"),
    (Section::Member, "/{org}/members/{member}", "showMember", "changeMemberOnPage", "A member"),
    (Section::Invitations, "/{org}/invitations", "showInvitations", "inviteOnPage", "Who is invited"),
    (Section::Teams, "/{org}/teams", "showTeams", "createTeamOnPage", "The teams of an organization"),
    (Section::Team, "/{org}/teams/{team}", "showTeam", "changeTeamOnPage", "A team"),
    (Section::Roles, "/{org}/roles", "showRoles", "", "What each role may do"),
    (Section::NewRole, "/{org}/new-role", "showNewRole", "createRoleOnPage", "A role to be made"),
    (Section::Role, "/{org}/roles/{role}", "showRole", "changeRoleOnPage", "A role of the organization"),
    (
        Section::Keys,
        "/{org}/api-keys",
        "showApiKeys",
        "changeApiKeysOnPage",
        "The API keys of an organization",
    ),
    (Section::Audit, "/{org}/audit", "showAuditTrail", "", "What happened in an organization"),
    (
        Section::Settings,
        "/{org}/settings",
        "showSettings",
        "changeSettingsOnPage",
        "The settings of an organization, and how to leave it",
    ),
];

pub(crate) fn router() -> Routes {
    let api = Api::new(|app| management::end_users(&format!("/p/{{project}}{}", app.settings.prefix)));
    let stops = [
        "bad_request",
        "sign_in_required",
        "organizations_disabled",
        "forbidden",
        "org_suspended",
        "not_found",
    ];
    let described = |operation: Operation| {
        operation.shows(&[200, 400, 403, 404, 409, 410, 412, 422]).sends_on().stops(&stops)
    };
    PAGES.into_iter().fold(Routes::new(), |routes, (section, path, shown, sent, title)| {
        let path = format!("/p/{{project}}/account/organizations{path}");
        let queries = match section {
            Section::Members => &["done", "cursor", "role", "q"][..],
            Section::Invitations => &["done", "cursor", "status"],
            Section::Audit => &["done", "cursor", "type", "actor", "since", "until"],
            _ => &["done", "cursor"],
        };
        let look = queries.iter().fold(a_page(shown, title), |page, name| page.query(name, text()));
        let mut methods = get(show, described(look));
        if !sent.is_empty() {
            let fields = object().may("change", text()).may("word", text()).and_more();
            let form = described(a_page(sent, title).takes_form(fields)).stops(&["rate_limited", "busy"]);
            methods = methods.post(submit, form);
        }
        routes.merge(Routes::new().at(&path, methods).told(section).told(api.clone()))
    })
}

/// The parameters of the path.
type Named = Path<Vec<(String, String)>>;

/// Somebody who is signed in, at one of the pages.
struct Visit<'a> {
    app: &'a Shared,
    api: &'a Api,
    headers: &'a HeaderMap,
    section: Section,
    project: Project,
    session: Session,
    user: User,
    parameters: &'a [(String, String)],
    query: Form,
}

/// What came of a form.
enum Outcome {
    /// It is done: what is told, and on which page behind the list.
    Done(&'static str, String),
    /// Something that is shown this once.
    Show(Response),
    /// The form says nothing that is known.
    Unknown,
}

/// A query of those fields that say something.
pub(crate) fn query(fields: &[(&str, &str)]) -> String {
    let said = fields.iter().filter(|(_, value)| !value.is_empty());
    form_urlencoded::Serializer::new(String::new()).extend_pairs(said).finish()
}

/// A name in a path, if it can be one of an organization or of what is in it. Nothing else is asked for.
pub(crate) fn plain(name: &str) -> Result<&str, Problem> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    match !name.is_empty() && name.len() <= 128 && name.chars().all(fits) && !name.starts_with('.') {
        true => Ok(name),
        false => Err(Code::NotFound.into()),
    }
}

/// The page for what has nothing to do with a field.
fn stop(problem: Problem) -> Stop {
    match problem.code() {
        Code::NotFound => Stop::Page("not_found"),
        Code::Forbidden => Stop::Page("forbidden"),
        Code::OrganizationsDisabled => Stop::Page("organizations_disabled"),
        Code::Unauthenticated => Stop::Page("sign_in_required"),
        Code::InvalidValue | Code::BadRequest => Stop::Page("bad_request"),
        _ => problem.into(),
    }
}

async fn show(
    State(app): State<Shared>,
    Extension(section): Extension<Section>,
    Extension(api): Extension<Api>,
    Path(parameters): Named,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let project_id = project_of(&parameters).to_owned();
    let shown = async {
        let query = Form::parse(query.unwrap_or_default().as_bytes()).ok_or(Stop::Page("bad_request"))?;
        let begun = Visit::begin((&app, &api, &headers), section, &parameters, query).await?;
        let visit = match begun {
            Ok(visit) => visit,
            Err(project) => {
                let back = here(&app, &project.id, section, &parameters);
                return ask_for(&app, &headers, &project, None, Some(back)).await;
            }
        };
        let told = visit.query.get("done").map(Told::done).unwrap_or_default();
        visit.page(&told).await
    };
    shown.await.unwrap_or_else(|stop| render(&app, &project_id, stop))
}

async fn submit(
    State(app): State<Shared>,
    Extension(section): Extension<Section>,
    Extension(api): Extension<Api>,
    Path(parameters): Named,
    headers: HeaderMap,
    Posted(fields): Posted,
) -> Response {
    let project_id = project_of(&parameters).to_owned();
    let done = async {
        let change = fields.get("change").ok_or(Stop::Page("bad_request"))?;
        let nothing = Form::parse(b"").ok_or(Stop::Page("bad_request"))?;
        let begun = Visit::begin((&app, &api, &headers), section, &parameters, nothing).await?;
        let visit = match begun {
            Ok(visit) => visit,
            Err(project) => {
                let back = here(&app, &project.id, section, &parameters);
                return ask_for(&app, &headers, &project, None, Some(back)).await;
            }
        };
        if !fields.get("word").is_some_and(|said| same(said, &visit.word())) {
            return Err(Stop::Page("csrf"));
        }
        match visit.change(change, &fields).await {
            Ok(Outcome::Done(code, to)) => {
                Ok(see_other(&format!("{}{to}?done={code}", organizations_url(&app, &visit.project.id))))
            }
            Ok(Outcome::Show(response)) => Ok(response),
            Ok(Outcome::Unknown) => Err(Stop::Page("bad_request")),
            Err(problem) => visit.refused(change, &fields, problem).await,
        }
    };
    done.await.unwrap_or_else(|stop| render(&app, &project_id, stop))
}

fn project_of(parameters: &[(String, String)]) -> &str {
    parameters.iter().find(|(name, _)| name == "project").map_or("", |(_, value)| value)
}

/// The address of the page that was asked for; of the list, if the path names what cannot be.
fn here(app: &Shared, project_id: &str, section: Section, parameters: &[(String, String)]) -> String {
    let path = PAGES.iter().find(|(known, ..)| *known == section).map_or("", |(_, path, ..)| path);
    let mut below = path.to_owned();
    for (name, value) in parameters {
        below = match plain(value) {
            Ok(value) => below.replace(&format!("{{{name}}}"), value),
            Err(_) => String::new(),
        };
    }
    format!("{}{below}", organizations_url(app, project_id))
}

impl<'a> Visit<'a> {
    /// Who is signed in here; the project if nobody is.
    async fn begin(
        (app, api, headers): (&'a Shared, &'a Api, &'a HeaderMap),
        section: Section,
        parameters: &'a [(String, String)],
        query: Form,
    ) -> Result<Result<Self, Project>, Stop> {
        let project_id = project_of(parameters);
        let project = projects::find(&mut *app.db.read().await?, project_id).await?;
        let project = project.ok_or(Stop::Page("not_found"))?;
        if !project.org_enabled {
            return Err(Stop::Page("organizations_disabled"));
        }
        let Some(session) = session::of_project(app, headers, project_id).await? else {
            return Ok(Err(project));
        };
        let user = users::find(&mut *app.db.read().await?, &project.id, &session.user_id).await?;
        let user = user.ok_or(Stop::Page("sign_in_required"))?;
        Ok(Ok(Self { app, api, headers, section, project, session, user, parameters, query }))
    }

    /// A parameter of the path.
    fn parameter(&self, name: &str) -> Result<&str, Problem> {
        plain(self.parameters.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value))
    }

    /// The word that a form of this session carries.
    fn word(&self) -> String {
        fingerprint(&format!("organization pages {}", self.session.token_hash))
    }

    /// Asks the API.
    async fn ask(&self, ask: Ask<'_>) -> Result<Value, Problem> {
        let base = format!("/p/{}{}/organizations", self.project.id, self.app.settings.prefix);
        let cookies = self.headers.get_all(header::COOKIE).into_iter().cloned();
        let language = self.headers.get(header::ACCEPT_LANGUAGE).cloned();
        self.api.ask(self.app, &base, cookies, Ask { language, ..ask }).await
    }

    /// A list of the API, as far as the page's cursor says, with the cursor of what follows.
    async fn rows(
        &self,
        path: &str,
        fields: &[(&str, &str)],
    ) -> Result<(Vec<Value>, Option<String>), Problem> {
        Api::rows(self.ask(Ask::get(&format!("{path}?{}", query(fields)))).await?)
    }

    /// The whole of a list that has an end in sight.
    async fn all(&self, path: &str) -> Result<Vec<Value>, Problem> {
        let (mut all, mut cursor) = (Vec::new(), String::new());
        loop {
            let (rows, next) = self.rows(path, &[("limit", "100"), ("cursor", &cursor)]).await?;
            all.extend(rows);
            match next {
                Some(next) if all.len() < 2000 => cursor = next,
                _ => return Ok(all),
            }
        }
    }

    fn cursor(&self) -> &str {
        self.query.get("cursor").unwrap_or_default()
    }

    /// The key under which a form is done once: what the page carried, and all that was filled in.
    fn once(&self, fields: &Form) -> String {
        let all: Vec<String> =
            fields.all().map(|(name, value)| format!("{}:{name}={value}", value.len())).collect();
        fingerprint(&format!("form {:?} {}", self.section, all.join("&")))
    }

    async fn page(&self, told: &Told) -> Result<Response, Stop> {
        match self.section {
            Section::List => list::page(self, told).await,
            Section::Front => {
                let place = Place::of(self).await?;
                Ok(see_other(&place.url("members")))
            }
            Section::Members => members::page(self, told).await,
            Section::Member => members::one(self, told).await,
            Section::Invitations => invitations::page(self, told).await,
            Section::Teams => teams::page(self, told).await,
            Section::Team => teams::one(self, told).await,
            Section::Roles => roles::page(self, told).await,
            Section::NewRole => roles::new(self, told).await,
            Section::Role => roles::one(self, told).await,
            Section::Keys => keys::page(self, told).await,
            Section::Audit => audit::page(self, told).await,
            Section::Settings => settings::page(self, told).await,
        }
    }

    async fn change(&self, change: &str, fields: &Form) -> Result<Outcome, Problem> {
        if change == "sign_in" {
            return Err(Code::ReauthenticationRequired.into());
        }
        match self.section {
            Section::List => list::change(self, change, fields).await,
            Section::Member => members::change(self, change, fields).await,
            Section::Invitations => invitations::change(self, change, fields).await,
            Section::Teams | Section::Team => teams::change(self, change, fields).await,
            Section::NewRole | Section::Role => roles::change(self, change, fields).await,
            Section::Keys => keys::change(self, change, fields).await,
            Section::Settings => settings::change(self, change, fields).await,
            Section::Front | Section::Members | Section::Roles | Section::Audit => Ok(Outcome::Unknown),
        }
    }

    /// The page again, with what was wrong; or the sign-in, if that was too long ago.
    async fn refused(&self, change: &str, fields: &Form, problem: Problem) -> Result<Response, Stop> {
        let code = problem.code();
        if code == Code::ReauthenticationRequired {
            let back = here(self.app, &self.project.id, self.section, self.parameters);
            let email = Some(self.user.email.clone());
            return ask_for(self.app, self.headers, &self.project, email, Some(back)).await;
        }
        let whole = [Code::Unauthenticated, Code::OrganizationsDisabled, Code::OrganizationSuspended];
        // Who may not do it at all has no form that could say so.
        let offered = code != Code::Forbidden || problem.about().is_some();
        if !offered || !code.status().is_client_error() || code.says_when() || whole.contains(&code) {
            return Err(stop(problem));
        }
        let again = self.page(&Told::wrong(change, fields, &problem)).await;
        // Without the right to see the page there is only what was wrong.
        again.map_err(|other| match other {
            Stop::Page("not_found" | "forbidden") => stop(problem),
            other => other,
        })
    }
}

#[cfg(test)]
mod tests;
