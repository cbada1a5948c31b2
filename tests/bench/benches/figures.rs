//! The figures that are promised, asserted: nanoseconds and allocations of a decision, milliseconds of a compilation.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use orgate_bench::{
    ENGINES, Run, SIZES, engine,
    measure::{Counting, allocations, median},
    routes, spec,
};
use orgate_policy::Policy;

/// The most that finding the rule and deciding may take at 10 000 rules, in nanoseconds.
const MAX_DECISION: f64 = 300.0;
/// The most that 10 000 rules may take to compile.
const MAX_COMPILATION: Duration = Duration::from_millis(200);

#[global_allocator]
static COUNTING: Counting = Counting;

fn main() {
    let mut failures = Vec::new();
    println!(
        "\nOne decision: median of batches in nanoseconds, allocations, and how many times orgate's time\n"
    );
    println!("| engine | rules | ns | allocations | ratio | allowed |");
    println!("|---|---:|---:|---:|---:|---:|");
    for size in SIZES {
        let mut own = f64::NAN;
        for name in ENGINES {
            let mut engine = engine(name, size);
            let (nanoseconds, allocations, allowed) = measure(&mut engine.decide);
            if name == ENGINES[0] {
                own = nanoseconds;
            }
            println!(
                "| {name} | {size} | {nanoseconds:.0} | {allocations:.1} | {:.1} | {:.0} % |",
                nanoseconds / own,
                allowed * 100.0
            );
            if name.starts_with("orgate") && allocations > 0.0 {
                failures.push(format!("{name} allocates {allocations} times a decision at {size} rules"));
            }
            if name == ENGINES[1] && size == 10_000 && nanoseconds > MAX_DECISION {
                failures.push(format!(
                    "a decision takes {nanoseconds:.0} ns; at most {MAX_DECISION} are allowed"
                ));
            }
        }
    }
    println!("\n| rules | read, ms | check and compile, ms |\n|---:|---:|---:|");
    for size in SIZES {
        let routes = routes(size);
        let read = (0..9).map(|_| time(|| drop(black_box(spec(&routes))))).min().unwrap_or_default();
        let spec = spec(&routes);
        let compilations = (0..9).map(|_| {
            let spec = spec.clone();
            time(|| drop(black_box(Policy::compile(spec).unwrap())))
        });
        let compile = median(compilations.collect());
        let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
        println!("| {size} | {:.1} | {:.1} |", milliseconds(read), milliseconds(compile));
        if size == 10_000 && compile > MAX_COMPILATION {
            failures.push(format!("10 000 rules take {compile:?} to compile"));
        }
    }
    println!();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// The median time of a decision over batches, its allocations, and the share that was allowed.
fn measure(decide: &mut dyn FnMut(usize) -> Run) -> (f64, f64, f64) {
    // So short that the machine's other work seldom interrupts one, so long that reading the clock does not count.
    let mut batch = 1;
    while black_box(decide(batch)).took < Duration::from_micros(50) && batch < 1 << 14 {
        batch *= 2;
    }
    let (mut allowed, mut times) = (0, Vec::with_capacity(10_001));
    let before = allocations();
    let end = Instant::now() + Duration::from_secs(2);
    while times.len() < 10_001 && (Instant::now() < end || times.len() < 5) {
        let run = decide(batch);
        allowed += run.allowed;
        times.push(run.took);
    }
    let decisions = (times.len() * batch) as f64;
    let allocations = (allocations() - before) as f64 / decisions;
    (median(times).as_secs_f64() * 1e9 / batch as f64, allocations, allowed as f64 / decisions)
}

fn time(run: impl FnOnce()) -> Duration {
    let start = Instant::now();
    run();
    start.elapsed()
}
