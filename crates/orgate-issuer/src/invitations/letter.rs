//! What somebody is written who is invited.

use super::Invitation;
use crate::{app::App, mail::Letter, projects::Project};

/// The address of the page to accept or decline.
pub(super) fn link(app: &App, project_id: &str, token: &str) -> String {
    format!("{}/invitations/{token}", app.public.issuer(project_id))
}

pub(super) fn invitation(app: &App, project: &Project, invitation: &Invitation, token: &str) -> Letter {
    let link = link(app, &project.id, token);
    let (organization, project) = (plain(&invitation.org_name), plain(&project.name));
    let who = match &invitation.inviter_name {
        Some(name) => format!("{} invites you", plain(name)),
        None => "you are invited".to_owned(),
    };
    Letter {
        to: invitation.email.clone(),
        subject: format!("Invitation to {organization}"),
        text: format!(
            "Hello,\n\n{who} to join {organization} at {project}, with the role {}. Open this page to accept or to \
             decline:\n\n{link}\n\nIt is for this address alone, and works for {}. If you do not know what it is about, \
             there is nothing to do.\n",
            invitation.role,
            lasting(invitation.life_ms)
        ),
        links: vec![link],
    }
}

/// A name in one line.
fn plain(name: &str) -> String {
    name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A time as people say it, in the largest unit of which there are two.
fn lasting(ms: i64) -> String {
    for (unit, name) in [(86_400_000, "days"), (3_600_000, "hours"), (60_000, "minutes")] {
        if ms >= 2 * unit {
            return format!("{} {name}", ms / unit);
        }
    }
    format!("{} seconds", ms / 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_told_in_words() {
        for (seconds, words) in [
            (604_800, "7 days"),
            (86_400, "24 hours"),
            (7_199, "119 minutes"),
            (300, "5 minutes"),
            (1, "1 seconds"),
        ] {
            assert_eq!(lasting(seconds * 1000), words);
        }
    }
}
