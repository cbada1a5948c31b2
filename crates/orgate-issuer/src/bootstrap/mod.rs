//! The bootstrap file: projects, clients, keys, operators, users and organizations that must exist.
//!
//! Applying it twice changes nothing. The file decides about projects, clients, keys, operators and passwords, as far as it
//! speaks of them; organizations and their members are made once and then belong to the people in them: a member who
//! was removed does not come back with the next start. Reading collects every mistake with its place and touches
//! nothing; applying is one transaction.

mod apply;
mod conceal;
mod read;

use std::path::Path;

use orgate_config::{diagnostic::Diagnostics, document};

pub(crate) use self::apply::apply;
use crate::{
    address::Address, clients::ClientKind, config::StartError, keys::Algorithm, projects::ClaimsProfile,
};

/// What a file asks for.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    projects: Vec<ProjectPlan>,
}

#[derive(Clone, Debug)]
struct ProjectPlan {
    id: String,
    name: Option<String>,
    org_enabled: Option<bool>,
    personal_orgs: Option<bool>,
    audience: Option<Vec<String>>,
    access_ttl_ms: Option<i64>,
    refresh_grace_ms: Option<i64>,
    access_algorithm: Option<Algorithm>,
    id_algorithm: Option<Algorithm>,
    claims_profile: Option<ClaimsProfile>,
    trusted_origins: Option<Vec<String>>,
    clients: Vec<ClientPlan>,
    keys: Vec<KeyPlan>,
    operators: Vec<OperatorPlan>,
    users: Vec<UserPlan>,
    organizations: Vec<OrganizationPlan>,
}

#[derive(Clone, Debug)]
struct ClientPlan {
    id: String,
    name: Option<String>,
    kind: ClientKind,
    secret: Option<Secret>,
    redirect_uris: Vec<String>,
    post_logout_redirect_uris: Vec<String>,
    grants: Vec<String>,
    require_pkce: bool,
    /// The organization (by id or slug) and the role of a machine in it.
    post: Option<(String, String)>,
    audiences: Vec<String>,
    scopes: Vec<String>,
    first_party: bool,
    require_org: bool,
    require_par: bool,
    dpop_bound: bool,
    dpop_nonce: bool,
    backchannel_logout_uri: Option<String>,
}

/// A key of the project, for a program.
#[derive(Clone, Debug)]
struct KeyPlan {
    name: String,
    secret: Secret,
    scopes: Vec<String>,
}

#[derive(Clone, Debug)]
struct OperatorPlan {
    address: Address,
    password: Secret,
}

#[derive(Clone, Debug)]
struct UserPlan {
    id: Option<String>,
    address: Address,
    password: Option<Secret>,
    email_verified: bool,
    name: Option<String>,
}

#[derive(Clone, Debug)]
struct OrganizationPlan {
    id: Option<String>,
    slug: String,
    name: String,
    owner: Address,
    members: Vec<MemberPlan>,
}

#[derive(Clone, Debug)]
struct MemberPlan {
    user: Address,
    role: String,
}

/// A password or a client secret; never printed.
#[derive(Clone)]
struct Secret(String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Reads the file at `path`; `env` gives the environment.
pub(crate) fn read(path: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Plan, StartError> {
    let bytes = std::fs::read(path).map_err(|error| {
        StartError::could_not_run(format!("cannot read the bootstrap file `{}`: {error}", path.display()))
    })?;
    plan(&path.display().to_string(), &bytes, env).map_err(StartError::findings)
}

/// Reads a text that an application brings along.
pub(crate) fn parse(text: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<Plan, StartError> {
    plan("the bootstrap text", text.as_bytes(), env).map_err(StartError::findings)
}

fn plan(name: &str, bytes: &[u8], env: &dyn Fn(&str) -> Option<String>) -> Result<Plan, Diagnostics> {
    let mut diagnostics = Diagnostics::new();
    let root = document::read(name, bytes, &mut diagnostics);
    let plan = match &root {
        Some(root) => read::file(root, env, &mut diagnostics),
        None => Plan::default(),
    };
    if diagnostics.has_errors() {
        return Err(conceal::conceal(name, bytes, root.as_ref(), &diagnostics));
    }
    Ok(plan)
}

#[cfg(test)]
mod tests;
