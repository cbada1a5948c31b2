//! What the tests of key sets share.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use std::{
    fmt::Write as _,
    fs,
    future::Future,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use orgate_claims::IssuerUrl;
use orgate_remote::{HttpClient, KeySettings, Limits, Location, RemoteKeys, Timing};
use orgate_verify::KeySource;

/// A client that gives up soon, so that no test waits for what will not come.
pub fn client() -> HttpClient {
    let mut limits = Limits::default();
    limits.connect = Duration::from_millis(500);
    limits.total = Duration::from_millis(500);
    HttpClient::with_limits(limits)
}

pub fn remote(issuer: &str, location: Location, timing: Timing) -> Arc<RemoteKeys> {
    let settings = KeySettings::new(IssuerUrl::parse(issuer).unwrap(), location).timing(timing);
    RemoteKeys::new(settings, client()).unwrap()
}

pub fn kids(keys: &RemoteKeys) -> Vec<String> {
    keys.current().map(|set| set.kids().map(str::to_owned).collect()).unwrap_or_default()
}

pub async fn bounded<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), work).await.expect("not bounded")
}

pub async fn eventually(mut holds: impl FnMut() -> bool) {
    bounded(async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// A folder that is gone when the test is.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("orgate-remote-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Keeps what is logged, a line each: the level and the message.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Mutex<String>>);

impl Log {
    pub fn clear(&self) {
        self.0.lock().unwrap().clear();
    }

    pub fn text(&self) -> String {
        self.0.lock().unwrap().clone()
    }
}

impl tracing::Subscriber for Log {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target().starts_with("orgate")
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        let mut log = self.0.lock().unwrap();
        write!(log, "{} ", event.metadata().level()).unwrap();
        event.record(&mut |field: &tracing::field::Field, value: &dyn std::fmt::Debug| {
            if field.name() == "message" {
                write!(log, "{value:?}").unwrap();
            }
        });
        log.push('\n');
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}
