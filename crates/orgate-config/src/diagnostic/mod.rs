//! What is wrong in a file, in words a person can act on.
//!
//! A [`Diagnostic`] names its place, what was found, what was expected and, where one exists, the fix. Reading never
//! stops at the first one: everything is collected in [`Diagnostics`], which also keeps the texts of the files so that
//! a finding is printed beside the line it speaks of. The form is that of `rustc`; codes are stable (see
//! [`codes`](crate::codes)).
//!
//! Nothing here knows what the files are about.
//!
//! ```
//! use orgate_config::diagnostic::{Diagnostic, Diagnostics};
//!
//! let mut diagnostics = Diagnostics::new();
//! let root = orgate_config::document::read("app.yaml", b"port: eighty\n", &mut diagnostics).ok_or("no tree")?;
//! let port = root.get("port").ok_or("no port")?;
//! diagnostics.push(Diagnostic::error("E012", "expected an integer, found a text").at(port.span));
//! assert_eq!(diagnostics.render(false), "\
//! error[E012]: expected an integer, found a text
//!  --> app.yaml:1:7
//! 1 | port: eighty
//!   |       ^^^^^^
//! ");
//! # Ok::<(), &str>(())
//! ```

mod conceal;
mod reading;
mod render;
mod text;

use std::fmt;

pub(crate) use self::text::{is_hidden, line_starts};

/// Which of the files read together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub u16);

/// A stretch of one file. Lines and columns count from 1; columns count characters, as editors do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// The line of the first character.
    pub line: u32,
    /// The column of the first character.
    pub column: u32,
    /// The line on which it ends.
    pub end_line: u32,
    /// The column behind its last character.
    pub end_column: u32,
    /// The byte at which it starts.
    pub start: u32,
    /// The byte behind its end.
    pub end: u32,
}

impl Span {
    /// One character of a file, by line and column.
    #[must_use]
    pub fn point(file: FileId, line: u32, column: u32) -> Self {
        Self { file, line, column, end_line: line, end_column: column.saturating_add(1), start: 0, end: 0 }
    }
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The file cannot be used.
    Error,
    /// The file can be used, and somebody should look at this.
    Warning,
}

impl Severity {
    /// `error` or `warning`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// Another place that belongs to a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Related {
    /// Where.
    pub span: Span,
    /// What is there, in a few words; may be empty.
    pub note: String,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The stable code, such as `E031`.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong: lower case, no final period, the user's own words in backticks.
    pub message: String,
    /// Where; `None` for the files as a whole.
    pub span: Option<Span>,
    /// Words beside the marked text.
    pub label: Option<String>,
    /// Other places that belong to it.
    pub related: Vec<Related>,
    /// What to do.
    pub help: Option<String>,
}

impl Diagnostic {
    /// A finding that makes the file unusable.
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, message.into())
    }

    /// A finding that leaves the file usable.
    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, message.into())
    }

    fn new(severity: Severity, code: &'static str, message: String) -> Self {
        Self { code, severity, message, span: None, label: None, related: Vec::new(), help: None }
    }

    /// Says where it is.
    #[must_use]
    pub fn at(mut self, span: Span) -> Self {
        self.span = Some(span);
        self
    }

    /// Puts words beside the marked text.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Adds another place.
    #[must_use]
    pub fn related(mut self, span: Span, note: impl Into<String>) -> Self {
        self.related.push(Related { span, note: note.into() });
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Says what to do, if anything is known.
    #[must_use]
    pub fn maybe_help(mut self, help: Option<String>) -> Self {
        self.help = help.or(self.help);
        self
    }
}

/// A file that was read, kept so that findings can show its lines.
#[derive(Clone, Debug)]
struct Source {
    name: String,
    text: String,
    /// The byte at which each line starts.
    lines: Vec<usize>,
}

impl Source {
    fn line(&self, number: u32) -> Option<&str> {
        let at = usize::try_from(number).ok()?.checked_sub(1)?;
        let start = *self.lines.get(at)?;
        let end = self.lines.get(at.saturating_add(1)).copied().unwrap_or(self.text.len());
        Some(self.text.get(start..end)?.trim_end_matches(['\n', '\r']))
    }
}

/// How many findings of one severity are shown.
const MOST_SHOWN: usize = 200;
/// How many are kept while a file is read; what is found besides is only counted. A file of a megabyte can hold hundreds
/// of thousands of mistakes, and a finding is larger than a mistake.
const MOST_KEPT: usize = 20_000;

/// All findings of one reading, and the files they speak of.
///
/// Of very many findings the first ones are kept and the others counted.
#[derive(Clone, Debug, Default)]
pub struct Diagnostics {
    sources: Vec<Source>,
    findings: Vec<Diagnostic>,
    /// How many errors are in `findings`.
    errors: usize,
    omitted_errors: usize,
    omitted_warnings: usize,
    /// Whether something was not looked at, because of the errors before.
    cut: bool,
    /// Whether a kind of problem was not looked for, because of the errors before.
    left_off: bool,
    /// How many keys and values were read, in all files.
    values: usize,
}

impl Diagnostics {
    /// No findings, no files.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file that findings may point into.
    ///
    /// After 65 535 files all further ones share one id: their findings then show no line, and nothing else is lost.
    pub fn add_source(&mut self, name: impl Into<String>, text: impl Into<String>) -> FileId {
        let text = text.into();
        let lines = line_starts(&text);
        let id = u16::try_from(self.sources.len()).unwrap_or(u16::MAX);
        self.sources.push(Source { name: name.into(), text, lines });
        FileId(id)
    }

    /// The name of a file, as it was given.
    #[must_use]
    pub fn file_name(&self, file: FileId) -> &str {
        self.source(file).map_or("?", |source| &source.name)
    }

    /// The names of all files, in the order of their [`FileId`]s.
    pub fn file_names(&self) -> impl Iterator<Item = &str> {
        self.sources.iter().map(|source| &*source.name)
    }

    /// The text of a file.
    #[must_use]
    pub fn file_text(&self, file: FileId) -> Option<&str> {
        self.source(file).map(|source| source.text.as_str())
    }

    fn source(&self, file: FileId) -> Option<&Source> {
        self.sources.get(usize::from(file.0))
    }

    /// Adds a finding.
    pub fn push(&mut self, finding: Diagnostic) {
        let (kept, omitted) = match finding.severity {
            Severity::Error => (self.errors, &mut self.omitted_errors),
            Severity::Warning => (self.findings.len() - self.errors, &mut self.omitted_warnings),
        };
        if kept >= MOST_KEPT {
            *omitted += 1;
            return;
        }
        self.errors += usize::from(finding.severity == Severity::Error);
        self.findings.push(finding);
    }

    /// Adds a finding, if there is one.
    pub fn push_some(&mut self, finding: Option<Diagnostic>) {
        finding.into_iter().for_each(|finding| self.push(finding));
    }

    /// Gives each warning the severity that `level` says, and takes it away where that is `None`.
    pub(crate) fn retain_warnings(&mut self, mut level: impl FnMut(&Diagnostic) -> Option<Severity>) {
        self.findings.retain_mut(|finding| {
            if finding.severity == Severity::Error {
                return true;
            }
            let level = level(finding);
            finding.severity = level.unwrap_or(finding.severity);
            level.is_some()
        });
        self.errors = self.findings.iter().filter(|finding| finding.severity == Severity::Error).count();
    }

    /// The findings in their present order.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.findings.iter()
    }

    /// How many findings are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.findings.len()
    }

    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.findings.is_empty()
    }

    /// How many errors were found, kept or not.
    #[must_use]
    pub fn errors(&self) -> usize {
        self.errors + self.omitted_errors
    }

    /// How many warnings were found, kept or not.
    #[must_use]
    pub fn warnings(&self) -> usize {
        self.findings.len() - self.errors + self.omitted_warnings
    }

    /// How many errors and warnings were found and are not kept.
    #[must_use]
    pub fn omitted(&self) -> (usize, usize) {
        (self.omitted_errors, self.omitted_warnings)
    }

    /// Whether the files cannot be used.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.errors() > 0
    }

    /// Puts errors before warnings, and each in the order of the files; of very many the first ones are kept.
    pub fn sort(&mut self) {
        self.findings.sort_by_key(|finding| (finding.severity, finding.span));
        let warnings = self.findings.len() - self.errors;
        self.omitted_errors += self.errors.saturating_sub(MOST_SHOWN);
        self.omitted_warnings += warnings.saturating_sub(MOST_SHOWN);
        let mut shown = [0; 2];
        self.findings.retain(|finding| {
            let number = match finding.severity {
                Severity::Error => &mut shown[0],
                Severity::Warning => &mut shown[1],
            };
            *number += 1;
            *number <= MOST_SHOWN
        });
        self.errors = self.errors.min(MOST_SHOWN);
    }

    /// The findings as text, with the lines they speak of; in colour for a terminal.
    ///
    /// Control characters and others that are not seen are shown as `�`: a file must not be able to
    /// drive the terminal of its reader.
    #[must_use]
    pub fn render(&self, color: bool) -> String {
        render::all(self, color)
    }

    /// The closing line: `1 error, 2 warnings; {about}    see `orgate help E031``.
    #[must_use]
    pub fn summary(&self, about: &str) -> String {
        render::summary(self, about)
    }
}

impl<'a> IntoIterator for &'a Diagnostics {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Diagnostics {}

#[cfg(test)]
mod tests;
