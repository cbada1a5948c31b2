//! A refusal as a page, for people whose browser navigates (`deny: {pages: true}`).
//!
//! It says what is wrong and what to do about it. Where nothing but the organization is wrong it leads to where another one is
//! chosen. Programs get what they get without it. Nothing of a request but its path stands in the page, encoded in one link.

use http::{HeaderValue, header};

use crate::{Code, Rejection};

/// The browser may show the page and follow its link, and nothing else.
const POLICY: &str = "default-src 'none'; style-src 'sha256-STYLE'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'";

/// The SHA-256 of [`STYLE`], which the policy names; a test makes it anew.
const STYLE_HASH: &str = "PPtl9e6c5XxL6i4sktBqg20g6UDSdY+8kMTsn6XKg6A=";

const STYLE: &str = "\
:root{color-scheme:light dark;--ground:#f4f5f7;--card:#fff;--ink:#14181f;--soft:#596273;--line:#d9dde4;--accent:#1f5fd6;--on:#fff}\
@media(prefers-color-scheme:dark){:root{--ground:#0f1217;--card:#181c23;--ink:#eef1f5;--soft:#a3adbb;--line:#303743;--accent:#7aa7ff;--on:#0b1424}}\
*{box-sizing:border-box}\
body{margin:0;min-height:100vh;display:flex;align-items:center;justify-content:center;padding:1.5rem 1rem;background:var(--ground);color:var(--ink);\
font:1rem/1.5 system-ui,-apple-system,\"Segoe UI\",Roboto,\"Helvetica Neue\",sans-serif}\
main{width:100%;max-width:27rem;padding:2rem;background:var(--card);border:1px solid var(--line);border-radius:.875rem;box-shadow:0 1px 3px rgb(0 0 0/.06)}\
h1{margin:0 0 .75rem;font-size:1.5rem;line-height:1.25;font-weight:650;letter-spacing:-.01em}\
p{margin:0 0 1rem}\
a{display:block;margin:1.5rem 0 0;padding:.6875rem 1rem;min-height:2.875rem;border-radius:.5rem;background:var(--accent);color:var(--on);font-weight:600;\
text-align:center;text-decoration:none}\
a:hover{filter:brightness(1.06)}\
:focus-visible{outline:3px solid var(--accent);outline-offset:2px}\
small{display:block;margin:1.5rem 0 0;padding:1rem 0 0;border-top:1px solid var(--line);color:var(--soft);font-size:.8125rem;overflow-wrap:anywhere}";

/// What a person is told: a heading, and what to do.
fn words(code: Code) -> (&'static str, &'static str) {
    match code {
        Code::NoCredential
        | Code::InvalidToken
        | Code::ExpiredToken
        | Code::Revoked
        | Code::MalformedClaim => ("You are signed out", "Sign in again, and then open this page once more."),
        Code::StepUpRequired => (
            "Sign in again to go on",
            "This page needs a more recent or a stronger sign-in than the one that you have.",
        ),
        Code::NoActiveOrganization => (
            "Choose an organization",
            "This page belongs to an organization, and you are working in none at the moment.",
        ),
        Code::OrganizationMismatch => (
            "This belongs to another organization",
            "You are signed in, but not to the organization of this page. Switch to another one of yours, or ask one of its \
             members to invite you.",
        ),
        Code::MissingPermission | Code::MissingRole | Code::ConditionFailed => (
            "You may not open this page",
            "Your role in the organization does not include it. An owner or an admin of the organization can change that.",
        ),
        Code::NotFound | Code::NoRule | Code::MethodNotCovered | Code::BadRequestTarget => {
            ("Nothing here", "Check the address for typing mistakes.")
        }
        Code::RateLimited => ("Too many requests", "Wait a moment, and then open this page once more."),
        Code::KeysUnavailable | Code::StaleFeed => (
            "Not available at the moment",
            "Who you are could not be checked just now. Try again in a moment.",
        ),
        other => (other.title(), "This page cannot be opened in this way."),
    }
}

/// The page about `rejection`; `switch` is where another organization is chosen.
pub(crate) fn html(rejection: &Rejection, switch: Option<&str>, request_id: Option<&str>) -> String {
    let code = rejection.code();
    let (heading, advice) = words(code);
    let link = match (code, switch) {
        (Code::NoActiveOrganization, Some(url)) => (url, "Choose an organization"),
        (_, Some(url)) => (url, "Switch organization"),
        (_, None) => ("", ""),
    };
    let link = match link {
        ("", _) => String::new(),
        (url, text) => format!("<a href=\"{}\">{text}</a>\n", escape(url)),
    };
    let request_id = request_id.map(|id| format!(" · {}", escape(id))).unwrap_or_default();
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"robots\" content=\"noindex\">\n\
         <title>{heading}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main data-code=\"{code}\">\n\
         <h1>{heading}</h1>\n<p>{advice}</p>\n{link}<small>{code}{request_id}</small>\n</main>\n</body>\n</html>\n",
        code = code.as_str(),
    )
}

/// The headers of such a page.
pub(crate) fn headers() -> [(header::HeaderName, HeaderValue); 5] {
    let policy = POLICY.replace("STYLE", STYLE_HASH);
    [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'")),
        ),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ]
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Base64 (RFC 4648 §4), which is no dependency of the gate.
    fn base64(bytes: &[u8]) -> String {
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut text = String::new();
        for chunk in bytes.chunks(3) {
            let word = chunk.iter().fold(0_u32, |word, byte| (word << 8) | u32::from(*byte))
                << (8 * (3 - chunk.len()));
            for place in 0..4 {
                let letter = ALPHABET[usize::try_from((word >> (18 - 6 * place)) & 63).unwrap()];
                text.push(if place > chunk.len() { '=' } else { char::from(letter) });
            }
        }
        text
    }

    #[test]
    fn the_policy_names_the_style_of_the_page() {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, STYLE.as_bytes());
        assert_eq!(STYLE_HASH, base64(digest.as_ref()));
    }

    #[test]
    fn nothing_of_a_request_becomes_markup() {
        let url = "/choose?return_to=%2F\"><script>alert(1)</script>";
        let page = html(&Rejection::new(Code::OrganizationMismatch), Some(url), Some("<b>"));
        assert!(!page.contains("<script>") && !page.contains("<b>"), "{page}");
        assert!(
            page.contains("data-code=\"org_mismatch\"") && page.contains("Switch organization</a>"),
            "{page}"
        );
    }
}
