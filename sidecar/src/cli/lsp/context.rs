//! Where in a policy a cursor stands, told from the text alone: what is being written cannot be parsed yet.
//!
//! The keys above are found by their indentation, those on the line itself by a reading of maps and lists in braces. Maps
//! in braces that go over several lines are not looked into.

/// What is being written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Context {
    /// The keys from the top of the file; for a value, the last is its own.
    pub(super) path: Vec<String>,
    /// Whether it is a key that is being written.
    pub(super) is_key: bool,
    /// What is written of it so far.
    pub(super) written: String,
}

impl Context {
    /// The keys as they are compared.
    pub(super) fn keys(&self) -> Vec<&str> {
        self.path.iter().map(String::as_str).collect()
    }
}

/// The context at the end of `text`; `None` within a comment.
pub(super) fn at_the_end(text: &str) -> Option<Context> {
    let mut lines = text.rsplit(['\n', '\r']);
    let line = lines.next()?;
    if line.trim_start().starts_with('#') || line.contains(" #") {
        return None;
    }
    let mut indent = indentation(line);
    let mut path: Vec<String> = Vec::new();
    let is_item = line.trim_start().starts_with("- ");
    for above in lines {
        if above.trim().is_empty() || above.trim_start().starts_with('#') {
            continue;
        }
        let its = indentation(above);
        // The items of a list may stand in the column of its key.
        let is_above = its < indent
            || (is_item && path.is_empty() && its == indent && !above.trim_start().starts_with('-'));
        if is_above {
            let (key, _) = key_of(above.trim_start().trim_start_matches("- "))?;
            path.push(key);
            indent = its;
        }
        if indent == 0 && its == 0 {
            break;
        }
    }
    path.reverse();
    Some(within(line.trim_start(), path))
}

fn indentation(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

/// Reads what stands on the line: `key: {key: [value, val`.
fn within(mut rest: &str, mut path: Vec<String>) -> Context {
    let mut is_item = false;
    loop {
        rest = rest.trim_start();
        if let Some(item) = rest.strip_prefix("- ") {
            (rest, is_item) = (item, true);
            continue;
        }
        let Some((key, value)) = key_of(rest) else {
            return Context { path, is_key: !is_item, written: rest.to_owned() };
        };
        path.push(key);
        let value = value.trim_start();
        let opened = value.strip_prefix('{').map(|inner| (inner, true));
        let Some((inner, is_map)) = opened.or_else(|| Some((value.strip_prefix('[')?, false))) else {
            return Context { path, is_key: false, written: value.to_owned() };
        };
        rest = last_piece(inner);
        if !is_map {
            return Context { path, is_key: false, written: rest.trim_start().to_owned() };
        }
        is_item = false;
    }
}

/// A key and what stands behind its colon.
fn key_of(text: &str) -> Option<(String, &str)> {
    if let Some(quote) = text.chars().next().filter(|c| matches!(c, '"' | '\'')) {
        let (key, rest) = text.get(1..)?.split_once(quote)?;
        return Some((key.to_owned(), rest.trim_start().strip_prefix(':')?));
    }
    let at = text.match_indices(':').find(|(at, _)| {
        let next = text.get(at + 1..).and_then(|rest| rest.chars().next());
        next.is_none_or(char::is_whitespace)
    });
    let (key, rest) = text.split_at(at?.0);
    (!key.starts_with(['{', '['])).then(|| (key.trim().to_owned(), rest.get(1..).unwrap_or_default()))
}

/// What stands behind the last comma of this level.
fn last_piece(text: &str) -> &str {
    let (mut depth, mut start, mut quote) = (0usize, 0, None);
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '{' | '[') => depth += 1,
            (None, '}' | ']') => depth = depth.saturating_sub(1),
            (None, ',') if depth == 0 => start = at + 1,
            _ => {}
        }
    }
    text.get(start..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn context(text: &str, path: &[&str], is_key: bool, written: &str) {
        let found = at_the_end(text).unwrap();
        assert_eq!((found.keys().as_slice(), found.is_key, found.written.as_str()), (path, is_key, written));
    }

    #[test]
    fn keys_are_found_by_their_indentation_and_in_braces() {
        context("", &[], true, "");
        context("version: 1\nru", &[], true, "ru");
        context("rules:\n  GE", &["rules"], true, "GE");
        context("rules:\n  GET /a: re", &["rules", "GET /a"], false, "re");
        context("rules:\n  GET /a: read and wr", &["rules", "GET /a"], false, "read and wr");
        context("rules:\n  # x\n\n  GET /b: public\n  GET /a:\n    requ", &["rules", "GET /a"], true, "requ");
        context("rules:\n  GET /a:\n    require: role(ow", &["rules", "GET /a", "require"], false, "role(ow");
        context("rules:\n  GET /a: {require: x, hi", &["rules", "GET /a"], true, "hi");
        context("rules:\n  GET /a: {require: x, unbound: [a, o", &["rules", "GET /a", "unbound"], false, "o");
        context(
            "rules:\n  \"GET /a\": {require: \"x, y\", shadow: a",
            &["rules", "GET /a", "shadow"],
            false,
            "a",
        );
        context("roles:\n  a:\n    grants:\n    - re", &["roles", "a", "grants"], false, "re");
        context("roles:\n  a:\n    grants:\n      - b\n      - re", &["roles", "a", "grants"], false, "re");
        context("roles:\n  ü: {grants: [a], ext", &["roles", "ü"], true, "ext");
        context("issuers:\n  main: {issuer: https://a.b, aud", &["issuers", "main"], true, "aud");
        context(
            "issuers:\n  main:\n    claims:\n      org.id: x\n    pro",
            &["issuers", "main"],
            true,
            "pro",
        );
        context("a:\n  b:\n    c: 1\nrules:\n  GET /x: p", &["rules", "GET /x"], false, "p");
    }

    #[test]
    fn nothing_is_offered_in_a_comment() {
        assert_eq!(at_the_end("rules:\n  # GET /a: re"), None);
        assert_eq!(at_the_end("rules:\n  GET /a: read # wr"), None);
    }
}
