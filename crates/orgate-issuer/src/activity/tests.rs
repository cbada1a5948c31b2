use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::{
    Issuer,
    management::tests::refused,
    testing::{Browser, NOW, PASSWORD, Site, settings, site},
};

const PATH: &str = "/api/platform/projects/proj_p/activity";

async fn operator(site: &Site) -> Browser {
    let browser = site.browser();
    assert_eq!(browser.operator("ops@example.com").await.status, 204);
    browser
}

async fn shown(operator: &Browser, window: &str) -> Value {
    let reply = operator.get(&format!("{PATH}?window={window}")).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

/// Where a series is not zero.
fn at(series: &Value) -> Vec<(usize, i64)> {
    let steps = series.as_array().unwrap().iter().enumerate();
    steps.map(|(at, n)| (at, n.as_i64().unwrap())).filter(|(_, n)| *n != 0).collect()
}

#[orgate_testkit::both]
async fn what_happens_is_seen_at_once_and_once() {
    let site = site().await;
    let operator = operator(&site).await;
    let before = shown(&operator, "hour").await;
    assert_eq!(before["totals"], json!({ "sign_ins": 0, "failed_sign_ins": 0, "sign_ups": 0, "tokens": 0 }));
    let tokens = site.tokens("owner", Some("org_acme")).await;
    site.browser().token(&crate::testing::refresh(&tokens)).await;
    for password in ["wrong", "wrong again", PASSWORD] {
        site.browser().login("viewer@example.com", password, &[]).await;
    }
    site.signed_in("owner").await.get("/p/proj_p/session/token").await;
    let check = async |place: usize| {
        let now = shown(&operator, "hour").await;
        assert_eq!(at(&now["sign_ins"]), [(place, 2)], "{now}");
        assert_eq!(at(&now["failed_sign_ins"]), [(place, 2)], "{now}");
        for (grant, n) in
            [("authorization_code", 1), ("refresh_token", 1), ("session_token", 1), ("device_code", 0)]
        {
            let wanted: Vec<_> = (n > 0).then_some((place, n)).into_iter().collect();
            assert_eq!(at(&now["tokens"][grant]), wanted, "{grant}: {now}");
        }
        assert_eq!(now["totals"]["tokens"], 3, "{now}");
    };
    check(59).await;
    flush(site.issuer.app()).await.unwrap();
    check(59).await;
    site.clock.advance(MINUTE_MS);
    check(58).await;
    // Another flush adds to the row of its minute, as another process does.
    for minute in [0, 1] {
        site.issuer.app().activity.count("proj_p", Count::SignIn, NOW + minute * MINUTE_MS);
    }
    flush(site.issuer.app()).await.unwrap();
    let now = shown(&operator, "hour").await;
    assert_eq!(at(&now["sign_ins"]), [(58, 3), (59, 1)]);
    let rows = "SELECT COUNT(*) AS n FROM activity WHERE kind = 'sign_in'";
    assert_eq!(site.count(rows).await, 2);
}

#[orgate_testkit::both]
async fn a_sign_up_is_counted_and_whom_others_make_is_none() {
    let site = site().await;
    let operator = operator(&site).await;
    let event = |actor: Actor, kind: EventType| Event {
        project_id: "proj_p".to_owned(),
        kind,
        actor,
        org_id: None,
        target_id: "usr_x".to_owned(),
        data: json!({}),
        at: NOW,
    };
    for (actor, kind) in [
        (Actor::User("usr_x".to_owned()), EventType::UserCreated),
        (Actor::Setup, EventType::UserCreated),
        (Actor::Operator("opr_x".to_owned()), EventType::UserCreated),
        (Actor::User("usr_x".to_owned()), EventType::UserPasswordChanged),
    ] {
        let event = event(actor, kind);
        site.write(move |tx| {
            Box::pin(async move {
                tx.record(event);
                Ok(())
            })
        })
        .await;
    }
    // What was undone did not happen.
    let undone = event(Actor::User("usr_y".to_owned()), EventType::UserCreated);
    let failed = site.issuer.app().db.write::<(), DbError>(move |tx| {
        Box::pin(async move {
            tx.record(undone);
            Err(DbError::Inconsistent("on purpose".to_owned()))
        })
    });
    assert!(failed.await.is_err());
    assert_eq!(shown(&operator, "hour").await["totals"]["sign_ups"], 1);
}

#[orgate_testkit::both]
async fn a_window_has_its_steps_and_nothing_from_before() {
    let site = site().await;
    let operator = operator(&site).await;
    let activity = &site.issuer.app().activity;
    for (window, steps, step, minutes) in
        [("hour", 60, 60, 60), ("day", 96, 900, 24 * 60), ("week", 168, 3600, 7 * 24 * 60)]
    {
        let series = shown(&operator, window).await;
        assert_eq!((&series["window"], &series["step"]), (&json!(window), &json!(step)));
        assert_eq!(series["sign_ins"].as_array().unwrap().len(), steps);
        assert_eq!(series["totals"]["sign_ins"], 0, "{window}: what is older is not in it");
        // The first minute of the window, and the last one before it.
        let step_ms = step * 1_000;
        let first = NOW.div_euclid(step_ms) * step_ms + step_ms - minutes * MINUTE_MS;
        activity.count("proj_p", Count::SignIn, first);
        activity.count("proj_p", Count::SignIn, first - MINUTE_MS);
        assert_eq!(at(&shown(&operator, window).await["sign_ins"]).first(), Some(&(0, 1)), "{window}");
        flush(site.issuer.app()).await.unwrap();
        assert_eq!(at(&shown(&operator, window).await["sign_ins"]).first(), Some(&(0, 1)), "{window}");
        site.change("DELETE FROM activity").await;
    }
    refused(&operator.get(&format!("{PATH}?window=year")).await, 422, "invalid_value");
    let outsider = site.browser();
    outsider.operator("ops2@example.com").await;
    refused(&outsider.get(PATH).await, 404, "not_found");
    site.change("UPDATE project_operators SET role = 'viewer'").await;
    assert_eq!(operator.get(PATH).await.status, 200);
}

#[orgate_testkit::both]
async fn the_end_of_the_issuer_writes_what_is_left() {
    let site = site().await;
    site.issuer.app().activity.count("proj_p", Count::SignIn, NOW);
    site.issuer.shutdown().await;
    let next = Issuer::open(settings(&site.dir), Arc::new(site.clock.clone())).await.unwrap();
    let mut conn = next.app().db.read().await.unwrap();
    let row = conn.first(crate::db::sql("SELECT n FROM activity")).await.unwrap().unwrap();
    assert_eq!(row.int("n").unwrap(), 1);
}

#[orgate_testkit::both]
async fn a_project_that_is_gone_keeps_no_other_from_being_written() {
    let site = site().await;
    let activity = &site.issuer.app().activity;
    activity.count("proj_a", Count::SignIn, NOW);
    activity.count("proj_p", Count::SignIn, NOW);
    flush(site.issuer.app()).await.unwrap();
    assert_eq!(site.count("SELECT COUNT(*) AS n FROM activity").await, 1);
}

#[orgate_testkit::both]
async fn minutes_are_forgotten_after_a_month() {
    let site = site().await;
    let activity = &site.issuer.app().activity;
    let month = KEEP_MINUTES * MINUTE_MS;
    for at in [NOW, NOW - month, NOW - month - MINUTE_MS, NOW - 2 * month] {
        activity.count("proj_p", Count::SignIn, at);
    }
    flush(site.issuer.app()).await.unwrap();
    assert_eq!(crate::upkeep::purge(site.issuer.app()).await.unwrap(), 2);
    assert_eq!(site.count("SELECT COUNT(*) AS n FROM activity").await, 2);
}

#[test]
fn memory_has_an_end_and_keeps_what_is_in_it() {
    let activity = Activity::default();
    for at in 0..MOST_HELD + 10 {
        activity.count(&format!("proj_{at}"), Count::SignIn, NOW);
    }
    activity.count("proj_0", Count::SignIn, NOW);
    let taken = activity.take();
    assert_eq!(taken.len(), MOST_HELD);
    assert!(activity.take().is_empty());
    activity.put_back(&taken);
    assert_eq!(activity.take(), taken);
    assert_eq!(taken.iter().map(|one| one.n).sum::<i64>(), i64::try_from(MOST_HELD).unwrap() + 1);
}

#[test]
fn every_grant_is_counted() {
    for grant in crate::clients::GRANTS {
        assert!(Count::of_grant(grant).is_some(), "{grant}");
    }
    assert_eq!(Count::of_grant("sign_in"), None);
}
