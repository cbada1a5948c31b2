//! A message of our own to a service, such as a collector of spans: over the same connections as requests, and as nobody.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header, uri::PathAndQuery};
use http_body_util::BodyExt as _;

use super::{
    ResponseBody, Upstream, UpstreamError,
    body::{RequestBody, Sending},
    member::Failed,
};

impl Upstream {
    /// Posts `body` to its first address, and reads how that is answered.
    pub(crate) async fn post(
        &self,
        target: PathAndQuery,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<StatusCode, UpstreamError> {
        let member = self.members.first().ok_or(UpstreamError::NoneHealthy)?;
        let sending = Arc::new(Sending::default());
        let length = HeaderValue::from(body.len());
        let mut request = Request::new(RequestBody::whole(body, Arc::clone(&sending)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = Uri::from(target);
        *request.headers_mut() = headers;
        request.headers_mut().insert(header::CONTENT_LENGTH, length);
        request.headers_mut().insert(header::HOST, member.own_host.clone());
        request.headers_mut().insert(header::USER_AGENT, HeaderValue::from_static("orgate"));
        let sent = member.send(request, false, Some(&sending)).await;
        let (lease, response) = sent.map_err(|Failed { error, .. }| error)?;
        let status = response.status();
        // Read to its end, so that the connection serves again; a long one is let go.
        let idle = self.settings.timeouts.body_idle;
        let mut body = ResponseBody::new(response.into_body(), idle, lease, Some(sending));
        let mut left = MOST;
        while let Some(Ok(frame)) = body.frame().await {
            let length = frame.data_ref().map_or(0, Bytes::len);
            let Some(rest) = left.checked_sub(length) else { break };
            left = rest;
        }
        Ok(status)
    }
}

const MOST: usize = 64 * 1024;
