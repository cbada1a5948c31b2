//! What is asked of others about one caller: `fresh: live` and `token.exchange`.
//!
//! `fresh: live`: whether a caller still stands with the issuer, asked for each request (RFC 7662).
//!
//! The question is asked after everything else let the request pass, so that nobody without the right can cause one. No
//! answer is a no: a caller whose issuer is out of reach is refused with 503. A yes is used again only for as long as the
//! policy says (`introspect: {cache: …}`, by default not at all), beside the very token that was asked about; a no is never
//! kept, because it would outlive what it was said of by nothing but our own time.

#[cfg(feature = "remote")]
use std::sync::Arc;
use std::time::Duration;

use orgate_policy::{Facts, RuleMatch};
#[cfg(feature = "remote")]
use orgate_remote::SessionAnswer;
use orgate_verify::IssuerIndex;

use crate::{
    Gate, RequestHead, clock,
    form::Form,
    gate::GateParts,
    head::Fields,
    judge::{Asked, unmatched_or},
    session::Exchanged,
};

/// How a caller stands with the issuer.
#[cfg_attr(not(feature = "remote"), allow(dead_code, reason = "nobody can be asked without the feature"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The token stands.
    Active,
    /// It was withdrawn.
    Withdrawn,
    /// The issuer did not say.
    Unknown,
}

#[cfg(feature = "remote")]
pub(crate) async fn ask(
    gate: &Gate,
    parts: &GateParts,
    head: &RequestHead<'_>,
    session: Option<&Exchanged>,
    issuer: IssuerIndex,
) -> Standing {
    let Some(introspection) = parts.introspection(issuer) else {
        tracing::error!("a rule says `fresh: live`, and the issuer of the token has no `introspect`");
        return Standing::Unknown;
    };
    let Some(token) = gate.token_text(parts, head, session) else { return Standing::Unknown };
    match introspection.is_active(&token).await {
        Ok(true) => Standing::Active,
        Ok(false) => Standing::Withdrawn,
        Err(error) => {
            tracing::warn!(%error, "a token could not be asked about");
            Standing::Unknown
        }
    }
}

/// What the session of a request is exchanged for.
#[cfg(feature = "remote")]
pub(crate) async fn exchange(parts: &GateParts, head: &RequestHead<'_>) -> Exchanged {
    let Some(exchange) = parts.exchange() else { return Exchanged::Unavailable };
    let Ok(Some(cookie)) = crate::session::cookie(head.headers, exchange.cookie()) else {
        return Exchanged::NoSession;
    };
    match exchange.token(cookie, parts.org_of(head).as_deref()).await {
        Ok(SessionAnswer::Token(token)) => Exchanged::Token(token),
        Ok(SessionAnswer::NoSession) => Exchanged::NoSession,
        Ok(SessionAnswer::NoMember) => Exchanged::NoMember,
        Err(error) => {
            tracing::warn!(%error, "a session could not be exchanged");
            Exchanged::Unavailable
        }
    }
}

#[cfg(not(feature = "remote"))]
#[allow(clippy::unused_async, reason = "the same as with the feature")]
pub(crate) async fn ask(
    _: &Gate,
    _: &GateParts,
    _: &RequestHead<'_>,
    _: Option<&Exchanged>,
    _: IssuerIndex,
) -> Standing {
    Standing::Unknown
}

#[cfg(not(feature = "remote"))]
#[allow(clippy::unused_async, reason = "the same as with the feature")]
pub(crate) async fn exchange(_: &GateParts, _: &RequestHead<'_>) -> Exchanged {
    Exchanged::Unavailable
}

impl GateParts {
    /// Where the issuers of the verifier say whether a token still stands, in their order, for rules `fresh: live`.
    #[cfg(feature = "remote")]
    #[must_use]
    pub fn introspecting(mut self, introspection: Vec<Option<Arc<orgate_remote::Introspection>>>) -> Self {
        self.introspection = introspection;
        self
    }

    /// How long an issuer's word that a token stands is used again.
    #[cfg(feature = "remote")]
    pub(crate) fn answers_last(&self, issuer: IssuerIndex) -> Duration {
        self.introspection(issuer).map_or(Duration::ZERO, |introspection| introspection.answers_last())
    }

    #[cfg(not(feature = "remote"))]
    pub(crate) fn answers_last(&self, _: IssuerIndex) -> Duration {
        Duration::ZERO
    }

    #[cfg(feature = "remote")]
    pub(crate) fn introspection(&self, issuer: IssuerIndex) -> Option<&Arc<orgate_remote::Introspection>> {
        self.introspection.get(issuer.as_usize())?.as_ref()
    }

    /// Counts a request for which the issuer was not asked again.
    #[cfg(feature = "remote")]
    pub(crate) fn note_reused(&self, issuer: IssuerIndex) {
        if let Some(introspection) = self.introspection(issuer) {
            introspection.note_reused();
        }
    }

    #[cfg(not(feature = "remote"))]
    pub(crate) fn note_reused(&self, _: IssuerIndex) {}

    /// Exchanges a session cookie for a token where a request carries no other credential; a token that holds is used
    /// again for `lifetime`.
    #[cfg(feature = "remote")]
    #[must_use]
    pub fn exchanging(mut self, exchange: orgate_remote::SessionExchange, lifetime: Duration) -> Self {
        self.exchange = Some((Arc::new(exchange), lifetime));
        self
    }

    #[cfg(feature = "remote")]
    pub(crate) fn exchange(&self) -> Option<&Arc<orgate_remote::SessionExchange>> {
        self.exchange.as_ref().map(|(exchange, _)| exchange)
    }

    #[cfg(feature = "remote")]
    pub(crate) fn exchanged_cookie(&self) -> Option<(&str, Duration)> {
        self.exchange.as_ref().map(|(exchange, lifetime)| (exchange.cookie(), *lifetime))
    }

    /// Whether a session's token is for the organization that a path names.
    #[cfg(feature = "remote")]
    pub(crate) fn chooses_by_path(&self) -> bool {
        self.exchange().is_some_and(|exchange| exchange.names_organizations())
    }

    #[cfg(not(feature = "remote"))]
    pub(crate) fn chooses_by_path(&self) -> bool {
        false
    }

    /// The organization that the rule of a request binds, where the server of the exchange is told.
    #[cfg(feature = "remote")]
    pub(crate) fn exchanged_org<'p>(&self, rule: &RuleMatch<'p>) -> Option<&'p str> {
        if self.chooses_by_path() { rule.organization() } else { None }
    }

    #[cfg(not(feature = "remote"))]
    pub(crate) fn exchanged_org<'p>(&self, _: &RuleMatch<'p>) -> Option<&'p str> {
        None
    }

    /// The same for a request whose rule is not in hand.
    pub(crate) fn org_of(&self, sent: &RequestHead<'_>) -> Option<String> {
        let form = Form::of(self, sent).ok()?;
        let head = &form.head(sent);
        let fields = Fields(head.headers);
        let asked = Asked {
            method: head.method.as_str(),
            path_and_query: head.path_and_query.as_str(),
            host: head.authority,
            facts: Facts { headers: &fields, now: clock::now() },
        };
        unmatched_or(self, asked, |rule| self.exchanged_org(rule).map(str::to_owned)).ok()?
    }

    #[cfg(not(feature = "remote"))]
    pub(crate) fn exchanged_cookie(&self) -> Option<(&str, Duration)> {
        None
    }
}
