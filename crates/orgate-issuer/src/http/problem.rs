//! Refusals of the management API (RFC 9457).
//!
//! One table from code to status and title. 401: nobody is known; 404: not for outsiders to know; 403: known, but not
//! allowed; 409: it would break an invariant; 422: a value that cannot be. The token endpoint has its own form.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use crate::db::DbError;

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    code: Code,
    detail: Option<String>,
    /// The field of the body it is about.
    field: Option<String>,
    /// After how many seconds to come back.
    retry_after: Option<i64>,
    /// What the client needs to go on, under its name.
    with: Option<(&'static str, String)>,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident $status:literal $code:literal $title:literal;)*) => {
        /// Every refusal of the management API.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Code { $($(#[$doc])* $variant,)* }

        impl Code {
            pub(crate) const ALL: &'static [Self] = &[$(Self::$variant,)*];

            const fn row(self) -> (u16, &'static str, &'static str) {
                match self { $(Self::$variant => ($status, $code, $title),)* }
            }
        }
    };
}

codes! {
    BadRequest 400 "bad_request" "The request cannot be read";
    Unauthenticated 401 "unauthenticated" "Sign in first";
    Mistyped 400 "code_invalid" "The code is wrong or has ended";
    InvalidCredentials 401 "invalid_credentials" "The email address or the password is wrong";
    SecondFactorRequired 401 "second_factor_required" "Show the second factor";
    SignInExpired 401 "sign_in_expired" "This sign-in has ended; begin again";
    Csrf 403 "csrf" "The request comes from a place that may not send it";
    EmailNotVerified 403 "email_not_verified" "Confirm the email address first";
    OrganizationSuspended 403 "org_suspended" "The organization is suspended";
    OrganizationLimit 403 "org_limit" "The user has as many organizations as the project allows";
    MemberLimit 403 "member_limit" "The organization has as many members as it may have";
    InvitationLimit 403 "invitation_limit" "The organization has as many open invitations as it may have";
    InvitationEmailMismatch 403 "invitation_email_mismatch" "The invitation is for another address";
    BuiltIn 403 "built_in" "What is built in does not change";
    PermissionNotHeld 403 "permission_not_held" "Nobody gives a permission that they do not have";
    RoleNotGrantable 403 "role_not_grantable" "This role cannot be given here";
    ReauthenticationRequired 403 "reauthentication_required" "Sign in again first";
    Forbidden 403 "forbidden" "Not allowed";
    RefusedByHook 403 "refused_by_hook" "The application does not allow this";
    NotFound 404 "not_found" "There is no such thing";
    InvitationInvalid 404 "invitation_invalid" "There is no such invitation";
    MethodNotAllowed 405 "method_not_allowed" "This method does nothing here";
    Conflict 409 "conflict" "The change would break a rule";
    InProgress 409 "request_in_progress" "The same request was begun, and its end is not known";
    OrganizationsDisabled 409 "organizations_disabled" "Organizations are switched off for this project";
    SlugTaken 409 "slug_taken" "Another organization of the project has this slug";
    OwnerMustTransfer 409 "owner_must_transfer" "The owner has to transfer the organization first";
    OwnerOfOrganizations 409 "owner_of_organizations" "The user owns organizations that would be nobody's";
    PersonalOrganization 409 "personal_organization" "A personal organization belongs to its user alone";
    TeamTaken 409 "team_taken" "The organization has a team with this slug already";
    AlreadyTeamMember 409 "already_team_member" "The member is in the team already";
    DomainTaken 409 "domain_taken" "The domain is another organization's, or is listed already";
    RoleTaken 409 "role_taken" "The organization has a role of this name already";
    RoleInUse 409 "role_in_use" "The role is in use";
    PermissionTaken 409 "permission_taken" "The project has this permission already";
    PermissionInUse 409 "permission_in_use" "The permission is in use";
    AlreadyMember 409 "already_member" "The user is a member already";
    AlreadyInvited 409 "already_invited" "The address is invited already";
    InvitationExpired 410 "invitation_expired" "The invitation has expired";
    InvitationRevoked 410 "invitation_revoked" "The invitation does not stand any more";
    InvitationUsed 410 "invitation_used" "The invitation was used";
    InvitationDeclined 410 "invitation_declined" "The invitation was declined";
    LinkInvalid 410 "link_invalid" "The link is wrong, was used, or has ended";
    PreconditionFailed 412 "precondition_failed" "It has changed since you read it";
    TooLarge 413 "too_large" "The request is too large";
    UnsupportedMediaType 415 "unsupported_media_type" "The body must be application/json";
    IdempotencyKeyReused 422 "idempotency_key_reused" "Another request had this idempotency key";
    UnknownField 422 "unknown_field" "The body has a field that is not known";
    InvalidValue 422 "invalid_value" "A value cannot be accepted";
    UnknownRole 422 "unknown_role" "There is no such role";
    UnknownTeam 422 "unknown_team" "The organization has no such team";
    NotAMember 422 "not_a_member" "The user is no member of the organization";
    UnknownPermission 422 "unknown_permission" "The project has no such permission";
    PermissionsTooLarge 422 "permissions_too_large" "The permissions do not fit into a token";
    UnknownUser 422 "unknown_user" "The project has no such user";
    SlugReserved 422 "slug_reserved" "This slug is reserved";
    DomainPublic 422 "domain_public" "Everybody can have an address at this domain";
    DomainUnproven 422 "domain_unproven" "The domain does not show that it is the organization's";
    ProjectRequired 422 "project_required" "Name the project";
    RateLimited 429 "rate_limited" "Too many sign-ins from here, or to this account, at the moment";
    Locked 429 "locked" "Too many attempts; wait before the next one";
    Internal 500 "internal" "Something went wrong here";
    Unavailable 503 "unavailable" "Not available at the moment";
    Busy 503 "busy" "Too many sign-ins at the moment";
}

impl Code {
    pub(crate) fn status(self) -> StatusCode {
        StatusCode::from_u16(self.row().0).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    pub(crate) const fn as_str(self) -> &'static str {
        self.row().1
    }

    pub(crate) const fn title(self) -> &'static str {
        self.row().2
    }

    /// Whether the answer says when to come back.
    pub(crate) const fn says_when(self) -> bool {
        matches!(self, Self::Unavailable | Self::Busy | Self::RateLimited | Self::Locked)
    }
}

impl Problem {
    pub(crate) fn new(code: Code) -> Self {
        Self { code, detail: None, field: None, retry_after: None, with: None }
    }

    pub(crate) fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// When it makes sense to ask again.
    pub(crate) fn after(mut self, seconds: i64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// The field of the body that it is about.
    pub(crate) fn field(mut self, name: &str) -> Self {
        self.field = Some(name.to_owned());
        self
    }

    /// What the client needs to go on.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.with = Some((name, value.into()));
        self
    }

    pub(crate) fn retry_after(&self) -> i64 {
        self.retry_after.unwrap_or(1)
    }

    /// The field that is wrong, and what is wrong with it.
    pub(crate) fn about(&self) -> Option<(&str, &str)> {
        Some((self.field.as_deref()?, self.detail.as_deref().unwrap_or("cannot be accepted")))
    }

    /// What else there is to say about it.
    pub(crate) fn why(&self) -> Option<&str> {
        self.detail.as_deref()
    }

    /// What an application's hook says to the person.
    pub(crate) fn refusal(&self) -> Option<&str> {
        self.detail.as_deref().filter(|_| self.code == Code::RefusedByHook)
    }

    /// A value of the field `name` that cannot be.
    pub(crate) fn invalid(name: &str, detail: impl Into<String>) -> Self {
        Self { field: Some(name.to_owned()), ..Self::new(Code::InvalidValue).detail(detail) }
    }

    /// A field that no such request has.
    pub(crate) fn unknown_field(name: &str) -> Self {
        Self { field: Some(name.to_owned()), ..Self::new(Code::UnknownField) }
    }

    pub(crate) fn code(&self) -> Code {
        self.code
    }

    fn body(&self) -> Value {
        let mut body = json!({
            "type": format!("urn:orgate:error:{}", self.code.as_str()),
            "title": self.code.title(),
            "status": self.code.row().0,
            "code": self.code.as_str(),
        });
        if let Some(object) = body.as_object_mut() {
            if let Some(detail) = &self.detail {
                object.insert("detail".to_owned(), Value::from(detail.as_str()));
            }
            if let Some((name, value)) = &self.with {
                object.insert((*name).to_owned(), Value::from(value.as_str()));
            }
            if let Some(field) = &self.field {
                object.insert("field".to_owned(), Value::from(field.as_str()));
            }
        }
        body
    }
}

impl From<Code> for Problem {
    fn from(code: Code) -> Self {
        Self::new(code)
    }
}

impl From<DbError> for Problem {
    fn from(error: DbError) -> Self {
        match error {
            DbError::Conflict(_) => Self::new(Code::Conflict),
            DbError::Contended | DbError::Lost(_) | DbError::Unavailable(_) => {
                tracing::error!(%error, "the database did not answer");
                Self::new(Code::Unavailable)
            }
            DbError::Inconsistent(_) => {
                tracing::error!(%error, "the database holds something that cannot be");
                Self::new(Code::Internal)
            }
        }
    }
}

impl From<crate::secret::NoRandomness> for Problem {
    fn from(error: crate::secret::NoRandomness) -> Self {
        tracing::error!(%error, "no random numbers");
        Self::new(Code::Internal)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.code.status(), self.body().to_string()).into_response();
        response.extensions_mut().insert(self.code);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.code.says_when() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(self.retry_after()));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_one_status_and_one_name() {
        let mut names: Vec<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Code::ALL.len());
        assert!(
            Code::ALL.iter().all(|code| code.status().is_client_error() || code.status().is_server_error())
        );
    }

    #[test]
    fn a_problem_says_which_field() {
        let body = Problem::unknown_field("admin").body();
        assert_eq!(body["status"], 422);
        assert_eq!(body["code"], "unknown_field");
        assert_eq!(body["type"], "urn:orgate:error:unknown_field");
        assert_eq!(body["field"], "admin");
    }
}
