//! How a gate is doing: whether it has what it needs to decide.

use orgate_verify::KeyFigures;

/// How a gate is doing.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GateStatus {
    /// Every issuer, in the order of the policy file.
    pub issuers: Vec<IssuerStatus>,
    /// How many rules are enforced.
    pub rules: usize,
}

/// How a gate stands with one issuer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct IssuerStatus {
    /// Its `iss`.
    pub issuer: String,
    /// Where its keys come from.
    pub location: String,
    /// Whether keys are in hand.
    pub keys_loaded: bool,
    /// Why the last attempt to fetch them failed, if it did.
    pub last_error: Option<String>,
    /// What can be counted of its keys.
    pub figures: KeyFigures,
}

impl GateStatus {
    /// Whether every issuer's keys are in hand.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.issuers.iter().all(|issuer| issuer.keys_loaded)
    }
}
