//! A gate over a policy in code, with keys that a test can take away and change.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use http::{HeaderMap, HeaderValue, Method, header::AUTHORIZATION, uri::PathAndQuery};
use orgate::{CertificateThumbprint, Checked, Gate, GateParts, Rejection, RequestHead, Verdict};
use orgate_claims::{IssuerUrl, Permission, UnixTime};
use orgate_policy::{PathOptions, Place, Policy, PolicySpec, Requirement, RuleKey, RuleSpec};
use orgate_testkit::{Folder, TestKey, access_token_claims, jwks};
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

/// A request as a door receives it.
#[derive(Clone, Debug)]
pub struct Sent {
    method: Method,
    target: PathAndQuery,
    headers: HeaderMap,
    certificate: Option<CertificateThumbprint>,
}

impl Sent {
    /// `METHOD target` with these headers.
    pub fn new(request: &str, headers: &[(&str, &str)]) -> Self {
        let (method, target) = request.split_once(' ').unwrap();
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(http::HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        let (method, target) = (method.parse().unwrap(), target.parse().unwrap());
        Self { method, target, headers: map, certificate: None }
    }

    /// The same with a bearer token and nothing else.
    pub fn bearing(request: &str, token: &str) -> Self {
        Self::new(request, &[(AUTHORIZATION.as_str(), &format!("Bearer {token}"))])
    }

    /// On a connection on which the client has shown this certificate.
    pub fn by(self, certificate: Option<CertificateThumbprint>) -> Self {
        Self { certificate, ..self }
    }

    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// As the gate is asked about it.
    pub fn head(&self) -> RequestHead<'_> {
        RequestHead {
            method: &self.method,
            authority: Some("app.example"),
            path_and_query: &self.target,
            headers: &self.headers,
            peer: None,
            client_certificate: self.certificate,
        }
    }

    pub fn checked_at(&self, gate: &Gate, now: i64) -> Checked {
        gate.check_now(&self.head(), UnixTime::from_seconds(now))
    }

    /// The refusal; there must be one.
    #[track_caller]
    pub fn refused_at(&self, gate: &Gate, now: i64) -> Rejection {
        match self.checked_at(gate, now) {
            Checked::Done(Verdict::Reject(rejection)) => rejection,
            other => panic!("{self:?}: {other:?}"),
        }
    }
}

/// Writes the policy of one issuer whose keys lie beside it; `terms` are more of the issuer, `rest` stands below it.
pub fn policy_file(folder: &Folder, terms: &str, rest: &str) -> PathBuf {
    folder.write("keys.json", &jwks([TestKey::es256()]));
    let issuer = format!(
        "{{issuer: {ISSUER}, audience: {AUDIENCE}, profile: orgate, keys: {{file: keys.json}}{terms}}}"
    );
    folder.write("orgate.yaml", &format!("version: 1\nissuers:\n  main: {issuer}\n{rest}"))
}

/// The gate of that policy, with its keys in hand.
#[cfg(all(feature = "config", feature = "remote"))]
pub async fn gate_in(folder: &Folder, terms: &str, rest: &str) -> Gate {
    let gate = Gate::load(policy_file(folder, terms, rest)).await.unwrap_or_else(|error| panic!("{error}"));
    gate.ready().await;
    gate
}

/// What the gate says at once, as `allow RULE`, `STATUS code` or `needs …`.
pub fn check(gate: &Gate, request: &str, headers: &[(&str, &str)], now: i64) -> String {
    match Sent::new(request, headers).checked_at(gate, now) {
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
