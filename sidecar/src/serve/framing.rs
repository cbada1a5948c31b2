//! Request heads as they are on the wire, read before the HTTP parser repairs them.
//!
//! A parser that is generous to one message makes it a different message for the next reader: hyper takes a lone LF as
//! a line end, lets `Transfer-Encoding` win over `Content-Length`, merges equal lengths and cuts `#fragment` off the
//! target, all without a trace that a service could see. Requests with two readings are refused, not repaired
//! (RFC 9112 §6.3, §11.2), so this scanner follows the byte stream of a connection beside the parser and notes the
//! first head that has one. It refuses nothing itself and changes no byte; where the chunks of a body have two readings,
//! the parser does not get them, so that the body breaks off.
//!
//! It knows where a message ends only from `Content-Length` and `chunked`; all other rules stay with the parser.

use std::fmt;

/// Why a request head, or the end of the message before it, can be read in two ways, or not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[non_exhaustive]
pub enum Defect {
    /// A line does not end in CR LF, or has a CR elsewhere.
    LineEnd = 1,
    /// A header continues on the next line (obs-fold).
    Folded,
    /// The request target has a fragment.
    Fragment,
    /// `Content-Length` is not one plain decimal number, or is there twice.
    Length,
    /// `Transfer-Encoding` is not exactly one `chunked`.
    Coding,
    /// `Content-Length` and `Transfer-Encoding` in one message.
    LengthAndCoding,
    /// A name such as `Content_Length`, which another server may take for the real one.
    Imitation,
    /// The chunked body before this request has no clear end.
    Chunks,
    /// The target is no path.
    Path,
    /// `:scheme` is not that of HTTP.
    Scheme,
    /// `:authority` and `Host` differ.
    Authority,
    /// A field's value begins or ends with a space.
    Space,
    /// The head has more fields than are read.
    Fields,
    /// CONNECT asks for a tunnel.
    Connect,
    /// Extended CONNECT asks for what cannot be had over HTTP/1.1, or not in this way.
    Protocol,
}

impl Defect {
    fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            1 => Self::LineEnd,
            2 => Self::Folded,
            3 => Self::Fragment,
            4 => Self::Length,
            5 => Self::Coding,
            6 => Self::LengthAndCoding,
            7 => Self::Imitation,
            8 => Self::Chunks,
            _ => return None,
        })
    }

    /// The message number and the defect in one word, for an atomic.
    pub(super) fn pack(self, message: u64) -> u64 {
        (message << 8) | u64::from(self as u8)
    }

    /// The reverse of [`Defect::pack`]; `None` for 0.
    pub(super) fn unpack(word: u64) -> Option<(u64, Self)> {
        let [code, ..] = word.to_le_bytes();
        Self::from_code(code).map(|defect| (word >> 8, defect))
    }
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LineEnd => "a line does not end in CR LF",
            Self::Folded => "a header is folded over two lines",
            Self::Fragment => "the request target has a fragment",
            Self::Length => "`Content-Length` is not one decimal number",
            Self::Coding => "`Transfer-Encoding` is not one `chunked`",
            Self::LengthAndCoding => "both `Content-Length` and `Transfer-Encoding` are present",
            Self::Imitation => "a header imitates `Content-Length` or `Transfer-Encoding`",
            Self::Chunks => "the chunked body has no clear end",
            Self::Path => "the request target is no path",
            Self::Scheme => "the request target has a scheme that is not served",
            Self::Authority => "`:authority` and `Host` are not the same",
            Self::Space => "the value of a header begins or ends with a space",
            Self::Fields => "there are too many headers",
            Self::Connect => "the methods TRACE and CONNECT are not served",
            Self::Protocol => "of extended CONNECT only `websocket` is served, without a length",
        })
    }
}

/// Follows one connection from its first byte.
#[derive(Debug)]
pub(super) struct Scanner {
    state: State,
    /// What of the current line came in earlier reads.
    carried: Vec<u8>,
    head: Head,
    heads: u64,
    defect: Option<(u64, Defect)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Head,
    Body {
        left: u64,
    },
    ChunkSize,
    ChunkData {
        left: u64,
    },
    ChunkEnd,
    Trailers,
    /// In a head, which is refused.
    Lost,
    /// In a body, which breaks off.
    Broken,
}

#[derive(Clone, Copy, Debug, Default)]
struct Head {
    begun: bool,
    lines: u32,
    length: Option<u64>,
    chunked: bool,
}

impl Scanner {
    pub(super) fn new() -> Self {
        Self { state: State::Head, carried: Vec::new(), head: Head::default(), heads: 0, defect: None }
    }

    /// The first message with two readings, counted from 0. Nothing after it is looked at.
    pub(super) fn defect(&self) -> Option<(u64, Defect)> {
        self.defect
    }

    /// Whether the peer has begun a head, or the connection, and not finished it.
    pub(super) fn awaits_head(&self) -> bool {
        self.state == State::Head && (self.head.begun || self.heads == 0)
    }

    /// Whether bytes of a body may still be on their way.
    pub(super) fn inside_body(&self) -> bool {
        self.state != State::Head
    }

    /// Whether a body broke off: nothing that comes after it is for the parser.
    pub(super) fn is_broken(&self) -> bool {
        self.state == State::Broken
    }

    /// Takes the next bytes of the stream. Returns how many of them are for the parser.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> usize {
        let mut left_over = bytes;
        while !left_over.is_empty() {
            let before = bytes.len() - left_over.len();
            left_over = match self.state {
                State::Lost => break,
                State::Broken => return before,
                State::Body { left } => {
                    let (rest, left) = skip(left_over, left);
                    self.state = if left == 0 { State::Head } else { State::Body { left } };
                    rest
                }
                State::ChunkData { left } => {
                    let (rest, left) = skip(left_over, left);
                    self.state = if left == 0 { State::ChunkEnd } else { State::ChunkData { left } };
                    rest
                }
                State::Head | State::ChunkSize | State::ChunkEnd | State::Trailers => {
                    self.feed_line(left_over)
                }
            };
            if self.is_broken() {
                return before;
            }
        }
        bytes.len()
    }

    fn feed_line<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        if self.state == State::Head {
            self.head.begun = true;
        }
        let Some(end) = bytes.iter().position(|&byte| byte == b'\n') else {
            // INVARIANT: bounded, because the parser stops reading a head or a chunk line that outgrows its buffer.
            self.carried.extend_from_slice(bytes);
            return &[];
        };
        let (line, rest) = bytes.split_at(end + 1);
        if self.carried.is_empty() {
            self.line(line);
        } else {
            let mut whole = std::mem::take(&mut self.carried);
            whole.extend_from_slice(line);
            self.line(&whole);
            whole.clear();
            self.carried = whole;
        }
        rest
    }

    fn line(&mut self, line: &[u8]) {
        let Some(text) = line.strip_suffix(b"\r\n").filter(|text| !text.contains(&b'\r')) else {
            return self.lose(if self.state == State::Head { Defect::LineEnd } else { Defect::Chunks });
        };
        match self.state {
            State::Head => self.head_line(text),
            State::ChunkSize => match chunk_size(text) {
                Some(0) => self.state = State::Trailers,
                Some(left) => self.state = State::ChunkData { left },
                None => self.lose(Defect::Chunks),
            },
            State::ChunkEnd if text.is_empty() => self.state = State::ChunkSize,
            State::ChunkEnd => self.lose(Defect::Chunks),
            State::Trailers if text.is_empty() => self.state = State::Head,
            State::Trailers if !is_field(text) => self.lose(Defect::Chunks),
            State::Trailers | State::Body { .. } | State::ChunkData { .. } | State::Lost | State::Broken => {}
        }
    }

    fn head_line(&mut self, text: &[u8]) {
        match (text.first(), self.head.lines) {
            // Blank lines before a request line are skipped by every reader (RFC 9112 §2.2).
            (None, 0) => self.head.begun = false,
            (None, _) => self.end_of_head(),
            (Some(_), 0) if text.contains(&b'#') => self.lose(Defect::Fragment),
            (Some(_), 0) => self.head.lines = 1,
            (Some(b' ' | b'\t'), _) => self.lose(Defect::Folded),
            (Some(_), lines) => {
                self.head.lines = lines.saturating_add(1);
                if let Err(defect) = self.head.field(text) {
                    self.lose(defect);
                }
            }
        }
    }

    fn end_of_head(&mut self) {
        let head = std::mem::take(&mut self.head);
        self.state = match head {
            Head { length: Some(_), chunked: true, .. } => return self.lose(Defect::LengthAndCoding),
            Head { chunked: true, .. } => State::ChunkSize,
            Head { length: Some(left @ 1..), .. } => State::Body { left },
            Head { .. } => State::Head,
        };
        self.heads += 1;
    }

    /// A defect inside a head belongs to that head, one in a body to the request that would follow it.
    fn lose(&mut self, defect: Defect) {
        self.state = if self.state == State::Head { State::Lost } else { State::Broken };
        self.defect = Some((self.heads, defect));
    }
}

impl Head {
    fn field(&mut self, text: &[u8]) -> Result<(), Defect> {
        // A line without a colon is the parser's to refuse.
        let Some(colon) = text.iter().position(|&byte| byte == b':') else { return Ok(()) };
        let (name, value) = text.split_at(colon);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        if name.eq_ignore_ascii_case(LENGTH) {
            let length = decimal(value).ok_or(Defect::Length)?;
            return match self.length.replace(length) {
                None => Ok(()),
                Some(_) => Err(Defect::Length),
            };
        }
        if name.eq_ignore_ascii_case(CODING) {
            let valid = value.eq_ignore_ascii_case(b"chunked") && !self.chunked;
            self.chunked = true;
            return if valid { Ok(()) } else { Err(Defect::Coding) };
        }
        if imitates_framing(name) { Err(Defect::Imitation) } else { Ok(()) }
    }
}

/// Whether `name` is, or may be taken for, one of the fields that frame a message.
pub(super) fn imitates_framing(name: &[u8]) -> bool {
    imitates(name, LENGTH) || imitates(name, CODING)
}

/// Whether `name` is `real` once everything but letters and digits is taken for a hyphen.
fn imitates(name: &[u8], real: &[u8]) -> bool {
    let name = name.trim_ascii();
    name.len() == real.len()
        && name.iter().zip(real).all(|(&byte, &expected)| {
            let folded = if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' };
            folded == expected
        })
}

/// One to eighteen digits and nothing else, so that no sum or shift of it can overflow. A zero in front makes it an octal number
/// for some.
pub(crate) fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 18 || text.len() > 1 && text.starts_with(b"0") {
        return None;
    }
    text.iter().try_fold(0_u64, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + u64::from(byte - b'0')))
}

/// The size of a chunk; extensions are allowed and mean nothing (RFC 9112 §7.1.1).
fn chunk_size(text: &[u8]) -> Option<u64> {
    let end = text.iter().position(|byte| !byte.is_ascii_hexdigit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    let is_extension = rest.trim_ascii_start().starts_with(b";")
        && rest.iter().all(|byte| *byte == b'\t' || !byte.is_ascii_control());
    if !(1..=15).contains(&digits.len()) || !(rest.is_empty() || is_extension) {
        return None;
    }
    digits.iter().try_fold(0_u64, |sum, &byte| Some((sum << 4) | u64::from(char::from(byte).to_digit(16)?)))
}

/// Whether a trailer has a name that begins the line and ends in its colon, and a value that is text.
fn is_field(text: &[u8]) -> bool {
    let colon = text.iter().position(|byte| *byte == b':').unwrap_or(0);
    let (name, value) = text.split_at(colon);
    !name.is_empty()
        && !name.iter().any(|byte| byte.is_ascii_whitespace())
        && value.iter().all(|byte| *byte == b'\t' || !byte.is_ascii_control())
}

fn skip(bytes: &[u8], left: u64) -> (&[u8], u64) {
    let taken = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
    let (_, rest) = bytes.split_at(taken);
    (rest, left - taken as u64)
}

const LENGTH: &[u8] = b"content-length";
const CODING: &[u8] = b"transfer-encoding";

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `stream` whole and byte by byte: both must say the same.
    #[track_caller]
    fn check(stream: &str, expected: Option<(u64, Defect)>) {
        let mut whole = Scanner::new();
        whole.feed(stream.as_bytes());
        assert_eq!(whole.defect(), expected, "whole: {stream:?}");
        let mut bytewise = Scanner::new();
        for byte in stream.as_bytes() {
            bytewise.feed(std::slice::from_ref(byte));
        }
        assert_eq!(bytewise.defect(), expected, "byte by byte: {stream:?}");
        assert_eq!(whole.heads, bytewise.heads);
    }

    #[test]
    fn plain_requests_have_one_reading() {
        check("GET / HTTP/1.1\r\nHost: a\r\n\r\n", None);
        check("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\n\r\n", None);
        check("POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n\r\nX:\nGET / HTTP/1.1\r\n\r\n", None);
        check(
            "POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n3;x=y\r\na\nb\r\n0\r\nT: 1\r\n\r\nGET / HTTP/1.1\r\n\r\n",
            None,
        );
    }

    #[test]
    fn length_beside_coding_is_a_defect_in_either_order() {
        check(
            "POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            Some((0, Defect::LengthAndCoding)),
        );
        check(
            "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n",
            Some((0, Defect::LengthAndCoding)),
        );
    }

    #[test]
    fn odd_lengths_are_a_defect() {
        for value in ["+5", "-1", "05", "00", "0x10", "1e1", "5.0", "", "5, 5", "5 5", "18446744073709551616"]
        {
            check(&format!("POST / HTTP/1.1\r\nContent-Length: {value}\r\n\r\n"), Some((0, Defect::Length)));
        }
        check("POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", Some((0, Defect::Length)));
    }

    #[test]
    fn odd_codings_are_a_defect() {
        for value in ["gzip, chunked", "chunked, chunked", "xchunked", "identity", "", "chunked;q=1"] {
            check(
                &format!("POST / HTTP/1.1\r\nTransfer-Encoding: {value}\r\n\r\n"),
                Some((0, Defect::Coding)),
            );
        }
    }

    #[test]
    fn imitations_are_a_defect() {
        for name in ["Content_Length", "content.length", "Transfer_Encoding", "TRANSFER.encoding"] {
            check(&format!("POST / HTTP/1.1\r\n{name}: 5\r\n\r\n"), Some((0, Defect::Imitation)));
        }
    }

    #[test]
    fn odd_lines_are_a_defect() {
        check("GET / HTTP/1.1\nHost: a\r\n\r\n", Some((0, Defect::LineEnd)));
        check("GET / HTTP/1.1\r\nHost: a\n\r\n", Some((0, Defect::LineEnd)));
        check("GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n", Some((0, Defect::LineEnd)));
        check("GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", Some((0, Defect::Folded)));
        check("GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", Some((0, Defect::Fragment)));
    }

    #[test]
    fn the_defect_names_the_message_it_is_in() {
        let good = "POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nab";
        let bad = "GET / HTTP/1.1\nHost: a\r\n\r\n";
        check(&format!("{good}{good}{bad}{good}"), Some((2, Defect::LineEnd)));
    }

    #[test]
    fn a_defect_in_a_chunked_body_belongs_to_the_request_after_it() {
        let head = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        for body in [
            "5\nhello",
            "0x5\r\nhello",
            "5\r\nhelloX\r\n",
            "-1\r\n",
            "\r\n",
            "10000000000000000\r\n",
            "5 \r\n",
            "5\t\r\n",
            "5 x\r\n",
            "5;\0\r\n",
            "0\r\nX : 1\r\n",
            "0\r\n: 1\r\n",
            "0\r\nX\r\n",
            "0\r\nX: \x08\r\n",
        ] {
            check(&format!("{head}{body}"), Some((1, Defect::Chunks)));
        }
        for body in ["f;\tx=\"y\"\r\n", "005 ;x\r\n", "0\r\nX-a_b: \t\u{e9}\r\n\r\n"] {
            check(&format!("{head}{body}"), None);
        }
    }

    #[test]
    fn of_a_body_that_breaks_off_the_parser_gets_what_came_before() {
        let head = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
        for worse in ["5 \r\nhello\r\n0\r\n\r\n", "0\r\n\n\r\n", "x\r\nGET / HTTP/1.1\r\n\r\n"] {
            let begin = if worse.starts_with('0') { head.len() + 3 } else { head.len() };
            let mut whole = Scanner::new();
            assert_eq!(whole.feed(format!("{head}{worse}").as_bytes()), begin, "{worse:?}");
            assert!(whole.is_broken());
            assert_eq!(whole.feed(b"GET / HTTP/1.1\r\n\r\n"), 0);
            let mut bytewise = Scanner::new();
            let given: usize = head.bytes().chain(worse.bytes()).map(|byte| bytewise.feed(&[byte])).sum();
            assert!(given < begin + worse.find('\n').expect("a line") + 1, "its end is held back: {worse:?}");
        }
        let mut refused = Scanner::new();
        let lone = b"GET / HTTP/1.1\n\n";
        assert_eq!(
            (refused.feed(lone), refused.is_broken()),
            (lone.len(), false),
            "a head is refused as a whole"
        );
    }

    #[test]
    fn defects_survive_packing() {
        for code in 1..=8 {
            let defect = Defect::from_code(code).expect("a defect");
            assert_eq!(Defect::unpack(defect.pack(77)), Some((77, defect)));
        }
        assert_eq!(Defect::unpack(0), None);
    }
}
