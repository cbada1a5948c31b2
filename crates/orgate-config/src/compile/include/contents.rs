//! What is in the files that a policy includes: as bytes, so that what is too much together is refused before it is read.

use std::collections::BTreeMap;

use super::Surroundings;
use crate::{
    codes,
    diagnostic::{Diagnostic, Diagnostics, Span},
    document,
};

/// The most bytes of a policy and everything that it includes.
const MAX_TOTAL: usize = 4 * document::MAX_BYTES;

/// What is in the files of a policy that has so many bytes itself, before any of them is looked at: `None` if that is more
/// than is read. What cannot be read is left out.
pub(super) fn of(
    paths: BTreeMap<String, Span>,
    around: &Surroundings<'_>,
    bytes: usize,
    diagnostics: &mut Diagnostics,
) -> Option<Vec<(String, Vec<u8>)>> {
    let mut contents = Vec::with_capacity(paths.len());
    let mut left = MAX_TOTAL.saturating_sub(bytes);
    for (path, asked) in paths {
        let is_policy = [".yaml", ".yml", ".json", ".toml"].iter().any(|ending| path.ends_with(ending));
        if !is_policy {
            let message = format!("`{path}` is no YAML, JSON or TOML file by its name");
            let finding = Diagnostic::error(codes::INCLUDE, message).at(asked);
            diagnostics.push(finding.help("write the pattern so that it matches only fragments"));
            continue;
        }
        let bytes = match around.files.read(&path) {
            Ok(bytes) => bytes,
            Err(error) => {
                let message = format!("cannot read `{path}`: {error}");
                diagnostics.push(Diagnostic::error(codes::INCLUDE, message).at(asked));
                continue;
            }
        };
        left = match left.checked_sub(bytes.len()) {
            Some(left) => left,
            None if bytes.len() > document::MAX_BYTES => 0, // which is the first thing to say
            None => {
                let most = MAX_TOTAL / (1024 * 1024);
                let message = format!(
                    "with `{path}` the policy and the files that it includes have more than {most} MiB"
                );
                diagnostics.push(Diagnostic::error(codes::LIMIT, message).at(asked));
                return None;
            }
        };
        contents.push((path, bytes));
    }
    Some(contents)
}
