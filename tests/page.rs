//! The page of `orgate matrix`, and the one at `/status`, in a real browser.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use std::{
    io::Read as _,
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use orgate_e2e::{Folder, chromium, orgate, request};
use orgate_testkit::{TestKey, jwks};
use serde_json::{Value, json};

const POLICY: &str = "\
version: 1
issuers:
  main: {issuer: \"https://id.example.com\", audience: demo-api, profile: orgate, feed: off}
rules:
  GET /healthz: public
  GET /docs: read
  POST|PUT /docs: write
  GET /fresh: read and fresh(5m)
  DELETE /orgs/{org_id}: delete_org
  GET /a<b: deny
";

/// Plays a person at the page and writes what they see into the title, after the page's own script has run.
const PERSON: &str = r#"<script>
(async () => {
  const seen = {};
  const shown = () => [...document.querySelectorAll('tbody tr')].filter(row => row.offsetParent !== null)
    .map(row => row.querySelector('th').textContent);
  const press = key => dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true }));
  seen.fromAddress = shown();
  seen.count = document.getElementById('count').textContent;
  press('/');
  seen.focused = document.activeElement.id;
  document.activeElement.value = 'post docs';
  document.activeElement.dispatchEvent(new Event('input'));
  seen.filtered = shown();
  seen.hash = location.hash;
  let saved;
  URL.createObjectURL = blob => { saved = blob; return 'data:,'; };
  document.getElementById('csv').click();
  seen.csv = await saved.text();
  document.getElementById('filter').focus();
  press('Escape');
  seen.cleared = shown().length;
  const role = document.getElementById('role');
  role.value = 'viewer';
  role.dispatchEvent(new Event('change'));
  seen.viewer = shown();
  const reachable = [...document.querySelectorAll('input, select, button, [tabindex]')];
  seen.reachable = reachable.filter(one => one.tabIndex >= 0).map(one => one.id || one.className);
  seen.requests = performance.getEntriesByType('resource').map(entry => entry.name);
  seen.wide = document.documentElement.scrollWidth > innerWidth;
  document.title = JSON.stringify(seen);
})();
</script>"#;

/// What a browser prints; nothing if it does not end by itself, as a headless one on a busy machine sometimes does.
fn within_a_minute(mut browser: Command) -> Option<String> {
    let mut child = browser.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut output = child.stdout.take().unwrap();
    let (done, printed) = mpsc::channel();
    thread::spawn(move || {
        let mut text = String::new();
        let read = output.read_to_string(&mut text);
        done.send(read.map(|_| text))
    });
    let text = printed.recv_timeout(Duration::from_secs(60)).ok().and_then(Result::ok);
    if text.is_none() {
        child.kill().unwrap();
    }
    child.wait().unwrap();
    text
}

fn visit(folder: &Folder, hash: &str, size: &str) -> Value {
    let page = orgate().args(["matrix", "--format", "html"]).folder(folder.path()).finish();
    assert_eq!((page.code, page.stderr.as_str()), (Some(0), ""));
    assert!(page.stdout.contains("</script>\n</body>"));
    let played = page.stdout.replace("</body>", &format!("{PERSON}</body>"));
    let path = folder.write("page.html", &played);
    let dom = look(folder, &format!("file://{}{hash}", path.display()), size);
    let title = dom.split("<title>").nth(1).and_then(|rest| rest.split("</title>").next());
    let title = title.unwrap_or_else(|| panic!("{dom}")).replace("&lt;", "<").replace("&amp;", "&");
    serde_json::from_str(&title).unwrap_or_else(|error| panic!("{error}: {title}"))
}

/// What stands in a page after three seconds, as its scripts left it.
fn look(folder: &Folder, url: &str, size: &str) -> String {
    let dom = (1..=3).find_map(|attempt| {
        let mut browser = chromium();
        browser
            .arg(format!("--user-data-dir={}", folder.path().join(format!("profile{attempt}")).display()))
            .arg(format!("--window-size={size}"))
            .args(["--virtual-time-budget=3000", "--dump-dom", url]);
        within_a_minute(browser)
    });
    dom.expect("the browser ends within a minute, at the third attempt at the latest")
}

#[test]
fn the_page_filters_saves_and_works_by_keyboard_on_its_own() {
    let folder = Folder::new();
    folder.write("orgate.yaml", POLICY);
    let seen = visit(&folder, "#filter=docs&role=member", "1280,900");
    assert_eq!(seen["fromAddress"], json!(["GET /docs", "POST|PUT /docs"]));
    assert_eq!(seen["count"], "2 of 6 rules");
    assert_eq!(seen["focused"], "filter");
    assert_eq!(seen["filtered"], json!(["POST|PUT /docs"]));
    assert_eq!(seen["hash"], "#filter=post+docs&role=member");
    assert_eq!(
        seen["csv"],
        "rule,requirement,anonymous,viewer,member,admin,owner,place\r\n\
         POST|PUT /docs,write,no,no,yes,yes,yes,orgate.yaml:7\r\n"
    );
    assert_eq!(seen["cleared"], 4, "what a member may use");
    assert_eq!(seen["viewer"], json!(["GET /healthz", "GET /docs", "GET /fresh"]));
    assert_eq!(seen["reachable"], json!(["filter", "role", "open", "csv", "scroll"]));
    assert_eq!(seen["requests"], json!([]), "nothing is asked of anybody");
    assert_eq!(seen["wide"], false);
}

#[test]
fn the_page_fits_a_telephone() {
    let folder = Folder::new();
    folder.write("orgate.yaml", POLICY);
    let seen = visit(&folder, "#open=1", "500,900");
    assert_eq!(seen["fromAddress"], json!(["GET /healthz"]));
    assert_eq!(seen["wide"], false);
}

/// How wide the page at `/status` is, and what can be reached in it by keyboard.
const LOOK: &str = r#"<script>
addEventListener('load', () => {
  const reachable = [...document.querySelectorAll('input, a')].filter(one => one.offsetParent !== null);
  document.title = JSON.stringify({
    wide: document.documentElement.scrollWidth > innerWidth,
    styled: getComputedStyle(document.querySelector('svg')).height !== 'auto',
    reachable: reachable.filter(one => one.tabIndex >= 0).length,
    bars: document.querySelectorAll('rect.refused').length,
  });
});
</script>"#;

#[test]
fn the_status_page_shows_the_last_refusals_and_looks_again_by_itself() {
    let folder = Folder::new();
    folder.write(
        "orgate.yaml",
        &POLICY.replace("profile: orgate, feed: off}", "profile: orgate, keys: {file: keys.json}}"),
    );
    folder.write("keys.json", &jwks([TestKey::es256()]));
    let free = "127.0.0.1:0";
    let running = orgate()
        .args(["proxy", "--upstream", "http://127.0.0.1:1", "--listen", free, "--admin", free])
        .folder(folder.path())
        .ready();
    let (proxy, admin) = (running.url("proxy"), running.url("admin"));
    for path in ["/docs", "/nowhere", "/healthz"] {
        assert_ne!(request("GET", &format!("{proxy}{path}"), &[], None).status, 200);
    }
    let page = || request("GET", &format!("{admin}/status"), &[], None).body;
    // Until the seconds are over in which they came.
    let counted = ["<dt>refused</dt><dd>2</dd>", "<dt>not answered</dt><dd>1</dd>"];
    while !counted.iter().all(|figure| page().contains(figure)) {
        std::thread::yield_now();
    }
    let dom = look(&folder, &format!("{admin}/status"), "1280,900");
    for part in [
        "<title>orgate: ready</title>",
        "data-looks=\"1\"",
        "no_credential",
        "GET without a rule",
        "upstream_unavailable",
        counted[0],
        counted[1],
        "6 rules, enforced",
    ] {
        assert!(dom.contains(part), "{part} is not in\n{dom}");
    }
    for size in ["1280,900", "500,900"] {
        let base = format!("<head>\n<base href=\"{admin}/\">{LOOK}");
        let path = folder.write("status.html", &page().replacen("<head>", &base, 1));
        let dom = look(&folder, &format!("file://{}", path.display()), size);
        let title = dom.split("<title>").nth(1).and_then(|rest| rest.split("</title>").next()).unwrap();
        let seen: Value = serde_json::from_str(title).unwrap_or_else(|error| panic!("{error}: {title}"));
        assert_eq!(seen["wide"], false, "{size}");
        assert_eq!((&seen["styled"], &seen["reachable"]), (&json!(true), &json!(4)), "{size}");
        assert!(seen["bars"].as_u64().unwrap() > 0, "{size}");
    }
}
