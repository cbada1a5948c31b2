//! The keys of each section and the values with a fixed choice, as the reader of policies knows them.
//!
//! They are not listed here: a small file with an impossible key or value is read, and the finding names those that are
//! known. So what is offered is what this version understands, and a key that it refuses is not offered.

use orgate_config::{codes, compile};

/// A key that nobody writes, and that is like no other.
const IMPOSSIBLE: &str = "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz";

/// The keys that may stand under `path`.
pub(super) fn keys_under(path: &[&str]) -> Vec<String> {
    let known = findings(path, IMPOSSIBLE, "").into_iter().find_map(|(code, message, help)| {
        let help = help.filter(|_| code == codes::UNKNOWN_KEY && message.contains(IMPOSSIBLE))?;
        let (_, known) = help.split_once("known keys: ")?;
        Some(known.split(", ").map(str::to_owned).collect::<Vec<_>>())
    });
    let is_refused = |key: &str| {
        let refusal = format!("`{key}`");
        findings(path, key, "")
            .iter()
            .any(|(code, message, _)| *code == codes::UNSUPPORTED && message.starts_with(&refusal))
    };
    known.unwrap_or_default().into_iter().filter(|key| !is_refused(key)).collect()
}

/// The choices of a key that has a fixed number of them; the last of `path` is the key.
pub(super) fn choices(path: &[&str]) -> Vec<String> {
    let Some((key, path)) = path.split_last() else { return Vec::new() };
    let listed = |text: &str| -> Option<Vec<String>> {
        let (_, rest) =
            text.split_once("expected one of ").or_else(|| text.split_once("the profiles are "))?;
        let list = rest.split(", found ").next().unwrap_or_default();
        Some(list.split(", ").map(|name| name.trim_matches('`').to_owned()).collect())
    };
    let found = findings(path, key, IMPOSSIBLE);
    let texts = found.iter().flat_map(|(_, message, help)| std::iter::once(message).chain(help));
    texts.filter_map(|text| listed(text)).next().unwrap_or_default()
}

/// What is found in a file with nothing but `key: value` under `path`.
fn findings(path: &[&str], key: &str, value: &str) -> Vec<(&'static str, String, Option<String>)> {
    let mut text = match path.first() {
        Some(&"version") => String::new(),
        _ => "version: 1\n".to_owned(),
    };
    for (depth, key) in path.iter().enumerate() {
        text.push_str(&format!("{:indent$}{}:\n", "", serde_json::Value::from(*key), indent = depth * 2));
    }
    let (indent, key) = (path.len() * 2, serde_json::Value::from(key));
    text.push_str(&format!("{:indent$}{key}: {value}\n", ""));
    match compile("orgate.yaml", text.as_bytes(), &|_| None) {
        Ok(_) => Vec::new(),
        Err(found) => found.iter().map(|one| (one.code, one.message.clone(), one.help.clone())).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_are_those_that_the_reader_knows() {
        let has = |path: &[&str], wanted: &[&str]| {
            let keys = keys_under(path);
            assert!(wanted.iter().all(|key| keys.iter().any(|known| known == key)), "{path:?}: {keys:?}");
            assert!(!keys.iter().any(|key| key == IMPOSSIBLE));
        };
        has(
            &[],
            &["version", "issuers", "roles", "permissions", "bind", "rules", "deny", "identity", "token"],
        );
        has(&["rules", "GET /a"], &["require", "unbound", "hide", "note"]);
        has(&["roles", "a"], &["grants", "extends"]);
        has(
            &["issuers", "main"],
            &["issuer", "audience", "profile", "keys", "algorithms", "leeway", "claims"],
        );
        has(&["deny"], &["unmatched", "hide"]);
        assert_eq!(keys_under(&["rules"]), [] as [String; 0]);
        assert_eq!(keys_under(&["nothing", "at", "all"]), [] as [String; 0]);
    }

    #[test]
    fn the_choices_are_those_that_the_reader_knows() {
        assert_eq!(choices(&["permissions_from"]), ["token_else_role", "token", "role", "union"]);
        assert!(choices(&["issuers", "main", "profile"]).contains(&"auth0".to_owned()));
        assert_eq!(choices(&["rules", "GET /a"]), [] as [String; 0]);
        assert_eq!(choices(&[]), [] as [String; 0]);
    }

    #[test]
    fn what_holds_when_a_feed_cannot_be_read_is_offered() {
        let keys = keys_under(&["issuers", "main"]);
        assert!(["feed", "max_stale", "on_stale"].iter().all(|key| keys.iter().any(|known| known == key)));
        assert_eq!(choices(&["issuers", "main", "on_stale"]), ["ttl", "deny"]);
        assert!(keys_under(&["rules", "GET /a"]).iter().any(|key| key == "limit"));
    }
}
