//! Roles and what they may do.
//!
//! Four roles and seven permissions are built in: the matrix that policies and tools know under the profile `orgate`. A
//! project adds permissions to the catalogue, an organization adds roles of its own. Who may give which role to whom is said
//! once, in [`authority`].

pub(crate) mod authority;
pub(crate) mod catalogue;
pub(crate) mod custom;
mod queries;

use orgate_config::matrix;

use crate::db::{Conn, DbError};

/// The role that exactly one member of each organization has.
pub(crate) const OWNER: &str = "owner";
/// What the owner becomes when somebody else does.
pub(crate) const ADMIN: &str = "admin";

/// The built-in roles and their ranks.
const RANKS: [(&str, i64); 4] = [("owner", 3), (ADMIN, 2), ("member", 1), ("viewer", 0)];

/// A role that a member has, or is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Role {
    pub(crate) key: String,
    pub(crate) rank: i64,
    /// In the order of the catalogue.
    pub(crate) permissions: Vec<String>,
}

impl Role {
    /// The built-in role called `key`.
    pub(crate) fn built_in(key: &str) -> Option<Self> {
        let (_, rank) = RANKS.iter().find(|(name, _)| *name == key)?;
        Some(Self { key: key.to_owned(), rank: *rank, permissions: permissions(key) })
    }

    /// A role as a row says it: the name, and for a role of the organization its rank and its permissions. A name that
    /// nothing stands behind may do nothing.
    pub(crate) fn of_row(key: String, rank: Option<i64>, permissions: Option<&str>) -> Self {
        match Self::built_in(&key) {
            Some(role) => role,
            None => Self {
                key,
                rank: rank.unwrap_or(0),
                permissions: permissions.unwrap_or_default().split_whitespace().map(str::to_owned).collect(),
            },
        }
    }

    pub(crate) fn is_owner(&self) -> bool {
        self.key == OWNER
    }

    /// Whether who has it may ask others in.
    pub(crate) fn may_invite(&self) -> bool {
        self.permissions.iter().any(|own| own == "invite")
    }
}

/// The role of this organization that is called `key`.
pub(crate) async fn find(conn: &mut Conn, org_id: &str, key: &str) -> Result<Option<Role>, DbError> {
    match Role::built_in(key) {
        Some(role) => Ok(Some(role)),
        None => queries::role(conn, org_id, key).await,
    }
}

/// Whether a role called `key` is built in.
pub(crate) fn exists(key: &str) -> bool {
    matrix::permissions(key).is_some()
}

/// The names of the built-in roles, for messages.
pub(crate) fn names() -> Vec<&'static str> {
    matrix::ROLES.iter().map(|(key, _)| *key).collect()
}

/// What the built-in role called `key` may do, in the order of the catalogue; a role that is not known may do nothing.
pub(crate) fn permissions(key: &str) -> Vec<String> {
    matrix::permissions(key).unwrap_or_default().iter().map(|name| (*name).to_owned()).collect()
}

/// The most permissions that go into a token.
const MOST_PERMISSIONS: usize = 64;
/// How much room they may take there, in bytes.
const MOST_BYTES: usize = 1536;

/// Whether permissions fit into a token: a larger one would not pass through the headers of what stands in front of
/// applications. A role is refused when it is edited, so that no sign-in fails for it later.
pub(crate) fn fit_into_a_token(permissions: &[String]) -> bool {
    let bytes: usize = permissions.iter().map(|permission| permission.len() + 3).sum();
    permissions.len() <= MOST_PERMISSIONS && bytes <= MOST_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_that_is_not_known_may_do_nothing() {
        assert!(exists(OWNER) && !exists("auditor"));
        assert_eq!(permissions("member"), ["read", "write"]);
        assert!(permissions("auditor").is_empty());
        assert_eq!(
            Role::of_row("auditor".to_owned(), None, None),
            Role { key: "auditor".to_owned(), rank: 0, permissions: Vec::new() }
        );
        // A row cannot say something else about what is built in.
        assert_eq!(
            Role::of_row("viewer".to_owned(), Some(2), Some("delete_org")),
            Role::built_in("viewer").unwrap()
        );
    }

    #[test]
    fn every_built_in_role_has_a_rank() {
        assert_eq!(RANKS.map(|(name, _)| name).to_vec(), names());
        for [higher, lower] in RANKS.windows(2).map(|pair| [pair[0].0, pair[1].0].map(Role::built_in)) {
            let (higher, lower) = (higher.unwrap(), lower.unwrap());
            assert!(higher.rank > lower.rank);
            assert!(lower.permissions.iter().all(|one| higher.permissions.contains(one)), "{}", lower.key);
        }
    }

    #[test]
    fn a_role_that_is_too_large_for_a_token_is_known() {
        let of = |count: usize, length: usize| vec!["p".repeat(length); count];
        assert!(fit_into_a_token(&of(64, 21)) && fit_into_a_token(&[]));
        assert!(!fit_into_a_token(&of(65, 1)), "65 permissions");
        assert!(!fit_into_a_token(&of(64, 22)), "1.6 KB");
        assert!(names().iter().all(|name| fit_into_a_token(&permissions(name))));
    }

    #[test]
    fn every_permission_follows_the_grammar() {
        for name in names().into_iter().flat_map(permissions) {
            assert!(orgate_claims::Permission::parse(&name).is_ok(), "{name}");
        }
    }
}
