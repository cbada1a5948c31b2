//! W3C Trace Context: the headers `traceparent` and `tracestate`, read strictly and written anew.
//!
//! A `traceparent` that is not exactly one well-formed field is as good as none, and `tracestate` goes with it (§3.2, §3.3 of the
//! recommendation). Of versions to come the part is read that version 00 has, as the recommendation asks.

use std::fmt::Write as _;

use http::{HeaderMap, HeaderName, HeaderValue};

/// The name of the header that says where a request belongs.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// The name of the header in which tracing systems keep what is theirs.
pub const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// A place in a trace: a trace, one span of it, and whether it is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace; never zero.
    pub trace: [u8; 16],
    /// The span; never zero.
    pub span: [u8; 8],
    /// The flags that are known: recorded, and a trace id that is random.
    pub flags: u8,
}

impl TraceContext {
    /// The place that the one `traceparent` among `headers` names.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let mut fields = headers.get_all(TRACEPARENT).iter();
        match (fields.next(), fields.next()) {
            (Some(field), None) => Self::parse(field.as_bytes()),
            _ => None,
        }
    }

    /// `version "-" trace-id "-" parent-id "-" trace-flags`, in lower case.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (known, rest) = text.split_at_checked(LENGTH)?;
        let [version, trace, span, flags] =
            [known.get(..2)?, known.get(3..35)?, known.get(36..52)?, known.get(53..)?];
        if [2, 35, 52].iter().any(|at| known.get(*at) != Some(&b'-')) {
            return None;
        }
        let [version] = bytes::<1>(version)?;
        match (version, rest.first()) {
            (0xff, _) | (0, Some(_)) => return None,
            (_, None | Some(b'-')) => {}
            (_, Some(_)) => return None,
        }
        let (trace, span, [flags]) = (bytes::<16>(trace)?, bytes::<8>(span)?, bytes::<1>(flags)?);
        if trace == [0; 16] || span == [0; 8] {
            return None;
        }
        Some(Self { trace, span, flags: flags & (SAMPLED | RANDOM) })
    }

    /// Whether the trace is recorded.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// As a `traceparent`.
    #[must_use]
    pub fn to_header(self) -> HeaderValue {
        let mut text = String::with_capacity(LENGTH);
        text.push_str("00-");
        hex(&mut text, &self.trace);
        text.push('-');
        hex(&mut text, &self.span);
        text.push('-');
        hex(&mut text, &[self.flags]);
        HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""))
    }
}

/// What the `tracestate` fields among `headers` say together; `None` if that is nothing, or malformed.
#[must_use]
pub fn state(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut joined = String::new();
    for field in headers.get_all(TRACESTATE) {
        for member in field.to_str().ok()?.split(',').map(|member| member.trim_matches([' ', '\t'])) {
            if member.is_empty() {
                continue;
            }
            let (key, value) = member.split_once('=')?;
            let is_double = joined.split(',').any(|other| other.split('=').next() == Some(key));
            if !is_key(key) || !is_value(value) || is_double {
                return None;
            }
            if !joined.is_empty() {
                joined.push(',');
            }
            joined.push_str(member);
        }
    }
    let members = joined.split(',').count();
    if joined.is_empty() || members > MOST_MEMBERS {
        return None;
    }
    HeaderValue::try_from(joined).ok()
}

/// `system`, or `tenant@system`.
fn is_key(key: &str) -> bool {
    let fits = |part: &str, most: usize, may_begin_with_digit: bool| {
        let first = part.bytes().next();
        let begins = first
            .is_some_and(|byte| byte.is_ascii_lowercase() || may_begin_with_digit && byte.is_ascii_digit());
        let is_of_key =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-*/".contains(&byte);
        begins && part.len() <= most && part.bytes().all(is_of_key)
    };
    match key.split_once('@') {
        None => fits(key, 256, true),
        Some((tenant, system)) => fits(tenant, 241, true) && fits(system, 14, false),
    }
}

/// Printable, without `,` and `=`, and no space at its end.
fn is_value(value: &str) -> bool {
    let is_of_value = |byte: u8| matches!(byte, b' '..=b'~') && byte != b',' && byte != b'=';
    (1..=256).contains(&value.len()) && value.bytes().all(is_of_value) && !value.ends_with(' ')
}

/// So many bytes of hexadecimal digits in lower case.
fn bytes<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut read = [0; N];
    if digits.len() != 2 * N {
        return None;
    }
    for (place, pair) in read.iter_mut().zip(digits.chunks(2)) {
        let [high, low] = pair else { return None };
        *place = digit(*high)? << 4 | digit(*low)?;
    }
    Some(read)
}

fn hex(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        // Into a string nothing can fail.
        let _ = write!(text, "{byte:02x}");
    }
}

/// The trace is recorded by whoever asks.
pub const SAMPLED: u8 = 1;
/// The trace id is random.
const RANDOM: u8 = 2;
/// Of what version 00 has.
const LENGTH: usize = 55;
const MOST_MEMBERS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn headers(fields: &[(HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(name, HeaderValue::from_bytes(value.as_bytes()).expect("a value"));
        }
        headers
    }

    #[test]
    fn the_examples_of_the_recommendation_are_read_and_written() {
        let context = TraceContext::parse(EXAMPLE.as_bytes()).expect("well-formed");
        assert!(context.is_sampled());
        assert_eq!((context.trace[0], context.span[7]), (0x4b, 0xb7));
        assert_eq!(context.to_header(), EXAMPLE);
        let unsampled = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
        let context = TraceContext::parse(unsampled.as_bytes()).expect("well-formed");
        assert!(!context.is_sampled());
        assert_eq!(context.to_header(), unsampled);
    }

    #[test]
    fn of_later_versions_what_is_known_is_read_and_written_as_this_version() {
        for (text, flags) in [
            ("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "01"),
            ("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-the-future-will-be-like", "01"),
            ("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff", "03"),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-fe", "02"),
        ] {
            let context = TraceContext::parse(text.as_bytes()).expect(text);
            let written = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-{flags}");
            assert_eq!(context.to_header(), written, "{text}");
        }
    }

    #[test]
    fn what_is_malformed_is_none() {
        for text in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.more",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473.-00f067aa0ba902b7-01",
            "00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01",
            " 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0g",
        ] {
            assert_eq!(TraceContext::parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(TraceContext::of(&headers(&[(TRACEPARENT, EXAMPLE), (TRACEPARENT, EXAMPLE)])), None);
        assert!(TraceContext::of(&headers(&[(TRACEPARENT, EXAMPLE)])).is_some());
    }

    #[test]
    fn states_are_joined_in_their_order() {
        let joined = |fields: &[&str]| {
            let fields: Vec<_> = fields.iter().map(|field| (TRACESTATE, *field)).collect();
            state(&headers(&fields)).map(|value| value.to_str().expect("text").to_owned())
        };
        assert_eq!(
            joined(&["rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"]).as_deref(),
            Some("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE")
        );
        assert_eq!(
            joined(&["rojo=1", "", "congo=2 , \tfw529a3039@dt=x y"]).as_deref(),
            Some("rojo=1,congo=2,fw529a3039@dt=x y")
        );
        let many =
            |count: usize| (0..count).map(|number| format!("k{number}=1")).collect::<Vec<_>>().join(",");
        assert!(joined(&[&many(32)]).is_some());
        for malformed in [
            "",
            "rojo",
            "=1",
            "Rojo=1",
            "rojo=",
            "rojo=1,rojo=2",
            "a b=1",
            "rojo=1=2",
            "a@1b=1",
            "a@=1",
            "@b=1",
            "rojo=\u{e4}",
            &many(33),
        ] {
            assert_eq!(joined(&[malformed]), None, "{malformed}");
        }
    }
}
