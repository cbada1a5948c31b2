use orgate_verify::Binding;

use super::{accepted, check, findings_of_issuer, findings_with};
use crate::{NonceSource, PolicyFile, SecretSource};

fn with(terms: &str) -> PolicyFile {
    accepted(&format!(
        "version: 1\nissuers: {{main: {{issuer: https://a.example, audience: a, profile: orgate{terms}}}}}\nrules: {{GET /h: public}}\n"
    ))
}

#[test]
fn tokens_are_bound_as_their_issuer_says() {
    let (off, allowed, required) = (Binding::Off, Binding::Allowed, Binding::Required);
    for (terms, dpop, mtls) in [
        ("", off, off),
        (", dpop: off, mtls: off", off, off),
        (", dpop: allowed", allowed, off),
        (", dpop: required, mtls: allowed", required, allowed),
        (", dpop: {mode: required}, mtls: required", required, required),
        (", dpop: {mode: off, nonce: false}", off, off),
    ] {
        let file = with(terms);
        let trust = &file.issuers[0].trust;
        assert_eq!((trust.key_binding(), trust.certificate_binding()), (dpop, mtls), "{terms}");
        assert_eq!(file.issuers[0].dpop_nonce, None, "{terms}");
    }
    for (nonce, source) in [
        ("true", NonceSource::Process),
        ("{env: NONCES}", NonceSource::Secret(SecretSource::Env("NONCES".to_owned()))),
        ("{file: nonces}", NonceSource::Secret(SecretSource::File("nonces".into()))),
    ] {
        let file = with(&format!(", dpop: {{mode: allowed, nonce: {nonce}}}"));
        assert_eq!(file.issuers[0].dpop_nonce, Some(source), "{nonce}");
    }
}

#[test]
fn what_is_wrong_with_a_binding_is_told() {
    check!(findings_of_issuer("issuer: https://a.example, audience: a, dpop: on"), @"
        error[E013]: `issuers.main.dpop`: expected one of `off`, `allowed`, `required`, found `on`
         --> orgate.yaml:3:56
        3 |   main: {issuer: https://a.example, audience: a, dpop: on}
          |                                                        ^^
        ");
    check!(findings_of_issuer("issuer: https://a.example, audience: a, mtls: true"), @"
        error[E012]: `issuers.main.mtls`: expected one of `off`, `allowed`, `required`, found a boolean
         --> orgate.yaml:3:56
        3 |   main: {issuer: https://a.example, audience: a, mtls: true}
          |                                                        ^^^^
        ");
    check!(findings_of_issuer("issuer: https://a.example, audience: a, dpop: {nonce: true}"), @"
        error[E011]: `issuers.main.dpop` has no `mode`
         --> orgate.yaml:3:56
        3 |   main: {issuer: https://a.example, audience: a, dpop: {nonce: true}}
          |                                                        ^^^^^^^^^^^^^
        ");
    check!(findings_of_issuer("issuer: https://a.example, audience: a, dpop: {mode: off, nonce: true}"), @"
        error[E013]: `issuers.main.dpop.nonce` speaks of proofs, and none is asked for
         --> orgate.yaml:3:75
        3 |   main: {issuer: https://a.example, audience: a, dpop: {mode: off, nonce: true}}
          |                                                                           ^^^^
          = help: leave it away, or write `mode: allowed` or `mode: required`
        ");
    check!(findings_of_issuer("issuer: https://a.example, audience: a, dpop: {mode: allowed, nonce: s3cret}"), @"
        error[E056]: `issuers.main.dpop.nonce` holds the secret itself
         --> orgate.yaml:3:79
        3 |   main: {issuer: https://a.example, audience: a, dpop: {mode: allowed, nonce: s3cret}}
          |                                                                               ^^^^^^
          = help: write `{env: NAME}` or `{file: PATH}`
        ");
}

#[test]
fn the_address_that_clients_see_is_an_address() {
    let urls = |value: &str| {
        let text = format!("token: {{public_url: {value}}}\n");
        let head = "version: 1\nissuers: {main: {issuer: https://a.example, audience: a, profile: orgate}}\n";
        accepted(&format!("{head}{text}rules: {{GET /h: public}}\n")).token.public_urls.to_string()
    };
    assert_eq!(urls("https://API.example:443/"), "https://api.example");
    assert_eq!(
        urls("[\"https://${HOST}/v1\", http://orders.svc]"),
        "https://auth.example.com/v1, http://orders.svc"
    );
    assert_eq!(with("").token.public_urls.to_string(), "none");
    check!(findings_with("token: {public_url: [api.example, \"https://a/?x\", ftp://a]}\n"), @r#"
        error[E013]: `token.public_url`: `api.example` is no http(s) URL of a scheme, a host and at most a path
         --> orgate.yaml:3:22
        3 | token: {public_url: [api.example, "https://a/?x", ftp://a]}
          |                      ^^^^^^^^^^^
          = help: write it as clients see it: `https://api.example.com`
        error[E013]: `token.public_url`: `https://a/?x` is no http(s) URL of a scheme, a host and at most a path
         --> orgate.yaml:3:35
        3 | token: {public_url: [api.example, "https://a/?x", ftp://a]}
          |                                   ^^^^^^^^^^^^^^
          = help: write it as clients see it: `https://api.example.com`
        error[E013]: `token.public_url`: `ftp://a` is no http(s) URL of a scheme, a host and at most a path
         --> orgate.yaml:3:51
        3 | token: {public_url: [api.example, "https://a/?x", ftp://a]}
          |                                                   ^^^^^^^
          = help: write it as clients see it: `https://api.example.com`
        "#);
    check!(findings_with("token: {public_url: []}\n"), @"
        error[E013]: `token.public_url` is empty
         --> orgate.yaml:3:21
        3 | token: {public_url: []}
          |                     ^^
          = help: leave it away: then the host of the request counts, by https
        ");
}
