use http::Method;
use serde_json::json;

use crate::testing::{Reply, Site, TempDir, settings, site};

fn path(site: &Site) -> String {
    let url = &site.issuer.first_start().unwrap().url;
    url.strip_prefix(crate::testing::ORIGIN).unwrap().to_owned()
}

async fn submit(site: &Site, path: &str, password: &str, uri: &str) -> Reply {
    let fields =
        [("email", "me@example.com"), ("password", password), ("name", "Shop"), ("redirect_uri", uri)];
    site.browser().form(path, &fields).await
}

const URI: &str = "http://127.0.0.1:3000/callback";

#[orgate_testkit::both]
async fn the_first_start_gives_a_link_that_makes_an_operator_and_a_project() {
    let site = Site::empty().await;
    let path = path(&site);
    let page = site.browser().get(&path).await;
    assert_eq!(page.status, 200);
    assert!(page.text().contains("autocomplete=\"new-password\""));
    for (password, uri) in [("short", URI), ("long enough", "http://evil.test/")] {
        let reply = submit(&site, &path, password, uri).await;
        assert_eq!((reply.status.as_u16(), reply.page_code().as_deref()), (422, Some("invalid_value")));
    }
    let done = submit(&site, &path, "long enough", URI).await;
    assert_eq!(done.status, 201, "{}", done.text());
    let html = done.text();
    let client_id = html.split("<code>proj_").nth(1).unwrap().split('<').next().unwrap();

    let browser = site.browser();
    let body = json!({ "email": "me@example.com", "password": "long enough" });
    assert_eq!(browser.json(Method::POST, "/api/platform/operators/login", &body).await.status, 204);
    let project = browser.get(&format!("/api/platform/projects/proj_{client_id}")).await.json();
    assert_eq!((&project["name"], &project["org_enabled"]), (&json!("Shop"), &json!(true)));

    // The secret on the page is the client's.
    let secret = html.split("Client secret</dt><dd><code>").nth(1).unwrap().split('<').next().unwrap();
    let token = json!({ "grant_type": "refresh_token", "refresh_token": "x", "client_id": format!("proj_{client_id}"),
                        "client_secret": secret });
    assert_eq!(browser.token(&token).await.json()["error"], "invalid_grant");

    let again = submit(&site, &path, "long enough", URI).await;
    assert_eq!((again.status.as_u16(), again.page_code().as_deref()), (410, Some("setup_link_invalid")));
    assert_eq!(site.browser().get(&path).await.status, 410);
}

#[orgate_testkit::both]
async fn the_link_ends_after_an_hour_and_a_restart_makes_another() {
    let site = Site::empty().await;
    let old = path(&site);
    assert!(
        !site.disk().windows(20).any(|window| window == &old.as_bytes()[7..27]),
        "only its hash is stored"
    );
    site.clock.advance(3_599_999);
    assert_eq!(site.browser().get(&old).await.status, 200);
    site.clock.advance(1);
    assert_eq!(site.browser().get(&old).await.status, 410);
    assert_eq!(submit(&site, &old, "long enough", URI).await.status, 410);
    site.issuer.shutdown().await;

    let clock = site.clock.clone();
    let again = Site::with(settings(&site.dir), TempDir::new(), clock).await;
    let new = path(&again);
    assert_ne!(new, old);
    assert_eq!(again.browser().get(&new).await.status, 200);
    assert_eq!(again.browser().get(&old).await.status, 410);
    assert_eq!(again.browser().get("/setup/guess").await.status, 410);
}

#[orgate_testkit::both]
async fn of_two_who_use_the_link_at_once_one_becomes_operator() {
    let site = Site::empty().await;
    let path = path(&site);
    let (one, two) =
        tokio::join!(submit(&site, &path, "long enough", URI), submit(&site, &path, "long enough", URI));
    let mut statuses = [one.status.as_u16(), two.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 410]);
    assert_eq!(site.count("SELECT COUNT(*) AS n FROM operators").await, 1);
}

#[orgate_testkit::both]
async fn with_an_operator_there_is_no_link() {
    let site = site().await;
    site.issuer.shutdown().await;
    let again = Site::with(settings(&site.dir), TempDir::new(), site.clock.clone()).await;
    assert!(again.issuer.first_start().is_none());
}

const PROJECTS: &str = "/api/platform/projects";

#[orgate_testkit::both]
async fn an_operator_makes_a_project_and_owns_it() {
    let site = crate::testing::site().await;
    let own = site.browser();
    own.operator("ops@example.com").await;
    let wish = json!({ "name": " Shop ", "org_enabled": true, "redirect_uri": URI });
    let reply = own.json(Method::POST, PROJECTS, &wish).await;
    assert_eq!((reply.status.as_u16(), reply.headers["cache-control"].to_str().unwrap()), (201, "no-store"));
    let made = reply.json();
    let id = made["id"].as_str().unwrap();
    assert_eq!((&made["name"], &made["org_enabled"]), (&json!("Shop"), &json!(true)));
    assert_eq!((&made["client_id"], &made["audience"]), (&json!(id), &json!([id])));
    let listed = own.get(PROJECTS).await.json();
    let roles: Vec<_> = listed["data"].as_array().unwrap().iter().map(|one| &one["role"]).collect();
    assert_eq!(roles, [&json!("owner"), &json!("owner")]);

    // Its first client, its keys and its audit log are there at once.
    let token = json!({ "grant_type": "refresh_token", "refresh_token": "x", "client_id": id,
                        "client_secret": made["client_secret"] });
    assert_eq!(own.token(&token).await.json()["error"], "invalid_grant");
    assert_eq!(own.get(&format!("/p/{id}/jwks.json")).await.json()["keys"].as_array().unwrap().len(), 3);
    let audit = own.get(&format!("{PROJECTS}/{id}/audit?type=project.created")).await.json();
    assert_eq!(
        (&audit["data"][0]["seq"], &audit["data"][0]["actor"]["kind"]),
        (&json!(1), &json!("operator"))
    );
    // Nobody else's.
    let other = site.browser();
    other.operator("ops2@example.com").await;
    assert_eq!(other.get(&format!("{PROJECTS}/{id}")).await.status, 404);
    // Without what may be left out.
    let plain = own.json(Method::POST, PROJECTS, &json!({ "name": "Plain" })).await.json();
    assert_eq!(plain["org_enabled"], false);
}

#[orgate_testkit::both]
async fn who_may_not_make_a_project_is_refused() {
    let site = crate::testing::site().await;
    let own = site.browser();
    own.operator("ops@example.com").await;
    let wish = json!({ "name": "Shop" });
    assert_eq!(site.browser().json(Method::POST, PROJECTS, &wish).await.status, 401);
    let headers = [("content-type", "application/json"), ("origin", "https://evil.test")];
    assert_eq!(own.send(Method::POST, PROJECTS, &headers, wish.to_string()).await.status, 403);
    let key =
        own.json(Method::POST, &format!("{PROJECTS}/proj_p/keys"), &json!({ "name": "ci" })).await.json();
    let authorization = format!("Bearer {}", key["secret"].as_str().unwrap());
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
    let program = site.browser().send(Method::POST, PROJECTS, &headers, wish.to_string()).await;
    assert_eq!((program.status.as_u16(), program.code()), (403, json!("forbidden")));
    for (body, field) in [
        (json!({}), "name"),
        (json!({ "name": " " }), "name"),
        (json!({ "name": "x".repeat(101) }), "name"),
        (json!({ "name": "Shop", "redirect_uri": "http://evil.test/" }), "redirect_uri"),
    ] {
        let reply = own.json(Method::POST, PROJECTS, &body).await;
        assert_eq!((reply.status.as_u16(), &reply.json()["field"]), (422, &json!(field)), "{body}");
    }
    let mut last = 0;
    for _ in 0..5 {
        last = own.json(Method::POST, PROJECTS, &wish).await.status.as_u16();
    }
    assert_eq!(last, 409, "there is an end to it");
}
