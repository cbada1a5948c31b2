mod ended;
mod keys;
mod reading;
mod ssf;

use http::Method;
use serde_json::{Value, json};

use super::marks::Change;
use crate::{
    events::EventType,
    testing::{Browser, Reply, Site, claims},
};

/// Somebody who reads the feed of `proj_p` from some moment on.
struct Feed {
    key: String,
    from: i64,
}

impl Feed {
    async fn open(site: &Site) -> Self {
        let key = make_key(site, &["feed"]).await;
        let from = ask(site, &key, "").await.json()["seq"].as_i64().unwrap();
        Self { key, from }
    }

    async fn marks(&self, site: &Site) -> Vec<Value> {
        let reply = ask(site, &self.key, &format!("?after={}", self.from)).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()["marks"].as_array().unwrap().clone()
    }

    /// Whether a gate that has read so far would refuse the access token.
    async fn refuses(&self, site: &Site, tokens: &Value) -> bool {
        let claims = claims(&tokens["access_token"]);
        self.marks(site).await.iter().any(|mark| refused(mark, &claims, &header(tokens)))
    }
}

/// The same rule as a gate has: everything that the mark says must hold of the token.
fn refused(mark: &Value, claims: &Value, header: &Value) -> bool {
    let family = || claims["jti"].as_str().unwrap().split_once('.').map(|(_, family)| json!(family));
    let is = |name: &str, value: &Value| mark.get(name).is_none_or(|wanted| wanted == value);
    let below = |name: &str, value: &Value| {
        mark.get(name).is_none_or(|bound| value.as_i64().unwrap_or(0) < bound.as_i64().unwrap())
    };
    let about = match mark["kind"].as_str().unwrap() {
        "member" => is("sub", &claims["sub"]) && is("org_id", &claims["org_id"]),
        "role" => is("role", &claims["org_role"]) && is("org_id", &claims["org_id"]),
        "org" => claims.get("org_id").is_some_and(|org| is("org_id", org)),
        "session" => is("sid", &claims["sid"]),
        "family" => family().is_some_and(|family| is("family", &family)),
        "subject" => is("sub", &claims["sub"]),
        "client" => is("client_id", &claims["client_id"]),
        "token" => is("jti", &claims["jti"]),
        "key" => is("kid", &header["kid"]),
        unknown => panic!("{unknown}"),
    };
    about && below("min", &claims["org_ver"]) && below("before", &claims["iat"])
}

/// The header of the access token.
fn header(tokens: &Value) -> Value {
    let head = tokens["access_token"].as_str().unwrap().split('.').next().unwrap();
    serde_json::from_slice(&crate::encoding::from_base64url(head).unwrap()).unwrap()
}

async fn operator(site: &Site) -> Browser {
    let browser = site.browser();
    browser.operator("ops@example.com").await;
    browser
}

/// A key of `proj_p` with these scopes.
async fn make_key(site: &Site, scopes: &[&str]) -> String {
    let wish = json!({ "name": "gate", "scopes": scopes });
    let reply = operator(site).await.json(Method::POST, "/api/platform/projects/proj_p/keys", &wish).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    reply.json()["secret"].as_str().unwrap().to_owned()
}

/// What the feed answers to a holder of `key`.
async fn ask(site: &Site, key: &str, query: &str) -> Reply {
    let uri = format!("/p/proj_p/revocations{query}");
    with_key(site, key, Method::GET, &uri, String::new()).await
}

async fn with_key(site: &Site, key: &str, method: Method, uri: &str, body: String) -> Reply {
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    site.browser().send(method, uri, &headers, body).await
}

#[test]
fn every_event_that_ends_a_right_is_read_and_makes_a_mark() {
    let source = include_str!("../queries.rs");
    for kind in EventType::ALL {
        let is_read = source.contains(&format!("'{}'", kind.as_str()));
        assert_eq!(is_read, kind.ends_rights(), "{kind:?}");
        let change = |data: Value| Change {
            seq: 1,
            kind: kind.as_str().to_owned(),
            actor: "user".to_owned(),
            org_id: Some("org_a".to_owned()),
            target_id: "fam_1".to_owned(),
            data,
            at: 1_500,
        };
        let full = json!({
            "user_id": "usr_a", "what": "family", "org_ver": 7, "lost": ["secret"],
            "before": { "key": "x", "permissions": ["a"], "org_enabled": true, "owner": { "user_id": "usr_a" } },
            "after": { "key": "x", "permissions": [], "org_enabled": false, "owner": { "user_id": "usr_b" } },
        });
        let marks: Vec<Value> = change(full.clone()).shown(10_001).collect();
        // A key of the project is nobody's right to be anybody.
        let makes = kind.ends_rights() && *kind != EventType::ProjectKeyRevoked;
        assert_eq!(!marks.is_empty(), makes, "{kind:?}");
        for mark in &marks {
            assert_eq!((&mark["seq"], &mark["expires_at"]), (&json!(1), &json!(11)), "rounded up");
        }
        // What was written before events said the counter goes by the time, never by nothing.
        let mut old = full;
        old.as_object_mut().unwrap().remove("org_ver");
        for mark in change(old).shown(10_001) {
            let bounded = mark.get("before").is_some();
            let whole = ["session", "family", "token", "key"].contains(&mark["kind"].as_str().unwrap());
            assert!(bounded || whole || *kind == EventType::OrganizationDeleted, "{mark}");
        }
        // Data that was erased stops nobody.
        let _: Vec<Value> = change(json!({})).shown(10_001).collect();
    }
}
