//! The gate: the order of a decision, what is cached, and what is not.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod common;

use std::sync::{Arc, atomic::Ordering};

use common::{Keys, NOW, RULES, Sent, check, gate, parts, token, token_at, verdict_text, with_token};
use http::StatusCode;
use orgate::{Code, DenyOptions, Gate, Rejection};
use orgate_testkit::TestKey;

#[test]
fn a_decision_follows_the_order_target_route_credential_requirement() {
    let (gate, _) = gate();
    let (reader, none) = (token(&["read"]), token(&[]));
    for (request, token, expected) in [
        ("GET /healthz", None, "allow GET /healthz"),
        ("GET /healthz", Some("not a token"), "allow GET /healthz"),
        ("GET /../docs", Some(&*reader), "400 bad_request_target"),
        ("TRACE /docs", Some(&reader), "400 bad_request"),
        ("delete /closed", Some(&reader), "400 bad_request"),
        ("GET /nowhere", Some("not.a.token"), "403 no_rule"),
        ("PATCH /docs", Some("not.a.token"), "403 method_not_covered"),
        ("GET /closed", Some(&reader), "403 denied"),
        ("GET /closed", None, "403 denied"),
        ("GET /docs", None, "401 no_credential"),
        ("GET /docs", Some("not.a.token"), "401 invalid_token"),
        ("GET /docs", Some(&reader), "allow GET /docs"),
        ("HEAD /docs", Some(&reader), "allow GET /docs"),
        ("POST /docs", Some(&reader), "403 missing_permission"),
        ("GET /docs", Some(&none), "403 missing_permission"),
        ("GET /feed", None, "allow GET /feed"),
        ("GET /feed", Some(&reader), "allow GET /feed"),
        ("GET /feed", Some("not.a.token"), "401 invalid_token"),
    ] {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let headers: Vec<_> = bearer.iter().map(|value| ("authorization", value.as_str())).collect();
        // A header that is not a token at all must not disturb a public route.
        assert_eq!(check(&gate, request, &headers, NOW), expected, "{request} with {token:?}");
    }
}

#[test]
fn another_organization_is_refused_without_being_asked() {
    let (gate, _) = gate();
    let owner = token_at(NOW, &["delete_org"], |claims| claims["org_id"] = "org_acme".into());
    let homeless = token_at(NOW, &["delete_org"], |claims| {
        for claim in ["org_id", "org_slug", "org_role", "org_permissions"] {
            claims.as_object_mut().unwrap().remove(claim);
        }
    });
    assert_eq!(with_token(&gate, "DELETE /orgs/org_acme", &owner), "allow DELETE /orgs/{org_id}");
    assert_eq!(with_token(&gate, "DELETE /orgs/org_globex", &owner), "403 org_mismatch");
    assert_eq!(with_token(&gate, "DELETE /orgs/org_acme", &homeless), "403 no_active_org");
    assert_eq!(with_token(&gate, "GET /me", &homeless), "allow GET /me");
    assert_eq!(with_token(&gate, "GET /docs", &homeless), "403 no_active_org");
}

#[test]
fn what_a_token_lacks_is_told_by_its_code() {
    let (gate, _) = gate();
    for (edit, expected) in [
        (("exp", (NOW - 31).into()), "401 expired_token"),
        (("iss", "https://evil.example".into()), "401 unknown_issuer"),
        (("aud", "other".into()), "401 invalid_token"),
        (("org_permissions", "read write".into()), "401 malformed_claim"),
        (("sub", 7.5.into()), "401 malformed_claim"),
    ] as [((&str, serde_json::Value), &str); 5]
    {
        let token = token_at(NOW, &["read"], |claims| claims[edit.0] = edit.1.clone());
        assert_eq!(with_token(&gate, "GET /docs", &token), expected, "{}", edit.0);
    }
}

#[test]
fn a_token_bound_to_a_key_is_no_bearer_token() {
    let (gate, _) = gate();
    for (member, value) in [
        ("jkt", "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"),
        ("x5t#S256", "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg0"),
    ] {
        let bound = token_at(NOW, &["read"], |claims| claims["cnf"] = serde_json::json!({ member: value }));
        for _ in 0..2 {
            assert_eq!(
                with_token(&gate, "GET /docs", &bound),
                "401 invalid_token",
                "{member}, and not from the cache either"
            );
        }
    }
}

#[test]
fn two_credentials_are_a_bad_request() {
    let (gate, _) = gate();
    let bearer = format!("Bearer {}", token(&["read"]));
    let twice = [("authorization", bearer.as_str()), ("authorization", bearer.as_str())];
    assert_eq!(check(&gate, "GET /docs", &twice, NOW), "400 bad_request");
    assert_eq!(check(&gate, "GET /docs", &[("authorization", "Bearer a b")], NOW), "400 bad_request");
    assert_eq!(check(&gate, "GET /docs", &[("authorization", "Basic eDp5")], NOW), "401 no_credential");
}

#[test]
fn a_cached_token_ends_with_the_token() {
    let (gate, _) = gate();
    let token = token(&["read"]); // five minutes, and 30 seconds of leeway
    let bearer = format!("Bearer {token}");
    let at = |seconds| check(&gate, "GET /docs", &[("authorization", &bearer)], NOW + seconds);
    assert_eq!(at(0), "allow GET /docs");
    assert_eq!(at(329), "allow GET /docs");
    assert_eq!(at(330), "401 expired_token");
    assert_eq!(at(10), "allow GET /docs", "time did not pass for another request");
}

#[test]
fn a_cached_token_ends_with_its_key() {
    let (gate, keys) = gate();
    let token = token(&["read"]);
    assert_eq!(with_token(&gate, "GET /docs", &token), "allow GET /docs");
    keys.publish(&[TestKey::rs256()]);
    keys.load();
    assert!(with_token(&gate, "GET /docs", &token).starts_with("needs Keys"), "the key was withdrawn");
}

#[test]
fn a_cached_token_is_read_again_under_another_policy() {
    let (gate, keys) = gate();
    let token = token(&["read"]);
    assert_eq!(with_token(&gate, "GET /docs", &token), "allow GET /docs");
    gate.replace(parts(&[("GET /docs", "write"), ("GET /new", "read")], &keys));
    assert_eq!(with_token(&gate, "GET /docs", &token), "403 missing_permission");
    assert_eq!(with_token(&gate, "GET /new", &token), "allow GET /new");
}

#[test]
fn one_byte_of_difference_is_another_token() {
    let (gate, _) = gate();
    let good = token(&["read"]);
    assert_eq!(with_token(&gate, "GET /docs", &good), "allow GET /docs");
    let (rest, last) = good.split_at(good.len() - 3);
    let forged = format!("{rest}{}", if last == "AAA" { "BBB" } else { "AAA" });
    assert_eq!(with_token(&gate, "GET /docs", &forged), "401 invalid_token");
}

/// What the waiting form of the check says; it reads the real clock, so the token must be fresh.
async fn wait(gate: &Gate, token: &str) -> String {
    verdict_text(&gate.check(&Sent::bearing("GET /docs", token).head()).await)
}

#[tokio::test]
async fn keys_are_fetched_when_they_are_needed_and_only_then() {
    let keys = Arc::new(Keys::default());
    let gate = Gate::new(parts(&RULES, &keys));
    let now = orgate::clock::now().seconds();
    let token = token_at(now, &["read"], |_| {});

    assert!(!gate.status().is_ready());
    assert_eq!(check(&gate, "GET /healthz", &[], now), "allow GET /healthz", "public routes need no keys");
    assert_eq!(wait(&gate, &token).await, "503 keys_unavailable", "never 401 for want of keys");
    assert_eq!(keys.refreshes.load(Ordering::Relaxed), 1);

    keys.publish(&[TestKey::rs256()]);
    assert_eq!(
        wait(&gate, &token).await,
        "401 invalid_token",
        "keys are in hand and this one is not among them"
    );

    keys.publish(&[TestKey::rs256(), TestKey::es256()]);
    assert_eq!(wait(&gate, &token).await, "allow GET /docs", "rotated in");
    let refreshes = keys.refreshes.load(Ordering::Relaxed);
    assert_eq!(wait(&gate, &token).await, "allow GET /docs");
    assert_eq!(wait(&gate, "not.a.token").await, "401 invalid_token");
    assert_eq!(
        keys.refreshes.load(Ordering::Relaxed),
        refreshes,
        "a known key and a bad token fetch nothing"
    );
    assert!(gate.status().is_ready());
}

#[tokio::test]
async fn who_comes_too_early_is_told_when_the_issuer_may_be_asked_again() {
    let keys = Arc::new(Keys::default());
    let gate = Gate::new(parts(&RULES, &keys));
    let token = token_at(orgate::clock::now().seconds(), &["read"], |_| {});
    for (pause, told) in
        [(None, "5"), (Some(0), "1"), (Some(7_200), "8"), (Some(60_000), "60"), (Some(600_000), "60")]
    {
        *keys.pause.lock().unwrap() = pause.map(std::time::Duration::from_millis);
        let sent = Sent::bearing("GET /docs", &token);
        let orgate::Verdict::Reject(rejection) = gate.check(&sent.head()).await else {
            panic!("let in without keys")
        };
        assert_eq!(rejection.code().as_str(), "keys_unavailable");
        assert_eq!(rejection.response(None).headers()["retry-after"], told, "{pause:?}");
    }
}

fn body(rejection: &Rejection, request_id: Option<&str>) -> serde_json::Value {
    serde_json::from_slice(rejection.response(request_id).body()).unwrap()
}

fn reject(gate: &Gate, request: &str, token: Option<&str>) -> Rejection {
    let bearer = token.map(|token| format!("Bearer {token}"));
    let headers: Vec<_> = bearer.iter().map(|bearer| ("authorization", bearer.as_str())).collect();
    Sent::new(request, &headers).refused_at(gate, NOW)
}

#[test]
fn a_refusal_says_what_is_missing_and_challenges_as_rfc_6750_says() {
    let (gate, _) = gate();
    let rejection = reject(&gate, "POST /docs", Some(&token(&["read"])));
    assert_eq!(
        body(&rejection, Some("r1")),
        serde_json::json!({
            "type": "urn:orgate:error:missing_permission", "title": "Missing permission", "status": 403,
            "code": "missing_permission", "required": "write", "missing": ["write"], "rule": "POST /docs",
            "request_id": "r1",
        })
    );
    let header = |rejection: &Rejection, name: &str| {
        rejection.response(None).headers().get(name).map(|value| value.to_str().unwrap().to_owned())
    };
    let challenge = |rejection: &Rejection| header(rejection, "www-authenticate");
    assert_eq!(
        challenge(&rejection).unwrap(),
        r#"Bearer realm="orgate", error="insufficient_scope", scope="write""#
    );
    assert_eq!(header(&rejection, "cache-control").unwrap(), "no-store");
    assert_eq!(header(&rejection, "content-type").unwrap(), "application/problem+json");
    let anonymous = reject(&gate, "POST /docs", None);
    assert_eq!(challenge(&anonymous).unwrap(), r#"Bearer realm="orgate""#, "no error without a credential");
    let invalid = challenge(&reject(&gate, "POST /docs", Some("a.b.c"))).unwrap();
    assert!(invalid.contains(r#"error="invalid_token""#), "{invalid}");
    assert_eq!(challenge(&reject(&gate, "GET /nowhere", None)), None);
}

#[test]
fn hiding_answers_as_if_there_were_nothing() {
    let (gate, keys) = gate();
    let deny = DenyOptions { hide: true, unmatched_not_found: true, ..DenyOptions::default() };
    gate.replace(parts(&RULES, &keys).deny(deny));
    let hidden = reject(&gate, "DELETE /orgs/org_globex", Some(&token(&["delete_org"])));
    let unmatched = reject(&gate, "GET /nowhere", None);
    assert_eq!(body(&hidden, None), body(&unmatched, None), "nobody can tell the two apart");
    assert_eq!((hidden.status(), hidden.code()), (StatusCode::NOT_FOUND, Code::NotFound));
    assert_eq!(
        (hidden.reason(), unmatched.reason()),
        (Code::OrganizationMismatch, Code::NoRule),
        "the log can"
    );
}

#[test]
fn flat_bodies_carry_the_title_alone() {
    let (gate, keys) = gate();
    gate.replace(parts(&RULES, &keys).deny(DenyOptions { flat: true, ..DenyOptions::default() }));
    let homeless = token_at(NOW, &[], |claims| {
        claims.as_object_mut().unwrap().retain(|name, _| !name.starts_with("org_"));
    });
    let rejection = reject(&gate, "GET /docs", Some(&homeless));
    assert_eq!(body(&rejection, None), serde_json::json!({ "error": "No active organization" }));
}

#[test]
fn the_table_of_refusals_is_stable() {
    let rows: Vec<String> =
        Code::ALL.iter().map(|code| format!("{} {code}: {}", code.status().as_u16(), code.title())).collect();
    assert_eq!(
        rows.join("\n"),
        "400 bad_request_target: Ambiguous request target\n\
         400 bad_request: Bad request\n\
         401 no_credential: Sign-in required\n\
         401 invalid_token: Invalid token\n\
         401 expired_token: Expired token\n\
         401 unknown_issuer: Unknown issuer\n\
         401 malformed_claim: Malformed claim\n\
         401 revoked: Revoked\n\
         403 no_rule: No rule for this path\n\
         403 method_not_covered: No rule for this method\n\
         403 denied: Denied\n\
         403 no_active_org: No active organization\n\
         403 org_mismatch: Another organization\n\
         403 missing_permission: Missing permission\n\
         403 missing_role: Missing role\n\
         403 condition_failed: Condition failed\n\
         404 not_found: Not found\n\
         401 step_up_required: A newer or stronger sign-in is required\n\
         403 csrf: Cross-site request\n\
         413 content_too_large: Content too large\n\
         429 rate_limited: Too many requests\n\
         503 keys_unavailable: Keys unavailable\n\
         503 stale_feed: Rights could not be checked"
    );
}

#[test]
fn no_token_is_shown_by_debug_forms() {
    let (gate, _) = gate();
    let token = token(&["read"]);
    assert_eq!(with_token(&gate, "GET /docs", &token), "allow GET /docs");
    let shown = format!("{gate:?} {:?}", reject(&gate, "POST /docs", Some(&token)));
    let signature = token.rsplit('.').next().unwrap();
    assert!(!shown.contains(signature) && !shown.contains(&token));
}
