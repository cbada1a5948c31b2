//! Asking an issuer whether a token still stands (RFC 7662).
//!
//! No answer is kept here: whoever asks wants to know how it is now, and knows how long that is ([`Introspection::answers_last`]).
//! An answer that does not say `"active": true` or
//! `"active": false` is no answer, so that a wrong address cannot let a revoked token in.

use std::{fmt, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use form_urlencoded::{Serializer, byte_serialize};
use http::{HeaderValue, Request, header};
use http_body_util::Full;
use serde::Deserialize;

use crate::{RemoteError, address::Address, error::Fault, http::HttpClient};

/// The introspection endpoint of one issuer, and who we are there.
pub struct Introspection {
    address: Address,
    authorization: HeaderValue,
    client: HttpClient,
    lasting: Duration,
}

/// What is read of an answer. A member named twice is refused.
#[derive(Deserialize)]
struct Answer {
    active: bool,
}

impl Introspection {
    /// The endpoint at `url`, which knows us as `client_id` with `secret` (RFC 6749 §2.3.1, HTTP Basic).
    ///
    /// # Errors
    /// [`RemoteError`] if `url` is not https and not on this machine.
    pub fn new(url: &str, client_id: &str, secret: &str, client: HttpClient) -> Result<Self, RemoteError> {
        let address = Address::of_endpoint(url)?;
        let encode = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
        let pair = STANDARD.encode(format!("{}:{}", encode(client_id), encode(secret)));
        let mut authorization = HeaderValue::try_from(format!("Basic {pair}"))
            .map_err(|_| RemoteError::at(&address, Fault::NotAUrl))?;
        authorization.set_sensitive(true);
        Ok(Self { address, authorization, client, lasting: Duration::ZERO })
    }

    /// The same, whose word that a token stands may be used again for `time`. By default it is not.
    #[must_use]
    pub fn lasting(mut self, time: Duration) -> Self {
        self.lasting = time;
        self
    }

    /// How long its word that a token stands may be used again.
    #[must_use]
    pub fn answers_last(&self) -> Duration {
        self.lasting
    }

    /// Whether the issuer says that `token` stands.
    ///
    /// # Errors
    /// [`RemoteError`] if it does not say, in time and in the form of RFC 7662 §2.2.
    pub async fn is_active(&self, token: &str) -> Result<bool, RemoteError> {
        let form = Serializer::new(String::new())
            .append_pair("token", token)
            .append_pair("token_type_hint", "access_token")
            .finish();
        let request = Request::post(self.address.uri().clone())
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::AUTHORIZATION, self.authorization.clone())
            .body(Full::new(Bytes::from(form)))
            .map_err(|_| RemoteError::at(&self.address, Fault::NotAUrl))?;
        let answer = self.client.ask(&self.address, request).await?;
        // A list is a struct to serde as well.
        let is_object = answer.body.trim_ascii_start().first() == Some(&b'{');
        let read = serde_json::from_slice::<Answer>(&answer.body).ok().filter(|_| is_object);
        read.map(|answer| answer.active).ok_or_else(|| {
            RemoteError::at(&self.address, Fault::NotAnAnswer("without one `active` that is true or false"))
        })
    }
}

impl fmt::Debug for Introspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Introspection").field("address", &self.address).finish_non_exhaustive()
    }
}
