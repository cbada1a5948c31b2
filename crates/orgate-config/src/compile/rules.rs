//! The sections `rules:` and `bind:`, and the compilation of the policy that all sections make together.

use std::collections::{HashMap, HashSet};

use orgate_claims::{Permission, RoleName};
use orgate_policy::{
    BindSource, BindSpec, BindTarget, ConditionSpec, Limit, PathOptions, PermissionsFrom, Place, Policy,
    PolicyError, PolicySpec, Requirement, RuleKey, RuleSpec, SyntaxError, closest, requirement::is_reserved,
};

use super::{
    claims::Renamed,
    environment,
    issuers::Issuers,
    profiles::{self, Slot},
    rates, texts,
    vocabulary::{self, place},
};
use crate::{
    codes,
    diagnostic::{Diagnostic, Diagnostics, FileId, Severity, Span},
    document::{self, Key, MapReader, Node, Spanned, Value},
};

/// The choices of `permissions_from:`.
pub(super) const PERMISSIONS_FROM: [(&str, PermissionsFrom); 4] = [
    ("token_else_role", PermissionsFrom::TokenElseRole),
    ("token", PermissionsFrom::Token),
    ("role", PermissionsFrom::Role),
    ("union", PermissionsFrom::Union),
];

/// The sections that make the policy, unread.
#[derive(Default)]
pub(super) struct Sections<'n> {
    pub(super) permissions: Option<&'n Node>,
    pub(super) roles: Option<(&'n Key, &'n Node)>,
    pub(super) bind: Option<&'n Node>,
    pub(super) conditions: Option<&'n Node>,
    pub(super) issuers: Option<&'n Node>,
    pub(super) rules: Option<(&'n Key, &'n Node)>,
    pub(super) permissions_from: Option<PermissionsFrom>,
    /// Where the file starts.
    pub(super) start: Span,
    /// What rules do that do not say whether they hide.
    pub(super) hide: bool,
    /// How paths are compared.
    pub(super) paths: PathOptions,
    /// Whether they are brought into their one form before.
    pub(super) normalize: bool,
}

pub(super) fn read(sections: &Sections<'_>, issuers: &Issuers, diagnostics: &mut Diagnostics) -> PolicySpec {
    let mut spec = PolicySpec {
        permissions: vocabulary::permissions(sections.permissions, diagnostics),
        roles: vocabulary::roles(sections.roles, diagnostics),
        bind: sections.bind.map(|node| bind(node, diagnostics)).unwrap_or_default(),
        permissions_from: sections.permissions_from.unwrap_or_default(),
        paths: sections.paths,
        normalize: sections.normalize,
        conditions: sections.conditions.map(|node| conditions(node, diagnostics)).unwrap_or_default(),
        ..PolicySpec::default()
    };
    if issuers.brings_names {
        spec.permissions.extend(profiles::PERMISSIONS.iter().filter_map(|name| Permission::parse(name).ok()));
        spec.known_roles.extend(profiles::ROLES.iter().filter_map(|name| RoleName::parse(name).ok()));
        spec.role_table = profiles::ROLE_TABLE
            .iter()
            .filter_map(|(role, grants)| {
                let grants = grants.iter().filter_map(|name| Permission::parse(name).ok());
                Some((RoleName::parse(role).ok()?, grants.collect()))
            })
            .collect();
    }
    check_renames(&spec, &issuers.renamed, diagnostics);
    if let Some((_, node)) = sections.rules {
        let entries = super::named(node, "rules", "a map from `METHOD /path` to requirements", diagnostics);
        for (key, node) in entries {
            if diagnostics.is_enough() {
                return spec;
            }
            spec.rules.extend(rule(key, node, sections, diagnostics));
        }
    }
    let written = sections.rules.map(|(key, node)| (key.span, node.entries().is_some_and(<[_]>::is_empty)));
    if written.is_none_or(|(_, empty)| empty) {
        let finding =
            Diagnostic::error(codes::NO_RULES, "the policy has no rules, so nothing could be reached");
        let finding = finding.at(written.map_or(sections.start, |(span, _)| span));
        diagnostics.push(finding.help("write at least one:\n\nrules:\n  GET /healthz: public"));
    }
    spec
}

fn bind(node: &Node, diagnostics: &mut Diagnostics) -> Vec<BindSpec> {
    let mut binds = Vec::new();
    let entries =
        super::named(node, "bind", "a map from path parameters to what they must equal", diagnostics);
    for (key, node) in entries {
        if diagnostics.is_enough() {
            break;
        }
        let source = BindSource::parse(&key.text);
        if source.is_none() {
            let finding =
                Diagnostic::error(codes::BAD_NAME, format!("`{}` is nothing that can be bound", key.text));
            diagnostics.push(finding.at(key.span).help(
                "write the name of a path parameter such as `org_id`, or `header.x-org-id`, `query.org`, `host.tenant`",
            ));
        }
        let path = format!("bind.{}", key.text);
        let mut targets = Vec::new();
        for (text, item) in texts(node, &path, diagnostics) {
            let finding = match BindTarget::parse(text) {
                Some(target) => {
                    targets.push(target);
                    continue;
                }
                None => {
                    Diagnostic::error(codes::BAD_VALUE, format!("`{path}`: `{text}` is nothing a caller has"))
                        .help("write `org.id`, `org.slug`, `sub` or `claims.…`")
                }
            };
            diagnostics.push(finding.at(item.span));
        }
        if node.value == Value::List(Vec::new()) {
            let finding = Diagnostic::error(codes::BAD_VALUE, format!("`{path}` is empty"));
            diagnostics.push(finding.at(node.span).help("write `org.id`, `org.slug`, `sub` or `claims.…`"));
        }
        binds.extend(source.map(|source| BindSpec { source, targets }));
    }
    binds
}

fn rule(key: &Key, node: &Node, sections: &Sections<'_>, diagnostics: &mut Diagnostics) -> Option<RuleSpec> {
    if environment::has_variable(&key.text) {
        return None; // reported by `environment`
    }
    let parsed_key = RuleKey::parse_with(&key.text, sections.paths)
        .map_err(|error| {
            diagnostics.push(syntax(codes::RULE_KEY, &error, key.span_within(error.at, error.len)))
        })
        .ok();
    let (require, long) = match &node.value {
        Value::Text(_) => (Some(node), Long::default()),
        Value::Map(_) => long_form(key, node, diagnostics)?,
        Value::Null => {
            let finding =
                Diagnostic::error(codes::WRONG_TYPE, format!("the rule `{}` has no requirement", key.text));
            diagnostics.push(
                finding.at(key.span).help("say who may: a permission, `authenticated`, `public` or `deny`"),
            );
            return None;
        }
        _ => {
            document::wrong_kind(node, &key.text, "a requirement, as a text or a map", diagnostics);
            return None;
        }
    };
    let demand = requirement(require?, &key.text, diagnostics);
    let shadow = match long.shadow {
        Some(node) => Some(requirement(node, &format!("{}.shadow", key.text), diagnostics)?),
        None => None,
    };
    let mut rule = RuleSpec::new(parsed_key?, demand?, place(key.span));
    rule.unbound = long.unbound;
    rule.hide = long.hide.unwrap_or(sections.hide);
    rule.live = long.live;
    rule.shadow = shadow;
    rule.limit = long.limit;
    rule.encoded_slash = long.encoded_slash.is_some_and(|accepts| {
        if accepts.value && !rule.key.pattern().has_rest() {
            let message =
                "`allow_encoded_slash` speaks of what `**` stands for, and the path does not end in it";
            let finding = Diagnostic::error(codes::BAD_VALUE, message).at(accepts.span);
            diagnostics.push(finding.help("no parameter can ever hold a slash; write `/files/**`"));
        }
        accepts.value
    });
    Some(rule)
}

/// What a rule says besides its requirement.
#[derive(Default)]
struct Long<'n> {
    unbound: Vec<String>,
    hide: Option<bool>,
    live: bool,
    shadow: Option<&'n Node>,
    limit: Option<Limit>,
    encoded_slash: Option<Spanned<bool>>,
}

fn long_form<'n>(
    key: &Key,
    node: &'n Node,
    diagnostics: &mut Diagnostics,
) -> Option<(Option<&'n Node>, Long<'n>)> {
    let mut map = MapReader::new(node, &key.text, diagnostics)?.at(key.span);
    let require = map.required("require").node();
    let unbound = map.optional("unbound").list().unwrap_or_default();
    let hide = map.optional("hide").boolean().map(|hide| hide.value);
    let shadow = map.optional("shadow").node();
    let live = map.optional("fresh").one_of(&[("live", true)]).is_some();
    let _note = map.optional("note").text();
    let _allow = map.optional("allow").node(); // read by `lint`
    let limit = map.optional("limit").node();
    let encoded_slash = map.optional("allow_encoded_slash").boolean();
    map.finish();
    let limit = limit.and_then(|node| rates::limit(node, &format!("{}: limit", key.text), diagnostics));
    let unbound = unbound.iter().map(|name| name.value.to_owned()).collect();
    Some((require, Long { unbound, hide, live, shadow, limit, encoded_slash }))
}

/// Reads a requirement; what cannot be read is reported.
fn requirement(node: &Node, path: &str, diagnostics: &mut Diagnostics) -> Option<Requirement> {
    let text = document::Field::of(node, path, diagnostics).text()?.value;
    if environment::has_variable(text) {
        return None; // reported by `environment`
    }
    Requirement::parse(text)
        .map_err(|error| {
            diagnostics.push(syntax(codes::REQUIREMENT, &error, node.span_within(error.at, error.len)))
        })
        .ok()
}

/// The section `conditions:`: names of what rules compare.
fn conditions(node: &Node, diagnostics: &mut Diagnostics) -> Vec<ConditionSpec> {
    let mut conditions = Vec::new();
    let wanted = "a map from names to comparisons";
    for (key, node) in super::named(node, "conditions", wanted, diagnostics) {
        if diagnostics.is_enough() {
            break;
        }
        if Permission::parse(&key.text).is_err() || is_reserved(&key.text) {
            let message = format!("`{}` cannot be the name of a condition", key.text);
            let finding = Diagnostic::error(codes::BAD_NAME, message).at(key.span);
            diagnostics.push(finding.help("use letters, digits and `_`, and no word of the language"));
            continue;
        }
        if let Some(body) = requirement(node, &format!("conditions.{}", key.text), diagnostics) {
            conditions.push(ConditionSpec { name: key.text.as_str().into(), body, place: place(key.span) });
        }
    }
    conditions
}

fn syntax(code: &'static str, error: &SyntaxError, span: Span) -> Diagnostic {
    Diagnostic::error(code, error.message.clone()).at(span).maybe_help(error.help.clone())
}

/// A rename to a name that no rule could use would take a right away in silence.
fn check_renames(spec: &PolicySpec, renamed: &[Renamed], diagnostics: &mut Diagnostics) {
    let permissions: HashSet<&str> = spec
        .permissions
        .iter()
        .chain(spec.roles.iter().flat_map(|role| &role.grants))
        .map(Permission::as_str)
        .collect();
    let roles: HashSet<&str> = spec
        .known_roles
        .iter()
        .chain(spec.roles.iter().map(|role| &role.name))
        .map(RoleName::as_str)
        .collect();
    for Renamed { slot, name, span } in renamed {
        let (code, noun, known) = match slot {
            Slot::Permissions => (codes::PERMISSION, "permission", &permissions),
            Slot::Role => (codes::ROLE, "role", &roles),
            _ => continue,
        };
        if diagnostics.is_enough() {
            break;
        }
        if !known.contains(name.as_str()) {
            let mut sorted: Vec<&str> = known.iter().copied().collect();
            sorted.sort_unstable();
            let help = match closest(name, sorted) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("declare it under `{noun}s:`"),
            };
            let finding = Diagnostic::error(code, format!("unknown {noun} `{name}`"));
            diagnostics.push(finding.at(*span).help(help));
        }
    }
}

/// Compiles the policy; what is wrong is reported with the places of `sections`.
pub(super) fn compile(
    spec: PolicySpec,
    sections: &Sections<'_>,
    issuers: &Issuers,
    diagnostics: &mut Diagnostics,
) -> Option<Policy> {
    let has_rules = !spec.rules.is_empty();
    let (policy, warnings) = Policy::compile_and_warn(spec);
    let errors = policy.as_ref().err().map_or(&[][..], |refused| &refused.errors);
    let places = Places::of(sections, warnings.iter().chain(errors));
    for warning in &warnings {
        diagnostics.push(Diagnostic { severity: Severity::Warning, ..places.finding(warning) });
    }
    let policy = match policy {
        Ok(policy) => policy,
        Err(refused) => {
            refused.errors.iter().for_each(|error| diagnostics.push(places.finding(error)));
            if !refused.complete {
                diagnostics.leave_off();
            }
            return None;
        }
    };
    if has_rules && !issuers.any_written && !policy.needs_no_issuer() {
        let message = "rules demand a credential, and no issuer is trusted";
        let finding = Diagnostic::error(codes::NO_ISSUER, message);
        let help = "add\n\nissuers:\n  main: {issuer: https://auth.example.com, audience: my-api}";
        diagnostics.push(match sections.rules {
            Some((key, _)) => finding.at(key.span).help(help),
            None => finding.help(help),
        });
    }
    Some(policy)
}

/// From the places that a policy keeps back to the stretches of the file.
struct Places<'n> {
    rules: HashMap<Place, (Span, Option<&'n Node>)>,
}

impl<'n> Places<'n> {
    /// Those that `findings` speak of.
    fn of<'f>(sections: &Sections<'n>, findings: impl Iterator<Item = &'f PolicyError>) -> Self {
        let places = findings.flat_map(|finding| {
            std::iter::once(finding.place).chain(finding.related.iter().map(|(place, _)| *place))
        });
        let wanted: HashSet<Place> = places.collect();
        let mut rules = HashMap::new();
        if wanted.is_empty() {
            return Self { rules };
        }
        for (key, node) in sections.rules.iter().flat_map(|(_, node)| node.entries().unwrap_or_default()) {
            if wanted.contains(&place(key.span)) {
                let requirement = if node.text().is_some() { Some(node) } else { node.get("require") };
                rules.insert(place(key.span), (key.span, requirement));
            }
        }
        for (key, _) in sections.roles.iter().flat_map(|(_, node)| node.entries().unwrap_or_default()) {
            rules.insert(place(key.span), (key.span, None));
        }
        Self { rules }
    }

    fn span(&self, at: Place) -> Option<Span> {
        let known = self.rules.get(&at).map(|(span, _)| *span);
        known.or((at.line > 0).then(|| Span::point(FileId(at.file), at.line, at.column)))
    }

    fn finding(&self, error: &PolicyError) -> Diagnostic {
        let mut finding = Diagnostic::error(error.code, error.message.clone()).maybe_help(error.help.clone());
        finding.span = match (error.in_requirement, self.rules.get(&error.place)) {
            (Some((at, len)), Some((_, Some(requirement)))) => Some(requirement.span_within(at, len)),
            _ => self.span(error.place),
        };
        for (place, _) in &error.related {
            // What stands there is shown by the line itself.
            if let Some(span) = self.span(*place) {
                finding = finding.related(span, "");
            }
        }
        if error.code == codes::PERMISSION && finding.related.is_empty() {
            finding = finding.label("not declared by any role or under `permissions`");
        }
        finding
    }
}
