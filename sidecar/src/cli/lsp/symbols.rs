//! Names in a policy and where they are declared.

use orgate_config::document::{Key, Node, Span, Value};

/// What a name can stand for. The order is that in which declarations are looked for.
const SECTIONS: [&str; 4] = ["conditions", "permissions", "roles", "authenticators"];

/// The name at a byte of the text, with its start and end.
pub(super) fn name_at(text: &str, byte: usize) -> Option<(usize, usize)> {
    let is_inside = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | ':' | '/' | '-');
    let before = text.get(..byte)?;
    let start = before.trim_end_matches(is_inside).len();
    let after = text.get(byte..)?;
    let end = byte + (after.len() - after.trim_start_matches(is_inside).len());
    // The colon behind a key belongs to the key's line and not to its name.
    let name = text.get(start..end)?.trim_end_matches(':');
    (!name.is_empty()).then_some((start, start + name.len()))
}

/// Where a name is declared: first as a key of its section, else where a role grants it.
pub(super) fn declaration(root: &Node, name: &str, within: Option<&str>) -> Option<Span> {
    let sections = SECTIONS.iter().filter(|section| within.is_none_or(|within| **section == within));
    for section in sections {
        let Some(node) = root.get(section) else { continue };
        let found = match &node.value {
            Value::List(items) => items.iter().find(|item| item.text() == Some(name)).map(|item| item.span),
            _ => entry(node, name).map(|(key, _)| key.span),
        };
        if found.is_some() {
            return found;
        }
    }
    let is_permission = within.is_none_or(|within| within == "permissions");
    let roles = root.get("roles").filter(|_| is_permission)?.entries()?;
    roles.iter().find_map(|(_, role)| {
        let grants = role.get("grants")?;
        match &grants.value {
            Value::List(items) => items.iter().find(|item| item.text() == Some(name)).map(|item| item.span),
            Value::Text(text) if text == name => Some(grants.span),
            _ => None,
        }
    })
}

fn entry<'n>(node: &'n Node, name: &str) -> Option<&'n (Key, Node)> {
    node.entries()?.iter().find(|(key, _)| key.text == name)
}

/// The rule at a byte of the text: on its key, on what it demands, or on the way between.
pub(super) fn rule_at(root: &Node, byte: usize) -> Option<(&Key, &Node)> {
    let byte = u32::try_from(byte).ok()?;
    let rules = root.get("rules")?.entries()?;
    let (key, node) = rules.iter().rev().find(|(key, _)| key.span.start <= byte)?;
    // The end of a block is seen only at the line of what follows.
    (byte <= node.span.end.max(key.span.end)).then_some((key, node))
}

/// Which section a name belongs to that stands behind `before` on its line, as far as that can be told.
pub(super) fn section_of(before: &str) -> Option<&'static str> {
    let open = before.rfind('(')?;
    let (call, inside) = before.split_at(open);
    let is_closed = inside.contains(')');
    match call {
        _ if is_closed => None,
        call if call.ends_with("role") => Some("roles"),
        call if call.ends_with("via") => Some("authenticators"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use orgate_config::document;

    use super::*;

    const TEXT: &str = "permissions: {über: x}\nroles:\n  a: {grants: [read, über]}\n  read: {extends: a, grants: write}\nrules:\n  GET /x: read\n  PUT /y:\n    require: write\n";

    #[test]
    fn names_are_found_where_they_are_declared() {
        let root = document::parse("f", TEXT).unwrap().into_parts().0;
        let line = |name: &str, within: Option<&str>| {
            declaration(&root, name, within).map(|span| (span.line, span.column))
        };
        assert_eq!(line("über", None), Some((1, 15)));
        assert_eq!(line("a", None), Some((3, 3)));
        assert_eq!(line("read", None), Some((4, 3)), "a role before what is granted");
        assert_eq!(line("read", Some("permissions")), Some((3, 16)));
        assert_eq!(line("write", None), Some((4, 30)));
        assert_eq!(line("none", None), None);
    }

    #[test]
    fn names_and_rules_are_found_by_a_byte_within_them() {
        let name = |part: &str, at: usize| {
            let byte = TEXT.find(part).unwrap() + at;
            name_at(TEXT, byte).map(|(start, end)| TEXT.get(start..end).unwrap())
        };
        assert_eq!(name("über: x", 1 + 1), Some("über"));
        assert_eq!(name("über: x", 0), Some("über"));
        assert_eq!(name("write\n", 5), Some("write"));
        assert_eq!(name(": {", 2), None);
        let root = document::parse("f", TEXT).unwrap().into_parts().0;
        let rule = |part: &str| rule_at(&root, TEXT.find(part).unwrap()).map(|(key, _)| key.text.as_str());
        assert_eq!(rule("GET /x"), Some("GET /x"));
        assert_eq!(rule("read\n"), Some("GET /x"));
        assert_eq!(rule("require"), Some("PUT /y"));
        assert_eq!(rule("rules"), None);
        assert_eq!(section_of("role(a, "), Some("roles"));
        assert_eq!(section_of("role(a) and ("), None);
        assert_eq!(section_of("via("), Some("authenticators"));
    }
}
