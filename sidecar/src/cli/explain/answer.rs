//! What a request is answered with, and by which rule.

use orgate::{Code, Rejection, judge};
use orgate_claims::{Principal, RoleName, Slug};
use orgate_config::PolicyFile;
use orgate_policy::{Facts, Found, RequestTarget};
use serde_json::{Map, Value, json};

/// The answer to one request.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) allowed: bool,
    /// What the client gets; 200 stands for whatever the application answers.
    pub(crate) status: u16,
    /// What the client is told.
    pub(crate) code: Option<Code>,
    /// The real reason; another than `code` where that hides it.
    pub(crate) reason: Option<Code>,
    /// The `WWW-Authenticate` of the answer.
    pub(crate) challenge: Option<String>,
    pub(crate) missing: Vec<String>,
    pub(crate) rule: Option<Rule>,
}

/// The rule that decided.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) key: String,
    pub(crate) requirement: String,
    pub(crate) place: orgate_policy::Place,
    parameters: Vec<(String, String)>,
    pub(crate) allowed_roles: Vec<String>,
}

impl Answer {
    /// What `principal` is answered; `None` stands for a caller without a credential.
    pub(crate) fn of(file: &PolicyFile, method: &str, path: &str, principal: Option<&Principal>) -> Self {
        let target = RequestTarget::parse(method, path);
        let subject = principal.map(|principal| file.policy.subject(principal));
        let judged = judge(
            &file.policy,
            &target,
            subject.as_ref(),
            &Facts::at(orgate::clock::now()),
            file.deny.into(),
        );
        let rejection = judged.as_ref().err();
        let found = target.as_ref().ok().map(|target| file.policy.find(target));
        let rule = match &found {
            Some(Found::Rule(found)) => Some(Rule {
                key: found.rule().to_owned(),
                requirement: found.requirement().to_owned(),
                place: found.place(),
                parameters: found.parameters().map(|(name, value)| (name.into(), value.into())).collect(),
                allowed_roles: found.allowed_roles().into_iter().map(str::to_owned).collect(),
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
    pub(crate) fn decision(&self) -> &'static str {
        if self.allowed { "allow" } else { "deny" }
    }

    /// The answer for machines.
    pub(crate) fn to_json(&self, file: &PolicyFile, principal: Option<&Principal>) -> Value {
        let rule = self.rule.as_ref();
        let parameters: Map<String, Value> = rule
            .iter()
            .flat_map(|rule| &rule.parameters)
            .map(|(name, value)| (name.clone(), value.as_str().into()))
            .collect();
        let mut object = json!({
            "decision": self.decision(),
            "status": self.status,
            "code": self.code.map(Code::as_str),
            "rule": rule.map(|rule| &rule.key),
            "file": rule.map(|rule| file.file_name(rule.place)),
            "line": rule.map(|rule| rule.place.line),
            "params": parameters,
            "required": rule.map(|rule| &rule.requirement),
            "missing": self.missing,
            "allowed_roles": rule.map(|rule| rule.allowed_roles.as_slice()).unwrap_or_default(),
            "principal": principal_json(file, principal),
            "challenge": self.challenge,
        });
        if let (Some(object), Some(reason)) = (object.as_object_mut(), self.hidden_reason()) {
            object.insert("reason".to_owned(), reason.as_str().into());
        }
        object
    }

    /// The real reason, where the client is told another.
    pub(crate) fn hidden_reason(&self) -> Option<Code> {
        self.reason.filter(|_| self.reason != self.code)
    }
}

/// The challenge of a refusal, taken from the very answer that a client would get.
fn challenge(rejection: &Rejection) -> Option<String> {
    let response = rejection.response(None);
    let value = response.headers().get(http::header::WWW_AUTHENTICATE)?;
    value.to_str().ok().map(str::to_owned)
}

/// The principal in the answers of the tools.
fn principal_json(file: &PolicyFile, principal: Option<&Principal>) -> Value {
    let Some(principal) = principal else { return Value::Null };
    let organization = principal.organization();
    let subject = file.policy.subject(principal);
    json!({
        "sub": principal.subject().as_str(),
        "org_id": organization.map(|organization| organization.id.as_str()),
        "org_slug": organization.and_then(|organization| organization.slug.as_ref()).map(Slug::as_str),
        "roles": principal.roles().iter().map(RoleName::as_str).collect::<Vec<_>>(),
        "permissions": file.policy.effective_permissions(&subject),
    })
}
