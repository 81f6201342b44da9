//! What a caller waits for who normalizes once: build and first forward together; and the first tensor of another kind,
//! for which a built layer may have to compile another kernel, beside the second.

#[allow(dead_code, reason = "shared with benchmarks that use other parts")]
mod cases;

use std::hint::black_box;
use std::time::Duration;

use cases::{distinct, input, verify_layer};
use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use lrn_jit::{Backend, LocalResponseNorm, LrnConfig};

/// CaffeNet's first normalization, of one image.
const SHAPE: [usize; 4] = [1, 96, 27, 27];
/// Another number of channels: fewer than a block.
const NARROW: [usize; 4] = [16, 3, 27, 27];
/// Rows of one element: packed.
const NO_PLANE: [usize; 2] = [729, 96];

fn oneshot(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("oneshot");
    for (name, config) in [
        ("size 5, beta 0.75", LrnConfig::new(5)),
        ("size 5, beta 0.6", LrnConfig::new(5).beta(0.6)),
        ("size 64, beta 0.75", LrnConfig::new(64)),
    ] {
        let mut next = distinct(&config);
        let x = input(SHAPE.iter().product());
        verify_layer(&next().build().unwrap(), &config, &SHAPE);
        let mut y = vec![0.0; x.len()];
        group.bench_function(BenchmarkId::new("build and forward 1×96×27×27", name), |bencher| {
            bencher.iter(|| next().build().unwrap().forward_into(black_box(&x), &SHAPE, &mut y).unwrap());
        });
        for backend in [Backend::Interpreter, Backend::GenericPowf] {
            let mut next = distinct(&config.clone().backend(backend));
            let id = BenchmarkId::new(format!("build and forward 1×96×27×27, {backend}"), name);
            group.bench_function(id, |bencher| {
                bencher.iter(|| next().build().unwrap().forward_into(black_box(&x), &SHAPE, &mut y).unwrap());
            });
        }
        for (variant, shape) in [("16×3×27×27", &NARROW[..]), ("729×96", &NO_PLANE[..])] {
            let mut next = distinct(&config);
            verify_layer(&next().build().unwrap(), &config, shape);
            let x = input(shape.iter().product());
            let mut y = vec![0.0; x.len()];
            let mut used = |first: bool| {
                let lrn = next().build().unwrap();
                lrn.forward(&input(SHAPE.iter().product()), &SHAPE).unwrap();
                if !first {
                    lrn.forward(&x, shape).unwrap();
                }
                lrn
            };
            for (turn, first) in [("first", true), ("second", false)] {
                group.bench_function(BenchmarkId::new(format!("{turn} {variant}"), name), |bencher| {
                    // The layer goes back, so that freeing it is not timed.
                    let run = |lrn: LocalResponseNorm| {
                        lrn.forward_into(black_box(&x), shape, &mut y).unwrap();
                        lrn
                    };
                    bencher.iter_batched(|| used(first), run, BatchSize::PerIteration);
                });
            }
        }
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800));
    targets = oneshot
}
criterion_main!(benches);
