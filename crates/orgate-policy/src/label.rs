//! A segment of a path, as the edges of the trie hold it: its bytes as words, so that comparing is a few words' work.

/// How many bytes of a label stand in the edge itself, as words.
pub(crate) const WORDS: usize = 3;

/// A segment as edges hold it.
pub(crate) struct Label<'s> {
    pub(crate) bytes: &'s [u8],
    /// Together with the length they are the label, if it is no longer than they are: of fewer than 8 bytes the first
    /// word; else the first eight bytes, the next eight as far as there are any (the last eight otherwise), and the last.
    pub(crate) words: [u64; WORDS],
}

impl<'s> Label<'s> {
    pub(crate) fn of(text: &'s [u8]) -> Self {
        Self::within(text, 0, text.len())
    }

    /// The label of `text[start..end]`; what stands beside it in `text` only makes reading it cheaper.
    #[inline]
    pub(crate) fn within(text: &'s [u8], start: usize, end: usize) -> Self {
        let from = text.get(start..).unwrap_or_default();
        let bytes = from.get(..end.wrapping_sub(start)).unwrap_or_default();
        let words = match (bytes.first_chunk(), bytes.last_chunk()) {
            (Some(first), Some(last)) => {
                let middle = bytes.get(bytes.len().min(16) - 8..).and_then(|rest| rest.first_chunk());
                [word(*first), middle.map_or(0, |middle| word(*middle)), word(*last)]
            }
            _ => {
                let unused = 64 - 8 * bytes.len() as u32; // fewer than eight bytes
                let to = text.get(..end).and_then(|text| text.last_chunk());
                let first = match (from.first_chunk(), to) {
                    (Some(from), _) => word(*from) & u64::MAX.checked_shr(unused).unwrap_or(0),
                    (None, Some(to)) => word(*to).checked_shr(unused).unwrap_or(0),
                    (None, None) => bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
                };
                [first, 0, 0]
            }
        };
        Self { bytes, words }
    }

    /// What tells the edge of `parent` by a label of this length from others.
    #[inline]
    pub(crate) fn key(&self, parent: u32) -> u64 {
        u64::from(parent) << 32 | self.bytes.len() as u64
    }

    /// Where the search for the edge of this key begins. Only policies insert, so it need not resist an attacker.
    #[inline]
    pub(crate) fn place(&self, key: u64) -> usize {
        let [first, middle, last] = self.words;
        let rest = middle.rotate_left(23).wrapping_add(last); // up to 16 bytes the two are one
        let product = u128::from(first ^ key) * u128::from(rest ^ 0xa076_1d64_78bd_642f);
        ((product >> 64) as u64 ^ product as u64) as usize
    }
}

#[inline]
fn word(chunk: [u8; 8]) -> u64 {
    u64::from_le_bytes(chunk)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_its_bytes_wherever_they_stand() {
        let text: Vec<u8> = (1..=80).collect();
        for start in 0..40 {
            for end in start..=80 {
                let (within, alone) = (Label::within(&text, start, end), Label::of(&text[start..end]));
                assert_eq!((within.bytes, within.words), (alone.bytes, alone.words), "{start} {end}");
            }
        }
    }

    #[test]
    fn labels_of_one_length_differ_in_their_words_wherever_they_differ() {
        for length in 1..=WORDS * 8 {
            let text = vec![b'a'; length];
            for at in 0..length {
                let mut other = text.clone();
                other[at] = b'b';
                assert_ne!(Label::of(&text).words, Label::of(&other).words, "{at} of {length}");
            }
        }
    }
}
