//! Findings as SARIF 2.1.0 (OASIS), for code scanning.

use std::collections::BTreeSet;

use orgate_config::{
    codes,
    diagnostic::{Diagnostic, Diagnostics, Severity, Span},
};
use serde_json::{Value, json};

pub(super) fn render<'d>(all: impl Iterator<Item = &'d Diagnostics>) -> Value {
    let mut used = BTreeSet::new();
    let mut results = Vec::new();
    let mut notifications = Vec::new();
    for findings in all {
        let (errors, warnings) = findings.omitted();
        for (level, count) in [("error", errors), ("warning", warnings)] {
            if count > 0 {
                let text = format!("{count} more that are not shown");
                notifications.push(json!({"level": level, "message": {"text": text}}));
            }
        }
        for finding in findings {
            used.insert(finding.code);
            results.push(result(findings, finding));
        }
    }
    let rules: Vec<Value> = used.into_iter().map(rule).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {"name": "orgate", "version": env!("CARGO_PKG_VERSION"), "rules": rules}},
            "columnKind": "unicodeCodePoints",
            // Whether it came to an end, and what it found and does not list (§3.20).
            "invocations": [{"executionSuccessful": true, "toolExecutionNotifications": notifications}],
            "results": results,
        }],
    })
}

fn rule(code: &str) -> Value {
    let known = codes::find(code);
    let title = known.map_or(code, |known| known.title);
    json!({
        "id": code,
        "shortDescription": {"text": title},
        "fullDescription": {"text": title},
        "help": {"text": known.map_or(title, |known| known.explanation)},
    })
}

fn result(findings: &Diagnostics, finding: &Diagnostic) -> Value {
    let level = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let help = finding.help.as_ref().map(|help| format!("\nhelp: {help}")).unwrap_or_default();
    let locations: Vec<Value> =
        finding.span.into_iter().map(|span| json!({"physicalLocation": location(findings, span)})).collect();
    let related = finding.related.iter().enumerate().map(|(at, related)| {
        let mut entry = json!({"id": at, "physicalLocation": location(findings, related.span)});
        if let (Some(entry), false) = (entry.as_object_mut(), related.note.is_empty()) {
            entry.insert("message".to_owned(), json!({"text": related.note}));
        }
        entry
    });
    json!({
        "ruleId": finding.code,
        "level": level,
        "message": {"text": format!("{}{help}", finding.message)},
        "locations": locations,
        "relatedLocations": related.collect::<Vec<_>>(),
    })
}

fn location(findings: &Diagnostics, span: Span) -> Value {
    json!({
        "artifactLocation": {"uri": uri(findings.file_name(span.file))},
        "region": {
            "startLine": span.line,
            "startColumn": span.column,
            "endLine": span.end_line.max(span.line),
            "endColumn": span.end_column,
        },
    })
}

/// A path as a relative reference (RFC 3986 §4.2).
fn uri(path: &str) -> String {
    let mut text = String::new();
    for byte in path.bytes() {
        match byte {
            b'\\' => text.push('/'),
            b'/' | b'-' | b'_' | b'.' | b'~' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {
                text.push(char::from(byte));
            }
            other => text.push_str(&format!("%{other:02X}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_becomes_a_relative_reference() {
        assert_eq!(uri("policies/my api.yaml"), "policies/my%20api.yaml");
        assert_eq!(uri("größe.yaml"), "gr%C3%B6%C3%9Fe.yaml");
    }

    #[test]
    fn each_code_is_described_once() {
        let mut findings = Diagnostics::new();
        let file = findings.add_source("orgate.yaml", "x");
        for line in 1..=2 {
            findings.push(Diagnostic::error("E031", "unknown").at(Span::point(file, line, 1)));
        }
        let log = render([&findings].into_iter());
        let run = &log["runs"][0];
        assert_eq!(run["tool"]["driver"]["rules"].as_array().unwrap().len(), 1);
        assert_eq!(run["results"].as_array().unwrap().len(), 2);
        assert_eq!(run["results"][1]["locations"][0]["physicalLocation"]["region"]["startLine"], 2);
    }

    #[test]
    fn findings_that_are_not_kept_are_counted() {
        let mut findings = Diagnostics::new();
        while findings.omitted() != (2, 0) {
            findings.push(Diagnostic::error("E001", "one"));
        }
        let log = render([&findings].into_iter());
        let told = &log["runs"][0]["invocations"][0]["toolExecutionNotifications"];
        assert_eq!(*told, json!([{"level": "error", "message": {"text": "2 more that are not shown"}}]));
    }
}
