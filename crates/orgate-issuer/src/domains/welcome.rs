//! Those who come: by their own word, or because they signed in.

use super::{Domain, Mode, name, queries};
use crate::{
    address::Address,
    app::App,
    db::{Conn, Tx},
    events::Actor,
    hooks::{self, MemberAdd},
    http::{Problem, problem::Code},
    members::{self, AddError, Listed, NewMember},
    organizations::{self, Organization},
    projects::Project,
    users,
};

/// Whose word it is that somebody joins by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    /// Their own.
    Themselves,
    /// Nobody's: they signed in.
    SignIn,
}

/// The organization that a user may join by their address, and as what.
async fn open_to(
    conn: &mut Conn,
    (project_id, user_id): (&str, &str),
    by: By,
) -> Result<Option<(Domain, Organization)>, Problem> {
    let user = users::find(conn, project_id, user_id).await?;
    let user = user.filter(|user| user.active && user.email_verified);
    let Some(address) = user.and_then(|user| Address::parse(&user.email)) else { return Ok(None) };
    let domain = queries::verified(conn, project_id, name::of_address(address.key())).await?;
    let Some(domain) = domain else { return Ok(None) };
    if domain.mode == Mode::Off || (by == By::SignIn && domain.mode != Mode::AutoJoin) {
        return Ok(None);
    }
    let organization = organizations::find(conn, project_id, &domain.org_id).await?;
    let Some(organization) = organization.filter(|one| one.is_active() && !one.personal) else {
        return Ok(None);
    };
    if members::member(conn, &domain.org_id, user_id).await?.is_some() {
        return Ok(None);
    }
    match members::departure(conn, &domain.org_id, user_id).await? {
        None => {}
        Some(false) if by == By::Themselves => {}
        Some(_) => return Ok(None),
    }
    Ok(Some((domain, organization)))
}

/// The organization that is suggested to a user, and the role.
pub(crate) async fn suggested(
    conn: &mut Conn,
    project_id: &str,
    user_id: &str,
) -> Result<Option<(Organization, String)>, Problem> {
    let found = open_to(conn, (project_id, user_id), By::Themselves).await?;
    Ok(found.map(|(domain, organization)| (organization, domain.role)))
}

/// Makes a user a member of the organization that is suggested to them, which they name.
pub(crate) async fn join(
    app: &App,
    project: &Project,
    user_id: &str,
    organization: &str,
) -> Result<Listed, Problem> {
    let named = |one: &Organization| one.id == organization || one.slug == organization;
    let of = (project.id.as_str(), user_id);
    let found = open_to(&mut *app.db.read().await?, of, By::Themselves).await?;
    let (domain, _) = found.filter(|(_, one)| named(one)).ok_or(Code::NotFound)?;
    ask(app, &domain, user_id).await?;
    let (project_id, user_id, now) = (project.id.clone(), user_id.to_owned(), app.now_ms());
    app.db
        .write::<_, Problem>(move |tx| {
            Box::pin(async move {
                let id = enter(tx, (&project_id, &user_id), &domain, By::Themselves, now).await?;
                let id = id.ok_or(Code::NotFound)?;
                Ok(members::member(tx, &domain.org_id, &id).await?.ok_or(Code::Internal)?)
            })
        })
        .await
}

/// Makes whoever has just signed in, or shown that an address is theirs, a member of the organization of its domain, if that
/// wants it so. A sign-in does not fail because this does: they come in the next time.
pub(crate) async fn welcome(app: &App, project: &Project, user_id: &str) {
    if !project.org_enabled {
        return;
    }
    if let Err(problem) = try_welcome(app, &project.id, user_id).await {
        let code = problem.code().as_str();
        tracing::warn!(project.id = %project.id, user.id = %user_id, code, "a user did not join by their domain");
    }
}

async fn try_welcome(app: &App, project_id: &str, user_id: &str) -> Result<(), Problem> {
    let found = open_to(&mut *app.db.read().await?, (project_id, user_id), By::SignIn).await?;
    let Some((domain, _)) = found else { return Ok(()) };
    ask(app, &domain, user_id).await?;
    let (project_id, user_id, now) = (project_id.to_owned(), user_id.to_owned(), app.now_ms());
    app.db
        .write::<_, Problem>(move |tx| {
            Box::pin(
                async move { enter(tx, (&project_id, &user_id), &domain, By::SignIn, now).await.map(|_| ()) },
            )
        })
        .await
}

/// Asks the application whether the user may become a member.
async fn ask(app: &App, domain: &Domain, user_id: &str) -> Result<(), Problem> {
    let wish = MemberAdd {
        project_id: domain.project_id.clone(),
        actor: Actor::User(user_id.to_owned()).into(),
        org_id: domain.org_id.clone(),
        user_id: user_id.to_owned(),
        role: domain.role.clone(),
    };
    hooks::ask(app, |hooks| hooks.before_member_add(&wish)).await
}

/// Makes the user a member if everything is still as it was; `None` if it is not.
async fn enter(
    tx: &mut Tx,
    (project_id, user_id): (&str, &str),
    asked: &Domain,
    by: By,
    now_ms: i64,
) -> Result<Option<String>, Problem> {
    if members::hold(tx, project_id, &asked.org_id).await?.is_none() {
        return Ok(None);
    }
    let found = open_to(tx, (project_id, user_id), by).await?;
    // The application was asked about this role of this organization.
    let same = |now: &Domain| now.org_id == asked.org_id && now.role == asked.role;
    let Some((domain, _)) = found.filter(|(now, _)| same(now)) else { return Ok(None) };
    let power = match &domain.inviter {
        Some(inviter) => inviter.power(tx, project_id).await?,
        None => None,
    };
    let Some(power) = power else { return Ok(None) };
    let new = NewMember {
        project_id: project_id.to_owned(),
        org_id: domain.org_id,
        user_id: user_id.to_owned(),
        role: domain.role,
    };
    let actor = Actor::User(user_id.to_owned());
    match members::add(tx, new, (actor, Some(&power)), now_ms).await {
        Ok(id) => Ok(Some(id)),
        // Nobody stands behind this role any more.
        Err(AddError::UnknownRole | AddError::OwnerNotGrantable | AddError::Refused(_)) => Ok(None),
        Err(other) => Err(other.into()),
    }
}
