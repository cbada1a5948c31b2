//! One shape for a request, whichever version of HTTP it came by: origin form, one `Host`, one `Cookie`.
//!
//! What HTTP/2 has in other places is put where HTTP/1.1 has it, so that doors and upstream read one message; and what
//! could be read in two ways once it stands there is refused as it is for HTTP/1.1 (RFC 9113 §8.2, §8.3, §10.3). The parser
//! has refused before: pseudo-headers that are missing, doubled or late, fields of a connection, `TE` but `trailers`,
//! CR, LF and NUL, and a `Content-Length` that is not that of the data.
//!
//! A `#fragment` in `:path` is cut off by the parser, without a trace: here it is judged as it is forwarded, without.

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Uri,
    header::{CONTENT_LENGTH, COOKIE, HOST},
    uri::PathAndQuery,
};

use crate::serve::{
    Defect,
    framing::{decimal, imitates_framing},
};

/// `request` as HTTP/1.1 has it.
pub(super) fn as_http1<B>(mut request: Request<B>, most_fields: usize) -> Result<Request<B>, Defect> {
    if request.headers().len() > most_fields {
        return Err(Defect::Fields);
    }
    if request.method() == Method::CONNECT {
        return Err(Defect::Connect);
    }
    let target = only_target(&request)?;
    let host = only_host(&request)?;
    check_fields(request.headers())?;
    if let Some(host) = host {
        request.headers_mut().insert(HOST, host);
    }
    join_cookies(request.headers_mut())?;
    *request.uri_mut() = Uri::from(target);
    Ok(request)
}

/// A path, or the `*` of OPTIONS.
fn only_target<B>(request: &Request<B>) -> Result<PathAndQuery, Defect> {
    if !matches!(request.uri().scheme_str(), None | Some("http" | "https")) {
        return Err(Defect::Scheme);
    }
    let target = request.uri().path_and_query().ok_or(Defect::Path)?;
    let is_star = target.as_str() == "*" && request.method() == Method::OPTIONS;
    // An empty one shows itself as `/`, but is not equal to it.
    let is_path = target.as_str() == "/" && *target == PathAndQuery::from_static("/")
        || target.as_str() != "/" && target.as_str().starts_with('/');
    if is_star || is_path { Ok(target.clone()) } else { Err(Defect::Path) }
}

/// The `Host` that `:authority` stands for, where there is none; both must agree where there are both.
fn only_host<B>(request: &Request<B>) -> Result<Option<HeaderValue>, Defect> {
    let Some(authority) = request.uri().authority() else { return Ok(None) };
    let mut hosts = request.headers().get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) => HeaderValue::from_str(authority.as_str()).map(Some).map_err(|_| Defect::Authority),
        (Some(host), None) if host.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes()) => Ok(None),
        _ => Err(Defect::Authority),
    }
}

fn check_fields(headers: &HeaderMap) -> Result<(), Defect> {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    match (lengths.next(), lengths.next()) {
        (None, _) => {}
        (Some(length), None) if decimal(length.as_bytes()).is_some() => {}
        _ => return Err(Defect::Length),
    }
    for (name, value) in headers {
        if *name != CONTENT_LENGTH && imitates_framing(name.as_str().as_bytes()) {
            return Err(Defect::Imitation);
        }
        if value.as_bytes().trim_ascii().len() != value.len() {
            return Err(Defect::Space);
        }
    }
    Ok(())
}

/// Clients may send each cookie in a field of its own (RFC 9113 §8.2.3).
fn join_cookies(headers: &mut HeaderMap) -> Result<(), Defect> {
    let mut cookies = headers.get_all(COOKIE).iter();
    let (Some(first), Some(second)) = (cookies.next(), cookies.next()) else { return Ok(()) };
    let mut joined = first.as_bytes().to_vec();
    for cookie in std::iter::once(second).chain(cookies) {
        joined.extend_from_slice(b"; ");
        joined.extend_from_slice(cookie.as_bytes());
    }
    let joined = HeaderValue::from_maybe_shared(bytes::Bytes::from(joined)).map_err(|_| Defect::Fields)?;
    headers.insert(COOKIE, joined);
    Ok(())
}

/// Removes from an answer what HTTP/2 does not have.
pub(super) fn clean_answer(headers: &mut HeaderMap) {
    for name in &OF_A_CONNECTION {
        headers.remove(name);
    }
}

static OF_A_CONNECTION: [HeaderName; 4] =
    [http::header::CONNECTION, http::header::TRANSFER_ENCODING, http::header::UPGRADE, http::header::TE];

#[cfg(test)]
mod tests {
    use super::*;

    fn read(method: &str, uri: &str, fields: &[(&str, &str)]) -> Result<Request<()>, Defect> {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        as_http1(request.body(()).expect("a request"), 10)
    }

    #[test]
    fn the_authority_becomes_the_host() {
        for fields in [&[][..], &[("host", "A.example:80")]] {
            let request = read("GET", "https://a.example:80/a?b", fields).expect("one reading");
            assert_eq!(request.uri(), "/a?b");
            let hosts: Vec<_> = request.headers().get_all(HOST).iter().collect();
            assert!(hosts.len() == 1 && hosts[0].as_bytes().eq_ignore_ascii_case(b"a.example:80"));
        }
        let request = read("GET", "/a", &[("host", "a")]).expect("one reading");
        assert_eq!(request.headers().get(HOST).expect("there"), "a");
        assert_eq!(read("OPTIONS", "*", &[("host", "a")]).expect("one reading").uri(), "*");
    }

    #[test]
    fn what_has_two_readings_is_refused() {
        for (uri, fields, defect) in [
            ("http://a/", &[("host", "b")][..], Defect::Authority),
            ("http://a/", &[("host", "a:80")], Defect::Authority),
            ("http://a/", &[("host", "a"), ("host", "a")], Defect::Authority),
            ("ftp://a/", &[], Defect::Scheme),
            ("*", &[("host", "a")], Defect::Path),
            ("http://a/", &[("content-length", "3"), ("content-length", "3")], Defect::Length),
            ("http://a/", &[("content-length", "")], Defect::Length),
            ("http://a/", &[("content-length", "9999999999999999999")], Defect::Length),
            ("http://a/", &[("content_length", "3")], Defect::Imitation),
            ("http://a/", &[("transfer-encoding", "chunked")], Defect::Imitation),
            ("http://a/", &[("transfer_encoding", "chunked")], Defect::Imitation),
            ("http://a/", &[("x", " a")], Defect::Space),
            ("http://a/", &[("x", "a\t")], Defect::Space),
            ("http://a/", &[("x", "a"); 11], Defect::Fields),
        ] {
            assert_eq!(read("GET", uri, fields).err(), Some(defect), "{uri} {fields:?}");
        }
        assert_eq!(read("CONNECT", "a:80", &[]).err(), Some(Defect::Connect));
    }

    #[test]
    fn a_target_must_be_a_path() {
        for path in ["#x", "?x"] {
            let target: PathAndQuery = path.parse().expect("the parser takes it");
            let mut parts = http::uri::Parts::default();
            parts.scheme = Some(http::uri::Scheme::HTTP);
            parts.authority = Some(http::uri::Authority::from_static("a"));
            parts.path_and_query = Some(target);
            let uri = Uri::from_parts(parts).expect("a URI");
            let request = Request::builder().uri(uri).body(()).expect("a request");
            assert_eq!(as_http1(request, 10).err(), Some(Defect::Path), "{path}");
        }
    }

    #[test]
    fn cookies_become_one() {
        let request = read(
            "GET",
            "http://a/",
            &[("cookie", "a=1"), ("x", "1"), ("cookie", "b=2; c=3"), ("cookie", "d=4")],
        );
        let request = request.expect("one reading");
        let cookies: Vec<_> = request.headers().get_all(COOKIE).iter().collect();
        assert_eq!(cookies, ["a=1; b=2; c=3; d=4"]);
    }
}
