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
    assert_eq!(algorithms, ["ES256", "RS256"]);
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
