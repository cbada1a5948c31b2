//! What every door knows of a request.

use std::net::SocketAddr;

use http::{HeaderMap, Method, uri::PathAndQuery};
use orgate_policy::{Headers, Lookup};

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
}

/// Header fields, as conditions of a policy see them.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'a>(pub(crate) &'a HeaderMap);

impl Headers for Fields<'_> {
    fn get(&self, name: &str) -> Lookup<'_> {
        let mut values = self.0.get_all(name).iter();
        match (values.next().map(|value| value.to_str()), values.next()) {
            (None, _) => Lookup::Absent,
            (Some(Ok(value)), None) => Lookup::One(value.into()),
            (Some(_), _) => Lookup::Several,
        }
    }
}
