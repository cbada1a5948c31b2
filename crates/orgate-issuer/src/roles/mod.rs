//! Roles and what they may do. The built-in ones are the data below, not code; no other place names a permission.

/// A built-in role with its permissions in catalogue order.
#[derive(Debug)]
pub(crate) struct Role {
    pub(crate) key: &'static str,
    permissions: &'static [&'static str],
}

/// The role that exactly one member of each organization has.
pub(crate) const OWNER: &str = "owner";

/// The matrix of Astapa's documentation.
const BUILT_IN: [Role; 4] = [
    Role {
        key: OWNER,
        permissions: &[
            "read",
            "write",
            "invite",
            "remove_members",
            "change_roles",
            "delete_org",
            "transfer_ownership",
        ],
    },
    Role { key: "admin", permissions: &["read", "write", "invite", "remove_members", "change_roles"] },
    Role { key: "member", permissions: &["read", "write"] },
    Role { key: "viewer", permissions: &["read"] },
];

/// The role called `key`.
pub(crate) fn find(key: &str) -> Option<&'static Role> {
    BUILT_IN.iter().find(|role| role.key == key)
}

/// The names of all roles, for messages.
pub(crate) fn names() -> Vec<&'static str> {
    BUILT_IN.iter().map(|role| role.key).collect()
}

/// What the role called `key` may do; a role that is not known may do nothing.
pub(crate) fn permissions(key: &str) -> Vec<String> {
    find(key).map(|role| role.permissions.iter().map(|name| (*name).to_owned()).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_matrix_is_the_documented_one() {
        let matrix = [
            ("read", [true, true, true, true]),
            ("write", [true, true, true, false]),
            ("invite", [true, true, false, false]),
            ("remove_members", [true, true, false, false]),
            ("change_roles", [true, true, false, false]),
            ("delete_org", [true, false, false, false]),
            ("transfer_ownership", [true, false, false, false]),
        ];
        for (column, role) in ["owner", "admin", "member", "viewer"].into_iter().enumerate() {
            let expected: Vec<_> =
                matrix.iter().filter(|(_, may)| may[column]).map(|(name, _)| *name).collect();
            assert_eq!(permissions(role), expected, "{role}");
        }
        assert!(permissions("auditor").is_empty());
    }

    #[test]
    fn every_permission_follows_the_grammar() {
        for name in BUILT_IN.iter().flat_map(|role| role.permissions) {
            assert!(orgate_claims::Permission::parse(name).is_ok(), "{name}");
        }
    }
}
