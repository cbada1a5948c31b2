//! `orgate issuer`: the companion issuer on its own listener.

mod maintain;

use std::{future::Future, path::PathBuf, pin::Pin, sync::Arc, time::Duration};

use clap::Args;
use orgate_issuer::{Health, Issuer, Settings, StartError, SystemClock};
use tracing::info;

use self::maintain::Work;
use super::{Common, Failure, output, runtime, signals};
use crate::{
    admin::{Admin, Administered, Readiness},
    metrics,
    serve::{self, Limits, Listener, Routed, Shutdown},
};

/// Flags of `orgate issuer`.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "\
Examples:
  orgate issuer
      data in ./orgate.db; without an operator, a link to make the first one is printed on stderr
  orgate issuer --bootstrap bootstrap.yaml
      make the projects, users and organizations of a file first; doing so twice changes nothing
  orgate issuer --listen 0.0.0.0:8090 --public-url https://id.example.com --database sqlite:///var/lib/orgate/orgate.db
      behind a TLS terminator, for other machines
  orgate issuer --database 'postgres://orgate@db.example.com/orgate?sslrootcert=ca.pem' --secret orgate.secret
      on PostgreSQL, with the password in PGPASSWORD; any number of issuers with the same secret may share it

SIGTERM and SIGINT finish the requests under way and stop; a second one stops at once. SIGHUP is ignored."
)]
pub(crate) struct Options {
    #[command(subcommand)]
    work: Option<Work>,
    /// Where clients and browsers connect; port 0 takes a free one.
    #[arg(long, env = "ORGATE_LISTEN", value_name = "ADDRESS", default_value = "127.0.0.1:8090")]
    listen: String,
    /// Where the data is: sqlite://FILE in the working directory, sqlite:///PATH, sqlite::memory:, or
    /// postgres://USER@HOST/DATABASE, which several issuers may share.
    #[arg(
        long,
        env = "ORGATE_DATABASE",
        value_name = "URL",
        default_value = "sqlite://orgate.db",
        global = true
    )]
    database: String,
    /// The origin that browsers and tokens see, such as https://id.example.com [default: the listening address].
    #[arg(long, env = "ORGATE_PUBLIC_URL", value_name = "URL")]
    public_url: Option<String>,
    /// A file with projects, users and organizations that must exist.
    #[arg(long, env = "ORGATE_BOOTSTRAP", value_name = "FILE")]
    bootstrap: Option<PathBuf>,
    /// Where /healthz, /readyz and /metrics are [default: nowhere].
    #[arg(long, env = "ORGATE_ADMIN", value_name = "ADDRESS")]
    admin: Option<String>,
    /// The file with the secret that protects keys and refresh tokens; made if absent [default: FILE.secret beside the
    /// database; with PostgreSQL it has to be named].
    #[arg(long, env = "ORGATE_SECRET", value_name = "FILE", global = true)]
    secret: Option<PathBuf>,
    /// Where the end users' API is.
    #[arg(long, env = "ORGATE_PREFIX", value_name = "PATH", default_value = "/v1/auth")]
    prefix: String,
}

pub(crate) fn run(options: Options, common: &Common) -> Result<(), Failure> {
    if let Some(work) = &options.work {
        return maintain::run(work, &options.database, options.secret.as_deref());
    }
    let runtime = runtime(None)?;
    let result = runtime.block_on(serve_issuer(options, common));
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}

async fn serve_issuer(options: Options, common: &Common) -> Result<(), Failure> {
    let shutdown = Shutdown::new();
    signals::listen(shutdown.clone(), None)?;

    // Ports first: a start that cannot end well makes no database.
    let listener =
        Listener::bind("issuer", &options.listen, "--listen").await.map_err(Failure::could_not_run)?;
    let admin = match &options.admin {
        Some(address) => {
            Some(Listener::bind("admin", address, "--admin").await.map_err(Failure::could_not_run)?)
        }
        None => None,
    };
    let mut settings = Settings::new(public_url(&options, &listener)?);
    settings.database = options.database;
    settings.secret_file = options.secret;
    settings.bootstrap = options.bootstrap;
    settings.prefix = options.prefix;
    let issuer =
        Issuer::open(settings, Arc::new(SystemClock)).await.map_err(|error| failure(&error, common))?;

    info!(address = %listener.address(), "serving");
    if let Some(first) = issuer.first_start() {
        output::first_start(&first.url);
    }
    output::announce(&[&listener].into_iter().chain(admin.as_ref()).collect::<Vec<_>>());
    let admin_shutdown = Shutdown::new();
    let administered = admin.map(|admin| {
        let subject = Arc::new(IssuerStatus { issuer: issuer.clone(), shutdown: shutdown.clone() });
        tokio::spawn(serve::serve(admin, Admin::new(subject), Limits::of_admin(), admin_shutdown.clone()))
    });
    serve::serve(listener, Routed::new(issuer.router()), Limits::of_this_process(), shutdown).await;

    issuer.shutdown().await;
    admin_shutdown.abort();
    if let Some(administered) = administered {
        let _ = administered.await;
    }
    Ok(())
}

/// The public URL if one was given, else where the issuer listens, if that is one place.
fn public_url(options: &Options, listener: &Listener) -> Result<String, Failure> {
    match &options.public_url {
        Some(url) => Ok(url.clone()),
        None if listener.address().ip().is_unspecified() => Err(Failure::could_not_run(format!(
            "`{}` means every address of this machine, and tokens need one\nhelp: say which with `--public-url https://HOST`",
            options.listen
        ))),
        None => Ok(listener.url()),
    }
}

fn failure(error: &StartError, common: &Common) -> Failure {
    match error.diagnostics() {
        Some(findings) => {
            let text = format!("{}{}", findings.render(common.color.on_stderr()), findings.summary(""));
            Failure::rendered(error.exit_code(), text)
        }
        None => Failure::could_not_run(error),
    }
}

/// What the admin listener tells of an issuer.
#[derive(Debug)]
struct IssuerStatus {
    issuer: Issuer,
    shutdown: Shutdown,
}

impl Administered for IssuerStatus {
    fn readiness(&self) -> Pin<Box<dyn Future<Output = Readiness> + Send + '_>> {
        Box::pin(async {
            let mut members = serde_json::Map::new();
            if let Health::NotReady(reason) = self.issuer.health().await {
                members.insert("error".to_owned(), reason.into());
            }
            if self.shutdown.is_draining() {
                members.insert("draining".to_owned(), true.into());
            }
            if members.is_empty() { Readiness::Ready } else { Readiness::NotReady(members) }
        })
    }

    fn metrics(&self) -> String {
        metrics::build_only()
    }
}
