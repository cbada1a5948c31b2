//! A decision under every engine, with criterion's statistics.

use std::{hint::black_box, time::Duration};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use orgate_bench::{SIZES, engines};

fn decision(criterion: &mut Criterion) {
    for size in SIZES {
        let mut group = criterion.benchmark_group(format!("{size} rules"));
        group
            .sample_size(20)
            .warm_up_time(Duration::from_millis(500))
            .measurement_time(Duration::from_secs(2));
        for mut engine in engines(size) {
            group.bench_function(BenchmarkId::from_parameter(engine.name), |bencher| {
                bencher.iter_custom(|times| black_box((engine.decide)(usize::try_from(times).unwrap())).took);
            });
        }
    }
}

criterion_group!(benches, decision);
criterion_main!(benches);
