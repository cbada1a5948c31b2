//! Where invitations end: how many, how long, and in which project.

use http::Method;
use serde_json::json;

use super::{
    bare,
    invitations::{INVITE, answer, invite, invited, mailed},
    refused,
};
use crate::testing::{Site, add_user, site};

#[orgate_testkit::both]
async fn there_is_an_end_to_letters_and_to_open_invitations() {
    let site = site().await;
    let owner = site.signed_in("owner").await;
    let (id, _) = invited(&site, "n@example.com", "viewer").await;
    let path = format!("{INVITE}/{id}/resend");
    for _ in 0..9 {
        site.clock.advance(1);
        assert_eq!(bare(&owner, Method::POST, &path).await.status, 200);
    }
    let more = bare(&owner, Method::POST, &path).await;
    refused(&more, 429, "rate_limited");
    let wait: i64 = more.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((17_000..=18_001).contains(&wait), "{wait}");
    // What was not sent changed nothing, and other addresses are not in it.
    let token = mailed(&site, "n@example.com").await;
    assert_eq!(site.browser().get(&format!("/v1/auth/invitations/{token}")).await.status, 200);
    assert_eq!(invite(&owner, "k@example.com", "viewer").await.status, 201);
    site.clock.advance(wait * 1000);
    assert_eq!(bare(&owner, Method::POST, &path).await.status, 200);
    site.write(|tx| {
        Box::pin(async move {
            for number in 0..998 {
                let statement = crate::db::sql(
                    "INSERT INTO invitations (id, project_id, org_id, email, email_norm, role_key, token_hash,
                                              inviter_member_id, life, sent_at, created_at, updated_at, expires_at)
                     SELECT $1, 'proj_p', 'org_acme', $1, $1, 'viewer', $1, owner_member_id, 1, 1, 1, 1, $2
                     FROM organizations WHERE id = 'org_acme'",
                );
                tx.run(statement.bind(&format!("inv_{number}")).bind(crate::testing::NOW * 2)).await?;
            }
            Ok(())
        })
    })
    .await;
    refused(&invite(&owner, "l@example.com", "viewer").await, 403, "invitation_limit");
    assert_eq!(bare(&owner, Method::DELETE, &format!("{INVITE}/inv_7")).await.status, 204);
    assert_eq!(invite(&owner, "l@example.com", "viewer").await.status, 201);
}

#[orgate_testkit::both]
async fn a_project_says_how_long_its_invitations_wait() {
    let site = site().await;
    let operator = site.browser();
    operator.operator("ops@example.com").await;
    let project = "/api/platform/projects/proj_p";
    assert_eq!(operator.get(project).await.json()["invitation_ttl"], 604_800);
    for bad in [json!(299), json!(2_592_001), json!("600"), json!(600.5), json!(-1), json!(i64::MAX)] {
        let reply = operator.json(Method::PATCH, project, &json!({ "invitation_ttl": bad })).await;
        refused(&reply, 422, "invalid_value");
    }
    let set = operator.json(Method::PATCH, project, &json!({ "invitation_ttl": 600 })).await;
    assert_eq!(set.json()["invitation_ttl"], 600);
    let owner = site.signed_in("owner").await;
    assert_eq!(
        invite(&owner, "n@example.com", "viewer").await.json()["expires_at"],
        "2027-01-15T08:10:00.000Z"
    );
    // Where things are tried out, an invitation may be over at once.
    let dir = crate::testing::TempDir::new();
    let mut settings = crate::testing::settings(&dir);
    settings.dev_outbox = true;
    let site = Site::with(settings, dir, crate::ManualClock::at(crate::testing::NOW)).await;
    site.populate().await;
    let body = json!({ "email": "n@example.com", "expires_in": 1 });
    assert_eq!(site.signed_in("owner").await.json(Method::POST, INVITE, &body).await.status, 201);
    site.clock.advance(1000);
    let token = mailed(&site, "n@example.com").await;
    refused(&answer(&site.signed_in("n").await, &token, "accept").await, 410, "invitation_expired");
}

#[orgate_testkit::both]
async fn an_invitation_of_another_project_is_none() {
    let site = site().await;
    site.change("UPDATE projects SET org_enabled = 1").await;
    let (id, token) = invited(&site, "q@example.com", "member").await;
    // The same address is a user of the other project.
    let q = site.signed_in_at("proj_q", "q").await;
    for path in ["/v1/auth", "/p/proj_q/v1/auth"] {
        let reply = bare(&q, Method::POST, &format!("{path}/invitations/{token}/accept")).await;
        refused(&reply, 404, "invitation_invalid");
        refused(
            &bare(&q, Method::POST, &format!("{path}/invitations/{token}/decline")).await,
            404,
            "invitation_invalid",
        );
    }
    refused(&q.get(&format!("/p/proj_q/v1/auth/invitations/{token}")).await, 404, "invitation_invalid");
    let page = q.get(&format!("/p/proj_q/invitations/{token}")).await;
    assert_eq!((page.status.as_u16(), page.page_code().as_deref()), (404, Some("invitation_invalid")));
    assert_eq!(q.get("/v1/auth/me/invitations").await.json()["data"], json!([]));
    refused(&q.get(&format!("{INVITE}/{id}")).await, 404, "not_found");
    site.write(|tx| Box::pin(async move { add_user(tx, "proj_p", "k").await })).await;
    let k = site.signed_in("k").await;
    refused(&answer(&k, &token, "accept").await, 403, "invitation_email_mismatch");
}
