//! What people are written. Plain text, one link each at most, and what to do if one did not ask for it.

use crate::{app::App, mail::Letter, projects::Project};

/// Whoever wants to sign up with an address that is not a user's yet.
pub(super) fn sign_up(app: &App, project: &Project, to: &str, link: &str, code: &str) -> Letter {
    let link = page(app, project, "verify", link);
    Letter {
        to: to.to_owned(),
        subject: format!("Your code for {}: {}", name(project), spaced(code)),
        text: format!(
            "Hello,\n\nsomebody wants to sign up to {} with this address. If it was you, enter this code where you \
             signed up:\n\n    {}\n\nor open this page and enter the password you chose:\n\n{link}\n\nBoth work for 24 \
             hours. If it was not you, there is nothing to do: without the code there is no account.\n",
            name(project),
            spaced(code)
        ),
        links: vec![link],
    }
}

/// Whoever wants to sign up with an address that is a user's.
pub(super) fn known(app: &App, project: &Project, to: &str) -> Letter {
    let link = format!("{}/forgot", app.public.issuer(&project.id));
    Letter {
        to: to.to_owned(),
        subject: format!("You have an account for {} already", name(project)),
        text: format!(
            "Hello,\n\nsomebody wants to sign up to {} with this address, which has an account already. If it was you, \
             sign in instead. If you do not remember the password, choose another one here:\n\n{link}\n\nIf it was not \
             you, there is nothing to do.\n",
            name(project)
        ),
        links: vec![link],
    }
}

/// A user whose address is to be confirmed.
pub(super) fn confirm(app: &App, project: &Project, to: &str, link: &str, code: &str) -> Letter {
    let link = page(app, project, "verify", link);
    Letter {
        to: to.to_owned(),
        subject: format!("Your code for {}: {}", name(project), spaced(code)),
        text: format!(
            "Hello,\n\nthis code confirms your address for {}:\n\n    {}\n\nor open this page:\n\n{link}\n\nBoth work \
             for 24 hours.\n",
            name(project),
            spaced(code)
        ),
        links: vec![link],
    }
}

/// A user who forgot the password.
pub(super) fn forgot(app: &App, project: &Project, to: &str, link: &str) -> Letter {
    let link = page(app, project, "reset", link);
    Letter {
        to: to.to_owned(),
        subject: format!("Choose another password for {}", name(project)),
        text: format!(
            "Hello,\n\nhere you choose another password for {}:\n\n{link}\n\nThe link works once, for an hour. If you \
             did not ask for it, there is nothing to do: your password stays as it is.\n",
            name(project)
        ),
        links: vec![link],
    }
}

/// A user whose password was changed; `elsewhere` if one session goes on, the one in which that was done.
pub(super) fn changed(app: &App, project: &Project, to: &str, elsewhere: bool) -> Letter {
    let link = format!("{}/forgot", app.public.issuer(&project.id));
    Letter {
        to: to.to_owned(),
        subject: format!("Your password for {} was changed", name(project)),
        text: format!(
            "Hello,\n\nyour password for {} was changed, and you were signed out everywhere{}. If it was not you, choose \
             another one at once:\n\n{link}\n",
            name(project),
            if elsewhere { " else" } else { "" }
        ),
        links: vec![link],
    }
}

/// A user who wants to sign in by mail. `request` is the sign-in under way, which only the browser that began it has.
pub(super) fn magic(app: &App, project: &Project, to: &str, link: &str, request: Option<&str>) -> Letter {
    let mut link = page(app, project, "magic", link);
    if let Some(request) = request {
        link.push_str("&request=");
        link.push_str(request);
    }
    Letter {
        to: to.to_owned(),
        subject: format!("Sign in to {}", name(project)),
        text: format!(
            "Hello,\n\nopen this page in the browser in which you want to sign in to {}:\n\n{link}\n\nThe link works \
             once, for 15 minutes. If you did not ask for it, do not open it.\n",
            name(project)
        ),
        links: vec![link],
    }
}

fn page(app: &App, project: &Project, page: &str, link: &str) -> String {
    format!("{}/{page}?token={link}", app.public.issuer(&project.id))
}

/// The project's name in one line.
fn name(project: &Project) -> String {
    project.name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Two groups of digits are easier to type than one.
fn spaced(code: &str) -> String {
    match code.split_at_checked(4) {
        Some((first, second)) => format!("{first} {second}"),
        None => code.to_owned(),
    }
}
