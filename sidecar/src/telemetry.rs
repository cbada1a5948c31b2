//! Logs to stderr, as text for people or JSON for machines.

use std::{fmt, io::IsTerminal};

use tracing_subscriber::{EnvFilter, fmt::format::FmtSpan};

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One object a line.
    Json,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum ColorChoice {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl ColorChoice {
    /// Whether diagnostics on stderr are coloured.
    #[must_use]
    pub fn on_stderr(self) -> bool {
        self.on(&std::io::stderr())
    }

    /// Whether results on stdout are coloured.
    #[must_use]
    pub fn on_stdout(self) -> bool {
        self.on(&std::io::stdout())
    }

    fn on(self, stream: &impl IsTerminal) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => {
                let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
                !unwanted && stream.is_terminal()
            }
        }
    }
}

/// A log filter that cannot be read.
#[derive(Debug)]
pub struct InvalidFilter {
    filter: String,
    problem: String,
}

impl fmt::Display for InvalidFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { filter, problem } = self;
        write!(
            f,
            "`{filter}` is not a log filter: {problem}\nhelp: try `--log info` or `--log orgate=debug,info`"
        )
    }
}

impl std::error::Error for InvalidFilter {}

/// Starts logging for the process. The first call wins; later ones change nothing.
///
/// # Errors
/// [`InvalidFilter`] if `filter` cannot be read.
pub fn init(filter: &str, format: LogFormat, color: ColorChoice) -> Result<(), InvalidFilter> {
    let parsed = EnvFilter::builder()
        .parse(filter)
        .map_err(|error| InvalidFilter { filter: filter.to_owned(), problem: error.to_string() })?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(parsed)
        .with_writer(std::io::stderr)
        .with_ansi(color.on_stderr())
        .with_span_events(FmtSpan::NONE);
    // A test or an embedding program may have its own subscriber already.
    let _ = match format {
        LogFormat::Text => builder.with_target(false).try_init().is_ok(),
        LogFormat::Json => builder.json().flatten_event(true).try_init().is_ok(),
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_cannot_be_read_is_shown_with_an_example() {
        let error = init("=,=loud", LogFormat::Text, ColorChoice::Never).expect_err("no filter");
        assert!(error.to_string().contains("`=,=loud`") && error.to_string().contains("help: "), "{error}");
    }
}
