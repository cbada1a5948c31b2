//! The sections `cors:` and `mode:`, and what is asked of others.

use orgate_claims::UnixTime;

use super::{accepted, check, findings, findings_of_issuer, findings_with};
use crate::{Mode, Preflight, SecretSource};

#[test]
fn preflights_are_refused_unless_the_file_says_otherwise() {
    let cors = |text: &str| accepted(&format!("version: 1\n{text}rules: {{GET /a: public}}\n")).cors;
    assert_eq!(cors(""), Preflight::Deny);
    assert_eq!(cors("cors: {preflight: deny}\n"), Preflight::Deny);
    assert_eq!(cors("cors: {preflight: pass}\n"), Preflight::Pass);
    let Preflight::Answer(answer) = cors(
        "cors: {preflight: {answer: {origins: [https://a.example, \"https://${HOST}\"], headers: [Authorization], methods: [GET, PURGE], credentials: true, max_age: 10m}}}\n",
    ) else {
        panic!("no answer")
    };
    assert_eq!(answer.origins.unwrap(), ["https://a.example", "https://auth.example.com"]);
    assert_eq!(answer.headers, ["authorization"]);
    assert_eq!(answer.methods.unwrap(), ["GET", "PURGE"]);
    assert!(answer.credentials);
    assert_eq!(answer.max_age, Some(600));
    let Preflight::Answer(answer) = cors("cors: {preflight: {answer: {origins: [\"*\"]}}}\n") else {
        panic!("no answer")
    };
    assert!(answer.origins.is_none() && !answer.credentials && answer.methods.is_none());
}

#[test]
fn origins_that_could_not_match_or_would_match_too_much_are_errors() {
    check!(findings_with("cors: {preflight: {answer: {origins: [\"*\", null, \"null\", https://a.example/], headers: [\"a b\"], methods: [get]}}}\n"), @r#"
        error[E013]: `cors.preflight.answer.origins`: `*` is no origin
         --> orgate.yaml:3:39
        3 | cors: {preflight: {answer: {origins: ["*", null, "null", https://a.example/], headers: ["a b"], methods: [get]}}}
          |                                       ^^^
          = help: `*` stands alone: write `origins: ["*"]`
        error[E012]: `cors.preflight.answer.origins`: expected a text, found nothing
         --> orgate.yaml:3:44
        3 | cors: {preflight: {answer: {origins: ["*", null, "null", https://a.example/], headers: ["a b"], methods: [get]}}}
          |                                            ^^^^
        error[E013]: `cors.preflight.answer.origins`: `null` is no origin
         --> orgate.yaml:3:50
        3 | cors: {preflight: {answer: {origins: ["*", null, "null", https://a.example/], headers: ["a b"], methods: [get]}}}
          |                                                  ^^^^^^
          = help: `null` is what any page in a sandbox calls itself
        error[E013]: `cors.preflight.answer.origins`: `https://a.example/` is no origin
         --> orgate.yaml:3:58
        3 | cors: {preflight: {answer: {origins: ["*", null, "null", https://a.example/], headers: ["a b"], methods: [get]}}}
          |                                                          ^^^^^^^^^^^^^^^^^^
          = help: write it as browsers do: `https://app.example.com`, in lower case, without a path, and with a port only if it is not the usual one
        "#);
    check!(findings_with("cors: {preflight: {answer: {origins: \"*\", credentials: true, max_age: 2d}}}\n"), @r#"
        error[E013]: every origin could act with the cookies of its visitors
         --> orgate.yaml:3:38
        3 | cors: {preflight: {answer: {origins: "*", credentials: true, max_age: 2d}}}
          |                                      ^^^
          = help: name the origins, or leave `credentials` away
        error[E013]: `cors.preflight.answer.max_age`: expected a duration from 0s to 1d, found `2d`
         --> orgate.yaml:3:71
        3 | cors: {preflight: {answer: {origins: "*", credentials: true, max_age: 2d}}}
          |                                                                       ^^
        "#);
    check!(findings_with("cors: {preflight: maybe}\n"), @"
        error[E013]: `cors.preflight`: expected `deny`, `pass` or `{answer: {…}}`, found `maybe`
         --> orgate.yaml:3:19
        3 | cors: {preflight: maybe}
          |                   ^^^^^
        ");
    check!(findings_with("cors: {preflight: {answer: {origins: []}, x: 1}, origins: [a]}\n"), @"
        error[E013]: `cors.preflight.answer.origins` is empty
         --> orgate.yaml:3:38
        3 | cors: {preflight: {answer: {origins: []}, x: 1}, origins: [a]}
          |                                      ^^
          = help: name an origin, or write `preflight: deny`
        error[E010]: unknown key `x` in `cors.preflight`
         --> orgate.yaml:3:43
        3 | cors: {preflight: {answer: {origins: []}, x: 1}, origins: [a]}
          |                                           ^
          = help: known keys: answer
        error[E010]: unknown key `origins` in `cors`
         --> orgate.yaml:3:50
        3 | cors: {preflight: {answer: {origins: []}, x: 1}, origins: [a]}
          |                                                  ^^^^^^^
          = help: known keys: preflight
        ");
}

#[test]
fn observation_has_an_end() {
    let file = accepted("version: 1\nmode: observe\nuntil: 2027-01-31\nrules: {GET /a: public}\n");
    let Mode::Observe(until) = &file.mode else { panic!("{:?}", file.mode) };
    assert_eq!(until.day(), "2027-01-31");
    let at = |seconds| until.finding(UnixTime::from_seconds(seconds));
    assert!(at(1_801_439_999).is_none());
    let mut findings = file.warnings.clone();
    findings.push(at(1_801_440_000).unwrap());
    check!(findings.render(false), @"
        error[E058]: the policy was to be observed until 2027-01-31, and refuses nothing still
         --> orgate.yaml:3:8
        3 | until: 2027-01-31
          |        ^^^^^^^^^^
          = help: write `mode: enforce`, or choose another day
        ");
    let file = accepted("version: 1\nmode: enforce\nrules: {GET /a: public}\n");
    assert_eq!(file.mode, Mode::Enforce);
    check!(findings_with("mode: observe\n"), @"
        error[E011]: `mode: observe` needs `until`
         --> orgate.yaml:3:7
        3 | mode: observe
          |       ^^^^^^^
          = help: say by when the policy is to be enforced: `until: 2027-01-31`
        ");
    check!(findings_with("until: 2027-01-31\n"), @"
        error[E013]: `until` without `mode: observe` means nothing
         --> orgate.yaml:3:1
        3 | until: 2027-01-31
          | ^^^^^
          = help: leave it away
        ");
    check!(findings_with("mode: observe\nuntil: 2027-02-30\n"), @"
        error[E013]: `until`: `2027-02-30` is no day
         --> orgate.yaml:4:8
        4 | until: 2027-02-30
          |        ^^^^^^^^^^
          = help: write it as `2027-01-31`
        ");
    check!(findings_with("mode: shadow\nuntil: 2027-02-30\n"), @"
        error[E013]: `mode`: expected one of `enforce`, `observe`, found `shadow`
         --> orgate.yaml:3:7
        3 | mode: shadow
          |       ^^^^^^
        error[E013]: `until` without `mode: observe` means nothing
         --> orgate.yaml:4:1
        4 | until: 2027-02-30
          | ^^^^^
          = help: leave it away
        ");
}

#[test]
fn an_issuer_can_be_asked() {
    let file = accepted(
        "version: 1
issuers:
  main:
    issuer: https://a.example
    audience: api
    introspect: {url: \"https://${HOST}/introspect\", client_id: gate, secret: {env: SECRET}}
rules: {GET /a: public}
",
    );
    let introspect = file.issuers[0].introspect.as_ref().unwrap();
    assert_eq!(introspect.url, "https://auth.example.com/introspect");
    assert_eq!(introspect.client_id, "gate");
    assert_eq!(introspect.secret, SecretSource::Env("SECRET".to_owned()));
    check!(findings_of_issuer("issuer: https://a.example, audience: api, introspect: {url: http://a.example/i, client_id: \"\", secret: s3cret}"), @r#"
        error[E053]: `http://a.example/i` is not protected by https
         --> orgate.yaml:3:70
        3 |   main: {issuer: https://a.example, audience: api, introspect: {url: http://a.example/i, client_id: "", secret: s3cret}}
          |                                                                      ^^^^^^^^^^^^^^^^^^
          = help: write it with `https://`; only loopback addresses may use http
        error[E013]: `issuers.main.introspect.client_id` is no name of a client
         --> orgate.yaml:3:101
        3 |   main: {issuer: https://a.example, audience: api, introspect: {url: http://a.example/i, client_id: "", secret: s3cret}}
          |                                                                                                     ^^
        error[E056]: `issuers.main.introspect.secret` holds the secret itself
         --> orgate.yaml:3:113
        3 |   main: {issuer: https://a.example, audience: api, introspect: {url: http://a.example/i, client_id: "", secret: s3cret}}
          |                                                                                                                 ^^^^^^
          = help: write `{env: NAME}` or `{file: PATH}`
        "#);
    check!(findings_of_issuer("issuer: https://a.example, audience: api, introspect: {url: a}"), @"
        error[E011]: `issuers.main.introspect` has no `client_id`
         --> orgate.yaml:3:64
        3 |   main: {issuer: https://a.example, audience: api, introspect: {url: a}}
          |                                                                ^^^^^^^^
        error[E011]: `issuers.main.introspect` has no `secret`
         --> orgate.yaml:3:64
        3 |   main: {issuer: https://a.example, audience: api, introspect: {url: a}}
          |                                                                ^^^^^^^^
        error[E013]: `issuers.main.introspect.url`: `a` is no https URL
         --> orgate.yaml:3:70
        3 |   main: {issuer: https://a.example, audience: api, introspect: {url: a}}
          |                                                                      ^
        ");
}

#[test]
fn live_rules_ask_about_tokens_and_say_for_how_long_an_answer_is_good() {
    let issuer = |more: &str| {
        format!(
            "version: 1\nissuers: {{main: {{issuer: https://a.example, audience: api, profile: orgate, introspect: {{url: \"https://a.example/i\", client_id: gate, secret: {{env: S}}{more}}}}}}}\nauthenticators: {{ci: {{type: api_key, header: x-ci, sha256: {{env: CI}}, as: {{sub: ci}}}}}}\n"
        )
    };
    let cache = |more: &str| {
        let file = accepted(&format!("{}rules: {{GET /a: {{require: read, fresh: live}}}}\n", issuer(more)));
        file.issuers[0].introspect.as_ref().unwrap().cache.as_secs()
    };
    assert_eq!((cache(""), cache(", cache: 30s"), cache(", cache: 5m")), (0, 30, 300));
    assert!(findings(&format!("{}rules: {{GET /a: public}}\n", issuer(", cache: 6m"))).contains("E013"));
    for (require, why) in [
        ("via(ci)", "what `ci` proves is no token of an issuer"),
        ("public", "this rule looks at no token"),
        ("deny", "this rule looks at no token"),
    ] {
        let found =
            findings(&format!("{}rules: {{GET /a: {{require: {require}, fresh: live}}}}\n", issuer("")));
        let expected = format!("error[E057]: `fresh: live` asks the issuer for each request, and {why}\n");
        assert!(found.starts_with(&expected), "{found}");
    }
    accepted(&format!("{}rules: {{GET /a: {{require: optional, fresh: live}}}}\n", issuer("")));
}

#[test]
fn a_session_cookie_can_be_exchanged() {
    let file = accepted(
        "version: 1\ntoken: {exchange: {cookie: better-auth.session_token, url: \"http://127.0.0.1:3000/api/auth/token\", field: /token, cache: 45s}}\nrules: {GET /a: public}\n",
    );
    let exchange = file.token.exchange.unwrap();
    assert_eq!(exchange.cookie, "better-auth.session_token");
    assert_eq!(exchange.url, "http://127.0.0.1:3000/api/auth/token");
    assert_eq!((exchange.field.as_str(), exchange.cache.as_secs()), ("/token", 45));
    assert_eq!(exchange.org, None);
    let file = accepted(
        "version: 1\ntoken: {exchange: {cookie: s, url: \"https://a.example/t\", field: token, org: org_id}}\nrules: {GET /a: public}\n",
    );
    assert_eq!(file.token.exchange.unwrap().org.as_deref(), Some("org_id"));
    check!(findings_with("token: {exchange: {cookie: s, url: \"https://a.example/t\", field: token, org: \"a&b\"}}\n"), @r#"
        error[E013]: `token.exchange.org`: `a&b` is no name of a query parameter
         --> orgate.yaml:3:78
        3 | token: {exchange: {cookie: s, url: "https://a.example/t", field: token, org: "a&b"}}
          |                                                                              ^^^^^
          = help: letters, digits and `-._~` fit: `org: org_id`
        "#);
    check!(findings_with("token: {exchange: {cookie: \"a b\", url: \"http://app.example/token\", field: /a~b, cache: 10m}}\n"), @r#"
        error[E013]: `token.exchange.cookie`: `a b` is no name of a cookie
         --> orgate.yaml:3:28
        3 | token: {exchange: {cookie: "a b", url: "http://app.example/token", field: /a~b, cache: 10m}}
          |                            ^^^^^
        error[E053]: `http://app.example/token` is not protected by https
         --> orgate.yaml:3:40
        3 | token: {exchange: {cookie: "a b", url: "http://app.example/token", field: /a~b, cache: 10m}}
          |                                        ^^^^^^^^^^^^^^^^^^^^^^^^^^
          = help: write it with `https://`; only loopback addresses may use http
        error[E013]: `token.exchange.field`: in a claim pointer, `~` is written `~0` and `/` inside a name `~1`
         --> orgate.yaml:3:75
        3 | token: {exchange: {cookie: "a b", url: "http://app.example/token", field: /a~b, cache: 10m}}
          |                                                                           ^^^^
        error[E013]: `token.exchange.cache`: expected a duration from 0s to 5m, found `10m`
         --> orgate.yaml:3:88
        3 | token: {exchange: {cookie: "a b", url: "http://app.example/token", field: /a~b, cache: 10m}}
          |                                                                                        ^^^
        "#);
    check!(findings_with("token: {exchange: {}}\n"), @"
        error[E011]: `token.exchange` has no `cookie`
         --> orgate.yaml:3:19
        3 | token: {exchange: {}}
          |                   ^^
        error[E011]: `token.exchange` has no `url`
         --> orgate.yaml:3:19
        3 | token: {exchange: {}}
          |                   ^^
        error[E011]: `token.exchange` has no `field`
         --> orgate.yaml:3:19
        3 | token: {exchange: {}}
          |                   ^^
        ");
}

fn asked_about(main: &str, other: &str) -> String {
    let issuer = |name: &str, opaque: &str| {
        format!(
            "  {name}: {{issuer: \"https://{name}.example\", audience: api, profile: orgate, introspect: {{url: \"https://{name}.example/i\", client_id: gate, secret: {{env: S}}, {opaque}}}}}\n"
        )
    };
    format!("issuers:\n{}{}", issuer("main", main), issuer("other", other))
}

#[test]
fn an_issuer_is_asked_about_its_opaque_tokens() {
    let text = asked_about("opaque: true, cache: 5s", "opaque: {prefix: [sk_, pk_]}");
    let file = accepted(&format!("version: 1\n{text}rules: {{GET /a: read}}\n"));
    let opaque = |number: usize| file.issuers[number].introspect.clone().unwrap().opaque.unwrap();
    assert_eq!((opaque(0).prefixes, opaque(0).cache.as_secs()), (Vec::new(), 5));
    // Rules that want the rights of now ask each time all the same.
    assert_eq!(file.issuers[1].introspect.as_ref().unwrap().cache.as_secs(), 0);
    assert_eq!((opaque(1).prefixes, opaque(1).cache.as_secs()), (vec!["sk_".into(), "pk_".into()], 30));
    let only = "issuer: https://a.example, audience: api, profile: orgate, keys: none, introspect: {url: https://a.example/i, client_id: g, secret: {env: S}, opaque: true}";
    assert_eq!(findings_of_issuer(only), "nothing; 1 rule, 4 roles, 7 permissions");
    for (main, other, code, message) in [
        ("opaque: true", "opaque: true", "E060", "two issuers are asked about all opaque tokens"),
        ("opaque: {prefix: sk_}", "opaque: {prefix: sk_}", "E060", "begin with `sk_` are named twice"),
        (
            "opaque: {prefix: sk_live_}",
            "opaque: {prefix: sk_}",
            "E060",
            "`sk_` and `sk_live_` could be of both",
        ),
        (
            "opaque: {prefix: sk_}",
            "opaque: {prefix: sk_live_}",
            "E060",
            "`sk_live_` and `sk_` could be of both",
        ),
        ("opaque: {prefix: [a_, a_]}", "opaque: false", "E060", "begin with `a_` are named twice"),
        ("opaque: {prefix: s}", "opaque: false", "E013", "`s` is nothing that a token begins with"),
        ("opaque: {prefix: a.b}", "opaque: false", "E013", "`a.b` is nothing that a token begins with"),
        ("opaque: {prefix: \"\"}", "opaque: false", "E013", "`` is nothing that a token begins with"),
        ("opaque: {}", "opaque: false", "E011", "has no `prefix`"),
        ("opaque: sk_", "opaque: false", "E012", "expected `true` or `{prefix: sk_}`"),
    ] {
        let found = findings_with(&asked_about(main, other));
        assert!(found.contains(code) && found.contains(message), "{main} {other}: {found}");
    }
    for introspect in ["", ", introspect: {url: https://a.example/i, client_id: g, secret: {env: S}}"] {
        let found =
            findings_of_issuer(&format!("issuer: https://a.example, audience: api, keys: none{introspect}"));
        assert!(found.contains("without keys, no token of the issuer can be proven"), "{found}");
    }
}
