//! The section `issuers:` of a policy.

use serde_json::{Map, Value, json};

use super::policy::{DURATION, object, one_or_many, permissions_from, secret, source, text};

/// An entry under `issuers:`.
pub(super) fn issuer() -> Value {
    let claims: Map<String, Value> = ["sub", "org.id", "org.slug", "role", "permissions"]
        .iter()
        .map(|slot| {
            (
                (*slot).to_owned(),
                json!({"$ref": "#/properties/issuers/additionalProperties/definitions/source"}),
            )
        })
        .collect();
    let mut issuer = object(
        "On which terms its tokens are believed.",
        json!({
            "issuer": {"type": "string", "description": "The exact `iss`. `${NAME}` reads the environment."},
            "keys": {
                "description": "Where its keys are; `discover` by default.",
                "anyOf": [
                    {"enum": ["discover", "none"]},
                    object(
                        "At this address.",
                        json!({"jwks_uri": {"type": "string"}, "max_stale": text(DURATION)}),
                        &["jwks_uri"],
                    ),
                    object(
                        "In this file, beside the policy.",
                        json!({"file": {"type": "string"}, "max_stale": text(DURATION)}),
                        &["file"],
                    ),
                    object(
                        "Discovered, and trusted for so long when they cannot be renewed.",
                        json!({"max_stale": text(DURATION)}),
                        &["max_stale"],
                    ),
                    object("A secret that both sides hold.", json!({"secret": secret()}), &["secret"]),
                ],
            },
            "audience": one_or_many(json!({"type": "string", "minLength": 1})),
            "algorithms": one_or_many(json!({"type": "string"})),
            "typ": one_or_many(json!({"enum": ["at+jwt", "application/at+jwt", "JWT", "absent"]})),
            "leeway": text(DURATION),
            "profile": {"enum": orgate_config::profile_names().collect::<Vec<_>>(), "description": "The shape of its claims."},
            "permissions_from": permissions_from(),
            "introspect": object("Where rules with `fresh: live` ask whether a token still holds (RFC 7662).", json!({
                "url": {"type": "string"},
                "client_id": {"type": "string"},
                "secret": secret(),
                "cache": text(DURATION),
                "opaque": {
                    "description": "Whether it is asked about opaque tokens and API keys as well: all, or those that begin so.",
                    "anyOf": [
                        {"type": "boolean"},
                        object("Those that begin so.", json!({"prefix": one_or_many(text(r"^[A-Za-z0-9_~+/-]{2,64}$"))}), &["prefix"]),
                    ],
                },
            }), &["url", "client_id", "secret"]),
            "feed": feed(),
            "max_stale": text(DURATION),
            "on_stale": {
                "enum": ["ttl", "deny"],
                "description": "What becomes of its tokens when the feed was not heard for `max_stale` (30s): believed until they end, or refused.",
            },
            "dpop": {
                "description": "Whether its tokens are bound to keys of their senders (RFC 9449); `off` by default.",
                "anyOf": [
                    {"enum": ["off", "allowed", "required"]},
                    object("With a nonce in each proof.", json!({
                        "mode": {"enum": ["off", "allowed", "required"]},
                        "nonce": {
                            "description": "`true`, or the secret by which several gates know each other's nonces.",
                            "anyOf": [{"type": "boolean"}, secret()],
                        },
                    }), &["mode"]),
                ],
            },
            "mtls": {
                "enum": ["off", "allowed", "required"],
                "description": "Whether its tokens are bound to client certificates (RFC 8705); `off` by default.",
            },
            "claims": {
                "type": "object",
                "description": "Where the principal comes from, where the profile does not say.",
                "properties": claims,
                "patternProperties": {
                    r"^claims\.": {"$ref": "#/properties/issuers/additionalProperties/definitions/source"},
                    "^x-": {},
                },
                "additionalProperties": false,
            },
        }),
        &["issuer", "audience"],
    );
    if let Some(issuer) = issuer.as_object_mut() {
        issuer.insert("definitions".to_owned(), json!({"source": source()}));
    }
    issuer
}

fn feed() -> Value {
    json!({
        "description": "Its change feed, by which it says what it revokes; `off` by default.",
        "anyOf": [
            {"const": "off"},
            object("Read with a project key of the scope `feed`.", json!({"key": secret()}), &["key"]),
        ],
    })
}
