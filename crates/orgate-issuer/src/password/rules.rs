//! Which passwords may be chosen, and what is one password in two spellings.
//!
//! Length decides (NIST SP 800-63B §3.1.1): at least eight characters, none demanded of any kind, nothing cut. Refused is
//! what everybody tries first: a short list of the commonest, one character over and over, a run of neighbours, and one's
//! own address or name.

use std::borrow::Cow;

use icu_normalizer::ComposingNormalizerBorrowed;

use super::{MAX_PASSWORD, MIN_PASSWORD};

/// The commonest passwords with eight characters or more, in lower case and sorted.
const COMMON: &str = include_str!("common.txt");

/// The form in which a password is hashed: spaces of any kind are the plain one, and the rest is in normal form C.
pub(super) fn normalize(password: &str) -> String {
    let spaces: Cow<'_, str> = if password.is_ascii() {
        return password.to_owned();
    } else {
        password.chars().map(|c| if c.is_whitespace() && !c.is_control() { ' ' } else { c }).collect()
    };
    ComposingNormalizerBorrowed::new_nfc().normalize(&spaces).into_owned()
}

/// Why `password` may not be chosen by somebody who is called one of `own`; `None` if it may.
pub(crate) fn objection(password: &str, own: &[&str]) -> Option<&'static str> {
    if password.len() > MAX_PASSWORD {
        return Some("has at most 1024 bytes");
    }
    let password = normalize(password);
    if password.chars().count() < MIN_PASSWORD {
        return Some("has at least 8 characters");
    }
    let lower = password.to_lowercase();
    let plain = lower.trim();
    let is_own = own.iter().any(|own| {
        let own = own.trim().to_lowercase();
        !own.is_empty() && (plain == own || own.split_once('@').is_some_and(|(local, _)| plain == local))
    });
    let common = COMMON.lines().any(|line| line == plain);
    (is_own || common || is_run(plain)).then_some("is among the first that anybody would try")
}

/// One character over and over, or each the neighbour of the one before, such as `12345678`.
fn is_run(text: &str) -> bool {
    let all: Vec<i64> = text.chars().map(|c| i64::from(u32::from(c))).collect();
    let steps: Vec<i64> = all.iter().zip(all.iter().skip(1)).map(|(a, b)| b - a).collect();
    steps.first().is_some_and(|first| (-1..=1).contains(first) && steps.iter().all(|step| step == first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_password_in_two_spellings_is_one() {
        assert_eq!(normalize("caf\u{e9} au lait"), normalize("cafe\u{301}\u{a0}au lait"));
        assert_eq!(normalize("Angstrom \u{212b}"), normalize("Angstrom \u{c5}"));
        assert_ne!(normalize("ｐassword"), normalize("password"), "what looks different stays different");
        assert_ne!(normalize("PASS word"), normalize("pass word"));
    }

    #[test]
    fn length_decides_and_what_everybody_tries_is_refused() {
        for good in ["correct horse battery", "zq3!vv0p", "ünïcödéß", "        x", "passwordpassword1"] {
            assert_eq!(objection(good, &["ann@example.com"]), None, "{good}");
        }
        assert_eq!(objection("e\u{301}e\u{301}e\u{301}e\u{301}", &[]), Some("has at least 8 characters"));
        assert_eq!(objection(&"é".repeat(513), &[]), Some("has at most 1024 bytes"));
        for bad in [
            "password",
            "PASSWORD",
            " password ",
            "12345678",
            "87654321",
            "abcdefgh",
            "aaaaaaaa",
            "qwertyuiop",
            "Ann.Smith@Example.com",
            "ann.smith",
        ] {
            assert!(objection(bad, &["ann.smith@example.com"]).is_some(), "{bad}");
        }
    }

    #[test]
    fn the_list_is_sorted_and_holds_nothing_that_is_too_short_anyway() {
        let lines: Vec<_> = COMMON.lines().collect();
        assert!(
            lines.is_sorted() && lines.iter().all(|line| line.len() >= 8 && line.to_lowercase() == *line)
        );
    }
}
