//! How much of a file is read.
//!
//! Counted while the parser's events come in, so that a file of a million brackets is answered at the first that is one too
//! many and not when all of them have become a tree.

use crate::{
    codes,
    diagnostic::{Diagnostic, Span},
};

/// The most bytes a file may have.
pub const MAX_BYTES: usize = 1024 * 1024;
/// The most levels of maps and lists within each other.
pub const MAX_DEPTH: usize = 32;
/// The most keys and values that files of [`MAX_BYTES`] may have that are read together: 20 000 rules with a requirement
/// and a note are 120 000.
pub const MAX_VALUES: usize = 130_000;
/// The most entries of one map or list of such files.
pub const MAX_ENTRIES: usize = 25_000;

/// How much of a file is read, by how many bytes it may have.
#[derive(Clone, Copy)]
pub(super) struct Most {
    pub(super) values: usize,
    entries: usize,
}

impl Most {
    pub(super) fn of(bytes: usize) -> Self {
        let times = bytes.div_ceil(MAX_BYTES).max(1);
        Self { values: times.saturating_mul(MAX_VALUES), entries: times.saturating_mul(MAX_ENTRIES) }
    }

    /// What is said of the value `at`, if it is one too many: `values` are those of all files, `entries` those of its map
    /// or list.
    pub(super) fn check(self, values: usize, entries: usize, at: Span) -> Result<(), Box<Diagnostic>> {
        let message = if entries > self.entries {
            format!("a map or list has more than {} entries", self.entries)
        } else if values > self.values {
            format!("there are more than {} keys and values", self.values)
        } else {
            return Ok(());
        };
        let help = "a policy has at most 20 000 rules; leave away what it does not need";
        Err(Box::new(Diagnostic::error(codes::LIMIT, message).at(at).help(help)))
    }
}
