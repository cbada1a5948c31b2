//! What it costs to refuse a policy file that was never meant well, and to read the largest that is: processor time and
//! memory for each, in the profile of the tests.
//!
//! ```sh
//! cargo bench --manifest-path tests/bench/Cargo.toml --profile checked --bench bad_input            # all of them
//! cargo bench --manifest-path tests/bench/Cargo.toml --profile checked --bench bad_input -- cross   # some of them
//! ```
//!
//! What is counted is the time that the processor worked, from the bytes to the rendered answer. The run fails if a file that is to be refused takes more than [`MAX_MILLISECONDS`], if any takes
//! more than [`MAX_BYTES`] of memory, or if a file is not answered as it should be.

#![allow(unsafe_code, reason = "an allocator that counts")]

mod cases;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    fs,
    process::ExitCode,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use self::cases::{Case, cases};
use orgate_config::compile_with;

/// The most processor time of a refusal.
const MAX_MILLISECONDS: f64 = 100.0;
/// The most memory of any answer.
const MAX_BYTES: usize = 256 << 20;

/// Counts what is held of the system's allocator.
struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

fn took(bytes: usize) {
    let held = HELD.fetch_add(bytes, Ordering::Relaxed) + bytes;
    PEAK.fetch_max(held, Ordering::Relaxed);
}

// SAFETY: every call goes on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        took(layout.size());
        // SAFETY: the caller keeps to the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: `pointer` came from `alloc` above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        took(size);
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: `pointer` came from `alloc` above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// How long this thread was really working: how busy the machine is otherwise makes no difference.
fn worked() -> Option<Duration> {
    let statistics = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Duration::from_nanos(statistics.split(' ').next()?.parse().ok()?))
}

/// Reads one file a few times: the least time that took, the most memory, whether the policy stands, and what was said.
fn measure(case: &Case) -> (Duration, usize, bool, String) {
    let before = HELD.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let mut shortest = Duration::MAX;
    loop {
        let (start, clock) = (worked(), Instant::now());
        let answer = compile_with(case.name, &case.text, &|_| None, case);
        let (stands, text) = match &answer {
            Ok(file) => (true, file.warnings.render(false)),
            Err(findings) => (false, findings.render(false)),
        };
        let time = start.and_then(|start| worked()?.checked_sub(start)).unwrap_or_else(|| clock.elapsed());
        let is_last = shortest != Duration::MAX;
        shortest = shortest.min(time);
        if is_last || time > Duration::from_secs(1) {
            let line = text.lines().find(|line| line.starts_with("error")).unwrap_or("stands");
            let peak = PEAK.load(Ordering::Relaxed).saturating_sub(before);
            return (shortest, peak, stands, line.chars().take(70).collect());
        }
    }
}

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    println!("\n| file | KiB | processor, ms | memory, MiB | answer |\n|---|---:|---:|---:|---|");
    let mut failures = Vec::new();
    for case in cases().iter().filter(|case| wanted.iter().all(|wanted| case.what.contains(wanted.as_str())))
    {
        let size = case.text.len() + case.fragments.iter().map(Vec::len).sum::<usize>();
        let (time, peak, stands, said) = measure(case);
        let (time, mebibytes) = (time.as_secs_f64() * 1e3, peak as f64 / f64::from(1 << 20));
        println!(
            "| {} | {} | {time:.1} | {mebibytes:.1} | {} |",
            case.what,
            size >> 10,
            said.replace('|', "\\|")
        );
        if stands != case.stands {
            failures.push(format!("{}: {said}", case.what));
        }
        if !stands && time > MAX_MILLISECONDS {
            failures.push(format!("{}: {time:.0} ms", case.what));
        }
        if peak > MAX_BYTES {
            failures.push(format!("{}: {mebibytes:.0} MiB", case.what));
        }
    }
    println!();
    failures.iter().for_each(|failure| println!("too much: {failure}"));
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
