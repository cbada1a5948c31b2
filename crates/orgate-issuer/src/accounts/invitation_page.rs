//! `/p/{project}/invitations/{token}`: the page that the letter of an invitation leads to.
//!
//! It says who invites to what as which role. Whoever is signed in with the address accepts or declines; anybody else signs
//! in, or signs up by it. Nothing happens when it is opened.

use axum::{
    extract::{Path, State},
    response::Response,
};
use http::{HeaderMap, StatusCode};
use minijinja::{Value, context};

use super::invited::{self, Form};
use crate::{
    app::{App, Shared},
    http::{
        Problem, body,
        messages::{self, part, said},
        peer::Peer,
        posted::Posted,
        problem::Code,
        redirect::see_other,
    },
    invitations::{self, Invitation, Named},
    login::{
        Entry, SignInError,
        authorize::{Stop, render},
        second,
        session::{self, Session},
        sign_in,
    },
    openapi::{Routes, get, object, page, text},
    password::MIN_PASSWORD,
    projects::{self, Project},
    throttle::Visitor,
    users::{self, User},
};

/// What has become of an invitation that cannot be accepted.
const DEAD: [&str; 5] = [
    "invitation_invalid",
    "invitation_expired",
    "invitation_revoked",
    "invitation_used",
    "invitation_declined",
];

pub(crate) fn router() -> Routes {
    let shown = page("showInvitation", "The page of an invitation").shows(&[200]).stops(&DEAD);
    let fields = ["decision", "email", "password", "name"];
    let fields = fields.into_iter().fold(object(), |fields, name| fields.may(name, text()));
    let answered = page("submitInvitation", "Accept or decline an invitation, or sign in or up for it")
        .takes_form(fields)
        .shows(&[200, 401, 403, 409, 422])
        .sends_on()
        .stops(&DEAD)
        .stops(&[
            "member_limit",
            "org_suspended",
            "already_member",
            "sign_in_required",
            "locked",
            "rate_limited",
            "busy",
        ]);
    Routes::new().at("/p/{project}/invitations/{token}", get(show, shown).post(submit, answered))
}

/// Everything the page begins with.
struct Visit<'a> {
    app: &'a App,
    project: Project,
    visitor: Visitor,
    invitation: Invitation,
    token: String,
    session: Option<Session>,
    user: Option<User>,
}

async fn show(
    State(app): State<Shared>,
    Path((project_id, token)): Path<(String, String)>,
    peer: Peer,
    headers: HeaderMap,
) -> Response {
    match Visit::begin(&app, &project_id, token, peer, &headers).await {
        Ok(visit) => match visit.invitation.state.require_open() {
            Ok(()) => visit.page(None),
            Err(problem) => render(&app, &project_id, problem.into()),
        },
        Err(stop) => render(&app, &project_id, stop),
    }
}

async fn submit(
    State(app): State<Shared>,
    Path((project_id, token)): Path<(String, String)>,
    peer: Peer,
    headers: HeaderMap,
    Posted(fields): Posted,
) -> Response {
    let done = async {
        let visit = Visit::begin(&app, &project_id, token, peer, &headers).await?;
        if fields.get("decision") == Some("accept") {
            return visit.accept().await;
        }
        visit.invitation.state.require_open()?;
        match fields.get("decision") {
            Some("decline") => visit.decline().await,
            Some("confirm") => visit.confirm().await,
            Some("sign_in") => visit.sign_in(&fields).await,
            Some("sign_up") => visit.sign_up(&fields).await,
            _ => Err(Stop::Page("invalid_request")),
        }
    };
    done.await.unwrap_or_else(|stop| render(&app, &project_id, stop))
}

impl<'a> Visit<'a> {
    async fn begin(
        app: &'a App,
        project_id: &str,
        token: String,
        peer: Peer,
        headers: &HeaderMap,
    ) -> Result<Self, Stop> {
        let project = projects::find(&mut *app.db.read().await?, project_id).await?;
        let project = project.filter(|project| project.org_enabled).ok_or(Stop::Page("not_found"))?;
        let invitation = invitations::look(app, Some(project_id), &token).await?;
        let session = session::of_project(app, headers, project_id).await?;
        let user = match &session {
            Some(session) => users::find(&mut *app.db.read().await?, project_id, &session.user_id).await?,
            None => None,
        };
        let visitor = Visitor::of(app, project_id, peer, headers);
        Ok(Self { app, project, visitor, invitation, token, session, user })
    }

    /// The user who is signed in.
    fn user(&self) -> Result<&User, Stop> {
        self.user.as_ref().ok_or(Stop::Page("sign_in_required"))
    }

    async fn accept(self) -> Result<Response, Stop> {
        let by = (self.project.id.as_str(), self.user()?.id.as_str());
        match invitations::accept(self.app, by, Named::Token(&self.token)).await {
            Ok(_) => Ok(self.joined()),
            Err(problem) => self.again(problem),
        }
    }

    async fn decline(self) -> Result<Response, Stop> {
        let by = (self.project.id.as_str(), self.user()?.id.as_str());
        match invitations::decline(self.app, by, Named::Token(&self.token)).await {
            Ok(()) => Ok(self.notice(
                "invitation_declined",
                part("You declined the invitation"),
                "You may close this page.",
            )),
            Err(problem) => self.again(problem),
        }
    }

    /// Mails what confirms the address of whoever is signed in.
    async fn confirm(self) -> Result<Response, Stop> {
        let user = self.user()?;
        super::confirm_again(self.app, &self.project, &self.visitor, user).await?;
        Ok(self.notice(
            "mail_sent",
            part("Look into your mail"),
            "Confirm your address by the link of the mail that is on its way, and open the invitation again.",
        ))
    }

    async fn sign_in(mut self, fields: &body::Form) -> Result<Response, Stop> {
        let (app, email) = (self.app, fields.get("email").unwrap_or_default());
        let password = fields.get("password").unwrap_or_default().to_owned();
        let previous = self.session.take();
        match sign_in(app, &self.project, &self.visitor, email, password, previous).await {
            Ok(Entry::In(signed_in)) => {
                let mut response = see_other(&invitations::link(app, &self.project.id, &self.token));
                signed_in.set_cookies(app, response.headers_mut());
                Ok(response)
            }
            Ok(Entry::Second(ticket)) => Ok(second::form(app, &self.project, None, &ticket, None)),
            Err(SignInError::Invalid) => Ok(self.page(Some(&Code::InvalidCredentials.into()))),
            Err(error) => Err(Problem::from(error).into()),
        }
    }

    async fn sign_up(mut self, fields: &body::Form) -> Result<Response, Stop> {
        let form = Form {
            password: fields.get("password").unwrap_or_default().to_owned(),
            name: fields.get("name").map(str::to_owned),
        };
        let previous = self.session.take();
        let (place, by) = ((&self.project, &self.visitor), (&self.invitation, self.token.as_str()));
        match invited::sign_up(self.app, place, by, form, previous).await {
            Ok(Some(signed_in)) => {
                let mut response = self.joined();
                signed_in.set_cookies(self.app, response.headers_mut());
                Ok(response)
            }
            Ok(None) => Ok(self.page(Some(
                &Problem::new(Code::Conflict)
                    .detail("There is an account with this address. Sign in with it."),
            ))),
            Err(problem) if problem.about().is_some() => Ok(self.page(Some(&problem))),
            Err(problem) => self.again(problem),
        }
    }

    /// The page again where the person can do something about it.
    fn again(&self, problem: Problem) -> Result<Response, Stop> {
        match problem.code() {
            Code::InvitationEmailMismatch | Code::EmailNotVerified | Code::Forbidden => {
                Ok(self.page(Some(&problem)))
            }
            _ => Err(problem.into()),
        }
    }

    fn joined(&self) -> Response {
        let organization = self.invitation.org_name.as_str();
        let title = said("You are a member of {organization}", context! { organization });
        self.notice("invitation_accepted", title, "Go back to the application.")
    }

    fn notice(&self, code: &str, title: Value, advice: &str) -> Response {
        let values = context! { project => self.project.name.as_str(), code => code, title => title, advice => advice };
        self.app.pages.show(StatusCode::OK, "notice.html", values, None)
    }

    fn page(&self, wrong: Option<&Problem>) -> Response {
        let own = self.user.as_ref().filter(|user| self.invitation.is_for(&user.email));
        let who = match own {
            Some(user) if user.email_verified => "addressee",
            Some(_) => "unconfirmed",
            None => "somebody",
        };
        let message = wrong.map(|problem| match problem.about() {
            Some(("password", what)) => said("The password {what}.", context! { what => part(what) }),
            Some((_, what)) => said("The name {what}.", context! { what => part(what) }),
            None => match (problem.code(), problem.why()) {
                (Code::Conflict, Some(why)) => part(why),
                _ => messages::refused(problem.code()),
            },
        });
        let values = context! {
            project => self.project.name.as_str(),
            organization => self.invitation.org_name.as_str(),
            role => self.invitation.role.as_str(),
            inviter => self.invitation.inviter_name.as_deref().unwrap_or_default(),
            address => self.invitation.masked(),
            who => who,
            email => self.user.as_ref().map(|user| user.email.as_str()).unwrap_or_default(),
            sign_up => !self.invitation.disclosed,
            least => MIN_PASSWORD,
            action => invitations::link(self.app, &self.project.id, &self.token),
            forgot => format!("{}/forgot", self.app.public.issuer(&self.project.id)),
            code => wrong.map(|problem| problem.code().as_str()),
            message => message,
        };
        let status = wrong.map_or(StatusCode::OK, |problem| problem.code().status());
        self.app.pages.show(status, "invitation.html", values, None)
    }
}
