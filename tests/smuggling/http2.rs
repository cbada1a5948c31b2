//! Requests of HTTP/2 that would be something else once they are written as HTTP/1.1, in frames and fields by hand.

use crate::{
    Row,
    client::Client,
    framing::SMUGGLED,
    stand::{
        Class,
        Expected::{self, Broken, Curbed, Dropped, Passed, Refused},
    },
};

pub(crate) const ROWS: [Row; 4] = [
    ("http/2: pseudo-headers", pseudo_headers),
    ("http/2: fields", fields),
    ("http/2: lengths and trailers", lengths),
    ("http/2: identity", identity),
];

type Field<'f> = (&'f [u8], &'f [u8]);

const GET: [Field<'static>; 4] =
    [(b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"app.example"), (b":path", b"/public/a")];

/// A request as it is sent: fields, data, trailers.
struct Sent<'f> {
    fields: Vec<Field<'f>>,
    data: Option<&'f [u8]>,
    trailers: Vec<Field<'f>>,
}

/// One case: the request on a stream, then a good one on the next if the connection is still there.
fn case(class: &mut Class<'_>, sent: &Sent<'_>, expected: Expected<'_>) {
    let mut client = Client::to(class.stand.address);
    let has_body = sent.data.is_some();
    let mut bytes = [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &frame(SETTINGS, 0, 0, &[])].concat();
    let block = block(&sent.fields);
    bytes.extend(frame(HEADERS, END_HEADERS | if has_body { 0 } else { END_STREAM }, 1, &block));
    if let Some(data) = sent.data {
        let ends = if sent.trailers.is_empty() { END_STREAM } else { 0 };
        bytes.extend(frame(DATA, ends, 1, data));
    }
    if !sent.trailers.is_empty() {
        bytes.extend(frame(HEADERS, END_HEADERS | END_STREAM, 1, &self::block(&sent.trailers)));
    }
    client.send(&bytes);
    let told = told(&mut client);
    let all = sent.fields.iter().chain(&sent.trailers);
    let what: Vec<u8> = all.flat_map(|(name, value)| [name, &b": "[..], value, b"; "].concat()).collect();
    class.judge(&String::from_utf8_lossy(&what), told, expected);
}

/// The status, if there is one; a stream that is reset and a connection that ends say nothing.
fn told(client: &mut Client) -> Result<Vec<u16>, String> {
    let first = outcome(client, 1)?;
    let told = match first {
        Outcome::Status(status) => vec![status],
        Outcome::Reset => Vec::new(),
        Outcome::Closed => return Ok(Vec::new()),
    };
    client.send(&frame(HEADERS, END_HEADERS | END_STREAM, 3, &block(&GET_PROBE)));
    match outcome(client, 3)? {
        // The peer may have said that it is the last stream.
        Outcome::Status(200) | Outcome::Closed => Ok(told),
        other => Err(format!("the next stream ended with {other:?}")),
    }
}

const GET_PROBE: [Field<'static>; 4] =
    [GET[0], GET[1], GET[2], (b":path", b"/public/probe-of-another-stream")];

#[derive(Debug)]
enum Outcome {
    Status(u16),
    Reset,
    Closed,
}

fn outcome(client: &mut Client, stream: u32) -> Result<Outcome, String> {
    loop {
        let Ok(head) = client.exactly(9) else { return Ok(Outcome::Closed) };
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let payload = client.exactly(length)?;
        let of = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        match head[3] {
            GOAWAY => return Ok(Outcome::Closed),
            RST_STREAM if of == stream => return Ok(Outcome::Reset),
            HEADERS if of == stream => return Ok(Outcome::Status(status(&payload))),
            _ => {}
        }
    }
}

/// The status at the beginning of a block: of the static table, or a literal in Huffman's code, where digits have 5 or 6 bits.
fn status(block: &[u8]) -> u16 {
    if let indexed @ 0x88..=0x8e = block[0] {
        return [200, 204, 206, 304, 400, 404, 500][usize::from(indexed - 0x88)];
    }
    let take = |at: usize, count: usize| {
        let bits = block[2..].iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
        bits.skip(at).take(count).fold(0_u16, |value, bit| value << 1 | u16::from(bit))
    };
    let (mut at, mut status) = (0, 0);
    for _ in 0..3 {
        let (digit, bits) = match take(at, 5) {
            digit @ 0..=2 => (digit, 5),
            _ => (take(at, 6) - 0x19 + 3, 6),
        };
        at += bits;
        status = status * 10 + digit;
    }
    status
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Literal fields, never indexed (RFC 7541 §6.2.2).
fn block(fields: &[Field<'_>]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            match text.len().checked_sub(127) {
                None => block.push(u8::try_from(text.len()).unwrap()),
                Some(mut rest) => {
                    block.push(127);
                    while rest >= 128 {
                        block.push(u8::try_from(rest % 128 + 128).unwrap());
                        rest /= 128;
                    }
                    block.push(u8::try_from(rest).unwrap());
                }
            }
            block.extend_from_slice(text);
        }
    }
    block
}

fn get_with<'f>(more: &[Field<'f>]) -> Sent<'f> {
    Sent { fields: GET.iter().chain(more).copied().collect(), data: None, trailers: Vec::new() }
}

fn get_but<'f>(name: &str, value: Option<&'f [u8]>) -> Sent<'f> {
    let changed = GET.iter().filter_map(|&(other, kept)| match other == name.as_bytes() {
        true => value.map(|value| (other, value)),
        false => Some((other, kept)),
    });
    Sent { fields: changed.collect(), data: None, trailers: Vec::new() }
}

const REFUSED: Expected<'static> = Dropped(&[400]);

/// Pseudo-headers, and values that are none of theirs.
const WRONG: [(&str, &[&[u8]]); 4] = [
    (
        ":path",
        &[
            b"",
            b"admin",
            b"?x",
            b"#x",
            b"*",
            b"http://app.example/admin",
            b"//app.example/admin",
            b"/public/a b",
            b"/public/a\r\nX-Smuggled: 1",
            b"/public/a HTTP/1.1\r\nHost: app.example\r\n\r\nGET /admin",
            b"/public/a\n",
            b"/public/a\r",
            b"/public/a\0",
            b"/public/a\t",
            b"/public/a\x7f",
            b"/public/\xff",
            b"/public/\xc3\xa9",
            b"/public/../admin",
            b"/public/%2e%2e/admin",
            b"/public;/a",
            b"\\admin",
        ],
    ),
    (
        ":method",
        &[
            b"",
            b"GE T",
            b"GET ",
            b" GET",
            b"GET\0",
            b"GET\r\nX-Smuggled: 1",
            b"GET /admin HTTP/1.1\r\nHost: app.example\r\n\r\nGET",
            b"GET\n",
            b"G\xc3\x84T",
            b"get",
            b"TRACE",
        ],
    ),
    (
        ":scheme",
        &[
            b"",
            b"ftp",
            b"file",
            b"javascript",
            b"ht tp",
            b"http\r\n",
            b"http://app.example/admin?",
            b"http\r\nX-Smuggled: 1",
            b"http\0",
        ],
    ),
    (
        ":authority",
        &[
            b"",
            b"a b",
            b"a/b",
            b"a,b",
            b"app.example,evil.example",
            b"app.example:80:80",
            b"app.example:+80",
            b"app.example:99999",
            b"app.example:http",
            b"user@app.example",
            b"user:secret@app.example",
            b"app.example\r\nX-Smuggled: 1",
            b"app.example\0",
            b"app.example/admin",
            b"app.example?x",
            b"app.example#x",
            b"[::1",
        ],
    ),
];

fn pseudo_headers(class: &mut Class<'_>) {
    case(class, &get_with(&[]), Passed(&["GET /public/a"]));
    for (name, values) in WRONG {
        for value in values {
            case(class, &get_but(name, Some(value)), REFUSED);
        }
    }
    for name in [":path", ":method", ":scheme", ":authority"] {
        case(class, &get_but(name, None), REFUSED);
        let twice = GET.iter().find(|(other, _)| *other == name.as_bytes()).copied().unwrap();
        case(class, &get_with(&[twice]), REFUSED);
        case(class, &get_with(&[(name.as_bytes(), b"/admin")]), REFUSED);
    }
    for late in GET {
        let rest = GET.iter().filter(|field| **field != late).copied();
        let fields = rest.chain([(&b"x-a"[..], &b"1"[..]), late]).collect();
        case(class, &Sent { fields, data: None, trailers: Vec::new() }, REFUSED);
    }
    for unknown in [&b":proto"[..], b":status", b":protocol", b":", b":Path", b":path "] {
        case(class, &get_with(&[(unknown, b"websocket")]), REFUSED);
    }
    let connect: [Vec<Field<'_>>; 3] = [
        vec![(b":method", b"CONNECT"), (b":authority", b"app.example:443")],
        vec![(b":method", b"CONNECT"), GET[1], GET[2], GET[3]],
        vec![(b":method", b"CONNECT"), (b":protocol", b"connect-udp"), GET[1], GET[2], GET[3]],
    ];
    for fields in connect {
        case(class, &Sent { fields, data: None, trailers: Vec::new() }, REFUSED);
    }
    // The parser cuts off a fragment; what is left is judged and forwarded.
    case(class, &get_but(":path", Some(b"/public/a#/admin")), Passed(&["GET /public/a"]));
    case(class, &get_but(":path", Some(b"/admin#/public")), Refused(401));
}

fn fields(class: &mut Class<'_>) {
    let smuggled = format!("1\r\n\r\n{SMUGGLED}");
    let wrong: [Field<'_>; 48] = [
        (b"connection", b"close"),
        (b"connection", b"keep-alive"),
        (b"connection", b"x-orgate-sub"),
        (b"Connection", b"close"),
        (b"keep-alive", b"timeout=5"),
        (b"proxy-connection", b"keep-alive"),
        (b"upgrade", b"websocket"),
        (b"upgrade", b"h2c"),
        (b"transfer-encoding", b"chunked"),
        (b"transfer-encoding", b"identity"),
        (b"transfer-encoding", b""),
        (b"Transfer-Encoding", b"chunked"),
        (b"transfer_encoding", b"chunked"),
        (b"transfer.encoding", b"chunked"),
        (b"te", b"gzip"),
        (b"te", b"chunked"),
        (b"te", b"trailers, chunked"),
        (b"content_length", b"0"),
        (b"content-length", b"+0"),
        (b"content-length", b"-0"),
        (b"content-length", b"00"),
        (b"content-length", b"0x0"),
        (b"content-length", b"0, 0"),
        (b"content-length", b""),
        (b"content-length", b"1"),
        (b"content-length", b"18446744073709551616"),
        (b"host", b"evil.example"),
        (b"host", b"app.example:80"),
        (b"host", b""),
        (b"Host", b"app.example"),
        (b"X-Upper", b"1"),
        (b"", b"1"),
        (b"x a", b"1"),
        (b"x:a", b"1"),
        (b"x\r\nx-smuggled", b"1"),
        (b"x: 1\r\nx-smuggled", b"1"),
        (b"x\0", b"1"),
        (b"x\n", b"1"),
        (b"x\xc3\xa9", b"1"),
        (b"x", b"1\r\nX-Smuggled: 1"),
        (b"x", b"1\nX-Smuggled: 1"),
        (b"x", b"1\rX-Smuggled: 1"),
        (b"x", b"1\0"),
        (b"x", b"\r\n"),
        (b"x", b" 1"),
        (b"x", b"1 "),
        (b"x", b"\t1"),
        (b"x", smuggled.as_bytes()),
    ];
    for field in wrong {
        case(class, &get_with(&[field]), REFUSED);
        let post = Sent { data: Some(b""), ..get_with(&[field]) };
        case(class, &post, REFUSED);
    }
    for twice in [
        [(&b"host"[..], &b"app.example"[..]), (b"host", b"app.example")],
        [(b"content-length", b"0"), (b"content-length", b"0")],
        [(b"expect", b"100-continue"), (b"expect", b"100-continue")],
    ] {
        case(class, &get_with(&twice), Dropped(&[400, 417]));
    }
    for fine in [(&b"te"[..], &b"trailers"[..]), (b"host", b"app.example"), (b"x", b""), (b"x", b"\xc3\xa9")]
    {
        case(class, &get_with(&[fine]), Passed(&["GET /public/a"]));
    }
}

fn lengths(class: &mut Class<'_>) {
    let post = |length: &'static [u8], data: &'static [u8]| Sent {
        fields: GET.iter().copied().chain([(&b"content-length"[..], length)]).collect(),
        data: Some(data),
        trailers: Vec::new(),
    };
    for (length, data) in [
        (&b"5"[..], &b"hell"[..]),
        (b"5", b""),
        (b"3", b"hello"),
        (b"0", b"GET /public/smuggled HTTP/1.1\r\nHost: a\r\n\r\n"),
        (b"0", b"x"),
    ] {
        // Begun as it came, and never whole. Where nothing was announced nothing is waited for: what is too much is lost.
        let expected = if length == b"0" { Curbed("GET /public/a") } else { Broken };
        case(class, &post(length, data), expected);
    }
    for (length, data) in [(&b"5"[..], &b"hello"[..]), (b"0", b"")] {
        case(class, &post(length, data), Passed(&["GET /public/a"]));
    }
    let trailers: [Field<'_>; 12] = [
        (b"connection", b"close"),
        (b"transfer-encoding", b"chunked"),
        (b"X-Upper", b"1"),
        (b"x a", b"1"),
        (b"", b"1"),
        (b"x", b"1\r\nX-Smuggled: 1"),
        (b"x", b"1\n"),
        (b"x", b"1\0"),
        (b"x\r\n", b"1"),
        (b"te", b"gzip"),
        (b"upgrade", b"h2c"),
        (b"keep-alive", b"1"),
    ];
    for trailer in trailers {
        let sent = Sent { data: Some(b"hello"), trailers: vec![trailer], ..get_with(&[]) };
        case(class, &sent, Broken);
    }
    // The parser drops these: of such a request everything else arrives.
    for trailer in [(&b":path"[..], &b"/admin"[..]), (b":status", b"200"), (b":method", b"DELETE")] {
        let sent = Sent { data: Some(b"hello"), trailers: vec![trailer], ..get_with(&[]) };
        case(class, &sent, Passed(&["GET /public/a"]));
    }
}

fn identity(class: &mut Class<'_>) {
    let names = [
        "x-orgate-sub",
        "x_orgate_sub",
        "x.orgate.sub",
        "x-orgate_sub",
        "x~orgate~sub",
        "x!orgate!sub",
        "x-orgate-role",
        "x_orgate_role",
        "x-orgate-org-id",
        "x_orgate_org_id",
        "x-orgate-permissions",
        "x.orgate.permissions",
        "x-orgate-assertion",
        "x-orgate-invented",
        "x-user",
        "x_user",
        "x-forwarded-user",
        "x-forwarded-for",
        "forwarded",
        "x-real-ip",
        "x-original-url",
        "x-rewrite-url",
        "x-http-method-override",
        "x-request-id",
        "proxy",
        "proxy-authorization",
        "http2-settings",
    ];
    let token = format!("Bearer {}", class.stand.token);
    for name in names {
        let claim = (name.as_bytes(), &b"usr_eve"[..]);
        case(class, &get_with(&[claim]), Passed(&["GET /public/a"]));
        case(class, &get_with(&[claim, claim]), Passed(&["GET /public/a"]));
        let mut granted = get_but(":path", Some(b"/granted/a"));
        granted.fields.extend([claim, (b"authorization", token.as_bytes())]);
        case(class, &granted, Passed(&["GET /granted/a"]));
        let behind = Sent { data: Some(b"hello"), trailers: vec![claim], ..get_with(&[]) };
        case(class, &behind, Passed(&["GET /public/a"]));
    }
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
