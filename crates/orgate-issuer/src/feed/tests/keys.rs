//! Keys of a project.

use http::Method;
use serde_json::json;

use super::{Feed, ask, make_key, operator, with_key};
use crate::testing::site;

const KEYS: &str = "/api/platform/projects/proj_p/keys";

#[orgate_testkit::both]
async fn a_key_is_shown_once_and_ends_when_it_is_deleted() {
    let site = site().await;
    let operator = operator(&site).await;
    let made = operator.json(Method::POST, KEYS, &json!({ "name": "gate", "scopes": ["feed"] })).await.json();
    let secret = made["secret"].as_str().unwrap();
    assert!(secret.starts_with("sk_"));
    let listed = operator.get(KEYS).await;
    assert!(!listed.text().contains(secret));
    assert_eq!(listed.json()["data"][0]["id"], made["id"]);
    assert!(!site.disk().windows(secret.len()).any(|part| part == secret.as_bytes()));
    assert_eq!(ask(&site, secret, "").await.status, 200);
    let path = format!("{KEYS}/{}", made["id"].as_str().unwrap());
    assert_eq!(operator.json(Method::DELETE, &path, &json!({})).await.status, 204);
    assert_eq!(ask(&site, secret, "").await.status, 401);
    assert_eq!(operator.json(Method::DELETE, &path, &json!({})).await.status, 404);
}

#[orgate_testkit::both]
async fn a_key_with_scopes_is_good_for_nothing_else() {
    let site = site().await;
    let feed = make_key(&site, &["feed"]).await;
    let project = "/api/platform/projects/proj_p";
    for (method, path) in [
        (Method::GET, project.to_owned()),
        (Method::GET, format!("{project}/orgs")),
        (Method::POST, format!("{project}/keys")),
        (Method::GET, format!("{project}/audit")),
    ] {
        let reply = with_key(&site, &feed, method, &path, "{\"name\":\"x\"}".to_owned()).await;
        assert_eq!((reply.status.as_u16(), reply.code()), (403, json!("forbidden")), "{path}");
    }
    let wish = json!({ "name": "x", "scopes": ["all"] });
    let reply = operator(&site).await.json(Method::POST, KEYS, &wish).await;
    assert_eq!((reply.status.as_u16(), reply.code()), (422, json!("invalid_value")));
}

#[orgate_testkit::both]
async fn a_key_without_scopes_opens_the_plane_of_its_project_as_far_as_its_maker_may() {
    let site = site().await;
    let key = make_key(&site, &[]).await;
    let made = r#"{"name":"New","creator_end_user_id":"usr_n"}"#.to_owned();
    let project = "/api/platform/projects/proj_p";
    let reply = with_key(&site, &key, Method::POST, &format!("{project}/orgs"), made).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    assert_eq!(ask(&site, &key, "").await.status, 200);
    let foreign = "/api/platform/projects/proj_q";
    assert_eq!(with_key(&site, &key, Method::GET, foreign, String::new()).await.status, 404);
    site.change("UPDATE project_operators SET role = 'viewer' WHERE project_id = 'proj_p'").await;
    assert_eq!(with_key(&site, &key, Method::GET, project, String::new()).await.status, 200);
    assert_eq!(with_key(&site, &key, Method::GET, KEYS, String::new()).await.status, 200);
    let another = r#"{"name":"another"}"#.to_owned();
    assert_eq!(with_key(&site, &key, Method::POST, KEYS, another).await.status, 403);
    site.change("DELETE FROM project_operators").await;
    assert_eq!(with_key(&site, &key, Method::GET, project, String::new()).await.status, 404);
}

#[orgate_testkit::both]
async fn the_feed_is_for_keys_of_its_project() {
    let site = site().await;
    let feed = Feed::open(&site).await;
    for bad in ["", "sk_x", "oak_x"] {
        let reply = ask(&site, bad, "").await;
        assert_eq!((reply.status.as_u16(), reply.code()), (401, json!("unauthenticated")), "{bad}");
    }
    let foreign = with_key(&site, &feed.key, Method::GET, "/p/proj_q/revocations", String::new()).await;
    assert_eq!(foreign.status, 401);
    let signed_in = site.signed_in("admin").await;
    assert_eq!(signed_in.get("/p/proj_p/revocations").await.status, 401);
    // A key that is there does not hide behind a session that is good.
    let cookie = operator(&site).await;
    let headers = [("authorization", "Bearer sk_wrong")];
    let reply = cookie.send(Method::GET, "/api/platform/projects/proj_p", &headers, String::new()).await;
    assert_eq!(reply.status, 401);
}
