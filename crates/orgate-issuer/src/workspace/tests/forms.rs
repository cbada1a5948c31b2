//! What the forms do, and what they refuse.

use super::*;
use crate::management::tests::{census, last_event, role_of};

#[orgate_testkit::both]
async fn a_form_without_the_word_of_the_session_changes_nothing() {
    let site = site().await;
    let (owner, admin) = (user(&site, "owner").await, user(&site, "admin").await);
    let (foreign, before) = (word(&admin).await, census(&site).await);
    let path = format!("{HERE}/members/{}", member(&owner, "d").await);
    for word in ["", "x", foreign.as_str()] {
        told(&owner.form(&path, &[("word", word), ("change", "remove")]).await, 403, "csrf");
    }
    told(&owner.form(&path, &[("change", "remove")]).await, 403, "csrf");
    told(&change(&owner, &path, "everything", &[]).await, 400, "bad_request");
    assert_eq!(census(&site).await, before);
    let stranger = site.browser().form(&path, &[("word", &foreign), ("change", "remove")]).await;
    assert!(stranger.location().contains("/login?request="));
}

#[orgate_testkit::both]
async fn an_organization_is_made_once_however_often_the_form_is_sent() {
    let site = site().await;
    let browser = user(&site, "n").await;
    let fields = [("name", "Initech"), ("slug", ""), ("once", "o")];
    let first = done(&change(&browser, ALL, "create", &fields).await, "created");
    assert_eq!(done(&change(&browser, ALL, "create", &fields).await, "created"), first);
    told(&browser.get(&first).await, 200, "created");
    assert_eq!(site.count("SELECT COUNT(*) AS n FROM organizations WHERE name = 'Initech'").await, 1);
    for (field, value, code) in
        [("name", "", "invalid_value"), ("slug", "acme", "slug_taken"), ("slug", "a b", "invalid_value")]
    {
        let mut fields = vec![("name", "Another"), ("slug", "another")];
        fields.retain(|(name, _)| *name != field);
        fields.push((field, value));
        let page = change(&browser, ALL, "create", &fields).await;
        assert_eq!(page.page_code().as_deref(), Some(code), "{}", page.text());
        assert!(page.text().contains(&format!("id=\"create-{field}-wrong\"")), "{}", page.text());
        assert!(page.text().contains("nother\""), "what was typed stays: {}", page.text());
    }
}

#[orgate_testkit::both]
async fn a_member_is_changed_suspended_and_removed() {
    let site = site().await;
    let owner = user(&site, "owner").await;
    let path = format!("{HERE}/members/{}", member(&owner, "d").await);
    let page =
        owner.get(&done(&change(&owner, &path, "role", &[("role", "viewer")]).await, "role_changed")).await;
    told(&page, 200, "role_changed");
    assert_eq!(role_of(&site, "org_acme", "usr_d").await.as_deref(), Some("viewer"));
    let page = change(&owner, &path, "role", &[("role", "none")]).await;
    told(&page, 422, "unknown_role");
    assert!(page.text().contains("id=\"role-role-wrong\""));
    done(&change(&owner, &path, "suspend", &[]).await, "suspended");
    assert!(owner.get(&path).await.text().contains("Let in again"));
    done(&change(&owner, &path, "activate", &[]).await, "activated");
    done(&change(&owner, &path, "remove", &[]).await, "removed");
    assert_eq!(role_of(&site, "org_acme", "usr_d").await, None);
    told(&change(&owner, &path, "remove", &[]).await, 404, "not_found");
}

#[orgate_testkit::both]
async fn what_the_page_does_not_offer_is_refused_all_the_same_and_noted() {
    let site = site().await;
    let owner = user(&site, "owner").await;
    let (d, own) = (member(&owner, "d").await, member(&owner, "owner").await);
    let before = census(&site).await;
    let (d, own) = (format!("{HERE}/members/{d}"), format!("{HERE}/members/{own}"));
    for (name, path, what, fields, code) in [
        ("viewer", &d, "remove", vec![], "forbidden"),
        ("viewer", &d, "role", vec![("role", "viewer")], "forbidden"),
        ("admin", &d, "role", vec![("role", "admin")], "role_not_grantable"),
        ("admin", &own, "remove", vec![], "forbidden"),
        ("admin", &d, "transfer", vec![], "forbidden"),
    ] {
        let page = change(&user(&site, name).await, path, what, &fields).await;
        told(&page, 403, code);
        assert_eq!(
            page.text().contains("role=\"alert\""),
            code != "forbidden",
            "{name} {what}: {}",
            page.text()
        );
    }
    let page = change(&user(&site, "x").await, &d, "remove", &[]).await;
    told(&page, 404, "not_found");
    for (part, what) in
        [("invitations", "invite"), ("api-keys", "create"), ("teams", "create"), ("new-role", "save")]
    {
        let fields = [("email", "z@example.com"), ("name", "z"), ("rank", "1"), ("may.read", "1")];
        let page = change(&user(&site, "viewer").await, &format!("{HERE}/{part}"), what, &fields).await;
        told(&page, 403, "forbidden");
    }
    assert_eq!(census(&site).await, before);
    assert_eq!(last_event(&site, "request.denied").await.0, "usr_viewer");
}

#[orgate_testkit::both]
async fn an_invitation_is_sent_once_sent_again_and_revoked() {
    let site = site().await;
    let owner = user(&site, "owner").await;
    let path = format!("{HERE}/invitations");
    let fields = [("email", "new@example.com"), ("role", "viewer"), ("once", "o")];
    done(&change(&owner, &path, "invite", &fields).await, "invited");
    done(&change(&owner, &path, "invite", &fields).await, "invited");
    assert_eq!(site.count("SELECT COUNT(*) AS n FROM invitations").await, 1);
    assert!(site.letter("new@example.com").await.is_some());
    for (email, role, field, code) in [
        ("new@example.com", "viewer", "email", "already_invited"),
        ("nobody", "viewer", "email", "invalid_value"),
        ("b@example.com", "owner", "role", "role_not_grantable"),
    ] {
        let page = change(&owner, &path, "invite", &[("email", email), ("role", role), ("once", "p")]).await;
        assert_eq!(page.page_code().as_deref(), Some(code), "{}", page.text());
        assert!(page.text().contains(&format!("id=\"invite-{field}-wrong\"")), "{email}: {}", page.text());
    }
    let page = owner.get(&path).await;
    let id = hidden(&page, "id");
    done(&change(&owner, &path, "resend", &[("id", &id)]).await, "resent");
    done(&change(&owner, &path, "revoke", &[("id", &id)]).await, "revoked");
    assert!(!owner.get(&path).await.text().contains("new@example.com"));
    assert!(owner.get(&format!("{path}?status=revoked")).await.text().contains("new@example.com"));
    let page = change(&owner, &path, "resend", &[("id", &id)]).await;
    assert_eq!(page.status.as_u16(), 410, "{}", page.text());
    told(&change(&owner, &path, "revoke", &[("id", "../../x")]).await, 404, "not_found");
}

#[orgate_testkit::both]
async fn a_role_is_made_changed_and_deleted_with_the_matrix() {
    let site = site().await;
    let owner = user(&site, "owner").await;
    let new = format!("{HERE}/new-role");
    let fields = [
        ("name", "Clerk"),
        ("slug", ""),
        ("description", ""),
        ("rank", "1"),
        ("may.read", "1"),
        ("may.invite", "1"),
    ];
    let role = done(&change(&owner, &new, "save", &fields).await, "role_made");
    let role = role.split('?').next().unwrap().to_owned();
    let page = owner.get(&role).await.text();
    assert!(page.contains("name=\"may.invite\" value=\"1\" checked"), "{page}");
    assert!(page.contains("name=\"may.write\" value=\"1\">"), "{page}");
    let again = [&fields[..], &[("once", "2")]].concat();
    told(&change(&owner, &new, "save", &again).await, 409, "role_taken");
    let page = change(&owner, &new, "save", &[("name", "Two"), ("rank", "9"), ("may.invite", "1")]).await;
    told(&page, 422, "invalid_value");
    assert!(
        page.text().contains("id=\"save-rank-wrong\"")
            && page.text().contains("may.invite\" value=\"1\" checked")
    );
    let page = change(&owner, &new, "save", &[("name", "Two"), ("rank", "1"), ("may.nothing", "1")]).await;
    told(&page, 422, "unknown_permission");
    let fields = [("name", "Clerk"), ("description", "Writes"), ("rank", "0"), ("may.write", "1")];
    done(&change(&owner, &role, "save", &fields).await, "role_saved");
    assert_eq!(owner.get(&format!("{ACME}/roles/clerk")).await.json()["permissions"], json!(["write"]));
    let d = format!("{HERE}/members/{}", member(&owner, "d").await);
    done(&change(&owner, &d, "role", &[("role", "clerk")]).await, "role_changed");
    let page = change(&owner, &role, "delete", &[("reassign_to", "")]).await;
    told(&page, 409, "role_in_use");
    assert!(page.text().contains("id=\"delete-reassign_to-wrong\""), "{}", page.text());
    done(&change(&owner, &role, "delete", &[("reassign_to", "viewer")]).await, "role_deleted");
    assert_eq!(role_of(&site, "org_acme", "usr_d").await.as_deref(), Some("viewer"));
    // What cannot be changed is shown, and says why.
    let page = user(&site, "admin").await.get(&format!("{HERE}/roles/admin")).await.text();
    assert!(
        page.contains("disabled") && page.contains("does not change") && !page.contains("value=\"save\""),
        "{page}"
    );
}

#[orgate_testkit::both]
async fn a_team_is_made_filled_and_deleted() {
    let site = site().await;
    let admin = user(&site, "admin").await;
    let all = format!("{HERE}/teams");
    let team =
        done(&change(&admin, &all, "create", &[("name", "Sales"), ("once", "o")]).await, "team_created");
    let team = team.split('?').next().unwrap().to_owned();
    let d = member(&admin, "d").await;
    done(&change(&admin, &team, "add", &[("who", &d)]).await, "team_joined");
    told(&change(&admin, &team, "add", &[("who", &d)]).await, 409, "already_team_member");
    done(&change(&admin, &team, "add", &[("who", "viewer@example.com")]).await, "team_joined");
    told(&change(&admin, &team, "add", &[("who", "nobody@example.com")]).await, 422, "not_a_member");
    // Who is no governor may go out of a team, alone.
    let viewer = user(&site, "viewer").await;
    told(&change(&viewer, &team, "drop", &[("id", &d)]).await, 403, "forbidden");
    done(&change(&viewer, &team, "drop", &[("id", &member(&viewer, "viewer").await)]).await, "team_left");
    done(&change(&admin, &team, "drop", &[("id", &d)]).await, "team_left");
    let fields = [("name", "Selling"), ("slug", "selling"), ("description", ""), ("is_default", "1")];
    let moved = done(&change(&admin, &team, "save", &fields).await, "team_changed");
    assert!(moved.contains("/teams/selling?"), "{moved}");
    done(&change(&admin, moved.split('?').next().unwrap(), "delete", &[]).await, "team_deleted");
}

#[orgate_testkit::both]
async fn a_key_is_shown_once() {
    let site = site().await;
    let admin = user(&site, "admin").await;
    let path = format!("{HERE}/api-keys");
    let fields = [("name", "Robot"), ("days", "30"), ("may.read", "1"), ("once", "o")];
    let page = change(&admin, &path, "create", &fields).await;
    assert_eq!(page.status, 200, "{}", page.text());
    let secret = page.text().split_once("<code>oak_").unwrap().1.split_once('<').unwrap().0.to_owned();
    assert!(change(&admin, &path, "create", &fields).await.text().contains(&secret), "sent twice, made once");
    assert_eq!(site.count("SELECT COUNT(*) AS n FROM api_keys").await, 1);
    let page = admin.get(&path).await;
    assert!(page.text().contains("Robot") && !page.text().contains(&secret));
    let wrong = change(&admin, &path, "create", &[("name", "Robot"), ("days", "30")]).await;
    told(&wrong, 422, "invalid_value");
    assert!(wrong.text().contains("id=\"create-permissions-wrong\""));
    told(
        &change(&admin, &path, "create", &[("name", "Robot"), ("may.delete_org", "1")]).await,
        403,
        "permission_not_held",
    );
    assert!(page.text().contains("You may not do this yourself"));
    done(&change(&admin, &path, "revoke", &[("id", &hidden(&page, "id"))]).await, "key_revoked");
}

#[orgate_testkit::both]
async fn settings_are_saved_and_what_is_wrong_stands_at_its_field() {
    let site = site().await;
    let (owner, admin) = (user(&site, "owner").await, user(&site, "admin").await);
    let path = format!("{HERE}/settings");
    let base = [
        ("name", "Acme"),
        ("slug_before", "acme"),
        ("slug", "acme"),
        ("logo_url", ""),
        ("public_metadata", "{\"a\":1}"),
    ];
    let with = |name: &'static str, value: &'static str| {
        base.map(|(known, was)| if known == name { (known, value) } else { (known, was) })
    };
    done(&change(&admin, &path, "save", &base).await, "saved");
    for (field, value) in [
        ("name", ""),
        ("slug", "a b"),
        ("slug", "globex"),
        ("logo_url", "http://x"),
        ("public_metadata", "{"),
        ("public_metadata", "[]"),
    ] {
        let page = change(&owner, &path, "save", &with(field, value)).await;
        assert!(page.status.is_client_error(), "{field}");
        assert!(page.text().contains(&format!("id=\"save-{field}-wrong\"")), "{field}: {}", page.text());
    }
    told(&change(&admin, &path, "save", &with("slug", "acme-2")).await, 403, "forbidden");
    let moved = done(&change(&owner, &path, "save", &with("slug", "acme-2")).await, "saved");
    assert!(moved.contains("/organizations/acme-2/settings"), "{moved}");
}

#[orgate_testkit::both]
async fn what_cannot_be_undone_asks_for_a_fresh_sign_in() {
    let site = site().await;
    let owner = user(&site, "owner").await;
    let admin = format!("{HERE}/members/{}", member(&owner, "admin").await);
    site.clock.advance(600_001);
    let settings = format!("{HERE}/settings");
    assert!(!owner.get(&settings).await.text().contains("name=\"confirm\""));
    for (path, what, fields) in [
        (&settings, "delete", vec![("confirm", "acme")]),
        (&admin, "transfer", vec![]),
        (&settings, "sign_in", vec![]),
    ] {
        let asked = change(&owner, path, what, &fields).await;
        let request = asked.parameter("request").unwrap_or_else(|| panic!("{}", asked.text()));
        let password = crate::testing::PASSWORD;
        let fields = [("email", "owner@example.com"), ("password", password), ("request", request.as_str())];
        let back = owner.form("/p/proj_p/login", &fields).await;
        assert!(back.location().ends_with(&format!("{path}?done=signed_in")), "{}", back.location());
        site.clock.advance(600_001);
    }
    assert_eq!(role_of(&site, "org_acme", "usr_owner").await.as_deref(), Some("owner"));
}

#[orgate_testkit::both]
async fn ownership_is_transferred_and_the_old_owner_leaves() {
    let site = site().await;
    let owner = user(&site, "owner").await;
    let settings = format!("{HERE}/settings");
    told(&change(&owner, &settings, "leave", &[]).await, 409, "owner_must_transfer");
    let admin = format!("{HERE}/members/{}", member(&owner, "admin").await);
    done(&change(&owner, &admin, "transfer", &[]).await, "transferred");
    assert_eq!(role_of(&site, "org_acme", "usr_admin").await.as_deref(), Some("owner"));
    let left = done(&change(&owner, &settings, "leave", &[]).await, "left");
    told(&owner.get(&left).await, 200, "left");
    assert_eq!(role_of(&site, "org_acme", "usr_owner").await, None);
}

#[orgate_testkit::both]
async fn an_organization_is_deleted_by_whoever_types_its_name() {
    let site = site().await;
    let owner = user(&site, "owner").await;
    let settings = format!("{HERE}/settings");
    for typed in ["", "Acme", "globex"] {
        let page = change(&owner, &settings, "delete", &[("confirm", typed)]).await;
        told(&page, 422, "invalid_value");
        assert!(page.text().contains("id=\"delete-confirm-wrong\""), "{}", page.text());
    }
    let gone = done(&change(&owner, &settings, "delete", &[("confirm", "acme")]).await, "deleted");
    assert!(!owner.get(&gone).await.text().contains("The acme"));
    told(&owner.get(&settings).await, 404, "not_found");
}

#[orgate_testkit::both]
async fn the_audit_trail_is_read_with_filters() {
    let site = site().await;
    let owner = user(&site, "owner").await;
    let d = format!("{HERE}/members/{}", member(&owner, "d").await);
    change(&owner, &d, "role", &[("role", "viewer")]).await;
    let path = format!("{HERE}/audit");
    let shows =
        async |query: &str| owner.get(&format!("{path}?{query}")).await.text().contains("changed a role");
    assert!(
        shows("").await && shows("type=member.*&actor=usr_owner&since=2027-01-01&until=2027-12-31").await
    );
    assert!(!shows("type=team.*").await && !shows("actor=usr_d").await && !shows("until=2026-01-01").await);
    for wrong in ["since=x", "type=nothing"] {
        let page = owner.get(&format!("{path}?{wrong}")).await;
        assert!(page.status == 200 && page.text().contains("role=\"alert\""), "{wrong}: {}", page.text());
    }
}
