//! A built layer over a tensor, call by call: every row of `cases`, its rivals and memcpy, by criterion, in elements a
//! second. Every answer is checked before it is timed.

#[allow(dead_code, reason = "shared with benchmarks that use other parts")]
mod cases;

use std::time::Duration;

use cases::{Case, cases, input};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

fn forward(criterion: &mut Criterion) {
    let cases = cases();
    let longest = cases.iter().map(Case::elements).max().unwrap_or(0);
    let (x, mut y) = (input(longest), vec![0.0; longest]);
    for case in &cases {
        let length = case.elements();
        let (x, y) = (&x[..length], &mut y[..length]);
        let mut group = criterion.benchmark_group(case.group);
        group.throughput(Throughput::Elements(length as u64));
        for who in case.contestants() {
            let runner = case.runner(who);
            case.verify(who, &runner, x, y);
            group.bench_function(BenchmarkId::new(&case.name, who.name()), |bencher| {
                bencher.iter_custom(|runs| (0..runs).map(|_| runner.time(x, y)).sum());
            });
        }
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(600));
    targets = forward
}
criterion_main!(benches);
