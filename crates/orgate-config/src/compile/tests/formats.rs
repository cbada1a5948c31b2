//! One policy in three formats is one policy; what is wrong in it is found in all of them, where it stands.

use super::{check, environment};
use crate::{PolicyFile, compile};

const YAML: &str = r#"version: 1
permissions: {billing:read: See invoices, delete_project: null}
permissions_from: union
issuers:
  main:
    issuer: https://${HOST}
    audience: [api, "other"]
    leeway: 30s
    profile: orgate
    claims:
      role: {from: [role, /roles], strip: "org:"}
  second: {issuer: https://b.example, audience: any, keys: {jwks_uri: https://b.example/jwks}}
token: {from: [bearer, {header: x-token}]}
roles:
  viewer: {grants: [read]}
  owner: {extends: viewer, grants: [delete_org]}
bind: {team: [org.id, sub]}
identity: {prefix: X-App, also_strip: [x-user]}
deny: {unmatched: 404, hide: true}
rules:
  GET /healthz: public
  GET /teams/{team}/**: read and (billing:read or role(owner))
  DELETE /orgs/{org_id}: {require: delete_org, hide: false, note: "one"}
"#;

const JSON: &str = r#"{
  "version": 1,
  "permissions": {"billing:read": "See invoices", "delete_project": null},
  "permissions_from": "union",
  "issuers": {
    "main": {"issuer": "https://${HOST}", "audience": ["api", "other"], "leeway": "30s", "profile": "orgate",
      "claims": {"role": {"from": ["role", "/roles"], "strip": "org:"}}},
    "second": {"issuer": "https://b.example", "audience": "any", "keys": {"jwks_uri": "https://b.example/jwks"}}
  },
  "token": {"from": ["bearer", {"header": "x-token"}]},
  "roles": {"viewer": {"grants": ["read"]}, "owner": {"extends": "viewer", "grants": ["delete_org"]}},
  "bind": {"team": ["org.id", "sub"]},
  "identity": {"prefix": "X-App", "also_strip": ["x-user"]},
  "deny": {"unmatched": 404, "hide": true},
  "rules": {
    "GET /healthz": "public",
    "GET /teams/{team}/**": "read and (billing:read or role(owner))",
    "DELETE /orgs/{org_id}": {"require": "delete_org", "hide": false, "note": "one"}
  }
}
"#;

const TOML: &str = r#"version = 1
permissions_from = "union"
bind.team = ["org.id", "sub"]
token.from = ["bearer", {header = "x-token"}]
identity = {prefix = "X-App", also_strip = ["x-user"]}

[deny]
unmatched = 404
hide = true

[permissions]
"billing:read" = "See invoices"
delete_project = ""

[issuers.main]
issuer = "https://${HOST}"
audience = ["api", "other"]
leeway = "30s"
profile = "orgate"
claims.role = {from = ["role", "/roles"], strip = "org:"}

[issuers.second]
issuer = "https://b.example"
audience = "any"
[issuers.second.keys]
jwks_uri = "https://b.example/jwks"

[roles]
viewer.grants = ["read"]
owner = {extends = "viewer", grants = ["delete_org"]}

[rules]
"GET /healthz" = "public"
"GET /teams/{team}/**" = "read and (billing:read or role(owner))"
'DELETE /orgs/{org_id}' = {require = "delete_org", hide = false, note = "one"}
"#;

/// Everything that a policy says, without the places.
fn meaning(file: &PolicyFile) -> String {
    let policy = &file.policy;
    let roles: Vec<_> = policy.roles().map(|role| (role, policy.role_grants(role))).collect();
    format!(
        "{:#?}\n{:#?}\n{:#?}\n{:#?}\n{:#?}\n{:?}\n{:?}\n{:?}\n{:?}",
        policy.rules().collect::<Vec<_>>(),
        policy.permissions().collect::<Vec<_>>(),
        roles,
        file.issuers,
        file.token,
        file.identity,
        file.deny,
        file.size(),
        file.warnings.iter().map(|finding| (finding.code, &finding.message)).collect::<Vec<_>>(),
    )
}

fn compiled(name: &str, text: &str) -> PolicyFile {
    compile(name, text.as_bytes(), &environment).unwrap_or_else(|findings| panic!("{findings}"))
}

#[test]
fn the_three_formats_of_one_policy_mean_the_same() {
    let yaml = meaning(&compiled("orgate.yaml", YAML));
    assert!(yaml.contains("billing:read") && yaml.contains("auth.example.com"), "{yaml}");
    assert_eq!(yaml, meaning(&compiled("orgate.json", JSON)));
    assert_eq!(yaml, meaning(&compiled("orgate.toml", TOML)));
    assert_eq!(yaml, meaning(&compiled("ORGATE.TOML", TOML)), "the ending may be in upper case");
}

/// The findings of a broken policy; each as code, line and column.
fn places(name: &str, text: &str) -> Vec<String> {
    let findings = compile(name, text.as_bytes(), &environment).unwrap_err();
    let place =
        |span: Option<crate::document::Span>| span.map(|span| format!("{}:{}", span.line, span.column));
    findings.iter().map(|one| format!("{} {}", one.code, place(one.span).unwrap_or_default())).collect()
}

#[test]
fn what_is_wrong_is_found_in_each_format_where_it_stands() {
    let yaml = "version: 1\nissuers:\n  mäin: {isuer: https://a.example, audience: api, leeway: 30}\nrules:\n  GET /ä/{x: read\n  \
        \"GET /b\": read or wriet\n  GET /c: {require: public, hide: 'no'}\n  GET /d: ${WHO}\n";
    let json = "{\"version\": 1,\n\"issuers\": {\n  \"mäin\": {\"isuer\": \"https://a.example\", \"audience\": \"api\", \"leeway\": 30}},\n\
        \"rules\": {\n  \"GET /ä/{x\": \"read\",\n  \"GET /b\": \"read or wriet\",\n  \"GET /c\": {\"require\": \"public\", \"hide\": \"no\"},\n  \
        \"GET /d\": \"${WHO}\"}}\n";
    let toml = "version = 1\n[issuers]\n\"mäin\" = {isuer = \"https://a.example\", audience = \"api\", leeway = 30}\n[rules]\n\
        \"GET /ä/{x\" = \"read\"\n\"GET /b\" = \"read or wriet\"\n\"GET /c\" = {require = \"public\", hide = \"no\"}\n\
        \"GET /d\" = \"${WHO}\"\n";
    insta::assert_snapshot!(places("a.yaml", yaml).join("\n"), @"
            E011 3:3
            E010 3:10
            E012 3:59
            E020 5:10
            E031 6:13
            E031 6:21
            E012 7:35
            E015 8:11
            ");
    insta::assert_snapshot!(places("a.json", json).join("\n"), @"
            E011 3:3
            E010 3:12
            E012 3:71
            E020 5:11
            E031 6:14
            E031 6:22
            E012 7:43
            E015 8:14
            ");
    insta::assert_snapshot!(places("a.toml", toml).join("\n"), @"
            E011 3:1
            E010 3:11
            E012 3:67
            E020 5:9
            E031 6:13
            E031 6:21
            E012 7:40
            E015 8:13
            ");
}

#[test]
fn findings_in_toml_show_the_line() {
    let text = "version = 1\n[rules]\n\"GET /a\" = \"raed\"\n";
    let findings = compile("orgate.toml", text.as_bytes(), &environment).unwrap_err();
    check!(findings, @r#"
            error[E031]: unknown permission `raed`
             --> orgate.toml:3:13
            3 | "GET /a" = "raed"
              |             ^^^^ not declared by any role or under `permissions`
              = help: declare it under `permissions:` or grant it to a role: `permissions: [raed]`
            "#);
}
