//! What the issuer knows of a person, to take away, and its end.
//!
//! An export has a section for each kind of thing, by name. Erasing takes the user, everything that hangs on the user, the
//! personal organization, and whatever else in the database holds the address or the name. Of the audit log stays who did
//! what as ids, which lead nowhere any more; the data of the events of the personal organization, which may name the person, goes.
//! An organization with other people in it does not go with its owner: the owner transfers or deletes it first.

mod queries;
pub(crate) mod routes;

use std::{fmt, pin::Pin, sync::Arc};

use serde_json::{Map, Value, json};

use crate::{
    address::Address,
    app::App,
    clock::rfc3339,
    db::{Conn, DbError, Tx},
    events::{self, Actor, ERASED, Event, EventType},
    hooks::{self, UserErase},
    http::{Problem, problem::Code},
    mail,
    secret::Secrets,
    users,
};

/// A section of an export that an application adds: what it knows of a user itself.
pub trait Contributor: fmt::Debug + Send + Sync {
    /// The name of the section; none that the issuer has itself (`organizations`, `sessions`, …).
    fn label(&self) -> &str;

    /// What the application knows of the user, as JSON. An error is for the log, and there is no export then: one that
    /// lacks something without saying so is none.
    fn export<'a>(
        &'a self,
        project_id: &'a str,
        user_id: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<Value, String>> + Send + 'a>>;
}

/// Everything there is of a user, by section.
pub(crate) async fn export(app: &App, project_id: &str, user_id: &str) -> Result<Value, Problem> {
    let mut conn = app.db.read().await?;
    let profile = queries::profile(&mut conn, project_id, user_id).await?.ok_or(Code::NotFound)?;
    let mut sections = Map::new();
    let about = json!({
        "format": 1,
        "exported_at": rfc3339(app.now_ms()),
        "project_id": project_id,
        "user_id": user_id,
    });
    sections.insert("export".to_owned(), about);
    sections.insert("profile".to_owned(), profile);
    for (label, rows) in queries::sections(&mut conn, project_id, user_id).await? {
        sections.insert(label.to_owned(), rows.into());
    }
    sections.insert("audit".to_owned(), audit(&mut conn, project_id, user_id).await?.into());
    drop(conn);
    for contributor in &app.settings.contributors {
        let added = contribution(contributor, project_id, user_id).await;
        let label = contributor.label();
        let added = match added {
            Ok(_) if sections.contains_key(label) => Err("the issuer has a section of this name".to_owned()),
            other => other,
        };
        let added = added.map_err(|why| {
            tracing::error!(label, why, "a section of an export could not be made");
            Code::Unavailable
        })?;
        sections.insert(label.to_owned(), added);
    }
    Ok(sections.into())
}

async fn contribution(
    contributor: &Arc<dyn Contributor>,
    project_id: &str,
    user_id: &str,
) -> Result<Value, String> {
    let asked = Box::pin(async move { contributor.export(project_id, user_id).await });
    match tokio::time::timeout(hooks::PATIENCE, crate::db::guarded(asked)).await {
        Ok(Some(answer)) => answer,
        Ok(None) => Err("it panicked".to_owned()),
        Err(_) => Err("it took too long".to_owned()),
    }
}

/// The events that the user caused or was the object of, oldest first.
async fn audit(conn: &mut Conn, project_id: &str, user_id: &str) -> Result<Vec<Value>, DbError> {
    let (mut all, mut after) = (Vec::new(), 0);
    loop {
        let page = events::log::about(conn, project_id, user_id, after).await?;
        let Some((last, _)) = page.last() else { return Ok(all) };
        after = *last;
        all.extend(page.into_iter().map(|(_, row)| row));
    }
}

/// Asks the application, and erases.
pub(crate) async fn erase(app: &App, project_id: &str, user_id: &str, actor: Actor) -> Result<(), Problem> {
    let wish = UserErase {
        project_id: project_id.to_owned(),
        actor: actor.clone().into(),
        user_id: user_id.to_owned(),
    };
    hooks::ask(app, |hooks| hooks.before_user_erase(&wish)).await?;
    let (project_id, user_id) = (wish.project_id, wish.user_id);
    let (secrets, now) = (Arc::clone(&app.secrets), app.now_ms());
    app.db
        .write::<_, Problem>(move |tx| {
            Box::pin(async move { erase_in(tx, &secrets, (&project_id, &user_id), actor, now).await })
        })
        .await
}

async fn erase_in(
    tx: &mut Tx,
    secrets: &Secrets,
    (project_id, user_id): (&str, &str),
    actor: Actor,
    now: i64,
) -> Result<(), Problem> {
    let user = users::find(tx, project_id, user_id).await?.ok_or(Code::NotFound)?;
    // Whoever is about to sign in, or to make an organization, comes before or after the whole.
    users::hold(tx, user_id, None).await?;
    let owned = queries::owned(tx, project_id, user_id).await?;
    if !owned.is_empty() {
        let names = owned.join(", ");
        let detail = format!("transfer or delete them first: {names}");
        return Err(Problem::new(Code::OwnerOfOrganizations).detail(detail).with("organizations", names));
    }
    let event = |kind: EventType, org_id: Option<String>, target_id: String, data: Value| Event {
        project_id: project_id.to_owned(),
        kind,
        actor: actor.clone(),
        org_id,
        target_id,
        data,
        at: now,
    };
    for (member_id, org_id, role) in queries::memberships(tx, project_id, user_id).await? {
        let data = json!({ "user_id": user_id, "role": role });
        tx.record(event(EventType::MemberRemoved, Some(org_id), member_id, data));
    }
    let personal = queries::personal(tx, project_id, user_id).await?;
    for org_id in &personal {
        queries::delete_organization(tx, project_id, org_id).await?;
        tx.record(event(EventType::OrganizationDeleted, Some(org_id.clone()), org_id.clone(), json!({})));
    }
    if let Some(address) = Address::parse(&user.email) {
        queries::forget_address(tx, project_id, address.key()).await?;
        mail::forget(tx, secrets, &address).await?;
    }
    queries::delete_user(tx, project_id, user_id).await?;
    tx.record(event(EventType::UserErased, None, user_id.to_owned(), json!({ ERASED: personal })));
    Ok(())
}

#[cfg(test)]
mod tests;
