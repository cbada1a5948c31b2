//! Opaque tokens and API keys: what their issuer says of them makes the caller (RFC 7662).
//!
//! 1. Only what is no JWT is asked about, and only at the issuer that the policy names for it by what it begins with. A JWT
//!    is shown to nobody.
//! 2. The answer is judged like the claims of a token, makes the same principal, and is used again for as long as the policy
//!    says and never beyond `exp`; it lies with the verified tokens, under the bytes of the very token.
//! 3. A no is remembered for a few seconds in a store of its own, so that made-up tokens evict nobody and one that is sent
//!    again and again is asked about once. Tokens that were good are known for an hour, so that their answers are renewed
//!    while somebody floods the gate with others.
//! 4. An issuer that does not answer says nothing: 503, never 401 and never open.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use moka::sync::Cache;
use orgate_claims::UnixTime;
use orgate_verify::{IssuerIndex, VerifyError, VerifyErrorKind, is_opaque};

use crate::{
    Code, Gate, GateParts, Need, Rejection, forgeries::Forgeries, judge::Refusal, token_cache::VerifiedToken,
};

/// How many tokens are known to have been good, and for how long.
const FAMILIAR: u64 = 65_536;
const FAMILIAR_FOR: Duration = Duration::from_secs(60 * 60);

/// Which opaque tokens are of an issuer; goes into [`GateParts::opaque_tokens`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpaqueTokens {
    /// What they begin with; empty where all are that are of no other issuer.
    pub prefixes: Vec<Box<str>>,
    /// How long an answer of the issuer is used again.
    pub lasting: Duration,
}

/// What was heard of a token.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    token: Arc<str>,
    /// The answer, or when to try again.
    answer: Result<Bytes, Duration>,
}

/// What is remembered of opaque tokens besides what they say.
pub(crate) struct OpaqueMemory {
    refused: Forgeries,
    familiar: Cache<u128, ()>,
}

impl OpaqueMemory {
    pub(crate) fn new() -> Self {
        let familiar = Cache::builder().max_capacity(FAMILIAR).time_to_live(FAMILIAR_FOR).build();
        Self { refused: Forgeries::new(), familiar }
    }
}

impl std::fmt::Debug for OpaqueMemory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpaqueMemory").field("familiar", &self.familiar.entry_count()).finish_non_exhaustive()
    }
}

impl GateParts {
    /// Asks the issuers of the verifier about opaque tokens, in their order; where they are asked is what
    /// [`introspecting`](Self::introspecting) says.
    #[cfg(feature = "remote")]
    #[must_use]
    pub fn opaque_tokens(mut self, tokens: Vec<Option<OpaqueTokens>>) -> Self {
        self.opaque = tokens;
        self
    }

    /// Whose `token` is, and how long an answer about it is used again; `None` for a JWT, and where nobody is asked.
    pub(crate) fn opaque_issuer(&self, token: &str) -> Option<(IssuerIndex, Duration)> {
        if self.opaque.is_empty() || !is_opaque(token) {
            return None;
        }
        let mut of_all = None;
        for (index, _) in self.verifier().issuers() {
            let Some(Some(opaque)) = self.opaque.get(index.as_usize()) else { continue };
            if opaque.prefixes.iter().any(|prefix| token.starts_with(&**prefix)) {
                return Some((index, opaque.lasting));
            }
            if opaque.prefixes.is_empty() {
                of_all = Some((index, opaque.lasting));
            }
        }
        of_all
    }
}

impl Gate {
    /// What the issuer of an opaque token made of it, if that was heard.
    pub(crate) fn introspected(
        &self,
        parts: &GateParts,
        (text, issuer, lasting): (&str, IssuerIndex, Duration),
        now: UnixTime,
        heard: Option<&Heard>,
    ) -> Result<Arc<VerifiedToken>, Refusal> {
        let memory = &self.inner.opaque;
        if let Some(error) = memory.refused.recognize(text, parts.verifier(), parts.generation(), now) {
            parts.note_reused(issuer);
            return Err(refused(&error));
        }
        let Some(heard) = heard.filter(|heard| *heard.token == *text) else {
            return Err(Refusal::Need(Need::Introspection(issuer)));
        };
        let answer = heard.answer.as_ref().map_err(|wait| unanswered(*wait))?;
        let verified = match parts.verifier().introspected_at(issuer, answer, now) {
            Ok(verified) => verified,
            Err(error) if error.kind() == VerifyErrorKind::Malformed => {
                tracing::warn!(%error, "an issuer's answer about a token cannot be read");
                return Err(unanswered(Duration::from_secs(5)).into());
            }
            Err(error) => {
                memory.refused.remember_answer(text, &error, parts.generation(), now);
                return Err(refused(&error));
            }
        };
        let mut token = parts.read(verified, text, now);
        token.valid_until = token.valid_until.min(now.plus(i64::try_from(lasting.as_secs()).unwrap_or(0)));
        let token = Arc::new(token);
        self.inner.unknown_permissions.fetch_add(parts.unknown_permissions(&token), Ordering::Relaxed);
        memory.familiar.insert(self.inner.cache.index(text), ());
        if token.valid_until > now {
            self.inner.cache.insert(text, Arc::clone(&token));
        }
        Ok(token)
    }

    /// Asks the issuer about an opaque token.
    #[cfg(feature = "remote")]
    pub(crate) async fn ask_about(&self, parts: &GateParts, issuer: IssuerIndex, token: Arc<str>) -> Heard {
        let answer = match parts.introspection(issuer) {
            Some(introspection) if parts.opaque_issuer(&token).is_some_and(|(of, _)| of == issuer) => {
                let familiar = self.inner.opaque.familiar.contains_key(&self.inner.cache.index(&token));
                introspection.ask(&token, familiar).await.map_err(|unanswered| unanswered.retry_after)
            }
            // The policy is another by now.
            _ => Err(Duration::from_secs(1)),
        };
        Heard { token, answer }
    }

    #[cfg(not(feature = "remote"))]
    #[allow(clippy::unused_async, reason = "the same as with the feature")]
    pub(crate) async fn ask_about(&self, _: &GateParts, _: IssuerIndex, token: Arc<str>) -> Heard {
        Heard { token, answer: Err(Duration::from_secs(5)) }
    }
}

impl Heard {
    /// Whether the issuer said anything.
    pub(crate) fn is_answer(&self) -> bool {
        self.answer.is_ok()
    }
}

fn refused(error: &VerifyError) -> Refusal {
    Rejection::new(error.kind().into()).with_detail(error.to_string()).into()
}

fn unanswered(wait: Duration) -> Rejection {
    Rejection::new(Code::KeysUnavailable)
        .with_detail("the issuer could not be asked about the token; try again")
        .with_retry_after(wait)
}

#[cfg(test)]
mod tests {
    use orgate_claims::IssuerUrl;
    use orgate_policy::{Place, Policy, PolicySpec, Requirement, RuleKey, RuleSpec};
    use orgate_verify::{KeySet, StaticKeys, TrustedIssuer, Verifier};

    use super::*;

    #[test]
    fn what_was_heard_of_a_token_makes_nothing_of_another() {
        let (key, demand) = (RuleKey::parse("GET /").unwrap(), Requirement::parse("public").unwrap());
        let rules = vec![RuleSpec::new(key, demand, Place::default())];
        let policy = Policy::compile(PolicySpec { rules, ..PolicySpec::default() }).unwrap();
        let issuer = TrustedIssuer::with_any_audience(IssuerUrl::parse("https://issuer.example").unwrap());
        let keys = Arc::new(StaticKeys::new(KeySet::empty()));
        let gate = Gate::new(GateParts::new(policy, Verifier::new(vec![(issuer, keys)]).unwrap()));
        let parts = gate.parts();
        let (issuer, _) = parts.verifier().issuers().next().unwrap();
        let heard = Heard { token: "one".into(), answer: Ok(r#"{"active":true,"sub":"ann"}"#.into()) };
        let of = |token| {
            let now = UnixTime::from_seconds(0);
            gate.introspected(&parts, (token, issuer, Duration::from_secs(60)), now, Some(&heard))
        };
        assert!(of("one").is_ok());
        assert!(matches!(of("two"), Err(Refusal::Need(Need::Introspection(_)))));
    }
}
