//! What a change of a policy file changes beside its rules: whose tokens are believed, and how they are read.
//!
//! What tokens an issuer writes is not in the file, so this cannot be told route by route. Each entry says whether it can
//! only take tokens away; everything else counts as giving more.

mod settings;

use std::{path::Path, time::Duration};

use orgate_policy::PermissionsFrom;
use orgate_verify::{Audience, Binding, TokenTypes, TrustedIssuer};

pub use self::settings::{SettingChange, settings};
use crate::{
    NonceSource, OnStale,
    file::{IssuerSpec, KeyLocation, PolicyFile},
};

/// A change of an issuer, or of how its tokens are read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct IssuerChange {
    /// The name of the issuer.
    pub issuer: String,
    /// What it was, in words; `None` for an issuer that is new.
    pub before: Option<String>,
    /// What it is; `None` for one that is gone.
    pub after: Option<String>,
    /// Whether it can let in somebody who was not.
    pub widens: bool,
}

/// Every change of an issuer, in the order of the new file; issuers that are gone come last.
#[must_use]
pub fn issuers(old: &PolicyFile, new: &PolicyFile) -> Vec<IssuerChange> {
    let from = |file: &PolicyFile, issuer: &IssuerSpec| {
        issuer.permissions_from.unwrap_or(file.policy.reads_permissions_from())
    };
    let mut changes = Vec::new();
    for issuer in &new.issuers {
        let mut push = |before: Option<String>, after: Option<String>, widens: bool| {
            changes.push(IssuerChange { issuer: issuer.name.clone(), before, after, widens });
        };
        let Some(before) = old.issuer(&issuer.name) else {
            push(None, Some(format!("issuer {}", issuer.trust.url())), true);
            continue;
        };
        for (before, after, widens) in differences(before, issuer) {
            push(Some(before), Some(after), widens);
        }
        let (was, is) = (from(old, before), from(new, issuer));
        if was != is {
            let [before, after] = [was, is].map(|from| format!("permissions_from {}", word(from)));
            push(Some(before), Some(after), true);
        }
    }
    for issuer in old.issuers.iter().filter(|issuer| new.issuer(&issuer.name).is_none()) {
        let before = Some(format!("issuer {}", issuer.trust.url()));
        let asked = issuer.introspect.as_ref().is_some_and(|spec| spec.opaque.is_some());
        let widens = asked && settings::has_heir(new, issuer);
        changes.push(IssuerChange { issuer: issuer.name.clone(), before, after: None, widens });
    }
    changes
}

/// The name of the choice in a policy file.
fn word(from: PermissionsFrom) -> &'static str {
    match from {
        PermissionsFrom::TokenElseRole => "token_else_role",
        PermissionsFrom::Token => "token",
        PermissionsFrom::Role => "role",
        PermissionsFrom::Union => "union",
    }
}

fn differences(old: &IssuerSpec, new: &IssuerSpec) -> Vec<(String, String, bool)> {
    let (before, after) = (&old.trust, &new.trust);
    let mut all = Vec::new();
    let mut add = |what: &str, texts: [String; 2], widens: bool| {
        let [before, after] = texts.map(|text| format!("{what} {text}"));
        all.push((before, after, widens));
    };
    if before.url() != after.url() {
        add("issuer", [before, after].map(|trust| trust.url().to_string()), true);
    }
    if before.audience() != after.audience() {
        let widens = match (before.audience(), after.audience()) {
            (Audience::OneOf(before), Audience::OneOf(after)) => {
                after.iter().any(|name| !before.contains(name))
            }
            (Audience::OneOf(_), Audience::Any) => true,
            (Audience::Any, _) => false,
        };
        add("audience", [before, after].map(audience), widens);
    }
    let names = |trust: &TrustedIssuer| {
        let mut names: Vec<&str> = trust.allowed_algorithms().iter().map(|a| a.as_str()).collect();
        names.sort_unstable();
        names.join(", ")
    };
    if names(before) != names(after) {
        let widens = after.allowed_algorithms().iter().any(|a| !before.allowed_algorithms().contains(a));
        add("algorithms", [names(before), names(after)], widens);
    }
    if before.token_types() != after.token_types() {
        let widens = before.token_types().or(after.token_types()) != before.token_types();
        add("typ", [before, after].map(types), widens);
    }
    if before.access_token_telltale() != after.access_token_telltale()
        || before.claim_for_audience() != after.claim_for_audience()
    {
        add("profile", [old, new].map(|issuer| issuer.profile.unwrap_or("none").to_owned()), true);
    }
    if before.leeway_seconds() != after.leeway_seconds() {
        let seconds = [before, after].map(|trust| format!("{}s", trust.leeway_seconds()));
        add("leeway", seconds, after.leeway_seconds() > before.leeway_seconds());
    }
    for (what, was, is) in [
        ("dpop", before.key_binding(), after.key_binding()),
        ("mtls", before.certificate_binding(), after.certificate_binding()),
    ] {
        if was != is {
            // Who lets bound tokens in as well, or such that are not bound, lets in more.
            let widens = was == Binding::Off || was == Binding::Required;
            add(what, [was, is].map(|binding| binding.as_str().to_owned()), widens);
        }
    }
    if old.dpop_nonce != new.dpop_nonce {
        let texts = [old, new].map(|issuer| match &issuer.dpop_nonce {
            None => "none".to_owned(),
            Some(NonceSource::Process) => "of each gate".to_owned(),
            Some(NonceSource::Secret(source)) => format!("by a secret, {}", settings::place(source)),
        });
        add("dpop.nonce", texts, old.dpop_nonce.is_some());
    }
    let (old_keys, new_keys) = (keys(&old.keys), keys(&new.keys));
    if old_keys != new_keys {
        // Without keys no JWT of the issuer is believed.
        add("keys", [old_keys, new_keys], !matches!(new.keys, KeyLocation::Nowhere));
    }
    if old.keys_max_stale != new.keys_max_stale {
        let text =
            |limit: Option<Duration>| limit.map_or("default".to_owned(), |d| format!("{}s", d.as_secs()));
        let limits = [old, new].map(|issuer| issuer.keys_max_stale);
        // The default is a day.
        let [was, is] = limits.map(|limit| limit.map_or(24 * 60 * 60, |limit| limit.as_secs()));
        add("keys.max_stale", limits.map(text), is > was);
    }
    for (what, texts, widens) in feed_differences(old, new) {
        add(what, texts, widens);
    }
    if !before.claim_mapping().agrees_with(after.claim_mapping()) {
        let profile = |issuer: &IssuerSpec| issuer.profile.unwrap_or("written out").to_owned();
        let [before, mut after] = [profile(old), profile(new)];
        if before == after {
            after.push_str(", changed");
        }
        add("claims", [before, after], true);
    }
    all
}

/// What of the change feed is another: whoever does not read it, reads it later or goes on without it lets in who was
/// removed.
fn feed_differences(old: &IssuerSpec, new: &IssuerSpec) -> Vec<(&'static str, [String; 2], bool)> {
    let (before, after) = match (&old.feed, &new.feed) {
        (Some(before), Some(after)) => (before, after),
        (None, None) => return Vec::new(),
        (was, is) => {
            let texts = [was, is].map(|feed| {
                feed.as_ref().map_or("off".to_owned(), |feed| format!("by {}", settings::place(&feed.key)))
            });
            return vec![("feed", texts, is.is_none())];
        }
    };
    let mut all = Vec::new();
    if before.key != after.key {
        // The marks are the same, whoever asks for them.
        all.push(("feed", [before, after].map(|feed| format!("by {}", settings::place(&feed.key))), false));
    }
    if before.max_stale != after.max_stale {
        let texts = [before, after].map(|feed| format!("{}s", feed.max_stale.as_secs()));
        all.push(("max_stale", texts, after.max_stale > before.max_stale));
    }
    if before.on_stale != after.on_stale {
        let texts = [before, after].map(|feed| feed.on_stale.as_str().to_owned());
        all.push(("on_stale", texts, after.on_stale == OnStale::Ttl));
    }
    all
}

fn types(trust: &TrustedIssuer) -> String {
    let all =
        [("at+jwt", TokenTypes::ACCESS_TOKEN), ("JWT", TokenTypes::JWT), ("absent", TokenTypes::ABSENT)];
    let has = |one: TokenTypes| trust.token_types().or(one) == trust.token_types();
    all.iter().filter(|(_, one)| has(*one)).map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

fn audience(trust: &TrustedIssuer) -> String {
    match trust.audience() {
        Audience::OneOf(names) => names.join(", "),
        Audience::Any => "any".to_owned(),
    }
}

/// Where keys come from; a file by its name alone, because the two policies may have been read from different places.
fn keys(location: &KeyLocation) -> String {
    match location {
        KeyLocation::Discover => "discover".to_owned(),
        KeyLocation::JwksUri(uri) => uri.clone(),
        KeyLocation::Known(_) => "in hand".to_owned(),
        KeyLocation::Nowhere => "none".to_owned(),
        KeyLocation::File(path) => path.file_name().map(Path::new).unwrap_or(path).display().to_string(),
        KeyLocation::Secret(source) => format!("a secret, {}", settings::place(source)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(old: &str, new: &str) -> Vec<String> {
        let [old, new] = [old, new].map(|issuers| {
            let text = format!("version: 1\npermissions: [read]\n{issuers}\nrules:\n  GET /a: read\n");
            crate::compile("orgate.yaml", text.as_bytes(), &|_| None).unwrap()
        });
        let text = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let line = |c: IssuerChange| {
            let (before, after) = (text(c.before), text(c.after));
            format!("{}: {before} -> {after}{}", c.issuer, if c.widens { " +" } else { "" })
        };
        issuers(&old, &new).into_iter().map(line).collect()
    }

    fn main(keys: &str) -> String {
        format!("issuers:\n  main: {{issuer: \"https://i.example\", {keys}}}")
    }

    #[test]
    fn every_term_of_an_issuer_is_compared() {
        let plain = main("audience: a, leeway: 30s, algorithms: [ES256]");
        assert_eq!(told(&plain, &plain), [""; 0]);
        for (keys, line) in [
            ("audience: [a, b], algorithms: [ES256]", "main: audience a -> audience a, b +"),
            ("audience: any, algorithms: [ES256]", "main: audience a -> audience any +"),
            (
                "audience: a, algorithms: [ES256, RS256]",
                "main: algorithms ES256 -> algorithms ES256, RS256 +",
            ),
            ("audience: a, algorithms: [ES256], leeway: 10s", "main: leeway 30s -> leeway 10s"),
            (
                "audience: a, algorithms: [ES256], leeway: 30s, keys: {max_stale: 12h}",
                "main: keys.max_stale default -> keys.max_stale 43200s",
            ),
            (
                "audience: a, algorithms: [ES256], leeway: 30s, keys: {max_stale: 2d}",
                "main: keys.max_stale default -> keys.max_stale 172800s +",
            ),
            ("audience: a, algorithms: [ES256], leeway: 60s", "main: leeway 30s -> leeway 60s +"),
            ("audience: a, algorithms: [ES256], dpop: allowed", "main: dpop off -> dpop allowed +"),
            ("audience: a, algorithms: [ES256], mtls: required", "main: mtls off -> mtls required +"),
            (
                "audience: a, algorithms: [ES256], permissions_from: role",
                "main: permissions_from token_else_role -> permissions_from role +",
            ),
            (
                "audience: a, algorithms: [ES256], typ: [at+jwt]",
                "main: typ at+jwt, JWT, absent -> typ at+jwt",
            ),
            (
                "audience: a, algorithms: [ES256], keys: {file: k.json}",
                "main: keys discover -> keys k.json +",
            ),
            (
                "audience: a, algorithms: [ES256], claims: {role: r}",
                "main: claims written out -> claims written out, changed +",
            ),
        ] {
            assert_eq!(told(&plain, &main(keys)), [line], "{keys}");
        }
        let other = "issuers:\n  other: {issuer: \"https://o.example\", audience: a}";
        assert_eq!(
            told(&plain, other),
            ["other: - -> issuer https://o.example +", "main: issuer https://i.example -> -"]
        );
        assert_eq!(
            told(&plain, &format!("permissions_from: union\n{plain}")),
            ["main: permissions_from token_else_role -> permissions_from union +"]
        );
    }

    #[test]
    fn who_hears_less_of_what_is_revoked_lets_in_more() {
        let with = |feed: &str| main(&format!("audience: a{feed}"));
        let (off, on) = ("", ", feed: {key: {env: K}}");
        for (old, new, line) in [
            (on, off, "main: feed by env K -> feed off +"),
            (off, on, "main: feed off -> feed by env K"),
            (on, ", feed: off", "main: feed by env K -> feed off +"),
            (on, ", feed: {key: {file: k}}", "main: feed by env K -> feed by file k"),
            (on, ", feed: {key: {env: K}}, max_stale: 1m", "main: max_stale 30s -> max_stale 60s +"),
            (on, ", feed: {key: {env: K}}, max_stale: 2s", "main: max_stale 30s -> max_stale 2s"),
            (on, ", feed: {key: {env: K}}, on_stale: deny", "main: on_stale ttl -> on_stale deny"),
            (", feed: {key: {env: K}}, on_stale: deny", on, "main: on_stale deny -> on_stale ttl +"),
        ] {
            assert_eq!(told(&with(old), &with(new)), [line]);
            assert_eq!(told(&with(new), &with(new)), [""; 0]);
        }
        assert_eq!(told(&with(off), &with(", feed: off")), [""; 0]);
    }

    #[test]
    fn who_asks_for_less_proof_lets_in_more() {
        for term in ["dpop", "mtls"] {
            let with = |binding: &str| main(&format!("audience: a, algorithms: [ES256], {term}: {binding}"));
            for (old, new, widens) in [
                ("off", "allowed", " +"),
                ("off", "required", " +"),
                ("allowed", "off", ""),
                ("allowed", "required", ""),
                ("required", "off", " +"),
                ("required", "allowed", " +"),
            ] {
                let line = format!("main: {term} {old} -> {term} {new}{widens}");
                assert_eq!(told(&with(old), &with(new)), [line]);
                assert_eq!(told(&with(new), &with(new)), [""; 0]);
            }
        }
        let with = |dpop: &str| main(&format!("audience: a, algorithms: [ES256], dpop: {dpop}"));
        for (old, new, line) in [
            (
                "{mode: required, nonce: true}",
                "required",
                "main: dpop.nonce of each gate -> dpop.nonce none +",
            ),
            (
                "required",
                "{mode: required, nonce: {env: N}}",
                "main: dpop.nonce none -> dpop.nonce by a secret, env N",
            ),
        ] {
            assert_eq!(told(&with(old), &with(new)), [line]);
            assert_eq!(told(&with(new), &with(new)), [""; 0]);
        }
    }

    #[test]
    fn an_issuer_without_keys_signs_nothing_and_may_be_asked() {
        let introspect = "introspect: {url: \"https://i.example/i\", client_id: g, secret: {env: S}, opaque: {prefix: sk_}}";
        let with = |keys: &str| main(&format!("audience: a, keys: {keys}, {introspect}"));
        assert_eq!(told(&with("discover"), &with("none")), ["main: keys discover -> keys none"]);
        assert_eq!(told(&with("none"), &with("discover")), ["main: keys none -> keys discover +"]);
        assert_eq!(told(&with("none"), &with("{file: k.json}")), ["main: keys none -> keys k.json +"]);
        // Tokens that nobody is asked about any more, or somebody else is.
        let other = |opaque: &str| {
            format!(
                "  all: {{issuer: \"https://all.example\", audience: a, {}}}",
                introspect.replace("{prefix: sk_}", opaque)
            )
        };
        for (opaque, widens) in [("true", " +"), ("{prefix: pk_}", ""), ("false", "")] {
            let rest = other(opaque);
            assert_eq!(
                told(&format!("{}\n{rest}", with("none")), &format!("issuers:\n{rest}")),
                [format!("main: issuer https://i.example -> -{widens}")]
            );
        }
    }

    #[test]
    fn a_claim_that_only_one_policy_compares_is_no_change_of_the_issuer() {
        let [old, new] = ["read", "read and claims.team == \"a\""].map(|requirement| {
            let text = format!(
                "version: 1\npermissions: [read]\n{}\nrules:\n  GET /a: {requirement}\n",
                main("audience: a")
            );
            crate::compile("orgate.yaml", text.as_bytes(), &|_| None).unwrap()
        });
        assert_eq!(issuers(&old, &new), []);
        assert_eq!(old.policy.diff(&new.policy).unwrap().changes.len(), 1);
    }

    #[test]
    fn fewer_audiences_widen_nothing() {
        let (two, one) = (main("audience: [a, b]"), main("audience: [b]"));
        assert_eq!(told(&two, &one), ["main: audience a, b -> audience b"]);
    }
}
