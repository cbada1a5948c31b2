//! Versions, keys and rules.

use orgate_policy::{Found, RequestTarget};

use super::{accepted, check, findings, findings_with};

/// `reference/policies/orgate.yaml` of the design without what a later version brings (`authenticators`, `via`).
const REFERENCE: &str = "\
version: 1
issuers:
  main: { issuer: https://auth.example.com, audience: my-api, profile: astapa }
bind:
  org_id: org.id
rules:
  GET /healthz: public
  GET /projects/**: read
  POST|PUT|PATCH /projects/**: write
  DELETE /orgs/{org_id}: delete_org
  ANY /admin/**: role(owner, admin)
  POST /orgs/{org_id}/invitations: invite or change_roles
  GET /files/**: read
  GET /files/public/**: public
";

#[test]
fn the_reference_policy_is_accepted() {
    let file = accepted(REFERENCE);
    assert_eq!(file.size(), "8 rules, 4 roles, 7 permissions");
    assert_eq!(file.issuers[0].name, "main");
    let winner = |method: &str, path: &str| {
        let target = RequestTarget::parse(method, path).unwrap();
        match file.policy.find(&target) {
            Found::Rule(rule) => rule.rule().to_owned(),
            _ => "none".to_owned(),
        }
    };
    assert_eq!(winner("GET", "/files/public/a"), "GET /files/public/**");
    assert_eq!(winner("DELETE", "/orgs/acme"), "DELETE /orgs/{org_id}");
    assert_eq!(winner("GET", "/orgs/acme"), "none");
}

#[test]
fn json_is_a_policy_too() {
    let text = r#"{"version": 1, "rules": {"GET /healthz": "public"}, "x-owner": {"anything": ["${goes}"]}}"#;
    let file = crate::compile("orgate.json", text.as_bytes(), &|_| None).unwrap();
    assert_eq!(file.size(), "1 rule, 0 roles, 0 permissions");
}

#[test]
fn a_file_says_its_version() {
    check!(findings("rules: {GET /healthz: public}\n"), @"
        error[E011]: the file has no `version`
         --> orgate.yaml:1:1
        1 | rules: {GET /healthz: public}
          | ^
          = help: start it with `version: 1`
        ");
    check!(findings("version: 2\nrulez: {}\n"), @"
        error[E014]: version 2 of the policy language is not supported by this version of orgate
         --> orgate.yaml:1:10
        1 | version: 2
          |          ^
          = help: `version: 1` is
        ");
    check!(findings("version: \"1\"\nrules: {GET /healthz: public}\n"), @r#"
        error[E012]: `version`: expected the number 1, found a text
         --> orgate.yaml:1:10
        1 | version: "1"
          |          ^^^
        "#);
    check!(findings(""), @"
        error[E012]: expected a map, found nothing
         --> orgate.yaml:1:1
        1 |
          | ^
        ");
    check!(findings("- a\n"), @"
        error[E012]: expected a map, found a list
         --> orgate.yaml:1:1
        1 | - a
          | ^^^
        ");
}

#[test]
fn a_policy_has_rules() {
    check!(findings("version: 1\n"), @"
        error[E018]: the policy has no rules, so nothing could be reached
         --> orgate.yaml:1:1
        1 | version: 1
          | ^
          = help: write at least one:

                  rules:
                    GET /healthz: public
        ");
    check!(findings("version: 1\nrules: {}\n"), @"
        error[E018]: the policy has no rules, so nothing could be reached
         --> orgate.yaml:2:1
        2 | rules: {}
          | ^^^^^
          = help: write at least one:

                  rules:
                    GET /healthz: public
        ");
    check!(findings("version: 1\nrules:\n"), @"
        error[E012]: `rules`: expected a map from `METHOD /path` to requirements, found nothing
         --> orgate.yaml:2:6
        2 | rules:
          |      ^
        ");
    check!(findings("version: 1\nrules: [GET /healthz]\n"), @"
        error[E012]: `rules`: expected a map from `METHOD /path` to requirements, found a list
         --> orgate.yaml:2:8
        2 | rules: [GET /healthz]
          |        ^^^^^^^^^^^^^^
        ");
}

#[test]
fn rules_that_demand_a_credential_need_an_issuer() {
    check!(findings("version: 1\nrules: {GET /a: authenticated}\n"), @"
        error[E019]: rules demand a credential, and no issuer is trusted
         --> orgate.yaml:2:1
        2 | rules: {GET /a: authenticated}
          | ^^^^^
          = help: add

                  issuers:
                    main: {issuer: https://auth.example.com, audience: my-api}
        ");
    check!(findings("version: 1\nrules: {GET /a: optional}\n"), @"
        error[E019]: rules demand a credential, and no issuer is trusted
         --> orgate.yaml:2:1
        2 | rules: {GET /a: optional}
          | ^^^^^
          = help: add

                  issuers:
                    main: {issuer: https://auth.example.com, audience: my-api}
        ");
    check!(findings("version: 1\nrules: {GET /a: public, GET /b: deny}\n"), @"nothing; 2 rules, 0 roles, 0 permissions");
}

#[test]
fn unknown_keys_are_errors_at_every_level() {
    check!(findings_with("isuers: {}\nruls: {}\nx-ours: {a: b}\n"), @"
        error[E010]: unknown key `isuers`
         --> orgate.yaml:3:1
        3 | isuers: {}
          | ^^^^^^
          = help: did you mean `issuers`?
        error[E010]: unknown key `ruls`
         --> orgate.yaml:4:1
        4 | ruls: {}
          | ^^^^
          = help: did you mean `rules`?
        ");
    check!(findings_with("rules:\n  GET /a: {requires: read}\n"), @"
        error[E011]: `GET /a` has no `require`
         --> orgate.yaml:4:3
        4 |   GET /a: {requires: read}
          |   ^^^^^^
        error[E010]: unknown key `requires` in `GET /a`
         --> orgate.yaml:4:12
        4 |   GET /a: {requires: read}
          |            ^^^^^^^^
          = help: did you mean `require`?
        ");
    check!(findings_with("deny: {boddy: flat}\ntoken: {form: bearer}\nidentity: {prefx: X-A}\nroles: {a: {grant: [read]}}\n"), @"
        error[E010]: unknown key `boddy` in `deny`
         --> orgate.yaml:3:8
        3 | deny: {boddy: flat}
          |        ^^^^^
          = help: did you mean `body`?
        error[E010]: unknown key `form` in `token`
         --> orgate.yaml:4:9
        4 | token: {form: bearer}
          |         ^^^^
          = help: did you mean `from`?
        error[E010]: unknown key `prefx` in `identity`
         --> orgate.yaml:5:12
        5 | identity: {prefx: X-A}
          |            ^^^^^
          = help: did you mean `prefix`?
        error[E010]: unknown key `grant` in `roles.a`
         --> orgate.yaml:6:13
        6 | roles: {a: {grant: [read]}}
          |             ^^^^^
          = help: did you mean `grants`?
        ");
}

#[test]
fn rule_keys_and_requirements_are_pointed_at() {
    check!(findings_with("rules:\n  get /a: read\n  /b: read\n  GET /c/: read\n  GET /d: read and\n  GET /e: read and write or invite\n  GET /f: \"\"\n"), @r#"
        error[E020]: `get` is no method: methods are upper-case letters
         --> orgate.yaml:4:3
        4 |   get /a: read
          |   ^^^
          = help: did you mean `GET`?
        error[E020]: the rule has no method
         --> orgate.yaml:5:3
        5 |   /b: read
          |   ^^
          = help: write `GET /b` or `ANY /b`
        error[E020]: a pattern cannot end in `/`
         --> orgate.yaml:6:9
        6 |   GET /c/: read
          |         ^
          = help: leave the last `/` away; a request with and without it is the same, unless `paths:` says `trailing_slash: distinct`
        error[E021]: the requirement ends too early
         --> orgate.yaml:7:19
        7 |   GET /d: read and
          |                   ^
        error[E021]: `and` and `or` are mixed without parentheses
         --> orgate.yaml:8:26
        8 |   GET /e: read and write or invite
          |                          ^^
          = help: put parentheses around the part that belongs together: `a and (b or c)`
        error[E021]: the rule demands nothing
         --> orgate.yaml:9:12
        9 |   GET /f: ""
          |            ^
          = help: write a permission, `authenticated`, or `public`
        "#);
    check!(findings_with("rules:\n  GET /a:\n  GET /b: 1\n  GET /c: [read]\n  GET /d: {note: x}\n"), @"
        error[E012]: the rule `GET /a` has no requirement
         --> orgate.yaml:4:3
        4 |   GET /a:
          |   ^^^^^^
          = help: say who may: a permission, `authenticated`, `public` or `deny`
        error[E012]: `GET /b`: expected a requirement, as a text or a map, found an integer
         --> orgate.yaml:5:11
        5 |   GET /b: 1
          |           ^
          = help: put it in quotes to make it a text
        error[E012]: `GET /c`: expected a requirement, as a text or a map, found a list
         --> orgate.yaml:6:11
        6 |   GET /c: [read]
          |           ^^^^^^
        error[E011]: `GET /d` has no `require`
         --> orgate.yaml:7:3
        7 |   GET /d: {note: x}
          |   ^^^^^^
        ");
}

#[test]
fn unknown_names_are_errors_with_the_likely_one() {
    check!(findings_with("rules:\n  DELETE /orgs/{org_id}: delet_org\n  GET /a: {require: read and \"nonsense\"}\n  GET /b: {require: rea or nonsense, note: x}\n  GET /c: role(amdin)\n"), @r#"
        error[E031]: unknown permission `delet_org`
         --> orgate.yaml:4:26
        4 |   DELETE /orgs/{org_id}: delet_org
          |                          ^^^^^^^^^ not declared by any role or under `permissions`
          = help: did you mean `delete_org`?
        error[E021]: a text cannot stand alone
         --> orgate.yaml:5:30
        5 |   GET /a: {require: read and "nonsense"}
          |                              ^^^^^^^^^^
          = help: compare it: `claims.plan == "pro"`
        error[E031]: unknown permission `rea`
         --> orgate.yaml:6:21
        6 |   GET /b: {require: rea or nonsense, note: x}
          |                     ^^^ not declared by any role or under `permissions`
          = help: did you mean `read`?
        error[E031]: unknown permission `nonsense`
         --> orgate.yaml:6:28
        6 |   GET /b: {require: rea or nonsense, note: x}
          |                            ^^^^^^^^ not declared by any role or under `permissions`
          = help: declare it under `permissions:` or grant it to a role: `permissions: [nonsense]`
        error[E032]: unknown role `amdin`
         --> orgate.yaml:7:16
        7 |   GET /c: role(amdin)
          |                ^^^^^
          = help: did you mean `admin`?
        "#);
}

#[test]
fn a_rule_stands_once() {
    check!(findings_with("rules:\n  GET /a: read\n  GET /a: write\n"), @"
        error[E040]: the key `GET /a` is written twice
          --> orgate.yaml:5:3   GET /a: write
          --> orgate.yaml:4:3   GET /a: read   (first written here)
           = help: keep one of them
        ");
    check!(findings_with("rules:\n  GET|POST /a: read\n  POST|PUT /a: write\n"), @"
        error[E040]: POST /a has two rules
          --> orgate.yaml:5:3   POST|PUT /a: write
          --> orgate.yaml:4:3   GET|POST /a: read
           = help: keep one of them; order carries no meaning
        ");
    check!(findings_with("rules:\n  GET /a/{x}: read\n  PUT /a/{y}: write\n"), @"
        error[E041]: `PUT /a/{y}` names the parameters of the same path otherwise
          --> orgate.yaml:5:3   PUT /a/{y}: write
          --> orgate.yaml:4:3   GET /a/{x}: read
           = help: use one name for one segment; bindings go by name
        ");
}

#[test]
fn ambiguous_rules_are_shown_with_the_line_that_settles_it() {
    check!(findings_with("rules:\n  GET /a/{x}/c: read\n  GET /a/b/{y}: public\n"), @"
        error[E042]: ambiguous rules for /a/b/c
          --> orgate.yaml:5:3   GET /a/b/{y}: public
          --> orgate.yaml:4:3   GET /a/{x}/c: read
           = help: say which one you mean by adding:   GET /a/b/c: public
        ");
}

#[test]
fn an_organization_in_the_path_is_bound_unless_a_rule_says_otherwise() {
    check!(findings_with("rules:\n  GET /orgs/{org_id}/logo: public\n  GET /a/{id}: {require: read, unbound: [id]}\n"), @"
        error[E051]: a public rule cannot bind `{org_id}` to the caller's organization
         --> orgate.yaml:4:3
        4 |   GET /orgs/{org_id}/logo: public
          |   ^^^^^^^^^^^^^^^^^^^^^^^
          = help: write `unbound: [org_id]` if anybody may see every organization here
        error[E035]: `unbound` names `id`, which is not bound in this rule
         --> orgate.yaml:5:3
        5 |   GET /a/{id}: {require: read, unbound: [id]}
          |   ^^^^^^^^^^^
          = help: leave it away
        ");
    check!(findings_with("rules:\n  GET /orgs/{org_id}/logo: {require: public, unbound: [org_id], hide: false, note: known}\n"), @"nothing; 1 rule, 4 roles, 7 permissions");
    check!(findings_with("bind: {org_id: org.id, \"a b\": sub, x: [], y: org.name, z: {a: b}}\n"), @r#"
        error[E034]: `a b` is nothing that can be bound
         --> orgate.yaml:3:24
        3 | bind: {org_id: org.id, "a b": sub, x: [], y: org.name, z: {a: b}}
          |                        ^^^^^
          = help: write the name of a path parameter such as `org_id`, or `header.x-org-id`, `query.org`, `host.tenant`
        error[E013]: `bind.x` is empty
         --> orgate.yaml:3:39
        3 | bind: {org_id: org.id, "a b": sub, x: [], y: org.name, z: {a: b}}
          |                                       ^^
          = help: write `org.id`, `org.slug`, `sub` or `claims.…`
        error[E013]: `bind.y`: `org.name` is nothing a caller has
         --> orgate.yaml:3:46
        3 | bind: {org_id: org.id, "a b": sub, x: [], y: org.name, z: {a: b}}
          |                                              ^^^^^^^^
          = help: write `org.id`, `org.slug`, `sub` or `claims.…`
        error[E012]: `bind.z`: expected a text or a list of texts, found a map
         --> orgate.yaml:3:59
        3 | bind: {org_id: org.id, "a b": sub, x: [], y: org.name, z: {a: b}}
          |                                                           ^^^^^^
        "#);
}

#[test]
fn a_file_with_many_problems_tells_all_of_them() {
    let text = findings_with(
        "issuers:\n  main: {issuer: http://a.example, algorithms: [HS256], leeway: 10m}\npermission: []\n\
         rules:\n  GET /a: raed\n  FETCH: x\n  GET /b: 7\n",
    );
    let codes: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("error[")?.get(..4)).collect();
    assert_eq!(codes, ["E050", "E053", "E055", "E013", "E010", "E031", "E020", "E012"], "{text}");
}
