//! The settings file of the proxy (`--settings`): what needs more words than a flag has.
//!
//! Where a flag, or its variable in the environment, says the same, that counts. The file is read once: what it says changes
//! with a restart, while the files that it names (certificates) and the policy are followed.

mod read;

use std::path::{Path, PathBuf};

use clap::Args;
use orgate_config::{diagnostic::Diagnostics, document};

use super::Failure;
use crate::{
    decision_log::{Paths, Subjects},
    serve::Limits,
    telemetry::LogFormat,
    traces::TracingSettings,
    trust::Network,
    upstream::{Checks, HostHeader, Place, Timeouts, UpstreamTlsFiles},
};

/// The flag that names it.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct SettingsFlag {
    /// A file with what has no flag, or instead of flags: listeners, upstreams and their health checks, timeouts, TLS,
    /// logs, limits. Flags win. Read at the start only.
    #[arg(long, env = "ORGATE_SETTINGS", value_name = "FILE")]
    pub(crate) settings: Option<PathBuf>,
}

impl SettingsFlag {
    /// What the file says; nothing where there is none.
    pub(crate) fn load(&self, color: bool) -> Result<Settings, Failure> {
        let Some(path) = &self.settings else { return Ok(Settings::default()) };
        let (settings, findings) = check(path)?;
        if findings.has_errors() {
            return Err(Failure::rendered(1, findings.render(color)));
        }
        Ok(settings)
    }
}

/// What the file `path` says, and all that is wrong with it.
pub(crate) fn check(path: &Path) -> Result<(Settings, Diagnostics), Failure> {
    let bytes = orgate_config::read_bytes(path).map_err(|error| {
        Failure::could_not_run(format!("cannot read the settings `{}`: {error}", path.display()))
    })?;
    let mut findings = Diagnostics::new();
    let root = document::read(&path.display().to_string(), &bytes, &mut findings);
    let folder = path.parent().unwrap_or(Path::new(""));
    let settings = root.map(|root| read::settings(&root, folder, &mut findings)).unwrap_or_default();
    findings.sort();
    Ok((settings, findings))
}

/// What a settings file says; what it does not say is absent.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    pub(crate) listeners: ListenerSettings,
    pub(crate) upstreams: Vec<UpstreamEntry>,
    pub(crate) timeouts: TimeoutSettings,
    pub(crate) tls: TlsSettings,
    pub(crate) log: LogSettings,
    pub(crate) limits: LimitSettings,
    pub(crate) tracing: TracingSettings,
}

/// `listeners`.
#[derive(Debug, Default)]
pub(crate) struct ListenerSettings {
    pub(crate) proxy: Option<String>,
    pub(crate) admin: Option<String>,
    pub(crate) trust_peers: Vec<Network>,
    pub(crate) proxy_protocol: Option<bool>,
}

/// One of `upstreams`.
#[derive(Debug)]
pub(crate) struct UpstreamEntry {
    pub(crate) place: Place,
    pub(crate) urls: Vec<String>,
    pub(crate) host: HostHeader,
    pub(crate) checks: Option<Checks>,
    pub(crate) tls: Option<UpstreamTlsFiles>,
}

/// `timeouts`: of upstreams, and of clients.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TimeoutSettings {
    pub(crate) upstream: Timeouts,
    pub(crate) client: ClientTimeouts,
}

/// Those of clients.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ClientTimeouts {
    pub(crate) header: Option<std::time::Duration>,
    pub(crate) idle: Option<std::time::Duration>,
    pub(crate) stall: Option<std::time::Duration>,
    pub(crate) drain: Option<std::time::Duration>,
}

/// `tls`.
#[derive(Debug, Default)]
pub(crate) struct TlsSettings {
    pub(crate) own: Option<(PathBuf, PathBuf)>,
    pub(crate) client_ca: Option<PathBuf>,
    pub(crate) client_required: Option<bool>,
}

/// `log`.
#[derive(Debug, Default)]
pub(crate) struct LogSettings {
    pub(crate) level: Option<String>,
    pub(crate) format: Option<LogFormat>,
    pub(crate) decisions: Option<PathBuf>,
    pub(crate) paths: Option<Paths>,
    pub(crate) subjects: Option<Subjects>,
    pub(crate) sample: Option<u32>,
}

/// `limits`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LimitSettings {
    pub(crate) connections: Option<usize>,
    pub(crate) per_peer: Option<usize>,
    pub(crate) header_fields: Option<usize>,
    pub(crate) header_bytes: Option<usize>,
}

impl Settings {
    /// What the proxy's listener allows its clients.
    pub(crate) fn limits(&self) -> Limits {
        let mut limits = Limits::of_this_process();
        let LimitSettings { connections, per_peer, header_fields, header_bytes } = self.limits;
        if let Some(wanted) = connections {
            if wanted > limits.connections {
                tracing::warn!(
                    wanted,
                    served = limits.connections,
                    "the open files that this process may have carry fewer connections than the settings want"
                );
            }
            limits.connections = wanted.min(limits.connections);
        }
        limits.per_peer = per_peer;
        limits.header_fields = header_fields.unwrap_or(limits.header_fields);
        limits.header_bytes = header_bytes.unwrap_or(limits.header_bytes);
        let ClientTimeouts { header, idle, stall, drain } = self.timeouts.client;
        limits.header = header.unwrap_or(limits.header);
        limits.idle = idle.unwrap_or(limits.idle);
        limits.stall = stall.unwrap_or(limits.stall);
        limits.drain = drain.unwrap_or(limits.drain);
        limits.with_http2()
    }
}

#[cfg(test)]
mod tests;
