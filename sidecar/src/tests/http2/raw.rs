//! HTTP/2 by hand: frames of any kind, right or wrong.

use super::super::*;

pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;
pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
    pub(super) payload: Vec<u8>,
}

pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, a, b, c] = u32::try_from(payload.len()).expect("short").to_be_bytes();
    [&[a, b, c, kind, flags], &stream.to_be_bytes()[..], payload].concat()
}

/// Fields as they are: not indexed, with their names.
pub(super) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        text(&mut block, name);
        text(&mut block, value);
    }
    block
}

/// RFC 7541 §5.2, without Huffman's code.
fn text(block: &mut Vec<u8>, text: &str) {
    let byte = |value: usize| u8::try_from(value).expect("a byte");
    if text.len() < 127 {
        block.push(byte(text.len()));
    } else {
        block.push(127);
        let mut rest = text.len() - 127;
        while rest >= 128 {
            block.push(byte(rest % 128 + 128));
            rest /= 128;
        }
        block.push(byte(rest));
    }
    block.extend_from_slice(text.as_bytes());
}

pub(super) const GET_A: [(&str, &str); 4] =
    [(":method", "GET"), (":scheme", "http"), (":authority", "app.example"), (":path", "/a?b=c")];

/// A connection of HTTP/2 that is spoken by hand.
pub(super) struct Raw {
    client: Client,
}

impl Raw {
    /// On a connection that was begun.
    pub(super) fn on(client: Client) -> Self {
        Self { client }
    }

    /// After the preface and both settings.
    pub(super) async fn to(sidecar: &Sidecar) -> Self {
        Self::with_settings(sidecar, &[]).await
    }

    pub(super) async fn with_settings(sidecar: &Sidecar, settings: &[u8]) -> Self {
        let mut raw = Self::on(sidecar.connect().await);
        raw.client.send([PREFACE, &frame(SETTINGS, 0, 0, settings)].concat()).await;
        let first = raw.next().await.expect("settings");
        assert_eq!(first.kind, SETTINGS);
        raw.send(SETTINGS, 1, 0, &[]).await;
        raw
    }

    pub(super) async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.bytes(&frame(kind, flags, stream, payload)).await;
    }

    pub(super) async fn bytes(&mut self, bytes: &[u8]) {
        self.client.send(bytes).await;
    }

    /// Sends what may no longer be taken.
    pub(super) async fn try_bytes(&mut self, bytes: &[u8]) -> bool {
        self.client.stream.write_all(bytes).await.is_ok()
    }

    /// A request without a body.
    pub(super) async fn ask(&mut self, stream: u32, fields: &[(&str, &str)]) {
        self.send(HEADERS, END_HEADERS | END_STREAM, stream, &block(fields)).await;
    }

    /// The head of a request with one.
    pub(super) async fn begin(&mut self, stream: u32, fields: &[(&str, &str)]) {
        self.send(HEADERS, END_HEADERS, stream, &block(fields)).await;
    }

    /// The next frame; `None` at the end of the connection.
    pub(super) async fn next(&mut self) -> Option<Frame> {
        while self.client.buffer.len() < 9 {
            if !self.client.more().await {
                return None;
            }
        }
        let head: Vec<u8> = self.client.buffer.drain(..9).collect();
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        while self.client.buffer.len() < length {
            if !self.client.more().await {
                return None;
            }
        }
        let payload = self.client.buffer.drain(..length).collect();
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        Some(Frame { kind: head[3], flags: head[4], stream, payload })
    }

    /// The next frame of this kind and stream.
    pub(super) async fn wait(&mut self, kind: u8, stream: u32) -> Option<Frame> {
        loop {
            let frame = self.next().await?;
            if (frame.kind, frame.stream) == (kind, stream) {
                return Some(frame);
            }
        }
    }

    /// How the request on `stream` ends.
    pub(super) async fn outcome(&mut self, stream: u32) -> Outcome {
        loop {
            match self.next().await {
                None => return Outcome::Closed,
                Some(frame) if frame.kind == GOAWAY => return Outcome::Closed,
                Some(frame) if (frame.kind, frame.stream) == (RST_STREAM, stream) => return Outcome::Reset,
                Some(frame) if (frame.kind, frame.stream) == (HEADERS, stream) => {
                    return Outcome::Status(status(&frame.payload));
                }
                Some(_) => {}
            }
        }
    }

    /// Whether the connection ends, whatever comes before.
    pub(super) async fn ends(&mut self) {
        while self.next().await.is_some() {}
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Status(u16),
    Reset,
    Closed,
}

/// The status at the beginning of a block, if it is the first of its connection or one of the static table.
fn status(block: &[u8]) -> u16 {
    let known = |index: u8| [200, 204, 206, 304, 400, 404, 500][usize::from(index) - 8];
    match block[0] {
        indexed @ 0x88..=0x8e => known(indexed & 0x7f),
        _ => {
            // `:status` is 8 of the static table; its value is in Huffman's code, where digits have 5 or 6 bits.
            assert!(matches!(block[0], 0x48 | 0x08), "{block:?}");
            let take = |at: usize, count: usize| {
                let bits = block[2..].iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
                bits.skip(at).take(count).fold(0_u16, |value, bit| value << 1 | u16::from(bit))
            };
            let (mut at, mut status) = (0, 0);
            for _ in 0..3 {
                let digit = match take(at, 5) {
                    digit @ 0..=2 => {
                        at += 5;
                        digit
                    }
                    _ => {
                        at += 6;
                        take(at - 6, 6) - 0x19 + 3
                    }
                };
                status = status * 10 + digit;
            }
            status
        }
    }
}
