//! The command line: one binary, its verbs, and what they end with.
//!
//! Results go to stdout, logs and diagnostics to stderr. Every flag can be given as `ORGATE_<FLAG>` in the environment;
//! the command line wins.

mod check;
mod decisions;
#[cfg(feature = "issuer")]
mod demo;
mod diff;
mod doors;
mod exit;
mod explain;
mod fmt;
mod generate;
mod guard;
mod help;
mod import;
mod init;
#[cfg(feature = "issuer")]
mod issuer;
mod log;
mod lsp;
mod matrix;
mod output;
mod paragraphs;
mod peers;
mod policy_file;
mod proxy;
mod readiness;
mod reload;
mod replay;
mod schema;
mod serve;
mod settings;
mod shadow;
mod signals;
mod snippet;
mod supervisor;
mod test;
mod tls;
mod token;
mod upstreams;

use std::{process::ExitCode, sync::Arc, thread};

use clap::{Args, FromArgMatches as _, Parser, Subcommand};

pub use self::exit::Failure;
use crate::{
    serve::Workers,
    telemetry::{self, ColorChoice, LogFormat},
};

/// Organization permissions in front of any HTTP application.
#[derive(Debug, Parser)]
#[command(
    name = "orgate",
    version,
    about,
    propagate_version = true,
    disable_help_subcommand = true,
    arg_required_else_help = true,
    max_term_width = 110,
    after_help = "\
Exit codes: 0 done · 1 something is wrong in a policy or bootstrap file · 2 could not run (flags, files, ports)
Every flag can be set in the environment as ORGATE_<FLAG>, for example ORGATE_POLICY=orgate.yaml."
)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    verb: Verb,
}

/// What every verb takes.
#[derive(Clone, Debug, Args)]
pub(crate) struct Common {
    /// What to log: a level (error, warn, info, debug, trace), or levels by target [default: info; warn in the demo and the policy tools].
    #[arg(long, global = true, env = "ORGATE_LOG", value_name = "FILTER", help_heading = "Output")]
    pub(crate) log: Option<String>,
    /// How log lines look [default: text].
    #[arg(
        long,
        global = true,
        env = "ORGATE_LOG_FORMAT",
        value_name = "FORMAT",
        value_enum,
        help_heading = "Output"
    )]
    pub(crate) log_format: Option<LogFormat>,
    /// When to use colour.
    #[arg(
        long,
        global = true,
        env = "ORGATE_COLOR",
        value_name = "WHEN",
        value_enum,
        default_value_t,
        help_heading = "Output"
    )]
    pub(crate) color: ColorChoice,
    /// Print nothing where nothing is wrong: for check, test and diff.
    #[arg(
        long,
        short,
        global = true,
        env = "ORGATE_QUIET",
        value_parser = clap::builder::BoolishValueParser::new(),
        help_heading = "Output"
    )]
    pub(crate) quiet: bool,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show it all on this machine: issuer, sidecar, layer, and who may do what.
    #[cfg(feature = "issuer")]
    Demo(demo::Options),
    /// Run the reverse proxy that enforces a policy file.
    Proxy(Box<proxy::Options>),
    /// Answer other proxies, which ask whether a request may go on.
    Serve(serve::Options),
    /// Run the companion issuer: sign-in, organizations, tokens.
    #[cfg(feature = "issuer")]
    Issuer(issuer::Options),
    /// Find everything that is wrong in policy files.
    Check(check::Options),
    /// Check who gets in, as written down beside the policy.
    Test(test::Options),
    /// Tell what a request is answered with, and why.
    Explain(Box<explain::Options>),
    /// Show who may do what: every rule against every role.
    Matrix(matrix::Options),
    /// Make a policy to begin with from what an application has already.
    Import(import::Options),
    /// Print the JSON Schema of a policy file, for editors.
    Schema(schema::Options),
    /// Show what a change of a policy changes: who gains and who loses what.
    Diff(diff::Options),
    /// Put policy files into one form.
    Fmt(fmt::Options),
    /// Write a policy to begin with, and its tests.
    Init(init::Options),
    /// Print what puts orgate in front of an application elsewhere.
    Snippet(snippet::Options),
    /// Judge the requests of a decision log by another policy.
    Replay(replay::Options),
    /// Sum up what shadow rules and an observed policy would have done.
    Shadow(shadow::Options),
    /// Make tokens for development, and look into tokens.
    Token(token::Options),
    /// Serve an editor: findings, completion, who gets in.
    Lsp(lsp::Options),
    /// Explain a verb, a finding or a refusal.
    Help(help::Options),
    /// Print the completions of a shell.
    Completions(generate::Completions),
    /// Print the manual page, as roff.
    Man(generate::Man),
}

impl Verb {
    /// Reads what says how to log, beside the flags.
    fn prepare(&mut self, common: &mut Common) -> Result<(Option<String>, Option<LogFormat>), Failure> {
        match self {
            Self::Check(options) => {
                options.take_log(common);
                Ok((None, None))
            }
            Self::Proxy(options) => options.read_settings(common),
            _ => Ok((None, None)),
        }
    }

    /// What is logged unless the user says otherwise.
    fn default_log(&self) -> &'static str {
        match self {
            // What it shows is its output; a line for each refusal would bury it.
            #[cfg(feature = "issuer")]
            Self::Demo(_) => "warn",
            Self::Proxy(_) | Self::Serve(_) => "info",
            #[cfg(feature = "issuer")]
            Self::Issuer(_) => "info",
            _ => "warn",
        }
    }
}

/// Runs the program; what `main` returns.
#[must_use]
pub fn run() -> ExitCode {
    // Help, version and usage errors end here, with 0 and 2.
    let mut matches = paragraphs::command().get_matches();
    let Cli { mut common, mut verb } =
        Cli::from_arg_matches_mut(&mut matches).unwrap_or_else(|error| error.exit());
    let result = verb
        .prepare(&mut common)
        .and_then(|(level, format)| {
            let filter = common.log.as_deref().or(level.as_deref()).unwrap_or_else(|| verb.default_log());
            let format = common.log_format.or(format).unwrap_or_default();
            telemetry::init(filter, format, common.color).map_err(Failure::could_not_run)
        })
        .and_then(|()| match verb {
            #[cfg(feature = "issuer")]
            Verb::Demo(options) => demo::run(&options, &common),
            Verb::Proxy(options) => proxy::run(*options, &common),
            Verb::Serve(options) => serve::run(options, &common),
            #[cfg(feature = "issuer")]
            Verb::Issuer(options) => issuer::run(options, &common),
            Verb::Check(options) => check::run(&options, &common),
            Verb::Test(options) => test::run(&options, &common),
            Verb::Explain(options) => explain::run(&options, &common),
            Verb::Matrix(options) => matrix::run(&options, &common),
            Verb::Import(options) => import::run(&options, &common),
            Verb::Schema(options) => schema::run(&options, &common),
            Verb::Diff(options) => diff::run(&options, &common),
            Verb::Fmt(options) => fmt::run(&options, &common),
            Verb::Init(options) => init::run(&options, &common),
            Verb::Snippet(options) => snippet::run(&options, &common),
            Verb::Replay(options) => replay::run(&options, &common),
            Verb::Shadow(options) => shadow::run(&options, &common),
            Verb::Token(options) => token::run(&options, &common),
            Verb::Lsp(options) => lsp::run(&options),
            Verb::Help(options) => help::run(&options),
            Verb::Completions(options) => generate::completions(&options),
            Verb::Man(options) => generate::man(&options),
        });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output::failure(&failure, common.color);
            failure.code()
        }
    }
}

/// A runtime with `threads` workers; as many as there are cores by default.
pub(crate) fn runtime(threads: Option<usize>) -> Result<tokio::runtime::Runtime, Failure> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = threads {
        builder.worker_threads(threads);
    }
    builder
        .enable_all()
        .thread_name("orgate")
        .build()
        .map_err(|error| Failure::could_not_run(format!("cannot start worker threads: {error}")))
}

/// The threads that serve the proxy: `threads`, or one for each core.
pub(crate) fn workers(threads: Option<usize>) -> Result<Arc<Workers>, Failure> {
    let count = threads.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from));
    Workers::start(count)
        .map_err(|error| Failure::could_not_run(format!("cannot start worker threads: {error}")))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn refused(arguments: &[&str]) -> (i32, String) {
        let error = Cli::try_parse_from(arguments).expect_err("it is wrong");
        (error.exit_code(), error.to_string())
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_flag_can_come_from_the_environment() {
        let command = Cli::command();
        for verb in command.get_subcommands() {
            for argument in verb.get_arguments().chain(command.get_arguments()) {
                let Some(long) = argument.get_long().filter(|long| !matches!(*long, "help" | "version"))
                else {
                    continue;
                };
                let expected = format!("ORGATE_{}", long.to_uppercase().replace('-', "_"));
                let actual = argument.get_env().map(|name| name.to_string_lossy().into_owned());
                assert_eq!(actual, Some(expected), "--{long} of {}", verb.get_name());
            }
        }
    }

    #[test]
    fn a_misspelt_verb_or_flag_gets_a_suggestion_and_exit_code_2() {
        let (code, text) = refused(&["orgate", "prxoy"]);
        assert!(code == 2 && text.contains("'proxy'"), "{code} {text}");
        let (code, text) = refused(&["orgate", "proxy", "--upstraem", "http://127.0.0.1:3000"]);
        assert!(code == 2 && text.contains("--upstream"), "{code} {text}");
        let (code, _) = refused(&["orgate", "proxy"]);
        assert_eq!(code, 2);
        let (code, _) = refused(&["orgate", "proxy", "--upstream", "http://a", "--threads", "0"]);
        assert_eq!(code, 2);
    }

    #[test]
    fn help_has_examples_for_every_verb() {
        for verb in Cli::command().get_subcommands() {
            let help = verb.clone().render_long_help().to_string();
            assert!(
                help.contains("Examples:") && help.contains(&format!("orgate {}", verb.get_name())),
                "{help}"
            );
        }
    }
}
