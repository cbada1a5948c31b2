//! Names become numbers.

use std::collections::HashMap;

use crate::set::Set;

/// The fact that the caller is authenticated; it holds of every subject.
pub(crate) const AUTHENTICATED: u16 = 0;
/// The fact that the caller has an active organization.
pub(crate) const ORGANIZATION: u16 = 1;
/// The first number that names a permission.
const FIRST_NAME: u16 = 2;

/// Every fact a policy can ask for, numbered: two fixed ones, then permissions, then roles. A token's strings are
/// looked up here once, when its subject is made; a decision only compares sets.
#[derive(Debug, Default)]
pub(crate) struct Vocabulary {
    permissions: Vec<Box<str>>,
    permission_numbers: HashMap<Box<str>, u16>,
    roles: Vec<Box<str>>,
    role_numbers: HashMap<Box<str>, u16>,
}

impl Vocabulary {
    /// Numbers the names, first come first; repeated ones keep their first number. All numbers stay below `u16::MAX`,
    /// which the limits of a policy (1 024 permissions, 256 roles) guarantee; names beyond it stay unknown.
    pub(crate) fn new<'n>(
        permissions: impl IntoIterator<Item = &'n str>,
        roles: impl IntoIterator<Item = &'n str>,
    ) -> Self {
        let mut vocabulary = Self::default();
        let mut next = FIRST_NAME;
        for name in permissions {
            number(name, &mut next, &mut vocabulary.permissions, &mut vocabulary.permission_numbers);
        }
        for name in roles {
            number(name, &mut next, &mut vocabulary.roles, &mut vocabulary.role_numbers);
        }
        vocabulary
    }

    /// One more than the highest number.
    pub(crate) fn width(&self) -> usize {
        usize::from(FIRST_NAME) + self.permissions.len() + self.roles.len()
    }

    /// Whether a fact is one that the caller's roles settle, and none that depends on the request besides.
    pub(crate) fn is_of_the_caller(&self, fact: u16) -> bool {
        usize::from(fact) < usize::from(FIRST_NAME) + self.permissions.len() + self.roles.len()
    }

    pub(crate) fn empty_set(&self) -> Set {
        Set::empty(self.width())
    }

    pub(crate) fn permission(&self, name: &str) -> Option<u16> {
        self.permission_numbers.get(name).copied()
    }

    pub(crate) fn role(&self, name: &str) -> Option<u16> {
        self.role_numbers.get(name).copied()
    }

    /// The permissions in `set`, by name, sorted.
    pub(crate) fn permissions_in(&self, set: &Set) -> Vec<&str> {
        let mut names: Vec<&str> = set.iter().filter_map(|number| self.permission_name(number)).collect();
        names.sort_unstable();
        names
    }

    pub(crate) fn permission_name(&self, number: u16) -> Option<&str> {
        let at = usize::from(number.checked_sub(FIRST_NAME)?);
        self.permissions.get(at).map(|name| &**name)
    }

    pub(crate) fn permissions(&self) -> impl Iterator<Item = &str> {
        self.permissions.iter().map(|name| &**name)
    }

    pub(crate) fn roles(&self) -> impl Iterator<Item = &str> {
        self.roles.iter().map(|name| &**name)
    }
}

fn number(name: &str, next: &mut u16, names: &mut Vec<Box<str>>, numbers: &mut HashMap<Box<str>, u16>) {
    if *next < u16::MAX && !numbers.contains_key(name) {
        numbers.insert(name.into(), *next);
        names.push(name.into());
        *next += 1;
    }
}
