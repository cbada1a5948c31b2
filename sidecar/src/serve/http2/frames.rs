//! The frames of a connection as they are on the wire, counted before the parser spends work on them.
//!
//! The parser bounds what one request may cost: the head and its continuations, empty data, streams at a time. What it
//! leaves is work without requests: pings, settings, priorities and streams that are begun and reset (CVE-2023-44487). Each
//! such frame is paid from a purse that time and what is sent to the client fill again; the connection ends with the purse. It also
//! ends with a first frame that is no settings (RFC 9113 §3.4), which the parser takes.

use std::time::Instant;

use crate::serve::{preface::PREFACE, wire::Follow};

/// Follows one connection from its first byte.
#[derive(Debug)]
pub(super) struct Frames {
    state: State,
    /// A head has begun and its last frame has not ended.
    inside_head: bool,
    /// The first frame has not ended.
    beginning: bool,
    /// It was not the one that has to be.
    begun_wrong: bool,
    purse: Purse,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Preface { left: usize },
    FrameHead { bytes: [u8; FRAME_HEAD], have: usize },
    Payload { left: usize, ends_head: bool },
}

const FRAME_HEAD: usize = 9;

impl Frames {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            state: State::Preface { left: PREFACE.len() },
            inside_head: false,
            beginning: true,
            begun_wrong: false,
            purse: Purse { coins: FULL, filled: now, sent: 0 },
        }
    }

    fn next_frame(&mut self) {
        self.state = State::FrameHead { bytes: [0; FRAME_HEAD], have: 0 };
    }

    fn frame(&mut self, [a, b, c, kind, flags, ..]: [u8; FRAME_HEAD]) {
        let length = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        let mut ends_head = false;
        self.begun_wrong |= self.beginning && (kind != SETTINGS || flags & ACK != 0);
        match kind {
            DATA if length > 0 || flags & END_STREAM != 0 => {}
            HEADERS | CONTINUATION => {
                self.inside_head = true;
                ends_head = flags & END_HEADERS != 0;
            }
            WINDOW_UPDATE => {}
            _ => self.purse.pay(Instant::now),
        }
        self.state = State::Payload { left: length, ends_head };
        self.payload(0);
    }

    fn payload(&mut self, taken: usize) {
        let State::Payload { left, ends_head } = &mut self.state else { return };
        *left -= taken;
        if *left == 0 {
            if *ends_head {
                self.inside_head = false;
            }
            self.beginning = false;
            self.next_frame();
        }
    }
}

impl Follow for Frames {
    fn feed(&mut self, mut bytes: &[u8]) -> usize {
        let all = bytes.len();
        while let Some(first) = bytes.first() {
            let taken = match &mut self.state {
                State::Preface { left } => {
                    let taken = bytes.len().min(*left);
                    *left -= taken;
                    if *left == 0 {
                        self.next_frame();
                    }
                    taken
                }
                State::FrameHead { bytes: head, have } => {
                    if let Some(place) = head.get_mut(*have) {
                        *place = *first;
                    }
                    *have += 1;
                    if *have == FRAME_HEAD {
                        let head = *head;
                        self.frame(head);
                    }
                    1
                }
                State::Payload { left, .. } => {
                    let taken = bytes.len().min(*left);
                    self.payload(taken);
                    taken
                }
            };
            bytes = bytes.get(taken..).unwrap_or_default();
        }
        all
    }

    fn sent(&mut self, bytes: usize) {
        self.purse.sent = self.purse.sent.saturating_add(bytes);
    }

    fn awaits_head(&self) -> bool {
        self.inside_head || self.beginning
    }

    fn inside_body(&self) -> bool {
        !matches!(self.state, State::FrameHead { have: 0, .. })
    }

    fn is_too_much(&self) -> bool {
        self.begun_wrong || self.purse.coins == 0
    }
}

/// What frames that carry no request may still cost.
#[derive(Debug)]
struct Purse {
    coins: u32,
    filled: Instant,
    /// Bytes sent since.
    sent: usize,
}

impl Purse {
    fn pay(&mut self, now: impl FnOnce() -> Instant) {
        self.coins = self.coins.saturating_sub(1);
        // The clock is asked only when it can matter.
        if self.coins < FULL / 2 {
            self.fill(now());
        }
    }

    fn fill(&mut self, now: Instant) {
        let whole = now.saturating_duration_since(self.filled).as_millis() * u128::from(A_SECOND) / 1000;
        let of_time = u32::try_from(whole).unwrap_or(FULL);
        let of_bytes = u32::try_from(self.sent / BYTES_A_COIN).unwrap_or(FULL);
        if self.coins == 0 || of_time == 0 && of_bytes == 0 {
            return;
        }
        if of_time > 0 {
            self.filled = now;
        }
        self.sent %= BYTES_A_COIN;
        self.coins = self.coins.saturating_add(of_time).saturating_add(of_bytes).min(FULL);
    }
}

/// What a client may spend at once: more than any page cancels.
const FULL: u32 = 1000;
const A_SECOND: u32 = 50;
/// Clients that measure a fast line ping for each burst of data that they get.
const BYTES_A_COIN: usize = 1024;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let [.., a, b, c] = u32::try_from(payload.len()).expect("short").to_be_bytes();
        [&[a, b, c, kind, flags, 0, 0, 0, 1], payload].concat()
    }

    /// After `stream`, whole and byte by byte.
    #[track_caller]
    fn after(stream: &[u8]) -> Frames {
        let mut whole = Frames::new(Instant::now());
        whole.feed(stream);
        let mut bytewise = Frames::new(Instant::now());
        for byte in stream {
            bytewise.feed(std::slice::from_ref(byte));
        }
        assert_eq!(whole.awaits_head(), bytewise.awaits_head());
        assert_eq!(whole.inside_body(), bytewise.inside_body());
        assert_eq!(whole.purse.coins, bytewise.purse.coins);
        whole
    }

    #[test]
    fn a_head_is_awaited_until_its_last_frame_has_ended() {
        let begin = [&PREFACE[..], &frame(4, 0, &[])].concat();
        assert!(after(&PREFACE[..20]).awaits_head());
        assert!(after(PREFACE).awaits_head(), "there is no frame yet");
        assert!(!after(&begin).awaits_head());
        let open = [begin.clone(), frame(HEADERS, END_STREAM, b"abc")].concat();
        assert!(after(&open).awaits_head());
        assert!(after(&[open.clone(), frame(CONTINUATION, 0, b"abc")].concat()).awaits_head());
        let whole = [open, frame(CONTINUATION, END_HEADERS, b"abc")].concat();
        assert!(after(&whole[..whole.len() - 1]).awaits_head());
        assert!(!after(&whole).awaits_head());
        assert!(!after(&[whole.clone(), frame(DATA, 0, b"abc")].concat()).inside_body());
        assert!(after(&[whole, frame(DATA, 0, b"abc")[..10].to_vec()].concat()).inside_body());
    }

    #[test]
    fn the_first_frame_has_to_be_settings() {
        assert!(
            !after(&[&PREFACE[..], &frame(SETTINGS, 0, b""), &frame(6, 0, &[0; 8])].concat()).is_too_much()
        );
        for wrong in [frame(6, 0, &[0; 8]), frame(SETTINGS, ACK, b""), frame(HEADERS, END_HEADERS, b"x")] {
            assert!(after(&[&PREFACE[..], &wrong].concat()).is_too_much());
        }
    }

    #[test]
    fn what_carries_no_request_is_paid_for() {
        let begin = PREFACE.to_vec();
        let paid = |frame: Vec<u8>| FULL - after(&[begin.clone(), frame].concat()).purse.coins;
        for (kind, flags, payload) in [
            (2, 0, &[0; 5][..]),
            (3, 0, &[0; 4]),
            (4, 0, &[]),
            (4, 1, &[]),
            (6, 0, &[0; 8]),
            (77, 0, b"x"),
            (DATA, 0, b""),
        ] {
            assert_eq!(paid(frame(kind, flags, payload)), 1, "{kind}");
        }
        for (kind, flags, payload) in [
            (DATA, 0, &b"x"[..]),
            (DATA, END_STREAM, b""),
            (HEADERS, END_HEADERS, b"x"),
            (CONTINUATION, END_HEADERS, b"x"),
            (WINDOW_UPDATE, 0, &[0; 4]),
        ] {
            assert_eq!(paid(frame(kind, flags, payload)), 0, "{kind}");
        }
    }

    #[test]
    fn a_flood_empties_the_purse_and_stays_refused() {
        let mut frames = after(PREFACE);
        let pings = frame(6, 0, &[0; 8]).repeat(usize::try_from(FULL).expect("small") * 2);
        frames.feed(&pings);
        assert!(frames.is_too_much());
        frames.purse.fill(Instant::now() + Duration::from_secs(60));
        assert!(frames.is_too_much(), "it is over");
    }

    #[test]
    fn time_and_what_is_sent_fill_the_purse() {
        let began = Instant::now();
        let mut purse = Purse { coins: 1, filled: began, sent: 0 };
        purse.fill(began + Duration::from_millis(10));
        assert_eq!(purse.coins, 1);
        purse.fill(began + Duration::from_millis(100));
        assert_eq!(purse.coins, 6);
        purse.sent = BYTES_A_COIN * 10 + 1;
        purse.fill(began + Duration::from_millis(100));
        assert_eq!((purse.coins, purse.sent), (16, 1));
        purse.fill(began + Duration::from_secs(3600));
        assert_eq!(purse.coins, FULL);
    }
}
