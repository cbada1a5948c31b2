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

/// How many entries a section of a file may have, counted while it is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Section {
    /// The key at the top of the file.
    pub(crate) key: &'static str,
    /// What its entries are called.
    pub(crate) what: &'static str,
    /// How many there may be.
    pub(crate) most: usize,
    /// After how many the reading ends. Up to there they are counted, so that one can be told how many are too many.
    pub(crate) end: usize,
    /// How many of these are left for this file.
    pub(crate) left: usize,
}

impl Section {
    /// What is said at the entry at which the reading ended.
    fn finding(&self, at: Span) -> Diagnostic {
        let Self { what, most, end, .. } = self;
        let message = format!("the policy has more than {end} {what}; at most {most} are allowed");
        Diagnostic::error(codes::TOO_MANY, message).at(at)
    }
}

/// How much of a file is read, by how many bytes it may have.
#[derive(Clone, Copy)]
pub(super) struct Most<'s> {
    pub(super) values: usize,
    entries: usize,
    sections: &'s [Section],
}

impl<'s> Most<'s> {
    pub(super) fn of(bytes: usize, sections: &'s [Section]) -> Self {
        let times = bytes.div_ceil(MAX_BYTES).max(1);
        let (values, entries) = (times.saturating_mul(MAX_VALUES), times.saturating_mul(MAX_ENTRIES));
        Self { values, entries, sections }
    }

    /// What is said of the entry `at`, if it is one at which the reading of the section `key` ends.
    pub(super) fn check_section(self, key: &str, entries: usize, at: Span) -> Result<(), Box<Diagnostic>> {
        match self.sections.iter().find(|section| entries > section.left && section.key == key) {
            Some(section) => Err(Box::new(section.finding(at))),
            None => Ok(()),
        }
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
