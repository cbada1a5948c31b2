//! Reading access tokens, without I/O and without a clock.
//!
//! A [`Verifier`] holds the issuers that are trusted, each with its audiences, algorithms, token types, claim mapping
//! and a [`KeySource`]. [`Verifier::verify_at`] turns the text of a token into a [`Verified`] or says why not; it is
//! synchronous and never waits. Where keys come from is somebody else's business: `orgate-remote` fetches them,
//! [`StaticKeys`] holds fixed ones.
//!
//! The rule of this crate: **every byte of a token that counts is read by the strict code here** (RFC 7515, 7519, 8725,
//! 9068), and the signature library sees nothing that was not checked before: one base64 reading, one JSON reading, no
//! duplicate member, no algorithm that the key is not for. What has two readings is refused, not repaired. Claims that
//! are not yet proven decide only to refuse.

mod algorithm;
pub mod authenticator;
mod binding;
mod certificate;
mod claims_check;
pub mod dpop;
mod error;
mod introspected;
mod issuer;
mod json;
mod jws;
mod key;
mod key_set;
mod mapping;
mod marks;
mod source;
mod token_types;
#[cfg(test)]
#[path = "vectors/tests.rs"]
mod vectors;
mod verifier;

pub use algorithm::{Algorithm, AlgorithmError};
pub use binding::Binding;
pub use certificate::CertificateThumbprint;
pub use error::{VerifyError, VerifyErrorKind};
pub use issuer::{Audience, IssuerIndex, TrustError, TrustedIssuer};
pub use jws::{MAX_TOKEN_BYTES, is_opaque};
pub use key::SkipReason;
pub use key_set::{KeySet, KeySetError, KeyStamp, SkippedKey};
pub use mapping::{ClaimKind, ClaimMapping, ClaimRef, ClaimRefError, ClaimSource, MappingError, Pick};
pub use marks::{Mark, MarkHit, Marks, TooManyMarks};
pub use source::{BoxFuture, KeyFigures, KeySource, KeySourceError, KeySourceStatus, StaticKeys, kid_of};
pub use token_types::{Telltale, TokenTypes};
pub use verifier::{Verified, Verifier, VerifierError};
