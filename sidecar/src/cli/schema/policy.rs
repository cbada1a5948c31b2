//! The schema of a policy file, in the dialect that language servers for YAML know (JSON Schema draft-07).
//!
//! It knows every key that the reader knows and no other; a test compares the two. What a schema cannot say, such as
//! which names exist in other sections, `orgate check` says.

use orgate_policy::PathOptions;
use serde_json::{Value, json};

use super::{Names, issuers};

/// A rule's key: methods, and perhaps a host before the path.
const RULE_KEY: &str = r"^([A-Z-]+(\|[A-Z-]+)*) +[^/ ]*/[^ ]*$|^x-";
const PERMISSION: &str = r"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$";
pub(super) const DURATION: &str = r"^[0-9]+[smhd]$";
const LIMIT: &str = r"^[1-9][0-9]{0,6}/[smh] per (org|sub)$";
const HEADER: &str = r"^[A-Za-z][A-Za-z0-9_-]{0,63}$";

pub(super) fn schema(names: &Names) -> Value {
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "orgate policy",
        "description": "Which request needs which right. `orgate check` finds what a schema cannot.",
        "type": "object",
        "required": ["version", "rules"],
        "additionalProperties": false,
        "patternProperties": {"^x-": {}},
        "properties": {
            "version": {"const": 1, "description": "The version of the language."},
            "min_orgate": {"type": "string", "description": "The oldest version of orgate that can read the file."},
            "include": one_or_many(json!({"type": "string", "description": "Files of parts of the application: `policies/*.yaml`."})),
            "issuers": map_of(issuers::issuer(), "Whose tokens are believed, by a name of your own."),
            "token": token(),
            "permissions": {
                "description": "The permissions that rules may name, with what they mean; roles' grants count as well.",
                "anyOf": [
                    {"type": "object", "propertyNames": {"pattern": PERMISSION}, "additionalProperties": {"type": ["string", "null"]}},
                    one_or_many(text(PERMISSION)),
                ],
            },
            "roles": map_of(
                object("What the role grants.", json!({
                    "grants": one_or_many(name(&names.permissions, PERMISSION)),
                    "extends": one_or_many(name(&names.roles, ".")),
                }), &[]),
                "What roles grant, for tokens that carry a role and no permissions.",
            ),
            "permissions_from": permissions_from(),
            "bind": {
                "type": "object",
                "description": "What must be the caller's wherever it occurs: `tenant: org.id`, `header.x-org-id: org.id`.",
                "propertyNames": {"pattern": r"^([A-Za-z_][A-Za-z0-9_]*|(path|host|query|header)\..+|x-.*)$"},
                "additionalProperties": one_or_many(json!({"anyOf": [
                    {"enum": ["org.id", "org.slug", "sub"]},
                    text(r"^claims\..+$"),
                ]})),
            },
            "authenticators": map_of(authenticator(names), "Callers that prove themselves without a token, for `via(…)`."),
            "cors": object("What preflights of browsers are answered.", json!({"preflight": preflight()}), &["preflight"]),
            "mode": {"enum": ["enforce", "observe"], "description": "`observe` lets everything through and says what it would refuse."},
            "until": {"type": "string", "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$", "description": "The last day of `mode: observe`."},
            "conditions": {
                "type": "object",
                "description": "Names for comparisons that rules may use: `same_team: path.team_id == claims.team_id`.",
                "propertyNames": {"pattern": PERMISSION},
                "additionalProperties": {"type": "string"},
            },
            "rules": {
                "type": "object",
                "description": "`METHODS /path: requirement`. The most specific rule wins; order carries no meaning.",
                "minProperties": 1,
                "propertyNames": {"pattern": RULE_KEY},
                "additionalProperties": {"anyOf": [{"$ref": "#/definitions/requirement"}, rule()]},
            },
            "identity": object("How the application is told who is calling.", json!({
                "prefix": text(HEADER),
                "also_strip": one_or_many(text(HEADER)),
                "forward_token": {"enum": ["keep", "strip"], "description": "Whether the application sees the token; it does by default."},
                "sign": object("The caller once more as a signed token.", json!({
                    "issuer": {"type": "string", "description": "Its `iss`."},
                    "audience": one_or_many(json!({"type": "string", "minLength": 1})),
                }), &["issuer", "audience"]),
                "publish": {"type": "boolean", "description": "Whether its keys are served at /.well-known/orgate-identity/jwks.json."},
            }), &[]),
            "deny": object("How refusals look.", json!({
                "body": {"enum": ["problem", "flat"], "description": "RFC 9457, or {\"error\": \"…\"}."},
                "unmatched": {"enum": [403, 404], "description": "What a request without a rule is answered."},
                "hide": {"type": "boolean", "description": "Whether another organization's request is answered 404."},
                "pages": {"type": "boolean", "description": "Whether a browser that navigates is shown a page."},
                "disclose": {"enum": ["none", "permission", "full"], "description": "What a refusal tells."},
                "redirect": object("Where a browser is sent instead.", json!({
                    "login": {"type": "string"},
                    "organizations": {"type": "string"},
                }), &[]),
            }), &[]),
            "paths": object("How the application reads paths.", json!({
                "profile": {
                    "enum": PathOptions::PROFILES.map(|(name, _)| name),
                    "description": "What the router of this framework does.",
                },
                "trailing_slash": {"enum": ["ignore", "distinct"], "description": "Whether `/x` and `/x/` are one path or two."},
                "normalize": {"type": "boolean", "description": "Whether a path in another form than the usual one goes on in that."},
            }), &[]),
            "resource": object("What the application is to OAuth clients (RFC 9728).", json!({
                "url": {"type": "string", "description": "Its identifier, without query and fragment: `https://api.example.com`."},
                "name": {"type": "string"},
                "documentation": {"type": "string"},
                "scopes": one_or_many(json!({"type": "string"})),
            }), &["url"]),
            "lint": {
                "type": "object",
                "description": "How warnings count.",
                "additionalProperties": {"enum": ["off", "warn", "error"]},
            },
        },
        "definitions": {"requirement": requirement(names)},
    })
}

/// The schema of a file that a policy includes.
pub(super) fn fragment(names: &Names) -> Value {
    let mut schema = schema(names);
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        properties.retain(|key, _| ["version", "permissions", "conditions", "rules"].contains(&key.as_str()));
        let base =
            json!({"type": "string", "pattern": "^/", "description": "What stands before every path."});
        properties.insert("base".to_owned(), base);
    }
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("title".to_owned(), "part of an orgate policy".into());
        schema.insert("required".to_owned(), json!(["base"]));
    }
    schema
}

fn token() -> Value {
    object(
        "Where a request carries its token.",
        json!({
            "from": one_or_many(json!({"anyOf": [
                {"const": "bearer"},
                object("A header that holds the token alone.", json!({"header": text(HEADER)}), &["header"]),
                object("A cookie that holds the token.", json!({"cookie": {"type": "string"}}), &["cookie"]),
                object(
                    "A parameter of the query; it never goes on.",
                    json!({"query": text(r"^[A-Za-z0-9_-]{1,64}$")}),
                    &["query"],
                ),
                object(
                    "The subprotocol of a WebSocket behind which the token is offered.",
                    json!({"websocket_protocol": {"type": "string"}}),
                    &["websocket_protocol"],
                ),
            ]})),
            "public_url": one_or_many(json!({"type": "string", "description": "The address at which clients see the service, for proofs (DPoP)."})),
            "several": {"enum": ["refuse", "first"], "description": "What a request with several tokens gets."},
            "exchange": object("A session cookie that is exchanged for a token.", json!({
                "cookie": {"type": "string"},
                "url": {"type": "string"},
                "field": {"type": "string", "description": "Where the token is in the answer: a member, or a JSON pointer."},
                "org": {"type": "string", "pattern": "^[A-Za-z0-9._~-]{1,64}$", "description": "The query parameter that tells which organization a rule binds."},
                "cache": text(DURATION),
            }), &["cookie", "url", "field"]),
            "csrf": {
                "description": "Whose pages may call with a cookie.",
                "anyOf": [
                    {"const": "same-origin"},
                    object("These as well.", json!({"origins": one_or_many(json!({"type": "string"}))}), &["origins"]),
                ],
            },
        }),
        &[],
    )
}

fn authenticator(names: &Names) -> Value {
    let webhook = json!({
        "type": {"const": "webhook"},
        "scheme": {"enum": ["standard-webhooks", "stripe", "github"]},
        "secret": one_or_many(secret()),
        "tolerance": text(DURATION),
        "max_body": {"type": "string", "description": "The largest delivery that is read: `1MiB`."},
    });
    let caller = json!({
        "sub": {"type": "string"},
        "org.id": {"type": "string"},
        "org.slug": {"type": "string"},
        "role": one_or_many(name(&names.roles, ".")),
        "permissions": one_or_many(name(&names.permissions, PERMISSION)),
    });
    let key = json!({
        "type": {"const": "api_key"},
        "header": text(HEADER),
        "sha256": one_or_many(secret()),
        "as": object("Who the caller then is.", caller, &[]),
    });
    json!({"anyOf": [
        object("A signed delivery.", webhook, &["type", "scheme", "secret"]),
        object("A static key in a header.", key, &["type", "header", "sha256", "as"]),
    ]})
}

fn preflight() -> Value {
    let answer = json!({
        "origins": one_or_many(json!({"type": "string"})),
        "headers": one_or_many(json!({"type": "string"})),
        "methods": one_or_many(json!({"type": "string"})),
        "credentials": {"type": "boolean"},
        "max_age": text(DURATION),
    });
    let answer = object("What the answer allows.", answer, &["origins"]);
    json!({"anyOf": [
        {"enum": ["deny", "pass"]},
        object("They are answered here.", json!({"answer": answer}), &["answer"]),
    ]})
}

/// Where a secret is; it never stands in the file.
pub(super) fn secret() -> Value {
    json!({"anyOf": [
        object("In this environment variable.", json!({"env": {"type": "string"}}), &["env"]),
        object("In this file.", json!({"file": {"type": "string"}}), &["file"]),
    ]})
}

pub(super) fn source() -> Value {
    json!({"anyOf": [
        one_or_many(json!({"type": "string"})),
        object("Where a value comes from: the first claim that is there.", json!({
            "from": one_or_many(json!({"type": "string"})),
            "strip": {"type": "string", "description": "A prefix that names lose."},
            "split": {"type": "string", "description": "What separates names within one text."},
            "pick": {"type": "string", "description": "`keys` of an object, or this member of each object of a list."},
            "rename": {"type": "object", "additionalProperties": one_or_many(json!({"type": "string"}))},
            "optional": {"type": "boolean"},
            "required": {"type": "boolean"},
        }), &["from"]),
    ]})
}

fn rule() -> Value {
    object(
        "A rule with more than a requirement.",
        json!({
            "require": {"$ref": "#/definitions/requirement"},
            "unbound": one_or_many(json!({"type": "string"})),
            "hide": {"type": "boolean", "description": "Whether another organization's request is answered 404."},
            "shadow": {"$ref": "#/definitions/requirement"},
            "fresh": {"const": "live", "description": "Rights as they are now, whatever the token says."},
            "limit": {"type": "string", "pattern": LIMIT, "description": "How often its callers may ask: `100/s per org`, `20/m per sub`."},
            "allow_encoded_slash": {"type": "boolean", "description": "Whether `%2F` is accepted in what a final `**` stands for."},
            "allow": one_or_many(text("^W[0-9]{3}$")),
        "note": {"type": "string", "description": "For whoever reads it."},
        }),
        &["require"],
    )
}

/// A requirement: any text, with the words that are complete by themselves offered.
fn requirement(names: &Names) -> Value {
    let words = ["public", "optional", "deny", "authenticated", "org"].map(str::to_owned);
    let roles = names.roles.iter().map(|role| format!("role({role})"));
    let all: Vec<String> = words.into_iter().chain(names.permissions.iter().cloned()).chain(roles).collect();
    let description = "A permission, `role(…)`, a comparison, joined by `and`, `or`, `not`; or `public`, `optional`, `deny`.";
    let mut expression = json!({"type": "string", "minLength": 1});
    if !names.permissions.is_empty() {
        // One word alone must be one that exists; anything longer is read by `orgate check`.
        expression = text(r"[ ()]");
    }
    json!({"description": description, "anyOf": [{"enum": all}, expression]})
}

pub(super) fn permissions_from() -> Value {
    json!({
        "enum": ["token_else_role", "token", "role", "union"],
        "description": "Where permissions come from; the token by default, and what its roles grant if it has none.",
    })
}

fn name(known: &[String], pattern: &str) -> Value {
    if known.is_empty() {
        return text(pattern);
    }
    // New names may be written too: this is where they are declared.
    json!({"anyOf": [{"enum": known}, text(pattern)]})
}

pub(super) fn text(pattern: &str) -> Value {
    json!({"type": "string", "pattern": pattern})
}

pub(super) fn one_or_many(item: Value) -> Value {
    json!({"anyOf": [item.clone(), {"type": "array", "items": item}]})
}

fn map_of(value: Value, description: &str) -> Value {
    json!({"type": "object", "description": description, "additionalProperties": value})
}

pub(super) fn object(description: &str, properties: Value, required: &[&str]) -> Value {
    json!({
        "type": "object",
        "description": description,
        "properties": properties,
        "required": required,
        "additionalProperties": false,
        "patternProperties": {"^x-": {}},
    })
}
