//! What becomes of members: another role, a rest, the end, and another owner. Whoever calls this holds the organization.

use serde_json::{Value, json};

use super::{Caller, Held, Listed, queries, unknown_role};
use crate::{
    db::Tx,
    events::{Event, EventType},
    http::{Problem, problem::Code},
    roles::{
        self,
        authority::{Deed, Refusal, authority},
    },
};

fn is_own(by: &Caller, target: &Listed) -> bool {
    by.own.as_ref().is_some_and(|own| own.id == target.id)
}

/// Gives a member another role, but not the owner's.
pub(crate) async fn change_role(
    tx: &mut Tx,
    held: &Held,
    by: &Caller,
    target: &Listed,
    (role, now_ms): (&str, i64),
) -> Result<(), Problem> {
    let to = roles::find(tx, &held.org_id, role).await?.ok_or_else(unknown_role)?;
    let deed = match is_own(by, target) {
        true => Deed::ChangeOwn { from: &target.role, to: &to },
        false => Deed::Change { from: &target.role, to: &to },
    };
    authority(&by.power, deed)?;
    if to.key == target.role.key {
        return Ok(());
    }
    queries::set_role(tx, &target.id, &to.key, now_ms).await?;
    let data = json!({
        "user_id": target.user_id,
        "before": { "role": target.role.key },
        "after": { "role": to.key },
    });
    record(tx, (held, by), EventType::MemberRoleChanged, &target.id, data, now_ms);
    Ok(())
}

/// Suspends a member, or ends that. Who is suspended is as good as no member.
pub(crate) async fn set_active(
    tx: &mut Tx,
    held: &Held,
    by: &Caller,
    target: &Listed,
    (active, now_ms): (bool, i64),
) -> Result<(), Problem> {
    if is_own(by, target) {
        let refusal = if target.role.is_owner() { Refusal::OwnerMustTransfer } else { Refusal::Rank };
        return Err(refusal.into());
    }
    authority(&by.power, Deed::Act(&target.role))?;
    if active == target.active {
        return Ok(());
    }
    queries::set_status(tx, &target.id, active, now_ms).await?;
    let kind = if active {
        EventType::MemberActivated
    } else {
        queries::leave_sessions(tx, &target.id).await?;
        EventType::MemberSuspended
    };
    let word = |active: bool| if active { "active" } else { "suspended" };
    let data = json!({
        "user_id": target.user_id,
        "before": { "status": word(target.active) },
        "after": { "status": word(active) },
    });
    record(tx, (held, by), kind, &target.id, data, now_ms);
    Ok(())
}

/// Removes a member; whoever removes himself leaves. Sessions and refresh tokens are in the organization no more.
pub(crate) async fn remove(
    tx: &mut Tx,
    held: &Held,
    by: &Caller,
    target: &Listed,
    now_ms: i64,
) -> Result<(), Problem> {
    let leaves = is_own(by, target);
    let deed = if leaves { Deed::Leave(&target.role) } else { Deed::Act(&target.role) };
    if held.personal && target.role.is_owner() {
        return Err(Code::PersonalOrganization.into());
    }
    authority(&by.power, deed)?;
    queries::leave_sessions(tx, &target.id).await?;
    queries::delete(tx, &target.id).await?;
    queries::note_departure(tx, target, &held.project_id, !leaves, now_ms).await?;
    let data = json!({
        "user_id": target.user_id,
        "before": { "role": target.role.key },
        "left": leaves,
    });
    record(tx, (held, by), EventType::MemberRemoved, &target.id, data, now_ms);
    Ok(())
}

/// Makes another member the owner; who was it before becomes an administrator.
///
/// The order is that of the constraints: the organization points at the new owner first, which is judged at the commit, and
/// there are never two owners, which is judged at once.
pub(crate) async fn transfer(
    tx: &mut Tx,
    held: &Held,
    by: &Caller,
    target: &Listed,
    now_ms: i64,
) -> Result<(), Problem> {
    authority(&by.power, Deed::Transfer)?;
    if held.personal {
        return Err(Code::PersonalOrganization.into());
    }
    if target.role.is_owner() {
        return Err(Problem::new(Code::Conflict).detail("the member is the owner already"));
    }
    if !target.active {
        return Err(Problem::new(Code::Conflict).detail("the member is suspended"));
    }
    let owner = super::member(tx, &held.org_id, &held.owner_member_id).await?.ok_or(Code::Internal)?;
    if !queries::point_at(tx, &held.org_id, (&owner.id, &target.id), now_ms).await? {
        return Err(tx.contended().into());
    }
    queries::set_role(tx, &owner.id, roles::ADMIN, now_ms).await?;
    queries::set_role(tx, &target.id, roles::OWNER, now_ms).await?;
    let data = json!({
        "before": { "owner": { "member_id": owner.id, "user_id": owner.user_id } },
        "after": { "owner": { "member_id": target.id, "user_id": target.user_id } },
        "before_role": target.role.key,
    });
    record(tx, (held, by), EventType::OrganizationOwnershipTransferred, &held.org_id, data, now_ms);
    Ok(())
}

fn record(
    tx: &mut Tx,
    (held, by): (&Held, &Caller),
    kind: EventType,
    target_id: &str,
    data: Value,
    now_ms: i64,
) {
    tx.record(Event {
        project_id: held.project_id.clone(),
        kind,
        actor: by.actor.clone(),
        org_id: Some(held.org_id.clone()),
        target_id: target_id.to_owned(),
        data,
        at: now_ms,
    });
}
