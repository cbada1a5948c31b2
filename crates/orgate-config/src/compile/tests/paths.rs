//! How the application reads paths.

use orgate_policy::PathOptions;

use super::{accepted, findings_with};

fn paths(text: &str) -> (bool, bool) {
    let policy = accepted(&format!("version: 1\nrules: {{GET /a: public}}\npaths: {text}\n")).policy;
    (policy.paths().fold_case, policy.paths().distinct_slash)
}

#[test]
fn a_profile_says_what_a_router_does_and_the_slash_can_be_told_besides() {
    for (profile, expected) in [
        ("strict", (false, false)),
        ("axum", (false, true)),
        ("express", (true, false)),
        ("django", (false, true)),
        ("flask", (false, true)),
        ("fastapi", (false, true)),
        ("rails", (false, false)),
        ("spring", (false, true)),
        ("go", (false, true)),
    ] {
        assert_eq!(paths(&format!("{{profile: {profile}}}")), expected, "{profile}");
    }
    assert_eq!(PathOptions::PROFILES.len(), 9);
    assert_eq!(paths("{profile: express, trailing_slash: distinct}"), (true, true));
    assert_eq!(paths("{profile: spring, trailing_slash: ignore}"), (false, false));
    assert_eq!(paths("{trailing_slash: distinct}"), (false, true));
    assert_eq!(paths("{}"), (false, false));
    assert_eq!(
        told("paths: {profile: expres, trailing_slash: strict, normalize: yes}\n"),
        [
            "error[E013]: `paths.profile`: expected one of `strict`, `axum`, `express`, `django`, `flask`, `fastapi`, `rails`, `spring`, `go`, found `expres`",
            "error[E013]: `paths.trailing_slash`: expected one of `ignore`, `distinct`, found `strict`",
            "error[E012]: `paths.normalize`: expected `true` or `false`, found a text",
        ]
    );
    assert_eq!(told("paths: express\n").len(), 1);
}

#[test]
fn a_path_can_be_brought_into_one_form() {
    let normalizes = |text: &str| {
        accepted(&format!("version: 1\nrules: {{GET /a: public}}\npaths: {text}\n")).policy.normalizes()
    };
    assert!(normalizes("{normalize: true}") && normalizes("{profile: go, normalize: true}"));
    assert!(!normalizes("{normalize: false}") && !normalizes("{profile: go}"));
}

#[test]
fn encoded_slashes_are_accepted_in_what_a_rest_stands_for_and_nowhere_else() {
    let rule = |key: &str| format!("rules: {{'{key}': {{require: read, allow_encoded_slash: true}}}}\n");
    assert_eq!(told(&rule("GET /files/**")), [""; 0]);
    assert_eq!(
        told(&rule("GET /files/{id}")),
        [
            "error[E013]: `allow_encoded_slash` speaks of what `**` stands for, and the path does not end in it"
        ]
    );
    assert_eq!(told(&rule("GET /files/{id}").replace("true", "false")), [""; 0]);
    assert_eq!(told(&rule("GET /files/**").replace("true", "1")).len(), 1);
    let file = accepted(&format!(
        "version: 1\nissuers: {{main: {{issuer: https://a.example, audience: api, profile: orgate}}}}\n{}",
        rule("GET /files/**")
    ));
    assert!(file.policy.target("GET", None, "/files/a%2Fb").is_ok());
    assert!(file.policy.target("GET", None, "/files%2Fb").is_err());
}

/// The first line of every finding.
fn told(lines: &str) -> Vec<String> {
    let findings = findings_with(lines);
    findings.lines().filter(|line| line.contains("[E") || line.contains("[W")).map(str::to_owned).collect()
}

/// What is told of a policy with these options and rules.
fn told_of(paths: &str, rules: &[&str]) -> Vec<String> {
    let rules: String = rules.iter().map(|rule| format!("  {rule}\n")).collect();
    told(&format!("paths: {paths}\nrules:\n{rules}"))
}

#[test]
fn paths_that_are_one_have_one_rule() {
    let rules = ["GET /Admin: read", "GET /admin: write", "GET /b/{x}: read", "POST /B/{y}: read"];
    assert_eq!(
        told_of("{profile: express}", &rules),
        [
            "error[E040]: GET /admin has two rules",
            "error[E041]: `POST /B/{y}` names the parameters of the same path otherwise"
        ]
    );
    assert_eq!(told_of("{profile: strict}", &rules), [""; 0]);
    let open = ["GET /Files/**: public", "GET /files/private: read"];
    assert_eq!(told_of("{}", &open), [""; 0]);
    assert_eq!(told_of("{profile: express}", &open).len(), 1, "the catch-all is around the narrower rule");
}

#[test]
fn a_pattern_ends_in_a_slash_only_where_it_makes_another_path() {
    let slash = ["error[E020]: a pattern cannot end in `/`"];
    assert_eq!(told_of("{}", &["GET /a/: read"]), slash);
    assert_eq!(told_of("{profile: express}", &["GET /a/: read"]), slash);
    let all = ["GET /a/: read", "GET /a: write", "GET /a/**: read", "GET /{x}/: read", "GET /: read"];
    assert_eq!(told_of("{trailing_slash: distinct}", &all), [""; 0]);
    for broken in ["GET /a/**/: read", "GET //: read", "GET /a//: read"] {
        assert_eq!(told_of("{trailing_slash: distinct}", &[broken]).len(), 1, "{broken}");
    }
    // The third rule has what the others leave of the first.
    let narrower = ["GET /a/**: read", "GET /a: write", "GET /a/: write", "GET /a/*/**: write"];
    assert_eq!(told_of("{trailing_slash: distinct}", &narrower).len(), 1);
    assert_eq!(told_of("{trailing_slash: distinct}", &[narrower[0], narrower[1], narrower[3]]), [""; 0]);
}
