//! `orgate explain`: what a request is answered with, and why.
//!
//! The same engine as the gate's: the same reading of the request target, the same match, the same decision, the same
//! table of refusals. Only the caller is described by hand instead of by a verified token.

mod batch;
mod caller;
mod json;
pub(crate) mod token;

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use orgate::testing::tools::{Answer, Question, told};
use orgate_config::PolicyFile;

use self::caller::{CallerFlags, Known};
use super::{Common, Failure, output, policy_file::PolicyFlag};

/// Flags of `orgate explain`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  orgate explain DELETE /orgs/acme --role admin --org acme
      what an admin of acme is answered, by which rule, and which roles would get in
  orgate explain GET /docs
      the same for a caller without a credential
  orgate explain GET /docs --claims @claims.json --issuer auth0 --expect allow
      with the claims of a token, read as the policy says; exit code 1 if it is not allowed
  pbpaste | orgate explain GET /docs --token -
      with a token, verified by the keys that the policy names; it is never printed
  orgate explain GET /team --host a.example.com -H x-team:red --role viewer --org acme
      with a host and header fields
  orgate explain --batch requests.jsonl
      one request for each line, one answer for each line; the lines are JSON objects like
      {\"method\":\"GET\",\"path\":\"/docs\",\"principal\":{\"roles\":[\"viewer\"],\"org_id\":\"acme\"}}

A role holds what `roles:` of the policy says, else what the profile orgate or astapa says. --permission replaces that:
the caller's token then holds exactly these. Only --token fetches anything: keys, from where the policy says. With
--no-verify it is only decoded, and the answer is that to a token which holds.

Exit codes: 0 explained · 1 not as --expect says, or something is wrong in the policy · 2 could not run")]
pub(crate) struct Options {
    /// The method, such as GET.
    #[arg(required_unless_present = "batch", conflicts_with = "batch")]
    method: Option<String>,
    /// The path as a client sends it, with the query if there is one.
    #[arg(required_unless_present = "batch", conflicts_with = "batch")]
    path: Option<String>,
    #[command(flatten)]
    policy: PolicyFlag,
    /// The host that the request names.
    #[arg(long, env = "ORGATE_HOST", value_name = "HOST", conflicts_with = "batch")]
    host: Option<String>,
    /// A header field of the request, as NAME:VALUE; may be repeated.
    #[arg(short = 'H', long, env = "ORGATE_HEADER", value_name = "NAME:VALUE", conflicts_with = "batch")]
    header: Vec<String>,
    #[command(flatten)]
    caller: CallerFlags,
    /// End with exit code 1 if the decision is another.
    #[arg(long, env = "ORGATE_EXPECT", value_name = "DECISION", value_enum, conflicts_with = "batch")]
    expect: Option<Expected>,
    /// Explain the requests of a file, one JSON object a line; `-` reads standard input. Answers are JSON.
    #[arg(long, env = "ORGATE_BATCH", value_name = "FILE")]
    batch: Option<PathBuf>,
    /// How the answer looks.
    #[arg(long, env = "ORGATE_FORMAT", value_name = "FORMAT", value_enum, default_value_t)]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Expected {
    /// The request goes on.
    Allow,
    /// It is refused.
    Deny,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    #[default]
    Text,
    /// One object.
    Json,
}

pub(crate) fn run(options: &Options, common: &Common) -> Result<(), Failure> {
    let file = options.policy.load(common)?;
    if let Some(path) = &options.batch {
        return batch::run(&file, path);
    }
    let (Some(method), Some(path)) = (&options.method, &options.path) else {
        return Err(Failure::could_not_run("explain needs a method and a path"));
    };
    check_method(method)?;
    let headers = headers(&options.header)?;
    let known = options.caller.known(&file)?;
    let question = Question {
        host: options.host.as_deref(),
        headers: &headers,
        principal: known.principal.as_ref(),
        refused: known.refused.as_ref().map(|(code, detail)| (*code, detail.as_str())),
        via: options.caller.via(),
        ..Question::new(method, path, orgate::clock::now())
    };
    let answer = Answer::of(&file, &question);
    match options.format {
        Format::Json => output::json(&known.to_json(json::answer(&answer, &file, question.principal))),
        Format::Text => {
            let color = common.color.on_stdout();
            output::result(&(told(&file, &question, color) + &known.told()));
        }
    }
    match options.expect {
        Some(expected) if (expected == Expected::Allow) != answer.allowed => {
            let (expected, got) = if answer.allowed { ("deny", "allow") } else { ("allow", "deny") };
            Err(Failure::rendered(1, format!("error: expected {expected}, got {got}")))
        }
        _ => Ok(()),
    }
}

/// `NAME:VALUE`, as curl takes it.
fn headers(given: &[String]) -> Result<Vec<(String, String)>, Failure> {
    let header = |text: &String| {
        let parts =
            text.split_once(':').map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()));
        parts.filter(|(name, _)| http::HeaderName::try_from(name.as_str()).is_ok()).ok_or_else(|| {
            Failure::could_not_run("a header is written NAME:VALUE, such as `-H x-org-id:acme`")
        })
    };
    given.iter().map(header).collect()
}

/// Methods are compared byte by byte; `get` is never what was meant.
fn check_method(method: &str) -> Result<(), Failure> {
    let upper = method.to_ascii_uppercase();
    let is_common = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"].contains(&upper.as_str());
    if http::Method::from_bytes(method.as_bytes()).is_err() {
        return Err(Failure::could_not_run(format!("`{}` is no method", method.escape_debug())));
    }
    if is_common && upper != method {
        let help = format!("methods are upper-case: did you mean `{upper}`?");
        return Err(Failure::could_not_run(format!("`{method}` is no method\nhelp: {help}")));
    }
    Ok(())
}

/// Whether the policy knows a role that somebody typed.
pub(crate) fn check_role(file: &PolicyFile, role: &str) -> Result<(), Failure> {
    if file.policy.roles().any(|known| known == role) {
        return Ok(());
    }
    let known: Vec<&str> = file.policy.roles().collect();
    let help = match orgate_policy::closest(role, known.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None if known.is_empty() => {
            "the policy knows no roles; declare them under `roles:`, or use --permission".to_owned()
        }
        None => format!("the policy knows: {}", known.join(", ")),
    };
    Err(Failure::could_not_run(format!("the policy knows no role `{}`\nhelp: {help}", role.escape_debug())))
}
