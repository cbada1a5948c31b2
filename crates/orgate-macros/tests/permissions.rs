//! Constants of a real policy file, whose environment variables are not set.

orgate_macros::permissions!("tests/orgate.yaml");

mod nested {
    macro_rules! through_a_macro {
        ($path:expr) => {
            orgate_macros::permissions!($path);
        };
    }
    through_a_macro!("tests/orgate.yaml");
}

#[test]
fn every_permission_has_a_constant() {
    let declared = [perm::BILLING_READ, perm::AUDIT_LOG];
    assert_eq!(declared, ["billing:read", "audit.log"]);
    let brought = [
        perm::READ,
        perm::WRITE,
        perm::INVITE,
        perm::REMOVE_MEMBERS,
        perm::CHANGE_ROLES,
        perm::DELETE_ORG,
        perm::TRANSFER_OWNERSHIP,
    ];
    assert_eq!(
        brought,
        ["read", "write", "invite", "remove_members", "change_roles", "delete_org", "transfer_ownership"]
    );
}

#[test]
fn the_path_may_come_through_another_macro() {
    assert_eq!(nested::perm::READ, perm::READ);
}
