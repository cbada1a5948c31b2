//! The tools that write files, through the binary.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use std::fs;

use orgate_e2e::{Finished, Folder, orgate};
use serde_json::{Value, json};

const HEAD: &str = "version: 1\nissuers:\n  main: {issuer: \"https://i.example\", audience: a, profile: orgate, feed: off}\n";

fn run(folder: &Folder, arguments: &[&str]) -> Finished {
    orgate().args(arguments).folder(folder.path()).finish()
}

fn read(folder: &Folder, name: &str) -> String {
    fs::read_to_string(folder.path().join(name)).unwrap()
}

#[test]
fn fmt_writes_what_check_asks_for_and_is_then_done() {
    let folder = Folder::new();
    let text = format!("{HEAD}rules:\n  # ü\n  POST /docs: write\n  GET /docs: read # all\n");
    folder.write("orgate.yaml", &text);
    let finished = run(&folder, &["fmt", "--check"]);
    assert_eq!(finished.code, Some(1));
    assert!(
        finished.stdout.starts_with("orgate.yaml: would change\n  line 5\n  -   # ü"),
        "{}",
        finished.stdout
    );
    assert_eq!(read(&folder, "orgate.yaml"), text, "--check writes nothing");
    let finished = run(&folder, &["fmt"]);
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(0), "orgate.yaml: formatted"));
    let expected = format!("{HEAD}rules:\n  GET /docs:  read  # all\n  # ü\n  POST /docs: write\n");
    assert_eq!(read(&folder, "orgate.yaml"), expected);
    let finished = run(&folder, &["fmt", "--check", "--format", "json"]);
    assert_eq!(finished.code, Some(0), "{}", finished.stdout);
    let told: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(told, json!({"changed": 0, "files": [{"file": "orgate.yaml", "changed": false}]}));
}

#[test]
fn fmt_leaves_what_it_cannot_format() {
    let folder = Folder::new();
    folder.write("broken.yaml", "rules: {\n");
    folder.write("orgate.toml", "version = 1\n");
    folder.write("orgate.json", "{}");
    for (file, code, part) in [
        ("broken.yaml", 1, "error[E001]"),
        ("orgate.toml", 2, "is not YAML"),
        ("orgate.json", 2, "is not YAML"),
        ("none.yaml", 2, "cannot read `none.yaml`"),
    ] {
        let finished = run(&folder, &["fmt", file]);
        assert_eq!(finished.code, Some(code), "{file}: {}", finished.stderr);
        assert!(finished.stderr.contains(part), "{file}: {}", finished.stderr);
    }
    assert_eq!(read(&folder, "broken.yaml"), "rules: {\n");
}

#[test]
fn init_writes_what_check_test_and_fmt_accept_and_overwrites_nothing() {
    let folder = Folder::new();
    let finished = run(&folder, &["init", "--from", "auth0", "--framework", "express"]);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert!(finished.stdout.contains("orgate proxy --upstream http://127.0.0.1:3000"), "{}", finished.stdout);
    for arguments in
        [&["check", "--deny-warnings"][..], &["test", "--coverage"], &["fmt", "--check"], &["matrix"]]
    {
        let finished = run(&folder, arguments);
        assert_eq!(finished.code, Some(0), "{arguments:?}: {}{}", finished.stdout, finished.stderr);
        assert!(!finished.stdout.contains("not covered"), "{}", finished.stdout);
    }
    let policy = read(&folder, "orgate.yaml");
    assert!(policy.contains("profile: auth0"), "{policy}");
    for name in [".pre-commit-config.yaml", ".github/workflows/orgate.yml"] {
        assert!(orgate_config::document::parse(name, &read(&folder, name)).is_ok(), "{name}");
    }
    let again = run(&folder, &["init"]);
    assert_eq!(again.code, Some(2));
    assert!(again.stderr.contains("`orgate.yaml` is there already"), "{}", again.stderr);
    assert_eq!(read(&folder, "orgate.yaml"), policy);
}

#[test]
fn init_writes_nothing_if_something_is_there_or_a_flag_is_wrong() {
    let folder = Folder::new();
    folder.write("orgate.toml", "");
    let finished = run(&folder, &["init"]);
    assert!(finished.code == Some(2) && finished.stderr.contains("`orgate.toml`"), "{}", finished.stderr);
    let finished = run(&folder, &["init", "--directory", "new", "--from", "auth"]);
    assert!(
        finished.code == Some(2) && finished.stderr.contains("did you mean `auth0`?"),
        "{}",
        finished.stderr
    );
    let finished = run(&folder, &["init", "--directory", "new", "--issuer", "ftp://x"]);
    assert!(
        finished.code == Some(2) && finished.stderr.contains("not be a good policy"),
        "{}",
        finished.stderr
    );
    assert!(!folder.path().join("new").exists());
    let finished = run(&folder, &["init", "--directory", "new", "--format", "json"]);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let told: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(told["written"].as_array().unwrap().len(), 4);
}

#[test]
fn the_snippet_for_kubernetes_is_what_the_proxy_takes() {
    let folder = Folder::new();
    let policy = format!("  # indented\n\n{HEAD}rules:\n  GET /a: public\n");
    folder.write("orgate.yaml", &policy);
    let finished = run(&folder, &["snippet", "k8s", "--name", "shop", "--port", "3999"]);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let documents: Vec<_> = finished
        .stdout
        .split("\n---\n")
        .map(|text| {
            orgate_config::document::parse("k8s.yaml", text).unwrap_or_else(|error| panic!("{error}\n{text}"))
        })
        .collect();
    let [map, deployment, service] = documents.as_slice() else { panic!("three") };
    let embedded = map.root().get("data").unwrap().get("orgate.yaml").unwrap().text().unwrap();
    assert_eq!(embedded, policy);
    assert_eq!(service.root().get("metadata").unwrap().get("name").unwrap().text(), Some("shop"));
    let args: Vec<&str> =
        finished.stdout.lines().filter_map(|line| line.trim().strip_prefix("- --")).collect();
    assert!(deployment.root().get("spec").is_some());
    assert_eq!(args.len(), 4, "{args:?}");
    // The proxy starts with these flags, but for what differs here: the place of the policy and the ports.
    let mut flags = vec!["proxy".to_owned()];
    for flag in args {
        flags.push(match flag.split_once('=').unwrap() {
            ("policy", path) => format!("--policy={}", path.strip_prefix("/etc/orgate/").unwrap()),
            ("listen", _) => "--listen=127.0.0.1:0".to_owned(),
            ("admin", _) => "--admin=127.0.0.1:0".to_owned(),
            ("upstream", url) => format!("--upstream={url}"),
            (other, _) => panic!("{other}"),
        });
    }
    assert!(flags.contains(&"--upstream=http://127.0.0.1:3999".to_owned()));
    let running = orgate().args(flags).folder(folder.path()).ready();
    let answer = orgate_e2e::request("GET", &format!("{}/healthz", running.url("admin")), &[], None);
    assert_eq!(answer.status, 200);
}

#[test]
fn a_snippet_has_the_names_of_the_policy() {
    let folder = Folder::new();
    let identity = "identity: {prefix: X-My-Gate, forward_token: strip, also_strip: [X-Org-Id]}\n";
    folder.write("orgate.yaml", &format!("{HEAD}{identity}rules:\n  GET /a: public\n"));
    for (target, lines) in [
        (
            "nginx",
            &[
                "proxy_set_header X-My-Gate-Org-Id $x_my_gate_org_id;",
                "proxy_set_header x-org-id \"\";",
                "proxy_set_header Authorization \"\";",
                "proxy_pass http://[::1]:9;",
                "proxy_pass http://127.0.0.1:3999;",
            ][..],
        ),
        ("caddy", &["request_header -*Gate*", "request_header -x_org_id", "request_header -Authorization"]),
        ("traefik", &["middlewares: [orgate-clean, orgate, orgate-strip]", "x-org-id: \"\""]),
        ("envoy", &["address: ::1, port_value: 9}"]),
        ("envoy-http", &["{prefix: \"x-my-gate-\"}, {exact: cookie}"]),
    ] {
        let finished = run(&folder, &["snippet", target, "--gate", "[::1]:9", "--port", "3999"]);
        assert_eq!(finished.code, Some(0), "{}", finished.stderr);
        for line in lines {
            let line = line.replace("http://[::1]:9;", "http://[::1]:9/nginx;");
            assert!(finished.stdout.contains(&*line), "{line} is not in\n{}", finished.stdout);
        }
        assert!(!finished.stdout.contains('<'), "{}", finished.stdout);
        if target.starts_with(['t', 'e']) {
            orgate_config::document::parse("snippet.yaml", &finished.stdout)
                .unwrap_or_else(|error| panic!("{error}\n{}", finished.stdout));
        }
    }
    assert_eq!(run(&folder, &["snippet", "nginx", "--gate", "nowhere"]).code, Some(2));
    assert_eq!(run(&folder, &["snippet", "k8s", "--name", "a\nb"]).code, Some(2));
}

#[test]
fn test_update_writes_who_gets_in_now_and_touches_nothing_else() {
    let folder = Folder::new();
    folder.write(
        "orgate.yaml",
        &format!(
            "{HEAD}rules:\n  GET /a: read\n  GET /b: write\n  GET /o/{{org_id}}: read\n  GET /h: public\n"
        ),
    );
    let tests = "# ü 𝄞\nprincipals:\n  ann: {role: viewer, org: a}\n  bob: {role: member, org: b}\n  \"true\": {role: viewer, org: a}\ncases:\n  GET /a: [ann]   # comment\n  GET /b: everyone\n  GET /o/a: {allow: [bob], deny: {ann: no_rule, anonymous: no_credential}}\n  GET /h:\n    - ann\n    - bob\n";
    folder.write("orgate.test.yaml", tests);
    assert_eq!(run(&folder, &["test"]).code, Some(1));
    let finished = run(&folder, &["test", "--update"]);
    assert_eq!(finished.code, Some(0), "{}{}", finished.stdout, finished.stderr);
    assert!(
        finished.stderr.contains("updated orgate.test.yaml:7  GET /a\n  - [ann]\n  + [ann, bob, \"true\"]"),
        "{}",
        finished.stderr
    );
    let expected = tests
        .replace("[ann]   #", "[ann, bob, \"true\"]   #")
        .replace("GET /b: everyone", "GET /b: [bob]")
        .replace(
            "allow: [bob], deny: {ann: no_rule, anonymous: no_credential}",
            "allow: [ann, \"true\"], deny: {anonymous: no_credential}",
        )
        .replace("    - ann\n    - bob\n", "    everyone\n");
    assert_eq!(read(&folder, "orgate.test.yaml"), expected);
    assert_eq!(run(&folder, &["test"]).code, Some(0));
    let finished = run(&folder, &["test", "--update"]);
    assert!(finished.stderr.contains("nothing to update"), "{}", finished.stderr);
    assert_eq!(read(&folder, "orgate.test.yaml"), expected);
}

#[test]
fn the_workflow_fails_where_a_pull_request_opens_something() {
    let folder = Folder::new();
    assert_eq!(run(&folder, &["init"]).code, Some(0));
    let bash = |script: &str| {
        let beside = std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join("orgate");
        let binary = std::env::var_os("ORGATE_BIN").map_or(beside, std::path::PathBuf::from);
        let path = format!("{}:{}", binary.parent().unwrap().display(), std::env::var("PATH").unwrap());
        let output = std::process::Command::new("bash")
            .args(["-eo", "pipefail", "-c", script])
            .current_dir(folder.path())
            .envs([
                ("PATH", path.as_str()),
                ("GITHUB_BASE_REF", "main"),
                ("GITHUB_STEP_SUMMARY", "summary.md"),
            ])
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let workflow = read(&folder, ".github/workflows/orgate.yml");
    let (_, step) = workflow.split_once("        run: |\n").unwrap();
    let step: String = step.lines().map(|line| format!("{}\n", line.trim())).collect();
    let commit = "git add . && git -c user.name=t -c user.email=t@example.com -c commit.gpgsign=false commit -q -m policy";
    let base = "git update-ref refs/remotes/origin/main HEAD";
    let (code, told) = bash(&format!(
        "git init -q -b work && git commit-tree $(git write-tree) -m none > /dev/null 2>&1 || true; {step}"
    ));
    assert_eq!(code, Some(0), "a repository that has no policy yet: {told}");
    assert_eq!(bash(&format!("{commit}; {base}")).0, Some(0));
    assert_eq!(bash(&step), (Some(0), String::new()));
    assert!(read(&folder, "summary.md").contains("### Who may do what"));
    let policy = read(&folder, "orgate.yaml");
    folder.write(
        "orgate.yaml",
        &policy.replace("GET /projects/**:            read", "GET /projects/**:            public"),
    );
    assert_ne!(read(&folder, "orgate.yaml"), policy);
    assert_eq!(bash(&step).0, Some(1));
    assert!(read(&folder, "summary.md").contains("🔴 public"), "{}", read(&folder, "summary.md"));
}
