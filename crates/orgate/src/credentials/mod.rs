//! Where a request carries its credential.
//!
//! 1. Each configured source is looked at; at most one may be present. Two credentials in one request are refused: two
//!    servers may disagree on which of them counts. With `several: first` the first source that is present decides, and
//!    the others are not looked at.
//! 2. A source that is present decides, valid or not. What is there and cannot be read is never taken for absent.

mod bearer;
mod cookie;
pub(crate) mod csrf;
mod header;
mod query;
mod websocket_protocol;

use std::borrow::Cow;

use http::{
    HeaderMap, HeaderValue,
    uri::{InvalidUri, PathAndQuery},
};

use crate::{RequestHead, TokenOptions, TokenSource};

/// What a request offers as proof of who is asking.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Credential<'a> {
    /// A token, unverified.
    Token(UnverifiedToken<'a>),
}

/// The text of a token, as received. Its `Debug` form does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct UnverifiedToken<'a>(Cow<'a, str>);

impl UnverifiedToken<'_> {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for UnverifiedToken<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "UnverifiedToken({} bytes)", self.0.len())
    }
}

/// Why the credential of a request cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CredentialError {
    /// There is more than one.
    Several,
    /// The header that should hold it does not have its form.
    Malformed,
}

/// A credential, with what follows from how it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Presented<'a> {
    pub(crate) credential: Credential<'a>,
    /// Whether a browser may have added it by itself, for whichever page.
    pub(crate) by_cookie: bool,
    pub(crate) scheme: Scheme,
}

/// How a token says that it is sent: whether as one that is bound to its sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// `Authorization: Bearer`.
    Bearer,
    /// `Authorization: DPoP` (RFC 9449 §7.1).
    Dpop,
    /// It is in a place that has no schemes.
    Unnamed,
}

/// The credential of a request as it was sent; `None` if no source is present.
///
/// # Errors
/// [`CredentialError`] if there are several, or one that cannot be read.
pub(crate) fn extract<'a>(
    sent: &RequestHead<'a>,
    options: &TokenOptions,
) -> Result<Option<Presented<'a>>, CredentialError> {
    let RequestHead { method, headers, path_and_query, .. } = *sent;
    let mut found = None;
    for source in &options.sources {
        let unnamed = |token| (token, Scheme::Unnamed);
        let token = match source {
            TokenSource::Bearer => {
                bearer::extract(headers)?.map(|(token, scheme)| (Cow::Borrowed(token), scheme))
            }
            TokenSource::Cookie(name) => cookie::extract(headers, name)?.map(Cow::Borrowed).map(unnamed),
            TokenSource::Header(name) => header::extract(headers, name)?.map(Cow::Borrowed).map(unnamed),
            TokenSource::Query(name) => query::extract(path_and_query, name)?.map(unnamed),
            TokenSource::WebSocketProtocol(marker) => {
                websocket_protocol::extract(method, headers, marker)?.map(Cow::Borrowed).map(unnamed)
            }
        };
        let Some((token, scheme)) = token else { continue };
        if found.is_some() {
            return Err(CredentialError::Several);
        }
        found = Some(Presented {
            credential: Credential::Token(UnverifiedToken(token)),
            by_cookie: matches!(source, TokenSource::Cookie(_)),
            scheme,
        });
        if options.first_of_several {
            break;
        }
    }
    Ok(found)
}

/// Takes every credential out that [`extract`] would look at, readable or not, and the proofs of bound tokens.
pub(crate) fn remove(headers: &mut HeaderMap, options: &TokenOptions) {
    headers.remove(&crate::sender::PROOF);
    for source in &options.sources {
        match source {
            TokenSource::Bearer => bearer::remove(headers),
            TokenSource::Cookie(name) => cookie::remove(headers, name),
            TokenSource::Header(name) => drop(headers.remove(name)),
            // These never go on, whatever the policy says of the others.
            TokenSource::Query(_) | TokenSource::WebSocketProtocol(_) => {}
        }
    }
}

/// The target without the credential that its query may hold; `None` if it holds none.
///
/// # Errors
/// If what is left is no target.
pub(crate) fn without_query(
    target: &PathAndQuery,
    options: &TokenOptions,
) -> Result<Option<PathAndQuery>, InvalidUri> {
    let mut left = None;
    for source in &options.sources {
        if let TokenSource::Query(name) = source
            && let Some(shorter) = query::without(left.as_ref().unwrap_or(target), name)
        {
            left = Some(PathAndQuery::try_from(shorter)?);
        }
    }
    Ok(left)
}

/// The marker that is offered as a subprotocol, if the request offers one.
pub(crate) fn offered_marker(headers: &HeaderMap, options: &TokenOptions) -> Option<HeaderValue> {
    options.sources.iter().find_map(|source| match source {
        TokenSource::WebSocketProtocol(marker) if websocket_protocol::offers(headers, marker) => {
            HeaderValue::from_str(marker).ok()
        }
        _ => None,
    })
}

/// Takes out what is no subprotocol, whether or not anybody looked at it.
pub(crate) fn remove_markers(headers: &mut HeaderMap, options: &TokenOptions) {
    for source in &options.sources {
        if let TokenSource::WebSocketProtocol(marker) = source {
            websocket_protocol::remove(headers, marker);
        }
    }
}

/// Whether `text` can be a token: `b64token` of RFC 6750 §2.1, without the padding for what has the parts of a JWS, which
/// never has any.
pub(crate) fn is_token(text: &str) -> bool {
    let fits =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/');
    let bare =
        if text.bytes().filter(|byte| *byte == b'.').count() < 2 { text.trim_end_matches('=') } else { text };
    !bare.is_empty() && bare.bytes().all(fits)
}
