//! `build()`, for configurations that are new each time (alpha differs): planning, fitting, generating and compiling the
//! kernels, and freeing them again. Beside it, what stays when the code is there already or is not made at all.

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use lrn_jit::{Backend, LrnConfig};

/// Configurations equal but for alpha.
fn distinct(config: &LrnConfig) -> impl FnMut() -> LrnConfig {
    let (config, mut count) = (config.clone(), 0.0);
    move || {
        count += 1.0;
        config.clone().alpha(1e-3 + 1e-9 * count)
    }
}

fn compile(criterion: &mut Criterion) {
    let betas = [0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 0.6, 1.3, 2.7, 3.5, 5.0];
    let by_beta = betas.map(|beta| (format!("size 5, beta {beta}"), LrnConfig::new(5).beta(beta)));
    let by_size = [1, 3, 9, 16, 17, 64].map(|size| (format!("size {size}, beta 0.75"), LrnConfig::new(size)));
    let k0 = [0.5, 0.75].map(|beta| (format!("size 5, beta {beta}, k 0"), LrnConfig::new(5).beta(beta).k(0.0)));

    let mut group = criterion.benchmark_group("compile");
    for (name, config) in by_beta.iter().chain(&by_size).chain(&k0) {
        let mut next = distinct(config);
        let lrn = next().build().unwrap();
        let interpreter = next().backend(Backend::Interpreter).build().unwrap();
        assert_eq!(lrn.plan().before, interpreter.plan().before);
        group.bench_function(BenchmarkId::new("new", name), |bencher| {
            bencher.iter(|| next().build().unwrap());
        });
    }
    for (name, config) in [&by_beta[2], &by_beta[6], &by_size[5]] {
        let alive = config.build().unwrap();
        assert_eq!(alive.forward(&[1.0; 4], &[1, 4]), config.build().unwrap().forward(&[1.0; 4], &[1, 4]));
        group.bench_function(BenchmarkId::new("equal one alive", name), |bencher| {
            bencher.iter(|| config.build().unwrap());
        });
        let mut next = distinct(config);
        group.bench_function(BenchmarkId::new("interpreter, no code", name), |bencher| {
            bencher.iter(|| next().backend(Backend::Interpreter).build().unwrap());
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
