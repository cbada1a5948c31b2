//! Every row of the page about keys has its test, and every number its name.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use std::{fs, path::Path};

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn rows(page: &str, heading: &str) -> Vec<Vec<String>> {
    let (_, section) = page.split_once(&format!("\n## {heading}\n")).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| ")).skip(1);
    rows.map(|row| row.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect()).collect()
}

#[test]
fn every_event_has_its_test() {
    let page = read("docs/keys.md");
    let events = rows(&page, "Events");
    assert!(events.len() > 20);
    for event in events {
        let [name, _, _, test] = &event[..] else { panic!("{event:?}") };
        let quoted: Vec<_> = test.split('`').filter(|part| !part.trim().is_empty()).collect();
        let [file, test] = quoted[..] else { panic!("{name}: {test}") };
        let source = read(&format!("crates/{file}"));
        assert!(source.contains(&format!("fn {test}(")), "{name}: there is no `{test}` in {file}");
    }
}

#[test]
fn every_bound_and_every_fault_of_a_feed_has_its_test() {
    let page = read("docs/revocation.md");
    let mut named = 0;
    for row in [rows(&page, "Bounds"), rows(&page, "Faults")].concat() {
        // Without a file, it is the one before.
        let mut source = read("crates/orgate-remote/tests/feed.rs");
        for part in row[2].split('`').skip(1).step_by(2) {
            if part.ends_with(".rs") {
                source = read(&format!("crates/{part}"));
            } else {
                assert!(source.contains(&format!("fn {part}(")), "{}: there is no `{part}`", row[0]);
                named += 1;
            }
        }
    }
    assert!(named > 10);
}

#[test]
fn every_number_has_its_name() {
    let page = read("docs/keys.md");
    for (heading, file) in [("Numbers", "keys"), ("Questions about tokens", "introspection")] {
        let source = read(&format!("sidecar/src/metrics/{file}.rs"));
        let numbers = rows(&page, heading);
        assert_eq!(numbers.len(), source.matches("registry.register(").count(), "{heading}");
        for number in numbers {
            let name = number[0].trim_matches('`').strip_prefix("orgate_").unwrap();
            let registered = format!("\"{}\"", name.strip_suffix("_total").unwrap_or(name));
            assert!(source.contains(&registered), "{name}");
        }
    }
}
