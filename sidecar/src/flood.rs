//! Few lines under a flood: ten a second for each rule and code, the rest counted.
//!
//! INVARIANT: bounded by rules × codes, because neither is taken from a request; and windows exist only while something
//! happens, so that the table stays as small as the trouble.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// How many lines were held back, of which rule and code.
pub(crate) type HeldBack = (Box<str>, &'static str, u64);

/// What was written lately.
#[derive(Debug, Default)]
pub(crate) struct Flood(Mutex<HashMap<(Box<str>, &'static str), Window>>);

#[derive(Debug)]
struct Window {
    began: Instant,
    written: u32,
    held_back: u64,
}

impl Flood {
    /// Whether a line may be written now, and how many of the same were held back in the window before.
    pub(crate) fn admits(&self, rule: &str, code: &'static str, now: Instant) -> (bool, Option<HeldBack>) {
        let mut windows = self.lock();
        let window =
            windows.entry((rule.into(), code)).or_insert(Window { began: now, written: 0, held_back: 0 });
        let mut before = None;
        if now.duration_since(window.began) >= WINDOW {
            before = (window.held_back > 0).then(|| (rule.into(), code, window.held_back));
            *window = Window { began: now, written: 0, held_back: 0 };
        }
        if window.written < LINES {
            window.written += 1;
            return (true, before);
        }
        window.held_back += 1;
        (false, before)
    }

    /// What was held back in windows that are over; each is told once.
    pub(crate) fn over(&self, now: Instant) -> Vec<HeldBack> {
        self.take(|window| now.duration_since(window.began) >= WINDOW)
    }

    /// What was held back in all windows.
    pub(crate) fn all(&self) -> Vec<HeldBack> {
        self.take(|_| true)
    }

    fn take(&self, is_over: impl Fn(&Window) -> bool) -> Vec<HeldBack> {
        let mut held_back = Vec::new();
        self.lock().retain(|(rule, code), window| {
            if !is_over(window) {
                return true;
            }
            if window.held_back > 0 {
                held_back.push((rule.clone(), *code, window.held_back));
            }
            false
        });
        held_back
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(Box<str>, &'static str), Window>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const WINDOW: Duration = Duration::from_secs(1);
const LINES: u32 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_lines_a_second_are_written_for_each_rule_and_code() {
        let flood = Flood::default();
        let now = Instant::now();
        let written = |code, at| (0..100).filter(|_| flood.admits("GET /a", code, at).0).count();
        assert_eq!(written("no_credential", now), 10);
        assert_eq!(written("missing_permission", now), 10);
        assert_eq!(written("no_credential", now + Duration::from_millis(999)), 0);
        assert_eq!(
            flood.admits("GET /a", "no_credential", now + WINDOW).1.map(|(.., count)| count),
            Some(190)
        );
        assert_eq!(written("no_credential", now + WINDOW), 9);
    }

    #[test]
    fn what_was_held_back_is_counted_once() {
        let flood = Flood::default();
        let now = Instant::now();
        for _ in 0..50 {
            flood.admits("GET /a", "no_credential", now);
        }
        assert_eq!(flood.over(now), []);
        assert_eq!(flood.over(now + WINDOW), [("GET /a".into(), "no_credential", 40)]);
        assert_eq!(flood.over(now + WINDOW), []);
        assert!(flood.lock().is_empty());
        for _ in 0..11 {
            flood.admits("GET /a", "no_credential", now);
        }
        assert_eq!(flood.all(), [("GET /a".into(), "no_credential", 1)]);
    }
}
