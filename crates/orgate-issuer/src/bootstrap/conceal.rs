//! Findings show the lines they speak of, and a line of this file may hold a password. So the findings are given a copy
//! of the file that shows what is known to be harmless and stars for everything else: what ends in a terminal or a log
//! opens nothing, and names nobody but the person a finding is about.
//!
//! The rule names what is shown, not what is hidden: a misspelt key, a value of the wrong kind, a second entry under
//! the same key or a comment is hidden because nothing says that it is harmless.

use std::collections::HashSet;

use orgate_config::{
    diagnostic::{Diagnostic, Diagnostics, Span},
    document::{Node, Value},
};

/// Keys of maps and lists of the format; what stands under them is judged by its own key.
const STRUCTURE: [&str; 7] =
    ["projects", "clients", "keys", "operators", "users", "organizations", "members"];
/// Keys whose values are shown.
const HARMLESS: [&str; 18] = [
    "id",
    "name",
    "slug",
    "role",
    "org_enabled",
    "personal_orgs",
    "audience",
    "access_ttl",
    "refresh_grace",
    "redirect_uris",
    "post_logout_redirect_uris",
    "trusted_origins",
    "email_verified",
    "kind",
    "grants",
    "require_pkce",
    "scopes",
    "env",
];
/// Keys whose values are shown in findings about these values only.
const PEOPLE: [&str; 3] = ["email", "owner", "user"];
/// Keys whose values are never shown.
const SECRETS: [&str; 3] = ["password", "secret", "client_secret"];

/// The same findings, sorted, over a copy of the file without its secrets.
pub(super) fn conceal(name: &str, bytes: &[u8], root: Option<&Node>, findings: &Diagnostics) -> Diagnostics {
    let text = String::from_utf8_lossy(bytes);
    let about = findings
        .iter()
        .flat_map(|finding| finding.span.into_iter().chain(finding.related.iter().map(|other| other.span)))
        .map(|span| (span.start, span.end))
        .collect();
    let mut view =
        View { text: &text, about, parts: Vec::new(), words: HashSet::new(), open: HashSet::new() };
    if let Some(root) = root {
        view.walk(root, Place::Structure);
        let View { words, open, .. } = &mut view;
        words.retain(|word| !open.contains(word));
    }
    let copy = view.copy();
    let mut concealed = Diagnostics::new();
    concealed.add_source(name, copy);
    for finding in findings {
        concealed.push(view.reworded(finding.clone()));
    }
    concealed.sort();
    concealed
}

/// Under what kind of key a value stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Structure,
    Harmless,
    People,
    Hidden,
}

impl Place {
    fn under(key: &str) -> Self {
        match key {
            key if STRUCTURE.contains(&key) => Self::Structure,
            key if HARMLESS.contains(&key) => Self::Harmless,
            key if PEOPLE.contains(&key) => Self::People,
            _ => Self::Hidden,
        }
    }
}

/// What of a file is shown.
struct View<'t> {
    text: &'t str,
    /// Where the findings point.
    about: HashSet<(u32, u32)>,
    /// Keys and values by their bytes, each with whether it is shown.
    parts: Vec<(u32, u32, bool)>,
    /// What is hidden and could stand in a message.
    words: HashSet<String>,
    /// What is shown: where the same word is hidden, it is no secret any more.
    open: HashSet<String>,
}

impl View<'_> {
    fn walk(&mut self, node: &Node, place: Place) {
        match &node.value {
            Value::Map(entries) => {
                for (key, value) in entries {
                    // Where no map belongs, its keys may be half of a secret.
                    let known = place == Place::Structure || key.text == "env";
                    if known && !key.text.contains('@') {
                        self.part(key.span, &key.text, true);
                        self.walk(value, Place::under(&key.text));
                    } else {
                        self.hide(key.span, &key.text);
                        self.walk(value, Place::Hidden);
                    }
                }
            }
            Value::List(items) => items.iter().for_each(|item| self.walk(item, place)),
            Value::Text(text) => {
                let is_meant = self.about.contains(&(node.span.start, node.span.end));
                match place {
                    Place::Harmless => self.part(node.span, text, is_meant || !text.contains('@')),
                    Place::People => self.part(node.span, text, is_meant),
                    Place::Structure | Place::Hidden => self.hide(node.span, text),
                }
            }
            _ if place == Place::Harmless => self.part(node.span, "", true),
            _ => self.hide(node.span, ""),
        }
    }

    fn part(&mut self, span: Span, text: &str, shown: bool) {
        self.parts.push((span.start, span.end, shown));
        if shown {
            self.open.insert(text.to_owned());
        }
    }

    fn hide(&mut self, span: Span, text: &str) {
        self.part(span, text, false);
        let range = usize::try_from(span.start).unwrap_or(0)..usize::try_from(span.end).unwrap_or(0);
        let written = self.text.get(range).unwrap_or_default();
        self.words.extend([text, written].into_iter().filter(|word| !word.is_empty()).map(str::to_owned));
    }

    /// The file with stars; lines and columns stay where they are.
    fn copy(&mut self) -> String {
        self.parts.sort_unstable();
        let mut parts = self.parts.iter().peekable();
        let words = key_words(self.text);
        let mut words = words.iter().peekable();
        let mut copy = String::with_capacity(self.text.len());
        for (at, c) in self.text.char_indices() {
            let at32 = u32::try_from(at).unwrap_or(u32::MAX);
            while parts.next_if(|(_, end, _)| *end <= at32).is_some() {}
            while words.next_if(|(_, end)| *end <= at).is_some() {}
            let shown = match parts.peek() {
                Some((start, _, shown)) if *start <= at32 => *shown,
                // Between the parts: punctuation, comments, and what was not read.
                _ => "{}[],:-".contains(c) || words.peek().is_some_and(|(start, _)| *start <= at),
            };
            copy.push(if shown || c.is_whitespace() { c } else { '*' });
        }
        copy
    }

    /// The finding without the words that its lines hide.
    fn reworded(&self, mut finding: Diagnostic) -> Diagnostic {
        finding.message = self.without_words(&finding.message);
        finding.label = finding.label.map(|label| self.without_words(&label));
        finding.help = finding.help.map(|help| self.without_words(&help));
        for related in &mut finding.related {
            related.note = self.without_words(&related.note);
        }
        finding
    }

    /// `text` without the hidden words that it quotes.
    fn without_words(&self, text: &str) -> String {
        let parts: Vec<&str> = text
            .split('`')
            .enumerate()
            .map(|(at, part)| if at % 2 == 1 && self.words.contains(part) { "***" } else { part })
            .collect();
        let text = parts.join("`");
        // The rare word that holds the quotation mark itself.
        self.words
            .iter()
            .filter(|word| word.contains('`'))
            .fold(text, |text, word| text.replace(&format!("`{word}`"), "`***`"))
    }
}

/// The places of the format's own keys, for what stands in no tree.
fn key_words(text: &str) -> Vec<(usize, usize)> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut found = Vec::new();
    let mut from = 0;
    for piece in text.split_inclusive(|c: char| !is_word(c)) {
        let word = piece.trim_end_matches(|c: char| !is_word(c));
        let end = from + word.len();
        let before = text.get(..from).and_then(|text| text.chars().next_back());
        let behind = text.get(end..).unwrap_or_default();
        let behind = behind.strip_prefix(['"', '\'']).unwrap_or(behind);
        let is_key = behind.starts_with(':')
            && before.is_none_or(|c| c.is_whitespace() || "{,\"'".contains(c))
            && [&STRUCTURE[..], &HARMLESS[..], &PEOPLE[..], &SECRETS[..]]
                .iter()
                .any(|keys| keys.contains(&word));
        if is_key {
            found.push((from, end));
        }
        from += piece.len();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_read_shows_its_known_keys_only() {
        let mut view = View {
            text: "id: b # c\n  password: p w, ö\n{\"secret\": \"x:y\"}\nuser",
            about: HashSet::new(),
            parts: Vec::new(),
            words: HashSet::new(),
            open: HashSet::new(),
        };
        assert_eq!(view.copy(), "id: * * *\n  password: * *, *\n{*secret*: **:**}\n****");
    }
}
