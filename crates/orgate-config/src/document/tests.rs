//! What is accepted as a file, and how everything else is named.

use super::*;

/// What is wrong with a file, or what it holds.
fn read_as(name: &str, text: &str) -> String {
    match parse(name, text) {
        Ok(document) => outline(document.root()),
        Err(diagnostics) => diagnostics.render(false),
    }
}

fn outline(node: &Node) -> String {
    match &node.value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Integer(value) => value.to_string(),
        Value::Float(value) => format!("{value:?}"),
        Value::Text(text) => format!("{text:?}"),
        Value::List(items) => format!("[{}]", items.iter().map(outline).collect::<Vec<_>>().join(", ")),
        Value::Map(entries) => {
            let entries = entries.iter().map(|(key, node)| format!("{}: {}", key.text, outline(node)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
        Value::Refused => "refused".to_owned(),
    }
}

macro_rules! check {
    ($text:expr, @$expect:literal) => {
        insta::assert_snapshot!(read_as("a.yaml", $text), @$expect)
    };
}

macro_rules! check_json {
    ($text:expr, @$expect:literal) => {
        insta::assert_snapshot!(read_as("a.json", $text), @$expect)
    };
}

#[test]
fn yaml_is_read_by_the_core_schema() {
    check!("a: 1\nb:\n  - x\n  - \"ä ö\"\nc: {d: yes, e: [true, null, 1.5, 0x10]}\nf:\n", @r#"{a: 1, b: ["x", "ä ö"], c: {d: "yes", e: [true, null, 1.5, 16]}, f: null}"#);
    check!("a: 'it''s'\nb: \"x\\ny\"\nc: \"1\"\nd: |\n  one\n  two\ne: >-\n  one\n  two\n", @r#"{a: "it's", b: "x\ny", c: "1", d: "one\ntwo\n", e: "one two"}"#);
    check!("1: a\ntrue: b\n~: c\n\"\": d\n", @r#"{1: "a", true: "b", ~: "c", : "d"}"#);
    check!("---\na: 1 # one\n...\n", @"{a: 1}");
    check!("a:\r\n  b: 1\r\n", @"{a: {b: 1}}");
    check!("# nothing\n", @"null");
    check!("", @"null");
}

#[test]
fn json_is_read_alike() {
    check_json!("{\n\t\"a\": [1, 2, true, null],\n\t\"b\": \"x\\/\\ud83d\\ude00\\u00e9\"\n}\n", @r#"{a: [1, 2, true, null], b: "x/😀é"}"#);
    check_json!("{\"a\": 1, \"a\": 2}", @r#"
        error[E040]: the key `a` is written twice
          --> a.json:1:10   {"a": 1, "a": 2}
          --> a.json:1:2    {"a": 1, "a": 2}   (first written here)
           = help: keep one of them
        "#);
    check_json!("{\"a\": 1,", @r#"
        error[E001]: `{` is opened and never closed
         --> a.json:1:1
        1 | {"a": 1,
          | ^
          = help: add the closing bracket
        "#);
}

#[test]
fn indentation_is_made_of_spaces() {
    check!("a:\n\tb: c\n", @"
        error[E001]: a tab cannot be used as indentation
         --> a.yaml:2:1
        2 |  b: c
          | ^
          = help: use spaces
        ");
    check!("\ta: b\n", @"
        error[E001]: a tab cannot be used as indentation
         --> a.yaml:1:1
        1 |  a: b
          | ^
          = help: use spaces
        ");
    check!("a:\r\n  b: 1\r\n \tc: 2\r\n", @"
        error[E001]: a tab cannot be used as indentation
         --> a.yaml:3:2
        3 |   c: 2
          |  ^
          = help: use spaces
        ");
    check!("a: 1\n  b: 2\n", @"
        error[E001]: a `KEY: VALUE` does not fit here
         --> a.yaml:2:4
        2 |   b: 2
          |    ^
          = help: check the indentation of this line and of the one before it
        ");
    check!("a:\n    b: 2\n   c: 3\n", @"
        error[E001]: this line is not indented like the ones it belongs to
         --> a.yaml:3:4
        3 |    c: 3
          |    ^
          = help: give entries of one map the same indentation
        ");
}

#[test]
fn what_is_opened_is_closed() {
    check!("a: \"x\nb: c\n", @r#"
        error[E001]: a quote is opened here and not closed
         --> a.yaml:1:4
        1 | a: "x
          |    ^
          = help: add the closing quote
        "#);
    check!("a: # it's a comment\n  'x\nb: c\n", @"
        error[E001]: a quote is opened here and not closed
         --> a.yaml:2:3
        2 |   'x
          |   ^
          = help: add the closing quote
        ");
    check!("a: [b, c\nd: e\n", @"
        error[E001]: a `:` does not fit here
         --> a.yaml:2:2
        2 | d: e
          |  ^
          = help: check that brackets and quotes before it are closed
        ");
    check!("a: [b, c\n", @"
        error[E001]: `[` is opened and never closed
         --> a.yaml:1:4
        1 | a: [b, c
          |    ^
          = help: add the closing bracket
        ");
    check!("a: {b: c]\n", @"
        error[E001]: `{` is closed by `]`
         --> a.yaml:1:4
        1 | a: {b: c]
          |    ^
        ");
    check!("a: b]\nc: ]\n", @"
        error[E001]: a bracket is closed that was not opened
         --> a.yaml:2:4
        2 | c: ]
          |    ^
        ");
}

#[test]
fn what_is_no_value_is_explained() {
    check!("a: b: c\n", @"
        error[E001]: a second `: ` in one line
         --> a.yaml:1:5
        1 | a: b: c
          |     ^
          = help: put the text in quotes if it holds a colon and a space
        ");
    check!("a: @x\n", @"
        error[E001]: a value cannot start with `@`
         --> a.yaml:1:4
        1 | a: @x
          |    ^
          = help: put the text in quotes
        ");
    check!("a: *\n", @"
        error[E001]: a value cannot start with `*` or `&`
         --> a.yaml:1:4
        1 | a: *
          |    ^
          = help: put a text that starts with one of them in quotes
        ");
    check!("a: \"\\d\"\n", @r#"
        error[E001]: an escape that does not exist
         --> a.yaml:1:4
        1 | a: "\d"
          |    ^
          = help: write `\\` for a backslash, or use single quotes
        "#);
    check!("- a\nb: c\n", @"
        error[E001]: a list entry does not fit here
         --> a.yaml:2:1
        2 | b: c
          | ^
          = help: start each entry with `- ` at the same indentation
        ");
    check!("a\nb: 1\n", @"
        error[E001]: a `KEY: VALUE` does not fit here
         --> a.yaml:2:2
        2 | b: 1
          |  ^
          = help: check the indentation of this line and of the one before it
        ");
}

#[test]
fn anchors_aliases_and_merge_keys_are_refused_where_they_stand() {
    check!("a: &x 1\nb: *x\nc: *y\n", @"
        error[E004]: anchors are not part of the format
         --> a.yaml:1:4
        1 | a: &x 1
          |    ^^
          = help: write the value out where it is used
        error[E004]: aliases are not part of the format
         --> a.yaml:2:4
        2 | b: *x
          |    ^^
          = help: write the value out here
        error[E004]: aliases are not part of the format
         --> a.yaml:3:4
        3 | c: *y
          |    ^^
          = help: write the value out here
        ");
    check!("a: &m {x: 1}\nb:\n  <<: *m\n", @"
        error[E004]: anchors are not part of the format
         --> a.yaml:1:4
        1 | a: &m {x: 1}
          |    ^^
          = help: write the value out where it is used
        error[E004]: merge keys are not part of the format
         --> a.yaml:3:3
        3 |   <<: *m
          |   ^^
          = help: write the entries out here
        error[E004]: aliases are not part of the format
         --> a.yaml:3:7
        3 |   <<: *m
          |       ^^
          = help: write the value out here
        ");
    check!("&k a: 1\n*k : 2\n", @"
        error[E004]: anchors are not part of the format
         --> a.yaml:1:1
        1 | &k a: 1
          | ^^
          = help: write the value out where it is used
        error[E004]: aliases are not part of the format
         --> a.yaml:2:1
        2 | *k : 2
          | ^^
          = help: write the value out here
        ");
}

#[test]
fn tags_directives_and_odd_keys_are_refused() {
    check!("a: !!str 1\nb: !x {c: d}\n", @"
        error[E004]: tags are not part of the format
         --> a.yaml:1:4
        1 | a: !!str 1
          |    ^^^^^
          = help: remove it; quotes make a value a text
        error[E004]: tags are not part of the format
         --> a.yaml:2:4
        2 | b: !x {c: d}
          |    ^^
          = help: remove it; quotes make a value a text
        ");
    check!("%YAML 1.2\n---\na: 1\n", @"
        error[E004]: directives (`%…`) are not part of the format
         --> a.yaml:1:1
        1 | %YAML 1.2
          | ^
          = help: remove the line
        ");
    check!("? [a]\n: b\n{x: y}: z\n: c\n", @"
        error[E004]: expected a text as key, found a list
         --> a.yaml:1:3
        1 | ? [a]
          |   ^^^
        error[E004]: expected a text as key, found a map
         --> a.yaml:3:1
        3 | {x: y}: z
          | ^^^^^^
        ");
    check!("a: !\n", @"
        error[E004]: tags are not part of the format
         --> a.yaml:1:4
        1 | a: !
          |    ^
          = help: remove it; quotes make a value a text
        ");
}

#[test]
fn a_file_is_one_document() {
    check!("a: 1\n---\nb: 1\n", @"
        error[E004]: a second document starts here
         --> a.yaml:2:1
        2 | ---
          | ^^^
          = help: keep one document in a file
        ");
    check!("a: 1\n...\nb: 2\n", @"
        error[E004]: a second document starts here
         --> a.yaml:3:1
        3 | b: 2
          | ^
          = help: keep one document in a file
        ");
}

#[test]
fn a_key_stands_once_in_its_map() {
    check!("a: 1\nb: 2\na: 3\n", @"
        error[E040]: the key `a` is written twice
          --> a.yaml:3:1   a: 3
          --> a.yaml:1:1   a: 1   (first written here)
           = help: keep one of them
        ");
    check!("äöü:\n  x: 1\n  \"x\": 2\n  x: 3\n", @r#"
        error[E040]: the key `x` is written twice
          --> a.yaml:3:3   "x": 2
          --> a.yaml:2:3   x: 1   (first written here)
           = help: keep one of them
        error[E040]: the key `x` is written twice
          --> a.yaml:4:3   x: 3
          --> a.yaml:2:3   x: 1   (first written here)
           = help: keep one of them
        "#);
    check!("a: {x: 1}\nb: {x: 1}\n", @"{a: {x: 1}, b: {x: 1}}");
}

#[test]
fn hidden_characters_are_refused() {
    check!("\u{feff}a: 1\n", @"
        error[E002]: the file starts with a byte order mark
         --> a.yaml:1:1
        1 | �a: 1
          | ^
          = help: save it as UTF-8 without a byte order mark
        ");
    check!("a: 1\nb: x\u{202e}y\n", @"
        error[E002]: the file holds the hidden character U+202E
         --> a.yaml:2:5
        2 | b: x�y
          |     ^
          = help: remove it: what is read must be what is seen
        ");
    check!("GET /adm\u{200b}in: deny\n", @"
        error[E002]: the file holds the hidden character U+200B
         --> a.yaml:1:9
        1 | GET /adm�in: deny
          |         ^
          = help: remove it: what is read must be what is seen
        ");
    check!("a: b\u{0}c\n", @"
        error[E002]: the file holds the hidden character U+0000
         --> a.yaml:1:5
        1 | a: b�c
          |     ^
          = help: remove it: what is read must be what is seen
        ");
    check!("a: b\u{1b}[31m\n", @"
        error[E002]: the file holds the hidden character U+001B
         --> a.yaml:1:5
        1 | a: b�[31m
          |     ^
          = help: remove it: what is read must be what is seen
        ");
}

#[test]
fn depth_and_size_are_bounded() {
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    assert!(parse("a.yaml", &nested(32)).is_ok());
    check!(&nested(33), @"
        error[E003]: lists and maps are nested deeper than 32 levels
         --> a.yaml:1:33
        1 | [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]
          |                                 ^
        ");
    let blocks: String = (0..33).map(|n| format!("{}a:\n", " ".repeat(n))).collect();
    check!(&blocks, @"
        error[E003]: lists and maps are nested deeper than 32 levels
          --> a.yaml:33:33
        33 |                                 a:
           |                                 ^
        ");
    assert!(parse("a.yaml", &format!("{}{}", nested(2000), "[".repeat(2000))).is_err());
    let big = |bytes: usize| format!("a: \"{}\"\n", "x".repeat(bytes - 6));
    assert!(parse("a.yaml", &big(MAX_BYTES)).is_ok());
    check!(&big(2 * MAX_BYTES), @"
        error[E003]: the file is larger than 1 MiB
         --> a.yaml:1:1
        1 |
          | ^
        ");
}

#[test]
fn what_is_not_utf8_is_refused_at_its_place() {
    let mut diagnostics = Diagnostics::new();
    assert!(read("a.yaml", b"a: 1\nb: \xc3\xa4\xff\n", &mut diagnostics).is_none());
    insta::assert_snapshot!(diagnostics, @"
        error[E002]: the file is not UTF-8
         --> a.yaml:2:5
        2 | b: ä�
          |     ^
          = help: save it as UTF-8; here is the first byte that is something else
        ");
}

#[test]
fn every_part_knows_its_place() {
    let document = parse("a.yaml", "ä: [b, \"c d\"]\ne: 'f''g'\nh: x  y # z\ni:\n  j: |\n    k\n").unwrap();
    let mut places = Vec::new();
    fn visit(node: &Node, places: &mut Vec<String>) {
        let at = |span: Span| format!("{}:{}-{}:{}", span.line, span.column, span.end_line, span.end_column);
        places.push(format!("{} {}", at(node.span), node.value.kind()));
        match &node.value {
            Value::List(items) => items.iter().for_each(|item| visit(item, places)),
            Value::Map(entries) => entries.iter().for_each(|(key, node)| {
                places.push(format!("{} key {}", at(key.span), key.text));
                visit(node, places);
            }),
            _ => {}
        }
    }
    visit(document.root(), &mut places);
    insta::assert_snapshot!(places.join("\n"), @"
        1:1-7:1 a map
        1:1-1:2 key ä
        1:4-1:14 a list
        1:5-1:6 a text
        1:8-1:13 a text
        2:1-2:2 key e
        2:4-2:10 a text
        3:1-3:2 key h
        3:4-3:8 a text
        4:1-4:2 key i
        5:3-7:1 a map
        5:3-5:4 key j
        6:5-7:1 a text
        ");
    let part = |key: &str, at, len| {
        let span = document.root().get(key).unwrap().span_within(at, len);
        (span.column, span.end_column)
    };
    assert_eq!(part("h", 3, 1), (7, 8), "plain text: one for one");
    assert_eq!(part("e", 2, 1), (4, 10), "escaped text: as a whole");
    assert_eq!(part("h", 99, 1), (4, 8), "outside: as a whole");
}

#[test]
fn readers_say_what_they_expected() {
    let text = "text: 1\nlist: {a: b}\nitems: [a, 2, [b]]\nflag: yes\nnumber: many\nport: 70000\nname: on\n\
        wait: 30\nrest: 30\nlong: 2h\nword: blue\ndirection: lefft\nunknown: 1\nlist_: 2\nx-mine: 3\nempty:\nfloat: 1.5\n";
    let (root, mut diagnostics) = parse("a.yaml", text).unwrap().into_parts();
    let mut map = MapReader::new(&root, "app", &mut diagnostics).unwrap();
    assert!(map.optional("text").text().is_none());
    assert!(map.optional("list").list().is_none());
    assert!(map.optional("items").list().is_none());
    assert!(map.optional("flag").boolean().is_none());
    assert!(map.optional("number").integer(0..=9).is_none());
    assert!(map.optional("port").integer(1..=65_535).is_none());
    assert_eq!(map.optional("name").text().map(|name| name.value), Some("on"));
    assert!(map.optional("wait").duration(0..=60).is_none());
    assert!(map.optional("long").duration(1..=300).is_none());
    assert!(map.optional("word").duration(1..=300).is_none());
    assert!(map.optional("direction").one_of(&[("left", 1), ("right", 2)]).is_none());
    assert!(map.optional("empty").text().is_none());
    assert!(map.optional("float").integer(0..=9).is_none());
    assert!(map.optional("absent").text().is_none());
    assert!(map.required("wanted").text().is_none());
    map.unsupported("rest");
    map.finish();
    insta::assert_snapshot!(diagnostics, @"
        error[E012]: `app.text`: expected a text, found an integer
         --> a.yaml:1:7
        1 | text: 1
          |       ^
          = help: put it in quotes to make it a text
        error[E012]: `app.list`: expected a text or a list of texts, found a map
         --> a.yaml:2:7
        2 | list: {a: b}
          |       ^^^^^^
        error[E012]: `app.items`: expected a text, found an integer
         --> a.yaml:3:12
        3 | items: [a, 2, [b]]
          |            ^
          = help: put it in quotes to make it a text
        error[E012]: `app.items`: expected a text, found a list
         --> a.yaml:3:15
        3 | items: [a, 2, [b]]
          |               ^^^
        error[E012]: `app.flag`: expected `true` or `false`, found a text
         --> a.yaml:4:7
        4 | flag: yes
          |       ^^^
          = help: write `true`
        error[E012]: `app.number`: expected a whole number from 0 to 9, found a text
         --> a.yaml:5:9
        5 | number: many
          |         ^^^^
        error[E013]: `app.port`: expected a whole number from 1 to 65535, found 70000
         --> a.yaml:6:7
        6 | port: 70000
          |       ^^^^^
        error[E012]: `app.wait`: expected a duration such as `30s`, `5m` or `1h`, found an integer
         --> a.yaml:8:7
        8 | wait: 30
          |       ^^
        error[E013]: `app.long`: expected a duration from 1s to 5m, found `2h`
          --> a.yaml:10:7
        10 | long: 2h
           |       ^^
        error[E013]: `app.word`: expected a duration such as `30s`, `5m` or `1h`, found `blue`
          --> a.yaml:11:7
        11 | word: blue
           |       ^^^^
        error[E013]: `app.direction`: expected one of `left`, `right`, found `lefft`
          --> a.yaml:12:12
        12 | direction: lefft
           |            ^^^^^
           = help: did you mean `left`?
        error[E012]: `app.empty`: expected a text, found nothing
          --> a.yaml:16:6
        16 | empty:
           |      ^
        error[E012]: `app.float`: expected a whole number from 0 to 9, found a number
          --> a.yaml:17:8
        17 | float: 1.5
           |        ^^^
        error[E011]: `app` has no `wanted`
         --> a.yaml:1:1
        1 | text: 1
          | ^^^^^^^
        error[E014]: `rest` in `app` is not supported by this version
         --> a.yaml:9:1
        9 | rest: 30
          | ^^^^
        error[E010]: unknown key `unknown` in `app`
          --> a.yaml:13:1
        13 | unknown: 1
           | ^^^^^^^
           = help: known keys: text, list, items, flag, number, port, name, wait, long, word, direction, empty, float, absent, wanted, rest
        error[E010]: unknown key `list_` in `app`
          --> a.yaml:14:1
        14 | list_: 2
           | ^^^^^
           = help: did you mean `list`?
        ");
}

#[test]
fn durations_are_numbers_with_a_unit() {
    let (root, mut diagnostics) = parse("a.yaml", "a: [30s, 5m, 1h, 7d, 0s]\n").unwrap().into_parts();
    let Some(Value::List(items)) = root.get("a").map(|node| &node.value) else { panic!("a list") };
    let seconds: Vec<u64> = items
        .iter()
        .filter_map(|item| Field::of(item, "a", &mut diagnostics).duration(0..=u64::MAX))
        .map(|duration| duration.value.as_secs())
        .collect();
    assert_eq!(seconds, [30, 300, 3600, 604_800, 0]);
    for wrong in [
        "s",
        "5",
        "5 m",
        "-5m",
        "+5m",
        "5M",
        "1.5h",
        "5ms",
        "99999999999999999999s",
        "999999999999999999d",
        "٣s",
    ] {
        let (root, mut diagnostics) = parse("a.yaml", &format!("a: \"{wrong}\"\n")).unwrap().into_parts();
        let node = root.get("a").unwrap();
        assert!(Field::of(node, "a", &mut diagnostics).duration(0..=u64::MAX).is_none(), "{wrong}");
        assert_eq!(diagnostics.len(), 1, "{wrong}");
    }
}

#[test]
fn refused_parts_are_reported_once() {
    let mut diagnostics = Diagnostics::new();
    let root = read("a.yaml", b"a: *x\nb: *y\n", &mut diagnostics).unwrap();
    let before = diagnostics.len();
    let mut map = MapReader::new(&root, "", &mut diagnostics).unwrap();
    assert!(map.required("a").text().is_none());
    assert!(map.required("b").list().is_none());
    map.finish();
    assert_eq!((before, diagnostics.len()), (2, 2));
}
