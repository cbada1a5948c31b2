//! The compiled rules: one trie over path segments for each host, for all methods.
//!
//! A walk tries the literal edge, then the parameter, then the rest, and passes over leaves that lack the method: with
//! ambiguous sets refused at load, what it finds first is the most specific rule that covers the method. A host whose
//! trie has no such rule leaves the request to the next broader one ([`Roots`]).
//!
//! A walk allocates nothing and touches one cache line for each literal as long as it does not have to go back: an edge
//! holds its label and copies of the node that it leads to and of that node's child by a parameter. Only where case is
//! folded, a path with capitals is copied.
//! How often a walk may have to go back is bounded at load ([`Table::worst_case`]).

mod build;
mod walk;

use std::collections::HashMap;

use self::{build::Builder, walk::Walker};
use crate::{
    PathOptions,
    key::RuleKey,
    label::{Label, WORDS},
    methods::MethodNumbers,
    roots::{EVERYWHERE, Roots},
    target::RequestTarget,
};

/// No node, no leaf, no edge.
const NONE: u32 = u32::MAX;

/// The tries. Immutable once built.
#[derive(Debug)]
pub(crate) struct Table {
    methods: MethodNumbers,
    paths: PathOptions,
    roots: Roots,
    nodes: Vec<Node>,
    /// Every literal edge of every node, in one open-addressing table.
    edges: Vec<Edge>,
    /// The labels that do not fit into an edge, by the place of the edge.
    long_labels: HashMap<usize, Box<str>>,
    /// What wins by leaf and method, one row of methods for each leaf.
    leaves: Vec<Won>,
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
    /// Parent and length of the label ([`Label::key`]); [`Edge::FREE`] where there is no edge.
    key: u64,
    label: [u64; WORDS],
    /// Where it leads.
    node: Node,
    /// The child of `node` by a parameter, if there is one.
    parameter: Node,
}

/// A rule that wins, and its terms, both by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Won {
    pub(crate) rule: u16,
    pub(crate) terms: u16,
}

/// What a walk found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Walk {
    Rule(Won),
    /// A rule has this path, but none covers the method.
    MethodNotCovered,
    Nothing,
}

impl Table {
    /// Builds the tries. `keys`, each with the number of its terms, are numbered in order; no two may cover one method of one path shape of one host.
    pub(crate) fn build<'r>(
        keys: impl Iterator<Item = (&'r RuleKey, u16)>,
        methods: MethodNumbers,
        paths: PathOptions,
    ) -> Self {
        let mut builder = Builder::new(methods.count());
        for (rule, (key, terms)) in (0u16..).zip(keys) {
            builder.insert(Won { rule, terms }, key, &methods);
        }
        builder.finish(methods, paths)
    }

    /// The rule that wins `target`.
    #[inline]
    pub(crate) fn find(&self, target: &RequestTarget<'_>) -> Walk {
        if self.paths.fold_case && target.path().bytes().any(|byte| byte.is_ascii_uppercase()) {
            let folded = target.path().to_ascii_lowercase();
            return self.find_path(target, folded.as_bytes());
        }
        self.find_path(target, target.path().as_bytes())
    }

    /// The rule that wins `target`, its path being written as literals are held.
    #[inline]
    fn find_path(&self, target: &RequestTarget<'_>, path: &[u8]) -> Walk {
        let mut walker = Walker::new(self, target, path);
        if self.roots.are_one() {
            return match walker.walk(EVERYWHERE) {
                Some(won) => Walk::Rule(won),
                None => walker.nothing(),
            };
        }
        for root in self.roots.of(target.host()) {
            if let Some(won) = walker.walk(root) {
                return Walk::Rule(won);
            }
        }
        walker.nothing()
    }

    /// The edge from `parent` by a literal.
    #[inline]
    fn edge(&self, parent: u32, label: &Label<'_>) -> Option<&Edge> {
        let key = label.key(parent);
        let mask = self.edges.len().wrapping_sub(1);
        let mut at = label.place(key) & mask;
        loop {
            let edge = self.edges.get(at)?;
            if edge.fits(key, label) && (label.bytes.len() <= WORDS * 8 || self.is_long(at, label.bytes)) {
                return Some(edge);
            }
            if edge.key == Edge::FREE {
                return None;
            }
            at = (at + 1) & mask;
        }
    }

    #[cold]
    fn is_long(&self, at: usize, bytes: &[u8]) -> bool {
        self.long_labels.get(&at).is_some_and(|long| long.as_bytes() == bytes)
    }
}

impl Edge {
    const FREE: u64 = u64::MAX;

    /// Whether it is of this key and label, as far as it holds the label. In words, and all of them at once: what is
    /// compared as an array goes through memory.
    #[inline]
    fn fits(&self, key: u64, label: &Label<'_>) -> bool {
        let ([a, b, c], [d, e, f]) = (self.label, label.words);
        (self.key ^ key) | (a ^ d) | (b ^ e) | (c ^ f) == 0
    }
}

impl Won {
    /// The entry of a method that no rule of the leaf covers.
    const NOTHING: Self = Self { rule: u16::MAX, terms: u16::MAX };
}

impl Node {
    const EMPTY: Self = Self { edges: NONE, parameter: NONE, rest: NONE, leaf: NONE };
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
            let table = Table::build(spec.rules.iter().map(|rule| (&rule.key, 0)), MethodNumbers::default(), PathOptions::default());
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
            spec.rules.iter().map(|rule| (&rule.key, 0)),
            MethodNumbers::default(),
            PathOptions::default(),
        );
        let target = RequestTarget::parse("POST", "/a/a/a").unwrap();
        assert_eq!((visits(&table, &target), Shapes::new(&spec).worst_case().0), (15, 15));
    }

    #[test]
    fn labels_are_compared_whole_whatever_their_length() {
        let same: Vec<String> = [1, 8, 9, 16, 17, 24, 25, 32, 40].map(|length| "a".repeat(length)).into();
        let names: Vec<&str> = same.iter().map(String::as_str).chain(["b", "é"]).collect();
        // Alike in all that stands in an edge, and in the first place of the search.
        let inner = |byte: &str| format!("{}{byte}{}", "a".repeat(20), "a".repeat(19));
        let keys: Vec<String> = names
            .iter()
            .map(|name| (*name).to_owned())
            .chain([format!("{}x", "a".repeat(32)), format!("{}y", "a".repeat(32)), "a".repeat(300)])
            .chain([inner("x"), inner("y")])
            .map(|name| format!("GET /{name}"))
            .collect();
        let spec = spec(&keys);
        let table = Table::build(
            spec.rules.iter().map(|rule| (&rule.key, 0)),
            MethodNumbers::default(),
            PathOptions::default(),
        );
        let found = |path: &str| table.find(&RequestTarget::parse("GET", path).unwrap());
        for (number, key) in (0u16..).zip(&keys).filter(|(_, key)| key.is_ascii()) {
            assert_eq!(
                found(key.strip_prefix("GET ").unwrap()),
                Walk::Rule(Won { rule: number, terms: 0 }),
                "{key}"
            );
        }
        assert_eq!(found("/%C3%A9"), Walk::Rule(Won { rule: 10, terms: 0 }));
        for length in (2..400).filter(|length| ![8, 9, 16, 17, 24, 25, 32, 40, 300].contains(length)) {
            assert_eq!(found(&format!("/{}", "a".repeat(length))), Walk::Nothing, "{length}");
        }
        assert_eq!(found(&format!("/{}z", "a".repeat(32))), Walk::Nothing);
        assert_eq!(found(&format!("/{}", inner("z"))), Walk::Nothing);
    }
}
