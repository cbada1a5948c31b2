//! The section `authenticators:`: callers that prove themselves without a token, for rules `via(x)`.

use std::{path::Path, time::Duration};

use orgate_claims::{
    AuthenticationMethod, IssuerUrl, Organization, OrganizationId, Permission, Principal, RoleName, Slug,
    SubjectId,
};
use orgate_verify::authenticator::WebhookScheme;

use super::{
    claims::Renamed,
    options,
    profiles::Slot,
    secrets::{self, SecretSource},
    texts,
};
use crate::{
    codes,
    diagnostic::{Diagnostic, Diagnostics},
    document::{Key, MapReader, Node, Spanned},
};

/// The most authenticators of one policy.
pub(super) const MAX_AUTHENTICATORS: usize = 64;
/// What a webhook's body may have if nothing is said: 1 MiB.
const MAX_BODY: usize = 1024 * 1024;
/// How far the time of a delivery may be from now if nothing is said.
const TOLERANCE: Duration = Duration::from_secs(300);

/// One entry under `authenticators:`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AuthenticatorSpec {
    /// Its name, as rules call it.
    pub name: Box<str>,
    /// How it proves a caller.
    pub kind: AuthenticatorKind,
    /// Who the caller then is.
    pub principal: Principal,
}

/// How an authenticator proves a caller. Exhaustive on purpose: a gate must enforce all of them.
#[derive(Clone, Debug)]
pub enum AuthenticatorKind {
    /// By the signature over the body of a webhook delivery.
    Webhook {
        /// Whose form the signature has.
        scheme: WebhookScheme,
        /// Where the secrets are; each of them is good.
        secrets: Vec<SecretSource>,
        /// How far the time of a delivery may be from now, in seconds.
        tolerance: u32,
        /// The largest body that is read, in bytes.
        max_body: usize,
    },
    /// By a static key in a header.
    ApiKey {
        /// The header, in lower case.
        header: String,
        /// Where the SHA-256 sums of the keys are; each of them is good.
        sha256: Vec<SecretSource>,
    },
}

/// What the section says.
#[derive(Debug, Default)]
pub(super) struct Authenticators {
    pub(super) authenticators: Vec<AuthenticatorSpec>,
    /// The names of all that are written, sound or not, so that a rule is not blamed for its authenticator.
    pub(super) names: Vec<Box<str>>,
    /// Names of the vocabulary that were used.
    pub(super) named: Vec<Renamed>,
}

pub(super) fn read(node: Option<&Node>, directory: &Path, diagnostics: &mut Diagnostics) -> Authenticators {
    let mut read = Authenticators::default();
    let Some(node) = node else { return read };
    let entries = super::named(node, "authenticators", "a map from names to authenticators", diagnostics);
    let entries = entries.filter(|(key, _)| !key.text.starts_with("x-"));
    let count = entries.clone().count();
    if count > MAX_AUTHENTICATORS {
        let message =
            format!("the policy has {count} authenticators; at most {MAX_AUTHENTICATORS} are allowed");
        diagnostics.push(Diagnostic::error(codes::TOO_MANY, message).at(node.span));
        read.names.extend(entries.map(|(key, _)| key.text.as_str().into()));
        return read;
    }
    for (key, node) in entries {
        if !is_name(&key.text) {
            let message = format!("`{}` is no name of an authenticator", key.text);
            let finding = Diagnostic::error(codes::BAD_NAME, message);
            diagnostics
                .push(finding.at(key.span).help("letters, digits, `_` and `-` fit, at most 64 of them"));
            continue;
        }
        read.names.push(key.text.as_str().into());
        let authenticator = authenticator(key, node, directory, &mut read.named, diagnostics);
        read.authenticators.extend(authenticator);
    }
    read
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.len() <= 64
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

fn authenticator(
    key: &Key,
    node: &Node,
    directory: &Path,
    named: &mut Vec<Renamed>,
    diagnostics: &mut Diagnostics,
) -> Option<AuthenticatorSpec> {
    let path = format!("authenticators.{}", key.text);
    let mut map = MapReader::new(node, &path, diagnostics)?.at(key.span);
    let method = map
        .required("type")
        .one_of(&[("webhook", AuthenticationMethod::Webhook), ("api_key", AuthenticationMethod::ApiKey)])?;
    let name: Box<str> = key.text.as_str().into();
    let (kind, caller) = if method.value == AuthenticationMethod::Webhook {
        (webhook(map, &path, directory), None)
    } else {
        let (kind, caller) = api_key(map, &path, directory);
        (kind, caller)
    };
    let caller = caller.map(|node| self::caller(node, &path, named, diagnostics)).unwrap_or_default();
    let principal = principal(&name, method.value, caller)?;
    Some(AuthenticatorSpec { name, kind: kind?, principal })
}

fn webhook(mut map: MapReader<'_, '_>, path: &str, directory: &Path) -> Option<AuthenticatorKind> {
    let scheme = map.required("scheme").one_of(&[
        ("stripe", WebhookScheme::Stripe),
        ("standard-webhooks", WebhookScheme::StandardWebhooks),
        ("github", WebhookScheme::GitHub),
    ]);
    let secret = map.required("secret").node();
    // Longer than a day nobody needs, and shorter than two clocks differ would refuse good deliveries.
    let tolerance = map.optional("tolerance").duration(5..=24 * 60 * 60);
    let max_body = map.optional("max_body").text();
    let diagnostics = map.diagnostics();
    let secrets = secret
        .map(|node| secrets::sources(node, &format!("{path}.secret"), directory, diagnostics))
        .unwrap_or_default();
    let max_body = match max_body {
        Some(text) => size(&text, &format!("{path}.max_body"), diagnostics),
        None => Some(MAX_BODY),
    };
    if let (Some(scheme), Some(tolerance)) = (&scheme, &tolerance)
        && scheme.value == WebhookScheme::GitHub
    {
        let message = format!("`{path}.tolerance` has no effect: GitHub signs no time");
        diagnostics
            .push(Diagnostic::error(codes::BAD_VALUE, message).at(tolerance.span).help("leave it away"));
    }
    map.finish();
    let tolerance = tolerance.map_or(TOLERANCE, |tolerance| tolerance.value).as_secs();
    Some(AuthenticatorKind::Webhook {
        scheme: scheme?.value,
        secrets,
        tolerance: u32::try_from(tolerance).ok()?,
        max_body: max_body?,
    })
}

fn api_key<'n>(
    mut map: MapReader<'n, '_>,
    path: &str,
    directory: &Path,
) -> (Option<AuthenticatorKind>, Option<&'n Node>) {
    let header = map.required("header").node();
    let sha256 = map.required("sha256").node();
    let caller = map.required("as").node();
    let diagnostics = map.diagnostics();
    let sha256 = sha256
        .map(|node| secrets::sources(node, &format!("{path}.sha256"), directory, diagnostics))
        .unwrap_or_default();
    let header = header.and_then(|node| {
        let name = options::header_name(node, &format!("{path}.header"), diagnostics)?;
        if options::TAKEN_HEADERS.contains(&&*name) {
            let message = format!("a key cannot travel alone in `{name}`");
            let finding = Diagnostic::error(codes::BAD_VALUE, message).at(node.span);
            diagnostics.push(finding.help("choose a header of its own, such as `x-api-key`"));
            return None;
        }
        Some(name)
    });
    map.finish();
    (header.map(|header| AuthenticatorKind::ApiKey { header, sha256 }), caller)
}

/// What `as:` says.
#[derive(Debug, Default)]
struct Caller {
    subject: Option<SubjectId>,
    organization: Option<OrganizationId>,
    slug: Option<Slug>,
    roles: Vec<RoleName>,
    permissions: Option<Vec<Permission>>,
}

fn caller(node: &Node, path: &str, named: &mut Vec<Renamed>, diagnostics: &mut Diagnostics) -> Caller {
    let path = format!("{path}.as");
    let Some(mut map) = MapReader::new(node, &path, diagnostics) else { return Caller::default() };
    let subject = map.optional("sub").text();
    let organization = map.optional("org.id").text();
    let slug = map.optional("org.slug").text();
    let role = map.optional("role").node();
    let permissions = map.optional("permissions").node();
    map.finish();
    if let (Some(slug), None) = (&slug, &organization) {
        let finding =
            Diagnostic::error(codes::MISSING_KEY, format!("`{path}` has an `org.slug` and no `org.id`"));
        diagnostics.push(finding.at(slug.span));
    }
    let roles = words(role, &path, "role", Slot::Role, named, diagnostics).unwrap_or_default();
    let permissions = words(permissions, &path, "permissions", Slot::Permissions, named, diagnostics);
    Caller {
        subject: name(subject, &path, "sub", SubjectId::parse, diagnostics),
        organization: name(organization, &path, "org.id", OrganizationId::parse, diagnostics),
        slug: name(slug, &path, "org.slug", Slug::parse, diagnostics),
        // What is no name of the vocabulary is reported as unknown.
        roles: roles.iter().filter_map(|name| RoleName::parse(name).ok()).collect(),
        permissions: permissions
            .map(|names| names.iter().filter_map(|name| Permission::parse(name).ok()).collect()),
    }
}

/// Names of the vocabulary, noted to be looked up in it.
fn words<'n>(
    node: Option<&'n Node>,
    path: &str,
    key: &str,
    slot: Slot,
    named: &mut Vec<Renamed>,
    diagnostics: &mut Diagnostics,
) -> Option<Vec<&'n str>> {
    let texts = texts(node?, &format!("{path}.{key}"), diagnostics);
    named.extend(texts.iter().map(|(name, item)| Renamed {
        slot,
        name: (*name).to_owned(),
        span: item.span,
    }));
    Some(texts.into_iter().map(|(name, _)| name).collect())
}

fn name<T, E: std::fmt::Display>(
    text: Option<Spanned<&str>>,
    path: &str,
    key: &str,
    parse: impl Fn(&str) -> Result<T, E>,
    diagnostics: &mut Diagnostics,
) -> Option<T> {
    let text = text?;
    parse(text.value)
        .map_err(|error| {
            let finding = Diagnostic::error(codes::BAD_VALUE, format!("`{path}.{key}` {error}"));
            diagnostics.push(finding.at(text.span));
        })
        .ok()
}

/// Whoever is proven this way. Its issuer is the authenticator itself, so that nobody takes it for a person of a real
/// issuer.
fn principal(name: &str, method: AuthenticationMethod, caller: Caller) -> Option<Principal> {
    let issuer = IssuerUrl::parse(&format!("urn:orgate:authenticator:{name}")).ok()?;
    let subject = match caller.subject {
        Some(subject) => subject,
        None => SubjectId::parse(&format!("{}:{name}", method.as_str())).ok()?,
    };
    let organization = caller.organization.map(|id| Organization::new(id, caller.slug));
    let principal = Principal::builder(issuer, subject)
        .organization(organization)
        .roles(caller.roles)
        .permissions(caller.permissions)
        .authentication_method(method);
    Some(principal.build())
}

/// `64KiB`, `1MiB`.
fn size(text: &Spanned<&str>, path: &str, diagnostics: &mut Diagnostics) -> Option<usize> {
    let units = [("KiB", 1024), ("MiB", 1024 * 1024)];
    let found = units.iter().find_map(|(unit, bytes)| {
        let number = text.value.strip_suffix(unit)?;
        let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        number.parse::<usize>().ok().filter(|_| digits)?.checked_mul(*bytes)
    });
    if let Some(size) = found.filter(|size| (1024..=32 * 1024 * 1024).contains(size)) {
        return Some(size);
    }
    let message = format!("`{path}`: expected a size from 1KiB to 32MiB, found `{}`", text.value);
    diagnostics.push(Diagnostic::error(codes::BAD_VALUE, message).at(text.span).help("write it as `1MiB`"));
    None
}
