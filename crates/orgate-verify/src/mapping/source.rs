//! Where one slot of the principal comes from, and how its value is read.
//!
//! A scalar is a string, or a whole number in decimal form where that is allowed. A set is an array of strings; a bare
//! string is a set only where `split` is written. Nothing is trimmed or folded. What has another type is malformed:
//! never read as absent, never guessed at.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use crate::{
    ClaimRef,
    claims_check::MAX_SAFE_INTEGER,
    json::{Map, Value},
};

/// Where one slot of the principal comes from: the first claim that is present, and how to read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimSource {
    pub(super) from: Vec<ClaimRef>,
    pub(super) strip: Option<Box<str>>,
    pub(super) rename: BTreeMap<Box<str>, Vec<Box<str>>>,
    pub(super) split: Option<Box<str>>,
    pub(super) pick: Option<Pick>,
    pub(super) required: bool,
    pub(super) integers: bool,
}

/// Which part of a structured claim makes a set.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pick {
    /// The names of an object's members.
    Keys,
    /// This member of each object in an array.
    Member(Box<str>),
}

impl ClaimSource {
    /// The first of `from` that is present; `null` counts as absent.
    #[must_use]
    pub fn new(from: Vec<ClaimRef>) -> Self {
        Self {
            from,
            strip: None,
            rename: BTreeMap::new(),
            split: None,
            pick: None,
            required: false,
            integers: true,
        }
    }

    /// Cuts `prefix` off each value that has it, before renaming.
    #[must_use]
    pub fn strip(mut self, prefix: &str) -> Self {
        self.strip = Some(prefix.into());
        self
    }

    /// Reads `name` as each of `names`: one in a scalar, one or several in a set.
    #[must_use]
    pub fn rename(mut self, name: &str, names: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.rename.insert(name.into(), names.into_iter().map(|to| to.as_ref().into()).collect());
        self
    }

    /// Takes a string as a set, separated by `separator`; empty pieces are dropped.
    #[must_use]
    pub fn split(mut self, separator: &str) -> Self {
        self.split = Some(separator.into());
        self
    }

    /// Takes a set from a structured claim.
    #[must_use]
    pub fn pick(mut self, pick: Pick) -> Self {
        self.pick = Some(pick);
        self
    }

    /// Refuses tokens in which none of the claims is present.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// Refuses whole numbers in a scalar, which are otherwise read as their decimal form.
    #[must_use]
    pub fn strings_only(mut self) -> Self {
        self.integers = false;
        self
    }

    /// The claim that is present, with its reference.
    pub(super) fn find<'s, 'v, 'c>(&'s self, claims: &'v Map<'c>) -> Option<(&'s ClaimRef, &'v Value<'c>)> {
        self.from.iter().find_map(|reference| reference.find(claims).map(|value| (reference, value)))
    }

    /// `value` as one text.
    pub(super) fn scalar<'v>(&'v self, value: &'v Value<'_>) -> Result<Cow<'v, str>, Malformed> {
        let text = match value {
            Value::Text(text) => Cow::Borrowed(self.stripped(text)),
            Value::Integer(n) if self.integers && n.unsigned_abs() <= MAX_SAFE_INTEGER.unsigned_abs() => {
                Cow::Owned(n.to_string())
            }
            _ if self.integers => return Err(Malformed("is neither a string nor a whole number")),
            _ => return Err(Malformed("is not a string")),
        };
        let text = match self.rename.get(&*text).and_then(|names| names.first()) {
            Some(name) => Cow::Borrowed(&**name),
            None => text,
        };
        bounded(&text)?;
        Ok(text)
    }

    /// `value` as a set of texts, in its order.
    pub(super) fn set<'v>(
        &'v self,
        value: &'v Value<'_>,
        bare: BareString,
    ) -> Result<Vec<&'v str>, Malformed> {
        let items: Vec<&str> = match (&self.pick, value) {
            (None, Value::List(list)) => texts(list.iter().map(Value::as_text))?,
            (None, Value::Text(text)) => match (&self.split, bare) {
                (Some(separator), _) => text.split(&**separator).filter(|piece| !piece.is_empty()).collect(),
                (None, BareString::OneElement) => vec![&**text],
                (None, BareString::Malformed) => return Err(NO_SET),
            },
            (Some(Pick::Keys), Value::Map(map)) => map.keys().map(|name| &**name).collect(),
            (Some(Pick::Member(member)), Value::List(list)) => texts(list.iter().map(|item| match item {
                Value::Map(map) => map.get(&**member).and_then(Value::as_text),
                _ => None,
            }))?,
            (None, _) => return Err(NO_SET),
            (Some(Pick::Keys), _) => return Err(Malformed("is not an object")),
            (Some(Pick::Member(_)), _) => return Err(Malformed("is not an array of objects")),
        };
        let mut set = Vec::with_capacity(items.len());
        for item in items.into_iter().map(|item| self.stripped(item)) {
            match self.rename.get(item) {
                Some(names) => set.extend(names.iter().map(|name| &**name)),
                None => set.push(item),
            }
        }
        if set.len() > MAX_SET_ELEMENTS {
            return Err(Malformed("has more than 1024 elements"));
        }
        set.iter().try_for_each(|item| bounded(item))?;
        Ok(set)
    }

    fn stripped<'v>(&self, text: &'v str) -> &'v str {
        self.strip.as_deref().and_then(|prefix| text.strip_prefix(prefix)).unwrap_or(text)
    }
}

/// What a string means where a set is wanted and `split` is not written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum BareString {
    /// The set of that one: a role is often written so.
    OneElement,
    Malformed,
}

/// What is wrong with a value, to be said behind the name of the claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed(pub(super) &'static str);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

fn texts<'v>(items: impl Iterator<Item = Option<&'v str>>) -> Result<Vec<&'v str>, Malformed> {
    items.collect::<Option<_>>().ok_or(Malformed("has an element that is not a string"))
}

fn bounded(text: &str) -> Result<(), Malformed> {
    if text.len() > MAX_VALUE_BYTES { Err(Malformed("is longer than 4 KiB")) } else { Ok(()) }
}

const NO_SET: Malformed = Malformed("is not an array of strings");
const MAX_SET_ELEMENTS: usize = 1024;
const MAX_VALUE_BYTES: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::parse_object;

    fn source() -> ClaimSource {
        ClaimSource::new(vec![ClaimRef::parse("v").unwrap()])
    }

    #[track_caller]
    fn set(source: &ClaimSource, bare: BareString, text: &str, expected: Result<&[&str], &'static str>) {
        let claims = parse_object(text.as_bytes()).unwrap();
        let found = source.set(&claims["v"], bare);
        assert_eq!(found.as_deref().map_err(|fault| fault.0), expected, "{text}");
    }

    #[test]
    fn a_set_is_an_array_of_strings_and_nothing_is_split_unless_written() {
        let plain = source();
        set(&plain, BareString::Malformed, r#"{"v":["a","b c"]}"#, Ok(&["a", "b c"]));
        set(&plain, BareString::Malformed, r#"{"v":[]}"#, Ok(&[]));
        set(&plain, BareString::OneElement, r#"{"v":"a b"}"#, Ok(&["a b"]));
        for text in [r#"{"v":"a"}"#, r#"{"v":1}"#, r#"{"v":true}"#, r#"{"v":{"a":1}}"#] {
            set(&plain, BareString::Malformed, text, Err("is not an array of strings"));
        }
        for text in [r#"{"v":["a",1]}"#, r#"{"v":[null]}"#, r#"{"v":[["a"]]}"#, r#"{"v":[{"a":1}]}"#] {
            set(&plain, BareString::Malformed, text, Err("has an element that is not a string"));
        }
        let split = source().split(" ");
        set(&split, BareString::Malformed, r#"{"v":" a  b "}"#, Ok(&["a", "b"]));
        set(&split, BareString::Malformed, r#"{"v":["a b"]}"#, Ok(&["a b"]));
    }

    #[test]
    fn structured_claims_give_a_set_only_where_the_mapping_says_so() {
        let keys = source().pick(Pick::Keys);
        set(&keys, BareString::Malformed, r#"{"v":{"b":1,"a":{}}}"#, Ok(&["a", "b"]));
        set(&keys, BareString::OneElement, r#"{"v":"a"}"#, Err("is not an object"));
        let member = source().pick(Pick::Member("name".into()));
        set(&member, BareString::Malformed, r#"{"v":[{"name":"b"},{"name":"a","x":1}]}"#, Ok(&["b", "a"]));
        set(&member, BareString::Malformed, r#"{"v":[{"x":1}]}"#, Err("has an element that is not a string"));
        set(&member, BareString::Malformed, r#"{"v":{"name":"a"}}"#, Err("is not an array of objects"));
    }

    #[test]
    fn stripping_comes_before_renaming_and_a_name_may_become_several() {
        let source = source().strip("org:").rename("members:write", ["invite", "remove"]);
        set(
            &source,
            BareString::Malformed,
            r#"{"v":["org:members:write","members:write","org:org:x","y"]}"#,
            Ok(&["invite", "remove", "invite", "remove", "org:x", "y"]),
        );
    }

    #[test]
    fn sets_and_values_are_bounded() {
        let list = |n: usize| format!("{{\"v\":[{}]}}", vec!["\"a\""; n].join(","));
        let claims = list(1024);
        assert_eq!(
            source()
                .set(&parse_object(claims.as_bytes()).unwrap()["v"], BareString::Malformed)
                .unwrap()
                .len(),
            1024
        );
        set(&source(), BareString::Malformed, &list(1025), Err("has more than 1024 elements"));
        let long = format!("{{\"v\":[\"{}\"]}}", "a".repeat(4097));
        set(&source(), BareString::Malformed, &long, Err("is longer than 4 KiB"));
    }

    #[test]
    fn a_scalar_is_a_string_or_a_whole_number_where_allowed() {
        let read = |source: &ClaimSource, text: &str| {
            let claims = parse_object(text.as_bytes()).unwrap();
            source.scalar(&claims["v"]).map(Cow::into_owned).map_err(|fault| fault.0)
        };
        let any = source();
        assert_eq!(read(&any, r#"{"v":" A "}"#).unwrap(), " A ");
        assert_eq!(read(&any, r#"{"v":9007199254740992}"#).unwrap(), "9007199254740992");
        assert_eq!(read(&any, r#"{"v":-7}"#).unwrap(), "-7");
        for text in
            [r#"{"v":9007199254740993}"#, r#"{"v":1.0}"#, r#"{"v":true}"#, r#"{"v":["a"]}"#, r#"{"v":{}}"#]
        {
            assert!(read(&any, text).is_err(), "{text}");
        }
        assert_eq!(read(&source().strings_only(), r#"{"v":7}"#), Err("is not a string"));
        assert_eq!(read(&source().strip("o:").rename("a", ["b"]), r#"{"v":"o:a"}"#).unwrap(), "b");
    }
}
