//! Who is calling, once more as a signed token (`identity.sign`), for an application that others can reach, too: the
//! header `{prefix}-Assertion`.
//!
//! It is a compact JWS (RFC 7515) with ES256, bound to one request: `htm` and `htu` are the method and the path as the
//! application gets them, `jti` is the name of the request, and it holds for a minute. Its `typ` is none that anything
//! else takes for a token of its own (RFC 8725 §3.11).
//!
//! Keys live in memory and end with the process. One is published a day before it signs and a day after, so that whoever
//! keeps the key set for hours never meets an unknown key.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use aws_lc_rs::{
    digest,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderValue, Response, header};
use orgate::SignedIdentity;
use orgate_claims::UnixTime;
use serde_json::{Value, json};

use crate::identity_headers::Identity;

/// Where the key set is served in front of the application, if the policy says so.
pub(crate) const PUBLISHED_AT: &str = "/.well-known/orgate-identity/jwks.json";

/// For how long an assertion holds, in seconds.
const LIFETIME: i64 = 60;
/// For how long a key signs.
const KEY_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// The request that an assertion speaks of, as the application gets it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asserted<'r> {
    pub(crate) method: &'r str,
    pub(crate) path: &'r str,
    pub(crate) request_id: &'r str,
}

/// Signs assertions.
#[derive(Debug)]
pub(crate) struct Signer(ArcSwap<Keys>);

/// The keys of a day.
#[derive(Debug)]
struct Keys {
    previous: Option<Arc<Key>>,
    current: Arc<Key>,
    next: Arc<Key>,
    since: Instant,
}

struct Key {
    pair: EcdsaKeyPair,
    /// The encoded header of what it signs.
    header: String,
    public: Value,
}

impl Signer {
    /// With new keys; `None` if the operating system has no randomness.
    pub(crate) fn new(now: Instant) -> Option<Self> {
        let (current, next) = (Key::generate()?, Key::generate()?);
        let keys = Keys { previous: None, current: current.into(), next: next.into(), since: now };
        Some(Self(ArcSwap::from_pointee(keys)))
    }

    /// The assertion of `identity` for this request; `None` if it could not be signed.
    pub(crate) fn sign(
        &self,
        options: &SignedIdentity,
        identity: &Identity<'_>,
        request: Asserted<'_>,
        now: UnixTime,
    ) -> Option<String> {
        let mut permissions = identity.permissions.clone();
        permissions.sort_unstable();
        permissions.dedup();
        let mut claims = json!({
            "iss": options.issuer,
            "aud": options.audience,
            "sub": identity.subject,
            "org_permissions": permissions,
            "auth": identity.method,
            "auth_iss": identity.issuer,
            "htm": request.method,
            "htu": request.path,
            "iat": now.seconds(),
            "exp": now.seconds().saturating_add(LIFETIME),
            "jti": request.request_id,
        });
        // One is a string, as in the token that it comes from; several are a list, as `aud` may be (RFC 7519 §4.1.3).
        let role = match identity.roles.as_slice() {
            [] => None,
            [one] => Some(Value::from(*one)),
            several => {
                let mut several = several.to_vec();
                several.sort_unstable();
                Some(several.into())
            }
        };
        let optional = [
            ("org_id", identity.organization.map(Value::from)),
            ("org_slug", identity.slug.map(Value::from)),
            ("org_role", role),
        ];
        if let Some(claims) = claims.as_object_mut() {
            for (name, value) in optional {
                claims.extend(value.map(|value| (name.to_owned(), value)));
            }
        }
        self.0.load().current.sign(&claims)
    }

    /// The public keys, as a key set (RFC 7517 §5).
    pub(crate) fn key_set(&self) -> String {
        let keys = self.0.load();
        let all = keys.previous.iter().chain([&keys.current, &keys.next]).map(|key| key.public.clone());
        json!({"keys": all.collect::<Vec<_>>()}).to_string()
    }

    /// Signs with the next key if the current one has had its day. Without randomness it has another.
    pub(crate) fn rotate(&self, now: Instant) {
        let keys = self.0.load();
        if now.saturating_duration_since(keys.since) < KEY_LIFE {
            return;
        }
        if let Some(next) = Key::generate() {
            self.0.store(Arc::new(Keys {
                previous: Some(Arc::clone(&keys.current)),
                current: Arc::clone(&keys.next),
                next: next.into(),
                since: now,
            }));
        }
    }
}

/// The answer that carries a key set (RFC 7517 §8.5.2). Whoever keeps it for its hour has every key that signs meanwhile.
pub(crate) fn key_set_response(key_set: String) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(key_set));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/jwk-set+json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
    response
}

impl Key {
    fn generate() -> Option<Self> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).ok()?;
        // An uncompressed point (SEC 1 §2.3.3): 4, then both coordinates.
        let (x, y) = pair.public_key().as_ref().get(1..)?.split_at_checked(32)?;
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        // The thumbprint is over the required members, in this order (RFC 7638 §3.2).
        let members = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        let kid = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, members.as_bytes()));
        let header = json!({"alg": "ES256", "kid": kid, "typ": "orgate-identity+jwt"}).to_string();
        let public =
            json!({"kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": kid, "alg": "ES256", "use": "sig"});
        Some(Self { pair, header: URL_SAFE_NO_PAD.encode(header), public })
    }

    fn sign(&self, claims: &Value) -> Option<String> {
        let mut token = format!("{}.{}", self.header, URL_SAFE_NO_PAD.encode(claims.to_string()));
        let signature = self.pair.sign(&SystemRandom::new(), token.as_bytes()).ok()?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Some(token)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("public", &self.public).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> SignedIdentity {
        SignedIdentity { issuer: "https://gate.example".into(), audience: vec!["notes".to_owned()] }
    }

    fn part(token: &str, at: usize) -> Value {
        let part = token.split('.').nth(at).expect("three parts");
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64url")).expect("JSON")
    }

    #[test]
    fn an_assertion_says_who_asks_what_and_when_and_nothing_that_is_not_known() {
        let signer = Signer::new(Instant::now()).expect("randomness");
        let request = Asserted { method: "PUT", path: "/a", request_id: "r1" };
        let signed = |identity: &Identity<'_>| {
            signer.sign(&options(), identity, request, UnixTime::from_seconds(1_700_000_000)).expect("signed")
        };
        let whole = Identity {
            subject: "usr_ann",
            organization: Some("org_acme"),
            slug: Some("acme"),
            roles: vec!["owner", "billing"],
            permissions: vec!["write", "read", "write"],
            issuer: "https://issuer.example",
            method: "token",
            assertion: None,
        };
        let token = signed(&whole);
        let kid = signer.0.load().current.public["kid"].clone();
        assert_eq!(part(&token, 0), json!({"alg": "ES256", "kid": kid, "typ": "orgate-identity+jwt"}));
        assert_eq!(
            part(&token, 1),
            json!({
                "iss": "https://gate.example", "aud": ["notes"], "sub": "usr_ann", "auth": "token",
                "auth_iss": "https://issuer.example", "htm": "PUT", "htu": "/a", "jti": "r1",
                "iat": 1_700_000_000, "exp": 1_700_000_060,
                "org_id": "org_acme", "org_slug": "acme", "org_role": ["billing", "owner"],
                "org_permissions": ["read", "write"],
            })
        );
        let one = part(&signed(&Identity { roles: vec!["owner"], ..whole.clone() }), 1);
        assert_eq!(one["org_role"], "owner");
        let homeless =
            Identity { organization: None, slug: None, roles: Vec::new(), permissions: Vec::new(), ..whole };
        let homeless = part(&signed(&homeless), 1);
        assert!(
            ["org_id", "org_slug", "org_role"].iter().all(|name| homeless.get(name).is_none()),
            "{homeless}"
        );
        assert_eq!(homeless["org_permissions"], json!([]));
    }

    #[test]
    fn a_key_is_published_a_day_before_it_signs_and_a_day_after() {
        let start = Instant::now();
        let signer = Signer::new(start).expect("randomness");
        let kid_of =
            |signer: &Signer| signer.0.load().current.public["kid"].as_str().expect("a name").to_owned();
        let first = kid_of(&signer);
        let in_a_day = start + KEY_LIFE;
        signer.rotate(in_a_day - Duration::from_secs(1));
        assert_eq!(kid_of(&signer), first);
        let published = signer.key_set();
        signer.rotate(in_a_day);
        let second = kid_of(&signer);
        assert_ne!(second, first);
        assert!(published.contains(&second) && signer.key_set().contains(&first));
        signer.rotate(in_a_day + KEY_LIFE);
        assert!(!signer.key_set().contains(&first) && signer.key_set().contains(&second));
        assert!(!signer.key_set().contains("\"d\""));
    }
}
