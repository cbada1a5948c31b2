//! Policy files of orgate: read with places, checked, compiled, and every problem named with file, line and column.
//!
//! * [`document`] reads YAML and JSON into a tree in which every part knows its place; [`diagnostic`] prints what is
//!   wrong with it. Both know nothing of policies.
//! * [`discover`] finds the policy file, [`load`] reads it into a [`PolicyFile`]; [`compile`] does the same for a text
//!   that is already there, and [`compile_with`] for one whose included files come from elsewhere ([`Files`]).
//! * [`matrix`] says what the roles of the profiles `orgate` and `astapa` may do, for tools and tests.
//! * [`caller`] describes callers by hand and [`cases`] reads the tests of a policy, for the tools.
//! * [`fix`] mends what mends itself.
//! * [`codes`] lists every finding with its explanation.
//!
//! The rule of this crate: **a policy is never read as less than it says.** An unknown key, a key that this version does
//! not enforce, and a value with two readings are errors; all of them are reported at once, and a file with an error
//! gives no policy at all. Where keys come from is only named here ([`KeyLocation`]); fetching them is not done here.

pub mod caller;
pub mod cases;
pub mod codes;
mod compile;
pub mod diagnostic;
pub mod diff;
mod digest;
mod discover;
pub mod document;
mod file;
mod files;
pub mod fix;
pub mod matrix;

pub use self::{
    compile::{
        AuthenticatorKind, AuthenticatorSpec, CorsAnswer, DEVELOPMENT_AUDIENCE, DEVELOPMENT_ISSUER,
        ExchangeSpec, FeedSpec, IntrospectSpec, Lints, Mode, NonceSource, OnStale, OpaqueSpec, Preflight,
        ResourceSpec, SecretSource, SecretUnreadable, Until, compile, compile_with, included, profile_names,
    },
    discover::{FILE_NAMES, LoadError, discover, load, load_for_development},
    file::{
        DenyOptions, Disclose, IdentityOptions, IssuerSpec, KeyLocation, PolicyFile, RedirectOptions,
        SignedIdentity, TokenOptions, TokenSource,
    },
    files::{Directory, Entry, Files, NoFiles, read_bytes},
};
