//! What only SQLite has.

use http::Method;
use serde_json::json;

use crate::{
    Health, ManualClock,
    db::{DbError, sql},
    testing::{NOW, Site, TempDir, refresh, settings},
};

#[tokio::test]
async fn settings_are_in_force() {
    let site = Site::empty().await;
    let db = &site.issuer.app().db;
    let pragmas = db
        .write::<_, DbError>(|tx| {
            Box::pin(async move {
                let mut values = Vec::new();
                for (pragma, column) in [
                    ("PRAGMA foreign_keys", "foreign_keys"),
                    ("PRAGMA synchronous", "synchronous"),
                    ("PRAGMA busy_timeout", "timeout"),
                ] {
                    values.push(tx.first(sql(pragma)).await?.unwrap().int(column)?);
                }
                let mode = tx.first(sql("PRAGMA journal_mode")).await?.unwrap().text("journal_mode")?;
                Ok((values, mode))
            })
        })
        .await
        .unwrap();
    assert_eq!(pragmas, (vec![1, 2, 5000], "wal".to_owned()));
}

#[cfg(unix)]
#[tokio::test]
async fn the_files_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let site = Site::open().await;
    for entry in std::fs::read_dir(site.dir.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", entry.path().display());
    }
}

#[tokio::test]
async fn a_database_in_memory_works_like_one_in_a_file() {
    let dir = TempDir::new();
    let mut settings = settings(&dir);
    settings.database = "sqlite::memory:".to_owned();
    let site = Site::with(settings, dir, ManualClock::at(NOW)).await;
    assert_eq!(site.issuer.health().await, Health::Ready);
    assert_eq!(site.count("SELECT COUNT(*) AS n FROM setup_links").await, 1);
    assert_eq!(std::fs::read_dir(site.dir.path()).unwrap().count(), 0, "no secret file for it");
}

/// Sets something on the connection that writes.
async fn pragma(site: &Site, statement: &'static str) {
    site.write(move |tx| Box::pin(async move { tx.first(sql(statement)).await.map(|_| ()) })).await;
}

#[tokio::test]
async fn a_file_that_somebody_else_has_locked_is_not_available_until_it_is_free() {
    use sqlx::{ConnectOptions as _, Connection as _};
    let site = crate::testing::site().await;
    pragma(&site, "PRAGMA busy_timeout = 20").await;
    let tokens = site.tokens("member", None).await;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(site.dir.path().join("x.db"));
    let mut other = options.connect().await.unwrap();
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    let reply = site.browser().token(&refresh(&tokens)).await;
    assert_eq!(reply.status, 503, "{}", reply.text());
    // What only reads goes on.
    assert_eq!(site.browser().get("/p/proj_p/.well-known/openid-configuration").await.status, 200);
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    other.close().await.unwrap();
    assert_eq!(site.browser().token(&refresh(&tokens)).await.status, 200, "nothing was used up");
}

#[tokio::test]
async fn a_full_disk_loses_nothing_that_was_answered() {
    let site = crate::testing::site().await;
    let browser = site.browser();
    browser.operator("ops@example.com").await;
    let pages = site.count("SELECT page_count AS n FROM pragma_page_count()").await;
    let limit: &'static str = format!("PRAGMA max_page_count = {}", pages + 3).leak();
    pragma(&site, limit).await;
    let mut made = 0;
    let refused = loop {
        let new = json!({ "name": "x".repeat(90), "creator_end_user_id": "usr_n" });
        let reply = browser.json(Method::POST, "/api/platform/projects/proj_p/orgs", &new).await;
        if reply.status != 201 {
            break reply;
        }
        made += 1;
        assert!(made < 500, "it never became full");
    };
    assert_eq!(refused.status, 503, "{}", refused.text());
    let there = "SELECT COUNT(*) AS n FROM organizations WHERE slug NOT IN ('acme', 'globex')";
    assert_eq!(site.count(there).await, made);
    assert_eq!(site.count("SELECT COUNT(*) AS n FROM memberships WHERE user_id = 'usr_n'").await, made);
    pragma(&site, "PRAGMA max_page_count = 1000000").await;
    let new = json!({ "name": "after", "creator_end_user_id": "usr_n" });
    let reply = browser.json(Method::POST, "/api/platform/projects/proj_p/orgs", &new).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
}
