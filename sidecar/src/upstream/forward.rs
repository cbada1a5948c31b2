//! One request to the upstream and its response back.
//!
//! The head is rewritten in place, the target is the one that was judged, byte for byte, and bodies stream. Where a request
//! may go out a second time, and that it never does once it was begun, says [`member`](super::member).

use std::sync::{Arc, atomic::Ordering};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Uri, Version, header, uri::PathAndQuery};
use http_body::Body as _;
use hyper::{body::Incoming, upgrade::OnUpgrade};
use orgate::Tenure;
use orgate_claims::UnixTime;

use super::{
    ResponseBody, Tried, Upstream, UpstreamError,
    body::{RequestBody, Sending},
    health::Admitted,
    hop_by_hop,
    member::{Failed, Member},
    origin::Said,
    pool::Lease,
    upgrade,
};
use crate::{
    identity_headers::{Identity, IdentityHeaders},
    serve::{CanSwitch, Connection, Switched, Tunnel, decimal},
};

/// A judged request, ready to go.
#[derive(Debug)]
pub struct Outbound<'o> {
    request: Request<ClientBody>,
    target: PathAndQuery,
    /// What only the gate may say, by the policy that judged it.
    names: Arc<IdentityHeaders>,
    identity: Option<Identity<'o>>,
    client: Connection,
    request_id: HeaderValue,
    /// What says the method that was judged, where that is not the one of the request line.
    overriding: Option<(HeaderName, HeaderValue)>,
    /// When a protocol that is switched to has to end.
    until: Option<UnixTime>,
    /// Whether the caller still stands, while what is answered lasts.
    tenure: Option<Tenure>,
}

/// The body that the client sent.
#[derive(Debug)]
pub enum ClientBody {
    /// As it comes.
    Streaming(Incoming),
    /// Read already, for a signature over it.
    Read(Bytes),
    /// Read in part; the rest as it comes.
    Begun(Bytes, Incoming),
}

impl ClientBody {
    fn is_empty(&self) -> bool {
        let nothing = |body: &Incoming| body.is_end_stream() || body.size_hint().exact() == Some(0);
        match self {
            Self::Streaming(body) => nothing(body),
            Self::Read(bytes) => bytes.is_empty(),
            Self::Begun(begun, rest) => begun.is_empty() && nothing(rest),
        }
    }
}

impl From<Incoming> for ClientBody {
    fn from(body: Incoming) -> Self {
        Self::Streaming(body)
    }
}

impl From<Bytes> for ClientBody {
    fn from(body: Bytes) -> Self {
        Self::Read(body)
    }
}

impl<'o> Outbound<'o> {
    /// `request` as the client sent it, with the target that was judged and the identity that was found.
    pub(crate) fn new(
        request: Request<impl Into<ClientBody>>,
        target: PathAndQuery,
        names: Arc<IdentityHeaders>,
        identity: Option<Identity<'o>>,
        client: Connection,
        request_id: HeaderValue,
    ) -> Self {
        Self {
            request: request.map(Into::into),
            target,
            names,
            identity,
            client,
            request_id,
            overriding: None,
            until: None,
            tenure: None,
        }
    }

    /// With the header by which the upstream serves the method that was judged. All others of its kind are removed.
    pub(crate) fn overriding(self, overriding: Option<(HeaderName, HeaderValue)>) -> Self {
        Self { overriding, ..self }
    }

    /// The host that the client asked, and the target that was judged.
    pub(super) fn place(&self) -> (Option<&[u8]>, &str) {
        (self.request.headers().get(header::HOST).map(HeaderValue::as_bytes), self.target.path())
    }

    /// With the end of a connection that is switched to another protocol: that of what the caller has proved.
    pub(crate) fn until(self, until: Option<UnixTime>) -> Self {
        Self { until, ..self }
    }

    /// With what is asked now and then whether the caller still stands.
    pub(crate) fn reviewed_by(self, tenure: Option<Tenure>) -> Self {
        Self { tenure, ..self }
    }
}

impl Upstream {
    /// Sends a judged request and gives the response as soon as its head is there.
    ///
    /// # Errors
    /// [`UpstreamError`]; nothing was answered to the client yet.
    pub async fn forward(&self, outbound: Outbound<'_>) -> Result<Response<ResponseBody>, UpstreamError> {
        let Outbound { request, target, names, identity, client, request_id, overriding, until, tenure } =
            outbound;
        let (mut parts, client_body) = request.into_parts();
        let is_empty = client_body.is_empty();
        let chunked = match parts.version {
            // It has no coding to say that the length is not known.
            Version::HTTP_2 => {
                !is_empty
                    && !matches!(client_body, ClientBody::Read(_))
                    && !parts.headers.contains_key(header::CONTENT_LENGTH)
            }
            _ => parts.headers.contains_key(header::TRANSFER_ENCODING),
        };
        // HTTP/2 has no `Upgrade`.
        let protocol = upgrade::asked_for(&parts).filter(|_| self.speaks_http1());
        let or_fail = parts.extensions.get::<CanSwitch>().is_some_and(|can| can.or_fail);
        let sent = Sent { names: &names, client: &client, version: parts.version, chunked };
        self.rewrite(&mut parts.headers, request_id, &sent)?;
        if let Some(identity) = &identity {
            names.set(&mut parts.headers, identity).map_err(|_| UpstreamError::Identity)?;
        }
        if let Some((name, value)) = overriding {
            parts.headers.insert(name, value);
        }
        if let Some(protocol) = &protocol {
            parts.headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            parts.headers.insert(header::UPGRADE, protocol.clone());
        }
        parts.uri = Uri::from(target);
        parts.version = Version::HTTP_11;
        parts.extensions = http::Extensions::new();

        let idle = self.settings.timeouts.body_idle;
        let sending = (!is_empty).then(Arc::<Sending>::default);
        let body = match (&sending, client_body) {
            (None, _) => RequestBody::empty(),
            (Some(sending), ClientBody::Read(bytes)) => RequestBody::whole(bytes, Arc::clone(sending)),
            (Some(sending), ClientBody::Streaming(incoming)) => {
                RequestBody::streaming(incoming, idle, Arc::clone(sending), Arc::clone(&names))
            }
            (Some(sending), ClientBody::Begun(begun, rest)) => {
                RequestBody::streaming(rest, idle, Arc::clone(sending), Arc::clone(&names)).begun_with(begun)
            }
        };

        let (Delivered { member, admitted, lease }, response) =
            self.send(Request::from_parts(parts, body), protocol.is_some(), sending.as_deref()).await?;
        let (mut parts, incoming) = response.into_parts();
        let switched = upgrade::is_switched(protocol.as_ref(), &parts)
            .and_then(|switched| unfit(&parts).map_or(Ok(switched), Err))
            // Dropping the lease ends the connection.
            .map_err(UpstreamError::Unfit)
            .inspect_err(|error| member.health.failed(admitted, error))?;
        member.health.succeeded();
        if or_fail && !switched && parts.status.is_success() {
            // Whatever a client asks for, that is nothing against the address.
            return Err(UpstreamError::Unfit("it did not switch protocols"));
        }
        hop_by_hop::clean_response(&mut parts.headers);
        if let (true, Some(protocol)) = (switched, protocol) {
            self.switch(&mut parts, protocol, lease, (until, tenure))?;
            return Ok(Response::from_parts(parts, ResponseBody::none(incoming)));
        }
        // The server side speaks the client's version whatever the upstream spoke.
        parts.version = Version::HTTP_11;
        let body = ResponseBody::new(incoming, idle, lease, sending).reviewed_by(tenure);
        Ok(Response::from_parts(parts, body))
    }

    /// Prepares the answer that switches protocols.
    fn switch(
        &self,
        parts: &mut http::response::Parts,
        protocol: HeaderValue,
        lease: Lease,
        (until, tenure): (Option<UnixTime>, Option<Tenure>),
    ) -> Result<(), UpstreamError> {
        let upstream = parts.extensions.remove::<OnUpgrade>().ok_or(UpstreamError::Closed)?;
        parts.headers.remove(header::CONTENT_LENGTH);
        parts.headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        parts.headers.insert(header::UPGRADE, protocol);
        let idle = self.settings.timeouts.tunnel_idle;
        parts.extensions.insert(Switched::to(Tunnel {
            upstream,
            held: Box::new(lease),
            idle,
            until,
            tenure,
        }));
        Ok(())
    }

    fn rewrite(
        &self,
        headers: &mut HeaderMap,
        request_id: HeaderValue,
        &Sent { names, client, version, chunked }: &Sent<'_>,
    ) -> Result<(), UpstreamError> {
        let trailers = hop_by_hop::takes_trailers(headers);
        let said = Said::by(client, headers);
        let original_host = headers.get(header::HOST).cloned();
        hop_by_hop::clean_request(headers, names);

        // From here on everything is ours.
        said.tell(headers, client, original_host.as_ref()).map_err(|_| UpstreamError::Identity)?;
        if let Some(host) = original_host {
            // That of the address, where the upstream is to see it, is put there once it is chosen.
            headers.insert(header::HOST, host.clone());
            headers.insert(X_FORWARDED_HOST, host);
        }
        headers.insert(X_REQUEST_ID, request_id);
        let via = if version == Version::HTTP_2 { "2 orgate" } else { "1.1 orgate" };
        headers.append(header::VIA, HeaderValue::from_static(via));
        if chunked {
            // Said aloud, because hyper otherwise sends a GET of unknown length without its body.
            headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        if trailers {
            headers.insert(header::TE, HeaderValue::from_static("trailers"));
            headers.insert(header::CONNECTION, HeaderValue::from_static("te"));
        }
        Ok(())
    }

    /// Gives the request to the address that has least to do, and to others where nothing of it can have been acted on.
    async fn send(
        &self,
        mut request: Request<RequestBody>,
        alone: bool,
        sending: Option<&Sending>,
    ) -> Result<(Delivered<'_>, Response<Incoming>), UpstreamError> {
        let mut tried = Tried::default();
        let mut last = None;
        while let Some((member, admitted)) = self.pick(&mut tried) {
            if last.is_some() {
                self.retries.fetch_add(1, Ordering::Relaxed);
            }
            let (error, unsent) = match member.send(request, alone, sending).await {
                Ok((lease, response)) => return Ok((Delivered { member, admitted, lease }, response)),
                Err(Failed { error, unsent }) => (error, unsent),
            };
            if error.is_of_address() {
                member.health.failed(admitted, &error);
            }
            match unsent {
                Some(unsent) if tried.count() < MOST_TRIED => request = unsent,
                _ => return Err(error),
            }
            last = Some(error);
        }
        Err(last.unwrap_or(UpstreamError::NoneHealthy))
    }
}

/// A request that was answered, and by whom.
struct Delivered<'u> {
    member: &'u Member,
    admitted: Admitted,
    lease: Lease,
}

/// How a request came.
struct Sent<'s> {
    names: &'s IdentityHeaders,
    client: &'s Connection,
    version: Version,
    /// Whether it has a body of a length that is not known.
    chunked: bool,
}

/// What a response may not be, because the client's side could not frame it or would frame it differently.
fn unfit(parts: &http::response::Parts) -> Option<&'static str> {
    let lengths = parts.headers.get_all(header::CONTENT_LENGTH).iter();
    let is_number = |length: &HeaderValue| decimal(length.as_bytes()).is_some();
    let mut codings = parts.headers.get_all(header::TRANSFER_ENCODING).iter();
    match (lengths.count(), codings.next(), codings.next()) {
        (2.., _, _) => Some("it has more than one `Content-Length`"),
        (1, Some(_), _) => Some("it has both `Content-Length` and `Transfer-Encoding`"),
        (1, None, None) if !parts.headers.get(header::CONTENT_LENGTH).is_some_and(is_number) => {
            Some("its `Content-Length` is not one decimal number")
        }
        (_, _, Some(_)) => Some("it has more than one `Transfer-Encoding`"),
        (_, Some(coding), None) if !coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked") => {
            Some("its `Transfer-Encoding` is not `chunked`")
        }
        _ => None,
    }
}

const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Addresses that one request is given to; each may take the time for a connection.
const MOST_TRIED: u32 = 3;
