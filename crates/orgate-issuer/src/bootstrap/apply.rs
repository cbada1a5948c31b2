//! Bringing a plan into the database, in one transaction.

use std::fmt;

use serde_json::json;

use super::{ClientPlan, OrganizationPlan, Plan, ProjectPlan, Secret, UserPlan};
use crate::{
    address::Address,
    app::App,
    clients::{self, Client, Post},
    config::StartError,
    db::{Conn, DbError, Tx},
    events::{Actor, Event, EventType},
    ids::Kind,
    members::{self, AddError, NewMember},
    operators::{self, Rank, keys},
    organizations::{self, CreateError, NewOrganization},
    password::{Checked, For, PasswordError, Passwords},
    projects::{self, Project},
    users::{self, NewUser},
};

/// Why a plan cannot be brought into this database.
#[derive(Debug)]
enum ApplyError {
    Db(DbError),
    Conflict(String),
}

impl From<DbError> for ApplyError {
    fn from(error: DbError) -> Self {
        Self::Db(error)
    }
}

impl From<PasswordError> for ApplyError {
    fn from(error: PasswordError) -> Self {
        Self::Conflict(format!("a password cannot be hashed ({error:?})"))
    }
}

impl fmt::Display for ApplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Db(error) => error.fmt(f),
            Self::Conflict(why) => write!(f, "the bootstrap file does not fit the database: {why}"),
        }
    }
}

/// A project with everything that needs work outside the transaction done.
#[derive(Clone)]
struct Prepared {
    plan: ProjectPlan,
    clients: Vec<Client>,
    /// A new hash for each operator and each user whose password is not the stored one.
    operator_hashes: Vec<Option<String>>,
    user_hashes: Vec<Option<String>>,
}

/// Brings `plan` into the database of `app`.
pub(crate) async fn apply(app: &App, plan: Plan) -> Result<(), StartError> {
    let failed = |error: ApplyError| StartError::could_not_run(error.to_string());
    let mut prepared = Vec::new();
    for project in plan.projects {
        prepared.push(prepare(app, project).await.map_err(failed)?);
    }
    let now = app.now_ms();
    app.db
        .write::<_, ApplyError>(move |tx| {
            Box::pin(async move {
                for project in prepared {
                    apply_project(tx, project, now).await?;
                }
                Ok(())
            })
        })
        .await
        .map_err(failed)
}

async fn prepare(app: &App, plan: ProjectPlan) -> Result<Prepared, ApplyError> {
    let mut conn = app.db.read().await?;
    let mut prepared =
        Prepared { clients: Vec::new(), operator_hashes: Vec::new(), user_hashes: Vec::new(), plan };
    for client in &prepared.plan.clients {
        prepared.clients.push(wanted_client(app, &mut conn, &prepared.plan, client).await?);
    }
    for operator in &prepared.plan.operators {
        let stored = operators::find(&mut conn, &operator.address).await?.map(|account| account.password_phc);
        prepared.operator_hashes.push(new_hash(&app.passwords, &operator.password, stored).await?);
    }
    for user in &prepared.plan.users {
        let stored = users::find_by_address(&mut conn, &prepared.plan.id, &user.address).await?;
        let stored = stored.and_then(|user| user.password_phc);
        prepared.user_hashes.push(match &user.password {
            Some(password) => new_hash(&app.passwords, password, stored).await?,
            None => None,
        });
    }
    Ok(prepared)
}

/// A hash to store, unless the stored one is of this password.
async fn new_hash(
    passwords: &Passwords,
    password: &Secret,
    stored: Option<String>,
) -> Result<Option<String>, PasswordError> {
    if stored.is_some() {
        match passwords.check(For::Start, password.0.clone(), stored).await? {
            Checked::Right { rehashed } => return Ok(rehashed),
            Checked::Wrong => {}
        }
    }
    passwords.hash(For::Start, password.0.clone()).await.map(Some)
}

async fn wanted_client(
    app: &App,
    conn: &mut Conn,
    project: &ProjectPlan,
    plan: &ClientPlan,
) -> Result<Client, ApplyError> {
    let stored = clients::find(conn, &plan.id).await?;
    if stored.as_ref().is_some_and(|stored| stored.project_id != project.id) {
        return Err(ApplyError::Conflict(format!("the client `{}` belongs to another project", plan.id)));
    }
    let stored_hash = stored.and_then(|client| client.secret_hash);
    let secret_hash = match (&plan.secret, stored_hash) {
        (Some(Secret(secret)), Some(hash)) if app.secrets.verify_client_secret(secret, &hash) => Some(hash),
        (Some(Secret(secret)), _) => Some(app.secrets.hash_client_secret(secret)),
        (None, stored) => stored,
    };
    let name = plan.name.clone().or_else(|| project.name.clone()).unwrap_or_else(|| plan.id.clone());
    Ok(Client {
        secret_hash,
        redirect_uris: plan.redirect_uris.clone(),
        post_logout_redirect_uris: plan.post_logout_redirect_uris.clone(),
        grants: plan.grants.clone(),
        require_pkce: plan.require_pkce,
        // The organization may be one that the same file makes.
        post: plan.post.clone().map(|(org_id, role)| Post { org_id, role }),
        audiences: plan.audiences.clone(),
        scopes: plan.scopes.clone(),
        first_party: plan.first_party,
        require_org: plan.require_org,
        require_par: plan.require_par,
        dpop_bound: plan.dpop_bound,
        dpop_nonce: plan.dpop_nonce,
        backchannel_logout_uri: plan.backchannel_logout_uri.clone(),
        ..Client::new(plan.id.clone(), project.id.clone(), name, plan.kind)
    })
}

/// Stores a client; a machine's organization is there by now.
async fn settle_client(
    tx: &mut Tx,
    project_id: &str,
    mut client: Client,
    now_ms: i64,
) -> Result<(), ApplyError> {
    if let Some(post) = &mut client.post {
        post.org_id =
            organizations::find(tx, project_id, &post.org_id).await?.map(|org| org.id).ok_or_else(|| {
                ApplyError::Conflict(format!("the organization of the client `{}` is not there", client.id))
            })?;
    }
    match clients::find(tx, &client.id).await? {
        None => clients::create(tx, &client, now_ms).await?,
        Some(stored) if stored != client => {
            clients::update(tx, &stored, &client, Actor::Setup, now_ms).await?;
        }
        Some(_) => {}
    }
    Ok(())
}

async fn apply_project(tx: &mut Tx, prepared: Prepared, now_ms: i64) -> Result<(), ApplyError> {
    let Prepared { plan, clients, operator_hashes, user_hashes } = prepared;
    settle_project(tx, &plan, now_ms).await?;
    for key in &plan.keys {
        let (named, opens) = ((plan.id.as_str(), key.name.as_str()), (key.secret.0.as_str(), &*key.scopes));
        if !keys::settle(tx, named, opens, now_ms).await? {
            let why = format!("the secret of the key `{}` is that of another project", key.name);
            return Err(ApplyError::Conflict(why));
        }
    }
    for (operator, hash) in plan.operators.iter().zip(operator_hashes) {
        let id = match (operators::find(tx, &operator.address).await?, hash) {
            (None, Some(hash)) => operators::create(tx, &operator.address, &hash, now_ms).await?,
            (None, None) => continue,
            (Some(account), hash) => {
                if let Some(hash) = hash {
                    operators::set_password(tx, &account.id, &hash, now_ms).await?;
                }
                account.id
            }
        };
        operators::assign(tx, &id, &plan.id, Rank::Owner).await?;
    }
    for (user, hash) in plan.users.iter().zip(user_hashes) {
        settle_user(tx, &plan.id, user, hash, now_ms).await?;
    }
    for organization in &plan.organizations {
        settle_organization(tx, &plan.id, organization, now_ms).await?;
    }
    for client in clients {
        settle_client(tx, &plan.id, client, now_ms).await?;
    }
    Ok(())
}

async fn settle_project(tx: &mut Tx, plan: &ProjectPlan, now_ms: i64) -> Result<(), ApplyError> {
    let stored = projects::find(tx, &plan.id).await?;
    let mut wanted = stored
        .clone()
        .unwrap_or_else(|| Project::new(plan.id.clone(), plan.id.clone(), vec![plan.id.clone()]));
    let set = |field: &mut bool, value: Option<bool>| *field = value.unwrap_or(*field);
    set(&mut wanted.org_enabled, plan.org_enabled);
    set(&mut wanted.personal_orgs, plan.personal_orgs);
    wanted.name = plan.name.clone().unwrap_or(wanted.name);
    wanted.audience = plan.audience.clone().unwrap_or(wanted.audience);
    wanted.trusted_origins = plan.trusted_origins.clone().unwrap_or(wanted.trusted_origins);
    wanted.access_ttl_ms = plan.access_ttl_ms.unwrap_or(wanted.access_ttl_ms);
    wanted.refresh_grace_ms = plan.refresh_grace_ms.unwrap_or(wanted.refresh_grace_ms);
    wanted.access_algorithm = plan.access_algorithm.unwrap_or(wanted.access_algorithm);
    wanted.id_algorithm = plan.id_algorithm.unwrap_or(wanted.id_algorithm);
    wanted.claims_profile = plan.claims_profile.unwrap_or(wanted.claims_profile);
    match stored {
        None => projects::create(tx, &wanted, now_ms).await?,
        Some(stored) => projects::update(tx, &stored, &wanted, Actor::Setup, now_ms).await?,
    }
    Ok(())
}

async fn settle_user(
    tx: &mut Tx,
    project_id: &str,
    plan: &UserPlan,
    hash: Option<String>,
    now_ms: i64,
) -> Result<(), ApplyError> {
    let Some(stored) = users::find_by_address(tx, project_id, &plan.address).await? else {
        let user = NewUser {
            id: plan.id.clone().unwrap_or_else(|| Kind::User.new_id(now_ms)),
            address: plan.address.clone(),
            email_verified: plan.email_verified,
            name: plan.name.clone(),
            password_phc: hash,
        };
        if !users::create(tx, project_id, &user, now_ms).await? {
            return Err(ApplyError::Conflict(format!("the id `{}` belongs to another user", user.id)));
        }
        tx.record(Event {
            project_id: project_id.to_owned(),
            kind: EventType::UserCreated,
            actor: Actor::Setup,
            org_id: None,
            target_id: user.id,
            data: json!({}),
            at: now_ms,
        });
        return Ok(());
    };
    if plan.id.as_ref().is_some_and(|id| *id != stored.id) {
        let why = format!("the user with the address of `{}` has the id `{}`", plan_name(plan), stored.id);
        return Err(ApplyError::Conflict(why));
    }
    if let Some(hash) = hash {
        users::set_password(tx, &stored.id, &hash, now_ms).await?;
    }
    // What a person has shown since then is not taken back.
    let email_verified = stored.email_verified || plan.email_verified;
    let name = plan.name.as_ref().or(stored.name.as_ref());
    if email_verified != stored.email_verified || name != stored.name.as_ref() {
        users::set_profile(tx, &stored.id, name.map(String::as_str), email_verified, now_ms).await?;
    }
    Ok(())
}

fn plan_name(plan: &UserPlan) -> &str {
    plan.id.as_deref().unwrap_or("?")
}

async fn settle_organization(
    tx: &mut Tx,
    project_id: &str,
    plan: &OrganizationPlan,
    now_ms: i64,
) -> Result<(), ApplyError> {
    if let Some(stored) = organizations::find_by_slug(tx, project_id, &plan.slug).await? {
        if plan.id.as_ref().is_some_and(|id| *id != stored.id) {
            let why = format!("the organization `{}` has the id `{}`", plan.slug, stored.id);
            return Err(ApplyError::Conflict(why));
        }
        return Ok(());
    }
    let owner = user_id(tx, project_id, &plan.owner).await?;
    let new = NewOrganization {
        id: plan.id.clone(),
        slug: Some(plan.slug.clone()),
        ..NewOrganization::named(project_id, &plan.name, &owner)
    };
    let made = organizations::create(tx, new, Actor::Setup, now_ms).await.map_err(|error| match error {
        CreateError::Db(DbError::Conflict(_)) => {
            ApplyError::Conflict(format!("the id of the organization `{}` is taken", plan.slug))
        }
        CreateError::Db(error) => error.into(),
        other => ApplyError::Conflict(format!("the organization `{}` cannot be made ({other:?})", plan.slug)),
    })?;
    for member in &plan.members {
        let new = NewMember {
            project_id: project_id.to_owned(),
            org_id: made.id.clone(),
            user_id: user_id(tx, project_id, &member.user).await?,
            role: member.role.clone(),
        };
        members::add(tx, new, (Actor::Setup, None), now_ms).await.map_err(|error| match error {
            AddError::Db(error) => error.into(),
            other => ApplyError::Conflict(format!("a member of `{}` cannot be added ({other:?})", plan.slug)),
        })?;
    }
    Ok(())
}

async fn user_id(tx: &mut Tx, project_id: &str, address: &Address) -> Result<String, ApplyError> {
    match users::find_by_address(tx, project_id, address).await? {
        Some(user) => Ok(user.id),
        None => Err(ApplyError::Conflict("a user of an organization is not there".to_owned())),
    }
}
