//! Teams: named parts of an organization, and who is in them. They give no rights.
//!
//! One team of an organization may be its default: whoever becomes a member, in whatever way, is put into it in the same
//! transaction. None is made unasked. That only members are in a team, and no longer than they are members, is a constraint
//! of the schema. Whoever changes a team holds the organization.

mod queries;

use serde_json::{Value, json};

use crate::{
    clock::rfc3339,
    db::{Conn, Constraint, DbError, Tx},
    events::{Actor, Event, EventType},
    http::{Problem, paging::Page, problem::Code},
    ids::Kind,
    secret::random_bytes,
};

/// How many teams an organization may have.
const MOST: i64 = 500;
const MAX_NAME: usize = 100;
const MAX_DESCRIPTION: usize = 500;
const MAX_SLUG: usize = 63;

/// A team.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Team {
    pub(crate) id: String,
    org_id: String,
    slug: String,
    name: String,
    description: String,
    is_default: bool,
    member_count: i64,
    pub(crate) ver: i64,
    created_at: i64,
    updated_at: i64,
}

impl Team {
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "id": self.id,
            "organization_id": self.org_id,
            "name": self.name,
            "slug": self.slug,
            "description": self.description,
            "is_default": self.is_default,
            "member_count": self.member_count,
            "created_at": rfc3339(self.created_at),
            "updated_at": rfc3339(self.updated_at),
        })
    }
}

/// Where, by whom and when teams are changed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Desk<'a> {
    pub(crate) project_id: &'a str,
    pub(crate) org_id: &'a str,
    pub(crate) actor: &'a Actor,
    pub(crate) now_ms: i64,
}

/// What is said about a team; what is absent stays, or is as usual.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wish {
    pub(crate) name: Option<String>,
    pub(crate) slug: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) is_default: Option<bool>,
}

impl Wish {
    /// `before` with what is wished, checked.
    fn of(self, before: &Team) -> Result<Team, Problem> {
        let mut after = before.clone();
        after.name = self.name.map_or(after.name, |name| name.trim().to_owned());
        after.description = self.description.unwrap_or(after.description);
        after.is_default = self.is_default.unwrap_or(after.is_default);
        let name = &after.name;
        if name.is_empty() || name.chars().count() > MAX_NAME || name.chars().any(char::is_control) {
            return Err(Problem::invalid(
                "name",
                "has 1 to 100 characters, none of them a control character",
            ));
        }
        let too_long = after.description.chars().count() > MAX_DESCRIPTION;
        if too_long || after.description.chars().any(|c| c.is_control() && c != '\n') {
            return Err(Problem::invalid(
                "description",
                "has at most 500 characters, none of them a control character",
            ));
        }
        if let Some(slug) = self.slug {
            if !is_slug(&slug) {
                return Err(Problem::invalid(
                    "slug",
                    "has 1 to 63 lower-case letters, digits and single `-` between them",
                ));
            }
            after.slug = slug;
        }
        Ok(after)
    }
}

/// An id holds `_`, so that the two cannot be mistaken for each other.
fn is_slug(slug: &str) -> bool {
    slug.len() <= MAX_SLUG
        && slug.split('-').all(|word| {
            !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        })
}

/// A slug from a name.
fn slug_of(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let slug = words.map(str::to_ascii_lowercase).collect::<Vec<_>>().join("-");
    let slug: String = slug.chars().take(MAX_SLUG - 9).collect();
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() { "team".to_owned() } else { slug.to_owned() }
}

/// The team called `reference`, its id or its slug.
pub(crate) async fn find(conn: &mut Conn, org_id: &str, reference: &str) -> Result<Option<Team>, DbError> {
    queries::find(conn, org_id, &Kind::Team.canonical(reference)).await
}

/// A part of the teams of an organization.
pub(crate) async fn list(conn: &mut Conn, org_id: &str, page: &Page) -> Result<Vec<Team>, DbError> {
    queries::list(conn, org_id, page).await
}

/// Makes a team.
pub(crate) async fn create(tx: &mut Tx, desk: Desk<'_>, wish: Wish) -> Result<Team, Problem> {
    let name = wish.name.clone().ok_or_else(|| Problem::invalid("name", "is missing"))?;
    let named = wish.slug.is_some();
    let draft = Team {
        id: Kind::Team.new_id(desk.now_ms),
        org_id: desk.org_id.to_owned(),
        slug: slug_of(&name),
        name: String::new(),
        description: String::new(),
        is_default: false,
        member_count: 0,
        ver: 1,
        created_at: desk.now_ms,
        updated_at: desk.now_ms,
    };
    let mut new = wish.of(&draft)?;
    if queries::count(tx, desk.org_id).await? >= MOST {
        return Err(Problem::new(Code::Conflict).detail(format!("an organization has at most {MOST} teams")));
    }
    if !named && find(tx, desk.org_id, &new.slug).await?.is_some() {
        let suffix = u32::from_be_bytes(random_bytes()?);
        new.slug = format!("{}-{suffix:08x}", new.slug);
    }
    store(tx, desk, &new, true).await?;
    record(tx, desk, EventType::TeamCreated, &new.id, json!({ "after": new.to_json() }));
    Ok(new)
}

async fn store(tx: &mut Tx, desk: Desk<'_>, team: &Team, is_new: bool) -> Result<(), Problem> {
    if team.is_default {
        queries::drop_default(tx, desk.org_id, &team.id).await?;
    }
    let stored = match is_new {
        true => queries::insert(tx, desk.project_id, team).await,
        false => queries::update(tx, team).await,
    };
    match stored {
        Err(DbError::Conflict(Constraint::Unique)) => Err(Problem::new(Code::TeamTaken).field("slug")),
        other => Ok(other?),
    }
}

/// Changes a team.
pub(crate) async fn update(tx: &mut Tx, desk: Desk<'_>, before: Team, wish: Wish) -> Result<Team, Problem> {
    let mut after = wish.of(&before)?;
    if after == before {
        return Ok(before);
    }
    after.ver += 1;
    after.updated_at = desk.now_ms;
    store(tx, desk, &after, false).await?;
    let data = json!({ "before": before.to_json(), "after": after.to_json() });
    record(tx, desk, EventType::TeamUpdated, &after.id, data);
    Ok(after)
}

/// Deletes a team. Its members stay members of the organization.
pub(crate) async fn delete(tx: &mut Tx, desk: Desk<'_>, team: &Team) -> Result<(), DbError> {
    queries::delete(tx, &team.id).await?;
    record(tx, desk, EventType::TeamDeleted, &team.id, json!({ "before": team.to_json() }));
    Ok(())
}

/// Puts a member into a team; `false` if they are in it.
pub(crate) async fn join(
    tx: &mut Tx,
    desk: Desk<'_>,
    team_id: &str,
    (member_id, user_id): (&str, &str),
) -> Result<bool, DbError> {
    let joined = queries::join(tx, desk.org_id, (team_id, member_id), desk.now_ms).await?;
    if joined {
        let data = json!({ "member_id": member_id, "user_id": user_id });
        record(tx, desk, EventType::TeamMemberAdded, team_id, data);
    }
    Ok(joined)
}

/// Takes a member out of a team; `false` if they are not in it.
pub(crate) async fn leave(
    tx: &mut Tx,
    desk: Desk<'_>,
    team_id: &str,
    (member_id, user_id): (&str, &str),
) -> Result<bool, DbError> {
    let left = queries::leave(tx, team_id, member_id).await?;
    if left {
        let data = json!({ "member_id": member_id, "user_id": user_id });
        record(tx, desk, EventType::TeamMemberRemoved, team_id, data);
    }
    Ok(left)
}

/// Puts a new member into the default team, if the organization has one.
pub(crate) async fn welcome(
    tx: &mut Tx,
    desk: Desk<'_>,
    (member_id, user_id): (&str, &str),
) -> Result<(), DbError> {
    if let Some(team_id) = queries::default_of(tx, desk.org_id).await? {
        join(tx, desk, &team_id, (member_id, user_id)).await?;
    }
    Ok(())
}

fn record(tx: &mut Tx, desk: Desk<'_>, kind: EventType, team_id: &str, data: Value) {
    tx.record(Event {
        project_id: desk.project_id.to_owned(),
        kind,
        actor: desk.actor.clone(),
        org_id: Some(desk.org_id.to_owned()),
        target_id: team_id.to_owned(),
        data,
        at: desk.now_ms,
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slug_has_one_spelling() {
        for good in ["a", "1", "platform", "team-1", "a-b-c", &"a".repeat(63)] {
            assert!(is_slug(good), "{good}");
        }
        for bad in ["", "-", "a-", "-a", "a--b", "A", "a_b", "ä", "tеam", "a b", &"a".repeat(64)] {
            assert!(!is_slug(bad), "{bad}");
        }
        for (name, slug) in [
            ("Engineering", "engineering"),
            (" R&D, Berlin ", "r-d-berlin"),
            ("日本", "team"),
            ("--", "team"),
        ] {
            assert_eq!(slug_of(name), slug);
        }
        for long in ["a".repeat(100), "a ".repeat(50)] {
            assert!(is_slug(&format!("{}-{:08x}", slug_of(&long), 1)), "{long}");
        }
    }
}
