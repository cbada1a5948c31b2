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
    Access, ChangeKind, Decision, Facts, Found, Place, Policy, PolicySpec, RequestTarget, Requirement,
    RuleKey, RuleSpec,
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

/// Who makes a request: with a token or without, and with or without what an authenticator accepts.
struct Caller {
    name: String,
    token: Option<Principal>,
    /// The authenticator that is satisfied, and whom it takes the caller for.
    proof: Option<(&'static str, Principal)>,
}

fn callers() -> Vec<Caller> {
    let principals = [None, Some("read")].into_iter().flat_map(|permission| {
        [None, Some("a")].map(|org| {
            let organization = org.map(|id| Organization::new(OrganizationId::parse(id).unwrap(), None));
            Principal::builder(IssuerUrl::parse("https://i").unwrap(), SubjectId::parse("s").unwrap())
                .organization(organization)
                .permissions(Some(permission.iter().map(|name| Permission::parse(name).unwrap()).collect()))
                .build()
        })
    });
    let principals: Vec<Principal> = principals.collect();
    let tokens = || std::iter::once(None).chain(principals.iter().cloned().map(Some));
    let proofs =
        ["ci", "hook"].into_iter().flat_map(|name| principals.iter().map(move |p| Some((name, p.clone()))));
    let proofs: Vec<Option<(&str, Principal)>> = std::iter::once(None).chain(proofs).collect();
    tokens()
        .flat_map(|token| {
            proofs.iter().cloned().map(move |proof| {
                let told = |p: &Principal| {
                    format!("{} permissions, org {}", p.permissions().len(), p.organization().is_some())
                };
                let by_proof = proof.as_ref().map(|(name, p)| format!("{name}: {}", told(p)));
                let name = match (&token, &by_proof) {
                    (None, None) => "anonymous".to_owned(),
                    _ => format!("{:?} {by_proof:?}", token.as_ref().map(told)),
                };
                Caller { name, token: token.clone(), proof }
            })
        })
        .collect()
}

/// As at a door: where an authenticator is asked for, a token counts for nothing, and the other way round.
fn allowed(policy: &Policy, path: &str, caller: &Caller) -> bool {
    let target = RequestTarget::parse("GET", path).unwrap();
    let Found::Rule(found) = policy.find(&target) else { return false };
    let subject = match found.access() {
        Access::Authenticator(wanted) => {
            let proof = caller.proof.as_ref().filter(|(name, _)| *name == wanted);
            proof.map(|(name, principal)| policy.subject(principal).authenticated_by(name))
        }
        _ => caller.token.as_ref().map(|principal| policy.subject(principal)),
    };
    found.decide(subject.as_ref(), &Facts::at(UnixTime::from_seconds(0))) == Decision::Allow
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
            for caller in callers() {
                for path in ["/x/a", "/x/b"] {
                    match (allowed(old, path, &caller), allowed(new, path, &caller)) {
                        (false, true) => {
                            public |= caller.name == "anonymous";
                            gains.push(caller.name.clone());
                        }
                        (true, false) => losses.push(caller.name.clone()),
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
