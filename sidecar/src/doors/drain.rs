//! What becomes of the body of a request that is refused.
//!
//! A short rest is read and thrown away, so that the connection can be used again. A long one is not worth it: the
//! connection is closed after the answer. A body that waits for `100 Continue` is never asked for.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, Response, header};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

/// Disposes of `body` and tells the client, in `response`, if its connection ends with it.
pub(super) fn dispose<B>(body: Incoming, request: &HeaderMap, response: &mut Response<B>) {
    if body.is_end_stream() {
        return;
    }
    if request.contains_key(header::EXPECT) || body.size_hint().lower() > MOST {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        return;
    }
    tokio::spawn(tokio::time::timeout(LONGEST, read_away(body)));
}

/// Dropping the body before its end makes hyper close the connection.
async fn read_away(mut body: Incoming) {
    let mut left = MOST;
    while let Some(Ok(frame)) = body.frame().await {
        let length = frame.data_ref().map_or(0, |data| u64::try_from(data.len()).unwrap_or(u64::MAX));
        let Some(rest) = left.checked_sub(length) else { return };
        left = rest;
    }
}

const MOST: u64 = 64 * 1024;
const LONGEST: Duration = Duration::from_secs(5);
