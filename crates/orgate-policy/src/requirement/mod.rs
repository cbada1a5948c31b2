//! What a rule demands, as written.
//!
//! ```text
//! requirement := "public" | "optional" | "deny" | expression
//! expression  := term (("and" term)+ | ("or" term)+)?      mixing and/or without parentheses is an error
//! term        := "not" term | "(" expression ")" | atom
//! atom        := PERMISSION | "authenticated" | "org" | "role(" NAME {"," NAME} ")"
//! ```
//!
//! The language is finite on purpose: facts about the caller, joined by and, or, not. Whatever it can say can be
//! compared exactly, for every role at once.

mod parse;

use orgate_claims::{Permission, RoleName};

use crate::SyntaxError;

/// The most atoms of one requirement.
pub const MAX_ATOMS: usize = 64;

/// Words that the language keeps for itself, now or later; no permission can have one of these names.
pub const RESERVED: [&str; 15] = [
    "true",
    "false",
    "public",
    "optional",
    "deny",
    "authenticated",
    "org",
    "role",
    "via",
    "not",
    "and",
    "or",
    "in",
    "everyone",
    "anonymous",
];

/// What a rule demands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    kind: Kind,
    text: Box<str>,
}

/// The four kinds of requirement.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// Anybody; credentials are not even looked at.
    Public,
    /// Anybody; a credential, if there is one, must be valid.
    Optional,
    /// Nobody.
    Deny,
    /// A valid credential of which this holds.
    Expression(Expression),
}

/// A condition on the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Expression {
    /// Holds the permission.
    Permission(Name<Permission>),
    /// Has one of the roles.
    Role(Vec<Name<RoleName>>),
    /// Is authenticated; true of every caller whose requirement is judged.
    Authenticated,
    /// Has an active organization.
    Organization,
    /// The inner one does not hold.
    Not(Box<Expression>),
    /// All hold.
    All(Vec<Expression>),
    /// At least one holds.
    Any(Vec<Expression>),
}

/// A name with its byte offset in the text, so that a message can point at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name<T> {
    /// The name.
    pub name: T,
    /// Where it starts.
    pub at: usize,
}

impl Requirement {
    /// Reads a requirement.
    ///
    /// # Errors
    /// [`SyntaxError`] with the byte offset in `text`.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        Ok(Self { kind: parse::requirement(text)?, text: text.trim().into() })
    }

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// Whether the two are the same tree, whatever the spacing.
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        match (&self.kind, &other.kind) {
            (Kind::Expression(a), Kind::Expression(b)) => same(a, b),
            (a, b) => std::mem::discriminant(a) == std::mem::discriminant(b),
        }
    }

    /// The requirement as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

fn same(a: &Expression, b: &Expression) -> bool {
    let all_same =
        |a: &[Expression], b: &[Expression]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b));
    match (a, b) {
        (Expression::Permission(a), Expression::Permission(b)) => a.name == b.name,
        (Expression::Role(a), Expression::Role(b)) => a.iter().map(|n| &n.name).eq(b.iter().map(|n| &n.name)),
        (Expression::Not(a), Expression::Not(b)) => same(a, b),
        (Expression::All(a), Expression::All(b)) | (Expression::Any(a), Expression::Any(b)) => all_same(a, b),
        (a, b) => std::mem::discriminant(a) == std::mem::discriminant(b),
    }
}
