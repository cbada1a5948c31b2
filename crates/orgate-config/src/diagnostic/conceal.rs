//! Findings that speak of a value from the environment, without the value.

use super::Diagnostics;

/// Shorter values are in too many words to be looked for, and no secrets.
const SHORTEST: usize = 4;

impl Diagnostics {
    /// Puts `${NAME}` in the place of the value of each of these variables, wherever a finding shows it.
    pub(crate) fn conceal(&mut self, variables: &[(String, String)]) {
        // A message may show an address without its scheme, or with another.
        let parts = variables.iter().flat_map(|(name, value)| {
            let behind_scheme = value.split_once("://").map(|(_, rest)| (rest, "…".to_owned()));
            [(value.as_str(), format!("${{{name}}}"))].into_iter().chain(behind_scheme)
        });
        let mut parts: Vec<(&str, String)> = parts.filter(|(part, _)| part.len() >= SHORTEST).collect();
        parts.sort_by_key(|(part, _)| std::cmp::Reverse(part.len()));
        for (part, shown) in parts {
            let concealed = |text: &mut String| {
                if text.contains(part) {
                    *text = text.replace(part, &shown);
                }
            };
            for finding in &mut self.findings {
                concealed(&mut finding.message);
                finding.label.iter_mut().for_each(concealed);
                finding.help.iter_mut().for_each(concealed);
                finding.related.iter_mut().for_each(|related| concealed(&mut related.note));
            }
        }
    }
}
