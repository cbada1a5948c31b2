use std::{
    collections::HashMap,
    future::pending,
    sync::{Arc, Mutex},
};

use http::Method;
use serde_json::json;

use super::*;
use crate::{
    ManualClock,
    db::DbError,
    events::{Event, EventType},
    testing::{Browser, NOW, PASSWORD, Reply, Site, TempDir, add_clients, populate, settings},
};

/// What a hook of a test does.
#[derive(Clone, Debug)]
enum Turn {
    Refuse(Refusal),
    Panic,
    Hang,
}

/// Notes every call, with what it was called with.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    calls: Mutex<Vec<(&'static str, String)>>,
    turns: Mutex<HashMap<&'static str, Turn>>,
}

impl Recorder {
    async fn asked(&self, name: &'static str, it: String) -> Result<(), Refusal> {
        self.calls.lock().unwrap().push((name, it));
        let turn = self.turns.lock().unwrap().get(name).cloned();
        match turn {
            None => Ok(()),
            Some(Turn::Refuse(refusal)) => Err(refusal),
            Some(Turn::Panic) => panic!("on purpose"),
            Some(Turn::Hang) => pending().await,
        }
    }

    async fn told(&self, name: &'static str, it: String) {
        let _ = self.asked(name, it).await;
    }

    fn will(&self, name: &'static str, turn: Turn) {
        self.turns.lock().unwrap().insert(name, turn);
    }

    /// The calls since the last time.
    pub(crate) fn take(&self) -> Vec<(&'static str, String)> {
        std::mem::take(&mut *self.calls.lock().unwrap())
    }

    fn names(&self) -> Vec<&'static str> {
        self.take().into_iter().map(|(name, _)| name).collect()
    }
}

macro_rules! record {
    ($($name:ident $payload:ident $answer:ident $as:ident;)*) => {
        impl Hooks for Recorder {
            $(fn $name<'a>(&'a self, it: &'a $payload) -> $answer<'a> {
                Box::pin(self.$as(stringify!($name), format!("{it:?}")))
            })*
        }
    };
}

record! {
    before_sign_up SignUp Before asked;
    after_user_created UserCreated After told;
    before_sign_in SignIn Before asked;
    after_sign_in SignedIn After told;
    before_org_create OrgCreate Before asked;
    after_org_create OrgCreated After told;
    before_org_update OrgUpdate Before asked;
    after_org_update OrgUpdated After told;
    before_org_delete OrgDelete Before asked;
    after_org_delete OrgDeleted After told;
    before_member_add MemberAdd Before asked;
    after_member_add MemberAdded After told;
    before_member_remove MemberRemove Before asked;
    after_member_remove MemberRemoved After told;
    before_member_role_change MemberRoleChange Before asked;
    after_member_role_change MemberRoleChanged After told;
}

pub(crate) async fn site() -> (Site, Arc<Recorder>) {
    let (dir, recorder) = (TempDir::new(), Arc::new(Recorder::default()));
    let mut settings = settings(&dir);
    settings.hooks = Some(Arc::clone(&recorder) as Arc<dyn Hooks>);
    let site = Site::with(settings, dir, ManualClock::at(NOW)).await;
    site.write(|tx| Box::pin(populate(tx))).await;
    add_clients(&site).await;
    site.issuer.told().await;
    (site, recorder)
}

const ORGS: &str = "/api/platform/projects/proj_p/orgs";

async fn operator(site: &Site) -> Browser {
    let browser = site.browser();
    assert_eq!(browser.operator("ops@example.com").await.status, 204);
    browser
}

async fn make(browser: &Browser, slug: &str) -> Reply {
    let body = json!({ "name": "Initech", "slug": slug, "creator_end_user_id": "usr_n" });
    browser.json(Method::POST, ORGS, &body).await
}

#[orgate_testkit::both]
async fn what_was_done_is_told_once_with_who_did_it() {
    let (site, recorder) = site().await;
    let set_up = recorder.names();
    let count = |name: &str| set_up.iter().filter(|known| **known == name).count();
    assert_eq!((count("after_org_create"), count("after_member_add"), set_up.len()), (2, 5, 7), "{set_up:?}");

    let browser = operator(&site).await;
    let id = make(&browser, "initech").await.json()["id"].as_str().unwrap().to_owned();
    let member = json!({ "user_id": "usr_x", "role": "viewer" });
    let added = browser.json(Method::POST, &format!("{ORGS}/{id}/members"), &member).await.json();
    site.issuer.told().await;
    let calls = recorder.take();
    let names: Vec<_> = calls.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["before_org_create", "after_org_create", "before_member_add", "after_member_add"]);
    assert!(calls.iter().all(|(_, it)| it.contains("actor: Operator(\"")), "{calls:?}");
    let member_id = added["id"].as_str().unwrap();
    for (at, part) in [
        (0, "name: \"Initech\", slug: Some(\"initech\"), owner_id: \"usr_n\"".to_owned()),
        (
            1,
            format!(
                "org_id: \"{id}\", name: \"Initech\", slug: \"initech\", owner_id: \"usr_n\", at_ms: {NOW}"
            ),
        ),
        (2, format!("org_id: \"{id}\", user_id: \"usr_x\", role: \"viewer\"")),
        (3, format!("org_id: \"{id}\", member_id: \"{member_id}\", user_id: \"usr_x\", role: \"viewer\"")),
    ] {
        assert!(calls[at].1.contains(&part), "{part} in {calls:?}");
    }
}

#[orgate_testkit::both]
async fn what_failed_is_asked_about_and_never_told() {
    let (site, recorder) = site().await;
    recorder.take();
    let browser = operator(&site).await;
    assert_eq!(make(&browser, "acme").await.code(), "slug_taken");
    site.issuer.told().await;
    assert_eq!(recorder.names(), ["before_org_create"]);
    // Nobody is asked about what is not allowed in the first place.
    assert_eq!(make(&site.browser(), "initech").await.status, 401);
    assert!(recorder.names().is_empty());
}

#[orgate_testkit::both]
async fn what_a_hook_refuses_does_not_happen_and_the_reason_goes_out() {
    let (site, recorder) = site().await;
    let browser = operator(&site).await;
    recorder.take();
    let add = async || {
        let member = json!({ "user_id": "usr_x", "role": "viewer" });
        browser.json(Method::POST, &format!("{ORGS}/org_acme/members"), &member).await
    };
    recorder.will("before_member_add", Turn::Refuse(Refusal::because("seats", "All seats are taken.")));
    let reply = add().await;
    assert_eq!((reply.status.as_u16(), reply.code()), (403, json!("refused_by_hook")));
    let body = reply.json();
    assert_eq!((&body["detail"], &body["reason"]), (&json!("All seats are taken."), &json!("seats")));
    recorder.will("before_member_add", Turn::Refuse(Refusal::field("role", "is not in your plan")));
    let reply = add().await;
    let body = reply.json();
    assert_eq!((reply.status.as_u16(), reply.code()), (422, json!("invalid_value")));
    assert_eq!((&body["field"], &body["detail"]), (&json!("role"), &json!("is not in your plan")));
    recorder.will("before_member_add", Turn::Refuse(Refusal::unavailable("no billing")));
    let reply = add().await;
    assert_eq!((reply.status.as_u16(), reply.code()), (503, json!("unavailable")));
    recorder.will("before_member_add", Turn::Panic);
    let reply = add().await;
    assert_eq!((reply.status.as_u16(), reply.code()), (503, json!("unavailable")));
    recorder.will("before_org_create", Turn::Refuse(Refusal::new("Not now.")));
    assert_eq!(make(&browser, "initech").await.code(), "refused_by_hook");
    site.issuer.told().await;
    assert!(!recorder.names().iter().any(|name| name.starts_with("after_")), "nothing happened");
    assert_eq!(site.count("SELECT COUNT(*) AS n FROM organizations").await, 2);
    assert_eq!(site.count("SELECT COUNT(*) AS n FROM memberships WHERE org_id = 'org_acme'").await, 5);
}

#[orgate_testkit::both]
async fn a_hook_that_hangs_is_given_up_and_what_follows_is_told() {
    let (site, recorder) = site().await;
    let browser = operator(&site).await;
    recorder.take();
    recorder.will("after_org_create", Turn::Hang);
    assert_eq!(make(&browser, "initech").await.status, 201, "nobody waits for it");
    recorder.will("before_org_create", Turn::Hang);
    let (reply, ()) = tokio::join!(make(&browser, "globex-2"), site.issuer.told());
    assert_eq!((reply.status.as_u16(), reply.code()), (503, json!("unavailable")));
    recorder.will("after_member_add", Turn::Panic);
    for user in ["usr_x", "usr_n"] {
        let member = json!({ "user_id": user, "role": "viewer" });
        browser.json(Method::POST, &format!("{ORGS}/org_acme/members"), &member).await;
    }
    site.issuer.told().await;
    let names = recorder.names();
    assert_eq!(names.iter().filter(|name| **name == "after_member_add").count(), 2, "{names:?}");
}

#[orgate_testkit::both]
async fn a_sign_up_is_asked_about_and_told_with_who_it_is() {
    let (site, recorder) = site().await;
    site.change("UPDATE projects SET personal_orgs = 1").await;
    recorder.take();
    let browser = site.browser();
    let request = browser.authorize(&[]).await.parameter("request").unwrap();
    let wish =
        [("request", &*request), ("email", "new@example.com"), ("password", PASSWORD), ("name", "New")];
    recorder.will("before_sign_up", Turn::Refuse(Refusal::new("Only <b>invited</b> people.")));
    let refused = browser.form("/p/proj_p/signup", &wish).await;
    assert_eq!(refused.status, 403);
    assert_eq!(refused.page_code().as_deref(), Some("refused_by_hook"));
    assert!(refused.text().contains("Only &lt;b&gt;invited&lt;&#x2f;b&gt; people."), "{}", refused.text());
    let json = json!({ "email": "new@example.com", "password": PASSWORD });
    let reply = browser.json(Method::POST, "/p/proj_p/v1/auth/signup", &json).await;
    assert_eq!((reply.status.as_u16(), reply.code()), (403, json!("refused_by_hook")));
    assert!(site.letter("new@example.com").await.is_none(), "no mail was sent");

    recorder.turns.lock().unwrap().clear();
    recorder.take();
    let next = browser.form("/p/proj_p/signup", &wish).await;
    let handle = next.parameter("sign_up").unwrap();
    let letter = site.letter("new@example.com").await.unwrap();
    let code = letter["text"].as_str().unwrap().lines().find(|line| line.starts_with("    ")).unwrap().trim();
    let done = browser
        .form("/p/proj_p/verify", &[("request", &request), ("sign_up", &handle), ("code", code)])
        .await;
    assert_eq!(done.status, 303);
    site.issuer.told().await;
    let calls = recorder.take();
    let names: Vec<_> = calls.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["before_sign_up", "after_user_created", "after_org_create", "after_sign_in"]);
    assert!(calls[1].1.contains("person: Some(Person)") && !format!("{calls:?}").contains('@'), "{calls:?}");
    assert!(calls[2].1.contains("name: \"New's Workspace\"") && calls[2].1.contains("actor: User("));
}

#[orgate_testkit::both]
async fn a_sign_in_that_is_refused_leaves_no_session() {
    let (site, recorder) = site().await;
    recorder.take();
    recorder.will("before_sign_in", Turn::Refuse(Refusal::new("Your company has left.")));
    let page = site.browser().login("x@example.com", PASSWORD, &[]).await;
    assert_eq!((page.status.as_u16(), page.page_code().as_deref()), (403, Some("refused_by_hook")));
    assert!(page.text().contains("Your company has left."), "{}", page.text());
    let body = json!({ "email": "x@example.com", "password": PASSWORD });
    let reply = site.browser().json(Method::POST, "/p/proj_p/v1/auth/login", &body).await;
    assert_eq!((reply.status.as_u16(), reply.code()), (403, json!("refused_by_hook")));
    assert_eq!(site.count("SELECT COUNT(*) AS n FROM sessions").await, 0);
    // Whoever does not know the password is nobody to ask about.
    recorder.take();
    let wrong = site.browser().login("x@example.com", "something else", &[]).await;
    assert_eq!(wrong.page_code().as_deref(), Some("invalid_credentials"));
    assert!(recorder.names().is_empty());
    recorder.turns.lock().unwrap().clear();
    site.browser().code("x", None, "").await;
    site.issuer.told().await;
    let calls = recorder.take();
    assert_eq!(calls[0].0, "before_sign_in");
    assert!(calls[0].1.contains("user_id: \"usr_x\", methods: [\"pwd\"]"), "{calls:?}");
    assert_eq!(
        (calls[1].0, calls[1].1.contains("user_id: \"usr_x\", session_id: \"ses_")),
        ("after_sign_in", true),
        "{calls:?}"
    );
}

fn event(kind: EventType, data: serde_json::Value) -> Event {
    Event {
        project_id: "proj_p".to_owned(),
        kind,
        actor: events::Actor::User("usr_owner".to_owned()),
        org_id: Some("org_acme".to_owned()),
        target_id: "the_target".to_owned(),
        data,
        at: NOW,
    }
}

#[orgate_testkit::both]
async fn every_change_of_organizations_and_members_has_its_hook() {
    let (site, recorder) = site().await;
    recorder.take();
    site.write(|tx| {
        Box::pin(async move {
            let (before, after) = (json!({ "name": "A", "slug": "a" }), json!({ "name": "B", "slug": "a" }));
            tx.record(event(EventType::OrganizationUpdated, json!({ "before": before, "after": after })));
            tx.record(event(
                EventType::OrganizationDeleted,
                json!({ "before": { "name": "A", "slug": "a" } }),
            ));
            tx.record(event(
                EventType::MemberRemoved,
                json!({ "user_id": "usr_x", "before": { "role": "admin" } }),
            ));
            let roles =
                json!({ "user_id": "usr_x", "before": { "role": "admin" }, "after": { "role": "viewer" } });
            tx.record(event(EventType::MemberRoleChanged, roles));
            tx.record(event(EventType::KeyRotated, json!({})));
            Ok(())
        })
    })
    .await;
    site.issuer.told().await;
    let head = "project_id: \"proj_p\", actor: User(\"usr_owner\"), org_id: \"org_acme\"";
    let tail = format!("at_ms: {NOW} }}");
    let expected = [
        (
            "after_org_update",
            format!(
                "OrgUpdated {{ {head}, before: Object {{\"name\": String(\"A\")}}, after: Object {{\"name\": String(\"B\")}}, {tail}"
            ),
        ),
        (
            "after_org_delete",
            format!(
                "OrgDeleted {{ {head}, before: Object {{\"name\": String(\"A\"), \"slug\": String(\"a\")}}, {tail}"
            ),
        ),
        (
            "after_member_remove",
            format!(
                "MemberRemoved {{ {head}, member_id: \"the_target\", user_id: \"usr_x\", role: \"admin\", {tail}"
            ),
        ),
        (
            "after_member_role_change",
            format!(
                "MemberRoleChanged {{ {head}, member_id: \"the_target\", user_id: \"usr_x\", before: \"admin\", after: \"viewer\", {tail}"
            ),
        ),
    ];
    assert_eq!(recorder.take(), expected);
}

#[orgate_testkit::both]
async fn with_many_at_once_each_commit_is_told_and_nothing_else() {
    let (site, recorder) = site().await;
    recorder.take();
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..24 {
        let db = site.issuer.app().db.clone();
        tasks.spawn(async move {
            db.write::<_, DbError>(move |tx| {
                Box::pin(async move {
                    let data = json!({ "user_id": format!("usr_{number}"), "before": { "role": "viewer" } });
                    tx.record(event(EventType::MemberRemoved, data));
                    tokio::task::yield_now().await;
                    match number % 3 {
                        0 => Err(DbError::Inconsistent("on purpose".to_owned())),
                        1 => Err(tx.contended()),
                        _ => Ok(()),
                    }
                })
            })
            .await
            .is_ok()
        });
    }
    assert_eq!(tasks.join_all().await.into_iter().filter(|done| *done).count(), 8);
    // What was committed before the end is told before the end.
    site.issuer.shutdown().await;
    let calls = recorder.take();
    assert_eq!(calls.len(), 8, "{calls:?}");
    for number in (0..24).filter(|number| number % 3 == 2) {
        let user = format!("\"usr_{number}\"");
        assert_eq!(calls.iter().filter(|(_, it)| it.contains(&user)).count(), 1, "{user}");
    }
}

/// Every change that the API makes is asked about and told, and one that is refused leaves everything as it was.
#[orgate_testkit::both]
async fn the_api_asks_before_each_change_and_tells_of_it() {
    let (site, recorder) = site().await;
    let browser = site.browser();
    browser.login("owner@example.com", PASSWORD, &[]).await;
    let organization = "/p/proj_p/v1/auth/organizations/org_acme";
    let member = |name: &str| format!("{organization}/members/usr_{name}");
    let nothing = json!({});
    let changes = [
        (Method::PATCH, organization.to_owned(), json!({ "name": "New" }), "org_update"),
        (Method::PATCH, member("viewer"), json!({ "role": "member" }), "member_role_change"),
        (Method::DELETE, member("viewer"), nothing.clone(), "member_remove"),
        (
            Method::POST,
            format!("{organization}/members"),
            json!({ "user_id": "usr_n", "role": "viewer" }),
            "member_add",
        ),
        (
            Method::POST,
            format!("{organization}/transfer-ownership"),
            json!({ "member_id": "usr_admin" }),
            "member_role_change",
        ),
        (Method::POST, format!("{organization}/leave"), nothing.clone(), "member_remove"),
    ];
    let dump = async || {
        let rows =
            "SELECT COUNT(*) + SUM(CASE WHEN role_key = 'viewer' THEN 100 ELSE 0 END) AS n FROM memberships";
        (site.count(rows).await, site.count("SELECT ver AS n FROM organizations WHERE id = 'org_acme'").await)
    };
    for (method, path, body, name) in changes {
        let asked: &'static str =
            ["before_org_update", "before_member_role_change", "before_member_remove", "before_member_add"]
                .into_iter()
                .find(|asked| asked.strip_prefix("before_") == Some(name))
                .unwrap();
        site.issuer.told().await;
        recorder.take();
        recorder.will(asked, Turn::Refuse(Refusal::new("Not now.")));
        let before = dump().await;
        let refused = browser.json(method.clone(), &path, &body).await;
        assert_eq!(refused.code(), "refused_by_hook", "{method} {path}: {}", refused.text());
        assert_eq!(dump().await, before, "{method} {path}");
        assert_eq!(recorder.names(), [asked]);
        recorder.turns.lock().unwrap().clear();
        let done = browser.json(method.clone(), &path, &body).await;
        assert!(done.status.is_success(), "{method} {path}: {}", done.text());
        site.issuer.told().await;
        let names = recorder.names();
        let told = if path.ends_with("ownership") { 2 } else { 1 };
        assert_eq!(names.len(), 1 + told, "{method} {path}: {names:?}");
        assert!(names.iter().skip(1).all(|after| after.strip_prefix("after_") == Some(name)), "{names:?}");
    }
}

#[orgate_testkit::both]
async fn an_invitation_that_is_accepted_is_asked_about_and_told() {
    let (site, recorder) = site().await;
    recorder.take();
    let owner = site.signed_in("owner").await;
    for email in ["n@example.com", "new@example.com"] {
        let body = json!({ "email": email, "role": "viewer" });
        let path = "/v1/auth/organizations/acme/invitations";
        assert_eq!(owner.json(Method::POST, path, &body).await.status, 201);
    }
    site.issuer.told().await;
    assert_eq!(recorder.names(), [""; 0]);
    let link = async |email: &str| {
        let letter = site.letter(email).await.unwrap();
        letter["links"][0].as_str().unwrap().split_once("/invitations/").unwrap().1.to_owned()
    };
    let n = site.signed_in("n").await;
    let token = link("n@example.com").await;
    let accept = format!("/v1/auth/invitations/{token}/accept");
    recorder.will("before_member_add", Turn::Refuse(Refusal::new("Not today.")));
    let refused = n.json(Method::POST, &accept, &json!({})).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (403, json!("refused_by_hook")));
    // Nor by signing up.
    let page = format!("/p/proj_p/invitations/{}", link("new@example.com").await);
    let form = [("decision", "sign_up"), ("password", PASSWORD)];
    let refused = site.browser().form(&page, &form).await;
    assert_eq!((refused.status.as_u16(), refused.page_code().as_deref()), (403, Some("refused_by_hook")));
    assert_eq!(site.count("SELECT COUNT(*) AS n FROM invitations WHERE status = 'pending'").await, 2);
    assert_eq!(recorder.names(), ["before_member_add"; 2]);
    recorder.turns.lock().unwrap().clear();
    assert_eq!(n.json(Method::POST, &accept, &json!({})).await.status, 201);
    site.issuer.told().await;
    let calls = recorder.take();
    let names: Vec<&str> = calls.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["before_member_add", "after_member_add"]);
    for (_, call) in &calls {
        assert!(call.contains("User(\"usr_n\")") && call.contains("role: \"viewer\""), "{call}");
    }
    assert_eq!(site.browser().form(&page, &form).await.page_code().as_deref(), Some("invitation_accepted"));
    site.issuer.told().await;
    let names = recorder.names();
    assert_eq!(
        names,
        ["before_member_add", "before_sign_up", "after_user_created", "after_member_add", "after_sign_in"]
    );
}
