//! What hooks are asked about and told.

use std::fmt;

use serde_json::Value;

use super::Actor;

macro_rules! payloads {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* })*) => {
        $($(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        #[non_exhaustive]
        pub struct $name {
            /// The project it is in.
            pub project_id: String,
            $($(#[$field_doc])* pub $field: $type,)*
        })*
    };
}

payloads! {
    /// Somebody wants to sign up.
    SignUp {
        /// What they entered.
        person: Person,
    }
    /// There is another user.
    UserCreated {
        /// The user.
        user_id: String,
        /// What the issuer knows of them; `None` if they are gone already.
        person: Option<Person>,
        /// When, in milliseconds since the epoch.
        at_ms: i64,
    }
    /// A user is about to be erased.
    UserErase {
        /// Who erases them; themselves, as a rule.
        actor: Actor,
        /// The user.
        user_id: String,
    }
    /// A user is gone.
    UserErased {
        /// Who erased them.
        actor: Actor,
        /// What the user was.
        user_id: String,
        /// When, in milliseconds since the epoch.
        at_ms: i64,
    }
    /// A user is about to have a session.
    SignIn {
        /// The user.
        user_id: String,
        /// What was shown so far (RFC 8176), such as `pwd`.
        methods: Vec<String>,
    }
    /// A user is signed in.
    SignedIn {
        /// The user.
        user_id: String,
        /// The session, which is in the access tokens as `sid`.
        session_id: String,
        /// When, in milliseconds since the epoch.
        at_ms: i64,
    }
    /// An organization is about to be made.
    OrgCreate {
        /// Who makes it.
        actor: Actor,
        /// Its name, as it was given.
        name: String,
        /// Its slug, if one was given.
        slug: Option<String>,
        /// The user who will own it.
        owner_id: String,
    }
    /// There is another organization.
    OrgCreated {
        /// Who made it.
        actor: Actor,
        /// The organization.
        org_id: String,
        /// Its name.
        name: String,
        /// Its slug.
        slug: String,
        /// The user who owns it.
        owner_id: String,
        /// When, in milliseconds since the epoch.
        at_ms: i64,
    }
    /// An organization is about to be changed.
    OrgUpdate {
        /// Who changes it.
        actor: Actor,
        /// The organization.
        org_id: String,
        /// What it shall be: only the members that were given.
        changes: Value,
    }
    /// An organization was changed.
    OrgUpdated {
        /// Who changed it.
        actor: Actor,
        /// The organization.
        org_id: String,
        /// What it was: only what changed.
        before: Value,
        /// What it is: the same members.
        after: Value,
        /// When, in milliseconds since the epoch.
        at_ms: i64,
    }
    /// An organization is about to go.
    OrgDelete {
        /// Who deletes it.
        actor: Actor,
        /// The organization.
        org_id: String,
    }
    /// An organization is gone.
    OrgDeleted {
        /// Who deleted it.
        actor: Actor,
        /// The organization.
        org_id: String,
        /// What it was: `name`, `slug` and more.
        before: Value,
        /// When, in milliseconds since the epoch.
        at_ms: i64,
    }
    /// A user is about to become a member.
    MemberAdd {
        /// Who adds them; themselves, where they accept an invitation.
        actor: Actor,
        /// The organization.
        org_id: String,
        /// The user.
        user_id: String,
        /// The role.
        role: String,
    }
    /// A user became a member.
    MemberAdded {
        /// Who added them.
        actor: Actor,
        /// The organization.
        org_id: String,
        /// The membership.
        member_id: String,
        /// The user.
        user_id: String,
        /// The role.
        role: String,
        /// When, in milliseconds since the epoch.
        at_ms: i64,
    }
    /// A member is about to go.
    MemberRemove {
        /// Who removes them; themselves, where they leave.
        actor: Actor,
        /// The organization.
        org_id: String,
        /// The user.
        user_id: String,
    }
    /// A user is no member any more.
    MemberRemoved {
        /// Who removed them.
        actor: Actor,
        /// The organization.
        org_id: String,
        /// What the membership was.
        member_id: String,
        /// The user.
        user_id: String,
        /// The role they had.
        role: String,
        /// When, in milliseconds since the epoch.
        at_ms: i64,
    }
    /// A member is about to get another role.
    MemberRoleChange {
        /// Who changes it.
        actor: Actor,
        /// The organization.
        org_id: String,
        /// The user.
        user_id: String,
        /// The role they shall have.
        role: String,
    }
    /// A member has another role.
    MemberRoleChanged {
        /// Who changed it.
        actor: Actor,
        /// The organization.
        org_id: String,
        /// The membership.
        member_id: String,
        /// The user.
        user_id: String,
        /// The role they had.
        before: String,
        /// The role they have.
        after: String,
        /// When, in milliseconds since the epoch.
        at_ms: i64,
    }
}

/// A person, as they are written to.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Person {
    /// The mail address.
    pub email: String,
    /// The name, if one was given.
    pub name: Option<String>,
}

impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Person")
    }
}
