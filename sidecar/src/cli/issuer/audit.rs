//! `orgate issuer audit verify` and `orgate issuer audit head`.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::{Args, Subcommand};
use orgate_issuer::{
    Maintenance, Settings, StartError, SystemClock,
    maintenance::{self, AuditScope},
};

use super::super::{Failure, output};

/// Verbs of `orgate issuer audit`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  orgate issuer audit verify
      walk along the chain of every project, also while an issuer runs
  orgate issuer audit head > heads.txt
      how far the chains go, signed: to be kept where the database is not
  orgate issuer audit verify --head heads.txt
      and compare with what was kept: a tail that was cut off, or a chain that was written anew, is found

Exit codes: 0 every event is what was written · 1 one is not, and is named · 2 not verified")]
pub(super) struct AuditOptions {
    #[command(subcommand)]
    verb: AuditVerb,
}

#[derive(Clone, Debug, Subcommand)]
enum AuditVerb {
    /// Verify that the audit log is what was written.
    Verify {
        /// Of this project only.
        #[arg(long, env = "ORGATE_PROJECT", value_name = "ID")]
        project: Option<String>,
        /// From this event on; those before it are believed.
        #[arg(long, env = "ORGATE_FROM", value_name = "NUMBER")]
        from: Option<u32>,
        /// A file with signed heads that were kept.
        #[arg(long, env = "ORGATE_HEAD", value_name = "FILE")]
        head: Option<PathBuf>,
    },
    /// Print how far the audit log of each project goes, signed by a key of the project.
    Head {
        /// Of this project only.
        #[arg(long, env = "ORGATE_PROJECT", value_name = "ID")]
        project: Option<String>,
    },
}

pub(super) async fn run(
    options: &AuditOptions,
    database: &str,
    secret: Option<&Path>,
) -> Result<(), Failure> {
    match &options.verb {
        AuditVerb::Verify { project, from, head } => {
            let mut scope = AuditScope::default();
            scope.project.clone_from(project);
            scope.from = from.map(i64::from);
            if let Some(file) = head {
                scope.heads = fs::read_to_string(file).map_err(|error| {
                    Failure::could_not_run(format!("cannot read `{}`: {error}", file.display()))
                })?;
            }
            verify(database, &scope).await
        }
        AuditVerb::Head { project } => {
            let heads = heads(database, secret, project.as_deref()).await;
            let heads = heads.map_err(|error| Failure::could_not_run(error.to_string()))?;
            output::result(&heads.iter().map(|head| format!("{head}\n")).collect::<String>());
            Ok(())
        }
    }
}

async fn verify(database: &str, scope: &AuditScope) -> Result<(), Failure> {
    /// After how many events something is said.
    const STEP: i64 = 100_000;
    let mut next = STEP;
    let mut progress = |project: &str, seq: i64| {
        if seq < next - STEP {
            next = STEP;
        }
        if seq >= next {
            output::note(&format!("{project}: {seq} events are good so far"));
            next = seq - seq % STEP + STEP;
        }
    };
    let reports = maintenance::verify_audit(database, scope, &mut progress).await;
    let reports = reports.map_err(|error| Failure::could_not_run(error.to_string()))?;
    let mut good = true;
    for report in reports {
        output::result(&match &report.broken {
            None => format!(
                "{} holds: events {} to {}, {}\n",
                report.project, report.from, report.to, report.chain
            ),
            Some((seq, why)) => format!("{} is broken at event {seq}: {why}\n", report.project),
        });
        good &= report.broken.is_none();
    }
    if good { Ok(()) } else { Err(Failure::findings()) }
}

async fn heads(
    database: &str,
    secret: Option<&Path>,
    project: Option<&str>,
) -> Result<Vec<String>, StartError> {
    // No link is made, so the public URL is nobody's.
    let mut settings = Settings::new("http://127.0.0.1");
    database.clone_into(&mut settings.database);
    settings.secret_file = secret.map(PathBuf::from);
    let maintenance = Maintenance::open(&settings, Arc::new(SystemClock)).await?;
    let heads = maintenance.audit_heads(project).await;
    maintenance.close().await;
    heads
}
