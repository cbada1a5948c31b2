use orgate_claims::Confirmation;
use serde_json::json;

use super::*;
use crate::{VerifyErrorKind, json::parse_object};

fn read(mapping: &ClaimMapping, claims: &str) -> Result<Principal, VerifyError> {
    let issuer = IssuerUrl::parse("https://issuer.example").unwrap();
    mapping.principal(&issuer, &parse_object(claims.as_bytes()).unwrap())
}

#[track_caller]
fn refused(mapping: &ClaimMapping, claims: &str, kind: VerifyErrorKind, message: &str) {
    let error = read(mapping, claims).unwrap_err();
    assert_eq!((error.kind(), error.to_string().as_str()), (kind, message), "{claims}");
}

fn from(references: &[&str]) -> ClaimSource {
    ClaimSource::new(references.iter().map(|text| ClaimRef::parse(text).unwrap()).collect())
}

fn texts<T: AsRef<str>>(items: &[T]) -> Vec<&str> {
    items.iter().map(AsRef::as_ref).collect()
}

#[test]
fn a_whole_token_of_the_companion_issuer_becomes_a_principal() {
    let principal = read(
        &ClaimMapping::orgate(),
        r#"{"iss":"https://issuer.example","sub":"usr_ann","aud":"api","client_id":"cli_1","azp":"other","exp":900,"iat":600,
            "jti":"tok_1","sid":"ses_1","scope":"openid profile","auth_time":500,"acr":"mfa","amr":["pwd","otp"],
            "org_id":"org_1","org_slug":"acme","org_role":"admin","org_permissions":["read","write"],"org_ver":7,
            "cnf":{"jkt":"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"},"email":"ann@example.com"}"#,
    )
    .unwrap();
    assert_eq!(principal.issuer().as_str(), "https://issuer.example");
    assert_eq!(principal.subject().as_str(), "usr_ann");
    let organization = principal.organization().unwrap();
    assert_eq!((organization.id.as_str(), organization.slug.as_ref().unwrap().as_str()), ("org_1", "acme"));
    assert_eq!(texts(principal.roles()), ["admin"]);
    assert_eq!(texts(principal.permissions()), ["read", "write"]);
    assert_eq!(texts(principal.scopes()), ["openid", "profile"]);
    assert_eq!(principal.client().unwrap().as_str(), "cli_1");
    assert_eq!(principal.session().unwrap().as_str(), "ses_1");
    assert_eq!(principal.token_id().unwrap().as_str(), "tok_1");
    assert_eq!(principal.org_ver(), Some(7));
    assert_eq!(principal.expires_at().unwrap().seconds(), 900);
    assert_eq!(principal.issued_at().unwrap().seconds(), 600);
    assert_eq!(principal.auth_time().unwrap().seconds(), 500);
    assert_eq!(principal.acr(), Some("mfa"));
    assert_eq!(texts(principal.amr()), ["pwd", "otp"]);
    let confirmation = Confirmation::new(Some("0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I".into()), None);
    assert_eq!(principal.confirmation(), confirmation.as_ref());
    assert_eq!(principal.claims().count(), 0, "what no policy names is not kept");
}

#[test]
fn absent_null_and_an_empty_organization_are_the_same() {
    for claims in [
        r#"{"sub":"u"}"#,
        r#"{"sub":"u","org_id":null,"org_slug":null,"org_role":null,"org_permissions":null,"org_ver":null,"client_id":null,
            "azp":null,"sid":null,"jti":null,"scope":null,"amr":null,"acr":null,"auth_time":null,"cnf":null}"#,
        // No organization is active, as some issuers write it.
        r#"{"sub":"u","org_id":"","org_slug":""}"#,
        r#"{"sub":"u","org_id":"","org_slug":"acme"}"#,
    ] {
        let principal = read(&ClaimMapping::orgate(), claims).unwrap();
        assert_eq!(principal.organization(), None);
        assert!(principal.roles().is_empty());
        assert!(!principal.has_permissions_claim());
    }
    let empty = read(&ClaimMapping::orgate(), r#"{"sub":"u","org_permissions":[]}"#).unwrap();
    assert!(empty.has_permissions_claim(), "an empty list is an answer");
}

#[test]
fn a_subject_is_always_needed() {
    use VerifyErrorKind::{MalformedClaim, MissingClaim};
    refused(&ClaimMapping::orgate(), "{}", MissingClaim, "the token has no `sub`");
    refused(&ClaimMapping::none(), r#"{"sub":null}"#, MissingClaim, "the token has no `sub`");
    refused(&ClaimMapping::orgate(), r#"{"sub":""}"#, MalformedClaim, "the claim `sub` is empty");
    refused(&ClaimMapping::orgate(), r#"{"sub":1}"#, MalformedClaim, "the claim `sub` is not a string");
}

#[test]
fn a_claim_of_the_wrong_type_is_refused_never_read_as_absent() {
    for (name, values) in [
        ("sub", &["[]", "{}", "true", "1", "\"a\\u0000\"", "\"a\\r\\nX: y\"", "\"\""][..]),
        (
            "org_id",
            &["[]", "{}", "true", "1", "\"\\u0000\"", "\"a\\n\"", "[\"org_1\"]", "{\"id\":\"org_1\"}"],
        ),
        ("org_slug", &["[]", "{}", "true", "1", "\"\\t\"", "\"a\\u007f\""]),
        ("org_role", &["1", "true", "{}", "[1]", "[null]", "\"\"", "[\"\"]", "\"a\\n\"", "[[\"a\"]]"]),
        (
            "org_permissions",
            &["\"read\"", "\"a b\"", "\"a,b\"", "1", "true", "{}", "{\"read\":true}", "[1]", "[[\"a\"]]"],
        ),
        ("org_ver", &["-1", "\"7\"", "1.5", "18446744073709551615", "true", "[]"]),
        ("client_id", &["1", "[]", "\"\""]),
        ("azp", &["1", "[]", "\"\""]),
        ("sid", &["1", "{}"]),
        ("jti", &["1", "{}", "\"a\\u0000\""]),
        ("scope", &["1", "{}", "[1]"]),
        ("amr", &["1", "{}", "[1]"]),
        ("acr", &["1", "{}"]),
        ("auth_time", &["\"1\"", "1.5", "-1", "[]"]),
        (
            "cnf",
            &[
                "1",
                "\"a\"",
                "{}",
                "{\"jkt\":1}",
                "{\"jkt\":\"\"}",
                "{\"jwk\":{}}",
                "{\"jkt\":\"a\"}",
                "{\"jkt\":\"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4J\"}",
                "{\"jkt\":\"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I=\"}",
                "{\"jkt\":null}",
                "{\"x5t#S256\":\"abc\"}",
                "{\"x5t\":\"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I\"}",
                "{\"jkt\":\"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I\",\"kid\":\"b\"}",
            ],
        ),
    ] {
        for value in values {
            let claims = if name == "sub" {
                format!(r#"{{"sub":{value}}}"#)
            } else {
                format!(r#"{{"sub":"u","{name}":{value}}}"#)
            };
            let error = read(&ClaimMapping::orgate(), &claims).unwrap_err();
            assert_eq!(error.kind(), MalformedClaim, "{claims}");
            assert!(error.to_string().contains(&format!("`{name}`")), "{error}");
        }
    }
}

#[test]
fn a_permission_that_no_rule_could_ask_for_is_dropped() {
    let principal = read(
        &ClaimMapping::orgate(),
        r#"{"sub":"u","org_permissions":["wri te","write\u0000","write\u200b","wr\u0456te","ｗｒｉｔｅ","*","!write","","\u202ewrite",
            "read"," write","write\n"]}"#,
    )
    .unwrap();
    assert_eq!(texts(principal.permissions()), ["read"]);
    let escaped = read(&ClaimMapping::orgate(), r#"{"sub":"u","org_permissions":["\u0077rite"]}"#).unwrap();
    assert_eq!(texts(escaped.permissions()), ["write"]);
}

#[test]
fn look_alikes_of_a_claim_are_other_claims() {
    let principal = read(
        &ClaimMapping::orgate(),
        r#"{"sub":"u","Org_Permissions":["write"],"org-permissions":["write"],"permissions":["write"],"role":"owner",
            "org":{"permissions":["write"],"id":"org_1"},"ORG_ID":"org_1","org.id":"org_1"}"#,
    )
    .unwrap();
    assert_eq!(principal.organization(), None);
    assert!(!principal.has_permissions_claim());
    assert!(principal.roles().is_empty());
}

#[test]
fn a_foreign_shape_is_mapped_slot_by_slot() {
    let mapping = ClaimMapping::none()
        .subject(from(&["uid", "sub"]))
        .and_then(|mapping| mapping.organization_id(from(&["/org/id"]).required()))
        .and_then(|mapping| mapping.organization_slug(from(&["/org/slug"])))
        .and_then(|mapping| mapping.roles(from(&["role", "/org/roles"]).strip("org:")))
        .and_then(|mapping| {
            mapping.permissions(from(&["scope"]).split(" ").rename("m:w", ["invite", "remove"]))
        })
        .unwrap();
    let principal = read(
        &mapping,
        r#"{"sub":"u","uid":42,"org":{"id":"o","slug":"acme","roles":["org:admin","org:x"]},"role":null,"scope":"read m:w"}"#,
    )
    .unwrap();
    assert_eq!(principal.subject().as_str(), "42");
    assert_eq!(principal.organization().unwrap().slug.as_ref().unwrap().as_str(), "acme");
    assert_eq!(texts(principal.roles()), ["admin", "x"]);
    assert_eq!(texts(principal.permissions()), ["read", "invite", "remove"]);
    let missing = read(&mapping, r#"{"sub":"u"}"#).unwrap_err();
    assert_eq!((missing.kind(), missing.to_string().as_str()), (MissingClaim, "the token has no `/org/id`"));
}

#[test]
fn a_slug_without_an_organization_counts_for_nothing() {
    assert_eq!(
        read(&ClaimMapping::orgate(), r#"{"sub":"u","org_slug":"acme"}"#).unwrap().organization(),
        None
    );
}

#[test]
fn named_claims_are_kept_by_their_reference_and_kind() {
    let mapping = ClaimMapping::none()
        .claim("team_id", ClaimKind::Scalar, from(&["team_id"]))
        .and_then(|mapping| mapping.claim("verified", ClaimKind::Scalar, from(&["verified"])))
        .and_then(|mapping| mapping.claim("/a/teams", ClaimKind::Set, from(&["/a/teams"])))
        .unwrap();
    let principal =
        read(&mapping, r#"{"sub":"u","team_id":7,"verified":true,"a":{"teams":["x","y"]}}"#).unwrap();
    assert_eq!(principal.claim("team_id"), Some(&ClaimValue::Text("7".into())));
    assert_eq!(principal.claim("verified"), Some(&ClaimValue::Bool(true)));
    assert_eq!(principal.claim("/a/teams"), Some(&ClaimValue::Set(vec!["x".into(), "y".into()])));
    assert_eq!(read(&mapping, r#"{"sub":"u"}"#).unwrap().claims().count(), 0);
    refused(
        &mapping,
        r#"{"sub":"u","a":{"teams":"x"}}"#,
        MalformedClaim,
        "the claim `/a/teams` is not an array of strings",
    );
    refused(
        &mapping,
        r#"{"sub":"u","team_id":["x"]}"#,
        MalformedClaim,
        "the claim `team_id` is neither a string nor a whole number",
    );
}

#[test]
fn scopes_are_read_from_a_string_or_an_array() {
    for claims in [r#"{"sub":"u","scope":"a  b"}"#, r#"{"sub":"u","scope":["a","b"]}"#] {
        assert_eq!(texts(read(&ClaimMapping::none(), claims).unwrap().scopes()), ["a", "b"]);
    }
    assert_eq!(texts(read(&ClaimMapping::none(), r#"{"sub":"u","amr":"pwd"}"#).unwrap().amr()), ["pwd"]);
}

#[test]
fn the_client_is_client_id_or_else_azp() {
    let client =
        |claims: &str| read(&ClaimMapping::none(), claims).unwrap().client().unwrap().as_str().to_owned();
    assert_eq!(client(r#"{"sub":"u","client_id":"a","azp":"b"}"#), "a");
    assert_eq!(client(r#"{"sub":"u","client_id":null,"azp":"b"}"#), "b");
}

#[test]
fn a_certificate_can_confirm_too_and_both_at_once() {
    // SHA-256 of `abc`.
    let text = "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0";
    let thumbprint = crate::CertificateThumbprint::of_der(b"abc").to_bytes();
    for (cnf, key, certificate) in [
        (json!({"x5t#S256": text}), None, Some(thumbprint)),
        (json!({"x5t#S256": text, "jkt": text}), Some(text), Some(thumbprint)),
    ] {
        let principal = read(&ClaimMapping::none(), &json!({"sub": "u", "cnf": cnf}).to_string()).unwrap();
        let confirmation = principal.confirmation().unwrap();
        assert_eq!(confirmation.key_thumbprint(), key);
        assert_eq!(confirmation.certificate_thumbprint(), certificate);
    }
}

#[test]
fn a_source_that_cannot_fill_its_slot_is_refused_when_it_is_made() {
    let none = ClaimMapping::none;
    assert_eq!(none().subject(ClaimSource::new(vec![])).unwrap_err(), MappingError::NoClaim);
    assert_eq!(none().organization_id(from(&["a"]).split(" ")).unwrap_err(), MappingError::NotASet);
    assert_eq!(none().organization_slug(from(&["a"]).pick(Pick::Keys)).unwrap_err(), MappingError::NotASet);
    assert_eq!(
        none().organization_id(from(&["a"]).rename("x", ["y", "z"])).unwrap_err(),
        MappingError::BadRename
    );
    assert_eq!(none().roles(from(&["a"]).rename("x", [""; 0])).unwrap_err(), MappingError::BadRename);
    assert_eq!(none().permissions(from(&["a"]).split("")).unwrap_err(), MappingError::EmptySeparator);
}

#[test]
fn claims_without_a_proof_are_read_as_those_of_a_token_would_be() {
    let issuer = IssuerUrl::parse("https://issuer.example").unwrap();
    let mapping = ClaimMapping::orgate();
    let text = r#"{"sub":"u1","org_id":"acme","org_role":"admin","org_permissions":["read"]}"#;
    let principal = mapping.read_unproven(&issuer, text).unwrap();
    assert_eq!(principal.to_string(), "u1 in acme");
    assert_eq!(principal.permissions().len(), 1);
    for (text, kind) in [
        (r#"{"sub":"u1","sub":"u2"}"#, VerifyErrorKind::Malformed),
        (r#"{"org_id":"acme"}"#, MissingClaim),
        (r#"{"sub":"u1","org_permissions":"read"}"#, MalformedClaim),
    ] {
        assert_eq!(mapping.read_unproven(&issuer, text).unwrap_err().kind(), kind, "{text}");
    }
}
