//! Names become numbers.

use std::collections::HashMap;

use crate::set::Set;

/// The fact that the caller is authenticated; it holds of every subject.
pub(crate) const AUTHENTICATED: u16 = 0;
/// The fact that the caller has an active organization.
pub(crate) const ORGANIZATION: u16 = 1;
/// The first number that names a permission.
const FIRST_NAME: u16 = 2;

/// Every fact a policy can ask for, numbered: two fixed ones, then permissions, then roles, then the atoms that are
/// judged per request (comparisons and the like, by their canonical text). A token's strings are looked up here once, when
/// its subject is made; a decision compares sets and evaluates atoms.
#[derive(Debug, Default)]
pub(crate) struct Vocabulary {
    permissions: Vec<Box<str>>,
    permission_numbers: HashMap<Box<str>, u16>,
    roles: Vec<Box<str>>,
    role_numbers: HashMap<Box<str>, u16>,
    atoms: Vec<Box<str>>,
    atom_numbers: HashMap<Box<str>, u16>,
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

    /// Numbers what is judged per request, after all names.
    pub(crate) fn add_atoms(&mut self, atoms: impl IntoIterator<Item = String>) {
        let mut next = u16::try_from(self.width()).unwrap_or(u16::MAX);
        for atom in atoms {
            number(&atom, &mut next, &mut self.atoms, &mut self.atom_numbers);
        }
    }

    /// The first number that is no name but an atom.
    pub(crate) fn first_atom(&self) -> u16 {
        u16::try_from(usize::from(FIRST_NAME) + self.permissions.len() + self.roles.len()).unwrap_or(u16::MAX)
    }

    /// The number of an atom, by its canonical text.
    pub(crate) fn atom(&self, text: &str) -> Option<u16> {
        self.atom_numbers.get(text).copied()
    }

    /// What a number stands for, as one writes it in a requirement.
    pub(crate) fn fact_name(&self, number: u16) -> String {
        let role = || {
            let at = usize::from(number).checked_sub(usize::from(FIRST_NAME) + self.permissions.len())?;
            self.roles.get(at).map(|role| format!("role({role})"))
        };
        let atom = || {
            let at = number.checked_sub(self.first_atom())?;
            self.atoms.get(usize::from(at)).map(|atom| atom.to_string())
        };
        match number {
            AUTHENTICATED => "authenticated".to_owned(),
            ORGANIZATION => "org".to_owned(),
            _ => self
                .permission_name(number)
                .map(str::to_owned)
                .or_else(role)
                .or_else(atom)
                .unwrap_or_default(),
        }
    }

    /// How many atoms there are.
    pub(crate) fn atom_count(&self) -> usize {
        self.atoms.len()
    }

    /// One more than the highest number.
    pub(crate) fn width(&self) -> usize {
        usize::from(self.first_atom()) + self.atoms.len()
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
