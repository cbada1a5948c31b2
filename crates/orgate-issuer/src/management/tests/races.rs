//! Many at once: what must hold holds at every moment.

use std::sync::Arc;

use http::Method;
use serde_json::{Value, json};

use super::{ACME, OPERATORS, USERS};
use crate::testing::{Browser, Site, site};

/// Sends the same kind of request from everybody at once; gives the statuses in order.
pub(super) async fn at_once(requests: Vec<(Arc<Browser>, Method, String, Value)>) -> Vec<u16> {
    let mut tasks = tokio::task::JoinSet::new();
    for (browser, method, path, body) in requests {
        tasks.spawn(async move { browser.json(method, &path, &body).await.status.as_u16() });
    }
    let mut statuses = tasks.join_all().await;
    statuses.sort_unstable();
    statuses
}

async fn owners(site: &Site) -> i64 {
    site.count("SELECT COUNT(*) AS n FROM memberships WHERE org_id = 'org_acme' AND role_key = 'owner'").await
}

#[orgate_testkit::both]
async fn scenario_10_of_fifty_transfers_there_is_one_owner_at_every_moment() {
    let site = Arc::new(site().await);
    let mut people = Vec::new();
    for name in ["owner", "admin", "member", "viewer", "d"] {
        people.push((name, Arc::new(site.signed_in(name).await)));
    }
    let operator = Arc::new(site.browser());
    operator.operator("ops@example.com").await;
    let mut requests = Vec::new();
    for number in 0..50 {
        let (to, _) = people[number % people.len()];
        let (from, browser) = &people[(number / 2) % people.len()];
        let body = json!({ "member_id": format!("usr_{to}") });
        let by_operator = number % 5 == 0 || *from == to;
        let (browser, base) = if by_operator { (&operator, OPERATORS) } else { (browser, USERS) };
        requests.push((
            Arc::clone(browser),
            Method::POST,
            format!("{base}/org_acme/transfer-ownership"),
            body,
        ));
    }
    let watched = {
        let site = Arc::clone(&site);
        tokio::spawn(async move {
            for _ in 0..100 {
                assert_eq!(owners(&site).await, 1);
                tokio::task::yield_now().await;
            }
        })
    };
    let statuses = at_once(requests).await;
    watched.await.unwrap();
    assert!(statuses.contains(&200), "{statuses:?}");
    assert!(statuses.iter().all(|status| matches!(status, 200 | 403 | 409)), "{statuses:?}");
    assert_eq!(owners(&site).await, 1);
    let pointed = "SELECT COUNT(*) AS n FROM organizations o JOIN memberships m ON m.id = o.owner_member_id
                   WHERE o.id = 'org_acme' AND m.role_key = 'owner'";
    assert_eq!(site.count(pointed).await, 1);
}

#[orgate_testkit::both]
async fn scenario_25_a_limit_of_members_is_never_passed() {
    let site = site().await;
    let operator = Arc::new(site.browser());
    operator.operator("ops@example.com").await;
    let path = format!("{OPERATORS}/acme");
    let set = operator.json(Method::PATCH, &path, &json!({ "max_members": 8 })).await;
    assert_eq!(set.status, 200, "{}", set.text());
    site.write(|tx| {
        Box::pin(async move {
            for number in 0..20 {
                crate::testing::add_user(tx, "proj_p", &format!("new{number}")).await?;
            }
            Ok(())
        })
    })
    .await;
    let requests = (0..20).map(|number| {
        let body = json!({ "user_id": format!("usr_new{number}"), "role": "member" });
        (Arc::clone(&operator), Method::POST, format!("{path}/members"), body)
    });
    let statuses = at_once(requests.collect()).await;
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 3, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 403).count(), 17, "{statuses:?}");
    assert_eq!(site.count("SELECT COUNT(*) AS n FROM memberships WHERE org_id = 'org_acme'").await, 8);
    let full = operator
        .json(Method::POST, &format!("{path}/members"), &json!({ "user_id": "usr_n", "role": "member" }))
        .await;
    super::refused(&full, 403, "member_limit");
    // Below what is there the limit cannot go.
    super::refused(
        &operator.json(Method::PATCH, &path, &json!({ "max_members": 7 })).await,
        422,
        "invalid_value",
    );
    let off = operator.json(Method::PATCH, &path, &json!({ "max_members": null })).await.json();
    assert_eq!(off["max_members"], Value::Null);
}

#[orgate_testkit::both]
async fn a_limit_of_organizations_is_never_passed() {
    let site = site().await;
    let operator = site.browser();
    operator.operator("ops@example.com").await;
    let body = json!({ "max_orgs_per_user": 3 });
    assert_eq!(operator.json(Method::PATCH, "/api/platform/projects/proj_p", &body).await.status, 200);
    let user = Arc::new(site.signed_in("n").await);
    let requests = (0..20).map(|number| {
        (Arc::clone(&user), Method::POST, USERS.to_owned(), json!({ "name": format!("Number {number}") }))
    });
    let statuses = at_once(requests.collect()).await;
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 3, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 403).count(), 17, "{statuses:?}");
    let more = user.json(Method::POST, USERS, &json!({ "name": "One more" })).await;
    super::refused(&more, 403, "org_limit");
}

#[orgate_testkit::both]
async fn scenario_25_of_twenty_renamings_to_one_slug_one_succeeds() {
    let site = site().await;
    let user = Arc::new(site.signed_in("n").await);
    let mut requests = Vec::new();
    for number in 0..20 {
        let made = user.json(Method::POST, USERS, &json!({ "name": format!("Number {number}") })).await;
        let id = made.json()["id"].as_str().unwrap().to_owned();
        let body = json!({ "slug": "racing" });
        requests.push((Arc::clone(&user), Method::PATCH, format!("{USERS}/{id}"), body));
    }
    let statuses = at_once(requests).await;
    assert_eq!(statuses[0], 200);
    assert!(statuses[1..].iter().all(|status| *status == 409), "{statuses:?}");
}

#[orgate_testkit::both]
async fn a_user_becomes_a_member_once() {
    let site = site().await;
    let owner = Arc::new(site.signed_in("owner").await);
    let body = json!({ "user_id": "usr_n", "role": "viewer" });
    let requests =
        (0..20).map(|_| (Arc::clone(&owner), Method::POST, format!("{ACME}/members"), body.clone()));
    let statuses = at_once(requests.collect()).await;
    assert_eq!(statuses[0], 201);
    assert!(statuses[1..].iter().all(|status| *status == 409), "{statuses:?}");
    let rows = "SELECT COUNT(*) AS n FROM memberships WHERE user_id = 'usr_n'";
    assert_eq!(site.count(rows).await, 1);
    assert_eq!(site.count("SELECT member_count AS n FROM organizations WHERE id = 'org_acme'").await, 6);
}

#[orgate_testkit::both]
async fn a_role_is_not_deleted_while_somebody_gets_it() {
    let site = site().await;
    let owner = Arc::new(site.signed_in("owner").await);
    for turn in 0..10 {
        super::make_role(&owner, "billing", &["read"]).await;
        let (give, drop) = tokio::join!(
            async {
                let body = json!({ "role": "billing" });
                let path = format!("{ACME}/members/usr_member");
                owner.json(Method::PUT, &path, &body).await.status.as_u16()
            },
            async {
                super::bare(&owner, Method::DELETE, &format!("{ACME}/roles/billing")).await.status.as_u16()
            },
        );
        let has = super::role_of(&site, "org_acme", "usr_member").await.unwrap();
        match (give, drop) {
            (200, 409) => assert_eq!(has, "billing", "{turn}"),
            (422, 200) => assert_eq!(has, "member", "{turn}"),
            other => panic!("{turn}: {other:?}"),
        }
        owner.json(Method::PUT, &format!("{ACME}/members/usr_member"), &json!({ "role": "member" })).await;
        super::bare(&owner, Method::DELETE, &format!("{ACME}/roles/billing")).await;
    }
}

#[orgate_testkit::both]
async fn scenario_13_of_fifty_who_accept_one_invitation_there_is_one_member() {
    let site = site().await;
    let owner = site.signed_in("owner").await;
    let body = json!({ "email": "n@example.com", "role": "viewer" });
    assert_eq!(owner.json(Method::POST, &format!("{ACME}/invitations"), &body).await.status, 201);
    let token = super::invitations::mailed(&site, "n@example.com").await;
    let user = Arc::new(site.signed_in("n").await);
    let path = format!("/v1/auth/invitations/{token}/accept");
    let requests = (0..50).map(|_| (Arc::clone(&user), Method::POST, path.clone(), Value::Null));
    let statuses = at_once(requests.collect()).await;
    assert_eq!(statuses[49], 201, "{statuses:?}");
    assert!(statuses[..49].iter().all(|status| *status == 200), "{statuses:?}");
    assert_eq!(site.count("SELECT COUNT(*) AS n FROM memberships WHERE user_id = 'usr_n'").await, 1);
    for (kind, count) in [("member.added", 6), ("invitation.accepted", 1)] {
        let events = site.events().await;
        assert_eq!(events.iter().filter(|(_, name)| name == kind).count(), count, "{kind}");
    }
}

#[orgate_testkit::both]
async fn of_fifty_who_accept_at_once_as_many_come_in_as_there_is_room_for() {
    let site = site().await;
    let owner = site.signed_in("owner").await;
    let mut requests = Vec::new();
    for number in 0..50 {
        let name: &'static str = format!("u{number}").leak();
        site.write(move |tx| Box::pin(async move { crate::testing::add_user(tx, "proj_p", name).await }))
            .await;
        let email = format!("{name}@example.com");
        let body = json!({ "email": email, "role": "member" });
        assert_eq!(owner.json(Method::POST, &format!("{ACME}/invitations"), &body).await.status, 201);
        let token = super::invitations::mailed(&site, &email).await;
        let path = format!("/v1/auth/invitations/{token}/accept");
        requests.push((Arc::new(site.signed_in(name).await), Method::POST, path, Value::Null));
    }
    site.change("UPDATE organizations SET max_members = 15 WHERE id = 'org_acme'").await;
    let statuses = at_once(requests.clone()).await;
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 10, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 403).count(), 40, "{statuses:?}");
    assert_eq!(site.count("SELECT member_count AS n FROM organizations WHERE id = 'org_acme'").await, 15);
    // Whoever found no room may still come when there is some.
    site.change("UPDATE organizations SET max_members = NULL WHERE id = 'org_acme'").await;
    let statuses = at_once(requests).await;
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 40, "{statuses:?}");
}

#[orgate_testkit::both]
async fn an_address_is_invited_once_and_of_several_answers_one_counts() {
    let site = site().await;
    let owner = Arc::new(site.signed_in("owner").await);
    let body = json!({ "email": "n@example.com", "role": "viewer" });
    let requests =
        (0..20).map(|_| (Arc::clone(&owner), Method::POST, format!("{ACME}/invitations"), body.clone()));
    let statuses = at_once(requests.collect()).await;
    assert_eq!(statuses[0], 201);
    assert!(statuses[1..].iter().all(|status| *status == 409), "{statuses:?}");
    let token = super::invitations::mailed(&site, "n@example.com").await;
    let list = owner.get(&format!("{ACME}/invitations")).await.json();
    let revoke = format!("{ACME}/invitations/{}", list["data"][0]["id"].as_str().unwrap());
    let user = Arc::new(site.signed_in("n").await);
    let mut requests = vec![(owner, Method::DELETE, revoke, Value::Null)];
    for how in ["accept", "decline"] {
        let path = format!("/v1/auth/invitations/{token}/{how}");
        requests.extend((0..5).map(|_| (Arc::clone(&user), Method::POST, path.clone(), Value::Null)));
    }
    let statuses = at_once(requests).await;
    let ends = ["accepted", "declined", "revoked"];
    let events = site.events().await;
    let ended = events.iter().filter(|(_, kind)| ends.iter().any(|end| *kind == format!("invitation.{end}")));
    assert_eq!(ended.count(), 1, "{statuses:?} {events:?}");
    assert!(statuses.iter().all(|status| [200, 201, 204, 410].contains(status)), "{statuses:?}");
}
