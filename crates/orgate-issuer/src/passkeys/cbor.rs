//! The part of CBOR (RFC 8949) that authenticators write: definite lengths, integers, texts, bytes, lists and maps (CTAP2
//! canonical form). Anything else is refused.

/// How deep lists and maps may lie in each other.
const DEEPEST: usize = 4;
/// How many members a list or map may have.
const MOST: u64 = 64;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    Int(i64),
    Bytes(Vec<u8>),
    Text(String),
    List(Vec<Item>),
    Map(Vec<(Item, Item)>),
    /// `true`, `false` or `null`.
    Simple,
}

impl Item {
    pub(super) fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    pub(super) fn int(&self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(*value),
            _ => None,
        }
    }

    /// The member of a map; `None` as well if it is there twice.
    pub(super) fn get(&self, key: &Self) -> Option<&Self> {
        let Self::Map(members) = self else { return None };
        let mut found = members.iter().filter(|(known, _)| known == key);
        let (_, value) = found.next()?;
        found.next().is_none().then_some(value)
    }
}

/// The first item of `bytes`, and what follows it.
pub(super) fn first(bytes: &[u8]) -> Option<(Item, &[u8])> {
    read(bytes, DEEPEST)
}

fn read(bytes: &[u8], deeper: usize) -> Option<(Item, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    let (major, low) = (first >> 5, first & 31);
    let (value, rest) = argument(low, rest)?;
    match major {
        0 => Some((Item::Int(i64::try_from(value).ok()?), rest)),
        1 => Some((Item::Int(-1 - i64::try_from(value).ok()?), rest)),
        2 | 3 => {
            let (own, rest) = rest.split_at_checked(usize::try_from(value).ok()?)?;
            let item = match major {
                2 => Item::Bytes(own.to_vec()),
                _ => Item::Text(String::from_utf8(own.to_vec()).ok()?),
            };
            Some((item, rest))
        }
        4 if value <= MOST && deeper > 0 => {
            let (mut rest, mut items) = (rest, Vec::new());
            for _ in 0..value {
                let (item, after) = read(rest, deeper - 1)?;
                items.push(item);
                rest = after;
            }
            Some((Item::List(items), rest))
        }
        5 if value <= MOST && deeper > 0 => {
            let (mut rest, mut members) = (rest, Vec::new());
            for _ in 0..value {
                let (key, after) = read(rest, deeper - 1)?;
                let (value, after) = read(after, deeper - 1)?;
                members.push((key, value));
                rest = after;
            }
            Some((Item::Map(members), rest))
        }
        7 if (20..=22).contains(&low) => Some((Item::Simple, rest)),
        _ => None,
    }
}

fn argument(low: u8, rest: &[u8]) -> Option<(u64, &[u8])> {
    let length = match low {
        0..=23 => return Some((u64::from(low), rest)),
        24 => 1,
        25 => 2,
        26 => 4,
        27 => 8,
        _ => return None,
    };
    let (own, rest) = rest.split_at_checked(length)?;
    Some((own.iter().fold(0, |value, byte| (value << 8) | u64::from(*byte)), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_authenticators_write_is_read() {
        // {1: 2, 3: -7, "fmt": [h'0102', true]}
        let bytes = [0xa3, 1, 2, 3, 0x26, 0x63, b'f', b'm', b't', 0x82, 0x42, 1, 2, 0xf5, 0xff];
        let (map, rest) = first(&bytes).unwrap();
        assert_eq!(rest, [0xff]);
        assert_eq!(map.get(&Item::Int(3)).and_then(Item::int), Some(-7));
        let list = Item::List(vec![Item::Bytes(vec![1, 2]), Item::Simple]);
        assert_eq!(map.get(&Item::Text("fmt".to_owned())), Some(&list));
        assert_eq!(first(&[0x19, 1, 0]).unwrap().0, Item::Int(256));
    }

    #[test]
    fn what_is_cut_short_endless_or_too_deep_is_refused() {
        for bad in [
            &[][..],
            &[0x42, 1],
            &[0x5f, 0x41, 1, 0xff],
            &[0x9f, 0xff],
            &[0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            &[0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            &[0x1b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            &[0x61, 0xff],
            &[0xf9, 0, 0],
            &[0x81, 0x81, 0x81, 0x81, 0x81, 0x00],
        ] {
            assert_eq!(first(bad), None, "{bad:?}");
        }
        let twice = first(&[0xa2, 1, 2, 1, 3]).unwrap().0;
        assert_eq!(twice.get(&Item::Int(1)), None, "a member that is there twice is none");
    }
}
