//! The schema of a settings file.

use serde_json::{Value, json};

use super::policy::{object, one_or_many};

pub(super) fn schema() -> Value {
    let text = |says: &str| json!({"type": "string", "description": says});
    let file = |says: &str| text(&format!("{says} Relative to the settings file."));
    let duration = |says: &str| json!({"type": "string", "pattern": "^[0-9]+[smhd]$", "description": says});
    let number = |least: i64, most: i64, says: &str| json!({"type": "integer", "minimum": least, "maximum": most, "description": says});
    let health = object(
        "What is asked of each address beside all requests.",
        json!({
            "path": text("What is asked for; 200 to 399 is a good answer."),
            "interval": duration("From one check to the next [5s]."),
            "timeout": duration("How long an answer may take [2s]."),
            "healthy": number(1, 100, "Good answers in a row that bring an address back [2]."),
            "unhealthy": number(1, 100, "Bad answers in a row that take it out [3]."),
        }),
        &["path"],
    );
    let upstream = object(
        "An application.",
        json!({
            "at": text("Which requests it gets: `/api`, `app.example.com`, `*.example.com/api` [all that no other gets]."),
            "url": one_or_many(text("http://, https://, h2c:// or unix:; several share the requests.")),
            "host": {"enum": ["preserve", "upstream"], "description": "Which `Host` it sees: the client's [preserve], or its own."},
            "health": health,
            "tls": object("TLS to it.", json!({
                "ca": file("Whom to believe; PEM [the system's authorities]."),
                "cert": file("The certificate that is shown; PEM."),
                "key": file("Its private key; PEM."),
            }), &[]),
        }),
        &["url"],
    );
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "orgate settings",
        "description": "How the proxy runs. `orgate check --settings` finds what a schema cannot.",
        "type": "object",
        "additionalProperties": false,
        "patternProperties": {"^x-": {}},
        "properties": {
            "listeners": object("Where it listens, and to whom.", json!({
                "proxy": text("Where clients connect [127.0.0.1:8080]."),
                "admin": text("Where /healthz, /readyz and /metrics are [127.0.0.1:9180]."),
                "trust_peers": one_or_many(text("Peers that are believed about where requests come from: 10.0.0.0/8 [none].")),
                "proxy_protocol": {"type": "boolean", "description": "Whether connections of those peers begin with the PROXY protocol [false]."},
            }), &[]),
            "upstreams": {"type": "array", "items": upstream, "description": "The applications."},
            "timeouts": object("How long to wait.", json!({
                "connect": duration("For a connection to an upstream [5s]."),
                "first_byte": duration("For the head of its answer [60s]."),
                "body_idle": duration("For the next part of a body, in each direction [60s]."),
                "idle": duration("How long an unused connection to it is kept; below its own [30s]."),
                "tunnel_idle": duration("How long a WebSocket may be silent [1h]."),
                "client_header": duration("For the head of a request, its first byte to its last [10s]."),
                "client_idle": duration("How long a client's connection may be idle; above that of the balancer in front [75s]."),
                "client_stall": duration("How long a client may take none of an answer [60s]."),
                "drain": duration("How long a stop waits for requests under way [30s]."),
            }), &[]),
            "tls": object("TLS towards clients.", json!({
                "cert": file("The certificate, the server's own first; PEM."),
                "key": file("Its private key; PEM."),
                "client_ca": file("Authorities of the certificates that clients are asked for; PEM."),
                "client_auth": {"enum": ["required", "optional"], "description": "Whether a client may come without one [required]."},
            }), &[]),
            "log": object("What is written.", json!({
                "level": text("error, warn, info, debug or trace, or levels by target [info]."),
                "format": {"enum": ["text", "json"], "description": "How log lines look [text]."},
                "decisions": file("The decision log; `-` is standard output."),
                "paths": {"enum": ["template", "full"], "description": "How paths are written there [template]."},
                "subjects": {"enum": ["hash", "plain"], "description": "How callers are named there [hash]."},
                "sample": number(1, 1_000_000, "One in so many of the requests that were simply let through [1]."),
            }), &[]),
            "tracing": object("OpenTelemetry; only in builds with the feature `otel`.", json!({
                "endpoint": text("The collector, which takes OTLP over HTTP: http://localhost:4318."),
                "sample": number(1, 1_000_000, "One in so many of the requests that come without a context [1]."),
            }), &["endpoint"]),
            "limits": object("How much there may be.", json!({
                "connections": number(8, 1_000_000, "Connections of clients at a time; more wait [10000, as far as open files go]."),
                "connections_per_peer": number(1, 1_000_000, "Of one address, or of one /64; more are closed [as many as there are]."),
                "header_fields": number(10, 1000, "Fields in a head [100]."),
                "header_bytes": number(8192, 1_048_576, "Bytes of a head [65536]."),
            }), &[]),
        },
    })
}
