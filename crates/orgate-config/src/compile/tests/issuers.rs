//! The section `issuers:`.

use orgate_policy::PermissionsFrom;
use orgate_verify::{Algorithm, Audience, TokenTypes};

use super::{accepted, check, findings_of_issuer, findings_with};
use crate::{IssuerSpec, KeyLocation};

fn issuer(entries: &str) -> IssuerSpec {
    let mut file =
        accepted(&format!("version: 1\nissuers:\n  main: {{{entries}}}\nrules: {{GET /a: authenticated}}\n"));
    file.issuers.remove(0)
}

#[test]
fn an_issuer_needs_a_url_and_an_audience() {
    let main = issuer("issuer: https://a.example, audience: api");
    assert_eq!(main.trust.url().as_str(), "https://a.example");
    assert_eq!(main.trust.audience(), &Audience::OneOf(vec!["api".to_owned()]));
    assert_eq!(main.trust.allowed_algorithms(), Algorithm::ALL);
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
          = help: write `{jwks_uri: URL}` or `{file: PATH}`
        ");
    check!(findings_of_issuer("issuer: https://a.example, audience: a, keys: {file: a, jwks_uri: https://b.example}"), @"
        error[E013]: `issuers.main.keys` needs exactly one place
         --> orgate.yaml:3:56
        3 |   main: {issuer: https://a.example, audience: a, keys: {file: a, jwks_uri: https://b.example}}
          |                                                        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
          = help: write `{jwks_uri: URL}` or `{file: PATH}`
        ");
    check!(findings_of_issuer("issuer: https://a.example, audience: a, keys: {secret: {env: KEY}}"), @"
        error[E014]: `secret` in `issuers.main.keys` is not supported by this version
         --> orgate.yaml:3:57
        3 |   main: {issuer: https://a.example, audience: a, keys: {secret: {env: KEY}}}
          |                                                         ^^^^^^
        ");
    check!(findings_of_issuer("issuer: https://a.example, audience: a, keys: discovery"), @"
        error[E013]: `issuers.main.keys`: expected `discover`, `{jwks_uri: URL}` or `{file: PATH}`, found `discovery`
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
          = help: known keys: jwks_uri, file, secret
        "#);
}

#[test]
fn algorithms_are_the_supported_ones() {
    check!(findings_of_issuer("issuer: https://a.example, audience: a, algorithms: [RS256, PS256, HS256, none, ES265, foo]"), @"
        error[E014]: the algorithm `PS256` is not supported by this version
         --> orgate.yaml:3:70
        3 |   main: {issuer: https://a.example, audience: a, algorithms: [RS256, PS256, HS256, none, ES265, foo]}
          |                                                                      ^^^^^
          = help: supported: RS256, ES256, EdDSA
        error[E014]: the algorithm `HS256` is not supported by this version
         --> orgate.yaml:3:77
        3 |   main: {issuer: https://a.example, audience: a, algorithms: [RS256, PS256, HS256, none, ES265, foo]}
          |                                                                             ^^^^^
          = help: supported: RS256, ES256, EdDSA
        error[E054]: `none` is no signature and is never accepted
         --> orgate.yaml:3:84
        3 |   main: {issuer: https://a.example, audience: a, algorithms: [RS256, PS256, HS256, none, ES265, foo]}
          |                                                                                    ^^^^
          = help: leave it away
        error[E013]: `ES265` is no signature algorithm
         --> orgate.yaml:3:90
        3 |   main: {issuer: https://a.example, audience: a, algorithms: [RS256, PS256, HS256, none, ES265, foo]}
          |                                                                                          ^^^^^
          = help: did you mean `ES256`?
        error[E013]: `foo` is no signature algorithm
         --> orgate.yaml:3:97
        3 |   main: {issuer: https://a.example, audience: a, algorithms: [RS256, PS256, HS256, none, ES265, foo]}
          |                                                                                                 ^^^
          = help: supported: RS256, ES256, EdDSA
        ");
    check!(findings_of_issuer("issuer: https://a.example, audience: a, algorithms: []"), @"
        error[E013]: `issuers.main.algorithms` is empty
         --> orgate.yaml:3:62
        3 |   main: {issuer: https://a.example, audience: a, algorithms: []}
          |                                                              ^^
          = help: supported: RS256, ES256, EdDSA
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
    check!(findings_of_issuer("issuer: https://a.example, audience: a, dpop: required"), @"
        error[E014]: `dpop` in `issuers.main` is not supported by this version
         --> orgate.yaml:3:50
        3 |   main: {issuer: https://a.example, audience: a, dpop: required}
          |                                                  ^^^^
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
