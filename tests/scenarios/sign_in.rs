//! Scenarios 1 to 6: the toggle, the picker, the four claims, the switch, and what stays as it was without an organization.

use orgate_e2e::{Response, request, sign_in::Browser};
use serde_json::{Value, json};

use crate::world::{CALLBACK, World, claims};

const SAME: (&str, &str) = ("sec-fetch-site", "same-origin");

#[orgate_testkit::both]
async fn scenario_1_the_toggle_brings_the_picker() {
    let world = World::start();
    let cookie = world.console("ops@example.com");
    let toggle = |headers: &[(&str, &str)], on: bool| -> Response {
        world.platform("PATCH", "/projects/proj_p", headers, &json!({ "org_enabled": on }))
    };
    assert_eq!(toggle(&[("cookie", &cookie), SAME], false).json()["org_enabled"], false);
    assert_eq!(world.code(&mut Browser::default(), "d", "").1, 1, "a sign-in and nothing to pick");

    assert_eq!(toggle(&[SAME], true).status, 401, "without a session");
    let other = world.console("other@example.com");
    assert_eq!(toggle(&[("cookie", &other), SAME], true).status, 404, "by an operator of another project");
    let from = ("origin", "https://attacker.example");
    assert_eq!(toggle(&[("cookie", &cookie), from], true).status, 403, "from another site");
    assert_eq!(world.code(&mut Browser::default(), "d", "").1, 1, "none of them changed anything");

    let on = toggle(&[("cookie", &cookie), SAME], true);
    assert_eq!((on.status, &on.json()["org_enabled"]), (200, &json!(true)), "{}", on.body);
    assert_eq!(world.code(&mut Browser::default(), "d", "org_acme").1, 2, "a sign-in and the picker");
}

#[orgate_testkit::both]
async fn scenario_2_what_was_picked_is_in_the_code() {
    let world = World::start();
    let (code, pages) = world.code(&mut Browser::default(), "d", "org_acme");
    assert_eq!(pages, 2, "sign-in and picker");
    let (status, tokens) = world.exchange(&code);
    assert_eq!((status, tokens["org_id"].as_str()), (200, Some("org_acme")), "without `org_id`");
    let (status, again) = world.exchange(&code);
    assert_eq!((status, again["error"].as_str()), (400, Some("invalid_grant")), "a code is used once");
    let (status, dead) = world.refresh(&tokens, None);
    assert_eq!((status, dead["error"].as_str()), (400, Some("invalid_grant")), "and its tokens end");

    let (code, _) = world.code(&mut Browser::default(), "d", "org_acme");
    let other = json!({ "grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "org_id": "org_globex" });
    let (status, refused) = world.token(other);
    assert_eq!((status, refused["error"].as_str()), (400, Some("invalid_grant")), "not what was picked");

    for (name, organization) in [("x", json!("org_globex")), ("n", Value::Null)] {
        let (code, pages) = world.code(&mut Browser::default(), name, "");
        assert_eq!(pages, 1, "{name} has nothing to pick");
        assert_eq!(world.exchange(&code).1["org_id"], organization, "{name}");
    }
    let (code, pages) = world.code(&mut Browser::default(), "d", "");
    assert_eq!(pages, 2);
    let skipped = claims(&world.exchange(&code).1);
    assert!(skipped.as_object().unwrap().keys().all(|name| !name.starts_with("org_")), "{skipped}");
}

#[orgate_testkit::both]
async fn scenario_3_the_token_has_the_four_claims() {
    let world = World::start();
    let code = || world.code(&mut Browser::default(), "admin", "").0;
    let (json_code, form_code) = (code(), code());
    let by_json = world.token(json!({
        "grant_type": "authorization_code", "code": json_code, "redirect_uri": CALLBACK, "org_id": "org_acme"
    }));
    let by_form = world.token_by_form(&[
        ("grant_type", "authorization_code"),
        ("code", &form_code),
        ("redirect_uri", CALLBACK),
        ("org_id", "org_acme"),
    ]);
    for (status, tokens) in [by_json, by_form] {
        assert_eq!((status, tokens["token_type"].as_str()), (200, Some("Bearer")), "{tokens}");
        assert!(tokens["refresh_token"].is_string() && tokens["expires_in"].is_u64(), "{tokens}");
        let claims = claims(&tokens);
        assert_eq!(claims["org_id"], "org_acme");
        assert_eq!(claims["org_slug"], "acme");
        assert_eq!(claims["org_role"], "admin");
        let mut permissions: Vec<_> = claims["org_permissions"].as_array().unwrap().iter().collect();
        permissions.sort_by_key(|permission| permission.as_str());
        assert_eq!(json!(permissions), json!(["change_roles", "invite", "read", "remove_members", "write"]));
    }
}

#[orgate_testkit::both]
async fn scenario_4_a_refresh_switches_the_organization() {
    let world = World::start();
    let doors = world.doors().await;
    let first = world.tokens("d", "org_acme");
    let (status, second) = world.refresh(&first, Some("org_globex"));
    assert_eq!((status, claims(&second)["org_role"].as_str()), (200, Some("admin")), "{second}");
    assert_eq!(claims(&first)["org_role"], "viewer");
    let [acme, globex] = [&first, &second].map(|tokens| tokens["access_token"].as_str().unwrap());
    for (path, token, verdict) in [
        ("/orgs/org_globex/notes", globex, "200"),
        ("/orgs/org_acme/notes", globex, "403 org_mismatch"),
        ("/orgs/org_globex/notes", acme, "403 org_mismatch"),
        // The first token is what it was: a viewer's.
        ("/orgs/org_acme/notes", acme, "403 missing_permission"),
    ] {
        assert_eq!(doors.ask("POST", path, Some(token)).verdict(), verdict, "{path}");
    }
    assert_eq!(doors.ask("GET", "/docs", Some(acme)).verdict(), "200");
    let (status, third) = world.refresh(&second, None);
    assert_eq!((status, third["org_id"].as_str()), (200, Some("org_globex")), "as before");

    // One that was replaced by one that was used since is stolen goods, whatever the grace period is.
    for _ in 0..2 {
        let (status, dead) = world.refresh(&first, None);
        assert_eq!((status, dead["error"].as_str()), (400, Some("invalid_grant")));
    }
    assert_eq!(world.refresh(&third, None).0, 400, "the whole family is dead");
}

#[orgate_testkit::both]
async fn scenario_5_without_an_organization_everything_is_as_before() {
    let world = World::start();
    let doors = world.doors().await;
    let tokens = world.tokens("d", "");
    let claims = claims(&tokens);
    assert!(claims.as_object().unwrap().keys().all(|name| !name.starts_with("org_")), "{claims}");
    let token = tokens["access_token"].as_str();
    assert_eq!(doors.ask("GET", "/me", token).verdict(), "200");
    let refused = doors.ask("GET", "/docs", token);
    assert_eq!(refused.verdict(), "403 no_active_org");
    assert!(refused.body.contains("No active organization"), "{}", refused.body);
    assert_eq!(doors.ask("GET", "/me", None).verdict(), "401 no_credential");
}

#[orgate_testkit::both]
async fn scenario_6_a_foreign_organization_is_like_one_that_is_not_there() {
    let world = World::start();
    let tokens = world.tokens("x", "");
    let (foreign, missing) =
        (world.refresh(&tokens, Some("org_acme")), world.refresh(&tokens, Some("org_none")));
    assert_eq!(foreign.0, 400);
    assert_eq!(foreign.1["error"], "invalid_target");
    assert_eq!(foreign, missing, "nothing tells them apart");
    assert!(foreign.1.get("access_token").is_none());
    let (status, same) = world.refresh(&tokens, None);
    assert_eq!((status, same["org_id"].as_str()), (200, Some("org_globex")), "nothing was used up");
    // The pages of a foreign organization's sign-in say no more.
    let url = |organization: &str| {
        let url = format!(
            "{}/authorize?response_type=code&client_id=proj_p&redirect_uri={CALLBACK}&org_id={organization}",
            world.issuer
        );
        request("GET", &url, &[], None)
    };
    assert_eq!(url("org_acme").status, url("org_none").status);
}
