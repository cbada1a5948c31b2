//! What went wrong elsewhere, each hole as the request that went through it. `/granted` is for owners of an organization, and its
//! requests are sent with and without a token where that makes a difference.

use crate::{
    Row,
    stand::{
        Class,
        Expected::{self, Dropped, Passed, Refused},
    },
};

pub(crate) const ROWS: [Row; 1] = [("holes of others", holes)];

const PUBLIC: Expected<'static> = Passed(&["GET /public/a"]);

/// Its number, the request target, further fields, and what becomes of it.
type Hole = (&'static str, &'static str, &'static str, Expected<'static>);

const HOLES: [Hole; 76] = [
    ("CVE-2019-9900", "/admin/a", "X-A: b\0c\r\n", Refused(400)),
    ("CVE-2019-9901", "/public/../admin", "", Refused(400)),
    ("CVE-2021-29492", "/public%2f..%2fadmin", "", Refused(400)),
    ("CVE-2021-29492", "/public/..%5cadmin", "", Refused(400)),
    ("CVE-2021-31920", "//admin", "", Refused(400)),
    (
        "CVE-2021-32777",
        "/admin/a",
        "Authorization: Bearer a.b.c\r\nAuthorization: Bearer a.b.c\r\n",
        Refused(400),
    ),
    ("CVE-2021-32777", "/admin/a", "X-Orgate-Role: viewer\r\nX-Orgate-Role: owner\r\n", Refused(401)),
    ("CVE-2021-32779", "/admin#x", "", Refused(400)),
    ("CVE-2021-39156", "/public#/../admin", "", Refused(400)),
    ("CVE-2020-8595", "/admin?x", "", Refused(401)),
    ("CVE-2020-8595", "/admin#?", "", Refused(400)),
    ("CVE-2023-27487", "/admin/a", "X-Envoy-Original-Path: /public\r\n", Refused(401)),
    ("CVE-2023-27487", "/public/a", "X-Envoy-Original-Path: /admin\r\n", PUBLIC),
    ("CVE-2023-27488", "/admin/a", "X-A: \u{c3}\u{28}\r\n", Refused(401)),
    ("CVE-2025-64763", "/public/a", "Connection: Upgrade\r\nUpgrade: h2c\r\n", PUBLIC),
    ("CVE-2026-26308", "/admin/a", "X-Role: user,owner\r\nX-Orgate-Role: user,owner\r\n", Refused(401)),
    ("CVE-2026-31838", "/admin/a", "X-Orgate-Role: user\r\nX-Orgate-Role: owner\r\n", Refused(401)),
    ("CVE-2026-39350", "/publicXa", "", Refused(403)),
    ("CVE-2026-39350", "/read-a", "", Refused(403)),
    ("CVE-2026-33186", "admin/a", "", Refused(400)),
    ("CVE-2026-33494", "/public/../admin", "", Refused(400)),
    ("CVE-2026-33495", "/admin/a", "X-Forwarded-Proto: https\r\n", Refused(401)),
    ("CVE-2021-32701", "/admin/a", "Authorization: Bearer a.b.c\r\n", Refused(401)),
    ("GHSA-w9mr", "/public/a", "Connection: X-User\r\nX-User: usr_eve\r\n", PUBLIC),
    ("CVE-2023-47106", "/public/#/../admin", "", Refused(400)),
    ("CVE-2025-32431", "/public/../../admin", "", Refused(400)),
    ("CVE-2025-47952", "/public/%2e%2e/admin", "", Refused(400)),
    ("CVE-2025-66490", "/public%2fadmin", "", Refused(400)),
    ("CVE-2025-66490", "/public%5cadmin", "", Refused(400)),
    ("CVE-2025-66490", "/public%00admin", "", Refused(400)),
    ("CVE-2025-66490", "/public%3badmin", "", Refused(400)),
    ("CVE-2025-66490", "/public%3fadmin", "", Refused(400)),
    ("CVE-2025-66490", "/public%23admin", "", Refused(400)),
    ("CVE-2026-40912", "/public%2e/admin", "", Refused(400)),
    ("CVE-2026-48020", "/public/..", "", Refused(400)),
    ("CVE-2026-65600", "/public/../admin", "", Refused(400)),
    ("CVE-2026-67309", "/public../admin", "", Refused(400)),
    ("CVE-2024-45410", "/public/a", "Connection: X-Real-Ip\r\nX-Real-Ip: 127.0.0.1\r\n", PUBLIC),
    ("CVE-2024-45410", "/public/a", "Connection: X-Forwarded-For\r\nX-Forwarded-For: 6.6.6.6\r\n", PUBLIC),
    (
        "CVE-2026-29054",
        "/public/a",
        "connection: x-real-ip, x-forwarded-host\r\nx-real-ip: 6.6.6.6\r\n",
        PUBLIC,
    ),
    ("CVE-2026-33433", "/public/a", "x-ORGATE-sub: usr_eve\r\n", PUBLIC),
    ("CVE-2026-39858", "/public/a", "X_Orgate_Sub: usr_eve\r\n", PUBLIC),
    ("CVE-2026-54763", "/public/a", "X.Orgate.Sub: usr_eve\r\n", PUBLIC),
    ("CVE-2026-35051", "/public/a", "X-Forwarded-Prefix: /admin\r\n", PUBLIC),
    ("CVE-2025-54576", "/admin?/public", "", Refused(401)),
    ("CVE-2025-54576", "/admin?x=/public/a", "", Refused(401)),
    ("CVE-2026-41059", "/admin#/public", "", Refused(400)),
    ("CVE-2026-40575", "/admin/a", "X-Forwarded-Uri: /public/a\r\n", Refused(401)),
    ("CVE-2026-34457", "/admin/a", "User-Agent: GoogleHC/1.0\r\n", Refused(401)),
    ("CVE-2025-64484", "/public/a", "X_Forwarded_User: usr_eve\r\n", PUBLIC),
    ("CVE-2021-39206", "/public/..%2fadmin", "", Refused(400)),
    ("CVE-2023-33189", "/public/.%2e/admin", "", Refused(400)),
    ("CVE-2026-27587", "/%41DMIN", "", Refused(400)),
    ("CVE-2026-27587", "/ADMIN", "", Refused(403)),
    ("CVE-2026-30851", "/public/a", "X-Orgate-Sub: usr_eve\r\nX-Orgate-Permissions: usr_eve\r\n", PUBLIC),
    ("CVE-2026-52845", "/public/a", "X_User: usr_eve\r\n", PUBLIC),
    ("GHSA-gx7w", "/publicadmin", "", Refused(403)),
    ("CVE-2021-32637", "/%zz", "", Refused(400)),
    ("CVE-2022-22978", "/admin%0a", "", Refused(400)),
    ("CVE-2022-22978", "/admin%0d%0a/x", "", Refused(400)),
    ("CVE-2023-20860", "admin", "", Refused(400)),
    ("CVE-2022-31692", "/admin/a", "X-Original-URL: /public/a\r\n", Refused(401)),
    ("CVE-2016-5007", "/admin%20", "", Refused(400)),
    ("CVE-2016-5007", "/admin%09", "", Refused(400)),
    ("CVE-2026-15573", "/admin/", "", Refused(401)),
    ("CVE-2026-15573", "/admin;", "", Refused(400)),
    ("CVE-2026-3872", "/public/..;/admin", "", Refused(400)),
    ("KIC-1031", "/public/x/../../admin", "", Refused(400)),
    ("CVE-2021-43557", "/public/%2e%2e%2fadmin", "", Refused(400)),
    ("CVE-2026-2833", "/public/a", "Connection: Upgrade\r\nUpgrade: x\r\n", PUBLIC),
    ("CVE-2026-2835", "/public/a", "Transfer-Encoding: chunked, identity\r\n", Refused(400)),
    (
        "CVE-2026-2835",
        "/public/a",
        "Transfer-Encoding: identity, chunked\r\nContent-Length: 5\r\n",
        Refused(400),
    ),
    ("httpoxy", "/public/a", "Proxy: http://evil.example/\r\n", PUBLIC),
    ("httpoxy", "/public/a", "proxy: http://evil.example/\r\nConnection: Proxy\r\n", PUBLIC),
    ("CVE-2021-41230", "/admin/a", "X-Orgate-Assertion: a.b.c\r\n", Refused(401)),
    ("CVE-2021-29652", "/admin/a?token=a.b.c&X-Orgate-Sub=usr_ann", "", Refused(401)),
];

fn holes(class: &mut Class<'_>) {
    for (number, target, fields, expected) in HOLES {
        let before = class.problems.len();
        class.case(format!("GET {target} HTTP/1.1\r\nHost: app.example\r\n{fields}\r\n"), expected);
        for problem in &mut class.problems[before..] {
            *problem = format!("{number}: {problem}");
        }
    }
    // Hosts: compared without case (CVE-2021-39155, CVE-2026-48794, CVE-2026-27588).
    for host in ["GUARDED.example", "guarded.EXAMPLE", "Guarded.example:80"] {
        class.case(format!("GET /host/a HTTP/1.1\r\nHost: {host}\r\n\r\n"), Refused(401));
    }
    // A CONNECT with a body must not poison what is shared (CVE-2026-71324).
    let body = "GET /public/smuggled HTTP/1.1\r\n\r\n";
    let connect = format!(
        "CONNECT app.example:80 HTTP/1.1\r\nHost: app.example:80\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    class.case(connect, Dropped(&[400, 405]));
    // A token that passed one rule is judged anew by the next (CVE-2026-33496, CVE-2021-32701): passed, refused, passed.
    let token = class.stand.authorization();
    for (method, target, expected) in [
        ("GET", "/granted/a", Passed(&["GET /granted/a"])),
        ("POST", "/read/a", Refused(403)),
        ("GET", "/other", Refused(403)),
        ("GET", "/granted/b", Passed(&["GET /granted/b"])),
    ] {
        class.case(format!("{method} {target} HTTP/1.1\r\nHost: app.example\r\n{token}\r\n"), expected);
    }
    // Half a token, and a whole one with something behind it, are other tokens (CVE-2026-71326).
    let half: String = class.stand.token.chars().take(class.stand.token.len() / 2).collect();
    for token in [half, format!("{}x", class.stand.token), format!("{}.", class.stand.token)] {
        let line = format!("Authorization: Bearer {token}\r\n");
        class.case(format!("GET /granted/a HTTP/1.1\r\nHost: app.example\r\n{line}\r\n"), Refused(401));
    }
}
