//! `claims:` of an issuer: slots, the claims that rules compare, and what a value of a token becomes.

use std::path::Path;

use orgate_claims::ClaimValue;
use orgate_verify::ClaimKind;

use super::{
    super::{claims::add_named_claims, issuers},
    accepted, check, findings_of_issuer, findings_with,
};
use crate::{diagnostic::Diagnostics, document};

#[test]
fn claims_are_mapped_slot_by_slot() {
    check!(findings_with(
        "issuers:\n  main:\n    issuer: https://a.example\n    audience: a\n    profile: orgate\n    feed: off\n    claims:\n      \
         org.id: org_id\n      org.slug: {from: [org_slug, /org/slug], optional: true}\n      \
         role: {from: [role, /roles], strip: \"org:\"}\n      \
         permissions: {from: [scope, /realm_access/roles], split: \" \", rename: {\"org:members:write\": [invite, remove_members]}}\n"
    ), @"nothing; 1 rule, 4 roles, 7 permissions");
    check!(findings_of_issuer("issuer: https://a.example, audience: a, claims: {org_id: x, orgid: y, email: z, org.id: {}}"), @"
        error[E010]: `org_id` is no slot of a caller
         --> orgate.yaml:3:59
        3 |   main: {issuer: https://a.example, audience: a, claims: {org_id: x, orgid: y, email: z, org.id: {}}}
          |                                                           ^^^^^^
          = help: did you mean `org.id`?
        error[E010]: `orgid` is no slot of a caller
         --> orgate.yaml:3:70
        3 |   main: {issuer: https://a.example, audience: a, claims: {org_id: x, orgid: y, email: z, org.id: {}}}
          |                                                                      ^^^^^
          = help: did you mean `org.id`?
        error[E010]: `email` is no slot of a caller
         --> orgate.yaml:3:80
        3 |   main: {issuer: https://a.example, audience: a, claims: {org_id: x, orgid: y, email: z, org.id: {}}}
          |                                                                                ^^^^^
          = help: the slots are sub, org.id, org.slug, role, permissions, and `claims.` with a name of your own
        error[E011]: `issuers.main.claims.org.id` has no `from`
         --> orgate.yaml:3:98
        3 |   main: {issuer: https://a.example, audience: a, claims: {org_id: x, orgid: y, email: z, org.id: {}}}
          |                                                                                                  ^^
        ");
    check!(findings_of_issuer("issuer: https://a.example, audience: a, claims: {org.id: 7, role: \"/a~2\", sub: {from: \"\", split: \" \"}, org.slug: {from: a, pick: keys}}"), @r#"
        error[E012]: `issuers.main.claims.org.id`: expected the name of a claim, a list of them, or a map with `from`, found an integer
         --> orgate.yaml:3:67
        3 | ….example, audience: a, claims: {org.id: 7, role: "/a~2", sub: {from: "", split: " "}, org.slug: {from: a, pick: keys}}}
          |                                          ^
        error[E013]: `issuers.main.claims.role`: in a claim pointer, `~` is written `~0` and `/` inside a name `~1`
         --> orgate.yaml:3:76
        3 | … audience: a, claims: {org.id: 7, role: "/a~2", sub: {from: "", split: " "}, org.slug: {from: a, pick: keys}}}
          |                                          ^^^^^^
        error[E013]: `issuers.main.claims.sub`: a claim reference cannot be empty
         --> orgate.yaml:3:96
        3 | …: {org.id: 7, role: "/a~2", sub: {from: "", split: " "}, org.slug: {from: a, pick: keys}}}
          |                                          ^^
        error[E013]: `issuers.main.claims.org.slug`: `split` and `pick` make sets; this slot holds one value
         --> orgate.yaml:3:123
        3 | … sub: {from: "", split: " "}, org.slug: {from: a, pick: keys}}}
          |                                          ^^^^^^^^^^^^^^^^^^^^^
        "#);
    check!(findings_of_issuer("issuer: https://a.example, audience: a, keys: {file: k}, profile: orgate, claims: {role: {from: r, optional: true, required: true}, permissions: {from: p, rename: {a: raed, b: []}}}"), @"
        error[E013]: `issuers.main.claims.role` is both `optional` and `required`
         --> orgate.yaml:3:135
        3 | …le: {from: r, optional: true, required: true}, permissions: {from: p, rename: {a: raed, b: []}}}}
          |                                          ^^^^
        error[E013]: `issuers.main.claims.permissions`: a name must become exactly one other here, and at least one in a set
         --> orgate.yaml:3:155
        3 | …al: true, required: true}, permissions: {from: p, rename: {a: raed, b: []}}}}
          |                                          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
        error[E031]: unknown permission `raed`
         --> orgate.yaml:3:177
        3 | …ue}, permissions: {from: p, rename: {a: raed, b: []}}}}
          |                                          ^^^^
          = help: did you mean `read`?
        ");
}

/// What an issuer with these `claims:` makes of a token, where rules compare `compared`; and what is found in the file.
fn named(claims: &str, compared: &[(&str, ClaimKind)], token: &str) -> (Result<String, String>, String) {
    let text = format!("main: {{issuer: \"https://a.example\", audience: a, claims: {claims}}}\n");
    let mut diagnostics = Diagnostics::new();
    let root = document::read("orgate.yaml", text.as_bytes(), &mut diagnostics).unwrap();
    let mut read = issuers::read(Some(&root), Path::new(""), &|_| None, &mut diagnostics);
    let compared: Vec<_> = compared.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect();
    add_named_claims(&mut read, &compared, &mut diagnostics);
    let trust = &read.issuers[0].trust;
    let principal = trust.claim_mapping().read_unproven(trust.url(), token);
    let described = principal.map(|principal| {
        let values = principal.claims().map(|(name, value)| match value {
            ClaimValue::Text(text) => format!("{name}={text}"),
            ClaimValue::Bool(value) => format!("{name}={value}"),
            ClaimValue::Set(items) => format!("{name}=[{}]", items.join(" ")),
            _ => "?".to_owned(),
        });
        values.collect::<Vec<_>>().join(", ")
    });
    (described.map_err(|error| error.to_string()), diagnostics.render(false))
}

#[test]
fn a_compared_claim_comes_from_where_the_issuer_says_or_from_its_own_name() {
    use ClaimKind::{Scalar, Set};
    let token = r#"{"sub":"u","team_id":7,"team":{"id":"t1"},"teams":"x y","email_verified":true}"#;
    for (claims, compared, expected) in [
        ("{}", &[][..], ""),
        ("{}", &[("team_id", Scalar), ("email_verified", Scalar)], "email_verified=true, team_id=7"),
        ("{}", &[("/team/id", Scalar)], "/team/id=t1"),
        ("{}", &[("absent", Scalar)], ""),
        ("{claims.team_id: [gone, /team/id]}", &[("team_id", Scalar)], "team_id=t1"),
        ("{claims.teams: {from: teams, split: \" \", strip: x}}", &[("teams", Set)], "teams=[ y]"),
    ] {
        let (principal, findings) = named(claims, compared, token);
        assert_eq!((principal.as_deref(), findings.as_str()), (Ok(expected), ""), "{claims}");
    }
    let (principal, _) = named("{}", &[("teams", Set)], token);
    assert_eq!(principal.unwrap_err(), "the claim `teams` is not an array of strings");
    let (principal, _) = named("{claims.t: {from: t, required: true}}", &[("t", Scalar)], token);
    assert_eq!(principal.unwrap_err(), "the token has no `t`");
}

#[test]
fn a_declared_claim_must_fit_what_rules_do_with_it() {
    let token = r#"{"sub":"u"}"#;
    check!(named("{claims.teams: {from: teams, split: \" \"}}", &[("teams", ClaimKind::Scalar)], token).1, @r#"
        error[E013]: `issuers.main.claims.claims.teams`: `split` and `pick` make sets; this slot holds one value
         --> orgate.yaml:1:59
        1 | main: {issuer: "https://a.example", audience: a, claims: {claims.teams: {from: teams, split: " "}}}
          |                                                           ^^^^^^^^^^^^
        "#);
    check!(named("{claims.team: team}", &[("teams", ClaimKind::Set)], token).1, @r#"
        warning[W058]: no rule compares `claims.team`
         --> orgate.yaml:1:59
        1 | main: {issuer: "https://a.example", audience: a, claims: {claims.team: team}}
          |                                                           ^^^^^^^^^^^
          = help: did you mean `claims.teams`?
        "#);
    check!(named("{claims.team: team}", &[], token).1, @r#"
        warning[W058]: no rule compares `claims.team`
         --> orgate.yaml:1:59
        1 | main: {issuer: "https://a.example", audience: a, claims: {claims.team: team}}
          |                                                           ^^^^^^^^^^^
          = help: leave it away, or compare it in a rule or a condition
        "#);
    check!(findings_of_issuer("issuer: https://a.example, audience: a, claims: {claims.: x, \"claims.a b\": x, \"claims./a~2\": x}"), @r#"
        error[E034]: `claims.` is nothing that a rule could compare
         --> orgate.yaml:3:59
        3 |   main: {issuer: https://a.example, audience: a, claims: {claims.: x, "claims.a b": x, "claims./a~2": x}}
          |                                                           ^^^^^^^
          = help: write `claims.` and a name, without spaces, commas and parentheses
        error[E034]: `claims.a b` is nothing that a rule could compare
         --> orgate.yaml:3:71
        3 |   main: {issuer: https://a.example, audience: a, claims: {claims.: x, "claims.a b": x, "claims./a~2": x}}
          |                                                                       ^^^^^^^^^^^^
          = help: write `claims.` and a name, without spaces, commas and parentheses
        error[E034]: `claims./a~2` is nothing that a rule could compare
         --> orgate.yaml:3:88
        3 |   main: {issuer: https://a.example, audience: a, claims: {claims.: x, "claims.a b": x, "claims./a~2": x}}
          |                                                                                        ^^^^^^^^^^^^^
          = help: write `claims.` and a name, without spaces, commas and parentheses
        "#);
}

/// The table of accepted forms. `S` is a scalar slot, `P` and `R` the sets of permissions and roles, `C` a compared claim.
#[test]
fn every_row_of_the_coercion_table_holds() {
    let read = |slot: &str, source: &str, value: &str| {
        let (key, compared) = match slot {
            "S" => ("org.id", &[][..]),
            "P" => ("permissions", &[][..]),
            "R" => ("role", &[][..]),
            _ => ("claims.v", &[("v", ClaimKind::Scalar)][..]),
        };
        let text = format!(
            "version: 1\nissuers: {{main: {{issuer: \"https://a.example\", audience: a, claims: {{{key}: {source}}}}}}}\nrules: {{GET /a: org}}\n"
        );
        let token = format!(r#"{{"sub":"u","v":{value}}}"#);
        if slot == "C" {
            return named(&format!("{{claims.v: {source}}}"), compared, &token).0;
        }
        let trust = accepted(&text).issuers.remove(0).trust;
        let principal = trust.claim_mapping().read_unproven(trust.url(), &token);
        let described = principal.map(|principal| match slot {
            "S" => {
                principal.organization().map_or("none", |organization| organization.id.as_str()).to_owned()
            }
            "P" if !principal.has_permissions_claim() => "absent".to_owned(),
            "P" => principal.permissions().iter().map(|name| name.as_str()).collect::<Vec<_>>().join(" "),
            _ => principal.roles().iter().map(|name| name.as_str()).collect::<Vec<_>>().join(" "),
        });
        described.map_err(|_| "malformed_claim".to_owned())
    };
    for (slot, source, value, expected) in [
        // A scalar: a string as it is, a whole number up to 2^53 in decimal form.
        ("S", "v", r#"" A b ""#, Ok(" A b ")),
        ("S", "v", "9007199254740992", Ok("9007199254740992")),
        ("S", "v", "null", Ok("none")),
        ("S", "v", "9007199254740993", Err(())),
        ("S", "v", "1.5", Err(())),
        ("S", "v", "true", Err(())),
        ("S", "v", r#"["a"]"#, Err(())),
        ("S", "v", r#"{"a":1}"#, Err(())),
        // A boolean only where rules compare it.
        ("C", "v", "true", Ok("v=true")),
        ("C", "v", r#""true""#, Ok("v=true")),
        ("C", "v", "7", Ok("v=7")),
        // A set: an array of strings.
        ("P", "v", r#"["b","a"]"#, Ok("b a")),
        ("P", "v", "[]", Ok("")),
        ("P", "v", "null", Ok("absent")),
        ("P", "v", r#""a b""#, Err(())),
        ("P", "v", r#"["a",1]"#, Err(())),
        ("P", "v", r#"{"a":1}"#, Err(())),
        ("P", "v", "1", Err(())),
        // A string only where `split` is written; one role needs none.
        ("P", r#"{from: v, split: " "}"#, r#""a b""#, Ok("a b")),
        ("P", r#"{from: v, split: ","}"#, r#""a,b""#, Ok("a b")),
        ("R", "v", r#""a b""#, Ok("a b")),
        ("R", "v", r#""a""#, Ok("a")),
        // The names of an object, or a member of each object in an array.
        ("P", "{from: v, pick: keys}", r#"{"a":1,"b":{}}"#, Ok("a b")),
        ("P", "{from: v, pick: keys}", r#"["a"]"#, Err(())),
        ("P", "{from: v, pick: key}", r#"[{"key":"a"},{"key":"b"}]"#, Ok("a b")),
        ("P", "{from: v, pick: key}", r#"[{"name":"a"}]"#, Err(())),
        // Then the prefix goes, only where it is; and only then names are exchanged.
        ("R", r#"{from: v, strip: "org:"}"#, r#"["org:a","b","org:org:c"]"#, Ok("a b org:c")),
        ("S", r#"{from: v, rename: {a: b}}"#, r#""a""#, Ok("b")),
        // A permission that no rule could ask for is left out, and is no reason to refuse the token.
        ("P", "v", r#"["a","b c","(x)"]"#, Ok("a")),
    ] {
        let got = read(slot, source, value);
        assert_eq!(got.as_deref().map_err(|_| ()), expected, "{slot} from {source}: {value}");
    }
}
