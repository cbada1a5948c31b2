//! Tokens that are bound to their senders: to a key (DPoP, RFC 9449), to a client certificate (RFC 8705), or to both.
//!
//! The rule: whoever sends a bound token shows with every request that it holds what the token is bound to, whether the
//! token was verified just now or is in the cache, and wherever in the request it stands. A bound token is never a bearer
//! token, and one that is not bound is never sent as `DPoP`. Which tokens an issuer may make is the verifier's business
//! ([`Binding`](orgate_verify::Binding)); here the request is looked at.
//!
//! A proof that holds is used up by the verdict, whichever it is: see [`Replays`](crate::replays).

use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use orgate_claims::{Principal, UnixTime};
use orgate_verify::{
    Binding, CertificateThumbprint, IssuerIndex, Verifier,
    dpop::{self, NonceError, Nonces, Proof, ProofError, Proven, PublicUrls},
};

use crate::{
    Code, Gate, GateParts, Rejection, RequestHead, Verdict,
    credentials::Scheme,
    judge::Judged,
    rejection::{ProofFault, Schemes},
    replays::NotFirst,
    token_cache::VerifiedToken,
};

/// The header that holds a proof.
pub(crate) const PROOF: HeaderName = HeaderName::from_static("dpop");
/// The header in which a client is told the nonce of its next proof.
pub(crate) const NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// How bound tokens are proven, beside the terms of their issuers.
#[derive(Debug, Default)]
pub struct SenderOptions {
    public_urls: PublicUrls,
    /// By issuer.
    nonces: Vec<Option<Arc<Nonces>>>,
}

impl SenderOptions {
    /// Clients see the service at these addresses. Without one, proofs are for the host of the request, by https.
    #[must_use]
    pub fn public_urls(mut self, urls: PublicUrls) -> Self {
        self.public_urls = urls;
        self
    }

    /// By issuer, in the order of the verifier: the nonces that the proofs of its tokens must carry, if they must.
    #[must_use]
    pub fn nonces(mut self, nonces: Vec<Option<Arc<Nonces>>>) -> Self {
        self.nonces = nonces;
        self
    }

    /// Nonces for [`nonces`](Self::nonces), which only this process knows again, or every process with this secret.
    ///
    /// # Errors
    /// If the system has no randomness to give.
    pub fn make_nonces(secret: Option<&str>) -> Result<Arc<Nonces>, NonceError> {
        Ok(Arc::new(match secret {
            Some(secret) => Nonces::of(secret.as_bytes()),
            None => Nonces::generate()?,
        }))
    }

    fn nonces_of(&self, issuer: Option<IssuerIndex>) -> Option<&Nonces> {
        self.nonces.get(issuer?.as_usize())?.as_deref()
    }
}

/// What the sender of a token has to show.
#[derive(Debug)]
pub(crate) struct Bound {
    key: Option<BoundKey>,
    certificate: Option<CertificateThumbprint>,
}

#[derive(Debug)]
struct BoundKey {
    thumbprint: Box<str>,
    /// What a proof names the token by, made once.
    token_hash: Box<str>,
}

impl Bound {
    /// What the sender of the token `text` has to show; `None` for a bearer token.
    pub(crate) fn of(principal: &Principal, text: &str) -> Option<Box<Self>> {
        let confirmation = principal.confirmation()?;
        let key = confirmation.key_thumbprint().map(|thumbprint| BoundKey {
            thumbprint: thumbprint.into(),
            token_hash: dpop::token_hash(text).into(),
        });
        let certificate = confirmation.certificate_thumbprint().map(CertificateThumbprint::from_bytes);
        Some(Box::new(Self { key, certificate }))
    }

    pub(crate) fn to_key(&self) -> bool {
        self.key.is_some()
    }
}

/// The schemes by which the tokens of these issuers can be sent.
pub(crate) fn schemes(verifier: &Verifier) -> Schemes {
    let takes = |binding| verifier.issuers().any(|(_, issuer)| issuer.key_binding() == binding);
    match (takes(Binding::Allowed), takes(Binding::Required), takes(Binding::Off)) {
        (false, false, _) => Schemes::Bearer,
        (false, true, false) => Schemes::Dpop,
        _ => Schemes::Both,
    }
}

impl GateParts {
    /// How bound tokens are proven.
    #[must_use]
    pub fn senders(mut self, senders: SenderOptions) -> Self {
        self.senders = senders;
        self
    }

    /// Whether the request shows what its token is bound to; with the proof of a key that it shows. `received` is the head
    /// as the client sent it, `head` as it is judged.
    pub(crate) fn shown(
        &self,
        token: &VerifiedToken,
        scheme: Scheme,
        received: &RequestHead<'_>,
        head: &RequestHead<'_>,
        now: UnixTime,
    ) -> Result<Option<Proof>, Rejection> {
        let invalid = |detail| Err(invalid(detail).sent_by_dpop(scheme == Scheme::Dpop));
        let bound = token.bound.as_deref();
        if let Some(certificate) = bound.and_then(|bound| bound.certificate)
            && head.client_certificate != Some(certificate)
        {
            return invalid(match head.client_certificate {
                Some(_) => "the token is bound to another client certificate than that of the connection",
                None => "the token is bound to a client certificate, and the connection has none",
            });
        }
        match (bound.and_then(|bound| bound.key.as_ref()), scheme) {
            (None, Scheme::Bearer | Scheme::Unnamed) => Ok(None),
            (None, Scheme::Dpop) => invalid("the token is bound to no key, so it cannot be sent as `DPoP`"),
            // SECURITY: whoever stole such a token must not be able to use it as a bearer token (RFC 9449 §7.1).
            (Some(_), Scheme::Bearer) => invalid(
                "the token is bound to a key: send it as `Authorization: DPoP`, with a proof in `DPoP`",
            ),
            (Some(_), _) if received.method != head.method => {
                Err(unproven("a proof is for the method that was sent, and the request overrides it"))
            }
            (Some(key), Scheme::Dpop | Scheme::Unnamed) => self.proof(key, token, received, now).map(Some),
        }
    }

    /// The proof of a request, if it holds.
    fn proof(
        &self,
        key: &BoundKey,
        token: &VerifiedToken,
        received: &RequestHead<'_>,
        now: UnixTime,
    ) -> Result<Proof, Rejection> {
        let mut proofs = received.headers.get_all(&PROOF).iter();
        let proof = match (proofs.next(), proofs.next()) {
            (Some(proof), None) => proof.to_str().map_err(|_| unproven("the DPoP proof cannot be read"))?,
            (Some(_), Some(_)) => return Err(unproven("the request has more than one DPoP proof")),
            (None, _) => {
                return Err(unproven("the token is bound to a key, and the request has no DPoP proof"));
            }
        };
        let nonces = self.senders.nonces_of(token.issuer);
        let proven = Proven {
            method: received.method.as_str(),
            authority: received.authority,
            path: received.path_and_query.path(),
            public_urls: &self.senders.public_urls,
            token_hash: &key.token_hash,
            thumbprint: &key.thumbprint,
            nonces,
        };
        dpop::check(proof, &proven, now).map_err(|error| {
            let nonce = nonces.filter(|_| error == ProofError::Nonce).map(|nonces| nonces.current(now));
            match nonce.and_then(|nonce| HeaderValue::try_from(nonce).ok()) {
                None => unproven(&error.to_string()),
                nonce => {
                    invalid(&error.to_string()).with_proof_fault(ProofFault::NonceNeeded).with_nonce(nonce)
                }
            }
        })
    }

    /// What the client of an accepted proof is to be told for its next one.
    fn next_nonce(&self, proof: Proof, token: &VerifiedToken, now: UnixTime) -> Option<HeaderValue> {
        let nonces = self.senders.nonces_of(token.issuer).filter(|_| proof.renews_nonce())?;
        HeaderValue::try_from(nonces.current(now)).ok()
    }
}

fn invalid(detail: &str) -> Rejection {
    Rejection::new(Code::InvalidToken).with_detail(detail)
}

/// A token that may well be good, whose sender did not prove to be the right one.
fn unproven(detail: &str) -> Rejection {
    invalid(detail).with_proof_fault(ProofFault::Invalid)
}

impl Gate {
    /// Uses the proof of a request up. What was judged stands only if nobody used it before; what is given back is the nonce
    /// that the client is to be told.
    pub(crate) fn use_up(
        &self,
        parts: &GateParts,
        proof: Option<Proof>,
        judged: &mut Judged<Arc<VerifiedToken>>,
        now: UnixTime,
    ) -> Option<HeaderValue> {
        let proof = proof?;
        match self.replays().admit(proof, now) {
            Ok(()) => parts.next_nonce(proof, judged.caller.as_deref()?, now),
            Err(why) => {
                (judged.refused, judged.caller) = (Some(parts.of_rule(used_up(why), judged.rule)), None);
                None
            }
        }
    }
}

/// What the request of a proof is answered that does not count.
fn used_up(why: NotFirst) -> Rejection {
    match why {
        NotFirst::Replayed => unproven("the DPoP proof was used before"),
        NotFirst::Forgotten => unproven("the DPoP proof is older than what is remembered"),
        NotFirst::Full(wait) => Rejection::new(Code::RateLimited)
            .with_detail("more requests with DPoP proofs were made than are remembered")
            .with_retry_after(wait),
    }
}

impl Verdict {
    /// Tells the client which nonce its next proof must carry.
    pub(crate) fn with_nonce(self, nonce: Option<HeaderValue>) -> Self {
        match self {
            Self::Forward(permit) => Self::Forward(permit.with_nonce(nonce)),
            Self::Reject(rejection) => Self::Reject(rejection.with_nonce(nonce)),
            Self::Answer(answer) => Self::Answer(answer),
        }
    }
}

#[cfg(test)]
mod tests;
