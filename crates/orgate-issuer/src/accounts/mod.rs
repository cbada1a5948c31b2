//! Becoming a user, and proving to be one without the password: sign-up, confirmed addresses, another password, and
//! signing in by mail.
//!
//! Nobody learns here who has an account. Whoever wants to sign up is no user before the address has shown to be theirs:
//! until then nothing can be signed in to, no address is taken, and the answer is the same where it is taken already;
//! what differs is in the mail. Asked for an address that is nobody's, the same rows are written as for one that is
//! somebody's, and the letter goes to nobody. A link that came by mail does nothing when it is opened, only when its page is
//! answered, because mail is opened by machines as well.

mod birth;
pub(crate) mod directory;
pub(crate) mod invitation_page;
mod invited;
mod letters;
mod own;
pub(crate) mod own_page;
pub(crate) mod pages;
pub(crate) mod passkeys;
mod queries;
pub(crate) mod routes;
pub(crate) mod security;
mod sign_up;
pub(crate) mod suspension;

use serde_json::{Value, json};

pub(crate) use self::sign_up::{
    Link, Of, Verified, Wish, look, sign_up, sign_up_again, verify_code, verify_link,
};
use crate::{
    address::Address,
    app::App,
    db::{Conn, DbError, Tx},
    events::{Actor, Event, EventType},
    factors,
    http::{Problem, problem::Code},
    login::{
        Entry, Start,
        session::{self, Session},
    },
    mail::{self, Reader},
    one_time::{self, Fresh, Holder, Purpose},
    password::{For, rules},
    projects::Project,
    throttle::{self, Admission, Owner, Pass, Visitor},
    users::{self, User},
};

/// How long a letter that only tells something is worth sending.
const NOTE_MS: i64 = 24 * 3_600_000;
pub(crate) fn read_address(email: &str) -> Result<Address, Problem> {
    Address::parse(email).ok_or_else(|| Problem::invalid("email", "is not an email address"))
}

async fn confirm(tx: &mut Tx, project_id: &str, user_id: &str, now_ms: i64) -> Result<(), DbError> {
    users::set_verified(tx, user_id, now_ms).await?;
    record(tx, project_id, EventType::UserEmailVerified, user_id, now_ms);
    Ok(())
}

fn record(tx: &mut Tx, project_id: &str, kind: EventType, user_id: &str, at: i64) {
    tx.record(Event {
        project_id: project_id.to_owned(),
        kind,
        actor: Actor::User(user_id.to_owned()),
        org_id: None,
        target_id: user_id.to_owned(),
        data: json!({}),
        at,
    });
}

/// Mails a code to a user who is signed in, to confirm the address.
pub(crate) async fn confirm_again(
    app: &App,
    project: &Project,
    visitor: &Visitor,
    user: &User,
) -> Result<(), Problem> {
    let address = read_address(&user.email)?;
    if user.email_verified {
        return Ok(());
    }
    mail_secret(app, project, visitor, address, Purpose::Email, None).await
}

/// Mails a secret to an address, if it is a user's; if not, everything but the sending happens as well.
pub(crate) async fn mail_secret(
    app: &App,
    project: &Project,
    visitor: &Visitor,
    address: Address,
    purpose: Purpose,
    request: Option<&str>,
) -> Result<(), Problem> {
    admit_mail(app, project, visitor, &address).await?;
    let now = app.now_ms();
    let fresh = Fresh::new(now)?;
    let to = address.shown();
    let pen = letters::pen(app, project, visitor.language);
    let letter = match purpose {
        Purpose::Email => letters::confirm(&pen, project, to, &fresh.link, &fresh.code),
        Purpose::Password => letters::forgot(&pen, project, to, &fresh.link),
        Purpose::Magic => letters::magic(&pen, project, to, &fresh.link, request),
    };
    let (secrets, project_id) = (app.secrets.clone(), project.id.clone());
    Ok(app
        .db
        .write::<_, DbError>(move |tx| {
            Box::pin(async move {
                let user =
                    users::find_by_address(tx, &project_id, &address).await?.filter(|user| user.active);
                let holder = Holder {
                    project_id: &project_id,
                    user_id: user.as_ref().map(|user| user.id.as_str()),
                    // Of an address that is nobody's nothing is kept.
                    email_norm: if user.is_some() { address.key() } else { "" },
                };
                one_time::store(tx, &secrets, &fresh, holder, purpose, now).await?;
                let reader = if user.is_some() { Reader::Addressee } else { Reader::Nobody };
                mail::post(tx, &secrets, &letter, reader, now, now + purpose.life_ms()).await
            })
        })
        .await?)
}

/// Whether a link of `purpose` may be used.
pub(crate) async fn is_live(
    app: &App,
    project: &Project,
    purpose: Purpose,
    token: &str,
) -> Result<bool, Problem> {
    let mut conn = app.db.read().await?;
    Ok(one_time::look(&mut conn, &project.id, purpose, token, app.now_ms()).await?.is_some())
}

/// Another password by a link that came by mail. Every session and every refresh token of the user ends.
pub(crate) async fn reset(
    app: &App,
    project: &Project,
    visitor: &Visitor,
    token: &str,
    password: String,
) -> Result<(), Problem> {
    let now = app.now_ms();
    let user = {
        let mut conn = app.db.read().await?;
        let id = one_time::look(&mut conn, &project.id, Purpose::Password, token, now).await?;
        users::find(&mut conn, &project.id, &id.ok_or(Code::LinkInvalid)?).await?.ok_or(Code::LinkInvalid)?
    };
    if let Some(objection) =
        rules::objection(&password, &[&user.email, user.name.as_deref().unwrap_or_default()])
    {
        return Err(Problem::invalid("password", objection));
    }
    let who = For::Request { peer: visitor.peer.0, realm: &project.id, account: &user.id };
    let phc = app.passwords.hash(who, password).await?;
    let pen = letters::pen(app, project, visitor.language);
    let letter = letters::changed(&pen, project, &user.email, false);
    let (secrets, project_id, token) = (app.secrets.clone(), project.id.clone(), token.to_owned());
    app.db
        .write::<_, Problem>(move |tx| {
            Box::pin(async move {
                let redeemed = one_time::redeem(tx, &project_id, Purpose::Password, &token, now).await?;
                let user_id = redeemed.filter(|id| *id == user.id).ok_or(Code::LinkInvalid)?;
                users::set_password(tx, &user_id, &phc, now).await?;
                // Who reads the mail of an address has it.
                users::set_verified(tx, &user_id, now).await?;
                one_time::end_all(tx, &user_id).await?;
                factors::end_tickets(tx, &user_id).await?;
                session::expel_others(tx, &project_id, &user_id, None, now).await?;
                record(tx, &project_id, EventType::UserPasswordChanged, &user_id, now);
                Ok(mail::post(tx, &secrets, &letter, Reader::Addressee, now, now + NOTE_MS).await?)
            })
        })
        .await
}

/// Signs in by a link that came by mail.
pub(crate) async fn sign_in_by_mail(
    app: &App,
    project: &Project,
    visitor: &Visitor,
    token: &str,
    previous: Option<Session>,
) -> Result<Entry, Problem> {
    let now = app.now_ms();
    let user = {
        let mut conn = app.db.read().await?;
        let id = one_time::look(&mut conn, &project.id, Purpose::Magic, token, now).await?;
        users::find(&mut conn, &project.id, &id.ok_or(Code::LinkInvalid)?).await?.ok_or(Code::LinkInvalid)?
    };
    let start = Start::asked(app, (&project.id, &user.id), &["email"], visitor, Pass::default()).await?;
    let (project_id, token, user_id) = (project.id.clone(), token.to_owned(), user.id.clone());
    let started = app
        .db
        .write::<_, Problem>(move |tx| {
            Box::pin(async move {
                if !users::hold(tx, &user_id, None).await? {
                    return Err(Code::LinkInvalid.into());
                }
                let redeemed = one_time::redeem(tx, &project_id, Purpose::Magic, &token, now).await?;
                if redeemed.as_ref() != Some(&user_id) {
                    return Err(Code::LinkInvalid.into());
                }
                users::set_verified(tx, &user_id, now).await?;
                Ok(start.store_or_ask(tx, previous).await?)
            })
        })
        .await?;
    Ok(started.of(user).welcomed(app, project).await)
}

async fn admit_mail(
    app: &App,
    project: &Project,
    visitor: &Visitor,
    address: &Address,
) -> Result<(), Problem> {
    let user = users::find_by_address(&mut *app.db.read().await?, &project.id, address).await?;
    let account = throttle::Account {
        realm: project.id.clone(),
        address: address.key().to_owned(),
        owner: user.map(|user| Owner::User(user.id)),
    };
    match throttle::admit_mail(app, visitor, account).await? {
        Admission::Granted(_) => Ok(()),
        Admission::Wait(seconds) => Err(Problem::new(Code::RateLimited).after(seconds)),
    }
}

/// Refuses a session that is not fresh, or, where a second factor is demanded, did not show one.
fn confirm_fresh(app: &App, session: &Session, second: bool) -> Result<(), Problem> {
    if session.is_fresh(app.now_ms()) && (!second || factors::acr(&session.amr) == "mfa") {
        return Ok(());
    }
    Err(Code::ReauthenticationRequired.into())
}

/// Forgets sign-ups that were not completed, a bounded number at a time.
pub(crate) async fn purge(conn: &mut Conn, now_ms: i64) -> Result<u64, DbError> {
    queries::purge(conn, now_ms).await
}

/// The answer to everything that sends a mail, or seems to.
pub(crate) fn sent() -> Value {
    json!({ "status": "mail_sent" })
}

#[cfg(test)]
mod tests;
