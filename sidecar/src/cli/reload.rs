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

use orgate::{Gate, LoadError};
use serde_json::{Value, json};
use tokio::sync::{Notify, mpsc, oneshot};
use tracing::{error, info};

use super::{check, supervisor};
use crate::metrics::Metrics;

const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What came of reading a policy again: what changed, or what is wrong.
pub(crate) type Reloaded = Result<Value, Value>;

/// Who asked for it, and waits for the answer.
pub(crate) type Asking = mpsc::Receiver<oneshot::Sender<Reloaded>>;

/// What tells that a file is another one than before, by its name and every byte; nothing where it cannot be read. Times
/// tell too little: tools that copy files keep them, and two changes may have one.
pub(crate) type Looked = Option<u64>;

/// The same of all files of a policy, its own first, and of those that its `include:` matches now.
type Stamp = Vec<Looked>;

/// What the policy file is like. Taken before it is read, so that no change of it is missed.
pub(crate) fn look(path: &Path) -> Looked {
    static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    Some(KEY.hash_one((path, orgate_config::read_bytes(path).ok()?)))
}

/// Keeps `gate` at what the files say, until the task is dropped. `read` is what the policy file was like when it was read.
pub(crate) async fn follow(
    (gate, metrics): (Gate, Arc<Metrics>),
    (path, read): (PathBuf, Looked),
    now: Arc<Notify>,
    mut asking: Asking,
) {
    let mut enforced = stamp(&gate, &path).await;
    if let Some(own) = enforced.first_mut() {
        *own = read;
    }
    let mut seen = enforced.clone();
    loop {
        let mut answer = None;
        let asked = tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => false,
            () = now.notified() => true,
            Some(asker) = asking.recv() => {
                answer = Some(asker);
                true
            }
        };
        let current = stamp(&gate, &path).await;
        let settled = current == seen;
        seen.clone_from(&current);
        if asked || settled && current != enforced {
            supervisor::reloading();
            let reloaded = reload(&gate, &path, &metrics).await;
            supervisor::ready();
            if let Some(asker) = answer {
                // Whoever went away needs no answer.
                let _ = asker.send(reloaded);
            }
            // As it was before it was read: what changed meanwhile is noticed. Where the policy includes by other patterns now,
            // it is read once more.
            enforced = current;
        }
    }
}

async fn reload(gate: &Gate, path: &Path, metrics: &Metrics) -> Reloaded {
    let before = gate.parts();
    match gate.reload(path).await {
        Ok(()) => {
            let after = gate.parts();
            let digest = after.policy_digest();
            metrics.replace_rules(after.policy().rules().map(|(rule, _)| rule));
            metrics.policy(digest);
            metrics.policy_stale(false);
            metrics.reloaded(true);
            let rules = after.policy().rule_count();
            let (changed, unchanged, changes) = match before.policy().diff(after.policy()) {
                Ok(diff) => {
                    let of_rules = diff.summary();
                    // What stands beside the rules is compared by `orgate diff`, which has both files.
                    let changed = match of_rules.is_empty() {
                        true if before.policy_digest() == digest => "nothing".to_owned(),
                        true => "no rule decides otherwise; something else in the file is another".to_owned(),
                        false => of_rules,
                    };
                    let changes: Vec<Value> = diff.changes.iter().map(change).collect();
                    (changed, Some(diff.unchanged), Some(changes))
                }
                Err(error) => (error.to_string(), None, None),
            };
            info!(policy = %path.display(), digest, rules, changed, "the policy was replaced");
            Ok(json!({
                "digest": digest, "rules": rules, "changed": changed, "changes": changes, "unchanged": unchanged,
            }))
        }
        Err(problem) => {
            metrics.policy_stale(true);
            metrics.reloaded(false);
            let told = problem.render(false);
            error!(policy = %path.display(), "the policy stays as it was: {}", told.trim_end());
            let findings = match &problem {
                LoadError::Policy(orgate_config::LoadError::Findings(findings)) => {
                    check::findings_json(findings)
                }
                _ => Vec::new(),
            };
            let digest = before.policy_digest();
            Err(json!({"digest": digest, "findings": findings, "error": told.trim_end()}))
        }
    }
}

fn change(change: &orgate_policy::Change) -> Value {
    json!({
        "kind": change.kind.as_str(), "methods": change.methods, "path": change.path, "who": change.who,
        "before": change.before, "after": change.after,
    })
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
