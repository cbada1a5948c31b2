//! From the head of a request to a verdict: at once if everything is in hand, or after what is missing was brought.
//!
//! A request is judged from the beginning each time something was brought, so that a policy replaced meanwhile cannot mix
//! with an old match. Each thing is fetched once; what is then still missing refuses the request.

use std::{sync::Arc, time::Duration};

use orgate_claims::UnixTime;
use orgate_policy::{Access, Facts, RuleMatch};
use orgate_verify::kid_of;

use crate::{
    Checked, Code, Gate, Need, Permit, Principal, Rejection, RequestHead, Verdict,
    authenticate::Proven,
    clock,
    form::Form,
    gate::GateParts,
    head::Fields,
    judge::{Asked, Judged, unmatched_or},
    live::{self, Standing},
    opaque::Heard,
    preflight, revocation,
    session::Exchanged,
    token_cache::VerifiedToken,
    tokens::Answers,
};

/// What was brought for one request.
#[derive(Debug, Default)]
pub(crate) struct Brought<'b> {
    /// Its body.
    body: Option<&'b [u8]>,
    /// How the caller stands with the issuer, asked under the parts of this generation at this time.
    standing: Option<(u64, Standing, Duration)>,
    /// Whether the issuer could be asked for the key of the token.
    keys: Option<bool>,
    /// What its session was exchanged for, asked under the parts of this generation.
    session: Option<(u64, Exchanged)>,
    /// What the issuer of its opaque token said, asked under the parts of this generation.
    heard: Option<(u64, Heard)>,
    /// Whether the first marks of its issuer were waited for.
    marks: bool,
}

impl Brought<'_> {
    /// What of it was said under these parts.
    fn answers(&self, generation: u64) -> Answers<'_> {
        let session = self.session.as_ref().filter(|(of, _)| *of == generation);
        let heard = self.heard.as_ref().filter(|(of, _)| *of == generation);
        Answers { session: session.map(|(_, session)| session), heard: heard.map(|(_, heard)| heard) }
    }
}

impl Gate {
    /// Decides without waiting: the way of every request whose token or keys are known.
    ///
    /// The order: target → rule → method → credential → revocation marks → binding → requirement → rights as they are now →
    /// limit.
    /// Nothing is awaited and no lock is held across it; what must be fetched is named in [`Checked::Needs`].
    #[must_use]
    pub fn check_now(&self, head: &RequestHead<'_>, now: UnixTime) -> Checked {
        self.check_with(head, now, &Brought::default())
    }

    /// Decides, and fetches what is missing.
    ///
    /// A request whose body is needed ([`Need::Body`]) is refused here; a door that has bodies reads it and asks with
    /// [`check_body`](Self::check_body).
    pub async fn check(&self, head: &RequestHead<'_>) -> Verdict {
        self.check_fetching(head, Brought::default()).await
    }

    /// Decides about a request with this body, and fetches what is missing. These very bytes must be what is passed on.
    pub async fn check_body(&self, head: &RequestHead<'_>, body: &[u8]) -> Verdict {
        self.check_fetching(head, Brought { body: Some(body), ..Brought::default() }).await
    }

    /// Decides about a delivery whose body has more than `limit` bytes and was not read: it is refused, unless the policy is
    /// only observed. What was not read must then be passed on whole.
    #[must_use]
    pub fn check_oversized(&self, sent: &RequestHead<'_>, limit: usize) -> Verdict {
        let parts = self.snapshot();
        let form = match Form::of(&parts, sent) {
            Ok(form) => form,
            Err(rejection) => return Verdict::Reject(rejection),
        };
        let head = &form.head(sent);
        let fields = Fields(head.headers);
        let asked = Asked {
            method: head.method.as_str(),
            path_and_query: head.path_and_query.as_str(),
            host: head.authority,
            facts: Facts { headers: &fields, now: clock::now() },
        };
        let (rule, rejection) = match unmatched_or(&parts, asked, |found| found.id()) {
            Ok(rule) => {
                let detail = format!("the body of a signed delivery may have {limit} bytes here");
                let rejection = Rejection::new(Code::ContentTooLarge).with_detail(detail);
                (Some(rule), parts.of_rule(rejection, Some(rule)))
            }
            Err(rejection) => (None, rejection),
        };
        form.give(&parts, sent, Judged { rule, ..Judged::unmatched(rejection) })
    }

    async fn check_fetching(&self, head: &RequestHead<'_>, mut brought: Brought<'_>) -> Verdict {
        loop {
            let need = match self.check_with(head, clock::now(), &brought) {
                Checked::Done(verdict) => return verdict,
                Checked::Needs(need) => need,
            };
            let parts = self.parts();
            match need {
                Need::Keys(issuer) if brought.keys.is_none() => {
                    let session = brought.session.as_ref().map(|(_, exchanged)| exchanged);
                    let kid = self.token_text(&parts, head, session).and_then(|token| kid_of(&token));
                    brought.keys = Some(match parts.verifier().key_source(issuer) {
                        Some(source) => source.look_for(kid.as_deref()).await.is_ok(),
                        None => false,
                    });
                }
                Need::LiveStatus(issuer) if brought.standing.is_none() => {
                    let session = brought.session.as_ref().map(|(_, exchanged)| exchanged);
                    let at = clock::monotonic();
                    let standing = live::ask(self, &parts, head, session, issuer).await;
                    brought.standing = Some((parts.generation(), standing, at));
                }
                Need::Marks(issuer) if !brought.marks => {
                    parts.wait_for_marks(issuer).await;
                    brought.marks = true;
                }
                Need::Exchange if brought.session.is_none() => {
                    brought.session = Some((parts.generation(), live::exchange(&parts, head).await));
                }
                Need::Introspection(issuer) if brought.heard.is_none() => {
                    let session = brought.session.as_ref().map(|(_, exchanged)| exchanged);
                    let token = self.token_text(&parts, head, session).unwrap_or_default();
                    let at = clock::monotonic();
                    let heard = self.ask_about(&parts, issuer, token).await;
                    if heard.is_answer() {
                        // Nobody has to be asked twice for one request.
                        brought.standing = Some((parts.generation(), Standing::Active, at));
                    }
                    brought.heard = Some((parts.generation(), heard));
                }
                missing => {
                    return match Form::of(&parts, head) {
                        Ok(form) => form.give(&parts, head, refused_without(&parts, missing, &brought)),
                        Err(rejection) => Verdict::Reject(rejection),
                    };
                }
            }
        }
    }

    fn check_with(&self, sent: &RequestHead<'_>, now: UnixTime, brought: &Brought<'_>) -> Checked {
        let parts = self.snapshot();
        let form = match Form::of(&parts, sent) {
            Ok(form) => form,
            Err(rejection) => return Checked::Done(Verdict::Reject(rejection)),
        };
        let head = &form.head(sent);
        if let Some(answer) = parts.metadata(head) {
            return Checked::Done(form.answer(answer));
        }
        if let Some(verdict) = preflight::judge(&parts, head, now) {
            return Checked::Done(verdict);
        }
        let fields = Fields(head.headers);
        let asked = Asked {
            method: head.method.as_str(),
            path_and_query: head.path_and_query.as_str(),
            host: head.authority,
            facts: Facts { headers: &fields, now },
        };
        let (mut once, mut proof) = (None, None);
        let caller = |rule: &RuleMatch<'_>| match rule.access() {
            Access::Authenticator(name) => {
                let proven = parts.authenticators().authenticate(name, head.headers, brought.body, now)?;
                Ok(proven.map(|Proven { caller, once: seen }| {
                    once = seen;
                    caller
                }))
            }
            _ => {
                let found =
                    self.token(&parts, (sent, head, rule), now, brought.answers(parts.generation()))?;
                let Some((token, scheme)) = found else { return Ok(None) };
                let shown = parts.shown(&token, scheme, sent, head, now)?;
                // What only a shadow looks at is not used up.
                proof = shown.filter(|_| !matches!(rule.access(), Access::Public | Access::Nobody));
                Ok(Some(token))
            }
        };
        let mut judged = match parts.judge(asked, caller) {
            Ok(judged) => judged,
            Err(need) => return Checked::Needs(need),
        };
        if let (true, true, Some((token, issuer))) = (
            judged.refused.is_none(),
            judged.live,
            judged.caller.as_ref().and_then(|token| Some((token, token.issuer?))),
        ) {
            let standing = brought.standing.as_ref();
            match standing.filter(|(generation, ..)| *generation == parts.generation()) {
                None if token.stands_at(clock::monotonic()) => parts.note_reused(issuer),
                None => return Checked::Needs(Need::LiveStatus(issuer)),
                Some((_, standing, at)) => {
                    match standing {
                        Standing::Active => token.stands_until(*at + parts.answers_last(issuer)),
                        // What was said before of the same token counts no longer either.
                        Standing::Withdrawn => token.withdraw(),
                        Standing::Unknown => token.stands_no_longer(),
                    }
                    judged.refused = parts.refused_by(standing, judged.rule);
                }
            }
            if judged.refused.is_some() {
                // Nobody is proven: a policy that is only observed must not name them to the application either.
                judged.caller = None;
            }
        }
        let nonce = self.use_up(&parts, proof, &mut judged, now);
        let quota = self.limited(&parts, &mut judged);
        if let (None, Some((fingerprint, window))) = (&judged.refused, once)
            && !self.deliveries().is_first(fingerprint, window)
        {
            let rejection =
                Rejection::new(Code::InvalidToken).with_detail("this delivery was let through before");
            (judged.refused, judged.caller) = (Some(parts.of_rule(rejection, judged.rule)), None);
        }
        Checked::Done(form.give(&parts, sent, judged).with_nonce(nonce).with_quota(quota))
    }
}

impl GateParts {
    fn refused_by(&self, standing: &Standing, rule: Option<orgate_policy::RuleId>) -> Option<Rejection> {
        let (code, detail) = match standing {
            Standing::Active => return None,
            Standing::Withdrawn => {
                (Code::Revoked, "the issuer says that the token does not stand any longer")
            }
            Standing::Unknown => {
                (Code::StaleFeed, "the issuer could not be asked whether the token still stands")
            }
        };
        Some(self.of_rule(Rejection::new(code).with_detail(detail), rule))
    }

    pub(crate) fn of_rule(&self, rejection: Rejection, rule: Option<orgate_policy::RuleId>) -> Rejection {
        let rejection = rejection.rendered(self.deny);
        match rule.and_then(|rule| self.policy().rule(rule)) {
            Some(rule) => rejection.with_rule(rule),
            None => rejection,
        }
    }
}

/// The longest that anybody is told to wait for keys.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// What a request is answered with for which something could not be had.
fn refused_without(parts: &GateParts, missing: Need, brought: &Brought<'_>) -> Judged<Arc<VerifiedToken>> {
    let known = |issuer| parts.verifier().key_source(issuer).is_some_and(|source| source.current().is_some());
    let (code, detail) = match missing {
        Need::Keys(issuer) if known(issuer) && brought.keys == Some(true) => {
            (Code::InvalidToken, "the token was signed with a key that its issuer does not publish")
        }
        // It may be a new one: nobody can say until the issuer can be asked.
        Need::Keys(issuer) if known(issuer) => (
            Code::KeysUnavailable,
            "the key of the token is not in hand, and its issuer cannot be asked; try again",
        ),
        Need::Body { .. } => (Code::InvalidToken, "the signature is over a body, and there is none here"),
        Need::LiveStatus(_) => {
            (Code::StaleFeed, "the issuer could not be asked whether the token still stands")
        }
        Need::Marks(_) => (Code::StaleFeed, "the issuer has never said what it revoked; try again"),
        _ => (Code::KeysUnavailable, "the issuer's keys could not be fetched yet; try again"),
    };
    let refused = Rejection::new(code).with_detail(detail).rendered(parts.deny);
    let wait = match missing {
        Need::Keys(issuer) if code == Code::KeysUnavailable => {
            parts.verifier().key_source(issuer).and_then(|source| source.retry_after())
        }
        Need::Marks(_) => Some(revocation::RETRY_AFTER),
        _ => None,
    };
    Judged::unmatched(match wait {
        Some(wait) => refused.with_retry_after(wait.min(LONGEST_PAUSE)),
        None => refused,
    })
}

impl Verdict {
    /// What follows from a judgement: under a policy that is only observed, nobody is refused for what it says.
    pub(crate) fn give(
        parts: &Arc<GateParts>,
        head: &RequestHead<'_>,
        judged: Judged<Arc<VerifiedToken>>,
    ) -> Self {
        let Judged { rule, caller, refused, shadow, .. } = judged;
        match refused {
            // A request that has two readings is not the policy's business: nobody could say what was let through.
            Some(rejection) if !parts.observes() || rejection.status() == http::StatusCode::BAD_REQUEST => {
                let by_dpop = caller
                    .as_ref()
                    .is_some_and(|token| token.bound.as_ref().is_some_and(|bound| bound.to_key()));
                let rejection = rejection.asking_by(parts.schemes).sent_by_dpop(by_dpop);
                let rejection = parts.sent_elsewhere(rejection, head).with_shadow(shadow);
                let caller = caller.map(|token| Principal::verified(Arc::clone(&token.principal)));
                Self::Reject(rejection.asked_under(parts, caller))
            }
            would => {
                let permit = Permit::new(Arc::clone(parts), rule, caller, head.path_and_query.clone());
                Self::Forward(permit.observed(would, shadow))
            }
        }
    }
}
