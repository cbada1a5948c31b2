//! Who the caller is, in every spelling, from whoever says it but the gate.

use crate::{
    Row,
    stand::{
        Class,
        Expected::{Passed, Refused},
    },
};

pub(crate) const ROWS: [Row; 5] = [
    ("spoofed identity", spoofed),
    ("spoofed identity in odd lines", odd),
    ("spoofed identity in trailers", trailers),
    ("connection lists identity", listed_identity),
    ("connection lists other fields", listed_others),
];

/// Under which the application is told who is calling, and one that the policy adds.
const NAMES: [&str; 9] = [
    "X-Orgate-Sub",
    "X-Orgate-Org-Id",
    "X-Orgate-Org-Slug",
    "X-Orgate-Role",
    "X-Orgate-Permissions",
    "X-Orgate-Issuer",
    "X-Orgate-Auth",
    "X-Orgate-Assertion",
    "X-User",
];

/// The ways in which a careless reader takes one name for another.
fn spellings(name: &str) -> Vec<String> {
    let mut all: Vec<String> =
        "-_.~!#$%&'*+^`|".chars().map(|byte| name.replace('-', &byte.to_string())).collect();
    let alternating = |begin: bool| -> String {
        let letter = |(at, letter): (usize, char)| match (at % 2 == 0) == begin {
            true => letter.to_ascii_uppercase(),
            false => letter.to_ascii_lowercase(),
        };
        name.chars().enumerate().map(letter).collect()
    };
    all.extend([name.to_lowercase(), name.to_uppercase(), alternating(true), alternating(false)]);
    all.extend([name.to_lowercase().replace('-', "_"), name.to_uppercase().replace('-', "_")]);
    all.extend([name.replacen('-', "_", 1), name.to_lowercase().replacen('-', ".", 1)]);
    all.push(name.rsplitn(2, '-').collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("_"));
    all
}

fn spoofed(class: &mut Class<'_>) {
    let authorization = class.stand.authorization();
    for name in NAMES {
        for spelling in spellings(name) {
            let claim = format!("{spelling}: usr_eve\r\n");
            for (target, token) in [("/public/a", ""), ("/granted/a", &*authorization)] {
                let line = format!("GET {target}");
                let head = format!("{line} HTTP/1.1\r\nHost: app.example\r\n");
                class.case(format!("{head}{claim}{token}\r\n"), Passed(&[&line]));
                if spelling == name {
                    class.case(format!("{head}{claim}{token}{claim}\r\n"), Passed(&[&line]));
                    class.case(format!("{head}{spelling}: \r\n{token}{claim}\r\n"), Passed(&[&line]));
                    class.case(
                        format!("{head}{token}{claim}Connection: {spelling}\r\n\r\n"),
                        Passed(&[&line]),
                    );
                }
            }
        }
        // The same from whoever is refused.
        class.case(
            format!("GET /admin/a HTTP/1.1\r\nHost: app.example\r\n{name}: usr_eve\r\n\r\n"),
            Refused(401),
        );
    }
    // Names that only resemble them are the application's own.
    for name in ["X-Orgates-Sub", "X-Orgate", "X-Orga", "X-Users", "User"] {
        let seen = class.case(
            format!("GET /public/a HTTP/1.1\r\nHost: app.example\r\n{name}: ours\r\n\r\n"),
            Passed(&["GET /public/a"]),
        );
        let arrived = |(other, value): &(String, String)| other.eq_ignore_ascii_case(name) && value == "ours";
        if !seen.iter().any(|seen| seen.fields.iter().any(arrived)) {
            class.problems.push(format!("{}: {name} did not arrive", class.name));
        }
    }
}

fn odd(class: &mut Class<'_>) {
    for name in NAMES {
        for line in [
            format!("{name} : usr_eve"),
            format!("{name}\t: usr_eve"),
            format!(" {name}: usr_eve"),
            format!("\t{name}: usr_eve"),
            format!("X-A: b\r\n {name}: usr_eve"),
            format!("X-A: b\n{name}: usr_eve"),
            format!("X-A: b\r{name}: usr_eve"),
            format!("X-A: b\0{name}: usr_eve"),
            format!("{name}\0: usr_eve"),
            format!("{name}: usr_eve\0"),
            format!("{name}\r\n: usr_eve"),
            format!("{name}:\r\n usr_eve"),
            format!("\0{name}: usr_eve"),
            format!("{name}\u{a0}: usr_eve"),
            format!("{}: usr_eve", name.replace('-', " ")),
            format!("{}: usr_eve", name.replace('-', "\u{2010}")),
            format!("{}: usr_eve", name.replace('-', "\u{ad}-")),
            format!("{}: usr_eve", name.replace('X', "\u{425}")),
        ] {
            for target in ["/public/a", "/granted/a"] {
                let token = class.stand.authorization();
                let head = format!("GET {target} HTTP/1.1\r\nHost: app.example\r\n{token}");
                class.case(format!("{head}{line}\r\n\r\n"), Refused(400));
            }
        }
    }
}

fn trailers(class: &mut Class<'_>) {
    let authorization = class.stand.authorization();
    for name in NAMES {
        for spelling in spellings(name) {
            for (target, token) in [("/public/a", ""), ("/granted/a", &*authorization)] {
                let head = format!(
                    "POST {target} HTTP/1.1\r\nHost: app.example\r\nTE: trailers\r\nTrailer: {spelling}\r\n"
                );
                let body = format!("5\r\nhello\r\n0\r\n{spelling}: usr_eve\r\nX-Sum: 1\r\n\r\n");
                let bytes = format!("{head}{token}Transfer-Encoding: chunked\r\n\r\n{body}");
                class.case(bytes, Passed(&[&format!("POST {target}")]));
            }
        }
    }
}

/// Ten ways to say which fields belong to a connection.
fn lists(name: &str) -> [String; 10] {
    let (lower, upper) = (name.to_lowercase(), name.to_uppercase());
    [
        format!("Connection: {name}"),
        format!("Connection: {lower}"),
        format!("Connection: {upper}"),
        format!("connection: close, {name}"),
        format!("CONNECTION: {name},{lower},,"),
        format!("Connection: keep-alive\r\nConnection: {name}"),
        format!("Connection:\t{name}\t,\tkeep-alive"),
        format!("Connection: {}", name.replace('-', "_")),
        format!("Connection: \"{name}\", {name}"),
        format!("Proxy-Connection: {name}\r\nKeep-Alive: {name}\r\nConnection: {name}"),
    ]
}

fn listed_identity(class: &mut Class<'_>) {
    let token = class.stand.authorization();
    for name in NAMES {
        for list in lists(name) {
            for claim in [String::new(), format!("{name}: usr_eve\r\n")] {
                let head =
                    format!("GET /granted/a HTTP/1.1\r\nHost: app.example\r\n{claim}{list}\r\n{token}\r\n");
                class.case(head, Passed(&["GET /granted/a"]));
            }
        }
    }
}

fn listed_others(class: &mut Class<'_>) {
    let token = class.stand.authorization();
    let names = [
        "Authorization",
        "Host",
        "Content-Length",
        "Transfer-Encoding",
        "X-Forwarded-For",
        "X-Request-Id",
        "Via",
    ];
    for name in names {
        for list in lists(name) {
            for body in [
                "Content-Length: 5\r\n\r\nhello",
                "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            ] {
                let head = format!("POST /granted/a HTTP/1.1\r\nHost: app.example\r\n{list}\r\n{token}");
                let seen = class.case(format!("{head}{body}"), Passed(&["POST /granted/a"]));
                if seen.iter().any(|seen| seen.body != b"hello") {
                    class.problems.push(format!("{}: {list}: the body is lost: {seen:?}", class.name));
                }
            }
        }
    }
}
