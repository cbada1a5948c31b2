//! `orgate issuer`: the companion issuer on its own listener.

mod audit;
mod keys;
mod maintain;

use std::{future::Future, path::PathBuf, pin::Pin, sync::Arc, time::Duration};

use clap::Args;
use orgate_issuer::{Health, Issuer, Settings, Smtp, StartError, SystemClock};
use tracing::info;

use self::maintain::Work;
use super::{Common, Failure, output, runtime, signals};
use crate::{
    admin::{Admin, Administered, Outbox, Readiness},
    courier::HttpCourier,
    metrics,
    serve::{self, Limits, Listener, Routed, Shutdown},
    trust::{Network, TrustedPeers},
};

/// Flags of `orgate issuer`.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  orgate issuer
      data in ./orgate.db; without an operator, a link to make the first one is printed on stderr
  orgate issuer --bootstrap bootstrap.yaml
      make the projects, users and organizations of a file first; doing so twice changes nothing
  orgate issuer --listen 0.0.0.0:8090 --public-url https://id.example.com --trust-peer 10.0.0.0/8
      behind a TLS terminator in 10.0.0.0/8, for other machines
  orgate issuer --database 'postgres://orgate@db.example.com/orgate?sslrootcert=ca.pem' --secret orgate.secret
      on PostgreSQL, with the password in PGPASSWORD; any number of issuers with the same secret may share it
  orgate issuer --admin 127.0.0.1:9190 --dev-outbox
      without a mail server: what would be mailed is at http://127.0.0.1:9190/dev/outbox

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
    /// Believe the X-Forwarded-For of proxies in this network: attempts to sign in are counted by the address that it names.
    /// May be given several times [default: nobody; the address is that of the connection].
    #[arg(long, env = "ORGATE_TRUST_PEER", value_name = "CIDR", value_delimiter = ',')]
    trust_peer: Vec<Network>,
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
    /// Where mail is handed over: smtps://USER:PASSWORD@HOST, or smtp:// for STARTTLS [default: mail lies in the outbox].
    #[arg(long, env = "ORGATE_SMTP", value_name = "URL", hide_env_values = true)]
    smtp: Option<String>,
    /// A network besides the public one that webhooks and news of sign-outs may be sent to, such as 10.0.0.0/8; several with
    /// commas between them.
    #[arg(long, env = "ORGATE_ALLOW_NETWORK", value_name = "NETWORK", value_delimiter = ',')]
    allow_network: Vec<String>,
    /// The sender of mail [default: no-reply@ and the host of the public URL].
    #[arg(long, env = "ORGATE_MAIL_FROM", value_name = "ADDRESS", requires = "smtp")]
    mail_from: Option<String>,
    /// Show the mail that would be sent at /dev/outbox of the admin listener. For development: loopback only.
    #[arg(long, env = "ORGATE_DEV_OUTBOX", requires = "admin", conflicts_with = "smtp")]
    dev_outbox: bool,
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

    let peers = trusted(&options.trust_peer)?;
    // Ports first: a start that cannot end well makes no database.
    let listener =
        Listener::bind("issuer", &options.listen, "--listen").await.map_err(Failure::could_not_run)?;
    let admin = match &options.admin {
        Some(address) => {
            Some(Listener::bind("admin", address, "--admin").await.map_err(Failure::could_not_run)?)
        }
        None => None,
    };
    if options.dev_outbox {
        check_dev_outbox(&options, [Some(&listener), admin.as_ref()])?;
    }
    let mut settings = Settings::new(public_url(&options, &listener)?);
    let smtp = options.smtp.as_deref().map(Smtp::parse).transpose().map_err(Failure::could_not_run)?;
    settings.smtp = smtp;
    settings.mail_from = options.mail_from;
    settings.dev_outbox = options.dev_outbox;
    settings.database = options.database;
    settings.secret_file = options.secret;
    settings.bootstrap = options.bootstrap;
    settings.prefix = options.prefix;
    let networks: Result<_, String> =
        options.allow_network.iter().map(|text| orgate_issuer::Network::parse(text)).collect();
    settings.allowed_networks = networks.map_err(Failure::could_not_run)?;
    settings.courier = Some(Arc::new(HttpCourier::new()));
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
    // Who reads the change feed would never be done.
    let (released, draining) = (issuer.clone(), shutdown.clone());
    let releasing = tokio::spawn(async move {
        draining.draining().await;
        released.release();
    });
    let routed = Routed::new(issuer.router()).trusting(peers);
    serve::serve(listener, routed, Limits::of_this_process(), shutdown).await;

    releasing.abort();
    issuer.shutdown().await;
    admin_shutdown.abort();
    if let Some(administered) = administered {
        let _ = administered.await;
    }
    Ok(())
}

/// Who is believed about where requests come from. Where that is everybody, anybody is whoever they say, and no limit holds.
fn trusted(networks: &[Network]) -> Result<TrustedPeers, Failure> {
    if networks.iter().any(Network::is_everybody) {
        return Err(Failure::could_not_run(
            "`--trust-peer` believes everybody, so that no limit on attempts to sign in would hold\nhelp: name the networks \
             of your own proxies, such as `10.0.0.0/8`",
        ));
    }
    Ok(TrustedPeers::new(networks, false))
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

/// Whoever reads the mail can sign in as anybody: nobody on another machine may.
fn check_dev_outbox(options: &Options, listeners: [Option<&Listener>; 2]) -> Result<(), Failure> {
    let help = "help: `--dev-outbox` is for trying things out on this machine; give `--smtp URL` instead";
    for listener in listeners.into_iter().flatten() {
        if !listener.address().ip().is_loopback() {
            return Err(Failure::could_not_run(format!(
                "`--dev-outbox` shows every mail, and `{}` can be reached from other machines\n{help}",
                listener.address()
            )));
        }
    }
    match &options.public_url {
        Some(url) if url.starts_with("https://") => Err(Failure::could_not_run(format!(
            "`--dev-outbox` shows every mail, and `{url}` is reached from other machines\n{help}"
        ))),
        _ => Ok(()),
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

    fn outbox(&self) -> Outbox<'_> {
        Box::pin(async {
            let mail = self.issuer.outbox().await?;
            Some(mail.map(serde_json::Value::from).map_err(|_| "the database does not answer".to_owned()))
        })
    }
}
