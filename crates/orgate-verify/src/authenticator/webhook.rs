//! Signed webhook deliveries, in the three schemes that nearly all senders use.
//!
//! * `stripe`: `Stripe-Signature`, HMAC-SHA256 over `timestamp.body` (Stripe, "Resolve webhook signature verification
//!   errors").
//! * `standard-webhooks`: `webhook-id`, `webhook-timestamp`, `webhook-signature`, HMAC-SHA256 over `id.timestamp.body`
//!   (Standard Webhooks 1.0).
//! * `github`: `X-Hub-Signature-256`, HMAC-SHA256 over the body (GitHub, "Validating webhook deliveries").
//!
//! A delivery is judged in two steps: [`Webhook::delivery`] reads the headers and the time, so that what cannot be good
//! is refused before its body is read, and [`Delivery::verify`] holds the signature against the body.
//!
//! Within the tolerance a delivery that was overheard can be sent again; whoever keeps the [`Fingerprint`]s can
//! refuse the second. GitHub signs no time, so its deliveries are good for ever.

use std::fmt;

use aws_lc_rs::{constant_time::verify_slices_are_equal, hmac};
use base64::{Engine, engine::general_purpose::STANDARD};
use orgate_claims::UnixTime;

use super::{AuthenticatorError, HeaderText, SecretError, from_hex, secret, stripe};

/// The most signatures that are tried on one delivery.
pub(super) const MAX_SIGNATURES: usize = 16;
/// The longest id of a delivery.
const MAX_ID_BYTES: usize = 256;

/// How deliveries are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WebhookScheme {
    /// Stripe.
    Stripe,
    /// Standard Webhooks 1.0, with shared secrets.
    StandardWebhooks,
    /// GitHub.
    GitHub,
}

/// Verifies the deliveries of one sender.
#[derive(Clone, Debug)]
pub struct Webhook {
    scheme: WebhookScheme,
    keys: Vec<hmac::Key>,
    tolerance: u32,
}

/// A delivery whose headers can be read and whose time is right; its signature is not yet proven.
#[derive(Clone)]
pub struct Delivery<'h> {
    /// What is signed before the body: the texts in their order, each with a dot behind it.
    signed: [Option<&'h str>; 2],
    signatures: Vec<[u8; 32]>,
}

impl Webhook {
    /// Deliveries signed with one of `secrets`, whose time is at most `tolerance` seconds away from now.
    ///
    /// # Errors
    /// [`SecretError`] if one of them is no secret of the scheme, or there is none.
    pub fn new<'t>(
        scheme: WebhookScheme,
        secrets: impl IntoIterator<Item = &'t str>,
        tolerance: u32,
    ) -> Result<Self, SecretError> {
        let keys =
            secrets.into_iter().map(|text| secret::key(scheme, text)).collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() { Err(SecretError::None) } else { Ok(Self { scheme, keys, tolerance }) }
    }

    /// How long the same delivery could be accepted again: from the first second in which its time is good to the last.
    /// `None` where its time is not signed.
    #[must_use]
    pub fn replay_window(&self) -> Option<u64> {
        (self.scheme != WebhookScheme::GitHub).then(|| 2 * u64::from(self.tolerance) + 1)
    }

    /// Reads the headers of a delivery and judges its time.
    ///
    /// # Errors
    /// [`AuthenticatorError`] if the delivery cannot be good, whatever its body is.
    pub fn delivery<'h>(
        &self,
        header: impl Fn(&str) -> HeaderText<'h>,
        now: UnixTime,
    ) -> Result<Delivery<'h>, AuthenticatorError> {
        let text = |name: &str| match header(name) {
            HeaderText::One(text) if !text.is_empty() => Ok(text),
            HeaderText::Absent | HeaderText::One(_) => Err(AuthenticatorError::Missing),
            HeaderText::Unreadable => Err(AuthenticatorError::Malformed),
        };
        match self.scheme {
            WebhookScheme::Stripe => {
                let stripe::Signed { timestamp, signatures } = stripe::read(text("stripe-signature")?)?;
                self.check_time(timestamp, now)?;
                Ok(Delivery { signed: [Some(timestamp), None], signatures })
            }
            WebhookScheme::StandardWebhooks => {
                let (id, timestamp) = (text("webhook-id")?, text("webhook-timestamp")?);
                let signatures = standard_signatures(text("webhook-signature")?)?;
                // A dot in the id could move what belongs to the time into the id.
                if id.len() > MAX_ID_BYTES || id.contains('.') {
                    return Err(AuthenticatorError::Malformed);
                }
                self.check_time(timestamp, now)?;
                Ok(Delivery { signed: [Some(id), Some(timestamp)], signatures })
            }
            WebhookScheme::GitHub => {
                let signature = text("x-hub-signature-256")?.strip_prefix("sha256=").and_then(from_hex);
                let signatures = vec![signature.ok_or(AuthenticatorError::Malformed)?];
                Ok(Delivery { signed: [None, None], signatures })
            }
        }
    }

    fn check_time(&self, timestamp: &str, now: UnixTime) -> Result<(), AuthenticatorError> {
        let digits = !timestamp.is_empty() && timestamp.bytes().all(|byte| byte.is_ascii_digit());
        let signed_at: i64 =
            timestamp.parse().ok().filter(|_| digits).ok_or(AuthenticatorError::Malformed)?;
        if now.seconds().abs_diff(signed_at) > u64::from(self.tolerance) {
            return Err(AuthenticatorError::TooOld);
        }
        Ok(())
    }
}

/// `v1,BASE64 v1,BASE64 v1a,…`: those of the version `v1`; the others are asymmetric, or of another day.
fn standard_signatures(header: &str) -> Result<Vec<[u8; 32]>, AuthenticatorError> {
    let mut signatures = Vec::new();
    for item in header.split(' ').filter(|item| !item.is_empty()) {
        let (version, text) = item.split_once(',').ok_or(AuthenticatorError::Malformed)?;
        if version != "v1" {
            continue;
        }
        let bytes = STANDARD.decode(text).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        if signatures.len() == MAX_SIGNATURES {
            return Err(AuthenticatorError::Malformed);
        }
        signatures.push(bytes.ok_or(AuthenticatorError::Malformed)?);
    }
    if signatures.is_empty() { Err(AuthenticatorError::Malformed) } else { Ok(signatures) }
}

/// Names a delivery by what is signed of it, however its headers are written: the same delivery, the same fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Delivery<'_> {
    /// Whether one of the signatures is that of one of the secrets over this very body.
    ///
    /// # Errors
    /// [`AuthenticatorError::Wrong`] if none is.
    pub fn verify(&self, webhook: &Webhook, body: &[u8]) -> Result<Fingerprint, AuthenticatorError> {
        let mut fingerprint = None;
        let mut matching = false;
        for key in &webhook.keys {
            let ours = self.sign(key, body);
            // SECURITY: that of the first secret, whichever matches. A sender in rotation signs with two secrets, and
            // whoever leaves one of the two signatures away must not have made a new delivery of it.
            fingerprint = fingerprint.or(<[u8; 32]>::try_from(ours.as_ref()).ok());
            for theirs in &self.signatures {
                matching |= verify_slices_are_equal(ours.as_ref(), theirs).is_ok();
            }
        }
        fingerprint.filter(|_| matching).map(Fingerprint).ok_or(AuthenticatorError::Wrong)
    }

    fn sign(&self, key: &hmac::Key, body: &[u8]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(key);
        for part in self.signed.iter().flatten() {
            context.update(part.as_bytes());
            context.update(b".");
        }
        context.update(body);
        context.sign()
    }
}

impl fmt::Debug for Delivery<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Delivery({} signatures)", self.signatures.len())
    }
}

#[cfg(test)]
mod tests;
