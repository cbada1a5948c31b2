//! Tokens that somebody could try, row by row: each differs from a good one in one thing, and has its outcome beside it.
//!
//! A case is data, so that the same ones are judged by the verifier (`rows.rs`) and by the library that it stands in
//! front of (`library.rs`).
#![allow(dead_code, reason = "each test binary uses a part")]

mod claims;
mod encoding;
mod header;
mod keys;
mod organization;
mod signature;

use orgate_testkit::{TestKey, access_token_claims};
use orgate_verify::VerifyErrorKind;
use serde_json::{Value, json};

pub(crate) use crate::common::{AUDIENCE, ISSUER};

/// What must become of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    Refused(VerifyErrorKind),
    Accepted,
    /// Accepted, and it gives neither the permission `write` nor the organization `org_acme` to anybody.
    Powerless,
}

pub(crate) struct Case {
    pub(crate) row: &'static str,
    pub(crate) name: String,
    pub(crate) token: String,
    /// The issuer's key set, if it is not the one of [`TestKey::published`].
    pub(crate) jwks: Option<String>,
    pub(crate) expected: Expected,
}

/// Collects the cases of one row after the other.
pub(crate) struct Corpus {
    now: i64,
    row: &'static str,
    cases: Vec<Case>,
}

/// Every case, with tokens that are good at `now` but for the one thing.
pub(crate) fn all(now: i64) -> Vec<Case> {
    let mut corpus = Corpus { now, row: "", cases: Vec::new() };
    header::add(&mut corpus);
    signature::add(&mut corpus);
    encoding::add(&mut corpus);
    claims::add(&mut corpus);
    organization::add(&mut corpus);
    keys::add(&mut corpus);
    corpus.cases
}

impl Corpus {
    fn row(&mut self, row: &'static str) -> &mut Self {
        self.row = row;
        self
    }

    fn push(&mut self, name: impl Into<String>, token: String, jwks: Option<String>, expected: Expected) {
        let (row, name) = (self.row, name.into());
        self.cases.push(Case { row, name, token, jwks, expected });
    }

    fn refused(&mut self, name: impl Into<String>, token: impl Into<String>, kind: VerifyErrorKind) {
        self.push(name, token.into(), None, Expected::Refused(kind));
    }

    fn accepted(&mut self, name: impl Into<String>, token: impl Into<String>) {
        self.push(name, token.into(), None, Expected::Accepted);
    }

    fn claims(&self) -> Value {
        access_token_claims(ISSUER, AUDIENCE, self.now)
    }

    /// Good claims but for one, which `null` sets to null.
    fn with(&self, name: &str, value: Value) -> Value {
        let mut claims = self.claims();
        claims[name] = value;
        claims
    }

    fn without(&self, name: &str) -> Value {
        let mut claims = self.claims();
        claims.as_object_mut().unwrap().remove(name);
        claims
    }

    /// Good claims in which `text` stands for the value of one, as it is.
    fn raw(&self, name: &str, text: &str) -> String {
        let marker = "\u{1}marker";
        let claims = self.with(name, marker.into()).to_string();
        claims.replace(&serde_json::to_string(marker).unwrap(), text)
    }

    /// A good token of `key`.
    fn good(&self, key: &TestKey) -> String {
        key.mint(&self.claims())
    }

    /// The header of a good token of `key`, and what it signs: header, dot, claims.
    fn input(&self, key: &TestKey) -> String {
        let token = self.good(key);
        token.rsplit_once('.').unwrap().0.to_owned()
    }
}

/// The header of good tokens of `key`.
pub(crate) fn header(key: &TestKey) -> Value {
    json!({"alg": key.alg(), "kid": key.kid(), "typ": "at+jwt"})
}

/// One key of each family.
pub(crate) fn families() -> [&'static TestKey; 4] {
    [TestKey::rs256(), TestKey::ps256(), TestKey::es256(), TestKey::eddsa()]
}
