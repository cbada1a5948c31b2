//! JSON that can be read in one way only (RFC 8259, RFC 7493 §2.3).
//!
//! The text is one object, in UTF-8 without a byte order mark and with nothing behind it. No object at any level names a
//! member twice: two readers that keep the first and the last would see two tokens (RFC 8725 §2.6 gives the class). The
//! depth is bounded. A number is kept as what it was written as: a whole number within 64 bits, or some other number
//! that no claim of ours accepts. (With serde_json's feature `arbitrary_precision`, which any crate of an application can
//! switch on for all, such another number arrives as a map; no claim of ours accepts that either.)

use std::{borrow::Cow, cell::Cell, collections::BTreeMap, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

/// The members of an object, by unescaped name.
pub(crate) type Map<'a> = BTreeMap<Cow<'a, str>, Value<'a>>;

/// A JSON value that borrows what it can from its text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    Null,
    Bool(bool),
    Integer(i64),
    /// A fraction, an exponent, a negative zero, or more than 64 bits.
    OtherNumber,
    Text(Cow<'a, str>),
    List(Vec<Value<'a>>),
    Map(Map<'a>),
}

impl Value<'_> {
    pub(crate) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// What is wrong with a text. Says nothing of its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JsonError {
    NotUtf8,
    Syntax,
    NotAnObject,
    RepeatedMember,
    TooDeep,
}

impl JsonError {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::NotUtf8 => "is not UTF-8",
            Self::Syntax => "is not JSON",
            Self::NotAnObject => "is not a JSON object",
            Self::RepeatedMember => "names a member twice",
            Self::TooDeep => "is nested too deeply",
        }
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Reads `bytes` as one object.
pub(crate) fn parse_object(bytes: &[u8]) -> Result<Map<'_>, JsonError> {
    let text = std::str::from_utf8(bytes).map_err(|_| JsonError::NotUtf8)?;
    let fault = Cell::new(JsonError::Syntax);
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = Node { depth: MAX_DEPTH, fault: &fault }.deserialize(&mut reader).map_err(|_| fault.get())?;
    reader.end().map_err(|_| JsonError::Syntax)?;
    match value {
        Value::Map(map) => Ok(map),
        _ => Err(JsonError::NotAnObject),
    }
}

/// Deepest nesting, the object itself included. Tokens of known issuers need four levels.
const MAX_DEPTH: u8 = 32;

/// One value, with the levels that are left below it. `fault` takes what serde's error type cannot carry.
#[derive(Clone, Copy)]
struct Node<'f> {
    depth: u8,
    fault: &'f Cell<JsonError>,
}

impl Node<'_> {
    fn below<E: serde::de::Error>(self) -> Result<Self, E> {
        match self.depth.checked_sub(1) {
            Some(depth) => Ok(Self { depth, ..self }),
            None => Err(self.fail(JsonError::TooDeep)),
        }
    }

    fn fail<E: serde::de::Error>(self, fault: JsonError) -> E {
        self.fault.set(fault);
        E::custom(fault)
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value<'de>, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value<'de>, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value<'de>, E> {
        Ok(Value::Integer(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value<'de>, E> {
        Ok(i64::try_from(value).map_or(Value::OtherNumber, Value::Integer))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value<'de>, E> {
        Ok(Value::OtherNumber)
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Value<'de>, E> {
        Ok(Value::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value<'de>, E> {
        Ok(Value::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value<'de>, A::Error> {
        let below = self.below()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(below)? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value<'de>, A::Error> {
        let below = self.below()?;
        let mut map = Map::new();
        while let Some(name) = members.next_key_seed(below)? {
            let Value::Text(name) = name else {
                return Err(A::Error::custom("a member name is a string"));
            };
            let value = members.next_value_seed(below)?;
            if map.insert(name, value).is_some() {
                return Err(self.fail(JsonError::RepeatedMember));
            }
        }
        Ok(Value::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> JsonError {
        parse_object(text.as_bytes()).unwrap_err()
    }

    #[test]
    fn an_object_is_read_with_its_kinds_of_number_apart() {
        let map = parse_object(
            br#" {"a":1,"b":-9007199254740993,"c":1.0,"d":1e3,"e":18446744073709551615,"f":-0,"g":[null,true,"\u0061"]} "#,
        )
        .unwrap();
        assert_eq!(map["a"], Value::Integer(1));
        assert_eq!(map["b"], Value::Integer(-9_007_199_254_740_993));
        for name in ["c", "d", "e", "f"] {
            assert_eq!(map[name], Value::OtherNumber, "{name}");
        }
        assert_eq!(map["g"], Value::List(vec![Value::Null, Value::Bool(true), Value::Text("a".into())]));
    }

    #[test]
    fn a_member_named_twice_is_refused_at_every_level() {
        for text in [
            r#"{"a":1,"a":1}"#,
            r#"{"alg":"RS256","\u0061lg":"none"}"#,
            r#"{"x":{"a":1,"b":2,"a":3}}"#,
            r#"{"x":[{"a":null,"a":null}]}"#,
            r#"{"":1,"":2}"#,
        ] {
            assert_eq!(fault(text), JsonError::RepeatedMember, "{text}");
        }
        assert!(parse_object(r#"{"a":1,"A":2,"é":3,"e\u0301":4}"#.as_bytes()).is_ok());
    }

    #[test]
    fn what_is_no_single_object_is_refused() {
        for text in ["[]", "1", "null", "\"a\"", "true"] {
            assert_eq!(fault(text), JsonError::NotAnObject, "{text}");
        }
        for text in [
            "",
            " ",
            "{",
            "{}{}",
            "{} x",
            "{}\0",
            "{'a':1}",
            "{a:1}",
            r#"{"a":1,}"#,
            r#"{"a":NaN}"#,
            r#"{"a":Infinity}"#,
            r#"{"a":01}"#,
            r#"{"a":1e400}"#,
            r#"{"a":"\ud800"}"#,
            r#"{"a":"\x41"}"#,
            "{\"a\":\"\n\"}",
            "{/**/}",
            "\u{feff}{}",
        ] {
            assert_eq!(fault(text), JsonError::Syntax, "{text:?}");
        }
    }

    #[test]
    fn bytes_that_are_not_utf8_are_refused() {
        assert_eq!(parse_object(b"{\"a\":\"\xe9\"}"), Err(JsonError::NotUtf8));
        assert_eq!(parse_object(b"\xff\xfe{\0}\0"), Err(JsonError::NotUtf8));
    }

    #[test]
    fn the_depth_is_bounded_and_deep_texts_do_not_crash() {
        let nested = |levels: usize| format!("{{\"a\":{}1{}}}", "[".repeat(levels), "]".repeat(levels));
        assert!(parse_object(nested(31).as_bytes()).is_ok());
        assert_eq!(fault(&nested(32)), JsonError::TooDeep);
        assert_eq!(fault(&nested(5_000)), JsonError::TooDeep);
        let objects = format!("{}1{}", "{\"a\":".repeat(5_000), "}".repeat(5_000));
        assert_eq!(fault(&objects), JsonError::TooDeep);
    }
}
