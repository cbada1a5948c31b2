//! Roles and what they may do: the matrix that policies and tools know under the profile `orgate`.

use orgate_config::matrix;

/// The role that exactly one member of each organization has.
pub(crate) const OWNER: &str = "owner";

/// Whether there is a role called `key`.
pub(crate) fn exists(key: &str) -> bool {
    matrix::permissions(key).is_some()
}

/// The names of all roles, for messages.
pub(crate) fn names() -> Vec<&'static str> {
    matrix::ROLES.iter().map(|(key, _)| *key).collect()
}

/// What the role called `key` may do, in the order of the catalogue; a role that is not known may do nothing.
pub(crate) fn permissions(key: &str) -> Vec<String> {
    matrix::permissions(key).unwrap_or_default().iter().map(|name| (*name).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_that_is_not_known_may_do_nothing() {
        assert!(exists(OWNER) && !exists("auditor"));
        assert_eq!(permissions("member"), ["read", "write"]);
        assert!(permissions("auditor").is_empty());
    }

    #[test]
    fn every_permission_follows_the_grammar() {
        for name in names().into_iter().flat_map(permissions) {
            assert!(orgate_claims::Permission::parse(&name).is_ok(), "{name}");
        }
    }
}
