use std::sync::Arc;

use super::*;
use crate::{
    Issuer, ManualClock,
    testing::{NOW, Site, TempDir, settings},
};

async fn memory() -> Db {
    Db::open(&DatabaseUrl::SqliteMemory, NOW).await.unwrap()
}

async fn run(db: &Db, statement: &'static str) -> Result<u64, DbError> {
    db.write(move |tx| Box::pin(async move { tx.run(sql(statement)).await })).await
}

async fn count(db: &Db, statement: &'static str) -> i64 {
    db.read().await.unwrap().first(sql(statement)).await.unwrap().unwrap().int("n").unwrap()
}

#[test]
fn a_database_is_named_by_its_url() {
    assert_eq!(DatabaseUrl::parse("sqlite://x.db"), Ok(DatabaseUrl::SqliteFile("x.db".into())));
    assert_eq!(DatabaseUrl::parse("sqlite:///var/x.db"), Ok(DatabaseUrl::SqliteFile("/var/x.db".into())));
    assert_eq!(DatabaseUrl::parse("sqlite::memory:"), Ok(DatabaseUrl::SqliteMemory));
    for bad in ["", "x.db", "sqlite:x.db", "sqlite://", "postgres://x", "sqlite://x.db?mode=ro"] {
        assert!(DatabaseUrl::parse(bad).unwrap_err().contains("help:"), "{bad}");
    }
}

#[test]
fn what_sqlite_would_not_read_as_a_file_is_refused() {
    for bad in ["sqlite://file:x.db", "sqlite://file:///var/x.db", "sqlite://:memory:"] {
        assert!(DatabaseUrl::parse(bad).unwrap_err().contains("help: `sqlite::memory:`"), "{bad}");
    }
}

#[tokio::test]
async fn what_fails_leaves_nothing_behind() {
    let db = memory().await;
    let failed = db
        .write::<(), DbError>(|tx| {
            Box::pin(async move {
                tx.run(sql("INSERT INTO instance (name, value) VALUES ('a', 'b')")).await?;
                Err(DbError::Inconsistent("on purpose".to_owned()))
            })
        })
        .await;
    assert_eq!(failed, Err(DbError::Inconsistent("on purpose".to_owned())));
    assert_eq!(count(&db, "SELECT COUNT(*) AS n FROM instance").await, 0);
}

#[tokio::test]
async fn a_panic_undoes_its_transaction_and_the_writer_goes_on() {
    let db = memory().await;
    let outcome = db
        .write::<(), DbError>(|tx| {
            Box::pin(async move {
                tx.run(sql("INSERT INTO instance (name, value) VALUES ('a', 'b')")).await?;
                panic!("on purpose")
            })
        })
        .await;
    assert!(matches!(outcome, Err(DbError::Unavailable(_))));
    assert_eq!(count(&db, "SELECT COUNT(*) AS n FROM instance").await, 0);
    assert_eq!(run(&db, "INSERT INTO instance (name, value) VALUES ('c', 'd')").await, Ok(1));
}

#[tokio::test]
async fn a_caller_that_goes_away_does_not_stop_the_change() {
    let db = memory().await;
    let write = db.write::<_, DbError>(|tx| {
        Box::pin(async move {
            tokio::task::yield_now().await;
            tx.run(sql("INSERT INTO instance (name, value) VALUES ('a', 'b')")).await
        })
    });
    // The operation is queued by the first poll; then nobody waits for it.
    let mut write = Box::pin(write);
    let first =
        std::future::poll_fn(|context| std::task::Poll::Ready(write.as_mut().poll(context).is_pending()));
    assert!(first.await);
    drop(write);
    run(&db, "INSERT INTO instance (name, value) VALUES ('c', 'd')").await.unwrap();
    assert_eq!(count(&db, "SELECT COUNT(*) AS n FROM instance").await, 2);
}

#[tokio::test]
async fn a_constraint_is_named_by_its_kind() {
    let db = memory().await;
    run(&db, "INSERT INTO instance (name, value) VALUES ('a', 'b')").await.unwrap();
    for (statement, kind) in [
        ("INSERT INTO instance (name, value) VALUES ('a', 'b')", Constraint::Unique),
        ("INSERT INTO instance (name, value) VALUES ('b', NULL)", Constraint::NotNull),
        ("INSERT INTO operator_sessions VALUES ('h', 'nobody', 0, 0, 0)", Constraint::ForeignKey),
    ] {
        assert_eq!(run(&db, statement).await, Err(DbError::Conflict(kind)), "{statement}");
    }
}

#[tokio::test]
async fn a_statement_with_a_missing_argument_is_refused() {
    let db = memory().await;
    let outcome = db
        .write::<_, DbError>(|tx| {
            Box::pin(async move {
                tx.run(sql("INSERT INTO instance (name, value) VALUES ($1, $2)").bind("a")).await
            })
        })
        .await;
    assert!(matches!(outcome, Err(DbError::Inconsistent(_))));
}

#[tokio::test]
async fn readers_cannot_write_and_settings_are_in_force() {
    let site = Site::empty().await;
    let db = &site.issuer.app().db;
    let mut conn = db.read().await.unwrap();
    assert!(conn.run(sql("INSERT INTO instance (name, value) VALUES ('x', 'y')")).await.is_err());
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
async fn exactly_one_owner_is_a_constraint() {
    for (statements, fits) in [
        (vec!["DELETE FROM memberships WHERE role_key = 'owner' AND org_id = 'org_acme'"], false),
        (vec!["DELETE FROM users WHERE id = 'usr_owner'"], false),
        (vec!["UPDATE memberships SET role_key = 'owner' WHERE user_id = 'usr_admin'"], false),
        (vec!["UPDATE memberships SET role_key = 'admin' WHERE user_id = 'usr_owner'"], false),
        (
            vec![
                "UPDATE organizations SET owner_member_id =
                     (SELECT id FROM memberships WHERE user_id = 'usr_admin' AND org_id = 'org_acme')
                 WHERE id = 'org_acme'",
            ],
            false,
        ),
        (
            vec![
                "UPDATE organizations SET owner_member_id =
                     (SELECT id FROM memberships WHERE user_id = 'usr_admin' AND org_id = 'org_acme')
                 WHERE id = 'org_acme'",
                "UPDATE memberships SET role_key = 'admin' WHERE user_id = 'usr_owner'",
                "UPDATE memberships SET role_key = 'owner' WHERE user_id = 'usr_admin'",
                "DELETE FROM memberships WHERE user_id = 'usr_owner'",
            ],
            true,
        ),
        (vec!["DELETE FROM organizations WHERE id = 'org_acme'"], true),
        (vec!["UPDATE memberships SET user_id = 'usr_q' WHERE user_id = 'usr_member'"], false),
    ] {
        let site = Site::open().await;
        let name = statements[0];
        let outcome = site
            .issuer
            .app()
            .db
            .write::<_, DbError>(move |tx| {
                Box::pin(async move {
                    for statement in statements {
                        tx.run(sql(statement)).await?;
                    }
                    Ok(())
                })
            })
            .await;
        assert_eq!(outcome.is_ok(), fits, "{name}: {outcome:?}");
        let owners = "SELECT COUNT(*) AS n FROM organizations o WHERE 1 <>
            (SELECT COUNT(*) FROM memberships m WHERE m.org_id = o.id AND m.role_key = 'owner')";
        assert_eq!(site.count(owners).await, 0, "{name}");
    }
}

#[tokio::test]
async fn counters_follow_the_memberships() {
    let site = Site::open().await;
    let counted = "SELECT COUNT(*) AS n FROM organizations o WHERE o.member_count <>
        (SELECT COUNT(*) FROM memberships m WHERE m.org_id = o.id)";
    assert_eq!(site.count(counted).await, 0);
    let before = site.count("SELECT ver AS n FROM organizations WHERE id = 'org_acme'").await;
    site.write(|tx| {
        Box::pin(
            async move { tx.run(sql("DELETE FROM memberships WHERE user_id = 'usr_d'")).await.map(|_| ()) },
        )
    })
    .await;
    assert_eq!(site.count(counted).await, 0);
    assert_eq!(site.count("SELECT ver AS n FROM organizations WHERE id = 'org_acme'").await, before + 1);
}

async fn reopened(dir: &TempDir) -> Result<Issuer, crate::StartError> {
    Issuer::open(settings(dir), Arc::new(ManualClock::at(NOW))).await
}

#[tokio::test]
async fn a_newer_or_changed_schema_is_refused() {
    let dir = TempDir::new();
    let issuer = reopened(&dir).await.unwrap();
    run(&issuer.app().db, "INSERT INTO schema_migrations VALUES (99, 'future', 'x', 0)").await.unwrap();
    issuer.shutdown().await;
    let error = reopened(&dir).await.unwrap_err();
    assert!(error.to_string().contains("schema 99"), "{error}");
    assert_eq!(error.exit_code(), 2);

    let dir = TempDir::new();
    let issuer = reopened(&dir).await.unwrap();
    run(&issuer.app().db, "UPDATE schema_migrations SET checksum = 'other'").await.unwrap();
    issuer.shutdown().await;
    assert!(reopened(&dir).await.unwrap_err().to_string().contains("step 1"));
}

#[tokio::test]
async fn after_closing_nothing_is_written_and_nothing_hangs() {
    let db = memory().await;
    let writes: Vec<_> = (0..20)
        .map(|_| {
            let db = db.clone();
            tokio::spawn(async move {
                run(&db, "INSERT INTO setup_links VALUES (hex(randomblob(8)), 0, 0, NULL)").await
            })
        })
        .collect();
    tokio::task::yield_now().await;
    db.close().await;
    for write in writes {
        // Done before the end, or refused: never lost without an answer.
        assert!(matches!(write.await.unwrap(), Ok(1) | Err(DbError::Unavailable(_))));
    }
    assert!(matches!(run(&db, "DELETE FROM setup_links").await, Err(DbError::Unavailable(_))));
    assert!(db.ping().await.is_err());
}
