//! The SQL of the projects.

use super::{ClaimsProfile, OrganizationCreation, Project};
use crate::{
    db::{Conn, DbError, Row, json_list, sql},
    http::{brand::Colour, paging::Page},
    keys::Algorithm,
};

macro_rules! project {
    ($rest:literal) => {
        sql(concat!(
            "SELECT p.id, p.name, p.org_enabled, p.personal_orgs, p.audience, p.trusted_origins, p.access_alg, p.id_alg,
                    p.access_ttl, p.refresh_idle_ttl, p.refresh_abs_ttl, p.refresh_grace, p.claims_profile,
                    p.org_creation, p.max_orgs_per_user, p.invitation_ttl, p.brand_color, p.logo_tag",
            $rest
        ))
    };
}

pub(super) async fn find(conn: &mut Conn, id: &str) -> Result<Option<Project>, DbError> {
    let statement = project!(" FROM projects p WHERE p.id = $1").bind(id);
    conn.first(statement).await?.map(|row| read(&row)).transpose()
}

/// The projects that were given to an operator, and how; with `only`, this one of them.
pub(super) async fn of_operator(
    conn: &mut Conn,
    (operator_id, only): (&str, Option<&str>),
    page: &Page,
) -> Result<Vec<(Project, String)>, DbError> {
    let statement = project!(
        ", o.role FROM project_operators o JOIN projects p ON p.id = o.project_id
         WHERE o.operator_id = $1 AND o.project_id > $2 AND o.project_id = COALESCE($3, o.project_id)
         ORDER BY o.project_id LIMIT $4"
    )
    .bind(operator_id)
    .bind(&page.after)
    .bind(only)
    .bind(page.rows());
    conn.all(statement).await?.iter().map(|row| Ok((read(row)?, row.text("role")?))).collect()
}

fn read(row: &Row) -> Result<Project, DbError> {
    let algorithm = |column: &str| {
        let name = row.text(column)?;
        Algorithm::parse(&name).ok_or_else(|| DbError::Inconsistent(format!("`{name}` is not an algorithm")))
    };
    let profile = row.text("claims_profile")?;
    let creation = row.text("org_creation")?;
    Ok(Project {
        claims_profile: ClaimsProfile::parse(&profile)
            .ok_or_else(|| DbError::Inconsistent(format!("`{profile}` is no profile of claims")))?,
        org_creation: OrganizationCreation::parse(&creation).ok_or_else(|| {
            DbError::Inconsistent(format!("`{creation}` does not say who makes organizations"))
        })?,
        max_orgs_per_user: row.int_opt("max_orgs_per_user")?,
        invitation_ttl_ms: row.int("invitation_ttl")?,
        id: row.text("id")?,
        name: row.text("name")?,
        org_enabled: row.flag("org_enabled")?,
        personal_orgs: row.flag("personal_orgs")?,
        audience: row.list("audience")?,
        trusted_origins: row.list("trusted_origins")?,
        access_algorithm: algorithm("access_alg")?,
        id_algorithm: algorithm("id_alg")?,
        access_ttl_ms: row.int("access_ttl")?,
        refresh_idle_ttl_ms: row.int("refresh_idle_ttl")?,
        refresh_abs_ttl_ms: row.int("refresh_abs_ttl")?,
        refresh_grace_ms: row.int("refresh_grace")?,
        brand_color: row.text_opt("brand_color")?.as_deref().and_then(Colour::parse),
        logo_tag: row.text_opt("logo_tag")?,
    })
}

/// At most two ids: enough to know whether there is exactly one project.
pub(super) async fn first_ids(conn: &mut Conn) -> Result<Vec<String>, DbError> {
    let rows = conn.all(sql("SELECT id FROM projects ORDER BY id LIMIT 2")).await?;
    rows.iter().map(|row| row.text("id")).collect()
}

pub(super) async fn all_ids(conn: &mut Conn) -> Result<Vec<String>, DbError> {
    let rows = conn.all(sql("SELECT id FROM projects ORDER BY id")).await?;
    rows.iter().map(|row| row.text("id")).collect()
}

pub(super) async fn insert(conn: &mut Conn, project: &Project, now_ms: i64) -> Result<(), DbError> {
    let (audience, origins) = (json_list(&project.audience), json_list(&project.trusted_origins));
    conn.run(
        sql("INSERT INTO projects
                 (id, name, org_enabled, personal_orgs, audience, trusted_origins, access_alg, id_alg,
                  access_ttl, refresh_idle_ttl, refresh_abs_ttl, refresh_grace, claims_profile, org_creation,
                  max_orgs_per_user, invitation_ttl, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $17)")
        .bind(&project.id)
        .bind(&project.name)
        .bind(project.org_enabled)
        .bind(project.personal_orgs)
        .bind(&audience)
        .bind(&origins)
        .bind(project.access_algorithm.as_str())
        .bind(project.id_algorithm.as_str())
        .bind(project.access_ttl_ms)
        .bind(project.refresh_idle_ttl_ms)
        .bind(project.refresh_abs_ttl_ms)
        .bind(project.refresh_grace_ms)
        .bind(project.claims_profile.as_str())
        .bind(project.org_creation.as_str())
        .bind(project.max_orgs_per_user)
        .bind(project.invitation_ttl_ms)
        .bind(now_ms),
    )
    .await
    .map(|_| ())
}

pub(super) async fn update(conn: &mut Conn, project: &Project, now_ms: i64) -> Result<(), DbError> {
    let (audience, origins) = (json_list(&project.audience), json_list(&project.trusted_origins));
    let color = project.brand_color.map(Colour::shown);
    conn.run(
        sql("UPDATE projects
             SET name = $2, org_enabled = $3, personal_orgs = $4, audience = $5, trusted_origins = $6,
                 access_ttl = $7, refresh_grace = $8, access_alg = $9, id_alg = $10, claims_profile = $11,
                 org_creation = $12, max_orgs_per_user = $13, invitation_ttl = $14, brand_color = $15, logo_tag = $16,
                 ver = ver + 1, updated_at = $17,
                 access_ttl_before = CASE WHEN access_ttl_before_until > $17 AND access_ttl_before > access_ttl
                                          THEN access_ttl_before ELSE access_ttl END,
                 access_ttl_before_until = CASE WHEN access_ttl_before_until > $17 + access_ttl
                                                THEN access_ttl_before_until ELSE $17 + access_ttl END
             WHERE id = $1")
        .bind(&project.id)
        .bind(&project.name)
        .bind(project.org_enabled)
        .bind(project.personal_orgs)
        .bind(&audience)
        .bind(&origins)
        .bind(project.access_ttl_ms)
        .bind(project.refresh_grace_ms)
        .bind(project.access_algorithm.as_str())
        .bind(project.id_algorithm.as_str())
        .bind(project.claims_profile.as_str())
        .bind(project.org_creation.as_str())
        .bind(project.max_orgs_per_user)
        .bind(project.invitation_ttl_ms)
        .bind(color.as_deref())
        .bind(project.logo_tag.as_deref())
        .bind(now_ms),
    )
    .await
    .map(|_| ())
}

/// The logo of the project `id`: its media type and its bytes in base64.
pub(super) async fn logo(conn: &mut Conn, id: &str) -> Result<Option<(String, String)>, DbError> {
    let statement = sql("SELECT media_type, content FROM project_logos WHERE project_id = $1").bind(id);
    let row = conn.first(statement).await?;
    row.map(|row| Ok((row.text("media_type")?, row.text("content")?))).transpose()
}

/// Stores another logo, or none.
pub(super) async fn set_logo(conn: &mut Conn, id: &str, logo: Option<(&str, &str)>) -> Result<(), DbError> {
    conn.run(sql("DELETE FROM project_logos WHERE project_id = $1").bind(id)).await?;
    if let Some((media_type, content)) = logo {
        let insert = sql("INSERT INTO project_logos (project_id, media_type, content) VALUES ($1, $2, $3)");
        conn.run(insert.bind(id).bind(media_type).bind(content)).await?;
    }
    Ok(())
}

/// Locks the row until the end of the transaction, by a change that changes nothing: what both engines understand.
pub(super) async fn lock(conn: &mut Conn, id: &str) -> Result<(), DbError> {
    conn.run(sql("UPDATE projects SET ver = ver WHERE id = $1").bind(id)).await.map(|_| ())
}
