//! The decision log, as flags and the settings file ask for it.

use std::{path::PathBuf, sync::Arc};

use clap::Args;

use super::{Failure, settings::LogSettings};
use crate::{
    decision_log::{DecisionLog, Form, Paths, Subjects},
    metrics::Metrics,
};

/// The flags of the decision log.
#[derive(Debug, Args)]
pub(super) struct DecisionLogOptions {
    /// Write every decision to this file, one JSON object a line; `-` is standard output. It holds roles, permissions and
    /// organizations, and no token, header, query or id of a caller. Of refusals ten a second are written for each rule
    /// and code, and the rest is counted.
    #[arg(long, env = "ORGATE_DECISION_LOG", value_name = "FILE")]
    decision_log: Option<PathBuf>,
    /// How paths are written there: as the rule has them, or with their values [default: template].
    #[arg(long, env = "ORGATE_LOG_PATHS", value_name = "HOW", value_enum)]
    log_paths: Option<Paths>,
    /// How callers are named there: by a hash that is good for counting only, or by their id as well [default: hash].
    #[arg(long, env = "ORGATE_LOG_SUBJECTS", value_name = "HOW", value_enum)]
    log_subjects: Option<Subjects>,
    /// Write there one in so many of the requests that were simply let through, and every other decision as ever
    /// [default: 1].
    #[arg(long, env = "ORGATE_LOG_SAMPLE", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    log_sample: Option<u32>,
}

impl DecisionLogOptions {
    /// Takes from a settings file what no flag says.
    pub(super) fn settle(&mut self, settings: &LogSettings) {
        self.decision_log = self.decision_log.take().or_else(|| settings.decisions.clone());
        self.log_paths = self.log_paths.or(settings.paths);
        self.log_subjects = self.log_subjects.or(settings.subjects);
        self.log_sample = self.log_sample.or(settings.sample);
    }

    /// The log, where one is wanted.
    pub(super) fn open(&self, metrics: &Arc<Metrics>) -> Result<Option<DecisionLog>, Failure> {
        let Some(path) = &self.decision_log else { return Ok(None) };
        let form = Form {
            paths: self.log_paths.unwrap_or_default(),
            subjects: self.log_subjects.unwrap_or_default(),
            sample: self.log_sample.unwrap_or(1),
        };
        let log = DecisionLog::open(path, form, Arc::clone(metrics));
        log.map(Some).map_err(|error| {
            Failure::could_not_run(format!("cannot write the decision log `{}`: {error}", path.display()))
        })
    }
}
