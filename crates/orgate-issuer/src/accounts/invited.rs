//! Signing up by an invitation. The letter has come to the address, so whoever has the link of it has the address: user,
//! membership and session come to be in one step.

use axum::{
    extract::{Path, State},
    response::Response,
};
use http::HeaderMap;

use super::{
    Wish,
    birth::{Birth, Newcomer},
};
use crate::{
    app::{App, Shared},
    http::{Problem, body::Json, csrf, peer::Peer, problem::Code},
    invitations::{self, Invitation},
    login::{
        SignedIn,
        account::{SESSION, answer, find_project},
        session::{self, Session},
    },
    openapi::{Operation, anyone, body, text},
    projects::Project,
    throttle::Visitor,
    users,
};

/// `POST {prefix}/invitations/{token}/sign-up`, as it is described.
pub(super) fn described() -> Operation {
    anyone("signUpByInvitation", "Sign up by an invitation: user, membership and session in one step")
        .takes(body().with("password", text()).may("name", text()))
        .gives(200, SESSION)
        .refuses(&[
            Code::InvitationInvalid,
            Code::InvitationExpired,
            Code::InvitationRevoked,
            Code::InvitationUsed,
            Code::InvitationDeclined,
            Code::Forbidden,
            Code::Conflict,
            Code::MemberLimit,
            Code::OrganizationSuspended,
            Code::OrganizationsDisabled,
            Code::RefusedByHook,
            Code::RateLimited,
            Code::Busy,
        ])
}

/// Makes a user of whoever has the token that was mailed, and signs them in.
pub(super) async fn by_api(
    State(app): State<Shared>,
    Path(path): Path<Vec<(String, String)>>,
    peer: Peer,
    headers: HeaderMap,
    Json(mut body): Json,
) -> Result<Response, Problem> {
    let part = |name: &str| path.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let form = Form { password: body.required_text("password")?, name: body.text("name")? };
    body.finish()?;
    let token = part("token").unwrap_or_default();
    let invitation = invitations::look(&app, part("project"), token).await?;
    let project = find_project(&app, &invitation.project_id).await?;
    csrf::check_foreign(&headers, &app.public, &project.trusted_origins)?;
    if !project.org_enabled {
        return Err(Code::OrganizationsDisabled.into());
    }
    let previous = session::of_project(&app, &headers, &project.id).await?;
    let visitor = Visitor::of(&app, &project.id, peer, &headers);
    let made = sign_up(&app, (&project, &visitor), (&invitation, token), form, previous).await?;
    let known = || Problem::new(Code::Conflict).detail("the address has an account; sign in, and accept");
    answer(&app, &project, &made.ok_or_else(known)?).await
}

/// What somebody fills in who signs up by an invitation.
pub(super) struct Form {
    pub(super) password: String,
    pub(super) name: Option<String>,
}

/// Makes a user of whoever has `token`; `None` if the address is a user's already.
pub(super) async fn sign_up(
    app: &App,
    (project, visitor): (&Project, &Visitor),
    (invitation, token): (&Invitation, &str),
    form: Form,
    previous: Option<Session>,
) -> Result<Option<SignedIn>, Problem> {
    invitation.state.require_open()?;
    // Who was told the token by somebody else has shown nothing about the address.
    if invitation.disclosed {
        return Err(Code::Forbidden.into());
    }
    let address = invitation.address().ok_or(Code::Internal)?;
    let wish = Wish::read(address.shown(), form.password, form.name)?;
    // It is the addressee who asks, and no secret to them; and it spares a hash.
    if users::find_by_address(&mut *app.db.read().await?, &project.id, &address).await?.is_some() {
        return Ok(None);
    }
    let birth = Birth::new(app, project, visitor)?;
    invitations::ask(app, invitation, &birth.user_id).await?;
    let name = wish.name.clone();
    let password_phc = Some(wish.hash(app, project, visitor).await?);
    let who = Newcomer { address, email_verified: true, name, password_phc };
    let token = token.to_owned();
    let born = app
        .db
        .write::<_, Problem>(move |tx| {
            Box::pin(async move { birth.bear(tx, who, Some(&token), previous).await })
        })
        .await?;
    Ok(match born {
        Some((started, user)) => Some(started.of(user).welcomed(app, project).await),
        None => None,
    })
}
