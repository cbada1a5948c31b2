//! One look for the keys of an issuer: where they are, and what they are now.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, header};
use orgate_claims::IssuerUrl;
use orgate_verify::KeySet;
use tokio::{io::AsyncReadExt, sync::Mutex, time::Instant};

use crate::{
    address::{Address, Told},
    discovery,
    error::{Fault, RemoteError},
    http::HttpClient,
    schedule,
    settings::{Location, Timing},
};

/// Where the keys come from, once the settings were found to be possible.
#[derive(Debug)]
pub(crate) struct Origin {
    issuer: IssuerUrl,
    place: Place,
    client: HttpClient,
    timing: Timing,
}

#[derive(Debug)]
enum Place {
    Discovered(Box<Discovered>),
    Url(Address),
    File(PathBuf),
}

/// What discovery starts from, and what it found.
#[derive(Debug)]
struct Discovered {
    base: Address,
    document: Address,
    found: Mutex<Option<Found>>,
}

/// Where the keys are.
#[derive(Clone, Debug)]
struct Found {
    keys: Address,
    at: Instant,
    /// Whether the keys were there when they were last looked for.
    worked: bool,
}

/// What is asked of the place.
#[derive(Clone, Debug)]
pub(crate) enum Ask {
    /// The set, whatever was known.
    Whole,
    /// The set, unless it is still the one with this entity tag.
    Changed(Tag),
    /// The set as it is now, past every cache on the way.
    Fresh,
}

/// An entity tag, and of what: another address may use the same for another set.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tag {
    value: HeaderValue,
    of: Address,
}

#[cfg(test)]
impl Tag {
    pub(crate) fn of(value: &'static str, address: &str) -> Self {
        Self { value: HeaderValue::from_static(value), of: Address::of_issuer(address).unwrap() }
    }
}

/// A key set as it was found.
#[derive(Debug)]
pub(crate) struct Fetched {
    /// Its text; nothing if it has not changed.
    pub(crate) text: Option<Bytes>,
    /// Where it was.
    pub(crate) place: String,
    /// For how long it is good.
    pub(crate) lifetime: Duration,
    /// What to ask with whether it has changed.
    pub(crate) tag: Option<Tag>,
}

impl Origin {
    pub(crate) fn new(
        issuer: IssuerUrl,
        location: Location,
        timing: Timing,
        client: HttpClient,
    ) -> Result<Self, RemoteError> {
        let place = match location {
            Location::Discover => {
                let base = Address::of_issuer(issuer.as_str())?;
                let document = discovery::first_place(&base)?;
                Place::Discovered(Box::new(Discovered { base, document, found: Mutex::new(None) }))
            }
            Location::JwksUri(url) => {
                let base = Address::of_issuer(issuer.as_str()).ok();
                Place::Url(Address::of_keys(&url, base.as_ref(), Told::ByOperator)?)
            }
            Location::File(path) => Place::File(path),
        };
        Ok(Self { issuer, place, client, timing })
    }

    pub(crate) fn issuer(&self) -> &IssuerUrl {
        &self.issuer
    }

    /// Whether the keys are in a local file.
    pub(crate) fn is_file(&self) -> bool {
        matches!(self.place, Place::File(_))
    }

    /// The URL or the path, for people.
    pub(crate) fn location(&self) -> String {
        match &self.place {
            Place::Discovered(discovered) => discovered.document.to_string(),
            Place::Url(address) => address.to_string(),
            Place::File(path) => path.display().to_string(),
        }
    }

    /// The key set as it is now, unread.
    pub(crate) async fn fetch(&self, ask: Ask) -> Result<Fetched, RemoteError> {
        match &self.place {
            Place::Url(address) => self.get(address, ask).await,
            Place::File(path) => read_file(path).await,
            Place::Discovered(discovered) => self.discovered(discovered, ask).await,
        }
    }

    async fn discovered(&self, discovered: &Discovered, ask: Ask) -> Result<Fetched, RemoteError> {
        let Discovered { base, found, .. } = discovered;
        // Only one fetch runs at a time, so nobody waits for this lock.
        let mut found = found.lock().await;
        let known = found.clone().filter(|found| {
            // Where keys were not found, they may have moved; but an issuer in trouble is not asked twice as much.
            let retry = self.timing.minimum_interval.saturating_mul(DISCOVERY_RETRY);
            found.at.elapsed() < if found.worked { DISCOVERY_LIFETIME } else { retry }
        });
        let Found { keys, at, .. } = match known {
            Some(known) => known,
            None => {
                let keys = discovery::find_keys(&self.client, self.issuer.as_str(), base).await?;
                Found { keys, at: Instant::now(), worked: true }
            }
        };
        // Noted before, since a fetch that is too slow ends in the middle.
        *found = Some(Found { keys: keys.clone(), at, worked: false });
        let fetched = self.get(&keys, ask).await?;
        *found = Some(Found { keys, at, worked: true });
        Ok(fetched)
    }

    /// An error of not being asked, because so many wait for an answer already.
    pub(crate) fn crowded(&self, waiting: usize) -> RemoteError {
        RemoteError::in_text(&self.location(), Fault::Crowded(waiting))
    }

    /// An error of not getting there within `limit`.
    pub(crate) fn too_slow(&self, limit: Duration) -> RemoteError {
        RemoteError::in_text(&self.location(), Fault::TimedOut(limit))
    }

    async fn get(&self, address: &Address, ask: Ask) -> Result<Fetched, RemoteError> {
        let answer = match &ask {
            Ask::Whole => self.client.get_json(address).await?,
            Ask::Changed(tag) if tag.of == *address => self.client.get_changed(address, &tag.value).await?,
            Ask::Changed(_) => self.client.get_json(address).await?,
            Ask::Fresh => self.client.get_fresh(address).await?,
        };
        let tag = match (answer.headers.get(header::ETAG), ask) {
            (Some(value), _) if value.len() <= MAX_TAG_BYTES => {
                Some(Tag { value: value.clone(), of: address.clone() })
            }
            (None, Ask::Changed(tag)) if answer.unchanged => Some(tag),
            _ => None,
        };
        Ok(Fetched {
            text: (!answer.unchanged).then_some(answer.body),
            place: address.to_string(),
            lifetime: schedule::lifetime(&answer.headers, &self.timing),
            tag,
        })
    }
}

async fn read_file(path: &Path) -> Result<Fetched, RemoteError> {
    let unreadable = |error: std::io::Error| RemoteError::in_file(path, Fault::Unreadable(error.to_string()));
    let file = tokio::fs::File::open(path).await.map_err(unreadable)?;
    let mut text = Vec::new();
    // One byte more than fits, so that too much is noticed and no more is read, whatever the path leads to.
    let limit = KeySet::MAX_BYTES as u64 + 1;
    file.take(limit).read_to_end(&mut text).await.map_err(unreadable)?;
    let place = path.display().to_string();
    Ok(Fetched { text: Some(text.into()), place, lifetime: schedule::DEFAULT_LIFETIME, tag: None })
}

/// How long a discovered URL is used without asking again.
const DISCOVERY_LIFETIME: Duration = Duration::from_secs(60 * 60);
/// The same for one that the keys could not be got from, in intervals between two looks: one minute.
const DISCOVERY_RETRY: u32 = 6;
/// The longest entity tag that is sent back.
const MAX_TAG_BYTES: usize = 1024;
