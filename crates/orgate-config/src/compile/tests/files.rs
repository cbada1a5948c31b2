//! Finding and reading the file.

use std::{fs, path::PathBuf};

use crate::{LoadError, discover, load};

/// A directory of its own that is removed at the end.
pub(super) struct Directory(pub(super) PathBuf);

impl Directory {
    pub(super) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("orgate-config-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(super) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const SMALLEST: &str = "version: 1\nrules: {GET /healthz: public}\n";

fn shown(error: &LoadError, directory: &Directory) -> String {
    error.render(false).replace(&directory.0.display().to_string(), "DIR")
}

#[test]
fn the_only_policy_of_a_directory_is_found() {
    for name in crate::FILE_NAMES {
        let directory = Directory::new(&format!("found-{name}"));
        let path = directory.write(name, SMALLEST);
        assert_eq!(discover(&directory.0, None).unwrap(), path);
    }
}

#[test]
fn a_named_policy_is_not_searched_for() {
    let directory = Directory::new("named");
    directory.write("orgate.yaml", SMALLEST);
    directory.write("orgate.json", "{}");
    let named = PathBuf::from("elsewhere/x.yaml");
    assert_eq!(discover(&directory.0, Some(&named)).unwrap(), named);
}

#[test]
fn two_policies_are_an_error_that_names_both() {
    let directory = Directory::new("two");
    directory.write("orgate.yaml", SMALLEST);
    directory.write("orgate.json", "{}");
    let error = discover(&directory.0, None).unwrap_err();
    assert_eq!(error.exit_code(), 2);
    insta::assert_snapshot!(shown(&error, &directory), @"
        error: several policy files: `DIR/orgate.yaml` and `DIR/orgate.json`
          = help: keep one, or name it with `--policy FILE`
        ");
}

#[test]
fn no_policy_is_an_error_that_shows_how_to_make_one() {
    let directory = Directory::new("none");
    let error = discover(&directory.0, None).unwrap_err();
    assert_eq!(error.exit_code(), 2);
    let text = error.to_string();
    insta::assert_snapshot!(shown(&error, &directory), @"
        error: no policy file in `DIR`
          = help: write one, or name it with `--policy FILE`; the smallest is `orgate.yaml` with

            version: 1
            issuers:
              main: {issuer: https://auth.example.com, audience: my-api, profile: orgate}
            rules:
              GET /healthz: public
              GET /projects/**: read
        ");
    let (_, example) = text.split_once("with\n\n").unwrap();
    let example: String =
        example.lines().map(|line| format!("{}\n", line.trim_start_matches("    "))).collect();
    assert!(example.contains("issuers:\n  main:"), "{example}");
    crate::compile("orgate.yaml", example.as_bytes(), &|_| None).unwrap();
}

#[test]
fn a_file_that_cannot_be_read_is_not_a_finding() {
    let directory = Directory::new("unreadable");
    for path in [directory.0.join("absent.yaml"), directory.0.clone()] {
        let error = load(&path, &|_| None).unwrap_err();
        assert!(matches!(&error, LoadError::Unreadable { .. }), "{error}");
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().starts_with("cannot read `"), "{error}");
    }
}

#[test]
fn a_file_is_loaded_under_its_own_name() {
    let directory = Directory::new("load");
    let path = directory.write("orgate.yaml", SMALLEST);
    assert_eq!(load(&path, &|_| None).unwrap().policy.rule_count(), 1);
    let path = directory.write("bad.yaml", "version: 1\nrules: {GET /healthz: publik}\n");
    let error = load(&path, &|_| None).unwrap_err();
    assert_eq!(error.exit_code(), 1);
    insta::assert_snapshot!(shown(&error, &directory), @"
        error[E031]: unknown permission `publik`
         --> DIR/bad.yaml:2:23
        2 | rules: {GET /healthz: publik}
          |                       ^^^^^^ not declared by any role or under `permissions`
          = help: declare it under `permissions:` or grant it to a role: `permissions: [publik]`
        1 error    see `orgate help E031`
        ");
}

#[test]
fn files_that_are_too_large_or_no_text_are_findings() {
    let directory = Directory::new("large");
    let path = directory.write("large.yaml", vec![b'#'; 2 * 1024 * 1024]);
    insta::assert_snapshot!(shown(&load(&path, &|_| None).unwrap_err(), &directory), @"
        error[E003]: the file is larger than 1 MiB
         --> DIR/large.yaml:1:1
        1 |
          | ^
        1 error    see `orgate help E003`
        ");
    let path = directory.write("latin.yaml", b"version: 1 # \xe4\n");
    insta::assert_snapshot!(shown(&load(&path, &|_| None).unwrap_err(), &directory), @"
        error[E002]: the file is not UTF-8
         --> DIR/latin.yaml:1:14
        1 | version: 1 # �
          |              ^
          = help: save it as UTF-8; here is the first byte that is something else
        1 error    see `orgate help E002`
        ");
}
