//! Requests that have two readings, and floods.

use super::*;

/// Sends these fields as a request; whatever becomes of it, the upstream sees nothing.
async fn outcome_of(fields: &[(&str, &str)]) -> Outcome {
    let recorder = Recorder::ok().await;
    let sidecar = serving(recorder.address).await;
    let mut raw = Raw::to(&sidecar).await;
    raw.ask(1, fields).await;
    let outcome = raw.outcome(1).await;
    assert_eq!(recorder.seen().len(), 0, "{fields:?}");
    if outcome != Outcome::Closed {
        raw.ask(3, &GET_A).await;
        assert_eq!(raw.outcome(3).await, Outcome::Status(200), "after {fields:?}");
    }
    outcome
}

fn get_with<'f>(more: &[(&'f str, &'f str)]) -> Vec<(&'f str, &'f str)> {
    GET_A.iter().chain(more).copied().collect()
}

fn get_but<'f>(name: &'f str, value: Option<&'f str>) -> Vec<(&'f str, &'f str)> {
    let changed = GET_A.iter().filter_map(|&(other, kept)| match other == name {
        true => value.map(|value| (name, value)),
        false => Some((other, kept)),
    });
    changed.collect()
}

#[tokio::test]
async fn pseudo_headers_that_are_missing_doubled_late_or_unknown_are_refused() {
    for (what, fields) in [
        ("no method", get_but(":method", None)),
        ("no scheme", get_but(":scheme", None)),
        ("no path", get_but(":path", None)),
        ("two paths", get_with(&[(":path", "/admin")])),
        ("two methods", get_with(&[(":method", "POST")])),
        ("two authorities", get_with(&[(":authority", "b")])),
        ("late", [&[("x", "1")], &GET_A[..]].concat()),
        ("unknown", [&[(":proto", "1")], &GET_A[..]].concat()),
        ("of an answer", [&[(":status", "200")], &GET_A[..]].concat()),
        ("protocol", [&[(":protocol", "websocket")], &GET_A[..]].concat()),
    ] {
        assert!(matches!(outcome_of(&fields).await, Outcome::Reset | Outcome::Closed), "{what}");
    }
}

#[tokio::test]
async fn paths_schemes_and_methods_that_are_none_are_refused() {
    for path in [
        "",
        "admin",
        "?x",
        "#x",
        "http://app.example/admin",
        "/a b",
        "/a\r\nX: y",
        "/a\0",
        "/a\tb",
        "*",
        "/\u{7f}",
    ] {
        assert_ne!(outcome_of(&get_but(":path", Some(path))).await, Outcome::Status(200), "{path:?}");
    }
    for scheme in ["ftp", "javascript", "", "http://a/?", "ht tp", "http\r\n"] {
        assert_ne!(outcome_of(&get_but(":scheme", Some(scheme))).await, Outcome::Status(200), "{scheme:?}");
    }
    for method in ["", "GET / HTTP/1.1\r\nX: y", "GE T", "GET\0", "G\u{e4}T"] {
        assert_ne!(outcome_of(&get_but(":method", Some(method))).await, Outcome::Status(200), "{method:?}");
    }
    let connect = [(":method", "CONNECT"), (":authority", "app.example:80")];
    assert_eq!(outcome_of(&connect).await, Outcome::Status(400));
}

#[tokio::test]
async fn a_fragment_is_neither_judged_nor_forwarded() {
    let recorder = Recorder::ok().await;
    let sidecar = serving(recorder.address).await;
    let mut raw = Raw::to(&sidecar).await;
    raw.ask(1, &get_but(":path", Some("/public#/admin"))).await;
    assert_eq!(raw.outcome(1).await, Outcome::Status(200));
    assert!(recorder.only().head.starts_with("GET /public HTTP/1.1\r\n"));
}

#[tokio::test]
async fn hosts_in_doubt_are_refused() {
    for more in [
        &[("host", "b.example")][..],
        &[("host", "app.example"), ("host", "app.example")],
        &[("host", "app.example:80")],
        &[("host", "")],
    ] {
        assert_eq!(outcome_of(&get_with(more)).await, Outcome::Status(400), "{more:?}");
    }
    for authority in ["a b", "a\r\nX: y", "a/b", "\0", ""] {
        assert_ne!(
            outcome_of(&get_but(":authority", Some(authority))).await,
            Outcome::Status(200),
            "{authority:?}"
        );
    }
    let guarded = Guarded::new().await;
    for fields in [
        get_but(":authority", Some("user@app.example")),
        get_but(":authority", Some("app.example:+80")),
        get_but(":authority", Some("app.example:99999")),
        get_but(":authority", None),
        [&get_but(":authority", None)[..], &[("host", "a"), ("host", "a")]].concat(),
        [&get_but(":authority", None)[..], &[("host", "a,b")]].concat(),
    ] {
        let mut raw = Raw::on(Client::new(TcpStream::connect(guarded.address).await.expect("a connection")));
        raw.bytes(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()).await;
        raw.ask(1, &fields).await;
        assert_ne!(raw.outcome(1).await, Outcome::Status(200), "{fields:?}");
        guarded.saw_nothing();
    }
}

#[tokio::test]
async fn fields_of_a_connection_and_fields_that_break_a_line_are_refused() {
    for field in [
        ("connection", "close"),
        ("connection", "x-orgate-sub"),
        ("transfer-encoding", "chunked"),
        ("transfer-encoding", "identity"),
        ("te", "gzip"),
        ("te", "trailers, gzip"),
        ("upgrade", "websocket"),
        ("upgrade", "h2c"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("X-Upper", "1"),
        ("x y", "1"),
        ("x:y", "1"),
        ("x\r\ny", "1"),
        ("x\0", "1"),
        ("", "1"),
        ("x", "1\r\nx-orgate-sub: usr_eve"),
        ("x", "1\n"),
        ("x", "1\r"),
        ("x", "1\0"),
        ("x", " 1"),
        ("x", "1\t"),
        ("content_length", "3"),
        ("transfer_encoding", "chunked"),
        ("transfer.encoding", "chunked"),
        ("content-length", "+0"),
        ("content-length", "0x0"),
        ("content-length", "1"),
        ("content-length", ""),
        ("content-length", "99999999999999999999"),
    ] {
        let outcome = outcome_of(&get_with(&[field])).await;
        assert!(
            matches!(outcome, Outcome::Status(400) | Outcome::Reset | Outcome::Closed),
            "{field:?}: {outcome:?}"
        );
    }
    let twice = [("content-length", "0"), ("content-length", "0")];
    assert_eq!(outcome_of(&get_with(&twice)).await, Outcome::Status(400));
}

#[tokio::test]
async fn identity_that_a_client_claims_never_arrives() {
    let recorder = Recorder::ok().await;
    let sidecar = serving(recorder.address).await;
    let mut raw = Raw::to(&sidecar).await;
    let claimed = [
        ("x-orgate-sub", "usr_eve"),
        ("x_orgate_sub", "usr_eve"),
        ("x.orgate.role", "usr_eve"),
        ("x-orgate-permissions", "usr_eve"),
        ("x-forwarded-for", "usr_eve"),
        ("x-original-url", "usr_eve"),
        ("x-http-method-override", "usr_eve"),
        ("http2-settings", "usr_eve"),
    ];
    raw.ask(1, &get_with(&claimed)).await;
    assert_eq!(raw.outcome(1).await, Outcome::Status(200));
    let head = recorder.only().head;
    assert!(!head.contains("usr_eve"), "{head}");
    assert_eq!(only_header(&head, "x-orgate-sub").as_deref(), Some("usr_ann"));
}

#[tokio::test]
async fn a_body_that_is_not_of_its_length_never_looks_whole_to_the_upstream() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let address = upstream(move |mut app, _| {
        let log = Arc::clone(&log);
        async move {
            while app.more().await {
                if app.buffer.starts_with(b"GET") {
                    app.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
                    break;
                }
            }
            log.lock().expect("unpoisoned").push(String::from_utf8(app.buffer).expect("text"));
        }
    })
    .await;
    let sidecar = serving(address).await;
    for (announced, data) in [("5", "hell"), ("3", "hello")] {
        let mut raw = Raw::to(&sidecar).await;
        let post = [&get_but(":method", Some("POST"))[..], &[("content-length", announced)]].concat();
        raw.begin(1, &post).await;
        raw.send(DATA, END_STREAM, 1, data.as_bytes()).await;
        let outcome = raw.outcome(1).await;
        assert_ne!(outcome, Outcome::Status(200), "{announced} {data}");
    }
    sidecar.settled(0).await;
    // What came after these two is what ends the waiting.
    let mut raw = Raw::to(&sidecar).await;
    raw.ask(1, &GET_A).await;
    assert_eq!(raw.outcome(1).await, Outcome::Status(200));
    for request in seen.lock().expect("unpoisoned").iter() {
        let (head, body) = request.split_once("\r\n\r\n").unwrap_or_default();
        let length =
            only_header(head, "content-length").map_or(1, |length| length.parse().expect("a number"));
        assert!(head.starts_with("GET") || body.len() < length, "{request}");
    }
}

#[tokio::test]
async fn heads_that_are_too_large_are_431_or_end_the_connection() {
    let many: Vec<_> = std::iter::repeat_n(("x", "1"), 200).collect();
    assert_eq!(outcome_of(&get_with(&many)).await, Outcome::Status(431));
    let long = "x".repeat(2000);
    let large: Vec<_> = std::iter::repeat_n(("x", &*long), 50).collect();
    let recorder = Recorder::ok().await;
    let sidecar = serving(recorder.address).await;
    let mut raw = Raw::to(&sidecar).await;
    let block = block(&get_with(&large));
    let (first, rest) = block.split_at(16_000);
    raw.send(HEADERS, END_STREAM, 1, first).await;
    let mut pieces = rest.chunks(16_000).peekable();
    while let Some(piece) = pieces.next() {
        raw.send(CONTINUATION, if pieces.peek().is_none() { END_HEADERS } else { 0 }, 1, piece).await;
    }
    assert_eq!(raw.outcome(1).await, Outcome::Status(431));
    assert_eq!(recorder.seen().len(), 0);
}

/// Sends `bytes` in many parts; the connection must end, and others must still be served.
async fn check_flood(what: &str, begin: Vec<u8>, parts: impl Iterator<Item = Vec<u8>>) {
    let address = upstream(|mut app, _| async move { while app.more().await {} }).await;
    let sidecar = serving(address).await;
    let mut raw = Raw::to(&sidecar).await;
    raw.bytes(&begin).await;
    for part in parts {
        if !raw.try_bytes(&part).await {
            break;
        }
    }
    within(raw.ends()).await;
    let recorder = Recorder::ok().await;
    let sidecar =
        Sidecar::with(recorder.address, UpstreamSettings::default(), Limits::default().with_http2()).await;
    assert_eq!(ask(&mut connect(sidecar.address).await, request("GET", "/"), "").await.status, 200, "{what}");
}

#[tokio::test]
async fn floods_end_the_connection() {
    let ping = frame(PING, 0, 0, &[0; 8]);
    Box::pin(check_flood("pings", Vec::new(), std::iter::repeat_n(ping, 5000))).await;
    let settings = frame(SETTINGS, 0, 0, &[]);
    Box::pin(check_flood("settings", Vec::new(), std::iter::repeat_n(settings, 5000))).await;
    let get = block(&GET_A);
    let reset = |number: u32| {
        let stream = number * 2 + 1;
        [frame(HEADERS, END_HEADERS | END_STREAM, stream, &get), frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])]
            .concat()
    };
    Box::pin(check_flood("rapid reset", Vec::new(), (0..2000).map(reset))).await;
    let begin = frame(HEADERS, END_STREAM, 1, &get);
    Box::pin(check_flood("continuations", begin, std::iter::repeat_n(frame(CONTINUATION, 0, 1, b""), 2000)))
        .await;
    let post = block(&get_but(":method", Some("POST")));
    let begin = frame(HEADERS, END_HEADERS, 1, &post);
    Box::pin(check_flood("empty data", begin, std::iter::repeat_n(frame(DATA, 0, 1, b""), 20_000))).await;
    let wrong = |number: u32| {
        // A window that overflows: we have to reset the stream (CVE-2025-8671).
        let stream = number * 2 + 1;
        let overflow = frame(WINDOW_UPDATE, 0, stream, &[0x7f, 0xff, 0xff, 0xff]);
        [frame(HEADERS, END_HEADERS | END_STREAM, stream, &get), overflow].concat()
    };
    Box::pin(check_flood("streams we reset", Vec::new(), (0..2000).map(wrong))).await;
}
