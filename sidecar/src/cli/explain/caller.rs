//! Who is asking: the flags that describe a caller, and what comes of them.

use clap::Args;
use orgate::Code;
use orgate_claims::{Confirmation, Permission, Principal, RoleName, Slug};
use orgate_config::{PolicyFile, caller};
use serde_json::{Value, json};

use super::token;
use crate::cli::{Failure, output};

/// What is known of a caller.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) principal: Option<Principal>,
    /// Why the token is refused.
    pub(super) refused: Option<(Code, String)>,
    /// Whether a token was verified; `None` if there was none.
    pub(super) verified: Option<bool>,
    /// The name of the issuer whose mapping read the claims, where claims were read.
    pub(super) claims: Option<String>,
}

impl Known {
    /// The steps from claims to caller, for people.
    pub(super) fn told(&self) -> String {
        let mut text = String::new();
        if self.verified == Some(false) && self.refused.is_none() {
            text.push_str("  NOT VERIFIED: anybody could have written this token (--no-verify)\n");
        }
        let (Some(issuer), Some(principal)) = (&self.claims, &self.principal) else { return text };
        text.push_str(&format!("  the claims, as issuer `{issuer}` has them read:\n"));
        for (slot, value) in slots(principal) {
            let value =
                value.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect::<String>();
            let value = if value.is_empty() { "(absent)" } else { &value };
            text.push_str(&format!("    {slot:12} {value}\n"));
        }
        text
    }

    /// The answer with what is known of the token.
    pub(super) fn to_json(&self, mut answer: Value) -> Value {
        if let Some(object) = answer.as_object_mut() {
            if let Some(verified) = self.verified {
                let reason = self.refused.as_ref().map(|(_, detail)| detail);
                object.insert("token".to_owned(), json!({"verified": verified, "refused": reason}));
            }
            if let (Some(issuer), Some(principal)) = (&self.claims, &self.principal) {
                let slots = slots(principal).into_iter().map(|(slot, value)| (slot.to_owned(), value.into()));
                let slots: serde_json::Map<String, Value> = slots.collect();
                object.insert("claims".to_owned(), json!({"issuer": issuer, "slots": slots}));
            }
        }
        answer
    }
}

/// The slots of a principal with what filled them; empty where nothing did.
fn slots(principal: &Principal) -> Vec<(&'static str, String)> {
    let organization = principal.organization();
    let id = organization.map(|organization| organization.id.as_str().to_owned()).unwrap_or_default();
    let slug = organization
        .and_then(|organization| organization.slug.as_ref())
        .map(Slug::as_str)
        .unwrap_or_default();
    let roles: Vec<&str> = principal.roles().iter().map(RoleName::as_str).collect();
    let permissions: Vec<&str> = principal.permissions().iter().map(Permission::as_str).collect();
    let mut slots = vec![
        ("sub", principal.subject().as_str().to_owned()),
        ("org.id", id),
        ("org.slug", slug.to_owned()),
        ("role", roles.join(" ")),
        ("permissions", permissions.join(" ")),
    ];
    slots.extend(principal.confirmation().map(|bound| ("bound", bound_to(bound))));
    slots
}

/// What the sender of a token has to prove besides.
fn bound_to(confirmation: &Confirmation) -> String {
    let key = confirmation.key_thumbprint().map(|_| "a key (every request needs a DPoP proof)");
    let certificate = confirmation.certificate_thumbprint().map(|_| "a client certificate (mTLS)");
    key.into_iter().chain(certificate).collect::<Vec<_>>().join(" and ")
}

/// The name of a principal's issuer in the policy.
pub(super) fn issuer_name(file: &PolicyFile, principal: &Principal) -> String {
    let issuer = file.issuers.iter().find(|issuer| issuer.trust.url() == principal.issuer());
    issuer.map(|issuer| issuer.name.clone()).unwrap_or_default()
}

/// Who is asking.
#[derive(Debug, Args)]
#[command(next_help_heading = "The caller")]
pub(super) struct CallerFlags {
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
    #[arg(long, env = "ORGATE_ANONYMOUS", conflicts_with_all = ["role", "permission", "org", "sub", "claims", "token", "batch"],
        value_parser = clap::builder::BoolishValueParser::new())]
    anonymous: bool,
    /// The claims of a token, as JSON or from `@FILE`, read by the claim mapping of the policy.
    #[arg(long, env = "ORGATE_CLAIMS", value_name = "JSON", conflicts_with_all = ["role", "permission", "org", "sub", "token", "batch"])]
    claims: Option<String>,
    /// The issuer whose token has these claims, by its name in the policy.
    #[arg(long, env = "ORGATE_ISSUER", value_name = "NAME", conflicts_with_all = ["role", "permission", "org", "sub", "batch"])]
    issuer: Option<String>,
    /// A token; `-` reads it from standard input, where no history keeps it.
    #[arg(long, env = "ORGATE_TOKEN", value_name = "TOKEN", conflicts_with_all = ["role", "permission", "org", "sub", "batch"], hide_env_values = true)]
    token: Option<String>,
    /// Decode the token without verifying it. What it says may be a lie.
    #[arg(long, env = "ORGATE_NO_VERIFY", requires = "token", value_parser = clap::builder::BoolishValueParser::new())]
    no_verify: bool,
    /// The authenticator of the policy that the request satisfies.
    #[arg(long, env = "ORGATE_VIA", value_name = "NAME", conflicts_with = "batch")]
    via: Option<String>,
}

impl CallerFlags {
    /// The authenticator that is satisfied.
    pub(super) fn via(&self) -> Option<&str> {
        self.via.as_deref()
    }

    /// What there is to know of the caller.
    pub(super) fn known(&self, file: &PolicyFile) -> Result<Known, Failure> {
        if let Some(token) = &self.token {
            return token::known(file, token, self.issuer.as_deref(), !self.no_verify);
        }
        let principal = self.principal(file)?;
        let read_by =
            self.claims.as_ref().and(principal.as_ref()).map(|principal| issuer_name(file, principal));
        Ok(Known { claims: read_by, principal, ..Known::default() })
    }

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
            super::check_role(file, role)?;
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
            claims: Vec::new(),
        };
        description.principal(file).map(Some).map_err(Failure::could_not_run)
    }
}
