//! What a policy file says besides its rules.

use http::HeaderName;

/// Where tokens are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenOptions {
    /// The sources; a request may use one of them.
    pub sources: Vec<TokenSource>,
    /// The first source that is present decides, and the others are not looked at. Otherwise a request that uses two is
    /// refused.
    pub first_of_several: bool,
    /// Origins besides its own from which the application may be called by cookie, such as `https://app.example.com`.
    pub trusted_origins: Vec<Box<str>>,
}

/// A place where a request can carry a token.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenSource {
    /// `Authorization: Bearer …` (RFC 6750 §2.1).
    Bearer,
    /// The cookie with this name. A request that may change something must then show that the application's own pages
    /// made it.
    Cookie(Box<str>),
    /// The whole value of this header.
    Header(HeaderName),
    /// The parameter of the query with this name (RFC 6750 §2.3). It never goes on.
    Query(Box<str>),
    /// The member behind this marker in `Sec-WebSocket-Protocol`, of a request that opens a WebSocket. Neither goes on.
    WebSocketProtocol(Box<str>),
}

/// How the identity of the caller is passed on to the application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityOptions {
    /// The prefix of the headers, such as `X-Orgate`.
    pub prefix: String,
    /// Further headers that only the gate may set, and that are therefore removed from every request.
    pub also_strip: Vec<String>,
    /// Whether the credential goes on to the application.
    pub forward_token: bool,
    /// The same once more as a signed token, for an application that others can reach.
    pub sign: Option<SignedIdentity>,
    /// Whether the keys of that token are served where the application is.
    pub publish: bool,
}

/// A signed token that tells the application who is calling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedIdentity {
    /// Its `iss`.
    pub issuer: Box<str>,
    /// Its `aud`: the application.
    pub audience: Vec<String>,
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
    /// A page instead, for a browser that navigates.
    pub pages: bool,
    /// How much of the policy a refusal shows.
    pub disclose: Disclose,
}

/// How much of the policy a refusal shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Disclose {
    /// The code, and nothing of the rule.
    Nothing,
    /// The rule, what it requires, and which permissions are missing.
    #[default]
    Permission,
    /// Also the file and line of the rule, for development.
    Full,
}

/// Where people are sent who open a page in a browser and cannot see it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RedirectOptions {
    /// Where they sign in.
    pub login: Option<Box<str>>,
    /// Where they choose an organization.
    pub organizations: Option<Box<str>>,
}

impl Default for TokenOptions {
    fn default() -> Self {
        Self { sources: vec![TokenSource::Bearer], first_of_several: false, trusted_origins: Vec::new() }
    }
}

impl Default for IdentityOptions {
    fn default() -> Self {
        Self {
            prefix: "X-Orgate".to_owned(),
            also_strip: Vec::new(),
            forward_token: true,
            sign: None,
            publish: false,
        }
    }
}

#[cfg(feature = "config")]
impl From<orgate_config::DenyOptions> for DenyOptions {
    fn from(file: orgate_config::DenyOptions) -> Self {
        Self {
            flat: file.flat,
            unmatched_not_found: file.unmatched_404,
            hide: file.hide,
            pages: file.pages,
            disclose: match file.disclose {
                orgate_config::Disclose::Nothing => Disclose::Nothing,
                orgate_config::Disclose::Permission => Disclose::Permission,
                orgate_config::Disclose::Full => Disclose::Full,
            },
        }
    }
}

#[cfg(feature = "config")]
impl From<orgate_config::RedirectOptions> for RedirectOptions {
    fn from(file: orgate_config::RedirectOptions) -> Self {
        let text = |url: Option<String>| url.map(String::into_boxed_str);
        Self { login: text(file.login), organizations: text(file.organizations) }
    }
}
