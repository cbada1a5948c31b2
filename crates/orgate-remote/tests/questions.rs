//! Questions about one caller: introspection and session exchange, against a server that records what it is sent.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use std::{
    io::{Read, Write},
    net::TcpListener,
    sync::{Arc, Mutex},
    time::Duration,
};

use orgate_remote::{
    Bounds, HttpClient, Introspection, IntrospectionFigures, Limits, SessionAnswer, SessionExchange,
};
use orgate_testkit::{Reply, Stub};

fn client() -> HttpClient {
    let mut limits = Limits::default();
    limits.connect = Duration::from_millis(500);
    limits.total = Duration::from_millis(500);
    HttpClient::for_questions(limits)
}

/// Answers every request with 200 and `body`, and keeps what it was sent.
fn recorder(body: &'static str) -> (String, Arc<Mutex<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let seen = Arc::new(Mutex::new(String::new()));
    let log = Arc::clone(&seen);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut text = Vec::new();
            let mut chunk = [0; 4096];
            loop {
                let read = stream.read(&mut chunk).unwrap();
                text.extend_from_slice(&chunk[..read]);
                let whole = String::from_utf8_lossy(&text).into_owned();
                let Some((head, rest)) = whole.split_once("\r\n\r\n") else { continue };
                let length = head.lines().find_map(|line| {
                    line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse::<usize>().ok()
                });
                if rest.len() >= length.unwrap_or(0) {
                    break;
                }
            }
            log.lock().unwrap().push_str(&String::from_utf8_lossy(&text));
            let length = body.len();
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
            );
            stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
        }
    });
    (url, seen)
}

#[tokio::test]
async fn a_token_is_asked_about_as_the_standard_says() {
    let (url, seen) = recorder(r#"{"active":true,"sub":"usr_ann"}"#);
    let introspection =
        Introspection::new(&format!("{url}/introspect"), "gate one", "s3cret:+/", client()).unwrap();
    assert!(introspection.is_active("aaa.bbb+ccc").await.unwrap());
    let seen = seen.lock().unwrap().clone();
    assert!(seen.starts_with("POST /introspect HTTP/1.1\r\n"), "{seen}");
    // RFC 6749 §2.3.1: both are form-encoded before they are joined. printf 'gate+one:s3cret%%3A%%2B%%2F' | base64
    assert!(seen.contains("authorization: Basic Z2F0ZStvbmU6czNjcmV0JTNBJTJCJTJG\r\n"), "{seen}");
    assert!(seen.contains("content-type: application/x-www-form-urlencoded\r\n"), "{seen}");
    assert!(seen.ends_with("\r\n\r\ntoken=aaa.bbb%2Bccc&token_type_hint=access_token"), "{seen}");
    let shown = format!("{introspection:?}");
    assert!(!shown.contains("s3cret") && !shown.contains("Basic"), "{shown}");
}

#[tokio::test]
async fn only_a_clear_answer_is_one() {
    let stub = Stub::start().await;
    let introspection =
        Introspection::new(&format!("{}/introspect", stub.url()), "gate", "secret", client()).unwrap();
    let answers = |reply: Reply| stub.set("/introspect", reply);
    answers(Reply::json(r#"{"active":false}"#));
    assert!(!introspection.is_active("t").await.unwrap());
    for reply in [
        Reply::json("{}"),
        Reply::json(r#"{"active":"true"}"#),
        Reply::json(r#"{"active":1}"#),
        Reply::json(r#"{"active":false,"active":true}"#),
        Reply::json("[true]"),
        Reply::typed("text/html", r#"{"active":true}"#),
        Reply::status(401),
        Reply::status(500),
        Reply::redirect("/other"),
        Reply::close(),
        Reply::hang(),
        Reply::stall(),
        Reply::huge(1024 * 1024),
    ] {
        let shown = format!("{reply:?}");
        answers(reply);
        assert!(introspection.is_active("t").await.is_err(), "{shown}");
    }
    // Nothing of it stays.
    answers(Reply::json(r#"{"active":true}"#));
    assert!(introspection.is_active("t").await.unwrap());
}

#[tokio::test]
async fn a_session_is_exchanged_for_its_token() {
    let (url, seen) = recorder(r#"{"data":{"token":"aaa.bbb.ccc"}}"#);
    let exchange = SessionExchange::new(
        &format!("{url}/token?x=y"),
        "better-auth.session_token",
        "/data/token",
        client(),
    )
    .unwrap();
    let exchange = Arc::new(exchange);
    assert_eq!(exchange.token("se55ion%3D", None).await.unwrap(), SessionAnswer::Token("aaa.bbb.ccc".into()));
    let seen = seen.lock().unwrap().clone();
    assert!(seen.starts_with("GET /token?x=y HTTP/1.1\r\n"), "{seen}");
    assert!(seen.contains("cookie: better-auth.session_token=se55ion%3D\r\n"), "{seen}");
    assert!(!format!("{exchange:?}").contains("se55ion"));
}

#[tokio::test]
async fn a_session_that_is_unknown_differs_from_a_server_that_is_out_of_reach() {
    let stub = Stub::start().await;
    let exchange =
        Arc::new(SessionExchange::new(&format!("{}/token", stub.url()), "sid", "token", client()).unwrap());
    for (reply, expected) in [
        (Reply::json(r#"{"token":"a.b.c"}"#), Some(SessionAnswer::Token("a.b.c".into()))),
        (Reply::status(401), Some(SessionAnswer::NoSession)),
        (Reply::status(403), Some(SessionAnswer::NoSession)),
        (Reply::json("null"), Some(SessionAnswer::NoSession)),
        (Reply::json("{}"), None),
        (Reply::json(r#"{"token":null}"#), None),
        (Reply::json(r#"{"token":""}"#), None),
        (Reply::json(r#"{"data":{"token":"a"}}"#), None),
        (Reply::status(404), None),
        (Reply::status(500), None),
        (Reply::redirect("/sign-in"), None),
        (Reply::hang(), None),
    ] {
        let shown = format!("{reply:?}");
        stub.set("/token", reply);
        let got = exchange.token("s", None).await.ok();
        assert_eq!(got, expected, "{shown}");
    }
    assert!(exchange.token("a\r\nb", None).await.is_err());
}

#[tokio::test]
async fn the_server_is_told_the_organization_where_a_parameter_is_named_for_it() {
    let (url, seen) = recorder(r#"{"token":"a.b.c"}"#);
    let made = || SessionExchange::new(&format!("{url}/token"), "sid", "token", client()).unwrap();
    let silent = Arc::new(made());
    silent.token("s", Some("acme")).await.unwrap();
    assert!(seen.lock().unwrap().starts_with("GET /token HTTP/1.1\r\n"));

    let stub = Stub::start().await;
    let told = SessionExchange::new(&format!("{}/token", stub.url()), "sid", "token", client()).unwrap();
    let told = Arc::new(told.naming_organizations_as("org_id"));
    stub.set("/token?org_id=acme", Reply::json(r#"{"token":"a.b.c"}"#));
    stub.set("/token?org_id=a%26b%3D%2F", Reply::json(r#"{"token":"d.e.f"}"#));
    stub.set("/token", Reply::json(r#"{"token":"g.h.i"}"#));
    for (org, expected) in [
        (Some("acme"), SessionAnswer::Token("a.b.c".into())),
        (Some("a&b=/"), SessionAnswer::Token("d.e.f".into())),
        (Some("globex"), SessionAnswer::NoMember),
        (None, SessionAnswer::Token("g.h.i".into())),
    ] {
        assert_eq!(told.token("s", org).await.unwrap(), expected, "{org:?}");
    }
    stub.set("/token", Reply::status(404));
    assert!(told.token("s", None).await.is_err(), "nothing was named that could be missing");
}

fn asking(stub: &Stub, edit: impl FnOnce(&mut Bounds)) -> Arc<Introspection> {
    let mut bounds = Bounds::default();
    edit(&mut bounds);
    let url = format!("{}/introspect", stub.url());
    Arc::new(Introspection::new(&url, "gate", "secret", client()).unwrap().bounds(bounds))
}

#[tokio::test]
async fn a_token_is_asked_about_once_at_a_time() {
    let stub = Stub::start().await;
    stub.set("/introspect", Reply::json(r#"{"active":true,"sub":"a"}"#).delay(Duration::from_millis(50)));
    let introspection = asking(&stub, |_| {});
    assert_eq!(introspection.figures(), IntrospectionFigures::default());
    let ask = |token: &'static str| {
        let introspection = Arc::clone(&introspection);
        tokio::spawn(async move { introspection.ask(token, false).await })
    };
    let mut asked: Vec<_> = (0..20).map(|_| ask("one")).collect();
    // Whoever began may go away.
    asked.remove(0).abort();
    asked.push(ask("two"));
    for asked in asked {
        assert_eq!(&*asked.await.unwrap().unwrap(), br#"{"active":true,"sub":"a"}"#);
    }
    assert!(stub.hits("/introspect") <= 3, "{}", stub.hits("/introspect"));
    let before = stub.hits("/introspect");
    introspection.ask("one", false).await.unwrap();
    assert_eq!(stub.hits("/introspect"), before + 1, "an answer is not kept here");
    let counted = introspection.figures();
    let asked = u64::try_from(before + 1).unwrap();
    assert_eq!((counted.asked, counted.failures, counted.throttled, counted.reused), (asked, 0, 0, 0));
    // Every request asked or waited for another; the one that went away may have done neither.
    assert!((21..=22).contains(&(counted.asked + counted.shared)) && counted.shared >= 18, "{counted:?}");
    introspection.note_reused();
    assert!(introspection.is_active("one").await.unwrap());
    let counted = introspection.figures();
    assert_eq!((counted.asked, counted.reused), (asked + 1, 1));
}

#[tokio::test]
async fn made_up_tokens_are_asked_about_within_bounds_and_known_ones_beside_them() {
    let stub = Stub::start().await;
    stub.set("/introspect", Reply::json(r#"{"active":false}"#));
    let introspection = asking(&stub, |bounds| (bounds.per_second, bounds.burst) = (1, 3));
    let mut refused = 0;
    for number in 0..50 {
        if let Err(unanswered) = introspection.ask(&format!("made-up-{number}"), false).await {
            assert!(unanswered.retry_after > Duration::ZERO);
            refused += 1;
        }
    }
    assert!(refused >= 40 && stub.hits("/introspect") == 50 - refused, "{refused}");
    let counted = introspection.figures();
    assert_eq!((counted.asked, counted.throttled), (50 - refused as u64, refused as u64));
    for _ in 0..20 {
        introspection.ask("known", true).await.unwrap();
    }
    // While an issuer hangs, only so many wait for it.
    stub.set("/introspect", Reply::hang());
    let introspection = asking(&stub, |bounds| bounds.at_once = 8);
    let waiting: Vec<_> = (0..2)
        .map(|number| {
            let introspection = Arc::clone(&introspection);
            tokio::spawn(async move { introspection.ask(&format!("slow-{number}"), false).await })
        })
        .collect();
    while stub.hits("/introspect") < 50 - refused + 22 {
        tokio::task::yield_now().await;
    }
    let turned_away = introspection.ask("third", false).await.unwrap_err();
    assert_eq!(turned_away.retry_after, Duration::from_secs(1));
    assert_eq!(introspection.figures().throttled, 1);
    for waiting in waiting {
        assert!(waiting.await.unwrap().is_err());
    }
    let counted = introspection.figures();
    assert_eq!((counted.asked, counted.failures), (2, 2));
}

#[tokio::test]
async fn what_is_no_answer_says_nothing_of_a_token() {
    let stub = Stub::start().await;
    let introspection = asking(&stub, |_| {});
    let large = format!(r#"{{"active":true,"x":"{}"}}"#, "x".repeat(70 * 1024));
    for reply in [
        Reply::json("{}"),
        Reply::json(r#"{"active":"true"}"#),
        Reply::json("[true]"),
        Reply::json(large),
        Reply::status(401),
        Reply::status(404),
        Reply::status(500),
        Reply::redirect("/other"),
        Reply::close(),
        Reply::hang(),
    ] {
        let shown = format!("{reply:?}");
        stub.set("/introspect", reply);
        assert!(introspection.ask("t", false).await.is_err(), "{shown}");
    }
    assert_eq!((introspection.figures().asked, introspection.figures().failures), (10, 10));
    stub.set("/introspect", Reply::json(r#" {"active":false}"#));
    assert_eq!(&*introspection.ask("t", false).await.unwrap(), br#" {"active":false}"#);
}

#[tokio::test]
async fn a_session_that_many_ask_about_at_once_is_exchanged_once() {
    let stub = Stub::start().await;
    stub.set("/token", Reply::json(r#"{"token":"a.b.c"}"#).delay(Duration::from_millis(200)));
    let exchange =
        Arc::new(SessionExchange::new(&format!("{}/token", stub.url()), "sid", "token", client()).unwrap());
    let ask = |value: &'static str| {
        let exchange = Arc::clone(&exchange);
        tokio::spawn(async move { exchange.token(value, None).await.unwrap() })
    };
    let asking: Vec<_> = (0..20).map(|_| ask("s1")).chain([ask("s2")]).collect();
    for asked in asking {
        assert_eq!(asked.await.unwrap(), SessionAnswer::Token("a.b.c".into()));
    }
    assert_eq!(stub.hits("/token"), 2, "one for each session");
    // It is not remembered here: who asks later asks anew.
    assert_eq!(exchange.token("s1", None).await.unwrap(), SessionAnswer::Token("a.b.c".into()));
    assert_eq!(stub.hits("/token"), 3);
}

#[tokio::test]
async fn made_up_sessions_are_turned_away_beyond_a_number() {
    let stub = Stub::start().await;
    stub.set("/token", Reply::hang());
    let exchange =
        Arc::new(SessionExchange::new(&format!("{}/token", stub.url()), "sid", "token", client()).unwrap());
    let asking: Vec<_> = (0..2000)
        .map(|number| {
            let exchange = Arc::clone(&exchange);
            tokio::spawn(
                async move { exchange.token(&format!("s{number}"), None).await.unwrap_err().to_string() },
            )
        })
        .collect();
    let mut crowded = 0;
    for asked in asking {
        crowded += usize::from(asked.await.unwrap().contains("512"));
    }
    assert!(crowded >= 2000 - 512, "{crowded}");
    stub.set("/token", Reply::json(r#"{"token":"a.b.c"}"#));
    assert!(exchange.token("s", None).await.is_ok(), "there is room again");
}
