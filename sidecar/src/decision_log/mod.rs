//! The decision log: one JSON object a line for each decision, for reviews, `orgate replay` and `orgate shadow report`.
//!
//! It tells what a policy decides by: rule, code, organization, roles and permissions of the caller. It never holds a
//! token, a cookie, a header or a query, and the caller's id only where that is wanted; who is who can be followed through
//! `sub_hash`, which is keyed anew by every process. Refusals are written ten times a second for each rule and code, and the rest is counted, so that
//! a flood of them fills no disk; of what was simply let through all is written, or one in so many.
//!
//! A thread of its own writes. A disk that is too slow loses lines and never keeps a request waiting; how many were lost
//! is told in the log and in the metrics.

mod line;

use std::{
    fs::OpenOptions,
    hash::RandomState,
    io::{self, BufWriter, Write},
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use orgate::Principal;
use tracing::error;

pub use self::line::{Paths, Subjects};
use crate::{access_log::Outcome, flood::Flood, metrics::Metrics};

/// How many lines wait for the disk before further ones are lost.
const WAITING: usize = 8192;

/// What is told of one decision.
#[derive(Clone, Copy, Debug)]
pub struct Decision<'d> {
    /// The request's id.
    pub id: &'d str,
    /// Its method.
    pub method: &'d str,
    /// The host that it names.
    pub host: Option<&'d str>,
    /// Its target, which is never written as it is.
    pub target: Option<&'d str>,
    /// What became of it.
    pub outcome: &'d Outcome<'d>,
    /// What the rule's `shadow:` would have decided, where that is something else.
    pub shadow: Option<bool>,
    /// Who asked, where the rule wanted to know and it was proven.
    pub caller: Option<&'d Principal>,
    /// The digest of the policy that decided.
    pub policy: Option<&'d str>,
    /// From the end of the request's head to the head of the answer.
    pub latency: Duration,
}

/// What is written of decisions.
#[derive(Clone, Copy, Debug, Default)]
pub struct Form {
    /// How much of a path.
    pub paths: Paths,
    /// How callers are named.
    pub subjects: Subjects,
    /// Of requests that were simply let through, one in so many; 0 and 1 are all of them.
    pub sample: u32,
}

/// Writes decisions. Cheap to clone.
#[derive(Clone, Debug)]
pub struct DecisionLog(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    form: Form,
    subjects: RandomState,
    /// Requests that were simply let through.
    passed: AtomicU64,
    flood: Flood,
    lost: AtomicU64,
    metrics: Arc<Metrics>,
    lines: SyncSender<Message>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
enum Message {
    Line(String),
    End,
}

impl DecisionLog {
    /// Writes to the end of the file at `path`, which only its owner may read; `-` is standard output.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn open(path: &Path, form: Form, metrics: Arc<Metrics>) -> io::Result<Self> {
        let out: Box<dyn Write + Send> = if path == Path::new("-") {
            Box::new(io::stdout())
        } else {
            let mut options = OpenOptions::new();
            options.append(true).create(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            Box::new(BufWriter::new(options.open(path)?))
        };
        Self::to(out, form, metrics)
    }

    fn to(out: Box<dyn Write + Send>, form: Form, metrics: Arc<Metrics>) -> io::Result<Self> {
        let (lines, received) = sync_channel(WAITING);
        let writer = std::thread::Builder::new()
            .name("decision-log".to_owned())
            .spawn(move || write(out, &received))?;
        Ok(Self(Arc::new(Inner {
            form,
            subjects: RandomState::new(),
            passed: AtomicU64::new(0),
            flood: Flood::default(),
            lost: AtomicU64::new(0),
            metrics,
            lines,
            writer: Mutex::new(Some(writer)),
        })))
    }

    /// Writes a decision, unless it is one of a flood of refusals, or not the one in so many that is.
    pub fn record(&self, decision: &Decision<'_>) {
        let inner = &*self.0;
        if let Outcome::Refused { rule, code, .. } = *decision.outcome {
            let (admitted, before) = inner.flood.admits(rule, code, Instant::now());
            before.iter().for_each(|held_back| inner.send(line::held_back(held_back)));
            if !admitted {
                return;
            }
        }
        let is_plain = matches!(decision.outcome, Outcome::Forwarded { .. } | Outcome::Answered { .. })
            && decision.shadow.is_none();
        let sample = u64::from(inner.form.sample).max(1);
        if is_plain && sample > 1 && !inner.passed.fetch_add(1, Ordering::Relaxed).is_multiple_of(sample) {
            return;
        }
        let stands_for = if is_plain { sample } else { 1 };
        inner.send(line::of(decision, stands_for, inner.form, &inner.subjects));
    }

    /// Tells what was held back and what was lost. Called once a second.
    pub fn flush(&self) {
        let inner = &*self.0;
        inner.flood.over(Instant::now()).iter().for_each(|held_back| inner.send(line::held_back(held_back)));
        if let Some(lost) = inner.lost() {
            inner.send(lost);
        }
    }

    /// Tells what is left to tell and waits until everything is written.
    pub fn finish(&self) {
        let inner = &*self.0;
        let held_back = inner.flood.all();
        let last = held_back.iter().map(line::held_back).chain(inner.lost());
        for message in last.map(Message::Line).chain([Message::End]) {
            let _ = inner.lines.send(message);
        }
        let writer = self.0.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer {
            let _ = writer.join();
        }
    }
}

impl Inner {
    /// The line that tells how many were lost since the last one.
    fn lost(&self) -> Option<String> {
        let lost = self.lost.swap(0, Ordering::Relaxed);
        if lost == 0 {
            return None;
        }
        self.metrics.decisions_lost(lost);
        error!(lost, "decisions were not logged, because the decision log cannot be written fast enough");
        Some(line::lost(lost))
    }

    fn send(&self, line: String) {
        if self.lines.try_send(Message::Line(line)).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn write(mut out: Box<dyn Write + Send>, lines: &Receiver<Message>) {
    let mut failed = false;
    while let Ok(Message::Line(first)) = lines.recv() {
        let mut written = out.write_all(first.as_bytes());
        let mut ended = false;
        // Whatever waits goes out together.
        while let Ok(message) = lines.try_recv() {
            match message {
                Message::Line(line) => written = written.and_then(|()| out.write_all(line.as_bytes())),
                Message::End => {
                    ended = true;
                    break;
                }
            }
        }
        match written.and_then(|()| out.flush()) {
            Ok(()) => failed = false,
            Err(problem) if !failed => {
                failed = true;
                error!(%problem, "the decision log cannot be written");
            }
            Err(_) => {}
        }
        if ended {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
