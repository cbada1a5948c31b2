//! The compiled rules: one trie over path segments for each host, for all methods.
//!
//! A walk tries the literal edge, then the parameter, then the rest, and passes over leaves that lack the method: with
//! ambiguous sets refused at load, what it finds first is the most specific rule that covers the method. A host whose
//! trie has no such rule leaves the request to the next broader one ([`Roots`]).
//!
//! A walk allocates nothing and touches one cache line for each segment as long as it does not have to go back: an edge
//! holds its label and a copy of the node that it leads to. Only where case is folded, a path with capitals is copied.
//! How often a walk may have to go back is bounded at load ([`Table::worst_case`]).

use std::collections::HashMap;

use crate::{
    HostPattern, PathOptions,
    key::{Methods, RuleKey},
    label::{Label, WORDS},
    methods::{GET, HEAD, MethodNumbers},
    pattern::{Pattern, Segment},
    roots::{EVERYWHERE, Roots},
    target::{MAX_SEGMENTS, RequestTarget},
};

/// No node, no leaf, no edge.
const NONE: u32 = u32::MAX;
/// The entry of a method that no rule of the leaf covers.
const UNCOVERED: u16 = u16::MAX;

/// The tries. Immutable once built.
#[derive(Debug)]
pub(crate) struct Table {
    methods: MethodNumbers,
    paths: PathOptions,
    roots: Roots,
    nodes: Vec<Node>,
    /// Every literal edge of every node, in one open-addressing table.
    edges: Vec<Edge>,
    /// The labels that do not fit into an edge, by the node that the edge leads to.
    long_labels: HashMap<u32, Box<str>>,
    /// The bytes of the longest label; a longer segment is no literal.
    longest_label: usize,
    /// Rule numbers by leaf and method, one row of methods for each leaf.
    leaves: Vec<u16>,
    /// The length of a row.
    row: usize,
}

/// What stands at one place of a trie.
#[derive(Clone, Copy, Debug)]
struct Node {
    /// The number of this node, by which its edges are found; [`NONE`] if it has none.
    edges: u32,
    parameter: u32,
    rest: u32,
    leaf: u32,
}

/// A literal edge: one cache line.
#[derive(Clone, Debug)]
#[repr(align(64))]
struct Edge {
    label: [u64; WORDS],
    /// The length of the label; only with it are two labels of equal words the same.
    len: u32,
    parent: u32,
    child: u32,
    node: Node,
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
    /// Builds the tries. `keys` are numbered in order; no two may cover one method of one path shape of one host.
    pub(crate) fn build<'r>(
        keys: impl Iterator<Item = &'r RuleKey>,
        methods: MethodNumbers,
        paths: PathOptions,
    ) -> Self {
        let mut builder = Builder::new(methods.count());
        for (rule, key) in (0u16..).zip(keys) {
            builder.insert(rule, key, &methods);
        }
        builder.finish(methods, paths)
    }

    /// The rule that wins `target`.
    pub(crate) fn find(&self, target: &RequestTarget<'_>) -> Walk {
        if self.paths.fold_case && target.path().bytes().any(|byte| byte.is_ascii_uppercase()) {
            let folded = target.path().to_ascii_lowercase();
            return self.find_path(target, folded.as_bytes());
        }
        self.find_path(target, target.path().as_bytes())
    }

    /// The rule that wins `target`, its path being written as literals are held.
    fn find_path(&self, target: &RequestTarget<'_>, path: &[u8]) -> Walk {
        let mut walker = Walker::new(self, target, path);
        if self.roots.are_one() {
            return match walker.walk(EVERYWHERE) {
                Some(rule) => Walk::Rule(rule),
                None => walker.nothing(),
            };
        }
        for root in self.roots.of(target.host()) {
            if let Some(rule) = walker.walk(root) {
                return Walk::Rule(rule);
            }
        }
        walker.nothing()
    }

    /// The child of `parent` by a literal.
    #[inline]
    fn child(&self, parent: u32, label: &Label<'_>) -> Option<&Edge> {
        let mask = self.edges.len().checked_sub(1)?;
        let mut at = label.place(parent) & mask;
        loop {
            let edge = self.edges.get(at)?;
            let same =
                edge.parent == parent && edge.label == label.words && edge.len as usize == label.bytes.len();
            if same && (label.bytes.len() <= WORDS * 8 || self.long_label(edge.child) == Some(label.bytes)) {
                return Some(edge);
            }
            if edge.child == NONE {
                return None;
            }
            at = (at + 1) & mask;
        }
    }

    fn long_label(&self, child: u32) -> Option<&[u8]> {
        self.long_labels.get(&child).map(|label| label.as_bytes())
    }
}

struct Walker<'w> {
    table: &'w Table,
    target: &'w RequestTarget<'w>,
    path: &'w [u8],
    /// How many segments there are; the `/` at the end counts as one, an empty one, where it makes another path.
    segments: usize,
    method: usize,
    /// Whether a leaf was passed over for its methods.
    seen: bool,
    #[cfg(test)]
    visits: u64,
}

impl<'w> Walker<'w> {
    fn new(table: &'w Table, target: &'w RequestTarget<'w>, path: &'w [u8]) -> Self {
        let slash = table.paths.distinct_slash && target.ends_in_slash();
        Self {
            table,
            target,
            path,
            segments: target.len() + usize::from(slash),
            method: table.methods.number(target.method()),
            seen: false,
            #[cfg(test)]
            visits: 0,
        }
    }

    /// Walks from a root: as deep as the literals lead, and where they lead nowhere back to the deepest node that has
    /// something else to offer.
    fn walk(&mut self, root: u32) -> Option<u16> {
        let table = self.table;
        // The nodes passed, by depth; and the depths at which a parameter or a rest was left for later, as bits.
        let mut passed = [NONE; MAX_SEGMENTS + 1];
        let (mut parameters, mut rests, mut depth) = (0u64, 0u64, 0usize);
        let (mut number, mut here) = (root, *table.nodes.get(root as usize)?);
        loop {
            self.visit();
            if depth == self.segments {
                if let Some(rule) = self.leaf(here.leaf).or_else(|| self.leaf(here.rest)) {
                    return Some(rule);
                }
            } else {
                *passed.get_mut(depth)? = number;
                rests |= u64::from(here.rest != NONE) << depth;
                let (start, end) = self.target.bounds(depth).unwrap_or_default();
                if here.edges != NONE
                    && end - start <= table.longest_label
                    && let Some(edge) = table.child(here.edges, &Label::within(self.path, start, end))
                {
                    parameters |= u64::from(here.parameter != NONE) << depth;
                    (number, here) = (edge.child, edge.node);
                    depth += 1;
                    continue;
                }
                if start < end && here.parameter != NONE {
                    (number, here) = (here.parameter, *table.nodes.get(here.parameter as usize)?);
                    depth += 1;
                    continue;
                }
            }
            loop {
                depth = (parameters | rests).checked_ilog2()? as usize;
                let node = table.nodes.get(*passed.get(depth)? as usize)?;
                if parameters & 1 << depth == 0 {
                    rests ^= 1 << depth;
                    if let Some(rule) = self.leaf(node.rest) {
                        return Some(rule);
                    }
                    continue;
                }
                parameters ^= 1 << depth;
                if depth < self.target.len() {
                    (number, here) = (node.parameter, *table.nodes.get(node.parameter as usize)?);
                    depth += 1;
                    break;
                }
            }
        }
    }

    fn nothing(&self) -> Walk {
        if self.seen { Walk::MethodNotCovered } else { Walk::Nothing }
    }

    #[inline]
    fn visit(&mut self) {
        #[cfg(test)]
        {
            self.visits += 1;
        }
    }

    #[inline]
    fn leaf(&mut self, leaf: u32) -> Option<u16> {
        if leaf == NONE {
            return None;
        }
        self.seen = true;
        let rule = *self.table.leaves.get(leaf as usize * self.table.row + self.method)?;
        (rule != UNCOVERED).then_some(rule)
    }
}

/// The tries while they grow.
struct Builder<'r> {
    nodes: Vec<Node>,
    children: HashMap<(u32, &'r str), u32>,
    /// Parent, label and child of every literal edge, in the order of the rules.
    edges: Vec<(u32, &'r str, u32)>,
    hosts: Vec<(&'r HostPattern, u32)>,
    leaves: Vec<Leaf>,
    row: usize,
}

struct Leaf {
    named: Box<[u16]>,
    any: u16,
}

impl<'r> Builder<'r> {
    fn new(row: usize) -> Self {
        let nodes = vec![Node::EMPTY];
        Self {
            nodes,
            children: HashMap::new(),
            edges: Vec::new(),
            hosts: Vec::new(),
            leaves: Vec::new(),
            row,
        }
    }

    fn insert(&mut self, rule: u16, key: &'r RuleKey, numbers: &MethodNumbers) {
        let mut node = self.root(key.host());
        for segment in key.pattern().segments() {
            node = self.step(node, segment);
        }
        let leaf = self.leaf(node, key.pattern());
        let Some(leaf) = self.leaves.get_mut(leaf as usize) else { return };
        match key.methods() {
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

    fn root(&mut self, host: Option<&'r HostPattern>) -> u32 {
        let Some(host) = host else { return EVERYWHERE };
        if let Some((_, root)) = self.hosts.iter().find(|(known, _)| known.same_hosts(host)) {
            return *root;
        }
        let root = self.add_node();
        self.hosts.push((host, root));
        root
    }

    fn add_node(&mut self) -> u32 {
        let number = u32::try_from(self.nodes.len()).unwrap_or(NONE);
        self.nodes.push(Node::EMPTY);
        number
    }

    fn step(&mut self, node: u32, segment: &'r Segment) -> u32 {
        let known = match segment {
            Segment::Parameter(_) | Segment::Any => self.nodes.get(node as usize).map(|node| node.parameter),
            Segment::Literal(text) => self.children.get(&(node, &**text)).copied(),
        };
        if let Some(child) = known.filter(|child| *child != NONE) {
            return child;
        }
        let child = self.add_node();
        let Some(at) = self.nodes.get_mut(node as usize) else { return NONE };
        match segment {
            Segment::Parameter(_) | Segment::Any => at.parameter = child,
            Segment::Literal(text) => {
                at.edges = node;
                self.children.insert((node, text), child);
                self.edges.push((node, text, child));
            }
        }
        child
    }

    fn leaf(&mut self, node: u32, pattern: &Pattern) -> u32 {
        let next = u32::try_from(self.leaves.len()).unwrap_or(NONE);
        let Some(node) = self.nodes.get_mut(node as usize) else { return NONE };
        let place = if pattern.has_rest() { &mut node.rest } else { &mut node.leaf };
        if *place == NONE {
            *place = next;
            self.leaves.push(Leaf { named: vec![UNCOVERED; self.row].into(), any: UNCOVERED });
        }
        *place
    }

    fn finish(self, methods: MethodNumbers, paths: PathOptions) -> Table {
        let empty = Edge { label: [0; WORDS], len: 0, parent: NONE, child: NONE, node: Node::EMPTY };
        let mut table = Table {
            paths,
            methods,
            roots: Roots::new(self.hosts.into_iter()),
            nodes: self.nodes,
            edges: vec![empty; (self.edges.len() * 2).next_power_of_two().max(2)],
            long_labels: HashMap::new(),
            longest_label: 0,
            leaves: self.leaves.into_iter().flat_map(Leaf::resolve).collect(),
            row: self.row,
        };
        for (parent, label, child) in self.edges {
            table.link(parent, label, child);
        }
        table
    }
}

impl Node {
    const EMPTY: Self = Self { edges: NONE, parameter: NONE, rest: NONE, leaf: NONE };
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
    fn link(&mut self, parent: u32, text: &str, child: u32) {
        let Some(node) = self.nodes.get(child as usize).copied() else { return };
        let label = Label::of(text.as_bytes());
        let mask = self.edges.len() - 1;
        let mut at = label.place(parent) & mask;
        while self.edges.get(at).is_some_and(|edge| edge.child != NONE) {
            at = (at + 1) & mask;
        }
        self.longest_label = self.longest_label.max(text.len());
        if text.len() > WORDS * 8 {
            self.long_labels.insert(child, text.into());
        }
        if let Some(edge) = self.edges.get_mut(at) {
            let len = u32::try_from(text.len()).unwrap_or(NONE);
            *edge = Edge { label: label.words, len, parent, child, node };
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*, sample::select};

    use super::*;
    use crate::{Place, PolicySpec, Requirement, RuleSpec, shapes::Shapes};

    fn spec(keys: &[String]) -> PolicySpec {
        let rules = keys.iter().map(|key| {
            let requirement = Requirement::parse("public").unwrap();
            RuleSpec::new(RuleKey::parse(key).unwrap(), requirement, Place::default())
        });
        PolicySpec { rules: rules.collect(), ..PolicySpec::default() }
    }

    fn visits(table: &Table, target: &RequestTarget<'_>) -> u64 {
        let mut walker = Walker::new(table, target, target.path().as_bytes());
        for root in table.roots.of(target.host()) {
            assert_eq!(walker.walk(root), None, "no rule is for this method");
        }
        walker.visits
    }

    proptest! {
        #[test]
        fn no_request_takes_longer_than_the_worst_case(
            keys in vec((select(vec!["", "x.y", "*.y"]), vec(select(vec!["a", "b", "*"]), 0..6), any::<bool>()), 1..40),
            paths in vec((select(vec!["x.y", "z.y", "q"]), vec(select(vec!["a", "b", "c"]), 0..7)), 20),
        ) {
            let keys: Vec<String> = keys
                .iter()
                .map(|(host, path, rest)| format!("GET {host}/{}{}", path.join("/"), match (rest, path.is_empty()) {
                    (false, _) => "",
                    (true, true) => "**",
                    (true, false) => "/**",
                }))
                .collect();
            let spec = spec(&keys);
            let table = Table::build(spec.rules.iter().map(|rule| &rule.key), MethodNumbers::default(), PathOptions::default());
            let (most, _) = Shapes::new(&spec).worst_case();
            for (host, path) in paths {
                let path = format!("/{}", path.join("/"));
                let target = RequestTarget::parse("POST", &path).unwrap().at_host(Some(host)).unwrap();
                prop_assert!(visits(&table, &target) <= most, "{} {}", host, path);
            }
        }
    }

    #[test]
    fn the_worst_case_is_met_by_the_request_that_fits_everywhere() {
        let keys: Vec<String> = (0..8u32)
            .map(|bits| (0..3).map(|at| if bits & (1 << at) == 0 { "/a" } else { "/*" }).collect::<String>())
            .map(|path| format!("GET {path}"))
            .collect();
        let spec = spec(&keys);
        let table = Table::build(
            spec.rules.iter().map(|rule| &rule.key),
            MethodNumbers::default(),
            PathOptions::default(),
        );
        let target = RequestTarget::parse("POST", "/a/a/a").unwrap();
        assert_eq!((visits(&table, &target), Shapes::new(&spec).worst_case().0), (15, 15));
    }

    #[test]
    fn labels_are_compared_whole_whatever_their_length() {
        let names =
            ["a", "aaaaaaaa", "aaaaaaaaa", &"a".repeat(32), &"a".repeat(33), &"a".repeat(40), "b", "é"];
        let long = [format!("{}x", "a".repeat(32)), format!("{}y", "a".repeat(32)), "a".repeat(300)];
        let keys: Vec<String> = names
            .iter()
            .map(|name| (*name).to_owned())
            .chain(long)
            .map(|name| format!("GET /{name}"))
            .collect();
        let spec = spec(&keys);
        let table = Table::build(
            spec.rules.iter().map(|rule| &rule.key),
            MethodNumbers::default(),
            PathOptions::default(),
        );
        let found = |path: &str| table.find(&RequestTarget::parse("GET", path).unwrap());
        for (number, key) in (0u16..).zip(&keys).filter(|(_, key)| key.is_ascii()) {
            assert_eq!(found(key.strip_prefix("GET ").unwrap()), Walk::Rule(number), "{key}");
        }
        assert_eq!(found("/%C3%A9"), Walk::Rule(7));
        for length in (2..400).filter(|length| ![8, 9, 32, 33, 40, 300].contains(length)) {
            assert_eq!(found(&format!("/{}", "a".repeat(length))), Walk::Nothing, "{length}");
        }
        assert_eq!(found(&format!("/{}z", "a".repeat(32))), Walk::Nothing);
    }
}
