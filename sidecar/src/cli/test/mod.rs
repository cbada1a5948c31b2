//! `orgate test`: who gets in, written down beside the policy and checked.

mod formats;
mod update;

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use orgate::testing::tools::{Judged, read_cases, report};
use orgate_config::{PolicyFile, cases::CaseFile, diagnostic::Diagnostics};

use super::{Common, Failure, output, policy_file};

/// The name under which a file of tests is found.
const FILE_NAME: &str = "orgate.test.yaml";

/// Flags of `orgate test`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  orgate test
      run ./orgate.test.yaml against the policy beside it
  orgate test --coverage
      and name the rules that no case lets somebody through, or keeps somebody out
  orgate test --update
      write into the file who gets in now, and show what that changed; to be read before it is committed
  orgate test --format junit policies/*.test.yaml > junit.xml
      several files, each against the policy in its directory

A file of tests:

  principals:
    ann: {role: owner, org: acme}
    bob: {role: viewer, org: acme}
    eve: {role: owner, org: evil}
  cases:
    GET /healthz: everyone
    GET /docs: [ann, bob, eve]
    DELETE /orgs/acme: [ann]
    DELETE /orgs/evil: {allow: [eve], deny: {ann: org_mismatch, anonymous: no_credential}}
    GET /team: {allow: [ann], host: a.example.com, headers: {x-team: red}}
    POST /webhooks/stripe: {allow: [], with: {stripe: valid}}

A case names exactly who gets in: every other principal, and `anonymous`, must be refused. A principal has role, roles,
permissions, org (or {id, slug}) and sub, or the raw claims of a token (issuer, claims). `with` says that whoever
satisfies the authenticator must get in too. Nothing is fetched, and time stands still: at `now:` (seconds since 1970) of
the file, else at 1800000000, which is January 2027. In `cargo test`: `orgate::testing::run(\"orgate.test.yaml\")`.

Exit codes: 0 all as expected · 1 a case failed, or something is wrong in a file · 2 could not run")]
pub(crate) struct Options {
    /// The files of tests [default: orgate.test.yaml beside the policy].
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The policy file [default: the one in the directory of each file of tests].
    #[arg(long, env = "ORGATE_POLICY", value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Name every rule without a case that lets somebody through and one that keeps somebody out.
    #[arg(long, env = "ORGATE_COVERAGE", value_parser = clap::builder::BoolishValueParser::new())]
    coverage: bool,
    /// Write into the files who gets in now, instead of failing.
    #[arg(long, env = "ORGATE_UPDATE", value_parser = clap::builder::BoolishValueParser::new())]
    update: bool,
    /// How the result looks.
    #[arg(long, env = "ORGATE_FORMAT", value_name = "FORMAT", value_enum, default_value_t)]
    format: Format,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people; a failing case is explained.
    #[default]
    Text,
    /// One object.
    Json,
    /// JUnit's XML, one test for each decision.
    Junit,
}

pub(crate) fn run(options: &Options, common: &Common) -> Result<(), Failure> {
    let files = match options.files.as_slice() {
        [] => vec![beside(options.policy.as_deref())],
        files => files.to_vec(),
    };
    let policy = options.policy.as_deref();
    if options.update {
        for path in &files {
            let before = read(path, policy, common)?;
            output::note(&update::update(path, &before)?);
        }
    }
    let judged = files.iter().map(|path| {
        let Loaded { name, file, cases, .. } = read(path, policy, common)?;
        Ok(Judged::new(name, &file, &cases))
    });
    let judged: Vec<Judged> = judged.collect::<Result<_, Failure>>()?;
    match options.format {
        Format::Text if common.quiet && judged.iter().all(Judged::passed) => {}
        Format::Text => output::result(&report(&judged, options.coverage)),
        Format::Json => output::json(&formats::json(&judged)),
        Format::Junit => output::result(&formats::junit(&judged)),
    }
    if judged.iter().all(Judged::passed) { Ok(()) } else { Err(Failure::findings()) }
}

/// The file of tests beside a policy.
pub(super) fn beside(policy: Option<&Path>) -> PathBuf {
    match policy.and_then(Path::parent).filter(|parent| !parent.as_os_str().is_empty()) {
        Some(directory) => directory.join(FILE_NAME),
        None => PathBuf::from(FILE_NAME),
    }
}

/// A file of tests and the policy that it speaks of.
struct Loaded {
    name: String,
    bytes: Vec<u8>,
    file: PolicyFile,
    cases: CaseFile,
}

fn read(path: &Path, policy: Option<&Path>, common: &Common) -> Result<Loaded, Failure> {
    let name = path.display().to_string();
    let bytes = orgate_config::read_bytes(path).map_err(|error| {
        let help = "write one beside the policy, or name it: `orgate test FILE`; `orgate test --help` shows its form";
        Failure::could_not_run(format!("cannot read `{name}`: {error}\nhelp: {help}"))
    })?;
    let directory = path.parent().unwrap_or(Path::new(""));
    let file = policy_file::load(directory, policy, common)?;
    let cases = read_cases(&name, &bytes, &file)
        .map_err(|findings| Failure::rendered(1, rendered(&findings, common)))?;
    Ok(Loaded { name, bytes, file, cases })
}

fn rendered(findings: &Diagnostics, common: &Common) -> String {
    format!("{}{}\n", findings.render(common.color.on_stderr()), findings.summary(""))
}
