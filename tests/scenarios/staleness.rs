//! Scenario 24: a right that ends is refused by every door as soon as the change feed says so, and at once by the issuer. The longest
//! time is printed; it is promised to be a second where the machine has nothing else to do.

use orgate_e2e::request;
use serde_json::{Value, json};

use crate::world::{World, claims};

const SAME: (&str, &str) = ("sec-fetch-site", "same-origin");
const MEMBERS: &str = "/projects/proj_p/orgs/org_acme/members";

#[orgate_testkit::both]
#[allow(clippy::print_stdout, reason = "how long it took is for whoever reads the log")]
async fn scenario_24_a_right_that_ends_is_refused_and_what_is_issued_after_it_passes() {
    let world = World::start();
    let doors = world.doors().await;
    let cookie = world.console("ops@example.com");
    let change = |method: &str, path: &str, body: &Value| {
        let done = world.platform(method, path, &[("cookie", &cookie), SAME], body);
        assert!(done.status < 300, "{path}: {}", done.body);
    };
    let access = |tokens: &Value| tokens["access_token"].as_str().unwrap().to_owned();
    let mut slowest = std::time::Duration::ZERO;

    // Removed.
    let member = world.tokens("member", "org_acme");
    assert_eq!(doors.ask("POST", "/docs", Some(&access(&member))).verdict(), "200");
    change("DELETE", &format!("{MEMBERS}/usr_member"), &json!({}));
    assert_eq!(world.refresh(&member, Some("org_acme")).1["error"], "invalid_target", "at once");
    slowest = slowest.max(doors.until_refused(&access(&member)));
    let (status, without) = world.refresh(&member, Some(""));
    assert_eq!((status, &without["org_id"]), (200, &Value::Null));
    assert_eq!(doors.ask("GET", "/me", Some(&access(&without))).verdict(), "200", "a person all the same");

    // Demoted: the old token is refused on every route, a new one is what the new role is.
    let admin = world.tokens("admin", "org_acme");
    assert_eq!(doors.ask("POST", "/members", Some(&access(&admin))).verdict(), "200");
    change("PATCH", &format!("{MEMBERS}/usr_admin"), &json!({ "role": "viewer" }));
    slowest = slowest.max(doors.until_refused(&access(&admin)));
    let (_, viewer) = world.refresh(&admin, None);
    assert_eq!(claims(&viewer)["org_role"], "viewer");
    assert_eq!(doors.ask("GET", "/docs", Some(&access(&viewer))).verdict(), "200");
    assert_eq!(doors.ask("POST", "/docs", Some(&access(&viewer))).verdict(), "403 missing_permission");

    // Revoked (RFC 7009), with everything that came of the sign-in; another sign-in of the same person goes on.
    let (one, other) = (world.tokens("viewer", "org_acme"), world.tokens("viewer", "org_acme"));
    assert_eq!(doors.ask("GET", "/docs", Some(&access(&one))).verdict(), "200");
    let token = one["refresh_token"].as_str().unwrap();
    assert_eq!(world.form("revoke", &[("token", token)]).status, 200);
    slowest = slowest.max(doors.until_refused(&access(&one)));
    assert_eq!(doors.ask("GET", "/docs", Some(&access(&other))).verdict(), "200");

    // Suspended, and back.
    let d = world.tokens("d", "org_acme");
    change("PATCH", "/projects/proj_p/users/usr_d", &json!({ "status": "suspended" }));
    slowest = slowest.max(doors.until_refused(&access(&d)));
    assert_eq!(world.refresh(&d, None).1["error"], "invalid_grant");

    // Gone, the whole organization; another one has nothing to do with it.
    let (owner, x) = (world.tokens("owner", "org_acme"), world.tokens("x", "org_globex"));
    assert_eq!(doors.ask("GET", "/docs", Some(&access(&owner))).verdict(), "200");
    change("DELETE", "/projects/proj_p/orgs/org_acme", &json!({}));
    slowest = slowest.max(doors.until_refused(&access(&owner)));
    assert_eq!(doors.ask("GET", "/docs", Some(&access(&x))).verdict(), "200");
    println!("refused everywhere within {} ms", slowest.as_millis());

    let metrics = request("GET", &format!("{}/metrics", doors.sidecar().url("admin")), &[], None).body;
    assert!(metrics.contains("orgate_feed_connected"), "{metrics}");
}
