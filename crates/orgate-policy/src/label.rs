//! A segment of a path, as the edges of the trie hold it: its bytes as words, so that comparing is a few words' work.

/// How many bytes of a label stand in the edge itself, as words.
pub(crate) const WORDS: usize = 4;

/// A segment as edges hold it.
pub(crate) struct Label<'s> {
    pub(crate) bytes: &'s [u8],
    /// Together with the length they are the label, if it is no longer than they are: up to 8 bytes the first word, up to
    /// 16 the first and the last eight bytes, beyond that the first and the last sixteen.
    pub(crate) words: [u64; WORDS],
}

impl<'s> Label<'s> {
    pub(crate) fn of(text: &'s [u8]) -> Self {
        Self::within(text, 0, text.len())
    }

    /// The label of `text[start..end]`; what stands behind it in `text` only makes reading it cheaper.
    #[inline]
    pub(crate) fn within(text: &'s [u8], start: usize, end: usize) -> Self {
        let bytes = text.get(start..end).unwrap_or_default();
        let words = match (bytes.first_chunk(), bytes.last_chunk()) {
            (Some(first), Some(last)) if bytes.len() <= 16 => [word(*first), word(*last), 0, 0],
            (Some(first), Some(last)) => {
                let middle = |at: usize| {
                    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |chunk| word(*chunk))
                };
                [word(*first), middle(8), middle(bytes.len() - 16), word(*last)]
            }
            _ => {
                let unused = 64 - 8 * bytes.len() as u32; // fewer than eight bytes
                let eight = text.get(start..).and_then(|rest| rest.first_chunk());
                let first = match eight {
                    Some(eight) => word(*eight) & u64::MAX.checked_shr(unused).unwrap_or(0),
                    None => bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
                };
                [first, 0, 0, 0]
            }
        };
        Self { bytes, words }
    }

    /// Where the search for the edge of `parent` begins. Only policies insert, so it need not resist an attacker.
    #[inline]
    pub(crate) fn place(&self, parent: u32) -> usize {
        let [first, second, third, fourth] = self.words;
        let seed = (u64::from(parent) << 32 | self.bytes.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut place = mix(first ^ seed, second ^ 0xa076_1d64_78bd_642f);
        if self.bytes.len() > 16 {
            place = mix(third ^ place, fourth ^ 0xe703_7ed1_a0b4_28db);
        }
        place as usize
    }
}

#[inline]
fn word(chunk: [u8; 8]) -> u64 {
    u64::from_le_bytes(chunk)
}

#[inline]
fn mix(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product >> 64) as u64 ^ product as u64
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
