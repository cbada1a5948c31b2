//! The change feed of a real issuer: through its end, its kill, and beside commands that change the same database.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::TcpStream,
};

use orgate_e2e::{
    installation::{Installation, manage, operator},
    orgate, request,
};
use serde_json::{Value, json};

/// A reader of the stream.
struct Reader(BufReader<TcpStream>);

/// What comes next in a stream.
#[derive(Debug, PartialEq)]
enum Next {
    Message(Value),
    /// The stream was ended as HTTP ends a body.
    End,
    /// The connection is gone.
    Cut,
}

impl Reader {
    fn open(base: &str, key: &str, last: Option<&Value>) -> Self {
        let address = base.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        let last = last.map_or_else(String::new, |seq| format!("Last-Event-ID: {seq}\r\n"));
        write!(
            stream,
            "GET /p/proj_demo/revocations HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {key}\r\n\
             Accept: text/event-stream\r\n{last}\r\n"
        )
        .unwrap();
        Self(BufReader::new(stream))
    }

    /// The next message, past everything that only says that there is none.
    fn next(&mut self) -> Next {
        let mut line = String::new();
        loop {
            line.clear();
            if self.0.read_line(&mut line).unwrap_or(0) == 0 {
                return Next::Cut;
            }
            match (line.trim_end(), line.strip_prefix("data: ")) {
                // The chunk without anything in it (RFC 9112 section 7.1).
                ("0", _) => return Next::End,
                (_, Some(data)) => return Next::Message(serde_json::from_str(data).unwrap()),
                _ => {}
            }
        }
    }

    fn message(&mut self) -> Value {
        match self.next() {
            Next::Message(message) => message,
            other => panic!("{other:?}"),
        }
    }
}

fn key(base: &str, cookie: &str) -> String {
    let wish = json!({ "name": "gate", "scopes": ["feed"] });
    let made = manage(base, cookie, "POST", "/keys", Some(&wish)).unwrap();
    assert_eq!(made.status, 201, "{}", made.body);
    made.json()["secret"].as_str().unwrap().to_owned()
}

#[test]
fn positions_and_marks_survive_a_kill_and_a_stream_ends_with_its_issuer() {
    let installation = Installation::sqlite(&[]);
    let running = installation.start("127.0.0.1:0");
    let base = running.url("issuer");
    let cookie = operator(&base);
    let key = key(&base, &cookie);
    let mut reader = Reader::open(&base, &key, None);
    assert_eq!(reader.message()["marks"], json!([]));
    let suspended = json!({ "status": "suspended" });
    assert_eq!(manage(&base, &cookie, "PATCH", "/orgs/org_acme", Some(&suspended)).unwrap().status, 200);
    let told = reader.message();
    assert_eq!((&told["marks"][0]["kind"], &told["marks"][0]["org_id"]), (&json!("org"), &json!("org_acme")));
    running.kill();
    assert_eq!(reader.next(), Next::Cut);

    let again = installation.start(base.strip_prefix("http://").unwrap());
    let mut same = Reader::open(&base, &key, Some(&told["seq"]));
    assert_eq!(same.message(), json!({ "seq": told["seq"], "marks": [] }), "it goes on where it was");
    let headers = [("authorization", format!("Bearer {key}"))];
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let all = request("GET", &format!("{base}/p/proj_demo/revocations"), &headers, None).json();
    assert_eq!(all["marks"], told["marks"], "whoever begins anew is told the same");
    assert_eq!(again.terminate().code, Some(0));
    assert_eq!(same.next(), Next::End);
}

#[test]
fn a_command_beside_the_issuer_reaches_its_readers() {
    let installation = Installation::sqlite(&[]);
    let running = installation.start("127.0.0.1:0");
    let base = running.url("issuer");
    let key = key(&base, &operator(&base));
    let mut reader = Reader::open(&base, &key, None);
    assert_eq!(reader.message()["marks"], json!([]));
    let jwks = request("GET", &format!("{base}/p/proj_demo/jwks.json"), &[], None).json();
    let rotated = orgate()
        .args(["issuer", "keys", "rotate", "--now", "--alg", "ES256", "--database", &installation.url()])
        .folder(installation.folder.path())
        .finish();
    assert_eq!(rotated.code, Some(0), "{}", rotated.stderr);
    let mark = reader.message()["marks"][0].clone();
    assert_eq!(mark["kind"], "key");
    let kids: Vec<&Value> = jwks["keys"].as_array().unwrap().iter().map(|key| &key["kid"]).collect();
    assert!(kids.contains(&&mark["kid"]), "{mark} of {jwks}");
    assert_eq!(running.terminate().code, Some(0));
}
