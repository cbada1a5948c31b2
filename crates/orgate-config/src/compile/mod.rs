//! From the tree of a policy file to what is enforced.
//!
//! Each section is one file. All of them are read before anything is judged, so that every problem is reported at once.

mod address;
mod authenticators;
mod claims;
mod cors;
mod development;
mod environment;
mod exchange;
mod feed;
mod identity;
mod include;
mod issuers;
mod key_life;
mod limits;
mod lint;
mod mode;
mod options;
mod profiles;
mod rates;
mod resource;
mod rules;
mod secrets;
mod sender;
mod signing;
mod sources;
mod version;
mod vocabulary;

use std::{cell::RefCell, path::Path};

use orgate_policy::PolicySpec;

pub use self::{
    authenticators::{AuthenticatorKind, AuthenticatorSpec},
    cors::{CorsAnswer, Preflight},
    development::{AUDIENCE as DEVELOPMENT_AUDIENCE, ISSUER as DEVELOPMENT_ISSUER},
    exchange::{ExchangeSpec, IntrospectSpec, OpaqueSpec},
    feed::{FeedSpec, OnStale},
    include::included,
    lint::Lints,
    mode::{Mode, Until},
    resource::ResourceSpec,
    secrets::{SecretSource, SecretUnreadable},
    sender::NonceSource,
};

use crate::{
    diagnostic::{Diagnostics, Span},
    digest,
    document::{self, MapReader, Node, Value},
    file::PolicyFile,
    files::{Directory, Files},
};

/// The names that `profile:` of an issuer can have.
pub fn profile_names() -> impl Iterator<Item = &'static str> {
    profiles::ALL.iter().map(|profile| profile.name)
}

/// Checks and compiles a policy that was read from somewhere; `name` is what findings call it, and relative key files
/// and the files that it includes are looked for beside it. `env` looks up environment variables for `${NAME}`.
///
/// # Errors
/// Every finding, if one of them is an error.
pub fn compile(
    name: &str,
    bytes: &[u8],
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<PolicyFile, Diagnostics> {
    compile_with(name, bytes, env, &Directory::of(Path::new(name)))
}

/// As [`compile`], with the files that the policy includes from wherever `files` has them.
///
/// # Errors
/// Every finding, if one of them is an error.
pub fn compile_with(
    name: &str,
    bytes: &[u8],
    env: &dyn Fn(&str) -> Option<String>,
    files: &dyn Files,
) -> Result<PolicyFile, Diagnostics> {
    compile_trusting(&include::Surroundings { name, files }, bytes, env, None)
}

/// As [`compile`], with the development issuer besides those of the file.
pub(crate) fn compile_for_development(
    name: &str,
    bytes: &[u8],
    env: &dyn Fn(&str) -> Option<String>,
    jwks: &str,
) -> Result<PolicyFile, Diagnostics> {
    let files = Directory::of(Path::new(name));
    compile_trusting(&include::Surroundings { name, files: &files }, bytes, env, Some(jwks))
}

fn compile_trusting(
    around: &include::Surroundings<'_>,
    bytes: &[u8],
    env: &dyn Fn(&str) -> Option<String>,
    development: Option<&str>,
) -> Result<PolicyFile, Diagnostics> {
    let mut diagnostics = Diagnostics::new();
    let mut lints = Lints::default();
    let looked_up = RefCell::new(Vec::new());
    let recorded = |name: &str| {
        let value = env(name);
        looked_up.borrow_mut().extend(value.clone().map(|value| (name.to_owned(), value)));
        value
    };
    let file = read(around, bytes, &recorded, development, (&mut lints, &mut diagnostics));
    // Findings are printed in places where the values of variables are nobody's business.
    diagnostics.conceal(&looked_up.into_inner());
    lints.apply(&mut diagnostics);
    diagnostics.sort();
    match file {
        Some(mut file) if !diagnostics.has_errors() => {
            file.lints = lints;
            file.warnings = diagnostics;
            Ok(file)
        }
        _ => Err(diagnostics),
    }
}

fn read(
    around: &include::Surroundings<'_>,
    bytes: &[u8],
    env: &dyn Fn(&str) -> Option<String>,
    development: Option<&str>,
    (lints, diagnostics): (&mut Lints, &mut Diagnostics),
) -> Option<PolicyFile> {
    let mut bounds = limits::Bounds::new();
    let root = bounds.read(around.name, bytes, diagnostics).filter(|_| !diagnostics.is_enough())?;
    let mut map = MapReader::new(&root, "", diagnostics)?;
    if !version::check(&mut map) {
        return None;
    }
    environment::check_places(&root, diagnostics);
    let patterns = root.get("include").map(written).unwrap_or_default();
    let root = include::resolve(root, around, (bytes.len(), &mut bounds), diagnostics)?;
    if diagnostics.is_enough() {
        return None;
    }
    let mut map = MapReader::new(&root, "", diagnostics)?;
    pass_over(&mut map);
    let directory = Path::new(around.name).parent().unwrap_or(Path::new(""));
    let start = Span { end_line: map.span().line, end_column: map.span().column, ..map.span() };
    let mut sections = rules::Sections {
        issuers: map.optional("issuers").node(),
        permissions: map.optional("permissions").node(),
        roles: map.optional("roles").entry(),
        bind: map.optional("bind").node(),
        conditions: map.optional("conditions").node(),
        rules: map.optional("rules").entry(),
        start,
        ..rules::Sections::default()
    };
    let authenticators = map.optional("authenticators").node();
    let cors = map.optional("cors").node();
    let mode = mode::Written::of(&mut map);
    let from = map.optional("permissions_from").one_of(&rules::PERMISSIONS_FROM);
    sections.permissions_from = from.map(|from| issuers::check_union(from, map.diagnostics()));
    let token = map.optional("token").node();
    let identity = map.optional("identity").node();
    let deny = map.optional("deny").node();
    let lint = map.optional("lint").node();
    let resource = map.optional("resource").node();
    let paths = map.optional("paths").node();
    map.finish();
    if !limits::check_entries(&sections, diagnostics) {
        return None;
    }

    *lints = Lints::read(lint, sections.rules.map(|(_, node)| node), diagnostics);
    let authenticators = authenticators::read(authenticators, directory, diagnostics);
    let mut read = issuers::read(sections.issuers, directory, env, diagnostics);
    read.renamed.extend(authenticators.named);
    if let Some(jwks) = development {
        development::add(&mut read, jwks);
    }
    let token = options::token(token, env, diagnostics);
    let identity = identity::read(identity, env, diagnostics);
    let (deny, redirect) = options::deny(deny, diagnostics);
    let cors = cors::read(cors, env, diagnostics);
    let resource = resource::read(resource, env, diagnostics);
    let mode = mode.read(diagnostics);
    sections.hide = deny.hide;
    let method_override;
    (sections.paths, sections.normalize, method_override) = options::paths(paths, diagnostics);
    let mut spec = rules::read(&sections, &read, diagnostics);
    spec.authenticators = authenticators.names;
    exchange::check_live(&spec, &read, diagnostics);
    rates::check(&spec, &authenticators.authenticators, diagnostics);
    if diagnostics.is_enough() || !limits::check(&spec, &sections, diagnostics) {
        return None;
    }
    if diagnostics.has_errors() && spec.rules.len() > PolicySpec::MANY_RULES {
        diagnostics.leave_off();
        return None;
    }
    let compared = claims::compared(&spec, start, diagnostics);
    let policy = rules::compile(spec, &sections, &read, diagnostics)?;
    claims::add_named_claims(&mut read, &compared, diagnostics);
    let digest = digest::of(&root);
    let warnings = Diagnostics::new();
    Some(PolicyFile {
        policy,
        issuers: read.issuers,
        authenticators: authenticators.authenticators,
        token,
        identity,
        deny,
        redirect,
        cors,
        resource,
        mode,
        lints: Lints::default(),
        method_override,
        include: patterns,
        digest,
        warnings,
    })
}

/// Keys that were read before.
fn pass_over(map: &mut MapReader<'_, '_>) {
    for read in ["version", "min_orgate"] {
        let _ = map.optional(read).node();
    }
}

/// Reads a map whose keys are names that the file chooses.
fn named<'n>(
    node: &'n Node,
    path: &str,
    wanted: &str,
    diagnostics: &mut Diagnostics,
) -> impl Iterator<Item = &'n (document::Key, Node)> + Clone + use<'n> {
    if node.entries().is_none() {
        document::wrong_kind(node, path, wanted, diagnostics);
    }
    node.entries().unwrap_or_default().iter()
}

/// The texts of a scalar or a list; whatever else stands there is somebody else's to report.
fn written(node: &Node) -> Vec<String> {
    let items = match &node.value {
        Value::List(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    items.iter().filter_map(Node::text).map(str::to_owned).collect()
}

/// Reads a scalar text or a list of texts that stands in a map, as nodes.
fn texts<'n>(node: &'n Node, path: &str, diagnostics: &mut Diagnostics) -> Vec<(&'n str, &'n Node)> {
    let items = match &node.value {
        Value::List(items) => items.as_slice(),
        Value::Text(_) => std::slice::from_ref(node),
        _ => {
            document::wrong_kind(node, path, "a text or a list of texts", diagnostics);
            &[]
        }
    };
    let mut texts = Vec::new();
    for item in items {
        if diagnostics.is_enough() {
            break;
        }
        match item.text() {
            Some(text) => texts.push((text, item)),
            None => document::wrong_kind(item, path, "a text", diagnostics),
        }
    }
    texts
}

#[cfg(test)]
mod tests;
