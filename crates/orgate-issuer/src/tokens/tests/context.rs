//! Which organization a token is for, and in whose words it says so.

use super::*;

#[orgate_testkit::both]
async fn an_organization_is_named_in_every_usual_way() {
    let site = site().await;
    for fields in [
        [("org_id", "org_globex"), ("state", "1")],
        [("org_id", "globex"), ("state", "1")],
        [("organization_id", "org_globex"), ("state", "1")],
        [("organization", "globex"), ("state", "1")],
        [("scope", "openid org:globex"), ("state", "1")],
        [("org_id", "globex"), ("organization", "globex")],
    ] {
        let reply = site.browser().login("d@example.com", crate::testing::PASSWORD, &fields).await;
        let code = reply.parameter("code").unwrap_or_else(|| panic!("no picker: {fields:?} {reply:?}"));
        let tokens = site.browser().token(&exchange(&code)).await.json();
        assert_eq!(tokens["org_id"], "org_globex", "{fields:?}");
        assert!(!tokens["scope"].as_str().unwrap_or_default().contains("org:"));
    }
    let tokens = site.tokens("d", Some("org_acme")).await;
    let mut last = tokens.clone();
    for (name, value) in [
        ("organization_id", "org_globex"),
        ("organization", "acme"),
        ("scope", "org:org_globex"),
        ("scope", "openid org:acme"),
    ] {
        let reply = site.browser().token(&and(refresh(&last), name, value)).await.json();
        let expected = if value.contains("globex") { "org_globex" } else { "org_acme" };
        assert_eq!(
            (&reply["org_id"], &reply["scope"]),
            (&json!(expected), &json!("openid")),
            "{name}={value}"
        );
        last = reply;
    }
    for (fields, expected) in [
        (vec![("org_id", "acme"), ("organization", "globex")], "invalid_request"),
        (vec![("org_id", "acme"), ("scope", "org:globex")], "invalid_request"),
    ] {
        let reply = code_with(&site, "proj_p", &fields).await;
        assert_eq!(reply.parameter("error").as_deref(), Some(expected), "{fields:?}");
        let mut body = refresh(&last);
        for (name, value) in fields {
            body[name] = value.into();
        }
        assert_eq!(error(&site.browser().token(&body).await), expected);
    }
    assert_eq!(site.browser().token(&refresh(&last)).await.status, 200, "nothing was rotated");
}

#[orgate_testkit::both]
async fn a_foreign_organization_at_authorize_looks_like_none() {
    let site = site().await;
    let mut answers = Vec::new();
    for org in ["org_acme", "acme", "org_nothing", "nothing", "org_q"] {
        let fields = [("org_id", org)];
        let reply = site.browser().login("x@example.com", crate::testing::PASSWORD, &fields).await;
        answers.push(reply.location());
        assert_eq!(reply.parameter("error").as_deref(), Some("invalid_target"), "{org}");
        assert_eq!(reply.parameter("iss").as_deref(), Some(&*format!("{ORIGIN}/p/proj_p")));
    }
    answers.dedup();
    assert_eq!(answers.len(), 1);
    site.change("UPDATE projects SET org_enabled = 0 WHERE id = 'proj_p'").await;
    let reply = code_with(&site, "proj_p", &[("org_id", "acme")]).await;
    assert_eq!(reply.parameter("error").as_deref(), Some("organizations_disabled"));
}

#[orgate_testkit::both]
async fn a_project_speaks_in_the_words_of_its_applications() {
    let site = site().await;
    let role = async || claims(&site.tokens("admin", None).await["access_token"]);
    let plain = role().await;
    assert!(plain.get("role").is_none() && plain.get("permissions").is_none());
    site.change("UPDATE projects SET claims_profile = 'hellojohn' WHERE id = 'proj_p'").await;
    let john = role().await;
    assert_eq!((&john["role"], &john["org_role"]), (&json!("admin"), &json!("admin")));
    assert_eq!(john["permissions"], john["org_permissions"]);
    let none = claims(&site.tokens("n", None).await["access_token"]);
    assert!(none.get("role").is_none() && none.get("org_id").is_none());
    site.change("UPDATE projects SET claims_profile = 'aero2' WHERE id = 'proj_p'").await;
    let aero = role().await;
    assert_eq!(aero["token_use"], "access");
    assert_eq!(aero["org_permissions"], json!(["org:read", "org:write", "org:members:write", "org:manage"]));
    let member = claims(&site.tokens("member", None).await["access_token"]);
    assert_eq!(member["org_permissions"], json!(["org:read", "org:write"]));
    // An introspection compares in the same words.
    let token = site.tokens("admin", None).await["access_token"].as_str().unwrap().to_owned();
    let seen = super::clients::form(&site, "introspect", Some("proj_p"), &[("token", &token)]).await;
    assert_eq!(seen.json()["active"], true);
}

#[orgate_testkit::both]
async fn algorithms_are_chosen_for_each_project() {
    let site = site().await;
    let algorithms = async || {
        let tokens = site.tokens("admin", None).await;
        let names = ["access_token", "id_token"];
        names.map(|name| decode_header(tokens[name].as_str().unwrap()).unwrap().alg)
    };
    use jsonwebtoken::Algorithm::{ES256, EdDSA, RS256};
    assert_eq!(algorithms().await, [ES256, RS256]);
    site.change("UPDATE projects SET access_alg = 'RS256', id_alg = 'EdDSA' WHERE id = 'proj_p'").await;
    assert_eq!(algorithms().await, [RS256, EdDSA]);
    let document = site.browser().get("/p/proj_p/.well-known/openid-configuration").await.json();
    assert_eq!(document["id_token_signing_alg_values_supported"], json!(["EdDSA", "RS256"]));
    let tokens = site.tokens("admin", None).await;
    verified(&site, &tokens["access_token"], "demo-api").await;
    verified(&site, &tokens["id_token"], "proj_p").await;
}
