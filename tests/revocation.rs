//! What an issuer revokes, at the real sidecar: in front of an application and for a front.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use std::time::{Duration, Instant};

use orgate_e2e::{Folder, Running, clock, orgate, request, request_to};
use orgate_testkit::{Answer, FeedIssuer, FeedManner, TestKey, Upstream, access_token_claims};
use serde_json::json;
use tokio::net::TcpListener;

fn sidecar(folder: &Folder, upstream: &Upstream) -> Running {
    let any = "127.0.0.1:0";
    orgate()
        .args([
            "proxy",
            "--upstream",
            &upstream.url(),
            "--listen",
            any,
            "--admin",
            any,
            "--forward-auth",
            any,
        ])
        .env("FEED_KEY", FeedIssuer::KEY)
        .folder(folder.path())
        .ready()
}

fn write(folder: &Folder, issuer: &str, terms: &str) {
    let policy = format!(
        "version: 1\nissuers:\n  main:\n    issuer: \"{issuer}\"\n    audience: api\n    profile: orgate\n    feed: {{key: {{env: FEED_KEY}}}}\n{terms}\
         rules:\n  GET /open: public\n  GET /docs: read\n"
    );
    folder.write("orgate.yaml", &policy);
}

fn token(issuer: &str, version: u64) -> String {
    let mut claims = access_token_claims(issuer, "api", clock::now());
    claims["org_ver"] = version.into();
    TestKey::es256().mint(&claims)
}

/// What the proxy says, and what the front is told.
fn told(running: &Running, token: &str) -> [String; 2] {
    let bearer = format!("Bearer {token}");
    let proxied = request_to(&running.url("proxy"), "GET", "/docs", &[("authorization", &bearer)]);
    let front = [
        ("authorization", &*bearer),
        ("x-forwarded-method", "GET"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "app.example"),
        ("x-forwarded-uri", "/docs"),
    ];
    [proxied, request_to(&running.url("forward-auth"), "GET", "/", &front)].map(|answer| answer.verdict())
}

async fn becomes(running: &Running, token: &str, expected: &str) {
    let begin = Instant::now();
    while told(running, token) != [expected, expected] {
        assert!(begin.elapsed() < Duration::from_secs(30), "{:?} is not {expected}", told(running, token));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn admin(running: &Running, path: &str) -> (u16, String) {
    let answer = request("GET", &format!("{}{path}", running.url("admin")), &[], None);
    (answer.status, answer.body)
}

#[tokio::test(flavor = "multi_thread")]
async fn from_the_start_through_an_outage_and_a_reload() {
    let upstream = Upstream::start().await;
    upstream.answer(Answer::status(200));
    let place = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let issuer = FeedIssuer::start_on(place, [TestKey::es256()]);
    let url = issuer.url();
    let folder = Folder::new();
    write(&folder, &url, "    max_stale: 2s\n    on_stale: deny\n");

    // The issuer is not there yet.
    issuer.set(FeedManner::Status(500));
    let running = sidecar(&folder, &upstream);
    let caller = token(&url, 7);
    becomes(&running, &caller, "503 stale_feed").await;
    assert_eq!(request("GET", &format!("{}/open", running.url("proxy")), &[], None).status, 200);
    let (status, body) = admin(&running, "/readyz");
    assert!(status == 503 && body.contains("/revocations") && body.contains("answered 500"), "{body}");

    // It comes.
    issuer.set(FeedManner::Streams);
    becomes(&running, &caller, "200").await;
    assert_eq!(admin(&running, "/readyz").0, 200);
    issuer.revoke(json!({"kind": "member", "sub": "usr_ann", "org_id": "org_acme", "min": 8}));
    becomes(&running, &caller, "401 revoked").await;
    let fresh = token(&url, 8);
    assert_eq!(told(&running, &fresh), ["200", "200"]);
    let (_, metrics) = admin(&running, "/metrics");
    for line in [
        format!("orgate_feed_connected{{issuer=\"{url}\"}} 1\n"),
        format!("orgate_feed_marks{{issuer=\"{url}\"}} 1\n"),
        format!("orgate_feed_stale{{issuer=\"{url}\"}} 0\n"),
    ] {
        assert!(metrics.contains(&line), "{line} is not in\n{metrics}");
    }
    let (_, page) = admin(&running, "/status");
    assert!(page.contains("1 mark, heard 0 s ago"), "{page}");

    // It is gone.
    issuer.set(FeedManner::Down);
    becomes(&running, &fresh, "503 stale_feed").await;
    assert_eq!(admin(&running, "/readyz").0, 503);

    // The policy is read again, and goes on without.
    write(&folder, &url, "    max_stale: 2s\n    on_stale: ttl\n");
    let reload = request("POST", &format!("{}/-/reload", running.url("admin")), &[], None);
    assert_eq!(reload.status, 200, "{}", reload.body);
    assert_eq!(told(&running, &fresh), ["200", "200"]);
    assert_eq!(told(&running, &caller), ["401 revoked", "401 revoked"], "what was known is known");
    issuer.revoke(json!({"kind": "org", "org_id": "org_acme"}));
    assert_eq!(told(&running, &fresh), ["200", "200"]);
    issuer.set(FeedManner::Streams);
    becomes(&running, &fresh, "401 revoked").await;

    let finished = running.terminate();
    let log = finished.stderr;
    assert!(!log.contains(FeedIssuer::KEY), "{log}");
    assert!(log.contains("on_stale: deny"), "{log}");
    assert!(log.contains("can be read again"), "{log}");
}
