//! A request that somebody describes, and who makes it.

use std::borrow::Cow;

use orgate_claims::{Principal, UnixTime};
use orgate_config::PolicyFile;
use orgate_policy::{Facts, Headers, Lookup, RequestTarget, Subject, TargetError};

use crate::Code;
use crate::head::is_alias;

/// A request that somebody describes, and who makes it.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The method.
    pub method: &'a str,
    /// The path, with the query if there is one.
    pub path: &'a str,
    /// The host, as `Host` would name it.
    pub host: Option<&'a str>,
    /// The header fields; a name may stand there several times.
    pub headers: &'a [(String, String)],
    /// The caller, if there is a credential.
    pub principal: Option<&'a Principal>,
    /// Why the credential that the request carries is refused, if it is.
    pub refused: Option<(Code, &'a str)>,
    /// The authenticator that the request satisfies.
    pub via: Option<&'a str>,
    /// When it is asked.
    pub now: UnixTime,
}

impl<'a> Question<'a> {
    /// A request without header fields, of an anonymous caller.
    #[must_use]
    pub fn new(method: &'a str, path: &'a str, now: UnixTime) -> Self {
        Self { method, path, host: None, headers: &[], principal: None, refused: None, via: None, now }
    }

    /// The target, as a door would read it.
    pub(super) fn target(&self, file: &PolicyFile) -> Result<RequestTarget<'a>, TargetError> {
        file.policy.target(self.method, self.host, self.path)
    }

    /// The same question in the one form of its path, where the policy asks for that and `path` holds it.
    pub(super) fn in_form<'b>(&self, path: &'b Result<Cow<'a, str>, TargetError>) -> Question<'b>
    where
        'a: 'b,
    {
        Question { path: path.as_deref().unwrap_or(self.path), ..*self }
    }

    /// What else a decision may ask of the request.
    pub(super) fn facts<'f>(&self, headers: &'f GivenHeaders<'a>) -> Facts<'f> {
        Facts { headers, now: self.now }
    }

    pub(super) fn given_headers(&self) -> GivenHeaders<'a> {
        GivenHeaders(self.headers)
    }

    /// The caller as the rule sees it: where an authenticator is asked for, a token counts for nothing.
    pub(super) fn subject(&self, file: &PolicyFile, authenticator: Option<&str>) -> Option<Subject> {
        match authenticator {
            None => self.principal.map(|principal| file.subject(principal)),
            Some(name) => {
                let proven = file.authenticators.iter().find(|known| &*known.name == name);
                let proven = proven.filter(|_| self.via == Some(name))?;
                Some(file.policy.subject(&proven.principal).authenticated_by(name))
            }
        }
    }
}

/// Header fields as somebody wrote them down.
#[derive(Clone, Copy, Debug)]
pub(super) struct GivenHeaders<'a>(&'a [(String, String)]);

impl Headers for GivenHeaders<'_> {
    fn get(&self, name: &str) -> Lookup<'_> {
        // As at the door.
        if self.0.iter().any(|(known, _)| is_alias(known, name)) {
            return Lookup::Several;
        }
        let mut values = self.0.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        match (values.next(), values.next()) {
            (None, _) => Lookup::Absent,
            (Some((_, value)), None) => Lookup::One(Cow::Borrowed(value)),
            (Some(_), Some(_)) => Lookup::Several,
        }
    }
}
