//! Certificates that change while they are served.
//!
//! As policies do: the files are looked at every second and taken once they have stood still for one, so that a key that
//! is written a moment after its certificate is no trouble; and at once when asked.

use std::{
    hash::{BuildHasher, Hash, RandomState},
    path::Path,
    sync::{Arc, LazyLock},
    time::Duration,
};

use tokio::sync::Notify;
use tracing::{error, info};

use super::{Tls, TlsError, TlsFiles, config};

const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What stands in the files of a listener, or why it cannot be read.
#[derive(Hash)]
pub(super) struct Contents {
    certificate: Content,
    key: Content,
    authorities: Option<Content>,
}

type Content = Result<Vec<u8>, TlsError>;

impl Contents {
    pub(super) fn of(files: &TlsFiles) -> Self {
        let read = |file: &Path| {
            orgate_config::read_bytes(file).map_err(|error| TlsError::new(file, error.to_string()))
        };
        Self {
            certificate: read(&files.certificate),
            key: read(&files.key),
            authorities: files.clients.as_ref().map(|clients| read(&clients.authorities)),
        }
    }

    pub(super) fn certificate(&self) -> Result<&[u8], TlsError> {
        bytes(&self.certificate)
    }

    pub(super) fn key(&self) -> Result<&[u8], TlsError> {
        bytes(&self.key)
    }

    pub(super) fn authorities(&self) -> Result<&[u8], TlsError> {
        self.authorities.as_ref().map_or(Ok(&[]), bytes)
    }

    pub(super) fn stamp(&self) -> u64 {
        stamp(self)
    }
}

/// A number that is another one for other contents, and that tells nothing of them.
pub(crate) fn stamp(contents: &impl Hash) -> u64 {
    static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    KEY.hash_one(contents)
}

fn bytes(content: &Content) -> Result<&[u8], TlsError> {
    content.as_deref().map_err(TlsError::clone)
}

/// Reads contents again and again and gives those to `take` that are not what `served` is the stamp of, once they have stood
/// still, or at once when asked.
pub(crate) async fn follow<C: Hash + Send + 'static>(
    mut served: u64,
    now: Arc<Notify>,
    read: impl Fn() -> C + Clone + Send + 'static,
    take: impl Fn(&C) + Send,
) {
    let mut seen = served;
    loop {
        let asked = tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => false,
            () = now.notified() => true,
        };
        let Ok(contents) = tokio::task::spawn_blocking(read.clone()).await else { return };
        let current = stamp(&contents);
        let settled = current == seen;
        seen = current;
        if asked || settled && current != served {
            served = current;
            take(&contents);
        }
    }
}

impl Tls {
    /// Keeps the certificates at what the files say, until the task is dropped, and tells `stale` whether they are not.
    pub async fn follow(self, now: Arc<Notify>, stale: impl Fn(bool) + Send) {
        let files = self.0.files.clone();
        let read = move || Contents::of(&files);
        let tls = &self;
        follow(self.0.begun_with, now, read, move |contents| stale(!tls.take(contents))).await;
    }

    /// Whether they stand, and are served from now on.
    fn take(&self, contents: &Contents) -> bool {
        let certificate = self.0.files.certificate.display();
        match config(&self.0.files, contents) {
            Ok(config) => {
                self.0.config.store(Arc::new(config));
                info!(%certificate, "the certificate was read again");
                true
            }
            Err(problem) => {
                error!(%certificate, "the certificate stays as it was: {problem}");
                false
            }
        }
    }
}
