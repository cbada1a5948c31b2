//! Cookies: which names, which attributes, and how to read them without being fooled.
//!
//! A cookie that comes twice is no cookie: one of the two was set by somebody else (a sibling domain, another path),
//! and nobody can tell which. Cookies are `HttpOnly` and `SameSite=Lax`; on https they are `Secure`, and those of the
//! whole host carry the prefix `__Host-`, which browsers accept from this host alone.

use cookie::{Cookie, SameSite, time::Duration};
use http::{HeaderMap, HeaderValue, header};

use crate::config::{PublicUrl, Settings};

/// The operators' cookie, as Astapa's documentation names it.
pub(crate) const OPERATOR: &str = "session";
/// Where the operators' cookie goes.
pub(crate) fn operator_path(public: &PublicUrl) -> String {
    format!("{}/api/platform", public.path())
}

/// The name of the operators' cookie for the pages of the console.
pub(crate) fn console_name(public: &PublicUrl) -> String {
    host_name(public, "orgate-console")
}

/// The name of the end users' session cookie of a project.
pub(crate) fn session_name(settings: &Settings, public: &PublicUrl, project_id: &str) -> String {
    match &settings.session_cookie {
        Some(pattern) => pattern.replace("{project}", project_id),
        None => host_name(public, &format!("orgate-{project_id}")),
    }
}

/// The name of the cookie that binds a sign-in to one browser.
pub(crate) fn sign_in_name(public: &PublicUrl) -> String {
    host_name(public, "orgate-sign-in")
}

/// The name of the cookie by which a browser is known to have signed in before.
pub(crate) fn device_name(public: &PublicUrl, project_id: &str) -> String {
    host_name(public, &format!("orgate-device-{project_id}"))
}

/// The name of the cookie by which a browser is known to have signed an operator in before.
pub(crate) fn operator_device_name(public: &PublicUrl) -> String {
    host_name(public, "orgate-operator-device")
}

/// The name of the cookie that keeps the language of the pages.
pub(crate) fn language_name(public: &PublicUrl) -> String {
    host_name(public, "orgate-language")
}

fn host_name(public: &PublicUrl, name: &str) -> String {
    if public.is_https() { format!("__Host-{name}") } else { name.to_owned() }
}

/// The value of the cookie `name`, if it came exactly once.
pub(crate) fn read(headers: &HeaderMap, name: &str) -> Option<String> {
    let mut values = all(headers).filter(|(known, _)| known == name).map(|(_, value)| value);
    let value = values.next()?;
    (values.next().is_none() && !value.is_empty()).then_some(value)
}

/// Every cookie of the request.
pub(crate) fn all(headers: &HeaderMap) -> impl Iterator<Item = (String, String)> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
}

/// The header that sets a cookie; `max_age_ms` of 0 takes it away.
pub(crate) fn set(public: &PublicUrl, name: &str, value: &str, path: &str, max_age_ms: i64) -> HeaderValue {
    let cookie = Cookie::build((name, value))
        .path(path)
        .http_only(true)
        .same_site(SameSite::Lax)
        .secure(public.is_https())
        .max_age(Duration::milliseconds(max_age_ms))
        .build();
    // Names and values are ours: ASCII without separators.
    HeaderValue::from_str(&cookie.to_string()).unwrap_or_else(|_| HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(cookies: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for cookie in cookies {
            headers.append(header::COOKIE, HeaderValue::from_static(cookie));
        }
        headers
    }

    #[test]
    fn a_cookie_that_comes_twice_is_none() {
        assert_eq!(read(&headers(&["a=1; b=2"]), "b").as_deref(), Some("2"));
        assert_eq!(read(&headers(&["a=1; a=2"]), "a"), None);
        assert_eq!(read(&headers(&["a=1", "a=1"]), "a"), None);
        assert_eq!(read(&headers(&["xa=1"]), "a"), None);
        assert_eq!(read(&headers(&["a="]), "a"), None);
    }

    #[test]
    fn on_https_the_cookie_belongs_to_the_host_alone() {
        let public = PublicUrl::parse("https://id.example.com").unwrap();
        let name = session_name(&Settings::new(""), &public, "proj_demo");
        assert_eq!(name, "__Host-orgate-proj_demo");
        assert_eq!(
            set(&public, &name, "v", "/", 60_000),
            "__Host-orgate-proj_demo=v; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=60"
        );
    }

    #[test]
    fn on_loopback_http_the_name_is_plain() {
        let public = PublicUrl::parse("http://127.0.0.1:8090").unwrap();
        assert_eq!(session_name(&Settings::new(""), &public, "proj_demo"), "orgate-proj_demo");
        assert!(
            !set(&public, "session", "", &operator_path(&public), 0).to_str().unwrap().contains("Secure")
        );
        let mut settings = Settings::new("");
        settings.session_cookie = Some("my.{project}".to_owned());
        assert_eq!(session_name(&settings, &public, "proj_demo"), "my.proj_demo");
    }
}
