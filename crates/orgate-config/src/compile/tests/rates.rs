//! What a policy may say about how often callers ask.

use super::findings_with;

const CI: &str = "authenticators:\n  ci: {type: api_key, header: x-ci, sha256: {env: CI}, as: {sub: ci, permissions: [read]}}\n  hook: {type: webhook, scheme: github, secret: {env: HOOK}}\n  of_org: {type: api_key, header: x-org, sha256: {env: CI}, as: {sub: ci, org.id: acme}}\n";

#[test]
fn a_limit_says_how_many_in_what_time_and_for_whom() {
    for (limit, require) in [
        ("100/s per org", "read and org"),
        ("20/m per sub", "read"),
        ("1/h per sub", "via(ci)"),
        ("1/h per org", "via(of_org)"),
    ] {
        let text = format!("{CI}rules: {{GET /a: {{require: {require}, limit: {limit}}}}}\n");
        assert!(findings_with(&text).starts_with("nothing; 1 rule"), "{}", findings_with(&text));
    }
    assert_eq!(
        told(
            "rules:\n  GET /a: {require: read, limit: 20/d per sub}\n  GET /b: {require: read, limit: 20}\n"
        ),
        [
            "error[E013]: `d` is no unit of time",
            " --> orgate.yaml:4:37",
            "error[E012]: `GET /b: limit`: expected a limit such as `100/s per org`, found an integer",
            " --> orgate.yaml:5:34",
        ]
    );
}

#[test]
fn a_limit_counts_somebody() {
    let rules = |rules: &str| told(&format!("{CI}rules:\n{rules}"));
    assert_eq!(
        rules(
            "  GET /a: {require: public, limit: 1/s per sub}\n  GET /b: {require: optional, limit: 1/s per org}\n"
        ),
        [
            "error[E059]: `limit: 1/s per sub` counts callers, and a public rule does not know who calls",
            " --> orgate.yaml:8:3",
            "error[E059]: `limit: 1/s per org` counts callers, and an optional rule lets in some who are nobody",
            " --> orgate.yaml:9:3",
        ]
    );
    assert_eq!(
        rules(
            "  POST /a: {require: via(hook), limit: 1/s per sub}\n  GET /b: {require: via(ci), limit: 1/s per org}\n"
        ),
        [
            "error[E059]: `limit: 1/s per sub` counts callers, and all deliveries of `hook` come from one",
            " --> orgate.yaml:8:3",
            "error[E059]: `limit: 1/s per org` counts organizations, and `ci` has none",
            " --> orgate.yaml:9:3",
        ]
    );
    assert_eq!(
        rules("  GET /a: {require: read, limit: 1/s per org}\n"),
        [
            "warning[W025]: `limit: 1/s per org` counts callers without an organization one by one, and `read` lets them in",
            " --> orgate.yaml:8:3",
        ]
    );
    assert_eq!(rules("  GET /a: {require: read, limit: 1/s per org, allow: [W025], note: both}\n"), [""; 0]);
}

/// The first line and the place of every finding.
fn told(lines: &str) -> Vec<String> {
    let found = findings_with(lines);
    let lines = found.lines().filter(|line| line.contains("]: `") || line.starts_with(" -->"));
    lines.map(str::to_owned).collect()
}
