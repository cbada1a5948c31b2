//! What `proxy` and `serve` do alike: a policy file is in force, told of at the admin listener and followed, from the start
//! of the process to the end of its drain.
//!
//! Nothing is half-started: the policy is read first, then every port is bound, and only then is anything announced.

use std::{future::Future, path::PathBuf, pin::Pin, sync::Arc, time::Duration};

use clap::Args;
use orgate::{Gate, LoadOptions};
use serde_json::{Value, json};
use tokio::{
    sync::{Notify, mpsc, oneshot},
    task::JoinSet,
};
use tracing::{info, warn};

#[cfg(feature = "issuer")]
use super::token;
use super::{
    Common, Failure, decisions::DecisionLogOptions, doors::Doors, output, policy_file::environment,
    readiness, reload, settings::Settings, signals, supervisor, upstreams,
};
use crate::{
    admin::{Admin, Administered, Readiness, Reload},
    doors::{Hall, ProxyDoor},
    metrics::Metrics,
    serve::{self, Limits, Listener, Shutdown, Tls},
    status::{Connections, Snapshot},
    traces::{Traces, TracingSettings},
    upstream::Upstreams,
};

/// The flags of a process that enforces a policy file.
#[derive(Debug, Args)]
pub(crate) struct GuardOptions {
    /// The policy file [default: ./orgate.yaml, .yml, .toml or .json].
    #[arg(long, env = "ORGATE_POLICY", value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Where /status, a page for people, /healthz, /readyz, /metrics, /-/policy and /-/reload are
    /// [default: 127.0.0.1:9180].
    #[arg(long, env = "ORGATE_ADMIN", value_name = "ADDRESS")]
    admin: Option<String>,
    /// End with exit code 2 if the keys of an issuer cannot be fetched within 10 seconds. Without it requests are served,
    /// public routes work, and the others are answered 503 until the keys are there.
    #[arg(long, env = "ORGATE_REQUIRE_KEYS", value_parser = clap::builder::BoolishValueParser::new())]
    require_keys: bool,
    #[command(flatten)]
    decisions: DecisionLogOptions,
    /// Where spans go.
    #[arg(skip)]
    tracing: TracingSettings,
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

impl GuardOptions {
    /// The number of worker threads, if it is given.
    pub(super) fn threads(&self) -> Option<usize> {
        self.threads.map(usize::from)
    }

    /// Takes from a settings file what no flag says.
    pub(super) fn settle(&mut self, settings: &Settings) {
        self.admin = self.admin.take().or_else(|| settings.listeners.admin.clone());
        self.decisions.settle(&settings.log);
        self.tracing = settings.tracing.clone();
    }
}

/// A process with a policy in force that listens nowhere yet.
#[derive(Debug)]
pub(super) struct Guard {
    options: GuardOptions,
    gate: Gate,
    metrics: Arc<Metrics>,
    hall: Arc<Hall>,
    policy: (PathBuf, reload::Looked),
    is_development: bool,
    hangup: Arc<Notify>,
    shutdown: Shutdown,
}

/// The proxy of a process that has one.
#[derive(Debug)]
pub(super) struct Front {
    pub(super) listener: Listener,
    pub(super) tls: Option<Tls>,
    pub(super) upstreams: Upstreams,
    pub(super) limits: Limits,
}

impl Guard {
    /// Reads the policy.
    pub(super) async fn load(options: GuardOptions, common: &Common) -> Result<Self, Failure> {
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
        let metrics = Arc::new(Metrics::new(gate.parts().policy().rules().map(|(rule, _)| rule)));
        metrics.policy(gate.parts().policy_digest());
        let decisions = options.decisions.open(&metrics)?;
        let traces = Traces::start(&options.tracing, &environment).map_err(Failure::could_not_run)?;
        let hall = Hall::traced(gate.clone(), Arc::clone(&metrics), decisions, traces);
        let (policy, is_development) = ((path, read), development.is_some());
        Ok(Self { options, gate, metrics, hall, policy, is_development, hangup, shutdown })
    }

    /// Serves until it is told to end, and ends.
    pub(super) async fn serve(self, front: Option<Front>, doors: Doors) -> Result<(), Failure> {
        let listeners: Vec<&Listener> =
            front.iter().map(|front| &front.listener).chain(doors.listeners()).collect();
        self.refuse_development_for_others(&listeners)?;
        let admin = self.options.admin.as_deref().unwrap_or("127.0.0.1:9180");
        let admin = supervisor::listener("admin", admin, "--admin").await?;
        if self.options.require_keys {
            tokio::select! {
                keys = required_keys(&self.gate) => keys?,
                () = self.shutdown.draining() => return Ok(()),
            }
        }
        let digest = self.gate.parts().policy_digest().to_owned();
        let rules = self.gate.status().rules;
        let upstream = front.as_ref().map(|front| upstreams::shown(&front.upstreams));
        info!(policy = %self.policy.0.display(), digest, rules, upstream, "serving");
        output::announce(&[listeners.as_slice(), &[&admin]].concat());
        supervisor::ready();

        let Self { gate, metrics, hall, policy, is_development, hangup, shutdown, .. } = self;
        let (ask, asking) = mpsc::channel(1);
        let subject = Arc::new(Status {
            gate: gate.clone(),
            upstreams: front.as_ref().map(|front| front.upstreams.clone()),
            hall: Arc::clone(&hall),
            metrics: Arc::clone(&metrics),
            shutdown: shutdown.clone(),
            ask,
        });
        let admin_shutdown = Shutdown::new();
        let administered = tokio::spawn(serve::serve(
            admin,
            Admin::new(subject),
            Limits::of_admin(),
            admin_shutdown.clone(),
        ));
        let ticker = tokio::spawn(tick_every_second(Arc::clone(&hall)));
        let files = front.as_ref().map(|front| (front.tls.clone(), front.upstreams.clone()));
        let follower = tokio::spawn(follow((gate, metrics), policy, files, hangup, asking));
        let reminder = is_development.then(|| tokio::spawn(remind_every_minute()));

        let mut served = JoinSet::new();
        doors.serve(&hall, &shutdown, &mut served);
        if let Some(Front { listener, upstreams, limits, .. }) = front {
            let door = ProxyDoor::new(Arc::clone(&hall), upstreams);
            served.spawn(serve::serve(listener, door, limits, shutdown));
        }
        while served.join_next().await.is_some() {}
        follower.abort();
        if let Some(reminder) = reminder {
            reminder.abort();
        }
        // The admin listener tells of the drain until the drain is over.
        ticker.abort();
        // It waits for the disk.
        let _ = tokio::task::spawn_blocking({
            let hall = Arc::clone(&hall);
            move || hall.finish()
        })
        .await;
        hall.traces().finish().await;
        admin_shutdown.abort();
        let _ = administered.await;
        Ok(())
    }

    fn refuse_development_for_others(&self, listeners: &[&Listener]) -> Result<(), Failure> {
        let reachable = listeners.iter().find(|listener| !listener.address().ip().is_loopback());
        match reachable.filter(|_| self.is_development) {
            None => Ok(()),
            Some(listener) => Err(Failure::could_not_run(format!(
                "--dev-issuer is for this machine only, and `{}` is reachable from others\n\
                 help: listen on 127.0.0.1, or leave --dev-issuer away",
                listener.address()
            ))),
        }
    }
}

async fn required_keys(gate: &Gate) -> Result<(), Failure> {
    if tokio::time::timeout(KEYS, gate.ready()).await.is_ok() {
        return Ok(());
    }
    let missing = gate.status().issuers.into_iter().filter(|issuer| !issuer.is_ready()).map(|issuer| {
        let (what, location, error) = match issuer.feed {
            Some(feed) if issuer.keys_loaded => ("marks", feed.location, feed.last_error),
            _ => ("keys", issuer.location, issuer.last_error),
        };
        let reason = error.unwrap_or_else(|| "no answer yet".to_owned());
        format!("no {what} of issuer `{}` from `{location}`: {reason}", issuer.issuer)
    });
    let text = missing.collect::<Vec<_>>().join("\n");
    Err(Failure::could_not_run(format!(
        "{text}\nhelp: start without `--require-keys` to wait for them while serving public routes"
    )))
}

async fn tick_every_second(hall: Arc<Hall>) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    loop {
        ticks.tick().await;
        hall.tick();
    }
}

/// The key set of the development issuer, if it is believed.
#[cfg(feature = "issuer")]
fn development_keys(options: &GuardOptions) -> Result<Option<String>, Failure> {
    if !options.dev_issuer {
        return Ok(None);
    }
    token::mint::key(&options.dev_key).map(|key| Some(key.jwks()))
}

#[cfg(not(feature = "issuer"))]
fn development_keys(_: &GuardOptions) -> Result<Option<String>, Failure> {
    Ok(None)
}

/// Keeps policy and certificates at what their files say, until the task is dropped.
async fn follow(
    (gate, metrics): (Gate, Arc<Metrics>),
    policy: (PathBuf, reload::Looked),
    files: Option<(Option<Tls>, Upstreams)>,
    hangup: Arc<Notify>,
    asking: reload::Asking,
) {
    let [of_policy, of_tls, of_upstreams] = [(); 3].map(|()| Arc::new(Notify::new()));
    let (tls, upstreams) = files.unzip();
    let certificates = async {
        let Some(tls) = tls.flatten() else { return };
        let metrics = Arc::clone(&metrics);
        tls.follow(Arc::clone(&of_tls), move |stale| metrics.certificate_stale(stale)).await;
    };
    let towards = async {
        let Some(upstreams) = upstreams else { return };
        upstreams::follow_certificates(&upstreams, Arc::clone(&metrics), Arc::clone(&of_upstreams)).await;
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
        towards,
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

/// What the admin listener tells.
#[derive(Debug)]
struct Status {
    gate: Gate,
    upstreams: Option<Upstreams>,
    hall: Arc<Hall>,
    metrics: Arc<Metrics>,
    shutdown: Shutdown,
    ask: mpsc::Sender<oneshot::Sender<reload::Reloaded>>,
}

impl Administered for Status {
    fn readiness(&self) -> Pin<Box<dyn Future<Output = Readiness> + Send + '_>> {
        Box::pin(std::future::ready(self.readiness_now()))
    }

    fn metrics(&self) -> String {
        let status = self.gate.status();
        self.metrics.tokens(&status);
        let asked = status.issuers.iter().map(|issuer| (issuer.issuer.clone(), issuer.introspection));
        self.metrics.questions(asked.filter_map(|(issuer, figures)| Some((issuer, figures?))));
        let feeds = status.issuers.iter().map(|issuer| (issuer.issuer.clone(), issuer.feed.clone()));
        self.metrics.feeds(feeds.filter_map(|(issuer, figures)| Some((issuer, figures?))));
        let issuers =
            status.issuers.into_iter().map(|issuer| (issuer.issuer, issuer.keys_loaded, issuer.figures));
        let connections = self.upstreams.as_ref().map_or((0, 0), Upstreams::connections);
        self.metrics.observe(connections, issuers);
        if let Some(upstreams) = &self.upstreams {
            self.metrics.upstreams(upstreams);
        }
        self.metrics.render()
    }

    fn policy(&self) -> Option<Value> {
        let parts = self.gate.parts();
        let files: Vec<String> = parts.files().map(|file| file.display().to_string()).collect();
        let mode = if parts.observes() { "observe" } else { "enforce" };
        let rules = parts.policy().rule_count();
        Some(json!({"digest": parts.policy_digest(), "files": files, "rules": rules, "mode": mode}))
    }

    fn status(&self) -> Option<Snapshot> {
        let readiness = self.readiness_now();
        let upstreams = self.upstreams.iter().map(|upstreams| {
            let (idle, active) = upstreams.connections();
            Connections { name: "the application".to_owned(), idle, active }
        });
        Some(Snapshot::of((&self.gate, &self.hall, &self.metrics), &readiness, upstreams.collect()))
    }

    fn key_set(&self) -> Option<String> {
        self.hall.key_set()
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

impl Status {
    fn readiness_now(&self) -> Readiness {
        let stale = self.metrics.is_policy_stale();
        readiness::of(&self.gate, self.upstreams.as_ref(), stale, self.shutdown.is_draining())
    }
}

const KEYS: Duration = Duration::from_secs(10);
