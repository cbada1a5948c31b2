//! Who is asking, in which project, and whether the policy lets them.

use axum::extract::{Extension, FromRequestParts, MatchedPath, Path, RawPathParams};
use http::{HeaderMap, Method, header, request::Parts};
use orgate_claims::UnixTime;

use super::{
    denied::Slip,
    policy::{Asker, judge},
};
use crate::{
    app::{App, Shared},
    clock::seconds,
    db::{Conn, Tx},
    events::Actor,
    http::{Problem, language::Language, problem::Code},
    login::{
        account::{asking, check_place, find_project},
        session::Session,
    },
    members::{self, Caller, Held},
    operators::{Operator, Rank},
    organizations::{self, Organization},
    projects::{self, Project},
    roles::{
        self, Role,
        authority::{OPERATOR_RANK, Power},
        catalogue,
    },
};

/// A family of paths.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plane {
    operators: bool,
    /// How many segments stand before what all families have in common.
    skip: usize,
}

impl Plane {
    pub(super) fn operators(base: &str) -> Self {
        Self { operators: true, skip: base.matches('/').count() }
    }

    pub(super) fn end_users(base: &str) -> Self {
        Self { operators: false, skip: base.matches('/').count() }
    }
}

/// Who is asking.
#[derive(Clone, Debug)]
pub(crate) enum Who {
    Operator { id: String, rank: Rank },
    User(Box<Session>),
}

/// A request to the organizations' API.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) project: Project,
    pub(crate) who: Who,
    /// In which letters are written that come of it: that of the person; English, if an operator asks.
    pub(crate) language: Language,
    pub(crate) now_ms: i64,
    method: Method,
    /// The segments of the path behind the base, as they came.
    rest: Vec<String>,
    parameters: Vec<(String, String)>,
    if_match: Option<String>,
}

impl FromRequestParts<Shared> for Call {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, Problem> {
        let Extension(plane) =
            Extension::<Plane>::from_request_parts(parts, app).await.map_err(|_| Code::Internal)?;
        let parameters = RawPathParams::from_request_parts(parts, app).await.map_err(|_| Code::BadRequest)?;
        let parameters: Vec<(String, String)> =
            parameters.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let named = parameters.iter().find(|(name, _)| name == "project").map(|(_, value)| value.clone());
        let (project, who) = match (plane.operators, named) {
            (true, Some(project_id)) => operator(parts, app, &project_id).await?,
            (true, None) => return Err(Code::Internal.into()),
            (false, named) => user(&parts.method, &parts.headers, app, named).await?,
        };
        if !project.org_enabled {
            return Err(Code::OrganizationsDisabled.into());
        }
        let rest = parts.uri.path().split('/').skip(plane.skip + 1).map(str::to_owned).collect();
        let language = match &who {
            Who::Operator { .. } => Language::English,
            Who::User(_) => Language::of_browser(&parts.headers, &app.public),
        };
        let call = Self {
            project,
            who,
            language,
            now_ms: app.now_ms(),
            method: parts.method.clone(),
            rest,
            parameters,
            if_match: if_match(&parts.headers)?,
        };
        if let Some(slip) = parts.extensions.get::<Slip>() {
            slip.fill(&call, parts.extensions.get::<MatchedPath>(), app.public.path());
        }
        Ok(call)
    }
}

async fn operator(parts: &mut Parts, app: &Shared, project_id: &str) -> Result<(Project, Who), Problem> {
    let operator = Operator::from_request_parts(parts, app).await?;
    let mut conn = app.db.read().await?;
    let rank = operator.rank(&mut conn, project_id).await?.ok_or(Code::NotFound)?;
    let project = projects::find(&mut conn, project_id).await?.ok_or(Code::NotFound)?;
    Ok((project, Who::Operator { id: operator.id, rank }))
}

async fn user(
    method: &Method,
    headers: &HeaderMap,
    app: &App,
    named: Option<String>,
) -> Result<(Project, Who), Problem> {
    let session = asking(app, named.map(Path), headers).await?;
    let project = find_project(app, &session.project_id).await?;
    if !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
        check_place(app, &project, &session, headers)?;
    }
    Ok((project, Who::User(Box::new(session))))
}

/// The one version that the request is about (RFC 9110 §13.1.1); `*` is any.
fn if_match(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all(header::IF_MATCH).iter();
    let (first, more) = (values.next(), values.next());
    match (first.map(|value| value.to_str()), more) {
        (None, _) | (Some(Ok("*")), None) => Ok(None),
        (Some(Ok(tag)), None) => Ok(Some(tag.trim().to_owned())),
        _ => Err(Code::PreconditionFailed.into()),
    }
}

impl Call {
    /// A parameter of the path.
    pub(crate) fn parameter(&self, name: &str) -> &str {
        self.parameters.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    pub(super) fn method(&self) -> &Method {
        &self.method
    }

    /// Whether an operator of the project is asking.
    pub(crate) fn is_operator(&self) -> bool {
        matches!(self.who, Who::Operator { .. })
    }

    pub(crate) fn actor(&self) -> Actor {
        match &self.who {
            Who::Operator { id, .. } => Actor::Operator(id.clone()),
            Who::User(session) => Actor::User(session.user_id.clone()),
        }
    }

    /// The end user's session; what only they can do is no matter of operators.
    pub(crate) fn session(&self) -> Result<&Session, Problem> {
        match &self.who {
            Who::User(session) => Ok(session),
            Who::Operator { .. } => Err(Code::Forbidden.into()),
        }
    }

    /// Refuses an end user who signed in too long ago for something that cannot be undone.
    pub(crate) fn require_fresh(&self) -> Result<(), Problem> {
        match &self.who {
            Who::User(session) if !session.is_fresh(self.now_ms) => {
                Err(Code::ReauthenticationRequired.into())
            }
            _ => Ok(()),
        }
    }

    /// Refuses a change of something that has become another version since it was read.
    pub(crate) fn require_version(&self, tag: &str) -> Result<(), Problem> {
        match &self.if_match {
            Some(wanted) if wanted != tag => Err(Code::PreconditionFailed.into()),
            _ => Ok(()),
        }
    }

    /// Judges a request that is about no organization.
    pub(crate) fn permit(&self) -> Result<(), Problem> {
        self.judge(None, None)
    }

    /// The organization of the path and what the caller is there, for reading.
    pub(crate) async fn enter(&self, conn: &mut Conn) -> Result<(Organization, Caller), Problem> {
        let organization = self.organization(conn).await?;
        self.stand(conn, organization, false).await
    }

    /// The same for a change: until the end of the transaction nobody else changes the organization, its members or its
    /// roles, and what the caller may do is what they may do now.
    pub(crate) async fn hold(&self, tx: &mut Tx) -> Result<(Organization, Held, Caller), Problem> {
        let id = self.organization(tx).await?.id;
        let held = members::hold(tx, &self.project.id, &id).await?.ok_or(Code::NotFound)?;
        let organization = organizations::find(tx, &self.project.id, &id).await?.ok_or(Code::NotFound)?;
        let (organization, caller) = self.stand(tx, organization, true).await?;
        Ok((organization, held, caller))
    }

    /// The call that a page makes in the name of whom it is shown to, before they have asked for anything.
    pub(crate) fn of_page(project: Project, session: Session, org: &str, now_ms: i64) -> Self {
        Self {
            project,
            who: Who::User(Box::new(session)),
            language: Language::English,
            now_ms,
            method: Method::GET,
            rest: vec!["organizations".to_owned(), org.to_owned()],
            parameters: vec![("org".to_owned(), org.to_owned())],
            if_match: None,
        }
    }

    /// As [`enter`](Self::enter), with everything that the caller may give to others.
    pub(crate) async fn weigh(&self, conn: &mut Conn) -> Result<(Organization, Caller), Problem> {
        let organization = self.organization(conn).await?;
        self.stand(conn, organization, true).await
    }

    /// Whether the policy would let the caller do `method` at the path `below` that of the organization. A page shows what
    /// it says yes to; what is done is judged again.
    pub(crate) fn may(&self, org_id: &str, caller: &Caller, method: &Method, below: &str) -> bool {
        let own = caller.own.as_ref().map(|own| (own.id.as_str(), &own.role));
        let path = format!("/organizations/{org_id}{below}");
        self.judge_at(Some(org_id), own, (method, &|_| path.clone())).is_ok()
    }

    async fn organization(&self, conn: &mut Conn) -> Result<Organization, Problem> {
        let org = self.parameter("org");
        let found = organizations::resolve(conn, &self.project.id, org, self.now_ms).await?;
        Ok(found.ok_or(Code::NotFound)?)
    }

    /// `to_change`: whether it matters what the caller may give to others.
    async fn stand(
        &self,
        conn: &mut Conn,
        organization: Organization,
        to_change: bool,
    ) -> Result<(Organization, Caller), Problem> {
        let mut caller = match &self.who {
            Who::Operator { rank, .. } => {
                let rank = if *rank >= Rank::Admin { OPERATOR_RANK } else { -1 };
                let power = Power { rank, permissions: roles::permissions(roles::OWNER) };
                Caller { actor: self.actor(), power, own: None }
            }
            Who::User(session) => {
                let own = members::standing(conn, &organization.id, &session.user_id).await?;
                let own = own.filter(|_| session.reaches(&organization.id)).ok_or(Code::NotFound)?;
                if !organization.is_active() {
                    return Err(Code::OrganizationSuspended.into());
                }
                Caller { actor: self.actor(), power: Power::from(&own.role), own: Some(own) }
            }
        };
        self.judge(Some(&organization.id), caller.own.as_ref().map(|own| (own.id.as_str(), &own.role)))?;
        // Above the owner and at its height there is nothing in the project that one could not give.
        if to_change && caller.own.as_ref().is_none_or(|own| own.role.is_owner()) {
            caller.power.permissions = catalogue::everything(conn, &self.project.id).await?;
        }
        Ok((organization, caller))
    }

    fn judge(&self, org_id: Option<&str>, own: Option<(&str, &Role)>) -> Result<(), Problem> {
        let path = |id: &str| self.path(org_id, id, own.map(|(id, _)| id));
        self.judge_at(org_id, own, (&self.method, &path))
    }

    /// `target`: the method, and the path for the one who asks.
    fn judge_at(
        &self,
        org_id: Option<&str>,
        own: Option<(&str, &Role)>,
        (method, path): (&Method, &dyn Fn(&str) -> String),
    ) -> Result<(), Problem> {
        let everything = roles::permissions(roles::OWNER);
        let now = UnixTime::from_seconds(seconds(self.now_ms));
        let (id, role, permissions): (&str, Option<&str>, &[String]) = match (&self.who, own) {
            (Who::Operator { id, rank }, _) if *rank >= Rank::Admin => (id, Some("operator"), &everything),
            (Who::Operator { id, .. }, _) => (id, Some("observer"), &[]),
            (Who::User(session), Some((_, role))) => {
                let named = roles::exists(&role.key).then_some(role.key.as_str());
                (&session.user_id, named, &role.permissions)
            }
            (Who::User(session), None) => (&session.user_id, None, &[]),
        };
        judge(method.as_str(), &path(id), &Asker { id, role, permissions, org_id }, now)
    }

    /// The path as the policy knows it: the organization by its id, oneself as `me`, and a permission, which may hold any
    /// character of a path, as a word.
    fn path(&self, org_id: Option<&str>, user_id: &str, own: Option<&str>) -> String {
        let mut path = String::new();
        for (at, segment) in self.rest.iter().enumerate() {
            let before = at.checked_sub(1).and_then(|at| self.rest.get(at)).map(String::as_str);
            let known = match (at, before, org_id) {
                (0, ..) if segment == "orgs" => "organizations",
                (1, Some("permissions"), None) => "one",
                (1, _, Some(org_id)) => org_id,
                (3 | 5, Some("members"), _) if own.is_some() && self.names_oneself(user_id, own) => "me",
                (3 | 5, Some("members"), _) => "member",
                _ => segment,
            };
            path.push('/');
            path.push_str(known);
            if (at, known) == (1, "one") {
                break;
            }
        }
        path
    }

    fn names_oneself(&self, user_id: &str, own: Option<&str>) -> bool {
        let named = self.parameter("member");
        let ids = (crate::ids::Kind::Member.canonical(named), crate::ids::Kind::User.canonical(named));
        named == "me" || Some(ids.0.as_str()) == own || ids.1 == user_id
    }

    /// The member of the path; `me` is oneself.
    pub(crate) fn member(&self) -> &str {
        match (&self.who, self.parameter("member")) {
            (Who::User(session), "me") => &session.user_id,
            (_, member) => member,
        }
    }
}
