//! The parser of requirements: recursive descent over words, strings and parentheses.

mod atoms;
mod tokens;

use super::{Expression, Kind};
use crate::SyntaxError;
use tokens::{Token, tokens};

/// How deep parentheses and `not` may nest.
const MAX_DEPTH: usize = 16;

pub(super) fn requirement(text: &str) -> Result<Kind, SyntaxError> {
    let mut parser = Parser { tokens: tokens(text)?, at: 0, end: text.len(), atoms: 0 };
    let Some(first) = parser.peek() else {
        return Err(SyntaxError::new(0, 0, "the rule demands nothing")
            .help("write a permission, `authenticated`, or `public`"));
    };
    let whole = match first.word() {
        "public" => Some(Kind::Public),
        "optional" => Some(Kind::Optional),
        "deny" => Some(Kind::Deny),
        _ => None,
    };
    if let Some(kind) = whole {
        parser.at += 1;
        return match parser.peek() {
            None => Ok(kind),
            Some(_) => Err(first.error(format!("`{}` stands alone", first.text))),
        };
    }
    let expression = parser.expression(0)?;
    if let Some(token) = parser.peek() {
        return Err(unexpected(token));
    }
    check_authenticator(&expression, true, &mut false)?;
    Ok(Kind::Expression(expression))
}

/// `via(…)` takes the place of the token, so it can stand only where nothing else decides about it.
fn check_authenticator(expression: &Expression, on_top: bool, seen: &mut bool) -> Result<(), SyntaxError> {
    match expression {
        Expression::Via(name) if !on_top => {
            Err(SyntaxError::new(name.at, name.name.len(), "`via(…)` cannot stand under `or` or `not`")
                .help("a rule has one way to authenticate; join the rest with `and`: `via(ci) and write`"))
        }
        Expression::Via(name) if *seen => {
            Err(SyntaxError::new(name.at, name.name.len(), "a rule has at most one `via(…)`"))
        }
        Expression::Via(_) => {
            *seen = true;
            Ok(())
        }
        Expression::Not(inner) => match inner.walk().find(|part| is_step_up(part)) {
            Some(_) => Err(SyntaxError::new(0, 3, "`acr(…)` and `fresh(…)` cannot stand under `not`")
                .help("they ask for a stronger or newer sign-in; nobody can sign in less")),
            None => check_authenticator(inner, false, seen),
        },
        Expression::All(terms) => terms.iter().try_for_each(|term| check_authenticator(term, on_top, seen)),
        Expression::Any(terms) => terms.iter().try_for_each(|term| check_authenticator(term, false, seen)),
        _ => Ok(()),
    }
}

fn is_step_up(expression: &Expression) -> bool {
    matches!(expression, Expression::Acr(_) | Expression::Fresh(_))
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
        let Some(joint) = self.peek().filter(|token| matches!(token.word(), "and" | "or")) else {
            return Ok(first);
        };
        let mut terms = vec![first];
        while let Some(token) = self.peek() {
            match token.word() {
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
        match token.word() {
            "not" => Ok(Expression::Not(Box::new(self.term(depth + 1)?))),
            "(" => {
                let inner = self.expression(depth + 1)?;
                self.expect(")", token.at)?;
                Ok(inner)
            }
            ")" | "," | "and" | "or" | "in" | "==" | "!=" => Err(unexpected(token)),
            _ => self.atom(token),
        }
    }

    fn expect(&mut self, text: &str, opened: usize) -> Result<(), SyntaxError> {
        match self.next() {
            Some(token) if token.word() == text => Ok(()),
            Some(token) => Err(unexpected(token)),
            None => Err(SyntaxError::new(opened, 1, "this parenthesis is not closed")),
        }
    }
}

const JOINTS: &str = "the joints are `and`, `or` and `not`";

/// Words by which other languages join conditions.
fn is_foreign_joint(text: &str) -> bool {
    matches!(text, "AND" | "OR" | "NOT" | "&&" | "||" | "!" | "|" | "&")
}

fn unexpected(token: Token<'_>) -> SyntaxError {
    let error = token.error(format!("`{}` cannot stand here", token.text));
    match token.word() {
        "," => error.help("join permissions with `and` or `or`"),
        "==" | "!=" | "in" => error.help("compare values such as `path.id`, `claims.team` or \"a text\""),
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
                Expression::Compare(comparison) => format!("[{comparison}]"),
                Expression::Via(name) => format!("via:{}", name.name),
                Expression::Condition(name, _) => name.name.to_string(),
                Expression::Not(inner) => format!("!{}", show(inner)),
                Expression::All(terms) => join(terms, "&"),
                Expression::Any(terms) => join(terms, "|"),
                Expression::Acr(_) | Expression::Fresh(_) => expression.atom().unwrap(),
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
            ("path.team_id == claims.team_id", "[path.team_id == claims.team_id]"),
            ("write and query.dry != \"true\"", "(write&[query.dry != \"true\"])"),
            ("header.X-Tier == \"a (b), c\"", "[header.x-tier == \"a (b), c\"]"),
            ("claims.https://x.io/level == 3", "[claims.https://x.io/level == \"3\"]"),
            ("claims.email_verified == true", "[claims.email_verified == true]"),
            ("org.id == path.org or sub in claims.members", "([org.id == path.org]|[sub in claims.members])"),
            ("not (host.tenant == org.slug)", "![host.tenant == org.slug]"),
            (
                "delete_org and acr(\"mfa\", \"phr\") and fresh(15m)",
                "(delete_org&acr(\"mfa\", \"phr\")&fresh(900s))",
            ),
            ("via(ci) and write", "(via:ci&write)"),
            ("(read and (via(ci) and write))", "(read&(via:ci&write))"),
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
            ("via", 0, "`via` names no authenticator"),
            ("via(a, b)", 0, "`via` names exactly one authenticator"),
            ("via(a) and via(b)", 15, "a rule has at most one `via(…)`"),
            ("read or via(a)", 12, "`via(…)` cannot stand under `or` or `not`"),
            ("read and not via(a)", 17, "`via(…)` cannot stand under `or` or `not`"),
            ("not (read and fresh(1h))", 0, "`acr(…)` and `fresh(…)` cannot stand under `not`"),
            ("read and fresh(15)", 15, "`15` is no time of at most 366 days"),
            ("fresh(0s)", 6, "`0s` is no time of at most 366 days"),
            ("fresh(4294967295d)", 6, "`4294967295d` is no time of at most 366 days"),
            ("acr(mfa)", 4, "a class is a text"),
            ("acr(\"m fa\")", 4, "a class is visible ASCII without spaces"),
            ("\"a\" == \"b\"", 0, "this compares two values that never change"),
            ("path.x == path.x", 0, "this compares a value with itself"),
            ("path.x == true", 0, "only a claim can be true or false"),
            ("sub in path.x", 7, "`in` asks what a claim holds"),
            ("path.x ==", 9, "the requirement ends too early"),
            ("path.x == read", 10, "`read` is no value to compare"),
            ("read == path.x", 0, "`read` is no value to compare"),
            ("path.a-b == sub", 0, "`a-b` is no name of a parameter of the path"),
            ("header.a:b == sub", 0, "`a:b` is no name of a header"),
            ("== path.x", 0, "`==` cannot stand here"),
            ("path.x==sub", 0, "`path.x==sub` is no word of the language"),
            ("\"text\"", 0, "a text cannot stand alone"),
            ("claims.plan == \"pro", 15, "this quote is not closed"),
            ("\"public\"", 0, "a text cannot stand alone"),
            ("role()", 0, "`role` names no role"),
            ("role(a b)", 0, "`role(` is not closed"),
            ("true", 0, "`true` cannot be the name of a permission"),
            ("read && write", 5, "`&&` cannot stand here"),
            ("read AND write", 5, "`AND` cannot stand here"),
            ("42", 0, "`42` cannot be the name of a permission"),
            ("path.id", 0, "`path.id` is a value and needs something to compare it with"),
            ("sub", 0, "`sub` is a value and needs something to compare it with"),
            ("claims.", 0, "`claims.` cannot be the name of a permission"),
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
