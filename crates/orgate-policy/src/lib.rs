//! Which request needs which right: the pure core of orgate.
//!
//! A policy is a set of rules `METHODS /path: requirement`. Order never matters:
//! 1. a request target is read in one way or refused ([`RequestTarget`]);
//! 2. of the rules that cover its method, the one with the most specific path wins ([`Policy::find`]); no rule, no
//!    entry;
//! 3. the winner's bindings and requirement decide over the [`Subject`] ([`RuleMatch::decide`]).
//!
//! This crate does no I/O, reads no clock, spawns nothing, logs nothing and knows neither tokens nor files: what is
//! decided follows from the arguments alone. The compiled form is immutable; a decision allocates nothing unless the
//! path is percent-encoded.

mod atom;
mod audience;
mod bind;
mod check;
mod compile;
mod conditions;
mod decision;
mod diff;
mod error;
mod explain;
mod facts;
mod failure;
mod fall;
mod host;
mod judge;
mod key;
mod label;
mod limit;
mod lint;
mod matrix;
mod methods;
mod names;
mod overlap;
mod paths;
mod pattern;
mod query;
mod reach;
mod reading;
mod recall;
pub mod requirement;
mod roots;
mod rule;
mod set;
mod shapes;
mod shared;
mod subject;
mod suggest;
mod table;
mod target;
mod vocabulary;

pub use bind::{BindSource, BindSpec, BindTarget};
pub use compile::{PermissionsFrom, Policy, PolicySpec, RoleSpec, RuleSpec};
pub use conditions::{ClaimUse, ConditionSpec};
pub use decision::{Access, Decision, DenyReason, Found, RuleId, RuleMatch, StepUp};
pub use diff::{Change, ChangeKind, Counterexample, Diff, DiffError};
pub use error::{Place, PolicyError, SyntaxError};
pub use explain::{Binding, Explanation, MethodFit, RuleEntry};
pub use facts::{Facts, Headers, Lookup};
pub use host::HostPattern;
pub use judge::Refused;
pub use key::{MethodName, Methods, RuleKey};
pub use limit::{Limit, LimitPer};
pub use matrix::{ANONYMOUS, Cell, Matrix, MatrixRow};
pub use paths::PathOptions;
pub use pattern::{Pattern, Relation, Segment};
pub use recall::{Gap, Recalled, Verdict, Witnessed};
pub use requirement::Requirement;
pub use subject::Subject;
pub use suggest::closest;
pub use target::{RequestTarget, TargetError};
