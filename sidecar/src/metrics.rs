//! Numbers for Prometheus.
//!
//! Labels come from the policy and from this program, never from a request, so the number of series is bounded: rules
//! times codes. The counter of an allowed request is found without a lock; the names are frozen and documented.

mod feeds;
mod introspection;
mod keys;
mod upstreams;

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use arc_swap::ArcSwap;
use orgate::{FeedFigures, GateStatus, IntrospectionFigures, KeyFigures};
use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::Registry,
};

use self::{
    feeds::FeedMetrics, introspection::IntrospectionMetrics, keys::KeyMetrics, upstreams::UpstreamMetrics,
};
use crate::upstream::Upstreams;

/// Everything the admin listener shows under `/metrics`.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    rules: ArcSwap<HashMap<Arc<str>, Counter>>,
    policy_stale: Gauge,
    certificate_stale: Gauge,
    duration: Histogram,
    would_deny: Family<RequestLabels, Counter>,
    shadow: Family<ShadowLabels, Counter>,
    upstream_connections: Family<StateLabel, Gauge>,
    upstream_errors: Family<KindLabel, Counter>,
    upstreams: UpstreamMetrics,
    keys: KeyMetrics,
    feeds: FeedMetrics,
    introspection: IntrospectionMetrics,
    unknown_permissions: Counter,
    forgeries: Counter,
    known_tokens: Family<ResultLabel, Counter>,
    reloads: Family<ResultLabel, Counter>,
    policy_info: Family<DigestLabel, Gauge<i64>>,
    decisions_lost: Counter,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    rule: Arc<str>,
    code: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ShadowLabels {
    rule: Arc<str>,
    enforced: &'static str,
    shadow: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabel {
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DigestLabel {
    digest: String,
}

/// The counters of allowed requests, by rule.
fn counters<'r>(
    requests: &Family<RequestLabels, Counter>,
    rules: impl IntoIterator<Item = &'r str>,
) -> HashMap<Arc<str>, Counter> {
    let counter = |rule: &str| {
        let rule: Arc<str> = rule.into();
        let labels = RequestLabels { rule: Arc::clone(&rule), code: ALLOWED };
        (rule, requests.get_or_create_owned(&labels))
    };
    rules.into_iter().map(counter).collect()
}

impl Metrics {
    /// Counters for these rules; requests of any other rule count under the empty one.
    pub fn new<'r>(rules: impl IntoIterator<Item = &'r str>) -> Self {
        let requests = Family::<RequestLabels, Counter>::default();
        let rules = ArcSwap::from_pointee(counters(&requests, rules));
        let duration = Histogram::new(BUCKETS);
        let would_deny = Family::default();
        let shadow = Family::default();
        let upstream_connections = Family::default();
        let upstream_errors = Family::default();

        let mut registry = Registry::with_prefix("orgate");
        registry.register(
            "requests",
            "Requests by the rule that decided and the code of the decision",
            requests.clone(),
        );
        registry.register(
            "would_deny",
            "Requests let through only because the policy is observed, by what it would refuse them with",
            would_deny.clone(),
        );
        registry.register(
            "shadow",
            "Requests on which the shadow of a rule disagrees with what was decided",
            shadow.clone(),
        );
        registry.register(
            "request_duration_seconds",
            "From the end of the request's head to the head of the answer",
            duration.clone(),
        );
        registry.register(
            "upstream_connections",
            "Connections to the upstream",
            upstream_connections.clone(),
        );
        registry.register("upstream_errors", "Requests the upstream did not answer", upstream_errors.clone());
        let upstreams = UpstreamMetrics::registered(&mut registry);
        let keys = KeyMetrics::registered(&mut registry);
        let feeds = FeedMetrics::registered(&mut registry);
        let introspection = IntrospectionMetrics::registered(&mut registry);
        let policy_stale = Gauge::default();
        registry.register(
            "policy_stale",
            "Whether the policy file was changed into one that does not stand, so that the last good one is enforced",
            policy_stale.clone(),
        );
        let certificate_stale = Gauge::default();
        registry.register(
            "certificate_stale",
            "Whether the files of TLS were changed into ones that do not stand, so that the last good ones are served",
            certificate_stale.clone(),
        );
        let policy_info = Family::default();
        registry.register("policy_info", "The policy that is enforced, by its digest", policy_info.clone());
        let decisions_lost = Counter::default();
        registry.register(
            "decisions_lost",
            "Lines of the decision log that were not written, because the disk was too slow",
            decisions_lost.clone(),
        );
        let (unknown_permissions, forgeries, known_tokens) = register_tokens(&mut registry);
        let reloads = Family::default();
        registry.register(
            "policy_reloads",
            "How often the policy was read again, by what came of it",
            reloads.clone(),
        );
        register_build(&mut registry);
        Self {
            registry,
            requests,
            rules,
            policy_stale,
            certificate_stale,
            duration,
            would_deny,
            shadow,
            upstream_connections,
            upstream_errors,
            upstreams,
            keys,
            feeds,
            introspection,
            unknown_permissions,
            forgeries,
            known_tokens,
            reloads,
            policy_info,
            decisions_lost,
        }
    }

    /// Counts by these rules from now on.
    pub fn replace_rules<'r>(&self, rules: impl IntoIterator<Item = &'r str>) {
        self.rules.store(Arc::new(counters(&self.requests, rules)));
    }

    /// Names the policy that is enforced.
    pub fn policy(&self, digest: &str) {
        self.policy_info.clear();
        self.policy_info.get_or_create(&DigestLabel { digest: digest.to_owned() }).set(1);
    }

    /// Counts lines of the decision log that were not written.
    pub fn decisions_lost(&self, count: u64) {
        self.decisions_lost.inc_by(count);
    }

    /// Says whether the policy file changed into something that is not enforced, because it does not stand.
    pub fn policy_stale(&self, stale: bool) {
        self.policy_stale.set(i64::from(stale));
    }

    /// Whether the policy file says something that is not enforced.
    #[must_use]
    pub fn is_policy_stale(&self) -> bool {
        self.policy_stale.get() != 0
    }

    /// Says whether the files of TLS changed into something that is not served, because it does not stand.
    pub fn certificate_stale(&self, stale: bool) {
        self.certificate_stale.set(i64::from(stale));
    }

    /// Counts a request; `rule` is its key in the policy or empty.
    pub fn request(&self, rule: &str, code: &'static str, duration: Duration) {
        self.duration.observe(duration.as_secs_f64());
        match self.rules.load().get_key_value(rule) {
            Some((_, allowed)) if code == ALLOWED => {
                allowed.inc();
            }
            known => {
                let rule = known.map_or_else(|| Arc::from(""), |(rule, _)| Arc::clone(rule));
                self.requests.get_or_create(&RequestLabels { rule, code }).inc();
            }
        }
    }

    /// Counts a request that was let through only because the policy is observed.
    pub fn would_deny(&self, rule: &str, code: &'static str) {
        self.would_deny.get_or_create(&RequestLabels { rule: self.known(rule), code }).inc();
    }

    /// Counts a request on which the shadow of its rule disagrees.
    pub fn shadow(&self, rule: &str, enforced: &'static str, shadow: &'static str) {
        self.shadow.get_or_create(&ShadowLabels { rule: self.known(rule), enforced, shadow }).inc();
    }

    fn known(&self, rule: &str) -> Arc<str> {
        self.rules.load().get_key_value(rule).map_or_else(|| Arc::from(""), |(rule, _)| Arc::clone(rule))
    }

    /// Counts a request that the upstream did not answer.
    pub fn upstream_error(&self, kind: &'static str) {
        self.upstream_errors.get_or_create(&KindLabel { kind }).inc();
    }

    /// Sets what is read when somebody looks.
    pub fn observe(
        &self,
        (idle, active): (usize, usize),
        issuers: impl IntoIterator<Item = (String, bool, KeyFigures)>,
    ) {
        for (state, count) in [("idle", idle), ("active", active)] {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.upstream_connections.get_or_create(&StateLabel { state }).set(count);
        }
        self.keys.observe(issuers);
    }

    /// Says whether the files of TLS to the upstream of a place changed into something that is not used, as it does not stand.
    pub fn upstream_certificate_stale(&self, place: &str, stale: bool) {
        self.upstreams.certificate_stale(place, stale);
    }

    /// Sets what is read of upstreams when somebody looks.
    pub fn upstreams(&self, upstreams: &Upstreams) {
        self.upstreams.observe(upstreams);
    }

    /// Sets what is counted of the questions about the tokens of issuers that are asked.
    pub fn questions(&self, issuers: impl IntoIterator<Item = (String, IntrospectionFigures)>) {
        self.introspection.observe(issuers);
    }

    /// Sets what is known of the change feeds of issuers.
    pub fn feeds(&self, issuers: impl IntoIterator<Item = (String, FeedFigures)>) {
        self.feeds.observe(issuers);
    }

    /// Sets what the gate counts of tokens, all since it began.
    pub fn tokens(&self, status: &GateStatus) {
        let of = |result| self.known_tokens.get_or_create_owned(&ResultLabel { result });
        for (counter, count) in [
            (self.unknown_permissions.clone(), status.unknown_permissions),
            (self.forgeries.clone(), status.forgeries_recognized),
            (of("hit"), status.token_cache.hits),
            (of("miss"), status.token_cache.misses),
        ] {
            counter.inner().store(count, Ordering::Relaxed);
        }
    }

    /// Counts that the policy was read again.
    pub fn reloaded(&self, applied: bool) {
        let result = if applied { "applied" } else { "refused" };
        self.reloads.get_or_create(&ResultLabel { result }).inc();
    }

    /// The text format of OpenMetrics.
    #[must_use]
    pub fn render(&self) -> String {
        encode(&self.registry)
    }
}

/// What is counted of tokens: permissions that nobody knows, forgeries that were recognized, and whether they were known.
fn register_tokens(registry: &mut Registry) -> (Counter, Counter, Family<ResultLabel, Counter>) {
    let unknown_permissions = Counter::default();
    registry.register(
        "unknown_permissions",
        "Permissions of verified tokens that the policy does not know",
        unknown_permissions.clone(),
    );
    let forgeries = Counter::default();
    registry.register(
        "forgeries_recognized",
        "Requests refused without a signature check, as the same token had failed it just before",
        forgeries.clone(),
    );
    let known_tokens = Family::default();
    registry.register(
        "token_cache",
        "Requests with a token, by whether it had been verified before and still held",
        known_tokens.clone(),
    );
    (unknown_permissions, forgeries, known_tokens)
}

fn register_build(registry: &mut Registry) {
    registry.register("build", "The running program", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
}

/// The metrics of a process that counts nothing of its own.
#[cfg(feature = "issuer")]
pub(crate) fn build_only() -> String {
    let mut registry = Registry::with_prefix("orgate");
    register_build(&mut registry);
    encode(&registry)
}

fn encode(registry: &Registry) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail; an incomplete page would end without its mark.
    let _ = text::encode(&mut text, registry);
    text
}

const ALLOWED: &str = "allowed";

/// From half a millisecond, which is a fast upstream, to a minute, which is its default timeout.
const BUCKETS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];

#[cfg(test)]
mod documented;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_shown_under_their_frozen_names() {
        let metrics = Metrics::new(["GET /a"]);
        metrics.request("GET /a", "allowed", Duration::from_millis(2));
        metrics.request("GET /a", "allowed", Duration::from_millis(2));
        metrics.request("GET /a", "missing_permission", Duration::ZERO);
        metrics.request("", "no_rule", Duration::ZERO);
        metrics.request("GET /invented", "no_rule", Duration::ZERO);
        metrics.upstream_error("connect");
        metrics.policy("d0");
        metrics.policy("d1");
        metrics.decisions_lost(3);
        metrics.reloaded(true);
        metrics.observe((3, 1), [("https://issuer.example".to_owned(), true, KeyFigures::default())]);
        let text = metrics.render();
        for line in [
            r#"orgate_requests_total{rule="GET /a",code="allowed"} 2"#,
            r#"orgate_requests_total{rule="GET /a",code="missing_permission"} 1"#,
            r#"orgate_requests_total{rule="",code="no_rule"} 2"#,
            "orgate_request_duration_seconds_count 5",
            r#"orgate_upstream_connections{state="idle"} 3"#,
            r#"orgate_upstream_connections{state="active"} 1"#,
            r#"orgate_upstream_errors_total{kind="connect"} 1"#,
            r#"orgate_keys_loaded{issuer="https://issuer.example"} 1"#,
            r#"orgate_policy_info{digest="d1"} 1"#,
            "orgate_decisions_lost_total 3",
            r#"orgate_policy_reloads_total{result="applied"} 1"#,
            r#"orgate_build_info{version=""#,
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        assert!(!text.contains("invented") && !text.contains("d0"));
    }
}
