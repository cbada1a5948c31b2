//! The JSON Schema against a validator that is not ours: it is one, it takes every policy of the documentation, and it
//! refuses what the reader refuses.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use orgate_config::{
    diagnostic::Diagnostics,
    document::{self, Node},
};
use orgate_e2e::{Folder, orgate};
use serde_json::{Value, json};

/// Reads `{schema, valid, invalid}` and prints what is not so.
const JUDGE: &str = "
import json, sys, jsonschema
asked = json.load(sys.stdin)
jsonschema.Draft7Validator.check_schema(asked['schema'])
judge = jsonschema.Draft7Validator(asked['schema'])
for name, policy in asked['valid']:
    for error in judge.iter_errors(policy):
        print(name, 'is refused:', error.message[:300])
for name, policy in asked['invalid']:
    if judge.is_valid(policy):
        print(name, 'is taken')
";

fn judged(schema: &Value, valid: &[(String, Value)], invalid: &[(String, Value)]) {
    let mut python = Command::new("python3")
        .args(["-c", JUDGE])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("python3 is needed (Debian: apt-get install python3-jsonschema)");
    let asked = json!({"schema": schema, "valid": valid, "invalid": invalid});
    python.stdin.take().unwrap().write_all(asked.to_string().as_bytes()).unwrap();
    let finished = python.wait_with_output().unwrap();
    let told =
        String::from_utf8_lossy(&finished.stdout).into_owned() + &String::from_utf8_lossy(&finished.stderr);
    let help = "python3 needs jsonschema (Debian: apt-get install python3-jsonschema)";
    assert!(finished.status.success(), "{help}\n{told}");
    assert!(finished.stdout.is_empty(), "{told}");
}

fn to_json(node: &Node) -> Value {
    use document::Value as Tree;
    match &node.value {
        Tree::Bool(value) => (*value).into(),
        Tree::Integer(value) => (*value).into(),
        Tree::Float(value) => (*value).into(),
        Tree::Text(text) => text.as_str().into(),
        Tree::List(items) => items.iter().map(to_json).collect(),
        Tree::Map(entries) => {
            Value::Object(entries.iter().map(|(key, node)| (key.text.clone(), to_json(node))).collect())
        }
        _ => Value::Null,
    }
}

fn parsed(name: &str, text: &str) -> Value {
    let mut findings = Diagnostics::new();
    let root = document::read(name, text.as_bytes(), &mut findings);
    to_json(&root.unwrap_or_else(|| panic!("{name}: {}", findings.render(false))))
}

/// Every policy of the documentation: the blocks of YAML that begin with `version:`.
fn documented() -> Vec<(String, Value)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut policies = Vec::new();
    for page in ["README.md", "docs/policy.md"] {
        let text = fs::read_to_string(root.join(page)).unwrap();
        let blocks = text.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
        for (number, block) in blocks.enumerate().filter(|(_, block)| block.starts_with("version:")) {
            let compiled = orgate_config::compile("orgate.yaml", block.as_bytes(), &|_| {
                Some("https://i.example".to_owned())
            });
            if compiled.is_ok() {
                policies.push((format!("{page} block {number}"), parsed(page, block)));
            }
        }
    }
    let all = fs::read_to_string(root.join("tests/fuzz/seeds/policy_document/all.yaml")).unwrap();
    policies.push(("all.yaml".to_owned(), parsed("all.yaml", &all)));
    policies
}

#[test]
fn a_foreign_validator_agrees_with_the_reader() {
    let folder = Folder::new();
    let schema = |arguments: &[&str]| -> Value {
        let finished = orgate().args(arguments).folder(folder.path()).finish();
        assert_eq!(finished.code, Some(0), "{}", finished.stderr);
        serde_json::from_str(&finished.stdout).unwrap()
    };
    let valid = documented();
    assert!(valid.len() >= 3, "{}", valid.len());
    let base = "version: 1\nissuers: {main: {issuer: \"https://i.example\", audience: a, profile: orgate}}\nrules: {GET /a: read}\n";
    let changes = [
        ("version: 1", "version: 2"),
        ("version: 1\n", ""),
        ("rules:", "ruls:"),
        ("issuer: ", "isuer: "),
        ("profile: orgate", "profile: orgat"),
        ("rules: {GET /a: read}", "rules: [GET /a]"),
        ("rules: {GET /a: read}", "rules: {get /a: read}"),
        ("rules: {GET /a: read}", "rules: {GET /a: {requires: read}}"),
        ("version: 1", "version: 1\nmode: observ"),
        ("version: 1", "version: 1\ndeny: {hide: 7}"),
        ("version: 1", "version: 1\nroles: {admin: {grant: [read]}}"),
    ];
    let invalid: Vec<(String, Value)> = changes
        .iter()
        .map(|(old, new)| {
            let text = base.replace(old, new);
            assert!(orgate_config::compile("orgate.yaml", text.as_bytes(), &|_| None).is_err(), "{text}");
            (text.clone(), parsed("orgate.yaml", &text))
        })
        .collect();
    judged(&schema(&["schema"]), &valid, &invalid);

    folder.write("orgate.yaml", base);
    let named = schema(&["schema", "--for", "orgate.yaml"]);
    judged(&named, &[("its own".to_owned(), parsed("orgate.yaml", base))], &[]);
    let cases = "principals: {ann: {role: owner, org: acme}}\ncases: {GET /a: [ann]}\n";
    judged(
        &schema(&["schema", "--of", "tests"]),
        &[("cases".to_owned(), parsed("orgate.test.yaml", cases))],
        &[("no cases".to_owned(), parsed("orgate.test.yaml", &cases.replace("cases: {", "case: {")))],
    );
}
