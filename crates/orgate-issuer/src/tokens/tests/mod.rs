use http::Method;
mod attacks;
mod backchannel;
mod clients;
mod clock;
mod context;
mod dpop;
mod exchange;
mod flood;
mod flows;
mod standing;
mod surface;

use jsonwebtoken::{DecodingKey, Validation, decode, decode_header, jwk::JwkSet};
use serde_json::{Value, json};

use crate::testing::{CALLBACK, ORIGIN, Reply, SECRET, Site, and, claims, exchange, refresh, site};

fn error(reply: &Reply) -> Value {
    assert_eq!(reply.status, 400, "{}", reply.text());
    reply.json()["error"].clone()
}

/// Checks a token as a foreign verifier would, with the published keys.
async fn verified(site: &Site, token: &Value, audience: &str) -> Value {
    let set: JwkSet = serde_json::from_value(site.browser().get("/p/proj_p/jwks.json").await.json()).unwrap();
    let token = token.as_str().unwrap();
    let header = decode_header(token).unwrap();
    let key = DecodingKey::from_jwk(set.find(header.kid.as_ref().unwrap()).unwrap()).unwrap();
    let mut validation = Validation::new(header.alg);
    validation.set_audience(&[audience]);
    validation.set_issuer(&[format!("{ORIGIN}/p/proj_p")]);
    validation.validate_exp = false;
    decode::<Value>(token, &key, &validation).unwrap().claims
}

#[orgate_testkit::both]
async fn the_documented_exchange_gives_the_four_claims() {
    let site = site().await;
    let code = site.browser().code("admin", None, "openid email profile").await;
    let reply = site.browser().token(&and(exchange(&code), "org_id", "org_acme")).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.headers["cache-control"], "no-store");
    let body = reply.json();
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["expires_in"], 300);
    assert_eq!(body["scope"], "openid email profile");
    assert_eq!(body["org_id"], "org_acme");
    assert!(body["refresh_token"].as_str().unwrap().starts_with("ort_"));

    let access = verified(&site, &body["access_token"], "demo-api").await;
    assert_eq!(access["org_id"], "org_acme");
    assert_eq!(access["org_slug"], "acme");
    assert_eq!(access["org_role"], "admin");
    assert_eq!(
        access["org_permissions"],
        json!(["read", "write", "invite", "remove_members", "change_roles"])
    );
    assert!(access["org_ver"].as_u64().unwrap() > 1);
    assert_eq!(access["sub"], "usr_admin");
    assert_eq!(access["client_id"], "proj_p");
    assert_eq!(access["iss"], format!("{ORIGIN}/p/proj_p"));
    assert_eq!(access["exp"].as_i64().unwrap() - access["iat"].as_i64().unwrap(), 300);
    assert!(access["sid"].as_str().unwrap().starts_with("ses_"));
    let header = decode_header(body["access_token"].as_str().unwrap()).unwrap();
    assert_eq!(header.typ.as_deref(), Some("at+jwt"));
    assert_eq!(header.alg, jsonwebtoken::Algorithm::ES256);

    let id = verified(&site, &body["id_token"], "proj_p").await;
    assert_eq!(id["email"], "admin@example.com");
    assert_eq!(id["name"], "admin");
    assert!(id.get("org_permissions").is_none());
    assert_eq!(
        decode_header(body["id_token"].as_str().unwrap()).unwrap().alg,
        jsonwebtoken::Algorithm::RS256
    );
}

#[orgate_testkit::both]
async fn a_form_gives_the_same_as_json() {
    let site = site().await;
    let code = site.browser().code("admin", None, "openid").await;
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("client_id", "proj_p"),
        ("client_secret", SECRET),
        ("redirect_uri", CALLBACK),
        ("org_id", "acme"),
    ];
    let form = site.browser().form("/p/proj_p/token", &fields).await.json();
    let json = site.tokens("admin", None).await;
    let names = |body: &Value| body.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&form), names(&json));
    let stable = |token: &Value| {
        let mut claims = claims(token);
        for name in ["jti", "sid"] {
            claims.as_object_mut().unwrap().remove(name);
        }
        claims
    };
    assert_eq!(stable(&form["access_token"]), stable(&json["access_token"]));
}

#[orgate_testkit::both]
async fn without_an_organization_no_claim_speaks_of_one() {
    let site = site().await;
    for (name, org) in [("n", None), ("d", Some(""))] {
        let body = site.tokens(name, org).await;
        assert_eq!(body["org_id"], Value::Null);
        let claims = claims(&body["access_token"]);
        assert!(!claims.as_object().unwrap().keys().any(|name| name.starts_with("org_")), "{claims}");
    }
}

#[orgate_testkit::both]
async fn the_picked_organization_is_in_the_code() {
    let site = site().await;
    let code = site.browser().code("d", Some("org_acme"), "").await;
    let other = site.browser().token(&and(exchange(&code), "org_id", "globex")).await;
    assert_eq!(error(&other), "invalid_grant");
    let body = site.browser().token(&exchange(&code)).await.json();
    assert_eq!(body["org_id"], "org_acme", "a refused exchange did not use the code up");
    assert!(body.get("scope").is_none() && body.get("id_token").is_none());
}

#[orgate_testkit::both]
async fn a_refresh_switches_the_organization_without_another_sign_in() {
    let site = site().await;
    let first = site.tokens("d", Some("org_acme")).await;
    assert_eq!(claims(&first["access_token"])["org_role"], "member");
    let second = site.browser().token(&and(refresh(&first), "org_id", "org_globex")).await.json();
    let now = claims(&second["access_token"]);
    assert_eq!((&now["org_id"], &now["org_role"]), (&json!("org_globex"), &json!("admin")));
    assert_eq!(now["sid"], claims(&first["access_token"])["sid"]);

    // As before: without a name it stays where it is.
    let third = site.browser().token(&refresh(&second)).await.json();
    assert_eq!(third["org_id"], "org_globex");
    let fourth = site.browser().token(&and(refresh(&third), "org_id", "")).await.json();
    assert_eq!(fourth["org_id"], Value::Null);
    assert_eq!(site.browser().token(&refresh(&fourth)).await.json()["org_id"], Value::Null);
}

#[orgate_testkit::both]
async fn an_old_refresh_token_ends_the_family() {
    let site = site().await;
    let first = site.tokens("d", Some("org_acme")).await;
    let second = site.browser().token(&refresh(&first)).await.json();
    site.clock.advance(10_001);
    assert_eq!(error(&site.browser().token(&refresh(&first)).await), "invalid_grant");
    assert_eq!(error(&site.browser().token(&refresh(&second)).await), "invalid_grant", "the family is dead");
    assert!(site.events().await.iter().any(|(_, kind)| kind == "token.reuse_detected"));
}

#[orgate_testkit::both]
async fn a_clock_that_is_put_back_gives_no_longer_grace() {
    for (back, status) in [(9_000, 200), (11_000, 400)] {
        let site = site().await;
        let first = site.tokens("d", Some("org_acme")).await;
        assert_eq!(site.browser().token(&refresh(&first)).await.status, 200);
        site.clock.advance(-back);
        let again = site.browser().token(&refresh(&first)).await;
        assert_eq!(again.status, status, "{back} ms: {}", again.text());
    }
}

#[orgate_testkit::both]
async fn within_the_grace_the_previous_token_gives_the_same_successor() {
    let site = site().await;
    let first = site.tokens("d", Some("org_acme")).await;
    let second = site.browser().token(&refresh(&first)).await.json();
    site.clock.advance(9_000);
    let again = site.browser().token(&and(refresh(&first), "org_id", "globex")).await.json();
    assert_eq!(again["refresh_token"], second["refresh_token"]);
    assert_eq!(again["org_id"], "org_globex");
    // The family's organization stayed.
    let third = site.browser().token(&refresh(&second)).await.json();
    assert_eq!(third["org_id"], "org_acme");
    // Two steps back is not the previous one, however quick.
    assert_eq!(error(&site.browser().token(&refresh(&first)).await), "invalid_grant");
    assert_eq!(error(&site.browser().token(&refresh(&third)).await), "invalid_grant");
}

#[orgate_testkit::both]
async fn a_foreign_organization_looks_like_one_that_does_not_exist() {
    let site = site().await;
    let code = site.browser().code("x", None, "").await;
    let foreign = site.browser().token(&and(exchange(&code), "org_id", "org_acme")).await;
    let unknown = site.browser().token(&and(exchange(&code), "org_id", "org_nothing")).await;
    assert_eq!(error(&foreign), "invalid_target");
    assert_eq!(foreign.body, unknown.body);
    assert_eq!(foreign.headers, unknown.headers);
    // The code still works, and so does a refresh after the same mistake.
    let tokens = site.browser().token(&exchange(&code)).await.json();
    assert_eq!(
        error(&site.browser().token(&and(refresh(&tokens), "org_id", "acme")).await),
        "invalid_target"
    );
    site.clock.advance(3_600_000);
    assert_eq!(site.browser().token(&refresh(&tokens)).await.status, 200, "nothing was rotated");
}

#[orgate_testkit::both]
async fn a_lost_organization_is_an_error_and_never_silently_none() {
    let site = site().await;
    let tokens = site.tokens("member", None).await;
    let code = site.browser().code("member", None, "").await;
    site.write(|tx| {
        Box::pin(async move {
            tx.run(crate::db::sql("DELETE FROM memberships WHERE user_id = 'usr_member'")).await.map(|_| ())
        })
    })
    .await;
    assert_eq!(error(&site.browser().token(&exchange(&code)).await), "invalid_target");
    assert_eq!(error(&site.browser().token(&refresh(&tokens)).await), "invalid_target");
    assert_eq!(site.count("SELECT COUNT(*) AS n FROM sessions WHERE active_member_id IS NOT NULL").await, 0);
    let without = site.browser().token(&and(refresh(&tokens), "org_id", "")).await;
    assert_eq!(without.status, 200, "the person is still signed in");
    assert_eq!(without.json()["org_id"], Value::Null);
}

#[orgate_testkit::both]
async fn role_and_change_counter_are_read_anew() {
    let site = site().await;
    let tokens = site.tokens("member", None).await;
    let before = claims(&tokens["access_token"]);
    site.write(|tx| {
        Box::pin(async move {
            let statement = "UPDATE memberships SET role_key = 'viewer' WHERE user_id = 'usr_member'";
            tx.run(crate::db::sql(statement)).await.map(|_| ())
        })
    })
    .await;
    let after = claims(&site.browser().token(&refresh(&tokens)).await.json()["access_token"]);
    assert_eq!(after["org_permissions"], json!(["read"]));
    assert_eq!(after["org_ver"].as_u64().unwrap(), before["org_ver"].as_u64().unwrap() + 1);
}

#[orgate_testkit::both]
async fn organizations_that_are_switched_off_are_named_as_the_reason() {
    let site = site().await;
    let tokens = site.tokens("admin", None).await;
    let plain = site.tokens("n", None).await;
    let code = site.browser().code("admin", None, "").await;
    site.write(|tx| {
        Box::pin(
            async move { tx.run(crate::db::sql("UPDATE projects SET org_enabled = 0")).await.map(|_| ()) },
        )
    })
    .await;
    assert_eq!(
        error(&site.browser().token(&and(exchange(&code), "org_id", "acme")).await),
        "organizations_disabled"
    );
    assert_eq!(error(&site.browser().token(&refresh(&tokens)).await), "organizations_disabled");
    assert_eq!(site.browser().token(&and(refresh(&tokens), "org_id", "")).await.status, 200);
    assert_eq!(site.browser().token(&refresh(&plain)).await.status, 200);
}

#[orgate_testkit::both]
async fn a_code_that_is_used_again_ends_what_came_from_it() {
    let site = site().await;
    let code = site.browser().code("admin", None, "").await;
    let tokens = site.browser().token(&exchange(&code)).await.json();
    assert_eq!(error(&site.browser().token(&exchange(&code)).await), "invalid_grant");
    assert_eq!(error(&site.browser().token(&refresh(&tokens)).await), "invalid_grant");
}

#[orgate_testkit::both]
async fn a_code_lives_for_a_minute() {
    let site = site().await;
    let (early, late) =
        (site.browser().code("admin", None, "").await, site.browser().code("admin", None, "").await);
    site.clock.advance(59_999);
    assert_eq!(site.browser().token(&exchange(&early)).await.status, 200);
    site.clock.advance(1);
    assert_eq!(error(&site.browser().token(&exchange(&late)).await), "invalid_grant");
}

#[orgate_testkit::both]
async fn a_code_fits_one_client_and_one_redirect_uri() {
    let site = site().await;
    let code = site.browser().code("admin", None, "").await;
    for uri in [
        "http://127.0.0.1:3000/callback/",
        "http://127.0.0.1:3001/callback",
        "HTTP://127.0.0.1:3000/callback",
    ] {
        assert_eq!(
            error(&site.browser().token(&and(exchange(&code), "redirect_uri", uri)).await),
            "invalid_grant"
        );
    }
    assert_eq!(
        error(&site.browser().token(&and(exchange(&code), "client_id", "app_strict")).await),
        "invalid_grant"
    );
    let mut without = exchange(&code);
    without.as_object_mut().unwrap().remove("redirect_uri");
    assert_eq!(error(&site.browser().token(&without).await), "invalid_request");
    assert_eq!(site.browser().token(&exchange(&code)).await.status, 200);
}

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

async fn code_with(site: &Site, client: &str, more: &[(&str, &str)]) -> Reply {
    let browser = site.browser();
    let mut fields = vec![("client_id", client)];
    fields.extend_from_slice(more);
    let started = browser.authorize(&fields).await;
    match started.parameter("request") {
        None => started,
        Some(request) => {
            let password = crate::testing::PASSWORD;
            let fields = [("email", "admin@example.com"), ("password", password), ("request", &request)];
            browser.form("/p/proj_p/login", &fields).await
        }
    }
}

#[orgate_testkit::both]
async fn the_verifier_must_fit_the_challenge() {
    let site = site().await;
    let good = [("code_challenge", CHALLENGE), ("code_challenge_method", "S256")];
    let code = code_with(&site, "proj_p", &good).await.parameter("code").unwrap();
    let long = "a".repeat(129);
    for wrong in [
        "",
        "x",
        VERIFIER.strip_prefix('d').unwrap(),
        CHALLENGE,
        &long,
        "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjX!",
    ] {
        let reply = site.browser().token(&and(exchange(&code), "code_verifier", wrong)).await;
        assert_eq!(error(&reply), "invalid_grant", "{wrong}");
    }
    assert_eq!(error(&site.browser().token(&exchange(&code)).await), "invalid_grant");
    assert_eq!(site.browser().token(&and(exchange(&code), "code_verifier", VERIFIER)).await.status, 200);

    let bare = code_with(&site, "proj_p", &[]).await.parameter("code").unwrap();
    let downgrade = site.browser().token(&and(exchange(&bare), "code_verifier", VERIFIER)).await;
    assert_eq!(error(&downgrade), "invalid_grant", "a verifier without a challenge");
}

#[orgate_testkit::both]
async fn a_proof_key_is_demanded_where_it_must_be() {
    let site = site().await;
    let spa = ("redirect_uri", "https://spa.example.com/cb");
    for (client, more) in [
        ("app_spa", vec![spa]),
        ("app_strict", vec![]),
        ("proj_p", vec![("code_challenge", CHALLENGE)]),
        ("proj_p", vec![("code_challenge", CHALLENGE), ("code_challenge_method", "plain")]),
        ("proj_p", vec![("code_challenge", "short"), ("code_challenge_method", "S256")]),
        ("proj_p", vec![("code_challenge_method", "S256")]),
    ] {
        let reply = code_with(&site, client, &more).await;
        assert_eq!(reply.parameter("error").as_deref(), Some("invalid_request"), "{client} {more:?}");
    }
    let more = [spa, ("code_challenge", CHALLENGE), ("code_challenge_method", "S256")];
    let code = code_with(&site, "app_spa", &more).await.parameter("code").unwrap();
    let body = json!({ "grant_type": "authorization_code", "code": code, "client_id": "app_spa",
                       "redirect_uri": spa.1, "code_verifier": VERIFIER });
    assert_eq!(site.browser().token(&body).await.status, 200);
}

#[orgate_testkit::both]
async fn of_twenty_redemptions_at_once_one_succeeds() {
    let site = site().await;
    let code = site.browser().code("admin", None, "").await;
    let body = exchange(&code);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (browser, body) = (site.browser(), body.clone());
        tasks.spawn(async move { browser.token(&body).await.status });
    }
    let statuses = tasks.join_all().await;
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert_eq!(site.count("SELECT COUNT(*) AS n FROM token_families").await, 1);
}

#[orgate_testkit::both]
async fn fifty_refreshes_at_once_are_one_step() {
    let site = site().await;
    let tokens = site.tokens("admin", None).await;
    let body = refresh(&tokens);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let (browser, body) = (site.browser(), body.clone());
        tasks.spawn(async move { browser.token(&body).await });
    }
    let replies = tasks.join_all().await;
    assert!(replies.iter().all(|reply| reply.status == 200));
    let mut successors: Vec<_> =
        replies.iter().map(|reply| reply.json()["refresh_token"].to_string()).collect();
    successors.dedup();
    assert_eq!(successors.len(), 1, "every caller got the same successor");
    assert_eq!(site.count("SELECT counter AS n FROM token_families").await, 1);
}

#[orgate_testkit::both]
async fn a_refresh_token_ends_with_disuse_and_with_age() {
    let day = 24 * 3_600_000;
    let site = site().await;
    let idle = site.tokens("admin", None).await;
    site.clock.advance(30 * day);
    assert_eq!(error(&site.browser().token(&refresh(&idle)).await), "invalid_grant");
    let mut tokens = site.tokens("admin", None).await;
    for _ in 0..4 {
        site.clock.advance(20 * day);
        tokens = site.browser().token(&refresh(&tokens)).await.json();
    }
    site.clock.advance(10 * day);
    assert_eq!(error(&site.browser().token(&refresh(&tokens)).await), "invalid_grant", "ninety days");
}

#[orgate_testkit::both]
async fn a_refresh_cannot_widen_the_scope() {
    let site = site().await;
    let code = site.browser().code("admin", None, "openid email").await;
    let tokens = site.browser().token(&exchange(&code)).await.json();
    let wider = site.browser().token(&and(refresh(&tokens), "scope", "openid email profile")).await;
    assert_eq!(error(&wider), "invalid_scope");
    let narrower = site.browser().token(&and(refresh(&tokens), "scope", "email")).await.json();
    assert_eq!(narrower["scope"], "email");
    assert!(narrower.get("id_token").is_none());
    assert_eq!(site.browser().token(&refresh(&narrower)).await.json()["scope"], "openid email");
}

#[orgate_testkit::both]
async fn signing_out_ends_the_refresh_tokens_unless_they_were_for_later() {
    let site = site().await;
    for (scope, status) in [("openid", 400), ("openid offline_access", 200)] {
        let browser = site.browser();
        let code = browser.code("admin", None, scope).await;
        let tokens = browser.token(&exchange(&code)).await.json();
        let reply = browser.send(Method::POST, "/v1/auth/logout", &[("origin", ORIGIN)], String::new()).await;
        assert_eq!(reply.status, 204, "{}", reply.text());
        assert_eq!(browser.token(&refresh(&tokens)).await.status, status, "{scope}");
    }
}

#[orgate_testkit::both]
async fn a_suspended_user_gets_no_token() {
    let site = site().await;
    let tokens = site.tokens("admin", None).await;
    let code = site.browser().code("admin", None, "").await;
    site.write(|tx| {
        Box::pin(
            async move { tx.run(crate::db::sql("UPDATE users SET status = 'suspended'")).await.map(|_| ()) },
        )
    })
    .await;
    assert_eq!(error(&site.browser().token(&refresh(&tokens)).await), "invalid_grant");
    assert_eq!(error(&site.browser().token(&exchange(&code)).await), "invalid_grant");
}

#[orgate_testkit::both]
async fn a_client_proves_itself_once() {
    let site = site().await;
    let tokens = site.tokens("admin", None).await;
    let body = refresh(&tokens);
    let send = async |authorization: Option<&str>, body: &Value| {
        let mut headers = vec![("content-type", "application/json")];
        if let Some(value) = authorization {
            headers.push(("authorization", value));
        }
        site.browser().send(Method::POST, "/p/proj_p/token", &headers, body.to_string()).await
    };
    let basic = "Basic cHJval9wOnNlY3JldF9oZXJl";
    assert_eq!(error(&send(Some(basic), &body).await), "invalid_request", "two ways at once");
    let mut bare = body.clone();
    bare.as_object_mut().unwrap().remove("client_secret");
    for (authorization, body) in [
        (None, &bare),
        (None, &and(body.clone(), "client_secret", "wrong")),
        (None, &and(body.clone(), "client_secret", "")),
        (None, &and(body.clone(), "client_id", "proj_unknown")),
        (Some("Basic cHJval9wOndyb25n"), &bare),
        (Some("Basic %%%"), &bare),
        (Some("Bearer x"), &bare),
    ] {
        let reply = send(authorization, body).await;
        assert_eq!(reply.status, 401, "{authorization:?} {body}");
        assert_eq!(reply.json()["error"], "invalid_client");
        assert_eq!(reply.headers.contains_key("www-authenticate"), authorization.is_some());
    }
    // A public client has no secret to show.
    let public = json!({ "grant_type": "refresh_token", "refresh_token": "x", "client_id": "app_spa" });
    assert_eq!(send(None, &and(public.clone(), "client_secret", "x")).await.status, 401);
    assert_eq!(error(&send(None, &public).await), "invalid_grant");
    // A client of one project is unknown to another.
    let json = [("content-type", "application/json")];
    let other = site.browser().send(Method::POST, "/p/proj_q/token", &json, body.to_string()).await;
    assert_eq!(other.status, 401);
    assert_eq!(send(Some(basic), &bare).await.status, 200, "nothing was rotated by all that");
}

#[orgate_testkit::both]
async fn what_cannot_be_read_is_an_invalid_request() {
    let site = site().await;
    let cases: [(&str, &str); 8] = [
        ("application/json", "{"),
        ("application/json", "[]"),
        (
            "application/json",
            r#"{"grant_type":"refresh_token","grant_type":"refresh_token","client_id":"app_spa"}"#,
        ),
        ("application/json", r#"{"grant_type":["refresh_token"],"client_id":"app_spa"}"#),
        ("application/json", r#"{"client_id":"app_spa"}"#),
        ("application/x-www-form-urlencoded", "client_id=app_spa&client_id=app_spa&grant_type=refresh_token"),
        ("application/x-www-form-urlencoded", "grant_type=refresh_token"),
        ("text/plain", "grant_type=refresh_token&client_id=app_spa"),
    ];
    for (kind, body) in cases {
        let reply = site
            .browser()
            .send(Method::POST, "/p/proj_p/token", &[("content-type", kind)], body.to_owned())
            .await;
        assert_eq!(error(&reply), "invalid_request", "{body}");
        assert_eq!(reply.headers["cache-control"], "no-store");
    }
    let two = r#"{"grant_type":"refresh_token","refresh_token":"x","client_id":"app_spa","org_id":"a","organization":"b"}"#;
    let json = [("content-type", "application/json")];
    let reply = site.browser().send(Method::POST, "/p/proj_p/token", &json, two.to_owned()).await;
    assert_eq!(error(&reply), "invalid_request");
    let password = json!({ "grant_type": "password", "client_id": "app_spa" });
    assert_eq!(error(&site.browser().token(&password).await), "unsupported_grant_type");
    assert_eq!(site.browser().get("/p/proj_p/token").await.status, 405);
}
