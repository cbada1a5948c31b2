//! What the tools of the command line share with `cargo test`: one answer, its explanation, and files of tests.
//!
//! `orgate explain`, `orgate test` and [`run`](super::run) judge through this module, and it judges through
//! [`judge`](crate::judge()), as the doors do.

mod answer;
mod judged;
mod question;
mod replay;
mod report;
#[cfg(feature = "remote")]
mod token;
mod told;

pub use answer::{Answer, AnswerRule};
pub use judged::{CaseCoverage, Gap, Judged, Judgement, Mismatch};
pub use question::Question;
pub use replay::{LoggedCredential, LoggedDecision, Replayed, replay};
pub use report::{report, sentence};
#[cfg(feature = "remote")]
pub use token::{Proven, Unproven, prove};
pub use told::told;

use std::path::Path;

use orgate_config::{LoadError, PolicyFile, cases, cases::CaseFile};

use crate::Code;

/// Reads a file of tests for `policy`.
///
/// # Errors
/// Everything that is wrong in it.
pub fn read_cases(
    name: &str,
    bytes: &[u8],
    policy: &PolicyFile,
) -> Result<CaseFile, orgate_config::diagnostic::Diagnostics> {
    let reasons: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    cases::read(name, bytes, policy, &reasons)
}

/// Runs a file of tests against the policy beside it; the text of the report if something is not as expected.
pub(super) fn run(path: &Path) -> Result<(), String> {
    let name = path.display().to_string();
    let bytes = orgate_config::read_bytes(path).map_err(|error| format!("cannot read `{name}`: {error}"))?;
    let environment = |name: &str| std::env::var(name).ok();
    let file = orgate_config::discover(path.parent().unwrap_or(Path::new("")), None)
        .and_then(|policy| orgate_config::load(&policy, &environment))
        .map_err(|error| LoadError::render(&error, false))?;
    let cases = read_cases(&name, &bytes, &file).map_err(|findings| findings.render(false))?;
    let judged = Judged::new(name, &file, &cases);
    if judged.passed() { Ok(()) } else { Err(report(&[judged], false)) }
}
