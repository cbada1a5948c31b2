//! Identity for the application: whatever the client sent under our names is removed, and ours is set.
//!
//! Names are compared folded (lower case, every byte but letters and digits a hyphen), because the application may do
//! the same: CGI and its heirs read `X_Orgate_Sub` and `X-Orgate-Sub` as one variable. Removal happens on every route,
//! public ones too, and in trailers. Values are percent-encoded as in the contract: bytes outside 0x21-0x7E, `%` and
//! `,`, so that a comma always separates two members of a set.
//!
//! The caller keeps the order: remove these, then hop-by-hop headers, then set; otherwise `Connection: X-Orgate-Sub`
//! removes what was set.

use std::{fmt, sync::Arc};

use arc_swap::ArcSwapOption;
use http::{HeaderMap, HeaderName, HeaderValue};
use orgate::IdentityOptions;

/// What the application is told of the caller; empty or absent parts become absent headers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity<'i> {
    /// The subject.
    pub subject: &'i str,
    /// The active organization's id.
    pub organization: Option<&'i str>,
    /// The active organization's slug.
    pub slug: Option<&'i str>,
    /// Roles, in any order.
    pub roles: Vec<&'i str>,
    /// Effective permissions, in any order.
    pub permissions: Vec<&'i str>,
    /// The issuer that vouches for it.
    pub issuer: &'i str,
    /// How the request was authenticated: `token`, `webhook`, `api_key`.
    pub method: &'i str,
    /// All of it as a signed token, where the policy asks for one.
    pub assertion: Option<String>,
}

/// The names of the identity headers under one prefix, and all names that may not come from a client.
#[derive(Clone, Debug)]
pub struct IdentityHeaders {
    /// Folded, with the hyphen that ends it.
    prefix: String,
    /// Folded.
    also_strip: Vec<String>,
    names: Names,
}

#[derive(Clone, Debug)]
struct Names {
    subject: HeaderName,
    organization: HeaderName,
    slug: HeaderName,
    role: HeaderName,
    permissions: HeaderName,
    issuer: HeaderName,
    method: HeaderName,
    assertion: HeaderName,
}

impl IdentityHeaders {
    /// Headers `{prefix}-Sub` and so on; `also_strip` are further names that a client may not send.
    ///
    /// # Errors
    /// If the prefix is empty or a name is not a header name.
    pub fn new(prefix: &str, also_strip: &[String]) -> Result<Self, InvalidName> {
        let prefix = fold(prefix.trim_end_matches('-'));
        if prefix.is_empty() {
            return Err(InvalidName(prefix));
        }
        let name = |suffix: &str| {
            let name = format!("{prefix}-{suffix}");
            HeaderName::from_bytes(name.as_bytes()).map_err(|_| InvalidName(name))
        };
        let names = Names {
            subject: name("sub")?,
            organization: name("org-id")?,
            slug: name("org-slug")?,
            role: name("role")?,
            permissions: name("permissions")?,
            issuer: name("issuer")?,
            method: name("auth")?,
            assertion: name("assertion")?,
        };
        for name in also_strip {
            if HeaderName::from_bytes(name.as_bytes()).is_err() {
                return Err(InvalidName(name.clone()));
            }
        }
        Ok(Self {
            prefix: format!("{prefix}-"),
            also_strip: also_strip.iter().map(|name| fold(name)).collect(),
            names,
        })
    }

    /// Whether a client may not send the folded `name`.
    pub(crate) fn owns_folded(&self, name: &str) -> bool {
        name.starts_with(&self.prefix) || self.also_strip.iter().any(|other| other == name)
    }

    /// Every name under which something may be said, empty where nothing is: so that whoever copies what is said leaves
    /// nothing of a client's own in its place.
    pub(crate) fn cover(&self, headers: &mut HeaderMap) {
        let Names { subject, organization, slug, role, permissions, issuer, method, assertion } = &self.names;
        let ours = [subject, organization, slug, role, permissions, issuer, method, assertion];
        let others = self.also_strip.iter().filter_map(|name| HeaderName::try_from(name).ok());
        for name in ours.into_iter().cloned().chain(others) {
            headers.entry(name).or_insert(HeaderValue::from_static(""));
        }
    }

    /// Sets the headers of `identity`, replacing others of these names.
    ///
    /// # Errors
    /// If a value cannot be a header value; encoded values always can, so this is a defect to refuse on.
    pub fn set(&self, headers: &mut HeaderMap, identity: &Identity<'_>) -> Result<(), http::Error> {
        let Names { subject, organization, slug, role, permissions, issuer, method, assertion } = &self.names;
        let mut put = |name: &HeaderName, value: String| -> Result<(), http::Error> {
            if !value.is_empty() {
                headers.insert(name, HeaderValue::try_from(value)?);
            }
            Ok(())
        };
        put(subject, encode(identity.subject))?;
        put(organization, encode(identity.organization.unwrap_or_default()))?;
        put(slug, encode(identity.slug.unwrap_or_default()))?;
        put(role, encode_set(&identity.roles))?;
        put(permissions, encode_set(&identity.permissions))?;
        put(issuer, encode(identity.issuer))?;
        put(method, encode(identity.method))?;
        put(assertion, identity.assertion.clone().unwrap_or_default())
    }
}

/// The names of the policy in force, made again when a reload brings others.
#[derive(Debug, Default)]
pub(crate) struct NamesInForce(ArcSwapOption<(IdentityOptions, Arc<IdentityHeaders>)>);

impl NamesInForce {
    /// The names under `options`, those of the policy that judged the request.
    ///
    /// # Errors
    /// As [`IdentityHeaders::new`].
    pub(crate) fn of(&self, options: &IdentityOptions) -> Result<Arc<IdentityHeaders>, InvalidName> {
        if let Some(made) = &*self.0.load()
            && made.0 == *options
        {
            return Ok(Arc::clone(&made.1));
        }
        let names = Arc::new(IdentityHeaders::new(&options.prefix, &options.also_strip)?);
        self.0.store(Some(Arc::new((options.clone(), Arc::clone(&names)))));
        Ok(names)
    }
}

/// A header name as the most careless reader sees it. Borrowed where it already is in that form.
pub(crate) fn fold_name(name: &HeaderName) -> std::borrow::Cow<'_, str> {
    let name = name.as_str();
    if name.bytes().all(|byte| byte == b'-' || byte.is_ascii_alphanumeric()) {
        // `HeaderName` is lower case already.
        name.into()
    } else {
        fold(name).into()
    }
}

fn fold(name: &str) -> String {
    name.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte.to_ascii_lowercase()) } else { '-' })
        .collect()
}

fn encode(value: &str) -> String {
    let mut encoded = String::with_capacity(value.len());
    encode_into(&mut encoded, value);
    encoded
}

fn encode_into(encoded: &mut String, value: &str) {
    for byte in value.bytes() {
        if matches!(byte, b'%' | b',') || !(0x21..=0x7e).contains(&byte) {
            encoded.push('%');
            for nibble in [byte >> 4, byte & 0x0f] {
                encoded.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0').to_ascii_uppercase());
            }
        } else {
            encoded.push(char::from(byte));
        }
    }
}

fn encode_set(members: &[&str]) -> String {
    let mut sorted = members.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    let mut encoded = String::with_capacity(sorted.iter().map(|member| member.len() + 1).sum());
    for (index, member) in sorted.iter().enumerate() {
        if index > 0 {
            encoded.push(',');
        }
        encode_into(&mut encoded, member);
    }
    encoded
}

/// A prefix or name that cannot be (part of) a header name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidName(String);

impl fmt::Display for InvalidName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` cannot be the name of a header", self.0)
    }
}

impl std::error::Error for InvalidName {}

#[cfg(test)]
mod tests {
    use super::*;

    fn default_names() -> IdentityHeaders {
        IdentityHeaders::new("X-Orgate", &["X-Org-Id".to_owned()]).expect("names")
    }

    #[test]
    fn every_spelling_of_an_identity_header_is_ours() {
        let ours = default_names();
        for name in [
            "x-orgate-sub",
            "x_orgate_sub",
            "x.orgate.sub",
            "x-orgate_anything",
            "x~orgate!sub",
            "x-org-id",
            "x_org_id",
        ] {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
            assert!(ours.owns_folded(&fold_name(&name)), "{name}");
        }
        for name in ["x-orgate", "x-orgates-sub", "x-org-identity", "authorization"] {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
            assert!(!ours.owns_folded(&fold_name(&name)), "{name}");
        }
    }

    #[test]
    fn values_are_encoded_and_sets_are_sorted() {
        let mut headers = HeaderMap::new();
        let identity = Identity {
            subject: "jürgen 100%",
            organization: Some("org_1"),
            slug: None,
            roles: vec!["viewer"],
            permissions: vec!["write", "a,b", "read", "read"],
            issuer: "https://issuer.example/p/x",
            method: "token",
            assertion: None,
        };
        default_names().set(&mut headers, &identity).expect("set");
        let value = |name: &str| headers.get(name).map(|value| value.to_str().expect("ascii"));
        assert_eq!(value("x-orgate-sub"), Some("j%C3%BCrgen%20100%25"));
        assert_eq!(value("x-orgate-org-id"), Some("org_1"));
        assert_eq!(value("x-orgate-org-slug"), None);
        assert_eq!(value("x-orgate-role"), Some("viewer"));
        assert_eq!(value("x-orgate-permissions"), Some("a%2Cb,read,write"));
        assert_eq!(value("x-orgate-issuer"), Some("https://issuer.example/p/x"));
        assert_eq!(value("x-orgate-auth"), Some("token"));
    }

    #[test]
    fn a_prefix_that_is_no_name_is_refused() {
        assert!(IdentityHeaders::new("", &[]).is_err());
        assert!(IdentityHeaders::new("---", &[]).is_err());
        assert!(IdentityHeaders::new("X-Orgate", &["a b".to_owned()]).is_err());
    }
}
