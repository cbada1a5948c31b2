//! Exchanging an opaque session cookie for a token.
//!
//! One session may be about several organizations at once, in several tabs. Where the operator names a parameter for it, the
//! server is told which organization the request is about, and the token is for that one.
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

use http::{HeaderValue, Request, Uri, header};
use http_body_util::Full;
use serde_json::Value;
use tokio::sync::watch;

use crate::{RemoteError, address::Address, error::Fault, http::HttpClient};

/// Where a session cookie is exchanged for a token.
pub struct SessionExchange {
    address: Address,
    cookie: String,
    field: String,
    /// The parameter that names the organization.
    org: Option<String>,
    client: HttpClient,
    flights: Mutex<HashMap<Asked, watch::Receiver<Outcome>>>,
}

/// What a session was exchanged for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionAnswer {
    /// A token, unproven.
    Token(Arc<str>),
    /// The server knows no such session.
    NoSession,
    /// The session stands, and its user is no member of the organization that was named.
    NoMember,
}

/// A session, and the organization that is named with it.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Asked {
    session: Box<str>,
    org: Option<Box<str>>,
}

/// What a session was exchanged for, once that is known.
type Outcome = Option<Result<SessionAnswer, RemoteError>>;

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
        Ok(Self { address, cookie, field, org: None, client, flights })
    }

    /// The same, telling the server the organization of a request in the query parameter `name`, by id or slug. The server
    /// answers 404 if the session's user is no member of it.
    #[must_use]
    pub fn naming_organizations_as(mut self, name: &str) -> Self {
        self.org = Some(name.to_owned());
        self
    }

    /// Whether the server is told which organization a request is about.
    #[must_use]
    pub fn names_organizations(&self) -> bool {
        self.org.is_some()
    }

    /// The name of the cookie.
    #[must_use]
    pub fn cookie(&self) -> &str {
        &self.cookie
    }

    /// The token of the session `value`, for the organization `org` where the server is told ([`Self::names_organizations`]).
    /// Whoever asks the same meanwhile hears the same. Needs a tokio runtime.
    ///
    /// # Errors
    /// [`RemoteError`] if the server cannot be asked, is asked too much, or gives no token.
    pub async fn token(
        self: &Arc<Self>,
        value: &str,
        org: Option<&str>,
    ) -> Result<SessionAnswer, RemoteError> {
        let org = org.filter(|_| self.names_organizations());
        let mut running = self.start(Asked { session: value.into(), org: org.map(Into::into) })?;
        let outcome = running.wait_for(Option::is_some).await;
        match outcome.as_deref() {
            Ok(Some(outcome)) => outcome.clone(),
            // The sender is gone without an answer only if its task was stopped from outside.
            _ => Err(RemoteError::at(&self.address, Fault::NotAnAnswer("the exchange was broken off"))),
        }
    }

    fn start(self: &Arc<Self>, asked: Asked) -> Result<watch::Receiver<Outcome>, RemoteError> {
        let mut flights = self.flights();
        if let Some(running) = flights.get(&asked).filter(|running| running.has_changed().is_ok()) {
            return Ok(running.clone());
        }
        if flights.len() >= AT_ONCE {
            return Err(RemoteError::at(&self.address, Fault::Crowded(AT_ONCE)));
        }
        let (done, running) = watch::channel(None);
        flights.insert(asked.clone(), running.clone());
        drop(flights);
        let landing = Landing { of: Arc::clone(self), asked };
        drop(tokio::spawn(async move {
            let outcome = landing.of.ask(&landing.asked).await;
            drop(landing);
            // Nobody may be waiting any more.
            let _ = done.send(Some(outcome));
        }));
        Ok(running)
    }

    fn flights(&self) -> MutexGuard<'_, HashMap<Asked, watch::Receiver<Outcome>>> {
        // Each change to it is a single one, so a panic elsewhere leaves it whole.
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask(&self, asked: &Asked) -> Result<SessionAnswer, RemoteError> {
        let mut cookie =
            HeaderValue::try_from(format!("{}={}", self.cookie, asked.session)).map_err(|_| {
                RemoteError::at(&self.address, Fault::NotAnAnswer("the cookie cannot be sent on"))
            })?;
        cookie.set_sensitive(true);
        let request = Request::get(self.uri(asked.org.as_deref())?)
            .header(header::ACCEPT, "application/json")
            .header(header::COOKIE, cookie)
            .body(Full::default())
            .map_err(|_| RemoteError::at(&self.address, Fault::NotAUrl))?;
        let answer = match self.client.ask(&self.address, request).await {
            Err(error) if error.is_refusal() => return Ok(SessionAnswer::NoSession),
            Err(error) if asked.org.is_some() && error.is_not_found() => return Ok(SessionAnswer::NoMember),
            answer => answer?,
        };
        let document: Value = serde_json::from_slice(&answer.body).map_err(|_| self.no_token())?;
        // Some servers answer an unknown session with `null` and 200.
        if document.is_null() {
            return Ok(SessionAnswer::NoSession);
        }
        let found = if self.field.starts_with('/') {
            document.pointer(&self.field)
        } else {
            document.get(&self.field)
        };
        match found {
            Some(Value::String(token)) if !token.is_empty() => {
                Ok(SessionAnswer::Token(token.as_str().into()))
            }
            _ => Err(self.no_token()),
        }
    }

    /// The address, with the organization in its query.
    fn uri(&self, org: Option<&str>) -> Result<Uri, RemoteError> {
        let uri = self.address.uri();
        let (Some(name), Some(org)) = (&self.org, org) else { return Ok(uri.clone()) };
        let separator = if uri.query().is_some() { '&' } else { '?' };
        let mut text = format!("{uri}{separator}");
        for (part, end) in [(name.as_str(), "="), (org, "")] {
            for byte in part.bytes() {
                // RFC 3986 §2.3: everything else is encoded, so that an organization is one value and no more.
                if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                    text.push(char::from(byte));
                } else {
                    text.push_str(&format!("%{byte:02X}"));
                }
            }
            text.push_str(end);
        }
        text.parse().map_err(|_| RemoteError::at(&self.address, Fault::NotAUrl))
    }

    fn no_token(&self) -> RemoteError {
        RemoteError::at(&self.address, Fault::NotAnAnswer("without the token where `field` says it is"))
    }
}

/// An exchange under way; its end makes room, however it ends.
struct Landing {
    of: Arc<SessionExchange>,
    asked: Asked,
}

impl Drop for Landing {
    fn drop(&mut self) {
        self.of.flights().remove(&self.asked);
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
