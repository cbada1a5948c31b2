//! Names that are compared byte by byte and never interpreted.

use std::fmt;

/// The longest name that is kept, in bytes.
pub(crate) const MAX_NAME_BYTES: usize = 4096;

/// Why a text cannot be a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NameError {
    /// It has no characters at all.
    Empty,
    /// It is longer than 4096 bytes.
    TooLong,
    /// It holds a control character (C0, DEL or C1), which no header and no log line could carry.
    ControlCharacter,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "is empty",
            Self::TooLong => "is longer than 4096 bytes",
            Self::ControlCharacter => "holds a control character",
        })
    }
}

impl std::error::Error for NameError {}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// Takes `text` as it is: nothing is trimmed, folded or decoded.
            ///
            /// # Errors
            /// A [`NameError`] if it is empty, longer than 4096 bytes, or holds a control character.
            pub fn parse(text: &str) -> Result<Self, NameError> {
                if text.is_empty() {
                    return Err(NameError::Empty);
                }
                if text.len() > MAX_NAME_BYTES {
                    return Err(NameError::TooLong);
                }
                if text.chars().any(char::is_control) {
                    return Err(NameError::ControlCharacter);
                }
                Ok(Self(text.into()))
            }

            /// The name as it was given.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

name! {
    /// Who signed: the exact `iss` of a token (RFC 7519 §4.1.1), compared byte by byte.
    IssuerUrl
}
name! {
    /// Whom the token speaks of: `sub` (RFC 7519 §4.1.2), unique within its issuer.
    SubjectId
}
name! {
    /// An organization within its issuer: the claim `org_id`.
    OrganizationId
}
name! {
    /// The readable name of an organization in URLs: the claim `org_slug`. For display and for binding; never a key.
    Slug
}
name! {
    /// A role in an organization, such as `admin`: the claim `org_role`.
    RoleName
}
name! {
    /// The OAuth client that the token was issued to: `client_id` (RFC 9068 §2.2) or `azp`.
    ClientId
}
name! {
    /// The sign-in that the token belongs to: `sid` (OpenID Connect Back-Channel Logout §2.1).
    SessionId
}
name! {
    /// The token itself: `jti` (RFC 7519 §4.1.7).
    TokenId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_kept_as_it_is() {
        for text in ["org_01", " padded ", "Größe", "a,b"] {
            assert_eq!(OrganizationId::parse(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn what_a_header_could_not_carry_is_no_name() {
        assert_eq!(SubjectId::parse(""), Err(NameError::Empty));
        assert_eq!(SubjectId::parse("a\r\nX: y"), Err(NameError::ControlCharacter));
        assert_eq!(SubjectId::parse("a\0"), Err(NameError::ControlCharacter));
        assert_eq!(SubjectId::parse("a\u{85}"), Err(NameError::ControlCharacter));
        assert_eq!(SubjectId::parse(&"x".repeat(4097)), Err(NameError::TooLong));
    }
}
