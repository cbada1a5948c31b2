//! Rules of one host, and of all below a suffix.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may panic")]

use orgate_claims::{
    IssuerUrl, Organization, OrganizationId, Permission, Principal, Slug, SubjectId, UnixTime,
};
use orgate_policy::{
    BindSource, BindSpec, BindTarget, Decision, DenyReason, Facts, Found, Place, Policy, PolicySpec,
    RequestTarget, Requirement, RuleKey, RuleSpec,
};

fn policy(rules: &[&str], bind: Vec<BindSpec>) -> Policy {
    let rules = (1u32..).zip(rules).map(|(line, rule)| {
        let (key, requirement) = rule.split_once(": ").unwrap();
        let place = Place { file: 0, line, column: 3 };
        RuleSpec::new(RuleKey::parse(key).unwrap(), Requirement::parse(requirement).unwrap(), place)
    });
    let permissions = ["read", "write"].map(|name| Permission::parse(name).unwrap()).into();
    Policy::compile(PolicySpec { rules: rules.collect(), permissions, bind, ..PolicySpec::default() })
        .unwrap()
}

/// The rule that wins `METHOD host/path`, or the name of what was found instead.
fn winner(policy: &Policy, request: &str) -> String {
    let (method, rest) = request.split_once(' ').unwrap();
    let (host, path) = rest.split_at(rest.find('/').unwrap());
    let host = (!host.is_empty()).then_some(host);
    let target = RequestTarget::parse(method, path).unwrap().at_host(host).unwrap();
    match policy.find(&target) {
        Found::Rule(found) => found.rule().to_owned(),
        Found::NoRule => "no rule".to_owned(),
        Found::MethodNotCovered => "method not covered".to_owned(),
    }
}

const RULES: [&str; 7] = [
    "GET admin.example.com/metrics: write",
    "GET *.example.com/metrics: read",
    "POST *.example.com/**: write",
    "GET {region}.eu.example.com/**: read",
    "GET /metrics: read and write",
    "DELETE /metrics/x: write",
    "GET [2001:db8::1]/metrics: read",
];

#[test]
fn the_host_goes_before_the_path_and_each_method_falls_through_by_itself() {
    let policy = policy(&RULES, Vec::new());
    for (request, expected) in [
        ("GET admin.example.com/metrics", "GET admin.example.com/metrics"),
        ("GET ADMIN.example.com:8443/metrics/", "GET admin.example.com/metrics"),
        ("HEAD admin.example.com/metrics", "GET admin.example.com/metrics"),
        ("POST admin.example.com/metrics", "POST *.example.com/**"),
        ("GET other.example.com/metrics", "GET *.example.com/metrics"),
        ("GET a.b.example.com/metrics", "GET *.example.com/metrics"),
        ("GET example.com/metrics", "GET /metrics"),
        ("GET notexample.com/metrics", "GET /metrics"),
        ("GET x.eu.example.com/metrics", "GET {region}.eu.example.com/**"),
        ("POST x.eu.example.com/metrics", "POST *.example.com/**"),
        ("GET eu.example.com/metrics", "GET *.example.com/metrics"),
        ("DELETE x.eu.example.com/metrics/x", "DELETE /metrics/x"),
        ("GET other.example.com/other", "method not covered"),
        ("DELETE example.com/metrics", "method not covered"),
        ("GET example.com/other", "no rule"),
        ("GET [2001:DB8:0::1]:80/metrics", "GET [2001:db8::1]/metrics"),
        ("GET /metrics", "GET /metrics"),
        ("POST /metrics", "method not covered"),
    ] {
        assert_eq!(winner(&policy, request), expected, "{request}");
    }
}

#[test]
fn the_rules_on_a_path_are_those_of_the_host() {
    let policy = policy(&RULES, Vec::new());
    let lines = |host: Option<&str>| -> Vec<u32> {
        let target = RequestTarget::parse("GET", "/metrics").unwrap().at_host(host).unwrap();
        policy.rules_on(&target).iter().map(|rule| rule.place.line).collect()
    };
    assert_eq!(lines(Some("admin.example.com")), [1, 2, 3, 5]);
    assert_eq!(lines(Some("x.eu.example.com")), [2, 3, 4, 5]);
    assert_eq!(lines(None), [5]);
}

fn member_of(slug: &str) -> Principal {
    let organization =
        Organization::new(OrganizationId::parse("org_1").unwrap(), Some(Slug::parse(slug).unwrap()));
    Principal::builder(IssuerUrl::parse("https://i").unwrap(), SubjectId::parse("ann").unwrap())
        .organization(Some(organization))
        .permissions(Some(vec![Permission::parse("read").unwrap()]))
        .build()
}

#[test]
fn what_stands_before_a_suffix_can_be_bound_and_compared() {
    let source = BindSource::Host("tenant".into());
    let bind = vec![BindSpec { source, targets: vec![BindTarget::OrganizationSlug] }];
    let rules = ["GET {tenant}.example.com/x: read", "GET {who}.example.org/x: host.who == org.slug"];
    let policy = policy(&rules, bind);
    let decide = |host: &str, slug: &str| {
        let target = RequestTarget::parse("GET", "/x").unwrap().at_host(Some(host)).unwrap();
        let Found::Rule(found) = policy.find(&target) else { panic!("a rule") };
        found.decide(Some(&policy.subject(&member_of(slug))), &Facts::at(UnixTime::from_seconds(0)))
    };
    for host in ["acme.example.com", "ACME.Example.com:443"] {
        assert_eq!(decide(host, "acme"), Decision::Allow, "{host}");
        assert_eq!(decide(host, "globex"), Decision::Deny(DenyReason::OrganizationMismatch), "{host}");
    }
    assert_eq!(decide("a.acme.example.com", "acme"), Decision::Deny(DenyReason::OrganizationMismatch));
    assert_eq!(decide("acme.example.org", "acme"), Decision::Allow);
    assert_eq!(decide("globex.example.org", "acme"), Decision::Deny(DenyReason::ConditionFailed));

    let target = RequestTarget::parse("GET", "/x").unwrap().at_host(Some("ACME.example.com")).unwrap();
    let Found::Rule(found) = policy.find(&target) else { panic!("a rule") };
    assert_eq!(found.host_parameter(), Some(("tenant", "acme")));
}

#[test]
fn too_many_hosts_are_refused() {
    let rules = |count: usize| -> Vec<RuleSpec> {
        (0..count)
            .map(|at| {
                let key = RuleKey::parse(&format!("GET h{at}.example/x")).unwrap();
                RuleSpec::new(key, Requirement::parse("public").unwrap(), Place::default())
            })
            .collect()
    };
    assert!(Policy::compile(PolicySpec { rules: rules(256), ..PolicySpec::default() }).is_ok());
    let errors = Policy::compile(PolicySpec { rules: rules(257), ..PolicySpec::default() }).unwrap_err();
    assert_eq!(errors.iter().map(|error| error.code).collect::<Vec<_>>(), ["E090"]);
}
