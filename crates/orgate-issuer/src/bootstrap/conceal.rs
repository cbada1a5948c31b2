//! Findings show the lines they speak of, and a line of this file may hold a password. So the findings are given a copy
//! of the file in which every secret is stars: what ends in a terminal or a log opens nothing.

use orgate_config::{
    diagnostic::{Diagnostics, Span},
    document::{Node, Value},
};

const SECRET_KEYS: [&str; 3] = ["password", "secret", "client_secret"];

/// The same findings, sorted, over a copy of the file without its secrets.
pub(super) fn conceal(name: &str, bytes: &[u8], root: Option<&Node>, findings: &Diagnostics) -> Diagnostics {
    let text = String::from_utf8_lossy(bytes);
    let copy = match root {
        Some(root) => {
            let mut spans = Vec::new();
            secrets(root, &mut spans);
            starred(&text, &spans)
        }
        None => starred_lines(&text),
    };
    let mut concealed = Diagnostics::new();
    concealed.add_source(name, copy);
    for finding in findings {
        concealed.push(finding.clone());
    }
    concealed.sort();
    concealed
}

/// The places of all values under a key for secrets; `{env: NAME}` is none.
fn secrets(node: &Node, spans: &mut Vec<Span>) {
    match &node.value {
        Value::Map(entries) => {
            for (key, value) in entries {
                let is_secret = SECRET_KEYS.contains(&key.text.as_str());
                if is_secret && !matches!(value.value, Value::Map(_)) {
                    spans.push(value.span);
                } else {
                    secrets(value, spans);
                }
            }
        }
        Value::List(items) => items.iter().for_each(|item| secrets(item, spans)),
        _ => {}
    }
}

/// `text` with stars at `spans`; lines and columns stay where they are.
fn starred(text: &str, spans: &[Span]) -> String {
    let inside = |at: usize| {
        u32::try_from(at).is_ok_and(|at| spans.iter().any(|span| (span.start..span.end).contains(&at)))
    };
    text.char_indices().map(|(at, c)| if inside(at) && !matches!(c, '\n' | '\r') { '*' } else { c }).collect()
}

/// A text that could not be read: whatever stands behind a key for secrets on its line.
fn starred_lines(text: &str) -> String {
    let hidden_from = |line: &str| {
        SECRET_KEYS.iter().filter_map(|key| Some(line.find(key)? + key.len())).min().unwrap_or(line.len())
    };
    text.split_inclusive('\n')
        .flat_map(|line| {
            let from = hidden_from(line);
            line.char_indices().map(
                move |(at, c)| {
                    if at < from || matches!(c, ':' | ' ' | '\n' | '\r') { c } else { '*' }
                },
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_cannot_be_read_hides_what_may_be_a_secret() {
        assert_eq!(starred_lines("a: b\n  password: p w, x\nc"), "a: b\n  password: * ** *\nc");
    }
}
