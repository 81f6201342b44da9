//! `build()` with criterion's statistics, for configurations that are new each time (alpha differs): planning, fitting,
//! generating and compiling the kernels, and freeing them again. Beside it, what stays when the code is there already or is
//! not made at all. (`calls` prints one table of these and of other calls, each at its fastest.)

#[allow(dead_code, reason = "shared with benchmarks that use other parts")]
mod cases;

use std::time::Duration;

use cases::{distinct, verify_layer};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use lrn_jit::{Backend, LrnConfig};

fn compile(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("compile");
    for (name, config) in [
        ("size 5, beta 0.75", LrnConfig::new(5)),
        ("size 5, beta 0.6", LrnConfig::new(5).beta(0.6)),
        ("size 5, beta 1", LrnConfig::new(5).beta(1.0)),
        ("size 16, beta 0.75", LrnConfig::new(16)),
        ("size 64, beta 0.75", LrnConfig::new(64)),
    ] {
        let mut next = distinct(&config);
        verify_layer(&next().build().unwrap(), &config, &[1, 20, 33]);
        group.bench_function(BenchmarkId::new("new", name), |bencher| {
            bencher.iter(|| next().build().unwrap());
        });
        let alive = config.build().unwrap();
        group.bench_function(BenchmarkId::new("equal one alive", name), |bencher| {
            bencher.iter(|| config.build().unwrap());
        });
        drop(alive);
        let mut next = distinct(&config.clone().backend(Backend::Interpreter));
        group.bench_function(BenchmarkId::new("interpreter, no code", name), |bencher| {
            bencher.iter(|| next().build().unwrap());
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800));
    targets = compile
}
criterion_main!(benches);
