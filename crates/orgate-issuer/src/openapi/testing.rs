//! Compares what the tests are answered with what the document says: status, media type, and in JSON every member. Objects
//! are closed here unless the document opens them, so a member that nobody described is found as well.

use std::sync::OnceLock;

use http::{HeaderMap, Method, StatusCode, header};
use serde_json::Value;

use crate::{Issuer, Settings, testing::ORIGIN};

/// The document of an issuer as the tests have it.
pub(crate) fn document() -> &'static Value {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    DOCUMENT.get_or_init(|| serde_json::from_str(&Issuer::openapi(&Settings::new(ORIGIN)).unwrap()).unwrap())
}

/// Panics if an answer is not as the document has it. What has no place in it (another prefix, a method that is refused
/// everywhere) is not looked at.
pub(crate) fn check(method: &Method, path: &str, status: StatusCode, headers: &HeaderMap, body: &[u8]) {
    let document = document();
    let method = if method == Method::HEAD { Method::GET } else { method.clone() };
    let Some(template) = template(document, path) else { return };
    let operation = &document["paths"][template][method.as_str().to_ascii_lowercase()];
    if operation.is_null() {
        return;
    }
    let place = format!("{method} {template} -> {status}");
    let answer = &operation["responses"][status.as_str()];
    assert!(answer.is_object(), "{place} is not in the document: {}", String::from_utf8_lossy(body));
    let Some(content) = answer["content"].as_object() else {
        assert!(body.is_empty(), "{place} has a body, and the document has none");
        return;
    };
    let media = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media = media.split(';').next().unwrap_or_default();
    let Some(described) = content.get(media) else {
        panic!("{place} is `{media}`, and the document has {:?}", content.keys());
    };
    if media.ends_with("json") && !body.is_empty() {
        let value = serde_json::from_slice(body).unwrap();
        if let Err(why) = fits(document, &[&described["schema"]], &value) {
            panic!("{place}: {why}: {value}");
        }
    }
}

/// The path of the document that `path` is one of; one without a parameter in that place is the better one.
fn template<'d>(document: &'d Value, path: &str) -> Option<&'d str> {
    let path = path.split('?').next().unwrap_or_default();
    let segments: Vec<&str> = path.split('/').collect();
    let fits = |template: &str| {
        let parts: Vec<&str> = template.split('/').collect();
        parts.len() == segments.len()
            && parts.iter().zip(&segments).all(|(part, segment)| {
                if part.starts_with('{') { !segment.is_empty() } else { part == segment }
            })
    };
    let all = document["paths"].as_object().unwrap().keys().map(String::as_str);
    all.filter(|template| fits(template)).min_by_key(|template| template.matches('{').count())
}

/// Whether `value` is what all of `schemas` say.
fn fits(document: &Value, schemas: &[&Value], value: &Value) -> Result<(), String> {
    let mut flat = Vec::new();
    for schema in schemas {
        flatten(document, schema, &mut flat);
    }
    for schema in &flat {
        if let Some(choices) = schema["anyOf"].as_array() {
            let reasons: Vec<String> =
                choices.iter().filter_map(|one| fits(document, &[one], value).err()).collect();
            if reasons.len() == choices.len() {
                return Err(reasons.join(", and "));
            }
        }
        if !schema["type"].is_null() && !names(&schema["type"]).any(|name| is_of(name, value)) {
            return Err(format!("{value} is no {}", schema["type"]));
        }
        if let Some(values) = schema["enum"].as_array()
            && !values.contains(value)
        {
            return Err(format!("{value} is none of {}", schema["enum"]));
        }
        if let (Some(least), Some(number)) = (schema["minimum"].as_f64(), value.as_f64())
            && number < least
        {
            return Err(format!("{value} is below {least}"));
        }
    }
    if let Some(items) = value.as_array() {
        for schema in flat.iter().map(|schema| &schema["items"]).filter(|items| items.is_object()) {
            for item in items {
                fits(document, &[schema], item)?;
            }
        }
    }
    match value.as_object() {
        Some(members) => members_fit(document, &flat, members),
        None => Ok(()),
    }
}

fn members_fit(
    document: &Value,
    flat: &[&Value],
    members: &serde_json::Map<String, Value>,
) -> Result<(), String> {
    let described = || flat.iter().filter_map(|schema| schema["properties"].as_object());
    for required in flat.iter().flat_map(|schema| names(&schema["required"])) {
        if !members.contains_key(required) {
            return Err(format!("`{required}` is missing"));
        }
    }
    let is_open =
        described().next().is_none() || flat.iter().any(|schema| schema["additionalProperties"] == true);
    for (name, value) in members {
        let of_member: Vec<&Value> = described().filter_map(|properties| properties.get(name)).collect();
        if of_member.is_empty() && !is_open {
            return Err(format!("`{name}` is not in the document"));
        }
        fits(document, &of_member, value).map_err(|why| format!("`{name}`: {why}"))?;
    }
    Ok(())
}

fn flatten<'d>(document: &'d Value, schema: &'d Value, into: &mut Vec<&'d Value>) {
    match (schema["$ref"].as_str(), schema["allOf"].as_array()) {
        (Some(name), _) => {
            let target = document.pointer(name.trim_start_matches('#'));
            flatten(document, target.unwrap_or_else(|| panic!("{name} leads nowhere")), into);
        }
        (None, Some(all)) => all.iter().for_each(|one| flatten(document, one, into)),
        (None, None) => into.push(schema),
    }
}

/// A text, or the texts of a list.
fn names(value: &Value) -> impl Iterator<Item = &str> {
    let one = value.as_str().into_iter();
    one.chain(value.as_array().into_iter().flatten().filter_map(Value::as_str))
}

fn is_of(name: &str, value: &Value) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("the document has the type `{other}`"),
    }
}

#[test]
fn an_answer_that_is_not_described_is_found() {
    let fits = |schema: Value, value: Value| {
        fits(&serde_json::json!({ "x": { "type": "string" } }), &[&schema], &value)
    };
    let object =
        serde_json::json!({ "type": "object", "required": ["a"], "properties": { "a": { "$ref": "#/x" } } });
    assert_eq!(fits(object.clone(), serde_json::json!({ "a": "1" })), Ok(()));
    for wrong in [
        serde_json::json!({}),
        serde_json::json!({ "a": 1 }),
        serde_json::json!({ "a": "1", "b": 1 }),
        serde_json::json!([]),
    ] {
        assert!(fits(object.clone(), wrong.clone()).is_err(), "{wrong}");
    }
    let open = serde_json::json!({ "allOf": [object, { "additionalProperties": true }] });
    assert_eq!(fits(open, serde_json::json!({ "a": "1", "b": 1 })), Ok(()));
    let choice =
        serde_json::json!({ "anyOf": [{ "type": "null" }, { "type": "array", "items": { "enum": [1] } }] });
    assert!(
        fits(choice.clone(), Value::Null).is_ok() && fits(choice.clone(), serde_json::json!([1])).is_ok()
    );
    assert!(fits(choice, serde_json::json!([2])).is_err());
}
