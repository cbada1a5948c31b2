//! `version:` and `min_orgate:`: whether this orgate can read the file at all.
//!
//! Both are looked at before anything else, because the keys of another version may mean anything.

use crate::{
    codes,
    diagnostic::{Diagnostic, Span},
    document::{self, MapReader, Value},
};

/// Whether reading on makes sense.
pub(super) fn check(map: &mut MapReader<'_, '_>) -> bool {
    check_language(map) && check_program(map, env!("CARGO_PKG_VERSION"))
}

fn check_language(map: &mut MapReader<'_, '_>) -> bool {
    let whole = map.span();
    let Some(node) = map.optional("version").node() else {
        let start = Span { end_line: whole.line, end_column: whole.column, ..whole };
        let finding = Diagnostic::error(codes::MISSING_KEY, "the file has no `version`");
        map.diagnostics().push(finding.at(start).help("start it with `version: 1`"));
        return true;
    };
    match &node.value {
        Value::Integer(1) => true,
        Value::Integer(other) => {
            let message =
                format!("version {other} of the policy language is not supported by this version of orgate");
            let finding = Diagnostic::error(codes::UNSUPPORTED, message);
            map.diagnostics().push(finding.at(node.span).help("`version: 1` is"));
            false
        }
        _ => {
            document::wrong_kind(node, "version", "the number 1", map.diagnostics());
            true
        }
    }
}

fn check_program(map: &mut MapReader<'_, '_>, own: &str) -> bool {
    let Some(text) = map.optional("min_orgate").text() else { return true };
    let finding = match (number(text.value), number(own)) {
        (Some(wanted), Some(have)) if wanted <= have => return true,
        (Some(_), _) => {
            let message = format!("the policy needs orgate {} or newer; this is {own}", text.value);
            Diagnostic::error(codes::TOO_OLD, message).help("install a newer orgate")
        }
        (None, _) => {
            let message = format!("`min_orgate`: `{}` is no version", text.value);
            Diagnostic::error(codes::BAD_VALUE, message).help("write it as `\"0.6\"` or `\"0.6.2\"`")
        }
    };
    let is_version = finding.code != codes::TOO_OLD;
    map.diagnostics().push(finding.at(text.span));
    is_version
}

/// `0.6` or `0.6.2` as numbers that compare.
fn number(text: &str) -> Option<[u32; 3]> {
    let mut numbers = [0; 3];
    let parts: Vec<&str> = text.split('.').collect();
    let is_digits = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !(2..=3).contains(&parts.len()) || !parts.iter().all(is_digits) {
        return None;
    }
    for (number, part) in numbers.iter_mut().zip(parts) {
        *number = part.parse().ok()?;
    }
    Some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        let read = |text: &str, own: &str| {
            let text = format!("min_orgate: {text}\n");
            let (root, mut diagnostics) = document::parse("a.yaml", &text).unwrap().into_parts();
            let mut map = MapReader::new(&root, "", &mut diagnostics).unwrap();
            let goes_on = check_program(&mut map, own);
            (goes_on, diagnostics.iter().map(|finding| finding.code).collect::<Vec<_>>())
        };
        for (wanted, own) in
            [("'0.6'", "0.6.0"), ("'0.6'", "0.10.0"), ("'0.9.9'", "1.0.0"), ("'1.2.3'", "1.2.3")]
        {
            assert_eq!(read(wanted, own), (true, vec![]), "{wanted} {own}");
        }
        for (wanted, own) in [("'0.6'", "0.5.9"), ("'0.10'", "0.9.0"), ("'1.0.1'", "1.0.0")] {
            assert_eq!(read(wanted, own), (false, vec!["E017"]), "{wanted} {own}");
        }
        for wrong in ["'6'", "'0.6.'", "'v0.6'", "'0.6.1.2'", "'0.+6'", "'0.99999999999'", "''"] {
            assert_eq!(read(wrong, "1.0.0"), (true, vec!["E013"]), "{wrong}");
        }
        // Without quotes `0.10` would be `0.1`.
        assert_eq!(read("0.10", "1.0.0"), (true, vec!["E012"]));
    }
}
