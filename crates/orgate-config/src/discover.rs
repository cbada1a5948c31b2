//! Finding and reading the policy file.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use crate::{
    compile::{compile, compile_for_development},
    diagnostic::Diagnostics,
    file::PolicyFile,
    files::read_bytes,
};

/// The names under which a policy file is found, the usual one first.
pub const FILE_NAMES: [&str; 4] = ["orgate.yaml", "orgate.yml", "orgate.toml", "orgate.json"];

/// Why there is no policy.
#[derive(Debug)]
#[non_exhaustive]
pub enum LoadError {
    /// The file could not be read at all.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// There is no policy file in the directory.
    Missing {
        /// The directory.
        directory: PathBuf,
    },
    /// There are several, and which one was meant cannot be known.
    Several {
        /// The files.
        found: Vec<PathBuf>,
    },
    /// The file was read, and this is wrong in it.
    Findings(Diagnostics),
}

impl LoadError {
    /// The exit code of a command that ends with it: 1 for something wrong *in* a policy, 2 for no policy to judge.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Findings(_) => 1,
            Self::Unreadable { .. } | Self::Missing { .. } | Self::Several { .. } => 2,
        }
    }

    /// The error as text for people; several lines, in colour for a terminal.
    #[must_use]
    pub fn render(&self, color: bool) -> String {
        match self {
            Self::Findings(diagnostics) => {
                format!("{}{}\n", diagnostics.render(color), diagnostics.summary(""))
            }
            other => format!("error: {other}\n"),
        }
    }
}

const HOW_TO_MAKE_ONE: &str = "\
write one, or name it with `--policy FILE`; the smallest is `orgate.yaml` with

    version: 1
    issuers:
      main: {issuer: https://auth.example.com, audience: my-api, profile: orgate}
    rules:
      GET /healthz: public
      GET /projects/**: read";

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, error } => write!(f, "cannot read `{}`: {error}", path.display()),
            Self::Missing { directory } => {
                let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
                write!(f, "no policy file in `{}`\n  = help: {HOW_TO_MAKE_ONE}", directory.display())
            }
            Self::Several { found } => {
                let names: Vec<String> = found.iter().map(|path| format!("`{}`", path.display())).collect();
                write!(
                    f,
                    "several policy files: {}\n  = help: keep one, or name it with `--policy FILE`",
                    names.join(" and ")
                )
            }
            Self::Findings(diagnostics) => fmt::Display::fmt(diagnostics, f),
        }
    }
}

impl std::error::Error for LoadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unreadable { error, .. } => Some(error),
            _ => None,
        }
    }
}

/// The policy file to use: `explicit` if one was named, else the only one of [`FILE_NAMES`] in `directory`.
///
/// # Errors
/// [`LoadError::Missing`], [`LoadError::Several`], or [`LoadError::Unreadable`] if it cannot be told what there is. A
/// named file is not looked at here.
pub fn discover(directory: &Path, explicit: Option<&Path>) -> Result<PathBuf, LoadError> {
    if let Some(path) = explicit {
        return Ok(path.to_owned());
    }
    let is_here = directory.as_os_str().is_empty() || directory == Path::new(".");
    let mut found = Vec::new();
    for name in FILE_NAMES {
        // Shown as people wrote it: `orgate.yaml`, not `./orgate.yaml`.
        let path = if is_here { PathBuf::from(name) } else { directory.join(name) };
        match path.try_exists() {
            Ok(true) => found.push(path),
            Ok(false) => {}
            Err(error) => return Err(LoadError::Unreadable { path, error }),
        }
    }
    match found.pop() {
        None => Err(LoadError::Missing { directory: directory.to_owned() }),
        Some(only) if found.is_empty() => Ok(only),
        Some(last) => {
            found.push(last);
            Err(LoadError::Several { found })
        }
    }
}

/// Reads, checks and compiles a policy file. `env` looks up environment variables for `${NAME}`.
///
/// # Errors
/// [`LoadError::Unreadable`], or every finding of the file.
pub fn load(path: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<PolicyFile, LoadError> {
    let bytes = read_bytes(path).map_err(|error| LoadError::Unreadable { path: path.to_owned(), error })?;
    compile(&path.display().to_string(), &bytes, env).map_err(LoadError::Findings)
}

/// As [`load`], and tokens of [`DEVELOPMENT_ISSUER`](crate::DEVELOPMENT_ISSUER) are believed as well, by the key set `jwks`.
/// Never for anything but a developer's own machine: whoever has that key is anybody.
///
/// # Errors
/// As of [`load`].
pub fn load_for_development(
    path: &Path,
    env: &dyn Fn(&str) -> Option<String>,
    jwks: &str,
) -> Result<PolicyFile, LoadError> {
    let bytes = read_bytes(path).map_err(|error| LoadError::Unreadable { path: path.to_owned(), error })?;
    compile_for_development(&path.display().to_string(), &bytes, env, jwks).map_err(LoadError::Findings)
}
