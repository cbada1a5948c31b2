//! `orgate serve`: the policy file, for proxies that one has already.

use std::time::Duration;

use clap::Args;

use super::{
    Common, Failure,
    doors::DoorOptions,
    guard::{Guard, GuardOptions},
    runtime,
};

/// Where forward auth is unless the user names a door.
const FORWARD_AUTH: &str = "127.0.0.1:9181";

/// Flags of `orgate serve`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  orgate serve
      answer nginx, Traefik and Caddy at 127.0.0.1:9181 by ./orgate.yaml; `orgate snippet nginx` prints their side of it
  orgate serve --ext-authz 127.0.0.1:9191 --policy policies/api.yaml
      answer Envoy's ext_authz filter, over gRPC and over HTTP
  orgate serve --forward-auth 127.0.0.1:9181 --authzen 127.0.0.1:9182
      two doors; whatever speaks AuthZEN asks at the second

Without a door named, --forward-auth is 127.0.0.1:9181. The proxy that asks must send the request on exactly as it asked,
and must write the X-Orgate-* headers of the answer over those of the client; docs/doors.md shows how for each.

SIGTERM and SIGINT finish the requests under way and stop; a second one stops at once. The policy file is read again when
it changes, on SIGHUP, and on `POST /-/reload` at the admin listener.")]
pub(crate) struct Options {
    #[command(flatten)]
    doors: DoorOptions,
    #[command(flatten)]
    guard: GuardOptions,
}

pub(crate) fn run(options: Options, common: &Common) -> Result<(), Failure> {
    let runtime = runtime(options.guard.threads())?;
    let result = runtime.block_on(async {
        let Options { doors, guard } = options;
        let guard = Guard::load(guard, common).await?;
        guard.serve(None, doors.or_forward_auth(FORWARD_AUTH).bind().await?).await
    });
    // What is still running has been told to stop and was waited for.
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}
