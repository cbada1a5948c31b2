//! What rules compare, how callers signed in, and what is bound besides the path.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use std::collections::BTreeMap;

use orgate_claims::{
    ClaimValue, IssuerUrl, Organization, OrganizationId, Permission, Principal, RoleName, Slug, SubjectId,
    UnixTime,
};
use orgate_policy::{
    Access, BindSource, BindSpec, BindTarget, ConditionSpec, Decision, Facts, Found, Headers, Lookup, Place,
    Policy, PolicySpec, RequestTarget, Requirement, RuleKey, RuleSpec,
};

const NOW: i64 = 1_800_000_000;

struct Fields(BTreeMap<&'static str, Vec<&'static str>>);

impl Headers for Fields {
    fn get(&self, name: &str) -> Lookup<'_> {
        match self.0.get(name).map(Vec::as_slice) {
            None => Lookup::Absent,
            Some([one]) => Lookup::One((*one).into()),
            Some(_) => Lookup::Several,
        }
    }
}

fn rule(key: &str, requirement: &str) -> RuleSpec {
    RuleSpec::new(RuleKey::parse(key).unwrap(), Requirement::parse(requirement).unwrap(), Place::default())
}

fn spec(rules: &[(&str, &str)]) -> PolicySpec {
    PolicySpec {
        rules: rules.iter().map(|(key, requirement)| rule(key, requirement)).collect(),
        permissions: ["read", "write", "delete_org"].map(|name| Permission::parse(name).unwrap()).into(),
        known_roles: vec![RoleName::parse("owner").unwrap()],
        ..PolicySpec::default()
    }
}

fn condition(name: &str, body: &str) -> ConditionSpec {
    ConditionSpec { name: name.into(), body: Requirement::parse(body).unwrap(), place: Place::default() }
}

/// Ann of acme, who may read and write, is in team t1, and signed in ten minutes ago with a password.
fn ann() -> Principal {
    let organization =
        Organization::new(OrganizationId::parse("acme").unwrap(), Some(Slug::parse("acme-corp").unwrap()));
    Principal::builder(IssuerUrl::parse("https://i").unwrap(), SubjectId::parse("usr_ann").unwrap())
        .organization(Some(organization))
        .permissions(Some(["read", "write"].map(|name| Permission::parse(name).unwrap()).into()))
        .auth_time(Some(UnixTime::from_seconds(NOW - 600)))
        .acr(Some("pwd".into()))
        .claim("team", ClaimValue::Text("t1".into()))
        .claim("verified", ClaimValue::Bool(true))
        .claim("orgs", ClaimValue::Set(vec!["acme".into(), "globex".into()]))
        .build()
}

fn decide(
    policy: &Policy,
    request: &str,
    headers: &[(&'static str, &'static str)],
    caller: Option<&Principal>,
) -> String {
    let (method, path) = request.split_once(' ').unwrap();
    let target = RequestTarget::parse(method, path).unwrap();
    let Found::Rule(found) = policy.find(&target) else { panic!("{request} has no rule") };
    let mut fields = Fields(BTreeMap::new());
    for (name, value) in headers {
        fields.0.entry(name).or_default().push(value);
    }
    let facts = Facts { headers: &fields, now: UnixTime::from_seconds(NOW) };
    let subject = caller.map(|caller| policy.subject(caller));
    match found.decide(subject.as_ref(), &facts) {
        Decision::Allow => "allow".to_owned(),
        Decision::Deny(reason) => format!("{reason:?}"),
    }
}

#[track_caller]
fn holds(requirement: &str, path: &str, headers: &[(&'static str, &'static str)], expected: bool) {
    let policy = Policy::compile(spec(&[("GET /t/{team}", requirement)])).unwrap();
    let decision = decide(&policy, &format!("GET {path}"), headers, Some(&ann()));
    let expected = if expected { "allow" } else { "ConditionFailed" };
    assert_eq!(decision, expected, "{requirement} at {path} with {headers:?}");
}

#[test]
fn comparisons_are_byte_by_byte_and_false_where_something_is_absent() {
    holds("path.team == claims.team", "/t/t1", &[], true);
    holds("claims.team == path.team", "/t/t2", &[], false);
    holds("path.team == claims.team", "/t/T1", &[], false);
    holds("path.team != claims.team", "/t/t2", &[], true);
    holds("path.team == claims.none", "/t/t1", &[], false);
    holds("path.team != claims.none", "/t/t1", &[], false);
    holds("query.v == \"2\"", "/t/x?v=2", &[], true);
    holds("query.v == 2", "/t/x?v=2", &[], true);
    holds("query.v == 2", "/t/x?v=02", &[], false);
    holds("query.v != 2", "/t/x", &[], false);
    holds("query.v == 2", "/t/x?v=2&v=2", &[], false);
    holds("query.v != 3", "/t/x?v=2&v=2", &[], false);
    holds("header.x-tier == \"gold\"", "/t/x", &[("x-tier", "gold")], true);
    holds("header.X-Tier == \"gold\"", "/t/x", &[("x-tier", "gold"), ("x-tier", "gold")], false);
    holds("claims.verified == true", "/t/x", &[], true);
    holds("claims.verified == false", "/t/x", &[], false);
    holds("claims.verified == \"true\"", "/t/x", &[], false);
    holds("claims.team == true", "/t/x", &[], false);
    holds("path.team in claims.orgs", "/t/globex", &[], true);
    holds("path.team in claims.orgs", "/t/initech", &[], false);
    holds("org.id in claims.orgs", "/t/x", &[], true);
    holds("org.slug == path.team", "/t/acme-corp", &[], true);
    holds("sub == \"usr_ann\" and not (path.team == \"x\")", "/t/y", &[], true);
}

#[test]
fn a_condition_is_what_it_says_under_a_name() {
    let mut spec = spec(&[
        ("PATCH /t/{team}", "write and same_team"),
        ("PUT /t/{team}", "write or same_team"),
        ("GET /t/{team}", "read and not same_team"),
    ]);
    spec.conditions = vec![condition("same_team", "path.team == claims.team")];
    let policy = Policy::compile(spec).unwrap();
    for (request, expected) in [
        ("PATCH /t/t1", "allow"),
        ("PATCH /t/t2", "ConditionFailed"),
        ("PUT /t/t2", "allow"),
        ("GET /t/t1", "ConditionFailed"),
        ("GET /t/t2", "allow"),
    ] {
        assert_eq!(decide(&policy, request, &[], Some(&ann())), expected, "{request}");
    }
    assert_eq!(policy.claim_names().collect::<Vec<_>>(), ["team"]);
}

#[test]
fn what_cannot_stand_is_refused() {
    let error = |spec: PolicySpec| -> Vec<&str> {
        let errors = Policy::compile(spec).err().unwrap_or_default();
        errors.iter().map(|error| error.code).collect()
    };
    assert_eq!(error(spec(&[("GET /t/{team}", "path.id == sub")])), ["E039"]);
    assert_eq!(error(spec(&[("GET /t/{team}", "host.team == sub")])), ["E039"]);
    assert_eq!(error(spec(&[("POST /hook", "via(stripe)")])), ["E038"]);
    let two_uses = [("GET /a", "claims.x == sub"), ("GET /b", "sub in claims.x")];
    assert_eq!(error(spec(&two_uses)), ["E037"]);
    let with = |name: &str, body: &str, requirement: &str| {
        let mut spec = spec(&[("GET /t/{team}", requirement)]);
        spec.conditions = vec![condition(name, body)];
        error(spec)
    };
    assert_eq!(with("read", "path.team == sub", "authenticated"), ["E036"], "a permission has the name");
    assert_eq!(with("c", "write", "authenticated"), ["E036"]);
    assert_eq!(with("c", "path.team == sub and write", "authenticated"), ["E036"]);
    assert_eq!(with("c", "public", "authenticated"), ["E036"]);
    assert_eq!(with("c", "acr(\"mfa\")", "authenticated"), ["E036"]);
    assert_eq!(with("c", "path.other == sub", "c"), ["E039"]);
    assert_eq!(with("c", "path.team == sub", "missing"), ["E031"]);
    let many: Vec<String> = (0..65).map(|at| format!("claims.c{at} == \"x\"")).collect();
    let rules: Vec<(String, &String)> =
        many.iter().enumerate().map(|(at, c)| (format!("GET /{at}"), c)).collect();
    let rules: Vec<(&str, &str)> = rules.iter().map(|(key, c)| (key.as_str(), c.as_str())).collect();
    assert_eq!(error(spec(&rules)), ["E090"], "65 claims");
    assert!(Policy::compile(spec(&rules[..64])).is_ok());
}

#[test]
fn a_better_sign_in_is_asked_for_only_where_nothing_else_is_missing() {
    let policy = Policy::compile(spec(&[
        ("GET /fresh", "write and fresh(15m)"),
        ("GET /fresher", "write and fresh(5m)"),
        ("GET /mfa", "write and acr(\"mfa\", \"phr\") and fresh(5m)"),
        ("GET /pwd", "acr(\"pwd\")"),
        ("GET /lacking", "delete_org and acr(\"mfa\")"),
        ("GET /either", "read and (delete_org or acr(\"mfa\"))"),
    ]))
    .unwrap();
    for (request, expected) in [
        ("GET /fresh", "allow"),
        ("GET /fresher", "StepUp"),
        ("GET /mfa", "StepUp"),
        ("GET /pwd", "allow"),
        ("GET /lacking", "MissingPermission"),
        ("GET /either", "StepUp"),
    ] {
        assert_eq!(decide(&policy, request, &[], Some(&ann())), expected, "{request}");
    }
    let target = RequestTarget::parse("GET", "/mfa").unwrap();
    let Found::Rule(found) = policy.find(&target) else { panic!("a rule") };
    let subject = policy.subject(&ann());
    let needed = found.step_up(&subject, &Facts::at(UnixTime::from_seconds(NOW)));
    assert_eq!((needed.acr.as_slice(), needed.max_age), (["mfa", "phr"].as_slice(), Some(300)));
}

#[test]
fn a_sign_in_without_a_time_or_in_the_future_is_not_fresh() {
    let policy = Policy::compile(spec(&[("GET /x", "fresh(15m)")])).unwrap();
    for (age, expected) in [
        (Some(0), "allow"),
        (Some(900), "allow"),
        (Some(901), "StepUp"),
        (Some(-60), "allow"),
        (Some(-61), "StepUp"),
        (None, "StepUp"),
    ] {
        let caller =
            Principal::builder(IssuerUrl::parse("https://i").unwrap(), SubjectId::parse("usr_ann").unwrap())
                .auth_time(age.map(|age: i64| UnixTime::from_seconds(NOW - age)))
                .build();
        assert_eq!(decide(&policy, "GET /x", &[], Some(&caller)), expected, "{age:?}");
    }
}

#[test]
fn a_header_or_a_query_may_repeat_the_organization_and_never_choose_it() {
    let mut spec = spec(&[
        ("GET /docs", "read"),
        ("GET /optional", "optional"),
        ("GET /public", "public"),
        ("GET /teams/{team_id}", "read"),
    ]);
    spec.bind = vec![
        BindSpec {
            source: BindSource::parse("header.X-Org-Id").unwrap(),
            targets: vec![BindTarget::OrganizationId],
        },
        BindSpec {
            source: BindSource::parse("query.org").unwrap(),
            targets: vec![BindTarget::OrganizationSlug],
        },
        BindSpec {
            source: BindSource::parse("team_id").unwrap(),
            targets: vec![BindTarget::parse("claims.team").unwrap()],
        },
    ];
    let mut free = rule("GET /free", "read");
    free.unbound = vec!["header.x-org-id".into()];
    spec.rules.push(free);
    let policy = Policy::compile(spec).unwrap();
    let ann = ann();
    let own = ("x-org-id", "acme");
    let other = ("x-org-id", "globex");
    for (request, headers, caller, expected) in [
        ("GET /docs", &[][..], Some(&ann), "allow"),
        ("GET /docs", &[own], Some(&ann), "allow"),
        ("GET /docs", &[other], Some(&ann), "OrganizationMismatch"),
        ("GET /docs", &[own, own], Some(&ann), "OrganizationMismatch"),
        ("GET /docs", &[("x-org-id", "")], Some(&ann), "OrganizationMismatch"),
        ("GET /docs?org=acme-corp", &[], Some(&ann), "allow"),
        ("GET /docs?org=globex", &[], Some(&ann), "OrganizationMismatch"),
        ("GET /docs?org=acme-corp&org=acme-corp", &[], Some(&ann), "OrganizationMismatch"),
        ("GET /free", &[other], Some(&ann), "allow"),
        ("GET /public", &[other], None, "allow"),
        ("GET /optional", &[], None, "allow"),
        ("GET /optional", &[other], None, "NoCredential"),
        ("GET /optional?org", &[], None, "NoCredential"),
        ("GET /teams/t1", &[], Some(&ann), "allow"),
        ("GET /teams/t2", &[], Some(&ann), "OrganizationMismatch"),
    ] {
        assert_eq!(decide(&policy, request, headers, caller), expected, "{request} {headers:?}");
    }
}

#[test]
fn an_authenticator_counts_where_it_is_named_and_nowhere_else() {
    let mut spec =
        spec(&[("POST /ci", "via(ci) and write"), ("POST /hook", "via(stripe)"), ("POST /app", "write")]);
    spec.authenticators = vec!["ci".into(), "stripe".into()];
    let policy = Policy::compile(spec).unwrap();
    let facts = Facts::at(UnixTime::from_seconds(NOW));
    let decision = |path: &str, authenticator: Option<&str>| {
        let target = RequestTarget::parse("POST", path).unwrap();
        let Found::Rule(found) = policy.find(&target) else { panic!("a rule") };
        let mut subject = policy.subject(&ann());
        if let Some(name) = authenticator {
            subject = subject.authenticated_by(name);
        }
        let access = match found.access() {
            Access::Authenticator(name) => name.to_owned(),
            other => format!("{other:?}"),
        };
        (access, found.decide(Some(&subject), &facts) == Decision::Allow)
    };
    let by = |name: &str, allowed| (name.to_owned(), allowed);
    assert_eq!(decision("/ci", Some("ci")), by("ci", true));
    assert_eq!(decision("/ci", Some("stripe")), by("ci", false));
    assert_eq!(decision("/ci", None), by("ci", false), "a token is no key");
    assert_eq!(decision("/hook", Some("stripe")), by("stripe", true));
    assert_eq!(decision("/app", Some("ci")), by("Credential", false), "a key is no token");
    assert!(policy.matrix(&[]).rows.iter().all(|row| row.cells[0].as_str() != "yes"));
}

#[test]
fn a_shadow_is_judged_beside_the_requirement() {
    let mut spec = spec(&[]);
    let mut with_shadow = rule("DELETE /p/{id}", "write");
    with_shadow.shadow = Some(Requirement::parse("delete_org").unwrap());
    let mut open = rule("GET /p/{id}", "read");
    open.shadow = Some(Requirement::parse("public").unwrap());
    spec.rules = vec![with_shadow, open, rule("PUT /p/{id}", "write")];
    let policy = Policy::compile(spec).unwrap();
    let facts = Facts::at(UnixTime::from_seconds(NOW));
    let subject = policy.subject(&ann());
    for (method, caller, expected) in [
        ("DELETE", Some(&subject), (true, Some(false))),
        ("DELETE", None, (false, Some(false))),
        ("GET", None, (false, Some(true))),
        ("PUT", Some(&subject), (true, None)),
    ] {
        let target = RequestTarget::parse(method, "/p/7").unwrap();
        let Found::Rule(found) = policy.find(&target) else { panic!("a rule") };
        let allowed = found.decide(caller, &facts) == Decision::Allow;
        assert_eq!((allowed, found.shadow(caller, &facts)), expected, "{method}");
    }
    let mut unknown = rule("GET /x", "read");
    unknown.shadow = Some(Requirement::parse("nobody_has_it").unwrap());
    let mut spec = self::spec(&[]);
    spec.rules = vec![unknown];
    assert_eq!(Policy::compile(spec).unwrap_err()[0].code, "E031");
}

#[test]
fn rules_that_cross_and_compare_what_they_capture_are_ambiguous() {
    let crossing = [("GET /a/{x}/c", "path.x == claims.team"), ("GET /a/b/{x}", "path.x == claims.team")];
    assert_eq!(Policy::compile(spec(&crossing)).unwrap_err()[0].code, "E042");
    let same = [("GET /a/{x}/c", "query.q == claims.team"), ("GET /a/b/{x}", "query.q == claims.team")];
    assert!(Policy::compile(spec(&same)).is_ok());
}

#[test]
fn the_matrix_says_if_where_something_is_compared() {
    let mut spec = spec(&[
        ("GET /t/{team}", "read and path.team == claims.team"),
        ("GET /a", "read or claims.x == true"),
        ("GET /o/{org_id}", "read and fresh(1h)"),
        ("GET /b", "write and claims.x == true"),
    ]);
    spec.role_table = vec![(RoleName::parse("owner").unwrap(), vec![Permission::parse("read").unwrap()])];
    let policy = Policy::compile(spec).unwrap();
    let cells: Vec<_> = policy.matrix(&["owner"]).rows.iter().map(|row| row.cells[1].as_str()).collect();
    assert_eq!(cells, ["if", "yes", "if", "no"]);
}
