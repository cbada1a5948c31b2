//! Applications hear of the end of a session.

use std::sync::Mutex;

use super::{clients::add, *};
use crate::{
    Courier, Message,
    clients::ClientKind,
    db::BoxFuture,
    testing::{PASSWORD, TempDir, settings},
    tokens::backchannel::deliver,
};

/// Keeps what it is given, and answers as it is told.
#[derive(Debug, Default)]
struct Recorder {
    status: Mutex<u16>,
    sent: Mutex<Vec<(String, String)>>,
}

impl Courier for Recorder {
    fn post<'a>(&'a self, message: Message<'a>) -> BoxFuture<'a, Result<u16, String>> {
        assert_eq!(message.content_type, "application/x-www-form-urlencoded");
        self.sent.lock().unwrap().push((message.url.to_owned(), message.body));
        let status = *self.status.lock().unwrap();
        Box::pin(std::future::ready(if status == 0 { Err("refused".to_owned()) } else { Ok(status) }))
    }
}

impl Recorder {
    fn answering(&self, status: u16) -> usize {
        *self.status.lock().unwrap() = status;
        self.sent.lock().unwrap().len()
    }
}

/// Somebody signs in at `app_out` and at the default client, and out again.
async fn signed_out(site: &Site) {
    let uri = "http://127.0.0.1:9/logout".to_owned();
    add(site, "app_out", ClientKind::Confidential, |client| client.backchannel_logout_uri = Some(uri)).await;
    let browser = site.browser();
    for client in ["app_out", "proj_p"] {
        let fields = [("client_id", client), ("scope", "openid")];
        let first = browser.authorize(&fields).await;
        let code = match first.parameter("request") {
            None => first.parameter("code").unwrap(),
            Some(request) => {
                let fields =
                    [("email", "admin@example.com"), ("password", PASSWORD), ("request", request.as_str())];
                browser.form("/p/proj_p/login", &fields).await.parameter("code").unwrap()
            }
        };
        assert_eq!(browser.token(&and(exchange(&code), "client_id", client)).await.status, 200);
    }
    let out = browser.send(Method::POST, "/v1/auth/logout", &[("origin", ORIGIN)], String::new()).await;
    assert_eq!(out.status, 204);
}

#[orgate_testkit::both]
async fn the_applications_of_a_session_are_told_of_its_end() {
    let site = site().await;
    signed_out(&site).await;
    let courier = Recorder::default();
    courier.answering(200);
    deliver(site.issuer.app(), &courier).await.unwrap();
    deliver(site.issuer.app(), &courier).await.unwrap();
    let sent = courier.sent.lock().unwrap().clone();
    assert_eq!(sent.len(), 1, "once, and only who asked for it");
    assert_eq!(sent[0].0, "http://127.0.0.1:9/logout");
    let token = sent[0].1.strip_prefix("logout_token=").unwrap();
    assert_eq!(decode_header(token).unwrap().typ.as_deref(), Some("logout+jwt"));
    let claims = verified(&site, &json!(token), "app_out").await;
    assert_eq!(claims["sub"], "usr_admin");
    assert!(claims["sid"].as_str().unwrap().starts_with("ses_"));
    assert_eq!(claims["events"], json!({ "http://schemas.openid.net/event/backchannel-logout": {} }));
    assert!(claims.get("nonce").is_none() && claims["exp"].as_i64() > claims["iat"].as_i64());
    assert_eq!(site.count("SELECT COUNT(*) AS n FROM logout_deliveries").await, 0);
}

#[orgate_testkit::both]
async fn what_did_not_arrive_is_tried_again_and_not_for_ever() {
    let site = site().await;
    signed_out(&site).await;
    let courier = Recorder::default();
    for (attempt, status) in [0, 500, 302, 404].into_iter().enumerate() {
        assert_eq!(courier.answering(status), attempt);
        deliver(site.issuer.app(), &courier).await.unwrap();
        assert_eq!(courier.answering(status), attempt + 1, "{status}");
        deliver(site.issuer.app(), &courier).await.unwrap();
        assert_eq!(courier.answering(status), attempt + 1, "not before its time");
        site.clock.advance(10_000 * 3_i64.pow(u32::try_from(attempt).unwrap()));
    }
    for _ in 0..10 {
        deliver(site.issuer.app(), &courier).await.unwrap();
        site.clock.advance(24 * 3_600_000);
    }
    assert_eq!(courier.answering(500), 8);
    assert_eq!(site.count("SELECT COUNT(*) AS n FROM logout_deliveries").await, 0);
}

#[orgate_testkit::both]
async fn news_goes_to_https_and_on_a_developers_machine_to_that() {
    let site = site().await;
    signed_out(&site).await;
    let courier = Recorder::default();
    courier.answering(200);
    site.change(
        "UPDATE clients SET backchannel_logout_uri = 'http://169.254.169.254/x' WHERE id = 'app_out'",
    )
    .await;
    deliver(site.issuer.app(), &courier).await.unwrap();
    assert_eq!(courier.answering(200), 0, "never in the clear to somewhere else");
    site.clock.advance(3_600_000);
    site.change("UPDATE clients SET backchannel_logout_uri = 'https://10.0.0.1/x' WHERE id = 'app_out'")
        .await;
    deliver(site.issuer.app(), &courier).await.unwrap();
    assert_eq!(courier.answering(200), 0, "nor into a network that is not the public one");
    site.clock.advance(3_600_000);
    site.change(
        "UPDATE clients SET backchannel_logout_uri = 'https://app.example.com/x' WHERE id = 'app_out'",
    )
    .await;
    deliver(site.issuer.app(), &courier).await.unwrap();
    assert_eq!(courier.answering(200), 1);
}

#[orgate_testkit::both]
async fn the_metadata_says_whether_anybody_is_told() {
    let dir = TempDir::new();
    let mut settings = settings(&dir);
    settings.courier = Some(std::sync::Arc::new(Recorder::default()));
    let site = Site::with(settings, dir, crate::ManualClock::at(crate::testing::NOW)).await;
    let plan = "INSERT INTO projects (id, name, audience, trusted_origins, access_ttl, refresh_idle_ttl, \
                refresh_abs_ttl, refresh_grace, created_at, updated_at) \
                VALUES ('proj_p', 'P', '[\"a\"]', '[]', 300000, 1, 1, 1, 0, 0)";
    site.change(plan).await;
    let document = site.browser().get("/p/proj_p/.well-known/openid-configuration").await.json();
    assert_eq!(document["backchannel_logout_supported"], true);
}
