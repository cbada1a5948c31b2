//! The readable name of an organization in URLs.

use std::fmt;

use crate::secret::{NoRandomness, random_token};

const MIN: usize = 2;
const MAX: usize = 63;
const SUFFIX: usize = 6;

/// Words that mean something else in a URL or a host name.
const RESERVED: [&str; 46] = [
    "account",
    "accounts",
    "admin",
    "api",
    "app",
    "assets",
    "administrator",
    "auth",
    "authorize",
    "billing",
    "callback",
    "cdn",
    "console",
    "dashboard",
    "dev",
    "docs",
    "ftp",
    "help",
    "invitations",
    "invite",
    "jwks",
    "login",
    "logout",
    "mail",
    "members",
    "me",
    "new",
    "null",
    "oauth",
    "openid",
    "orgate",
    "organizations",
    "orgs",
    "root",
    "security",
    "session",
    "settings",
    "setup",
    "signin",
    "signup",
    "ssl",
    "static",
    "status",
    "support",
    "well-known",
    "www",
];

/// Why a text is not a slug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SlugError {
    Malformed,
    Reserved,
}

impl fmt::Display for SlugError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => {
                "has 2 to 63 lower-case letters, digits and single hyphens, with no hyphen at either end"
            }
            Self::Reserved => "is a reserved word",
        })
    }
}

/// Whether `slug` can be one. Upper case is refused, not folded.
pub(crate) fn check(slug: &str) -> Result<(), SlugError> {
    let letters = slug.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let hyphens = slug.starts_with('-') || slug.ends_with('-') || slug.contains("--");
    if !(MIN..=MAX).contains(&slug.len()) || !letters || hyphens {
        return Err(SlugError::Malformed);
    }
    // `adm1n` and `log-in` are read as what they resemble.
    if RESERVED.iter().any(|word| skeleton(word) == skeleton(slug)) {
        return Err(SlugError::Reserved);
    }
    Ok(())
}

/// What is left of a slug for somebody who reads quickly: no hyphens, and letters for the digits that look like them.
fn skeleton(slug: &str) -> String {
    let looks_like = |c: char| match c {
        '0' => 'o',
        '1' | 'i' => 'l',
        '3' => 'e',
        '4' => 'a',
        '5' => 's',
        '7' => 't',
        c => c,
    };
    slug.chars().filter(|c| *c != '-').map(looks_like).collect()
}

/// A slug from a name; with `suffix` six random characters stand behind it.
pub(crate) fn generate(name: &str, suffix: bool) -> Result<String, NoRandomness> {
    let mut slug = String::new();
    for c in name.chars().map(|c| c.to_ascii_lowercase()) {
        if c.is_ascii_alphanumeric() {
            slug.push(c);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.truncate(MAX - SUFFIX - 1);
    let mut slug = slug.trim_matches('-').to_owned();
    if slug.len() < MIN {
        slug = "org".to_owned();
    } else if !suffix {
        return Ok(slug);
    }
    let random = random_token()?;
    slug.push('-');
    slug.extend(
        random.chars().filter(char::is_ascii_alphanumeric).take(SUFFIX).map(|c| c.to_ascii_lowercase()),
    );
    Ok(slug)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slug_has_one_spelling() {
        for good in ["acme", "acme-corp", "a1", "0x", &"a".repeat(63)] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in
            ["", "a", "A", "Acme", "--", "-a", "a-", "a--b", "a_b", "a.b", "раypal", "a b", &"a".repeat(64)]
        {
            assert_eq!(check(bad), Err(SlugError::Malformed), "{bad}");
        }
        for word in ["admin", "well-known", "www", "adm1n", "log-in", "0auth", "s3tt1ngs", "0rgate"] {
            assert_eq!(check(word), Err(SlugError::Reserved), "{word}");
        }
    }

    #[test]
    fn a_generated_slug_is_a_slug() {
        assert_eq!(generate("Acme Corp!", false).unwrap(), "acme-corp");
        for name in ["Acme", "  ", "日本", "Ä", &"long name ".repeat(30), "--x--"] {
            assert_eq!(check(&generate(name, true).unwrap()), Ok(()), "{name}");
            assert_eq!(check(&generate(name, false).unwrap()), Ok(()), "{name}");
        }
    }
}
