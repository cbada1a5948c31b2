//! Which version of HTTP a client in cleartext begins with: one that knows that HTTP/2 is served says so with its first
//! bytes (RFC 9113 §3.3, "prior knowledge"). The upgrade of an HTTP/1.1 request to h2c is not offered.

use std::io;

use tokio::{
    io::{AsyncReadExt as _, ReadBuf},
    net::TcpStream,
};

/// RFC 9113 §3.4.
pub(super) const PREFACE: &[u8; LENGTH] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const LENGTH: usize = 24;

/// What had to be read to know it, and is the parser's.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Early {
    bytes: [u8; LENGTH],
    taken: usize,
    length: usize,
}

impl Early {
    pub(super) fn is_empty(&self) -> bool {
        self.taken == self.length
    }

    /// Gives to the parser what fits.
    pub(super) fn give(&mut self, buf: &mut ReadBuf<'_>) {
        let rest = self.bytes.get(self.taken..self.length).unwrap_or_default();
        let fits = rest.get(..rest.len().min(buf.remaining())).unwrap_or_default();
        buf.put_slice(fits);
        self.taken += fits.len();
    }
}

/// Whether the client speaks HTTP/2. Nothing is taken from the socket, but of a preface that comes in pieces.
pub(super) async fn is_http2(stream: &mut TcpStream) -> io::Result<(bool, Early)> {
    let mut early = Early::default();
    let mut seen = [0; LENGTH];
    let looked = stream.peek(&mut seen).await?;
    match seen.get(..looked) {
        Some(begin) if looked > 0 && PREFACE.starts_with(begin) => {}
        _ => return Ok((false, early)),
    }
    if looked == LENGTH {
        return Ok((true, early));
    }
    while let Some(room @ [_, ..]) = early.bytes.get_mut(early.length..) {
        let read = stream.read(room).await?;
        early.length += read;
        if read == 0 || !early.bytes.get(..early.length).is_some_and(|begin| PREFACE.starts_with(begin)) {
            return Ok((false, early));
        }
    }
    Ok((true, early))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_early_is_given_once_and_in_order() {
        let mut early = Early { bytes: *PREFACE, taken: 0, length: 5 };
        let mut space = [0; 3];
        let mut given = Vec::new();
        while !early.is_empty() {
            let mut buf = ReadBuf::new(&mut space);
            early.give(&mut buf);
            given.extend_from_slice(buf.filled());
        }
        assert_eq!(given, b"PRI *");
    }
}
