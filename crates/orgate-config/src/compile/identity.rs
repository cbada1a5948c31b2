//! The section `identity:`.

use orgate_claims::IssuerUrl;

use super::{environment, issuers::Environment, options::header_name, texts};
use crate::{
    codes,
    diagnostic::{Diagnostic, Diagnostics},
    document::{Field, MapReader, Node},
    file::{IdentityOptions, SignedIdentity},
};

/// Prefixes of header names that belong to HTTP itself or to whoever forwards a request.
const TAKEN_PREFIXES: [&str; 12] = [
    "accept",
    "access",
    "access-control",
    "cache",
    "content",
    "if",
    "proxy",
    "sec",
    "sec-fetch",
    "transfer",
    "x-forwarded",
    "x",
];

/// Reads the section; what is missing is as without it.
pub(super) fn read(
    node: Option<&Node>,
    env: Environment<'_>,
    diagnostics: &mut Diagnostics,
) -> IdentityOptions {
    let mut options = IdentityOptions::default();
    let Some(mut map) = node.and_then(|node| MapReader::new(node, "identity", diagnostics)) else {
        return options;
    };
    let prefix = map.optional("prefix").node();
    let also_strip = map.optional("also_strip").node();
    let forward_token = map.optional("forward_token").one_of(&[("keep", true), ("strip", false)]);
    let sign = map.optional("sign").node();
    let publish = map.optional("publish").entry();
    map.finish();
    options.sign = sign.and_then(|node| signing(node, env, diagnostics));
    if let Some((key, node)) = publish {
        let publish = Field::of(node, "identity.publish", diagnostics).boolean();
        options.publish = publish.is_some_and(|publish| publish.value);
        if options.publish && sign.is_none() {
            let finding = Diagnostic::error(codes::BAD_VALUE, "there is no key to publish").at(key.span);
            diagnostics.push(finding.help("`sign: {issuer: …, audience: …}` says what is signed with one"));
        }
    }
    options.forward_token = forward_token.is_none_or(|forward| forward.value);
    if let Some(node) = prefix
        && let Some(name) = header_name(node, "identity.prefix", diagnostics)
    {
        // Every request header that starts with it is removed, so it must not name headers of anybody else.
        let help = if name.ends_with('-') {
            Some("write it without the last `-`")
        } else if TAKEN_PREFIXES.contains(&name.as_str()) {
            Some("other headers start with it too; choose one of its own, such as `X-Orgate`")
        } else {
            None
        };
        if let Some(help) = help {
            let written = node.text().unwrap_or_default();
            let message = format!("`identity.prefix`: `{written}` cannot be the prefix");
            diagnostics.push(Diagnostic::error(codes::BAD_VALUE, message).at(node.span).help(help));
        } else {
            options.prefix = node.text().unwrap_or_default().to_owned();
        }
    }
    if let Some(node) = also_strip {
        for (_, item) in texts(node, "identity.also_strip", diagnostics) {
            options.also_strip.extend(header_name(item, "identity.also_strip", diagnostics));
        }
    }
    options
}

/// What the signed form says of itself: who made it, and for whom it is.
fn signing(node: &Node, env: Environment<'_>, diagnostics: &mut Diagnostics) -> Option<SignedIdentity> {
    let mut map = MapReader::new(node, "identity.sign", diagnostics)?;
    let issuer = map.required("issuer").node();
    let audience = map.required("audience").node();
    map.finish();
    let (issuer, audience) = (issuer?, audience?);

    let text = Field::of(issuer, "identity.sign.issuer", diagnostics).text()?;
    let text = environment::expand(issuer, text.value, env, diagnostics)?;
    let url = IssuerUrl::parse(&text.value).map_err(|error| {
        let message = format!("`identity.sign.issuer` {error}");
        diagnostics.push(Diagnostic::error(codes::BAD_VALUE, message).at(text.span));
    });
    let mut audiences = Vec::new();
    for (text, item) in texts(audience, "identity.sign.audience", diagnostics) {
        audiences.extend(environment::expand(item, text, env, diagnostics).map(|text| text.value));
    }
    if audiences.is_empty() || audiences.iter().any(String::is_empty) {
        let finding = Diagnostic::error(codes::BAD_VALUE, "`identity.sign.audience` is empty");
        diagnostics.push(finding.at(audience.span).help("name the application: it must accept no other"));
        return None;
    }
    Some(SignedIdentity { issuer: url.ok()?, audience: audiences })
}

#[cfg(test)]
mod tests {
    use crate::compile::compile;

    fn read(identity: &str) -> Result<crate::IdentityOptions, String> {
        let text = format!(
            "version: 1\nissuers: {{main: {{issuer: \"https://i.example\", audience: a}}}}\nidentity: {identity}\nrules: {{GET /a: public}}\n"
        );
        let env = |name: &str| (name == "GATE").then(|| "https://gate.example".to_owned());
        compile("orgate.yaml", text.as_bytes(), &env)
            .map(|file| file.identity)
            .map_err(|found| found.render(false))
    }

    #[test]
    fn a_signed_form_names_who_signs_and_for_whom() {
        let identity =
            read("{sign: {issuer: \"${GATE}\", audience: [notes, drafts]}, publish: true}").unwrap();
        let sign = identity.sign.unwrap();
        assert_eq!(
            (sign.issuer.as_str(), sign.audience.as_slice()),
            ("https://gate.example", &["notes".to_owned(), "drafts".to_owned()][..])
        );
        assert!(identity.publish);
        let identity = read("{sign: {issuer: \"https://gate\", audience: notes}}").unwrap();
        assert!(!identity.publish);
    }

    #[test]
    fn nothing_is_signed_for_nobody_or_by_nobody() {
        for (identity, found) in [
            ("{sign: {issuer: \"https://gate\"}}", "audience"),
            ("{sign: {audience: notes}}", "issuer"),
            ("{sign: {issuer: \"\", audience: notes}}", "identity.sign.issuer"),
            ("{sign: {issuer: \"https://gate\", audience: []}}", "identity.sign.audience"),
            ("{sign: {issuer: \"https://gate\", audience: [\"\"]}}", "identity.sign.audience"),
            ("{sign: {issuer: \"https://gate\", audience: a, key: b}}", "`key`"),
            ("{publish: true}", "there is no key to publish"),
        ] {
            let told = read(identity).unwrap_err();
            assert!(told.contains(found), "{identity}: {told}");
        }
    }
}
