//! Signing up by an invitation. The letter has come to the address, so whoever has the link of it has the address: user,
//! membership and session come to be in one step.

use super::{
    Wish,
    sign_up::{Birth, Newcomer},
};
use crate::{
    app::App,
    http::{Problem, problem::Code},
    invitations::{self, Invitation},
    login::{SignedIn, session::Session},
    projects::Project,
    throttle::Visitor,
    users,
};

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
    let password_phc = wish.hash(app, project, visitor).await?;
    let (who, token) = (Newcomer { address, name, password_phc }, token.to_owned());
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
