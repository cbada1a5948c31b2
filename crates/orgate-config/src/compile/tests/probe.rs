use super::*;
use std::time::Instant;
#[test]
fn probe() {
    let mut cases: Vec<(String, String, &str)> = Vec::new();
    let mb: usize = std::env::var("SIZE").ok().and_then(|s| s.parse().ok()).unwrap_or(100_000);
    for piece in [
        "[", "{", "- ", "? ", "a: ", "\"", "'", "&a ", "*a ", "!t ", "#", "|\n", "x\n", "[],", "{a: b},",
        "\n", "\r", "- a\n", "a:\n ", "[a, ", "{a: {b: ", "\t", ": ", "a: [b\n", "\\", "---\n", "\u{e9}",
    ] {
        cases.push((format!("yaml {piece:?}"), piece.repeat(mb / piece.len()), "a.yaml"));
        cases.push((format!("toml {piece:?}"), piece.repeat(mb / piece.len()), "a.toml"));
        cases.push((
            format!("toml a={piece:?}"),
            format!("a = {}", piece.repeat(mb / piece.len())),
            "a.toml",
        ));
    }
    for piece in [
        "a.",
        "a=1\n",
        "[a]\n",
        "[[a]]\n",
        "[a.b.c]\n",
        "a.b.c=1\n",
        "=",
        "a = [1,",
        "a = {",
        ".",
        "\"\"",
        "a='\n",
        "1979-01-01,",
    ] {
        cases.push((format!("toml {piece:?}"), piece.repeat(mb / piece.len()), "a.toml"));
        cases.push((
            format!("toml [{piece:?}"),
            format!("a = [{}", piece.repeat(mb / piece.len())),
            "a.toml",
        ));
    }
    let many = |f: &dyn Fn(usize) -> String| {
        let mut s = String::new();
        let mut n = 0;
        while s.len() < mb - 200 {
            s.push_str(&f(n));
            n += 1;
        }
        s
    };
    cases.push((
        "flow keys".into(),
        format!("version: 1\nrules: {{{}}}\n", many(&|n| format!("GET /a{n}: nobody{n}, "))),
        "a.yaml",
    ));
    cases.push((
        "block keys".into(),
        format!("version: 1\nrules:\n{}\n", many(&|n| format!("  GET /a{n}: nobody{n}\n"))),
        "a.yaml",
    ));
    cases.push(("unknown keys".into(), many(&|n| format!("k{n}: 1\n")), "a.yaml"));
    cases.push(("dup keys".into(), many(&|_| "k: 1\n".to_owned()), "a.yaml"));
    cases.push(("unknown keys flow".into(), format!("{{{}}}", many(&|n| format!("k{n}: 1, "))), "a.yaml"));
    cases.push((
        "long names".into(),
        format!(
            "version: 1\nroles: {{a: {{grants: [{}]}}}}\nrules:\n{}",
            (0..1000).map(|n| format!("p{n}{}", "x".repeat(100))).collect::<Vec<_>>().join(", "),
            many(&|n| format!("  GET /a{n}: q{n}{}\n", "x".repeat(100)))
        ),
        "a.yaml",
    ));
    cases.push((
        "atoms".into(),
        format!(
            "version: 1\nrules:\n{}",
            many(&|n| format!(
                "  GET /a{n}: {}\n",
                (0..60).map(|m| format!("b{m}")).collect::<Vec<_>>().join(" and ")
            ))
        ),
        "a.yaml",
    ));
    cases.push((
        "one requirement".into(),
        format!("version: 1\nrules:\n  GET /a: {}\n", many(&|n| format!("b{n} and "))),
        "a.yaml",
    ));
    cases.push((
        "one key".into(),
        format!("version: 1\nrules:\n  ? GET /{}\n  : read\n", many(&|n| format!("b{n}/"))),
        "a.yaml",
    ));
    cases.push(("vars".into(), format!("version: 1\nrules: {{GET /: public}}\nissuers: {{a: {{issuer: https://a.example, audience: [{}]}}}}\n", many(&|_| "'${A}', ".to_owned())), "a.yaml"));
    cases.push(("vars in one".into(), format!("version: 1\nrules: {{GET /: public}}\nissuers: {{a: {{issuer: 'https://a.example', audience: '{}'}}}}\n", many(&|_| "${HOST}".to_owned())), "a.yaml"));
    cases.push((
        "bind".into(),
        format!("version: 1\nrules: {{GET /: public}}\nbind:\n{}", many(&|n| format!("  a{n}: sub\n"))),
        "a.yaml",
    ));
    cases.push((
        "roles".into(),
        format!(
            "version: 1\nrules: {{GET /: public}}\nroles:\n{}",
            many(&|n| format!("  r{n}: {{extends: r{}}}\n", n + 1))
        ),
        "a.yaml",
    ));
    cases.push((
        "conditions".into(),
        format!(
            "version: 1\nrules: {{GET /: public}}\nconditions:\n{}",
            many(&|n| format!("  r{n}: claims.a == 'b{n}'\n"))
        ),
        "a.yaml",
    ));
    cases.push((
        "dup paths".into(),
        format!(
            "version: 1\nrules:\n{}",
            many(&|n| format!(
                "  GET|M{} /a: public\n",
                (0..4).map(|k| (b'A' + ((n >> (4 * k)) & 15) as u8) as char).collect::<String>()
            ))
        ),
        "a.yaml",
    ));
    cases.push((
        "crossing".into(),
        format!(
            "version: 1\nrules:\n{}",
            many(&|n| if n % 2 == 0 {
                format!("  GET /{{x}}/a{n}: public\n")
            } else {
                format!("  GET /a{n}/{{y}}: deny\n")
            })
        ),
        "a.yaml",
    ));
    cases.push((
        "open rests".into(),
        format!("version: 1\nrules:\n{}", many(&|n| format!("  GET /a{n}/**: public\n"))),
        "a.yaml",
    ));
    cases.push((
        "heads".into(),
        format!(
            "version: 1\nrules:\n{}",
            many(&|n| if n % 2 == 0 {
                format!("  HEAD /a{n}: public\n")
            } else {
                format!("  GET /a{}: public\n", n - 1)
            })
        ),
        "a.yaml",
    ));
    cases.push((
        "tenants".into(),
        format!(
            "version: 1\nrules:\n{}",
            many(&|n| format!("  'GET /a{n}/{{tenant}}': {{require: public, allow: [W052], note: a}}\n"))
        ),
        "a.yaml",
    ));
    cases.push((
        "tenants flow".into(),
        format!("version: 1\nrules: {{{}}}", many(&|n| format!("  'GET /a{n}/{{tenant}}': public,"))),
        "a.yaml",
    ));
    cases.push((
        "include list".into(),
        format!("version: 1\ninclude: [{}]\nrules: {{GET /: public}}", many(&|n| format!("a{n}.yaml,"))),
        "a.yaml",
    ));
    cases.push((
        "stars".into(),
        format!("version: 1\ninclude: ['{}']\nrules: {{GET /: public}}", many(&|_| "*a".into())),
        "a.yaml",
    ));
    let filter = std::env::var("PROBE").unwrap_or_default();
    for (what, text, name) in cases {
        if !what.contains(&filter) {
            continue;
        }
        let half = text[..text.floor_char_boundary(text.len() / 2)].to_owned();
        let start = Instant::now();
        let _ = compile(name, half.as_bytes(), &environment);
        let first = start.elapsed();
        let start = Instant::now();
        let (errors, text) = match compile(name, text.as_bytes(), &environment) {
            Err(e) => (e.errors(), e.render(false).len()),
            Ok(_) => (0, 0),
        };
        let second = start.elapsed();
        if second > first.mul_f64(2.8) || second.as_millis() > 700 || !filter.is_empty() {
            println!("{what:30} {first:?} {second:?} errors {errors} text {text}");
        }
    }
}
