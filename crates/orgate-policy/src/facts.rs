//! What a decision may ask of a request besides its target.

use std::borrow::Cow;

use orgate_claims::UnixTime;

/// What stands under a name that may stand there several times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup<'a> {
    /// Nothing.
    Absent,
    /// One value.
    One(Cow<'a, str>),
    /// More than one, or one that is no text: whoever reads it next may read another value than we do.
    Several,
}

impl Lookup<'_> {
    /// Whether it is this one value.
    #[must_use]
    pub fn is(&self, text: &str) -> bool {
        matches!(self, Self::One(value) if **value == *text)
    }
}

/// The header fields of a request.
pub trait Headers {
    /// The value of the field `name`, which is in lower case.
    fn get(&self, name: &str) -> Lookup<'_>;
}

/// A request without header fields.
#[derive(Clone, Copy, Debug)]
struct NoHeaders;

impl Headers for NoHeaders {
    fn get(&self, _name: &str) -> Lookup<'_> {
        Lookup::Absent
    }
}

/// What a decision may ask of a request besides its target.
#[derive(Clone, Copy)]
pub struct Facts<'r> {
    /// Its header fields.
    pub headers: &'r dyn Headers,
    /// The time at which it is judged.
    pub now: UnixTime,
}

impl Facts<'_> {
    /// A request without header fields, judged at `now`.
    #[must_use]
    pub fn at(now: UnixTime) -> Self {
        Self { headers: &NoHeaders, now }
    }
}

impl std::fmt::Debug for Facts<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Header fields hold secrets.
        f.debug_struct("Facts").field("now", &self.now).finish_non_exhaustive()
    }
}
