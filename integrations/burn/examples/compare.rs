//! Times burn-nn's module beside the compiled one, forward alone and with the gradient, on one thread.
//!
//!     cargo run --release -p lrn-jit-burn --example compare
//!
//! Both run in a rayon pool of one thread, and take turns. Results are compared before anything is timed.

use std::error::Error;
use std::time::{Duration, Instant};

use burn::tensor::{Device, Distribution, Tensor};
use lrn_jit_burn::LocalResponseNormConfig;

/// Layers of size 5: a name and a shape.
const LAYERS: [(&str, [usize; 4]); 3] =
    [("batch of 32", [32, 64, 28, 28]), ("AlexNet norm1", [4, 96, 55, 55]), ("AlexNet norm2", [4, 256, 27, 27])];
/// Rounds of measurement, in which all take turns; the fastest run counts.
const ROUNDS: usize = 30;
/// Runs in a turn: the first finds caches and memory as another contestant left them.
const RUNS: usize = 3;
/// Largest relative difference of results.
const ALLOWED: f64 = 1e-5;

/// What is timed: a name, and what it does.
type Contestant<'a> = (&'static str, Box<dyn Fn() -> Tensor<4> + 'a>);

/// The largest |a − b| over the largest |b|.
fn difference(a: Tensor<4>, b: Tensor<4>) -> f64 {
    let largest = |x: Tensor<4>| x.abs().max().into_scalar::<f64>();
    largest(a - b.clone()) / largest(b)
}

/// Lets contestants take turns, and prints their fastest times. The first two must agree; the last is for comparison.
fn time(what: &str, contestants: &[Contestant<'_>; 3], elements: usize) -> Result<(), Box<dyn Error>> {
    let difference = difference(contestants[0].1(), contestants[1].1());
    if difference.is_nan() || difference > ALLOWED {
        return Err(format!("{what}: {difference:e} off").into());
    }
    let mut fastest = [Duration::MAX; 3];
    for _ in 0..ROUNDS {
        for ((_, run), fastest) in contestants.iter().zip(&mut fastest) {
            for _ in 0..RUNS {
                let start = Instant::now();
                let result = run();
                let time = start.elapsed();
                drop(result);
                *fastest = time.min(*fastest);
            }
        }
    }
    println!("{what:<60}{:>9}{:>12}{:>9}", "ms", "ns/element", "÷ this");
    for ((name, _), time) in contestants.iter().zip(fastest) {
        let (ms, ratio) = (time.as_secs_f64() * 1e3, time.as_secs_f64() / fastest[0].as_secs_f64());
        println!("  {name:<58}{ms:>9.2}{:>12.2}{ratio:>8.1}×", ms * 1e6 / elements as f64);
    }
    Ok(())
}

fn measure() -> Result<(), Box<dyn Error>> {
    let (norm, own) = (LocalResponseNormConfig::new(5).init(), burn_nn::LocalResponseNormConfig::new(5).init());
    for (name, shape) in LAYERS {
        let (device, elements) = (Device::flex(), shape.iter().product());
        let x = Tensor::<4>::random(shape, Distribution::Normal(0.0, 1.0), &device);
        time(
            &format!("{name} {shape:?}, forward"),
            &[
                ("this module", Box::new(|| norm.forward(x.clone()))),
                ("burn-nn's", Box::new(|| own.forward(x.clone()))),
                ("for comparison: 2 x", Box::new(|| x.clone() * 2)),
            ],
            elements,
        )?;
        // The gradient of the sum of all outputs.
        let x = Tensor::<4>::from_data(x.into_data(), &device.autodiff()).require_grad();
        let gradient = |y: Tensor<4>| x.grad(&y.sum().backward()).expect("a gradient");
        time(
            &format!("{name} {shape:?}, forward and backward"),
            &[
                ("this module", Box::new(|| gradient(norm.forward(x.clone())))),
                ("burn-nn's", Box::new(|| gradient(own.forward(x.clone())))),
                ("for comparison: 2 x", Box::new(|| gradient(x.clone() * 2))),
            ],
            elements,
        )?;
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    println!("f32, size 5, one thread; fastest of {} runs, {RUNS} a turn\n", ROUNDS * RUNS);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
    pool.install(|| measure().map_err(|error| error.to_string()))?;
    Ok(())
}
