//! Times LRN in tract, its own operator and the compiled one, on the layers of well-known networks: one thread, one image.
//!
//! ```sh
//! cargo run --release -p lrn-jit-tract --example layers
//! ```

use std::time::{Duration, Instant};

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::EvalOp;
use tract_onnx_opl::lrn::Lrn;

const ALEXNET: Lrn = Lrn { alpha: 1e-4, beta: 0.75, bias: 1.0, size: 5 };
const ZFNET: Lrn = Lrn { alpha: 5e-4, bias: 2.0, ..ALEXNET };

/// The layer's name, its shape and its parameters.
const LAYERS: [(&str, [usize; 4], Lrn); 6] = [
    ("AlexNet norm1", [1, 96, 54, 54], ALEXNET),
    ("AlexNet norm2", [1, 256, 26, 26], ALEXNET),
    ("Inception v1 norm1", [1, 64, 56, 56], ALEXNET),
    ("Inception v1 norm2", [1, 192, 56, 56], ALEXNET),
    ("ZFNet-512 norm1", [1, 96, 109, 109], ZFNET),
    ("ZFNet-512 norm2", [1, 256, 26, 26], ZFNET),
];

fn main() -> TractResult<()> {
    println!("ns/element, fastest of many runs       tract   compiled    tract ÷ compiled");
    for (name, shape, lrn) in LAYERS {
        let elements: usize = shape.iter().product();
        let values: Vec<f32> = (0..elements).map(|i| (i * 37 % 1009) as f32 / 10.0).collect();
        let input = Tensor::from_shape(&shape, &values)?;
        let compiled = lrn_jit_tract::CompiledLrn::new(lrn.clone(), false);
        let [own, compiled] = [time(&lrn, &input)?, time(&compiled, &input)?].map(|ns| ns / elements as f64);
        let shape = format!("{shape:?}");
        println!("{name:<20} {shape:<17} {own:>6.2}     {compiled:>6.2}  {:>16.0}×", own / compiled);
    }
    Ok(())
}

/// The least time of an operator, in nanoseconds, on a tensor that nothing else reads.
fn time(operator: &dyn EvalOp, input: &Tensor) -> TractResult<f64> {
    let begin = Instant::now();
    let mut least = Duration::MAX;
    while begin.elapsed() < Duration::from_millis(500) {
        let inputs = tvec!(input.clone().into_tvalue());
        let start = Instant::now();
        operator.eval_out_of_plan(inputs)?;
        least = least.min(start.elapsed());
    }
    Ok(least.as_secs_f64() * 1e9)
}
