//! The request that a front asks about, as its headers tell it: method, target and host from one complete family.
//!
//! `X-Forwarded-{Method,Proto,Host,Uri}`, which Traefik and Caddy write, or `X-Original-{Method,URL or URI}`, of which a
//! URI may have `X-Original-Host` beside it. A family that is begun must be complete, and each of its headers stands once.
//! Both may be there if they say the same: a client can write whichever its front does not. Nothing is taken from the
//! request line, which is the front's own.

use http::{HeaderMap, Method, uri::PathAndQuery};

use super::reading::{Unclear, is_host};
use crate::problem::Refusal;

/// The request as the client sent it to the front.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Original {
    pub(super) method: Method,
    /// `None` where the family has no place for it.
    pub(super) host: Option<String>,
    pub(super) target: PathAndQuery,
}

/// The one request that `headers` speak of.
pub(super) fn read(headers: &HeaderMap) -> Result<Original, Unclear> {
    match (forwarded(headers)?, original(headers)?) {
        (None, None) => unclear(
            "the request that this is about is named by neither `X-Forwarded-Method`, `-Proto`, `-Host`, `-Uri` nor \
             `X-Original-Method`, `-URL`",
        ),
        (Some(one), None) | (None, Some(one)) => Ok(one),
        (Some(one), Some(other)) => {
            let hosts_differ = other.host.as_ref().is_some_and(|host| one.host.as_ref() != Some(host));
            if one.method != other.method || one.target.as_str() != other.target.as_str() || hosts_differ {
                return unclear("`X-Forwarded-*` and `X-Original-*` speak of two requests");
            }
            Ok(one)
        }
    }
}

fn forwarded(headers: &HeaderMap) -> Result<Option<Original>, Unclear> {
    let method = only(headers, "x-forwarded-method")?;
    let target = only(headers, "x-forwarded-uri")?;
    if method.is_none() && target.is_none() {
        // The others stand in many a request.
        return Ok(None);
    }
    let (scheme, host) = (only(headers, "x-forwarded-proto")?, only(headers, "x-forwarded-host")?);
    let (Some(name), Some(target), Some(scheme), Some(host)) = (method, target, scheme, host) else {
        return unclear("of `X-Forwarded-Method`, `-Proto`, `-Host` and `-Uri` one is missing");
    };
    if !["http", "https", "ws", "wss"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
        return unclear("`X-Forwarded-Proto` is neither `http` nor `https`");
    }
    Ok(Some(Original { method: method_of(name)?, host: Some(host_of(host)?), target: target_of(target)? }))
}

fn original(headers: &HeaderMap) -> Result<Option<Original>, Unclear> {
    let method = only(headers, "x-original-method")?;
    let urls = [only(headers, "x-original-url")?, only(headers, "x-original-uri")?];
    let (name, url) = match (method, urls) {
        (None, [None, None]) => return Ok(None),
        (Some(name), [Some(url), None] | [None, Some(url)]) => (name, url),
        (Some(name), [Some(url), Some(same)]) if url == same => (name, url),
        (Some(_), [Some(_), Some(_)]) => return unclear("`X-Original-URL` and `X-Original-URI` differ"),
        _ => return unclear("of `X-Original-Method` and `X-Original-URL` one is missing"),
    };
    let host = only(headers, "x-original-host")?.map(host_of).transpose()?;
    let (host, target) = match url.split_once("://") {
        Some((scheme, rest)) if !url.starts_with('/') => {
            if !matches!(scheme, "http" | "https") {
                return unclear("`X-Original-URL` has a scheme that is not served");
            }
            let at = rest.find(['/', '?', '#']).unwrap_or(rest.len());
            let (authority, target) = rest.split_at_checked(at).unwrap_or((rest, ""));
            let named = host_of(authority)?;
            if host.is_some_and(|host| host != named) {
                return unclear("`X-Original-URL` and `X-Original-Host` name two hosts");
            }
            (Some(named), target_of(if target.is_empty() { "/" } else { target })?)
        }
        _ => (host, target_of(url)?),
    };
    Ok(Some(Original { method: method_of(name)?, host, target }))
}

fn only<'h>(headers: &'h HeaderMap, name: &'static str) -> Result<Option<&'h str>, Unclear> {
    let mut values = headers.get_all(name).iter();
    match (values.next().map(|value| value.to_str()), values.next()) {
        // What a front cleared is empty or gone.
        (None | Some(Ok("")), None) => Ok(None),
        (Some(Ok(value)), None) => Ok(Some(value)),
        (Some(Err(_)), None) => unclear("what names the request has bytes that are none of a request"),
        (_, Some(_)) => unclear("what names the request stands twice"),
    }
}

fn method_of(name: &str) -> Result<Method, Unclear> {
    Method::from_bytes(name.as_bytes())
        .map_err(|_| Unclear::Head(Refusal::BadRequest, "the method of the request is none"))
}

fn host_of(name: &str) -> Result<String, Unclear> {
    if is_host(name) { Ok(name.to_ascii_lowercase()) } else { unclear("the host of the request is none") }
}

/// A path and a query, byte by byte. The parser would cut a fragment off, which the application may get.
pub(super) fn target_of(text: &str) -> Result<PathAndQuery, Unclear> {
    let no_path = Unclear::Target("the request target is no path");
    if !text.starts_with('/') {
        return Err(no_path);
    }
    match PathAndQuery::try_from(text) {
        Ok(target) if target.as_str() == text => Ok(target),
        _ => Err(Unclear::Target("the request target has a byte that no target has")),
    }
}

fn unclear<T>(detail: &'static str) -> Result<T, Unclear> {
    Err(Unclear::Head(Refusal::BadRequest, detail))
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn asked(fields: &[(&str, &str)]) -> Result<String, Unclear> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(
                HeaderName::try_from(*name).expect("a name"),
                HeaderValue::from_bytes(value.as_bytes()).expect("a value"),
            );
        }
        let Original { method, host, target } = read(&headers)?;
        Ok(format!("{method} {}{target}", host.unwrap_or_default()))
    }

    const FORWARDED: [(&str, &str); 4] = [
        ("x-forwarded-method", "PUT"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "App.example:8443"),
        ("x-forwarded-uri", "/a%2Fb?c=%23"),
    ];

    #[test]
    fn one_complete_family_is_read() {
        let told = "PUT app.example:8443/a%2Fb?c=%23";
        assert_eq!(asked(&FORWARDED).as_deref(), Ok(told));
        for url in ["/a%2Fb?c=%23", "https://app.example:8443/a%2Fb?c=%23"] {
            for name in ["x-original-url", "x-original-uri"] {
                let fields =
                    [("x-original-method", "PUT"), (name, url), ("x-original-host", "app.example:8443")];
                assert_eq!(asked(&fields).as_deref(), Ok(told), "{name} {url}");
                assert_eq!(asked(&[FORWARDED.as_slice(), &fields].concat()).as_deref(), Ok(told));
            }
        }
        assert_eq!(asked(&[("x-original-method", "GET"), ("x-original-uri", "/")]).as_deref(), Ok("GET /"));
        assert_eq!(
            asked(&[("x-original-method", "GET"), ("x-original-url", "http://a")]).as_deref(),
            Ok("GET a/")
        );
        // Many fronts write these two whatever they are asked.
        let both = [&FORWARDED[1..3], &[("x-original-method", "GET"), ("x-original-uri", "/")]].concat();
        assert_eq!(asked(&both).as_deref(), Ok("GET /"));
    }

    #[test]
    fn everything_else_is_refused() {
        let bad = |fields: &[(&str, &str)]| {
            assert!(matches!(asked(fields), Err(Unclear::Head(Refusal::BadRequest, _))), "{fields:?}");
        };
        bad(&[]);
        bad(&FORWARDED[1..3]);
        for missing in 0..4 {
            let mut fields = FORWARDED.to_vec();
            fields.remove(missing);
            bad(&fields);
            bad(&[FORWARDED.as_slice(), &[FORWARDED[missing]]].concat());
            let mut cleared = FORWARDED;
            cleared[missing].1 = "";
            bad(&cleared);
        }
        for (name, value) in [
            ("x-forwarded-method", "G T"),
            ("x-forwarded-method", "GET, PUT"),
            ("x-forwarded-proto", "ftp"),
            ("x-forwarded-proto", "https, http"),
            ("x-forwarded-host", "a, b"),
            ("x-forwarded-host", "u@a"),
            ("x-forwarded-uri", "/\u{e9}"),
        ] {
            let fields: Vec<_> =
                FORWARDED.iter().map(|field| if field.0 == name { (name, value) } else { *field }).collect();
            bad(&fields);
        }
        let original = [("x-original-method", "PUT"), ("x-original-uri", "/a%2Fb?c=%23")];
        bad(&original[..1]);
        bad(&original[1..]);
        bad(&[original.as_slice(), &[("x-original-url", "/other")]].concat());
        bad(&[("x-original-method", "GET"), ("x-original-url", "ftp://a/")]);
        bad(&[("x-original-method", "GET"), ("x-original-url", "http://a/"), ("x-original-host", "b")]);
        for differing in [
            [("x-original-method", "GET"), original[1]].as_slice(),
            &[original[0], ("x-original-uri", "/a/b?c=%23")],
            &[original[0], original[1], ("x-original-host", "other.example")],
        ] {
            bad(&[FORWARDED.as_slice(), differing].concat());
        }
    }

    #[test]
    fn a_target_is_taken_byte_by_byte_or_not_at_all() {
        for target in ["/", "/%2e%2e/a", "//a", "/a?b?c", "/a/../b"] {
            assert_eq!(target_of(target).expect("a target").as_str(), target);
        }
        for target in ["", "*", "a", "?a", "/a#b", "/#", "/a b", "/a\\\u{7f}", "http://a/", "#", "/a\t"] {
            assert!(matches!(target_of(target), Err(Unclear::Target(_))), "{target:?}");
        }
    }
}
