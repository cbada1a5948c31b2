//! Exchanging an opaque session cookie for a token.
//!
//! Some sign-in libraries keep the session on their server and give the browser a cookie that says nothing. Their server
//! also gives a signed token to whoever shows the cookie; this asks for it. What comes back is as unproven as any token
//! of a request. The cookie goes to the one address that the operator wrote, and nowhere else.
//!
//! Anybody can make up a cookie, so exchanges that are under way are bounded; and a page that opens with twenty requests asks about
//! its session once.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use http::{HeaderValue, Request, header};
use http_body_util::Full;
use serde_json::Value;
use tokio::sync::watch;

use crate::{RemoteError, address::Address, error::Fault, http::HttpClient};

/// Where a session cookie is exchanged for a token.
pub struct SessionExchange {
    address: Address,
    cookie: String,
    field: String,
    client: HttpClient,
    flights: Mutex<HashMap<Box<str>, watch::Receiver<Outcome>>>,
}

/// What a session was exchanged for, once that is known.
type Outcome = Option<Result<Option<Arc<str>>, RemoteError>>;

/// Exchanges that are under way at the same time; what is beyond is answered at once.
const AT_ONCE: usize = 512;

impl SessionExchange {
    /// The exchange at `url`: a GET with the cookie of this name, answered with a JSON document whose member `field` is the
    /// token. A `field` that starts with `/` is a pointer (RFC 6901), any other is the name of a member.
    ///
    /// # Errors
    /// [`RemoteError`] if `url` is not https and not on this machine.
    pub fn new(url: &str, cookie: &str, field: &str, client: HttpClient) -> Result<Self, RemoteError> {
        let address = Address::of_endpoint(url)?;
        let (cookie, field, flights) = (cookie.to_owned(), field.to_owned(), Mutex::default());
        Ok(Self { address, cookie, field, client, flights })
    }

    /// The name of the cookie.
    #[must_use]
    pub fn cookie(&self) -> &str {
        &self.cookie
    }

    /// The token of the session `value`, unproven; `None` if the server knows no such session. Whoever asks about the same
    /// session meanwhile hears the same. Needs a tokio runtime.
    ///
    /// # Errors
    /// [`RemoteError`] if the server cannot be asked, is asked too much, or gives no token.
    pub async fn token(self: &Arc<Self>, value: &str) -> Result<Option<Arc<str>>, RemoteError> {
        let mut running = self.start(value)?;
        let outcome = running.wait_for(Option::is_some).await;
        match outcome.as_deref() {
            Ok(Some(outcome)) => outcome.clone(),
            // The sender is gone without an answer only if its task was stopped from outside.
            _ => Err(RemoteError::at(&self.address, Fault::NotAnAnswer("the exchange was broken off"))),
        }
    }

    fn start(self: &Arc<Self>, value: &str) -> Result<watch::Receiver<Outcome>, RemoteError> {
        let mut flights = self.flights();
        if let Some(running) = flights.get(value).filter(|running| running.has_changed().is_ok()) {
            return Ok(running.clone());
        }
        if flights.len() >= AT_ONCE {
            return Err(RemoteError::at(&self.address, Fault::Crowded(AT_ONCE)));
        }
        let (done, running) = watch::channel(None);
        flights.insert(value.into(), running.clone());
        drop(flights);
        let landing = Landing { of: Arc::clone(self), session: value.into() };
        drop(tokio::spawn(async move {
            let outcome = landing.of.ask(&landing.session).await;
            drop(landing);
            // Nobody may be waiting any more.
            let _ = done.send(Some(outcome));
        }));
        Ok(running)
    }

    fn flights(&self) -> MutexGuard<'_, HashMap<Box<str>, watch::Receiver<Outcome>>> {
        // Each change to it is a single one, so a panic elsewhere leaves it whole.
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask(&self, value: &str) -> Result<Option<Arc<str>>, RemoteError> {
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
            Some(Value::String(token)) if !token.is_empty() => Ok(Some(token.as_str().into())),
            _ => Err(self.no_token()),
        }
    }

    fn no_token(&self) -> RemoteError {
        RemoteError::at(&self.address, Fault::NotAnAnswer("without the token where `field` says it is"))
    }
}

/// An exchange under way; its end makes room, however it ends.
struct Landing {
    of: Arc<SessionExchange>,
    session: Box<str>,
}

impl Drop for Landing {
    fn drop(&mut self) {
        self.of.flights().remove(&self.session);
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
