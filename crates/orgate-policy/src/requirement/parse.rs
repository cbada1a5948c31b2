//! The parser of requirements: recursive descent over words and parentheses.

use orgate_claims::{Permission, RoleName};

use super::{Expression, Kind, MAX_ATOMS, Name, RESERVED};
use crate::SyntaxError;

/// How deep parentheses and `not` may nest.
const MAX_DEPTH: usize = 16;

#[derive(Clone, Copy, PartialEq)]
struct Token<'t> {
    text: &'t str,
    at: usize,
}

pub(super) fn requirement(text: &str) -> Result<Kind, SyntaxError> {
    let mut parser = Parser { tokens: tokens(text), at: 0, end: text.len(), atoms: 0 };
    let Some(first) = parser.peek() else {
        return Err(SyntaxError::new(0, 0, "the rule demands nothing")
            .help("write a permission, `authenticated`, or `public`"));
    };
    let whole = match first.text {
        "public" => Some(Kind::Public),
        "optional" => Some(Kind::Optional),
        "deny" => Some(Kind::Deny),
        _ => None,
    };
    if let Some(kind) = whole {
        parser.at += 1;
        return match parser.peek() {
            None => Ok(kind),
            Some(_) => {
                Err(SyntaxError::new(first.at, first.text.len(), format!("`{}` stands alone", first.text)))
            }
        };
    }
    let expression = parser.expression(0)?;
    match parser.peek() {
        None => Ok(Kind::Expression(expression)),
        Some(token) => Err(unexpected(token)),
    }
}

/// Splits into words, commas and parentheses.
fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut start = 0;
    for (at, c) in text.char_indices() {
        if !c.is_whitespace() && !matches!(c, '(' | ')' | ',') {
            continue;
        }
        let end = at + c.len_utf8();
        tokens.extend(
            text.get(start..at).filter(|word| !word.is_empty()).map(|text| Token { text, at: start }),
        );
        if !c.is_whitespace() {
            tokens.extend(text.get(at..end).map(|text| Token { text, at }));
        }
        start = end;
    }
    tokens.extend(text.get(start..).filter(|word| !word.is_empty()).map(|text| Token { text, at: start }));
    tokens
}

struct Parser<'t> {
    tokens: Vec<Token<'t>>,
    at: usize,
    end: usize,
    atoms: usize,
}

impl<'t> Parser<'t> {
    fn peek(&self) -> Option<Token<'t>> {
        self.tokens.get(self.at).copied()
    }

    fn next(&mut self) -> Option<Token<'t>> {
        let token = self.peek();
        self.at += 1;
        token
    }

    fn expression(&mut self, depth: usize) -> Result<Expression, SyntaxError> {
        let first = self.term(depth)?;
        let Some(joint) = self.peek().filter(|token| matches!(token.text, "and" | "or")) else {
            return Ok(first);
        };
        let mut terms = vec![first];
        while let Some(token) = self.peek() {
            match token.text {
                "and" | "or" if token.text != joint.text => {
                    let message = "`and` and `or` are mixed without parentheses";
                    return Err(SyntaxError::new(token.at, token.text.len(), message)
                        .help("put parentheses around the part that belongs together: `a and (b or c)`"));
                }
                "and" | "or" => {
                    self.at += 1;
                    terms.push(self.term(depth)?);
                }
                _ => break,
            }
        }
        Ok(if joint.text == "and" { Expression::All(terms) } else { Expression::Any(terms) })
    }

    fn term(&mut self, depth: usize) -> Result<Expression, SyntaxError> {
        if depth > MAX_DEPTH {
            return Err(SyntaxError::new(
                0,
                self.end,
                format!("the requirement nests deeper than {MAX_DEPTH} levels"),
            ));
        }
        let Some(token) = self.next() else {
            return Err(SyntaxError::new(self.end, 0, "the requirement ends too early"));
        };
        match token.text {
            "not" => Ok(Expression::Not(Box::new(self.term(depth + 1)?))),
            "(" => {
                let inner = self.expression(depth + 1)?;
                self.expect(")", token.at)?;
                Ok(inner)
            }
            ")" | "," | "and" | "or" => Err(unexpected(token)),
            _ => self.atom(token),
        }
    }

    fn atom(&mut self, token: Token<'t>) -> Result<Expression, SyntaxError> {
        self.atoms += 1;
        if self.atoms > MAX_ATOMS {
            return Err(SyntaxError::new(
                token.at,
                token.text.len(),
                format!("more than {MAX_ATOMS} conditions"),
            ));
        }
        match token.text {
            "authenticated" => Ok(Expression::Authenticated),
            "org" => Ok(Expression::Organization),
            "role" => self.role(token),
            "via" => {
                Err(SyntaxError::new(token.at, token.text.len(), "`via(…)` is not supported by this version"))
            }
            "public" | "optional" | "deny" => {
                Err(SyntaxError::new(token.at, token.text.len(), format!("`{}` stands alone", token.text)))
            }
            text => permission(text, token.at),
        }
    }

    fn role(&mut self, token: Token<'t>) -> Result<Expression, SyntaxError> {
        let example = "name the roles: `role(owner, admin)`";
        match self.next() {
            Some(open) if open.text == "(" => {}
            _ => {
                return Err(
                    SyntaxError::new(token.at, token.text.len(), "`role` names no role").help(example)
                );
            }
        }
        let mut roles = Vec::new();
        loop {
            match self.next() {
                Some(name) if !matches!(name.text, "(" | ")" | ",") => {
                    let role = RoleName::parse(name.text).map_err(|error| {
                        SyntaxError::new(name.at, name.text.len(), format!("the role {error}"))
                    })?;
                    roles.push(Name { name: role, at: name.at });
                }
                _ => {
                    return Err(
                        SyntaxError::new(token.at, token.text.len(), "`role` names no role").help(example)
                    );
                }
            }
            match self.next().map(|token| token.text) {
                Some(",") => {}
                Some(")") => return Ok(Expression::Role(roles)),
                _ => {
                    return Err(
                        SyntaxError::new(token.at, token.text.len(), "`role(` is not closed").help(example)
                    );
                }
            }
        }
    }

    fn expect(&mut self, text: &str, opened: usize) -> Result<(), SyntaxError> {
        match self.next() {
            Some(token) if token.text == text => Ok(()),
            Some(token) => Err(unexpected(token)),
            None => Err(SyntaxError::new(opened, 1, "this parenthesis is not closed")),
        }
    }
}

fn permission(text: &str, at: usize) -> Result<Expression, SyntaxError> {
    let error = |message: String| SyntaxError::new(at, text.len(), message);
    if matches!(text, "AND" | "OR" | "NOT" | "&&" | "||" | "!" | "|" | "&") {
        return Err(error(format!("`{text}` is no word of the language"))
            .help("the joints are `and`, `or` and `not`"));
    }
    if text.contains("==") || text.contains("!=") || text.contains('"') {
        return Err(error("comparisons are not supported by this version".into()));
    }
    if RESERVED.contains(&text) || text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(error(format!("`{text}` cannot be the name of a permission")));
    }
    let reserved = ["path.", "query.", "header.", "host.", "claims.", "org."];
    if reserved.iter().any(|prefix| text.starts_with(prefix)) || text == "sub" {
        return Err(error(format!(
            "`{text}` is a value to compare, and comparisons are not supported by this version"
        )));
    }
    match Permission::parse(text) {
        Ok(name) => Ok(Expression::Permission(Name { name, at })),
        Err(problem) => Err(error(format!("`{text}` is no permission: {problem}"))),
    }
}

const JOINTS: &str = "the joints are `and`, `or` and `not`";

/// Words by which other languages join conditions.
fn is_foreign_joint(text: &str) -> bool {
    matches!(text, "AND" | "OR" | "NOT" | "&&" | "||" | "!" | "|" | "&")
}

fn unexpected(token: Token<'_>) -> SyntaxError {
    let error = SyntaxError::new(token.at, token.text.len(), format!("`{}` cannot stand here", token.text));
    match token.text {
        "," => error.help("join permissions with `and` or `or`"),
        ")" | "(" => error,
        text if is_foreign_joint(text) => error.help(JOINTS),
        _ => error.help("join what must hold with `and` or `or`"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Requirement;
    use super::*;

    /// The tree in a form that shows its structure.
    fn tree(text: &str) -> String {
        fn show(expression: &Expression) -> String {
            let join = |terms: &[Expression], word: &str| {
                format!("({})", terms.iter().map(show).collect::<Vec<_>>().join(word))
            };
            match expression {
                Expression::Permission(name) => name.name.to_string(),
                Expression::Role(names) => {
                    format!("role:{}", names.iter().map(|n| n.name.as_str()).collect::<Vec<_>>().join("/"))
                }
                Expression::Authenticated => "AUTH".into(),
                Expression::Organization => "ORG".into(),
                Expression::Not(inner) => format!("!{}", show(inner)),
                Expression::All(terms) => join(terms, "&"),
                Expression::Any(terms) => join(terms, "|"),
            }
        }
        match Requirement::parse(text).unwrap().kind() {
            Kind::Public => "public".into(),
            Kind::Optional => "optional".into(),
            Kind::Deny => "deny".into(),
            Kind::Expression(expression) => show(expression),
        }
    }

    #[test]
    fn requirements_mean_what_they_say() {
        for (text, expected) in [
            ("public", "public"),
            ("  optional ", "optional"),
            ("read", "read"),
            ("org:members:write", "org:members:write"),
            ("read and write and org", "(read&write&ORG)"),
            ("invite or change_roles", "(invite|change_roles)"),
            ("read and (write or not role(viewer))", "(read&(write|!role:viewer))"),
            ("role(owner, admin)", "role:owner/admin"),
            ("not not authenticated", "!!AUTH"),
            ("orgs", "orgs"),
        ] {
            assert_eq!(tree(text), expected, "{text}");
        }
    }

    #[test]
    fn errors_point_at_the_word() {
        for (text, at, message) in [
            ("", 0, "the rule demands nothing"),
            ("read and", 8, "the requirement ends too early"),
            ("read write", 5, "`write` cannot stand here"),
            ("read, write", 4, "`,` cannot stand here"),
            ("a and b or c", 8, "`and` and `or` are mixed without parentheses"),
            ("public and read", 0, "`public` stands alone"),
            ("read and public", 9, "`public` stands alone"),
            ("(read", 0, "this parenthesis is not closed"),
            ("read)", 4, "`)` cannot stand here"),
            ("role", 0, "`role` names no role"),
            ("via(stripe)", 0, "`via(…)` is not supported by this version"),
            ("role()", 0, "`role` names no role"),
            ("role(a b)", 0, "`role(` is not closed"),
            ("true", 0, "`true` cannot be the name of a permission"),
            ("read && write", 5, "`&&` cannot stand here"),
            ("read AND write", 5, "`AND` cannot stand here"),
            ("42", 0, "`42` cannot be the name of a permission"),
            (
                "path.id",
                0,
                "`path.id` is a value to compare, and comparisons are not supported by this version",
            ),
            (
                "wri*",
                0,
                "`wri*` is no permission: a permission cannot hold '*' here; letters, digits and `._:/-` fit",
            ),
        ] {
            let error = Requirement::parse(text).unwrap_err();
            assert_eq!((error.at, error.message.as_str()), (at, message), "{text}");
        }
        assert!(Requirement::parse(&"(".repeat(100)).is_err());
        assert!(Requirement::parse(&vec!["a"; 65].join(" and ")).is_err());
    }
}
