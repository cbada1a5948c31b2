//! The one decision that every door asks for.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
#[cfg(feature = "remote")]
use std::time::Duration;

use arc_swap::ArcSwap;
use http::uri::PathAndQuery;
use orgate_policy::{PermissionsFrom, Policy};
use orgate_verify::{IssuerIndex, Verifier};

use crate::{
    Code, DenyOptions, GateAnswer, GateStatus, IdentityOptions, IssuerStatus, Permit, Preflights,
    RedirectOptions, Rejection, RequestHead, TokenOptions,
    authenticate::{Authenticators, Deliveries},
    forgeries::Forgeries,
    limits::Limits,
    observe::Told,
    opaque::{OpaqueMemory, OpaqueTokens},
    redirect,
    rejection::Schemes,
    replays::Replays,
    resource::Resource,
    sender::{self, SenderOptions},
    session::Sessions,
    token_cache::TokenCache,
};

/// How much memory verified tokens may take, about.
const TOKEN_CACHE_BYTES: u64 = 64 * 1024 * 1024;

/// Decides about requests. Cheap to clone and to share; all clones are one gate.
#[derive(Clone, Debug)]
pub struct Gate {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    parts: ArcSwap<GateParts>,
    pub(crate) cache: TokenCache,
    pub(crate) forgeries: Forgeries,
    /// Counted where a token is verified, not where it is used again.
    pub(crate) unknown_permissions: AtomicU64,
    pub(crate) opaque: OpaqueMemory,
    sessions: Sessions,
    deliveries: Deliveries,
    replays: Replays,
    limits: Limits,
    told: Told,
}

/// What a gate decides by. Immutable; replaced as a whole, so that a request is judged by one policy from beginning to
/// end.
#[derive(Debug)]
pub struct GateParts {
    pub(crate) policy: Policy,
    verifier: Verifier,
    pub(crate) token: TokenOptions,
    identity: IdentityOptions,
    pub(crate) deny: DenyOptions,
    redirect: RedirectOptions,
    /// The names of the policy's files, by the number that places have.
    pub(crate) file_names: Vec<Box<str>>,
    /// Whether a header may say which method is meant.
    pub(crate) method_override: bool,
    /// The patterns by which the policy includes files.
    pub(crate) include: Vec<String>,
    /// By issuer, where the permissions of its callers come from, if not from where the policy says.
    pub(crate) permissions_from: Vec<Option<PermissionsFrom>>,
    generation: u64,
    /// The keys that are being fetched, so that somebody can wait for them.
    #[cfg(feature = "remote")]
    pub(crate) remote: Vec<Arc<orgate_remote::RemoteKeys>>,
    /// How it was loaded, and is loaded again.
    #[cfg(all(feature = "config", feature = "remote"))]
    pub(crate) load_options: crate::LoadOptions,
    /// Where the issuers say whether a token stands, by issuer.
    #[cfg(feature = "remote")]
    pub(crate) introspection: Vec<Option<Arc<orgate_remote::Introspection>>>,
    /// What the issuers revoke, by issuer.
    #[cfg(feature = "remote")]
    pub(crate) feeds: Vec<Option<orgate_remote::Feed>>,
    /// Which opaque tokens are of which issuer, by issuer; empty where none are.
    pub(crate) opaque: Vec<Option<OpaqueTokens>>,
    /// Where session cookies are exchanged, and how long a token of one is used again.
    #[cfg(feature = "remote")]
    pub(crate) exchange: Option<(Arc<orgate_remote::SessionExchange>, Duration)>,
    pub(crate) senders: SenderOptions,
    /// By which schemes tokens can be sent.
    pub(crate) schemes: Schemes,
    pub(crate) authenticators: Authenticators,
    pub(crate) preflights: Preflights,
    pub(crate) resource: Option<Box<Resource>>,
    pub(crate) observe: bool,
    /// The digest of the policy; empty where it was made by hand.
    pub(crate) digest: Arc<str>,
}

/// What [`Gate::check_now`] can say at once.
#[derive(Debug)]
pub enum Checked {
    /// The verdict.
    Done(Verdict),
    /// Something must be fetched first; [`Gate::check`] does it.
    Needs(Need),
}

/// The only reasons to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Need {
    /// The keys of an issuer: none were ever loaded, or the token names one that is not among them.
    Keys(IssuerIndex),
    /// An opaque token must be asked about (RFC 7662).
    Introspection(IssuerIndex),
    /// What an issuer has revoked was never heard.
    Marks(IssuerIndex),
    /// A session cookie must be exchanged for a token.
    Exchange,
    /// The rule wants the caller's rights as they are now.
    LiveStatus(IssuerIndex),
    /// The caller has signed the body. A door reads it, up to `limit` bytes, and asks [`Gate::check_body`]; one without
    /// bodies asks [`Gate::check`], which refuses.
    Body {
        /// The most bytes that are read; more are answered 413.
        limit: usize,
    },
}

/// What is to be done with a request.
#[derive(Debug)]
pub enum Verdict {
    /// It may go on, with this permit.
    Forward(Permit),
    /// It is refused.
    Reject(Rejection),
    /// It is one that the gate answers itself: a CORS preflight, or a question about the resource.
    Answer(GateAnswer),
}

impl GateParts {
    /// A policy, and whose tokens it is applied to; everything else as it is by default.
    #[must_use]
    pub fn new(policy: Policy, verifier: Verifier) -> Self {
        static GENERATION: AtomicU64 = AtomicU64::new(1);
        Self {
            senders: SenderOptions::default(),
            schemes: sender::schemes(&verifier),
            policy,
            verifier,
            token: TokenOptions::default(),
            identity: IdentityOptions::default(),
            method_override: false,
            deny: DenyOptions::default(),
            redirect: RedirectOptions::default(),
            file_names: Vec::new(),
            include: Vec::new(),
            permissions_from: Vec::new(),
            generation: GENERATION.fetch_add(1, Ordering::Relaxed),
            #[cfg(feature = "remote")]
            remote: Vec::new(),
            #[cfg(all(feature = "config", feature = "remote"))]
            load_options: crate::LoadOptions::default(),
            #[cfg(feature = "remote")]
            introspection: Vec::new(),
            #[cfg(feature = "remote")]
            feeds: Vec::new(),
            opaque: Vec::new(),
            #[cfg(feature = "remote")]
            exchange: None,
            authenticators: Authenticators::default(),
            preflights: Preflights::default(),
            resource: None,
            observe: false,
            digest: Arc::from(""),
        }
    }

    /// Where tokens are looked for.
    #[must_use]
    pub fn token(mut self, token: TokenOptions) -> Self {
        self.token = token;
        self
    }

    /// Where people are sent who open a page in a browser and cannot see it.
    #[must_use]
    pub fn redirect(mut self, redirect: RedirectOptions) -> Self {
        self.redirect = redirect;
        self
    }

    pub(crate) fn sent_elsewhere(&self, rejection: Rejection, head: &RequestHead<'_>) -> Rejection {
        let code = rejection.code();
        if !self.deny.pages || !redirect::is_navigation(head) {
            return rejection.sent_to(redirect::location(code, &self.redirect, head));
        }
        // Nobody is sent away without a word who is signed in: they would not know what was wrong.
        match code {
            Code::OrganizationMismatch if self.chooses_by_path() => {
                // Whoever is no member cannot come back here, whatever they choose.
                let start = PathAndQuery::from_static("/");
                let switch = redirect::address(code, &self.redirect, head, &start);
                rejection.shown_as_page(switch)
            }
            Code::OrganizationMismatch | Code::NoActiveOrganization => {
                let switch = redirect::address(code, &self.redirect, head, head.path_and_query);
                rejection.shown_as_page(switch)
            }
            _ => match redirect::location(code, &self.redirect, head) {
                None => rejection.shown_as_page(None),
                location => rejection.sent_to(location),
            },
        }
    }

    /// By issuer, in the order of the verifier: where the permissions of its callers come from. `None`, and what is not in
    /// the list, is as the policy says.
    #[must_use]
    pub fn permissions_from(mut self, choices: Vec<Option<PermissionsFrom>>) -> Self {
        self.permissions_from = choices;
        self
    }

    /// How the identity is passed on.
    #[must_use]
    pub fn identity(mut self, identity: IdentityOptions) -> Self {
        self.identity = identity;
        self
    }

    /// How refusals are rendered.
    #[must_use]
    pub fn deny(mut self, deny: DenyOptions) -> Self {
        self.deny = deny;
        self
    }

    pub(crate) fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// How the application is told who is calling.
    #[must_use]
    pub fn identity_options(&self) -> &IdentityOptions {
        &self.identity
    }

    /// The policy.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }
}

impl Gate {
    /// A gate of these parts.
    #[must_use]
    pub fn new(parts: GateParts) -> Self {
        let inner = Inner {
            parts: ArcSwap::from_pointee(parts),
            cache: TokenCache::new(TOKEN_CACHE_BYTES),
            forgeries: Forgeries::new(),
            unknown_permissions: AtomicU64::new(0),
            opaque: OpaqueMemory::new(),
            sessions: Sessions::new(),
            deliveries: Deliveries::new(),
            replays: Replays::new(),
            limits: Limits::new(),
            told: Told::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Replaces policy and issuers at once. Requests already judged keep their verdict.
    pub fn replace(&self, parts: GateParts) {
        self.inner.parts.store(Arc::new(parts));
        self.inner.cache.clear();
        self.inner.sessions.clear();
    }

    /// The parts in force.
    #[must_use]
    pub fn parts(&self) -> Arc<GateParts> {
        self.inner.parts.load_full()
    }

    /// How the identity is passed on by the policy in force. A request that was judged has its own:
    /// [`Permit::identity`](crate::Permit::identity).
    #[must_use]
    pub fn identity(&self) -> IdentityOptions {
        self.inner.parts.load().identity.clone()
    }

    /// How the gate stands with its issuers.
    #[must_use]
    pub fn status(&self) -> GateStatus {
        let parts = self.inner.parts.load();
        let issuers = parts.verifier.issuers().filter_map(|(index, issuer)| {
            let status = parts.verifier.key_source(index)?.status();
            Some(IssuerStatus {
                issuer: issuer.url().to_string(),
                location: status.location,
                keys_loaded: status.loaded,
                last_error: status.last_error,
                figures: status.figures,
                #[cfg(feature = "remote")]
                introspection: parts.introspection(index).map(|asked| asked.figures()),
                #[cfg(feature = "remote")]
                feed: parts.feed(index).map(orgate_remote::Feed::figures),
            })
        });
        GateStatus {
            issuers: issuers.collect(),
            rules: parts.policy.rule_count(),
            forgeries_recognized: self.inner.forgeries.recognized(),
            unknown_permissions: self.inner.unknown_permissions.load(Ordering::Relaxed),
            token_cache: self.inner.cache.figures(),
        }
    }

    pub(crate) fn snapshot(&self) -> arc_swap::Guard<Arc<GateParts>> {
        self.inner.parts.load()
    }

    pub(crate) fn told(&self) -> &Told {
        &self.inner.told
    }

    pub(crate) fn sessions(&self) -> &Sessions {
        &self.inner.sessions
    }

    pub(crate) fn deliveries(&self) -> &Deliveries {
        &self.inner.deliveries
    }

    pub(crate) fn replays(&self) -> &Replays {
        &self.inner.replays
    }

    /// The same with room for so few proofs of one key.
    #[cfg(test)]
    pub(crate) fn remembering(mut self, proofs: usize) -> Self {
        Arc::get_mut(&mut self.inner).unwrap().replays = Replays::of(proofs);
        self
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.inner.limits
    }
}
