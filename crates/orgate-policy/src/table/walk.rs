//! The walk through one trie.

use super::{NONE, Table, Walk, Won};
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
    #[inline]
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
    pub(super) fn walk(&mut self, root: u32) -> Option<Won> {
        let table = self.table;
        // Where the walk stands, and the node's child by a parameter, if that stands beside it.
        let (mut here, mut beside, mut depth) = (table.nodes.get(root as usize)?, None, 0usize);
        // The nodes passed, by depth; and the depths at which the parameter was taken, as bits.
        let (mut passed, mut parameters) = ([None; MAX_SEGMENTS + 1], 0u64);
        loop {
            self.visit();
            if depth == self.segments {
                if let Some(won) = self.leaf(here.leaf) {
                    return Some(won);
                }
            } else {
                *passed.get_mut(depth)? = Some(here);
                let (start, end) = self.target.bounds(depth).unwrap_or_default();
                if here.edges != NONE
                    && let Some(edge) = table.edge(here.edges, &Label::within(self.path, start, end))
                {
                    (here, beside) = (&edge.node, Some(&edge.parameter));
                    depth += 1;
                    continue;
                }
                if start < end && here.parameter != NONE {
                    (here, beside) = (beside.or_else(|| table.nodes.get(here.parameter as usize))?, None);
                    parameters |= 1 << depth;
                    depth += 1;
                    continue;
                }
            }
            loop {
                if let Some(won) = self.leaf(here.rest) {
                    return Some(won);
                }
                depth = depth.checked_sub(1)?;
                here = (*passed.get(depth)?)?;
                let taken = parameters & 1 << depth;
                if taken == 0 && here.parameter != NONE && depth < self.target.len() {
                    (here, beside) = (table.nodes.get(here.parameter as usize)?, None);
                    parameters |= 1 << depth;
                    depth += 1;
                    break;
                }
                parameters ^= taken;
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
    fn leaf(&mut self, leaf: u32) -> Option<Won> {
        if leaf == NONE {
            return None;
        }
        self.seen = true;
        let won = *self.table.leaves.get(leaf as usize * self.table.row + self.method)?;
        (won != Won::NOTHING).then_some(won)
    }
}
