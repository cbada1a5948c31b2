use std::sync::Arc;

use super::*;
use crate::{
    Issuer, ManualClock,
    testing::{NOW, Site, TempDir, settings},
};

/// An empty database, which lasts as long as the folder.
async fn database() -> (Db, TempDir) {
    let dir = TempDir::new();
    (Db::open(&DatabaseUrl::parse(&dir.database()).unwrap(), NOW).await.unwrap(), dir)
}

async fn run(db: &Db, statement: &'static str) -> Result<u64, DbError> {
    db.write(move |tx| Box::pin(async move { tx.run(sql(statement)).await })).await
}

async fn count(db: &Db, statement: &'static str) -> i64 {
    db.read().await.unwrap().first(sql(statement)).await.unwrap().unwrap().int("n").unwrap()
}

#[orgate_testkit::both]
async fn what_fails_leaves_nothing_behind() {
    let (db, _dir) = database().await;
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

#[orgate_testkit::both]
async fn a_panic_undoes_its_transaction_and_the_writer_goes_on() {
    let (db, _dir) = database().await;
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

#[orgate_testkit::both]
async fn a_caller_that_goes_away_does_not_stop_the_change() {
    let (db, dir) = database().await;
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
    db.close().await;
    let db = Db::open(&DatabaseUrl::parse(&dir.database()).unwrap(), NOW).await.unwrap();
    assert_eq!(count(&db, "SELECT COUNT(*) AS n FROM instance").await, 1);
}

#[orgate_testkit::both]
async fn a_constraint_is_named_by_its_kind() {
    let (db, _dir) = database().await;
    run(&db, "INSERT INTO instance (name, value) VALUES ('a', 'b')").await.unwrap();
    for (statement, kind) in [
        ("INSERT INTO instance (name, value) VALUES ('a', 'b')", Constraint::Unique),
        ("INSERT INTO instance (name, value) VALUES ('b', NULL)", Constraint::NotNull),
        ("INSERT INTO operator_sessions VALUES ('h', 'nobody', 0, 0, 0)", Constraint::ForeignKey),
    ] {
        assert_eq!(run(&db, statement).await, Err(DbError::Conflict(kind)), "{statement}");
    }
}

#[orgate_testkit::both]
async fn a_statement_with_a_missing_argument_is_refused() {
    let (db, _dir) = database().await;
    let outcome = db
        .write::<_, DbError>(|tx| {
            Box::pin(async move {
                tx.run(sql("INSERT INTO instance (name, value) VALUES ($1, $2)").bind("a")).await
            })
        })
        .await;
    assert!(matches!(outcome, Err(DbError::Inconsistent(_))));
}

#[orgate_testkit::both]
async fn readers_cannot_write() {
    let (db, _dir) = database().await;
    let mut conn = db.read().await.unwrap();
    assert!(conn.run(sql("INSERT INTO instance (name, value) VALUES ('x', 'y')")).await.is_err());
}

#[orgate_testkit::both]
async fn after_a_statement_that_failed_nothing_more_is_done_and_nothing_stays() {
    let (db, _dir) = database().await;
    run(&db, "INSERT INTO instance (name, value) VALUES ('a', 'b')").await.unwrap();
    let outcome = db
        .write::<_, DbError>(|tx| {
            Box::pin(async move {
                tx.run(sql("INSERT INTO instance (name, value) VALUES ('c', 'd')")).await?;
                let again = tx.run(sql("INSERT INTO instance (name, value) VALUES ('a', 'b')")).await;
                assert_eq!(again, Err(DbError::Conflict(Constraint::Unique)));
                assert_eq!(tx.run(sql("DELETE FROM instance")).await, again);
                // Whoever overlooks the failure is not believed.
                Ok(())
            })
        })
        .await;
    assert_eq!(outcome, Err(DbError::Conflict(Constraint::Unique)));
    assert_eq!(count(&db, "SELECT COUNT(*) AS n FROM instance").await, 1);
}

#[orgate_testkit::both]
async fn a_nul_is_kept_as_a_character_that_both_can_hold() {
    let (db, _dir) = database().await;
    db.write::<_, DbError>(|tx| {
        Box::pin(async move {
            tx.run(sql("INSERT INTO instance (name, value) VALUES ($1, $2)").bind("a").bind("b\0c")).await
        })
    })
    .await
    .unwrap();
    let mut conn = db.read().await.unwrap();
    let row =
        conn.first(sql("SELECT name, value FROM instance WHERE value = $1").bind("b\0c")).await.unwrap();
    assert_eq!(row.unwrap().text("value").unwrap(), "b\u{fffd}c");
}

#[orgate_testkit::both]
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

#[orgate_testkit::both]
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

#[orgate_testkit::both]
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

#[orgate_testkit::both]
async fn after_closing_nothing_is_written_and_nothing_hangs() {
    let (db, _dir) = database().await;
    let writes: Vec<_> = (0..20)
        .map(|_| {
            let db = db.clone();
            tokio::spawn(async move {
                db.write::<_, DbError>(move |tx| {
                    Box::pin(async move {
                        let name = crate::ids::Kind::Event.new_id(NOW);
                        tx.run(sql("INSERT INTO setup_links VALUES ($1, 0, 0, NULL)").bind(&name)).await
                    })
                })
                .await
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

/// A test of a store or of the router runs on both databases; where one does not, its file stands here.
#[test]
fn every_test_of_the_store_runs_on_both_databases() {
    const ONE_ENOUGH: [&str; 6] = [
        "db/sqlite/plans.rs",
        "db/sqlite/tests.rs",
        "db/whole/tests.rs",
        "http/page.rs",
        "http/peer.rs",
        "password.rs",
    ];
    let mut both = 0;
    for (name, text) in crate::testing::sources() {
        both += text.matches("#[orgate_testkit::both]").count();
        if text.contains(concat!("#[tokio", "::test]")) {
            assert!(ONE_ENOUGH.contains(&name.as_str()), "{name}: write `#[orgate_testkit::both]`");
        }
    }
    assert!(both > 100, "{both}");
}
