//! What pages and sessions hold to.

use super::*;

#[orgate_testkit::both]
async fn what_people_type_is_escaped() {
    let site = site().await;
    site.write(|tx| {
        Box::pin(async move {
            tx.run(crate::db::sql("UPDATE organizations SET name = '\"><svg onload=alert(1)>{{7*7}}'"))
                .await?;
            tx.run(crate::db::sql("UPDATE projects SET name = '</title><script>x</script>'"))
                .await
                .map(|_| ())
        })
    })
    .await;
    let browser = site.browser();
    let started = browser.authorize(&[("login_hint", "\"><script>alert(1)</script>")]).await;
    let page = browser.get(&started.location()).await.text();
    assert!(!page.contains("<script") && page.contains("&lt;script"), "{page}");
    let entered = browser.login("d@example.com", PASSWORD, &[]).await;
    let picker = browser.get(&entered.location()).await.text();
    assert!(
        !picker.contains("<svg") && !picker.contains("<script") && picker.contains("{{7*7}}"),
        "{picker}"
    );
}

#[orgate_testkit::both]
async fn the_session_shows_the_active_organization_under_both_names() {
    let site = site().await;
    let browser = site.browser();
    browser.code("d", Some("org_acme"), "").await;
    for path in ["/v1/auth/session", "/p/proj_p/v1/auth/session"] {
        let body = browser.get(path).await.json();
        assert_eq!(body["activeOrganizationId"], "org_acme");
        assert_eq!(body["active_organization_id"], "org_acme");
        assert_eq!(body["organization"], json!({ "id": "org_acme", "name": "The acme", "slug": "acme" }));
        assert_eq!(body["role"], "member");
        assert_eq!(body["permissions"], json!(["read", "write"]));
        assert_eq!(body["user"]["email"], "d@example.com");
    }
    let list = browser.get("/v1/auth/me/organizations").await.json();
    let roles: Vec<_> =
        list["data"].as_array().unwrap().iter().map(|one| (&one["slug"], &one["role"])).collect();
    assert_eq!(roles, [(&json!("acme"), &json!("member")), (&json!("globex"), &json!("admin"))]);
    assert_eq!(list["next_cursor"], Value::Null);
    let first = browser.get("/v1/auth/me/organizations?limit=1").await.json();
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = browser.get(&format!("/v1/auth/me/organizations?limit=1&cursor={cursor}")).await.json();
    assert_eq!(second["data"][0]["slug"], "globex");
    assert_eq!(site.browser().get("/v1/auth/session").await.status, 401);
    assert_eq!(browser.get("/p/proj_q/v1/auth/session").await.status, 401, "another project's cookie");
}

#[orgate_testkit::both]
async fn scripts_sign_in_with_json() {
    let site = site().await;
    let browser = site.browser();
    let body = json!({ "email": "x@example.com", "password": PASSWORD });
    let unnamed = browser.json(Method::POST, "/v1/auth/login", &body).await;
    assert_eq!((unnamed.status.as_u16(), unnamed.code()), (422, json!("project_required")));
    let reply = browser.json(Method::POST, "/v1/auth/login", &and(body.clone(), "project", "proj_p")).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.json()["organization"], Value::Null);
    // The session names the project now.
    assert_eq!(browser.json(Method::POST, "/v1/auth/login", &body).await.status, 200);
    let extra = and(body.clone(), "admin", true);
    assert_eq!(browser.json(Method::POST, "/p/proj_p/v1/auth/login", &extra).await.code(), "unknown_field");

    // Changes by cookie need an allowed origin.
    for (headers, status) in [
        (vec![], 403),
        (vec![("origin", "https://evil.test")], 403),
        (vec![("sec-fetch-site", "cross-site")], 403),
        (vec![("origin", "chrome-extension://aaaabbbbccccddddeeeeffffgggghhhh")], 204),
    ] {
        let reply = browser.send(Method::POST, "/v1/auth/logout", &headers, String::new()).await;
        assert_eq!(reply.status, status, "{headers:?}");
    }
    assert_eq!(browser.get("/v1/auth/session").await.status, 401);
    assert!(browser.cookie("orgate-proj_p").is_none());
    // And so does signing somebody in.
    let headers = [("content-type", "application/json"), ("origin", "https://evil.test")];
    let reply = browser.send(Method::POST, "/p/proj_p/v1/auth/login", &headers, body.to_string()).await;
    assert_eq!(reply.status, 403);
}

#[orgate_testkit::both]
async fn a_body_cannot_name_another_project_than_the_path() {
    let site = site().await;
    let body = json!({ "email": "x@example.com", "password": PASSWORD });
    for (project, status) in [("proj_p", 200), ("proj_q", 422), ("", 422)] {
        let named = and(body.clone(), "project", project);
        let reply = site.browser().json(Method::POST, "/p/proj_p/v1/auth/login", &named).await;
        assert_eq!(reply.status, status, "{project}");
        assert!(status == 200 || reply.json()["field"] == "project");
    }
}

#[orgate_testkit::both]
async fn a_session_ends_with_disuse_and_with_age() {
    let day = 24 * 3_600_000;
    let site = site().await;
    let browser = site.browser();
    browser.code("x", None, "").await;
    for _ in 0..4 {
        site.clock.advance(7 * day - 1);
        assert_eq!(browser.get("/v1/auth/session").await.status, 200);
    }
    site.clock.advance(2 * day + 4);
    assert_eq!(browser.get("/v1/auth/session").await.status, 401, "thirty days");
    browser.code("x", None, "").await;
    site.clock.advance(7 * day);
    assert_eq!(browser.get("/v1/auth/session").await.status, 401, "seven days unused");
}

#[orgate_testkit::both]
async fn a_long_password_is_refused_before_any_work() {
    let site = site().await;
    let long = "x".repeat(1025);
    let page = site.browser().login("x@example.com", &long, &[]).await;
    assert_eq!((page.status.as_u16(), page.page_code().as_deref()), (413, Some("too_large")));
    let body = json!({ "email": "x@example.com", "password": "x".repeat(100_000) });
    let reply = site.browser().json(Method::POST, "/p/proj_p/v1/auth/login", &body).await;
    assert_eq!((reply.status.as_u16(), reply.code()), (413, json!("too_large")));
}

#[orgate_testkit::both]
async fn an_old_request_leads_nowhere() {
    let site = site().await;
    let browser = site.browser();
    let started = browser.authorize(&[]).await;
    site.clock.advance(30 * 60_000);
    let page = browser.get(&started.location()).await;
    assert_eq!((page.status.as_u16(), page.page_code().as_deref()), (400, Some("request_expired")));
    assert_eq!(browser.get("/p/proj_p/login").await.page_code().as_deref(), Some("request_expired"));
    assert_eq!(browser.get("/p/proj_none/login?request=x").await.status, 404);
    browser.authorize(&[]).await;
    assert_eq!(site.count("SELECT COUNT(*) AS n FROM authz_requests").await, 1, "old ones are forgotten");
}

#[orgate_testkit::both]
async fn too_many_parameters_are_refused_at_every_door() {
    let site = site().await;
    let browser = site.browser();
    let handle = browser.authorize(&[]).await.parameter("request").unwrap();
    let many: String = (0..80).map(|at| format!("&n{at}=")).collect();
    for path in ["authorize?client_id=proj_p", "login?request=", "organizations/choose?request="] {
        let reply = browser.get(&format!("/p/proj_p/{path}{handle}{many}")).await;
        assert_eq!(
            (reply.status.as_u16(), reply.page_code().as_deref()),
            (400, Some("invalid_request")),
            "{path}"
        );
    }
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let json_type = [("content-type", "application/json")];
    let object = format!("{{{}}}", (0..80).map(|at| format!("\"n{at}\":\"\"")).collect::<Vec<_>>().join(","));
    for path in ["login", "organizations/choose"] {
        let body = format!("request={handle}{many}");
        let reply = browser.send(Method::POST, &format!("/p/proj_p/{path}"), &form, body).await;
        assert_eq!(
            (reply.status.as_u16(), reply.page_code().as_deref()),
            (400, Some("invalid_request")),
            "{path}"
        );
    }
    // The token endpoint says so before it asks who the client is.
    for (headers, body) in [(&form, &many), (&json_type, &object)] {
        let reply = browser.send(Method::POST, "/p/proj_p/token", headers, body.clone()).await;
        assert_eq!((reply.status.as_u16(), &reply.json()["error"]), (400, &json!("invalid_request")));
    }
    let reply = browser.send(Method::POST, "/p/proj_p/v1/auth/login", &json_type, object).await;
    assert_eq!((reply.status.as_u16(), reply.code()), (400, json!("bad_request")));
}

#[orgate_testkit::both]
async fn a_session_that_ends_or_changes_during_the_sign_in_is_not_continued() {
    let site = site().await;
    let app = site.issuer.app();
    let browser = site.browser();
    let body = json!({ "email": "x@example.com", "password": PASSWORD });
    let project = crate::projects::find(&mut app.db.read().await.unwrap(), "proj_p").await.unwrap().unwrap();
    let stale = async || {
        assert_eq!(browser.json(Method::POST, "/p/proj_p/v1/auth/login", &body).await.status, 200);
        let mut headers = http::HeaderMap::new();
        let cookie = format!("orgate-proj_p={}", browser.cookie("orgate-proj_p").unwrap());
        headers.insert("cookie", cookie.parse().unwrap());
        crate::login::session::of_project(app, &headers, "proj_p").await.unwrap().unwrap()
    };
    let sign_in = async |previous| {
        crate::login::sign_in(
            app,
            &project,
            &crate::throttle::Visitor::of(app, "proj_p", Peer(None), &http::HeaderMap::new()),
            "x@example.com",
            PASSWORD.to_owned(),
            Some(previous),
        )
        .await
        .unwrap_or_else(|error| panic!("{error:?}"))
    };
    let lives = async |token: &str| {
        let browser = site.browser();
        browser.set_cookie("orgate-proj_p", token);
        browser.get("/v1/auth/session").await.status == 200
    };

    // Signed out between the look at the cookie and the end of the sign-in.
    let previous = stale().await;
    let out = browser.send(Method::POST, "/v1/auth/logout", &[("origin", ORIGIN)], String::new()).await;
    assert_eq!(out.status, 204);
    let signed_in = sign_in(previous.clone()).await;
    assert_ne!(signed_in.session.id, previous.id);
    assert!(lives(&signed_in.token).await);

    // Two at once with the same old cookie: whoever is told 200 is signed in.
    let previous = stale().await;
    let (first, second) = (sign_in(previous.clone()).await, sign_in(previous.clone()).await);
    assert_eq!(first.session.id, previous.id);
    assert_ne!(second.session.id, previous.id);
    assert!(lives(&first.token).await && lives(&second.token).await);
}

#[orgate_testkit::both]
async fn every_door_with_a_password_gives_a_peer_its_share_and_no_more() {
    use crate::password::For;
    use std::task::{Context, Waker};
    let site = site().await;
    let app = site.issuer.app();
    let pause = app.passwords.pause().await;
    let mut waiting: Vec<_> = ["a", "b", "c", "d"]
        .map(|account| {
            let who = For::Request { peer: None, realm: "proj_p", account };
            Box::pin(app.passwords.check(who, "x".to_owned(), None))
        })
        .into();
    for work in &mut waiting {
        assert!(work.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    let browser = site.browser();
    let body = json!({ "email": "x@example.com", "password": PASSWORD });
    let account = browser.json(Method::POST, "/p/proj_p/v1/auth/login", &body).await;
    let operator = browser.operator("ops@example.com").await;
    for reply in [account, operator] {
        assert_eq!((reply.status.as_u16(), reply.code()), (429, json!("rate_limited")));
        assert_eq!(reply.headers["retry-after"], "1");
    }
    let page = browser.login("x@example.com", PASSWORD, &[]).await;
    assert_eq!((page.status.as_u16(), page.page_code().as_deref()), (429, Some("rate_limited")));
    assert_eq!(page.headers["retry-after"], "1");
    drop((waiting, pause));
    assert_eq!(browser.operator("ops@example.com").await.status, 204);
}

#[orgate_testkit::both]
async fn what_a_stranger_can_have_stored_has_bounds() {
    let site = site().await;
    let browser = site.browser();
    let most = [("state", 2048), ("nonce", 512), ("login_hint", 320), ("org_id", 256), ("scope", 512)];
    for (name, most) in most {
        let fits = browser.authorize(&[(name, "x".repeat(most).as_str())]).await;
        assert!(fits.location().contains("/login?request="), "{name}: {}", fits.location());
    }
    let stored = site.count("SELECT COUNT(*) AS n FROM authz_requests").await;
    for (name, most) in &most[1..] {
        let reply = browser.authorize(&[(name, "x".repeat(most + 1).as_str())]).await;
        assert!(reply.location().starts_with(CALLBACK), "{name}");
        assert_eq!(reply.parameter("error").as_deref(), Some("invalid_request"), "{name}");
        assert_eq!(reply.parameter("state").as_deref(), Some("st&1"));
    }
    for (name, code) in [("state", "invalid_request"), ("redirect_uri", "invalid_redirect_uri")] {
        let reply = browser.authorize(&[(name, "x".repeat(2049).as_str())]).await;
        assert_eq!((reply.status.as_u16(), reply.page_code().as_deref()), (400, Some(code)), "{name}");
    }
    assert_eq!(site.count("SELECT COUNT(*) AS n FROM authz_requests").await, stored);
}

#[orgate_testkit::both]
async fn ended_requests_are_forgotten_some_at_a_time() {
    let site = site().await;
    let browser = site.browser();
    browser.authorize(&[]).await;
    site.write(|tx| {
        Box::pin(async move {
            let copy = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
                        INSERT INTO authz_requests
                            (token_hash, project_id, client_id, browser_hash, params, created_at, expires_at)
                        SELECT token_hash || i, project_id, client_id, browser_hash, params, created_at, expires_at
                        FROM authz_requests, n";
            tx.run(crate::db::sql(copy)).await.map(|_| ())
        })
    })
    .await;
    site.clock.advance(30 * 60_000);
    for left in [102, 2, 3] {
        browser.authorize(&[]).await;
        assert_eq!(site.count("SELECT COUNT(*) AS n FROM authz_requests").await, left);
    }
}
