//! What a policy may say about its warnings.

use super::{accepted, check, findings_with, read};
use crate::diagnostic::Severity;

#[test]
fn a_newer_policy_says_which_orgate_it_needs() {
    check!(findings_with("min_orgate: \"99.1\"\nsomething_new: 1\n"), @r#"
            error[E017]: the policy needs orgate 99.1 or newer; this is 0.1.0
             --> orgate.yaml:3:13
            3 | min_orgate: "99.1"
              |             ^^^^^^
              = help: install a newer orgate
            "#);
    check!(findings_with("min_orgate: 0.1\n"), @"
            error[E012]: `min_orgate`: expected a text, found a number
             --> orgate.yaml:3:13
            3 | min_orgate: 0.1
              |             ^^^
              = help: put it in quotes to make it a text
            ");
    assert!(read("version: 1\nmin_orgate: '0.1'\nrules: {GET /h: public}\n").is_ok());
}

#[test]
fn warnings_have_names_and_levels() {
    let tenants = "rules: {'GET /t/{tenant}': read}\n";
    check!(findings_with(&format!("lint: {{}}\n{tenants}")), @"
            warning[W052]: `{tenant}` looks like an organization and is not compared with the caller's
             --> orgate.yaml:4:9
            4 | rules: {'GET /t/{tenant}': read}
              |         ^^^^^^^^^^^^^^^^^
              = help: call it `{org_id}`, or write `bind: {tenant: org.id}`; without it, members of every organization get in
            ");
    check!(findings_with(&format!("lint: {{unbound_org_param: off}}\n{tenants}")), @"nothing; 1 rule, 4 roles, 7 permissions");
    check!(findings_with(&format!("lint: {{unbound_org_param: error}}\n{tenants}")), @"
            error[W052]: `{tenant}` looks like an organization and is not compared with the caller's
             --> orgate.yaml:4:9
            4 | rules: {'GET /t/{tenant}': read}
              |         ^^^^^^^^^^^^^^^^^
              = help: call it `{org_id}`, or write `bind: {tenant: org.id}`; without it, members of every organization get in
            ");
    check!(findings_with("lint: {unbound_org_parm: error, catch_all_weaker: loud, W053: off, require_tests: error}\n"), @"
            error[E010]: unknown key `unbound_org_parm` in `lint`
             --> orgate.yaml:3:8
            3 | lint: {unbound_org_parm: error, catch_all_weaker: loud, W053: off, require_tests: error}
              |        ^^^^^^^^^^^^^^^^
              = help: did you mean `unbound_org_param`?
            error[E013]: `lint.catch_all_weaker`: expected one of `off`, `warn`, `error`, found `loud`
             --> orgate.yaml:3:51
            3 | lint: {unbound_org_parm: error, catch_all_weaker: loud, W053: off, require_tests: error}
              |                                                   ^^^^
            error[E010]: unknown key `W053` in `lint`
             --> orgate.yaml:3:57
            3 | lint: {unbound_org_parm: error, catch_all_weaker: loud, W053: off, require_tests: error}
              |                                                         ^^^^
              = help: known keys: any_audience, catch_all_weaker, contradiction, dead_rule, feed_unread, limit_without_org, negative_comparison, negative_permission, prefer_permissions, require_tests, tautology, unbound_org_param, union, unused_claim
            ");
    check!(findings_with("lint: {catch_all_weaker: error}\nrules: {ANY /**: public, GET /a: read}\n"), @"
            error[W053]: `ANY /**` is open, and narrower rules below it are not
              --> orgate.yaml:4:9    rules: {ANY /**: public, GET /a: read}
              --> orgate.yaml:4:26   rules: {ANY /**: public, GET /a: read}
               = help: name the paths that are open; a request that misses the narrower rule by a letter falls in here
            error[E043]: POST, PUT, PATCH, DELETE on /a fall to a weaker ANY rule
              --> orgate.yaml:4:26   rules: {ANY /**: public, GET /a: read}
              --> orgate.yaml:4:9    rules: {ANY /**: public, GET /a: read}
               = help: add   ANY /a: deny      or name the methods you mean
            ");
    check!(findings_with("lint: {any_audience: error}\nissuers: {main: {issuer: https://a.example, audience: any}}\n"), @"
            error[W051]: tokens made for other services are accepted
             --> orgate.yaml:3:55
            3 | issuers: {main: {issuer: https://a.example, audience: any}}
              |                                                       ^^^
              = help: name the audience of this service, if the issuer writes one
            ");
}

#[test]
fn roles_in_rules_are_pointed_out_where_the_policy_asks_for_it() {
    let rules = "rules:\n  GET /a: read and (role(owner, admin) or not role(viewer))\n  GET /b: {require: role(owner)}\n  GET /c: read\n";
    check!(findings_with(rules), @"nothing; 3 rules, 4 roles, 7 permissions");
    check!(findings_with(&format!("lint: {{prefer_permissions: warn}}\n{rules}")), @"
            warning[W040]: the rule demands a role and not a permission
             --> orgate.yaml:5:26
            5 |   GET /a: read and (role(owner, admin) or not role(viewer))
              |                          ^^^^^^^^^^^^
              = help: name a permission, and grant it to the role
            warning[W040]: the rule demands a role and not a permission
             --> orgate.yaml:6:26
            6 |   GET /b: {require: role(owner)}
              |                          ^^^^^
              = help: name a permission, and grant it to the role
            ");
}

/// What is found where a rule that has a warning says this besides; the rule below it says nothing.
fn rule(rest: &str) -> String {
    findings_with(&format!(
        "rules:\n  'GET /t/{{tenant}}': {{require: read, {rest}}}\n  'GET /u/{{tenant}}': read\n"
    ))
}

#[test]
fn a_rule_silences_one_warning_and_says_why() {
    check!(rule("allow: [W052], note: \"tenants are no organizations\""), @"
            warning[W052]: `{tenant}` looks like an organization and is not compared with the caller's
             --> orgate.yaml:5:3
            5 |   'GET /u/{tenant}': read
              |   ^^^^^^^^^^^^^^^^^
              = help: call it `{org_id}`, or write `bind: {tenant: org.id}`; without it, members of every organization get in
            ");
    check!(rule("allow: W052, note: one"), @"
            warning[W052]: `{tenant}` looks like an organization and is not compared with the caller's
             --> orgate.yaml:5:3
            5 |   'GET /u/{tenant}': read
              |   ^^^^^^^^^^^^^^^^^
              = help: call it `{org_id}`, or write `bind: {tenant: org.id}`; without it, members of every organization get in
            ");
    check!(rule("allow: [W052]"), @r#"
            error[E011]: `GET /t/{tenant}` silences a warning and does not say why
             --> orgate.yaml:4:45
            4 |   'GET /t/{tenant}': {require: read, allow: [W052]}
              |                                             ^^^^^^
              = help: add a note: `note: "why this is meant"`
            warning[W052]: `{tenant}` looks like an organization and is not compared with the caller's
             --> orgate.yaml:5:3
            5 |   'GET /u/{tenant}': read
              |   ^^^^^^^^^^^^^^^^^
              = help: call it `{org_id}`, or write `bind: {tenant: org.id}`; without it, members of every organization get in
            "#);
    check!(rule("allow: [W052], note: ' '"), @r#"
            error[E011]: `GET /t/{tenant}` silences a warning and does not say why
             --> orgate.yaml:4:45
            4 |   'GET /t/{tenant}': {require: read, allow: [W052], note: ' '}
              |                                             ^^^^^^
              = help: add a note: `note: "why this is meant"`
            warning[W052]: `{tenant}` looks like an organization and is not compared with the caller's
             --> orgate.yaml:5:3
            5 |   'GET /u/{tenant}': read
              |   ^^^^^^^^^^^^^^^^^
              = help: call it `{org_id}`, or write `bind: {tenant: org.id}`; without it, members of every organization get in
            "#);
    check!(rule("allow: [W053], note: one"), @"
            warning[W052]: `{tenant}` looks like an organization and is not compared with the caller's
             --> orgate.yaml:4:3
            4 |   'GET /t/{tenant}': {require: read, allow: [W053], note: one}
              |   ^^^^^^^^^^^^^^^^^
              = help: call it `{org_id}`, or write `bind: {tenant: org.id}`; without it, members of every organization get in
            warning[W041]: the rule has no warning W053
             --> orgate.yaml:4:46
            4 |   'GET /t/{tenant}': {require: read, allow: [W053], note: one}
              |                                              ^^^^
              = help: take it out of `allow`; it would silence what comes later
            warning[W052]: `{tenant}` looks like an organization and is not compared with the caller's
             --> orgate.yaml:5:3
            5 |   'GET /u/{tenant}': read
              |   ^^^^^^^^^^^^^^^^^
              = help: call it `{org_id}`, or write `bind: {tenant: org.id}`; without it, members of every organization get in
            ");
}

#[test]
fn only_warnings_that_there_are_can_be_silenced() {
    check!(rule("allow: [W031], note: only a tool can tell"), @"
            warning[W052]: `{tenant}` looks like an organization and is not compared with the caller's
             --> orgate.yaml:4:3
            4 |   'GET /t/{tenant}': {require: read, allow: [W031], note: only a tool can tell}
              |   ^^^^^^^^^^^^^^^^^
              = help: call it `{org_id}`, or write `bind: {tenant: org.id}`; without it, members of every organization get in
            warning[W052]: `{tenant}` looks like an organization and is not compared with the caller's
             --> orgate.yaml:5:3
            5 |   'GET /u/{tenant}': read
              |   ^^^^^^^^^^^^^^^^^
              = help: call it `{org_id}`, or write `bind: {tenant: org.id}`; without it, members of every organization get in
            ");
    check!(rule("allow: [E043, W52, w052], note: one"), @"
            error[E013]: E043 is an error, and errors cannot be silenced
             --> orgate.yaml:4:46
            4 |   'GET /t/{tenant}': {require: read, allow: [E043, W52, w052], note: one}
              |                                              ^^^^
              = help: see `orgate help E043`
            error[E013]: `W52` is the code of no warning
             --> orgate.yaml:4:52
            4 |   'GET /t/{tenant}': {require: read, allow: [E043, W52, w052], note: one}
              |                                                    ^^^
              = help: did you mean `W052`?
            error[E013]: `w052` is the code of no warning
             --> orgate.yaml:4:57
            4 |   'GET /t/{tenant}': {require: read, allow: [E043, W52, w052], note: one}
              |                                                         ^^^^
              = help: did you mean `W052`?
            warning[W052]: `{tenant}` looks like an organization and is not compared with the caller's
             --> orgate.yaml:4:3
            4 |   'GET /t/{tenant}': {require: read, allow: [E043, W52, w052], note: one}
              |   ^^^^^^^^^^^^^^^^^
              = help: call it `{org_id}`, or write `bind: {tenant: org.id}`; without it, members of every organization get in
            warning[W052]: `{tenant}` looks like an organization and is not compared with the caller's
             --> orgate.yaml:5:3
            5 |   'GET /u/{tenant}': read
              |   ^^^^^^^^^^^^^^^^^
              = help: call it `{org_id}`, or write `bind: {tenant: org.id}`; without it, members of every organization get in
            ");
    check!(rule("allow: {W052: x}, note: one"), @"
            error[E012]: `GET /t/{tenant}: allow`: expected a text or a list of texts, found a map
             --> orgate.yaml:4:45
            4 |   'GET /t/{tenant}': {require: read, allow: {W052: x}, note: one}
              |                                             ^^^^^^^^^
            warning[W052]: `{tenant}` looks like an organization and is not compared with the caller's
             --> orgate.yaml:4:3
            4 |   'GET /t/{tenant}': {require: read, allow: {W052: x}, note: one}
              |   ^^^^^^^^^^^^^^^^^
              = help: call it `{org_id}`, or write `bind: {tenant: org.id}`; without it, members of every organization get in
            warning[W052]: `{tenant}` looks like an organization and is not compared with the caller's
             --> orgate.yaml:5:3
            5 |   'GET /u/{tenant}': read
              |   ^^^^^^^^^^^^^^^^^
              = help: call it `{org_id}`, or write `bind: {tenant: org.id}`; without it, members of every organization get in
            ");
    let text = "version: 1\nissuers: {main: {issuer: https://a.example, audience: api, profile: orgate, feed: off}}\nlint: {unbound_org_param: error}\n\
        rules:\n  'GET /t/{tenant}':\n    require: read\n    allow: [W052]\n    note: one\n  'GET /u/{tenant}': read\n";
    check!(read(text).unwrap_err(), @"
            error[W052]: `{tenant}` looks like an organization and is not compared with the caller's
             --> orgate.yaml:9:3
            9 |   'GET /u/{tenant}': read
              |   ^^^^^^^^^^^^^^^^^
              = help: call it `{org_id}`, or write `bind: {tenant: org.id}`; without it, members of every organization get in
            ");
}

#[test]
fn tools_learn_what_a_policy_makes_of_their_warnings() {
    let file = accepted(
        "version: 1\nlint: {catch_all_weaker: error, any_audience: off}\nrules:\n  GET /h: public\n  GET /i: {require: public, allow: [W031], note: x}\n",
    );
    assert_eq!(file.lints.level("W053"), Some(Severity::Error));
    assert_eq!(file.lints.level("W051"), None);
    assert_eq!(file.lints.level("W052"), Some(Severity::Warning));
    assert_eq!(file.lints.level("W040"), None);
    assert_eq!(file.lints.level("W031"), Some(Severity::Warning));
    let at = |line| orgate_policy::Place { file: 0, line, column: 3 };
    assert!(file.lints.allows(at(5), "W031"));
    assert!(!file.lints.allows(at(5), "W012") && !file.lints.allows(at(4), "W031"));
}

#[test]
fn keys_of_other_tools_are_ignored_only_where_keys_are_ours() {
    check!(findings_with("x-a: ${X}\nroles: {x-boss: {grants: [x-do], x-b: 1}}\nrules: {GET /a: x-do and role(x-boss), GET /b: {require: read, x-c: 2}}\n"), @"
            warning[W020]: no declared role can satisfy `read`
             --> orgate.yaml:5:58
            5 | rules: {GET /a: x-do and role(x-boss), GET /b: {require: read, x-c: 2}}
              |                                                          ^^^^
              = help: grant what it demands to a role, or leave the rule away
            ");
    check!(findings_with("rules: {GET /a: read, x-b: read}\n"), @"
            error[E020]: a rule's key is a method and a path
             --> orgate.yaml:3:23
            3 | rules: {GET /a: read, x-b: read}
              |                       ^^^
              = help: write it as a request line: `GET /projects/{id}`
            ");
    check!(findings_with("permissions: {x-a: '${X}'}\nbind: {x-b: org.id}\nconditions: {x-c: claims.a == 'b'}\n"), @"
            error[E015]: environment variables cannot be used here
             --> orgate.yaml:3:21
            3 | permissions: {x-a: '${X}'}
              |                     ^^^^
              = help: only issuer URLs, audiences and key locations may depend on the environment
            error[E034]: `x-b` is nothing that can be bound
             --> orgate.yaml:4:8
            4 | bind: {x-b: org.id}
              |        ^^^
              = help: write the name of a path parameter such as `org_id`, or `header.x-org-id`, `query.org`, `host.tenant`
            error[E021]: `'b'` is no value to compare
             --> orgate.yaml:5:31
            5 | conditions: {x-c: claims.a == 'b'}
              |                               ^^^
              = help: values are `path.…`, `query.…`, `header.…`, `host.…`, `claims.…`, `org.id`, `org.slug`, `sub`, and texts in quotes
            ");
}

#[test]
fn a_live_rule_needs_issuers_that_can_be_asked() {
    check!(findings_with("rules: {GET /a: {require: read, fresh: live}}\n"), @"
        error[E057]: `fresh: live` asks the issuer for each request, and `main` cannot be asked
         --> orgate.yaml:3:9
        3 | rules: {GET /a: {require: read, fresh: live}}
          |         ^
          = help: write `introspect:` under `issuers.main`
        ");
}

#[test]
fn a_warning_that_holds_of_many_rules_is_told_once_with_their_lines() {
    let rules: String = (0..9).map(|at| format!("  GET /r{at}: late\n")).collect();
    check!(findings_with(&format!("permissions: [late]\nroles: {{a: {{grants: [read]}}}}\nrules:\n{rules}")), @"
        warning[W020]: no declared role can satisfy `late`
         --> orgate.yaml:6:12
        6 |   GET /r0: late
          |            ^^^^
          = help: grant what it demands to a role, or leave the rule away
          = also: orgate.yaml:7, orgate.yaml:8, orgate.yaml:9, orgate.yaml:10, orgate.yaml:11, orgate.yaml:12 and 2 more
        ");
}
