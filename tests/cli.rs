//! Bad input at the command line: what is said, and with which exit code.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use std::{net::TcpListener, thread, time::Duration};

use orgate_e2e::{Finished, Folder, Running, orgate, request};
use orgate_testkit::{Stub, TestKey, access_token_claims};

const GOOD: &str = "version: 1\nissuers:\n  main: {issuer: \"https://id.example.com\", audience: api, profile: orgate, feed: off}\nrules:\n  GET /docs: read\n";

fn proxy(folder: &Folder, more: &[&str]) -> Finished {
    let base =
        ["proxy", "--upstream", "http://127.0.0.1:9", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    orgate().args(base.iter().chain(more)).folder(folder.path()).finish()
}

/// Exit code and complaint for this policy; nothing may have been announced.
#[track_caller]
fn refused(policy: &str) -> (Option<i32>, String) {
    let folder = Folder::new();
    folder.write("orgate.yaml", policy);
    let finished = proxy(&folder, &[]);
    assert_eq!(finished.stdout, "", "nothing is half-started");
    (finished.code, finished.stderr)
}

#[test]
fn a_mistake_in_a_policy_is_told_with_its_place_and_ends_with_1() {
    let rules = |rules: &str| GOOD.replace("  GET /docs: read\n", rules);
    for (policy, expected) in [
        (GOOD.replace("rules:", "ruels:"), vec!["--> orgate.yaml:4:1", "`ruels`", "did you mean `rules`?"]),
        (GOOD.replace("audience: api, ", ""), vec!["--> orgate.yaml:3:", "audience", "= help:"]),
        (GOOD.replace("audience: api", "audience: 7"), vec!["--> orgate.yaml:3:", "audience", "found"]),
        (GOOD.replace("version: 1", "version: 2"), vec!["--> orgate.yaml:1:"]),
        (
            rules("  GET /docs: raed\n"),
            vec!["error[E031]: unknown permission `raed`", "--> orgate.yaml:5:14", "did you mean `read`?"],
        ),
        (
            rules("  GET /docs: read\n  GET|HEAD /docs: write\n"),
            vec!["GET /docs has two rules", "--> orgate.yaml:6:3", "orgate.yaml:5:3"],
        ),
        (rules("  GET /docs: read\n  GET /docs: write\n"), vec!["--> orgate.yaml:6:3", "orgate.yaml:5:3"]),
        (
            rules("  GET /a/{x}/c: read\n  GET /a/b/{y}: write\n"),
            vec!["error[E042]: ambiguous rules for /a/b/c", "GET /a/b/c: write"],
        ),
        (rules("  get /docs: read\n"), vec!["--> orgate.yaml:5:3", "did you mean `GET`?"]),
        (rules("  GET /docs: [read]\n"), vec!["--> orgate.yaml:5:14", "found"]),
        (rules(""), vec!["orgate.yaml"]),
        ("version: 1\n\trules: {}\n".to_owned(), vec!["--> orgate.yaml:2:"]),
    ] {
        let (code, stderr) = refused(&policy);
        assert_eq!(code, Some(1), "{policy}\n{stderr}");
        for part in expected {
            assert!(stderr.contains(part), "`{part}` is not in\n{stderr}\nfor\n{policy}");
        }
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let (_, stderr) =
        refused(&GOOD.replace("  GET /docs: read\n", "  GET /docs: raed\n  get /x: read\n  GET /y: wirte\n"));
    for place in [":5:", ":6:", ":7:"] {
        assert!(stderr.contains(&format!("orgate.yaml{place}")), "{stderr}");
    }
    assert!(stderr.contains("3 errors"), "{stderr}");
}

#[test]
fn what_keeps_the_program_from_running_ends_with_2() {
    let folder = Folder::new();
    let missing = proxy(&folder, &[]);
    assert_eq!(missing.code, Some(2), "{}", missing.stderr);
    assert!(missing.stderr.contains("orgate.yaml"), "{}", missing.stderr);

    folder.write("orgate.yaml", GOOD);
    let unknown_flag = proxy(&folder, &["--polcy", "x"]);
    assert_eq!(unknown_flag.code, Some(2));
    assert!(unknown_flag.stderr.contains("--policy"), "{}", unknown_flag.stderr);

    let unreadable = proxy(&folder, &["--policy", "no/such/file.yaml"]);
    assert_eq!(unreadable.code, Some(2));
    assert!(unreadable.stderr.contains("no/such/file.yaml"), "{}", unreadable.stderr);

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for flag in ["--listen", "--admin"] {
        let occupied = orgate()
            .args(["proxy", "--upstream", "http://127.0.0.1:9", flag, &address])
            .args([if flag == "--listen" { "--admin" } else { "--listen" }, "127.0.0.1:0"])
            .folder(folder.path())
            .finish();
        assert_eq!(occupied.code, Some(2), "{}", occupied.stderr);
        assert!(
            occupied.stderr.contains(&address) && occupied.stderr.contains("help:"),
            "{}",
            occupied.stderr
        );
        assert_eq!(occupied.stdout, "", "nothing is half-started");
    }

    let nonsense = orgate().args(["proxy", "--upstream", "ftp://x"]).folder(folder.path()).finish();
    assert_eq!(nonsense.code, Some(2));
    assert_eq!(orgate().args(["prxoy"]).finish().code, Some(2));
}

#[test]
fn two_policy_files_are_an_error_that_names_both() {
    let folder = Folder::new();
    folder.write("orgate.yaml", GOOD);
    folder.write("orgate.yml", GOOD);
    let finished = proxy(&folder, &[]);
    assert_ne!(finished.code, Some(0));
    assert!(
        finished.stderr.contains("orgate.yaml") && finished.stderr.contains("orgate.yml"),
        "{}",
        finished.stderr
    );
}

#[test]
fn mistakes_in_a_bootstrap_file_are_told_with_their_place_and_end_with_1() {
    let folder = Folder::new();
    let good = "projects:\n  - id: proj_demo\n    name: Demo\n    audience: [api]\n    redirect_uris: [\"http://127.0.0.1/cb\"]\n    client_secret: a literal for development\n";
    for (text, expected) in [
        (good.replace("audience", "audiense"), "audiense"),
        (good.replace("proj_demo", "Demo!"), "--> bootstrap.yaml:2:"),
        (good.replace("name: Demo", "name: [Demo]"), "--> bootstrap.yaml:3:"),
        (
            format!("{good}    organizations: [{{slug: acme, name: Acme, owner: nobody@example.com}}]\n"),
            "--> bootstrap.yaml:7:",
        ),
    ] {
        folder.write("bootstrap.yaml", &text);
        let finished = orgate()
            .args([
                "issuer",
                "--listen",
                "127.0.0.1:0",
                "--admin",
                "127.0.0.1:0",
                "--bootstrap",
                "bootstrap.yaml",
            ])
            .folder(folder.path())
            .finish();
        assert_eq!(finished.code, Some(1), "{text}\n{}", finished.stderr);
        assert!(finished.stderr.contains(expected), "`{expected}` is not in\n{}", finished.stderr);
        assert!(!finished.stdout.contains("ready"), "{}", finished.stdout);
    }
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..600 {
        if done() {
            return;
        }
        thread::park_timeout(Duration::from_millis(50));
    }
    panic!("not within 30 seconds: {what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_out_of_reach_is_no_mistake_and_is_recovered_from() {
    let folder = Folder::new();
    let issuer = Stub::start().await;
    let url = issuer.url();
    let policy = format!(
        "version: 1\nissuers:\n  main: {{issuer: \"{url}\", audience: api, profile: orgate, feed: off}}\nrules:\n  GET /healthz: public\n  GET /docs: read\n"
    );
    folder.write("orgate.yaml", &policy);
    let upstream = orgate_testkit::Upstream::start().await;
    let base = ["proxy", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--upstream"];
    let start = || orgate().args(base).args([upstream.url()]).folder(folder.path());

    let required = start().args(["--require-keys"]).finish();
    assert_eq!(required.code, Some(2), "{}", required.stderr);
    assert!(required.stderr.contains(&url), "{}", required.stderr);

    let running: Running = start().ready();
    let (door, admin) = (running.url("proxy"), running.url("admin"));
    let key = TestKey::es256();
    let now = i64::try_from(epoch()).unwrap();
    let bearer = format!("Bearer {}", key.mint(&access_token_claims(&url, "api", now)));
    let docs = || request("GET", &format!("{door}/docs"), &[("authorization", &bearer)], None);

    assert_eq!(
        request("GET", &format!("{door}/healthz"), &[], None).verdict(),
        "200",
        "public routes need no keys"
    );
    let refused = docs();
    assert_eq!(refused.verdict(), "503 keys_unavailable");
    assert!(refused.header("retry-after").is_some());
    let readiness = request("GET", &format!("{admin}/readyz"), &[], None);
    assert_eq!(readiness.status, 503);
    assert!(readiness.body.contains(&url), "{}", readiness.body);
    assert_eq!(request("GET", &format!("{admin}/healthz"), &[], None).status, 200);

    issuer.serve_issuer([key]);
    wait_until("the proxy is ready", || request("GET", &format!("{admin}/readyz"), &[], None).status == 200);
    assert_eq!(docs().verdict(), "200", "it recovered alone");
}

fn epoch() -> u64 {
    let output = std::process::Command::new("date").arg("+%s").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
}

#[test]
fn help_and_version_are_complete() {
    let help = orgate().args(["--help"]).finish();
    assert_eq!(help.code, Some(0));
    for verb in ["proxy", "issuer", "demo", "check", "test", "explain", "matrix"] {
        assert!(help.stdout.contains(verb), "{}", help.stdout);
        let own = orgate().args([verb, "--help"]).finish();
        assert_eq!(own.code, Some(0));
        assert!(own.stdout.contains("Examples:"), "{}", own.stdout);
    }
    assert!(orgate().args(["--version"]).finish().stdout.starts_with("orgate "));
}

#[test]
fn the_demo_shows_what_it_really_got_and_is_plain_when_piped() {
    let told = orgate().args(["demo", "--once"]).finish();
    assert_eq!(told.code, Some(0), "{}\n{}", told.stdout, told.stderr);
    assert!(told.stdout.contains("agree in all 50 cells"), "{}", told.stdout);
    assert!(!told.stdout.contains('\u{1b}'), "no escape codes in a pipe");
    assert_eq!(told.stderr, "", "nothing but the story");
    let coloured = orgate().args(["demo", "--once", "--color", "always"]).finish();
    assert!(coloured.stdout.contains("\u{1b}[32m200"), "{}", coloured.stdout);
}

#[test]
fn a_change_is_noticed_whatever_the_times_of_the_files_say_and_so_is_a_file_that_is_new() {
    let folder = Folder::new();
    let policy = |rule: &str| format!("version: 1\ninclude: [parts/*.yaml]\nrules:\n  GET /b: {rule}\n");
    folder.write("orgate.yaml", &policy("deny  "));
    std::fs::create_dir(folder.path().join("parts")).unwrap();
    folder.write("parts/a.yaml", "base: /a\nrules:\n  GET /x: public\n");
    let mut running = orgate()
        .args([
            "proxy",
            "--upstream",
            "http://127.0.0.1:9",
            "--listen",
            "127.0.0.1:0",
            "--admin",
            "127.0.0.1:0",
        ])
        .folder(folder.path())
        .ready();
    let proxy = running.url("proxy");
    let verdict = |path: &str| request("GET", &format!("{proxy}{path}"), &[], None).verdict();
    let comes_true = |what: &dyn Fn() -> bool| {
        (0..400).any(|_| {
            what() || {
                std::thread::park_timeout(std::time::Duration::from_millis(25));
                false
            }
        })
    };
    assert_eq!((verdict("/b"), verdict("/c/x")), ("403 denied".to_owned(), "403 no_rule".to_owned()));
    // As long as before, and with the time that it had.
    let path = folder.path().join("orgate.yaml");
    let written = std::fs::metadata(&path).unwrap().modified().unwrap();
    folder.write("orgate.yaml", &policy("public"));
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.set_times(std::fs::FileTimes::new().set_modified(written)).unwrap();
    assert!(comes_true(&|| verdict("/b") == "502 upstream_unavailable"), "{}", running.stderr_so_far());
    folder.write("parts/c.yaml", "base: /c\nrules:\n  GET /x: public\n");
    assert!(comes_true(&|| verdict("/c/x") == "502 upstream_unavailable"), "{}", running.stderr_so_far());
    std::fs::remove_file(folder.path().join("parts/c.yaml")).unwrap();
    assert!(comes_true(&|| verdict("/c/x") == "403 no_rule"), "{}", running.stderr_so_far());
}

#[test]
fn a_policy_that_changes_is_enforced_and_one_that_does_not_stand_replaces_nothing() {
    let folder = Folder::new();
    let policy = |rule: &str| format!("version: 1\nrules:\n  GET /a: public\n  GET /b: {rule}\n");
    folder.write("orgate.yaml", &policy("deny"));
    let mut running = orgate()
        .args([
            "proxy",
            "--upstream",
            "http://127.0.0.1:9",
            "--listen",
            "127.0.0.1:0",
            "--admin",
            "127.0.0.1:0",
        ])
        .folder(folder.path())
        .ready();
    let (proxy, admin) = (running.url("proxy"), running.url("admin"));
    let verdict = || request("GET", &format!("{proxy}/b"), &[], None).verdict();
    let stale = || {
        let metrics = request("GET", &format!("{admin}/metrics"), &[], None).body;
        metrics.lines().find_map(|line| line.strip_prefix("orgate_policy_stale ").map(str::to_owned))
    };
    let comes_true = |what: &dyn Fn() -> bool| {
        (0..400).any(|_| {
            what() || {
                std::thread::park_timeout(std::time::Duration::from_millis(25));
                false
            }
        })
    };
    assert_eq!(verdict(), "403 denied");
    folder.write("orgate.yaml", &policy("public"));
    assert!(comes_true(&|| verdict() == "502 upstream_unavailable"), "{}", running.stderr_so_far());
    assert_eq!(stale().as_deref(), Some("0"));
    folder.write("orgate.yaml", &policy("publik"));
    assert!(comes_true(&|| stale().as_deref() == Some("1")), "{}", running.stderr_so_far());
    assert_eq!(verdict(), "502 upstream_unavailable", "the last good policy stays");
    let readiness = request("GET", &format!("{admin}/readyz"), &[], None);
    assert_eq!((readiness.status, readiness.json()["ready"].as_bool()), (200, Some(true)));
    assert_eq!(readiness.json()["policy"]["stale"], true);
    let told = running.stderr_so_far();
    assert!(told.contains("the policy stays as it was") && told.contains("E031"), "{told}");
    folder.write("orgate.yaml", &policy("deny"));
    assert!(comes_true(&|| verdict() == "403 denied"), "{}", running.stderr_so_far());
    assert_eq!(stale().as_deref(), Some("0"));
    assert_eq!(request("GET", &format!("{admin}/readyz"), &[], None).body, "ready\n");
}

/// As Kubernetes mounts a ConfigMap: `orgate.yaml` → `..data/orgate.yaml`, and `..data` → a folder, which is exchanged by the
/// renaming of a link.
#[cfg(unix)]
#[test]
fn a_mounted_folder_that_is_exchanged_is_one_change() {
    use std::os::unix::fs::symlink;

    let folder = Folder::new();
    let at = |name: &str| folder.path().join(name);
    let version = |name: &str, rule: &str| {
        std::fs::create_dir(at(name)).unwrap();
        let own = "version: 1\ninclude: [parts/*.yaml]\nrules:\n";
        folder.write(&format!("{name}/orgate.yaml"), &format!("{own}  GET /b: {rule}\n"));
        std::fs::create_dir(at(name).join("parts")).unwrap();
        folder.write(&format!("{name}/parts/c.yaml"), &format!("base: /c\nrules:\n  GET /x: {rule}\n"));
    };
    version("..2026_1", "deny");
    symlink("..2026_1", at("..data")).unwrap();
    symlink("..data/orgate.yaml", at("orgate.yaml")).unwrap();
    symlink("..data/parts", at("parts")).unwrap();
    let mut running = orgate()
        .args(["proxy", "--upstream", "http://127.0.0.1:9", "--listen", "127.0.0.1:0"])
        .args(["--admin", "127.0.0.1:0"])
        .folder(folder.path())
        .ready();
    let proxy = running.url("proxy");
    let verdict = |path: &str| request("GET", &format!("{proxy}{path}"), &[], None).verdict();
    assert_eq!((verdict("/b"), verdict("/c/x")), ("403 denied".to_owned(), "403 denied".to_owned()));
    version("..2026_2", "public");
    symlink("..2026_2", at("..data_tmp")).unwrap();
    std::fs::rename(at("..data_tmp"), at("..data")).unwrap();
    std::fs::remove_dir_all(at("..2026_1")).unwrap();
    let comes_true = (0..400).any(|_| {
        verdict("/b") == "502 upstream_unavailable" || {
            std::thread::park_timeout(std::time::Duration::from_millis(25));
            false
        }
    });
    assert!(comes_true, "{}", running.stderr_so_far());
    assert_eq!(verdict("/c/x"), "502 upstream_unavailable", "both files came with it");
}

#[test]
fn an_access_log_tells_which_requests_strict_paths_would_refuse() {
    let folder = Folder::new();
    folder.write("orgate.yaml", "version: 1\nrules:\n  GET /**: public\n");
    let line = |target: &str| {
        format!("192.0.2.1 - - [22/Nov/2026:06:44:00 +0000] \"GET {target} HTTP/1.1\" 200 2\n")
    };
    folder.write("access.log", &[line("/a//b"), line("/a//b"), line("/a")].concat());
    let checked = orgate().args(["check", "--log", "access.log"]).folder(folder.path()).finish();
    assert_eq!(checked.code, Some(0), "{}", checked.stderr);
    let told = checked.stdout + &checked.stderr;
    for part in
        ["W059", "2 requests of `access.log` would be refused", "`GET /a//b` (2)", "3 logged requests"]
    {
        assert!(told.contains(part), "{part}: {told}");
    }
    folder.write("access.log", &line("/a"));
    let clean = orgate().args(["check", "--log", "access.log"]).folder(folder.path()).finish();
    assert!(!(clean.stdout + &clean.stderr).contains("W059"));
}
