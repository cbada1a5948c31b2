//! Nonces that servers give to the makers of proofs (RFC 9449 §8, §9).

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use orgate_claims::UnixTime;

/// How long one nonce is given out, in seconds; it is accepted for as long again.
const PERIOD: i64 = 120;

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

    /// Whether it is the one of now or the one before. Compared in constant time.
    #[must_use]
    pub fn accept(&self, nonce: &str, now: UnixTime) -> bool {
        let Ok(code) = URL_SAFE_NO_PAD.decode(nonce) else { return false };
        let period = now.seconds().div_euclid(PERIOD);
        [period, period.saturating_sub(1)]
            .iter()
            .any(|period| hmac::verify(&self.0, &period.to_be_bytes(), &code).is_ok())
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
        for (second, accepted) in [(1_199, false), (1_200, true), (1_439, true), (1_440, false)] {
            assert_eq!(ours.accept(&nonce, at(second)), accepted, "{second}");
        }
        assert!(!theirs.accept(&nonce, at(1_200)));
        assert!(Nonces::of(b"shared").accept(&Nonces::of(b"shared").current(at(1_200)), at(1_200)));
        for bad in ["", "x", "=", nonce.split_at(1).1] {
            assert!(!ours.accept(bad, at(1_200)), "{bad}");
        }
    }
}
