//! Who may do what to whom: every actor, every operation, every target. The table is written out here and not taken from the
//! code that it judges.

use http::Method;
use serde_json::json;

use super::{OPERATORS, USERS, bare, census};
use crate::{
    db::sql,
    operators::{self, Rank},
    testing::{Browser, NOW, Site, add_user, phc, site},
};

/// Everybody who asks.
const ACTORS: [&str; 8] = ["owner", "admin", "clerk", "member", "viewer", "outsider", "operator", "observer"];
/// Every role; `clerk` is one of the organization's own, of the rank of a member, and may do all that an administrator may.
const ROLES: [&str; 5] = ["owner", "admin", "member", "clerk", "viewer"];
const MEMBERS: [(&str, &str); 9] = [
    ("owner", "owner"),
    ("admin", "admin"),
    ("member", "member"),
    ("viewer", "viewer"),
    ("clerk", "clerk"),
    ("admin2", "admin"),
    ("member2", "member"),
    ("viewer2", "viewer"),
    ("clerk2", "clerk"),
];

struct Table {
    site: Site,
    browsers: Vec<(&'static str, Browser)>,
}

impl Table {
    async fn new() -> Self {
        let site = site().await;
        site.write(|tx| {
            Box::pin(async move {
                for name in ["clerk", "admin2", "member2", "viewer2", "clerk2"] {
                    add_user(tx, "proj_p", name).await?;
                }
                let address = crate::address::Address::parse("obs@example.com").unwrap();
                let observer = operators::create(tx, &address, phc(), NOW).await?;
                operators::assign(tx, &observer, "proj_p", Rank::Viewer).await?;
                tx.run(sql(
                    "INSERT INTO roles (id, project_id, org_id, key, name, rank, created_at, updated_at)
                            VALUES ('rol_clerk', 'proj_p', 'org_acme', 'clerk', 'Clerk', 1, 1, 1)",
                ))
                .await?;
                for (position, permission) in
                    ["read", "write", "invite", "remove_members", "change_roles"].iter().enumerate()
                {
                    let statement =
                        sql("INSERT INTO role_permissions (role_id, project_id, permission, position)
                                         VALUES ('rol_clerk', 'proj_p', $1, $2)");
                    tx.run(statement.bind(*permission).bind(i64::try_from(position).unwrap())).await?;
                }
                Ok(())
            })
        })
        .await;
        let mut browsers = Vec::new();
        for actor in ACTORS {
            let browser = match actor {
                "operator" | "observer" => {
                    let browser = site.browser();
                    let email = if actor == "operator" { "ops@example.com" } else { "obs@example.com" };
                    assert_eq!(browser.operator(email).await.status, 204);
                    browser
                }
                "outsider" => site.signed_in("x").await,
                name => site.signed_in(name).await,
            };
            browsers.push((actor, browser));
        }
        let table = Self { site, browsers };
        table.reset().await;
        table
    }

    /// Everybody is what they were.
    async fn reset(&self) {
        self.site
            .write(|tx| {
                Box::pin(async move {
                    tx.run(sql("DELETE FROM memberships WHERE org_id = 'org_acme' AND user_id IN ('usr_n', 'usr_d')")).await?;
                    tx.run(sql("UPDATE memberships SET role_key = 'viewer', status = 'active' WHERE org_id = 'org_acme'")).await?;
                    for (name, role) in MEMBERS {
                        let statement = sql(
                            "INSERT INTO memberships (id, project_id, org_id, user_id, role_key, created_at, updated_at)
                             VALUES ($1, 'proj_p', 'org_acme', $2, $3, 1, 1)
                             ON CONFLICT (org_id, user_id) DO UPDATE SET role_key = $3",
                        );
                        tx.run(statement.bind(&format!("mem_{name}")).bind(&format!("usr_{name}")).bind(role)).await?;
                    }
                    tx.run(sql(
                        "UPDATE organizations SET slug = 'acme', name = 'The acme', owner_member_id =
                             (SELECT id FROM memberships WHERE org_id = 'org_acme' AND user_id = 'usr_owner')
                         WHERE id = 'org_acme'",
                    ))
                    .await?;
                    tx.run(sql("DELETE FROM slug_tombstones")).await?;
                    tx.run(sql("DELETE FROM invitations WHERE id NOT LIKE 'inv_of_%'")).await?;
                    tx.run(sql("UPDATE invitations SET status = 'pending', expires_at = 9000000000000")).await?;
                    tx.run(sql("DELETE FROM limits")).await?;
                    tx.run(sql("DELETE FROM org_domains")).await?;
                    tx.run(sql(
                        "INSERT INTO org_domains (id, project_id, org_id, domain, proof, role_key, verified_at, verified_by,
                                                  created_at, updated_at)
                         VALUES ('dom_of', 'proj_p', 'org_acme', 'acme.example', 'x', 'viewer', 1, 'operator', 1, 1)",
                    ))
                    .await?;
                    tx.run(sql("DELETE FROM teams WHERE slug <> 'crew'")).await?;
                    tx.run(sql("DELETE FROM team_members")).await?;
                    tx.run(sql(
                        "INSERT INTO teams (id, project_id, org_id, slug, name, created_at, updated_at)
                         VALUES ('team_crew', 'proj_p', 'org_acme', 'crew', 'Crew', 1, 1) ON CONFLICT DO NOTHING",
                    ))
                    .await?;
                    tx.run(sql(
                        "INSERT INTO team_members (team_id, member_id, org_id, created_at)
                         SELECT 'team_crew', id, org_id, 1 FROM memberships WHERE org_id = 'org_acme' AND user_id <> 'usr_member2'",
                    ))
                    .await?;
                    tx.run(sql("DELETE FROM roles WHERE key <> 'clerk'")).await.map(|_| ())
                })
            })
            .await;
    }

    /// How many events tell of a change; that somebody was refused is none.
    async fn changes(&self) -> usize {
        self.site.events().await.iter().filter(|(_, kind)| kind != "request.denied").count()
    }

    /// One request; its path stands behind the organization. What is refused changes nothing, and is no event.
    async fn case(&self, actor: &str, method: &Method, rest: &str, body: &serde_json::Value, expected: u16) {
        let (_, browser) = self.browsers.iter().find(|(name, _)| *name == actor).unwrap();
        let base = if matches!(actor, "operator" | "observer") { OPERATORS } else { USERS };
        let path = format!("{base}/org_acme{rest}");
        let before = (census(&self.site).await, self.changes().await);
        let reply = match body.is_null() {
            true => bare(browser, method.clone(), &path).await,
            false => browser.json(method.clone(), &path, body).await,
        };
        assert_eq!(reply.status.as_u16(), expected, "{actor} {method} {rest} {body}: {}", reply.text());
        let after = (census(&self.site).await, self.changes().await);
        if expected >= 400 {
            assert_eq!(after, before, "{actor} {method} {rest} {body}");
        } else if *method != Method::GET {
            if after.0 != before.0 {
                assert_eq!(after.1, before.1 + 1, "one event: {actor} {method} {rest} {body}");
            }
            self.reset().await;
        }
    }
}

/// What somebody gets who may not, unless they are outside.
fn no(actor: &str) -> u16 {
    if actor == "outsider" { 404 } else { 403 }
}

#[orgate_testkit::both]
async fn reading_and_settings() {
    let table = Table::new().await;
    for actor in ACTORS {
        let reads = if actor == "outsider" { 404 } else { 200 };
        for rest in [
            "",
            "/members",
            "/members/usr_owner",
            "/roles",
            "/roles/clerk",
            "/roles/owner",
            "/permissions",
            "/teams",
            "/teams/crew",
            "/teams/crew/members",
        ] {
            table.case(actor, &Method::GET, rest, &json!(null), reads).await;
        }
        let settings = matches!(actor, "owner" | "admin" | "operator");
        let body = json!({ "name": "Other", "metadata": { "plan": "x" } });
        table.case(actor, &Method::PATCH, "", &body, if settings { 200 } else { no(actor) }).await;
        table.case(actor, &Method::PUT, "", &body, if settings { 200 } else { no(actor) }).await;
        for (method, rest, body, good) in [
            (Method::POST, "/teams", json!({ "name": "New" }), 201),
            (Method::PATCH, "/teams/crew", json!({ "description": "x" }), 200),
            (Method::PUT, "/teams/crew", json!({ "name": "Crew", "description": "y" }), 200),
            (Method::POST, "/teams/crew/members", json!({ "user_id": "usr_member2" }), 201),
            (Method::DELETE, "/teams/crew/members/usr_owner", json!(null), 204),
            (Method::DELETE, "/teams/team_crew", json!(null), 204),
        ] {
            table.case(actor, &method, rest, &body, if settings { good } else { no(actor) }).await;
        }
        let own = if matches!(actor, "operator" | "observer" | "outsider") { no(actor) } else { 204 };
        let own = if actor == "operator" { 404 } else { own };
        table.case(actor, &Method::DELETE, "/teams/crew/members/me", &json!(null), own).await;
        let owns = matches!(actor, "owner" | "operator");
        let slug = json!({ "slug": "other" });
        table.case(actor, &Method::PATCH, "", &slug, if owns { 200 } else { no(actor) }).await;
        let role = json!({ "name": "Billing", "permissions": ["read"] });
        table.case(actor, &Method::POST, "/roles", &role, if owns { 201 } else { no(actor) }).await;
        let edit = json!({ "description": "x" });
        table.case(actor, &Method::PATCH, "/roles/clerk", &edit, if owns { 200 } else { no(actor) }).await;
    }
}

#[orgate_testkit::both]
async fn adding_a_member_with_each_role() {
    let table = Table::new().await;
    for actor in ACTORS {
        let may: &[&str] = match actor {
            "owner" | "operator" => &["admin", "member", "clerk", "viewer"],
            "admin" => &["member", "clerk", "viewer"],
            "clerk" => &["viewer"],
            _ => &[],
        };
        for role in ROLES {
            let body = json!({ "user_id": "usr_n", "role": role });
            let expected = if may.contains(&role) { 201 } else { no(actor) };
            table.case(actor, &Method::POST, "/members", &body, expected).await;
        }
    }
}

#[orgate_testkit::both]
async fn inviting_to_each_role() {
    let table = Table::new().await;
    table
        .site
        .write(|tx| {
            Box::pin(async move {
                for role in ["admin", "member", "clerk", "viewer"] {
                    let statement = sql(
                        "INSERT INTO invitations (id, project_id, org_id, email, email_norm, role_key, token_hash,
                                                  inviter_member_id, life, sent_at, created_at, updated_at, expires_at)
                         SELECT $1, 'proj_p', 'org_acme', $1, $1, $2, $1, owner_member_id, 600000, 1, 1, 1, 9000000000000
                         FROM organizations WHERE id = 'org_acme'",
                    );
                    tx.run(statement.bind(&format!("inv_of_{role}")).bind(role)).await?;
                }
                Ok(())
            })
        })
        .await;
    for actor in ACTORS {
        let may: &[&str] = match actor {
            "owner" | "operator" => &["admin", "member", "clerk", "viewer"],
            "admin" => &["member", "clerk", "viewer"],
            "clerk" => &["viewer"],
            _ => &[],
        };
        let reads = matches!(actor, "owner" | "admin" | "clerk" | "operator" | "observer");
        let reads = if reads { 200 } else { no(actor) };
        for rest in ["/invitations", "/invitations/inv_of_admin"] {
            table.case(actor, &Method::GET, rest, &json!(null), reads).await;
        }
        for role in ROLES {
            let expected = |good: u16| if may.contains(&role) { good } else { no(actor) };
            let body = json!({ "email": "new@example.com", "role": role });
            table.case(actor, &Method::POST, "/invitations", &body, expected(201)).await;
            if role != "owner" {
                let path = format!("/invitations/inv_of_{role}");
                table
                    .case(actor, &Method::POST, &format!("{path}/resend"), &json!(null), expected(200))
                    .await;
                table.case(actor, &Method::DELETE, &path, &json!(null), expected(204)).await;
            }
        }
    }
}

#[orgate_testkit::both]
async fn changing_each_role_of_another_into_each() {
    let table = Table::new().await;
    for actor in ACTORS {
        // From which roles and to which; what is the owner's is apart.
        let (from, to): (&[&str], &[&str]) = match actor {
            "owner" | "operator" => {
                (&["admin", "member", "clerk", "viewer"], &["owner", "admin", "member", "clerk", "viewer"])
            }
            "admin" => (&["member", "clerk", "viewer"], &["member", "clerk", "viewer"]),
            "clerk" => (&["viewer"], &["viewer"]),
            _ => (&[], &[]),
        };
        for target in ["owner", "admin2", "member2", "clerk2", "viewer2"] {
            let has = target.trim_end_matches('2');
            for role in ROLES {
                let expected = match (actor, target) {
                    // The owner himself, and who is above.
                    ("owner" | "operator", "owner") => 409,
                    _ if from.contains(&has) && to.contains(&role) => 200,
                    _ => no(actor),
                };
                let path = format!("/members/usr_{target}");
                let method = if role == "admin" { Method::PATCH } else { Method::PUT };
                table.case(actor, &method, &path, &json!({ "role": role }), expected).await;
            }
        }
    }
}

#[orgate_testkit::both]
async fn changing_ones_own_role_goes_down_only() {
    let table = Table::new().await;
    for (actor, may) in [
        ("admin", &["admin", "member", "clerk", "viewer"][..]),
        ("clerk", &["member", "clerk", "viewer"]),
        ("member", &["member", "viewer"]),
        ("viewer", &["viewer"]),
        ("outsider", &[]),
    ] {
        for role in ROLES {
            let expected = if may.contains(&role) { 200 } else { no(actor) };
            let own = format!("/members/usr_{actor}");
            let path = if role == "viewer" { "/members/me" } else { own.as_str() };
            table.case(actor, &Method::PUT, path, &json!({ "role": role }), expected).await;
        }
    }
    for role in ROLES {
        table.case("owner", &Method::PUT, "/members/me", &json!({ "role": role }), 409).await;
    }
}

#[orgate_testkit::both]
async fn removing_and_suspending_each_other() {
    let table = Table::new().await;
    for actor in ACTORS {
        let may: &[&str] = match actor {
            "owner" | "operator" => &["admin", "member", "clerk", "viewer"],
            "admin" => &["member", "clerk", "viewer"],
            "clerk" => &["viewer"],
            _ => &[],
        };
        for target in ["owner", "admin2", "member2", "clerk2", "viewer2"] {
            let of_owner = matches!((actor, target), ("owner" | "operator", "owner"));
            let expected = |good: u16| match may.contains(&target.trim_end_matches('2')) {
                true => good,
                false if of_owner => 409,
                false => no(actor),
            };
            let path = format!("/members/usr_{target}");
            table.case(actor, &Method::DELETE, &path, &json!(null), expected(204)).await;
            let suspended = json!({ "status": "suspended" });
            table.case(actor, &Method::PATCH, &path, &suspended, expected(200)).await;
        }
    }
}

#[orgate_testkit::both]
async fn leaving_and_transferring() {
    let table = Table::new().await;
    for actor in ACTORS {
        if !matches!(actor, "operator" | "observer") {
            let leaves = match actor {
                "owner" => 409,
                "outsider" => 404,
                _ => 204,
            };
            table.case(actor, &Method::POST, "/leave", &json!(null), leaves).await;
            table.case(actor, &Method::DELETE, "/members/me", &json!(null), leaves).await;
        }
        for target in ["owner", "admin2", "member2", "clerk2", "viewer2"] {
            let expected = match (actor, target) {
                ("owner" | "operator", "owner") => 409,
                ("owner" | "operator", _) => 200,
                _ => no(actor),
            };
            let body = json!({ "member_id": format!("usr_{target}") });
            table.case(actor, &Method::POST, "/transfer-ownership", &body, expected).await;
        }
        // Last, because it does not come back; those who may are asked elsewhere.
        if !matches!(actor, "owner" | "operator") {
            table.case(actor, &Method::DELETE, "", &json!(null), no(actor)).await;
            table.case(actor, &Method::DELETE, "/roles/clerk", &json!(null), no(actor)).await;
        }
    }
}

#[orgate_testkit::both]
async fn domains_that_lead_to_each_role() {
    let table = Table::new().await;
    for actor in ACTORS {
        let may: &[&str] = match actor {
            "owner" | "operator" => &["admin", "member", "clerk", "viewer"],
            "admin" => &["member", "clerk", "viewer"],
            _ => &[],
        };
        let governs = matches!(actor, "owner" | "admin" | "operator");
        let reads = if governs || actor == "observer" { 200 } else { no(actor) };
        for rest in ["/domains", "/domains/dom_of", "/domains/acme.example"] {
            table.case(actor, &Method::GET, rest, &json!(null), reads).await;
        }
        for role in ROLES {
            let expected = |good: u16| if may.contains(&role) { good } else { no(actor) };
            let body = json!({ "domain": "other.example", "mode": "auto_join", "role": role });
            table.case(actor, &Method::POST, "/domains", &body, expected(201)).await;
            let body = json!({ "role": role });
            table.case(actor, &Method::PATCH, "/domains/dom_of", &body, expected(200)).await;
            table.case(actor, &Method::PUT, "/domains/dom_of", &body, expected(200)).await;
        }
        let expected = |good: u16| if governs { good } else { no(actor) };
        table.case(actor, &Method::POST, "/domains/dom_of/verify", &json!(null), expected(200)).await;
        table.case(actor, &Method::DELETE, "/domains/dom_of", &json!(null), expected(204)).await;
        // Whose it is, is no word of end users.
        let body = json!({ "verified": false });
        let word = match actor {
            "operator" => 200,
            "owner" | "admin" => 422,
            _ => no(actor),
        };
        table.case(actor, &Method::PATCH, "/domains/dom_of", &body, word).await;
    }
}

/// Operators of another project, and nobody at all.
#[orgate_testkit::both]
async fn who_is_not_of_the_project_is_outside() {
    let table = Table::new().await;
    let other = table.site.browser();
    other.operator("ops2@example.com").await;
    let nobody = table.site.browser();
    let foreign = table.site.signed_in_at("proj_q", "q").await;
    for (method, rest) in [
        (Method::GET, ""),
        (Method::DELETE, ""),
        (Method::GET, "/members"),
        (Method::DELETE, "/members/usr_member"),
        (Method::GET, "/roles"),
        (Method::DELETE, "/roles/clerk"),
    ] {
        let path = format!("{OPERATORS}/org_acme{rest}");
        assert_eq!(bare(&other, method.clone(), &path).await.status, 404, "{method} {rest}");
        assert_eq!(bare(&nobody, method.clone(), &path).await.status, 401, "{method} {rest}");
        let path = format!("{USERS}/org_acme{rest}");
        assert_eq!(bare(&nobody, method.clone(), &path).await.status, 401, "{method} {rest}");
        // Organizations are switched off in that project.
        assert_eq!(bare(&foreign, method.clone(), &path).await.status, 409, "{method} {rest}");
    }
}
