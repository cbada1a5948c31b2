//! Scenarios 26 and 27: tokens and requests that are not what they say. What a proxy is known to get wrong has a suite of its own
//! (`tests/smuggling`); here is what a client can do with a token and a header.

use orgate_e2e::{Folder, clock, request};
use orgate_testkit::{Reply, Stub, TestKey, access_token_claims, b64url, compact, jwks, mac};
use serde_json::{Value, json};

use crate::world::{Doors, policy};

struct Stand {
    stub: Stub,
    doors: Doors,
}

impl Stand {
    async fn start() -> Self {
        let stub = Stub::start().await;
        stub.serve_issuer([TestKey::es256(), TestKey::rs256()]);
        let folder = Folder::new();
        let described = format!("{{issuer: \"{}\", audience: demo-api, profile: orgate}}", stub.url());
        folder.write("orgate.yaml", &policy(&described));
        Self { doors: Doors::start(&folder).await, stub }
    }

    fn claims(&self) -> Value {
        let mut claims = access_token_claims(&self.stub.url(), "demo-api", clock::now());
        claims["org_permissions"] = json!(["read"]);
        claims
    }

    fn with(&self, name: &str, value: Value) -> String {
        let mut claims = self.claims();
        claims[name] = value;
        TestKey::es256().mint(&claims)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn scenario_26_a_token_that_is_not_one_opens_nothing() {
    let stand = Stand::start().await;
    let (claims, now) = (stand.claims(), clock::now());
    let good = TestKey::es256().mint(&claims);
    assert_eq!(stand.doors.ask("GET", "/docs", Some(&good)).verdict(), "200");
    assert_eq!(stand.doors.upstream.take_requests().len(), 1);

    let header =
        |alg: &str| json!({ "alg": alg, "typ": "at+jwt", "kid": TestKey::rs256().kid() }).to_string();
    let public = TestKey::rs256().jwk().to_string();
    let signed = format!("{}.{}", b64url(header("HS256")), b64url(claims.to_string()));
    let confused = format!("{signed}.{}", b64url(mac("HS256", public.as_bytes(), signed.as_bytes())));
    let twice = claims.to_string().replacen('{', "{\"sub\":\"usr_owner\",", 1);
    let own_key = TestKey::other_es256();
    let es256 = TestKey::es256();
    let attacks = [
        ("alg none", compact(header("none"), claims.to_string(), "")),
        ("HS256 with the public key", confused),
        ("an unknown key", own_key.mint(&claims)),
        ("its own key in the header", own_key.mint_with("jwk", own_key.jwk(), &claims)),
        (
            "a place for keys in the header",
            own_key.mint_with("jku", json!(format!("{}/evil.json", stand.stub.url())), &claims),
        ),
        (
            "a place for certificates",
            own_key.mint_with("x5u", json!(format!("{}/evil.pem", stand.stub.url())), &claims),
        ),
        ("an extension that is critical", es256.mint_with("crit", json!(["exp"]), &claims)),
        ("an ID token", es256.mint_with("typ", json!("JWT"), &stand.without(&["client_id", "jti"]))),
        ("another issuer", stand.with("iss", json!("https://attacker.example"))),
        ("another audience", stand.with("aud", json!("other-api"))),
        ("another project", stand.with("iss", json!(format!("{}/p/proj_q", stand.stub.url())))),
        ("a session token", stand.with("token_use", json!("session"))),
        ("one that has ended", stand.with("exp", json!(now - 3600))),
        ("one that has not begun", stand.with("nbf", json!(now + 3600))),
        (
            "a member twice",
            es256.sign(json!({ "alg": "ES256", "typ": "at+jwt", "kid": es256.kid() }).to_string(), twice),
        ),
        ("permissions that are a text", stand.with("org_permissions", json!("read"))),
        ("a flipped bit", flipped(&good)),
        ("a megabyte", stand.with("filler", json!("x".repeat(1 << 20)))),
    ];
    for (what, token) in &attacks {
        // A megabyte of headers is refused before anybody looks for a token in it.
        let verdicts: &[&str] = if *what == "a megabyte" { &["431", "400 bad_request"] } else { &["401"] };
        let verdict = match *what {
            "a megabyte" => big(&stand, token),
            _ => stand.doors.ask("GET", "/docs", Some(token)).verdict(),
        };
        assert!(verdicts.iter().any(|expected| verdict.starts_with(expected)), "{what}: {verdict}");
    }
    assert!(stand.doors.upstream.take_requests().is_empty(), "the application saw none of them");
    for place in ["/evil.json", "/evil.pem"] {
        assert_eq!(stand.stub.hits(place), 0, "nobody followed a token to {place}");
    }
    assert_eq!(stand.doors.ask("GET", "/docs", Some(&good)).verdict(), "200", "everything still stands");
}

impl Stand {
    fn without(&self, names: &[&str]) -> Value {
        let mut claims = self.claims();
        claims.as_object_mut().unwrap().retain(|name, _| !names.contains(&name.as_str()));
        claims["nonce"] = "n".into();
        claims
    }
}

fn flipped(token: &str) -> String {
    let (rest, signature) = token.rsplit_once('.').unwrap();
    let changed = match signature.strip_prefix('A') {
        Some(tail) => format!("B{tail}"),
        None => format!("A{}", signature.chars().skip(1).collect::<String>()),
    };
    format!("{rest}.{changed}")
}

fn big(stand: &Stand, token: &str) -> String {
    let bearer = format!("Bearer {token}");
    let url = format!("{}/docs", stand.doors.sidecar().url("proxy"));
    match orgate_e2e::try_request("GET", &url, &[("authorization", &bearer)], None) {
        Ok(response) => response.verdict(),
        // Whoever refuses to read on may close before all was sent.
        Err(_) => "431".to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn scenario_26_an_unknown_key_is_looked_up_once() {
    let stand = Stand::start().await;
    let keys = |stub: &Stub| stub.hits("/jwks.json");
    let good = TestKey::es256().mint(&stand.claims());
    assert_eq!(stand.doors.ask("GET", "/docs", Some(&good)).verdict(), "200");
    let before = keys(&stand.stub);
    let unknown = TestKey::other_es256().mint(&stand.claims());
    for _ in 0..20 {
        assert_eq!(stand.doors.ask("GET", "/docs", Some(&unknown)).status, 401);
    }
    let asked = keys(&stand.stub) - before;
    assert!(asked <= 2, "each of the two doors asks once and then waits: {asked}");
    // A key that was new is found by that.
    let fresh = Stand::start().await;
    assert_eq!(
        fresh.doors.ask("GET", "/docs", Some(&TestKey::es256().mint(&fresh.claims()))).verdict(),
        "200"
    );
    fresh.stub.set("/jwks.json", Reply::json(jwks([TestKey::es256(), TestKey::other_es256()])));
    let rotated = TestKey::other_es256().mint(&fresh.claims());
    assert_eq!(fresh.doors.ask("GET", "/docs", Some(&rotated)).verdict(), "200");
}

#[tokio::test(flavor = "multi_thread")]
async fn scenario_27_nobody_says_who_he_is_by_a_header() {
    let stand = Stand::start().await;
    let good = TestKey::es256().mint(&stand.claims());
    let bearer = format!("Bearer {good}");
    let spoofed = [
        ("X-Org-Id", "org_globex"),
        ("X-User-Id", "usr_owner"),
        ("X-Orgate-Org-Id", "org_globex"),
        ("X-Orgate-Sub", "usr_owner"),
        ("X_Orgate_Sub", "usr_owner"),
        ("x-orgate_role", "owner"),
        ("X-Orgate-Permissions", "delete_org"),
    ];
    let url = stand.doors.sidecar().url("proxy");
    let headers: Vec<_> = std::iter::once(("authorization", bearer.as_str())).chain(spoofed).collect();
    assert_eq!(request("GET", &format!("{url}/docs"), &headers, None).verdict(), "200");
    let seen = stand.doors.upstream.take_requests().remove(0);
    for (name, value) in seen.headers.iter().filter(|(name, _)| name.as_str().contains("orgate")) {
        assert!(
            !["org_globex", "usr_owner", "owner", "delete_org"].iter().any(|bad| value == *bad),
            "{name}: {value:?}"
        );
        assert!(!name.as_str().contains('_'), "{name}");
    }
    assert_eq!(seen.header("x-orgate-org-id"), stand.claims()["org_id"].as_str());

    // What names a header as hop-by-hop does not take it away.
    let hop = [("authorization", bearer.as_str()), ("connection", "x-orgate-org-id, x-orgate-sub")];
    let verdict = request("GET", &format!("{url}/docs"), &hop, None).verdict();
    for seen in stand.doors.upstream.take_requests() {
        assert!(seen.header("x-orgate-org-id").is_some() && seen.header("x-orgate-sub").is_some());
    }
    assert!(verdict == "200" || verdict.starts_with("400"), "{verdict}");

    for (method, path, headers, verdict) in [
        ("GET", "/unmatched", vec![], "403 no_rule"),
        ("POST", "/docs", vec![], "403 missing_permission"),
        ("POST", "/docs", vec![("x-http-method-override", "GET")], "403 missing_permission"),
        ("POST", "/docs?_method=GET", vec![], "403 missing_permission"),
        ("HEAD", "/docs", vec![], "200"),
        ("OPTIONS", "/docs", vec![], "403 method_not_covered"),
        ("GET", "/docs", vec![("connection", "upgrade"), ("upgrade", "websocket")], "200"),
        (
            "POST",
            "/docs",
            vec![("content-type", "application/grpc"), ("te", "trailers")],
            "403 missing_permission",
        ),
    ] {
        let headers: Vec<_> = std::iter::once(("authorization", bearer.as_str())).chain(headers).collect();
        assert_eq!(
            stand.doors.ask_with(method, path, &headers).verdict(),
            verdict,
            "{method} {path} {headers:?}"
        );
    }
}
