//! The operators' API about clients.

use http::Method;
use serde_json::{Value, json};

use crate::{
    management::tests::{bare, last_event, refused},
    testing::{Browser, CALLBACK, Reply, Site, claims, exchange, refresh, site},
};

const CLIENTS: &str = "/api/platform/projects/proj_p/clients";

async fn operator(site: &Site) -> Browser {
    let browser = site.browser();
    assert_eq!(browser.operator("ops@example.com").await.status, 204);
    browser
}

async fn post(operator: &Browser, body: Value) -> Reply {
    operator.json(Method::POST, CLIENTS, &body).await
}

async fn made(operator: &Browser, body: Value) -> Value {
    let reply = post(operator, body).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    reply.json()
}

async fn patch(operator: &Browser, id: &str, body: Value) -> Reply {
    operator.json(Method::PATCH, &format!("{CLIENTS}/{id}"), &body).await
}

fn id(client: &Value) -> &str {
    client["id"].as_str().unwrap()
}

/// A machine of `acme`, and what it got a token with.
async fn machine(operator: &Browser) -> Value {
    let wish = json!({ "name": "Reports", "kind": "machine", "org": "acme", "role": "viewer",
                       "scopes": ["reports"], "audiences": ["reports-api", "other-api"] });
    made(operator, wish).await
}

async fn token_of(site: &Site, client: &Value, secret: &Value) -> Reply {
    let body =
        json!({ "grant_type": "client_credentials", "client_id": client["id"], "client_secret": secret });
    site.browser().token(&body).await
}

/// Whether the default client hears that the token stands.
async fn stands(site: &Site, token: &Value) -> bool {
    let fields = [
        ("client_id", "proj_p"),
        ("client_secret", crate::testing::SECRET),
        ("token", token.as_str().unwrap()),
    ];
    let reply = site.browser().form("/p/proj_p/introspect", &fields).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()["active"] == true
}

#[orgate_testkit::both]
async fn a_client_is_made_with_what_is_usual_for_its_kind() {
    let site = site().await;
    let operator = operator(&site).await;
    let web = made(
        &operator,
        json!({ "name": " Web ", "kind": "confidential", "redirect_uris": ["https://app.example.com/cb"] }),
    )
    .await;
    assert!(id(&web).starts_with("app_") && web["secret"].as_str().unwrap().len() >= 43, "{web}");
    assert_eq!((&web["name"], &web["require_pkce"]), (&json!("Web"), &json!(true)));
    assert_eq!(web["grants"], json!(["authorization_code", "refresh_token"]));
    let spa = made(&operator, json!({ "name": "Page", "kind": "public", "grants": ["device_code"] })).await;
    assert!(spa.get("secret").is_none(), "{spa}");
    assert_eq!(spa["grants"], json!(["urn:ietf:params:oauth:grant-type:device_code"]));
    let robot = machine(&operator).await;
    assert_eq!(
        (&robot["grants"], &robot["org"], &robot["role"]),
        (&json!(["client_credentials"]), &json!("org_acme"), &json!("viewer"))
    );
    let token = token_of(&site, &robot, &robot["secret"]).await;
    let said = claims(&token.json()["access_token"]);
    assert_eq!((&said["org_id"], &said["org_role"]), (&json!("org_acme"), &json!("viewer")));

    // The secret was shown once; what is stored is not it.
    let shown = operator.get(&format!("{CLIENTS}/{}", id(&web))).await;
    assert_eq!((shown.status.as_u16(), shown.json().get("secret")), (200, None));
    let listed = operator.get(&format!("{CLIENTS}?limit=2")).await.json();
    assert_eq!((listed["data"].as_array().unwrap().len(), listed["next_cursor"].is_string()), (2, true));
    let cursor = listed["next_cursor"].as_str().unwrap();
    let rest = operator.get(&format!("{CLIENTS}?cursor={cursor}")).await.json();
    let defaults = |list: &Value| {
        let all = list["data"].as_array().unwrap().clone();
        all.into_iter()
            .filter(|one| one["is_default"] == true)
            .map(|one| one["id"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(rest["data"].as_array().unwrap().len(), 4, "{rest}");
    assert_eq!([defaults(&listed), defaults(&rest)].concat(), [json!("proj_p")]);
    let (actor, data) = last_event(&site, "client.created").await;
    assert!(actor.starts_with("opr_"));
    assert_eq!(data, json!({ "kind": "machine", "name": "Reports" }));
    let disk = site.disk();
    let secret = web["secret"].as_str().unwrap().as_bytes();
    assert!(!disk.windows(secret.len()).any(|part| part == secret), "the secret is nowhere");
}

#[orgate_testkit::both]
async fn what_cannot_be_is_said_as_the_bootstrap_file_says_it() {
    let site = site().await;
    let operator = operator(&site).await;
    for (wish, field, part) in [
        (json!({ "kind": "public" }), "name", "is missing"),
        (json!({ "kind": "public", "name": " " }), "name", "characters"),
        (json!({ "kind": "m2m", "name": "x" }), "kind", "confidential, public, machine"),
        (json!({ "kind": "public", "name": "x", "require_pkce": false }), "require_pkce", "proof key"),
        (json!({ "kind": "public", "name": "x", "grants": ["refresh_tokn"] }), "grants", "`refresh_token`?"),
        (json!({ "kind": "public", "name": "x", "grants": ["client_credentials"] }), "grants", "this kind"),
        (
            json!({ "kind": "public", "name": "x", "redirect_uris": ["http://app.example.com/"] }),
            "redirect_uris",
            "is http, and that is for this machine only",
        ),
        (
            json!({ "kind": "public", "name": "x", "post_logout_redirect_uris": ["javascript:alert(1)"] }),
            "post_logout_redirect_uris",
            "has a scheme",
        ),
        (
            json!({ "kind": "machine", "name": "x", "redirect_uris": ["https://app.example.com/cb"] }),
            "redirect_uris",
            "nobody signs in to a machine",
        ),
        (json!({ "kind": "machine", "name": "x", "org": "acme" }), "org", "belong together"),
        (json!({ "kind": "machine", "name": "x", "org": "acme", "role": "owner" }), "role", "owner"),
        (json!({ "kind": "machine", "name": "x", "org": "acme", "role": "viewr" }), "role", "`viewer`?"),
        (json!({ "kind": "machine", "name": "x", "org": "nope", "role": "viewer" }), "org", "no such"),
        (json!({ "kind": "public", "name": "x", "org": "acme", "role": "viewer" }), "org", "keep a secret"),
        (json!({ "kind": "public", "name": "x", "scopes": ["a b"] }), "scopes", "cannot be a scope"),
        (json!({ "kind": "public", "name": "x", "audiences": [""] }), "audiences", "cannot be an audience"),
        (
            json!({ "kind": "public", "name": "x", "backchannel_logout_uri": "com.example:/x" }),
            "backchannel_logout_uri",
            "nothing can be sent",
        ),
    ] {
        let reply = post(&operator, wish.clone()).await;
        refused(&reply, 422, "invalid_value");
        let body = reply.json();
        assert_eq!(body["field"], json!(field), "{wish}: {body}");
        assert!(body["detail"].as_str().unwrap().contains(part), "{wish}: {body}");
    }
    refused(
        &post(&operator, json!({ "kind": "public", "name": "x", "secret": "y" })).await,
        422,
        "unknown_field",
    );
    assert_eq!(site.count("SELECT COUNT(*) AS n FROM clients").await, 3, "nothing was made");
}

#[orgate_testkit::both]
async fn a_change_touches_only_what_it_names() {
    let site = site().await;
    let operator = operator(&site).await;
    let robot = machine(&operator).await;
    let path = id(&robot);
    site.clock.advance(1_000);
    let changed = patch(&operator, path, json!({ "name": "Nightly", "role": "member" })).await;
    assert_eq!(changed.status, 200, "{}", changed.text());
    let changed = changed.json();
    for same in ["kind", "grants", "scopes", "audiences", "org", "created_at", "require_pkce"] {
        assert_eq!(changed[same], robot[same], "{same}");
    }
    assert_eq!((&changed["name"], &changed["role"]), (&json!("Nightly"), &json!("member")));
    assert_eq!(token_of(&site, &robot, &robot["secret"]).await.status, 200, "its secret too");
    let (_, data) = last_event(&site, "client.updated").await;
    assert_eq!(data, json!({ "changed": ["name", "organization"], "lost": ["organization"] }));

    // Nothing new is no change, and no event.
    let before = site.events().await.len();
    assert_eq!(patch(&operator, path, json!({ "name": "Nightly", "scopes": null })).await.status, 200);
    assert_eq!(site.events().await.len(), before);
    let alone = patch(&operator, path, json!({ "org": null })).await.json();
    assert_eq!((&alone["org"], &alone["role"]), (&Value::Null, &Value::Null));
    refused(&patch(&operator, path, json!({ "kind": "public" })).await, 422, "unknown_field");
    refused(&patch(&operator, path, json!({ "redirect_uris": [CALLBACK] })).await, 422, "invalid_value");
}

#[orgate_testkit::both]
async fn what_a_client_loses_ends_its_tokens() {
    let site = site().await;
    let operator = operator(&site).await;
    let robot = machine(&operator).await;
    for (wish, lost) in [
        (json!({ "name": "Other" }), json!([])),
        (json!({ "scopes": ["reports", "more"] }), json!([])),
        (json!({ "scopes": ["more"] }), json!(["scopes"])),
        (json!({ "audiences": ["reports-api"] }), json!(["audiences"])),
        (json!({ "org": null }), json!(["organization"])),
    ] {
        let reply = patch(&operator, id(&robot), wish.clone()).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert_eq!(last_event(&site, "client.updated").await.1["lost"], lost, "{wish}");
    }
}

#[orgate_testkit::both]
async fn a_rotated_secret_is_the_only_one_at_once() {
    let site = site().await;
    let operator = operator(&site).await;
    let robot = machine(&operator).await;
    let rotated = bare(&operator, Method::POST, &format!("{CLIENTS}/{}/rotate-secret", id(&robot))).await;
    assert_eq!(rotated.status, 200, "{}", rotated.text());
    assert_eq!(rotated.headers["cache-control"], "no-store");
    let rotated = rotated.json();
    assert_ne!(rotated["secret"], robot["secret"]);
    assert_eq!(token_of(&site, &robot, &robot["secret"]).await.status, 401);
    assert_eq!(token_of(&site, &robot, &rotated["secret"]).await.status, 200);
    assert_eq!(last_event(&site, "client.secret_rotated").await.1["lost"], json!(["secret"]));
    let public = bare(&operator, Method::POST, &format!("{CLIENTS}/app_spa/rotate-secret")).await;
    refused(&public, 409, "conflict");
}

#[orgate_testkit::both]
async fn a_client_goes_with_everything_that_was_granted_to_it() {
    let site = site().await;
    let operator = operator(&site).await;
    let wish = json!({ "name": "Web", "kind": "confidential", "redirect_uris": [CALLBACK] });
    let web = made(&operator, wish).await;
    assert_eq!(patch(&operator, id(&web), json!({ "require_pkce": false })).await.status, 200);
    let browser = site.browser();
    let reply =
        browser.login("owner@example.com", crate::testing::PASSWORD, &[("client_id", id(&web))]).await;
    let reply = if reply.location().contains("/organizations/choose") {
        browser.pick(&reply, "org_acme").await
    } else {
        reply
    };
    let of_web = |mut body: Value| {
        body["client_id"] = web["id"].clone();
        body["client_secret"] = web["secret"].clone();
        body
    };
    let tokens = browser.token(&of_web(exchange(&reply.parameter("code").unwrap()))).await;
    assert_eq!(tokens.status, 200, "{}", tokens.text());
    let tokens = tokens.json();
    assert!(stands(&site, &tokens["access_token"]).await);

    let gone = bare(&operator, Method::DELETE, &format!("{CLIENTS}/{}", id(&web))).await;
    assert_eq!(gone.status, 204, "{}", gone.text());
    assert!(!stands(&site, &tokens["access_token"]).await);
    assert_eq!(browser.token(&of_web(refresh(&tokens))).await.status, 401);
    assert_eq!(site.count("SELECT COUNT(*) AS n FROM token_families").await, 0);
    assert_eq!(operator.get(&format!("{CLIENTS}/{}", id(&web))).await.status, 404);
    assert_eq!(last_event(&site, "client.deleted").await.1["name"], "Web");
    refused(&bare(&operator, Method::DELETE, &format!("{CLIENTS}/proj_p")).await, 409, "conflict");
}

#[orgate_testkit::both]
async fn viewers_look_and_outsiders_do_not_even_know() {
    let site = site().await;
    site.change("UPDATE project_operators SET role = 'viewer' WHERE project_id = 'proj_p'").await;
    let viewer = operator(&site).await;
    assert_eq!(viewer.get(CLIENTS).await.status, 200);
    assert_eq!(viewer.get(&format!("{CLIENTS}/app_spa")).await.status, 200);
    let outsider = site.browser();
    outsider.operator("ops2@example.com").await;
    let wish = json!({ "name": "x", "kind": "public" });
    for (browser, status, code) in [(&viewer, 403, "forbidden"), (&outsider, 404, "not_found")] {
        refused(&post(browser, wish.clone()).await, status, code);
        refused(&patch(browser, "app_spa", json!({ "name": "y" })).await, status, code);
        let one = format!("{CLIENTS}/app_strict");
        refused(&bare(browser, Method::DELETE, &one).await, status, code);
        refused(&bare(browser, Method::POST, &format!("{one}/rotate-secret")).await, status, code);
    }
    refused(&outsider.get(CLIENTS).await, 404, "not_found");
    // A client of another project is not there either.
    let other = "/api/platform/projects/proj_q/clients/app_spa";
    refused(&outsider.get(other).await, 404, "not_found");
    refused(&outsider.json(Method::PATCH, other, &json!({ "name": "y" })).await, 404, "not_found");
}

#[orgate_testkit::both]
async fn a_client_of_others_is_made_so_and_the_default_one_never_is() {
    let site = site().await;
    let operator = operator(&site).await;
    let body = json!({ "name": "Other", "kind": "public", "redirect_uris": ["https://a.example.com/cb"], "first_party": false });
    let one = made(&operator, body).await;
    assert_eq!(one["first_party"], false);
    let id = one["id"].as_str().unwrap();
    assert_eq!(patch(&operator, id, json!({ "first_party": true })).await.json()["first_party"], true);
    let refused = patch(&operator, "proj_p", json!({ "first_party": false })).await;
    assert_eq!((refused.status.as_u16(), &refused.json()["field"]), (422, &json!("first_party")));
    assert_eq!(patch(&operator, "proj_p", json!({ "first_party": true })).await.status, 200);
}
