//! What went wrong, as a person is told: by a code, a title and what to do.

use http::StatusCode;

/// A mistake that is shown to a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PageError {
    pub(super) code: &'static str,
    pub(super) retry_after: i64,
}

impl PageError {
    /// `code` must be in the table below; it goes into `data-code`.
    pub(crate) const fn new(code: &'static str) -> Self {
        Self { code, retry_after: 1 }
    }

    /// When it makes sense to try again.
    pub(crate) const fn after(self, seconds: i64) -> Self {
        Self { retry_after: seconds, ..self }
    }

    /// Its status and its title.
    pub(crate) fn shown(self) -> (StatusCode, &'static str) {
        let (status, title, _) = self.row();
        (status, title)
    }

    pub(super) fn row(self) -> (StatusCode, &'static str, &'static str) {
        let back = "Go back to the application you came from and sign in again from there.";
        let maintainer =
            "The application sent something that is not registered here. Tell the people who run it.";
        match self.code {
            "not_found" => (StatusCode::NOT_FOUND, "Nothing here", "Check the address for typing mistakes."),
            "invalid_request" => (StatusCode::BAD_REQUEST, "This sign-in link is incomplete", maintainer),
            "unknown_client" => (StatusCode::BAD_REQUEST, "Unknown application", maintainer),
            "invalid_redirect_uri" => (StatusCode::BAD_REQUEST, "Unknown return address", maintainer),
            "request_expired" => (StatusCode::BAD_REQUEST, "This sign-in has ended", back),
            "csrf" => (
                StatusCode::FORBIDDEN,
                "This sign-in belongs to another browser window",
                "Sign in again from the application, and allow cookies for this site.",
            ),
            "request_changed" => (
                StatusCode::CONFLICT,
                "Something has changed meanwhile",
                "What you were asked does not stand any more, and nothing was allowed. Go back to the application and begin again.",
            ),
            "sign_in_required" => (StatusCode::UNAUTHORIZED, "You are signed out", back),
            "unknown_organization" => (
                StatusCode::BAD_REQUEST,
                "You cannot use this organization",
                "You may have been removed from it. Go back and choose another one.",
            ),
            "too_large" => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "That was too long",
                "A password has at most 1024 bytes. Go back and try again.",
            ),
            "busy" => (
                StatusCode::SERVICE_UNAVAILABLE,
                "Too many people are signing in",
                "Wait a few seconds and try again.",
            ),
            "rate_limited" => (
                StatusCode::TOO_MANY_REQUESTS,
                "Too many sign-ins at once",
                "Several come from your network, or to this account. Wait a few seconds and try again.",
            ),
            "locked" => (
                StatusCode::TOO_MANY_REQUESTS,
                "Too many attempts",
                "Wait some minutes and try again, or use a device that you have signed in with before.",
            ),
            "link_invalid" => (
                StatusCode::GONE,
                "This link has ended",
                "It was used, or it is too old. Ask for another one.",
            ),
            "setup_link_invalid" => (
                StatusCode::GONE,
                "This set-up link has ended",
                "Restart the issuer: while there is no operator it prints a new link.",
            ),
            "unavailable" => (
                StatusCode::SERVICE_UNAVAILABLE,
                "Not available at the moment",
                "Wait a few seconds and try again.",
            ),
            _ => self.row_of_organizations(),
        }
    }

    /// The same of what has to do with invitations and organizations.
    fn row_of_organizations(self) -> (StatusCode, &'static str, &'static str) {
        match self.code {
            "invitation_invalid" => (
                StatusCode::NOT_FOUND,
                "There is no such invitation",
                "Open the whole link that is in the letter.",
            ),
            "invitation_expired" => {
                (StatusCode::GONE, "This invitation has expired", "Ask whoever invited you to send it again.")
            }
            "invitation_revoked" => (
                StatusCode::GONE,
                "This invitation does not stand any more",
                "If you have a newer letter, use that. Otherwise ask whoever invited you.",
            ),
            "invitation_used" => (
                StatusCode::GONE,
                "This invitation was used",
                "If it was you, go back to the application and sign in.",
            ),
            "invitation_declined" => (
                StatusCode::GONE,
                "This invitation was declined",
                "If that was a mistake, ask whoever invited you to do so again.",
            ),
            "member_limit" => (
                StatusCode::FORBIDDEN,
                "The organization is full",
                "It has as many members as it may have. Tell whoever invited you.",
            ),
            "org_suspended" => (
                StatusCode::FORBIDDEN,
                "The organization is suspended",
                "Nobody can join it at the moment. Try again later.",
            ),
            "already_member" => (
                StatusCode::CONFLICT,
                "You belong to the organization already",
                "Your membership is suspended. Ask those who run the organization.",
            ),
            "bad_request" => (
                StatusCode::BAD_REQUEST,
                "This address says something that cannot be",
                "Go back to the page you came from and choose again.",
            ),
            "forbidden" => (
                StatusCode::FORBIDDEN,
                "Your role does not reach this far",
                "What you asked for needs a higher role in the organization. Ask somebody who has one.",
            ),
            "operator_forbidden" => (
                StatusCode::FORBIDDEN,
                "Your rank does not reach this far",
                "You can look at this project and not change it. Ask one of its owners.",
            ),
            "organizations_disabled" => (
                StatusCode::CONFLICT,
                "There are no organizations here",
                "The people who run this service have switched them off.",
            ),
            _ => (StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong", "Wait a moment and try again."),
        }
    }
}
