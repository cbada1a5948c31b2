//! What `docs/issuer.md` says to do is done here, command by command.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use orgate_e2e::{
    installation::{Installation, code, exchange, refresh, token},
    orgate,
    sign_in::Browser,
};
use orgate_testkit::Postgres;

const PAGE: &str = include_str!("../docs/issuer.md");

/// The lines of the blocks that are marked with `<!-- executed: NAME -->`.
fn commands(name: &str) -> Vec<String> {
    let marker = format!("<!-- executed: {name} -->\n```sh\n");
    let block =
        PAGE.split_once(&marker).unwrap_or_else(|| panic!("no block {name}")).1.split("```").next().unwrap();
    block.lines().map(str::to_owned).collect()
}

/// Runs a line of the page in the folder of the installation, with its own address for the one in the page.
fn run(installation: &Installation, line: &str, postgres: &str) -> String {
    let line = line
        .replace("'postgres://orgate@db.example.com/orgate?sslrootcert=ca.pem'", &format!("'{postgres}'"));
    let Some(arguments) = line.strip_prefix("orgate ") else {
        let done = std::process::Command::new("sh")
            .args(["-c", &line])
            .current_dir(installation.folder.path())
            .output()
            .unwrap();
        assert!(done.status.success(), "{line}: {}", String::from_utf8_lossy(&done.stderr));
        return String::from_utf8(done.stdout).unwrap();
    };
    let (arguments, target) = arguments.split_once(" > ").map_or((arguments, None), |(a, b)| (a, Some(b)));
    let arguments = arguments.split_whitespace().map(|word| word.trim_matches('\''));
    let done = orgate().args(arguments).folder(installation.folder.path()).finish();
    assert_eq!(done.code, Some(0), "{line}: {}", done.stderr);
    if let Some(target) = target {
        installation.folder.write(target, &done.stdout);
    }
    done.stdout
}

#[test]
fn the_commands_of_the_page_do_what_it_says() {
    let installation = Installation::sqlite(&["member"]);
    let running = installation.start("127.0.0.1:0");
    let base = running.url("issuer");
    let mut browser = Browser::default();
    let mut current =
        token(&base, &exchange(&code(&mut browser, &base, "member"))).unwrap().json()["refresh_token"]
            .clone();
    let mut refreshed = |base: &str| {
        let reply = token(base, &refresh(current.as_str().unwrap())).unwrap();
        assert_eq!(reply.status, 200, "{}", reply.body);
        current = reply.json()["refresh_token"].clone();
    };
    let server = Postgres::shared();
    let database = server.database(None);
    let each = |name: &str| -> String {
        commands(name).iter().map(|line| run(&installation, line, &database.url())).collect()
    };

    // Its addresses are those of the page; whatever else it says is taken.
    for line in commands("proxy") {
        let free = line.replace("127.0.0.1:8090", "127.0.0.1:0");
        let arguments: Vec<&str> = free.strip_prefix("orgate ").unwrap().split_whitespace().collect();
        let elsewhere = ["--database", "sqlite::memory:"];
        let started = orgate().args(arguments).args(elsewhere).folder(installation.folder.path()).ready();
        assert_eq!(started.terminate().code, Some(0), "{line}");
    }

    // Beside the running issuer.
    each("backup");
    each("export");
    let export = std::fs::read_to_string(installation.folder.path().join("everything.ndjson")).unwrap();
    assert!(
        export.starts_with("{\"") && export.contains("member@example.com") && !export.contains("argon2id")
    );
    assert_eq!(each("check"), "");
    let audited = each("audit");
    assert_eq!(audited.matches(" holds: events 1 to ").count(), 2, "{audited}");
    refreshed(&base);
    assert_eq!(running.terminate().code, Some(0));

    each("rotate");
    let running = installation.start("127.0.0.1:0");
    refreshed(&running.url("issuer"));
    assert_eq!(running.terminate().code, Some(0));

    let copied = each("copy");
    assert!(copied.contains("token_families"), "{copied}");
    // The issuer goes on from PostgreSQL, with the same secret.
    let moved = installation.on(&database.url());
    refreshed(&moved.url("issuer"));
    assert_eq!(moved.terminate().code, Some(0));

    // After a loss, the file of SQLite comes back as it was when the backup was made.
    each("restore");
    let running = installation.start("127.0.0.1:0");
    let base = running.url("issuer");
    let fresh = code(&mut Browser::default(), &base, "member");
    assert_eq!(token(&base, &exchange(&fresh)).unwrap().status, 200);
}
