//! What became of the cases, for scripts and for CI.

use orgate::{
    Code,
    testing::tools::{Judged, Judgement, Mismatch, sentence},
};
use serde_json::{Value, json};

pub(super) fn json(files: &[Judged]) -> Value {
    let failures: Vec<Value> =
        files.iter().flat_map(|file| file.failures().map(|f| failure_json(file, f))).collect();
    let decisions: usize = files.iter().map(|file| file.decisions.len()).sum();
    let rules: usize = files.iter().map(|file| file.coverage.rules).sum();
    let missing: Vec<&str> =
        files.iter().flat_map(|file| &file.coverage.missing).map(|(rule, _)| rule.as_str()).collect();
    json!({
        "passed": decisions - failures.len(),
        "failed": failures.len(),
        "failures": failures,
        "coverage": {"rules": rules, "covered": rules - missing.len(), "missing": missing},
    })
}

fn failure_json(file: &Judged, (decision, failure): (&Judgement, &Mismatch)) -> Value {
    json!({
        "case": decision.case,
        "principal": decision.principal,
        "expected": failure.expected,
        "got": failure.got,
        "code": failure.code.map(Code::as_str),
        "rule": failure.rule,
        "line": failure.line,
        "file": file.name,
        "case_line": decision.case_line,
    })
}

/// One suite for each file, one test for each decision.
pub(super) fn junit(files: &[Judged]) -> String {
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    for file in files {
        let (all, failed) = (file.decisions.len(), file.failures().count());
        let name = escape(&file.name);
        text.push_str(&format!("  <testsuite name=\"{name}\" tests=\"{all}\" failures=\"{failed}\">\n"));
        for decision in &file.decisions {
            let test = format!(
                "    <testcase classname=\"{name}\" name=\"{} as {}\" file=\"{name}\" line=\"{}\"",
                escape(&decision.case),
                escape(&decision.principal),
                decision.case_line
            );
            text.push_str(&test);
            match &decision.failure {
                None => text.push_str("/>\n"),
                Some(failure) => text.push_str(&format!(
                    ">\n      <failure message=\"{}\">{}</failure>\n    </testcase>\n",
                    escape(&sentence(failure)),
                    escape(&failure.explanation)
                )),
            }
        }
        text.push_str("  </testsuite>\n");
    }
    text + "</testsuites>\n"
}

/// Text for XML 1.0, in which most control characters cannot stand at all.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push('\n'),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use orgate::testing::tools::read_cases;

    use super::*;

    const POLICY: &str = "version: 1\nissuers:\n  main: {issuer: \"https://i.example\", audience: a, profile: orgate}\nrules:\n  GET /h: public\n  GET /docs: read\n  GET /o/{org_id}: {require: read, hide: true}\n  GET /x: deny\n  GET /y: write\n";

    fn judged(text: &str) -> Judged {
        let policy = orgate_config::compile("orgate.yaml", POLICY.as_bytes(), &|_| None).unwrap();
        let cases = read_cases("t<1>.yaml", text.as_bytes(), &policy).unwrap();
        Judged::new("t<1>.yaml".to_owned(), &policy, &cases)
    }

    #[test]
    fn a_hidden_reason_may_be_written_either_way() {
        for code in ["org_mismatch", "not_found"] {
            let text = format!(
                "principals: {{eve: {{role: owner, org: evil}}}}\ncases:\n  GET /o/acme: {{allow: [], deny: {{eve: {code}}}}}\n"
            );
            assert!(judged(&text).passed(), "{code}");
        }
        let wrong = judged(
            "principals: {eve: {role: owner, org: evil}}\ncases:\n  GET /o/acme: {allow: [], deny: {eve: no_active_org}}\n",
        );
        let (_, failure) = wrong.failures().next().unwrap();
        assert_eq!((failure.expected.as_str(), failure.got), ("no_active_org", "deny"));
        assert_eq!(sentence(failure), "expected no_active_org, got DENY org_mismatch");
    }

    #[test]
    fn a_rule_is_covered_once_it_let_through_and_kept_out_whom_it_can() {
        let judged = judged(
            "principals: {ann: {role: viewer, org: a}}\ncases:\n  GET /h: everyone\n  GET /docs: [ann]\n  GET /x: []\n  GET /y: []\n",
        );
        assert!(judged.passed());
        let missing: Vec<&str> = judged.coverage.missing.iter().map(|(rule, _)| rule.as_str()).collect();
        assert_eq!(missing, ["GET /o/{org_id}", "GET /y"]);
        let value = json(&[judged]);
        assert_eq!(value["coverage"]["covered"], 3);
        assert_eq!(value["passed"], 8);
    }

    #[test]
    fn whoever_is_forgotten_makes_the_case_fail() {
        let judged = judged(
            "principals: {ann: {role: viewer, org: a}, bob: {role: viewer, org: b}}\ncases:\n  GET /docs: [ann]\n",
        );
        let failed: Vec<&str> = judged.failures().map(|(decision, _)| decision.principal.as_str()).collect();
        assert_eq!(failed, ["bob"]);
        let xml = junit(&[judged]);
        assert!(xml.contains("name=\"t&lt;1&gt;.yaml\" tests=\"3\" failures=\"1\""), "{xml}");
        assert!(xml.contains("message=\"expected deny, got ALLOW\""), "{xml}");
    }

    #[test]
    fn control_characters_do_not_break_the_xml() {
        assert_eq!(escape("a\u{1}<&\"\n"), "a\u{fffd}&lt;&amp;&quot;\n");
    }
}
