//! `orgate issuer keys list` and `orgate issuer keys rotate`.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::{Args, Subcommand};
use orgate_issuer::{Maintenance, Settings, StartError, SystemClock};

use super::super::{Failure, output};

/// Verbs of `orgate issuer keys`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  orgate issuer keys list
      project, algorithm, state, name, and when the state ends
  orgate issuer keys rotate --project proj_demo --alg ES256
      the next key is shown at once and signs after a day; --now is for a key that leaked")]
pub(super) struct KeysOptions {
    #[command(subcommand)]
    verb: KeysVerb,
}

#[derive(Clone, Debug, Subcommand)]
enum KeysVerb {
    /// List the signing keys.
    List,
    /// Show the next key, which signs after a day; what it replaces stays in the key set until its tokens are over.
    Rotate {
        /// Of this project only.
        #[arg(long, env = "ORGATE_PROJECT", value_name = "ID")]
        project: Option<String>,
        /// Of this algorithm only: ES256, RS256 or EdDSA.
        #[arg(long, env = "ORGATE_ALG", value_name = "ALGORITHM")]
        alg: Option<String>,
        /// The key has leaked: sign with a new one now, and forget the old ones; what they have signed ends as soon as
        /// verifiers look at the key set again.
        #[arg(long, env = "ORGATE_NOW")]
        now: bool,
    },
}

pub(super) async fn run(options: &KeysOptions, database: &str, secret: Option<&Path>) -> Result<(), Failure> {
    let failed = |error: StartError| Failure::could_not_run(error.to_string());
    // No link is made, so the public URL is nobody's.
    let mut settings = Settings::new("http://127.0.0.1");
    database.clone_into(&mut settings.database);
    settings.secret_file = secret.map(PathBuf::from);
    let maintenance = Maintenance::open(&settings, Arc::new(SystemClock)).await.map_err(failed)?;
    let keys = match &options.verb {
        KeysVerb::List => maintenance.keys().await,
        KeysVerb::Rotate { project, alg, now } => {
            maintenance.rotate_keys(project.as_deref(), alg.as_deref(), *now).await
        }
    };
    maintenance.close().await;
    let lines = keys.map_err(failed)?.into_iter().map(|key| {
        let until = key.until.as_deref().map(|until| format!(" until {until}")).unwrap_or_default();
        format!("{} {} {} {}{until}\n", key.project, key.algorithm, key.state, key.kid)
    });
    output::result(&lines.collect::<String>());
    Ok(())
}
