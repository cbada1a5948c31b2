//! Rules `via(x)`: callers that prove themselves to an authenticator instead of with a token.
//!
//! On such a route every other credential of the request is ignored: it is neither read nor can it spoil the answer. A
//! signed delivery is judged by its headers first, and only one that could be good has its body read.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use http::{HeaderMap, HeaderName};
use moka::{Expiry, policy::EvictionPolicy, sync::Cache};
use orgate_claims::{Principal, UnixTime};
use orgate_policy::Policy;
use orgate_verify::authenticator::{ApiKey, AuthenticatorError, Fingerprint, HeaderText, Webhook};

use crate::{Code, Need, Rejection, gate::GateParts, judge::Refusal, token_cache::VerifiedToken};

/// How many deliveries are remembered. What is beyond is forgotten early, least recently used first.
const REMEMBERED: u64 = 65_536;

/// Proves callers without a token; goes into [`GateParts::authenticator`](crate::GateParts::authenticator).
#[derive(Clone, Debug)]
pub struct Authenticator {
    proof: Proof,
    principal: Principal,
}

#[derive(Clone, Debug)]
enum Proof {
    Webhook { webhook: Webhook, max_body: usize },
    ApiKey { header: HeaderName, keys: ApiKey },
}

impl Authenticator {
    /// Signed deliveries with at most `max_body` bytes; their sender is `principal`.
    #[must_use]
    pub fn webhook(webhook: Webhook, max_body: usize, principal: Principal) -> Self {
        Self { proof: Proof::Webhook { webhook, max_body }, principal }
    }

    /// Keys in the header; whoever sends one is `principal`.
    #[must_use]
    pub fn api_key(header: HeaderName, keys: ApiKey, principal: Principal) -> Self {
        Self { proof: Proof::ApiKey { header, keys }, principal }
    }
}

/// The authenticators of a policy, by name.
#[derive(Debug, Default)]
pub(crate) struct Authenticators(HashMap<Box<str>, (Proof, Arc<VerifiedToken>)>);

/// A caller who was proven, and by what it is known if it comes again.
#[derive(Debug)]
pub(crate) struct Proven {
    pub(crate) caller: Arc<VerifiedToken>,
    pub(crate) once: Option<(Fingerprint, Duration)>,
}

impl Authenticators {
    pub(crate) fn add(&mut self, name: &str, authenticator: Authenticator, policy: &Policy) {
        let Authenticator { proof, principal } = authenticator;
        let subject = policy.subject(&principal).authenticated_by(name);
        let caller = Arc::new(VerifiedToken::without_token(Arc::new(principal), subject));
        self.0.insert(name.into(), (proof, caller));
    }

    /// The caller of a request to a rule `via(name)`; `None` if the request carries nothing for that authenticator.
    pub(crate) fn authenticate(
        &self,
        name: &str,
        headers: &HeaderMap,
        body: Option<&[u8]>,
        now: UnixTime,
    ) -> Result<Option<Proven>, Refusal> {
        let Some((proof, caller)) = self.0.get(name) else {
            // The policy was loaded without its secrets, as the tools do: nothing can be proven.
            let detail = "this gate does not have the secrets of the authenticator";
            return Err(Rejection::new(Code::KeysUnavailable).with_detail(detail).into());
        };
        let header = |name: &str| text(headers, name);
        let proven = match proof {
            Proof::ApiKey { header: name, keys } => keys.verify(header(name.as_str())).map(|()| None),
            Proof::Webhook { webhook, max_body } => match (webhook.delivery(header, now), body) {
                (Err(error), _) => Err(error),
                (Ok(_), None) => return Err(Refusal::Need(Need::Body { limit: *max_body })),
                (Ok(delivery), Some(body)) => delivery.verify(webhook, body).map(|fingerprint| {
                    Some(fingerprint).zip(webhook.replay_window().map(Duration::from_secs))
                }),
            },
        };
        match proven {
            Ok(once) => Ok(Some(Proven { caller: Arc::clone(caller), once })),
            Err(AuthenticatorError::Missing) => Ok(None),
            Err(error) => {
                let code =
                    if error == AuthenticatorError::TooOld { Code::ExpiredToken } else { Code::InvalidToken };
                Err(Rejection::new(code).with_detail(error.to_string()).into())
            }
        }
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> HeaderText<'h> {
    let mut values = headers.get_all(name).iter();
    match (values.next().map(|value| value.to_str()), values.next()) {
        (None, _) => HeaderText::Absent,
        (Some(Ok(value)), None) => HeaderText::One(value),
        (Some(_), _) => HeaderText::Unreadable,
    }
}

/// The deliveries that were let through, so that one that was overheard is not let through again while its time is good.
/// Of this process: a second gate does not know them, and one that starts anew does not either.
pub(crate) struct Deliveries(Cache<Fingerprint, Duration>);

impl Deliveries {
    pub(crate) fn new() -> Self {
        Self::of(REMEMBERED)
    }

    fn of(most: u64) -> Self {
        // The default policy would not take a new one in while those that are there are asked for.
        let policy = EvictionPolicy::lru();
        Self(Cache::builder().max_capacity(most).eviction_policy(policy).expire_after(Window).build())
    }

    /// Whether it is the first of its kind; from now on the next is not.
    pub(crate) fn is_first(&self, fingerprint: Fingerprint, window: Duration) -> bool {
        self.0.entry(fingerprint).or_insert(window).is_fresh()
    }
}

impl std::fmt::Debug for Deliveries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deliveries").field("remembered", &self.0.entry_count()).finish()
    }
}

/// Each is remembered as long as its time could still be good.
struct Window;

impl Expiry<Fingerprint, Duration> for Window {
    fn expire_after_create(&self, _: &Fingerprint, window: &Duration, _: Instant) -> Option<Duration> {
        Some(*window)
    }
}

impl GateParts {
    /// Adds the authenticator that rules `via(name)` mean. The policy must be complete: its principal is read by it.
    #[must_use]
    pub fn authenticator(mut self, name: &str, authenticator: Authenticator) -> Self {
        self.authenticators.add(name, authenticator, &self.policy);
        self
    }

    pub(crate) fn authenticators(&self) -> &Authenticators {
        &self.authenticators
    }
}

#[cfg(test)]
mod tests {
    use orgate_verify::authenticator::WebhookScheme;

    use super::*;

    #[test]
    fn a_new_delivery_is_remembered_however_many_there_were() {
        let hook = Webhook::new(WebhookScheme::GitHub, ["0123456789abcdef"], 300).unwrap();
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, b"0123456789abcdef");
        let fingerprint = |number: u32| {
            let body = number.to_be_bytes();
            let tag = aws_lc_rs::hmac::sign(&key, &body);
            let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
            let header = format!("sha256={hex}");
            let delivery = hook.delivery(|_| HeaderText::One(&header), UnixTime::from_seconds(0)).unwrap();
            delivery.verify(&hook, &body).unwrap()
        };
        let deliveries = Deliveries::of(8);
        let window = Duration::from_secs(600);
        for number in 0..8 {
            for _ in 0..20 {
                deliveries.is_first(fingerprint(number), window);
            }
        }
        deliveries.0.run_pending_tasks();
        assert!(deliveries.is_first(fingerprint(9), window));
        deliveries.0.run_pending_tasks();
        assert!(!deliveries.is_first(fingerprint(9), window), "a delivery that is sent again at once");
    }
}
