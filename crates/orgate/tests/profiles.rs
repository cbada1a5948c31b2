//! Each profile, from the policy file to the decision: realistic tokens of its issuer and the principals they give, and
//! tokens of the same issuer that must be refused, with the code that the client sees. One file for each profile in
//! `profiles/`.

#![cfg(all(feature = "config", feature = "remote"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod common;

use std::{collections::BTreeMap, path::Path, sync::Arc};

use common::Sent;
use orgate::{Checked, Gate, GateParts, Verdict};
use orgate_claims::Principal;
use orgate_testkit::{TestKey, jwks};
use orgate_verify::{KeySet, KeySource, StaticKeys, Verifier};
use serde_json::{Value, json};

const NOW: i64 = 1_800_000_000;

fn vectors() -> BTreeMap<String, Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/profiles");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            let vector = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            (path.file_stem().unwrap().to_str().unwrap().to_owned(), vector)
        })
        .collect()
}

/// What a gate under this profile says of a token: the principal, or the code and the detail of its refusal.
fn judged(profile: &str, vector: &Value, case: &Value, claims: &Value) -> Result<Value, (String, String)> {
    let mut issuer = json!({"issuer": vector["issuer"], "profile": profile});
    for settings in [&vector["policy"], &case["policy"]] {
        for (key, value) in settings.as_object().into_iter().flatten() {
            issuer[key] = value.clone();
        }
    }
    let mut claims = claims.clone();
    claims["iss"] = issuer["issuer"].clone();
    claims["iat"] = NOW.into();
    claims["exp"] = (NOW + 300).into();
    let policy = json!({"version": 1, "issuers": {"main": issuer}, "rules": {"GET /me": "authenticated"}});
    let mut file = orgate_config::compile("orgate.json", policy.to_string().as_bytes(), &|_| None)
        .unwrap_or_else(|findings| panic!("{profile}: {findings}"));
    let (keys, _) = KeySet::from_jwks(jwks([TestKey::es256()]).as_bytes()).unwrap();
    let source: Arc<dyn KeySource> = Arc::new(StaticKeys::new(keys));
    let verifier = Verifier::new(vec![(file.issuers.remove(0).trust, source)]).unwrap();
    let gate = Gate::new(GateParts::new(file.policy, verifier));

    let token = TestKey::es256().mint_with("typ", case["typ"].clone(), &claims);
    match Sent::bearing("GET /me", &token).checked_at(&gate, NOW) {
        Checked::Done(Verdict::Forward(permit)) => Ok(described(&permit.principal().unwrap())),
        Checked::Done(Verdict::Reject(rejection)) => {
            let body: Value = serde_json::from_slice(rejection.response(None).body()).unwrap();
            Err((rejection.code().to_string(), body["detail"].as_str().unwrap_or_default().to_owned()))
        }
        Checked::Done(Verdict::Answer(_)) => panic!("{profile}: no preflight was sent"),
        Checked::Needs(need) => panic!("{profile}: {need:?}"),
    }
}

fn described(principal: &Principal) -> Value {
    let names = |names: Vec<&str>| {
        let mut names = names;
        names.sort_unstable();
        names.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let organization = principal.organization();
    let permissions = names(principal.permissions().iter().map(|name| name.as_str()).collect());
    json!({
        "sub": principal.subject().as_str(),
        "org_id": organization.map(|organization| organization.id.as_str()),
        "org_slug": organization.and_then(|organization| organization.slug.as_ref()).map(|slug| slug.as_str()),
        "roles": names(principal.roles().iter().map(|role| role.as_str()).collect()),
        "permissions": principal.has_permissions_claim().then_some(permissions),
        "client": principal.client().map(|client| client.as_str()),
    })
}

#[test]
fn every_profile_has_a_vector_and_every_vector_a_profile() {
    let mut profiles: Vec<&str> = orgate_config::profile_names().collect();
    profiles.sort_unstable();
    assert_eq!(vectors().keys().collect::<Vec<_>>(), profiles);
    for (profile, vector) in vectors() {
        assert!(!vector["accepted"].as_array().unwrap().is_empty(), "{profile}");
        assert!(vector["refused"].as_array().unwrap().len() >= 2, "{profile}");
    }
}

#[test]
fn every_profile_reads_tokens_of_its_issuer() {
    for (profile, vector) in vectors() {
        for case in vector["accepted"].as_array().unwrap() {
            let mut expected = case["principal"].clone();
            for list in ["roles", "permissions"] {
                if let Some(names) = expected[list].as_array_mut() {
                    names.sort_by_key(ToString::to_string);
                }
            }
            let got = judged(&profile, &vector, case, &case["claims"]);
            assert_eq!(got, Ok(expected), "{profile}: {}", case["what"]);
        }
    }
}

/// A case of `refused` is the first accepted one, changed: `with` sets claims, `without` takes them away.
#[test]
fn every_profile_refuses_what_its_issuer_did_not_mean() {
    for (profile, vector) in vectors() {
        for case in vector["refused"].as_array().unwrap() {
            let good = &vector["accepted"][0];
            let mut claims = good["claims"].clone();
            for (name, value) in case["with"].as_object().into_iter().flatten() {
                claims[name] = value.clone();
            }
            for name in case["without"].as_array().into_iter().flatten() {
                assert!(
                    claims.as_object_mut().unwrap().remove(name.as_str().unwrap()).is_some(),
                    "{profile}"
                );
            }
            let mut case = case.clone();
            if case.get("typ").is_none() {
                case["typ"] = good["typ"].clone();
            }
            let expected =
                (case["code"].as_str().unwrap().to_owned(), case["says"].as_str().unwrap().to_owned());
            assert_eq!(
                judged(&profile, &vector, &case, &claims),
                Err(expected),
                "{profile}: {}",
                case["what"]
            );
        }
    }
}
