//! Normalizes real activations with a compiled layer, checks every number against the formula, and times it beside the
//! same layer in ordinary Rust.
//!
//!     cargo run --release --example normalize
//!
//! The tensor is a photograph behind 96 convolution filters (tests/data/README.md). Ends with code 1 if the check fails. The
//! rivals are those of `lrn-jit bench`, which knows more tensors and says what the machine allows.

#[allow(dead_code, reason = "the tool uses more of it")]
#[path = "../src/bin/lrn-jit/rivals/mod.rs"]
mod rivals;

use std::error::Error;
use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use lrn_jit::{Backend, LocalResponseNorm, LrnConfig};
use ndarray::Array4;
use rivals::{Slabs, generic, monomorphised};

/// Largest distance from the formula, in units in the last place: the power's own error, and the sum's before it.
const MAX_ULP: u32 = 5;
/// Rounds of measurement; the fastest counts.
const ROUNDS: usize = 300;
/// Elements below which a tensor is repeated as a batch, so that one run takes longer than a clock's tick by far.
const ENOUGH: usize = 1 << 18;

/// Computes the second slice from the first.
type Run<'a> = &'a mut dyn FnMut(&[f32], &mut [f32]);

/// How many floats lie between two of them.
fn ulps(a: f32, b: f32) -> u32 {
    let place = |value: f32| {
        let bits = value.to_bits().cast_signed();
        if bits < 0 { i32::MIN.wrapping_sub(bits) } else { bits }
    };
    if a.is_nan() || b.is_nan() { u32::MAX } else { place(a).abs_diff(place(b)) }
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    // 1. A tensor: batch, channels, height, width.
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/conv1.npy");
    let image: Array4<f32> = ndarray_npy::read_npy(path)?;
    let mut shape = image.shape().to_vec();
    let image = image.as_standard_layout();
    let image = image.as_slice().ok_or("a standard layout is a slice")?;
    println!("input      {shape:?} (batch, channels, height, width), {} KB", size_of_val(image) / 1024);

    // 2. A layer. Here the code is generated and compiled, for these parameters.
    let start = Instant::now();
    let lrn = LocalResponseNorm::new(5)?;
    let compiling = start.elapsed();
    println!("layer      {lrn}");
    println!("backend    {}", lrn.backend());
    println!("plan       {}", lrn.plan().to_string().replace('\n', "\n           "));
    println!("compiled   in {:.2} ms", compiling.as_secs_f64() * 1e3);

    // 3. Normalize, and compare with the formula computed in f64.
    let y = lrn.forward(image, &shape)?;
    let reference = LrnConfig::new(5).backend(Backend::Reference).build()?;
    let expected = reference.forward(image, &shape)?;
    let worst = y.iter().zip(&expected).map(|(&a, &b)| ulps(a, b)).max().unwrap_or(0);
    let good = worst <= MAX_ULP;
    let verdict = if good { "good" } else { "WRONG" };
    println!("check      {} numbers, at most {worst} ulp from the formula in f64: {verdict}", y.len());
    let middle = y.len() / 2..y.len() - 1;
    if let Some(i) = middle.into_iter().find(|&i| image[i] > 100.0) {
        println!("           for one, {} becomes {}", image[i], y[i]);
    }

    // 4. Time it, beside kernels that rustc made. All take turns, so that noise hits all alike.
    let copies = ENOUGH.div_ceil(image.len().max(1));
    let x = image.repeat(copies);
    shape[0] *= copies;
    let slabs = Slabs::new(&shape, 1);
    let run_time = generic::new(&lrn).ok_or("the generic rival knows this layer")?;
    let constant = monomorphised::new(lrn.plan()).filter(|rival| rival.covers(slabs)).ok_or("and so does the other")?;
    let mut contestants: [(&str, Run<'_>); 4] = [
        ("this layer", &mut |x, y| lrn.forward_into(x, &shape, y).expect("the shape was accepted before")),
        ("rustc, parameters at run time", &mut |x, y| run_time.run(slabs, x, y)),
        ("rustc, parameters constant", &mut |x, y| constant.run(slabs, x, y)),
        ("a copy", &mut |x, y| y.copy_from_slice(x)),
    ];
    let mut y = vec![0.0; x.len()];
    let mut best = [Duration::MAX; 4];
    for _ in 0..ROUNDS {
        for ((_, run), best) in contestants.iter_mut().zip(&mut best) {
            let start = Instant::now();
            run(black_box(&x), black_box(&mut y));
            *best = start.elapsed().min(*best);
        }
    }
    println!("\nOne thread, {shape:?}, fastest of {ROUNDS} runs; GB/s count reading and writing:\n");
    println!("{:<30} {:>8} {:>12} {:>8} {:>10}", "", "ms", "ns/element", "GB/s", "÷ this");
    for ((name, _), time) in contestants.iter().zip(best) {
        let seconds = time.as_secs_f64();
        let per_element = seconds * 1e9 / x.len() as f64;
        let bandwidth = 2.0 * size_of_val(&x[..]) as f64 / seconds / 1e9;
        let ratio = format!("{:.2}×", seconds / best[0].as_secs_f64());
        println!("{name:<30} {:>8.3} {per_element:>12.3} {bandwidth:>8.2} {ratio:>10}", seconds * 1e3);
    }
    println!("\n÷ this: a time over this layer's; under 1 is faster than it.");
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
