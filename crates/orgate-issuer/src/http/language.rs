//! In which language a page speaks: the one that was asked for by `ui_locales` (OpenID Connect Core §3.1.2.1), the one that
//! this browser asked for before, the first that the browser likes (`Accept-Language`, RFC 9110 §12.5.4), or English.

use http::{HeaderMap, HeaderValue, header};

use super::cookies;
use crate::config::PublicUrl;

/// The longest `ui_locales` that is read, in bytes.
pub(crate) const MAX_UI_LOCALES: usize = 256;
/// How long a browser keeps the language that was asked for.
const COOKIE_LIFE_MS: i64 = 180 * 24 * 3_600_000;

/// A language that every message exists in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    English,
    Arabic,
}

impl Language {
    pub(crate) const ALL: [Self; 2] = [Self::English, Self::Arabic];

    /// Where it stands among [`ALL`](Self::ALL).
    pub(super) fn place(self) -> usize {
        Self::ALL.iter().position(|one| *one == self).unwrap_or_default()
    }

    /// Its name in documents (BCP 47).
    pub(crate) const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Arabic => "ar",
        }
    }

    /// Its name for those who speak it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::Arabic => "العربية",
        }
    }

    /// Where its lines begin and end.
    pub(crate) const fn direction(self) -> &'static str {
        match self {
            Self::English => "ltr",
            Self::Arabic => "rtl",
        }
    }

    /// The first of these tags (`ui_locales`, separated by spaces) that is spoken here, whatever its region.
    pub(crate) fn first_of(tags: &str) -> Option<Self> {
        tags.get(..tags.len().min(MAX_UI_LOCALES))?.split([' ', '+']).find_map(Self::of_tag)
    }

    /// What the browser asked for before, or likes best.
    pub(crate) fn of_browser(headers: &HeaderMap, public: &PublicUrl) -> Self {
        let asked = cookies::read(headers, &cookies::language_name(public));
        asked.and_then(|tag| Self::of_tag(&tag)).or_else(|| Self::liked(headers)).unwrap_or(Self::English)
    }

    /// The header that keeps it for this browser's next pages.
    pub(crate) fn cookie(self, public: &PublicUrl) -> HeaderValue {
        cookies::set(public, &cookies::language_name(public), self.tag(), "/", COOKIE_LIFE_MS)
    }

    fn of_tag(tag: &str) -> Option<Self> {
        let primary = tag.split(['-', '_']).next().unwrap_or_default();
        Self::ALL.into_iter().find(|one| one.tag().eq_ignore_ascii_case(primary))
    }

    fn liked(headers: &HeaderMap) -> Option<Self> {
        let text = headers.get(header::ACCEPT_LANGUAGE)?.to_str().ok()?;
        let mut best: Option<(f32, Self)> = None;
        for range in text.split(',').take(32) {
            let mut parts = range.split(';').map(str::trim);
            let Some(language) = parts.next().and_then(Self::of_tag) else { continue };
            let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(Some(1.0), |q| q.parse().ok());
            let weight = weight.filter(|weight: &f32| *weight > 0.0 && *weight <= 1.0);
            if let Some(weight) = weight.filter(|weight| best.is_none_or(|(known, _)| *weight > known)) {
                best = Some((weight, language));
            }
        }
        best.map(|(_, language)| language)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_is_the_first_that_is_spoken_here() {
        let public = PublicUrl::parse("https://id.example.com").unwrap();
        for (accepted, language) in [
            ("ar", Language::Arabic),
            ("ar-EG,ar;q=0.9,en;q=0.8", Language::Arabic),
            ("fr, en;q=0.2, ar;q=0.9", Language::Arabic),
            ("de-CH", Language::English),
            ("ar;q=0, de", Language::English),
            ("ar;q=x", Language::English),
            ("", Language::English),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_static(accepted));
            assert_eq!(Language::of_browser(&headers, &public), language, "{accepted}");
            headers.insert(header::COOKIE, HeaderValue::from_static("__Host-orgate-language=en"));
            assert_eq!(Language::of_browser(&headers, &public), Language::English, "{accepted}");
        }
        assert_eq!(Language::first_of("fr-CA AR-eg en"), Some(Language::Arabic));
        assert_eq!(Language::first_of("fr arabic"), None);
        let cookie = Language::Arabic.cookie(&public);
        assert!(cookie.to_str().unwrap().starts_with("__Host-orgate-language=ar; HttpOnly"), "{cookie:?}");
    }
}
