//! What a connection may become, and where it may lead.

use std::net::TcpListener;

use crate::{
    Row,
    client::Client,
    framing::SMUGGLED,
    recorder::Script,
    stand::{
        Class,
        Expected::{Dropped, Passed, Refused, Withheld},
    },
};

pub(crate) const ROWS: [Row; 6] = [
    ("upgrades and what comes early", upgrades),
    ("websocket", websocket),
    ("connect", connect),
    ("expectations", expectations),
    ("requests for other places", other_places),
    ("the admin listener", admin),
];

fn get(target: &str, fields: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: app.example\r\n{fields}\r\n")
}

fn upgrades(class: &mut Class<'_>) {
    for protocol in
        ["h2c", "H2C", "HTTP/2.0", "TLS/1.0", "TLS/1.2, HTTP/1.1", "websocket", "x", "websocket, h2c"]
    {
        let fields = format!(
            "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: {protocol}\r\nHTTP2-Settings: AAMAAABkAAQ\r\n"
        );
        let ask = get("/public/a", &fields);
        // The application does not switch, so that what comes early is a request of its own, and judged as one.
        let seen =
            class.case(format!("{ask}{}", get("/public/b", "")), Passed(&["GET /public/a", "GET /public/b"]));
        let asked = seen
            .first()
            .is_some_and(|seen| seen.fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("upgrade")));
        if asked != matches!(protocol, "websocket" | "x") {
            class.problems.push(format!("{}: {protocol} was asked of the application: {asked}", class.name));
        }
        refused_second(class, &format!("{ask}{}", get("/admin/a", "X-Smuggled: 1\r\n")), 401);
        refused_second(class, &format!("{ask}PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 400);
        refused_second(class, &format!("{ask}\x16\x03\x01 no request\r\n\r\n"), 400);
        class.case(get("/admin/a", &fields), Refused(401));
    }
}

/// The first of two requests arrives, and the second is refused.
fn refused_second(class: &mut Class<'_>, bytes: &str, status: u16) {
    let mut client = Client::to(class.stand.address);
    client.send(bytes.as_bytes());
    let told = [client.answer(true), client.answer(true)]
        .map(|answer| answer.ok().flatten().map(|answer| answer.status));
    // What is no request at all may end the connection without a word.
    if told[0] != Some(200) || !(told[1] == Some(status) || told[1].is_none() && status == 400) {
        class.problems.push(format!("{}: {bytes:?} was answered {told:?}", class.name));
    }
    class.judge(bytes, Ok(vec![200]), Passed(&["GET /public/a"]));
}

fn websocket(class: &mut Class<'_>) {
    let fields = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                  Sec-WebSocket-Version: 13\r\nX-Orgate-Sub: usr_eve\r\n";
    let switch = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    for (target, token, status) in [
        ("/admin/a", "", 401),
        ("/admin/a", "Authorization: Bearer a.b.c\r\n", 401),
        ("/other", "", 403),
        ("/admin/../a", "", 400),
    ] {
        class.stand.recorder.play(target, Script { bytes: switch.into(), ends: false });
        class.case(get(target, &format!("{fields}{token}")), Refused(status));
    }
    // Switched: the question has the identity of the permit, and what follows is nobody's request.
    class
        .stand
        .recorder
        .play("/granted/ws", Script { bytes: format!("{switch}hello").into_bytes(), ends: true });
    let ask = get("/granted/ws", &format!("{fields}{}", class.stand.authorization()));
    for early in ["", "early"] {
        let mut client = Client::to(class.stand.address);
        client.send(format!("{ask}{early}").as_bytes());
        let told = client.answer(false).map(|answer| answer.map(|answer| answer.status));
        let greeting = client.exactly(5);
        if told != Ok(Some(101)) || greeting.as_deref() != Ok(b"hello") {
            class.problems.push(format!("{}: {told:?} {greeting:?}", class.name));
        }
        class.judge(&ask, Ok(vec![200]), Passed(&["GET /granted/ws"]));
    }
    // Asked for by what is no plain question: an answer without a switch is what there can be.
    class.stand.recorder.play("/public/switch", Script { bytes: switch.into(), ends: false });
    for fields in ["", "Upgrade: websocket\r\n", "Connection: Upgrade\r\nUpgrade: h2c\r\n"] {
        class.case(get("/public/switch", fields), Withheld);
    }
}

fn connect(class: &mut Class<'_>) {
    for target in [
        "app.example:443",
        "app.example",
        "127.0.0.1:80",
        "/public/a",
        "*",
        "http://app.example/public/a",
        "@app.example:80",
    ] {
        for host in ["app.example", "app.example:443", "127.0.0.1:80"] {
            for rest in [
                "\r\n".to_owned(),
                format!("Content-Length: {}\r\n\r\n{SMUGGLED}", SMUGGLED.len()),
                format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{SMUGGLED}\r\n0\r\n\r\n", SMUGGLED.len()),
            ] {
                class.case(format!("CONNECT {target} HTTP/1.1\r\nHost: {host}\r\n{rest}"), Refused(400));
            }
        }
    }
    // What is raw behind it is never carried (CVE-2025-64763).
    for raw in ["\x16\x03\x01\x02\x00", SMUGGLED] {
        let mut client = Client::to(class.stand.address);
        client.send(
            format!("CONNECT app.example:443 HTTP/1.1\r\nHost: app.example:443\r\n\r\n{raw}").as_bytes(),
        );
        let told = client.answer(true).map(|answer| answer.into_iter().map(|answer| answer.status).collect());
        drop(client);
        class.judge("CONNECT and raw bytes", told, Dropped(&[400]));
    }
}

fn expectations(class: &mut Class<'_>) {
    let post = |target: &str, fields: &str, body: &str| {
        format!("POST {target} HTTP/1.1\r\nHost: app.example\r\nContent-Length: 5\r\n{fields}\r\n\r\n{body}")
    };
    // Judged before the body is asked for: no `100 Continue` comes first.
    for (target, status) in [("/admin/a", 401), ("/other", 403), ("/public/../a", 400)] {
        for body in ["", "hello"] {
            class.case(post(target, "Expect: 100-continue", body), Refused(status));
        }
    }
    for odd in [
        "Expect: 100-continue\r\nExpect: 100-continue",
        "Expect: 100-continue, 100-continue",
        "Expect: 100-continue, x",
        "Expect: x",
        "Expect:",
        "Expect: 200-ok",
        "Expect: 100-continue;q=1",
        "Expect: \"100-continue\"",
        "Expect: 100-continu\u{e9}",
    ] {
        for target in ["/public/a", "/admin/a"] {
            class.case(post(target, odd, "hello"), Refused(417));
        }
    }
    class.case(get("/public/a", "Expect: 100-continue\r\n"), Passed(&["GET /public/a"]));
    let mut client = Client::to(class.stand.address);
    client.send(post("/public/a", "Expect: 100-continue", "").as_bytes());
    let first = client.answer(false).map(|answer| answer.map(|answer| answer.status));
    client.send(b"hello");
    let second = client.answer(true).map(|answer| answer.into_iter().map(|answer| answer.status).collect());
    if first != Ok(Some(100)) {
        class.problems.push(format!("{}: {first:?} instead of 100", class.name));
    }
    class.judge("a body that is asked for", second, Passed(&["POST /public/a"]));
}

/// Somebody listens there, and nobody may come.
fn other_places(class: &mut Class<'_>) {
    let canary = TcpListener::bind("127.0.0.1:0").unwrap();
    canary.set_nonblocking(true).unwrap();
    let there = canary.local_addr().unwrap();
    let with_host = |target: &str, host: &str, fields: &str| {
        format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n")
    };
    for host in ["app.example".to_owned(), there.to_string()] {
        for target in [
            format!("@{there}/"),
            format!("//{there}/"),
            format!("\\\\{there}/"),
            format!("{there}"),
            format!("{there}/"),
            format!("http://app.example@{there}/"),
            format!("http://{there}@app.example/"),
            format!("http:/{there}/"),
            format!("http:{there}/"),
            format!("ftp://{there}/"),
            format!("file://{there}/"),
            format!("/public/a@{there}:/../"),
        ] {
            class.case(with_host(&target, &host, ""), Refused(400));
        }
    }
    class.case(with_host(&format!("http://{there}/public/a"), "app.example", ""), Refused(400));
    class.case(with_host("http://app.example/public/a", &there.to_string(), ""), Refused(400));
    // Another host is the application's affair, which is asked at its own place.
    let here = Passed(&["GET /public/a"]);
    class.case(with_host("/public/a", &there.to_string(), ""), here);
    class.case(with_host(&format!("http://{there}/public/a"), &there.to_string(), ""), here);
    for name in [
        "X-Forwarded-Host",
        "X-Original-URL",
        "X-Rewrite-URL",
        "Forwarded",
        "X-Host",
        "X-Proxy",
        "Proxy",
        "Destination",
        "Referer",
        "Location",
    ] {
        for value in [format!("http://{there}/"), there.to_string(), format!("host={there}")] {
            class.case(with_host("/public/a", "app.example", &format!("{name}: {value}\r\n")), here);
        }
    }
    class.case(
        with_host(&format!("/public/a?url=http://{there}/"), "app.example", ""),
        Passed(&[&format!("GET /public/a?url=http://{there}/")]),
    );
    if let Ok((_, peer)) = canary.accept() {
        class.problems.push(format!("{}: somebody came from {peer}", class.name));
    }
}

fn admin(class: &mut Class<'_>) {
    let admin = class.stand.admin;
    for host in [
        "app.example".to_owned(),
        admin.to_string(),
        format!("localhost:{}", admin.port()),
        "admin".to_owned(),
    ] {
        for path in ["/metrics", "/healthz", "/readyz", "/status", "/livez", "/debug"] {
            for target in [path.to_owned(), format!("http://{host}{path}")] {
                class.case(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"), Refused(403));
            }
            class.case(
                format!("GET /public{path} HTTP/1.1\r\nHost: {host}\r\n\r\n"),
                Passed(&[&format!("GET /public{path}")]),
            );
        }
    }
    // And nobody gets to the application over there.
    for target in ["/public/a", "/granted/a", "/"] {
        let mut client = Client::to(admin);
        client.send(
            format!("GET {target} HTTP/1.1\r\nHost: app.example\r\n{}\r\n", class.stand.authorization())
                .as_bytes(),
        );
        let told = client.answer(true).map(|answer| answer.into_iter().map(|answer| answer.status).collect());
        class.judge(&format!("{target} of the admin listener"), told, Dropped(&[404]));
    }
}
