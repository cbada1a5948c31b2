//! Scenarios 7, 8, 19 and 28: what the claims of a token open, whoever wrote them. Where the token does not come from the
//! issuer there is no database to vary.

use orgate_e2e::{Folder, clock, orgate};
use orgate_testkit::{Stub, TestKey, access_token_claims};
use serde_json::{Value, json};

use crate::world::{Doors, MATRIX, ROLES, World, policy};

#[orgate_testkit::both]
async fn scenario_7_and_28_every_cell_of_the_matrix_is_the_same_live_and_explained() {
    let world = World::start();
    let doors = world.doors().await;
    let tokens = ROLES.map(|role| world.access_token(role, "org_acme"));
    let (mut cells, mut allowed) = (0, 0);
    for (permission, method, path, row) in MATRIX {
        for ((role, token), may) in ROLES.iter().zip(&tokens).zip(row) {
            let live = doors.ask(method, path, Some(token));
            let expected = if may { "200" } else { "403 missing_permission" };
            assert_eq!(live.verdict(), expected, "{role} {permission}");
            if !may {
                assert!(live.body.contains(permission), "the permission is named: {}", live.body);
            }
            let explained = explain(&world.folder, role, method, path);
            let verdict = if may { "ALLOW" } else { "DENY 403 missing_permission" };
            assert!(explained.starts_with(verdict), "{role} {permission}: {explained}");
            cells += 1;
            allowed += usize::from(may);
        }
    }
    assert_eq!((cells, allowed), (28, 4 + 3 + 2 + 2 + 2 + 1 + 1));
    let seen = doors.upstream.requests();
    assert_eq!(seen.len(), allowed, "the application saw exactly what was allowed");
    assert!(seen.iter().all(|request| request.header("x-orgate-org-id") == Some("org_acme")));
}

/// What `orgate explain` says of a request of somebody with this role in `acme`.
fn explain(folder: &Folder, role: &str, method: &str, path: &str) -> String {
    let told = orgate()
        .args(["explain", method, path, "--role", role, "--org", "org_acme"])
        .folder(folder.path())
        .finish();
    assert!(told.stderr.is_empty(), "{}", told.stderr);
    told.stdout
}

/// An issuer that is nothing but its keys, with a profile of the policy.
struct Foreign {
    stub: Stub,
    key: &'static TestKey,
    doors: Doors,
}

impl Foreign {
    async fn start(key: &'static TestKey, described: &str, roles: &str) -> Self {
        let stub = Stub::start().await;
        stub.serve_issuer([key]);
        let folder = Folder::new();
        let issuer = format!("{{issuer: \"{}\", audience: demo-api, {described}}}", stub.url());
        folder.write("orgate.yaml", &(policy(&issuer) + roles));
        let doors = Doors::start(&folder).await;
        Self { stub, key, doors }
    }

    /// A token with these claims beside those that every token has; `null` takes one away.
    fn token(&self, claims: &Value) -> String {
        let mut all = access_token_claims(&self.stub.url(), "demo-api", clock::now());
        let object = all.as_object_mut().unwrap();
        object.retain(|name, _| !name.starts_with("org_"));
        object.extend(claims.as_object().unwrap().clone());
        self.key.mint(&all)
    }

    fn verdict(&self, method: &str, path: &str, claims: &Value) -> String {
        self.doors.ask(method, path, Some(&self.token(claims))).verdict()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn scenario_8_the_name_of_a_role_opens_nothing() {
    let foreign = Foreign::start(TestKey::es256(), "profile: orgate", "").await;
    let auditor = json!({ "org_id": "org_acme", "org_role": "auditor", "org_permissions": ["read"] });
    assert_eq!(foreign.verdict("GET", "/docs", &auditor), "200");
    assert_eq!(foreign.verdict("POST", "/docs", &auditor), "403 missing_permission");
    let hollow = json!({ "org_id": "org_acme", "org_role": "owner", "org_permissions": [] });
    for (_, method, path, _) in MATRIX {
        assert_eq!(foreign.verdict(method, path, &hollow), "403 missing_permission", "{method} {path}");
    }
    // Without the claim the role of this issuer stands for its permissions, and one that nobody knows for none.
    let bare = |role: &str| json!({ "org_id": "org_acme", "org_role": role });
    assert_eq!(foreign.verdict("POST", "/docs", &bare("auditor")), "403 missing_permission");
}

/// Its tokens say nothing of permissions: what a role grants stands in the policy.
const ROLES_OF_HELLOJOHN: &str = "roles:
  owner: {extends: admin, grants: [delete_org, transfer_ownership]}
  admin: {extends: member, grants: [invite, remove_members, change_roles]}
  member: {grants: [read, write]}
";

#[tokio::test(flavor = "multi_thread")]
async fn scenario_19_the_shape_of_hellojohn() {
    let foreign = Foreign::start(TestKey::eddsa(), "profile: hellojohn", ROLES_OF_HELLOJOHN).await;
    let admin = json!({ "org_id": "org_01HABCDEF777666", "role": "admin" });
    assert_eq!(foreign.verdict("POST", "/docs", &admin), "200", "the role stands for its permissions");
    let member = json!({ "org_id": "org_01HABCDEF777666", "role": "member" });
    assert_eq!(foreign.verdict("POST", "/members", &member), "403 missing_permission");
    let nothing =
        foreign.doors.ask("POST", "/docs", Some(&foreign.token(&json!({ "org_id": null, "role": null }))));
    assert_eq!(nothing.verdict(), "403 no_active_org");
    assert!(nothing.body.contains("No active organization"), "{}", nothing.body);
    let own = json!({ "org_id": "org_01HABCDEF777666", "role": "member", "permissions": ["invite"] });
    assert_eq!(foreign.verdict("POST", "/members", &own), "200", "what the token says itself goes first");

    let off = Foreign::start(TestKey::eddsa(), "profile: orgate", "").await;
    assert_eq!(
        off.verdict("POST", "/docs", &admin),
        "403 missing_permission",
        "a bare `role` is nobody's role"
    );
}

#[test]
fn scenario_28_what_cannot_be_is_refused_with_its_place() {
    let described =
        "{issuer: \"https://id.example.com\", audience: demo-api, profile: orgate, keys: {file: keys.json}}";
    let good = policy(described);
    for (what, bad, code, at) in [
        ("an unknown permission", good.replace("GET /docs: read", "GET /docs: raed"), "E031", "GET /docs"),
        ("a key that is none", good.replace("version: 1", "version: 1\nrulez: {}"), "E", "rulez"),
        ("rules that say the same twice", format!("{good}  GET /docs: write\n"), "E", "GET /docs"),
        ("no audience", good.replace("audience: demo-api, ", ""), "E", "audience"),
    ] {
        let folder = Folder::new();
        folder.write("keys.json", &orgate_testkit::jwks([TestKey::es256()]));
        folder.write("orgate.yaml", &bad);
        for verb in
            [&["check"][..], &["proxy", "--upstream", "http://127.0.0.1:1", "--listen", "127.0.0.1:0"]]
        {
            let told = orgate().args(verb).folder(folder.path()).finish();
            let text = format!("{}{}", told.stdout, told.stderr);
            assert!(matches!(told.code, Some(1 | 2)), "{what}: {text}");
            assert!(
                text.contains("orgate.yaml:") && text.contains(code) && text.contains(at),
                "{what}: {text}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn scenario_28_a_bad_file_does_not_take_the_place_of_a_good_one() {
    let stub = Stub::start().await;
    stub.serve_issuer([TestKey::es256()]);
    let folder = Folder::new();
    let good = policy(&format!("{{issuer: \"{}\", audience: demo-api, profile: orgate}}", stub.url()));
    folder.write("orgate.yaml", &good);
    let doors = Doors::start(&folder).await;
    let claims = {
        let mut claims = access_token_claims(&stub.url(), "demo-api", clock::now());
        claims["org_role"] = "viewer".into();
        claims["org_permissions"] = json!(["read"]);
        claims
    };
    let token = TestKey::es256().mint(&claims);
    assert_eq!(doors.ask("GET", "/docs", Some(&token)).verdict(), "200");
    folder.write("orgate.yaml", &good.replace("GET /docs: read", "GET /docs: raed"));
    doors.sidecar().signal("HUP");
    let stale =
        || orgate_e2e::request("GET", &format!("{}/metrics", doors.sidecar().url("admin")), &[], None).body;
    while !stale().contains("orgate_policy_stale 1") {
        tokio::task::yield_now().await;
    }
    assert_eq!(doors.ask("GET", "/docs", Some(&token)).verdict(), "200", "the old one stays");
}
