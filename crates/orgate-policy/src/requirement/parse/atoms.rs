//! The parts of a requirement that are not joints.

use orgate_claims::{Permission, RoleName};

use super::{JOINTS, Parser, is_foreign_joint, tokens::Token};
use crate::{
    SyntaxError,
    requirement::{Comparison, Expression, MAX_ATOMS, Name, Operand, Operator, is_reserved},
};

/// The longest time that `fresh(…)` can name: a year.
const MAX_FRESH: u32 = 366 * 24 * 60 * 60;

impl<'t> Parser<'t> {
    pub(super) fn atom(&mut self, token: Token<'t>) -> Result<Expression, SyntaxError> {
        self.atoms += 1;
        if self.atoms > MAX_ATOMS {
            return Err(token.error(format!("more than {MAX_ATOMS} conditions")));
        }
        if let Some(operator) = self.peek().and_then(operator) {
            self.at += 1;
            return self.comparison(token, operator);
        }
        match token.word() {
            "authenticated" => Ok(Expression::Authenticated),
            "org" => Ok(Expression::Organization),
            "role" => self.role(token),
            "via" => self.via(token),
            "acr" => self.acr(token),
            "fresh" => self.fresh(token),
            "public" | "optional" | "deny" => Err(token.error(format!("`{}` stands alone", token.text))),
            _ => permission(token),
        }
    }

    fn comparison(&mut self, token: Token<'t>, operator: Operator) -> Result<Expression, SyntaxError> {
        let left = operand(token)?;
        let Some(other) = self.next() else {
            return Err(SyntaxError::new(self.end, 0, "the requirement ends too early"));
        };
        let right = operand(other)?;
        let len = other.at + other.len() - token.at;
        let whole = |message: &str| SyntaxError::new(token.at, len, message);
        if left.is_constant() && right.is_constant() {
            return Err(whole("this compares two values that never change"));
        }
        if operator == Operator::In && !matches!(right, Operand::Claim(_)) {
            return Err(other.error("`in` asks what a claim holds").help("write `sub in claims.members`"));
        }
        if left == right {
            return Err(whole("this compares a value with itself"));
        }
        let types_differ =
            |a: &Operand, b: &Operand| matches!(a, Operand::Bool(_)) && !matches!(b, Operand::Claim(_));
        if types_differ(&left, &right) || types_differ(&right, &left) {
            return Err(
                whole("only a claim can be true or false").help("put the word into quotes to compare a text")
            );
        }
        Ok(Expression::Compare(Comparison { left, operator, right, at: token.at, len }))
    }

    fn role(&mut self, token: Token<'t>) -> Result<Expression, SyntaxError> {
        let example = "name the roles: `role(owner, admin)`";
        let names = self.arguments(token, "`role` names no role", example)?;
        let role = |name: &Token<'t>| {
            let role = RoleName::parse(name.text).map_err(|error| name.error(format!("the role {error}")))?;
            Ok(Name { name: role, at: name.at })
        };
        names.iter().map(role).collect::<Result<_, _>>().map(Expression::Role)
    }

    fn via(&mut self, token: Token<'t>) -> Result<Expression, SyntaxError> {
        let example = "name one of the `authenticators:`: `via(stripe)`";
        match self.arguments(token, "`via` names no authenticator", example)?.as_slice() {
            [name] if !name.quoted => Ok(Expression::Via(Name { name: name.text.into(), at: name.at })),
            _ => Err(token.error("`via` names exactly one authenticator").help(example)),
        }
    }

    fn acr(&mut self, token: Token<'t>) -> Result<Expression, SyntaxError> {
        let example = "name the classes as texts: `acr(\"mfa\")`";
        let classes = self.arguments(token, "`acr` names no class", example)?;
        let class = |class: &Token<'t>| {
            // RFC 9470 §3: a space-separated list of values inside a quoted string.
            let fits =
                !class.text.is_empty() && class.text.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
            match (class.quoted, fits) {
                (true, true) => Ok(class.text.into()),
                (true, false) => Err(class.error("a class is visible ASCII without spaces")),
                (false, _) => Err(class.error("a class is a text").help(example)),
            }
        };
        classes.iter().map(class).collect::<Result<_, _>>().map(Expression::Acr)
    }

    fn fresh(&mut self, token: Token<'t>) -> Result<Expression, SyntaxError> {
        let example = "say how long ago the sign-in may be: `fresh(15m)`";
        let durations = self.arguments(token, "`fresh` names no time", example)?;
        let [time] = durations.as_slice() else {
            return Err(token.error("`fresh` takes one time").help(example));
        };
        match seconds(time.text).filter(|seconds| (1..=MAX_FRESH).contains(seconds)) {
            Some(seconds) => Ok(Expression::Fresh(seconds)),
            None => Err(time.error(format!("`{}` is no time of at most 366 days", time.text)).help(example)),
        }
    }

    /// What stands in the parentheses behind `token`, between the commas.
    fn arguments(
        &mut self,
        token: Token<'t>,
        none: &str,
        example: &str,
    ) -> Result<Vec<Token<'t>>, SyntaxError> {
        let nothing = || token.error(none).help(example);
        match self.next() {
            Some(open) if open.word() == "(" => {}
            _ => return Err(nothing()),
        }
        let mut arguments = Vec::new();
        loop {
            match self.next() {
                Some(name) if !matches!(name.word(), "(" | ")" | ",") => arguments.push(name),
                _ => return Err(nothing()),
            }
            match self.next().map(Token::word) {
                Some(",") => {}
                Some(")") => return Ok(arguments),
                _ => {
                    return Err(token.error(format!("`{}(` is not closed", token.text)).help(example));
                }
            }
        }
    }
}

fn operator(token: Token<'_>) -> Option<Operator> {
    match token.word() {
        "==" => Some(Operator::Equal),
        "!=" => Some(Operator::Unequal),
        "in" => Some(Operator::In),
        _ => None,
    }
}

fn operand(token: Token<'_>) -> Result<Operand, SyntaxError> {
    if token.quoted {
        return Ok(Operand::Text(token.text.into()));
    }
    let named = |name: &str, what: &str| {
        let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        match starts && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            true => Ok(Box::from(name)),
            false => Err(token.error(format!("`{name}` is no name of a parameter of the {what}"))),
        }
    };
    match token.text {
        "org.id" => return Ok(Operand::OrganizationId),
        "org.slug" => return Ok(Operand::OrganizationSlug),
        "sub" => return Ok(Operand::Subject),
        "true" => return Ok(Operand::Bool(true)),
        "false" => return Ok(Operand::Bool(false)),
        _ => {}
    }
    match token.text.split_once('.') {
        Some(("path", name)) => named(name, "path").map(Operand::Path),
        Some(("host", name)) => named(name, "host").map(Operand::Host),
        Some(("query", name)) if !name.is_empty() => Ok(Operand::Query(name.into())),
        Some(("header", name)) if is_header(name) => Ok(Operand::Header(name.to_ascii_lowercase().into())),
        Some(("header", name)) => Err(token.error(format!("`{name}` is no name of a header"))),
        Some(("claims", name)) if !name.is_empty() => Ok(Operand::Claim(name.into())),
        _ if !token.text.is_empty() && token.text.bytes().all(|b| b.is_ascii_digit()) => {
            Ok(Operand::Text(token.text.into()))
        }
        _ => Err(token
            .error(format!("`{}` is no value to compare", token.text))
            .help("values are `path.…`, `query.…`, `header.…`, `host.…`, `claims.…`, `org.id`, `org.slug`, `sub`, and texts in quotes")),
    }
}

/// RFC 9110 §5.1.
fn is_header(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

fn seconds(text: &str) -> Option<u32> {
    let unit = text.chars().last()?;
    let number = text.strip_suffix(unit)?;
    if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let factor = match unit {
        's' => 1,
        'm' => 60,
        'h' => 60 * 60,
        'd' => 24 * 60 * 60,
        _ => return None,
    };
    number.parse::<u32>().ok()?.checked_mul(factor)
}

fn permission(token: Token<'_>) -> Result<Expression, SyntaxError> {
    let text = token.text;
    if token.quoted {
        return Err(token.error("a text cannot stand alone").help("compare it: `claims.plan == \"pro\"`"));
    }
    if is_foreign_joint(text) {
        return Err(token.error(format!("`{text}` is no word of the language")).help(JOINTS));
    }
    let reserved = is_reserved(text);
    if text.contains('=') && (text.contains("==") || text.contains("!=")) {
        return Err(token
            .error(format!("`{text}` is no word of the language"))
            .help("put spaces around `==` and `!=`"));
    }
    // Whatever can be compared is kept for that.
    if reserved
        && matches!(operand(token), Ok(value) if !matches!(value, Operand::Text(_) | Operand::Bool(_)))
    {
        return Err(token
            .error(format!("`{text}` is a value and needs something to compare it with"))
            .help(format!("write `{text} == …`")));
    }
    if reserved {
        return Err(token.error(format!("`{text}` cannot be the name of a permission")));
    }
    match Permission::parse(text) {
        Ok(name) => Ok(Expression::Permission(Name { name, at: token.at })),
        Err(problem) => Err(token.error(format!("`{text}` is no permission: {problem}"))),
    }
}
