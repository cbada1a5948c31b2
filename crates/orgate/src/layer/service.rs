//! Judges each request before the inner service sees it.

use std::{
    mem,
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Method, Request, Response, Uri, uri::PathAndQuery};
use tower_service::Service;
use tracing::{debug, error};

use super::{
    RejectionResponse, ResponseFuture,
    body::{self, Unread},
};
use crate::{
    Additions, CertificateThumbprint, Checked, Code, Gate, Need, Permit, Rejection, RequestHead, Verdict,
    clock, head::authority,
};

/// A service behind a [`Gate`]; made by [`GateLayer`](super::GateLayer).
#[derive(Clone, Debug)]
pub struct GateService<S, R = super::DefaultRejection> {
    gate: Gate,
    rejection: R,
    inner: S,
}

impl<S, R> GateService<S, R> {
    pub(crate) fn new(gate: Gate, rejection: R, inner: S) -> Self {
        Self { gate, rejection, inner }
    }
}

impl<S, R, ReqBody, ResBody> Service<Request<ReqBody>> for GateService<S, R>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone + Send + 'static,
    S::Future: Send,
    R: RejectionResponse<ResBody> + Send + 'static,
    ReqBody: Send + 'static,
    ResBody: 'static,
{
    type Response = Response<ResBody>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, ResBody, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        // The clone stays behind; the service that was polled ready is the one that is called.
        let clone = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, clone);
        let Some(path_and_query) = path_and_query(&request) else {
            let code =
                if request.method() == Method::CONNECT { Code::BadRequest } else { Code::BadRequestTarget };
            let rejection = Rejection::new(code).with_detail("the request target has no path");
            return ResponseFuture::rejected(self.reject(rejection));
        };
        match self.gate.check_now(&head(&request, &path_and_query), clock::now()) {
            Checked::Done(Verdict::Forward(permit)) => match self.admit(&mut request, permit) {
                Ok(additions) => ResponseFuture::adding(inner.call(request), additions),
                Err(rejection) => ResponseFuture::rejected(self.reject(*rejection)),
            },
            Checked::Done(Verdict::Reject(rejection)) => ResponseFuture::rejected(self.reject(rejection)),
            Checked::Done(Verdict::Answer(answer)) => {
                ResponseFuture::rejected(self.rejection.answer(&answer))
            }
            Checked::Needs(need) => {
                let limit = if let Need::Body { limit } = need { Some(limit) } else { None };
                let this = Self { gate: self.gate.clone(), rejection: self.rejection.clone(), inner };
                ResponseFuture::waiting(Box::pin(this.check(request, path_and_query, limit)))
            }
        }
    }
}

impl<S, R> GateService<S, R> {
    fn reject<B>(&self, rejection: Rejection) -> Response<B>
    where
        R: RejectionResponse<B>,
    {
        self.gate.tell_refused(&rejection);
        debug!(rule = rejection.rule(), code = %rejection.reason(), status = rejection.status().as_u16(), "denied");
        let mut response = self.rejection.response(&rejection);
        // The reason survives a replaced body, for whoever logs further out.
        response.extensions_mut().insert(rejection);
        response
    }

    /// Hands the permit to the inner service, and says what its response is to tell.
    ///
    /// # Errors
    /// The refusal of a request whose path or method would have to be another one where it is too late for that.
    fn admit<B>(&self, request: &mut Request<B>, permit: Permit) -> Result<Additions, Box<Rejection>> {
        if permit.parts.changes_targets() {
            put_in_form(request, permit.path_and_query())?;
        }
        put_method(request, &permit)?;
        let additions = permit.strip_credential(request.headers_mut());
        self.gate.tell_forwarded(&permit, request.method());
        admit(request, permit);
        Ok(additions)
    }

    /// The way of a request that has to wait: for keys, for an answer about its caller, or for its own body, of which at
    /// most `limit` bytes are read.
    async fn check<ReqBody, ResBody>(
        mut self,
        request: Request<ReqBody>,
        path_and_query: PathAndQuery,
        limit: Option<usize>,
    ) -> Result<Response<ResBody>, S::Error>
    where
        S: Service<Request<ReqBody>, Response = Response<ResBody>>,
        R: RejectionResponse<ResBody>,
        ReqBody: Send + 'static,
    {
        let (parts, mut body) = request.into_parts();
        let (mut bytes, mut oversized) = (None, false);
        if let Some(limit) = limit {
            match body::read(body, limit).await {
                Ok((read, whole)) => (bytes, body) = (Some(read), whole),
                Err(Unread::TooLarge(whole)) => (oversized, body) = (true, whole),
                Err(unread) => return Ok(self.reject(refused(&unread))),
            }
        }
        let verdict = {
            let peer = parts.extensions.get::<SocketAddr>().copied();
            let client_certificate = parts.extensions.get::<CertificateThumbprint>().copied();
            let head = RequestHead {
                method: &parts.method,
                authority: authority(&parts.uri, &parts.headers),
                path_and_query: &path_and_query,
                headers: &parts.headers,
                peer,
                client_certificate,
            };
            match &bytes {
                _ if oversized => self.gate.check_oversized(&head, limit.unwrap_or_default()),
                Some(bytes) => self.gate.check_body(&head, bytes).await,
                None => self.gate.check(&head).await,
            }
        };
        let mut request = Request::from_parts(parts, body);
        match verdict {
            Verdict::Forward(permit) => {
                let additions = match self.admit(&mut request, permit) {
                    Ok(additions) => additions,
                    Err(rejection) => return Ok(self.reject(*rejection)),
                };
                let mut response = self.inner.call(request).await?;
                additions.add_to(&mut response);
                Ok(response)
            }
            Verdict::Reject(rejection) => Ok(self.reject(rejection)),
            Verdict::Answer(answer) => Ok(self.rejection.answer(&answer)),
        }
    }
}

/// What a delivery is answered with whose body was not read.
fn refused<B>(unread: &Unread<B>) -> Rejection {
    match unread {
        Unread::TooLarge(_) => Rejection::new(Code::ContentTooLarge),
        Unread::Broken => Rejection::new(Code::BadRequest).with_detail("the body of the request broke off"),
        Unread::OtherType => {
            error!(
                "a signed delivery cannot be judged: the layer cannot hold bodies of this type; box them before it"
            );
            Rejection::new(Code::KeysUnavailable).with_detail("this service cannot judge signed deliveries")
        }
    }
}

/// The target as the client sent it: routers that strip a prefix keep the original beside it.
fn path_and_query<B>(request: &Request<B>) -> Option<PathAndQuery> {
    #[cfg(feature = "axum")]
    if let Some(original) = request.extensions().get::<axum::extract::OriginalUri>() {
        return original.path_and_query().cloned();
    }
    request.uri().path_and_query().cloned()
}

/// Gives the request the target that was judged.
///
/// SECURITY: where a router has chosen a route already, it did so by the path that was sent. Another query is no other
/// route, and is put in the place of the one that was sent wherever that is kept.
fn put_in_form<B>(request: &mut Request<B>, judged: &PathAndQuery) -> Result<(), Box<Rejection>> {
    let Some(sent) = path_and_query(request).filter(|sent| sent != judged) else { return Ok(()) };
    let refused = || {
        let detail = "the path is not in the one form that it has, and it is too late to put it there";
        Box::new(Rejection::new(Code::BadRequestTarget).with_detail(detail))
    };
    if sent.path() != judged.path() {
        if is_routed(request) {
            return Err(refused());
        }
        *request.uri_mut() = with_target(request.uri(), judged.clone()).ok_or_else(refused)?;
        return Ok(());
    }
    // A router may have taken a prefix off.
    let own = with_query(request.uri().path(), judged.query()).ok_or_else(refused)?;
    *request.uri_mut() = with_target(request.uri(), own).ok_or_else(refused)?;
    #[cfg(feature = "axum")]
    if let Some(original) = request.extensions_mut().get_mut::<axum::extract::OriginalUri>() {
        original.0 = with_target(&original.0, judged.clone()).ok_or_else(refused)?;
    }
    Ok(())
}

fn with_query(path: &str, query: Option<&str>) -> Option<PathAndQuery> {
    let text = query.map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
    PathAndQuery::try_from(text).ok()
}

fn with_target(uri: &Uri, target: PathAndQuery) -> Option<Uri> {
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(target);
    Uri::from_parts(parts).ok()
}

/// Gives the request the method that was judged, so that whoever is inside need not read the header that says it.
fn put_method<B>(request: &mut Request<B>, permit: &Permit) -> Result<(), Box<Rejection>> {
    let Some((name, _)) = permit.method_override(request.method(), request.headers()) else { return Ok(()) };
    if is_routed(request) {
        let detail = "the method is overridden, and it is too late to choose a route by it";
        return Err(Box::new(Rejection::new(Code::BadRequest).with_detail(detail)));
    }
    if let Some(method) = permit.parts.overridden(request.method(), request.headers()).map_err(Box::new)? {
        *request.method_mut() = method;
        request.headers_mut().remove(name);
    }
    Ok(())
}

/// Whether a router has chosen a route already.
#[cfg_attr(not(feature = "axum"), allow(unused_variables, reason = "no other router leaves a trace"))]
fn is_routed<B>(request: &Request<B>) -> bool {
    #[cfg(feature = "axum")]
    if request.extensions().get::<axum::extract::OriginalUri>().is_some()
        || request.extensions().get::<axum::extract::MatchedPath>().is_some()
    {
        return true;
    }
    false
}

fn head<'r, B>(request: &'r Request<B>, path_and_query: &'r PathAndQuery) -> RequestHead<'r> {
    RequestHead {
        method: request.method(),
        authority: authority(request.uri(), request.headers()),
        path_and_query,
        headers: request.headers(),
        peer: request.extensions().get::<SocketAddr>().copied(),
        client_certificate: request.extensions().get::<CertificateThumbprint>().copied(),
    }
}

/// Hands the permit to the inner service.
fn admit<B>(request: &mut Request<B>, permit: Permit) {
    let extensions = request.extensions_mut();
    // Nothing that a layer further out put there may pass for the gate's word.
    extensions.remove::<crate::Principal>();
    if let Some(principal) = permit.principal() {
        extensions.insert(principal);
    }
    extensions.insert(Arc::new(permit));
}
