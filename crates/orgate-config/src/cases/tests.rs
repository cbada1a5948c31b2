use super::*;

const POLICY: &str = "version: 1\nissuers:\n  main: {issuer: \"https://i.example\", audience: a, profile: orgate}\n  legacy: {issuer: \"https://j.example\", audience: a, profile: hellojohn}\nrules:\n  GET /docs: read\n";
const REASONS: [&str; 3] = ["no_credential", "org_mismatch", "missing_permission"];

fn read_text(text: &str) -> Result<CaseFile, String> {
    let policy = crate::compile("orgate.yaml", POLICY.as_bytes(), &|_| None).unwrap();
    read("orgate.test.yaml", text.as_bytes(), &policy, &REASONS).map_err(|found| found.render(false))
}

#[test]
fn a_file_of_tests_is_read() {
    let file = read_text(
        "principals:
  ann: {role: owner, org: acme}
  bob: {roles: [viewer], org: {id: org_1, slug: acme}, sub: usr_bob}
  key: {permissions: [read]}
  hj: {issuer: legacy, claims: {sub: \"u\\\"1\", org_id: acme, role: admin, n: [1, true, null]}}
cases:
  GET /docs: everyone
  GET /docs?a=b: [ann, anonymous]
  GET /none: []
  GET /one: ann
  DELETE /orgs/evil: {allow: [hj], deny: {ann: org_mismatch, anonymous: no_credential}}
  POST /hook: {allow: [], with: {stripe: valid}, host: h.example, headers: {X-A: a, b: [c, d]}}
now: 7
",
    )
    .unwrap();
    let told: Vec<String> = file.principals.iter().map(|(name, p)| format!("{name}: {p}")).collect();
    assert_eq!(told, ["ann: ann in acme", "bob: usr_bob in org_1", "key: key", "hj: u\"1 in acme"]);
    assert_eq!(file.principals[0].1.permissions().len(), 7, "what the role holds");
    assert_eq!(file.principals[3].1.roles()[0].as_str(), "admin", "by the mapping of the issuer");
    let [everyone, two, none, one, long, hook] = file.cases.as_slice() else { panic!("six cases") };
    assert_eq!((hook.with.as_slice(), hook.host.as_deref()), (&["stripe".to_owned()][..], Some("h.example")));
    let headers: Vec<_> = hook.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    assert_eq!(
        (headers.as_slice(), file.now.seconds()),
        (&["x-a: a", "b: c", "b: d"].map(str::to_owned)[..], 7)
    );
    assert!(everyone.allows("bob") && everyone.allows(ANONYMOUS));
    assert!(two.allows("ann") && two.allows(ANONYMOUS) && !two.allows("bob"));
    assert_eq!((two.method.as_str(), two.path.as_str(), two.span.line), ("GET", "/docs?a=b", 8));
    assert!(!none.allows("ann") && one.allows("ann"));
    assert_eq!((long.code_for("ann"), long.code_for("bob")), (Some("org_mismatch"), None));
}

#[test]
fn every_mistake_is_told_with_its_place() {
    for (text, place, message) in [
        ("principals: {}\n", "1:1", "has no `cases`"),
        ("cases: [a]\n", "1:8", "expected a map"),
        ("cases:\n  GET /a: [anne]\n", "2:12", "unknown principal `anne`"),
        ("principals: {ann: {}}\ncases:\n  GET /a: anne\n", "3:11", "did you mean `ann`?"),
        ("cases:\n  GET /a: [everyone]\n", "2:12", "stands alone"),
        ("cases:\n  get /a: []\n", "2:3", "`get` is no method"),
        ("cases:\n  GET|PUT /a: []\n", "2:3", "one method"),
        ("cases:\n  /a: []\n", "2:3", "`/a` is no request"),
        ("cases:\n  GET /a: {deny: {}}\n", "2:3", "no `allow`"),
        ("cases:\n  GET /a: {allow: [], with: {s: ok}}\n", "2:33", "is `valid`"),
        ("cases:\n  GET /a: {allow: [], with: s}\n", "2:", "expected a map"),
        ("cases:\n  GET /a: {allow: [], headers: {\"a b\": x}}\n", "2:", "no name of a header"),
        ("cases:\n  GET /a: {allow: [], headers: {a: 1}}\n", "2:", "expected a text"),
        ("cases: {}\nnow: soon\n", "2:6", "expected a whole number"),
        ("principals: {x-a: {role: ownr}}\ncases: {}\n", "1:26", "did you mean `owner`?"),
        ("cases:\n  x-a: []\n", "2:3", "`x-a` is no request"),
        (
            "cases:\n  GET /a: {allow: [], deny: {anonymous: no_credentials}}\n",
            "2:",
            "did you mean `no_credential`?",
        ),
        ("cases:\n  GET /a: {allow: everyone, deny: {anonymous: no_credential}}\n", "2:", "cannot both"),
        ("principals: {anonymous: {}}\ncases: {}\n", "1:14", "meaning of its own"),
        ("principals: {a: {role: ownr}}\ncases: {}\n", "1:24", "did you mean `owner`?"),
        ("principals: {a: {permissions: [raed]}}\ncases: {}\n", "1:32", "did you mean `read`?"),
        ("principals: {a: {rol: owner}}\ncases: {}\n", "1:18", "did you mean `role`?"),
        ("principals: {a: {claims: {}, role: owner}}\ncases: {}\n", "1:14", "cannot both say"),
        ("principals: {a: {issuer: main}}\ncases: {}\n", "1:14", "only beside `claims`"),
        ("principals: {a: {issuer: man, claims: {sub: a}}}\ncases: {}\n", "1:26", "did you mean `main`?"),
        ("principals: {a: {issuer: main, claims: {org_id: a}}}\ncases: {}\n", "1:14", "no `sub`"),
        ("cases:\n  GET /a: []\n  GET /a: everyone\n", "3:3", "GET /a"),
    ] {
        let told = read_text(text).unwrap_err();
        assert!(told.contains(message), "{message}:\n{told}");
        assert!(told.contains(&format!("orgate.test.yaml:{place}")), "{place}:\n{told}");
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let told = read_text("principals: {a: {role: x}, b: {role: y}}\ncases:\n  GET /a: [a, c]\n").unwrap_err();
    assert_eq!(told.matches("error[").count(), 3, "{told}");
}
