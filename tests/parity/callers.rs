//! Whoever asks in the corpus: what is sent as a credential.

use orgate_e2e::clock;
use orgate_testkit::{TestKey, access_token_claims, b64url, compact};
use serde_json::{Value, json};

use crate::corpus::ISSUER;

/// What a caller brings.
pub(crate) enum Credential {
    /// Nothing.
    None,
    /// A token, sent as `Authorization: Bearer`.
    Bearer(String),
    /// What the case's own headers say, `{NAME}` being the token of that caller.
    InHeaders,
}

/// The credential of a caller, and the subject that the application is told if it gets the request.
pub(crate) fn credential(caller: &str) -> (Credential, Option<&'static str>) {
    match caller {
        "nobody" => (Credential::None, None),
        "in headers" => (Credential::InHeaders, None),
        _ => {
            let subject = if caller == "eve" { "usr_eve" } else { "usr_ann" };
            (Credential::Bearer(token(caller)), Some(subject))
        }
    }
}

/// The text with `{NAME}` replaced by that caller's token.
pub(crate) fn filled(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').unwrap();
        out.push_str(before);
        out.push_str(&token(name));
        rest = after;
    }
    out + rest
}

/// A token that holds, of a member of `acme` with this role.
fn claims(role: &str) -> Value {
    let mut claims = access_token_claims(ISSUER, "demo-api", clock::now());
    let grants = orgate_config::matrix::permissions(role).unwrap();
    for (name, value) in [("org_role", json!(role)), ("org_permissions", json!(grants))] {
        claims[name] = value;
    }
    claims
}

fn with(role: &str, change: impl FnOnce(&mut Value)) -> String {
    let mut claims = claims(role);
    change(&mut claims);
    TestKey::es256().mint(&claims)
}

fn without_organization(claims: &mut Value) {
    claims.as_object_mut().unwrap().retain(|name, _| !name.starts_with("org_"));
}

fn token(caller: &str) -> String {
    let now = clock::now();
    match caller {
        "viewer" | "member" | "admin" | "owner" => with(caller, |_| ()),
        "eve" => with("owner", |claims| {
            claims["sub"] = json!("usr_eve");
            claims["org_id"] = json!("org_evil");
            claims["org_slug"] = json!("evil");
        }),
        "clerk" => with("viewer", |claims| claims["org_permissions"] = json!(["billing"])),
        "bare" => with("viewer", |claims| claims["org_permissions"] = json!([])),
        "lone" => with("viewer", without_organization),
        "verified" => with("viewer", |claims| {
            claims["email_verified"] = json!(true);
            claims["team_id"] = json!("t1");
        }),
        "unverified" => with("viewer", |claims| claims["email_verified"] = json!("true")),
        "strong" => with("viewer", |claims| claims["acr"] = json!("mfa")),
        "recent" => with("viewer", |claims| claims["auth_time"] = json!(now - 60)),
        "stale" => with("viewer", |claims| claims["auth_time"] = json!(now - 3600)),
        "null organization" => with("viewer", |claims| {
            for name in ["org_id", "org_slug", "org_role", "org_permissions"] {
                claims[name] = Value::Null;
            }
        }),
        _ => unfit(caller, now),
    }
}

/// Tokens that hold for nobody.
fn unfit(caller: &str, now: i64) -> String {
    match caller {
        "expired" => with("owner", |claims| claims["exp"] = json!(now - 3600)),
        "early" => with("owner", |claims| claims["nbf"] = json!(now + 3600)),
        "elsewhere" => with("owner", |claims| claims["iss"] = json!("https://id.example.org")),
        "for another" => with("owner", |claims| claims["aud"] = json!("other-api")),
        "never ends" => with("owner", |claims| drop(claims.as_object_mut().unwrap().remove("exp"))),
        "no subject" => with("owner", |claims| drop(claims.as_object_mut().unwrap().remove("sub"))),
        "odd permissions" => with("owner", |claims| claims["org_permissions"] = json!(7)),
        "odd organization" => with("owner", |claims| claims["org_id"] = json!(["org_acme"])),
        "forged" => {
            let token = with("owner", |_| ());
            let (signed, signature) = token.rsplit_once('.').unwrap();
            let (other, same) = (if signature.starts_with('A') { "B" } else { "A" }, signature.split_at(1).1);
            format!("{signed}.{other}{same}")
        }
        "unsigned" => compact(r#"{"alg":"none","typ":"at+jwt"}"#, claims("owner").to_string(), ""),
        "unknown key" => TestKey::other_es256().mint_with("kid", json!("nobody-has-it"), &claims("owner")),
        "wrong algorithm" => TestKey::es256().mint_with("alg", json!("RS256"), &claims("owner")),
        "id token" => {
            let mut claims = claims("owner");
            claims["nonce"] = json!("n");
            TestKey::es256().mint_with("typ", json!("JWT"), &claims)
        }
        "refresh token" => TestKey::es256().mint_with("typ", json!("refresh+jwt"), &claims("owner")),
        "critical" => TestKey::es256().mint_with("crit", json!(["exp"]), &claims("owner")),
        "twice said" => {
            let claims = claims("owner").to_string();
            let twice = claims.replacen('{', "{\"sub\":\"usr_eve\",", 1);
            TestKey::es256().sign(r#"{"alg":"ES256","typ":"at+jwt","kid":"es256"}"#, twice)
        }
        "garbage" => "not-a-token".to_owned(),
        "two parts" => format!("{}.{}", b64url("{}"), b64url("{}")),
        "five parts" => "a.b.c.d.e".to_owned(),
        "padded" => with("owner", |_| ()) + "=",
        "huge" => with("owner", |claims| claims["filler"] = json!("x".repeat(20_000))),
        other => panic!("nobody is called `{other}`"),
    }
}
