//! Which rules cross a rule: share paths with it, while each has others besides.
//!
//! Thousands of rules may cross thousands of others and all say the same, and then nothing is to be reported. So rules are
//! put into classes of those among which it makes no difference who wins, and every place of the trees knows which
//! classes stand below it, and with which methods; a walk enters only what holds another class with a common method.

use std::collections::HashMap;

use super::{bindings, compares_captures};
use crate::{
    BindSpec, HostPattern, Requirement,
    methods::MethodNumbers,
    pattern::Segment,
    shapes::{Node, Shapes},
};

/// Up to how many classes are told apart below one place.
const MAX_CLASSES: usize = 8;
/// From how many literals at one place on those that hold the same are looked at as one.
const MANY: usize = 16;

/// The trees of a policy, with what stands where.
pub(super) struct Crossings<'s, 'r> {
    shapes: &'s Shapes<'r>,
    /// Of every rule.
    rules: Vec<Says>,
    /// Of every place.
    below: Vec<Below>,
    /// The literals of a place that has many.
    groups: HashMap<usize, Literals>,
}

/// The literals of one place.
struct Literals {
    /// What stands behind all of them.
    all: Below,
    /// Those behind which the same stands.
    groups: Vec<(Below, Vec<usize>)>,
}

/// The class of rules that say the same as no other.
const ALONE: u32 = u32::MAX;

/// The class of a rule, and the methods that it covers.
#[derive(Clone, Copy)]
struct Says {
    class: u32,
    methods: u64,
}

/// What stands at a place and behind it.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
struct Below {
    /// The methods that each class covers, sorted by class.
    classes: Vec<(u32, u64)>,
    /// The methods of all, if there are too many classes to tell them apart.
    mixed: Option<u64>,
    /// Whether anything there has a parameter or a `**`, so that it can be the broader one in some segment.
    broad: bool,
}

impl Below {
    fn add(&mut self, class: u32, methods: u64) {
        if let Some(mixed) = &mut self.mixed {
            *mixed |= methods;
            return;
        }
        match self.classes.binary_search_by_key(&class, |(class, _)| *class) {
            Ok(at) => self.classes.iter_mut().skip(at).take(1).for_each(|(_, known)| *known |= methods),
            Err(at) => self.classes.insert(at, (class, methods)),
        }
        if self.classes.len() > MAX_CLASSES {
            self.mixed = Some(self.classes.drain(..).fold(0, |all, (_, methods)| all | methods));
        }
    }

    fn add_all(&mut self, other: &Self) {
        other.classes.iter().for_each(|(class, methods)| self.add(*class, *methods));
        if let Some(methods) = other.mixed {
            let own = self.classes.drain(..).fold(0, |all, (_, methods)| all | methods);
            self.mixed = Some(self.mixed.unwrap_or_default() | own | methods);
        }
        self.broad |= other.broad;
    }

    /// Whether another class covers one of the methods.
    fn concerns(&self, says: Says) -> bool {
        let others = self.classes.iter().filter(|(class, _)| *class == ALONE || *class != says.class);
        others.fold(self.mixed.unwrap_or_default(), |all, (_, methods)| all | methods) & says.methods != 0
    }
}

impl<'s, 'r> Crossings<'s, 'r> {
    pub(super) fn new(shapes: &'s Shapes<'r>, bind: &[BindSpec], methods: &MethodNumbers) -> Self {
        let rules = classes(shapes, bind, methods);
        let mut below = vec![Below::default(); shapes.nodes().len()];
        let mut groups = HashMap::new();
        // A place comes behind the one that leads to it.
        for (at, node) in shapes.nodes().iter().enumerate().rev() {
            let mut sum = Below { broad: node.any.is_some() || !node.rest.is_empty(), ..Below::default() };
            for says in node.here.iter().chain(&node.rest).filter_map(|rule| rules.get(*rule)) {
                sum.add(says.class, says.methods);
            }
            for child in node.children().filter_map(|child| below.get(child)) {
                sum.add_all(child);
            }
            if let Some(below) = below.get_mut(at) {
                *below = sum;
            }
            if node.literals.len() > MANY {
                groups.insert(at, grouped(node, &below));
            }
        }
        Self { shapes, rules, below, groups }
    }

    /// Adds the rules that cross the rule `at` and may say something else of a common method. The answer is the number of
    /// places and rules that were looked at for it.
    pub(super) fn of(&self, at: usize, found: &mut Vec<usize>) -> usize {
        let (Some(rule), Some(root), Some(says)) =
            (self.shapes.rule(at), self.shapes.root_of(at), self.rules.get(at))
        else {
            return 0;
        };
        let pattern = rule.key.pattern();
        let mut walk = Walk { crossings: self, says: *says, rest: pattern.has_rest(), found, steps: 0 };
        walk.at(root, pattern.segments(), Sides::default());
        // Its own way is not counted: every rule has one.
        walk.steps.saturating_sub(pattern.segments().len() + 1)
    }
}

/// Which of two patterns was the broader one in a segment before this place. Only what is both crosses.
#[derive(Clone, Copy, Default)]
struct Sides {
    /// The pattern of the rule.
    own: bool,
    /// What stands in the tree.
    other: bool,
}

/// A walk along the pattern of one rule, through everything that crosses it.
struct Walk<'w, 's, 'r> {
    crossings: &'w Crossings<'s, 'r>,
    says: Says,
    rest: bool,
    found: &'w mut Vec<usize>,
    steps: usize,
}

impl Walk<'_, '_, '_> {
    fn at(&mut self, at: usize, segments: &[Segment], broader: Sides) {
        let crossings = self.crossings;
        let (Some(node), Some(below)) = (crossings.shapes.nodes().get(at), crossings.below.get(at)) else {
            return;
        };
        self.steps += 1;
        if !below.concerns(self.says) || !(broader.other || below.broad) {
            return;
        }
        let Some((segment, others)) = segments.split_first() else { return self.behind(node, broader) };
        if broader.own {
            self.add(&node.rest);
        }
        match segment {
            Segment::Literal(text) => {
                if let Some(child) = node.literals.get(&**text) {
                    self.at(*child, others, broader);
                }
                // The `/` at the end of a path is no segment that a parameter could stand for.
                if let Some(child) = node.any.filter(|_| !text.is_empty()) {
                    self.at(child, others, Sides { other: true, ..broader });
                }
            }
            Segment::Parameter(_) | Segment::Any => {
                if let Some(child) = node.any {
                    self.at(child, others, broader);
                }
                self.literals(at, node, others, Sides { own: true, ..broader });
            }
        }
    }

    fn literals(&mut self, at: usize, node: &Node<'_>, segments: &[Segment], broader: Sides) {
        let crossings = self.crossings;
        let Some(literals) = crossings.groups.get(&at) else {
            let named = node.literals.iter().filter(|(text, _)| !text.is_empty());
            named.for_each(|(_, child)| self.at(*child, segments, broader));
            return;
        };
        let enters = |below: &Below| below.concerns(self.says) && (broader.other || below.broad);
        if !enters(&literals.all) {
            return;
        }
        for (below, children) in &literals.groups {
            self.steps += 1;
            if below.concerns(self.says) && (broader.other || below.broad) {
                children.iter().for_each(|child| self.at(*child, segments, broader));
            }
        }
    }

    /// At the end of the pattern's segments.
    fn behind(&mut self, node: &Node<'_>, broader: Sides) {
        if broader.own && (broader.other || !self.rest) {
            self.add(&node.rest);
        }
        if broader.other && (broader.own || self.rest) {
            self.add(&node.here);
        }
        if broader.other && self.rest {
            node.children().for_each(|child| self.all(child));
        }
    }

    /// Everything at a place and behind it: what is longer than a pattern that ends in `**`.
    fn all(&mut self, at: usize) {
        let crossings = self.crossings;
        let (Some(node), Some(below)) = (crossings.shapes.nodes().get(at), crossings.below.get(at)) else {
            return;
        };
        self.steps += 1;
        if below.concerns(self.says) {
            self.add(&node.here);
            self.add(&node.rest);
            node.children().for_each(|child| self.all(child));
        }
    }

    fn add(&mut self, rules: &[usize]) {
        self.steps += rules.len();
        let (crossings, own) = (self.crossings, self.says);
        self.found.extend(rules.iter().copied().filter(|rule| {
            let says = crossings.rules.get(*rule);
            let differs = |says: &Says| says.class == ALONE || says.class != own.class;
            says.is_some_and(|says| differs(says) && says.methods & own.methods != 0)
        }));
    }
}

/// The literals of a place. An empty one is the `/` at the end of a path.
fn grouped(node: &Node<'_>, below: &[Below]) -> Literals {
    let mut all = Below::default();
    let mut groups: HashMap<&Below, Vec<usize>> = HashMap::new();
    for (_, child) in node.literals.iter().filter(|(text, _)| !text.is_empty()) {
        if let Some(below) = below.get(*child) {
            all.add_all(below);
            groups.entry(below).or_default().push(*child);
        }
    }
    let groups = groups.into_iter().map(|(below, children)| (below.clone(), children)).collect();
    Literals { all, groups }
}

/// What rules have in common among which it makes no difference who wins.
#[derive(PartialEq, Eq, Hash)]
struct Class<'r> {
    requirement: &'r str,
    shadow: Option<&'r str>,
    host: Option<&'r HostPattern>,
    hide: bool,
    live: bool,
    bindings: Vec<(String, Option<usize>)>,
}

/// The class of each rule. Two rules of one class say the same ([`super::says_the_same`]); two of different classes may.
fn classes(shapes: &Shapes<'_>, bind: &[BindSpec], methods: &MethodNumbers) -> Vec<Says> {
    let mut known: HashMap<Class<'_>, u32> = HashMap::new();
    let mut captures: HashMap<&str, bool> = HashMap::new();
    let mut all = Vec::new();
    for (_, rule) in shapes.rules() {
        let text = rule.requirement.as_str();
        // A text means one thing in one policy.
        let alone = *captures.entry(text).or_insert_with(|| compares_captures(rule));
        let class = Class {
            requirement: text,
            shadow: rule.shadow.as_ref().map(Requirement::as_str),
            host: rule.key.host(),
            hide: rule.hide,
            live: rule.live,
            bindings: bindings(rule, bind),
        };
        let next = u32::try_from(known.len()).unwrap_or(ALONE);
        let class = if alone { ALONE } else { *known.entry(class).or_insert(next) };
        all.push(Says { class, methods: methods.coverage(rule.key.methods()) });
    }
    all
}
