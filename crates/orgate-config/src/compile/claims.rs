//! Which claims of an issuer's tokens mean what: the profile, and what `claims:` says instead, slot by slot.

use orgate_verify::{ClaimMapping, ClaimRef, ClaimSource, MappingError, Pick};

use super::{
    named,
    profiles::{Profile, Slot, Source},
    texts,
};
use crate::{
    codes,
    diagnostic::{Diagnostic, Diagnostics},
    document::{self, MapReader, Node, Span, Value, closest},
};

/// A name that a mapping gives to what a token calls otherwise; it must be declared.
#[derive(Debug)]
pub(super) struct Renamed {
    pub(super) slot: Slot,
    pub(super) name: String,
    pub(super) span: Span,
}

/// The mapping of an issuer. Problems are reported.
pub(super) fn mapping(
    profile: Option<&Profile>,
    overrides: Option<&Node>,
    path: &str,
    renamed: &mut Vec<Renamed>,
    diagnostics: &mut Diagnostics,
) -> ClaimMapping {
    let mut mapping = match profile {
        Some(profile) if profile.sources.is_none() => ClaimMapping::orgate(),
        _ => ClaimMapping::none(),
    };
    for source in profile.and_then(|profile| profile.sources).unwrap_or_default() {
        if let Some(filled) =
            of_profile(source).and_then(|built| fill(mapping.clone(), source.slot, built).ok())
        {
            mapping = filled;
        }
    }
    let Some(node) = overrides else { return mapping };
    let path = format!("{path}.claims");
    for (key, value) in named(node, &path, "a map from slots to claims", diagnostics) {
        let Some((name, slot)) = Slot::ALL.iter().find(|(name, _)| *name == key.text) else {
            if !key.text.starts_with("x-") {
                let names = Slot::ALL.map(|(name, _)| name);
                let help = match closest(&key.text, names) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => format!("the slots are {}", names.join(", ")),
                };
                let finding =
                    Diagnostic::error(codes::UNKNOWN_KEY, format!("`{}` is no slot of a caller", key.text));
                diagnostics.push(finding.at(key.span).help(help));
            }
            continue;
        };
        let path = format!("{path}.{name}");
        let Some(source) = written(value, *slot, &path, renamed, diagnostics) else { continue };
        match fill(mapping.clone(), *slot, source) {
            Ok(filled) => mapping = filled,
            Err(error) => {
                let finding = Diagnostic::error(codes::BAD_VALUE, format!("`{path}`: {error}"));
                diagnostics.push(finding.at(value.span));
            }
        }
    }
    mapping
}

fn fill(mapping: ClaimMapping, slot: Slot, source: ClaimSource) -> Result<ClaimMapping, MappingError> {
    match slot {
        Slot::Subject => mapping.subject(source),
        Slot::OrganizationId => mapping.organization_id(source),
        Slot::OrganizationSlug => mapping.organization_slug(source),
        Slot::Role => mapping.roles(source),
        Slot::Permissions => mapping.permissions(source),
    }
}

fn of_profile(source: &Source) -> Option<ClaimSource> {
    let from = source.from.iter().map(|name| ClaimRef::parse(name).ok()).collect::<Option<Vec<_>>>()?;
    let mut built = ClaimSource::new(from);
    if let Some(prefix) = source.strip {
        built = built.strip(prefix);
    }
    if let Some(separator) = source.split {
        built = built.split(separator);
    }
    if let Some(pick) = source.pick {
        built = built.pick(pick_of(pick));
    }
    Some(built)
}

fn pick_of(text: &str) -> Pick {
    if text == "keys" { Pick::Keys } else { Pick::Member(text.into()) }
}

/// A slot as written: a claim, a list of claims, or a map with everything.
fn written(
    node: &Node,
    slot: Slot,
    path: &str,
    renamed: &mut Vec<Renamed>,
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
        source = source.pick(pick_of(pick.value));
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
        renamed.extend(names.iter().map(|(name, node)| Renamed {
            slot,
            name: (*name).to_owned(),
            span: node.span,
        }));
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
