//! Which resource is meant, by method, form of the target, host, and by headers that say something else.

use crate::{
    Row,
    stand::{
        Class,
        Expected::{Dropped, Passed, Refused},
        Stand,
    },
};

pub(crate) const ROWS: [Row; 9] = [
    ("absolute form", absolute),
    ("authority and asterisk form", other_forms),
    ("methods", methods),
    ("method overrides", overrides),
    ("preflights", preflights),
    ("reroute headers", reroutes),
    ("hosts", hosts),
    ("hosts by the hundred", many_hosts),
    ("headers that plead", pleas),
];

fn absolute(class: &mut Class<'_>) {
    let with = |target: &str, host: &str| format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    // The path of it is judged and forwarded, in the form of a path.
    for target in [
        "http://app.example/public/a",
        "HTTP://app.example/public/a",
        "https://app.example/public/a",
        "http://APP.example/public/a",
    ] {
        class.case(with(target, "app.example"), Passed(&["GET /public/a"]));
    }
    class.case(with("http://app.example:80/public/a", "app.example:80"), Passed(&["GET /public/a"]));
    for target in
        ["http://app.example/admin", "HTTP://app.example/admin", "https://app.example/admin?/public"]
    {
        class.case(with(target, "app.example"), Refused(401));
    }
    for target in [
        "http://u:p@app.example/public/a",
        "http://u@app.example/public/a",
        "http://app.example%2fadmin/public",
        "http://app.example%2f@evil/admin",
        "http://evil.example/public/a",
        "http://app.example:80/public/a",
        "http://app.example./public/a",
        "http://app.example:/public/a",
        "http:///public/a",
        "http:/public/a",
        "http:public/a",
        "http://",
        "://app.example/public/a",
        "file:///admin",
        "ftp://app.example/public/a",
        "ws://app.example/public/a",
        "javascript:alert(1)",
        "http://app.example/public/../admin",
        "http://app.example//admin",
        "http://app.example/public#/admin",
        "http://app.example\\admin",
        "http://app.example/public\\..\\admin",
        "http://[::1/public/a",
        "http://app.example,evil.example/public/a",
        "http://app example/public/a",
    ] {
        class.case(with(target, "app.example"), Dropped(&[400]));
    }
    // Without a path it is `/`, for which there is no rule.
    for target in
        ["http://app.example", "http://app.example/", "http://app.example?/public", "http://app.example?x"]
    {
        class.case(with(target, "app.example"), Dropped(&[400, 403]));
    }
}

fn other_forms(class: &mut Class<'_>) {
    for target in [
        "host:80",
        "app.example:80",
        "app.example",
        "admin",
        "public/a",
        "*",
        "**",
        "/*",
        "*/public/a",
        "127.0.0.1:80",
        "[::1]:80",
    ] {
        for method in ["GET", "HEAD", "POST"] {
            class.case(
                format!("{method} {target} HTTP/1.1\r\nHost: app.example\r\n\r\n"),
                Dropped(&[400, 403, 405]),
            );
        }
    }
    class.case("OPTIONS * HTTP/1.1\r\nHost: app.example\r\n\r\n", Dropped(&[200, 204, 400, 403]));
    for target in ["admin", "app.example:80", "*/public", "* "] {
        class.case(format!("OPTIONS {target} HTTP/1.1\r\nHost: app.example\r\n\r\n"), Dropped(&[400, 403]));
    }
}

fn methods(class: &mut Class<'_>) {
    let to = |method: &str, target: &str| format!("{method} {target} HTTP/1.1\r\nHost: app.example\r\n\r\n");
    // `GET /read/**` covers HEAD, and nothing else.
    for method in ["GET", "HEAD"] {
        class.case(to(method, "/read/a"), Passed(&[&format!("{method} /read/a")]));
    }
    let forty = "M".repeat(40);
    for method in [
        "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY", "PROPFIND", "GETX", "XGET", "HEADER",
        "M-SEARCH", &forty,
    ] {
        class.case(to(method, "/read/a"), Refused(403));
        class.case(to(method, "/admin/a"), Refused(401));
        class.case(to(method, "/public/a"), Passed(&[&format!("{method} /public/a")]));
    }
    for method in ["get", "Get", "gET", "head", "post", "Delete", "TRACE", "trace", "CONNECT"] {
        for target in ["/read/a", "/public/a", "/admin/a"] {
            class.case(to(method, target), Refused(400));
        }
    }
    for method in [
        "GET\0",
        "GE\0T",
        "G(T",
        "G T",
        "GET,POST",
        "GET/",
        "G\u{c4}T",
        "\u{feff}GET",
        "G\tT",
        "GET\x0b",
        "@GET",
        "",
    ] {
        class.case(to(method, "/public/a"), Dropped(&[400]));
    }
}

fn overrides(class: &mut Class<'_>) {
    for name in [
        "X-HTTP-Method-Override",
        "X-HTTP-Method",
        "X-Method-Override",
        "x_http_method_override",
        "X.HTTP.Method.Override",
        "X_HTTP_Method",
        "x-method_override",
        "X-HTTP-METHOD-OVERRIDE",
    ] {
        for method in ["GET", "POST"] {
            let line = format!("{method} /public/a");
            class.case(
                format!("{line} HTTP/1.1\r\nHost: app.example\r\n{name}: DELETE\r\n\r\n"),
                Passed(&[&line]),
            );
        }
        class
            .case(format!("POST /read/a HTTP/1.1\r\nHost: app.example\r\n{name}: GET\r\n\r\n"), Refused(403));
        class.case(
            format!("DELETE /admin/a HTTP/1.1\r\nHost: app.example\r\n{name}: GET\r\n\r\n"),
            Refused(401),
        );
    }
    // In a query or a form it is the application's affair; the rule is that of the request line.
    class.case("POST /read/a?_method=GET HTTP/1.1\r\nHost: app.example\r\n\r\n", Refused(403));
    class.case("POST /admin/a?_method=GET HTTP/1.1\r\nHost: app.example\r\n\r\n", Refused(401));
}

fn preflights(class: &mut Class<'_>) {
    let ask = |target: &str| {
        format!(
            "OPTIONS {target} HTTP/1.1\r\nHost: app.example\r\nOrigin: https://app.example\r\n\
             Access-Control-Request-Method: DELETE\r\nAccess-Control-Request-Headers: authorization\r\n\r\n"
        )
    };
    for target in ["/admin/a", "/granted/a"] {
        class.case(ask(target), Refused(401));
    }
    class.case(ask("/read/a"), Refused(403));
    class.case(ask("/other"), Refused(403));
}

fn reroutes(class: &mut Class<'_>) {
    for name in [
        "X-Original-URL",
        "X-Original-Uri",
        "X-Original-Path",
        "X-Original-Method",
        "X-Original-Host",
        "X-Rewrite-URL",
        "X-Rewrite-Uri",
        "X-Forwarded-Uri",
        "X-Forwarded-Url",
        "X-Forwarded-Path",
        "X-Forwarded-Prefix",
        "X-Forwarded-Method",
        "X-Forwarded-Scheme",
        "X-Envoy-Original-Path",
        "X-Envoy-Original-Host",
        "X-Script-Name",
        "X-HTTP-Path-Override",
    ] {
        for spelling in [
            name.to_owned(),
            name.to_lowercase(),
            name.replace('-', "_"),
            name.to_uppercase().replace('-', "_"),
            name.replace('-', "."),
        ] {
            class.case(
                format!("GET /public/a HTTP/1.1\r\nHost: app.example\r\n{spelling}: /admin\r\n\r\n"),
                Passed(&["GET /public/a"]),
            );
            class.case(
                format!("GET /admin/a HTTP/1.1\r\nHost: app.example\r\n{spelling}: /public/a\r\n\r\n"),
                Refused(401),
            );
        }
    }
}

fn hosts(class: &mut Class<'_>) {
    let with = |hosts: &str| format!("GET /host/a HTTP/1.1\r\n{hosts}\r\n");
    let one = |host: &str| with(&format!("Host: {host}\r\n"));
    for lines in [
        "",
        "Host: app.example\r\nHost: app.example\r\n",
        "Host: app.example\r\nHost: guarded.example\r\n",
        "Host: app.example\r\nhost: guarded.example\r\n",
        "Host: app.example\r\n guarded.example\r\n",
        "Host : app.example\r\n",
        "Host\r\n",
    ] {
        class.case(with(lines), Refused(400));
    }
    for host in [
        "",
        "a,b",
        "app.example,guarded.example",
        "app.example guarded.example",
        "user@app.example",
        "user:p@guarded.example",
        "app.example@",
        "app.example/",
        "app.example/admin",
        "app.example?x",
        "app.example#x",
        "app.example:",
        "app.example:x",
        "app.example:+80",
        "app.example:-1",
        "app.example:65536",
        "app.example:80:80",
        "app.example:80a",
        "app.example: 80",
        "http://app.example",
        "[::1",
        "::1",
        "[::1]x",
        "app\\example",
        "app.example\0",
        "app\x0bexample",
        "app.example;x",
        "\"app.example\"",
        "<app.example>",
        "caf\u{e9}.example",
        "app%2eexample",
        "*",
        "",
    ] {
        class.case(one(host), Refused(400));
    }
    // One host in every spelling: the rule that speaks of it counts.
    for host in [
        "guarded.example",
        "GUARDED.example",
        "Guarded.Example",
        "guarded.example:80",
        "guarded.example:8443",
    ] {
        class.case(one(host), Refused(401));
    }
    for host in
        ["guarded.example.", "GUARDED.EXAMPLE.", "guarded.example.:80", "app.example.", "guarded.example.."]
    {
        class.case(one(host), Refused(400));
    }
    for host in [
        "app.example",
        "APP.example",
        "app.example:80",
        "xguarded.example",
        "guarded.example.org",
        "[::1]",
        "[::1]:80",
        "127.0.0.1",
    ] {
        class.case(one(host), Passed(&["GET /host/a"]));
    }
    // What says another host in other words says nothing.
    for name in [
        "X-Forwarded-Host",
        "X-Host",
        "X-Original-Host",
        "Forwarded",
        "X_Forwarded_Host",
        "X-Forwarded-Server",
    ] {
        for value in ["app.example", "host=app.example"] {
            class.case(with(&format!("Host: guarded.example\r\n{name}: {value}\r\n")), Refused(401));
        }
    }
}

/// The same with as many hosts as a policy may speak of: a fast way to find one must find the same.
fn many_hosts(class: &mut Class<'_>) {
    let rules: String =
        (0..250).map(|number| format!("  ANY h{number}.example/host/**: role(owner)\n")).collect();
    let stand = Stand::with(&format!(
        "version: 1\nissuers:\n  main: {{issuer: \"https://id.example.com\", audience: demo-api, profile: orgate, keys: {{file: keys.json}}}}\n\
         rules:\n  ANY /public/**: public\n  ANY /host/**: public\n{rules}"
    ));
    let mut many = Class::new(&stand, class.name);
    for number in [0, 1, 99, 100, 101, 200, 249] {
        for host in
            [format!("h{number}.example"), format!("H{number}.EXAMPLE"), format!("h{number}.Example:80")]
        {
            many.case(format!("GET /host/a HTTP/1.1\r\nHost: {host}\r\n\r\n"), Refused(401));
        }
    }
    for host in ["h250.example", "h.example", "h00.example", "ah0.example"] {
        many.case(format!("GET /host/a HTTP/1.1\r\nHost: {host}\r\n\r\n"), Passed(&["GET /host/a"]));
    }
    (class.tally, class.problems) = (many.tally, many.problems);
}

fn pleas(class: &mut Class<'_>) {
    for plea in [
        "X-Forwarded-For: 127.0.0.1",
        "X-Forwarded-For: ::1",
        "X-Real-IP: 127.0.0.1",
        "X-Client-IP: 127.0.0.1",
        "True-Client-IP: 127.0.0.1",
        "Forwarded: for=127.0.0.1",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Port: 443",
        "User-Agent: GoogleHC/1.0",
        "User-Agent: kube-probe/1.31",
        "User-Agent: ELB-HealthChecker/2.0",
        "Referer: http://app.example/admin",
        "X-Internal: 1",
        "X-Admin: true",
        "X-Debug: 1",
        "X-Authenticated-User: usr_ann",
        "X-Remote-User: usr_ann",
        "Remote-User: usr_ann",
        "X-Role: user,owner",
        "X-Orgate-Role: owner",
        "Authorization: Basic b3duZXI6b3duZXI=",
        "Authorization: None",
        "Cookie: role=owner",
        "Sec-Fetch-Site: same-origin",
        "Purpose: prefetch",
    ] {
        let status = Dropped(&[400, 401]);
        class.case(format!("GET /admin/a HTTP/1.1\r\nHost: app.example\r\n{plea}\r\n\r\n"), status);
    }
}
