//! Times the module beside the same formula composed of candle's own operations, forward and backward.
//!
//!     cargo run --release -p lrn-jit-candle --example compare
//!
//! candle sizes its pools once in a process, by RAYON_NUM_THREADS. So this starts itself twice: with one thread, and with as many
//! as candle takes by itself. Results are compared before anything is timed.

use std::error::Error;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use candle_core::{CustomOp1 as _, DType, Device, Module, Tensor, Var};
use lrn_jit_candle::{Activation, Convention, LocalResponseNormConfig, local_response_norm};

const SHAPE: [usize; 4] = [32, 64, 28, 28];
const SIZE: usize = 5;
const CONFIG: LocalResponseNormConfig = LocalResponseNormConfig {
    alpha: 1e-4,
    beta: 0.75,
    k: 1.0,
    convention: Convention::Torch,
    channel_axis: 1,
    within_channel: None,
    input_activation: Activation::Identity,
};
/// Rounds of measurement, in which all take turns; the fastest run counts.
const ROUNDS: usize = 30;
/// Runs in a turn. The first finds caches and memory as another contestant left them, which is nearer to a layer's lot between
/// others; the next ones find them as the run before did.
const RUNS: usize = 3;
/// Largest relative difference of results.
const ALLOWED: f64 = 1e-5;

/// k + alpha/size · Σ x², of slices of the padded squares.
fn base(x: &Tensor) -> candle_core::Result<Tensor> {
    let channels = x.dim(1)?;
    let squares = x.sqr()?.pad_with_zeros(1, SIZE / 2, (SIZE - 1) / 2)?;
    let mut sum = squares.narrow(1, 0, channels)?;
    for tap in 1..SIZE {
        sum = (sum + squares.narrow(1, tap, channels)?)?;
    }
    sum.affine(CONFIG.alpha / SIZE as f64, CONFIG.k)
}

/// The composition for any beta.
fn with_power(x: &Tensor) -> candle_core::Result<Tensor> {
    x * base(x)?.powf(-CONFIG.beta)?
}

/// The composition for beta ¾: d^¾ = √d · √√d.
fn with_roots(x: &Tensor) -> candle_core::Result<Tensor> {
    let root = base(x)?.sqrt()?;
    x / (&root * root.sqrt()?)?
}

/// What is timed: a name, and what it does.
type Contestant<'a> = (&'static str, Box<dyn Fn() -> candle_core::Result<Tensor> + 'a>);

/// The largest |a − b| over the largest |b|.
fn difference(a: &Tensor, b: &Tensor) -> candle_core::Result<f64> {
    let largest = |x: Tensor| x.abs()?.max_all()?.to_dtype(DType::F64)?.to_scalar::<f64>();
    Ok(largest((a - b)?)? / largest(b.clone())?)
}

/// Lets contestants take turns, and prints their fastest times. The results of all but the last `others` are the first one's.
fn time(what: &str, contestants: &[Contestant<'_>], others: usize) -> Result<(), Box<dyn Error>> {
    let first = contestants[0].1()?;
    for (name, run) in &contestants[1..contestants.len() - others] {
        let difference = difference(&run()?, &first)?;
        if difference.is_nan() || difference > ALLOWED {
            return Err(format!("{what}, {name}: {difference:e} off").into());
        }
    }
    // Of each contestant, the fastest first run of a turn, and the fastest of all.
    let mut fastest = vec![[Duration::MAX; 2]; contestants.len()];
    // The last begins, so that the module follows a composition.
    for _ in 0..ROUNDS {
        for ((_, run), [first, any]) in contestants.iter().zip(&mut fastest).rev() {
            for turn in 0..RUNS {
                let start = Instant::now();
                let result = run()?;
                let time = start.elapsed();
                drop(result);
                *any = time.min(*any);
                if turn == 0 {
                    *first = time.min(*first);
                }
            }
        }
    }
    let elements = SHAPE.iter().product::<usize>() as f64;
    println!("{what:<36}{:>9}{:>12}{:>9}{:>13}{:>9}", "ms", "ns/element", "÷ this", "first in ms", "÷ this");
    for ((name, _), times) in contestants.iter().zip(&fastest) {
        let [first, any] = times.map(|time| time.as_secs_f64() * 1e3);
        let [first_ratio, ratio] = [0, 1].map(|i| times[i].as_secs_f64() / fastest[0][i].as_secs_f64());
        let ns = any * 1e6 / elements;
        println!("  {name:<34}{any:>9.2}{ns:>12.2}{ratio:>8.1}×{first:>13.2}{first_ratio:>8.1}×");
    }
    Ok(())
}

/// All measurements of one process.
fn measure() -> Result<(), Box<dyn Error>> {
    let norm = local_response_norm(SIZE, CONFIG)?;
    let x = Var::randn(0f32, 1f32, &SHAPE, &Device::Cpu)?;
    let input = x.as_detached_tensor();
    time(
        "forward",
        &[
            ("this module", Box::new(|| norm.forward(&input))),
            ("composed, powf", Box::new(|| with_power(&input))),
            ("composed, square roots", Box::new(|| with_roots(&input))),
            ("for comparison: x + 1", Box::new(|| input.affine(1.0, 1.0))),
        ],
        1,
    )?;
    let swapped = input.permute((0, 2, 3, 1))?.contiguous()?.permute((0, 3, 1, 2))?;
    time(
        "forward, NHWC memory seen as NCHW",
        &[
            ("this module", Box::new(|| norm.forward(&swapped))),
            ("composed, powf", Box::new(|| with_power(&swapped))),
            ("composed, square roots", Box::new(|| with_roots(&swapped))),
            ("this module, of a contiguous copy", Box::new(|| norm.forward(&swapped.contiguous()?))),
        ],
        0,
    )?;
    // The gradient of the sum of all outputs, as candle takes it: it adds each gradient to zeros besides.
    let (ours, power, roots) = (norm.forward(&x)?, with_power(&x)?, with_roots(&x)?);
    let gradient = |y: &Tensor| -> candle_core::Result<Tensor> {
        y.backward()?.get(&x).cloned().ok_or_else(|| candle_core::Error::msg("no gradient"))
    };
    let ones = ours.ones_like()?;
    let alone = |grad_y: &Tensor| -> candle_core::Result<Tensor> {
        norm.bwd(&input, &input, grad_y)?.ok_or_else(|| candle_core::Error::msg("no gradient"))
    };
    time(
        "backward",
        &[
            ("this module", Box::new(|| gradient(&ours))),
            ("composed, powf", Box::new(|| gradient(&power))),
            ("composed, square roots", Box::new(|| gradient(&roots))),
            ("this module's gradient by itself", Box::new(|| alone(&ones))),
        ],
        0,
    )?;
    Ok(())
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    if std::env::args().nth(1).as_deref() == Some("measure") {
        measure()?;
        return Ok(ExitCode::SUCCESS);
    }
    println!("{SHAPE:?} f32, size {SIZE}; fastest of {} runs, {RUNS} a turn", ROUNDS * RUNS);
    for threads in [Some("1"), None] {
        let mut child = Command::new(std::env::current_exe()?);
        child.arg("measure");
        match threads {
            Some(threads) => child.env("RAYON_NUM_THREADS", threads).env("CANDLE_NUM_THREADS", threads),
            None => child.env_remove("RAYON_NUM_THREADS").env_remove("CANDLE_NUM_THREADS"),
        };
        println!("\n{}", if threads.is_some() { "One thread" } else { "As many threads as candle takes" });
        if !child.status()?.success() {
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}
