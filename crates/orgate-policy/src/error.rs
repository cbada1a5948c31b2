//! What can be wrong with a policy.

use std::fmt;

/// Where something stands in the files that the policy was read from. Kept for messages, never interpreted here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Which file, as an index that the reader of the files gave out.
    pub file: u16,
    /// The line, from 1.
    pub line: u32,
    /// The character in it, from 1.
    pub column: u32,
}

/// A rule key or a requirement that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// The byte offset in the text at which it goes wrong.
    pub at: usize,
    /// How many bytes are meant; at least 1 unless the text ended too early.
    pub len: usize,
    /// What is wrong.
    pub message: String,
    /// What to write instead, if that can be said.
    pub help: Option<String>,
}

impl SyntaxError {
    pub(crate) fn new(at: usize, len: usize, message: impl Into<String>) -> Self {
        Self { at, len, message: message.into(), help: None }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for SyntaxError {}

/// A policy that reads well but cannot stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyError {
    /// The stable code of the finding, such as `E031`.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// Where: the key of the rule, role or permission that it concerns.
    pub place: Place,
    /// The part of the rule's *requirement* that is meant, as byte offset and length; `None` where the key is meant.
    pub in_requirement: Option<(usize, usize)>,
    /// Other places that belong to it, each with what stands there.
    pub related: Vec<(Place, String)>,
    /// What to write instead, if that can be said.
    pub help: Option<String>,
}

impl PolicyError {
    pub(crate) fn new(code: &'static str, place: Place, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), place, in_requirement: None, related: Vec::new(), help: None }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(crate) fn related(mut self, place: Place, what: impl Into<String>) -> Self {
        self.related.push((place, what.into()));
        self
    }

    pub(crate) fn in_requirement(mut self, at: usize, len: usize) -> Self {
        self.in_requirement = Some((at, len));
        self
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for PolicyError {}
