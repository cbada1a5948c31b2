//! What `/readyz` of a process with a policy says, and why.

use orgate::Gate;
use serde_json::{Map, json};

use super::upstreams;
use crate::{admin::Readiness, upstream::Upstreams};

/// Ready once every issuer's keys were loaded, and what it revoked where the policy wants to know, unless no upstream gets requests, and until the process drains. A policy file
/// that does not stand is told and keeps nobody out: the one before it is enforced.
pub(super) fn of(gate: &Gate, upstreams: Option<&Upstreams>, is_stale: bool, draining: bool) -> Readiness {
    let waiting: Vec<_> = gate
        .status()
        .issuers
        .into_iter()
        .filter(|issuer| !issuer.is_ready())
        .map(|issuer| match issuer.feed {
            Some(feed) if issuer.keys_loaded => {
                json!({"issuer": issuer.issuer, "feed": feed.location, "error": feed.last_error})
            }
            _ => json!({"issuer": issuer.issuer, "keys": issuer.location, "error": issuer.last_error}),
        })
        .collect();
    let mut members = Map::new();
    if !waiting.is_empty() {
        members.insert("issuers".to_owned(), waiting.into());
    }
    if draining {
        members.insert("draining".to_owned(), true.into());
    }
    let is_ready = members.is_empty() && !upstreams.is_some_and(Upstreams::are_down);
    let left_alone = upstreams.map(upstreams::left_alone).unwrap_or_default();
    if !left_alone.is_empty() {
        members.insert("upstreams".to_owned(), left_alone.into());
    }
    if is_stale {
        let digest = gate.parts().policy_digest().to_owned();
        members.insert("policy".to_owned(), json!({"stale": true, "enforced": digest}));
    }
    match (is_ready, members.is_empty()) {
        (true, true) => Readiness::Ready,
        (true, false) => Readiness::Impaired(members),
        (false, _) => Readiness::NotReady(members),
    }
}
