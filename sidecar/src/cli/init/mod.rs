//! `orgate init`: a policy to begin with, its tests, and what keeps both true.
//!
//! What is written passes `orgate check`, `orgate test` and `orgate fmt --check` before it is written; nothing that is
//! there is overwritten.

mod files;

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};
use orgate::testing::tools::{Judged, read_cases, report};
use serde_json::json;

use super::{Common, Failure, lsp, output};

/// Flags of `orgate init`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  orgate init
      for tokens of the companion issuer
  orgate init --from auth0 --issuer https://acme.eu.auth0.com/ --audience https://api.acme.com
      for tokens of another issuer; the names are those under `profile:` in a policy
  orgate init --framework fastapi
      and say how an application of this framework is put behind the proxy

Writes orgate.yaml, orgate.test.yaml, .pre-commit-config.yaml and .github/workflows/orgate.yml. If one of them is there
already, nothing is written.

Exit codes: 0 written · 2 could not run")]
pub(crate) struct Options {
    /// Whose tokens they are: a profile.
    #[arg(long, env = "ORGATE_FROM", value_name = "PROFILE", default_value = "orgate")]
    from: String,
    /// The `iss` of the tokens, exactly.
    #[arg(long, env = "ORGATE_ISSUER", value_name = "URL", default_value = "https://auth.example.com")]
    issuer: String,
    /// The `aud` of the tokens.
    #[arg(long, env = "ORGATE_AUDIENCE", value_name = "NAME", default_value = "my-api")]
    audience: String,
    /// What the application is made with.
    #[arg(long, env = "ORGATE_FRAMEWORK", value_name = "FRAMEWORK", value_enum)]
    framework: Option<Framework>,
    /// Where to write.
    #[arg(long, env = "ORGATE_DIRECTORY", value_name = "DIRECTORY", default_value = ".")]
    directory: PathBuf,
    /// How the result looks.
    #[arg(long, env = "ORGATE_FORMAT", value_name = "FORMAT", value_enum, default_value_t)]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Framework {
    /// Rust, in the process itself.
    Axum,
    /// Node.
    Express,
    /// Python.
    Fastapi,
    /// Python.
    Flask,
    /// Python.
    Django,
    /// Ruby.
    Rails,
    /// Java.
    Spring,
    /// Go's net/http.
    Go,
}

impl Framework {
    /// The port on which such an application usually listens.
    fn port(self) -> u16 {
        match self {
            Self::Axum | Self::Express | Self::Rails => 3000,
            Self::Fastapi | Self::Django => 8000,
            Self::Flask => 5000,
            Self::Spring | Self::Go => 8081,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    #[default]
    Text,
    /// One object.
    Json,
}

pub(crate) fn run(options: &Options, _: &Common) -> Result<(), Failure> {
    check_profile(&options.from)?;
    let policy = files::policy(&options.from, &options.issuer, &options.audience);
    check(&policy)?;
    let files = [
        ("orgate.yaml", policy.as_str()),
        ("orgate.test.yaml", files::TESTS),
        (".pre-commit-config.yaml", files::PRE_COMMIT),
        (".github/workflows/orgate.yml", files::WORKFLOW),
    ];
    let there = files.iter().map(|(name, _)| *name);
    // A policy under any of its names is one that is there.
    let there: Vec<&str> = orgate_config::FILE_NAMES
        .into_iter()
        .chain(there)
        .filter(|name| options.directory.join(name).symlink_metadata().is_ok())
        .collect();
    if let Some(first) = there.first() {
        let help = "nothing was written; move it away, or name another --directory";
        return Err(Failure::could_not_run(format!("`{first}` is there already\nhelp: {help}")));
    }
    for (name, text) in files {
        write(&options.directory.join(name), text)
            .map_err(|error| Failure::could_not_run(format!("cannot write `{name}`: {error}")))?;
    }
    let names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
    match options.format {
        Format::Json => output::json(&json!({"written": names})),
        Format::Text => output::result(&format!("wrote {}\n\n{}", names.join(", "), next(options.framework))),
    }
    Ok(())
}

fn check_profile(profile: &str) -> Result<(), Failure> {
    let known = lsp::profiles();
    if known.iter().any(|known| known == profile) {
        return Ok(());
    }
    let help = match orgate_policy::closest(profile, known.iter().map(String::as_str)) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("the profiles are {}", known.join(", ")),
    };
    Err(Failure::could_not_run(format!("there is no profile `{}`\nhelp: {help}", profile.escape_debug())))
}

/// What is written must pass what it is checked with from then on.
fn check(policy: &str) -> Result<(), Failure> {
    let findings = |text: String| Failure::could_not_run(format!("this would not be a good policy\n{text}"));
    let file = orgate_config::compile("orgate.yaml", policy.as_bytes(), &|_| None)
        .map_err(|found| findings(found.render(false)))?;
    let cases = read_cases("orgate.test.yaml", files::TESTS.as_bytes(), &file)
        .map_err(|found| findings(found.render(false)))?;
    let judged = Judged::new("orgate.test.yaml".to_owned(), &file, &cases);
    if judged.passed() { Ok(()) } else { Err(findings(report(&[judged], false))) }
}

/// Writes a file that is not there; one that came into being meanwhile is left alone.
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    OpenOptions::new().write(true).create_new(true).open(path)?.write_all(text.as_bytes())
}

fn next(framework: Option<Framework>) -> String {
    let mut text = String::from(
        "next:\n  orgate check        every finding has a way out\n  orgate test         who gets in, as orgate.test.yaml says\n  orgate matrix       who may do what, as a table\n",
    );
    match framework {
        Some(Framework::Axum) => text.push_str(
            "  in main.rs:\n    let gate = orgate::Gate::load(\"orgate.yaml\").await?;\n    axum::serve(listener, gate.protect(app)).await?;\n  in a test:\n    orgate::testing::run(\"orgate.test.yaml\");\n",
        ),
        framework => {
            let port = framework.map_or(3000, Framework::port);
            text.push_str(&format!(
                "  orgate proxy --upstream http://127.0.0.1:{port}\n                      the application listens on 127.0.0.1 only; who is calling is in X-Orgate-Sub and its siblings\n"
            ));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::fmt;

    #[test]
    fn what_is_written_is_good_for_every_profile_and_formatted() {
        for profile in lsp::profiles() {
            let policy = files::policy(&profile, "https://auth.example.com", "my-api");
            assert!(check(&policy).is_ok(), "{profile}: {}", check(&policy).unwrap_err());
            let file = orgate_config::compile("orgate.yaml", policy.as_bytes(), &|_| None).unwrap();
            assert!(file.warnings.is_empty(), "{profile}: {}", file.warnings);
            assert_eq!(fmt::format("orgate.yaml", policy.as_bytes()).unwrap(), policy, "{profile}");
        }
        assert!(lsp::profiles().len() > 10);
    }

    #[test]
    fn every_rule_is_covered_by_the_tests_that_are_written() {
        let policy = files::policy("orgate", "https://auth.example.com", "my-api");
        let file = orgate_config::compile("orgate.yaml", policy.as_bytes(), &|_| None).unwrap();
        let cases = read_cases("t", files::TESTS.as_bytes(), &file).unwrap();
        let missing = Judged::new("t".to_owned(), &file, &cases).coverage.missing;
        assert!(missing.is_empty(), "{missing:?}");
    }

    #[test]
    fn an_issuer_cannot_break_out_of_its_line() {
        let policy = files::policy("orgate", "https://a.example\"}\nrules: {ANY /**: public}", "x\"y");
        assert!(check(&policy).is_err());
        assert!(check(&files::policy("orgate", "https://a.example", "x\"}, y: {")).is_ok());
    }
}
