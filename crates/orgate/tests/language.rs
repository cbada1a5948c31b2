//! The language of a policy file, from the text to the answer of the gate.

#![cfg(all(feature = "config", feature = "remote"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod common;

use common::{ISSUER, Sent, check, gate_in};
use orgate::Gate;
use orgate_testkit::{Folder, TestKey, access_token_claims};
use serde_json::Value;

/// A gate of these sections, for tokens of one issuer whose key lies beside the file.
async fn gate(sections: &str) -> Gate {
    gate_in(&Folder::new(), "", sections).await
}

fn now() -> i64 {
    orgate::clock::now().seconds()
}

/// A token of Ann, changed by `edit`.
fn bearer(edit: impl FnOnce(&mut Value)) -> String {
    let mut claims = access_token_claims(ISSUER, "api", now());
    edit(&mut claims);
    format!("Bearer {}", TestKey::es256().mint(&claims))
}

fn ask(gate: &Gate, request: &str, authorization: &str, more: &[(&str, &str)]) -> String {
    let headers: Vec<_> =
        [("authorization", authorization)].into_iter().chain(more.iter().copied()).collect();
    check(gate, request, &headers, now())
}

#[tokio::test]
async fn rules_compare_claims_headers_and_queries() {
    let gate = gate("conditions:\n  same_team: path.team_id == claims.team\n  listed: org.id in claims.https://x.example/orgs\n\
         bind:\n  header.x-org-id: org.id\n\
         rules:\n  PATCH /teams/{team_id}: authenticated and same_team\n  GET /listed: listed\n  \
         GET /export: 'query.format == \"csv\" and header.x-reason != \"\"'\n  GET /me: authenticated\n",
    )
    .await;
    let org = access_token_claims(ISSUER, "api", 0)["org_id"].as_str().unwrap().to_owned();
    let ann = bearer(|claims| {
        claims["team"] = "t1".into();
        claims["https://x.example/orgs"] = vec![org.clone(), "other".to_owned()].into();
    });
    let bob = bearer(|claims| claims["https://x.example/orgs"] = vec!["other"].into());
    let broken = bearer(|claims| claims["team"] = vec!["t1"].into());
    for (request, token, more, expected) in [
        ("PATCH /teams/t1", &ann, &[][..], "allow PATCH /teams/{team_id}"),
        ("PATCH /teams/t2", &ann, &[], "403 condition_failed"),
        ("PATCH /teams/t1", &bob, &[], "403 condition_failed"),
        ("PATCH /teams/t1", &broken, &[], "401 malformed_claim"),
        ("GET /me", &broken, &[], "401 malformed_claim"),
        ("GET /listed", &ann, &[], "allow GET /listed"),
        ("GET /listed", &bob, &[], "403 condition_failed"),
        ("GET /export?format=csv", &ann, &[("x-reason", "audit")], "allow GET /export"),
        ("GET /export?format=csv", &ann, &[], "403 condition_failed"),
        ("GET /export?format=csv&format=csv", &ann, &[("x-reason", "audit")], "403 condition_failed"),
        ("GET /me", &ann, &[("x-org-id", &org)], "allow GET /me"),
        ("GET /me", &ann, &[("x-org-id", "org_other")], "403 org_mismatch"),
        ("GET /me", &ann, &[("x-org-id", &org), ("x-org-id", &org)], "403 org_mismatch"),
        // What CGI and its heirs read as the same variable, and what does not reach the application.
        ("GET /me", &ann, &[("x_org_id", "org_other")], "403 org_mismatch"),
        ("GET /me", &ann, &[("x-org_id", &org)], "403 org_mismatch"),
        ("GET /me", &ann, &[("x-org-id", &org), ("x_org_id", "org_other")], "403 org_mismatch"),
        ("GET /me", &ann, &[("x-org-id", &org), ("connection", "close, X-Org-Id")], "403 org_mismatch"),
        ("GET /export?format=csv", &ann, &[("x-reason", "a"), ("x_reason", "b")], "403 condition_failed"),
        (
            "GET /export?format=csv",
            &ann,
            &[("x-reason", "a"), ("connection", "x-reason")],
            "403 condition_failed",
        ),
    ] {
        assert_eq!(ask(&gate, request, token, more), expected, "{request} {more:?}");
    }
}

#[tokio::test]
async fn a_better_sign_in_is_named_in_the_challenge() {
    let gate = gate("rules:\n  DELETE /a: delete_org and acr(\"mfa\") and fresh(15m)\n").await;
    let at = |age: i64, acr: &'static str, permissions: &[&str]| {
        let permissions: Value = permissions.into();
        bearer(move |claims| {
            claims["auth_time"] = (now() - age).into();
            claims["acr"] = acr.into();
            claims["org_permissions"] = permissions;
        })
    };
    assert_eq!(ask(&gate, "DELETE /a", &at(60, "mfa", &["delete_org"]), &[]), "allow DELETE /a");
    assert_eq!(ask(&gate, "DELETE /a", &at(60, "mfa", &["read"]), &[]), "403 missing_permission");
    let challenge = |authorization: &str| {
        let rejection = Sent::new("DELETE /a", &[("authorization", authorization)]).refused_at(&gate, now());
        assert_eq!(rejection.code().as_str(), "step_up_required");
        rejection.response(None).headers()["www-authenticate"].to_str().unwrap().to_owned()
    };
    let start = "Bearer realm=\"orgate\", error=\"insufficient_user_authentication\", \
                 error_description=\"A newer or stronger sign-in is required\"";
    assert_eq!(challenge(&at(60, "pwd", &["delete_org"])), format!("{start}, acr_values=\"mfa\""));
    assert_eq!(challenge(&at(901, "mfa", &["delete_org"])), format!("{start}, max_age=\"900\""));
    assert_eq!(
        challenge(&at(901, "pwd", &["delete_org"])),
        format!("{start}, acr_values=\"mfa\", max_age=\"900\"")
    );
}
