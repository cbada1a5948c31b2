//! The schema beside the reader: the same keys, and the same judgement of files.

use std::collections::BTreeSet;

use serde_json::Value;

use super::*;

/// Every key that is named by `.optional("…")` or `.required("…")` in these sources.
fn read_by(sources: &[&str]) -> BTreeSet<String> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/orgate-config/src");
    let mut keys = BTreeSet::new();
    for source in sources {
        let path = root.join(source);
        let files: Vec<_> = match path.is_dir() {
            true => std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()).collect(),
            false => vec![path],
        };
        for text in files.iter().filter_map(|file| std::fs::read_to_string(file).ok()) {
            for call in [".optional(\"", ".required(\""] {
                let found = text.split(call).skip(1).filter_map(|rest| rest.split('"').next());
                keys.extend(found.map(str::to_owned));
            }
        }
    }
    keys
}

/// Every name under a `properties` of the schema.
fn properties(schema: &Value, keys: &mut BTreeSet<String>) {
    match schema {
        Value::Object(object) => {
            for (key, value) in object {
                if key == "properties" {
                    keys.extend(value.as_object().into_iter().flat_map(|object| object.keys().cloned()));
                }
                properties(value, keys);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| properties(item, keys)),
        _ => {}
    }
}

#[test]
fn the_schema_has_the_keys_of_the_reader_and_no_others() {
    for (schema, sources) in [
        (policy::schema(&Names::default()), &["compile"][..]),
        (tests_file::schema(&Names::default()), &["cases.rs", "cases"]),
        (settings::schema(), &["../../../sidecar/src/cli/settings"]),
    ] {
        let mut known = BTreeSet::new();
        properties(&schema, &mut known);
        if sources == ["compile"] {
            properties(&policy::fragment(&Names::default()), &mut known);
            known.remove("include"); // read before the other keys
        }
        assert_eq!(known, read_by(sources));
    }
}

/// Whether a value fits a schema; only the words that ours use.
fn fits(value: &Value, schema: &Value, root: &Value) -> bool {
    let Some(schema) = schema.as_object() else { return true };
    schema.iter().all(|(word, want)| match word.as_str() {
        "$ref" => {
            let pointer = want.as_str().unwrap().trim_start_matches('#');
            fits(value, root.pointer(pointer).unwrap_or_else(|| panic!("{pointer}")), root)
        }
        "const" => value == want,
        "enum" => want.as_array().unwrap().contains(value),
        "anyOf" => want.as_array().unwrap().iter().any(|one| fits(value, one, root)),
        "type" => {
            let kinds = want.as_array().cloned().unwrap_or_else(|| vec![want.clone()]);
            kinds.iter().any(|kind| match kind.as_str().unwrap() {
                "object" => value.is_object(),
                "array" => value.is_array(),
                "string" => value.is_string(),
                "boolean" => value.is_boolean(),
                "null" => value.is_null(),
                "integer" => value.is_i64(),
                other => panic!("{other}"),
            })
        }
        "items" => value.as_array().is_none_or(|items| items.iter().all(|item| fits(item, want, root))),
        "required" => value.as_object().is_none_or(|object| {
            want.as_array().unwrap().iter().all(|key| object.contains_key(key.as_str().unwrap()))
        }),
        "minimum" => value.as_i64().is_none_or(|value| value >= want.as_i64().unwrap()),
        "maximum" => value.as_i64().is_none_or(|value| value <= want.as_i64().unwrap()),
        "minLength" => value.as_str().is_none_or(|text| !text.is_empty()),
        "minProperties" => value.as_object().is_none_or(|object| !object.is_empty()),
        "additionalProperties" => value.as_object().is_none_or(|object| {
            let named = |key: &str| {
                key.starts_with("x-") && schema.contains_key("patternProperties")
                    || schema.get("properties").is_some_and(|properties| properties.get(key).is_some())
                    || key.starts_with("claims.")
                        && schema.get("patternProperties").is_some_and(|p| p.get("^claims\\.").is_some())
            };
            object.iter().filter(|(key, _)| !named(key)).all(|(_, value)| match want {
                Value::Bool(allowed) => *allowed,
                schema => fits(value, schema, root),
            })
        }),
        "properties" => value.as_object().is_none_or(|object| {
            let properties = want.as_object().unwrap();
            object
                .iter()
                .all(|(key, value)| properties.get(key).is_none_or(|schema| fits(value, schema, root)))
        }),
        "pattern" if want == "[ ()]" => value.as_str().is_none_or(|text| text.contains([' ', '(', ')'])),
        // Other patterns are tried by a validator of its own when the schema changes; here the structure counts.
        "pattern" | "propertyNames" | "patternProperties" => true,
        "description" | "title" | "$schema" | "definitions" => true,
        other => panic!("{other}"),
    })
}

fn value(node: &orgate_config::document::Node) -> Value {
    use orgate_config::document::Value as Node;
    match &node.value {
        Node::Bool(value) => (*value).into(),
        Node::Integer(value) => (*value).into(),
        Node::Float(value) => (*value).into(),
        Node::Text(text) => text.clone().into(),
        Node::List(items) => items.iter().map(value).collect(),
        Node::Map(entries) => {
            Value::Object(entries.iter().map(|(key, node)| (key.text.clone(), value(node))).collect())
        }
        _ => Value::Null,
    }
}

fn accepts(schema: &Value, text: &str) -> bool {
    let document = orgate_config::document::parse("orgate.yaml", text).unwrap();
    fits(&value(document.root()), schema, schema)
}

const POLICY: &str = "\
version: 1
x-team: billing
issuers:
  main:
    issuer: https://i.example
    audience: [a, b]
    keys: {file: keys.json}
    typ: at+jwt
    leeway: 30s
    feed: {key: {env: K}}
    max_stale: 2s
    on_stale: deny
    claims: {role: {from: [r], strip: \"org:\", rename: {a: [b]}}, claims.team: /t/team}
token: {from: [bearer, {header: x-token}, {cookie: t}, {query: t}, {websocket_protocol: b}], several: first, csrf: {origins: [https://a.example]}}
permissions: {read: Read things, write: null}
roles:
  member: {grants: read}
  owner: {grants: [write], extends: [member]}
bind: {tenant: [org.id, claims.t], header.x-org: org.id}
conditions: {same: path.t == claims.t}
resource: {url: https://api.example, name: A, documentation: https://a.example/docs, scopes: [read]}
identity: {prefix: X-Who, also_strip: [x-org-id]}
deny: {body: flat, pages: true, unmatched: 404, hide: true, disclose: none, redirect: {login: /login}}
rules:
  GET /a: read
  DELETE /a/{tenant}: {require: write and same, unbound: tenant, shadow: deny, fresh: live, note: n, allow: W052, x-n: 1}
";

#[test]
fn what_the_reader_accepts_the_schema_accepts() {
    let schema = policy::schema(&Names::default());
    assert!(accepts(&schema, POLICY));
    for keys in [
        "{file: k.json, max_stale: 1h}",
        "{jwks_uri: https://k, max_stale: 1h}",
        "{max_stale: 1h}",
        "discover",
    ] {
        assert!(accepts(&schema, &POLICY.replace("{file: keys.json}", keys)), "{keys}");
    }
    for (feed, fits) in [("off", true), ("on", false), ("{}", false), ("{key: k}", false)] {
        assert_eq!(accepts(&schema, &POLICY.replace("{key: {env: K}}", feed)), fits, "{feed}");
    }
    let names = Names {
        permissions: vec!["read".to_owned(), "write".to_owned()],
        roles: vec!["member".to_owned(), "owner".to_owned()],
    };
    assert!(accepts(&policy::schema(&names), POLICY));
    let tests = "principals:\n  ann: {role: owner, org: {id: acme, slug: a}}\ncases:\n  GET /a: [ann]\n  GET /b: {allow: [], deny: {ann: org_mismatch}}\n";
    assert!(accepts(&tests_file::schema(&names), tests));
    assert!(!accepts(&tests_file::schema(&names), &tests.replace("owner", "ownr")));
}

/// The same file is read in the tests of the reader.
#[test]
fn settings_are_judged_as_the_reader_does() {
    let tests = include_str!("../settings/tests.rs");
    let all =
        tests.split("const ALL: &str = \"\\\n").nth(1).and_then(|rest| rest.split("\";").next()).unwrap();
    let schema = settings::schema();
    assert!(accepts(&schema, all) && accepts(&schema, "{}"));
    for (from, to) in [
        ("listeners:", "listener:"),
        ("proxy_protocol: true", "proxy_protocol: \"yes\""),
        ("url: http:", "uri: http:"),
        ("healthy: 1", "healthy: 0"),
        ("healthy: 1", "healthy: few"),
        ("path: /healthz, ", ""),
        ("client_auth: optional", "client_auth: sometimes"),
        ("format: json", "format: xml"),
        ("connections: 10", "connections: 2"),
        ("drain: 8s", "drian: 8s"),
    ] {
        assert!(all.contains(from), "{from}");
        assert!(!accepts(&schema, &all.replacen(from, to, 1)), "{to}");
    }
}

#[test]
fn what_the_reader_refuses_by_its_form_the_schema_refuses() {
    let schema = policy::schema(&Names::default());
    for (from, to) in [
        ("version: 1", "version: 2"),
        ("audience: [a, b]", "audiense: [a, b]"),
        ("keys: {file: keys.json}", "keys: {file: keys.json, jwks_uri: https://k}"),
        ("leeway: 30s", "leeway: 30"),
        ("grants: read", "grant: read"),
        ("body: flat", "body: round"),
        ("unmatched: 404", "unmatched: 405"),
        ("hide: true", "hide: \"yes\""),
        ("GET /a: read", "GET /a: 1"),
        ("fresh: live", "fresh: later"),
        ("x-n: 1", "n: 1"),
        ("rules:", "rulez:"),
    ] {
        assert!(POLICY.contains(from), "{from}");
        assert!(!accepts(&schema, &POLICY.replace(from, to)), "{to}");
    }
    let names = Names { permissions: vec!["read".to_owned()], roles: Vec::new() };
    assert!(!accepts(&policy::schema(&names), &POLICY.replace("GET /a: read", "GET /a: raed")));
}
