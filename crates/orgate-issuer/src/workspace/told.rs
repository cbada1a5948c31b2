//! What a page says of what was tried: that it is done, or what is wrong, at its field.

use http::StatusCode;
use minijinja::{Value, context};

use crate::http::{Problem, body::Form, problem::Code};

/// What the page tells of a change that was made.
const DONE: [(&str, &str); 22] = [
    (
        "signed_in",
        "You have signed in. For ten minutes you can do what asked for it: press the button again.",
    ),
    ("created", "The organization is yours. Invite those who belong to it."),
    ("role_changed", "The role is another one now."),
    ("suspended", "The member is suspended and can do nothing here until you let them in again."),
    ("activated", "The member is in again."),
    ("removed", "The member was removed."),
    ("transferred", "The organization has a new owner, and you are an admin of it."),
    ("left", "You have left the organization."),
    ("deleted", "The organization is gone, with everything in it."),
    ("invited", "The invitation is on its way."),
    ("resent", "A new letter is on its way. The link in the old one does nothing any more."),
    ("revoked", "The invitation does not stand any more."),
    ("team_created", "The team is there. Put members into it."),
    ("team_changed", "The team is changed."),
    ("team_deleted", "The team is gone. Its members stay members of the organization."),
    ("team_joined", "The member is in the team."),
    ("team_left", "The member is not in the team any more."),
    ("role_made", "The role is there. Give it to members on their pages."),
    ("role_saved", "The role is changed, for everybody who has it."),
    ("role_deleted", "The role is gone."),
    ("saved", "The settings are saved."),
    ("key_revoked", "The key opens nothing any more."),
];

/// What a page says first, and what was filled in where that was refused.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) status: StatusCode,
    code: Option<&'static str>,
    done: Option<&'static str>,
    form: String,
    field: String,
    wrong: String,
    typed: Vec<(String, String)>,
}

impl Told {
    pub(super) fn done(code: &str) -> Self {
        Self::of(&DONE, code)
    }

    /// What was done, in the words of `all`.
    pub(crate) fn of(all: &[(&'static str, &'static str)], code: &str) -> Self {
        match all.iter().find(|(known, _)| *known == code) {
            Some((code, words)) => Self { code: Some(code), done: Some(words), ..Self::default() },
            None => Self::default(),
        }
    }

    /// `form`: what was to be changed, and of which of several things, if the form says so.
    pub(crate) fn wrong(form: &str, fields: &Form, problem: &Problem) -> Self {
        let own = |(name, _): &(&str, &str)| !matches!(*name, "word" | "change" | "once");
        let typed =
            fields.all().filter(own).map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let id = fields.get("id").unwrap_or_default();
        Self {
            status: problem.code().status(),
            code: Some(problem.code().as_str()),
            done: None,
            form: format!("{form}{id}"),
            field: field(problem).to_owned(),
            wrong: words(problem),
            typed,
        }
    }

    pub(crate) fn code(&self) -> Option<&'static str> {
        self.code
    }

    /// Whether this form was refused.
    pub(crate) fn is_about(&self, form: &str) -> bool {
        !form.is_empty() && self.form == form
    }

    /// What was filled in, if this form was refused.
    pub(crate) fn typed(&self, form: &str, name: &str) -> Option<&str> {
        let typed = self.typed.iter().find(|(known, _)| known == name && self.is_about(form));
        typed.map(|(_, value)| value.as_str())
    }

    /// Whether a box was ticked: as it was sent, or as it stands.
    pub(crate) fn ticked(&self, form: &str, name: &str, stands: bool) -> bool {
        if self.is_about(form) { self.typed(form, name).is_some() } else { stands }
    }

    pub(crate) fn values(&self) -> Value {
        let typed: std::collections::BTreeMap<String, String> = self.typed.iter().cloned().collect();
        context! {
            code => self.code,
            done => self.done,
            form => self.form.as_str(),
            field => self.field.as_str(),
            wrong => self.wrong.as_str(),
            typed => typed,
        }
    }
}

/// The field that is to be mended, if it is one.
fn field(problem: &Problem) -> &str {
    match (problem.about(), problem.code()) {
        (Some((field, _)), _) => field,
        (None, Code::AlreadyInvited | Code::AlreadyMember) => "email",
        (None, Code::TeamTaken) => "slug",
        (None, Code::RoleTaken) => "slug",
        (None, Code::RoleInUse) => "reassign_to",
        _ => "",
    }
}

/// What a field is called in a sentence.
fn called(field: &str) -> &str {
    match field {
        "name" => "The name",
        "slug" => "The short name",
        "email" => "The address",
        "logo_url" => "The logo",
        "description" => "The description",
        "public_metadata" | "metadata" => "The metadata",
        "rank" => "The level",
        "role" => "The role",
        "expires_in" => "The end",
        _ => "This",
    }
}

/// What is wrong, and what to do.
fn words(problem: &Problem) -> String {
    if let Some(why) = problem.refusal() {
        return why.to_owned();
    }
    let fixed = match (problem.code(), problem.about().map(|(field, _)| field)) {
        (Code::InvalidValue, Some("email")) => "That is not an email address. Look for a typing mistake.",
        (Code::InvalidValue, Some("confirm")) => {
            "That is not the short name of this organization. Type it exactly as it stands above."
        }
        (Code::InvalidValue, Some("permissions")) => "Tick at least one permission.",
        (Code::SlugTaken, _) => {
            "Another organization has this short name, or had it until lately. Choose another."
        }
        (Code::SlugReserved, _) => "This short name is kept for other things. Choose another.",
        (Code::RoleTaken, _) => "There is a role of this name already. Choose another name.",
        (Code::TeamTaken, _) => "There is a team with this short name already. Choose another.",
        (Code::AlreadyInvited, _) => "This address is invited already. You can send its letter again below.",
        (Code::AlreadyMember, _) => "Whoever has this address is a member already.",
        (Code::AlreadyTeamMember, _) => "They are in the team already.",
        (Code::NotAMember, _) => "Nobody of this organization is called that. Choose one from the list.",
        (Code::UnknownUser, _) => "There is nobody like that here.",
        (Code::UnknownRole, _) => "There is no such role any more. Choose another one.",
        (Code::UnknownTeam, _) => "A team that you chose is gone. Choose again.",
        (Code::UnknownPermission, _) => {
            "A permission that you chose is gone. Look through them and save again."
        }
        (Code::PermissionsTooLarge, _) => "That is more than a role can hold. Take some permissions away.",
        (Code::PermissionNotHeld, _) => {
            "You can only give what you may do yourself. Take the other permissions away."
        }
        (Code::RoleNotGrantable, _) => "You cannot give this role. Choose one that is below your own.",
        (Code::RoleInUse, _) => {
            "Somebody has this role, or is invited with it. Say which role they get instead."
        }
        (Code::BuiltIn, _) => "The roles that every organization has do not change. Make one of your own.",
        (Code::OwnerMustTransfer, _) => {
            "An organization has an owner. Transfer the ownership to another member first, then try again."
        }
        (Code::PersonalOrganization, _) => {
            "This is a personal organization: it belongs to one person, and stays so."
        }
        (Code::MemberLimit, _) => {
            "The organization is full. Remove somebody, or ask those who run this service for more."
        }
        (Code::InvitationLimit, _) => "Too many invitations are open. Revoke some that nobody will answer.",
        (Code::OrganizationLimit, _) => {
            "You own as many organizations as you may. Delete one that you do not need, or transfer it."
        }
        (Code::EmailNotVerified, _) => "Confirm your email address first: the letter is in your mail.",
        (Code::PreconditionFailed, _) => {
            "Somebody else has changed it meanwhile. Look at it again and save once more."
        }
        (Code::InProgress, _) => "This was sent already and is being done. Load the page again in a moment.",
        (Code::NotFound, _) => "It is gone: somebody else has removed it meanwhile.",
        (Code::Forbidden, Some("slug")) => "Only the owner changes the short name.",
        (Code::Forbidden, _) => "You may not do this. Ask somebody with a higher role.",
        (Code::InvitationUsed | Code::InvitationDeclined | Code::InvitationRevoked, _) => {
            "This invitation has ended. Invite the address again."
        }
        _ => "",
    };
    if !fixed.is_empty() {
        return fixed.to_owned();
    }
    match problem.about() {
        Some((field, detail)) => format!("{} {}.", called(field), detail.replace('`', "")),
        None => match problem.why() {
            Some(why) => {
                let mut letters = why.chars();
                let first: String = letters.next().map(|c| c.to_uppercase().collect()).unwrap_or_default();
                format!("{first}{}.", letters.as_str().replace('`', ""))
            }
            None => format!("{}.", problem.code().title()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_is_a_sentence() {
        for code in Code::ALL {
            let said = words(&Problem::new(*code));
            assert!(said.ends_with('.') && said.len() > 10, "{code:?}: {said}");
        }
        let said = words(&Problem::invalid("name", "has 1 to 100 characters"));
        assert_eq!(said, "The name has 1 to 100 characters.");
    }
}
