//! How the application behind the gate reads the paths that the gate accepts.
//!
//! Neither option accepts a request target that would be refused without it: what can be read in two ways is refused
//! before ([`RequestTarget`](crate::RequestTarget)). They only say which accepted paths are one path and which are two.

use crate::SyntaxError;

/// Which paths a policy takes for the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PathOptions {
    /// Literals are compared without regard to the case of ASCII letters. What a parameter captures keeps its bytes.
    pub fold_case: bool,
    /// `/x` and `/x/` are two paths; a pattern speaks of the second only if it ends in `/`.
    pub distinct_slash: bool,
}

/// What the routers of frameworks do unless they are told otherwise. Where a router answers one of the two forms with a
/// redirect to the other (Django, Flask, FastAPI, Go), they are two paths: only one of them runs a handler.
const PROFILES: [(&str, PathOptions); 9] = {
    const fn options(fold_case: bool, distinct_slash: bool) -> PathOptions {
        PathOptions { fold_case, distinct_slash }
    }
    [
        ("strict", options(false, false)),
        ("axum", options(false, true)),
        ("express", options(true, false)),
        ("django", options(false, true)),
        ("flask", options(false, true)),
        ("fastapi", options(false, true)),
        ("rails", options(false, false)),
        ("spring", options(false, true)),
        ("go", options(false, true)),
    ]
};

impl PathOptions {
    /// The profiles that a policy may name, each with what it stands for.
    pub const PROFILES: [(&'static str, Self); 9] = PROFILES;

    /// A literal as it is compared.
    pub(crate) fn literal(self, text: &str) -> Box<str> {
        if self.fold_case { text.to_ascii_lowercase().into() } else { text.into() }
    }

    /// What is said of a pattern that ends in `/`, where slashes are not told apart.
    pub(crate) fn slash_at_end(at: usize) -> SyntaxError {
        let help = "leave the last `/` away; a request with and without it is the same, unless `paths:` says `trailing_slash: distinct`";
        SyntaxError::new(at, 1, "a pattern cannot end in `/`").help(help)
    }
}
