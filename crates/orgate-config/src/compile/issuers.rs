//! The section `issuers:`: whose tokens are believed, and on which terms.

use std::{collections::HashMap, path::Path, time::Duration};

use orgate_claims::IssuerUrl;
use orgate_policy::PermissionsFrom;
use orgate_verify::{Binding, TokenTypes, TrustedIssuer};

use super::{
    address::{self, AddressError},
    claims::{self, Named, Renamed},
    environment, exchange, feed, key_life,
    profiles::{self, Profile},
    rules, sender, signing, texts,
};
use crate::{
    codes,
    diagnostic::{Diagnostic, Diagnostics},
    document::{Field, Key, MapReader, Node, Span, Spanned, Value, closest},
    file::{IssuerSpec, KeyLocation},
};

/// The most issuers of one policy.
pub(super) const MAX_ISSUERS: usize = 32;
/// Environment variables by name.
pub(super) type Environment<'e> = &'e dyn Fn(&str) -> Option<String>;

/// What the section says.
#[derive(Debug, Default)]
pub(super) struct Issuers {
    pub(super) issuers: Vec<IssuerSpec>,
    /// Whether any issuer is written, sound or not.
    pub(super) any_written: bool,
    /// Whether a profile brings its permissions and roles.
    pub(super) brings_names: bool,
    pub(super) renamed: Vec<Renamed>,
    /// The claims that issuers declare for the conditions of rules.
    pub(super) named: Vec<Named>,
    /// What opaque tokens begin with; empty for all of an issuer.
    pub(super) opaque: Vec<Spanned<String>>,
}

pub(super) fn read(
    node: Option<&Node>,
    directory: &Path,
    env: Environment<'_>,
    diagnostics: &mut Diagnostics,
) -> Issuers {
    let mut read = Issuers::default();
    let Some(node) = node else { return read };
    let mut places: HashMap<String, Span> = HashMap::new();
    let count = node.entries().map_or(0, <[_]>::len);
    if count > MAX_ISSUERS {
        let message = format!("the policy has {count} issuers; at most {MAX_ISSUERS} are allowed");
        diagnostics.push(Diagnostic::error(codes::TOO_MANY, message).at(node.span));
        return read;
    }
    for (key, node) in super::named(node, "issuers", "a map from names to issuers", diagnostics) {
        read.any_written = true;
        let Some((issuer, url)) = issuer(key, node, directory, env, &mut read, diagnostics) else { continue };
        match places.insert(issuer.trust.url().as_str().to_owned(), url) {
            Some(first) => {
                let message = format!("two issuers have the URL `{}`", issuer.trust.url());
                let finding = Diagnostic::error(codes::SAME_ISSUER, message).at(url).related(first, "");
                diagnostics
                    .push(finding.help("a token chooses its issuer by its exact `iss`; keep one of them"));
            }
            None => read.issuers.push(issuer),
        }
    }
    exchange::check_prefixes(&read.opaque, diagnostics);
    read
}

pub(super) fn issuer(
    key: &Key,
    node: &Node,
    directory: &Path,
    env: Environment<'_>,
    read: &mut Issuers,
    diagnostics: &mut Diagnostics,
) -> Option<(IssuerSpec, Span)> {
    let path = format!("issuers.{}", key.text);
    let mut map = MapReader::new(node, &path, diagnostics)?.at(key.span);
    let url = map.required("issuer").node();
    let keys = map.optional("keys").node();
    let audience = map.optional("audience").node();
    let algorithms = map.optional("algorithms").node();
    let types = map.optional("typ").node();
    let leeway = map.optional("leeway").duration(0..=u64::from(TrustedIssuer::MAX_LEEWAY));
    let profile = map.optional("profile").text();
    let overrides = map.optional("claims").node();
    let introspect = map.optional("introspect").node();
    let dpop = map.optional("dpop").node();
    let mtls = map.optional("mtls").one_of(&sender::BINDINGS);
    let permissions_from = map.optional("permissions_from").one_of(&rules::PERMISSIONS_FROM);
    let feed = feed::Written::of(&mut map);
    map.finish();

    // Each is read before any of them may end this, so that all their problems are told.
    let profile = profile.and_then(|name| find_profile(&name, diagnostics));
    read.brings_names |= profile.is_some_and(|profile| profile.brings_names);
    let (max_stale, keys) = key_life::max_stale(keys, &path, diagnostics);
    let keys = signing::key_location(keys, &path, directory, env, diagnostics);
    let audience = audiences(audience, key, &path, env, diagnostics);
    let algorithms = signing::algorithms(algorithms, keys.as_ref(), &path, diagnostics);
    let types = types.map(|node| signing::token_types(node, &path, diagnostics));
    let mut found = claims::Found::new(&key.text, &mut read.renamed, &mut read.named);
    let mapping = claims::mapping(profile, overrides, &path, &mut found, diagnostics);
    let introspect = match introspect {
        Some(node) => Some(exchange::introspect(node, &path, directory, env, &mut read.opaque, diagnostics)?),
        None => None,
    };
    let (dpop, dpop_nonce) = match dpop {
        Some(node) => sender::dpop(node, &path, directory, diagnostics)?,
        None => (Binding::Off, None),
    };
    if keys == Some(KeyLocation::Nowhere) && introspect.as_ref().is_none_or(|spec| spec.opaque.is_none()) {
        let message = format!("`{path}.keys`: without keys, no token of the issuer can be proven");
        let finding = Diagnostic::error(codes::BAD_VALUE, message).at(key.span);
        diagnostics.push(
            finding.help("`keys: none` is for issuers of opaque tokens: `introspect: {…, opaque: true}`"),
        );
    }
    let discover = keys == Some(KeyLocation::Discover);
    let url = url.and_then(|node| issuer_url(node, &path, discover, env, diagnostics));
    let feed = feed.read((key, profile, keys.as_ref()), (url.as_ref(), &path, directory), diagnostics);
    let url = url?;

    let trust = match audience? {
        Audiences::Any => TrustedIssuer::with_any_audience(url.value),
        Audiences::OneOf(audiences) => TrustedIssuer::new(url.value, audiences).ok()?,
    };
    let mut trust = trust.mapping(mapping).dpop(dpop).mtls(mtls.map_or(Binding::Off, |mtls| mtls.value));
    trust = trust.types(match types {
        Some(types) => types?,
        None => profile.map_or(TokenTypes::ALL, |profile| profile.types),
    });
    if let Some(telltale) = profile.and_then(|profile| profile.telltale) {
        trust = trust.telltale(telltale);
    }
    if let Some(claim) = profile.and_then(|profile| profile.audience_claim) {
        trust = trust.audience_claim(claim);
    }
    trust = trust.algorithms(algorithms?).ok()?;
    if profile.is_some_and(|profile| profile.is_rfc9068) {
        trust = trust.rfc9068();
    }
    if let Some(leeway) = leeway {
        trust = trust.leeway(u32::try_from(Duration::as_secs(&leeway.value)).ok()?).ok()?;
    }
    let profile = profile.map(|profile| profile.name);
    let permissions_from = permissions_from.map(|from| check_union(from, diagnostics));
    Some((
        IssuerSpec {
            name: key.text.clone(),
            trust,
            keys: keys?,
            keys_max_stale: max_stale,
            introspect,
            feed,
            dpop_nonce,
            profile,
            permissions_from,
        },
        url.span,
    ))
}

/// Flags the choice that gives back what an issuer took away.
pub(super) fn check_union(from: Spanned<PermissionsFrom>, diagnostics: &mut Diagnostics) -> PermissionsFrom {
    if from.value == PermissionsFrom::Union {
        let message = "roles give back the permissions that the issuer took away";
        let finding = Diagnostic::warning(codes::UNION, message).at(from.span);
        diagnostics.push(finding.help("write `token_else_role`, or `role` if the token's are of no use"));
    }
    from.value
}

fn find_profile(name: &Spanned<&str>, diagnostics: &mut Diagnostics) -> Option<&'static Profile> {
    let found = profiles::find(name.value);
    if found.is_none() {
        let names = || profiles::ALL.iter().map(|profile| profile.name);
        let message = format!("there is no profile `{}`", name.value);
        let finding = Diagnostic::error(codes::BAD_VALUE, message).help(match closest(name.value, names()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("the profiles are {}", names().collect::<Vec<_>>().join(", ")),
        });
        diagnostics.push(finding.at(name.span));
    }
    found
}

fn issuer_url(
    node: &Node,
    path: &str,
    discover: bool,
    env: Environment<'_>,
    diagnostics: &mut Diagnostics,
) -> Option<Spanned<IssuerUrl>> {
    let text = Field::of(node, &format!("{path}.issuer"), diagnostics).text()?;
    let text = environment::expand(node, text.value, env, diagnostics)?;
    let problem = match address::check(&text.value) {
        Err(AddressError::Insecure) => Some(insecure(&text.value)),
        // Some issuers have names that are no addresses; then their keys must have one.
        Err(AddressError::NotAnAddress) if discover => {
            let message = format!("`{}` is no address whose keys could be discovered", text.value);
            Some(
                Diagnostic::error(codes::BAD_VALUE, message)
                    .help("write an https URL, or say where the keys are: `keys: {jwks_uri: https://…}`"),
            )
        }
        Ok(()) if discover && text.value.contains('?') => {
            let message = format!("`{}` has a query, so nothing can be discovered there", text.value);
            Some(
                Diagnostic::error(codes::BAD_VALUE, message)
                    .help("say where the keys are: `keys: {jwks_uri: https://…}`"),
            )
        }
        _ => None,
    };
    if let Some(problem) = problem {
        diagnostics.push(problem.at(text.span));
        return None;
    }
    match IssuerUrl::parse(&text.value) {
        Ok(url) => Some(Spanned { value: url, span: text.span }),
        Err(error) => {
            let message = format!("`{path}.issuer` {error}");
            diagnostics.push(Diagnostic::error(codes::BAD_VALUE, message).at(text.span));
            None
        }
    }
}

pub(super) fn insecure(url: &str) -> Diagnostic {
    let help =
        format!("write `{}`; only loopback addresses may use http", url.replacen("http://", "https://", 1));
    Diagnostic::error(codes::INSECURE_URL, format!("`{url}` is not protected by https")).help(help)
}

enum Audiences {
    Any,
    OneOf(Vec<String>),
}

fn audiences(
    node: Option<&Node>,
    key: &Key,
    path: &str,
    env: Environment<'_>,
    diagnostics: &mut Diagnostics,
) -> Option<Audiences> {
    let no_audience = |message: String, span: Span| {
        Diagnostic::error(codes::NO_AUDIENCE, message).at(span).help(
            "without one, tokens made for other services are accepted: write `audience: my-api`, the name of this one",
        )
    };
    let Some(node) = node else {
        diagnostics.push(no_audience(format!("the issuer `{}` has no `audience`", key.text), key.span));
        return None;
    };
    let path = format!("{path}.audience");
    if node.text() == Some("any") {
        let finding = Diagnostic::warning(codes::ANY_AUDIENCE, "tokens made for other services are accepted");
        diagnostics
            .push(finding.at(node.span).help("name the audience of this service, if the issuer writes one"));
        return Some(Audiences::Any);
    }
    let before = diagnostics.errors();
    let mut audiences = Vec::new();
    for (text, item) in texts(node, &path, diagnostics) {
        let Some(text) = environment::expand(item, text, env, diagnostics) else { continue };
        if text.value.is_empty() {
            diagnostics.push(no_audience(format!("`{path}` is empty"), item.span));
        } else if text.value == "any" {
            let finding = Diagnostic::error(codes::BAD_VALUE, format!("`{path}`: `any` stands alone"));
            diagnostics.push(finding.at(item.span).help("write `audience: any`, or leave it away"));
        } else {
            audiences.push(text.value);
        }
    }
    if diagnostics.errors() > before {
        return None;
    }
    if audiences.is_empty() && node.value != Value::Refused {
        diagnostics.push(no_audience(format!("`{path}` is empty"), node.span));
        return None;
    }
    Some(Audiences::OneOf(audiences))
}
