//! Whatever is done to a row, a chain shows it.

use serde_json::json;

use super::event;
use crate::{
    db::{DbError, sql},
    events::{
        Actor, EventType, head, log,
        verify::{self, Range, Walked},
    },
    maintenance::{self, AuditReport, AuditScope},
    testing::{Engine, NOW, Site},
};

async fn walk(site: &Site, from: i64) -> Walked {
    let mut conn = site.issuer.app().db.read().await.unwrap();
    let range = Range { project_id: "proj_p", from, most: i64::MAX };
    verify::walk(&mut conn, range, &mut |_, _| {}).await.unwrap().unwrap()
}

/// A project with some twenty events more, of all shapes.
async fn eventful() -> Site {
    let site = Site::open().await;
    site.browser().get("/p/proj_p/jwks.json").await;
    for number in 0..10 {
        site.write(move |tx| {
            Box::pin(async move {
                let mut one = event("a");
                one.data = json!({ "n": number, "text": "\u{0}\n\u{1f600}\"" });
                one.actor = Actor::User(format!("usr_{number}"));
                tx.record(one);
                let mut other = event("b\u{0}");
                other.kind = EventType::MemberAdded;
                other.org_id = Some("org_acme".to_owned());
                tx.record(other);
                Ok(())
            })
        })
        .await;
    }
    site
}

/// What a trigger keeps people from is done all the same by whoever may drop the trigger.
async fn unguard(site: &Site) {
    for name in ["events_chained", "events_kept", "events_stay"] {
        let statement = match Engine::current() {
            Engine::Sqlite => format!("DROP TRIGGER {name}"),
            Engine::Postgres => format!("DROP TRIGGER {name} ON events"),
        };
        site.change(statement.leak()).await;
    }
}

/// Does `change` and gives what is found; then undoes it by `back`.
async fn found(site: &Site, change: &'static str, back: &'static str) -> (i64, &'static str) {
    site.change(change).await;
    let broken = walk(site, 1).await.broken.unwrap_or_else(|| panic!("nothing is found of {change}"));
    site.change(back).await;
    assert_eq!(walk(site, 1).await.broken, None, "{change}");
    (broken.seq, broken.why)
}

#[orgate_testkit::both]
async fn an_untouched_chain_holds_from_wherever_it_is_looked_at() {
    let site = eventful().await;
    let whole = walk(&site, 1).await;
    assert!(whole.is_whole() && whole.to >= 25, "{whole:?}");
    for from in [2, 10, whole.last, whole.last + 1] {
        let part = walk(&site, from).await;
        assert!(part.is_whole() && part.chain == whole.chain, "{from}: {part:?}");
    }
    assert_eq!(walk(&site, whole.last + 2).await.broken.unwrap().seq, whole.last + 1);
    let mut conn = site.issuer.app().db.read().await.unwrap();
    let range = Range { project_id: "proj_p", from: 1, most: 5 };
    let part = verify::walk(&mut conn, range, &mut |_, _| {}).await.unwrap().unwrap();
    assert!(part.to == 5 && part.broken.is_none() && !part.is_whole());
    let nowhere = Range { project_id: "proj_none", from: 1, most: 5 };
    assert_eq!(verify::walk(&mut conn, nowhere, &mut |_, _| {}).await.unwrap(), None);
}

#[orgate_testkit::both]
async fn a_change_of_any_column_of_any_row_is_found_and_named() {
    let site = eventful().await;
    unguard(&site).await;
    let last = walk(&site, 1).await.last;
    site.change("CREATE TABLE kept AS SELECT * FROM events WHERE project_id = 'proj_p'").await;
    let columns = [
        ("id", "'evt_other'"),
        ("type", "'member.removed'"),
        ("actor_kind", "'operator'"),
        ("actor_id", "'usr_other'"),
        ("actor_id", "NULL"),
        ("org_id", "'org_other'"),
        ("org_id", "NULL"),
        ("target_id", "'mem_other'"),
        ("data", "'{\"n\":99}'"),
        ("data", "'{}'"),
        ("at", "at + 1"),
        ("salt", "'other'"),
        ("salt", "NULL"),
        ("commitment", "'other'"),
        ("chain", "'other'"),
        ("erased_by", "seq + 1"),
        ("project_id", "'proj_q'"),
    ];
    let rows = [1, 2, last / 2, last - 1, last];
    for (column, value) in columns {
        for seq in rows {
            // The last rows of both projects would otherwise take each other's place.
            let to = if column == "project_id" { "seq = seq + 1000000, project_id" } else { column };
            let change =
                format!("UPDATE events SET {to} = {value} WHERE project_id = 'proj_p' AND seq = {seq}");
            let differs = format!(
                "SELECT COUNT(*) AS n FROM events e JOIN kept k ON k.project_id = e.project_id AND k.seq = e.seq
                 WHERE e.seq = {seq} AND (COALESCE(e.{column} || '', 'none') <> COALESCE(k.{column} || '', 'none'))"
            );
            site.change(change.clone().leak()).await;
            let is_other = column == "project_id" || site.count(differs.leak()).await == 1;
            let walked = walk(&site, 1).await;
            match (is_other, &walked.broken) {
                (false, None) => {}
                (true, Some(broken)) => assert_eq!(broken.seq, seq, "{column} = {value}: {}", broken.why),
                _ => panic!("{change}: {walked:?}"),
            }
            let back =
                format!("DELETE FROM events WHERE project_id = 'proj_p' AND seq = {seq} OR seq > 1000000");
            site.change(back.leak()).await;
            let back = format!("INSERT INTO events SELECT * FROM kept WHERE seq = {seq}");
            site.change(back.leak()).await;
        }
    }
    assert!(walk(&site, 1).await.is_whole());
}

#[orgate_testkit::both]
async fn rows_that_are_gone_or_moved_or_added_are_found() {
    let site = eventful().await;
    unguard(&site).await;
    let of = "WHERE project_id = 'proj_p' AND";
    // Two rows change places.
    for (from, to) in [(5, 100_005), (9, 5), (100_005, 9)] {
        site.change(format!("UPDATE events SET seq = {to} {of} seq = {from}").leak()).await;
    }
    assert_eq!(walk(&site, 1).await.broken.unwrap().seq, 5);
    for (from, to) in [(5, 100_005), (9, 5), (100_005, 9)] {
        site.change(format!("UPDATE events SET seq = {to} {of} seq = {from}").leak()).await;
    }
    assert!(walk(&site, 1).await.is_whole());
    let moved = found(
        &site,
        "UPDATE events SET seq = 100000 WHERE project_id = 'proj_p' AND seq = 7",
        "UPDATE events SET seq = 7 WHERE project_id = 'proj_p' AND seq = 100000",
    );
    assert_eq!(moved.await, (7, verify::MISSING));
    for (seq, why) in [(0, "no such event was written"), (100_000, "no such event was written")] {
        let add = format!(
            "INSERT INTO events (project_id, seq, id, type, actor_kind, target_id, data, at, commitment, chain)
             SELECT project_id, {seq}, id, type, actor_kind, target_id, data, at, commitment, chain
             FROM events {of} seq = 3"
        );
        let back = format!("DELETE FROM events {of} seq = {seq}");
        let last = walk(&site, 1).await.last;
        let expected = if seq == 0 { 0 } else { last + 1 };
        assert_eq!(found(&site, add.leak(), back.leak()).await, (expected, why));
    }
    site.change("DELETE FROM events WHERE project_id = 'proj_p' AND seq = 12").await;
    assert_eq!(walk(&site, 1).await.broken.unwrap().seq, 12);
    // Whoever looks from further on believes what is before, and does not begin at a hole.
    assert!(walk(&site, 14).await.is_whole());
    assert_eq!(walk(&site, 13).await.broken.unwrap().seq, 12);
}

async fn audited(site: &Site, scope: &AuditScope) -> Vec<AuditReport> {
    maintenance::verify_audit(&site.dir.database(), scope, &mut |_, _| {}).await.unwrap()
}

#[orgate_testkit::both]
async fn a_tail_that_was_cut_off_is_found_with_a_head_that_was_kept() {
    let site = eventful().await;
    let (app, now) = (site.issuer.app(), NOW);
    let mut heads = String::new();
    for project in ["proj_p", "proj_q"] {
        let key = app.keys.active(project, crate::keys::Algorithm::Es256, now).await.unwrap();
        let mut conn = app.db.read().await.unwrap();
        let head = head::find(&mut conn, project).await.unwrap().unwrap();
        heads += &format!("{}\n", key.sign(head::TYPE, &head.claims(now)).unwrap());
    }
    let mut scope = AuditScope { heads: heads.clone(), ..AuditScope::default() };
    let reports = audited(&site, &scope).await;
    assert_eq!(
        reports.iter().map(|report| report.project.as_str()).collect::<Vec<_>>(),
        ["proj_p", "proj_q"]
    );
    assert!(reports.iter().all(|report| report.broken.is_none()), "{reports:?}");
    // What happens later is no harm.
    site.write(|tx| {
        Box::pin(async move {
            tx.record(event("later"));
            Ok(())
        })
    })
    .await;
    let last = audited(&site, &scope).await[0].to;
    assert_eq!(audited(&site, &scope).await[0].broken, None);

    // The tail goes, and the counter with it: the chain itself is whole.
    unguard(&site).await;
    site.change("DELETE FROM events WHERE project_id = 'proj_p' AND seq > 20").await;
    assert_eq!(walk(&site, 1).await.broken.unwrap().seq, 21, "the counter tells");
    site.change("UPDATE projects SET event_seq = 20 WHERE id = 'proj_p'").await;
    assert!(walk(&site, 1).await.is_whole());
    let broken = audited(&site, &scope).await[0].broken.clone().unwrap();
    assert_eq!(broken, (last - 1, "it is missing".to_owned()));
    // Other events in their place.
    for _ in 0..10 {
        site.write(|tx| {
            Box::pin(async move {
                tx.record(event("forged"));
                Ok(())
            })
        })
        .await;
    }
    assert!(walk(&site, 1).await.is_whole());
    assert!(audited(&site, &scope).await[0].broken.as_ref().unwrap().1.contains("another one"));
    // A head that nobody has signed is none, and neither is one of another project.
    let (first, second) = heads.split_once('\n').unwrap();
    let forged =
        format!("{}.{}", first.rsplit_once('.').unwrap().0, second.trim().rsplit_once('.').unwrap().1);
    scope.heads = forged;
    scope.project = Some("proj_p".to_owned());
    assert!(audited(&site, &scope).await[0].broken.as_ref().unwrap().1.contains("no key of the project"));
    scope.heads = "nothing".to_owned();
    let refused = maintenance::verify_audit(&site.dir.database(), &scope, &mut |_, _| {}).await;
    assert!(refused.unwrap_err().to_string().contains("no signed head"));
    scope.heads.clear();
    scope.project = Some("proj_none".to_owned());
    assert!(maintenance::verify_audit(&site.dir.database(), &scope, &mut |_, _| {}).await.is_err());
}

#[orgate_testkit::both]
async fn eight_writers_make_one_chain() {
    let site = Site::open().await;
    let before = walk(&site, 1).await.last;
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..8 {
        let db = site.issuer.app().db.clone();
        tasks.spawn(async move {
            for _ in 0..100 {
                db.write::<_, DbError>(move |tx| {
                    Box::pin(async move {
                        let mut one = event("one");
                        one.actor = Actor::User(format!("usr_{writer}"));
                        tx.record(one);
                        tx.record(event("two"));
                        Ok(())
                    })
                })
                .await
                .unwrap();
            }
        });
    }
    tasks.join_all().await;
    let walked = walk(&site, 1).await;
    assert!(walked.is_whole(), "{walked:?}");
    assert_eq!(walked.last, before + 1600);
}

#[orgate_testkit::both]
async fn rows_stay_as_they_are_written() {
    let site = eventful().await;
    for statement in [
        "UPDATE events SET type = 'x'",
        "UPDATE events SET data = '{}' WHERE seq = 5",
        "UPDATE events SET data = '{}', salt = NULL",
        "UPDATE events SET data = '{}', salt = NULL, erased_by = 7, at = 1",
        "UPDATE events SET salt = NULL, erased_by = 7",
        "DELETE FROM events WHERE seq = 3",
        "INSERT INTO events (project_id, seq, id, type, actor_kind, target_id, data, at)
         VALUES ('proj_p', 1000, 'evt_x', 'x', 'system', 'x', '{}', 0)",
    ] {
        let outcome = site
            .issuer
            .app()
            .db
            .write::<_, DbError>(move |tx| Box::pin(async move { tx.run(sql(statement)).await }))
            .await;
        assert!(outcome.is_err(), "{statement}");
    }
    assert!(walk(&site, 1).await.is_whole());
}

#[orgate_testkit::both]
async fn what_was_erased_for_a_reason_breaks_nothing() {
    let site = eventful().await;
    site.write(|tx| {
        Box::pin(async move {
            let mut reason = event("usr_d");
            reason.kind = EventType::UserErased;
            reason.data = json!({ "erased_organizations": ["org_acme"] });
            tx.record(event("before"));
            tx.record(reason);
            Ok(())
        })
    })
    .await;
    let walked = walk(&site, 1).await;
    assert!(walked.is_whole(), "{walked:?}");
    let by = walked.last;
    // Without a reason, or with another one, it is found.
    unguard(&site).await;
    for (broken, mended) in [
        ("type = 'member.added'", "type = 'user.erased'"),
        (
            "data = '{\"erased_organizations\":[\"org_other\"]}'",
            "data = '{\"erased_organizations\":[\"org_acme\"]}'",
        ),
    ] {
        let change = |what: &str| -> &'static str {
            format!("UPDATE events SET {what} WHERE project_id = 'proj_p' AND seq = {by}").leak()
        };
        let (seq, why) = found(&site, change(broken), change(mended)).await;
        assert!(seq < by && why == "its data is gone, and no event says why", "{seq}: {why}");
    }
    let change = |to: i64| -> &'static str {
        format!("UPDATE events SET erased_by = {to} WHERE project_id = 'proj_p' AND erased_by IS NOT NULL")
            .leak()
    };
    for other in [1, by + 1, by - 1] {
        assert!(found(&site, change(other), change(by)).await.1.contains("no event says why"), "{other}");
    }
    let mut conn = site.issuer.app().db.read().await.unwrap();
    let page = crate::http::paging::Page::of(Some("limit=100")).unwrap();
    let filter = log::Filter { org_id: "org_acme".to_owned(), until: i64::MAX, ..log::Filter::default() };
    let rows = log::list(&mut conn, "proj_p", &filter, &page).await.unwrap();
    assert!(
        rows.len() >= 10 && rows.iter().all(|(_, row)| row["erased"] == true && row["data"] == json!({}))
    );
}
