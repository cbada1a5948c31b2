mod chain;

use super::*;
use crate::testing::{NOW, Site, site};

fn event(target: &str) -> Event {
    Event {
        project_id: "proj_p".to_owned(),
        kind: EventType::ProjectUpdated,
        actor: Actor::System,
        org_id: None,
        target_id: target.to_owned(),
        data: serde_json::json!({}),
        at: NOW,
    }
}

#[orgate_testkit::both]
async fn parallel_writers_leave_no_gap_and_a_failed_one_no_number() {
    let site = Site::open().await;
    let before = i64::try_from(site.events().await.len()).unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..40 {
        let db = site.issuer.app().db.clone();
        tasks.spawn(async move {
            db.write::<_, DbError>(move |tx| {
                Box::pin(async move {
                    tx.record(event("one"));
                    tx.record(event("two"));
                    tokio::task::yield_now().await;
                    if number % 4 == 0 {
                        return Err(DbError::Inconsistent("on purpose".to_owned()));
                    }
                    Ok(())
                })
            })
            .await
            .is_ok()
        });
    }
    let done = tasks.join_all().await.into_iter().filter(|done| *done).count();
    assert_eq!(done, 30);
    let mut numbers: Vec<i64> = site.events().await.iter().map(|(seq, _)| *seq).collect();
    numbers.sort_unstable();
    let counter = site.count("SELECT event_seq AS n FROM projects WHERE id = 'proj_p'").await;
    let own = site.count("SELECT COUNT(*) AS n FROM events WHERE project_id = 'proj_p'").await;
    assert_eq!(own, counter, "numbers and events are as many");
    assert_eq!(site.count("SELECT MAX(seq) AS n FROM events WHERE project_id = 'proj_p'").await, counter);
    assert!(i64::try_from(numbers.len()).unwrap() >= before + 60);
}

#[orgate_testkit::both]
async fn an_event_of_no_project_undoes_the_change() {
    let site = Site::open().await;
    let outcome = site
        .issuer
        .app()
        .db
        .write::<_, DbError>(|tx| {
            Box::pin(async move {
                tx.run(crate::db::sql("DELETE FROM organizations")).await?;
                tx.record(Event { project_id: "proj_none".to_owned(), ..event("x") });
                Ok(())
            })
        })
        .await;
    assert!(matches!(outcome, Err(DbError::Inconsistent(_))));
    assert_eq!(site.count("SELECT COUNT(*) AS n FROM organizations").await, 2);
}

#[orgate_testkit::both]
async fn signing_in_is_an_event_and_a_token_is_none() {
    let site = site().await;
    // Keys are made in the background and are events too.
    site.browser().get("/p/proj_p/jwks.json").await;
    site.browser().get("/p/proj_q/jwks.json").await;
    let browser = site.browser();
    let code = browser.code("admin", None, "openid").await;
    let before = site.events().await;
    let kinds: Vec<&str> = before.iter().map(|(_, kind)| kind.as_str()).collect();
    for kind in [
        "key.created",
        "organization.created",
        "member.added",
        "session.created",
        "session.organization_changed",
    ] {
        assert!(kinds.contains(&kind), "{kind} in {kinds:?}");
    }
    let tokens = browser.token(&crate::testing::exchange(&code)).await.json();
    browser.token(&crate::testing::refresh(&tokens)).await;
    assert_eq!(site.events().await, before);
}
