//! Times LRN in burn, burn-nn's module and the compiled one, forward alone and with its gradient: one thread.
//!
//! ```sh
//! cargo run --release -p lrn-jit-burn --example layers
//! ```

use std::time::{Duration, Instant};

use burn_nn;
use burn::tensor::{Device, Distribution, Tensor};
use lrn_jit_burn::LocalResponseNormConfig;

/// The layer's name and its shape; size 5, beta 0.75.
const LAYERS: [(&str, [usize; 4]); 3] =
    [("a batch", [32, 64, 28, 28]), ("AlexNet norm1", [4, 96, 55, 55]), ("AlexNet norm2", [4, 256, 27, 27])];

fn main() -> Result<(), lrn_jit::BuildError> {
    let (own, compiled) = (nn::LocalResponseNormConfig::new(5).init(), LocalResponseNormConfig::new(5).init()?);
    println!("ns/element, fastest of many runs           burn-nn   compiled    burn-nn ÷ compiled");
    for (name, shape) in LAYERS {
        let device = Device::flex();
        let x = Tensor::<4>::random(shape, Distribution::Normal(0.0, 10.0), &device);
        let times = [time(|| own.forward(x.clone()), &x), time(|| compiled.forward(x.clone()), &x)];
        print(name, shape, "forward", times);

        let device = device.autodiff();
        let x = Tensor::<4>::from_data(x.into_data(), &device).require_grad();
        let times = [time(|| gradient(&x, own.forward(x.clone())), &x), time(|| gradient(&x, compiled.forward(x.clone())), &x)];
        print(name, shape, "with gradient", times);
    }
    Ok(())
}

/// The gradient of an output's sum.
fn gradient(x: &Tensor<4>, output: Tensor<4>) -> Option<Tensor<4>> {
    x.grad(&output.sum().backward())
}

/// The least time of some work, in nanoseconds an element.
fn time<R>(work: impl Fn() -> R, x: &Tensor<4>) -> f64 {
    let begin = Instant::now();
    let mut least = Duration::MAX;
    while begin.elapsed() < Duration::from_secs(1) {
        let start = Instant::now();
        std::hint::black_box(work());
        least = least.min(start.elapsed());
    }
    least.as_secs_f64() * 1e9 / x.shape().num_elements() as f64
}

fn print(name: &str, shape: [usize; 4], what: &str, [own, compiled]: [f64; 2]) {
    let shape = format!("{shape:?}");
    println!("{name:<14} {shape:<17} {what:<14} {own:>6.2}     {compiled:>6.2}  {:>18.1}×", own / compiled);
}
