//! From the tree of the file to a plan; every mistake is reported, none stops the reading.

mod clients;
mod parts;

use orgate_config::{
    codes,
    diagnostic::{Diagnostic, Diagnostics, Span},
    document::{Field, MapReader, Node, Spanned, Value, wrong_kind},
};

use self::{
    clients::{client, default_client},
    parts::{key, operator, organization, user},
};
use super::{Plan, ProjectPlan, Secret};
use crate::{
    address::Address,
    clients::draft::{Mistake, redirect_uri_mistake},
    ids::Kind,
    keys::Algorithm,
    projects::{ClaimsProfile, MAX_ACCESS_TTL_MS, origins},
};

/// What every part of the reading needs.
struct Reading<'a> {
    env: &'a dyn Fn(&str) -> Option<String>,
    /// Ids that were given, with their places: no two things share one.
    ids: Vec<(String, Span)>,
}

/// The whole file.
pub(super) fn file(root: &Node, env: &dyn Fn(&str) -> Option<String>, diagnostics: &mut Diagnostics) -> Plan {
    let mut reading = Reading { env, ids: Vec::new() };
    let Some(mut map) = MapReader::new(root, "", diagnostics) else { return Plan::default() };
    let projects = map.required("projects").node();
    map.finish();
    let mut plan = Plan::default();
    for (at, node) in items(projects, "projects", diagnostics).iter().enumerate() {
        plan.projects.extend(project(&mut reading, node, &format!("projects[{at}]"), diagnostics));
    }
    plan
}

fn project(
    reading: &mut Reading<'_>,
    node: &Node,
    path: &str,
    diagnostics: &mut Diagnostics,
) -> Option<ProjectPlan> {
    let mut map = MapReader::new(node, path, diagnostics)?;
    let id = map.required("id").text();
    let name = map.optional("name").text();
    let org_enabled = map.optional("org_enabled").boolean();
    let personal_orgs = map.optional("personal_orgs").boolean();
    let audience = map.optional("audience").list();
    let most = u64::try_from(MAX_ACCESS_TTL_MS / 1000).unwrap_or(u64::MAX);
    let access_ttl = map.optional("access_ttl").duration(1..=most);
    let refresh_grace = map.optional("refresh_grace").duration(0..=60);
    let algorithms = Algorithm::ALL.map(|algorithm| (algorithm.as_str(), algorithm));
    let access_algorithm = map.optional("access_token_alg").one_of(&algorithms);
    let id_algorithm = map.optional("id_token_alg").one_of(&algorithms);
    let profiles = ClaimsProfile::ALL.map(|profile| (profile.as_str(), profile));
    let claims_profile = map.optional("claims_profile").one_of(&profiles);
    let trusted_origins = map.optional("trusted_origins").list();
    let redirect_uris = map.optional("redirect_uris").list();
    let post_logout = map.optional("post_logout_redirect_uris").list();
    let client_secret = map.optional("client_secret").node();
    let [clients, keys, operators, users, organizations] =
        ["clients", "keys", "operators", "users", "organizations"]
            .map(|key| (map.path_of(key), map.optional(key).node()));
    let span = map.span();
    map.finish();

    let id = reading.id(id, Kind::Project, diagnostics)?;
    if let Some(audience) = &audience {
        for entry in audience.iter().filter(|entry| entry.value.trim().is_empty()) {
            bad(diagnostics, entry.span, "an audience cannot be empty");
        }
        if audience.is_empty() {
            bad(diagnostics, span, "`audience` has no entries");
        }
    }
    if let Some(origins) = &trusted_origins {
        origins.iter().for_each(|origin| check_origin(*origin, diagnostics));
    }
    let secret = reading.secret(client_secret, &format!("{path}.client_secret"), diagnostics);
    let mut plan = ProjectPlan {
        clients: vec![default_client(&id, redirect_uris, post_logout, secret, diagnostics)],
        id,
        name: name.map(|name| name.value.to_owned()),
        org_enabled: org_enabled.map(|flag| flag.value),
        personal_orgs: personal_orgs.map(|flag| flag.value),
        audience: audience.map(texts),
        access_ttl_ms: access_ttl.and_then(|ttl| i64::try_from(ttl.value.as_millis()).ok()),
        refresh_grace_ms: refresh_grace.and_then(|grace| i64::try_from(grace.value.as_millis()).ok()),
        access_algorithm: access_algorithm.map(|algorithm| algorithm.value),
        id_algorithm: id_algorithm.map(|algorithm| algorithm.value),
        claims_profile: claims_profile.map(|profile| profile.value),
        trusted_origins: trusted_origins.map(texts),
        keys: Vec::new(),
        operators: Vec::new(),
        users: Vec::new(),
        organizations: Vec::new(),
    };
    for (at, node) in items(clients.1, &clients.0, diagnostics).iter().enumerate() {
        plan.clients.extend(client(reading, node, &format!("{}[{at}]", clients.0), diagnostics));
    }
    for (at, node) in items(keys.1, &keys.0, diagnostics).iter().enumerate() {
        plan.keys.extend(key(reading, node, &format!("{}[{at}]", keys.0), &plan.keys, diagnostics));
    }
    for (at, node) in items(operators.1, &operators.0, diagnostics).iter().enumerate() {
        plan.operators.extend(operator(reading, node, &format!("{}[{at}]", operators.0), diagnostics));
    }
    for (at, node) in items(users.1, &users.0, diagnostics).iter().enumerate() {
        let read = user(reading, node, &format!("{}[{at}]", users.0), &plan.users, diagnostics);
        plan.users.extend(read);
    }
    for (at, node) in items(organizations.1, &organizations.0, diagnostics).iter().enumerate() {
        let read = organization(reading, node, &format!("{}[{at}]", organizations.0), &plan, diagnostics);
        plan.organizations.extend(read);
    }
    Some(plan)
}

impl Reading<'_> {
    /// An id of the given kind that nothing else has.
    fn id(&mut self, id: Option<Spanned<&str>>, kind: Kind, diagnostics: &mut Diagnostics) -> Option<String> {
        let id = id?;
        if !kind.accepts(id.value) {
            let prefix = kind.prefix();
            diagnostics.push(
                Diagnostic::error(codes::BAD_VALUE, format!("`{}` cannot be an id here", id.value))
                    .at(id.span)
                    .help(format!(
                        "`{prefix}_` and up to 40 of `0-9`, `a-z` and `_`, such as `{prefix}_demo`"
                    )),
            );
            return None;
        }
        self.unique(id, diagnostics)
    }

    fn unique(&mut self, id: Spanned<&str>, diagnostics: &mut Diagnostics) -> Option<String> {
        if let Some((_, first)) = self.ids.iter().find(|(known, _)| known == id.value) {
            let message = format!("the id `{}` is used twice", id.value);
            let finding =
                Diagnostic::error(codes::DUPLICATE, message).at(id.span).related(*first, "first used here");
            diagnostics.push(finding);
            return None;
        }
        self.ids.push((id.value.to_owned(), id.span));
        Some(id.value.to_owned())
    }

    /// A text, or `{env: NAME}`.
    fn secret(&self, node: Option<&Node>, path: &str, diagnostics: &mut Diagnostics) -> Option<Secret> {
        let node = node?;
        let Value::Map(_) = &node.value else {
            let text = Field::of(node, path, diagnostics).text()?;
            if text.value.is_empty() {
                bad(diagnostics, text.span, "a secret cannot be empty");
                return None;
            }
            return Some(Secret(text.value.to_owned()));
        };
        let mut map = MapReader::new(node, path, diagnostics)?;
        let name = map.required("env").text();
        map.finish();
        let name = name?;
        match (self.env)(name.value).filter(|value| !value.is_empty()) {
            Some(value) => Some(Secret(value)),
            None => {
                let message = format!("the environment variable `{}` is not set", name.value);
                diagnostics.push(
                    Diagnostic::error(codes::UNSET_VARIABLE, message)
                        .at(name.span)
                        .help("set it, or write the value here if this file is for development only"),
                );
                None
            }
        }
    }
}

/// The entries of a list that may be absent.
fn items<'n>(node: Option<&'n Node>, path: &str, diagnostics: &mut Diagnostics) -> &'n [Node] {
    match node.map(|node| (node, &node.value)) {
        None => &[],
        Some((_, Value::List(items))) => items,
        Some((node, _)) => {
            wrong_kind(node, path, "a list", diagnostics);
            &[]
        }
    }
}

fn texts(list: Vec<Spanned<&str>>) -> Vec<String> {
    list.into_iter().map(|entry| entry.value.to_owned()).collect()
}

fn bad(diagnostics: &mut Diagnostics, span: Span, message: impl Into<String>) {
    diagnostics.push(Diagnostic::error(codes::BAD_VALUE, message).at(span));
}

/// What is wrong with a client, at its place.
fn mistaken(span: Span, mistake: Mistake, diagnostics: &mut Diagnostics) {
    let finding = Diagnostic::error(codes::BAD_VALUE, mistake.message).at(span);
    diagnostics.push(match mistake.help {
        Some(help) => finding.help(help),
        None => finding,
    });
}

/// Redirect URIs that may be registered.
fn redirect_uris(
    field: &'static str,
    list: Option<Vec<Spanned<&str>>>,
    diagnostics: &mut Diagnostics,
) -> Vec<String> {
    let list = list.unwrap_or_default();
    for (at, uri) in list.iter().enumerate() {
        if let Some(mistake) = redirect_uri_mistake(field, at, uri.value) {
            mistaken(uri.span, mistake, diagnostics);
        }
    }
    texts(list)
}

/// An origin as browsers write it: scheme, host and port, nothing behind it, no wildcard.
fn check_origin(origin: Spanned<&str>, diagnostics: &mut Diagnostics) {
    if !origins::is_origin(origin.value) {
        diagnostics.push(
            Diagnostic::error(codes::BAD_VALUE, format!("`{}` is not an origin", origin.value))
                .at(origin.span)
                .help(origins::SHAPE),
        );
    }
}

fn address(text: Option<Spanned<&str>>, diagnostics: &mut Diagnostics) -> Option<Spanned<Address>> {
    let text = text?;
    match Address::parse(text.value) {
        Some(address) => Some(Spanned { value: address, span: text.span }),
        None => {
            bad(diagnostics, text.span, format!("`{}` is not an email address", text.value));
            None
        }
    }
}
