//! The body of a signed delivery, read before the request is judged because the signature is over it.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

/// Why it was not read.
pub(super) enum Unread {
    /// There is more than may be read: what was read of it, and the rest.
    TooLarge(Bytes, Incoming),
    /// It did not come in time.
    Late,
    /// The client broke off, or what it sent is no body.
    Broken,
}

/// All of `body`, if that is at most `limit` bytes. Trailers are dropped: they are not signed.
pub(super) async fn read(mut body: Incoming, headers: &HeaderMap, limit: usize) -> Result<Bytes, Unread> {
    // What says how large it is need not be read to be refused.
    let announced =
        headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > u64::try_from(limit).unwrap_or(u64::MAX)) {
        return Err(Unread::TooLarge(Bytes::new(), body));
    }
    let mut read = BytesMut::new();
    let reading = async {
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|_| false)?.into_data() else { continue };
            let fits = data.len() <= limit.saturating_sub(read.len());
            read.extend_from_slice(&data);
            if !fits {
                return Err(true);
            }
        }
        Ok(())
    };
    match tokio::time::timeout(LONGEST, reading).await {
        Ok(Ok(())) => Ok(read.freeze()),
        Ok(Err(true)) => Err(Unread::TooLarge(read.freeze(), body)),
        Ok(Err(false)) => Err(Unread::Broken),
        Err(_) => Err(Unread::Late),
    }
}

/// For the whole body: senders of deliveries are servers, and a slow one is none of theirs.
const LONGEST: Duration = Duration::from_secs(30);
