//! `orgate proxy`: the policy file, in front of one application.

use std::{sync::Arc, time::Duration};

use clap::Args;

use super::{
    Common, Failure,
    doors::DoorOptions,
    guard::{Front, Guard, GuardOptions},
    peers::PeerOptions,
    runtime,
    settings::{Settings, SettingsFlag},
    supervisor,
    tls::{TlsOptions, UpstreamTlsOptions},
    upstreams::{self, UpstreamOptions},
    workers,
};
use crate::{serve::Workers, telemetry::LogFormat, upstream::UpstreamSettings};

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
    #[command(flatten)]
    upstreams: UpstreamOptions,
    #[command(flatten)]
    settings: SettingsFlag,
    /// What the settings file says.
    #[arg(skip)]
    read: Settings,
    /// Where clients connect; port 0 takes a free one [default: 127.0.0.1:8080].
    #[arg(long, env = "ORGATE_LISTEN", value_name = "ADDRESS")]
    listen: Option<String>,
    #[command(flatten)]
    peers: PeerOptions,
    #[command(flatten)]
    tls: TlsOptions,
    #[command(flatten)]
    upstream_tls: UpstreamTlsOptions,
    #[command(flatten)]
    doors: DoorOptions,
    #[command(flatten)]
    guard: GuardOptions,
}

impl Options {
    /// Reads the settings file; what it says of logs is told before anything is logged.
    pub(crate) fn read_settings(
        &mut self,
        common: &Common,
    ) -> Result<(Option<String>, Option<LogFormat>), Failure> {
        self.read = self.settings.load(common.color.on_stderr())?;
        self.guard.settle(&self.read);
        Ok((self.read.log.level.clone(), self.read.log.format))
    }
}

pub(crate) fn run(options: Options, common: &Common) -> Result<(), Failure> {
    let runtime = runtime(options.guard.threads())?;
    let workers = workers(options.guard.threads())?;
    let result = runtime.block_on(serve_proxy(options, common, &workers));
    // What is still running has been told to stop and was waited for.
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}

async fn serve_proxy(options: Options, common: &Common, workers: &Arc<Workers>) -> Result<(), Failure> {
    let Options { upstreams, listen, peers, tls, upstream_tls, doors, guard, read, .. } = options;
    let guard = Guard::load(guard, common).await?;
    let settings = UpstreamSettings {
        workers: workers.count(),
        tls: upstream_tls.load()?,
        timeouts: read.timeouts.upstream,
        ..UpstreamSettings::default()
    };
    let upstreams = upstreams::of(&upstreams, &read.upstreams, &settings)?;
    let tls = tls.load(&read.tls)?;
    let listen = listen.as_deref().or(read.listeners.proxy.as_deref()).unwrap_or("127.0.0.1:8080");
    let listener = supervisor::listener("proxy", listen, "--listen").await?;
    let mut listener = listener.trusting(peers.or(&read.listeners)).spread_over(Arc::clone(workers));
    if let Some(tls) = &tls {
        listener = listener.with_tls(tls.clone());
    }
    let doors = doors.bind().await?;
    guard.serve(Some(Front { listener, tls, upstreams, limits: read.limits() }), doors).await
}
