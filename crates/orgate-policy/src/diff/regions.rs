//! Which requests have to be looked at so that none is missed.
//!
//! Take any request, the rules that win it in the two policies, and the pattern of the paths that these two share. A
//! path of that pattern and of the same length, with words in place of its parameters that no rule knows, is won by the
//! same two rules: whatever rule matches it there matches the whole slice, so it had its chance at the request as well.
//! One witness for each pattern of either policy and for each meet of an old with a new one, at each length that can
//! make a difference, therefore meets every pair of winners. Where a `/` at the end makes another path, a `**` has two
//! paths of each length. Both policies read paths alike; others are not compared.

use std::collections::{HashMap, HashSet};

use super::DiffError;
use crate::{
    HostPattern, RuleKey,
    host::host_relation,
    paths::PathOptions,
    pattern::{Pattern, Relation, Segment},
    target::{MAX_SEGMENTS, RequestTarget},
};

/// The most overlaps of an old with a new path that are looked at, each from both sides.
const MAX_OVERLAPS: usize = 2_000_000;

/// A pattern without the names of its parameters.
type Shape<'p> = (Vec<Option<&'p str>>, bool);

/// A request to be tried.
#[derive(Debug)]
pub(super) struct Witness {
    pub(super) host: Option<String>,
    /// Percent-encoded, as a client would send it.
    pub(super) path: String,
}

/// Every request to be tried, whatever its method. Of two hosts that meet one lies within the other, so every pair of
/// rules is tried at the narrower host of the two.
pub(super) fn witnesses<'p>(
    old: &[&'p RuleKey],
    new: &[&'p RuleKey],
    paths: PathOptions,
    unknown: &Unknown<'p>,
) -> Result<Vec<Witness>, DiffError> {
    let mut overlaps = 0;
    let mut witnesses = Vec::new();
    for host in &unknown.hosts {
        let regions = regions(&Here::of(old, *host), &Here::of(new, *host), &mut overlaps)?;
        let name = unknown.host(*host);
        for (segments, rest) in &regions {
            let paths = unknown.paths(segments, *rest, paths).into_iter();
            witnesses.extend(paths.map(|path| Witness { host: name.clone(), path }));
        }
    }
    Ok(witnesses)
}

/// What no rule of either policy knows, and what one does.
#[derive(Debug)]
pub(super) struct Unknown<'p> {
    hosts: Vec<Option<&'p HostPattern>>,
    words: Words,
    label: String,
    longest: usize,
    /// The literals of the rules, each with its place.
    literals: HashSet<(usize, &'p str)>,
}

impl<'p> Unknown<'p> {
    pub(super) fn of(keys: &[&'p RuleKey]) -> Self {
        let all = || keys.iter().map(|key| key.pattern());
        let literals: HashSet<(usize, &'p str)> = all()
            .flat_map(|pattern| pattern.segments().iter().enumerate())
            .filter_map(|(at, segment)| Some((at, segment.literal()?)))
            .collect();
        let mut hosts: Vec<Option<&HostPattern>> = Vec::new();
        for host in keys.iter().map(|key| key.host()) {
            if !hosts.iter().any(|known| host_relation(*known, host) == Relation::Equal) {
                hosts.push(host);
            }
        }
        let label = (0..).map(|number| format!("w{number}"));
        let taken =
            |label: &String| hosts.iter().flatten().any(|host| host.to_string().contains(label.as_str()));
        Self {
            label: label.into_iter().find(|label| !taken(label)).unwrap_or_default(),
            words: Words::new(literals.iter().map(|(_, text)| *text)),
            longest: all().map(Pattern::path_segments).max().unwrap_or(0),
            hosts,
            literals,
        }
    }

    /// One of these hosts that no rule names.
    pub(super) fn host(&self, host: Option<&HostPattern>) -> Option<String> {
        host.map(|host| match host.suffix_or_host() {
            (Some(suffix), _) => format!("{}.{suffix}", self.label),
            (None, exact) => exact.unwrap_or_default().to_owned(),
        })
    }

    /// A path of this shape at each length that can make a difference, in each of its forms.
    pub(super) fn paths(&self, segments: &[Option<&str>], rest: bool, paths: PathOptions) -> Vec<String> {
        // Beyond the longest pattern, one more segment makes no difference.
        let most = if rest { (self.longest + 1).min(MAX_SEGMENTS) } else { segments.len() };
        let mut all = Vec::new();
        for length in segments.len()..=most {
            let path = self.words.path(segments, length);
            if rest && paths.distinct_slash && length > 0 {
                all.push(format!("{path}/"));
            }
            all.push(path);
        }
        all
    }

    /// Whether a rule can tell this word from one that no rule knows, or no request has it in this place.
    pub(super) fn is_told(&self, at: usize, word: &str, paths: PathOptions) -> bool {
        let mut path = "/".to_owned();
        encode(word, &mut path);
        let is_segment = RequestTarget::parse("GET", &path)
            .is_ok_and(|target| target.len() == 1 && target.segment(0) == Some(word));
        !is_segment || self.literals.contains(&(at, &*paths.literal(word)))
    }
}

/// The rules of one policy at some hosts.
struct Here<'p> {
    /// Those that speak of these hosts and no others.
    own: Vec<Shape<'p>>,
    /// Those that speak of these hosts at all.
    all: Vec<Shape<'p>>,
}

impl<'p> Here<'p> {
    fn of(keys: &[&'p RuleKey], host: Option<&HostPattern>) -> Self {
        let shapes = |fits: &dyn Fn(Relation) -> bool| {
            let mut seen = HashSet::new();
            let here = keys.iter().filter(|key| fits(host_relation(host, key.host())));
            let shapes = here.map(|key| {
                let pattern = key.pattern();
                (pattern.segments().iter().map(Segment::literal).collect(), pattern.has_rest())
            });
            shapes.filter(|shape: &Shape<'p>| seen.insert(shape.clone())).collect()
        };
        Self {
            own: shapes(&|relation| relation == Relation::Equal),
            all: shapes(&|relation| matches!(relation, Relation::Equal | Relation::Within)),
        }
    }
}

fn regions<'p>(old: &Here<'p>, new: &Here<'p>, overlaps: &mut usize) -> Result<Vec<Shape<'p>>, DiffError> {
    let (old_tree, new_tree) = (Tree::new(&old.own), Tree::new(&new.own));
    let sides = [(&old.all, &new_tree, &new.own), (&new.all, &old_tree, &old.own)];
    // Counted before any of them is kept.
    for (shapes, tree, _) in &sides {
        *overlaps += shapes.iter().map(|shape| tree.meeting(shape).len()).sum::<usize>();
    }
    if *overlaps > MAX_OVERLAPS {
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
    new.own.iter().chain(&old.own).for_each(|shape| add(shape.clone()));
    for (shapes, tree, others) in sides {
        for shape in shapes {
            for other in tree.meeting(shape).into_iter().filter_map(|at| others.get(at)) {
                let length = shape.0.len().max(other.0.len());
                let word =
                    |at: usize| shape.0.get(at).copied().flatten().or(other.0.get(at).copied().flatten());
                add(((0..length).map(word).collect(), shape.1 && other.1));
            }
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
    fn meeting(&self, shape: &Shape<'_>) -> Vec<usize> {
        let mut found = Vec::new();
        self.walk(0, &shape.0, shape.1, &mut found);
        found
    }

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
                let any = node.any.filter(|_| !text.is_empty());
                same.into_iter().chain(any).for_each(|child| self.walk(child, others, rest, found));
            }
            Some((None, others)) => {
                let named = node.literals.iter().filter(|(text, _)| !text.is_empty());
                let children = named.map(|(_, child)| *child).chain(node.any);
                children.for_each(|child| self.walk(child, others, rest, found));
            }
        }
    }
}

/// Words that no rule knows.
#[derive(Debug)]
struct Words(u32);

impl Words {
    fn new<'w>(known: impl Iterator<Item = &'w str>) -> Self {
        let number = |word: &str| word.strip_prefix('w')?.split_once('-')?.0.parse().ok();
        let taken: HashSet<u32> = known.filter_map(number).collect();
        Self((0..).find(|number| !taken.contains(number)).unwrap_or(0))
    }

    /// A path of this shape and length.
    fn path(&self, segments: &[Option<&str>], length: usize) -> String {
        let mut path = String::new();
        for at in 0..length {
            path.push('/');
            match segments.get(at).copied().flatten() {
                Some(literal) => encode(literal, &mut path),
                None => path.push_str(&format!("w{}-{at}", self.0)),
            }
        }
        if path.is_empty() { "/".to_owned() } else { path }
    }
}

/// A decoded segment as it stands in a request. Patterns hold nothing that a path refuses; a word that does is refused or
/// read as another one, however it is written.
fn encode(word: &str, path: &mut String) {
    for byte in word.bytes() {
        match byte {
            0x21..=0x7e => path.push(char::from(byte)),
            _ => path.push_str(&format!("%{byte:02X}")),
        }
    }
}
