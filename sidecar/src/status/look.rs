//! What a page tells, taken together from where it is known.

use std::sync::Arc;

use orgate::{Gate, clock};

use super::{Connections, Feed, Issuer, Policy, Snapshot};
use crate::{admin::Readiness, doors::Hall, metrics::Metrics};

impl Snapshot {
    /// How the process behind `hall` is doing now.
    #[must_use]
    pub fn of(
        (gate, hall, metrics): (&Gate, &Arc<Hall>, &Metrics),
        readiness: &Readiness,
        upstreams: Vec<Connections>,
    ) -> Self {
        let parts = gate.parts();
        let issuers = gate.status().issuers.into_iter().map(|issuer| Issuer {
            feed: issuer.feed.as_ref().map(|feed| Feed {
                marks: feed.loaded.then_some(feed.marks),
                age: feed.age,
                stale: feed.stale,
                error: feed.last_error.clone(),
            }),
            keys: issuer.keys_loaded.then_some(issuer.figures.usable),
            age: issuer.figures.age,
            error: issuer.last_error,
            name: issuer.issuer,
            location: issuer.location,
        });
        let recent = hall.recent();
        Self {
            not_ready: reasons(readiness),
            up: hall.up(),
            policy: Policy {
                digest: parts.policy_digest().to_owned(),
                files: parts.files().map(|file| file.display().to_string()).collect(),
                rules: parts.policy().rule_count(),
                observed: parts.observes(),
                stale: metrics.is_policy_stale(),
            },
            issuers: issuers.collect(),
            upstreams,
            totals: recent.totals(),
            seconds: recent.seconds(),
            refusals: recent.refusals(),
            now: clock::now().seconds(),
        }
    }
}

/// What `/readyz` says, in words.
fn reasons(readiness: &Readiness) -> Vec<String> {
    let Readiness::NotReady(members) = readiness else { return Vec::new() };
    let word = |name: &String| match name.as_str() {
        "issuers" => "keys of an issuer were never loaded, or it is not heard what it revokes".to_owned(),
        "upstreams" => "an upstream gets no requests".to_owned(),
        "draining" => "the process is ending".to_owned(),
        other => other.to_owned(),
    };
    members.keys().map(word).collect()
}
