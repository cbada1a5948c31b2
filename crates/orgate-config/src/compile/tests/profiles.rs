//! Every profile reads a realistic token of its issuer as the principal that is meant.

use std::sync::Arc;

use orgate_claims::UnixTime;
use orgate_testkit::{TestKey, jwks};
use orgate_verify::{KeySet, StaticKeys, Verifier};
use serde_json::{Value, json};

use super::{super::profiles, accepted};

const NOW: i64 = 1_800_000_000;

/// What `issuer`, the entries of an issuer in a policy, makes of a token with `claims`.
fn principal_of(issuer: &str, typ: &str, claims: Value) -> String {
    let text = format!(
        "version: 1\nissuers:\n  main: {{issuer: https://a.example, audience: api, {issuer}}}\nrules: {{GET /a: org}}\n"
    );
    let trust = accepted(&text).issuers.remove(0).trust;
    let mut claims = claims;
    for (name, value) in
        [("iss", json!("https://a.example")), ("aud", json!("api")), ("exp", json!(NOW + 300))]
    {
        claims[name] = value;
    }
    let key = TestKey::eddsa();
    let (keys, _) = KeySet::from_jwks(jwks([key]).as_bytes()).unwrap();
    let token = key.mint_with("typ", json!(typ), &claims);
    let verifier = Verifier::new(vec![(trust, Arc::new(StaticKeys::new(keys)))]).unwrap();
    let verified = match verifier.verify_at(&token, UnixTime::from_seconds(NOW)) {
        Ok(verified) => verified,
        Err(error) => return format!("refused: {error}"),
    };
    let principal = verified.principal();
    let organization = principal.organization().map_or("none".to_owned(), |organization| {
        let slug = organization.slug.as_ref().map_or("-", |slug| slug.as_str());
        format!("{} ({slug})", organization.id.as_str())
    });
    let roles: Vec<&str> = principal.roles().iter().map(|role| role.as_str()).collect();
    let permissions: Vec<&str> = principal.permissions().iter().map(|name| name.as_str()).collect();
    let permissions = if principal.has_permissions_claim() {
        format!("[{}]", permissions.join(" "))
    } else {
        "absent".to_owned()
    };
    format!(
        "{} of {organization}, roles [{}], permissions {permissions}",
        principal.subject().as_str(),
        roles.join(" ")
    )
}

/// A token of each profile, as its issuer documents it, and who it speaks of.
fn vectors() -> Vec<(&'static str, Value, &'static str)> {
    vec![
        (
            "orgate",
            json!({"sub": "usr_1", "org_id": "org_1", "org_slug": "acme", "org_role": "admin", "org_ver": 3,
                   "org_permissions": ["read", "write", "invite"], "client_id": "app_1", "jti": "t1", "iat": NOW}),
            "usr_1 of org_1 (acme), roles [admin], permissions [read write invite]",
        ),
        (
            "astapa",
            json!({"sub": "user-uuid", "email": "a@example.com", "org_id": "org-uuid", "org_slug": "acme-corp",
                   "org_role": "admin", "org_permissions": ["read", "write", "invite", "remove_members", "change_roles"]}),
            "user-uuid of org-uuid (acme-corp), roles [admin], permissions [read write invite remove_members change_roles]",
        ),
        (
            "hellojohn",
            json!({"sub": "usr_01HABCDEF123456", "org_id": "org_01HABCDEF777666", "role": "admin"}),
            "usr_01HABCDEF123456 of org_01HABCDEF777666 (-), roles [admin], permissions absent",
        ),
        (
            "aero2",
            json!({"sub": "user_abc123", "email": "a@example.com", "org_id": "org_xyz789", "org_role": "admin",
                   "org_permissions": ["org:manage", "org:members:write"]}),
            "user_abc123 of org_xyz789 (-), roles [admin], permissions [org:manage org:members:write]",
        ),
        (
            "authsome",
            json!({"sub": "u1", "app_id": "a1", "env_id": "e1", "org_id": "o1", "sid": "s1", "roles": ["admin", "member"]}),
            "u1 of o1 (-), roles [admin member], permissions absent",
        ),
        (
            "better-auth",
            json!({"sub": "u9", "id": "u9", "email": "a@example.com", "emailVerified": true, "role": "user",
                   "session": {"activeOrganizationId": "o9"}}),
            "u9 of o9 (-), roles [], permissions absent",
        ),
        (
            "clerk",
            json!({"sub": "user_2", "azp": "https://app.example", "sid": "sess_1", "org_id": "org_2", "org_slug": "acme",
                   "org_role": "org:admin", "org_permissions": ["org:sys_memberships:manage", "org:invoices:create"]}),
            "user_2 of org_2 (acme), roles [admin], permissions [org:sys_memberships:manage org:invoices:create]",
        ),
        (
            "auth0",
            json!({"sub": "auth0|1", "azp": "app", "scope": "openid", "org_id": "org_3", "org_name": "acme",
                   "permissions": ["read:invoices"]}),
            "auth0|1 of org_3 (acme), roles [], permissions [read:invoices]",
        ),
        (
            "workos",
            json!({"sub": "user_4", "sid": "session_1", "org_id": "org_4", "role": "admin", "permissions": ["posts:create"]}),
            "user_4 of org_4 (-), roles [admin], permissions [posts:create]",
        ),
        (
            "keycloak",
            json!({"sub": "u5", "azp": "app", "scope": "openid email", "realm_access": {"roles": ["admin", "offline_access"]},
                   "organization": ["acme", "other"]}),
            "u5 of none, roles [admin offline_access], permissions absent",
        ),
        (
            "zitadel",
            json!({"sub": "6", "urn:zitadel:iam:user:resourceowner:id": "o6",
                   "urn:zitadel:iam:user:resourceowner:primary_domain": "acme.example",
                   "urn:zitadel:iam:org:project:roles": {"admin": {"o6": "acme.example"}, "user": {"o6": "acme.example"}}}),
            "6 of o6 (acme.example), roles [admin user], permissions absent",
        ),
        (
            "kinde",
            json!({"sub": "kp_7", "org_code": "org_7", "roles": [{"id": "r1", "key": "admin", "name": "Admin"}],
                   "permissions": ["read:competitions"]}),
            "kp_7 of org_7 (-), roles [admin], permissions [read:competitions]",
        ),
        (
            "logto",
            json!({"sub": "u8", "client_id": "app", "organization_id": "o8", "scope": "read:docs write:docs"}),
            "u8 of o8 (-), roles [], permissions [read:docs write:docs]",
        ),
    ]
}

#[test]
fn every_profile_reads_a_token_of_its_issuer() {
    let vectors = vectors();
    let names: Vec<&str> = vectors.iter().map(|(name, ..)| *name).collect();
    assert_eq!(names, profiles::ALL.map(|profile| profile.name));
    for (name, claims, expected) in vectors {
        let typ = if name == "orgate" { "at+jwt" } else { "JWT" };
        assert_eq!(principal_of(&format!("profile: {name}"), typ, claims), expected, "{name}");
    }
}

#[test]
fn no_organization_is_no_organization_whether_null_or_absent() {
    for name in profiles::ALL.map(|profile| profile.name) {
        let claims = json!({"sub": "u", "org_id": null, "org_slug": null, "role": null, "org_role": null, "permissions": null});
        let principal = principal_of(&format!("profile: {name}"), "at+jwt", claims);
        assert_eq!(principal, "u of none, roles [], permissions absent", "{name}");
    }
}

#[test]
fn the_profile_orgate_takes_access_tokens_only() {
    let claims = json!({"sub": "u"});
    assert!(principal_of("profile: orgate", "JWT", claims.clone()).starts_with("refused"));
    assert!(principal_of("profile: astapa", "JWT", claims).starts_with("u of"));
}

#[test]
fn what_is_written_replaces_the_profile_slot_by_slot() {
    let claims = json!({"sub": "u", "org_id": "o", "org_role": "org:admin", "https://x.example/perms": "a:read b:read",
                        "org_permissions": ["write"]});
    let issuer = "profile: orgate, claims: {role: {from: org_role, strip: \"org:\"}, \
                  permissions: {from: [https://x.example/perms], split: \" \", rename: {\"a:read\": [read, write]}}}";
    assert_eq!(
        principal_of(issuer, "at+jwt", claims),
        "u of o (-), roles [admin], permissions [read write b:read]"
    );
}

#[test]
fn without_a_profile_only_the_subject_is_read() {
    let claims = json!({"sub": "u", "org_id": "o", "org_role": "admin", "role": "admin", "org_permissions": ["write"]});
    assert_eq!(principal_of("leeway: 30s", "JWT", claims), "u of none, roles [], permissions absent");
}

#[test]
fn a_required_claim_refuses_tokens_without_it() {
    let issuer = "claims: {org.id: {from: [org, /o/id], required: true}}";
    assert!(principal_of(issuer, "JWT", json!({"sub": "u"})).starts_with("refused"));
    assert_eq!(
        principal_of(issuer, "JWT", json!({"sub": "u", "o": {"id": "x"}})),
        "u of x (-), roles [], permissions absent"
    );
}
