use http::Method;
use serde_json::{Value, json};

use crate::{
    clock::rfc3339,
    testing::{Browser, NOW, PASSWORD, Site, exchange, refresh, site},
};

const USERS: &str = "/api/platform/projects/proj_p/users";

async fn operator(site: &Site) -> Browser {
    let browser = site.browser();
    browser.operator("ops@example.com").await;
    browser
}

async fn bearer(browser: &Browser) -> String {
    let keys = "/api/platform/projects/proj_p/keys";
    let made = browser.json(Method::POST, keys, &json!({ "name": "ci" })).await.json();
    format!("Bearer {}", made["secret"].as_str().unwrap())
}

/// The part of each address before the `@`, and where the list goes on.
async fn found(browser: &Browser, query: &str) -> (Vec<String>, Value) {
    let reply = browser.get(&format!("{USERS}?{query}")).await;
    assert_eq!(reply.status, 200, "{query}: {}", reply.text());
    let page = reply.json();
    let local = |user: &Value| user["email"].as_str().unwrap().split('@').next().unwrap().to_owned();
    (page["data"].as_array().unwrap().iter().map(local).collect(), page["next_cursor"].clone())
}

#[orgate_testkit::both]
async fn people_are_listed_in_pages() {
    let site = site().await;
    let browser = operator(&site).await;
    let all = found(&browser, "").await;
    assert_eq!(
        all,
        (["admin", "d", "member", "n", "owner", "viewer", "x"].map(str::to_owned).to_vec(), Value::Null)
    );
    let (first, cursor) = found(&browser, "limit=4").await;
    let (second, end) = found(&browser, &format!("limit=4&cursor={}", cursor.as_str().unwrap())).await;
    assert_eq!(([first, second].concat(), end), all);

    let suspend = json!({ "status": "suspended" });
    for user in ["usr_d", "usr_owner"] {
        assert_eq!(browser.json(Method::PATCH, &format!("{USERS}/{user}"), &suspend).await.status, 200);
    }
    let (first, cursor) = found(&browser, "status=suspended&limit=1").await;
    let next = format!("status=suspended&limit=1&cursor={}", cursor.as_str().unwrap());
    assert_eq!(
        (first, found(&browser, &next).await),
        (vec!["d".to_owned()], (vec!["owner".to_owned()], Value::Null))
    );
    let (active, _) = found(&browser, "status=active").await;
    assert_eq!(active, ["admin", "member", "n", "viewer", "x"]);
    for (query, field) in [("status=gone", "status"), ("limit=0", "limit"), ("cursor=%21", "cursor")] {
        let reply = browser.get(&format!("{USERS}?{query}")).await;
        assert_eq!((reply.status.as_u16(), &reply.json()["field"]), (422, &json!(field)), "{query}");
    }
}

#[orgate_testkit::both]
async fn people_are_found_by_the_beginning_of_their_address_or_by_their_id() {
    let site = site().await;
    let browser = operator(&site).await;
    for local in ["o-b", "ob", "o_c", "oz"] {
        let wish = json!({ "email": format!("{local}@example.com") });
        assert_eq!(browser.json(Method::POST, USERS, &wish).await.status, 201);
    }
    for (query, expected) in [
        ("q=o", vec!["o-b", "o_c", "ob", "owner", "oz"]),
        ("q=%20O-%20", vec!["o-b"]),
        ("q=o_", vec!["o_c"]),
        ("q=o%25", vec![]),
        ("q=wner", vec![]),
        ("q=OWNER@Example.COM", vec!["owner"]),
        ("q=usr_owner", vec!["owner"]),
        ("q=usr_nobody", vec![]),
        ("q=usr_q", vec![]),
        ("q=", vec![]),
    ] {
        let (names, _) = found(&browser, query).await;
        if query == "q=" {
            assert_eq!(names.len(), 11, "nothing asked for is everybody");
        } else {
            assert_eq!(names, expected, "{query}");
        }
    }
    let mut all = Vec::new();
    let mut query = "q=o&limit=2".to_owned();
    loop {
        let (names, cursor) = found(&browser, &query).await;
        all.extend(names);
        let Some(cursor) = cursor.as_str() else { break };
        query = format!("q=o&limit=2&cursor={cursor}");
    }
    assert_eq!(all, ["o-b", "o_c", "ob", "owner", "oz"]);
    browser.json(Method::PATCH, &format!("{USERS}/usr_owner"), &json!({ "status": "suspended" })).await;
    assert_eq!(found(&browser, "q=o&status=suspended").await.0, ["owner"]);
    assert_eq!(found(&browser, "q=usr_owner&status=active").await.0, Vec::<String>::new());
}

#[orgate_testkit::both]
async fn one_person_is_seen_with_organizations_and_ways_to_sign_in() {
    let site = site().await;
    let browser = operator(&site).await;
    site.tokens("d", Some("org_acme")).await;
    site.change("UPDATE organizations SET status = 'suspended' WHERE id = 'org_globex'").await;
    let user = browser.get(&format!("{USERS}/usr_d")).await.json();
    assert_eq!((&user["email"], &user["status"]), (&json!("d@example.com"), &json!("active")));
    assert_eq!(user["created_at"], json!(rfc3339(NOW)));
    assert_eq!(
        user["sign_in"],
        json!({ "password": true, "totp": false, "recovery_codes": 0, "passkeys": 0 })
    );
    assert_eq!(user["sessions"], 1);
    let places = user["organizations"]["data"].as_array().unwrap();
    let brief: Vec<_> = places.iter().map(|one| (&one["slug"], &one["role"], &one["status"])).collect();
    assert_eq!(
        brief,
        [
            (&json!("acme"), &json!("member"), &json!("active")),
            (&json!("globex"), &json!("admin"), &json!("suspended")),
        ]
    );
    let first = browser.get(&format!("{USERS}/usr_d/organizations?limit=1")).await.json();
    let next =
        format!("{USERS}/usr_d/organizations?limit=1&cursor={}", first["next_cursor"].as_str().unwrap());
    assert_eq!(browser.get(&next).await.json()["data"][0]["slug"], "globex");
    for unknown in ["usr_nobody", "usr_q", "x"] {
        for path in ["", "/organizations"] {
            assert_eq!(browser.get(&format!("{USERS}/{unknown}{path}")).await.status, 404, "{unknown}{path}");
        }
    }
}

#[orgate_testkit::both]
async fn an_operator_makes_a_user() {
    let site = site().await;
    let browser = operator(&site).await;
    let wish = json!({ "email": " New@Example.com ", "name": " New ", "password": "a brand new password" });
    let reply = browser.json(Method::POST, USERS, &wish).await;
    assert_eq!(reply.status, 201);
    let user = reply.json();
    assert_eq!((&user["email"], &user["name"]), (&json!("New@Example.com"), &json!("New")));
    assert_eq!(user["email_verified"], false, "nobody has shown that the address is theirs");
    let again = browser.json(Method::POST, USERS, &json!({ "email": "new@example.com" })).await;
    assert_eq!((again.status.as_u16(), again.code()), (409, json!("conflict")));
    let signed_in = site.browser().login("new@example.com", "a brand new password", &[]).await;
    assert_eq!(signed_in.status, 303);

    let trusted = json!({ "email": "sure@example.com", "email_verified": true });
    let made = browser.json(Method::POST, USERS, &trusted).await.json();
    assert_eq!(made["email_verified"], true);
    let whole = browser.get(&format!("{USERS}/{}", made["id"].as_str().unwrap())).await.json();
    assert_eq!(whole["sign_in"]["password"], false);
    let events = browser.get("/api/platform/projects/proj_p/audit?type=user.created").await.json();
    assert_eq!(events["data"][0]["actor"]["kind"], "operator");
    assert!(!events.to_string().contains("example.com"));
    for (body, field) in [
        (json!({}), "email"),
        (json!({ "email": "nobody" }), "email"),
        (json!({ "email": "y@example.com", "password": "short" }), "password"),
        (json!({ "email": "y@example.com", "name": "x".repeat(101) }), "name"),
    ] {
        let reply = browser.json(Method::POST, USERS, &body).await;
        assert_eq!((reply.status.as_u16(), &reply.json()["field"]), (422, &json!(field)), "{body}");
    }
}

#[orgate_testkit::both]
async fn a_user_made_by_an_operator_gets_a_personal_organization_where_the_project_has_such() {
    let site = site().await;
    let browser = operator(&site).await;
    browser.json(Method::PATCH, "/api/platform/projects/proj_p", &json!({ "personal_orgs": true })).await;
    let made = browser.json(Method::POST, USERS, &json!({ "email": "new@example.com" })).await.json();
    let whole = browser.get(&format!("{USERS}/{}", made["id"].as_str().unwrap())).await.json();
    let places = &whole["organizations"]["data"];
    assert_eq!((&places[0]["personal"], &places[0]["role"]), (&json!(true), &json!("owner")));
}

#[orgate_testkit::both]
async fn signing_a_user_out_ends_everything_that_was_issued_to_them() {
    let site = site().await;
    let browser = operator(&site).await;
    let person = site.browser();
    let code = person.code("d", Some("org_acme"), "openid offline_access").await;
    let tokens = person.token(&exchange(&code)).await.json();
    assert_eq!(person.get("/v1/auth/session").await.status, 200);
    let path = format!("{USERS}/usr_d/sessions");
    assert_eq!(browser.json(Method::DELETE, &path, &json!({})).await.status, 204);
    assert_eq!(person.get("/v1/auth/session").await.status, 401);
    assert_eq!(person.token(&refresh(&tokens)).await.json()["error"], "invalid_grant");
    let events = browser.get("/api/platform/projects/proj_p/audit?type=session.revoked").await.json();
    assert_eq!(events["data"][0]["actor"]["kind"], "operator");
    // They sign in again as before.
    assert_eq!(site.browser().login("d@example.com", PASSWORD, &[]).await.status, 303);
    let nobody = format!("{USERS}/usr_nobody/sessions");
    assert_eq!(browser.json(Method::DELETE, &nobody, &json!({})).await.status, 404);
}

#[orgate_testkit::both]
async fn people_are_for_the_operators_of_their_project() {
    let site = site().await;
    let own = operator(&site).await;
    let authorization = bearer(&own).await;
    let one = format!("{USERS}/usr_d");
    let (places, sessions) = (format!("{one}/organizations"), format!("{one}/sessions"));
    let wish = json!({ "email": "new@example.com" });
    let reads = [USERS, one.as_str(), places.as_str()];
    let writes = [(Method::POST, USERS, &wish), (Method::DELETE, sessions.as_str(), &Value::Null)];
    let other = site.browser();
    other.operator("ops2@example.com").await;
    for (browser, expected) in [(site.browser(), 401), (other, 404)] {
        for path in reads {
            assert_eq!(browser.get(path).await.status, expected, "{path}");
        }
        for (method, path, body) in &writes {
            assert_eq!(browser.json(method.clone(), path, body).await.status, expected, "{path}");
        }
    }
    let evil = [("content-type", "application/json"), ("origin", "https://evil.test")];
    for (method, path, body) in &writes {
        assert_eq!(own.send(method.clone(), path, &evil, body.to_string()).await.status, 403, "{path}");
    }
    site.change("UPDATE project_operators SET role = 'viewer' WHERE project_id = 'proj_p'").await;
    let program = [("authorization", authorization.as_str()), ("content-type", "application/json")];
    for path in reads {
        assert_eq!(own.get(path).await.status, 200, "{path}");
        assert_eq!(
            site.browser().send(Method::GET, path, &program, String::new()).await.status,
            200,
            "{path}"
        );
    }
    for (method, path, body) in &writes {
        assert_eq!(own.json(method.clone(), path, body).await.status, 403, "{path}");
    }
    site.change("UPDATE project_operators SET role = 'admin' WHERE project_id = 'proj_p'").await;
    for (method, path, body) in &writes {
        let reply = site.browser().send(method.clone(), path, &program, body.to_string()).await;
        assert!(reply.status.is_success(), "{path}: {}", reply.status);
    }
}
