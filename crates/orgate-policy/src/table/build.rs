//! How the tries grow.

use std::collections::HashMap;

use super::{Edge, NONE, Node, Table, Won};
use crate::{
    HostPattern, PathOptions,
    key::{Methods, RuleKey},
    label::{Label, WORDS},
    methods::{GET, HEAD, MethodNumbers},
    pattern::{Pattern, Segment},
    roots::{EVERYWHERE, Roots},
};

/// The tries while they grow.
pub(super) struct Builder<'r> {
    nodes: Vec<Node>,
    children: HashMap<(u32, &'r str), u32>,
    /// Parent, label and child of every literal edge, in the order of the rules.
    edges: Vec<(u32, &'r str, u32)>,
    hosts: Vec<(&'r HostPattern, u32)>,
    leaves: Vec<Leaf>,
    row: usize,
}

struct Leaf {
    named: Box<[Won]>,
    any: Won,
}

impl<'r> Builder<'r> {
    pub(super) fn new(row: usize) -> Self {
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

    pub(super) fn insert(&mut self, rule: Won, key: &'r RuleKey, numbers: &MethodNumbers) {
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
            self.leaves.push(Leaf { named: vec![Won::NOTHING; self.row].into(), any: Won::NOTHING });
        }
        *place
    }

    pub(super) fn finish(self, methods: MethodNumbers, paths: PathOptions) -> Table {
        let free = Edge { key: Edge::FREE, label: [0; WORDS], node: Node::EMPTY, parameter: Node::EMPTY };
        let mut table = Table {
            paths,
            methods,
            roots: Roots::new(self.hosts.into_iter()),
            nodes: self.nodes,
            edges: vec![free; (self.edges.len() * 2).next_power_of_two().max(2)],
            long_labels: HashMap::new(),
            leaves: self.leaves.into_iter().flat_map(Leaf::resolve).collect(),
            row: self.row,
        };
        for (parent, label, child) in self.edges {
            table.link(parent, label, child);
        }
        table
    }
}

impl Leaf {
    /// Fills what the rules leave open: HEAD is answered by GET's rule, and the rest by `ANY`'s.
    fn resolve(mut self) -> Box<[Won]> {
        let get = self.named.get(GET).copied().unwrap_or(Won::NOTHING);
        if let Some(head) = self.named.get_mut(HEAD).filter(|head| **head == Won::NOTHING) {
            *head = get;
        }
        for entry in self.named.iter_mut().filter(|entry| **entry == Won::NOTHING) {
            *entry = self.any;
        }
        self.named
    }
}

impl Table {
    fn link(&mut self, parent: u32, text: &str, child: u32) {
        let Some(node) = self.nodes.get(child as usize).copied() else { return };
        let parameter = self.nodes.get(node.parameter as usize).copied().unwrap_or(Node::EMPTY);
        let label = Label::of(text.as_bytes());
        let key = label.key(parent);
        let mask = self.edges.len() - 1;
        let mut at = label.place(key) & mask;
        while self.edges.get(at).is_some_and(|edge| edge.key != Edge::FREE) {
            at = (at + 1) & mask;
        }
        if text.len() > WORDS * 8 {
            self.long_labels.insert(at, text.into());
        }
        if let Some(edge) = self.edges.get_mut(at) {
            *edge = Edge { key, label: label.words, node, parameter };
        }
    }
}
