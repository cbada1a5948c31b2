//! The SQL of the invitations.

use super::{Invitation, State};
use crate::{
    db::{Conn, DbError, Row, sql},
    http::paging::Page,
    members::Inviter,
};

/// What an invitation is at the moment `$1`. Who answers for it can be gone, and its time can be over, before anybody
/// writes that down.
macro_rules! state {
    () => {
        "CASE WHEN i.status <> 'pending' THEN i.status
              WHEN i.inviter_member_id IS NULL AND i.inviter_operator_id IS NULL THEN 'revoked'
              WHEN i.expires_at <= $1 THEN 'expired' ELSE 'pending' END"
    };
}

macro_rules! invitation {
    ($rest:expr) => {
        sql(concat!(
            "SELECT i.id, i.project_id, i.org_id, i.email, i.email_norm, i.role_key, i.disclosed, i.inviter_member_id,
                    i.inviter_operator_id, i.accepted_by, i.member_id, i.life, i.sent_at, i.created_at, i.expires_at,
                    o.name AS org_name, o.slug AS org_slug, o.logo_url, o.status AS org_status, m.user_id AS invited_by,
                    u.name AS inviter_name,
                    (SELECT string_agg(t.team_id, ' ' ORDER BY t.team_id) FROM invitation_teams t
                     WHERE t.invitation_id = i.id) AS teams, ",
            state!(),
            " AS state
             FROM invitations i JOIN organizations o ON o.id = i.org_id
             LEFT JOIN memberships m ON m.id = i.inviter_member_id LEFT JOIN users u ON u.id = m.user_id ",
            $rest
        ))
    };
}

fn read(row: &Row) -> Result<Invitation, DbError> {
    let state = row.text("state")?;
    Ok(Invitation {
        id: row.text("id")?,
        project_id: row.text("project_id")?,
        org_id: row.text("org_id")?,
        org_name: row.text("org_name")?,
        org_slug: row.text("org_slug")?,
        org_logo_url: row.text_opt("logo_url")?,
        org_active: row.text("org_status")? == "active",
        email: row.text("email")?,
        email_norm: row.text("email_norm")?,
        role: row.text("role_key")?,
        teams: row.text_opt("teams")?.unwrap_or_default().split_whitespace().map(str::to_owned).collect(),
        state: State::parse(&state)
            .ok_or_else(|| DbError::Inconsistent(format!("an invitation cannot be `{state}`")))?,
        inviter: Inviter::of_columns(
            row.text_opt("inviter_member_id")?,
            row.text_opt("inviter_operator_id")?,
        ),
        invited_by: row.text_opt("invited_by")?,
        inviter_name: row.text_opt("inviter_name")?,
        accepted_by: row.text_opt("accepted_by")?,
        member_id: row.text_opt("member_id")?,
        disclosed: row.flag("disclosed")?,
        life_ms: row.int("life")?,
        sent_at: row.int("sent_at")?,
        created_at: row.int("created_at")?,
        expires_at: row.int("expires_at")?,
    })
}

pub(super) async fn by_token(
    conn: &mut Conn,
    token_hash: &str,
    now_ms: i64,
) -> Result<Option<Invitation>, DbError> {
    let statement = invitation!("WHERE i.token_hash = $2").bind(now_ms).bind(token_hash);
    conn.first(statement).await?.map(|row| read(&row)).transpose()
}

/// The invitation with this id, of whichever organization.
pub(super) async fn by_id(conn: &mut Conn, id: &str, now_ms: i64) -> Result<Option<Invitation>, DbError> {
    let statement = invitation!("WHERE i.id = $2").bind(now_ms).bind(id);
    conn.first(statement).await?.map(|row| read(&row)).transpose()
}

pub(super) async fn find(
    conn: &mut Conn,
    org_id: &str,
    id: &str,
    now_ms: i64,
) -> Result<Option<Invitation>, DbError> {
    let statement = invitation!("WHERE i.org_id = $2 AND i.id = $3").bind(now_ms).bind(org_id).bind(id);
    conn.first(statement).await?.map(|row| read(&row)).transpose()
}

pub(super) async fn list(
    conn: &mut Conn,
    org_id: &str,
    page: &Page,
    now_ms: i64,
) -> Result<Vec<Invitation>, DbError> {
    let statement = invitation!("WHERE i.org_id = $2 AND i.id > $3 ORDER BY i.id LIMIT $4")
        .bind(now_ms)
        .bind(org_id)
        .bind(&page.after)
        .bind(page.rows());
    conn.all(statement).await?.iter().map(read).collect()
}

/// Those that are `state` now; what nobody has written down yet is among the pending rows, of which there are few.
pub(super) async fn list_in(
    conn: &mut Conn,
    org_id: &str,
    state: State,
    page: &Page,
    now_ms: i64,
) -> Result<Vec<Invitation>, DbError> {
    let statement = invitation!(concat!(
        "WHERE i.org_id = $2 AND i.status IN ($3, 'pending') AND i.id > $4 AND ",
        state!(),
        " = $3 ORDER BY i.id LIMIT $5"
    ))
    .bind(now_ms)
    .bind(org_id)
    .bind(state.as_str())
    .bind(&page.after)
    .bind(page.rows());
    conn.all(statement).await?.iter().map(read).collect()
}

/// Those that somebody with this address can accept.
pub(super) async fn of_address(
    conn: &mut Conn,
    (project_id, email_norm): (&str, &str),
    page: &Page,
    now_ms: i64,
) -> Result<Vec<Invitation>, DbError> {
    let statement = invitation!(concat!(
        "WHERE i.project_id = $2 AND i.email_norm = $3 AND i.status = 'pending' AND i.id > $4 AND o.status = 'active' AND ",
        state!(),
        " = 'pending' ORDER BY i.id LIMIT $5"
    ))
    .bind(now_ms)
    .bind(project_id)
    .bind(email_norm)
    .bind(&page.after)
    .bind(page.rows());
    conn.all(statement).await?.iter().map(read).collect()
}

/// How many of an organization can be accepted, and how many of them by this address.
pub(super) async fn count_open(
    conn: &mut Conn,
    org_id: &str,
    email_norm: &str,
    now_ms: i64,
) -> Result<(i64, i64), DbError> {
    let statement = sql(concat!(
        "SELECT COUNT(*) AS n, COUNT(CASE WHEN i.email_norm = $3 THEN 1 END) AS own FROM invitations i
         WHERE i.org_id = $2 AND i.status = 'pending' AND ",
        state!(),
        " = 'pending'"
    ))
    .bind(now_ms)
    .bind(org_id)
    .bind(email_norm);
    match conn.first(statement).await? {
        Some(row) => Ok((row.int("n")?, row.int("own")?)),
        None => Ok((0, 0)),
    }
}

pub(super) async fn insert(
    conn: &mut Conn,
    new: &Invitation,
    token_hash: &str,
    now_ms: i64,
) -> Result<(), DbError> {
    let (member, operator) = Inviter::columns(new.inviter.as_ref());
    conn.run(
        sql("INSERT INTO invitations
                 (id, project_id, org_id, email, email_norm, role_key, token_hash, disclosed, inviter_member_id,
                  inviter_operator_id, life, sent_at, created_at, updated_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12, $12, $13)")
        .bind(&new.id)
        .bind(&new.project_id)
        .bind(&new.org_id)
        .bind(&new.email)
        .bind(&new.email_norm)
        .bind(&new.role)
        .bind(token_hash)
        .bind(new.disclosed)
        .bind(member)
        .bind(operator)
        .bind(new.life_ms)
        .bind(now_ms)
        .bind(new.expires_at),
    )
    .await?;
    for team_id in &new.teams {
        conn.run(
            sql("INSERT INTO invitation_teams (invitation_id, team_id) VALUES ($1, $2)")
                .bind(&new.id)
                .bind(team_id),
        )
        .await?;
    }
    Ok(())
}

/// Another token, and with it another life.
pub(super) async fn renew(
    conn: &mut Conn,
    renewed: &Invitation,
    token_hash: &str,
    now_ms: i64,
) -> Result<bool, DbError> {
    let (member, operator) = Inviter::columns(renewed.inviter.as_ref());
    let statement = sql("UPDATE invitations
                         SET token_hash = $2, disclosed = 0, status = 'pending', inviter_member_id = $3,
                             inviter_operator_id = $4, sent_at = $5, updated_at = $5, expires_at = $6
                         WHERE id = $1 AND status IN ('pending', 'expired')")
    .bind(&renewed.id)
    .bind(token_hash)
    .bind(member)
    .bind(operator)
    .bind(now_ms)
    .bind(renewed.expires_at);
    Ok(conn.run(statement).await? == 1)
}

/// Ends an invitation that is open, in one step: of several who try, one does.
pub(super) async fn end(conn: &mut Conn, id: &str, as_what: State, now_ms: i64) -> Result<bool, DbError> {
    let statement = sql("UPDATE invitations SET status = $2, updated_at = $3
                         WHERE id = $1 AND status = 'pending' AND expires_at > $3")
    .bind(id)
    .bind(as_what.as_str())
    .bind(now_ms);
    Ok(conn.run(statement).await? == 1)
}

/// Notes who accepted, and the membership it was.
pub(super) async fn note_member(
    conn: &mut Conn,
    id: &str,
    user_id: &str,
    member_id: &str,
) -> Result<(), DbError> {
    conn.run(
        sql("UPDATE invitations SET accepted_by = $2, member_id = $3 WHERE id = $1")
            .bind(id)
            .bind(user_id)
            .bind(member_id),
    )
    .await
    .map(|_| ())
}

/// An invitation that was found to have ended.
pub(super) struct Ended {
    pub(super) id: String,
    pub(super) project_id: String,
    pub(super) org_id: String,
    pub(super) state: State,
}

macro_rules! settle {
    ($which:expr) => {
        sql(concat!(
            "UPDATE invitations AS i SET status = ",
            state!(),
            ", updated_at = $1 WHERE i.status = 'pending' AND ",
            state!(),
            " <> 'pending' AND i.id IN (",
            $which,
            ") RETURNING id, project_id, org_id, status"
        ))
    };
}

fn ended(row: &Row) -> Result<Ended, DbError> {
    let state = row.text("status")?;
    Ok(Ended {
        id: row.text("id")?,
        project_id: row.text("project_id")?,
        org_id: row.text("org_id")?,
        state: State::parse(&state)
            .ok_or_else(|| DbError::Inconsistent(format!("an invitation cannot be `{state}`")))?,
    })
}

/// Writes down what has ended by itself, a bounded number at a time.
pub(super) async fn settle(conn: &mut Conn, now_ms: i64) -> Result<Vec<Ended>, DbError> {
    let statement = settle!(
        "SELECT p.id FROM invitations p WHERE p.status = 'pending'
           AND (p.expires_at <= $1 OR (p.inviter_member_id IS NULL AND p.inviter_operator_id IS NULL))
         LIMIT 200"
    )
    .bind(now_ms);
    conn.all(statement).await?.iter().map(ended).collect()
}

/// The same for one address of an organization.
pub(super) async fn settle_address(
    conn: &mut Conn,
    org_id: &str,
    email_norm: &str,
    now_ms: i64,
) -> Result<Vec<Ended>, DbError> {
    let statement = settle!(
        "SELECT p.id FROM invitations p WHERE p.org_id = $2 AND p.email_norm = $3 AND p.status = 'pending'"
    )
    .bind(now_ms)
    .bind(org_id)
    .bind(email_norm);
    conn.all(statement).await?.iter().map(ended).collect()
}

pub(super) async fn purge(conn: &mut Conn, before: i64) -> Result<u64, DbError> {
    let statement = sql("DELETE FROM invitations WHERE id IN
                             (SELECT id FROM invitations WHERE status <> 'pending' AND updated_at <= $1 LIMIT 500)");
    conn.run(statement.bind(before)).await
}
