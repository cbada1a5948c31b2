//! `limit: 100/s per org`: how often the callers of a rule may ask.
//!
//! This says what is meant and reads it; counting needs a clock and memory, and is the gate's. A limit decides nothing
//! about who gets in: it is looked at when everything else let the request pass.

use std::{fmt, time::Duration};

use crate::{
    BindTarget, PolicyError, RuleMatch, RuleSpec, SyntaxError,
    bind::{BindSource, BindSpec, bound},
    requirement::{Expression, Kind, Operand},
};

/// The most requests that a limit can allow in its time.
const MAX_REQUESTS: u32 = 1_000_000;

/// How often the callers of a rule may ask: so many requests in a time, each caller counted apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limit {
    requests: u32,
    unit: Unit,
    per: LimitPer,
}

/// Who is counted as one caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LimitPer {
    /// Everybody who acts in one organization. Who acts in none is counted by himself.
    Organization,
    /// Each subject of each issuer.
    Subject,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Unit {
    Second,
    Minute,
    Hour,
}

impl Limit {
    /// Reads `N/s per org`: units `s`, `m` and `h`, per `org` or `sub`.
    ///
    /// # Errors
    /// [`SyntaxError`] with the byte offset in `text`.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        let help = "write it like `100/s per org` or `20/m per sub`; the units are `s`, `m` and `h`";
        let error = |at: usize, len: usize, message: String| SyntaxError::new(at, len, message).help(help);
        let words: Vec<&str> = text.split(' ').collect();
        let &[rate, "per", per] = words.as_slice() else {
            return Err(error(0, text.len(), format!("`{text}` is no limit")));
        };
        let (number, unit) =
            rate.split_once('/').ok_or_else(|| error(0, rate.len(), format!("`{rate}` is no rate")))?;
        let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        let requests = number.parse::<u32>().ok().filter(|_| digits && !number.starts_with('0'));
        let requests = requests.filter(|requests| *requests <= MAX_REQUESTS).ok_or_else(|| {
            let message = format!("`{number}` is no number of requests from 1 to {MAX_REQUESTS}");
            error(0, number.len(), message)
        })?;
        let unit = match unit {
            "s" => Unit::Second,
            "m" => Unit::Minute,
            "h" => Unit::Hour,
            _ => return Err(error(number.len() + 1, unit.len(), format!("`{unit}` is no unit of time"))),
        };
        let per = match per {
            "org" => LimitPer::Organization,
            "sub" => LimitPer::Subject,
            _ => {
                let at = rate.len() + " per ".len();
                return Err(error(at, per.len(), format!("a limit cannot be per `{per}`")));
            }
        };
        Ok(Self { requests, unit, per })
    }

    /// How many requests are allowed in the time.
    #[must_use]
    pub fn requests(self) -> u32 {
        self.requests
    }

    /// The time.
    #[must_use]
    pub fn period(self) -> Duration {
        Duration::from_secs(match self.unit {
            Unit::Second => 1,
            Unit::Minute => 60,
            Unit::Hour => 60 * 60,
        })
    }

    /// Who is counted as one caller.
    #[must_use]
    pub fn per(self) -> LimitPer {
        self.per
    }

    /// Whether there is a request that this one allows and `other` does not.
    #[must_use]
    pub fn allows_more_than(self, other: Self) -> bool {
        let burst = self.requests > other.requests;
        let rate = |limit: Self| u64::from(limit.requests) * (60 * 60 / limit.period().as_secs());
        burst || rate(self) > rate(other) || self.per != other.per
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.unit {
            Unit::Second => 's',
            Unit::Minute => 'm',
            Unit::Hour => 'h',
        };
        let per = match self.per {
            LimitPer::Organization => "org",
            LimitPer::Subject => "sub",
        };
        write!(f, "{}/{unit} per {per}", self.requests)
    }
}

impl RuleMatch<'_> {
    /// How often its callers may ask.
    #[must_use]
    pub fn limit(&self) -> Option<Limit> {
        self.rule.limit
    }
}

/// A limit on a rule that knows no callers, or has none.
pub(crate) fn without_callers(rule: &RuleSpec) -> Option<PolicyError> {
    let limit = rule.limit?;
    let (message, help) = match rule.requirement.kind() {
        Kind::Public => (
            format!("`limit: {limit}` counts callers, and a public rule does not know who calls"),
            "demand a credential, or limit in front of the gate, by address",
        ),
        Kind::Optional => (
            format!("`limit: {limit}` counts callers, and an optional rule lets in some who are nobody"),
            "demand a credential, or limit in front of the gate, by address",
        ),
        Kind::Deny => (format!("`limit: {limit}` of a rule that lets nobody in"), "leave it away"),
        Kind::Expression(_) => return None,
    };
    Some(PolicyError::new("E059", rule.place, message).help(help))
}

/// A limit for each organization on a rule whose callers need none. What an authenticator accepts is known before, and is
/// not the matter of this.
pub(crate) fn without_organization(rule: &RuleSpec, bind: &[BindSpec]) -> Option<PolicyError> {
    let limit = rule.limit.filter(|limit| limit.per == LimitPer::Organization)?;
    let expression = rule.requirement.expression()?;
    let bound = bound(rule, bind).any(|bind| {
        matches!(bind.source, BindSource::Path(_) | BindSource::Host(_))
            && bind.targets.iter().all(BindTarget::is_organization)
    });
    if bound || rule.requirement.authenticator().is_some() || implies_organization(expression) {
        return None;
    }
    let message = format!(
        "`limit: {limit}` counts callers without an organization one by one, and `{}` lets them in",
        rule.requirement.as_str()
    );
    let help = format!("demand one: `({}) and org`", rule.requirement.as_str());
    Some(PolicyError::new("W025", rule.place, message).help(help))
}

/// Whether it holds of nobody who has no active organization.
fn implies_organization(expression: &Expression) -> bool {
    let is_own = |operand: &Operand| matches!(operand, Operand::OrganizationId | Operand::OrganizationSlug);
    match expression {
        Expression::Organization => true,
        // What is absent makes a comparison false.
        Expression::Compare(comparison) => is_own(&comparison.left) || is_own(&comparison.right),
        Expression::Condition(_, inner) => implies_organization(inner),
        Expression::All(terms) => terms.iter().any(implies_organization),
        Expression::Any(terms) => terms.iter().all(implies_organization),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_read_back_as_written() {
        for (text, requests, seconds, per) in [
            ("100/s per org", 100, 1, LimitPer::Organization),
            ("1/m per sub", 1, 60, LimitPer::Subject),
            ("1000000/h per org", 1_000_000, 3600, LimitPer::Organization),
        ] {
            let limit = Limit::parse(text).unwrap();
            assert_eq!((limit.requests(), limit.period().as_secs(), limit.per()), (requests, seconds, per));
            assert_eq!(limit.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_limit_is_pointed_at() {
        for (text, at, len) in [
            ("", 0, 0),
            ("100/s", 0, 5),
            ("100 per org", 0, 3),
            ("100/s per  org", 0, 14),
            ("100/s each org", 0, 14),
            ("0/s per org", 0, 1),
            ("01/s per org", 0, 2),
            ("+1/s per org", 0, 2),
            ("-1/s per org", 0, 2),
            ("/s per org", 0, 0),
            ("1000001/s per org", 0, 7),
            ("99999999999/s per org", 0, 11),
            ("10/d per org", 3, 1),
            ("10/ per org", 3, 0),
            ("10/s per ip", 9, 2),
        ] {
            let error = Limit::parse(text).unwrap_err();
            assert_eq!((error.at, error.len), (at, len), "{text}: {}", error.message);
        }
    }

    #[test]
    fn a_limit_allows_more_by_its_burst_its_rate_or_its_callers() {
        let more = |a: &str, b: &str| Limit::parse(a).unwrap().allows_more_than(Limit::parse(b).unwrap());
        assert!(!more("10/s per org", "10/s per org"));
        assert!(more("11/s per org", "10/s per org"));
        assert!(more("10/s per org", "100/m per org"), "the rate");
        assert!(more("100/m per org", "10/s per org"), "the burst");
        assert!(!more("10/h per org", "10/m per org"));
        assert!(more("1/s per sub", "10/s per org"));
    }
}
