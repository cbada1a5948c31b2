//! From what was committed to the hooks that are told.
//!
//! The database hands the events of each transaction over after its commit; one task reads them and calls the hooks, one
//! after the other. The queue has an end: a hook that is slower than its issuer loses events, which is logged, rather than
//! take the memory of the process.

use std::sync::{Arc, Weak};

use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use super::{
    Actor, Hooks, MemberAdded, MemberRemoved, MemberRoleChanged, OrgCreated, OrgDeleted, OrgUpdated,
    PATIENCE, Person, SignedIn, UserCreated, UserErased,
};
use crate::{
    app::App,
    db::{DbError, guarded},
    events::{Event, EventType},
    roles, users,
};

/// How many transactions may wait to be told.
const QUEUE: usize = 4096;

enum Message {
    Committed(Vec<Event>),
    Drain(oneshot::Sender<()>),
}

/// The way to the task that tells.
#[derive(Clone, Debug)]
pub(crate) struct Bell(mpsc::Sender<Message>);

impl Bell {
    /// Hands over what was committed; called by the database, which does not wait.
    fn ring(&self, events: Vec<Event>) {
        let count = events.len();
        if self.0.try_send(Message::Committed(events)).is_err() {
            tracing::error!(count, "hooks are too slow, or gone: what happened is not told");
        }
    }

    /// Waits until everything was told that is committed, but not for long.
    pub(crate) async fn drain(&self) {
        let (done, told) = oneshot::channel();
        let drained = async {
            if self.0.send(Message::Drain(done)).await.is_ok() {
                let _ = told.await;
            }
        };
        if tokio::time::timeout(PATIENCE, drained).await.is_err() {
            tracing::error!("hooks are too slow: what happened last is not told");
        }
    }
}

/// Begins to tell `hooks` what is committed. The task ends with the issuer.
pub(crate) fn start(app: &Arc<App>, hooks: Arc<dyn Hooks>) -> Bell {
    let (sender, queue) = mpsc::channel(QUEUE);
    let bell = Bell(sender);
    let ringing = bell.clone();
    app.db.listen(move |events| ringing.ring(events));
    tokio::spawn(run(Arc::downgrade(app), hooks, queue));
    bell
}

async fn run(app: Weak<App>, hooks: Arc<dyn Hooks>, mut queue: mpsc::Receiver<Message>) {
    while let Some(message) = queue.recv().await {
        match message {
            Message::Committed(events) => {
                for event in events {
                    let told = guarded(Box::pin(tell(&app, &*hooks, &event)));
                    match tokio::time::timeout(PATIENCE, told).await {
                        Ok(Some(())) => {}
                        Ok(None) => tracing::error!(event = event.kind.as_str(), "a hook panicked"),
                        Err(_) => tracing::error!(event = event.kind.as_str(), "a hook was given up"),
                    }
                }
            }
            Message::Drain(done) => {
                let _ = done.send(());
            }
        }
    }
}

/// Calls the hook for `event`, if there is one.
async fn tell(app: &Weak<App>, hooks: &dyn Hooks, event: &Event) {
    let Event { project_id, actor, org_id, target_id, data, at: at_ms, .. } = event.clone();
    let (actor, org_id) = (Actor::from(actor), org_id.unwrap_or_default());
    let text = |path: &str| data.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
    let part = |name: &str| data.get(name).cloned().unwrap_or_default();
    let (user_id, role, member_id) = (text("/user_id"), text("/role"), target_id.clone());
    match event.kind {
        EventType::UserCreated => {
            let person = person(app, &project_id, &target_id).await;
            hooks.after_user_created(&UserCreated { project_id, user_id: target_id, person, at_ms }).await;
        }
        EventType::UserErased => {
            hooks.after_user_erased(&UserErased { project_id, actor, user_id: target_id, at_ms }).await;
        }
        EventType::SessionCreated | EventType::SessionRenewed => {
            hooks.after_sign_in(&SignedIn { project_id, user_id, session_id: target_id, at_ms }).await;
        }
        EventType::OrganizationCreated => {
            let (name, slug, owner_id) = (text("/name"), text("/slug"), text("/owner/user_id"));
            let made = OrgCreated { project_id, actor, org_id, name, slug, owner_id, at_ms };
            hooks.after_org_create(&made).await;
        }
        EventType::OrganizationUpdated
        | EventType::OrganizationSuspended
        | EventType::OrganizationActivated => {
            let (before, after) = differing(part("before"), part("after"));
            let changed = OrgUpdated { project_id, actor, org_id, before, after, at_ms };
            hooks.after_org_update(&changed).await;
        }
        EventType::OrganizationDeleted => {
            let gone = OrgDeleted { project_id, actor, org_id, before: part("before"), at_ms };
            hooks.after_org_delete(&gone).await;
        }
        EventType::MemberAdded => {
            let added = MemberAdded { project_id, actor, org_id, member_id, user_id, role, at_ms };
            hooks.after_member_add(&added).await;
        }
        EventType::MemberRemoved => {
            let role = text("/before/role");
            let gone = MemberRemoved { project_id, actor, org_id, member_id, user_id, role, at_ms };
            hooks.after_member_remove(&gone).await;
        }
        EventType::MemberRoleChanged => {
            let (before, after) = (text("/before/role"), text("/after/role"));
            let changed =
                MemberRoleChanged { project_id, actor, org_id, member_id, user_id, before, after, at_ms };
            hooks.after_member_role_change(&changed).await;
        }
        // Two members have another role. There is one owner at every moment, so who was it is told first.
        EventType::OrganizationOwnershipTransferred => {
            let own = |side: &str, name: &str| text(&format!("/{side}/owner/{name}"));
            for (side, before, after) in [
                ("before", roles::OWNER.to_owned(), roles::ADMIN.to_owned()),
                ("after", text("/before_role"), roles::OWNER.to_owned()),
            ] {
                let (member_id, user_id) = (own(side, "member_id"), own(side, "user_id"));
                let (project_id, actor, org_id) = (project_id.clone(), actor.clone(), org_id.clone());
                let changed =
                    MemberRoleChanged { project_id, actor, org_id, member_id, user_id, before, after, at_ms };
                hooks.after_member_role_change(&changed).await;
            }
        }
        _ => {}
    }
}

/// The members of two objects that are not the same in both.
fn differing(before: Value, after: Value) -> (Value, Value) {
    let (Value::Object(mut before), Value::Object(mut after)) = (before, after) else {
        return (Value::Null, Value::Null);
    };
    let same: Vec<String> = before
        .iter()
        .filter(|(name, value)| after.get(*name) == Some(*value))
        .map(|(name, _)| name.clone())
        .collect();
    for name in same {
        before.remove(&name);
        after.remove(&name);
    }
    (before.into(), after.into())
}

/// The person behind a user, who is not in the event: events hold no address.
async fn person(app: &Weak<App>, project_id: &str, user_id: &str) -> Option<Person> {
    let app = app.upgrade()?;
    let found = async {
        let mut conn = app.db.read().await?;
        users::find(&mut conn, project_id, user_id).await
    };
    match found.await {
        Ok(user) => user.map(|user| Person { email: user.email, name: user.name }),
        Err(error) => {
            let error: DbError = error;
            tracing::error!(%error, "a user could not be read for a hook");
            None
        }
    }
}
