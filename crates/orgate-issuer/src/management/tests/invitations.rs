//! Invitations, as those meet them who invite and those who are invited.

use http::Method;
use serde_json::{Value, json};

use super::{ACME, OPERATORS, USERS, bare, last_event, make_role, refused, role_of};
use crate::testing::{Browser, ORIGIN, PASSWORD, Reply, Site, and, claims, refresh, site};

pub(super) const INVITE: &str = "/v1/auth/organizations/acme/invitations";
const DAY: i64 = 24 * 3_600_000;

pub(super) async fn invite(browser: &Browser, email: &str, role: &str) -> Reply {
    browser.json(Method::POST, INVITE, &json!({ "email": email, "role": role })).await
}

/// The token of the newest letter to an address.
pub(super) async fn mailed(site: &Site, email: &str) -> String {
    let letter = site.letter(email).await.unwrap_or_else(|| panic!("no letter"));
    let link = letter["links"][0].as_str().unwrap();
    assert!(letter["text"].as_str().unwrap().contains(link));
    link.strip_prefix(&format!("{ORIGIN}/p/proj_p/invitations/")).unwrap().to_owned()
}

/// An invitation by the owner: its id and its token.
pub(super) async fn invited(site: &Site, email: &str, role: &str) -> (String, String) {
    site.clock.advance(1);
    let reply = invite(&site.signed_in("owner").await, email, role).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    (reply.json()["id"].as_str().unwrap().to_owned(), mailed(site, email).await)
}

pub(super) async fn answer(browser: &Browser, token: &str, how: &str) -> Reply {
    bare(browser, Method::POST, &format!("/v1/auth/invitations/{token}/{how}")).await
}

async fn letters(site: &Site, email: &str) -> usize {
    let all = crate::mail::waiting(site.issuer.app()).await.unwrap();
    all.iter().filter(|letter| letter["to"] == email).count()
}

#[orgate_testkit::both]
async fn scenario_11_somebody_is_invited_signs_up_and_is_a_member() {
    let site = site().await;
    let operator = site.browser();
    operator.operator("ops@example.com").await;
    // Word for word as the documentation has it, and by an administrator.
    let body = json!({ "email": "teammate@example.com", "role": "member", "invited_by": "usr_admin" });
    let made = operator.json(Method::POST, &format!("{OPERATORS}/org_acme/invitations"), &body).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let shown = made.json();
    assert_eq!((&shown["status"], &shown["invited_by"]), (&json!("pending"), &json!("usr_admin")));
    assert_eq!(shown["expires_at"], "2027-01-22T08:00:00.000Z");
    let (actor, data) = last_event(&site, "invitation.created").await;
    assert!(actor.starts_with("opr_") && !data.to_string().contains("teammate"), "{data}");
    assert_eq!(letters(&site, "teammate@example.com").await, 1);
    let letter = site.letter("teammate@example.com").await.unwrap();
    for word in ["The acme", "admin invites you", "the role member", "7 days"] {
        assert!(letter["text"].as_str().unwrap().contains(word), "{word}: {letter}");
    }
    let token = mailed(&site, "teammate@example.com").await;
    assert_eq!(token.len(), 43);
    assert!(!made.text().contains(&token) && made.json().get("token").is_none());

    let browser = site.browser();
    site.clock.advance(1);
    let body = json!({ "email": "teammate@example.com", "password": PASSWORD, "project": "proj_p" });
    assert_eq!(browser.json(Method::POST, "/v1/auth/signup", &body).await.status, 202);
    let text = site.letter("teammate@example.com").await.unwrap()["text"].as_str().unwrap().to_owned();
    let code = text.lines().find(|line| line.starts_with("    ")).unwrap().trim().to_owned();
    let body = json!({ "email": "teammate@example.com", "code": code, "project": "proj_p" });
    assert_eq!(browser.json(Method::POST, "/v1/auth/email/verify", &body).await.status, 200);
    let accepted = answer(&browser, &token, "accept").await;
    assert_eq!(accepted.status, 201, "{}", accepted.text());
    let member = accepted.json();
    assert_eq!((&member["role"], &member["organization_id"]), (&json!("member"), &json!("org_acme")));
    let (actor, data) = last_event(&site, "invitation.accepted").await;
    assert_eq!((json!(actor), &data["role"]), (member["user_id"].clone(), &json!("member")));
    let tokens = site.tokens("teammate", None).await;
    let again = and(refresh(&tokens), "org_id", "org_acme");
    let access = claims(&site.browser().token(&again).await.json()["access_token"]);
    assert_eq!((&access["org_id"], &access["org_role"]), (&json!("org_acme"), &json!("member")));

    // Who may not.
    for name in ["member", "viewer"] {
        refused(&invite(&site.signed_in(name).await, "new@example.com", "viewer").await, 403, "forbidden");
    }
    let admin = site.signed_in("admin").await;
    let body = json!({ "email": "new@example.com", "role": "viewer", "invited_by": "usr_owner" });
    refused(&admin.json(Method::POST, INVITE, &body).await, 403, "forbidden");
    let body = and(body, "invited_by", "usr_admin");
    assert_eq!(admin.json(Method::POST, INVITE, &body).await.status, 201);
    for (by, status, code) in [
        ("usr_member", 403, "forbidden"),
        ("usr_x", 422, "invalid_value"),
        ("usr_none", 422, "invalid_value"),
        ("usr_admin", 403, "role_not_grantable"),
    ] {
        let body = json!({ "email": "other@example.com", "role": "admin", "invited_by": by });
        refused(
            &operator.json(Method::POST, &format!("{OPERATORS}/acme/invitations"), &body).await,
            status,
            code,
        );
    }
}

#[orgate_testkit::both]
async fn scenario_12_every_state_of_an_invitation() {
    let site = site().await;
    let (owner, n) = (site.signed_in("owner").await, site.signed_in("n").await);
    let list = async |query: &str| {
        let list = owner.get(&format!("{INVITE}{query}")).await.json();
        list["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["status"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    // Expired, by its own time.
    let body = json!({ "email": "n@example.com", "role": "member", "expires_in": 300 });
    assert_eq!(owner.json(Method::POST, INVITE, &body).await.status, 201);
    let token = mailed(&site, "n@example.com").await;
    refused(&owner.json(Method::POST, INVITE, &body).await, 409, "already_invited");
    refused(&invite(&owner, "N@EXAMPLE.com", "viewer").await, 409, "already_invited");
    assert_eq!(list("").await, ["pending"]);
    site.clock.advance(299_999);
    assert_eq!(site.browser().get(&format!("/v1/auth/invitations/{token}")).await.status, 200);
    site.clock.advance(1);
    refused(&answer(&n, &token, "accept").await, 410, "invitation_expired");
    refused(
        &site.browser().get(&format!("/p/proj_p/v1/auth/invitations/{token}")).await,
        410,
        "invitation_expired",
    );
    assert_eq!((list("").await.len(), list("?status=expired").await), (0, vec!["expired".to_owned()]));
    // It is in nobody's way, and is written down by whoever comes next.
    let (id, token) = invited(&site, "n@example.com", "member").await;
    assert_eq!(site.count("SELECT COUNT(*) AS n FROM invitations WHERE status = 'expired'").await, 1);
    assert_eq!(last_event(&site, "invitation.expired").await.0, "");
    // Revoked.
    let path = format!("{INVITE}/{id}");
    assert_eq!(bare(&owner, Method::DELETE, &path).await.status, 204);
    refused(&answer(&n, &token, "accept").await, 410, "invitation_revoked");
    refused(&bare(&owner, Method::DELETE, &path).await, 410, "invitation_revoked");
    refused(&bare(&owner, Method::POST, &format!("{path}/resend")).await, 410, "invitation_revoked");
    assert_eq!(owner.get(&path).await.json()["status"], "revoked");
    // Sent again: another token, another life.
    let (id, old) = invited(&site, "n@example.com", "member").await;
    site.clock.advance(6 * DAY);
    let owner = site.signed_in("owner").await;
    let sent = bare(&owner, Method::POST, &format!("{INVITE}/{id}/resend")).await;
    assert_eq!((sent.status.as_u16(), &sent.json()["status"]), (200, &json!("pending")), "{}", sent.text());
    assert_eq!(sent.json()["expires_at"], "2027-01-28T08:05:00.002Z");
    last_event(&site, "invitation.sent").await;
    let token = mailed(&site, "n@example.com").await;
    assert_ne!(token, old);
    let n = site.signed_in("n").await;
    refused(&answer(&n, &old, "accept").await, 404, "invitation_invalid");
    // Declined.
    let declined = answer(&n, &token, "decline").await;
    assert_eq!((declined.status.as_u16(), declined.json()), (200, json!({ "status": "declined" })));
    assert_eq!(last_event(&site, "invitation.declined").await.0, "usr_n");
    refused(&answer(&n, &token, "accept").await, 410, "invitation_declined");
    refused(&answer(&n, &token, "decline").await, 410, "invitation_declined");
    // Accepted, and used: the member has gone since.
    let (id, token) = invited(&site, "n@example.com", "viewer").await;
    assert_eq!(answer(&n, &token, "accept").await.status, 201);
    assert_eq!(answer(&n, &token, "accept").await.status, 200);
    refused(&site.browser().get(&format!("/v1/auth/invitations/{token}")).await, 410, "invitation_used");
    refused(&answer(&n, &token, "decline").await, 410, "invitation_used");
    refused(&answer(&site.signed_in("x").await, &token, "accept").await, 403, "invitation_email_mismatch");
    assert_eq!(owner.get(&format!("{INVITE}/{id}")).await.json()["accepted_by"], "usr_n");
    refused(&invite(&owner, "n@example.com", "viewer").await, 409, "already_member");
    assert_eq!(bare(&owner, Method::DELETE, &format!("{ACME}/members/usr_n")).await.status, 204);
    refused(&answer(&n, &token, "accept").await, 410, "invitation_used");
    assert_eq!(role_of(&site, "org_acme", "usr_n").await, None);
    // After each of them somebody may be invited again.
    invited(&site, "n@example.com", "viewer").await;
    assert_eq!(list("?status=all").await, ["expired", "revoked", "declined", "accepted", "pending"]);
    let first = owner.get(&format!("{INVITE}?status=all&limit=2")).await.json();
    let next = first["next_cursor"].as_str().unwrap();
    assert_eq!(list(&format!("?status=all&limit=2&cursor={next}")).await, ["declined", "accepted"]);
    refused(&owner.get(&format!("{INVITE}?status=gone")).await, 422, "invalid_value");
}

#[orgate_testkit::both]
async fn an_expired_invitation_can_be_sent_again() {
    let site = site().await;
    let (id, old) = invited(&site, "n@example.com", "member").await;
    site.clock.advance(7 * DAY);
    let n = site.signed_in("n").await;
    refused(&answer(&n, &old, "accept").await, 410, "invitation_expired");
    // Also when that is written down.
    crate::upkeep::purge(site.issuer.app()).await.unwrap();
    assert_eq!(last_event(&site, "invitation.expired").await.0, "");
    let owner = site.signed_in("owner").await;
    assert_eq!(bare(&owner, Method::POST, &format!("{INVITE}/{id}/resend")).await.status, 200);
    assert_eq!(answer(&n, &mailed(&site, "n@example.com").await, "accept").await.status, 201);
    // What has ended is forgotten one day.
    site.clock.advance(89 * DAY);
    crate::upkeep::purge(site.issuer.app()).await.unwrap();
    assert_eq!(site.count("SELECT COUNT(*) AS n FROM invitations").await, 1);
    site.clock.advance(2 * DAY);
    crate::upkeep::purge(site.issuer.app()).await.unwrap();
    assert_eq!(site.count("SELECT COUNT(*) AS n FROM invitations").await, 0);
    // But not while another one is open.
    let (id, _) = invited(&site, "new@example.com", "member").await;
    site.clock.advance(7 * DAY);
    invited(&site, "new@example.com", "member").await;
    let owner = site.signed_in("owner").await;
    refused(&bare(&owner, Method::POST, &format!("{INVITE}/{id}/resend")).await, 409, "already_invited");
}

#[orgate_testkit::both]
async fn scenario_13_an_invitation_is_for_one_address_that_is_confirmed() {
    let site = site().await;
    let (_, token) = invited(&site, "n@example.com", "member").await;
    refused(&answer(&site.browser(), &token, "accept").await, 401, "unauthenticated");
    for name in ["x", "owner"] {
        let reply = answer(&site.signed_in(name).await, &token, "accept").await;
        refused(&reply, 403, "invitation_email_mismatch");
        refused(
            &answer(&site.signed_in(name).await, &token, "decline").await,
            403,
            "invitation_email_mismatch",
        );
    }
    let n = site.signed_in("n").await;
    site.change("UPDATE users SET email_verified_at = NULL WHERE id = 'usr_n'").await;
    for how in ["accept", "decline"] {
        refused(&answer(&n, &token, how).await, 403, "email_not_verified");
    }
    refused(&n.get("/v1/auth/me/invitations").await, 403, "email_not_verified");
    site.change("UPDATE users SET email_verified_at = 1 WHERE id = 'usr_n'").await;
    for bad in ["x", &format!("{token}x"), "%00", &"a".repeat(3000)] {
        refused(&answer(&n, bad, "accept").await, 404, "invitation_invalid");
        refused(&n.get(&format!("/v1/auth/invitations/{bad}")).await, 404, "invitation_invalid");
    }
    let path = format!("/v1/auth/invitations/{token}/accept");
    for headers in [vec![], vec![("origin", "https://evil.test")]] {
        refused(&n.send(Method::POST, &path, &headers, String::new()).await, 403, "csrf");
    }
    // Nothing of it is in the database, nor in what operators read.
    let disk = site.disk();
    assert!(!disk.windows(token.len()).any(|window| window == token.as_bytes()));
    // What fails in between leaves everything as it was.
    site.change("ALTER TABLE events RENAME TO events_away").await;
    assert_eq!(answer(&n, &token, "accept").await.status.as_u16() / 100, 5);
    site.change("ALTER TABLE events_away RENAME TO events").await;
    assert_eq!(site.count("SELECT COUNT(*) AS n FROM invitations WHERE status = 'pending'").await, 1);
    assert_eq!(role_of(&site, "org_acme", "usr_n").await, None);
    // The body says it as well as the path.
    let by_body = |how: &str| format!("/v1/auth/invitations/{how}");
    refused(&n.json(Method::POST, &by_body("accept"), &json!({})).await, 422, "invalid_value");
    refused(
        &n.json(Method::POST, &by_body("decline"), &json!({ "token": "x" })).await,
        404,
        "invitation_invalid",
    );
    let body = json!({ "token": token });
    assert_eq!(n.json(Method::POST, &by_body("accept"), &body).await.status, 201);
    assert_eq!(n.json(Method::POST, "/p/proj_p/v1/auth/invitations/accept", &body).await.status, 200);
    assert_eq!(n.get(&by_body("accept")).await.status, 405);
}

#[orgate_testkit::both]
async fn scenario_14_the_documented_requests_about_invitations_work_verbatim() {
    let site = site().await;
    let owner = site.signed_in("owner").await;
    let org = format!("{USERS}/org_acme");
    let body = json!({ "email": "bob@example.com", "role": "member" });
    let made = owner.json(Method::POST, &format!("{org}/invitations"), &body).await;
    assert_eq!(made.status, 201);
    let list = owner.get(&format!("{org}/invitations")).await.json();
    assert_eq!(list["data"][0]["id"], made.json()["id"]);
    let one = format!("{org}/invitations/{}", made.json()["id"].as_str().unwrap());
    assert_eq!(bare(&owner, Method::DELETE, &one).await.status, 204);
    assert_eq!(owner.get(&format!("{org}/invitations")).await.json()["data"], json!([]));
    let (_, token) = invited(&site, "n@example.com", "viewer").await;
    let n = site.signed_in("n").await;
    assert_eq!(bare(&n, Method::POST, &format!("/v1/auth/invitations/{token}/accept")).await.status, 201);
}

#[orgate_testkit::both]
async fn nobody_learns_by_an_invitation_who_has_an_account() {
    let site = site().await;
    let owner = site.signed_in("owner").await;
    let mut answers = Vec::new();
    for email in ["n@example.com", "k@example.com"] {
        let reply = invite(&owner, email, "member").await;
        let mut body = reply.json();
        (body["id"], body["email"]) = (Value::Null, Value::Null);
        let token = mailed(&site, email).await;
        let mut offer = site.browser().get(&format!("/v1/auth/invitations/{token}")).await.json();
        let masked = email.replace('@', "***@");
        assert_eq!(offer["email"], json!(masked));
        offer["email"] = Value::Null;
        let page = site.browser().get(&format!("/p/proj_p/invitations/{token}")).await;
        let page = page.text().replace(&token, "").replace(&masked, "");
        answers.push((reply.status, reply.headers, body, offer, page));
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0].3["organization"]["name"], "The acme");
}

#[orgate_testkit::both]
async fn an_invitation_gives_what_its_inviter_may_give_by_then() {
    let site = site().await;
    let n = site.signed_in("n").await;
    // Who may still invite, but not to this role.
    make_role(&site.signed_in("owner").await, "host", &["read", "write", "invite"]).await;
    for (lost, back) in [
        (
            "UPDATE memberships SET role_key = 'member' WHERE user_id = 'usr_admin'",
            "UPDATE memberships SET role_key = 'admin' WHERE user_id = 'usr_admin'",
        ),
        (
            "UPDATE memberships SET role_key = 'host' WHERE user_id = 'usr_admin'",
            "UPDATE memberships SET role_key = 'admin' WHERE user_id = 'usr_admin'",
        ),
        (
            "UPDATE memberships SET status = 'suspended' WHERE user_id = 'usr_admin'",
            "UPDATE memberships SET status = 'active' WHERE user_id = 'usr_admin'",
        ),
        (
            "UPDATE users SET status = 'suspended' WHERE id = 'usr_admin'",
            "UPDATE users SET status = 'active' WHERE id = 'usr_admin'",
        ),
        ("", ""),
    ] {
        site.clock.advance(1);
        let made = invite(&site.signed_in("admin").await, "n@example.com", "member").await;
        assert_eq!(made.status, 201, "{}", made.text());
        let token = mailed(&site, "n@example.com").await;
        if back.is_empty() {
            let owner = site.signed_in("owner").await;
            assert_eq!(bare(&owner, Method::DELETE, &format!("{ACME}/members/usr_admin")).await.status, 204);
        } else {
            site.change(lost).await;
        }
        refused(&answer(&n, &token, "accept").await, 410, "invitation_revoked");
        assert_eq!(role_of(&site, "org_acme", "usr_n").await, None, "{lost}");
        if back.is_empty() {
            // Whoever answers for it is gone for good: it is in nobody's way.
            let owner = site.signed_in("owner").await;
            assert_eq!(owner.get(INVITE).await.json()["data"], json!([]));
            assert_eq!(
                owner.get(&format!("{INVITE}?status=revoked")).await.json()["data"].as_array().unwrap().len(),
                5
            );
            crate::upkeep::purge(site.issuer.app()).await.unwrap();
            last_event(&site, "invitation.revoked").await;
        } else {
            site.change(back).await;
            assert_eq!(site.browser().get(&format!("/v1/auth/invitations/{token}")).await.status, 200);
            let id = made.json()["id"].as_str().unwrap().to_owned();
            assert_eq!(
                bare(&site.signed_in("admin").await, Method::DELETE, &format!("{INVITE}/{id}")).await.status,
                204
            );
        }
    }
    // An operator who is none any more.
    let operator = site.browser();
    operator.operator("ops@example.com").await;
    site.clock.advance(1);
    let body = json!({ "email": "n@example.com", "role": "admin" });
    assert_eq!(
        operator.json(Method::POST, &format!("{OPERATORS}/acme/invitations"), &body).await.status,
        201
    );
    let token = mailed(&site, "n@example.com").await;
    site.change("UPDATE project_operators SET role = 'viewer' WHERE project_id = 'proj_p'").await;
    refused(&answer(&n, &token, "accept").await, 410, "invitation_revoked");
    site.change("UPDATE project_operators SET role = 'admin' WHERE project_id = 'proj_p'").await;
    let done = answer(&n, &token, "accept").await;
    assert_eq!((done.status.as_u16(), &done.json()["role"]), (201, &json!("admin")));
}

#[orgate_testkit::both]
async fn a_role_that_somebody_is_invited_to_is_in_use() {
    let site = site().await;
    let owner = site.signed_in("owner").await;
    make_role(&owner, "billing", &["read", "write"]).await;
    let admin = site.signed_in("admin").await;
    assert_eq!(invite(&admin, "n@example.com", "billing").await.status, 201);
    let token = mailed(&site, "n@example.com").await;
    let path = format!("{ACME}/roles/billing");
    refused(&bare(&owner, Method::DELETE, &path).await, 409, "role_in_use");
    // A role that grows is not the administrator's to give any more.
    let grown = json!({ "permissions": ["read", "delete_org"] });
    assert_eq!(owner.json(Method::PATCH, &path, &grown).await.status, 200);
    let n = site.signed_in("n").await;
    refused(&answer(&n, &token, "accept").await, 410, "invitation_revoked");
    refused(&invite(&admin, "k@example.com", "billing").await, 403, "role_not_grantable");
    assert_eq!(bare(&owner, Method::DELETE, &format!("{path}?reassign_to=viewer")).await.status, 200);
    let done = answer(&n, &token, "accept").await;
    assert_eq!((done.status.as_u16(), &done.json()["role"]), (201, &json!("viewer")));
}

#[orgate_testkit::both]
async fn an_invitation_goes_with_what_it_is_about() {
    let site = site().await;
    let (_, token) = invited(&site, "n@example.com", "member").await;
    let n = site.signed_in("n").await;
    let (operator, org) = (site.browser(), format!("{OPERATORS}/acme"));
    operator.operator("ops@example.com").await;
    for (state, good) in [("suspended", false), ("active", true)] {
        operator.json(Method::PATCH, &org, &json!({ "status": state })).await;
        assert_eq!(
            n.get("/v1/auth/me/invitations").await.json()["data"].as_array().unwrap().len(),
            usize::from(good)
        );
        if !good {
            refused(&answer(&n, &token, "accept").await, 403, "org_suspended");
            let body = json!({ "email": "k@example.com" });
            refused(
                &operator.json(Method::POST, &format!("{org}/invitations"), &body).await,
                403,
                "org_suspended",
            );
        }
    }
    // Organizations are switched off.
    site.change("UPDATE projects SET org_enabled = 0 WHERE id = 'proj_p'").await;
    for reply in [answer(&n, &token, "accept").await, n.get(&format!("/v1/auth/invitations/{token}")).await] {
        refused(&reply, 409, "organizations_disabled");
    }
    assert_eq!(n.get(&format!("/p/proj_p/invitations/{token}")).await.status, 404);
    site.change("UPDATE projects SET org_enabled = 1 WHERE id = 'proj_p'").await;
    // With a user goes what was addressed to them, with an organization all of it.
    site.change("DELETE FROM users WHERE id = 'usr_n'").await;
    refused(&site.browser().get(&format!("/v1/auth/invitations/{token}")).await, 404, "invitation_invalid");
    let (_, token) = invited(&site, "k@example.com", "member").await;
    assert_eq!(bare(&operator, Method::DELETE, &org).await.status, 204);
    refused(&site.browser().get(&format!("/v1/auth/invitations/{token}")).await, 404, "invitation_invalid");
    assert_eq!(site.count("SELECT COUNT(*) AS n FROM invitations").await, 0);
}

#[orgate_testkit::both]
async fn only_an_operator_is_told_a_token_and_there_is_an_event_of_it() {
    let site = site().await;
    let owner = site.signed_in("owner").await;
    let body = json!({ "email": "n@example.com", "return_token": true });
    refused(&owner.json(Method::POST, INVITE, &body).await, 422, "unknown_field");
    let asked = format!("{INVITE}?return_token=true");
    refused(&owner.json(Method::POST, &asked, &json!({ "email": "n@example.com" })).await, 403, "forbidden");
    let operator = site.browser();
    operator.operator("ops@example.com").await;
    let path = format!("{OPERATORS}/acme/invitations");
    let made = operator.json(Method::POST, &path, &body).await.json();
    let token = mailed(&site, "n@example.com").await;
    assert_eq!(made["token"], json!(token));
    assert_eq!(made["link"], json!(format!("{ORIGIN}/p/proj_p/invitations/{token}")));
    assert!(last_event(&site, "invitation.token_shown").await.0.starts_with("opr_"));
    // Once, and never again.
    let id = made["id"].as_str().unwrap();
    for reply in [
        operator.get(&path).await,
        operator.get(&format!("{path}/{id}")).await,
        owner.get(INVITE).await,
        site.signed_in("n").await.get("/v1/auth/me/invitations").await,
    ] {
        assert!(!reply.text().contains(&token) && reply.text().contains(id), "{}", reply.text());
    }
    let sent = bare(&operator, Method::POST, &format!("{path}/{id}/resend")).await;
    assert!(sent.json().get("token").is_none());
    // Who was told has not shown that the address is theirs, and signs up as everybody does.
    let body = json!({ "email": "k@example.com" });
    let made = operator.json(Method::POST, &format!("{path}?return_token=true"), &body).await.json();
    let page = format!("/p/proj_p/invitations/{}", made["token"].as_str().unwrap());
    assert!(!site.browser().get(&page).await.text().contains("sign_up"));
    let form = [("decision", "sign_up"), ("password", PASSWORD)];
    assert_eq!(site.browser().form(&page, &form).await.status, 403);
    assert_eq!(site.count("SELECT COUNT(*) AS n FROM users WHERE email_norm = 'k@example.com'").await, 0);
}

#[orgate_testkit::both]
async fn ones_own_invitations_are_listed_without_what_opens_them() {
    let site = site().await;
    let (id, token) = invited(&site, "n@example.com", "member").await;
    site.clock.advance(1);
    let x = site.signed_in("x").await;
    let body = json!({ "email": "N@example.com", "role": "admin" });
    assert_eq!(x.json(Method::POST, &format!("{USERS}/globex/invitations"), &body).await.status, 201);
    let n = site.signed_in("n").await;
    let own = n.get("/v1/auth/me/invitations").await;
    assert!(!own.text().contains(&token));
    let rows = own.json()["data"].clone();
    assert_eq!((&rows[0]["id"], &rows[0]["organization"]["slug"]), (&json!(id), &json!("acme")));
    assert_eq!((&rows[1]["role"], &rows[1]["organization"]["name"]), (&json!("admin"), &json!("The globex")));
    let first = n.get("/v1/auth/me/invitations?limit=1").await.json();
    let next = first["next_cursor"].as_str().unwrap();
    let second = n.get(&format!("/v1/auth/me/invitations?limit=1&cursor={next}")).await.json();
    assert_eq!((&second["data"][0]["role"], &second["next_cursor"]), (&json!("admin"), &Value::Null));
    assert_eq!(x.get("/v1/auth/me/invitations").await.json()["data"], json!([]));
    refused(&site.browser().get("/v1/auth/me/invitations").await, 401, "unauthenticated");
}

#[orgate_testkit::both]
async fn who_is_a_member_by_then_stays_what_they_are() {
    let site = site().await;
    let (id, token) = invited(&site, "n@example.com", "viewer").await;
    let (owner, n) = (site.signed_in("owner").await, site.signed_in("n").await);
    let body = json!({ "user_id": "usr_n", "role": "admin" });
    assert_eq!(owner.json(Method::POST, &format!("{ACME}/members"), &body).await.status, 201);
    let done = answer(&n, &token, "accept").await;
    assert_eq!((done.status.as_u16(), &done.json()["role"]), (200, &json!("admin")));
    assert_eq!(owner.get(&format!("{INVITE}/{id}")).await.json()["status"], "accepted");
    // A suspended member does not come back by a letter.
    assert_eq!(bare(&owner, Method::DELETE, &format!("{ACME}/members/usr_n")).await.status, 204);
    let (_, token) = invited(&site, "n@example.com", "viewer").await;
    owner.json(Method::POST, &format!("{ACME}/members"), &body).await;
    let rest = json!({ "status": "suspended" });
    assert_eq!(owner.json(Method::PATCH, &format!("{ACME}/members/usr_n"), &rest).await.status, 200);
    refused(&answer(&n, &token, "accept").await, 409, "already_member");
    refused(&invite(&owner, "n@example.com", "viewer").await, 409, "already_member");
}
