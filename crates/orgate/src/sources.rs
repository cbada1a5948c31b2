//! Which files a policy was read from, for refusals that name them and for whoever waits for a change.

use std::path::Path;

use crate::GateParts;

impl GateParts {
    /// The names of the policy's files, for refusals that say where their rule stands.
    #[must_use]
    pub fn file_names(mut self, names: Vec<Box<str>>) -> Self {
        self.file_names = names;
        self
    }

    /// The patterns by which the policy includes files, for whoever waits for a new one.
    #[must_use]
    pub fn including(mut self, patterns: Vec<String>) -> Self {
        self.include = patterns;
        self
    }

    /// The patterns by which the policy includes files, from the directory of its own.
    #[must_use]
    pub fn include(&self) -> &[String] {
        &self.include
    }

    /// The files that the policy was read from: its own first, then those it includes.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.file_names.iter().map(|name| Path::new(&**name))
    }
}
