//! Where a message ends: lengths, codings, chunks.

use crate::{
    Row,
    stand::{
        Class,
        Expected::{Cut, Passed, Refused},
    },
};

pub(crate) const ROWS: [Row; 7] = [
    ("transfer-encoding beside a length", coding_beside_length),
    ("transfer-encoding alone", coding_alone),
    ("content-length", lengths),
    ("bodies of any method", bodies),
    ("refused with a body", refused_bodies),
    ("chunks", chunks),
    ("chunks that are sound", sound_chunks),
];

/// What somebody else may take for a request of its own.
pub(crate) const SMUGGLED: &str =
    "GET /public/smuggled HTTP/1.1\r\nHost: app.example\r\nX-Smuggled: 1\r\n\r\n";

/// Every way to write what somebody takes for `Transfer-Encoding: chunked`.
const CODINGS: [&[u8]; 46] = [
    b"Transfer-Encoding: chunked",
    b"Transfer-Encoding:chunked",
    b"Transfer-Encoding:\tchunked",
    b"Transfer-Encoding:   chunked",
    b"Transfer-Encoding: chunked ",
    b"Transfer-Encoding: chunked\t",
    b"transfer-encoding: chunked",
    b"TRANSFER-ENCODING: CHUNKED",
    b"tRANSFER-eNCODING: cHuNkEd",
    b"Transfer-Encoding : chunked",
    b"Transfer-Encoding\t: chunked",
    b"Transfer_Encoding: chunked",
    b"Transfer.Encoding: chunked",
    b"Transfer Encoding: chunked",
    b"Transfer-Encoding\0: chunked",
    b" Transfer-Encoding: chunked",
    b"\tTransfer-Encoding: chunked",
    b"X: y\nTransfer-Encoding: chunked",
    b"X: y\rTransfer-Encoding: chunked",
    b"X: y\n\rTransfer-Encoding: chunked",
    b"Transfer-Encoding: xchunked",
    b"Transfer-Encoding: chunkedx",
    b"Transfer-Encoding: chunk",
    b"Transfer-Encoding: chun\xe2\x84\xaaed",
    b"Transfer-Encoding: \"chunked\"",
    b"Transfer-Encoding: 'chunked'",
    b"Transfer-Encoding: chunked;q=1",
    b"Transfer-Encoding: ,chunked",
    b"Transfer-Encoding: chunked,",
    b"Transfer-Encoding: chunked, identity",
    b"Transfer-Encoding: identity, chunked",
    b"Transfer-Encoding: identity",
    b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding: chunked, chunked",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding: chunked\r\nTransfer_Encoding: identity",
    b"Transfer-Encoding:\r\n chunked",
    b"Transfer-Encoding: \x0bchunked",
    b"Transfer-Encoding: \x0cchunked",
    b"Transfer-Encoding: chunked\0",
    b"Transfer-Encoding: \xa0chunked",
    b"Transfer-Encoding: \xffchunked",
    b"Transfer-Encoding:",
    b"Transfer-Encoding",
];

/// Those of [`CODINGS`] that say `chunked` in one way.
const CLEAR: usize = 9;

fn post(fields: &[u8], body: &str) -> Vec<u8> {
    [b"POST /public/a HTTP/1.1\r\nHost: app.example\r\n", fields, b"\r\n\r\n", body.as_bytes()].concat()
}

fn coding_beside_length(class: &mut Class<'_>) {
    let body = format!("0\r\n\r\n{SMUGGLED}");
    let whole = format!("Content-Length: {}", body.len());
    for coding in CODINGS {
        for fields in [
            [whole.as_bytes(), b"\r\n", coding].concat(),
            [coding, b"\r\n", whole.as_bytes()].concat(),
            [b"Content-Length: 5\r\n", coding].concat(),
        ] {
            class.case(post(&fields, &body), Refused(400));
        }
    }
}

fn coding_alone(class: &mut Class<'_>) {
    for (number, coding) in CODINGS.iter().enumerate() {
        let body = "5\r\nhello\r\n0\r\n\r\n";
        if number < CLEAR {
            let seen = class.case(post(coding, body), Passed(&["POST /public/a"]));
            is_hello(class, seen.first().map(|seen| &*seen.body));
        } else {
            class.case(post(coding, &format!("{body}{SMUGGLED}")), Refused(400));
        }
    }
}

fn is_hello(class: &mut Class<'_>, body: Option<&[u8]>) {
    if body != Some(b"hello") {
        class.problems.push(format!("{}: the body {body:?} arrived", class.name));
    }
}

fn lengths(class: &mut Class<'_>) {
    let zeros = format!("Content-Length: {}5", "0".repeat(200));
    let lines: [&[u8]; 36] = [
        b"Content-Length: 5\r\nContent-Length: 5",
        b"Content-Length: 5\r\nContent-Length: 0",
        b"Content-Length: 0\r\nContent-Length: 5",
        b"Content-Length: 5\r\ncontent-length: 6",
        b"Content-Length: 5, 5",
        b"Content-Length: 5,5",
        b"Content-Length: 5, 0",
        b"Content-Length: ,5",
        b"Content-Length: 5,",
        b"Content-Length: +5",
        b"Content-Length: -1",
        b"Content-Length: -0",
        b"Content-Length: 0x5",
        b"Content-Length: 5h",
        b"Content-Length: 1e1",
        b"Content-Length: 5.0",
        b"Content-Length: 05",
        b"Content-Length: 5 5",
        b"Content-Length: 5;",
        b"Content-Length: \"5\"",
        b"Content-Length: 18446744073709551616",
        b"Content-Length: 18446744073709551621",
        b"Content-Length: 4294967301000000000000",
        zeros.as_bytes(),
        b"Content-Length:",
        b"Content-Length",
        b"Content-Length: \x0b5",
        b"Content-Length: 5\0",
        b"Content-Length: \xa05",
        b"Content-Length: \xd9\xa5",
        b"Content-Length:\r\n 5",
        b"Content_Length: 5",
        b"Content.Length: 5",
        b"Content-Length : 5",
        b" Content-Length: 5",
        b"X: y\nContent-Length: 5",
    ];
    for line in lines {
        class.case(post(line, &format!("hello{SMUGGLED}")), Refused(400));
    }
    for line in ["Content-Length: 5", "content-length:5", "CONTENT-LENGTH:\t5 "] {
        let seen = class.case(post(line.as_bytes(), "hello"), Passed(&["POST /public/a"]));
        is_hello(class, seen.first().map(|seen| &*seen.body));
    }
}

/// A body that looks like a request stays a body, whatever the method and however it is framed.
fn bodies(class: &mut Class<'_>) {
    for method in ["GET", "HEAD", "DELETE", "OPTIONS", "POST", "PUT", "PATCH", "QUERY"] {
        let line = format!("{method} /public/a");
        let framed = [
            format!("Content-Length: {}\r\n\r\n{SMUGGLED}", SMUGGLED.len()),
            format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{SMUGGLED}\r\n0\r\n\r\n", SMUGGLED.len()),
        ];
        for rest in framed {
            let bytes = format!("{line} HTTP/1.1\r\nHost: app.example\r\n{rest}");
            let seen = class.case(bytes, Passed(&[&line]));
            if seen.iter().any(|seen| seen.body != SMUGGLED.as_bytes()) {
                class.problems.push(format!("{}: {line}: the body changed: {seen:?}", class.name));
            }
        }
        for none in ["Content-Length: 0\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "\r\n"] {
            let bytes = format!("{line} HTTP/1.1\r\nHost: app.example\r\n{none}");
            class.case(bytes, Passed(&[&line]));
        }
        // What comes behind an empty body is a request, judged as such: it has no token.
        let behind = format!("{line} HTTP/1.1\r\nHost: app.example\r\nContent-Length: 0\r\n\r\n");
        if method != "HEAD" {
            class.case(format!("{behind}{behind}"), Passed(&[&line, &line]));
        }
    }
}

/// The body of a request that is refused is thrown away, or the connection ends: it is never a request.
fn refused_bodies(class: &mut Class<'_>) {
    let fill = |length: usize| SMUGGLED.repeat(length / SMUGGLED.len() + 1);
    for (target, status) in
        [("/admin/a", 401), ("/other", 403), ("/public/../admin", 400), ("/public/a;b", 400)]
    {
        for method in ["POST", "GET", "DELETE", "OPTIONS"] {
            for body in [fill(1), fill(1000), fill(60_000), fill(100_000), fill(600_000)] {
                let head = format!("{method} {target} HTTP/1.1\r\nHost: app.example\r\n");
                let length = body.len();
                class.case(format!("{head}Content-Length: {length}\r\n\r\n{body}"), Refused(status));
                let chunked = format!("Transfer-Encoding: chunked\r\n\r\n{length:x}\r\n{body}\r\n0\r\n\r\n");
                class.case(format!("{head}{chunked}"), Refused(status));
            }
        }
    }
}

fn chunks(class: &mut Class<'_>) {
    let extension = format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(40 * 1024));
    let trailer = format!("5\r\nhello\r\n0\r\nX: {}\r\n\r\n", "x".repeat(80 * 1024));
    let trailers = format!("5\r\nhello\r\n0\r\n{}\r\n", "X: 1\r\n".repeat(300));
    let bodies: [&str; 52] = [
        // Lines.
        "5\nhello\r\n0\r\n\r\n",
        "5\rhello\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhello\r0\r\n\r\n",
        "5\r\nhello\r\n0\n\r\n",
        "5\r\nhello\r\n0\n\n",
        "5\r\nhello\r\n0\r\n\n",
        "5\r\nhello\r\n0\r\n\rX",
        "5\r\r\nhello\r\n0\r\n\r\n",
        "\r\n5\r\nhello\r\n0\r\n\r\n",
        "5\n\r\nhello\r\n0\r\n\r\n",
        // Sizes.
        "0x5\r\nhello\r\n0\r\n\r\n",
        "5h\r\nhello\r\n0\r\n\r\n",
        "_5\r\nhello\r\n0\r\n\r\n",
        "0_5\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "-0\r\n\r\n",
        " 5\r\nhello\r\n0\r\n\r\n",
        "\t5\r\nhello\r\n0\r\n\r\n",
        "5 \r\nhello\r\n0\r\n\r\n",
        "5\t\r\nhello\r\n0\r\n\r\n",
        "5 5\r\nhello\r\n0\r\n\r\n",
        "5,5\r\nhello\r\n0\r\n\r\n",
        "5.0\r\nhello\r\n0\r\n\r\n",
        "zz\r\nhello\r\n0\r\n\r\n",
        "\u{665}\r\nhello\r\n0\r\n\r\n",
        "5\0\r\nhello\r\n0\r\n\r\n",
        "10000000000000005\r\nhello\r\n0\r\n\r\n",
        "ffffffffffffffff\r\nhello\r\n0\r\n\r\n",
        "fffffffffffffffb\r\nhello\r\n0\r\n\r\n",
        "00000000000000000005\r\nhello\r\n0\r\n\r\n",
        // Extensions.
        "5;a\nb\r\nhello\r\n0\r\n\r\n",
        "5;a\rb\r\nhello\r\n0\r\n\r\n",
        "5;a=\"\n\"\r\nhello\r\n0\r\n\r\n",
        "5;a\0b\r\nhello\r\n0\r\n\r\n",
        "5;a\n0\r\n\r\nhello\r\n0\r\n\r\n",
        &extension,
        // Data.
        "5\r\nhello0\r\n\r\n",
        "5\r\nhelloXX0\r\n\r\n",
        "4\r\nhello\r\n0\r\n\r\n",
        "6\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n\r\n0\r\n\r\n",
        // Trailers.
        "5\r\nhello\r\n0\r\nX: a\nY: b\r\n\r\n",
        "5\r\nhello\r\n0\r\nX: a\rY: b\r\n\r\n",
        "5\r\nhello\r\n0\r\nX: a\0\r\n\r\n",
        "5\r\nhello\r\n0\r\nX : a\r\n\r\n",
        "5\r\nhello\r\n0\r\n X: a\r\n\r\n",
        "5\r\nhello\r\n0\r\nX: a\r\n b\r\n\r\n",
        "5\r\nhello\r\n0\r\nGET /public/smuggled HTTP/1.1\r\n\r\n",
        &trailer,
        &trailers,
    ];
    for body in bodies {
        class.case(post(b"Transfer-Encoding: chunked", &format!("{body}{SMUGGLED}")), Cut(400));
        // Refused for another reason, with the same behind it.
        let head = "POST /admin/a HTTP/1.1\r\nHost: app.example\r\nTransfer-Encoding: chunked\r\n\r\n";
        class.case(format!("{head}{body}{SMUGGLED}"), Refused(401));
    }
}

fn sound_chunks(class: &mut Class<'_>) {
    for body in [
        "5\r\nhello\r\n0\r\n\r\n",
        "05\r\nhello\r\n00\r\n\r\n",
        "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
        "5;x\r\nhello\r\n0;y\r\n\r\n",
        "5;x=y\r\nhello\r\n0\r\n\r\n",
        "5;x=\"y; z\"\r\nhello\r\n0\r\n\r\n",
        "5 ;x\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n",
        "5\r\nhello\r\n0\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\nHost: evil\r\n\r\n",
        "5\r\nhello\r\n0\r\nAuthorization: Bearer x\r\nCookie: a=b\r\n\r\n",
    ] {
        let seen = class.case(post(b"Transfer-Encoding: chunked", body), Passed(&["POST /public/a"]));
        is_hello(class, seen.first().map(|seen| &*seen.body));
    }
}
