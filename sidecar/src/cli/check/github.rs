//! Findings as workflow commands: GitHub shows them beside the lines of a pull request.

use orgate_config::diagnostic::{Diagnostics, Severity};

pub(super) fn render(findings: &Diagnostics) -> String {
    let mut text = String::new();
    for finding in findings {
        let command = match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let mut properties = Vec::new();
        if let Some(span) = finding.span {
            properties.push(format!("file={}", property(findings.file_name(span.file))));
            properties.push(format!("line={}", span.line));
            properties.push(format!("col={}", span.column));
            if span.end_line == span.line {
                properties.push(format!("endColumn={}", span.end_column));
            }
        }
        properties.push(format!("title={}", property(finding.code)));
        let help = finding.help.as_ref().map(|help| format!("\nhelp: {help}")).unwrap_or_default();
        let message = data(&format!("{}{help}", finding.message));
        text.push_str(&format!("::{command} {}::{message}\n", properties.join(",")));
    }
    // They must not go unnoticed, though they have no line here.
    for (command, count) in [("error", findings.omitted().0), ("warning", findings.omitted().1)] {
        if count > 0 {
            text.push_str(&format!("::{command} title=omitted::{count} more that are not shown\n"));
        }
    }
    text
}

/// Text behind the second `::`.
pub(in crate::cli) fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The value of a property.
pub(in crate::cli) fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use orgate_config::diagnostic::{Diagnostic, Span};

    use super::*;

    #[test]
    fn what_has_a_meaning_in_a_command_is_escaped() {
        let mut findings = Diagnostics::new();
        let file = findings.add_source("a,b:c%.yaml", "x");
        findings.push(Diagnostic::error("E001", "one\ntwo: 100%").at(Span::point(file, 3, 5)).help("do::it"));
        findings.push(Diagnostic::warning("W051", "everywhere"));
        assert_eq!(
            render(&findings),
            "::error file=a%2Cb%3Ac%25.yaml,line=3,col=5,endColumn=6,title=E001::one%0Atwo: 100%25%0Ahelp: do::it\n\
             ::warning title=W051::everywhere\n"
        );
    }

    #[test]
    fn findings_that_are_not_kept_are_counted() {
        let mut findings = Diagnostics::new();
        while findings.omitted() != (2, 1) {
            let (errors, warnings) = findings.omitted();
            if errors < 2 {
                findings.push(Diagnostic::error("E001", "one"));
            }
            if warnings < 1 {
                findings.push(Diagnostic::warning("W051", "one"));
            }
        }
        let text = render(&findings);
        let end = "::error title=omitted::2 more that are not shown\n\
                   ::warning title=omitted::1 more that are not shown\n";
        assert!(text.ends_with(end), "{text}");
    }
}
