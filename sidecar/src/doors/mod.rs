//! The doors: each builds an [`orgate::RequestHead`] from what it received and renders the verdict. None decides.

pub mod authzen;
mod decision;
mod delivery;
mod drain;
pub mod ext_authz;
pub mod forward_auth;
mod hall;
mod original;
pub mod proxy;
mod reading;
mod request_id;
mod teller;

pub use self::{
    authzen::AuthZenDoor, ext_authz::ExtAuthzDoor, forward_auth::ForwardAuthDoor, hall::Hall,
    proxy::ProxyDoor,
};
