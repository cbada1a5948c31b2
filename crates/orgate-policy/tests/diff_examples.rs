//! Changes of policies that a person can check by reading, and what is too large to be compared.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use orgate_claims::{Permission, RoleName};
use orgate_policy::{Change, ChangeKind, Place, Policy, PolicySpec, Requirement, RuleKey, RuleSpec};

/// A rule: methods, path, requirement.
type Rule = (&'static str, String, &'static str);

/// A policy with the roles member (read) and owner (read, write).
fn plain(rules: Vec<Rule>) -> Policy {
    let permission = |name: &str| Permission::parse(name).unwrap();
    let role = |name: &str| RoleName::parse(name).unwrap();
    let rules = (1u32..).zip(rules).map(|(line, (methods, path, requirement))| {
        let key = RuleKey::parse(&format!("{methods} {path}")).unwrap();
        let (requirement, unbound) = match requirement.strip_suffix(", unbound") {
            Some(requirement) => (requirement, vec!["org_id".to_owned()]),
            None => (requirement, Vec::new()),
        };
        let requirement = Requirement::parse(requirement).unwrap();
        let mut rule = RuleSpec::new(key, requirement, Place { file: 0, line, column: 3 });
        rule.unbound = unbound;
        rule
    });
    let table = [("member", &["read"][..]), ("owner", &["read", "write"])];
    Policy::compile(PolicySpec {
        rules: rules.collect(),
        permissions: ["read", "write"].map(permission).into(),
        known_roles: ["member", "owner"].map(role).into(),
        authenticators: vec!["ci".into()],
        role_table: table
            .map(|(name, held)| (role(name), held.iter().map(|held| permission(held)).collect()))
            .into(),
        ..PolicySpec::default()
    })
    .unwrap()
}

fn rule_of(method: &'static str, path: impl Into<String>, requirement: &'static str) -> Rule {
    (method, path.into(), requirement)
}

/// A change in one line.
fn line(change: &Change) -> String {
    let text = |requirement: &Option<String>| requirement.clone().unwrap_or_else(|| "-".to_owned());
    let methods = change.methods.join("|");
    let (before, after) = (text(&change.before), text(&change.after));
    format!("{:?} {methods} {} {:?} {before} -> {after}", change.kind, change.path, change.who)
}

#[track_caller]
fn differs(
    old: &[(&'static str, &str, &'static str)],
    new: &[(&'static str, &str, &'static str)],
    told: &[&str],
) {
    let of = |rules: &[(&'static str, &str, &'static str)]| {
        plain(
            rules
                .iter()
                .map(|(method, pattern, requirement)| rule_of(method, *pattern, requirement))
                .collect(),
        )
    };
    let diff = of(old).diff(&of(new)).unwrap();
    assert_eq!(diff.changes.iter().map(line).collect::<Vec<_>>(), told);
}

#[test]
fn paths_are_named_as_the_new_policy_would_name_them() {
    differs(
        &[("GET", "/files/**", "read"), ("GET", "/files/{id}/drafts", "write")],
        &[("GET", "/files/**", "read"), ("GET", "/files/{file}/**", "public")],
        &[
            "Public GET /files/{file}/** [\"anonymous\"] read -> public",
            "Public GET /files/{file}/drafts [\"anonymous\", \"member\"] write -> public",
        ],
    );
    differs(
        &[("GET", "/{org_id}/**", "read")],
        &[("GET", "/a/{id}", "read"), ("GET", "/{org_id}/**", "read")],
        &["Unbound GET /a/{id} [\"member\", \"owner\"] read -> read"],
    );
}

#[test]
fn hosts_are_told_where_they_matter() {
    differs(
        &[("GET", "/a", "read"), ("GET", "admin.example.com/**", "write")],
        &[
            ("GET", "/a", "read"),
            ("GET", "*.example.com/**", "public"),
            ("GET", "admin.example.com/b", "write"),
        ],
        &[
            "Public GET *.example.com/** [\"anonymous\", \"member\", \"owner\"] - -> public",
            "Public GET *.example.com/a [\"anonymous\"] read -> public",
            "Public GET admin.example.com/** [\"anonymous\", \"member\"] write -> public",
        ],
    );
    differs(
        &[("GET", "{t}.example.com/a", "host.t == \"x\"")],
        &[("GET", "x.example.com/a", "authenticated"), ("GET", "{t}.example.com/a", "host.t == \"x\"")],
        &[],
    );
}

#[test]
fn methods_are_told_once() {
    let (any, named) = (("ANY", "/a", "read"), ("POST", "/a", "read"));
    differs(
        &[any, named],
        &[("ANY", "/a", "write"), named],
        &["Tightened ANY /a [\"member\"] read -> write"],
    );
    differs(
        &[("GET", "/a", "read")],
        &[("GET", "/a", "write")],
        &["Tightened GET /a [\"member\"] read -> write"],
    );
    differs(
        &[("GET", "/a", "read"), ("HEAD", "/a", "read and write")],
        &[("GET", "/a", "read")],
        &["Loosened HEAD /a [\"member\"] read and write -> read"],
    );
    differs(&[("GET|POST", "/a", "read")], &[("GET", "/a", "read"), ("POST", "/a", "read")], &[]);
    differs(&[], &[("GET|POST", "/a", "read")], &["Loosened GET|POST /a [\"member\", \"owner\"] - -> read"]);
    differs(&[any], &[], &["Tightened ANY /a [\"member\", \"owner\"] read -> -"]);
}

#[test]
fn who_gets_into_other_organizations_is_told_apart_from_who_gets_into_their_own() {
    let of = |requirement| [("GET", "/orgs/{org_id}", requirement)];
    differs(&of("write"), &of("write, unbound"), &["Unbound GET /orgs/{org_id} [\"owner\"] write -> write"]);
    // The parameter is compared in the requirement instead: only their own, and now readers as well.
    differs(
        &of("write"),
        &of("read and path.org_id == org.id, unbound"),
        &["Loosened GET /orgs/{org_id} [\"member\"] write -> read and path.org_id == org.id"],
    );
}

#[test]
fn whoever_holds_a_role_has_a_token_and_an_organization() {
    let of = |requirement| [("GET", "/a", requirement)];
    differs(&[], &of("via(ci)"), &["Loosened GET /a [] - -> via(ci)"]);
    differs(&of("org"), &of("authenticated"), &["Loosened GET /a [] org -> authenticated"]);
}

#[test]
fn a_token_that_shows_a_change_is_told_with_what_holds_of_it_and_no_more() {
    let told = |old: &'static str, new: &'static str| {
        let [old, new] =
            [old, new].map(|requirement| plain(vec![rule_of("GET", "/orgs/{org_id}", requirement)]));
        let diff = old.diff(&new).unwrap();
        let [change] = diff.changes.as_slice() else { panic!("{diff:?}") };
        let token = change.counterexample.clone().unwrap();
        assert_eq!((token.permissions, &change.who), (vec!["write".to_owned()], &Vec::<String>::new()));
        (change.kind, token.conditions, token.own)
    };
    let (some, none) = (vec!["claims.team == \"a\"".to_owned()], Vec::new());
    let (strict, wide) = ("write and read, unbound", "write and (read or claims.team == \"a\"), unbound");
    assert_eq!(told(strict, wide), (ChangeKind::Loosened, some.clone(), None));
    assert_eq!(told(wide, strict), (ChangeKind::Tightened, some, None));
    for condition in
        ["write and (read or fresh(15m)), unbound", "write and (read or claims.team != \"a\"), unbound"]
    {
        assert_eq!(
            told("write, unbound", condition),
            (ChangeKind::Tightened, none.clone(), None),
            "{condition}"
        );
    }
    let narrow = told("write and not read, unbound", "write and not read");
    assert_eq!(narrow, (ChangeKind::Tightened, none, Some(false)), "of another organization");
}

#[test]
fn values_that_cannot_be_are_nobodys() {
    let of = |requirement| [("GET", "/a", requirement)];
    differs(&[], &of("claims.a == \"x\" and claims.b == \"x\" and claims.a != claims.b"), &[]);
    // What has another type is neither equal nor unequal.
    let requirement = "claims.a == \"x\" and not claims.a != true";
    let told = format!("Loosened GET /a [\"member\", \"owner\"] - -> {requirement}");
    differs(&[], &of(requirement), &[&told]);
}

#[test]
fn what_only_other_tokens_notice_is_told_by_one_of_them() {
    let diff =
        plain(vec![rule_of("GET", "/a", "write")]).diff(&plain(vec![rule_of("GET", "/a", "write and read")]));
    let diff = diff.unwrap();
    let [change] = diff.changes.as_slice() else { panic!("{diff:?}") };
    assert_eq!(line(change), "Tightened GET /a [] write -> write and read");
    assert_eq!(change.counterexample.as_ref().unwrap().permissions, ["write"]);
    assert_eq!(diff.unchanged, 0);
}

#[test]
fn ten_thousand_rules_are_compared_rule_by_rule_with_their_neighbours_only() {
    let rules = |last: &'static str| -> Vec<Rule> {
        let things = (0..2500).flat_map(|at| {
            ["", "/{id}", "/{id}/members", "/{id}/members/**"]
                .map(|rest| rule_of("GET", format!("/orgs/{{org_id}}/things{at}{rest}"), "read"))
        });
        let catch_all = rule_of("ANY", "/orgs/**", "write");
        things.chain([catch_all, rule_of("GET", "/last", last)]).collect()
    };
    let diff = plain(rules("read")).diff(&plain(rules("write"))).unwrap();
    assert_eq!(
        diff.changes.iter().map(line).collect::<Vec<_>>(),
        ["Tightened GET /last [\"member\"] read -> write"]
    );
    assert_eq!(diff.unchanged, 10_001);
}

#[test]
fn what_cannot_be_compared_exactly_is_an_error() {
    let many = |first: &str, second: &str| {
        let paths = (0..1100).map(|at| format!("/{first}/{second}").replace('#', &format!("w{at}")));
        plain(paths.map(|path| rule_of("GET", path, "read")).collect())
    };
    let error = many("#", "*").diff(&many("*", "#")).unwrap_err();
    assert!(error.to_string().contains("overlap"), "{error}");
}
