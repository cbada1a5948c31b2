//! Which claim is meant.

use std::fmt;

use crate::json::{Map, Value};

/// A reference to a claim: the literal name of a top-level claim, or a JSON Pointer (RFC 6901) if it starts with `/`.
///
/// `https://example.com/org` is a name; `/realm_access/roles` and `/orgs/0` lead into the claims.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClaimRef {
    text: Box<str>,
    /// The unescaped steps; a name has one.
    steps: Vec<Box<str>>,
}

/// The text refers to no claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClaimRefError {
    /// It is empty.
    Empty,
    /// A `~` in a pointer is followed by neither `0` nor `1`.
    BadEscape,
}

impl fmt::Display for ClaimRefError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "a claim reference cannot be empty",
            Self::BadEscape => "in a claim pointer, `~` is written `~0` and `/` inside a name `~1`",
        })
    }
}

impl std::error::Error for ClaimRefError {}

impl ClaimRef {
    /// Reads a reference.
    ///
    /// # Errors
    /// [`ClaimRefError`] if `text` is empty or a pointer with a wrong escape.
    pub fn parse(text: &str) -> Result<Self, ClaimRefError> {
        let steps = match text.strip_prefix('/') {
            None if text.is_empty() => return Err(ClaimRefError::Empty),
            None => vec![text.into()],
            Some(pointer) => pointer.split('/').map(unescape).collect::<Result<_, _>>()?,
        };
        Ok(Self { text: text.into(), steps })
    }

    /// The top-level claim `name`, which must not start with `/`.
    pub(super) fn name(name: &'static str) -> Self {
        Self { text: name.into(), steps: vec![name.into()] }
    }

    /// The reference as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The value it leads to; `null` counts as absent.
    pub(super) fn find<'v, 'c>(&self, claims: &'v Map<'c>) -> Option<&'v Value<'c>> {
        let (first, rest) = self.steps.split_first()?;
        let mut value = claims.get(&**first)?;
        for step in rest {
            value = match value {
                Value::Map(map) => map.get(&**step)?,
                Value::List(list) => list.get(position(step)?)?,
                _ => return None,
            };
        }
        (*value != Value::Null).then_some(value)
    }
}

/// A list position as RFC 6901 §4 spells it: digits without a leading zero.
fn position(step: &str) -> Option<usize> {
    let plain = step == "0" || (!step.starts_with('0') && step.bytes().all(|byte| byte.is_ascii_digit()));
    if plain { step.parse().ok() } else { None }
}

fn unescape(step: &str) -> Result<Box<str>, ClaimRefError> {
    let mut text = String::with_capacity(step.len());
    let mut characters = step.chars();
    while let Some(character) = characters.next() {
        text.push(match character {
            '~' => match characters.next() {
                Some('0') => '~',
                Some('1') => '/',
                _ => return Err(ClaimRefError::BadEscape),
            },
            other => other,
        });
    }
    Ok(text.into())
}

impl fmt::Display for ClaimRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for ClaimRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClaimRef({:?})", self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::parse_object;

    #[test]
    fn a_name_is_literal_and_a_pointer_leads_inside() {
        let claims = parse_object(
            br#"{"a/b":1,"https://x.io/org":2,"o":{"id":3,"a/b":4,"~":5,"":6},"l":[7,[8]],"n":null,"org.id":9}"#,
        )
        .unwrap();
        let find = |text: &str| match ClaimRef::parse(text).unwrap().find(&claims) {
            Some(Value::Integer(n)) => Some(*n),
            _ => None,
        };
        for (text, value) in [
            ("a/b", Some(1)),
            ("https://x.io/org", Some(2)),
            ("/o/id", Some(3)),
            ("/o/a~1b", Some(4)),
            ("/o/~0", Some(5)),
            ("/o/", Some(6)),
            ("/l/0", Some(7)),
            ("/l/1/0", Some(8)),
            ("org.id", Some(9)),
            ("/l/00", None),
            ("/l/+0", None),
            ("/l/-", None),
            ("/l/9", None),
            ("/o/id/x", None),
            ("O", None),
            ("n", None),
            ("/", None),
        ] {
            assert_eq!(find(text), value, "{text}");
        }
    }

    #[test]
    fn what_refers_to_nothing_is_refused() {
        assert_eq!(ClaimRef::parse(""), Err(ClaimRefError::Empty));
        for text in ["/~", "/a~2", "/a/~b"] {
            assert_eq!(ClaimRef::parse(text), Err(ClaimRefError::BadEscape), "{text}");
        }
        assert_eq!(ClaimRef::parse("a~2").unwrap().as_str(), "a~2");
    }
}
