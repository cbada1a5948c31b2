//! Documents of every kind, and the policies they give.

use orgate_config::diagnostic::Diagnostics;

use super::*;

/// The policy of a document; it passes `orgate check`, whatever the document says.
#[track_caller]
fn import(document: &str) -> (String, Vec<String>) {
    let mut findings = Diagnostics::new();
    let api = openapi::read("api.yaml", document.as_bytes(), &mut findings);
    assert!(!findings.has_errors(), "{findings}");
    let rules = rules::rules(&api.operations, &[]);
    let text = write::policy("api.yaml", &api, &rules);
    if let Err(findings) = orgate_config::compile("orgate.yaml", text.as_bytes(), &|_| None) {
        panic!("{text}\n{findings}");
    }
    (text, rules.notes)
}

fn rules_of(text: &str) -> Vec<&str> {
    text.split_once("rules:\n").unwrap().1.lines().map(str::trim).collect()
}

#[test]
fn security_becomes_requirements() {
    let (text, _) = import(
        "\
openapi: 3.0.3
servers: [{url: 'https://api.example.com/{v}/', variables: {v: {default: v1}}}]
security: [{oauth: [read]}]
components:
  securitySchemes:
    oauth: {type: oauth2, flows: {clientCredentials: {scopes: {read: Read things, 'write:all': Write}}}}
paths:
  /things:
    get: {}
    post: {security: [{oauth: ['write:all', read]}]}
    put: {security: [{oauth: [read]}, {oauth: ['write:all'], key: []}]}
  /open: {get: {security: []}}
  /maybe: {get: {security: [{}, {oauth: [read]}]}}
  /any: {get: {security: [{key: []}]}}
  /mine: {get: {x-orgate: 'read or role(owner)'}}
  /named: {get: {x-permissions: [read, 'write:all']}}
  /orgs/{org}/logo: {get: {security: []}}
",
    );
    assert!(text.contains("  read: Read things\n  write:all: Write\n"), "{text}");
    assert_eq!(
        rules_of(&text),
        [
            "GET /v1/things: read",
            "POST /v1/things: write:all and read",
            "PUT /v1/things: read or write:all",
            "GET /v1/open: public",
            "GET /v1/maybe: optional",
            "GET /v1/any: authenticated",
            "GET /v1/mine: read or role(owner)",
            "GET /v1/named: read and write:all",
            "GET /v1/orgs/{org}/logo: {require: public, unbound: [org]}",
        ]
    );
}

#[test]
fn what_is_not_said_is_denied_and_marked() {
    let (text, notes) = import(
        "\
openapi: 3.1.0
paths:
  /a: {get: {}, post: {security: [{x: ['two words']}]}}
  /b/{x}.json: {get: {security: []}}
  /repos/{owner}:{name}/{name}: {get: {security: []}}
  /c/{id-of}/{id-of}/: {get: {security: []}}
  /d/..: {get: {security: []}}
  /e/{one}: {get: {security: [{k: []}]}}
  /e/{two}: {get: {security: []}, delete: {security: [{k: []}]}}
",
    );
    assert_eq!(
        rules_of(&text),
        [
            "GET /a: deny    # decide: the document says nothing about access",
            "POST /a: deny    # decide: `two words` cannot be the name of a permission",
            "GET /b/*: public    # stands for `{x}.json`: a segment varies as a whole",
            "GET /repos/*/{name}: public    # stands for `{owner}:{name}`: a segment varies as a whole",
            "GET /c/{id_of}/*: public",
            "GET /e/{one}: deny    # decide: two operations: authenticated and public",
            "DELETE /e/{one}: authenticated",
        ]
    );
    assert_eq!(notes, ["`GET /d/..` is left out: no request has such a path"]);
}

#[test]
fn crossing_templates_get_a_rule_for_what_they_share() {
    let (text, _) = import(
        "\
openapi: 3.1.0
paths:
  /a/{x}/c/{z}: {get: {x-orgate: p or q}}
  /a/b/{y}/{z}: {get: {x-orgate: r}, head: {security: []}}
  /a/{x}/{y}/d: {get: {security: [{k: []}]}}
",
    );
    let rules = rules_of(&text);
    assert!(
        rules.contains(&"GET /a/b/c/{z}: (p or q) and r    # where /a/{x}/c/{z} and /a/b/{y}/{z} meet"),
        "{text}"
    );
    assert!(rules.iter().any(|rule| rule.starts_with("GET /a/b/c/d: ")), "{text}");
}

#[test]
fn a_reference_is_followed_and_another_version_refused() {
    let (text, _) = import(
        "openapi: 3.1.0\ncomponents: {pathItems: {one: {get: {security: []}}}}\npaths: {/a: {$ref: '#/components/pathItems/one'}}\n",
    );
    assert_eq!(rules_of(&text), ["GET /a: public"]);
    let mut findings = Diagnostics::new();
    openapi::read("api.yaml", b"swagger: \"2.0\"\npaths: {}\n", &mut findings);
    assert!(findings.has_errors());
}

#[test]
fn merging_adds_what_is_missing_and_keeps_the_rest() {
    let written = "\
version: 1
issuers: {main: {issuer: \"https://i.example\", audience: a}}
permissions:
  read: null
rules:
  GET /a/{id}: read    # as it was
  ANY /b: deny

# the end
x-more: 1
";
    let document = "openapi: 3.1.0\npaths:\n  /a/{x}: {get: {}, put: {x-permissions: write}}\n  /b: {get: {}}\n  /a/c: {put: {security: []}}\n";
    let mut findings = Diagnostics::new();
    let api = openapi::read("api.yaml", document.as_bytes(), &mut findings);
    let file = orgate_config::compile("orgate.yaml", written.as_bytes(), &|_| None).unwrap();
    let keys = file.policy.keys().zip(file.policy.rules());
    let kept: Vec<Rule> = keys.filter_map(|(key, (_, text))| kept(key, text)).collect();
    let rules = rules::rules(&api.operations, &kept);
    let known: Vec<&str> = file.policy.permissions().collect();
    let text = write::merged("api.yaml", written, &known, &rules).unwrap();
    assert_eq!(
        text,
        written.replace("  read: null\n", "  read: null\n  write: null\n").replace(
            "  ANY /b: deny\n",
            "  ANY /b: deny\n  # From api.yaml.\n  PUT /a/{id}: write\n  PUT /a/c: public\n"
        )
    );
    assert!(orgate_config::compile("orgate.yaml", text.as_bytes(), &|_| None).is_ok(), "{text}");
}
