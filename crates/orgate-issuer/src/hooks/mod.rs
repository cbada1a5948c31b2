//! What an application that embeds the issuer is asked and told.
//!
//! A hook whose name begins with `before_` is asked ahead of the transaction, when the caller is known and allowed, and may
//! refuse: the request is answered with the reason, and nothing was changed. It says that somebody wants something, not that
//! it will happen: what follows may still fail. One whose name begins with `after_` is told of a change once it is
//! committed, exactly one time, in a task of its own: nothing that it does changes the answer to a request. Hooks never hold
//! the database, and may ask the issuer.
//!
//! Hooks are in this process: what was committed while it ended is not told again. An application that must not miss
//! anything compares, for example at its start.
//!
//! The names of the six about organizations and members are those of Authsome.

mod payloads;
mod tell;

use std::{fmt, future::ready, pin::Pin, time::Duration};

pub use self::payloads::{
    MemberAdd, MemberAdded, MemberRemove, MemberRemoved, MemberRoleChange, MemberRoleChanged, OrgCreate,
    OrgCreated, OrgDelete, OrgDeleted, OrgUpdate, OrgUpdated, Person, SignIn, SignUp, SignedIn, UserCreated,
    UserErase, UserErased,
};
pub(crate) use self::tell::{Bell, start};
use crate::{
    app::App,
    db::guarded,
    events,
    http::{Problem, problem::Code},
};

/// How long a hook may take to answer, or to be told.
pub(crate) const PATIENCE: Duration = Duration::from_secs(if cfg!(test) { 3 } else { 10 });

/// The answer of a hook that is asked.
pub type Before<'a> = Pin<Box<dyn Future<Output = Result<(), Refusal>> + Send + 'a>>;
/// The end of a hook that is told.
pub type After<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

macro_rules! hooks {
    ($($(#[$doc:meta])* $name:ident $payload:ident $answer:ident $nothing:expr;)*) => {
        /// What an application wants to be asked and told. Every method has a default that lets everything pass.
        ///
        /// A hook that does not answer within ten seconds, or panics, refuses with 503.
        pub trait Hooks: fmt::Debug + Send + Sync {
            $($(#[$doc])*
            fn $name<'a>(&'a self, it: &'a $payload) -> $answer<'a> {
                let _ = it;
                Box::pin(ready($nothing))
            })*
        }
    };
}

hooks! {
    /// Somebody wants to sign up. No mail was sent yet. With the sign-up the personal organization is let pass, if the
    /// project makes them.
    before_sign_up SignUp Before Ok(());
    /// Somebody's address has shown to be theirs: there is another user.
    after_user_created UserCreated After ();
    /// A user has shown the first factor, and is about to have a session, or to be asked for the second one. It is not asked
    /// again after that, nor for the session that a sign-up begins.
    before_sign_in SignIn Before Ok(());
    /// A user is signed in.
    after_sign_in SignedIn After ();
    /// A user is about to be erased, with everything that names them.
    before_user_erase UserErase Before Ok(());
    /// A user is gone.
    after_user_erased UserErased After ();
    /// An organization is about to be made.
    before_org_create OrgCreate Before Ok(());
    /// There is another organization, with its owner.
    after_org_create OrgCreated After ();
    /// An organization is about to be changed.
    before_org_update OrgUpdate Before Ok(());
    /// An organization was changed.
    after_org_update OrgUpdated After ();
    /// An organization is about to go.
    before_org_delete OrgDelete Before Ok(());
    /// An organization is gone, with its members.
    after_org_delete OrgDeleted After ();
    /// A user is about to become a member.
    before_member_add MemberAdd Before Ok(());
    /// A user became a member.
    after_member_add MemberAdded After ();
    /// A member is about to go, or to be removed.
    before_member_remove MemberRemove Before Ok(());
    /// A user is no member any more.
    after_member_remove MemberRemoved After ();
    /// A member is about to get another role.
    before_member_role_change MemberRoleChange Before Ok(());
    /// A member has another role.
    after_member_role_change MemberRoleChanged After ();
}

/// Why a hook does not let something happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    kind: Kind,
    message: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Forbidden(Option<String>),
    Field(String),
    Unavailable,
}

impl Refusal {
    /// It must not happen: 403 `refused_by_hook`. The message is shown to whoever asked.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self { kind: Kind::Forbidden(None), message: message.into() }
    }

    /// The same with a word for programs, which goes out as `reason`.
    #[must_use]
    pub fn because(reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kind: Kind::Forbidden(Some(reason.into())), message: message.into() }
    }

    /// One of the values cannot be accepted: 422 `invalid_value` with this field. The message goes on from the field's
    /// name: "has no free seats".
    #[must_use]
    pub fn field(name: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kind: Kind::Field(name.into()), message: message.into() }
    }

    /// The hook cannot tell at the moment: 503. The message is for the log.
    #[must_use]
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self { kind: Kind::Unavailable, message: message.into() }
    }
}

impl From<Refusal> for Problem {
    fn from(Refusal { kind, message }: Refusal) -> Self {
        match kind {
            Kind::Forbidden(None) => Self::new(Code::RefusedByHook).detail(message),
            Kind::Forbidden(Some(reason)) => {
                Self::new(Code::RefusedByHook).detail(message).with("reason", reason)
            }
            Kind::Field(name) => Self::invalid(&name, message),
            Kind::Unavailable => {
                tracing::error!(reason = %message, "a hook could not answer");
                Self::new(Code::Unavailable)
            }
        }
    }
}

/// Asks a hook, if there are any. It is called ahead of the transaction, never inside.
pub(crate) async fn ask<'a>(
    app: &'a App,
    hook: impl FnOnce(&'a dyn Hooks) -> Before<'a> + Send + 'a,
) -> Result<(), Problem> {
    let Some(hooks) = app.settings.hooks.as_deref() else { return Ok(()) };
    // The hook is called inside, so that it may panic before it has a future.
    let answer = guarded(Box::pin(async move { hook(hooks).await }));
    match tokio::time::timeout(PATIENCE, answer).await {
        Ok(Some(answer)) => answer.map_err(Problem::from),
        Ok(None) => Err(Refusal::unavailable("it panicked").into()),
        Err(_) => Err(Refusal::unavailable("it took longer than ten seconds").into()),
    }
}

/// Who does something, or did it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Actor {
    /// A user of the project, by id.
    User(String),
    /// An operator, by id.
    Operator(String),
    /// The bootstrap file, or the first operator's set-up.
    Setup,
    /// The issuer itself.
    System,
}

impl From<events::Actor> for Actor {
    fn from(actor: events::Actor) -> Self {
        match actor {
            events::Actor::User(id) => Self::User(id),
            events::Actor::Operator(id) => Self::Operator(id),
            events::Actor::Setup => Self::Setup,
            events::Actor::System => Self::System,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
