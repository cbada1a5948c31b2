//! Numbers of the addresses behind the proxy. Labels are what the operator wrote, so there are as many series as addresses.

use std::sync::{Arc, atomic::Ordering};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use crate::upstream::Upstreams;

#[derive(Debug)]
pub(super) struct UpstreamMetrics {
    healthy: Family<AddressLabels, Gauge>,
    active: Family<AddressLabels, Gauge>,
    ejections: Family<AddressLabels, Counter>,
    retries: Counter,
    certificate_stale: Family<PlaceLabel, Gauge>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PlaceLabel {
    place: Arc<str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AddressLabels {
    place: Arc<str>,
    upstream: Arc<str>,
}

impl UpstreamMetrics {
    pub(super) fn registered(registry: &mut Registry) -> Self {
        let this = Self {
            healthy: Family::default(),
            active: Family::default(),
            ejections: Family::default(),
            retries: Counter::default(),
            certificate_stale: Family::default(),
        };
        registry.register(
            "upstream_healthy",
            "Whether an address of an upstream gets requests",
            this.healthy.clone(),
        );
        registry.register(
            "upstream_active",
            "Requests that an address of an upstream works on",
            this.active.clone(),
        );
        registry.register(
            "upstream_ejections",
            "How often an address of an upstream was left alone, because it did not answer requests",
            this.ejections.clone(),
        );
        registry.register(
            "upstream_retries",
            "Requests that went to another address of an upstream, as nothing of them had been sent to the first",
            this.retries.clone(),
        );
        registry.register(
            "upstream_certificate_stale",
            "Whether the files of TLS to an upstream were changed into ones that do not stand, so that the last good ones are used",
            this.certificate_stale.clone(),
        );
        this
    }

    pub(super) fn certificate_stale(&self, place: &str, stale: bool) {
        self.certificate_stale.get_or_create(&PlaceLabel { place: place.into() }).set(i64::from(stale));
    }

    pub(super) fn observe(&self, upstreams: &Upstreams) {
        for (place, figures) in upstreams.figures() {
            let labels =
                AddressLabels { place: place.to_string().into(), upstream: Arc::from(&*figures.url) };
            self.healthy.get_or_create(&labels).set(i64::from(figures.is_good));
            self.active.get_or_create(&labels).set(i64::try_from(figures.active).unwrap_or(i64::MAX));
            self.ejections.get_or_create(&labels).inner().store(figures.ejections, Ordering::Relaxed);
        }
        self.retries.inner().store(upstreams.retries(), Ordering::Relaxed);
    }
}
