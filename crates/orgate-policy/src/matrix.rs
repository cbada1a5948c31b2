//! Who may do what: every rule against every role.
//!
//! The roles are those of the table: what `roles:` of the file declares, else what a profile says that its roles hold.
//! Every holder of a role has an active organization. A cell speaks of the requests that the rule wins, so the matrix is
//! exact: it is made of the same checks that decide.

use crate::{
    PermissionsFrom, Place, Policy, check::Verdict, requirement::Kind, rule::Rule, set::Set, vocabulary,
};

/// Whether a role gets in by a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cell {
    /// Always.
    Yes,
    /// Never.
    No,
    /// Only where the path speaks of the caller's own organization, or of the caller.
    Own,
    /// Only where what the rule compares holds, or after a good enough sign-in.
    If,
    /// Nobody by a token: an authenticator decides.
    Via,
}

impl Cell {
    /// The word for it in machine-readable answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Own => "own",
            Self::If => "if",
            Self::Via => "via",
        }
    }
}

/// The matrix of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matrix<'p> {
    /// The columns; the first is [`ANONYMOUS`].
    pub roles: Vec<&'p str>,
    /// One row for each rule, in the order of the file.
    pub rows: Vec<MatrixRow<'p>>,
}

/// What one rule means for each role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MatrixRow<'p> {
    /// The key of the rule as written.
    pub rule: &'p str,
    /// What it demands, as written.
    pub requirement: &'p str,
    /// Where it stands.
    pub place: Place,
    /// One cell for each column.
    pub cells: Vec<Cell>,
}

/// The column of callers without a credential.
pub const ANONYMOUS: &str = "anonymous";

impl Policy {
    /// The matrix for these roles of the [table](Self::table_roles), in this order; names that are not in it are left
    /// out. The column [`ANONYMOUS`] always comes first.
    #[must_use]
    pub fn matrix<'p>(&'p self, roles: &[&str]) -> Matrix<'p> {
        let roles: Vec<&'p str> =
            roles.iter().filter_map(|role| self.table_roles().find(|known| known == role)).collect();
        let rows = self.compiled_rules().iter().map(|rule| {
            let cells =
                std::iter::once(rule.anonymous()).chain(roles.iter().map(|role| rule.cell(self, role)));
            MatrixRow {
                rule: rule.key.as_str(),
                requirement: rule.requirement().as_str(),
                place: rule.place,
                cells: cells.collect(),
            }
        });
        let rows = rows.collect();
        Matrix { roles: std::iter::once(ANONYMOUS).chain(roles).collect(), rows }
    }

    /// The roles of the table, in its order: those that `roles:` declares, else those of a profile.
    pub fn table_roles(&self) -> impl Iterator<Item = &str> {
        self.role_table().iter().map(|(name, _)| &**name)
    }

    /// What the table says that a holder of these roles holds, sorted by name: what an issuer that goes by the table
    /// writes into a token. Roles that are not in it grant nothing.
    #[must_use]
    pub fn table_permissions<'r>(&self, roles: impl IntoIterator<Item = &'r str>) -> Vec<&str> {
        let mut all = self.vocabulary().empty_set();
        for role in roles {
            if let Some((_, grants)) = self.role_table().iter().find(|(name, _)| **name == *role) {
                all.extend(grants);
            }
        }
        self.vocabulary().permissions_in(&all)
    }

    /// What is known of a holder of `role`, as [`subject`](Self::subject) would find it in a token made by the table.
    pub(crate) fn role_facts(&self, role: &str) -> Set {
        let mut facts = self.vocabulary().empty_set();
        facts.insert(vocabulary::AUTHENTICATED);
        facts.insert(vocabulary::ORGANIZATION);
        if let Some(number) = self.vocabulary().role(role) {
            facts.insert(number);
        }
        let from = self.permissions_from();
        let expanded = self.grants(role).filter(|_| from != PermissionsFrom::Token);
        let held = self.role_table().iter().find(|(name, _)| **name == *role).map(|(_, grants)| grants);
        let held = held.filter(|_| from != PermissionsFrom::Role);
        for grants in [expanded, held].into_iter().flatten() {
            facts.extend(grants);
        }
        facts
    }
}

impl Rule {
    fn anonymous(&self) -> Cell {
        match self.requirement().kind() {
            Kind::Public => Cell::Yes,
            Kind::Optional if !self.is_bound() => Cell::Yes,
            Kind::Expression(_) if self.demand.authenticator.is_some() => Cell::Via,
            Kind::Optional | Kind::Deny | Kind::Expression(_) => Cell::No,
        }
    }

    fn cell(&self, policy: &Policy, role: &str) -> Cell {
        if self.demand.authenticator.is_some() {
            return Cell::Via;
        }
        match (self.verdict(policy, role), self.is_bound()) {
            (Verdict::Never, _) => Cell::No,
            (Verdict::Sometimes, _) => Cell::If,
            (Verdict::Always, true) => Cell::Own,
            (Verdict::Always, false) => Cell::Yes,
        }
    }
}

#[cfg(test)]
mod tests {
    use orgate_claims::{
        IssuerUrl, Organization, OrganizationId, Permission, Principal, RoleName, SubjectId, UnixTime,
    };

    use super::*;
    use crate::{
        Decision, Facts, Found, PolicySpec, RequestTarget, Requirement, RoleSpec, RuleKey, RuleSpec,
    };

    const RULES: [(&str, &str); 8] = [
        ("GET /health", "public"),
        ("GET /docs", "read"),
        ("POST /docs", "write"),
        ("GET /invite/{token}", "optional"),
        ("GET /o/{org_id}", "optional"),
        ("DELETE /orgs/{org_id}", "write and role(owner)"),
        ("GET /closed", "deny"),
        ("GET /lesser", "not write"),
    ];

    fn permission(name: &str) -> Permission {
        Permission::parse(name).unwrap()
    }

    fn role(name: &str) -> RoleName {
        RoleName::parse(name).unwrap()
    }

    fn spec(from: PermissionsFrom) -> PolicySpec {
        let rules = RULES.iter().map(|(key, requirement)| {
            RuleSpec::new(
                RuleKey::parse(key).unwrap(),
                Requirement::parse(requirement).unwrap(),
                Place::default(),
            )
        });
        PolicySpec { rules: rules.collect(), permissions_from: from, ..PolicySpec::default() }
    }

    /// The same table, as roles of the file and as names of a profile.
    fn policies(from: PermissionsFrom) -> [Policy; 2] {
        let written = |name: &str, grants: &[&str], extends: &[&str]| RoleSpec {
            name: role(name),
            grants: grants.iter().map(|name| permission(name)).collect(),
            extends: extends.iter().map(|name| role(name)).collect(),
            place: Place::default(),
        };
        let file = PolicySpec {
            roles: vec![written("viewer", &["read"], &[]), written("owner", &["write"], &["viewer"])],
            ..spec(from)
        };
        let table = vec![
            (role("viewer"), vec![permission("read")]),
            (role("owner"), vec![permission("read"), permission("write")]),
        ];
        let profile = PolicySpec {
            permissions: vec![permission("read"), permission("write")],
            known_roles: vec![role("viewer"), role("owner")],
            role_table: table,
            ..spec(from)
        };
        [file, profile].map(|spec| Policy::compile(spec).unwrap())
    }

    fn cells(policy: &Policy) -> Vec<String> {
        let matrix = policy.matrix(&["viewer", "owner", "nobody"]);
        assert_eq!(matrix.roles, ["anonymous", "viewer", "owner"]);
        let rows = matrix.rows.iter();
        rows.map(|row| row.cells.iter().map(|cell| cell.as_str()).collect::<Vec<_>>().join(" ")).collect()
    }

    #[test]
    fn a_cell_says_who_gets_in() {
        for policy in policies(PermissionsFrom::TokenElseRole) {
            assert_eq!(
                cells(&policy),
                [
                    "yes yes yes",
                    "no yes yes",
                    "no no yes",
                    "yes yes yes",
                    "no own own",
                    "no no own",
                    "no no no",
                    "no yes no"
                ]
            );
        }
    }

    #[test]
    fn every_cell_is_what_the_engine_decides_of_a_token_made_by_the_table() {
        for from in [
            PermissionsFrom::TokenElseRole,
            PermissionsFrom::Token,
            PermissionsFrom::Role,
            PermissionsFrom::Union,
        ] {
            for policy in policies(from) {
                let matrix = policy.matrix(&["viewer", "owner"]);
                for (row, (key, _)) in matrix.rows.iter().zip(RULES) {
                    let (method, path) = key.split_once(' ').unwrap();
                    for (name, cell) in matrix.roles.iter().zip(&row.cells) {
                        let decide = |org: &str| {
                            let path = path.replace("{org_id}", org).replace("{token}", "x");
                            let target = RequestTarget::parse(method, &path).unwrap();
                            let Found::Rule(found) = policy.find(&target) else { panic!("{key}") };
                            let subject =
                                (*name != ANONYMOUS).then(|| policy.subject(&holder(&policy, name)));
                            found.decide(subject.as_ref(), &Facts::at(UnixTime::from_seconds(0)))
                                == Decision::Allow
                        };
                        let expected = match (decide("acme"), decide("globex")) {
                            (true, true) => Cell::Yes,
                            (true, false) => Cell::Own,
                            _ => Cell::No,
                        };
                        assert_eq!(*cell, expected, "{from:?} {key} {name}");
                    }
                }
            }
        }
    }

    fn holder(policy: &Policy, name: &str) -> Principal {
        let organization = Organization::new(OrganizationId::parse("acme").unwrap(), None);
        let held = policy.table_permissions([name]).into_iter().map(permission).collect();
        Principal::builder(IssuerUrl::parse("https://i").unwrap(), SubjectId::parse("ann").unwrap())
            .organization(Some(organization))
            .roles(vec![role(name)])
            .permissions(Some(held))
            .build()
    }
}
