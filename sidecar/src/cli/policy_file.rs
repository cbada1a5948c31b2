//! The policy file that a tool speaks of.

use std::path::{Path, PathBuf};

use clap::Args;
use orgate_config::PolicyFile;

use super::{Common, Failure};

/// The flag that names it.
#[derive(Clone, Debug, Args)]
pub(crate) struct PolicyFlag {
    /// The policy file [default: ./orgate.yaml, .yml, .toml or .json].
    #[arg(long, env = "ORGATE_POLICY", value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
}

impl PolicyFlag {
    /// Reads it; what is wrong in it is printed as `orgate check` would.
    pub(crate) fn load(&self, common: &Common) -> Result<PolicyFile, Failure> {
        load(Path::new("."), self.policy.as_deref(), common)
    }
}

/// Reads `explicit`, else the policy file of `directory`.
pub(crate) fn load(
    directory: &Path,
    explicit: Option<&Path>,
    common: &Common,
) -> Result<PolicyFile, Failure> {
    let color = common.color.on_stderr();
    orgate_config::discover(directory, explicit)
        .and_then(|path| orgate_config::load(&path, &environment))
        .map_err(|error| Failure::rendered(error.exit_code(), error.render(color)))
}

/// The environment, for `${NAME}` in a policy.
pub(crate) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
