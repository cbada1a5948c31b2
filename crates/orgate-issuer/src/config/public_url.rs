//! The issuer's own address.

use url::Url;

use super::StartError;
use crate::clients::redirect_uri::is_loopback;

/// The origin under which the issuer is reached; the only source of links, issuer names and cookie rules.
#[derive(Clone, Debug)]
pub(crate) struct PublicUrl {
    origin: String,
    https: bool,
}

impl PublicUrl {
    pub(crate) fn parse(text: &str) -> Result<Self, StartError> {
        let wrong = |why: &str| {
            StartError::could_not_run(format!(
                "`{text}` cannot be the public URL: {why}\nhelp: give the origin only, for example \
                 `https://id.example.com`"
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
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("it has a path, a query or a fragment"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("it holds a user name"));
        }
        Ok(Self { origin: url.origin().ascii_serialization(), https })
    }

    /// Scheme, host and port, without a slash at the end.
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    /// Whether browsers come by https.
    pub(crate) fn is_https(&self) -> bool {
        self.https
    }

    /// The issuer of a project (`iss`).
    pub(crate) fn issuer(&self, project_id: &str) -> String {
        format!("{}/p/{project_id}", self.origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_origin_is_a_public_url() {
        let url = PublicUrl::parse("https://ID.example.com:443/").unwrap();
        assert_eq!(url.issuer("proj_demo"), "https://id.example.com/p/proj_demo");
        assert!(url.is_https());
        assert_eq!(PublicUrl::parse("http://127.0.0.1:8090").unwrap().origin(), "http://127.0.0.1:8090");
        for bad in
            ["", "id.example.com", "ftp://x", "https://x/path", "https://x/?q", "https://a@x", "https://x#f"]
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
