//! Teams, and who is in them.

use http::Method;
use serde_json::{Value, json};

use super::{ACME, OPERATORS, USERS, bare, last_event, refused};
use crate::testing::{Browser, ORIGIN, PASSWORD, Reply, Site, site};

const TEAMS: &str = "/v1/auth/organizations/acme/teams";

async fn make(browser: &Browser, body: Value) -> Reply {
    browser.json(Method::POST, TEAMS, &body).await
}

async fn add(browser: &Browser, team: &str, user: &str) -> Reply {
    browser.json(Method::POST, &format!("{TEAMS}/{team}/members"), &json!({ "user_id": user })).await
}

async fn users(browser: &Browser, team: &str) -> Vec<String> {
    let list = browser.get(&format!("{TEAMS}/{team}/members")).await.json();
    let mut users: Vec<String> = list["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["user_id"].as_str().unwrap().to_owned())
        .collect();
    users.sort_unstable();
    users
}

#[orgate_testkit::both]
async fn scenario_17_a_team_has_members_of_its_organization_and_no_others() {
    let site = site().await;
    let owner = site.signed_in("owner").await;
    let team = make(&owner, json!({ "name": "Engineering" })).await.json();
    let id = team["id"].as_str().unwrap();
    let added = add(&owner, id, "usr_member").await;
    assert_eq!((added.status.as_u16(), &added.json()["role"]), (201, &json!("member")), "{}", added.text());
    let (actor, data) = last_event(&site, "team.member_added").await;
    assert_eq!((actor.as_str(), &data["user_id"]), ("usr_owner", &json!("usr_member")));
    refused(&add(&owner, id, "usr_member").await, 409, "already_team_member");
    refused(&add(&owner, id, added.json()["id"].as_str().unwrap()).await, 409, "already_team_member");
    for outside in ["usr_x", "usr_q", "usr_none", "engineering"] {
        refused(&add(&owner, id, outside).await, 422, "not_a_member");
    }
    assert_eq!(add(&owner, "engineering", "usr_viewer").await.status, 201);
    assert_eq!(users(&owner, id).await, ["usr_member", "usr_viewer"]);
    // Who leaves the organization leaves its teams, whoever does it and however.
    assert_eq!(bare(&owner, Method::DELETE, &format!("{ACME}/members/usr_member")).await.status, 204);
    assert_eq!(users(&owner, id).await, ["usr_viewer"]);
    let viewer = site.signed_in("viewer").await;
    assert_eq!(bare(&viewer, Method::POST, &format!("{ACME}/leave")).await.status, 204);
    assert_eq!(site.count("SELECT COUNT(*) AS n FROM team_members").await, 0);
    // A team of another organization is none, by its id and by its name.
    let x = site.signed_in("x").await;
    let theirs =
        x.json(Method::POST, &format!("{USERS}/globex/teams"), &json!({ "name": "Theirs" })).await.json();
    for team in [theirs["id"].as_str().unwrap(), "theirs"] {
        let path = format!("{TEAMS}/{team}");
        refused(&owner.get(&path).await, 404, "not_found");
        refused(&owner.get(&format!("{path}/members")).await, 404, "not_found");
        refused(&add(&owner, team, "usr_admin").await, 404, "not_found");
        refused(&bare(&owner, Method::DELETE, &path).await, 404, "not_found");
        refused(&owner.json(Method::PATCH, &path, &json!({ "name": "Mine" })).await, 404, "not_found");
        let body = json!({ "email": "n@example.com", "teams": [team] });
        refused(&owner.json(Method::POST, &format!("{ACME}/invitations"), &body).await, 422, "unknown_team");
    }
}

#[orgate_testkit::both]
async fn scenario_14_the_documented_requests_about_teams_work_verbatim() {
    let site = site().await;
    let owner = site.signed_in("owner").await;
    let teams = format!("{USERS}/org_acme/teams");
    let body = json!({ "name": "Engineering", "description": "Product engineering team" });
    let made = owner.json(Method::POST, &teams, &body).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let made = made.json();
    assert_eq!(
        (&made["slug"], &made["description"], &made["organization_id"]),
        (&json!("engineering"), &json!("Product engineering team"), &json!("org_acme"))
    );
    let one = format!("{teams}/{}", made["id"].as_str().unwrap());
    let body = json!({ "user_id": "usr_member" });
    assert_eq!(owner.json(Method::POST, &format!("{one}/members"), &body).await.status, 201);
    let changed = owner.json(Method::PATCH, &one, &json!({ "name": "Platform", "slug": "platform" })).await;
    assert_eq!((changed.status.as_u16(), &changed.json()["slug"]), (200, &json!("platform")));
    let (_, data) = last_event(&site, "team.updated").await;
    assert_eq!(
        (&data["before"]["name"], &data["after"]["name"]),
        (&json!("Engineering"), &json!("Platform"))
    );
    // An answer that is old changes nothing.
    let headers = [("content-type", "application/json"), ("origin", ORIGIN), ("if-match", "\"1\"")];
    let old = owner.send(Method::PATCH, &one, &headers, json!({ "name": "Old" }).to_string()).await;
    refused(&old, 412, "precondition_failed");
    assert_eq!(bare(&owner, Method::DELETE, &format!("{one}/members/usr_member")).await.status, 204);
    refused(&bare(&owner, Method::DELETE, &format!("{one}/members/usr_member")).await, 404, "not_found");
    last_event(&site, "team.member_removed").await;
    assert_eq!(bare(&owner, Method::DELETE, &one).await.status, 204);
    last_event(&site, "team.deleted").await;
    assert_eq!(owner.get(&teams).await.json(), json!({ "data": [], "next_cursor": null }));
    // And by operators.
    let operator = site.browser();
    operator.operator("ops@example.com").await;
    let made =
        operator.json(Method::POST, &format!("{OPERATORS}/acme/teams"), &json!({ "name": "Ours" })).await;
    assert_eq!(made.status, 201);
    assert_eq!(owner.get(&format!("{teams}/ours")).await.json()["id"], made.json()["id"]);
}

#[orgate_testkit::both]
async fn a_team_has_a_slug_of_its_own_in_its_organization() {
    let site = site().await;
    let (owner, x) = (site.signed_in("owner").await, site.signed_in("x").await);
    assert_eq!(make(&owner, json!({ "name": "Sales" })).await.json()["slug"], "sales");
    // One that was asked for is refused, one that was made gets something behind it.
    refused(&make(&owner, json!({ "name": "Other", "slug": "sales" })).await, 409, "team_taken");
    let second = make(&owner, json!({ "name": "Sales" })).await.json();
    assert!(second["slug"].as_str().unwrap().starts_with("sales-"), "{second}");
    let path = format!("{TEAMS}/{}", second["id"].as_str().unwrap());
    refused(&owner.json(Method::PATCH, &path, &json!({ "slug": "sales" })).await, 409, "team_taken");
    assert_eq!(owner.get(&path).await.json(), second);
    let body = json!({ "name": "Sales" });
    assert_eq!(x.json(Method::POST, &format!("{USERS}/globex/teams"), &body).await.json()["slug"], "sales");
    assert_eq!(make(&owner, json!({ "name": "日本" })).await.json()["slug"], "team");
    let first = owner.get(&format!("{TEAMS}?limit=1")).await.json();
    let next = first["next_cursor"].as_str().unwrap();
    let rest = owner.get(&format!("{TEAMS}?limit=5&cursor={next}")).await.json();
    assert_eq!((rest["data"].as_array().unwrap().len(), &rest["next_cursor"]), (2, &Value::Null));
}

/// The address of the page of the newest letter.
async fn page(site: &Site, email: &str) -> String {
    let letter = site.letter(email).await.unwrap();
    letter["links"][0].as_str().unwrap().strip_prefix(ORIGIN).unwrap().to_owned()
}

#[orgate_testkit::both]
async fn new_members_are_in_the_default_team_and_in_those_they_were_invited_to() {
    let site = site().await;
    let owner = site.signed_in("owner").await;
    make(&owner, json!({ "name": "Everybody", "is_default": true })).await;
    for name in ["One", "Two"] {
        make(&owner, json!({ "name": name })).await;
    }
    assert_eq!(users(&owner, "everybody").await, [""; 0]);
    // Added.
    let body = json!({ "user_id": "usr_n", "role": "viewer" });
    assert_eq!(owner.json(Method::POST, &format!("{ACME}/members"), &body).await.status, 201);
    assert_eq!(users(&owner, "everybody").await, ["usr_n"]);
    // Invited, into teams by either name, the default among them.
    let teams = owner.get(TEAMS).await.json()["data"].clone();
    let body = json!({ "email": "new@example.com", "teams": [teams[1]["id"], "one", "two", "everybody"] });
    let made = owner.json(Method::POST, &format!("{ACME}/invitations"), &body).await;
    assert_eq!(
        (made.status.as_u16(), made.json()["teams"].as_array().unwrap().len()),
        (201, 3),
        "{}",
        made.text()
    );
    assert_eq!(bare(&owner, Method::DELETE, &format!("{TEAMS}/two")).await.status, 204);
    let form = [("decision", "sign_up"), ("password", PASSWORD)];
    let browser = site.browser();
    assert_eq!(browser.form(&page(&site, "new@example.com").await, &form).await.status, 200);
    let own = browser.get("/v1/auth/session").await.json()["user"]["id"].as_str().unwrap().to_owned();
    assert_eq!(users(&owner, "one").await, [own.as_str()]);
    assert!(users(&owner, "everybody").await.contains(&own));
    // There is one default; who was a member stays where they are.
    let one = owner.json(Method::PATCH, &format!("{TEAMS}/one"), &json!({ "is_default": true })).await;
    assert_eq!(one.json()["is_default"], true);
    assert_eq!(owner.get(&format!("{TEAMS}/everybody")).await.json()["is_default"], false);
    assert_eq!(site.count("SELECT COUNT(*) AS n FROM teams WHERE is_default = 1").await, 1);
    assert_eq!(users(&owner, "one").await.len(), 1);
    // Leaving a team is one's own matter.
    assert_eq!(bare(&browser, Method::DELETE, &format!("{TEAMS}/one/members/me")).await.status, 204);
    refused(
        &bare(&browser, Method::DELETE, &format!("{TEAMS}/everybody/members/usr_n")).await,
        403,
        "forbidden",
    );
    // Nobody is in a team of an organization that is gone.
    assert_eq!(bare(&owner, Method::DELETE, ACME).await.status, 204);
    for table in [
        "SELECT COUNT(*) AS n FROM teams",
        "SELECT COUNT(*) AS n FROM team_members",
        "SELECT COUNT(*) AS n FROM invitation_teams",
    ] {
        assert_eq!(site.count(table).await, 0, "{table}");
    }
}

#[orgate_testkit::both]
async fn the_database_joins_no_team_and_member_of_two_organizations() {
    let site = site().await;
    let (owner, x) = (site.signed_in("owner").await, site.signed_in("x").await);
    make(&owner, json!({ "name": "Ours" })).await;
    x.json(Method::POST, &format!("{USERS}/globex/teams"), &json!({ "name": "Theirs" })).await;
    for org in ["org_acme", "org_globex"] {
        let refused = site
            .issuer
            .app()
            .db
            .write::<_, crate::db::DbError>(move |tx| {
                Box::pin(async move {
                    let statement = crate::db::sql(
                        "INSERT INTO team_members (team_id, member_id, org_id, created_at)
                         SELECT t.id, m.id, $1, 1 FROM teams t, memberships m
                         WHERE t.slug = 'theirs' AND m.user_id = 'usr_member'",
                    );
                    tx.run(statement.bind(org)).await
                })
            })
            .await;
        assert!(refused.is_err(), "{org}");
    }
}

#[orgate_testkit::both]
async fn a_team_is_replaced_as_a_whole_and_says_how_many_are_in_it() {
    let site = site().await;
    let owner = site.signed_in("owner").await;
    let teams = format!("{ACME}/teams");
    let body = json!({ "name": "Crew", "slug": "crew", "description": "x", "is_default": true });
    let made = owner.json(Method::POST, &teams, &body).await.json();
    assert_eq!((&made["member_count"], &made["is_default"]), (&json!(0), &json!(true)));
    let crew = format!("{teams}/crew");
    for user in ["usr_member", "usr_viewer"] {
        let added = owner.json(Method::POST, &format!("{crew}/members"), &json!({ "user_id": user })).await;
        assert_eq!(added.status, 201);
    }
    assert_eq!(owner.get(&crew).await.json()["member_count"], 2);
    bare(&owner, Method::DELETE, &format!("{crew}/members/usr_viewer")).await;
    assert_eq!(owner.get(&teams).await.json()["data"][0]["member_count"], 1);
    bare(&owner, Method::DELETE, &format!("{ACME}/members/usr_member")).await;
    assert_eq!(owner.get(&crew).await.json()["member_count"], 0, "who left the organization left the team");
    refused(&owner.json(Method::PUT, &crew, &json!({ "slug": "crew" })).await, 422, "invalid_value");
    let whole = owner.json(Method::PUT, &crew, &json!({ "name": "The crew" })).await.json();
    assert_eq!(
        (&whole["name"], &whole["slug"], &whole["description"], &whole["is_default"]),
        (&json!("The crew"), &json!("crew"), &json!(""), &json!(false)),
    );
}
