//! Methods become numbers.

use crate::key::{Methods, RuleKey};

/// The number of GET.
pub(crate) const GET: usize = 0;
/// The number of HEAD, which GET's rule answers where no rule names it.
pub(crate) const HEAD: usize = 1;
/// The methods with a fixed number, in its order.
const STANDARD: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
/// The number of every method that no rule names.
pub(crate) const OTHER: usize = STANDARD.len();

/// The methods a policy knows: the standard ones, one number for all unnamed, then those that rules name besides.
#[derive(Debug, Default)]
pub(crate) struct MethodNumbers {
    custom: Vec<Box<str>>,
}

impl MethodNumbers {
    /// The most methods besides the standard ones, so that a rule's methods fit into the bits of one word.
    pub(crate) const MAX_CUSTOM: usize = 48;

    /// The number of `name`, which is given one if it has none and there is room.
    pub(crate) fn add(&mut self, name: &str) -> Option<usize> {
        let known = self.number(name);
        if known != OTHER {
            return Some(known);
        }
        (self.custom.len() < Self::MAX_CUSTOM).then(|| {
            self.custom.push(name.into());
            OTHER + self.custom.len()
        })
    }

    pub(crate) fn number(&self, name: &str) -> usize {
        match name {
            "GET" => GET,
            "HEAD" => HEAD,
            "POST" => 2,
            "PUT" => 3,
            "PATCH" => 4,
            "DELETE" => 5,
            "OPTIONS" => 6,
            _ => self.custom.iter().position(|custom| **custom == *name).map_or(OTHER, |at| OTHER + 1 + at),
        }
    }

    /// How many numbers there are.
    pub(crate) fn count(&self) -> usize {
        OTHER + 1 + self.custom.len()
    }

    /// The methods that a rule covers, as bits by number: GET covers HEAD, `ANY` covers all.
    pub(crate) fn coverage(&self, methods: &Methods) -> u64 {
        match methods {
            Methods::Any => (1u64 << self.count()) - 1,
            Methods::Named(names) => names.iter().fold(0, |bits, name| {
                let number = self.number(name.as_str());
                bits | 1 << number | if number == GET { 1 << HEAD } else { 0 }
            }),
        }
    }

    /// How strongly a rule speaks for a method, the strongest first: by name, as GET for HEAD, as `ANY`.
    pub(crate) fn rank(&self, methods: &Methods, method: usize) -> Option<u8> {
        let names = |number| match methods {
            Methods::Any => false,
            Methods::Named(names) => names.iter().any(|name| self.number(name.as_str()) == number),
        };
        match methods {
            Methods::Any => Some(2),
            Methods::Named(_) if names(method) => Some(0),
            Methods::Named(_) => (method == HEAD && names(GET)).then_some(1),
        }
    }

    /// The methods that a rule names, as bits by number; `ANY` counts as a name of its own, the highest bit.
    pub(crate) fn named(&self, key: &RuleKey) -> u64 {
        match key.methods() {
            Methods::Any => 1 << 63,
            Methods::Named(names) => {
                names.iter().fold(0, |bits, name| bits | 1 << self.number(name.as_str()))
            }
        }
    }

    /// The name of the lowest-numbered method in `coverage`, for messages.
    pub(crate) fn example(&self, coverage: u64) -> &str {
        let number = coverage.trailing_zeros() as usize;
        match STANDARD.get(number) {
            Some(name) => name,
            None => {
                number.checked_sub(OTHER + 1).and_then(|at| self.custom.get(at)).map_or("ANY", |name| name)
            }
        }
    }
}
