//! What was verified once and is used again: as long as it would be verified with the same result, and no longer.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod common;

use common::{NOW, RULES, check, gate, parts, token, token_at, with_token};
use orgate::Gate;
use orgate_testkit::TestKey;

fn at(gate: &Gate, token: &str, seconds: i64) -> String {
    check(gate, "GET /docs", &[("authorization", &format!("Bearer {token}"))], NOW + seconds)
}

/// How often a token with one permission that the policy does not know was verified.
fn verified(gate: &Gate) -> u64 {
    gate.status().unknown_permissions
}

#[test]
fn a_set_that_keeps_the_key_keeps_what_it_proved_and_one_without_it_ends_that_at_once() {
    let (gate, keys) = gate();
    let token = token(&["read", "fly"]);
    assert_eq!((at(&gate, &token, 0).as_str(), verified(&gate)), ("allow GET /docs", 1));
    for others in [
        &[TestKey::es256(), TestKey::rs256()][..],
        &[TestKey::eddsa(), TestKey::es256()],
        &[TestKey::es256()],
    ] {
        keys.publish(others);
        keys.load();
        assert_eq!((at(&gate, &token, 0).as_str(), verified(&gate)), ("allow GET /docs", 1));
    }
    keys.publish(&[TestKey::rs256()]);
    keys.load();
    assert!(at(&gate, &token, 0).starts_with("needs Keys"), "{}", at(&gate, &token, 0));
    // Another key in the place of the one that was.
    let usurper = TestKey::make_es256(TestKey::es256().kid());
    keys.publish(&[&usurper]);
    keys.load();
    assert_eq!(at(&gate, &token, 0), "401 invalid_token");
    assert_eq!(verified(&gate), 1);
}

#[test]
fn no_keys_in_hand_end_what_they_proved() {
    let (gate, keys) = gate();
    let token = token(&["read"]);
    assert_eq!(at(&gate, &token, 0), "allow GET /docs");
    *keys.published() = None;
    keys.load();
    assert!(at(&gate, &token, 0).starts_with("needs Keys"));
}

#[test]
fn another_policy_verifies_anew_and_another_token_is_another() {
    let (gate, keys) = gate();
    let (one, two) =
        (token(&["read", "fly"]), token_at(NOW, &["read", "fly"], |claims| claims["jti"] = "2".into()));
    for _ in 0..2 {
        assert_eq!(at(&gate, &one, 0), "allow GET /docs");
        assert_eq!(at(&gate, &two, 0), "allow GET /docs");
    }
    assert_eq!(verified(&gate), 2);
    gate.replace(parts(&RULES, &keys));
    assert_eq!(at(&gate, &one, 0), "allow GET /docs");
    assert_eq!(verified(&gate), 3);
}

#[test]
fn the_times_of_a_token_are_judged_on_each_hit() {
    let (gate, _) = gate();
    let token = token_at(NOW, &["read", "fly"], |claims| {
        claims["nbf"] = (NOW - 10).into();
        claims["exp"] = (NOW + 100).into();
    });
    for (seconds, expected, times) in [
        (0, "allow GET /docs", 1),
        (129, "allow GET /docs", 1),
        (130, "401 expired_token", 1),
        (500, "401 expired_token", 1),
        (129, "allow GET /docs", 1),
        // A clock that was put back: nothing is known of it there, and it is too early.
        (-41, "401 invalid_token", 1),
    ] {
        assert_eq!((at(&gate, &token, seconds).as_str(), verified(&gate)), (expected, times), "{seconds}");
    }
}

#[test]
fn of_many_requests_at_once_each_is_decided_by_its_own_token() {
    let (gate, _) = gate();
    // Of one subject, with one name, and other permissions.
    let token = |permissions: &[&str]| token_at(NOW, permissions, |claims| claims["jti"] = "1".into());
    let (reader, writer) = (token(&["read"]), token(&["write"]));
    let cases = [
        ("GET /docs", &reader, "allow GET /docs"),
        ("POST /docs", &reader, "403 missing_permission"),
        ("GET /docs", &writer, "403 missing_permission"),
        ("POST /docs", &writer, "allow POST /docs"),
    ];
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let gate = &gate;
            scope.spawn(move || {
                for number in 0..12 {
                    let (request, token, expected) = cases[(thread + number) % cases.len()];
                    assert_eq!(with_token(gate, request, token), expected, "{request}");
                }
            });
        }
    });
}

#[test]
fn the_decision_is_made_anew_on_each_hit() {
    let (gate, _) = gate();
    let bearer = format!("Bearer {}", token(&["read", "fly"]));
    let ask = |request: &str| check(&gate, request, &[("authorization", &bearer)], NOW);
    for _ in 0..2 {
        assert_eq!(ask("GET /docs"), "allow GET /docs");
        assert_eq!(ask("POST /docs"), "403 missing_permission");
        assert_eq!(ask("DELETE /orgs/org_globex"), "403 org_mismatch");
    }
    assert_eq!(verified(&gate), 1);
}
