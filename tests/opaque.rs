//! Opaque tokens and where tokens travel, through the real proxy: what the application sees, and what is written down.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use orgate_e2e::{Folder, clock, orgate, request_to};
use orgate_testkit::{Answer, Introspector, Upstream, access_token_claims};

const ISSUER: &str = "https://id.example.com/p/proj_demo";

#[tokio::test(flavor = "multi_thread")]
async fn an_opaque_token_proves_its_caller_wherever_it_travels_and_is_written_down_nowhere() {
    let (issuer, upstream) = (Introspector::start().await, Upstream::start().await);
    let mut claims = access_token_claims(ISSUER, "demo-api", clock::now());
    claims["active"] = true.into();
    issuer.knows("sk_S3cretOfAnn", &claims);
    let folder = Folder::new();
    folder.write("secret", "S3cretOfTheGate");
    folder.write(
        "orgate.yaml",
        &format!(
            "version: 1\nissuers:\n  keys:\n    issuer: {ISSUER}\n    audience: demo-api\n    profile: orgate\n    keys: none\n    \
             introspect: {{url: \"{}\", client_id: gate, secret: {{file: secret}}, opaque: {{prefix: sk_}}}}\n\
             token: {{from: [bearer, {{query: access_token}}, {{websocket_protocol: bearer}}]}}\n\
             deny: {{redirect: {{login: /login}}}}\n\
             resource: {{url: https://api.example.com/v1, scopes: [read]}}\n\
             rules: {{GET /docs: read, GET /admin: delete_org, GET /open: public}}\n",
            issuer.url()
        ),
    );
    let running = orgate()
        .args(["proxy", "--upstream", &upstream.url(), "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
        .args(["--decision-log", "decisions.log", "--log-paths", "full", "--log", "debug"])
        .folder(folder.path())
        .ready();
    let proxy = running.url("proxy");
    let ask = |target: &str, headers: &[(&str, &str)]| request_to(&proxy, "GET", target, headers);

    assert_eq!(ask("/docs", &[("authorization", "Bearer sk_S3cretOfAnn")]).verdict(), "200");
    let seen = upstream.take_requests();
    assert_eq!(seen[0].header("x-orgate-sub"), Some("usr_ann"));
    assert_eq!(seen[0].header("x-orgate-org-id"), Some("org_acme"));
    assert_eq!(seen[0].header("x-orgate-auth"), Some("token"));

    upstream.answer(Answer::status(200).header("cache-control", "public, max-age=60"));
    let by_header = ask("/docs", &[("authorization", "Bearer sk_S3cretOfAnn")]);
    assert_eq!(by_header.header("cache-control"), Some("public, max-age=60"));
    let _ = upstream.take_requests();
    let by_query = ask("/docs?page=2&access_token=sk_S3cretOfAnn", &[]);
    assert_eq!(by_query.verdict(), "200");
    assert_eq!(by_query.header("cache-control"), Some("private, max-age=60"));
    assert_eq!(ask("/open?access_token=sk_S3cretOfAnn", &[]).verdict(), "200");
    assert_eq!(ask("/admin?access_token=sk_S3cretOfAnn", &[]).verdict(), "403 missing_permission");
    assert_eq!(ask("/docs?access_token=sk_S3cretOfAnn&access_token=b", &[]).verdict(), "400 bad_request");
    let offer = ("sec-websocket-protocol", "bearer, sk_S3cretOfAnn, chat");
    assert_eq!(ask("/docs", &[("upgrade", "websocket"), ("connection", "upgrade"), offer]).verdict(), "200");
    let redirected = ask("/docs?page=2&access_token=sk_S3cretOfEve", &[("sec-fetch-mode", "navigate")]);
    assert_eq!(redirected.header("location"), Some("/login?return_to=%2Fdocs%3Fpage%3D2"));
    let targets: Vec<_> = upstream.requests().iter().map(|request| request.target.clone()).collect();
    assert_eq!(targets, ["/docs?page=2", "/open", "/docs"]);
    for request in upstream.requests() {
        assert!(!format!("{request:?}").contains("S3cret"), "{request:?}");
    }
    assert_eq!(upstream.requests()[2].header("sec-websocket-protocol"), Some("chat"));

    let document = ask("/.well-known/oauth-protected-resource/v1", &[]);
    assert_eq!(document.verdict(), "200");
    let members = document.json();
    assert_eq!(
        (&members["resource"], &members["authorization_servers"]),
        (&"https://api.example.com/v1".into(), &vec![ISSUER].into())
    );
    assert_eq!(members["bearer_methods_supported"], serde_json::json!(["header", "query"]));
    let challenged = ask("/docs", &[]);
    let challenge = challenged.header("www-authenticate").unwrap();
    assert!(
        challenge.contains(
            "resource_metadata=\"https://api.example.com/.well-known/oauth-protected-resource/v1\""
        ),
        "{challenge}"
    );
    assert_eq!(upstream.requests().len(), 3, "the application is not asked");

    issuer.down(true);
    let silent = ask("/docs", &[("authorization", "Bearer sk_S3cretOfBob")]);
    assert_eq!(
        (silent.verdict().as_str(), silent.header("retry-after")),
        ("503 keys_unavailable", Some("5"))
    );
    assert_eq!(ask("/docs", &[("authorization", "Bearer sk_S3cretOfAnn")]).verdict(), "200");
    assert_eq!(issuer.asked(), ["sk_S3cretOfAnn", "sk_S3cretOfEve", "sk_S3cretOfBob"]);

    let metrics = request_to(&running.url("admin"), "GET", "/metrics", &[]).body;
    for (name, value) in [("asked", 3), ("failures", 1), ("throttled", 0), ("shared", 0)] {
        let line = format!("orgate_introspection_{name}_total{{issuer=\"{ISSUER}\"}} {value}\n");
        assert!(metrics.contains(&line), "{line} is not in\n{metrics}");
    }
    let reused = format!("orgate_introspection_reused_total{{issuer=\"{ISSUER}\"}} ");
    let reused = metrics.split_once(&reused).unwrap().1.lines().next().unwrap();
    assert!(reused.parse::<u32>().unwrap() >= 4, "{reused}");

    let told = running.terminate();
    let decisions = std::fs::read_to_string(folder.path().join("decisions.log")).unwrap();
    assert!(decisions.lines().count() >= 8 && decisions.contains("/docs"), "{decisions}");
    for text in [decisions, told.stdout, told.stderr] {
        assert!(!text.contains("S3cret"), "{text}");
    }
}
