//! Where the pages of a project are.

use minijinja::{Value, context};

use super::{Desk, Section, url};

/// The parts of a project: under which heading, the path behind the project, what it is called, and its pages.
const PARTS: [(&str, &str, &str, &[Section]); 10] = [
    ("", "", "Overview", &[Section::Overview]),
    ("People", "/users", "Users", &[Section::Users, Section::User]),
    (
        "People",
        "/organizations",
        "Organizations",
        &[Section::Organizations, Section::Organization, Section::Roles],
    ),
    ("People", "/permissions", "Permissions", &[Section::Permissions]),
    ("Programs", "/clients", "Clients", &[Section::Clients, Section::Client]),
    ("Programs", "/program-keys", "Program keys", &[Section::ProgramKeys]),
    ("Programs", "/webhooks", "Webhooks", &[Section::Webhooks, Section::Webhook]),
    ("Trust", "/signing-keys", "Signing keys", &[Section::SigningKeys]),
    ("Trust", "/audit", "Audit log", &[Section::Audit]),
    ("Trust", "/settings", "Settings", &[Section::Settings]),
];

/// What there is nothing of while a project has no organizations.
const OF_ORGANIZATIONS: [&str; 2] = ["/organizations", "/permissions"];

impl Desk<'_> {
    /// The parts in groups, with the one that is open.
    pub(super) fn navigation(&self) -> Vec<Value> {
        let Some((project, _)) = &self.project else { return Vec::new() };
        let there =
            PARTS.iter().filter(|(_, path, ..)| project.org_enabled || !OF_ORGANIZATIONS.contains(path));
        let mut groups: Vec<(&str, Vec<Value>)> = Vec::new();
        for (group, path, name, sections) in there {
            let to = url(self.app, &self.to(path));
            let part = context! { name => *name, to => to, here => sections.contains(&self.section) };
            match groups.last_mut() {
                Some((known, parts)) if known == group => parts.push(part),
                _ => groups.push((group, vec![part])),
            }
        }
        groups.into_iter().map(|(name, parts)| context! { name => name, parts => parts }).collect()
    }
}
