//! The rules of ARCHITECTURE.md that neither the compiler nor clippy keeps, as tests over the repository itself.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

/// Who may depend on whom, in normal dependencies. Whatever is not here may depend on none of ours.
const ARROWS: [(&str, &[&str]); 15] = [
    ("orgate-claims", &[]),
    ("orgate-policy", &["orgate-claims"]),
    ("orgate-verify", &["orgate-claims"]),
    ("orgate-config", &["orgate-claims", "orgate-policy", "orgate-verify"]),
    ("orgate-remote", &["orgate-claims", "orgate-verify"]),
    ("orgate-macros", &["orgate-config"]),
    (
        "orgate",
        &[
            "orgate-claims",
            "orgate-config",
            "orgate-macros",
            "orgate-policy",
            "orgate-remote",
            "orgate-verify",
        ],
    ),
    ("orgate-issuer", &["orgate-claims", "orgate-config", "orgate-policy", "orgate-verify"]),
    ("orgate-sidecar", &["orgate", "orgate-claims", "orgate-config", "orgate-issuer", "orgate-policy"]),
    ("orgate-testkit", &["orgate-claims", "orgate-testkit-macros"]),
    ("orgate-testkit-macros", &[]),
    ("orgate-e2e", &["orgate", "orgate-config", "orgate-testkit"]),
    ("example-axum-layer", &["orgate"]),
    ("example-hyper-service", &["orgate"]),
    ("example-embedded-issuer", &["orgate", "orgate-issuer"]),
];

/// Everything that the pure crates may be built from. They do no I/O and know neither tokio nor a clock.
const PURE: [(&str, &[&str]); 3] = [
    ("orgate-claims", &["serde"]),
    ("orgate-policy", &["orgate-claims"]),
    ("orgate-verify", &["aws-lc-rs", "base64", "jsonwebtoken", "orgate-claims", "serde", "serde_json"]),
];

/// Crates that must not be in the dependency tree, and why.
const BANNED: [(&str, &str); 18] = [
    ("ring", "one provider of cryptography: aws-lc-rs"),
    ("openssl", "one provider of cryptography: aws-lc-rs"),
    ("openssl-sys", "one provider of cryptography: aws-lc-rs"),
    ("native-tls", "one TLS: rustls"),
    ("rsa", "RUSTSEC-2023-0071"),
    ("reqwest", "one HTTP stack: hyper"),
    ("ureq", "one HTTP stack: hyper"),
    ("curl", "one HTTP stack: hyper"),
    ("actix-web", "one HTTP stack: hyper"),
    ("jwks-client", "dead since 2020"),
    ("serde_yaml", "archived"),
    ("serde_yml", "unsound"),
    ("paste", "unmaintained"),
    ("proc-macro-error", "unmaintained"),
    ("rustls-pemfile", "unmaintained"),
    ("instant", "unmaintained"),
    ("atty", "unmaintained"),
    ("bincode", "unmaintained"),
];

/// The lowest versions without a known hole.
const FLOORS: [(&str, [u64; 3]); 12] = [
    ("jsonwebtoken", [10, 3, 0]),
    ("hyper", [1, 11, 0]),
    ("http", [1, 4, 1]),
    ("rustls", [0, 23, 45]),
    ("rustls-webpki", [0, 103, 13]),
    ("aws-lc-sys", [0, 39, 0]),
    ("bytes", [1, 11, 1]),
    ("crossbeam-epoch", [0, 9, 20]),
    ("moka", [0, 12, 16]),
    ("tracing-subscriber", [0, 3, 20]),
    ("prometheus-client", [0, 25, 2]),
    ("sqlx", [0, 8, 1]),
];

/// The slices of the issuer: each may use those to its left.
const SLICES: [&str; 32] = [
    "events",
    "keys",
    "mail",
    "throttle",
    "operators",
    "projects",
    "activity",
    "webhooks",
    "users",
    "one_time",
    "passkeys",
    "factors",
    "roles",
    "teams",
    "members",
    "organizations",
    "domains",
    "api_keys",
    "invitations",
    "clients",
    "consents",
    "login",
    "idempotency",
    "accounts",
    "tokens",
    "feed",
    "management",
    "workspace",
    "gdpr",
    "console",
    "setup",
    "bootstrap",
];

/// The most lines of a source file, without its inline tests.
const MAX_SOURCE_LINES: usize = 400;
/// The most lines of a file of tests.
const MAX_TEST_LINES: usize = 600;
/// The most lines of a function.
const MAX_FUNCTION_LINES: usize = 100;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every file of the repository that git knows or would know, relative to its root.
fn files() -> Vec<String> {
    let listing = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .expect("git is needed to list the files of the repository");
    assert!(listing.status.success(), "{}", String::from_utf8_lossy(&listing.stderr));
    let names = String::from_utf8(listing.stdout).unwrap();
    names.lines().filter(|name| root().join(name).is_file()).map(str::to_owned).collect()
}

fn rust_files() -> Vec<String> {
    files().into_iter().filter(|name| name.ends_with(".rs")).collect()
}

fn is_test(name: &str) -> bool {
    name.starts_with("tests/")
        || name.contains("/tests/")
        || name.ends_with("/tests.rs")
        || name.ends_with("/testing.rs")
        || name.contains("testkit")
}

/// The part of a source file before its inline tests.
fn without_inline_tests(text: &str) -> &str {
    let inline = text.match_indices("#[cfg(test)]").find(|(at, _)| {
        let after = text.split_at(at + "#[cfg(test)]".len()).1.trim_start();
        after.starts_with("mod ") && after.lines().next().is_some_and(|line| line.ends_with('{'))
    });
    inline.map_or(text, |(at, _)| text.split_at(at).0)
}

fn packages() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--locked", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

/// The names of a package's dependencies of one kind (`null` is normal).
fn dependencies(package: &Value, kind: &Value) -> BTreeSet<String> {
    let all = package["dependencies"].as_array().unwrap().iter();
    all.filter(|d| d["kind"] == *kind).map(|d| d["name"].as_str().unwrap().to_owned()).collect()
}

/// Fails with all lines at once.
#[track_caller]
fn none(problems: Vec<String>) {
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

#[test]
fn the_arrows_between_our_crates_are_those_of_the_architecture() {
    let arrows: BTreeMap<&str, &[&str]> = ARROWS.into_iter().collect();
    let ours: BTreeSet<String> = packages().iter().map(|p| p["name"].as_str().unwrap().to_owned()).collect();
    let mut problems = Vec::new();
    for package in packages() {
        let name = package["name"].as_str().unwrap();
        let Some(allowed) = arrows.get(name) else {
            problems.push(format!("{name} has no row in ARROWS"));
            continue;
        };
        for to in dependencies(&package, &Value::Null).iter().filter(|to| ours.contains(*to)) {
            if !allowed.contains(&to.as_str()) {
                problems.push(format!("{name} depends on {to}"));
            }
        }
        // Development dependencies of ours: the test kit everywhere, and what a test joins; never upwards.
        for to in dependencies(&package, &"dev".into()).iter().filter(|to| ours.contains(*to)) {
            if to != "orgate-testkit" && !allowed.contains(&to.as_str()) && !name.starts_with("example") {
                problems.push(format!("{name} depends on {to} in its tests"));
            }
        }
    }
    none(problems);
}

#[test]
fn pure_crates_are_built_from_pure_crates() {
    let pure: BTreeMap<&str, &[&str]> = PURE.into_iter().collect();
    let mut problems = Vec::new();
    for package in packages() {
        let name = package["name"].as_str().unwrap();
        if let Some(allowed) = pure.get(name) {
            let found = dependencies(&package, &Value::Null);
            problems.extend(
                found
                    .iter()
                    .filter(|d| !allowed.contains(&d.as_str()))
                    .map(|d| format!("{name} depends on {d}")),
            );
        }
    }
    for name in rust_files()
        .iter()
        .filter(|name| PURE.iter().any(|(p, _)| name.starts_with(&format!("crates/{p}/src/"))))
    {
        let text = read(name);
        for forbidden in
            ["std::fs", "std::net", "std::thread", "Instant::now", "tokio", "tracing::", "std::env"]
        {
            if without_inline_tests(&text)
                .lines()
                .any(|line| line.contains(forbidden) && !line.trim_start().starts_with("//"))
            {
                problems.push(format!("{name} uses {forbidden}"));
            }
        }
    }
    none(problems);
}

#[test]
fn every_package_inherits_the_lints_the_licence_and_the_edition() {
    for name in files().iter().filter(|name| name.ends_with("Cargo.toml") && *name != "Cargo.toml") {
        let text = read(name);
        if text.contains("\n[workspace]\n") {
            continue; // outside of ours, so there is nothing to inherit
        }
        for line in [
            "[lints]\nworkspace = true",
            "license.workspace = true",
            "edition.workspace = true",
            "rust-version.workspace = true",
        ] {
            assert!(text.contains(line), "{name} lacks `{line}`");
        }
    }
    assert!(read("Cargo.toml").contains("unsafe_code = \"forbid\""));
}

#[test]
fn the_dependency_tree_holds_nothing_banned_and_nothing_old() {
    let tree = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--workspace",
            "--target",
            "all",
            "--edges",
            "normal,build",
            "--prefix",
            "none",
            "--locked",
            "--offline",
        ])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let tree = String::from_utf8(tree.stdout).unwrap();
    let crates: BTreeSet<(&str, &str)> = tree
        .lines()
        .filter_map(|line| line.split_once(" v"))
        .map(|(name, rest)| (name, rest.split(' ').next().unwrap()))
        .collect();
    assert!(crates.iter().any(|(name, _)| *name == "hyper"), "the tree is read");
    let mut problems = Vec::new();
    for (name, version) in crates {
        let banned = BANNED.iter().filter(|(banned, _)| *banned == name);
        problems.extend(banned.map(|(banned, why)| format!("{banned}: {why}")));
        let numbers: Vec<u64> = version.split(['.', '-', '+']).map_while(|n| n.parse().ok()).collect();
        let too_old =
            FLOORS.iter().filter(|(floor, lowest)| *floor == name && numbers.as_slice() < lowest.as_slice());
        problems.extend(too_old.map(|(floor, lowest)| format!("{floor} {version} is below {lowest:?}")));
    }
    none(problems);
}

#[test]
fn every_dependency_has_its_line_of_reason() {
    let architecture = read("ARCHITECTURE.md");
    let mut problems = Vec::new();
    for package in packages() {
        for kind in [Value::Null, "dev".into(), "build".into()] {
            for name in dependencies(&package, &kind) {
                if !name.starts_with("orgate") && !architecture.contains(&format!("| `{name}` |")) {
                    problems.push(format!(
                        "{name} (of {}) has no row `| `{name}` | …` in ARCHITECTURE.md",
                        package["name"]
                    ));
                }
            }
        }
    }
    // And no line is left of a crate that is gone.
    let used: BTreeSet<String> = packages()
        .iter()
        .flat_map(|package| {
            [Value::Null, "dev".into(), "build".into()].map(|kind| dependencies(package, &kind))
        })
        .flatten()
        .collect();
    let (_, table) = architecture.split_once("## Dependencies").unwrap();
    for row in table.lines().filter_map(|line| line.strip_prefix("| `")) {
        let name = row.split('`').next().unwrap();
        if !used.contains(name) {
            problems.push(format!("{name} has a row in ARCHITECTURE.md and is used nowhere"));
        }
    }
    problems.sort();
    problems.dedup();
    none(problems);
}

#[test]
fn files_and_functions_stay_small() {
    let mut problems = Vec::new();
    for name in rust_files() {
        let text = read(&name);
        let (lines, limit) = match is_test(&name) {
            true => (text.lines().count(), MAX_TEST_LINES),
            false => (without_inline_tests(&text).lines().count(), MAX_SOURCE_LINES),
        };
        if lines > limit {
            problems.push(format!("{name} has {lines} lines, more than {limit}"));
        }
        problems.extend(long_functions(&name, without_inline_tests(&text)));
    }
    none(problems);
}

/// Functions as rustfmt lays them out: from a line with `fn ` to the line with the closing brace of the same indent.
fn long_functions(name: &str, text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let mut problems = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let starts = [
            "fn ",
            "pub fn ",
            "pub(crate) fn ",
            "pub(super) fn ",
            "async fn ",
            "pub async fn ",
            "pub(crate) async fn ",
            "pub(super) async fn ",
        ];
        if !starts.iter().any(|start| code.starts_with(start)) || line.ends_with(';') || line.ends_with('}') {
            continue;
        }
        let indent = line.len() - code.len();
        let end = lines[at..].iter().position(|line| *line == format!("{}}}", " ".repeat(indent)));
        if let Some(length) = end.filter(|length| *length + 1 > MAX_FUNCTION_LINES) {
            problems.push(format!("{name}:{}: a function of {} lines", at + 1, length + 1));
        }
    }
    problems
}

#[test]
fn one_place_decodes_paths_and_one_place_in_each_crate_reads_the_clock() {
    let mut problems = Vec::new();
    for name in rust_files().iter().filter(|name| !is_test(name)) {
        let text = read(name);
        let code = without_inline_tests(&text);
        if code.contains("percent_decode") && name != "crates/orgate-policy/src/target.rs" {
            problems.push(format!("{name} decodes percent-encoding"));
        }
        if code.contains("SystemTime::now") && !name.ends_with("/clock.rs") {
            problems.push(format!("{name} reads the clock"));
        }
    }
    none(problems);
}

#[test]
fn sql_stands_in_queries_and_in_db_only() {
    let mut problems = Vec::new();
    for name in rust_files().iter().filter(|name| name.starts_with("crates/orgate-issuer/src/")) {
        if name.ends_with("/queries.rs") || name.contains("/src/db/") || is_test(name) {
            continue;
        }
        let text = read(name);
        for (at, line) in without_inline_tests(&text).lines().enumerate() {
            let sql = ["\"SELECT ", "\"INSERT INTO", "\"UPDATE ", "\"DELETE FROM", "sqlx::"]
                .iter()
                .find(|sql| line.contains(*sql));
            if let Some(sql) = sql {
                problems.push(format!("{name}:{}: {sql}", at + 1));
            }
        }
    }
    none(problems);
}

#[test]
fn slices_of_the_issuer_use_only_what_is_left_of_them() {
    let mut problems = Vec::new();
    for (at, slice) in SLICES.iter().enumerate() {
        let prefix = format!("crates/orgate-issuer/src/{slice}/");
        for name in rust_files().iter().filter(|name| name.starts_with(&prefix) && !is_test(name)) {
            let text = read(name);
            for right in &SLICES[at + 1..] {
                let uses = [format!("crate::{right}::"), format!("crate::{{{right}"), format!(" {right}::")];
                let line = without_inline_tests(&text).lines().position(|line| {
                    !line.trim_start().starts_with("//") && uses.iter().any(|u| line.contains(u.as_str()))
                });
                problems.extend(line.map(|line| format!("{name}:{}: {slice} uses {right}", line + 1)));
            }
        }
    }
    none(problems);
}

/// What the issuer answers stands in its OpenAPI document: only `openapi::Routes` makes routes, and it takes no handler
/// without a description.
#[test]
fn every_route_of_the_issuer_is_made_with_its_description() {
    let mut problems = Vec::new();
    for name in
        rust_files().iter().filter(|name| name.starts_with("crates/orgate-issuer/src/") && !is_test(name))
    {
        if name.ends_with("/openapi/routes.rs") {
            continue;
        }
        let text = read(name);
        let made = [".route(", ".route_service(", ".nest_service(", "axum::routing", "    routing::"];
        let line =
            without_inline_tests(&text).lines().position(|line| made.iter().any(|one| line.contains(one)));
        problems.extend(line.map(|line| format!("{name}:{}: a route without a description", line + 1)));
    }
    none(problems);
}

#[test]
fn nothing_of_the_machine_it_was_written_on_is_in_the_repository() {
    // Composed here, so that this file does not hold them.
    let hosts = [["crates", "io"], ["pypi", "org"], ["npmjs", "org"], ["deb.debian", "org"]]
        .map(|parts| parts.join("."));
    let folders = [["", "work", ""], ["", "root", ""], ["", "home", ""]].map(|parts| parts.join("/"));
    let mut problems = Vec::new();
    for name in files().iter().filter(|name| !name.ends_with("Cargo.lock")) {
        let Ok(text) = fs::read_to_string(root().join(name)) else { continue };
        for (at, line) in text.lines().enumerate() {
            let found = hosts.iter().chain(&folders).find(|word| line.contains(word.as_str()));
            problems.extend(found.map(|word| format!("{name}:{}: {word}", at + 1)));
        }
    }
    none(problems);
}

#[test]
fn the_top_level_holds_the_six_and_the_usual_files() {
    let allowed = [
        "Cargo.toml",
        "Cargo.lock",
        "crates",
        "sidecar",
        "examples",
        "tests",
        "README.md",
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "LICENSE-MIT",
        "LICENSE-APACHE",
        "clippy.toml",
        "deny.toml",
        "rustfmt.toml",
        "docs",
        ".gitignore",
        // Where pre-commit looks for the hooks that a repository offers.
        ".pre-commit-hooks.yaml",
        ".ci",
    ];
    let found: BTreeSet<String> =
        files().iter().map(|name| name.split('/').next().unwrap().to_owned()).collect();
    none(found.into_iter().filter(|name| !allowed.contains(&name.as_str())).collect());
    for needed in ["Cargo.lock", "LICENSE-MIT", "LICENSE-APACHE", "README.md", "ARCHITECTURE.md"] {
        assert!(root().join(needed).is_file(), "{needed}");
    }
}

#[test]
fn unfinished_work_is_not_in_the_code() {
    let words =
        [["to", "do!("], ["FIX", "ME"], ["XX", "X"], ["#[ign", "ore"], ["```ign", "ore"], ["db", "g!("]]
            .map(|parts| parts.concat());
    let mut problems = Vec::new();
    for name in rust_files() {
        for (at, line) in read(&name).lines().enumerate() {
            let found = words.iter().find(|word| line.contains(word.as_str()));
            problems.extend(found.map(|word| format!("{name}:{}: {word}", at + 1)));
        }
    }
    none(problems);
}
