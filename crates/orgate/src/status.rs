//! How a gate is doing: whether it has what it needs to decide.

/// How a gate is doing.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GateStatus {
    /// Every issuer, in the order of the policy file.
    pub issuers: Vec<IssuerStatus>,
    /// How many rules are enforced.
    pub rules: usize,
    /// How many requests were refused without a signature check, since the same token had failed it a moment before.
    pub forgeries_recognized: u64,
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
}

impl GateStatus {
    /// Whether every issuer's keys are in hand.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.issuers.iter().all(|issuer| issuer.keys_loaded)
    }
}
