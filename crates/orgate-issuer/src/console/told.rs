//! What the pages tell of a change that was made, and of one that was refused. The console speaks English alone.

use super::Told;
use crate::http::{Problem, body::Form, problem::Code};

pub(super) const DONE: [(&str, &str); 30] = [
    ("project_created", "The project is there. Its keys are being made."),
    ("organizations_on", "Organizations are on: the next sign-in shows the picker."),
    ("organizations_off", "Organizations are off: tokens and pages know nothing of them any more."),
    ("saved", "The settings are saved."),
    ("organization_created", "The organization is there."),
    ("organization_saved", "The organization is changed."),
    ("organization_suspended", "The organization is suspended: its members can do nothing in it."),
    ("organization_activated", "The organization goes on."),
    ("organization_deleted", "The organization is gone, with everything in it."),
    ("user_created", "The user is there."),
    ("user_suspended", "The user is signed out, and cannot sign in until you let them in again."),
    ("user_activated", "The user can sign in again."),
    ("user_signed_out", "The user is signed out everywhere."),
    ("user_erased", "The user is gone, with everything that was theirs."),
    ("key_rotated", "The next key is shown. It signs in a day."),
    ("key_replaced", "A new key signs. What the old ones have signed counts no more."),
    ("role_created", "The role is there. Members can have it now."),
    ("role_saved", "The role is changed, for everybody who has it."),
    ("role_deleted", "The role is gone."),
    ("permission_created", "The permission is in the catalogue. Roles can hold it now."),
    ("permission_saved", "The description is changed."),
    ("permission_deleted", "The permission is gone, and no role can hold it any more."),
    ("client_saved", "The client is changed."),
    ("client_deleted", "The client is gone, with everything that was granted to it."),
    ("program_key_ended", "The key opens nothing any more."),
    ("webhook_saved", "The endpoint is changed."),
    ("webhook_deleted", "The endpoint is gone. Nothing is sent to it any more."),
    ("webhook_tested", "A test is on its way. It stands below as soon as it was sent."),
    ("webhook_replayed", "It is sent again, and stands below as soon as it was."),
    ("nothing_to_replay", "There is nothing in that range that this endpoint wants."),
];

/// What is wrong: in the words of the pages for end users, or where these know nothing of a field, in those of the API.
pub(super) fn wrong(form: &str, fields: &Form, problem: &Problem) -> Told {
    let told = Told::wrong(form, fields, problem);
    match words(problem) {
        Some(words) => told.saying(&words),
        None => told,
    }
}

fn words(problem: &Problem) -> Option<String> {
    let plain = |detail: &str| detail.replace('`', "");
    match (problem.code(), problem.about()) {
        (Code::InvalidValue | Code::Conflict, Some((field, detail))) => {
            Some(format!("{} {}.", called(field)?, plain(detail)))
        }
        (Code::Conflict | Code::OwnerOfOrganizations, None) => {
            let why = plain(problem.why()?);
            let mut letters = why.chars();
            let first: String = letters.next().map(|c| c.to_uppercase().collect()).unwrap_or_default();
            Some(format!("{first}{}.", letters.as_str()))
        }
        _ => None,
    }
}

/// What a field is called in a sentence, where the API's words for it are a part of one.
fn called(field: &str) -> Option<&'static str> {
    Some(match field {
        "confirm" => "What you typed",
        "password" => "The password",
        "email" | "url" | "redirect_uri" => "The address",
        "brand_color" => "The colour",
        "algorithm" => "The algorithm",
        "created_by" => "The owner",
        "from_seq" | "to_seq" => "This",
        "max_orgs_per_user" | "max_members" => "The number",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_a_sentence() {
        let said = |problem: Problem| words(&problem).unwrap_or_default();
        let typed = Problem::invalid("confirm", "is not the word `delete`");
        assert_eq!(said(typed), "What you typed is not the word delete.");
        let taken = Problem::new(Code::Conflict).field("email").detail("is that of another user already");
        assert_eq!(said(taken), "The address is that of another user already.");
        let owner = Problem::new(Code::OwnerOfOrganizations).detail("transfer or delete them first: acme");
        assert_eq!(said(owner), "Transfer or delete them first: acme.");
        // These have words of their own.
        assert_eq!(said(Problem::invalid("name", "has 1 to 100 characters")), "");
        assert_eq!(said(Problem::new(Code::Conflict)), "");
    }
}
