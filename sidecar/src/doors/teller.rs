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

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method};
    use orgate::{Checked, Gate, RequestHead, SignedIdentity, Verdict};
    use orgate_testkit::{Folder, TestKey, access_token_claims, jwks};

    use super::*;

    const POLICY: &str = "version: 1
issuers:
  main: {issuer: https://issuer.example, audience: app, profile: orgate, keys: {file: keys.json}}
identity: {sign: {issuer: https://gate.example.com, audience: notes}}
rules:
  GET /me: authenticated
";

    #[tokio::test]
    async fn what_cannot_be_signed_is_not_told() {
        let folder = Folder::new();
        folder.write("keys.json", &jwks([TestKey::es256()]));
        let gate = Gate::load(folder.write("orgate.yaml", POLICY)).await.expect("a policy");
        gate.ready().await;
        let now = clock::now();
        let token =
            TestKey::es256().mint(&access_token_claims("https://issuer.example", "app", now.seconds()));
        let mut headers = HeaderMap::new();
        headers.insert("authorization", format!("Bearer {token}").parse().expect("a header"));
        let head = RequestHead {
            method: &Method::GET,
            authority: None,
            path_and_query: &"/me".parse().expect("a target"),
            headers: &headers,
            peer: None,
            client_certificate: None,
        };
        let Checked::Done(Verdict::Forward(permit)) = gate.check_now(&head, now) else { panic!("refused") };
        let caller = permit.principal();
        let request = Asserted { method: "GET", path: "/me", request_id: "r" };
        let told = |teller: &Teller| {
            let told = teller.tell(&permit, caller.as_ref(), request).map(|(_, identity)| identity);
            told.map(|identity| identity.expect("a caller").assertion.is_some())
        };
        let mut teller = Teller::new();
        assert!(matches!(told(&teller), Ok(true)));
        teller.signer = None;
        assert!(
            matches!(told(&teller), Err(UpstreamError::Identity)),
            "an application that asks for it gets it"
        );
        let nobody = teller.tell(&permit, None, request).map(|(_, identity)| identity.is_none());
        assert!(matches!(nobody, Ok(true)), "where nobody is asked for there is nothing to sign");
    }

    #[test]
    fn keys_are_shown_where_something_is_signed_and_published_where_the_policy_says_so() {
        let sign = || Some(SignedIdentity { issuer: "https://gate.example".into(), audience: Vec::new() });
        let teller = Teller::new();
        for (sign, publish, shown, published) in [
            (None, false, false, false),
            (None, true, false, false),
            (sign(), false, true, false),
            (sign(), true, true, true),
        ] {
            let options = IdentityOptions { sign, publish, ..IdentityOptions::default() };
            assert_eq!(teller.key_set(&options).is_some(), shown, "{options:?}");
            assert_eq!(teller.published(&options).is_some(), published, "{options:?}");
        }
    }
}
