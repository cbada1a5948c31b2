//! Proofs that a sender holds a key (DPoP, RFC 9449), as a client makes them.

use aws_lc_rs::digest;
use serde_json::{Value, json};

use crate::{TestKey, b64url};

/// The public key without what a key set says beside it.
fn bare_jwk(key: &TestKey) -> Value {
    let mut jwk = key.jwk();
    for name in ["kid", "use", "alg"] {
        jwk.as_object_mut().unwrap().remove(name);
    }
    jwk
}

fn sha256(text: &str) -> String {
    b64url(digest::digest(&digest::SHA256, text.as_bytes()))
}

/// The thumbprint by which a token is bound to `key` (RFC 7638): `cnf.jkt`.
#[must_use]
pub fn thumbprint(key: &TestKey) -> String {
    sha256(&bare_jwk(key).to_string())
}

/// The header of a proof.
#[must_use]
pub fn dpop_header(key: &TestKey) -> Value {
    json!({"typ": "dpop+jwt", "alg": key.alg(), "jwk": bare_jwk(key)})
}

/// What a proof named `id` says of a request with `token`.
#[must_use]
pub fn dpop_claims(id: &str, method: &str, url: &str, token: &str, now: i64) -> Value {
    json!({"jti": id, "htm": method, "htu": url, "iat": now, "ath": sha256(token)})
}

/// A proof with `claims`.
#[must_use]
pub fn dpop_proof(key: &TestKey, claims: &Value) -> String {
    key.sign(dpop_header(key).to_string(), claims.to_string())
}
