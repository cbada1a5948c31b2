//! The numbers of the issuers' keys. They are kept where the keys are, and read when somebody looks.

use std::sync::atomic::{AtomicU64, Ordering};

use orgate::KeyFigures;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

/// The families of `orgate_keys_*`.
#[derive(Debug, Default)]
pub(super) struct KeyMetrics {
    loaded: Family<IssuerLabel, Gauge>,
    usable: Family<IssuerLabel, Gauge>,
    skipped: Family<IssuerLabel, Gauge>,
    age: Family<IssuerLabel, Gauge<f64, AtomicU64>>,
    fetches: Family<IssuerLabel, Counter>,
    failures: Family<IssuerLabel, Counter>,
    unknown_kids: Family<IssuerLabel, Counter>,
    unknown_kids_refused: Family<IssuerLabel, Counter>,
    snapshot_failures: Family<IssuerLabel, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct IssuerLabel {
    issuer: String,
}

impl KeyMetrics {
    pub(super) fn registered(registry: &mut Registry) -> Self {
        let all = Self::default();
        registry.register("keys_loaded", "Whether keys of the issuer are in hand", all.loaded.clone());
        registry.register("keys_usable", "Keys of the issuer that are in hand", all.usable.clone());
        registry.register(
            "keys_skipped",
            "Keys of the issuer's set that are not used, because something is wrong with them",
            all.skipped.clone(),
        );
        registry.register(
            "keys_age_seconds",
            "Since the issuer last said that the keys in hand are its own",
            all.age.clone(),
        );
        registry.register("keys_fetches", "How often the issuer was asked for its keys", all.fetches.clone());
        registry.register(
            "keys_fetch_failures",
            "How often the issuer gave no set of keys that can be used",
            all.failures.clone(),
        );
        registry.register(
            "keys_unknown_kid",
            "Requests whose token names a key that is not in hand",
            all.unknown_kids.clone(),
        );
        registry.register(
            "keys_unknown_kid_refused",
            "Requests with such a token for which the issuer was not asked, because it was asked a moment ago",
            all.unknown_kids_refused.clone(),
        );
        registry.register(
            "keys_snapshot_failures",
            "How often the keys could not be kept on disk",
            all.snapshot_failures.clone(),
        );
        all
    }

    /// Takes the place of what was read before.
    pub(super) fn observe(&self, issuers: impl IntoIterator<Item = (String, bool, KeyFigures)>) {
        // An issuer that a new policy does not name leaves no numbers behind.
        for family in [&self.loaded, &self.usable, &self.skipped] {
            family.clear();
        }
        for family in self.counters() {
            family.clear();
        }
        self.age.clear();
        for (issuer, loaded, figures) in issuers {
            let label = IssuerLabel { issuer };
            let count = |keys: usize| i64::try_from(keys).unwrap_or(i64::MAX);
            self.loaded.get_or_create(&label).set(i64::from(loaded));
            self.usable.get_or_create(&label).set(count(figures.usable));
            self.skipped.get_or_create(&label).set(count(figures.skipped));
            if let Some(age) = figures.age {
                self.age.get_or_create(&label).set(age.as_secs_f64());
            }
            let values = [
                figures.looks,
                figures.failures,
                figures.unknown_kids,
                figures.refused_looks,
                figures.snapshot_failures,
            ];
            for (family, value) in self.counters().into_iter().zip(values) {
                family.get_or_create(&label).inner().store(value, Ordering::Relaxed);
            }
        }
    }

    fn counters(&self) -> [&Family<IssuerLabel, Counter>; 5] {
        [
            &self.fetches,
            &self.failures,
            &self.unknown_kids,
            &self.unknown_kids_refused,
            &self.snapshot_failures,
        ]
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use prometheus_client::encoding::text;

    use super::*;

    #[test]
    fn the_numbers_of_keys_are_shown_under_their_frozen_names() {
        let mut registry = Registry::with_prefix("orgate");
        let metrics = KeyMetrics::registered(&mut registry);
        let mut figures = KeyFigures::default();
        (figures.usable, figures.skipped, figures.age) = (3, 1, Some(Duration::from_millis(1500)));
        (figures.looks, figures.failures, figures.snapshot_failures) = (7, 2, 4);
        (figures.unknown_kids, figures.refused_looks) = (9, 8);
        metrics.observe([("https://gone.example".to_owned(), true, KeyFigures::default())]);
        metrics.observe([("https://issuer.example".to_owned(), true, figures)]);
        let mut shown = String::new();
        text::encode(&mut shown, &registry).unwrap();
        for line in [
            r#"orgate_keys_loaded{issuer="https://issuer.example"} 1"#,
            r#"orgate_keys_usable{issuer="https://issuer.example"} 3"#,
            r#"orgate_keys_skipped{issuer="https://issuer.example"} 1"#,
            r#"orgate_keys_age_seconds{issuer="https://issuer.example"} 1.5"#,
            r#"orgate_keys_fetches_total{issuer="https://issuer.example"} 7"#,
            r#"orgate_keys_fetch_failures_total{issuer="https://issuer.example"} 2"#,
            r#"orgate_keys_unknown_kid_total{issuer="https://issuer.example"} 9"#,
            r#"orgate_keys_unknown_kid_refused_total{issuer="https://issuer.example"} 8"#,
            r#"orgate_keys_snapshot_failures_total{issuer="https://issuer.example"} 4"#,
        ] {
            assert!(shown.contains(line), "{line} is not in\n{shown}");
        }
        assert!(!shown.contains("gone.example"), "{shown}");
    }
}
