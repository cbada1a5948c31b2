//! A segment of a path, as the edges of the trie hold it: its bytes as words, so that comparing is a few words' work.

/// How many bytes of a label stand in the edge itself, as words.
pub(crate) const WORDS: usize = 4;

/// A segment as edges hold it.
pub(crate) struct Label<'s> {
    pub(crate) text: &'s str,
    pub(crate) words: [u64; WORDS],
    hash: u64,
}

impl<'s> Label<'s> {
    pub(crate) fn new(text: &'s str) -> Self {
        let (words, tail) = text.as_bytes().as_chunks::<8>();
        let mut label = Self { text, words: [0; WORDS], hash: text.len() as u64 };
        let mut put = |at: usize, word: u64| {
            if let Some(place) = label.words.get_mut(at) {
                *place = word;
            }
            label.hash = mix(label.hash, word);
        };
        for (at, word) in words.iter().enumerate() {
            put(at, u64::from_le_bytes(*word));
        }
        if !tail.is_empty() {
            put(words.len(), last_word(text.as_bytes(), tail));
        }
        label
    }

    /// Where the search for the edge of `parent` begins. Only policies insert, so it need not resist an attacker.
    pub(crate) fn place(&self, parent: u32) -> usize {
        mix(self.hash, u64::from(parent) | 1 << 32) as usize
    }
}

/// The bytes of `tail`, which are the last of `bytes` and fewer than eight, as a word.
fn last_word(bytes: &[u8], tail: &[u8]) -> u64 {
    if let Some(last) = bytes.last_chunk::<8>() {
        return u64::from_le_bytes(*last) >> (64 - 8 * tail.len());
    }
    match (tail.first_chunk::<4>(), tail.last_chunk::<4>()) {
        // They overlap, and where they do they are the same.
        (Some(first), Some(last)) => {
            u64::from(u32::from_le_bytes(*first))
                | u64::from(u32::from_le_bytes(*last)) << (8 * (tail.len() - 4))
        }
        _ => tail.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    }
}

fn mix(state: u64, word: u64) -> u64 {
    let product = u128::from(state ^ word ^ 0x9e37_79b9_7f4a_7c15) * u128::from(word ^ 0xa076_1d64_78bd_642f);
    (product >> 64) as u64 ^ product as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_holds_the_bytes_that_are_left() {
        let bytes: Vec<u8> = (1..=40).collect();
        for length in 1..=40 {
            let bytes = &bytes[..length];
            let (_, tail) = bytes.as_chunks::<8>();
            let expected = tail.iter().rev().fold(0, |word: u64, byte| word << 8 | u64::from(*byte));
            assert!(tail.is_empty() || last_word(bytes, tail) == expected, "{length}");
        }
    }
}
