//! Whatever a file holds, it is answered and never a panic.

use proptest::prelude::*;

use super::{environment, read};
use crate::{compile, document};

/// Pieces from which something like a policy is made.
const PIECES: [&str; 64] = [
    "version: 1\n",
    "issuers:",
    "rules:",
    "roles:",
    "permissions:",
    "bind:",
    "token:",
    "deny:",
    "identity:",
    "  ",
    "    ",
    "\n",
    "\t",
    " ",
    "- ",
    "? ",
    ": ",
    ":",
    "{",
    "}",
    "[",
    "]",
    ",",
    "\"",
    "'",
    "&a ",
    "*a",
    "!t ",
    "<<",
    "|",
    ">-",
    "---\n",
    "...\n",
    "%YAML 1.2\n",
    "#",
    "main",
    "issuer",
    "https://a.example",
    "audience",
    "api",
    "keys",
    "claims",
    "from",
    "org.id",
    "GET /a",
    "GET /{x}/**",
    "ANY /",
    "read",
    "public",
    " and ",
    "role(",
    ")",
    "require",
    "${",
    "${HOST",
    ":-",
    "x-",
    "null",
    "true",
    "1",
    "ä",
    "\u{202e}",
    "\r\n",
    "\\",
];

fn never_panics(name: &str, bytes: &[u8]) {
    if let Err(diagnostics) = compile(name, bytes, &environment) {
        assert!(diagnostics.has_errors());
        let text = diagnostics.render(true);
        assert!(text.lines().count() >= diagnostics.len());
        let _ = diagnostics.summary("x");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 800, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_text_is_answered(text in "\\PC{0,200}") {
        never_panics("orgate.yaml", text.as_bytes());
        never_panics("orgate.json", text.as_bytes());
    }

    #[test]
    fn arbitrary_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        never_panics("orgate.yaml", &bytes);
    }

    #[test]
    fn text_that_looks_like_a_policy_is_answered(pieces in proptest::collection::vec(0..PIECES.len(), 0..40)) {
        let text: String = pieces.iter().map(|&piece| PIECES[piece]).collect();
        never_panics("orgate.yaml", text.as_bytes());
        never_panics("orgate.yaml", format!("version: 1\nrules:\n  GET /a: public\n{text}").as_bytes());
    }

    #[test]
    fn a_piece_of_a_policy_is_answered(from in 0_usize..400, to in 0_usize..400, with in "\\PC{0,3}") {
        let policy = "version: 1\nissuers:\n  main: {issuer: https://a.example, audience: [api, \"b\"], leeway: 30s, \
            profile: orgate, claims: {role: {from: [role, /r], strip: 'o:'}}}\nbind:\n  team: [org.id, sub]\nroles:\n  \
            a: {grants: [read]}\nrules:\n  GET /a: public\n  POST|PUT /orgs/{org_id}/**: {require: read and (write or \
            role(a)), unbound: [org_id]}\n";
        let characters: Vec<char> = policy.chars().collect();
        let (from, to) = (from.min(characters.len()), to.min(characters.len()));
        let text: String = characters[..from].iter().copied().chain(with.chars()).chain(characters[to..].iter().copied()).collect();
        never_panics("orgate.yaml", text.as_bytes());
    }

    #[test]
    fn a_text_in_quotes_is_read_as_it_is(text in "[ -~äöüß€😀]{0,60}") {
        let quoted = format!("a: \"{}\"\n", text.replace('\\', "\\\\").replace('"', "\\\""));
        let document = document::parse("a.yaml", &quoted).unwrap();
        prop_assert_eq!(document.root().get("a").and_then(|node| node.text()), Some(text.as_str()));
    }
}

#[test]
fn large_files_are_answered_in_reasonable_time() {
    for piece in [
        "[", "{", "? ", "- ", "a: ", "\"", "'", "&a ", "*a ", "!t ", "#", "|\n", "a: b\n", "x\n", "[],",
        "{a: b},", "\n", "\r",
    ] {
        let text: String = piece.repeat(200_000 / piece.len());
        let _ = read(&text);
    }
    let mut rules = "version: 1\nrules:\n".to_owned();
    for number in 0..5_000 {
        rules.push_str(&format!("  GET /a{number}/{{x}}/**: nobody{number}\n"));
    }
    let findings = read(&rules).unwrap_err();
    assert_eq!(findings.errors(), 200, "what is behind these is not looked for");
}
