//! What an issuer that misbehaves, and a flood of tokens that look at it, cost valid traffic.
//!
//! ```sh
//! cargo run --release -p orgate --example keys_under_fire [SECONDS]
//! ```
//!
//! prints its figures and ends with 1 if a valid token was refused, if the issuer was asked more often than the bucket
//! allows, if the 99th percentile of valid requests under a misbehaving issuer is more than twice that of the calm run,
//! or if a flood leaves valid traffic less than 80 % of what it has beside as many honest callers. Everything runs in this
//! process; the issuer is asked over loopback.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a measurement"
)]

#[path = "../tests/common/mod.rs"]
mod common;

use std::{
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use common::{Sent, policy};
use orgate::{Gate, GateParts, Verdict};
use orgate_claims::IssuerUrl;
use orgate_remote::{HttpClient, KeySettings, Limits, Location, RemoteKeys, Timing};
use orgate_testkit::{Reply, Stub, TestKey, access_token_claims, b64url, jwks};
use orgate_verify::{KeySource, TrustedIssuer, Verifier};
use serde_json::json;

/// Between two looks that tokens cause.
const INTERVAL: Duration = Duration::from_millis(500);
/// For one look.
const TOTAL: Duration = Duration::from_secs(1);
/// Valid callers, and callers of the other kind beside them.
const CALLERS: usize = 4;
/// How many valid tokens of a hundred are new to the gate.
const UNCACHED: u64 = 20;

struct World {
    stub: Stub,
    gate: Gate,
    keys: Arc<RemoteKeys>,
    began: Instant,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// Valid, mostly seen before.
    Valid,
    /// Valid and new.
    Honest,
    /// Under a key that does not exist.
    RandomKey,
    /// The same, a thousand times a second.
    Trickle,
    /// Signed by nobody.
    BadSignature,
}

/// What one kind of callers saw.
#[derive(Default)]
struct Seen {
    nanoseconds: Vec<u64>,
    refused: u64,
}

impl Seen {
    fn percentile(&mut self, of_a_thousand: usize) -> f64 {
        self.nanoseconds.sort_unstable();
        let at = self.nanoseconds.len() * of_a_thousand / 1000;
        self.nanoseconds.get(at).map_or(0.0, |&found| found as f64 / 1000.0)
    }
}

impl World {
    async fn new() -> Self {
        let stub = Stub::start().await;
        stub.serve_keys([TestKey::es256()]);
        let mut limits = Limits::default();
        (limits.connect, limits.total) = (TOTAL, TOTAL);
        let url = IssuerUrl::parse(&stub.url()).unwrap();
        let timing = Timing::default().minimum_interval(INTERVAL).total(TOTAL);
        let place = Location::JwksUri(format!("{}{}", stub.url(), Stub::JWKS));
        let settings = KeySettings::new(url.clone(), place).timing(timing);
        let keys = RemoteKeys::new(settings, HttpClient::with_limits(limits)).unwrap();
        let began = Instant::now();
        RemoteKeys::spawn(&keys);
        keys.wait_until_loaded().await;
        let trust = TrustedIssuer::new(url, vec!["api".to_owned()]).unwrap();
        let source: Arc<dyn KeySource> = Arc::<RemoteKeys>::clone(&keys);
        let verifier = Verifier::new(vec![(trust, source)]).unwrap();
        let gate = Gate::new(GateParts::new(policy(&[("GET /docs", "read")]), verifier));
        Self { stub, gate, keys, began }
    }

    fn token(&self, kind: Kind) -> String {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed).to_string();
        let mut claims = access_token_claims(&self.stub.url(), "api", orgate::clock::now().seconds());
        (claims["org_permissions"], claims["jti"]) = (json!(["read"]), number.as_str().into());
        match kind {
            Kind::Valid | Kind::Honest => TestKey::es256().mint(&claims),
            Kind::RandomKey | Kind::Trickle => TestKey::es256().mint_with("kid", number.into(), &claims),
            Kind::BadSignature => {
                let good = TestKey::es256().mint(&claims);
                let (signed, _) = good.rsplit_once('.').unwrap();
                format!("{signed}.{}", b64url([7; 64]))
            }
        }
    }

    async fn passes(&self, token: &str) -> bool {
        matches!(self.gate.check(&Sent::bearing("GET /docs", token).head()).await, Verdict::Forward(_))
    }

    /// How often the issuer may have been asked by now.
    fn allowance(&self) -> usize {
        let elapsed = self.began.elapsed().as_millis();
        usize::try_from(elapsed / INTERVAL.as_millis() + elapsed / 4_000).unwrap() + 4
    }

    fn faults() -> Vec<Reply> {
        let good = || jwks([TestKey::es256()]);
        let bad = json!({"keys": [{"kty": "oct", "k": "AQAB", "kid": "x"}, TestKey::es256().jwk()]});
        vec![
            Reply::hang(),
            Reply::status(500),
            Reply::typed("text/html", "<html>"),
            Reply::huge(10 * 1024 * 1024),
            Reply::drip(good(), Duration::from_millis(10)),
            Reply::stall(),
            Reply::truncated(good()),
            Reply::close(),
            Reply::redirect("/elsewhere"),
            Reply::json("{\"keys\":[]}"),
            Reply::json(bad.to_string()),
            Reply::json(jwks([TestKey::es256(), TestKey::other_es256()])),
            Reply::json(good()),
        ]
    }
}

async fn call(world: Arc<World>, kind: Kind, over: Arc<AtomicBool>) -> Seen {
    let hot: Vec<_> = (0..64).map(|_| world.token(Kind::Valid)).collect();
    let mut seen = Seen::default();
    for round in 0_u64.. {
        if over.load(Ordering::Relaxed) {
            break;
        }
        let cached = kind == Kind::Valid && round % 100 >= UNCACHED;
        let new = if cached { None } else { Some(world.token(kind)) };
        let token = new.as_ref().unwrap_or(&hot[usize::try_from(round % 64).unwrap()]);
        let began = Instant::now();
        let passed = world.passes(token).await;
        seen.nanoseconds.push(u64::try_from(began.elapsed().as_nanos()).unwrap());
        let valid = matches!(kind, Kind::Valid | Kind::Honest);
        assert!(valid || !passed, "a token that is not valid was let in");
        seen.refused += u64::from(valid && !passed);
        if kind == Kind::Trickle {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::task::yield_now().await;
    }
    seen
}

/// Runs valid callers beside others, and says what the valid ones saw.
async fn run(world: &Arc<World>, beside: Kind, others: usize, time: Duration, faults: Vec<Reply>) -> Seen {
    let over = Arc::new(AtomicBool::new(false));
    let start = |kind, count: usize| -> Vec<_> {
        (0..count).map(|_| tokio::spawn(call(Arc::clone(world), kind, Arc::clone(&over)))).collect()
    };
    let (valid, others) = (start(Kind::Valid, CALLERS), start(beside, others));
    let each = time / u32::try_from(faults.len().max(1)).unwrap();
    for fault in &faults {
        world.stub.set(Stub::JWKS, fault.clone());
        tokio::time::sleep(each).await;
    }
    if faults.is_empty() {
        tokio::time::sleep(each).await;
    }
    over.store(true, Ordering::Relaxed);
    let mut all = Seen::default();
    for caller in valid {
        let seen = caller.await.unwrap();
        all.nanoseconds.extend(seen.nanoseconds);
        all.refused += seen.refused;
    }
    for other in others {
        other.await.unwrap();
    }
    all
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let seconds = std::env::args().nth(1).map_or(10, |text| text.parse().expect("a number of seconds"));
    let time = Duration::from_secs(seconds);
    let world = Arc::new(World::new().await);
    let mut sound = true;
    let mut row = |name: &str, seen: &mut Seen, compared: String, holds: bool| {
        let asked = world.stub.hits(Stub::JWKS);
        let spared = asked <= world.allowance();
        let rate = seen.nanoseconds.len() as f64 / time.as_secs_f64();
        let (median, p99) = (seen.percentile(500), seen.percentile(990));
        sound &= holds && spared && seen.refused == 0;
        println!(
            "{name:<28} {rate:>9.0}/s  median {median:>7.1} us  p99 {p99:>8.1} us  refused {}  issuer asked {asked} \
             (at most {})  {compared}",
            seen.refused,
            world.allowance()
        );
    };
    let faults = World::faults();
    let mut calm = run(&world, Kind::Trickle, 1, time, Vec::new()).await;
    row("calm", &mut calm, String::new(), true);
    let mut chaos = run(&world, Kind::Trickle, 1, time, faults).await;
    let ratio = chaos.percentile(990) / calm.percentile(990);
    row("issuer misbehaves", &mut chaos, format!("p99 {ratio:.2}x of calm"), ratio <= 2.0);

    let mut honest = run(&world, Kind::Honest, CALLERS, time, Vec::new()).await;
    row("beside honest callers", &mut honest, String::new(), true);
    for (name, kind) in
        [("beside random keys", Kind::RandomKey), ("beside bad signatures", Kind::BadSignature)]
    {
        let mut flooded = run(&world, kind, CALLERS, time, Vec::new()).await;
        let share = flooded.nanoseconds.len() as f64 / honest.nanoseconds.len() as f64;
        row(name, &mut flooded, format!("{:.0} % of its share", share * 100.0), share >= 0.8);
    }
    println!("looks {}", world.keys.status().figures.looks);
    if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
