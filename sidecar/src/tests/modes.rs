//! The proxy door where a request has to be read before it is judged, or is not simply let through or refused.

use super::{
    door::{Directory, Guarded, token},
    *,
};

const DELIVERIES: &str = "
version: 1
issuers:
  main: {issuer: https://issuer.example, audience: app, profile: orgate, keys: {file: keys.json}}
authenticators:
  github: {type: webhook, scheme: github, secret: {file: github}, max_body: 1KiB}
cors: {preflight: {answer: {origins: [https://app.example], headers: [authorization]}}}
rules:
  POST /hook: via(github)
  GET /tighter: {require: read, shadow: delete_org}
  GET /wider: {require: delete_org, shadow: read}
";

/// HMAC-SHA256 of `{\"a\":1}` with the secret below, computed by another program.
const SIGNATURE: &str = "cefd929f78a2184899925500658180ed566c5b8ec19dca16066513d3af2533d7";
const BODY: &str = "{\"a\":1}";

async fn deliveries() -> Guarded {
    let directory = Directory::new();
    directory.write("github", "github_secret_0001\n");
    Guarded::with(directory, DELIVERIES).await
}

fn delivery(signature: &str, framing: &str, body: &str) -> String {
    format!(
        "POST /hook HTTP/1.1\r\nHost: a\r\nX-Hub-Signature-256: sha256={signature}\r\n{framing}\r\n{body}"
    )
}

#[tokio::test]
async fn a_signed_delivery_goes_on_with_its_very_bytes_and_its_framing() {
    let guarded = deliveries().await;
    let answer = guarded.ask(&delivery(SIGNATURE, "Content-Length: 7\r\n", BODY)).await;
    assert_eq!((answer.status(), answer.text()), (200, "ok"));
    let chunks = "3\r\n{\"a\r\n4\r\n\":1}\r\n0\r\n\r\n";
    let answer = guarded.ask(&delivery(SIGNATURE, "Transfer-Encoding: chunked\r\n", chunks)).await;
    assert_eq!(answer.status(), 200);
    let seen = guarded.recorder.seen();
    let [whole, chunked] = seen.as_slice() else { panic!("{seen:?}") };
    assert_eq!(whole.body, BODY.as_bytes());
    assert_eq!(only_header(&whole.head, "content-length").as_deref(), Some("7"));
    assert_eq!(chunked.body, b"7\r\n{\"a\":1}\r\n0\r\n\r\n");
    assert_eq!(only_header(&chunked.head, "content-length"), None);
    for head in [&whole.head, &chunked.head] {
        assert_eq!(only_header(head, "x-orgate-sub").as_deref(), Some("webhook:github"));
        assert_eq!(only_header(head, "x-orgate-auth").as_deref(), Some("webhook"));
        assert_eq!(only_header(head, "x-orgate-issuer").as_deref(), Some("urn:orgate:authenticator:github"));
    }
}

#[tokio::test]
async fn a_delivery_that_proves_nothing_never_reaches_the_upstream() {
    let guarded = deliveries().await;
    let zeros = "0".repeat(64);
    let large = "x".repeat(1025);
    let chunked_large = format!("401\r\n{large}\r\n0\r\n\r\n");
    for (request, status, code) in [
        (delivery(&zeros, "Content-Length: 7\r\n", BODY), 401, "invalid_token"),
        (delivery(SIGNATURE, "Content-Length: 7\r\n", "{\"a\":2}"), 401, "invalid_token"),
        (delivery(SIGNATURE, "", ""), 401, "invalid_token"),
        (delivery("", "Content-Length: 7\r\n", BODY), 401, "invalid_token"),
        (format!("POST /hook HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n\r\n{BODY}"), 401, "no_credential"),
        (delivery(SIGNATURE, "Content-Length: 1025\r\n", &large), 413, "content_too_large"),
        (delivery(SIGNATURE, "Transfer-Encoding: chunked\r\n", &chunked_large), 413, "content_too_large"),
        (delivery(SIGNATURE, "Transfer-Encoding: chunked\r\n", "zz\r\n"), 400, "bad_request"),
    ] {
        let answer = guarded.ask(&request).await;
        assert_eq!(answer.status(), status, "{request}: {}", answer.text());
        assert!(answer.text().contains(&format!("\"code\":\"{code}\"")), "{request}: {}", answer.text());
    }
    guarded.saw_nothing();
}

#[tokio::test]
async fn an_observed_policy_passes_on_a_delivery_that_is_too_large_whole() {
    let directory = Directory::new();
    directory.write("github", "github_secret_0001\n");
    let policy = DELIVERIES.replace("rules:", "mode: observe\nuntil: 2099-01-31\nrules:");
    let guarded = Guarded::with(directory, &policy).await;
    let large = "x".repeat(1500);
    let chunks = format!("258\r\n{}\r\n384\r\n{}\r\n0\r\n\r\n", "x".repeat(0x258), "x".repeat(0x384));
    for (framing, body) in [("Content-Length: 1500\r\n", &large), ("Transfer-Encoding: chunked\r\n", &chunks)]
    {
        let answer = guarded.ask(&delivery(SIGNATURE, framing, body)).await;
        assert_eq!(answer.status(), 200, "{framing}: {}", answer.text());
        assert_eq!(answer.header("x-orgate-would").as_deref(), Some("413 content_too_large"));
    }
    let seen = guarded.recorder.seen();
    let [whole, chunked] = seen.as_slice() else { panic!("{seen:?}") };
    assert_eq!(whole.body, large.as_bytes());
    let count = chunked.body.iter().filter(|byte| **byte == b'x').count();
    assert_eq!(count, 1500, "{}", String::from_utf8_lossy(&chunked.body));
    assert_eq!(only_header(&chunked.head, "x-orgate-sub"), None);
}

#[tokio::test]
async fn the_upstream_gets_the_target_that_was_judged() {
    const RULES: &str = "
version: 1
issuers:
  main: {issuer: https://issuer.example, audience: app, profile: orgate, keys: {file: keys.json}}
rules:
  GET /files/**: {require: read, allow_encoded_slash: true}
  GET /admin: role(owner)
";
    let bearer = token("https://issuer.example");
    for (paths, sent, expected) in [
        ("", "/files/a%2fb%2Fc?x=%2F", Some("/files/a%2fb%2Fc?x=%2F")),
        ("", "/files//a", None),
        ("", "/files/..%2Fadmin", None),
        ("paths: {normalize: true}", "/files//x/../%61?y=//", Some("/files/a?y=//")),
        ("paths: {normalize: true}", "/files/./a%2Fb", Some("/files/a%2Fb")),
        ("paths: {normalize: true}", "/files/%2e%2e%2Fadmin", None),
    ] {
        let guarded = Guarded::with(Directory::new(), &format!("{RULES}{paths}\n")).await;
        let request = format!("GET {sent} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {bearer}\r\n\r\n");
        let answer = guarded.ask(&request).await;
        match expected {
            Some(target) => {
                assert_eq!(answer.status(), 200, "{sent}: {}", answer.text());
                let seen = guarded.recorder.seen();
                let [seen] = seen.as_slice() else { panic!("{seen:?}") };
                assert!(seen.head.starts_with(&format!("GET {target} HTTP/1.1\r\n")), "{}", seen.head);
            }
            None => {
                assert_eq!(answer.status(), 400, "{sent}");
                guarded.saw_nothing();
            }
        }
    }
}

#[tokio::test]
async fn the_upstream_gets_no_token_that_ends_here_and_only_the_override_that_was_judged() {
    const POLICY: &str = "
version: 1
issuers:
  main: {issuer: https://issuer.example, audience: app, profile: orgate, keys: {file: keys.json}}
identity: {forward_token: strip}
paths: {profile: PROFILE}
rules:
  POST /a: read
  PUT /a: read
  DELETE /a: delete_org
";
    let bearer = token("https://issuer.example");
    for (profile, value, status, goes_on) in [
        ("rails", "PUT", 200, Some("PUT")),
        ("rails", "DELETE", 403, None),
        ("rails", "PUT\r\nX_HTTP_Method_Override: DELETE", 200, Some("PUT")),
        ("rails", "PUT\r\nX-HTTP-Method-Override: DELETE", 400, None),
        ("strict", "DELETE", 200, None),
    ] {
        let guarded = Guarded::with(Directory::new(), &POLICY.replace("PROFILE", profile)).await;
        let request = format!(
            "POST /a HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {bearer}\r\nX-HTTP-Method-Override: {value}\r\nContent-Length: 0\r\n\r\n"
        );
        let answer = guarded.ask(&request).await;
        assert_eq!(answer.status(), status, "{profile} {value}: {}", answer.text());
        for seen in guarded.recorder.seen() {
            assert!(seen.head.starts_with("POST /a HTTP/1.1\r\n"), "{}", seen.head);
            assert_eq!(
                only_header(&seen.head, "x-http-method-override").as_deref(),
                goes_on,
                "{profile} {value}"
            );
            assert_eq!(only_header(&seen.head, "authorization"), None);
            assert!(!seen.head.to_ascii_lowercase().contains("x_http_method"), "{}", seen.head);
        }
    }
}

#[tokio::test]
async fn a_preflight_is_answered_at_the_door() {
    let guarded = deliveries().await;
    let preflight = "OPTIONS /hook HTTP/1.1\r\nHost: a\r\nOrigin: https://app.example\r\nAccess-Control-Request-Method: POST\r\n\r\n";
    let answer = guarded.ask(preflight).await;
    assert_eq!(answer.status(), 204);
    assert_eq!(answer.header("access-control-allow-origin").as_deref(), Some("https://app.example"));
    assert_eq!(answer.header("access-control-allow-methods").as_deref(), Some("POST"));
    guarded.saw_nothing();
    assert!(
        guarded.metrics.render().contains("orgate_requests_total{rule=\"POST /hook\",code=\"preflight\"} 1")
    );
}

#[tokio::test]
async fn shadows_that_disagree_are_counted() {
    let guarded = deliveries().await;
    let bearer = token("https://issuer.example");
    for (path, status) in [("/tighter", 200), ("/tighter", 200), ("/wider", 403)] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {bearer}\r\n\r\n");
        assert_eq!(guarded.ask(&request).await.status(), status);
    }
    let metrics = guarded.metrics.render();
    for line in [
        "orgate_shadow_total{rule=\"GET /tighter\",enforced=\"allow\",shadow=\"deny\"} 2",
        "orgate_shadow_total{rule=\"GET /wider\",enforced=\"deny\",shadow=\"allow\"} 1",
    ] {
        assert!(metrics.contains(line), "{metrics}");
    }
}

#[tokio::test]
async fn an_observed_policy_refuses_nothing_and_says_so() {
    let policy = DELIVERIES.replace("rules:", "mode: observe\nuntil: 2027-01-31\nrules:");
    let directory = Directory::new();
    directory.write("github", "github_secret_0001");
    let guarded = Guarded::with(directory, &policy).await;
    let answer = guarded.ask("GET /wider HTTP/1.1\r\nHost: a\r\nX-Orgate-Sub: forged\r\n\r\n").await;
    assert_eq!((answer.status(), answer.text()), (200, "ok"));
    assert_eq!(answer.header("x-orgate-would").as_deref(), Some("401 no_credential"));
    let bearer = token("https://issuer.example");
    let request = format!("GET /wider HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {bearer}\r\n\r\n");
    let answer = guarded.ask(&request).await;
    assert_eq!(answer.header("x-orgate-would").as_deref(), Some("403 missing_permission"));
    let answer = guarded.ask("GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(answer.header("x-orgate-would").as_deref(), Some("403 no_rule"));
    let answer = guarded.ask(&delivery(&"0".repeat(64), "Content-Length: 7\r\n", BODY)).await;
    assert_eq!(
        (answer.status(), answer.header("x-orgate-would").as_deref()),
        (200, Some("401 invalid_token"))
    );
    let seen = guarded.recorder.seen();
    assert_eq!(seen.len(), 4);
    assert_eq!(only_header(&seen[0].head, "x-orgate-sub"), None);
    assert_eq!(only_header(&seen[1].head, "x-orgate-sub").as_deref(), Some("usr_ann"));
    assert_eq!(seen[3].body, BODY.as_bytes());
    let answer = guarded.ask("GET //wider HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(answer.status(), 400);
    let metrics = guarded.metrics.render();
    assert!(
        metrics.contains("orgate_would_deny_total{rule=\"GET /wider\",code=\"missing_permission\"} 1"),
        "{metrics}"
    );
}
