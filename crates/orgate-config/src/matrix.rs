//! What the built-in roles may do.
//!
//! The profiles `orgate` and `astapa` bring the names of four roles and seven permissions to a policy, and this matrix to
//! tools and tests: it says what a token of such a role carries. The gate does not use it: what a token does not carry is
//! derived from its role only where the policy file has `roles:`.

/// Every role with its permissions, strongest first; permissions in the order of the catalogue.
pub const ROLES: [(&str, &[&str]); 4] = [
    (
        "owner",
        &["read", "write", "invite", "remove_members", "change_roles", "delete_org", "transfer_ownership"],
    ),
    ("admin", &["read", "write", "invite", "remove_members", "change_roles"]),
    ("member", &["read", "write"]),
    ("viewer", &["read"]),
];

/// What a token of `role` carries; `None` for a role that is not built in.
#[must_use]
pub fn permissions(role: &str) -> Option<&'static [&'static str]> {
    ROLES.iter().find(|(name, _)| *name == role).map(|(_, permissions)| *permissions)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

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
            assert_eq!(permissions(role), Some(expected.as_slice()), "{role}");
        }
        assert_eq!(permissions("auditor"), None);
    }

    #[test]
    fn its_names_are_those_that_the_profiles_bring() {
        for profile in ["orgate", "astapa"] {
            let text = format!(
                "version: 1\nissuers: {{a: {{issuer: https://a.example, audience: b, profile: {profile}}}}}\n\
                 rules: {{GET /: public}}\n"
            );
            let policy = crate::compile("orgate.yaml", text.as_bytes(), &|_| None).unwrap().policy;
            let roles: Vec<&str> = policy.roles().collect();
            assert_eq!(roles, ROLES.map(|(name, _)| name), "{profile}");
            let here: BTreeSet<&str> = ROLES.iter().flat_map(|(_, names)| names.iter().copied()).collect();
            assert_eq!(policy.permissions().collect::<BTreeSet<_>>(), here, "{profile}");
        }
    }
}
