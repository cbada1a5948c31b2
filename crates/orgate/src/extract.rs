//! What a handler can ask for.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{FromRequestParts, OptionalFromRequestParts},
    response::{IntoResponse, Response},
};
use http::{StatusCode, request::Parts};
use orgate_claims::Organization;

use crate::{Code, Permit, Principal, Rejection, rejection::problem};

/// The organization that the caller acts in, with the caller and what may be done there.
///
/// As an extractor it is refused with 403 `no_active_org` if the caller has no organization, with 401 if there is no
/// caller, and with 500 if no gate stands in front of the handler.
#[derive(Clone, Debug)]
pub struct OrgContext {
    permit: Arc<Permit>,
    principal: Principal,
    organization: Organization,
}

/// A handler's own refusal, rendered as the gate's are.
#[derive(Clone, Debug)]
pub struct Denied(Rejection);

impl OrgContext {
    /// The organization's id.
    #[must_use]
    pub fn id(&self) -> &str {
        self.organization.id.as_str()
    }

    /// Its slug when the token was issued; for display.
    #[must_use]
    pub fn slug(&self) -> Option<&str> {
        self.organization.slug.as_ref().map(orgate_claims::Slug::as_str)
    }

    /// The caller.
    #[must_use]
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// Whether the caller has a permission here.
    #[must_use]
    pub fn can(&self, permission: &str) -> bool {
        self.permit.has_permission(permission)
    }

    /// Demands a permission beyond what the rule demanded: for what only the handler knows, such as whose object it is.
    ///
    /// # Errors
    /// [`Denied`], a 403 `missing_permission`, if the caller lacks it.
    pub fn require(&self, permission: &str) -> Result<(), Denied> {
        if self.can(permission) {
            return Ok(());
        }
        let rejection = Rejection::new(Code::MissingPermission)
            .with_rule(self.permit.rule())
            .with_requirement(permission, vec![permission.into()]);
        Err(Denied(rejection))
    }
}

impl<S: Sync> FromRequestParts<S> for Principal {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        match (parts.extensions.get::<Arc<Permit>>(), parts.extensions.get::<Self>()) {
            (None, _) => Err(no_gate()),
            (Some(_), Some(principal)) => Ok(principal.clone()),
            (Some(_), None) => Err(Denied(Rejection::new(Code::NoCredential)).into_response()),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for OrgContext {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let principal = <Principal as FromRequestParts<S>>::from_request_parts(parts, state).await?;
        let permit = parts.extensions.get::<Arc<Permit>>().cloned().ok_or_else(no_gate)?;
        match principal.organization().cloned() {
            Some(organization) => Ok(Self { permit, principal, organization }),
            None => Err(Denied(Rejection::new(Code::NoActiveOrganization)).into_response()),
        }
    }
}

/// `Option<Principal>`, for rules that let callers without a credential in (`optional`, `public`): `None` for those, and 500
/// if no gate stands in front of the handler.
impl<S: Sync> OptionalFromRequestParts<S> for Principal {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Self::Rejection> {
        match parts.extensions.get::<Arc<Permit>>() {
            None => Err(no_gate()),
            Some(_) => Ok(parts.extensions.get::<Self>().cloned()),
        }
    }
}

/// `Option<OrgContext>`: `None` for a caller without an organization, and where there is no caller.
impl<S: Sync> OptionalFromRequestParts<S> for OrgContext {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, Self::Rejection> {
        let principal = <Principal as OptionalFromRequestParts<S>>::from_request_parts(parts, state).await?;
        match principal {
            Some(principal) if principal.organization().is_some() => {
                <Self as FromRequestParts<S>>::from_request_parts(parts, state).await.map(Some)
            }
            _ => Ok(None),
        }
    }
}

impl IntoResponse for Denied {
    fn into_response(self) -> Response {
        self.0.response(None).map(Body::from)
    }
}

/// A handler that needs the gate runs without it: our fault, and never an anonymous caller.
pub(crate) fn no_gate() -> Response {
    let detail = "this handler needs the orgate layer, and no layer stands in front of it; serve the router with `gate.protect(router)`";
    problem(
        StatusCode::INTERNAL_SERVER_ERROR,
        "gate_missing",
        "No gate in front of the handler",
        Some(detail),
        None,
    )
    .map(Body::from)
}
