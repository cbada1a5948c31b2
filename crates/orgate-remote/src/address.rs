//! Which URLs may be fetched.
//!
//! https, always. Plain http only where there is nobody in between to change the answer: for an issuer that is itself
//! http, as in development, on that issuer's own host or on the loopback interface; and, where an operator wrote the URL,
//! on the loopback interface. A URL that comes out of a document may not name the address of another machine (RFC 9700
//! §2.6 asks for metadata over TLS; the rest is so that a document cannot point the gate at the network's inside), and a host
//! that only a document names is connected to at public addresses only.

use std::{fmt, net::IpAddr};

use http::Uri;

use crate::error::{Fault, RemoteError};

/// A URL that was found fit to be fetched. Shown without its query, which could hold a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    uri: Uri,
    /// Whether a document named this host, so that it must not lead to the inside of a network.
    guarded: bool,
}

/// Who says that this URL is the one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// The operator's configuration.
    ByOperator,
    /// The issuer's document.
    ByDocument,
}

impl Address {
    /// The base URL of an issuer, which discovery starts from.
    pub(crate) fn of_issuer(text: &str) -> Result<Self, RemoteError> {
        let uri = absolute(text)?;
        if uri.query().is_some() {
            return Err(RemoteError::in_text(text, Fault::NotAUrl));
        }
        Ok(Self::told(uri))
    }

    /// A key set's URL, for an issuer whose own URL is `issuer`, if it is one.
    pub(crate) fn of_keys(text: &str, issuer: Option<&Self>, told: Told) -> Result<Self, RemoteError> {
        let mut address = Self::told(absolute(text)?);
        let own_host = issuer.is_some_and(|issuer| issuer.host().eq_ignore_ascii_case(address.host()));
        if !address.is_https() {
            let development = issuer.is_some_and(|issuer| !issuer.is_https());
            let allowed = match told {
                Told::ByOperator => address.is_loopback() || (development && own_host),
                Told::ByDocument => development && (address.is_loopback() || own_host),
            };
            if !allowed {
                return Err(RemoteError::at(&address, Fault::PlainHttp));
            }
        } else if told == Told::ByDocument && !own_host && address.ip().is_some() {
            return Err(RemoteError::at(&address, Fault::ForeignAddress));
        }
        // An issuer on this very machine is one of a developer, and so is what it names.
        let own_machine = issuer.is_some_and(Self::is_loopback);
        address.guarded = told == Told::ByDocument && !own_host && !own_machine;
        Ok(address)
    }

    /// An endpoint that an operator named, and that is sent secrets: https, or this machine.
    pub(crate) fn of_endpoint(text: &str) -> Result<Self, RemoteError> {
        let address = Self::told(absolute(text)?);
        if address.is_https() || address.is_loopback() {
            return Ok(address);
        }
        Err(RemoteError::at(&address, Fault::PlainHttp))
    }

    /// The same host with another path.
    pub(crate) fn with_path(&self, path: &str) -> Result<Self, RemoteError> {
        let mut parts = self.uri.clone().into_parts();
        parts.path_and_query = path.parse().ok();
        let uri = Uri::from_parts(parts).map_err(|_| RemoteError::at(self, Fault::NotAUrl))?;
        Ok(Self { uri, guarded: self.guarded })
    }

    fn told(uri: Uri) -> Self {
        Self { uri, guarded: false }
    }

    /// Whether only public addresses may be connected to.
    pub(crate) fn is_guarded(&self) -> bool {
        self.guarded
    }

    pub(crate) fn uri(&self) -> &Uri {
        &self.uri
    }

    /// The path without a slash at the end.
    pub(crate) fn path(&self) -> &str {
        self.uri.path().trim_end_matches('/')
    }

    pub(crate) fn is_https(&self) -> bool {
        self.uri.scheme_str() == Some("https")
    }

    fn host(&self) -> &str {
        self.uri.host().unwrap_or_default()
    }

    fn ip(&self) -> Option<IpAddr> {
        self.host().trim_start_matches('[').trim_end_matches(']').parse().ok()
    }

    fn is_loopback(&self) -> bool {
        self.host().eq_ignore_ascii_case("localhost") || self.ip().is_some_and(|ip| ip.is_loopback())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let authority = self.uri.authority().map_or("", http::uri::Authority::as_str);
        write!(f, "{}://{authority}{}", self.uri.scheme_str().unwrap_or_default(), self.uri.path())
    }
}

fn absolute(text: &str) -> Result<Uri, RemoteError> {
    let fault = || RemoteError::in_text(without_secrets(text), Fault::NotAUrl);
    // `Uri` would cut a fragment off silently.
    if text.contains('#') {
        return Err(fault());
    }
    let uri: Uri = text.parse().map_err(|_| fault())?;
    let plain = uri
        .authority()
        .is_some_and(|authority| !authority.as_str().contains('@') && !authority.host().is_empty());
    if plain && matches!(uri.scheme_str(), Some("https" | "http")) { Ok(uri) } else { Err(fault()) }
}

/// `text` up to where a URL could hold a credential.
fn without_secrets(text: &str) -> &str {
    if text.contains('@') { "…" } else { text.split(['?', '#']).next().unwrap_or_default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn keys(issuer: &str, text: &str, told: Told) -> Result<String, Fault> {
        let issuer = Address::of_issuer(issuer).ok();
        let read = Address::of_keys(text, issuer.as_ref(), told);
        read.map(|address| address.uri().to_string()).map_err(|error| error.fault().clone())
    }

    #[test]
    fn https_is_always_allowed_and_may_be_on_another_host() {
        for told in [Told::ByOperator, Told::ByDocument] {
            assert!(keys("https://accounts.example", "https://keys.example/v3/certs?x=y", told).is_ok());
            assert!(keys("https://10.0.0.1:8443/a", "https://10.0.0.1:8443/jwks", told).is_ok());
        }
    }

    #[test]
    fn plain_http_is_for_development_and_the_own_machine() {
        let by_document = |issuer, text| keys(issuer, text, Told::ByDocument).err();
        assert_eq!(by_document("http://127.0.0.1:1", "http://127.0.0.1:1/jwks"), None);
        assert_eq!(by_document("http://127.0.0.1:1", "http://localhost:2/jwks"), None);
        assert_eq!(by_document("http://issuer:1", "http://ISSUER:1/jwks"), None);
        assert_eq!(by_document("http://issuer:1", "http://[::1]:1/jwks"), None);
        assert_eq!(by_document("http://issuer:1", "http://other/jwks"), Some(Fault::PlainHttp));
        assert_eq!(by_document("http://issuer:1", "http://169.254.169.254/jwks"), Some(Fault::PlainHttp));
        assert_eq!(by_document("https://issuer", "http://issuer/jwks"), Some(Fault::PlainHttp));
        assert_eq!(by_document("https://issuer", "http://localhost/jwks"), Some(Fault::PlainHttp));
        let by_operator = |issuer, text| keys(issuer, text, Told::ByOperator).err();
        assert_eq!(by_operator("https://issuer", "http://127.0.0.1:8080/jwks"), None);
        assert_eq!(by_operator("https://issuer", "http://issuer/jwks"), Some(Fault::PlainHttp));
        assert_eq!(by_operator("not-a-url", "http://keys.example/jwks"), Some(Fault::PlainHttp));
        assert_eq!(by_operator("not-a-url", "https://keys.example/jwks"), None);
    }

    #[test]
    fn a_document_may_not_point_to_the_address_of_another_machine() {
        for text in [
            "https://169.254.169.254/latest",
            "https://[::ffff:127.0.0.1]/",
            "https://127.0.0.1/",
            "https://[::1]/",
        ] {
            assert_eq!(keys("https://issuer", text, Told::ByDocument), Err(Fault::ForeignAddress), "{text}");
            assert!(keys("https://issuer", text, Told::ByOperator).is_ok(), "{text}");
        }
    }

    #[test]
    fn only_what_a_document_names_elsewhere_is_guarded() {
        let guarded = |issuer: &str, text: &str, told| {
            let issuer = Address::of_issuer(issuer).unwrap();
            Address::of_keys(text, Some(&issuer), told).unwrap().is_guarded()
        };
        for (issuer, text, told, expected) in [
            ("https://issuer", "https://keys.example/jwks", Told::ByDocument, true),
            ("https://issuer", "https://localhost/jwks", Told::ByDocument, true),
            ("https://issuer", "https://2130706433/jwks", Told::ByDocument, true),
            ("http://issuer", "https://keys.internal/jwks", Told::ByDocument, true),
            ("https://issuer", "https://ISSUER:8443/jwks", Told::ByDocument, false),
            ("https://issuer", "https://keys.internal/jwks", Told::ByOperator, false),
            ("http://127.0.0.1:1", "https://keys.internal/jwks", Told::ByDocument, false),
        ] {
            assert_eq!(guarded(issuer, text, told), expected, "{issuer} {text}");
        }
    }

    #[test]
    fn secrets_are_sent_over_https_or_within_the_machine() {
        let fault = |text| Address::of_endpoint(text).err().map(|error| error.fault().clone());
        for text in [
            "https://issuer/introspect?x=y",
            "http://127.0.0.1:3000/token",
            "http://[::1]/",
            "http://localhost/",
        ] {
            assert_eq!(fault(text), None, "{text}");
        }
        for text in ["http://issuer/introspect", "http://10.0.0.1/", "http://127.0.0.1.example/"] {
            assert_eq!(fault(text), Some(Fault::PlainHttp), "{text}");
        }
        assert_eq!(fault("https://user:pw@issuer/"), Some(Fault::NotAUrl));
    }

    #[test]
    fn what_is_no_plain_web_address_is_refused_without_repeating_secrets() {
        for text in [
            "",
            "/jwks",
            "issuer",
            "file:///etc/passwd",
            "ftp://issuer/jwks",
            "https://",
            "https:///jwks",
            "https://issuer/jwks#keys",
            "https://user:secret@issuer/jwks",
            "https://issuer /jwks",
            "https://is\0suer/",
        ] {
            let error = Address::of_keys(text, None, Told::ByOperator).unwrap_err();
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        let address = Address::of_keys("https://issuer/jwks?key=secret", None, Told::ByOperator).unwrap();
        assert_eq!(address.to_string(), "https://issuer/jwks");
        assert!(Address::of_issuer("https://issuer/?a=b").is_err());
    }
}
