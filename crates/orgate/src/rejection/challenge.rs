//! What a refusal asks the client for: `WWW-Authenticate` (RFC 6750 §3, RFC 9449 §7, RFC 9470 §3).
//!
//! The scheme by which the token came, or could have come, tells what is wrong; where tokens may come by the other one as
//! well, a 401 says so in a challenge of its own.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header::WWW_AUTHENTICATE};
use orgate_verify::dpop;

use super::Rejection;
use crate::{Code, Disclose, sender::NONCE};

/// By which schemes tokens can be sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Schemes {
    #[default]
    Bearer,
    Dpop,
    Both,
}

/// What is wrong with the proof of a token that may well be good (RFC 9449 §7.1, §9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProofFault {
    Invalid,
    NonceNeeded,
}

/// What a challenge says beside its scheme.
const REALM: &str = "realm=\"orgate\"";

impl Rejection {
    /// Says what is wrong with the proof.
    pub(crate) fn with_proof_fault(mut self, fault: ProofFault) -> Self {
        self.rare.get_or_insert_default().proof_fault = Some(fault);
        self.by_dpop = true;
        self
    }

    /// Says which nonce the next proof must carry.
    pub(crate) fn with_nonce(mut self, nonce: Option<HeaderValue>) -> Self {
        if nonce.is_some() {
            self.rare.get_or_insert_default().nonce = nonce;
        }
        self
    }

    /// Says that the token came as `DPoP`, if it did.
    pub(crate) fn sent_by_dpop(mut self, by_dpop: bool) -> Self {
        self.by_dpop |= by_dpop;
        self
    }

    /// Asks for tokens by these schemes.
    pub(crate) fn asking_by(mut self, schemes: Schemes) -> Self {
        self.schemes = schemes;
        self
    }

    /// Writes the challenges, and the nonce where there is one.
    pub(super) fn challenge(&self, headers: &mut HeaderMap) {
        let mut push = |name: HeaderName, value: String| {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.append(name, value);
            }
        };
        if let Some(name) = self.rare.as_ref().and_then(|rare| rare.authenticator.as_ref()) {
            // No scheme is registered for these; the name of ours says which authenticator is meant (RFC 9110 §11.3).
            if self.status() == StatusCode::UNAUTHORIZED {
                push(WWW_AUTHENTICATE, format!("Authenticator {REALM}, name=\"{name}\""));
            }
            return;
        }
        if let Some(wrong) = self.wrong() {
            // RFC 9728 §5.1. The URL was checked when the policy was read: nothing in it ends a quoted text.
            let metadata = self.rare.as_ref().and_then(|rare| rare.metadata.as_ref());
            let metadata = metadata.map_or(String::new(), |url| format!(", resource_metadata=\"{url}\""));
            let bearer = |wrong: &str| format!("Bearer {REALM}{wrong}{metadata}");
            let dpop =
                |wrong: &str| format!("DPoP {REALM}{wrong}, algs=\"{}\"{metadata}", dpop::algorithms());
            let (first, other) = match (self.schemes, self.by_dpop) {
                (Schemes::Bearer, _) => (bearer(&wrong), None),
                (Schemes::Dpop, _) => (dpop(&wrong), None),
                (Schemes::Both, true) => (dpop(&wrong), Some(bearer(""))),
                (Schemes::Both, false) => (bearer(&wrong), Some(dpop(""))),
            };
            push(WWW_AUTHENTICATE, first);
            if let Some(other) = other.filter(|_| self.status() == StatusCode::UNAUTHORIZED) {
                push(WWW_AUTHENTICATE, other);
            }
        }
        if let Some(nonce) = self.rare.as_ref().and_then(|rare| rare.nonce.clone()) {
            headers.insert(NONCE, nonce);
        }
    }

    /// The parameters that say what is wrong; `None` where nothing that a client could send would help.
    fn wrong(&self) -> Option<String> {
        let wrong = match (self.code, self.status()) {
            (Code::NoCredential, _) => String::new(),
            (Code::BadRequest, _) if self.unreadable_credential => ", error=\"invalid_request\"".to_owned(),
            // RFC 9470 §3.
            (Code::StepUpRequired, _) => {
                let needed = self.step_up.as_deref().unwrap_or_default();
                format!(
                    ", error=\"insufficient_user_authentication\", error_description=\"{}\"{needed}",
                    self.code.title()
                )
            }
            (_, StatusCode::UNAUTHORIZED) => {
                let (error, title) = match self.rare.as_ref().and_then(|rare| rare.proof_fault) {
                    None => ("invalid_token", self.code.title()),
                    Some(ProofFault::Invalid) => ("invalid_dpop_proof", "Invalid DPoP proof"),
                    Some(ProofFault::NonceNeeded) => {
                        ("use_dpop_nonce", "The DPoP proof needs the nonce of this answer")
                    }
                };
                format!(", error=\"{error}\", error_description=\"{title}\"")
            }
            (Code::MissingPermission | Code::NoActiveOrganization, _) => {
                let mut wrong = ", error=\"insufficient_scope\"".to_owned();
                if !self.missing.is_empty() && self.disclose != Disclose::Nothing {
                    wrong.push_str(&format!(", scope=\"{}\"", self.missing.join(" ")));
                }
                wrong
            }
            (Code::MissingRole | Code::ConditionFailed, _) => ", error=\"insufficient_scope\"".to_owned(),
            _ => return None,
        };
        Some(wrong)
    }
}
