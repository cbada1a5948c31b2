//! Findings that mend themselves: a name that is none, and the only one that can be meant.
//!
//! Only errors, so that nothing that was enforced becomes another thing; only a word that stands in the file as it is
//! complained of; and only one that is put in its place as it is. Everything else is for people.

use crate::diagnostic::{Diagnostics, FileId, Severity};

/// A word to be put in the place of another.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fix {
    /// In which of the files.
    pub file: FileId,
    /// On which line.
    pub line: u32,
    /// The code of the finding.
    pub code: &'static str,
    /// The word that is none.
    pub before: String,
    /// The word that is meant.
    pub after: String,
    /// The bytes of the word.
    at: std::ops::Range<usize>,
}

/// Every finding that mends itself, in the order of the file.
#[must_use]
pub fn fixes(findings: &Diagnostics) -> Vec<Fix> {
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error);
    let mut fixes: Vec<Fix> = errors
        .filter_map(|finding| {
            let after = finding.help.as_deref()?.strip_prefix("did you mean `")?.strip_suffix("`?")?;
            let span = finding.span?;
            let (start, end) = (usize::try_from(span.start).ok()?, usize::try_from(span.end).ok()?);
            let marked = findings.file_text(span.file)?.get(start..end)?;
            let before = marked.trim_matches(['"', '\'']);
            let at = start + marked.find(before)?;
            let is_plain = |word: &str| {
                !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.:/".contains(&b))
            };
            let is_meant = finding.message.contains(&format!("`{before}`"));
            (is_meant && is_plain(before) && is_plain(after)).then(|| Fix {
                file: span.file,
                line: span.line,
                code: finding.code,
                before: before.to_owned(),
                after: after.to_owned(),
                at: at..at + before.len(),
            })
        })
        .collect();
    fixes.sort_by_key(|fix| (fix.file, fix.at.start));
    fixes.dedup_by(|b, a| a.file == b.file && b.at.start < a.at.end);
    fixes
}

/// The text of one file with all its fixes.
#[must_use]
pub fn apply<'f>(text: &str, fixes: impl IntoIterator<Item = &'f Fix>) -> String {
    let (mut out, mut done) = (String::new(), 0);
    for fix in fixes {
        let (Some(between), Some(word)) = (text.get(done..fix.at.start), text.get(fix.at.clone())) else {
            continue;
        };
        if word != fix.before {
            continue;
        }
        out.push_str(between);
        out.push_str(&fix.after);
        done = fix.at.end;
    }
    out.push_str(text.get(done..).unwrap_or_default());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mended(text: &str) -> String {
        match crate::compile("orgate.yaml", text.as_bytes(), &|_| None) {
            Ok(_) => text.to_owned(),
            Err(findings) => apply(text, &fixes(&findings)),
        }
    }

    #[test]
    fn words_are_put_in_the_place_of_words_and_nothing_else_moves() {
        let right = "# ä\nversion: 1\nissuers:\n  main: {issuer: \"https://i.example\", audience: a, profile: orgate}\nrules:\n  GET /a: read   # why\n  POST /a: {require: \"write and invite\"}\n  PUT /a: role(owner)\n";
        let wrong = right
            .replace("read ", "raed ")
            .replace("write and", "wirte and")
            .replace("profile: orgate", "profil: orgate");
        assert_eq!(mended(&mended(&wrong)), right);
        assert_eq!(mended(&right.replace("role(owner)", "role(ownr)")), right);
    }

    #[test]
    fn what_has_no_one_meaning_is_left_to_people() {
        let base =
            "version: 1\nissuers: {main: {issuer: \"https://i.example\", audience: a, profile: orgate}}\n";
        for rules in
            ["GET /a: somethingelse", "GET /a/{x}/c: read, \"GET /a/b/{y}\": public", "GET /a: read and"]
        {
            let text = format!("{base}rules: {{{rules}}}\n");
            assert_eq!(mended(&text), text, "{rules}");
        }
    }
}
