//! Which documents are ours. An editor sends every YAML file of a project; what is no policy must not be told so.

use orgate_config::FILE_NAMES;

/// What a document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Policy,
    /// A file of tests.
    Tests,
    /// Something else, or a part of a policy that cannot be judged by itself.
    Other,
}

pub(super) fn of(uri: &str, text: &str) -> Kind {
    let name = uri.rsplit('/').next().unwrap_or_default();
    let has = |key: &str| {
        text.lines().any(|line| line.strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with(':')))
    };
    let is_tests = name.ends_with(".test.yaml") || name.ends_with(".test.yml");
    match name {
        name if FILE_NAMES.contains(&name) => Kind::Policy,
        "orgate.test.yaml" | "orgate.test.yml" => Kind::Tests,
        _ if is_tests && has("cases") => Kind::Tests,
        _ if !is_tests && has("version") && has("rules") => Kind::Policy,
        _ => Kind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_another_tool_is_left_alone() {
        for (uri, text, kind) in [
            ("file:///a/orgate.yaml", "", Kind::Policy),
            ("file:///a/orgate.test.yaml", "", Kind::Tests),
            ("file:///a/shop.yaml", "version: 1\nrules: {}\n", Kind::Policy),
            ("untitled:1", "version : 1\nrules:\n", Kind::Policy),
            ("file:///a/shop.test.yaml", "cases:\n", Kind::Tests),
            ("file:///a/shop.test.yaml", "version: 1\nrules: {}\n", Kind::Other),
            ("file:///a/docker-compose.yaml", "version: 3\nservices: {}\n", Kind::Other),
            ("file:///a/part.orgate.yaml", "base: /a\nrules: {}\n", Kind::Other),
            ("file:///a/alerts.yaml", "groups:\n  - rules:\n", Kind::Other),
        ] {
            assert_eq!(of(uri, text), kind, "{uri}");
        }
    }
}
