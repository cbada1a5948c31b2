//! A policy that changes while the proxy runs.
//!
//! The files are looked at every second, and read again once they have stood still for one; SIGHUP reads them at once. A
//! policy that does not stand never replaces one that does: it is told in the log, `orgate_policy_stale` is 1, and what was
//! enforced stays enforced. What is read is exchanged as a whole ([`Gate::reload`]), so a link that is switched to another
//! folder, as Kubernetes does with its ConfigMaps, is one change; and a file that a pattern of `include:` matches anew is one.

use std::{
    collections::BTreeSet,
    hash::{BuildHasher, RandomState},
    path::{Path, PathBuf},
    sync::{Arc, LazyLock},
    time::Duration,
};

use orgate::Gate;
use orgate_policy::ChangeKind;
use tokio::sync::Notify;
use tracing::{error, info};

use crate::metrics::Metrics;

const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What tells that a file is another one than before, by its name and every byte; nothing where it cannot be read. Times
/// tell too little: tools that copy files keep them, and two changes may have one.
type Looked = Option<u64>;

/// The same of all files of a policy, its own first, and of those that its `include:` matches now.
type Stamp = Vec<Looked>;

/// What the policy file is like. Taken before it is read, so that no change of it is missed.
pub(crate) fn look(path: &Path) -> Looked {
    static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    Some(KEY.hash_one((path, orgate_config::read_bytes(path).ok()?)))
}

/// Keeps `gate` at what the files say, until the task is dropped. `read` is what the policy file was like when it was read.
pub(crate) async fn follow(gate: Gate, path: PathBuf, read: Looked, metrics: Arc<Metrics>, now: Arc<Notify>) {
    let mut enforced = stamp(&gate, &path).await;
    if let Some(own) = enforced.first_mut() {
        *own = read;
    }
    let mut seen = enforced.clone();
    loop {
        let asked = tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => false,
            () = now.notified() => true,
        };
        let current = stamp(&gate, &path).await;
        let settled = current == seen;
        seen.clone_from(&current);
        if asked || settled && current != enforced {
            reload(&gate, &path, &metrics).await;
            enforced = stamp(&gate, &path).await;
            seen.clone_from(&enforced);
        }
    }
}

async fn reload(gate: &Gate, path: &Path, metrics: &Metrics) {
    let before = gate.parts();
    match gate.reload(path).await {
        Ok(()) => {
            let after = gate.parts();
            metrics.replace_rules(after.policy().rules().map(|(rule, _)| rule));
            metrics.policy_stale(false);
            let rules = after.policy().rule_count();
            let Ok(diff) = before.policy().diff(after.policy()) else {
                info!(policy = %path.display(), rules, "the policy was replaced");
                return;
            };
            let count = |kind| diff.changes.iter().filter(|change| change.kind == kind).count();
            info!(
                policy = %path.display(),
                rules,
                public = count(ChangeKind::Public),
                unbound = count(ChangeKind::Unbound),
                loosened = count(ChangeKind::Loosened),
                tightened = count(ChangeKind::Tightened),
                "the policy was replaced"
            );
        }
        Err(problem) => {
            metrics.policy_stale(true);
            error!(policy = %path.display(), "the policy stays as it was: {}", problem.render(false).trim_end());
        }
    }
}

async fn stamp(gate: &Gate, path: &Path) -> Stamp {
    let (own, parts) = (path.to_owned(), gate.parts());
    let all = move || {
        let mut files: BTreeSet<PathBuf> = parts.files().map(Path::to_owned).collect();
        files.extend(orgate_config::included(&own, parts.include()));
        files.remove(&own);
        std::iter::once(&own).chain(&files).map(|file| look(file)).collect()
    };
    tokio::task::spawn_blocking(all).await.unwrap_or_default()
}
