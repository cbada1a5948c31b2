//! A policy of several files: what a fragment may say, and that nothing of it is lost.

use std::{cell::Cell, fs, io, os::unix::fs::symlink};

use super::{check, files::Directory};
use crate::{Entry, Files, LoadError, NoFiles, PolicyFile, compile_with, diagnostic::Diagnostics, load};

/// Files in memory, listed backwards to show that their order means nothing.
struct Memory<'m>(&'m [(&'m str, &'m str)], Cell<bool>);

impl Files for Memory<'_> {
    fn entries(&self, directory: &str) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for (path, _) in self.0 {
            let rest = match directory {
                "" => Some(*path),
                directory => path.strip_prefix(directory).and_then(|rest| rest.strip_prefix('/')),
            };
            let Some(rest) = rest else { continue };
            let (name, is_directory) = match rest.split_once('/') {
                Some((name, _)) => (name.to_owned(), true),
                None => (rest.to_owned(), false),
            };
            let entry = Entry { name, is_directory };
            if !entries.contains(&entry) {
                entries.push(entry);
            }
        }
        if entries.is_empty() {
            return Err(io::ErrorKind::NotFound.into());
        }
        if self.1.get() {
            entries.reverse();
        }
        Ok(entries)
    }

    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        let found = self.0.iter().find(|(name, _)| *name == path);
        found.map(|(_, text)| text.as_bytes().to_vec()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

fn compiled(policy: &str, files: &[(&str, &str)]) -> Result<PolicyFile, Diagnostics> {
    let files = Memory(files, Cell::new(false));
    let found = compile_with("conf/orgate.yaml", policy.as_bytes(), &|_| None, &files);
    files.1.set(true);
    let again = compile_with("conf/orgate.yaml", policy.as_bytes(), &|_| None, &files);
    let shown = |found: &Result<PolicyFile, Diagnostics>| match found {
        Ok(file) => format!("{:?}", file.policy.rules().collect::<Vec<_>>()),
        Err(findings) => findings.render(false),
    };
    assert_eq!(shown(&found), shown(&again), "the order of files means something");
    found
}

fn findings(policy: &str, files: &[(&str, &str)]) -> String {
    match compiled(policy, files) {
        Ok(file) => format!("{:?}\n{}", file.policy.rules().collect::<Vec<_>>(), file.warnings),
        Err(findings) => findings.render(false),
    }
}

/// What is wrong with one fragment.
fn findings_of(fragment: &str) -> String {
    let policy = "version: 1\nissuers: {main: {issuer: https://a.example, audience: api, profile: orgate, feed: off}}\n\
        include: [parts/*.yaml]\nrules: {GET /healthz: public}\n";
    findings(policy, &[("parts/one.yaml", fragment)])
}

const POLICY: &str = "version: 1\nissuers: {main: {issuer: https://a.example, audience: api}}\n\
    include: [policies/*.orgate.*, extra/deep/x.yaml]\npermissions: [read]\nrules:\n  GET /healthz: public\n";

#[test]
fn fragments_add_permissions_and_rules_below_their_base() {
    let file = compiled(
        POLICY,
        &[
            ("policies/a.orgate.yaml", "base: /billing\nversion: 1\npermissions: {billing:read: See, read: null}\nrules:\n  GET /: read\n  \
                GET|POST /{id}/**: {require: billing:read}\n  POST /**: read\nx-owner: a\n"),
            ("policies/b.orgate.toml", "base = \"/orgs/{org_id}/files\"\npermissions = [\"files\"]\n[rules]\n\"GET /x\" = \"files\"\n"),
            ("policies/README.md", "# not one of them"),
            ("extra/deep/x.yaml", "{base: /x, rules: {ANY /y: deny}}"),
        ],
    )
    .unwrap_or_else(|findings| panic!("{findings}"));
    let rules: Vec<_> = file.policy.rules().collect();
    assert_eq!(
        rules,
        [
            ("GET /healthz", "public"),
            ("ANY /x/y", "deny"),
            ("GET /billing", "read"),
            ("GET|POST /billing/{id}/**", "billing:read"),
            ("POST /billing/**", "read"),
            ("GET /orgs/{org_id}/files/x", "files"),
        ]
    );
    assert_eq!(file.policy.permissions().collect::<Vec<_>>(), ["read", "billing:read", "files"]);
    let sources: Vec<_> = file.sources().map(|path| path.to_str().unwrap()).collect();
    assert_eq!(
        sources,
        [
            "conf/orgate.yaml",
            "conf/extra/deep/x.yaml",
            "conf/policies/a.orgate.yaml",
            "conf/policies/b.orgate.toml"
        ]
    );
}

#[test]
fn a_policy_may_consist_of_fragments_alone() {
    check!(findings("version: 1\ninclude: a.yaml\n", &[("a.yaml", "base: /a\nrules: {GET /b: public}\n")]), @r#"[("GET /a/b", "public")]"#);
    check!(findings("version: 1\ninclude: a.yaml\n", &[("a.yaml", "base: /a\nrules: {}\n")]), @"
            error[E018]: the policy has no rules, so nothing could be reached
             --> conf/orgate.yaml:2:1
            2 | include: a.yaml
              | ^^^^^^^
              = help: write at least one:

                      rules:
                        GET /healthz: public
            ");
}

#[test]
fn a_finding_points_into_the_fragment() {
    check!(findings_of("base: /a\nrules:\n  GET /b/: read\n  GET /c: raed\n  GTE /d: read\n  GET /: ${X}\n  /e: read\n"), @"
            error[E020]: a pattern cannot end in `/`
             --> conf/parts/one.yaml:3:9
            3 |   GET /b/: read
              |         ^
              = help: leave the last `/` away; a request with and without it is the same, unless `paths:` says `trailing_slash: distinct`
            error[E031]: unknown permission `raed`
             --> conf/parts/one.yaml:4:11
            4 |   GET /c: raed
              |           ^^^^ not declared by any role or under `permissions`
              = help: did you mean `read`?
            error[E020]: `GTE` is no method that is in use
             --> conf/parts/one.yaml:5:3
            5 |   GTE /d: read
              |   ^^^
              = help: did you mean `GET`?
            error[E015]: environment variables cannot be used here
             --> conf/parts/one.yaml:6:10
            6 |   GET /: ${X}
              |          ^^^^
              = help: only issuer URLs, audiences and key locations may depend on the environment
            error[E020]: the rule has no method
             --> conf/parts/one.yaml:7:3
            7 |   /e: read
              |   ^^
              = help: write `GET /e` or `ANY /e`
            ");
    check!(findings_of("base: /a\nrules:\n  GET /b: read\n  GET /b : read\n"), @"
            error[E040]: the key `GET /b` is written twice
              --> conf/parts/one.yaml:4:3   GET /b : read
              --> conf/parts/one.yaml:3:3   GET /b: read   (first written here)
               = help: keep one of them
            ");
    check!(findings_of("base: /\u{61}/{x}\nrules:\n  GET /{x}: read\n"), @"
            error[E020]: the parameter `x` stands twice
             --> conf/parts/one.yaml:3:8
            3 |   GET /{x}: read
              |        ^^^
            ");
}

#[test]
fn two_files_cannot_speak_of_the_same_request() {
    let policy = "version: 1\ninclude: ['*.orgate.yaml']\nrules:\n  GET /a/b: public\n";
    check!(findings(policy, &[("a.orgate.yaml", "base: /a\nrules: {GET /b: public}\n"), ("b.orgate.yaml", "{base: /a/c, rules: {GET /: public}}"), ("c.orgate.yaml", "{base: /a, rules: {GET /c: deny}}")]), @"
            error[E040]: GET /a/b has two rules
              --> conf/a.orgate.yaml:2:9   rules: {GET /b: public}
              --> conf/orgate.yaml:4:3   GET /a/b: public
               = help: keep one of them; order carries no meaning
            error[E040]: GET /a/c has two rules
              --> conf/c.orgate.yaml:1:20   {base: /a, rules: {GET /c: deny}}
              --> conf/b.orgate.yaml:1:22   {base: /a/c, rules: {GET /: public}}
               = help: keep one of them; order carries no meaning
            ");
}

#[test]
fn a_fragment_has_a_base() {
    check!(findings_of("rules: {GET /b: read}\n"), @"
            error[E011]: the fragment has no `base`
             --> conf/parts/one.yaml:1:1
            1 | rules: {GET /b: read}
              | ^
              = help: say which part of the application it speaks of: `base: /billing`
            ");
    check!(findings_of("base: /\nrules: {GET /b: read}\n"), @"
            error[E006]: the base `/` is the whole application
             --> conf/parts/one.yaml:1:7
            1 | base: /
              |       ^
              = help: write the path below which all of its rules are, such as `/billing`
            ");
    check!(findings_of("base: /a/**\nrules: {GET /b: read}\n"), @"
            error[E006]: the base cannot end in `**`
             --> conf/parts/one.yaml:1:7
            1 | base: /a/**
              |       ^^^^^
              = help: write the path below which all of its rules are, such as `/billing`
            ");
    check!(findings_of("base: a\nrules: {GET /b: read}\n"), @"
            error[E006]: `base`: a path starts with `/`
             --> conf/parts/one.yaml:1:7
            1 | base: a
              |       ^
              = help: write the path below which all of its rules are, such as `/billing`
            ");
    check!(findings_of("base: /ab/\nrules: {GET /b: read}\n"), @"
            error[E006]: `base`: a pattern cannot end in `/`
             --> conf/parts/one.yaml:1:10
            1 | base: /ab/
              |          ^
              = help: write the path below which all of its rules are, such as `/billing`
            ");
    check!(findings_of("base: [/a]\nrules: {GET /b: read}\n"), @"
            error[E012]: `base`: expected a text, found a list
             --> conf/parts/one.yaml:1:7
            1 | base: [/a]
              |       ^^^^
            ");
    check!(findings_of("base: ${BASE}\nrules: {GET /b: read}\n"), @"
            error[E015]: environment variables cannot be used here
             --> conf/parts/one.yaml:1:7
            1 | base: ${BASE}
              |       ^^^^^^^
              = help: only issuer URLs, audiences and key locations may depend on the environment
            ");
    check!(findings_of("base: /a\nrules: {GET other.example.com/b: read}\n"), @"
            error[E006]: a rule of a fragment cannot name a host
             --> conf/parts/one.yaml:2:13
            2 | rules: {GET other.example.com/b: read}
              |             ^^^^^^^^^^^^^^^^^
              = help: leave the host away, or write the rule in the policy file
            ");
}

#[test]
fn what_concerns_the_whole_application_is_not_for_fragments() {
    check!(findings_of("base: /a\nissuers: {}\nroles: {}\nrule: {GET /b: read}\nmode: observe\nversion: 2\n"), @"
            error[E006]: `issuers` cannot stand in a file that is included
             --> conf/parts/one.yaml:2:1
            2 | issuers: {}
              | ^^^^^^^
              = help: it concerns the whole application; write it in the policy file
            error[E006]: `roles` cannot stand in a file that is included
             --> conf/parts/one.yaml:3:1
            3 | roles: {}
              | ^^^^^
              = help: it concerns the whole application; write it in the policy file
            error[E010]: unknown key `rule`
             --> conf/parts/one.yaml:4:1
            4 | rule: {GET /b: read}
              | ^^^^
              = help: did you mean `rules`?
            error[E006]: `mode` cannot stand in a file that is included
             --> conf/parts/one.yaml:5:1
            5 | mode: observe
              | ^^^^
              = help: it concerns the whole application; write it in the policy file
            error[E014]: the version of a fragment is that of its policy
             --> conf/parts/one.yaml:6:10
            6 | version: 2
              |          ^
              = help: write `version: 1`, or leave it away
            ");
    check!(findings_of("base: /a\ninclude: [b.yaml]\n"), @"
            error[E006]: `include` cannot stand in a file that is included
             --> conf/parts/one.yaml:2:1
            2 | include: [b.yaml]
              | ^^^^^^^
              = help: files that are included include nothing; name the file in the policy
            ");
    check!(findings_of("- a\n"), @"
            error[E012]: expected a map, found a list
             --> conf/parts/one.yaml:1:1
            1 | - a
              | ^^^
            ");
    check!(findings_of("base: /a\nrules: [GET /b]\n"), @"
            error[E012]: `rules`: expected a map, found a list
             --> conf/parts/one.yaml:2:8
            2 | rules: [GET /b]
              |        ^^^^^^^^
            ");
    check!(findings_of("base: /a\npermissions: {a: 1}\nrules: &x {GET /b: read}\n"), @"
            error[E012]: `permissions.a`: expected a description, as a text, found an integer
             --> conf/parts/one.yaml:2:18
            2 | permissions: {a: 1}
              |                  ^
              = help: put it in quotes to make it a text
            error[E004]: anchors are not part of the format
             --> conf/parts/one.yaml:3:8
            3 | rules: &x {GET /b: read}
              |        ^^
              = help: write the value out where it is used
            ");
}

/// What is found where a policy includes this.
fn with(include: &str) -> String {
    findings(
        &format!("version: 1\ninclude: {include}\nrules: {{GET /h: public}}\n"),
        &[("a.yaml", "base: /a\n"), ("orgate.yaml", ""), ("b/c.md", "")],
    )
}

#[test]
fn a_pattern_matches_files_below_the_policy() {
    check!(with("[none/*.yaml, b/*.yaml, c.yaml]"), @"
            error[E005]: `none/*.yaml` matches no file
             --> conf/orgate.yaml:2:11
            2 | include: [none/*.yaml, b/*.yaml, c.yaml]
              |           ^^^^^^^^^^^
              = help: patterns start at the directory of the policy file
            error[E005]: `b/*.yaml` matches no file
             --> conf/orgate.yaml:2:24
            2 | include: [none/*.yaml, b/*.yaml, c.yaml]
              |                        ^^^^^^^^
              = help: patterns start at the directory of the policy file
            error[E005]: `c.yaml` matches no file
             --> conf/orgate.yaml:2:34
            2 | include: [none/*.yaml, b/*.yaml, c.yaml]
              |                                  ^^^^^^
              = help: patterns start at the directory of the policy file
            ");
    check!(with("[../a.yaml, /etc/a.yaml, 'c:/a.yaml', b/../../a.yaml]"), @"
            error[E005]: `../a.yaml` leads out of the policy's directory
             --> conf/orgate.yaml:2:11
            2 | include: [../a.yaml, /etc/a.yaml, 'c:/a.yaml', b/../../a.yaml]
              |           ^^^^^^^^^
              = help: name files below the directory of the policy file, such as `policies/*.orgate.yaml`
            error[E005]: `/etc/a.yaml` leads out of the policy's directory
             --> conf/orgate.yaml:2:22
            2 | include: [../a.yaml, /etc/a.yaml, 'c:/a.yaml', b/../../a.yaml]
              |                      ^^^^^^^^^^^
              = help: name files below the directory of the policy file, such as `policies/*.orgate.yaml`
            error[E005]: `c:/a.yaml` leads out of the policy's directory
             --> conf/orgate.yaml:2:35
            2 | include: [../a.yaml, /etc/a.yaml, 'c:/a.yaml', b/../../a.yaml]
              |                                   ^^^^^^^^^^^
              = help: name files below the directory of the policy file, such as `policies/*.orgate.yaml`
            error[E005]: `b/../../a.yaml` leads out of the policy's directory
             --> conf/orgate.yaml:2:48
            2 | include: [../a.yaml, /etc/a.yaml, 'c:/a.yaml', b/../../a.yaml]
              |                                                ^^^^^^^^^^^^^^
              = help: name files below the directory of the policy file, such as `policies/*.orgate.yaml`
            ");
    check!(with("['**/a.yaml', './a.yaml', 'a?.yaml', '', 'a//b.yaml']"), @"
            error[E005]: `**/a.yaml` is no pattern of file names
             --> conf/orgate.yaml:2:11
            2 | include: ['**/a.yaml', './a.yaml', 'a?.yaml', '', 'a//b.yaml']
              |           ^^^^^^^^^^^
              = help: `*` stands for any part of one name; nothing else is special
            error[E005]: `./a.yaml` is no pattern of file names
             --> conf/orgate.yaml:2:24
            2 | include: ['**/a.yaml', './a.yaml', 'a?.yaml', '', 'a//b.yaml']
              |                        ^^^^^^^^^^
              = help: name files below the directory of the policy file, such as `policies/*.orgate.yaml`
            error[E005]: `a?.yaml` is no pattern of file names
             --> conf/orgate.yaml:2:36
            2 | include: ['**/a.yaml', './a.yaml', 'a?.yaml', '', 'a//b.yaml']
              |                                    ^^^^^^^^^
              = help: `*` stands for any part of one name; nothing else is special
            error[E005]: `` is no pattern of file names
             --> conf/orgate.yaml:2:47
            2 | include: ['**/a.yaml', './a.yaml', 'a?.yaml', '', 'a//b.yaml']
              |                                               ^^
              = help: name files below the directory of the policy file, such as `policies/*.orgate.yaml`
            error[E005]: `a//b.yaml` is no pattern of file names
             --> conf/orgate.yaml:2:51
            2 | include: ['**/a.yaml', './a.yaml', 'a?.yaml', '', 'a//b.yaml']
              |                                                   ^^^^^^^^^^^
              = help: name files below the directory of the policy file, such as `policies/*.orgate.yaml`
            ");
}

#[test]
fn an_include_names_fragments_only() {
    check!(with("['*.yaml']"), @"
            error[E005]: `*.yaml` matches the policy file itself
             --> conf/orgate.yaml:2:11
            2 | include: ['*.yaml']
              |           ^^^^^^^^
              = help: keep fragments in a directory of their own
            ");
    check!(with("['b/*']"), @"
            error[E005]: `b/c.md` is no YAML, JSON or TOML file by its name
             --> conf/orgate.yaml:2:11
            2 | include: ['b/*']
              |           ^^^^^
              = help: write the pattern so that it matches only fragments
            ");
    check!(with("[1]"), @"
            error[E012]: `include`: expected a text, found an integer
             --> conf/orgate.yaml:2:11
            2 | include: [1]
              |           ^
              = help: put it in quotes to make it a text
            ");
    check!(with("{a: b}"), @"
            error[E012]: `include`: expected a text or a list of texts, found a map
             --> conf/orgate.yaml:2:10
            2 | include: {a: b}
              |          ^^^^^^
            ");
    check!(with("[]"), @r#"[("GET /h", "public")]"#);
}

#[test]
fn a_policy_includes_at_most_64_files() {
    let names: Vec<(String, String)> = (0..65)
        .map(|n| (format!("p/{n}.yaml"), format!("base: /p{n}\nrules: {{GET /: public}}\n")))
        .collect();
    let files: Vec<(&str, &str)> = names.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let policy = "version: 1\ninclude: p/*.yaml\n";
    assert_eq!(compiled(policy, &files[..64]).unwrap().policy.rule_count(), 64);
    let findings = compiled(policy, &files).unwrap_err();
    assert!(
        findings.render(false).contains("error[E090]: the policy includes more than 64 files"),
        "{findings}"
    );
}

#[test]
fn a_policy_without_files_includes_nothing() {
    let policy = "version: 1\ninclude: [a.yaml]\nrules: {GET /h: public}\n";
    check!(compile_with("policy", policy.as_bytes(), &|_| None, &NoFiles).unwrap_err(), @"
            error[E005]: cannot read `.`: a policy that is in no file cannot include any
             --> policy:2:11
            2 | include: [a.yaml]
              |           ^^^^^^
            ");
}

#[test]
fn files_are_found_beside_the_policy_and_nowhere_else() {
    let (directory, elsewhere) = (Directory::new("include"), Directory::new("elsewhere"));
    let policy = directory.write("orgate.yaml", "version: 1\ninclude: ['parts/*.yaml', 'links/*.yaml']\n");
    for name in ["parts", "links", "parts/sub.yaml"] {
        fs::create_dir(directory.0.join(name)).unwrap();
    }
    directory.write("parts/a.yaml", "base: /a\nrules: {GET /: public}\n");
    elsewhere.write("b.yaml", "base: /b\nrules: {GET /: public}\n");
    symlink(directory.0.join("parts/a.yaml"), directory.0.join("links/a.yaml")).unwrap();
    let error = load(&policy, &|_| None).unwrap_err();
    assert!(error.render(false).contains("error[E040]: GET /a has two rules"), "{error}");
    fs::remove_file(directory.0.join("links/a.yaml")).unwrap();

    symlink(elsewhere.0.join("b.yaml"), directory.0.join("links/b.yaml")).unwrap();
    let error = load(&policy, &|_| None).unwrap_err();
    assert!(matches!(error, LoadError::Findings(_)));
    assert!(
        error.render(false).contains("cannot read `links/b.yaml`: it leads out of the policy's directory"),
        "{error}"
    );
    fs::remove_file(directory.0.join("links/b.yaml")).unwrap();

    fs::remove_dir(directory.0.join("links")).unwrap();
    symlink(&elsewhere.0, directory.0.join("links")).unwrap();
    let error = load(&policy, &|_| None).unwrap_err();
    assert!(
        error.render(false).contains("cannot read `links`: it leads out of the policy's directory"),
        "{error}"
    );
    fs::remove_file(directory.0.join("links")).unwrap();

    let error = load(&policy, &|_| None).unwrap_err();
    assert!(error.render(false).contains("`links/*.yaml` matches no file"), "{error}");
    directory.write("orgate.yaml", "version: 1\ninclude: ['parts/*.yaml']\n");
    let file = load(&policy, &|_| None).unwrap();
    let sources: Vec<_> = file.sources().map(ToOwned::to_owned).collect();
    assert_eq!(sources, [policy, directory.0.join("parts/a.yaml")]);
}
