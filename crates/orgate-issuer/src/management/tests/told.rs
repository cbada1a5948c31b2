//! Whoever has to know of a change knows of it, once.

use http::Method;
use serde_json::{Value, json};

use super::{ACME, USERS, last_event};
use crate::{
    hooks::tests::site,
    webhooks::tests::{Receiver, make, round},
};

/// Everything that is to be told of an organization and its members, by the names of Authsome's hooks.
const CHANGES: [(&str, &str); 6] = [
    ("after_org_create", "organization.created"),
    ("after_org_update", "organization.updated"),
    ("after_org_delete", "organization.deleted"),
    ("after_member_add", "member.added"),
    ("after_member_remove", "member.removed"),
    ("after_member_role_change", "member.role_changed"),
];

#[orgate_testkit::both]
async fn scenario_15_each_change_has_its_hook_its_row_and_its_delivery() {
    let (site, recorder) = site().await;
    let (operator, receiver) = (site.browser(), Receiver::answering(500));
    operator.operator("ops@example.com").await;
    let secret = make(&operator, &CHANGES.map(|(_, event)| event)).await["secret"].clone();
    let owner = site.signed_in("owner").await;
    let viewer = format!("{ACME}/members/usr_viewer");
    let none = json!({});
    for (at, (method, path, body)) in [
        (Method::POST, USERS.to_owned(), json!({ "name": "Initech", "slug": "initech" })),
        (Method::PATCH, ACME.to_owned(), json!({ "name": "New" })),
        (Method::DELETE, format!("{USERS}/initech"), none.clone()),
        (Method::POST, format!("{ACME}/members"), json!({ "user_id": "usr_n", "role": "viewer" })),
        (Method::DELETE, format!("{ACME}/members/usr_n"), none),
        (Method::PATCH, viewer.clone(), json!({ "role": "member" })),
    ]
    .into_iter()
    .enumerate()
    {
        let (hook, event) = CHANGES[at];
        site.issuer.told().await;
        recorder.take();
        let row: &'static str = format!("SELECT COUNT(*) AS n FROM events WHERE type = '{event}'").leak();
        let before = site.count(row).await;
        let done = owner.json(method, &path, &body).await;
        assert!(done.status.is_success(), "{path}: {}", done.text());
        site.issuer.told().await;
        let calls = recorder.take();
        let own: Vec<_> = calls.iter().filter(|(name, _)| *name == hook).collect();
        assert_eq!(own.len(), 1, "{hook}: {calls:?}");
        assert!(own[0].1.contains("usr_owner"), "who did it: {own:?}");
        assert_eq!(site.count(row).await, before + 1, "{event}: one row");
        assert_eq!(last_event(&site, event).await.0, "usr_owner", "{event}");
        if hook == "after_member_role_change" {
            assert!(own[0].1.contains("viewer") && own[0].1.contains("member"), "before and after: {own:?}");
        }
        round(&site, &receiver).await;
        let failed = receiver.taken();
        // What went wrong is sent again, and is the same.
        receiver.answer(204);
        site.clock.advance(6_000);
        round(&site, &receiver).await;
        receiver.answer(500);
        let again = receiver.taken();
        let wanted = |sent: &[crate::webhooks::tests::Sent]| -> Vec<(String, String)> {
            sent.iter()
                .filter(|one| one.body["type"] == event)
                .map(|one| (one.header("webhook-id").to_owned(), one.text.clone()))
                .collect()
        };
        assert_eq!(wanted(&failed).len(), 1, "{event}");
        assert_eq!(wanted(&failed), wanted(&again), "{event}");
        assert!(again.iter().all(|one| one.is_signed_by(secret.as_str().unwrap())));
    }
}

#[orgate_testkit::both]
async fn scenario_15_what_did_not_happen_is_not_told_and_what_was_denied_is_written_down() {
    let (site, recorder) = site().await;
    let (operator, receiver) = (site.browser(), Receiver::answering(204));
    operator.operator("ops@example.com").await;
    make(&operator, &CHANGES.map(|(_, event)| event)).await;
    round(&site, &receiver).await;
    receiver.taken();
    site.issuer.told().await;
    recorder.take();
    // Refused in the transaction: the slug is taken.
    let owner = site.signed_in("owner").await;
    let taken = owner.json(Method::POST, USERS, &json!({ "name": "x", "slug": "globex" })).await;
    assert_eq!(taken.code(), "slug_taken");
    // Refused before it: no right.
    let member = site.signed_in("member").await;
    let raise = json!({ "role": "admin" });
    let denied = member.json(Method::PATCH, &format!("{ACME}/members/usr_viewer"), &raise).await;
    assert_eq!(denied.code(), "forbidden");
    site.issuer.told().await;
    assert!(recorder.take().iter().all(|(name, _)| !name.starts_with("after_")));
    round(&site, &receiver).await;
    assert!(receiver.taken().is_empty());
    let log = operator.get("/api/platform/projects/proj_p/audit?limit=1").await.json();
    let row: &Value = &log["data"][0];
    assert_eq!((&row["result"], &row["action"]), (&json!("denied"), &json!("request.denied")), "{row}");
    assert_eq!(row["actor"], json!({ "kind": "user", "id": "usr_member" }));
}
