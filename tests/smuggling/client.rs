//! A client that sends the bytes it is told to send, and reads answers one by one.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
};

use crate::recorder::{PATIENCE, find};

/// One connection.
pub(crate) struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// An answer, its body without its coding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    /// Whether the connection ends behind it.
    pub(crate) fn is_last(&self) -> bool {
        self.head.to_ascii_lowercase().contains("\r\nconnection: close")
    }
}

impl Client {
    pub(crate) fn to(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, buffer: Vec::new() }
    }

    /// Sends what is still taken.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// More bytes; false at the end.
    pub(crate) fn more(&mut self) -> Result<bool, String> {
        let mut chunk = [0; 16 * 1024];
        match self.stream.read(&mut chunk) {
            Ok(read) => {
                self.buffer.extend_from_slice(&chunk[..read]);
                Ok(read > 0)
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Err("it is left waiting".to_owned())
            }
            Err(_) => Ok(false),
        }
    }

    /// Exactly so many bytes.
    pub(crate) fn exactly(&mut self, count: usize) -> Result<Vec<u8>, String> {
        while self.buffer.len() < count {
            if !self.more()? {
                return Err("the connection ends early".to_owned());
            }
        }
        Ok(self.buffer.drain(..count).collect())
    }

    fn until(&mut self, mark: &[u8]) -> Result<String, String> {
        loop {
            if let Some(at) = find(&self.buffer, mark) {
                let whole: Vec<u8> = self.buffer.drain(..at + mark.len()).collect();
                return Ok(String::from_utf8_lossy(&whole).into_owned());
            }
            if !self.more()? {
                return Err(format!("the answer breaks off: {:?}", String::from_utf8_lossy(&self.buffer)));
            }
        }
    }

    /// The next answer; `None` at the end of the connection.
    pub(crate) fn answer(&mut self, has_body: bool) -> Result<Option<Answer>, String> {
        if self.buffer.is_empty() && !self.more()? {
            return Ok(None);
        }
        let head = self.until(b"\r\n\r\n")?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| format!("no answer: {head:?}"))?;
        let lower = head.to_ascii_lowercase();
        let length = lower.split("\r\n").find_map(|line| line.strip_prefix("content-length: "));
        let mut body = Vec::new();
        if !has_body || status < 200 || matches!(status, 204 | 304) {
        } else if lower.contains("\r\ntransfer-encoding: chunked") {
            loop {
                let line = self.until(b"\r\n")?;
                let size = usize::from_str_radix(line.trim(), 16).map_err(|_| format!("a chunk {line:?}"))?;
                body.extend_from_slice(&self.exactly(size)?);
                self.until(b"\r\n")?;
                if size == 0 {
                    break;
                }
            }
        } else if let Some(length) = length {
            body = self.exactly(length.parse().map_err(|_| format!("a length {length:?}"))?)?;
        } else {
            while self.more()? {}
            body = std::mem::take(&mut self.buffer);
        }
        Ok(Some(Answer { status, head, body: String::from_utf8_lossy(&body).into_owned() }))
    }

    /// Reads to the end, where nothing more may come.
    pub(crate) fn ends(&mut self) -> Result<(), String> {
        while self.more()? {}
        match self.buffer.is_empty() {
            true => Ok(()),
            false => Err(format!("after the last answer came {:?}", String::from_utf8_lossy(&self.buffer))),
        }
    }
}
