//! Whatever a request line holds: refused, or read in exactly one way.
#![no_main]

use libfuzzer_sys::fuzz_target;
use orgate_policy::{Lookup, RequestTarget};

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (method, rest) = text.split_once(' ').unwrap_or(("GET", text));
    let (host, raw) = match rest.split_once(' ') {
        Some((host, raw)) => (Some(host), raw),
        None => (None, rest),
    };
    let Ok(target) = RequestTarget::parse(method, raw) else { return };
    let again = RequestTarget::parse(method, raw).expect("the same request is read again");
    let segments: Vec<&str> = target.segments().collect();
    assert_eq!(segments, again.segments().collect::<Vec<_>>());

    let path = raw.split('?').next().unwrap_or_default();
    assert!(path.starts_with('/') && path.len() <= 8 * 1024);
    assert!(segments.len() <= 32);
    for segment in &segments {
        assert!(
            !segment.is_empty() && *segment != "." && *segment != ".." && !segment.ends_with('.'),
            "{segment:?}"
        );
        assert!(!segment.contains(['/', '\\', '%', ';', '?', '#']), "{segment:?}");
        assert!(!segment.contains(char::is_control), "{segment:?}");
        assert!(!segment.starts_with(' ') && !segment.ends_with(' '), "{segment:?}");
    }
    // Who decodes the path once more, or not at all, must come to the same: nothing that was encoded had to be read as
    // something else before.
    for (raw, read) in path.split('/').filter(|raw| !raw.is_empty()).zip(&segments) {
        assert_eq!(decoded(raw), read.as_bytes(), "{raw:?}");
        let alone = format!("/{raw}");
        let reparsed = RequestTarget::parse(method, &alone).expect("a segment stands for itself");
        assert_eq!(reparsed.segments().collect::<Vec<_>>(), [*read]);
    }
    assert_eq!(path.split('/').filter(|raw| !raw.is_empty()).count(), segments.len());

    for name in ["a", "org_id", ""] {
        let _ = match target.query_value(name) {
            Lookup::One(value) => value.len() <= raw.len(),
            Lookup::Absent | Lookup::Several => true,
        };
    }
    if let Ok(at_host) = again.at_host(host)
        && let Some(name) = at_host.host()
    {
        assert!(!name.is_empty() && !name.contains(['/', '@', ' ', '%']) && !name.contains(char::is_control));
        assert!(!name.contains(char::is_uppercase), "{name:?}");
        let once_more = RequestTarget::parse(method, raw).expect("the same request is read again");
        assert_eq!(once_more.at_host(Some(name)).expect("a host stands for itself").host(), Some(name));
    }
});

/// A plain reading of percent encoding.
fn decoded(raw: &str) -> Vec<u8> {
    let bytes = raw.as_bytes();
    let mut out = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == b'%' {
            let digits = std::str::from_utf8(&bytes[at + 1..at + 3]).expect("two digits");
            out.push(u8::from_str_radix(digits, 16).expect("two digits"));
            at += 3;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    out
}
