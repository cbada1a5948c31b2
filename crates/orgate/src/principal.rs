//! The verified caller, as a handler sees it.

use std::{fmt, ops::Deref, sync::Arc};

/// The verified caller of a request.
///
/// Made by the gate only, from a token that it verified; it stands in the extensions of every request that passed with
/// a credential, and is an extractor for axum handlers. Cloning is cheap. Everything it knows is documented at
/// [`orgate_claims::Principal`], to which it dereferences.
#[derive(Clone, Debug)]
pub struct Principal(Arc<orgate_claims::Principal>);

impl Principal {
    pub(crate) fn verified(principal: Arc<orgate_claims::Principal>) -> Self {
        Self(principal)
    }
}

impl Deref for Principal {
    type Target = orgate_claims::Principal;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
