//! Files of tests within `cargo test`.

#![cfg(all(feature = "config", feature = "remote"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may panic")]

use std::path::PathBuf;

use orgate_testkit::Folder;

const POLICY: &str = "version: 1
issuers:
  main: {issuer: \"https://i.example\", audience: a, profile: orgate}
bind: {header.x-org-id: org.id}
rules:
  GET /docs: read
  GET team.example.com/docs: write
  GET /recent: fresh(15m)
  DELETE /orgs/{org_id}: delete_org
";

/// A folder with a policy and a file of tests, and the path of the latter.
fn folder(policy: &str, cases: &str) -> (Folder, PathBuf) {
    let folder = Folder::new();
    folder.write("orgate.yaml", policy);
    let path = folder.write("orgate.test.yaml", cases);
    (folder, path)
}

/// What the run of a file ends with; nothing if it is as expected.
fn report((_folder, path): (Folder, PathBuf)) -> Option<String> {
    let result = std::panic::catch_unwind(|| orgate::testing::run(&path));
    result.err().map(|panic| panic.downcast_ref::<String>().unwrap().clone())
}

#[test]
fn a_file_that_is_as_expected_passes() {
    let path = folder(
        POLICY,
        "principals:
  ann: {role: owner, org: acme}
  vera: {role: viewer, org: acme}
  late: {claims: {sub: u, org_id: acme, org_permissions: [read], auth_time: 1000}}
cases:
  GET /docs: [ann, vera, late]
  GET /docs?a: {allow: [ann], host: team.example.com}
  GET /docs?b: {allow: [], headers: {x-org-id: evil}, deny: {ann: org_mismatch}}
  GET /docs?c: {allow: [ann, vera, late], headers: {x-org-id: acme}}
  GET /recent: {allow: [late], deny: {ann: step_up_required}}
  DELETE /orgs/acme: [ann]
now: 1800
",
    );
    assert_eq!(report(path), None);
}

#[test]
fn a_file_that_is_not_ends_with_the_report_of_the_command_line() {
    let path =
        folder(POLICY, "principals: {ann: {role: owner, org: acme}}\ncases:\n  DELETE /orgs/acme: []\n");
    let report = report(path).expect("it fails");
    for part in [
        "orgate.test.yaml:3  DELETE /orgs/acme",
        "ann  expected deny, got ALLOW",
        "1 of 2 decisions as expected",
    ] {
        assert!(report.contains(part), "{part}: {report}");
    }
    let path = folder("version: 1\n", "cases: {}\n");
    assert!(self::report(path).expect("it fails").contains("no rules"));
}

#[test]
#[should_panic(expected = "cannot read `no-such-file.yaml`")]
fn a_file_that_is_not_there_fails() {
    orgate::testing::run("no-such-file.yaml");
}

#[test]
fn an_authenticator_proves_the_principal_that_the_policy_gives_it() {
    let policy = "version: 1
issuers:
  main: {issuer: \"https://i.example\", audience: a, profile: orgate}
authenticators:
  ci: {type: api_key, header: x-ci-key, sha256: {env: CI}, as: {permissions: [write], org.id: acme}}
rules:
  POST /builds: via(ci) and write
  DELETE /builds: via(ci) and delete_org
  GET /orgs/{org_id}: via(ci)
";
    let good = "cases:
  POST /builds: {allow: [], with: {ci: valid}}
  GET /orgs/acme: {allow: [], with: {ci: valid}}
";
    assert_eq!(report(folder(policy, good)), None);
    for case in ["DELETE /builds", "GET /orgs/evil"] {
        let wrong = format!("cases:\n  {case}: {{allow: [], with: {{ci: valid}}}}\n");
        assert!(report(folder(policy, &wrong)).is_some(), "{case}");
    }
}
