//! `examples/python-app` as its page says: an application that knows nobody, behind the sidecar, in a real browser. Two tabs of one
//! session are about two organizations, and nothing is filed in the wrong one. `examples/browser-extension` shares its session.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod extension;
mod world;

use orgate_e2e::request;
use serde_json::json;

use crate::world::{APP, World};

#[test]
fn people_sign_in_at_the_hosted_pages_and_two_tabs_misfile_nothing() {
    let mut world = World::start();
    let login = world.open("/orgs/globex/notes?x=1");
    assert!(login.starts_with("/auth/p/proj_notes/login?request="), "{login}");
    world.browser.look_closely("notes-login");
    let picker = world.sign_in("ann");
    assert!(picker.starts_with("/auth/p/proj_notes/enter?request="), "{picker}");
    world.browser.look_closely("notes-picker");
    // Where one wanted to go is kept, and the address says which organization, whichever was chosen.
    assert_eq!(world.choose("Acme Corp"), "/orgs/globex/notes?x=1");
    assert_eq!(world.open("/"), "/orgs/acme/notes");
    world.browser.look_closely("notes-empty");

    assert_eq!(
        world.browser.fill(&[("text", "<b>Tea</b> at four")], "Add"),
        format!("{APP}/orgs/acme/notes")
    );
    assert_eq!(world.texts(), ["<b>Tea</b> at four"]);
    world.browser.fill(
        &[("text", "The printer on the second floor wants blue paper on Thursdays, nobody knows why")],
        "Add",
    );
    world.browser.look_closely("notes");

    world.let_scripts_ask(true);
    world.open("/orgs/acme/notes");
    let acme = world.browser.add_tab();
    world.let_scripts_ask(true);
    assert_eq!(world.open("/orgs/globex/notes"), "/orgs/globex/notes");
    // A hundred writes each, all under way at once, while the session itself is switched to and fro.
    let write = |slug: &str, number: &str| {
        format!(
            "fetch('/orgs/{slug}/notes', {{ method: 'POST', body: new URLSearchParams({{ text: '{slug} ' + {number} }}) }})"
        )
    };
    let many = |slug: &str| {
        format!(
            "window.done = Promise.all(Array.from({{ length: 100 }}, async (_, number) => {{ \
               await new Promise(go => setTimeout(go, number * 7 % 50)); const answer = await {}; return answer.url + ' ' + answer.status; \
             }})); 1",
            write(slug, "number")
        )
    };
    world.browser.evaluate(&many("globex"));
    let globex = world.browser.turn_to(&acme);
    world.browser.evaluate(&many("acme"));
    let switch = |slug: &str| {
        format!(
            "fetch('/auth/p/proj_notes/v1/auth/session/active-organization', {{ method: 'PUT', \
               headers: {{ 'content-type': 'application/json' }}, body: JSON.stringify({{ org_id: '{slug}' }}) }}).then(one => one.status)"
        )
    };
    for slug in ["globex", "acme", "globex"] {
        assert_eq!(world.browser.evaluate(&switch(slug)), 200);
    }
    for (tab, slug) in [(&acme, "acme"), (&globex, "globex")] {
        world.browser.turn_to(tab);
        let answers = world.browser.evaluate("done");
        let expected = format!("{APP}/orgs/{slug}/notes 200");
        assert!(answers.as_array().unwrap().iter().all(|one| *one == expected), "{slug}: {answers}");
    }
    for (tab, slug) in [(&acme, "acme"), (&globex, "globex")] {
        world.browser.turn_to(tab);
        world.open(&format!("/orgs/{slug}/notes"));
        let mut texts = world.texts();
        texts.sort();
        let mut expected: Vec<_> = (0..100).map(|number| format!("{slug} {number}")).collect();
        expected.sort();
        texts.retain(|text| !text.contains(&['<', ','][..]));
        assert_eq!(texts, expected);
    }

    // After the sign-out the very next request leads to the sign-in.
    world.open("/auth/p/proj_notes/logout");
    world.browser.fill(&[], "Sign out");
    assert!(world.open("/").starts_with("/auth/p/proj_notes/login?request="));
}

#[test]
fn whoever_is_in_the_wrong_organization_is_offered_another_one() {
    let mut world = World::start();
    world.open("/orgs/acme/notes");
    // There is nothing to choose with one organization.
    assert_eq!(world.sign_in("bob"), "/orgs/acme/notes");
    assert_eq!(
        world.browser.evaluate("document.querySelector('form') === null"),
        true,
        "a viewer does not write"
    );
    world.let_scripts_ask(true);
    world.open("/orgs/acme/notes");
    for (method, path, status) in [
        ("GET", "/orgs/acme/notes", 200),
        ("POST", "/orgs/acme/notes", 403),
        ("GET", "/orgs/globex/notes", 403),
        ("POST", "/orgs/globex/notes", 403),
    ] {
        assert_eq!(world.fetch(method, path), status, "{method} {path}");
    }
    world.let_scripts_ask(false);

    assert_eq!(world.open("/orgs/globex/notes"), "/orgs/globex/notes");
    assert_eq!(world.code(), "org_mismatch");
    world.browser.look_closely("notes-other-organization");
    let picker = world.browser.fill(&[], "Switch organization").replace(APP, "");
    assert!(picker.starts_with("/auth/p/proj_notes/enter?request="), "{picker}");
    assert_eq!(world.choose("Acme Corp"), "/orgs/acme/notes");
    // Without one there is nothing at the start, and a way to choose.
    world.open("/auth/p/proj_notes/enter?choose=1&return_to=%2F");
    assert_eq!(world.choose("without an organization"), "/");
    assert_eq!(world.code(), "no_active_org");
    world.browser.look_closely("notes-no-organization");
    world.browser.fill(&[], "Choose an organization");
    assert_eq!(world.choose("Acme Corp"), "/orgs/acme/notes");
    // A path without a rule, and a way back to nowhere else.
    world.open("/elsewhere");
    assert_eq!(world.code(), "no_rule");
    world.open("/auth/p/proj_notes/enter?return_to=https%3A%2F%2Fevil.example%2F");
    assert_eq!(world.code(), "invalid_redirect_uri");

    // Programs are told in their own words; a token of one organization opens no path of another.
    let cookie = world.browser.call("Network.getCookies", &json!({ "urls": [APP] }));
    let session =
        cookie["cookies"].as_array().unwrap().iter().find(|one| one["name"] == "orgate-proj_notes").unwrap();
    let cookie = format!("orgate-proj_notes={}", session["value"].as_str().unwrap());
    let token = format!("{}/auth/p/proj_notes/session/token", world.issuer.url("issuer"));
    let token =
        request("GET", &token, &[("cookie", &cookie)], None).json()["token"].as_str().unwrap().to_owned();
    let bearer = format!("Bearer {token}");
    let ask = |slug: &str, headers: &[(&str, &str)]| {
        request("GET", &format!("{}/orgs/{slug}/notes", world.proxy.url("proxy")), headers, None).verdict()
    };
    assert_eq!(ask("acme", &[("authorization", &bearer)]), "200");
    assert_eq!(ask("globex", &[("authorization", &bearer)]), "403 org_mismatch");
    assert_eq!(ask("acme", &[("cookie", &cookie)]), "200");
    assert_eq!(ask("globex", &[("cookie", &cookie)]), "403 org_mismatch");
    assert_eq!(ask("acme", &[]), "401 no_credential");
}
