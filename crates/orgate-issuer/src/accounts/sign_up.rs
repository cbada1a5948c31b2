//! Signing up: a wish, a code or a link by mail, and a user.

use super::{
    admit_mail,
    birth::{Birth, Newcomer},
    confirm, letters, queries, read_address,
};
use crate::{
    address::Address,
    app::App,
    db::{DbError, Tx},
    domains,
    hooks::{self, Person, SignUp},
    http::{Problem, problem::Code},
    ids::Kind,
    login::{SignedIn, Started, session::Session},
    mail::{self, Reader},
    one_time::{self, Fresh, Purpose},
    password::{Checked, For, rules},
    projects::Project,
    secret::{fingerprint, random_token},
    throttle::Visitor,
    users::{self, User},
};

/// How long a sign-up waits for its code.
const SIGN_UP_MS: i64 = 24 * 3_600_000;
/// How many sign-ups of one address may wait at once.
const MOST_SIGN_UPS: i64 = 10;
/// The longest name of a user, in characters.
pub(super) const MAX_NAME: usize = 100;

/// What somebody who signs up wants, checked.
pub(crate) struct Wish {
    pub(super) address: Address,
    pub(super) password: String,
    pub(super) name: Option<String>,
}

impl Wish {
    pub(crate) fn read(email: &str, password: String, name: Option<String>) -> Result<Self, Problem> {
        let address = read_address(email)?;
        let name = check_name(name)?;
        let own = [address.shown(), address.key(), name.as_deref().unwrap_or_default()];
        if let Some(objection) = rules::objection(&password, &own) {
            return Err(Problem::invalid("password", objection));
        }
        Ok(Self { address, password, name })
    }

    /// Asks the application, and hashes the password.
    pub(super) async fn hash(
        self,
        app: &App,
        project: &Project,
        visitor: &Visitor,
    ) -> Result<String, Problem> {
        let person = Person { email: self.address.shown().to_owned(), name: self.name };
        let asked = SignUp { project_id: project.id.clone(), person };
        hooks::ask(app, |hooks| hooks.before_sign_up(&asked)).await?;
        let who = For::Request { peer: visitor.peer.0, realm: &project.id, account: self.address.key() };
        Ok(app.passwords.hash(who, self.password).await?)
    }
}

/// The name that somebody has or is given, without the spaces around it; an empty one is none.
pub(super) fn check_name(name: Option<String>) -> Result<Option<String>, Problem> {
    let name = name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
    let is_unfit = |name: &String| name.chars().count() > MAX_NAME || name.chars().any(char::is_control);
    if name.as_ref().is_some_and(is_unfit) {
        return Err(Problem::invalid("name", "has at most 100 characters, none of them a control character"));
    }
    Ok(name)
}

/// Notes a sign-up and mails a code. The answer is the handle by which its maker can ask for another code.
pub(crate) async fn sign_up(
    app: &App,
    project: &Project,
    visitor: &Visitor,
    wish: Wish,
) -> Result<String, Problem> {
    admit_mail(app, project, visitor, &wish.address).await?;
    let (address, name) = (wish.address.clone(), wish.name.clone());
    let password_phc = wish.hash(app, project, visitor).await?;
    let (now, handle) = (app.now_ms(), random_token()?);
    let (fresh, id, handle_hash) = (Fresh::new(now)?, Kind::SignUp.new_id(now), fingerprint(&handle));
    let pen = letters::pen(app, project, visitor.language);
    let known = letters::known(&pen, project, address.shown());
    let new = letters::sign_up(&pen, project, address.shown(), &fresh.link, &fresh.code);
    let (secrets, project_id) = (app.secrets.clone(), project.id.clone());
    app.db
        .write::<_, DbError>(move |tx| {
            Box::pin(async move {
                let taken = users::find_by_address(tx, &project_id, &address).await?.is_some();
                let row = queries::NewSignUp {
                    id: &id,
                    project_id: &project_id,
                    email: address.shown(),
                    email_norm: address.key(),
                    name: name.as_deref(),
                    password_phc: &password_phc,
                    handle_hash: &handle_hash,
                    link_hash: &fingerprint(&fresh.link),
                    code_hash: &fresh.code_hash_for(&secrets, &id),
                    now_ms: now,
                    expires_at: now + SIGN_UP_MS,
                };
                queries::insert(tx, &row).await?;
                queries::cap(tx, &project_id, address.key(), MOST_SIGN_UPS).await?;
                let letter = if taken { &known } else { &new };
                mail::post(tx, &secrets, letter, Reader::Addressee, now, now + SIGN_UP_MS).await
            })
        })
        .await?;
    Ok(handle)
}

/// Mails another code for the sign-up behind `handle`; for a handle that leads nowhere nothing happens.
pub(crate) async fn sign_up_again(
    app: &App,
    project: &Project,
    visitor: &Visitor,
    handle: &str,
) -> Result<(), Problem> {
    let (now, handle_hash) = (app.now_ms(), fingerprint(handle));
    let found = queries::by_handle(&mut *app.db.read().await?, &project.id, &handle_hash, now).await?;
    let Some((sign_up, address)) =
        found.and_then(|one| Address::parse(&one.email).map(|address| (one, address)))
    else {
        return Ok(());
    };
    admit_mail(app, project, visitor, &address).await?;
    let fresh = Fresh::new(now)?;
    let pen = letters::pen(app, project, visitor.language);
    let known = letters::known(&pen, project, address.shown());
    let new = letters::sign_up(&pen, project, address.shown(), &fresh.link, &fresh.code);
    let (secrets, project_id) = (app.secrets.clone(), project.id.clone());
    Ok(app
        .db
        .write::<_, DbError>(move |tx| {
            Box::pin(async move {
                let taken = users::find_by_address(tx, &project_id, &address).await?.is_some();
                let code = fresh.code_hash_for(&secrets, &sign_up.id);
                queries::renew(tx, &sign_up.id, &fingerprint(&fresh.link), &code, now + SIGN_UP_MS).await?;
                let letter = if taken { &known } else { &new };
                mail::post(tx, &secrets, letter, Reader::Addressee, now, now + SIGN_UP_MS).await
            })
        })
        .await?)
}

/// Which sign-up a code is for.
#[derive(Clone)]
pub(crate) enum Of {
    /// The one that its maker has the handle of.
    Handle(String),
    /// One of an address, or the address of a user.
    Address(Address),
}

/// What a right code, or a right link, has shown.
pub(crate) enum Verified {
    /// Somebody has become a user and is signed in.
    SignedUp(Box<SignedIn>),
    /// A user's address is theirs.
    Address,
}

/// Uses up a code that came by mail.
pub(crate) async fn verify_code(
    app: &App,
    project: &Project,
    visitor: &Visitor,
    of: Of,
    code: &str,
    previous: Option<Session>,
) -> Result<Verified, Problem> {
    let birth = Birth::new(app, project, visitor)?;
    let (now, secrets, code) = (app.now_ms(), app.secrets.clone(), code.to_owned());
    let project_id = project.id.clone();
    let outcome = app
        .db
        .write::<_, Problem>(move |tx| {
            Box::pin(async move {
                let (handle, address) = match &of {
                    Of::Handle(handle) => (fingerprint(handle), ""),
                    Of::Address(address) => (String::new(), address.key()),
                };
                let tried =
                    queries::try_codes(tx, &project_id, (&handle, address), one_time::ATTEMPTS, now).await?;
                let found =
                    tried.into_iter().find(|one| one_time::is_code(&secrets, &one.id, &code, &one.code_hash));
                if let Some(sign_up) = found {
                    return complete(tx, birth, sign_up, previous).await;
                }
                let Of::Address(address) = &of else { return Ok(None) };
                let user = users::find_by_address(tx, &project_id, address).await?;
                let user_id = user.map(|user| user.id).unwrap_or_default();
                if !one_time::redeem_code(tx, &secrets, &user_id, &code, now).await? {
                    return Ok(None);
                }
                confirm(tx, &project_id, &user_id, now).await?;
                Ok(Some(Outcome::Address(user_id)))
            })
        })
        .await?;
    Ok(outcome.ok_or(Code::Mistyped)?.verified(app, project).await)
}

/// What a link of a letter leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// A sign-up, which its password completes.
    SignUp,
    /// The address of a user.
    Address,
    Nothing,
}

/// What the link with `token` leads to; it is not used up.
pub(crate) async fn look(app: &App, project: &Project, token: &str) -> Result<Link, Problem> {
    let (mut conn, now) = (app.db.read().await?, app.now_ms());
    if queries::link_is_live(&mut conn, &project.id, &fingerprint(token), now).await? {
        return Ok(Link::SignUp);
    }
    let user = one_time::look(&mut conn, &project.id, Purpose::Email, token, now).await?;
    Ok(if user.is_some() { Link::Address } else { Link::Nothing })
}

/// Uses up a link that confirms an address. A sign-up's password is asked for, so that nobody finds himself with an account
/// that somebody else chose the password of.
pub(crate) async fn verify_link(
    app: &App,
    project: &Project,
    visitor: &Visitor,
    (token, password): (&str, String),
    previous: Option<Session>,
) -> Result<Verified, Problem> {
    let (hash, now, project_id) = (fingerprint(token), app.now_ms(), project.id.clone());
    let sign_up = {
        let (hash, project_id) = (hash.clone(), project_id.clone());
        app.db
            .write::<_, DbError>(move |tx| {
                Box::pin(
                    async move { queries::try_link(tx, &project_id, &hash, one_time::ATTEMPTS, now).await },
                )
            })
            .await?
    };
    let Some(sign_up) = sign_up else {
        let confirmed = app
            .db
            .write::<_, DbError>({
                let token = token.to_owned();
                move |tx| {
                    Box::pin(async move {
                        let user = one_time::redeem(tx, &project_id, Purpose::Email, &token, now).await?;
                        if let Some(user) = &user {
                            confirm(tx, &project_id, user, now).await?;
                        }
                        Ok(user)
                    })
                }
            })
            .await?;
        let user_id = confirmed.ok_or(Code::LinkInvalid)?;
        return Ok(Outcome::Address(user_id).verified(app, project).await);
    };
    let who = For::Request { peer: visitor.peer.0, realm: &project.id, account: &sign_up.id };
    let stored = Some(sign_up.password_phc.clone());
    if app.passwords.check(who, password, stored).await? == Checked::Wrong {
        return Err(Code::InvalidCredentials.into());
    }
    let birth = Birth::new(app, project, visitor)?;
    let outcome = app
        .db
        .write::<_, Problem>(move |tx| Box::pin(async move { complete(tx, birth, sign_up, previous).await }))
        .await?;
    Ok(outcome.ok_or(Code::LinkInvalid)?.verified(app, project).await)
}

enum Outcome {
    SignedUp(Box<(Started, User)>),
    /// Of this user.
    Address(String),
}

impl Outcome {
    async fn verified(self, app: &App, project: &Project) -> Verified {
        match self {
            Self::SignedUp(made) => {
                let (started, user) = *made;
                Verified::SignedUp(Box::new(started.of(user).welcomed(app, project).await))
            }
            Self::Address(user_id) => {
                domains::welcome(app, project, &user_id).await;
                Verified::Address
            }
        }
    }
}

/// What a sign-up becomes; `None` if it is gone or the address taken.
async fn complete(
    tx: &mut Tx,
    birth: Birth,
    sign_up: queries::SignUp,
    previous: Option<Session>,
) -> Result<Option<Outcome>, Problem> {
    let Some(address) = Address::parse(&sign_up.email) else { return Ok(None) };
    if !queries::take(tx, &sign_up.id).await? {
        return Ok(None);
    }
    let password_phc = Some(sign_up.password_phc);
    let who = Newcomer { address, email_verified: true, name: sign_up.name, password_phc };
    let born = birth.bear(tx, who, None, previous).await?;
    Ok(born.map(|born| Outcome::SignedUp(Box::new(born))))
}
