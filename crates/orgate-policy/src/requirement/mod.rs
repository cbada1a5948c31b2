//! What a rule demands, as written.
//!
//! ```text
//! requirement := "public" | "optional" | "deny" | expression
//! expression  := term (("and" term)+ | ("or" term)+)?      mixing and/or without parentheses is an error
//! term        := "not" term | "(" expression ")" | atom
//! atom        := PERMISSION | CONDITION | "authenticated" | "org" | "role(" NAME {"," NAME} ")" | "via(" NAME ")"
//!              | operand ("==" | "!=") operand | operand "in" "claims." REF
//!              | "acr(" STRING {"," STRING} ")" | "fresh(" DURATION ")"
//! operand     := "path." NAME | "query." NAME | "header." NAME | "host." NAME | "claims." REF
//!              | "org.id" | "org.slug" | "sub" | STRING | "true" | "false" | INTEGER
//! ```
//!
//! The language is finite on purpose: facts about the caller and the request, joined by and, or, not. Whatever it can
//! say can be compared exactly, for every role at once.

mod operand;
mod parse;

use std::{fmt, sync::Arc};

use orgate_claims::{Permission, RoleName};

pub use operand::{Comparison, Operand, Operator};

use crate::SyntaxError;

/// The most atoms of one requirement.
pub const MAX_ATOMS: usize = 64;

/// Words that the language keeps for itself; no permission and no condition can have one of these names.
pub const RESERVED: [&str; 18] = [
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
    "sub",
    "acr",
    "fresh",
    "everyone",
    "anonymous",
];

/// What a value to compare starts with; a name of that form would be mistaken for one.
const OPERAND_PREFIXES: [&str; 6] = ["path.", "query.", "header.", "host.", "claims.", "org."];

/// Whether `name` means something else in a requirement, so that no permission and no condition can be called so.
#[must_use]
pub fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name)
        || OPERAND_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit())
}

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
    /// Two values compare so. A value that is absent, or of another type, makes it false.
    Compare(Comparison),
    /// Was authenticated in one of these classes (`acr`, OpenID Connect Core §2).
    Acr(Vec<Box<str>>),
    /// Was authenticated at most so many seconds ago (`auth_time`).
    Fresh(u32),
    /// Was authenticated by this authenticator, instead of by a token.
    Via(Name<Box<str>>),
    /// A condition that has a name, and what it says; the rules that name it share that.
    Condition(Name<Box<str>>, Arc<Expression>),
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

    /// The condition on the caller, where there is one.
    #[must_use]
    pub fn expression(&self) -> Option<&Expression> {
        match &self.kind {
            Kind::Expression(expression) => Some(expression),
            Kind::Public | Kind::Optional | Kind::Deny => None,
        }
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

    /// The authenticator that takes the place of the token, if the requirement names one.
    #[must_use]
    pub fn authenticator(&self) -> Option<&Name<Box<str>>> {
        fn find(expression: &Expression) -> Option<&Name<Box<str>>> {
            match expression {
                Expression::Via(name) => Some(name),
                Expression::All(terms) => terms.iter().find_map(find),
                _ => None,
            }
        }
        match &self.kind {
            Kind::Expression(expression) => find(expression),
            Kind::Public | Kind::Optional | Kind::Deny => None,
        }
    }

    /// Puts what a condition says in the place of its name.
    pub(crate) fn replace_names(&mut self, condition: &dyn Fn(&str) -> Option<Arc<Expression>>) {
        if let Kind::Expression(expression) = &mut self.kind {
            expression.replace_names(condition);
        }
    }
}

impl Expression {
    fn replace_names(&mut self, condition: &dyn Fn(&str) -> Option<Arc<Self>>) {
        match self {
            Self::Permission(name) => {
                if let Some(body) = condition(name.name.as_str()) {
                    let name = Name { name: name.name.as_str().into(), at: name.at };
                    *self = Self::Condition(name, body);
                }
            }
            Self::Not(inner) => inner.replace_names(condition),
            Self::All(terms) | Self::Any(terms) => {
                terms.iter_mut().for_each(|term| term.replace_names(condition));
            }
            _ => {}
        }
    }

    /// Everything the expression is made of, itself first; what a condition says included.
    pub fn walk(&self) -> impl Iterator<Item = &Self> {
        self.walk_into(|_| true)
    }

    /// The same without what those conditions say that `enters` does not want to be entered.
    pub(crate) fn walk_into(
        &self,
        mut enters: impl FnMut(&Arc<Self>) -> bool,
    ) -> impl Iterator<Item = &Self> {
        let mut pending = vec![self];
        std::iter::from_fn(move || {
            let next = pending.pop()?;
            match next {
                Self::Not(inner) => pending.push(inner),
                Self::Condition(_, inner) if enters(inner) => pending.push(inner),
                Self::All(terms) | Self::Any(terms) => pending.extend(terms.iter().rev()),
                _ => {}
            }
            Some(next)
        })
    }

    /// The text by which an atom that is neither a permission nor a role is the same atom everywhere in a policy; `None`
    /// for the rest.
    pub(crate) fn atom(&self) -> Option<String> {
        match self {
            Self::Compare(comparison) => Some(comparison.canonical()),
            Self::Acr(classes) => {
                let mut classes: Vec<_> = classes.iter().map(|class| format!("\"{class}\"")).collect();
                classes.sort_unstable();
                Some(format!("acr({})", classes.join(", ")))
            }
            Self::Fresh(seconds) => Some(format!("fresh({seconds}s)")),
            Self::Via(name) => Some(format!("via({})", name.name)),
            _ => None,
        }
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn same(a: &Expression, b: &Expression) -> bool {
    let all_same =
        |a: &[Expression], b: &[Expression]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b));
    match (a, b) {
        (Expression::Permission(a), Expression::Permission(b)) => a.name == b.name,
        (Expression::Role(a), Expression::Role(b)) => a.iter().map(|n| &n.name).eq(b.iter().map(|n| &n.name)),
        (Expression::Not(a), Expression::Not(b)) => same(a, b),
        (Expression::Condition(_, a), b) => same(a, b),
        (a, Expression::Condition(_, b)) => same(a, b),
        (Expression::All(a), Expression::All(b)) | (Expression::Any(a), Expression::Any(b)) => all_same(a, b),
        (a, b) => match (a.atom(), b.atom()) {
            (None, None) => std::mem::discriminant(a) == std::mem::discriminant(b),
            (a, b) => a == b,
        },
    }
}
