//! The issuer's own address.

use url::Url;

use super::StartError;
use crate::clients::redirect_uri::is_loopback;

/// The address under which the issuer is reached, which may end in a path where it is part of an application; the only source
/// of links, issuer names and cookie rules.
#[derive(Clone, Debug)]
pub(crate) struct PublicUrl {
    origin: String,
    /// Empty, or `/` and segments, without a slash at the end.
    path: String,
    https: bool,
}

impl PublicUrl {
    pub(crate) fn parse(text: &str) -> Result<Self, StartError> {
        let wrong = |why: &str| {
            StartError::could_not_run(format!(
                "`{text}` cannot be the public URL: {why}\nhelp: give the origin, and a path only if it is part of an \
                 application, for example `https://id.example.com` or `https://example.com/auth`"
            ))
        };
        let url = Url::parse(text).map_err(|error| wrong(&error.to_string()))?;
        let https = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return Err(wrong("it is neither https nor http")),
        };
        if !https && !is_loopback(&url) {
            return Err(StartError::could_not_run(format!(
                "`{text}` cannot be the public URL: passwords and tokens would travel in the clear\nhelp: use https, or \
                 a loopback address such as `http://127.0.0.1:8090`"
            )));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("it has a query or a fragment"));
        }
        let path = url.path().strip_suffix('/').unwrap_or(url.path());
        let is_plain = |segment: &str| {
            !segment.is_empty() && segment.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.~".contains(&b))
        };
        if !path.is_empty() && !path.split('/').skip(1).all(is_plain) {
            return Err(wrong("its path has more than letters, digits and `-_.~`"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("it holds a user name"));
        }
        Ok(Self { origin: url.origin().ascii_serialization(), path: path.to_owned(), https })
    }

    /// Scheme, host and port, without a slash at the end.
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    /// The path below which everything is: empty, or `/` and segments.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// What every link begins with, without a slash at the end.
    pub(crate) fn base(&self) -> String {
        format!("{}{}", self.origin, self.path)
    }

    /// Whether browsers come by https.
    pub(crate) fn is_https(&self) -> bool {
        self.https
    }

    /// The issuer of a project (`iss`).
    pub(crate) fn issuer(&self, project_id: &str) -> String {
        format!("{}{}/p/{project_id}", self.origin, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_url_is_an_origin_and_perhaps_a_path() {
        let url = PublicUrl::parse("https://ID.example.com:443/").unwrap();
        assert_eq!(url.issuer("proj_demo"), "https://id.example.com/p/proj_demo");
        assert!(url.is_https());
        assert_eq!(PublicUrl::parse("http://127.0.0.1:8090").unwrap().origin(), "http://127.0.0.1:8090");
        let below = PublicUrl::parse("https://example.com/auth/").unwrap();
        assert_eq!(below.issuer("proj_demo"), "https://example.com/auth/p/proj_demo");
        assert_eq!((below.origin(), below.path()), ("https://example.com", "/auth"));
        let bad_paths = ["https://x//a", "https://x/a//", "https://x/{a}", "https://x/%61", "https://x/a;b"];
        for bad in ["", "id.example.com", "ftp://x", "https://x/?q", "https://a@x", "https://x#f"]
            .iter()
            .chain(&bad_paths)
        {
            assert!(PublicUrl::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn without_https_the_issuer_is_for_this_machine_only() {
        for good in ["http://127.0.0.1:8090", "http://[::1]:8090", "http://localhost", "https://192.0.2.1"] {
            assert!(PublicUrl::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "http://id.example.com",
            "http://192.0.2.1:8090",
            "http://0.0.0.0:8090",
            "http://localhost.evil.test",
        ] {
            let error = PublicUrl::parse(bad).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains("help: use https, or a loopback address"), "{error}");
        }
    }
}
