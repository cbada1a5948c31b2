//! Organization permissions for axum and hyper applications.
//!
//! A policy file in the application's repository says which route needs which permission. A [`Gate`] enforces it:
//! 1. the request target is read in one way, or refused;
//! 2. the most specific rule of the policy is found; no rule, no entry;
//! 3. unless the rule is public, the credential is extracted and verified;
//! 4. the rule's bindings and requirement are judged.
//!
//! All of that happens in one synchronous call, [`Gate::check_now`], which every door uses: the tower layer here
//! ([`Gate::layer`], [`Gate::protect`]) and the doors of the sidecar. What passes carries a [`Permit`], which only the
//! gate can make; what does not is a [`Rejection`], rendered by one table.
//!
//! ```no_run
//! # #[cfg(all(feature = "axum", feature = "config", feature = "remote"))]
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use axum::{Router, routing::get};
//!
//! let gate = orgate::Gate::load("orgate.yaml").await?;
//! let app = Router::new().route("/whoami", get(|caller: orgate::Principal| async move { caller.to_string() }));
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
//! axum::serve(listener, gate.protect(app)).await?;
//! # Ok(()) }
//! ```

mod authenticate;
mod cache_control;
pub mod clock;
mod code;
mod credentials;
mod decide;
mod explanation;
#[cfg(feature = "axum")]
mod extract;
mod forgeries;
mod form;
#[cfg(all(feature = "config", feature = "remote"))]
mod from_file;
mod gate;
#[cfg(feature = "axum")]
mod guard;
mod head;
mod judge;
mod keyed_hash;
mod layer;
mod limits;
mod live;
#[cfg(all(feature = "config", feature = "remote"))]
mod load;
mod method_override;
mod observe;
mod opaque;
mod options;
mod page;
mod permit;
mod preflight;
mod principal;
#[cfg(feature = "axum")]
mod protect;
mod quota;
mod redirect;
pub mod rejection;
mod replays;
mod resource;
mod revocation;
mod sender;
mod session;
mod sources;
mod status;
#[cfg(any(feature = "axum", feature = "config"))]
mod template;
mod tenure;
#[cfg(feature = "config")]
pub mod testing;
mod token_cache;
mod tokens;

pub use authenticate::Authenticator;
pub use code::Code;
pub use credentials::Credential;
#[cfg(feature = "axum")]
pub use extract::{Denied, OrgContext};
pub use gate::{Checked, Gate, GateParts, Need, Verdict};
#[cfg(feature = "axum")]
pub use guard::{GuardedRoute, TemplateGuard};
pub use head::RequestHead;
pub use judge::judge;
pub use layer::{DefaultRejection, GateLayer, GateService, RejectionResponse, ResponseFuture};
#[cfg(all(feature = "config", feature = "remote"))]
pub use load::{LoadError, LoadOptions};
pub use opaque::OpaqueTokens;
pub use options::{
    DenyOptions, Disclose, IdentityOptions, RedirectOptions, SignedIdentity, TokenOptions, TokenSource,
};
/// Constants for the permissions of a policy file, in a module `perm`, so that a mistyped one does not compile. Needs the
/// feature `macros`.
///
/// ```
/// orgate::permissions!("tests/orgate.yaml"); // from the folder of Cargo.toml
///
/// # #[cfg(feature = "axum")]
/// async fn create(org: orgate::OrgContext) -> Result<String, orgate::Denied> {
///     org.require(perm::WRITE)?;
///     Ok(format!("written by {}", org.principal().subject()))
/// }
/// assert_eq!(perm::WRITE, "write");
/// ```
/// ```compile_fail,E0425
/// orgate::permissions!("tests/orgate.yaml");
/// let mistyped = perm::WIRTE;
/// ```
/// ```compile_fail
/// orgate::permissions!("tests/no-such-file.yaml");
/// ```
#[cfg(feature = "macros")]
pub use orgate_macros::permissions;
#[cfg(feature = "remote")]
pub use orgate_remote::{FeedFigures, IntrospectionFigures};
pub use orgate_verify::{CertificateThumbprint, KeyFigures};
pub use permit::{Additions, Permit};
pub use preflight::{CorsOptions, GateAnswer, Preflights};
pub use principal::Principal;
#[cfg(feature = "axum")]
pub use protect::Protected;
pub use rejection::Rejection;
pub use resource::ResourceOptions;
pub use sender::SenderOptions;
pub use status::{GateStatus, IssuerStatus};
pub use tenure::Tenure;
pub use token_cache::TokenCacheFigures;
