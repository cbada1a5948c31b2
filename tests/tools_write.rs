//! The tools that write files, through the binary.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use std::fs;

use orgate_e2e::{Finished, Folder, orgate};
use serde_json::{Value, json};

const HEAD: &str = "version: 1\nissuers:\n  main: {issuer: \"https://i.example\", audience: a, profile: orgate}\n";

fn run(folder: &Folder, arguments: &[&str]) -> Finished {
    orgate().args(arguments).folder(folder.path()).finish()
}

fn read(folder: &Folder, name: &str) -> String {
    fs::read_to_string(folder.path().join(name)).unwrap()
}

#[test]
fn fmt_writes_what_check_asks_for_and_is_then_done() {
    let folder = Folder::new();
    let text = format!("{HEAD}rules:\n  # ü\n  POST /docs: write\n  GET /docs: read # all\n");
    folder.write("orgate.yaml", &text);
    let finished = run(&folder, &["fmt", "--check"]);
    assert_eq!(finished.code, Some(1));
    assert!(finished.stdout.starts_with("orgate.yaml: would change\n  line 5\n  -   # ü"), "{}", finished.stdout);
    assert_eq!(read(&folder, "orgate.yaml"), text, "--check writes nothing");
    let finished = run(&folder, &["fmt"]);
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(0), "orgate.yaml: formatted"));
    let expected = format!("{HEAD}rules:\n  GET /docs:  read  # all\n  # ü\n  POST /docs: write\n");
    assert_eq!(read(&folder, "orgate.yaml"), expected);
    let finished = run(&folder, &["fmt", "--check", "--format", "json"]);
    assert_eq!(finished.code, Some(0), "{}", finished.stdout);
    let told: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(told, json!({"changed": 0, "files": [{"file": "orgate.yaml", "changed": false}]}));
}

#[test]
fn fmt_leaves_what_it_cannot_format() {
    let folder = Folder::new();
    folder.write("broken.yaml", "rules: {\n");
    folder.write("orgate.toml", "version = 1\n");
    folder.write("orgate.json", "{}");
    for (file, code, part) in [
        ("broken.yaml", 1, "error[E001]"),
        ("orgate.toml", 2, "is not YAML"),
        ("orgate.json", 2, "is not YAML"),
        ("none.yaml", 2, "cannot read `none.yaml`"),
    ] {
        let finished = run(&folder, &["fmt", file]);
        assert_eq!(finished.code, Some(code), "{file}: {}", finished.stderr);
        assert!(finished.stderr.contains(part), "{file}: {}", finished.stderr);
    }
    assert_eq!(read(&folder, "broken.yaml"), "rules: {\n");
}
