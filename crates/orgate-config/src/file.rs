//! What a policy file says, compiled.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use orgate_claims::{IssuerUrl, Principal};
use orgate_policy::{PermissionsFrom, Place, Policy, Subject};
use orgate_verify::{TrustedIssuer, dpop::PublicUrls};

use crate::{
    compile::{
        AuthenticatorSpec, ExchangeSpec, FeedSpec, IntrospectSpec, Lints, Mode, NonceSource, Preflight,
        ResourceSpec, SecretSource,
    },
    diagnostic::{Diagnostics, FileId},
};

/// A policy file that was read, checked and compiled.
#[derive(Debug)]
#[non_exhaustive]
pub struct PolicyFile {
    /// Which request needs which right.
    pub policy: Policy,
    /// Whose tokens are believed, in the order of the file.
    pub issuers: Vec<IssuerSpec>,
    /// Who else may prove themselves, without a token.
    pub authenticators: Vec<AuthenticatorSpec>,
    /// Where a request carries its token.
    pub token: TokenOptions,
    /// How the caller is told to the application.
    pub identity: IdentityOptions,
    /// How refusals look.
    pub deny: DenyOptions,
    /// What becomes of CORS preflights.
    pub cors: Preflight,
    /// What the application is to OAuth clients, if the file says so.
    pub resource: Option<ResourceSpec>,
    /// Whether refusals are made or only told.
    pub mode: Mode,
    /// Where people are sent instead.
    pub redirect: RedirectOptions,
    /// How much the policy makes of warnings, for tools that find further ones.
    pub lints: Lints,
    /// Whether the application reads `X-HTTP-Method-Override`, so that the method it names is the one that is judged.
    pub method_override: bool,
    /// The patterns of `include:`, for whoever waits for a file that they match ([`included`](crate::included)).
    pub include: Vec<String>,
    /// SHA-256 of the canonical form, in hexadecimal: the name of the policy in logs and metrics. What is written counts,
    /// and neither its layout nor the environment.
    pub digest: String,
    /// What somebody should look at. Never errors.
    pub warnings: Diagnostics,
}

impl PolicyFile {
    /// The size of the policy in words: `41 rules, 4 roles, 12 permissions`, for
    /// [`Diagnostics::summary`].
    #[must_use]
    pub fn size(&self) -> String {
        let counted =
            |count: usize, noun: &str| format!("{count} {noun}{}", if count == 1 { "" } else { "s" });
        format!(
            "{}, {}, {}",
            counted(self.policy.rule_count(), "rule"),
            counted(self.policy.roles().count(), "role"),
            counted(self.policy.permissions().count(), "permission"),
        )
    }

    /// The file and the line of a place in the policy, as people write it: `orgate.yaml:14`.
    #[must_use]
    pub fn position(&self, place: Place) -> String {
        format!("{}:{}", self.file_name(place), place.line)
    }

    /// The name of the file that a place in the policy is in.
    #[must_use]
    pub fn file_name(&self, place: Place) -> &str {
        self.warnings.file_name(FileId(place.file))
    }

    /// The names of the files that places in the policy count, in their order.
    pub fn file_names(&self) -> impl Iterator<Item = &str> {
        self.warnings.file_names()
    }

    /// The principal as the policy sees it, under the choices of its issuer.
    #[must_use]
    pub fn subject(&self, principal: &Principal) -> Subject {
        let issuer = self.issuers.iter().find(|issuer| issuer.trust.url() == principal.issuer());
        match issuer.and_then(|issuer| issuer.permissions_from) {
            Some(from) => self.policy.subject_from(principal, from),
            None => self.policy.subject(principal),
        }
    }

    /// The files that the policy was read from: its own first, then those it includes.
    pub fn sources(&self) -> impl Iterator<Item = &Path> {
        self.warnings.file_names().map(Path::new)
    }

    /// The issuer of this name.
    #[must_use]
    pub fn issuer(&self, name: &str) -> Option<&IssuerSpec> {
        self.issuers.iter().find(|issuer| issuer.name == name)
    }
}

/// One entry under `issuers:`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct IssuerSpec {
    /// Its name in the file.
    pub name: String,
    /// On which terms its tokens are believed.
    pub trust: TrustedIssuer,
    /// Where its keys are.
    pub keys: KeyLocation,
    /// How long its keys are trusted when they cannot be renewed, if the policy says.
    pub keys_max_stale: Option<Duration>,
    /// Where it says whether a token still stands.
    pub introspect: Option<IntrospectSpec>,
    /// Its change feed, if that is read.
    pub feed: Option<FeedSpec>,
    /// Whether the proofs of its tokens must carry a nonce (RFC 9449 §9), and who knows it again.
    pub dpop_nonce: Option<NonceSource>,
    /// The profile it was written with.
    pub profile: Option<&'static str>,
    /// Where the permissions of its callers come from, if not from where the policy says.
    pub permissions_from: Option<PermissionsFrom>,
}

/// Where an issuer's keys are. Exhaustive on purpose: a gate must be able to fetch from all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyLocation {
    /// Where its discovery document says (RFC 8414, OpenID Connect Discovery).
    Discover,
    /// At this address.
    JwksUri(String),
    /// In this file; a relative path was resolved against the directory of the policy file.
    File(PathBuf),
    /// There is one, and it is a secret that both sides hold.
    Secret(SecretSource),
    /// There are none: the issuer is asked about each of its tokens.
    Nowhere,
    /// Here: a key set (RFC 7517) that is in hand. No policy file says so; see [`load_for_development`](crate::load_for_development).
    Known(String),
}

/// The section `token:`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenOptions {
    /// The places that are looked at; there must not be a credential in more than one of them.
    pub from: Vec<TokenSource>,
    /// Where a session cookie is exchanged for a token, if no source has one.
    pub exchange: Option<ExchangeSpec>,
    /// The first place that holds one decides, and the others are not looked at.
    pub first_of_several: bool,
    /// Origins besides the application's own whose pages may call it with a cookie, in lower case.
    pub trusted_origins: Vec<String>,
    /// The addresses at which clients see the service, for which the proofs of bound tokens are.
    pub public_urls: PublicUrls,
}

impl Default for TokenOptions {
    fn default() -> Self {
        Self {
            from: vec![TokenSource::Bearer],
            exchange: None,
            first_of_several: false,
            trusted_origins: Vec::new(),
            public_urls: PublicUrls::default(),
        }
    }
}

/// Where a request may carry its token. Exhaustive on purpose: a source that the gate does not look at would be no
/// source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenSource {
    /// `Authorization: Bearer …` (RFC 6750 §2.1).
    Bearer,
    /// The cookie with this name.
    Cookie(String),
    /// The whole value of the header with this name, in lower case.
    Header(String),
    /// The parameter of the query with this name (RFC 6750 §2.3).
    Query(String),
    /// What follows this marker among the subprotocols of a WebSocket.
    WebSocketProtocol(String),
}

/// The section `identity:`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct IdentityOptions {
    /// What the headers start with that tell the application who is calling; without the last `-`.
    pub prefix: String,
    /// Further request headers that never reach the application, in lower case.
    pub also_strip: Vec<String>,
    /// Whether the credential of a request goes on to the application.
    pub forward_token: bool,
    /// The same once more as a signed token, for an application that others can reach.
    pub sign: Option<SignedIdentity>,
    /// Whether the keys of that token are served where the application is.
    pub publish: bool,
}

/// What `identity.sign` says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SignedIdentity {
    /// Its `iss`.
    pub issuer: IssuerUrl,
    /// Its `aud`: the application.
    pub audience: Vec<String>,
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

/// The section `deny:`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DenyOptions {
    /// Requests without a rule are answered 404 and not 403.
    pub unmatched_404: bool,
    /// Requests of another organization are answered 404 and not 403, unless a rule says otherwise.
    pub hide: bool,
    /// Bodies are `{"error":"…"}` and not RFC 9457.
    pub flat: bool,
    /// A browser that navigates is shown a page.
    pub pages: bool,
    /// How much of the policy they show.
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
    /// Also the file and line of the rule.
    Full,
}

/// `deny.redirect`: where people are sent who open a page in a browser and cannot see it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RedirectOptions {
    /// Where they sign in.
    pub login: Option<String>,
    /// Where they choose an organization.
    pub organizations: Option<String>,
}
