//! The host of a request, and the hosts of a rule.
//!
//! A rule may speak of one host (`GET admin.example.com/metrics`) or of all hosts below a suffix
//! (`GET *.example.com/x`, or `GET {tenant}.example.com/x`, which keeps what stands before the suffix). `*` and `{name}`
//! stand for one or more labels. Ports never count, letters are compared in lower case (RFC 9110 §4.2.3).
//!
//! A host is accepted only if it can be read in one way: refused are userinfo, escapes, empty labels, a trailing dot (the
//! same host in DNS, another one to most applications), labels and names longer than DNS allows (RFC 1035 §2.3.4), and
//! numbers that only some readers take for an IPv4 address (`127.1`, `0x7f.0.0.1`). An IPv6 literal is compared in the
//! form of RFC 5952. No name is resolved here.

use std::{
    borrow::Cow,
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
};

use crate::{Relation, RuleMatch, SyntaxError};

/// The longest host name (RFC 1035 §2.3.4).
const MAX_HOST_BYTES: usize = 253;
/// The longest label of one.
const MAX_LABEL_BYTES: usize = 63;

/// The hosts that a rule speaks of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostPattern {
    /// Whether `text` is the end of the host, behind one or more labels.
    wild: bool,
    /// The name of what stands before the suffix.
    parameter: Option<Box<str>>,
    /// The host, or the suffix without its leading dot.
    text: Box<str>,
}

impl HostPattern {
    /// Reads the host of a rule key.
    ///
    /// # Errors
    /// [`SyntaxError`] with the byte offset in `text`.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        let whole = |message: &str| SyntaxError::new(0, text.len(), message);
        if let Some(suffix) = text.strip_prefix("*.") {
            return Ok(Self { wild: true, parameter: None, text: suffix_of(suffix, 2)? });
        }
        if let Some((name, suffix)) = text.strip_prefix('{').and_then(|rest| rest.split_once("}.")) {
            let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
            if !starts || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
                let message = format!(
                    "`{name}` is no parameter name: letters, digits and `_`, not starting with a digit"
                );
                return Err(SyntaxError::new(0, name.len() + 2, message));
            }
            let text = suffix_of(suffix, name.len() + 3)?;
            return Ok(Self { wild: true, parameter: Some(name.into()), text });
        }
        if text.contains(['*', '{', '}']) {
            return Err(whole("only the labels before a suffix can vary").help(
                "write `*.example.com` or `{tenant}.example.com`; each stands for one or more labels",
            ));
        }
        let host = written(text, 0)?;
        if !host.contains('.') && !host.starts_with('[') && &*host != "localhost" {
            return Err(whole("a path starts with `/`")
                .help(format!("write `/{text}/…`; a host in a rule is `localhost` or has a dot")));
        }
        Ok(Self { wild: false, parameter: None, text: host })
    }

    /// The name that this gives to what stands before its suffix.
    #[must_use]
    pub fn parameter(&self) -> Option<&str> {
        self.parameter.as_deref()
    }

    /// Whether the host of a request, as [`RequestTarget::host`](crate::RequestTarget::host) gives it, is one of these.
    #[must_use]
    pub fn matches(&self, host: &str) -> bool {
        if self.wild { self.before(host).is_some() } else { *self.text == *host }
    }

    /// What `{name}` stands for in `host`; `None` without a name, and for a host that is not one of these.
    #[must_use]
    pub fn capture<'h>(&self, host: &'h str) -> Option<&'h str> {
        self.parameter.as_ref().and_then(|_| self.before(host))
    }

    fn before<'h>(&self, host: &'h str) -> Option<&'h str> {
        let before = host.strip_suffix(&*self.text)?.strip_suffix('.')?;
        (self.wild && !before.is_empty()).then_some(before)
    }

    /// How these hosts lie to those of `other`; names do not count, and no two ever cross.
    #[must_use]
    pub fn relation(&self, other: &Self) -> Relation {
        match (self.wild, other.wild) {
            _ if self.same_hosts(other) => Relation::Equal,
            (_, true) if other.before(&self.text).is_some() => Relation::Within,
            (true, _) if self.before(&other.text).is_some() => Relation::Around,
            _ => Relation::Disjoint,
        }
    }

    /// Whether both stand for the same hosts, whatever the names.
    #[must_use]
    pub(crate) fn same_hosts(&self, other: &Self) -> bool {
        self.wild == other.wild && self.text == other.text
    }

    /// The suffix of many hosts, or the only host.
    pub(crate) fn suffix_or_host(&self) -> (Option<&str>, Option<&str>) {
        if self.wild { (Some(&self.text), None) } else { (None, Some(&self.text)) }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.parameter, self.wild) {
            (Some(name), _) => write!(f, "{{{name}}}.{}", self.text),
            (None, true) => write!(f, "*.{}", self.text),
            (None, false) => f.write_str(&self.text),
        }
    }
}

/// How the hosts of two rules lie to each other; a rule without a host speaks of all, and of requests without one.
pub(crate) fn host_relation(a: Option<&HostPattern>, b: Option<&HostPattern>) -> Relation {
    match (a, b) {
        (None, None) => Relation::Equal,
        (Some(_), None) => Relation::Within,
        (None, Some(_)) => Relation::Around,
        (Some(a), Some(b)) => a.relation(b),
    }
}

impl<'p> RuleMatch<'p> {
    /// The rule's hosts, if it does not speak of all.
    #[must_use]
    pub fn host_pattern(&self) -> Option<&'p HostPattern> {
        self.rule.key.host()
    }

    /// The name and value of the host's parameter: for `{tenant}.example.com`, what stands before `.example.com`, in
    /// lower case.
    #[must_use]
    pub fn host_parameter(&self) -> Option<(&'p str, &'p str)> {
        if !self.terms.captures_host {
            return None;
        }
        let pattern = self.host_pattern()?;
        Some((pattern.parameter()?, pattern.capture(self.target.host()?)?))
    }
}

/// The suffix of many hosts; `at` is where it stands in the host of the key.
fn suffix_of(suffix: &str, at: usize) -> Result<Box<str>, SyntaxError> {
    let host = written(suffix, at)?;
    if host.starts_with('[') || host.parse::<Ipv4Addr>().is_ok() || is_number(&host) {
        return Err(SyntaxError::new(at, suffix.len(), "an address has no labels that could vary"));
    }
    Ok(host)
}

/// A host as it stands in a rule: in the one form that requests are compared in.
fn written(text: &str, at: usize) -> Result<Box<str>, SyntaxError> {
    let error = |message: String| SyntaxError::new(at, text.len().max(1), message);
    let (host, port) = split_port(text).ok_or_else(|| error(format!("`{text}` is no host")))?;
    if port.is_some() {
        return Err(error("a host in a rule has no port".into())
            .help(format!("write `{host}`; requests are compared without their port")));
    }
    if host.ends_with('.') {
        return Err(error("a host in a rule cannot end in a dot".into())
            .help("leave the last dot away; requests with it are refused with 400"));
    }
    if !host.is_ascii() {
        return Err(error("a host in a rule is ASCII".into())
            .help("write an internationalized name as it travels: `xn--…`"));
    }
    match canonical(host) {
        Some(canonical) if canonical == host => Ok(host.into()),
        Some(canonical) => {
            Err(error(format!("`{host}` is not how a host is compared")).help(format!("write `{canonical}`")))
        }
        None => Err(error(format!("`{host}` is no host"))),
    }
}

/// The host of a `Host` field or an `:authority`, without its port and in lower case; `None` for one that is malformed
/// or could be read in two ways. Borrowed unless it has upper-case letters or another spelling of an IPv6 address.
pub(crate) fn read(authority: &str) -> Option<Cow<'_, str>> {
    if let Some(plain) = plain(authority) {
        return Some(Cow::Borrowed(plain));
    }
    let (host, port) = split_port(authority)?;
    let fits = |port: &str| {
        (1..=5).contains(&port.len())
            && port.bytes().all(|byte| byte.is_ascii_digit())
            && port.parse::<u16>().is_ok()
    };
    if !port.is_none_or(fits) {
        return None;
    }
    canonical(host)
}

/// What most requests have, in one pass: a name in lower case without a port, whose last label begins with a letter.
fn plain(authority: &str) -> Option<&str> {
    if authority.len() > MAX_LABEL_BYTES {
        return None;
    }
    let bytes = authority.as_bytes();
    let dots = bytes.windows(2).any(|pair| pair == b"..") || bytes.first() == Some(&b'.');
    let label = bytes.rsplit(|byte| *byte == b'.').next()?;
    let in_place = |byte: &u8| PLAIN.get(usize::from(*byte)).copied().unwrap_or(false);
    (!dots && bytes.iter().all(in_place) && label.first()?.is_ascii_lowercase()).then_some(authority)
}

/// The bytes of a host name in lower case.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = 0;
    while byte < 0x80 {
        #[allow(clippy::indexing_slicing, reason = "evaluated when this is compiled")]
        {
            plain[byte] = matches!(byte as u8, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.');
        }
        byte += 1;
    }
    plain
};

/// Host and port, not yet checked.
fn split_port(authority: &str) -> Option<(&str, Option<&str>)> {
    if !authority.starts_with('[') {
        return Some(match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        });
    }
    let (inside, after) = authority.split_once(']')?;
    let host = authority.get(..=inside.len())?;
    match after.strip_prefix(':') {
        Some(port) => Some((host, Some(port))),
        None => after.is_empty().then_some((host, None)),
    }
}

fn canonical(host: &str) -> Option<Cow<'_, str>> {
    if let Some(address) = host.strip_prefix('[') {
        let address: Ipv6Addr = address.strip_suffix(']')?.parse().ok()?;
        let text = format!("[{address}]");
        return Some(if text == host { Cow::Borrowed(host) } else { Cow::Owned(text) });
    }
    if host.len() > MAX_HOST_BYTES {
        return None;
    }
    let (mut upper, mut label, mut last_label) = (false, 0usize, 0usize);
    for (at, byte) in host.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => label += 1,
            b'A'..=b'Z' => {
                upper = true;
                label += 1;
            }
            b'.' if label > 0 => {
                label = 0;
                last_label = at + 1;
            }
            _ => return None,
        }
        if label > MAX_LABEL_BYTES {
            return None;
        }
    }
    if label == 0 || is_number(host.get(last_label..)?) && host.parse::<Ipv4Addr>().is_err() {
        return None;
    }
    Some(if upper { Cow::Owned(host.to_ascii_lowercase()) } else { Cow::Borrowed(host) })
}

/// Whether some readers take the last label of a host for the last number of an IPv4 address (WHATWG URL, "ends in a
/// number").
fn is_number(host: &str) -> bool {
    let label = host.rsplit('.').next().unwrap_or(host);
    match label.strip_prefix("0x").or_else(|| label.strip_prefix("0X")) {
        Some(digits) => digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> HostPattern {
        HostPattern::parse(text).unwrap()
    }

    #[test]
    fn a_host_is_read_without_its_port_and_in_lower_case() {
        for (text, expected) in [
            ("example.com", "example.com"),
            ("Admin.EXAMPLE.com:8080", "admin.example.com"),
            ("localhost:0", "localhost"),
            ("my_service", "my_service"),
            ("127.0.0.1:65535", "127.0.0.1"),
            ("[::1]", "[::1]"),
            ("[0:0:0:0:0:0:0:1]:443", "[::1]"),
            ("[2001:DB8::A]", "[2001:db8::a]"),
            ("1.example", "1.example"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ] {
            assert_eq!(read(text).as_deref(), Some(expected), "{text}");
            assert_eq!(plain(expected).unwrap_or(expected), &*canonical(expected).unwrap(), "{text}");
        }
        let label = "a".repeat(63);
        assert!(read(&label).is_some() && read(&format!("{label}a")).is_none());
        let longest = format!("{label}.{label}.{label}.{}", "a".repeat(61));
        assert!(longest.len() == 253 && read(&longest).is_some() && read(&format!("{longest}a")).is_none());
    }

    #[test]
    fn a_host_that_could_be_read_in_two_ways_is_refused() {
        for text in [
            "",
            ".",
            "a.",
            "a.example.",
            ".a",
            "a..b",
            "a b",
            "a/b",
            "a\\b",
            "a%2eb",
            "u@a",
            "a,b",
            "a:b:c",
            "a:",
            "a:65536",
            "a:+80",
            "a:000080",
            "a:8o",
            ":80",
            "é.example",
            "[::1",
            "[::1]x",
            "[::1]:",
            "[]",
            "[::1%25eth0]",
            "[v1.a]",
            "[127.0.0.1]",
            "::1",
            "127.1",
            "0127.0.0.1",
            "127.0.0.01",
            "0x7f.0.0.1",
            "0x7f000001",
            "127.0.0.0x1",
            "a.0x",
            "2130706433",
            "1.2.3.4.5",
            "a.1",
            "256.0.0.1",
            "a\0",
            "a\t",
            "*.a",
            "a;b",
            "a?b",
            "a#b",
        ] {
            assert_eq!((read(text), plain(text)), (None, None), "{text}");
        }
    }

    #[test]
    fn hosts_of_rules_read_back_as_written() {
        for text in [
            "admin.example.com",
            "*.example.com",
            "{tenant}.example.com",
            "localhost",
            "127.0.0.1",
            "[::1]",
            "*.com",
        ] {
            assert_eq!(pattern(text).to_string(), text);
        }
        for text in [
            "*",
            "{t}",
            "*.",
            "{t}.",
            "a.*.b",
            "*a.b",
            "**.b",
            "{1t}.b",
            "{t}x.b",
            "{a}.{b}.c",
            "A.example",
            "a.example.",
            "a.example:80",
            "*.a.example:80",
            "ä.example",
            "projects",
            "*.0.0.1",
            "*.[::1]",
            "[::1]:80",
            "[0::1]",
            "127.1",
            "u@a.example",
            "*.*.a",
        ] {
            assert!(HostPattern::parse(text).is_err(), "{text}");
        }
        let error = HostPattern::parse("{tenant}.Example.com").unwrap_err();
        assert_eq!((error.at, error.help.as_deref()), (9, Some("write `example.com`")));
        let error = HostPattern::parse("projects").unwrap_err();
        assert_eq!(
            error.help.as_deref(),
            Some("write `/projects/…`; a host in a rule is `localhost` or has a dot")
        );
    }

    #[test]
    fn a_star_stands_for_one_or_more_labels() {
        let many = pattern("{tenant}.example.com");
        for (host, captured) in [
            ("acme.example.com", Some("acme")),
            ("a.b.example.com", Some("a.b")),
            ("example.com", None),
            ("badexample.com", None),
            (".example.com", None),
            ("example.com.evil.test", None),
        ] {
            assert_eq!(many.capture(host), captured, "{host}");
            assert_eq!(many.matches(host), captured.is_some(), "{host}");
        }
        assert!(pattern("*.example.com").matches("a.example.com"));
        assert_eq!(pattern("*.example.com").capture("a.example.com"), None, "it has no name");
        assert_eq!(pattern("a.example.com").capture("b.a.example.com"), None);
    }

    #[test]
    fn relations_follow_the_sets_of_hosts() {
        for (a, b, relation) in [
            ("a.b.c", "a.b.c", Relation::Equal),
            ("*.b.c", "{x}.b.c", Relation::Equal),
            ("a.b.c", "*.b.c", Relation::Within),
            ("*.a.b.c", "*.b.c", Relation::Within),
            ("*.c", "a.b.c", Relation::Around),
            ("b.c", "*.b.c", Relation::Disjoint),
            ("*.b.c", "b.c", Relation::Disjoint),
            ("*.ab.c", "*.b.c", Relation::Disjoint),
            ("a.b.c", "d.b.c", Relation::Disjoint),
        ] {
            assert_eq!(pattern(a).relation(&pattern(b)), relation, "{a} to {b}");
        }
    }
}
