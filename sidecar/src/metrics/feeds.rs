//! The numbers of the change feeds of issuers. They are kept where the feeds are read, and read when somebody looks.

use std::sync::atomic::{AtomicU64, Ordering};

use orgate::FeedFigures;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

/// The families of `orgate_feed_*`. Issuers are those of the policy whose feed is read.
#[derive(Debug, Default)]
pub(super) struct FeedMetrics {
    connected: Family<IssuerLabel, Gauge>,
    age: Family<IssuerLabel, Gauge<f64, AtomicU64>>,
    stale: Family<IssuerLabel, Gauge>,
    marks: Family<IssuerLabel, Gauge>,
    connections: Family<IssuerLabel, Counter>,
    failures: Family<IssuerLabel, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct IssuerLabel {
    issuer: String,
}

impl FeedMetrics {
    pub(super) fn registered(registry: &mut Registry) -> Self {
        let all = Self::default();
        registry.register(
            "feed_connected",
            "Whether it is heard now what the issuer revokes",
            all.connected.clone(),
        );
        registry.register(
            "feed_age_seconds",
            "Since the change feed of the issuer was last heard",
            all.age.clone(),
        );
        registry.register(
            "feed_stale",
            "Whether that is longer than the policy allows, or it never was",
            all.stale.clone(),
        );
        registry.register("feed_marks", "Marks of the issuer that are in force", all.marks.clone());
        registry.register(
            "feed_connections",
            "How often a connection to the change feed was begun",
            all.connections.clone(),
        );
        registry.register("feed_failures", "How often it failed or broke off", all.failures.clone());
        all
    }

    /// Takes the place of what was read before.
    pub(super) fn observe(&self, issuers: impl IntoIterator<Item = (String, FeedFigures)>) {
        let (gauges, counters) =
            ([&self.connected, &self.stale, &self.marks], [&self.connections, &self.failures]);
        // An issuer whose feed a new policy does not read leaves no numbers behind.
        gauges.iter().for_each(|family| family.clear());
        counters.iter().for_each(|family| family.clear());
        self.age.clear();
        for (issuer, figures) in issuers {
            let label = IssuerLabel { issuer };
            let marks = i64::try_from(figures.marks).unwrap_or(i64::MAX);
            let values = [figures.connected.into(), (figures.stale || !figures.loaded).into(), marks];
            for (family, value) in gauges.into_iter().zip(values) {
                family.get_or_create(&label).set(value);
            }
            for (family, value) in counters.into_iter().zip([figures.connections, figures.failures]) {
                family.get_or_create(&label).inner().store(value, Ordering::Relaxed);
            }
            if let Some(age) = figures.age {
                self.age.get_or_create(&label).set(age.as_secs_f64());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use prometheus_client::encoding::text;

    use super::*;

    #[test]
    fn the_numbers_of_feeds_are_shown_under_their_frozen_names() {
        let mut registry = Registry::with_prefix("orgate");
        let metrics = FeedMetrics::registered(&mut registry);
        let mut figures = FeedFigures::default();
        metrics.observe([("https://gone.example".to_owned(), figures.clone())]);
        (figures.loaded, figures.connected, figures.marks) = (true, true, 3);
        (figures.age, figures.connections, figures.failures) = (Some(Duration::from_millis(500)), 4, 2);
        metrics.observe([
            ("https://issuer.example".to_owned(), figures),
            ("https://new.example".to_owned(), FeedFigures::default()),
        ]);
        let mut shown = String::new();
        text::encode(&mut shown, &registry).unwrap();
        for line in [
            r#"orgate_feed_connected{issuer="https://issuer.example"} 1"#,
            r#"orgate_feed_age_seconds{issuer="https://issuer.example"} 0.5"#,
            r#"orgate_feed_stale{issuer="https://issuer.example"} 0"#,
            r#"orgate_feed_stale{issuer="https://new.example"} 1"#,
            r#"orgate_feed_marks{issuer="https://issuer.example"} 3"#,
            r#"orgate_feed_connections_total{issuer="https://issuer.example"} 4"#,
            r#"orgate_feed_failures_total{issuer="https://issuer.example"} 2"#,
        ] {
            assert!(shown.contains(&format!("{line}\n")), "{line} is not in\n{shown}");
        }
        assert!(!shown.contains("gone.example"), "{shown}");
    }
}
