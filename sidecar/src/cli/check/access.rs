//! The requests of an access log that would be refused for their target alone, whatever the rules say: what a stricter reading
//! of paths breaks, before it does.
//!
//! Read is what servers write by themselves: lines with the request line in quotes (nginx and Apache, common and combined;
//! Envoy), and objects of JSON (Caddy, Traefik, Envoy and nginx with names that say what they are). Shown is a path without
//! its query, which may hold a token.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufRead, BufReader},
    path::Path,
};

use orgate_config::{
    PolicyFile, codes,
    diagnostic::{Diagnostic, Diagnostics},
};
use serde_json::Value;

use crate::cli::{
    Failure,
    log::{counted, shown},
};

/// A request as a log tells it.
#[derive(Debug, PartialEq, Eq)]
struct Logged {
    method: String,
    host: Option<String>,
    target: String,
}

#[derive(Default)]
struct Reason {
    count: u64,
    examples: BTreeMap<String, u64>,
}

/// Adds what would be refused to `findings`, and says in words how much was read; `-` is standard input.
pub(super) fn check(path: &Path, file: &PolicyFile, findings: &mut Diagnostics) -> Result<String, Failure> {
    let name = path.display().to_string();
    let unreadable = |error: io::Error| Failure::could_not_run(format!("cannot read `{name}`: {error}"));
    let mut input: Box<dyn BufRead> = if path == Path::new("-") {
        Box::new(BufReader::new(io::stdin()))
    } else {
        Box::new(BufReader::new(File::open(path).map_err(unreadable)?))
    };
    let (mut requests, mut others) = (0_u64, 0_u64);
    let mut reasons: BTreeMap<String, Reason> = BTreeMap::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        if io::Read::take(&mut input, MOST).read_until(b'\n', &mut line).map_err(unreadable)? == 0 {
            break;
        }
        let Some(logged) = read(&String::from_utf8_lossy(&line)) else {
            others += u64::from(!line.iter().all(u8::is_ascii_whitespace));
            continue;
        };
        requests += 1;
        let judged = file.policy.target(&logged.method, logged.host.as_deref(), &logged.target);
        if let Err(error) = judged {
            let reason = reasons.entry(error.to_string()).or_default();
            reason.count += 1;
            let path = logged.target.split('?').next().unwrap_or_default();
            let example = shown(&format!("{} {path}", logged.method));
            if reason.examples.len() < MOST_EXAMPLES || reason.examples.contains_key(&example) {
                *reason.examples.entry(example).or_default() += 1;
            }
        }
    }
    if requests == 0 {
        let help = "lines of nginx, Apache and Envoy are read, and objects of JSON with a method and a path";
        return Err(Failure::could_not_run(format!("`{name}` is no access log\nhelp: {help}")));
    }
    for (why, Reason { count, examples }) in &reasons {
        let mut examples: Vec<_> = examples.iter().collect();
        examples.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        let examples: Vec<_> =
            examples.iter().take(SHOWN).map(|(example, times)| format!("`{example}` ({times})")).collect();
        let message = format!("{} of `{name}` would be refused: {why}", counted(*count, "request"));
        findings.push(
            Diagnostic::warning(codes::LOGGED_REFUSED, message)
                .help(format!("such as {}", examples.join(", "))),
        );
    }
    let unread =
        if others > 0 { format!(", {} that cannot be read", counted(others, "line")) } else { String::new() };
    Ok(format!("{}{unread}", counted(requests, "logged request")))
}

fn read(line: &str) -> Option<Logged> {
    let line = line.trim();
    if line.starts_with('{') {
        return object(&serde_json::from_str(line).ok()?);
    }
    // The first text in quotes that is a request line; before it there are addresses, names and times.
    let mut rest = line;
    loop {
        let (_, begun) = rest.split_once('"')?;
        let (quoted, behind) = until_quote(begun)?;
        if let Some(logged) = request_line(&quoted) {
            return Some(logged);
        }
        rest = behind;
    }
}

/// What stands before the next quote, with `\x2F` and `\"` as what they stand for, and what is behind it.
fn until_quote(text: &str) -> Option<(String, &str)> {
    let mut quoted = String::new();
    let mut rest = text;
    loop {
        let at = rest.find(['"', '\\'])?;
        let (before, behind) = rest.split_at_checked(at)?;
        quoted.push_str(before);
        let mut characters = behind.chars();
        if characters.next() == Some('"') {
            return Some((quoted, characters.as_str()));
        }
        rest = characters.as_str();
        let byte = rest.strip_prefix('x').and_then(|digits| u8::from_str_radix(digits.get(..2)?, 16).ok());
        match byte {
            Some(byte) => {
                // A byte that is no character of ASCII stays one that no path may hold.
                quoted.push(char::from(byte));
                rest = rest.get(3..)?;
            }
            None => {
                quoted.push(characters.next()?);
                rest = characters.as_str();
            }
        }
    }
}

/// `GET /docs HTTP/1.1`; whoever sends a space within the target is judged with it.
fn request_line(text: &str) -> Option<Logged> {
    let (method, rest) = text.split_once(' ')?;
    let (target, version) = rest.rsplit_once(' ')?;
    let is_method = !method.is_empty()
        && method.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    (is_method && version.starts_with("HTTP/")).then(|| Logged {
        method: method.to_owned(),
        host: None,
        target: target.to_owned(),
    })
}

fn object(value: &Value) -> Option<Logged> {
    let text = |names: &[&str]| {
        names
            .iter()
            .find_map(|name| value.get(name)?.as_str())
            .filter(|text| !text.is_empty() && *text != "-")
    };
    match value.get("request") {
        Some(request @ Value::Object(_)) => return object(request),
        Some(Value::String(line)) if request_line(line).is_some() => return request_line(line),
        _ => {}
    }
    Some(Logged {
        method: text(&["method", "request_method", "RequestMethod", ":method"])?.to_owned(),
        host: text(&["host", "http_host", "RequestHost", "authority", ":authority"]).map(str::to_owned),
        // The target as it came goes before what a server made of it.
        target: text(&[
            "request_uri",
            "uri",
            "x_envoy_original_path",
            "RequestPath",
            "target",
            "url",
            "path",
            ":path",
        ])?
        .to_owned(),
    })
}

/// The longest line that is looked at.
const MOST: u64 = 1024 * 1024;
/// How many requests are told apart, and how many are shown.
const MOST_EXAMPLES: usize = 1000;
const SHOWN: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    fn told(line: &str) -> Option<(String, Option<String>, String)> {
        read(line).map(|Logged { method, host, target }| (method, host, target))
    }

    #[test]
    fn lines_of_every_server_are_read() {
        let get = |target: &str| Some(("GET".to_owned(), None, target.to_owned()));
        for (line, target) in [
            (r#"192.0.2.1 - - [22/Nov/2026:06:44:00 +0000] "GET /a//b?c=d HTTP/1.1" 200 2"#, "/a//b?c=d"),
            (
                r#"192.0.2.1 - "ann" [22/Nov/2026:06:44:00 +0000] "GET /a HTTP/2.0" 200 2 "-" "Mozilla/5.0 (\"x\")""#,
                "/a",
            ),
            (
                r#"[2026-11-22T06:44:00.000Z] "GET /a%2Fb HTTP/1.1" 200 - 0 2 1 0 "-" "curl" "id" "app" "10.0.0.1:80""#,
                "/a%2Fb",
            ),
            (r#"::1 - - [x] "GET /a\x22b\\c\x5Cd HTTP/1.1" 400 0"#, "/a\"b\\c\\d"),
            (r#"::1 - - [x] "GET /a b HTTP/1.1" 400 0"#, "/a b"),
            (r#"{"request": "GET /a HTTP/1.1", "status": 200}"#, "/a"),
            (r#"{"request_method": "GET", "request_uri": "/a?b", "uri": "/index.html"}"#, "/a?b"),
            (r#"{"method": "GET", "path": "/a", "host": "-"}"#, "/a"),
        ] {
            assert_eq!(told(line), get(target), "{line}");
        }
        for line in [
            r#"{"level":"info","request":{"remote_ip":"::1","method":"GET","host":"a.example","uri":"/a"},"status":200}"#,
            r#"{"RequestMethod": "GET", "RequestHost": "a.example", "RequestPath": "/a", "OriginStatus": 200}"#,
            r#"{":method": "GET", ":authority": "a.example", ":path": "/a"}"#,
        ] {
            assert_eq!(
                told(line),
                Some(("GET".to_owned(), Some("a.example".to_owned()), "/a".to_owned())),
                "{line}"
            );
        }
    }

    #[test]
    fn anything_else_is_none() {
        for line in [
            "",
            "text",
            "\"",
            "\"GET /a\"",
            "\"GET /a HTTP/1.1",
            r#""a\"#,
            r#""\x"#,
            r#""\xf"#,
            "{}",
            "{\"method\": 1}",
            "{",
            r#""\x22 \x16\x03\x01" 400"#,
        ] {
            assert_eq!(told(line), None, "{line}");
        }
    }
}
