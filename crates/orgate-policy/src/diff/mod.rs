//! What a change of a policy changes: who may do what, and who no longer may.
//!
//! The answer is exact and not textual. Every request falls to one rule of each policy or to none; for every such pair
//! that some request meets ([`regions`]), the two requirements are compared as functions of what a token can carry
//! ([`facts`], [`functions`]). Nothing is sampled: what is too large to be told exactly is an error.
//!
//! The requests of a pair are named by the paths that its two patterns share, as a rule of the new policy would name
//! them. `ANY` are the methods that no rule of the pair names, and GET speaks for HEAD; who gains or loses does so with
//! one of them. A pair is told once for methods with which it means the same.

mod captures;
mod compare;
mod demand;
mod facts;
mod functions;
mod pair;
mod possible;
mod regions;
mod summary;
mod variables;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
};

use self::{
    captures::Captures,
    compare::{Comparison, Effect},
    demand::Demand,
    facts::Side,
    pair::Pair,
    regions::Unknown,
};
use crate::{
    Found, PathOptions, PermissionsFrom, Place, Policy, RequestTarget, RuleKey, key::Methods, rule::Rule,
};

/// The methods that are tried besides those that rules name.
const STANDARD: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// Everything that a new policy decides otherwise than an old one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diff {
    /// The changes, those that open most first.
    pub changes: Vec<Change>,
    /// How many rules of the new policy no change speaks of.
    pub unchanged: usize,
}

/// What one change does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChangeKind {
    /// Callers without a credential get in.
    Public,
    /// The path is no longer compared with the caller's organization.
    Unbound,
    /// Somebody gets in who did not.
    Loosened,
    /// Somebody no longer gets in.
    Tightened,
}

impl ChangeKind {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Unbound => "unbound",
            Self::Loosened => "loosened",
            Self::Tightened => "tightened",
        }
    }
}

/// Requests that one rule won and another one wins now, and what that means.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// What it does.
    pub kind: ChangeKind,
    /// The methods, GET before the others; `ANY` stands for those that neither rule names.
    pub methods: Vec<String>,
    /// The path, as in a rule's key.
    pub path: String,
    /// The roles that gain or lose; [`ANONYMOUS`](crate::ANONYMOUS) first, if it is among them.
    pub who: Vec<String>,
    /// What was demanded; `None` where no rule let anybody in.
    pub before: Option<String>,
    /// What is demanded now.
    pub after: Option<String>,
    /// The bindings that are gone: names of parameters of the old policy.
    pub unbound: Vec<String>,
    /// Whether the two rules demand the same, and only tokens outside of the roles are read otherwise.
    pub by_reading: bool,
    /// Where the old rule stands, if there was one.
    pub old_place: Option<Place>,
    /// Where the new rule stands, if there is one.
    pub new_place: Option<Place>,
    /// Where no role gains or loses: a token that does.
    pub counterexample: Option<Counterexample>,
    /// A token outside of the roles to which the opposite happens: it gains where roles lose, or loses where they gain.
    pub also: Option<Counterexample>,
}

/// A token that is treated otherwise. What is not said does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counterexample {
    /// Its permissions.
    pub permissions: Vec<String>,
    /// Its roles.
    pub roles: Vec<String>,
    /// Whether it has an active organization.
    pub organization: Option<bool>,
    /// Whether the path speaks of its own organization.
    pub own: Option<bool>,
    /// What else holds, as one writes it in a requirement.
    pub conditions: Vec<String>,
}

/// Why two policies were not compared.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DiffError {
    /// Too many paths of the old policy overlap with paths of the new one.
    TooManyOverlaps {
        /// How many are compared at most.
        most: usize,
    },
    /// The two policies take other paths for the same (`paths:`).
    OtherPaths,
    /// The requirements of these two rules differ in too many ways.
    TooComplex {
        /// The old rule, if there was one.
        old: Option<String>,
        /// The new rule, if there is one.
        new: Option<String>,
    },
}

impl fmt::Display for DiffError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyOverlaps { most } => {
                write!(
                    f,
                    "more than {most} paths of the two policies overlap, so they cannot be compared exactly"
                )
            }
            Self::OtherPaths => f.write_str(
                "the two policies differ in `paths:`, so their rules speak of other paths and cannot be compared exactly",
            ),
            Self::TooComplex { old, new } => {
                let name = |rule: &Option<String>| match rule {
                    Some(rule) => format!("`{rule}`"),
                    None => "no rule".to_owned(),
                };
                write!(
                    f,
                    "the requirements of {} and {} are too complicated to be compared exactly",
                    name(old),
                    name(new)
                )
            }
        }
    }
}

impl std::error::Error for DiffError {}

impl Policy {
    /// Which of a token's words count as permissions here.
    #[must_use]
    pub fn reads_permissions_from(&self) -> PermissionsFrom {
        self.permissions_from()
    }

    /// What `new` decides otherwise than this policy, exactly.
    ///
    /// # Errors
    /// [`DiffError`] if that would take too long to find out.
    pub fn diff(&self, new: &Self) -> Result<Diff, DiffError> {
        if self.paths() != new.paths() {
            return Err(DiffError::OtherPaths);
        }
        let rules = new.rule_count();
        let (facts, sides, roles) = facts::align(self, new);
        let mut pairs = Pairs::new(&sides);
        pairs.visit()?;
        let mut known: HashMap<(usize, usize, Captures), Option<Vec<Effect>>> = HashMap::new();
        let mut diff = Diff::default();
        let mut touched = HashSet::new();
        for (winners, methods) in std::mem::take(&mut pairs.won) {
            let (before, after) = (pairs.demand(0, winners.0), pairs.demand(1, winners.1));
            let (old, new) = (pairs.rule(0, winners.0), pairs.rule(1, winners.1));
            let pair = |methods| Pair { old, new, same: before.0 == after.0, methods };
            // With different methods, other values may be left to the two rules.
            let mut told: Vec<(&[Effect], Vec<String>)> = Vec::new();
            let mut found = Vec::new();
            for (name, methods) in pairs.told(winners, methods) {
                let captures =
                    pairs.captures(winners, &methods).ok_or_else(|| pair(Vec::new()).too_complex())?;
                found.push((name, captures));
            }
            for (_, captures) in &found {
                known.entry((before.0, after.0, captures.clone())).or_insert_with(|| {
                    let columns = roles.len();
                    let comparison = Comparison { facts: &facts, sides: &sides, columns, captures };
                    comparison.effects(before.1, after.1)
                });
            }
            for (name, captures) in found {
                let effects = known.get(&(before.0, after.0, captures)).and_then(Option::as_deref);
                let effects = effects.ok_or_else(|| pair(Vec::new()).too_complex())?;
                match told.iter_mut().find(|(same, _)| *same == effects) {
                    Some((_, names)) => names.push(name),
                    None => told.push((effects, vec![name])),
                }
            }
            for (effects, names) in told {
                let pair = pair(names);
                diff.changes.extend(effects.iter().map(|effect| pair.change(effect, &roles)));
                if !effects.is_empty() {
                    touched.extend(winners.1);
                }
            }
        }
        diff.unchanged = rules - touched.len();
        diff.changes.sort_by(|a, b| {
            let place = |change: &Change| (change.new_place, change.old_place);
            (a.kind, &a.path, place(a)).cmp(&(b.kind, &b.path, place(b)))
        });
        Ok(diff)
    }
}

/// A rule of each policy by its number, or none.
type Winners = (Option<u16>, Option<u16>);

/// The rules of both policies, and which of them win the same requests.
struct Pairs<'s, 'p> {
    sides: &'s [Side<'p>; 2],
    /// Equal demands are one number.
    demands: Vec<Demand>,
    /// The demand of each rule.
    of_rules: [Vec<usize>; 2],
    methods: Vec<String>,
    won: BTreeMap<Winners, Vec<String>>,
    nothing: Demand,
    unknown: Unknown<'p>,
}

impl<'s, 'p> Pairs<'s, 'p> {
    fn new(sides: &'s [Side<'p>; 2]) -> Self {
        let mut demands = vec![Demand::nothing()];
        let mut numbers = HashMap::from([(Demand::nothing(), 0)]);
        let of_rules = [0, 1].map(|at: usize| {
            let Some(side) = sides.get(at) else { return Vec::new() };
            let rules = side.policy.compiled_rules().iter().map(|rule| {
                *numbers.entry(Demand::of(rule, side)).or_insert_with_key(|demand| {
                    demands.push(demand.clone());
                    demands.len() - 1
                })
            });
            rules.collect()
        });
        let mut methods: Vec<String> = STANDARD.map(str::to_owned).into();
        for rule in sides.iter().flat_map(|side| side.policy.compiled_rules()) {
            if let Methods::Named(names) = rule.key.methods() {
                for name in names {
                    if !methods.iter().any(|known| known == name.as_str()) {
                        methods.push(name.as_str().to_owned());
                    }
                }
            }
        }
        // One that nobody names stands for all of them.
        let mut unnamed = "UNNAMED".to_owned();
        while methods.contains(&unnamed) {
            unnamed.push('X');
        }
        methods.push(unnamed);
        let unknown = Unknown::of(&sides.iter().flat_map(keys).collect::<Vec<_>>());
        Self { sides, demands, of_rules, methods, won: BTreeMap::new(), nothing: Demand::nothing(), unknown }
    }

    /// Finds every pair of rules that some request meets and that could decide otherwise.
    fn visit(&mut self) -> Result<(), DiffError> {
        let [old, new] = self.sides;
        let alike = old.reads_tokens_like(new);
        for witness in regions::witnesses(&keys(old), &keys(new), self.paths(), &self.unknown)? {
            for method in &self.methods {
                let target = RequestTarget::parse(method, &witness.path)
                    .and_then(|target| target.at_host(witness.host.as_deref()));
                let Ok(target) = target else { continue };
                let winners = (winner(old.policy, &target), winner(new.policy, &target));
                let demands = (self.demand(0, winners.0).0, self.demand(1, winners.1).0);
                if demands == (0, 0) || alike && demands.0 == demands.1 {
                    continue;
                }
                let methods = self.won.entry(winners).or_default();
                if !methods.contains(method) {
                    methods.push(method.clone());
                }
            }
        }
        Ok(())
    }

    fn rule(&self, side: usize, number: Option<u16>) -> Option<&'p Rule> {
        self.sides.get(side)?.policy.compiled_rules().get(usize::from(number?))
    }

    /// The number of what a rule demands, and what that is.
    fn demand(&self, side: usize, number: Option<u16>) -> (usize, &Demand) {
        let number = number.and_then(|number| self.of_rules.get(side)?.get(usize::from(number)));
        let number = number.copied().unwrap_or(0);
        (number, self.demands.get(number).unwrap_or(&self.nothing))
    }

    /// Under which name each method of a pair is told.
    fn told(&self, winners: Winners, methods: Vec<String>) -> Vec<(String, Vec<String>)> {
        let rules = [self.rule(0, winners.0), self.rule(1, winners.1)];
        if rules.into_iter().flatten().all(|rule| *rule.key.methods() == Methods::Any) {
            return vec![("ANY".to_owned(), methods)];
        }
        let gets = methods.iter().any(|method| method == "GET");
        let mut told: Vec<(String, Vec<String>)> = Vec::new();
        for method in methods {
            let name = if gets && method == "HEAD" { "GET" } else { method.as_str() };
            match told.iter_mut().find(|(known, _)| known == name) {
                Some((_, methods)) => methods.push(method),
                None => told.push((name.to_owned(), vec![method])),
            }
        }
        told
    }

    /// How both policies read paths.
    fn paths(&self) -> PathOptions {
        let [_, new] = self.sides;
        new.policy.paths()
    }
}

fn keys<'p>(side: &Side<'p>) -> Vec<&'p RuleKey> {
    side.policy.compiled_rules().iter().map(|rule| &*rule.key).collect()
}

fn winner(policy: &Policy, target: &RequestTarget<'_>) -> Option<u16> {
    match policy.find(target) {
        Found::Rule(found) => Some(found.id().0),
        Found::NoRule | Found::MethodNotCovered => None,
    }
}
