//! Reading a decision log.

use std::{
    fs::File,
    io::{self, BufRead, BufReader},
    path::Path,
};

use orgate::testing::tools::{LoggedCredential, LoggedDecision};
use serde_json::Value;

use super::Failure;

/// The longest line that is looked at.
const MOST: u64 = 1024 * 1024;

/// What a line of a decision log says.
pub(crate) enum Entry {
    Decision(Box<Told>),
    /// So many refusals were counted and not written.
    HeldBack(u64),
    /// So many lines were lost.
    Lost(u64),
}

/// A decision with what only people need.
pub(crate) struct Told {
    pub(crate) decision: LoggedDecision,
    pub(crate) id: String,
    /// Why it would have been refused, where the policy was only observed.
    pub(crate) would: Option<String>,
    /// What `shadow:` would have decided, where that is something else.
    pub(crate) shadow: Option<bool>,
    /// How many requests the line stands for.
    pub(crate) sample: u64,
}

/// How a log was read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Read {
    pub(crate) decisions: u64,
    /// Refusals that were counted and not written, lines that were lost, and about so many as a sample left out.
    pub(crate) not_logged: u64,
    /// Lines that are none of a decision log.
    pub(crate) unreadable: u64,
}

/// Goes through a log line by line; `-` is standard input. What is none of its lines is counted.
pub(crate) fn read(path: &Path, mut each: impl FnMut(&Told)) -> Result<Read, Failure> {
    let name = path.display();
    let unreadable = |error: io::Error| Failure::could_not_run(format!("cannot read `{name}`: {error}"));
    let mut input: Box<dyn BufRead> = if path == Path::new("-") {
        Box::new(BufReader::new(io::stdin()))
    } else {
        Box::new(BufReader::new(File::open(path).map_err(unreadable)?))
    };
    let mut read = Read::default();
    let mut line = Vec::new();
    loop {
        line.clear();
        let bytes = io::Read::take(&mut input, MOST).read_until(b'\n', &mut line).map_err(unreadable)?;
        if bytes == 0 {
            break;
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        match serde_json::from_slice(&line).ok().as_ref().and_then(entry) {
            Some(Entry::Decision(told)) => {
                read.decisions += 1;
                read.not_logged = read.not_logged.saturating_add(told.sample - 1);
                each(&told);
            }
            Some(Entry::HeldBack(count) | Entry::Lost(count)) => {
                read.not_logged = read.not_logged.saturating_add(count);
            }
            None => read.unreadable += 1,
        }
    }
    if read.decisions == 0 && read.not_logged == 0 {
        let help = "`orgate proxy --decision-log FILE` writes one";
        let what = if read.unreadable == 0 { "is empty" } else { "is no decision log" };
        return Err(Failure::could_not_run(format!("`{name}` {what}\nhelp: {help}")));
    }
    Ok(read)
}

fn entry(value: &Value) -> Option<Entry> {
    let count = |key: &str| value.get(key).and_then(Value::as_u64);
    if let Some(count) = count("lost") {
        return Some(Entry::Lost(count));
    }
    if let Some(count) = count("held_back") {
        return Some(Entry::HeldBack(count));
    }
    let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let list = |key: &str| -> Option<Vec<String>> {
        value.get(key)?.as_array()?.iter().map(|name| name.as_str().map(str::to_owned)).collect()
    };
    let would = text("would");
    let allowed = match text("decision")?.as_str() {
        "allow" => would.is_none(),
        "deny" | "answer" => false,
        _ => return None,
    };
    let auth = text("auth")?;
    let credential = match (auth.as_str(), auth.strip_prefix("via ")) {
        (_, Some(name)) => LoggedCredential::Via(name.to_owned()),
        ("token", _) => LoggedCredential::Token,
        ("none", _) => LoggedCredential::None,
        ("refused", _) => LoggedCredential::Refused,
        _ => LoggedCredential::Unread,
    };
    let code = text("code")?;
    let decision = LoggedDecision {
        method: text("method")?,
        host: text("host"),
        path: text("path"),
        rule: text("rule"),
        code: would.clone().unwrap_or(code),
        allowed,
        credential,
        issuer: text("issuer"),
        org: text("org"),
        org_slug: text("org_slug"),
        roles: list("roles").unwrap_or_default(),
        permissions: list("permissions"),
    };
    let shadow = text("shadow").map(|word| word == "allow");
    let sample = count("sample").unwrap_or(1).max(1);
    let id = text("id").unwrap_or_default();
    Some(Entry::Decision(Box::new(Told { decision, id, would, shadow, sample })))
}

/// Text of a log, which anybody may have written, for a terminal.
pub(crate) fn shown(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).take(200).collect()
}

/// `1 request`, `2 requests`.
pub(crate) fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// What a log does not hold, in words; nothing where it holds everything.
pub(crate) fn missing(read: &Read) -> String {
    let mut text = String::new();
    if read.not_logged > 0 {
        text.push_str(&format!(
            "{} more were counted and not logged; nothing is said of them\n",
            read.not_logged
        ));
    }
    if read.unreadable > 0 {
        text.push_str(&format!("{} cannot be read\n", counted(read.unreadable, "line")));
    }
    text
}
