//! What Envoy changes in the headers of a request that may go on.
//!
//! Envoy sets first and removes then, so no name stands in both lists.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::{doors::decision::Grant, upstream::not_of_the_client};

/// The changes. What is set takes the place of what is there, unless it is a further line of the same name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    pub(super) set: Vec<(HeaderName, HeaderValue)>,
    pub(super) remove: Vec<HeaderName>,
}

/// The changes that make of `asked` what the application is to get.
pub(super) fn of(grant: &Grant, asked: &HeaderMap) -> Changes {
    let mut set: Vec<_> = pairs(&grant.identity).collect();
    let mut remove: Vec<HeaderName> = Vec::new();
    for name in not_of_the_client(asked, &grant.names) {
        let serves = grant.overridden && name == "x-http-method-override";
        if !grant.identity.contains_key(name) && !serves {
            remove.push(name.clone());
        }
    }
    // A credential that ends here, and what it was part of.
    for name in asked.keys() {
        if remove.contains(name) || asked.get_all(name).iter().eq(grant.rest.get_all(name).iter()) {
            continue;
        }
        match grant.rest.contains_key(name) {
            true => set.extend(grant.rest.get_all(name).iter().map(|value| (name.clone(), value.clone()))),
            false => remove.push(name.clone()),
        }
    }
    Changes { set, remove }
}

pub(super) fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    headers.iter().map(|(name, value)| (name.clone(), value.clone()))
}
