//! How the program ends.

use std::{fmt, process::ExitCode};

/// Why a verb ended without success: a text for people, and the exit code.
#[derive(Debug)]
pub struct Failure {
    code: u8,
    text: String,
    rendered: bool,
}

impl Failure {
    /// Exit code 2: flags, files, ports.
    pub fn could_not_run(error: impl fmt::Display) -> Self {
        Self { code: 2, text: error.to_string(), rendered: false }
    }

    /// An error that has its own look, complete with `error:` and places; `code` 1 for findings in a file.
    #[must_use]
    pub fn rendered(code: u8, text: String) -> Self {
        Self { code, text, rendered: true }
    }

    /// Exit code 1, for a tool that has printed what it found as its result.
    #[must_use]
    pub fn findings() -> Self {
        Self::rendered(1, String::new())
    }

    /// The exit code of the process.
    #[must_use]
    pub fn code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }

    /// Whether the text begins with `error:` by itself.
    pub(crate) fn is_rendered(&self) -> bool {
        self.rendered
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text.trim_end())
    }
}

impl std::error::Error for Failure {}
