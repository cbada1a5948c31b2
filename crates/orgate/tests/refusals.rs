//! How much a refusal shows, and who is sent elsewhere instead.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod common;

use std::sync::Arc;

use bytes::Bytes;
use common::{Keys, NOW, RULES, Sent, parts, policy, token, token_at};
use http::{HeaderValue, Response, StatusCode};
use orgate::{
    Checked, DenyOptions, Disclose, Gate, GateParts, RedirectOptions, Rejection, ResourceOptions,
    TokenOptions, TokenSource, Verdict,
};
use orgate_claims::IssuerUrl;
use orgate_testkit::TestKey;
use orgate_verify::{
    Binding::{self, Allowed, Off, Required},
    KeySource, TrustedIssuer, Verifier,
};
use serde_json::{Value, json};

fn gate(edit: impl FnOnce(GateParts) -> GateParts) -> Gate {
    let keys = Arc::new(Keys::default());
    keys.publish(&[TestKey::es256()]);
    keys.load();
    Gate::new(edit(parts(&RULES, &keys)))
}

fn refused(gate: &Gate, request: &str, headers: &[(&str, &str)]) -> Rejection {
    Sent::new(request, headers).refused_at(gate, NOW)
}

#[test]
fn a_refusal_shows_as_much_of_the_policy_as_it_may() {
    let bearer = format!("Bearer {}", token(&["read"]));
    let answer = |disclose| {
        let deny = DenyOptions { disclose, ..DenyOptions::default() };
        let gate = gate(|parts| parts.deny(deny).file_names(vec!["orgate.yaml".into()]));
        let rejection = refused(&gate, "POST /docs", &[("authorization", &bearer)]);
        assert_eq!(rejection.rule(), Some("POST /docs"), "the log always has it");
        let response = rejection.response(None);
        let challenge = response.headers()["www-authenticate"].to_str().unwrap().to_owned();
        (String::from_utf8(response.into_body().to_vec()).unwrap(), challenge)
    };
    let start = r#"{"type":"urn:orgate:error:missing_permission","title":"Missing permission","status":403,"code":"missing_permission""#;
    let shown = r#","required":"write","missing":["write"],"rule":"POST /docs""#;
    let plain = "Bearer realm=\"orgate\", error=\"insufficient_scope\"";
    let scope = format!("{plain}, scope=\"write\"");
    assert_eq!(answer(Disclose::Nothing), (format!("{start}}}"), plain.to_owned()));
    assert_eq!(answer(Disclose::Permission), (format!("{start}{shown}}}"), scope.clone()));
    assert_eq!(
        answer(Disclose::Full),
        (format!("{start}{shown},\"file\":\"orgate.yaml\",\"line\":0}}"), scope)
    );
}

#[test]
fn what_is_hidden_stays_hidden_however_much_is_shown() {
    let deny = DenyOptions {
        disclose: Disclose::Full,
        hide: true,
        unmatched_not_found: true,
        ..DenyOptions::default()
    };
    let gate = gate(|parts| parts.deny(deny).file_names(vec!["orgate.yaml".into()]));
    let bearer = format!("Bearer {}", token(&["delete_org"]));
    for request in ["DELETE /orgs/org_globex", "GET /nowhere"] {
        let response = refused(&gate, request, &[("authorization", &bearer)]).response(None);
        assert_eq!(
            String::from_utf8(response.into_body().to_vec()).unwrap(),
            r#"{"type":"urn:orgate:error:not_found","title":"Not found","status":404,"code":"not_found"}"#
        );
    }
}

const LOGIN: &str = "https://auth.example/login";
const CHOOSE: &str = "/organizations/choose?from=gate";

fn redirecting() -> Gate {
    let redirect = RedirectOptions { login: Some(LOGIN.into()), organizations: Some(CHOOSE.into()) };
    gate(|parts| parts.redirect(redirect))
}

/// The status, and where the answer leads if it leads anywhere.
fn led(rejection: &Rejection) -> String {
    let response = rejection.response(Some("req_1"));
    assert_eq!(response.status(), rejection.status());
    match response.headers().get("location") {
        Some(location) => {
            assert_eq!(response.status(), StatusCode::SEE_OTHER);
            assert!(!response.headers().contains_key("www-authenticate") && response.body().is_empty());
            assert_eq!(response.headers()["cache-control"], "no-store");
            location.to_str().unwrap().to_owned()
        }
        None => format!("{} {}", response.status().as_u16(), rejection.code()),
    }
}

#[test]
fn a_browser_is_sent_to_sign_in_and_a_program_is_told() {
    let gate = redirecting();
    let navigate = ("sec-fetch-mode", "navigate");
    let html = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8");
    let here = "https://auth.example/login?return_to=%2Fdocs";
    for (request, headers, expected) in [
        ("GET /docs", &[navigate][..], here),
        ("HEAD /docs", &[navigate], here),
        ("GET /docs", &[html], here),
        ("GET /docs", &[("accept", "Text/HTML")], here),
        ("GET /docs", &[navigate, ("authorization", "Bearer not.a.token")], here),
        ("GET /docs", &[], "401 no_credential"),
        ("GET /docs", &[("accept", "*/*")], "401 no_credential"),
        ("GET /docs", &[("accept", "application/json")], "401 no_credential"),
        ("GET /docs", &[("sec-fetch-mode", "cors"), html], "401 no_credential"),
        ("GET /docs", &[("sec-fetch-mode", "websocket"), html], "401 no_credential"),
        ("POST /docs", &[navigate, html], "401 no_credential"),
        ("DELETE /orgs/org_acme", &[navigate], "401 no_credential"),
        ("GET /nowhere", &[navigate], "403 no_rule"),
        ("GET /closed", &[navigate], "403 denied"),
        ("GET /docs", &[navigate, ("authorization", "Bearer a b")], "400 bad_request"),
        ("GET /%2e%2e/docs", &[navigate], "400 bad_request_target"),
    ] {
        assert_eq!(led(&refused(&gate, request, headers)), expected, "{request} {headers:?}");
    }
    let expired = format!("Bearer {}", token_at(NOW - 3600, &["read"], |_| {}));
    let headers = [navigate, ("authorization", expired.as_str())];
    assert_eq!(led(&refused(&gate, "GET /docs", &headers)), here);
    let rejection = refused(&gate, "GET /docs", &headers);
    assert_eq!((rejection.code().as_str(), rejection.rule()), ("expired_token", Some("GET /docs")));
    let other = token_at(NOW, &["read"], |claims| claims["iss"] = "https://evil.example".into());
    let headers = [navigate, ("authorization", &*format!("Bearer {other}"))];
    assert_eq!(led(&refused(&gate, "GET /docs", &headers)), "401 unknown_issuer");
}

#[test]
fn without_an_organization_a_browser_is_sent_to_choose_one() {
    let gate = redirecting();
    let homeless = token_at(NOW, &[], |claims| {
        for claim in ["org_id", "org_slug", "org_role", "org_permissions"] {
            claims.as_object_mut().unwrap().remove(claim);
        }
    });
    let bearer = format!("Bearer {homeless}");
    let headers = [("authorization", bearer.as_str()), ("sec-fetch-mode", "navigate")];
    let chosen = "/organizations/choose?from=gate&return_to=%2Fdocs";
    assert_eq!(led(&refused(&gate, "GET /docs", &headers)), chosen);
    assert_eq!(led(&refused(&gate, "GET /docs", &headers[..1])), "403 no_active_org");
    let member = format!("Bearer {}", token(&["write"]));
    let headers = [("authorization", member.as_str()), ("sec-fetch-mode", "navigate")];
    assert_eq!(led(&refused(&gate, "GET /docs", &headers)), "403 missing_permission");
}

#[test]
fn in_another_organization_a_browser_is_sent_to_choose_and_what_is_hidden_stays_hidden() {
    let rules = [("GET /orgs/{org_id}", "read"), ("DELETE /orgs/{org_id}", "read")];
    let made = |deny: DenyOptions| {
        let keys = Arc::new(Keys::default());
        keys.publish(&[TestKey::es256()]);
        keys.load();
        let redirect = RedirectOptions { login: None, organizations: Some(CHOOSE.into()) };
        Gate::new(parts(&rules, &keys).redirect(redirect).deny(deny))
    };
    let bearer = format!("Bearer {}", token(&["read"]));
    let headers = [("authorization", bearer.as_str()), ("sec-fetch-mode", "navigate")];
    let gate = made(DenyOptions::default());
    let chosen = "/organizations/choose?from=gate&return_to=%2Forgs%2Forg_globex";
    assert_eq!(led(&refused(&gate, "GET /orgs/org_globex", &headers)), chosen);
    assert_eq!(led(&refused(&gate, "GET /orgs/org_globex", &headers[..1])), "403 org_mismatch");
    assert_eq!(led(&refused(&gate, "DELETE /orgs/org_globex", &headers)), "403 org_mismatch");
    let hiding = made(DenyOptions { hide: true, ..DenyOptions::default() });
    assert_eq!(led(&refused(&hiding, "GET /orgs/org_globex", &headers)), "404 not_found");
}

fn known_as(url: &str) -> Gate {
    gate(|parts| {
        parts.resource(ResourceOptions {
            url: url.to_owned(),
            name: Some("the \"docs\"".to_owned()),
            documentation: None,
            scopes: vec!["read".to_owned(), "write".to_owned()],
        })
    })
}

#[test]
fn challenges_say_where_the_document_about_the_resource_is() {
    for (url, document) in [
        ("https://api.example", "https://api.example/.well-known/oauth-protected-resource"),
        ("https://api.example/", "https://api.example/.well-known/oauth-protected-resource"),
        ("https://api.example:8443/v1", "https://api.example:8443/.well-known/oauth-protected-resource/v1"),
        ("https://api.example/v1/", "https://api.example/.well-known/oauth-protected-resource/v1/"),
    ] {
        let gate = known_as(url);
        let challenge = |request: &str, headers: &[(&str, &str)]| {
            refused(&gate, request, headers).response(None).headers()["www-authenticate"]
                .to_str()
                .unwrap()
                .to_owned()
        };
        let metadata = format!(", resource_metadata=\"{document}\"");
        assert_eq!(challenge("GET /docs", &[]), format!("Bearer realm=\"orgate\"{metadata}"));
        let bearer = format!("Bearer {}", token(&["read"]));
        for (request, bearer) in
            [("GET /docs", "Bearer a.b.c"), ("GET /docs", "Bearer a b"), ("POST /docs", &*bearer)]
        {
            let told = challenge(request, &[("authorization", bearer)]);
            assert!(told.contains("error=\"") && told.ends_with(&metadata), "{told}");
        }
    }
    let silent = refused(&gate(|parts| parts), "GET /docs", &[]).response(None);
    assert_eq!(silent.headers()["www-authenticate"], "Bearer realm=\"orgate\"");
}

/// What the gate itself answers, if it does.
fn answered(gate: &Gate, request: &str) -> Option<Response<Bytes>> {
    match Sent::new(request, &[]).checked_at(gate, NOW) {
        Checked::Done(Verdict::Answer(answer)) => Some(answer.response()),
        _ => None,
    }
}

#[test]
fn the_document_about_the_resource_is_answered_before_the_policy() {
    let gate = known_as("https://api.example/v1");
    for path in [
        "/.well-known/oauth-protected-resource/v1",
        "/.well-known/oauth-protected-resource",
        "/.well-known/oauth-protected-resource?x=y",
    ] {
        let answer = answered(&gate, &format!("GET {path}")).unwrap();
        assert_eq!(
            (answer.status(), &answer.headers()["access-control-allow-origin"]),
            (StatusCode::OK, &HeaderValue::from_static("*"))
        );
        assert_eq!(answer.headers()["content-type"], "application/json");
        let document: Value = serde_json::from_slice(answer.body()).unwrap();
        assert_eq!(
            document,
            json!({
                "resource": "https://api.example/v1",
                "authorization_servers": [common::ISSUER],
                "bearer_methods_supported": ["header"],
                "scopes_supported": ["read", "write"],
                "resource_name": "the \"docs\"",
            })
        );
    }
    for path in [
        "/.well-known/oauth-protected-resource/v2",
        "/.well-known/oauth-protected-resource/",
        "/.well-known/oauth-protected-resources",
    ] {
        assert!(answered(&gate, &format!("GET {path}")).is_none(), "{path}");
    }
    assert!(answered(&gate, "POST /.well-known/oauth-protected-resource").is_none());
    let preflight = answered(&gate, "OPTIONS /.well-known/oauth-protected-resource/v1").unwrap();
    assert_eq!((preflight.status(), preflight.body().len()), (StatusCode::NO_CONTENT, 0));
    let off = self::gate(|parts| parts);
    assert!(answered(&off, "GET /.well-known/oauth-protected-resource").is_none());
}

#[test]
fn the_document_says_how_tokens_are_sent_and_what_they_are_bound_to() {
    let algorithms = json!(["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"]);
    let query = |name: &str| TokenSource::Query(name.into());
    let cookie = TokenSource::Cookie("__Host-t".into());
    let both = || vec![TokenSource::Bearer, query("token"), query("access_token"), cookie.clone()];
    type Terms = (Binding, Binding);
    let rows: [(&[Terms], Vec<TokenSource>, Value); 9] = [
        (&[(Off, Off)], both(), json!({"bearer_methods_supported": ["header", "query"]})),
        (&[(Off, Off)], vec![query("access_token")], json!({"bearer_methods_supported": ["query"]})),
        (&[(Off, Off)], vec![query("token"), cookie.clone()], json!({"bearer_methods_supported": []})),
        (
            &[(Allowed, Off)],
            both(),
            json!({"bearer_methods_supported": ["header", "query"], "dpop_signing_alg_values_supported": algorithms}),
        ),
        (
            &[(Required, Off)],
            both(),
            json!({
                "bearer_methods_supported": [],
                "dpop_signing_alg_values_supported": algorithms,
                "dpop_bound_access_tokens_required": true,
            }),
        ),
        (
            &[(Required, Off), (Off, Off)],
            both(),
            json!({"bearer_methods_supported": ["header", "query"], "dpop_signing_alg_values_supported": algorithms}),
        ),
        (
            &[(Off, Off), (Off, Allowed)],
            vec![TokenSource::Bearer],
            json!({"bearer_methods_supported": ["header"], "tls_client_certificate_bound_access_tokens": true}),
        ),
        (
            &[(Off, Required)],
            vec![TokenSource::Bearer],
            json!({"bearer_methods_supported": ["header"], "tls_client_certificate_bound_access_tokens": true}),
        ),
        (
            &[(Required, Required), (Required, Off)],
            vec![TokenSource::Bearer],
            json!({
                "bearer_methods_supported": [],
                "dpop_signing_alg_values_supported": algorithms,
                "dpop_bound_access_tokens_required": true,
                "tls_client_certificate_bound_access_tokens": true,
            }),
        ),
    ];
    for (terms, sources, expected) in rows {
        let issuers = terms.iter().enumerate().map(|(number, (dpop, mtls))| {
            let url = IssuerUrl::parse(&format!("https://issuer{number}.example")).unwrap();
            let issuer = TrustedIssuer::with_any_audience(url).dpop(*dpop).mtls(*mtls);
            (issuer, Arc::new(Keys::default()) as Arc<dyn KeySource>)
        });
        let parts = GateParts::new(policy(&RULES), Verifier::new(issuers.collect()).unwrap());
        let resource =
            ResourceOptions { url: "https://api.example".to_owned(), ..ResourceOptions::default() };
        let token = TokenOptions { sources, ..TokenOptions::default() };
        let gate = Gate::new(parts.token(token).resource(resource));
        let answer = answered(&gate, "GET /.well-known/oauth-protected-resource").unwrap();
        let mut document: Value = serde_json::from_slice(answer.body()).unwrap();
        assert_eq!(document["authorization_servers"].as_array().unwrap().len(), terms.len());
        document
            .as_object_mut()
            .unwrap()
            .retain(|name, _| !["resource", "authorization_servers"].contains(&name.as_str()));
        assert_eq!(document, expected, "{terms:?}");
    }
}

#[test]
fn the_way_back_is_a_path_of_this_application_and_bounded() {
    let gate = redirecting();
    let navigate = [("sec-fetch-mode", "navigate")];
    let back = |target: &str| led(&refused(&gate, &format!("GET {target}"), &navigate));
    assert_eq!(
        back("/docs?q=a%20b&next=https://evil.example/#x".trim_end_matches("#x")),
        "https://auth.example/login?return_to=%2Fdocs%3Fq%3Da%2520b%26next%3Dhttps%3A%2F%2Fevil.example%2F"
    );
    assert_eq!(back(&format!("/docs?{}", "a".repeat(2042))).len(), LOGIN.len() + 11 + 2048 + 4);
    assert_eq!(back(&format!("/docs?{}", "a".repeat(2043))), "https://auth.example/login?return_to=%2Fdocs");
}

#[test]
fn a_page_that_is_itself_refused_leads_nowhere() {
    for login in ["/docs", "/docs?x=y", "https://app.example/docs", "https://APP.example/docs?x"] {
        let redirect = RedirectOptions { login: Some(login.into()), organizations: None };
        let gate = gate(|parts| parts.redirect(redirect));
        let navigate = [("sec-fetch-mode", "navigate")];
        assert_eq!(led(&refused(&gate, "GET /docs", &navigate)), "401 no_credential", "{login}");
        assert!(led(&refused(&gate, "GET /me", &navigate)).contains("return_to=%2Fme"), "{login}");
    }
    let redirect = RedirectOptions { login: Some("https://other.example/docs".into()), organizations: None };
    let gate = gate(|parts| parts.redirect(redirect));
    let led = led(&refused(&gate, "GET /docs", &[("sec-fetch-mode", "navigate")]));
    assert_eq!(led, "https://other.example/docs?return_to=%2Fdocs");
}
