//! A11 the claims of an organization.

use orgate_testkit::TestKey;
use orgate_verify::VerifyErrorKind::*;
use serde_json::{Value, json};

use super::{Corpus, Expected, header};

pub(super) fn add(corpus: &mut Corpus) {
    corpus.row("A11");
    permissions(corpus);
    look_alikes(corpus);
    names(corpus);
}

fn permissions(corpus: &mut Corpus) {
    let key = TestKey::es256();
    for value in [
        json!("write"),
        json!("read write"),
        json!("read,write"),
        json!(""),
        json!(1),
        json!(true),
        json!({}),
        json!({"write": true}),
        json!([["write"]]),
        json!([{"name": "write"}]),
        json!([1, "write"]),
        json!([null]),
        json!(["write", null]),
        json!([true]),
    ] {
        let token = key.mint(&corpus.with("org_permissions", value.clone()));
        corpus.refused(format!("org_permissions {value}"), token, MalformedClaim);
    }
    let powerless = |corpus: &mut Corpus, name: String, mut claims: Value| {
        claims["org_id"] = Value::Null;
        corpus.push(name, key.mint(&claims), None, Expected::Powerless);
    };
    for name in [
        "wri te",
        " write",
        "write ",
        "write\0",
        "\0write",
        "write\u{200b}",
        "w\u{200b}rite",
        "wr\u{456}te",
        "ｗｒｉｔｅ",
        "\u{202e}etirw",
        "write\u{301}",
        "*",
        ".*",
        "wri*",
        "write*",
        "!write",
        "wri",
        "writes",
        "Write",
        "WRITE",
        "org:write",
        "write:all",
        "%77rite",
        "write\n",
        "write\r\n",
        "read,write",
        "read write",
        "write;",
        "",
        "\"write\"",
        "[\"write\"]",
    ] {
        powerless(
            corpus,
            format!("permission {name:?}"),
            corpus.with("org_permissions", json!(["read", name])),
        );
    }
    powerless(corpus, "no permissions".to_owned(), corpus.with("org_permissions", json!([])));
    powerless(corpus, "permissions null".to_owned(), corpus.with("org_permissions", Value::Null));
    powerless(corpus, "permissions missing".to_owned(), corpus.without("org_permissions"));
    let escaped = corpus.raw("org_permissions", r#"["\u0077rite"]"#);
    corpus.accepted(r"\u0077rite is write", key.sign(header(key).to_string(), escaped));
}

/// Members whose names only look like those that count.
fn look_alikes(corpus: &mut Corpus) {
    let key = TestKey::es256();
    for name in [
        "Org_Permissions",
        "ORG_PERMISSIONS",
        "org-permissions",
        "orgPermissions",
        "permissions",
        "scope",
        "scopes",
        "scp",
        "org_permissions ",
        " org_permissions",
        "org_permissions\0",
        "org_permission",
        "οrg_permissions",
    ] {
        let mut claims = corpus.without("org_permissions");
        claims[name] = json!(["write"]);
        claims.as_object_mut().unwrap().remove("org_id");
        corpus.push(format!("claim {name:?}"), key.mint(&claims), None, Expected::Powerless);
    }
    for name in ["org", "/org", "claims", "realm_access"] {
        let mut claims = corpus.without("org_permissions");
        claims[name] = json!({"permissions": ["write"], "org_permissions": ["write"]});
        claims.as_object_mut().unwrap().remove("org_id");
        corpus.push(format!("within {name}"), key.mint(&claims), None, Expected::Powerless);
    }
    for name in ["Org_Id", "org-id", "orgId", "organization_id", "org", "tenant", "org_id\0", "οrg_id"] {
        let mut claims = corpus.without("org_permissions");
        claims.as_object_mut().unwrap().remove("org_id");
        claims[name] = "org_acme".into();
        corpus.push(format!("organization {name:?}"), key.mint(&claims), None, Expected::Powerless);
    }
    for value in [json!("owner"), json!(["owner", "admin"])] {
        let mut claims = corpus.without("org_permissions");
        claims["org_role"] = value.clone();
        claims.as_object_mut().unwrap().remove("org_id");
        corpus.push(format!("role {value} alone"), key.mint(&claims), None, Expected::Powerless);
    }
}

fn names(corpus: &mut Corpus) {
    let key = TestKey::es256();
    let long = "o".repeat(3_000);
    for (claim, values) in [
        ("org_id", &["a\r\nX-Orgate-Role: owner", "a\nb", "a\0", "\0", "a\u{7f}", "a\u{85}"][..]),
        ("org_slug", &["a\r\nb", "a\0", "\n"]),
        ("org_role", &["owner\r\n", "a\0", "", "\t"]),
        ("sub", &["a\nb", "a\r\nX: y", "a\0", ""]),
        ("client_id", &["a\nb", ""]),
        ("sid", &["a\nb", ""]),
        ("jti", &["a\nb", ""]),
    ] {
        for value in values {
            let name = format!("{claim} {:?}", value.chars().take(24).collect::<String>());
            corpus.refused(name, key.mint(&corpus.with(claim, (*value).into())), MalformedClaim);
        }
    }
    for claim in ["org_id", "org_slug", "org_role", "sub"] {
        corpus.accepted(
            format!("{claim} of 3,000 letters"),
            key.mint(&corpus.with(claim, long.clone().into())),
        );
        corpus.accepted(format!("{claim} with a comma"), key.mint(&corpus.with(claim, "a,b".into())));
    }
    for claim in ["org_id", "org_slug", "sub", "sid", "jti"] {
        for value in [json!(1), json!(1.5), json!(true), json!(["org_acme"]), json!({"id": "org_acme"})] {
            let token = key.mint(&corpus.with(claim, value.clone()));
            corpus.refused(format!("{claim} {value}"), token, MalformedClaim);
        }
    }
    for value in
        [json!(1), json!(true), json!({"owner": true}), json!([1]), json!([null]), json!([["owner"]])]
    {
        let token = key.mint(&corpus.with("org_role", value.clone()));
        corpus.refused(format!("org_role {value}"), token, MalformedClaim);
    }
    corpus.refused("no sub", key.mint(&corpus.without("sub")), MissingClaim);
    corpus.refused("sub null", key.mint(&corpus.with("sub", Value::Null)), MissingClaim);
    for value in [json!(null), json!("")] {
        let mut claims = corpus.without("org_permissions");
        claims["org_id"] = value.clone();
        corpus.push(format!("org_id {value}"), key.mint(&claims), None, Expected::Powerless);
    }
}
