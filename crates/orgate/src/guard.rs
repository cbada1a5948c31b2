//! The second look at a request, from inside the router.
//!
//! The gate judges what the client sent, outside of the router. If something between the two rewrites the target or the
//! method, or if gate and router read a path differently, a rule would answer for a route that it does not speak of. The
//! guard sees which route was really taken ([`MatchedPath`]) and holds it against the permit.

use std::{
    collections::HashMap,
    fmt,
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use arc_swap::ArcSwap;
use axum::{
    body::Body,
    extract::{FromRequestParts, MatchedPath, RawPathParams},
    response::Response,
};
use http::{Request, StatusCode, request::Parts};
use orgate_policy::{Found, PathOptions, Pattern, Relation};
use tower_layer::Layer;
use tower_service::Service;
use tracing::error;

use crate::{Permit, ResponseFuture, extract::no_gate, head::authority, rejection::problem, template};

/// The templates that were met, as patterns, with how the policy reads paths; `None` for one that no request target can
/// match. A router has a fixed number of them, so this does not grow with what clients send.
type Patterns = Arc<ArcSwap<HashMap<Box<str>, (PathOptions, Option<Arc<Pattern>>)>>>;

/// Refuses a request whose route is not the one that its rule was found for: 500 `template_mismatch`, and an error in
/// the log with rule and template. That is so if
/// * the template of the route and the pattern of the rule share no path (wider and narrower rules are normal),
/// * a parameter of the same name holds other bytes in the route than in the rule, or
/// * another rule would win for the method that the router sees.
///
/// [`Gate::protect`](crate::Gate::protect) adds it. Where [`Gate::layer`](crate::Gate::layer) stands in a stack of one's
/// own, or a router is reached through `nest_service` or a fallback, it is added by hand, as the last layer of the router:
///
/// ```
/// # async fn handler() {}
/// let router: axum::Router =
///     axum::Router::new().route("/docs", axum::routing::get(handler)).layer(orgate::TemplateGuard::new());
/// ```
///
/// A request that no route was taken for (a fallback, a nested service) passes: there is nothing to compare. One that
/// did not pass a gate is answered 500 `gate_missing`.
#[derive(Clone, Debug, Default)]
pub struct TemplateGuard {
    patterns: Patterns,
}

impl TemplateGuard {
    /// A guard; it learns from the requests which gate judged them.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl<S> Layer<S> for TemplateGuard {
    type Service = GuardedRoute<S>;

    fn layer(&self, inner: S) -> Self::Service {
        GuardedRoute { patterns: Arc::clone(&self.patterns), inner }
    }
}

/// A route behind a [`TemplateGuard`].
#[derive(Clone, Debug)]
pub struct GuardedRoute<S> {
    patterns: Patterns,
    inner: S,
}

impl<S, B> Service<Request<B>> for GuardedRoute<S>
where
    S: Service<Request<B>, Response = Response>,
{
    type Response = Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, Body, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (mut parts, body) = request.into_parts();
        match admit(&self.patterns, &mut parts) {
            Ok(()) => ResponseFuture::forward(self.inner.call(Request::from_parts(parts, body))),
            Err(response) => ResponseFuture::rejected(*response),
        }
    }
}

/// How a route differs from what was judged.
enum Mismatch {
    NoCommonPath,
    Parameter(Box<str>),
    UnreadableParameters,
    Method,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCommonPath => f.write_str("the rule and the route share no path"),
            // The values are not shown: parts of a path are personal data.
            Self::Parameter(name) => write!(f, "the parameter `{name}` holds other bytes in the route"),
            Self::UnreadableParameters => f.write_str("the parameters of the route cannot be read"),
            Self::Method => f.write_str("another rule speaks of the method that the route was asked with"),
        }
    }
}

fn admit(patterns: &Patterns, parts: &mut Parts) -> Result<(), Box<Response>> {
    let Some(permit) = parts.extensions.get::<Arc<Permit>>().cloned() else {
        return Err(Box::new(no_gate()));
    };
    let Some(matched) = parts.extensions.get::<MatchedPath>().cloned() else { return Ok(()) };
    if permit.would().is_some() {
        // There may be no rule to compare with.
        return Ok(());
    }
    let observed = permit.parts.observes();
    compare(patterns, &permit, matched.as_str(), parts).or_else(|mismatch| {
        error!(
            rule = permit.rule(),
            template = matched.as_str(),
            method = parts.method.as_str(),
            "a request was judged for one route and taken to another: {mismatch}"
        );
        // Nobody is kept out of an application whose policy is only observed.
        if observed { Ok(()) } else { Err(Box::new(refusal())) }
    })
}

fn compare(patterns: &Patterns, permit: &Permit, template: &str, parts: &mut Parts) -> Result<(), Mismatch> {
    // The rule of a preflight is that of the request it asks for; the method that is routed is OPTIONS.
    let method = permit.preflight.clone().unwrap_or_else(|| parts.method.clone());
    if permit.preflight.is_some() && parts.method != http::Method::OPTIONS {
        return Err(Mismatch::Method);
    }
    let host = authority(&parts.uri, &parts.headers).map(str::to_owned);
    let policy = permit.parts.policy();
    let target = policy
        .target(method.as_str(), host.as_deref(), permit.path_and_query().as_str())
        .map_err(|_| Mismatch::Method)?;
    // Finding is pure: under the same policy, the same method and target give the rule of the permit.
    let found = match policy.find(&target) {
        Found::Rule(found) if Some(found.id()) == permit.rule => found,
        _ => return Err(Mismatch::Method),
    };
    let route = pattern_of(patterns, template, policy.paths()).ok_or(Mismatch::NoCommonPath)?;
    if route.relation(found.pattern()) == Relation::Disjoint {
        return Err(Mismatch::NoCommonPath);
    }
    if found.parameters().next().is_none() {
        return Ok(());
    }
    let captured = captured(parts).ok_or(Mismatch::UnreadableParameters)?;
    for (name, value) in found.parameters() {
        if captured.iter().any(|(other, bytes)| other == name && bytes != value) {
            return Err(Mismatch::Parameter(name.into()));
        }
    }
    Ok(())
}

/// What the router captured, decoded. The extractor is asynchronous in form only: it reads what the router put there.
fn captured(parts: &mut Parts) -> Option<RawPathParams> {
    let reading = pin!(RawPathParams::from_request_parts(parts, &()));
    match reading.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(captured) => captured.ok(),
        Poll::Pending => None,
    }
}

fn pattern_of(patterns: &Patterns, template: &str, paths: PathOptions) -> Option<Arc<Pattern>> {
    if let Some((read_by, known)) = patterns.load().get(template)
        && *read_by == paths
    {
        return known.clone();
    }
    let pattern = template::pattern(template, paths).ok().map(Arc::new);
    patterns.rcu(|known| {
        let mut known = HashMap::clone(known);
        known.insert(template.into(), (paths, pattern.clone()));
        known
    });
    pattern
}

fn refusal() -> Response {
    let detail =
        "the route that was taken is not the one that the policy was asked about; the log names both";
    problem(
        StatusCode::INTERNAL_SERVER_ERROR,
        "template_mismatch",
        "Route and rule disagree",
        Some(detail),
        None,
    )
    .map(Body::from)
}
