//! What a policy file says besides rules for tokens: authenticators, preflights, observation, shadows, live standing and
//! sessions, from the file to the answer of the layer.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod common;

use std::{convert::Infallible, sync::Arc};

use aws_lc_rs::hmac;
use bytes::Bytes;
use common::{ISSUER, Sent, gate_in};
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use orgate::{Gate, Permit, Principal};
use orgate_testkit::{Folder, Reply, Stub, TestKey, access_token_claims, jwks};
use tower::{Layer, ServiceExt, service_fn};

const SECRET: &str = "whsec_test_stripe_secret_1";

/// A gate of a policy with one issuer, whose keys are loaded; `{issuer}` is more of the issuer.
async fn gate_with(issuer: &str, rest: &str) -> (Gate, Folder) {
    let folder = Folder::new();
    folder.write("stripe", &format!("{SECRET}\n"));
    folder.write("old", "whsec_test_stripe_secret_2");
    let gate = gate_in(&folder, issuer, rest).await;
    (gate, folder)
}

async fn gate(rest: &str) -> (Gate, Folder) {
    gate_with("", rest).await
}

fn token(permissions: &[&str]) -> String {
    let mut claims = access_token_claims(ISSUER, "api", orgate::clock::now().seconds());
    claims["org_permissions"] = permissions.into();
    TestKey::es256().mint(&claims)
}

fn stripe(secret: &str, time: i64, body: &str) -> String {
    let tag = hmac::sign(
        &hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()),
        format!("{time}.{body}").as_bytes(),
    );
    let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={time},v1={hex}")
}

/// What is answered: the status, the code or what the service saw, and the headers.
async fn ask(gate: &Gate, request: &str, headers: &[(&str, &str)], body: &str) -> (u16, String, HeaderMap) {
    let service = service_fn(|request: Request<Full<Bytes>>| async {
        let (parts, body) = request.into_parts();
        let caller = parts.extensions.get::<Principal>().map_or_else(
            || "nobody".to_owned(),
            |caller| format!("{} {}", caller.subject(), caller.authentication_method().as_str()),
        );
        let rule = parts.extensions.get::<Arc<Permit>>().unwrap().rule().to_owned();
        let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(format!("{caller} | {rule} | {body}"))))
    });
    let (method, path) = request.split_once(' ').unwrap();
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::from(body.to_owned())).unwrap();
    let (parts, body) = gate.layer().layer(service).oneshot(request).await.unwrap().into_parts();
    let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
    let code = body.split_once("\"code\":\"").and_then(|(_, rest)| rest.split('"').next()).map(str::to_owned);
    (parts.status.as_u16(), code.unwrap_or(body), parts.headers)
}

async fn answer(gate: &Gate, request: &str, headers: &[(&str, &str)], body: &str) -> (u16, String) {
    let (status, text, _) = ask(gate, request, headers, body).await;
    (status, text)
}

fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

const WEBHOOKS: &str = "
authenticators:
  stripe: {type: webhook, scheme: stripe, secret: [{file: stripe}, {file: old}], max_body: 1KiB}
rules:
  POST /hook: via(stripe)
  POST /orgs/{org_id}/hook: via(stripe)
  GET /docs: read
";

#[tokio::test]
async fn a_signed_delivery_passes_with_the_very_body_that_was_signed() {
    let (gate, _folder) = gate(WEBHOOKS).await;
    let now = orgate::clock::now().seconds();
    let header = stripe(SECRET, now, "{\"a\": 1}");
    let signed = [("stripe-signature", header.as_str())];
    let passed = (200, "webhook:stripe webhook | POST /hook | {\"a\": 1}".to_owned());
    assert_eq!(answer(&gate, "POST /hook", &signed, "{\"a\": 1}").await, passed);
    // The other secret is in force as well; and whatever else the request carries does not matter.
    let header = stripe("whsec_test_stripe_secret_2", now - 1, "{\"a\": 1}");
    let signed =
        [("stripe-signature", header.as_str()), ("authorization", "Bearer !!"), ("authorization", "x")];
    assert_eq!(answer(&gate, "POST /hook", &signed, "{\"a\": 1}").await, passed);
    // Its sender is in no organization.
    let header = stripe(SECRET, now, "{}");
    let signed = [("stripe-signature", header.as_str())];
    assert_eq!(answer(&gate, "POST /orgs/acme/hook", &signed, "{}").await, refused(403, "no_active_org"));
}

#[tokio::test]
async fn deliveries_that_prove_nothing_are_refused() {
    let (gate, _folder) = gate(WEBHOOKS).await;
    let now = orgate::clock::now().seconds();
    let (good, old) = (stripe(SECRET, now, "{}"), stripe(SECRET, now - 400, "{}"));
    let (ahead, wrong) = (stripe(SECRET, now + 400, "{}"), stripe("whsec_another_secret_", now, "{}"));
    for (header, body, expected) in [
        (None, "{}", refused(401, "no_credential")),
        (Some(&*wrong), "{}", refused(401, "invalid_token")),
        (Some(&good), "{ }", refused(401, "invalid_token")),
        (Some(&good), "", refused(401, "invalid_token")),
        (Some(&old), "{}", refused(401, "expired_token")),
        (Some(&ahead), "{}", refused(401, "expired_token")),
        (Some("t=1"), "{}", refused(401, "invalid_token")),
        (Some(&good), &"x".repeat(1025), refused(413, "content_too_large")),
    ] {
        let headers: Vec<_> = header.iter().map(|value| ("stripe-signature", *value)).collect();
        let (status, code, headers) = ask(&gate, "POST /hook", &headers, body).await;
        assert_eq!((status, code), expected, "{header:?}");
        if status == 401 {
            assert_eq!(headers["www-authenticate"], "Authenticator realm=\"orgate\", name=\"stripe\"");
        }
    }
    // A token is no signature.
    let token = format!("Bearer {}", token(&["read", "write"]));
    let bearer = [("authorization", token.as_str())];
    assert_eq!(answer(&gate, "POST /hook", &bearer, "{}").await, refused(401, "no_credential"));
    // And a signature is no token.
    assert_eq!(
        answer(&gate, "GET /docs", &[("stripe-signature", &good)], "{}").await,
        refused(401, "no_credential")
    );
    // The same one twice, however it is written.
    let signed = [("stripe-signature", good.as_str())];
    assert_eq!(answer(&gate, "POST /hook", &signed, "{}").await.0, 200);
    assert_eq!(answer(&gate, "POST /hook", &signed, "{}").await, refused(401, "invalid_token"));
    let again = format!("{good},v0=1");
    assert_eq!(answer(&gate, "POST /hook", &[("stripe-signature", &again)], "{}").await.0, 401);
    let later = stripe(SECRET, now + 1, "{}");
    assert_eq!(answer(&gate, "POST /hook", &[("stripe-signature", &later)], "{}").await.0, 200);
}

#[tokio::test]
async fn a_static_key_stands_for_the_caller_that_the_policy_names() {
    let folder = Folder::new();
    folder.write("keys.json", &jwks([TestKey::es256()]));
    // FIPS 180-2: the SHA-256 of `abc`.
    folder.write("ci", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\n");
    let policy = folder.write(
        "orgate.yaml",
        "version: 1
issuers: {main: {issuer: https://issuer.example, audience: api, profile: orgate, keys: {file: keys.json}}}
authenticators:
  ci: {type: api_key, header: x-ci-key, sha256: {file: ci}, as: {permissions: [write], org.id: acme, sub: robot}}
rules:
  POST /builds: via(ci) and write
  DELETE /builds: via(ci) and delete_org
  GET /orgs/{org_id}: via(ci)
  GET /docs: read
",
    );
    let gate = Gate::load(&policy).await.unwrap();
    let key = [("x-ci-key", "abc")];
    let robot = (200, "robot api_key | POST /builds | body".to_owned());
    assert_eq!(answer(&gate, "POST /builds", &key, "body").await, robot);
    assert_eq!(answer(&gate, "DELETE /builds", &key, "").await, refused(403, "missing_permission"));
    assert_eq!(answer(&gate, "GET /orgs/acme", &key, "").await.0, 200);
    assert_eq!(answer(&gate, "GET /orgs/globex", &key, "").await, refused(403, "org_mismatch"));
    assert_eq!(answer(&gate, "GET /docs", &key, "").await, refused(401, "no_credential"));
    assert_eq!(answer(&gate, "POST /builds", &[], "").await, refused(401, "no_credential"));
    assert_eq!(
        answer(&gate, "POST /builds", &[("x-ci-key", "abd")], "").await,
        refused(401, "invalid_token")
    );
    let twice = [("x-ci-key", "abc"), ("x-ci-key", "abc")];
    assert_eq!(answer(&gate, "POST /builds", &twice, "").await, refused(401, "invalid_token"));
    // Its secret gone, the gate does not come to life; and says nothing of what it read.
    folder.write("ci", "not-a-hash-s3cret");
    let error = Gate::load(&policy).await.unwrap_err();
    assert_eq!(error.exit_code(), 2);
    assert!(
        error.to_string().contains("the authenticator `ci`") && !error.to_string().contains("s3cret"),
        "{error}"
    );
    std::fs::remove_file(folder.path().join("ci")).unwrap();
    assert!(matches!(Gate::load(&policy).await, Err(orgate::LoadError::Secret { .. })));
}

fn preflight<'a>(origin: &'a str, method: &'a str) -> [(&'a str, &'a str); 2] {
    [("origin", origin), ("access-control-request-method", method)]
}

const CORS_RULES: &str =
    "rules: {GET /docs: read, POST /docs: write, ANY /closed: deny, OPTIONS /open: public}\n";

#[tokio::test]
async fn a_preflight_is_an_options_request_unless_the_policy_says_otherwise() {
    let (gate, _folder) = gate(CORS_RULES).await;
    let asked = preflight("https://app.example", "POST");
    assert_eq!(answer(&gate, "OPTIONS /docs", &asked, "").await, refused(403, "method_not_covered"));
    assert_eq!(answer(&gate, "OPTIONS /open", &asked, "").await.0, 200);
}

#[tokio::test]
async fn a_passed_preflight_needs_a_rule_for_what_it_asks() {
    let (gate, _folder) = gate(&format!("cors: {{preflight: pass}}\n{CORS_RULES}")).await;
    let origin = "https://app.example";
    let passed = (200, "nobody | POST /docs | ".to_owned());
    assert_eq!(answer(&gate, "OPTIONS /docs", &preflight(origin, "POST"), "").await, passed);
    let token = format!("Bearer {}", token(&["write"]));
    let [a, b] = preflight(origin, "POST");
    assert_eq!(answer(&gate, "OPTIONS /docs", &[a, b, ("authorization", &token)], "").await, passed);
    assert_eq!(
        answer(&gate, "OPTIONS /docs", &preflight(origin, "DELETE"), "").await,
        refused(403, "method_not_covered")
    );
    assert_eq!(answer(&gate, "OPTIONS /other", &preflight(origin, "GET"), "").await, refused(403, "no_rule"));
    assert_eq!(answer(&gate, "OPTIONS /closed", &preflight(origin, "GET"), "").await, refused(403, "denied"));
    assert_eq!(
        answer(&gate, "OPTIONS /docs", &preflight(origin, "TRACE"), "").await,
        refused(400, "bad_request")
    );
    assert_eq!(
        answer(&gate, "OPTIONS /../docs", &preflight(origin, "GET"), "").await,
        refused(400, "bad_request_target")
    );
    // What is no preflight is an OPTIONS request, and what is no OPTIONS request needs its credential.
    for headers in [&[a][..], &[b], &[a, a, b], &[a, b, b]] {
        assert_eq!(
            answer(&gate, "OPTIONS /docs", headers, "").await,
            refused(403, "method_not_covered"),
            "{headers:?}"
        );
    }
    assert_eq!(answer(&gate, "POST /docs", &[a, b], "").await, refused(401, "no_credential"));
}

#[tokio::test]
async fn a_rule_that_names_options_is_not_gone_round_by_the_headers_of_a_preflight() {
    let rules = "rules: {POST /docs: write, OPTIONS /docs: role(owner), GET|OPTIONS /closed: deny}\n";
    let (gate, _folder) = gate(&format!("cors: {{preflight: pass}}\n{rules}")).await;
    let headers = preflight("https://app.example", "POST");
    assert_eq!(answer(&gate, "OPTIONS /docs", &headers, "").await, refused(401, "no_credential"));
    assert_eq!(answer(&gate, "OPTIONS /closed", &headers, "").await, refused(403, "denied"));
}

#[tokio::test]
async fn an_observed_policy_refuses_and_answers_no_preflight() {
    let observed = "mode: observe\nuntil: 2027-01-31\nrules: {POST /docs: write, ANY /closed: deny}\n";
    for cors in ["pass", "{answer: {origins: [\"https://app.example\"]}}"] {
        let (gate, _folder) = gate(&format!("cors: {{preflight: {cors}}}\n{observed}")).await;
        for (path, rule, would) in [
            ("/docs", "POST /docs", None),
            ("/closed", "ANY /closed", Some("403 denied")),
            ("/other", "", Some("403 no_rule")),
        ] {
            let headers = preflight("https://other.example", "POST");
            let (status, text, answered) = ask(&gate, &format!("OPTIONS {path}"), &headers, "").await;
            assert_eq!((status, text), (200, format!("nobody | {rule} | ")), "{cors}");
            assert_eq!(answered.get("x-orgate-would").map(|value| value.to_str().unwrap()), would);
        }
    }
}

#[tokio::test]
async fn an_observed_policy_names_nobody_who_was_withdrawn_or_overheard() {
    let stub = Stub::start().await;
    let issuer = format!(
        ", introspect: {{url: \"{}/introspect\", client_id: gate, secret: {{file: stripe}}}}",
        stub.url()
    );
    let observed = "mode: observe\nuntil: 2027-01-31\nauthenticators: {pay: {type: webhook, scheme: stripe, secret: {file: stripe}}}\n\
                    rules: {DELETE /docs: {require: write, fresh: live}, POST /hook: via(pay)}\n";
    let (gate, _folder) = gate_with(&issuer, observed).await;
    stub.set("/introspect", Reply::json(r#"{"active":false}"#));
    let writer = format!("Bearer {}", token(&["write"]));
    let (status, text, headers) = ask(&gate, "DELETE /docs", &[("authorization", writer.as_str())], "").await;
    assert_eq!((status, &*text), (200, "nobody | DELETE /docs | "));
    assert_eq!(headers["x-orgate-would"], "401 revoked");
    let signature = stripe(SECRET, orgate::clock::now().seconds(), "{}");
    let signed = [("stripe-signature", signature.as_str())];
    assert_eq!(answer(&gate, "POST /hook", &signed, "{}").await.1, "webhook:pay webhook | POST /hook | {}");
    assert_eq!(answer(&gate, "POST /hook", &signed, "{}").await.1, "nobody | POST /hook | {}");
}

#[tokio::test]
async fn an_answered_preflight_says_what_the_page_may_do() {
    let answered = "cors: {preflight: {answer: {origins: [https://app.example], headers: [Authorization, X-A], credentials: true, max_age: 10m}}}\n";
    let (gate, _folder) = gate(&format!("{answered}{CORS_RULES}")).await;
    let (status, body, headers) =
        ask(&gate, "OPTIONS /docs", &preflight("https://app.example", "POST"), "").await;
    assert_eq!((status, body.as_str()), (204, ""));
    let header =
        |headers: &HeaderMap, name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    for (name, expected) in [
        ("access-control-allow-origin", "https://app.example"),
        ("access-control-allow-methods", "POST"),
        ("access-control-allow-headers", "authorization, x-a"),
        ("access-control-allow-credentials", "true"),
        ("access-control-max-age", "600"),
        ("vary", "origin, access-control-request-method, access-control-request-headers"),
    ] {
        assert_eq!(header(&headers, name).as_deref(), Some(expected), "{name}");
    }
    for origin in [
        "https://app.example.evil",
        "http://app.example",
        "https://APP.example",
        "null",
        "https://app.example:8443",
    ] {
        let (status, _, headers) = ask(&gate, "OPTIONS /docs", &preflight(origin, "POST"), "").await;
        assert_eq!(status, 204);
        assert!(headers.contains_key("vary") && headers.len() == 1, "{origin}: {headers:?}");
    }
    assert_eq!(ask(&gate, "OPTIONS /docs", &preflight("https://app.example", "PUT"), "").await.0, 403);
    assert_eq!(ask(&gate, "OPTIONS /closed", &preflight("https://app.example", "GET"), "").await.0, 403);

    let (gate, _folder) =
        self::gate(&format!("cors: {{preflight: {{answer: {{origins: [\"*\"]}}}}}}\n{CORS_RULES}")).await;
    let (_, _, headers) = ask(&gate, "OPTIONS /docs", &preflight("https://any.example", "GET"), "").await;
    assert_eq!(header(&headers, "access-control-allow-origin").as_deref(), Some("*"));
    assert!(!headers.contains_key("access-control-allow-credentials"));
}

#[tokio::test]
async fn an_observed_policy_tells_and_refuses_nothing_that_has_one_reading() {
    let observed = "mode: observe\nuntil: 2027-01-31\nrules: {GET /docs: read, DELETE /docs: delete_org, ANY /closed: deny}\n";
    let (gate, _folder) = gate(observed).await;
    let token = format!("Bearer {}", token(&["read"]));
    let bearer = [("authorization", token.as_str())];
    let subject = access_token_claims(ISSUER, "api", 0)["sub"].as_str().unwrap().to_owned();
    for (request, headers, expected, would) in [
        ("GET /docs", &bearer[..], format!("{subject} token | GET /docs | "), None),
        (
            "DELETE /docs",
            &bearer,
            format!("{subject} token | DELETE /docs | "),
            Some("403 missing_permission"),
        ),
        ("GET /docs", &[], "nobody | GET /docs | ".to_owned(), Some("401 no_credential")),
        (
            "GET /docs",
            &[("authorization", "Bearer a.b.c")],
            "nobody | GET /docs | ".to_owned(),
            Some("401 invalid_token"),
        ),
        ("GET /other", &[], "nobody |  | ".to_owned(), Some("403 no_rule")),
        ("GET /closed", &[], "nobody | ANY /closed | ".to_owned(), Some("403 denied")),
    ] {
        let (status, text, answered) = ask(&gate, request, headers, "").await;
        assert_eq!((status, text), (200, expected), "{request}");
        let told = answered.get("x-orgate-would").map(|value| value.to_str().unwrap());
        assert_eq!(told, would, "{request}");
    }
    assert_eq!(answer(&gate, "GET /../docs", &bearer, "").await, refused(400, "bad_request_target"));
    let twice = [("authorization", "Bearer a.b.c"), ("authorization", "Bearer a.b.c")];
    assert_eq!(answer(&gate, "GET /docs", &twice, "").await, refused(400, "bad_request"));
}

/// The shadow that permit or refusal carries.
async fn shadow(gate: &Gate, request: &str, token: Option<&str>) -> (bool, Option<bool>) {
    let bearer = token.map(|token| format!("Bearer {token}"));
    let headers: Vec<_> = bearer.iter().map(|bearer| ("authorization", bearer.as_str())).collect();
    match gate.check(&Sent::new(request, &headers).head()).await {
        orgate::Verdict::Forward(permit) => (true, permit.shadow()),
        orgate::Verdict::Reject(rejection) => (false, rejection.shadow()),
        orgate::Verdict::Answer(_) => panic!("no preflight"),
    }
}

#[tokio::test]
async fn a_shadow_is_told_where_it_disagrees_and_never_decides() {
    let rules = "rules:
  GET /tighter: {require: read, shadow: write}
  GET /wider: {require: delete_org, shadow: read}
  GET /open: {require: public, shadow: read}
  GET /closing: {require: read, shadow: deny}
  GET /orgs/{org_id}: {require: read, shadow: authenticated}
  GET /plain: read
";
    let (gate, _folder) = gate(rules).await;
    let (reader, writer) = (token(&["read"]), token(&["read", "write"]));
    for (request, token, expected) in [
        ("GET /tighter", Some(&*reader), (true, Some(false))),
        ("GET /tighter", Some(&writer), (true, None)),
        ("GET /tighter", None, (false, None)),
        ("GET /wider", Some(&reader), (false, Some(true))),
        ("GET /open", None, (true, Some(false))),
        ("GET /open", Some("a.b.c"), (true, Some(false))),
        ("GET /open", Some(&reader), (true, None)),
        ("GET /closing", Some(&reader), (true, Some(false))),
        ("GET /orgs/elsewhere", Some(&writer), (false, None)),
        ("GET /plain", Some(&reader), (true, None)),
    ] {
        assert_eq!(shadow(&gate, request, token).await, expected, "{request}");
    }
    // A credential that only the shadow looked at does not make the caller known.
    let bearer = format!("Bearer {reader}");
    let open = answer(&gate, "GET /open", &[("authorization", &bearer)], "").await;
    assert_eq!(open, (200, "nobody | GET /open | ".to_owned()));
}

#[tokio::test]
async fn a_live_rule_asks_the_issuer_for_every_request() {
    let stub = Stub::start().await;
    let issuer = format!(
        ", introspect: {{url: \"{}/introspect\", client_id: gate, secret: {{file: stripe}}}}",
        stub.url()
    );
    let rules = "rules: {DELETE /docs: {require: write, fresh: live}, GET /docs: write}\n";
    let (gate, _folder) = gate_with(&issuer, rules).await;
    let (writer, reader) = (format!("Bearer {}", token(&["write"])), format!("Bearer {}", token(&["read"])));
    let (writer, reader) = ([("authorization", writer.as_str())], [("authorization", reader.as_str())]);
    stub.set("/introspect", Reply::json(r#"{"active":true}"#));
    assert_eq!(answer(&gate, "DELETE /docs", &writer, "").await.0, 200);
    assert_eq!(answer(&gate, "DELETE /docs", &writer, "").await.0, 200);
    assert_eq!(stub.hits("/introspect"), 2);
    // Who may not do it anyway is not asked about; nor is anybody where the rule does not say so.
    assert_eq!(answer(&gate, "DELETE /docs", &reader, "").await, refused(403, "missing_permission"));
    assert_eq!(answer(&gate, "GET /docs", &writer, "").await.0, 200);
    assert_eq!(stub.hits("/introspect"), 2);
    stub.set("/introspect", Reply::json(r#"{"active":false}"#));
    let (status, code, headers) = ask(&gate, "DELETE /docs", &writer, "").await;
    assert_eq!((status, code), refused(401, "revoked"));
    assert!(headers["www-authenticate"].to_str().unwrap().contains("error=\"invalid_token\""));
    for reply in [Reply::status(500), Reply::status(401), Reply::json("{}"), Reply::close()] {
        stub.set("/introspect", reply);
        assert_eq!(answer(&gate, "DELETE /docs", &writer, "").await, refused(503, "stale_feed"));
    }
}

#[tokio::test]
async fn an_issuers_yes_is_used_again_as_the_policy_says_and_its_no_never() {
    let stub = Stub::start().await;
    let issuer = format!(
        ", introspect: {{url: \"{}/introspect\", client_id: gate, secret: {{file: stripe}}, cache: 5m}}",
        stub.url()
    );
    let rules = "rules: {DELETE /docs: {require: write, fresh: live}, GET /docs: write}\n";
    let (gate, folder) = gate_with(&issuer, rules).await;
    let (first, second) = (token(&["write"]), token(&["write", "read"]));
    let (first, second) = (format!("Bearer {first}"), format!("Bearer {second}"));
    let (first, second) = ([("authorization", first.as_str())], [("authorization", second.as_str())]);
    for reply in [Reply::json(r#"{"active":false}"#), Reply::status(500)] {
        stub.set("/introspect", reply);
        for _ in 0..2 {
            assert_ne!(answer(&gate, "DELETE /docs", &first, "").await.0, 200);
        }
    }
    assert_eq!(stub.hits("/introspect"), 4, "a no, and no answer, are asked again");
    stub.set("/introspect", Reply::json(r#"{"active":true}"#));
    for _ in 0..3 {
        assert_eq!(answer(&gate, "DELETE /docs", &first, "").await.0, 200);
    }
    assert_eq!(stub.hits("/introspect"), 5);
    stub.set("/introspect", Reply::json(r#"{"active":false}"#));
    assert_eq!(answer(&gate, "DELETE /docs", &first, "").await.0, 200, "for as long as the policy says");
    assert_eq!(
        answer(&gate, "DELETE /docs", &second, "").await,
        refused(401, "revoked"),
        "of this very token"
    );
    let counted = gate.status().issuers[0].introspection.unwrap();
    assert_eq!((counted.asked, counted.failures, counted.reused), (6, 2, 3));
    // A policy that is read again begins anew.
    gate.reload(folder.path().join("orgate.yaml")).await.unwrap();
    assert_eq!(answer(&gate, "DELETE /docs", &first, "").await, refused(401, "revoked"));
}

#[tokio::test]
async fn an_observed_policy_passes_on_a_delivery_that_is_too_large_whole() {
    let observed = format!("mode: observe\nuntil: 2099-01-31{WEBHOOKS}");
    let (gate, _folder) = gate(&observed).await;
    let large = "x".repeat(5000);
    let signature = stripe(SECRET, orgate::clock::now().seconds(), "{}");
    for headers in [&[("stripe-signature", signature.as_str())][..], &[]] {
        let (status, text, answered) = ask(&gate, "POST /hook", headers, &large).await;
        let would = if headers.is_empty() { "401 no_credential" } else { "413 content_too_large" };
        assert_eq!((status, text), (200, format!("nobody | POST /hook | {large}")));
        assert_eq!(answered["x-orgate-would"], would);
    }
}

#[tokio::test]
async fn a_session_is_exchanged_once_and_its_token_is_verified() {
    let stub = Stub::start().await;
    let rest = format!(
        "token: {{exchange: {{cookie: sid, url: \"{}/token\", field: token, cache: 60s}}}}\nrules: {{GET /docs: read, POST /docs: read, GET /open: optional}}\n",
        stub.url()
    );
    let (gate, _folder) = gate(&rest).await;
    let session = |value: &str| [("cookie", format!("a=b; sid={value}"))];
    let ask_with = |value: &'static str| {
        let gate = gate.clone();
        async move {
            let cookie = session(value);
            answer(&gate, "GET /docs", &[("cookie", &cookie[0].1)], "").await
        }
    };
    stub.set("/token", Reply::json(format!("{{\"token\":\"{}\"}}", token(&["read"]))));
    assert_eq!(ask_with("s1").await.0, 200);
    assert_eq!(ask_with("s1").await.0, 200);
    assert_eq!(stub.hits("/token"), 1);
    // Another session is another question, whatever came before.
    stub.set("/token", Reply::status(401));
    assert_eq!(ask_with("s2").await, refused(401, "invalid_token"));
    stub.set("/token", Reply::status(500));
    assert_eq!(ask_with("s3").await, refused(503, "keys_unavailable"));
    stub.set("/token", Reply::json("{\"token\":\"a.b.c\"}"));
    assert_eq!(ask_with("s4").await, refused(401, "invalid_token"));
    assert_eq!(ask_with("s1").await.0, 200);
    assert_eq!(answer(&gate, "GET /docs", &[], "").await, refused(401, "no_credential"));
    assert_eq!(
        answer(&gate, "GET /docs", &[("cookie", "sid=s1; sid=s1")], "").await,
        refused(400, "bad_request")
    );
    // A bearer token comes first; then nothing is exchanged.
    let hits = stub.hits("/token");
    let bearer = format!("Bearer {}", token(&["write"]));
    let both = [("cookie", "sid=s9"), ("authorization", bearer.as_str())];
    assert_eq!(answer(&gate, "GET /docs", &both, "").await, refused(403, "missing_permission"));
    assert_eq!(stub.hits("/token"), hits);
    // What may change something must come from a page of the application.
    let cross = [("cookie", "sid=s1"), ("sec-fetch-site", "cross-site")];
    assert_eq!(answer(&gate, "POST /docs", &cross, "").await, refused(403, "csrf"));
    assert_eq!(answer(&gate, "POST /docs", &[("cookie", "sid=s1")], "").await, refused(403, "csrf"));
    let own = [("cookie", "sid=s1"), ("sec-fetch-site", "same-origin")];
    assert_eq!(answer(&gate, "POST /docs", &own, "").await.0, 200);
}
