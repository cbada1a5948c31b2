//! `orgate proxy`: the policy file, in front of one application.

use std::{sync::Arc, time::Duration};

use clap::Args;
use tracing::warn;

use super::{
    Common, Failure,
    doors::DoorOptions,
    guard::{Front, Guard, GuardOptions},
    runtime,
    tls::{TlsOptions, UpstreamTlsOptions},
};
use crate::{
    serve::Listener,
    upstream::{Upstream, UpstreamSettings},
};

/// Flags of `orgate proxy`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  orgate proxy --upstream http://127.0.0.1:3000
      enforce ./orgate.yaml in front of an application on port 3000
  orgate proxy --upstream http://127.0.0.1:3000 --policy policies/api.yaml --listen 0.0.0.0:8080
      another policy file, reachable from other machines
  orgate proxy --upstream http://127.0.0.1:3000 --listen 127.0.0.1:0 --admin 127.0.0.1:0
      take free ports; the lines `listening NAME URL` on stdout say which

  orgate proxy --upstream http://127.0.0.1:3000 --decision-log decisions.log
      one JSON object a line for each decision, for `orgate replay` and `orgate shadow report`
  orgate proxy --upstream http://127.0.0.1:3000 --dev-issuer
      believe the tokens of `orgate token mint` as well, on this machine

The application gets the caller in X-Orgate-Sub, -Org-Id, -Org-Slug, -Role, -Permissions, -Issuer and -Auth. It must be
reachable through the proxy only, because it believes them.

SIGTERM and SIGINT finish the requests under way and stop; a second one stops at once. The policy
file is read again when it changes, on SIGHUP, and on `POST /-/reload` at the admin listener, which answers what changed,
or 422 with what is wrong; a policy that does not stand replaces nothing.")]
pub(crate) struct Options {
    /// The application: http://HOST:PORT, https://HOST:PORT, h2c://HOST:PORT for HTTP/2 in cleartext, or unix:/PATH.
    #[arg(long, env = "ORGATE_UPSTREAM", value_name = "URL")]
    upstream: String,
    /// Where clients connect; port 0 takes a free one.
    #[arg(long, env = "ORGATE_LISTEN", value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: String,
    #[command(flatten)]
    tls: TlsOptions,
    #[command(flatten)]
    upstream_tls: UpstreamTlsOptions,
    #[command(flatten)]
    doors: DoorOptions,
    #[command(flatten)]
    guard: GuardOptions,
}

pub(crate) fn run(options: Options, common: &Common) -> Result<(), Failure> {
    let runtime = runtime(options.guard.threads())?;
    let result = runtime.block_on(serve_proxy(options, common));
    // What is still running has been told to stop and was waited for.
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}

async fn serve_proxy(options: Options, common: &Common) -> Result<(), Failure> {
    let Options { upstream, listen, tls, upstream_tls, doors, guard } = options;
    let guard = Guard::load(guard, common).await?;
    let upstream = upstream_of(&upstream, &upstream_tls)?;
    let tls = tls.load()?;
    let mut listener = Listener::bind("proxy", &listen, "--listen").await.map_err(Failure::could_not_run)?;
    if let Some(tls) = &tls {
        listener = listener.with_tls(tls.clone());
    }
    let doors = doors.bind().await?;
    guard.serve(Some(Front { listener, tls, upstream }), doors).await
}

fn upstream_of(url: &str, tls: &UpstreamTlsOptions) -> Result<Arc<Upstream>, Failure> {
    let settings = UpstreamSettings { tls: tls.load()?, ..UpstreamSettings::default() };
    let upstream = Upstream::new(url, settings).map_err(Failure::could_not_run)?;
    if !upstream.is_loopback() {
        warn!(
            upstream = url,
            "the upstream is not on this machine: whoever can reach it can go around the proxy"
        );
    }
    Ok(upstream)
}
