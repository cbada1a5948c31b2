//! Time and allocations.

#![allow(unsafe_code, reason = "an allocator that counts")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// The system's allocator, counting what is asked of it. A bench that wants the count makes it the global one.
#[derive(Clone, Copy, Debug)]
pub struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

/// How many allocations there were.
#[must_use]
pub fn allocations() -> u64 {
    ALLOCATIONS.load(Ordering::Relaxed)
}

// SAFETY: every call goes on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps to the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: `pointer` came from `alloc` above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: `pointer` came from `alloc` above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// What one call costs.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    pub nanoseconds: f64,
    pub allocations: f64,
}

/// What one round took.
#[derive(Clone, Copy, Debug)]
pub struct Round {
    took: Duration,
    allocations: u64,
}

/// One round of `run`. What it needs is prepared before.
pub fn round(run: impl FnOnce()) -> Round {
    let (before, start) = (allocations(), Instant::now());
    run();
    let took = start.elapsed();
    Round { took, allocations: allocations() - before }
}

/// The costs of things side by side: their rounds, of so many calls each, take turns, so that what else the machine does
/// falls on all of them alike. Time is what a tenth of the rounds keep to, which is what they take when they are not
/// interrupted; allocations are all that there were.
pub fn costs<const N: usize>(rounds: [(usize, &mut dyn FnMut() -> Round); N]) -> [Cost; N] {
    let end = Instant::now() + Duration::from_secs(N as u64);
    let mut taken = [const { Vec::new() }; N];
    let mut rounds = rounds;
    while taken.iter().any(|taken| taken.len() < 9) || Instant::now() < end {
        for ((_, round), taken) in rounds.iter_mut().zip(&mut taken) {
            taken.push(round());
        }
    }
    let mut calls = rounds.iter().map(|(calls, _)| *calls as f64);
    taken.map(|taken| {
        let calls = calls.next().unwrap_or(1.0);
        let allocations: u64 = taken.iter().map(|round| round.allocations).sum();
        let allocations = allocations as f64 / taken.len() as f64 / calls;
        let mut times: Vec<Duration> = taken.iter().map(|round| round.took).collect();
        times.sort_unstable();
        Cost { nanoseconds: times[times.len() / 10].as_secs_f64() * 1e9 / calls, allocations }
    })
}

/// The median.
///
/// # Panics
/// If there are no times.
#[must_use]
pub fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
