//! Two issuers on one PostgreSQL are equal: what one has begun the other goes on with, since neither keeps anything in
//! memory but copies of what stands in the database.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use std::thread;

use orgate_e2e::{
    installation::{Installation, code, exchange, manage, operator, refresh, token},
    request,
    sign_in::Browser,
};
use orgate_testkit::Postgres;
use serde_json::{Value, json};

#[test]
fn what_one_issuer_begins_the_other_goes_on_with() {
    let installation = Installation::postgres(&["member"], Postgres::shared());
    // Both start at once on an empty database: schema, bootstrap, secret and keys are made once.
    let both = thread::scope(|scope| {
        let start = || installation.start("127.0.0.1:0");
        let (one, two) = (scope.spawn(start), scope.spawn(start));
        [one.join().unwrap(), two.join().unwrap()]
    });
    let urls: Vec<String> = both.iter().map(|running| running.url("issuer")).collect();
    let (one, two) = (urls[0].as_str(), urls[1].as_str());

    let keys: Vec<Value> = thread::scope(|scope| {
        let asked: Vec<_> = urls
            .iter()
            .map(|url| {
                scope.spawn(move || request("GET", &format!("{url}/p/proj_demo/jwks.json"), &[], None).json())
            })
            .collect();
        asked.into_iter().map(|reply| reply.join().unwrap()).collect()
    });
    assert_eq!(keys[0], keys[1]);
    let made = installation.rows().iter().filter(|(table, _)| table == "signing_keys").count();
    assert_eq!(made, keys[0]["keys"].as_array().unwrap().len(), "no key was made twice");

    // A sign-in at one, its code at the other, and its session at both.
    let mut browser = Browser::default();
    let first = code(&mut browser, one, "member");
    let tokens = token(two, &exchange(&first)).unwrap();
    assert_eq!(tokens.status, 200, "{}", tokens.body);
    let second = code(&mut browser, two, "nobody");
    assert_eq!(token(one, &exchange(&second)).unwrap().status, 200, "the session is good at both");

    let mut current = tokens.json()["refresh_token"].as_str().unwrap().to_owned();
    for turn in 0..6 {
        let reply = token(&urls[turn % 2], &refresh(&current)).unwrap();
        assert_eq!(reply.status, 200, "{turn}: {}", reply.body);
        let next = reply.json()["refresh_token"].as_str().unwrap().to_owned();
        assert_ne!(next, current);
        current = next;
    }
    // A code that was used at one is used at the other too; what came of it ends at both.
    assert_eq!(token(one, &exchange(&first)).unwrap().json()["error"], "invalid_grant");
    assert_eq!(token(two, &refresh(&current)).unwrap().json()["error"], "invalid_grant");

    let cookie = operator(one);
    let new = json!({ "name": "Globex", "creator_end_user_id": "usr_member" });
    let made = manage(two, &cookie, "POST", "/orgs", Some(&new)).unwrap();
    assert_eq!(made.status, 201, "{}", made.body);
    let listed = manage(one, &cookie, "GET", "/orgs", None).unwrap();
    assert!(listed.body.contains("Globex"), "{}", listed.body);
    // A project that is changed at one is changed at the other at once.
    let off = json!({ "org_enabled": false });
    assert_eq!(manage(one, &cookie, "PATCH", "", Some(&off)).unwrap().status, 200);
    assert_eq!(manage(two, &cookie, "GET", "/orgs", None).unwrap().status, 409);
    for running in both {
        assert_eq!(running.terminate().code, Some(0));
    }
}

#[test]
fn one_token_and_one_code_at_two_issuers_at_once() {
    let installation = Installation::postgres(&["member"], Postgres::shared());
    let one = installation.start("127.0.0.1:0");
    let two = installation.start("127.0.0.1:0");
    let urls = [one.url("issuer"), two.url("issuer")];
    let mut browser = Browser::default();
    let at_once = |body: &Value| -> Vec<orgate_e2e::Response> {
        thread::scope(|scope| {
            let asked: Vec<_> = (0..8)
                .map(|at| {
                    scope.spawn({
                        let url = &urls[at % 2];
                        move || token(url, body).unwrap()
                    })
                })
                .collect();
            asked.into_iter().map(|reply| reply.join().unwrap()).collect()
        })
    };
    for _ in 0..3 {
        let tokens = token(&urls[0], &exchange(&code(&mut browser, &urls[0], "member"))).unwrap().json();
        let replies = at_once(&refresh(tokens["refresh_token"].as_str().unwrap()));
        let next: Vec<_> = replies.iter().map(|reply| reply.json()["refresh_token"].clone()).collect();
        assert!(
            replies.iter().all(|reply| reply.status == 200),
            "{:?}",
            replies.iter().map(|r| &r.body).collect::<Vec<_>>()
        );
        assert!(next.iter().all(|token| *token == next[0]), "one successor for all");

        let replies = at_once(&exchange(&code(&mut browser, &urls[1], "member")));
        let good: Vec<_> = replies.iter().filter(|reply| reply.status == 200).collect();
        assert_eq!(good.len(), 1, "{:?}", replies.iter().map(|reply| reply.status).collect::<Vec<_>>());
        assert!(replies.iter().all(|reply| reply.status == 200 || reply.json()["error"] == "invalid_grant"));
        let family = good[0].json()["refresh_token"].as_str().unwrap().to_owned();
        assert_eq!(
            token(&urls[0], &refresh(&family)).unwrap().status,
            400,
            "whoever was second ended what it made"
        );
    }
}
