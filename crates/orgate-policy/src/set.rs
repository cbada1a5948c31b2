//! Sets of small numbers.

/// How many 64-bit words fit without an allocation: 256 facts.
const INLINE: usize = 4;

/// A set of fact numbers (permissions, roles and the two facts every policy knows), all sets of one policy having the
/// same width. Comparing two sets is a handful of word operations.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Set {
    Inline([u64; INLINE]),
    Wide(Box<[u64]>),
}

impl Set {
    /// The empty set for numbers below `width`.
    pub(crate) fn empty(width: usize) -> Self {
        let words = width.div_ceil(64);
        if words <= INLINE { Self::Inline([0; INLINE]) } else { Self::Wide(vec![0; words].into()) }
    }

    fn words(&self) -> &[u64] {
        match self {
            Self::Inline(words) => words,
            Self::Wide(words) => words,
        }
    }

    /// Adds `number`. A number beyond the width is not added; the width comes from the vocabulary that numbers.
    pub(crate) fn insert(&mut self, number: u16) {
        let words = match self {
            Self::Inline(words) => words.as_mut_slice(),
            Self::Wide(words) => words,
        };
        if let Some(word) = words.get_mut(usize::from(number) / 64) {
            *word |= 1 << (number % 64);
        }
    }

    pub(crate) fn contains(&self, number: u16) -> bool {
        self.words().get(usize::from(number) / 64).is_some_and(|word| word & (1 << (number % 64)) != 0)
    }

    /// Adds all of `other`.
    pub(crate) fn extend(&mut self, other: &Self) {
        let words = match self {
            Self::Inline(words) => words.as_mut_slice(),
            Self::Wide(words) => words,
        };
        for (word, more) in words.iter_mut().zip(other.words()) {
            *word |= more;
        }
    }

    /// Whether nothing of `self` is missing in `have`.
    pub(crate) fn is_within(&self, have: &Self) -> bool {
        let lacks = |need: &[u64], have: &[u64]| {
            need.iter().zip(have).fold(0, |lacks, (need, have)| lacks | need & !have) != 0
        };
        match (self, have) {
            (Self::Inline(need), Self::Inline(have)) => !lacks(need, have), // without a branch for each word
            _ => !lacks(self.words(), have.words()),
        }
    }

    /// Whether the two share a number.
    pub(crate) fn meets(&self, have: &Self) -> bool {
        self.words().iter().zip(have.words()).any(|(need, have)| need & have != 0)
    }

    /// The numbers, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u16> {
        (0u16..).zip(self.words()).flat_map(|(at, &word)| {
            (0u16..64).filter(move |bit| word & (1 << bit) != 0).map(move |bit| at * 64 + bit)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn narrow_and_wide_sets_behave_alike() {
        for width in [8, 256, 257, 1024] {
            let top = u16::try_from(width - 1).unwrap();
            let mut need = Set::empty(width);
            need.insert(3);
            need.insert(top);
            let mut have = Set::empty(width);
            have.insert(3);
            assert!(!need.is_within(&have));
            assert!(need.meets(&have));
            have.insert(top);
            have.insert(5);
            assert!(need.is_within(&have));
            assert_eq!(need.iter().collect::<Vec<_>>(), [3, top]);
            assert!(have.contains(5) && !need.contains(5));
            assert!(!Set::empty(width).meets(&have));
        }
    }
}
