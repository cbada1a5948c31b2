//! Proof that a request may go on.

use std::sync::Arc;

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header::SEC_WEBSOCKET_PROTOCOL,
    uri::PathAndQuery,
};
use orgate_policy::RuleId;

use crate::{
    IdentityOptions, Principal, Rejection, cache_control::make_private, credentials, gate::GateParts,
    method_override, quota::Quota, sender::NONCE, token_cache::VerifiedToken,
};

/// Proof that the gate let this request pass. Only the gate makes one; it cannot be copied, and forwarding takes it by
/// value, so nothing is sent on without having been judged, and nothing is sent twice.
///
/// ```compile_fail
/// // A permit cannot be made by hand: its fields are nobody else's…
/// fn forge(permit: orgate::Permit) -> orgate::Permit {
///     orgate::Permit { ..permit }
/// }
/// ```
/// ```compile_fail
/// // …nor used twice.
/// fn forward(permit: orgate::Permit) {}
/// fn twice(permit: orgate::Permit) {
///     forward(permit);
///     forward(permit);
/// }
/// ```
#[derive(Debug)]
pub struct Permit {
    pub(crate) parts: Arc<GateParts>,
    pub(crate) token: Option<Arc<VerifiedToken>>,
    /// `None` only where a policy is observed that has no rule for the request.
    pub(crate) rule: Option<RuleId>,
    pub(crate) path_and_query: PathAndQuery,
    /// Why it would be refused, were the policy enforced.
    would: Option<Box<Rejection>>,
    shadow: Option<bool>,
    /// Which nonce the client's next proof must carry, where that is another than that of this one.
    nonce: Option<HeaderValue>,
    /// Whether what is answered is for no cache that serves others.
    private: bool,
    quota: Option<Quota>,
    /// The method that a browser asks for, where this is its preflight.
    #[cfg_attr(not(feature = "axum"), allow(dead_code, reason = "the guard inside of a router asks"))]
    pub(crate) preflight: Option<Method>,
}

/// What a door adds to the response to a request that was let through.
#[derive(Clone, Debug, Default)]
pub struct Additions {
    would: Option<(HeaderName, HeaderValue)>,
    /// What was offered as a subprotocol and is none.
    marker: Option<HeaderValue>,
    /// Which nonce the client's next proof must carry (RFC 9449 §8.2), where it is another.
    nonce: Option<HeaderValue>,
    /// Whether the request carried a credential in its query (RFC 6750 §2.3).
    private: bool,
    /// What is left of the limit of its rule.
    quota: Option<Quota>,
}

impl Additions {
    /// Adds it.
    pub fn add_to<B>(self, response: &mut Response<B>) {
        if let Some((name, value)) = self.would {
            response.headers_mut().insert(name, value);
        }
        if self.private {
            make_private(response.headers_mut());
        }
        if let Some(quota) = self.quota {
            quota.add_to(response.headers_mut());
        }
        if let Some(nonce) = self.nonce {
            response.headers_mut().insert(NONCE, nonce);
        }
        if let Some(marker) = self.marker
            && response.status() == StatusCode::SWITCHING_PROTOCOLS
            && !response.headers().contains_key(SEC_WEBSOCKET_PROTOCOL)
        {
            response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, marker);
        }
    }
}

impl Permit {
    pub(crate) fn new(
        parts: Arc<GateParts>,
        rule: Option<RuleId>,
        token: Option<Arc<VerifiedToken>>,
        path_and_query: PathAndQuery,
    ) -> Self {
        let (would, shadow, nonce, preflight) = (None, None, None, None);
        let (private, quota) = (false, None);
        Self { parts, token, rule, path_and_query, would, shadow, nonce, private, quota, preflight }
    }

    /// How the application is told who is calling, by the policy that judged the request.
    #[must_use]
    pub fn identity(&self) -> &IdentityOptions {
        self.parts.identity_options()
    }

    /// Takes the credential out of the headers of the request, where the policy says that it ends here
    /// (`identity: {forward_token: strip}`), whether or not its rule looked at it; a token among subprotocols always ends
    /// here. Says what is to be added to the response.
    #[must_use = "a browser gives up a WebSocket for which no protocol is selected"]
    pub fn strip_credential(&self, headers: &mut HeaderMap) -> Additions {
        let marker = credentials::offered_marker(headers, &self.parts.token);
        credentials::remove_markers(headers, &self.parts.token);
        if !self.parts.identity_options().forward_token {
            credentials::remove(headers, &self.parts.token);
        }
        let Self { private, quota, .. } = *self;
        Additions { would: self.would_header(), marker, nonce: self.nonce.clone(), private, quota }
    }

    /// The header by which the application will serve another method than `method`, where the policy says that it does
    /// (`paths: {profile: rails}`). That method is the one that was judged.
    #[must_use]
    pub fn method_override(&self, method: &Method, headers: &HeaderMap) -> Option<(HeaderName, HeaderValue)> {
        let honoured = self.parts.method_override && method == Method::POST;
        Some((method_override::HEADER, headers.get(method_override::HEADER).filter(|_| honoured)?.clone()))
    }

    pub(crate) fn with_nonce(self, nonce: Option<HeaderValue>) -> Self {
        Self { nonce, ..self }
    }

    pub(crate) fn with_quota(self, quota: Option<Quota>) -> Self {
        Self { quota, ..self }
    }

    pub(crate) fn in_private(self, private: bool) -> Self {
        Self { private, ..self }
    }

    pub(crate) fn preflight_of(self, method: Method) -> Self {
        Self { preflight: Some(method), ..self }
    }

    pub(crate) fn observed(self, would: Option<Rejection>, shadow: Option<bool>) -> Self {
        Self { would: would.map(Box::new), shadow, ..self }
    }

    /// Why the request would be refused if the policy were enforced; always `None` unless the policy is only observed.
    #[must_use]
    pub fn would(&self) -> Option<&Rejection> {
        self.would.as_deref()
    }

    /// The digest of the policy that decided; empty where it has none.
    #[must_use]
    pub fn policy_digest(&self) -> &str {
        self.parts.policy_digest()
    }

    /// What the rule's `shadow:` would have said, where that is something else than what was decided.
    #[must_use]
    pub fn shadow(&self) -> Option<bool> {
        self.shadow
    }

    /// The name and the value of the header that tells a client what an observed policy would have answered, such as
    /// `X-Orgate-Would: 403 missing_permission`.
    fn would_header(&self) -> Option<(HeaderName, HeaderValue)> {
        let would = self.would.as_ref()?;
        let name = format!("{}-would", self.parts.identity_options().prefix).to_ascii_lowercase();
        let value = format!("{} {}", would.status().as_u16(), would.code());
        Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?))
    }

    /// The verified caller; `None` on a public route, and on an optional one without a credential.
    #[must_use]
    pub fn principal(&self) -> Option<Principal> {
        self.token.as_ref().map(|token| Principal::verified(Arc::clone(&token.principal)))
    }

    /// The request target that was judged, byte by byte: the only one that may be forwarded.
    #[must_use]
    pub fn path_and_query(&self) -> &PathAndQuery {
        &self.path_and_query
    }

    /// The key of the rule that let the request pass; empty where an observed policy has none.
    #[must_use]
    pub fn rule(&self) -> &str {
        self.rule.and_then(|rule| self.parts.policy().rule(rule)).unwrap_or_default()
    }

    /// The caller's permissions under the policy, sorted by name: those of the token that the policy knows, and what it
    /// derives from roles.
    #[must_use]
    pub fn permissions(&self) -> Vec<&str> {
        let subject = self.token.as_ref().map(|token| &token.subject);
        subject.map(|subject| self.parts.policy().effective_permissions(subject)).unwrap_or_default()
    }

    /// Whether the caller has a permission. One that no rule of the policy and no role names is looked up in the token.
    #[must_use]
    pub fn has_permission(&self, name: &str) -> bool {
        self.token.as_ref().is_some_and(|token| {
            let in_token =
                || token.principal.permissions().iter().any(|permission| permission.as_str() == name);
            self.parts.policy().has_permission(&token.subject, name).unwrap_or_else(in_token)
        })
    }
}
