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
    pub(super) behind: Option<(ClaimRef, Box<str>)>,
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
    /// The names of an object's members whose value is an object that names the organization of the caller.
    KeysOfOrganization,
    /// The one value there is, in a scalar: the text, the only text of an array, or the name of the only member of an
    /// object. Of that member's value, if it is an object that has it, this member instead. Several, or none, are no
    /// value: nothing says which is meant.
    Only(Option<Box<str>>),
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
            behind: None,
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

    /// Where none of the claims is present: what stands behind `prefix` in the text of this one, if it starts so.
    #[must_use]
    pub fn or_behind(mut self, claim: ClaimRef, prefix: &str) -> Self {
        self.behind = Some((claim, prefix.into()));
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

    /// The text that the claims give, with the reference of its claim.
    pub(super) fn scalar_of<'s>(
        &'s self,
        claims: &'s Map<'_>,
    ) -> Option<(&'s ClaimRef, Result<Cow<'s, str>, Malformed>)> {
        match (self.find(claims), &self.pick, &self.behind) {
            (Some((reference, value)), Some(Pick::Only(member)), _) => {
                let text = only(value, member.as_deref()).transpose()?;
                Some((reference, text.and_then(|text| self.renamed(Cow::Borrowed(self.stripped(text))))))
            }
            (Some((reference, value)), _, _) => Some((reference, self.scalar(value))),
            (None, _, Some((reference, prefix))) => {
                let rest = reference.find(claims)?.as_text()?.strip_prefix(&**prefix)?;
                Some((reference, self.renamed(Cow::Borrowed(rest))))
            }
            (None, _, None) => None,
        }
    }

    /// `value` as one text.
    pub(super) fn scalar<'v>(&'v self, value: &'v Value<'_>) -> Result<Cow<'v, str>, Malformed> {
        self.renamed(match value {
            Value::Text(text) => Cow::Borrowed(self.stripped(text)),
            Value::Integer(n) if self.integers && n.unsigned_abs() <= MAX_SAFE_INTEGER.unsigned_abs() => {
                Cow::Owned(n.to_string())
            }
            _ if self.integers => return Err(Malformed("is neither a string nor a whole number")),
            _ => return Err(Malformed("is not a string")),
        })
    }

    fn renamed<'v>(&'v self, text: Cow<'v, str>) -> Result<Cow<'v, str>, Malformed> {
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
        organization: Option<&str>,
    ) -> Result<Vec<&'v str>, Malformed> {
        let items: Vec<&str> = match (&self.pick, value) {
            (None, Value::List(list)) => texts(list.iter().map(Value::as_text))?,
            (None, Value::Text(text)) => match (&self.split, bare) {
                (Some(separator), _) => text.split(&**separator).filter(|piece| !piece.is_empty()).collect(),
                (None, BareString::OneElement) => vec![&**text],
                (None, BareString::Malformed) => return Err(NO_SET),
            },
            (Some(Pick::Keys), Value::Map(map)) => map.keys().map(|name| &**name).collect(),
            (Some(Pick::KeysOfOrganization), Value::Map(map)) => keys_of(map, organization)?,
            (Some(Pick::Member(member)), Value::List(list)) => texts(list.iter().map(|item| match item {
                Value::Map(map) => map.get(&**member).and_then(Value::as_text),
                _ => None,
            }))?,
            (None, _) => return Err(NO_SET),
            (Some(Pick::Keys | Pick::KeysOfOrganization), _) => return Err(Malformed("is not an object")),
            (Some(Pick::Only(_)), _) => return Err(NO_SET),
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

/// The names whose value names `organization`: what is granted in another organization is none of this one.
fn keys_of<'v>(map: &'v Map<'_>, organization: Option<&str>) -> Result<Vec<&'v str>, Malformed> {
    let mut names = Vec::new();
    for (name, value) in map {
        let Value::Map(organizations) = value else {
            return Err(Malformed("has a member that is not an object"));
        };
        if organization.is_some_and(|organization| organizations.contains_key(organization)) {
            names.push(&**name);
        }
    }
    Ok(names)
}

/// The one text that `value` gives, if it gives one.
fn only<'v>(value: &'v Value<'_>, member: Option<&str>) -> Result<Option<&'v str>, Malformed> {
    match value {
        Value::Text(text) => Ok(Some(text)),
        Value::List(list) => {
            let texts = texts(list.iter().map(Value::as_text))?;
            Ok(if let [text] = texts[..] { Some(text) } else { None })
        }
        Value::Map(map) => {
            let mut members = map.iter();
            let (Some((name, value)), None) = (members.next(), members.next()) else { return Ok(None) };
            match (value, member) {
                (Value::Map(inner), Some(member)) => match inner.get(member) {
                    None | Some(Value::Null) => Ok(Some(name)),
                    Some(Value::Text(text)) => Ok(Some(text)),
                    Some(_) => Err(Malformed("has a member that is not a string")),
                },
                (Value::Map(_) | Value::Null, _) => Ok(Some(name)),
                _ => Err(Malformed("has a member that is not an object")),
            }
        }
        _ => Err(Malformed("is neither a string nor an array nor an object")),
    }
}

fn bounded(text: &str) -> Result<(), Malformed> {
    if text.len() > MAX_VALUE_BYTES { Err(Malformed("is longer than 4 KiB")) } else { Ok(()) }
}

const NO_SET: Malformed = Malformed("is not an array of strings");
pub(super) const MAX_SET_ELEMENTS: usize = 1024;
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
        let found = source.set(&claims["v"], bare, Some("o1"));
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
                .set(&parse_object(claims.as_bytes()).unwrap()["v"], BareString::Malformed, None)
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

    #[test]
    fn what_is_granted_in_another_organization_is_none_of_this_one() {
        let keys = source().pick(Pick::KeysOfOrganization);
        let claims =
            r#"{"v":{"admin":{"o2":"b.example"},"member":{"o1":"a.example","o2":"b.example"},"x":{}}}"#;
        set(&keys, BareString::OneElement, claims, Ok(&["member"]));
        let read = |organization| {
            let claims = parse_object(claims.as_bytes()).unwrap();
            keys.set(&claims["v"], BareString::OneElement, organization).map(|names| names.join(" "))
        };
        assert_eq!(read(Some("o2")).unwrap(), "admin member");
        assert_eq!(read(Some("o3")).unwrap(), "");
        assert_eq!(read(None).unwrap(), "", "without an organization nothing is granted in it");
        set(
            &keys,
            BareString::OneElement,
            r#"{"v":{"admin":true}}"#,
            Err("has a member that is not an object"),
        );
        set(&keys, BareString::OneElement, r#"{"v":["admin"]}"#, Err("is not an object"));
    }

    #[test]
    fn the_only_one_is_meant_and_of_several_none_is() {
        for (member, claims, expected) in [
            (None, r#"{"v":"acme"}"#, Ok(Some("acme"))),
            (None, r#"{"v":["acme"]}"#, Ok(Some("acme"))),
            (None, r#"{"v":["acme","globex"]}"#, Ok(None)),
            (None, r#"{"v":[]}"#, Ok(None)),
            (None, r#"{"v":{}}"#, Ok(None)),
            (None, r#"{"v":{"acme":{"id":"o1"}}}"#, Ok(Some("acme"))),
            (Some("id"), r#"{"v":{"acme":{"id":"o1"}}}"#, Ok(Some("o1"))),
            (Some("id"), r#"{"v":{"acme":{"other":["x"]}}}"#, Ok(Some("acme"))),
            (Some("id"), r#"{"v":{"acme":{"id":"o1"},"globex":{"id":"o2"}}}"#, Ok(None)),
            (Some("id"), r#"{"v":{"acme":{"id":["o1"]}}}"#, Err("has a member that is not a string")),
            (Some("id"), r#"{"v":{"acme":true}}"#, Err("has a member that is not an object")),
            (Some("id"), r#"{"v":[{"id":"o1"}]}"#, Err("has an element that is not a string")),
            (None, r#"{"v":7}"#, Err("is neither a string nor an array nor an object")),
        ] {
            let source = source().pick(Pick::Only(member.map(Into::into)));
            let claims_map = parse_object(claims.as_bytes()).unwrap();
            let found = source.scalar_of(&claims_map).map(|(_, text)| text.map_err(|fault| fault.0));
            assert_eq!(found.transpose(), expected.map(|text| text.map(Cow::Borrowed)), "{claims}");
        }
    }

    #[test]
    fn a_value_behind_a_prefix_counts_only_where_nothing_else_does() {
        let source = source().or_behind(ClaimRef::parse("aud").unwrap(), "urn:org:");
        for (claims, expected) in [
            (r#"{"aud":"urn:org:o1"}"#, Some("o1")),
            (r#"{"v":"o2","aud":"urn:org:o1"}"#, Some("o2")),
            (r#"{"v":null,"aud":"urn:org:o1"}"#, Some("o1")),
            (r#"{"aud":"https://api.example"}"#, None),
            (r#"{"aud":["urn:org:o1"]}"#, None),
            ("{}", None),
        ] {
            let claims_map = parse_object(claims.as_bytes()).unwrap();
            let found = source.scalar_of(&claims_map).map(|(_, text)| text.unwrap().into_owned());
            assert_eq!(found.as_deref(), expected, "{claims}");
        }
    }
}
