//! What only SQLite has.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use http::Method;
use serde_json::json;
use tokio::sync::Notify;

use crate::{
    Health, ManualClock,
    db::{Constraint, Db, DbError, sql},
    events::{Actor, Event, EventType},
    testing::{NOW, Site, TempDir, refresh, settings_of_nothing},
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
    let dir = TempDir::new();
    let site = Site::with(settings_of_nothing(&dir), dir, ManualClock::at(NOW)).await;
    assert!(site.dir.file().is_file());
    for entry in std::fs::read_dir(site.dir.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", entry.path().display());
    }
}

#[tokio::test]
async fn a_database_in_memory_works_like_one_in_a_file() {
    let dir = TempDir::new();
    let mut settings = settings_of_nothing(&dir);
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
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(site.dir.file());
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

/// What operations that waited together were answered, and how many commits there were of those that succeeded.
async fn together(statements: &'static [&'static str]) -> (Vec<Result<(), DbError>>, usize, Site) {
    let site = Site::open().await;
    // The hooks of the issuer listen to its own; this one is another on the same file.
    let db = Db::open(&crate::db::DatabaseUrl::parse(&site.dir.database()).unwrap(), NOW).await.unwrap();
    let commits = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&commits);
    db.listen(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
    });
    let (begun, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let first = tokio::spawn({
        let (db, begun, go) = (db.clone(), Arc::clone(&begun), Arc::clone(&go));
        async move {
            db.write::<(), DbError>(move |_| {
                Box::pin(async move {
                    begun.notify_one();
                    go.notified().await;
                    Ok(())
                })
            })
            .await
        }
    });
    begun.notified().await;
    let mut waiting: Vec<_> = statements.iter().map(|statement| Box::pin(change(&db, statement))).collect();
    for write in &mut waiting {
        // The first poll puts it into the queue.
        let queued = std::future::poll_fn(|context| {
            std::task::Poll::Ready(Future::poll(write.as_mut(), context).is_pending())
        });
        assert!(queued.await);
    }
    go.notify_one();
    first.await.unwrap().unwrap();
    let mut answers = Vec::new();
    for write in waiting {
        answers.push(write.await);
    }
    db.close().await;
    (answers, commits.load(Ordering::Relaxed), site)
}

async fn change(db: &Db, statement: &'static str) -> Result<(), DbError> {
    db.write(move |tx| {
        Box::pin(async move {
            tx.run(sql(statement)).await?;
            tx.record(Event {
                project_id: "proj_p".to_owned(),
                kind: EventType::ProjectUpdated,
                actor: Actor::System,
                org_id: None,
                target_id: "proj_p".to_owned(),
                data: json!({}),
                at: NOW,
            });
            match statement.contains("'panic'") {
                true => panic!("on purpose"),
                false => Ok(()),
            }
        })
    })
    .await
}

const EVENTS: &str = "SELECT COUNT(*) AS n FROM events WHERE type = 'project.updated'";
const INSTANCE: &str = "SELECT COUNT(*) AS n FROM instance WHERE value = 'together'";

#[tokio::test]
async fn what_waits_while_a_commit_is_written_shares_the_next() {
    let (answers, commits, site) = together(&[
        "INSERT INTO instance (name, value) VALUES ('a', 'together')",
        "INSERT INTO instance (name, value) VALUES ('b', 'together')",
        // The third has the name of the first, and is the only one that fails.
        "INSERT INTO instance (name, value) VALUES ('a', 'together')",
        "INSERT INTO instance (name, value) VALUES ('c', 'together')",
    ])
    .await;
    assert_eq!(answers, [Ok(()), Ok(()), Err(DbError::Conflict(Constraint::Unique)), Ok(())]);
    assert_eq!(commits, 1);
    assert_eq!((site.count(INSTANCE).await, site.count(EVENTS).await), (3, 3));
    let last = "SELECT event_seq - (SELECT COUNT(*) FROM events) AS n FROM projects WHERE id = 'proj_p'";
    assert_eq!(site.count(last).await, 0, "the numbers have no gap");
}

#[tokio::test]
async fn what_cannot_be_committed_is_refused_alone() {
    // That an organization has its owner is looked at when it is committed.
    let (answers, commits, site) = together(&[
        "INSERT INTO instance (name, value) VALUES ('a', 'together')",
        "UPDATE memberships SET role_key = 'admin' WHERE user_id = 'usr_owner'",
        "INSERT INTO instance (name, value) VALUES ('b', 'together')",
    ])
    .await;
    assert_eq!(answers, [Ok(()), Err(DbError::Conflict(Constraint::ForeignKey)), Ok(())]);
    assert_eq!(commits, 2);
    assert_eq!((site.count(INSTANCE).await, site.count(EVENTS).await), (2, 2));
    assert_eq!(site.count("SELECT COUNT(*) AS n FROM memberships WHERE role_key = 'owner'").await, 2);
}

#[tokio::test]
async fn a_panic_undoes_nothing_but_its_own_operation() {
    let (answers, commits, site) = together(&[
        "INSERT INTO instance (name, value) VALUES ('a', 'together')",
        "INSERT INTO instance (name, value) VALUES ('panic', 'together')",
        "INSERT INTO instance (name, value) VALUES ('b', 'together')",
    ])
    .await;
    assert!(matches!(answers[..], [Ok(()), Err(DbError::Unavailable(_)), Ok(())]), "{answers:?}");
    assert_eq!(commits, 2);
    assert_eq!((site.count(INSTANCE).await, site.count(EVENTS).await), (2, 2));
}
