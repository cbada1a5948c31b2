//! An issuer that is killed at any moment, on a database that is killed too: nothing that was answered is lost, and
//! nothing is given out twice. `ORGATE_KILLS` says how often (10 unless it is said), `ORGATE_SEED` when.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test may panic"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use orgate_e2e::{
    Response,
    installation::{Installation, code, exchange, manage, operator, refresh, token},
    sign_in::Browser,
};
use orgate_testkit::Postgres;
use serde_json::{Value, json};

const PEOPLE: [&str; 5] = ["a", "b", "c", "d", "e"];
/// How long an earlier refresh token is good, less what a slow machine may need to ask.
const GRACE: Duration = Duration::from_secs(8);

fn number(name: &str, unless: u64) -> u64 {
    std::env::var(name).map_or(unless, |text| text.parse().unwrap())
}

/// What was answered, and therefore has to stay.
#[derive(Default)]
struct Told {
    organizations: Mutex<BTreeSet<String>>,
    members: Mutex<BTreeSet<String>>,
    /// The last refresh token that each person got, and when it was first presented without an answer.
    tokens: Mutex<BTreeMap<&'static str, (String, Option<Instant>)>>,
    /// How often each code gave tokens.
    codes: Mutex<BTreeMap<String, u32>>,
    refreshes: AtomicU32,
    unanswered: AtomicU32,
}

impl Told {
    /// Uses a person's refresh token. Anything but success or no answer is a fault.
    fn refresh(&self, base: &str, name: &'static str) {
        let (presented, _) = self.tokens.lock().unwrap()[name].clone();
        let began = Instant::now();
        let reply = token(base, &refresh(&presented));
        let Some(reply) = reply.filter(|reply| reply.status < 500) else {
            self.unanswered.fetch_add(1, Ordering::Relaxed);
            self.tokens.lock().unwrap().get_mut(name).unwrap().1.get_or_insert(began);
            thread::park_timeout(Duration::from_millis(2));
            return;
        };
        assert_eq!(reply.status, 200, "the token of {name} was lost: {}", reply.body);
        self.refreshes.fetch_add(1, Ordering::Relaxed);
        let next = reply.json()["refresh_token"].as_str().unwrap().to_owned();
        self.tokens.lock().unwrap().insert(name, (next, None));
    }

    /// A new family for a person, over a code.
    fn sign_in(&self, base: &str, browser: &mut Browser, name: &'static str) {
        let reply = token(base, &exchange(&code(browser, base, name))).unwrap();
        let token = reply.json()["refresh_token"].as_str().unwrap().to_owned();
        self.tokens.lock().unwrap().insert(name, (token, None));
    }

    /// Two requests with one code, at once.
    fn race(&self, base: &str, code: &str) {
        let body = exchange(code);
        let replies: Vec<Option<Response>> = thread::scope(|scope| {
            let asked: Vec<_> = (0..2).map(|_| scope.spawn(|| token(base, &body))).collect();
            asked.into_iter().map(|reply| reply.join().unwrap()).collect()
        });
        let good = replies.iter().flatten().filter(|reply| reply.status == 200).count();
        *self.codes.lock().unwrap().entry(code.to_owned()).or_default() += u32::try_from(good).unwrap();
    }

    /// A new organization with a second member.
    fn organize(&self, base: &str, cookie: &str) {
        let new = json!({ "name": "A new one", "creator_end_user_id": "usr_owner" });
        let Some(made) =
            manage(base, cookie, "POST", "/orgs", Some(&new)).filter(|reply| reply.status == 201)
        else {
            return;
        };
        let id = made.json()["id"].as_str().unwrap().to_owned();
        self.organizations.lock().unwrap().insert(id.clone());
        let member = json!({ "user_id": "usr_a", "role": "viewer" });
        let path = format!("/orgs/{id}/members");
        if let Some(added) =
            manage(base, cookie, "POST", &path, Some(&member)).filter(|reply| reply.status == 201)
        {
            self.members.lock().unwrap().insert(added.json()["id"].as_str().unwrap().to_owned());
        }
    }
}

fn text<'a>(row: &'a Value, name: &str) -> &'a str {
    row[name].as_str().unwrap_or_default()
}

/// What holds in every state of the database.
fn check(rows: &[(String, Value)], told: &Told) {
    let table = |name: &'static str| rows.iter().filter(move |(table, _)| table == name).map(|(_, row)| row);
    let ids = |name| table(name).map(|row| text(row, "id").to_owned()).collect::<BTreeSet<_>>();
    assert!(
        ids("organizations").is_superset(&told.organizations.lock().unwrap()),
        "an organization was lost"
    );
    assert!(ids("memberships").is_superset(&told.members.lock().unwrap()), "a membership was lost");
    for organization in table("organizations") {
        let members: Vec<_> =
            table("memberships").filter(|row| row["org_id"] == organization["id"]).collect();
        let owners: Vec<_> = members.iter().filter(|row| row["role_key"] == "owner").collect();
        assert_eq!(owners.len(), 1, "{organization}");
        assert_eq!(owners[0]["id"], organization["owner_member_id"]);
        assert_eq!(organization["member_count"], members.len(), "{organization}");
    }
    for project in table("projects") {
        let mut numbers: Vec<i64> = table("events")
            .filter(|row| row["project_id"] == project["id"])
            .map(|row| row["seq"].as_i64().unwrap())
            .collect();
        numbers.sort_unstable();
        let last = i64::try_from(numbers.len()).unwrap();
        assert_eq!(numbers, (1..=last).collect::<Vec<_>>(), "events have no gap");
        assert_eq!(project["event_seq"], last);
    }
    let mut families = BTreeSet::new();
    for code in table("auth_codes").filter(|row| !row["family_id"].is_null()) {
        assert!(!code["consumed_at"].is_null(), "a family of a code that is not used");
        assert!(families.insert(text(code, "family_id").to_owned()), "two codes, one family");
    }
    assert_eq!(ids("token_families"), families, "each family is of one code");
    let active: Vec<_> = table("signing_keys").filter(|row| row["state"] == "active").collect();
    let kinds: BTreeSet<_> = active.iter().map(|row| text(row, "alg")).collect();
    assert_eq!(kinds.len(), active.len(), "one active key of a kind");
    for (code, times) in told.codes.lock().unwrap().iter() {
        assert!(*times <= 1, "a code gave tokens {times} times: {code}");
    }
}

/// A few hundredths of a second that nobody can foresee.
struct Chance(u64);

impl Chance {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

fn killed_again_and_again(installation: &Installation, mut interfere: impl FnMut(u64)) {
    let (points, seed) = (number("ORGATE_KILLS", 10), number("ORGATE_SEED", 7));
    let mut chance = Chance(seed);
    let told = Told::default();
    let mut running = installation.start("127.0.0.1:0");
    let base = running.url("issuer");
    let address = base.strip_prefix("http://").unwrap().to_owned();
    let cookie = operator(&base);
    let mut racer = Browser::default();
    for name in PEOPLE {
        told.sign_in(&base, &mut racer, name);
        racer = Browser::default();
    }
    let mut slowest = Duration::ZERO;
    for point in 0..points {
        let fresh: Vec<String> = (0..3).map(|_| code(&mut racer, &base, "d")).collect();
        let stop = AtomicBool::new(false);
        let moment = Duration::from_millis(5 + chance.next(150));
        running = thread::scope(|scope| {
            for name in PEOPLE {
                let (told, base, stop) = (&told, &base, &stop);
                scope.spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        told.refresh(base, name);
                    }
                });
            }
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    told.organize(&base, &cookie);
                }
            });
            scope.spawn(|| fresh.iter().for_each(|code| told.race(&base, code)));
            thread::park_timeout(moment);
            interfere(point);
            running.kill();
            stop.store(true, Ordering::Relaxed);
            let began = Instant::now();
            let running = installation.start(&address);
            slowest = slowest.max(began.elapsed());
            running
        });
        // What a client holds is good, and the operator is still signed in.
        for name in PEOPLE {
            let unanswered = told.tokens.lock().unwrap()[name].1;
            if unanswered.is_none_or(|since| since.elapsed() < GRACE) {
                told.refresh(&base, name);
            } else {
                told.sign_in(&base, &mut Browser::default(), name);
            }
        }
        assert_eq!(manage(&base, &cookie, "GET", "/orgs", None).unwrap().status, 200);
        for code in &fresh {
            told.race(&base, code);
        }
        check(&installation.rows(), &told);
        installation.verify_audit();
    }
    println!(
        "{points} kills (seed {seed}): {} refreshes, {} organizations, {} codes, {} requests without an answer, slowest start {} ms",
        told.refreshes.load(Ordering::Relaxed),
        told.organizations.lock().unwrap().len(),
        told.codes.lock().unwrap().len(),
        told.unanswered.load(Ordering::Relaxed),
        slowest.as_millis(),
    );
    assert!(told.refreshes.load(Ordering::Relaxed) > 0 && !told.organizations.lock().unwrap().is_empty());
}

#[test]
fn nothing_is_lost_and_nothing_given_twice_when_the_issuer_is_killed_on_sqlite() {
    killed_again_and_again(&Installation::sqlite(&PEOPLE), |_| ());
}

#[test]
fn nothing_is_lost_and_nothing_given_twice_when_issuer_and_server_are_killed() {
    let server: &'static Postgres = Box::leak(Box::new(Postgres::start()));
    let installation = Installation::postgres(&PEOPLE, server);
    killed_again_and_again(&installation, |point| match point % 5 {
        3 => server.run(&format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'",
            installation.name()
        )),
        4 => server.crash_and_restart(),
        _ => {}
    });
}
