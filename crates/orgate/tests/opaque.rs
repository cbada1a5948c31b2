//! Opaque tokens and API keys: from the policy file to the answer of the layer, with an issuer that is asked about them.

#![cfg(all(feature = "config", feature = "remote"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod common;

use std::{convert::Infallible, time::Instant};

use bytes::Bytes;
use common::{ISSUER, gate_in};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use orgate::{Gate, Principal};
use orgate_testkit::{Folder, Introspector, TestKey, access_token_claims};
use serde_json::{Value, json};
use tower::{Layer, ServiceExt, service_fn};

const OTHER: &str = "https://keys.example";
const RULES: &str = "rules:\n  GET /docs: read\n  POST /docs: write\n  DELETE /docs: {require: write, fresh: live}\n  GET /orgs/{org_id}: read\n";

/// A gate of an issuer that signs tokens and is asked about opaque ones as `main` says, and of another, of API keys, as
/// `keys` says.
async fn gate_of(main: &str, keys: &str) -> (Gate, Folder) {
    let folder = Folder::new();
    folder.write("secret", "s3cret-of-the-gate");
    let gate = gate_in(&folder, main, &format!("{keys}{RULES}")).await;
    (gate, folder)
}

fn introspect(issuer: &Introspector, more: &str) -> String {
    format!(", introspect: {{url: \"{}\", client_id: gate, secret: {{file: secret}}, {more}}}", issuer.url())
}

async fn gate(issuer: &Introspector, more: &str) -> (Gate, Folder) {
    gate_of(&introspect(issuer, more), "").await
}

fn claims(issuer: &str, permissions: &[&str]) -> Value {
    let mut claims = access_token_claims(issuer, "api", orgate::clock::now().seconds());
    claims["org_permissions"] = permissions.into();
    claims["active"] = true.into();
    claims
}

async fn answered(gate: &Gate, request: &str, token: &str) -> Response<Full<Bytes>> {
    let service = service_fn(|request: Request<Full<Bytes>>| async move {
        let caller = request.extensions().get::<Principal>().unwrap();
        let organization = caller.organization().map(|organization| organization.id.to_string());
        let text =
            format!("{} of {} by {}", caller.subject(), organization.unwrap_or_default(), caller.issuer());
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(text)))
    });
    let (method, path) = request.split_once(' ').unwrap();
    let request =
        Request::builder().method(method).uri(path).header("authorization", format!("Bearer {token}"));
    gate.layer().layer(service).oneshot(request.body(Full::default()).unwrap()).await.unwrap()
}

async fn ask(gate: &Gate, request: &str, token: &str) -> String {
    let response = answered(gate, request, token).await;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let body = String::from_utf8(body.to_vec()).unwrap();
    assert!(!body.contains(token), "{body}");
    let code = body.split_once("\"code\":\"").and_then(|(_, rest)| rest.split('"').next());
    format!("{status} {}", code.unwrap_or(&body))
}

/// How often the issuer was asked, how often it gave no answer, and how often what it said was used again.
fn figures(gate: &Gate) -> (u64, u64, u64) {
    let counted = gate.status().issuers[0].introspection.unwrap();
    (counted.asked, counted.failures, counted.reused)
}

#[tokio::test]
async fn an_opaque_token_gives_the_principal_that_a_jwt_gives() {
    let issuer = Introspector::start().await;
    let (gate, _folder) = gate(&issuer, "opaque: true").await;
    issuer.knows("opaque-of-ann", claims(ISSUER, &["read"]));
    let mut signed = claims(ISSUER, &["read"]);
    signed.as_object_mut().unwrap().remove("active");
    let jwt = TestKey::es256().mint(&signed);
    let ann = "200 usr_ann of org_acme by https://issuer.example";
    for (request, expected) in [
        ("GET /docs", ann),
        ("POST /docs", "403 missing_permission"),
        ("GET /orgs/org_acme", ann),
        ("GET /orgs/org_globex", "403 org_mismatch"),
    ] {
        assert_eq!(ask(&gate, request, "opaque-of-ann").await, expected, "{request}");
        assert_eq!(ask(&gate, request, &jwt).await, expected, "{request}");
    }
    assert_eq!(issuer.asked(), ["opaque-of-ann"], "once, and never about a JWT");
    assert_eq!(figures(&gate), (1, 0, 3));
}

#[tokio::test]
async fn what_the_issuer_says_is_judged_as_a_tokens_claims_are() {
    let issuer = Introspector::start().await;
    let (gate, _folder) = gate(&issuer, "opaque: true, cache: 0s").await;
    let now = orgate::clock::now().seconds();
    let rows = [
        ("active", json!(false), "401 invalid_token"),
        ("active", json!("yes"), "503 keys_unavailable"),
        ("iss", json!(OTHER), "401 unknown_issuer"),
        ("aud", json!("another"), "401 invalid_token"),
        ("exp", json!(now - 60), "401 expired_token"),
        ("nbf", json!(now + 600), "401 invalid_token"),
        ("sub", Value::Null, "401 malformed_claim"),
        ("org_permissions", json!("read"), "401 malformed_claim"),
        ("token_type", json!("refresh_token"), "401 invalid_token"),
        ("cnf", json!({"x5t#S256": "abc"}), "401 malformed_claim"),
        ("cnf", json!({"x5t#S256": "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0"}), "401 invalid_token"),
        ("org_permissions", json!(["read"]), "200 usr_ann of org_acme by https://issuer.example"),
    ];
    for (number, (name, value, expected)) in rows.into_iter().enumerate() {
        let mut said = claims(ISSUER, &["read"]);
        said[name] = value.clone();
        let token = format!("opaque-{number}");
        issuer.knows(&token, said);
        assert_eq!(ask(&gate, "GET /docs", &token).await, expected, "{name}: {value}");
    }
    // An answer that has two readings says nothing.
    issuer.knows("twice", r#"{"active":true,"aud":"api","sub":"ann","sub":"bob","exp":9999999999}"#);
    assert_eq!(ask(&gate, "GET /docs", "twice").await, "503 keys_unavailable");
}

#[tokio::test]
async fn an_answer_is_used_again_as_the_policy_says_and_never_beyond_exp() {
    let issuer = Introspector::start().await;
    let times = |gate: Gate| {
        let issuer = &issuer;
        async move {
            let _ = issuer.asked();
            for _ in 0..3 {
                assert!(ask(&gate, "GET /docs", "key").await.starts_with("200 "));
            }
            issuer.asked().len()
        }
    };
    issuer.knows("key", claims(ISSUER, &["read"]));
    let (never, _one) = gate(&issuer, "opaque: true, cache: 0s").await;
    assert_eq!(times(never).await, 3);
    let (default, _two) = gate(&issuer, "opaque: true").await;
    assert_eq!(times(default.clone()).await, 1);
    // API keys may say nothing of an end.
    let mut endless = claims(ISSUER, &["read"]);
    endless.as_object_mut().unwrap().remove("exp");
    issuer.knows("key", &endless);
    let (minutes, _three) = gate(&issuer, "opaque: true, cache: 5m").await;
    assert_eq!(times(minutes).await, 1);
    // What has ended by its own word, within the leeway, is not kept at all.
    let mut ended = endless;
    ended["exp"] = orgate::clock::now().seconds().into();
    issuer.knows("key", &ended);
    let (gate, _four) = gate(&issuer, "opaque: true, cache: 5m").await;
    assert_eq!(times(gate).await, 3);
}

#[tokio::test]
async fn a_rule_that_wants_the_rights_of_now_asks_again_and_once() {
    let issuer = Introspector::start().await;
    let (gate, _folder) = gate(&issuer, "opaque: true").await;
    issuer.knows("key", claims(ISSUER, &["read", "write"]));
    assert!(ask(&gate, "DELETE /docs", "key").await.starts_with("200 "));
    assert_eq!(issuer.asked().len(), 1, "what was heard for this very request is of now");
    assert!(ask(&gate, "DELETE /docs", "key").await.starts_with("200 "));
    assert_eq!(issuer.asked().len(), 1, "not what was heard before");
    issuer.forgets("key");
    assert!(ask(&gate, "GET /docs", "key").await.starts_with("200 "), "as long as the answer is used again");
    assert_eq!(ask(&gate, "DELETE /docs", "key").await, "401 revoked");
    assert_eq!(
        ask(&gate, "GET /docs", "key").await,
        "401 invalid_token",
        "what is known now holds for all rules"
    );
}

#[tokio::test]
async fn a_no_is_remembered_and_an_issuer_that_is_down_says_nothing() {
    let issuer = Introspector::start().await;
    let (gate, _folder) = gate(&issuer, "opaque: true").await;
    issuer.knows("cached", claims(ISSUER, &["read"]));
    assert!(ask(&gate, "GET /docs", "cached").await.starts_with("200 "));
    let _ = issuer.asked();
    for _ in 0..5 {
        assert_eq!(ask(&gate, "GET /docs", "made-up").await, "401 invalid_token");
    }
    assert_eq!(issuer.asked(), ["made-up"]);
    assert_eq!(figures(&gate), (2, 0, 4), "a no is used again as well");
    issuer.down(true);
    issuer.knows("good", claims(ISSUER, &["read"]));
    let response = answered(&gate, "GET /docs", "good").await;
    assert_eq!(
        (response.status().as_u16(), &response.headers()["retry-after"]),
        (503, &"5".parse().unwrap())
    );
    assert!(!response.headers().contains_key("www-authenticate"));
    assert!(ask(&gate, "GET /docs", "cached").await.starts_with("200 "), "what is in hand goes on");
    assert_eq!(figures(&gate), (3, 1, 5));
    issuer.down(false);
    assert!(ask(&gate, "GET /docs", "good").await.starts_with("200 "), "silence is not remembered");
}

#[tokio::test]
async fn a_token_is_shown_to_the_issuer_that_it_begins_like_and_to_no_other() {
    let (people, machines) = (Introspector::start().await, Introspector::start().await);
    let keys = format!(
        "  keys: {{issuer: {OTHER}, audience: api, profile: orgate, keys: none{}}}\n",
        introspect(&machines, "opaque: {prefix: [sk_, pk_]}")
    );
    let (gate, _folder) = gate_of(&introspect(&people, "opaque: true"), &keys).await;
    machines.knows("sk_live_1", claims(OTHER, &["read"]));
    people.knows("session", claims(ISSUER, &["read"]));
    assert_eq!(ask(&gate, "GET /docs", "sk_live_1").await, "200 usr_ann of org_acme by https://keys.example");
    assert_eq!(ask(&gate, "GET /docs", "session").await, "200 usr_ann of org_acme by https://issuer.example");
    for (token, expected) in [
        ("sk_unknown", "401 invalid_token"),
        ("pk_unknown", "401 invalid_token"),
        ("Sk_unknown", "401 invalid_token"),
        ("unknown.half", "401 invalid_token"),
        // Nothing with the parts of a JWT is shown to anybody, whatever it begins with.
        ("sk_a.b.c", "401 invalid_token"),
        ("a.b.c.d.e", "401 invalid_token"),
    ] {
        assert_eq!(ask(&gate, "GET /docs", token).await, expected, "{token}");
    }
    let foreign = TestKey::es256().mint(&claims(OTHER, &["read"]));
    assert_eq!(ask(&gate, "GET /docs", &foreign).await, "401 invalid_token", "there are no keys to prove it");
    assert_eq!(machines.asked(), ["sk_live_1", "sk_unknown", "pk_unknown"]);
    assert_eq!(people.asked(), ["session", "Sk_unknown", "unknown.half"]);
}

#[tokio::test]
async fn without_a_word_of_it_in_the_policy_nobody_is_asked() {
    let issuer = Introspector::start().await;
    for more in ["cache: 5s", "opaque: false"] {
        let (gate, _folder) = gate(&issuer, more).await;
        assert_eq!(ask(&gate, "GET /docs", "k3y").await, "401 invalid_token");
    }
    assert!(issuer.asked().is_empty());
}

#[tokio::test]
async fn a_flood_of_made_up_tokens_is_bounded_and_keeps_nobody_out_whom_the_issuer_knows() {
    let issuer = Introspector::start().await;
    let (gate, _folder) = gate(&issuer, "opaque: true, cache: 0s").await;
    let mut said = claims(ISSUER, &["read"]);
    said["exp"] = 9_999_999_999_i64.into();
    issuer.knows("known", said);
    assert!(ask(&gate, "GET /docs", "known").await.starts_with("200 "));
    let _ = issuer.asked();
    let began = Instant::now();
    let mut turned_away = 0;
    for number in 0..600 {
        match ask(&gate, "GET /docs", &format!("made-up-{number}")).await.as_str() {
            "401 invalid_token" => {}
            "503 keys_unavailable" => turned_away += 1,
            other => panic!("{other}"),
        }
        // Its answer is never kept here, so it is asked about in the middle of the flood each time.
        if number % 100 == 99 {
            assert!(ask(&gate, "GET /docs", "known").await.starts_with("200 "), "{number}");
        }
    }
    let asked = issuer.asked().iter().filter(|token| token.starts_with("made-up")).count();
    let most = 201.0 + 100.0 * began.elapsed().as_secs_f64();
    assert!(asked as f64 <= most && asked + turned_away == 600, "{asked} of {most}, {turned_away}");
}
