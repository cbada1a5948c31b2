//! `/p/{project}/account/security`: what somebody signs in with, and where they are signed in.
//!
//! One address and one form field, `change`, that says what is to be done; `own` does it, as it does for the API. Who is not
//! signed in, or not as recently as a change wants it, is sent to the sign-in page and comes back here. A form carries a word
//! that only this browser's session knows; what changes something answers with a redirect, and what is shown once is the
//! answer to its form.

mod view;

use axum::{
    extract::{Path, RawQuery, State},
    response::Response,
};
use http::HeaderMap;
use serde_json::Value as Json;

use self::view::Page;
use super::own;
use crate::{
    app::{App, Shared},
    db::DbError,
    http::{Problem, body::Form, peer::Peer, posted::Posted, problem::Code, redirect::see_other},
    login::{
        authorize::{Stop, render},
        consent,
        own_pages::{account_url, ask},
        session::{self, Session},
    },
    openapi::{Routes, get, object, page as a_page, text},
    passkeys,
    projects::{self, Project},
    secret::{fingerprint, same},
    throttle::Visitor,
    users::{self, User},
};

pub(crate) fn router() -> Routes {
    let page = a_page("showAccountSecurity", "The page about what one signs in with, and where")
        .query("done", text())
        .shows(&[200])
        .sends_on()
        .stops(&["sign_in_required"]);
    let names = ["code", "id", "name", "credential", "current_password", "password"];
    let fields =
        names.into_iter().fold(object().with("change", text()), |fields, name| fields.may(name, text()));
    let sent = a_page("submitAccountSecurity", "Change what one signs in with, or end a session")
        .takes_form(fields.may("word", text()))
        .shows(&[200, 400, 404, 409, 422])
        .sends_on()
        .stops(&["csrf", "locked", "rate_limited", "busy", "sign_in_required"]);
    Routes::new().at("/p/{project}/account/security", get(show, page).post(submit, sent))
}

/// What the page tells of a change that was made.
const DONE: [(&str, &str); 9] = [
    ("signed_in", "You have signed in. For ten minutes you can change what is on this page."),
    ("totp_removed", "The authenticator app is not asked for any more, and its recovery codes are gone."),
    ("passkey_added", "The passkey is ready: from now on you can sign in with it alone."),
    ("passkey_renamed", "The passkey has its new name."),
    ("passkey_removed", "The passkey opens nothing any more. Remove it from your device as well."),
    ("password_changed", "Your password was changed, and you were signed out everywhere else."),
    ("consent_withdrawn", "The application has no access to your account any more."),
    ("session_ended", "That session has ended."),
    ("sessions_ended", "You are signed in here and nowhere else."),
];

/// Somebody who is signed in, at this page.
struct Visit<'a> {
    app: &'a App,
    project: Project,
    session: Session,
    user: User,
}

/// The word that a form of this session carries.
fn word(session: &Session) -> String {
    fingerprint(&format!("account security {}", session.token_hash))
}

async fn show(
    State(app): State<Shared>,
    Path(project_id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let shown = async {
        let query = Form::parse(query.unwrap_or_default().as_bytes()).ok_or(Stop::Page("invalid_request"))?;
        let visit = match Visit::begin(&app, &project_id, &headers).await? {
            Ok(visit) => visit,
            Err(project) => return ask(&app, &headers, &project, None).await,
        };
        let done = query.get("done").and_then(|done| DONE.iter().find(|(code, _)| *code == done));
        visit.whole(done.map(|(code, words)| Page::done(code, words)).unwrap_or_default()).await
    };
    shown.await.unwrap_or_else(|stop| render(&app, &project_id, stop))
}

async fn submit(
    State(app): State<Shared>,
    Path(project_id): Path<String>,
    peer: Peer,
    headers: HeaderMap,
    Posted(fields): Posted,
) -> Response {
    let done = async {
        let change = fields.get("change").ok_or(Stop::Page("invalid_request"))?;
        let visit = match Visit::begin(&app, &project_id, &headers).await? {
            Ok(visit) => visit,
            Err(project) => return ask(&app, &headers, &project, None).await,
        };
        if !fields.get("word").is_some_and(|said| same(said, &word(&visit.session))) {
            return Err(Stop::Page("csrf"));
        }
        let visitor = Visitor::of(&app, &project_id, peer, &headers);
        match visit.change(change, &visitor, &fields).await {
            Ok(Some(response)) => Ok(response),
            Ok(None) => Err(Stop::Page("invalid_request")),
            Err(problem) => match problem.code() {
                Code::ReauthenticationRequired => {
                    ask(&app, &headers, &visit.project, Some(visit.user.email)).await
                }
                Code::Mistyped | Code::InvalidValue | Code::Conflict | Code::NotFound => {
                    visit.failed(change, &problem).await
                }
                _ => Err(problem.into()),
            },
        }
    };
    done.await.unwrap_or_else(|stop| render(&app, &project_id, stop))
}

impl<'a> Visit<'a> {
    /// Who is signed in here; the project if nobody is.
    async fn begin(
        app: &'a App,
        project_id: &str,
        headers: &HeaderMap,
    ) -> Result<Result<Self, Project>, Stop> {
        let project = projects::find(&mut *app.db.read().await?, project_id).await?;
        let project = project.ok_or(Stop::Page("not_found"))?;
        let Some(session) = session::of_project(app, headers, project_id).await? else {
            return Ok(Err(project));
        };
        let user = users::find(&mut *app.db.read().await?, &project.id, &session.user_id).await?;
        let user = user.ok_or(Stop::Page("sign_in_required"))?;
        Ok(Ok(Self { app, project, session, user }))
    }

    /// Does what the form says; `None` if it says nothing that is known.
    async fn change(
        &self,
        change: &str,
        visitor: &Visitor,
        fields: &Form,
    ) -> Result<Option<Response>, Problem> {
        let (app, project, session) = (self.app, &self.project, || self.session.clone());
        let field = |name| fields.get(name).unwrap_or_default().to_owned();
        let done = match change {
            "sign_in" => return Err(Code::ReauthenticationRequired.into()),
            "add_totp" => {
                let offer = own::begin_totp(app, project, &self.session).await?;
                return Ok(Some(self.offer(&offer, None)));
            }
            "confirm_totp" => {
                let codes = own::confirm_totp(app, session(), field("code")).await?;
                return Ok(Some(self.codes(&codes, true)));
            }
            "new_codes" => {
                let codes = own::renew_codes(app, session()).await?;
                return Ok(Some(self.codes(&codes, false)));
            }
            "remove_totp" => {
                own::remove_totp(app, session()).await?;
                "totp_removed"
            }
            "add_passkey" => {
                let options = own::begin_passkey(app, project, session()).await?;
                return Ok(Some(self.new_passkey(&options, None)));
            }
            "save_passkey" => {
                let credential: Json = passkeys::parse(&field("credential")).unwrap_or_default();
                own::add_passkey(app, session(), &credential, Some(field("name"))).await?;
                "passkey_added"
            }
            "rename_passkey" => {
                own::rename_passkey(app, session(), field("id"), field("name")).await?;
                "passkey_renamed"
            }
            "remove_passkey" => {
                own::remove_passkey(app, session(), field("id")).await?;
                "passkey_removed"
            }
            "password" => {
                let (known, new) = (field("current_password"), field("password"));
                own::change_password(app, project, visitor, session(), (known, new)).await?;
                "password_changed"
            }
            "withdraw" => {
                consent::withdraw(app, &self.session, field("id")).await?;
                "consent_withdrawn"
            }
            "end_session" => {
                self.end(Some(field("id"))).await?;
                "session_ended"
            }
            "end_others" => {
                self.end(None).await?;
                "sessions_ended"
            }
            _ => return Ok(None),
        };
        Ok(Some(see_other(&format!("{}?done={done}", account_url(app, &project.id)))))
    }

    /// Ends one other session, or all others.
    async fn end(&self, id: Option<String>) -> Result<(), Problem> {
        let (own, now) = (self.session.clone(), self.app.now_ms());
        let ended = self
            .app
            .db
            .write::<_, DbError>(move |tx| {
                Box::pin(async move {
                    match id {
                        Some(id) => session::end_one(tx, &own, &id, now).await,
                        None => session::expel_others(tx, &own.project_id, &own.user_id, Some(&own.id), now)
                            .await
                            .map(|()| true),
                    }
                })
            })
            .await?;
        self.app.logouts.notify_one();
        if ended { Ok(()) } else { Err(Code::NotFound.into()) }
    }

    /// The page after a change that was not made, at the place where it was tried.
    async fn failed(&self, change: &str, problem: &Problem) -> Result<Response, Stop> {
        match change {
            "confirm_totp" => match own::begun_totp(self.app, &self.project, &self.session).await? {
                Some(offer) => Ok(self.offer(&offer, Some(problem))),
                None => self.whole(Page::failed(change, problem)).await,
            },
            "save_passkey" => {
                let options = own::begin_passkey(self.app, &self.project, self.session.clone()).await?;
                Ok(self.new_passkey(&options, Some(problem)))
            }
            _ => self.whole(Page::failed(change, problem)).await,
        }
    }
}
