//! Files that were never meant as policies: a clear answer, soon, and in bounded memory.

use std::{
    fs,
    process::Command,
    time::{Duration, Instant},
};

use super::{environment, files::Directory};
use crate::{
    Entry, Files, LoadError, compile, compile_with,
    document::{MAX_BYTES, MAX_VALUES},
    load, read_bytes,
};

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

/// How many keys and values were read, the codes of the findings, and the last line of what is said.
fn read_of(name: &str, text: &str) -> (usize, Vec<&'static str>, String) {
    let findings = compile(name, text.as_bytes(), &environment).unwrap_err();
    let said = findings.render(false);
    let last = said.lines().last().unwrap_or_default().to_owned();
    (findings.values(), findings.iter().map(|finding| finding.code).collect(), last)
}

#[test]
fn a_file_of_mistakes_is_not_read_to_its_end() {
    let rest = "… and more; what is wrong behind these was not looked for";
    for (name, text) in [
        ("a.yaml", repeated("k: 1\n", MAX_BYTES)),
        ("a.yaml", format!("- {}", repeated("&a x\n- ", MAX_BYTES - 2))),
        ("a.yaml", format!("- {}", repeated("*a\n- ", MAX_BYTES - 2))),
        ("a.yaml", repeated("<<: {}\n", MAX_BYTES)),
        ("a.toml", repeated("[a]\n", 40 * 1024)),
        ("a.toml", repeated("a=1\n", 40 * 1024)),
        ("a.toml", format!("a = [{}]", repeated("1979-05-27, ", 40 * 1024))),
        ("a.yaml", numbered(60 * 1024, |n| format!("k{n}: 1\n"))),
        ("a.yaml", rules(60 * 1024, |n| format!("  GTE /a{n}: read\n"))),
        ("a.yaml", rules(60 * 1024, |n| format!("  GET /a{n}: read and\n"))),
        ("a.yaml", rules(60 * 1024, |n| format!("  GET /a{n}: ${{A}}\n"))),
        ("a.yaml", rules(60 * 1024, |n| format!("  GET /a{n}: {{requires: read}}\n"))),
    ] {
        let (values, codes, last) = read_of(name, &text);
        let start: String = text.chars().take(40).collect();
        assert_eq!((codes.len(), last.as_str()), (200, rest), "{start:?}");
        assert!(values <= 16_000, "{start:?}: {values}");
    }
    let (values, ..) = read_of("a.yaml", &repeated("k: 1\n", MAX_BYTES));
    assert!(values <= 420, "reading ends at the mistake that is one too many: {values}");
}

#[test]
fn a_file_of_too_many_values_is_not_read_to_its_end() {
    for (name, text) in [
        ("a.yaml", repeated("- x\n", MAX_BYTES)),
        ("a.yaml", repeated("- []\n", MAX_BYTES)),
        ("a.yaml", format!("[{}]", repeated("1,", MAX_BYTES - 2))),
        ("a.yaml", format!("{{{}}}", numbered(MAX_BYTES - 20, |n| format!("{n:x},")))),
        ("a.yaml", format!("version: 1\nx-a:\n{}", repeated("- x\n", MAX_BYTES - 20))),
        ("a.yaml", repeated(&format!("- [{}]\n", repeated("1,", 100)), MAX_BYTES)),
        ("a.json", format!("[{}1]", repeated("1,", MAX_BYTES - 8))),
        ("a.toml", format!("a = [{}]", repeated("1,", MAX_BYTES - 8))),
        ("a.toml", format!("a = [{}]", repeated("1,", 100 * 1024))),
        ("a.toml", numbered(MAX_BYTES, |n| format!("[a{n}]\n"))),
        ("a.toml", repeated("\n", MAX_BYTES)),
    ] {
        let (values, codes, _) = read_of(name, &text);
        let start: String = text.chars().take(40).collect();
        assert_eq!(codes, ["E003"], "{start:?}");
        assert!(values <= MAX_VALUES + 1, "{start:?}: {values}");
    }
}

#[test]
fn as_many_values_as_20_000_rules_with_notes_need_are_read() {
    let lines: String =
        (0..20_000).map(|n| format!("  GET /p{n}/{{id}}: {{require: read, note: n}}\n")).collect();
    let head =
        "version: 1\nissuers: {main: {issuer: https://a.example, audience: api}}\npermissions: [read]\n";
    let file = compile("a.yaml", format!("{head}rules:\n{lines}").as_bytes(), &environment);
    assert_eq!(file.unwrap().policy.rule_count(), 20_000);
}

/// Fragments by number, all of them below one directory.
struct Fragments(Vec<String>);

impl Files for Fragments {
    fn entries(&self, directory: &str) -> std::io::Result<Vec<Entry>> {
        let entry = |name: String, is_directory| Entry { name, is_directory };
        Ok(match directory {
            "f" => (0..self.0.len()).map(|at| entry(format!("{at:02}.yaml"), false)).collect(),
            _ => vec![entry("f".to_owned(), true)],
        })
    }

    fn read(&self, path: &str) -> std::io::Result<Vec<u8>> {
        let number = path.trim_start_matches("f/").trim_end_matches(".yaml").parse::<usize>();
        let text = number.ok().and_then(|number| self.0.get(number));
        text.map(|text| text.clone().into_bytes()).ok_or_else(|| std::io::ErrorKind::NotFound.into())
    }
}

#[test]
fn what_is_included_is_bounded_in_all_and_not_only_file_by_file() {
    let including = |fragments: Vec<String>| {
        let policy = b"version: 1\ninclude: ['f/*.yaml']\nrules: {GET /: public}\n";
        compile_with("a.yaml", policy, &environment, &Fragments(fragments))
    };
    let spaces =
        |n: usize| format!("base: /f{n}\n#{}\nrules: {{GET /: public}}\n", repeated("x", MAX_BYTES - 100));
    assert_eq!(including((0..3).map(spaces).collect()).unwrap().policy.rule_count(), 4);
    let findings = including((0..64).map(spaces).collect()).unwrap_err();
    let found: Vec<_> = findings.iter().map(|finding| (finding.code, finding.message.as_str())).collect();
    let message = "with `f/04.yaml` the policy and the files that it includes have more than 4 MiB";
    assert_eq!(found, [("E003", message)]);

    let findings = including((0..64).map(|_| repeated("- x\n", MAX_BYTES)).collect()).unwrap_err();
    assert!(findings.iter().map(|finding| finding.code).eq(["E003"]) && findings.values() < 26_000);
    let mistakes = |_| numbered(4_000, |n| format!("k{n}: 1\n"));
    let findings = including((0..64).map(mistakes).collect()).unwrap_err();
    assert!(findings.len() == 200 && findings.values() < 3_000, "{}", findings.values());
}

#[test]
fn sections_with_too_many_entries_are_not_read() {
    let end = "rules: {GET /: public}\n";
    let lines = |count, line: &dyn Fn(usize) -> String| (0..count).map(line).collect::<String>();
    for (section, count, line) in [
        ("bind", 257, &(|n| format!("  b{n}: org.id\n")) as &dyn Fn(usize) -> String),
        ("conditions", 4_097, &|n| format!("  c{n}: sub == sub\n")),
        ("roles", 257, &|n| format!("  r{n}: {{}}\n")),
    ] {
        let text = |count| format!("version: 1\n{end}{section}:\n{}", lines(count, line));
        assert_eq!(read_of("a.yaml", &text(count)).1, ["E090"], "{section}");
        let fits = compile("a.yaml", text(count - 1).as_bytes(), &environment);
        let codes: Vec<_> = fits.err().iter().flatten().map(|finding| finding.code).collect();
        assert!(!codes.contains(&"E090"), "{section}: {codes:?}");
    }
}

#[test]
fn a_section_that_is_far_too_long_is_not_read_to_its_end() {
    for (section, most, line) in [
        ("issuers", 32, &(|n| format!("  i{n}: {{audience: a}}\n")) as &dyn Fn(usize) -> String),
        ("authenticators", 64, &|n| format!("  a{n}: {{type: webhook}}\n")),
        ("roles", 256, &|n| format!("  r{n}: {{grants: [read]}}\n")),
        ("bind", 256, &|n| format!("  b{n}: org.id\n")),
        ("permissions", 1_024, &|n| format!("  - p{n}\n")),
        ("conditions", 4_096, &|n| format!("  c{n}: sub == sub\n")),
        ("rules", 20_000, &|n| format!("  GET /{n}: public\n")),
    ] {
        let text = format!("version: 1\n{section}:\n{}", numbered(900 * 1024, line));
        let findings = compile("a.yaml", text.as_bytes(), &environment).unwrap_err();
        let found: Vec<_> = findings.iter().map(|one| (one.code, one.message.as_str())).collect();
        assert!(matches!(found.as_slice(), [("E090", _)]), "{section}: {found:?}");
        let told = format!("at most {most} are allowed");
        assert!(
            found[0].1.starts_with("the policy has more than ") && found[0].1.ends_with(&told),
            "{found:?}"
        );
        assert!(findings.values() < 12 * most.max(128), "{section}: {}", findings.values());
    }
}

#[test]
fn of_what_is_too_large_together_nothing_is_read() {
    let policy = b"version: 1\ninclude: ['f/*.yaml']\nrules: {GET /: public}\n";
    let including = |count: usize, bytes: usize| {
        let lines = rules(bytes, |n| format!("  GET /a{n}: public\n"));
        let fragments = (0..count).map(|n| format!("base: /f{n}\n{lines}")).collect();
        compile_with("a.yaml", policy, &environment, &Fragments(fragments)).unwrap_err()
    };
    let findings = including(10, 900 * 1024);
    assert!(findings.iter().map(|finding| finding.code).eq(["E003"]) && findings.values() < 20);
    // The rules of all files are counted together.
    let findings = including(4, 300 * 1024);
    assert!(findings.iter().map(|finding| finding.code).eq(["E090"]) && findings.values() < 50_000);
}

#[test]
fn of_thousands_of_rules_one_kind_of_mistake_is_told_before_the_next_is_looked_for() {
    let policy = |count: usize| {
        let text = rules(0, |_| String::new())
            + "  GET /a/{x}/c: public\n  GET /a/b/{y}: deny\n  GET /z: raed\n  GET /t/{tenant}: deny\n"
            + &(4..count).map(|n| format!("  GET /r/{n}: public\n")).collect::<String>();
        read_of("a.yaml", &text)
    };
    let (_, codes, _) = policy(2_000);
    assert_eq!(codes, ["E042", "E031", "W052"]);
    let (_, codes, last) = policy(2_001);
    assert_eq!(
        (codes, last.as_str()),
        (vec!["E031"], "… how so many rules go together is looked at when this is mended")
    );
    let unreadable = (0..2_001).map(|n| format!("  GET /r/{n}: public\n")).collect::<String>();
    let (_, codes, last) =
        read_of("a.yaml", &format!("version: 1\nrules:\n{unreadable}  GET /a: read and\n  GET /z: raed\n"));
    assert_eq!(
        (codes, last.as_str()),
        (vec!["E021"], "… how so many rules go together is looked at when this is mended")
    );
}

#[test]
fn a_condition_is_not_written_out_where_it_would_be_too_much() {
    let body = vec!["sub == claims.a"; 63].join(" and ");
    let rule = vec!["c"; 64].join(" or ");
    let (_, codes, _) = read_of(
        "a.yaml",
        &format!(
            "version: 1\nconditions: {{c: {body}}}\nrules:\n{}",
            numbered(200 * 1024, |n| format!("  GET /a{n}: {rule}\n")),
        ),
    );
    assert!(codes.len() == 200 && codes.iter().all(|code| *code == "E090"), "{codes:?}");
}

#[test]
fn of_a_long_line_only_what_is_shown_is_looked_at() {
    let line = format!("{{{}\"z\": 1}}", numbered(4_000, |n| format!("\"ä{n}\": 1, ")));
    let findings = compile("a.json", line.as_bytes(), &environment).unwrap_err();
    let said = findings.render(false);
    let shown: Vec<&str> =
        said.lines().filter(|line| line.contains("\"ä150\"") || line.contains('^')).collect();
    assert!(said.lines().all(|line| line.chars().count() < 260), "{said}");
    assert!(!shown.is_empty(), "{said}");
}
