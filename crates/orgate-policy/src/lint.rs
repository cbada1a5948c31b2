//! What a policy may say and probably does not mean.
//!
//! Errors: a HEAD rule that lets in somebody whom the GET of the same path refuses (many frameworks answer HEAD with
//! GET's handler). Warnings: an open catch-all beside narrower rules, a parameter that looks like an organization and
//! is not bound, a binding that no rule uses.

use crate::{
    BindSource, BindSpec, PolicyError, PolicySpec, Relation, RuleSpec,
    bind::with_defaults,
    check::Check,
    key::Methods,
    requirement::{Expression, Kind},
    set::Set,
    vocabulary::{AUTHENTICATED, Vocabulary},
};

/// Up to how many facts two requirements are compared over, fact by fact; beyond it they must be the same.
const MAX_COMPARED_FACTS: usize = 14;

/// HEAD rules that are weaker than what GET demands at the same path.
pub(crate) fn weaker_heads(rules: &[RuleSpec], vocabulary: &Vocabulary) -> Vec<PolicyError> {
    let named = |rule: &RuleSpec, method: &str| match rule.key.methods() {
        Methods::Named(names) => names.iter().any(|name| name.as_str() == method),
        Methods::Any => false,
    };
    let heads = rules.iter().filter(|rule| named(rule, "HEAD") && !named(rule, "GET"));
    heads
        .filter_map(|head| {
            let same_path =
                |rule: &&RuleSpec| rule.key.pattern().relation(head.key.pattern()) == Relation::Equal;
            let get = rules.iter().filter(same_path).find(|rule| named(rule, "GET"));
            let any = || rules.iter().filter(same_path).find(|rule| *rule.key.methods() == Methods::Any);
            let get = get.or_else(any)?;
            if implies(head.requirement.kind(), get.requirement.kind(), vocabulary) {
                return None;
            }
            let message = format!("HEAD {} lets in callers whom GET refuses", head.key.pattern());
            Some(
                PolicyError::new("E052", head.place, message).related(get.place, get.key.to_string()).help(
                    format!("demand at least `{}`, or leave the HEAD rule away", get.requirement.as_str()),
                ),
            )
        })
        .collect()
}

/// Whether everybody whom `a` lets in is let in by `b` too.
fn implies(a: &Kind, b: &Kind, vocabulary: &Vocabulary) -> bool {
    match (a, b) {
        (Kind::Deny, _) | (_, Kind::Public) => true,
        (Kind::Public | Kind::Optional, Kind::Optional) => true,
        (Kind::Expression(_), Kind::Optional) => true,
        (Kind::Expression(a), Kind::Expression(b)) => expression_implies(a, b, vocabulary),
        _ => false,
    }
}

fn expression_implies(a: &Expression, b: &Expression, vocabulary: &Vocabulary) -> bool {
    let (a, b) = (Check::compile(a, vocabulary), Check::compile(b, vocabulary));
    let mut facts: Vec<u16> = a.facts().chain(b.facts()).filter(|fact| *fact != AUTHENTICATED).collect();
    facts.sort_unstable();
    facts.dedup();
    if facts.len() > MAX_COMPARED_FACTS {
        return a == b;
    }
    (0u32..1 << facts.len()).all(|bits| {
        let mut have: Set = vocabulary.empty_set();
        have.insert(AUTHENTICATED);
        for (at, fact) in facts.iter().enumerate().filter(|(at, _)| bits & (1 << at) != 0) {
            debug_assert!(at < MAX_COMPARED_FACTS);
            have.insert(*fact);
        }
        !a.holds(&have) || b.holds(&have)
    })
}

impl PolicySpec {
    /// What somebody should look at before this policy is enforced. None of it keeps the policy from working.
    #[must_use]
    pub fn warnings(&self) -> Vec<PolicyError> {
        let bind = with_defaults(&self.bind);
        let mut warnings = Vec::new();
        for rule in &self.rules {
            warnings.extend(looks_like_an_organization(rule, &bind));
            warnings.extend(open_catch_all(rule, &self.rules));
        }
        warnings
    }
}

/// A parameter by whose name one would expect it to be the caller's organization.
fn looks_like_an_organization(rule: &RuleSpec, bind: &[BindSpec]) -> Option<PolicyError> {
    let (name, _) = rule.key.pattern().parameters().find(|(name, _)| {
        let folded: String =
            name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
        let stem = folded.strip_suffix("id").or_else(|| folded.strip_suffix("slug")).unwrap_or(&folded);
        ["org", "organization", "organisation", "tenant", "workspace"].contains(&stem)
            && !bind.iter().any(|bind| matches!(&bind.source, BindSource::Path(bound) if **bound == **name))
    })?;
    let message = format!("`{{{name}}}` looks like an organization and is not compared with the caller's");
    Some(PolicyError::new("W052", rule.place, message).help(format!(
        "call it `{{org_id}}`, or write `bind: {{{name}: org.id}}`; without it, members of every organization get in"
    )))
}

/// `GET /files/**: public` beside `GET /files/private/**: read`: whatever misses the narrower rule by a hair is open.
fn open_catch_all(rule: &RuleSpec, rules: &[RuleSpec]) -> Option<PolicyError> {
    let open = |rule: &RuleSpec| matches!(rule.requirement.kind(), Kind::Public | Kind::Optional);
    if !rule.key.pattern().has_rest() || !open(rule) {
        return None;
    }
    let shares_a_method = |other: &RuleSpec| match (rule.key.methods(), other.key.methods()) {
        (Methods::Any, _) | (_, Methods::Any) => true,
        (Methods::Named(a), Methods::Named(b)) => a.iter().any(|name| b.contains(name)),
    };
    let narrower = rules.iter().find(|other| {
        !open(other)
            && shares_a_method(other)
            && other.key.pattern().relation(rule.key.pattern()) == Relation::Within
    })?;
    let message = format!("`{}` is open, and narrower rules below it are not", rule.key);
    Some(
        PolicyError::new("W053", rule.place, message).related(narrower.place, narrower.key.to_string()).help(
            "name the paths that are open; a request that misses the narrower rule by a letter falls in here",
        ),
    )
}

#[cfg(test)]
mod tests {
    use orgate_claims::{Permission, RoleName};

    use super::*;
    use crate::{Place, Policy, Requirement, RuleKey};

    fn spec(rules: &[&str]) -> PolicySpec {
        let rules = (1u32..).zip(rules).map(|(line, rule)| {
            let (key, requirement) = rule.split_once(": ").unwrap();
            let place = Place { file: 0, line, column: 3 };
            RuleSpec::new(RuleKey::parse(key).unwrap(), Requirement::parse(requirement).unwrap(), place)
        });
        PolicySpec {
            rules: rules.collect(),
            permissions: ["read", "write"].map(|name| Permission::parse(name).unwrap()).into(),
            known_roles: vec![RoleName::parse("owner").unwrap()],
            ..PolicySpec::default()
        }
    }

    #[track_caller]
    fn errors(rules: &[&str], expected: &[&str]) {
        let found = Policy::compile(spec(rules)).err().unwrap_or_default();
        let found: Vec<_> =
            found.iter().map(|error| format!("{}:{}", error.place.line, error.code)).collect();
        assert_eq!(found, expected, "{rules:?}");
    }

    #[test]
    fn a_head_rule_is_never_weaker_than_get() {
        errors(&["GET /a: read", "HEAD /a: public"], &["2:E052"]);
        errors(&["GET /a: read", "HEAD /a: optional"], &["2:E052"]);
        errors(&["GET /a: read", "HEAD /a: authenticated"], &["2:E052"]);
        errors(&["GET /a: read and write", "HEAD /a: read or write"], &["2:E052"]);
        errors(&["ANY /a: read", "HEAD /a: write"], &["2:E052"]);
        errors(&["GET /a: deny", "HEAD /a: read"], &["2:E052"]);
        errors(&["GET /a: read", "HEAD /a: read and write"], &[]);
        errors(&["GET /a: read or write", "HEAD /a: write"], &[]);
        errors(&["GET /a: optional", "HEAD /a: read"], &[]);
        errors(&["GET /a: read", "HEAD /a: deny"], &[]);
        errors(&["GET /a: public", "HEAD /a: optional"], &[]);
        errors(&["HEAD /a: public"], &[]);
    }

    #[track_caller]
    fn warnings(rules: &[&str], expected: &[&str]) {
        let found: Vec<_> =
            spec(rules).warnings().iter().map(|w| format!("{}:{}", w.place.line, w.code)).collect();
        assert_eq!(found, expected, "{rules:?}");
    }

    #[test]
    fn look_alikes_of_organization_parameters_are_pointed_out() {
        for name in
            ["orgId", "Org_Id", "organization_id", "organisation", "tenant", "workspaceSlug", "tenantid"]
        {
            warnings(&[&format!("GET /o/{{{name}}}: read")], &["1:W052"]);
        }
        for name in ["org_id", "org", "org_slug", "id", "organizer", "project_id"] {
            warnings(&[&format!("GET /o/{{{name}}}: read")], &[]);
        }
    }

    #[test]
    fn an_open_catch_all_beside_narrower_rules_is_pointed_out() {
        warnings(&["ANY /**: public", "GET /a: read"], &["1:W053"]);
        warnings(&["GET /files/**: public", "GET /files/private/**: read"], &["1:W053"]);
        warnings(&["GET /files/**: public", "POST /files/{id}: write"], &[]);
        warnings(&["GET /files/**: read", "GET /files/public/**: public"], &[]);
        warnings(&["GET /files/**: public", "GET /other: read"], &[]);
    }
}
