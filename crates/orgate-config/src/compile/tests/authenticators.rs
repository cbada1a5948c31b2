//! The section `authenticators:`.

use orgate_verify::authenticator::WebhookScheme;

use super::{accepted, check, findings_with};
use crate::{AuthenticatorKind, SecretSource};

#[test]
fn authenticators_are_read_and_their_secrets_are_not() {
    let file = accepted(
        "version: 1
permissions: [write]
roles: {bot: {grants: [write]}}
authenticators:
  stripe: {type: webhook, scheme: stripe, secret: {env: NOT_SET}, tolerance: 10m, max_body: 64KiB}
  svix: {type: webhook, scheme: standard-webhooks, secret: [{file: keys/new}, {file: /keys/old}]}
  ci:
    type: api_key
    header: X-CI-Key
    sha256: {env: CI}
    as: {permissions: [write], org.id: acme, org.slug: acme-slug, role: bot, sub: robot}
  plain: {type: api_key, header: x-key, sha256: [{env: A}, {env: B}], as: {}}
rules: {GET /a: public}
",
    );
    let [stripe, svix, ci, plain] = file.authenticators.as_slice() else {
        panic!("{:?}", file.authenticators)
    };
    let AuthenticatorKind::Webhook { scheme, secrets, tolerance, max_body } = &stripe.kind else {
        panic!("{stripe:?}");
    };
    assert_eq!((*scheme, *tolerance, *max_body), (WebhookScheme::Stripe, 600, 65_536));
    assert_eq!(*secrets, [SecretSource::Env("NOT_SET".to_owned())]);
    assert_eq!(stripe.principal.subject().as_str(), "webhook:stripe");
    assert_eq!(stripe.principal.issuer().as_str(), "urn:orgate:authenticator:stripe");
    assert_eq!(stripe.principal.authentication_method().as_str(), "webhook");
    let AuthenticatorKind::Webhook { secrets, tolerance, max_body, .. } = &svix.kind else {
        panic!("{svix:?}")
    };
    assert_eq!((*tolerance, *max_body), (300, 1024 * 1024));
    assert_eq!(*secrets, [SecretSource::File("keys/new".into()), SecretSource::File("/keys/old".into())]);
    let AuthenticatorKind::ApiKey { header, sha256 } = &ci.kind else { panic!("{ci:?}") };
    assert_eq!((header.as_str(), sha256.len()), ("x-ci-key", 1));
    assert_eq!(ci.principal.subject().as_str(), "robot");
    assert_eq!(ci.principal.roles()[0].as_str(), "bot");
    assert_eq!(ci.principal.permissions()[0].as_str(), "write");
    let organization = ci.principal.organization().unwrap();
    assert_eq!(
        (organization.id.as_str(), organization.slug.as_ref().unwrap().as_str()),
        ("acme", "acme-slug")
    );
    assert_eq!(plain.principal.subject().as_str(), "api_key:plain");
    assert!(plain.principal.organization().is_none() && !plain.principal.has_permissions_claim());
}

#[test]
fn secrets_in_the_file_are_errors_that_do_not_repeat_them() {
    let found = findings_with(
        "authenticators:
  a: {type: webhook, scheme: stripe, secret: whsec_literal}
  b: {type: api_key, header: x-b, sha256: 1234, as: {}}
  c: {type: webhook, scheme: github, secret: [{env: A}, literal]}
",
    );
    assert_eq!(found.matches("error[E056]").count(), 3, "{found}");
    let messages = found.lines().filter(|line| line.starts_with("error"));
    assert!(!messages.clone().any(|line| line.contains("literal") || line.contains("1234")), "{found}");
}

#[test]
fn authenticators_that_make_no_sense_are_errors() {
    check!(findings_with("authenticators:\n  a: {type: basic}\n  \"b c\": {type: webhook}\n  c: {type: webhook, scheme: strip, secret: {env: A, file: b}, tolerance: 2s, max_body: 1MB}\n"), @r#"
        error[E013]: `authenticators.a.type`: expected one of `webhook`, `api_key`, found `basic`
         --> orgate.yaml:4:13
        4 |   a: {type: basic}
          |             ^^^^^
        error[E034]: `b c` is no name of an authenticator
         --> orgate.yaml:5:3
        5 |   "b c": {type: webhook}
          |   ^^^^^
          = help: letters, digits, `_` and `-` fit, at most 64 of them
        error[E013]: `authenticators.c.scheme`: expected one of `stripe`, `standard-webhooks`, `github`, found `strip`
         --> orgate.yaml:6:30
        6 |   c: {type: webhook, scheme: strip, secret: {env: A, file: b}, tolerance: 2s, max_body: 1MB}
          |                              ^^^^^
          = help: did you mean `stripe`?
        error[E013]: `authenticators.c.secret` needs exactly one place
         --> orgate.yaml:6:45
        6 |   c: {type: webhook, scheme: strip, secret: {env: A, file: b}, tolerance: 2s, max_body: 1MB}
          |                                             ^^^^^^^^^^^^^^^^^
          = help: write `{env: NAME}` or `{file: PATH}`
        error[E013]: `authenticators.c.tolerance`: expected a duration from 5s to 1d, found `2s`
         --> orgate.yaml:6:75
        6 |   c: {type: webhook, scheme: strip, secret: {env: A, file: b}, tolerance: 2s, max_body: 1MB}
          |                                                                           ^^
        error[E013]: `authenticators.c.max_body`: expected a size from 1KiB to 32MiB, found `1MB`
         --> orgate.yaml:6:89
        6 |   c: {type: webhook, scheme: strip, secret: {env: A, file: b}, tolerance: 2s, max_body: 1MB}
          |                                                                                         ^^^
          = help: write it as `1MiB`
        "#);
    check!(findings_with("authenticators:\n  a: {type: api_key, header: Authorization, sha256: {env: A-B}, as: {permissions: [reed], role: ownr, org.slug: x}}\n  b: {type: webhook, scheme: github, secret: [], tolerance: 5m, as: {}}\n  c: {type: api_key, sha256: {file: \"\"}}\n"), @r#"
        error[E013]: a key cannot travel alone in `authorization`
         --> orgate.yaml:4:30
        4 |   a: {type: api_key, header: Authorization, sha256: {env: A-B}, as: {permissions: [reed], role: ownr, org.slug: x}}
          |                              ^^^^^^^^^^^^^
          = help: choose a header of its own, such as `x-api-key`
        error[E013]: `authenticators.a.sha256.env` is no name of an environment variable
         --> orgate.yaml:4:59
        4 |   a: {type: api_key, header: Authorization, sha256: {env: A-B}, as: {permissions: [reed], role: ownr, org.slug: x}}
          |                                                           ^^^
          = help: write `{env: NAME}` or `{file: PATH}`
        error[E031]: unknown permission `reed`
         --> orgate.yaml:4:84
        4 |   a: {type: api_key, header: Authorization, sha256: {env: A-B}, as: {permissions: [reed], role: ownr, org.slug: x}}
          |                                                                                    ^^^^
          = help: did you mean `read`?
        error[E032]: unknown role `ownr`
         --> orgate.yaml:4:97
        4 |   a: {type: api_key, header: Authorization, sha256: {env: A-B}, as: {permissions: [reed], role: ownr, org.slug: x}}
          |                                                                                                 ^^^^
          = help: did you mean `owner`?
        error[E011]: `authenticators.a.as` has an `org.slug` and no `org.id`
         --> orgate.yaml:4:113
        4 |   a: {type: api_key, header: Authorization, sha256: {env: A-B}, as: {permissions: [reed], role: ownr, org.slug: x}}
          |                                                                                                                 ^
        error[E013]: `authenticators.b.secret` is empty
         --> orgate.yaml:5:46
        5 |   b: {type: webhook, scheme: github, secret: [], tolerance: 5m, as: {}}
          |                                              ^^
          = help: write `{env: NAME}` or `{file: PATH}`
        error[E013]: `authenticators.b.tolerance` has no effect: GitHub signs no time
         --> orgate.yaml:5:61
        5 |   b: {type: webhook, scheme: github, secret: [], tolerance: 5m, as: {}}
          |                                                             ^^
          = help: leave it away
        error[E010]: unknown key `as` in `authenticators.b`
         --> orgate.yaml:5:65
        5 |   b: {type: webhook, scheme: github, secret: [], tolerance: 5m, as: {}}
          |                                                                 ^^
          = help: known keys: type, scheme, secret, tolerance, max_body
        error[E011]: `authenticators.c` has no `header`
         --> orgate.yaml:6:3
        6 |   c: {type: api_key, sha256: {file: ""}}
          |   ^
        error[E011]: `authenticators.c` has no `as`
         --> orgate.yaml:6:3
        6 |   c: {type: api_key, sha256: {file: ""}}
          |   ^
        error[E013]: `authenticators.c.sha256.file` is empty
         --> orgate.yaml:6:37
        6 |   c: {type: api_key, sha256: {file: ""}}
          |                                     ^^
          = help: write `{env: NAME}` or `{file: PATH}`
        "#);
    check!(findings_with("authenticators: [stripe]\n"), @"
        error[E012]: `authenticators`: expected a map from names to authenticators, found a list
         --> orgate.yaml:3:17
        3 | authenticators: [stripe]
          |                 ^^^^^^^^
        ");
}

#[test]
fn a_secret_is_what_its_place_holds_without_the_line_end() {
    let directory = tempdir();
    let file = |content: &[u8]| {
        let path = directory.join("secret");
        std::fs::write(&path, content).unwrap();
        SecretSource::File(path).read(&|_| None)
    };
    for (content, expected) in [
        (&b"whsec_1\n"[..], Some("whsec_1")),
        (b"whsec_1\r\n", Some("whsec_1")),
        (b" whsec_1 \n\n", Some(" whsec_1 \n")),
        (b"", None),
        (b"\n", None),
        (b"\xff\xfe", None),
    ] {
        assert_eq!(file(content).ok().as_deref(), expected, "{content:?}");
    }
    assert!(file(&[b'a'; 64 * 1024 + 1]).is_err());
    std::fs::remove_dir_all(&directory).unwrap();
    let env = |name: &str| (name == "SET").then(|| "value".to_owned());
    assert_eq!(SecretSource::Env("SET".to_owned()).read(&env).unwrap(), "value");
    let error = SecretSource::Env("UNSET".to_owned()).read(&env).unwrap_err();
    assert_eq!(error.to_string(), "the environment variable `UNSET` is not set");
}

fn tempdir() -> std::path::PathBuf {
    let directory = std::env::temp_dir().join(format!("orgate-secrets-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    directory
}
