//! Which claims of an issuer's tokens mean what: the profile, and what `claims:` says instead, slot by slot.

use orgate_policy::{ClaimUse, PolicySpec};
use orgate_verify::{ClaimKind, ClaimMapping, ClaimRef, ClaimSource, MappingError, Pick};

use super::{
    issuers::Issuers,
    named,
    profiles::{Profile, Slot},
    texts,
};
use crate::{
    codes,
    diagnostic::{Diagnostic, Diagnostics},
    document::{self, Key, MapReader, Node, Span, Value, closest},
};

/// A name that a mapping gives to what a token calls otherwise; it must be declared.
#[derive(Debug)]
pub(super) struct Renamed {
    pub(super) slot: Slot,
    pub(super) name: String,
    pub(super) span: Span,
}

/// A claim that an issuer declares under `claims.REF`, for rules that compare it.
#[derive(Debug)]
pub(super) struct Named {
    issuer: String,
    reference: String,
    source: ClaimSource,
    span: Span,
}

/// What the mapping of one issuer brings along, to be judged with the rest of the policy.
pub(super) struct Found<'f> {
    issuer: &'f str,
    renamed: &'f mut Vec<Renamed>,
    named: &'f mut Vec<Named>,
}

impl<'f> Found<'f> {
    pub(super) fn new(issuer: &'f str, renamed: &'f mut Vec<Renamed>, named: &'f mut Vec<Named>) -> Self {
        Self { issuer, renamed, named }
    }
}

/// The mapping of an issuer. Problems are reported.
pub(super) fn mapping(
    profile: Option<&Profile>,
    overrides: Option<&Node>,
    path: &str,
    found: &mut Found<'_>,
    diagnostics: &mut Diagnostics,
) -> ClaimMapping {
    let mut mapping = profile.map_or_else(ClaimMapping::none, Profile::mapping);
    let Some(node) = overrides else { return mapping };
    let path = format!("{path}.claims");
    for (key, value) in named(node, &path, "a map from slots to claims", diagnostics) {
        if let Some(reference) = key.text.strip_prefix("claims.") {
            declare(key, reference, value, &path, found, diagnostics);
            continue;
        }
        let Some((name, slot)) = Slot::ALL.iter().find(|(name, _)| *name == key.text) else {
            if !key.text.starts_with("x-") {
                diagnostics.push(no_slot(key));
            }
            continue;
        };
        let path = format!("{path}.{name}");
        let renamed =
            |name: &str, span| found.renamed.push(Renamed { slot: *slot, name: name.to_owned(), span });
        let Some(source) = written(value, &path, renamed, diagnostics) else { continue };
        match slot.fill(mapping.clone(), source) {
            Ok(filled) => mapping = filled,
            Err(error) => diagnostics.push(unfit(&path, &error, value.span)),
        }
    }
    mapping
}

fn no_slot(key: &Key) -> Diagnostic {
    let names = Slot::ALL.map(|(name, _)| name);
    let help = match closest(&key.text, names) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("the slots are {}, and `claims.` with a name of your own", names.join(", ")),
    };
    Diagnostic::error(codes::UNKNOWN_KEY, format!("`{}` is no slot of a caller", key.text))
        .at(key.span)
        .help(help)
}

fn unfit(path: &str, error: &MappingError, span: Span) -> Diagnostic {
    Diagnostic::error(codes::BAD_VALUE, format!("`{path}`: {error}")).at(span)
}

/// Keeps a declaration of `claims.REF` until it is known what the rules do with it.
fn declare(
    key: &Key,
    reference: &str,
    value: &Node,
    path: &str,
    found: &mut Found<'_>,
    diagnostics: &mut Diagnostics,
) {
    let fits = ClaimRef::parse(reference).is_ok() && !reference.contains([' ', ',', '(', ')']);
    if !fits {
        let message = format!("`{}` is nothing that a rule could compare", key.text);
        let finding = Diagnostic::error(codes::BAD_NAME, message).at(key.span);
        diagnostics.push(finding.help("write `claims.` and a name, without spaces, commas and parentheses"));
        return;
    }
    let path = format!("{path}.{}", key.text);
    // What a rename makes of a claim is a value, not a name that somebody else declares.
    if let Some(source) = written(value, &path, |_, _| (), diagnostics) {
        found.named.push(Named {
            issuer: found.issuer.to_owned(),
            reference: reference.to_owned(),
            source,
            span: key.span,
        });
    }
}

/// The claims that rules compare, each with how; one that no token could have is reported.
pub(super) fn compared(
    spec: &PolicySpec,
    start: Span,
    diagnostics: &mut Diagnostics,
) -> Vec<(String, ClaimKind)> {
    let mut compared = Vec::new();
    for (reference, how) in spec.claims() {
        if let Err(error) = ClaimRef::parse(&reference) {
            let message = format!("`claims.{reference}` names no claim: {error}");
            diagnostics.push(Diagnostic::error(codes::BAD_VALUE, message).at(start));
            continue;
        }
        let kind = match how {
            ClaimUse::Scalar => ClaimKind::Scalar,
            ClaimUse::Set => ClaimKind::Set,
        };
        compared.push((reference, kind));
    }
    compared
}

/// Keeps in every issuer's mapping the claims that rules compare: as the issuer declares them, or else the claim of that
/// name. `compared` says of each whether it is compared as one value or asked what it holds.
pub(super) fn add_named_claims(
    issuers: &mut Issuers,
    compared: &[(String, ClaimKind)],
    diagnostics: &mut Diagnostics,
) {
    let Issuers { issuers, named, .. } = issuers;
    for issuer in issuers.iter_mut() {
        let mut mapping = issuer.trust.claim_mapping().clone();
        for (reference, kind) in compared {
            let declared =
                named.iter().find(|named| named.issuer == issuer.name && named.reference == *reference);
            let source = match (declared, ClaimRef::parse(reference)) {
                (Some(named), _) => named.source.clone(),
                (None, Ok(claim)) => ClaimSource::new(vec![claim]),
                (None, Err(_)) => continue, // reported where the rule was read
            };
            match (mapping.clone().claim(reference, *kind, source), declared) {
                (Ok(filled), _) => mapping = filled,
                (Err(error), Some(named)) => {
                    let path = format!("issuers.{}.claims.claims.{reference}", issuer.name);
                    diagnostics.push(unfit(&path, &error, named.span));
                }
                (Err(_), None) => {}
            }
        }
        issuer.trust = issuer.trust.clone().mapping(mapping);
    }
    for named in named.iter().filter(|named| compared.iter().all(|(name, _)| *name != named.reference)) {
        let message = format!("no rule compares `claims.{}`", named.reference);
        let finding = Diagnostic::warning(codes::UNUSED_CLAIM, message).at(named.span);
        let names = compared.iter().map(|(name, _)| name.as_str());
        diagnostics.push(finding.help(match closest(&named.reference, names) {
            Some(meant) => format!("did you mean `claims.{meant}`?"),
            None => "leave it away, or compare it in a rule or a condition".to_owned(),
        }));
    }
}

/// A slot as written: a claim, a list of claims, or a map with everything.
fn written(
    node: &Node,
    path: &str,
    mut renamed: impl FnMut(&str, Span),
    diagnostics: &mut Diagnostics,
) -> Option<ClaimSource> {
    if node.entries().is_none() {
        return Some(ClaimSource::new(references(node, path, diagnostics)?));
    }
    let mut map = MapReader::new(node, path, diagnostics)?;
    let from = map.required("from").node();
    let strip = map.optional("strip").text();
    let split = map.optional("split").text();
    let pick = map.optional("pick").text();
    let rename = map.optional("rename").node();
    let optional = map.optional("optional").boolean();
    let required = map.optional("required").boolean();
    map.finish();
    let mut source = ClaimSource::new(references(from?, path, diagnostics)?);
    if let Some(strip) = strip {
        source = source.strip(strip.value);
    }
    if let Some(split) = split {
        source = source.split(split.value);
    }
    if let Some(pick) = pick {
        source = source.pick(match pick.value {
            "keys" => Pick::Keys,
            member => Pick::Member(member.into()),
        });
    }
    if let Some(required) = required.filter(|required| required.value) {
        if optional.is_some_and(|optional| optional.value) {
            let message = format!("`{path}` is both `optional` and `required`");
            diagnostics.push(Diagnostic::error(codes::BAD_VALUE, message).at(required.span));
        }
        source = source.required();
    }
    let Some(rename) = rename else { return Some(source) };
    let path = format!("{path}.rename");
    for (key, value) in named(rename, &path, "a map from one name to others", diagnostics) {
        let names = texts(value, &path, diagnostics);
        names.iter().for_each(|(name, node)| renamed(name, node.span));
        source = source.rename(&key.text, names.iter().map(|(name, _)| *name));
    }
    Some(source)
}

/// One claim reference or several.
fn references(node: &Node, path: &str, diagnostics: &mut Diagnostics) -> Option<Vec<ClaimRef>> {
    if !matches!(node.value, Value::Text(_) | Value::List(_)) {
        document::wrong_kind(
            node,
            path,
            "the name of a claim, a list of them, or a map with `from`",
            diagnostics,
        );
        return None;
    }
    let before = diagnostics.errors();
    let names = texts(node, path, diagnostics);
    let mut references = Vec::with_capacity(names.len());
    for (name, node) in names {
        match ClaimRef::parse(name) {
            Ok(reference) => references.push(reference),
            Err(error) => {
                diagnostics
                    .push(Diagnostic::error(codes::BAD_VALUE, format!("`{path}`: {error}")).at(node.span));
            }
        }
    }
    (diagnostics.errors() == before).then_some(references)
}
