//! What can be written where the cursor stands.

use orgate_config::PolicyFile;
use serde_json::{Value, json};

use super::{context, context::Context, text::Text, words};

/// Kinds of what is offered (LSP 3.17, `CompletionItemKind`).
#[derive(Clone, Copy)]
enum Kind {
    Method = 2,
    Function = 3,
    Property = 10,
    Value = 12,
    Keyword = 14,
    Constant = 21,
}

struct Item {
    label: String,
    kind: Kind,
    detail: String,
    /// What is written instead of the label.
    insert: Option<String>,
}

impl Item {
    fn new(label: &str, kind: Kind, detail: impl Into<String>) -> Self {
        Self { label: label.to_owned(), kind, detail: detail.into(), insert: None }
    }
}

const METHODS: [(&str, &str); 8] = [
    ("GET", "covers HEAD too"),
    ("HEAD", ""),
    ("POST", ""),
    ("PUT", ""),
    ("PATCH", ""),
    ("DELETE", ""),
    ("OPTIONS", ""),
    ("ANY", "every method that no other rule of the path names"),
];

/// Words that are a whole requirement.
const WHOLE: [(&str, &str); 3] = [
    ("public", "anybody; credentials are not looked at"),
    ("optional", "with or without a token; one that is sent must be valid"),
    ("deny", "nobody"),
];

/// Words within a requirement.
const WORDS: [(&str, &str); 5] = [
    ("authenticated", "any valid token"),
    ("org", "a valid token with an active organization"),
    ("and", "both"),
    ("or", "either"),
    ("not", "the opposite"),
];

/// Words that take something in parentheses.
const CALLS: [(&str, &str); 4] = [
    ("role", "one of these roles"),
    ("fresh", "signed in not longer ago than this, such as 15m"),
    ("acr", "signed in this well, such as \"mfa\""),
    ("via", "this authenticator instead of a token"),
];

/// The answer to `textDocument/completion`.
pub(super) fn complete(text: &Text, byte: usize, file: Option<&PolicyFile>) -> Value {
    let before = text.as_str().get(..byte).unwrap_or_default();
    let Some(context) = context::at_the_end(before) else { return json!([]) };
    let word = word(&context);
    let range = text.range(byte.saturating_sub(word.len()), byte);
    let items = items(&context, word, text.as_str(), file).into_iter().enumerate().map(|(number, item)| {
        let mut value = json!({
            "label": item.label,
            "kind": item.kind as u8,
            "sortText": format!("{number:04}"),
            "textEdit": {"range": range, "newText": item.insert.as_ref().unwrap_or(&item.label)},
        });
        if let Some(map) = value.as_object_mut().filter(|_| !item.detail.is_empty()) {
            map.insert("detail".to_owned(), item.detail.into());
        }
        value
    });
    items.collect()
}

/// The word that is being written.
fn word(context: &Context) -> &str {
    let is_inside = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | ':' | '/' | '-');
    let written = context.written.as_str();
    match context.is_key && context.keys() != ["rules"] {
        true => written,
        // `GET|PU` is two words.
        false => written.rsplit(|c| !is_inside(c)).next().unwrap_or_default(),
    }
}

fn items(context: &Context, word: &str, text: &str, file: Option<&PolicyFile>) -> Vec<Item> {
    let keys = context.keys();
    if context.is_key {
        return match keys.as_slice() {
            // Behind the method comes a path, which nobody can guess.
            ["rules"] if context.written.contains(' ') => Vec::new(),
            ["rules"] => methods(&context.written, word),
            path => keys_of(path),
        };
    }
    match keys.as_slice() {
        ["rules", _] | ["rules", _, "require" | "shadow"] => requirement(context, text, file),
        ["roles", _, "grants"] | ["issuers", _, "claims", ..] => permissions(file),
        ["roles", _, "extends"] => roles(file),
        ["rules", rule, "unbound"] => parameters(rule),
        ["bind", _] => targets(),
        ["issuers", _, "algorithms"] => values(&[
            "EdDSA", "ES256", "ES384", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512", "HS256",
            "HS384", "HS512",
        ]),
        ["issuers", _, "keys"] => values(&["discover"]),
        ["rules", _, "hide"] | ["deny", "hide"] => values(&["true", "false"]),
        ["deny", "unmatched"] => values(&["404"]),
        path => words::choices(path).iter().map(|name| Item::new(name, Kind::Value, "")).collect(),
    }
}

fn values(values: &[&str]) -> Vec<Item> {
    values.iter().map(|value| Item::new(value, Kind::Value, "")).collect()
}

fn keys_of(path: &[&str]) -> Vec<Item> {
    let keys = words::keys_under(path);
    let item = |key: &String| {
        let insert = Some(format!("{key}: "));
        Item { insert, ..Item::new(key, Kind::Property, "") }
    };
    keys.iter().map(item).collect()
}

/// Methods; those that are written already are left out.
fn methods(written: &str, word: &str) -> Vec<Item> {
    let others: Vec<&str> = written.strip_suffix(word).unwrap_or_default().split('|').collect();
    let is_first = others.iter().all(|other| other.is_empty());
    let free = METHODS.iter().filter(|(name, _)| !others.contains(name) && (is_first || *name != "ANY"));
    free.map(|(name, detail)| Item::new(name, Kind::Method, *detail)).collect()
}

fn requirement(context: &Context, text: &str, file: Option<&PolicyFile>) -> Vec<Item> {
    let written = context.written.trim_start_matches(['"', '\'']);
    let open = written.rfind('(').filter(|at| !written.get(*at..).unwrap_or_default().contains(')'));
    if let Some(before) = open.and_then(|at| written.get(..at)) {
        if before.ends_with("role") {
            return roles(file);
        }
        if before.ends_with("via") {
            return named_in(text, "authenticators", "authenticates instead of a token");
        }
    }
    let mut items = permissions(file);
    let is_start = !written.contains(char::is_whitespace) && open.is_none();
    let words = WHOLE.iter().filter(|_| is_start).chain(&WORDS);
    items.extend(words.map(|(name, detail)| Item::new(name, Kind::Keyword, *detail)));
    items.extend(named_in(text, "conditions", "a condition of this policy"));
    items.extend(CALLS.iter().map(|(name, detail)| Item {
        insert: Some(format!("{name}(")),
        ..Item::new(&format!("{name}(…)"), Kind::Function, *detail)
    }));
    items
}

fn permissions(file: Option<&PolicyFile>) -> Vec<Item> {
    let Some(file) = file else { return Vec::new() };
    let item = |name: &str| Item::new(name, Kind::Constant, holders(file, name));
    file.policy.permissions().map(item).collect()
}

/// Who holds a permission, in a few words.
pub(super) fn holders(file: &PolicyFile, permission: &str) -> String {
    let holds = |role: &&str| file.policy.table_permissions([*role]).contains(&permission);
    let roles: Vec<&str> = file.policy.table_roles().filter(holds).collect();
    if roles.is_empty() { "held by no role".to_owned() } else { format!("held by {}", roles.join(", ")) }
}

fn roles(file: Option<&PolicyFile>) -> Vec<Item> {
    let Some(file) = file else { return Vec::new() };
    let item = |name: &str| {
        let held = file.policy.table_permissions([name]).join(", ");
        let detail = if held.is_empty() { String::new() } else { format!("holds {held}") };
        Item::new(name, Kind::Constant, detail)
    };
    file.policy.roles().map(item).collect()
}

/// The parameters of a rule's path.
fn parameters(rule: &str) -> Vec<Item> {
    let names = rule.split('{').skip(1).filter_map(|rest| rest.split_once('}'));
    names.map(|(name, _)| Item::new(name, Kind::Value, "")).collect()
}

/// The keys of a section at the top of the text, whether the rest of it can be read or not.
fn named_in(text: &str, section: &str, detail: &str) -> Vec<Item> {
    let lines = text.lines().skip_while(|line| line.split(':').next() != Some(section)).skip(1);
    let lines = lines.take_while(|line| line.trim().is_empty() || line.starts_with([' ', '#']));
    let indentation = |line: &str| line.len() - line.trim_start().len();
    let mut column = None;
    let mut items = Vec::new();
    for line in lines.filter(|line| !line.trim_start().starts_with('#') && !line.trim().is_empty()) {
        if *column.get_or_insert(indentation(line)) == indentation(line) {
            let name = line.split(':').next().unwrap_or_default().trim().trim_matches(['"', '\'']);
            items.push(Item::new(name, Kind::Constant, detail));
        }
    }
    items
}

fn targets() -> Vec<Item> {
    let targets = [
        ("org.id", "the id of the caller's active organization"),
        ("org.slug", "its slug"),
        ("sub", "the caller"),
    ];
    targets.iter().map(|(name, detail)| Item::new(name, Kind::Value, *detail)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = "version: 1\nissuers:\n  main: {issuer: \"https://i.example\", audience: a}\nroles:\n  viewer: {grants: [read]}\n  éditeur: {extends: viewer, grants: [write]}\nrules:\n  GET /x: read\n";

    /// What is offered where `|` stands behind the policy's text.
    fn offered(more: &str) -> Vec<String> {
        let file = orgate_config::compile("orgate.yaml", POLICY.as_bytes(), &|_| None).unwrap();
        let text = Text::new(format!("{POLICY}{more}"));
        let items = complete(&text, text.as_str().len(), Some(&file));
        items.as_array().unwrap().iter().map(|item| item["label"].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn names_words_methods_and_keys_are_offered_where_they_belong() {
        for (more, has, lacks) in [
            (
                "  POST /x: ",
                &["read", "write", "public", "authenticated", "role(…)"][..],
                &["viewer", "GET"][..],
            ),
            ("  POST /x: read and ", &["write", "not"], &["public", "deny"]),
            ("  POST /x: role(", &["viewer", "éditeur"], &["read", "public"]),
            ("  POST /x: role(viewer) or ", &["read"], &["viewer"]),
            ("  ", &["GET", "ANY"], &["read"]),
            ("  GET|", &["POST"], &["GET", "ANY"]),
            ("  POST /", &[], &["GET", "read"]),
            ("  POST /x: {", &["require", "unbound"], &["read", "grants"]),
            ("  POST /o/{org_id}/{id}: {unbound: [", &["org_id", "id"], &["read"]),
            ("deny: {", &["hide", "unmatched"], &["rules"]),
            ("", &["bind", "token"], &["GET"]),
            ("issuers:\n  a: {profile: ", &["auth0", "orgate"], &["read"]),
            ("roles:\n  a: {grants: [", &["write"], &["viewer", "public"]),
            ("roles:\n  a:\n    extends: ", &["viewer"], &["read"]),
            ("bind:\n  a: ", &["org.id", "sub"], &["read"]),
            ("  # GET ", &[], &["read", "GET"]),
        ] {
            let offered = offered(more);
            let is_there = |name: &&str| offered.iter().any(|label| label == name);
            assert!(has.iter().all(is_there), "{more:?}: {offered:?}");
            assert!(!lacks.iter().any(is_there), "{more:?}: {offered:?}");
        }
    }

    #[test]
    fn conditions_and_authenticators_are_offered_from_a_text_that_cannot_be_read() {
        let head = "conditions:\n  # x\n  same_team: path.a == sub\n  über: >-\n    sub == sub\nauthenticators:\n  stripe: {type: webhook}\nrules:\n  GET /a: {{ [\n  GET /b: ";
        let offered = |more: &str| {
            let text = Text::new(format!("{head}{more}"));
            complete(&text, text.as_str().len(), None).to_string()
        };
        assert!(offered("read and ").contains("\"über\"") && offered("").contains("same_team"));
        assert!(offered("via(").contains("\"stripe\"") && !offered("via(").contains("same_team"));
        assert!(!offered("via(").contains("sub"));
    }

    #[test]
    fn what_is_written_is_replaced_and_nothing_else() {
        let text = Text::new("# 𝄞\nrules:\n  GET /ü𝄞: {require: 're".to_owned());
        let items = complete(&text, text.as_str().len(), None);
        let edit = &items[0]["textEdit"];
        let (start, end) = (&edit["range"]["start"], &edit["range"]["end"]);
        assert_eq!(
            (start, end),
            (&json!({"line": 2, "character": 23}), &json!({"line": 2, "character": 25}))
        );
    }
}
