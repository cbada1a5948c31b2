//! `fresh: live`: whether a caller still stands with the issuer, asked for each request (RFC 7662).
//!
//! The question is asked after everything else let the request pass, so that nobody without the right can cause one. No
//! answer is kept, and no answer is a no: a caller whose issuer is out of reach is refused with 503.

use orgate_verify::IssuerIndex;

use crate::{RequestHead, gate::GateParts};

/// How a caller stands with the issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The token stands.
    Active,
    /// It was withdrawn.
    Withdrawn,
    /// The issuer did not say.
    Unknown,
}

#[cfg(feature = "remote")]
pub(crate) async fn ask(parts: &GateParts, head: &RequestHead<'_>, issuer: IssuerIndex) -> Standing {
    let Some(introspection) = parts.introspection(issuer) else {
        tracing::error!("a rule says `fresh: live`, and the issuer of the token has no `introspect`");
        return Standing::Unknown;
    };
    let Some(token) = parts.credential(head) else { return Standing::Unknown };
    match introspection.is_active(token).await {
        Ok(true) => Standing::Active,
        Ok(false) => Standing::Withdrawn,
        Err(error) => {
            tracing::warn!(%error, "a token could not be asked about");
            Standing::Unknown
        }
    }
}

#[cfg(not(feature = "remote"))]
#[allow(clippy::unused_async, reason = "the same as with the feature")]
pub(crate) async fn ask(_: &GateParts, _: &RequestHead<'_>, _: IssuerIndex) -> Standing {
    Standing::Unknown
}
