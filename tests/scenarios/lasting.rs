//! What outlasts a process.

use orgate_e2e::{Running, request};
use serde_json::Value;

use crate::world::World;

#[orgate_testkit::both]
async fn the_issuer_keeps_everything_over_a_restart() {
    let world = World::start();
    let keys =
        |world: &World| -> Value { request("GET", &format!("{}/jwks.json", world.issuer), &[], None).json() };
    let (before, tokens) = (keys(&world), world.tokens("d", "org_acme"));
    let world = world.restart(|running| assert_eq!(running.terminate().code, Some(0)));
    assert_eq!(keys(&world), before, "the same keys, readable by the same secret");
    let (status, refreshed) = world.refresh(&tokens, None);
    assert_eq!((status, refreshed["org_id"].as_str()), (200, Some("org_acme")));
    let world = world.restart(Running::kill);
    assert_eq!(keys(&world), before);
    assert_eq!(world.refresh(&refreshed, None).0, 200);
}

#[orgate_testkit::both]
async fn a_drain_ends_well_and_the_door_has_counted() {
    let world = World::start();
    let doors = world.doors().await;
    assert_eq!(doors.ask("GET", "/healthz", None).verdict(), "200");
    let metrics = request("GET", &format!("{}/metrics", doors.sidecar().url("admin")), &[], None);
    assert!(metrics.body.contains("rule=\"GET /healthz\""), "{}", metrics.body);
    let ended = doors.drain();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}
