//! Values to compare, as written.

use std::fmt;

/// Two values and how they must lie to each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// The left one.
    pub left: Operand,
    /// How they are compared.
    pub operator: Operator,
    /// The right one; after `in`, a claim that holds a set.
    pub right: Operand,
    /// Where the left one starts, as byte offset in the requirement.
    pub at: usize,
    /// How long the whole comparison is, in bytes.
    pub len: usize,
}

/// How two values are compared: byte by byte, and only values of one type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operator {
    /// `==`
    Equal,
    /// `!=`; false too where a value is absent.
    Unequal,
    /// `in`
    In,
}

/// A value to compare.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operand {
    /// A parameter of the path, decoded.
    Path(Box<str>),
    /// A parameter of the query, decoded; repeated ones count as absent.
    Query(Box<str>),
    /// A header field, by its name in lower case; repeated ones count as absent.
    Header(Box<str>),
    /// What `{name}.` of the rule's host stands for.
    Host(Box<str>),
    /// A claim of the token, by the reference under which the issuer's mapping keeps it.
    Claim(Box<str>),
    /// The id of the active organization.
    OrganizationId,
    /// Its slug.
    OrganizationSlug,
    /// The caller.
    Subject,
    /// A text, or a whole number in decimal form.
    Text(Box<str>),
    /// `true` or `false`.
    Bool(bool),
}

impl Operand {
    /// Whether it says the same of every request.
    #[must_use]
    pub fn is_constant(&self) -> bool {
        matches!(self, Self::Text(_) | Self::Bool(_))
    }
}

impl Comparison {
    /// One text for every way to write it.
    pub(crate) fn canonical(&self) -> String {
        let (left, right) = (self.left.to_string(), self.right.to_string());
        let turned = self.operator != Operator::In && right < left;
        let (left, right) = if turned { (right, left) } else { (left, right) };
        format!("{left} {} {right}", self.operator)
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Equal => "==",
            Self::Unequal => "!=",
            Self::In => "in",
        })
    }
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(name) => write!(f, "path.{name}"),
            Self::Query(name) => write!(f, "query.{name}"),
            Self::Header(name) => write!(f, "header.{name}"),
            Self::Host(name) => write!(f, "host.{name}"),
            Self::Claim(name) => write!(f, "claims.{name}"),
            Self::OrganizationId => f.write_str("org.id"),
            Self::OrganizationSlug => f.write_str("org.slug"),
            Self::Subject => f.write_str("sub"),
            Self::Text(text) => write!(f, "\"{text}\""),
            Self::Bool(value) => write!(f, "{value}"),
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.left, self.operator, self.right)
    }
}
