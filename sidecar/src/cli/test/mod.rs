//! `orgate test`: who gets in, written down beside the policy and checked.

mod judged;
mod report;

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use orgate::Code;
use orgate_config::{PolicyFile, cases, diagnostic::Diagnostics};

use self::judged::Judged;
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

A case names exactly who gets in: every other principal, and `anonymous`, must be refused. A principal has role, roles,
permissions, org (or {id, slug}) and sub, or the raw claims of a token (issuer, claims). Nothing is fetched.

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
    let judged: Vec<Judged> =
        files.iter().map(|path| judge(path, options.policy.as_deref(), common)).collect::<Result<_, _>>()?;
    match options.format {
        Format::Text => output::result(&report::text(&judged, options.coverage)),
        Format::Json => output::json(&report::json(&judged)),
        Format::Junit => output::result(&report::junit(&judged)),
    }
    if judged.iter().all(Judged::passed) { Ok(()) } else { Err(Failure::findings()) }
}

/// The file of tests beside a policy.
fn beside(policy: Option<&Path>) -> PathBuf {
    match policy.and_then(Path::parent).filter(|parent| !parent.as_os_str().is_empty()) {
        Some(directory) => directory.join(FILE_NAME),
        None => PathBuf::from(FILE_NAME),
    }
}

fn judge(path: &Path, policy: Option<&Path>, common: &Common) -> Result<Judged, Failure> {
    let name = path.display().to_string();
    let bytes = orgate_config::read_bytes(path).map_err(|error| {
        let help = "write one beside the policy, or name it: `orgate test FILE`; `orgate test --help` shows its form";
        Failure::could_not_run(format!("cannot read `{name}`: {error}\nhelp: {help}"))
    })?;
    let directory = path.parent().unwrap_or(Path::new(""));
    let file: PolicyFile = policy_file::load(directory, policy, common)?;
    let reasons: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    let cases = cases::read(&name, &bytes, &file, &reasons)
        .map_err(|findings| Failure::rendered(1, rendered(&findings, common)))?;
    Ok(Judged::new(name, &file, &cases))
}

fn rendered(findings: &Diagnostics, common: &Common) -> String {
    format!("{}{}\n", findings.render(common.color.on_stderr()), findings.summary(""))
}
