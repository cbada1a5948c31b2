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
    check!(findings_of_issuer("issuer: https://a.example, audience: a, dpop: on"), @"");
    check!(findings_of_issuer("issuer: https://a.example, audience: a, mtls: true"), @"");
    check!(findings_of_issuer("issuer: https://a.example, audience: a, dpop: {nonce: true}"), @"");
    check!(findings_of_issuer("issuer: https://a.example, audience: a, dpop: {mode: off, nonce: true}"), @"");
    check!(findings_of_issuer("issuer: https://a.example, audience: a, dpop: {mode: allowed, nonce: s3cret}"), @"");
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
    check!(findings_with("token: {public_url: [api.example, \"https://a/?x\", ftp://a]}\n"), @"");
    check!(findings_with("token: {public_url: []}\n"), @"");
}
