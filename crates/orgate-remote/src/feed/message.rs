//! What a change feed says: `{"seq":412,"marks":[…]}`.
//!
//! A message is understood as a whole or not at all. A mark of an unknown kind, or one that lacks what its kind needs, makes the
//! whole message one that cannot be understood: to pass over it would be to go on believing the tokens that it is about.
//! Members that are unknown are passed over; a mark that says more than we know refuses what we know of it.

use std::fmt;

use orgate_claims::UnixTime;
use orgate_verify::{Mark, Marks};
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, SeqAccess, Visitor},
};

/// What is heard at once.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message {
    /// The position to ask after next.
    pub(super) seq: u64,
    /// Whether the marks are all that live, whatever was heard before.
    pub(super) reset: bool,
    /// Whether it is only the beginning: the rest is told at once, or when it is asked for.
    pub(super) more: bool,
    pub(super) marks: Vec<Entry>,
}

/// A mark, and until when it matters.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) mark: Mark,
    pub(super) expires_at: UnixTime,
}

impl Message {
    /// Reads a message; `Err` says what cannot be understood, and nothing of its content.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, &'static str> {
        let wire: Wire = serde_json::from_slice(bytes)
            .map_err(|_| "it holds something else than a position and marks that are known here")?;
        let Wire { seq, reset, more, marks: Entries { entries, newest } } = wire;
        if newest > seq {
            return Err("a mark is newer than the position it came with");
        }
        Ok(Self { seq, reset, more, marks: entries })
    }
}

#[derive(Deserialize)]
struct Wire {
    seq: u64,
    #[serde(default)]
    reset: bool,
    #[serde(default)]
    more: bool,
    marks: Entries,
}

struct Entries {
    entries: Vec<Entry>,
    newest: u64,
}

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Entries;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of marks")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Entries, A::Error> {
                let (mut entries, mut newest) = (Vec::new(), 0);
                while let Some(wire) = list.next_element::<WireMark>()? {
                    if entries.len() >= Marks::MOST {
                        return Err(A::Error::custom("too many"));
                    }
                    newest = newest.max(wire.seq);
                    let expires_at = UnixTime::from_seconds(wire.expires_at);
                    let mark = wire.mark().ok_or_else(|| A::Error::custom("unknown"))?;
                    entries.push(Entry { mark, expires_at });
                }
                Ok(Entries { entries, newest })
            }
        }
        deserializer.deserialize_seq(List)
    }
}

#[derive(Deserialize)]
struct WireMark {
    seq: u64,
    kind: String,
    expires_at: i64,
    sub: Option<Box<str>>,
    org_id: Option<Box<str>>,
    role: Option<Box<str>>,
    sid: Option<Box<str>>,
    jti: Option<Box<str>>,
    client_id: Option<Box<str>>,
    kid: Option<Box<str>>,
    family: Option<Box<str>>,
    min: Option<u64>,
    before: Option<u64>,
}

impl WireMark {
    /// The mark; `None` if it is of a kind that is not known here, or lacks what its kind needs.
    fn mark(self) -> Option<Mark> {
        Some(match &*self.kind {
            "member" => Mark::Member { subject: self.sub?, organization: self.org_id?, min: self.min? },
            "role" => match (self.org_id, self.min, self.before) {
                (Some(organization), Some(min), None) => Mark::RoleIn { role: self.role?, organization, min },
                (organization, None, Some(before)) => Mark::Role { role: self.role?, organization, before },
                _ => return None,
            },
            "org" => match (self.org_id, self.min, self.before) {
                (Some(organization), min, None) => Mark::Organization { organization, min },
                (organization, None, Some(before)) => Mark::Organizations { organization, before },
                _ => return None,
            },
            "session" => Mark::Session(self.sid?),
            "subject" => Mark::Subject { subject: self.sub?, before: self.before? },
            "token" => Mark::Token(self.jti?),
            "client" => Mark::Client { client: self.client_id?, before: self.before? },
            "key" => Mark::Key(self.kid?),
            "family" => Mark::Family(self.family?),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one(mark: &str) -> Result<Vec<Entry>, &'static str> {
        let text = format!(r#"{{"seq":9,"marks":[{{"seq":9,"expires_at":100,{mark}}}]}}"#);
        Message::read(text.as_bytes()).map(|message| message.marks)
    }

    #[test]
    fn every_kind_is_read_as_the_mark_that_it_is() {
        let text = |text: &str| Box::<str>::from(text);
        for (wire, mark) in [
            (
                r#""kind":"member","sub":"s","org_id":"o","min":3"#,
                Mark::Member { subject: text("s"), organization: text("o"), min: 3 },
            ),
            (
                r#""kind":"role","role":"r","org_id":"o","min":3"#,
                Mark::RoleIn { role: text("r"), organization: text("o"), min: 3 },
            ),
            (
                r#""kind":"role","role":"r","before":3"#,
                Mark::Role { role: text("r"), organization: None, before: 3 },
            ),
            (
                r#""kind":"role","role":"r","org_id":"o","before":3"#,
                Mark::Role { role: text("r"), organization: Some(text("o")), before: 3 },
            ),
            (r#""kind":"org","before":3"#, Mark::Organizations { organization: None, before: 3 }),
            (
                r#""kind":"org","org_id":"o","before":3"#,
                Mark::Organizations { organization: Some(text("o")), before: 3 },
            ),
            (r#""kind":"family","family":"f""#, Mark::Family(text("f"))),
            (
                r#""kind":"org","org_id":"o","min":3"#,
                Mark::Organization { organization: text("o"), min: Some(3) },
            ),
            (r#""kind":"org","org_id":"o""#, Mark::Organization { organization: text("o"), min: None }),
            (r#""kind":"session","sid":"s""#, Mark::Session(text("s"))),
            (r#""kind":"subject","sub":"s","before":3"#, Mark::Subject { subject: text("s"), before: 3 }),
            (r#""kind":"token","jti":"t""#, Mark::Token(text("t"))),
            (r#""kind":"client","client_id":"c","before":3"#, Mark::Client { client: text("c"), before: 3 }),
            (r#""kind":"key","kid":"k","since":"now""#, Mark::Key(text("k"))),
        ] {
            let expires_at = UnixTime::from_seconds(100);
            assert_eq!(one(wire), Ok(vec![Entry { mark, expires_at }]), "{wire}");
        }
    }

    #[test]
    fn a_mark_that_is_not_understood_spoils_the_whole_message() {
        for wire in [
            r#""kind":"device","sid":"s""#,
            r#""kind":"member","sub":"s","org_id":"o""#,
            r#""kind":"member","sub":"s","min":3"#,
            r#""kind":"role","role":"r""#,
            r#""kind":"role","role":"r","min":3"#,
            r#""kind":"role","role":"r","org_id":"o","min":3,"before":3"#,
            r#""kind":"org","min":3"#,
            r#""kind":"org","org_id":"o","min":3,"before":3"#,
            r#""kind":"org""#,
            r#""kind":"family""#,
            r#""kind":"org","org_id":"o","min":-1"#,
            r#""kind":"org","org_id":"o","min":"3""#,
            r#""kind":"session","sid":7"#,
            r#""kind":"subject","sub":"s","before":1.5"#,
            r#""kind":"session","sid":"a","sid":"b""#,
            r#""sid":"s""#,
        ] {
            assert!(one(wire).is_err(), "{wire}");
        }
    }

    #[test]
    fn what_is_no_message_is_refused() {
        let empty = Message { seq: 3, reset: false, more: false, marks: Vec::new() };
        assert_eq!(Message::read(br#"{"seq":3,"marks":[]}"#), Ok(empty));
        assert!(Message::read(br#"{"seq":3,"reset":true,"marks":[]}"#).unwrap().reset);
        for text in [
            "",
            "null",
            "[]",
            r#"{"seq":3}"#,
            r#"{"marks":[]}"#,
            r#"{"seq":-3,"marks":[]}"#,
            r#"{"seq":3,"marks":{}}"#,
            r#"{"seq":3,"marks":[]} x"#,
            r#"{"seq":3,"reset":1,"marks":[]}"#,
            r#"{"seq":3,"marks":[{"seq":4,"kind":"session","sid":"s","expires_at":1}]}"#,
        ] {
            assert!(Message::read(text.as_bytes()).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_more_than_refused(text in ".{0,200}", bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Message::read(text.as_bytes());
            let _ = Message::read(&bytes);
        }
    }
}
