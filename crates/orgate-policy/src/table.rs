//! The compiled rules: one trie over path segments, for all methods.
//!
//! A walk tries the literal edge, then the parameter, then the rest, and passes over leaves that lack the method: with
//! ambiguous sets refused at load, what it finds first is the most specific rule that covers the method.

use crate::{
    key::{Methods, RuleKey},
    pattern::{Pattern, Segment},
    target::RequestTarget,
};

/// No node, no leaf, no edge.
const NONE: u32 = u32::MAX;
/// The entry of a method that no rule of the leaf covers.
const UNCOVERED: u16 = u16::MAX;

/// The methods with a fixed number, in its order.
const STANDARD: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
const GET: usize = 0;
const HEAD: usize = 1;
/// The number of every method that no rule names.
const OTHER: usize = STANDARD.len();

/// The methods a policy knows: the standard ones, one number for all unnamed, then those that rules name besides.
#[derive(Debug, Default)]
pub(crate) struct MethodNumbers {
    custom: Vec<Box<str>>,
}

impl MethodNumbers {
    /// The most methods besides the standard ones, so that a rule's methods fit into the bits of one word.
    pub(crate) const MAX_CUSTOM: usize = 48;

    /// The number of `name`, which is given one if it has none and there is room.
    pub(crate) fn add(&mut self, name: &str) -> Option<usize> {
        let known = self.number(name);
        if known != OTHER {
            return Some(known);
        }
        (self.custom.len() < Self::MAX_CUSTOM).then(|| {
            self.custom.push(name.into());
            OTHER + self.custom.len()
        })
    }

    pub(crate) fn number(&self, name: &str) -> usize {
        let standard = STANDARD.iter().position(|standard| *standard == name);
        let custom = || self.custom.iter().position(|custom| **custom == *name).map(|at| OTHER + 1 + at);
        standard.or_else(custom).unwrap_or(OTHER)
    }

    fn count(&self) -> usize {
        OTHER + 1 + self.custom.len()
    }

    /// The methods that a rule covers, as bits by number: GET covers HEAD, `ANY` covers all.
    pub(crate) fn coverage(&self, methods: &Methods) -> u64 {
        match methods {
            Methods::Any => (1u64 << self.count()) - 1,
            Methods::Named(names) => names.iter().fold(0, |bits, name| {
                let number = self.number(name.as_str());
                bits | 1 << number | if number == GET { 1 << HEAD } else { 0 }
            }),
        }
    }

    /// The methods that a rule names, as bits by number; `ANY` counts as a name of its own, the highest bit.
    pub(crate) fn named(&self, key: &RuleKey) -> u64 {
        match key.methods() {
            Methods::Any => 1 << 63,
            Methods::Named(names) => {
                names.iter().fold(0, |bits, name| bits | 1 << self.number(name.as_str()))
            }
        }
    }

    /// The name of the lowest-numbered method in `coverage`, for messages.
    pub(crate) fn example(&self, coverage: u64) -> &str {
        let number = coverage.trailing_zeros() as usize;
        match STANDARD.get(number) {
            Some(name) => name,
            None => {
                number.checked_sub(OTHER + 1).and_then(|at| self.custom.get(at)).map_or("ANY", |name| name)
            }
        }
    }
}

/// The trie. Immutable once built.
#[derive(Debug)]
pub(crate) struct Table {
    methods: MethodNumbers,
    nodes: Vec<Node>,
    /// Every literal edge of every node, in one open-addressing table.
    edges: Vec<Edge>,
    labels: String,
    /// Rule numbers by leaf and method.
    leaves: Vec<Box<[u16]>>,
}

#[derive(Clone, Debug)]
struct Node {
    parameter: u32,
    rest: u32,
    leaf: u32,
}

#[derive(Clone, Debug)]
struct Edge {
    parent: u32,
    child: u32,
    start: u32,
    len: u32,
}

/// What a walk found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Walk {
    Rule(u16),
    /// A rule has this path, but none covers the method.
    MethodNotCovered,
    Nothing,
}

impl Table {
    /// Builds the trie. `rules` are numbered in order; no two may cover one method of one path shape.
    pub(crate) fn build<'r>(
        rules: impl Iterator<Item = (&'r Methods, &'r Pattern)>,
        methods: MethodNumbers,
    ) -> Self {
        let mut builder =
            Builder { nodes: vec![BuilderNode::default()], leaves: Vec::new(), count: methods.count() };
        for (rule, (named, pattern)) in (0u16..).zip(rules) {
            builder.insert(rule, named, pattern, &methods);
        }
        builder.finish(methods)
    }

    /// The rule that wins `target`.
    pub(crate) fn find(&self, target: &RequestTarget<'_>) -> Walk {
        let mut walker =
            Walker { table: self, target, method: self.methods.number(target.method()), seen: false };
        match walker.walk(0, 0) {
            Some(rule) => Walk::Rule(rule),
            None if walker.seen => Walk::MethodNotCovered,
            None => Walk::Nothing,
        }
    }

    fn child(&self, parent: u32, label: &str) -> Option<u32> {
        let mask = self.edges.len().checked_sub(1)?;
        let mut at = hash(parent, label) & mask;
        loop {
            let edge = self.edges.get(at)?;
            if edge.child == NONE {
                return None;
            }
            if edge.parent == parent && self.label(edge) == Some(label) {
                return Some(edge.child);
            }
            at = (at + 1) & mask;
        }
    }

    fn label(&self, edge: &Edge) -> Option<&str> {
        self.labels.get(edge.start as usize..edge.start as usize + edge.len as usize)
    }
}

struct Walker<'w> {
    table: &'w Table,
    target: &'w RequestTarget<'w>,
    method: usize,
    /// Whether a leaf was passed over for its methods.
    seen: bool,
}

impl Walker<'_> {
    fn walk(&mut self, node: u32, depth: usize) -> Option<u16> {
        let here = self.table.nodes.get(node as usize)?;
        match self.target.segment(depth) {
            None => {
                if let Some(rule) = self.leaf(here.leaf) {
                    return Some(rule);
                }
            }
            Some(segment) => {
                if let Some(rule) =
                    self.table.child(node, segment).and_then(|child| self.walk(child, depth + 1))
                {
                    return Some(rule);
                }
                if here.parameter != NONE
                    && let Some(rule) = self.walk(here.parameter, depth + 1)
                {
                    return Some(rule);
                }
            }
        }
        self.leaf(here.rest)
    }

    fn leaf(&mut self, leaf: u32) -> Option<u16> {
        let rules = self.table.leaves.get(leaf as usize)?;
        self.seen = true;
        rules.get(self.method).copied().filter(|rule| *rule != UNCOVERED)
    }
}

/// Mixes the bytes of a label with its parent. Only policies insert, so it need not resist an attacker.
fn hash(parent: u32, label: &str) -> usize {
    const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut state = u64::from(parent).wrapping_mul(MULTIPLIER);
    for chunk in label.as_bytes().chunks(8) {
        let word = chunk.iter().fold(0u64, |word, byte| word << 8 | u64::from(*byte));
        state = (state ^ word).wrapping_mul(MULTIPLIER).rotate_left(29);
    }
    (state ^ state >> 32) as usize
}

/// The trie while it grows.
struct Builder {
    nodes: Vec<BuilderNode>,
    leaves: Vec<Leaf>,
    count: usize,
}

#[derive(Default)]
struct BuilderNode {
    literals: Vec<(Box<str>, u32)>,
    parameter: Option<u32>,
    rest: Option<u32>,
    leaf: Option<u32>,
}

struct Leaf {
    named: Box<[u16]>,
    any: u16,
}

impl Builder {
    fn insert(&mut self, rule: u16, methods: &Methods, pattern: &Pattern, numbers: &MethodNumbers) {
        let mut node = 0u32;
        for segment in pattern.segments() {
            node = self.step(node, segment);
        }
        let next = u32::try_from(self.leaves.len()).unwrap_or(NONE);
        let Some(at) = self.nodes.get_mut(node as usize) else { return };
        let leaf = *if pattern.has_rest() { &mut at.rest } else { &mut at.leaf }.get_or_insert(next);
        if leaf == next {
            self.leaves.push(Leaf { named: vec![UNCOVERED; self.count].into(), any: UNCOVERED });
        }
        let Some(leaf) = self.leaves.get_mut(leaf as usize) else { return };
        match methods {
            Methods::Any => leaf.any = rule,
            Methods::Named(names) => {
                for name in names {
                    if let Some(entry) = leaf.named.get_mut(numbers.number(name.as_str())) {
                        *entry = rule;
                    }
                }
            }
        }
    }

    fn step(&mut self, node: u32, segment: &Segment) -> u32 {
        let next = u32::try_from(self.nodes.len()).unwrap_or(NONE);
        let Some(at) = self.nodes.get_mut(node as usize) else { return NONE };
        let child = match segment {
            Segment::Parameter(_) | Segment::Any => *at.parameter.get_or_insert(next),
            Segment::Literal(text) => match at.literals.iter().find(|(label, _)| label == text) {
                Some((_, child)) => *child,
                None => {
                    at.literals.push((text.clone(), next));
                    next
                }
            },
        };
        if child == next {
            self.nodes.push(BuilderNode::default());
        }
        child
    }

    fn finish(self, methods: MethodNumbers) -> Table {
        let edge_count: usize = self.nodes.iter().map(|node| node.literals.len()).sum();
        let empty = Edge { parent: NONE, child: NONE, start: 0, len: 0 };
        let mut table = Table {
            methods,
            nodes: Vec::with_capacity(self.nodes.len()),
            edges: vec![empty; (edge_count * 2).next_power_of_two().max(2)],
            labels: String::new(),
            leaves: self.leaves.into_iter().map(Leaf::resolve).collect(),
        };
        for (parent, node) in (0u32..).zip(self.nodes) {
            table.nodes.push(Node {
                parameter: node.parameter.unwrap_or(NONE),
                rest: node.rest.unwrap_or(NONE),
                leaf: node.leaf.unwrap_or(NONE),
            });
            for (label, child) in node.literals {
                table.link(parent, &label, child);
            }
        }
        table
    }
}

impl Leaf {
    /// Fills what the rules leave open: HEAD is answered by GET's rule, and the rest by `ANY`'s.
    fn resolve(mut self) -> Box<[u16]> {
        let get = self.named.get(GET).copied().unwrap_or(UNCOVERED);
        if let Some(head) = self.named.get_mut(HEAD).filter(|head| **head == UNCOVERED) {
            *head = get;
        }
        for entry in self.named.iter_mut().filter(|entry| **entry == UNCOVERED) {
            *entry = self.any;
        }
        self.named
    }
}

impl Table {
    fn link(&mut self, parent: u32, label: &str, child: u32) {
        let mask = self.edges.len() - 1;
        let mut at = hash(parent, label) & mask;
        while self.edges.get(at).is_some_and(|edge| edge.child != NONE) {
            at = (at + 1) & mask;
        }
        let start = u32::try_from(self.labels.len()).unwrap_or(NONE);
        let len = u32::try_from(label.len()).unwrap_or(NONE);
        self.labels.push_str(label);
        if let Some(edge) = self.edges.get_mut(at) {
            *edge = Edge { parent, child, start, len };
        }
    }
}
