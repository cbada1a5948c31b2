//! What a request is answered with, and by which rule.

use orgate_config::PolicyFile;
use orgate_policy::{Access, Found};

use super::Question;
use crate::{Code, Rejection, judge::judge, resource::metadata_of};

/// The answer to one request.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Answer {
    /// Whether the request may go on.
    pub allowed: bool,
    /// What the client gets; 200 stands for whatever the application answers.
    pub status: u16,
    /// What the client is told.
    pub code: Option<Code>,
    /// The real reason; another than `code` where that hides it.
    pub reason: Option<Code>,
    /// The `WWW-Authenticate` of the answer.
    pub challenge: Option<String>,
    /// The permissions whose lack made it fail.
    pub missing: Vec<String>,
    /// The rule that decided; `None` where none was found.
    pub rule: Option<AnswerRule>,
}

/// The rule that decided.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AnswerRule {
    /// Its key as written.
    pub key: String,
    /// Its requirement as written.
    pub requirement: String,
    /// Where it stands.
    pub place: orgate_policy::Place,
    /// The parameters of its path, with their values.
    pub parameters: Vec<(String, String)>,
    /// The roles whose holders would be let in, in their own organization.
    pub allowed_roles: Vec<String>,
    /// How often its callers may ask, as written. Here nothing is counted.
    pub limit: Option<String>,
}

impl Answer {
    /// What a request is answered.
    #[must_use]
    pub fn of(file: &PolicyFile, question: &Question<'_>) -> Self {
        let normal = file.policy.normalized(question.path);
        let question = &question.in_form(&normal);
        let target = normal.as_ref().map_err(|error| *error).and_then(|_| question.target(file));
        let found = target.as_ref().ok().map(|target| file.policy.find(target));
        let authenticator = match &found {
            Some(Found::Rule(found)) => match found.access() {
                Access::Authenticator(name) => Some(name),
                _ => None,
            },
            _ => None,
        };
        let subject = question.subject(file, authenticator);
        let headers = question.given_headers();
        let facts = question.facts(&headers);
        let judged = match (&found, question.refused) {
            (Some(Found::Rule(found)), Some((code, detail)))
                if matches!(found.access(), Access::Credential | Access::Optional) =>
            {
                Err(Rejection::new(code).with_rule(found.rule()).with_detail(detail))
            }
            _ => judge(&file.policy, &target, subject.as_ref(), &facts, file.deny.into()),
        };
        let metadata = file.resource.as_ref().map(|resource| metadata_of(&resource.url));
        let judged = judged.map_err(|rejection| rejection.naming(metadata.as_ref()));
        let rejection = judged.as_ref().err();
        let rule = match &found {
            Some(Found::Rule(found)) => Some(AnswerRule {
                key: found.rule().to_owned(),
                requirement: found.requirement().to_owned(),
                place: found.place(),
                parameters: found.parameters().map(|(name, value)| (name.into(), value.into())).collect(),
                allowed_roles: found.allowed_roles().into_iter().map(str::to_owned).collect(),
                limit: found.limit().map(|limit| limit.to_string()),
            }),
            _ => None,
        };
        Self {
            allowed: rejection.is_none(),
            status: rejection.map_or(200, |rejection| rejection.status().as_u16()),
            code: rejection.map(Rejection::code),
            reason: rejection.map(Rejection::reason),
            challenge: rejection.and_then(challenge),
            missing: rejection.map(|r| r.missing().map(str::to_owned).collect()).unwrap_or_default(),
            rule,
        }
    }

    /// `allow` or `deny`.
    #[must_use]
    pub fn decision(&self) -> &'static str {
        if self.allowed { "allow" } else { "deny" }
    }

    /// The real reason, where the client is told another.
    #[must_use]
    pub fn hidden_reason(&self) -> Option<Code> {
        self.reason.filter(|_| self.reason != self.code)
    }
}

/// The challenge of a refusal, taken from the very answer that a client would get.
fn challenge(rejection: &Rejection) -> Option<String> {
    let response = rejection.response(None);
    let value = response.headers().get(http::header::WWW_AUTHENTICATE)?;
    value.to_str().ok().map(str::to_owned)
}
