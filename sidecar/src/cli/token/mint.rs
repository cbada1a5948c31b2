//! `orgate token mint`: a token for development, signed with a key of this machine.

use std::{
    fs::OpenOptions,
    hash::{BuildHasher as _, RandomState},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use clap::Args;
use orgate_claims::{Permission, RoleName, Slug, wire};
use orgate_config::{DEVELOPMENT_AUDIENCE, DEVELOPMENT_ISSUER, caller::Caller};
use orgate_issuer::DevelopmentKey;
use serde_json::{Map, Value, json};

use crate::cli::{Common, Failure, explain::check_role, output, policy_file::PolicyFlag};

/// Where the key lies unless the user says otherwise.
pub(crate) const KEY_FILE: &str = ".orgate-dev-key.json";
/// Claims that are not to be made up, because they are what the token is.
const OURS: [&str; 6] = ["iss", "aud", "exp", "iat", "jti", "client_id"];

/// Flags of `orgate token mint`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  orgate token mint --role admin --org acme
      a token of an admin of acme, who holds what the policy says that admins hold
  orgate token mint --permission read --org acme --sub usr_ann --ttl 5m
      with exactly these permissions
  orgate token mint --role viewer --org acme --claim plan=pro --claim seats=7
      with claims that rules compare
  curl -H \"Authorization: Bearer $(orgate token mint --role viewer --org acme)\" http://127.0.0.1:8080/docs
      through a proxy that was started with --dev-issuer in the same folder

The token is one of the issuer https://dev.orgate.invalid, signed with the key in .orgate-dev-key.json, which is made if it
is missing. Nothing believes it but `orgate proxy --dev-issuer` with the same key. Tokens of the companion issuer come from
its sign-in and its token endpoint; there is no way around these.

Exit codes: 0 printed · 1 something is wrong in the policy · 2 could not run")]
pub(super) struct Mint {
    #[command(flatten)]
    policy: PolicyFlag,
    /// A role in the organization; may be repeated.
    #[arg(long, env = "ORGATE_ROLE", value_name = "ROLE", value_delimiter = ',')]
    role: Vec<String>,
    /// A permission, instead of what the roles hold; may be repeated.
    #[arg(long, env = "ORGATE_PERMISSION", value_name = "PERMISSION", value_delimiter = ',')]
    permission: Vec<String>,
    /// The id of the active organization.
    #[arg(long, env = "ORGATE_ORG", value_name = "ID")]
    org: Option<String>,
    /// Its slug.
    #[arg(long, env = "ORGATE_ORG_SLUG", value_name = "SLUG", requires = "org")]
    org_slug: Option<String>,
    /// The caller's id [default: usr_example].
    #[arg(long, env = "ORGATE_SUB", value_name = "ID")]
    sub: Option<String>,
    /// A further claim, as NAME=VALUE; the value is JSON, or else a text; may be repeated.
    #[arg(long, env = "ORGATE_CLAIM", value_name = "NAME=VALUE")]
    claim: Vec<String>,
    /// How long the token holds, such as 90s, 15m or 8h; at most 24h.
    #[arg(long, env = "ORGATE_TTL", value_name = "TIME", default_value = "1h", value_parser = seconds)]
    ttl: i64,
    /// The file of the development key.
    #[arg(long, env = "ORGATE_DEV_KEY", value_name = "FILE", default_value = KEY_FILE)]
    dev_key: PathBuf,
}

pub(super) fn run(options: &Mint, common: &Common) -> Result<(), Failure> {
    let claims = claims(options, common)?;
    let key = key(&options.dev_key)?;
    let token = key.sign(&claims).ok_or_else(|| Failure::could_not_run("the token cannot be signed"))?;
    output::note("a development token: only `orgate proxy --dev-issuer` with the same key believes it");
    output::result(&format!("{token}\n"));
    Ok(())
}

/// The key in this file, which is made if it is missing.
pub(crate) fn key(path: &Path) -> Result<DevelopmentKey, Failure> {
    let name = path.display();
    let cannot = |what: &str, error: &dyn std::fmt::Display| {
        Failure::could_not_run(format!("cannot {what} the development key `{name}`: {error}"))
    };
    match std::fs::read_to_string(path) {
        Ok(text) => {
            let help = "remove it, and a new one is made";
            DevelopmentKey::parse(&text).ok_or_else(|| {
                Failure::could_not_run(format!("`{name}` is no development key\nhelp: {help}"))
            })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let key = DevelopmentKey::generate().ok_or_else(|| cannot("make", &"no randomness"))?;
            let text = key.to_text().ok_or_else(|| cannot("make", &"it has no form"))?;
            let mut new = OpenOptions::new();
            new.write(true).create_new(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut new, 0o600);
            let written = new.open(path).and_then(|mut file| file.write_all(text.as_bytes()));
            written.map_err(|error| cannot("write", &error))?;
            output::note(&format!(
                "made `{name}`, a key for development only; keep it out of the repository"
            ));
            Ok(key)
        }
        Err(error) => Err(cannot("read", &error)),
    }
}

fn claims(options: &Mint, common: &Common) -> Result<Value, Failure> {
    let caller = Caller {
        sub: options.sub.clone(),
        org_id: options.org.clone(),
        org_slug: options.org_slug.clone(),
        roles: options.role.clone(),
        permissions: (!options.permission.is_empty()).then(|| options.permission.clone()),
        claims: Vec::new(),
    };
    let file = options.policy.load(common)?;
    for role in &options.role {
        check_role(&file, role)?;
    }
    let principal = caller.principal(&file).map_err(Failure::could_not_run)?;
    let now = orgate::clock::now().seconds();
    let id = RandomState::new().hash_one(now);
    let mut claims = Map::new();
    let mut add = |name: &str, value: Value| claims.insert(name.to_owned(), value);
    add("iss", DEVELOPMENT_ISSUER.into());
    add("aud", DEVELOPMENT_AUDIENCE.into());
    add("sub", principal.subject().as_str().into());
    add("iat", now.into());
    add("exp", now.saturating_add(options.ttl).into());
    add("auth_time", now.into());
    add("jti", format!("dev_{id:016x}").into());
    add(wire::CLIENT_ID, "development".into());
    if let Some(organization) = principal.organization() {
        add(wire::ORG_ID, organization.id.as_str().into());
        if let Some(slug) = organization.slug.as_ref().map(Slug::as_str) {
            add(wire::ORG_SLUG, slug.into());
        }
    }
    match principal.roles() {
        [] => None,
        [only] => add(wire::ORG_ROLE, only.as_str().into()),
        several => add(wire::ORG_ROLE, several.iter().map(RoleName::as_str).collect()),
    };
    let permissions: Vec<&str> = principal.permissions().iter().map(Permission::as_str).collect();
    add(wire::ORG_PERMISSIONS, json!(permissions));
    for claim in &options.claim {
        let (name, value) = claim.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or_else(|| {
            Failure::could_not_run("a claim is written NAME=VALUE, such as `--claim plan=pro`")
        })?;
        if OURS.contains(&name) {
            return Err(Failure::could_not_run(format!(
                "`{name}` is not to be chosen: it makes the token one for development"
            )));
        }
        add(name, serde_json::from_str(value).unwrap_or_else(|_| value.into()));
    }
    Ok(Value::Object(claims))
}

/// A stretch of time, in seconds.
fn seconds(text: &str) -> Result<i64, String> {
    let most = 24 * 3_600;
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        _ => return Err("write a number and s, m or h, such as 15m".to_owned()),
    };
    let seconds = number.parse::<i64>().ok().and_then(|number| number.checked_mul(unit));
    seconds.filter(|seconds| (1..=most).contains(seconds)).ok_or_else(|| "between 1s and 24h".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit_and_an_end() {
        assert_eq!((seconds("90s"), seconds("15m"), seconds("24h")), (Ok(90), Ok(900), Ok(86_400)));
        for wrong in ["", "15", "m", "0s", "25h", "1d", "99999999999999999999h", "-1s"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
