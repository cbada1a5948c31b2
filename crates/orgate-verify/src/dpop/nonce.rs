//! Nonces that servers give to the makers of proofs (RFC 9449 §8, §9).

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use orgate_claims::UnixTime;

/// How long one nonce is given out, in seconds; it is accepted for as long again.
const PERIOD: i64 = 120;

/// How old a nonce is that is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NonceAge {
    /// It is the one that is given out now.
    Current,
    /// It is the one before, and ends with the one of now.
    Previous,
}

/// Gives out nonces and knows them again, without keeping any: a nonce is a code over the time at which it was made.
pub struct Nonces(hmac::Key);

impl Nonces {
    /// Nonces that only this process knows again.
    ///
    /// # Errors
    /// If the system has no randomness to give.
    pub fn generate() -> Result<Self, NonceError> {
        let mut secret = [0; 32];
        aws_lc_rs::rand::fill(&mut secret).map_err(|_| NonceError(()))?;
        Ok(Self::of(&secret))
    }

    /// Nonces that every process with this secret knows again.
    #[must_use]
    pub fn of(secret: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// The nonce that clients are told now.
    #[must_use]
    pub fn current(&self, now: UnixTime) -> String {
        self.made_in(now.seconds().div_euclid(PERIOD))
    }

    /// Whether it is the one of now or the one before; `None` if it is neither. Compared in constant time.
    #[must_use]
    pub fn accept(&self, nonce: &str, now: UnixTime) -> Option<NonceAge> {
        let code = URL_SAFE_NO_PAD.decode(nonce).ok()?;
        let period = now.seconds().div_euclid(PERIOD);
        let is_of = |period: i64| hmac::verify(&self.0, &period.to_be_bytes(), &code).is_ok();
        match () {
            () if is_of(period) => Some(NonceAge::Current),
            () if is_of(period.saturating_sub(1)) => Some(NonceAge::Previous),
            () => None,
        }
    }

    fn made_in(&self, period: i64) -> String {
        URL_SAFE_NO_PAD.encode(hmac::sign(&self.0, &period.to_be_bytes()))
    }
}

impl std::fmt::Debug for Nonces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Nonces")
    }
}

/// The system has no randomness to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NonceError(());

impl std::fmt::Display for NonceError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the system has no randomness to give")
    }
}

impl std::error::Error for NonceError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_good_for_its_period_and_the_next() {
        let at = UnixTime::from_seconds;
        let (ours, theirs) = (Nonces::generate().unwrap(), Nonces::generate().unwrap());
        let nonce = ours.current(at(1_200));
        assert_eq!(nonce, ours.current(at(1_319)));
        assert_ne!(nonce, ours.current(at(1_320)));
        let (current, previous) = (Some(NonceAge::Current), Some(NonceAge::Previous));
        for (second, accepted) in [
            (1_199, None),
            (1_200, current),
            (1_319, current),
            (1_320, previous),
            (1_439, previous),
            (1_440, None),
        ] {
            assert_eq!(ours.accept(&nonce, at(second)), accepted, "{second}");
        }
        assert_eq!(theirs.accept(&nonce, at(1_200)), None);
        assert_eq!(
            Nonces::of(b"shared").accept(&Nonces::of(b"shared").current(at(1_200)), at(1_200)),
            current
        );
        for bad in ["", "x", "=", nonce.split_at(1).1] {
            assert_eq!(ours.accept(bad, at(1_200)), None, "{bad}");
        }
    }
}
