use std::sync::Mutex;

use http::Method;
use serde_json::{Value, json};

use super::{delivery, signing};
use crate::{
    Courier, Message, Network,
    db::BoxFuture,
    events::{Actor, Event, EventType},
    management::tests::{bare, refused},
    testing::{Browser, NOW, Reply, Site, TempDir, settings, site},
};

const HOOKS: &str = "/api/platform/projects/proj_p/webhooks";

/// One message that arrived: its address, its head, its body.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    url: String,
    headers: Vec<(&'static str, String)>,
    pub(crate) body: Value,
    pub(crate) text: String,
}

impl Sent {
    pub(crate) fn header(&self, name: &str) -> &str {
        &self.headers.iter().find(|(known, _)| *known == name).unwrap().1
    }

    /// Whether one of the signatures is by this secret.
    pub(crate) fn is_signed_by(&self, secret: &str) -> bool {
        let (id, timestamp) = (self.header("webhook-id"), self.header("webhook-timestamp").parse().unwrap());
        let wanted = signing::sign(&[secret.to_owned()], id, timestamp, &self.text).unwrap();
        self.header("webhook-signature").split(' ').any(|one| one == wanted)
    }
}

/// A receiver that answers as it is told; 0 is no answer.
#[derive(Debug)]
pub(crate) struct Receiver {
    status: Mutex<u16>,
    sent: Mutex<Vec<Sent>>,
}

impl Receiver {
    pub(crate) fn answering(status: u16) -> Self {
        Self { status: Mutex::new(status), sent: Mutex::default() }
    }

    pub(crate) fn answer(&self, status: u16) {
        *self.status.lock().unwrap() = status;
    }

    pub(crate) fn taken(&self) -> Vec<Sent> {
        std::mem::take(&mut *self.sent.lock().unwrap())
    }
}

impl Courier for Receiver {
    fn post<'a>(&'a self, message: Message<'a>) -> BoxFuture<'a, Result<u16, String>> {
        assert_eq!(message.content_type, "application/json");
        let body = serde_json::from_str(&message.body).unwrap();
        let sent = Sent { url: message.url.to_owned(), headers: message.headers, body, text: message.body };
        self.sent.lock().unwrap().push(sent);
        let status = *self.status.lock().unwrap();
        Box::pin(std::future::ready(if status == 0 { Err("no connection".to_owned()) } else { Ok(status) }))
    }
}

/// Looks and delivers, as the task does in its rounds.
pub(crate) async fn round(site: &Site, receiver: &Receiver) {
    for id in delivery::look(site.issuer.app()).await.unwrap() {
        delivery::deliver(site.issuer.app(), receiver, &id).await.unwrap();
    }
}

async fn operator(site: &Site) -> Browser {
    let operator = site.browser();
    operator.operator("ops@example.com").await;
    operator
}

pub(crate) async fn make(operator: &Browser, types: &[&str]) -> Value {
    let body = json!({ "url": "https://hooks.example.com/x?a=b", "types": types });
    let made = operator.json(Method::POST, HOOKS, &body).await;
    assert_eq!(made.status, 201, "{}", made.text());
    made.json()
}

async fn happen(site: &Site, kind: EventType, times: usize) {
    site.write(move |tx| {
        Box::pin(async move {
            for number in 0..times {
                tx.record(Event {
                    project_id: "proj_p".to_owned(),
                    kind,
                    actor: Actor::User("usr_owner".to_owned()),
                    org_id: Some("org_acme".to_owned()),
                    target_id: format!("mem_{number}"),
                    data: json!({ "user_id": "usr_n", "role": "viewer" }),
                    at: NOW,
                });
            }
            Ok(())
        })
    })
    .await;
}

async fn deliveries(operator: &Browser, id: &Value, query: &str) -> Vec<Value> {
    let reply = operator.get(&format!("{HOOKS}/{}/deliveries{query}", id.as_str().unwrap())).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()["data"].as_array().unwrap().clone()
}

async fn change(operator: &Browser, id: &Value, body: Value) -> Reply {
    operator.json(Method::PATCH, &format!("{HOOKS}/{}", id.as_str().unwrap()), &body).await
}

async fn act(operator: &Browser, id: &Value, what: &str, body: Value) -> Reply {
    operator.json(Method::POST, &format!("{HOOKS}/{}/{what}", id.as_str().unwrap()), &body).await
}

#[orgate_testkit::both]
async fn what_is_wanted_arrives_once_signed_and_in_order() {
    let (site, receiver) = (site().await, Receiver::answering(204));
    let operator = operator(&site).await;
    let made = make(&operator, &["member.*", "organization.created"]).await;
    let other = make(&operator, &["organization.deleted"]).await;
    happen(&site, EventType::MemberAdded, 2).await;
    happen(&site, EventType::RoleCreated, 1).await;
    round(&site, &receiver).await;
    round(&site, &receiver).await;
    let sent = receiver.taken();
    assert_eq!(sent.len(), 2, "{sent:?}");
    let secret = made["secret"].as_str().unwrap();
    for one in &sent {
        assert_eq!(one.url, "https://hooks.example.com/x?a=b");
        assert!(secret.starts_with("whsec_") && one.is_signed_by(secret));
        assert!(!one.is_signed_by(other["secret"].as_str().unwrap()));
        assert_eq!(one.header("webhook-timestamp"), (NOW / 1000).to_string());
        assert_eq!(
            (&one.body["type"], &one.body["data"]["action"]),
            (&json!("member.added"), &json!("member.added"))
        );
        assert_eq!(one.body["data"]["data"], json!({ "user_id": "usr_n", "role": "viewer" }));
        assert_eq!(one.body["data"]["id"], one.header("webhook-id"));
    }
    assert_eq!(
        (&sent[0].body["data"]["target_id"], &sent[1].body["data"]["target_id"]),
        (&json!("mem_0"), &json!("mem_1"))
    );
    let listed = deliveries(&operator, &made["id"], "").await;
    assert_eq!(listed.len(), 2);
    for row in &listed {
        assert_eq!(
            (&row["status"], &row["code"], &row["attempts"]),
            (&json!("delivered"), &json!(204), &json!(1))
        );
    }
    assert!(deliveries(&operator, &other["id"], "").await.is_empty());
    // A rolled back change makes none.
    let undone = site.issuer.app().db.write::<(), crate::db::DbError>(|tx| {
        Box::pin(async move {
            tx.record(Event {
                project_id: "proj_p".to_owned(),
                kind: EventType::MemberAdded,
                actor: Actor::System,
                org_id: None,
                target_id: "mem_x".to_owned(),
                data: json!({}),
                at: NOW,
            });
            Err(crate::db::DbError::Inconsistent("on purpose".to_owned()))
        })
    });
    assert!(undone.await.is_err());
    round(&site, &receiver).await;
    assert!(receiver.taken().is_empty());
}

#[orgate_testkit::both]
async fn what_did_not_arrive_is_tried_again_and_is_the_same() {
    let (site, receiver) = (site().await, Receiver::answering(0));
    let operator = operator(&site).await;
    let made = make(&operator, &["member.added"]).await;
    happen(&site, EventType::MemberAdded, 1).await;
    for (attempt, status) in [0, 500, 302, 404, 200].into_iter().enumerate() {
        receiver.answer(status);
        round(&site, &receiver).await;
        round(&site, &receiver).await;
        assert_eq!(receiver.sent.lock().unwrap().len(), attempt + 1, "not before its time");
        let row = &deliveries(&operator, &made["id"], "").await[0];
        assert_eq!(row["attempts"], attempt + 1);
        assert_eq!(row["status"], if status == 200 { "delivered" } else { "pending" });
        let shown = operator.get(&format!("{HOOKS}/{}", made["id"].as_str().unwrap())).await.json();
        assert_eq!(shown["failing_since"].is_null(), status == 200);
        // The jitter is at most a tenth.
        site.clock.advance([5_500, 330_000, 1_980_000, 7_920_000, 19_800_000][attempt]);
    }
    let sent = receiver.taken();
    assert!(
        sent.iter()
            .all(|one| one.text == sent[0].text && one.header("webhook-id") == sent[0].header("webhook-id"))
    );
    assert_ne!(sent[0].header("webhook-timestamp"), sent[4].header("webhook-timestamp"));
    round(&site, &receiver).await;
    assert!(receiver.taken().is_empty());
}

#[orgate_testkit::both]
async fn an_endpoint_where_nothing_arrives_is_disabled_and_goes_on_from_there() {
    let (site, receiver) = (site().await, Receiver::answering(500));
    let operator = operator(&site).await;
    let made = make(&operator, &["member.added"]).await;
    let watcher = make(&operator, &["webhook.disabled"]).await;
    happen(&site, EventType::MemberAdded, 1).await;
    for _ in 0..12 {
        round(&site, &receiver).await;
        site.clock.advance(27 * 3_600_000);
    }
    assert_eq!(receiver.taken().iter().filter(|one| one.body["type"] == "member.added").count(), 10);
    operator.operator("ops@example.com").await;
    let shown = operator.get(&format!("{HOOKS}/{}", made["id"].as_str().unwrap())).await.json();
    assert_eq!(shown["status"], "disabled");
    assert_eq!(deliveries(&operator, &made["id"], "?status=failed").await.len(), 1);
    receiver.answer(200);
    round(&site, &receiver).await;
    assert_eq!(deliveries(&operator, &watcher["id"], "").await.len(), 1);
    receiver.taken();
    // What happens meanwhile waits.
    happen(&site, EventType::MemberAdded, 3).await;
    round(&site, &receiver).await;
    assert!(receiver.taken().is_empty());
    assert_eq!(change(&operator, &made["id"], json!({ "status": "active" })).await.status, 200);
    round(&site, &receiver).await;
    assert_eq!(receiver.taken().len(), 3);
    // Whoever says that they are gone is believed at once.
    receiver.answer(410);
    happen(&site, EventType::MemberAdded, 3).await;
    round(&site, &receiver).await;
    assert_eq!(receiver.taken().len(), 1);
    assert_eq!(crate::management::tests::last_event(&site, "webhook.disabled").await.1["active"], false);
}

#[orgate_testkit::both]
async fn two_processes_send_nothing_twice() {
    let (site, receiver) = (site().await, Receiver::answering(200));
    let operator = operator(&site).await;
    make(&operator, &["member.*"]).await;
    happen(&site, EventType::MemberAdded, 30).await;
    let app = site.issuer.app();
    for _ in 0..3 {
        // Both look before either has moved on.
        let (one, other) = tokio::join!(delivery::look(app), delivery::look(app));
        for id in one.unwrap().into_iter().chain(other.unwrap()).take(2) {
            let work = || delivery::deliver(app, &receiver, &id);
            let (one, other, third) = tokio::join!(work(), work(), work());
            assert!(one.is_ok() && other.is_ok() && third.is_ok());
        }
    }
    let mut ids: Vec<String> =
        receiver.taken().iter().map(|one| one.header("webhook-id").to_owned()).collect();
    assert_eq!(ids.len(), 30);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 30);
}

#[orgate_testkit::both]
async fn a_new_secret_signs_beside_the_old_one_for_a_while() {
    let (site, receiver) = (site().await, Receiver::answering(200));
    let operator = operator(&site).await;
    let made = make(&operator, &["*"]).await;
    round(&site, &receiver).await;
    receiver.taken();
    let (old, id) = (made["secret"].as_str().unwrap(), &made["id"]);
    let rotated = act(&operator, id, "rotate-secret", json!({ "overlap": 60 })).await;
    assert_eq!(rotated.status, 200, "{}", rotated.text());
    let new = rotated.json()["secret"].as_str().unwrap().to_owned();
    round(&site, &receiver).await;
    let sent = receiver.taken();
    assert!(!sent.is_empty() && sent.iter().all(|one| one.is_signed_by(old) && one.is_signed_by(&new)));
    site.clock.advance(60_000);
    assert_eq!(act(&operator, id, "test", json!({})).await.status, 202);
    round(&site, &receiver).await;
    let sent = receiver.taken();
    assert_eq!((sent.len(), &sent[0].body["type"]), (1, &json!("webhook.test")));
    assert!(sent[0].is_signed_by(&new) && !sent[0].is_signed_by(old));
    // Neither is to be had again, and neither is in the database.
    let disk = site.disk();
    for secret in [old, &new] {
        assert!(!disk.windows(secret.len()).any(|window| window == secret.as_bytes()));
        assert!(!operator.get(HOOKS).await.text().contains(secret));
    }
    // The secret of the installation changes, and the receivers notice nothing.
    site.issuer.shutdown().await;
    let rotated =
        crate::maintenance::rotate_secret(&site.dir.database(), Some(&site.dir.secret()), NOW).await.unwrap();
    assert_eq!(rotated.webhooks, 1);
    let lines = std::fs::read_to_string(site.dir.secret()).unwrap();
    std::fs::write(site.dir.secret(), lines.lines().next().unwrap()).unwrap();
    let again = Site::with(settings(&site.dir), TempDir::new(), site.clock.clone()).await;
    happen(&again, EventType::MemberAdded, 1).await;
    round(&again, &receiver).await;
    let sent = receiver.taken();
    assert!(!sent.is_empty() && sent.iter().all(|one| one.is_signed_by(&new)));
}

#[orgate_testkit::both]
async fn what_was_sent_is_sent_again_on_demand() {
    let (site, receiver) = (site().await, Receiver::answering(200));
    let operator = operator(&site).await;
    let made = make(&operator, &["member.added"]).await;
    happen(&site, EventType::MemberAdded, 5).await;
    happen(&site, EventType::MemberRemoved, 5).await;
    round(&site, &receiver).await;
    let (first, id) = (receiver.taken(), &made["id"]);
    let seq = first[1].body["data"]["seq"].as_i64().unwrap();
    let one = &deliveries(&operator, id, "").await[0];
    let replayed = act(&operator, id, "replay", json!({ "delivery_id": one["id"] })).await;
    assert_eq!(
        (replayed.status.as_u16(), &replayed.json()["count"]),
        (202, &json!(1)),
        "{}",
        replayed.text()
    );
    let range = act(&operator, id, "replay", json!({ "from_seq": seq, "to_seq": seq + 1 })).await;
    assert_eq!(range.json(), json!({ "count": 2, "next_seq": null }));
    assert_eq!(act(&operator, id, "replay", json!({ "from_seq": seq })).await.json()["count"], 4);
    round(&site, &receiver).await;
    let again = receiver.taken();
    assert_eq!(again.len(), 7);
    for one in &again {
        let before =
            first.iter().find(|first| first.header("webhook-id") == one.header("webhook-id")).unwrap();
        assert_eq!(before.text, one.text);
    }
    for body in [
        json!({}),
        json!({ "delivery_id": "whd_none" }),
        json!({ "from_seq": 0 }),
        json!({ "delivery_id": one["id"], "from_seq": 1 }),
        json!({ "from_seq": "1" }),
    ] {
        assert_eq!(act(&operator, id, "replay", body.clone()).await.status, 422, "{body}");
    }
    // Deliveries of one endpoint are none of another.
    let other = make(&operator, &["*"]).await;
    assert_eq!(act(&operator, &other["id"], "replay", json!({ "delivery_id": one["id"] })).await.status, 422);
    let (mut paged, mut cursor) = (0, String::new());
    loop {
        let path = format!("{HOOKS}/{}/deliveries?limit=5{cursor}", id.as_str().unwrap());
        let reply = operator.get(&path).await.json();
        paged += reply["data"].as_array().unwrap().len();
        let Some(next) = reply["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(paged, 12);
    // After a month nobody remembers.
    site.clock.advance(31 * 24 * 3_600_000);
    crate::upkeep::purge(site.issuer.app()).await.unwrap();
    operator.operator("ops@example.com").await;
    assert!(deliveries(&operator, id, "").await.is_empty());
}

#[orgate_testkit::both]
async fn endpoints_are_checked_and_belong_to_their_project() {
    let site = site().await;
    let operator = operator(&site).await;
    let made = make(&operator, &["member.added"]).await;
    for (body, field) in [
        (json!({ "url": "http://hooks.example.com/", "types": ["*"] }), "url"),
        (json!({ "url": "https://169.254.169.254/latest", "types": ["*"] }), "url"),
        (json!({ "url": "https://10.0.0.1/", "types": ["*"] }), "url"),
        (json!({ "url": "https://[::ffff:10.0.0.1]/", "types": ["*"] }), "url"),
        (json!({ "url": "https://a:b@hooks.example.com/", "types": ["*"] }), "url"),
        (json!({ "url": "nothing", "types": ["*"] }), "url"),
        (json!({ "url": format!("https://hooks.example.com/{}", "x".repeat(2048)), "types": ["*"] }), "url"),
        (json!({ "types": ["*"] }), "url"),
        (json!({ "url": "https://hooks.example.com/", "types": [] }), "types"),
        (json!({ "url": "https://hooks.example.com/" }), "types"),
        (json!({ "url": "https://hooks.example.com/", "types": ["member"] }), "types"),
        (json!({ "url": "https://hooks.example.com/", "types": ["mem*"] }), "types"),
        (json!({ "url": "https://hooks.example.com/", "types": "*" }), "types"),
        (
            json!({ "url": "https://hooks.example.com/", "types": ["*"], "description": "a\nb" }),
            "description",
        ),
    ] {
        let reply = operator.json(Method::POST, HOOKS, &body).await;
        refused(&reply, 422, "invalid_value");
        assert_eq!(reply.json()["field"], field, "{body}");
    }
    let unknown = json!({ "url": "https://hooks.example.com/", "types": ["*"], "secret": "whsec_" });
    refused(&operator.json(Method::POST, HOOKS, &unknown).await, 422, "unknown_field");
    refused(
        &change(&operator, &made["id"], json!({ "url": "https://192.168.1.1/" })).await,
        422,
        "invalid_value",
    );
    refused(&change(&operator, &made["id"], json!({ "status": "gone" })).await, 422, "invalid_value");
    refused(
        &act(&operator, &made["id"], "rotate-secret", json!({ "overlap": -1 })).await,
        422,
        "invalid_value",
    );
    let changed = change(
        &operator,
        &made["id"],
        json!({ "url": "https://a.example.com", "types": ["*"], "description": "x" }),
    );
    let changed = changed.await.json();
    assert_eq!((&changed["url"], &changed["description"]), (&json!("https://a.example.com/"), &json!("x")));
    // No event tells the address, which may hold a secret.
    let shown = operator.get("/api/platform/projects/proj_p/audit?type=webhook.*").await.text();
    assert!(
        shown.contains("webhook.created")
            && shown.contains("webhook.updated")
            && !shown.contains("example.com")
    );

    let stranger = site.browser();
    stranger.operator("ops2@example.com").await;
    let path = format!("{HOOKS}/{}", made["id"].as_str().unwrap());
    let theirs = path.replace("proj_p", "proj_q");
    for path in [HOOKS.to_owned(), path.clone(), theirs.clone(), format!("{theirs}/deliveries")] {
        assert_eq!(stranger.get(&path).await.status, 404, "{path}");
    }
    for what in ["test", "rotate-secret", "replay"] {
        let body = json!({});
        for path in [&path, &theirs] {
            let reply = stranger.json(Method::POST, &format!("{path}/{what}"), &body).await;
            assert!(matches!(reply.status.as_u16(), 404 | 422), "{path}/{what}: {}", reply.status);
        }
    }
    assert_eq!(bare(&stranger, Method::DELETE, &theirs).await.status, 404);
    site.change("UPDATE project_operators SET role = 'viewer'").await;
    assert_eq!(operator.get(&path).await.status, 200);
    refused(&bare(&operator, Method::DELETE, &path).await, 403, "forbidden");
    refused(&act(&operator, &made["id"], "test", json!({})).await, 403, "forbidden");
    site.change("UPDATE project_operators SET role = 'admin'").await;
    assert_eq!(bare(&operator, Method::DELETE, &path).await.status, 204);
    assert_eq!(operator.get(&path).await.status, 404);
    for _ in 0..50 {
        make(&operator, &["*"]).await;
    }
    let body = json!({ "url": "https://hooks.example.com/", "types": ["*"] });
    refused(&operator.json(Method::POST, HOOKS, &body).await, 409, "conflict");
}

#[orgate_testkit::both]
async fn an_address_that_has_become_bad_is_sent_nothing() {
    let (site, receiver) = (site().await, Receiver::answering(200));
    let operator = operator(&site).await;
    let made = make(&operator, &["member.added"]).await;
    site.change("UPDATE webhook_endpoints SET url = 'https://169.254.169.254/'").await;
    happen(&site, EventType::MemberAdded, 1).await;
    round(&site, &receiver).await;
    assert!(receiver.taken().is_empty());
    let row = &deliveries(&operator, &made["id"], "").await[0];
    assert!(row["error"].as_str().unwrap().contains("public"), "{row}");
}

#[orgate_testkit::both]
async fn an_operator_allows_networks_of_their_own() {
    let dir = TempDir::new();
    let mut settings = settings(&dir);
    settings.allowed_networks = vec![Network::parse("10.1.0.0/16").unwrap()];
    let site = Site::with(settings, dir, crate::ManualClock::at(NOW)).await;
    site.populate().await;
    let operator = operator(&site).await;
    for (url, status) in [("https://10.1.2.3/", 201), ("https://10.2.0.1/", 422), ("http://10.1.2.3/", 422)] {
        let reply = operator.json(Method::POST, HOOKS, &json!({ "url": url, "types": ["*"] })).await;
        assert_eq!(reply.status, status, "{url}");
    }
}
