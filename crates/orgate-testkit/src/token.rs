//! Making tokens, right ones and wrong ones.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use orgate_claims::wire;
use serde_json::{Value, json};

/// `bytes` in base64url without padding.
#[must_use]
pub fn b64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The three parts joined, each encoded as it is.
#[must_use]
pub fn compact(header: impl AsRef<[u8]>, claims: impl AsRef<[u8]>, signature: impl AsRef<[u8]>) -> String {
    format!("{}.{}.{}", b64url(header), b64url(claims), b64url(signature))
}

/// The claims of a good access token of the companion issuer for `usr_ann`, member of `org_acme`, issued at `now` for
/// five minutes. A test changes what it is about.
#[must_use]
pub fn access_token_claims(issuer: &str, audience: &str, now: i64) -> Value {
    json!({
        "iss": issuer,
        "sub": "usr_ann",
        "aud": audience,
        "client_id": "cli_web",
        "exp": now + 300,
        "iat": now,
        "jti": "tok_1",
        "sid": "ses_1",
        "scope": "openid profile",
        wire::ORG_ID: "org_acme",
        wire::ORG_SLUG: "acme",
        wire::ORG_ROLE: "member",
        wire::ORG_PERMISSIONS: ["read", "write"],
        wire::ORG_VER: 7,
    })
}
