//! How an installation is set up, and why it may not start.

mod public_url;

use std::{fmt, path::PathBuf, sync::Arc};

use orgate_config::diagnostic::Diagnostics;

pub(crate) use self::public_url::PublicUrl;
use crate::{courier::Courier, gdpr::Contributor, hooks::Hooks, mail::Smtp, reach::Network};

/// What the issuer is told at the start.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// Where the data is: `sqlite://orgate.db` (in the working directory), `sqlite:///var/lib/orgate.db`,
    /// `sqlite::memory:` for data that goes with the process, or `postgres://orgate@db.example.com/orgate`.
    pub database: String,
    /// Where clients and browsers reach the issuer: an origin such as `https://id.example.com`, with a path if it is part of an
    /// application. It begins every issuer URL and every link; request headers are never asked for it.
    pub public_url: String,
    /// The file with the secret; `None` means the database's file with `.secret` behind it. With PostgreSQL it has to be
    /// named, the same on every machine.
    pub secret_file: Option<PathBuf>,
    /// A file with projects, users and organizations that must exist.
    pub bootstrap: Option<PathBuf>,
    /// The same as a text, for an application that brings it along. One of the two.
    pub bootstrap_text: Option<String>,
    /// Where the end users' API is.
    pub prefix: String,
    /// The name of the end users' cookie, `{project}` standing for the project's id; `None` means
    /// `__Host-orgate-{project}` on https and `orgate-{project}` on http.
    pub session_cookie: Option<String>,
    /// What brings news to applications, such as the end of a session; `None` means that they are not told.
    pub courier: Option<Arc<dyn Courier>>,
    /// What an application wants to be asked and told; `None` means nothing.
    pub hooks: Option<Arc<dyn Hooks>>,
    /// Networks besides the public one that webhooks and news of sign-outs may be sent to.
    pub allowed_networks: Vec<Network>,
    /// What an application knows of its users itself, for their exports.
    pub contributors: Vec<Arc<dyn Contributor>>,
    /// Where mail is handed over; without it, mail lies in the outbox.
    pub smtp: Option<Smtp>,
    /// The sender of mail; `None` means `no-reply@` and the host of the public URL.
    pub mail_from: Option<String>,
    /// Whether [`Issuer::outbox`](crate::Issuer::outbox) shows the mail that waits: for development.
    pub dev_outbox: bool,
}

impl Settings {
    /// Settings for the public URL `public_url`, everything else as it is without any flag.
    #[must_use]
    pub fn new(public_url: impl Into<String>) -> Self {
        Self {
            database: "sqlite://orgate.db".to_owned(),
            public_url: public_url.into(),
            secret_file: None,
            bootstrap: None,
            bootstrap_text: None,
            prefix: "/v1/auth".to_owned(),
            session_cookie: None,
            courier: None,
            hooks: None,
            allowed_networks: Vec::new(),
            contributors: Vec::new(),
            smtp: None,
            mail_from: None,
            dev_outbox: false,
        }
    }

    /// Whether the prefix can be the beginning of a route.
    pub(crate) fn check_prefix(&self) -> Result<(), StartError> {
        let prefix = &self.prefix;
        let segments: Vec<&str> = prefix.strip_prefix('/').unwrap_or_default().split('/').collect();
        let well_formed = segments.iter().all(|segment| {
            !segment.is_empty() && segment.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        });
        let taken = ["p", "api", "setup", ".well-known"];
        if !well_formed {
            return Err(StartError::could_not_run(format!(
                "`{prefix}` cannot be the prefix of the end users' API\nhelp: it begins with `/` and does not end with \
                 it, for example `/v1/auth`"
            )));
        }
        match segments.first() {
            Some(first) if taken.contains(first) => Err(StartError::could_not_run(format!(
                "the prefix `{prefix}` begins with a path the issuer uses itself\nhelp: choose another, for example \
                 `/v1/auth`"
            ))),
            _ => Ok(()),
        }
    }
}

/// Why the issuer does not start.
#[derive(Debug)]
pub struct StartError(Kind);

#[derive(Debug)]
enum Kind {
    Findings(Box<Diagnostics>),
    CouldNotRun(String),
}

impl StartError {
    pub(crate) fn could_not_run(why: impl Into<String>) -> Self {
        Self(Kind::CouldNotRun(why.into()))
    }

    pub(crate) fn findings(findings: Diagnostics) -> Self {
        Self(Kind::Findings(Box::new(findings)))
    }

    /// What is wrong *in* the bootstrap file, if that is the reason (exit code 1); otherwise something kept the issuer
    /// from running (exit code 2).
    #[must_use]
    pub fn diagnostics(&self) -> Option<&Diagnostics> {
        match &self.0 {
            Kind::Findings(findings) => Some(findings),
            Kind::CouldNotRun(_) => None,
        }
    }

    /// The exit code of a program that ends for this reason: 1 for findings in a file, 2 for everything else.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        if self.diagnostics().is_some() { 1 } else { 2 }
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Findings(_) => f.write_str("the bootstrap file has mistakes"),
            Kind::CouldNotRun(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for StartError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_that_would_shadow_another_route_is_refused() {
        for (prefix, good) in
            [("/v1/auth", true), ("/x", true), ("", false), ("/", false), ("v1", false), ("/v1/", false)]
                .into_iter()
                .chain([("/p/x", false), ("/api", false), ("/{a}", false), ("/a//b", false)])
        {
            let mut settings = Settings::new("http://127.0.0.1:8090");
            settings.prefix = prefix.to_owned();
            assert_eq!(settings.check_prefix().is_ok(), good, "{prefix}");
        }
    }
}
