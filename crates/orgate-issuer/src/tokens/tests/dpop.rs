//! Tokens that are bound to a key (RFC 9449).

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};

use super::{
    clients::{add, form},
    *,
};
use crate::{
    clients::{ClientKind, TOKEN_EXCHANGE},
    encoding::base64url,
    testing::NOW,
};

/// The key of a sender.
struct Sender(EcdsaKeyPair);

impl Sender {
    fn new() -> Self {
        Self(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    fn jwk(&self) -> Value {
        let point = self.0.public_key().as_ref();
        json!({ "kty": "EC", "crv": "P-256", "x": base64url(&point[1..33]), "y": base64url(&point[33..]) })
    }

    fn thumbprint(&self) -> String {
        let jwk = self.jwk();
        let text = format!("{{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":{},\"y\":{}}}", jwk["x"], jwk["y"]);
        crate::secret::fingerprint(&text)
    }

    fn sign(&self, typ: &str, claims: &Value) -> String {
        let header = json!({ "typ": typ, "alg": "ES256", "jwk": self.jwk() });
        let text = format!(
            "{}.{}",
            base64url(header.to_string().as_bytes()),
            base64url(claims.to_string().as_bytes())
        );
        let signature = self.0.sign(&SystemRandom::new(), text.as_bytes()).unwrap();
        format!("{text}.{}", base64url(signature.as_ref()))
    }

    /// A proof for the token endpoint.
    fn proof(&self, jti: &str) -> String {
        self.sign("dpop+jwt", &at_token(jti))
    }
}

fn at_token(jti: &str) -> Value {
    json!({ "jti": jti, "htm": "POST", "htu": format!("{ORIGIN}/p/proj_p/token"), "iat": NOW / 1000 })
}

async fn with_proof(site: &Site, proofs: &[&str], body: &Value) -> Reply {
    let mut headers = vec![("content-type", "application/json")];
    headers.extend(proofs.iter().map(|proof| ("dpop", *proof)));
    // Two headers of one name are sent as such.
    site.browser().send(Method::POST, "/p/proj_p/token", &headers, body.to_string()).await
}

async fn public_code(site: &Site, more: &[(&str, &str)]) -> Value {
    let uri = "https://spa.example.com/cb";
    let mut fields =
        vec![("redirect_uri", uri), ("code_challenge", CHALLENGE), ("code_challenge_method", "S256")];
    fields.extend_from_slice(more);
    let code = code_with(site, "app_spa", &fields).await.parameter("code").unwrap();
    json!({ "grant_type": "authorization_code", "code": code, "client_id": "app_spa", "redirect_uri": uri,
            "code_verifier": VERIFIER })
}

#[orgate_testkit::both]
async fn a_proof_binds_the_tokens_and_the_refreshing_to_its_key() {
    let site = site().await;
    let (key, thief) = (Sender::new(), Sender::new());
    let tokens = with_proof(&site, &[&key.proof("1")], &public_code(&site, &[]).await).await;
    assert_eq!(tokens.status, 200, "{}", tokens.text());
    let tokens = tokens.json();
    assert_eq!(tokens["token_type"], "DPoP");
    assert_eq!(claims(&tokens["access_token"])["cnf"], json!({ "jkt": key.thumbprint() }));

    let refresh = json!({ "grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], "client_id": "app_spa" });
    for proofs in [vec![], vec![thief.proof("2")]] {
        let proofs: Vec<&str> = proofs.iter().map(String::as_str).collect();
        assert_eq!(error(&with_proof(&site, &proofs, &refresh).await), "invalid_dpop_proof");
    }
    let again = with_proof(&site, &[&key.proof("3")], &refresh).await;
    assert_eq!(again.status, 200, "nothing was rotated, nothing revoked: {}", again.text());
    assert_eq!(again.json()["token_type"], "DPoP");

    let fields = [("token", tokens["access_token"].as_str().unwrap())];
    let seen = form(&site, "introspect", Some("proj_p"), &fields).await.json();
    assert_eq!((&seen["token_type"], &seen["cnf"]["jkt"]), (&json!("DPoP"), &json!(key.thumbprint())));
}

#[orgate_testkit::both]
async fn a_proof_is_for_this_request_and_for_once() {
    let site = site().await;
    let key = Sender::new();
    let body = json!({ "grant_type": "client_credentials", "client_id": "proj_p", "client_secret": SECRET });
    let good = key.proof("once");
    assert_eq!(with_proof(&site, &[&good], &body).await.status, 200);
    assert_eq!(error(&with_proof(&site, &[&good], &body).await), "invalid_dpop_proof", "a replay");
    assert_eq!(
        error(&with_proof(&site, &[&key.proof("a"), &key.proof("b")], &body).await),
        "invalid_dpop_proof"
    );
    let changed = |name: &str, value: Value| {
        let mut claims = at_token(&format!("jti-{name}-{value}"));
        claims[name] = value;
        key.sign("dpop+jwt", &claims)
    };
    let mut broken = key.proof("broken");
    broken.truncate(broken.len() - 4);
    for (what, proof) in [
        ("method", changed("htm", json!("GET"))),
        ("address", changed("htu", json!(format!("{ORIGIN}/p/proj_q/token")))),
        ("host", changed("htu", json!("https://evil.test/p/proj_p/token"))),
        ("old", changed("iat", json!(NOW / 1000 - 91))),
        ("future", changed("iat", json!(NOW / 1000 + 31))),
        ("no jti", changed("jti", Value::Null)),
        ("type", key.sign("JWT", &at_token("t"))),
        ("signature", broken),
        ("nothing", "x".to_owned()),
    ] {
        assert_eq!(error(&with_proof(&site, &[&proof], &body).await), "invalid_dpop_proof", "{what}");
    }
    assert_eq!(site.count("SELECT COUNT(*) AS n FROM dpop_proofs").await, 1, "only what held is remembered");
    site.clock.advance(100_000);
    let mut later = at_token("later");
    later["iat"] = json!(NOW / 1000 + 100);
    assert_eq!(with_proof(&site, &[&key.sign("dpop+jwt", &later)], &body).await.status, 200);
    assert_eq!(site.count("SELECT COUNT(*) AS n FROM dpop_proofs").await, 1, "and no longer than it must be");
}

#[orgate_testkit::both]
async fn a_client_may_have_to_prove_its_key() {
    let site = site().await;
    add(&site, "app_bound", ClientKind::Confidential, |client| {
        client.grants = vec!["client_credentials".to_owned()];
        client.dpop_bound = true;
        client.dpop_nonce = true;
    })
    .await;
    let key = Sender::new();
    let body =
        json!({ "grant_type": "client_credentials", "client_id": "app_bound", "client_secret": SECRET });
    assert_eq!(error(&with_proof(&site, &[], &body).await), "invalid_dpop_proof");
    let asked = with_proof(&site, &[&key.proof("1")], &body).await;
    assert_eq!(error(&asked), "use_dpop_nonce");
    let mut claims = at_token("2");
    claims["nonce"] = json!(asked.headers["dpop-nonce"].to_str().unwrap());
    let reply = with_proof(&site, &[&key.sign("dpop+jwt", &claims)], &body).await;
    assert_eq!((reply.status.as_u16(), &reply.json()["token_type"]), (200, &json!("DPoP")));
    claims["jti"] = json!("3");
    claims["nonce"] = json!("other");
    assert_eq!(error(&with_proof(&site, &[&key.sign("dpop+jwt", &claims)], &body).await), "use_dpop_nonce");
}

#[orgate_testkit::both]
async fn a_code_can_be_bound_to_a_key_before_it_is_made() {
    let site = site().await;
    let (key, thief) = (Sender::new(), Sender::new());
    let body = public_code(&site, &[("dpop_jkt", &key.thumbprint())]).await;
    assert_eq!(error(&with_proof(&site, &[], &body).await), "invalid_dpop_proof");
    assert_eq!(error(&with_proof(&site, &[&thief.proof("1")], &body).await), "invalid_dpop_proof");
    assert_eq!(with_proof(&site, &[&key.proof("2")], &body).await.status, 200);
    let wrong = code_with(&site, "proj_p", &[("dpop_jkt", "short")]).await;
    assert_eq!(wrong.parameter("error").as_deref(), Some("invalid_request"));
}

#[orgate_testkit::both]
async fn a_bound_token_is_used_with_its_proof_only() {
    let site = site().await;
    let (key, thief) = (Sender::new(), Sender::new());
    let code = site.browser().code("admin", None, "openid").await;
    let tokens = with_proof(&site, &[&key.proof("1")], &exchange(&code)).await.json();
    let access = tokens["access_token"].as_str().unwrap();
    let shown = |sender: &Sender, jti: &str, token: &str| {
        sender.sign(
            "dpop+jwt",
            &json!({ "jti": jti, "htm": "GET", "htu": format!("{ORIGIN}/p/proj_p/userinfo"), "iat": NOW / 1000,
                     "ath": crate::secret::fingerprint(token) }),
        )
    };
    let ask = async |scheme: &str, proof: Option<&str>| {
        let authorization = format!("{scheme} {access}");
        let mut headers = vec![("authorization", authorization.as_str())];
        headers.extend(proof.map(|proof| ("dpop", proof)));
        site.browser().send(Method::GET, "/p/proj_p/userinfo", &headers, String::new()).await
    };
    let good = shown(&key, "a", access);
    assert_eq!(ask("Bearer", Some(&shown(&key, "b", access))).await.status, 401, "never as a bearer");
    assert_eq!(ask("DPoP", None).await.status, 401);
    assert_eq!(ask("DPoP", Some(&shown(&thief, "c", access))).await.status, 401);
    assert_eq!(ask("DPoP", Some(&shown(&key, "d", "other"))).await.status, 401);
    assert_eq!(ask("DPoP", Some(&good)).await.status, 200);
    let replayed = ask("DPoP", Some(&good)).await;
    assert_eq!(replayed.status, 401);
    assert!(replayed.headers["www-authenticate"].to_str().unwrap().starts_with("DPoP error="));

    // Its own client exchanges it with the same key only.
    let body = json!({ "grant_type": TOKEN_EXCHANGE, "subject_token": access, "client_id": "proj_p",
                       "client_secret": SECRET,
                       "subject_token_type": "urn:ietf:params:oauth:token-type:access_token" });
    assert_eq!(error(&with_proof(&site, &[], &body).await), "invalid_dpop_proof");
    assert_eq!(error(&with_proof(&site, &[&thief.proof("x")], &body).await), "invalid_dpop_proof");
    assert_eq!(with_proof(&site, &[&key.proof("y")], &body).await.json()["token_type"], "DPoP");
}
