//! The numbers of the questions about tokens (RFC 7662). They are kept where the questions are asked, and read when somebody
//! looks.

use std::sync::atomic::Ordering;

use orgate::IntrospectionFigures;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

/// The families of `orgate_introspection_*`. Issuers are those of the policy that are asked.
#[derive(Debug, Default)]
pub(super) struct IntrospectionMetrics {
    asked: Family<IssuerLabel, Counter>,
    failures: Family<IssuerLabel, Counter>,
    throttled: Family<IssuerLabel, Counter>,
    shared: Family<IssuerLabel, Counter>,
    reused: Family<IssuerLabel, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct IssuerLabel {
    issuer: String,
}

impl IntrospectionMetrics {
    pub(super) fn registered(registry: &mut Registry) -> Self {
        let all = Self::default();
        registry.register(
            "introspection_asked",
            "How often the issuer was asked about a token",
            all.asked.clone(),
        );
        registry.register(
            "introspection_failures",
            "How often it gave no answer that can be used",
            all.failures.clone(),
        );
        registry.register(
            "introspection_throttled",
            "Requests for which it was not asked, because that would have been too much",
            all.throttled.clone(),
        );
        registry.register(
            "introspection_shared",
            "Requests that waited for the answer to a question about the same token",
            all.shared.clone(),
        );
        registry.register(
            "introspection_reused",
            "How often what it said before was used again",
            all.reused.clone(),
        );
        all
    }

    /// Takes the place of what was read before.
    pub(super) fn observe(&self, issuers: impl IntoIterator<Item = (String, IntrospectionFigures)>) {
        let families = [&self.asked, &self.failures, &self.throttled, &self.shared, &self.reused];
        // An issuer that a new policy does not ask leaves no numbers behind.
        for family in families {
            family.clear();
        }
        for (issuer, figures) in issuers {
            let label = IssuerLabel { issuer };
            let IntrospectionFigures { asked, failures, throttled, shared, reused, .. } = figures;
            for (family, value) in families.into_iter().zip([asked, failures, throttled, shared, reused]) {
                family.get_or_create(&label).inner().store(value, Ordering::Relaxed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text;

    use super::*;

    #[test]
    fn the_numbers_of_questions_are_shown_under_their_frozen_names() {
        let mut registry = Registry::with_prefix("orgate");
        let metrics = IntrospectionMetrics::registered(&mut registry);
        let mut figures = IntrospectionFigures::default();
        (figures.asked, figures.failures, figures.throttled) = (7, 2, 3);
        (figures.shared, figures.reused) = (4, 9);
        metrics.observe([("https://gone.example".to_owned(), IntrospectionFigures::default())]);
        metrics.observe([("https://issuer.example".to_owned(), figures)]);
        let mut shown = String::new();
        text::encode(&mut shown, &registry).unwrap();
        for (name, value) in [("asked", 7), ("failures", 2), ("throttled", 3), ("shared", 4), ("reused", 9)] {
            let line =
                format!("orgate_introspection_{name}_total{{issuer=\"https://issuer.example\"}} {value}\n");
            assert!(shown.contains(&line), "{line} is not in\n{shown}");
        }
        assert!(!shown.contains("gone.example"), "{shown}");
    }
}
