//! What is done to an installation as a whole: `orgate issuer migrate`, `db copy`, `db backup`, `export`,
//! `keys list`, `keys rotate`, `audit verify`, `audit head`, `secret rotate`, `openapi`.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use orgate_issuer::{Clock as _, Issuer, Settings, SystemClock, maintenance};

use super::{
    super::{Failure, output, runtime},
    audit::{self, AuditOptions},
    keys::{self, KeysOptions},
};

/// Work on the installation instead of running it.
#[derive(Clone, Debug, Subcommand)]
pub(super) enum Work {
    /// Bring the schema of the database up to date, as every start does.
    Migrate(Migrate),
    /// Copy or back up the database.
    Db(DbOptions),
    /// Write everything in the database to standard output, a line of JSON for each row.
    Export(Export),
    /// List or rotate the signing keys.
    Keys(KeysOptions),
    /// Verify the audit log, or print its signed head.
    Audit(AuditOptions),
    /// Change the secret that protects keys and refresh tokens.
    Secret(SecretOptions),
    /// Write what the issuer answers to standard output, as an OpenAPI document.
    Openapi(Openapi),
}

/// Flags of `orgate issuer migrate`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  orgate issuer migrate --check --database sqlite:///var/lib/orgate/orgate.db
      which steps a newer orgate would apply, without applying them

Exit codes: 0 up to date · 1 with --check, steps are missing · 2 not done")]
pub(super) struct Migrate {
    /// Only say what is missing.
    #[arg(long, env = "ORGATE_CHECK")]
    check: bool,
}

/// Verbs of `orgate issuer db`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  orgate issuer db copy sqlite://orgate.db 'postgres://orgate@db.example.com/orgate?sslrootcert=ca.pem'
      move to PostgreSQL: stop the issuer, copy, start it with the new address and the same --secret
  orgate issuer db backup /backup/orgate.db
      a copy of the file of SQLite, while the issuer runs; the secret file is backed up apart from it")]
pub(super) struct DbOptions {
    #[command(subcommand)]
    verb: DbVerb,
}

#[derive(Clone, Debug, Subcommand)]
enum DbVerb {
    /// Copy everything into an empty database, of whichever kind, and compare.
    Copy {
        /// The address of the database that is copied; no issuer may be using it.
        from: String,
        /// The address of the one it is copied into.
        to: String,
    },
    /// Write one state of the file of SQLite into a new file, also while an issuer runs.
    Backup {
        /// The new file.
        file: PathBuf,
    },
}

/// Flags of `orgate issuer export`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  orgate issuer export > everything.ndjson
      every row, without hashes of passwords, keys and tokens; the format is in docs/issuer.md")]
pub(super) struct Export {
    /// With hashes of passwords, sealed keys, and hashes of codes and cookies: to be kept like the database itself.
    #[arg(long, env = "ORGATE_WITH_SECRETS")]
    with_secrets: bool,
}

/// Verbs of `orgate issuer secret`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  orgate issuer secret rotate
      a new first line for the secret file; then restart every issuer that uses it")]
pub(super) struct SecretOptions {
    #[command(subcommand)]
    verb: SecretVerb,
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum SecretVerb {
    /// Put a new secret above the old ones, and seal the signing keys with it.
    Rotate,
}

/// Flags of `orgate issuer openapi`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  orgate issuer openapi > openapi.json
      a running issuer shows its own at /api/platform/openapi.json")]
pub(super) struct Openapi {
    /// The origin of the issuer, such as https://id.example.com.
    #[arg(long, env = "ORGATE_PUBLIC_URL", value_name = "URL", default_value = "http://127.0.0.1:8090")]
    public_url: String,
    /// Where the end users' API is.
    #[arg(long, env = "ORGATE_PREFIX", value_name = "PATH", default_value = "/v1/auth")]
    prefix: String,
}

pub(super) fn run(work: &Work, database: &str, secret: Option<&Path>) -> Result<(), Failure> {
    let failed = Failure::could_not_run;
    let now = SystemClock.now_ms();
    let runtime = runtime(None)?;
    match work {
        Work::Migrate(Migrate { check: true }) => {
            let missing = runtime.block_on(maintenance::pending(database)).map_err(failed)?;
            missing.iter().for_each(|step| output::result(&format!("missing {step}\n")));
            if missing.is_empty() { Ok(()) } else { Err(Failure::findings()) }
        }
        Work::Migrate(Migrate { check: false }) => {
            let applied = runtime.block_on(maintenance::migrate(database, now)).map_err(failed)?;
            applied.iter().for_each(|step| output::result(&format!("applied {step}\n")));
            Ok(())
        }
        Work::Db(DbOptions { verb: DbVerb::Copy { from, to } }) => {
            let copied = runtime.block_on(maintenance::copy(from, to, now)).map_err(failed)?;
            let mut text = String::new();
            for table in &copied {
                text.push_str(&format!("{:<20} {:>9} {}\n", table.table, table.rows, table.hash));
            }
            output::result(&text);
            output::note(
                "the same rows and hashes were read back; start the issuer with the same secret file",
            );
            Ok(())
        }
        Work::Db(DbOptions { verb: DbVerb::Backup { file } }) => {
            runtime.block_on(maintenance::backup(database, file)).map_err(failed)?;
            output::note("the secret file is not in it: keep a copy of that elsewhere");
            Ok(())
        }
        Work::Export(Export { with_secrets }) => {
            let mut out = io::BufWriter::new(io::stdout());
            runtime.block_on(maintenance::export(database, *with_secrets, &mut out)).map_err(failed)?;
            out.flush().map_err(Failure::could_not_run)
        }
        Work::Openapi(Openapi { public_url, prefix }) => {
            let mut settings = Settings::new(public_url);
            prefix.clone_into(&mut settings.prefix);
            let document = Issuer::openapi(&settings).map_err(Failure::could_not_run)?;
            output::result(&format!("{document}\n"));
            Ok(())
        }
        Work::Keys(options) => runtime.block_on(keys::run(options, database, secret)),
        Work::Audit(options) => runtime.block_on(audit::run(options, database, secret)),
        Work::Secret(SecretOptions { verb: SecretVerb::Rotate }) => {
            let rotated =
                runtime.block_on(maintenance::rotate_secret(database, secret, now)).map_err(failed)?;
            output::result(&format!(
                "sealed with a new secret: {} signing keys, {} secrets of authenticators, {} letters, {} secrets of webhooks\n",
                rotated.keys, rotated.authenticators, rotated.letters, rotated.webhooks
            ));
            output::note(&format!(
                "restart every issuer of this database now. The older lines stay in the file: refresh tokens need them \
                 for as long as they live, and {} client secrets and {} recovery codes until they are changed",
                rotated.clients, rotated.recovery_codes
            ));
            Ok(())
        }
    }
}
