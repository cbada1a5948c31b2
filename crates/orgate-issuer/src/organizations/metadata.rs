//! What applications keep about an organization: a JSON object of a bounded size, changed by merge patch (RFC 7396) or as a
//! whole.

use serde_json::{Map, Value};

use crate::http::Problem;

/// How many bytes it may have, written down.
const MOST_BYTES: usize = 8 * 1024;
/// How deep it may be nested.
const MOST_DEPTH: usize = 8;

/// The object that `value` is, if it may be stored. `field` is what the body calls it.
pub(super) fn whole(field: &str, value: Value) -> Result<Value, Problem> {
    if !value.is_object() {
        return Err(Problem::invalid(field, "must be an object"));
    }
    if depth(&value) > MOST_DEPTH {
        return Err(Problem::invalid(field, format!("is nested deeper than {MOST_DEPTH}")));
    }
    if value.to_string().len() > MOST_BYTES {
        return Err(Problem::invalid(field, format!("has more than {MOST_BYTES} bytes")));
    }
    Ok(value)
}

/// `target` with `patch` merged into it; `null` takes away.
pub(super) fn merged(field: &str, target: &Value, patch: Value) -> Result<Value, Problem> {
    if !patch.is_object() {
        return Err(Problem::invalid(field, "must be an object"));
    }
    if depth(&patch) > MOST_DEPTH {
        return Err(Problem::invalid(field, format!("is nested deeper than {MOST_DEPTH}")));
    }
    whole(field, merge(target.clone(), patch))
}

fn merge(target: Value, patch: Value) -> Value {
    let Value::Object(patch) = patch else { return patch };
    let mut merged = match target {
        Value::Object(members) => members,
        _ => Map::new(),
    };
    for (name, value) in patch {
        if value.is_null() {
            merged.remove(&name);
        } else {
            let before = merged.remove(&name).unwrap_or(Value::Null);
            merged.insert(name, merge(before, value));
        }
    }
    Value::Object(merged)
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        Value::Array(values) => 1 + values.iter().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_patch_is_merged_as_the_rfc_says() {
        // RFC 7396, appendix A, as far as objects go.
        for (target, patch, result) in [
            (json!({"a":"b"}), json!({"a":"c"}), json!({"a":"c"})),
            (json!({"a":"b"}), json!({"b":"c"}), json!({"a":"b","b":"c"})),
            (json!({"a":"b"}), json!({"a":null}), json!({})),
            (json!({"a":"b","b":"c"}), json!({"a":null}), json!({"b":"c"})),
            (json!({"a":["b"]}), json!({"a":"c"}), json!({"a":"c"})),
            (json!({"a":"c"}), json!({"a":["b"]}), json!({"a":["b"]})),
            (json!({"a":{"b":"c"}}), json!({"a":{"b":"d","c":null}}), json!({"a":{"b":"d"}})),
            (json!({"a":[{"b":"c"}]}), json!({"a":[1]}), json!({"a":[1]})),
            (json!({"e":null}), json!({"a":1}), json!({"e":null,"a":1})),
            (json!({}), json!({"a":{"bb":{"ccc":null}}}), json!({"a":{"bb":{}}})),
        ] {
            assert_eq!(merged("metadata", &target, patch.clone()).unwrap(), result, "{target} {patch}");
        }
    }

    #[test]
    fn what_is_too_large_too_deep_or_no_object_is_refused() {
        assert!(whole("metadata", json!({ "a": "x".repeat(8_100) })).is_ok());
        assert!(whole("metadata", json!({ "a": "x".repeat(8_200) })).is_err());
        let deep = |levels: usize| (0..levels).fold(json!(1), |inner, _| json!({ "a": inner }));
        assert!(whole("metadata", deep(8)).is_ok() && whole("metadata", deep(9)).is_err());
        for bad in [json!([]), json!("x"), json!(1), Value::Null] {
            assert!(whole("metadata", bad.clone()).is_err() && merged("metadata", &json!({}), bad).is_err());
        }
        assert!(
            merged("metadata", &json!({ "a": "x".repeat(8_100) }), json!({ "b": "x".repeat(100) })).is_err()
        );
    }
}
