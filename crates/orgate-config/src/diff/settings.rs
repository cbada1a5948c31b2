//! What else of a policy file decides who gets in, beside rules and issuers: whether it is enforced, where credentials come
//! from, what proves callers without a token, and what browsers of other origins may do.
//!
//! How refusals look lets nobody in and is not compared.

use std::{collections::HashMap, path::Path};

use orgate_policy::RuleEntry;

use crate::{
    AuthenticatorKind, AuthenticatorSpec, CorsAnswer, IssuerSpec, Mode, Preflight, SecretSource,
    file::{PolicyFile, TokenSource},
};

/// A change of a section of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SettingChange {
    /// What was changed, as in the file: `mode`, `token.from`, `authenticators.ci`.
    pub setting: String,
    /// What it was, in words.
    pub before: String,
    /// What it is.
    pub after: String,
    /// Whether it can let in somebody who was not.
    pub widens: bool,
    /// Whether that can be somebody without a credential.
    pub public: bool,
}

/// Every change of a section that decides who gets in.
#[must_use]
pub fn settings(old: &PolicyFile, new: &PolicyFile) -> Vec<SettingChange> {
    let mut changes = Vec::new();
    let mut push = |setting: &str, before: String, after: String, widens: bool, public: bool| {
        if before != after {
            changes.push(SettingChange { setting: setting.to_owned(), before, after, widens, public });
        }
    };
    let observes = |file: &PolicyFile| matches!(file.mode, Mode::Observe(_));
    push("mode", mode(&old.mode), mode(&new.mode), observes(new), observes(new) && !observes(old));

    let (was, is) = (&old.token, &new.token);
    let widens =
        is.from.iter().any(|source| !was.from.contains(source)) || is.first_of_several && was.from != is.from;
    // Where several are refused, the order says nothing.
    let ordered = was.first_of_several || is.first_of_several;
    let gone = was.from.iter().any(|source| !is.from.contains(source));
    if ordered || widens || gone {
        push("token.from", sources(&was.from), sources(&is.from), widens, false);
    }
    let several = |first: bool| if first { "first" } else { "deny" }.to_owned();
    push(
        "token.several",
        several(was.first_of_several),
        several(is.first_of_several),
        is.first_of_several,
        false,
    );
    let widens = is.trusted_origins.iter().any(|origin| !was.trusted_origins.contains(origin));
    push("token.csrf.origins", list(&was.trusted_origins), list(&is.trusted_origins), widens, false);
    let urls = |file: &PolicyFile| file.token.public_urls.to_string();
    push("token.public_url", urls(old), urls(new), true, false);
    let exchange = |file: &PolicyFile| match &file.token.exchange {
        Some(spec) => format!(
            "the cookie {} at {}, {}{}, for {}s",
            spec.cookie,
            spec.url,
            spec.field.as_str(),
            spec.org.as_ref().map(|name| format!(", the organization as {name}")).unwrap_or_default(),
            spec.cache.as_secs()
        ),
        None => "none".to_owned(),
    };
    push("token.exchange", exchange(old), exchange(new), is.exchange.is_some(), false);

    introspection(old, new, &mut push);
    for spec in &new.authenticators {
        // A new one lets nobody in unless a rule names it, and that is told of the rule.
        let Some(before) = old.authenticators.iter().find(|other| other.name == spec.name) else { continue };
        let setting = format!("authenticators.{}", spec.name);
        push(&setting, proof(before), proof(spec), true, false);
        push(&format!("{setting}.as"), caller(before), caller(spec), true, false);
    }
    let opens = new.cors == Preflight::Pass;
    push("cors.preflight", preflight(&old.cors), preflight(&new.cors), new.cors != Preflight::Deny, opens);
    let identity = |file: &PolicyFile| {
        let token = if file.identity.forward_token { "" } else { ", and the token" };
        let names =
            format!("{}, also strips {}{token}", file.identity.prefix, list(&file.identity.also_strip));
        match &file.identity.sign {
            None => names,
            Some(sign) => format!("{names}; signed by {} for {}", sign.issuer, list(&sign.audience)),
        }
    };
    let kept = |name: &String| new.identity.also_strip.contains(name);
    let widens = old.identity.prefix != new.identity.prefix
        || !old.identity.also_strip.iter().all(kept)
        || new.identity.forward_token && !old.identity.forward_token
        || old.identity.sign.is_some() && old.identity.sign != new.identity.sign;
    let overrides = |file: &PolicyFile| if file.method_override { "read" } else { "removed" }.to_owned();
    push("paths.profile: the method override", overrides(old), overrides(new), new.method_override, false);
    push("identity", identity(old), identity(new), widens, false);
    let normalizes = |file: &PolicyFile| if file.policy.normalizes() { "on" } else { "off" }.to_owned();
    push("paths.normalize", normalizes(old), normalizes(new), new.policy.normalizes(), false);
    let known: HashMap<&str, RuleEntry<'_>> = old.policy.entries().map(|rule| (rule.key, rule)).collect();
    for new in new.policy.entries() {
        // A rule that is new, or gone, is told with those whom it lets in.
        let Some(old) = known.get(new.key) else { continue };
        let limit = |rule: &RuleEntry<'_>| rule.limit.map_or("none".to_owned(), |limit| limit.to_string());
        let widens = match (old.limit, new.limit) {
            (Some(_), None) => true,
            (Some(before), Some(after)) => after.allows_more_than(before),
            (None, _) => false,
        };
        push(&format!("rules.{}.limit", new.key), limit(old), limit(&new), widens, false);
        let accepts = |rule: &RuleEntry<'_>| if rule.encoded_slash { "on" } else { "off" }.to_owned();
        let setting = format!("rules.{}.allow_encoded_slash", new.key);
        push(&setting, accepts(old), accepts(&new), new.encoded_slash, false);
    }
    changes
}

/// What issuers are asked about tokens.
fn introspection(
    old: &PolicyFile,
    new: &PolicyFile,
    push: &mut impl FnMut(&str, String, String, bool, bool),
) {
    for issuer in &new.issuers {
        let Some(before) = old.issuer(&issuer.name) else { continue };
        let asked = |spec: &IssuerSpec| match &spec.introspect {
            Some(spec) => format!("{} as {}", spec.url, spec.client_id),
            None => "none".to_owned(),
        };
        let setting = format!("issuers.{}.introspect", issuer.name);
        push(&setting, asked(before), asked(issuer), before.introspect.is_some(), false);
        let lasts = |spec: &IssuerSpec| spec.introspect.as_ref().map_or(0, |spec| spec.cache.as_secs());
        let (was, is) = (lasts(before), lasts(issuer));
        push(&format!("{setting}.cache"), format!("{was}s"), format!("{is}s"), is > was, false);
        let widens = asks_about_more(before, issuer) || has_heir(new, issuer);
        push(&format!("{setting}.opaque"), opaque(before), opaque(issuer), widens, false);
    }
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn mode(mode: &Mode) -> String {
    match mode {
        Mode::Enforce => "enforce".to_owned(),
        Mode::Observe(until) => format!("observe until {}", until.day()),
    }
}

fn sources(from: &[TokenSource]) -> String {
    let one = |source: &TokenSource| match source {
        TokenSource::Bearer => "bearer".to_owned(),
        TokenSource::Cookie(name) => format!("cookie {name}"),
        TokenSource::Header(name) => format!("header {name}"),
        TokenSource::Query(name) => format!("query {name}"),
        TokenSource::WebSocketProtocol(marker) => format!("websocket_protocol {marker}"),
    };
    from.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Which opaque tokens an issuer is asked about.
fn opaque(issuer: &IssuerSpec) -> String {
    let spec = issuer.introspect.as_ref().and_then(|spec| spec.opaque.as_ref());
    spec.map_or("none".to_owned(), |spec| {
        let which = if spec.prefixes.is_empty() { "all".to_owned() } else { spec.prefixes.join(", ") };
        format!("{which}, for {}s", spec.cache.as_secs())
    })
}

/// Whether an issuer is asked about more tokens, or what it said of them is used for longer.
fn asks_about_more(old: &IssuerSpec, new: &IssuerSpec) -> bool {
    let spec = |issuer: &IssuerSpec| issuer.introspect.as_ref().and_then(|spec| spec.opaque.clone());
    let (was, is) = match (spec(old), spec(new)) {
        (_, None) => return false,
        (None, Some(_)) => return true,
        (Some(was), Some(is)) => (was, is),
    };
    let known = |prefix: &String| was.prefixes.iter().any(|known| prefix.starts_with(known));
    let more = is.prefixes.is_empty() || !is.prefixes.iter().all(known);
    is.cache > was.cache || !was.prefixes.is_empty() && more
}

/// Whether opaque tokens that are not the issuer's any more are shown to another, which may know them.
pub(super) fn has_heir(file: &PolicyFile, of: &IssuerSpec) -> bool {
    let mut others = file.issuers.iter().filter(|other| other.name != of.name);
    others.any(|other| {
        let spec = other.introspect.as_ref().and_then(|spec| spec.opaque.as_ref());
        spec.is_some_and(|spec| spec.prefixes.is_empty())
    })
}

fn preflight(cors: &Preflight) -> String {
    match cors {
        Preflight::Deny => "deny".to_owned(),
        Preflight::Pass => "pass".to_owned(),
        Preflight::Answer(CorsAnswer { origins, headers, methods, credentials, .. }) => {
            let all =
                |names: &Option<Vec<String>>| names.as_ref().map_or("all".to_owned(), |names| list(names));
            let credentials = if *credentials { ", with credentials" } else { "" };
            format!(
                "answer {}; headers {}; methods {}{credentials}",
                all(origins),
                list(headers),
                all(methods)
            )
        }
    }
}

/// How an authenticator proves a caller.
fn proof(spec: &AuthenticatorSpec) -> String {
    match &spec.kind {
        AuthenticatorKind::Webhook { scheme, secrets, tolerance, .. } => {
            format!("webhook {scheme:?}, {}, tolerance {tolerance}s", places(secrets))
        }
        AuthenticatorKind::ApiKey { header, sha256 } => format!("api_key in {header}, {}", places(sha256)),
    }
}

/// Where secrets are; a file by its name alone, because the two policies may have been read from different places.
fn places(secrets: &[SecretSource]) -> String {
    secrets.iter().map(place).collect::<Vec<_>>().join(" or ")
}

pub(super) fn place(secret: &SecretSource) -> String {
    match secret {
        SecretSource::Env(name) => format!("env {name}"),
        SecretSource::File(path) => {
            format!("file {}", path.file_name().map(Path::new).unwrap_or(path).display())
        }
    }
}

/// Who the caller then is.
fn caller(spec: &AuthenticatorSpec) -> String {
    let principal = &spec.principal;
    let mut text = format!("sub {}", principal.subject().as_str());
    if let Some(organization) = principal.organization() {
        text.push_str(&format!(", org.id {}", organization.id.as_str()));
        if let Some(slug) = &organization.slug {
            text.push_str(&format!(", org.slug {}", slug.as_str()));
        }
    }
    for role in principal.roles() {
        text.push_str(&format!(", role {}", role.as_str()));
    }
    if principal.has_permissions_claim() {
        let names: Vec<&str> = principal.permissions().iter().map(|permission| permission.as_str()).collect();
        text.push_str(&format!(", permissions {}", names.join(" ")));
    }
    for (name, value) in principal.claims() {
        text.push_str(&format!(", {name} {value:?}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_section_that_lets_somebody_in_is_compared() {
        let told = |old: &str, new: &str| -> Vec<String> {
            let [old, new] = [old, new].map(|sections| {
                let text = format!(
                    "version: 1\nissuers: {{main: {{issuer: \"https://i.example\", audience: a, algorithms: [ES256]}}}}\n\
                     permissions: [read]\n{sections}\nrules: {{GET /a: read, POST /a: via(ci)}}\n"
                );
                let text = if sections.contains("authenticators") {
                    text
                } else {
                    text.replace(", POST /a: via(ci)", "")
                };
                crate::compile("orgate.yaml", text.as_bytes(), &|_| None)
                    .unwrap_or_else(|error| panic!("{error:?}"))
            });
            let mark = |c: &SettingChange| {
                if c.public {
                    " public"
                } else if c.widens {
                    " +"
                } else {
                    ""
                }
            };
            let line = |c: SettingChange| format!("{}: {} -> {}{}", c.setting, c.before, c.after, mark(&c));
            settings(&old, &new).into_iter().map(line).collect()
        };
        let ci = "authenticators: {ci: {type: api_key, header: x-a, sha256: {env: A}, as: {sub: ci}}}";
        for (old, new, expected) in [
            ("", "mode: observe\nuntil: 2099-01-31", "mode: enforce -> observe until 2099-01-31 public"),
            ("mode: observe\nuntil: 2099-01-31", "", "mode: observe until 2099-01-31 -> enforce"),
            ("", "token: {from: [bearer, {cookie: c}]}", "token.from: bearer -> bearer, cookie c +"),
            ("token: {from: [bearer, {header: x-t}]}", "", "token.from: bearer, header x-t -> bearer"),
            (
                "token: {from: [bearer, {header: x-t}]}",
                "token: {from: [bearer, {header: x-t}], several: first}",
                "token.several: deny -> first +",
            ),
            (
                "token: {from: [{cookie: c}]}",
                "token: {from: [{cookie: c}], csrf: {origins: [\"https://b.example\"]}}",
                "token.csrf.origins: none -> https://b.example +",
            ),
            (
                "token: {public_url: \"https://a.example\"}",
                "token: {public_url: [\"https://a.example\", \"https://b.example/x\"]}",
                "token.public_url: https://a.example -> https://a.example, https://b.example/x +",
            ),
            ("", "token: {from: [bearer, {query: t}]}", "token.from: bearer -> bearer, query t +"),
            (
                "token: {from: [{query: t}]}",
                "token: {from: [{query: u}]}",
                "token.from: query t -> query u +",
            ),
            ("token: {from: [bearer, {query: t}]}", "", "token.from: bearer, query t -> bearer"),
            (
                "token: {from: [{websocket_protocol: a}]}",
                "token: {from: [{websocket_protocol: b}]}",
                "token.from: websocket_protocol a -> websocket_protocol b +",
            ),
            (
                "token: {from: [bearer, {cookie: c}], several: first}",
                "token: {from: [{cookie: c}, bearer], several: first}",
                "token.from: bearer, cookie c -> cookie c, bearer +",
            ),
            (
                "",
                "token: {exchange: {cookie: s, url: \"https://a.example/t\", field: token, cache: 9s}}",
                "token.exchange: none -> the cookie s at https://a.example/t, token, for 9s +",
            ),
            (
                "token: {exchange: {cookie: s, url: \"https://a.example/t\", field: token, cache: 9s}}",
                "token: {exchange: {cookie: s, url: \"https://a.example/t\", field: token, org: o, cache: 9s}}",
                "token.exchange: the cookie s at https://a.example/t, token, for 9s -> the cookie s at https://a.example/t, \
                 token, the organization as o, for 9s +",
            ),
            (
                "token: {exchange: {cookie: s, url: \"https://a.example/t\", field: token, cache: 9s}}",
                "",
                "token.exchange: the cookie s at https://a.example/t, token, for 9s -> none",
            ),
            ("", "cors: {preflight: pass}", "cors.preflight: deny -> pass public"),
            (
                ci,
                &ci.replace("env: A", "env: B"),
                "authenticators.ci: api_key in x-a, env A -> api_key in x-a, env B +",
            ),
            (
                ci,
                &ci.replace("sub: ci", "sub: ci, permissions: [read]"),
                "authenticators.ci.as: sub ci -> sub ci, permissions read +",
            ),
            ("", "paths: {normalize: true}", "paths.normalize: off -> on +"),
            ("paths: {normalize: true}", "", "paths.normalize: on -> off"),
            (
                "identity: {also_strip: [x-user]}",
                "",
                "identity: X-Orgate, also strips x-user -> X-Orgate, also strips none +",
            ),
        ] {
            assert_eq!(told(old, new), [expected], "{old} {new}");
            assert_eq!(told(old, old), [""; 0]);
        }
        let [one, other] =
            ["[bearer, {cookie: c}]", "[{cookie: c}, bearer]"].map(|from| format!("token: {{from: {from}}}"));
        assert_eq!(told(&one, &other), [""; 0], "where several are refused, the order says nothing");
    }

    #[test]
    fn what_issuers_are_asked_about_opaque_tokens_is_compared() {
        let told = |old: &[&str], new: &[&str]| -> Vec<String> {
            let [old, new] = [old, new].map(|issuers| {
                let issuer = |(number, keys): (usize, &&str)| {
                    let url = format!("https://i{number}.example");
                    let introspect =
                        format!("introspect: {{url: \"{url}/i\", client_id: g, secret: {{env: S}}, {keys}}}");
                    format!(
                        "  i{number}: {{issuer: \"{url}\", audience: a, algorithms: [ES256], {introspect}}}\n"
                    )
                };
                let issuers: String = issuers.iter().enumerate().map(issuer).collect();
                let text =
                    format!("version: 1\nissuers:\n{issuers}permissions: [read]\nrules: {{GET /a: read}}\n");
                crate::compile("orgate.yaml", text.as_bytes(), &|_| None)
                    .unwrap_or_else(|error| panic!("{error:?}"))
            });
            let line = |c: SettingChange| {
                let setting = c.setting.strip_prefix("issuers.i0.introspect").unwrap().to_owned();
                format!("{setting} {} -> {}{}", c.before, c.after, if c.widens { " +" } else { "" })
            };
            settings(&old, &new).into_iter().map(line).collect()
        };
        let (nothing, all, live) = ("opaque: false", "opaque: true", "opaque: {prefix: sk_live_}");
        for (old, new, expected) in [
            (nothing, all, ".opaque none -> all, for 30s +"),
            (all, nothing, ".opaque all, for 30s -> none"),
            (nothing, live, ".opaque none -> sk_live_, for 30s +"),
            (all, live, ".opaque all, for 30s -> sk_live_, for 30s"),
            (live, all, ".opaque sk_live_, for 30s -> all, for 30s +"),
            (live, "opaque: {prefix: sk_}", ".opaque sk_live_, for 30s -> sk_, for 30s +"),
            ("opaque: {prefix: sk_}", live, ".opaque sk_, for 30s -> sk_live_, for 30s"),
            (
                live,
                "opaque: {prefix: [sk_live_, pk_]}",
                ".opaque sk_live_, for 30s -> sk_live_, pk_, for 30s +",
            ),
            (
                "opaque: {prefix: [sk_live_, pk_]}",
                live,
                ".opaque sk_live_, pk_, for 30s -> sk_live_, for 30s",
            ),
        ] {
            assert_eq!(told(&[old], &[new]), [expected]);
            assert_eq!(told(&[old], &[old]), [""; 0]);
        }
        for (old, new, widens) in [("5s", "50s", " +"), ("50s", "5s", "")] {
            let with = |cache: &str| format!("opaque: true, cache: {cache}");
            assert_eq!(
                told(&[&with(old)], &[&with(new)]),
                [
                    format!(".cache {old} -> {new}{widens}"),
                    format!(".opaque all, for {old} -> all, for {new}{widens}")
                ]
            );
        }
        // What one issuer is not asked about any more the other is, which may know it.
        let keys = "opaque: {prefix: sk_}";
        assert_eq!(told(&[keys, all], &[nothing, all]), [".opaque sk_, for 30s -> none +"]);
        assert_eq!(told(&[keys, all], &[live, all]), [".opaque sk_, for 30s -> sk_live_, for 30s +"]);
        assert_eq!(
            told(&[keys, "opaque: {prefix: pk_}"], &[live, "opaque: {prefix: pk_}"]),
            [".opaque sk_, for 30s -> sk_live_, for 30s"]
        );
    }

    #[test]
    fn what_a_rule_allows_besides_is_compared_by_its_key() {
        let told = |old: &str, new: &str| -> Vec<String> {
            let [old, new] = [old, new].map(|rule| {
                let text = format!(
                    "version: 1\nissuers: {{main: {{issuer: \"https://i.example\", audience: a}}}}\npermissions: [read]\n\
                     rules: {{GET /a/**: {{require: read{rule}}}, GET /b: read}}\n"
                );
                crate::compile("orgate.yaml", text.as_bytes(), &|_| None).unwrap_or_else(|error| panic!("{error:?}"))
            });
            let line = |c: SettingChange| {
                format!("{}: {} -> {}{}", c.setting, c.before, c.after, if c.widens { " +" } else { "" })
            };
            settings(&old, &new).into_iter().map(line).collect()
        };
        let (five, ten) = (", limit: 5/s per sub", ", limit: 10/s per sub");
        let slash = ", allow_encoded_slash: true";
        for (old, new, expected) in [
            (five, ten, "limit: 5/s per sub -> 10/s per sub +"),
            (ten, five, "limit: 10/s per sub -> 5/s per sub"),
            (five, "", "limit: 5/s per sub -> none +"),
            ("", five, "limit: none -> 5/s per sub"),
            ("", slash, "allow_encoded_slash: off -> on +"),
            (slash, "", "allow_encoded_slash: on -> off"),
        ] {
            assert_eq!(told(old, new), [format!("rules.GET /a/**.{expected}")]);
            assert_eq!(told(old, old), [""; 0]);
        }
    }

    #[test]
    fn a_rule_that_no_longer_asks_the_issuer_is_loosened() {
        let [live, plain] = ["{require: read, fresh: live}", "read"].map(|rule| {
            let text = format!(
                "version: 1\nissuers: {{main: {{issuer: \"https://i.example\", audience: a, algorithms: [ES256], \
                 introspect: {{url: \"https://i.example/i\", client_id: g, secret: {{env: S}}}}}}}}\n\
                 permissions: [read]\nrules: {{GET /a: {rule}}}\n"
            );
            crate::compile("orgate.yaml", text.as_bytes(), &|_| None).unwrap_or_else(|error| panic!("{error:?}"))
        });
        let kinds = |old: &PolicyFile, new: &PolicyFile| -> Vec<_> {
            old.policy.diff(&new.policy).unwrap().changes.iter().map(|change| change.kind).collect()
        };
        assert_eq!(kinds(&live, &plain), [orgate_policy::ChangeKind::Loosened]);
        assert_eq!(kinds(&plain, &live), [orgate_policy::ChangeKind::Tightened]);
        assert_eq!(kinds(&live, &live), []);
    }
}
