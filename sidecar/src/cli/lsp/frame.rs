//! Messages of the base protocol: `Content-Length: N`, an empty line, N bytes of JSON (LSP 3.17, "Base Protocol").
//!
//! The rule: nothing that a client sends ends the server. A line that is no header is passed over, a message without a
//! length or with a body that is no JSON is reported, and reading goes on behind it.

use std::io::{self, BufRead, Read as _, Write};

use serde_json::Value;

/// The most bytes of one message; a policy has at most 1 MiB.
const MOST: u64 = 16 * 1024 * 1024;
/// The most bytes of one line of a header.
const LONGEST_LINE: u64 = 8 * 1024;

/// What was read.
#[derive(Debug, PartialEq)]
pub(super) enum Frame {
    Message(Value),
    /// Something that is no message, and why.
    Malformed(String),
}

/// The next message; `None` at the end of the input.
pub(super) fn read(input: &mut impl BufRead) -> io::Result<Option<Frame>> {
    let Some(length) = header(input)? else { return Ok(None) };
    let Some(length) = length else {
        return Ok(Some(Frame::Malformed("a message without a `Content-Length`".to_owned())));
    };
    if length > MOST {
        io::copy(&mut input.take(length), &mut io::sink())?;
        return Ok(Some(Frame::Malformed(format!("a message of more than {MOST} bytes"))));
    }
    let mut body = Vec::new();
    if input.take(length).read_to_end(&mut body)? as u64 != length {
        return Ok(None);
    }
    Ok(Some(match serde_json::from_slice(&body) {
        Ok(value) => Frame::Message(value),
        Err(error) => Frame::Malformed(format!("not JSON: {error}")),
    }))
}

/// The length that a header names; the outer `None` is the end of the input.
fn header(input: &mut impl BufRead) -> io::Result<Option<Option<u64>>> {
    let mut length = None;
    let mut is_empty = true;
    loop {
        let mut line = Vec::new();
        if input.take(LONGEST_LINE).read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        let line = String::from_utf8_lossy(&line);
        let line = line.trim();
        if line.is_empty() {
            // Empty lines between messages are nothing at all.
            if is_empty {
                continue;
            }
            return Ok(Some(length));
        }
        is_empty = false;
        if let Some((name, value)) = line.split_once(':')
            && name.trim().eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().ok();
        }
    }
}

/// Writes one message.
pub(super) fn write(output: &mut impl Write, message: &Value) -> io::Result<()> {
    let body = message.to_string();
    write!(output, "Content-Length: {}\r\n\r\n{body}", body.len())?;
    output.flush()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn all(input: &[u8]) -> Vec<Frame> {
        let mut input = input;
        std::iter::from_fn(|| read(&mut input).unwrap()).collect()
    }

    #[test]
    fn what_is_written_is_read() {
        let mut out = Vec::new();
        write(&mut out, &json!({"a": "ü𝄞"})).unwrap();
        write(&mut out, &json!([1])).unwrap();
        assert_eq!(all(&out), [Frame::Message(json!({"a": "ü𝄞"})), Frame::Message(json!([1]))]);
    }

    #[test]
    fn reading_goes_on_behind_what_is_no_message() {
        let mut input =
            b"rubbish\r\n\r\ncontent-length: 3\r\nContent-Type: x\r\n\r\n{a}Content-Length: -1\r\n\r\n"
                .to_vec();
        input.extend(b"Content-Length: 2\n\n{}\xff\xfe\nContent-Length: 1\r\n\r\n7");
        let frames = all(&input);
        let [
            Frame::Malformed(_),
            Frame::Malformed(json),
            Frame::Malformed(_),
            Frame::Message(object),
            Frame::Message(seven),
        ] = frames.as_slice()
        else {
            panic!("{frames:?}")
        };
        assert!(json.contains("not JSON"));
        assert_eq!((object, seven), (&json!({}), &json!(7)));
    }

    #[test]
    fn an_input_that_ends_early_or_promises_too_much_ends_quietly() {
        assert_eq!(all(b"Content-Length: 10\r\n\r\n{}"), []);
        assert_eq!(all(b"Content-Len"), []);
        let too_much = all(b"Content-Length: 18446744073709551615\r\n\r\n{}");
        assert!(matches!(too_much.as_slice(), [Frame::Malformed(_)]), "{too_much:?}");
        assert_eq!(all(&vec![b'a'; 100_000]), []);
    }
}
