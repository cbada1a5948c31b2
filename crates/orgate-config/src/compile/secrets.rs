//! `{env: NAME}` and `{file: PATH}`: where a secret is, never the secret itself.
//!
//! The policy file is read by reviewers and lies in a repository, so a secret written into it is an error. What is named
//! here is read when a gate is made, not when a file is checked: whoever checks a policy need not know its secrets.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use crate::{
    codes,
    diagnostic::{Diagnostic, Diagnostics},
    document::{self, MapReader, Node, Value},
};

/// Where a secret is. Exhaustive on purpose: a gate must be able to read all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// In this environment variable.
    Env(String),
    /// In this file; a relative path was resolved against the directory of the policy file.
    File(PathBuf),
}

/// The largest file that holds a secret.
const MAX_SECRET_BYTES: usize = 64 * 1024;

/// Why a secret cannot be read. Says nothing of its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretUnreadable(String);

impl fmt::Display for SecretUnreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SecretUnreadable {}

impl SecretSource {
    /// The secret. One line end behind it is taken away, because editors and orchestrators add it.
    ///
    /// # Errors
    /// [`SecretUnreadable`] if there is nothing, or nothing that could be a secret.
    pub fn read(&self, env: &dyn Fn(&str) -> Option<String>) -> Result<String, SecretUnreadable> {
        let text = match self {
            Self::Env(name) => env(name)
                .ok_or_else(|| SecretUnreadable(format!("the environment variable `{name}` is not set")))?,
            Self::File(path) => {
                let bytes = std::fs::read(path).map_err(|error| {
                    SecretUnreadable(format!("the file `{}` cannot be read: {error}", path.display()))
                })?;
                if bytes.len() > MAX_SECRET_BYTES {
                    return Err(SecretUnreadable(format!("the file `{}` is too large", path.display())));
                }
                String::from_utf8(bytes)
                    .map_err(|_| SecretUnreadable(format!("the file `{}` is not UTF-8", path.display())))?
            }
        };
        let text = text.strip_suffix('\n').map_or(&*text, |line| line.strip_suffix('\r').unwrap_or(line));
        if text.is_empty() { Err(SecretUnreadable(format!("{self} is empty"))) } else { Ok(text.to_owned()) }
    }
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "the environment variable `{name}`"),
            Self::File(path) => write!(f, "the file `{}`", path.display()),
        }
    }
}

/// One secret, or a list of them of which all are in force.
pub(super) fn sources(
    node: &Node,
    path: &str,
    directory: &Path,
    diagnostics: &mut Diagnostics,
) -> Vec<SecretSource> {
    let items = match &node.value {
        Value::List(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    if items.is_empty() {
        let finding = Diagnostic::error(codes::BAD_VALUE, format!("`{path}` is empty"));
        diagnostics.push(finding.at(node.span).help(HELP));
    }
    items.iter().filter_map(|item| source(item, path, directory, diagnostics)).collect()
}

/// One secret.
pub(super) fn source(
    node: &Node,
    path: &str,
    directory: &Path,
    diagnostics: &mut Diagnostics,
) -> Option<SecretSource> {
    if matches!(node.value, Value::Text(_) | Value::Integer(_)) {
        // The value is not repeated: findings are printed in public places.
        let message = format!("`{path}` holds the secret itself");
        diagnostics.push(Diagnostic::error(codes::SECRET_LITERAL, message).at(node.span).help(HELP));
        return None;
    }
    if node.entries().is_none() {
        document::wrong_kind(node, path, "`{env: NAME}` or `{file: PATH}`", diagnostics);
        return None;
    }
    let mut map = MapReader::new(node, path, diagnostics)?;
    let env = map.optional("env").text();
    let file = map.optional("file").text();
    let is_one = map.has("env") != map.has("file");
    map.finish();
    if !is_one {
        let message = format!("`{path}` needs exactly one place");
        diagnostics.push(Diagnostic::error(codes::BAD_VALUE, message).at(node.span).help(HELP));
        return None;
    }
    if let Some(name) = env {
        let is_name = name.value.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if is_name {
            return Some(SecretSource::Env(name.value.to_owned()));
        }
        let message = format!("`{path}.env` is no name of an environment variable");
        diagnostics.push(Diagnostic::error(codes::BAD_VALUE, message).at(name.span).help(HELP));
        return None;
    }
    let file = file?;
    if file.value.is_empty() {
        let finding = Diagnostic::error(codes::BAD_VALUE, format!("`{path}.file` is empty"));
        diagnostics.push(finding.at(file.span).help(HELP));
        return None;
    }
    Some(SecretSource::File(directory.join(file.value)))
}

const HELP: &str = "write `{env: NAME}` or `{file: PATH}`";
