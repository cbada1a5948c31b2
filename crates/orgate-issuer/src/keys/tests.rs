use std::sync::Arc;

use super::*;
use crate::{
    Issuer, ManualClock, Settings,
    testing::{NOW, Site, TempDir, settings, site},
};

#[orgate_testkit::both]
async fn the_key_set_never_lacks_a_key_and_shows_no_private_part() {
    let site = Site::open().await;
    // Nobody waited for the RSA key before.
    let reply = site.browser().get("/p/proj_p/jwks.json").await;
    assert_eq!(reply.headers["cache-control"], "public, max-age=300");
    let keys = reply.json()["keys"].as_array().unwrap().clone();
    let algorithms: Vec<_> = keys.iter().map(|key| key["alg"].as_str().unwrap()).collect();
    assert_eq!(algorithms, ["ES256", "RS256", "EdDSA"]);
    for key in &keys {
        assert!(key["kid"].as_str().unwrap().starts_with("key_"));
        assert_eq!(key["use"], "sig");
        for private in ["d", "p", "q", "dp", "dq", "qi", "k"] {
            assert!(key.get(private).is_none(), "{private}");
        }
    }
    assert_eq!(site.browser().get("/p/proj_p/jwks.json").await.json()["keys"], serde_json::json!(keys));
    assert_eq!(site.browser().get("/p/proj_none/jwks.json").await.status, 404);
}

#[orgate_testkit::both]
async fn all_who_ask_at_once_get_the_same_key() {
    let site = Site::open().await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let app = Arc::clone(site.issuer.app());
        tasks.spawn(
            async move { app.keys.active("proj_q", Algorithm::Rs256, NOW).await.unwrap().kid.clone() },
        );
    }
    let mut kids = tasks.join_all().await;
    kids.dedup();
    assert_eq!(kids.len(), 1);
    let statement = "SELECT COUNT(*) AS n FROM signing_keys WHERE project_id = 'proj_q' AND alg = 'RS256'";
    assert_eq!(site.count(statement).await, 1);
}

async fn open(settings: &Settings) -> Result<Issuer, crate::StartError> {
    Issuer::open(settings.clone(), Arc::new(ManualClock::at(NOW))).await
}

#[orgate_testkit::both]
async fn after_a_restart_the_keys_are_the_same() {
    let site = site().await;
    let before = site.browser().get("/p/proj_p/jwks.json").await.json();
    site.issuer.shutdown().await;
    let issuer = open(&settings(&site.dir)).await.unwrap();
    let site = Site::with(settings(&site.dir), TempDir::new(), site.clock.clone()).await;
    assert_eq!(site.browser().get("/p/proj_p/jwks.json").await.json(), before);
    issuer.shutdown().await;
}

#[orgate_testkit::both]
async fn a_database_is_not_opened_with_another_secret() {
    let site = Site::open().await;
    site.browser().get("/p/proj_p/jwks.json").await;
    site.issuer.shutdown().await;
    let file = site.dir.secret();
    let right = std::fs::read_to_string(&file).unwrap();

    std::fs::remove_file(&file).unwrap();
    let error = open(&settings(&site.dir)).await.unwrap_err();
    assert!(error.to_string().contains("is missing"), "{error}");
    assert!(!file.exists(), "no new secret is made for an old database");

    std::fs::write(&file, "another-another-another-another-another-another").unwrap();
    let error = open(&settings(&site.dir)).await.unwrap_err();
    assert!(error.to_string().contains("was not written with the secret"), "{error}");
    assert_eq!(error.exit_code(), 2);

    std::fs::write(&file, format!("another-another-another-another-another-another\n{right}")).unwrap();
    let issuer = open(&settings(&site.dir)).await.unwrap();
    assert!(
        issuer.app().keys.active("proj_p", Algorithm::Es256, NOW).await.is_ok(),
        "the old line still reads"
    );
}

#[orgate_testkit::both]
async fn a_token_is_signed_by_the_key_its_header_names() {
    let site = Site::open().await;
    let app = site.issuer.app();
    for algorithm in Algorithm::ALL {
        let key = app.keys.active("proj_p", algorithm, NOW).await.unwrap();
        let token = key.sign("at+jwt", &serde_json::json!({ "aud": "a", "exp": 1 })).unwrap();
        let jwk: jsonwebtoken::jwk::Jwk = serde_json::from_value(key.public_jwk().clone()).unwrap();
        let header = jsonwebtoken::decode_header(&token).unwrap();
        assert_eq!(header.kid.as_deref(), Some(key.kid.as_str()));
        let mut validation = jsonwebtoken::Validation::new(header.alg);
        validation.validate_exp = false;
        validation.set_audience(&["a"]);
        let decoding = jsonwebtoken::DecodingKey::from_jwk(&jwk).unwrap();
        jsonwebtoken::decode::<serde_json::Value>(&token, &decoding, &validation).unwrap();
        assert!(!format!("{key:?}").contains("private"));
    }
}

async fn states(site: &Site) -> Vec<(String, &'static str)> {
    let keys = site.issuer.app().keys.list().await.unwrap();
    let of_p = keys.into_iter().filter(|key| key.project == "proj_p" && key.algorithm == "ES256");
    of_p.map(|key| (key.kid, key.state)).collect()
}

async fn kids(site: &Site) -> Vec<String> {
    let set = site.browser().get("/p/proj_p/jwks.json").await.json();
    let keys = set["keys"].as_array().unwrap().iter().filter(|key| key["alg"] == "ES256");
    keys.map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

fn kid(tokens: &serde_json::Value) -> String {
    jsonwebtoken::decode_header(tokens["access_token"].as_str().unwrap()).unwrap().kid.unwrap()
}

#[orgate_testkit::both]
async fn a_key_is_shown_before_it_signs_and_after() {
    let site = site().await;
    let old = kid(&site.tokens("admin", None).await);
    let keys = &site.issuer.app().keys;
    let next = keys.rotate("proj_p", Algorithm::Es256, false, (Actor::System, NOW)).await.unwrap();
    let waiting =
        keys.rotate("proj_p", Algorithm::Es256, false, (Actor::System, NOW)).await.unwrap_err().to_string();
    assert!(waiting.contains(&next) && waiting.contains("help:"), "{waiting}");
    assert_eq!(kids(&site).await, [old.clone(), next.clone()]);
    site.clock.advance(24 * 3_600_000 - 1);
    assert_eq!(kid(&site.tokens("admin", None).await), old, "shown, not used");
    // What is in memory is believed for a second.
    site.clock.advance(1_000);
    let tokens = site.tokens("admin", None).await;
    assert_eq!(kid(&tokens), next);
    assert_eq!(kids(&site).await, [next.clone(), old.clone()]);
    let states = states(&site).await;
    assert!(
        states.contains(&(old.clone(), "retiring")) && states.contains(&(next.clone(), "active")),
        "{states:?}"
    );
    site.clock.advance((24 * 60 + 10) * 60_000 - 1);
    assert_eq!(kids(&site).await.len(), 2, "until its last token is over");
    site.clock.advance(1_000);
    assert_eq!(kids(&site).await, std::slice::from_ref(&next));
    let sealed = "SELECT COUNT(*) AS n FROM signing_keys WHERE state = 'removed' AND private_enc <> ''";
    assert_eq!(site.count(sealed).await, 0, "nothing is left that could sign");
    let kinds: Vec<_> = site.events().await.into_iter().map(|(_, kind)| kind).collect();
    assert!(["key.rotated", "key.removed"].iter().all(|kind| kinds.iter().any(|known| known == kind)));
}

#[orgate_testkit::both]
async fn a_key_that_leaked_is_gone_at_once() {
    let site = site().await;
    let tokens = site.tokens("admin", None).await;
    let keys = &site.issuer.app().keys;
    let next = keys.rotate("proj_p", Algorithm::Es256, false, (Actor::System, NOW)).await.unwrap();
    let new = keys.rotate("proj_p", Algorithm::Es256, true, (Actor::System, NOW)).await.unwrap();
    assert_eq!(
        kids(&site).await,
        std::slice::from_ref(&new),
        "neither the old one nor the one that waited: {next}"
    );
    assert_eq!(kid(&site.tokens("admin", None).await), new);
    let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
    let headers = [("authorization", bearer.as_str())];
    let reply = site.browser().send(http::Method::GET, "/p/proj_p/userinfo", &headers, String::new()).await;
    assert_eq!(reply.status, 401, "what it has signed is worth nothing");
    assert_eq!(site.events().await.iter().filter(|(_, kind)| kind == "key.revoked").count(), 2);
}

#[orgate_testkit::both]
async fn another_process_signs_with_the_new_key_within_a_second() {
    let site = site().await;
    let old = kid(&site.tokens("admin", None).await);
    let other = crate::Maintenance::open(&settings(&site.dir), Arc::new(site.clock.clone())).await.unwrap();
    let listed = other.rotate_keys(Some("proj_p"), Some("ES256"), true).await.unwrap();
    assert!(listed.iter().all(|key| key.kid != old));
    site.clock.advance(1_000);
    assert_ne!(kid(&site.tokens("admin", None).await), old);
    for (project, alg) in [(Some("proj_none"), None), (None, Some("HS256"))] {
        let error = other.rotate_keys(project, alg, false).await.unwrap_err();
        assert!(error.to_string().contains("help:"), "{error}");
    }
    other.close().await;
    let mut settings = settings(&site.dir);
    settings.database = format!("sqlite://{}", site.dir.path().join("none.db").display());
    let error = crate::Maintenance::open(&settings, Arc::new(site.clock.clone())).await.unwrap_err();
    assert!(error.to_string().contains("there is no database"), "{error}");
}

#[orgate_testkit::both]
async fn a_key_set_that_is_known_is_not_sent_again() {
    let site = Site::open().await;
    let first = site.browser().get("/p/proj_p/jwks.json").await;
    let tag = first.headers["etag"].to_str().unwrap().to_owned();
    let ask = async |tag: &str| {
        let headers = [("if-none-match", tag)];
        site.browser().send(http::Method::GET, "/p/proj_p/jwks.json", &headers, String::new()).await
    };
    for known in [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}")] {
        let reply = ask(&known).await;
        assert_eq!((reply.status.as_u16(), reply.body.len()), (304, 0), "{known}");
        assert_eq!(reply.headers["etag"], tag);
        assert_eq!(reply.headers["cache-control"], "public, max-age=300");
    }
    assert_eq!(ask("\"x\"").await.status, 200);
    site.issuer.app().keys.rotate("proj_p", Algorithm::EdDsa, false, (Actor::System, NOW)).await.unwrap();
    assert_eq!(ask(&tag).await.status, 200);
}
