//! `orgate proxy`: the policy file, in front of one application.
//!
//! Nothing is half-started: the policy is read first, then every port is bound, and only then is anything announced.

use std::{future::Future, path::PathBuf, pin::Pin, sync::Arc, time::Duration};

use clap::Args;
use orgate::{Gate, LoadOptions};
use serde_json::{Value, json};
use tokio::sync::{Notify, mpsc, oneshot};
use tracing::{info, warn};

#[cfg(feature = "issuer")]
use super::token;
use super::{
    Common, Failure, output,
    peers::PeerOptions,
    reload, runtime,
    settings::{Settings, SettingsFlag},
    signals, supervisor,
    tls::{TlsOptions, UpstreamTlsOptions},
    upstreams::{self, UpstreamOptions},
};
use crate::{
    admin::{Admin, Administered, Readiness, Reload},
    decision_log::{DecisionLog, Paths},
    doors::ProxyDoor,
    metrics::Metrics,
    serve::{self, Limits, Shutdown, Tls},
    telemetry::LogFormat,
    upstream::{UpstreamSettings, Upstreams},
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
    #[command(flatten)]
    upstreams: UpstreamOptions,
    /// The policy file [default: ./orgate.yaml, .yml, .toml or .json].
    #[arg(long, env = "ORGATE_POLICY", value_name = "FILE")]
    policy: Option<PathBuf>,
    #[command(flatten)]
    settings: SettingsFlag,
    /// What the settings file says.
    #[arg(skip)]
    read: Settings,
    /// Where clients connect; port 0 takes a free one [default: 127.0.0.1:8080].
    #[arg(long, env = "ORGATE_LISTEN", value_name = "ADDRESS")]
    listen: Option<String>,
    /// Where /healthz, /readyz, /metrics, /-/policy and /-/reload are [default: 127.0.0.1:9180].
    #[arg(long, env = "ORGATE_ADMIN", value_name = "ADDRESS")]
    admin: Option<String>,
    #[command(flatten)]
    peers: PeerOptions,
    /// End with exit code 2 if the keys of an issuer cannot be fetched within 10 seconds. Without it the proxy starts,
    /// public routes work, and the others are answered 503 until the keys are there.
    #[arg(long, env = "ORGATE_REQUIRE_KEYS", value_parser = clap::builder::BoolishValueParser::new())]
    require_keys: bool,
    #[command(flatten)]
    tls: TlsOptions,
    #[command(flatten)]
    upstream_tls: UpstreamTlsOptions,
    /// Write every decision to this file, one JSON object a line; `-` is standard output. It holds roles, permissions and
    /// organizations, and no token, header, query or id of a caller. Of refusals ten a second are written for each rule
    /// and code, and the rest is counted.
    #[arg(long, env = "ORGATE_DECISION_LOG", value_name = "FILE")]
    decision_log: Option<PathBuf>,
    /// How paths are written there: as the rule has them, or with their values [default: template].
    #[arg(long, env = "ORGATE_LOG_PATHS", value_name = "HOW", value_enum)]
    log_paths: Option<Paths>,
    /// Believe the tokens of `orgate token mint` as well. For development: only on a loopback address.
    #[cfg(feature = "issuer")]
    #[arg(long, env = "ORGATE_DEV_ISSUER", value_parser = clap::builder::BoolishValueParser::new())]
    dev_issuer: bool,
    /// The file of the development key; made if it is missing.
    #[cfg(feature = "issuer")]
    #[arg(long, env = "ORGATE_DEV_KEY", value_name = "FILE", default_value = token::mint::KEY_FILE)]
    dev_key: PathBuf,
    /// Keep the last good keys of every issuer in this folder, so that a start while an issuer is out of reach can
    /// verify with them. Nobody else may be able to write there; it is made if it is missing.
    #[arg(long, env = "ORGATE_KEY_SNAPSHOTS", value_name = "FOLDER")]
    key_snapshots: Option<PathBuf>,
    /// Worker threads [default: one for each core].
    #[arg(long, env = "ORGATE_THREADS", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
}

impl Options {
    /// Reads the settings file; what it says of logs is told before anything is logged.
    pub(crate) fn read_settings(
        &mut self,
        common: &Common,
    ) -> Result<(Option<String>, Option<LogFormat>), Failure> {
        self.read = self.settings.load(common.color.on_stderr())?;
        Ok((self.read.log.level.clone(), self.read.log.format))
    }
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
    let development = development_keys(&options)?;
    let mut load = LoadOptions::default();
    load.key_snapshots.clone_from(&options.key_snapshots);
    load.development_keys = development.as_deref().map(Into::into);
    let gate = Gate::load_with(&path, load)
        .await
        .map_err(|error| Failure::rendered(error.exit_code(), error.render(color)))?;
    let upstreams = upstreams_of(&options)?;
    let metrics = Arc::new(Metrics::new(gate.parts().policy().rules().map(|(rule, _)| rule)));
    metrics.policy(gate.parts().policy_digest());
    let decisions = decision_log(&options, &metrics)?;
    let tls = options.tls.load(&options.read.tls)?;

    let listeners = &options.read.listeners;
    let listen = options.listen.as_deref().or(listeners.proxy.as_deref()).unwrap_or("127.0.0.1:8080");
    let admin = options.admin.as_deref().or(listeners.admin.as_deref()).unwrap_or("127.0.0.1:9180");
    let proxy = supervisor::listener("proxy", listen, "--listen").await?;
    let mut proxy = proxy.trusting(options.peers.or(listeners));
    if let Some(tls) = &tls {
        proxy = proxy.with_tls(tls.clone());
    }
    if development.is_some() && !proxy.address().ip().is_loopback() {
        let help = "listen on 127.0.0.1, or leave --dev-issuer away";
        return Err(Failure::could_not_run(format!(
            "--dev-issuer is for this machine only, and `{}` is reachable from others\nhelp: {help}",
            listen
        )));
    }
    let admin = supervisor::listener("admin", admin, "--admin").await?;
    if options.require_keys {
        tokio::select! {
            keys = required_keys(&gate) => keys?,
            () = shutdown.draining() => return Ok(()),
        }
    }

    let digest = gate.parts().policy_digest().to_owned();
    info!(policy = %path.display(), digest, rules = gate.status().rules, upstream = upstreams::shown(&upstreams), "serving");
    output::announce(&[&proxy, &admin]);
    supervisor::ready();
    let of_upstreams = Arc::new(Notify::new());
    let upstream_follower = {
        let (upstreams, metrics, now) = (upstreams.clone(), Arc::clone(&metrics), Arc::clone(&of_upstreams));
        tokio::spawn(async move { upstreams::follow_certificates(&upstreams, metrics, now).await })
    };
    let door =
        ProxyDoor::logging(gate.clone(), upstreams.clone(), Arc::clone(&metrics), decisions.clone());
    let (ask, asking) = mpsc::channel(1);
    let subject = Arc::new(ProxyStatus {
        gate: gate.clone(),
        upstreams,
        door: door.clone(),
        metrics: Arc::clone(&metrics),
        shutdown: shutdown.clone(),
        ask,
    });
    let admin_shutdown = Shutdown::new();
    let administered =
        tokio::spawn(serve::serve(admin, Admin::new(subject), Limits::of_admin(), admin_shutdown.clone()));
    let flusher = tokio::spawn(flush_every_second(door.clone(), decisions.clone()));
    let follower = tokio::spawn(follow((gate, metrics), (path, read), (tls, of_upstreams), hangup, asking));
    let reminder = development.map(|_| tokio::spawn(remind_every_minute()));
    serve::serve(proxy, door.clone(), options.read.limits(), shutdown).await;
    follower.abort();
    upstream_follower.abort();
    if let Some(reminder) = reminder {
        reminder.abort();
    }

    // The admin listener tells of the drain until the drain is over.
    flusher.abort();
    door.access_log().flush();
    if let Some(decisions) = decisions {
        // It waits for the disk.
        let _ = tokio::task::spawn_blocking(move || decisions.finish()).await;
    }
    admin_shutdown.abort();
    let _ = administered.await;
    Ok(())
}

fn upstreams_of(options: &Options) -> Result<Upstreams, Failure> {
    let settings = UpstreamSettings {
        tls: options.upstream_tls.load()?,
        timeouts: options.read.timeouts.upstream,
        ..UpstreamSettings::default()
    };
    upstreams::of(&options.upstreams, &options.read.upstreams, &settings)
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

async fn flush_every_second(door: ProxyDoor, decisions: Option<DecisionLog>) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    loop {
        ticks.tick().await;
        door.access_log().flush();
        door.rotate_keys();
        if let Some(decisions) = &decisions {
            decisions.flush();
        }
    }
}

fn decision_log(options: &Options, metrics: &Arc<Metrics>) -> Result<Option<DecisionLog>, Failure> {
    let settings = &options.read.log;
    let Some(path) = options.decision_log.as_ref().or(settings.decisions.as_ref()) else { return Ok(None) };
    let paths = options.log_paths.or(settings.paths).unwrap_or_default();
    DecisionLog::open(path, paths, Arc::clone(metrics)).map(Some).map_err(|error| {
        Failure::could_not_run(format!("cannot write the decision log `{}`: {error}", path.display()))
    })
}

/// The key set of the development issuer, if it is believed.
#[cfg(feature = "issuer")]
fn development_keys(options: &Options) -> Result<Option<String>, Failure> {
    if !options.dev_issuer {
        return Ok(None);
    }
    token::mint::key(&options.dev_key).map(|key| Some(key.jwks()))
}

#[cfg(not(feature = "issuer"))]
fn development_keys(_: &Options) -> Result<Option<String>, Failure> {
    Ok(None)
}

/// Keeps policy and certificates at what their files say, until the task is dropped.
async fn follow(
    (gate, metrics): (Gate, Arc<Metrics>),
    policy: (PathBuf, reload::Looked),
    (tls, of_upstreams): (Option<Tls>, Arc<Notify>),
    hangup: Arc<Notify>,
    asking: reload::Asking,
) {
    let (of_policy, of_tls) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let certificates = async {
        let Some(tls) = tls else { return };
        let metrics = Arc::clone(&metrics);
        tls.follow(Arc::clone(&of_tls), move |stale| metrics.certificate_stale(stale)).await;
    };
    let signals = async {
        loop {
            hangup.notified().await;
            of_policy.notify_one();
            of_tls.notify_one();
            of_upstreams.notify_one();
        }
    };
    tokio::join!(
        signals,
        certificates,
        reload::follow((gate, Arc::clone(&metrics)), policy, Arc::clone(&of_policy), asking),
    );
}

/// Nobody forgets for long that anybody with a file of this machine can be anybody.
async fn remind_every_minute() {
    let mut ticks = tokio::time::interval(Duration::from_secs(60));
    loop {
        ticks.tick().await;
        warn!(
            issuer = orgate_config::DEVELOPMENT_ISSUER,
            "development tokens are believed (--dev-issuer): whoever has the key can be anybody"
        );
    }
}

/// What the admin listener tells of a proxy.
#[derive(Debug)]
struct ProxyStatus {
    gate: Gate,
    upstreams: Upstreams,
    door: ProxyDoor,
    metrics: Arc<Metrics>,
    shutdown: Shutdown,
    ask: mpsc::Sender<oneshot::Sender<reload::Reloaded>>,
}

impl Administered for ProxyStatus {
    fn readiness(&self) -> Pin<Box<dyn Future<Output = Readiness> + Send + '_>> {
        Box::pin(std::future::ready(readiness(&self.gate, &self.upstreams, self.shutdown.is_draining())))
    }

    fn metrics(&self) -> String {
        let status = self.gate.status();
        self.metrics.tokens(status.unknown_permissions, status.forgeries_recognized);
        let issuers =
            status.issuers.into_iter().map(|issuer| (issuer.issuer, issuer.keys_loaded, issuer.figures));
        self.metrics.observe(self.upstreams.connections(), issuers);
        self.metrics.upstreams(&self.upstreams);
        self.metrics.render()
    }

    fn policy(&self) -> Option<Value> {
        let parts = self.gate.parts();
        let files: Vec<String> = parts.files().map(|file| file.display().to_string()).collect();
        let mode = if parts.observes() { "observe" } else { "enforce" };
        let rules = parts.policy().rule_count();
        Some(json!({"digest": parts.policy_digest(), "files": files, "rules": rules, "mode": mode}))
    }

    fn key_set(&self) -> Option<String> {
        self.door.key_set()
    }

    fn reload(&self) -> Reload<'_> {
        Box::pin(async {
            let (asker, answer) = oneshot::channel();
            // While the process ends nobody reads any more.
            let over = || Err(json!({"findings": [], "error": "the process is ending"}));
            if self.ask.send(asker).await.is_err() {
                return Some(over());
            }
            Some(answer.await.unwrap_or_else(|_| over()))
        })
    }
}

/// Ready once every issuer's keys were loaded, unless no upstream gets requests, and until the process drains.
fn readiness(gate: &Gate, upstreams: &Upstreams, draining: bool) -> Readiness {
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
    let down: Vec<_> = upstreams
        .figures()
        .filter(|(_, figures)| !figures.is_good)
        .map(|(place, figures)| json!({"upstream": figures.url, "place": place.to_string(), "healthy": false}))
        .collect();
    let is_ready = members.is_empty() && !upstreams.are_down();
    if !down.is_empty() {
        members.insert("upstreams".to_owned(), down.into());
    }
    match (is_ready, members.is_empty()) {
        (true, true) => Readiness::Ready,
        (true, false) => Readiness::Impaired(members),
        (false, _) => Readiness::NotReady(members),
    }
}

const KEYS: Duration = Duration::from_secs(10);
