//! Wraps services.

use tower_layer::Layer;

use super::{DefaultRejection, GateService};
use crate::Gate;

/// Puts a [`Gate`] in front of a service.
#[derive(Clone, Debug)]
pub struct GateLayer<R = DefaultRejection> {
    gate: Gate,
    rejection: R,
}

impl GateLayer {
    pub(crate) fn new(gate: Gate) -> Self {
        Self { gate, rejection: DefaultRejection }
    }
}

impl<R> GateLayer<R> {
    /// Renders refusals otherwise. The decision stays the gate's.
    #[must_use]
    pub fn with_rejection<N>(self, rejection: N) -> GateLayer<N> {
        GateLayer { gate: self.gate, rejection }
    }
}

impl<S, R: Clone> Layer<S> for GateLayer<R> {
    type Service = GateService<S, R>;

    fn layer(&self, inner: S) -> Self::Service {
        GateService::new(self.gate.clone(), self.rejection.clone(), inner)
    }
}

impl Gate {
    /// The gate as a layer for tower stacks and hyper services.
    #[must_use]
    pub fn layer(&self) -> GateLayer {
        GateLayer::new(self.clone())
    }
}
