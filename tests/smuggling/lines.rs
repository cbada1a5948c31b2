//! How a head is written: line ends, blanks, versions, size.

use crate::{
    Row,
    framing::SMUGGLED,
    stand::{
        Class,
        Expected::{Dropped, Passed, Refused},
    },
};

pub(crate) const ROWS: [Row; 3] =
    [("line ends and blanks", line_ends), ("versions", versions), ("heads that are too large", large)];

fn line_ends(class: &mut Class<'_>) {
    let good = "POST /public/a HTTP/1.1\r\nHost: app.example\r\nX-A: b\r\nContent-Length: 0\r\n\r\n";
    class.case(good, Passed(&["POST /public/a"]));
    class.case(format!("\r\n{good}"), Passed(&["POST /public/a"]));
    // Each of the five line ends, made worse.
    let ends: Vec<usize> = good.match_indices("\r\n").map(|(at, _)| at).collect();
    for worse in ["\n", "\r", "\n\r", "\r\r\n", "\r\n\r", "\x0b", "\x0c", "\0", "\u{85}", "\u{2028}"] {
        for (number, at) in ends.iter().enumerate() {
            match (worse, number) {
                // Within a value, what is no ASCII is text like any other.
                (_, 2) if !worse.is_ascii() => continue,
                // There the message ends, and the next begins with it.
                ("\r\n\r", 4) => continue,
                _ => {}
            }
            let (before, after) = (good.split_at(*at).0, good.split_at(at + 2).1);
            // As many more lines as it takes for the head to end, however it is read.
            class.case(format!("{before}{worse}{after}\r\n\r\n{SMUGGLED}"), Dropped(&[400]));
        }
    }
    let fields: [&[u8]; 34] = [
        b"X-A : b",
        b"X-A\t: b",
        b"X A: b",
        b" X-A: b",
        b"\tX-A: b",
        b"X-B: c\r\n X-A: b",
        b"X-B: c\r\n\tX-A: b",
        b"X-B: c\r\n ",
        b"X-A",
        b": b",
        b":",
        b"X-A: b\0",
        b"X-A: b\0c",
        b"X\0A: b",
        b"X-A: b\x0bc",
        b"X-A: b\x0cc",
        b"X-A: b\x08c",
        b"X-A: b\x1bc",
        b"X-A: b\x7fc",
        b"X-A: b\rc",
        b"X-A: b\nc",
        b"X-A: b\r\rc",
        b"X-A\x0b: b",
        b"X-A\xa0: b",
        b"X\xc3\xa9: b",
        b"\xef\xbb\xbfX-A: b",
        b"X(A): b",
        b"X<A>: b",
        b"X@A: b",
        b"X,A: b",
        b"X;A: b",
        b"X\\A: b",
        b"X/A: b",
        b"\"X-A\": b",
    ];
    for field in fields {
        let bytes =
            [b"GET /public/a HTTP/1.1\r\nHost: app.example\r\n", field, b"\r\n\r\n", SMUGGLED.as_bytes()]
                .concat();
        class.case(bytes, Refused(400));
    }
}

fn versions(class: &mut Class<'_>) {
    for version in [
        "HTTP/0.9",
        "HTTP/1.2",
        "HTTP/1.9",
        "HTTP/2.0",
        "HTTP/2",
        "HTTP/3.0",
        "HTTP/01.1",
        "HTTP/1.01",
        "HTTP/1.10",
        "HTTP/11.1",
        "HTTP/1",
        "HTTP/1.",
        "HTTP/.1",
        "HTTP/1,1",
        "http/1.1",
        "Http/1.1",
        "HTTP/ 1.1",
        "HTTP /1.1",
        "HTTP1.1",
        "HTTP/1.1x",
        "HTTP/1.1 x",
        "HTTP/1.1\0",
        "HTTP/\u{661}.1",
        "HTTPS/1.1",
        "ICY/1.1",
        "",
    ] {
        let bytes = format!("GET /public/a {version}\r\nHost: app.example\r\n\r\n{SMUGGLED}");
        class.case(bytes, Dropped(&[400, 505]));
    }
    for line in [
        "GET /public/a",
        "GET  /public/a HTTP/1.1",
        "GET /public/a  HTTP/1.1",
        "GET\t/public/a HTTP/1.1",
        "GET /public/a\tHTTP/1.1",
        " GET /public/a HTTP/1.1",
        "GET /public/a HTTP/1.1 ",
        "GET /public/a b HTTP/1.1",
        "GET",
        "GET ",
        "/public/a HTTP/1.1",
    ] {
        class.case(format!("{line}\r\nHost: app.example\r\n\r\n{SMUGGLED}"), Dropped(&[400, 505]));
    }
    // HTTP/1.0 has no codings (CVE-2026-2835).
    for fields in [
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nConnection: keep-alive",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive",
    ] {
        let head = format!("POST /public/a HTTP/1.0\r\nHost: app.example\r\n{fields}\r\n\r\n");
        class.case(format!("{head}0\r\n\r\n{SMUGGLED}"), Refused(400));
    }
    let old = "POST /public/a HTTP/1.0\r\nHost: app.example\r\nContent-Length: 5\r\n\r\nhello";
    class.case(old, Passed(&["POST /public/a"]));
    class.case("GET /public/a HTTP/1.0\r\n\r\n", Refused(400));
}

fn large(class: &mut Class<'_>) {
    let get = |fields: &str| format!("GET /public/a HTTP/1.1\r\nHost: app.example\r\n{fields}\r\n\r\n");
    for size in [64 * 1024, 256 * 1024, 1024 * 1024] {
        class.case(get(&format!("X-A: {}", "x".repeat(size))), Dropped(&[431]));
        class.case(get(&format!("{}: x", "x".repeat(size))), Dropped(&[400, 431]));
        let line = format!("GET /public/{} HTTP/1.1\r\nHost: app.example\r\n\r\n", "x".repeat(size));
        class.case(line, Dropped(&[400, 414, 431]));
        let query = format!("GET /public/a?{} HTTP/1.1\r\nHost: app.example\r\n\r\n", "x".repeat(size));
        class.case(query, Dropped(&[400, 414, 431]));
        class.case(
            format!("{} /public/a HTTP/1.1\r\nHost: app.example\r\n\r\n", "X".repeat(size)),
            Dropped(&[400, 414, 431]),
        );
    }
    for count in [101, 5000] {
        class.case(get(&format!("X-A: b{}", "\r\nX-A: b".repeat(count))), Dropped(&[431]));
    }
    class.case(get(&format!("Cookie: a=b{}", "\r\nCookie: a=b".repeat(3000))), Dropped(&[431]));
    // Large and yet in bounds.
    class.case(get(&format!("Cookie: a=b{}", "; a=b".repeat(3000))), Passed(&["GET /public/a"]));
    class.case(
        get(&format!("Connection: close{}", ", x-orgate-sub".repeat(3000))),
        Passed(&["GET /public/a"]),
    );
    class.case(get(&format!("X-A: b{}", "\r\nX-A: b".repeat(90))), Passed(&["GET /public/a"]));
    // A head without an end.
    class.case("GET /public/a HTTP/1.1\r\n".to_owned() + &"X-A: b\r\n".repeat(300_000), Dropped(&[431]));
    class.case("X".repeat(2_000_000), Dropped(&[400, 414, 431]));
}
