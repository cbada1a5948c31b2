use proptest::prelude::*;

use super::*;

fn formatted(text: &str) -> String {
    format("orgate.yaml", text.as_bytes()).unwrap_or_else(|reason| panic!("{reason:?}\n{text}"))
}

const HEAD: &str =
    "version: 1\nissuers:\n  main: {issuer: \"https://i.example\", audience: a, profile: orgate}\n";

#[test]
fn rules_are_sorted_and_aligned_and_keep_their_comments() {
    let text = format!(
        "{HEAD}rules:   # who may
  # about
  # writing
  POST|PUT /docs:     write # for members
  GET /docs: read      # für alle
  # nobody
  ANY /docs: deny

  # ---- organizations ----

  DELETE /orgs/{{org_id}}:
    require: delete_org
    # inside

    note: \"SEC-1\"
  GET /orgs/{{org_id}}: {{require: read, hide: true}}
  # the end
permissions: {{b: x,   a: y}}   # untouched
"
    );
    let expected = format!(
        "{HEAD}rules:   # who may
  GET /docs:      read   # für alle
  # about
  # writing
  POST|PUT /docs: write  # for members
  # nobody
  ANY /docs:      deny

  # ---- organizations ----

  GET /orgs/{{org_id}}: {{require: read, hide: true}}
  DELETE /orgs/{{org_id}}:
    require: delete_org
    # inside

    note: \"SEC-1\"
  # the end
permissions: {{b: x,   a: y}}   # untouched
"
    );
    assert_eq!(formatted(&text), expected);
    assert_eq!(formatted(&expected), expected);
}

#[test]
fn what_is_laid_out_in_another_way_is_left_alone() {
    for text in [
        "{version: 1, rules: {GET /b: read, GET /a: read}}\n",
        "rules: {GET /b: read, GET /a: read}\n",
        "rules:\n  {\n  GET /b: read,\n  GET /a: read\n  }\n",
        "rules: read\n",
        "rules:\n",
        "version: 1\n",
        "",
    ] {
        assert_eq!(formatted(text), text);
    }
    // A rule of several lines moves as it is; one on a single line is aligned beside it.
    let text = "rules:\n  \"GET /b\": 'read'\n  ? GET /c\n  : read\n  GET /aaaaaaaaaaaa: >-\n    read\n    and write\n  GET /a:   read";
    let expected = "rules:\n  GET /a:   read\n  GET /aaaaaaaaaaaa: >-\n    read\n    and write\n  \"GET /b\": 'read'\n  ? GET /c\n  : read";
    let got = format("orgate.yaml", text.as_bytes());
    // `? key` starts its line one sign before the key, so the whole section is left as it is.
    assert_eq!(got.unwrap(), text);
    let without = |text: &str| text.replace("  ? GET /c\n  : read", "  GET /c: \"read\"");
    assert_eq!(
        formatted(&without(text)),
        without(expected).replace("  GET /c: \"read\"", "  GET /c:   \"read\"")
    );
}

#[test]
fn line_ends_stay_what_they_are() {
    let text = format!("{HEAD}rules:\n  GET /b: read\n  GET /a: read # x\n").replace('\n', "\r\n");
    let expected = format!("{HEAD}rules:\n  GET /a: read  # x\n  GET /b: read\n").replace('\n', "\r\n");
    assert_eq!(formatted(&text), expected);
    assert!(matches!(format("f", b"a: b\rrules: {}\r"), Err(Unformatted::Other(_))));
}

#[test]
fn a_file_that_cannot_be_read_gives_its_findings() {
    for text in ["rules: {", "rules:\n  GET /a: read\n  GET /a: write\n", "a: &b c\n"] {
        assert!(
            matches!(format("f", text.as_bytes()), Err(Unformatted::Findings(found)) if found.has_errors())
        );
    }
    assert!(matches!(format("f", &[0xff]), Err(Unformatted::Findings(_))));
}

fn a_rule() -> impl Strategy<Value = (String, String)> {
    let segment = prop::sample::select(vec!["a", "b", "ü", "{id}", "*", "c-d"]);
    let path = (prop::collection::vec(segment, 0..4), any::<bool>()).prop_map(|(segments, rest)| {
        format!("/{}{}", segments.join("/"), if rest { "/**" } else { "" }).replace("//", "/")
    });
    let method = prop::sample::select(vec!["GET", "POST", "POST|PUT", "ANY", "DELETE"]);
    let host = prop::sample::select(vec!["", "", "a.example", "x.example"]);
    let value = prop::sample::select(vec![
        "read",
        "write # a comment",
        "{require: read, hide: true}",
        "'read and write'",
        "\"read\"   # ünd # more",
        "\n      require: write\n      # within\n\n      note: \"x: # y\"",
        "\n      note: |\n        # no comment\n\n          deep\n      require: read",
        "read and\n      write",
    ]);
    (
        (method, host, path).prop_map(|(method, host, path)| format!("{method} {host}{path}")),
        value.prop_map(str::to_owned),
    )
}

fn a_section() -> impl Strategy<Value = String> {
    let between = prop::sample::select(vec![
        "",
        "",
        "",
        "\n",
        "    # über\n",
        "\n    # alone\n\n",
        "# at the edge\n    # two\n",
        "\n\n\n",
    ]);
    let rule = (between, a_rule(), 1..4usize);
    prop::collection::vec(rule, 1..12).prop_map(|rules| {
        let mut seen = std::collections::HashSet::new();
        let mut text = String::new();
        for (between, (key, value), spaces) in rules {
            if seen.insert(key.clone()) {
                let space = if value.starts_with('\n') { String::new() } else { " ".repeat(spaces) };
                text.push_str(&format!("{between}    {key}:{space}{value}\n"));
            }
        }
        text
    })
}

fn comments(text: &str) -> Vec<String> {
    let mut comments: Vec<String> = text
        .lines()
        .filter(|line| line.contains('#'))
        .map(|line| line.split_once('#').unwrap().1.trim().to_owned())
        .collect();
    comments.sort();
    comments
}

proptest! {
    #[test]
    fn formatting_changes_no_meaning_loses_no_comment_and_is_done_once(
        section in a_section(),
        tail in prop::sample::select(vec!["", "\n# the end\n", "permissions: [x]\n", "    # last\ndeny: {hide: true}\n"]),
        dos in any::<bool>(),
    ) {
        let mut text = format!("{HEAD}rules: # here\n{section}{tail}");
        if dos {
            text = text.replace('\n', "\r\n");
        }
        let once = formatted(&text);
        prop_assert_eq!(&formatted(&once), &once);
        prop_assert_eq!(comments(&once), comments(&text));
        let value = |text: &str| read("f", text.as_bytes()).unwrap().value;
        prop_assert!(same(&value(&text), &value(&once), true));
        // What is compiled of it is the same policy: every rule with its requirement, and every cell of the matrix.
        let compiled = |text: &str| orgate_config::compile("orgate.yaml", text.as_bytes(), &|_| None).ok().map(|file| {
            let roles: Vec<&str> = file.policy.table_roles().collect();
            let matrix = file.policy.matrix(&roles);
            let mut rows: Vec<String> =
                matrix.rows.iter().map(|row| format!("{} {} {:?}", row.rule, row.requirement, row.cells)).collect();
            rows.sort();
            rows
        });
        prop_assert_eq!(compiled(&text), compiled(&once));
        // Within a paragraph everything is in order.
        let root = read("f", once.as_bytes()).unwrap();
        let rules = root.get("rules").unwrap().entries().unwrap().to_vec();
        for pair in rules.windows(2) {
            let lines: Vec<&str> = once.lines().collect();
            let (one, next) = (pair[0].0.span.line as usize, pair[1].0.span.line as usize);
            let is_single = next - one == 1;
            if is_single && !lines[one].trim().is_empty() {
                prop_assert!(rank(&pair[0].0.text) < rank(&pair[1].0.text), "{}", once);
            }
        }
    }
}
