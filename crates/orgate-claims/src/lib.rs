//! The vocabulary of orgate: what an access token says about its bearer, in types.
//!
//! The rule of this crate: it is the *contract* between whoever issues tokens and whoever judges them, and nothing
//! else. It does no I/O, reads no clock and knows neither routes nor signatures; the gate's crates and the issuing
//! service both build on it and meet nowhere else in code.
//!
//! * [`Principal`] is the typed reading of one credential: who, in which organization, with which rights.
//! * [`wire`] holds the names these things have inside a JWT, and the shape the issuer writes.

mod names;
mod permission;
mod principal;
mod time;
pub mod wire;

pub use names::{
    ClientId, IssuerUrl, NameError, OrganizationId, RoleName, SessionId, Slug, SubjectId, TokenId,
};
pub use permission::{Permission, PermissionError};
pub use principal::{
    AuthenticationMethod, ClaimValue, Confirmation, Organization, Principal, PrincipalBuilder,
};
pub use time::UnixTime;
