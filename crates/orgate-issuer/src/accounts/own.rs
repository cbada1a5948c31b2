//! What the API and the page about one's own security do: factors are added and removed, and the password is changed.
//!
//! Adding one wants a sign-in of the last ten minutes; removing the authenticator application, making new recovery codes, or
//! another password where there is a second factor, one that showed it as well. So a session that somebody left open changes
//! nothing. Who has a password and wants another one shows that they know it, besides.

use qrcodegen::{QrCode, QrCodeEcc};
use serde_json::Value;

use super::{NOTE_MS, confirm_fresh, letters, read_address, record};
use crate::{
    app::App,
    db::DbError,
    events::EventType,
    factors::{self, totp::Secret},
    http::{Problem, problem::Code},
    login::session::{self, Session},
    mail::{self, Reader},
    one_time,
    passkeys::{self, New, Passkey},
    password::{Checked, For, rules},
    projects::Project,
    secret::random_token,
    throttle::{self, Admission, Owner, Pass, Visitor},
    users::{self, User},
};

/// What an authenticator application is told.
pub(super) struct Offer {
    pub(super) secret: String,
    pub(super) uri: String,
    /// The same as a picture.
    pub(super) qr: Option<String>,
}

impl Offer {
    fn of(secret: &Secret, project: &Project, user: &User) -> Self {
        let uri = secret.uri(&project.name, &user.email);
        Self { secret: secret.base32(), qr: picture(&uri), uri }
    }
}

/// Who begins to add a factor.
async fn enrolling(app: &App, session: &Session) -> Result<User, Problem> {
    confirm_fresh(app, session, false)?;
    let user = users::find(&mut *app.db.read().await?, &session.project_id, &session.user_id).await?;
    Ok(user.ok_or(Code::Unauthenticated)?)
}

/// Begins with an authenticator application, in place of one that was not confirmed.
pub(super) async fn begin_totp(app: &App, project: &Project, session: &Session) -> Result<Offer, Problem> {
    let user = enrolling(app, session).await?;
    let secret = factors::new_totp()?;
    let offer = Offer::of(&secret, project, &user);
    let (secrets, now) = (app.secrets.clone(), app.now_ms());
    let begun = app
        .db
        .write::<_, Problem>(move |tx| {
            Box::pin(async move { Ok(factors::begin_totp(tx, &secrets, &user.id, &secret, now).await?) })
        })
        .await?;
    if !begun {
        return Err(Problem::new(Code::Conflict).detail("there is an authenticator application already"));
    }
    Ok(offer)
}

/// The application that was begun with and that is not confirmed yet.
pub(super) async fn begun_totp(
    app: &App,
    project: &Project,
    session: &Session,
) -> Result<Option<Offer>, Problem> {
    let user = enrolling(app, session).await?;
    let secret = factors::begun_totp(&mut *app.db.read().await?, &app.secrets, &user.id).await?;
    Ok(secret.map(|secret| Offer::of(&secret, project, &user)))
}

/// Confirms the application with its first code; gives the recovery codes, which are shown once.
pub(super) async fn confirm_totp(app: &App, session: Session, code: String) -> Result<Vec<String>, Problem> {
    confirm_fresh(app, &session, false)?;
    let codes = factors::new_recovery_codes()?;
    let shown = codes.clone();
    let (secrets, now) = (app.secrets.clone(), app.now_ms());
    app.db
        .write::<_, Problem>(move |tx| {
            Box::pin(async move {
                if !factors::confirm_totp(tx, &secrets, &session.user_id, &code, now).await? {
                    return Err(Code::Mistyped.into());
                }
                factors::set_recovery_codes(tx, &secrets, &session.user_id, &codes, now).await?;
                record(tx, &session.project_id, EventType::UserFactorAdded, &session.user_id, now);
                Ok(())
            })
        })
        .await?;
    Ok(shown)
}

/// Removes the application and its recovery codes.
pub(super) async fn remove_totp(app: &App, session: Session) -> Result<(), Problem> {
    confirm_fresh(app, &session, true)?;
    let now = app.now_ms();
    app.db
        .write::<_, Problem>(move |tx| {
            Box::pin(async move {
                if !factors::remove_totp(tx, &session.user_id).await? {
                    return Err(Code::NotFound.into());
                }
                record(tx, &session.project_id, EventType::UserFactorRemoved, &session.user_id, now);
                Ok(())
            })
        })
        .await
}

/// Makes other recovery codes in place of those there were.
pub(super) async fn renew_codes(app: &App, session: Session) -> Result<Vec<String>, Problem> {
    confirm_fresh(app, &session, true)?;
    let codes = factors::new_recovery_codes()?;
    let shown = codes.clone();
    let (secrets, now) = (app.secrets.clone(), app.now_ms());
    app.db
        .write::<_, Problem>(move |tx| {
            Box::pin(async move {
                Ok(factors::set_recovery_codes(tx, &secrets, &session.user_id, &codes, now).await?)
            })
        })
        .await?;
    Ok(shown)
}

/// What a browser needs to have a passkey made.
pub(super) async fn begin_passkey(app: &App, project: &Project, session: Session) -> Result<Value, Problem> {
    let user = enrolling(app, &session).await?;
    let challenge = random_token()?;
    let options = passkeys::creation_options(app, project, &user, &challenge).await?;
    let now = app.now_ms();
    app.db
        .write::<_, DbError>(move |tx| {
            Box::pin(async move {
                passkeys::challenge(tx, &session.project_id, &challenge, Some(&session.id), now).await
            })
        })
        .await?;
    Ok(options)
}

/// Takes the passkey that was made.
pub(super) async fn add_passkey(
    app: &App,
    session: Session,
    credential: &Value,
    name: Option<String>,
) -> Result<Passkey, Problem> {
    let wrong = || Problem::invalid("credential", "is no new key that was asked for here");
    confirm_fresh(app, &session, false)?;
    let new = New::read(app, credential, name).ok_or_else(wrong)?;
    let now = app.now_ms();
    let stored = app
        .db
        .write::<_, DbError>(move |tx| {
            Box::pin(async move {
                let Session { id, project_id, user_id, .. } = &session;
                let stored = new.store(tx, project_id, (id, user_id), now).await?;
                if stored.is_some() {
                    record(tx, project_id, EventType::UserFactorAdded, user_id, now);
                }
                Ok(stored)
            })
        })
        .await?;
    stored.ok_or_else(wrong)
}

/// Gives a passkey another name.
pub(super) async fn rename_passkey(
    app: &App,
    session: Session,
    id: String,
    name: String,
) -> Result<(), Problem> {
    confirm_fresh(app, &session, false)?;
    let renamed = app
        .db
        .write::<_, DbError>(move |tx| {
            Box::pin(async move { passkeys::rename(tx, &session.user_id, &id, &name).await })
        })
        .await?;
    if renamed { Ok(()) } else { Err(Code::NotFound.into()) }
}

/// Another password, by somebody who is signed in. Every other session ends, and everything that was issued to it.
pub(super) async fn change_password(
    app: &App,
    project: &Project,
    visitor: &Visitor,
    session: Session,
    (known, new): (String, String),
) -> Result<(), Problem> {
    let user = enrolling(app, &session).await?;
    let standing = factors::standing(&mut *app.db.read().await?, &user.id).await?;
    confirm_fresh(app, &session, standing.totp)?;
    let own = [user.email.as_str(), user.name.as_deref().unwrap_or_default()];
    if let Some(objection) = rules::objection(&new, &own) {
        return Err(Problem::invalid("password", objection));
    }
    let who = For::Request { peer: visitor.peer.0, realm: &project.id, account: &user.id };
    let mut pass = Pass::default();
    if user.password_phc.is_some() {
        // Guesses count as those of a sign-in do.
        let address = read_address(&user.email)?.key().to_owned();
        let tried = throttle::Account {
            realm: project.id.clone(),
            address,
            owner: Some(Owner::User(user.id.clone())),
        };
        pass = match throttle::admit(app, visitor, tried).await? {
            Admission::Granted(pass) => pass,
            Admission::Wait(seconds) => return Err(Problem::new(Code::Locked).after(seconds)),
        };
        if app.passwords.check(who, known, user.password_phc.clone()).await? == Checked::Wrong {
            return Err(Problem::invalid("current_password", "is wrong"));
        }
    }
    let phc = app.passwords.hash(who, new).await?;
    let pen = letters::pen(app, project, visitor.language);
    let letter = letters::changed(&pen, project, &user.email, true);
    let (secrets, now) = (app.secrets.clone(), app.now_ms());
    app.db
        .write::<_, Problem>(move |tx| {
            Box::pin(async move {
                // Meanwhile it became another one, or the user was suspended.
                if !users::hold(tx, &user.id, user.password_phc.as_deref()).await? {
                    return Err(Code::Conflict.into());
                }
                throttle::forgive(tx, &pass).await?;
                users::set_password(tx, &user.id, &phc, now).await?;
                one_time::end_all(tx, &user.id).await?;
                factors::end_tickets(tx, &user.id).await?;
                session::expel_others(tx, &session.project_id, &user.id, Some(&session.id), now).await?;
                record(tx, &session.project_id, EventType::UserPasswordChanged, &user.id, now);
                Ok(mail::post(tx, &secrets, &letter, Reader::Addressee, now, now + NOTE_MS).await?)
            })
        })
        .await
}

/// Removes a passkey.
pub(super) async fn remove_passkey(app: &App, session: Session, id: String) -> Result<(), Problem> {
    confirm_fresh(app, &session, false)?;
    let now = app.now_ms();
    app.db
        .write::<_, Problem>(move |tx| {
            Box::pin(async move {
                if !passkeys::remove(tx, &session.user_id, &id).await? {
                    return Err(Code::NotFound.into());
                }
                record(tx, &session.project_id, EventType::UserFactorRemoved, &session.user_id, now);
                Ok(())
            })
        })
        .await
}

/// `text` as a picture that a telephone reads: one path of SVG, which needs nothing from anywhere.
fn picture(text: &str) -> Option<String> {
    let code = QrCode::encode_text(text, QrCodeEcc::Medium).ok()?;
    let dots: String = (0..code.size())
        .flat_map(|y| (0..code.size()).map(move |x| (x, y)))
        .filter(|(x, y)| code.get_module(*x, *y))
        .map(|(x, y)| format!("M{} {}h1v1h-1z", x + 4, y + 4))
        .collect();
    let side = code.size() + 8;
    Some(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {side} {side}\" role=\"img\" \
         aria-label=\"QR code\"><path fill=\"#fff\" d=\"M0 0h{side}v{side}H0z\"/><path d=\"{dots}\"/></svg>"
    ))
}
