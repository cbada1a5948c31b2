//! What a policy file says besides its rules.

use http::HeaderName;

/// Where tokens are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenOptions {
    /// The sources; a request may use one of them.
    pub sources: Vec<TokenSource>,
}

/// A place where a request can carry a token.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenSource {
    /// `Authorization: Bearer …` (RFC 6750 §2.1).
    Bearer,
    /// The whole value of this header.
    Header(HeaderName),
}

/// How the identity of the caller is passed on to the application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityOptions {
    /// The prefix of the headers, such as `X-Orgate`.
    pub prefix: String,
    /// Further headers that only the gate may set, and that are therefore removed from every request.
    pub also_strip: Vec<String>,
}

/// How refusals are rendered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DenyOptions {
    /// `{"error": "…"}` instead of problem details (RFC 9457).
    pub flat: bool,
    /// 404 instead of 403 where no rule matches.
    pub unmatched_not_found: bool,
    /// 404 instead of 403 for another organization's resources, on every rule.
    pub hide: bool,
}

impl Default for TokenOptions {
    fn default() -> Self {
        Self { sources: vec![TokenSource::Bearer] }
    }
}

impl Default for IdentityOptions {
    fn default() -> Self {
        Self { prefix: "X-Orgate".to_owned(), also_strip: Vec::new() }
    }
}

#[cfg(feature = "config")]
impl From<orgate_config::DenyOptions> for DenyOptions {
    fn from(file: orgate_config::DenyOptions) -> Self {
        Self { flat: file.flat, unmatched_not_found: file.unmatched_404, hide: file.hide }
    }
}
