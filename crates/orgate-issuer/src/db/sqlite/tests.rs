//! What only SQLite has.

use crate::{
    Health, ManualClock,
    db::{DbError, sql},
    testing::{NOW, Site, TempDir, settings},
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
