//! The difference of two policies where authenticators prove callers, against every caller there is: whoever an
//! authenticator accepts counts only where that one is asked for, and a token counts nowhere there.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use orgate_claims::{IssuerUrl, Organization, OrganizationId, Permission, Principal, SubjectId, UnixTime};
use orgate_policy::{
    ChangeKind, Decision, Facts, Found, Place, Policy, PolicySpec, RequestTarget, Requirement, RuleKey,
    RuleSpec, Subject,
};

const REQUIREMENTS: [&str; 12] = [
    "public",
    "optional",
    "deny",
    "authenticated",
    "org",
    "read",
    "via(ci)",
    "via(hook)",
    "via(ci) and read",
    "via(ci) and not read",
    "via(ci) and path.id == \"a\"",
    "via(ci) and org",
];

fn policy(requirement: &str) -> Option<Policy> {
    let rule = |key: &str, requirement: &str| {
        RuleSpec::new(
            RuleKey::parse(key).unwrap(),
            Requirement::parse(requirement).unwrap(),
            Place::default(),
        )
    };
    let spec = PolicySpec {
        rules: vec![rule("GET /x/{id}", requirement)],
        permissions: vec![Permission::parse("read").unwrap()],
        authenticators: vec!["ci".into(), "hook".into()],
        ..PolicySpec::default()
    };
    Policy::compile(spec).ok()
}

/// Nobody, tokens, and what each authenticator accepts; the same people to both policies.
fn callers(policies: [&Policy; 2]) -> Vec<(String, [Option<Subject>; 2])> {
    let mut all = vec![("anonymous".to_owned(), [None, None])];
    for permission in [None, Some("read")] {
        for org in [None, Some("a")] {
            let organization = org.map(|id| Organization::new(OrganizationId::parse(id).unwrap(), None));
            let principal =
                Principal::builder(IssuerUrl::parse("https://i").unwrap(), SubjectId::parse("s").unwrap())
                    .organization(organization)
                    .permissions(Some(
                        permission.iter().map(|name| Permission::parse(name).unwrap()).collect(),
                    ))
                    .build();
            for via in [None, Some("ci"), Some("hook")] {
                let subject = |policy: &Policy| {
                    let subject = policy.subject(&principal);
                    Some(match via {
                        Some(name) => subject.authenticated_by(name),
                        None => subject,
                    })
                };
                all.push((format!("{permission:?} {org:?} {via:?}"), policies.map(subject)));
            }
        }
    }
    all
}

#[test]
fn no_gain_and_no_loss_through_an_authenticator_is_missed_or_made_up() {
    let compiled: Vec<(&str, Policy)> =
        REQUIREMENTS.iter().filter_map(|requirement| Some((*requirement, policy(requirement)?))).collect();
    assert!(compiled.len() >= 11, "{}", compiled.len());
    let (mut changed, mut same) = (0, 0);
    for (before, old) in &compiled {
        for (after, new) in &compiled {
            let (mut gains, mut losses, mut public) = (Vec::new(), Vec::new(), false);
            for (name, subjects) in callers([old, new]) {
                for path in ["/x/a", "/x/b"] {
                    let target = RequestTarget::parse("GET", path).unwrap();
                    let allowed = |policy: &Policy, subject: &Option<Subject>| match policy.find(&target) {
                        Found::Rule(found) => {
                            let facts = Facts::at(UnixTime::from_seconds(0));
                            found.decide(subject.as_ref(), &facts) == Decision::Allow
                        }
                        _ => false,
                    };
                    match (allowed(old, &subjects[0]), allowed(new, &subjects[1])) {
                        (false, true) => {
                            public |= name == "anonymous";
                            gains.push(name.clone());
                        }
                        (true, false) => losses.push(name.clone()),
                        _ => {}
                    }
                }
            }
            let told = old.diff(new).unwrap().changes;
            let context = format!("{before} -> {after}\ngains {gains:?}\nlosses {losses:?}\n{told:#?}");
            let tightened = |kind: ChangeKind| kind == ChangeKind::Tightened;
            let tells_gain = told.iter().any(|change| !tightened(change.kind) || change.also.is_some());
            let tells_loss = told.iter().any(|change| tightened(change.kind) || change.also.is_some());
            assert_eq!(tells_gain, !gains.is_empty(), "{context}");
            assert_eq!(tells_loss, !losses.is_empty(), "{context}");
            assert_eq!(told.iter().any(|change| change.kind == ChangeKind::Public), public, "{context}");
            // Both kinds of outcome must have been met.
            *(if told.is_empty() { &mut same } else { &mut changed }) += 1;
        }
    }
    assert!(changed > 50 && same >= compiled.len(), "{changed} {same}");
}
