//! `feed:` of an issuer, and what holds when it cannot be read.

use std::time::Duration;

use super::{findings_of_issuer, issuers::issuer};
use crate::{FeedSpec, OnStale, SecretSource};

fn feed(keys: &str) -> Option<FeedSpec> {
    issuer(&format!("issuer: https://a.example/p/x, audience: api{keys}")).feed
}

#[test]
fn a_feed_is_read_with_a_key_and_on_terms() {
    let spec =
        |key, seconds, on_stale| Some(FeedSpec { key, max_stale: Duration::from_secs(seconds), on_stale });
    let env = || SecretSource::Env("K".to_owned());
    assert_eq!(feed(""), None);
    assert_eq!(feed(", feed: off"), None);
    assert_eq!(feed(", profile: orgate, feed: off"), None);
    assert_eq!(feed(", feed: {key: {env: K}}"), spec(env(), 30, OnStale::Ttl));
    assert_eq!(feed(", feed: {key: {file: k}}"), spec(SecretSource::File("k".into()), 30, OnStale::Ttl));
    assert_eq!(feed(", feed: {key: {env: K}}, max_stale: 2s, on_stale: deny"), spec(env(), 2, OnStale::Deny));
}

#[test]
fn what_is_wrong_with_a_feed_is_told() {
    for (keys, told) in [
        ("feed: on", "`issuers.main.feed`: expected `{key: {env: NAME}}` or `off`"),
        ("feed: {}", "`issuers.main.feed` has no `key`"),
        ("feed: {key: sk_secret}", "error[E056]: `issuers.main.feed.key` holds the secret itself"),
        ("feed: {key: {env: K}, max_stale: 2s}", "unknown key `max_stale` in `issuers.main.feed`"),
        ("feed: {key: {env: K}}, max_stale: 1s", "expected a duration from 2s to 1h"),
        ("feed: {key: {env: K}}, on_stale: allow", "`issuers.main.on_stale`: expected one of `ttl`, `deny`"),
        ("max_stale: 2s", "`issuers.main.feed` is off, so nothing can become stale"),
        ("feed: off, on_stale: deny", "`issuers.main.feed` is off, so nothing can become stale"),
    ] {
        let findings = findings_of_issuer(&format!("issuer: https://a.example, audience: a, {keys}"));
        assert_eq!(findings.matches("error[").count(), 1, "{keys}: {findings}");
        assert!(findings.contains(told), "{keys}: {findings}");
    }
    let named =
        "issuer: accounts.example, audience: a, keys: {jwks_uri: https://a.example/k}, feed: {key: {env: K}}";
    let findings = findings_of_issuer(named);
    assert!(findings.contains("no address where a feed could be read"), "{findings}");
}

#[test]
fn an_issuer_of_ours_whose_feed_is_not_read_is_told() {
    let warned = |keys: &str| {
        let text = format!(
            "version: 1\nissuers: {{main: {{issuer: https://a.example, audience: a{keys}}}}}\nrules: {{GET /: org}}\n"
        );
        let file = crate::compile("orgate.yaml", text.as_bytes(), &|_| None).unwrap();
        file.warnings.render(false)
    };
    let told = warned(", profile: orgate");
    assert!(told.contains("warning[W050]: the change feed of `main` is not read"), "{told}");
    assert!(told.contains("until their token ends, 5 minutes by default"), "{told}");
    for keys in [
        "",
        ", profile: auth0",
        ", profile: orgate, feed: off",
        ", profile: orgate, feed: {key: {env: K}}",
        ", profile: orgate, keys: {file: k.json}",
    ] {
        let told = warned(keys);
        assert!(!told.contains("W050"), "{keys}: {told}");
    }
}
