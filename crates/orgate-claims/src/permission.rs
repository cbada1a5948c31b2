//! One right, as an opaque word.

use std::{borrow::Borrow, fmt};

/// The name of a permission: `[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}`, compared exactly.
///
/// The grammar is a subset of OAuth's `scope-token` (RFC 6749 §3.3), so that a permission fits unquoted into the
/// `scope` of a `WWW-Authenticate` challenge (RFC 6750 §3).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Permission(Box<str>);

/// The text is not a permission name; holds the first character that does not fit, if it is one character's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PermissionError {
    character: Option<char>,
}

impl PermissionError {
    /// The first character that may not stand where it does; `None` where the text is empty or too long.
    #[must_use]
    pub fn character(&self) -> Option<char> {
        self.character
    }
}

impl fmt::Display for PermissionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.character {
            Some(c) => write!(f, "a permission cannot hold {c:?} here; letters, digits and `._:/-` fit"),
            None => f.write_str("a permission has 1 to 128 characters"),
        }
    }
}

impl std::error::Error for PermissionError {}

impl Permission {
    /// The most characters a permission may have.
    pub const MAX_CHARACTERS: usize = 128;

    /// Reads a permission name.
    ///
    /// # Errors
    /// [`PermissionError`] if `text` does not follow the grammar of the type.
    pub fn parse(text: &str) -> Result<Self, PermissionError> {
        if text.is_empty() {
            return Err(PermissionError { character: None });
        }
        for (at, c) in text.chars().enumerate() {
            let fits = c.is_ascii_alphanumeric() || (at > 0 && matches!(c, '.' | '_' | ':' | '/' | '-'));
            if !fits {
                return Err(PermissionError { character: Some(c) });
            }
        }
        if text.len() > Self::MAX_CHARACTERS {
            return Err(PermissionError { character: None });
        }
        Ok(Self(text.into()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Borrow<str> for Permission {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Permission {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seeds_permissions_are_permissions() {
        for text in ["read", "delete_org", "org:members:write", "doc.read", "a/b-c", "7", "Write"] {
            assert_eq!(Permission::parse(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn look_alikes_are_not() {
        for (text, character) in [
            ("", None),
            ("wri te", Some(' ')),
            ("write\0", Some('\0')),
            ("*", Some('*')),
            ("!write", Some('!')),
            (":write", Some(':')),
            ("wrіte", Some('і')), // Cyrillic
            ("write\u{200b}", Some('\u{200b}')),
        ] {
            assert_eq!(Permission::parse(text).unwrap_err().character(), character, "{text:?}");
        }
        assert!(Permission::parse(&"a".repeat(128)).is_ok());
        assert!(Permission::parse(&"a".repeat(129)).is_err());
    }
}
