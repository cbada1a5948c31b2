//! Names of metrics are a promise: those in the code, in `docs/metrics.md` and in the dashboard are the same.

use std::collections::BTreeSet;

const SOURCES: [&str; 5] = [
    include_str!("../metrics.rs"),
    include_str!("feeds.rs"),
    include_str!("keys.rs"),
    include_str!("introspection.rs"),
    include_str!("upstreams.rs"),
];
const PAGE: &str = include_str!("../../../docs/metrics.md");
const DASHBOARD: &str = include_str!("../../../examples/grafana/orgate.json");

/// What is registered.
fn registered() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for source in SOURCES {
        for call in source.split("registry.register(").skip(1) {
            let name = call.trim_start().strip_prefix('"').and_then(|rest| rest.split('"').next());
            names.insert(name.expect("a name").to_owned());
        }
    }
    names
}

/// The names in a text, without what says of which kind they are.
fn named(text: &str) -> BTreeSet<String> {
    let is_of_a_name = |letter: char| letter.is_ascii_lowercase() || letter == '_';
    text.split("orgate_")
        .skip(1)
        .map(|rest| rest.split(|letter| !is_of_a_name(letter)).next().unwrap_or_default())
        .map(|name| {
            let kinds = ["_total", "_bucket", "_count", "_sum", "_info"];
            // `policy_info` is a gauge that is called so.
            let bare =
                kinds.iter().find_map(|kind| name.strip_suffix(kind)).filter(|_| name != "policy_info");
            bare.unwrap_or(name).to_owned()
        })
        .collect()
}

#[test]
fn every_metric_is_in_the_page_and_no_other() {
    let rows: String = PAGE.lines().filter(|line| line.starts_with("| `orgate_")).collect();
    assert_eq!(named(&rows), registered());
}

#[test]
fn the_dashboard_asks_for_metrics_that_there_are() {
    let dashboard: serde_json::Value = serde_json::from_str(DASHBOARD).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let asked: String = panels
        .iter()
        .flat_map(|panel| panel["targets"].as_array().into_iter().flatten())
        .filter_map(|target| target["expr"].as_str())
        .collect::<Vec<_>>()
        .join("\n");
    let (asked, registered) = (named(&asked), registered());
    assert!(asked.is_subset(&registered), "{:?}", asked.difference(&registered));
    assert!(asked.len() >= 12, "{asked:?}");
}
