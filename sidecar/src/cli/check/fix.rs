//! `orgate check --fix`: puts in the place of names that are none the only ones that can be meant.

use std::{collections::BTreeMap, fs, path::Path};

use orgate_config::{
    LoadError,
    fix::{Fix, apply, fixes},
};

use crate::cli::{Failure, output, policy_file::environment};

/// A fix may bring to light what another one hid.
const ROUNDS: usize = 8;

/// Mends the files of a policy and says what was done. Files in which that leaves no fewer errors stay as they are.
pub(super) fn run(path: &Path) -> Result<(), Failure> {
    for _ in 0..ROUNDS {
        let Err(LoadError::Findings(findings)) = orgate_config::load(path, &environment) else {
            return Ok(());
        };
        let mut by_file: BTreeMap<String, Vec<Fix>> = BTreeMap::new();
        for fix in fixes(&findings) {
            by_file.entry(findings.file_name(fix.file).to_owned()).or_default().push(fix);
        }
        if by_file.is_empty() {
            return Ok(());
        }
        let mut before = Vec::new();
        for (name, fixes) in &by_file {
            let text = fs::read_to_string(name).map_err(|error| cannot("read", name, &error))?;
            let mended = apply(&text, fixes);
            before.push((name, text));
            fs::write(name, mended).map_err(|error| cannot("write", name, &error))?;
        }
        let left = match orgate_config::load(path, &environment) {
            Err(LoadError::Findings(left)) => left.errors(),
            _ => 0,
        };
        if left >= findings.errors() {
            for (name, text) in before {
                fs::write(name, text).map_err(|error| cannot("write", name, &error))?;
            }
            return Ok(());
        }
        for (name, fixes) in &by_file {
            for Fix { line, code, before, after, .. } in fixes {
                output::note(&format!("fixed {name}:{line}: `{before}` -> `{after}` ({code})"));
            }
        }
    }
    Ok(())
}

fn cannot(what: &str, name: &str, error: &std::io::Error) -> Failure {
    Failure::could_not_run(format!("cannot {what} `{name}`: {error}"))
}
