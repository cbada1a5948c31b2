//! Which request targets can be judged.
//!
//! A request target is accepted only if it can be read in one way. Refused, not repaired (a repaired path is one that
//! the upstream may read otherwise):
//! 1. anything but the origin form: the path starts with `/` (RFC 9112 §3.2.1), methods TRACE and CONNECT, methods that are
//!    not in upper case;
//! 2. bytes outside `!`…`~`, and `\`, `;`, `#` anywhere in the path;
//! 3. an invalid `%XX`, or one that hides an unreserved character, `%`, `/`, `\`, `;`, `?`, `#`, a control character
//!    or broken UTF-8;
//! 4. an empty segment, a segment `.` or `..`, one that ends in `.`, one that starts or ends with an encoded space;
//! 5. more than 8 KiB of path or 32 segments;
//! 6. a host that could be read in two ways (the module `host` lists them).
//!
//! The query is never matched; it must only be printable ASCII. A trailing slash ends no segment; whether it makes another
//! path is for the policy to say. This is the only place that decodes a path; it does not know rules.
//!
//! A policy can ask for two things besides: that `%2F` is read where a rule says so ([`Policy::target`](crate::Policy::target)),
//! and that a path is first brought into the form that can be read ([`normalized`]), which is then the one that goes on.

mod error;
mod normalize;

use std::borrow::Cow;

pub use self::error::TargetError;
pub(crate) use self::normalize::normalized;

use crate::host;

/// The longest path, in bytes.
const MAX_PATH_BYTES: usize = 8 * 1024;
/// The most segments of a path.
pub(crate) const MAX_SEGMENTS: usize = 32;

/// A request target that can be read in one way.
#[derive(Clone, Debug)]
pub struct RequestTarget<'r> {
    method: &'r str,
    query: Option<&'r str>,
    /// The host without its port, in lower case.
    host: Option<Cow<'r, str>>,
    /// The path after decoding; the same bytes as received where nothing was encoded. `%2F`, where it is accepted at all,
    /// stays as it is: nothing else leaves a `%`.
    path: Cow<'r, str>,
    segments: Scan,
}

/// What an encoded slash is kept as.
const SLASH: &str = "%2F";

/// Where the segments of a path end; each begins behind the `/` that ends the one before.
#[derive(Clone, Debug, Default)]
struct Scan {
    ends: [u16; MAX_SEGMENTS],
    count: usize,
}

impl<'r> RequestTarget<'r> {
    /// Reads a request target in origin form, `path_and_query` as received.
    ///
    /// # Errors
    /// [`TargetError`] if the target could be read in two ways; the module page lists them.
    pub fn parse(method: &'r str, path_and_query: &'r str) -> Result<Self, TargetError> {
        Self::read(method, path_and_query, false)
    }

    /// Reads a request target; `slashes`: also one with `%2F`. Whoever asks for that settles what it means
    /// ([`Policy::target`](crate::Policy::target)).
    pub(crate) fn read(method: &'r str, path_and_query: &'r str, slashes: bool) -> Result<Self, TargetError> {
        if matches!(method, "TRACE" | "CONNECT") {
            return Err(TargetError::ForbiddenMethod);
        }
        if method.bytes().any(|byte| byte.is_ascii_lowercase()) {
            return Err(TargetError::MethodCase);
        }
        let mut scan = Scan::default();
        let (end, encoded) = scan.path(path_and_query)?;
        let (raw, query) = match path_and_query.split_at_checked(end) {
            Some((path, rest)) => (path, rest.strip_prefix('?')),
            None => (path_and_query, None),
        };
        if query.is_some_and(|query| !query.bytes().all(|byte| (0x21..=0x7e).contains(&byte) && byte != b'#'))
        {
            return Err(TargetError::ForbiddenByte);
        }
        let path = if encoded {
            let decoded = decode(raw, slashes)?;
            scan = Scan::default();
            scan.decoded(&decoded)?;
            Cow::Owned(decoded)
        } else {
            Cow::Borrowed(raw)
        };
        Ok(Self { method, query, host: None, path, segments: scan })
    }

    /// The same target at a host: the `Host` field or `:authority` as received, with or without a port. A request
    /// without one (HTTP/1.0) is matched by rules without a host only.
    ///
    /// # Errors
    /// [`TargetError::MalformedHost`] if the host could be read in two ways.
    pub fn at_host(mut self, host: Option<&'r str>) -> Result<Self, TargetError> {
        self.host = match host {
            Some(text) => Some(host::read(text).ok_or(TargetError::MalformedHost)?),
            None => None,
        };
        Ok(self)
    }

    /// The method as received; methods are case-sensitive (RFC 9110 §9.1).
    #[must_use]
    pub fn method(&self) -> &str {
        self.method
    }

    /// The host without its port, in lower case; an IPv6 address in brackets.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// The query without its `?`.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.query
    }

    /// How many segments the path has; the root has none.
    #[must_use]
    pub fn len(&self) -> usize {
        self.segments.count
    }

    /// Whether this is the root.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.segments.count == 0
    }

    /// The decoded segment `at`, from 0.
    #[must_use]
    pub fn segment(&self, at: usize) -> Option<&str> {
        let (start, end) = self.bounds(at)?;
        self.path.get(start..end)
    }

    /// Where the segment `at` stands in [`Self::path`].
    #[inline]
    pub(crate) fn bounds(&self, at: usize) -> Option<(usize, usize)> {
        if at >= self.segments.count {
            return None;
        }
        let before = match at.checked_sub(1) {
            Some(before) => *self.segments.ends.get(before)?,
            None => 0,
        };
        Some((usize::from(before) + 1, usize::from(*self.segments.ends.get(at)?)))
    }

    /// The decoded path.
    #[inline]
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Whether the path ends in `/`; the root does not.
    #[must_use]
    pub fn ends_in_slash(&self) -> bool {
        !self.is_empty() && self.path.ends_with('/')
    }

    /// The first segment with an encoded slash.
    pub(crate) fn encoded_slash(&self) -> Option<usize> {
        // Only what was decoded can hold one.
        let Cow::Owned(path) = &self.path else { return None };
        path.contains(SLASH).then(|| self.segments().position(|segment| segment.contains(SLASH))).flatten()
    }

    /// The same target as an application reads it that decodes slashes before it looks for a route.
    ///
    /// # Errors
    /// [`TargetError`] if no request could be sent so.
    pub(crate) fn split_at_slashes(&self) -> Result<Self, TargetError> {
        let path = self.path.replace(SLASH, "/");
        let mut segments = Scan::default();
        segments.decoded(&path)?;
        Ok(Self { path: Cow::Owned(path), segments, ..self.clone() })
    }

    /// All decoded segments.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        (0..self.segments.count).filter_map(|at| self.segment(at))
    }
}

/// What a byte of a path is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Plain,
    Slash,
    Percent,
    Query,
    Forbidden,
}

/// The class of every byte.
const CLASSES: [Class; 256] = {
    let mut classes = [Class::Forbidden; 256];
    let mut byte = 0x21;
    while byte <= 0x7e {
        #[allow(clippy::indexing_slicing, reason = "evaluated when this is compiled")]
        {
            classes[byte] = match byte as u8 {
                b'/' => Class::Slash,
                b'%' => Class::Percent,
                b'?' => Class::Query,
                b'\\' | b';' | b'#' => Class::Forbidden,
                _ => Class::Plain,
            };
        }
        byte += 1;
    }
    classes
};

/// How many bytes at the start have no meaning of their own; perhaps fewer than there are. Eight at a time.
fn plain(bytes: &[u8]) -> usize {
    let (words, tail) = bytes.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        let marks = marks(u64::from_le_bytes(*word));
        if marks != 0 {
            return at * 8 + (marks.trailing_zeros() / 8) as usize;
        }
    }
    let in_tail = tail.iter().position(|byte| class(*byte) != Class::Plain);
    words.len() * 8 + in_tail.unwrap_or(tail.len())
}

/// The highest bit of every byte of a word that is not [`Class::Plain`], and of a few that are: a borrow may mark the
/// byte above a marked one, and `!` and `'` are marked with `#` and `%`. Whoever meets a mark looks at the byte.
fn marks(word: u64) -> u64 {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGH: u64 = ONES << 7;
    let is = |word: u64, byte: u64| {
        let differs = word ^ (ONES * byte);
        differs.wrapping_sub(ONES) & !differs
    };
    let below_0x21 = word.wrapping_sub(ONES * 0x21) & !word;
    let marks = below_0x21
        | word
        | is(word, 0x7f)
        | is(word | (ONES * 0x10), 0x3f) // `/` and `?`
        | is(word & !(ONES * 0x06), 0x21) // `#` and `%`
        | is(word, 0x3b) // `;`
        | is(word, 0x5c); // `\\`
    marks & HIGH
}

fn class(byte: u8) -> Class {
    CLASSES.get(usize::from(byte)).copied().unwrap_or(Class::Forbidden)
}

/// The byte before `end`.
fn last(bytes: &[u8], end: usize) -> u8 {
    end.checked_sub(1).and_then(|at| bytes.get(at)).copied().unwrap_or(b'/')
}

impl Scan {
    /// Reads a path as received up to its query in one pass: where it ends, and whether anything in it is encoded. Then
    /// it is to be [decoded](Self::decoded) and scanned again.
    fn path(&mut self, text: &str) -> Result<(usize, bool), TargetError> {
        let bytes = text.as_bytes();
        if bytes.first() != Some(&b'/') {
            return Err(TargetError::NotAPath);
        }
        let (mut start, mut at, mut encoded) = (1usize, 1usize, false);
        let end = loop {
            at += plain(bytes.get(at..).unwrap_or_default());
            if at >= bytes.len() {
                break bytes.len();
            }
            match bytes.get(at).copied().map_or(Class::Forbidden, class) {
                Class::Plain => {}
                Class::Slash => {
                    self.close(start, at, last(bytes, at))?;
                    start = at + 1;
                }
                Class::Percent => encoded = true,
                Class::Query => break at,
                Class::Forbidden => return Err(TargetError::ForbiddenByte),
            }
            at += 1;
        };
        if end > MAX_PATH_BYTES {
            return Err(TargetError::TooLong);
        }
        if start < end {
            self.close(start, end, last(bytes, end))?; // a trailing slash ends no segment
        }
        Ok((end, encoded))
    }

    /// Reads a decoded path. Decoding never makes a `/`, so it splits as the received one does.
    fn decoded(&mut self, path: &str) -> Result<(), TargetError> {
        let path = path.strip_suffix('/').unwrap_or(path);
        let mut start = 1usize;
        for segment in path.split('/').skip(1) {
            let end = start + segment.len();
            if segment.starts_with(' ') || segment.ends_with(' ') {
                return Err(TargetError::SpaceAtEnd);
            }
            self.close(start, end, segment.bytes().next_back().unwrap_or(b'/'))?;
            start = end + 1;
        }
        Ok(())
    }

    /// Notes a segment whose last byte is `last`.
    fn close(&mut self, start: usize, end: usize, last: u8) -> Result<(), TargetError> {
        if start == end {
            return Err(TargetError::EmptySegment);
        }
        if last == b'.' {
            return Err(TargetError::DotSegment);
        }
        let place = self.ends.get_mut(self.count).ok_or(TargetError::TooLong)?;
        *place = u16::try_from(end).map_err(|_| TargetError::TooLong)?;
        self.count += 1;
        Ok(())
    }
}

/// Decodes every `%XX`, and refuses those that would change how the path is read; `slashes`: keeps `%2F`.
fn decode(raw: &str, slashes: bool) -> Result<String, TargetError> {
    let mut decoded = Vec::with_capacity(raw.len());
    let mut bytes = raw.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let mut digit = || {
            let digit = bytes
                .next()
                .and_then(|byte| char::from(byte).to_digit(16))
                .ok_or(TargetError::InvalidEncoding)?;
            u8::try_from(digit).map_err(|_| TargetError::InvalidEncoding)
        };
        let value = digit()? * 16 + digit()?;
        if slashes && value == b'/' {
            decoded.extend_from_slice(SLASH.as_bytes());
            continue;
        }
        let hidden = match value {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => true, // RFC 3986 §2.3
            b'%' | b'/' | b'\\' | b';' | b'?' | b'#' => true,
            _ => value.is_ascii_control(),
        };
        if hidden {
            return Err(TargetError::HiddenCharacter);
        }
        decoded.push(value);
    }
    let decoded = String::from_utf8(decoded).map_err(|_| TargetError::HiddenCharacter)?;
    if decoded.chars().any(char::is_control) {
        return Err(TargetError::HiddenCharacter); // C1
    }
    Ok(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segments(path: &str) -> Result<Vec<String>, TargetError> {
        RequestTarget::parse("GET", path).map(|target| target.segments().map(str::to_owned).collect())
    }

    #[test]
    fn ordinary_targets_are_split() {
        for (path, expected) in [
            ("/", vec![]),
            ("/?", vec![]),
            ("/orgs/acme", vec!["orgs", "acme"]),
            ("/orgs/acme/", vec!["orgs", "acme"]),
            ("/a.b/c..d/~x", vec!["a.b", "c..d", "~x"]),
            ("/x?/../admin&b=%2e", vec!["x"]),
            ("/a%20b/%C3%A9", vec!["a b", "é"]),
            ("/a+b,c=d@e:f!g$h'(i)*", vec!["a+b,c=d@e:f!g$h'(i)*"]),
            ("/%22%3Cx%3E", vec!["\"<x>"]),
        ] {
            assert_eq!(segments(path).unwrap(), expected, "{path}");
        }
    }

    #[test]
    fn two_readings_are_refused() {
        use TargetError::*;
        for (path, error) in [
            ("", NotAPath),
            ("*", NotAPath),
            ("admin", NotAPath),
            ("http://h/admin", NotAPath),
            ("/public/../admin", DotSegment),
            ("/./admin", DotSegment),
            ("/admin/.", DotSegment),
            ("/admin.", DotSegment),
            ("/public../admin", DotSegment),
            ("/public/%2e%2e/admin", HiddenCharacter),
            ("/public/.%2E/admin", HiddenCharacter),
            ("/public/..%2fadmin", HiddenCharacter),
            ("/%2fadmin", HiddenCharacter),
            ("/%252e", HiddenCharacter),
            ("/%61dmin", HiddenCharacter),
            ("/%5cadmin", HiddenCharacter),
            ("/admin%3bx", HiddenCharacter),
            ("/admin%3f/public", HiddenCharacter),
            ("/admin%23/public", HiddenCharacter),
            ("/admin%00", HiddenCharacter),
            ("/admin%0d%0a", HiddenCharacter),
            ("/admin%7f", HiddenCharacter),
            ("/%c0%ae", HiddenCharacter),
            ("/%ff", HiddenCharacter),
            ("/%C2%85", HiddenCharacter),
            ("/admin%20", SpaceAtEnd),
            ("/%20admin", SpaceAtEnd),
            ("/%20", SpaceAtEnd),
            ("//admin", EmptySegment),
            ("/x//admin", EmptySegment),
            ("/admin//", EmptySegment),
            ("//", EmptySegment),
            ("/\\admin", ForbiddenByte),
            ("/admin;a=b/x", ForbiddenByte),
            ("/admin#x", ForbiddenByte),
            ("/x?a#b", ForbiddenByte),
            ("/x?a b", ForbiddenByte),
            ("/é", ForbiddenByte),
            ("/a b", ForbiddenByte),
            ("/%", InvalidEncoding),
            ("/%2", InvalidEncoding),
            ("/%zz", InvalidEncoding),
            ("/%u002f", InvalidEncoding),
            ("/%+1", InvalidEncoding),
        ] {
            assert_eq!(segments(path), Err(error), "{path}");
        }
    }

    #[test]
    fn no_byte_with_a_meaning_is_passed_over_wherever_it_stands() {
        for byte in 0..=255u8 {
            for at in 0..24 {
                for fill in [b'a', b'~', b'!', b' ', 0, 0x80, 0xff, b'/', b'0'] {
                    let mut bytes = [fill; 24];
                    bytes[at] = byte;
                    let expected = bytes.iter().position(|byte| class(*byte) != Class::Plain).unwrap_or(24);
                    let found = plain(&bytes);
                    // A plain byte that is marked costs a look at it, and is found to be plain.
                    assert!(
                        found == expected || found < expected && matches!(bytes[found], b'!' | b'\''),
                        "{byte:#x} at {at} among {fill:#x}: {found} and not {expected}"
                    );
                }
            }
        }
    }

    #[test]
    fn lengths_are_bounded() {
        assert_eq!(segments(&"/a".repeat(32)).map(|s| s.len()), Ok(32));
        assert_eq!(segments(&"/a".repeat(33)), Err(TargetError::TooLong));
        assert!(segments(&format!("/{}", "a".repeat(8191))).is_ok());
        assert_eq!(segments(&format!("/{}", "a".repeat(8192))), Err(TargetError::TooLong));
    }

    #[test]
    fn a_method_that_an_application_could_read_as_another_is_refused() {
        for method in ["delete", "Delete", "get", "trace", "pAtch"] {
            assert_eq!(
                RequestTarget::parse(method, "/docs").unwrap_err(),
                TargetError::MethodCase,
                "{method}"
            );
        }
        for method in ["DELETE", "PURGE", "M-SEARCH", "X_Y".to_uppercase().as_str()] {
            assert!(RequestTarget::parse(method, "/docs").is_ok(), "{method}");
        }
    }

    #[test]
    fn a_target_may_be_at_a_host() {
        let target = || RequestTarget::parse("GET", "/x").unwrap();
        assert_eq!(target().host(), None);
        assert_eq!(target().at_host(None).unwrap().host(), None);
        assert_eq!(target().at_host(Some("Api.Example.com:443")).unwrap().host(), Some("api.example.com"));
        assert_eq!(target().at_host(Some("api.example.com.")).unwrap_err(), TargetError::MalformedHost);
        assert_eq!(target().at_host(Some("")).unwrap_err(), TargetError::MalformedHost);
    }

    #[test]
    fn trace_and_connect_are_refused_before_the_path_is_read() {
        assert_eq!(RequestTarget::parse("TRACE", "/..").unwrap_err(), TargetError::ForbiddenMethod);
        assert_eq!(RequestTarget::parse("CONNECT", "h:80").unwrap_err(), TargetError::ForbiddenMethod);
    }
}
