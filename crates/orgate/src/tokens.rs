//! From the credential of a request to a verified token.
//!
//! The rule: a signature is checked once. What held is kept by [`TokenCache`](crate::token_cache) as long as it would hold
//! again, what did not for a few seconds by [`Forgeries`](crate::forgeries); whether a token was revoked is asked each
//! time, and a decision is never kept.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use orgate_claims::UnixTime;
use orgate_policy::RuleMatch;
use orgate_verify::{IssuerIndex, KeyStamp, Verified, VerifyError, VerifyErrorKind};

use crate::{
    Code, Credential, Gate, GateParts, Need, Rejection, RequestHead,
    credentials::{self, CredentialError, Presented, Scheme, csrf},
    judge::Refusal,
    opaque::Heard,
    sender::Bound,
    session::Exchanged,
    token_cache::VerifiedToken,
};

/// What others said about one request.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Answers<'b> {
    /// What its session was exchanged for.
    pub(crate) session: Option<&'b Exchanged>,
    /// What the issuer of its opaque token said.
    pub(crate) heard: Option<&'b Heard>,
}

impl Gate {
    /// The verified token of a request, as it was sent and in the form in which it is judged, and by which scheme it came;
    /// `None` if it carries no credential. What the sender of a bound token has to show is not looked at here.
    pub(crate) fn token(
        &self,
        parts: &GateParts,
        (sent, head, rule): (&RequestHead<'_>, &RequestHead<'_>, &RuleMatch<'_>),
        now: UnixTime,
        brought: Answers<'_>,
    ) -> Result<Option<(Arc<VerifiedToken>, Scheme)>, Refusal> {
        let credential = credentials::extract(sent, &parts.token).map_err(|error| {
            Rejection::unreadable_credential(match error {
                CredentialError::Several => "the request carries more than one credential",
                CredentialError::Malformed => "the credential of the request cannot be read",
            })
        })?;
        match credential {
            Some(Presented { credential: Credential::Token(text), by_cookie, scheme }) => {
                if by_cookie {
                    csrf::check(head, &parts.token.trusted_origins)
                        .map_err(|detail| Rejection::new(Code::Csrf).with_detail(detail))?;
                }
                match self.verified(parts, text.as_str(), now, brought.heard) {
                    Ok(token) => Ok(Some((token, scheme))),
                    Err(Refusal::Rejection(rejection)) => {
                        Err(rejection.sent_by_dpop(scheme == Scheme::Dpop).into())
                    }
                    Err(need) => Err(need),
                }
            }
            None => {
                let token = self.session(parts, (head, rule), now, brought)?;
                Ok(token.map(|token| (token, Scheme::Unnamed)))
            }
        }
    }

    pub(crate) fn verified(
        &self,
        parts: &GateParts,
        text: &str,
        now: UnixTime,
        heard: Option<&Heard>,
    ) -> Result<Arc<VerifiedToken>, Refusal> {
        let holds = |token: &Arc<VerifiedToken>| parts.still_holds(token, now) && !parts.is_outdated(token);
        let known = self.inner.cache.get(text).filter(holds);
        self.inner.cache.count(known.is_some());
        let token = match known {
            Some(token) => {
                if let (None, Some(issuer)) = (token.key, token.issuer) {
                    parts.note_reused(issuer);
                }
                token
            }
            None => match parts.opaque_issuer(text) {
                Some((issuer, lasting)) => self.introspected(parts, (text, issuer, lasting), now, heard)?,
                None => self.verify(parts, text, now)?,
            },
        };
        parts.not_revoked(&token)?;
        Ok(token)
    }

    /// Verifies a token that is not in the cache, and remembers what came out where that is safe.
    fn verify(&self, parts: &GateParts, text: &str, now: UnixTime) -> Result<Arc<VerifiedToken>, Refusal> {
        if let Some(error) = self.inner.forgeries.recognize(text, parts.verifier(), parts.generation(), now) {
            return Err(refused(&error));
        }
        let verified = parts.verifier().verify_at(text, now).map_err(|error| {
            self.inner.forgeries.remember(text, &error, parts.generation(), now);
            refused(&error)
        })?;
        let token = Arc::new(parts.read(verified, text, now));
        self.inner.unknown_permissions.fetch_add(parts.unknown_permissions(&token), Ordering::Relaxed);
        self.inner.cache.insert(text, Arc::clone(&token));
        Ok(token)
    }
}

/// What a token that was not verified means for its request.
fn refused(error: &VerifyError) -> Refusal {
    match (error.kind(), error.issuer()) {
        (VerifyErrorKind::UnknownKey | VerifyErrorKind::KeysUnavailable, Some(issuer)) => {
            Refusal::Need(Need::Keys(issuer))
        }
        (kind, _) => Rejection::new(kind.into()).with_detail(error.to_string()).into(),
    }
}

impl GateParts {
    /// How many permissions of a token the policy does not know.
    pub(crate) fn unknown_permissions(&self, token: &VerifiedToken) -> u64 {
        let names = token.principal.permissions().iter();
        let unknown =
            names.filter(|name| self.policy().has_permission(&token.subject, name.as_str()).is_none());
        u64::try_from(unknown.count()).unwrap_or(u64::MAX)
    }

    /// What the policy makes of a verified token.
    pub(crate) fn read(&self, verified: Verified, text: &str, now: UnixTime) -> VerifiedToken {
        let (issuer, key, valid_until) = (verified.issuer(), verified.key(), verified.valid_until());
        let kid = verified.kid().map(Into::into);
        let principal = verified.into_principal();
        let subject = match self.permissions_from.get(issuer.as_usize()) {
            Some(Some(from)) => self.policy.subject_from(&principal, *from),
            Some(None) | None => self.policy.subject(&principal),
        };
        VerifiedToken {
            subject,
            bound: Bound::of(&principal, text),
            principal: Arc::new(principal),
            issuer: Some(issuer),
            key,
            kid,
            parts_generation: self.generation(),
            valid_until,
            verified_at: now,
            stands_until: AtomicU64::default(),
            withdrawn: AtomicBool::default(),
        }
    }

    /// Whether a cached token would be verified again with the same result. A clock that was put back may have passed its
    /// `nbf`, so before the second in which it was verified nothing is known of it.
    fn still_holds(&self, token: &VerifiedToken, now: UnixTime) -> bool {
        token.parts_generation == self.generation()
            && (token.verified_at..token.valid_until).contains(&now)
            && token.is_vouched_for()
            && token.key.is_none_or(|key| self.has_key(token.issuer, key))
    }

    /// Whether the key that proved a token is still one of its issuer's. Another set that holds the same key changes
    /// nothing; one without it ends what the key has proven at once.
    fn has_key(&self, issuer: Option<IssuerIndex>, key: KeyStamp) -> bool {
        issuer
            .and_then(|issuer| self.verifier().key_source(issuer))
            .and_then(|source| source.current())
            .is_some_and(|keys| keys.generation() == key.generation() || keys.holds(key))
    }
}
