//! `orgate import`: a policy to begin with, from what an application has already.

pub(crate) mod openapi;
pub(crate) mod rules;
mod write;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use orgate_config::diagnostic::Diagnostics;
use orgate_policy::{Methods, RuleKey};

use self::rules::Rule;
use super::{Common, Failure, output, policy_file};

/// Flags of `orgate import`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  orgate import openapi openapi.yaml > orgate.yaml
      a policy with a rule for every operation; `# decide:` marks what the document does not say
  orgate import openapi openapi.json --merge orgate.yaml > merged.yaml
      the policy with rules for the operations that have none yet

The result passes `orgate check`. Security requirements become requirements (a list is `or`, one entry is `and`, `[]` is
public, `{}` is optional), scopes become permissions, `x-orgate` and `x-permissions` are taken as they are. What the
document leaves open is `deny`.

Exit codes: 0 done · 1 something is wrong in the document or the policy · 2 could not run")]
pub(crate) struct Options {
    #[command(subcommand)]
    from: From,
}

#[derive(Debug, Subcommand)]
enum From {
    /// From an OpenAPI 3.0 or 3.1 document, as YAML or JSON.
    Openapi(Openapi),
}

/// Flags of `orgate import openapi`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  orgate import openapi openapi.yaml > orgate.yaml
  orgate import openapi openapi.json --merge orgate.yaml > merged.yaml")]
struct Openapi {
    /// The document.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// A policy to which only what is missing is added.
    #[arg(long, env = "ORGATE_MERGE", value_name = "POLICY")]
    merge: Option<PathBuf>,
}

pub(crate) fn run(options: &Options, common: &Common) -> Result<(), Failure> {
    let From::Openapi(options) = &options.from;
    let mut findings = Diagnostics::new();
    let api = openapi::load(&options.file, &mut findings)?;
    if findings.has_errors() {
        findings.sort();
        return Err(Failure::rendered(1, findings.render(common.color.on_stderr())));
    }
    let name = options.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let (text, notes) = match &options.merge {
        None => {
            let rules = rules::rules(&api.operations, &[]);
            (write::policy(&name, &api, &rules), rules.notes)
        }
        Some(path) => {
            let file = policy_file::load(std::path::Path::new("."), Some(path), common)?;
            let keys = file.policy.keys().zip(file.policy.rules());
            let kept: Vec<Rule> = keys.filter_map(|(key, (_, text))| kept(key, text)).collect();
            let rules = rules::rules(&api.operations, &kept);
            let written = std::fs::read_to_string(path).map_err(|error| {
                Failure::could_not_run(format!("cannot read `{}`: {error}", path.display()))
            })?;
            let known: Vec<&str> = file.policy.permissions().collect();
            (write::merged(&name, &written, &known, &rules)?, rules.notes)
        }
    };
    notes.iter().for_each(|note| output::note(&format!("note: {note}")));
    output::result(&text);
    Ok(())
}

/// A rule of the policy that is merged into.
fn kept(key: &RuleKey, requirement: &str) -> Option<Rule> {
    if key.host().is_some() {
        return None;
    }
    let methods = match key.methods() {
        Methods::Any => vec!["ANY".to_owned()],
        Methods::Named(names) => names.iter().map(ToString::to_string).collect(),
    };
    Some(Rule { methods, pattern: key.pattern().clone(), requirement: requirement.to_owned(), comment: None })
}

#[cfg(test)]
mod tests;
