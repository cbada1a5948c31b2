//! Token sources, cross-site requests, and how refusals look.

use super::{accepted, check, findings_with};
use crate::{Disclose, TokenOptions, TokenSource};

fn token(text: &str) -> TokenOptions {
    accepted(&format!("version: 1\nrules: {{GET /a: public}}\ntoken: {text}\n")).token
}

#[test]
fn a_token_may_be_in_a_cookie() {
    let options =
        token("{from: [bearer, {cookie: __Host-token}, {cookie: t}, {header: X-T}], several: first}");
    let cookie = |name: &str| TokenSource::Cookie(name.to_owned());
    assert_eq!(
        options.from,
        [TokenSource::Bearer, cookie("__Host-token"), cookie("t"), TokenSource::Header("x-t".to_owned())]
    );
    assert!(options.first_of_several && options.trusted_origins.is_empty());
    assert!(!token("{from: {cookie: t}, several: refuse, csrf: same-origin}").first_of_several);
    check!(findings_with("token: {from: [{cookie: t}, {cookie: t}, {cookie: \"a b\"}, {cookie: \"\"}, {cookie: 7}, {cookie: a, header: b}], several: last}\n"), @r#"
        error[E040]: the same place is named twice
         --> orgate.yaml:3:29
        3 | token: {from: [{cookie: t}, {cookie: t}, {cookie: "a b"}, {cookie: ""}, {cookie: 7}, {cookie: a, header: b}], several: last}
          |                             ^^^^^^^^^^^
          = help: leave one away
        error[E013]: `token.from.cookie`: `a b` is no name of a cookie
         --> orgate.yaml:3:51
        3 | token: {from: [{cookie: t}, {cookie: t}, {cookie: "a b"}, {cookie: ""}, {cookie: 7}, {cookie: a, header: b}], several: last}
          |                                                   ^^^^^
          = help: letters, digits, `-`, `_` and `.` fit, at most 128 of them
        error[E013]: `token.from.cookie`: `` is no name of a cookie
         --> orgate.yaml:3:68
        3 | token: {from: [{cookie: t}, {cookie: t}, {cookie: "a b"}, {cookie: ""}, {cookie: 7}, {cookie: a, header: b}], several: last}
          |                                                                    ^^
          = help: letters, digits, `-`, `_` and `.` fit, at most 128 of them
        error[E012]: `token.from.cookie`: expected a text, found an integer
         --> orgate.yaml:3:82
        3 | token: {from: [{cookie: t}, {cookie: t}, {cookie: "a b"}, {cookie: ""}, {cookie: 7}, {cookie: a, header: b}], several: last}
          |                                                                                  ^
          = help: put it in quotes to make it a text
        error[E013]: a place is one header, cookie, parameter or marker
         --> orgate.yaml:3:86
        3 | token: {from: [{cookie: t}, {cookie: t}, {cookie: "a b"}, {cookie: ""}, {cookie: 7}, {cookie: a, header: b}], several: last}
          |                                                                                      ^^^^^^^^^^^^^^^^^^^^^^
          = help: write both as places of their own
        error[E013]: `token.several`: expected one of `refuse`, `first`, found `last`
         --> orgate.yaml:3:120
        3 | token: {from: [{cookie: t}, {cookie: t}, {cookie: "a b"}, {cookie: ""}, {cookie: 7}, {cookie: a, header: b}], several: last}
          |                                                                                                                        ^^^^
        "#);
}

#[test]
fn a_token_may_be_in_the_query_or_among_subprotocols() {
    let text = "version: 1\nrules: {GET /a: public}\ntoken: {from: [{query: access_token}, {websocket_protocol: v1.bearer}]}\n";
    let file = accepted(text);
    let expected = [
        TokenSource::Query("access_token".to_owned()),
        TokenSource::WebSocketProtocol("v1.bearer".to_owned()),
    ];
    assert_eq!(file.token.from, expected);
    // Whoever reviews it is told.
    assert_eq!(file.warnings.iter().map(|finding| finding.code).collect::<Vec<_>>(), ["W054"]);
    for (from, message) in [
        ("{query: \"a b\"}", "`a b` is no name of a parameter"),
        ("{query: a.b}", "`a.b` is no name of a parameter"),
        ("{query: \"\"}", "`` is no name of a parameter"),
        ("{query: 7}", "expected a text"),
        ("{websocket_protocol: \"a, b\"}", "`a, b` is no name of a subprotocol"),
        ("{websocket_protocol: b, query: c}", "a place is one header, cookie, parameter or marker"),
        ("{header: Sec-WebSocket-Protocol}", "a token cannot travel alone in `sec-websocket-protocol`"),
        ("[{query: t}, {query: t}]", "the same place is named twice"),
        ("query", "expected `bearer`"),
    ] {
        let found = findings_with(&format!("token: {{from: {from}}}\n"));
        assert!(found.contains(message), "{from}: {found}");
    }
}

#[test]
fn the_application_is_named_as_a_resource() {
    let file =
        |resource: &str| accepted(&format!("version: 1\nresource: {resource}\nrules: {{GET /a: public}}\n"));
    assert_eq!(file("{url: https://api.example}").resource.unwrap().url, "https://api.example");
    let whole = file(
        "{url: http://localhost:3000/v1, name: A B, documentation: \"https://a.example/?d\", scopes: [read, \"org:x\"]}",
    );
    let whole = whole.resource.unwrap();
    assert_eq!((whole.url.as_str(), whole.name.as_deref()), ("http://localhost:3000/v1", Some("A B")));
    assert_eq!((whole.documentation.as_deref(), whole.scopes.len()), (Some("https://a.example/?d"), 2));
    for (resource, message) in [
        ("{}", "has no `url`"),
        ("https://api.example", "expected a map"),
        ("{url: http://api.example}", "is not protected by https"),
        ("{url: api.example}", "is no https URL"),
        ("{url: \"https://api.example/#x\"}", "is no https URL"),
        ("{url: \"https://api.example/?x=y\"}", "has a query"),
        ("{url: https://api.example, scopes: [\"a b\"]}", "`a b` is no scope"),
        ("{url: https://api.example, scopes: [\"a\\\"b\"]}", "is no scope"),
        ("{url: https://api.example, documentation: docs}", "`docs` is no https URL"),
        ("{url: https://api.example, scope: read}", "did you mean `scopes`?"),
    ] {
        let found = findings_with(&format!("resource: {resource}\n"));
        assert!(found.contains(message), "{resource}: {found}");
    }
}

#[test]
fn origins_that_may_send_a_cookie_are_named_one_by_one() {
    let origins = token(
        "{from: {cookie: t}, csrf: {origins: [https://App.example.com, \"https://[2001:db8::1]:8443\", \"https://a.example:8443\", \"http://localhost:3000\", \
         chrome-extension://abcdefghijklmnop]}}",
    );
    assert_eq!(
        origins.trusted_origins,
        [
            "https://app.example.com",
            "https://[2001:db8::1]:8443",
            "https://a.example:8443",
            "http://localhost:3000",
            "chrome-extension://abcdefghijklmnop"
        ]
    );
    check!(findings_with("token: {from: {cookie: t}, csrf: {origins: [\"*\", \"null\", https://a.example/, \"https://a.example:443\", http://a.example, \"https://*.example\", a.example, 7]}}\n"), @r#"
        error[E013]: `token.csrf.origins`: `*` is no origin
         --> orgate.yaml:3:45
        3 | …n: {from: {cookie: t}, csrf: {origins: ["*", "null", https://a.example/, "https://a.example:443", http://a.example, "https://*.example", a.e…
          |                                          ^^^
          = help: write scheme and host, and a port if there is one: `https://app.example.com`
        error[E013]: `token.csrf.origins`: `null` is no origin
         --> orgate.yaml:3:50
        3 | …rom: {cookie: t}, csrf: {origins: ["*", "null", https://a.example/, "https://a.example:443", http://a.example, "https://*.example", a.exampl…
          |                                          ^^^^^^
          = help: write scheme and host, and a port if there is one: `https://app.example.com`
        error[E013]: `token.csrf.origins`: `https://a.example/` is no origin
         --> orgate.yaml:3:58
        3 | …okie: t}, csrf: {origins: ["*", "null", https://a.example/, "https://a.example:443", http://a.example, "https://*.example", a.example, 7]}}
          |                                          ^^^^^^^^^^^^^^^^^^
          = help: write scheme and host, and a port if there is one: `https://app.example.com`
        error[E013]: browsers do not write the port of `https://a.example:443`
         --> orgate.yaml:3:78
        3 | …gins: ["*", "null", https://a.example/, "https://a.example:443", http://a.example, "https://*.example", a.example, 7]}}
          |                                          ^^^^^^^^^^^^^^^^^^^^^^^
          = help: leave it away
        error[E053]: pages at `http://a.example` are not protected by https
         --> orgate.yaml:3:103
        3 | …://a.example/, "https://a.example:443", http://a.example, "https://*.example", a.example, 7]}}
          |                                          ^^^^^^^^^^^^^^^^
          = help: whoever changes them on their way could call the application
        error[E013]: `token.csrf.origins`: `https://*.example` is no origin
         --> orgate.yaml:3:121
        3 | …tps://a.example:443", http://a.example, "https://*.example", a.example, 7]}}
          |                                          ^^^^^^^^^^^^^^^^^^^
          = help: write scheme and host, and a port if there is one: `https://app.example.com`
        error[E013]: `token.csrf.origins`: `a.example` is no origin
         --> orgate.yaml:3:142
        3 | … http://a.example, "https://*.example", a.example, 7]}}
          |                                          ^^^^^^^^^
          = help: write scheme and host, and a port if there is one: `https://app.example.com`
        error[E012]: `token.csrf.origins`: expected a text, found an integer
         --> orgate.yaml:3:153
        3 | …xample, "https://*.example", a.example, 7]}}
          |                                          ^
          = help: put it in quotes to make it a text
        "#);
    check!(findings_with("token: {from: {cookie: t}, csrf: off}\n"), @"
        error[E013]: `token.csrf`: expected `same-origin` or `{origins: […]}`, found `off`
         --> orgate.yaml:3:34
        3 | token: {from: {cookie: t}, csrf: off}
          |                                  ^^^
          = help: every page of the web can make a browser send a cookie; name the origins that may: `{origins: [https://app.example.com]}`
        ");
    check!(findings_with("token: {from: {cookie: t}, csrf: false}\n"), @"
        error[E012]: `token.csrf`: expected `same-origin` or `{origins: […]}`, found a boolean
         --> orgate.yaml:3:34
        3 | token: {from: {cookie: t}, csrf: false}
          |                                  ^^^^^
        ");
    check!(findings_with("token: {from: {cookie: t}, csrf: {}}\n"), @"
        error[E011]: `token.csrf` has no `origins`
         --> orgate.yaml:3:34
        3 | token: {from: {cookie: t}, csrf: {}}
          |                                  ^^
        ");
    check!(findings_with("token: {csrf: same-origin}\n"), @"
        error[E013]: `token.csrf` speaks of cookies, and no token is read from one
         --> orgate.yaml:3:9
        3 | token: {csrf: same-origin}
          |         ^^^^
          = help: leave it away: other credentials are never sent by a browser alone
        ");
}

#[test]
fn refusals_show_as_much_as_the_file_says() {
    let deny = |text: &str| accepted(&format!("version: 1\nrules: {{GET /a: public}}\ndeny: {text}\n"));
    assert_eq!(deny("{}").deny.disclose, Disclose::Permission);
    assert_eq!(deny("{disclose: none}").deny.disclose, Disclose::Nothing);
    assert_eq!(deny("{disclose: full}").deny.disclose, Disclose::Full);
    check!(findings_with("deny: {disclose: full}\n"), @"
        warning[W056]: refusals show the files and lines of the policy to everybody
         --> orgate.yaml:3:18
        3 | deny: {disclose: full}
          |                  ^^^^
          = help: for development only
        ");
    check!(findings_with("deny: {disclose: all}\n"), @"
        error[E013]: `deny.disclose`: expected one of `none`, `permission`, `full`, found `all`
         --> orgate.yaml:3:18
        3 | deny: {disclose: all}
          |                  ^^^
        ");
}

#[test]
fn people_are_shown_pages_if_the_policy_says_so() {
    let pages =
        |deny: &str| accepted(&format!("version: 1\nrules: {{GET /a: public}}\ndeny: {deny}\n")).deny.pages;
    assert!(!pages("{}") && !pages("{pages: false}") && pages("{pages: true}"));
}

#[test]
fn people_are_sent_to_pages_that_can_be_trusted() {
    let file = accepted(
        "version: 1\nrules: {GET /a: public}\ndeny: {redirect: {login: https://auth.example.com/login?x=y, organizations: /choose}}\n",
    );
    assert_eq!(file.redirect.login.as_deref(), Some("https://auth.example.com/login?x=y"));
    assert_eq!(file.redirect.organizations.as_deref(), Some("/choose"));
    check!(findings_with("deny: {redirect: {login: http://auth.example.com, organizations: //evil.example}}\n"), @"
        error[E053]: `http://auth.example.com` is not protected by https
         --> orgate.yaml:3:26
        3 | deny: {redirect: {login: http://auth.example.com, organizations: //evil.example}}
          |                          ^^^^^^^^^^^^^^^^^^^^^^^
          = help: only loopback addresses may use http
        error[E013]: `deny.redirect.organizations`: `//evil.example` is no address of a page
         --> orgate.yaml:3:66
        3 | deny: {redirect: {login: http://auth.example.com, organizations: //evil.example}}
          |                                                                  ^^^^^^^^^^^^^^
          = help: write an https URL without a fragment, or a path such as `/login`
        ");
    check!(findings_with("deny: {redirect: {login: \"/a\\\\b\", organizations: \"javascript:alert(1)\"}}\n"), @r#"
        error[E013]: `deny.redirect.login`: `/a\b` is no address of a page
         --> orgate.yaml:3:26
        3 | deny: {redirect: {login: "/a\\b", organizations: "javascript:alert(1)"}}
          |                          ^^^^^^^
          = help: write an https URL without a fragment, or a path such as `/login`
        error[E013]: `deny.redirect.organizations`: `javascript:alert(1)` is no address of a page
         --> orgate.yaml:3:50
        3 | deny: {redirect: {login: "/a\\b", organizations: "javascript:alert(1)"}}
          |                                                  ^^^^^^^^^^^^^^^^^^^^^
          = help: write an https URL without a fragment, or a path such as `/login`
        "#);
    check!(findings_with("deny: {redirect: {login: \"https://a.example/#x\", organizations: \"/a\\r\\nSet-Cookie: x\"}}\n"), @r#"
        error[E013]: `deny.redirect.login`: `https://a.example/#x` is no address of a page
         --> orgate.yaml:3:26
        3 | deny: {redirect: {login: "https://a.example/#x", organizations: "/a\r\nSet-Cookie: x"}}
          |                          ^^^^^^^^^^^^^^^^^^^^^^
          = help: write an https URL without a fragment, or a path such as `/login`
        error[E013]: `deny.redirect.organizations`: `/a��Set-Cookie: x` is no address of a page
         --> orgate.yaml:3:65
        3 | deny: {redirect: {login: "https://a.example/#x", organizations: "/a\r\nSet-Cookie: x"}}
          |                                                                 ^^^^^^^^^^^^^^^^^^^^^
          = help: write an https URL without a fragment, or a path such as `/login`
        "#);
    check!(findings_with("deny: {redirect: {}}\n"), @"
        error[E013]: `deny.redirect` leads nowhere
         --> orgate.yaml:3:18
        3 | deny: {redirect: {}}
          |                  ^^
          = help: write `redirect: {login: https://auth.example.com/login}`
        ");
    check!(findings_with("deny: {redirect: https://auth.example.com}\n"), @"
        error[E012]: `deny.redirect`: expected a map, found a text
         --> orgate.yaml:3:18
        3 | deny: {redirect: https://auth.example.com}
          |                  ^^^^^^^^^^^^^^^^^^^^^^^^
        ");
}
