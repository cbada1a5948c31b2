//! Tokens that fail again and again: what is remembered of them, and what is not.

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

/// A token whose signature is another's.
fn forged() -> String {
    let (good, other) = (token(&["read"]), token(&["write"]));
    let (signed, _) = good.rsplit_once('.').unwrap();
    let (_, signature) = other.rsplit_once('.').unwrap();
    format!("{signed}.{signature}")
}

fn at(gate: &Gate, token: &str, seconds: i64) -> String {
    check(gate, "GET /docs", &[("authorization", &format!("Bearer {token}"))], NOW + seconds)
}

fn recognized(gate: &Gate) -> u64 {
    gate.status().forgeries_recognized
}

#[test]
fn a_forgery_is_checked_once_in_ten_seconds() {
    let (gate, _) = gate();
    let forged = forged();
    for (seconds, before) in [(0, 0), (0, 1), (9, 2), (10, 2), (19, 3), (20, 3), (15, 3)] {
        assert_eq!(at(&gate, &forged, seconds), "401 invalid_token", "{seconds}");
        assert_eq!(recognized(&gate), before, "{seconds}");
    }
}

#[test]
fn a_forgery_is_checked_again_under_other_keys() {
    let (gate, keys) = gate();
    let forged = forged();
    assert_eq!(at(&gate, &forged, 0), "401 invalid_token");
    keys.load();
    assert_eq!((at(&gate, &forged, 0).as_str(), recognized(&gate)), ("401 invalid_token", 0));
    assert_eq!((at(&gate, &forged, 0).as_str(), recognized(&gate)), ("401 invalid_token", 1));
}

#[test]
fn a_forgery_is_checked_again_under_another_policy() {
    let (gate, keys) = gate();
    let forged = forged();
    assert_eq!(at(&gate, &forged, 0), "401 invalid_token");
    gate.replace(parts(&RULES, &keys));
    assert_eq!((at(&gate, &forged, 0).as_str(), recognized(&gate)), ("401 invalid_token", 0));
}

#[test]
fn what_is_wrong_otherwise_is_not_remembered() {
    let (gate, _) = gate();
    let expired = token_at(NOW - 1_000, &["read"], |_| {});
    let foreign = token_at(NOW, &["read"], |claims| claims["iss"] = "https://evil.example".into());
    for (token, expected) in [
        (expired.as_str(), "401 expired_token"),
        (&foreign, "401 unknown_issuer"),
        ("not.a.token", "401 invalid_token"),
    ] {
        for _ in 0..3 {
            assert_eq!(at(&gate, token, 0), expected);
        }
    }
    assert_eq!(recognized(&gate), 0);
}

#[test]
fn a_flood_of_forgeries_leaves_good_tokens_alone() {
    let (gate, _) = gate();
    let good = token(&["read"]);
    assert_eq!(with_token(&gate, "GET /docs", &good), "allow GET /docs");
    let (signed, _) = good.rsplit_once('.').unwrap();
    for number in 0..3_000u32 {
        // 64 bytes in base64url are 86 characters, of which the last may hold few bits.
        let forged = format!("{signed}.{}{number:05x}A", format!("{number:08x}").repeat(10));
        assert_eq!(at(&gate, &forged, 0), "401 invalid_token", "{number}");
    }
    assert_eq!((with_token(&gate, "GET /docs", &good).as_str(), recognized(&gate)), ("allow GET /docs", 0));
}

#[test]
fn a_clock_that_is_put_back_brings_no_token_to_life_early() {
    let (gate, _) = gate();
    let early = token_at(NOW, &["read"], |claims| claims["nbf"] = (NOW + 20).into()); // within the leeway of 30 s
    assert_eq!(at(&gate, &early, 0), "allow GET /docs");
    assert_eq!(at(&gate, &early, -11), "401 invalid_token");
    assert_eq!(at(&gate, &early, 0), "allow GET /docs");
}

#[test]
fn permissions_that_the_policy_does_not_know_are_left_out_and_counted_once_for_each_token() {
    let (gate, _) = gate();
    let token = token(&["read", "fly", "teleport"]);
    for _ in 0..3 {
        assert_eq!(with_token(&gate, "GET /docs", &token), "allow GET /docs");
    }
    assert_eq!(gate.status().unknown_permissions, 2);
}
