//! What somebody is written who is invited.

use minijinja::context;

use super::{Invitation, invite::Desk};
use crate::{
    app::App,
    http::messages::{part, role, said},
    mail::{Letter, Part, Pen, one_line},
};

/// The address of the page to accept or decline.
pub(super) fn link(app: &App, project_id: &str, token: &str) -> String {
    format!("{}/invitations/{token}", app.public.issuer(project_id))
}

pub(super) fn invitation(desk: Desk<'_>, invitation: &Invitation, token: &str) -> Letter {
    let Desk { app, project, language, .. } = desk;
    let link = link(app, &project.id, token);
    let organization = one_line(&invitation.org_name);
    let inviter = invitation.inviter_name.as_deref().map(one_line);
    let words = match inviter {
        Some(_) => {
            "{inviter} invites you to join {organization} at {project}, with the role {role}. Open this page to \
             accept or to decline:"
        }
        None => {
            "you are invited to join {organization} at {project}, with the role {role}. Open this page to accept \
             or to decline:"
        }
    };
    let invited = context! {
        inviter => inviter.unwrap_or_default(),
        organization => organization.as_str(),
        project => one_line(&project.name),
        role => role(&invitation.role),
    };
    let (count, lasting) = lasting(invitation.life_ms);
    let parts = [
        Part::Text(part("Hello,")),
        Part::Text(said(words, invited)),
        Part::Link(&link, "Look at the invitation"),
        Part::Text(said(lasting, context! { count => count.to_string() })),
    ];
    let pen = Pen { app, name: &project.name, colour: project.brand_color, language };
    let subject = said("Invitation to {organization}", context! { organization });
    pen.write(&invitation.email, &subject, &parts)
}

/// How long an invitation lasts, in the largest unit of which there are two, and what is said of it.
fn lasting(ms: i64) -> (i64, &'static str) {
    const UNITS: [(i64, &str); 3] = [
        (
            86_400_000,
            "It is for this address alone, and works for {count} days. If you do not know what it is about, there is \
             nothing to do.",
        ),
        (
            3_600_000,
            "It is for this address alone, and works for {count} hours. If you do not know what it is about, there is \
             nothing to do.",
        ),
        (
            60_000,
            "It is for this address alone, and works for {count} minutes. If you do not know what it is about, there \
             is nothing to do.",
        ),
    ];
    let unit = UNITS.into_iter().find(|(unit, _)| ms >= 2 * unit);
    unit.map_or(
        (
            ms / 1000,
            "It is for this address alone, and works for {count} seconds. If you do not know what it is about, there \
             is nothing to do.",
        ),
        |(unit, words)| (ms / unit, words),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_told_in_words() {
        for (seconds, count, unit) in [
            (604_800, 7, "days"),
            (86_400, 24, "hours"),
            (7_199, 119, "minutes"),
            (300, 5, "minutes"),
            (1, 1, "seconds"),
        ] {
            let (counted, words) = lasting(seconds * 1000);
            assert!(counted == count && words.contains(&format!("{{count}} {unit}")), "{words}");
        }
    }
}
