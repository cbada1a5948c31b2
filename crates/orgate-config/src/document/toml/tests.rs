//! TOML gives the tree that YAML gives, and its own mistakes are named where they stand.

use super::super::{Node, Value, parse};

fn outline(node: &Node) -> String {
    match &node.value {
        Value::List(items) => format!("[{}]", items.iter().map(outline).collect::<Vec<_>>().join(", ")),
        Value::Map(entries) => {
            let entries = entries.iter().map(|(key, node)| format!("{}: {}", key.text, outline(node)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
        Value::Text(text) => format!("{text:?}"),
        other => format!("{other:?}"),
    }
}

fn read_as(text: &str) -> String {
    match parse("a.toml", text) {
        Ok(document) => outline(document.root()),
        Err(diagnostics) => diagnostics.render(false),
    }
}

macro_rules! check {
    ($text:expr, @$expect:literal) => {
        insta::assert_snapshot!(read_as($text), @$expect)
    };
}

#[test]
fn tables_dotted_keys_and_lists_become_maps_and_lists() {
    check!("", @"{}");
    check!("a = 1\nb = 'x'\nc = [1, 2.5, true, {d = \"\\u00e9\"}]\n", @r#"{a: Integer(1), b: "x", c: [Integer(1), Float(2.5), Bool(true), {d: "é"}]}"#);
    check!("z = 1\n[a.b]\nc = 1\n[a]\nd = 2\n[a.b.e]\nf = '''\nx\ny'''\n", @r#"{z: Integer(1), a: {b: {c: Integer(1), e: {f: "x\ny"}}, d: Integer(2)}}"#);
    check!("a.b.c = 1\na.b.d = 2\n\"a\".e = 3\n[x]\ny.z = 1\n[x.w]\nv = 1\n", @"{a: {b: {c: Integer(1), d: Integer(2)}, e: Integer(3)}, x: {y: {z: Integer(1)}, w: {v: Integer(1)}}}");
    check!("[[p]]\na = 1\n[p.q]\nb = 2\n[[p]]\na = 3\n", @"{p: [{a: Integer(1), q: {b: Integer(2)}}, {a: Integer(3)}]}");
    check!("1 = 2\ntrue = \"GET /a\"\n\"GET /a/{x}: y\" = 1_000\nh = 0x1F\nn = -7\ni = +inf\nbig = 99999999999999999999\n", @r#"{1: Integer(2), true: "GET /a", GET /a/{x}: y: Integer(1000), h: Integer(31), n: Integer(-7), i: Float(inf), big: Float(1e20)}"#);
    check!("\t# tabs are spaces here\n\ta\t=\t[\n\t\t1,\n\t]\r\nb = {\n  c = 1, # lines may end in braces\n}\n", @"{a: [Integer(1)], b: {c: Integer(1)}}");
}

#[test]
fn what_is_written_twice_is_refused_with_both_places() {
    check!("a = 1\n\"a\" = 2\n[t]\nx = 1\n[t]\ny = {z = 1, z = 2}\n", @r#"
            error[E040]: the key `a` is written twice
              --> a.toml:2:1   "a" = 2
              --> a.toml:1:1   a = 1   (first written here)
               = help: keep one of them
            error[E040]: the key `t` is written twice
              --> a.toml:5:2   [t]
              --> a.toml:3:2   [t]   (first written here)
               = help: keep one of them
            error[E040]: the key `z` is written twice
              --> a.toml:6:13   y = {z = 1, z = 2}
              --> a.toml:6:6    y = {z = 1, z = 2}   (first written here)
               = help: keep one of them
            "#);
    check!("[a.b]\nx = 1\n[a]\nb.y = 2\n", @"
            error[E040]: `b` is complete where it is written first; nothing can be added here
              --> a.toml:4:1   b.y = 2
              --> a.toml:1:4   [a.b]   (first written here)
               = help: write all of its entries in one place
            ");
    check!("a = {b = 1}\na.c = 2\n[a.d]\nx = 1\n", @"
            error[E040]: `a` is complete where it is written first; nothing can be added here
              --> a.toml:2:1   a.c = 2
              --> a.toml:1:1   a = {b = 1}   (first written here)
               = help: write all of its entries in one place
            error[E040]: `a` is complete where it is written first; nothing can be added here
              --> a.toml:3:2   [a.d]
              --> a.toml:1:1   a = {b = 1}   (first written here)
               = help: write all of its entries in one place
            ");
    check!("a = [1]\n[[a]]\nb = 1\n", @"
            error[E040]: the key `a` is written twice
              --> a.toml:2:3   [[a]]
              --> a.toml:1:1   a = [1]   (first written here)
               = help: keep one of them
            ");
    check!("[[a]]\nb = 1\n[a]\nc = 1\n", @"
            error[E040]: the key `a` is written twice
              --> a.toml:3:2   [a]
              --> a.toml:1:3   [[a]]   (first written here)
               = help: keep one of them
            ");
    check!("a.b = 1\n[a]\nc = 1\n", @"
            error[E040]: the key `a` is written twice
              --> a.toml:2:2   [a]
              --> a.toml:1:1   a.b = 1   (first written here)
               = help: keep one of them
            ");
}

#[test]
fn what_is_no_toml_is_explained() {
    check!("GET /healthz = \"public\"\n", @r#"
            error[E001]: key with no value, expected `=`
             --> a.toml:1:5
            1 | GET /healthz = "public"
              |     ^
              = help: put a key with spaces, `/` or `:` in quotes: `"GET /projects/**" = "read"`
            "#);
    check!("a: 1\n", @r#"
            error[E001]: invalid unquoted key, expected letters or numbers or `-` or `_`
             --> a.toml:1:2
            1 | a: 1
              |  ^
              = help: put a key with spaces, `/` or `:` in quotes: `"GET /projects/**" = "read"`
            "#);
    check!("a = b\n", @"
            error[E001]: expected a value; texts stand in quotes
             --> a.toml:1:5
            1 | a = b
              |     ^
              = help: put the text in quotes
            ");
    check!("a = \"x\nb = 1\n", @r#"
            error[E001]: a quote is opened and not closed
             --> a.toml:1:7
            1 | a = "x
              |       ^
              = help: add the closing quote
            "#);
    check!("a = [1, 2\nb = 3\n", @"
            error[E001]: missing comma between array elements, expected `,`
             --> a.toml:2:1
            2 | b = 3
              | ^
            ");
    check!("[a\nb = 1\n", @"
            error[E001]: unclosed table, expected `]`
             --> a.toml:1:3
            1 | [a
              |   ^
              = help: add the closing bracket
            ");
    check!("a =\n", @"
            error[E001]: expected a value
             --> a.toml:1:4
            1 | a =
              |    ^
              = help: put the text in quotes
            ");
    check!("a = \"\\d\"\n", @r#"
            error[E001]: an escape that does not exist
             --> a.toml:1:7
            1 | a = "\d"
              |       ^
              = help: write `\\` for a backslash, or use single quotes
            "#);
    check!("a = 2027-01-31\nb = 07:30:00\n", @"
            error[E004]: dates and times are not part of the format
             --> a.toml:1:5
            1 | a = 2027-01-31
              |     ^^^^^^^^^^
              = help: put it in quotes to make it a text
            error[E004]: dates and times are not part of the format
             --> a.toml:2:5
            2 | b = 07:30:00
              |     ^^^^^^^^
              = help: put it in quotes to make it a text
            ");
    check!("a = 1\rb = 2\n", @"
            error[E001]: a carriage return without a newline before this
             --> a.toml:2:1
            2 | b = 2
              | ^
            ");
    check!("a = 1 # \u{202e}\n", @"
            error[E002]: the file holds the hidden character U+202E
             --> a.toml:1:9
            1 | a = 1 # �
              |         ^
              = help: remove it: what is read must be what is seen
            ");
}

#[test]
fn depth_is_bounded_however_it_is_written() {
    let list = |levels: usize| format!("a = {}{}\n", "[".repeat(levels), "]".repeat(levels));
    assert!(parse("a.toml", &list(31)).is_ok());
    check!(&list(32), @"
            error[E003]: lists and maps are nested deeper than 32 levels
             --> a.toml:1:36
            1 | a = [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]
              |                                    ^
            ");
    for (fits, deep) in [
        (vec!["a"; 32].join(".") + " = 1\n", vec!["a"; 33].join(".") + " = 1\n"),
        (format!("[{}]\n", vec!["a"; 31].join(".")), format!("[{}]\n", vec!["a"; 32].join("."))),
        (format!("[[{}]]\n", vec!["a"; 30].join(".")), format!("[[{}]]\n", vec!["a"; 31].join("."))),
        (
            format!("a = {}1{}\n", "{a.b = ".repeat(15), "}".repeat(15)),
            format!("a = {}1{}\n", "{a.b = ".repeat(16), "}".repeat(16)),
        ),
        (
            format!("a = {}1{}\n", "[{a = ".repeat(15), "}]".repeat(15)),
            format!("a = {}1{}\n", "[{a = ".repeat(16), "}]".repeat(16)),
        ),
    ] {
        let shown = parse("a.toml", &fits).err().map(|findings| findings.render(false));
        assert_eq!(shown, None, "{fits}");
        let error = parse("a.toml", &deep).unwrap_err();
        assert_eq!(error.iter().map(|finding| finding.code).collect::<Vec<_>>(), ["E003"], "{deep}");
    }
}

#[test]
fn every_part_knows_its_place() {
    let document =
        parse("a.toml", "ä.b = [1, \"c d\"]\n[e]\n'f g' = 'x  y' # z\nh = { i = \"j\\u0020k\" }\n")
            .unwrap_err();
    assert!(document.render(false).contains("a.toml:1:1"), "a bare key is ASCII");
    let document =
        parse("a.toml", "\"ä\".b = [1, \"c d\"]\n[e]\n'f g' = 'x  y' # z\nh = { i = \"j\\u0020k\" }\n")
            .unwrap();
    let mut places = Vec::new();
    fn visit(node: &Node, places: &mut Vec<String>) {
        let at = |span: super::super::Span| {
            format!("{}:{}-{}:{}", span.line, span.column, span.end_line, span.end_column)
        };
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
            1:1-1:4 a map
            1:1-1:4 key ä
            1:1-1:4 a map
            1:5-1:6 key b
            1:9-1:19 a list
            1:10-1:11 an integer
            1:13-1:18 a text
            2:2-2:3 key e
            2:1-2:4 a map
            3:1-3:6 key f g
            3:9-3:15 a text
            4:1-4:2 key h
            4:5-4:23 a map
            4:7-4:8 key i
            4:11-4:21 a text
            ");
    let table = document.root().get("e").unwrap();
    let part = |node: &Node, at, len| {
        let span = node.span_within(at, len);
        (span.column, span.end_column)
    };
    assert_eq!(part(table.get("f g").unwrap(), 3, 1), (13, 14), "quoted text: one for one");
    assert_eq!(part(table.get("h").unwrap().get("i").unwrap(), 2, 1), (11, 21), "escaped text: as a whole");
}
