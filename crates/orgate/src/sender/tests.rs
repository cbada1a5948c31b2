//! What becomes of requests with proofs where few are remembered.

use std::time::Duration;

use http::{HeaderMap, Method, Response, header::RETRY_AFTER, uri::PathAndQuery};
use orgate_claims::IssuerUrl;
use orgate_policy::{Place, Policy, PolicySpec, Requirement, RuleKey, RuleSpec};
use orgate_testkit::{TestKey, access_token_claims, dpop_claims, dpop_header, dpop_proof, jwks, thumbprint};
use orgate_verify::{KeySet, StaticKeys, TrustedIssuer};
use serde_json::{Value, json};

use super::*;
use crate::Checked;

const NOW: i64 = 1_700_000_000;
const URL: &str = "https://app.example/docs";

/// A gate with room for so many proofs of one key.
fn gate(room: usize) -> Gate {
    let rules = [("GET /docs", "authenticated"), ("GET /open", "public")].map(|(key, demand)| {
        RuleSpec::new(RuleKey::parse(key).unwrap(), Requirement::parse(demand).unwrap(), Place::default())
    });
    let policy = Policy::compile(PolicySpec { rules: rules.into(), ..PolicySpec::default() }).unwrap();
    let issuer = IssuerUrl::parse("https://issuer.example").unwrap();
    let issuer = TrustedIssuer::new(issuer, vec!["api".to_owned()]).unwrap().dpop(Binding::Allowed);
    let (keys, _) = KeySet::from_jwks(jwks([TestKey::es256()]).as_bytes()).unwrap();
    let verifier = Verifier::new(vec![(issuer, Arc::new(StaticKeys::new(keys)))]).unwrap();
    Gate::new(GateParts::new(policy, verifier)).remembering(room)
}

/// A token of our key, changed by `edit`.
fn token_but(edit: impl FnOnce(&mut Value)) -> String {
    let mut claims = access_token_claims("https://issuer.example", "api", NOW);
    claims["cnf"] = json!({"jkt": thumbprint(TestKey::eddsa())});
    edit(&mut claims);
    TestKey::es256().mint(&claims)
}

fn proof_but(id: &str, token: &str, edit: impl FnOnce(&mut Value)) -> String {
    let mut claims = dpop_claims(id, "GET", URL, token, NOW);
    edit(&mut claims);
    dpop_proof(TestKey::eddsa(), &claims)
}

/// The answer to `GET target` at this time; `None` if it may go on.
fn refused_at(
    gate: &Gate,
    target: &'static str,
    headers: &[(&'static str, &str)],
    now: i64,
) -> Option<Response<bytes::Bytes>> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(*name, value.parse().unwrap());
    }
    let head = RequestHead {
        method: &Method::GET,
        authority: Some("app.example"),
        path_and_query: &PathAndQuery::from_static(target),
        headers: &map,
        peer: None,
        client_certificate: None,
    };
    match gate.check_now(&head, UnixTime::from_seconds(now)) {
        Checked::Done(Verdict::Forward(_)) => None,
        Checked::Done(Verdict::Reject(rejection)) => Some(rejection.response(None)),
        other => panic!("{other:?}"),
    }
}

/// The status of the answer to a request with a proof, 200 if it may go on, and when to try again.
fn ask(gate: &Gate, token: &str, proof: &str, now: i64) -> (u16, i64) {
    let headers = [("authorization", &*format!("DPoP {token}")), ("dpop", proof)];
    let Some(response) = refused_at(gate, "/docs", &headers, now) else { return (200, 0) };
    let wait = response.headers().get(RETRY_AFTER).map(|value| value.to_str().unwrap().parse().unwrap());
    (response.status().as_u16(), wait.unwrap_or(0))
}

#[test]
fn where_no_proof_can_be_remembered_none_is_let_through_until_there_is_room() {
    let (gate, token) = (gate(3), token_but(|_| {}));
    let proof = |id: &str, made: i64| proof_but(id, &token, |claims| claims["iat"] = made.into());
    for id in ["1", "2", "3"] {
        assert_eq!(ask(&gate, &token, &proof(id, NOW), NOW).0, 200);
    }
    let fourth = proof("4", NOW + 30);
    let (status, wait) = ask(&gate, &token, &fourth, NOW);
    assert_eq!(status, 429);
    assert!((60..=130).contains(&wait), "{wait}");
    assert_eq!(ask(&gate, &token, &fourth, NOW).0, 429, "not taken the second time either");
    assert_eq!(ask(&gate, &token, &proof("1", NOW), NOW).0, 401, "nothing was forgotten to make room");
    let headers = [("authorization", &*format!("DPoP {token}")), ("dpop", &*proof("5", NOW))];
    let response = refused_at(&gate, "/docs", &headers, NOW).unwrap();
    assert!(!response.headers().contains_key("www-authenticate"), "nothing that the client sends would help");
    assert!(String::from_utf8_lossy(response.body()).contains("\"code\":\"rate_limited\""));
    // Who waits as long as was said gets in, also with the proof for which there was no room: it was not used up.
    assert_eq!(ask(&gate, &token, &fourth, NOW + wait - 1).0, 429);
    let last = proof("6", NOW + wait);
    assert_eq!(ask(&gate, &token, &last, NOW + wait).0, 200);
    assert_eq!(ask(&gate, &token, &last, NOW + wait).0, 401);
}

#[test]
fn a_proof_that_is_refused_takes_no_room() {
    let (gate, token) = (gate(1), token_but(|_| {}));
    type Edit = fn(&mut Value);
    let edits: [Edit; 6] = [
        |claims| claims["htm"] = "POST".into(),
        |claims| claims["htu"] = "https://app.example/feed".into(),
        |claims| claims["ath"] = "x".into(),
        |claims| claims["iat"] = (NOW - 91).into(),
        |claims| claims["iat"] = (NOW + 31).into(),
        |claims| drop(claims.as_object_mut().unwrap().remove("jti")),
    ];
    for (number, edit) in edits.into_iter().enumerate() {
        let proof = proof_but(&number.to_string(), &token, edit);
        assert_eq!(ask(&gate, &token, &proof, NOW).0, 401, "{number}");
    }
    // Somebody else's signature under the right key, and the right one under somebody else's key.
    let claims = dpop_claims("forged", "GET", URL, &token, NOW).to_string();
    for (header, key) in [
        (dpop_header(TestKey::eddsa()), TestKey::other_eddsa()),
        (dpop_header(TestKey::other_eddsa()), TestKey::eddsa()),
        (dpop_header(TestKey::other_eddsa()), TestKey::other_eddsa()),
    ] {
        assert_eq!(ask(&gate, &token, &key.sign(header.to_string(), &claims), NOW).0, 401);
    }
    // A good proof of a token that is not.
    type Token = fn(&mut Value);
    let tokens: [Token; 3] = [
        |claims| claims["exp"] = (NOW - 60).into(),
        |claims| claims["aud"] = "another".into(),
        |claims| claims["cnf"]["jkt"] = thumbprint(TestKey::other_eddsa()).into(),
    ];
    for edit in tokens {
        let token = token_but(edit);
        assert_eq!(ask(&gate, &token, &proof_but("token", &token, |_| {}), NOW).0, 401);
    }
    // A good proof of a request that is refused before anybody looks at it, or where nobody looks.
    let good = proof_but("good", &token, |_| {});
    let (scheme, bearer) = (format!("DPoP {token}"), format!("Bearer {token}"));
    for (target, headers, status) in [
        ("/docs", vec![("authorization", &*bearer), ("dpop", &*good)], Some(401)),
        ("/docs", vec![("authorization", &*scheme), ("dpop", &*good), ("dpop", &*good)], Some(401)),
        (
            "/docs",
            vec![("authorization", &*scheme), ("authorization", &*scheme), ("dpop", &*good)],
            Some(400),
        ),
        ("/nowhere", vec![("authorization", &*scheme), ("dpop", &*good)], Some(403)),
        ("/open", vec![("authorization", &*scheme), ("dpop", &*good)], None),
    ] {
        let response = refused_at(&gate, target, &headers, NOW);
        assert_eq!(response.map(|response| response.status().as_u16()), status, "{target}");
    }
    assert_eq!(ask(&gate, &token, &good, NOW).0, 200, "the room is there still");
    assert_eq!(ask(&gate, &token, &proof_but("another", &token, |_| {}), NOW).0, 429, "and now it is not");
}

#[test]
fn where_no_proof_can_be_remembered_the_client_is_told_to_wait() {
    let response = used_up(NotFirst::Full(Duration::from_secs(40))).response(None);
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers()["retry-after"], "40");
    for why in [NotFirst::Replayed, NotFirst::Forgotten] {
        assert_eq!(used_up(why).response(None).status(), 401);
    }
}
