//! Every example of `docs/sidecar.md` is executed: settings are checked and served by the real proxy, and each row of a table
//! is a request that must reach the application that it names.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use std::{collections::BTreeMap, fs, path::Path};

use orgate_e2e::{Folder, Program, orgate, request_to};
use orgate_testkit::{Answer, Certificate, Upstream};

struct Example {
    line: usize,
    is_command: bool,
    text: String,
    /// Requests, and where they go.
    rows: Vec<(String, String)>,
}

fn examples() -> Vec<Example> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let page = fs::read_to_string(root.join("docs/sidecar.md")).unwrap();
    let mut examples: Vec<Example> = Vec::new();
    let mut lines = (1..).zip(page.lines());
    while let Some((line, text)) = lines.next() {
        if let Some(language) = text.strip_prefix("```").filter(|language| !language.is_empty()) {
            let body: Vec<&str> =
                lines.by_ref().map(|(_, text)| text).take_while(|text| *text != "```").collect();
            let started = body.iter().find_map(|line| line.strip_prefix("ExecStart=/usr/bin/"));
            let (language, body) = match (language, started) {
                // Of units, the command; the socket is handed over in `handover.rs`.
                ("ini", Some(command)) => ("sh", vec![command]),
                ("ini", None) => continue,
                (language, _) => (language, body),
            };
            assert!(
                matches!(language, "yaml" | "sh"),
                "docs/sidecar.md:{line}: nothing executes `{language}`"
            );
            examples.push(Example {
                line,
                is_command: language == "sh",
                text: body.join("\n") + "\n",
                rows: Vec::new(),
            });
        } else if let Some((request, place)) = text.strip_prefix("| `").and_then(|row| row.split_once("` | "))
        {
            let place = place.trim_end_matches(" |").trim_matches('`').to_owned();
            examples.last_mut().unwrap().rows.push((request.to_owned(), place));
        }
    }
    examples
}

/// The applications of the page, by the addresses that it gives them.
struct Applications {
    folder: Folder,
    running: BTreeMap<&'static str, Upstream>,
}

impl Applications {
    async fn start() -> Self {
        let folder = Folder::new();
        folder.write("orgate.yaml", "version: 1\nrules: {ANY /**: public, ANY /: public}\n");
        let authority = Certificate::authority("test");
        for (name, certificate) in [("server", "localhost"), ("client", "sidecar")] {
            let certificate = authority.issue(certificate);
            folder.write(&format!("{name}.pem"), &certificate.pem());
            folder.write(&format!("{name}.key"), &certificate.key_pem());
        }
        folder.write("authority.pem", &authority.pem());
        let mut running = BTreeMap::new();
        for url in ["http://127.0.0.1:3000", "http://127.0.0.1:3001", "http://127.0.0.1:3002"] {
            let upstream = Upstream::start().await;
            upstream.answer(Answer::status(200).body(url));
            running.insert(url, upstream);
        }
        Self { folder, running }
    }

    /// The same with the addresses at which they really are.
    fn really(&self, text: &str) -> String {
        // All at once, as a real port may be one of the page.
        let marked = self
            .running
            .keys()
            .enumerate()
            .fold(text.to_owned(), |text, (number, url)| text.replace(url, &format!("<{number}>")));
        self.running
            .values()
            .enumerate()
            .fold(marked, |text, (number, upstream)| text.replace(&format!("<{number}>"), &upstream.url()))
    }

    fn proxy(&self, example: &Example) -> Program {
        let text = self.really(&example.text).replace("/etc/orgate/", "");
        let mut arguments: Vec<String> = match example.is_command {
            true => text.split_whitespace().skip(1).map(str::to_owned).collect(),
            false => {
                self.folder.write("sidecar.yaml", &text);
                ["proxy", "--settings", "sidecar.yaml"].map(str::to_owned).into()
            }
        };
        arguments.extend(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"].map(str::to_owned));
        orgate().args(arguments).folder(self.folder.path())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_of_the_page_serves_and_every_request_reaches_its_application() {
    let applications = Applications::start().await;
    let (mut served, mut asked, mut refused) = (0, 0, 0);
    for example in &examples() {
        let line = example.line;
        let first = example.text.lines().next().unwrap();
        if let Some(findings) = first.strip_prefix("# refused: ") {
            let finished = applications.proxy(example).finish();
            assert_eq!(finished.code, Some(1), "line {line}: {}", finished.stderr);
            let checked = orgate()
                .args(["check", "--settings", "sidecar.yaml"])
                .folder(applications.folder.path())
                .finish();
            assert_eq!(checked.code, Some(1), "line {line}: {}", checked.stdout);
            for finding in findings.split(", ") {
                assert!(finished.stderr.contains(finding), "line {line}: {finding}: {}", finished.stderr);
                assert!(checked.stdout.contains(finding), "line {line}: {finding}: {}", checked.stdout);
            }
            refused += 1;
            continue;
        }
        let running = applications.proxy(example).ready();
        if !example.is_command {
            let checked = orgate()
                .args(["check", "--settings", "sidecar.yaml"])
                .folder(applications.folder.path())
                .finish();
            assert_eq!(checked.code, Some(0), "line {line}: {}", checked.stdout);
        }
        for (request, place) in &example.rows {
            let (host, target) = request.split_at(request.find('/').unwrap());
            let host = if host.is_empty() { "localhost" } else { host };
            let answer = request_to(&running.url("proxy"), "GET", target, &[("Host", host)]);
            let reached = if answer.status == 200 { answer.body.clone() } else { answer.verdict() };
            assert_eq!(&reached, place, "docs/sidecar.md:{line}: {request}");
            asked += 1;
        }
        served += 1;
    }
    assert!(served >= 7 && asked >= 10 && refused >= 1, "{served} {asked} {refused}");
}
