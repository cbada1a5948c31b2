//! Who may do what to whom inside an organization, in one function. Whatever gives, changes or takes a role asks here, again
//! inside the transaction of the change.
//!
//! * One acts on a lower rank only, and gives a role of a lower rank only whose permissions one holds.
//! * Nobody raises himself, and nobody gives the owner's role away or takes it: ownership is transferred.

use super::Role;
use crate::http::{Problem, problem::Code};

/// The rank of an operator, above every role.
pub(crate) const OPERATOR_RANK: i64 = 4;
const OWNER_RANK: i64 = 3;

/// What somebody is in an organization, now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Power {
    pub(crate) rank: i64,
    pub(crate) permissions: Vec<String>,
}

impl From<&Role> for Power {
    fn from(role: &Role) -> Self {
        Self { rank: role.rank, permissions: role.permissions.clone() }
    }
}

impl Power {
    /// Whether this is the owner, or somebody above.
    pub(crate) fn is_above_all(&self) -> bool {
        self.rank >= OWNER_RANK
    }

    fn holds(&self, permissions: &[String]) -> bool {
        permissions.iter().all(|one| self.permissions.contains(one))
    }
}

/// What is to be done.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Deed<'a> {
    /// To give a role to somebody who has none: adding a member, inviting one.
    Give(&'a Role),
    /// To change the role of somebody else.
    Change { from: &'a Role, to: &'a Role },
    /// To change one's own role.
    ChangeOwn { from: &'a Role, to: &'a Role },
    /// To remove or suspend somebody else.
    Act(&'a Role),
    /// To leave.
    Leave(&'a Role),
    /// To make somebody else the owner.
    Transfer,
    /// To make a role of this rank with these permissions.
    Define { rank: i64, permissions: &'a [String] },
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The other one's rank is not lower.
    Rank,
    /// The role is not one to give.
    NotGrantable,
    /// The owner stays until somebody else is.
    OwnerMustTransfer,
    /// The role would have a permission that its maker has not.
    NotHeld,
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Rank => Self::new(Code::Forbidden).detail("only members of a lower rank can be changed"),
            Refusal::NotGrantable => Self::new(Code::RoleNotGrantable).field("role"),
            Refusal::OwnerMustTransfer => Code::OwnerMustTransfer.into(),
            Refusal::NotHeld => Self::new(Code::PermissionNotHeld).field("permissions"),
        }
    }
}

/// Whether somebody with this power may do that.
pub(crate) fn authority(power: &Power, deed: Deed<'_>) -> Result<(), Refusal> {
    match deed {
        Deed::Give(role) => may_give(power, role),
        Deed::Change { from, to } => {
            may_act(power, from)?;
            may_give(power, to)
        }
        Deed::ChangeOwn { from, .. } | Deed::Leave(from) if from.is_owner() => {
            Err(Refusal::OwnerMustTransfer)
        }
        Deed::ChangeOwn { from, to } => {
            let lower = !to.is_owner() && to.rank <= from.rank && Power::from(from).holds(&to.permissions);
            if lower { Ok(()) } else { Err(Refusal::NotGrantable) }
        }
        Deed::Act(role) => may_act(power, role),
        Deed::Leave(_) => Ok(()),
        // It is the owner's alone, whatever permissions another role was given.
        Deed::Transfer if power.rank >= OWNER_RANK => Ok(()),
        Deed::Transfer => Err(Refusal::NotGrantable),
        Deed::Define { rank, permissions } if rank < power.rank && power.holds(permissions) => Ok(()),
        Deed::Define { .. } => Err(Refusal::NotHeld),
    }
}

fn may_give(power: &Power, role: &Role) -> Result<(), Refusal> {
    if !role.is_owner() && role.rank < power.rank && power.holds(&role.permissions) {
        Ok(())
    } else {
        Err(Refusal::NotGrantable)
    }
}

fn may_act(power: &Power, role: &Role) -> Result<(), Refusal> {
    match (role.rank < power.rank, role.is_owner()) {
        (true, false) => Ok(()),
        // Who is above the owner learns what would help; nobody else does.
        (true, true) => Err(Refusal::OwnerMustTransfer),
        (false, _) => Err(Refusal::Rank),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(key: &str) -> Role {
        match key {
            // Strong in rights, low in rank, and the other way round.
            "clerk" => Role::of_row(key.to_owned(), Some(1), Some("read change_roles billing:read")),
            "senior" => Role::of_row(key.to_owned(), Some(2), Some("read change_roles")),
            key => Role::built_in(key).unwrap(),
        }
    }

    const ROLES: [&str; 6] = ["owner", "admin", "senior", "member", "clerk", "viewer"];

    fn operator() -> Power {
        let mut permissions = role("owner").permissions;
        permissions.push("billing:read".to_owned());
        Power { rank: OPERATOR_RANK, permissions }
    }

    #[test]
    fn nobody_gains_by_whatever_they_may_do() {
        for actor in ROLES.map(role) {
            let power = Power::from(&actor);
            for to in ROLES.map(role) {
                let within =
                    to.rank <= actor.rank && to.permissions.iter().all(|one| actor.permissions.contains(one));
                for deed in [Deed::Give(&to), Deed::ChangeOwn { from: &actor, to: &to }] {
                    if authority(&power, deed).is_ok() {
                        assert!(within && !to.is_owner(), "{} {deed:?}", actor.key);
                    }
                }
                for from in ROLES.map(role) {
                    if authority(&power, Deed::Change { from: &from, to: &to }).is_ok() {
                        assert!(from.rank < actor.rank && to.rank < actor.rank && within, "{}", actor.key);
                    }
                }
                assert_eq!(
                    authority(&power, Deed::Act(&to)).is_ok(),
                    to.rank < actor.rank,
                    "{} {}",
                    actor.key,
                    to.key
                );
            }
        }
    }

    #[test]
    fn who_may_give_which_role() {
        for (actor, may) in [
            ("owner", &["admin", "senior", "member", "viewer"][..]),
            ("admin", &["member", "viewer"]),
            ("senior", &["viewer"]),
            ("member", &["viewer"]),
            ("clerk", &["viewer"]),
            ("viewer", &[]),
        ] {
            let power = Power::from(&role(actor));
            let given: Vec<&str> =
                ROLES.into_iter().filter(|to| authority(&power, Deed::Give(&role(to))).is_ok()).collect();
            assert_eq!(given, may, "{actor}");
        }
        let given: Vec<&str> =
            ROLES.into_iter().filter(|to| authority(&operator(), Deed::Give(&role(to))).is_ok()).collect();
        assert_eq!(given, ["admin", "senior", "member", "clerk", "viewer"]);
    }

    #[test]
    fn the_owner_is_nobodys_to_change() {
        let owner = role("owner");
        for to in ROLES.map(role) {
            let own = authority(&Power::from(&owner), Deed::ChangeOwn { from: &owner, to: &to });
            assert_eq!(own, Err(Refusal::OwnerMustTransfer), "{}", to.key);
            let change = Deed::Change { from: &owner, to: &to };
            assert_eq!(authority(&operator(), change), Err(Refusal::OwnerMustTransfer), "{}", to.key);
            assert_eq!(authority(&Power::from(&role("admin")), change), Err(Refusal::Rank), "{}", to.key);
        }
        assert_eq!(authority(&operator(), Deed::Act(&owner)), Err(Refusal::OwnerMustTransfer));
        let leave = authority(&Power::from(&owner), Deed::Leave(&owner));
        assert_eq!(leave, Err(Refusal::OwnerMustTransfer));
        assert_eq!(authority(&Power::from(&role("viewer")), Deed::Leave(&role("viewer"))), Ok(()));
    }

    #[test]
    fn only_the_owner_and_who_is_above_transfers() {
        for actor in ROLES.map(role) {
            let mut power = Power::from(&actor);
            power.permissions = role("owner").permissions;
            assert_eq!(authority(&power, Deed::Transfer).is_ok(), actor.is_owner(), "{}", actor.key);
        }
        assert_eq!(authority(&operator(), Deed::Transfer), Ok(()));
    }

    #[test]
    fn a_role_is_made_below_its_maker_and_of_what_its_maker_holds() {
        let admin = Power::from(&role("admin"));
        let define = |rank: i64, names: &[&str]| {
            let permissions: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            authority(&admin, Deed::Define { rank, permissions: &permissions })
        };
        assert_eq!(define(1, &["read", "invite"]), Ok(()));
        assert_eq!(define(2, &["read"]), Err(Refusal::NotHeld));
        assert_eq!(define(0, &["delete_org"]), Err(Refusal::NotHeld));
    }
}
