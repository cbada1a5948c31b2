//! The organization that a page is about, and what whoever sees it is there.

use http::Method;
use minijinja::{Value, context};

use super::{Section, Visit, stop, view::titled};
use crate::{
    login::{authorize::Stop, own_pages::organizations_url},
    management::Call,
    members::Caller,
    organizations::Organization,
    roles::{
        Role,
        authority::{Deed, authority},
    },
};

/// An organization, seen by one of its members.
pub(super) struct Place {
    call: Call,
    pub(super) organization: Organization,
    pub(super) caller: Caller,
    all: String,
}

/// The parts that every organization has: the last word of the path, what it is called, and its section.
const PARTS: [(&str, &str, &[Section]); 7] = [
    ("members", "Members", &[Section::Members, Section::Member]),
    ("invitations", "Invitations", &[Section::Invitations]),
    ("teams", "Teams", &[Section::Teams, Section::Team]),
    ("roles", "Roles", &[Section::Roles, Section::NewRole, Section::Role]),
    ("api-keys", "API keys", &[Section::Keys]),
    ("audit", "Audit trail", &[Section::Audit]),
    ("settings", "Settings", &[Section::Settings]),
];

impl Place {
    /// The organization of the path; whoever is no member learns nothing.
    pub(super) async fn of(visit: &Visit<'_>) -> Result<Self, Stop> {
        let org = visit.parameter("org").map_err(stop)?;
        let (project, session) = (visit.project.clone(), visit.session.clone());
        let call = Call::of_page(project, session, org, visit.app.now_ms());
        let (organization, caller) = call.weigh(&mut *visit.app.db.read().await?).await.map_err(stop)?;
        let all = organizations_url(visit.app, &visit.project.id);
        Ok(Self { call, organization, caller, all })
    }

    /// Whether the policy lets them; `below` begins with `/` or is empty.
    pub(super) fn may(&self, method: &Method, below: &str) -> bool {
        self.call.may(&self.organization.id, &self.caller, method, below)
    }

    /// Whether they may do this to whoever has that role, or make something of it.
    pub(super) fn can(&self, deed: Deed<'_>) -> bool {
        authority(&self.caller.power, deed).is_ok()
    }

    /// The address of a page of it.
    pub(super) fn url(&self, below: &str) -> String {
        format!("{}/{}/{below}", self.all, self.organization.slug)
    }

    /// The path in the API.
    pub(super) fn path(&self, below: &str) -> String {
        format!("/{}{below}", self.organization.id)
    }

    /// Their own role.
    pub(super) fn own_role(&self) -> Option<&Role> {
        self.caller.own.as_ref().map(|own| &own.role)
    }

    pub(super) fn own_id(&self) -> &str {
        self.caller.own.as_ref().map_or("", |own| own.id.as_str())
    }

    /// What every page of it says.
    pub(super) fn values(&self, section: Section) -> Value {
        let one = &self.organization;
        let parts: Vec<Value> = PARTS
            .iter()
            .filter(|(word, ..)| self.may(&Method::GET, &format!("/{word}")) || *word == "settings")
            .map(|(word, name, sections)| {
                context! { name => *name, to => self.url(word), here => sections.contains(&section) }
            })
            .collect();
        context! {
            name => one.name.as_str(),
            slug => one.slug.as_str(),
            personal => one.personal,
            mark => mark(&one.name),
            role => self.own_role().map(|role| titled(&role.key)),
            members => one.member_count,
            parts => parts,
        }
    }
}

/// What stands for an organization where there is no picture: nothing is loaded from elsewhere.
pub(crate) fn mark(name: &str) -> String {
    name.chars().find(|c| c.is_alphanumeric()).map(|c| c.to_uppercase().collect()).unwrap_or_default()
}
