//! `orgate explain`: what a request is answered with, and why.
//!
//! The same engine as the gate's: the same reading of the request target, the same match, the same decision, the same
//! table of refusals. Only the caller is described by hand instead of by a verified token.

pub(crate) mod answer;
mod batch;
mod text;

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use orgate_claims::Principal;
use orgate_config::{PolicyFile, caller};

pub(crate) use self::{answer::Answer, text::told};
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
  orgate explain --batch requests.jsonl
      one request for each line, one answer for each line; the lines are JSON objects like
      {\"method\":\"GET\",\"path\":\"/docs\",\"principal\":{\"roles\":[\"viewer\"],\"org_id\":\"acme\"}}

A role holds what `roles:` of the policy says, else what the profile orgate or astapa says. --permission replaces that:
the caller's token then holds exactly these. Nothing is verified and nothing is fetched.

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

/// Who is asking.
#[derive(Debug, Args)]
#[command(next_help_heading = "The caller")]
struct CallerFlags {
    /// A role the caller has in the organization; may be repeated.
    #[arg(long, env = "ORGATE_ROLE", value_name = "ROLE", value_delimiter = ',', conflicts_with = "batch")]
    role: Vec<String>,
    /// A permission of the caller's token, instead of what the roles hold; may be repeated.
    #[arg(
        long,
        env = "ORGATE_PERMISSION",
        value_name = "PERMISSION",
        value_delimiter = ',',
        conflicts_with = "batch"
    )]
    permission: Vec<String>,
    /// The id of the caller's active organization.
    #[arg(long, env = "ORGATE_ORG", value_name = "ID", conflicts_with = "batch")]
    org: Option<String>,
    /// Its slug.
    #[arg(long, env = "ORGATE_ORG_SLUG", value_name = "SLUG", requires = "org")]
    org_slug: Option<String>,
    /// The caller's id [default: usr_example].
    #[arg(long, env = "ORGATE_SUB", value_name = "ID", conflicts_with = "batch")]
    sub: Option<String>,
    /// No credential at all; what is meant when nothing is said of the caller.
    #[arg(long, env = "ORGATE_ANONYMOUS", conflicts_with_all = ["role", "permission", "org", "sub", "claims", "batch"],
        value_parser = clap::builder::BoolishValueParser::new())]
    anonymous: bool,
    /// The claims of a token, as JSON or from `@FILE`, read by the claim mapping of the policy.
    #[arg(long, env = "ORGATE_CLAIMS", value_name = "JSON", conflicts_with_all = ["role", "permission", "org", "sub", "batch"])]
    claims: Option<String>,
    /// The issuer whose token has these claims, by its name in the policy.
    #[arg(long, env = "ORGATE_ISSUER", value_name = "NAME", requires = "claims")]
    issuer: Option<String>,
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
    let principal = options.caller.principal(&file)?;
    let answer = Answer::of(&file, method, path, principal.as_ref());
    match options.format {
        Format::Json => output::json(&answer.to_json(&file, principal.as_ref())),
        Format::Text => {
            let color = common.color.on_stdout();
            output::result(&told(&file, method, path, principal.as_ref(), color));
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

impl CallerFlags {
    fn principal(&self, file: &PolicyFile) -> Result<Option<Principal>, Failure> {
        if let Some(claims) = &self.claims {
            let text = match claims.strip_prefix('@') {
                Some(path) => std::fs::read_to_string(path)
                    .map_err(|error| Failure::could_not_run(format!("cannot read `{path}`: {error}")))?,
                None => claims.clone(),
            };
            // What is no JSON is told by the reader of the claims.
            let value: Option<serde_json::Value> = serde_json::from_str(&text).ok();
            let iss = value.as_ref().and_then(|claims| claims.get("iss")?.as_str());
            return caller::from_claims(file, &text, iss, self.issuer.as_deref())
                .map(Some)
                .map_err(Failure::could_not_run);
        }
        let described =
            !self.role.is_empty() || !self.permission.is_empty() || self.org.is_some() || self.sub.is_some();
        if !described {
            return Ok(None);
        }
        for role in &self.role {
            check_role(file, role)?;
        }
        for permission in
            self.permission.iter().filter(|name| !file.policy.permissions().any(|p| p == **name))
        {
            let meant = orgate_policy::closest(permission, file.policy.permissions());
            let help = meant.map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default();
            output::note(&format!("warning: no rule can ask for the permission `{permission}`{help}"));
        }
        let description = caller::Caller {
            sub: self.sub.clone(),
            org_id: self.org.clone(),
            org_slug: self.org_slug.clone(),
            roles: self.role.clone(),
            permissions: (!self.permission.is_empty()).then(|| self.permission.clone()),
        };
        description.principal(file).map(Some).map_err(Failure::could_not_run)
    }
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
