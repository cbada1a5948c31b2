//! Which headers pass a proxy.
//!
//! Three sorts do not: those that belong to one connection (RFC 9110 §7.6.1, with everything `Connection` lists);
//! those by which a client could make itself someone else (identity headers, `X-Forwarded-*`); and those by which it
//! could make the upstream serve another request than the one judged (reroute headers, method overrides).
//! Names are compared folded, see [`identity_headers`](crate::identity_headers).

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::identity_headers::{IdentityHeaders, fold_name};

/// Removes from a request what the client may not say: first identity, origin, reroute and override headers by folded
/// name, then what belongs to its connection. Framing headers stay: they are of the message as it was parsed.
pub(super) fn clean_request(headers: &mut HeaderMap, identity: &IdentityHeaders) {
    remove_where(headers, |name| is_of_the_gate(name, identity));
    remove_hop_by_hop(headers);
    // Ours to answer, and answered: the body is asked for when the upstream connection takes it.
    headers.remove(header::EXPECT);
}

/// Removes from a response what belongs to the upstream's connection.
pub(super) fn clean_response(headers: &mut HeaderMap) {
    remove_hop_by_hop(headers);
}

/// Removes from trailers what may not be there: the same names as in a head, and framing and routing fields, which
/// mean nothing after the body (RFC 9110 §6.5.1) but might to someone who merges trailers into the head.
pub(super) fn clean_trailers(trailers: &mut HeaderMap, identity: Option<&IdentityHeaders>) {
    remove_where(trailers, |name| {
        identity.is_some_and(|identity| is_of_the_gate(name, identity))
            || NEVER_IN_TRAILERS.contains(&&*fold_name(name))
    });
    remove_hop_by_hop(trailers);
}

/// Whether the list in header `name` has `member`.
pub(super) fn lists(headers: &HeaderMap, name: &HeaderName, member: &str) -> bool {
    list(headers, name).any(|other| other.eq_ignore_ascii_case(member))
}

/// Whether the client understands trailers: `TE: trailers` (RFC 9110 §10.1.4).
pub(super) fn takes_trailers(headers: &HeaderMap) -> bool {
    list(headers, &header::TE).any(|member| {
        let coding = member.split(';').next().unwrap_or_default();
        coding.trim().eq_ignore_ascii_case("trailers")
    })
}

/// The names among `headers` under which a client may say nothing, of a request that another proxy sends on: identity,
/// reroute and override. What that proxy writes itself stays, in the spelling in which it writes it.
pub(crate) fn not_of_the_client<'h>(
    headers: &'h HeaderMap,
    identity: &IdentityHeaders,
) -> impl Iterator<Item = &'h HeaderName> {
    let of_front = |name: &HeaderName| OF_FRONTS.contains(&name.as_str());
    headers.keys().filter(move |name| is_of_the_gate(name, identity) && !of_front(name))
}

fn is_of_the_gate(name: &HeaderName, identity: &IdentityHeaders) -> bool {
    let name = fold_name(name);
    identity.owns_folded(&name)
        || GATE_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || GATE_NAMES.contains(&&*name)
}

fn remove_hop_by_hop(headers: &mut HeaderMap) {
    // Listed names go first, while the list is still there.
    if headers.contains_key(header::CONNECTION) {
        let listed: Vec<HeaderName> = list(headers, &header::CONNECTION)
            .filter_map(|name| HeaderName::from_bytes(name.as_bytes()).ok())
            // What frames or addresses the message cannot be an option of the connection.
            .filter(|name| !PROTECTED.contains(name))
            .collect();
        for name in listed {
            headers.remove(name);
        }
    }
    remove_where(headers, |name| HOP_BY_HOP.contains(&&*fold_name(name)));
}

fn remove_where(headers: &mut HeaderMap, removed: impl Fn(&HeaderName) -> bool) {
    // Most requests have nothing to remove and then nothing is allocated.
    let names: Vec<HeaderName> = headers.keys().filter(|name| removed(name)).cloned().collect();
    for name in names {
        headers.remove(name);
    }
}

/// The members of a comma-separated header over all its lines; bytes that are no text are skipped.
fn list<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h str> {
    headers
        .get_all(name)
        .into_iter()
        .filter_map(|value: &HeaderValue| value.to_str().ok())
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .filter(|member| !member.is_empty())
}

/// Of one connection. Folded.
const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "upgrade",
    "keep-alive",
    "proxy-connection",
    "http2-settings",
    // Chunked is set anew where it is needed.
    "transfer-encoding",
];

static PROTECTED: [HeaderName; 4] =
    [header::HOST, header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::TRAILER];

/// What proxies write of a request's origin, spelled as they do.
const OF_FRONTS: [&str; 8] = [
    "forwarded",
    "x-forwarded-client-cert",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-real-ip",
    "x-request-id",
];

/// Folded.
const NEVER_IN_TRAILERS: [&str; 12] = [
    "authorization",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "cookie",
    "expect",
    "host",
    "set-cookie",
    "trailer",
    "transfer-encoding",
    "www-authenticate",
];

/// Who the client is, and where else the request could go. Folded.
const GATE_PREFIXES: [&str; 4] = ["x-forwarded-", "x-original-", "x-rewrite-", "x-envoy-original-"];

const GATE_NAMES: [&str; 9] = [
    "forwarded",
    // httpoxy: CGI turns it into the variable HTTP_PROXY.
    "proxy",
    "x-real-ip",
    "x-request-id",
    "x-script-name",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-http-path-override",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn cleaned(lines: &[(&str, &str)]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(
                HeaderName::from_bytes(name.as_bytes()).expect("name"),
                HeaderValue::from_str(value).expect("value"),
            );
        }
        let identity = IdentityHeaders::new("X-Orgate", &[]).expect("identity");
        clean_request(&mut headers, &identity);
        headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().expect("text"))).collect()
    }

    #[test]
    fn what_belongs_to_the_connection_stays_on_it() {
        let left = cleaned(&[
            ("Connection", "close, X-Secret"),
            ("connection", "x-other ,, keep-alive"),
            ("X-Secret", "1"),
            ("x-other", "1"),
            ("Keep-Alive", "timeout=5"),
            ("Proxy-Connection", "close"),
            ("Proxy-Authorization", "Basic eA=="),
            ("TE", "trailers"),
            ("Upgrade", "h2c"),
            ("HTTP2-Settings", "AAMAAABkAAQAAP__"),
            ("Proxy_Authorization", "Basic eA=="),
            ("Keep_Alive", "timeout=5"),
            ("Accept", "*/*"),
        ]);
        assert_eq!(left, ["accept: */*"]);
    }

    #[test]
    fn connection_cannot_remove_what_frames_or_addresses_the_message() {
        let left = cleaned(&[("Connection", "Host, Content-Length"), ("Host", "a"), ("Content-Length", "3")]);
        assert!(
            left.contains(&"host: a".to_owned()) && left.contains(&"content-length: 3".to_owned()),
            "{left:?}"
        );
    }

    #[test]
    fn identity_origin_reroute_and_override_headers_go_in_every_spelling() {
        let left = cleaned(&[
            ("X-Orgate-Sub", "eve"),
            ("x_orgate_sub", "eve"),
            ("X.Orgate.Org.Id", "acme"),
            ("X-Forwarded-For", "127.0.0.1"),
            ("X_Forwarded_Uri", "/public"),
            ("X-Forwarded-Prefix", "/x"),
            ("Forwarded", "for=127.0.0.1"),
            ("X-Real-IP", "127.0.0.1"),
            ("X-Original-URL", "/admin"),
            ("X-Rewrite-Url", "/admin"),
            ("X-Envoy-Original-Path", "/admin"),
            ("X-Script-Name", "/admin"),
            ("X-HTTP-Method-Override", "DELETE"),
            ("X_HTTP_Method", "DELETE"),
            ("X-Method-Override", "DELETE"),
            ("Proxy", "http://evil"),
            ("X-Requested-With", "fetch"),
        ]);
        assert_eq!(left, ["x-requested-with: fetch"]);
    }

    #[test]
    fn te_trailers_is_seen_in_any_form() {
        let with = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::TE, HeaderValue::from_str(value).expect("value"));
            takes_trailers(&headers)
        };
        assert!(with("trailers") && with("gzip, Trailers") && with("trailers;q=0.5"));
        assert!(!with("gzip") && !with("xtrailers"));
    }

    #[test]
    fn trailers_carry_neither_identity_nor_framing() {
        let mut trailers = HeaderMap::new();
        let names = [
            "x_orgate_sub",
            "content-length",
            "content_length",
            "transfer_encoding",
            "authorization",
            "cookie",
            "grpc-status",
        ];
        for name in names {
            trailers.insert(HeaderName::from_static(name), HeaderValue::from_static("1"));
        }
        let identity = IdentityHeaders::new("X-Orgate", &[]).expect("identity");
        clean_trailers(&mut trailers, Some(&identity));
        assert_eq!(trailers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["grpc-status"]);
    }
}
