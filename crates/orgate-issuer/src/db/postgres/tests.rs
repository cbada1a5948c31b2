//! What only several writers and a server that goes away can do.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use crate::{
    db::{Constraint, DatabaseUrl, Db, DbError, sql},
    events::{Actor, Event, EventType},
    testing::{Engine, NOW, Site, TempDir, on},
};

async fn database() -> (Db, TempDir) {
    let dir = TempDir::new();
    let db = Db::open(&DatabaseUrl::parse(&dir.database()).unwrap(), NOW).await.unwrap();
    (db, dir)
}

async fn names(db: &Db) -> Vec<String> {
    let rows = db.read().await.unwrap().all(sql("SELECT name FROM instance ORDER BY name")).await.unwrap();
    rows.iter().map(|row| row.text("name").unwrap()).collect()
}

#[test]
fn an_operation_whose_connection_goes_away_is_run_again_and_done_once() {
    on(Engine::Postgres, async {
        let (db, _dir) = database().await;
        let runs = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&runs);
        db.write::<_, DbError>(move |tx| {
            Box::pin(async move {
                tx.run(sql("INSERT INTO instance (name, value) VALUES ('a', 'b')")).await?;
                if counted.fetch_add(1, Ordering::Relaxed) == 0 {
                    tx.first(sql("SELECT pg_terminate_backend(pg_backend_pid())::int AS done")).await?;
                }
                Ok(())
            })
        })
        .await
        .unwrap();
        assert_eq!(runs.load(Ordering::Relaxed), 2);
        assert_eq!(names(&db).await, ["a"]);
    });
}

#[test]
fn a_connection_that_goes_away_at_the_commit_is_no_reason_to_try_again() {
    on(Engine::Postgres, async {
        let (db, _dir) = database().await;
        let runs = Arc::new(AtomicU32::new(0));
        for statement in [
            "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS
             $f$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $f$",
            "CREATE CONSTRAINT TRIGGER dies AFTER INSERT ON instance DEFERRABLE INITIALLY DEFERRED
             FOR EACH ROW EXECUTE FUNCTION die()",
        ] {
            db.write::<_, DbError>(move |tx| Box::pin(async move { tx.script(statement).await }))
                .await
                .unwrap();
        }
        let counted = Arc::clone(&runs);
        let outcome = db
            .write::<_, DbError>(move |tx| {
                Box::pin(async move {
                    counted.fetch_add(1, Ordering::Relaxed);
                    tx.run(sql("INSERT INTO instance (name, value) VALUES ('a', 'b')")).await
                })
            })
            .await;
        assert!(matches!(outcome, Err(DbError::Lost(_))), "{outcome:?}");
        assert_eq!(runs.load(Ordering::Relaxed), 1);
        assert!(db.ping().await.is_ok());
    });
}

#[test]
fn two_operations_that_wait_for_each_other_are_both_done() {
    on(Engine::Postgres, async {
        let (db, _dir) = database().await;
        db.write::<_, DbError>(|tx| {
            Box::pin(async move {
                tx.run(sql("INSERT INTO instance (name, value) VALUES ('a', ''), ('b', '')")).await
            })
        })
        .await
        .unwrap();
        let meeting = Arc::new(tokio::sync::Barrier::new(2));
        let cross = |first: &'static str, second: &'static str| {
            let (db, meeting, met) = (db.clone(), Arc::clone(&meeting), Arc::new(AtomicU32::new(0)));
            async move {
                db.write::<_, DbError>(move |tx| {
                    Box::pin(async move {
                        let add = "UPDATE instance SET value = value || 'x' WHERE name = $1";
                        tx.run(sql(add).bind(first)).await?;
                        if met.fetch_add(1, Ordering::Relaxed) == 0 {
                            meeting.wait().await;
                        }
                        tx.run(sql(add).bind(second)).await
                    })
                })
                .await
            }
        };
        let (one, two) = tokio::join!(cross("a", "b"), cross("b", "a"));
        assert_eq!((one, two), (Ok(1), Ok(1)));
        let mut conn = db.read().await.unwrap();
        let row = conn.first(sql("SELECT COUNT(*) AS n FROM instance WHERE value = 'xx'")).await.unwrap();
        assert_eq!(row.unwrap().int("n"), Ok(2));
    });
}

#[test]
fn what_a_constraint_refuses_is_looked_at_once_more_and_not_for_ever() {
    on(Engine::Postgres, async {
        let (db, _dir) = database().await;
        let runs = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&runs);
        let outcome = db
            .write::<_, DbError>(move |tx| {
                Box::pin(async move {
                    counted.fetch_add(1, Ordering::Relaxed);
                    tx.run(sql("INSERT INTO instance (name, value) VALUES ('a', ''), ('a', '')")).await
                })
            })
            .await;
        assert_eq!(outcome, Err(DbError::Conflict(Constraint::Unique)));
        assert_eq!(runs.load(Ordering::Relaxed), 2);
    });
}

#[test]
fn an_operation_that_always_meets_another_ends_and_says_so() {
    on(Engine::Postgres, async {
        let (db, _dir) = database().await;
        let outcome = db.write::<(), DbError>(|tx| Box::pin(async move { Err(tx.contended()) })).await;
        assert_eq!(outcome, Err(DbError::Contended));
        assert!(db.ping().await.is_ok());
    });
}

#[test]
fn a_database_in_another_encoding_is_refused() {
    on(Engine::Postgres, async {
        let server = orgate_testkit::Postgres::shared();
        server.run("CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1'");
        let url = DatabaseUrl::parse(&server.url("latin")).unwrap();
        let error = Db::open(&url, NOW).await.unwrap_err().to_string();
        assert!(error.contains("LATIN1") && error.contains("help:"), "{error}");
        let nowhere = DatabaseUrl::parse(&server.url("nothing_there")).unwrap();
        assert!(Db::open(&nowhere, NOW).await.unwrap_err().to_string().contains("nothing_there"));
    });
}

/// Whoever waits at one issuer is woken by a commit of another one.
#[test]
fn another_issuer_is_told_when_a_right_has_ended() {
    on(Engine::Postgres, async {
        let site = Site::open().await;
        let here = site.issuer.app().db.clone();
        let url = DatabaseUrl::parse(&site.dir.database()).unwrap();
        let there = Db::open(&url, NOW).await.unwrap();
        let mut waiting = there.wakes().watch("proj_p");
        let mut elsewhere = there.wakes().watch("proj_q");
        let hearing = tokio::spawn({
            let there = there.clone();
            async move { there.hear_others().await }
        });
        // It listens once everybody was woken: what was told before, nobody has heard.
        for everybody in [&mut waiting, &mut elsewhere] {
            everybody.changed().await.unwrap();
        }
        let event = |kind: EventType| Event {
            project_id: "proj_p".to_owned(),
            kind,
            actor: Actor::System,
            org_id: None,
            target_id: "ses_1".to_owned(),
            data: serde_json::json!({}),
            at: NOW,
        };
        for kind in [EventType::SessionCreated, EventType::SessionRevoked] {
            let event = event(kind);
            here.write::<_, DbError>(move |tx| {
                Box::pin(async move {
                    tx.record(event);
                    Ok(())
                })
            })
            .await
            .unwrap();
        }
        waiting.changed().await.unwrap();
        assert!(!elsewhere.has_changed().unwrap(), "another project");
        there.close().await;
        let lost = hearing.await.unwrap();
        assert!(matches!(lost, DbError::Lost(_) | DbError::Unavailable(_)), "{lost}");
    });
}
