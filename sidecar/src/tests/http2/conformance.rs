//! RFC 9113 section by section, from the side of a server: frames that are wrong, and what has to become of them. A test of our own
//! beside h2spec, which `./tests/h2spec` runs where it is installed.

use super::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// The connection ends.
    Ends,
    /// The stream is reset or refused, or the connection ends.
    Refused,
    /// Nothing happens, and the next request is served.
    Serves,
}
use Then::{Ends, Refused, Serves};

const PRIORITY: u8 = 2;
const PUSH_PROMISE: u8 = 5;
const PADDED: u8 = 8;
const WHOLE: u8 = END_HEADERS | END_STREAM;

/// Answers one path, and leaves all others waiting: whatever is answered there is wrong.
async fn application() -> SocketAddr {
    upstream(|mut app, _| async move {
        while app.more().await {
            if app.buffer.starts_with(b"GET /served ") {
                app.buffer.clear();
                app.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
            }
        }
    })
    .await
}

const SERVED: [(&str, &str); 4] =
    [(":method", "GET"), (":scheme", "http"), (":authority", "app.example"), (":path", "/served")];

fn changed(name: &str, value: Option<&'static str>) -> Vec<u8> {
    let kept = |&(other, kept): &(&'static str, &'static str)| match other == name {
        true => value.map(|value| (other, value)),
        false => Some((other, kept)),
    };
    block(&GET_A.iter().filter_map(kept).collect::<Vec<_>>())
}

fn with(field: (&str, &str)) -> Vec<u8> {
    block(&[&GET_A[..], &[field]].concat())
}

fn setting(number: u8, value: u32) -> Vec<u8> {
    frame(SETTINGS, 0, 0, &[&[0, number][..], &value.to_be_bytes()].concat())
}

/// Frames of connections and of how they are made (sections 3 and 4).
fn of_frames() -> Vec<(&'static str, &'static str, Vec<u8>, Then)> {
    let get = block(&GET_A);
    let open = frame(HEADERS, END_HEADERS, 1, &block(&GET_A));
    vec![
        ("4.1", "an unknown type", frame(0x77, 0, 0, b"x"), Serves),
        ("4.1", "an unknown type on a stream that is idle", frame(0x77, 0xff, 9, b"x"), Serves),
        ("4.1", "flags that are not defined", frame(PING, 0x16, 0, &[0; 8]), Serves),
        ("4.1", "the reserved bit of a stream", frame(PING, 0, 1 << 31, &[0; 8]), Serves),
        (
            "4.2",
            "data above the size of frames",
            [open.clone(), frame(DATA, 0, 1, &[0; 16_385])].concat(),
            Refused,
        ),
        ("4.2", "a head above the size of frames", frame(HEADERS, WHOLE, 1, &[0; 16_385]), Ends),
        ("4.2", "settings above the size of frames", frame(SETTINGS, 0, 0, &[0; 16_386]), Ends),
        ("4.3", "a block that breaks off", frame(HEADERS, WHOLE, 1, b"\x00\x0a\x01"), Ends),
        (
            "4.3",
            "a priority within a block",
            [frame(HEADERS, END_STREAM, 1, &get), frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 1])].concat(),
            Ends,
        ),
        (
            "4.3",
            "another head within a block",
            [frame(HEADERS, END_STREAM, 1, &get), frame(HEADERS, WHOLE, 3, &get)].concat(),
            Ends,
        ),
        (
            "4.3",
            "a continuation of another stream",
            [frame(HEADERS, END_STREAM, 1, &get), frame(CONTINUATION, END_HEADERS, 3, b"")].concat(),
            Ends,
        ),
        (
            "5.5",
            "an unknown type within a block",
            [frame(HEADERS, END_STREAM, 1, &get), frame(0x77, 0, 1, b"x")].concat(),
            Ends,
        ),
        (
            "HPACK 2.3.3",
            "an index behind the tables",
            frame(HEADERS, WHOLE, 1, &[&get[..], &[0x80 | 70]].concat()),
            Ends,
        ),
        ("HPACK 2.3.3", "the index zero", frame(HEADERS, WHOLE, 1, &[&get[..], &[0x80]].concat()), Ends),
        (
            "HPACK 4.2",
            "a size of the table behind fields",
            frame(HEADERS, WHOLE, 1, &[&get[..], &[0x20]].concat()),
            Ends,
        ),
        (
            "HPACK 6.3",
            "a table that is larger than allowed",
            frame(HEADERS, WHOLE, 1, &[&[0x3f, 0xe2, 0x1f][..], &get].concat()),
            Ends,
        ),
    ]
}

/// States of streams (section 5).
fn of_streams() -> Vec<(&'static str, &'static str, Vec<u8>, Then)> {
    let get = block(&GET_A);
    let whole = frame(HEADERS, WHOLE, 1, &get);
    let reset = [frame(HEADERS, END_HEADERS, 1, &get), frame(RST_STREAM, 0, 1, &[0, 0, 0, 8])].concat();
    vec![
        ("5.1", "data on an idle stream", frame(DATA, END_STREAM, 1, b"x"), Ends),
        ("5.1", "a reset of an idle stream", frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]), Ends),
        ("5.1", "a window of an idle stream", frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1]), Ends),
        ("5.1", "a continuation of an idle stream", frame(CONTINUATION, END_HEADERS, 1, &get), Ends),
        ("5.1", "a priority of an idle stream", frame(PRIORITY, 0, 9, &[0, 0, 0, 0, 1]), Serves),
        ("5.1", "data behind the end", [whole.clone(), frame(DATA, END_STREAM, 1, b"x")].concat(), Refused),
        ("5.1", "a head behind the end", [whole.clone(), frame(HEADERS, WHOLE, 1, &get)].concat(), Refused),
        (
            "5.1",
            "a continuation behind the end",
            [whole, frame(CONTINUATION, END_HEADERS, 1, b"")].concat(),
            Ends,
        ),
        ("5.1", "data behind a reset", [reset.clone(), frame(DATA, END_STREAM, 1, b"x")].concat(), Refused),
        ("5.1", "a head behind a reset", [reset.clone(), frame(HEADERS, WHOLE, 1, &get)].concat(), Refused),
        (
            "5.1",
            "a continuation behind a reset",
            [reset, frame(CONTINUATION, END_HEADERS, 1, b"")].concat(),
            Ends,
        ),
        ("5.1.1", "an even stream", frame(HEADERS, WHOLE, 2, &get), Ends),
        (
            "5.1.1",
            "a stream below the last one",
            [frame(HEADERS, WHOLE, 5, &get), frame(HEADERS, WHOLE, 3, &get)].concat(),
            Ends,
        ),
    ]
}

/// Each type of frame (section 6).
fn of_types() -> Vec<(&'static str, &'static str, Vec<u8>, Then)> {
    let get = block(&GET_A);
    let open = frame(HEADERS, END_HEADERS, 1, &get);
    let opened = |then: Vec<u8>| [open.clone(), then].concat();
    let most = [0x7f, 0xff, 0xff, 0xff];
    vec![
        ("6.1", "data without a stream", frame(DATA, 0, 0, b"x"), Ends),
        (
            "6.1",
            "padding as long as the data",
            opened(frame(DATA, PADDED | END_STREAM, 1, b"\x05test")),
            Ends,
        ),
        ("6.2", "a head without a stream", frame(HEADERS, WHOLE, 0, &get), Ends),
        (
            "6.2",
            "padding as long as the head",
            frame(HEADERS, WHOLE | PADDED, 1, &[&[0xff][..], &get].concat()),
            Ends,
        ),
        ("6.3", "a priority without a stream", frame(PRIORITY, 0, 0, &[0, 0, 0, 0, 1]), Ends),
        ("6.3", "a priority of four bytes", opened(frame(PRIORITY, 0, 1, &[0; 4])), Refused),
        ("6.4", "a reset without a stream", frame(RST_STREAM, 0, 0, &[0, 0, 0, 8]), Ends),
        ("6.4", "a reset of three bytes", opened(frame(RST_STREAM, 0, 1, &[0; 3])), Ends),
        ("6.5", "an acknowledgement with settings", frame(SETTINGS, 1, 0, &[0, 4, 0, 0, 0, 1]), Ends),
        ("6.5", "settings of a stream", frame(SETTINGS, 0, 1, &[]), Ends),
        ("6.5", "half a setting", frame(SETTINGS, 0, 0, &[0; 3]), Ends),
        ("6.5.2", "a push that is neither on nor off", setting(2, 2), Ends),
        ("6.5.2", "a window above the largest", setting(4, 1 << 31), Ends),
        ("6.5.2", "frames below the least size", setting(5, 16_383), Ends),
        ("6.5.2", "frames above the largest size", setting(5, 1 << 24), Ends),
        ("6.5.2", "a setting that is not known", setting(0xff, 1), Serves),
        ("6.5.2", "a setting twice", [setting(4, 100), setting(4, 200)].concat(), Serves),
        (
            "6.6",
            "a promise of a client",
            opened(frame(PUSH_PROMISE, END_HEADERS, 1, &[&[0, 0, 0, 2][..], &get].concat())),
            Ends,
        ),
        ("6.7", "an acknowledgement of no ping", frame(PING, 1, 0, &[7; 8]), Serves),
        ("6.7", "a ping of a stream", frame(PING, 0, 1, &[0; 8]), Ends),
        ("6.7", "a ping of six bytes", frame(PING, 0, 0, &[0; 6]), Ends),
        ("6.8", "a goodbye of a stream", frame(GOAWAY, 0, 1, &[0; 8]), Ends),
        ("6.9", "a window of nothing for the connection", frame(WINDOW_UPDATE, 0, 0, &[0; 4]), Ends),
        ("6.9", "a window of nothing for a stream", opened(frame(WINDOW_UPDATE, 0, 1, &[0; 4])), Refused),
        ("6.9", "a window of three bytes", frame(WINDOW_UPDATE, 0, 0, &[0; 3]), Ends),
        (
            "6.9.1",
            "a window of the connection that overflows",
            frame(WINDOW_UPDATE, 0, 0, &most).repeat(2),
            Ends,
        ),
        (
            "6.9.1",
            "a window of a stream that overflows",
            opened(frame(WINDOW_UPDATE, 0, 1, &most).repeat(2)),
            Refused,
        ),
        (
            "6.10",
            "a continuation without a stream",
            [frame(HEADERS, END_STREAM, 1, &get), frame(CONTINUATION, END_HEADERS, 0, b"")].concat(),
            Ends,
        ),
        (
            "6.10",
            "a continuation behind the end of a head",
            [frame(HEADERS, END_HEADERS, 1, &get), frame(CONTINUATION, END_HEADERS, 1, b"")].concat(),
            Ends,
        ),
        (
            "6.10",
            "a continuation behind data",
            opened([frame(DATA, 0, 1, b"x"), frame(CONTINUATION, END_HEADERS, 1, b"")].concat()),
            Ends,
        ),
    ]
}

/// Requests (section 8).
fn of_requests() -> Vec<(&'static str, &'static str, Vec<u8>, Then)> {
    let open = |block: &[u8]| frame(HEADERS, END_HEADERS, 1, block);
    let ask = |block: Vec<u8>| frame(HEADERS, WHOLE, 1, &block);
    let post = open(&changed(":method", Some("POST")));
    let long = open(&block(&[&GET_A[..], &[("content-length", "1")]].concat()));
    let late = [&[("x", "1")], &GET_A[..]].concat();
    vec![
        (
            "8.1",
            "trailers without an end",
            [post, frame(HEADERS, END_HEADERS, 1, &block(&[("x", "1")]))].concat(),
            Refused,
        ),
        (
            "8.1.1",
            "less data than its length",
            [long.clone(), frame(DATA, END_STREAM, 1, b"")].concat(),
            Refused,
        ),
        (
            "8.1.1",
            "more data than its length",
            [long.clone(), frame(DATA, END_STREAM, 1, b"test")].concat(),
            Refused,
        ),
        (
            "8.1.1",
            "more data than its length, in parts",
            [long, frame(DATA, 0, 1, b"t"), frame(DATA, END_STREAM, 1, b"t")].concat(),
            Refused,
        ),
        ("8.2.1", "a name in upper case", ask(with(("X-Test", "1"))), Refused),
        ("8.2.1", "a name with a space", ask(with(("x test", "1"))), Refused),
        ("8.2.1", "a line end in a value", ask(with(("x", "1\r\ny: 2"))), Refused),
        ("8.2.1", "a value that begins with a space", ask(with(("x", " 1"))), Refused),
        ("8.2.2", "a field of a connection", ask(with(("connection", "keep-alive"))), Refused),
        ("8.2.2", "TE of anything but trailers", ask(with(("te", "trailers, deflate"))), Refused),
        ("8.3", "a pseudo-header that is not defined", ask(with((":test", "1"))), Refused),
        ("8.3", "a pseudo-header of answers", ask(with((":status", "200"))), Refused),
        ("8.3", "a pseudo-header behind a field", ask(block(&late)), Refused),
        ("8.3.1", "an empty path", ask(changed(":path", Some(""))), Refused),
        ("8.3.1", "no method", ask(changed(":method", None)), Refused),
        ("8.3.1", "no scheme", ask(changed(":scheme", None)), Refused),
        ("8.3.1", "no path", ask(changed(":path", None)), Refused),
        ("8.3.1", "two methods", ask(with((":method", "GET"))), Refused),
        ("8.3.1", "two schemes", ask(with((":scheme", "http"))), Refused),
        ("8.3.1", "two paths", ask(with((":path", "/"))), Refused),
    ]
}

/// What becomes of the frames that were sent.
async fn then(raw: &mut Raw, wanted: Then) -> Then {
    if wanted == Serves {
        raw.ask(99, &SERVED).await;
    }
    loop {
        match raw.next().await {
            None => return Ends,
            Some(frame) if frame.kind == RST_STREAM && frame.stream != 99 && wanted != Ends => {
                return Refused;
            }
            Some(frame) if (frame.kind, frame.stream) == (HEADERS, 99) => return Serves,
            // 400, which is in the static table; anything else is an answer of the application.
            Some(frame) if frame.kind == HEADERS && frame.payload[0] == 0x8c => return Refused,
            Some(frame) if frame.kind == HEADERS => panic!("it was answered: {frame:?}"),
            Some(_) => {}
        }
    }
}

#[tokio::test]
async fn what_is_wrong_in_frames_streams_and_requests_ends_as_the_rfc_says() {
    let sidecar = serving(application().await).await;
    let cases = [of_frames(), of_streams(), of_types(), of_requests()].concat();
    for (section, what, frames, wanted) in &cases {
        println!("{section} {what}");
        let mut raw = Raw::to(&sidecar).await;
        raw.bytes(frames).await;
        let found = then(&mut raw, *wanted).await;
        assert!(found == *wanted || (*wanted, found) == (Refused, Ends), "§{section} {what}: {found:?}");
    }
    println!("{} cases of RFC 9113", cases.len());
    assert!(cases.len() >= 79, "{}", cases.len());
    sidecar.settled(0).await;
}

#[tokio::test]
async fn settings_and_pings_are_acknowledged_and_a_wrong_begin_is_not_answered() {
    let sidecar = serving(application().await).await;
    // §6.5.3, §6.7
    let mut raw = Raw::on(sidecar.connect().await);
    raw.bytes(&[PREFACE, &frame(SETTINGS, 0, 0, &[]), &frame(PING, 0, 0, b"orgate!!")].concat()).await;
    let mut seen = Vec::new();
    while seen.len() < 3 {
        let frame = raw.next().await.expect("a frame");
        if matches!(frame.kind, SETTINGS | PING) {
            seen.push((frame.kind, frame.flags & 1, frame.payload.len()));
        }
    }
    assert_eq!((seen[0].0, seen[0].1), (SETTINGS, 0), "the server's preface comes first (§3.4)");
    assert!(seen.contains(&(SETTINGS, 1, 0)) && seen.contains(&(PING, 1, 8)), "{seen:?}");
    // §3.4
    for begin in [&b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"[..], &[PREFACE, &frame(PING, 0, 0, &[0; 8])].concat()]
    {
        let mut raw = Raw::on(sidecar.connect().await);
        raw.bytes(begin).await;
        while let Some(frame) = raw.next().await {
            assert!(
                matches!(frame.kind, SETTINGS | GOAWAY | WINDOW_UPDATE) || begin[14] != b'S',
                "{frame:?}"
            );
        }
    }
}

/// RFC 9113 §8.1 has such a request refused; the parser drops the pseudo-header instead, so that nobody can be misled by it.
#[tokio::test]
async fn a_pseudo_header_among_trailers_is_never_forwarded() {
    let recorder = Recorder::ok().await;
    let sidecar = serving(recorder.address).await;
    let mut raw = Raw::to(&sidecar).await;
    let post = [&[(":method", "POST")], &GET_A[1..], &[("te", "trailers"), ("trailer", "x-sum")]].concat();
    raw.begin(1, &post).await;
    raw.send(DATA, 0, 1, b"test").await;
    raw.send(HEADERS, WHOLE, 1, &block(&[(":path", "/admin"), ("x-sum", "1")])).await;
    assert_eq!(raw.outcome(1).await, Outcome::Status(200));
    let seen = recorder.only();
    assert!(seen.head.starts_with("POST /a?b=c HTTP/1.1"), "{}", seen.head);
    assert_eq!(String::from_utf8(seen.body).expect("text"), "4\r\ntest\r\n0\r\nx-sum: 1\r\n\r\n");
}
