//! What this application is to OAuth clients: its metadata document, and where a challenge says that it is (RFC 9728).
//!
//! The document says what a stranger must know to get a token, so it needs none: it is answered before the policy, where a
//! policy names the resource and nowhere else. It tells issuers, ways to send a token and what tokens are bound to, and of
//! the policy only the scopes that the file lists for it.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use orgate_verify::{Binding, dpop};

use crate::{
    GateAnswer, GateParts, RequestHead, TokenSource,
    rejection::{Schemes, json},
};

const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// What a policy says of the application as a resource; goes into [`GateParts::resource`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResourceOptions {
    /// Its identifier: the https URL under which clients know it, without query and fragment.
    pub url: String,
    /// Its name, for people.
    pub name: Option<String>,
    /// Where developers read about it.
    pub documentation: Option<String>,
    /// The scopes that clients may ask for.
    pub scopes: Vec<String>,
}

/// The resource, with what is said of it often.
#[derive(Debug)]
pub(crate) struct Resource {
    options: ResourceOptions,
    /// The path of its document behind the well-known one, empty or with a `/` at the start.
    suffix: Box<str>,
    /// Where its document is.
    pub(crate) metadata: Arc<str>,
}

/// The origin of a resource, and its path as it stands behind the well-known one: a slash that ends the host is left away,
/// any other stays (RFC 9728 §3.1).
fn parts_of(url: &str) -> (&str, &str) {
    let after_scheme = url.find("://").map_or(0, |at| at + 3);
    let rest = url.get(after_scheme..).unwrap_or_default();
    let path = rest.find('/').and_then(|at| rest.get(at..)).unwrap_or_default();
    (url.strip_suffix(path).unwrap_or(url), if path == "/" { "" } else { path })
}

fn document_of(origin: &str, suffix: &str) -> Arc<str> {
    format!("{origin}{WELL_KNOWN}{suffix}").into()
}

/// Where the document about the resource `url` is.
#[cfg(feature = "config")]
pub(crate) fn metadata_of(url: &str) -> Arc<str> {
    let (origin, suffix) = parts_of(url);
    document_of(origin, suffix)
}

impl GateParts {
    /// Says what the application is as a resource of OAuth clients.
    #[must_use]
    pub fn resource(mut self, options: ResourceOptions) -> Self {
        let (origin, suffix) = parts_of(&options.url);
        let (suffix, metadata) = (suffix.into(), document_of(origin, suffix));
        self.resource = Some(Box::new(Resource { options, suffix, metadata }));
        self
    }

    /// The answer to a request for the document; `None` for every other request.
    pub(crate) fn metadata(&self, head: &RequestHead<'_>) -> Option<GateAnswer> {
        let resource = self.resource.as_ref()?;
        let suffix = head.path_and_query.path().strip_prefix(WELL_KNOWN)?;
        if !suffix.is_empty() && *suffix != *resource.suffix {
            return None;
        }
        let mut headers = HeaderMap::new();
        // Clients in browsers are of any origin, and there is nothing to protect.
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        match *head.method {
            Method::GET | Method::HEAD => {
                headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
                headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
                Some(GateAnswer::new(StatusCode::OK, headers, self.document(resource)))
            }
            Method::OPTIONS => {
                headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET"));
                headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("*"));
                Some(GateAnswer::new(StatusCode::NO_CONTENT, headers, Bytes::new()))
            }
            _ => None,
        }
    }

    fn document(&self, resource: &Resource) -> Bytes {
        let ResourceOptions { url, name, documentation, scopes } = &resource.options;
        let list = |items: Vec<&str>| {
            let items: Vec<String> = items.into_iter().map(json).collect();
            format!("[{}]", items.join(","))
        };
        // Some issuers have names that are no addresses; a client could not go there.
        let issuers = self.verifier().issuers().map(|(_, issuer)| issuer.url().as_str());
        let issuers = issuers.filter(|url| url.contains("://") && !url.ends_with(".invalid"));
        let mut text = format!(
            "{{\"resource\":{},\"authorization_servers\":{},\"bearer_methods_supported\":{}",
            json(url),
            list(issuers.collect()),
            list(self.bearer_methods())
        );
        if !scopes.is_empty() {
            let scopes = scopes.iter().map(String::as_str).collect();
            text.push_str(&format!(",\"scopes_supported\":{}", list(scopes)));
        }
        self.say_bindings(&mut text, list);
        for (member, value) in [("resource_name", name), ("resource_documentation", documentation)] {
            if let Some(value) = value {
                text.push_str(&format!(",\"{member}\":{}", json(value)));
            }
        }
        text.push('}');
        text.into()
    }

    /// How a bearer token can be sent as RFC 6750 §2 says; not at all where every token is bound to a key.
    fn bearer_methods(&self) -> Vec<&'static str> {
        let any =
            |of: fn(&TokenSource) -> bool| self.schemes != Schemes::Dpop && self.token.sources.iter().any(of);
        let header = any(|source| *source == TokenSource::Bearer).then_some("header");
        let query = any(|source| *source == TokenSource::Query("access_token".into())).then_some("query");
        header.into_iter().chain(query).collect()
    }

    /// What tokens are bound to. Of what is not said here RFC 9728 §2 says that it is not so.
    fn say_bindings(&self, text: &mut String, list: impl Fn(Vec<&str>) -> String) {
        if self.schemes != Schemes::Bearer {
            let algorithms = list(dpop::algorithms().split(' ').collect());
            text.push_str(&format!(",\"dpop_signing_alg_values_supported\":{algorithms}"));
        }
        if self.schemes == Schemes::Dpop {
            text.push_str(",\"dpop_bound_access_tokens_required\":true");
        }
        if self.verifier().issuers().any(|(_, issuer)| issuer.certificate_binding() != Binding::Off) {
            text.push_str(",\"tls_client_certificate_bound_access_tokens\":true");
        }
    }
}

#[cfg(feature = "config")]
impl From<orgate_config::ResourceSpec> for ResourceOptions {
    fn from(file: orgate_config::ResourceSpec) -> Self {
        let orgate_config::ResourceSpec { url, name, documentation, scopes, .. } = file;
        Self { url, name, documentation, scopes }
    }
}
