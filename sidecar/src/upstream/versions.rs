//! One request in the shape of the version that the connection speaks.
//!
//! Requests are prepared for HTTP/1.1. HTTP/2 has the host elsewhere and no fields of a connection (RFC 9113 §8.2.2, §8.3.1);
//! what is lost on the way there can be made again, for a request that then goes out on another connection.

use http::{HeaderValue, Request, Uri, Version, header, uri::PathAndQuery};
use http_body::Body;

/// Gives `request` the shape of HTTP/2; `None` if its host cannot be an authority.
pub(super) fn as_http2<B>(request: &mut Request<B>, scheme: &'static str) -> Option<()> {
    if request.version() == Version::HTTP_2 {
        return Some(());
    }
    let host = request.headers_mut().remove(header::HOST)?;
    let target = request.uri().path_and_query().cloned()?;
    let uri = Uri::builder().scheme(scheme).authority(host.as_bytes()).path_and_query(target).build().ok()?;
    *request.uri_mut() = uri;
    *request.version_mut() = Version::HTTP_2;
    for name in [header::CONNECTION, header::TRANSFER_ENCODING, header::UPGRADE] {
        request.headers_mut().remove(name);
    }
    Some(())
}

/// Gives `request` the shape of HTTP/1.1, if it has that of HTTP/2.
pub(super) fn as_http1<B: Body>(request: &mut Request<B>) -> Option<()> {
    if request.version() != Version::HTTP_2 {
        return Some(());
    }
    let host = HeaderValue::from_str(request.uri().authority()?.as_str()).ok()?;
    let target: PathAndQuery = request.uri().path_and_query().cloned()?;
    *request.uri_mut() = Uri::from(target);
    *request.version_mut() = Version::HTTP_11;
    let has_length = request.headers().contains_key(header::CONTENT_LENGTH);
    let is_open = !request.body().is_end_stream() && request.body().size_hint().exact().is_none();
    let headers = request.headers_mut();
    headers.insert(header::HOST, host);
    if is_open && !has_length {
        headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    if headers.contains_key(header::TE) {
        headers.insert(header::CONNECTION, HeaderValue::from_static("te"));
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http_body_util::Empty;

    use super::*;

    #[test]
    fn there_and_back_nothing_is_lost() {
        let mut request = Request::post("/a%20b?c=d")
            .header("host", "app.example:8080")
            .header("transfer-encoding", "chunked")
            .header("te", "trailers")
            .header("connection", "te")
            .header("x", "1")
            .body(Open)
            .expect("a request");
        as_http2(&mut request, "https").expect("HTTP/2");
        assert_eq!(request.uri(), "https://app.example:8080/a%20b?c=d");
        let mut left: Vec<_> = request.headers().keys().map(|name| name.as_str()).collect();
        left.sort_unstable();
        assert_eq!(left, ["te", "x"]);
        as_http1(&mut request).expect("HTTP/1.1");
        assert_eq!((request.uri().to_string().as_str(), request.version()), ("/a%20b?c=d", Version::HTTP_11));
        for (name, value) in
            [("host", "app.example:8080"), ("transfer-encoding", "chunked"), ("connection", "te"), ("x", "1")]
        {
            assert_eq!(request.headers().get(name).expect(name), value);
        }
    }

    #[test]
    fn a_host_that_is_no_authority_goes_nowhere() {
        for host in [None, Some("a b"), Some("")] {
            let mut request = Request::get("/").body(Empty::<Bytes>::new()).expect("a request");
            if let Some(host) = host {
                request.headers_mut().insert("host", HeaderValue::from_static(host));
            }
            assert!(as_http2(&mut request, "http").is_none(), "{host:?}");
        }
    }

    /// A body of which nothing is known.
    struct Open;

    impl Body for Open {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
            std::task::Poll::Pending
        }
    }
}
