//! What is too large is refused with its place, and what is as large as allowed is not.

use std::fmt::Write as _;

use super::{accepted, read};

/// The codes, places and messages of a policy, without what concerns its issuers.
fn errors(text: &str) -> Vec<String> {
    let findings = read(text).err().unwrap_or_default();
    let place = |span: Option<crate::document::Span>| {
        span.map_or(String::new(), |span| format!("{}:{}", span.line, span.column))
    };
    findings
        .iter()
        .filter(|finding| finding.severity == crate::diagnostic::Severity::Error)
        .map(|finding| format!("{} {} {}", finding.code, place(finding.span), finding.message))
        .collect()
}

fn numbered(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).fold(String::new(), |mut text, n| {
        let _ = writeln!(text, "  {}", line(n));
        text
    })
}

#[test]
fn a_policy_has_at_most_20_000_rules() {
    let rules = |count| {
        format!("version: 1\nrules:\n{}", numbered(count, |n| format!("GET /{}/{n}: public", n % 100)))
    };
    assert_eq!(accepted(&rules(20_000)).policy.rule_count(), 20_000);
    assert_eq!(
        errors(&rules(20_001)),
        ["E090 20003:3 the policy has 20001 rules; at most 20000 are allowed"]
    );
}

#[test]
fn a_policy_has_at_most_1_024_permissions() {
    let permissions = |count, more: &str| {
        format!(
            "version: 1\nrules: {{GET /: public}}\n{more}permissions:\n{}",
            numbered(count, |n| format!("p{n}: null"))
        )
    };
    assert_eq!(accepted(&permissions(1_024, "")).policy.permissions().count(), 1_024);
    // A name that stands twice counts once.
    assert_eq!(
        accepted(&permissions(1_024, "roles: {a: {grants: [p1, p2]}}\n")).policy.permissions().count(),
        1_024
    );
    let message = "the policy has 1025 permissions; at most 1024 are allowed";
    assert_eq!(errors(&permissions(1_025, "")), [format!("E090 1028:3 {message}")]);
    assert_eq!(errors(&permissions(1_024, "roles: {a: {grants: [q]}}\n")), [format!("E090 5:3 {message}")]);
    let granted: Vec<String> = (0..1_025).map(|n| format!("p{n}")).collect();
    let text =
        format!("version: 1\nrules: {{GET /: public}}\nroles: {{a: {{grants: [{}]}}}}\n", granted.join(", "));
    assert_eq!(errors(&text), [format!("E090 1:1 {message}")]);
}

#[test]
fn a_policy_has_at_most_256_roles() {
    let roles = |count| {
        format!(
            "version: 1\nrules: {{GET /: public}}\nroles:\n{}",
            numbered(count, |n| format!("r{n}: {{grants: [read]}}"))
        )
    };
    assert_eq!(accepted(&roles(256)).policy.roles().count(), 256);
    assert_eq!(errors(&roles(257)), ["E090 260:3 the policy has 257 roles; at most 256 are allowed"]);
}

#[test]
fn a_policy_has_at_most_32_issuers() {
    let issuers = |count| {
        format!(
            "version: 1\nrules: {{GET /: public}}\nissuers:\n{}",
            numbered(count, |n| format!("i{n}: {{issuer: 'https://i{n}.example', audience: a}}"))
        )
    };
    assert_eq!(accepted(&issuers(32)).issuers.len(), 32);
    let found = errors(&issuers(33));
    assert!(
        found.len() == 1 && found[0].starts_with("E090 ") && found[0].contains("33 issuers"),
        "{found:?}"
    );
}

#[test]
fn a_path_has_at_most_32_segments_and_8_parameters() {
    let rule = |path: &str| format!("version: 1\nrules:\n  'GET {path}': public\n");
    assert_eq!(errors(&rule(&"/a".repeat(32))), [""; 0]);
    assert_eq!(errors(&rule(&"/a".repeat(33))), ["E020 3:8 a path has at most 32 segments"]);
    let parameters = |count| (0..count).map(|n| format!("/{{p{n}}}")).collect::<String>();
    assert_eq!(errors(&rule(&parameters(8))), [""; 0]);
    assert_eq!(errors(&rule(&parameters(9))), ["E020 3:49 a path has at most 8 parameters"]);
}

#[test]
fn a_requirement_has_at_most_64_atoms_and_16_levels() {
    let rule = |requirement: &str| {
        format!(
            "version: 1\nissuers: {{main: {{issuer: https://a.example, audience: a}}}}\npermissions: [read]\nrules:\n  GET /: {requirement}\n"
        )
    };
    let atoms = |count| vec!["read"; count].join(" and ");
    assert_eq!(errors(&rule(&atoms(64))), [""; 0]);
    let found = errors(&rule(&atoms(65)));
    assert!(found.len() == 1 && found[0].starts_with("E021 5:586 more than 64"), "{found:?}");
    let nested = |levels| format!("{}read{}", "(".repeat(levels), ")".repeat(levels));
    assert_eq!(errors(&rule(&nested(15))), [""; 0]);
    let found = errors(&rule(&nested(40)));
    assert!(found.len() == 1 && found[0].contains("nests deeper than 16 levels"), "{found:?}");
}

#[test]
fn names_are_bounded() {
    let long = "p".repeat(129);
    let found = errors(&format!("version: 1\nrules: {{GET /: public}}\npermissions: [{long}]\n"));
    assert!(found.len() == 1 && found.iter().all(|one| one.starts_with("E034 ")), "{found:?}");
}
