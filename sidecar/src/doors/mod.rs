//! The doors: each builds an [`orgate::RequestHead`] from what it received and renders the verdict. None decides.

mod delivery;
mod drain;
pub mod proxy;
mod reading;
mod request_id;
mod teller;

pub use self::proxy::ProxyDoor;
