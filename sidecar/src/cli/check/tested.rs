//! `lint: {require_tests: …}`: rules of which the file of tests beside the policy does not show that they let somebody
//! through and keep somebody out.

use std::{io, path::Path};

use orgate::testing::tools::{Judged, read_cases};
use orgate_config::{
    PolicyFile, codes,
    diagnostic::{Diagnostic, Diagnostics, FileId, Span},
};

use crate::cli::test::beside;

/// Adds the rules without tests to `findings`, if the policy wants to know.
pub(super) fn check(path: &Path, file: &PolicyFile, findings: &mut Diagnostics) {
    let Some(severity) = file.lints.level(codes::UNTESTED) else { return };
    let tests = beside(Some(path));
    let name = tests.display().to_string();
    let mut push = |message: String, span: Span, help: &str| {
        let finding = Diagnostic { severity, ..Diagnostic::warning(codes::UNTESTED, message) };
        findings.push(finding.at(span).help(help));
    };
    let start = Span::point(FileId(0), 1, 1);
    let cases = match orgate_config::read_bytes(&tests) {
        Ok(bytes) => read_cases(&name, &bytes, file).map_err(|_| "cannot be read"),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err("is not there"),
        Err(_) => Err("cannot be read"),
    };
    let cases = match cases {
        Ok(cases) => cases,
        Err(why) => {
            let help = "`orgate test --help` shows its form, and `orgate test` says what is wrong in it";
            return push(format!("the policy wants tests, and `{name}` {why}"), start, help);
        }
    };
    for gap in Judged::new(name, file, &cases).coverage.gaps {
        if file.lints.allows(gap.rule, codes::UNTESTED) {
            continue;
        }
        let what = match (gap.allow, gap.deny) {
            (true, true) => "lets somebody through, and none that it keeps somebody out",
            (true, false) => "lets somebody through",
            (false, _) => "keeps somebody out",
        };
        let span = Span::point(FileId(gap.rule.file), gap.rule.line, gap.rule.column);
        push(
            format!("no case shows that the rule {what}"),
            span,
            "add one to the file of tests beside the policy",
        );
    }
}

#[cfg(test)]
mod tests {
    use orgate_config::diagnostic::Severity;

    use super::*;

    fn told(level: &str, tests: Option<&str>) -> Vec<(u32, Severity, String)> {
        let folder = std::env::temp_dir().join(format!(
            "orgate-tested-{}-{}",
            std::process::id(),
            tests.map_or(0, str::len) * 100 + level.len()
        ));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("orgate.yaml");
        let policy = format!(
            "version: 1\nissuers: {{main: {{issuer: https://a.example, audience: api, profile: orgate, feed: off}}}}\n\
             lint: {{require_tests: {level}}}\nrules:\n  GET /healthz: public\n  GET /docs: read\n  PUT /docs: write\n  \
             GET /old: {{require: read, allow: [W012], note: it goes away}}\n  ANY /never: deny\n"
        );
        std::fs::write(&path, policy).unwrap();
        if let Some(tests) = tests {
            std::fs::write(folder.join("orgate.test.yaml"), tests).unwrap();
        }
        let file = orgate_config::load(&path, &|_| None).unwrap();
        assert!(file.warnings.is_empty(), "the gate looks for no tests: {:?}", file.warnings);
        let mut findings = file.warnings.clone();
        check(&path, &file, &mut findings);
        std::fs::remove_dir_all(&folder).unwrap();
        let line =
            |finding: &Diagnostic| (finding.span.unwrap().line, finding.severity, finding.message.clone());
        findings.iter().map(line).collect()
    }

    const TESTS: &str = "principals: {ann: {role: member, org: acme}}\ncases:\n  GET /healthz: everyone\n  GET /docs: [ann]\n";

    #[test]
    fn rules_without_tests_are_named_with_what_is_missing() {
        let both = "no case shows that the rule lets somebody through, and none that it keeps somebody out";
        let never = "no case shows that the rule keeps somebody out";
        assert_eq!(
            told("error", Some(TESTS)),
            [(7, Severity::Error, both.to_owned()), (9, Severity::Error, never.to_owned())]
        );
        let more = format!("{TESTS}  PUT /docs: [ann]\n  GET /never: []\n");
        assert_eq!(told("warn", Some(&more)), []);
        let one = format!("{TESTS}  PUT /docs: []\n  GET /never: []\n").replace("member", "viewer");
        let allow = "no case shows that the rule lets somebody through";
        assert_eq!(told("warn", Some(&one)), [(7, Severity::Warning, allow.to_owned())]);
    }

    #[test]
    fn a_policy_that_wants_tests_and_has_none_is_told_once() {
        for (level, tests, severity, end) in [
            ("error", None, Severity::Error, "orgate.test.yaml` is not there"),
            ("warn", Some("cases: 7\n"), Severity::Warning, "orgate.test.yaml` cannot be read"),
        ] {
            let told = told(level, tests);
            let [(1, found, message)] = told.as_slice() else { panic!("{told:?}") };
            assert!(*found == severity && message.ends_with(end), "{message}");
        }
        assert_eq!(told("off", None), []);
    }
}
