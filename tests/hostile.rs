//! Ten thousand requests that nobody would send, to the real proxy: it goes on serving, and nothing reaches the application that
//! no rule lets in.
//!
//! Made from good requests by the same random numbers at each run, so that what is found once is found again. `ORGATE_SEED` and
//! `ORGATE_REQUESTS` ask for others, and for more.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    time::Duration,
};

use orgate_e2e::{Folder, Running, orgate, request_to};
use orgate_testkit::{Answer, TestKey, Upstream, jwks};

const POLICY: &str = "\
version: 1
issuers:
  main: {issuer: \"https://id.example.com\", audience: demo-api, profile: orgate, keys: {file: keys.json}}
rules:
  ANY /public/**: public
  ANY /admin/**: role(owner)
";

/// What is made worse.
const HEADS: [&str; 6] = [
    "GET /public/a?b=c HTTP/1.1\r\nHost: app.example\r\nX_Orgate_Sub: usr_eve\r\nConnection: close\r\n\r\n",
    "POST /public/a HTTP/1.1\r\nHost: app.example\r\nX-Orgate-Sub: usr_eve\r\nContent-Length: 5\r\n\r\nhello",
    "POST /public/a HTTP/1.1\r\nHost: app.example\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n",
    "GET /admin/a HTTP/1.1\r\nHost: app.example\r\nAuthorization: Bearer a.b.c\r\nX-Orgate-Sub: usr_eve\r\n\r\n",
    "GET /public/../admin/x HTTP/1.1\r\nHost: app.example\r\nX-Original-URL: /admin\r\nCookie: a=b; c=d\r\n\r\n",
    "GET /public/a HTTP/1.1\r\nHost: app.example\r\n\r\nGET /admin/a HTTP/1.1\r\nHost: app.example\r\n\r\n",
];

/// What is put in where it does not belong.
const PIECES: [&[u8]; 24] = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b" ",
    b"\t",
    b":",
    b"\r\n\r\n",
    b"\r\n ",
    b"%2e%2e/",
    b"%00",
    b"//",
    b"/../admin/",
    b"Content-Length: 0\r\n",
    b"Content-Length: 7\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: x\r\n",
    b"Host: other.example\r\n",
    b"Connection: X-Orgate-Sub\r\n",
    b"X_Orgate_Sub: usr_eve\r\n",
    b"Expect: 100-continue\r\n",
    b"Upgrade: h2c\r\n",
    b"\xff\xfe",
    b"18446744073709551616",
];

/// Numbers that are the same at each run (xorshift64*).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let drawn = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(drawn).unwrap() % below.max(1)
    }

    /// Changes a few things.
    fn worsen(&mut self, bytes: &mut Vec<u8>, pieces: &[&[u8]]) {
        for _ in 0..=self.roll(4) {
            let at = self.roll(bytes.len());
            match self.roll(7) {
                0 => bytes[at] ^= 1 << self.roll(8),
                1 => bytes[at] = u8::try_from(self.roll(256)).unwrap(),
                2 => drop(bytes.splice(at..at, pieces[self.roll(pieces.len())].iter().copied())),
                3 => drop(bytes.drain(at..(at + self.roll(20)).min(bytes.len()))),
                4 => bytes.truncate(at.max(1)),
                5 => {
                    let part = bytes[at..(at + self.roll(60)).min(bytes.len())].to_vec();
                    let to = self.roll(bytes.len());
                    drop(bytes.splice(to..to, part));
                }
                _ => {
                    let many = vec![bytes[at]; self.roll(3000)];
                    drop(bytes.splice(at..at, many));
                }
            }
            if bytes.is_empty() {
                bytes.push(b'G');
            }
        }
    }
}

struct Stand {
    runtime: tokio::runtime::Runtime,
    application: Upstream,
    running: Running,
    _folder: Folder,
}

impl Stand {
    fn start() -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let application = runtime.block_on(Upstream::start());
        application.answer(Answer::status(200));
        let folder = Folder::new();
        folder.write("orgate.yaml", POLICY);
        folder.write("keys.json", &jwks([TestKey::es256()]));
        let free = "127.0.0.1:0";
        let running = orgate()
            .args([
                "proxy",
                "--upstream",
                &application.url(),
                "--listen",
                free,
                "--admin",
                free,
                "--log",
                "error",
            ])
            .folder(folder.path())
            .ready();
        Self { runtime, application, running, _folder: folder }
    }

    /// Sends these bytes and reads what comes until the connection ends.
    fn send(&self, bytes: &[u8]) -> Vec<u8> {
        let url = self.running.url("proxy");
        let mut stream = TcpStream::connect(url.strip_prefix("http://").unwrap()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        // It may have refused before it read all.
        let _ = stream.write_all(bytes).and_then(|()| stream.shutdown(Shutdown::Write));
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer) {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                panic!("the connection was left open: {:?}", String::from_utf8_lossy(bytes));
            }
            _ => answer,
        }
    }

    /// The same from a client that waits for an answer before it ends its half: over HTTP/2 the end of the one half is the end
    /// of all, and what was not begun by then never is.
    fn send_and_wait(&self, bytes: &[u8]) {
        let url = self.running.url("proxy");
        let mut stream = TcpStream::connect(url.strip_prefix("http://").unwrap()).unwrap();
        let _ = stream.write_all(bytes);
        stream.set_read_timeout(Some(Duration::from_millis(8))).unwrap();
        let mut part = [0; 4096];
        while matches!(stream.read(&mut part), Ok(1..)) {}
        let _ = stream.shutdown(Shutdown::Write);
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        while matches!(stream.read(&mut part), Ok(1..)) {}
    }

    /// It still serves whom it should, and nobody else.
    fn is_well(&self) {
        let base = self.running.url("proxy");
        assert_eq!(request_to(&base, "GET", "/public/well", &[]).status, 200);
        assert_eq!(request_to(&base, "GET", "/admin/well", &[]).verdict(), "401 no_credential");
    }

    /// Nothing that no rule lets in.
    fn what_arrived(&self, sent: &[u8]) -> usize {
        let requests = self.application.take_requests();
        for request in &requests {
            let sent = String::from_utf8_lossy(sent);
            let path = request.target.split('?').next().unwrap();
            let is_open = path == "/public" || path.starts_with("/public/");
            let climbs = path.split('/').any(|segment| matches!(segment, "." | ".."));
            // It may be of one before, whose client was gone already.
            assert!(is_open && !climbs, "{} arrived of {sent:?}", request.target);
            let told =
                request.headers.keys().find(|name| name.as_str().replace('_', "-").starts_with("x-orgate-"));
            assert!(told.is_none(), "{told:?} arrived of {sent:?}");
        }
        requests.len()
    }
}

fn asked(default: usize) -> (u64, usize) {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let count = number("ORGATE_REQUESTS").map_or(default, |count| usize::try_from(count).unwrap());
    (number("ORGATE_SEED").unwrap_or(0x0A7E).max(1), count)
}

#[test]
fn requests_of_http1_that_nobody_would_send() {
    let stand = Stand::start();
    let (seed, count) = asked(6000);
    let mut dice = Dice(seed);
    let mut arrived = 0;
    for number in 0..count {
        let mut bytes = HEADS[dice.roll(HEADS.len())].as_bytes().to_vec();
        dice.worsen(&mut bytes, &PIECES);
        let answer = stand.send(&bytes);
        assert!(
            answer.is_empty() || answer.starts_with(b"HTTP/1."),
            "{:?} was answered {:?}",
            String::from_utf8_lossy(&bytes),
            String::from_utf8_lossy(&answer)
        );
        arrived += stand.what_arrived(&bytes);
        if number % 1000 == 0 {
            stand.is_well();
            let _ = stand.application.take_requests();
        }
    }
    stand.is_well();
    assert!(arrived > count / 50, "{arrived} arrived: too much was refused for this to say anything");
    assert_ne!(stand.running.terminate().code, None, "it ended by itself");
}

/// A connection of HTTP/2 by prior knowledge with one request, its fields written out (RFC 7541 §6.2.2).
fn http2(path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let bytes: Vec<(&[u8], &[u8])> =
        more.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    http2_of(path.as_bytes(), &bytes)
}

/// Frames that stand, with fields that do not.
fn odd_fields(dice: &mut Dice) -> Vec<u8> {
    const NAMES: [&[u8]; 16] = [
        b"x-orgate-sub",
        b"X-Orgate-Sub",
        b"x_orgate_sub",
        b"connection",
        b"transfer-encoding",
        b"content-length",
        b"host",
        b":path",
        b":authority",
        b"te",
        b"upgrade",
        b"expect",
        b"trailer",
        b"a b",
        b"",
        b"x\r\nx-orgate-sub",
    ];
    const VALUES: [&[u8]; 12] = [
        b"usr_eve",
        b"a\r\nX-Orgate-Sub: usr_eve",
        b"chunked",
        b"5",
        b"-1",
        b"other.example",
        b"/admin",
        b"x-orgate-sub",
        b"\0",
        b"\xff",
        b"",
        b" trailers ",
    ];
    const PATHS: [&[u8]; 12] = [
        b"/public/a",
        b"/public/a",
        b"/public/a?b=/../admin",
        b"/public/../admin",
        b"/admin",
        b"admin",
        b"",
        b"//admin",
        b"*",
        b"/public/%2e%2e/admin",
        b"/public/a\r\nX: y",
        b"http://app.example/admin",
    ];
    let count = dice.roll(4);
    let fields: Vec<(&[u8], &[u8])> =
        (0..count).map(|_| (NAMES[dice.roll(NAMES.len())], VALUES[dice.roll(VALUES.len())])).collect();
    http2_of(PATHS[dice.roll(PATHS.len())], &fields)
}

fn http2_of(path: &[u8], more: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut block = Vec::new();
    let mut fields: Vec<(&[u8], &[u8])> =
        vec![(b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"app.example"), (b":path", path)];
    fields.extend(more);
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).unwrap());
            block.extend(text);
        }
    }
    let frame = |kind: u8, flags: u8, stream: u32, payload: &[u8]| {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
    };
    [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        frame(4, 0, 0, &[]),
        frame(1, 0x5, 1, &block),
        frame(6, 0, 0, b"12345678"),
        frame(8, 0, 0, &[0, 0, 16, 0]),
        frame(1, 0x5, 3, &block),
    ]
    .concat()
}

/// Frames and fields that do not belong.
const FRAMES: [&[u8]; 10] = [
    &[0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 8],
    &[0, 0, 0, 0, 1, 0, 0, 0, 1],
    &[0, 0, 0, 9, 4, 0, 0, 0, 1],
    &[0, 0, 5, 2, 0, 0, 0, 0, 1, 0, 0, 0, 1, 255],
    &[0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 255, 255, 255, 255],
    &[255, 255, 255, 0, 0, 0, 0, 0, 1],
    &[0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0],
    b"\x00\x0cx-orgate-sub\x03eve",
    b"\x00\x05:path\x06/admin",
    b"\x00\x11transfer-encoding\x07chunked",
];

#[test]
fn connections_of_http2_that_nobody_would_open() {
    let stand = Stand::start();
    let (seed, count) = asked(4000);
    let mut dice = Dice(seed ^ 0x2222);
    let good = [
        http2("/public/a", &[]),
        http2("/admin/a", &[("authorization", "Bearer a.b.c"), ("x-orgate-sub", "usr_eve")]),
        http2("/public/../admin", &[("te", "trailers"), ("cookie", "a=b")]),
    ];
    let mut arrived = 0;
    for number in 0..count {
        if number % 2 == 0 {
            let bytes = odd_fields(&mut dice);
            if number % 8 == 0 {
                stand.send_and_wait(&bytes)
            } else {
                drop(stand.send(&bytes))
            }
            arrived += stand.what_arrived(&bytes);
            continue;
        }
        let mut bytes = good[dice.roll(good.len())].clone();
        // Most of the time behind the preface: what breaks that is a request of HTTP/1.1.
        let kept = if dice.roll(10) == 0 { 0 } else { 24 };
        let mut rest = bytes.split_off(kept);
        dice.worsen(&mut rest, &FRAMES);
        bytes.extend(rest);
        if number % 8 == 1 {
            stand.send_and_wait(&bytes)
        } else {
            drop(stand.send(&bytes))
        }
        arrived += stand.what_arrived(&bytes);
        if number % 1000 == 0 {
            stand.is_well();
            let _ = stand.application.take_requests();
        }
    }
    stand.is_well();
    assert!(arrived > count / 50, "{arrived} arrived: too much was refused for this to say anything");
    assert_ne!(stand.running.terminate().code, None, "it ended by itself");
    drop(stand.runtime);
}
