//! Where the rules stand: their patterns as one tree for each host, names left out.
//!
//! A rule is compared only with those that share a path with it, and what a request falls through to is found by the same
//! walk that finds the winner. Made once when a policy is compiled; the engine itself has the packed form (`table`).

use std::collections::HashMap;

use crate::{
    HostPattern, PolicySpec, Relation, RuleSpec,
    host::host_relation,
    methods::MethodNumbers,
    names::MAX_HOSTS,
    pattern::{Pattern, Segment},
};

/// The trees of all hosts.
pub(crate) struct Shapes<'r> {
    /// Whether a `/` at the end makes another path.
    pub(crate) distinct_slash: bool,
    rules: &'r [RuleSpec],
    hosts: Vec<Host<'r>>,
    /// The index in `hosts` of every rule.
    host_of: Vec<usize>,
    nodes: Vec<Node<'r>>,
}

/// The tree of one host.
struct Host<'r> {
    pattern: Option<&'r HostPattern>,
    root: usize,
    /// The hosts around this one, the nearest first, as indexes.
    around: Vec<usize>,
}

/// One place of a tree.
#[derive(Default)]
pub(crate) struct Node<'r> {
    pub(crate) literals: HashMap<&'r str, usize>,
    pub(crate) any: Option<usize>,
    /// The rules whose pattern ends here.
    pub(crate) here: Vec<usize>,
    /// The rules whose `**` begins here.
    pub(crate) rest: Vec<usize>,
}

impl<'r> Shapes<'r> {
    pub(crate) fn new(spec: &'r PolicySpec) -> Self {
        let everywhere = Host { pattern: None, root: 0, around: Vec::new() };
        let mut shapes = Self {
            distinct_slash: spec.paths.distinct_slash,
            rules: &spec.rules,
            hosts: vec![everywhere],
            host_of: Vec::new(),
            nodes: vec![Node::default()],
        };
        let mut known: HashMap<(Option<&str>, Option<&str>), usize> = HashMap::from([((None, None), 0)]);
        // All of them first: what two rules share may have its own rule further down.
        for (rule, spec) in spec.rules.iter().enumerate() {
            let pattern = spec.key.host();
            let identity = pattern.map_or((None, None), HostPattern::suffix_or_host);
            let host = *known.entry(identity).or_insert_with(|| {
                shapes.nodes.push(Node::default());
                let root = shapes.nodes.len() - 1;
                shapes.hosts.push(Host { pattern, root, around: Vec::new() });
                shapes.hosts.len() - 1
            });
            shapes.host_of.push(host);
            shapes.insert(rule, host, spec.key.pattern());
        }
        shapes.nest();
        shapes
    }

    fn insert(&mut self, rule: usize, host: usize, pattern: &'r Pattern) {
        let Some(mut at) = self.hosts.get(host).map(|host| host.root) else { return };
        for segment in pattern.segments() {
            let next = self.nodes.len();
            let Some(node) = self.nodes.get_mut(at) else { return };
            at = match segment {
                Segment::Literal(text) => *node.literals.entry(text).or_insert(next),
                Segment::Parameter(_) | Segment::Any => *node.any.get_or_insert(next),
            };
            if at == next {
                self.nodes.push(Node::default());
            }
        }
        if let Some(node) = self.nodes.get_mut(at) {
            if pattern.has_rest() { &mut node.rest } else { &mut node.here }.push(rule);
        }
    }

    /// Finds the hosts around each host. They lie within each other, so the number of hosts around one orders them.
    fn nest(&mut self) {
        if self.hosts.len() > MAX_HOSTS + 1 {
            return; // refused for their number
        }
        let patterns: Vec<_> = self.hosts.iter().map(|host| host.pattern).collect();
        let around = |inner| -> Vec<usize> {
            let outer = patterns.iter().enumerate();
            outer
                .filter(|(_, outer)| host_relation(inner, **outer) == Relation::Within)
                .map(|(at, _)| at)
                .collect()
        };
        let mut all: Vec<Vec<usize>> = patterns.iter().map(|inner| around(*inner)).collect();
        let depths: Vec<usize> = all.iter().map(Vec::len).collect();
        for around in &mut all {
            around.sort_by_key(|at| std::cmp::Reverse(depths.get(*at).copied()));
        }
        self.hosts.iter_mut().zip(all).for_each(|(host, around)| host.around = around);
    }

    pub(crate) fn rule(&self, rule: usize) -> Option<&'r RuleSpec> {
        self.rules.get(rule)
    }

    /// Every rule with its number, in the order of the file.
    pub(crate) fn rules(&self) -> impl Iterator<Item = (usize, &'r RuleSpec)> {
        self.rules.iter().enumerate()
    }

    /// The place at which the pattern of a rule ends.
    pub(crate) fn place(&self, rule: usize) -> Option<&Node<'r>> {
        self.at(rule, self.rule(rule)?.key.pattern())
    }

    /// The place at which `pattern` ends, at the host of `rule`.
    fn at(&self, rule: usize, pattern: &Pattern) -> Option<&Node<'r>> {
        let mut node = self.nodes.get(self.root_of(rule)?)?;
        for segment in pattern.segments() {
            node = match segment {
                Segment::Literal(text) => self.nodes.get(*node.literals.get(&**text)?)?,
                Segment::Parameter(_) | Segment::Any => self.below(node)?,
            };
        }
        Some(node)
    }

    /// The place one segment further, whatever the segment.
    pub(crate) fn below(&self, node: &Node<'r>) -> Option<&Node<'r>> {
        self.nodes.get(node.any?)
    }

    /// The rules of the path that has a `/` more at its end.
    pub(crate) fn with_slash(&self, node: &Node<'r>) -> &[usize] {
        let slash = node.literals.get("").and_then(|child| self.nodes.get(*child));
        slash.map_or(&[], |node| &node.here)
    }

    /// The rules with the same host and the same paths as a rule, itself included.
    pub(crate) fn beside(&self, rule: usize) -> &[usize] {
        self.rule(rule).map_or(&[], |spec| self.exactly(rule, spec.key.pattern()))
    }

    /// The rules of the host of `rule` that have exactly the paths of `pattern`.
    pub(crate) fn exactly(&self, rule: usize, pattern: &Pattern) -> &[usize] {
        match self.at(rule, pattern) {
            Some(node) if pattern.has_rest() => &node.rest,
            Some(node) => &node.here,
            None => &[],
        }
    }

    /// The first place of the tree in which a rule stands.
    pub(crate) fn root_of(&self, rule: usize) -> Option<usize> {
        self.hosts.get(*self.host_of.get(rule)?).map(|host| host.root)
    }

    /// Every place; one comes behind the place that leads to it.
    pub(crate) fn nodes(&self) -> &[Node<'r>] {
        &self.nodes
    }

    /// The rule that answers `method` on the paths of `rule`: on those that no narrower rule has taken out. It is `rule`
    /// or one beside it, or else the nearest around it, at its host or at one around that.
    pub(crate) fn answering(&self, rule: usize, method: usize, numbers: &MethodNumbers) -> Option<usize> {
        let own = self.hosts.get(*self.host_of.get(rule)?)?;
        let pattern = self.rule(rule)?.key.pattern();
        let around = own.around.iter().filter_map(|host| self.hosts.get(*host));
        let mut roots = std::iter::once(own).chain(around).map(|host| host.root);
        let covers = |rules: &[usize]| self.best(rules, method, numbers);
        roots.find_map(|root| self.around(root, pattern.segments(), pattern.has_rest(), &covers))
    }

    fn around<T>(
        &self,
        at: usize,
        segments: &[Segment],
        rest: bool,
        pick: &impl Fn(&[usize]) -> Option<T>,
    ) -> Option<T> {
        let node = self.nodes.get(at)?;
        let narrower = match segments.split_first() {
            None if rest => None,
            None => pick(&node.here),
            Some((segment, others)) => {
                let literal = match segment {
                    Segment::Literal(text) => node.literals.get(&**text).copied(),
                    Segment::Parameter(_) | Segment::Any => None,
                };
                let any = node.any.filter(|_| !matches!(segment, Segment::Literal(text) if text.is_empty()));
                let mut children = literal.into_iter().chain(any);
                children.find_map(|child| self.around(child, others, rest, pick))
            }
        };
        narrower.or_else(|| pick(&node.rest))
    }

    /// How many places a walk may have to visit for one request, and a rule at the end of the longest way. Counted as if
    /// every branch could be followed to its own longest end, so it is never less than the truth. Hosts around count too:
    /// a request falls through to them.
    pub(crate) fn worst_case(&self) -> (u64, Option<usize>) {
        // A place comes after the one that leads to it.
        let mut visits: Vec<u64> = vec![0; self.nodes.len()];
        let of = |visits: &[u64], node: usize| visits.get(node).copied().unwrap_or(0);
        for (at, node) in self.nodes.iter().enumerate().rev() {
            let literal = node.literals.values().map(|child| of(&visits, *child)).max().unwrap_or(0);
            let any = node.any.map_or(0, |child| of(&visits, child));
            if let Some(here) = visits.get_mut(at) {
                *here = literal.saturating_add(any).saturating_add(1);
            }
        }
        let in_all = |host: &Host<'_>| {
            let around = host.around.iter().filter_map(|host| self.hosts.get(*host));
            around.fold(of(&visits, host.root), |sum, host| sum.saturating_add(of(&visits, host.root)))
        };
        let Some(slowest) = self.hosts.iter().max_by_key(|host| in_all(host)) else { return (0, None) };
        let mut node = self.nodes.get(slowest.root);
        let mut rule = None;
        while let Some(here) = node {
            rule = here.here.iter().chain(&here.rest).next().copied().or(rule);
            // The last of equals by number, so that the same file is always reported in the same way.
            node = here
                .children()
                .max_by_key(|child| (of(&visits, *child), *child))
                .and_then(|c| self.nodes.get(c));
        }
        (in_all(slowest), rule)
    }

    /// Of rules with one path, the one that answers `method`: by name, as GET for HEAD, as `ANY`.
    fn best(&self, rules: &[usize], method: usize, numbers: &MethodNumbers) -> Option<usize> {
        let rank = |rule: &usize| numbers.rank(self.rule(*rule)?.key.methods(), method);
        rules.iter().copied().filter(|rule| rank(rule).is_some()).min_by_key(|rule| rank(rule))
    }
}

impl Node<'_> {
    pub(crate) fn children(&self) -> impl Iterator<Item = usize> {
        self.literals.values().copied().chain(self.any)
    }
}
