//! The section `issuers:`.

use orgate_policy::PermissionsFrom;
use orgate_verify::{Algorithm, Audience, TokenTypes};

use super::{accepted, check, findings_of_issuer, findings_with};
use crate::{IssuerSpec, KeyLocation, SecretSource};

pub(super) fn issuer(entries: &str) -> IssuerSpec {
    let mut file =
        accepted(&format!("version: 1\nissuers:\n  main: {{{entries}}}\nrules: {{GET /a: authenticated}}\n"));
    file.issuers.remove(0)
}

#[test]
fn an_issuer_needs_a_url_and_an_audience() {
    let main = issuer("issuer: https://a.example, audience: api");
    assert_eq!(main.trust.url().as_str(), "https://a.example");
    assert_eq!(main.trust.audience(), &Audience::OneOf(vec!["api".to_owned()]));
    assert_eq!(main.trust.allowed_algorithms(), Algorithm::DEFAULT);
    assert_eq!(main.trust.leeway_seconds(), 30);
    assert_eq!(main.trust.token_types(), TokenTypes::ALL);
    assert_eq!((main.name.as_str(), main.keys, main.profile), ("main", KeyLocation::Discover, None));
}

#[test]
fn everything_else_about_an_issuer_is_read() {
    let main = issuer(
        "issuer: https://a.example, audience: [api, other], keys: {file: keys/a.json}, algorithms: [EdDSA, ES256], \
         typ: [at+jwt], leeway: 5m, profile: astapa",
    );
    assert_eq!(main.trust.audience(), &Audience::OneOf(vec!["api".to_owned(), "other".to_owned()]));
    assert_eq!(main.trust.allowed_algorithms(), [Algorithm::EdDsa, Algorithm::Es256]);
    assert_eq!((main.trust.leeway_seconds(), main.trust.token_types()), (300, TokenTypes::ACCESS_TOKEN));
    assert_eq!((main.keys, main.profile), (KeyLocation::File("keys/a.json".into()), Some("astapa")));
    let main =
        issuer("issuer: accounts.example, audience: api, keys: {jwks_uri: https://a.example/jwks?v=1}");
    assert_eq!(main.keys, KeyLocation::JwksUri("https://a.example/jwks?v=1".to_owned()));
    let main = issuer("issuer: http://127.0.0.1:8090/p/demo, audience: api, profile: orgate");
    assert_eq!(main.trust.token_types(), TokenTypes::ACCESS_TOKEN);
}

#[test]
fn key_files_are_looked_for_beside_the_policy() {
    let text = "version: 1\nissuers: {m: {issuer: https://a.example, audience: b, keys: {file: k.json}}}\nrules: {GET /: org}\n";
    let file = crate::compile("deploy/orgate.yaml", text.as_bytes(), &|_| None).unwrap();
    assert_eq!(file.issuers[0].keys, KeyLocation::File("deploy/k.json".into()));
}

#[test]
fn keys_that_cannot_be_renewed_are_trusted_as_long_as_the_policy_says() {
    let limit = |keys: &str| {
        let main = issuer(&format!("issuer: https://a.example, audience: api, keys: {keys}"));
        (main.keys, main.keys_max_stale.map(|limit| limit.as_secs()))
    };
    let uri = KeyLocation::JwksUri("https://a.example/jwks".to_owned());
    assert_eq!(limit("discover"), (KeyLocation::Discover, None));
    assert_eq!(limit("{max_stale: 12h}"), (KeyLocation::Discover, Some(43_200)));
    assert_eq!(limit("{jwks_uri: https://a.example/jwks, max_stale: 1m}"), (uri, Some(60)));
    let file = KeyLocation::File("k.json".into());
    assert_eq!(limit("{file: k.json, max_stale: 30d}"), (file, Some(2_592_000)));
    for (keys, told) in [
        (
            "{max_stale: 59s}",
            "`issuers.main.keys.max_stale`: expected a duration from 1m to 30d, found `59s`",
        ),
        ("{max_stale: 31d}", "expected a duration from 1m to 30d"),
        ("{secret: {env: SECRET}, max_stale: 1h}", "`max_stale` says nothing of it"),
        ("{max_stale: long}", "expected a duration such as `30s`"),
        ("{file: k, jwks_uri: https://a.example/k, max_stale: 1h}", "needs exactly one place"),
        ("{}", "needs exactly one place"),
    ] {
        let findings = findings_of_issuer(&format!("issuer: https://a.example, audience: a, keys: {keys}"));
        assert_eq!(findings.matches("error[").count(), 1, "{keys}: {findings}");
        assert!(findings.contains(told), "{keys}: {findings}");
    }
}

#[test]
fn variables_fill_urls_audiences_and_key_locations() {
    let main = issuer(
        "issuer: \"https://${HOST}/${UNSET:-x}\", audience: [\"${EMPTY:-api}\"], keys: {jwks_uri: \"https://${HOST}/jwks\"}",
    );
    assert_eq!(main.trust.url().as_str(), "https://auth.example.com/x");
    assert_eq!(main.trust.audience(), &Audience::OneOf(vec!["api".to_owned()]));
    assert_eq!(main.keys, KeyLocation::JwksUri("https://auth.example.com/jwks".to_owned()));
    check!(findings_of_issuer("issuer: \"https://${UNSET}\", audience: \"${EMPTY}\", keys: {file: \"a${\"}"), @r#"
        error[E016]: the environment variable `UNSET` is not set
         --> orgate.yaml:3:27
        3 |   main: {issuer: "https://${UNSET}", audience: "${EMPTY}", keys: {file: "a${"}}
          |                           ^^^^^^^^
          = help: set it, or write a default: `${UNSET:-…}`
        error[E016]: the environment variable `EMPTY` is not set
         --> orgate.yaml:3:49
        3 |   main: {issuer: "https://${UNSET}", audience: "${EMPTY}", keys: {file: "a${"}}
          |                                                 ^^^^^^^^
          = help: set it, or write a default: `${EMPTY:-…}`
        error[E013]: `${` is opened and never closed
         --> orgate.yaml:3:75
        3 |   main: {issuer: "https://${UNSET}", audience: "${EMPTY}", keys: {file: "a${"}}
          |                                                                           ^^
          = help: write `${NAME}` or `${NAME:-default}`
        "#);
    check!(findings_of_issuer("issuer: \"${INSECURE}\", audience: \"a${B C}\""), @r#"
        error[E053]: `${INSECURE}` is not protected by https
         --> orgate.yaml:3:18
        3 |   main: {issuer: "${INSECURE}", audience: "a${B C}"}
          |                  ^^^^^^^^^^^^^
          = help: write `https://…`; only loopback addresses may use http
        error[E013]: `B C` is no name of an environment variable
         --> orgate.yaml:3:45
        3 |   main: {issuer: "${INSECURE}", audience: "a${B C}"}
          |                                             ^^^^^^
          = help: write `${NAME}` or `${NAME:-default}`
        "#);
}

#[test]
fn a_missing_audience_is_an_error_with_the_fix() {
    check!(findings_with("issuers:\n  main:\n    issuer: https://a.example\n"), @"
        error[E050]: the issuer `main` has no `audience`
         --> orgate.yaml:3:3
        3 |   main:
          |   ^^^^
          = help: without one, tokens made for other services are accepted: write `audience: my-api`, the name of this one
        ");
    check!(findings_of_issuer("issuer: https://a.example, audience: []"), @"
        error[E050]: `issuers.main.audience` is empty
         --> orgate.yaml:3:47
        3 |   main: {issuer: https://a.example, audience: []}
          |                                               ^^
          = help: without one, tokens made for other services are accepted: write `audience: my-api`, the name of this one
        ");
    check!(findings_of_issuer("issuer: https://a.example, audience: [a, \"\"]"), @r#"
        error[E050]: `issuers.main.audience` is empty
         --> orgate.yaml:3:51
        3 |   main: {issuer: https://a.example, audience: [a, ""]}
          |                                                   ^^
          = help: without one, tokens made for other services are accepted: write `audience: my-api`, the name of this one
        "#);
    check!(findings_of_issuer("issuer: https://a.example, audience: [a, any]"), @"
        error[E013]: `issuers.main.audience`: `any` stands alone
         --> orgate.yaml:3:51
        3 |   main: {issuer: https://a.example, audience: [a, any]}
          |                                                   ^^^
          = help: write `audience: any`, or leave it away
        ");
    check!(findings_of_issuer("issuer: https://a.example, audience: 42"), @"
        error[E012]: `issuers.main.audience`: expected a text or a list of texts, found an integer
         --> orgate.yaml:3:47
        3 |   main: {issuer: https://a.example, audience: 42}
          |                                               ^^
          = help: put it in quotes to make it a text
        ");
}

#[test]
fn any_audience_is_possible_and_noticed() {
    assert_eq!(issuer("issuer: https://a.example, audience: any").trust.audience(), &Audience::Any);
    check!(findings_of_issuer("issuer: https://a.example, audience: any"), @"
        warning[W051]: tokens made for other services are accepted
         --> orgate.yaml:3:47
        3 |   main: {issuer: https://a.example, audience: any}
          |                                               ^^^
          = help: name the audience of this service, if the issuer writes one
        ");
}

#[test]
fn only_protected_addresses_are_trusted() {
    check!(findings_of_issuer("issuer: http://auth.example.com, audience: a"), @"
        error[E053]: `http://auth.example.com` is not protected by https
         --> orgate.yaml:3:18
        3 |   main: {issuer: http://auth.example.com, audience: a}
          |                  ^^^^^^^^^^^^^^^^^^^^^^^
          = help: write `https://auth.example.com`; only loopback addresses may use http
        ");
    check!(findings_of_issuer("issuer: https://a.example, audience: a, keys: {jwks_uri: \"http://a.example/jwks\"}"), @r#"
        error[E053]: `http://a.example/jwks` is not protected by https
         --> orgate.yaml:3:67
        3 |   main: {issuer: https://a.example, audience: a, keys: {jwks_uri: "http://a.example/jwks"}}
          |                                                                   ^^^^^^^^^^^^^^^^^^^^^^^
          = help: write `https://a.example/jwks`; only loopback addresses may use http
        "#);
    check!(findings_of_issuer("issuer: auth.example.com, audience: a"), @"
        error[E013]: `auth.example.com` is no address whose keys could be discovered
         --> orgate.yaml:3:18
        3 |   main: {issuer: auth.example.com, audience: a}
          |                  ^^^^^^^^^^^^^^^^
          = help: write an https URL, or say where the keys are: `keys: {jwks_uri: https://…}`
        ");
    check!(findings_of_issuer("issuer: https://a.example?x=y, audience: a"), @"
        error[E013]: `https://a.example?x=y` has a query, so nothing can be discovered there
         --> orgate.yaml:3:18
        3 |   main: {issuer: https://a.example?x=y, audience: a}
          |                  ^^^^^^^^^^^^^^^^^^^^^
          = help: say where the keys are: `keys: {jwks_uri: https://…}`
        ");
    check!(findings_of_issuer("issuer: https://a.example, audience: a, keys: {jwks_uri: a.example/jwks}"), @"
        error[E013]: `a.example/jwks` is no https URL
         --> orgate.yaml:3:67
        3 |   main: {issuer: https://a.example, audience: a, keys: {jwks_uri: a.example/jwks}}
          |                                                                   ^^^^^^^^^^^^^^
        ");
}

#[test]
fn a_url_has_one_issuer() {
    check!(findings_with("issuers:\n  a: {issuer: https://a.example, audience: x}\n  b: {issuer: https://a.example, audience: y}\n"), @"
        error[E044]: two issuers have the URL `https://a.example`
          --> orgate.yaml:4:15   b: {issuer: https://a.example, audience: y}
          --> orgate.yaml:3:15   a: {issuer: https://a.example, audience: x}
           = help: a token chooses its issuer by its exact `iss`; keep one of them
        ");
}

#[test]
fn keys_have_one_place() {
    check!(findings_of_issuer("issuer: https://a.example, audience: a, keys: {}"), @"
        error[E013]: `issuers.main.keys` needs exactly one place
         --> orgate.yaml:3:56
        3 |   main: {issuer: https://a.example, audience: a, keys: {}}
          |                                                        ^^
          = help: write `{jwks_uri: URL}`, `{file: PATH}` or `{secret: {env: NAME}}`
        ");
    check!(findings_of_issuer("issuer: https://a.example, audience: a, keys: {file: a, jwks_uri: https://b.example}"), @"
        error[E013]: `issuers.main.keys` needs exactly one place
         --> orgate.yaml:3:56
        3 |   main: {issuer: https://a.example, audience: a, keys: {file: a, jwks_uri: https://b.example}}
          |                                                        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
          = help: write `{jwks_uri: URL}`, `{file: PATH}` or `{secret: {env: NAME}}`
        ");
    check!(findings_of_issuer("issuer: https://a.example, audience: a, keys: discovery"), @"
        error[E013]: `issuers.main.keys`: expected `discover`, `{jwks_uri: URL}`, `{file: PATH}` or `{secret: {env: NAME}}`, found `discovery`
         --> orgate.yaml:3:56
        3 |   main: {issuer: https://a.example, audience: a, keys: discovery}
          |                                                        ^^^^^^^^^
          = help: did you mean `discover`?
        ");
    check!(findings_of_issuer("issuer: https://a.example, audience: a, keys: {file: \"\", uri: x}"), @r#"
        error[E013]: `issuers.main.keys.file` is empty
         --> orgate.yaml:3:63
        3 |   main: {issuer: https://a.example, audience: a, keys: {file: "", uri: x}}
          |                                                               ^^
        error[E010]: unknown key `uri` in `issuers.main.keys`
         --> orgate.yaml:3:67
        3 |   main: {issuer: https://a.example, audience: a, keys: {file: "", uri: x}}
          |                                                                   ^^^
          = help: known keys: max_stale, jwks_uri, file, secret
        "#);
}

#[test]
fn an_issuer_may_sign_with_a_secret_of_ours() {
    let keys =
        |secret: &str| issuer(&format!("issuer: https://a.example, audience: a, keys: {{secret: {secret}}}"));
    let main = keys("{env: KEY}");
    assert_eq!(main.keys, KeyLocation::Secret(SecretSource::Env("KEY".to_owned())));
    assert_eq!(main.trust.allowed_algorithms(), [Algorithm::Hs256]);
    assert_eq!(keys("{file: a.key}").keys, KeyLocation::Secret(SecretSource::File("a.key".into())));
    let main = keys("{env: KEY}}, algorithms: [HS512, HS384], x-a: {b: c");
    assert_eq!(main.trust.allowed_algorithms(), [Algorithm::Hs512, Algorithm::Hs384]);
    check!(findings_of_issuer("issuer: https://a.example, audience: a, keys: {secret: a-secret-of-thirty-two-characters}"), @"
        error[E056]: `issuers.main.keys.secret` holds the secret itself
         --> orgate.yaml:3:65
        3 |   main: {issuer: https://a.example, audience: a, keys: {secret: a-secret-of-thirty-two-characters}}
          |                                                                 ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
          = help: write `{env: NAME}` or `{file: PATH}`
        ");
    check!(findings_of_issuer("issuer: https://a.example, audience: a, keys: {secret: {env: A}, file: b}"), @"
        error[E013]: `issuers.main.keys` needs exactly one place
         --> orgate.yaml:3:56
        3 |   main: {issuer: https://a.example, audience: a, keys: {secret: {env: A}, file: b}}
          |                                                        ^^^^^^^^^^^^^^^^^^^^^^^^^^^
          = help: write `{jwks_uri: URL}`, `{file: PATH}` or `{secret: {env: NAME}}`
        ");
}

#[test]
fn a_secret_and_published_keys_do_not_mix() {
    check!(findings_of_issuer("issuer: https://a.example, audience: a, algorithms: [RS256, HS256]"), @"
        error[E055]: `HS256` is signed with a secret, and the keys of this issuer are published
         --> orgate.yaml:3:70
        3 |   main: {issuer: https://a.example, audience: a, algorithms: [RS256, HS256]}
          |                                                                      ^^^^^
          = help: leave it away, or say where the secret is: `keys: {secret: {env: NAME}}`
        ");
    check!(findings_of_issuer("issuer: https://a.example, audience: a, keys: {secret: {env: A}}, algorithms: [HS256, PS256]"), @"
        error[E055]: `PS256` needs a published key, and this issuer signs with a secret
         --> orgate.yaml:3:96
        3 |   main: {issuer: https://a.example, audience: a, keys: {secret: {env: A}}, algorithms: [HS256, PS256]}
          |                                                                                                ^^^^^
          = help: leave it away, or say where the keys are
        ");
}

#[test]
fn algorithms_are_the_supported_ones() {
    let all = "RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA";
    let main = issuer(&format!("issuer: https://a.example, audience: a, algorithms: [{all}, Ed25519]"));
    assert_eq!(main.trust.allowed_algorithms().len(), 10);
    check!(findings_of_issuer("issuer: https://a.example, audience: a, algorithms: [RS256, ES512, none, ES265, foo]"), @"
        error[E014]: the algorithm `ES512` is not supported by this version
         --> orgate.yaml:3:70
        3 |   main: {issuer: https://a.example, audience: a, algorithms: [RS256, ES512, none, ES265, foo]}
          |                                                                      ^^^^^
          = help: supported: RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA
        error[E054]: `none` is no signature and is never accepted
         --> orgate.yaml:3:77
        3 |   main: {issuer: https://a.example, audience: a, algorithms: [RS256, ES512, none, ES265, foo]}
          |                                                                             ^^^^
          = help: leave it away
        error[E013]: `ES265` is no signature algorithm
         --> orgate.yaml:3:83
        3 |   main: {issuer: https://a.example, audience: a, algorithms: [RS256, ES512, none, ES265, foo]}
          |                                                                                   ^^^^^
          = help: did you mean `ES256`?
        error[E013]: `foo` is no signature algorithm
         --> orgate.yaml:3:90
        3 |   main: {issuer: https://a.example, audience: a, algorithms: [RS256, ES512, none, ES265, foo]}
          |                                                                                          ^^^
          = help: supported: RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA
        ");
    check!(findings_of_issuer("issuer: https://a.example, audience: a, keys: {secret: {env: A}}, algorithms: []"), @"
        error[E013]: `issuers.main.algorithms` is empty
         --> orgate.yaml:3:88
        3 |   main: {issuer: https://a.example, audience: a, keys: {secret: {env: A}}, algorithms: []}
          |                                                                                        ^^
          = help: supported: HS256, HS384, HS512
        ");
    check!(findings_of_issuer("issuer: https://a.example, audience: a, algorithms: {RS256: true}"), @"
        error[E012]: `issuers.main.algorithms`: expected a text or a list of texts, found a map
         --> orgate.yaml:3:62
        3 |   main: {issuer: https://a.example, audience: a, algorithms: {RS256: true}}
          |                                                              ^^^^^^^^^^^^^
        ");
}

#[test]
fn types_leeway_and_profile_are_checked() {
    check!(findings_of_issuer("issuer: https://a.example, audience: a, typ: []"), @"
        error[E013]: `issuers.main.typ` is empty
         --> orgate.yaml:3:55
        3 |   main: {issuer: https://a.example, audience: a, typ: []}
          |                                                       ^^
          = help: write `[at+jwt]`, or leave it away
        ");
    check!(findings_of_issuer("issuer: https://a.example, audience: a, typ: [jwt]"), @"
        error[E013]: `issuers.main.typ`: `jwt` is no type of an access token
         --> orgate.yaml:3:56
        3 |   main: {issuer: https://a.example, audience: a, typ: [jwt]}
          |                                                        ^^^
          = help: did you mean `JWT`?
        ");
    check!(findings_of_issuer("issuer: https://a.example, audience: a, leeway: 10m"), @"
        error[E013]: `issuers.main.leeway`: expected a duration from 0s to 5m, found `10m`
         --> orgate.yaml:3:58
        3 |   main: {issuer: https://a.example, audience: a, leeway: 10m}
          |                                                          ^^^
        ");
    check!(findings_of_issuer("issuer: https://a.example, audience: a, leeway: 30"), @"
        error[E012]: `issuers.main.leeway`: expected a duration such as `30s`, `5m` or `1h`, found an integer
         --> orgate.yaml:3:58
        3 |   main: {issuer: https://a.example, audience: a, leeway: 30}
          |                                                          ^^
        ");
    check!(findings_of_issuer("issuer: https://a.example, audience: a, leeway: soon"), @"
        error[E013]: `issuers.main.leeway`: expected a duration such as `30s`, `5m` or `1h`, found `soon`
         --> orgate.yaml:3:58
        3 |   main: {issuer: https://a.example, audience: a, leeway: soon}
          |                                                          ^^^^
        ");
    check!(findings_of_issuer("issuer: https://a.example, audience: a, profile: astap"), @"
        error[E013]: there is no profile `astap`
         --> orgate.yaml:3:59
        3 |   main: {issuer: https://a.example, audience: a, profile: astap}
          |                                                           ^^^^^
          = help: did you mean `astapa`?
        ");
    check!(findings_of_issuer("issuer: https://a.example, audience: a, profile: okta"), @"
        error[E013]: there is no profile `okta`
         --> orgate.yaml:3:59
        3 |   main: {issuer: https://a.example, audience: a, profile: okta}
          |                                                           ^^^^
          = help: the profiles are orgate, astapa, hellojohn, aero2, authsome, better-auth, clerk, clerk-v2, auth0, workos, keycloak, zitadel, kinde, logto, cognito, entra
        ");
    check!(findings_with("issuers: [https://a.example]\n"), @"
        error[E012]: `issuers`: expected a map from names to issuers, found a list
         --> orgate.yaml:2:10
        2 | issuers: [https://a.example]
          |          ^^^^^^^^^^^^^^^^^^^
        ");
}

#[test]
fn any_set_of_types_can_be_asked_for() {
    let (access, jwt, absent) = (TokenTypes::ACCESS_TOKEN, TokenTypes::JWT, TokenTypes::ABSENT);
    for (typ, expected) in [
        ("at+jwt", access),
        ("[application/at+jwt]", access),
        ("JWT", jwt),
        ("[absent]", absent),
        ("[at+jwt, JWT]", access.or(jwt)),
        ("[JWT, absent]", jwt.or(absent)),
        ("[absent, at+jwt, JWT]", TokenTypes::ALL),
    ] {
        let main = issuer(&format!("issuer: https://a.example, audience: a, typ: {typ}"));
        assert_eq!(main.trust.token_types(), expected, "{typ}");
    }
}

#[test]
fn an_issuer_may_choose_where_permissions_come_from() {
    let choice =
        |entries: &str| issuer(&format!("issuer: https://a.example, audience: a{entries}")).permissions_from;
    assert_eq!(choice(""), None);
    assert_eq!(choice(", permissions_from: role"), Some(PermissionsFrom::Role));
    assert_eq!(choice(", permissions_from: token"), Some(PermissionsFrom::Token));
    check!(findings_of_issuer("issuer: https://a.example, audience: a, permissions_from: union"), @"
        warning[W057]: roles give back the permissions that the issuer took away
         --> orgate.yaml:3:68
        3 |   main: {issuer: https://a.example, audience: a, permissions_from: union}
          |                                                                    ^^^^^
          = help: write `token_else_role`, or `role` if the token's are of no use
        ");
    check!(findings_with("permissions_from: union\n"), @"
        warning[W057]: roles give back the permissions that the issuer took away
         --> orgate.yaml:3:19
        3 | permissions_from: union
          |                   ^^^^^
          = help: write `token_else_role`, or `role` if the token's are of no use
        ");
    check!(findings_of_issuer("issuer: https://a.example, audience: a, permissions_from: roles"), @"
        error[E013]: `issuers.main.permissions_from`: expected one of `token_else_role`, `token`, `role`, `union`, found `roles`
         --> orgate.yaml:3:68
        3 |   main: {issuer: https://a.example, audience: a, permissions_from: roles}
          |                                                                    ^^^^^
          = help: did you mean `role`?
        ");
}
