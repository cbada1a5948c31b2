//! What every door knows of a request.

use std::net::SocketAddr;

use http::{HeaderMap, Method, uri::PathAndQuery};
use orgate_policy::{Headers, Lookup};
use orgate_verify::CertificateThumbprint;

/// The head of a request, as any door can supply it. A door fills it from what it received and nothing else: no header
/// of an untrusted peer ever takes the place of one of these fields.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a> {
    /// The method.
    pub method: &'a Method,
    /// The host and port the request was sent to, where there is one.
    pub authority: Option<&'a str>,
    /// The request target in origin form, exactly as it will be forwarded.
    pub path_and_query: &'a PathAndQuery,
    /// The headers as received.
    pub headers: &'a HeaderMap,
    /// Who sent it, as the transport knows it.
    pub peer: Option<SocketAddr>,
    /// The certificate that the client has proven to hold in the TLS handshake of this very connection (RFC 8705), where it
    /// showed one. What a header says of a certificate does not belong here.
    pub client_certificate: Option<CertificateThumbprint>,
}

/// Header fields, as conditions of a policy see them.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'a>(pub(crate) &'a HeaderMap);

impl Headers for Fields<'_> {
    fn get(&self, name: &str) -> Lookup<'_> {
        // SECURITY: CGI and its heirs take `X_Org_Id` for `X-Org-Id`, and what `Connection` lists does not reach the
        // application at all: both would read another value than we do.
        if self.0.keys().any(|known| is_alias(known.as_str(), name)) || is_of_the_connection(self.0, name) {
            return Lookup::Several;
        }
        let mut values = self.0.get_all(name).iter();
        match (values.next().map(|value| value.to_str()), values.next()) {
            (None, _) => Lookup::Absent,
            (Some(Ok(value)), None) => Lookup::One(value.into()),
            (Some(_), _) => Lookup::Several,
        }
    }
}

/// Whether some applications take the field `known` for `name`, and it is another: they read every byte but letters and
/// digits as one.
pub(crate) fn is_alias(known: &str, name: &str) -> bool {
    let folded = |byte: u8| if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' };
    known.len() == name.len()
        && !known.eq_ignore_ascii_case(name)
        && known.bytes().map(folded).eq(name.bytes().map(folded))
}

/// Whether the field `name` is there and `Connection` says that it goes no further (RFC 9110 §7.6.1).
fn is_of_the_connection(headers: &HeaderMap, name: &str) -> bool {
    let mut lists = headers.get_all(http::header::CONNECTION).iter();
    headers.contains_key(name)
        && lists.any(|list| {
            let mut members = list.as_bytes().split(|byte| *byte == b',');
            members.any(|member| member.trim_ascii().eq_ignore_ascii_case(name.as_bytes()))
        })
}

/// A host that no request can have, for one that could be read in two ways.
const SEVERAL_HOSTS: &str = "?";

/// The host that a request was sent to. The absolute form and HTTP/2 name it in the target, HTTP/1.1 in its one `Host`
/// field; where they contradict each other, or the field stands twice, nothing is chosen and the gate answers 400.
pub(crate) fn authority<'r>(uri: &'r http::Uri, headers: &'r HeaderMap) -> Option<&'r str> {
    let mut fields = headers.get_all(http::header::HOST).iter();
    let field = fields.next().map(|host| host.to_str().unwrap_or(SEVERAL_HOSTS));
    if fields.next().is_some() {
        return Some(SEVERAL_HOSTS);
    }
    match (uri.authority().map(http::uri::Authority::as_str), field) {
        (Some(target), Some(field)) if !target.eq_ignore_ascii_case(field) => Some(SEVERAL_HOSTS),
        (Some(target), _) => Some(target),
        (None, field) => field,
    }
}
