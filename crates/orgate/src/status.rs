//! How a gate is doing: whether it has what it needs to decide.

use std::sync::Arc;

use orgate_verify::KeyFigures;

use crate::{GateParts, Principal, TokenCacheFigures};

/// How a gate is doing.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GateStatus {
    /// Every issuer, in the order of the policy file.
    pub issuers: Vec<IssuerStatus>,
    /// How many rules are enforced.
    pub rules: usize,
    /// How many requests were refused without a signature check, since the same token had failed it a moment before.
    pub forgeries_recognized: u64,
    /// How many permissions of verified tokens were left out, because the policy does not know them. Issuers add names
    /// freely, so this is no error; but where it grows after a change of the policy, a name was lost.
    pub unknown_permissions: u64,
    /// How often a token was known.
    pub token_cache: TokenCacheFigures,
}

/// How a gate stands with one issuer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct IssuerStatus {
    /// Its `iss`.
    pub issuer: String,
    /// Where its keys come from.
    pub location: String,
    /// Whether keys are in hand.
    pub keys_loaded: bool,
    /// Why the last attempt to fetch them failed, if it did.
    pub last_error: Option<String>,
    /// What can be counted of its keys.
    pub figures: KeyFigures,
    /// What can be counted of the questions about its tokens, where it is asked any.
    #[cfg(feature = "remote")]
    pub introspection: Option<orgate_remote::IntrospectionFigures>,
    /// How it stands with what the issuer revokes, where that is read.
    #[cfg(feature = "remote")]
    pub feed: Option<orgate_remote::FeedFigures>,
}

impl IssuerStatus {
    /// Whether its tokens can be accepted: its keys are in hand, and nothing that the policy demands to know is unknown.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        #[cfg(feature = "remote")]
        if self.feed.as_ref().is_some_and(|feed| feed.refuses) {
            return false;
        }
        self.keys_loaded
    }
}

/// Who asked for what was refused, and under which policy: for logs.
#[derive(Clone, Debug)]
pub(crate) struct Asker {
    pub(crate) caller: Option<Principal>,
    pub(crate) policy: Arc<str>,
}

impl GateParts {
    /// Names the policy by the digest of its file.
    #[must_use]
    pub fn digest(mut self, digest: &str) -> Self {
        self.digest = digest.into();
        self
    }

    /// The digest of the policy's file (see `orgate_config::PolicyFile::digest`), in hexadecimal; empty where there is none.
    #[must_use]
    pub fn policy_digest(&self) -> &str {
        &self.digest
    }
}

impl GateStatus {
    /// Whether tokens of every issuer can be accepted.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.issuers.iter().all(IssuerStatus::is_ready)
    }
}
