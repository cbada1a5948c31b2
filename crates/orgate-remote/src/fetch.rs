//! One look for the keys of an issuer: where they are, and what they are now.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use orgate_claims::IssuerUrl;
use orgate_verify::KeySet;
use tokio::{io::AsyncReadExt, sync::Mutex, time::Instant};

use crate::{
    address::{Address, Told},
    discovery,
    error::{Fault, RemoteError},
    http::HttpClient,
    schedule,
    settings::Location,
};

/// Where the keys come from, once the settings were found to be possible.
#[derive(Debug)]
pub(crate) struct Origin {
    issuer: IssuerUrl,
    place: Place,
    client: HttpClient,
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
    found: Mutex<Option<(Address, Instant)>>,
}

/// The text of a key set, where it was, and for how long it is good.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) text: Bytes,
    pub(crate) place: String,
    pub(crate) lifetime: Duration,
}

impl Origin {
    pub(crate) fn new(
        issuer: IssuerUrl,
        location: Location,
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
        Ok(Self { issuer, place, client })
    }

    pub(crate) fn issuer(&self) -> &IssuerUrl {
        &self.issuer
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
    pub(crate) async fn fetch(&self) -> Result<Fetched, RemoteError> {
        match &self.place {
            Place::Url(address) => self.get(address).await,
            Place::File(path) => read_file(path).await,
            Place::Discovered(discovered) => {
                let Discovered { base, found, .. } = &**discovered;
                // Only one fetch runs at a time, so nobody waits for this lock.
                let mut found = found.lock().await;
                let known = found.take().filter(|(_, at)| at.elapsed() < DISCOVERY_LIFETIME);
                let (address, at) = match known {
                    Some(known) => known,
                    None => {
                        let address = discovery::find_keys(&self.client, self.issuer.as_str(), base).await?;
                        (address, Instant::now())
                    }
                };
                // Kept only if it was of use: after a failure the issuer is asked anew where its keys are.
                let fetched = self.get(&address).await?;
                *found = Some((address, at));
                Ok(fetched)
            }
        }
    }

    /// An error of not getting there within `limit`.
    pub(crate) fn too_slow(&self, limit: Duration) -> RemoteError {
        RemoteError::in_text(&self.location(), Fault::TimedOut(limit))
    }

    async fn get(&self, address: &Address) -> Result<Fetched, RemoteError> {
        let answer = self.client.get_json(address).await?;
        let lifetime = schedule::lifetime(&answer.headers);
        Ok(Fetched { text: answer.body, place: address.to_string(), lifetime })
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
    Ok(Fetched { text: text.into(), place, lifetime: schedule::DEFAULT_LIFETIME })
}

/// How long a discovered URL is used without asking again.
const DISCOVERY_LIFETIME: Duration = Duration::from_secs(60 * 60);
