//! Tests of a policy, in the application's own `cargo test`.
//!
//! ```
//! use orgate::{Code, Gate};
//!
//! let gate = Gate::for_tests(
//!     "version: 1
//! issuers: {main: {issuer: https://id.example.com, audience: api, profile: orgate}}
//! rules:
//!   GET /docs: read
//!   DELETE /orgs/{org_id}: delete_org
//! ",
//! );
//! let viewer = gate.test().as_role("viewer").in_org("acme");
//! viewer.get("/docs").allowed();
//! viewer.delete("/orgs/acme").denied(Code::MissingPermission);
//! gate.test().as_role("owner").in_org("acme").delete("/orgs/globex").denied(Code::OrganizationMismatch);
//! gate.test().get("/docs").denied(Code::NoCredential);
//! gate.test().coverage([("GET", "/docs"), ("DELETE", "/orgs/{org_id}")]).complete();
//! ```
//!
//! Cases can also stand in a file beside the policy, which `orgate test` runs too; [`run`] does so in `cargo test`.
//!
//! The callers here are made up, need no token, no keys and no network, and go through the very code that decides about
//! requests, from the request target on.
//!
//! SECURITY: they cannot get into an application. What is judged here ends as an [`Outcome`], which holds text and
//! nothing else; a [`Permit`](crate::Permit), without which nothing is forwarded, is made by the gate only, of a token
//! that it verified, and nothing in this module makes either. A gate of [`Gate::for_tests`] trusts no key at all.

mod caller;
mod coverage;
mod outcome;
pub mod tools;

pub use caller::TestCaller;
pub use coverage::Coverage;
pub use outcome::Outcome;

use std::path::Path;

use crate::Gate;

/// Runs a file of tests, as `orgate test FILE` does, against the policy beside it. A relative path starts, as everything
/// in `cargo test` does, at the package that is tested.
///
/// ```no_run
/// #[test]
/// fn the_policy_lets_in_whom_it_should() {
///     orgate::testing::run("orgate.test.yaml");
/// }
/// ```
///
/// # Panics
/// With the report of `orgate test`, if somebody gets in who should not or the other way round, or if a file cannot be
/// read.
#[track_caller]
#[allow(clippy::panic, reason = "a test ends here")]
pub fn run(path: impl AsRef<Path>) {
    if let Err(report) = tools::run(path.as_ref()) {
        panic!("{}", report.trim_end());
    }
}

impl Gate {
    /// A gate over a policy file, named by its path or given as text, that fetches no keys: it lets nobody in who needs
    /// a token. For [`Gate::test`], and for tests of public routes. A relative path starts, as everything in `cargo
    /// test` does, at the package that is tested.
    ///
    /// # Panics
    /// If the policy cannot be read, with everything that is wrong in it. Applications use [`Gate::load`].
    #[cfg(feature = "remote")]
    #[must_use]
    #[track_caller]
    #[allow(clippy::panic, reason = "a test ends here")]
    pub fn for_tests(policy: impl AsRef<str>) -> Self {
        match crate::load::without_keys(policy.as_ref()) {
            Ok(parts) => Self::new(parts),
            Err(error) => panic!("{}", error.render(false)),
        }
    }

    /// Asks this gate's policy, as it is now, about requests that nobody made: at first those of an anonymous caller.
    #[must_use]
    pub fn test(&self) -> TestCaller {
        TestCaller::anonymous(self.parts())
    }
}
