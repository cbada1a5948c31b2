//! Exchanging an opaque session cookie for a token.
//!
//! Some sign-in libraries keep the session on their server and give the browser a cookie that says nothing. Their server
//! also gives a signed token to whoever shows the cookie; this asks for it. What comes back is as unproven as any token
//! of a request. The cookie goes to the one address that the operator wrote, and nowhere else.

use std::fmt;

use http::{HeaderValue, Request, header};
use http_body_util::Full;
use serde_json::Value;

use crate::{RemoteError, address::Address, error::Fault, http::HttpClient};

/// Where a session cookie is exchanged for a token.
pub struct SessionExchange {
    address: Address,
    cookie: String,
    field: String,
    client: HttpClient,
}

impl SessionExchange {
    /// The exchange at `url`: a GET with the cookie of this name, answered with a JSON document whose member `field` is the
    /// token. A `field` that starts with `/` is a pointer (RFC 6901), any other is the name of a member.
    ///
    /// # Errors
    /// [`RemoteError`] if `url` is not https and not on this machine.
    pub fn new(url: &str, cookie: &str, field: &str, client: HttpClient) -> Result<Self, RemoteError> {
        let address = Address::of_endpoint(url)?;
        Ok(Self { address, cookie: cookie.to_owned(), field: field.to_owned(), client })
    }

    /// The name of the cookie.
    #[must_use]
    pub fn cookie(&self) -> &str {
        &self.cookie
    }

    /// The token of the session `value`, unproven; `None` if the server knows no such session.
    ///
    /// # Errors
    /// [`RemoteError`] if the server cannot be asked, or gives no token.
    pub async fn token(&self, value: &str) -> Result<Option<String>, RemoteError> {
        let mut cookie = HeaderValue::try_from(format!("{}={value}", self.cookie)).map_err(|_| {
            RemoteError::at(&self.address, Fault::NotAnAnswer("the cookie cannot be sent on"))
        })?;
        cookie.set_sensitive(true);
        let request = Request::get(self.address.uri().clone())
            .header(header::ACCEPT, "application/json")
            .header(header::COOKIE, cookie)
            .body(Full::default())
            .map_err(|_| RemoteError::at(&self.address, Fault::NotAUrl))?;
        let answer = match self.client.ask(&self.address, request).await {
            Err(error) if error.is_refusal() => return Ok(None),
            answer => answer?,
        };
        let document: Value = serde_json::from_slice(&answer.body).map_err(|_| self.no_token())?;
        // Some servers answer an unknown session with `null` and 200.
        if document.is_null() {
            return Ok(None);
        }
        let found = if self.field.starts_with('/') {
            document.pointer(&self.field)
        } else {
            document.get(&self.field)
        };
        match found {
            Some(Value::String(token)) if !token.is_empty() => Ok(Some(token.clone())),
            _ => Err(self.no_token()),
        }
    }

    fn no_token(&self) -> RemoteError {
        RemoteError::at(&self.address, Fault::NotAnAnswer("without the token where `field` says it is"))
    }
}

impl fmt::Debug for SessionExchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionExchange")
            .field("address", &self.address)
            .field("cookie", &self.cookie)
            .finish_non_exhaustive()
    }
}
