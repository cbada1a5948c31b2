//! Where somebody is sent who opens a page in a browser and cannot see it.
//!
//! Only a navigation is: a GET or HEAD that the browser made to show a page. Whatever a program asks for keeps its 401 or
//! 403, which a program understands and a redirect to a page would hide from it.

use http::{HeaderValue, Method, header, uri::PathAndQuery};

use crate::{Code, RedirectOptions, RequestHead};

/// The most bytes of the request target that travel along.
const MAX_TARGET: usize = 2048;

/// The address, for a refusal with `code` of this request.
pub(crate) fn location(code: Code, options: &RedirectOptions, head: &RequestHead<'_>) -> Option<HeaderValue> {
    HeaderValue::try_from(address(code, options, head, head.path_and_query)?).ok()
}

/// The same as a text, leading back to `target`.
pub(crate) fn address(
    code: Code,
    options: &RedirectOptions,
    head: &RequestHead<'_>,
    target: &PathAndQuery,
) -> Option<String> {
    let page = match code {
        Code::NoCredential | Code::ExpiredToken | Code::InvalidToken => options.login.as_deref()?,
        // Another organization of theirs may do. A mismatch that is hidden has another code here, and leads nowhere.
        Code::NoActiveOrganization | Code::OrganizationMismatch => options.organizations.as_deref()?,
        _ => return None,
    };
    if !is_navigation(head) || is_here(page, head) {
        return None;
    }
    let origin_form =
        |text: &&str| text.starts_with('/') && !text.starts_with("//") && text.len() <= MAX_TARGET;
    let mut url = page.to_owned();
    if let Some(target) = [target.as_str(), target.path()].into_iter().find(origin_form) {
        url.push(if page.contains('?') { '&' } else { '?' });
        url.push_str("return_to=");
        encode(target, &mut url);
    }
    Some(url)
}

/// Whether a browser asks in order to show a page: it says so (W3C Fetch Metadata §2.3), or an older one asks for HTML.
pub(crate) fn is_navigation(head: &RequestHead<'_>) -> bool {
    if !matches!(*head.method, Method::GET | Method::HEAD) {
        return false;
    }
    match head.headers.get("sec-fetch-mode") {
        Some(mode) => mode == "navigate",
        None => head.headers.get_all(header::ACCEPT).iter().any(|accept| {
            accept.to_str().is_ok_and(|accept| accept.to_ascii_lowercase().contains("text/html"))
        }),
    }
}

/// Whether `page` is the one that was refused: sending somebody there would never end.
fn is_here(page: &str, head: &RequestHead<'_>) -> bool {
    let path = match page.split_once("://") {
        None => page,
        Some((_, rest)) => {
            let start = rest.find(['/', '?']).unwrap_or(rest.len());
            let (authority, path) = rest.split_at_checked(start).unwrap_or((rest, ""));
            if !head.authority.is_some_and(|own| own.eq_ignore_ascii_case(authority)) {
                return false;
            }
            path
        }
    };
    let path = path.split('?').next().unwrap_or_default();
    let path = if path.is_empty() { "/" } else { path };
    path == head.path_and_query.path()
}

/// Percent-encodes what is not unreserved (RFC 3986 §2.3).
fn encode(text: &str, into: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            into.push(char::from(byte));
        } else {
            into.push_str(&format!("%{byte:02X}"));
        }
    }
}
