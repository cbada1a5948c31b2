//! Every statement that any test runs on SQLite is looked at once: none may read a whole table that grows with the
//! installation, whatever the few rows of the tests cost. It is what keeps lists and tokens as cheap with a hundred thousand
//! members as with ten. A statement that is there to read everything says so: it begins with `/* all */`.

use std::{
    collections::HashSet,
    sync::{LazyLock, Mutex},
};

use sqlx::{AssertSqlSafe, Row as _, sqlite::SqliteConnection};

use crate::db::statement::Sql;

/// Tables with few rows in every installation.
const SMALL: [&str; 4] = ["projects", "operators", "operator_sessions", "signing_keys"];
const OF_ALL: &str = "/* all */";

static SEEN: LazyLock<Mutex<HashSet<String>>> = LazyLock::new(Mutex::default);

/// Panics if the engine would answer `statement` by reading a whole table. What the tests ask themselves is not judged.
pub(super) async fn look(connection: &mut SqliteConnection, statement: &Sql<'_>) {
    let text = &statement.text;
    let is_judged = statement.file.ends_with("queries.rs") && !text.starts_with(OF_ALL);
    if !is_judged || !SEEN.lock().unwrap().insert(text.to_string()) {
        return;
    }
    // One that cannot be explained fails by itself.
    let explained = sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {text}")));
    let Ok(plan) = explained.fetch_all(connection).await else { return };
    for step in plan {
        let step: String = step.get("detail");
        assert!(!reads_a_table(&step), "`{step}` is the plan of {text}");
    }
}

/// Whether a step of a plan goes through all rows of a table that grows.
fn reads_a_table(step: &str) -> bool {
    step.strip_prefix("SCAN ").is_some_and(|of| {
        let table = of.split(' ').next().unwrap_or_default();
        !SMALL.contains(&table) && table != "CONSTANT" && !table.starts_with('(')
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        db::{DbError, sql},
        testing::{Engine, Site},
    };

    #[test]
    fn a_step_that_reads_everything_is_known() {
        assert!(reads_a_table("SCAN sessions"));
        assert!(reads_a_table("SCAN m USING COVERING INDEX memberships_user"));
        for good in [
            "SEARCH sessions USING INDEX x (id=?)",
            "SCAN CONSTANT ROW",
            "SCAN (subquery-1)",
            "SCAN projects",
        ] {
            assert!(!reads_a_table(good), "{good}");
        }
    }

    /// Deleting a row looks for those that refer to it: without an index that is a whole table for each.
    #[tokio::test]
    async fn every_reference_is_found_by_an_index() {
        assert_eq!(Engine::current(), Engine::Sqlite);
        let site = Site::empty().await;
        let found = site.write(|tx| Box::pin(async move { references(tx).await })).await;
        assert!(found.len() > 40, "{found:?}");
        let is_bare = |(_, is_indexed): &&(String, bool)| !is_indexed;
        let bare: Vec<_> = found.iter().filter(is_bare).map(|(name, _)| name).collect();
        assert!(bare.is_empty(), "{bare:?}");
    }

    /// Each foreign key, and whether an index begins with one of its columns.
    async fn references(tx: &mut crate::db::Tx) -> Result<Vec<(String, bool)>, DbError> {
        let statement = sql("SELECT t.name || '.' || group_concat(DISTINCT f.\"from\") AS name,
                    max(EXISTS (SELECT 1 FROM pragma_index_list(t.name) l, pragma_index_info(l.name) c
                                WHERE c.seqno = 0 AND c.name = f.\"from\" AND c.name <> 'project_id')
                        OR (t.name, f.\"from\") IN (SELECT t.name, c.name FROM pragma_table_info(t.name) c WHERE c.pk = 1)
                        OR f.\"table\" = 'projects') AS is_indexed
             FROM sqlite_schema t, pragma_foreign_key_list(t.name) f
             WHERE t.type = 'table' GROUP BY t.name, f.id");
        let rows = tx.all(statement).await?;
        rows.iter().map(|row| Ok((row.text("name")?, row.flag("is_indexed")?))).collect()
    }
}
