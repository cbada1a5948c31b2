//! The real proxy in front of the recorder, and how a case is judged.
//!
//! Whatever a case sends, one of these must be true: it was refused and no byte of it arrived; or it was begun, broken off, and never
//! became a whole request; or exactly the requests arrived that were meant, each with one framing and with nothing under the
//! gate's names but what the permit says. Then the next request on the same connection and one on another, which takes the
//! upstream's connection, must get their own answers.

use std::net::SocketAddr;

use orgate_e2e::{Folder, Running, clock, orgate};
use orgate_testkit::{TestKey, access_token_claims, jwks};
use serde_json::json;

use crate::{
    client::{Answer, Client},
    recorder::{Arrived, Recorder, Seen},
};

const POLICY: &str = "\
version: 1
issuers:
  main: {issuer: \"https://id.example.com\", audience: demo-api, profile: orgate, keys: {file: keys.json}}
identity: {also_strip: [X-User]}
rules:
  ANY /public/**: public
  ANY /granted/**: role(owner)
  ANY /admin/**: role(owner)
  GET /read/**: public
  ANY /host/**: public
  ANY guarded.example/host/**: role(owner)
";

/// What the application is told of whoever holds [`Stand::token`].
const TOLD: [(&str, &str); 7] = [
    ("x-orgate-auth", "token"),
    ("x-orgate-issuer", "https://id.example.com"),
    ("x-orgate-org-id", "org_acme"),
    ("x-orgate-org-slug", "acme"),
    ("x-orgate-permissions", "read,write"),
    ("x-orgate-role", "owner"),
    ("x-orgate-sub", "usr_ann"),
];

/// A proxy and its application.
pub(crate) struct Stand {
    pub(crate) running: Running,
    pub(crate) recorder: Recorder,
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    /// Of an owner of acme.
    pub(crate) token: String,
    _folder: Folder,
}

impl Stand {
    pub(crate) fn start() -> Self {
        Self::with(POLICY)
    }

    pub(crate) fn with(policy: &str) -> Self {
        let recorder = Recorder::start();
        let folder = Folder::new();
        folder.write("orgate.yaml", policy);
        folder.write("keys.json", &jwks([TestKey::es256()]));
        let (upstream, free) = (format!("http://{}", recorder.address), "127.0.0.1:0");
        let running = orgate()
            .args(["proxy", "--upstream", &upstream, "--listen", free, "--admin", free, "--log", "error"])
            // Each thread keeps connections of its own; which ones are left is asked here.
            .args(["--threads", "1"])
            .folder(folder.path())
            .ready();
        let mut claims = access_token_claims("https://id.example.com", "demo-api", clock::now());
        claims["org_role"] = json!("owner");
        let address = |name: &str| running.url(name).strip_prefix("http://").unwrap().parse().unwrap();
        let (address, admin) = (address("proxy"), address("admin"));
        Self { running, recorder, address, admin, token: TestKey::es256().mint(&claims), _folder: folder }
    }

    /// The line that lets a request to `/granted` pass.
    pub(crate) fn authorization(&self) -> String {
        format!("Authorization: Bearer {}\r\n", self.token)
    }
}

/// What must become of a case.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Expected<'e> {
    /// Refused with this status; nothing of it arrives.
    Refused(u16),
    /// The same with one of these, or the connection ends without a word.
    Dropped(&'e [u16]),
    /// Refused with this status; what arrives of it never becomes whole.
    Cut(u16),
    /// Refused, or the stream or the connection ends; what arrives of it never becomes whole.
    Broken,
    /// Not answered with success; what arrives is this request without a body, or nothing.
    Curbed(&'e str),
    /// These requests arrive, `METHOD TARGET`, and nothing else does.
    Passed(&'e [&'e str]),
    /// The application's answer is not passed on.
    Withheld,
}

/// One row of a table, and what was found about it.
pub(crate) struct Class<'s> {
    pub(crate) stand: &'s Stand,
    pub(crate) name: &'static str,
    pub(crate) tally: Tally,
    pub(crate) problems: Vec<String>,
    probes: usize,
}

/// How many cases came to which end.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) refused: usize,
    pub(crate) cut: usize,
    pub(crate) passed: usize,
}

impl Tally {
    pub(crate) fn cases(self) -> usize {
        self.refused + self.cut + self.passed
    }
}

impl<'s> Class<'s> {
    pub(crate) fn new(stand: &'s Stand, name: &'static str) -> Self {
        Self { stand, name, tally: Tally::default(), problems: Vec::new(), probes: 0 }
    }

    /// Sends `bytes` over a connection of their own. Returns the bodies of the requests that arrived.
    pub(crate) fn case(&mut self, bytes: impl AsRef<[u8]>, expected: Expected<'_>) -> Vec<Seen> {
        let bytes = bytes.as_ref();
        let mut client = Client::to(self.stand.address);
        client.send(bytes);
        let heads = bytes.starts_with(b"HEAD ");
        let told = self.told(&mut client, heads, expected);
        self.judge(&String::from_utf8_lossy(bytes), told, expected)
    }

    /// Compares what the client was told and what arrived with what was expected.
    pub(crate) fn judge(
        &mut self,
        what: &str,
        told: Result<Vec<u16>, String>,
        expected: Expected<'_>,
    ) -> Vec<Seen> {
        let others = self.others_are_served();
        let is_settled = match expected {
            Expected::Cut(_) | Expected::Broken | Expected::Curbed(_) => self.stand.recorder.settle(),
            _ => true,
        };
        let arrived = self.stand.recorder.take();
        let mut found = Vec::new();
        match told {
            Ok(told) => found.extend(unexpected(&told, expected)),
            Err(problem) => found.push(problem),
        }
        found.extend(others.err());
        found.extend((!is_settled).then(|| "a connection to the application is left".to_owned()));
        let (seen, problems) = what_arrived(arrived, expected);
        found.extend(problems);
        match expected {
            Expected::Refused(_) | Expected::Dropped(_) => self.tally.refused += 1,
            Expected::Cut(_) | Expected::Broken | Expected::Curbed(_) | Expected::Withheld => {
                self.tally.cut += 1
            }
            Expected::Passed(_) => self.tally.passed += 1,
        }
        let shown: String = what.chars().take(300).collect();
        self.problems
            .extend(found.into_iter().map(|problem| format!("{}: {problem}\n    of {shown:?}", self.name)));
        seen
    }

    /// The statuses of all answers; where the connection stays open, the next request on it gets its own.
    fn told(&mut self, client: &mut Client, heads: bool, expected: Expected<'_>) -> Result<Vec<u16>, String> {
        let count = match expected {
            Expected::Passed(requests) => requests.len(),
            _ => 1,
        };
        let mut told = Vec::new();
        let mut last = None;
        while told.len() < count {
            let Some(answer) = client.answer(!heads)? else { return Ok(told) };
            if let (Expected::Passed(requests), Some(asked)) = (expected, answer_to(&answer))
                && requests.get(told.len()) != Some(&&*asked)
            {
                return Err(format!("the answer to {asked:?} came in place {}", told.len()));
            }
            if matches!(expected, Expected::Cut(_)) && !answer.is_last() {
                return Err("the client is not told that the connection ends".to_owned());
            }
            told.push(answer.status);
            if answer.is_last() {
                client.ends()?;
                return Ok(told);
            }
            last = Some(answer);
        }
        // An answer to HTTP/1.0 says nothing of its connection.
        if last.is_some_and(|answer| answer.head.starts_with("HTTP/1.0")) {
            client.ends()?;
            return Ok(told);
        }
        match self.ask(client) {
            // Whoever is refused in the middle of a message may find the connection gone.
            Err(Unasked::Ended) if !matches!(expected, Expected::Passed(_)) => Ok(told),
            Err(problem) => Err(problem.to_string()),
            Ok(()) => Ok(told),
        }
    }

    /// One more request, as the last of a connection, and the end of that.
    fn ask(&mut self, client: &mut Client) -> Result<(), Unasked> {
        self.probes += 1;
        let target = format!("/public/probe-{}", self.probes);
        client.send(
            format!("GET {target} HTTP/1.1\r\nHost: app.example\r\nConnection: close\r\n\r\n").as_bytes(),
        );
        match client.answer(true)? {
            Some(Answer { status: 200, body, .. }) if body == format!("GET {target}") => Ok(client.ends()?),
            None => Err(Unasked::Ended),
            other => Err(format!("the next request was answered {other:?}").into()),
        }
    }

    /// Another client gets its own answer, over the application's connection that the case may have used.
    fn others_are_served(&mut self) -> Result<(), String> {
        let mut other = Client::to(self.stand.address);
        self.ask(&mut other).map_err(|problem| format!("on another connection: {problem}"))
    }
}

/// Why the next request did not get its own answer.
enum Unasked {
    /// The connection had ended.
    Ended,
    Other(String),
}

impl From<String> for Unasked {
    fn from(problem: String) -> Self {
        Self::Other(problem)
    }
}

impl std::fmt::Display for Unasked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ended => f.write_str("the connection ended before the next request was answered"),
            Self::Other(problem) => f.write_str(problem),
        }
    }
}

/// The question that the application says it answers.
fn answer_to(answer: &Answer) -> Option<String> {
    answer.head.split("\r\n").find_map(|line| line.strip_prefix("x-told: ")).map(str::to_owned)
}

fn unexpected(told: &[u16], expected: Expected<'_>) -> Option<String> {
    let is_right = match expected {
        Expected::Refused(status) | Expected::Cut(status) => told == [status],
        Expected::Dropped(statuses) => {
            told.is_empty() || told.len() == 1 && told.iter().all(|status| statuses.contains(status))
        }
        Expected::Broken | Expected::Curbed(_) => matches!(told, [] | [400]),
        Expected::Passed(requests) => {
            told.len() == requests.len() && told.iter().all(|status| *status == 200)
        }
        Expected::Withheld => told == [502],
    };
    (!is_right).then(|| format!("expected {expected:?}, got {told:?}"))
}

fn what_arrived(arrived: Arrived, expected: Expected<'_>) -> (Vec<Seen>, Vec<String>) {
    let Arrived { requests, broken, faults } = arrived;
    let mut problems: Vec<String> =
        faults.into_iter().map(|fault| format!("what arrived has no one reading: {fault}")).collect();
    let seen: Vec<Seen> =
        requests.into_iter().filter(|seen| !seen.target.starts_with("/public/probe-")).collect();
    let lines: Vec<String> = seen.iter().map(|seen| format!("{} {}", seen.method, seen.target)).collect();
    let wanted: Vec<&str> = match expected {
        Expected::Passed(requests) => requests.to_vec(),
        Expected::Curbed(request) if seen.iter().all(|seen| seen.body.is_empty()) => {
            lines.first().map(|_| request).into_iter().collect()
        }
        // The application was asked, and its answer is what the case is about.
        Expected::Withheld => lines.iter().map(String::as_str).collect(),
        _ => Vec::new(),
    };
    if lines != wanted {
        problems.push(format!("{lines:?} arrived"));
    }
    if !broken.is_empty() && !matches!(expected, Expected::Cut(_) | Expected::Broken) {
        let broken: Vec<_> = broken.iter().map(|bytes| String::from_utf8_lossy(bytes)).collect();
        problems.push(format!("{broken:?} arrived in part"));
    }
    problems.extend(seen.iter().flat_map(claims));
    (seen, problems)
}

/// What a request says that no client may say, or does not say as the gate does.
fn claims(seen: &Seen) -> Vec<String> {
    let fold = |name: &str| -> String {
        let byte = |byte: char| if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { '-' };
        name.chars().map(byte).collect()
    };
    let all = |name: &str| -> Vec<&str> {
        seen.fields.iter().filter(|(other, _)| fold(other) == name).map(|(_, value)| &**value).collect()
    };
    let mut problems = Vec::new();
    let mut told: Vec<(String, &str)> =
        seen.fields.iter().map(|(name, value)| (fold(name), &**value)).collect();
    told.retain(|(name, _)| name.starts_with("x-orgate-") || name == "x-user");
    told.sort();
    let expected: &[(&str, &str)] = if seen.target.starts_with("/granted") { &TOLD } else { &[] };
    if told.iter().map(|(name, value)| (&**name, *value)).ne(expected.iter().copied()) {
        problems.push(format!("the application was told {told:?}"));
    }
    for (name, count) in [("host", 1), ("via", 1), ("x-request-id", 1), ("x-forwarded-for", 1)] {
        if all(name).len() != count {
            problems.push(format!("{name}: {:?}", all(name)));
        }
    }
    if all("via").iter().any(|via| !via.ends_with(" orgate")) || all("x-forwarded-for") != ["127.0.0.1"] {
        problems.push(format!("it did not come through the proxy: {:?}", seen.fields));
    }
    let of_gate = ["x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"];
    for (name, value) in &seen.fields {
        let folded = fold(name);
        // Ours, where a client sent one of its own.
        if folded == "forwarded" && value == &format!("for=127.0.0.1;host={};proto=http", all("host")[0]) {
            continue;
        }
        let is_claimed = value.contains("usr_eve")
            || folded.starts_with("x-forwarded-") && !of_gate.contains(&&*folded)
            || NEVER.iter().any(|never| folded.starts_with(never));
        if is_claimed {
            problems.push(format!("{name}: {value} arrived"));
        }
    }
    for (name, value) in &seen.trailers {
        let folded = fold(name);
        if folded.starts_with("x-orgate-") || value.contains("usr_eve") || NEVER_BEHIND.contains(&&*folded) {
            problems.push(format!("{name}: {value} arrived behind the body"));
        }
    }
    problems
}

/// How names begin, folded, that reach no application.
const NEVER: [&str; 16] = [
    "forwarded",
    "http2-settings",
    "keep-alive",
    "proxy",
    "x-envoy-original-",
    "x-http-method",
    "x-http-path-override",
    "x-method-override",
    "x-original-",
    "x-real-ip",
    "x-rewrite-",
    "x-script-name",
    "x-smuggled",
    "expect",
    "proxy-connection",
    "content-length-",
];
const NEVER_BEHIND: [&str; 5] = ["content-length", "transfer-encoding", "host", "authorization", "cookie"];
