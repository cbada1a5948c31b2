//! The walk through one trie.

use super::{NONE, Table, UNCOVERED, Walk};
use crate::{
    label::Label,
    target::{MAX_SEGMENTS, RequestTarget},
};

/// One walk through the tries.
pub(super) struct Walker<'w> {
    table: &'w Table,
    target: &'w RequestTarget<'w>,
    path: &'w [u8],
    /// How many segments there are; the `/` at the end counts as one, an empty one, where it makes another path.
    segments: usize,
    method: usize,
    /// Whether a leaf was passed over for its methods.
    seen: bool,
    #[cfg(test)]
    pub(super) visits: u64,
}

impl<'w> Walker<'w> {
    pub(super) fn new(table: &'w Table, target: &'w RequestTarget<'w>, path: &'w [u8]) -> Self {
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
    pub(super) fn walk(&mut self, root: u32) -> Option<u16> {
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

    pub(super) fn nothing(&self) -> Walk {
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
