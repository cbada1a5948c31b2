//! Where a policy to be compared comes from: a file, or a file as a revision of git has it.

use std::{
    io,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use orgate_config::{
    Directory, Entry, FILE_NAMES, Files, LoadError, PolicyFile, codes, diagnostic::Diagnostics,
    document::MAX_BYTES,
};

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
        let (name, bytes, files): (String, Vec<u8>, Box<dyn Files>) = match self {
            Self::File(path) => {
                let bytes = orgate_config::read_bytes(path).map_err(|error| {
                    Failure::could_not_run(format!("cannot read `{}`: {error}", path.display()))
                })?;
                (path.display().to_string(), bytes, Box::new(Directory::of(path)))
            }
            Self::Git { revision, path } => {
                let (tree, file, shown) = tree(revision, path.as_deref(), beside)?;
                let bytes = tree.show(&file)?;
                (format!("git:{revision}:{shown}"), bytes, Box::new(tree))
            }
        };
        compile(&name, &bytes, &*files).map_err(|findings| {
            let error = LoadError::Findings(findings);
            Failure::rendered(error.exit_code(), error.render(common.color.on_stderr()))
        })
    }
}

/// Compiles a policy. A comparison needs no environment: a variable that is not set here gets a value of its own, the same
/// in both policies.
fn compile(name: &str, bytes: &[u8], files: &dyn Files) -> Result<PolicyFile, Diagnostics> {
    let first = match orgate_config::compile_with(name, bytes, &environment, files) {
        Err(findings) if findings.iter().any(|finding| finding.code == codes::UNSET_VARIABLE) => findings,
        other => return other,
    };
    for value in ["https://unset.example", "unset.example"] {
        let stand_in =
            |name: &str| environment(name).filter(|set| !set.is_empty()).or(Some(value.to_owned()));
        if let Ok(file) = orgate_config::compile_with(name, bytes, &stand_in, files) {
            return Ok(file);
        }
    }
    Err(first)
}

/// A folder as a revision has it.
#[derive(Debug)]
struct Tree {
    /// Where git is run.
    folder: PathBuf,
    revision: String,
    /// The path of the folder, up to its last `/`; `./` where git is run.
    base: String,
}

/// The folder in which the policy of a revision is, its name there, and what to call it.
fn tree(revision: &str, path: Option<&str>, beside: &Source) -> Result<(Tree, String, String), Failure> {
    let (folder, path, shown) = match (path, beside) {
        (Some(path), _) => (PathBuf::from("."), path.to_owned(), path.to_owned()),
        (None, Source::Git { path: Some(path), .. }) => (PathBuf::from("."), path.clone(), path.clone()),
        (None, Source::File(file)) => {
            // The same file, wherever it is.
            let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            let folder = folder.unwrap_or(Path::new(".")).to_owned();
            (folder, format!("./{name}"), file.display().to_string())
        }
        (None, Source::Git { path: None, .. }) => {
            let name = discover(revision)?;
            (PathBuf::from("."), format!("./{name}"), name.to_owned())
        }
    };
    let (base, file) = match path.rfind('/') {
        Some(slash) => path.split_at(slash + 1),
        None => ("", path.as_str()),
    };
    let tree = Tree { folder, revision: revision.to_owned(), base: base.to_owned() };
    Ok((tree, file.to_owned(), shown))
}

/// The name of the policy file of the present folder, as a revision has it.
fn discover(revision: &str) -> Result<&'static str, Failure> {
    let mut found = Vec::new();
    for name in FILE_NAMES {
        let object = format!("{revision}:./{name}");
        if git(Path::new("."), &["cat-file", "-e", &object]).map_err(Failure::could_not_run)?.status.success()
        {
            found.push(name);
        }
    }
    match found.as_slice() {
        [name] => Ok(name),
        // Reading it says whether it is the revision or the file that is not there.
        [] => Ok("orgate.yaml"),
        several => Err(Failure::could_not_run(format!(
            "`{revision}` has several policy files: {}\nhelp: name the one that is meant: `git:{revision}:PATH`",
            several.join(" and ")
        ))),
    }
}

impl Tree {
    fn show(&self, file: &str) -> Result<Vec<u8>, Failure> {
        self.read(file).map_err(|error| {
            let path = format!("{}{file}", self.base.trim_start_matches("./"));
            Failure::could_not_run(format!("git has no `{path}` in `{}`: {error}", self.revision))
        })
    }

    /// What git says of `path` in this folder.
    fn ask(&self, verb: &[&str], path: &str) -> io::Result<Vec<u8>> {
        let object = format!("{}:{}{path}", self.revision, self.base);
        // The root has no name of its own, and no other folder is named with a last `/`.
        let object = if object.ends_with("./") { object.as_str() } else { object.trim_end_matches('/') };
        let output = git(&self.folder, &[verb, &[object]].concat())?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(io::Error::other(said.trim().trim_start_matches("fatal: ").replace('\n', " ")))
    }
}

impl Files for Tree {
    fn entries(&self, directory: &str) -> io::Result<Vec<Entry>> {
        let listing = self.ask(&["ls-tree", "-z", "--full-tree"], directory)?;
        let listing = String::from_utf8(listing).map_err(io::Error::other)?;
        // `MODE TYPE OBJECT<tab>NAME`
        let entries = listing.split('\0').filter_map(|line| {
            let (about, name) = line.split_once('\t')?;
            Some(Entry { name: name.to_owned(), is_directory: about.contains(" tree ") })
        });
        Ok(entries.collect())
    }

    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        let mut bytes = self.ask(&["cat-file", "blob"], path)?;
        bytes.truncate(MAX_BYTES + 1);
        Ok(bytes)
    }
}

fn git(folder: &Path, arguments: &[&str]) -> io::Result<Output> {
    Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(arguments)
        .output()
        .map_err(|error| io::Error::other(format!("cannot run git: {error}")))
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
