//! Applications whose answers are none, and what becomes of their connections.

use crate::{
    Row,
    client::Client,
    recorder::Script,
    stand::{
        Class,
        Expected::{Passed, Withheld},
    },
};

pub(crate) const ROWS: [Row; 3] = [
    ("answers with two readings", answers),
    ("answers that are cut", cut),
    ("connections are kept or ended", pooling),
];

const TARGET: &str = "/public/script";
const ANSWER: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";

fn get(method: &str) -> String {
    format!("{method} {TARGET} HTTP/1.1\r\nHost: app.example\r\n\r\n")
}

fn answers(class: &mut Class<'_>) {
    let flood = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".repeat(20_000) + ANSWER;
    let wide = format!("HTTP/1.1 200 OK\r\n{}Content-Length: 0\r\n\r\n", "X-A: b\r\n".repeat(5000));
    let long = format!("HTTP/1.1 200 OK\r\nX-A: {}\r\nContent-Length: 0\r\n\r\n", "x".repeat(1_000_000));
    let answers: [&[u8]; 46] = [
        b"HTTP/1.1 200 OK\r\nX-A: b\0\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX\0A: b\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-A: b\nSet-Cookie: c=evil\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-A: b\rSet-Cookie: c=evil\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-A: b\n\nevil\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\n",
        b"HTTP/1.1 200 OK\r\nX-A: b\r\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-A: b\r\n c\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-A : b\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX A: b\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n X-A: b\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-A\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n: b\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-A: b\x0bc\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 O\0K\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 O\nK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 4\r\n\r\nevil",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 0\r\n\r\nevil",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4, 4\r\n\r\nevil",
        b"HTTP/1.1 200 OK\r\nContent-Length: +4\r\n\r\nevil",
        b"HTTP/1.1 200 OK\r\nContent-Length: -4\r\n\r\nevil",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0x4\r\n\r\nevil",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4x\r\n\r\nevil",
        b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551620\r\n\r\nevil",
        b"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nevil\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n4\r\nevil\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n4\r\nevil\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n4\r\nevil\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nevil",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nevil\r\n0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\nevil",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.2 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"http/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 -20 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n",
        b"evil",
        b"SSH-2.0-OpenSSH_9.9\r\n\r\n",
        flood.as_bytes(),
        wide.as_bytes(),
        long.as_bytes(),
    ];
    for answer in answers {
        class.stand.recorder.play(TARGET, Script { bytes: answer.to_vec(), ends: answer.len() < 10 });
        let before = class.problems.len();
        class.case(get("GET"), Withheld);
        for problem in &mut class.problems[before..] {
            let shown: String = String::from_utf8_lossy(answer).chars().take(300).collect();
            *problem = format!("{problem}\n    answered with {shown:?}");
        }
        if !class.stand.recorder.connections(1) {
            class.problems.push(format!(
                "{}: a connection is left of {:?}",
                class.name,
                String::from_utf8_lossy(answer)
            ));
        }
    }
}

/// An answer that breaks off breaks off for the client too: it never looks whole.
fn cut(class: &mut Class<'_>) {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nevil",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nevil\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nevil\r\n0\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nevilXX0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nevil\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\nevil\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-4\r\nevil\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4;a\nb\r\nevil\r\n0\r\n\r\n",
    ] {
        class.stand.recorder.play(TARGET, Script { bytes: answer.into(), ends: true });
        let mut client = Client::to(class.stand.address);
        client.send(get("GET").as_bytes());
        let told = match client.answer(true) {
            Ok(None) | Err(_) => Ok(vec![502]),
            Ok(Some(answer)) if answer.status == 502 => Ok(vec![502]),
            Ok(Some(answer)) => Err(format!("it looks whole: {answer:?}")),
        };
        class.judge(answer, told, Withheld);
    }
}

/// What the application sends beside its answer is nobody's, and its connection is not used again.
fn pooling(class: &mut Class<'_>) {
    for (method, answer, status) in [
        ("GET", format!("HTTP/1.1 204 No Content\r\n\r\n{ANSWER}"), 204),
        ("GET", format!("HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\nevil{ANSWER}"), 204),
        ("GET", format!("HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\nevil{ANSWER}"), 304),
        ("HEAD", format!("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil{ANSWER}"), 200),
        (
            "HEAD",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nevil\r\n0\r\n\r\n".to_owned(),
            200,
        ),
        ("GET", format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n{ANSWER}"), 200),
        ("GET", format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok{ANSWER}"), 200),
        ("GET", format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{ANSWER}"), 200),
        (
            "GET",
            format!("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n{ANSWER}"),
            200,
        ),
        ("GET", format!("{ANSWER}{ANSWER}{ANSWER}"), 200),
        ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned(), 200),
        ("GET", "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n".to_owned(), 200),
    ] {
        class.stand.recorder.play(TARGET, Script { bytes: answer.clone().into_bytes(), ends: false });
        for _ in 0..3 {
            let mut client = Client::to(class.stand.address);
            client.send(get(method).as_bytes());
            let told = client.answer(method != "HEAD").map(|answer| answer.map(|answer| answer.status));
            if told != Ok(Some(status)) {
                class.problems.push(format!("{}: {answer:?} became {told:?}", class.name));
            }
            class.judge(&answer, Ok(vec![200]), Passed(&[&format!("{method} {TARGET}")]));
        }
    }
    // An answer before the request was read: the rest of the body is never taken for a request.
    let early = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig";
    class.stand.recorder.play(TARGET, Script { bytes: early.into(), ends: true });
    let mut client = Client::to(class.stand.address);
    client.send(get("GET").as_bytes());
    let told = client.answer(true).map(|answer| answer.map(|answer| answer.status));
    if told != Ok(Some(413)) {
        class.problems.push(format!("{}: an early answer became {told:?}", class.name));
    }
    class.judge(early, Ok(vec![200]), Passed(&[&format!("GET {TARGET}")]));
}
