//! Templates of axum's routes as patterns of a policy.
//!
//! A template is `/orgs/{org_id}/files/{*path}`; `{{` and `}}` stand for braces, and literals are compared with the path as
//! received, so they may be percent-encoded. Names are dropped: they do not count where sets of paths are compared. A
//! segment that varies in part (`/v{version}`), or that no policy could name, becomes `*`: wider than it is, so that a
//! template never looks disjoint from a rule that it is not disjoint from. What follows a catch-all is left away for the
//! same reason: axum writes it where routers stand in each other. A `/` at the end counts where it does for the policy.

use orgate_policy::{PathOptions, Pattern, RequestTarget, SyntaxError};

/// The paths that a template can match, as a pattern of a policy with these options.
///
/// # Errors
/// [`SyntaxError`] for a template that no request target can match: an empty segment, or more than 32 of them.
pub(crate) fn pattern(template: &str, paths: PathOptions) -> Result<Pattern, SyntaxError> {
    let (template, slash) = match template.strip_suffix('/') {
        Some(template) => (template, true),
        None => (template, false),
    };
    let mut text = String::with_capacity(template.len());
    for segment in template.split('/').skip(1) {
        let bare = segment.replace("{{", "").replace("}}", "");
        if bare.contains("{*") {
            // At least one segment: a catch-all does not match the empty rest.
            text.push_str("/*/**");
            break;
        }
        text.push('/');
        match literal(segment) {
            _ if segment.is_empty() => {}
            Some(literal) if !bare.contains('{') => text.push_str(&literal),
            _ => text.push('*'),
        }
    }
    Ok(Pattern::parse(if text.is_empty() { "/" } else { &text })?.under(paths, slash))
}

/// A segment without parameters, decoded; `None` if a policy cannot name it.
fn literal(segment: &str) -> Option<String> {
    let text = segment.replace("{{", "{").replace("}}", "}");
    let text = if text.contains('%') {
        let path = format!("/{text}");
        RequestTarget::parse("GET", &path).ok()?.segment(0)?.to_owned()
    } else {
        text
    };
    let nameable = !text.contains(['{', '}', '*']) && Pattern::parse(&format!("/{text}")).is_ok();
    nameable.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_become_patterns_of_the_same_paths_or_wider_ones() {
        for (template, expected) in [
            ("/", "/"),
            ("", "/"),
            ("/docs", "/docs"),
            ("/docs/", "/docs"),
            ("/orgs/{org_id}/files/{*path}", "/orgs/*/files/*/**"),
            ("/{*all}", "/*/**"),
            ("/x/{*rest}/x/docs", "/x/*/**"),
            ("/caf%C3%A9/{id}", "/café/*"),
            ("/a%2Fb", "/*"),
            ("/v{version}/x", "/*/x"),
            ("/{{id}}/x", "/*/x"),
            ("/{{{id}}}", "/*"),
            ("/a.b/~c", "/a.b/~c"),
            ("/*", "/*"),
        ] {
            assert_eq!(
                pattern(template, PathOptions::default()).unwrap().to_string(),
                expected,
                "{template}"
            );
        }
    }

    #[test]
    fn a_template_is_read_as_the_policy_reads_paths() {
        let distinct = PathOptions { distinct_slash: true, ..PathOptions::default() };
        let folded = PathOptions { fold_case: true, ..PathOptions::default() };
        for (template, paths, expected) in [
            ("/Docs/", distinct, "/Docs/"),
            ("/docs", distinct, "/docs"),
            ("/", distinct, "/"),
            ("/x/{*rest}/", distinct, "/x/*/**"),
            ("/v{version}/", distinct, "/*/"),
            ("/Docs/{Id}/", folded, "/docs/*"),
            ("/caf%C3%89", folded, "/cafÉ"),
        ] {
            assert_eq!(pattern(template, paths).unwrap().to_string(), expected, "{template}");
        }
    }

    #[test]
    fn what_no_request_can_match_is_no_pattern() {
        assert!(pattern("/a//b", PathOptions::default()).is_err());
        assert!(pattern(&"/a".repeat(33), PathOptions::default()).is_err());
        assert!(pattern(&"/a".repeat(32), PathOptions::default()).is_ok());
    }
}
