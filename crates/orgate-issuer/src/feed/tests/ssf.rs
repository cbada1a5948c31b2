//! Security events by polling.

use std::collections::BTreeMap;

use http::Method;
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header, jwk::JwkSet};
use serde_json::{Value, json};

use super::{make_key, operator, with_key};
use crate::testing::{ORIGIN, Site, site};

const ACME: &str = "/v1/auth/organizations/acme";

/// Polls at once; gives what each token says, by its id, and whether there is more.
async fn poll(site: &Site, key: &str, body: Value) -> (BTreeMap<String, Value>, bool) {
    let mut body = body;
    body["returnImmediately"] = true.into();
    let reply = with_key(site, key, Method::POST, "/p/proj_p/ssf/poll", body.to_string()).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let keys: JwkSet =
        serde_json::from_value(site.browser().get("/p/proj_p/jwks.json").await.json()).unwrap();
    let answer = reply.json();
    let sets = answer["sets"].as_object().unwrap().iter().map(|(jti, token)| {
        let token = token.as_str().unwrap();
        let header = decode_header(token).unwrap();
        assert_eq!(header.typ.as_deref(), Some("secevent+jwt"));
        let mut validation = Validation::new(header.alg);
        validation.set_issuer(&[format!("{ORIGIN}/p/proj_p")]);
        validation.validate_aud = false;
        // A security event token has no end (RFC 8417 section 2.2).
        validation.set_required_spec_claims(&["iss"]);
        let key = DecodingKey::from_jwk(keys.find(header.kid.as_ref().unwrap()).unwrap()).unwrap();
        let claims = decode::<Value>(token, &key, &validation).unwrap().claims;
        assert_eq!(claims["jti"], *jti);
        assert!(claims.get("exp").is_none() && claims.get("sub").is_none());
        (jti.clone(), claims)
    });
    (sets.collect(), answer["moreAvailable"] == true)
}

fn caep(claims: &Value, name: &str) -> Value {
    claims["events"][format!("https://schemas.openid.net/secevent/caep/event-type/{name}")].clone()
}

#[orgate_testkit::both]
async fn changes_come_as_signed_events_until_they_are_acknowledged() {
    let site = site().await;
    let key = make_key(&site, &["feed"]).await;
    assert!(poll(&site, &key, json!({})).await.0.is_empty(), "a stream begins with its first poll");
    let owner = site.signed_in("owner").await;
    let member = site.signed_in("member").await;
    owner.json(Method::PUT, &format!("{ACME}/members/usr_admin"), &json!({ "role": "viewer" })).await;
    member.json(Method::POST, "/v1/auth/logout", &json!({})).await;
    owner.json(Method::DELETE, &format!("{ACME}/members/usr_member"), &json!({})).await;

    let (sets, more) = poll(&site, &key, json!({})).await;
    assert!(!more && sets.len() == 3, "{sets:?}");
    let all: Vec<(&String, &Value)> = sets.iter().collect();
    let changed = caep(all[0].1, "token-claims-change");
    assert_eq!(
        (&changed["claims"]["org_role"], &changed["initiating_entity"]),
        (&json!("viewer"), &json!("user"))
    );
    let subject = &all[0].1["sub_id"];
    assert_eq!(
        (&subject["user"]["sub"], &subject["tenant"]["id"]),
        (&json!("usr_admin"), &json!("org_acme"))
    );
    let ended = caep(all[1].1, "session-revoked");
    assert_eq!(ended["event_timestamp"], json!(crate::testing::NOW / 1000));
    assert!(all[1].1["sub_id"]["session"]["id"].as_str().unwrap().starts_with("ses_"));
    assert_eq!(all[1].1["sub_id"]["user"]["sub"], "usr_member");
    let removed = caep(all[2].1, "token-claims-change");
    assert_eq!(removed["claims"]["org_id"], Value::Null);

    // What is not acknowledged comes again, in whatever order the rest was.
    let (same, _) = poll(&site, &key, json!({ "ack": [all[1].0] })).await;
    assert_eq!(same.keys().collect::<Vec<_>>(), [all[0].0, all[2].0]);
    let refused = json!({ "ack": [all[0].0], "setErrs": { all[2].0: { "err": "invalid_issuer" } } });
    assert!(poll(&site, &key, refused).await.0.is_empty());
    assert!(poll(&site, &key, json!({ "ack": ["set_1_0", "x", "set_999999_0"] })).await.0.is_empty());
}

#[orgate_testkit::both]
async fn a_receiver_is_given_as_much_as_it_wants() {
    let site = site().await;
    let key = make_key(&site, &["feed"]).await;
    let other = make_key(&site, &["feed"]).await;
    for key in [&key, &other] {
        poll(&site, key, json!({})).await;
    }
    super::reading::end(&site, 150).await;
    assert_eq!(poll(&site, &key, json!({ "maxEvents": 0 })).await, (BTreeMap::new(), true));
    let mut seen = Vec::new();
    let mut ack: Vec<String> = Vec::new();
    loop {
        let (sets, more) = poll(&site, &key, json!({ "maxEvents": 70, "ack": ack })).await;
        ack = sets.into_keys().collect();
        seen.extend(ack.clone());
        if !more {
            break;
        }
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 150, "each once");
    assert_eq!(poll(&site, &other, json!({})).await.0.len(), 100, "another stream is where it was");
}

#[orgate_testkit::both]
async fn a_poll_waits_for_something_to_say() {
    let site = site().await;
    let key = make_key(&site, &["feed"]).await;
    poll(&site, &key, json!({})).await;
    let waiting = with_key(&site, &key, Method::POST, "/p/proj_p/ssf/poll", "{}".to_owned());
    let (reply, ()) = tokio::join!(waiting, async {
        tokio::task::yield_now().await;
        super::reading::end(&site, 1).await;
    });
    assert_eq!(reply.json()["sets"].as_object().unwrap().len(), 1);
}

#[orgate_testkit::both]
async fn a_transmitter_says_where_it_is_polled() {
    let site = site().await;
    let operator = operator(&site).await;
    for path in ["/.well-known/ssf-configuration/p/proj_p", "/p/proj_p/.well-known/ssf-configuration"] {
        let reply = site.browser().get(path).await.json();
        assert_eq!(reply["issuer"], format!("{ORIGIN}/p/proj_p"));
        assert_eq!(reply["delivery_methods_supported"], json!(["urn:ietf:rfc:8936"]));
        assert_eq!(reply["poll_endpoint"], format!("{ORIGIN}/p/proj_p/ssf/poll"));
    }
    let body = "{}".to_owned();
    let json = [("content-type", "application/json")];
    assert_eq!(operator.send(Method::POST, "/p/proj_p/ssf/poll", &json, body).await.status, 401);
    let key = make_key(&site, &["feed"]).await;
    for bad in [r#"{"maxEvents":-1}"#, r#"{"ack":"x"}"#, r#"{"setErrs":[]}"#, r#"{"what":1}"#] {
        let reply = with_key(&site, &key, Method::POST, "/p/proj_p/ssf/poll", bad.to_owned()).await;
        assert_eq!(reply.status, 422, "{bad}");
    }
}
