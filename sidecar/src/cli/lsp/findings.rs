//! The findings of `orgate check`, as diagnostics of an editor.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use orgate_config::{
    PolicyFile,
    diagnostic::{Diagnostic, Diagnostics, FileId, Severity, Span},
};
use serde_json::{Value, json};

use super::{text::Text, uri};

/// The most findings that an editor is shown; `orgate check` shows all.
const MOST: usize = 1000;

/// What came of reading one document.
pub(super) struct Read {
    pub(super) findings: Diagnostics,
    /// The policy, if the document is one without errors.
    pub(super) policy: Option<PolicyFile>,
}

/// The diagnostics by the URI of the file that they speak of; `own` is the document, which is always among them.
pub(super) fn published(own: &str, name: &str, findings: &Diagnostics) -> BTreeMap<String, Vec<Value>> {
    let spans = findings.iter().take(MOST).flat_map(|finding| {
        finding.span.into_iter().chain(finding.related.iter().map(|related| related.span))
    });
    let ids: BTreeSet<u16> = spans.map(|span| span.file.0).chain([0]).collect();
    let text = |id: u16| Text::new(findings.file_text(FileId(id)).unwrap_or_default().to_owned());
    let texts = ids.into_iter().map(|id| (id, text(id))).collect();
    let files = Files { own, name, findings, texts };
    let mut all = BTreeMap::from([(own.to_owned(), Vec::new())]);
    for finding in findings.iter().take(MOST) {
        let span = finding.span.unwrap_or(Span::point(FileId(0), 1, 1));
        all.entry(files.uri(span.file)).or_default().push(diagnostic(&files, finding, span));
    }
    all
}

struct Files<'f> {
    own: &'f str,
    name: &'f str,
    findings: &'f Diagnostics,
    /// The files that findings speak of, by number.
    texts: BTreeMap<u16, Text>,
}

impl Files<'_> {
    fn uri(&self, file: FileId) -> String {
        let name = self.findings.file_name(file);
        let path = Path::new(name);
        if name == self.name || name == "?" || !path.is_absolute() {
            return self.own.to_owned();
        }
        uri::of_path(path)
    }

    fn range(&self, span: Span) -> Value {
        self.texts.get(&span.file.0).map_or(Value::Null, |text| text.range_of(span))
    }
}

fn diagnostic(files: &Files<'_>, finding: &Diagnostic, span: Span) -> Value {
    let severity = match finding.severity {
        Severity::Error => 1,
        Severity::Warning => 2,
    };
    let mut message = finding.message.clone();
    for (word, more) in [("", &finding.label), ("help: ", &finding.help)] {
        if let Some(more) = more {
            message.push_str(&format!("\n{word}{more}"));
        }
    }
    let related: Vec<Value> = finding
        .related
        .iter()
        .map(|other| {
            let location = json!({"uri": files.uri(other.span.file), "range": files.range(other.span)});
            let note = if other.note.is_empty() { "this belongs to it" } else { &other.note };
            json!({"location": location, "message": note})
        })
        .collect();
    json!({
        "range": files.range(span),
        "severity": severity,
        "code": finding.code,
        "source": "orgate",
        "message": message,
        "relatedInformation": related,
    })
}

/// The name under which a document is read: its path, so that files beside it are found.
pub(super) fn name_of(own: &str) -> (String, Option<PathBuf>) {
    match uri::to_path(own) {
        Some(path) => (path.display().to_string(), Some(path)),
        None => ("orgate.yaml".to_owned(), None),
    }
}
