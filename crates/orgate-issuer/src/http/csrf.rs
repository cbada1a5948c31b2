//! Who may change something in the name of a cookie.
//!
//! A browser says where a request comes from: `Origin` (RFC 6454) or `Sec-Fetch-Site`. A state-changing request by
//! cookie needs an `Origin` that is allowed, or, without one, `Sec-Fetch-Site: same-origin`. Neither is a refusal: a
//! program that is no browser does not use cookies by accident and can set the header.

use http::{HeaderMap, header};

use super::problem::{Code, Problem};
use crate::config::PublicUrl;

/// Refuses a state-changing request by cookie that may come from elsewhere.
pub(crate) fn check(headers: &HeaderMap, public: &PublicUrl, trusted: &[String]) -> Result<(), Problem> {
    match place(headers, public, trusted) {
        Place::Here => Ok(()),
        Place::Unknown | Place::Elsewhere => Err(Code::Csrf.into()),
    }
}

/// The same for a request that brings its own proof, such as a password: it is refused only if it says that it comes
/// from elsewhere.
pub(crate) fn check_foreign(
    headers: &HeaderMap,
    public: &PublicUrl,
    trusted: &[String],
) -> Result<(), Problem> {
    match place(headers, public, trusted) {
        Place::Here | Place::Unknown => Ok(()),
        Place::Elsewhere => Err(Code::Csrf.into()),
    }
}

/// Whether a form of our own pages was sent by our own page. They are shown with `Referrer-Policy: no-referrer`, which
/// makes their `Origin` `null`, so only `Sec-Fetch-Site` speaks; the form's own token is the real guard.
pub(crate) fn page_form_is_foreign(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-site").is_some_and(|site| site != "same-origin")
}

enum Place {
    Here,
    Elsewhere,
    Unknown,
}

fn place(headers: &HeaderMap, public: &PublicUrl, trusted: &[String]) -> Place {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    if let Some(origin) = origins.next() {
        let allowed = origin == public.origin() || trusted.iter().any(|known| origin == known.as_str());
        return if allowed && origins.next().is_none() { Place::Here } else { Place::Elsewhere };
    }
    match headers.get("sec-fetch-site") {
        Some(site) if site == "same-origin" => Place::Here,
        Some(_) => Place::Elsewhere,
        None => Place::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn only_an_allowed_origin_may_change_by_cookie() {
        let public = PublicUrl::parse("https://id.example.com").unwrap();
        let trusted = ["chrome-extension://aaaabbbbccccddddeeeeffffgggghhhh".to_owned()];
        for (name, value, by_cookie, by_password) in [
            ("origin", "https://id.example.com", true, true),
            ("origin", "chrome-extension://aaaabbbbccccddddeeeeffffgggghhhh", true, true),
            ("origin", "https://id.example.com.evil.test", false, false),
            ("origin", "https://id.example.com:8443", false, false),
            ("origin", "http://id.example.com", false, false),
            ("origin", "null", false, false),
            ("sec-fetch-site", "same-origin", true, true),
            ("sec-fetch-site", "same-site", false, false),
            ("sec-fetch-site", "cross-site", false, false),
            ("x-other", "x", false, true),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_static(value));
            assert_eq!(check(&headers, &public, &trusted).is_ok(), by_cookie, "{name}: {value}");
            assert_eq!(check_foreign(&headers, &public, &trusted).is_ok(), by_password, "{name}: {value}");
        }
    }

    #[test]
    fn an_origin_decides_before_any_other_header() {
        let public = PublicUrl::parse("https://id.example.com").unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("origin", HeaderValue::from_static("https://evil.test"));
        headers.insert("sec-fetch-site", HeaderValue::from_static("same-origin"));
        assert!(check(&headers, &public, &[]).is_err());
    }
}
