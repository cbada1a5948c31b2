//! From operations to rules that compile.
//!
//! Nothing that the document does not say is opened: an operation without information becomes `deny`, with a comment that
//! asks for a decision. Where two templates cross, the paths they share get a rule that demands what both demand.

use std::collections::BTreeSet;

use orgate_claims::{Permission, RoleName};
use orgate_policy::{
    Pattern, Relation, Requirement,
    requirement::{Expression, is_reserved},
};

use super::openapi::{Demand, Operation};

/// The parameters that are bound without being written.
pub(super) const BOUND: [&str; 3] = ["org_id", "org_slug", "org"];

/// One rule to be written.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) methods: Vec<String>,
    pub(super) pattern: Pattern,
    pub(super) requirement: String,
    /// What stands behind it.
    pub(super) comment: Option<String>,
}

/// The rules of a document, and the names they use.
#[derive(Debug, Default)]
pub(super) struct Rules {
    pub(super) rules: Vec<Rule>,
    pub(super) permissions: BTreeSet<String>,
    pub(super) roles: BTreeSet<String>,
    /// What could not be said, for the person who reads the result.
    pub(super) notes: Vec<String>,
}

/// Makes rules of operations. `kept` are the rules that are there already: what they cover is left out.
pub(super) fn rules(operations: &[Operation], kept: &[Rule]) -> Rules {
    let mut all = Rules::default();
    for operation in operations {
        let Some((pattern, note)) = pattern(&operation.path) else {
            let key = format!("{} {}", operation.method, operation.path);
            all.notes.push(format!("`{key}` is left out: no request has such a path"));
            continue;
        };
        all.add(operation, pattern, note, kept);
    }
    // GET answers HEAD; a HEAD of its own can only differ by mistake.
    let gets: Vec<Pattern> =
        all.rules.iter().filter(|rule| rule.methods == ["GET"]).map(|rule| rule.pattern.clone()).collect();
    all.rules.retain(|rule| rule.methods != ["HEAD"] || !gets.contains(&rule.pattern));
    all.settle(kept);
    all.join();
    for rule in &all.rules {
        let requirement = Requirement::parse(&rule.requirement).ok();
        for part in requirement.iter().filter_map(Requirement::expression).flat_map(Expression::walk) {
            match part {
                Expression::Permission(name) => {
                    all.permissions.insert(name.name.as_str().to_owned());
                }
                Expression::Role(names) => {
                    all.roles.extend(names.iter().map(|name| name.name.as_str().to_owned()));
                }
                _ => {}
            }
        }
    }
    all
}

impl Rules {
    fn add(&mut self, operation: &Operation, pattern: Pattern, note: Option<String>, kept: &[Rule]) {
        let same = |rule: &&Rule| rule.pattern.relation(&pattern) == Relation::Equal;
        let covers = |rule: &&Rule| rule.methods.iter().any(|m| m == "ANY" || *m == operation.method);
        if kept.iter().filter(same).any(|rule| covers(&rule)) {
            return;
        }
        // One path has one set of names.
        let known = kept.iter().chain(&self.rules).find(same).map(|rule| rule.pattern.clone());
        let pattern = known.unwrap_or(pattern);
        let (requirement, comment) = requirement(&operation.demand);
        let comment = match (comment, note) {
            (Some(comment), Some(note)) => Some(format!("{comment}; {note}")),
            (one, other) => one.or(other),
        };
        let method = operation.method.clone();
        let twin = |rule: &&mut Rule| rule.pattern == pattern && rule.methods == [method.as_str()];
        match self.rules.iter_mut().find(twin) {
            Some(twin) if twin.requirement == requirement => {}
            Some(twin) => {
                twin.comment =
                    Some(format!("decide: two operations: {} and {requirement}", twin.requirement));
                twin.requirement = "deny".to_owned();
            }
            None => self.rules.push(Rule { methods: vec![method], pattern, requirement, comment }),
        }
    }

    /// Adds a rule for every path that two rules share and that would be ambiguous.
    fn settle(&mut self, kept: &[Rule]) {
        let mut from = 0;
        // New rules may cross others; meets only get narrower, so this ends.
        while from < self.rules.len() {
            let until = self.rules.len();
            let mut meets: Vec<Rule> = Vec::new();
            for (at, one) in self.rules.iter().enumerate() {
                for other in self.rules.iter().skip(at.max(from.saturating_sub(1)) + 1).chain(kept) {
                    let crosses = one.pattern.relation(&other.pattern) == Relation::Crossing;
                    if !crosses || says_the_same(one, other) {
                        continue;
                    }
                    let Some(pattern) = one.pattern.meet(&other.pattern) else { continue };
                    for method in shared_methods(one, other) {
                        let settled = |rule: &Rule| {
                            rule.pattern.relation(&pattern) == Relation::Equal
                                && rule.methods.iter().any(|m| *m == method || *m == "ANY")
                        };
                        if self.rules.iter().chain(kept).chain(&meets).any(settled) {
                            continue;
                        }
                        let named = self.rules.iter().chain(kept).chain(&meets);
                        let known =
                            named.into_iter().find(|rule| rule.pattern.relation(&pattern) == Relation::Equal);
                        let pattern = known.map_or_else(|| pattern.clone(), |rule| rule.pattern.clone());
                        meets.push(Rule {
                            methods: vec![method],
                            requirement: both(&one.requirement, &other.requirement),
                            comment: Some(format!("where {} and {} meet", one.pattern, other.pattern)),
                            pattern,
                        });
                    }
                }
            }
            self.rules.extend(meets);
            from = until;
        }
    }

    /// Methods of one path that demand the same become one rule.
    fn join(&mut self) {
        let mut joined: Vec<Rule> = Vec::new();
        for rule in std::mem::take(&mut self.rules) {
            let same = |other: &&mut Rule| {
                other.pattern == rule.pattern
                    && other.requirement == rule.requirement
                    && other.comment == rule.comment
            };
            match joined.iter_mut().find(same) {
                Some(other) => other.methods.extend(rule.methods),
                None => joined.push(rule),
            }
        }
        self.rules = joined;
    }
}

/// Whether it does not matter which of two rules answers: they demand the same and bind nothing.
fn says_the_same(one: &Rule, other: &Rule) -> bool {
    let binds = |rule: &Rule| rule.pattern.parameters().any(|(name, _)| BOUND.contains(&name));
    one.requirement == other.requirement && !binds(one) && !binds(other)
}

/// The methods for which two rules would both answer.
fn shared_methods(one: &Rule, other: &Rule) -> Vec<String> {
    let covers = |rule: &Rule, method: &str| {
        rule.methods.iter().any(|m| m == method || m == "ANY" || m == "GET" && method == "HEAD")
    };
    let mut methods: Vec<String> = Vec::new();
    for method in one.methods.iter().chain(&other.methods).filter(|method| *method != "ANY") {
        if covers(one, method) && covers(other, method) && !methods.contains(method) {
            methods.push(method.clone());
        }
    }
    methods
}

/// What both demand.
fn both(a: &str, b: &str) -> String {
    let group = |text: &str| if text.contains(" or ") { format!("({text})") } else { text.to_owned() };
    match (a, b) {
        (a, b) if a == b => a.to_owned(),
        ("deny", _) | (_, "deny") => "deny".to_owned(),
        ("public", other) | (other, "public") => other.to_owned(),
        ("optional", other) | (other, "optional") => other.to_owned(),
        ("authenticated", other) | (other, "authenticated") => other.to_owned(),
        (a, b) => format!("{} and {}", group(a), group(b)),
    }
}

/// The requirement, and what a person has to decide.
fn requirement(demand: &Demand) -> (String, Option<String>) {
    let deny = |why: String| ("deny".to_owned(), Some(format!("decide: {why}")));
    match demand {
        Demand::Unsaid => deny("the document says nothing about access".to_owned()),
        Demand::Verbatim(text) => match Requirement::parse(text) {
            Ok(_) => (text.trim().to_owned(), None),
            Err(error) => deny(format!("x-orgate: {error}")),
        },
        Demand::OneOf(alternatives) if alternatives.is_empty() => ("public".to_owned(), None),
        Demand::OneOf(alternatives) => {
            if alternatives.iter().any(Vec::is_empty) {
                return ("optional".to_owned(), None);
            }
            if let Some(strange) = alternatives.iter().flatten().find(|name| !name.is_empty() && !fits(name))
            {
                let shown: String = strange.chars().filter(|c| !c.is_control()).take(80).collect();
                return deny(format!("`{shown}` cannot be the name of a permission"));
            }
            let mut texts: Vec<String> = Vec::new();
            for names in alternatives {
                let mut names: Vec<&str> =
                    names.iter().map(String::as_str).filter(|n| !n.is_empty()).collect();
                names.dedup();
                if names.is_empty() {
                    return ("authenticated".to_owned(), None); // this alternative alone is enough
                }
                let several = alternatives.len() > 1 && names.len() > 1;
                let text = names.join(" and ");
                let text = if several { format!("({text})") } else { text };
                if !texts.contains(&text) {
                    texts.push(text);
                }
            }
            match texts.as_slice() {
                [one] => (one.trim_matches(['(', ')']).to_owned(), None),
                several => (several.join(" or "), None),
            }
        }
    }
}

fn fits(name: &str) -> bool {
    Permission::parse(name).is_ok() && !is_reserved(name)
}

/// The name of a role as it is declared, if it can be.
pub(super) fn is_role(name: &str) -> bool {
    RoleName::parse(name).is_ok()
}

/// The pattern of a path template, and what was changed in it; `None` if no request can have it.
pub(crate) fn pattern(path: &str) -> Option<(Pattern, Option<String>)> {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let mut note = None;
    let mut names: Vec<String> = Vec::new();
    let mut text = String::new();
    for part in path.split('/').filter(|part| !part.is_empty()) {
        text.push('/');
        let whole = part.strip_prefix('{').and_then(|part| part.strip_suffix('}'));
        match whole {
            Some(name) if !name.contains(['{', '}']) => {
                let name: String =
                    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
                let name =
                    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("_{name}") } else { name };
                if name.is_empty() || names.contains(&name) {
                    text.push('*');
                } else {
                    text.push_str(&format!("{{{name}}}"));
                    names.push(name);
                }
            }
            _ if part.contains(['{', '}', '*']) || part.starts_with(':') => {
                note = Some(format!("stands for `{part}`: a segment varies as a whole"));
                text.push('*');
            }
            _ => text.push_str(part),
        }
    }
    if text.is_empty() {
        text.push('/');
    }
    Some((Pattern::parse(&text).ok()?, note))
}
