//! JSON bodies, read strictly: one object, no name twice, no name that nobody asked for. Forms and queries: no name
//! twice. Neither has more than [`MAX_FIELDS`] names: reading what a stranger sent costs no more than its length.

use std::{collections::HashSet, fmt};

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Request, rejection::BytesRejection},
    response::IntoResponse as _,
};
use http::{HeaderMap, StatusCode, header, request::Parts};
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::problem::{Code, Problem};

/// The most bytes a body may have.
pub(crate) const MAX_BODY: usize = 64 * 1024;

/// The most names an object, a form or a query may have.
pub(crate) const MAX_FIELDS: usize = 64;

/// The largest limit somebody can set.
const MOST_LIMIT: i64 = 1_000_000_000;

/// The members of a JSON object, in the order they came.
#[derive(Debug)]
pub(crate) struct Object(Vec<(String, Value)>);

impl Object {
    /// Reads a body.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Problem> {
        serde_json::from_slice(bytes).map_err(|error| {
            // The library's message may quote the body; its place cannot.
            Problem::new(Code::BadRequest).detail(format!(
                "not a JSON object, at line {} column {}",
                error.line(),
                error.column()
            ))
        })
    }

    pub(crate) fn into_members(self) -> Vec<(String, Value)> {
        self.0
    }

    /// Takes the member `name` out; `null` is the same as no member.
    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        let at = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.swap_remove(at).1).filter(|value| !value.is_null())
    }

    /// A text, if there is one.
    pub(crate) fn text(&mut self, name: &str) -> Result<Option<String>, Problem> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Problem::invalid(name, "must be a text")),
        }
    }

    /// A text that must be there.
    pub(crate) fn required_text(&mut self, name: &str) -> Result<String, Problem> {
        self.text(name)?.ok_or_else(|| Problem::invalid(name, "is missing"))
    }

    /// A truth value, if there is one.
    pub(crate) fn flag(&mut self, name: &str) -> Result<Option<bool>, Problem> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(_) => Err(Problem::invalid(name, "must be true or false")),
        }
    }

    /// Takes the member `name` out, `null` as itself: for what can be taken away by it.
    pub(crate) fn nullable(&mut self, name: &str) -> Option<Value> {
        let at = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.swap_remove(at).1)
    }

    /// A limit, if one is named: a number, or `null` for none.
    pub(crate) fn limit(&mut self, name: &str) -> Result<Option<Option<i64>>, Problem> {
        match self.nullable(name) {
            None => Ok(None),
            Some(Value::Null) => Ok(Some(None)),
            Some(value) => match value.as_i64() {
                Some(number @ 0..=MOST_LIMIT) => Ok(Some(Some(number))),
                _ => Err(Problem::invalid(name, "must be a whole number or null")),
            },
        }
    }

    /// A time in seconds, if there is one, as milliseconds between these bounds.
    pub(crate) fn duration(
        &mut self,
        name: &str,
        bounds: &std::ops::RangeInclusive<i64>,
    ) -> Result<Option<i64>, Problem> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let ms =
            value.as_i64().and_then(|seconds| seconds.checked_mul(1000)).filter(|ms| bounds.contains(ms));
        ms.map(Some).ok_or_else(|| {
            let (least, most) = (bounds.start() / 1000, bounds.end() / 1000);
            Problem::invalid(name, format!("must be a whole number of seconds from {least} to {most}"))
        })
    }

    /// A list of texts, if there is one.
    pub(crate) fn texts(&mut self, name: &str) -> Result<Option<Vec<String>>, Problem> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let texts = value.as_array().and_then(|list| {
            list.iter().map(|one| one.as_str().map(str::to_owned)).collect::<Option<Vec<String>>>()
        });
        texts.map(Some).ok_or_else(|| Problem::invalid(name, "must be a list of texts"))
    }

    /// What is left, as it came.
    pub(crate) fn to_value(&self) -> Value {
        Value::Object(self.0.iter().cloned().collect())
    }

    /// Refuses what is left.
    pub(crate) fn finish(self) -> Result<(), Problem> {
        match self.0.first() {
            None => Ok(()),
            Some((name, _)) => Err(Problem::unknown_field(name)),
        }
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut members: Vec<(String, Value)> = Vec::new();
                let mut names = HashSet::new();
                while let Some((name, Strict(value))) = map.next_entry::<String, Strict>()? {
                    if members.len() == MAX_FIELDS {
                        return Err(de::Error::custom("too many names"));
                    }
                    if !names.insert(name.clone()) {
                        return Err(de::Error::custom("a name appears twice"));
                    }
                    members.push((name, value));
                }
                Ok(Object(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// A value in which no object has a name twice, at whatever depth.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_unit<E>(self) -> Result<Value, E> {
                Ok(Value::Null)
            }

            fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
                Ok(value.into())
            }

            fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
                Ok(value.into())
            }

            fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
                Ok(value.into())
            }

            fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
                Ok(value.into())
            }

            fn visit_str<E>(self, value: &str) -> Result<Value, E> {
                Ok(value.into())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
                let mut values = Vec::new();
                while let Some(Strict(value)) = list.next_element()? {
                    values.push(value);
                }
                Ok(values.into())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
                let mut members = serde_json::Map::new();
                while let Some((name, Strict(value))) = map.next_entry::<String, Strict>()? {
                    if members.insert(name, value).is_some() {
                        return Err(de::Error::custom("a name appears twice"));
                    }
                }
                Ok(members.into())
            }
        }
        deserializer.deserialize_any(Any).map(Self)
    }
}

/// The media type of a request, without its parameters, in lower case.
pub(crate) fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

/// A JSON body of the management API.
pub(crate) struct Json(pub(crate) Object);

impl<S: Send + Sync> FromRequest<S> for Json {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        // A page of another origin can send a form or plain text without being asked, but not this type.
        if media_type(request.headers()).as_deref() != Some("application/json") {
            return Err(Code::UnsupportedMediaType.into());
        }
        let bytes = Bytes::from_request(request, state).await.map_err(unreadable)?;
        Object::parse(&bytes).map(Self)
    }
}

/// The parameters of a query.
pub(crate) struct Query(pub(crate) Form);

impl Query {
    pub(crate) fn parse(query: Option<&str>) -> Result<Self, Problem> {
        let form = Form::parse(query.unwrap_or_default().as_bytes());
        let repeated = || Problem::invalid("query", "a parameter appears twice, or there are too many");
        form.map(Self).ok_or_else(repeated)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Self::parse(parts.uri.query())
    }
}

/// Why the bytes of a body did not come.
pub(crate) fn unreadable(rejection: BytesRejection) -> Problem {
    match rejection.into_response().status() {
        StatusCode::PAYLOAD_TOO_LARGE => Code::TooLarge.into(),
        _ => Code::BadRequest.into(),
    }
}

/// The fields of a form (`application/x-www-form-urlencoded`); none may come twice, and there is a limit to them.
pub(crate) struct Form(Vec<(String, String)>);

impl Form {
    /// Reads a form or a query; `None` if a name comes twice or there are too many.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut fields: Vec<(String, String)> = Vec::new();
        let mut names = HashSet::new();
        for (name, value) in form_urlencoded::parse(bytes) {
            if fields.len() == MAX_FIELDS || !names.insert(name.clone()) {
                return None;
            }
            fields.push((name.into_owned(), value.into_owned()));
        }
        Some(Self(fields))
    }

    /// Every field, in the order they came.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(body: &str) -> &'static str {
        Object::parse(body.as_bytes()).unwrap_err().code().as_str()
    }

    #[test]
    fn only_one_object_without_repetition_is_read() {
        assert_eq!(code(r#"{"a":1,"a":2}"#), "bad_request");
        assert_eq!(code(r#"{"a":{"b":[{"c":1,"c":2}]}}"#), "bad_request");
        let deep =
            Object::parse(br#"{"a":{"b":[{"c":-1,"d":1.5},null,true,"x",18446744073709551615]}}"#).unwrap();
        let plain = serde_json::json!({ "b": [{ "c": -1, "d": 1.5 }, null, true, "x", u64::MAX] });
        assert_eq!(deep.into_members(), [("a".to_owned(), plain)]);
        for bad in ["", "[]", "1", r#""x""#, "{", r#"{"a":1} x"#, &"[".repeat(500), "{\"a\":1e999}"] {
            assert_eq!(code(bad), "bad_request", "{bad}");
        }
    }

    #[test]
    fn what_nobody_asked_for_is_refused() {
        let mut body = Object::parse(br#"{"name":"x","owner":"me","slug":null}"#).unwrap();
        assert_eq!(body.required_text("name").unwrap(), "x");
        assert_eq!(body.text("slug").unwrap(), None);
        assert_eq!(body.finish().unwrap_err(), Problem::unknown_field("owner"));
    }

    #[test]
    fn a_wrong_type_is_an_invalid_value() {
        let mut body = Object::parse(br#"{"a":1,"b":"x"}"#).unwrap();
        assert_eq!(body.text("a").unwrap_err().code(), Code::InvalidValue);
        assert_eq!(body.flag("b").unwrap_err().code(), Code::InvalidValue);
        assert_eq!(body.required_text("c").unwrap_err().code(), Code::InvalidValue);
    }

    #[test]
    fn more_than_sixty_four_names_are_not_read() {
        let object = |count: usize| {
            let members: Vec<_> = (0..count).map(|at| format!("\"n{at}\":1")).collect();
            Object::parse(format!("{{{}}}", members.join(",")).as_bytes())
        };
        let form = |count: usize| {
            let fields: Vec<_> = (0..count).map(|at| format!("n{at}=1")).collect();
            Form::parse(fields.join("&").as_bytes())
        };
        assert!(object(64).is_ok() && form(64).is_some());
        assert_eq!(object(65).unwrap_err().code(), Code::BadRequest);
        assert!(form(65).is_none());
    }

    #[test]
    fn a_form_with_a_name_twice_is_no_form() {
        assert!(Form::parse(b"a=1&a=1").is_none());
        assert_eq!(Form::parse(b"a=1+2&b=%26").unwrap().get("b"), Some("&"));
    }
}
