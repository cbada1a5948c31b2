//! Every finding that a file can have: its stable code, what it means, and an example.
//!
//! A code never changes its meaning and is never used again. Groups: `E00x` the file cannot be read, `E01x` its keys and
//! values, `E02x` rule keys and requirements, `E03x` names, `E04x` rules that overlap, `E05x` unsafe settings, `E09x`
//! limits; `W` is a warning. `orgate help CODE` prints an entry.

macro_rules! codes {
    ($($name:ident = $code:literal, $title:literal, $text:literal;)*) => {
        $(
            #[doc = $title]
            pub const $name: &str = $code;
        )*
        /// The codes of this file, in order.
        pub(super) const HERE: &[$crate::codes::Code] =
            &[$($crate::codes::Code { code: $code, title: $title, explanation: $text }),*];
    };
}

mod errors;
mod warnings;

pub use self::{errors::*, warnings::*};

/// Every code, in order.
#[allow(clippy::indexing_slicing, reason = "evaluated when this is compiled")]
pub const ALL: &[Code] = &{
    let mut all = [errors::HERE[0]; errors::HERE.len() + warnings::HERE.len()];
    let (first, second) = all.split_at_mut(errors::HERE.len());
    first.copy_from_slice(errors::HERE);
    second.copy_from_slice(warnings::HERE);
    all
};

/// The description of one finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    /// The code itself.
    pub code: &'static str,
    /// What it means, in one line.
    pub title: &'static str,
    /// What it means, why it matters and how it is mended, with an example.
    pub explanation: &'static str,
}

/// The description of a code; upper and lower case are the same.
#[must_use]
pub fn find(code: &str) -> Option<&'static Code> {
    ALL.iter().find(|known| known.code.eq_ignore_ascii_case(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_in_order_and_explained() {
        for pair in ALL.windows(2) {
            assert!(pair[0].code < pair[1].code, "{} before {}", pair[0].code, pair[1].code);
        }
        for code in ALL {
            assert!(code.explanation.len() > 40 && !code.title.ends_with('.'), "{}", code.code);
        }
    }

    #[test]
    fn every_code_in_use_is_explained() {
        let mut used = Vec::new();
        for directory in
            ["src", "src/compile", "src/document", "../orgate-policy/src", "../orgate-policy/src/requirement"]
        {
            let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
            for entry in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
                let Ok(text) = std::fs::read_to_string(entry.path()) else { continue };
                let texts = text.split('"').skip(1).step_by(2);
                let is_code = |text: &&str| {
                    text.len() == 4
                        && text.starts_with(['E', 'W'])
                        && text.chars().skip(1).all(|c| c.is_ascii_digit())
                };
                used.extend(texts.filter(is_code).map(str::to_owned).filter(|code| code != "E999"));
            }
        }
        assert!(used.iter().any(|code| code == "E042") && used.iter().any(|code| code == "E090"), "{used:?}");
        for code in used {
            assert!(find(&code).is_some(), "{code}");
        }
    }

    fn behind_mark(source: &str) -> &str {
        source.split_once("#[cfg(test)]").map_or("", |(_, tests)| tests)
    }

    /// The tests in a folder, as text: whole files below `tests`, of others what stands behind `#[cfg(test)]`.
    fn tests_in(directory: &std::path::Path, is_test: bool, text: &mut String) {
        for entry in std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
            let is_test = is_test || entry.file_stem().is_some_and(|stem| stem == "tests");
            if entry.is_dir() {
                tests_in(&entry, is_test, text);
            } else if let Ok(source) = std::fs::read_to_string(&entry) {
                text.push_str(if is_test { &source } else { behind_mark(&source) });
            }
        }
    }

    #[test]
    fn every_code_has_a_test_that_finds_it() {
        let crates = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut text = String::new();
        for directory in ["orgate-config/src", "orgate-policy/src"] {
            // This file names codes without finding anything.
            for entry in std::fs::read_dir(crates.join(directory)).unwrap().map(|entry| entry.unwrap().path())
            {
                if entry.is_dir() {
                    tests_in(&entry, false, &mut text);
                } else if !entry.ends_with("codes.rs")
                    && let Ok(source) = std::fs::read_to_string(&entry)
                {
                    text.push_str(behind_mark(&source));
                }
            }
        }
        tests_in(&crates.join("orgate-policy/tests"), true, &mut text);
        // Coverage, drift and what logs hold are found by tools.
        let by_tools = |code: &str| ["W012", "W059"].contains(&code) || code.starts_with("W03");
        for code in ALL.iter().filter(|code| !by_tools(code.code)) {
            assert!(text.contains(code.code), "no test finds {}", code.code);
        }
    }

    #[test]
    fn the_published_codes_stay() {
        for code in ["E031", "E042", "E043", "W012", "W020", "W031"] {
            assert_eq!(find(code).map(|found| found.code), Some(code));
        }
        assert_eq!(find("e042").map(|found| found.title), Some("ambiguous rules"));
        assert_eq!(find("E999"), None);
    }
}
