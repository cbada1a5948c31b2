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

/// The median over rounds of `calls` calls each. `prepare` makes what a round needs and does not count.
pub fn cost<P>(calls: usize, mut prepare: impl FnMut() -> P, mut round: impl FnMut(&mut P)) -> Cost {
    let (mut times, mut counts) = (Vec::with_capacity(1 << 16), Vec::with_capacity(1 << 16));
    let end = Instant::now() + Duration::from_secs(1);
    while times.len() < 9 || (Instant::now() < end && times.len() < 1 << 16) {
        let mut prepared = prepare();
        let (before, start) = (allocations(), Instant::now());
        round(&mut prepared);
        times.push(start.elapsed());
        counts.push(allocations() - before);
    }
    counts.sort_unstable();
    Cost {
        nanoseconds: median(times).as_secs_f64() * 1e9 / calls as f64,
        allocations: counts[counts.len() / 2] as f64 / calls as f64,
    }
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
