//! Tokens that are changed in a few places at random.

use orgate_testkit::{TestKey, access_token_claims};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{
    common::{AUDIENCE, ISSUER},
    corpus::header,
};

/// How many cases each property is tried with; `./tests/run --long` asks for more.
pub(crate) fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(512)
}

#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// A member of the claims, or of the header.
    Claim(&'static str, Value),
    Header(&'static str, Value),
    NoClaim(&'static str),
    /// A member of the claims once more, behind all others.
    Again(&'static str, Value),
    /// A bit of the finished token.
    Bit(prop::sample::Index, u32),
    /// One character of the finished token less, or one more.
    Cut(prop::sample::Index),
    Insert(prop::sample::Index, char),
}

pub(crate) fn changes() -> impl Strategy<Value = Vec<Change>> {
    let claim = prop::sample::select(vec![
        "iss",
        "aud",
        "exp",
        "nbf",
        "iat",
        "sub",
        "jti",
        "org_id",
        "org_role",
        "org_permissions",
        "token_use",
        "nonce",
        "x",
    ]);
    // Not `jwk`, nor `x5c`: the library reads what is in them, though it makes no use of it, and we do not.
    let parameter =
        prop::sample::select(vec!["alg", "kid", "typ", "crit", "b64", "zip", "jku", "x5u", "cty", "x"]);
    let at = || any::<prop::sample::Index>();
    let change = prop_oneof![
        6 => (claim.clone(), value()).prop_map(|(name, value)| Change::Claim(name, value)),
        4 => (parameter, value()).prop_map(|(name, value)| Change::Header(name, value)),
        1 => claim.clone().prop_map(Change::NoClaim),
        1 => (claim, value()).prop_map(|(name, value)| Change::Again(name, value)),
        1 => (at(), 0..7_u32).prop_map(|(at, bit)| Change::Bit(at, bit)),
        1 => at().prop_map(Change::Cut),
        1 => (at(), prop::sample::select(vec!['=', '.', 'A', ' ', '\n', '+', '/'])).prop_map(|(at, c)| Change::Insert(at, c)),
    ];
    prop::collection::vec(change, 0..3)
}

/// Values that some rule of one of the two is about. Times are relative: see [`token`].
fn value() -> impl Strategy<Value = Value> {
    let texts = [
        ISSUER,
        AUDIENCE,
        "",
        "access",
        "at+jwt",
        "JWT",
        "application/at+jwt",
        "RS256",
        "ES256",
        "PS256",
        "HS256",
        "none",
        "rs-1",
        "es-1",
        "now",
        "past",
        "future",
        "write",
    ];
    let text = prop::sample::select(texts.to_vec()).prop_map(Value::from);
    let number =
        prop_oneof![any::<i64>().prop_map(Value::from), any::<f64>().prop_map(|number| json!(number))];
    let leaf =
        prop_oneof![3 => text, 1 => number, 1 => Just(Value::Null), 1 => any::<bool>().prop_map(Value::from)];
    leaf.prop_recursive(2, 8, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            inner.prop_map(|value| json!({ "a": value })),
        ]
    })
}

/// A token that was good but for `changes`, signed by `key` before what was changed in its text.
pub(crate) fn token(key: &TestKey, changes: &[Change], now: i64) -> String {
    let (mut head, mut claims) = (header(key), access_token_claims(ISSUER, AUDIENCE, now));
    let timed = |value: &Value| match value.as_str() {
        Some("now") => json!(now - 5),
        Some("past") => json!(now - 1_000),
        Some("future") => json!(now + 1_000),
        _ => value.clone(),
    };
    let mut again = String::new();
    for change in changes {
        match change {
            Change::Claim(name, value) => claims[*name] = timed(value),
            Change::Header(name, value) => head[*name] = value.clone(),
            Change::NoClaim(name) => drop(claims.as_object_mut().unwrap().remove(*name)),
            Change::Again(name, value) => again.push_str(&format!(",\"{name}\":{}", timed(value))),
            _ => {}
        }
    }
    let claims = claims.to_string();
    let claims = format!("{}{again}}}", claims.strip_suffix('}').unwrap());
    let mut text = key.sign(head.to_string(), claims).into_bytes();
    for change in changes {
        match change {
            Change::Bit(at, bit) => {
                let at = at.index(text.len());
                text[at] ^= 1 << bit;
            }
            Change::Cut(at) => drop(text.remove(at.index(text.len()))),
            Change::Insert(at, character) => text.insert(at.index(text.len() + 1), *character as u8),
            _ => {}
        }
    }
    String::from_utf8(text).unwrap()
}
