//! Files that were never meant as policies: a clear answer, soon, and in bounded memory.

use std::{
    fs,
    process::Command,
    time::{Duration, Instant},
};

use super::{environment, files::Directory};
use crate::{LoadError, compile, document::MAX_BYTES, load, read_bytes};

/// What fills a file: a name, its format and the text of about so many bytes.
type Filler = (&'static str, &'static str, fn(usize) -> String);

fn repeated(piece: &str, bytes: usize) -> String {
    piece.repeat(bytes / piece.len())
}

fn numbered(bytes: usize, line: impl Fn(usize) -> String) -> String {
    let mut text = String::new();
    let mut number = 0;
    while text.len() < bytes {
        text.push_str(&line(number));
        number += 1;
    }
    text
}

fn rules(bytes: usize, line: impl Fn(usize) -> String) -> String {
    format!("version: 1\nrules:\n{}", numbered(bytes, line))
}

const FILLERS: &[Filler] = &[
    ("brackets", "a.yaml", |bytes| repeated("[", bytes)),
    ("braces", "a.json", |bytes| repeated("{\"a\":", bytes)),
    ("dashes", "a.yaml", |bytes| repeated("- ", bytes)),
    ("questions", "a.yaml", |bytes| repeated("? ", bytes)),
    ("anchors", "a.yaml", |bytes| format!("- {}", repeated("&a x\n- ", bytes))),
    ("aliases", "a.yaml", |bytes| format!("- {}", repeated("*a\n- ", bytes))),
    ("tags", "a.yaml", |bytes| format!("- {}", repeated("!t x\n- ", bytes))),
    ("a quote", "a.yaml", |bytes| format!("\"{}", repeated("x ", bytes))),
    ("quotes", "a.yaml", |bytes| repeated("'", bytes)),
    ("lines", "a.yaml", |bytes| repeated("x\n", bytes)),
    ("carriage returns", "a.yaml", |bytes| repeated("\r", bytes)),
    ("one long text", "a.yaml", |bytes| format!("version: {}", repeated("ä", bytes))),
    ("unknown keys", "a.yaml", |bytes| numbered(bytes, |n| format!("k{n}: 1\n"))),
    ("unknown keys in one line", "a.json", |bytes| {
        format!("{{{}\"z\": 1}}", numbered(bytes, |n| format!("\"k{n}\": 1, ")))
    }),
    ("one key", "a.yaml", |bytes| repeated("k: 1\n", bytes)),
    ("unknown permissions", "a.yaml", |bytes| rules(bytes, |n| format!("  GET /a{n}: nobody{n}\n"))),
    ("unknown permissions in one line", "a.json", |bytes| {
        let rules = numbered(bytes, |n| format!("\"GET /a{n}\": \"nobody{n}\", "));
        format!("{{\"version\": 1, \"rules\": {{{rules} \"GET /\": \"public\"}}}}")
    }),
    ("wrong keys of rules", "a.yaml", |bytes| rules(bytes, |n| format!("  GTE /a{n}/{{x: read\n"))),
    ("warnings", "a.yaml", |bytes| rules(bytes, |n| format!("  GET /a{n}/{{tenant}}: public\n"))),
    ("silenced warnings", "a.yaml", |bytes| {
        rules(bytes, |n| format!("  'GET /a{n}/{{tenant}}': {{require: public, allow: [W052], note: x}}\n"))
    }),
    ("one requirement", "a.yaml", |bytes| {
        format!("version: 1\nrules:\n  GET /: {} read\n", repeated("a and ", bytes))
    }),
    ("parentheses", "a.yaml", |bytes| format!("version: 1\nrules:\n  GET /: {}\n", repeated("(", bytes))),
    ("one path", "a.yaml", |bytes| {
        format!("version: 1\nrules:\n  ? GET {}\n  : read\n", repeated("/{x}", bytes))
    }),
    ("variables", "a.yaml", |bytes| format!("version: 1\nrules: {{GET /: '{}'}}\n", repeated("${A}", bytes))),
    ("patterns", "a.yaml", |bytes| format!("version: 1\ninclude: ['{}']\n", repeated("*a", bytes))),
    ("TOML brackets", "a.toml", |bytes| format!("a = {}", repeated("[", bytes))),
    ("TOML braces", "a.toml", |bytes| format!("a = {}", repeated("{a=", bytes))),
    ("TOML headers", "a.toml", |bytes| repeated("[a]\n", bytes)),
    ("TOML lists of tables", "a.toml", |bytes| repeated("[[a.b]]\n", bytes)),
    ("TOML dots", "a.toml", |bytes| repeated("a.", bytes)),
    ("TOML dotted keys", "a.toml", |bytes| numbered(bytes, |n| format!("a.b{n}.c = 1\n"))),
    ("TOML one key", "a.toml", |bytes| repeated("a=1\n", bytes)),
    ("TOML dates", "a.toml", |bytes| format!("a = [{}]", repeated("1979-05-27, ", bytes))),
    ("TOML lines", "a.toml", |bytes| repeated("x\n", bytes)),
    ("TOML values in one line", "a.toml", |bytes| format!("a = [{}]", repeated("{b='ä'},", bytes))),
    ("TOML quotes", "a.toml", |bytes| format!("a = {}", repeated("\"", bytes))),
];

/// How long this thread was really working: how busy the machine is otherwise makes no difference.
fn worked() -> Option<Duration> {
    let statistics = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Duration::from_nanos(statistics.split(' ').next()?.parse().ok()?))
}

/// The shortest of a few readings, and how much is said about them.
fn measured(name: &str, text: &str, times: usize) -> (Duration, usize) {
    let mut shortest = Duration::MAX;
    let mut said = 0;
    for _ in 0..times {
        let (start, clock) = (worked(), Instant::now());
        said = match compile(name, text.as_bytes(), &environment) {
            Ok(file) => file.warnings.render(true).len(),
            Err(findings) => findings.render(true).len(),
        };
        let time = start.and_then(|start| worked()?.checked_sub(start));
        shortest = shortest.min(time.unwrap_or_else(|| clock.elapsed()));
    }
    (shortest, said)
}

#[test]
fn four_times_the_file_takes_about_four_times_as_long() {
    for (what, name, filler) in FILLERS {
        let (small, large) = (filler(12 * 1024), filler(48 * 1024));
        // What is quadratic takes sixteen times as long. A machine may be busy, so a slow answer is asked again.
        let grows_too_fast = || {
            let (small, _) = measured(name, &small, 2);
            let (large, _) = measured(name, &large, 1);
            large > small.mul_f64(10.0) && large > Duration::from_millis(20)
        };
        assert!(!(0..4).all(|_| grows_too_fast()), "{what}");
    }
}

#[test]
fn a_file_of_mistakes_is_answered_with_a_page() {
    for (what, name, filler) in FILLERS {
        let (_, said) = measured(name, &filler(160 * 1024), 1);
        assert!(said < 256 * 1024, "{what}: {said} bytes");
    }
}

#[test]
fn what_is_no_utf8_text_is_refused_in_every_format() {
    for name in ["a.yaml", "a.json", "a.toml"] {
        let code = |bytes: &[u8]| {
            let findings = compile(name, bytes, &environment).unwrap_err();
            findings.iter().map(|finding| finding.code).collect::<Vec<_>>()
        };
        assert_eq!(code(b"\xef\xbb\xbfversion: 1"), ["E002"], "{name}");
        assert_eq!(code(b"version: \xff"), ["E002"], "{name}");
        assert_eq!(code(b"\xff\xfev\0e\0"), ["E002"], "{name}");
        assert_eq!(code(b"version: \0"), ["E002"], "{name}");
        assert_eq!(code("GET /\u{202e}".as_bytes()), ["E002"], "{name}");
        assert_eq!(code(&vec![b' '; MAX_BYTES + 1]), ["E003"], "{name}");
    }
}

#[test]
fn of_a_file_that_is_too_large_no_more_than_a_megabyte_is_read() {
    let directory = Directory::new("ten-megabytes");
    let path = directory.write("large.yaml", vec![b'a'; 10 * 1024 * 1024]);
    assert_eq!(read_bytes(&path).unwrap().len(), MAX_BYTES + 1);
    let error = load(&path, &environment).unwrap_err();
    assert!(error.render(false).contains("error[E003]: the file is larger than 1 MiB"), "{error}");
}

#[test]
fn what_is_no_file_is_not_even_opened() {
    let directory = Directory::new("no-file");
    let pipe = directory.0.join("pipe.yaml");
    // Whoever opens a pipe that nobody writes to waits for ever.
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for (path, what) in [
        (pipe.as_path(), "it is a pipe or a device, not a file"),
        ("/dev/zero".as_ref(), "it is a pipe or a device, not a file"),
        (directory.0.as_path(), "it is a directory, not a file"),
    ] {
        let error = load(path, &environment).unwrap_err();
        assert!(matches!(error, LoadError::Unreadable { .. }) && error.exit_code() == 2);
        assert!(error.to_string().ends_with(what), "{error}");
    }
    let policy = directory.write("orgate.yaml", "version: 1\ninclude: ['pipe.*']\n");
    let error = load(&policy, &environment).unwrap_err();
    assert!(error.render(false).contains("cannot read `pipe.yaml`: it is a pipe or a device"), "{error}");
}

#[test]
fn references_that_would_grow_are_not_followed() {
    let mut bomb = "version: 1\na: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (before, name) in ('a'..='y').zip('b'..='z') {
        bomb.push_str(&format!("{name}: &{name} [{}]\n", vec![format!("*{before}"); 10].join(", ")));
    }
    bomb.push_str("rules: *z\n");
    let (time, said) = measured("a.yaml", &bomb, 1);
    assert!(said < 128 * 1024 && time < Duration::from_secs(10), "{said} {time:?}");
    let findings = compile("a.yaml", bomb.as_bytes(), &environment).unwrap_err();
    assert!(findings.iter().any(|finding| finding.code == "E004"));
}
