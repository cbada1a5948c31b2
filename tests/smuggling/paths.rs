//! Request targets that somebody reads otherwise.

use crate::{
    Row,
    stand::{
        Class,
        Expected::{Dropped, Passed, Refused},
    },
};

pub(crate) const ROWS: [Row; 13] = [
    ("dot segments", dot_segments),
    ("encoded slashes", |class| {
        refused(
            class,
            &[
                "{P}/..%2fadmin",
                "/%2fadmin",
                "%2fadmin",
                "{P}%2f%2e%2e%2fadmin",
                "{A}%2fx",
                "{A}%2F",
                "{A}%2f..%2fpublic",
                "{P}%2Fa",
            ],
        )
    }),
    ("encoded twice", |class| {
        refused(
            class,
            &[
                "/%252e%252e%252fadmin",
                "{P}/%252e%252e%252fadmin",
                "{P}/%25252f",
                "{P}/%25252e%25252e/admin",
                "/%2561dmin",
                "/%%32%66admin",
                "{P}/%%32%65%%32%65/admin",
                "{P}/%25",
            ],
        )
    }),
    ("backslashes", |class| {
        refused(
            class,
            &[
                "{P}\\..\\admin",
                "/\\admin",
                "\\admin",
                "{P}/..\\admin",
                "{P}/%5cadmin",
                "{P}/..%5c..%5cadmin",
                "{P}/%255c..%255cadmin",
                "{A}\\",
                "{A}%5C",
            ],
        )
    }),
    ("overlong and other encodings", overlong),
    ("control characters", controls),
    ("empty segments", |class| {
        refused(
            class,
            &[
                "//admin",
                "///admin",
                "/x//admin",
                "{A}//",
                "{A}//x",
                "{P}//../admin",
                "//",
                "{P}//a",
                "/.//admin",
            ],
        )
    }),
    ("what a path ends in", trailing),
    ("matrix parameters", |class| {
        refused(
            class,
            &[
                "/admin;x",
                "{A};",
                "{A};a=b/x",
                "{P}/..;/admin",
                "{P}/..;x=y/admin",
                "{P}/.;/admin",
                "/;x/admin",
                "/;/admin",
                "{A}%3bx",
                "{A}%3B",
                "{A};.css",
                "{P};/../admin",
                "{P};/a",
            ],
        )
    }),
    ("case", case),
    ("fragments and queries", fragments_and_queries),
    ("borders of segments", borders),
    ("bad percent encodings", |class| {
        refused(
            class,
            &[
                "{P}/%",
                "{P}/%2",
                "{P}/%zz",
                "{A}%",
                "{A}%2",
                "{A}%zz",
                "{P}/%2%65",
                "{P}/%2e%",
                "{P}/% 2e",
                "{P}/%+2",
                "{P}/%-1",
                "{P}/%0x2e",
            ],
        )
    }),
];

fn get(target: &str) -> Vec<u8> {
    [b"GET ", target.as_bytes(), b" HTTP/1.1\r\nHost: app.example\r\n\r\n"].concat()
}

/// `{P}` is where anybody may ask, `{A}` where only owners may; with and without a token that would let everything pass.
fn refused(class: &mut Class<'_>, targets: &[&str]) {
    let token = class.stand.authorization();
    for target in targets {
        for admin in ["/admin", "/granted"] {
            let target = target.replace("{P}", "/public").replace("{A}", admin).replace("/admin", admin);
            for fields in ["", &token] {
                class.case(
                    format!("GET {target} HTTP/1.1\r\nHost: app.example\r\n{fields}\r\n"),
                    Refused(400),
                );
            }
        }
    }
}

fn dot_segments(class: &mut Class<'_>) {
    refused(
        class,
        &[
            "{P}/../admin",
            "{P}/%2e%2e/admin",
            "{P}/.%2e/admin",
            "{P}/%2e./admin",
            "{P}/%2E%2E/admin",
            "{A}/../admin",
            "/../admin",
            "/./admin",
            "{A}/.",
            "{A}/..",
            "{A}/./x",
            "{P}/./a",
            "{P}/a/../b",
            "{P}/..",
            "/..",
            "/.",
            "..",
            ".",
            "../admin",
            "./admin",
            "{P}/.../admin",
            "{P}/%2e",
            "{P}/%2e%2e",
        ],
    );
    let up = "/..".repeat(20);
    refused(
        class,
        &[
            &format!("{{P}}{up}/admin"),
            &format!("{{P}}{}/admin", "/%2e%2e".repeat(20)),
            &format!("{up}/admin"),
        ],
    );
}

fn overlong(class: &mut Class<'_>) {
    refused(
        class,
        &[
            "{P}/%c0%ae%c0%ae/admin",
            "{P}/%c0%afadmin",
            "{P}/..%c0%afadmin",
            "{P}/%e0%80%afadmin",
            "{P}/%f0%80%80%afadmin",
            "{P}/%c1%9cadmin",
            "{P}/%u002e%u002e/admin",
            "/%u002fadmin",
            "{P}/%uff0e%uff0e/admin",
            "{P}/%ff",
            "{P}/%c3",
            "{P}/%ed%a0%80",
            "{P}/%f5%80%80%80",
            "{P}/\u{ff0e}\u{ff0e}/admin",
            "{P}/\u{2025}/admin",
            "{P}\u{ff0f}admin",
            "{P}/caf\u{e9}",
            "{P}/cafe\u{301}",
            "{P}/a\u{200b}b",
            "{P}/a\u{ad}b",
            "\u{feff}/admin",
            "/adm\u{131}n",
        ],
    );
    // Bytes of a path that are no ASCII are compared as they are: they are nobody's slash and nobody's dot.
    for target in [
        "/public/%ef%bc%8ea",
        "/public/%ef%bc%8f",
        "/public/caf%C3%A9",
        "/public/cafe%CC%81",
        "/public/a%E2%80%8Bb",
    ] {
        class.case(get(target), Passed(&[&format!("GET {target}")]));
    }
    for target in ["/%ef%bc%8fadmin", "/adm%c4%b1n", "/%ef%bb%bfadmin", "/admin%c2%ad", "/granted%e2%80%8b"] {
        class.case(get(target), Refused(403));
    }
}

fn controls(class: &mut Class<'_>) {
    refused(
        class,
        &[
            "{A}%00",
            "{A}%00.css",
            "{A}%09",
            "{A}%0a",
            "{A}%0d%0a",
            "{A}%0d",
            "{A}%7f",
            "{A}%ff",
            "{A}%1f",
            "{P}/..%00/admin",
            "{P}/%00",
            "{P}/a%0ab",
            "{P}/%0d%0aX-Smuggled:%201",
            "{P}/a%7fb",
            "{P}/a%01",
        ],
    );
    for byte in (0..=0x20_u8).chain([0x7f, 0x80, 0xa0, 0xff]).filter(|byte| !b"\r\n".contains(byte)) {
        for bytes in [
            [b"GET /public/a", &[byte][..], b" HTTP/1.1\r\nHost: app.example\r\n\r\n"].concat(),
            [b"GET /public/a", &[byte][..], b"b HTTP/1.1\r\nHost: app.example\r\n\r\n"].concat(),
            [b"GET ", &[byte][..], b"/public/a HTTP/1.1\r\nHost: app.example\r\n\r\n"].concat(),
        ] {
            class.case(bytes, Dropped(&[400]));
        }
    }
}

/// The same rule, or none.
fn trailing(class: &mut Class<'_>) {
    for target in ["/admin", "/admin/", "/admin/x", "/admin/x/"] {
        class.case(get(target), Refused(401));
    }
    refused(class, &["{A}.", "{A}/.", "{A}%2e", "{A}/x.", "{A}/x%2e", "{P}/a.", "{A}%20", "{A}/x%20"]);
    let token = class.stand.authorization();
    for target in ["/granted", "/granted/", "/granted/x/"] {
        class.case(
            format!("GET {target} HTTP/1.1\r\nHost: app.example\r\n{token}\r\n"),
            Passed(&[&format!("GET {target}")]),
        );
    }
}

fn case(class: &mut Class<'_>) {
    for target in ["/ADMIN", "/Admin", "/admiN/x", "/PUBLIC/a", "/Public", "/GRANTED/a"] {
        class.case(get(target), Refused(403));
    }
    // Letters in percent signs are written plainly, or not at all.
    refused(class, &["/%41dmin", "/%61dmin", "/adm%69n", "{P}/%61", "{P}/%7e", "/%70ublic/a"]);
    for target in ["/public/%C3%A9", "/public/%c3%a9"] {
        class.case(get(target), Passed(&[&format!("GET {target}")]));
    }
}

fn fragments_and_queries(class: &mut Class<'_>) {
    refused(
        class,
        &[
            "{A}#x",
            "{A}#/public",
            "{P}#/../admin",
            "{P}/#/../admin",
            "{A}%23/public",
            "{A}%23",
            "{P}/%23/../admin",
            "{A}?x#/public",
            "#",
            "#/admin",
        ],
    );
    refused(class, &["{A}%3f/public", "{A}%3F", "{P}%3f/../admin", "?x", "?/public"]);
    for target in [
        "/admin?/public",
        "/admin??/public",
        "/admin/?x=/public",
        "/admin?x=/../public",
        "/admin?%2f..%2fpublic",
    ] {
        class.case(get(target), Refused(401));
    }
    for target in [
        "/public?x=/../admin",
        "/public?",
        "/public/a??/admin",
        "/public/a?x=%00%0d%0a",
        "/public/a?;/..;/\\",
    ] {
        class.case(get(target), Passed(&[&format!("GET {target}")]));
    }
    class.case(get("/other?/public"), Refused(403));
}

/// `/public/**` is `/public` and what is below it, and nothing that only begins like it.
fn borders(class: &mut Class<'_>) {
    refused(class, &["{P}../admin", "{P}..%2fadmin", "{P}%2e%2e/admin", "{P}.", "{P}./admin"]);
    for target in
        ["/publicx", "/public-", "/public..a/admin", "/publi", "/publicadmin", "/grantedx", "/adminx"]
    {
        class.case(get(target), Refused(403));
    }
    for target in ["/public", "/public/", "/public/..a", "/public/a..b"] {
        class.case(get(target), Passed(&[&format!("GET {target}")]));
    }
}
