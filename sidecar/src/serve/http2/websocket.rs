//! WebSocket over a stream (RFC 8441): an extended CONNECT becomes the GET with `Upgrade` that it stands for, and is judged and
//! forwarded as that is; an answer that switches becomes 200, and the stream carries what the connection would.
//!
//! Over HTTP/2 there is no key and no proof of having understood it; towards the application both are ours. Every other
//! `:protocol` is refused: nobody here knows what it would be in HTTP/1.1.

use aws_lc_rs::{
    digest::{self, SHA1_FOR_LEGACY_USE_ONLY},
    rand::{SecureRandom as _, SystemRandom},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{
    HeaderValue, Method, Request, Response, StatusCode,
    header::{CONNECTION, CONTENT_LENGTH, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE},
};
use hyper::{ext::Protocol, upgrade::OnUpgrade};
use hyper_util::rt::TokioIo;
use tracing::debug;

use super::stream::Open;
use crate::serve::{
    Defect,
    tunnel::{CanSwitch, Switched},
};

/// A stream that asks to be a WebSocket.
#[derive(Debug)]
pub(super) struct Asked {
    client: OnUpgrade,
    key: HeaderValue,
    accept: String,
}

/// `request` with the method that is judged, and what it asks for beside an answer.
pub(super) fn as_upgrade<B>(mut request: Request<B>) -> Result<(Request<B>, Option<Asked>), Defect> {
    let Some(protocol) = request.extensions_mut().remove::<Protocol>() else { return Ok((request, None)) };
    let client = request.extensions_mut().remove::<OnUpgrade>();
    let is_served = *request.method() == Method::CONNECT
        && protocol.as_str() == "websocket"
        && !request.headers().contains_key(CONTENT_LENGTH);
    let (true, Some(client)) = (is_served, client) else { return Err(Defect::Protocol) };
    let mut bytes = [0; 16];
    SystemRandom::new().fill(&mut bytes).map_err(|_| Defect::Protocol)?;
    let key = STANDARD.encode(bytes);
    let accept = accept(&key);
    let key = HeaderValue::try_from(key).map_err(|_| Defect::Protocol)?;
    *request.method_mut() = Method::GET;
    Ok((request, Some(Asked { client, key, accept })))
}

impl Asked {
    /// Asks for it as HTTP/1.1 does, once nothing else is wrong with the request.
    pub(super) fn ask<B>(&self, request: &mut Request<B>) {
        let headers = request.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(SEC_WEBSOCKET_KEY, self.key.clone());
        request.extensions_mut().insert(CanSwitch { or_fail: true });
    }

    /// Makes of a switch what it is over HTTP/2, and carries what comes then.
    pub(super) fn answered<B>(
        self,
        answer: &mut Response<B>,
        mut open: Open,
        listener: &'static str,
    ) -> Open {
        let Self { client, accept, .. } = self;
        let tunnel = Switched::of(answer);
        let proof = answer.headers_mut().remove(SEC_WEBSOCKET_ACCEPT);
        match tunnel {
            // The client cannot look at the proof, because it does not know the key.
            Some(tunnel) if proof.is_some_and(|proof| proof.as_bytes() == accept.as_bytes()) => {
                *answer.status_mut() = StatusCode::OK;
                let held = open.go_on();
                tokio::spawn(async move {
                    let _held = held;
                    let Ok(client) = client.await else { return };
                    if let Err(error) = tunnel.run(TokioIo::new(client), &[]).await {
                        debug!(listener, %error, "a switched stream ended");
                    }
                });
            }
            // The application is there, and is no WebSocket.
            Some(_) => *answer.status_mut() = StatusCode::BAD_GATEWAY,
            None => {}
        }
        open
    }
}

/// The proof that whoever switches has understood the key (RFC 6455 §4.2.2).
fn accept(key: &str) -> String {
    let text = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    STANDARD.encode(digest::digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proof_is_that_of_the_example_of_the_rfc() {
        assert_eq!(accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
