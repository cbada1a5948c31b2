//! What an issuer revokes, at every door: requests are refused, and what lasts is cut.

use orgate_testkit::{FeedIssuer, FeedManner, TestKey, access_token_claims};
use serde_json::json;

use super::{door::Directory, *};
use crate::{
    doors::{AuthZenDoor, ExtAuthzDoor, ForwardAuthDoor, Hall, ProxyDoor},
    metrics::Metrics,
};

struct Stand {
    issuer: FeedIssuer,
    proxy: SocketAddr,
    forward_auth: SocketAddr,
    ext_authz: SocketAddr,
    authzen: SocketAddr,
    gate: orgate::Gate,
    _directory: Directory,
}

async fn serve(door: impl Handler + Sync) -> SocketAddr {
    let listener = Listener::bind("door", "127.0.0.1:0", "--door").await.expect("a port");
    let address = listener.address();
    tokio::spawn(serve::serve(listener, door, Limits::default().with_http2(), Shutdown::new()));
    address
}

impl Stand {
    async fn before(upstream: SocketAddr, terms: &str) -> Self {
        let issuer = FeedIssuer::start([TestKey::es256()]).await;
        let directory = Directory::new();
        directory.write("feed.key", FeedIssuer::KEY);
        let policy = format!(
            "version: 1\nissuers:\n  main: {{issuer: \"{}\", audience: app, profile: orgate, feed: {{key: {{file: feed.key}}}}{terms}}}\n\
             rules:\n  GET /me: authenticated\n  GET /docs: read\n",
            issuer.url()
        );
        let gate = orgate::Gate::load(&directory.write("orgate.yaml", &policy)).await.expect("a policy");
        within(gate.ready()).await;
        let hall = Hall::new(gate.clone(), Arc::new(Metrics::new([])), None);
        let upstream =
            Upstream::new(&format!("http://{upstream}"), UpstreamSettings::default()).expect("an upstream");
        let proxy = serve(ProxyDoor::new(Arc::clone(&hall), upstream)).await;
        let forward_auth = serve(ForwardAuthDoor::new(Arc::clone(&hall))).await;
        let authzen = serve(AuthZenDoor::new(Arc::clone(&hall))).await;
        let ext_authz = serve(ExtAuthzDoor::new(hall)).await;
        Self { issuer, proxy, forward_auth, ext_authz, authzen, gate, _directory: directory }
    }

    /// A token of this session, of this version of the organization.
    fn token(&self, session: &str, version: u64) -> String {
        let mut claims = access_token_claims(&self.issuer.url(), "app", orgate::clock::now().seconds());
        (claims["sid"], claims["org_ver"]) = (session.into(), version.into());
        TestKey::es256().mint(&claims)
    }

    /// What each door says about `GET /docs`: its status, and the reason.
    async fn doors(&self, token: &str) -> Vec<String> {
        let bearer = format!("Authorization: Bearer {token}\r\n");
        let front = format!(
            "Host: gate\r\nX-Forwarded-Method: GET\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: app.example\r\n\
             X-Forwarded-Uri: /docs\r\n{bearer}\r\n"
        );
        let question = json!({
            "subject": {"type": "user", "id": "any", "properties": {"access_token": token}},
            "action": {"name": "GET"},
            "resource": {"type": "route", "id": "/docs"},
        })
        .to_string();
        let mut told = Vec::new();
        for (address, asked) in [
            (self.proxy, format!("GET /docs HTTP/1.1\r\nHost: app.example\r\n{bearer}\r\n")),
            (self.forward_auth, format!("GET / HTTP/1.1\r\n{front}")),
            (self.forward_auth, format!("GET /nginx HTTP/1.1\r\n{front}")),
            (self.ext_authz, format!("GET /docs HTTP/1.1\r\nHost: app.example\r\n{bearer}\r\n")),
            (
                self.authzen,
                format!(
                    "POST /access/v1/evaluation HTTP/1.1\r\nHost: gate\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{question}",
                    question.len()
                ),
            ),
        ] {
            let mut client = Client::new(TcpStream::connect(address).await.expect("a connection"));
            client.send(asked).await;
            let answer = Box::pin(client.answer()).await;
            let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            let code = body["code"].as_str().or(body["context"]["code"].as_str()).unwrap_or_default();
            let refused = answer.header("x-orgate-refused").unwrap_or_default();
            let code = if code.is_empty() { refused.rsplit(' ').next().unwrap_or_default() } else { code };
            told.push(format!("{} {code}", answer.status()));
        }
        told
    }

    async fn revoked(&self, session: &str, mark: serde_json::Value) {
        self.issuer.revoke(mark);
        within(async {
            while self.doors(&self.token(session, 7)).await[0] != "401 revoked" {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
    }
}

#[tokio::test]
async fn a_removed_member_is_refused_at_every_door_and_a_new_token_passes() {
    let stand = Stand::before(Recorder::ok().await.address, "").await;
    let old = stand.token("ses_1", 7);
    let open = ["200 "; 5].map(str::to_owned);
    assert_eq!(stand.doors(&old).await, open);
    stand.revoked("ses_1", json!({"kind": "member", "sub": "usr_ann", "org_id": "org_acme", "min": 8})).await;
    // AuthZEN says no with 200, as it does.
    let refused =
        ["401 revoked", "401 revoked", "401 revoked", "401 revoked", "200 revoked"].map(str::to_owned);
    assert_eq!(stand.doors(&old).await, refused);
    assert_eq!(stand.doors(&stand.token("ses_1", 8)).await, open);
}

#[tokio::test]
async fn a_feed_that_is_stale_refuses_at_every_door_where_the_policy_denies() {
    let stand = Stand::before(Recorder::ok().await.address, ", max_stale: 2s, on_stale: deny").await;
    let token = stand.token("ses_1", 7);
    assert_eq!(stand.doors(&token).await[0], "200 ");
    stand.issuer.set(FeedManner::Down);
    within(async {
        while stand.gate.status().is_ready() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    let told = stand.doors(&token).await;
    assert!(told.iter().all(|answer| answer.ends_with(" stale_feed")), "{told:?}");
    assert_eq!((&*told[0], &*told[1], &*told[2]), ("503 stale_feed", "503 stale_feed", "500 stale_feed"));
    stand.issuer.set(FeedManner::Streams);
    within(async {
        while stand.doors(&token).await[0] != "200 " {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn what_lasts_is_cut_when_its_caller_is_revoked_and_goes_on_for_others() {
    // Switches protocols where it is asked to, and otherwise answers without end.
    let app = upstream(|mut app, _| async move {
        let head = app.head().await;
        let (begin, beat) = if head.contains("pgrade: websocket") {
            ("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", "beat ")
        } else {
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "5\r\nbeat \r\n")
        };
        app.send(begin).await;
        loop {
            tokio::time::sleep(Duration::from_millis(20)).await;
            if app.stream.write_all(beat.as_bytes()).await.is_err() {
                return;
            }
        }
    })
    .await;
    // Says one thing and is silent.
    let silent = upstream(|mut app, _| async move {
        app.head().await;
        app.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbeat \r\n").await;
        std::future::pending::<()>().await;
    })
    .await;
    for (upstream, upgrade) in [
        (
            app,
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n",
        ),
        (app, ""),
        (silent, ""),
    ] {
        let stand = Stand::before(upstream, "").await;
        let mut open = Vec::new();
        for session in ["ses_1", "ses_2"] {
            let mut client = Client::new(TcpStream::connect(stand.proxy).await.expect("a connection"));
            let bearer = format!("Authorization: Bearer {}\r\n", stand.token(session, 7));
            client.send(format!("GET /me HTTP/1.1\r\nHost: a\r\n{upgrade}{bearer}\r\n")).await;
            let head = client.head().await;
            assert!(head.starts_with("HTTP/1.1 101 ") || head.starts_with("HTTP/1.1 200 "), "{head}");
            let _ = client.until(b"beat ").await;
            open.push(client);
        }
        stand.issuer.revoke(json!({"kind": "session", "sid": "ses_1"}));
        let [revoked, other] = &mut open[..] else { panic!("two") };
        within(async { while revoked.more().await {} }).await;
        if upstream == app {
            let _ = other.until(b"beat ").await;
        }
    }
}
