//! The gate as a tower layer.
//!
//! The service that was polled ready is the one that is called. A request whose token or keys are known is decided
//! without a boxed future; only a request that has to wait for keys gets one. A refusal is a response, never an error
//! of the service.
//!
//! What passes carries in its extensions the [`Permit`](crate::Permit) (behind `Arc`) and, with a credential, the
//! [`Principal`](crate::Principal).

mod body;
mod future;
#[allow(
    clippy::module_inception,
    reason = "the layer of the layer module, beside its service and its future"
)]
mod layer;
mod response;
mod service;

pub use future::ResponseFuture;
pub use layer::GateLayer;
pub use response::{DefaultRejection, RejectionResponse};
pub use service::GateService;
