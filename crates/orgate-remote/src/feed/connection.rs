//! One connection to a feed after the other: by stream, or by asking again and again.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use orgate_verify::Marks;
use tokio::time::{Instant, sleep, timeout};

use super::{
    Link, Loaded,
    events::{Events, MAX_EVENT_BYTES},
    message::Message,
};
use crate::{
    RemoteError, clock,
    error::Fault,
    http::{check_coding, root_cause},
    schedule,
};

/// Until the head of an answer, and then between two bytes of a stream, whose server says something each second.
const SILENCE: Duration = Duration::from_secs(3);
/// The longest that one event may take to arrive on a connection that is in step.
const SLOWEST_EVENT: Duration = Duration::from_secs(5);
/// The longest that the first message of a connection may take.
const SLOWEST_START: Duration = Duration::from_secs(30);
/// How long a server that does not stream keeps a question.
const WAIT: Duration = Duration::from_secs(1);
/// How long a connection must have been in step for the next one to be tried at once.
const STEADY: Duration = Duration::from_secs(5);
/// How often what has expired is looked for.
const PRUNE_EVERY: Duration = Duration::from_secs(10);
const EVENT_STREAM: &str = "text/event-stream";

/// What is known from the connections before.
#[derive(Debug, Default)]
pub(super) struct Connection {
    /// The server was seen not to stream.
    asks: bool,
    /// What was heard cannot be gone on from: all marks are asked for.
    anew: bool,
    /// The beginning of what is told in several messages. It counts when the last of them is here.
    begun: Option<Loaded>,
    failures: u32,
    /// Since when this connection is in step.
    in_step: Option<Instant>,
    pruned: Option<Instant>,
}

/// The end of a connection that nobody wished for.
enum End {
    Broken(Fault),
    /// What it said was not understood.
    Confused(&'static str),
    Failed(RemoteError),
}

impl From<RemoteError> for End {
    fn from(error: RemoteError) -> Self {
        Self::Failed(error)
    }
}

impl Connection {
    /// Reads until there is nothing more to be read; says what went wrong, if anything did.
    pub(super) async fn read(&mut self, link: &Link) -> Option<RemoteError> {
        self.in_step = None;
        let asked = self.asks;
        let end = if asked { self.ask(link).await } else { self.stream(link).await };
        let was_steady = self.in_step.is_some_and(|since| since.elapsed() >= STEADY);
        self.failures = if was_steady { 0 } else { self.failures.saturating_add(1) };
        // Whoever did not stream may do so after it was restarted, or replaced.
        self.asks &= !asked;
        Some(match end {
            Ok(()) => return None,
            Err(End::Broken(fault)) => RemoteError::at(&link.address, fault),
            Err(End::Failed(error)) => error,
            Err(End::Confused(why)) => {
                self.anew = true;
                self.begun = None;
                RemoteError::at(&link.address, Fault::Feed(why))
            }
        })
    }

    /// How long to wait before the next connection.
    pub(super) fn pause(&self) -> Duration {
        schedule::before_reconnecting(self.failures)
    }

    /// Ends with `Ok` where the server ends the stream.
    async fn stream(&mut self, link: &Link) -> Result<(), End> {
        let request = self.request(link, "", EVENT_STREAM)?;
        let response = link.client.open(&link.address, request, SILENCE).await?;
        if response.status() == StatusCode::NOT_ACCEPTABLE || is_json(&response) {
            self.asks = true;
            if response.status() == StatusCode::OK {
                self.answer(link, response).await?;
            }
            return self.ask(link).await;
        }
        check(&response)?;
        if media_type(&response) != Some(EVENT_STREAM.as_bytes()) {
            return Err(End::Broken(Fault::NotJson("something else than a stream of events".to_owned())));
        }
        let (mut body, mut events) = (response.into_body(), Events::default());
        let start = Instant::now();
        // When what is half read began.
        let mut began: Option<Instant> = None;
        loop {
            let frame = match timeout(SILENCE, body.frame()).await {
                Ok(Some(frame)) => frame.map_err(|error| End::Broken(Fault::Broken(root_cause(&error))))?,
                Ok(None) if self.in_step.is_some() => return Ok(()),
                Ok(None) => return Err(End::Broken(Fault::Broken("the stream ended".to_owned()))),
                Err(_) => return Err(self.too_slow(SILENCE)),
            };
            let Ok(data) = frame.into_data() else { continue };
            let mut any = false;
            events
                .push(&data, |message| {
                    any = true;
                    self.hear(link, message)
                })
                .map_err(End::Confused)?;
            let now = Instant::now();
            let limit = match self.in_step {
                Some(_) => {
                    link.heard_at(now);
                    self.tidy(link);
                    SLOWEST_EVENT
                }
                // Something may lie in between that keeps what it has.
                None if events.is_between() && now - start > SILENCE => return Err(self.too_slow(SILENCE)),
                None => SLOWEST_START,
            };
            began = match began.filter(|_| !any) {
                _ if events.is_between() => None,
                Some(since) if now - since > limit => return Err(self.too_slow(limit)),
                since => since.or(Some(now)),
            };
        }
    }

    /// Asks again and again; never ends with `Ok`.
    async fn ask(&mut self, link: &Link) -> Result<(), End> {
        self.asks = true;
        loop {
            let asked = Instant::now();
            let query = format!("wait={}", WAIT.as_secs());
            let request = self.request(link, &query, "application/json")?;
            let response = link.client.open(&link.address, request, WAIT + SILENCE).await?;
            let is_news = self.answer(link, response).await?;
            self.tidy(link);
            // Whoever does not know `wait` answers at once.
            if !is_news {
                sleep(WAIT.saturating_sub(asked.elapsed())).await;
            }
        }
    }

    /// Reads a whole answer; says whether there was anything new in it.
    async fn answer(&mut self, link: &Link, response: Response<Incoming>) -> Result<bool, End> {
        check(&response)?;
        if !is_json(&response) {
            return Err(End::Broken(Fault::NotJson("something else".to_owned())));
        }
        let before = self.position(link);
        let limit = if before.is_some() { SLOWEST_EVENT } else { SLOWEST_START };
        let body = timeout(limit, Limited::new(response.into_body(), MAX_EVENT_BYTES).collect()).await;
        let body = body.map_err(|_| End::Broken(Fault::TimedOut(limit)))?.map_err(|error| {
            End::Broken(if error.is::<LengthLimitError>() {
                Fault::TooLarge(MAX_EVENT_BYTES)
            } else {
                Fault::Broken(root_cause(&*error))
            })
        })?;
        self.hear(link, &body.to_bytes()).map_err(End::Confused)?;
        Ok(self.position(link) != before)
    }

    /// Behind which number it goes on.
    fn position(&self, link: &Link) -> Option<u64> {
        self.begun.as_ref().map(|begun| begun.seq).or_else(|| link.position())
    }

    /// Takes what one message says.
    fn hear(&mut self, link: &Link, bytes: &[u8]) -> Result<(), &'static str> {
        let message = Message::read(bytes)?;
        let begun = self.begun.take();
        let (is_begun, loaded) = match begun {
            Some(begun) => (true, Some(begun.into())),
            None => (false, link.current.load_full()),
        };
        let known = loaded.filter(|_| !message.reset && !self.anew);
        if let Some(known) = &known
            && message.seq < known.seq
        {
            return Err("its position went back");
        }
        let is_news =
            known.as_ref().is_none_or(|known| message.seq != known.seq || !message.marks.is_empty());
        self.anew = false;
        if is_begun || is_news {
            let mut marks = known.map_or_else(Marks::new, |known| known.marks.clone());
            marks.prune(clock::now());
            for entry in &message.marks {
                marks
                    .insert(&entry.mark, entry.expires_at)
                    .map_err(|_| "it has more marks than there is room for")?;
            }
            let loaded = Loaded { marks, seq: message.seq };
            if message.more {
                self.begun = Some(loaded);
                return Ok(());
            }
            link.install(loaded.into());
        }
        self.in_step.get_or_insert_with(Instant::now);
        link.in_step();
        Ok(())
    }

    /// Gives back the memory of what has expired, now and then.
    fn tidy(&mut self, link: &Link) {
        if self.pruned.is_some_and(|at| at.elapsed() < PRUNE_EVERY) {
            return;
        }
        self.pruned = Some(Instant::now());
        let Some(known) = link.current.load_full() else { return };
        let mut marks = known.marks.clone();
        if marks.prune(clock::now()) {
            link.install(Loaded { marks, seq: known.seq }.into());
        }
    }

    fn request(&self, link: &Link, query: &str, accept: &'static str) -> Result<Request<Full<Bytes>>, End> {
        let after = self.position(link).filter(|_| !self.anew);
        let position = after.map(|seq| format!("after={seq}"));
        let query: Vec<&str> =
            position.as_deref().into_iter().chain([query]).filter(|q| !q.is_empty()).collect();
        let path = match query.join("&") {
            query if query.is_empty() => link.address.path().to_owned(),
            query => format!("{}?{query}", link.address.path()),
        };
        let mut request = Request::get(link.address.with_path(&path)?.uri().clone())
            .header(header::ACCEPT, accept)
            .header(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))
            .header(header::AUTHORIZATION, link.authorization.clone());
        if let Some(seq) = after {
            request = request.header("last-event-id", HeaderValue::from(seq));
        }
        request.body(Full::default()).map_err(|_| End::Broken(Fault::NotAUrl))
    }

    /// From a server of which nothing came at all, the next is not a stream.
    fn too_slow(&mut self, limit: Duration) -> End {
        self.asks = self.in_step.is_none();
        End::Broken(Fault::TimedOut(limit))
    }
}

fn check(response: &Response<Incoming>) -> Result<(), End> {
    let fault = match response.status() {
        StatusCode::OK => return check_coding(response.headers()).map_err(End::Broken),
        status if status.is_redirection() => Fault::Redirected(status),
        status => Fault::NoFeed(status),
    };
    Err(End::Broken(fault))
}

fn is_json(response: &Response<Incoming>) -> bool {
    response.status() == StatusCode::OK && media_type(response) == Some(b"application/json")
}

/// Without its parameters.
fn media_type(response: &Response<Incoming>) -> Option<&[u8]> {
    let value = response.headers().get(header::CONTENT_TYPE)?.as_bytes();
    Some(value.split(|byte| *byte == b';').next()?.trim_ascii())
}
