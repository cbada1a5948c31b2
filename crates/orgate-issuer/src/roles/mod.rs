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
