//! What the forms do, and what they refuse.

use super::*;
use crate::management::tests::last_event;

#[orgate_testkit::both]
async fn a_form_without_the_word_of_the_session_changes_nothing() {
    let site = site().await;
    let (owner, other) = (owner(&site).await, owner_again(&site).await);
    let foreign = hidden(&other.get(HERE).await, "word");
    for word in ["", "x", foreign.as_str()] {
        told(&owner.form(HERE, &[("word", word), ("change", "organizations_off")]).await, 403, "csrf");
    }
    told(&owner.form(HERE, &[("change", "organizations_off")]).await, 403, "csrf");
    told(&change(&owner, HERE, "everything", &[]).await, 400, "bad_request");
    assert_eq!(
        site.count("SELECT COUNT(*) AS n FROM projects WHERE id = 'proj_p' AND org_enabled = 1").await,
        1
    );
}

/// The same operator in another browser.
async fn owner_again(site: &Site) -> Browser {
    signed_in(site, "ops@example.com").await
}

#[orgate_testkit::both]
async fn who_only_looks_changes_nothing() {
    let site = site().await;
    let browser = observer(&site).await;
    for (part, what) in [
        ("", "organizations_off"),
        ("/organizations", "create"),
        ("/organizations/acme", "suspend"),
        ("/permissions", "create"),
        ("/webhooks", "create"),
        ("/settings", "save"),
    ] {
        let fields = [
            ("name", "x"),
            ("created_by", "usr_n"),
            ("key", "x"),
            ("url", "https://example.com/x"),
            ("type.*", "1"),
        ];
        told(&change(&browser, &format!("{HERE}{part}"), what, &fields).await, 403, "operator_forbidden");
    }
}

#[orgate_testkit::both]
async fn the_switch_of_organizations_is_the_one_of_the_api() {
    let site = site().await;
    let browser = owner(&site).await;
    let page = browser
        .get(&done(&change(&browser, HERE, "organizations_off", &[]).await, "organizations_off"))
        .await;
    told(&page, 200, "organizations_off");
    assert!(!page.text().contains("/console/proj_p/organizations"), "{}", page.text());
    told(&browser.get(&format!("{HERE}/organizations")).await, 409, "organizations_disabled");
    assert_eq!(last_event(&site, "project.updated").await.0.split('_').next(), Some("opr"));
    done(&change(&browser, HERE, "organizations_on", &[]).await, "organizations_on");
    assert_eq!(browser.get(&format!("{HERE}/organizations")).await.status, 200);
}

#[orgate_testkit::both]
async fn an_organization_is_made_changed_suspended_and_deleted() {
    let site = site().await;
    let browser = owner(&site).await;
    let all = format!("{HERE}/organizations");
    let fields = [("name", "Initech"), ("slug", ""), ("created_by", "usr_n"), ("once", "o")];
    let first = done(&change(&browser, &all, "create", &fields).await, "organization_created");
    assert_eq!(
        done(&change(&browser, &all, "create", &fields).await, "organization_created"),
        first,
        "sent twice"
    );
    let page = browser.get(&first).await;
    told(&page, 200, "organization_created");
    assert!(page.text().contains("n@example.com"), "{}", page.text());
    let fields = [("name", "X"), ("slug", "acme"), ("created_by", "usr_n"), ("once", "p")];
    let page = change(&browser, &all, "create", &fields).await;
    told(&page, 409, "slug_taken");
    assert!(page.text().contains("id=\"create-slug-wrong\""), "{}", page.text());

    let one = format!("{all}/initech");
    let fields = |private, before| {
        [
            ("name", "Initech Ltd"),
            ("slug", "initech"),
            ("slug_before", "initech"),
            ("max_members", "7"),
            ("private_metadata", private),
            ("private_before", before),
        ]
    };
    done(&change(&browser, &one, "save", &fields("{\"a\": 1, \"b\": 2}", "")).await, "organization_saved");
    let page = browser.get(&one).await.text();
    assert!(page.contains("of at most 7") && page.contains("Initech Ltd"), "{page}");
    done(
        &change(&browser, &one, "save", &fields("{\"b\": 2}", "{\"a\": 1, \"b\": 2}")).await,
        "organization_saved",
    );
    let stored = site.text("SELECT private_metadata AS n FROM organizations WHERE slug = 'initech'").await;
    assert_eq!(stored.replace(' ', ""), "{\"b\":2}", "what was taken out of the text is gone");
    let page = change(&browser, &one, "save", &fields("[", "")).await;
    told(&page, 422, "invalid_value");
    assert!(page.text().contains("not JSON"), "{}", page.text());

    let state = async || site.text("SELECT status AS n FROM organizations WHERE slug = 'initech'").await;
    done(&change(&browser, &one, "suspend", &[]).await, "organization_suspended");
    assert_eq!(state().await, "suspended");
    done(&change(&browser, &one, "activate", &[]).await, "organization_activated");
    assert_eq!(state().await, "active");
    for confirm in ["", "Initech", "acme"] {
        told(&change(&browser, &one, "delete", &[("confirm", confirm)]).await, 422, "invalid_value");
    }
    done(&change(&browser, &one, "delete", &[("confirm", "initech")]).await, "organization_deleted");
    told(&browser.get(&one).await, 404, "not_found");
}

#[orgate_testkit::both]
async fn an_organization_is_opened_by_its_short_name_or_id() {
    let site = site().await;
    let browser = owner(&site).await;
    for wanted in ["acme", "org_acme"] {
        let reply = browser.get(&format!("{HERE}/organizations?q={wanted}")).await;
        assert_eq!(reply.location(), format!("{ORIGIN}{HERE}/organizations/acme"));
    }
    for wanted in ["none", "%2e%2e", "%3Cb%3E"] {
        let page = browser.get(&format!("{HERE}/organizations?q={wanted}")).await;
        assert!(page.text().contains("No organization has"), "{wanted}: {}", page.text());
    }
}

#[orgate_testkit::both]
async fn a_permission_is_added_described_and_deleted() {
    let site = site().await;
    let browser = owner(&site).await;
    let path = format!("{HERE}/permissions");
    let fields = [("key", "invoices:write"), ("description", "Writes invoices")];
    done(&change(&browser, &path, "create", &fields).await, "permission_created");
    let page = change(&browser, &path, "create", &[("key", ""), ("description", "")]).await;
    told(&page, 422, "invalid_value");
    assert!(page.text().contains("id=\"create-key-wrong\""), "{}", page.text());
    let fields = [("id", "invoices:write"), ("description", "Writes and sends")];
    done(&change(&browser, &path, "describe", &fields).await, "permission_saved");
    assert!(browser.get(&path).await.text().contains("Writes and sends"));
    let fields = [("id", "invoices:write"), ("confirm", "no")];
    told(&change(&browser, &path, "delete", &fields).await, 422, "invalid_value");
    let fields = [("id", "invoices:write"), ("confirm", "invoices:write")];
    done(&change(&browser, &path, "delete", &fields).await, "permission_deleted");
    assert!(!browser.get(&path).await.text().contains("<code>invoices:write"));
}

#[orgate_testkit::both]
async fn a_webhook_is_made_tested_sent_again_and_deleted() {
    let site = site().await;
    let browser = owner(&site).await;
    let path = format!("{HERE}/webhooks");
    let page = change(&browser, &path, "create", &[("url", "http://example.com"), ("type.*", "1")]).await;
    told(&page, 422, "invalid_value");
    assert!(page.text().contains("id=\"create-url-wrong\""), "{}", page.text());
    let page = change(&browser, &path, "create", &[("url", "https://example.com/x")]).await;
    told(&page, 422, "invalid_value");
    assert!(page.text().contains("id=\"create-types-wrong\""), "{}", page.text());
    let fields = [
        ("url", "https://example.com/x"),
        ("description", "Mine"),
        ("type.member.*", "1"),
        ("type.role.*", "1"),
    ];
    let page = change(&browser, &path, "create", &fields).await;
    assert_eq!(page.status, 200, "{}", page.text());
    let secret = |page: &Reply| {
        page.text().split_once("<code>whsec_").unwrap().1.split_once('<').unwrap().0.to_owned()
    };
    let first = secret(&page);
    assert!(!browser.get(&path).await.text().contains(&first), "it is shown once");
    let one = site.text("SELECT id AS n FROM webhook_endpoints").await;
    let one = format!("{path}/{one}");
    assert!(browser.get(&path).await.text().contains("<code>member.*</code> <code>role.*</code>"));
    done(&change(&browser, &one, "test", &[]).await, "webhook_tested");
    let page = browser.get(&one).await;
    let id = hidden(&page, "id");
    done(&change(&browser, &one, "again", &[("id", &id)]).await, "webhook_replayed");
    assert_eq!(browser.get(&one).await.text().matches("Waiting</span>").count(), 2);
    assert!(browser.get(&format!("{one}?status=failed")).await.text().contains("Nothing like that"));
    done(
        &change(&browser, &one, "replay", &[("from_seq", "100000"), ("to_seq", "")]).await,
        "nothing_to_replay",
    );
    let page = change(&browser, &one, "replay", &[("from_seq", "x"), ("to_seq", "")]).await;
    told(&page, 422, "invalid_value");
    let fields =
        [("url", "https://example.com/y"), ("description", ""), ("type.*", "1"), ("type.role.*", "1")];
    done(&change(&browser, &one, "save", &fields).await, "webhook_saved");
    let page = browser.get(&one).await.text();
    assert!(
        page.contains("example.com&#x2f;y") && page.contains("Off</span>") && !page.contains("Send a test"),
        "{page}"
    );
    assert_ne!(secret(&change(&browser, &one, "rotate", &[]).await), first);
    told(&change(&browser, &one, "delete", &[("confirm", "")]).await, 422, "invalid_value");
    done(&change(&browser, &one, "delete", &[("confirm", "delete")]).await, "webhook_deleted");
    told(&browser.get(&one).await, 404, "not_found");
}

#[orgate_testkit::both]
async fn settings_are_saved_and_what_is_wrong_is_told_at_its_field() {
    let site = site().await;
    let browser = owner(&site).await;
    let path = format!("{HERE}/settings");
    let good = [
        ("name", "Mine"),
        ("brand_color", "#ffcc00"),
        ("org_creation", "operator"),
        ("max_orgs_per_user", "3"),
        ("invitation_days", "2"),
        ("personal_orgs", "1"),
        ("trusted_origins", "https://a.example.com\r\nhttps://b.example.com"),
        ("access_ttl", "420"),
    ];
    done(&change(&browser, &path, "save", &good).await, "saved");
    let saved =
        "SELECT COUNT(*) AS n FROM projects WHERE id = 'proj_p' AND name = 'Mine' AND personal_orgs = 1
                 AND max_orgs_per_user = 3 AND org_creation = 'operator' AND invitation_ttl = 172800000 AND access_ttl = 420000
                 AND trusted_origins = '[\"https://a.example.com\",\"https://b.example.com\"]'";
    assert_eq!(site.count(saved).await, 1);
    for (field, value, at) in [
        ("name", "", "name"),
        ("brand_color", "red", "brand_color"),
        ("max_orgs_per_user", "-1", "max_orgs_per_user"),
        ("max_orgs_per_user", "x", "max_orgs_per_user"),
        ("invitation_days", "365", "invitation_ttl"),
        ("trusted_origins", "https://a.example.com nonsense", "trusted_origins"),
        ("access_ttl", "0", "access_ttl"),
    ] {
        let mut fields = good.to_vec();
        fields.retain(|(name, _)| *name != field);
        fields.push((field, value));
        let page = change(&browser, &path, "save", &fields).await;
        told(&page, 422, "invalid_value");
        assert!(page.text().contains(&format!("id=\"save-{at}-wrong\"")), "{field} {value}: {}", page.text());
    }
}

#[orgate_testkit::both]
async fn a_role_of_an_organization_is_made_changed_and_deleted() {
    let site = site().await;
    let browser = owner(&site).await;
    let path = format!("{HERE}/organizations/acme/roles");
    assert!(browser.get(&format!("{HERE}/organizations/acme")).await.text().contains("acme&#x2f;roles"));
    let fields = [
        ("name", "Clerk"),
        ("slug", ""),
        ("description", ""),
        ("rank", "1"),
        ("may.read", "1"),
        ("once", "o"),
    ];
    done(&change(&browser, &path, "create", &fields).await, "role_created");
    done(&change(&browser, &path, "create", &fields).await, "role_created");
    let page = browser.get(&path).await.text();
    assert_eq!(page.matches("name=\"id\" value=\"clerk\"").count(), 2, "to change and to delete: {page}");
    let long = "a".repeat(101);
    let fields_of_long = [("name", long.as_str()), ("slug", "long"), ("rank", "1"), ("may.read", "1")];
    let page = change(&browser, &path, "create", &fields_of_long).await;
    told(&page, 422, "invalid_value");
    assert!(page.text().contains("id=\"create-name-wrong\""), "{}", page.text());
    let fields =
        [("id", "clerk"), ("name", "Writer"), ("description", "Writes"), ("rank", "2"), ("may.write", "1")];
    done(&change(&browser, &path, "save", &fields).await, "role_saved");
    let held = "SELECT permission AS n FROM role_permissions p JOIN roles r ON r.id = p.role_id WHERE r.key = 'clerk'";
    assert_eq!(site.text(held).await, "write");
    site.change("UPDATE memberships SET role_key = 'clerk' WHERE user_id = 'usr_d' AND org_id = 'org_acme'")
        .await;
    told(
        &change(&browser, &path, "delete", &[("id", "clerk"), ("reassign_to", "")]).await,
        409,
        "role_in_use",
    );
    done(
        &change(&browser, &path, "delete", &[("id", "clerk"), ("reassign_to", "viewer")]).await,
        "role_deleted",
    );
    let role = "SELECT role_key AS n FROM memberships WHERE user_id = 'usr_d' AND org_id = 'org_acme'";
    assert_eq!(site.text(role).await, "viewer");
    told(
        &change(&browser, &path, "save", &[("id", "owner"), ("name", "x"), ("rank", "1"), ("may.read", "1")])
            .await,
        403,
        "built_in",
    );
    let observer = observer(&site).await;
    let page = observer.get(&path).await;
    assert!(page.status == 200 && !page.text().contains("Make the role"), "{}", page.text());
    told(&change(&observer, &path, "create", &fields).await, 403, "operator_forbidden");
}
