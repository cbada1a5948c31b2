//! What `claims:` and `profile:` make of a token. That each profile reads realistic tokens of its issuer is shown by the
//! vectors beside the tests of `orgate`.

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
    for (name, value) in [
        ("iss", json!("https://a.example")),
        ("aud", json!("api")),
        ("exp", json!(NOW + 300)),
        // What else RFC 9068 asks for.
        ("iat", json!(NOW)),
        ("jti", json!("tok_1")),
        ("client_id", json!("app")),
    ] {
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

#[test]
fn no_organization_is_no_organization_whether_null_or_absent() {
    for name in profiles::ALL.map(|profile| profile.name) {
        let claims = json!({"sub": "u", "org_id": null, "org_slug": null, "role": null, "org_role": null, "permissions": null,
                            "tid": null, "o": null, "organization": null, "organization_id": null, "org_code": null,
                            // What some issuers mark their access tokens with.
                            "token_use": "access", "typ": "Bearer", "azp": "app"});
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
