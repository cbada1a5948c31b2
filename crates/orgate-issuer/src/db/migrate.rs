//! The schema, brought forward one numbered step at a time.
//!
//! Steps only go forward. A step is one text for both engines; what only one of them understands stands between the
//! lines `-- only sqlite` or `-- only postgres` and `-- end`. The checksum of each applied step is kept: a step that was changed after it ran, or a
//! database that a newer program has written, is refused rather than guessed at.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{Conn, DbError, Handle, sql, whole::exists};
use crate::events;

struct Step {
    version: i64,
    name: &'static str,
    text: &'static str,
}

impl Step {
    fn shown(&self) -> String {
        format!("{:04} {}", self.version, self.name)
    }
}

macro_rules! steps {
    ($(($version:literal, $name:literal, $file:literal),)*) => {
        &[$(Step { version: $version, name: $name, text: include_str!(concat!("../../migrations/", $file)) },)*]
    };
}

/// Every file of `migrations/`, in order.
const STEPS: &[Step] = steps![
    (1, "initial", "0001_initial.sql"),
    (10, "clients", "0010_clients.sql"),
    (11, "tokens", "0011_tokens.sql"),
    (12, "flows", "0012_flows.sql"),
    (20, "sign_in", "0020_sign_in.sql"),
    (21, "second_factors", "0021_second_factors.sql"),
    (22, "passkeys", "0022_passkeys.sql"),
    (23, "own_pages", "0023_own_pages.sql"),
    (24, "operator_places", "0024_operator_places.sql"),
    (30, "organizations", "0030_organizations.sql"),
    (31, "invitations", "0031_invitations.sql"),
    (32, "teams", "0032_teams.sql"),
    (35, "audit", "0035_audit.sql"),
    (36, "webhooks", "0036_webhooks.sql"),
    (40, "api_keys", "0040_api_keys.sql"),
    (41, "idempotency", "0041_idempotency.sql"),
    (42, "indexes", "0042_indexes.sql"),
    (43, "project_keys", "0043_project_keys.sql"),
    (44, "ssf", "0044_ssf.sql"),
    (47, "domains", "0047_domains.sql"),
    (48, "team_members", "0048_team_members.sql"),
    (51, "branding", "0051_branding.sql"),
    (52, "users_listed", "0052_users_listed.sql"),
    (54, "activity", "0054_activity.sql"),
    (55, "consents", "0055_consents.sql"),
];

/// Why the database cannot be opened.
#[derive(Debug)]
pub(crate) enum MigrateError {
    Open(String),
    Newer { found: i64, known: i64 },
    Changed { version: i64, name: String },
    Db(DbError),
}

impl From<DbError> for MigrateError {
    fn from(error: DbError) -> Self {
        Self::Db(error)
    }
}

impl fmt::Display for MigrateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(why) => write!(f, "cannot open the database {why}"),
            Self::Newer { found, known } => write!(
                f,
                "the database has schema {found}, and this program knows only up to {known}\nhelp: a newer orgate has \
                 written it; run that one, or restore the backup made before the upgrade"
            ),
            Self::Changed { version, name } => write!(
                f,
                "schema step {version} (`{name}`) of the database is not the one of this program\nhelp: the database \
                 was made by another build; do not mix them on one database"
            ),
            Self::Db(error) => error.fmt(f),
        }
    }
}

/// Applies what is missing, in one transaction. Processes that start at once wait for each other.
/// Gives the names of the steps that were missing.
pub(super) async fn run(conn: &mut Conn, now_ms: i64) -> Result<Vec<String>, MigrateError> {
    conn.script(match conn.handle {
        Handle::Sqlite(_) => "BEGIN IMMEDIATE",
        // The number is this program's: anything else that locks it waits for nothing of ours.
        Handle::Postgres(_) => "BEGIN; SELECT pg_advisory_xact_lock(7167846265001)",
    })
    .await?;
    match apply(conn, now_ms).await {
        Ok(applied) => {
            conn.script("COMMIT").await?;
            Ok(applied)
        }
        Err(error) => {
            let _ = conn.script("ROLLBACK").await;
            Err(error)
        }
    }
}

async fn apply(conn: &mut Conn, now_ms: i64) -> Result<Vec<String>, MigrateError> {
    conn.script(
        "CREATE TABLE IF NOT EXISTS schema_migrations (
            version BIGINT PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at BIGINT NOT NULL)",
    )
    .await?;
    let mut applied = Vec::new();
    for step in missing(conn).await? {
        conn.schema(step.text).await?;
        if step.name == "audit" {
            events::chain_what_is_there(conn).await?;
        }
        conn.run(
            sql(
                "INSERT INTO schema_migrations (version, name, checksum, applied_at) VALUES ($1, $2, $3, $4)",
            )
            .bind(step.version)
            .bind(step.name)
            .bind(&checksum(step.text))
            .bind(now_ms),
        )
        .await?;
        tracing::info!(schema.version = step.version, "applied schema step `{}`", step.name);
        applied.push(step.shown());
    }
    Ok(applied)
}

/// The steps that [`run`] would apply. Changes nothing.
pub(super) async fn pending(conn: &mut Conn) -> Result<Vec<String>, MigrateError> {
    let steps = match exists(conn, "schema_migrations").await? {
        true => missing(conn).await?,
        false => STEPS.iter().collect(),
    };
    Ok(steps.into_iter().map(Step::shown).collect())
}

/// The number of the last step this program knows.
pub(super) fn newest() -> i64 {
    STEPS.last().map_or(0, |step| step.version)
}

/// The steps that are not applied. What is applied has to be what this program would have applied.
async fn missing(conn: &mut Conn) -> Result<Vec<&'static Step>, MigrateError> {
    let applied =
        conn.all(sql("SELECT version, name, checksum FROM schema_migrations ORDER BY version")).await?;
    let known = newest();
    let mut versions = Vec::new();
    for row in &applied {
        let version = row.int("version")?;
        let Some(step) = STEPS.iter().find(|step| step.version == version) else {
            return Err(MigrateError::Newer { found: version, known });
        };
        if row.text("checksum")? != checksum(step.text) {
            return Err(MigrateError::Changed { version, name: row.text("name")? });
        }
        versions.push(version);
    }
    Ok(STEPS.iter().filter(|step| !versions.contains(&step.version)).collect())
}

/// The part of a step that is for `engine`.
pub(super) fn text_for(engine: &str, text: &str) -> String {
    let mut only: Option<&str> = None;
    let mut own = String::with_capacity(text.len());
    for line in text.lines() {
        match line.strip_prefix("-- only ") {
            Some(named) => only = Some(named.trim()),
            None if line.trim() == "-- end" => only = None,
            None if only.is_none_or(|named| named == engine) => {
                own.push_str(line);
                own.push('\n');
            }
            None => {}
        }
    }
    own
}

fn checksum(text: &str) -> String {
    // A checkout may have changed the line ends.
    URL_SAFE_NO_PAD.encode(digest(&SHA256, text.replace("\r\n", "\n").as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_a_step_and_every_step_has_its_number_and_name() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        files.sort();
        let steps: Vec<String> =
            STEPS.iter().map(|step| format!("{:04}_{}.sql", step.version, step.name)).collect();
        assert_eq!(files, steps);
    }

    /// What was written before there was a chain is chained by the step that brings it.
    #[orgate_testkit::both]
    async fn events_of_before_the_chain_are_chained() {
        use crate::{db::whole, testing::TempDir};
        let dir = TempDir::new();
        let url = crate::db::DatabaseUrl::parse(&dir.database_empty()).unwrap();
        let mut conn = whole::connect(&url, whole::Access::Alone { make: true }).await.unwrap();
        run(&mut conn, 0).await.unwrap();
        // Back to what a program of before would have left.
        let engine = if matches!(conn.handle, Handle::Sqlite(_)) { "sqlite" } else { "postgres" };
        let undo = if engine == "sqlite" {
            "DROP TRIGGER events_chained; DROP TRIGGER events_kept; DROP TRIGGER events_stay;"
        } else {
            "DROP FUNCTION refuse_event CASCADE;"
        };
        conn.schema(undo).await.unwrap();
        conn.schema(
            "DROP INDEX events_org; DROP INDEX events_actor; DROP INDEX events_target;
             ALTER TABLE events DROP COLUMN salt; ALTER TABLE events DROP COLUMN commitment;
             ALTER TABLE events DROP COLUMN chain; ALTER TABLE events DROP COLUMN erased_by;
             DELETE FROM schema_migrations WHERE name = 'audit';
             INSERT INTO projects (id, name, audience, trusted_origins, access_ttl, refresh_idle_ttl, refresh_abs_ttl,
                                   refresh_grace, event_seq, created_at, updated_at)
             VALUES ('proj_p', 'P', '[]', '[]', 1, 1, 1, 1, 1200, 0, 0);",
        )
        .await
        .unwrap();
        for seq in 1..=1200 {
            conn.run(
                sql("INSERT INTO events (project_id, seq, id, type, actor_kind, target_id, data, at)
                     VALUES ('proj_p', $1, 'evt_x', 'member.added', 'system', 'mem_x', '{\"a\": 1}', $1)")
                .bind(seq),
            )
            .await
            .unwrap();
        }
        assert_eq!(run(&mut conn, 0).await.unwrap(), ["0035 audit"]);
        let range = events::verify::Range { project_id: "proj_p", from: 1, most: i64::MAX };
        let walked = events::verify::walk(&mut conn, range, &mut |_, _| {}).await.unwrap().unwrap();
        assert!(walked.is_whole() && walked.to == 1200, "{walked:?}");
        conn.close().await;
    }

    #[test]
    fn a_step_may_hold_lines_for_one_engine() {
        let text = "a\n-- only sqlite\nb\n-- end\n-- only postgres\nc\n-- end\nd\n";
        assert_eq!(text_for("sqlite", text), "a\nb\nd\n");
        assert_eq!(text_for("postgres", text), "a\nc\nd\n");
        for step in STEPS {
            let opened = step.text.lines().filter(|line| line.starts_with("-- only ")).count();
            let known =
                step.text.lines().filter(|line| matches!(*line, "-- only sqlite" | "-- only postgres"));
            assert_eq!(opened, known.count(), "{}", step.name);
            assert_eq!(opened, step.text.lines().filter(|line| *line == "-- end").count(), "{}", step.name);
        }
    }
}
