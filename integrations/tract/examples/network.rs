//! Runs an ONNX model in tract on one thread, with or without compiled LRN, and times it.
//!
//! ```sh
//! cargo run --release -p lrn-jit-tract --example network -- MODEL.onnx INPUT.npy OUTPUT.npy [--accelerate] [--runs N]
//! ```
//!
//! INPUT.npy is the model's one input, float32; its shape is the one the model is optimized for. OUTPUT.npy gets the first output.
//! Prints one line of JSON: `min_ms`, the fastest run; `lrn_ms`, the least time that a run spent in LRN, from as many other runs in
//! which each node is timed; and how many operators were `replaced`.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Parser;
use lrn_jit_tract::CompiledLrn;
use tract_onnx::prelude::tract_ndarray::ArrayD;
use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::ToDim;
use tract_onnx::tract_core::plan;
use tract_onnx_opl::lrn::Lrn;

/// Runs an ONNX model in tract on one thread, and times it.
#[derive(Parser)]
struct Arguments {
    /// The model.
    model: PathBuf,
    /// Its input, float32.
    input: PathBuf,
    /// Where its output goes.
    output: PathBuf,
    /// Compile the model's LRN.
    #[arg(long)]
    accelerate: bool,
    /// How often to run the model for each of the times.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
}

fn main() -> TractResult<()> {
    let arguments = Arguments::parse();
    let input: ArrayD<f32> = ndarray_npy::read_npy(&arguments.input)?;
    let shape: Vec<_> = input.shape().iter().map(|extent| extent.to_dim()).collect();
    let mut model = tract_onnx::onnx()
        .model_for_path(&arguments.model)?
        .with_input_fact(0, f32::fact(shape).into())?
        .into_optimized()?;
    let replaced = if arguments.accelerate { lrn_jit_tract::accelerate(&mut model)? } else { 0 };
    let options = RunOptions { executor: Some(multithread::Executor::SingleThread), ..RunOptions::default() };
    let mut state = TypedSimplePlan::new_with_options(model, &options)?.spawn()?;

    let inputs = tvec!(input.into_tvalue());
    let outputs = state.run(inputs.clone())?;
    ndarray_npy::write_npy(&arguments.output, &outputs[0].to_plain_array_view::<f32>()?)?;

    let min_ms = least(arguments.runs, || {
        let start = Instant::now();
        state.run(inputs.clone())?;
        Ok(start.elapsed())
    })?;
    let lrn_ms = least(arguments.runs, || time_in_lrn(&mut state, inputs.clone()))?;
    println!(r#"{{"min_ms": {min_ms:.4}, "lrn_ms": {lrn_ms:.4}, "replaced": {replaced}}}"#);
    Ok(())
}

/// What a run spends in nodes that are LRN, tract's or compiled.
fn time_in_lrn(state: &mut TypedSimpleState, inputs: TVec<TValue>) -> TractResult<Duration> {
    let mut spent = Duration::ZERO;
    state.run_plan_with_eval(inputs, |context, state, node, inputs| {
        let start = Instant::now();
        let outputs = plan::eval(context, state, node, inputs);
        if node.op_is::<Lrn>() || node.op_is::<CompiledLrn>() {
            spent += start.elapsed();
        }
        outputs
    })?;
    Ok(spent)
}

/// The least time of several runs, in milliseconds.
fn least(runs: u32, run: impl FnMut() -> TractResult<Duration>) -> TractResult<f64> {
    let times = std::iter::repeat_with(run).take(runs as usize);
    let least = times.reduce(|least, time| Ok(least?.min(time?))).unwrap_or(Ok(Duration::ZERO))?;
    Ok(least.as_secs_f64() * 1e3)
}
