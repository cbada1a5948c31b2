//! Decisions of the past, judged by another policy.
//!
//! A line of a decision log tells a part of a request. What the other policy says of it is a verdict only where the rest
//! makes no difference; otherwise it is said what would have to be known. Two things are taken as they were: a
//! credential that was refused stays refused, and a token that was accepted stays accepted and read as it was. What a
//! change of `issuers:` does is told by a comparison of the two policies.

use orgate_claims::{
    IssuerUrl, Organization, OrganizationId, Permission, Principal, RoleName, Slug, SubjectId,
};
use orgate_config::{PolicyFile, caller::SOMEBODY};
use orgate_policy::{Place, RequestTarget, Subject, Verdict, Witnessed};

/// What is known of the credential of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoggedCredential {
    /// There was none.
    None,
    /// It was refused.
    Refused,
    /// A token.
    Token,
    /// What this authenticator accepted.
    Via(String),
    /// Nothing: the rule did not ask.
    Unread,
}

/// A decision of the past.
#[derive(Clone, Debug)]
pub struct LoggedDecision {
    /// The method.
    pub method: String,
    /// The host that the request named.
    pub host: Option<String>,
    /// The path; segments in braces are not known.
    pub path: Option<String>,
    /// The rule that decided.
    pub rule: Option<String>,
    /// The code of the decision; what the policy would have said, where it was only observed.
    pub code: String,
    /// Whether the policy let it through.
    pub allowed: bool,
    /// What is known of the credential.
    pub credential: LoggedCredential,
    /// The issuer of the token.
    pub issuer: Option<String>,
    /// The caller's organization.
    pub org: Option<String>,
    /// Its slug.
    pub org_slug: Option<String>,
    /// The caller's roles.
    pub roles: Vec<String>,
    /// What the token said of permissions; `None` where it said nothing.
    pub permissions: Option<Vec<String>>,
}

/// What another policy says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replayed {
    /// The same.
    Same,
    /// It would be let through, and was not; by this rule, if it is known which.
    Opens(Option<(String, Place)>),
    /// It would not be let through, and was.
    Closes(Option<(String, Place)>),
    /// That depends on this.
    CannotTell(String),
}

/// Requests that have no rule because they cannot be read; no policy lets them through.
const UNREADABLE: [&str; 5] =
    ["bad_request", "bad_request_target", "request_timeout", "content_too_large", "expectation_failed"];

/// Refusals for a reason that is none of the policy's and may be over.
const PASSING: [(&str, &str); 5] = [
    ("keys_unavailable", "the credential"),
    ("stale_feed", "the credential"),
    ("csrf", "the credential"),
    ("rate_limited", "how many requests there were"),
    ("org_suspended", "whether the organization is suspended"),
];

/// What `file` says of a decision of the past.
#[must_use]
pub fn replay(file: &PolicyFile, logged: &LoggedDecision) -> Replayed {
    if logged.rule.is_none() && UNREADABLE.contains(&logged.code.as_str()) {
        return Replayed::Same;
    }
    if logged.code == "preflight" {
        return Replayed::CannotTell("what a browser's preflight asked for".to_owned());
    }
    let Some(path) = &logged.path else { return Replayed::CannotTell("the path".to_owned()) };
    let target =
        RequestTarget::parse(&logged.method, path).and_then(|target| target.at_host(logged.host.as_deref()));
    let Ok(target) = target else { return Replayed::CannotTell("the path".to_owned()) };
    let hidden: Vec<usize> = path
        .split('/')
        .skip(1)
        .enumerate()
        .filter(|(_, segment)| segment.starts_with('{') && segment.ends_with('}'))
        .map(|(at, _)| at)
        .collect();
    let subject = subject(file, logged);
    let passing = PASSING.iter().find(|(code, _)| *code == logged.code);
    let caller = match (&logged.credential, &subject) {
        (LoggedCredential::None, _) => Witnessed::Nobody,
        (LoggedCredential::Refused, _) => Witnessed::Refused,
        (LoggedCredential::Token | LoggedCredential::Via(_), Some(subject)) => Witnessed::Caller(subject),
        _ => Witnessed::Unread,
    };
    let recalled = file.policy.recall(&target, &hidden, caller);
    let rule = recalled.rule.map(|(rule, place)| (rule.to_owned(), place));
    match (recalled.verdict, logged.allowed, passing) {
        (Verdict::Unknown(gap), ..) => Replayed::CannotTell(gap.to_string()),
        // A rule that asks nothing lets it through whatever held then; another one might not.
        (Verdict::Allow, false, Some((_, why))) if !is_public(file, rule.as_ref()) => {
            Replayed::CannotTell((*why).to_owned())
        }
        (Verdict::Allow, false, _) => Replayed::Opens(rule),
        (Verdict::Deny, true, _) => Replayed::Closes(rule),
        _ => Replayed::Same,
    }
}

fn is_public(file: &PolicyFile, rule: Option<&(String, Place)>) -> bool {
    rule.is_some_and(|(_, place)| {
        file.policy.entries().any(|entry| entry.place == *place && !entry.can_deny && entry.can_allow)
    })
}

/// The caller as the policy sees it; `None` where a name in the log is none.
fn subject(file: &PolicyFile, logged: &LoggedDecision) -> Option<Subject> {
    if let LoggedCredential::Via(name) = &logged.credential {
        let spec = file.authenticators.iter().find(|spec| *spec.name == **name)?;
        return Some(file.policy.subject(&spec.principal).authenticated_by(name));
    }
    let names = |names: &[String]| -> Option<Vec<Permission>> {
        names.iter().map(|name| Permission::parse(name).ok()).collect()
    };
    let roles: Option<Vec<RoleName>> = logged.roles.iter().map(|name| RoleName::parse(name).ok()).collect();
    let organization = match &logged.org {
        Some(id) => {
            let slug = logged.org_slug.as_deref().map(Slug::parse).transpose().ok()?;
            Some(Organization::new(OrganizationId::parse(id).ok()?, slug))
        }
        None => None,
    };
    let permissions = match &logged.permissions {
        Some(permissions) => Some(names(permissions)?),
        None => None,
    };
    let issuer = IssuerUrl::parse(logged.issuer.as_deref()?).ok()?;
    let principal = Principal::builder(issuer, SubjectId::parse(SOMEBODY).ok()?)
        .organization(organization)
        .roles(roles?)
        .permissions(permissions)
        .build();
    Some(file.subject(&principal))
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = "version: 1
issuers: {main: {issuer: \"https://i.example\", audience: a, profile: orgate}}
authenticators: {ci: {type: api_key, header: x-a, sha256: {env: A}, as: {sub: ci, permissions: [read]}}}
rules:
  GET /healthz: public
  GET /docs/{id}: read
  POST /docs: write
  GET /orgs/{org_id}: read
  GET /fresh: read and fresh(5m)
  POST /hook: via(ci)
";

    fn logged(change: impl FnOnce(&mut LoggedDecision)) -> Replayed {
        let mut decision = LoggedDecision {
            method: "GET".to_owned(),
            host: None,
            path: Some("/docs/{id}".to_owned()),
            rule: Some("GET /docs/{id}".to_owned()),
            code: "allowed".to_owned(),
            allowed: true,
            credential: LoggedCredential::Token,
            issuer: Some("https://i.example".to_owned()),
            org: Some("org_acme".to_owned()),
            org_slug: Some("acme".to_owned()),
            roles: vec!["viewer".to_owned()],
            permissions: Some(vec!["read".to_owned()]),
        };
        change(&mut decision);
        replay(&orgate_config::compile("orgate.yaml", POLICY.as_bytes(), &|_| None).unwrap(), &decision)
    }

    fn cannot_tell(what: &str) -> Replayed {
        Replayed::CannotTell(what.to_owned())
    }

    #[test]
    fn what_would_change_is_told_with_the_rule_that_would_decide() {
        let at = |path: &str| Some(path.to_owned());
        assert_eq!(logged(|_| ()), Replayed::Same);
        let opened = logged(|d| (d.allowed, d.code) = (false, "missing_permission".to_owned()));
        assert!(matches!(opened, Replayed::Opens(Some((rule, _))) if rule == "GET /docs/{id}"));
        let closed = logged(|d| d.permissions = Some(Vec::new()));
        assert!(matches!(closed, Replayed::Closes(Some((rule, _))) if rule == "GET /docs/{id}"));
        assert_eq!(logged(|d| d.path = at("/gone")), Replayed::Closes(None));
        assert_eq!(logged(|d| d.path = at("/orgs/org_acme")), Replayed::Same);
        assert!(matches!(logged(|d| d.path = at("/orgs/{org_id}")), Replayed::Closes(Some(_))));
        let by_role = logged(|d| d.permissions = None);
        assert!(matches!(by_role, Replayed::Closes(_)), "a profile's roles are not expanded");
    }

    #[test]
    fn what_the_log_does_not_hold_is_never_guessed() {
        let at = |path: &str| Some(path.to_owned());
        assert_eq!(logged(|d| d.path = None), cannot_tell("the path"));
        assert_eq!(logged(|d| d.path = at("/fresh")), cannot_tell("how the caller signed in"));
        assert_eq!(logged(|d| d.credential = LoggedCredential::Unread), cannot_tell("the credential"));
        assert_eq!(
            logged(|d| (d.credential, d.issuer) = (LoggedCredential::Token, None)),
            cannot_tell("the credential")
        );
        assert_eq!(
            logged(|d| d.code = "preflight".to_owned()),
            cannot_tell("what a browser's preflight asked for")
        );
        let hook = |credential| {
            logged(|d| {
                (d.path, d.method, d.credential) = (Some("/hook".to_owned()), "POST".to_owned(), credential)
            })
        };
        assert_eq!(hook(LoggedCredential::Token), cannot_tell("the credential"));
        assert_eq!(hook(LoggedCredential::Via("ci".to_owned())), Replayed::Same);
        assert_eq!(hook(LoggedCredential::Via("gone".to_owned())), cannot_tell("the credential"));
    }

    #[test]
    fn refusals_for_passing_reasons_open_only_where_nothing_is_asked() {
        let refused = |code: &str, path: &str, credential| {
            logged(|d| {
                (d.allowed, d.code, d.credential) = (false, code.to_owned(), credential);
                d.path = Some(path.to_owned());
            })
        };
        assert_eq!(refused("expired_token", "/docs/7", LoggedCredential::Refused), Replayed::Same);
        assert!(matches!(
            refused("expired_token", "/healthz", LoggedCredential::Refused),
            Replayed::Opens(_)
        ));
        assert_eq!(
            refused("org_suspended", "/docs/7", LoggedCredential::Token),
            cannot_tell("whether the organization is suspended")
        );
        assert!(matches!(
            refused("keys_unavailable", "/healthz", LoggedCredential::Unread),
            Replayed::Opens(_)
        ));
        let unreadable = logged(|d| {
            (d.allowed, d.code, d.rule, d.path) = (false, "bad_request_target".to_owned(), None, None);
        });
        assert_eq!(unreadable, Replayed::Same);
    }
}
