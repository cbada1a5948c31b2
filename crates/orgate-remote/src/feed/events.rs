//! The stream of events (HTML Standard §9.2.6), as far as a change feed uses it.
//!
//! Lines end in LF, CR, or both; a blank line ends an event; a line that begins with `:` says nothing and is how the server
//! shows that it is there. What is cut off in the middle of an event is no event.

/// More than this is no event of a change feed: room for [`Marks::MOST`](orgate_verify::Marks::MOST) marks.
pub(super) const MAX_EVENT_BYTES: usize = 32 * 1024 * 1024;

/// The one kind of event.
const MARKS: &[u8] = b"marks";

/// What was read so far.
#[derive(Default)]
pub(super) struct Events {
    line: Vec<u8>,
    data: Vec<u8>,
    /// Whether the event has a line of data.
    has_data: bool,
    /// What the event says it is; empty if it does not.
    kind: Vec<u8>,
    /// The last byte was a CR, so that an LF is of the same line end.
    after_cr: bool,
    any_line: bool,
}

impl Events {
    /// Reads on, and gives the data of every event that is whole now to `each`.
    ///
    /// # Errors
    /// What is wrong with the stream, or what `each` said.
    pub(super) fn push(
        &mut self,
        mut bytes: &[u8],
        mut each: impl FnMut(&[u8]) -> Result<(), &'static str>,
    ) -> Result<(), &'static str> {
        while let Some(first) = bytes.first() {
            if std::mem::take(&mut self.after_cr) && *first == b'\n' {
                bytes = bytes.get(1..).unwrap_or_default();
                continue;
            }
            let end = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let (part, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
            if self.line.len().saturating_add(self.data.len()).saturating_add(part.len()) > MAX_EVENT_BYTES {
                return Err("an event of it is too large");
            }
            self.line.extend_from_slice(part);
            let Some((end, rest)) = rest.split_first() else { return Ok(()) };
            self.after_cr = *end == b'\r';
            bytes = rest;
            self.end_line(&mut each)?;
        }
        Ok(())
    }

    /// Whether nothing is half read.
    pub(super) fn is_between(&self) -> bool {
        self.line.is_empty() && !self.has_data && self.kind.is_empty()
    }

    fn end_line(
        &mut self,
        each: &mut impl FnMut(&[u8]) -> Result<(), &'static str>,
    ) -> Result<(), &'static str> {
        let mut line = std::mem::take(&mut self.line);
        if !std::mem::replace(&mut self.any_line, true) && line.starts_with(b"\xef\xbb\xbf") {
            line.drain(..3);
        }
        if line.is_empty() {
            let (data, kind) = (std::mem::take(&mut self.data), std::mem::take(&mut self.kind));
            if !std::mem::take(&mut self.has_data) {
                return Ok(());
            }
            return if kind == MARKS { each(&data) } else { Err("an event of it is of an unknown kind") };
        }
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let (name, value) = line.split_at(colon);
        let value = value.strip_prefix(b":").unwrap_or(value);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match name {
            b"event" => self.kind = value.to_vec(),
            b"data" if self.has_data => {
                self.data.push(b'\n');
                self.data.extend_from_slice(value);
            }
            b"data" => {
                let from = line.len() - value.len();
                line.drain(..from);
                (self.data, self.has_data) = (line, true);
            }
            // A comment, the position that the data has as well, how long to wait, and what is unknown.
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn read(chunks: &[&[u8]]) -> (Vec<String>, Result<(), &'static str>, bool) {
        let (mut events, mut heard) = (Events::default(), Vec::new());
        let mut outcome = Ok(());
        for chunk in chunks {
            outcome = events.push(chunk, |data| {
                heard.push(String::from_utf8_lossy(data).into_owned());
                Ok(())
            });
            if outcome.is_err() {
                break;
            }
        }
        (heard, outcome, events.is_between())
    }

    const STREAM: &str = "\u{feff}: hello\n\nid: 4\nevent: marks\ndata: one\n\n:\n\nevent:marks\r\ndata:two\r\ndata: lines\r\n\r\nevent: marks\rdata: three\r\r";

    #[test]
    fn events_are_read_whatever_their_lines_end_in() {
        let (heard, outcome, between) = read(&[STREAM.as_bytes()]);
        assert_eq!(
            (heard.as_slice(), outcome),
            (&["one", "two\nlines", "three"].map(str::to_owned)[..], Ok(()))
        );
        assert!(between);
    }

    #[test]
    fn what_is_cut_off_is_no_event() {
        for cut in ["event: marks\ndata: on", "event: marks\ndata: one\n", "event: marks", "data: one\n"] {
            let (heard, outcome, between) = read(&[cut.as_bytes()]);
            assert_eq!((heard.len(), outcome, between), (0, Ok(()), false), "{cut}");
        }
    }

    #[test]
    fn an_event_that_is_of_no_known_kind_ends_the_stream() {
        for stream in ["event: more\ndata: one\n\n", "data: one\n\n", "event: marks2\ndata: one\n\n"] {
            assert!(read(&[stream.as_bytes()]).1.is_err(), "{stream}");
        }
        // Without data there is no event.
        assert_eq!(read(&[b"event: more\n\n"]).1, Ok(()));
    }

    #[test]
    fn an_event_that_never_ends_is_bounded() {
        let chunk = vec![b'x'; 1024 * 1024];
        for head in ["data: ", "", ": ", "event: marks\ndata: x\ndata:"] {
            let mut events = Events::default();
            events.push(head.as_bytes(), |_| Ok(())).unwrap();
            let ended = (0..40).position(|_| events.push(&chunk, |_| Ok(())).is_err());
            assert!(ended.is_some_and(|at| at <= 32), "{head}");
        }
    }

    proptest! {
        #[test]
        fn how_it_is_cut_into_chunks_makes_no_difference(cuts in vec(0..STREAM.len(), 0..12)) {
            let mut cuts = cuts;
            cuts.extend([0, STREAM.len()]);
            cuts.sort_unstable();
            let chunks: Vec<&[u8]> =
                cuts.windows(2).map(|pair| &STREAM.as_bytes()[pair[0]..pair[1]]).collect();
            prop_assert_eq!(read(&chunks), read(&[STREAM.as_bytes()]));
        }

        #[test]
        fn no_bytes_are_more_than_refused(chunks in vec(vec(any::<u8>(), 0..40), 0..10)) {
            let chunks: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
            let _ = read(&chunks);
        }
    }
}
