//! `lint:` — how much a warning matters in this policy — and `allow:` of a rule, which silences one.
//!
//! Both speak of warnings only: an error means that the policy cannot be enforced as it stands, and no switch changes
//! that. What is silenced is silenced for one rule, with a note that says why; what silences nothing is reported, so that
//! no `allow` outlives its reason.

use orgate_policy::{
    Place, Requirement,
    requirement::{Expression, Kind},
};

use super::vocabulary::place;
use crate::{
    codes,
    diagnostic::{Diagnostic, Diagnostics, Severity, Span},
    document::{Field, Key, MapReader, Node, Value, closest},
};

/// The warnings that have a name under `lint:`, with what they are if the policy does not say.
const LINTS: [(&str, &str, Option<Severity>); 14] = [
    ("any_audience", codes::ANY_AUDIENCE, Some(Severity::Warning)),
    ("catch_all_weaker", codes::OPEN_CATCH_ALL, Some(Severity::Warning)),
    ("contradiction", codes::CONTRADICTION, Some(Severity::Warning)),
    ("dead_rule", codes::DEAD_RULE, Some(Severity::Warning)),
    ("feed_unread", codes::FEED_UNREAD, Some(Severity::Warning)),
    ("limit_without_org", codes::LIMIT_WITHOUT_ORGANIZATION, Some(Severity::Warning)),
    ("negative_comparison", codes::NEGATIVE_COMPARISON, Some(Severity::Warning)),
    ("negative_permission", codes::NEGATIVE_PERMISSION, Some(Severity::Warning)),
    ("prefer_permissions", codes::ROLE_DEMANDED, None),
    // The tests of a policy are not read with it, so that it can be enforced where they are not; `orgate check` reads them.
    ("require_tests", codes::UNTESTED, None),
    ("tautology", codes::TAUTOLOGY, Some(Severity::Warning)),
    ("unbound_org_param", codes::UNBOUND_ORGANIZATION, Some(Severity::Warning)),
    ("union", codes::UNION, Some(Severity::Warning)),
    ("unused_claim", codes::UNUSED_CLAIM, Some(Severity::Warning)),
];

const LEVELS: [(&str, Option<Severity>); 3] =
    [("off", None), ("warn", Some(Severity::Warning)), ("error", Some(Severity::Error))];

/// Whether only tools find this warning (coverage and drift), so that only they can tell whether an `allow` has an effect.
fn is_of_tools(code: &str) -> bool {
    code == codes::UNTESTED || code.starts_with("W03")
}

/// What a policy says about its warnings.
#[derive(Clone, Debug, Default)]
pub struct Lints {
    levels: Vec<(&'static str, Option<Severity>)>,
    allowed: Vec<Allowed>,
}

/// One entry of an `allow:`.
#[derive(Clone, Debug)]
struct Allowed {
    code: &'static str,
    rule: Place,
    /// The key and the value of the rule.
    from: Span,
    to: Span,
    span: Span,
    used: bool,
}

impl Lints {
    /// How bad a warning is in this policy; `None` if it is off.
    #[must_use]
    pub fn level(&self, code: &str) -> Option<Severity> {
        let written = self.levels.iter().find(|(known, _)| *known == code).map(|(_, level)| *level);
        let named = || LINTS.iter().find(|(_, known, _)| *known == code).map(|(_, _, level)| *level);
        written.or_else(named).unwrap_or(Some(Severity::Warning))
    }

    /// Whether the rule whose key stands at `rule` silences the warning.
    #[must_use]
    pub fn allows(&self, rule: Place, code: &str) -> bool {
        self.allowed.iter().any(|allowed| allowed.rule == rule && allowed.code == code)
    }

    /// Reads the section `lint:` and every `allow:` of the rules.
    pub(super) fn read(section: Option<&Node>, rules: Option<&Node>, diagnostics: &mut Diagnostics) -> Self {
        let mut lints = Self::default();
        if let Some(mut map) = section.and_then(|node| MapReader::new(node, "lint", diagnostics)) {
            for (name, code, _) in LINTS {
                if let Some(level) = map.optional(name).one_of(&LEVELS) {
                    lints.levels.push((code, level.value));
                }
            }
            map.finish();
        }
        let rules = rules.and_then(Node::entries).unwrap_or_default();
        for (key, node) in rules {
            if diagnostics.is_enough() {
                break;
            }
            lints.allow(key, node, diagnostics);
            if lints.level(codes::ROLE_DEMANDED).is_some() {
                diagnostics.push_some(role_demanded(node));
            }
        }
        lints
    }

    fn allow(&mut self, key: &Key, node: &Node, diagnostics: &mut Diagnostics) {
        let Some(allow) = node.get("allow") else { return };
        let path = format!("{}: allow", key.text);
        for item in Field::of(allow, &path, diagnostics).list().unwrap_or_default() {
            match warning(item.value) {
                Ok(code) => self.allowed.push(Allowed {
                    code,
                    rule: place(key.span),
                    from: key.span,
                    to: node.span,
                    span: item.span,
                    used: false,
                }),
                Err(finding) => diagnostics.push(finding.at(item.span)),
            }
        }
        let has_note = node.get("note").is_some_and(|note| match &note.value {
            Value::Text(text) => !text.trim().is_empty(),
            // Whoever reads the rule says so.
            _ => true,
        });
        if !has_note {
            let message = format!("`{}` silences a warning and does not say why", key.text);
            let finding = Diagnostic::error(codes::MISSING_KEY, message).at(allow.span);
            diagnostics.push(finding.help("add a note: `note: \"why this is meant\"`"));
        }
    }

    /// Gives each warning its severity, and takes away what is off or silenced.
    pub(super) fn apply(&mut self, diagnostics: &mut Diagnostics) {
        let (mut allowed, levels) = (std::mem::take(&mut self.allowed), &*self);
        // Rules do not lie within each other, so the last one that starts before a finding is the one that may cover it.
        let start = |span: Span| (span.file, span.line, span.column);
        allowed.sort_by_key(|allowed| start(allowed.from));
        diagnostics.retain_warnings(|finding| {
            let at = finding.span.unwrap_or_default();
            let before = allowed.partition_point(|allowed| start(allowed.from) <= start(at));
            let rule = allowed.get(before.wrapping_sub(1)).map(|allowed| allowed.rule);
            let of_rule =
                allowed.iter_mut().take(before).rev().take_while(|allowed| Some(allowed.rule) == rule);
            let silences = |allowed: &Allowed| allowed.code == finding.code && allowed.covers(at);
            // The first of equals.
            if let Some(silencing) = of_rule.filter(|allowed| silences(allowed)).last() {
                silencing.used = true;
                return None;
            }
            levels.level(finding.code)
        });
        if !diagnostics.has_errors() {
            for unused in allowed.iter().filter(|one| !one.used && !is_of_tools(one.code)) {
                let message = format!("the rule has no warning {}", unused.code);
                let finding = Diagnostic::warning(codes::UNUSED_ALLOW, message).at(unused.span);
                diagnostics.push(finding.help("take it out of `allow`; it would silence what comes later"));
            }
        }
        self.allowed = allowed;
    }
}

impl Allowed {
    fn covers(&self, at: Span) -> bool {
        let start = (at.line, at.column);
        at.file == self.from.file
            && start >= (self.from.line, self.from.column)
            && start < (self.to.end_line, self.to.end_column)
    }
}

/// The code of a warning, as written in a policy.
fn warning(text: &str) -> Result<&'static str, Box<Diagnostic>> {
    let known = codes::ALL.iter().map(|known| known.code);
    match known.clone().find(|code| *code == text) {
        Some(code) if code.starts_with('W') => Ok(code),
        Some(code) => {
            let message = format!("{code} is an error, and errors cannot be silenced");
            Err(Box::new(
                Diagnostic::error(codes::BAD_VALUE, message).help(format!("see `orgate help {code}`")),
            ))
        }
        None => {
            let finding = Diagnostic::error(codes::BAD_VALUE, format!("`{text}` is the code of no warning"));
            let meant = closest(text, known.filter(|code| code.starts_with('W')));
            Err(Box::new(finding.maybe_help(meant.map(|meant| format!("did you mean `{meant}`?")))))
        }
    }
}

/// A requirement that names a role, where it could say what the role is for.
fn role_demanded(node: &Node) -> Option<Diagnostic> {
    let node = if node.text().is_some() { node } else { node.get("require")? };
    let requirement = Requirement::parse(node.text()?).ok()?;
    let Kind::Expression(expression) = requirement.kind() else { return None };
    let mut pending = vec![expression];
    while let Some(next) = pending.pop() {
        match next {
            Expression::Role(names) => {
                let (first, last) = (names.first()?, names.last()?);
                let len = last.at + last.name.as_str().len() - first.at;
                let message = "the rule demands a role and not a permission";
                return Some(
                    Diagnostic::warning(codes::ROLE_DEMANDED, message)
                        .at(node.span_within(first.at, len))
                        .help("name a permission, and grant it to the role"),
                );
            }
            Expression::Not(inner) => pending.push(inner),
            Expression::Condition(_, inner) => pending.push(inner),
            Expression::All(terms) | Expression::Any(terms) => pending.extend(terms.iter().rev()),
            _ => {}
        }
    }
    None
}
