//! How long what was let in may last, where it lasts longer than a request: a WebSocket, a stream of events.

use std::sync::Arc;

use crate::{Gate, Permit, token_cache::VerifiedToken};

/// A caller who was let in, for whoever serves one request for long and asks now and then. Cheap to ask.
#[derive(Debug)]
pub struct Tenure {
    gate: Gate,
    token: Arc<VerifiedToken>,
}

impl Permit {
    /// Whether the caller still stands can be asked of this from time to time, where their issuer says what it revokes.
    /// `None` for callers of whom that is never heard.
    #[must_use]
    pub fn tenure(&self, gate: &Gate) -> Option<Tenure> {
        let token = self.token.as_ref().filter(|token| self.parts.is_told_of(token))?;
        Some(Tenure { gate: gate.clone(), token: Arc::clone(token) })
    }
}

impl Tenure {
    /// Whether a request with the same token would still be believed, as far as marks are concerned: by the policy in force
    /// now. That the token has not ended is for the caller to see to.
    #[must_use]
    pub fn stands(&self) -> bool {
        let parts = self.gate.snapshot();
        let issuer = self.token.principal.issuer();
        let found = parts.verifier().issuers().find(|(_, trust)| trust.url() == issuer);
        found.is_some_and(|(index, _)| parts.believes(index, &self.token))
    }
}
