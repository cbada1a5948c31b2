//! What a page says of what was tried: that it is done, or what is wrong, at its field.

use http::StatusCode;
use minijinja::{Value, context};

use crate::http::{
    Problem,
    body::Form,
    messages::{part, refused, said, verbatim},
    problem::Code,
};

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
    wrong: Value,
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

    /// The same in other words, which nobody translates.
    pub(crate) fn saying(self, words: &str) -> Self {
        Self { wrong: verbatim(words), ..self }
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
            wrong => self.wrong.clone(),
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

/// What is said of a value: the field, what the refusal says of it, and the words for people.
const MISTYPED: [(&str, &str, &str); 20] = [
    ("name", "", "The name has 1 to 100 characters."),
    (
        "slug",
        "begins with a letter",
        "The short name has 1 to 63 small letters, digits, hyphens and underscores, and begins with a letter.",
    ),
    ("slug", "does not change", "The short name of a role does not change."),
    (
        "slug",
        "1 to 63",
        "The short name has 1 to 63 small letters and digits, with single hyphens between them.",
    ),
    ("slug", "", "The short name has 2 to 63 small letters and digits, with single hyphens between them."),
    ("email", "", "That is not an email address. Look for a typing mistake."),
    (
        "confirm",
        "slug",
        "That is not the short name of this organization. Type it exactly as it stands above.",
    ),
    ("permissions", "", "Tick at least one permission."),
    ("logo_url", "", "The logo is an address of at most 2048 characters that begins with https."),
    ("description", "200", "The description has at most 200 characters, in one line."),
    ("description", "", "The description has at most 500 characters."),
    ("public_metadata", "object", "The metadata is a JSON object, in braces."),
    ("public_metadata", "deeper", "The metadata is nested too deeply."),
    ("public_metadata", "", "The metadata is too large."),
    ("rank", "", "Choose one of the levels."),
    ("role", "", "Choose one of the roles."),
    ("days", "", "Choose one of the ends."),
    ("expires_in", "", "Choose one of the ends."),
    ("teams", "", "Choose fewer teams."),
    ("who", "", "Several members are called that. Type the whole address."),
];

/// What is said of a refusal, and what to do; of the others it is their title.
const REFUSED: [(Code, &str); 34] = [
    (Code::SlugTaken, "Another organization has this short name, or had it until lately. Choose another."),
    (Code::SlugReserved, "This short name is kept for other things. Choose another."),
    (Code::RoleTaken, "There is a role of this name already. Choose another name."),
    (Code::TeamTaken, "There is a team with this short name already. Choose another."),
    (Code::AlreadyInvited, "This address is invited already. You can send its letter again below."),
    (Code::AlreadyMember, "Whoever has this address is a member already."),
    (Code::AlreadyTeamMember, "They are in the team already."),
    (Code::NotAMember, "Nobody of this organization is called that. Choose one from the list."),
    (Code::UnknownUser, "There is nobody like that here."),
    (Code::UnknownRole, "There is no such role any more. Choose another one."),
    (Code::UnknownTeam, "A team that you chose is gone. Choose again."),
    (Code::UnknownPermission, "A permission that you chose is gone. Look through them and save again."),
    (Code::PermissionsTooLarge, "That is more than a role can hold. Take some permissions away."),
    (Code::PermissionNotHeld, "You can only give what you may do yourself. Take the other permissions away."),
    (Code::RoleNotGrantable, "You cannot give this role. Choose one that is below your own."),
    (Code::RoleInUse, "Somebody has this role, or is invited with it. Say which role they get instead."),
    (Code::BuiltIn, "The roles that every organization has do not change. Make one of your own."),
    (
        Code::OwnerMustTransfer,
        "An organization has an owner. Transfer the ownership to another member first, then try again.",
    ),
    (Code::PersonalOrganization, "This is a personal organization: it belongs to one person, and stays so."),
    (
        Code::MemberLimit,
        "The organization is full. Remove somebody, or ask those who run this service for more.",
    ),
    (Code::InvitationLimit, "Too many invitations are open. Revoke some that nobody will answer."),
    (
        Code::OrganizationLimit,
        "You own as many organizations as you may. Delete one that you do not need, or transfer it.",
    ),
    (Code::EmailNotVerified, "Confirm your email address first: the letter is in your mail."),
    (
        Code::PreconditionFailed,
        "Somebody else has changed it meanwhile. Look at it again and save once more.",
    ),
    (Code::InProgress, "This was sent already and is being done. Load the page again in a moment."),
    (Code::NotFound, "It is gone: somebody else has removed it meanwhile."),
    (Code::Forbidden, "You may not do this. Ask somebody with a higher role."),
    (Code::InvitationUsed, ENDED),
    (Code::InvitationDeclined, ENDED),
    (Code::InvitationRevoked, ENDED),
    (
        Code::IdempotencyKeyReused,
        "This form was sent before with something else in it. Load the page again and fill it in anew.",
    ),
    (Code::BadRequest, "The request could not be read. Load the page again and try once more."),
    (Code::TooLarge, "That is more than a form can hold. Make it shorter."),
    (Code::Conflict, "Something else was changed at the same moment. Try again."),
];
const ENDED: &str = "This invitation has ended. Invite the address again.";

/// What is wrong, and what to do.
fn words(problem: &Problem) -> Value {
    if let Some(why) = problem.refusal() {
        return verbatim(why);
    }
    if problem.code() == Code::InvalidValue {
        let (field, detail) = problem.about().unwrap_or_default();
        return mistyped(field, detail);
    }
    match REFUSED.iter().find(|(code, _)| *code == problem.code()) {
        _ if problem.code() == Code::Forbidden
            && problem.about().is_some_and(|(field, _)| field == "slug") =>
        {
            part("Only the owner changes the short name.")
        }
        Some((_, words)) => part(words),
        None => refused(problem.code()),
    }
}

/// A value of one of the forms' fields that cannot be.
fn mistyped(field: &str, detail: &str) -> Value {
    if let Some((line, column)) = place(detail) {
        let at = context! { line => line, column => column };
        return said("That is not JSON at line {line}, column {column}.", at);
    }
    let fixed = MISTYPED.iter().find(|(known, part, _)| *known == field && detail.contains(part));
    match fixed {
        Some((_, _, words)) => part(words),
        None => said("This cannot be accepted: {what}.", context! { what => detail.replace('`', "") }),
    }
}

/// Where JSON ends to be JSON: line and column.
fn place(detail: &str) -> Option<(&str, &str)> {
    detail.strip_prefix("is not JSON at line ")?.split_once(" column ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{language::Language, messages::spoken};

    #[test]
    fn every_refusal_is_a_sentence_in_every_language() {
        let spoken = |said: &Value| Language::ALL.map(|language| spoken(language, said).unwrap());
        let sentence = |said: &str| said.ends_with('.') && said.chars().count() > 10;
        for code in Code::ALL {
            let said = spoken(&words(&Problem::new(*code)));
            assert!(said.iter().all(|said| sentence(said)) && said[0] != said[1], "{code:?}: {said:?}");
        }
        for (field, detail, _) in MISTYPED {
            let said = spoken(&words(&Problem::invalid(field, detail)));
            assert!(said.iter().all(|said| sentence(said)) && said[0] != said[1], "{field}: {said:?}");
        }
        for (code, done) in DONE {
            let said = spoken(&part(done));
            assert!(said.iter().all(|said| sentence(said)) && said[0] != said[1], "{code}: {said:?}");
        }
        let [english, arabic] =
            spoken(&words(&Problem::invalid("public_metadata", "is not JSON at line 3 column 14")));
        assert_eq!(english, "That is not JSON at line 3, column 14.");
        assert!(arabic.contains("\u{2068}3\u{2069}") && arabic.contains("\u{2068}14\u{2069}"), "{arabic}");
        let [english, _] = spoken(&words(&Problem::invalid("name", "has 1 to 100 characters")));
        assert_eq!(english, "The name has 1 to 100 characters.");
    }

    #[test]
    fn what_is_wrong_with_the_same_field_of_two_forms_is_told_apart() {
        let told =
            |detail: &str| spoken(Language::English, &words(&Problem::invalid("slug", detail))).unwrap();
        let organization =
            told("has 2 to 63 lower-case letters, digits and single hyphens, with no hyphen at either end");
        let team = told("has 1 to 63 lower-case letters, digits and single `-` between them");
        let role = told("has 1 to 63 lower-case letters, digits, `-` and `_`, and begins with a letter");
        assert!(
            organization.contains("2 to 63") && team.contains("1 to 63") && role.contains("underscores"),
            "{role}"
        );
    }
}
