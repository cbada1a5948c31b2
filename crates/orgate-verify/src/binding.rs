//! Whether the tokens of an issuer are bound to their senders: to a key (DPoP, RFC 9449) or to a certificate (RFC 8705).
//!
//! The rule: a token that is bound is never taken for one that is not. Whether its sender holds what it is bound to is a
//! question about the request, and whoever has that must ask it of every request ([`Verified::principal`] says what is to
//! be proven); here stands only which tokens an issuer may make.
//!
//! [`Verified::principal`]: crate::Verified::principal

use orgate_claims::Confirmation;

use crate::{TrustedIssuer, VerifyError, VerifyErrorKind::WrongBinding};

/// Whether tokens may, or must, be bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Binding {
    /// A token that is bound is refused: nobody here would ask for the proof.
    #[default]
    Off,
    /// Tokens may be bound; those that are need the proof.
    Allowed,
    /// A token that is not bound is refused.
    Required,
}

impl Binding {
    /// The word for it in a policy.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Allowed => "allowed",
            Self::Required => "required",
        }
    }
}

impl TrustedIssuer {
    /// Whether its tokens are bound to keys (`cnf.jkt`, RFC 9449 §6.1).
    #[must_use]
    pub fn dpop(mut self, binding: Binding) -> Self {
        self.key_binding = binding;
        self
    }

    /// Whether its tokens are bound to client certificates (`cnf["x5t#S256"]`, RFC 8705 §3.1).
    #[must_use]
    pub fn mtls(mut self, binding: Binding) -> Self {
        self.certificate_binding = binding;
        self
    }

    /// Whether its tokens are bound to keys.
    #[must_use]
    pub fn key_binding(&self) -> Binding {
        self.key_binding
    }

    /// Whether its tokens are bound to client certificates.
    #[must_use]
    pub fn certificate_binding(&self) -> Binding {
        self.certificate_binding
    }

    /// Refuses what a token of this issuer must not be bound to, and what it is not bound to and must be. What it says is
    /// then to be proven, by every request that carries it.
    ///
    /// # Errors
    /// [`WrongBinding`].
    pub fn check_binding(&self, confirmation: Option<&Confirmation>) -> Result<(), VerifyError> {
        let key = confirmation.is_some_and(|bound| bound.key_thumbprint().is_some());
        let certificate = confirmation.is_some_and(|bound| bound.certificate_thumbprint().is_some());
        let refused = |detail| Err(VerifyError::new(WrongBinding, detail));
        match (self.key_binding, key) {
            (Binding::Off, true) => {
                return refused(
                    "the token is bound to a key, and no proof of it is asked for: `dpop` is off",
                );
            }
            (Binding::Required, false) => {
                return refused("the token is not bound to a key, and its issuer's must be (DPoP)");
            }
            _ => {}
        }
        match (self.certificate_binding, certificate) {
            (Binding::Off, true) => {
                refused("the token is bound to a certificate, and no proof of it is asked for: `mtls` is off")
            }
            (Binding::Required, false) => {
                refused("the token is not bound to a client certificate, and its issuer's must be")
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use orgate_claims::IssuerUrl;

    use super::*;

    #[test]
    fn a_bound_token_is_never_taken_for_another_nor_another_for_a_bound_one() {
        let issuer = TrustedIssuer::with_any_audience(IssuerUrl::parse("https://issuer.example").unwrap());
        assert_eq!((issuer.key_binding(), issuer.certificate_binding()), (Binding::Off, Binding::Off));
        let every = [Binding::Off, Binding::Allowed, Binding::Required];
        for (dpop, mtls) in every.into_iter().flat_map(|dpop| every.map(|mtls| (dpop, mtls))) {
            let issuer = issuer.clone().dpop(dpop).mtls(mtls);
            for (key, certificate) in [(false, false), (true, false), (false, true), (true, true)] {
                let bound = Confirmation::new(key.then(|| "k".into()), certificate.then_some([7; 32]));
                let fits = |binding: Binding, is_bound: bool| match binding {
                    Binding::Off => !is_bound,
                    Binding::Allowed => true,
                    Binding::Required => is_bound,
                };
                let expected = fits(dpop, key) && fits(mtls, certificate);
                let result = issuer.check_binding(bound.as_ref());
                assert_eq!(result.is_ok(), expected, "{dpop:?} {mtls:?} {bound:?}");
                assert!(result.is_ok() || result.unwrap_err().kind() == WrongBinding);
            }
        }
    }
}
