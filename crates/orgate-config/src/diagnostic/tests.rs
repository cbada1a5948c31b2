//! How findings look.

use super::*;

fn source(text: &str) -> (Diagnostics, FileId) {
    let mut diagnostics = Diagnostics::new();
    let file = diagnostics.add_source("orgate.yaml", text);
    (diagnostics, file)
}

fn span(file: FileId, line: u32, columns: std::ops::Range<u32>) -> Span {
    Span { end_column: columns.end, ..Span::point(file, line, columns.start) }
}

#[test]
fn findings_look_like_those_of_the_compiler() {
    let (mut diagnostics, file) = source("rules:\n  DELETE /orgs/{org_id}: delet_org\n  ANY /**: read\n");
    let other = diagnostics.add_source("files.orgate.yaml", "rules:\n\n  GET /a/b/{y}: public\n");
    let unknown = Diagnostic::error("E031", "unknown permission `delet_org`").at(span(file, 2, 26..35));
    diagnostics.push(
        unknown.label("not declared by any role or under `permissions`").help("did you mean `delete_org`?"),
    );
    let ambiguous = Diagnostic::error("E042", "ambiguous rules for /a/b/c").at(span(file, 3, 3..10));
    diagnostics.push(
        ambiguous
            .related(span(other, 3, 3..15), "")
            .help("say which one you mean by adding:   GET /a/b/c: read"),
    );
    diagnostics.push(Diagnostic::warning("W020", "no declared role can satisfy `read`").at(span(
        file,
        3,
        12..16,
    )));
    diagnostics.push(Diagnostic::error("E090", "the policy has 20001 rules").help("first line\nsecond line"));
    insta::assert_snapshot!(diagnostics, @"
        error[E031]: unknown permission `delet_org`
         --> orgate.yaml:2:26
        2 |   DELETE /orgs/{org_id}: delet_org
          |                          ^^^^^^^^^ not declared by any role or under `permissions`
          = help: did you mean `delete_org`?
        error[E042]: ambiguous rules for /a/b/c
          --> orgate.yaml:3:3   ANY /**: read
          --> files.orgate.yaml:3:3   GET /a/b/{y}: public
           = help: say which one you mean by adding:   GET /a/b/c: read
        warning[W020]: no declared role can satisfy `read`
         --> orgate.yaml:3:12
        3 |   ANY /**: read
          |            ^^^^
        error[E090]: the policy has 20001 rules
          = help: first line
                  second line
        ");
    insta::assert_snapshot!(diagnostics.summary("41 rules"), @"3 errors, 1 warning; 41 rules    see `orgate help E031`");
}

#[test]
fn places_of_one_file_stand_under_each_other() {
    let text = format!(
        "{}  ANY /**: read\n{}  GET|POST /admin/users: role(owner)\n",
        "\n".repeat(8),
        "\n".repeat(8)
    );
    let (mut diagnostics, file) = source(&text);
    let finding =
        Diagnostic::error("E043", "PUT on /admin/users falls to a weaker ANY rule").at(span(file, 18, 3..24));
    diagnostics.push(finding.related(span(file, 9, 3..10), "the weaker one"));
    insta::assert_snapshot!(diagnostics, @"
        error[E043]: PUT on /admin/users falls to a weaker ANY rule
          --> orgate.yaml:18:3   GET|POST /admin/users: role(owner)
          --> orgate.yaml:9:3    ANY /**: read   (the weaker one)
        ");
}

#[test]
fn carets_stand_under_characters_not_bytes() {
    let (mut diagnostics, file) = source("größe: übermäßig # ä\n");
    diagnostics.push(Diagnostic::error("E013", "too much").at(span(file, 1, 8..17)));
    insta::assert_snapshot!(diagnostics, @"
        error[E013]: too much
         --> orgate.yaml:1:8
        1 | größe: übermäßig # ä
          |        ^^^^^^^^^
        ");
}

#[test]
fn places_outside_of_a_file_do_no_harm() {
    let (mut diagnostics, file) = source("a: 1\n");
    diagnostics.push(Diagnostic::error("E001", "behind the line").at(span(file, 1, 90..99)));
    diagnostics.push(Diagnostic::error("E001", "behind the file").at(span(file, 7, 1..2)));
    diagnostics.push(Diagnostic::error("E001", "nowhere").at(span(file, 0, 0..0)));
    diagnostics.push(Diagnostic::error("E001", "no such file").at(span(FileId(9), 1, 1..2)));
    insta::assert_snapshot!(diagnostics, @"
        error[E001]: behind the line
         --> orgate.yaml:1:90
        1 | a: 1
          |     ^
        error[E001]: behind the file
         --> orgate.yaml:7:1
        error[E001]: nowhere
         --> orgate.yaml:0:0
        error[E001]: no such file
         --> ?:1:1
        ");
}

#[test]
fn a_long_line_is_shown_around_the_place() {
    let (mut diagnostics, file) = source(&format!("{}BAD{}\n", "a".repeat(5000), "z".repeat(5000)));
    diagnostics.push(Diagnostic::error("E001", "here").at(span(file, 1, 5001..5004)));
    insta::assert_snapshot!(diagnostics, @"
        error[E001]: here
         --> orgate.yaml:1:5001
        1 | …aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaBADzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz…
          |                                          ^^^
        ");
}

#[test]
fn a_file_cannot_drive_the_terminal() {
    let (mut diagnostics, file) = source("a: \u{1b}[2J\u{202e}b\tc\n");
    diagnostics
        .push(Diagnostic::error("E002", "odd `\u{1b}]0;x\u{7}`").at(span(file, 1, 4..5)).help("\u{9b}31m"));
    let shown = diagnostics.render(false);
    assert!(!shown.contains(|c: char| c.is_control() && c != '\n' || c == '\u{202e}'), "{shown:?}");
}

#[test]
fn colour_is_added_only_where_it_is_asked_for() {
    let (mut diagnostics, file) = source("a: 1\n");
    diagnostics.push(Diagnostic::error("E013", "no").at(span(file, 1, 4..5)).help("yes"));
    diagnostics.push(Diagnostic::warning("W051", "hm").at(span(file, 1, 1..2)));
    let colored = diagnostics.render(true);
    insta::assert_snapshot!(colored.replace('\u{1b}', "^"), @"
        ^[1;31merror[E013]^[0m: ^[1mno^[0m
         ^[1;34m-->^[0m orgate.yaml:1:4
        ^[1;34m1 |^[0m a: 1
          ^[1;34m|^[0m    ^[1;31m^^[0m
          ^[1;34m=^[0m help: yes
        ^[1;33mwarning[W051]^[0m: ^[1mhm^[0m
         ^[1;34m-->^[0m orgate.yaml:1:1
        ^[1;34m1 |^[0m a: 1
          ^[1;34m|^[0m ^[1;33m^^[0m
        ");
    let plain: String = colored
        .split('\u{1b}')
        .enumerate()
        .map(|(at, part)| if at == 0 { part } else { part.split_once('m').map_or("", |(_, rest)| rest) })
        .collect();
    assert_eq!(plain, diagnostics.render(false));
}

#[test]
fn errors_come_first_and_in_the_order_of_the_file() {
    let (mut diagnostics, file) = source("a: 1\nb: 2\n");
    diagnostics.push(Diagnostic::warning("W051", "w").at(span(file, 1, 1..2)));
    diagnostics.push(Diagnostic::error("E013", "second").at(span(file, 2, 1..2)));
    diagnostics.push(Diagnostic::error("E013", "first").at(span(file, 1, 4..5)));
    diagnostics.sort();
    let order: Vec<&str> = diagnostics.iter().map(|finding| finding.message.as_str()).collect();
    assert_eq!(order, ["first", "second", "w"]);
    assert_eq!((diagnostics.errors(), diagnostics.warnings(), diagnostics.has_errors()), (2, 1, true));
}

#[test]
fn the_summary_counts() {
    assert_eq!(Diagnostics::new().summary("3 rules"), "no findings; 3 rules");
    let (mut diagnostics, _) = source("");
    diagnostics.push(Diagnostic::warning("W051", "w"));
    assert_eq!(diagnostics.summary(""), "1 warning    see `orgate help W051`");
    diagnostics.push(Diagnostic::error("E013", "e"));
    assert_eq!(diagnostics.summary(""), "1 error, 1 warning    see `orgate help E013`");
}

#[test]
fn of_very_many_findings_the_first_are_shown_and_all_are_counted() {
    let mut diagnostics = Diagnostics::new();
    let file = diagnostics.add_source("a.yaml", "x\n".repeat(30_000));
    for line in (1..=25_000).rev() {
        let finding = |severity| Diagnostic::new(severity, "E999", format!("finding {line}"));
        diagnostics.push(finding(Severity::Warning).at(Span::point(file, line, 1)));
        if line % 100 == 0 {
            diagnostics.push(finding(Severity::Error).at(Span::point(file, line, 1)));
        }
    }
    assert_eq!((diagnostics.errors(), diagnostics.warnings(), diagnostics.len()), (250, 25_000, 20_250));
    diagnostics.sort();
    assert_eq!((diagnostics.errors(), diagnostics.warnings(), diagnostics.len()), (250, 25_000, 400));
    assert_eq!(diagnostics.omitted(), (50, 24_800));
    let text = diagnostics.render(false);
    assert!(text.starts_with("error[E999]: finding 100\n"), "{text}");
    assert!(text.ends_with("… and 50 errors, 24800 warnings more\n"), "{text}");
    assert!(diagnostics.summary("").starts_with("250 errors, 25000 warnings"));
    diagnostics.sort();
    assert_eq!(
        (diagnostics.omitted(), diagnostics.len()),
        ((50, 24_800), 400),
        "sorting again changes nothing"
    );
    diagnostics.retain_warnings(|_| None);
    assert_eq!((diagnostics.errors(), diagnostics.len()), (250, 200));
}
