//! Where a policy to be compared comes from: a file, or a file as a revision of git has it.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use orgate_config::{FILE_NAMES, LoadError, PolicyFile, codes, diagnostic::Diagnostics, document::MAX_BYTES};

use super::super::{Common, Failure, policy_file::environment};

/// A policy as it is named on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    File(PathBuf),
    Git { revision: String, path: Option<String> },
}

impl Source {
    /// Reads `FILE`, or `git:REVISION` with an optional `:PATH`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let Some(rest) = text.strip_prefix("git:") else { return Ok(Self::File(text.into())) };
        let (revision, path) = match rest.split_once(':') {
            Some((revision, path)) => (revision, Some(path.to_owned())),
            None => (rest, None),
        };
        // Nothing here may be taken for a flag of git.
        if revision.is_empty() || revision.starts_with('-') || path.as_deref() == Some("") {
            return Err("write `git:REVISION`, such as `git:main`, or `git:REVISION:PATH`".to_owned());
        }
        Ok(Self::Git { revision: revision.to_owned(), path })
    }

    /// The policy; `beside` is what it is compared with, and where a revision without a path is looked for.
    pub(super) fn load(&self, beside: &Self, common: &Common) -> Result<PolicyFile, Failure> {
        let (name, bytes) = match self {
            Self::File(path) => {
                let bytes = orgate_config::read_bytes(path).map_err(|error| {
                    Failure::could_not_run(format!("cannot read `{}`: {error}", path.display()))
                })?;
                (path.display().to_string(), bytes)
            }
            Self::Git { revision, path } => match (path, beside) {
                (Some(path), _) => show(Path::new("."), revision, path)?,
                (None, Self::File(file)) => show_beside(revision, file)?,
                (None, Self::Git { path: Some(path), .. }) => show(Path::new("."), revision, path)?,
                (None, Self::Git { path: None, .. }) => discover(revision)?,
            },
        };
        compile(&name, &bytes).map_err(|findings| {
            let error = LoadError::Findings(findings);
            Failure::rendered(error.exit_code(), error.render(common.color.on_stderr()))
        })
    }
}

/// Compiles a policy. A comparison needs no environment: a variable that is not set here gets a value of its own, the same
/// in both policies.
fn compile(name: &str, bytes: &[u8]) -> Result<PolicyFile, Diagnostics> {
    let first = match orgate_config::compile(name, bytes, &environment) {
        Err(findings) if findings.iter().any(|finding| finding.code == codes::UNSET_VARIABLE) => findings,
        other => return other,
    };
    for value in ["https://unset.example", "unset.example"] {
        let stand_in =
            |name: &str| environment(name).filter(|set| !set.is_empty()).or(Some(value.to_owned()));
        if let Ok(file) = orgate_config::compile(name, bytes, &stand_in) {
            return Ok(file);
        }
    }
    Err(first)
}

/// The policy file of the present folder, as a revision has it.
fn discover(revision: &str) -> Result<(String, Vec<u8>), Failure> {
    let mut found = Vec::new();
    for name in FILE_NAMES {
        let object = format!("{revision}:./{name}");
        if git(Path::new("."), &["cat-file", "-e", &object])?.status.success() {
            found.push(name);
        }
    }
    match found.as_slice() {
        [name] => show(Path::new("."), revision, &format!("./{name}")),
        // Says whether it is the revision or the file that is not there.
        [] => show(Path::new("."), revision, "./orgate.yaml"),
        several => Err(Failure::could_not_run(format!(
            "`{revision}` has several policy files: {}\nhelp: name the one that is meant: `git:{revision}:PATH`",
            several.join(" and ")
        ))),
    }
}

/// The same file in a revision.
fn show_beside(revision: &str, file: &Path) -> Result<(String, Vec<u8>), Failure> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let (_, bytes) = show(folder, revision, &format!("./{name}"))?;
    Ok((format!("git:{revision}:{}", file.display()), bytes))
}

fn show(folder: &Path, revision: &str, path: &str) -> Result<(String, Vec<u8>), Failure> {
    let output = git(folder, &["cat-file", "blob", &format!("{revision}:{path}")])?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.trim().trim_start_matches("fatal: ").replace('\n', " ");
        return Err(Failure::could_not_run(format!("git has no `{path}` in `{revision}`: {said}")));
    }
    let mut bytes = output.stdout;
    bytes.truncate(MAX_BYTES + 1);
    Ok((format!("git:{revision}:{}", path.trim_start_matches("./")), bytes))
}

fn git(folder: &Path, arguments: &[&str]) -> Result<std::process::Output, Failure> {
    Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(arguments)
        .output()
        .map_err(|error| Failure::could_not_run(format!("cannot run git: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_files_or_revisions() {
        assert_eq!(Source::parse("a:b.yaml"), Ok(Source::File("a:b.yaml".into())));
        let revision = |revision: &str, path: Option<&str>| {
            Ok(Source::Git { revision: revision.to_owned(), path: path.map(str::to_owned) })
        };
        assert_eq!(Source::parse("git:main"), revision("main", None));
        assert_eq!(Source::parse("git:HEAD~2:api/orgate.yaml"), revision("HEAD~2", Some("api/orgate.yaml")));
        for wrong in ["git:", "git:--help", "git::x", "git:main:"] {
            assert!(Source::parse(wrong).is_err(), "{wrong}");
        }
    }
}
