//! Whatever bytes a policy file holds, in every format: an answer, never a panic, and one that is bounded.
#![no_main]

use std::io;

use libfuzzer_sys::fuzz_target;
use orgate_config::{Entry, Files, compile_with};

/// A directory in which every file is the policy itself.
struct Mirror<'m>(&'m [u8]);

impl Files for Mirror<'_> {
    fn entries(&self, directory: &str) -> io::Result<Vec<Entry>> {
        let entry = |name: &str, is_directory| Entry { name: name.to_owned(), is_directory };
        match directory.len() {
            0..40 => Ok(vec![entry("a.yaml", false), entry("b.toml", false), entry("c", true)]),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn read(&self, _: &str) -> io::Result<Vec<u8>> {
        Ok(self.0.to_vec())
    }
}

fn environment(name: &str) -> Option<String> {
    (name.len() < 4).then(|| format!("{name}.example"))
}

/// What there is to say about the YAML `bytes`: the rules, or the findings.
fn told(bytes: &[u8]) -> Result<Vec<String>, Vec<(String, String)>> {
    match compile_with("orgate.yaml", bytes, &environment, &Mirror(b"")) {
        Ok(file) => Ok(file.policy.rules().map(|(rule, _)| rule.to_owned()).collect()),
        Err(findings) => {
            Err(findings.iter().map(|found| (found.code.to_owned(), found.message.clone())).collect())
        }
    }
}

/// The common form of YAML has a reader of its own, which a letter beyond ASCII keeps away: whoever reads, the policy says
/// the same.
fn readers_agree(bytes: &[u8]) {
    // Those may only stand at the start of a file.
    if bytes.starts_with(b"%") || bytes.starts_with(b"\xef\xbb\xbf") || bytes.len() > 900_000 {
        return;
    }
    let with_comment = ["# \u{e4}\n".as_bytes(), bytes].concat();
    assert_eq!(told(bytes), told(&with_comment), "two readers of one file");
}

fuzz_target!(|bytes: &[u8]| {
    readers_agree(bytes);
    for name in ["conf/orgate.yaml", "orgate.json", "orgate.toml"] {
        let found = compile_with(name, bytes, &environment, &Mirror(bytes));
        let again = compile_with(name, bytes, &environment, &Mirror(bytes));
        let shown = match (&found, &again) {
            (Ok(file), Ok(same)) => {
                assert!(!file.warnings.has_errors());
                assert!(file.policy.rule_count() > 0, "a policy without rules was accepted");
                assert!(file.policy.rules().eq(same.policy.rules()));
                &file.warnings
            }
            (Err(findings), Err(same)) => {
                assert!(findings.has_errors());
                assert_eq!(findings.render(false), same.render(false), "two readings of one file");
                findings
            }
            _ => panic!("two readings of one file"),
        };
        let text = shown.render(false);
        assert!(shown.len() <= 400 && text.len() < 1024 * 1024 + 64 * bytes.len());
        let acts_on_a_terminal = |c: char| c.is_control() && c != '\n';
        assert!(!text.contains(acts_on_a_terminal), "{text:?}");
        for finding in shown {
            let Some(span) = finding.span else { continue };
            let lines = shown.file_text(span.file).map_or(1, |text| text.split(['\n', '\r']).count());
            assert!(span.line >= 1 && span.column >= 1 && span.line as usize <= lines + 1, "{finding:?}");
            assert!((span.end_line, span.end_column) >= (span.line, span.column), "{finding:?}");
        }
    }
});
