//! What can go wrong on the way to a key set, as a person needs to read it.

use std::{fmt, path::Path, time::Duration};

use http::StatusCode;
use orgate_verify::{KeySetError, SkippedKey};

use crate::address::Address;

/// Why keys could not be had: where, what happened, and what to do. Holds no key material and no credentials of a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteError {
    place: String,
    fault: Fault,
}

/// What happened at the place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    NotAUrl,
    PlainHttp,
    ForeignAddress,
    NoRoots(String),
    NoConnection(String),
    TimedOut(Duration),
    Crowded(usize),
    Broken(String),
    Redirected(StatusCode),
    Status(StatusCode),
    NotJson(String),
    Compressed,
    TooLarge(usize),
    NotADocument(String),
    OtherIssuer {
        ours: String,
    },
    NotAnAnswer(&'static str),
    /// What is to be sent as a key cannot be sent.
    NoKey,
    /// The change feed is refused to us.
    NoFeed(StatusCode),
    /// The change feed says what cannot be understood.
    Feed(&'static str),
    Keys(KeySetError),
    Unreadable(String),
}

impl RemoteError {
    pub(crate) fn at(address: &Address, fault: Fault) -> Self {
        Self { place: address.to_string(), fault }
    }

    pub(crate) fn in_file(path: &Path, fault: Fault) -> Self {
        Self { place: path.display().to_string(), fault }
    }

    pub(crate) fn in_text(text: &str, fault: Fault) -> Self {
        Self { place: text.to_owned(), fault }
    }

    /// Whether the server said that there is nothing at this place, so that another may be tried.
    pub(crate) fn is_absent(&self) -> bool {
        matches!(self.fault, Fault::Status(status) if status.is_client_error())
    }

    /// Whether the server said that the request carries no valid credential.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(self.fault, Fault::Status(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN))
    }

    /// Whether the server said that there is nothing of what was asked for.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self.fault, Fault::Status(StatusCode::NOT_FOUND))
    }

    /// The keys of a well-formed set that has none that could be used, if that is what was found.
    pub(crate) fn without_usable_key(&self) -> Option<&[SkippedKey]> {
        match &self.fault {
            Fault::Keys(KeySetError::NoUsableKey(skipped)) => Some(skipped),
            _ => None,
        }
    }

    #[cfg(test)]
    pub(crate) fn fault(&self) -> &Fault {
        &self.fault
    }

    fn help(&self) -> &'static str {
        match &self.fault {
            Fault::NotAUrl => "write an absolute https URL without user information, query or fragment",
            Fault::PlainHttp => {
                "use https; http is for an issuer that is itself http, on its own host or the loopback interface"
            }
            Fault::ForeignAddress => {
                "an address that a document names must be a host name, or the issuer's own host"
            }
            Fault::NoRoots(_) => {
                "install the system's CA certificates, or name a file of them in `SSL_CERT_FILE`"
            }
            Fault::NoConnection(_) | Fault::TimedOut(_) | Fault::Crowded(_) | Fault::Broken(_) => {
                "is the issuer running, and can this machine reach it"
            }
            Fault::Redirected(_) => "redirects are not followed; name the URL that it leads to",
            Fault::Status(_) | Fault::NotJson(_) | Fault::NotADocument(_) | Fault::TooLarge(_) => {
                "check the issuer's URL, or name its key set by `jwks_uri`"
            }
            Fault::Compressed => "nothing compressed is asked for or read; turn it off for this document",
            Fault::NotAnAnswer(_) => "check the endpoint's address in the policy file",
            Fault::NoKey => "a key is one line of letters, digits and signs",
            Fault::NoFeed(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
                "`feed: {key: …}` must name a project key of this issuer with the scope `feed`"
            }
            Fault::NoFeed(_) => "`feed:` is for issuers with a change feed; write `feed: off` for any other",
            Fault::Feed(_) => "is this gate older than the issuer",
            Fault::OtherIssuer { .. } => "write the issuer exactly as its document and its tokens name it",
            Fault::Keys(KeySetError::NoUsableKey(_)) => {
                "the issuer must publish at least one RSA, P-256 or Ed25519 key for signatures"
            }
            Fault::Keys(_) => "it must hold a JWK set (RFC 7517 §5)",
            Fault::Unreadable(_) => "check the path and its permissions",
        }
    }
}

impl fmt::Display for RemoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, fault } = self;
        match fault {
            Fault::NotAUrl => write!(f, "`{place}` is not a URL that keys can be fetched from")?,
            Fault::PlainHttp => write!(f, "`{place}` is plain http, which anybody on the way could answer")?,
            Fault::ForeignAddress => {
                write!(f, "the issuer's document points to `{place}`, an address of another machine")?
            }
            Fault::NoRoots(why) => write!(f, "`{place}` cannot be trusted: {why}")?,
            Fault::NoConnection(why) => write!(f, "`{place}` cannot be reached: {why}")?,
            Fault::TimedOut(limit) => write!(f, "`{place}` did not answer within {limit:?}")?,
            Fault::Crowded(waiting) => write!(f, "`{place}` is waited for by {waiting} requests already")?,
            Fault::Broken(why) => write!(f, "`{place}` broke off: {why}")?,
            Fault::Redirected(status) => {
                write!(f, "`{place}` answered with the redirect {}", status.as_u16())?
            }
            Fault::Status(status) => write!(f, "`{place}` answered {}", status.as_u16())?,
            Fault::NotJson(media_type) => write!(f, "`{place}` answered with {media_type}, not with JSON")?,
            Fault::Compressed => write!(f, "`{place}` answered with a compressed body")?,
            Fault::TooLarge(limit) => write!(f, "`{place}` gave more than {} KiB", limit / 1024)?,
            Fault::NotADocument(why) => write!(f, "`{place}` is not a discovery document: {why}")?,
            Fault::OtherIssuer { ours } => {
                write!(f, "`{place}` is the document of another issuer than `{ours}`")?
            }
            Fault::NotAnAnswer(why) => write!(f, "`{place}` answered, but {why}")?,
            Fault::NoKey => write!(f, "the key for `{place}` holds what no header can")?,
            Fault::NoFeed(status) => write!(f, "`{place}` answered {}", status.as_u16())?,
            Fault::Feed(why) => write!(f, "the change feed `{place}` cannot be understood: {why}")?,
            Fault::Keys(why) => write!(f, "`{place}`: {why}")?,
            Fault::Unreadable(why) => write!(f, "the file `{place}` cannot be read: {why}")?,
        }
        write!(f, "; help: {}", self.help())
    }
}

impl std::error::Error for RemoteError {}
