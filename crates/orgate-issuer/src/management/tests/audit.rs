//! The audit log, as those read it who may.

use http::Method;
use serde_json::{Value, json};

use super::{ACME, bare, make_role, refused};
use crate::testing::{Site, site};

const PROJECT: &str = "/api/platform/projects/proj_p";

/// Keys are made in the background and are events too.
async fn settled() -> Site {
    let site = site().await;
    for project in ["proj_p", "proj_q"] {
        site.browser().get(&format!("/p/{project}/jwks.json")).await;
    }
    site
}

/// The rows of a list.
async fn rows(browser: &crate::testing::Browser, path: &str) -> Vec<Value> {
    let reply = browser.get(path).await;
    assert_eq!(reply.status, 200, "{path}: {}", reply.text());
    reply.json()["data"].as_array().unwrap().clone()
}

#[orgate_testkit::both]
async fn those_who_govern_read_what_happened_in_their_organization() {
    let site = site().await;
    let (owner, operator) = (site.signed_in("owner").await, site.browser());
    operator.operator("ops@example.com").await;
    let body = json!({ "role": "viewer" });
    assert_eq!(owner.json(Method::PATCH, &format!("{ACME}/members/usr_member"), &body).await.status, 200);
    let log = rows(&owner, &format!("{ACME}/audit")).await;
    assert_eq!((&log[0]["action"], &log[0]["result"]), (&json!("member.role_changed"), &json!("success")));
    assert_eq!(log[0]["actor"], json!({ "kind": "user", "id": "usr_owner" }));
    assert_eq!((&log[0]["before"]["role"], &log[0]["after"]["role"]), (&json!("member"), &json!("viewer")));
    assert!(log.iter().all(|row| row["organization_id"] == "org_acme"), "{log:?}");
    assert_eq!(log.last().unwrap()["action"], "organization.created");
    assert_eq!(rows(&operator, &format!("{PROJECT}/orgs/acme/audit")).await, log);
    assert_eq!(rows(&site.signed_in("admin").await, &format!("{ACME}/audit")).await, log);
    site.change("UPDATE project_operators SET role = 'viewer'").await;
    assert_eq!(rows(&operator, &format!("{PROJECT}/orgs/acme/audit")).await.len(), log.len());
    for name in ["member", "viewer"] {
        refused(&site.signed_in(name).await.get(&format!("{ACME}/audit")).await, 403, "forbidden");
    }
    refused(&site.signed_in("n").await.get(&format!("{ACME}/audit")).await, 404, "not_found");
    // What the organization was outlives it.
    site.change("UPDATE project_operators SET role = 'owner'").await;
    let gone = bare(&operator, Method::DELETE, &format!("{PROJECT}/orgs/acme")).await;
    assert_eq!(gone.status, 204, "{}", gone.text());
    assert_eq!(operator.get(&format!("{PROJECT}/orgs/acme/audit")).await.status, 404);
    let outlived = rows(&operator, &format!("{PROJECT}/audit?organization=org_acme&limit=100")).await;
    assert_eq!(outlived[0]["action"], "organization.deleted");
    assert!(outlived.len() > log.len());
}

#[orgate_testkit::both]
async fn the_log_is_narrowed_and_read_page_by_page() {
    let site = settled().await;
    let owner = site.signed_in("owner").await;
    make_role(&owner, "billing", &["read"]).await;
    site.clock.advance(1_000);
    make_role(&owner, "support", &["read"]).await;
    let operator = site.browser();
    operator.operator("ops@example.com").await;
    let all = rows(&operator, &format!("{PROJECT}/audit?limit=100")).await;
    let of = async |query: &str| {
        rows(&operator, &format!("{PROJECT}/audit?limit=100&{query}"))
            .await
            .iter()
            .map(|row| row["seq"].as_i64().unwrap())
            .collect::<Vec<_>>()
    };
    let expected = |keep: &dyn Fn(&Value) -> bool| -> Vec<i64> {
        all.iter().filter(|row| keep(row)).map(|row| row["seq"].as_i64().unwrap()).collect()
    };
    let in_family = |row: &Value| row["action"].as_str().unwrap().starts_with("role.");
    assert_eq!(of("type=role.created").await, expected(&|row| row["action"] == "role.created"));
    assert_eq!(of("type=role.*").await, expected(&in_family));
    assert_eq!(of("actor=usr_owner").await, expected(&|row| row["actor"]["id"] == "usr_owner"));
    assert_eq!(of("target=org_acme").await, expected(&|row| row["target_id"] == "org_acme"));
    assert_eq!(of("organization=org_globex").await, expected(&|row| row["organization_id"] == "org_globex"));
    assert_eq!(of("actor=usr_owner&type=member.*").await, Vec::<i64>::new());
    let since = all[0]["at"].as_str().unwrap();
    assert_eq!(of(&format!("since={since}")).await, expected(&|row| row["at"] == since));
    assert_eq!(of(&format!("until={since}")).await, expected(&|row| row["at"] != since));
    assert!(of("type=role.created").await.len() == 2 && all.len() > 8);

    let (mut paged, mut cursor) = (Vec::new(), String::new());
    loop {
        let reply = operator.get(&format!("{PROJECT}/audit?limit=4{cursor}")).await.json();
        paged.extend(reply["data"].as_array().unwrap().clone());
        let Some(next) = reply["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(paged, all);
    for (query, field) in [
        ("type=nothing", "type"),
        ("type=role*", "type"),
        ("since=yesterday", "since"),
        ("cursor=YWJj", "cursor"),
        ("limit=0", "limit"),
        ("type=a&type=b", "query"),
    ] {
        let reply = operator.get(&format!("{PROJECT}/audit?{query}")).await;
        refused(&reply, 422, "invalid_value");
        assert_eq!(reply.json()["field"], field);
    }
    let stranger = site.browser();
    stranger.operator("ops2@example.com").await;
    for path in ["audit", "audit/verify", "audit/head"] {
        assert_eq!(stranger.get(&format!("{PROJECT}/{path}")).await.status, 404);
        assert_eq!(site.browser().get(&format!("{PROJECT}/{path}")).await.status, 401);
    }
}

#[orgate_testkit::both]
async fn operators_see_whether_the_log_holds() {
    let site = settled().await;
    let operator = site.browser();
    operator.operator("ops@example.com").await;
    let verified = async |query: &str| operator.get(&format!("{PROJECT}/audit/verify{query}")).await.json();
    let whole = verified("").await;
    assert_eq!(
        (&whole["valid"], &whole["complete"], &whole["next"]),
        (&json!(true), &json!(true), &json!(null))
    );
    let head = operator.get(&format!("{PROJECT}/audit/head")).await.json();
    assert_eq!((&head["seq"], &head["chain"]), (&whole["to"], &whole["chain"]));
    let heads = head["signed"].as_str().unwrap().to_owned();
    let scope = crate::maintenance::AuditScope { heads, ..crate::maintenance::AuditScope::default() };
    let reports =
        crate::maintenance::verify_audit(&site.dir.database(), &scope, &mut |_, _| {}).await.unwrap();
    assert!(reports.iter().all(|report| report.broken.is_none()), "{reports:?}");
    for _ in 0..3 {
        many(&site, 400).await;
    }
    let part = verified("").await;
    assert_eq!((&part["to"], &part["complete"], &part["next"]), (&json!(1000), &json!(false), &json!(1001)));
    let rest = verified("?from=1001").await;
    assert_eq!((&rest["valid"], &rest["complete"]), (&json!(true), &json!(true)));
    refused(&operator.get(&format!("{PROJECT}/audit/verify?from=0")).await, 422, "invalid_value");
    site.change("UPDATE projects SET event_seq = event_seq + 1 WHERE id = 'proj_p'").await;
    let broken = verified("?from=1001").await;
    assert_eq!((&broken["valid"], &broken["broken"]["reason"]), (&json!(false), &json!("it is missing")));
}

async fn many(site: &Site, count: i64) {
    site.write(move |tx| {
        Box::pin(async move {
            for number in 0..count {
                tx.record(crate::events::Event {
                    project_id: "proj_p".to_owned(),
                    kind: crate::events::EventType::ProjectUpdated,
                    actor: crate::events::Actor::System,
                    org_id: None,
                    target_id: "proj_p".to_owned(),
                    data: json!({ "n": number }),
                    at: crate::testing::NOW,
                });
            }
            Ok(())
        })
    })
    .await;
}

#[orgate_testkit::both]
async fn what_was_not_allowed_is_noted_and_not_for_ever() {
    let site = site().await;
    let (member, operator) = (site.signed_in("member").await, site.browser());
    operator.operator("ops@example.com").await;
    refused(&bare(&member, Method::DELETE, ACME).await, 403, "forbidden");
    let change = json!({ "role": "owner" });
    let raise = member.json(Method::PATCH, &format!("{ACME}/members/usr_viewer"), &change).await;
    refused(&raise, 403, "forbidden");
    let denied = format!("{PROJECT}/audit?type=request.denied&limit=100");
    let log = rows(&operator, &denied).await;
    assert_eq!(log.len(), 2);
    assert_eq!((&log[1]["result"], &log[1]["organization_id"]), (&json!("denied"), &json!("org_acme")));
    assert_eq!(log[1]["actor"], json!({ "kind": "user", "id": "usr_member" }));
    assert_eq!(
        log[1]["data"],
        json!({ "method": "DELETE", "route": "/v1/auth/organizations/{org}", "code": "forbidden" })
    );
    assert_eq!(log[0]["target_id"], "usr_viewer");
    // Neither a stranger's 404 nor a foreign page is anybody's refusal.
    assert_eq!(bare(&site.signed_in("n").await, Method::DELETE, ACME).await.status, 404);
    let foreign = member.send(Method::DELETE, ACME, &[("origin", "https://evil.test")], String::new()).await;
    refused(&foreign, 403, "csrf");
    assert_eq!(rows(&operator, &denied).await.len(), 2);
    for _ in 0..40 {
        bare(&member, Method::DELETE, ACME).await;
    }
    assert_eq!(rows(&operator, &denied).await.len(), 30);
    // Another one is not shut out by that.
    refused(&bare(&site.signed_in("viewer").await, Method::DELETE, ACME).await, 403, "forbidden");
    assert_eq!(rows(&operator, &denied).await.len(), 31);
}
