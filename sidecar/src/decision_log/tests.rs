//! What is written, and what is not.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use super::*;

/// A place to write to that a test can look at.
#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Page {
    fn lines(&self) -> Vec<Value> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn decision<'d>(outcome: &'d Outcome<'d>, target: &'d str) -> Decision<'d> {
    Decision {
        id: "r1",
        method: "GET",
        host: Some("app.example"),
        target: Some(target),
        outcome,
        shadow: None,
        caller: None,
        policy: Some("d1"),
        latency: Duration::from_micros(7),
    }
}

impl From<Paths> for Form {
    fn from(paths: Paths) -> Self {
        Self { paths, ..Self::default() }
    }
}

fn logged(form: impl Into<Form>, write: impl FnOnce(&DecisionLog)) -> Vec<Value> {
    let page = Page::default();
    let metrics = Arc::new(Metrics::new([]));
    let log = DecisionLog::to(Box::new(page.clone()), form.into(), metrics).unwrap();
    write(&log);
    log.finish();
    page.lines()
}

#[test]
fn a_line_has_what_a_replay_needs_and_no_value_of_the_path() {
    let outcome = Outcome::Forwarded { rule: "GET /a/{id}/**", status: 200 };
    let mut lines =
        logged(Paths::Template, |log| log.record(&decision(&outcome, "/a/ann%40x/%7By/*/?token=secret")));
    assert!(!format!("{lines:?}").contains("secret"));
    let line = lines[0].as_object_mut().unwrap();
    let at = line.remove("ts").unwrap();
    assert!(
        at.as_str().unwrap().parse::<jiff::Timestamp>().is_ok() && at.as_str().unwrap().len() == 24,
        "{at}"
    );
    assert_eq!(
        lines[0],
        json!({"id": "r1", "method": "GET", "host": "app.example", "path": "/a/{id}/{*}/{*}/",
            "rule": "GET /a/{id}/**", "code": "allowed", "decision": "allow", "auth": "unread", "issuer": null,
            "org": null, "org_slug": null, "sub_hash": null, "roles": null, "permissions": null,
            "latency_us": 7, "policy": "d1"})
    );
}

#[test]
fn paths_are_whole_only_where_that_is_wanted_and_queries_never() {
    let outcome = Outcome::Forwarded { rule: "GET app.example/a/{id}", status: 200 };
    let path = |paths, outcome: &Outcome<'_>, target: &str| {
        logged(paths, |log| log.record(&decision(outcome, target)))[0]["path"].clone()
    };
    assert_eq!(path(Paths::Template, &outcome, "/a/7?x=1"), "/a/{id}");
    assert_eq!(path(Paths::Full, &outcome, "/a/7?x=1"), "/a/7");
    assert_eq!(path(Paths::Full, &outcome, "/a/{id}/*"), "/a/%7Bid%7D/%2A", "as no template");
    let none = Outcome::Refused { rule: "", code: "no_rule", status: 403 };
    assert_eq!(path(Paths::Template, &none, "/ann@example.com"), Value::Null);
    assert_eq!(path(Paths::Full, &none, "/b"), "/b");
}

#[test]
fn a_flood_of_refusals_is_counted_and_what_is_let_through_is_written() {
    let refused = Outcome::Refused { rule: "GET /a", code: "no_credential", status: 401 };
    let allowed = Outcome::Forwarded { rule: "GET /a", status: 200 };
    let lines = logged(Paths::Template, |log| {
        for _ in 0..30 {
            log.record(&decision(&refused, "/a"));
            log.record(&decision(&allowed, "/a"));
        }
    });
    let count = |decision: &str| lines.iter().filter(|line| line["decision"] == decision).count();
    assert_eq!((count("allow"), count("deny")), (30, 11));
    let held_back = lines.iter().find(|line| !line["held_back"].is_null()).unwrap();
    assert_eq!((&held_back["held_back"], &held_back["code"]), (&json!(20), &json!("no_credential")));
    assert_eq!(lines[0]["auth"], "none");
}

#[test]
fn a_sample_leaves_out_only_what_was_simply_let_through_and_says_for_how_many_it_stands() {
    let outcomes = [
        Outcome::Forwarded { rule: "GET /a", status: 200 },
        Outcome::Observed { rule: "GET /b", code: "denied", status: 200 },
        Outcome::Refused { rule: "GET /c", code: "denied", status: 403 },
    ];
    let lines = logged(Form { sample: 5, ..Form::default() }, |log| {
        for number in 0..10 {
            for outcome in &outcomes {
                log.record(&decision(outcome, "/a"));
            }
            let shadow = (number == 3).then_some(false);
            log.record(&Decision { shadow, ..decision(&outcomes[0], "/a") });
        }
    });
    let of = |rule: &str| lines.iter().filter(|line| line["rule"] == rule).collect::<Vec<_>>();
    assert_eq!((of("GET /a").len(), of("GET /b").len(), of("GET /c").len()), (5, 10, 10));
    let samples: Vec<_> = of("GET /a").iter().map(|line| line["sample"].clone()).collect();
    assert_eq!(samples, [json!(5), json!(5), Value::Null, json!(5), json!(5)]);
    assert!(of("GET /b").iter().chain(&of("GET /c")).all(|line| line["sample"].is_null()));
}

#[test]
fn a_log_that_cannot_be_written_fast_enough_loses_lines_and_says_so() {
    /// A disk that stands still until it is told otherwise.
    struct Stuck(Arc<Mutex<()>>, Page);
    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _waits = self.0.lock().unwrap();
            self.1.write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let (gate, page) = (Arc::new(Mutex::new(())), Page::default());
    let metrics = Arc::new(Metrics::new([]));
    let log = DecisionLog::to(
        Box::new(Stuck(Arc::clone(&gate), page.clone())),
        Paths::Full.into(),
        Arc::clone(&metrics),
    )
    .unwrap();
    let outcome = Outcome::Forwarded { rule: "GET /a", status: 200 };
    let stuck = gate.lock().unwrap();
    for _ in 0..WAITING + 10 {
        log.record(&decision(&outcome, "/a"));
    }
    drop(stuck);
    log.finish();
    let lines = page.lines();
    let lost = lines.iter().filter_map(|line| line["lost"].as_u64()).sum::<u64>();
    let written = lines.iter().filter(|line| line["rule"] == "GET /a").count();
    assert_eq!(lost + u64::try_from(written).unwrap(), u64::try_from(WAITING + 10).unwrap());
    assert!(lost > 0 && metrics.render().contains(&format!("orgate_decisions_lost_total {lost}")));
}

#[cfg(unix)]
#[test]
fn nobody_else_reads_the_file_and_it_grows() {
    use std::os::unix::fs::PermissionsExt as _;

    let path = std::env::temp_dir().join(format!("orgate-decisions-{}.log", std::process::id()));
    let outcome = Outcome::Forwarded { rule: "GET /a", status: 200 };
    for _ in 0..2 {
        let log = DecisionLog::open(&path, Paths::Full.into(), Arc::new(Metrics::new([]))).unwrap();
        log.record(&decision(&outcome, "/a"));
        log.finish();
    }
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!((mode & 0o777, text.lines().count()), (0o600, 2));
}
