//! The sections around `issuers:` and `rules:`.

use super::{accepted, check, findings_with};
use crate::TokenSource;

#[test]
fn permissions_and_roles_are_names_that_can_be_used() {
    check!(findings_with("permissions: {billing:read: null, export: Export everything, x-note: null}\nrules: {GET /a: billing:read and export}\n"), @"nothing; 1 rule, 4 roles, 10 permissions");
    check!(findings_with("permissions: [billing:read, export]\nrules: {GET /a: billing:read and export}\n"), @"nothing; 1 rule, 4 roles, 9 permissions");
    check!(findings_with("permissions: {and: a, path.x: b, 17: c, \"a b\": d, ok: [e], sub: f}\n"), @r#"
        error[E034]: `and` cannot be a permission, because it means something else in a requirement
         --> orgate.yaml:3:15
        3 | permissions: {and: a, path.x: b, 17: c, "a b": d, ok: [e], sub: f}
          |               ^^^
        error[E034]: `path.x` cannot be a permission, because it means something else in a requirement
         --> orgate.yaml:3:23
        3 | permissions: {and: a, path.x: b, 17: c, "a b": d, ok: [e], sub: f}
          |                       ^^^^^^
        error[E034]: `17` cannot be a permission, because it means something else in a requirement
         --> orgate.yaml:3:34
        3 | permissions: {and: a, path.x: b, 17: c, "a b": d, ok: [e], sub: f}
          |                                  ^^
        error[E034]: `a b` is no permission: a permission cannot hold ' ' here; letters, digits and `._:/-` fit
         --> orgate.yaml:3:41
        3 | permissions: {and: a, path.x: b, 17: c, "a b": d, ok: [e], sub: f}
          |                                         ^^^^^
        error[E012]: `permissions.ok`: expected a description, as a text, found a list
         --> orgate.yaml:3:55
        3 | permissions: {and: a, path.x: b, 17: c, "a b": d, ok: [e], sub: f}
          |                                                       ^^^
        error[E034]: `sub` cannot be a permission, because it means something else in a requirement
         --> orgate.yaml:3:60
        3 | permissions: {and: a, path.x: b, 17: c, "a b": d, ok: [e], sub: f}
          |                                                            ^^^
        "#);
    check!(findings_with("permissions: 7\nroles: [admin]\npermissions_from: tokens\n"), @"
        error[E012]: `permissions`: expected a map from names to descriptions, or a list, found an integer
         --> orgate.yaml:3:14
        3 | permissions: 7
          |              ^
        error[E012]: `roles`: expected a map from names to what they grant, found a list
         --> orgate.yaml:4:8
        4 | roles: [admin]
          |        ^^^^^^^
        error[E013]: `permissions_from`: expected one of `token_else_role`, `token`, `role`, `union`, found `tokens`
         --> orgate.yaml:5:19
        5 | permissions_from: tokens
          |                   ^^^^^^
          = help: did you mean `token`?
        ");
    check!(findings_with("roles:\n  viewer: {grants: [read]}\n  member: {extends: viewer, grants: write}\n  admin: {extends: [member], grants: [ban]}\npermissions_from: role\nrules: {GET /a: ban and role(admin)}\n"), @"nothing; 1 rule, 4 roles, 8 permissions");
    check!(findings_with("roles:\n  a: {extends: b}\n  b: {extends: [c]}\n  c: {extends: a}\n  d: {extends: viewr}\n  viewer: {grants: [\"a b\", 1]}\n"), @r#"
        error[E033]: role `a` extends itself
         --> orgate.yaml:4:3
        4 |   a: {extends: b}
          |   ^
          = help: break the circle of `extends`
        error[E033]: role `b` extends itself
         --> orgate.yaml:5:3
        5 |   b: {extends: [c]}
          |   ^
          = help: break the circle of `extends`
        error[E033]: role `c` extends itself
         --> orgate.yaml:6:3
        6 |   c: {extends: a}
          |   ^
          = help: break the circle of `extends`
        error[E032]: role `d` extends the unknown role `viewr`
         --> orgate.yaml:7:3
        7 |   d: {extends: viewr}
          |   ^
          = help: did you mean `viewer`?
        error[E034]: `a b` is no permission: a permission cannot hold ' ' here; letters, digits and `._:/-` fit
         --> orgate.yaml:8:21
        8 |   viewer: {grants: ["a b", 1]}
          |                     ^^^^^
        error[E012]: `roles.viewer`: expected a text, found an integer
         --> orgate.yaml:8:28
        8 |   viewer: {grants: ["a b", 1]}
          |                            ^
          = help: put it in quotes to make it a text
        "#);
}

#[test]
fn options_are_read() {
    let file = accepted(
        "version: 1\nrules: {GET /a: public}\ntoken: {from: [bearer, {header: X-Api-Token}]}\n\
         identity: {prefix: X-Acme, also_strip: [X-User, x-role]}\ndeny: {body: flat, unmatched: 404, hide: true}\n",
    );
    assert_eq!(file.token.from, [TokenSource::Bearer, TokenSource::Header("x-api-token".to_owned())]);
    assert_eq!(file.identity.prefix, "X-Acme");
    assert_eq!(file.identity.also_strip, ["x-user", "x-role"]);
    assert!(file.deny.flat && file.deny.unmatched_404 && file.deny.hide);
    let file = accepted("version: 1\nrules: {GET /a: public}\n");
    assert_eq!(file.token.from, [TokenSource::Bearer]);
    assert_eq!(file.identity.prefix, "X-Orgate");
    assert!(!file.deny.flat && !file.deny.unmatched_404 && !file.deny.hide);
}

#[test]
fn options_that_make_no_sense_are_errors() {
    check!(findings_with("token: {from: [bearer, bearer, beare, 7, {header: Authorization}, {header: \"a b\"}, {}]}\n"), @r#"
        error[E040]: the same place is named twice
         --> orgate.yaml:3:24
        3 | token: {from: [bearer, bearer, beare, 7, {header: Authorization}, {header: "a b"}, {}]}
          |                        ^^^^^^
          = help: leave one away
        error[E013]: `token.from`: expected `bearer`, `{header: NAME}`, `{cookie: NAME}`, `{query: NAME}` or `{websocket_protocol: MARKER}`, found `beare`
         --> orgate.yaml:3:32
        3 | token: {from: [bearer, bearer, beare, 7, {header: Authorization}, {header: "a b"}, {}]}
          |                                ^^^^^
        error[E012]: `token.from`: expected `bearer`, `{header: NAME}`, `{cookie: NAME}`, `{query: NAME}` or `{websocket_protocol: MARKER}`, found an integer
         --> orgate.yaml:3:39
        3 | token: {from: [bearer, bearer, beare, 7, {header: Authorization}, {header: "a b"}, {}]}
          |                                       ^
        error[E013]: a token cannot travel alone in `authorization`
         --> orgate.yaml:3:51
        3 | token: {from: [bearer, bearer, beare, 7, {header: Authorization}, {header: "a b"}, {}]}
          |                                                   ^^^^^^^^^^^^^
          = help: `bearer` reads `Authorization: Bearer`
        error[E013]: `token.from.header`: `a b` is no name of a header
         --> orgate.yaml:3:76
        3 | token: {from: [bearer, bearer, beare, 7, {header: Authorization}, {header: "a b"}, {}]}
          |                                                                            ^^^^^
          = help: letters, digits and `-` fit, at most 64 of them
        error[E011]: `token.from` has no `header`
         --> orgate.yaml:3:84
        3 | token: {from: [bearer, bearer, beare, 7, {header: Authorization}, {header: "a b"}, {}]}
          |                                                                                    ^^
        "#);
    check!(findings_with("token: {from: []}\nidentity: {prefix: Content, also_strip: [\"a:b\", 1]}\n"), @r#"
        error[E013]: `token.from` is empty, so no token could ever be sent
         --> orgate.yaml:3:15
        3 | token: {from: []}
          |               ^^
          = help: write `from: [bearer]`, or leave it away
        error[E013]: `identity.prefix`: `Content` cannot be the prefix
         --> orgate.yaml:4:20
        4 | identity: {prefix: Content, also_strip: ["a:b", 1]}
          |                    ^^^^^^^
          = help: other headers start with it too; choose one of its own, such as `X-Orgate`
        error[E013]: `identity.also_strip`: `a:b` is no name of a header
         --> orgate.yaml:4:42
        4 | identity: {prefix: Content, also_strip: ["a:b", 1]}
          |                                          ^^^^^
          = help: letters, digits and `-` fit, at most 64 of them
        error[E012]: `identity.also_strip`: expected a text, found an integer
         --> orgate.yaml:4:49
        4 | identity: {prefix: Content, also_strip: ["a:b", 1]}
          |                                                 ^
          = help: put it in quotes to make it a text
        "#);
    check!(findings_with("identity: {prefix: X-Orgate-}\ndeny: {body: html, unmatched: 401, hide: maybe}\n"), @"
        error[E013]: `identity.prefix`: `X-Orgate-` cannot be the prefix
         --> orgate.yaml:3:20
        3 | identity: {prefix: X-Orgate-}
          |                    ^^^^^^^^^
          = help: write it without the last `-`
        error[E013]: `deny.body`: expected one of `problem`, `flat`, found `html`
         --> orgate.yaml:4:14
        4 | deny: {body: html, unmatched: 401, hide: maybe}
          |              ^^^^
        error[E013]: `deny.unmatched`: expected 403 or 404, found 401
         --> orgate.yaml:4:31
        4 | deny: {body: html, unmatched: 401, hide: maybe}
          |                               ^^^
        error[E012]: `deny.hide`: expected `true` or `false`, found a text
         --> orgate.yaml:4:42
        4 | deny: {body: html, unmatched: 401, hide: maybe}
          |                                          ^^^^^
        ");
    check!(findings_with("identity: X-Acme\ndeny: [flat]\ntoken: bearer\n"), @"
        error[E012]: `identity`: expected a map, found a text
         --> orgate.yaml:3:11
        3 | identity: X-Acme
          |           ^^^^^^
        error[E012]: `deny`: expected a map, found a list
         --> orgate.yaml:4:7
        4 | deny: [flat]
          |       ^^^^^^
        error[E012]: `token`: expected a map, found a text
         --> orgate.yaml:5:8
        5 | token: bearer
          |        ^^^^^^
        ");
}

#[test]
fn variables_stand_only_where_deployments_differ() {
    check!(findings_with("rules:\n  GET /a: ${WHO}\n  GET /${X}: read\n  GET /b: {require: read, note: \"costs ${5}\"}\nidentity: {prefix: \"X-${A}\"}\n"), @r#"
        error[E015]: environment variables cannot be used here
         --> orgate.yaml:4:11
        4 |   GET /a: ${WHO}
          |           ^^^^^^
          = help: only issuer URLs, audiences and key locations may depend on the environment
        error[E015]: environment variables cannot be used here
         --> orgate.yaml:5:8
        5 |   GET /${X}: read
          |        ^^
          = help: only issuer URLs, audiences and key locations may depend on the environment
        error[E015]: environment variables cannot be used here
         --> orgate.yaml:6:40
        6 |   GET /b: {require: read, note: "costs ${5}"}
          |                                        ^^^^
          = help: only issuer URLs, audiences and key locations may depend on the environment
        error[E013]: `identity.prefix`: `X-${A}` is no name of a header
         --> orgate.yaml:7:20
        7 | identity: {prefix: "X-${A}"}
          |                    ^^^^^^^^
          = help: letters, digits and `-` fit, at most 64 of them
        error[E015]: environment variables cannot be used here
         --> orgate.yaml:7:23
        7 | identity: {prefix: "X-${A}"}
          |                       ^^^^
          = help: only issuer URLs, audiences and key locations may depend on the environment
        "#);
}
