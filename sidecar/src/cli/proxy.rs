//! `orgate proxy`: the policy file, in front of one application.
//!
//! Nothing is half-started: the policy is read first, then every port is bound, and only then is anything announced.

use std::{future::Future, path::PathBuf, pin::Pin, sync::Arc, time::Duration};

use clap::Args;
use orgate::{Gate, LoadOptions};
use serde_json::json;
use tokio::sync::Notify;
use tracing::{info, warn};

use super::{Common, Failure, output, reload, runtime, signals};
use crate::{
    admin::{Admin, Administered, Readiness},
    doors::ProxyDoor,
    identity_headers::IdentityHeaders,
    metrics::Metrics,
    serve::{self, Limits, Listener, Shutdown},
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

The application gets the caller in X-Orgate-Sub, -Org-Id, -Org-Slug, -Role, -Permissions, -Issuer and -Auth. It must be
reachable through the proxy only, because it believes them.

SIGTERM and SIGINT finish the requests under way and stop; a second one stops at once. The policy
file is read again when it changes, and on SIGHUP; one that does not stand replaces nothing.")]
pub(crate) struct Options {
    /// The application, as http://HOST:PORT.
    #[arg(long, env = "ORGATE_UPSTREAM", value_name = "URL")]
    upstream: String,
    /// The policy file [default: ./orgate.yaml, .yml, .toml or .json].
    #[arg(long, env = "ORGATE_POLICY", value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Where clients connect; port 0 takes a free one.
    #[arg(long, env = "ORGATE_LISTEN", value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: String,
    /// Where /healthz, /readyz and /metrics are.
    #[arg(long, env = "ORGATE_ADMIN", value_name = "ADDRESS", default_value = "127.0.0.1:9180")]
    admin: String,
    /// End with exit code 2 if the keys of an issuer cannot be fetched within 10 seconds. Without it the proxy starts,
    /// public routes work, and the others are answered 503 until the keys are there.
    #[arg(long, env = "ORGATE_REQUIRE_KEYS", value_parser = clap::builder::BoolishValueParser::new())]
    require_keys: bool,
    /// Keep the last good keys of every issuer in this folder, so that a start while an issuer is out of reach can
    /// verify with them. Nobody else may be able to write there; it is made if it is missing.
    #[arg(long, env = "ORGATE_KEY_SNAPSHOTS", value_name = "FOLDER")]
    key_snapshots: Option<PathBuf>,
    /// Worker threads [default: one for each core].
    #[arg(long, env = "ORGATE_THREADS", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
}

pub(crate) fn run(options: Options, common: &Common) -> Result<(), Failure> {
    let runtime = runtime(options.threads.map(usize::from))?;
    let result = runtime.block_on(serve_proxy(options, common));
    // What is still running has been told to stop and was waited for.
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}

async fn serve_proxy(options: Options, common: &Common) -> Result<(), Failure> {
    let shutdown = Shutdown::new();
    let hangup = Arc::new(Notify::new());
    signals::listen(shutdown.clone(), Some(Arc::clone(&hangup)))?;
    let color = common.color.on_stderr();

    let path = orgate_config::discover(std::path::Path::new("."), options.policy.as_deref())
        .map_err(|error| Failure::rendered(error.exit_code(), error.render(color)))?;
    let read = reload::look(&path);
    let mut load = LoadOptions::default();
    load.key_snapshots = options.key_snapshots;
    let gate = Gate::load_with(&path, load)
        .await
        .map_err(|error| Failure::rendered(error.exit_code(), error.render(color)))?;
    let upstream = upstream_of(&gate, &options.upstream)?;
    let metrics = Arc::new(Metrics::new(gate.parts().policy().rules().map(|(rule, _)| rule)));

    let proxy = Listener::bind("proxy", &options.listen, "--listen").await.map_err(Failure::could_not_run)?;
    let admin = Listener::bind("admin", &options.admin, "--admin").await.map_err(Failure::could_not_run)?;
    if options.require_keys {
        tokio::select! {
            keys = required_keys(&gate) => keys?,
            () = shutdown.draining() => return Ok(()),
        }
    }

    info!(policy = %path.display(), rules = gate.status().rules, upstream = options.upstream, "serving");
    output::announce(&[&proxy, &admin]);
    let door = ProxyDoor::new(gate.clone(), Arc::clone(&upstream), Arc::clone(&metrics));
    let subject = Arc::new(ProxyStatus {
        gate: gate.clone(),
        upstream,
        metrics: Arc::clone(&metrics),
        shutdown: shutdown.clone(),
    });
    let admin_shutdown = Shutdown::new();
    let administered =
        tokio::spawn(serve::serve(admin, Admin::new(subject), Limits::of_admin(), admin_shutdown.clone()));
    let flusher = tokio::spawn(flush_every_second(door.clone()));
    let follower = tokio::spawn(reload::follow(gate, path, read, metrics, hangup));
    serve::serve(proxy, door.clone(), Limits::of_this_process(), shutdown).await;
    follower.abort();

    // The admin listener tells of the drain until the drain is over.
    flusher.abort();
    door.access_log().flush();
    admin_shutdown.abort();
    let _ = administered.await;
    Ok(())
}

fn upstream_of(gate: &Gate, url: &str) -> Result<Arc<Upstream>, Failure> {
    let identity = gate.identity();
    let names = IdentityHeaders::new(&identity.prefix, &identity.also_strip)
        .map_err(|error| Failure::could_not_run(format!("`identity:` in the policy: {error}")))?;
    let upstream =
        Upstream::new(url, UpstreamSettings::default(), Arc::new(names)).map_err(Failure::could_not_run)?;
    if !upstream.is_loopback() {
        warn!(
            upstream = url,
            "the upstream is not on this machine: whoever can reach it can go around the proxy"
        );
    }
    Ok(upstream)
}

async fn required_keys(gate: &Gate) -> Result<(), Failure> {
    if tokio::time::timeout(KEYS, gate.ready()).await.is_ok() {
        return Ok(());
    }
    let missing = gate.status().issuers.into_iter().filter(|issuer| !issuer.keys_loaded).map(|issuer| {
        let reason = issuer.last_error.unwrap_or_else(|| "no answer yet".to_owned());
        format!("no keys of issuer `{}` from `{}`: {reason}", issuer.issuer, issuer.location)
    });
    let text = missing.collect::<Vec<_>>().join("\n");
    Err(Failure::could_not_run(format!(
        "{text}\nhelp: start without `--require-keys` to wait for them while serving public routes"
    )))
}

async fn flush_every_second(door: ProxyDoor) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    loop {
        ticks.tick().await;
        door.access_log().flush();
    }
}

/// What the admin listener tells of a proxy.
#[derive(Debug)]
struct ProxyStatus {
    gate: Gate,
    upstream: Arc<Upstream>,
    metrics: Arc<Metrics>,
    shutdown: Shutdown,
}

impl Administered for ProxyStatus {
    fn readiness(&self) -> Pin<Box<dyn Future<Output = Readiness> + Send + '_>> {
        Box::pin(std::future::ready(readiness(&self.gate, self.shutdown.is_draining())))
    }

    fn metrics(&self) -> String {
        let issuers = self.gate.status().issuers.into_iter();
        let issuers = issuers.map(|issuer| (issuer.issuer, issuer.keys_loaded, issuer.figures));
        self.metrics.observe(self.upstream.connections(), issuers);
        self.metrics.render()
    }
}

/// Ready once every issuer's keys were loaded, and until the process drains.
fn readiness(gate: &Gate, draining: bool) -> Readiness {
    let waiting: Vec<_> = gate
        .status()
        .issuers
        .into_iter()
        .filter(|issuer| !issuer.keys_loaded)
        .map(|issuer| json!({"issuer": issuer.issuer, "keys": issuer.location, "error": issuer.last_error}))
        .collect();
    let mut members = serde_json::Map::new();
    if !waiting.is_empty() {
        members.insert("issuers".to_owned(), waiting.into());
    }
    if draining {
        members.insert("draining".to_owned(), true.into());
    }
    if members.is_empty() { Readiness::Ready } else { Readiness::NotReady(members) }
}

const KEYS: Duration = Duration::from_secs(10);
