//! The test helpers for authors of applications: right where the gate is, and clear where an expectation fails.

#![cfg(all(feature = "config", feature = "remote"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};

use common::{NOW, check, gate, token_at};
use orgate::{Code, Gate};

const POLICY: &str = "version: 1
issuers: {main: {issuer: https://id.example.com, audience: api, profile: orgate}}
rules:
  GET /healthz: public
  GET /docs: read
  POST /docs: write
  GET /me: authenticated
  PUT /settings: role(owner, admin)
  DELETE /orgs/{org_id}: delete_org
  GET /orgs/{org_id}/secret: {require: read, hide: true}
";

/// The same names, and roles that are expanded.
const ROLES: &str = "version: 1
issuers: {main: {issuer: https://id.example.com, audience: api, profile: orgate}}
roles:
  viewer: {grants: []}
  auditor: {grants: [read, audit]}
rules:
  GET /docs: read
  GET /audit: audit
";

/// The message that a failed expectation ends a test with.
fn failure(check: impl FnOnce()) -> String {
    let failed = catch_unwind(AssertUnwindSafe(check)).expect_err("the expectation fails");
    failed.downcast_ref::<String>().expect("a text").clone()
}

#[test]
fn roles_of_the_profile_have_what_the_matrix_gives_them() {
    let test = Gate::for_tests(POLICY).test();
    for (role, post, settings, delete) in [
        ("owner", None, None, None),
        ("admin", None, None, Some(Code::MissingPermission)),
        ("member", None, Some(Code::MissingRole), Some(Code::MissingPermission)),
        ("viewer", Some(Code::MissingPermission), Some(Code::MissingRole), Some(Code::MissingPermission)),
    ] {
        let caller = test.clone().as_role(role).in_org("acme");
        caller.get("/docs").allowed();
        assert_eq!(caller.post("/docs").code(), post, "{role}");
        assert_eq!(caller.put("/settings").code(), settings, "{role}");
        assert_eq!(caller.delete("/orgs/acme").code(), delete, "{role}");
        assert_eq!(caller.delete("/orgs/globex").code(), Some(Code::OrganizationMismatch), "{role}");
    }
}

#[test]
fn roles_of_the_file_have_what_the_file_gives_them() {
    let test = Gate::for_tests(ROLES).test();
    let auditor = test.clone().as_role("auditor").in_org("acme");
    auditor.get("/docs").allowed();
    auditor.get("/audit").allowed();
    test.clone().as_role("viewer").in_org("acme").get("/docs").denied(Code::MissingPermission);
    test.clone().as_role("owner").in_org("acme").get("/docs").allowed();
    test.clone().as_role("auditor").as_role("owner").in_org("acme").get("/docs").allowed();
}

#[test]
fn permissions_are_exactly_those_that_are_given() {
    let test = Gate::for_tests(POLICY).test();
    let writer = test.clone().as_role("viewer").with_permissions(["write"]).in_org("acme");
    writer.post("/docs").allowed();
    writer.get("/docs").denied(Code::MissingPermission);
    test.as_role("owner")
        .with_permissions(Vec::<&str>::new())
        .in_org("acme")
        .get("/docs")
        .denied(Code::MissingPermission);
}

#[test]
fn requests_are_read_as_the_gate_reads_them() {
    let test = Gate::for_tests(POLICY).test();
    test.get("/healthz").allowed();
    test.get("/me").denied(Code::NoCredential);
    let ann = test.signed_in().as_subject("usr_ann");
    ann.get("/me?x=1").allowed();
    ann.request("HEAD", "/me/").allowed();
    ann.get("/docs").denied(Code::NoActiveOrganization);
    ann.get("/nowhere").denied(Code::NoRule);
    ann.post("/me").denied(Code::MethodNotCovered);
    ann.get("/me/../docs").denied(Code::BadRequestTarget);
    ann.request("TRACE", "/me").denied(Code::BadRequest);
    let acme = ann.in_org_with_slug("org_1", "acme").with_permissions(["read"]);
    acme.get("/orgs/acme/secret").denied(Code::NotFound);
    acme.get("/orgs/org_1/secret").allowed();
}

#[test]
fn made_up_callers_are_judged_as_real_tokens_are() {
    let (gate, _) = gate();
    let requests =
        ["GET /healthz", "GET /feed", "GET /docs", "HEAD /docs", "POST /docs", "PUT /docs", "GET /closed"];
    let more =
        ["DELETE /orgs/org_acme", "DELETE /orgs/org_evil", "GET /me", "GET /none", "GET /a//b", "TRACE /me"];
    for permissions in [&[][..], &["read"], &["write", "delete_org"]] {
        for organization in [true, false] {
            let token = token_at(NOW, permissions, |claims| {
                if !organization {
                    for claim in ["org_id", "org_slug", "org_role"] {
                        claims.as_object_mut().unwrap().remove(claim);
                    }
                }
            });
            let mut caller = gate.test().as_subject("usr_ann").with_permissions(permissions);
            if organization {
                caller = caller.in_org_with_slug("org_acme", "acme");
            }
            for request in requests.iter().chain(&more) {
                let (method, path) = request.split_once(' ').unwrap();
                let outcome = caller.request(method, path);
                let said = match outcome.code() {
                    None => format!("allow {}", outcome.rule().unwrap()),
                    Some(code) => format!("{} {code}", code.status().as_u16()),
                };
                let header = format!("Bearer {token}");
                let real = check(&gate, request, &[("authorization", &header)], NOW);
                assert_eq!(said, real, "{request} with {permissions:?}, organization: {organization}");
            }
        }
    }
}

#[test]
fn failed_expectations_explain_themselves() {
    let test = Gate::for_tests(POLICY).test();
    let viewer = test.clone().as_role("viewer").in_org("acme");
    assert_eq!(
        failure(|| viewer.post("/docs").allowed()),
        "expected to be allowed, but POST /docs as usr_test (viewer) in acme, who may read, is denied with \
         `missing_permission` (403)\n  rule: POST /docs: write\n  missing: write\n  because: Missing permission"
    );
    assert_eq!(
        failure(|| viewer.get("/docs").denied(Code::MissingPermission)),
        "expected to be denied with `missing_permission`, but GET /docs as usr_test (viewer) in acme, who may read, is \
         allowed\n  rule: GET /docs: read"
    );
    assert_eq!(
        failure(|| viewer.get("/orgs/globex/secret").denied(Code::OrganizationMismatch)),
        "expected to be denied with `org_mismatch`, but GET /orgs/globex/secret as usr_test (viewer) in acme, who may \
         read, is denied with `not_found` (404), which hides `org_mismatch`\n  rule: GET /orgs/{org_id}/secret: read\n  \
         because: Another organization"
    );
    assert_eq!(
        failure(|| test.get("/dcos").allowed()),
        "expected to be allowed, but GET /dcos as anonymous is denied with `no_rule` (403)\n  rule: none has this path, \
         so nobody gets there\n  because: No rule for this path"
    );
}

#[test]
fn names_that_the_policy_does_not_know_end_a_test() {
    let test = Gate::for_tests(POLICY).test();
    assert_eq!(
        failure(|| drop(test.clone().as_role("viewr"))),
        "the policy knows no role `viewr`\n  = help: did you mean `viewer`?"
    );
    assert_eq!(
        failure(|| drop(test.clone().with_permissions(["read", "wirte"]))),
        "the policy knows no permission `wirte`\n  = help: did you mean `write`?"
    );
}

#[test]
fn a_policy_that_is_wrong_ends_a_test_with_every_finding() {
    let wrong = POLICY.replace(": delete_org", ": delet_org").replace(": write", ": wrte");
    let told = failure(|| drop(Gate::for_tests(&wrong)));
    assert!(told.contains("did you mean `delete_org`?") && told.contains("did you mean `write`?"), "{told}");
    assert!(failure(|| drop(Gate::for_tests("no/such/orgate.yaml"))).contains("no/such/orgate.yaml"));
}

#[test]
fn a_gate_for_tests_believes_no_token() {
    let gate = Gate::for_tests(POLICY);
    assert_eq!(check(&gate, "GET /healthz", &[], NOW), "allow GET /healthz");
    assert_eq!(check(&gate, "GET /docs", &[], NOW), "401 no_credential");
    let own = token_at(NOW, &["read"], |claims| {
        claims["iss"] = "https://id.example.com".into();
        claims["aud"] = "api".into();
    });
    let header = format!("Bearer {own}");
    let said = check(&gate, "GET /docs", &[("authorization", &header)], NOW);
    assert_eq!(said, "needs Keys(IssuerIndex(0))", "and there are none to be had");
    assert!(gate.test().as_role("owner").in_org("acme").get("/docs").code().is_none());
    assert_eq!(
        check(&gate, "GET /docs", &[], NOW),
        "401 no_credential",
        "nothing of the made-up caller stays"
    );
}

#[test]
fn coverage_lists_what_has_no_counterpart() {
    let gate = Gate::for_tests(
        "version: 1
issuers: {main: {issuer: https://id.example.com, audience: api, profile: orgate}}
rules:
  GET /docs: read
  HEAD /ping: public
  GET /docs/new: read
  POST|PUT /docs/{id}: write
  ANY /files/public/**: public
  GET /admin/**: role(owner)
  DELETE /orgs/{org_id}: delete_org
  GET /typo/{id}: read
",
    );
    let routes = [
        ("GET", "/docs"),
        ("HEAD", "/docs"),
        ("POST", "/docs"),
        ("GET", "/docs/{id}"),
        ("PUT", "/docs/{anything}"),
        ("ANY", "/files/{*path}"),
        ("GET", "/admin/{*rest}"),
        ("GET", "/ping"),
        ("ANY", "/orgs/{org_id}"),
        ("GET", "/forgotten/"),
    ];
    let coverage = gate.test().coverage(routes);
    assert_eq!(coverage.routes_without_rule, ["POST /docs", "GET /forgotten/"]);
    assert_eq!(
        coverage.routes_partly_covered,
        ["GET /docs/{id}", "ANY /files/{*path}", "GET /ping", "ANY /orgs/{org_id}"]
    );
    assert_eq!(coverage.rules_without_route, ["GET /typo/{id}"]);
    let told = failure(|| coverage.complete());
    assert!(told.contains("routes without a rule, which nobody can reach:\n  POST /docs\n"), "{told}");
    assert!(told.contains("rules without a route:\n  GET /typo/{id}\n"), "{told}");
    Gate::for_tests(POLICY)
        .test()
        .coverage([
            ("GET".to_owned(), "/healthz".to_owned()),
            ("ANY".to_owned(), "/docs".to_owned()),
            ("GET".to_owned(), "/me".to_owned()),
            ("PUT".to_owned(), "/settings".to_owned()),
            ("DELETE".to_owned(), "/orgs/{org}".to_owned()),
            ("GET".to_owned(), "/orgs/{org}/secret".to_owned()),
        ])
        .complete();
    assert!(
        failure(|| drop(gate.test().coverage([("GET", "/a//b")])))
            .starts_with("the route `GET /a//b` can never be reached")
    );
}
