//! The marks, each kind by its sentence, and all of them against a list that is walked through.

use orgate_claims::{
    ClientId, IssuerUrl, Organization, OrganizationId, RoleName, SessionId, SubjectId, TokenId,
};
use proptest::{collection::vec, option, prelude::*, sample::select};

use super::*;

const LEEWAY: i64 = TrustedIssuer::MAX_LEEWAY as i64;

/// What a token says, as far as marks look at it.
#[derive(Clone, Debug)]
struct Token {
    subject: &'static str,
    organization: Option<&'static str>,
    roles: Vec<&'static str>,
    version: Option<u64>,
    issued: Option<u64>,
    session: Option<&'static str>,
    id: Option<&'static str>,
    client: Option<&'static str>,
    kid: Option<&'static str>,
}

fn ann() -> Token {
    Token {
        subject: "ann",
        organization: Some("acme"),
        roles: vec!["editor"],
        version: Some(7),
        issued: Some(1_000),
        session: Some("ses"),
        id: Some("jti"),
        client: Some("app"),
        kid: Some("k1"),
    }
}

impl Token {
    fn principal(&self) -> Principal {
        let issuer = IssuerUrl::parse("https://issuer.example").unwrap();
        let seconds = |at: u64| UnixTime::from_seconds(i64::try_from(at).unwrap());
        Principal::builder(issuer, SubjectId::parse(self.subject).unwrap())
            .organization(
                self.organization.map(|id| Organization::new(OrganizationId::parse(id).unwrap(), None)),
            )
            .roles(self.roles.iter().map(|role| RoleName::parse(role).unwrap()).collect())
            .org_ver(self.version)
            .issued_at(self.issued.map(seconds))
            .session(self.session.map(|id| SessionId::parse(id).unwrap()))
            .token_id(self.id.map(|id| TokenId::parse(id).unwrap()))
            .client(self.client.map(|id| ClientId::parse(id).unwrap()))
            .build()
    }

    fn against(&self, marks: &Marks) -> Result<(), MarkHit> {
        marks.check(&self.principal(), self.kid)
    }

    /// By the words of the table in `docs/revocation.md`.
    fn is_refused_by(&self, mark: &Mark) -> bool {
        let version = self.version.unwrap_or(0);
        let issued = self.issued.unwrap_or(0);
        let in_org = |id: &str| self.organization == Some(id);
        let has_role = |name: &str| self.roles.contains(&name);
        match mark {
            Mark::Member { subject, organization, min } => {
                self.subject == &**subject && in_org(organization) && version < *min
            }
            Mark::RoleIn { role, organization, min } => {
                has_role(role) && in_org(organization) && version < *min
            }
            Mark::Role { role, organization, before } => {
                has_role(role) && organization.as_deref().is_none_or(in_org) && issued < *before
            }
            Mark::Organizations { organization, before } => {
                let fits = organization.as_deref().is_none_or(in_org);
                self.organization.is_some() && fits && issued < *before
            }
            Mark::Family(family) => {
                self.id.and_then(|id| id.split_once('.')).is_some_and(|(_, own)| own == &**family)
            }
            Mark::Organization { organization, min } => {
                in_org(organization) && min.is_none_or(|min| version < min)
            }
            Mark::Session(id) => self.session == Some(id),
            Mark::Subject { subject, before } => self.subject == &**subject && issued < *before,
            Mark::Token(id) => self.id == Some(id),
            Mark::Client { client, before } => self.client == Some(client) && issued < *before,
            Mark::Key(id) => self.kid == Some(id),
        }
    }
}

fn only(mark: Mark) -> Marks {
    let mut marks = Marks::new();
    marks.insert(&mark, UnixTime::from_seconds(2_000)).unwrap();
    marks
}

fn member(subject: &str, organization: &str, min: u64) -> Mark {
    Mark::Member { subject: subject.into(), organization: organization.into(), min }
}

#[test]
fn a_mark_refuses_the_tokens_that_it_names_and_no_others() {
    let role = |role: &str, organization: &str, min| Mark::RoleIn {
        role: role.into(),
        organization: organization.into(),
        min,
    };
    let everywhere = |role: &str, before| Mark::Role { role: role.into(), organization: None, before };
    let org = |organization: &str, min| Mark::Organization { organization: organization.into(), min };
    let subject = |subject: &str, before| Mark::Subject { subject: subject.into(), before };
    let client = |client: &str, before| Mark::Client { client: client.into(), before };
    for (mark, hit) in [
        (member("ann", "acme", 8), Some(MarkHit::Member)),
        (member("ann", "acme", 7), None),
        (member("bob", "acme", 8), None),
        (member("ann", "other", 8), None),
        (role("editor", "acme", 8), Some(MarkHit::Role)),
        (role("editor", "acme", 7), None),
        (role("owner", "acme", 8), None),
        (role("editor", "other", 8), None),
        (everywhere("editor", 1_001), Some(MarkHit::Role)),
        (everywhere("editor", 1_000), None),
        (everywhere("owner", 1_001), None),
        (org("acme", None), Some(MarkHit::Organization)),
        (org("acme", Some(8)), Some(MarkHit::Organization)),
        (org("acme", Some(7)), None),
        (org("other", None), None),
        (Mark::Session("ses".into()), Some(MarkHit::Session)),
        (Mark::Session("jti".into()), None),
        (subject("ann", 1_001), Some(MarkHit::Subject)),
        (subject("ann", 1_000), None),
        (subject("acme", 1_001), None),
        (Mark::Token("jti".into()), Some(MarkHit::Token)),
        (Mark::Token("ses".into()), None),
        (client("app", 1_001), Some(MarkHit::Client)),
        (client("app", 1_000), None),
        (Mark::Key("k1".into()), Some(MarkHit::Key)),
        (Mark::Key("k2".into()), None),
    ] {
        assert_eq!(ann().against(&only(mark.clone())), hit.map_or(Ok(()), Err), "{mark:?}");
    }
}

#[test]
fn a_family_is_what_stands_behind_the_full_stop() {
    let family = |name: &str| only(Mark::Family(name.into()));
    let of = |id| Token { id: Some(id), ..ann() };
    assert_eq!(of("tok_1.fam").against(&family("fam")), Err(MarkHit::Family));
    assert_eq!(of("tok_1.fam.x").against(&family("fam.x")), Err(MarkHit::Family));
    for (id, name) in [("tok_1.fam", "tok_1"), ("tok_1.family", "fam"), ("fam", "fam"), ("fam", "")] {
        assert_eq!(of(id).against(&family(name)), Ok(()), "{id} {name}");
    }
}

#[test]
fn an_organization_may_end_by_the_time_and_so_may_all_of_them() {
    let org = |organization: Option<&str>, before| {
        only(Mark::Organizations { organization: organization.map(Into::into), before })
    };
    for (organization, before, ends) in [
        (Some("acme"), 1_001, true),
        (Some("acme"), 1_000, false),
        (Some("other"), 1_001, false),
        (None, 1_001, true),
        (None, 1_000, false),
    ] {
        let expected = if ends { Err(MarkHit::Organization) } else { Ok(()) };
        assert_eq!(ann().against(&org(organization, before)), expected, "{organization:?} {before}");
    }
    let nowhere = Token { organization: None, ..ann() };
    assert_eq!(nowhere.against(&org(None, 2_000)), Ok(()), "it is in no organization");
    let role = |organization: &str| {
        only(Mark::Role { role: "editor".into(), organization: Some(organization.into()), before: 1_001 })
    };
    assert_eq!(ann().against(&role("acme")), Err(MarkHit::Role));
    assert_eq!(ann().against(&role("other")), Ok(()));
}

#[test]
fn what_a_token_does_not_say_counts_as_older_than_any() {
    let old = Token { version: None, issued: None, ..ann() };
    assert_eq!(old.against(&only(member("ann", "acme", 1))), Err(MarkHit::Member));
    let before = Mark::Subject { subject: "ann".into(), before: 1 };
    assert_eq!(old.against(&only(before)), Err(MarkHit::Subject));
    let elsewhere = Token { organization: None, roles: Vec::new(), ..old };
    assert_eq!(elsewhere.against(&only(member("ann", "acme", 9))), Ok(()));
}

#[test]
fn names_are_not_run_together() {
    let marks = only(member("an", "nacme", 9));
    assert_eq!(ann().against(&marks), Ok(()));
}

#[test]
fn a_snapshot_that_somebody_holds_does_not_change() {
    let held = Marks::new();
    let mut next = held.clone();
    next.insert(&Mark::Session("ses".into()), UnixTime::from_seconds(2_000)).unwrap();
    assert_eq!((ann().against(&held), ann().against(&next)), (Ok(()), Err(MarkHit::Session)));
    assert_eq!((held.len(), next.len()), (0, 1));
}

#[test]
fn a_mark_stays_as_long_as_a_token_that_it_names_could_be_believed() {
    let mut marks = only(Mark::Session("ses".into()));
    assert!(!marks.prune(UnixTime::from_seconds(2_000 + LEEWAY - 1)));
    assert_eq!(ann().against(&marks), Err(MarkHit::Session));
    assert!(marks.prune(UnixTime::from_seconds(2_000 + LEEWAY)));
    assert!(marks.is_empty() && ann().against(&marks).is_ok());
    assert!(!marks.prune(UnixTime::from_seconds(i64::MAX)));
}

#[test]
fn there_is_room_for_so_many_and_what_is_there_can_still_reach_farther() {
    let mut marks = Marks::new();
    let until = UnixTime::from_seconds(2_000);
    for number in 0..Marks::MOST {
        marks.insert(&member("ann", &format!("org_{number}"), 8), until).unwrap();
    }
    assert_eq!(marks.len(), Marks::MOST);
    assert_eq!(marks.insert(&member("ann", "one_more", 8), until), Err(TooManyMarks));
    assert_eq!(marks.insert(&member("ann", "org_1", 9), until), Ok(()));
    let token = Token { organization: Some("org_1"), version: Some(8), ..ann() };
    assert_eq!(token.against(&marks), Err(MarkHit::Member));
    marks.prune(UnixTime::from_seconds(2_000 + LEEWAY));
    assert_eq!(marks.len(), 0);
    assert_eq!(marks.insert(&member("ann", "one_more", 8), until), Ok(()));
}

const NAMES: [&str; 3] = ["a", "b", "c"];

fn name() -> impl Strategy<Value = Box<str>> {
    select(&NAMES[..]).prop_map(Into::into)
}

fn a_mark() -> impl Strategy<Value = Mark> {
    let bound = 0..6_u64;
    prop_oneof![
        (name(), name(), bound.clone()).prop_map(|(subject, organization, min)| Mark::Member {
            subject,
            organization,
            min
        }),
        (name(), name(), bound.clone()).prop_map(|(role, organization, min)| Mark::RoleIn {
            role,
            organization,
            min
        }),
        (name(), option::of(name()), bound.clone()).prop_map(|(role, organization, before)| Mark::Role {
            role,
            organization,
            before
        }),
        (option::of(name()), bound.clone())
            .prop_map(|(organization, before)| Mark::Organizations { organization, before }),
        name().prop_map(Mark::Family),
        (name(), option::of(bound.clone()))
            .prop_map(|(organization, min)| Mark::Organization { organization, min }),
        name().prop_map(Mark::Session),
        (name(), bound.clone()).prop_map(|(subject, before)| Mark::Subject { subject, before }),
        name().prop_map(Mark::Token),
        (name(), bound).prop_map(|(client, before)| Mark::Client { client, before }),
        name().prop_map(Mark::Key),
    ]
}

prop_compose! {
    fn a_token()(
        subject in select(&NAMES[..]),
        organization in option::of(select(&NAMES[..])),
        roles in vec(select(&NAMES[..]), 0..3),
        version in option::of(0..6_u64),
        issued in option::of(0..6_u64),
        id in option::of(select(&["a", "t.b", "t.c", "b."][..])),
        [session, client, kid] in [(); 3].map(|()| option::of(select(&NAMES[..]))),
    ) -> Token {
        Token { subject, organization, roles, version, issued, session, id, client, kid }
    }
}

/// What is done to the marks.
#[derive(Clone, Debug)]
enum Step {
    Insert(Mark, i64),
    Prune(i64),
}

fn a_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (a_mark(), 0..20_i64).prop_map(|(mark, until)| Step::Insert(mark, until)),
        1 => (0..20_i64).prop_map(Step::Prune),
    ]
}

/// Whether two marks name the same.
fn same_names(one: &Mark, other: &Mark) -> bool {
    let ((kind, first, second, _), of_other) = (one.parts(), other.parts());
    (kind, first, second) == (of_other.0, of_other.1, of_other.2)
}

proptest! {
    #[test]
    fn the_marks_say_what_a_walk_through_all_of_them_says(
        steps in vec(a_step(), 0..40),
        tokens in vec(a_token(), 1..20),
    ) {
        let (mut marks, mut list) = (Marks::new(), Vec::<(Mark, i64)>::new());
        for step in steps {
            match step {
                Step::Insert(mark, until) => {
                    marks.insert(&mark, UnixTime::from_seconds(until)).unwrap();
                    list.push((mark, until));
                }
                Step::Prune(now) => {
                    marks.prune(UnixTime::from_seconds(now + LEEWAY));
                    // Those of one name last as long as the last of them.
                    let all = list.clone();
                    list.retain(|(mark, _)| {
                        all.iter().any(|(other, until)| same_names(mark, other) && *until > now)
                    });
                }
            }
            for token in &tokens {
                let refused = list.iter().any(|(mark, _)| token.is_refused_by(mark));
                prop_assert_eq!(token.against(&marks).is_err(), refused, "{:?} {:?}", token, list);
            }
            let mut names = Vec::<&Mark>::new();
            for (mark, _) in &list {
                if !names.iter().any(|known| same_names(known, mark)) {
                    names.push(mark);
                }
            }
            prop_assert_eq!(marks.len(), names.len());
        }
    }
}
