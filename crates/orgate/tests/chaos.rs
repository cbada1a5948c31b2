//! An issuer that misbehaves in every way, and callers that try to make the gate flood it: valid tokens pass as long as a
//! usable key is in hand, nothing else ever does, and the issuer is asked at the rate of the bucket.

#![cfg(feature = "remote")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use common::{RULES, Sent, policy, verdict_text};
use orgate::{Gate, GateParts};
use orgate_claims::IssuerUrl;
use orgate_remote::{HttpClient, KeySettings, Limits, Location, RemoteKeys, Timing};
use orgate_testkit::{Reply, Stub, TestKey, access_token_claims, b64url, jwks};
use orgate_verify::{KeySource, TrustedIssuer, Verifier};
use serde_json::{Value, json};

/// Between two looks that tokens cause.
const INTERVAL: Duration = Duration::from_millis(25);
/// For one look at an issuer that mostly does not answer.
const IMPATIENT: Duration = Duration::from_millis(150);
/// For one look at an issuer that does, however busy the machine is.
const PATIENT: Duration = Duration::from_secs(10);

/// A gate in front of an issuer that a test can break.
struct World {
    stub: Stub,
    gate: Gate,
    keys: Arc<RemoteKeys>,
    began: Instant,
}

impl World {
    /// With the key `es-1` published, and in hand.
    async fn new(total: Duration) -> Self {
        let stub = Stub::start().await;
        stub.serve_issuer([TestKey::es256()]);
        let mut limits = Limits::default();
        (limits.connect, limits.total) = (total, total);
        let url = IssuerUrl::parse(&stub.url()).unwrap();
        let timing = Timing::default().minimum_interval(INTERVAL).total(total);
        let settings = KeySettings::new(url.clone(), Location::Discover).timing(timing);
        let keys = RemoteKeys::new(settings, HttpClient::with_limits(limits)).unwrap();
        let began = Instant::now();
        RemoteKeys::spawn(&keys);
        keys.wait_until_loaded().await;
        let trust = TrustedIssuer::new(url, vec!["api".to_owned()]).unwrap();
        let source: Arc<dyn KeySource> = Arc::<RemoteKeys>::clone(&keys);
        let gate = Gate::new(GateParts::new(policy(&RULES), Verifier::new(vec![(trust, source)]).unwrap()));
        Self { stub, gate, keys, began }
    }

    fn claims(&self) -> Value {
        let mut claims = access_token_claims(&self.stub.url(), "api", orgate::clock::now().seconds());
        claims["org_permissions"] = json!(["read"]);
        claims["jti"] = unique().into();
        claims
    }

    async fn ask(&self, token: &str) -> String {
        verdict_text(&self.gate.check(&Sent::bearing("GET /docs", token).head()).await)
    }

    /// How often the issuer may have been asked by now: once per interval, and what the gate does of its own accord, at
    /// most every four seconds.
    fn allowance(&self) -> usize {
        let elapsed = self.began.elapsed();
        let per = |every: Duration| usize::try_from(elapsed.as_millis() / every.as_millis()).unwrap() + 2;
        per(INTERVAL) + per(Duration::from_secs(4))
    }

    #[track_caller]
    fn issuer_was_spared(&self) {
        let (asked, allowed) = (self.stub.hits(Stub::JWKS), self.allowance());
        assert!(asked <= allowed, "{asked} requests for keys, {allowed} allowed");
        let looks = self.keys.status().figures.looks;
        assert!(asked as u64 <= looks, "{asked} requests in {looks} looks");
    }
}

fn unique() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed).to_string()
}

/// Every way in which an issuer can fail to give its keys.
fn faults() -> Vec<(&'static str, Reply)> {
    let good = || jwks([TestKey::es256()]);
    let mut leaked = TestKey::eddsa().jwk();
    leaked["d"] = b64url(TestKey::eddsa().ed25519_seed()).into();
    let among = |bad: Value| json!({"keys": [bad, TestKey::es256().jwk(), "no key"]}).to_string();
    vec![
        ("500", Reply::status(500)),
        ("404", Reply::status(404)),
        ("304 to no question", Reply::status(304)),
        ("hang", Reply::hang()),
        ("stall", Reply::stall()),
        ("slow drip", Reply::drip(good(), Duration::from_millis(10))),
        ("close", Reply::close()),
        ("html", Reply::typed("text/html", "<html>sign in</html>")),
        ("html as JSON", Reply::json("<html>sign in</html>")),
        ("wrong content type", Reply::typed("image/png", good())),
        ("10 MB", Reply::huge(10 * 1024 * 1024)),
        ("truncated", Reply::truncated(good())),
        ("compressed", Reply::json(good()).header("content-encoding", "gzip")),
        ("redirect", Reply::redirect("/elsewhere")),
        ("redirect to a secret", Reply::redirect("http://169.254.169.254/latest/meta-data")),
        ("no keys", Reply::json("{\"keys\":[]}")),
        ("no array", Reply::json("{\"keys\":{}}")),
        ("bad key among good", Reply::json(among(json!({"kty": "RSA", "kid": "bad", "n": "AQAB"})))),
        ("private key among good", Reply::json(among(leaked))),
        ("shared secret among good", Reply::json(among(json!({"kty": "oct", "kid": "hmac", "k": "AQAB"})))),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn valid_tokens_pass_whatever_the_issuer_does() {
    let world = Arc::new(World::new(IMPATIENT).await);
    let cached = Arc::new(TestKey::es256().mint(&world.claims()));
    let over = Arc::new(AtomicBool::new(false));
    let asked = Arc::new(AtomicU64::new(0));
    let workers: Vec<_> = (0..8)
        .map(|worker| {
            let (world, cached) = (Arc::clone(&world), Arc::clone(&cached));
            let (over, asked) = (Arc::clone(&over), Arc::clone(&asked));
            tokio::spawn(async move {
                while !over.load(Ordering::Relaxed) {
                    let verdict = match worker % 4 {
                        0 | 1 => world.ask(&cached).await,
                        2 => world.ask(&TestKey::es256().mint(&world.claims())).await,
                        // It makes the gate look, which is what brings the faults in.
                        _ => {
                            let token = TestKey::eddsa().mint_with("kid", unique().into(), &world.claims());
                            let verdict = world.ask(&token).await;
                            assert!(
                                ["401 invalid_token", "503 keys_unavailable"].contains(&&*verdict),
                                "an unknown key: {verdict}"
                            );
                            continue;
                        }
                    };
                    assert_eq!(verdict, "allow GET /docs");
                    asked.fetch_add(1, Ordering::Relaxed);
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for (name, fault) in faults() {
        world.stub.set(Stub::JWKS, fault);
        let (looks, before) = (world.keys.status().figures.looks, asked.load(Ordering::Relaxed));
        let deadline = Instant::now() + Duration::from_secs(20);
        while world.keys.status().figures.looks < looks + 3 || asked.load(Ordering::Relaxed) < before + 20 {
            assert!(Instant::now() < deadline, "{name}: nothing happens");
            assert!(workers.iter().all(|worker| !worker.is_finished()), "{name}: a valid token was refused");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        world.issuer_was_spared();
    }
    over.store(true, Ordering::Relaxed);
    for worker in workers {
        worker.await.unwrap();
    }
    assert!(world.keys.status().figures.failures > 10, "the faults were met");
    world.issuer_was_spared();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_refuses_nobody_and_what_was_removed_is_refused() {
    let world = Arc::new(World::new(PATIENT).await);
    let old = TestKey::es256().mint(&world.claims());
    assert_eq!(world.ask(&old).await, "allow GET /docs");
    world.stub.serve_keys([TestKey::es256(), TestKey::other_es256()]);
    let callers: Vec<_> = (0..64)
        .map(|_| {
            let world = Arc::clone(&world);
            tokio::spawn(async move { world.ask(&TestKey::other_es256().mint(&world.claims())).await })
        })
        .collect();
    for caller in callers {
        assert_eq!(caller.await.unwrap(), "allow GET /docs", "the first tokens under the new key");
    }
    assert_eq!(world.ask(&old).await, "allow GET /docs", "and the old one still holds");
    world.issuer_was_spared();

    world.stub.serve_keys([TestKey::other_es256()]);
    let mut refused = false;
    for _ in 0..200 {
        // Any look brings it, here that of a token with a key that does not exist.
        let unknown = TestKey::eddsa().mint_with("kid", unique().into(), &world.claims());
        let _ = world.ask(&unknown).await;
        refused = world.ask(&old).await == "401 invalid_token";
        if refused {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(refused, "a withdrawn key, though the token was cached");
    assert_eq!(world.ask(&TestKey::other_es256().mint(&world.claims())).await, "allow GET /docs");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_document_of_another_issuer_takes_nothing_away() {
    let world = World::new(PATIENT).await;
    let forged =
        json!({"issuer": "https://evil.example", "jwks_uri": format!("{}/evil.json", world.stub.url())});
    world.stub.set(Stub::DISCOVERY, Reply::json(forged.to_string()));
    world.stub.set("/evil.json", Reply::json(jwks([TestKey::other_es256()])));
    world.stub.set(Stub::JWKS, Reply::status(500));
    let deadline = Instant::now() + Duration::from_secs(20);
    while world.stub.hits(Stub::DISCOVERY) < 4 {
        assert!(Instant::now() < deadline, "the document is not read again");
        assert_eq!(world.ask(&TestKey::es256().mint(&world.claims())).await, "allow GET /docs");
        assert_eq!(world.ask(&TestKey::other_es256().mint(&world.claims())).await, "503 keys_unavailable");
    }
    assert_eq!(world.stub.hits("/evil.json"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_tokens_with_random_keys_reaches_the_issuer_at_the_rate_of_the_bucket() {
    let world = Arc::new(World::new(PATIENT).await);
    let callers: Vec<_> = (0..16)
        .map(|_| {
            let world = Arc::clone(&world);
            tokio::spawn(async move {
                for _ in 0..100 {
                    let token = TestKey::eddsa().mint_with("kid", unique().into(), &world.claims());
                    assert_eq!(world.ask(&token).await, "401 invalid_token");
                }
            })
        })
        .collect();
    for _ in 0..200 {
        assert_eq!(world.ask(&TestKey::es256().mint(&world.claims())).await, "allow GET /docs");
    }
    for caller in callers {
        caller.await.unwrap();
    }
    world.issuer_was_spared();
    let figures = world.keys.status().figures;
    assert_eq!(figures.unknown_kids, 1_600);
    assert!(figures.refused_looks > 0);
}

#[tokio::test]
async fn only_a_token_that_could_be_good_makes_the_gate_look() {
    let world = World::new(PATIENT).await;
    let before = world.stub.all_hits();
    let unknown = |change: &dyn Fn(&mut Value)| {
        let mut claims = world.claims();
        change(&mut claims);
        TestKey::eddsa().mint_with("kid", unique().into(), &claims)
    };
    let good = TestKey::es256().mint(&world.claims());
    let (signed, _) = good.rsplit_once('.').unwrap();
    for (name, token) in [
        ("an issuer that is not trusted", unknown(&|claims| claims["iss"] = "https://evil.example".into())),
        ("an audience that is not ours", unknown(&|claims| claims["aud"] = "other".into())),
        ("a token that has ended", unknown(&|claims| claims["exp"] = 1.into())),
        ("a token that never ends", unknown(&|claims| claims["exp"] = Value::Null)),
        ("a bad signature", format!("{signed}.{}", b64url([7; 64]))),
        ("the key of another algorithm", TestKey::eddsa().mint_with("kid", "es-1".into(), &world.claims())),
        ("no token at all", "aaa.bbb.ccc".to_owned()),
    ] {
        for _ in 0..50 {
            let verdict = world.ask(&token).await;
            assert!(verdict.starts_with("401 "), "{name}: {verdict}");
        }
        assert_eq!(world.stub.all_hits(), before, "{name}");
    }
}

#[tokio::test]
async fn without_keys_the_answer_is_503_and_says_when_to_come_back() {
    let stub = Stub::start().await;
    stub.set(Stub::JWKS, Reply::hang());
    let url = IssuerUrl::parse(&stub.url()).unwrap();
    let place = Location::JwksUri(format!("{}{}", stub.url(), Stub::JWKS));
    let settings = KeySettings::new(url.clone(), place).timing(Timing::default().total(IMPATIENT));
    let keys = RemoteKeys::new(settings, HttpClient::new()).unwrap();
    let trust = TrustedIssuer::new(url, vec!["api".to_owned()]).unwrap();
    let source: Arc<dyn KeySource> = keys;
    let gate = Gate::new(GateParts::new(policy(&RULES), Verifier::new(vec![(trust, source)]).unwrap()));
    assert!(!gate.status().is_ready());
    let token =
        TestKey::es256().mint(&access_token_claims(&stub.url(), "api", orgate::clock::now().seconds()));
    let sent = Sent::bearing("GET /docs", &token);
    let orgate::Verdict::Reject(rejection) = gate.check(&sent.head()).await else {
        panic!("let in without keys")
    };
    let response = rejection.response(None);
    assert_eq!(
        (response.status().as_u16(), &response.headers()["retry-after"]),
        (503, &"1".parse().unwrap()),
        "when the issuer may be asked again"
    );
}
