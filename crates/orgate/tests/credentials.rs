//! Where a credential may be, what two of them are, and who may send one that a browser adds by itself.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod common;

use std::sync::Arc;

use common::{Keys, NOW, RULES, check, parts, token};
use orgate::{Gate, TokenOptions, TokenSource};
use orgate_testkit::TestKey;

const COOKIE: &str = "__Host-token";

/// A gate that reads bearer tokens, a cookie and a header.
fn gate(edit: impl FnOnce(&mut TokenOptions)) -> Gate {
    let keys = Arc::new(Keys::default());
    keys.publish(&[TestKey::es256()]);
    keys.load();
    let mut options = TokenOptions {
        sources: vec![
            TokenSource::Bearer,
            TokenSource::Cookie(COOKIE.into()),
            TokenSource::Header(http::HeaderName::from_static("x-api-token")),
        ],
        ..TokenOptions::default()
    };
    edit(&mut options);
    Gate::new(parts(&RULES, &keys).token(options))
}

/// `{good}` stands for a token that may read and write; `{bad}` for one that holds for nothing.
fn ask(gate: &Gate, request: &str, headers: &[(&str, &str)]) -> String {
    let good = token(&["read", "write"]);
    let filled: Vec<(&str, String)> = headers
        .iter()
        .map(|(name, value)| (*name, value.replace("{good}", &good).replace("{bad}", "not.a.token")))
        .collect();
    let headers: Vec<(&str, &str)> = filled.iter().map(|(name, value)| (*name, value.as_str())).collect();
    check(gate, request, &headers, NOW)
}

#[test]
fn each_source_is_read_and_two_credentials_are_refused() {
    let gate = gate(|_| {});
    for (headers, expected) in [
        (&[][..], "401 no_credential"),
        (&[("authorization", "Bearer {good}")], "allow GET /docs"),
        (&[("cookie", "__Host-token={good}")], "allow GET /docs"),
        (&[("cookie", "a=1; __Host-token=\"{good}\"; b=2")], "allow GET /docs"),
        (&[("x-api-token", "{good}")], "allow GET /docs"),
        (&[("x-api-token", "Bearer {good}")], "400 bad_request"),
        (&[("x-api-token", "{good}, {good}")], "400 bad_request"),
        (&[("cookie", "__Host-token={bad}")], "401 invalid_token"),
        (&[("cookie", "token={good}")], "401 no_credential"),
        (&[("cookie", "__Host-token=")], "401 no_credential"),
        (&[("cookie", "__Host-token={good}; __Host-token={good}")], "400 bad_request"),
        (&[("cookie", "__Host-token={good}"), ("cookie", "__Host-token={good}")], "400 bad_request"),
        (&[("cookie", "__Host-token=a b")], "400 bad_request"),
        (&[("authorization", "Bearer {good}"), ("cookie", "__Host-token={good}")], "400 bad_request"),
        (&[("authorization", "Bearer {good}"), ("x-api-token", "{bad}")], "400 bad_request"),
        (&[("cookie", "__Host-token={good}"), ("x-api-token", "{good}")], "400 bad_request"),
        // Credentials of another scheme are none of ours; cookies of another name neither.
        (&[("authorization", "Basic eDp5"), ("cookie", "__Host-token={good}")], "allow GET /docs"),
        (&[("authorization", "Bearer {good}"), ("cookie", "session=1")], "allow GET /docs"),
    ] {
        assert_eq!(ask(&gate, "GET /docs", headers), expected, "{headers:?}");
    }
}

#[test]
fn with_first_the_first_that_is_present_decides_valid_or_not() {
    let gate = gate(|options| options.first_of_several = true);
    for (headers, expected) in [
        (&[("authorization", "Bearer {good}"), ("cookie", "__Host-token={bad}")][..], "allow GET /docs"),
        (&[("authorization", "Bearer {bad}"), ("cookie", "__Host-token={good}")], "401 invalid_token"),
        (&[("authorization", "Bearer a b"), ("cookie", "__Host-token={good}")], "400 bad_request"),
        (&[("cookie", "__Host-token={good}"), ("x-api-token", "{bad}")], "allow GET /docs"),
        (&[("cookie", "__Host-token={bad}"), ("x-api-token", "{good}")], "401 invalid_token"),
        (&[("authorization", "Bearer {good}"), ("authorization", "Bearer {good}")], "400 bad_request"),
    ] {
        assert_eq!(ask(&gate, "GET /docs", headers), expected, "{headers:?}");
    }
}

#[test]
fn a_cookie_counts_only_from_the_applications_own_pages() {
    let gate = gate(|options| options.trusted_origins = vec!["chrome-extension://abcdefgh".into()]);
    let cookie = ("cookie", "__Host-token={good}");
    let site = |value| ("sec-fetch-site", value);
    let origin = |value| ("origin", value);
    for (headers, allowed) in [
        (&[][..], false),
        (&[site("same-origin")], true),
        (&[site("same-origin"), origin("https://app.example")], true),
        // A proxy before the gate may have changed the host; scripts cannot set `Sec-Fetch-Site`.
        (&[site("same-origin"), origin("https://public.example")], true),
        (&[site("same-site")], false),
        (&[site("cross-site")], false),
        (&[site("none")], false),
        (&[site("")], false),
        (&[site("Same-Origin")], false),
        (&[site("same-origin"), site("same-origin")], false),
        (&[site("cross-site"), origin("https://app.example")], false),
        (&[site("same-site"), origin("https://app.example")], false),
        (&[origin("https://app.example")], true),
        (&[origin("http://app.example")], true),
        (&[origin("https://APP.example:443")], true),
        (&[origin("https://app.example:8443")], false),
        (&[origin("https://app.example.evil.example")], false),
        (&[origin("https://evil.example")], false),
        (&[origin("https://app.example@evil.example")], false),
        (&[origin("https://sub.app.example")], false),
        (&[origin("app.example")], false),
        (&[origin("null")], false),
        (&[origin("")], false),
        (&[origin("ftp://app.example")], false),
        (&[origin("https://app.example"), origin("https://evil.example")], false),
        (&[origin("chrome-extension://abcdefgh")], true),
        (&[origin("chrome-extension://abcdefgh"), site("cross-site")], true),
        (&[origin("chrome-extension://abcdefgh"), site("none")], true),
        (&[origin("chrome-extension://other")], false),
    ] {
        let all: Vec<_> = [cookie].iter().chain(headers).copied().collect();
        let expected = if allowed { "allow POST /docs" } else { "403 csrf" };
        assert_eq!(ask(&gate, "POST /docs", &all), expected, "{headers:?}");
        // Reading changes nothing, whoever asks.
        if !headers.iter().any(|(name, _)| *name == "upgrade") {
            assert_eq!(ask(&gate, "GET /docs", &all), "allow GET /docs", "{headers:?}");
        }
    }
}

#[test]
fn nobody_but_a_browser_with_a_cookie_has_to_show_where_a_request_comes_from() {
    let gate = gate(|options| options.first_of_several = true);
    let evil = ("origin", "https://evil.example");
    for (request, headers, expected) in [
        ("POST /docs", &[("authorization", "Bearer {good}"), evil][..], "allow POST /docs"),
        ("POST /docs", &[("x-api-token", "{good}"), evil], "allow POST /docs"),
        // The cookie is there, and is not what was used.
        (
            "POST /docs",
            &[("authorization", "Bearer {good}"), ("cookie", "__Host-token={good}"), evil],
            "allow POST /docs",
        ),
        ("POST /docs", &[("cookie", "session=1"), evil], "401 no_credential"),
        ("POST /docs", &[("cookie", "__Host-token={bad}"), evil], "403 csrf"),
        ("DELETE /orgs/org_acme", &[("cookie", "__Host-token={good}"), evil], "403 csrf"),
        ("HEAD /docs", &[("cookie", "__Host-token={good}"), evil], "allow GET /docs"),
        // Public rules read no credential; where one is optional, a cookie is one.
        (
            "GET /healthz",
            &[("cookie", "__Host-token={good}"), ("upgrade", "websocket")],
            "allow GET /healthz",
        ),
        ("GET /feed", &[("cookie", "__Host-token={good}"), ("upgrade", "websocket"), evil], "403 csrf"),
    ] {
        assert_eq!(ask(&gate, request, headers), expected, "{request} {headers:?}");
    }
}

#[test]
fn a_websocket_by_cookie_needs_the_applications_own_origin() {
    let gate = gate(|options| options.trusted_origins = vec!["https://console.example".into()]);
    let cookie = ("cookie", "__Host-token={good}");
    let upgrade = ("upgrade", "websocket");
    for (headers, allowed) in [
        (&[cookie, upgrade][..], false),
        (&[cookie, upgrade, ("sec-fetch-site", "same-origin")], false),
        (&[cookie, upgrade, ("origin", "https://app.example")], true),
        (&[cookie, upgrade, ("origin", "https://app.example"), ("sec-fetch-site", "same-origin")], true),
        (&[cookie, upgrade, ("origin", "https://app.example"), ("sec-fetch-site", "cross-site")], false),
        (&[cookie, upgrade, ("origin", "https://evil.example"), ("sec-fetch-site", "same-origin")], false),
        (&[cookie, upgrade, ("origin", "https://evil.example")], false),
        (&[cookie, upgrade, ("origin", "https://console.example")], true),
        (&[("authorization", "Bearer {good}"), upgrade], true),
    ] {
        let expected = if allowed { "allow GET /docs" } else { "403 csrf" };
        assert_eq!(ask(&gate, "GET /docs", headers), expected, "{headers:?}");
    }
}

#[test]
fn no_credential_shows_in_what_is_printed() {
    let gate = gate(|_| {});
    let secret = "c2VjcmV0LXZhbHVl";
    let answer = check(&gate, "GET /docs", &[("cookie", &format!("__Host-token={secret}"))], NOW);
    assert_eq!(answer, "401 invalid_token");
    assert!(!format!("{gate:?}").contains(secret));
}

#[cfg(all(feature = "config", feature = "remote"))]
mod from_a_file {
    use orgate::{Checked, Gate, Verdict};
    use orgate_testkit::{Folder, TestKey, access_token_claims, jwks};

    use super::common::{AUDIENCE, ISSUER, NOW, Sent, verdict_text};

    /// A gate of this policy file, with the keys of its issuers in a file beside it.
    async fn load(more: &str) -> (Gate, Folder) {
        let folder = Folder::new();
        folder.write("keys.json", &jwks([TestKey::es256()]));
        let issuer = |url: &str, more: &str| {
            format!(
                "{{issuer: \"{url}\", audience: {AUDIENCE}, profile: orgate, keys: {{file: keys.json}}{more}}}"
            )
        };
        let text = format!(
            "version: 1\nissuers:\n  main: {}\n  other: {}\nroles: {{member: {{grants: [invite]}}}}\n\
             rules: {{GET /docs: read, POST /docs: write, POST /invitations: invite}}\n{more}",
            issuer(ISSUER, ""),
            issuer("https://other.example", ", permissions_from: role"),
        );
        let gate = Gate::load(folder.write("orgate.yaml", &text)).await.unwrap();
        gate.ready().await;
        (gate, folder)
    }

    fn ask(gate: &Gate, request: &str, headers: &[(&'static str, String)]) -> (String, Option<String>) {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        match Sent::new(request, &headers).checked_at(gate, NOW) {
            Checked::Done(verdict) => {
                let location = match &verdict {
                    Verdict::Reject(rejection) => rejection.response(None).headers().get("location").cloned(),
                    Verdict::Forward(_) | Verdict::Answer(_) => None,
                };
                (verdict_text(&verdict), location.map(|url| url.to_str().unwrap().to_owned()))
            }
            Checked::Needs(need) => (format!("needs {need:?}"), None),
        }
    }

    fn token(issuer: &str) -> String {
        TestKey::es256().mint(&access_token_claims(issuer, AUDIENCE, NOW))
    }

    #[tokio::test]
    async fn an_issuer_has_its_own_choice_of_permissions() {
        let (gate, _folder) = load("").await;
        for (issuer, request, expected) in [
            (ISSUER, "GET /docs", "allow GET /docs"),
            (ISSUER, "POST /invitations", "403 missing_permission"),
            ("https://other.example", "GET /docs", "403 missing_permission"),
            ("https://other.example", "POST /invitations", "allow POST /invitations"),
        ] {
            let bearer = format!("Bearer {}", token(issuer));
            // Twice: what is kept of a token was made by the same choice.
            for _ in 0..2 {
                let (verdict, _) = ask(&gate, request, &[("authorization", bearer.clone())]);
                assert_eq!(verdict, expected, "{request} from {issuer}");
            }
        }
    }

    #[tokio::test]
    async fn what_the_file_says_of_tokens_and_refusals_is_what_the_gate_does() {
        let (gate, _folder) = load(
            "token: {from: [bearer, {cookie: __Host-t}], several: first, csrf: {origins: [https://console.example]}}\n\
             deny: {disclose: none, redirect: {login: https://auth.example/login, organizations: /choose}}\n",
        )
        .await;
        let cookie = ("cookie", format!("__Host-t={}", token(ISSUER)));
        let origin = |text: &str| ("origin", text.to_owned());
        let navigate = ("sec-fetch-mode", "navigate".to_owned());
        for (request, headers, expected) in [
            ("GET /docs", vec![cookie.clone()], "allow GET /docs"),
            ("POST /docs", vec![cookie.clone()], "403 csrf"),
            ("POST /docs", vec![cookie.clone(), origin("https://app.example")], "allow POST /docs"),
            ("POST /docs", vec![cookie.clone(), origin("https://console.example")], "allow POST /docs"),
            ("POST /docs", vec![cookie.clone(), origin("https://evil.example")], "403 csrf"),
            (
                "GET /docs",
                vec![("authorization", "Bearer x.y.z".to_owned()), cookie.clone()],
                "401 invalid_token",
            ),
            ("GET /docs", vec![navigate.clone()], "303 no_credential"),
        ] {
            assert_eq!(ask(&gate, request, &headers).0, expected, "{request} {headers:?}");
        }
        let (_, location) = ask(&gate, "GET /docs?a=1", &[navigate]);
        assert_eq!(location.as_deref(), Some("https://auth.example/login?return_to=%2Fdocs%3Fa%3D1"));
    }
}
