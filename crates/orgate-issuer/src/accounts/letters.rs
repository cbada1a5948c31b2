//! What people are written: one link each at most, and what to do if one did not ask for it.

use minijinja::{Value, context};

use crate::{
    app::App,
    http::{
        language::Language,
        messages::{part, said},
    },
    mail::{Letter, Part, Pen, one_line},
    projects::Project,
};

/// What letters to somebody who has come to `project` are written with.
pub(super) fn pen<'a>(app: &'a App, project: &'a Project, language: Language) -> Pen<'a> {
    Pen { app, name: &project.name, colour: project.brand_color, language }
}

/// Whoever wants to sign up with an address that is not a user's yet.
pub(super) fn sign_up(pen: &Pen<'_>, project: &Project, to: &str, link: &str, code: &str) -> Letter {
    let link = page(pen, project, "verify", link);
    let parts = [
        text("Hello,", project),
        text(
            "somebody wants to sign up to {project} with this address. If it was you, enter this code where you \
             signed up:",
            project,
        ),
        Part::Code(code),
        text("or open this page and enter the password you chose:", project),
        Part::Link(&link, "Finish signing up"),
        text(
            "Both work for 24 hours. If it was not you, there is nothing to do: without the code there is no \
             account.",
            project,
        ),
    ];
    pen.write(to, &with_code(pen, code), &parts)
}

/// Whoever wants to sign up with an address that is a user's.
pub(super) fn known(pen: &Pen<'_>, project: &Project, to: &str) -> Letter {
    let link = format!("{}/forgot", pen.app.public.issuer(&project.id));
    let parts = [
        text("Hello,", project),
        text(
            "somebody wants to sign up to {project} with this address, which has an account already. If it was \
             you, sign in instead. If you do not remember the password, choose another one here:",
            project,
        ),
        Part::Link(&link, "Choose another password"),
        text("If it was not you, there is nothing to do.", project),
    ];
    pen.write(to, &about("You have an account for {project} already", project), &parts)
}

/// A user whose address is to be confirmed.
pub(super) fn confirm(pen: &Pen<'_>, project: &Project, to: &str, link: &str, code: &str) -> Letter {
    let link = page(pen, project, "verify", link);
    let parts = [
        text("Hello,", project),
        text("this code confirms your address for {project}:", project),
        Part::Code(code),
        text("or open this page:", project),
        Part::Link(&link, "Confirm your address"),
        text("Both work for 24 hours.", project),
    ];
    pen.write(to, &with_code(pen, code), &parts)
}

/// A user who forgot the password.
pub(super) fn forgot(pen: &Pen<'_>, project: &Project, to: &str, link: &str) -> Letter {
    let link = page(pen, project, "reset", link);
    let parts = [
        text("Hello,", project),
        text("here you choose another password for {project}:", project),
        Part::Link(&link, "Choose another password"),
        text(
            "The link works once, for an hour. If you did not ask for it, there is nothing to do: your password \
             stays as it is.",
            project,
        ),
    ];
    pen.write(to, &about("Choose another password for {project}", project), &parts)
}

/// A user whose password was changed; `elsewhere` if one session goes on, the one in which that was done.
pub(super) fn changed(pen: &Pen<'_>, project: &Project, to: &str, elsewhere: bool) -> Letter {
    let link = format!("{}/forgot", pen.app.public.issuer(&project.id));
    let what = match elsewhere {
        true => {
            "your password for {project} was changed, and you were signed out everywhere else. If it was not you, \
             choose another one at once:"
        }
        false => {
            "your password for {project} was changed, and you were signed out everywhere. If it was not you, \
             choose another one at once:"
        }
    };
    let parts = [text("Hello,", project), text(what, project), Part::Link(&link, "Choose another password")];
    pen.write(to, &about("Your password for {project} was changed", project), &parts)
}

/// A user who wants to sign in by mail. `request` is the sign-in under way, which only the browser that began it has.
pub(super) fn magic(pen: &Pen<'_>, project: &Project, to: &str, link: &str, request: Option<&str>) -> Letter {
    let mut link = page(pen, project, "magic", link);
    if let Some(request) = request {
        link.push_str("&request=");
        link.push_str(request);
    }
    let parts = [
        text("Hello,", project),
        text("open this page in the browser in which you want to sign in to {project}:", project),
        Part::Link(&link, "Sign in"),
        text("The link works once, for 15 minutes. If you did not ask for it, do not open it.", project),
    ];
    pen.write(to, &about("Sign in to {project}", project), &parts)
}

fn text<'a>(message: &str, project: &Project) -> Part<'a> {
    Part::Text(about(message, project))
}

/// A message that names the project, or does not.
fn about(message: &str, project: &Project) -> Value {
    match message.contains("{project}") {
        true => said(message, context! { project => one_line(&project.name) }),
        false => part(message),
    }
}

fn with_code(pen: &Pen<'_>, code: &str) -> Value {
    said(
        "Your code for {project}: {code}",
        context! { project => one_line(pen.name), code => pen.digits(code) },
    )
}

fn page(pen: &Pen<'_>, project: &Project, page: &str, link: &str) -> String {
    format!("{}/{page}?token={link}", pen.app.public.issuer(&project.id))
}
