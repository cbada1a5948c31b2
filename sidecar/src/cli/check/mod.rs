//! `orgate check`: everything that is wrong in policy files, at once.

mod access;
mod fix;
pub(super) mod github;
mod openapi;
mod sarif;
mod tested;

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use orgate_config::{
    LoadError, Mode,
    diagnostic::{Diagnostic, Diagnostics},
    document,
};
use serde_json::{Value, json};

use super::{Common, Failure, output, policy_file::environment, settings};

/// Flags of `orgate check`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  orgate check
      check ./orgate.yaml; every finding has its place, and most have a way out
  orgate check policies/*.yaml --deny-warnings
      several policies; warnings count as well
  orgate check --openapi openapi.yaml
      also: operations without a rule of their own, and rules without an operation
  orgate check --fix
      put `delete_org` in the place of `delet_org`, wherever an unknown name can mean one thing only
  orgate check --log access.log
      also: requests of an access log whose target would be refused, such as `GET //docs`, and how many
  orgate check --format github
      findings as annotations of a pull request
  orgate check --format sarif > orgate.sarif
      for code scanning

`orgate help E031` explains a code.

Exit codes: 0 no findings · 1 findings · 2 could not run")]
pub(crate) struct Options {
    /// The policy files [default: ./orgate.yaml, .yml, .toml or .json].
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The policy file, where no FILE is named.
    #[arg(long, env = "ORGATE_POLICY", value_name = "FILE")]
    policy: Option<PathBuf>,
    /// A settings file of the proxy, to be checked as well.
    #[arg(long, env = "ORGATE_SETTINGS", value_name = "FILE")]
    settings: Option<PathBuf>,
    /// An OpenAPI document of the application, to be compared with the rules.
    #[arg(long, env = "ORGATE_OPENAPI", value_name = "FILE")]
    openapi: Option<PathBuf>,
    /// The routes of the application, one `METHOD /path` a line, to be compared with the rules.
    #[arg(long, env = "ORGATE_ROUTES", value_name = "FILE")]
    routes: Option<PathBuf>,
    /// An access log of nginx, Apache, Envoy, Caddy or Traefik: which of its requests would be refused for their target alone;
    /// `-` is standard input. `--log ACCESS_LOG` is the same for a file that is there.
    #[arg(long, env = "ORGATE_ACCESS_LOG", value_name = "ACCESS_LOG")]
    access_log: Option<PathBuf>,
    /// End with exit code 1 also if there are only warnings.
    #[arg(long, env = "ORGATE_DENY_WARNINGS", value_parser = clap::builder::BoolishValueParser::new())]
    deny_warnings: bool,
    /// Mend what mends itself: unknown names that can mean one thing only. What was done is told on stderr.
    #[arg(long, env = "ORGATE_FIX", value_parser = clap::builder::BoolishValueParser::new())]
    fix: bool,
    /// Fetch nothing. It is never otherwise; the flag is for scripts that say so.
    #[arg(long, env = "ORGATE_OFFLINE", value_parser = clap::builder::BoolishValueParser::new())]
    offline: bool,
    /// How the findings look.
    #[arg(long, env = "ORGATE_FORMAT", value_name = "FORMAT", value_enum, default_value_t)]
    format: Format,
}

impl Options {
    /// Takes the file that `--log` names, where everywhere else the filter of what is logged stands: no filter is one.
    pub(super) fn take_log(&mut self, common: &mut Common) {
        let is_file = common.log.as_deref().is_some_and(|log| log == "-" || Path::new(log).is_file());
        if self.access_log.is_none() && is_file {
            self.access_log = common.log.take().map(PathBuf::from);
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people, with the lines they speak of.
    #[default]
    Text,
    /// One object.
    Json,
    /// Workflow commands of GitHub Actions.
    Github,
    /// SARIF 2.1.0.
    Sarif,
}

/// One file that was checked.
struct Checked {
    findings: Diagnostics,
    rules: usize,
    /// Its size in words.
    size: String,
}

pub(crate) fn run(options: &Options, common: &Common) -> Result<(), Failure> {
    let files = match options.files.as_slice() {
        [] => {
            vec![orgate_config::discover(Path::new("."), options.policy.as_deref()).map_err(could_not_run)?]
        }
        files => files.to_vec(),
    };
    if options.fix {
        files.iter().try_for_each(|path| fix::run(path))?;
    }
    let mut checked: Vec<Checked> =
        files.iter().map(|path| check(path, options)).collect::<Result<_, _>>()?;
    if let Some(path) = &options.settings {
        let (settings, findings) = settings::check(path)?;
        let size = format!("{} upstreams", settings.upstreams.len());
        checked.push(Checked { findings, rules: 0, size });
    }
    match options.format {
        Format::Text if common.quiet && checked.iter().all(|one| one.findings.is_empty()) => {}
        Format::Text => output::result(&text(&checked, common.color.on_stdout())),
        Format::Json => output::json(&to_json(&checked)),
        Format::Github => {
            output::result(&checked.iter().map(|one| github::render(&one.findings)).collect::<String>())
        }
        Format::Sarif => output::json(&sarif::render(checked.iter().map(|one| &one.findings))),
    }
    let counts =
        |one: &Checked| one.findings.has_errors() || options.deny_warnings && !one.findings.is_empty();
    if checked.iter().any(counts) { Err(Failure::findings()) } else { Ok(()) }
}

fn check(path: &Path, options: &Options) -> Result<Checked, Failure> {
    match orgate_config::load(path, &environment) {
        Ok(file) => {
            let mut findings = file.warnings.clone();
            openapi::compare(&file, options.openapi.as_deref(), options.routes.as_deref(), &mut findings)?;
            tested::check(path, &file, &mut findings);
            let mut size = file.size();
            if let Some(log) = &options.access_log {
                size = format!("{size}, {}", access::check(log, &file, &mut findings)?);
            }
            // What is wrong only from a certain day on.
            if let Mode::Observe(until) = &file.mode
                && let Some(finding) = until.finding(orgate::clock::now())
            {
                findings.push(finding);
            }
            findings.sort();
            Ok(Checked { rules: file.policy.rule_count(), size, findings })
        }
        Err(LoadError::Findings(findings)) => {
            let rules = written_rules(path);
            let size = format!("{rules} {}", if rules == 1 { "rule" } else { "rules" });
            Ok(Checked { findings, rules, size })
        }
        Err(error) => Err(could_not_run(error)),
    }
}

/// How many rules are written in a file that does not compile.
fn written_rules(path: &Path) -> usize {
    let Ok(bytes) = orgate_config::read_bytes(path) else { return 0 };
    let root = document::read(&path.display().to_string(), &bytes, &mut Diagnostics::new());
    let rules = root.as_ref().and_then(|root| root.get("rules")?.entries());
    rules.map_or(0, <[_]>::len)
}

#[allow(clippy::needless_pass_by_value, reason = "it is the function of a `map_err`")]
fn could_not_run(error: LoadError) -> Failure {
    Failure::rendered(error.exit_code(), error.render(false))
}

fn text(checked: &[Checked], color: bool) -> String {
    let mut text = String::new();
    for one in checked {
        text.push_str(&one.findings.render(color));
        text.push_str(&one.findings.summary(&one.size));
        text.push('\n');
    }
    text
}

fn to_json(checked: &[Checked]) -> Value {
    let findings: Vec<Value> = checked.iter().flat_map(|one| findings_json(&one.findings)).collect();
    let omitted = |which: fn((usize, usize)) -> usize| -> usize {
        checked.iter().map(|one| which(one.findings.omitted())).sum()
    };
    let (errors, warnings) = (omitted(|(errors, _)| errors), omitted(|(_, warnings)| warnings));
    let mut object = json!({
        "findings": findings,
        "rules": checked.iter().map(|one| one.rules).sum::<usize>(),
    });
    if let Some(object) = object.as_object_mut().filter(|_| errors + warnings > 0) {
        object.insert("omitted".to_owned(), json!({"errors": errors, "warnings": warnings}));
    }
    object
}

/// The findings as scripts read them.
pub(super) fn findings_json(findings: &Diagnostics) -> Vec<Value> {
    findings.iter().map(|finding| finding_json(findings, finding)).collect()
}

fn finding_json(findings: &Diagnostics, finding: &Diagnostic) -> Value {
    json!({
        "code": finding.code,
        "severity": finding.severity.as_str(),
        "message": finding.message,
        "file": finding.span.map(|span| findings.file_name(span.file)),
        "line": finding.span.map(|span| span.line),
        "column": finding.span.map(|span| span.column),
        "help": finding.help,
    })
}
