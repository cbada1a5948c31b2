//! What the pages tell of a change that was made.

pub(super) const DONE: [(&str, &str); 20] = [
    ("project_created", "The project is there. Its keys are being made."),
    ("organizations_on", "Organizations are on: the next sign-in shows the picker."),
    ("organizations_off", "Organizations are off: tokens and pages know nothing of them any more."),
    ("saved", "The settings are saved."),
    ("organization_created", "The organization is there."),
    ("organization_saved", "The organization is changed."),
    ("organization_suspended", "The organization is suspended: its members can do nothing in it."),
    ("organization_activated", "The organization goes on."),
    ("organization_deleted", "The organization is gone, with everything in it."),
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
