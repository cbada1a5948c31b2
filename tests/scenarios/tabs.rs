//! Scenarios 21 and 23: the organization is that of the request, in whatever form the path comes.

use orgate_e2e::sign_in::Browser;
use serde_json::json;

use crate::world::{CALLBACK, World};

#[orgate_testkit::both]
async fn scenario_21_a_token_of_one_organization_never_reaches_another() {
    let world = World::start();
    let doors = world.doors().await;
    let acme = world.access_token("owner", "org_acme");
    assert_eq!(doors.ask("POST", "/orgs/org_acme/notes", Some(&acme)).verdict(), "200");
    assert_eq!(doors.upstream.take_requests().len(), 1);
    for path in [
        "/orgs/org_globex/notes",
        "/orgs/org_%67lobex/notes",
        "/orgs/ORG_GLOBEX/notes",
        "/orgs//org_globex/notes",
        "//orgs/org_globex/notes",
        "/orgs/org_acme/..;/org_globex/notes",
        "/orgs/org_acme/../org_globex/notes",
        "/orgs/org_acme/%2e%2e/org_globex/notes",
        "/orgs/org_globex%2fnotes",
        "/orgs/org_globex;org_acme/notes",
        "/orgs/org_globex/notes?org_id=org_acme",
        "/orgs/globex/notes",
        "/orgs/org_globex%00/notes",
    ] {
        let verdict = doors.ask("POST", path, Some(&acme)).verdict();
        assert!(
            verdict.starts_with("403 ") || verdict.starts_with("404 ") || verdict.starts_with("400 "),
            "{path}: {verdict}"
        );
    }
    for header in ["x-org-id", "x-orgate-org-id", "x_org_id", "x-orgate-org_id"] {
        let bearer = format!("Bearer {acme}");
        let headers = [("authorization", bearer.as_str()), (header, "org_globex")];
        let verdict = doors.ask_with("POST", "/orgs/org_globex/notes", &headers).verdict();
        assert_eq!(verdict, "403 org_mismatch", "{header}");
    }
    assert!(doors.upstream.take_requests().is_empty(), "the application saw none of them");
}

#[orgate_testkit::both]
async fn scenario_23_two_tabs_of_one_session_do_not_bleed() {
    let world = World::start();
    let doors = world.doors().await;
    // One session; each tab asks for tokens of its own. The second time nobody signs in again.
    let mut browser = Browser::default();
    let tabs = ["org_acme", "org_globex"].map(|organization| {
        let (code, _) = world.code(&mut browser, "d", organization);
        let (status, tokens) = world
            .token(json!({ "grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK }));
        assert_eq!(status, 200, "{tokens}");
        (organization, tokens)
    });
    // In acme `d` may not write; what is counted there is who was refused.
    let mut written = 0;
    for turn in 0..200 {
        let (organization, tokens) = &tabs[turn % 2];
        let (_, elsewhere) = &tabs[(turn + 1) % 2];
        let path = format!("/orgs/{organization}/notes");
        let own = doors.ask("POST", &path, tokens["access_token"].as_str()).verdict();
        let foreign = doors.ask("POST", &path, elsewhere["access_token"].as_str()).verdict();
        assert_eq!(foreign, "403 org_mismatch", "{path} with the token of the other tab");
        assert_eq!(
            own,
            if *organization == "org_globex" { "200" } else { "403 missing_permission" },
            "{path}"
        );
        written += usize::from(own == "200");
    }
    let seen = doors.upstream.take_requests();
    assert_eq!((seen.len(), written), (100, 100));
    for request in seen {
        assert_eq!(request.header("x-orgate-org-id"), Some("org_globex"), "none is misfiled");
    }
}
