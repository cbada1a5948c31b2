//! Which requests have to be looked at so that none is missed.
//!
//! Take any request, the rules that win it in the two policies, and the pattern of the paths that these two share. A
//! path of that pattern and of the same length, with words in place of its parameters that no rule knows, is won by the
//! same two rules: whatever rule matches it there matches the whole slice, so it had its chance at the request as well.
//! One witness for each pattern of either policy and for each meet of an old with a new one, at each length that can
//! make a difference, therefore meets every pair of winners.

use std::collections::{HashMap, HashSet};

use super::DiffError;
use crate::{
    pattern::{Pattern, Segment},
    target::MAX_SEGMENTS,
};

/// The most overlaps of an old with a new path that are looked at.
const MAX_OVERLAPS: usize = 1_000_000;

/// A pattern without the names of its parameters.
type Shape<'p> = (Vec<Option<&'p str>>, bool);

/// Every path to be tried, percent-encoded as a client would send it.
pub(super) fn witnesses<'p>(old: &[&'p Pattern], new: &[&'p Pattern]) -> Result<Vec<String>, DiffError> {
    let (old, new) = (shapes(old), shapes(new));
    let regions = regions(&old, &new)?;
    let all = || old.iter().chain(&new);
    let words = Words::new(all().flat_map(|(segments, _)| segments.iter().flatten().copied()));
    // Beyond the longest pattern, one more segment makes no difference.
    let longest = all().map(|(segments, _)| segments.len()).max().unwrap_or(0);
    let mut paths = Vec::with_capacity(regions.len());
    for (segments, rest) in &regions {
        let most = if *rest { (longest + 1).min(MAX_SEGMENTS) } else { segments.len() };
        for length in segments.len()..=most {
            let mut path = String::new();
            for at in 0..length {
                path.push('/');
                match segments.get(at).copied().flatten() {
                    Some(literal) => encode(literal, &mut path),
                    None => path.push_str(&words.fresh(at)),
                }
            }
            paths.push(if path.is_empty() { "/".to_owned() } else { path });
        }
    }
    Ok(paths)
}

fn shapes<'p>(patterns: &[&'p Pattern]) -> Vec<Shape<'p>> {
    let mut seen = HashSet::new();
    let shapes = patterns.iter().map(|pattern| {
        let segments = pattern.segments().iter().map(|segment| match segment {
            Segment::Literal(text) => Some(&**text),
            Segment::Parameter(_) | Segment::Any => None,
        });
        (segments.collect(), pattern.has_rest())
    });
    shapes.filter(|shape: &Shape<'_>| seen.insert(shape.clone())).collect()
}

fn regions<'p>(old: &[Shape<'p>], new: &[Shape<'p>]) -> Result<Vec<Shape<'p>>, DiffError> {
    let tree = Tree::new(new);
    let meeting = |shape: &Shape<'p>| {
        let mut found = Vec::new();
        tree.walk(0, &shape.0, shape.1, &mut found);
        found
    };
    // Counted before any of them is kept.
    let overlaps: usize = old.iter().map(|shape| meeting(shape).len()).sum();
    if overlaps > MAX_OVERLAPS {
        return Err(DiffError::TooManyOverlaps { most: MAX_OVERLAPS });
    }
    let mut seen: HashSet<Shape<'p>> = HashSet::new();
    let mut all = Vec::new();
    let mut add = |shape: Shape<'p>| {
        if !seen.contains(&shape) {
            seen.insert(shape.clone());
            all.push(shape);
        }
    };
    new.iter().chain(old).for_each(|shape| add(shape.clone()));
    for shape in old {
        for other in meeting(shape).into_iter().filter_map(|at| new.get(at)) {
            let length = shape.0.len().max(other.0.len());
            let literal =
                |at: usize| shape.0.get(at).copied().flatten().or(other.0.get(at).copied().flatten());
            add(((0..length).map(literal).collect(), shape.1 && other.1));
        }
    }
    Ok(all)
}

/// Shapes as a tree over their segments, so that one is compared only with those that share a path with it.
struct Tree<'p> {
    nodes: Vec<Node<'p>>,
}

#[derive(Default)]
struct Node<'p> {
    literals: HashMap<&'p str, usize>,
    any: Option<usize>,
    /// The shapes that end here, and those whose `**` begins here.
    here: Vec<usize>,
    rest: Vec<usize>,
}

impl<'p> Tree<'p> {
    fn new(shapes: &[Shape<'p>]) -> Self {
        let mut tree = Self { nodes: vec![Node::default()] };
        for (number, (segments, rest)) in shapes.iter().enumerate() {
            let mut at = 0;
            for segment in segments {
                let next = tree.nodes.len();
                let Some(node) = tree.nodes.get_mut(at) else { break };
                at = match segment {
                    Some(text) => *node.literals.entry(text).or_insert(next),
                    None => *node.any.get_or_insert(next),
                };
                if at == next {
                    tree.nodes.push(Node::default());
                }
            }
            if let Some(node) = tree.nodes.get_mut(at) {
                if *rest { &mut node.rest } else { &mut node.here }.push(number);
            }
        }
        tree
    }

    /// The shapes that share a path with this one.
    fn walk(&self, at: usize, segments: &[Option<&str>], rest: bool, found: &mut Vec<usize>) {
        let Some(node) = self.nodes.get(at) else { return };
        found.extend(&node.rest);
        let children = || node.literals.values().copied().chain(node.any);
        match segments.split_first() {
            None => {
                found.extend(&node.here);
                if rest {
                    children().for_each(|child| self.walk(child, segments, rest, found));
                }
            }
            Some((Some(text), others)) => {
                let same = node.literals.get(text).copied();
                same.into_iter().chain(node.any).for_each(|child| self.walk(child, others, rest, found));
            }
            Some((None, others)) => children().for_each(|child| self.walk(child, others, rest, found)),
        }
    }
}

/// Words that no rule knows.
struct Words(u32);

impl Words {
    fn new<'w>(known: impl Iterator<Item = &'w str>) -> Self {
        let number = |word: &str| word.strip_prefix('w')?.split_once('-')?.0.parse().ok();
        let taken: HashSet<u32> = known.filter_map(number).collect();
        Self((0..).find(|number| !taken.contains(number)).unwrap_or(0))
    }

    /// A word of its own for each place.
    fn fresh(&self, at: usize) -> String {
        format!("w{}-{at}", self.0)
    }
}

/// A literal as it stands in a request; patterns hold decoded text, and nothing in them that a path refuses.
fn encode(literal: &str, path: &mut String) {
    for byte in literal.bytes() {
        match byte {
            0x21..=0x7e => path.push(char::from(byte)),
            _ => path.push_str(&format!("%{byte:02X}")),
        }
    }
}
