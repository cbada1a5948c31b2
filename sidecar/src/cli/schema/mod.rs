//! `orgate schema`: the policy file as a JSON Schema, so that editors complete and check it.

mod issuers;
mod policy;
mod settings;
mod tests_file;

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{Common, Failure, output, policy_file};

/// Flags of `orgate schema`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  orgate schema > orgate.schema.json
      for every policy; name it in the first line of orgate.yaml:
      # yaml-language-server: $schema=./orgate.schema.json
  orgate schema --for orgate.yaml > orgate.schema.json
      with the permissions and roles of this policy, so that an editor completes them
  orgate schema --of tests --for orgate.yaml > orgate.test.schema.json
      for the tests beside the policy
  orgate schema --for settings > sidecar.schema.json
      for the settings file of the proxy

An editor sees misspelt keys and values of the wrong kind; `orgate check` sees everything.

Exit codes: 0 done · 1 something is wrong in the policy · 2 could not run")]
pub(crate) struct Options {
    /// A policy whose permissions and roles are offered; or `settings`, for the settings file of the proxy.
    #[arg(long = "for", env = "ORGATE_FOR", value_name = "POLICY|settings")]
    policy: Option<PathBuf>,
    /// Which file the schema is of.
    #[arg(long, env = "ORGATE_OF", value_name = "FILE", value_enum, default_value_t)]
    of: Of,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Of {
    /// The policy.
    #[default]
    Policy,
    /// A file that a policy includes.
    Fragment,
    /// The tests of a policy.
    Tests,
    /// The settings of the proxy.
    Settings,
}

/// The names of one policy.
#[derive(Debug, Default)]
struct Names {
    permissions: Vec<String>,
    roles: Vec<String>,
}

pub(crate) fn run(options: &Options, common: &Common) -> Result<(), Failure> {
    let for_settings = options.policy.as_deref() == Some(std::path::Path::new("settings"));
    if for_settings || options.of == Of::Settings {
        output::json(&settings::schema());
        return Ok(());
    }
    let names = match &options.policy {
        None => Names::default(),
        Some(path) => {
            let file = policy_file::load(std::path::Path::new("."), Some(path), common)?;
            let all = |names: &mut dyn Iterator<Item = &str>| names.map(str::to_owned).collect();
            Names { permissions: all(&mut file.policy.permissions()), roles: all(&mut file.policy.roles()) }
        }
    };
    output::json(&match options.of {
        Of::Policy => policy::schema(&names),
        Of::Fragment => policy::fragment(&names),
        Of::Tests => tests_file::schema(&names),
        Of::Settings => settings::schema(),
    });
    Ok(())
}

#[cfg(test)]
mod tests;
