//! The lines that people and scripts read.
//!
//! Writing them may fail, when nobody is at the other end of the pipe. That is no reason to stop serving.

use std::io::Write as _;

use anstyle::{AnsiColor, Style};

use super::Failure;
use crate::{serve::Listener, telemetry::ColorChoice};

/// `listening NAME URL` for each listener, then `ready`. Called when all are bound and about to be served.
pub(crate) fn announce(listeners: &[&Listener]) {
    let mut out = std::io::stdout().lock();
    for listener in listeners {
        let _ = writeln!(out, "listening {} {}", listener.name(), listener.url());
    }
    let _ = writeln!(out, "ready");
    let _ = out.flush();
}

/// The link of the first operator, for the person at the terminal and not for a log.
#[cfg(feature = "issuer")]
pub(crate) fn first_start(url: &str) {
    let mut err = std::io::stderr().lock();
    let _ = writeln!(
        err,
        "there is no operator yet; within an hour, open this link to become the first:\n  {url}"
    );
}

/// The result of a tool.
pub(crate) fn result(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}

/// One JSON object, on lines of its own.
pub(crate) fn json(value: &serde_json::Value) {
    result(&format!("{value:#}\n"));
}

/// Something that the person at the terminal should know, beside the result.
pub(crate) fn note(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// The last words of a program that failed.
pub(crate) fn failure(failure: &Failure, color: ColorChoice) {
    if failure.is_rendered() && failure.to_string().is_empty() {
        return; // its result has said everything
    }
    let mut err = std::io::stderr().lock();
    let _ = if failure.is_rendered() {
        writeln!(err, "{failure}")
    } else if color.on_stderr() {
        let red = Style::new().fg_color(Some(AnsiColor::Red.into())).bold();
        writeln!(err, "{red}error{red:#}: {failure}")
    } else {
        writeln!(err, "error: {failure}")
    };
}
