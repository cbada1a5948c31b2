//! Tells the application who is calling, by the policy that judged the request: the names of the headers, what they say,
//! and its signed form.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use http::Response;
use orgate::{IdentityOptions, Permit, Principal, clock};

use crate::{
    assertion::{self, Asserted, Signer},
    identity_headers::{Identity, IdentityHeaders, NamesInForce},
    upstream::UpstreamError,
};

#[derive(Debug)]
pub(super) struct Teller {
    names: NamesInForce,
    signer: Option<Signer>,
}

impl Teller {
    pub(super) fn new() -> Self {
        Self { names: NamesInForce::default(), signer: Signer::new(Instant::now()) }
    }

    /// The names that only the gate may use, and what it says under them of a request that has a permit.
    ///
    /// # Errors
    /// [`UpstreamError::Identity`] if a name cannot be one, or nothing could be signed; then nothing may be sent on.
    pub(super) fn tell<'p>(
        &self,
        permit: &'p Permit,
        caller: Option<&'p Principal>,
        request: Asserted<'_>,
    ) -> Result<(Arc<IdentityHeaders>, Option<Identity<'p>>), UpstreamError> {
        let options = permit.identity();
        let names = self.names.of(options).map_err(|_| UpstreamError::Identity)?;
        let Some(mut identity) = caller.map(|caller| identity(caller, permit)) else {
            return Ok((names, None));
        };
        if let Some(sign) = &options.sign {
            let signed =
                self.signer.as_ref().and_then(|signer| signer.sign(sign, &identity, request, clock::now()));
            identity.assertion = Some(signed.ok_or(UpstreamError::Identity)?);
        }
        Ok((names, Some(identity)))
    }

    /// The keys that sign, as a key set, where anything is signed.
    pub(super) fn key_set(&self, options: &IdentityOptions) -> Option<String> {
        options.sign.as_ref().and(self.signer.as_ref()).map(Signer::key_set)
    }

    /// The same as an answer, where they are served in front of the application.
    pub(super) fn published(&self, options: &IdentityOptions) -> Option<Response<Bytes>> {
        let keys = self.key_set(options).filter(|_| options.publish);
        keys.map(assertion::key_set_response)
    }

    /// Exchanges the key that signs if it is old enough.
    pub(super) fn rotate(&self) {
        if let Some(signer) = &self.signer {
            signer.rotate(Instant::now());
        }
    }
}

/// What the application is told of the caller.
fn identity<'p>(principal: &'p Principal, permit: &'p Permit) -> Identity<'p> {
    let organization = principal.organization();
    Identity {
        subject: principal.subject().as_str(),
        organization: organization.map(|organization| organization.id.as_str()),
        slug: organization.and_then(|organization| organization.slug.as_ref()).map(|slug| slug.as_str()),
        roles: principal.roles().iter().map(|role| role.as_str()).collect(),
        permissions: permit.permissions(),
        issuer: principal.issuer().as_str(),
        method: principal.authentication_method().as_str(),
        assertion: None,
    }
}
