//! The schema of the tests beside a policy.

use serde_json::{Value, json};

use super::{
    Names,
    policy::{object, one_or_many},
};

pub(super) fn schema(names: &Names) -> Value {
    let known = |names: &[String]| match names {
        [] => json!({"type": "string"}),
        names => json!({"enum": names}),
    };
    let text = || json!({"type": "string"});
    let principal = object(
        "Somebody who sends requests.",
        json!({
            "sub": text(),
            "role": one_or_many(known(&names.roles)),
            "roles": one_or_many(known(&names.roles)),
            "permissions": one_or_many(known(&names.permissions)),
            "org": {"anyOf": [
                {"type": ["string", "null"]},
                object("With its slug.", json!({"id": text(), "slug": text()}), &["id"]),
            ]},
            "issuer": text(),
            "claims": {"type": "object"},
        }),
        &[],
    );
    let who = || one_or_many(text());
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "orgate tests",
        "description": "Who gets in, checked by `orgate test`.",
        "type": "object",
        "required": ["cases"],
        "additionalProperties": false,
        "patternProperties": {"^x-": {}},
        "properties": {
            "now": {"description": "The time at which requests are judged."},
            "principals": {"type": "object", "additionalProperties": principal},
            "cases": {
                "type": "object",
                "description": "Exactly who gets in; everybody else and `anonymous` must be refused.",
                "propertyNames": {"pattern": "^[A-Z-]+ [^ ]+$|^x-"},
                "additionalProperties": {"anyOf": [
                    who(),
                    object("Who gets in, and why others do not.", json!({
                        "allow": who(),
                        "deny": {"type": "object", "additionalProperties": text()},
                        "host": text(),
                        "headers": {"type": "object", "description": "What the request carries besides."},
                        "with": {"type": "object", "description": "What authenticators say of it."},
                    }), &["allow"]),
                ]},
            },
        },
    })
}
