//! Which tries a request's host selects.
//!
//! The hosts of a policy that fit one request lie within each other, so their order is total: the host itself, then
//! suffixes, the longer first, then the rules without a host.

use crate::HostPattern;

/// No suffix.
const NONE: u32 = u32::MAX;
/// The trie of the rules without a host.
pub(crate) const EVERYWHERE: u32 = 0;

/// The tries by host. Built once, then only read.
#[derive(Debug, Default)]
pub(crate) struct Roots {
    /// Sorted by host.
    exact: Vec<Root>,
    /// Sorted by suffix.
    suffixes: Vec<Root>,
}

#[derive(Debug)]
struct Root {
    text: Box<str>,
    node: u32,
    /// The suffix to try next, as an index.
    next: u32,
}

impl Roots {
    /// `hosts` are distinct, each with the root of its trie.
    pub(crate) fn new<'h>(hosts: impl Iterator<Item = (&'h HostPattern, u32)>) -> Self {
        let mut roots = Self::default();
        for (host, node) in hosts {
            let (list, text) = match host.suffix_or_host() {
                (Some(suffix), _) => (&mut roots.suffixes, suffix),
                (None, host) => (&mut roots.exact, host.unwrap_or_default()),
            };
            list.push(Root { text: text.into(), node, next: NONE });
        }
        roots.suffixes.sort_by(|a, b| a.text.cmp(&b.text));
        roots.exact.sort_by(|a, b| a.text.cmp(&b.text));
        let next = |list: &[Root]| -> Vec<u32> {
            list.iter().map(|root| roots.longest_suffix(&root.text)).collect()
        };
        let (of_exact, of_suffixes) = (next(&roots.exact), next(&roots.suffixes));
        roots.exact.iter_mut().zip(of_exact).for_each(|(root, next)| root.next = next);
        roots.suffixes.iter_mut().zip(of_suffixes).for_each(|(root, next)| root.next = next);
        roots
    }

    /// Whether no rule has a host, so that every request is for the one trie.
    #[inline]
    pub(crate) fn are_one(&self) -> bool {
        self.exact.is_empty() && self.suffixes.is_empty()
    }

    /// The tries for a request at `host`, most specific first.
    pub(crate) fn of(&self, host: Option<&str>) -> impl Iterator<Item = u32> {
        let exact = host.and_then(|host| self.exact.get(position(&self.exact, host)?));
        let mut next = match (exact, host) {
            (Some(root), _) => root.next,
            (None, Some(host)) => self.longest_suffix(host),
            (None, None) => NONE,
        };
        let suffixes = std::iter::from_fn(move || {
            let root = self.suffixes.get(next as usize)?;
            next = root.next;
            Some(root.node)
        });
        exact.map(|root| root.node).into_iter().chain(suffixes).chain([EVERYWHERE])
    }

    /// The longest suffix that stands behind at least one label of `host`.
    fn longest_suffix(&self, host: &str) -> u32 {
        if self.suffixes.is_empty() {
            return NONE;
        }
        let mut behind_a_dot = host.match_indices('.').filter_map(|(at, _)| host.get(at + 1..));
        let found = behind_a_dot.find_map(|suffix| position(&self.suffixes, suffix));
        found.and_then(|at| u32::try_from(at).ok()).unwrap_or(NONE)
    }
}

fn position(roots: &[Root], text: &str) -> Option<usize> {
    roots.binary_search_by(|root| (*root.text).cmp(text)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_that_fit_come_from_the_most_specific_to_all() {
        let hosts = ["a.b.example", "*.example", "{t}.b.example", "b.example", "*.c.b.example", "[::1]"];
        let hosts: Vec<_> = hosts.iter().map(|text| HostPattern::parse(text).unwrap()).collect();
        let roots = Roots::new(hosts.iter().zip(1..));
        for (host, expected) in [
            (Some("a.b.example"), &[1, 3, 2, 0][..]),
            (Some("x.b.example"), &[3, 2, 0]),
            (Some("x.c.b.example"), &[5, 3, 2, 0]),
            (Some("c.b.example"), &[3, 2, 0]),
            (Some("b.example"), &[4, 2, 0]),
            (Some("x.example"), &[2, 0]),
            (Some("example"), &[0]),
            (Some("[::1]"), &[6, 0]),
            (Some("xb.example.test"), &[0]),
            (None, &[0]),
        ] {
            assert_eq!(roots.of(host).collect::<Vec<_>>(), expected, "{host:?}");
        }
    }
}
