//! Files that were never meant well, and the largest that are.

use std::{fmt::Write as _, io};

use orgate_config::{Entry, Files};

/// The size of most files: the largest that is read.
const FULL: usize = 1 << 20;

/// A policy, by name and text, and the fragments that it can include.
pub(super) struct Case {
    pub(super) what: &'static str,
    pub(super) name: &'static str,
    pub(super) text: Vec<u8>,
    pub(super) fragments: Vec<Vec<u8>>,
    pub(super) stands: bool,
}

impl Files for Case {
    fn entries(&self, directory: &str) -> io::Result<Vec<Entry>> {
        if directory != "f" {
            return Ok(vec![Entry { name: "f".to_owned(), is_directory: true }]);
        }
        let entry = |at| Entry { name: format!("{at}.yaml"), is_directory: false };
        Ok((0..self.fragments.len()).map(entry).collect())
    }

    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        let number = path.trim_start_matches("f/").trim_end_matches(".yaml").parse::<usize>().ok();
        let bytes = number.and_then(|number| self.fragments.get(number));
        bytes.cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

fn repeated(piece: &str, bytes: usize) -> String {
    piece.repeat(bytes / piece.len())
}

/// Lines until the file is full.
fn numbered(bytes: usize, line: impl Fn(usize) -> String) -> String {
    let mut text = String::with_capacity(bytes);
    for number in 0.. {
        let line = line(number);
        if text.len() + line.len() > bytes {
            break;
        }
        text.push_str(&line);
    }
    text
}

fn counted(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).map(line).collect()
}

const HEAD: &str =
    "version: 1\nissuers: {main: {issuer: 'https://a.example', audience: api}}\npermissions: [read, write]\n";

/// A policy whose rules are these lines.
fn rules(lines: &str) -> String {
    format!("{HEAD}rules:\n{lines}")
}

/// A policy of one megabyte whose rules are these lines.
fn full(line: impl Fn(usize) -> String) -> String {
    rules(&numbered(FULL - HEAD.len() - 64, line))
}

/// Two families of rules of which each crosses each of the other.
fn crossing(count: usize, one: &str, other: &str) -> String {
    rules(&counted(count, |n| format!("  GET /a/{{x}}/b{n}: {one}\n  GET /a/c{n}/{{y}}: {other}\n")))
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |stands: bool, what, name, text: String| {
        cases.push(Case { what, name, text: text.into_bytes(), fragments: Vec::new(), stands });
    };
    syntax(&mut |what, name, text| add(false, what, name, text));
    mistakes(&mut |what, name, text| add(false, what, name, text));
    toml_and_json(&mut |what, name, text| add(false, what, name, text));
    overlaps(&mut add);
    sections(&mut add);
    in_every_rule(&mut add);
    largest(&mut add);
    cases.extend(bytes());
    cases.extend(fragments());
    cases
}

fn syntax(add: &mut dyn FnMut(&'static str, &'static str, String)) {
    add("brackets", "a.yaml", repeated("[", FULL));
    add("braces", "a.json", repeated("{\"a\":", FULL));
    add("dashes in one line", "a.yaml", repeated("- ", FULL));
    add("a list of texts", "a.yaml", repeated("- x\n", FULL));
    add("a list of nothing", "a.yaml", repeated("-\n", FULL));
    add("a list of lists", "a.yaml", repeated("- []\n", FULL));
    add("a list of maps", "a.yaml", repeated("- {}\n", FULL));
    add("a flow list", "a.yaml", format!("[{}]", repeated("1,", FULL - 2)));
    add("a flow list of lists", "a.yaml", format!("[{}]", repeated("[],", FULL - 2)));
    add(
        "a list in a key of another tool",
        "a.yaml",
        format!("version: 1\nx-a:\n{}", repeated("- x\n", FULL - 20)),
    );
    add("a flow map", "a.yaml", format!("{{{}}}", numbered(FULL - 2, |n| format!("{n}: 1,"))));
    add("keys without values", "a.yaml", format!("{{{}}}", numbered(FULL - 2, |n| format!("{n:x},"))));
    add("questions", "a.yaml", repeated("? ", FULL));
    add("anchors", "a.yaml", format!("- {}", repeated("&a x\n- ", FULL - 2)));
    add("aliases", "a.yaml", format!("- {}", repeated("*a\n- ", FULL - 2)));
    add("tags", "a.yaml", format!("- {}", repeated("!t x\n- ", FULL - 2)));
    add("a quote", "a.yaml", format!("\"{}", repeated("x ", FULL - 1)));
    add("quotes", "a.yaml", repeated("'", FULL));
    add("lines", "a.yaml", repeated("x\n", FULL));
    add("comments", "a.yaml", repeated("#\n", FULL));
    add("one comment", "a.yaml", format!("#{}", repeated("x", FULL - 1)));
    add("spaces", "a.yaml", repeated(" ", FULL));
    add("carriage returns", "a.yaml", repeated("\r", FULL));
    add("one long text", "a.yaml", format!("version: {}", repeated("ä", FULL - 9)));
    add("one long number", "a.yaml", format!("version: {}", repeated("9", FULL - 9)));
    add("one long key", "a.yaml", format!("? {}\n: 1\n", repeated("k", FULL - 9)));
    add("a folded text", "a.yaml", format!("version: >\n{}", repeated("  x\n", FULL - 12)));
    add("escapes", "a.yaml", format!("version: \"{}\"", repeated("\\u00e4", FULL - 12)));
    add("bomb", "a.yaml", bomb());
    add("many documents", "a.yaml", repeated("---\n", FULL));
    add("directives", "a.yaml", repeated("%YAML 1.2\n", FULL));
    add("merge keys", "a.yaml", repeated("<<: {}\n", FULL));
}

fn bomb() -> String {
    let mut text = "version: 1\na: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (before, name) in ('a'..='y').zip('b'..='z') {
        let _ = writeln!(text, "{name}: &{name} [{}]", vec![format!("*{before}"); 10].join(", "));
    }
    text + "rules: *z\n"
}

fn mistakes(add: &mut dyn FnMut(&'static str, &'static str, String)) {
    add("one key", "a.yaml", repeated("k: 1\n", FULL));
    add("unknown keys", "a.yaml", numbered(FULL, |n| format!("k{n}: 1\n")));
    add("unknown keys in one line", "a.json", {
        format!("{{{}\"z\": 1}}", numbered(FULL - 16, |n| format!("\"k{n}\": 1, ")))
    });
    add("unknown permissions", "a.yaml", full(|n| format!("  GET /a{n}: nobody{n}\n")));
    add("unknown permissions beside 1 024 known ones", "a.yaml", {
        let known = counted(1_024, |n| format!("permission-{n}, "));
        let lines = numbered(900_000, |n| format!("  GET /a{n}: permission_{n}\n"));
        format!("version: 1\npermissions: [{known}]\nrules:\n{lines}")
    });
    add("unknown permissions in one line", "a.json", {
        let rules = numbered(FULL - 80, |n| format!("\"GET /a{n}\": \"nobody{n}\", "));
        format!("{{\"version\": 1, \"rules\": {{{rules} \"GET /\": \"public\"}}}}")
    });
    add("wrong keys of rules", "a.yaml", full(|n| format!("  GTE /a{n}/{{x: read\n")));
    add("wrong requirements", "a.yaml", full(|n| format!("  GET /a{n}: read and\n")));
    add("wrong values", "a.yaml", full(|n| format!("  GET /a{n}: 1\n")));
    add("wrong keys in rules", "a.yaml", full(|n| format!("  GET /a{n}: {{requires: read}}\n")));
    add("variables", "a.yaml", format!("version: 1\nrules: {{GET /: '{}'}}\n", repeated("${A}", FULL - 30)));
    add("variables in rules", "a.yaml", full(|n| format!("  GET /a{n}: ${{A}}\n")));
    add("one requirement", "a.yaml", rules(&format!("  GET /: {} read\n", repeated("a and ", 1_000_000))));
    add("parentheses", "a.yaml", rules(&format!("  GET /: {}\n", repeated("(", 1_000_000))));
    add("one path", "a.yaml", rules(&format!("  ? GET {}\n  : read\n", repeated("/{x}", 1_000_000))));
    add("one rule of many methods", "a.yaml", {
        rules(&format!("  ? GET{} /\n  : read\n", numbered(1_000_000, |n| format!("|M{n}"))))
    });
    add("many methods", "a.yaml", full(|n| format!("  M{n} /a{n}: read\n")));
    add("one mistake at the end of 20 000 rules", "a.yaml", {
        rules(
            &(counted(19_999, |n| format!("  GET /api/r{}/p{n}/{{id}}: read\n", n % 100))
                + "  GET /z: raed\n"),
        )
    });
    add("one mistake at the end of 9 000 long rules", "a.yaml", {
        let rule = |n| {
            format!(
                "  GET /api/r{}/p{n}/{{id}}:\n    require: read and not write\n    note: why this is so, at some length for all readers\n",
                n % 100
            )
        };
        rules(&(counted(8_500, rule) + "  GET /z: raed\n"))
    });
    add("a syntax error at the end", "a.yaml", {
        rules(
            &(counted(20_000, |n| format!("  GET /api/r{}/p{n}/{{id}}: read\n", n % 100))
                + "  GET /z: \"read\n"),
        )
    });
}

fn toml_and_json(add: &mut dyn FnMut(&'static str, &'static str, String)) {
    add("TOML brackets", "a.toml", format!("a = {}", repeated("[", FULL - 4)));
    add("TOML braces", "a.toml", format!("a = {}", repeated("{a=", FULL - 4)));
    add("TOML headers", "a.toml", repeated("[a]\n", FULL));
    add("TOML different headers", "a.toml", numbered(FULL, |n| format!("[a{n}]\n")));
    add("TOML lists of tables", "a.toml", repeated("[[a.b]]\n", FULL));
    add("TOML dots", "a.toml", repeated("a.", FULL));
    add("TOML dotted keys", "a.toml", numbered(FULL, |n| format!("a.b{n}.c = 1\n")));
    add("TOML one key", "a.toml", repeated("a=1\n", FULL));
    add("TOML keys", "a.toml", numbered(FULL, |n| format!("a{n}=1\n")));
    add("TOML dates", "a.toml", format!("a = [{}]", repeated("1979-05-27, ", FULL - 8)));
    add("TOML numbers", "a.toml", format!("a = [{}]", repeated("1,", FULL - 8)));
    add("TOML commas", "a.toml", format!("a = [{}]", repeated(",", FULL - 8)));
    add("TOML lines", "a.toml", repeated("x\n", FULL));
    add("TOML newlines", "a.toml", repeated("\n", FULL));
    add("TOML tables in one line", "a.toml", format!("a = [{}]", repeated("{b='ä'},", FULL - 8)));
    add("TOML quotes", "a.toml", format!("a = {}", repeated("\"", FULL - 4)));
    add("TOML one mistake at the end of 20 000 rules", "a.toml", {
        let lines = counted(19_999, |n| format!("\"GET /api/r{}/p{n}/{{id}}\"=\"read\"\n", n % 100));
        format!("version=1\npermissions=['read']\n[rules]\n{lines}\"GET /z\"=\"raed\"\n")
    });
    add("JSON numbers", "a.json", format!("[{}1]", repeated("1,", FULL - 8)));
    add("JSON lists", "a.json", format!("[{}[]]", repeated("[],", FULL - 8)));
    add("JSON tabs", "a.json", repeated("\t", FULL));
    add("JSON one mistake at the end of 20 000 rules", "a.json", {
        let lines = counted(19_999, |n| format!("\"GET /api/r{}/p{n}/{{id}}\":\"read\",\n", n % 100));
        format!("{{\"version\":1,\"permissions\":[\"read\"],\"rules\":{{\n{lines}\"GET /z\":\"raed\"}}}}")
    });
}

fn overlaps(add: &mut dyn FnMut(bool, &'static str, &'static str, String)) {
    add(true, "crossing 500 × 500, one requirement", "a.yaml", crossing(500, "read", "read"));
    add(true, "crossing 5 000 × 5 000, one requirement", "a.yaml", crossing(5_000, "read", "read"));
    add(false, "crossing 5 000 × 5 000, two requirements", "a.yaml", crossing(5_000, "read", "write"));
    add(true, "crossing 100 × 100, each declared", "a.yaml", {
        let declared = (0..100).flat_map(|c| (0..100).map(move |b| format!("  GET /a/c{c}/b{b}: deny\n")));
        crossing(100, "read", "write") + &declared.collect::<String>()
    });
    add(true, "crossing 5 000 × 5 000, other methods", "a.yaml", {
        rules(&counted(5_000, |n| format!("  GET /a/{{x}}/b{n}: read\n  POST /a/c{n}/{{y}}: write\n")))
    });
    add(false, "crossing 3 000 × 3 000, 3 000 requirements", "a.yaml", {
        rules(&counted(3_000, |n| {
            format!(
                "  GET /a/{{x}}/b{n}: sub == claims.a and sub == \"{n}\"\n  GET /a/c{n}/{{y}}: sub == claims.a and sub == \"{n}\"\n"
            )
        }))
    });
    add(false, "crossing 4 000 × 4 000 that compare captures", "a.yaml", {
        let lines = counted(4_000, |n| {
            format!("  GET /a/{{x}}/b{n}: path.x == sub\n  POST /a/c{n}/{{y}}: path.y == sub\n")
        });
        rules(&(lines + "  DELETE /a/{x}/b1: path.x == sub\n  DELETE /a/c1/{y}: read\n"))
    });
    add(false, "one path, other names", "a.yaml", full(|n| format!("  HEAD /a/{{x{n}}}: read\n")));
    add(
        false,
        "one path, other spelling",
        "a.yaml",
        full(|n| format!("  GET{}/a: read\n", " ".repeat(n % 30 + 1))),
    );
    add(true, "nested paths", "a.yaml", {
        rules(&counted(2_000, |n| {
            format!("  GET /a/b{n}/**: read\n  GET /a/b{n}/c/**: write\n  ANY /a/b{n}/c: write\n")
        }))
    });
    add(false, "open catch-alls and closed rules", "a.yaml", {
        rules(&counted(9_000, |n| format!("  GET /a{n}/**: public\n  GET /b/a{n}: read\n")))
            + "  GET /z: raed\n"
    });
    add(false, "rests around rests", "a.yaml", {
        full(|n| format!("  GET {}/b{n}/**: read\n", "/*".repeat(n % 28))) + "  GET /z: raed\n"
    });
    add(false, "every mixture of literals and parameters", "a.yaml", {
        let path =
            |n: usize| (0..14).map(|at| if n >> at & 1 == 0 { "/a" } else { "/*" }).collect::<String>();
        full(|n| format!("  GET {}: read\n", path(n)))
    });
    add(false, "every mixture, other requirements", "a.yaml", {
        let path =
            |n: usize| (0..14).map(|at| if n >> at & 1 == 0 { "/a" } else { "/*" }).collect::<String>();
        full(|n| format!("  GET {}: {}\n", path(n), if n % 2 == 0 { "read" } else { "write" }))
    });
}

fn sections(add: &mut dyn FnMut(bool, &'static str, &'static str, String)) {
    let end = "rules: {GET /: public}\n";
    let list = |item: &dyn Fn(usize) -> String| numbered(FULL - 400, |n| format!("{}, ", item(n)));
    add(
        false,
        "permissions",
        "a.yaml",
        format!("version: 1\npermissions: [{}]\n{end}", list(&|n| format!("p{n}"))),
    );
    add(false, "permissions that are none", "a.yaml", {
        format!("version: 1\npermissions: [{}]\n{end}", list(&|n| format!("-{n}")))
    });
    add(false, "roles", "a.yaml", {
        format!(
            "version: 1\n{end}roles:\n{}",
            numbered(FULL - 100, |n| format!("  r{n}: {{grants: [read]}}\n"))
        )
    });
    add(false, "roles that extend each other", "a.yaml", {
        let all = counted(256, |n| format!("r{n}, "));
        format!("version: 1\n{end}roles:\n{}", counted(256, |n| format!("  r{n}: {{extends: [{all}]}}\n")))
    });
    add(true, "roles that extend all before", "a.yaml", {
        let before = |n: usize| counted(n, |n| format!("r{n}, "));
        let role = |n| format!("  r{n}: {{grants: [p{n}], extends: [{}]}}\n", before(n));
        format!("version: 1\n{end}roles:\n{}", counted(256, role))
    });
    add(false, "a role that grants everything", "a.yaml", {
        format!("version: 1\n{end}roles: {{a: {{grants: [{}]}}}}\n", list(&|n| format!("p{n}")))
    });
    add(false, "grants of 1 024 permissions to 200 roles", "a.yaml", {
        let all = counted(1_024, |n| format!("{n:x},"));
        format!("version: 1\n{end}roles:\n{}", counted(200, |n| format!("  r{n}: {{grants: [{all}]}}\n")))
    });
    add(false, "issuers", "a.yaml", {
        let issuers =
            numbered(FULL - 100, |n| format!("  i{n}: {{issuer: 'https://i{n}.example', audience: a}}\n"));
        format!("version: 1\n{end}issuers:\n{issuers}")
    });
    add(false, "audiences", "a.yaml", {
        let all = list(&|n| format!("a{n}"));
        format!(
            "version: 1\n{end}issuers: {{main: {{issuer: 'https://a.example', audience: [{all}]}}}}\nx: 1\n"
        )
    });
    add(false, "claims", "a.yaml", {
        let all = list(&|n| format!("claims.c{n}: [c{n}]"));
        format!(
            "version: 1\n{end}issuers: {{main: {{issuer: 'https://a.example', audience: a, claims: {{{all}}}}}}}\nx: 1\n"
        )
    });
    add(false, "renames", "a.yaml", {
        let all = list(&|n| format!("n{n}: r{n}"));
        format!(
            "version: 1\n{end}issuers: {{main: {{issuer: 'https://a.example', audience: a, claims: {{role: {{from: role, rename: {{{all}}}}}}}}}}}\nx: 1\n"
        )
    });
}

fn in_every_rule(add: &mut dyn FnMut(bool, &'static str, &'static str, String)) {
    let list = |item: &dyn Fn(usize) -> String| numbered(FULL - 400, |n| format!("{}, ", item(n)));
    let end = "rules: {GET /: public}\n";
    add(false, "bindings", "a.yaml", {
        let all = numbered(500_000, |n| format!("  b{n}: org.id\n"));
        let rules = numbered(500_000, |n| format!("  GET /a{n}/{{b{n}}}: read\n"));
        format!("version: 1\nbind:\n{all}rules:\n{rules}")
    });
    add(false, "unbound", "a.yaml", {
        full(|n| {
            format!(
                "  GET /a{n}/{{org_id}}: {{require: read, unbound: [{}]}}\n",
                counted(40, |n| format!("u{n},"))
            )
        })
    });
    add(false, "authenticators", "a.yaml", {
        let all = numbered(500_000, |n| {
            format!("  a{n}: {{webhook: {{url: 'https://h.example', secret: {{env: S}}}}}}\n")
        });
        let rules = numbered(500_000, |n| format!("  POST /a{n}: via(b{n})\n"));
        format!("version: 1\nauthenticators:\n{all}rules:\n{rules}")
    });
    add(false, "conditions", "a.yaml", {
        let all = numbered(500_000, |n| format!("  c{n}: path.x == sub\n"));
        let rules = numbered(500_000, |n| format!("  GET /a{n}/{{x}}: c{n}\n"));
        format!("{HEAD}conditions:\n{all}rules:\n{rules}  GET /z: raed\n")
    });
    add(false, "conditions in conditions' places", "a.yaml", {
        let body = counted(63, |n| format!("sub == \"{n}\" and ")) + "sub == \"x\"";
        let rule = vec!["c"; 64].join(" or ");
        let rules = numbered(900_000, |n| format!("  GET /a{n}: {rule}\n"));
        format!("{HEAD}conditions: {{c: '{body}'}}\nrules:\n{rules}")
    });
    add(false, "a long condition in every rule", "a.yaml", {
        let body = counted(61, |n| format!("sub == \"{n}\" and ")) + "sub == \"x\"";
        let rules = counted(19_000, |n| format!("  GET /a/b{n}: read and c\n"));
        format!("{HEAD}conditions: {{c: '{body}'}}\nrules:\n{rules}  GET /z: raed\n")
    });
    add(false, "comparisons", "a.yaml", full(|n| format!("  GET /a{n}: sub == \"{n}\"\n")));
    add(false, "hosts", "a.yaml", full(|n| format!("  GET h{n}.example/a: read\n")));
    add(false, "requirements of 14 permissions", "a.yaml", {
        let known = counted(1_000, |n| format!("p{n}, "));
        let all = |n: usize| {
            (0..14)
                .map(|at| format!("p{}", (n * 7 + at * (n % 60 + 1)) % 1_000))
                .collect::<Vec<_>>()
                .join(" or ")
        };
        let lines = numbered(FULL - 20_000, |n| format!("  GET /a{n}: {}\n", all(n)));
        format!("version: 1\npermissions: [{known}]\nrules:\n{lines}  GET /z: raed\n")
    });
    add(
        false,
        "warnings and a mistake",
        "a.yaml",
        full(|n| format!("  GET /a{n}/{{tenant}}: read\n")) + "  GET /z: raed\n",
    );
    add(false, "silenced warnings and a mistake", "a.yaml", {
        full(|n| format!("  'GET /a{n}/{{tenant}}': {{require: read, allow: [W052], note: x}}\n"))
            + "  GET /z: raed\n"
    });
    add(false, "an allow of many codes", "a.yaml", {
        format!(
            "version: 1\nrules: {{GET /: {{require: public, note: x, allow: [{}]}}}}\n",
            list(&|_| "W052".to_owned())
        )
    });
    add(
        false,
        "an include of many patterns",
        "a.yaml",
        format!("version: 1\ninclude: [{}]\n", list(&|n| format!("f{n}/*.yaml"))),
    );
    add(
        false,
        "an include of one long pattern",
        "a.yaml",
        format!("version: 1\ninclude: ['{}']\n", repeated("*a", FULL - 40)),
    );
    add(false, "origins", "a.yaml", {
        let all = list(&|n| format!("https://o{n}.example"));
        format!("version: 1\n{end}cors: {{preflight: {{answer: {{origins: [{all}]}}}}}}\nx: 1\n")
    });
    add(false, "headers to strip", "a.yaml", {
        format!("version: 1\n{end}identity: {{also_strip: [{}]}}\nx: 1\n", list(&|n| format!("x-h{n}")))
    });
}

fn largest(add: &mut dyn FnMut(bool, &'static str, &'static str, String)) {
    add(
        true,
        "20 000 rules",
        "a.yaml",
        rules(&counted(20_000, |n| format!("  GET /api/r{}/p{n}/{{id}}: read\n", n % 100))),
    );
    add(true, "20 000 rules in TOML", "a.toml", {
        let lines = counted(20_000, |n| format!("\"GET /api/r{}/p{n}/{{id}}\"=\"read\"\n", n % 100));
        format!(
            "version=1\npermissions=['read']\n[issuers.main]\nissuer='https://a.example'\naudience='a'\n[rules]\n{lines}"
        )
    });
    add(true, "a megabyte of long rules", "a.yaml", {
        full(|n| format!("  GET /r{}/p{n}/{{id}}:\n    require: read\n    note: n\n", n % 100))
    });
    add(true, "20 000 rules, each long in short", "a.yaml", {
        rules(&counted(20_000, |n| format!("  GET /p{n}/{{id}}: {{require: read, note: n}}\n")))
    });
}

fn bytes() -> Vec<Case> {
    let case =
        |what, text: Vec<u8>| Case { what, name: "a.yaml", text, fragments: Vec::new(), stands: false };
    vec![
        case("no UTF-8 at the end", [repeated("x", FULL - 1).into_bytes(), vec![0xff]].concat()),
        case("no UTF-8 at all", vec![0xff; FULL]),
        case("zeros", vec![0; FULL]),
        case(
            "a hidden character at the end",
            [repeated("x", FULL - 3).into_bytes(), "\u{200b}".into()].concat(),
        ),
        case("a tab at the end", [repeated("x\n", FULL - 4).into_bytes(), b"\tx\n".to_vec()].concat()),
        case("10 MB", vec![b'x'; 10 << 20]),
        case("10 MB of nothing", vec![0; 10 << 20]),
    ]
}

fn fragments() -> Vec<Case> {
    let policy = || format!("{HEAD}include: [f/*.yaml]\nrules: {{GET /: public}}\n").into_bytes();
    let case = |what, stands, fragments| Case { what, name: "a.yaml", text: policy(), fragments, stands };
    let of = |base: usize, lines: String| format!("base: /f{base}\nrules:\n{lines}").into_bytes();
    let rule = |n: usize| format!("  GET /p{n}/{{id}}:\n    require: read\n    note: {}\n", "n".repeat(60));
    vec![
        case(
            "64 fragments of a megabyte",
            false,
            (0..64).map(|n| of(n, numbered(FULL - 40, rule))).collect(),
        ),
        case(
            "64 fragments of no rules",
            false,
            (0..64).map(|_| repeated("- x\n", FULL).into_bytes()).collect(),
        ),
        case("64 fragments of mistakes", false, {
            (0..64).map(|_| numbered(FULL, |n| format!("k{n}: 1\n")).into_bytes()).collect()
        }),
        case("64 fragments of nothing", false, (0..64).map(|_| repeated("#\n", FULL).into_bytes()).collect()),
        case("an include in an include", false, {
            (0..64)
                .map(|n| format!("base: /f{n}\ninclude: [f/*.yaml]\nrules: {{GET /: read}}\n").into_bytes())
                .collect()
        }),
        case("20 000 rules in 64 fragments", true, (0..64).map(|n| of(n, counted(312, rule))).collect()),
    ]
}
