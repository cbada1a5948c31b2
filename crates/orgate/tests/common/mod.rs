//! A gate over a policy in code, with keys that a test can take away and change.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use http::{HeaderMap, HeaderValue, Method, header::AUTHORIZATION, uri::PathAndQuery};
use orgate::{Checked, Gate, GateParts, RequestHead, Verdict};
use orgate_claims::{IssuerUrl, Permission, UnixTime};
use orgate_policy::{PathOptions, Place, Policy, PolicySpec, Requirement, RuleKey, RuleSpec};
use orgate_testkit::{TestKey, access_token_claims, jwks};
use orgate_verify::{BoxFuture, KeySet, KeySource, KeySourceError, KeySourceStatus, TrustedIssuer, Verifier};
use serde_json::Value;

pub const ISSUER: &str = "https://issuer.example";
pub const AUDIENCE: &str = "api";
pub const NOW: i64 = 1_700_000_000;

/// The rules of most tests.
pub const RULES: [(&str, &str); 7] = [
    ("GET /healthz", "public"),
    ("GET /feed", "optional"),
    ("GET /docs", "read"),
    ("POST /docs", "write"),
    ("ANY /closed", "deny"),
    ("DELETE /orgs/{org_id}", "delete_org"),
    ("GET /me", "authenticated"),
];

/// Keys that are fetched only when they are asked for.
#[derive(Debug, Default)]
pub struct Keys {
    current: Mutex<Option<Arc<KeySet>>>,
    /// What a refresh brings; nothing means that the issuer is out of reach.
    published: Mutex<Option<String>>,
    pub refreshes: AtomicUsize,
    /// When the issuer may be asked again.
    pub pause: Mutex<Option<std::time::Duration>>,
}

impl Keys {
    pub fn publish(&self, keys: &[&TestKey]) {
        *self.published.lock().unwrap() = Some(jwks(keys.iter().copied()));
    }

    /// What a refresh brings.
    pub fn published(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.published.lock().unwrap()
    }

    pub fn load(&self) {
        let published = self.published.lock().unwrap().clone();
        let set = published.map(|text| Arc::new(KeySet::from_jwks(text.as_bytes()).unwrap().0));
        *self.current.lock().unwrap() = set;
    }
}

impl KeySource for Keys {
    fn current(&self) -> Option<Arc<KeySet>> {
        self.current.lock().unwrap().clone()
    }

    fn refresh(&self) -> BoxFuture<'_, Result<(), KeySourceError>> {
        self.refreshes.fetch_add(1, Ordering::Relaxed);
        Box::pin(async {
            if self.published.lock().unwrap().is_none() {
                return Err(KeySourceError::new("the issuer is out of reach"));
            }
            self.load();
            Ok(())
        })
    }

    fn retry_after(&self) -> Option<std::time::Duration> {
        *self.pause.lock().unwrap()
    }

    fn status(&self) -> KeySourceStatus {
        KeySourceStatus::new("test", self.current().is_some(), None)
    }
}

pub fn policy(rules: &[(&str, &str)]) -> Policy {
    policy_under(PathOptions::default(), rules)
}

pub fn policy_under(paths: PathOptions, rules: &[(&str, &str)]) -> Policy {
    let rules = rules.iter().map(|(key, requirement)| {
        RuleSpec::new(
            RuleKey::parse_with(key, paths).unwrap(),
            Requirement::parse(requirement).unwrap(),
            Place::default(),
        )
    });
    let names = ["read", "write", "invite", "delete_org"];
    Policy::compile(PolicySpec {
        rules: rules.collect(),
        permissions: names.map(|name| Permission::parse(name).unwrap()).into(),
        paths,
        ..PolicySpec::default()
    })
    .unwrap()
}

pub fn parts(rules: &[(&str, &str)], keys: &Arc<Keys>) -> GateParts {
    parts_of(policy(rules), keys)
}

pub fn parts_of(policy: Policy, keys: &Arc<Keys>) -> GateParts {
    let issuer = TrustedIssuer::new(IssuerUrl::parse(ISSUER).unwrap(), vec![AUDIENCE.to_owned()]).unwrap();
    let source: Arc<dyn KeySource> = Arc::<Keys>::clone(keys);
    GateParts::new(policy, Verifier::new(vec![(issuer, source)]).unwrap())
}

/// A gate whose keys are loaded: the one ES256 key.
pub fn gate() -> (Gate, Arc<Keys>) {
    let keys = Arc::new(Keys::default());
    keys.publish(&[TestKey::es256()]);
    keys.load();
    (Gate::new(parts(&RULES, &keys)), keys)
}

/// A token with `permissions`, changed by `edit`.
pub fn token_at(now: i64, permissions: &[&str], edit: impl FnOnce(&mut Value)) -> String {
    let mut claims = access_token_claims(ISSUER, AUDIENCE, now);
    claims["org_permissions"] = permissions.into();
    edit(&mut claims);
    TestKey::es256().mint(&claims)
}

pub fn token(permissions: &[&str]) -> String {
    token_at(NOW, permissions, |_| {})
}

/// What the gate says at once, as `allow RULE`, `STATUS code` or `needs …`.
pub fn check(gate: &Gate, request: &str, headers: &[(&str, &str)], now: i64) -> String {
    let (method, path) = request.split_once(' ').unwrap();
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(http::HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap());
    }
    let head = RequestHead {
        method: &Method::from_bytes(method.as_bytes()).unwrap(),
        authority: Some("app.example"),
        path_and_query: &PathAndQuery::try_from(path).unwrap(),
        headers: &map,
        peer: None,
        client_certificate: None,
    };
    match gate.check_now(&head, UnixTime::from_seconds(now)) {
        Checked::Done(verdict) => verdict_text(&verdict),
        Checked::Needs(need) => format!("needs {need:?}"),
    }
}

pub fn verdict_text(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Forward(permit) => format!("allow {}", permit.rule()),
        Verdict::Answer(answer) => format!("answer {}", answer.rule()),
        Verdict::Reject(rejection) => format!("{} {}", rejection.status().as_u16(), rejection.code()),
    }
}

pub fn with_token(gate: &Gate, request: &str, token: &str) -> String {
    check(gate, request, &[(AUTHORIZATION.as_str(), &format!("Bearer {token}"))], NOW)
}
