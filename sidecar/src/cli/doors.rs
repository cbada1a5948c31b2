//! The flags of the decision doors, and their listeners.

use std::sync::Arc;

use clap::Args;
use tokio::task::JoinSet;
use tracing::warn;

use super::Failure;
use crate::{
    doors::{AuthZenDoor, ExtAuthzDoor, ForwardAuthDoor, Hall},
    serve::{self, Limits, Listener, Shutdown},
};

/// Where other proxies ask.
#[derive(Debug, Default, Args)]
pub(crate) struct DoorOptions {
    /// Answer nginx `auth_request`, Traefik and Caddy here, on every path; below /nginx in what nginx understands. The
    /// request that they ask about comes in X-Forwarded-Method, -Proto, -Host and -Uri, or in X-Original-Method and -URL.
    #[arg(long, env = "ORGATE_FORWARD_AUTH", value_name = "ADDRESS")]
    forward_auth: Option<String>,
    /// Answer Envoy's ext_authz filter here: HTTP/2 is gRPC, HTTP/1.1 is HTTP.
    #[arg(long, env = "ORGATE_EXT_AUTHZ", value_name = "ADDRESS")]
    ext_authz: Option<String>,
    /// Answer the OpenID AuthZEN Authorization API here.
    #[arg(long, env = "ORGATE_AUTHZEN", value_name = "ADDRESS")]
    authzen: Option<String>,
}

/// The listeners of the doors.
#[derive(Debug)]
pub(super) struct Doors {
    forward_auth: Option<Listener>,
    ext_authz: Option<Listener>,
    authzen: Option<Listener>,
}

impl DoorOptions {
    /// With forward auth here, if there is no door at all.
    pub(super) fn or_forward_auth(mut self, address: &str) -> Self {
        if self.forward_auth.is_none() && self.ext_authz.is_none() && self.authzen.is_none() {
            self.forward_auth = Some(address.to_owned());
        }
        self
    }

    /// Binds them.
    pub(super) async fn bind(&self) -> Result<Doors, Failure> {
        Ok(Doors {
            forward_auth: bound("forward-auth", self.forward_auth.as_deref(), "--forward-auth").await?,
            ext_authz: bound("ext-authz", self.ext_authz.as_deref(), "--ext-authz").await?,
            authzen: bound("authzen", self.authzen.as_deref(), "--authzen").await?,
        })
    }
}

async fn bound(
    name: &'static str,
    address: Option<&str>,
    flag: &'static str,
) -> Result<Option<Listener>, Failure> {
    let Some(address) = address else { return Ok(None) };
    let listener = Listener::bind(name, address, flag).await.map_err(Failure::could_not_run)?;
    if !listener.address().ip().is_loopback() {
        warn!(
            listener = name,
            address, "whoever can reach this door can ask what a token may do, and who it is for"
        );
    }
    Ok(Some(listener))
}

impl Doors {
    pub(super) fn listeners(&self) -> impl Iterator<Item = &Listener> {
        [&self.forward_auth, &self.ext_authz, &self.authzen].into_iter().flatten()
    }

    /// Opens them.
    pub(super) fn serve(self, hall: &Arc<Hall>, shutdown: &Shutdown, tasks: &mut JoinSet<()>) {
        let limits = Limits::of_this_process;
        if let Some(listener) = self.forward_auth {
            let door = ForwardAuthDoor::new(Arc::clone(hall));
            tasks.spawn(serve::serve(listener, door, limits(), shutdown.clone()));
        }
        if let Some(listener) = self.ext_authz {
            let door = ExtAuthzDoor::new(Arc::clone(hall));
            tasks.spawn(serve::serve(listener, door, limits().with_http2(), shutdown.clone()));
        }
        if let Some(listener) = self.authzen {
            let door = AuthZenDoor::new(Arc::clone(hall));
            tasks.spawn(serve::serve(listener, door, limits().with_http2(), shutdown.clone()));
        }
    }
}
