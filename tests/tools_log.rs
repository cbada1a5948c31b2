//! What a running proxy writes of its decisions, what the tools make of that, and how it takes a new policy.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use orgate_e2e::{Finished, Folder, Running, clock, orgate, request};
use orgate_testkit::{Answer, TestKey, Upstream, access_token_claims, jwks};
use serde_json::{Value, json};

const ISSUER: &str = "https://id.example.com";
const POLICY: &str = "\
version: 1
issuers:
  main: {issuer: \"https://id.example.com\", audience: demo-api, profile: orgate, keys: {file: jwks.json}}
rules:
  GET /healthz: public
  GET /docs/{id}: read
  POST /docs: {require: write, shadow: invite}
  DELETE /orgs/{org_id}: delete_org
";

struct World {
    folder: Folder,
    upstream: Upstream,
}

impl World {
    async fn new(policy: &str) -> Self {
        let folder = Folder::new();
        folder.write("orgate.yaml", policy);
        folder.write("jwks.json", &jwks([TestKey::es256()]));
        let upstream = Upstream::start().await;
        upstream.answer(Answer::status(200));
        Self { folder, upstream }
    }

    fn proxy(&self, more: &[&str]) -> Running {
        let base =
            ["proxy", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--require-keys", "--upstream"];
        orgate().args(base).args([self.upstream.url()]).args(more).folder(self.folder.path()).ready()
    }

    fn run(&self, arguments: &[&str]) -> Finished {
        orgate().args(arguments).folder(self.folder.path()).finish()
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).unwrap()
    }

    fn log(&self) -> Vec<Value> {
        self.read("decisions.log").lines().map(object).collect()
    }
}

#[track_caller]
fn object(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn bearer(role: &str, permissions: &[&str]) -> String {
    let mut claims = access_token_claims(ISSUER, "demo-api", clock::now());
    claims["org_role"] = role.into();
    claims["org_permissions"] = permissions.into();
    format!("Bearer {}", TestKey::es256().mint(&claims))
}

/// Asks and gives back how it was answered.
fn ask(door: &str, line: &str, token: Option<&str>) -> u16 {
    let (method, path) = line.split_once(' ').unwrap();
    let headers: Vec<_> = token.iter().map(|token| ("authorization", *token)).collect();
    request(method, &format!("{door}{path}"), &headers, None).status
}

/// A log of a few requests, written by a proxy that has ended.
async fn logged(more: &[&str]) -> (World, Vec<Value>) {
    let world = World::new(POLICY).await;
    let running = world.proxy(&[&["--decision-log", "decisions.log"], more].concat());
    let door = running.url("proxy");
    let (viewer, member) = (bearer("viewer", &["read"]), bearer("member", &["read", "write"]));
    let seen = [
        ask(&door, "GET /healthz", None),
        ask(&door, "GET /docs/ann?token=sec-ret", Some(&viewer)),
        ask(&door, "GET /docs/ann", None),
        ask(&door, "POST /docs", Some(&viewer)),
        ask(&door, "POST /docs", Some(&member)),
        ask(&door, "DELETE /orgs/org_acme", Some(&member)),
        ask(&door, "DELETE /orgs/org_evil", Some(&member)),
        ask(&door, "GET /nowhere/ann", Some(&member)),
        ask(&door, "GET /docs//", Some(&member)),
    ];
    assert_eq!(seen, [200, 200, 401, 403, 200, 403, 403, 403, 400]);
    assert_eq!(running.terminate().code, Some(0));
    let text = world.read("decisions.log");
    for secret in ["eyJ", "usr_ann", "sec-ret", &viewer, "authorization", "id.example.com/p"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    let log = world.log();
    assert_eq!(log.len(), 9, "{text}");
    (world, log)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_decision_is_one_line_and_nobody_is_named() {
    let (world, log) = logged(&[]).await;
    let digest = log[0]["policy"].as_str().unwrap().to_owned();
    assert_eq!(digest.len(), 64);
    let told: Vec<[&str; 5]> = log
        .iter()
        .map(|line| ["path", "rule", "code", "decision", "auth"].map(|key| line[key].as_str().unwrap_or("-")))
        .collect();
    assert_eq!(
        told,
        [
            ["/healthz", "GET /healthz", "allowed", "allow", "unread"],
            ["/docs/{id}", "GET /docs/{id}", "allowed", "allow", "token"],
            ["/docs/{id}", "GET /docs/{id}", "no_credential", "deny", "none"],
            ["/docs", "POST /docs", "missing_permission", "deny", "token"],
            ["/docs", "POST /docs", "allowed", "allow", "token"],
            ["/orgs/org_acme", "DELETE /orgs/{org_id}", "missing_permission", "deny", "token"],
            ["/orgs/{org_id}", "DELETE /orgs/{org_id}", "org_mismatch", "deny", "token"],
            ["-", "-", "no_rule", "deny", "unread"],
            ["-", "-", "bad_request_target", "deny", "unread"],
        ]
    );
    let member = &log[4];
    assert_eq!(
        (&member["org"], &member["org_slug"], &member["roles"], &member["permissions"], &member["shadow"]),
        (&json!("org_acme"), &json!("acme"), &json!(["member"]), &json!(["read", "write"]), &json!("deny"))
    );
    assert_eq!(member["sub_hash"], log[1]["sub_hash"], "one person, two tokens");
    assert_eq!(member["sub_hash"].as_str().unwrap().len(), 16);
    assert!(member["latency_us"].as_u64().is_some() && member["id"].as_str().unwrap().len() == 26);
    assert!(
        log.iter().filter(|line| line["decision"] == "allow").all(|line| line["policy"] == digest.as_str())
    );

    let (whole, whole_log) = logged(&["--log-paths", "full"]).await;
    let paths: Vec<_> =
        whole_log.iter().map(|line| line["path"].as_str().unwrap_or("-").to_owned()).collect();
    assert_eq!(
        (paths[1].as_str(), paths[7].as_str(), paths[8].as_str()),
        ("/docs/ann", "/nowhere/ann", "/docs//")
    );
    assert_ne!(whole_log[1]["sub_hash"], log[1]["sub_hash"], "keyed by each process anew");
    drop((world, whole));
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_are_named_where_that_is_wanted_and_a_sample_says_what_it_leaves_out() {
    let world = World::new(POLICY).await;
    world.folder.write("sidecar.yaml", "log: {decisions: decisions.log, subjects: plain, sample: 3}\n");
    let running = world.proxy(&["--settings", "sidecar.yaml"]);
    let (door, viewer) = (running.url("proxy"), bearer("viewer", &["read"]));
    for _ in 0..6 {
        assert_eq!(ask(&door, "GET /docs/ann", Some(&viewer)), 200);
        assert_eq!(ask(&door, "DELETE /orgs/org_acme", Some(&viewer)), 403);
    }
    assert_eq!(running.terminate().code, Some(0));
    let log = world.log();
    let told: Vec<_> = log.iter().map(|line| (line["decision"].as_str().unwrap(), &line["sample"])).collect();
    assert_eq!(told.iter().filter(|line| **line == ("allow", &json!(3))).count(), 2, "{told:?}");
    assert_eq!(told.iter().filter(|line| **line == ("deny", &Value::Null)).count(), 6, "{told:?}");
    assert!(log.iter().all(|line| line["sub"] == "usr_ann" && line["sub_hash"].is_string()));
    let replayed = world.run(&["replay", "decisions.log"]);
    assert!(replayed.stdout.contains("4 more were counted and not logged"), "{}", replayed.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_judged_by_another_policy() {
    let (world, _) = logged(&[]).await;
    let replay = |policy: &str, more: &[&str]| {
        world.folder.write("new.yaml", policy);
        world.run(&[&["replay", "decisions.log", "--policy", "new.yaml"], more].concat())
    };
    let same = replay(POLICY, &[]);
    assert_eq!((same.code, same.stderr.as_str()), (Some(0), ""));
    assert!(
        same.stdout.ends_with("9 decisions: 8 unchanged, 0 opened, 0 closed, 1 cannot be told"),
        "{}",
        same.stdout
    );
    assert!(same.stdout.contains("CANNOT TELL 1 request: the log does not hold the path"), "{}", same.stdout);

    let wider = POLICY
        .replace("GET /docs/{id}: read", "GET /docs/{id}: public")
        .replace("{require: write, shadow: invite}", "read");
    let opened = replay(&wider, &["--format", "json"]);
    assert_eq!(opened.code, Some(1), "{}", opened.stderr);
    let told = object(&opened.stdout);
    assert_eq!((&told["opened"], &told["closed"], &told["unchanged"]), (&json!(2), &json!(0), &json!(6)));
    let by_rule: Vec<_> = told["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| (&change["before"]["code"], &change["after"]["rule"], &change["count"]))
        .collect();
    assert!(by_rule.contains(&(&json!("no_credential"), &json!("GET /docs/{id}"), &json!(1))), "{told}");
    assert!(by_rule.contains(&(&json!("missing_permission"), &json!("POST /docs"), &json!(1))), "{told}");
    let text = replay(&wider, &[]).stdout;
    assert!(text.contains("OPENS  1 request: refused with missing_permission by `POST /docs`, now let through by `POST /docs` (new.yaml:7)\n       roles: viewer\n"), "{text}");

    let narrower = POLICY.replace("GET /docs/{id}: read", "GET /docs/{id}: write");
    let closed = replay(&narrower, &[]);
    assert_eq!(closed.code, Some(0), "{}", closed.stdout);
    assert!(
        closed.stdout.contains(
            "CLOSES 1 request: let through by `GET /docs/{id}`, now refused by `GET /docs/{id}` (new.yaml:6)"
        ),
        "{}",
        closed.stdout
    );
    let fresh = replay(&POLICY.replace("GET /docs/{id}: read", "GET /docs/{id}: read and fresh(5m)"), &[]);
    assert_eq!(fresh.code, Some(0));
    assert!(
        fresh.stdout.contains("CANNOT TELL 1 request: the log does not hold how the caller signed in"),
        "{}",
        fresh.stdout
    );
    let named =
        replay(&POLICY.replace("GET /docs/{id}: read", "GET /docs/{id}: read\n  GET /docs/ann: deny"), &[]);
    assert!(named.stdout.contains("does not hold parts of the path"), "{}", named.stdout);

    assert_eq!(replay(&POLICY.replace("delete_org", "delet_org"), &[]).code, Some(1));
    world.folder.write("other.log", "{\"level\":\"INFO\"}\nno json\n");
    world.folder.write("empty.log", "");
    for log in ["other.log", "empty.log", "none.log"] {
        let finished = world.run(&["replay", log]);
        assert_eq!((finished.code, finished.stdout.as_str()), (Some(2), ""), "{log}");
        assert!(finished.stderr.contains(log), "{}", finished.stderr);
    }
    world.folder.write(
        "mixed.log",
        &(world.read("decisions.log") + "{\"held_back\":7,\"decision\":\"deny\"}\nno json\n{\"lost\":2}\n"),
    );
    let mixed = world.run(&["replay", "mixed.log"]);
    assert_eq!(mixed.code, Some(0));
    assert!(
        mixed
            .stdout
            .contains("9 more were counted and not logged; nothing is said of them\n1 line cannot be read\n"),
        "{}",
        mixed.stdout
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn shadows_and_observed_policies_are_summed_up() {
    let (world, _) = logged(&[]).await;
    let report = world.run(&["shadow", "report", "decisions.log"]);
    assert_eq!((report.code, report.stderr.as_str()), (Some(0), ""));
    assert_eq!(
        report.stdout,
        "SHADOW  POST /docs: the shadow would refuse 1 of 2 decisions  roles: member\n\
         9 decisions: the shadows disagree with 1; 0 let through only because the policy is observed"
    );
    let observed = World::new(&format!("mode: observe\nuntil: 2099-01-31\n{POLICY}")).await;
    let running = observed.proxy(&["--decision-log", "decisions.log"]);
    let door = running.url("proxy");
    let viewer = bearer("viewer", &["read"]);
    assert_eq!(ask(&door, "POST /docs", Some(&viewer)), 200);
    assert_eq!(ask(&door, "GET /docs/7", None), 200);
    assert_eq!(ask(&door, "GET /nowhere", None), 200);
    let _ = running.terminate();
    let told = object(&observed.run(&["shadow", "report", "decisions.log", "--format", "json"]).stdout);
    assert_eq!(
        told["observed"],
        json!([
            {"rule": null, "code": "no_rule", "count": 1, "decisions": 1, "roles": []},
            {"rule": "GET /docs/{id}", "code": "no_credential", "count": 1, "decisions": 1, "roles": []},
            {"rule": "POST /docs", "code": "missing_permission", "count": 1, "decisions": 1, "roles": ["viewer"]},
        ])
    );
    // What is let through only because it is observed counts as what the policy says of it.
    let replayed = observed.run(&["replay", "decisions.log"]);
    assert!(
        replayed.stdout.ends_with("3 decisions: 2 unchanged, 0 opened, 0 closed, 1 cannot be told"),
        "{}",
        replayed.stdout
    );
    assert_eq!(observed.run(&["shadow", "report", "none.log"]).code, Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_refusals_does_not_fill_the_log() {
    let world = World::new(POLICY).await;
    let running = world.proxy(&["--decision-log", "decisions.log"]);
    let door = running.url("proxy");
    for _ in 0..200 {
        assert_eq!(ask(&door, "GET /docs/7", None), 401);
    }
    let _ = running.terminate();
    let log = world.log();
    let held_back: u64 = log.iter().filter_map(|line| line["held_back"].as_u64()).sum();
    let written = log.iter().filter(|line| line["decision"] == "deny" && line["held_back"].is_null()).count();
    assert_eq!(held_back + u64::try_from(written).unwrap(), 200);
    assert!(held_back > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_cannot_be_opened_keeps_the_proxy_from_starting() {
    let world = World::new(POLICY).await;
    let finished = world.run(&[
        "proxy",
        "--upstream",
        "http://127.0.0.1:9",
        "--listen",
        "127.0.0.1:0",
        "--admin",
        "127.0.0.1:0",
        "--decision-log",
        "no/such/folder.log",
    ]);
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(2), ""));
    assert!(
        finished.stderr.contains("cannot write the decision log `no/such/folder.log`"),
        "{}",
        finished.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_admin_listener_reads_the_policy_again_and_says_what_changed() {
    let world = World::new(POLICY).await;
    let mut running = world.proxy(&["--log-format", "json"]);
    let (door, admin) = (running.url("proxy"), running.url("admin"));
    let post = || request("POST", &format!("{admin}/-/reload"), &[], Some(""));
    let policy = || request("GET", &format!("{admin}/-/policy"), &[], None).json();
    let before = policy();
    assert_eq!(
        (&before["files"], &before["rules"], &before["mode"]),
        (&json!(["orgate.yaml"]), &json!(4), &json!("enforce"))
    );
    let viewer = bearer("viewer", &["read"]);
    assert_eq!(ask(&door, "POST /docs", Some(&viewer)), 403);

    world.folder.write("orgate.yaml", &POLICY.replace("{require: write, shadow: invite}", "read"));
    let answer = post();
    assert_eq!(answer.status, 200, "{}", answer.body);
    let told = answer.json();
    assert_eq!((&told["changed"], &told["unchanged"]), (&json!("1 loosened: POST /docs"), &json!(3)));
    assert_eq!(
        told["changes"],
        json!([{"kind": "loosened", "methods": ["POST"], "path": "/docs", "who": ["viewer"], "before": "write", "after": "read"}])
    );
    assert_eq!(ask(&door, "POST /docs", Some(&viewer)), 200);
    let after = policy();
    assert_eq!(after["digest"], told["digest"]);
    assert_ne!(after["digest"], before["digest"]);
    let metrics = request("GET", &format!("{admin}/metrics"), &[], None).body;
    let info = format!("orgate_policy_info{{digest={}}} 1\n", told["digest"]);
    assert!(metrics.contains(&info) && metrics.matches("orgate_policy_info{").count() == 1, "{metrics}");
    let log = running.stderr_so_far();
    assert!(
        log.contains("1 loosened: POST /docs") && log.contains(told["digest"].as_str().unwrap()),
        "{log}"
    );

    world.folder.write("orgate.yaml", &POLICY.replace("delete_org", "delet_org"));
    let refused = post();
    assert_eq!(refused.status, 422, "{}", refused.body);
    let findings = refused.json()["findings"].clone();
    assert_eq!((&findings[0]["code"], &findings[0]["line"]), (&json!("E031"), &json!(8)));
    assert_eq!(refused.json()["digest"], after["digest"]);
    assert_eq!(ask(&door, "POST /docs", Some(&viewer)), 200, "the last good one stays");
    assert!(request("GET", &format!("{admin}/metrics"), &[], None).body.contains("orgate_policy_stale 1\n"));
    std::fs::remove_file(world.folder.path().join("orgate.yaml")).unwrap();
    assert_eq!((post().status, &post().json()["findings"]), (422, &json!([])));

    assert_eq!(
        request("POST", &format!("{door}/-/reload"), &[], Some("")).status,
        403,
        "only at the admin listener"
    );
    assert_eq!(request("GET", &format!("{door}/-/policy"), &[], None).status, 403);
    assert_eq!(request("GET", &format!("{admin}/-/reload"), &[], None).status, 405);
    let page = [("origin", "https://evil.example")];
    assert_eq!(request("POST", &format!("{admin}/-/reload"), &page, Some("")).status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_development_token_is_believed_only_where_that_was_asked_for() {
    let world = World::new(POLICY).await;
    let mint = |arguments: &[&str]| world.run(&[&["token", "mint"], arguments].concat());
    let minted = mint(&["--role", "viewer", "--org", "org_acme", "--sub", "usr_dev"]);
    assert_eq!(minted.code, Some(0), "{}", minted.stderr);
    assert!(
        minted.stderr.contains("for development only")
            && minted.stderr.contains("only `orgate proxy --dev-issuer`"),
        "{}",
        minted.stderr
    );
    let token = format!("Bearer {}", minted.stdout);
    let inspected = world.run(&["token", "inspect", &minted.stdout, "--format", "json"]);
    let told = object(&inspected.stdout);
    assert_eq!(
        (&told["claims"]["iss"], &told["header"]["kid"]),
        (&json!("https://dev.orgate.invalid"), &json!("development-only"))
    );
    assert_eq!(
        (&told["claims"]["org_permissions"], &told["claims"]["sub"]),
        (&json!(["read"]), &json!("usr_dev"))
    );

    let plain = world.proxy(&[]);
    assert_eq!(ask(&plain.url("proxy"), "GET /docs/7", Some(&token)), 401);
    let mut believing = world.proxy(&["--dev-issuer"]);
    let (door, admin) = (believing.url("proxy"), believing.url("admin"));
    assert_eq!(ask(&door, "GET /docs/7", Some(&token)), 200);
    assert_eq!(ask(&door, "POST /docs", Some(&token)), 403);
    assert_eq!(
        ask(&door, "GET /docs/7", Some(&bearer("viewer", &["read"]))),
        200,
        "the issuers of the file as well"
    );
    assert_eq!(request("POST", &format!("{admin}/-/reload"), &[], Some("")).status, 200);
    assert_eq!(ask(&door, "GET /docs/7", Some(&token)), 200, "after a reload, too");
    assert!(believing.stderr_so_far().contains("development tokens are believed"), "it warns");
    let other = Folder::new();
    let stranger = orgate()
        .args(["token", "mint", "--permission", "read", "--policy"])
        .args([world.folder.path().join("orgate.yaml")])
        .folder(other.path())
        .finish();
    assert_eq!(stranger.code, Some(0), "{}", stranger.stderr);
    assert_eq!(ask(&door, "GET /docs/7", Some(&format!("Bearer {}", stranger.stdout))), 401, "another key");

    let open = world.run(&[
        "proxy",
        "--upstream",
        world.upstream.url().as_str(),
        "--listen",
        "0.0.0.0:0",
        "--admin",
        "127.0.0.1:0",
        "--dev-issuer",
    ]);
    assert_eq!((open.code, open.stdout.as_str()), (Some(2), ""));
    assert!(open.stderr.contains("--dev-issuer is for this machine only"), "{}", open.stderr);
    for (arguments, part) in [
        (&["--role", "ownr"][..], "did you mean `owner`?"),
        (&["--claim", "iss=https://id.example.com"], "`iss` is not to be chosen"),
        (&["--claim", "plan"], "NAME=VALUE"),
        (&["--ttl", "2d"], "15m"),
        (&["--org-slug", "acme"], "--org"),
    ] {
        let refused = mint(arguments);
        assert_eq!((refused.code, refused.stdout.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(refused.stderr.contains(part), "{arguments:?}: {}", refused.stderr);
    }
    world.folder.write("not-a-key.json", "{}");
    assert_eq!(mint(&["--dev-key", "not-a-key.json"]).code, Some(2));
}

/// What must never be printed, wherever it comes from.
#[tokio::test(flavor = "multi_thread")]
async fn no_tool_prints_a_secret() {
    let secrets = ["hush-hush-value", "s3cret-in-a-file"];
    let folder = Folder::new();
    folder.write("secret", secrets[1]);
    let policy = "\
version: 1
issuers:
  main: {issuer: \"https://id.example.com\", audience: \"${AUDIENCE}\", profile: orgate, keys: {jwks_uri: \"http://${KEYS}/keys\"}}
authenticators:
  ci: {type: api_key, header: x-key, sha256: {env: KEYS}, as: {sub: ci}}
  hook: {type: webhook, scheme: github, secret: {file: secret}}
rules:
  GET /docs: read
  POST /docs: via(ci)
  POST /hook: via(hook)
";
    folder.write("orgate.yaml", policy);
    folder.write("fine.yaml", &policy.replace("http://${KEYS}", "https://${KEYS}"));
    let run = |arguments: &[&str]| {
        let program = orgate().args(arguments).folder(folder.path());
        program.env("KEYS", "hush-hush-value").env("AUDIENCE", "hush-hush-value").finish()
    };
    let token = bearer("viewer", &["read"]);
    let token = token.strip_prefix("Bearer ").unwrap();
    let signature = token.rsplit('.').next().unwrap();
    for (arguments, code) in [
        (&["check"][..], 1),
        (&["check", "--format", "json"], 1),
        (&["check", "--format", "sarif"], 1),
        (&["check", "--format", "github"], 1),
        (&["check", "fine.yaml"], 0),
        (&["explain", "GET", "/docs", "--policy", "fine.yaml", "--token", token, "--no-verify"], 0),
        (
            &[
                "explain",
                "GET",
                "/docs",
                "--policy",
                "fine.yaml",
                "--token",
                token,
                "--no-verify",
                "--format",
                "json",
            ],
            0,
        ),
        (
            &[
                "explain",
                "POST",
                "/docs",
                "--policy",
                "fine.yaml",
                "-H",
                "x-key:hush-hush-value",
                "--via",
                "ci",
            ],
            0,
        ),
        (&["matrix", "--policy", "fine.yaml"], 0),
        (&["proxy", "--upstream", "http://127.0.0.1:9"], 1),
        (
            &[
                "proxy",
                "--upstream",
                "http://127.0.0.1:9",
                "--policy",
                "fine.yaml",
                "--listen",
                "127.0.0.1:0",
                "--admin",
                "127.0.0.1:0",
            ],
            2,
        ),
    ] {
        let finished = run(arguments);
        assert_eq!(finished.code, Some(code), "{arguments:?}: {}{}", finished.stdout, finished.stderr);
        for secret in secrets.iter().copied().chain([token, signature]) {
            let all = format!("{}{}", finished.stdout, finished.stderr);
            assert!(!all.contains(secret), "{arguments:?} prints {secret}: {all}");
        }
    }
}
